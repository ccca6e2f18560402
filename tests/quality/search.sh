#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Chooses the settings that run.sh fits with, on validation carved out of the training part alone:
#
#   sh tests/quality/search.sh cf/ml-100k/ease
#
# Each item's training events are dealt into four folds; each fold in turn is what people did later, the others are imported,
# and every setting is trained and evaluated through a server. Results are appended to tests/quality/searched/, a line a fold and
# setting; what stands there already is not done again. Prints the means, best first. The test part is not read.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/quality/lib.sh
[ "$*" = cf/ml-100k/ease ] || {
    echo "there is: cf/ml-100k/ease" >&2
    exit 2
}
folds=4
values="100 200 300 400 500 600 800 1200"
record=tests/quality/searched/ml-100k-ease.tsv
data=$SINTER_DATA/ml-100k
[ -r "$data/split-train.tsv" ] || {
    echo "SKIP: no $data; set SINTER_DATA"
    exit 0
}

# The training part in two: fold $1 to $2-later.tsv, the rest to $2-train.tsv. Items deal by a hash of person and item.
carve() {
    /usr/bin/python3 - "$data/split-train.tsv" "$1" "$folds" "$2" <<'PY'
import hashlib, sys
path, fold, folds, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
header, *lines = open(path).read().splitlines()
by_item = {}
for line in lines:
    by_item.setdefault(line.split("\t")[1], []).append(line)
kept, later = [header], [header]
for item in sorted(by_item):
    dealt = sorted(by_item[item], key=lambda line: hashlib.sha256(line.encode()).digest())
    start = int(hashlib.sha256(item.encode()).hexdigest(), 16)  # rare items are not always the same fold's
    for k, line in enumerate(dealt):
        (later if (start + k) % folds == fold else kept).append(line)
for name, rows in (("train", kept), ("later", later)):
    open(f"{out}-{name}.tsv", "w").write("\n".join(rows) + "\n")
PY
}

# A configuration with a pipeline for each value.
configure() {
    mkdir -p "$scratch/config/collections" "$scratch/config/pipelines"
    cp tests/quality/sinter.yaml "$scratch/config/"
    sed "s/default_pipeline: .*/default_pipeline: ease400/" tests/quality/collections/ml-100k.yaml >"$scratch/config/collections/ml-100k.yaml"
    for value in $values; do
        sed "s|ml-100k-ease/latest|ease$value/latest|; s|lambda: [0-9.]*|lambda: $value|" tests/quality/pipelines/ml-100k-ease.yaml \
            >"$scratch/config/pipelines/ease$value.yaml"
    done
}

# Value, then nDCG@10, a line each, of one fold.
measure() {
    carve "$1" "$scratch/fold" && server_start "$scratch/config" &&
        "$sinter" import ml-100k "$data/items.tsv" --map id=item_id --quiet >&2 &&
        "$sinter" events import "$scratch/fold-train.tsv" --type rating --map user=user,item=item,value=rating,time=timestamp --quiet >&2 ||
        exit 1
    pipelines=
    for value in $values; do
        "$sinter" train "ease$value.ease" -c "$scratch/server/sinter.yaml" --deploy --quiet >&2 || exit 1
        pipelines="$pipelines ease$value"
    done
    # shellcheck disable=SC2086
    "$sinter" evaluate $pipelines --split "$scratch/fold-later.tsv" --metrics ndcg@10 --json --quiet >"$scratch/answer.json" || exit 1
    server_stop
    /usr/bin/python3 - "$scratch/answer.json" <<'PY'
import json, sys
for s in json.load(open(sys.argv[1]))["systems"]:
    print(s["name"][4:], f'{s["metrics"]["ndcg@10"]["mean"]:.6f}', sep="\t")
PY
}

quality_begin
cmake --build "$SINTER_BUILD" --target sinter plugin_cf >"$scratch/build.log" 2>&1 || { cat "$scratch/build.log" && exit 1; }
mkdir -p "$(dirname "$record")"
[ -f "$record" ] || printf '# nDCG@10 in folds of the training part of ml-100k, by tests/quality/search.sh cf/ml-100k/ease\nfold\tlambda\tndcg@10\n' >"$record"
configure
fold=0
while [ $fold -lt $folds ]; do
    if ! grep -q "^$fold	" "$record"; then
        measure $fold >"$scratch/measured" || exit 1
        sed "s/^/$fold	/" "$scratch/measured" >>"$record"
    fi
    fold=$((fold + 1))
done
awk -F'\t' '!/^#/ && $1 ~ /^[0-9]/ { sum[$2] += $3; n[$2]++ } END { for (v in sum) printf "lambda %s ndcg@10 %.4f over %d folds\n", v, sum[v] / n[v], n[v] }' \
    "$record" | sort -k4,4nr
