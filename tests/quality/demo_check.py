#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a demo shop from its files alone, by code that shares nothing with the generator.

usage: demo_check.py DIR [--json]

Recomputes match, taste and price fit from truth/, and with them each part's share of utility's variance within lists of
plausible candidates (noise enters as its stated variance). Then asks what the plan of the figures rests on: that no
part alone ranks as well as the sum, and that the history carries taste (item-item cosine over views, within one product).
Exits 1 where a share is above 45% or differs by more than .03 from the generator's own figure."""
import json
import os
import sys

import numpy as np


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


class World:
    def __init__(self, folder):
        truth = os.path.join(folder, "truth")
        with open(os.path.join(truth, "world.json"), encoding="utf-8") as f:
            self.facts = json.load(f)
        self.concepts = {c["id"]: c for c in lines(os.path.join(truth, "concepts.jsonl"))}
        self.items = lines(os.path.join(truth, "items.jsonl"))
        self.users = lines(os.path.join(truth, "users.jsonl"))
        self.queries = lines(os.path.join(truth, "queries.jsonl"))
        self.history = lines(os.path.join(folder, "history.jsonl"))
        self.row = {item["id"]: n for n, item in enumerate(self.items)}
        self.has = [set(item["concepts"]) for item in self.items]
        self.item_factors = np.array([i["factors"] for i in self.items])
        self.item_price = np.array([i["price_level"] for i in self.items])
        self.matches = {}

    def satisfies(self, concept_id, n):
        concept, item = self.concepts[concept_id], self.items[n]
        if concept["kind"] == "product":
            return 1.0 if item["product"] == concept_id else concept["close"].get(item["product"], 0.0)
        if concept_id in self.has[n]:
            return 1.0
        return 0.5 if concept["kind"] == "colour" and item.get("colour") == concept.get("near") else 0.0

    def match(self, q):
        if q not in self.matches:
            query = self.queries[q]
            pairs = list(zip(query["concepts"], query["weights"]))
            self.matches[q] = np.array(
                [sum(w * self.satisfies(c, n) for c, w in pairs) for n in range(len(self.items))]
            )
        return self.matches[q]

    def parts(self, u, q, rows):
        """[n][3]: match, taste, price fit, with amplitudes and personal weights."""
        user, a = self.users[u], self.facts["amplitudes"]
        taste = self.item_factors[rows] @ np.array(user["factors"]) / np.sqrt(8)
        distance = np.minimum(np.abs(user["price_level"] - self.item_price[rows]), 3)
        return np.stack(
            [
                a["match"] * self.queries[q]["match_weight"] * self.match(q)[rows],
                a["taste"] * user["taste_weight"] * taste,
                a["price"] * user["price_weight"] * -distance,
            ],
            axis=1,
        )

    def plausible(self, q):
        """The family of what is asked, thinned to 360, and the first 40 items of other families that fit at all."""
        first = self.concepts[self.queries[q]["concepts"][0]]
        family = first["id"] if first["kind"] == "family" else first["family"]
        inside = [n for n, item in enumerate(self.items) if item["family"] == family]
        match = self.match(q)
        outside = [n for n, item in enumerate(self.items) if item["family"] != family and match[n] > 0][:40]
        if len(inside) > 360:
            inside = [inside[int(at)] for at in np.linspace(0, len(inside) - 1, 360)]
        return np.array(inside + outside)


def shares(world, random, count=1500):
    popularity = np.array([q["popularity"] for q in world.queries])
    noise = world.facts["amplitudes"]["noise"] ** 2
    with_total, total, rows_seen = np.zeros(3), 0.0, 0
    for _ in range(count):
        u = random.integers(len(world.users))
        q = random.choice(len(world.queries), p=popularity / popularity.sum())
        rows = world.plausible(q)
        parts = world.parts(u, q, rows)
        parts -= parts.mean(axis=0)
        off = parts.sum(axis=1)
        with_total += parts.T @ off
        total += off @ off
        rows_seen += len(rows)
    total += noise * rows_seen
    return dict(zip(["match", "taste", "price"], with_total / total)) | {"noise": noise * rows_seen / total}


