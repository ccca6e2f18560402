#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Speed, as ratios to a floor measured in the same run: sh tests/bench/run.sh [PREFIX…]
#
# A prefix names rows: speed/fusion, search/rules, search … (with or without speed/); none: all. Prints a line a bar and the machine;
# appends the bars to build/bars.jsonl. KEEP=1 keeps the filled server and the floor's index in build/bench for another run.
set -eu
cd "$(dirname "$0")/../.."
build=build/release
scratch=$PWD/build/bench
bars=build/bars.jsonl

wanted() { # NAME: whether some prefix asks for it
    [ -n "$prefixes" ] || return 0
    for p in $prefixes; do
        case $1 in "speed/${p#speed/}"*) return 0 ;; esac
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

# COMMAND…: prints what it prints, and keeps its bars.
measured() {
    "$@" > "$scratch/out" || status=1
    cat "$scratch/out"
    as_json < "$scratch/out" >> "$bars"
}

prefixes=$*
status=0
started=$(date +%s)
search=no
for row in search/rules search/top10 search/facets suggest/prefix; do
    if wanted "speed/$row"; then search=yes; fi
done

targets=
if wanted speed/fusion/weighted || wanted speed/fusion/voting || wanted speed/fusion/network; then targets=bench_fusion; fi
if wanted speed/train/reference; then targets="$targets deep_reference"; fi
if [ $search = yes ]; then targets="$targets bench_search sinter plugin_fusion plugin_function plugin_rules"; fi
if [ -z "$targets" ]; then
    echo "no row begins with: $prefixes" >&2
    echo "rows: speed/fusion/weighted speed/fusion/voting speed/fusion/network speed/train/reference speed/search/rules speed/search/top10 speed/search/facets speed/suggest/prefix" >&2
    exit 2
fi
grep -qs "SINTER_TESTS:BOOL=ON" "$build/CMakeCache.txt" || cmake --preset release -DSINTER_TESTS=ON > /dev/null
# shellcheck disable=SC2086
cmake --build --preset release --target $targets > build/bench.log 2>&1 || { cat build/bench.log >&2; exit 1; }

mkdir -p "$scratch"
printf '     machine: %s\n' "$(machine)"
case $targets in *bench_fusion*) OPENBLAS_NUM_THREADS=1 measured $build/bin/bench_fusion ;; esac
case $targets in
*deep_reference*) measured /usr/bin/python3 tests/quality/deep_reference.py speed $build/bin/deep_reference $build/plugins/deep.so ;;
esac
if [ $search = yes ]; then
    [ "${KEEP:-0}" = 1 ] || rm -rf "$scratch/data" "$scratch"/floor-* "$scratch"/filled-*
    rm -rf "$scratch/config"
    cp -r tests/bench/config "$scratch/config"
    printf 'data_dir: %s\nplugin_dirs: [%s]\n' "$scratch/data" "$PWD/$build/plugins" >> "$scratch/config/sinter.yaml"
    set -- --sinter "$PWD/$build/bin/sinter" --config "$scratch/config/sinter.yaml" --scratch "$scratch"
    rows=
    for row in rules top10 facets; do
        if wanted "speed/search/$row"; then rows="$rows $row"; fi
    done
    [ "$rows" = " rules top10 facets" ] && rows=all
    for row in $rows; do
        if [ "$row" = all ]; then measured $build/bin/bench_search "$@"; else measured $build/bin/bench_search "$@" --row "$row"; fi
    done
    if wanted speed/suggest/prefix; then # last: searches are measured without completions beside them
        printf 'suggest: {fields: [title, brand], queries: false}\n' >> "$scratch/config/collections/docs.yaml"
        measured $build/bin/bench_search "$@" --row suggest
    fi
    [ "${KEEP:-0}" = 1 ] || rm -rf "$scratch/data" "$scratch"/floor-* "$scratch"/filled-*
fi
exit $status
