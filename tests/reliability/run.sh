#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What holds under load and harm: sh tests/reliability/run.sh [PREFIX…]
#
# A prefix names rows: reliability/swap, swap/p99 … (with or without reliability/); none: all. Prints a line a bar and the machine;
# appends the bars to build/bars.jsonl. SWAPS=10000 sh tests/reliability/run.sh swap for more of them.
set -eu
cd "$(dirname "$0")/../.."
build=build/release
kind=reliability prefixes=$*
. tests/bars.sh

status=0
started=$(date +%s)
swap=no
for row in failed mixed p99 memory_growth; do
    if wanted "reliability/swap/$row"; then swap=yes; fi
done
[ $swap = yes ] || none reliability/swap/failed reliability/swap/mixed reliability/swap/p99 reliability/swap/memory_growth
mkdir -p build
built build/reliability.log sinter zoo reliability_load plugin_fusion

machine
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
keep $(($(date +%s) - started)) < "$scratch/shown"
! grep -q ' fail$' "$scratch/shown" || status=1
exit $status
