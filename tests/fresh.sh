#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Proves both commands in a bare system: Debian 12 as debootstrap's minbase makes it, a clean clone inside, nothing else. Then
# the Debian package of that build in a second one (tests/fresh_package.sh), which is booted at last (tests/fresh_boot.sh).
#
#   sh tests/fresh.sh         config/quickstart.sh, then tests/run.sh quick
#   sh tests/fresh.sh full    the same with the whole of tests/run.sh
#   sh tests/fresh.sh package only the last steps: build/release, packed here, in a bare system
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
quick | full | package) ;;
-h | --help) sed -n '3,12s/^# \{0,1\}//p' tests/fresh.sh; exit 0 ;;
*) echo "fresh: quick, full or package, not '$WHAT'" >&2; exit 2 ;;
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

SCRATCH=$(mktemp -d "${TMPDIR:-/var/tmp}/sinter-fresh-XXXXXX") || fail "no scratch folder"
chmod 755 "$SCRATCH" # users inside, such as apt's, go through it
SYSTEM=$SCRATCH/system PLAIN=$SCRATCH/plain
finish() {
    if [ "${KEEP-}" = 1 ]; then
        echo "kept: $SCRATCH"
        return
    fi
    for root in "$SYSTEM" "$PLAIN"; do
        umount -R -l "$root/dev" 2>/dev/null
        umount -l "$root/proc" 2>/dev/null
    done
    # What is still mounted below is not ours to remove.
    if grep -q " $SCRATCH/" /proc/self/mounts; then
        echo "still mounted, so left as it is: $SCRATCH"
        return
    fi
    rm -rf --one-file-system "$SCRATCH"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

MIRROR=$(mirror_of_machine) || fail "the machine's apt has no Debian 12 source"
clock "debootstrap into $SYSTEM"
debootstrap --variant=minbase bookworm "$SYSTEM" "$MIRROR" >"$SYSTEM.log" 2>&1 || { tail -n 20 "$SYSTEM.log"; fail "debootstrap failed"; }
rm -f "$SYSTEM.log"

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

# The package goes into a system that knows nothing of the build.
cp -a --reflink=auto "$SYSTEM" "$PLAIN" || fail "no room for a second system"
for root in "$SYSTEM" "$PLAIN"; do
    mount -t proc proc "$root/proc" 2>/dev/null || skip "mounting /proc isn't allowed here"
    mount --rbind /dev "$root/dev" 2>/dev/null || skip "mounting /dev isn't allowed here"
done

# inside SYSTEM SECONDS COMMAND…, in a clean environment but for the way out.
inside() {
    root=$1 seconds=$2
    shift 2
    timeout --foreground -k 30 "$seconds" chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 CI=true \
        ${http_proxy+"http_proxy=$http_proxy"} ${https_proxy+"https_proxy=$https_proxy"} ${no_proxy+"no_proxy=$no_proxy"} \
        ${OPENBLAS_CORETYPE+"OPENBLAS_CORETYPE=$OPENBLAS_CORETYPE"} ${OPENBLAS_L2_SIZE+"OPENBLAS_L2_SIZE=$OPENBLAS_L2_SIZE"} \
        sh -c "cd /root/sinter && $*" </dev/null 2>&1
}

# package FOLDER: what is installed from its .deb files; then the system that has it booted.
package() {
    mkdir -p "$PLAIN/root/sinter"
    cp "$1"/*.deb "$SOURCE/tests/fresh_package.sh" "$PLAIN/root/sinter/" || { result "packages" 1; return; }
    inside "$PLAIN" 900 sh fresh_package.sh /root/sinter
    result "the package, in a bare system" $?
    inside "$PLAIN" 300 'DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends systemd systemd-sysv dbus ./sinter_*.deb' >"$SCRATCH/apt.log" ||
        { tail -n 20 "$SCRATCH/apt.log"; result "systemd and the package" 1; return; }
    sh "$SOURCE/tests/fresh_boot.sh" "$PLAIN"
    result "the unit, booted" $?
}

passed=0
failed=0
skipped=0
finished() {
    clock "done"
    echo "$passed passed, $failed failed, $skipped skipped"
    [ $failed = 0 ]
    exit
}
result() { # NAME CODE
    case $2 in
    0) passed=$((passed + 1)); clock "ok   $1" ;;
    77) skipped=$((skipped + 1)); clock "SKIP $1: the namespaces it needs aren't allowed here" ;;
    *) failed=$((failed + 1)); clock "FAIL $1 ended with $2" ;;
    esac
}

if [ "$WHAT" = package ]; then
    clock "cpack of build/release"
    . config/packages.sh
    packages_install $PACKAGES_DEB || fail "packages of cpack could not be installed"
    cpack --config build/release/CPackConfig.cmake -B "$SCRATCH/packages" >"$SCRATCH/cpack.log" 2>&1 || { tail -n 20 "$SCRATCH/cpack.log"; fail "cpack"; }
    package "$SCRATCH/packages"
    finished
fi

# The clone has what is committed, and no remote, hook or setting of this one.
clock "clone"
git -c safe.directory='*' clone -q --no-hardlinks "$SOURCE" "$SYSTEM/root/sinter" || fail "git clone failed"
rm -f "$SYSTEM/root/sinter/.git/config.worktree"

clock "sh config/quickstart.sh"
inside "$SYSTEM" 1200 sh config/quickstart.sh
result "quickstart, from nothing" $?
clock "sh config/quickstart.sh, again"
again=$(date +%s)
inside "$SYSTEM" 120 sh config/quickstart.sh >"$SYSTEM/again.txt"
code=$?
[ $code = 0 ] || tail -n 20 "$SYSTEM/again.txt"
[ $(($(date +%s) - again)) -lt 60 ] || code="more than a minute"
result "quickstart, again" "$code"
inside "$SYSTEM" 60 sh config/quickstart.sh --stop
result "quickstart --stop" $?

part=quick
[ "$WHAT" = full ] && part=""
clock "sh tests/run.sh $part"
inside "$SYSTEM" 3600 sh tests/run.sh $part
result "tests/run.sh $part" $?

clock "cpack, and the package in a bare system"
inside "$SYSTEM" 600 '. config/packages.sh && packages_install $PACKAGES_DEB && cpack --config build/release/CPackConfig.cmake -B build/packages'
result "cpack" $?
package "$SYSTEM/root/sinter/build/packages"

inside "$SYSTEM" 60 sh config/quickstart.sh --clean
result "quickstart --clean" $?
finished
