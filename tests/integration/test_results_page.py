# SPDX-License-Identifier: GPL-3.0-or-later
"""What a results page needs beside hits and facets: lines of groups, and an answer by a given time. Groups are compared with lines
made in Python of the same question without group_by, page after page."""
import random
import time
import unittest

import harness
from harness import BUILD, SLOW, pb
from google.protobuf.duration_pb2 import Duration

SEED = 31
ITEMS = 3000
COLLECTION = """
language: none
fields:
  title: {type: text}
  product: keyword
  batch: integer
  tags: keywords
  price: number
  attributes.t_*: keyword
  secret: {type: keyword, stored: false}
default_pipeline: main
"""
MAIN = """
collection: shop
recall:
  - {source: text, limit: 100}
stages:
  - keep: 20
    rank:
      - {name: words, feature: text.bm25}
      - {name: cheap, plugin: function, formula: "0 - item.price"}
    fuse: {plugin: fusion, method: weighted, weights: {words: 0.5, cheap: 0.5}}
finish:
  - {plugin: rules, file: ../rules/hide.yaml}
"""
RULES = """
rules:
  - id: never-i7
    then: {hide: {items: [i7, i8, i9]}}
"""
SLEEPY = f"""
collection: shop
recall:
  - {{source: text, limit: 1000}}
stages:
  - keep: 900
    rank:
      - {{name: words, feature: text.bm25}}
      - {{name: slow, plugin: {BUILD / 'zoo/sleeps.so'}}}
    fuse: {{plugin: fusion, method: weighted, weights: {{words: 0.5, slow: 0.5}}}}
  - keep: 100
    rank:
      - {{name: slower, plugin: {BUILD / 'zoo/sleeps.so'}}}
finish:
  - {{plugin: rules, file: ../rules/hide.yaml}}
"""
S = pb.search_pb2
T = pb.types_pb2
LATE = T.Degraded.CODE_LATE


class Page(harness.ServerCase):
    COLLECTIONS = {"shop": COLLECTION, "desk": COLLECTION.replace("default_pipeline: main", "")}
    PIPELINES, FILES = {"main": MAIN, "sleepy": SLEEPY}, {"rules/hide.yaml": RULES}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rng = random.Random(SEED)
        cls.items = {}
        for i in range(ITEMS):
            f = {"title": " ".join(rng.choice("amber birch cedar delta ember".split()) for _ in range(rng.randint(1, 4))),
                 "price": float(rng.randint(1, 50))}
            if rng.random() < .95:
                f["product"] = f"p{min(int(rng.expovariate(.01)), 700)}"
            if rng.random() < .9:
                f["batch"] = rng.randint(-5, 40)
            cls.items[f"i{i}"] = f
        cls.server.upsert("shop", [harness.item(i, **f) for i, f in cls.items.items()], searchable=True)

    def search(self, **request):
        """Nothing is written to the shop once it stands: what is asked twice is answered alike. The desk is for writing."""
        return self.server.search(**{"collection": "shop", **request})


