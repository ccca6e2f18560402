# SPDX-License-Identifier: GPL-3.0-or-later
"""Words over gRPC: synonyms and stop words that a reload changes, and what is searched where nothing is found."""
import unittest

import grpc

import harness
from harness import pb

COLLECTION = """
fields:
  title: {type: text, group: title}
  body: {type: text, group: body}
  brand: keyword
  price: number
synonyms: ../words/synonyms.yaml
stop_words: ../words/stop.txt
"""

AND = """
operator: and
when_empty: suggest
fields:
  title: text
"""

SYNONYMS = """
- [sofa, couch, settee]
- {from: notebook, to: [laptop, portable computer]}
"""

THINGS = [
    ("t0", "red sofa", "for three", "acme", 900.0),
    ("t1", "red couch", "for two", "other", 700.0),
    ("t2", "laptop", "a portable machine", "acme", 1200.0),
    ("t3", "portable computer", "with a red lid", "other", 800.0),
    ("t4", "walnut desk lamp", "for any desk", "acme", 50.0),
    ("t5", "oak desk", "with drawers", "other", 300.0),
    ("t6", "headphones", "for music", "acme", 80.0),
    ("t7", "head torch", "for the night", "acme", 20.0),
    ("t8", "phones", "old ones", "other", 15.0),
]


