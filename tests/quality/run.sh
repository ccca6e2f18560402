#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Quality figures on real data beside their goals, a line each, appended to build/bars.jsonl:
#
#   sh tests/quality/run.sh [PREFIX…]        such as: search, search/scifact, quality/search/products/text
#
# Reads $SINTER_DATA (default ../shared/data); says SKIP where a data set is absent. Ends with the counts; exit code 1: a goal missed.
set -u
cd "$(dirname "$0")/../.." || exit 1
kind=quality prefixes=$*
. tests/quality/lib.sh
. tests/bars.sh

# name | data set | items | judgments and options of evaluate | gain of text_eval | goal of ndcg@10
rows() {
    cat <<'ROWS'
search/products/text|products|items.jsonl|--judgments judgments.tsv --gain exponential|exp|0.776
search/home-improvement/text|home-improvement|items.tsv|--judgments judgments-test.tsv --gain linear --relevance-offset 1|linear|0.42
search/scifact/text|scifact|items.jsonl|--judgments judgments.tsv --queries queries.tsv --gain binary|binary|0.69
ROWS
}

# Options with file names become paths in the data set.
in_data() {
    for word in $2; do
        case $word in *.tsv) printf '%s/%s ' "$1" "$word" ;; *) printf '%s ' "$word" ;; esac
    done
}

# The figure through a real server: import, then each judged query through the whole line.
measure_text() {
    name=$1 set=$2 items=$3 options=$4 goal=$5 begun=$(seconds)
    answer=$scratch/$set.json
    if "$sinter" import "$set" "$SINTER_DATA/$set/$items" >"$scratch/import.log" 2>&1 &&
        "$sinter" evaluate "$set-text" $(in_data "$SINTER_DATA/$set" "$options") --metrics ndcg@10 --json --quiet >"$answer"; then
        bar "$name" ndcg@10 '>=' "$goal" --evaluated "$answer" --seconds $(($(seconds) - begun))
    else
        cat "$scratch/import.log"
        bar "$name" ndcg@10 '>=' "$goal" --failed "import or evaluate failed"
    fi
}

# What packing counts and lengths into postings costs against raw ones: both lists from one tool, one formula.
measure_packing() {
    name=$1 set=$2 items=$3 options=$4 gain=$5 begun=$(seconds)
    lists=$scratch/$set answer=$scratch/$set-packing.json
    judgments=${options#*--judgments } queries=
    case $options in *--queries*) queries="--queries $SINTER_DATA/$set/queries.tsv" ;; esac
    "$SINTER_BUILD/bin/text_eval" tests/quality/sinter.yaml "$set" "$SINTER_DATA/$set/$items" "$SINTER_DATA/$set/${judgments%% *}" \
        $queries --gain "$gain" --raw --lists "$lists" >"$scratch/packing.log" 2>&1 &&
        "$sinter" evaluate --run "raw=$lists-raw.tsv" --run "packed=$lists-packed.tsv" $(in_data "$SINTER_DATA/$set" "$options") \
            --metrics ndcg@10 --json --quiet >"$answer" || {
        cat "$scratch/packing.log"
        bar "$name" packed_difference '<=' 0.002 --failed "the tool failed"
        return
    }
    bar "$name" packed_difference '<=' 0.002 --evaluated "$answer" --system packed --of ndcg@10 --over-first --absolute \
        --seconds $(($(seconds) - begun))
}

# The deep plugin's reference network beside torch's.
measure_curve() {
    name=deep/reference/curve begun=$(seconds)
    built "$scratch/build.log" deep_reference || {
        bar "$name" max_difference '<=' 1e-4 --failed "deep_reference did not build"
        return
    }
    /usr/bin/python3 tests/quality/deep_reference.py curve "$SINTER_BUILD/bin/deep_reference" "$SINTER_BUILD/plugins/deep.so" \
        >"$scratch/curve" 2>&1
    status=$?
    sed '/^result/d; s/^/     /' "$scratch/curve"
    case $status in
    0) bar "$name" max_difference '<=' 1e-4 "$(sed -n 's/^result //p' "$scratch/curve")" --seconds $(($(seconds) - begun)) ;;
    3) bar "$name" max_difference '<=' 1e-4 --skip "no torch: apt-get install python3-torch" ;;
    *) bar "$name" max_difference '<=' 1e-4 --failed "deep_reference failed" ;;
    esac
}

quality_begin
rows >"$scratch/rows"
cut -d'|' -f1 "$scratch/rows" >"$scratch/names"
built "$scratch/build.log" sinter text_eval || exit 1
while IFS='|' read -r name set items options gain goal <&3; do
    wanted "$name" || continue
    if [ ! -r "$SINTER_DATA/$set/$items" ]; then
        bar "$name" ndcg@10 '>=' "$goal" --skip "no $SINTER_DATA/$set; set SINTER_DATA"
        bar "$name" packed_difference '<=' 0.002 --skip "no $SINTER_DATA/$set; set SINTER_DATA"
        continue
    fi
    [ -n "$server_pid" ] || server_start tests/quality || exit 1
    measure_text "$name" "$set" "$items" "$options" "$goal"
    measure_packing "$name" "$set" "$items" "$options" "$gain"
done 3<"$scratch/rows"
# Rows of other kinds, a file each: it adds its names to $scratch/names, and measures those that are wanted.
for more in tests/quality/rows_*.sh; do
    . "$more"
done
if wanted deep/reference/curve; then measure_curve; fi
if [ $((passed + failed + skipped)) -eq 0 ]; then
    echo "no row starts with: $*; there are:" >&2
    { cat "$scratch/names"; echo deep/reference/curve; } >&2
    exit 2
fi
[ "$skipped" -eq 0 ] || echo "SKIP: $skipped figures; for what was not here, see above"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
