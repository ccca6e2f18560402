# SPDX-License-Identifier: GPL-3.0-or-later
"""Highlights over gRPC, against an independent reading in Python: plain words by regular expression, fragments by brute force."""
import html
import random
import re
import unittest

import harness
from harness import pb

SEED = 11
WORDS = "amber birch cedar delta ember fjord grove heron indigo jasper".split()
FILLER = "quiet stone under seven paper lights moves slowly round about every other garden wall".split()
COLLECTION = """
language: en
units: true
synonyms: ../words/synonyms.yaml
fields:
  title: {type: text, group: title}
  body: {type: text, group: rest}
  secret: {type: text, group: rest, stored: false}
  tags: {type: keywords, searchable: true, group: rest}
  brand: keyword
  attributes.t_*: {type: text, group: rest}
"""
PLAIN = """
language: none
fields:
  title: {type: text}
"""
SYNONYMS = """
- [sofa, couch]
- [tv, television set]
"""
S = pb.search_pb2
O = S.HighlightOptions


class Highlights(harness.ServerCase):
    COLLECTIONS, PIPELINES = {"shop": COLLECTION, "plain": PLAIN}, {}
    FILES = {"words/synonyms.yaml": SYNONYMS}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rng = random.Random(SEED)
        cls.texts = {}
        for i in range(300):
            words = [rng.choice(WORDS if rng.random() < .12 else FILLER) for _ in range(rng.randint(1, 120))]
            cls.texts[f"p{i}"] = "".join(w + rng.choice([" ", " ", " ", ", ", ". ", " <b>&\"' ", "\n", " — "]) for w in words).rstrip(" ")
        cls.server.upsert("plain", [harness.item(i, title=t) for i, t in cls.texts.items()], searchable=True)

    def plain(self, query, **options):
        r = self.server.search(collection="plain", query=query, highlight=["title"], highlight_options=O(**options), page_size=1000)
        self.assertTrue(r.hits)
        return {h.id: h.highlights[0] for h in r.hits}

    def check_part(self, part, fragment, value):
        """One fragment in both its forms against the value."""
        self.assertEqual(value[part.offset:part.offset + len(part.text)], part.text)
        self.assertEqual(part.more, part.offset + len(part.text) < len(value))
        self.assertEqual(html.unescape(re.sub("</?em>", "", fragment)), part.text)
        out, at = "", 0
        for s in part.spans:
            out += html.escape(part.text[at:s.start]).replace("&#x27;", "&#39;") + "<em>"
            out += html.escape(part.text[s.start:s.end]) + "</em>"
            at = s.end
        self.assertEqual(out + html.escape(part.text[at:]).replace("&#x27;", "&#39;"), fragment)

    def test_whole_values_are_marked_where_the_words_stand(self):
        for query in ("amber", "birch cedar delta", "heron jasper amber"):
            pattern = re.compile(r"\b(" + "|".join(query.split()) + r")\b")
            for id, h in self.plain(query).items():
                text = self.texts[id]
                self.assertEqual((h.field, len(h.parts), len(h.fragments)), ("title", 1, 1))
                self.assertEqual([(s.start, s.end) for s in h.parts[0].spans], [m.span() for m in pattern.finditer(text)])
                self.check_part(h.parts[0], h.fragments[0], text)

    def test_fragments_hold_the_most_words_and_are_cut_between_words(self):
        for query, size, most in (("amber birch cedar", 40, 3), ("delta ember fjord grove heron", 100, 2), ("indigo jasper", 20, 20)):
            pattern = re.compile(r"\b(" + "|".join(query.split()) + r")\b")
            for id, h in self.plain(query, fragment_size=size, fragments=most).items():
                text = self.texts[id]
                found = [m.span() + (m[0],) for m in pattern.finditer(text)]
                self.assertLessEqual(len(h.parts), most)
                taken = []
                for part, fragment in zip(h.parts, h.fragments):
                    self.check_part(part, fragment, text)
                    self.assertLessEqual(len(part.text), size)
                    start, end = part.offset, part.offset + len(part.text)
                    self.assertTrue(all(end <= a or start >= b for a, b in taken), "fragments stand apart")
                    taken.append((start, end))
                    self.assertEqual([(s.start + start, s.end + start) for s in part.spans],
                                     [f[:2] for f in found if f[0] >= start and f[1] <= end])
                    self.assertTrue(start == 0 or text[start - 1].isspace() or found and start in [f[0] for f in found], text[start - 9:start + 9])
                    self.assertTrue(end == len(text) or text[end].isspace() or end in [f[1] for f in found])
                words = lambda a, b: len({f[2] for f in found if f[0] >= a and f[1] <= b})
                best = max(words(f[0], f[0] + size) for f in found)
                counts = [words(a, b) for a, b in taken]
                self.assertGreaterEqual(counts[0], best, (text, query))
                self.assertEqual(counts, sorted(counts, reverse=True))
                if len(h.parts) < most:
                    self.assertEqual({f for f in found if any(a <= f[0] and f[1] <= b for a, b in taken)}, set(found),
                                     "fewer than asked for: nothing is left over")

    def marked(self, query, text, field="title", **request):
        self.server.upsert("shop", [harness.item("x", **{field: text})], searchable=True)
        r = self.server.search(collection="shop", query=query, highlight=["*"], highlight_options=O(pre_tag="[", post_tag="]"), **request)
        return [f for hit in r.hits for h in hit.highlights for f in h.fragments]

    def test_what_matched_is_what_is_marked(self):
        for query, text, want in [
            ("running shoes", "A shoe to run in, runs well", "A [shoe] to [run] in, [runs] well"),
            ("cafe", "Le Café, CAFE\u0301s and cafeteria", "Le [Café], [CAFE\u0301s] and cafeteria"),
            ("wifi", "a Wi-Fi router", "a [Wi-Fi] router"),
            ("6ft fence", "fence of 6 ft. height", "[fence] of [6 ft]. height"),
            ('"red lamp"', "lamp red, red lamp, red old lamp", "lamp red, [red] [lamp], red old lamp"),
            ("red -blue", "red dress", "[red] dress"),
            ("title:house", "house of cards", "[house] of cards"),
            ("無線", "這是無線耳機", "這是[無線]耳機"),
            ("無線耳機", "這是無線耳機。", "這是[無線耳機]。"),
            ("couch", "a sofa bed", "a [sofa] bed"),
            ("tv", "the television set stands, a set of televisions", "the [television] [set] stands, a set of televisions"),
            ("straße", "STRASSE 7", "[STRASSE] 7"),
            ("eau", "l'eau de vie", "l&#39;[eau] de vie"),
            ("tom jerry", "Tom &amp; Jerry <3", "[Tom] &amp;amp; [Jerry] &lt;3"),
            ("the who", "The Who live", "[The] [Who] live"),
            ("👍 lamp", "👍🏽 lamp 👍", "👍🏽 [lamp] 👍"),
        ]:
            with self.subTest(query=query, text=text):
                self.assertEqual(self.marked(query, text), [want])

    def test_the_query_that_was_searched_in_the_end_is_what_is_marked(self):
        self.assertEqual(self.marked("heroon", "a heron by the water", options=S.QueryOptions(typos=S.QueryOptions.TYPOS_ON)),
                         ["a [heron] by the water"])

    def test_words_bound_to_a_field_are_marked_there_alone(self):
        self.server.upsert("shop", [harness.item("x", title="grove", body="grove")], searchable=True)
        r = self.server.search(collection="shop", query="title:grove", highlight=["title", "body"])
        self.assertEqual([(h.field, list(h.fragments)) for h in r.hits[0].highlights], [("title", ["<em>grove</em>"])])

    def test_fields_by_name_prefix_and_star(self):
        self.server.upsert("shop", [pb.types_pb2.Item(id="x", fields={k: harness.value(v) for k, v in {
            "title": "ember", "body": "ember glow", "secret": "ember", "tags": ["cold", "ember red", "embers"], "brand": "ember",
            "attributes.t_tone": "ember tone"}.items()})], searchable=True)
        fields = lambda *names: {h.field: [(p.value, p.text) for p in h.parts] for h in self.server.search(
            collection="shop", query="ember", highlight=names).hits[0].highlights}
        every = {"title": [(0, "ember")], "body": [(0, "ember glow")], "tags": [(1, "ember red"), (2, "embers")],
                 "attributes.t_tone": [(0, "ember tone")]}
        self.assertEqual(fields("*"), every)
        self.assertEqual(fields("t*", "attributes.*"), {k: every[k] for k in ("title", "tags", "attributes.t_tone")})
        self.assertEqual(fields("body"), {"body": every["body"]})
        r = self.server.search(collection="shop", query="", highlight=["*"])
        self.assertEqual(list(r.hits[0].highlights), [], "no words, nothing marked")

    def test_tags_and_escapes_are_as_asked_for(self):
        self.server.upsert("shop", [harness.item("x", title='<script>"grove"</script>')], searchable=True)
        show = lambda **o: self.server.search(collection="shop", query="grove", highlight=["title"], highlight_options=O(**o)).hits[0].highlights[0].fragments[0]
        self.assertEqual(show(), "&lt;script&gt;&quot;<em>grove</em>&quot;&lt;/script&gt;")
        self.assertEqual(show(escape=O.ESCAPE_NONE, pre_tag="{", post_tag="}"), '<script>"{grove}"</script>')

    def test_each_refusal_names_the_field(self):
        for names, options, where, fix in [
            (["titel"], {}, "highlight[0]", "title"),
            (["title", "brand"], {}, "highlight[1]", "searchable"),
            (["secret"], {}, "highlight[0]", "stored"),
            (["title"] * 17, {}, "highlight", "16"),
            (["title"], {"pre_tag": "<b>"}, "highlight_options.post_tag", "neither"),
            (["title"], {"pre_tag": "x" * 257, "post_tag": "y"}, "highlight_options.pre_tag", "256"),
            (["title"], {"fragment_size": 19}, "highlight_options.fragment_size", "20 to 10000"),
            (["title"], {"fragments": 21}, "highlight_options.fragments", "20"),
            (["title"], {"escape": 7}, "highlight_options.escape", "ESCAPE_HTML"),
        ]:
            with self.subTest(names=names, options=options):
                self.assert_refused(where, fix, self.server.search, collection="shop", query="x", highlight=names, highlight_options=O(**options))


if __name__ == "__main__":
    unittest.main()
