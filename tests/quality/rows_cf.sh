# SPDX-License-Identifier: GPL-3.0-or-later
# Collaborative filtering on MovieLens 100k, through the server: items and the training part's events are imported, a model is
# trained and deployed, and the test part's events, which never enter the journal, are what people did later. Sourced by run.sh.

# name | pipeline | ranker | metric and goal, several with commas
cf_rows() {
    cat <<'ROWS'
cf/ml-100k/knn|ml-100k-knn|knn|ndcg@10 >= 0.3933,ndcg@10 <= 0.3943,map@10 >= 0.1135,map@10 <= 0.1145
cf/ml-100k/ease|ml-100k-ease|ease|ndcg@10 >= 0.48
ROWS
}

# Once a run: the catalogue and what people did up to the split.
cf_import() {
    [ -z "${cf_imported:-}" ] || return 0
    "$sinter" import ml-100k "$SINTER_DATA/ml-100k/items.tsv" --map id=item_id --quiet &&
        "$sinter" events import "$SINTER_DATA/ml-100k/split-train.tsv" --collection ml-100k --type rating \
            --map user=user,item=item,value=rating,time=timestamp --quiet && cf_imported=yes
}

cf_measure() {
    "$sinter" train "$1.$2" -c "$scratch/server/sinter.yaml" --deploy --quiet >&2 &&
        "$sinter" evaluate "$1" --split "$SINTER_DATA/ml-100k/split-test.tsv" --metrics ndcg@10,map@10 --json --quiet
}

cf_row() {
    name=$1 pipeline=$2 ranker=$3 goals=$4 begun=$(seconds)
    answer=$scratch/$pipeline.json how=--evaluated what=$scratch/$pipeline.json
    if [ ! -r "$SINTER_DATA/ml-100k/split-train.tsv" ]; then
        how=--skip what="no $SINTER_DATA/ml-100k; set SINTER_DATA"
    else
        [ -n "$server_pid" ] || server_start tests/quality || exit 1
        { cf_import >"$scratch/cf.log" 2>&1 && cf_measure "$pipeline" "$ranker" >"$answer" 2>"$scratch/cf.log"; } || {
            cat "$scratch/cf.log"
            how=--failed what="import, train or evaluate failed"
        }
    fi
    spent=$(($(seconds) - begun))
    echo "$goals" | tr ',' '\n' >"$scratch/goals"
    while read -r metric op goal <&4; do
        bar "$name" "$metric" "$op" "$goal" "$how" "$what" --seconds "$spent"
    done 4<"$scratch/goals"
}

cf_rows >"$scratch/cf-rows"
cut -d'|' -f1 "$scratch/cf-rows" >>"$scratch/names"
while IFS='|' read -r name pipeline ranker goals <&3; do
    wanted "$name" || continue
    built "$scratch/build.log" plugin_cf || exit 1
    cf_row "$name" "$pipeline" "$ranker" "$goals"
done 3<"$scratch/cf-rows"