class Words(harness.ServerCase):
    COLLECTIONS = {"things": COLLECTION, "strict": AND}
    FILES = {"words/synonyms.yaml": SYNONYMS, "words/stop.txt": "for a the with\n"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.upsert("things", [harness.item(i, title=t, body=b, brand=m, price=p) for i, t, b, m, p in THINGS], searchable=True)
        cls.server.upsert("strict", [harness.item(i, title=t) for i, t, *_ in THINGS], searchable=True)

    def found(self, query, collection="things", **more):
        return [h.id for h in self.search(query, collection, **more).hits]

    def search(self, query, collection="things", options=None, **more):
        if options is not None:
            more["options"] = pb.search_pb2.QueryOptions(**options)
        return self.server.search(collection=collection, query=query, **more)

    def file(self, name, text):
        self.server.write(f"words/{name}", text)

    # ---- synonyms

    def test_a_synonym_is_found_and_scores_a_little_less(self):
        r = self.search("sofa")
        self.assertEqual([h.id for h in r.hits], ["t0", "t1"])
        self.assertLess(r.hits[1].score, r.hits[0].score)
        self.assertGreater(r.hits[1].score, 0.6 * r.hits[0].score)
        self.assertEqual(set(self.found("notebook")), {"t2", "t3"})
        self.assertEqual(self.found("laptop"), ["t2"])

    def test_a_word_and_its_synonyms_are_one_word_to_every_option(self):
        for options in ({"operator": "OPERATOR_AND"}, {"minimum_should_match": "2"}, {"minimum_should_match": "100%"}):
            self.assertEqual(set(self.found("red settee", options=options)), {"t0", "t1"}, options)
        self.assertEqual(self.found("settee", filter='brand = "other"'), ["t1"])
        self.assertEqual(self.found("settee", sort=["-price"]), ["t0", "t1"])
        self.assertEqual(self.search("settee").corrected_query, "")

    def test_the_ledger_says_which_word_matched(self):
        r = self.search("red sofa", explain=pb.types_pb2.EXPLAIN_FULL)
        words = {h.id: [(w.word, w.exact, list(w.synonyms)) for w in h.explanation.sources[0].words] for h in r.hits}
        self.assertEqual(words["t0"], [("red", True, []), ("sofa", True, [])])
        self.assertEqual(words["t1"], [("red", True, []), ("sofa", False, ["couch"])])
        self.assertEqual(words["t3"], [("red", True, [])])
        features = {f.name: f.value for f in r.hits[1].explanation.sources[0].features}
        self.assertEqual(r.hits[1].id, "t1")
        self.assertEqual(features["query.coverage"], 1)
        self.assertAlmostEqual(features["text.bm25"], r.hits[1].explanation.sources[0].score, places=5)

    def test_a_reload_changes_synonyms_and_says_so(self):
        self.addCleanup(self.server.reload)
        self.addCleanup(self.file, "synonyms.yaml", SYNONYMS)
        self.file("synonyms.yaml", SYNONYMS + "- [lamp, light]\n")
        dry = self.server.reload(dry_run=True)
        self.assertIn("collection things: 3 entries of synonyms, were 2", list(dry.changes))
        self.assertEqual(self.found("light", options={"typos": "TYPOS_OFF"}), [])
        self.server.reload()
        self.assertEqual(self.found("light"), ["t4"])
        self.file("synonyms.yaml", SYNONYMS + "- [lamp, light]\n- {from: sofa}\n")
        with self.assertRaises(grpc.RpcError) as failed:
            self.server.reload()
        self.assertIn("words/synonyms.yaml:5:3: an entry has no 'to'", failed.exception.details())
        self.assertEqual(self.found("light"), ["t4"], "the old ones go on")

    # ---- stop words

    def test_stop_words_are_the_files_and_a_reload_changes_them(self):
        self.addCleanup(self.server.reload)
        self.addCleanup(self.file, "stop.txt", "for a the with\n")
        self.assertEqual(self.found("the lamp"), ["t4"])
        self.assertEqual(set(self.found("for the")), {"t0", "t1", "t4", "t6", "t7"}, "nothing but stop words: they are searched")
        self.file("stop.txt", "desk\n")
        self.assertIn("collection things: 1 stop words, were 4", list(self.server.reload().changes))
        self.assertEqual(set(self.found("the lamp")), {"t4", "t7"})
        self.assertEqual(self.found("desk lamp"), ["t4"])

    # ---- nothing found

    def test_words_that_no_item_holds_together_are_dropped(self):
        r = self.search("walnut desk sofa", options={"operator": "OPERATOR_AND"})
        self.assertEqual([h.id for h in r.hits], ["t4"])
        self.assertEqual((r.total, r.corrected_query, list(r.dropped_words)), (1, "walnut desk", ["sofa"]))
        self.assertIn("nothing held all of the words; searched without: sofa", list(r.assignment.notes))
        r = self.search('"desk walnut" lamp')
        self.assertEqual(([h.id for h in r.hits], r.corrected_query, list(r.dropped_words)), (["t4"], "desk walnut lamp", []))
        r = self.search('"desk walnut"')
        self.assertEqual(([h.id for h in r.hits], r.corrected_query), (["t4"], "desk walnut"))
        self.assertIn("nothing held the words as asked: phrases were taken apart", list(r.assignment.notes))

    def test_a_filter_is_kept_and_pages_and_sorts_are_of_what_was_searched(self):
        r = self.search("desk lamp", filter='brand = "other"', options={"operator": "OPERATOR_AND"}, sort=["price"], fields=["title"])
        self.assertEqual(([h.id for h in r.hits], r.total, list(r.dropped_words)), (["t5"], 1, ["lamp"]))
        self.assertEqual(self.found("desk lamp", filter='brand = "other"', options={"operator": "OPERATOR_AND"}, offset=1), [])
        self.assertEqual(self.search("desk", filter="price > 10000").total, 0)

    def test_facets_are_of_what_was_searched(self):
        brands = lambda r: {v.value.string_value: v.count for v in r.facets[0].values}
        r = self.search("desk lamp", filter='brand = "other"', options={"operator": "OPERATOR_AND"}, facets=[{"field": "brand"}])
        self.assertEqual((r.total, list(r.dropped_words), brands(r)), (1, ["lamp"], {"acme": 1, "other": 1}))
        r = self.search("walnut sofa", options={"operator": "OPERATOR_AND", "when_empty": "WHEN_EMPTY_NOTHING"}, facets=[{"field": "brand"}])
        self.assertEqual((r.total, brands(r)), (0, {}))

    def test_spelling_comes_before_dropping(self):
        for query in ("walnut dsek lamp", "walnut deks lamp"):
            r = self.search(query, options={"operator": "OPERATOR_AND"})
            self.assertEqual(([h.id for h in r.hits], r.corrected_query, list(r.dropped_words)), (["t4"], "walnut desk lamp", []))
        r = self.search("head phones", options={"operator": "OPERATOR_AND"})
        self.assertEqual(([h.id for h in r.hits], r.corrected_query, list(r.dropped_words)), (["t6"], "headphones", []))

    def test_with_spelling_off_it_is_suggested_only(self):
        r = self.search("wallnut", options={"typos": "TYPOS_OFF"})
        self.assertEqual((r.total, r.suggested_query, r.corrected_query), (0, "walnut", ""))
        r = self.search("wallnut desk", options={"typos": "TYPOS_OFF", "operator": "OPERATOR_AND"})
        self.assertEqual((set(h.id for h in r.hits), r.suggested_query, list(r.dropped_words)), ({"t4", "t5"}, "walnut desk", ["wallnut"]))

    def test_requests_and_collections_say_what_happens(self):
        nothing = {"operator": "OPERATOR_AND", "when_empty": "WHEN_EMPTY_NOTHING"}
        r = self.search("walnut sofa", options=nothing)
        self.assertEqual((r.total, r.suggested_query, r.corrected_query, list(r.dropped_words)), (0, "", "", []))
        r = self.search("walnut sofa", "strict")
        self.assertEqual((r.total, r.corrected_query, list(r.dropped_words)), (0, "", []))
        self.assertIn(r.suggested_query, ("walnut", "sofa"))
        r = self.search("walnut desk sofa", "strict")
        self.assertEqual((r.total, r.suggested_query), (0, "walnut desk"))
        r = self.search("walnut desk sofa", "strict", options={"when_empty": "WHEN_EMPTY_SEARCH"})
        self.assertEqual(([h.id for h in r.hits], r.corrected_query), (["t4"], "walnut desk"))
        with self.assertRaises(grpc.RpcError) as failed:
            self.search("x", options={"when_empty": 9})
        self.assertEqual(failed.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn("options.when_empty", failed.exception.details())

    def test_what_is_found_nowhere_is_found_nowhere(self):
        r = self.search("zzzzzzzz qqqqqqq", options={"operator": "OPERATOR_AND"})
        self.assertEqual((r.total, r.suggested_query, r.corrected_query, list(r.dropped_words), list(r.assignment.notes)), (0, "", "", [], []))


if __name__ == "__main__":
    unittest.main()