class Groups(Page):
    def flat(self, **request):
        """Every item of the question without groups, in order."""
        ids = []
        while len(ids) == 0 or len(r.hits) == 500:
            r = self.search(**request, offset=len(ids), page_size=500)
            ids += [h.id for h in r.hits]
        return ids

    def lines(self, flat, field, size):
        lines, of = [], {}
        for i in flat:
            key = self.items[i].get(field)
            if key is None:
                lines.append((None, [i]))
            elif key in of:
                if len(lines[of[key]][1]) < size:
                    lines[of[key]][1].append(i)
            else:
                of[key] = len(lines)
                lines.append((key, [i]))
        return lines

    def read(self, r):
        """Lines of an answer: [(line, key, matches, ids)]."""
        out = []
        for h in r.hits:
            kind = h.group_key.WhichOneof("kind") if h.HasField("group_key") else None
            key = getattr(h.group_key, kind) if kind else None
            if out and out[-1][0] == h.group_line:
                self.assertEqual(out[-1][1:3], (key, h.group_matches))
                out[-1][3].append(h.id)
            else:
                out.append((h.group_line, key, h.group_matches, [h.id]))
        return out

    def matching(self, words, filter_):
        return [i for i, f in self.items.items() if (not words or set(words.split()) & set(f["title"].split())) and filter_(f)]

    QUESTIONS = [
        ({"query": "amber"}, lambda f: True),
        ({"query": "birch cedar", "filter": "price < 20"}, lambda f: f["price"] < 20),
        ({"query": "", "filter": "batch > 30 OR price = 7"}, lambda f: f.get("batch", -99) > 30 or f["price"] == 7),
        ({"query": "delta", "sort": ["-price", "product"]}, lambda f: True),
        ({"query": "ember amber", "sort": ["price"], "filter": "EXISTS product"}, lambda f: "product" in f),
        ({"query": "amber", "filter": "price < 9", "all_items": True}, lambda f: f["price"] < 9),
    ]

    def test_lines_are_those_of_the_order_without_groups_page_after_page(self):
        for request, passes in self.QUESTIONS:
            flat = self.flat(**request)
            here = self.matching("" if request.get("all_items") else request["query"], passes)
            hidden = {"i7", "i8", "i9"} & set(here) - set(flat)
            self.assertEqual(set(flat) | hidden, set(here))
            for field, size in (("product", 1), ("product", 3), ("batch", 2)):
                want = self.lines(flat, field, size)
                count = {}
                for i in here:
                    count[self.items[i].get(field)] = count.get(self.items[i].get(field), 0) + 1
                groups = len(count) - (None in count) + count.get(None, 0)
                for page in (7, 300):
                    got, cursor, first = [], "", True
                    while (first or cursor) and len(got) < 600:
                        r = self.search(**request, group_by=field, group_size=size, page_size=page, cursor=cursor)
                        self.assertEqual(r.total, len(here))
                        self.assertEqual(r.groups, groups)
                        got += self.read(r)
                        cursor, first = r.cursor, False
                        if page == 7 and len(got) >= 35:
                            break
                    with self.subTest(request=request, field=field, size=size, page=page):
                        some = want[:len(got)]
                        self.assertEqual([(k, ids) for _, k, _, ids in got], some)
                        self.assertEqual([n for n, _, _, _ in got], list(range(1, len(got) + 1)))
                        self.assertEqual([m for _, _, m, _ in got], [count[k] if k is not None else 1 for k, _ in some])
                        if page == 300 and len(got) < 600:
                            self.assertEqual(len(got), len(want), "the last page ends where the lines end")
                deep = self.read(self.search(**request, group_by=field, group_size=size, page_size=5, offset=11))
                self.assertEqual([(n, k, ids) for n, k, _, ids in deep], [(12 + j, *x) for j, x in enumerate(want[11:16])])

    def test_a_cursor_behind_an_offset_goes_on_from_there(self):
        all_ = self.read(self.search(query="amber", group_by="product", page_size=30))
        one = self.search(query="amber", group_by="product", page_size=6, offset=4)
        two = self.search(query="amber", group_by="product", page_size=6, cursor=one.cursor)
        self.assertEqual(self.read(one) + self.read(two), all_[4:16])

    def test_facets_and_groups_stand_side_by_side(self):
        r = self.search(query="amber", filter="batch > 10", group_by="product", facets=[S.FacetRequest(field="batch", limit=100)])
        f = self.search(query="amber", filter="batch > 10", facets=[S.FacetRequest(field="batch", limit=100)]).facets[0]
        self.assertEqual(r.facets[0], f)
        self.assertGreater(f.matches, r.total)
        self.assertEqual(r.groups, self.search(query="amber", filter="batch > 10", group_by="product").groups)

    def test_a_field_that_no_item_brought_makes_every_item_its_own_line(self):
        r = self.search(query="amber", group_by="attributes.t_x", page_size=3)
        self.assertEqual(r.groups, r.total)
        self.assertEqual([h.id for h in r.hits], [h.id for h in self.search(query="amber", page_size=3).hits])

    def test_each_refusal_names_the_field(self):
        for request, where, fix in [
            ({"group_by": "prodct"}, "group_by", "product"),
            ({"group_by": "tags"}, "group_by", "several"),
            ({"group_by": "price"}, "group_by", "keyword or integer"),
            ({"group_by": "title"}, "group_by", "keyword or integer"),
            ({"group_size": 2}, "group_size", "group_by"),
            ({"group_by": "product", "group_size": 101}, "group_size", "100"),
            ({"group_by": "product", "group_size": 11, "page_size": 100}, "group_size", "1000"),
        ]:
            with self.subTest(request=request):
                self.assert_refused(where, fix, self.search, query="amber", **request)
        grouped = self.search(query="amber", group_by="product", page_size=2).cursor
        plain = self.search(query="amber", page_size=2).cursor
        for request in ({"cursor": grouped}, {"cursor": plain, "group_by": "product"}, {"cursor": grouped, "group_by": "batch"}):
            with self.assertRaises(harness.grpc.RpcError) as e:
                self.search(query="amber", **request)
            self.assertIn("cursor", e.exception.details())


