#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# From nothing to ranked, explained answers: installs, builds, fills two collections, serves them on loopback, lets the demo
# shop's people search, click and buy, trains rankers and their fusion on what they did, asks.
#
#   sh config/quickstart.sh           the first time some minutes; again: asks the same server, seconds
#   sh config/quickstart.sh --stop    stops the server; build and data stay
#   sh config/quickstart.sh --clean   stops it and removes what this script made
#
# Needs Debian 12, and root where packages are missing. Everything it makes lies under build/.
set -u
cd "$(dirname "$0")/.." || exit 1
ROOT=$(pwd)
HOME_DIR=$ROOT/build/quickstart
BUILD=$ROOT/build/release
SINTER=$BUILD/bin/sinter
PID_FILE=$HOME_DIR/pid
ADDRESS_FILE=$HOME_DIR/address
LOG=$HOME_DIR/server.log

say() { printf '%s\n' "$*"; }
title() { printf '\n\033[1m%s\033[0m\n' "$*" | plain_unless_terminal; }
plain_unless_terminal() { if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }
fail() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }
elapsed() { echo $(($(date +%s) - STARTED)); }
STARTED=$(date +%s)

usage() {
    sed -n '3,10s/^# \{0,1\}//p' config/quickstart.sh
}

# ---- the server's process ----

# Prints the pid of our server when it runs: the process must be this build's binary, not whoever got its number since.
server_pid() {
    [ -s "$PID_FILE" ] || return 1
    pid=$(cat "$PID_FILE")
    case $pid in '' | *[!0-9]*) return 1 ;; esac
    exe=$(readlink "/proc/$pid/exe" 2>/dev/null) || return 1
    [ "${exe% (deleted)}" = "$SINTER" ] || return 1
    tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q ' serve ' || return 1
    echo "$pid"
}

# The binary on disk is no longer the one that runs.
server_is_old() {
    case $(readlink "/proc/$1/exe" 2>/dev/null) in *' (deleted)') return 0 ;; esac
    return 1
}

stop_server() {
    pid=$(server_pid) || { rm -f "$PID_FILE" "$ADDRESS_FILE"; return 1; }
    kill -TERM "$pid" 2>/dev/null
    i=0
    while server_pid >/dev/null && [ $i -lt 300 ]; do sleep 0.1; i=$((i + 1)); done
    if server_pid >/dev/null; then
        say "it did not drain within 30 s: ending it"
        kill -KILL "$pid" 2>/dev/null
    fi
    rm -f "$PID_FILE" "$ADDRESS_FILE"
}

# Starts `sinter serve -c $1`; true once it listens.
launch() {
    rm -f "$ADDRESS_FILE"
    OPENBLAS_NUM_THREADS=1 nohup "$SINTER" serve -c "$1" --port-file "$ADDRESS_FILE" </dev/null >"$LOG" 2>&1 &
    echo $! >"$PID_FILE"
    i=0
    while [ ! -s "$ADDRESS_FILE" ] && [ $i -lt 600 ]; do
        kill -0 "$(cat "$PID_FILE")" 2>/dev/null || return 1
        sleep 0.1
        i=$((i + 1))
    done
    [ -s "$ADDRESS_FILE" ]
}

# The same configuration on any free port, for when somebody else has the usual one.
other_port_config() {
    dir=$HOME_DIR/config
    mkdir -p "$dir"
    for name in collections networks pipelines rules; do
        rm -f "$dir/$name"
        ln -s "$ROOT/config/$name" "$dir/$name"
    done
    sed -e 's|^listen:.*|listen: 127.0.0.1:0|' -e "s|^data_dir:.*|data_dir: $ROOT/build/data|" \
        -e "s|^plugin_dirs:.*|plugin_dirs: [$BUILD/plugins]|" config/sinter.yaml >"$dir/sinter.yaml"
    echo "$dir/sinter.yaml"
}

# The configuration that the server runs with.
config_in_use() { tr '\0' '\n' <"/proc/$(cat "$PID_FILE")/cmdline" | awk 'found { print; exit } $0 == "-c" { found = 1 }'; }

start_server() {
    if pid=$(server_pid); then
        if [ -s "$ADDRESS_FILE" ] && ! server_is_old "$pid" && "$SINTER" status --server "$(cat "$ADDRESS_FILE")" >/dev/null 2>&1; then
            return 0
        fi
        stop_server
    fi
    launch config/sinter.yaml && return 0
    say "the usual port is not free, or the configuration not fine; trying another port"
    launch "$(other_port_config)" && return 0
    tail -n 5 "$LOG" >&2
    rm -f "$PID_FILE"
    fail "the server did not start; its log is $LOG"
}

# ---- build and data ----