def ndcg10(score, grade):
    discount = 1 / np.log2(np.arange(2, 12))
    gain = 2.0**grade - 1
    best = np.sort(gain)[::-1][:10]
    ideal = best @ discount[: len(best)]
    got = gain[np.argsort(-score, kind="stable")[:10]]
    return got @ discount[: len(got)] / ideal if ideal > 0 else None


def alone(world, random, count=400):
    """nDCG@10 of each part alone and of sums, against grades of utility with noise."""
    thresholds, noise = world.facts["grade_thresholds"], world.facts["amplitudes"]["noise"]
    names = ["match", "taste", "price", "match+taste", "match+taste+price"]
    picks = [[0], [1], [2], [0, 1], [0, 1, 2]]
    figures = {name: [] for name in names}
    for _ in range(count):
        u, q = random.integers(len(world.users)), random.integers(len(world.queries))
        rows = world.plausible(q)
        parts = world.parts(u, q, rows)
        utility = parts.sum(axis=1) + noise * random.standard_normal(len(rows))
        grade = np.searchsorted(thresholds, utility, side="right")
        jitter = 1e-6 * random.standard_normal(len(rows))
        for name, pick in zip(names, picks):
            figure = ndcg10(parts[:, pick].sum(axis=1) + jitter, grade)
            if figure is not None:
                figures[name].append(figure)
    return {name: float(np.mean(f)) for name, f in figures.items()}


def taste_in_history(world, random, count=300):
    """Mean correlation, over people, of item-item cosine scores with true taste plus price fit, within one product."""
    n_users, n_items = len(world.users), len(world.items)
    number = {u["id"]: n for n, u in enumerate(world.users)}
    seen = np.zeros((n_users, n_items), dtype=np.float32)
    for e in world.history:
        seen[number[e["user_id"]], world.row[e["item_id"]]] = 1
    norm = np.sqrt(np.maximum(seen.sum(axis=0), 1))
    popularity = seen.sum(axis=0)
    by_product = {}
    for n, item in enumerate(world.items):
        by_product.setdefault(item["product"], []).append(n)
    knn, popular = [], []
    for _ in range(count):
        u = random.integers(n_users)
        if seen[u].sum() < 10:
            continue
        rows = np.array(list(by_product.values())[random.integers(len(by_product))])
        if len(rows) < 8:
            continue
        own = np.flatnonzero(seen[u])
        score = (seen[:, own] / norm[own]).sum(axis=1) @ seen[:, rows] / norm[rows]
        truth = world.parts(u, 0, rows)[:, 1:].sum(axis=1)
        if score.std() > 0:
            knn.append(np.corrcoef(score, truth)[0, 1])
        if popularity[rows].std() > 0:
            popular.append(np.corrcoef(popularity[rows], truth)[0, 1])
    return {"item_cosine": float(np.mean(knn)), "popularity": float(np.mean(popular))}


def main():
    arguments = [a for a in sys.argv[1:] if a != "--json"]
    if len(arguments) != 1:
        sys.exit(__doc__)
    world, random = World(arguments[0]), np.random.default_rng(1)
    ours, theirs = shares(world, random), world.facts["shares_within"]
    report = {
        "shares": {k: round(float(v), 4) for k, v in ours.items()},
        "generator": theirs,
        "ndcg@10": {k: round(v, 4) for k, v in alone(world, random).items()},
        "correlation_with_liking": {k: round(v, 4) for k, v in taste_in_history(world, random).items()},
    }
    good = all(v <= 0.45 and abs(v - theirs[k]) <= 0.03 for k, v in ours.items())
    report["state"] = "pass" if good else "fail"
    if "--json" in sys.argv:
        print(json.dumps(report))
    else:
        for name, value in report.items():
            print(f"{name}: {value}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