class Timeouts(Page):
    def within(self, ms, **request):
        d = Duration()
        d.FromNanoseconds(int(ms * 1e6))
        return self.search(timeout_=d, **request)

    def search(self, timeout_=None, **request):
        q = S.SearchRequest(collection="shop", **request)
        if timeout_ is not None:
            q.timeout.CopyFrom(timeout_)
        return self.server.stub("Search").Search(q, timeout=10 * SLOW)

    def test_time_enough_changes_nothing(self):
        request = {"query": "amber birch", "page_size": 50, "facets": [S.FacetRequest(field="product")], "request_id": "r"}
        self.assertEqual(self.within(60000, **request).SerializeToString(deterministic=True),
                         self.search(**request).SerializeToString(deterministic=True))

    def test_no_time_at_all_is_an_answer_all_the_same(self):
        for extra in ({}, {"sort": ["price"]}, {"query": ""}, {"group_by": "product"}, {"all_items": True}):
            request = {"query": "amber", "facets": [S.FacetRequest(field="product"), S.FacetRequest(field="price", stats=True)], **extra}
            r = self.within(1e-6, **request)
            with self.subTest(extra=extra):
                self.assertEqual(len(r.hits), 0)
                self.assertFalse(r.total_is_exact)
                self.assertEqual([f.partial for f in r.facets], [True, True])
                self.assertLessEqual({("text", LATE), ("facets", LATE)}, {(d.name, d.code) for d in r.degraded})
                self.assertTrue(all(d.reason.startswith("timeout") for d in r.degraded), r.degraded)

    def test_a_slow_ranker_is_cut_short_and_what_stands_behind_it_is_left_out(self):
        whole = self.search(query="amber birch cedar delta ember", pipeline="sleepy", page_size=100)
        self.assertEqual(list(whole.degraded), [])
        if harness.SANITIZED:
            return  # there the walk alone outlasts any timeout that a ranker could be cut by
        for _ in range(20):  # a busy machine may lose the time elsewhere
            begun = time.monotonic()
            r = self.within(3, query="amber birch cedar delta ember", pipeline="sleepy", page_size=100)
            took = time.monotonic() - begun
            by = {d.name: d for d in r.degraded}
            if set(by) == {"slow", "slower"} and by["slow"].candidates_scored:
                break
        self.assertEqual({d.code for d in r.degraded}, {LATE})
        self.assertEqual(set(by), {"slow", "slower"})
        self.assertIn(by["slow"].candidates_scored, (256, 512, 768), "some blocks, not all")
        self.assertEqual(by["slower"].candidates_scored, 0)
        self.assertIn("not begun", by["slower"].reason)
        self.assertEqual(len(r.hits), 100)
        self.assertTrue(r.total_is_exact, "recall had its time")
        self.assertEqual(r.total, whole.total)
        self.assertNotIn("i7", [h.id for h in r.hits], "rules act all the same")
        self.assertLess(took, 5)

    def test_highlights_are_left_out_when_the_time_is_over(self):
        for ms in (2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128) * 3:  # enough for recall, too little for two slow rankers
            r = self.within(ms, query="amber birch cedar delta ember", pipeline="sleepy", page_size=100, highlight=["title"])
            by = {d.name: d for d in r.degraded}
            if r.hits and "highlights" in by:
                break
        self.assertIn("highlights", by)
        self.assertEqual((by["highlights"].code, by["highlights"].candidates), (LATE, len(r.hits)))
        self.assertEqual(sum(len(h.highlights) > 0 for h in r.hits), by["highlights"].candidates_scored)

    def test_explaining_a_cut_answer_holds_together(self):
        r = self.within(2, query="amber birch cedar delta ember", pipeline="sleepy", page_size=100, explain=T.EXPLAIN_FULL)
        for h in r.hits:
            for stage in h.explanation.stages:
                if stage.rankers:
                    self.assertAlmostEqual(stage.bias + sum(k.contribution for k in stage.rankers), stage.score_after, delta=1e-4)

    def test_only_a_time_that_lies_ahead_is_taken(self):
        for d in (Duration(), Duration(seconds=-1), Duration(nanos=-1), Duration(seconds=1, nanos=1000000000)):
            self.assertIn("timeout", self.assert_fails("INVALID_ARGUMENT", self.search, timeout_=d, query="amber").details())


class Fields(Page):
    def test_a_mask_names_fields_or_beginnings_of_names(self):
        every = {"title": "quartz", "price": 2.0, "tags": ["a", "b"], "attributes.t_tone": "red", "attributes.t_form": "round"}
        item = pb.types_pb2.Item(id="q", fields={k: harness.value(v) for k, v in {**every, "secret": "hush"}.items()})
        self.server.upsert("desk", [item], searchable=True)
        for mask, want in [
            ([], ()), (["*"], every), (["title"], ("title",)), (["t*"], ("title", "tags")), (["attributes.*"], ("attributes.t_tone", "attributes.t_form")),
            (["attributes.t_tone", "price", "price"], ("attributes.t_tone", "price")), (["attributes.t_never"], ()), (["zz*"], ()),
            (["secret"], ()), (["batch"], ()),
        ]:
            for extra in ({}, {"sort": ["price"]}):
                got = self.search(collection="desk", query="quartz", fields=mask, **extra).hits[0].fields
                self.assertEqual({k: v for k, v in got.items()}, {k: item.fields[k] for k in want}, mask)
        with self.assertRaises(harness.grpc.RpcError) as e:
            self.search(collection="desk", query="quartz", fields=["title", "prize"])
        self.assertIn("fields[1]", e.exception.details())
        self.assertIn("price", e.exception.details())


