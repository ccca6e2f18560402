# SPDX-License-Identifier: GPL-3.0-or-later
"""The pipeline over gRPC: budgets and faults of rankers, the ledger, rules, what is logged."""
import json
import math
import subprocess
import time
import unittest

import harness
from harness import BUILD, SLOW, pb

COLLECTION = """
fields:
  title: {type: text, group: title}
  body: {type: text, group: body}
  brand: keyword
  price: number
  sold_out: boolean
default_pipeline: main
"""

PIPELINE = """
collection: things
recall:
  - {{source: text, limit: 1000}}
stages:
  - keep: 100
    rank:
      - {{name: words, feature: text.bm25}}
      - {ranker}
    fuse: {{plugin: fusion, method: weighted, weights: {{words: 0.5, other: 0.5}}}}
record: 1
"""


def zoo(name):
    return BUILD / "zoo" / f"{name}.so"


PIPELINES = {
    "main": PIPELINE.format(ranker='{name: other, plugin: function, formula: "0 - item.price"}'),
    "sleepy": PIPELINE.format(ranker=f"{{name: other, plugin: {zoo('sleeps')}, budget: 2ms}}"),
    "nan": PIPELINE.format(ranker=f"{{name: other, plugin: {zoo('nan_scores')}}}"),
    "declining": PIPELINE.format(ranker=f"{{name: other, plugin: {zoo('declines')}}}"),
    "untrained": PIPELINE.format(ranker='{name: other, plugin: function, formula: "1", model: taste/latest}'),
}


class Pipelines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(collections={"things": COLLECTION}, pipelines=PIPELINES)
        items = [harness.item(f"t{i:04}", title=f"thing number {i}", body="a thing among things " * (1 + i % 3),
                              brand=["acme", "other"][i % 2], price=float(i % 97), sold_out=i % 5 == 0) for i in range(1000)]
        cls.server.upsert("things", items, searchable=True)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def search(self, **request):
        return self.server.search(collection="things", query="thing", **request)

    def degraded(self, pipeline):
        r = self.search(pipeline=pipeline, explain=pb.types_pb2.EXPLAIN_SCORES)
        self.assertEqual(len(r.hits), 10, "an answer comes all the same")
        return r

    def test_a_ranker_over_its_budget_is_late_and_two_or_three_blocks_are_scored(self):
        r = self.degraded("sleepy")
        self.assertEqual([d.name for d in r.degraded], ["other"])
        d = r.degraded[0]
        self.assertEqual(d.code, pb.types_pb2.Degraded.CODE_LATE)
        self.assertEqual(d.candidates, 1000)
        if not harness.SANITIZED:
            self.assertIn(d.candidates_scored, (256, 512, 768))
        self.assertTrue(d.reason)

    def test_a_ranker_that_returns_nan_is_missing(self):
        d = self.degraded("nan").degraded[0]
        self.assertEqual(d.code, pb.types_pb2.Degraded.CODE_NOT_FINITE)
        self.assertTrue(d.reason)

    def test_a_ranker_that_declines_is_no_fault(self):
        r = self.degraded("declining")
        self.assertEqual(list(r.degraded), [])
        self.assertTrue(r.hits[0].explanation.stages[0].rankers[1].missing)

    def test_a_model_not_trained_yet_is_disabled_by_name(self):
        r = self.degraded("untrained")
        self.assertEqual(r.degraded[0].code, pb.types_pb2.Degraded.CODE_DISABLED)
        self.assertIn("not trained yet", r.degraded[0].reason)
        self.assertTrue(any("untrained.other" in n for n in self.server.status().not_trained))

    def test_shares_and_bias_sum_to_the_score_whatever_is_missing(self):
        for pipeline in PIPELINES:
            r = self.search(pipeline=pipeline, explain=pb.types_pb2.EXPLAIN_FULL, page_size=200)
            for h in r.hits:
                stage = h.explanation.stages[0]
                total = stage.bias + sum(k.contribution for k in stage.rankers)
                self.assertAlmostEqual(total, stage.score_after, delta=1e-5 * max(1, abs(stage.score_after)))
                for k in stage.rankers:
                    if k.features:
                        self.assertAlmostEqual(sum(f.value for f in k.features), k.raw, delta=1e-4 * max(1, abs(k.raw)))

    def test_the_ledger_tells_ranks_before_and_after(self):
        r = self.search(explain=pb.types_pb2.EXPLAIN_SCORES, page_size=100)
        self.assertEqual([h.explanation.stages[0].rank_after for h in r.hits], list(range(1, 101)))
        before = [h.explanation.stages[0].rank_before for h in r.hits]
        self.assertEqual(before, [h.explanation.sources[0].rank for h in r.hits])
        self.assertEqual(len(set(before)), 100)
        self.assertTrue(all(t.milliseconds >= 0 for t in r.timings) and r.timings)

    def test_pages_by_offset_neither_repeat_nor_lose(self):
        ids = []
        for offset in range(0, 1000, 250):
            ids += [h.id for h in self.search(offset=offset, page_size=250).hits]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual(len(ids), 1000)

    def test_the_same_request_gets_the_same_answer(self):
        one, two = (self.search(request_id="r1", page_size=50) for _ in range(2))
        self.assertEqual([(h.id, h.score) for h in one.hits], [(h.id, h.score) for h in two.hits])

    def test_a_time_override_is_what_age_means(self):
        t = pb.types_pb2.Context()
        t.time.FromJsonString("2024-01-01T00:00:00Z")
        self.search(context=t)  # accepted
        t.time.seconds = 10**15
        with self.assertRaises(harness.grpc.RpcError) as e:
            self.search(context=t)
        self.assertIn("context.time", str(harness.details(e.exception)))


