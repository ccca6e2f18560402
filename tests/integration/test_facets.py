# SPDX-License-Identifier: GPL-3.0-or-later
"""Facets over gRPC, against a count over all items in Python: random items, queries and filters of one seed."""
import datetime
import math
import random
import unittest

import harness
from harness import pb

SEED = 20240607
ITEMS = 5000  # more than a chunk of the columns
WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron"]
BRANDS = ["Acme", "Äther", "bolt", "Brook", "Brückner", "Cairn", "Dune", "echo", "Élan", "Fern", "Gale", "Haze"]
TAGS = ["red", "green", "blue", "new", "sale", "eco"]
COLLECTION = """
language: none
fields:
  title: {type: text}
  brand: keyword
  tags: keywords
  price: number
  stock: integer
  sold_out: boolean
  released: timestamp
  place: geo
  secret: {type: keyword, filterable: false}
  vec: {type: vector, dimension: 2}
  attributes.t_*: keyword
default_pipeline: main
"""
PIPELINE = """
collection: shop
recall:
  - {source: text, limit: 100}
stages:
  - keep: 20
    rank:
      - {name: words, feature: text.bm25}
"""
WIDE = """
language: none
fields:
  title: {type: text}
  tags: keywords
"""
T = pb.types_pb2
S = pb.search_pb2
R = S.FacetRequest
DAY = 86400000
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def time_of(ms):
    v = T.Value()
    v.timestamp_value.FromMilliseconds(ms)
    return v


def made(rng, i):
    """An item as Python sees it; a field may be missing."""
    some = lambda p, f: f() if rng.random() < p else None
    item = {
        "title": " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 5))),
        "brand": some(.9, lambda: BRANDS[min(int(rng.expovariate(.4)), len(BRANDS) - 1)]),
        "tags": some(.8, lambda: rng.sample(TAGS, rng.randint(1, 3))),
        "price": some(.95, lambda: round(10 ** rng.uniform(0, 3), 2)),
        "stock": some(.9, lambda: rng.randint(-3, 12)),
        "sold_out": some(.9, lambda: rng.random() < .3),
        "released": some(.9, lambda: rng.randint(-400, 20000) * DAY + rng.randint(0, DAY - 1)),
        "place": some(.9, lambda: (rng.uniform(-80, 80), rng.uniform(-180, 180))),
        "attributes.t_colour": some(.5, lambda: rng.choice(["oak", "ash", "elm"])),
    }
    return f"i{i}", {k: v for k, v in item.items() if v is not None}


def message(id, fields):
    m = T.Item(id=id)
    for k, v in fields.items():
        if k == "released":
            m.fields[k].CopyFrom(time_of(v))
        elif k == "place":
            m.fields[k].geo_value.latitude, m.fields[k].geo_value.longitude = v
        else:
            m.fields[k].CopyFrom(harness.value(v))
    return m


def km(a, b):
    lat, lon = math.radians(b[0] - a[0]), math.radians(b[1] - a[1])
    h = math.sin(lat / 2) ** 2 + math.cos(math.radians(a[0])) * math.cos(math.radians(b[0])) * math.sin(lon / 2) ** 2
    return 2 * 6371.0088 * math.asin(math.sqrt(min(1, h)))


# ---- filters: a text, the fields that it names, and what it means ----

def condition(rng):
    field = rng.choice(["brand", "tags", "price", "stock", "sold_out", "released", "attributes.t_colour"])
    if field == "brand":
        some = rng.sample(BRANDS, rng.randint(1, 4))
        return (f"brand IN ({', '.join(map(repr_, some))})", {field}, lambda i: i.get("brand") in some)
    if field == "tags":
        tag = rng.choice(TAGS)
        if rng.random() < .3:
            return f"tags != '{tag}'", {field}, lambda i: tag not in i.get("tags", ())
        return f"tags = '{tag}'", {field}, lambda i: tag in i.get("tags", ())
    if field == "price":
        low = round(10 ** rng.uniform(0, 2), 2)
        return f"price BETWEEN {low} AND {low * 5}", {field}, lambda i: low <= i.get("price", -1) <= low * 5
    if field == "stock":
        n = rng.randint(-2, 10)
        return f"stock > {n}", {field}, lambda i: i.get("stock", -99) > n
    if field == "sold_out":
        return "sold_out", {field}, lambda i: i.get("sold_out", False)
    if field == "released":
        return "released >= '2000-01-01'", {field}, lambda i: i.get("released", -10**15) >= 946684800000
    return "EXISTS `attributes.t_colour`", {field}, lambda i: "attributes.t_colour" in i


