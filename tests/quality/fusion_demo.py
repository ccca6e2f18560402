#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fusion on planted truth: what people do in a demo shop trains rankers and their fusion, and the truth judges them.

    fusion_demo.py [--seeds 201,202,…] [--played 50000] [--judged 10000] [--parts network,noise,oracle] [--clicks random]
                   [--world OPTIONS] [--work DIR] [--keep] [--json FILE]

For each seed a world and a server of its own:
  A   history, then --played requests served by words and rules       trains `taste` (cf, EASE) and `deep`
  B   --played more, the rankers at equal weights, the first 20 shuffled in a fifth, recorded whole    trains the fusion
  C   --judged pairs of person and query that were never played, graded by the truth: each ranker alone, and the fusion
`noise` plays B again with three rankers of pure noise in the stage, `oracle` with the truth itself as a ranker, all at equal weights.
Nothing of C is ever trained on.

Prints per seed nDCG@10 of each ranker and of each fusion, and the differences with 95% intervals of a bootstrap over pairs; at
the end the three figures over all seeds together. Exit code 1: a goal was missed.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SINTER_BUILD", SOURCE / "build/release")).resolve()
SINTER = BUILD / "bin/sinter"
HERE = SOURCE / "tests/quality/fusion"

TASTE = "plugin: cf, model: taste/latest, method: ease, lambda: 200"
RANKERS = {
    "words": "{name: words, feature: text.bm25}",
    "taste": "{name: taste, " + TASTE + ", budget: 50ms}",
    "deep": "{name: deep, plugin: deep, network: ../networks/deep.yaml, model: deep/latest, budget: 200ms}",
    "fresh": '{name: fresh, plugin: function, formula: "log1p(item.sales) * exp(-item.age_days / 365)", budget: 50ms}',
    "rules": "{name: rules, plugin: rules, file: ../rules/shop.yaml, budget: 50ms}",
}
SINGLES = ["words", "taste", "deep", "fresh", "rules"]
GATE = "[query.words, query.length, user.events, user.events.click, user.events.purchase]"


def ranker(name, world):
    if name.startswith("noise"):
        return f"{{name: {name}, plugin: {BUILD}/rankers/noise.so, seed: {name[5:]}, budget: 50ms}}"
    if name == "truth":
        return f"{{name: truth, plugin: {BUILD}/rankers/truth.so, world: {world}/truth/world.json, budget: 500ms}}"
    return RANKERS[name]


def pipeline(names, world, fuse=None, finish="", record=0):
    lines = ["collection: shop", "recall:",
             "  - {source: text, limit: 400}", "stages:", "  - name: all", "    keep: 200", "    rank:"]
    lines += [f"      - {ranker(n, world)}" for n in names]
    if fuse:
        lines.append(f"    fuse: {fuse}")
    if finish:
        lines += ["finish:", f"  - {finish}"]
    return "\n".join([*lines, f"record: {record}", ""])


def network(part):
    """All rankers count the same until it is trained."""
    return f"{{plugin: fusion, method: network, model: {part}/latest, gate: {GATE}}}"


EXPLORE = "{explore: shuffle, top: 20, share: 0.2}"


class Failed(Exception):
    pass


