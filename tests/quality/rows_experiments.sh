# SPDX-License-Identifier: GPL-3.0-or-later
# Experiments on the demo shop keep what they promise (experiments_demo.py). Sizes: EXPERIMENTS_PLAYED, EXPERIMENTS_SALTS. Sourced by run.sh.

# name | part | metric | goal | how the interval meets it
experiment_rows() {
    cat <<'ROWS'
experiments/aa/false_positives|aa|rate|<= 0.06|
experiments/aa/guard_stops|stops|rate|<= 0.06|
experiments/lift/power|lift|ratio|>= 1|--interval contains
experiments/srm/alarms|srm|count|>= 1|
experiments/guard/stopped|guard|count|>= 1|
ROWS
}

experiment_rows >"$scratch/experiment-rows"
cut -d'|' -f1 "$scratch/experiment-rows" >>"$scratch/names"
measure= begun=$(seconds)
while IFS='|' read -r name part metric goal how <&3; do
    if wanted "$name"; then measure=1; fi
done 3<"$scratch/experiment-rows"
if [ -n "$measure" ]; then
    built "$scratch/build.log" sinter plugin_function experiment_judge &&
        SINTER_BUILD=$(cd "$SINTER_BUILD" && pwd) /usr/bin/python3 -B tests/quality/experiments_demo.py "$(cd "$SINTER_BUILD" && pwd)/bin/experiment_judge" \
        --requests "${EXPERIMENTS_PLAYED:-3000}" --salts "${EXPERIMENTS_SALTS:-1000}" --json "$scratch/experiments.json"
    bar_parts "$scratch/experiment-rows" "$scratch/experiments.json" "the experiments could not be played"
fi
