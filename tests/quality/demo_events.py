#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks what `sinter demo play` left in a server's journal against the world's truth, by code that shares nothing with it.

usage: demo_events.py WORLD DATA --seed S [--sinter PATH] [--collection shop] [--random] [--json]

DATA is the server's data directory (it may run). Who came and what was asked is drawn again from (S, number of the
request); what was shown is read from the impressions, what was done from the events. Then:
  - every event belongs to an impression: its item stood at its position, its person and words are those of the draw;
  - clicks by position, by utility and both together are as many as position bias x click chance says (|z| < 4.5);
  - purchases among the clicked follow the chance to buy;
  - with --random: what is clicked is no better than what is looked at.
Exits 1 where anything is off."""
import argparse
import json
import subprocess
import sys

import numpy as np

from demo_truth import Truth, stream, uniform

BINS = 10


def dump(sinter, data, kind):
    process = subprocess.Popen([sinter, "journal", "dump", data, "--kind", kind, "--json"], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        yield json.loads(line)
    if process.wait() != 0:
        sys.exit(f"journal dump --kind {kind} ended with {process.returncode}")


class Draw:
    """Request number -> rows of the person and the query, as docs/demo-shop.md has it."""

    def __init__(self, truth, seed):
        self.truth, self.seed = truth, seed
        self.activity = np.cumsum([u["activity"] for u in truth.users])
        popularity = 1 / (np.arange(len(truth.queries)) + 8.0)
        self.popularity = popularity / popularity.sum()
        assert np.allclose(self.popularity, [q["popularity"] for q in truth.queries], atol=1e-8)
        self.rising = np.cumsum(self.popularity)
        self.by_family = {}
        for n, q in enumerate(truth.queries):
            first = truth.concepts[q["concepts"][0]]
            family = first["id"] if first["kind"] == "family" else first["family"]
            self.by_family.setdefault(family, []).append(n)

    @staticmethod
    def pick(rising, x):
        return min(int(np.searchsorted(rising, x * rising[-1], side="right")), len(rising) - 1)

    def __call__(self, number):
        s = stream(self.seed, "play.visit", number)
        x = [float(uniform(s)[0]) for _ in range(4)]
        u = self.pick(self.activity, x[0])
        user = self.truth.users[u]
        family = user["interests"][self.pick(np.cumsum(user["interest_weights"]), x[2])]
        among = self.by_family.get(family)
        if x[1] < 0.5 and among:
            return u, among[self.pick(np.cumsum(self.popularity[among]), x[3])]
        return u, self.pick(self.rising, x[3])


def z(got, expected, variance):
    return float((got - expected) / np.sqrt(max(variance, 1e-9)))


def cells(got, chance, by, count):
    """z of each group of shown hits in which at least 5 clicks were to be expected."""
    out = []
    for c in range(count):
        here = by == c
        expected = chance[here].sum()
        if expected >= 5:
            out.append(z(got[here].sum(), expected, (chance[here] * (1 - chance[here])).sum()))
    return out


def read(arguments, truth):
    """Arrays over all shown hits, and what does not fit together."""
    wrong, ids, events = [], {}, {}
    for r in dump(arguments.sinter, arguments.data, "item_put"):
        if r["id"] in truth.row:
            ids[r["ordinal"]] = truth.row[r["id"]]
    prefix = f"play-{arguments.seed}-"
    for e in dump(arguments.sinter, arguments.data, "event_put"):
        if not e.get("request_id", "").startswith(prefix):
            continue
        known = events.setdefault(e["request_id"], {})
        place = known.setdefault(e["position"], {})
        if e["type"] in place:
            wrong.append(f"{e['event_id']}: twice")
        place[e["type"]] = e
    draw = Draw(truth, arguments.seed)
    positions, utilities, clicked, bought, request = [], [], [], [], []
    for r in dump(arguments.sinter, arguments.data, "answered"):
        if not r["request_id"].startswith(prefix):
            continue
        number = int(r["request_id"][len(prefix):])
        u, q = draw(number)
        done = events.pop(r["request_id"], {})
        rows = np.array([ids[s["item"]] for s in r["shown"]], dtype=int)
        for p, e in done.items():
            first = next(iter(e.values()))
            expected = (truth.users[u]["id"], truth.queries[q]["text"], truth.items[rows[p - 1]]["id"] if p <= len(rows) else None)
            if (first["user_id"], first["query"], first["item_ids"][0]) != expected or "click" not in e:
                wrong.append(f"{first['event_id']}: not of {expected}")
        if not len(rows):
            continue
        places = np.array([s["position"] for s in r["shown"]])
        positions.append(places)
        utilities.append(truth.utility(u, q, rows))
        clicked.append([int(p) in done for p in places])
        bought.append(["purchase" in done.get(int(p), {}) for p in places])
        request.append(np.full(len(rows), number))
    wrong += [f"{k}: events without an impression" for k in events]
    if not positions:
        sys.exit(f"no impressions of {prefix}… in {arguments.data}")
    return [np.concatenate(a) for a in (positions, utilities, clicked, bought, request)] + [wrong]


def follow_utility(truth, bias, position, utility, clicked, bought):
    chance = bias[position - 1] * truth.chance("click", utility)
    buy = truth.chance("buy", utility[clicked])
    level = np.searchsorted(np.quantile(utility, np.linspace(0, 1, BINS + 1)[1:-1]), utility)
    return {
        "z_clicks": z(clicked.sum(), chance.sum(), (chance * (1 - chance)).sum()),
        "z_by_position": cells(clicked, chance, position - 1, len(bias)),
        "z_by_utility": cells(clicked, chance, level, BINS),
        "z_by_both": cells(clicked, chance, level * 4 + np.digitize(position, [2, 4, 10]), BINS * 4),
        "z_purchases": z(bought[clicked].sum(), buy.sum(), (buy * (1 - buy)).sum()),
        "z_purchases_by_utility": cells(bought[clicked], buy, level[clicked], BINS),
    }


def follow_chance(bias, position, utility, clicked, request):
    """Utility of what is clicked against that of what is looked at, request by request."""
    gap = []
    for k in np.unique(request[clicked]):
        here = request == k
        weight = bias[position[here] - 1]
        gap.append(utility[here & clicked].mean() - (utility[here] * weight).sum() / weight.sum())
    gap = np.array(gap)
    return {"gap": float(gap.mean()), "deviation": float(gap.std() / np.sqrt(len(gap)))}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("world")
    parser.add_argument("data")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--sinter", default="build/release/bin/sinter")
    parser.add_argument("--random", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    truth = Truth(arguments.world)
    bias = np.array(truth.facts["position_bias"])
    position, utility, clicked, bought, request, wrong = read(arguments, truth)
    report = {"requests": len(np.unique(request)), "hits": len(position), "clicks": int(clicked.sum()),
              "purchases": int(bought.sum()), "wrong": len(wrong)}
    if arguments.random:
        report |= follow_chance(bias, position, utility, clicked, request)
        good = abs(report["gap"]) < 0.04 + 4 * report["deviation"]  # a position is not clicked twice: no exact zero
    else:
        found = follow_utility(truth, bias, position, utility, clicked, bought)
        report |= {k: (round(v, 2) if isinstance(v, float) else round(float(np.abs(v).max()), 2) if v else None) for k, v in found.items()}
        good = all(abs(x) < 4.5 for v in found.values() for x in (v if isinstance(v, list) else [v]))
    report["state"] = "pass" if good and not wrong else "fail"
    for line in wrong[:10]:
        print(line, file=sys.stderr)
    print(json.dumps(report) if arguments.json else "\n".join(f"{k}: {v}" for k, v in report.items()))
    sys.exit(0 if report["state"] == "pass" else 1)


if __name__ == "__main__":
    main()
