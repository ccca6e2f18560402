# SPDX-License-Identifier: GPL-3.0-or-later
"""Completions over gRPC, against a brute-force Python of the same rules: items, values, queries and who asked them."""
import functools
import json
import random
import time
import unittest

import grpc

import harness
from harness import pb, until

QUERY, VALUE, ITEM = 1, 2, 3
HALF_LIFE_MS = 30 * 86400e3

COLLECTION = """
fields:
  title: text
  brand: keyword
  category: keywords
  price: number
events: {click: 1, purchase: 5}
suggest: {fields: [title, brand, category], recent: true}
"""
PLAIN = """
fields: {title: text}
"""

KINDS = ["desk lamp", "floor lamp", "lantern", "sofa", "sofa bed", "bookcase", "coffee table", "wardrobe", "headphones", "candle"]
MATERIALS = ["oak", "walnut", "brass", "velvet", "linen", "Café", "crème", "wooden"]
BRANDS = ["Larkfield", "Northhem", "Älvdal", "Oakwood", "Brassware"]


# ---- the same rules, by brute force

def letters(word):
    return len(word)


def allowed(word):
    return 0 if letters(word) < 4 else 1 if letters(word) < 8 else 2


def rows(typed, word):
    """Rows of optimal string alignment: row[i][j] between word[:i] and typed[:j]."""
    d = [[0] * (len(typed) + 1) for _ in range(len(word) + 1)]
    for i in range(len(word) + 1):
        for j in range(len(typed) + 1):
            if i == 0 or j == 0:
                d[i][j] = i + j
                continue
            d[i][j] = min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (word[i - 1] != typed[j - 1]))
            if i > 1 and j > 1 and word[i - 1] == typed[j - 2] and word[i - 2] == typed[j - 1]:
                d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1)
    return d


@functools.lru_cache(None)
def edits(typed, word, prefix):
    d = rows(typed, word)
    return min(row[-1] for row in d) if prefix else d[-1][-1]


@functools.lru_cache(None)
def fold(text):
    import unicodedata
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return "".join(c if c.isalnum() else " " for c in plain).split()


def entry_edits(typed, whole, text, typos):
    """Fewest edits over all typed words; None: one is not there."""
    words, total = fold(text), 0
    for i, t in enumerate(typed):
        prefix = i + 1 == len(typed) and not whole
        best = min((edits(t, w, prefix) for w in words), default=99)
        if best > (allowed(t) if typos else 0):
            return None
        total += best
    return total


def brute(entries, prefix, limit, typos=True):
    """entries: (text, use). Most used first without edits; where they are too few, fewest edits first."""
    typed, whole = fold(prefix), prefix[-1:] in (" ", ",")
    found = {}
    for text, use in sorted(entries, key=lambda x: (-x[1], x[0].encode())):
        d = entry_edits(typed, whole, text, typos)
        if d is not None and d < found.get(text, (99,))[0]:
            found[text] = (d, -use, text.encode())
    return [x[2].decode() for x in sorted(found.values())][:limit]


