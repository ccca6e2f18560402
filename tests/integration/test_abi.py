#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Minor 0 of the ABI in today's server: a plugin compiled against the frozen header (tests/abi/minor0) recalls, rewrites, ranks,
explains, fuses and finishes, trains a ranker and then the fusion over it, and serves both models. It checks on its own that the
host keeps what that header's comments promise; a broken promise comes up here as a refusal or a degraded answer."""
import json
import struct
import subprocess
import unittest

import harness
from harness import BUILD, SLOW, item, pb

ev = pb.events_pb2
MINOR0 = BUILD / "abi/minor0.so"
WEIGHT = {"view": 0.25, "click": 1.0, "purchase": 5.0}
COLLECTION = harness.SHOP_COLLECTION + "events: {view: 0.25, click: 1, purchase: 5}\ndefault_pipeline: main\n"
PIPELINE = f"""
collection: shop
record: 1
rewrite:
  - {{plugin: {MINOR0}, word: thing}}
recall:
  - {{source: text, limit: 100}}
  - {{source: {MINOR0}, name: scan, limit: 100}}
stages:
  - keep: 100
    rank:
      - {{name: words, feature: text.bm25}}
      - {{name: old, plugin: {MINOR0}, model: old/latest}}
    fuse: {{plugin: {MINOR0}, model: sum/latest, learn: fusion}}
finish:
  - {{plugin: {MINOR0}, places: [{{position: 1}}]}}
"""
ITEMS, PEOPLE = 30, 20


class Minor0(harness.ServerCase):
    COLLECTIONS = {"shop": COLLECTION}
    PIPELINES = {"main": PIPELINE}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.upsert("shop", [item(f"i{k}", title="a thing" if k % 2 else "a lamp", price=float(k)) for k in range(ITEMS)], searchable=True)
        cls.learned = [0.0] * ITEMS
        cls.requests = 0

    @classmethod
    def live(cls, rounds):
        """People search and act on what they get; the sums of weights are kept beside the server."""
        for _ in range(rounds):
            for person in range(PEOPLE):
                cls.requests += 1
                request = f"r{cls.requests}"
                hits = cls.server.search(collection="shop", query="lamp", request_id=request, user={"user_id": f"u{person}"}, page_size=20,
                                         timeout=30 * SLOW).hits
                kind = list(WEIGHT)[cls.requests % 3]
                chosen = hits[cls.requests % 7 % len(hits)].id
                r = cls.server.stub("Event").RecordEvents(ev.RecordEventsRequest(events=[
                    ev.Event(collection="shop", type=kind, item_ids=[chosen], request_id=request, user_id=f"u{person}")]), timeout=30 * SLOW)
                assert r.accepted == 1, r
                cls.sequence = r.sequence

    def sinter(self, *args):
        p = subprocess.run([str(BUILD / "bin/sinter"), *map(str, args)], capture_output=True, text=True, timeout=120 * SLOW)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        return p.stdout

    def train(self, what):
        self.server.wait_impressions()
        lines = [json.loads(line) for line in self.sinter("train", what, "-c", self.server.conf / "sinter.yaml", "--json").splitlines()]
        self.sinter("model", "deploy", lines[-1]["model"], "--server", self.server.address)
        return lines

    def weights(self, model):
        data = (self.server.data / "models" / model / "weights.safetensors").read_bytes()
        (n,) = struct.unpack("<Q", data[:8])
        head = json.loads(data[8:8 + n])
        begin, end = head["weight"]["data_offsets"]
        self.assertEqual(head["__metadata__"], {"abi": "minor 0"})
        return struct.unpack(f"<{(end - begin) // 4}f", data[8 + n + begin:8 + n + end])

    def search(self, person="nobody"):
        r = self.server.search(collection="shop", query="lamp", user={"user_id": person}, after_sequence=self.sequence, page_size=50,
                               explain=pb.types_pb2.EXPLAIN_FULL, timeout=30 * SLOW)
        return r, {h.id: {x.ranker: x for x in h.explanation.stages[0].rankers} for h in r.hits}

    def test_everything_it_plays(self):
        self.assertIn("minor0", self.sinter("plugin", "check", MINOR0))
        r = self.server.search(collection="shop", query="lamp", page_size=50)
        self.assertEqual(len(r.hits), ITEMS, "recall by its scan, and the word that it adds")
        untrained = [d for d in r.degraded if "not trained yet" not in d.reason]
        self.assertEqual(untrained, [])

        self.live(3)
        lines = self.train("main.old")
        metric = {x["metric"]: x["value"] for x in lines if x.get("metric")}
        weights = self.weights("old/1")
        self.assertEqual(len(weights), ITEMS)
        self.assertIn(metric["requests"] - self.requests, range(3), "those, and the few of this test before")
        self.assertGreater(metric["positive"], 0)
        self.assertGreater(metric["interactions"], 0)
        self.assertLess(metric["interactions"], self.requests)
        self.assertGreater(sum(weights), 0)

        self.live(3)  # with the ranker's scores: what the fusion is trained on
        self.train("main.fuse")
        self.assertEqual(self.weights("sum/1"), (1.0, 2.0))
        for _ in range(2):
            r, ranker = self.search("u3")
            self.assertEqual(list(r.degraded), [])
            self.assertEqual(len(r.hits), ITEMS)
            in_history = 0
            for h in r.hits:
                old, words = ranker[h.id]["old"], ranker[h.id]["words"]
                line = {f.name: f.value for f in old.features}
                self.assertEqual(set(line), {"learned", "text.bm25", "history"})
                self.assertAlmostEqual(line["learned"], weights[int(h.id[1:])], places=5)
                self.assertAlmostEqual(line["text.bm25"], 0.01 * (0 if words.missing else words.raw), places=5)
                self.assertAlmostEqual(sum(line.values()), old.raw, places=4)
                self.assertAlmostEqual(h.score, (0 if words.missing else words.raw) + 2 * old.raw, places=4)
                in_history += line["history"] == 0.5
            self.assertGreater(in_history, 0)
            fired = {(f.rule, f.action) for f in r.hits[0].explanation.rules}
            self.assertEqual(fired, {("minor0", "add_words"), ("minor0", "label")})
            self.server.restart()


if __name__ == "__main__":
    unittest.main()
