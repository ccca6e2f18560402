#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds `sinter evaluate` to independent implementations, on random judgments and random ranked lists.

    evaluate_check.py SINTER [SEED]

Every metric against numpy, written from the definitions; nDCG and average precision also against scikit-learn where it is
installed (SKIP, loudly, where not: apt install python3-sklearn); intervals against a bootstrap of numpy's own randomness.
"""
import json
import math
import os
import subprocess
import sys
import tempfile

import numpy as np

try:
    from sklearn.metrics import average_precision_score, ndcg_score
except ImportError:
    ndcg_score = None

KS = (1, 3, 10, 50)
NAMES = ("ndcg", "map", "precision", "recall", "hit_rate", "mrr")
METRICS = [f"{n}@{k}" for n in NAMES for k in KS]
ITEMS = [f"item {i}" for i in range(80)]
GAINS = {
    "exponential": lambda g: 2.0 ** g - 1,
    "linear": lambda g: g,
    "binary": lambda g: 1.0,
}


def make(rng, n_queries):
    """Judgments and three systems' lists: whole, short, empty and repeating ones."""
    judged, runs = {}, {"whole": {}, "short": {}, "odd": {}}
    for q in range(n_queries):
        query = f"query {q} ü"
        some = rng.choice(len(ITEMS), size=rng.integers(1, 40), replace=False)
        judged[query] = {ITEMS[i]: float(rng.choice([0, 0.5, 1, 1.33, 2, 3])) for i in some}
        order = lambda n: [ITEMS[i] for i in rng.permutation(len(ITEMS))[:n]]
        runs["whole"][query] = order(len(ITEMS))
        runs["short"][query] = order(rng.integers(0, 12))
        odd = order(20)
        runs["odd"][query] = odd[:5] + [odd[0]] + ["never judged"] + odd[5:]
    return judged, runs


def reference(judged, ranked, gain, offset, k, name):
    value = lambda item: GAINS[gain](judged[item] - offset) if judged.get(item, -1e9) > offset else 0.0
    first = {}
    for place, item in enumerate(ranked):
        first.setdefault(item, place)
    gains = np.array([value(item) if first[item] == place else 0.0 for place, item in enumerate(ranked)][:k] + [0.0] * k)[:k]
    ideal = np.sort([value(item) for item in judged])[::-1]
    n_relevant = int((ideal > 0).sum())
    if n_relevant == 0:
        return None
    hits = gains > 0
    discount = 1 / np.log2(np.arange(2, k + 2))
    if name == "ndcg":
        best = np.concatenate([ideal, np.zeros(k)])[:k]
        return float(gains @ discount / (best @ discount))
    if name == "map":
        precision_at = np.cumsum(hits) / np.arange(1, k + 1)
        return float(precision_at[hits].sum() / n_relevant)
    if name == "mrr":
        return 1.0 / (1 + int(np.argmax(hits))) if hits.any() else 0.0
    return {"precision": hits.sum() / k, "recall": hits.sum() / n_relevant, "hit_rate": float(hits.any())}[name]


def run(binary, folder, judged, runs, gain, offset):
    def path(name):
        return os.path.join(folder, name)

    with open(path("judgments.tsv"), "w", encoding="utf-8") as f:
        f.write("query\titem\tgrade\n")
        for query, items in judged.items():
            for item, grade in items.items():
                f.write(f"{query}\t{item}\t{grade:g}\n")
    command = [binary, "evaluate", "--judgments", path("judgments.tsv"), "--metrics", "", "--gain", gain, "--quiet",
               "--relevance-offset", str(offset), "--json", "--per-query", path("per-query.tsv")]
    for name, lists in runs.items():
        with open(path(name), "w", encoding="utf-8") as f:
            f.write("query\titem\n")
            for query, items in lists.items():
                f.writelines(f"{query}\t{item}\n" for item in items)
        command += ["--run", f"{name}={path(name)}"]
    values, answers = {}, {}
    for part in (METRICS[:12], METRICS[12:]):  # at most 16 metrics a call
        command[command.index("--metrics") + 1] = ",".join(part)
        answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for system in answer["systems"]:
            answers.setdefault(system["name"], {}).update(system)
            answers[system["name"]].setdefault("all", {}).update(system["metrics"])
            answers[system["name"]].setdefault("all_over", {}).update(system.get("over_first", {}))
        with open(path("per-query.tsv"), encoding="utf-8") as f:
            names = f.readline().rstrip("\n").split("\t")[2:]
            for line in f:
                query, system, *figures = line.rstrip("\n").split("\t")
                for name, figure in zip(names, figures):
                    values[query, system, name] = float(figure)
    return values, answers, answer


