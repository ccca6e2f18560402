#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""reliability/swap: plugins and models swapped under an open load at half capacity.

    swap.py LOAD [--swaps 1000] [--pace 8] [--quiet-seconds 15]

LOAD is the load generator (load.c): another process, which counts what failed, what was mixed, and latency from the time at which
each request was meant to start. Changes alternate: a build of a plugin, a version of a model, at --pace a second. The same load
runs before and after without any, for the latency to compare with. Prints the bars.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/integration"))
import grpc  # noqa: E402

import harness  # noqa: E402
from harness import BUILD, pb  # noqa: E402

A = pb.admin_pb2
ITEMS, WORDS = 5000, 400
WARM_UP = 40
CALM_MS = 250  # a 99th percentile above this without any change: the machine is busy with something else
COLLECTION = "fields:\n  title: text\n  price: number\nevents: {click: 1}\ndefault_pipeline: main\n"
PIPELINE = f"""
collection: things
record: 0.02
recall:
  - {{source: text, limit: 300}}
stages:
  - keep: 100
    rank:
      - {{name: words, feature: text.bm25}}
      - {{name: tide, plugin: {BUILD}/tide/1.so}}
    fuse: {{plugin: fusion, method: weighted, weights: {{words: 1, tide: 0.5}}}}
  - keep: 50
    rank:
      - {{name: liked, plugin: {BUILD}/zoo/learner.so, model: liked/latest, epochs: 3}}
      - {{name: again, plugin: {BUILD}/tide/1.so}}
    fuse: {{plugin: fusion, method: weighted, weights: {{liked: 1, again: 0.2}}}}
"""
SETTINGS = "swap: {rehearse: 20, watch: 1s, watch_searches: 1000, hold: 1, max_p99_ratio: 1000}\nlog: {level: warn}\n"


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("load")
    p.add_argument("--swaps", type=int, default=1000)
    p.add_argument("--pace", type=float, default=8)
    p.add_argument("--quiet-seconds", type=float, default=15)
    return p.parse_args()


def bar(name, metric, value, goal, skip=False):
    state = "skip" if skip else "pass" if value <= goal else "fail"
    print(f"bar reliability/swap/{name} {metric} {value:.4g} goal <= {goal:g} {state}", flush=True)


