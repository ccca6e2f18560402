# SPDX-License-Identifier: GPL-3.0-or-later
"""What is exported, imported elsewhere and exported again is the same; `import --replace` takes what the file lacks, at once.

SINTER_SEED: of the random items."""
import functools
import json
import os
import pathlib
import random
import struct
import subprocess
import tempfile
import unittest

import harness
from harness import SLOW, item, meanwhile, pb, until, value

C, E, T = pb.catalog_pb2, pb.events_pb2, pb.types_pb2
SEED = int(os.environ.get("SINTER_SEED", 3))
ALL = """
fields:
  title: {type: text}
  secret: {type: text, stored: false}
  brand: {type: keyword}
  tags: {type: keywords}
  stock: {type: integer}
  price: {type: number}
  sold_out: {type: boolean}
  released: {type: timestamp}
  shape: {type: vector, dimension: 3}
  place: {type: geo}
  "attributes.k_*": {type: keyword}
  "attributes.n_*": {type: number}
events: {click: 1, rating: value}
"""


def text(rng, alphabet, n=12):
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(1, n)))


def float32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def number(rng):
    kind = rng.randrange(5)
    return [0.0, -0.0, rng.uniform(-1e9, 1e9), struct.unpack("d", struct.pack("Q", rng.getrandbits(63) % 0x7FE0000000000000))[0], float(rng.randint(-9, 9))][kind]


def random_item(rng, i, cells):
    """With `cells`: only what a cell of CSV and TSV can tell."""
    words = "abc é漢字😀,;:'#%" + ("" if cells else "\"|\t\n\\ ")
    plain = "abcé漢😀'-" if cells else words
    f = {}
    if rng.random() < 0.8:
        f["title"] = value(text(rng, words) if cells or rng.random() < 0.9 else "")
    if rng.random() < 0.5:
        f["secret"] = value(text(rng, words))
    if rng.random() < 0.7:
        f["brand"] = value(text(rng, plain))
    if rng.random() < 0.7:
        f["tags"] = value(list(dict.fromkeys(text(rng, plain) for _ in range(rng.randint(1, 4)))))
    if rng.random() < 0.7:
        f["stock"] = value(rng.choice([0, -1, 2**63 - 1, -2**63, rng.randint(-10**6, 10**6)]))
    if rng.random() < 0.8:
        f["price"] = value(number(rng))
    if rng.random() < 0.5:
        f["sold_out"] = value(rng.random() < 0.5)
    if rng.random() < 0.7:
        t = T.Value()
        t.timestamp_value.seconds, t.timestamp_value.nanos = rng.choice([0, -1, -86401, 253402300799, -62135596800, rng.randint(-10**9, 2 * 10**9)]), rng.choice([0, 5 * 10**8, 1, 999999999, 123456000])
        f["released"] = t
    if rng.random() < 0.6:
        f["shape"] = T.Value(vector_value=T.Vector(values=[float32(rng.uniform(-1, 1)), 0.0, float32(rng.uniform(-1e6, 1e6))]))
    if rng.random() < 0.6:
        f["place"] = T.Value(geo_value=T.Geo(latitude=rng.uniform(-90, 90), longitude=rng.uniform(-180, 180)))
    for k in range(rng.randint(0, 3)):
        f[f"attributes.k_{text(rng, 'xyz', 2)}"] = value(text(rng, plain))
        f[f"attributes.n_{text(rng, 'xyz', 2)}"] = value(number(rng))
    return T.Item(id=f"{i} {text(rng, plain.translate({9: None, 10: None}))}", fields=f)