class Line:
    """One seed's world, server and people."""

    def __init__(self, seed, a):
        self.seed, self.a, self.played = seed, a, 0
        self.dir = pathlib.Path(a.work or tempfile.mkdtemp(prefix="sinter-fusion-")) / str(seed)
        self.world, self.conf, self.server = self.dir / "world", self.dir / "config", None
        shutil.rmtree(self.dir, ignore_errors=True)
        self.conf.mkdir(parents=True)

    # ---- the server ----

    def run(self, *words, quiet=True):
        begun = time.monotonic()
        out = subprocess.run([str(SINTER), *map(str, words)], capture_output=True, text=True, env=self.env())
        with open(self.dir / "commands.log", "a", encoding="utf-8") as f:
            f.write(f"$ sinter {' '.join(map(str, words))}  # {time.monotonic() - begun:.1f} s\n{out.stdout}{out.stderr}\n")
        if out.returncode:
            raise Failed(f"sinter {' '.join(map(str, words[:3]))}: {(out.stderr or out.stdout).strip().splitlines()[-1:]}")
        return out.stdout

    def env(self):
        return {**os.environ, "OPENBLAS_NUM_THREADS": "1", **({"SINTER_SERVER": self.address} if self.server else {})}

    def write(self, name, text):
        path = self.conf / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def start(self):
        self.run("demo", "generate", "--seed", self.seed, "--now", "2025-06-01T00:00:00Z", *self.a.world.split(), self.world)
        for folder in ("rules",):
            shutil.copytree(SOURCE / "config" / folder, self.conf / folder)
        (self.conf / "collections").mkdir()
        shutil.copy(SOURCE / "config/collections/shop.yaml", self.conf / "collections/shop.yaml")
        with open(self.conf / "collections/shop.yaml", "a", encoding="utf-8") as f:
            f.write("default_pipeline: first\n")
        self.write("networks/deep.yaml", (HERE / "deep.yaml").read_text(encoding="utf-8"))
        self.write("sinter.yaml", f"listen: 127.0.0.1:0\ndata_dir: {self.dir}/data\nplugin_dirs: [{BUILD}/plugins]\n")
        self.write("pipelines/first.yaml", pipeline(["words", "fresh", "rules"], self.world,
                                                    "{plugin: fusion, weights: {words: 0.6, fresh: 0.2, rules: 0.2}}"))
        self.write("pipelines/fused.yaml", pipeline(SINGLES, self.world, network("network"), EXPLORE, 1))
        port = self.dir / "port"
        log = open(self.dir / "server.log", "ab")
        self.server = subprocess.Popen([str(SINTER), "serve", "-c", str(self.conf / "sinter.yaml"), "--port-file", str(port)],
                                       stdout=log, stderr=log, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
        self.address = ""
        end = time.monotonic() + 60
        while not port.exists() or not port.read_text().strip():
            if self.server.poll() is not None or time.monotonic() > end:
                raise Failed(f"the server did not start: {(self.dir / 'server.log').read_text()[-600:]}")
            time.sleep(0.1)
        self.address = port.read_text().strip()
        self.run("import", "shop", self.world / "items.jsonl")
        self.run("events", "import", self.world / "history.jsonl", "--collection", "shop", "--map",
                 "id=event_id,user=user_id,session=session_id,item=item_id,type=type,value=value,time=time")

    def close(self):
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
            try:
                self.server.wait(60)
            except subprocess.TimeoutExpired:
                self.server.kill()
                self.server.wait()
        if not self.a.keep:
            shutil.rmtree(self.dir, ignore_errors=True)

    # ---- people ----

    def play(self, pipe):
        words = ["demo", "play", "--seed", self.seed, "--from", self.played, "--requests", self.a.played, "--pipeline", pipe,
                 "--quiet", "--json"]
        if self.a.clicks:
            words += ["--clicks", self.a.clicks]
        answer = json.loads(self.run(*words, self.world))
        self.played += self.a.played
        return answer

    def train(self, what, since=None, until=None):
        words = ["train", what, "-c", self.conf / "sinter.yaml", "--deploy", "--seed", 1]
        if since is not None:
            words += ["--since", since]
        if until is not None:
            words += ["--until", until]
        return self.run(*words)

    def judge(self, systems, compare):
        """{system: nDCG@10 by pair}, and what evaluate says of them."""
        judged = self.dir / "judged"
        if not judged.exists():
            self.run("demo", "judge", "--seed", self.seed, "--from", self.played, "--requests", self.a.judged * 2, "--queries",
                     self.a.judged, "--out", judged, self.world)
        table = self.dir / "per-query.tsv"
        self.run("evaluate", *systems, "--judgments", judged / "judgments.tsv", "--queries", judged / "queries.tsv", "--metrics",
                 "ndcg@10", "--compare", ",".join(compare), "--per-query", table, "--json", "--quiet")
        lines = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()]
        head, rows = lines[0], lines[1:]
        return read_figures(head, rows, systems)


def read_figures(head, rows, systems):
    """Columns of --per-query: query, system, metric, value; or query, then a column a system."""
    out = {s: {} for s in systems}
    if "system" in head:
        at = {name: i for i, name in enumerate(head)}
        value = at.get("value", at.get("ndcg@10"))
        for row in rows:
            if row[at["system"]] in out:
                out[row[at["system"]]][row[0]] = float(row[value])
    else:
        for row in rows:
            for i, name in enumerate(head[1:], 1):
                for s in systems:
                    if name in (s, f"{s} ndcg@10", f"{s}:ndcg@10"):
                        out[s][row[0]] = float(row[i])
    keys = sorted(set.intersection(*(set(v) for v in out.values())))
    if not keys:
        raise Failed(f"no figures in the table of evaluate: {head}")
    return {s: np.array([v[k] for k in keys]) for s, v in out.items()}