class Bench:
    def __init__(self, a):
        self.a = a
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="sinter-swap-"))
        self.server = harness.Server({"things": COLLECTION}, {"main": PIPELINE}, SETTINGS)
        self.fill()
        self.scores = self.models()
        (self.tmp / "queries").write_text("".join(f"{self.word()} {self.word()}\n" for _ in range(500)))

    def word(self):
        return f"word{min(WORDS - 1, int(self.random.expovariate(0.02)))}"

    def fill(self):
        self.random = random.Random(5)
        items = [harness.item(f"t{i}", title=" ".join(self.word() for _ in range(12)), price=float(i % 97)) for i in range(ITEMS)]
        self.server.upsert("things", items, searchable=True)
        events = [pb.events_pb2.Event(event_id=f"e{i}", collection="things", user_id=f"u{i % 50}", type="click", item_ids=[f"t{i * 7 % ITEMS}"])
                  for i in range(1000)]
        self.server.stub("Event").RecordEvents(pb.events_pb2.RecordEventsRequest(events=events), timeout=60)

    def sinter(self, *args):
        return subprocess.run([str(BUILD / "bin/sinter"), *args], capture_output=True, text=True, check=True, timeout=300)

    def models(self):
        """Two versions of `liked`; what each gives every item, from their files."""
        for seed in ("1", "2"):
            self.sinter("train", "main.liked", "-c", str(self.server.conf / "sinter.yaml"), "--seed", seed)
        self.deploy(1)
        table = []
        for version in (1, 2):
            data = (self.server.data / f"models/liked/{version}/weights.safetensors").read_bytes()
            n = int.from_bytes(data[:8], "little")
            at = json.loads(data[8:8 + n])["w"]["data_offsets"]
            import array
            w = array.array("f")
            w.frombytes(data[8 + n + at[0]:8 + n + at[1]])
            table.append(w)
        assert table[0] != table[1]
        path = self.tmp / "scores"
        path.write_text("".join(f"t{i}\t{table[0][i]!r}\t{table[1][i]!r}\n" for i in range(ITEMS)))
        return path

    def admin(self, method, request):
        """A change is asked for once; that the load left no room for the question is told by the load's own figures."""
        end = time.monotonic() + 60
        while True:
            try:
                return getattr(self.server.stub("Admin"), method)(request, timeout=60)
            except grpc.RpcError as e:
                if e.code() != grpc.StatusCode.RESOURCE_EXHAUSTED or time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def deploy(self, version):
        return self.admin("DeployModel", A.DeployModelRequest(model=f"liked/{version}", who="bench"))

    def swap(self, build):
        return self.admin("SwapPlugin", A.SwapPluginRequest(plugin="tide", file=str(BUILD / f"tide/{build}.so"), who="bench"))

    def load(self, kind, amount, seconds):
        return subprocess.Popen([self.a.load, self.server.address, "things", kind, str(amount), str(seconds), str(self.tmp / "queries"),
                                 str(self.scores)], stdout=subprocess.PIPE, text=True)

    def outcome(self, process, stop=False):
        if stop:
            process.terminate()
        out, _ = process.communicate(timeout=120)
        return json.loads(out)

    def anonymous_kb(self):
        for line in pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
        raise RuntimeError("no RssAnon")

    def changes(self, n):
        """So many, at the pace; RssAnon after each."""
        memory, late, start = [], 0, time.monotonic()
        for i in range(n):
            if i % 2:
                self.deploy(2 if i // 2 % 2 == 0 else 1)
            else:
                self.swap(2 if i // 2 % 2 == 0 else 1)
            memory.append(self.anonymous_kb())
            wait = start + (i + 1) / self.a.pace - time.monotonic()
            late += wait < 0
            time.sleep(max(0.0, wait))
        return memory, time.monotonic() - start, late

    def run(self):
        a = self.a
        capacity = self.outcome(self.load("closed", 32, 6))["rate"]
        rate = capacity / 2
        print(f"     capacity {capacity:.0f} answers a second with their ledgers, load {rate:.0f}; {a.swaps} changes at {a.pace:g} a second", flush=True)
        quiet = [self.outcome(self.load("open", rate, a.quiet_seconds))]
        loaded = self.load("open", rate, 3600)
        time.sleep(15)
        self.changes(WARM_UP)  # every build and model has been there once, every lane's memory has its size
        memory, took, late = self.changes(a.swaps)
        busy = self.outcome(loaded, stop=True)
        quiet.append(self.outcome(self.load("open", rate, a.quiet_seconds)))
        calm = sum(q["p99_ms"] for q in quiet) / len(quiet)
        counters = self.server.counters()
        tenth = max(1, len(memory) // 10)
        first, last = (sum(m) / len(m) for m in (memory[:tenth], memory[-tenth:]))
        print(f"     {took:.0f} s, {late} changes later than the pace; {busy['sent']} answers from {busy['builds']} builds and {busy['models']} models, "
              f"{busy['degraded']} degraded; p99 {busy['p99_ms']:.2f} ms, without changes {', '.join(format(q['p99_ms'], '.2f') for q in quiet)} ms; "
              f"p50 {busy['p50_ms']:.2f} ms, {quiet[0]['p50_ms']:.2f} ms; anonymous memory {first / 1024:.1f} MB, {last / 1024:.1f} MB; "
              f"{counters['swaps']} swaps, {counters['plugins_resident']} builds stuck", flush=True)
        for key in ("first_failure", "first_mixed"):
            if busy[key]:
                print(f"     {key}: {busy[key]}")
        if busy["builds"] < 2 or busy["models"] < 2 or busy["sent"] < 1000:
            print("     the load saw too little of the changes: these figures count for nothing")
            busy["failed"] += 1
        overloaded = max(q["p99_ms"] for q in quiet) > CALM_MS or any(q["failed"] for q in quiet)
        if overloaded:
            print("     the machine is busy with something else: without any change the load does not come through either; failed and p99 say nothing")
        bar("failed", "count", busy["failed"], 0, skip=overloaded and busy["failed"] > 0)
        bar("mixed", "count", busy["mixed"], 0)
        bar("p99", "ratio", busy["p99_ms"] / calm, 1.5, skip=overloaded)
        bar("memory_growth", "ratio", last / first, 1.01)

    def close(self):
        self.server.close()
        import shutil
        shutil.rmtree(self.tmp, ignore_errors=True)


def main():
    b = Bench(arguments())
    try:
        b.run()
    finally:
        b.close()


if __name__ == "__main__":
    main()
