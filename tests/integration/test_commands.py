# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that people type: search, status, reload against a real server; the quick start's converter of packages."""
import json
import os
import subprocess
import unittest

import harness
from google.protobuf import json_format

RULES = """
rules:
  - id: cheap-first
    note: cheaper than ten
    when: {filter: price < 10}
    then: {boost: {factor: 2}}
"""
PIPELINE = harness.SHOP_PIPELINE + """      - {name: cheap, plugin: function, formula: "0 - item.price"}
    fuse: {plugin: fusion, method: weighted, weights: {words: 0.7, cheap: 0.3}}
finish:
  - {plugin: rules, file: ../rules/shop.yaml}
"""
ITEMS = [harness.item("a1", title="red shoe", description="for \x1b[31mrunners\nwho run", brand="Acme", price=9.5),
         harness.item("a2", title="red shoe with laces", description="grüße, 数", brand="Bolt", price=30.0),
         harness.item("a3", title="blue hat", brand="Acme", price=12.0)]


def sinter(*words, server=None):
    """(exit code, standard output, standard error) of a command."""
    env = {k: v for k, v in os.environ.items() if k != "SINTER_SERVER"}
    done = subprocess.run([str(harness.BUILD / "bin/sinter"), *words, *(["--server", server] if server else [])],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60 * harness.SLOW, env=env)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Commands(harness.ServerCase):
    PIPELINES = {"shop": PIPELINE}
    FILES = {"rules/shop.yaml": RULES}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.upsert("shop", ITEMS, searchable=True)

    def run_ok(self, *words):
        code, out, err = sinter(*words, server=self.server.address)
        self.assertEqual(code, 0, err)
        return out

    def test_hits_are_named_with_shares_and_rules(self):
        out = self.run_ok("search", "shop", "red", "shoe", "--explain")
        first, second = out.index("red shoe  "), out.index("red shoe with laces")
        self.assertLess(first, second)
        for word in ("2 matches", "pipeline shop", "a1", "words", "cheap", "█", "cheap-first", "cheaper than ten", "recall"):
            self.assertIn(word, out)

    def test_nothing_in_an_item_reaches_the_terminal_as_control(self):
        out = self.run_ok("search", "shop", "red", "--fields", "*")
        self.assertNotIn("\x1b", out)
        self.assertIn("grüße, 数", out)
        self.assertIn("price: 9.5", out)

    def test_json_is_the_answer_in_protobufs_mapping(self):
        text = self.run_ok("search", "shop", "red shoe", "--json", "--explain=full", "--fields", "title,price")
        answer = json_format.Parse(text, harness.pb.search_pb2.SearchResponse())
        self.assertEqual([h.id for h in answer.hits], ["a1", "a2"])
        self.assertEqual(answer.hits[0].fields["price"].number_value, 9.5)
        stage = answer.hits[0].explanation.stages[0]
        self.assertEqual({r.ranker for r in stage.rankers}, {"words", "cheap"})
        self.assertEqual(json_format.MessageToDict(answer), json.loads(text))

    def test_filter_sort_page_and_exclusion(self):
        out = json.loads(self.run_ok("search", "shop", "--filter", "price < 20", "--sort", "-price", "--json"))
        self.assertEqual([h["id"] for h in out["hits"]], ["a3", "a1"])
        out = json.loads(self.run_ok("search", "shop", "--sort", "price", "--offset", "1", "--page-size", "1", "--json"))
        self.assertEqual([h["id"] for h in out["hits"]], ["a3"])
        out = json.loads(self.run_ok("search", "shop", "shoe", "-laces", "--json"))
        self.assertEqual([h["id"] for h in out["hits"]], ["a1"])

    def test_refusals_have_words_and_codes(self):
        address = self.server.address
        code, _, err = sinter("search", "shpo", "red", server=address)
        self.assertEqual((code, "shop" in err), (5, True), err)
        code, _, err = sinter("search", "shop", "--filter", "price <", server=address)
        self.assertEqual((code, "filter" in err), (4, True), err)
        code, _, err = sinter("search", "shop", "--explan", server=address)
        self.assertEqual((code, "--explain" in err), (2, True), err)
        code, _, err = sinter("search", "shop", "--page-size", "many", server=address)
        self.assertEqual((code, "many" in err), (2, True), err)
        code, out, err = sinter("status", server="127.0.0.1:1")
        self.assertEqual((code, out), (3, ""), err)
        self.assertIn("127.0.0.1:1", err)

    def test_status_and_reload(self):
        out = self.run_ok("status")
        self.assertRegex(out, r"shop +3 items  index ready")
        self.assertIn("function", out)
        status = json_format.Parse(self.run_ok("status", "--json"), harness.pb.admin_pb2.GetStatusResponse())
        self.assertEqual(status.collections[0].items, 3)
        self.assertIn("checked, not changed", self.run_ok("reload", "--dry-run"))
        self.assertIn("now serving", self.run_ok("reload"))
        good = (self.server.conf / "pipelines/shop.yaml").read_text()
        try:
            self.server.write("pipelines/shop.yaml", good.replace("limit: 1000", "limit: many"))
            code, _, err = sinter("reload", server=self.server.address)
            self.assertEqual(code, 4, err)
            self.assertRegex(err, r"shop\.yaml:\d+:\d+")
        finally:
            self.server.write("pipelines/shop.yaml", good)


class Packages(unittest.TestCase):
    """config/packages-to-jsonl.awk"""

    def convert(self, text):
        done = subprocess.run(["awk", "-f", str(harness.SOURCE / "config/packages-to-jsonl.awk")], input=text.encode(),
                              capture_output=True, timeout=30, env={**os.environ, "LC_ALL": "C"}, check=True)
        return [json.loads(line) for line in done.stdout.decode().splitlines()]

    def test_a_stanza_becomes_an_item(self):
        got = self.convert("Package: vim\nVersion: 2:9\nInstalled-Size: 3650\nDescription: Vi IMproved\n enhanced\n .\n editor\n"
                           "Tag: a::b, c::d,\n e::f\nSize: 12\nUnknown: x\n\n")
        self.assertEqual(got, [{"id": "vim", "package": "vim", "version": "2:9", "title": "Vi IMproved",
                                "description": "enhanced  editor", "tags": ["a::b", "c::d", "e::f"],
                                "installed_size": 3650, "size": 12}])

    def test_quotes_backslashes_and_controls_are_escaped(self):
        got = self.convert('Package: odd\nDescription: a "b" \\c\td\x01\x7f é\n')
        self.assertEqual(got[0]["title"], 'a "b" \\c\td\x01\x7f é')

    def test_a_package_offered_twice_is_one_item(self):
        self.assertEqual([i["version"] for i in self.convert("Package: a\nVersion: 2\n\nPackage: a\nVersion: 1\n")], ["2"])


if __name__ == "__main__":
    harness.main()
