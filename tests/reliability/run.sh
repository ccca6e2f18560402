#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What holds under load and harm: sh tests/reliability/run.sh [PREFIX…]
#
# A prefix names rows: reliability/swap, swap/p99 … (with or without reliability/); none: all. Prints a line a bar and the machine;
# appends the bars to build/bars.jsonl. SWAPS=10000 sh tests/reliability/run.sh swap for more of them.
set -eu
cd "$(dirname "$0")/../.."
build=build/release
bars=build/bars.jsonl

wanted() { # NAME: whether some prefix asks for it
    [ -n "$prefixes" ] || return 0
    for p in $prefixes; do
        case $1 in "reliability/${p#reliability/}"*) return 0 ;; esac
    done
    return 1
}

machine() {
    printf '%s, %s cores, %s kB of memory, Linux %s' "$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)" \
        "$(nproc)" "$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)" "$(uname -r)"
}

# bar NAME METRIC VALUE [LOW HIGH] goal OP VALUE STATE, as a line of JSON.
as_json() {
    awk -v commit="$(git rev-parse --short HEAD 2>/dev/null || echo none)" -v machine="$(machine)" -v started="$started" '
        function known(x) { return x == "-" ? "null" : x }
        $1 == "bar" {
            has = ($5 == "goal") ? 0 : 2
            "date +%s" | getline now; close("date +%s")
            printf "{\"name\":\"%s\",\"metric\":\"%s\",\"value\":%s,\"low\":%s,\"high\":%s,\"op\":\"%s\",\"goal\":%s,\"state\":\"%s\",\"commit\":\"%s\",\"machine\":\"%s\",\"seconds\":%d}\n",
                $2, $3, known($4), has ? $5 : "null", has ? $6 : "null", $(6 + has), $(7 + has), $(8 + has), commit, machine, now - started
        }'
}

prefixes=$*
status=0
started=$(date +%s)
swap=no
for row in failed mixed p99 memory_growth; do
    if wanted "reliability/swap/$row"; then swap=yes; fi
done
if [ $swap = no ]; then
    echo "no row begins with: $prefixes" >&2
    echo "rows: reliability/swap/failed reliability/swap/mixed reliability/swap/p99 reliability/swap/memory_growth" >&2
    exit 2
fi
grep -qs "SINTER_TESTS:BOOL=ON" "$build/CMakeCache.txt" || cmake --preset release -DSINTER_TESTS=ON > /dev/null
cmake --build --preset release --target sinter zoo reliability_load plugin_fusion > build/reliability.log 2>&1 || { cat build/reliability.log >&2; exit 1; }

printf '     machine: %s\n' "$(machine)"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
SINTER_BUILD=$PWD/$build SINTER_SOURCE=$PWD /usr/bin/python3 -B tests/reliability/swap.py "$build/bin/reliability_load" --swaps "${SWAPS:-1000}" > "$scratch/out" || status=1
while read -r line; do
    case $line in
    bar*) set -- $line; if wanted "$2"; then echo "$line"; fi ;;
    *) echo "     $line" ;;
    esac
done < "$scratch/out" > "$scratch/shown"
cat "$scratch/shown"
as_json < "$scratch/shown" >> "$bars"
! grep -q ' fail$' "$scratch/shown" || status=1
exit $status