class Several(Page):
    def multi(self, *searches, timeout=20, **more):
        q = S.MultiSearchRequest(searches=[S.SearchRequest(**{"collection": "shop", **s}) for s in searches], **more)
        return self.server.stub("Search").MultiSearch(q, timeout=timeout * SLOW)

    def test_each_is_answered_as_if_it_had_come_alone(self):
        questions = [{"query": w, "page_size": 3 + k, "request_id": f"m{k}", "fields": ["*"]} for k, w in enumerate("amber birch cedar delta ember".split() * 6)]
        questions[4].update(sort=["-price"], facets=[S.FacetRequest(field="product")])
        questions[5].update(group_by="product", group_size=2, highlight=["title"])
        r = self.multi(*questions, request_id="page-1")
        self.assertEqual(r.request_id, "page-1")
        self.assertEqual(len(r.results), 30)
        for q, got in zip(questions, r.results):
            self.assertFalse(got.HasField("error"))
            alone = self.search(**q)
            self.assertEqual(got.response.SerializeToString(deterministic=True), alone.SerializeToString(deterministic=True))

    def test_one_that_fails_fails_alone(self):
        r = self.multi({"query": "amber"}, {"query": "amber", "filter": "prise > 1"}, {"collection": "shpo"}, {"query": "birch", "page_size": 1})
        self.assertEqual([x.HasField("error") for x in r.results], [False, True, True, False])
        bad, gone = r.results[1].error, r.results[2].error
        self.assertEqual((bad.code, bad.field), (3, "filter:1"))
        self.assertIn("did you mean price", bad.message)
        self.assertEqual((gone.code, gone.field), (5, ""))
        self.assertIn("'shop'", gone.message)
        self.assertEqual(len(r.results[3].response.hits), 1)

    def test_none_and_too_many_are_refused(self):
        for n in (0, 33):
            self.assertIn("1 to 32", self.assert_fails("INVALID_ARGUMENT", self.multi, *[{"query": "amber"}] * n).details())

    def test_a_search_waits_for_its_own_write_and_no_other(self):
        a = self.server.upsert("desk", [harness.item("fresh", title="zephyr")])[-1]
        r = self.multi({"collection": "desk", "query": "zephyr", "after_sequence": a.sequence}, {"query": "amber", "after_sequence": 10**12}, {"query": "amber"})
        self.assertEqual([h.id for h in r.results[0].response.hits], ["fresh"])
        self.assertEqual((r.results[1].error.code, r.results[1].error.field), (3, "after_sequence"))
        self.assertTrue(r.results[2].response.hits)

    def test_each_leaves_an_impression(self):
        self.server.wait_impressions()
        before = self.server.counters()["impressions_stored"]
        self.multi(*[{"query": "amber"}] * 7)
        self.server.wait_impressions()
        self.assertEqual(self.server.counters()["impressions_stored"], before + 7)

    def test_many_in_one_call_stand_in_nobodys_way(self):
        """One lane, 32 searches of 12 ms and more: who asks for one waits for one of them, not for all."""
        with harness.Server(collections={"shop": COLLECTION}, pipelines={"main": MAIN, "sleepy": SLEEPY}, settings="lanes: 1",
                            files={"rules/hide.yaml": RULES}) as s:
            s.upsert("shop", [harness.item(i, **f) for i, f in self.items.items()], searchable=True)
            q = S.MultiSearchRequest(searches=[S.SearchRequest(collection="shop", query="amber birch", pipeline="sleepy", no_impression=True)] * 32)
            running = s.stub("Search").MultiSearch.future(q, timeout=60 * SLOW)
            alone = 0
            while not running.done():
                s.search(collection="shop", query="amber", no_impression=True)
                alone += 1
            self.assertEqual(len(running.result().results), 32)
            self.assertGreater(alone, 8)
            gone = s.stub("Search").MultiSearch.future(q, timeout=60 * SLOW)
            gone.cancel()
            self.assertTrue(s.search(collection="shop", query="amber").hits, "a client that leaves takes its searches with it")


del Page  # only its children are tests

if __name__ == "__main__":
    unittest.main()
