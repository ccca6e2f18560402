#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Proves both commands in a bare system: Debian 12 as debootstrap's minbase makes it, a clean clone inside, nothing else.
#
#   sh tests/fresh.sh         config/quickstart.sh, then tests/run.sh quick
#   sh tests/fresh.sh full    the same with the whole of tests/run.sh
#   KEEP=1 sh tests/fresh.sh  leaves the system's folder and says where it is
#
# Needs root, debootstrap (installed where missing) and mounting; where mounting isn't allowed it says SKIP. Mirror, keys and
# proxies are those of the machine's own apt; none is written here.
set -u
cd "$(dirname "$0")/.." || exit 1
SOURCE=$(pwd)
WHAT=${1-quick}

skip() { printf 'SKIP fresh: %s\n0 passed, 0 failed, 1 skipped\n' "$*"; exit 0; }
fail() { printf 'FAIL fresh: %s\n' "$*"; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
STARTED=$(date +%s)
clock() { printf '[%4d s] %s\n' $(($(date +%s) - STARTED)) "$*"; }

case $WHAT in
quick | full) ;;
-h | --help) sed -n '3,10s/^# \{0,1\}//p' tests/fresh.sh; exit 0 ;;
*) echo "fresh: quick or full, not '$WHAT'" >&2; exit 2 ;;
esac

# In a mount namespace of its own nothing that is mounted here can stay behind, however this ends.
if [ "${FRESH_INSIDE-}" != 1 ]; then
    [ "$(id -u)" = 0 ] || skip "needs root"
    unshare --mount true 2>/dev/null || skip "mount namespaces aren't allowed here"
    . config/packages.sh
    packages_install debootstrap git util-linux || fail "debootstrap could not be installed"
    FRESH_INSIDE=1 exec unshare --mount --propagation private sh "$SOURCE/tests/fresh.sh" "$@"
fi

# The first mirror of Debian itself that the machine's apt reads bookworm from.
mirror_of_machine() {
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(ORIGIN)' 2>/dev/null | awk '$2 == "bookworm" && $3 == "Debian" { print $1; exit }' | grep . && return
    apt-get update -q >/dev/null 2>&1
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(ORIGIN)' 2>/dev/null | awk '$2 == "bookworm" && $3 == "Debian" { print $1; exit }' | grep .
}

SYSTEM=$(mktemp -d "${TMPDIR:-/var/tmp}/sinter-fresh-XXXXXX") || fail "no scratch folder"
chmod 755 "$SYSTEM" # users inside, such as apt's, go through it
finish() {
    if [ "${KEEP-}" = 1 ]; then
        echo "kept: $SYSTEM"
        return
    fi
    umount -R -l "$SYSTEM/dev" 2>/dev/null
    umount -l "$SYSTEM/proc" 2>/dev/null
    # What is still mounted below is not ours to remove.
    if grep -q " $SYSTEM/" /proc/self/mounts; then
        echo "still mounted, so left as it is: $SYSTEM"
        return
    fi
    rm -rf --one-file-system "$SYSTEM"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

MIRROR=$(mirror_of_machine) || fail "the machine's apt has no Debian 12 source"
clock "debootstrap into $SYSTEM"
debootstrap --variant=minbase bookworm "$SYSTEM" "$MIRROR" >"$SYSTEM.log" 2>&1 || { tail -n 20 "$SYSTEM.log"; fail "debootstrap failed"; }
rm -f "$SYSTEM.log"

mount -t proc proc "$SYSTEM/proc" 2>/dev/null || skip "mounting /proc isn't allowed here"
mount --rbind /dev "$SYSTEM/dev" 2>/dev/null || skip "mounting /dev isn't allowed here"

# apt inside reads what apt outside reads: Debian's own sources, keys, proxies, certificates. Sources of others need packages that
# a bare system lacks, and are left out.
rm -f "$SYSTEM/etc/apt/sources.list"
mkdir -p "$SYSTEM/etc/apt/sources.list.d" "$SYSTEM/etc/apt/apt.conf.d" "$SYSTEM/usr/share/keyrings"
for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ -s "$f" ] && grep -q "bookworm\(-security\|-updates\)\?\( \|$\)" "$f" && grep -qi "debian" "$f" && cp -L "$f" "$SYSTEM$f"
done
for f in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
    [ -s "$f" ] && grep -qi "proxy\|Acquire" "$f" && cp -L "$f" "$SYSTEM$f"
done
cp -Lr /usr/share/keyrings/. "$SYSTEM/usr/share/keyrings/" 2>/dev/null
cp -Lr /etc/apt/trusted.gpg.d "$SYSTEM/etc/apt/" 2>/dev/null
[ -d /etc/ssl/certs ] && mkdir -p "$SYSTEM/etc/ssl" && cp -Lr /etc/ssl/certs "$SYSTEM/etc/ssl/" 2>/dev/null
cp -L /etc/resolv.conf /etc/hosts "$SYSTEM/etc/" 2>/dev/null

# The clone has what is committed, and no remote, hook or setting of this one.
clock "clone"
git -c safe.directory='*' clone -q --no-hardlinks "$SOURCE" "$SYSTEM/root/sinter" || fail "git clone failed"
rm -f "$SYSTEM/root/sinter/.git/config.worktree"

inside() {
    seconds=$1
    shift
    # A clean environment but for the way out.
    timeout --foreground -k 30 "$seconds" chroot "$SYSTEM" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 CI=true \
        ${http_proxy+"http_proxy=$http_proxy"} ${https_proxy+"https_proxy=$https_proxy"} ${no_proxy+"no_proxy=$no_proxy"} \
        ${OPENBLAS_CORETYPE+"OPENBLAS_CORETYPE=$OPENBLAS_CORETYPE"} ${OPENBLAS_L2_SIZE+"OPENBLAS_L2_SIZE=$OPENBLAS_L2_SIZE"} \
        sh -c "cd /root/sinter && $*" </dev/null 2>&1
}

passed=0
failed=0
result() { # NAME CODE
    if [ "$2" = 0 ]; then passed=$((passed + 1)); clock "ok   $1"; else failed=$((failed + 1)); clock "FAIL $1 ended with $2"; fi
}

clock "sh config/quickstart.sh"
inside 1200 sh config/quickstart.sh
result "quickstart, from nothing" $?
clock "sh config/quickstart.sh, again"
again=$(date +%s)
inside 120 sh config/quickstart.sh >"$SYSTEM/again.txt"
code=$?
[ $code = 0 ] || tail -n 20 "$SYSTEM/again.txt"
[ $(($(date +%s) - again)) -lt 60 ] || code="more than a minute"
result "quickstart, again" "$code"
inside 60 sh config/quickstart.sh --stop
result "quickstart --stop" $?

part=quick
[ "$WHAT" = full ] && part=""
clock "sh tests/run.sh $part"
inside 3600 sh tests/run.sh $part
result "tests/run.sh $part" $?

inside 60 sh config/quickstart.sh --clean
result "quickstart --clean" $?
clock "done"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