class Suggest(harness.ServerCase):
    COLLECTIONS = {"shop": COLLECTION, "plain": PLAIN}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        r = random.Random(7)
        cls.items = {}
        for i in range(400):
            title = f"{r.choice(MATERIALS)} {r.choice(KINDS)}" + (f" no {i % 17}" if i % 3 else "")
            cls.items[f"i{i:04}"] = {"title": title, "brand": r.choice(BRANDS), "category": sorted({r.choice(["Home", "Garden", "Café"]), "All"}),
                                     "price": float(i)}
        items = [harness.item(k, **v) for k, v in cls.items.items()]
        cls.server.upsert("shop", items, searchable=True)
        cls.now = int(time.time() * 1000)
        cls.use = {}
        events = []
        for n in range(600):
            k = f"i{min(int(r.expovariate(0.02)), 399):04}"
            kind = r.choice(["click", "purchase"])
            ago = r.randrange(60 * 86400) * 1000
            events.append((f"e{n}", kind, k, cls.now - ago))
            cls.use[k] = cls.use.get(k, 0) + {"click": 1, "purchase": 5}[kind] * 2 ** (-ago / HALF_LIFE_MS)
        cls.events(events)
        cls.eventually(lambda: cls.texts("", ITEM, page_size=100), brute(cls.entries(ITEM), "", 100))

    @classmethod
    def events(cls, all_events, **more):
        out = []
        for event_id, kind, item, ms in all_events:
            e = pb.events_pb2.Event(event_id=event_id, collection="shop", type=kind, item_ids=[item], user_id="u" + event_id, **more)
            e.time.FromMilliseconds(ms)
            out.append(e)
        for i in range(0, len(out), 200):
            answer = cls.server.record(*out[i:i + 200])
            assert not answer.rejected, answer.rejected[0]

    @classmethod
    def suggest(cls, prefix="", collection="shop", timeout=10, **more):
        return cls.server.stub("Search").Suggest(pb.search_pb2.SuggestRequest(collection=collection, prefix=prefix, **more), timeout=timeout)

    @classmethod
    def texts(cls, prefix, kind, **more):
        return [c.text for c in cls.suggest(prefix, kinds=[kind], **more).completions]

    @staticmethod
    def eventually(fn, want):
        got = None

        def is_so():
            nonlocal got
            try:
                got = fn()
            except grpc.RpcError as e:
                got = e.code()  # such as while the first set is being made
            return got == want
        until(is_so, 15, lambda: f"{got!r} never came to {want!r}")

    @classmethod
    def entries(cls, kind):
        if kind == ITEM:
            return [(v["title"], cls.use.get(k, 0)) for k, v in cls.items.items()]
        out = {}
        for k, v in cls.items.items():
            for field, text in [("brand", v["brand"]), *(("category", c) for c in v["category"])]:
                out[field, text] = out.get((field, text), 0) + 1 + cls.use.get(k, 0)
        return [(text, use) for (_, text), use in out.items()]

    def test_completions_equal_brute_force(self):
        r = random.Random(3)
        prefixes = ["", "l", "la", "lam", "lamp", "lamp ", "oak", "oak de", "desk oak", "cafe", "CRÈME s", "alv", "café la", "no 3", "all", "hom",
                    "lmap", "desk lmap", "walnt desk", "headhpones", "headphnes", "bookcasse", "velvt sofa bed", "zzz", "coffee tabel no", "oka",
                    "larkfeild", "norhtem", "wardorbe", "oak  ,", "dseklamp"]
        for _ in range(40):
            words = list(fold(r.choice([v["title"] for v in self.items.values()])))
            r.shuffle(words)
            last = words[-1][:r.randrange(1, len(words[-1]) + 1)]
            if len(last) > 2 and r.random() < 0.5:
                k = r.randrange(len(last) - 1)
                last = last[:k] + last[k + 1] + last[k] + last[k + 2:]
            prefixes.append(" ".join(words[:-1] + [last]))
        for prefix in prefixes:
            for kind in (ITEM, VALUE):
                for limit in (5, 100):
                    for typos in (True, False):
                        with self.subTest(prefix=prefix, kind=kind, limit=limit, typos=typos):
                            self.assertEqual(self.texts(prefix, kind, page_size=limit, typos=2 if typos else 1),
                                             brute(self.entries(kind), prefix, limit, typos))

    def test_each_kind_says_what_it_is(self):
        r = self.suggest("lark", fields=["price"])
        brand = r.completions[0]
        self.assertEqual((brand.kind, brand.text, brand.field), (VALUE, "Larkfield", "brand"))
        self.assertEqual(brand.count, sum(v["brand"] == "Larkfield" for v in self.items.values()))
        self.assertEqual(list(r.suggestions), [c.text for c in r.completions])
        item = self.suggest("velvet sofa", kinds=[ITEM], fields=["price"], page_size=1).completions[0]
        self.assertEqual(item.fields["price"].number_value, self.items[item.id]["price"])
        self.assertEqual(item.text, self.items[item.id]["title"])
        self.assertEqual([(p.text, p.matched) for p in self.suggest("creme so", kinds=[ITEM], page_size=1).completions[0].parts][:4],
                         [("crème", True), (" ", False), ("so", True), ("fa", False)])
        self.assertTrue(all("".join(p.text for p in c.parts) == c.text for c in self.suggest("", page_size=100).completions))

    def test_a_filter_holds_for_items(self):
        found = self.suggest("lamp", kinds=[ITEM], filter="price < 40", page_size=100, fields=["price"])
        self.assertTrue(found.completions)
        self.assertTrue(all(c.fields["price"].number_value < 40 for c in found.completions))
        self.assertEqual(self.texts("lamp", ITEM, filter="price > 1000"), [])

    def test_kinds_share_a_page(self):
        r = self.suggest("o", kinds=[ITEM, VALUE], page_size=4)
        self.assertEqual([c.kind for c in r.completions], [ITEM] * 3 + [VALUE])
        r = self.suggest("o", kinds=[VALUE, ITEM], page_size=4)
        self.assertEqual([c.kind for c in r.completions], [VALUE] + [ITEM] * 3)

    def ask(self, query, user="", session="", **more):
        return self.server.search(collection="shop", query=query, user=pb.types_pb2.User(user_id=user, session_id=session), **more)

    def test_a_query_is_offered_once_three_people_asked_it_and_it_found_something(self):
        for i in range(5):
            self.ask("velvet curiosity sofa", user="one")
        for user in ("a", "b"):
            self.ask("brass lantern", user=user)
        for session in ("s1", "s2", "s3"):
            self.ask("Brass  Candle", session=session)
            self.ask("brass zeppelin", session=session, options=pb.search_pb2.QueryOptions(operator=2, when_empty=1))
            self.ask("brass zeppelin candle", session=session, options=pb.search_pb2.QueryOptions(operator=2))
            self.ask("brsas wardrobe", session=session, options=pb.search_pb2.QueryOptions(operator=2))
            self.ask("oak secret", session=session, no_impression=True)
        self.eventually(lambda: sorted(self.texts("br", QUERY)), ["brass candle", "brass wardrobe"])
        self.assertEqual(self.texts("brsas", QUERY, typos=1), [], "a misspelling is never offered")
        self.assertEqual(self.texts("velvet", QUERY), [])
        self.assertEqual(self.texts("oak", QUERY), [])
        self.ask("brass lantern", user="c")
        self.eventually(lambda: sorted(self.texts("br", QUERY)), ["brass candle", "brass lantern", "brass wardrobe"])
        self.assertEqual([round(c.use, 3) for c in self.suggest("brass lant", kinds=[QUERY]).completions], [3])

    def test_ones_own_come_first_and_nobody_else_sees_them(self):
        self.ask("linen private bed", user="me")
        self.ask("linen bookcase", user="me")
        self.eventually(lambda: self.texts("li", QUERY, user=pb.types_pb2.User(user_id="me")), ["linen bookcase", "linen private bed"])
        self.assertTrue(all(c.recent for c in self.suggest("li", kinds=[QUERY], user=pb.types_pb2.User(user_id="me")).completions))
        self.assertEqual(self.texts("li", QUERY, user=pb.types_pb2.User(user_id="you")), [])
        self.assertEqual(self.texts("li", QUERY), [])

    def test_items_come_and_go_and_all_comes_back_after_a_restart(self):
        self.server.upsert("shop", [harness.item("new1", title="zinc bucket", brand="Zincster")], searchable=True)
        self.eventually(lambda: (self.texts("zin", ITEM), self.texts("zin", VALUE)), (["zinc bucket"], ["Zincster"]))
        self.server.delete("shop", ["new1"])
        self.eventually(lambda: (self.texts("zin", ITEM), self.texts("zin", VALUE)), ([], []))
        for user in ("x", "y", "z"):
            self.ask("wooden bookcase", user=user)
        self.eventually(lambda: self.texts("wooden b", QUERY), ["wooden bookcase"])
        before = self.texts("", ITEM, page_size=100)
        self.server.restart()
        self.eventually(lambda: (self.texts("wooden b", QUERY), self.texts("", ITEM, page_size=100)), (["wooden bookcase"], before))

    def test_refusals_say_what_is_valid(self):
        for code, part, request in (
                (grpc.StatusCode.FAILED_PRECONDITION, "suggest: {fields: [title]}", {"collection": "plain"}),
                (grpc.StatusCode.NOT_FOUND, "did you mean 'shop'", {"collection": "shpo"}),
                (grpc.StatusCode.INVALID_ARGUMENT, "page_size", {"page_size": 101}),
                (grpc.StatusCode.INVALID_ARGUMENT, "kinds[1]", {"kinds": [ITEM, ITEM]}),
                (grpc.StatusCode.INVALID_ARGUMENT, "kinds[0]", {"kinds": [9]}),
                (grpc.StatusCode.INVALID_ARGUMENT, "prefix", {"prefix": "x" * 1025}),
                (grpc.StatusCode.INVALID_ARGUMENT, "filter", {"filter": "price ="}),
                (grpc.StatusCode.INVALID_ARGUMENT, "fields[0]", {"fields": ["prise"]})):
            with self.subTest(request=request), self.assertRaises(grpc.RpcError) as failed:
                self.suggest(**request)
            self.assertEqual(failed.exception.code(), code, failed.exception.details())
            self.assertIn(part, failed.exception.details())

    def test_the_command_prints_people_and_machines_what_they_want(self):
        run = lambda *words: self.server.sinter("suggest", *words)
        self.assertIn("value  Larkfield  brand", run("shop", "lark").stdout)
        self.assertEqual(json.loads(run("shop", "lark", "--kinds", "value", "--json").stdout)["suggestions"], ["Larkfield"])
        self.assertEqual(run("plain", "x").returncode, 4)
        self.assertEqual(run("shop", "x", "--kinds", "brand").returncode, 2)


if __name__ == "__main__":
    unittest.main()
