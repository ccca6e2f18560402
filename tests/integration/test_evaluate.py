#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`sinter evaluate` against a running server: lists as Search gives them, no impressions, refusals with their exit codes."""
import json
import math
import subprocess
import time

import harness

PIPELINES = {
    "words": harness.SHOP_PIPELINE,
    "cheap": "collection: shop\nrecall:\n  - {source: text, limit: 100}\nstages:\n"
             "  - {keep: 100, rank: [{name: cheap, plugin: function, formula: '-item.price'}]}\n",
    "wrong": "collection: shop\nrecall:\n  - {source: text, limit: 100}\nstages:\n  - keep: 100\n    rank:\n"
             f"      - {{name: words, feature: text.bm25}}\n      - {{name: broken, plugin: {harness.BUILD}/zoo/fails.so}}\n"
             "    fuse: {plugin: fusion, method: weighted, weights: {words: 1, broken: 0}}\n",
}
COLLECTION = harness.SHOP_COLLECTION + "default_pipeline: words\n"


def evaluate(server, *arguments):
    return subprocess.run([str(harness.BUILD / "bin/sinter"), "evaluate", "--server", server.address, *map(str, arguments)],
                          capture_output=True, text=True, timeout=120 * harness.SLOW)


class Evaluate(harness.ServerCase):
    COLLECTIONS = {"shop": COLLECTION}
    PIPELINES = PIPELINES
    SETTINGS = "log: {impressions: true}"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.upsert("shop", [harness.item(f"saw{i}", title="saw " * (9 - i) + "tool " * i, price=float(10 - i)) for i in range(9)]
                          + [harness.item("ratio", title="gear 3 4", price=1.0)])
        cls.judgments = cls.server.dir / "judgments.tsv"
        cls.judgments.write_text("query\titem\tgrade\nsaw\tsaw0\t3\nsaw\tsaw8\t1\nsaw\tsaw4\t0\nratio 3:4\tratio\t2\nhammer\tsaw1\t1\n"
                                 "nothing good\tsaw1\t0\n")

    def json(self, *arguments):
        r = evaluate(self.server, "--judgments", self.judgments, "--json", *arguments)
        self.assertEqual(r.returncode, 0, r.stderr)
        return json.loads(r.stdout)

    def test_figures_are_those_of_the_lists_that_search_gives(self):
        per_query = self.server.dir / "per-query.tsv"
        got = self.json("words", "cheap", "--metrics", "mrr@10,ndcg@10,recall@3", "--per-query", per_query)
        self.assertEqual((got["queries"], got["skipped"], got["judgments"]), (3, 1, 6))
        figures = {}
        for line in per_query.read_text().splitlines()[1:]:
            query, system, *values = line.split("\t")
            figures[query, system] = list(map(float, values))
        ideal = 7 + 1 / math.log2(3)
        for pipeline in ("words", "cheap"):
            hits = [h.id for h in self.server.search(collection="shop", query="saw", pipeline=pipeline, page_size=10).hits]
            self.assertEqual(len(hits), 9)
            first = 1 + min(hits.index("saw0"), hits.index("saw8"))
            ndcg = (7 / math.log2(hits.index("saw0") + 2) + 1 / math.log2(hits.index("saw8") + 2)) / ideal
            recall = sum(i in hits[:3] for i in ("saw0", "saw8")) / 2
            for value, want in zip(figures["saw", pipeline], (1 / first, ndcg, recall)):
                self.assertAlmostEqual(value, want, places=6)
            self.assertEqual(figures["ratio 3:4", pipeline], [1, 1, 1])  # the colon names no field
            self.assertEqual(figures["hammer", pipeline], [0, 0, 0])
        self.assertNotEqual(figures["saw", "words"], figures["saw", "cheap"])
        mean = sum(figures[q, "cheap"][1] for q in ("saw", "ratio 3:4", "hammer")) / 3
        self.assertAlmostEqual(got["systems"][1]["metrics"]["ndcg@10"]["mean"], mean, places=6)
        over = got["systems"][1]["over_first"]["ndcg@10"]
        self.assertAlmostEqual(over["mean"], mean - got["systems"][0]["metrics"]["ndcg@10"]["mean"], places=6)
        self.assertLessEqual(over["low"], over["mean"])
        self.assertLessEqual(over["mean"], over["high"])

    def test_differences_to_the_best_of_some(self):
        run = self.server.dir / "ideal.tsv"
        run.write_text("query\titem\nsaw\tsaw0\nsaw\tsaw8\nratio 3:4\tratio\nhammer\tsaw1\n")
        arguments = ("words", "cheap", "--run", f"ideal={run}", "--metrics", "ndcg@10,recall@3")
        plain, got = self.json(*arguments), self.json(*arguments, "--compare", "words,cheap")
        means = {s["name"]: s["metrics"]["ndcg@10"]["mean"] for s in plain["systems"]}
        best = max(("words", "cheap"), key=means.get)
        self.assertEqual(got["best"]["ndcg@10"], best)
        for s in got["systems"]:
            self.assertNotIn("over_first", s)
            self.assertAlmostEqual(s["over_best"]["ndcg@10"]["mean"], means[s["name"]] - means[best], places=6)
        self.assertEqual(self.json(*arguments, "--compare", "cheap")["best"], {"ndcg@10": "cheap", "recall@3": "cheap"})
        self.assertEqual(means["ideal"], 1)
        r = evaluate(self.server, "words", "--judgments", self.judgments, "--compare", "wrods")
        self.assertEqual(r.returncode, 2)
        self.assertIn("did you mean 'words'?", r.stderr)

    def test_a_collection_means_its_default_pipeline(self):
        one, other = self.json("shop"), self.json("words")
        self.assertEqual(one["systems"][0]["metrics"], other["systems"][0]["metrics"])

    def test_figures_are_the_same_however_many_requests_are_in_flight(self):
        self.assertEqual(self.json("words", "--in-flight", 1)["systems"][0]["metrics"],
                         self.json("words", "--in-flight", 16)["systems"][0]["metrics"])

    def test_a_write_before_the_evaluation_counts(self):
        self.server.upsert("shop", [harness.item("new", title="brandnew thing", price=1.0)])  # not waited for
        self.judgments_of("brandnew\tnew\t1\n")
        got = self.json("words", "--metrics", "hit@1", "--judgments", self.server.dir / "more.tsv")
        self.assertEqual(got["systems"][0]["metrics"]["hit@1"]["mean"], 1)

    def judgments_of(self, lines):
        path = self.server.dir / "more.tsv"
        path.write_text("query\titem\tgrade\n" + lines)
        return path

    def logged_after(self, marker):
        """How many answers are logged once that of a search with this id is."""
        self.server.search(collection="shop", query="saw", request_id=marker)
        for _ in range(200 * harness.SLOW):
            lines = subprocess.run([str(harness.BUILD / "bin/sinter"), "journal", "dump", str(self.server.data), "--kind", "answered",
                                    "--json"], capture_output=True, text=True, check=True).stdout.splitlines()
            if any(marker in line for line in lines):
                return len(lines)
            time.sleep(0.05)
        self.fail("the search was not logged")

    def test_leaves_no_impressions(self):
        before = self.logged_after("marker-before")
        self.json("words")
        self.assertEqual(self.logged_after("marker-after"), before + 1)

    def test_degraded_answers_are_said(self):
        r = evaluate(self.server, "wrong", "--judgments", self.judgments, "--json")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertGreaterEqual(json.loads(r.stdout)["systems"][0]["degraded"], 1)  # it fails once a lane
        self.assertIn("broken", r.stderr)

    def test_refusals(self):
        r = evaluate(self.server, "wrods", "--judgments", self.judgments)
        self.assertEqual(r.returncode, 5)
        self.assertIn("did you mean 'words'?", r.stderr)
        r = evaluate(self.server, "words", "--judgments", self.judgments_of("nofield:saw\tsaw1\t1\n"), "--syntax")
        self.assertEqual(r.returncode, 4)
        self.assertIn("query 'nofield:saw'", r.stderr)
        r = evaluate(self.server, "words", "--judgments", self.judgments, "--metrics", "ndgc@10")
        self.assertEqual(r.returncode, 2)
        self.assertIn("'ndgc@10' is not a metric", r.stderr)
        r = evaluate(self.server, "words", "--judgments", self.judgments_of("saw\tsaw1\tbest\n"))
        self.assertEqual(r.returncode, 2)
        self.assertIn("more.tsv:2", r.stderr)
        r = evaluate(self.server, "words", "--judgments", self.judgments, "--relevance-offset", "3")
        self.assertEqual(r.returncode, 2)
        self.assertIn("no query has a relevant item", r.stderr)

    def test_no_server(self):
        r = subprocess.run([str(harness.BUILD / "bin/sinter"), "evaluate", "words", "--judgments", str(self.judgments), "--server",
                            "127.0.0.1:9"], capture_output=True, text=True, timeout=60 * harness.SLOW)
        self.assertEqual(r.returncode, 3)
        self.assertEqual(r.stdout, "")


if __name__ == "__main__":
    harness.main()
