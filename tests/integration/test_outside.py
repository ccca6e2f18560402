# SPDX-License-Identifier: GPL-3.0-or-later
"""A server seen by who runs it: alerts and the dashboard, `sinter top`, figures over gRPC, the log's level."""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile

import harness
from harness import BUILD, SLOW, SOURCE, item, pb

MONITORING = SOURCE / "config/monitoring"
PIPELINE = """
collection: shop
recall:
  - {source: text, limit: 1000}
stages:
  - keep: 100
    rank:
      - {name: words, feature: text.bm25}
      - {name: taste, plugin: cf, model: taste/latest}
      - {name: fresh, plugin: function, formula: "item.price"}
    fuse: {plugin: fusion, method: weighted, weights: {words: 1, taste: 1, fresh: 0.1}}
"""
COLLECTION = harness.SHOP_COLLECTION + "events: {click: 1}\n"


def names_in(text):
    return set(re.findall(r"\bsinter_[a-z0-9_]+", text))


class Monitoring(harness.ServerCase):
    COLLECTIONS = {"shop": COLLECTION}
    PIPELINES = {"shop": PIPELINE}
    SETTINGS = "http: {listen: 127.0.0.1:0}\nlog: {slow: 1us}"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.upsert("shop", [item(str(i), title=f"shoe {i}", price=float(i)) for i in range(20)], searchable=True)
        for query in ("shoe", "nothinglikeit"):
            cls.server.search(collection="shop", query=query)

    def promtool(self, *args):
        promtool = shutil.which("promtool")
        self.assertIsNotNone(promtool, "the package prometheus is not installed")
        out = subprocess.run([promtool, *map(str, args)], capture_output=True, text=True, timeout=120, cwd=MONITORING)
        self.assertEqual(out.returncode, 0, out.stdout + out.stderr)
        return out.stdout

    def test_the_alerts_are_sound(self):
        self.assertIn("rules found", self.promtool("check", "rules", MONITORING / "prometheus-alerts.yaml"))
        self.promtool("check", "config", MONITORING / "prometheus.yml")

    def test_the_alerts_fire_when_they_must_and_else_not(self):
        with tempfile.TemporaryDirectory(prefix="sinter-alerts-") as tmp:
            test = pathlib.Path(tmp) / "alerts.yaml"
            rules = str(MONITORING / "prometheus-alerts.yaml")
            test.write_text((SOURCE / "tests/monitoring/alerts.yaml").read_text().replace("RULES", rules))
            self.promtool("test", "rules", test)

    def test_alerts_and_dashboard_name_only_figures_that_are_there(self):
        text = [self.server.http("GET", "/metrics")[2].decode() for _ in range(2)][1]
        there = names_in(text)  # of the second scrape: the first counts itself
        for name in ("prometheus-alerts.yaml", "grafana-dashboard.json"):
            named = names_in((MONITORING / name).read_text())
            self.assertGreater(len(named), 10)
            self.assertEqual(named - there, set(), name)

    def test_every_query_of_the_dashboard_parses(self):
        board = json.loads((MONITORING / "grafana-dashboard.json").read_text())
        queries = [t["expr"] for p in board["panels"] for t in p.get("targets", [])]
        self.assertGreater(len(queries), 30)
        with tempfile.TemporaryDirectory(prefix="sinter-alerts-") as tmp:
            plain = lambda q: q.replace("$__rate_interval", "5m").replace("$instance", ".*")
            rules = pathlib.Path(tmp) / "rules.json"
            rules.write_text(json.dumps({"groups": [{"name": "x", "rules": [{"record": f"q{i}", "expr": plain(q)} for i, q in enumerate(queries)]}]}))
            self.promtool("check", "rules", rules)

    def test_every_figure_is_told_over_grpc_too(self):
        text = self.server.http("GET", "/metrics")[2].decode()
        told = self.server.stub("Admin").GetStatus(pb.admin_pb2.GetStatusRequest(metrics=True), timeout=10 * SLOW).metrics
        declared = set(re.findall(r"^# TYPE (\S+)", text, re.M))
        over_http = {n for n in declared if not n.startswith("sinter_http_")}
        self.assertEqual({m.name for m in told}, over_http)
        stage = next(m for m in told if m.name == "sinter_stage_seconds")
        self.assertEqual(stage.kind, pb.admin_pb2.Metric.KIND_HISTOGRAM)
        words = next(s for s in stage.samples if s.labels["part"] == "words")
        self.assertEqual((dict(words.labels), len(words.buckets), sum(words.buckets)),
                         ({"pipeline": "shop", "stage": "stage1", "part": "words"}, len(stage.bounds) + 1, self.server.counters()["searches"]))
        self.assertEqual(len(self.server.status().metrics), 0)

    def top(self, *args):
        out = self.server.sinter("top", "--once", "--every", "300ms", *args)
        self.assertEqual(out.returncode, 0, out.stderr)
        return out.stdout

    def test_top_shows_rates_times_and_steps(self):
        process = subprocess.Popen([str(BUILD / "bin/sinter"), "top", "--server", self.server.address, "--once", "--json", "--every",
                                    f"{2 * SLOW}s"], stdout=subprocess.PIPE, text=True)
        before = self.server.counters()["requests"]
        while process.poll() is None:
            self.server.search(collection="shop", query="shoe")
        asked = self.server.counters()["requests"] - before
        answer = json.loads(process.stdout.read())
        process.stdout.close()
        self.assertEqual(process.returncode, 0)
        self.assertGreater(answer["searches"]["searches"], 5)
        self.assertLessEqual(answer["searches"]["searches"] * answer["seconds"], asked)
        shop = answer["pipelines"]["shop"]
        self.assertAlmostEqual(shop["rate"], answer["searches"]["searches"], delta=0.2 * shop["rate"])
        self.assertGreater(shop["degraded"], 0)
        self.assertLessEqual({"rewrite", "recall", "stage1.words", "stage1.fresh", "stage1.fuse", "hydrate"}, set(shop["steps"]))
        self.assertLessEqual(shop["p50_ms"], shop["p99_ms"])
        self.assertGreater(answer["methods"]["sinter.v1.SearchService/Search"]["p99_ms"], 0)
        self.assertGreater(answer["memory"]["private"], 1)

    def test_top_reads_as_text(self):
        text = self.top()
        for word in ("serving", "lanes", "pipelines", "stage1.words", "plugins", "MiB", "not trained 1"):
            self.assertIn(word, text)
        self.assertNotIn("\033", text)

    def test_top_refuses_what_it_does_not_know(self):
        out = harness.sinter("top", "--every", "1ms")
        self.assertEqual(out.returncode, 2, out.stderr)


