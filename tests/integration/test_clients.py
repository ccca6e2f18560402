# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients of docs/clients, each run as a newcomer does, against a real server: what they say happened did."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import pathlib
import unittest

import harness
import npm
from harness import SLOW, SOURCE

COLLECTION = harness.SHOP_COLLECTION + "title: title\nevents: {view: 0.2, click: 1, purchase: 5}\n"
PIPELINE = """
collection: shop
stages:
  - rank:
      - {name: words, feature: text.bm25}
      - {name: liked, plugin: popular, model: liked/latest}
    fuse: {plugin: fusion, method: weighted, weights: {words: 0.7, liked: 0.3}}
"""


class Clients(harness.ServerCase):
    COLLECTIONS = {"shop": COLLECTION}
    PIPELINES = {"shop": PIPELINE}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.upsert("shop", [harness.item(f"i{n}", title=f"red shoe {n}") for n in range(9)], searchable=True)
        events = [harness.pb.events_pb2.Event(event_id=str(n), collection="shop", type="click", user_id=f"u{n % 5}", item_ids=[f"i{n % 9}"])
                  for n in range(60)]
        cls.server.record(*events)

    def train(self):
        """A version that nobody has deployed."""
        done = harness.sinter("train", "shop.liked", "-c", self.server.conf / "sinter.yaml", "--quiet")
        self.assertEqual(done.returncode, 0, done.stderr)

    def tour(self, command, cwd, **env):
        """Runs it; checks what it printed and what the server saw."""
        self.train()
        before = self.server.counters()
        done = subprocess.run(command + ["shop", "red", "shoe"], cwd=cwd, capture_output=True, text=True, timeout=60 * SLOW,
                              stdin=subprocess.DEVNULL, env={**os.environ, "SINTER_SERVER": self.server.address, **env})
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        said = done.stdout
        for pattern in (r"^collections: shop \(\d+ items\)", r"^upsert, first: .*1, ?1.* accepted, repeated .*[Ff]alse",
                        r"^upsert, again: .* accepted, repeated .*[Tt]rue, ?[Tt]rue", r"^zeppelin: 2 matches by shop, request \S+",
                        r"^ +1 +\d+\.\d+ +zeppelin number", r"stage1: place \d+ -> \d+; words \+?\d", r"^event view: accepted 1, repeated 0",
                        r"^event view: accepted 0, repeated 1", r"^pages: 6 hits of 9, 0 twice", r"^first items of the catalogue: .*i0.*i1.*i2",
                        r"^refused, as it should be: INVALID_ARGUMENT: .*filter", r"^reload, dry run: no changes",
                        r"^model liked/\d+: deployed, snapshot \S+, record \d+, [1-9]\d* golden",
                        r"^swap of \w+, dry run: 0 of 0 recorded requests", r"^swap of \w+: build [0-9a-f]{12} serves, snapshot \S+", r"^deleted 2$"):
            self.assertRegex(said, re.compile(pattern, re.M))
        after = self.server.counters()
        gained = lambda name: after[name] - before[name]
        self.assertEqual((gained("events_accepted"), gained("events_repeated"), gained("events_rejected")), (1, 1, 1))
        self.assertFalse(self.server.search(collection="shop", query="red", after_sequence=self.server.status().sequence).degraded)
        self.assertEqual(self.server.get("shop", ["tour-1"]).not_found, ["tour-1"])

    def test_python(self):
        self.tour(["/usr/bin/python3", "-B", "tour.py"], SOURCE / "docs/clients/python")

    def test_python_with_the_protos_of_another_folder(self):
        with tempfile.TemporaryDirectory() as tmp:
            root = pathlib.Path(tmp)
            shutil.copytree(SOURCE / "proto/sinter", root / "protos/sinter")
            shutil.copytree(SOURCE / "proto/interop/google", root / "protos/google")  # as installed: one root
            shutil.copytree(SOURCE / "docs/clients/python", root / "a/b/c/python", ignore=shutil.ignore_patterns("__pycache__"))
            self.tour(["/usr/bin/python3", "-B", "tour.py"], root / "a/b/c/python", SINTER_PROTO=str(root / "protos"))

    def test_node(self):
        folder = npm.packages(SOURCE / "docs/clients/node")
        self.tour(["node", "tour.mjs"], folder, SINTER_PROTO=str(SOURCE / "proto"))

    def test_a_client_that_finds_nobody_says_so_within_its_deadline(self):
        code = "import sinter_client as s; from sinter.v1 import catalog_pb2 as c\ns.Sinter('127.0.0.1:1')" + \
               ".call(s.Sinter('127.0.0.1:1').catalog.ListCollections, c.ListCollectionsRequest(), seconds=0.5)"
        done = subprocess.run(["/usr/bin/python3", "-B", "-c", code], cwd=SOURCE / "docs/clients/python", capture_output=True, text=True,
                              timeout=30 * SLOW)
        self.assertEqual(done.returncode, 1)
        self.assertIn("Refused: UNAVAILABLE", done.stderr)


class Lock(unittest.TestCase):
    def test_lock_files_name_no_registry(self):
        for folder in ("docs/clients/node", "tests/proto"):
            text = (SOURCE / folder / "package-lock.json").read_text()
            self.assertNotIn('"resolved"', text)
            self.assertIn('"integrity"', text)


if __name__ == "__main__":
    sys.exit(unittest.main())