class RoundTrip(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.a, cls.b = (harness.Server(collections={n: ALL for n in ("jsonl", "csv", "tsv")}, pipelines={}) for _ in range(2))
        tmp = tempfile.TemporaryDirectory(prefix="sinter-export-")
        cls.addClassCleanup(tmp.cleanup)
        cls.tmp = pathlib.Path(tmp.name)

    @classmethod
    def tearDownClass(cls):
        cls.a.close()
        cls.b.close()

    def test_random_items_of_all_types_come_back_as_they_were(self):
        for form in ("jsonl", "csv", "tsv"):
            with self.subTest(form):
                rng = random.Random(f"{SEED}{form}")
                items = [random_item(rng, i, form != "jsonl") for i in range(700)]
                answers = self.a.upsert(form, items)
                self.assertEqual((sum(a.accepted for a in answers), [r for a in answers for r in a.rejected]), (700, []))
                self.a.delete(form, [items[3].id, items[50].id])
                first, second = self.tmp / f"first.{form}", self.tmp / f"second.{form}"
                r = self.a.sinter("export", form, "--output", first)
                self.assertEqual((r.returncode, r.stderr), (0, ""))
                r = self.b.sinter("import", form, first)
                self.assertEqual(r.returncode, 0, r.stderr)
                self.assertEqual(self.b.sinter("export", form, "--output", second).returncode, 0)
                self.assertEqual(first.read_bytes(), second.read_bytes())
                self.assertEqual(len(first.read_text().split("\n")) >= 698, True)
                mine = [i for i in self.a.stub("Catalog").ListItems(C.ListItemsRequest(collection=form, fields=["*"], unstored=True, page_size=1000), timeout=60 * SLOW)]
                other = [i for i in self.b.stub("Catalog").ListItems(C.ListItemsRequest(collection=form, fields=["*"], unstored=True, page_size=1000), timeout=60 * SLOW)]
                self.assertEqual([i for p in mine for i in p.items], [i for p in other for i in p.items])

    def test_filters_fields_and_where_it_goes_on(self):
        self.a.upsert("jsonl", [item(f"z{i}", brand="zz", stock=i, title="t") for i in range(40)], searchable=True)
        r = self.a.sinter("export", "jsonl", "--filter", 'brand = "zz" AND stock >= 30', "--fields", "stock,brand")
        self.assertEqual([json.loads(line) for line in r.stdout.splitlines()], [{"id": f"z{i}", "brand": "zz", "stock": i} for i in range(30, 40)])
        r = self.a.sinter("export", "jsonl", "--filter", 'brand = "zz"', "--fields", "stock", "--format", "csv", "--after", "z37")
        self.assertEqual(r.stdout, "z38,38\nz39,39\n")
        self.assertEqual(self.a.sinter("export", "jsonl", "--fields", "stok").returncode, 4)
        self.assertEqual(self.a.sinter("export", "nothing").returncode, 5)
        self.assertEqual(self.a.sinter("export", "jsonl", "--format", "xml").returncode, 2)
        self.assertEqual(self.a.sinter("export").returncode, 2)

    def test_what_a_cell_cannot_tell_is_refused_not_lost(self):
        self.a.upsert("csv", [item("odd", tags=["a|b"])], searchable=True)
        r = self.a.sinter("export", "csv", "--format", "csv")
        self.assertEqual(r.returncode, 4)
        self.assertIn("odd: tags holds a value", r.stderr)
        self.a.delete("csv", ["odd"])
        self.a.upsert("tsv", [item("odd", title="a\tb")])
        r = self.a.sinter("export", "tsv", "--format", "tsv")
        self.assertIn("odd: title holds a tab", r.stderr)
        self.assertIn("--after", r.stderr)
        self.a.delete("tsv", ["odd"])

    def test_events_come_back_as_they_were(self):
        rng, events = random.Random(SEED), []
        for i in range(1500):
            ev = E.Event(event_id=f"e{i}", collection="jsonl", type=rng.choice(["click", "rating"]), item_ids=[f"i{rng.randrange(50)}" for _ in range(rng.choice([1, 1, 1, 3]))])
            ev.time.seconds, ev.time.nanos = rng.randint(0, 1_700_000_000), rng.choice([0, 10**6, 1])
            if rng.random() < 0.8:
                ev.user_id = text(rng, "uvw é")
            if not ev.user_id or rng.random() < 0.5:
                ev.session_id = f"s{i}"
            if rng.random() < 0.4:
                ev.value = number(rng)
            if rng.random() < 0.4:
                ev.request_id, ev.position, ev.query = f"r{i}", rng.randint(1, 50), text(rng, "ab \"c")
            if rng.random() < 0.3:
                ev.attributes["k"].CopyFrom(value(rng.choice(["x", 5, 2.5, True, ["a", "b"]])))
            events.append(ev)
        answers = [self.a.record(*events[at:at + 500]) for at in range(0, 1500, 500)]
        self.assertEqual(sum(a.accepted for a in answers), 1500)
        first, second = self.tmp / "first-events.jsonl", self.tmp / "second-events.jsonl"
        self.assertEqual(self.a.sinter("export", "events", "--collection", "jsonl", "--output", first).returncode, 0)
        self.assertEqual(self.b.sinter("events", "import", first, "--collection", "jsonl").returncode, 0)
        self.assertEqual(self.b.sinter("export", "events", "--collection", "jsonl", "--output", second).returncode, 0)
        self.assertEqual(first.read_bytes(), second.read_bytes())
        self.assertEqual(len(first.read_text().splitlines()), 1500)
        pages = list(self.b.stub("Event").ListEvents(E.ListEventsRequest(collection="jsonl"), timeout=30 * SLOW))
        got = [e for p in pages for e in p.events]
        self.assertEqual(len(got), 1500)
        self.assertEqual([e.time for e in got], [e.time for e in events])
        self.assertEqual(self.a.sinter("export", "events").returncode, 4)  # of which collection?
        rest = list(self.b.stub("Event").ListEvents(E.ListEventsRequest(collection="jsonl", after_sequence=pages[0].sequence), timeout=30 * SLOW))
        self.assertEqual([e.event_id for p in rest for e in p.events], [e.event_id for e in got[len(pages[0].events):]])
        r = self.a.sinter("export", "events", "--collection", "jsonl", "--format", "csv")
        self.assertEqual(r.returncode, 4)


class Replace(unittest.TestCase):
    def setUp(self):
        self.s = harness.Server()
        self.addCleanup(self.s.close)
        tmp = tempfile.TemporaryDirectory(prefix="sinter-replace-")
        self.addCleanup(tmp.cleanup)
        self.tmp = pathlib.Path(tmp.name)
        self.s.upsert("shop", [item(f"i{i}", title="old", stock=0) for i in range(100)], searchable=True)

    def file(self, rows, name="new.jsonl"):
        path = self.tmp / name
        path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
        return path

    def ids(self):
        return sorted(i.id for i in self.s.list("shop", page_size=1000))

    def run_import(self, rows, *args):
        r = self.s.sinter("import", "shop", self.file(rows), "--replace", "--json", *args)
        return r, json.loads(r.stdout) if r.stdout else None

    def test_what_the_file_lacks_goes_and_what_others_add_stays(self):
        rows = [{"id": f"i{i}", "title": "new"} for i in range(20, 100)] + [{"id": "fresh", "title": "new"}]
        dry, told = self.run_import(rows, "--dry-run")
        self.assertEqual((dry.returncode, told["accepted"], told["lacking"], told["deleted"], told["dry_run"]), (0, 81, 20, 20, True))
        self.assertEqual(len(self.ids()), 100)
        r, told = self.run_import(rows)
        self.assertEqual((r.returncode, told["before"], told["kept"], told["lacking"], told["deleted"]), (0, 100, 80, 20, 20))
        self.assertEqual(self.ids(), sorted(["fresh"] + [f"i{i}" for i in range(20, 100)]))

    def test_refused_rows_keep_their_items(self):
        rows = [{"id": f"i{i}", "title": "new"} for i in range(10, 100)] + [{"id": "i5", "price": "much"}]
        r, told = self.run_import(rows)
        self.assertEqual((r.returncode, told["refused"], told["deleted"]), (4, 1, 9))
        self.assertIn("i5", self.ids())

    def test_guards(self):
        r, told = self.run_import([{"id": f"i{i}", "title": "new"} for i in range(49)])
        self.assertEqual((r.returncode, told["deleted"]), (4, 0))
        self.assertIn("more than half", r.stderr)
        self.assertEqual(len(self.ids()), 100)
        rows = [{"id": f"i{i}", "title": "new"} for i in range(60)] + ["{broken", {"title": "no id"}]
        r, told = self.run_import(rows)
        self.assertEqual((r.returncode, told["deleted"], told["refused"]), (4, 0, 2))
        self.assertIn("2 rows have no id", r.stderr)
        self.assertEqual(len(self.ids()), 100)
        r, told = self.run_import(rows, "--force")
        self.assertEqual((r.returncode, told["deleted"]), (4, 40))
        r, told = self.run_import([{"id": "only", "title": "x"}], "--force")
        self.assertEqual(self.ids(), ["only"])
        r = self.s.sinter("import", "shop", self.file([]), "--force")
        self.assertEqual(r.returncode, 2)

    def test_an_import_that_fails_on_the_way_deletes_nothing(self):
        rows = [{"id": f"i{i}", "title": "new"} for i in range(60)]
        path = self.file(rows * 400)
        p = subprocess.Popen([str(harness.BUILD / "bin/sinter"), "import", "shop", str(path), "--replace", "--server", self.s.address, "--batch", "50"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: self.s.counters()["journal_records"] >= 500)
        p.kill()
        p.wait()
        self.assertEqual(len(self.ids()), 100)

    def test_searches_see_all_of_the_deletion_or_none(self):
        N = 20_000 if not harness.SANITIZED else 3_000
        self.s.upsert("shop", [item(f"n{i}", title="many", brand="go" if i < N // 3 else "stay") for i in range(N)], batch=1000, searchable=True)
        rows = [{"id": f"n{i}", "title": "many", "brand": "stay"} for i in range(N // 3, N)] + [{"id": f"i{i}", "title": "old"} for i in range(100)]
        seen, channels = set(), [self.s.connect() for _ in range(2)]

        def search(stub):
            seen.add(stub.Search(pb.search_pb2.SearchRequest(collection="shop", filter='brand = "go"', page_size=1), timeout=20 * SLOW).total)

        with meanwhile(*(functools.partial(search, self.s.stub("Search", c)) for c in channels)) as failed:
            r, told = self.run_import(rows)
            self.s.search(collection="shop", page_size=1, after_sequence=told["sequence"])
        [c.close() for c in channels]
        self.assertEqual((r.returncode, told["deleted"], failed), (0, N // 3, []))
        self.assertEqual(seen - {0}, {N // 3})
        self.assertEqual(self.s.search(collection="shop", filter='brand = "go"').total, 0)


if __name__ == "__main__":
    unittest.main()