class Failing(unittest.TestCase):
    def test_a_ranker_that_fails_is_missing_and_says_why(self):
        pipelines = {"main": PIPELINE.format(ranker=f"{{name: other, plugin: {zoo('fails')}}}")}
        with harness.Server(collections={"things": COLLECTION}, pipelines=pipelines) as s:
            s.upsert("things", [harness.item("t1", title="thing", price=1.0)])
            end = time.monotonic() + 10 * SLOW  # it fails on the first call of each lane's worker
            r = s.search(collection="things", query="thing")
            while not r.hits and time.monotonic() < end:
                r = s.search(collection="things", query="thing")
            self.assertEqual([h.id for h in r.hits], ["t1"])
            self.assertEqual([(d.name, d.code) for d in r.degraded], [("other", pb.types_pb2.Degraded.CODE_FAILED)])
            self.assertIn("bad luck", r.degraded[0].reason)


class Impressions(unittest.TestCase):
    def test_what_was_shown_is_logged_with_features_and_scores_of_every_ranker(self):
        with harness.Server(collections={"things": COLLECTION}, pipelines={k: PIPELINES[k] for k in ("main", "nan")}) as s:
            s.upsert("things", [harness.item(f"t{i}", title="thing", price=float(i)) for i in range(20)], searchable=True)
            s.search(collection="things", query="thing", page_size=5, offset=5, request_id="seen-1")
            end = time.monotonic() + 10 * SLOW
            while True:
                out = subprocess.run([str(BUILD / "bin/sinter"), "journal", "dump", str(s.data), "--kind", "answered",
                                      "--kind", "recorded_request", "--json"], capture_output=True, text=True, timeout=60)
                rows = [json.loads(line) for line in out.stdout.splitlines()]
                if sum("seen-1" in line for line in out.stdout.splitlines()) >= 2 or time.monotonic() > end:
                    break
                time.sleep(0.05)
            text = out.stdout
            self.assertIn("seen-1", text, out.stderr)
            self.assertGreaterEqual(len(rows), 2, "an impression, and the recorded request since record is 1")
            self.assertIn("main.other", text)
            self.assertIn("nan.other", text, "rankers that did not rank this answer are logged too")
            self.assertEqual(s.counters().get("impressions_lost", 0), 0)


class Rules(unittest.TestCase):
    PIPELINE = """
collection: things
rewrite:
  - {plugin: rules, name: words-rules, file: ../rules/words.yaml}
stages:
  - keep: 100
    rank:
      - {name: words, feature: text.bm25}
      - {name: merch, plugin: rules, file: ../rules/rank.yaml}
    fuse: {plugin: fusion, method: weighted, weights: {words: 0.5, merch: 0.5}}
finish:
  - {plugin: rules, name: finish-rules, file: ../rules/finish.yaml}
"""
    FILES = {
        "rules/words.yaml": """
rules:
  - id: couch-is-sofa
    when: {query: {words: couch}}
    then: {replace_words: {from: couch, to: sofa}}
""",
        "rules/rank.yaml": """
rules:
  - id: acme-first
    when: {filter: 'brand = "acme"'}
    then: {boost: {factor: 4}}
""",
        "rules/finish.yaml": """
rules:
  - id: pin-s7
    when: {query: {words: sofa}}
    then: {pin: {items: [s7], position: 2}}
  - id: never-s3
    then: {hide: {items: [s3]}}
""",
    }

    def test_rules_rewrite_rank_and_finish_and_each_firing_is_named(self):
        with harness.Server(collections={"things": COLLECTION}, pipelines={"main": self.PIPELINE}, files=self.FILES) as s:
            s.upsert("things", [harness.item(f"s{i}", title="sofa", brand="acme" if i == 5 else "other", price=1.0)
                                for i in range(10)], searchable=True)
            r = s.search(collection="things", query="couch", explain=pb.types_pb2.EXPLAIN_FULL)
            ids = [h.id for h in r.hits]
            self.assertEqual(len(ids), 9)
            self.assertNotIn("s3", ids)
            self.assertEqual(ids[0], "s5", "boosted")
            self.assertEqual(ids[1], "s7", "pinned")
            fired = {f.rule for h in r.hits for f in h.explanation.rules}
            self.assertLessEqual({"couch-is-sofa", "pin-s7"}, fired)
            merch = next(k for k in r.hits[0].explanation.stages[0].rankers if k.ranker == "merch")
            self.assertEqual([f.name for f in merch.features if f.value], ["acme-first"])


if __name__ == "__main__":
    unittest.main()
