#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks judgments of `sinter demo judge` against grades recomputed from the world's files.

usage: judge_check.py WORLD JUDGED [PAIRS] [--json]

For PAIRS (default 40) pairs of person and query, evenly spread over JUDGED/queries.tsv: every item's utility is computed by
demo_truth.py, and the grades must be the judged ones, item for item, none more and none less; the words, the person's
attributes and the pair's place in the files must be the world's. Exits 1 where anything differs."""
import collections
import csv
import json
import sys

import numpy as np

from demo_truth import Truth


def table(path):
    with open(path, encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


def main():
    arguments = [a for a in sys.argv[1:] if a != "--json"]
    if len(arguments) not in (2, 3):
        sys.exit(__doc__)
    truth, queries = Truth(arguments[0]), table(f"{arguments[1]}/queries.tsv")
    judged = collections.defaultdict(dict)
    for row in table(f"{arguments[1]}/judgments.tsv"):
        judged[row["query_id"]][row["item"]] = int(row["grade"])
    wrong, near, checked, items = [], 0, 0, 0
    ids = np.array([i["id"] for i in truth.items])
    if {q["query_id"] for q in queries} != set(judged):
        wrong.append("queries.tsv and judgments.tsv name different pairs")
    count = min(len(queries), int(arguments[2]) if len(arguments) == 3 else 40)
    for at in np.linspace(0, len(queries) - 1, count).astype(int):
        row = queries[at]
        user, query = row["query_id"].split("/")
        u, q = truth.user_row[user], truth.query_row[query]
        attributes = truth.users[u]["attributes"]
        expected = (user, truth.queries[q]["text"], attributes["segment"], str(attributes["member"]).lower())
        if (row["user"], row["text"], row["user.segment"], row["user.member"]) != expected:
            wrong.append(f"{row['query_id']}: {expected} is not what queries.tsv says")
        utility = truth.utility(u, q, np.arange(len(ids)))
        grade = truth.grade(utility)
        got = np.array([judged[row["query_id"]].get(i, 0) for i in ids])
        distance = np.abs(utility[:, None] - np.array(truth.facts["grade_thresholds"])).min(axis=1)
        close = distance < 1e-9  # sums of another order may fall on the other side
        near += int(close.sum())
        for n in np.flatnonzero((grade != got) & ~close):
            wrong.append(f"{row['query_id']} {ids[n]}: grade {got[n]}, utility {utility[n]:.6f} is worth {grade[n]}")
        checked += 1
        items += int((grade > 0).sum())
    report = {"pairs": checked, "graded_items": items, "on_a_threshold": near, "wrong": len(wrong),
              "state": "pass" if not wrong and checked else "fail"}
    for line in wrong[:10]:
        print(line, file=sys.stderr)
    print(json.dumps(report) if "--json" in sys.argv else "\n".join(f"{k}: {v}" for k, v in report.items()))
    sys.exit(0 if report["state"] == "pass" else 1)


if __name__ == "__main__":
    main()
