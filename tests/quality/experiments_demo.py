#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments on the demo shop: do they keep their promises?

    experiments_demo.py JUDGE [--seed 301] [--requests 3000] [--salts 1000] [--json FILE]

JUDGE is the program experiment_judge. On a server of its own the shop's people search, click and buy while an A/A experiment runs:
  aa     the same people dealt anew by so many salts, each deal reported by the server's code: how many differ at p < .05 at the end, and
         how many would a guardrail ever have stopped (25 looks, no tolerance)
  lift   the same with 5% more clicks planted in one arm: how often found, beside the power that the reports promised
  guard  an arm made bad on purpose (the dearest first, whatever was asked): the guardrail stops it, and not the A/A beside it
  srm    a client that drops a part of one arm's answers: the alarm; and none for the A/A
Exit code 1: something could not be measured.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("SINTER_SOURCE", str(SOURCE))
sys.path.insert(0, str(SOURCE / "tests/integration"))
import harness  # noqa: E402
from harness import BUILD, pb  # noqa: E402

SINTER = str((BUILD / "bin/sinter").resolve())
PIPELINE = """
collection: shop
recall:
  - {source: text, limit: 300}
stages:
  - keep: 100
    rank:
      - {name: words, feature: text.bm25}
record: 0
"""
BAD = PIPELINE.replace("{name: words, feature: text.bm25}", '{name: dear, plugin: function, formula: "item.price"}')
METRICS = "metrics: {primary: ctr@3, every: 500ms, guardrails: {ctr: 0.1, conversion: 0.1}}\n"
AA = "unit: user\narms: {a: {}, b: {}}\n" + METRICS
BAD_ARM = "unit: user\narms: {good: {}, bad: {pipeline: bad}}\n" + METRICS
RATIO = "unit: user\narms: {a: {}, b: {}}\nmetrics: {every: 500ms}\n"


class Shop:
    def __init__(self, seed):
        self.seed, self.played = seed, 0
        collection = (SOURCE / "config/collections/shop.yaml").read_text() + "default_pipeline: words\n"
        self.server = harness.Server({"shop": collection}, {"words": PIPELINE, "bad": BAD}, "swap: {rehearse: 0, watch: 0s}",
                                     {"experiments/aa.yaml": AA})
        self.world = self.server.dir / "world"
        self.run("demo", "generate", "--seed", seed, "--now", "2025-06-01T00:00:00Z", self.world)
        self.run("import", "shop", self.world / "items.jsonl")
        self.server.search(collection="shop", page_size=1, after_sequence=self.server.status().sequence, no_impression=True, timeout=60)

    def run(self, *words):
        out = subprocess.run([SINTER, *map(str, words)], capture_output=True, text=True,
                             env={**os.environ, "SINTER_SERVER": self.server.address})
        if out.returncode:
            raise RuntimeError(f"sinter {' '.join(map(str, words[:3]))}: {out.stderr.strip()}")
        return out.stdout

    def play(self, requests):
        self.run("demo", "play", "--seed", self.seed, "--from", self.played, "--requests", requests, "--quiet", self.world)
        self.played += requests

    def report(self, name):
        self.server.wait_impressions(60)
        time.sleep(2.5)
        end = time.monotonic() + 120
        while True:
            r = self.server.stub("Admin").GetExperimentReport(pb.admin_pb2.GetExperimentReportRequest(experiment=name), timeout=60)
            if r.counted == 1 or time.monotonic() > end:
                return r
            time.sleep(0.2)

    def status(self, name):
        return next(x for x in self.server.status().experiments if x.name == name)