install_packages() {
    . config/packages.sh
    if [ "$(id -u)" != 0 ] && ! packages_present $PACKAGES_BUILD; then
        fail "packages are missing ($missing); run this as root once"
    fi
    packages_install $PACKAGES_BUILD || fail "installing packages failed; is this Debian 12 with a reachable mirror?"
}

build() {
    if command -v ccache >/dev/null; then
        export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_BASEDIR="$ROOT" CCACHE_NOHASHDIR=1
    fi
    # A folder that the tests have configured stays as it is.
    [ -f "$BUILD/CMakeCache.txt" ] || set -- -DSINTER_TESTS=OFF
    cmake --preset release "$@" >"$HOME_DIR/configure.log" 2>&1 || { tail -n 20 "$HOME_DIR/configure.log" >&2; fail "cmake refused to configure"; }
    targets="sinter"
    for f in plugins/*/; do targets="$targets plugin_$(basename "$f")"; done
    cmake --build "$BUILD" --target $targets >"$HOME_DIR/build.log" 2>&1 || { tail -n 30 "$HOME_DIR/build.log" >&2; fail "the build failed; its log is $HOME_DIR/build.log"; }
}

make_data() {
    if [ ! -s "$HOME_DIR/shop/items.jsonl" ]; then
        "$SINTER" demo generate --seed 1 --force "$HOME_DIR/shop" >"$HOME_DIR/demo.log" 2>&1 || { cat "$HOME_DIR/demo.log" >&2; fail "the demo shop was not generated"; }
    fi
    [ -s "$HOME_DIR/packages.jsonl" ] && return 0
    packages_jsonl
    # A bare system has no lists yet.
    if [ "$(wc -l <"$HOME_DIR/packages.new")" -lt 1000 ] && [ "$(id -u)" = 0 ]; then
        apt-get update -q >"$HOME_DIR/apt.log" 2>&1
        packages_jsonl
    fi
    mv "$HOME_DIR/packages.new" "$HOME_DIR/packages.jsonl"
}

packages_jsonl() {
    apt-cache dumpavail | LC_ALL=C awk -f config/packages-to-jsonl.awk >"$HOME_DIR/packages.new" || fail "the package catalogue could not be read"
}

count_items() {
    "$SINTER" status --server "$SERVER" | awk -v c="$1" '$1 == c && $3 == "items" { print $2; exit }'
}

# fill COLLECTION FILE: once; again where a run was cut short or the data were removed.
fill() {
    if [ -f "$HOME_DIR/$1.filled" ] && [ "$(count_items "$1")" -gt 0 ]; then return 0; fi
    rm -f "$HOME_DIR/$1.filled" "$HOME_DIR/$1".learnt-*
    "$SINTER" import "$1" "$2" --server "$SERVER" --refused "$HOME_DIR/$1.refused"
    case $? in
    0) ;;
    4) say "some rows were refused: $HOME_DIR/$1.refused says which and why" ;;
    *) fail "the import of $2 failed" ;;
    esac
    touch "$HOME_DIR/$1.filled"
}

# Until searches see all that was written.
wait_searchable() {
    i=0
    while [ $i -lt 600 ]; do
        "$SINTER" status --server "$SERVER" | awk '/^snapshot/ { for (i = 1; i < NF; i++) { if ($i == "at") at = $(i + 1) + 0; if ($i == "to") to = $(i + 1) + 0 } }
            /index rebuilding/ { busy = 1 } END { exit !(to >= at && !busy) }' && return 0
        sleep 0.1
        i=$((i + 1))
    done
    say "searches do not show all items yet; they will"
}

# ---- learning ----

# once STEP COMMAND…: a step that is not done again; its output goes to a log.
once() {
    step=$1
    shift
    [ -f "$HOME_DIR/shop.learnt-$step" ] && return 0
    "$@" >"$HOME_DIR/$step.log" 2>&1 || { tail -n 20 "$HOME_DIR/$step.log" >&2; fail "$step failed: $*"; }
    touch "$HOME_DIR/shop.learnt-$step"
}

# people NAME FROM NUMBER [OPTIONS…]
people() {
    name=$1 from=$2 number=$3
    shift 3
    once "$name" "$SINTER" demo play --seed 1 --from "$from" --requests "$number" --server "$SERVER" "$@" "$HOME_DIR/shop"
    awk -v n="$name" '/ requests in / { r = $1 } / clicks / { c = $1 } / purchases/ { for (i = 1; i < NF; i++) if ($(i + 1) ~ /^purchases/) b = $i }
        END { printf "   %-28s %d searches, %d clicks, %d purchases\n", n, r, c, b }' "$HOME_DIR/$name.log"
}

# train NAME PIPELINE.RANKER: on the server's own journal, by a process of its own, and deployed.
train() {
    once "$1" "$SINTER" train "$2" -c "$(config_in_use)" --deploy --server "$SERVER" --quiet
    awk -v w="$2" '/^trained / { m = $2; t = $0; sub(/.* in /, "", t); sub(/:.*/, "", t) } /^requests|^interactions/ { d = $0 }
        END { printf "   %-28s %s in %s from %s\n", w, m, t, d }' "$HOME_DIR/$1.log"
}

