# SPDX-License-Identifier: GPL-3.0-or-later
# Fusion on planted truth: what people do in demo shops of seeds that were not used in development trains rankers and their fusion, and
# the truth judges them (fusion_demo.py). Sizes: FUSION_SEEDS, FUSION_PLAYED, FUSION_JUDGED. Sourced by run.sh.

# name | part | metric | goal | how the interval meets it
fusion_rows() {
    cat <<'ROWS'
fusion/demo/network|network|gain_over_best_single|>= 0|--interval whole
fusion/demo/noise|noise|loss_with_noise_rankers|<= 0.005|
fusion/demo/oracle|oracle|gain_where_one_ranker_is_the_truth|>= 0|--interval contains
ROWS
}

fusion_run() {
    built "$scratch/build.log" sinter plugin_fusion plugin_cf plugin_deep plugin_function plugin_rules ranker_truth ranker_noise || return 1
    /usr/bin/python3 tests/quality/fusion_demo.py --parts "$1" --seeds "${FUSION_SEEDS:-201,202,203,204,205}" \
        --played "${FUSION_PLAYED:-50000}" --judged "${FUSION_JUDGED:-10000}" --json "$scratch/fusion.json"
    [ -s "$scratch/fusion.json" ]
}

fusion_rows >"$scratch/fusion-rows"
cut -d'|' -f1 "$scratch/fusion-rows" >>"$scratch/names"
parts= begun=$(seconds)
while IFS='|' read -r name part metric goal how <&3; do
    if wanted "$name"; then parts=${parts:+$parts,}$part; fi
done 3<"$scratch/fusion-rows"
case $parts in noise) parts=network,noise ;; noise,*) parts=network,$parts ;; esac # the loss is to the network without them
if [ -n "$parts" ]; then
    fusion_run "$parts" || rm -f "$scratch/fusion.json"
    bar_parts "$scratch/fusion-rows" "$scratch/fusion.json" "fusion could not be trained"
fi