def judge(shop, program, salts):
    told = shop.report("aa")
    print(f"     {sum(a.impressions for a in told.arms)} searches, {sum(a.zero_results for a in told.arms)} without a hit; "
          f"{told.events_joined} events joined, {told.events_apart} not")
    out = json.loads(subprocess.run([program, str(shop.server.conf / "sinter.yaml"), "aa", str(salts), "0.05"], capture_output=True,
                                    text=True, check=True).stdout)
    for mine, arm in zip(out["real"], told.arms):  # counted apart from the server, and the same
        theirs = {"units": arm.units, "impressions": arm.impressions, "clicks": arm.clicks, "conversions": arm.conversions}
        if any(mine[k] != v for k, v in theirs.items()) or abs(mine["value"] - arm.value) > 1e-3:
            raise RuntimeError(f"the judge counts {mine}, the server {theirs}")
    p = told.arms[1].metrics[0].difference.p
    if abs(out["p"] - p) > 1e-9:
        raise RuntimeError(f"the judge's p is {out['p']}, the server's {p}")
    out["alarm"] = told.sample_ratio.alarm
    return out


def interval(k, n):
    """Wilson's, of a share."""
    z, p = 1.96, k / n
    middle, half = (p + z * z / 2 / n) / (1 + z * z / n), z * (p * (1 - p) / n + z * z / 4 / n / n) ** 0.5 / (1 + z * z / n)
    return middle - half, middle + half


def guard(shop):
    """1: the bad arm was stopped by the guardrail, and no arm of the A/A beside it."""
    shop.server.write("experiments/bad.yaml", BAD_ARM)
    shop.server.reload()
    for _ in range(8):
        shop.play(1000)
        time.sleep(3)
        if any(a.is_stopped for a in shop.status("bad").arms):
            break
    bad, aa = shop.status("bad"), shop.status("aa")
    stopped = [a.name for a in bad.arms if a.stopped_by == "guard"]
    print(f"     stopped after {shop.played} requests in all: {stopped}; {next((a.stopped_why for a in bad.arms if a.stopped_why), '')}")
    return int(stopped == ["bad"] and not any(a.is_stopped for a in aa.arms))


def ratio(shop, healthy_alarm):
    """1: the alarm where a third of one arm's answers leave no trace, and none where nothing is lost."""
    shop.server.write("experiments/ratio.yaml", RATIO)
    shop.server.reload()
    for i in range(1500):
        user = pb.types_pb2.User(user_id=f"visitor-{i}")
        first = shop.server.search(collection="shop", query="lamp", page_size=1, user=user, no_impression=True)
        arm = next(x.arm for x in first.assignment.experiments if x.experiment == "ratio")
        if not (arm == "b" and i % 3 == 0):
            shop.server.search(collection="shop", query="lamp", page_size=1, user=user)
    told = shop.report("ratio")
    print(f"     sample ratio p {told.sample_ratio.p:.2g} of {[a.units for a in told.arms]} units")
    return int(told.sample_ratio.alarm and not healthy_alarm)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("judge")
    p.add_argument("--seed", type=int, default=301)
    p.add_argument("--requests", type=int, default=3000)
    p.add_argument("--salts", type=int, default=1000)
    p.add_argument("--json")
    a = p.parse_args()
    shop = Shop(a.seed)
    try:
        shop.play(a.requests)
        j = judge(shop, a.judge, a.salts)
        n, promised = j["salts"], j["promised"]
        print(f"     {j['units']} units, ctr@3 {j['ctr']:.3f}, {n} deals; a planted lift of 5%: promised {promised:.3f}, found {j['found'] / n:.3f}")
        share = lambda k: {"value": k / n, "low": interval(k, n)[0], "high": interval(k, n)[1]}
        found = share(j["found"])
        out = {"aa": share(j["false_positives"]), "stops": share(j["stopped"]), "lift": {k: v / promised for k, v in found.items()},
               "guard": {"value": guard(shop)}, "srm": {"value": ratio(shop, j["alarm"])}}
    finally:
        shop.server.close()
    if a.json:
        pathlib.Path(a.json).write_text(json.dumps(out))
    print(json.dumps(out))


if __name__ == "__main__":
    sys.exit(main())