# Three ranges of requests, which never mix: what rankers learn from, what their fusion learns from, what all are measured on.
learn() {
    once history "$SINTER" events import "$HOME_DIR/shop/history.jsonl" --collection shop --server "$SERVER" --quiet \
        --map user=user_id,item=item_id,type=type,time=time,value=value,id=event_id,session=session_id
    people ranked-by-words-and-rules 0 30000
    train taste shop-mixed.taste
    train deep shop-mixed.deep
    people ranked-by-all-alike 30000 10000 --pipeline shop-mixed
    train fusion shop-fused.fuse
    once judge "$SINTER" demo judge --seed 1 --from 40000 --requests 2000 --out "$HOME_DIR/judged" "$HOME_DIR/shop"
    singles="shop-only-words shop-only-taste shop-only-deep shop-only-rules"
    once measure "$SINTER" evaluate $singles shop-mixed shop-fused --judgments "$HOME_DIR/judged/judgments.tsv" \
        --queries "$HOME_DIR/judged/queries.tsv" --metrics ndcg@10 --compare "$(echo $singles | tr ' ' ,)" --server "$SERVER" --quiet
}

# ---- the transcript ----

# ask COLLECTION WORDS [OPTIONS…]: the command as one would type it, then its answer.
ask() {
    line="sinter search"
    for word in "$@"; do
        case $word in *[!A-Za-z0-9_=,.-]*) line="$line '$word'" ;; *) line="$line $word" ;; esac
    done
    title "\$ $line"
    "$SINTER" search "$@" --server "$SERVER" || fail "the search failed"
}

transcript() {
    ask shop walnut desk lamp --page-size 3 --explain
    title "Each ranker alone, all at equal weights, and fused by what was learnt: 2,000 new searches, graded by what these people want"
    sed 's/^/    /' "$HOME_DIR/measure.log"
    ask shop walnut desk lamp --pipeline shop-fused --user u000388 --page-size 3 --explain
    ask shop waterproof jacket --filter 'price < 120 AND in_stock = true' --fields brand,price,rating --page-size 3 --explain
    ask packages text editor --page-size 3 --explain
    ask packages full text search engine --filter 'section = "libs" OR section = "database"' --page-size 3 --explain
}

summary() {
    title "The server goes on: $SERVER (gRPC with reflection, no TLS, this machine only), pid $(cat "$PID_FILE")"
    export_line=""
    [ "$SERVER" = 127.0.0.1:7700 ] || export_line="    export SINTER_SERVER=$SERVER
"
    printf '%s' "$export_line"
    say "    $(relative "$SINTER") search packages your words --explain"
    say "    $(relative "$SINTER") status"
    say "    its log: $(relative "$LOG")   pipelines to edit: config/pipelines, then $(relative "$SINTER") reload"
    say "    stop it:  sh config/quickstart.sh --stop     remove all: sh config/quickstart.sh --clean"
    say "done in $(elapsed) s"
}

relative() { echo "${1#"$ROOT"/}"; }

# ---- what was asked for ----

case ${1-} in
-h | --help) usage; exit 0 ;;
--stop)
    if stop_server; then say "stopped; build and data are kept"; else say "no server of the quick start runs"; fi
    exit 0 ;;
--clean)
    stop_server && say "stopped"
    rm -rf "$HOME_DIR" "$ROOT/build/data" "$BUILD"
    rmdir "$ROOT/build" 2>/dev/null
    say "removed: build/quickstart, build/data, build/release"
    exit 0 ;;
'') ;;
*) printf 'quickstart: unknown argument %s\n' "$1" >&2; usage >&2; exit 2 ;;
esac

mkdir -p "$HOME_DIR" || fail "cannot write $HOME_DIR"
exec 8>"$HOME_DIR/lock"
flock -n 8 || fail "another quick start is under way here"
say "1. packages: what the build stands on";             install_packages
say "2. build: $(relative "$BUILD") ($(elapsed) s)";      build 8>&-
say "3. data: a demo shop, and this machine's package catalogue ($(elapsed) s)"; make_data
say "4. server ($(elapsed) s)";                           start_server 8>&-
SERVER=$(cat "$ADDRESS_FILE")
say "5. import into $SERVER ($(elapsed) s)"
fill shop "$HOME_DIR/shop/items.jsonl"
fill packages "$HOME_DIR/packages.jsonl"
wait_searchable
say "   shop: $(count_items shop) items; packages: $(count_items packages) items ($(elapsed) s)"
say "6. learning: the shop's people search, click and buy; rankers and fusion train ($(elapsed) s)"
learn
transcript
summary