class Logging(harness.ServerCase):
    SETTINGS = "log: {level: info, format: text}"

    def lines_since(self, at):
        return self.server.log()[at:]

    def set_level(self, level):
        return self.server.stub("Admin").SetLogLevel(pb.admin_pb2.SetLogLevelRequest(level=level), timeout=10 * SLOW)

    def test_the_level_changes_without_a_restart(self):
        self.assertEqual(self.server.status().log.level, "info")
        r = self.set_level("error")
        self.assertEqual((r.before, r.level, self.server.status().log.level), ("info", "error", "error"))
        at = len(self.server.log())
        self.server.reload(dry_run=True)
        self.assertEqual(self.lines_since(at), "")
        self.assertEqual(self.set_level("info").before, "error")
        self.assert_fails("INVALID_ARGUMENT", self.set_level, "loud")

    def test_a_reload_takes_level_format_and_slow_over(self):
        self.set_level("error")
        self.server.settings("log: {level: info, format: json, slow: 1us}")
        self.server.reload()
        log = self.server.status().log
        self.assertEqual((log.level, log.format, log.slow.nanos), ("info", "json", 1000))
        at = len(self.server.log())
        self.server.search(collection="shop", query="x", request_id="told")
        lines = [json.loads(line) for line in self.lines_since(at).splitlines()]
        slow = [x for x in lines if x["event"] == "search.slow"]
        self.assertEqual([x["request_id"] for x in slow], ["told"])
        self.server.settings("log: {level: info, format: text}")
        self.server.reload()
        self.assertEqual(self.server.status().log.format, "text")


if __name__ == "__main__":
    harness.main()