def check_sklearn(judged, ranked, gain, offset, values, key):
    """Whole lists only: scikit-learn ranks every item it is told of."""
    value = lambda item: GAINS[gain](judged[item] - offset) if judged.get(item, -1e9) > offset else 0.0
    truth = np.array([[value(item) for item in ranked]])
    score = -np.arange(len(ranked), dtype=float)[None]
    for k in KS:
        want = ndcg_score(truth, score, k=k)
        assert abs(values[(*key, f"ndcg@{k}")] - want) < 1e-6, (key, k, want)
    return average_precision_score(truth[0] > 0, score[0])


def check_intervals(rng, values, answers, queries, seed):
    index = rng.integers(0, len(queries), size=(10000, len(queries)))
    for system in answers:
        for metric in METRICS:
            column = np.array([values[q, system, metric] for q in queries])
            first = np.array([values[q, "whole", metric] for q in queries])
            for got, data in ((answers[system]["all"][metric], column), (answers[system]["all_over"].get(metric), column - first)):
                if got is None:
                    continue
                low, high = np.percentile(data[index].mean(axis=1), [2.5, 97.5])
                step = 1 / len(queries) if np.all(data == np.round(data)) else 0  # means of 0s and 1s lie on a grid
                slack = 0.06 * (high - low) + step + 1e-6
                assert abs(got["mean"] - data.mean()) < 1e-6, (seed, system, metric)
                assert abs(got["low"] - low) < slack and abs(got["high"] - high) < slack, (seed, system, metric, got, low, high)


def check(binary, seed):
    rng = np.random.default_rng(seed)
    judged, runs = make(rng, 100)
    compared = 0
    for gain in GAINS:
        for offset in (0, 1):
            with tempfile.TemporaryDirectory() as folder:
                values, answers, answer = run(binary, folder, judged, runs, gain, offset)
            scored = [q for q in judged if reference(judged[q], [], gain, offset, 1, "ndcg") is not None]
            assert answer["queries"] == len(scored) and answer["skipped"] == len(judged) - len(scored)
            for query in scored:
                for system in runs:
                    for metric in METRICS:
                        name, k = metric.split("@")
                        want = reference(judged[query], runs[system][query], gain, offset, int(k), name)
                        got = values[query, system, metric]
                        assert math.isclose(got, want, abs_tol=1e-6), (seed, query, system, metric, got, want)
                        compared += 1
                if ndcg_score:
                    check_sklearn(judged[query], runs["whole"][query], gain, offset, values, (query, "whole"))
            check_intervals(rng, values, answers, scored, seed)
    return compared


def check_map_against_sklearn(binary, seed):
    """map over whole lists is scikit-learn's average precision."""
    rng = np.random.default_rng(seed + 1)
    judged, runs = make(rng, 60)
    with tempfile.TemporaryDirectory() as folder:
        run(binary, folder, judged, runs, "binary", 0)
        command = [binary, "evaluate", "--judgments", f"{folder}/judgments.tsv", "--run", f"whole={folder}/whole", "--metrics", "map",
                   "--json", "--quiet"]
        got = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["systems"][0]["metrics"]["map"]["mean"]
    precisions = [average_precision_score([judged[q].get(i, 0) > 0 for i in items], -np.arange(len(items)))
                  for q, items in runs["whole"].items() if any(judged[q].values())]
    assert abs(got - np.mean(precisions)) < 1e-6, (got, np.mean(precisions))


def main():
    binary, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    compared = check(binary, seed)
    print(f"{compared} values equal numpy's, intervals too (seed {seed})")
    if ndcg_score:
        check_map_against_sklearn(binary, seed)
        print("ndcg and map equal scikit-learn's")
    else:
        print("SKIP: scikit-learn is not installed (apt install python3-sklearn); nDCG and MAP were compared with numpy only")


if __name__ == "__main__":
    main()
