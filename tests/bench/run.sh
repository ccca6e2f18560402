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
kind=speed prefixes=$*
. tests/bars.sh

# COMMAND…: prints what it prints, and keeps its bars.
measured() {
    "$@" > "$scratch/out" || status=1
    cat "$scratch/out"
    keep $(($(date +%s) - started)) < "$scratch/out"
}

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
[ -n "$targets" ] || none speed/fusion/weighted speed/fusion/voting speed/fusion/network speed/train/reference speed/search/rules speed/search/top10 speed/search/facets speed/suggest/prefix
mkdir -p "$scratch"
# shellcheck disable=SC2086
built build/bench.log $targets
machine
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
