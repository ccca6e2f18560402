#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Run by tests/fresh.sh inside a bare Debian 12, as root: sh fresh_package.sh FOLDER-OF-DEBS. Installs the packages with apt, serves as the
# package's user with the configuration as installed, imports, searches; builds a plugin against sinter-dev; removes, purges.
set -u
export DEBIAN_FRONTEND=noninteractive
DEBS=$1
STATE=/var/lib/sinter
PID=""
fail() { printf 'FAIL package: %s\n' "$*"; [ -z "$PID" ] || kill "$PID" 2>/dev/null; exit 1; }
ok() { printf 'ok   package: %s\n' "$*"; }
quietly() {
    "$@" >/tmp/package.log 2>&1
    code=$?
    [ $code = 0 ] || { tail -n 30 /tmp/package.log; fail "$* ended with $code"; }
}
owner() { stat -c %U:%a "$1"; }

quietly apt-get update -q
quietly apt-get install -y -q --no-install-recommends "$DEBS"/sinter_*.deb
[ "$(owner $STATE)" = sinter:750 ] || fail "$STATE is $(owner $STATE)"
getent passwd sinter | grep -q ":$STATE:.*nologin$" || fail "the user sinter: $(getent passwd sinter)"
ldd /usr/bin/sinter /usr/lib/*/sinter/plugins/*.so | grep "not found" && fail "libraries are missing"
[ -z "$(dpkg -V sinter)" ] || fail "dpkg -V: $(dpkg -V sinter)"
dpkg-query -W -f='${Conffiles}' sinter | grep -q /etc/sinter/sinter.yaml || fail "sinter.yaml is no conffile"
cd / && sinter serve --check || fail "the configuration as installed is not fine"
ok "installed with $(dpkg-query -W -f='${Depends}' sinter | tr ',' '\n' | wc -l) dependencies; user, state, configuration"

serve() {
    rm -f $STATE/address
    setpriv --reuid=sinter --regid=sinter --init-groups /usr/bin/sinter serve -c /etc/sinter/sinter.yaml --port-file $STATE/address >/tmp/server.log 2>&1 &
    PID=$!
    i=0
    while [ ! -s $STATE/address ]; do
        kill -0 $PID 2>/dev/null && [ $i -lt 300 ] || { cat /tmp/server.log; fail "the server does not listen"; }
        sleep 0.1
        i=$((i + 1))
    done
}
stop() {
    kill -TERM $PID
    wait $PID || fail "the server ended with $?"
    PID=""
}
# found WORDS TEXT: within ten seconds the answer holds the text.
found() {
    i=0
    until sinter search items $1 --explain >/tmp/answer.txt 2>&1 && grep -q "$2" /tmp/answer.txt; do
        [ $i -lt 50 ] || { cat /tmp/answer.txt; fail "a search for '$1' does not find '$2'"; }
        sleep 0.2
        i=$((i + 1))
    done
}

cat >/tmp/items.jsonl <<'ITEMS'
{"id": "1", "title": "Red shoe of leather", "brand": "Acme", "price": 59.5, "in_stock": true, "released": "2025-05-01T00:00:00Z"}
{"id": "2", "title": "Blue shoe", "brand": "Larkfield", "price": 40, "in_stock": false}
{"id": "3", "title": "Hat", "brand": "Acme", "price": 12}
ITEMS
serve
sinter import items /tmp/items.jsonl --quiet || fail "the import"
found "red shoes" "Red shoe of leather"
grep -q "words " /tmp/answer.txt && grep -q "fresh " /tmp/answer.txt || { cat /tmp/answer.txt; fail "no ledger of words and fresh"; }
[ "$(stat -c %U /proc/$PID)" = sinter ] || fail "it does not run as the user sinter"
stop
serve # again: the items are still there
found "hat" "Hat"
ok "serves as its user, takes items, answers, and keeps them: $(grep -c . /tmp/answer.txt) lines"

quietly apt-get install -y -q --no-install-recommends "$DEBS"/sinter-dev_*.deb gcc libc6-dev make pkg-config
cd "$(mktemp -d)" || fail "no folder"
quietly sinter plugin new --role ranker mine
quietly make -C mine test install
printf '%s\n' 'collection: items' 'stages: [{rank: [{plugin: mine}]}]' >/etc/sinter/pipelines/mine.yaml
kill -HUP $PID
i=0
until sinter search items red shoe --pipeline mine --explain 2>/dev/null | grep -q "mine "; do
    [ $i -lt 50 ] || { cat /tmp/server.log; fail "the plugin does not rank"; }
    sleep 0.2
    i=$((i + 1))
done
stop
ok "a plugin of its own, by sinter-dev, ranks after a reload"

echo "# mine" >>/etc/sinter/sinter.yaml
quietly apt-get install -y -q --no-install-recommends --reinstall "$DEBS"/sinter_*.deb
tail -n 1 /etc/sinter/sinter.yaml | grep -q "# mine" || fail "an upgrade took the operator's configuration"
rm -f /usr/lib/*/sinter/plugins/mine.so
quietly apt-get remove -y -q sinter sinter-dev
[ -e /etc/sinter/sinter.yaml ] && [ -e $STATE/journal ] || fail "removal took configuration or data"
[ ! -e /usr/bin/sinter ] || fail "removal left the program"
quietly apt-get purge -y -q sinter sinter-dev
left=$(ls -d /etc/sinter $STATE /usr/lib/*/sinter /usr/share/sinter /usr/share/doc/sinter* /usr/include/sinter 2>/dev/null)
[ -z "$left" ] || fail "purge left $left"
getent passwd sinter && fail "purge left the user"
ok "reinstalled, removed, purged: nothing is left"
