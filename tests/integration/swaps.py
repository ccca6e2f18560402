# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of changes share: a server whose ranker `tide` has builds that differ in what they do (tests/plugin/tide)."""
import shutil

import harness
from harness import BUILD, SLOW, pb, until

COLLECTION = """
fields:
  title: text
  price: {type: number, sortable: true}
  brand: keyword
"""
PIPELINE = """
collection: things
record: 1
recall:
  - {source: text, limit: 60}
stages:
  - keep: 40
    rank:
      - {name: tide, plugin: tide}
  - keep: 20
    rank:
      - {name: words, feature: text.bm25}
      - {name: again, plugin: tide}
    fuse: {plugin: fusion, method: weighted, weights: {words: 0, again: 1}}
"""
PLAIN = """
collection: things
recall:
  - {source: text, limit: 100}
stages:
  - keep: 100
    rank:
      - {name: words, feature: text.bm25}
"""
WATCH = "swap: {rehearse: 50, watch: 30s, watch_searches: 20, watch_late: 0.05, p99_slack: 25ms}\n"
A = pb.admin_pb2
TIDE = BUILD / "tide"


class Swaps(harness.Case):
    SETTINGS = "swap: {rehearse: 50, watch: 0s}\n"

    def setUp(self):
        self.server = harness.Server(collections={"things": COLLECTION + "default_pipeline: main\n"},
                                     pipelines={"main": PIPELINE, "plain": PLAIN}, start=False)
        self.dir = self.server.dir / "own"
        self.dir.mkdir()
        shutil.copy(TIDE / "1.so", self.dir / "tide.so")
        self.configure(self.SETTINGS)
        self.server.start()
        self.server.upsert("things", [harness.item(f"t{i:03}", title=f"a calm thing {'odd' if i % 2 else 'even'}", price=float(i),
                                                   brand="ab"[i % 2]) for i in range(100)], searchable=True)

    def tearDown(self):
        self.server.close()

    def configure(self, settings):
        self.server.settings(f"plugin_dirs: [{BUILD / 'plugins'}, {self.dir}]\n" + settings)

    # ---- speaking ----

    def admin(self, method, request, timeout=60):
        return getattr(self.server.stub("Admin"), method)(request, timeout=timeout * SLOW)

    def swap(self, build, **more):
        path = str(TIDE / f"{build}.so") if isinstance(build, int) else str(build)
        return self.admin("SwapPlugin", A.SwapPluginRequest(plugin="tide", file=path, **more))

    def refused(self, code, *args, **kwargs):
        return self.assert_fails(code, self.swap, *args, **kwargs).details()

    def answer(self, query="thing", **more):
        return self.server.search(collection="things", query=query, explain=pb.types_pb2.EXPLAIN_SCORES, **more)

    def builds(self, r=None):
        """Numbers of the builds that scored an answer, by its ledger and by the scores themselves."""
        r = r or self.answer()
        by = {(int(x.version.split(".")[0]), int(x.raw) // 10000) for h in r.hits for s in h.explanation.stages for x in s.rankers
              if x.plugin == "tide" and not x.missing}
        self.assertTrue(all(a == b for a, b in by), by)
        return sorted({a for a, _ in by})

    def record(self, n=30, query="thing"):
        for i in range(n):
            self.server.search(collection="things", query=query, page_size=5 + i % 7)
        self.server.wait_impressions()

    def snapshots(self):
        return list(self.admin("ListSnapshots", A.ListSnapshotsRequest()).snapshots)

    def wait(self, what, seconds=20):
        return until(what, seconds, lambda: self.server.log()[-3000:])

    def state(self, s):
        return A.SnapshotInfo.State.Name(s.state)