def repr_(s):
    return '"' + s + '"'


def part(rng, depth=0):
    """A list of conjuncts: what AND joins at the top level."""
    kind = rng.random()
    if kind < .5 or depth > 2:
        return [condition(rng)]
    if kind < .65:
        text, fields, fn = condition(rng)
        return [(f"NOT {text}", fields, lambda i: not fn(i))]
    if kind < .85:
        a, b = condition(rng), condition(rng)
        return [(f"({a[0]} OR {b[0]})", a[1] | b[1], lambda i: a[2](i) or b[2](i))]
    inner = part(rng, depth + 1) + part(rng, depth + 1)
    return [(f"({' AND '.join(t for t, _, _ in inner)})", None, inner)]


def flat(parts):
    for p in parts:
        if p[1] is None:
            yield from flat(p[2])
        else:
            yield p


class Facets(harness.ServerCase):
    COLLECTIONS, PIPELINES = {"shop": COLLECTION, "wide": WIDE}, {"main": PIPELINE}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rng = random.Random(SEED)
        items = dict(made(rng, i) for i in range(ITEMS))
        cls.server.upsert("shop", [message(i, f) for i, f in items.items()])
        again = rng.sample(sorted(items), 300)
        for i in again:
            items[i] = made(rng, 0)[1]
        cls.server.upsert("shop", [message(i, items[i]) for i in again])
        gone = rng.sample(sorted(items), 500)
        r = cls.server.delete("shop", gone)
        for i in gone:
            del items[i]
        cls.items = list(items.values())
        cls.server.search(collection="shop", after_sequence=r.sequence, page_size=1)

    def search(self, **request):
        return self.server.search(collection="shop", **request)

    # ---- the count by hand ----

    def matches(self, query, parts, own):
        words = query.split()
        fns = [fn for _, fields, fn in flat(parts) if fields != {own}]
        return [i for i in self.items
                if (not words or any(w in i["title"].split() for w in words)) and all(fn(i) for fn in fns)]

    def values_of(self, items, request):
        """(key, …) of each item; None where it has no value."""
        field = request.field
        if field == "place":
            at = (request.origin.latitude, request.origin.longitude)
            return [km(at, i["place"]) if "place" in i else None for i in items]
        return [i.get(field) for i in items]

    def plain(self, v):
        kind = v.WhichOneof("kind")
        if kind is None:
            return None
        return v.timestamp_value.ToMilliseconds() if kind == "timestamp_value" else getattr(v, kind)

    def check(self, got, want, items, request):
        values = self.values_of(items, request)
        here = [v for v in values if v is not None]
        self.assertEqual(got.field, request.field)
        self.assertEqual(got.matches, len(items), want)
        self.assertEqual(got.missing, len(values) - len(here), want)
        self.assertFalse(got.partial)
        if request.ranges:
            self.assertEqual([r.label for r in got.ranges], [r.label for r in request.ranges])
            for g, r in zip(got.ranges, request.ranges):
                low, high = self.bound(r, "from"), self.bound(r, "to")
                self.assertEqual(g.count, sum((low is None or v >= low) and (high is None or v < high) for v in here), want)
        elif request.automatic_ranges:
            self.check_made(got, here, request, want)
        elif request.interval:
            self.check_periods(got, here, request, want)
        elif not request.stats:
            self.check_values(got, here, request, want)
        if request.stats and here:
            self.assertEqual(got.stats.count, len(here))
            close = lambda a, b: self.assertAlmostEqual(a, b, delta=1e-9 * max(1, abs(b)))
            close(self.plain(got.stats.min), min(here))
            close(self.plain(got.stats.max), max(here))
            if request.field != "released":
                close(got.stats.sum, math.fsum(here))
                close(got.stats.average, math.fsum(here) / len(here))

    def bound(self, r, name):
        v = getattr(r, name)
        return self.plain(v)

    def check_values(self, got, here, request, want):
        count = {}
        for v in here:
            for one in v if isinstance(v, list) else [v]:
                count[one] = count.get(one, 0) + 1
        if request.prefix:
            fold = lambda s: s.casefold().translate(str.maketrans("äüé", "aue"))
            count = {k: n for k, n in count.items() if fold(k).startswith(fold(request.prefix))}
        by = lambda k: k.encode() if isinstance(k, str) else k
        order = sorted(count, key=by if request.order == R.ORDER_VALUE else lambda k: (-count[k], by(k)))
        listed = order[:request.limit or 10]
        self.assertEqual([(self.plain(v.value), v.count) for v in got.values], [(k, count[k]) for k in listed], want)
        self.assertEqual(got.distinct, len(count))

    def check_made(self, got, here, request, want):
        n = request.automatic_ranges
        if not here:
            return self.assertEqual(len(got.ranges), 0)
        self.assertLessEqual(len(got.ranges), n)
        ends = [(self.bound(r, "from"), self.bound(r, "to"), r.count) for r in got.ranges]
        for low, high, count in ends:
            slack = 1e-9 if request.field == "place" else 0  # a distance that is a bound
            near = sum(v >= low - slack and (high is None or v < high + slack) for v in here)
            exact = sum(v >= low and (high is None or v < high) for v in here)
            self.assertTrue(count == exact or (slack and abs(count - near) <= 2), (want, low, high, count, exact))
        for a, b in zip(ends, ends[1:]):
            self.assertEqual(a[1], b[0], "they touch")
        self.assertEqual(sum(c for _, _, c in ends), len(here))
        if request.bounds == R.BOUNDS_ROUND:
            width = ends[0][1] - ends[0][0]
            for low, high, _ in ends:
                self.assertAlmostEqual(high - low, width, delta=1e-9 * max(1, abs(high)))
            self.assertIn(float(f"{width:.6e}".split("e")[0]), (1, 2, 2.5, 5), width)
        elif len(set(here)) == len(here):
            self.assertLessEqual(max(c for _, _, c in ends) - min(c for _, _, c in ends), 1, "equal counts")

    def check_periods(self, got, here, request, want):
        def start(ms):
            d = EPOCH + datetime.timedelta(milliseconds=ms)
            d = d.replace(hour=0, minute=0, second=0, microsecond=0)
            if request.interval == R.INTERVAL_WEEK:
                d -= datetime.timedelta(days=d.weekday())
            if request.interval in (R.INTERVAL_MONTH, R.INTERVAL_YEAR):
                d = d.replace(day=1)
            if request.interval == R.INTERVAL_YEAR:
                d = d.replace(month=1)
            return (d - EPOCH) // datetime.timedelta(milliseconds=1)
        count = {}
        for v in here:
            count[start(v)] = count.get(start(v), 0) + 1
        newest = sorted(count)[-(request.limit or 1000):]
        self.assertEqual([(self.bound(r, "from"), r.count) for r in got.ranges], [(k, count[k]) for k in newest], want)
        self.assertEqual(got.distinct, len(count))
        for r in got.ranges:
            self.assertEqual(start(self.bound(r, "to") - 1), self.bound(r, "from"), "a period ends where the next begins")
            self.assertEqual(start(self.bound(r, "to")), self.bound(r, "to"))

    # ---- random requests ----

    def facet(self, rng):
        kind = rng.choice(["brand", "tags", "sold_out", "stock", "stock", "price", "price", "released", "place", "attributes.t_colour"])
        f = R(field=kind)
        if kind in ("brand", "tags", "stock", "attributes.t_colour", "sold_out") and rng.random() < .8:
            f.limit = rng.choice([0, 1, 3, 100])
            f.order = rng.choice([R.ORDER_UNSPECIFIED, R.ORDER_VALUE, R.ORDER_COUNT])
            if kind == "brand":
                f.prefix = rng.choice(["", "", "b", "BR", "ä", "ath", "el", "zz"])
            return f
        if kind == "place":
            f.origin.latitude, f.origin.longitude = rng.uniform(-60, 60), rng.uniform(-180, 180)
        way = rng.choice(["ranges", "automatic", "stats"] + (["interval"] * 3 if kind == "released" else ["ranges"]))
        if kind in ("brand", "tags", "sold_out", "attributes.t_colour"):
            return f
        f.stats = way == "stats" or rng.random() < .3
        if way == "ranges":
            for k in range(rng.randint(1, 6)):
                self.add_range(rng, f, kind, k)
        elif way == "automatic":
            f.automatic_ranges = rng.randint(2, 12)
            f.bounds = R.BOUNDS_EQUAL_COUNT if kind == "released" else rng.choice([R.BOUNDS_EQUAL_COUNT, R.BOUNDS_ROUND])
        elif way == "interval":
            f.interval = rng.randint(1, 4)
            f.limit = rng.choice([0, 5, 1000])
        return f

    def add_range(self, rng, f, kind, k):
        make = {"price": lambda: T.Value(number_value=round(10 ** rng.uniform(0, 3), 1)),
                "stock": lambda: T.Value(integer_value=rng.randint(-4, 14)),
                "place": lambda: T.Value(number_value=rng.uniform(0, 20000)),
                "released": lambda: time_of(rng.randint(-400, 20000) * DAY)}[kind]
        low, high = sorted([make(), make()], key=self.plain)
        if self.plain(low) == self.plain(high):
            return
        r = f.ranges.add(label=f"r{k}")
        which = rng.random()
        if which > .2:
            getattr(r, "from").CopyFrom(low)
        if which < .8:
            r.to.CopyFrom(high)

    def test_every_count_is_that_of_all_items_with_the_own_filter_set_aside(self):
        rng = random.Random(SEED)
        set_aside = 0
        for k in range(120):
            query = " ".join(rng.sample(WORDS, rng.choice([0, 1, 2, 2])))
            parts = [p for _ in range(rng.randint(0, 3)) for p in part(rng)]
            facets = [f for f in (self.facet(rng) for _ in range(rng.randint(1, 6))) if f.field not in ("released", "place") or
                      f.ranges or f.automatic_ranges or f.interval or f.stats]
            extra = rng.choice([{}, {}, {"sort": ["-price"]}, {"all_items": True}])
            filter_ = " AND ".join(t for t, _, _ in parts)
            r = self.search(query=query, filter=filter_, facets=facets, page_size=3, **extra)
            asked = query if not extra.get("all_items") else ""
            self.assertEqual(r.total, len(self.matches(asked, parts, None)), (query, filter_))
            self.assertEqual(len(r.facets), len(facets))
            for got, f in zip(r.facets, facets):
                here = self.matches(asked, parts, f.field)
                set_aside += len(here) != r.total
                self.check(got, (query, filter_, extra, f), here, f)
        self.assertGreater(set_aside, 30, "the seed tries what it is meant to try")

    def test_pages_and_cursors_of_one_question_say_the_same(self):
        facets = [R(field="brand"), R(field="price", stats=True)]
        one = self.search(query="amber birch", facets=facets, page_size=5)
        two = self.search(query="amber birch", facets=facets, page_size=5, cursor=one.cursor)
        deep = self.search(query="amber birch", facets=facets, page_size=5, offset=500)
        self.assertEqual(list(one.facets), list(two.facets))
        self.assertEqual(list(one.facets), list(deep.facets))
        self.assertEqual(one.facets[0].matches, one.total)

    def test_hits_are_those_of_the_question_without_facets(self):
        for extra in ({}, {"sort": ["price"]}, {"all_items": True}, {"query": ""}):
            request = {"query": "cedar delta", "filter": "brand IN ('Acme', 'bolt') AND stock > 2", "page_size": 50, **extra}
            plain = self.search(**request)
            with_ = self.search(**request, facets=[R(field="brand"), R(field="tags")])
            self.assertEqual([(h.id, h.score) for h in plain.hits], [(h.id, h.score) for h in with_.hits])
            self.assertEqual((plain.total, plain.total_is_exact), (with_.total, with_.total_is_exact))

    def test_a_name_of_a_pattern_that_no_item_brought_is_missing_everywhere(self):
        f = self.search(query="amber", facets=[R(field="attributes.t_never")]).facets[0]
        self.assertEqual((f.missing, f.distinct, len(f.values)), (f.matches, 0, 0))

    def test_a_dictionary_beyond_the_dense_ones_is_counted_too(self):
        tags = [[f"tag-{i // 2}-{k}" for k in range(160)] for i in range(1000)]
        self.server.upsert("wide", [harness.item(f"w{i}", title="thing", tags=t) for i, t in enumerate(tags)], searchable=True)
        r = self.server.search(collection="wide", query="thing", facets=[R(field="tags", limit=1000), R(field="tags", prefix="tag-7-1")])
        self.assertEqual(r.facets[0].distinct, 500 * 160)
        self.assertEqual({v.count for v in r.facets[0].values}, {2}, "each tag is of two items")
        self.assertEqual(r.facets[1].distinct, 71, "tag-7-1, 10 to 19, 100 to 159")
        self.assertEqual({v.count for v in r.facets[1].values}, {2})

    def test_each_refusal_says_where_and_what_would_do(self):
        v = lambda x: T.Value(number_value=x)
        cases = [
            (R(field="brnd"), "facets[0].field", "brand"),
            (R(field=""), "facets[0].field", "ListCollections"),
            (R(field="title"), "facets[0].field", "keyword"),
            (R(field="vec"), "facets[0].field", "vector"),
            (R(field="secret"), "facets[0].field", "filterable"),
            (R(field="attributes.t_*"), "facets[0].field", "no field"),
            (R(field="brand", limit=1001), "facets[0].limit", "1000"),
            (R(field="brand", order=9), "facets[0].order", "ORDER_VALUE"),
            (R(field="brand", stats=True), "facets[0].stats", "unset"),
            (R(field="price", prefix="1"), "facets[0].prefix", "unset"),
            (R(field="brand", ranges=[S.FacetRange(to=v(3))]), "facets[0].ranges", "unset"),
            (R(field="price", ranges=[S.FacetRange()]), "facets[0].ranges[0]", "from"),
            (R(field="price", ranges=[S.FacetRange(**{"from": v(3), "to": v(3)})]), "facets[0].ranges[0]", "smaller"),
            (R(field="price", ranges=[S.FacetRange(to=v(float("nan")))]), "facets[0].ranges[0].to", "finite"),
            (R(field="stock", ranges=[S.FacetRange(to=v(1e30))]), "facets[0].ranges[0].to", "64-bit"),
            (R(field="price", ranges=[S.FacetRange(to=T.Value(string_value="x"))]), "facets[0].ranges[0].to", "not a number"),
            (R(field="released", ranges=[S.FacetRange(to=T.Value(string_value="soon"))]), "facets[0].ranges[0].to", "not a time"),
            (R(field="price", ranges=[S.FacetRange(to=v(3), label="x" * 257)]), "facets[0].ranges[0].label", "256"),
            (R(field="price", ranges=[S.FacetRange(to=v(3))] * 101), "facets[0].ranges", "100"),
            (R(field="price", automatic_ranges=1), "facets[0].automatic_ranges", "2 to 100"),
            (R(field="price", automatic_ranges=5, ranges=[S.FacetRange(to=v(3))]), "facets[0]", "one of"),
            (R(field="price", bounds=R.BOUNDS_ROUND), "facets[0].bounds", "automatic_ranges"),
            (R(field="price", interval=R.INTERVAL_DAY), "facets[0].interval", "ranges"),
            (R(field="released"), "facets[0]", "interval"),
            (R(field="released", automatic_ranges=3, bounds=R.BOUNDS_ROUND), "facets[0].bounds", "interval"),
            (R(field="place", stats=True), "facets[0].origin", "point"),
            (R(field="place", stats=True, origin=T.Geo(latitude=91)), "facets[0].origin", "latitude"),
            (R(field="price", origin=T.Geo()), "facets[0].origin", "unset"),
        ]
        for f, where, fix in cases:
            with self.subTest(f=f):
                self.assert_refused(where, fix, self.search, facets=[f])
        with self.assertRaises(harness.grpc.RpcError) as e:
            self.search(facets=[R(field="brand")] * 33)
        self.assertIn("at most 32", e.exception.details())


if __name__ == "__main__":
    unittest.main()