def interval(d, seed=1, resamples=1000):
    """Mean and 95% interval of a bootstrap over pairs."""
    rng, n = np.random.default_rng(seed), len(d)
    means = np.array([d[rng.integers(0, n, n)].mean() for _ in range(resamples)])
    return float(d.mean()), float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def say(text):
    print(text, flush=True)


def one_seed(seed, a):
    """Differences by pair of each part; None where fusion could not be trained."""
    line, found = Line(seed, a), {}
    try:
        line.start()
        first = line.play("first")
        until = first.get("until")
        line.train("fused.taste", until=until)
        line.train("fused.deep", until=until)
        parts = {"network": SINGLES, "noise": [*SINGLES, "noise1", "noise2", "noise3"], "oracle": [*SINGLES, "truth"]}
        trained = []
        for part in [p for p in ("network", "noise", "oracle") if p in a.parts]:
            pipe = "fused" if part == "network" else part
            line.write(f"pipelines/{pipe}.yaml", pipeline(parts[part], line.world, network(part), EXPLORE, 1))
            line.run("reload")
            ranges = line.play(pipe)
            try:
                line.train(f"{pipe}.fuse", since=ranges.get("since"), until=ranges.get("until"))
                trained.append((part, pipe))
            except Failed as e:
                say(f"  seed {seed} {part}: {e}")
        singles = [*SINGLES, *(["truth"] if "oracle" in a.parts else [])]
        for s in singles:
            line.write(f"pipelines/only-{s}.yaml", pipeline([s], line.world))
        line.run("reload")
        systems = [f"only-{s}" for s in singles] + [pipe for _, pipe in trained]
        figures = line.judge(systems, [f"only-{s}" for s in SINGLES])
        best = max((f"only-{s}" for s in SINGLES), key=lambda s: figures[s].mean())
        for s in systems:
            say(f"  seed {seed} {s:12} ndcg@10 {figures[s].mean():.4f}{'  the best single' if s == best else ''}")
        pipes = dict(trained)
        if "network" in pipes:
            found["network"] = figures["fused"] - figures[best]
        if "network" in pipes and "noise" in pipes:
            found["noise"] = figures["fused"] - figures["noise"]
        if "oracle" in pipes:
            found["oracle"] = figures["oracle"] - figures["only-truth"]
        for part, d in found.items():
            mean, low, high = interval(d)
            say(f"  seed {seed} {part}: {mean:+.4f} [{low:+.4f}, {high:+.4f}]")
        return found
    finally:
        line.close()


GOALS = {"network": ("gain_over_best_single", ">= 0", lambda m, low, high: low > 0),
         "noise": ("loss_with_noise_rankers", "<= 0.005", lambda m, low, high: m <= 0.005),
         "oracle": ("gain_where_one_ranker_is_the_truth", "contains 0", lambda m, low, high: low <= 0 <= high)}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seeds", default="201,202,203,204,205")
    p.add_argument("--played", type=int, default=50000)
    p.add_argument("--judged", type=int, default=10000)
    p.add_argument("--parts", default="network,noise,oracle")
    p.add_argument("--clicks", choices=("random",))
    p.add_argument("--world", default="", help="options of demo generate, such as '--items 1000 --users 500'")
    p.add_argument("--work")
    p.add_argument("--keep", action="store_true")
    p.add_argument("--json")
    a = p.parse_args()
    a.parts = a.parts.split(",")
    seeds, all_found = [int(s) for s in a.seeds.split(",")], {part: [] for part in a.parts}
    begun, missed, answer = time.monotonic(), 0, {}
    for seed in seeds:
        found = one_seed(seed, a)
        for part in a.parts:
            all_found[part].append(found.get(part))
    for part in a.parts:
        metric, goal, met = GOALS[part]
        if any(d is None for d in all_found[part]):
            say(f"fusion/demo/{part} {metric} failed: fusion could not be trained on every seed")
            answer[part], missed = None, missed + 1
            continue
        mean, low, high = interval(np.concatenate(all_found[part]))
        good = met(mean, low, high)
        missed += not good
        answer[part] = {"metric": metric, "value": mean, "low": low, "high": high, "met": good}
        say(f"fusion/demo/{part} {metric} {mean:+.4f} [{low:+.4f}, {high:+.4f}] goal {goal} {'pass' if good else 'fail'}")
    say(f"{len(seeds)} seeds in {time.monotonic() - begun:.0f} s")
    if a.json:
        pathlib.Path(a.json).write_text(json.dumps(answer), encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
