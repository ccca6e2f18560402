# SPDX-License-Identifier: GPL-3.0-or-later
"""UpdateItems and DeleteItems: parts of items change, exactly once, whoever else writes; deletes by filter are exact.

SINTER_SEED: of the random updates, and of the kills."""
import functools
import os
import random
import threading
import time
import unittest

import grpc
import harness
from harness import SLOW, item, meanwhile, pb, until, value

C = pb.catalog_pb2
T = pb.types_pb2
SEED = int(os.environ.get("SINTER_SEED", 11))
CLIENTS, EACH, BATCH = 8, 25 if harness.SANITIZED else 60, 7


def words(*values):
    return T.Strings(values=values)


def update(id, fields=None, mask=(), increment=None, add=None, remove=None, **more):
    return C.ItemUpdate(id=id, fields={k: value(v) if v is not None else T.Value() for k, v in (fields or {}).items()}, mask=mask,
                        increment={k: value(v) for k, v in (increment or {}).items()},
                        add={k: words(*v) for k, v in (add or {}).items()},
                        remove={k: words(*v) for k, v in (remove or {}).items()}, **more)


def send(server, batches, write_ids=None, collection="shop", timeout=30):
    requests = [C.UpdateItemsRequest(collection=collection, items=b, write_id=write_ids[i] if write_ids else "")
                for i, b in enumerate(batches)]
    return list(server.stub("Catalog").UpdateItems(iter(requests), timeout=timeout * SLOW))


def plain(i):
    """An item's fields as Python values."""
    def read(v):
        kind = v.WhichOneof("kind")
        return list(v.strings_value.values) if kind == "strings_value" else getattr(v, kind)
    return {k: read(v) for k, v in i.fields.items()}


class Updates(harness.ServerCase):
    COLLECTIONS = {"shop": harness.SHOP_COLLECTION.replace("title: {type: text, weight: 3}", "title: {type: text, weight: 3, required: true}")}

    def one(self, id):
        return plain(self.server.get("shop", [id]).items[0])

    def update(self, *items, write_id=""):
        return send(self.server, [items], [write_id])[0]

    def put(self, id, **fields):
        return self.server.upsert("shop", [item(id, title="a thing", **fields)])[0]

    def test_fields_are_set_masked_added_to_and_changed_by_value(self):
        self.put("a", price=10.0, stock=5, tags=["new", "red"], brand="Acme", description="old words")
        r = self.update(update("a", {"price": 12.5, "brand": None}, increment={"stock": -2}, add={"tags": ["sale", "red"]}, remove={"tags": ["new"]}))
        self.assertEqual((r.accepted, len(r.rejected)), (1, 0))
        self.assertEqual(self.one("a"), {"title": "a thing", "price": 12.5, "stock": 3, "tags": ["red", "sale"], "description": "old words"})
        self.assertEqual(self.update(update("a", {"price": 1.0}, mask=["price", "tags", "desc*"])).accepted, 1)
        self.assertEqual(self.one("a"), {"title": "a thing", "price": 1.0, "stock": 3})
        self.assertEqual(self.update(update("a", {"title": "all new"}, mask=["*"], increment={"stock": 4})).accepted, 1)
        self.assertEqual(self.one("a"), {"title": "all new", "stock": 4})
        self.assertEqual(self.update(update("a", increment={"price": 0.5})).accepted, 1)
        self.assertEqual(self.one("a")["price"], 0.5)

    def test_two_updates_of_one_item_in_a_batch_both_count(self):
        self.put("b", stock=0)
        r = self.update(*[update("b", increment={"stock": 1}) for _ in range(50)], update("b", add={"tags": ["x"]}), update("b", add={"tags": ["y"]}))
        self.assertEqual(r.accepted, 52)
        self.assertEqual(self.one("b"), {"title": "a thing", "stock": 50, "tags": ["x", "y"]})

    def test_what_cannot_be_is_refused_by_itself_and_says_why(self):
        self.put("c", stock=5, tags=["a"])
        bad = [update("c", {"pryce": 1.0}), update("c", {"price": "much"}), update("c", increment={"title": 1}),
               update("c", increment={"stock": 0.5}), update("c", add={"brand": ["x"]}), update("c", {"price": 1.0}, mask=["stock"]),
               update("c", {"stock": 1}, increment={"stock": 1}), update("c", {"title": None}), update("nowhere", {"price": 1.0}),
               update("c", increment={"stock": 2**63 - 1}), update("c", {"price": 2.0}, condition="stock >"), update("", {"price": 1.0}),
               update("c", add={"tags": [f"t{i}" for i in range(1000)]}), update("c", mask=["nothing"])]
        r = self.update(*bad, update("c", {"price": 3.0}))
        told = {x.index: (C.Rejected.Code.Name(x.code), x.violations[0].field, x.violations[0].description) for x in r.rejected}
        self.assertEqual((r.accepted, sorted(told)), (1, list(range(len(bad)))))
        for index, field, text in ((0, "items[0].fields.pryce", "price"), (1, "items[1].fields.price", "number"), (2, "items[2].increment.title", "text"),
                                   (3, "items[3].increment.stock", "whole"), (4, "items[4].add.brand", "keywords"), (5, "items[5].fields.price", "mask"),
                                   (6, "items[6].stock", "more than once"), (7, "items[7].fields.title", "required"), (9, "items[9].increment.stock", "64 bits"),
                                   (10, "items[10].condition", "filter"), (11, "items[11].id", ""), (12, "items[12].fields.tags", "1,000"), (13, "items[13].mask.nothing", "")):
            with self.subTest(index):
                self.assertEqual((told[index][0], told[index][1]), ("CODE_INVALID", field))
                self.assertIn(text, told[index][2])
        self.assertEqual(told[8][0], "CODE_UNKNOWN_ITEM")
        self.assertEqual(self.one("c"), {"title": "a thing", "stock": 5, "tags": ["a"], "price": 3.0})
        self.assert_fails("INVALID_ARGUMENT", send, self.server, [[update("c", {"brand": "Acme"})] * 1001])
        self.assert_fails("NOT_FOUND", send, self.server, [[update("c")]], collection="shoop")

    def test_conditions_see_the_newest_state(self):
        self.put("d", stock=1)
        r = self.update(*[update("d", increment={"stock": -1}, condition="stock > 0") for _ in range(3)])
        self.assertEqual((r.accepted, [x.index for x in r.rejected]), (1, [1, 2]))
        self.assertEqual({C.Rejected.Code.Name(x.code) for x in r.rejected}, {"CODE_CONFLICT"})
        got = self.server.get("shop", ["d", "none"])
        self.assertEqual(len(got.sequences), 1)
        r = self.update(update("d", {"price": 1.0}, if_sequence=got.sequences[0]), update("d", {"price": 2.0}, if_sequence=got.sequences[0]))
        self.assertEqual((r.accepted, [x.index for x in r.rejected]), (1, [1]))
        self.assertEqual(self.one("d"), {"title": "a thing", "stock": 0, "price": 1.0})

    def test_an_unknown_item_is_made_on_request(self):
        r = self.update(update("e", {"title": "made"}, increment={"stock": 3}, upsert=True), update("f", {"stock": 1}, upsert=True))
        self.assertEqual((r.accepted, [x.index for x in r.rejected]), (1, [1]))
        self.assertEqual(self.one("e"), {"title": "made", "stock": 3})

    def test_a_repeated_write_changes_nothing_and_says_what_was_said(self):
        self.put("g", stock=10)
        batch = [update("g", increment={"stock": 1}), update("gone", {"price": 1.0}), update("g", {"price": 1.0}, condition="stock > 99"), update("g", {"pryce": 1.0})]
        first, again = self.update(*batch, write_id="once"), self.update(*batch, write_id="once")
        codes = lambda r: sorted((x.index, x.code, x.id) for x in r.rejected)
        self.assertEqual((first.accepted, len(first.rejected), first.repeated_write), (1, 3, False))
        self.assertEqual((again.accepted, again.sequence, again.repeated_write), (1, first.sequence, True))
        self.assertEqual(codes(again), codes(first))
        self.assertEqual(self.one("g")["stock"], 11)

    def test_price_and_stock_are_seen_at_once_and_never_touch_the_text_index(self):
        items = [item(f"t{i}", title=f"lamp {i}", price=5.0, stock=1, brand="Lux") for i in range(300)]
        self.server.upsert("shop", items, searchable=True)
        before = self.server.counters()
        for round in range(5):
            r = send(self.server, [[update(f"t{i}", {"price": 100.0 + round}, increment={"stock": 1}) for i in range(300)]])[0]
            found = self.server.search(collection="shop", query="lamp", filter=f"price = {100 + round} AND stock = {2 + round}", page_size=1, after_sequence=r.sequence)
            self.assertEqual(found.total, 300)
        after = self.server.counters()
        self.assertEqual(after["index_commits"], before["index_commits"])
        self.assertEqual(after["index_documents"], before["index_documents"])
        r = self.update(update("t7", {"title": "lantern"}))
        self.assertEqual([h.id for h in self.server.search(collection="shop", query="lantern", after_sequence=r.sequence).hits], ["t7"])
        self.assertEqual(self.server.counters()["index_documents"], after["index_documents"] + 1)

    def test_increments_of_many_clients_all_count(self):
        hot, totals, lock = [f"hot{i}" for i in range(3)], {}, threading.Lock()
        self.server.upsert("shop", [item(id, title="hot", stock=0, price=0.0) for id in hot])

        def client(number):
            rng, mine = random.Random(SEED * 100 + number), {}
            batches = []
            for _ in range(EACH):
                steps = [(rng.choice(hot), rng.randint(-5, 9)) for _ in range(BATCH)]
                for id, step in steps:
                    mine[id] = mine.get(id, 0) + step
                batches.append([update(id, increment={"stock": step, "price": float(step)}) for id, step in steps])
            channel = self.server.connect()
            answers = list(self.server.stub("Catalog", channel).UpdateItems(
                (C.UpdateItemsRequest(collection="shop", items=b) for b in batches), timeout=60 * SLOW))
            channel.close()
            with lock:
                totals.setdefault("accepted", []).append(sum(a.accepted for a in answers))
                for id, n in mine.items():
                    totals[id] = totals.get(id, 0) + n

        threads = [threading.Thread(target=client, args=(i,)) for i in range(CLIENTS)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        self.assertEqual(sum(totals["accepted"]), CLIENTS * EACH * BATCH)
        for id in hot:
            self.assertEqual(self.one(id), {"title": "hot", "stock": totals[id], "price": float(totals[id])})

    def test_random_updates_make_what_a_model_of_them_makes(self):
        rng, model = random.Random(SEED), {}
        for i in range(40):
            model[f"r{i}"] = {"title": "x", "stock": rng.randint(0, 5), "tags": rng.sample("abcdef", 2)}
        self.server.upsert("shop", [item(id, **f) for id, f in model.items()])
        batch = []
        for _ in range(900):
            id = rng.choice(list(model))
            f, kind = model[id], rng.randrange(5)
            if kind == 0:
                f["price"] = rng.uniform(1, 9)
                batch.append(update(id, {"price": f["price"]}))
            elif kind == 1:
                n = rng.randint(-9, 9)
                f["stock"] = f.get("stock", 0) + n
                batch.append(update(id, increment={"stock": n}))
            elif kind == 2:
                add, gone = rng.sample("abcdef", 2), rng.sample("abcdef", 2)
                tags = [t for t in f.get("tags", []) if t not in gone]
                f["tags"] = tags + [t for t in add if t not in tags]
                batch.append(update(id, add={"tags": add}, remove={"tags": gone}))
            elif kind == 3:
                [f.pop(name, None) for name in ("price", "stock")]
                batch.append(update(id, mask=["price", "stock"]))
            else:
                keep = f.get("stock", -1) > 2
                if keep:
                    f["brand"] = str(rng.random())
                batch.append(update(id, {"brand": f["brand"] if keep else "no"}, condition="stock > 2"))
        answers = send(self.server, [batch[at:at + 100] for at in range(0, len(batch), 100)])
        self.assertEqual({x.code for a in answers for x in a.rejected} - {C.Rejected.CODE_CONFLICT}, set())
        got = self.server.get("shop", list(model))
        self.assertEqual({i.id: plain(i) for i in got.items}, {id: {k: v for k, v in f.items() if v != []} for id, f in model.items()})
        seen = self.server.search(collection="shop", filter='tags = "a" AND stock > 2', page_size=1000, after_sequence=answers[-1].sequence)
        self.assertEqual({h.id for h in seen.hits if h.id in model}, {id for id, f in model.items() if "a" in f.get("tags", []) and f.get("stock", 0) > 2})


class Deletes(harness.ServerCase):
    N = 25_000 if not harness.SANITIZED else 11_000

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.upsert("shop", [item(f"i{i}", title="thing", price=float(i % 10), stock=i) for i in range(cls.N)], batch=1000)

    def delete(self, timeout=60, **request):
        return self.server.stub("Catalog").DeleteItems(C.DeleteItemsRequest(collection="shop", **request), timeout=timeout * SLOW)

    def test_1_by_filter_all_that_match_go_and_nothing_else(self):
        last = send(self.server, [[update("i3", {"price": 77.0})]])[0].sequence
        self.assertEqual(self.delete(filter="price = 3", dry_run=True).deleted, self.N // 10 - 1)
        self.assertEqual(len(self.server.get("shop", ["i13"]).items), 1)
        r = self.delete(filter="price = 3")
        self.assertEqual(r.deleted, self.N // 10 - 1)
        self.assertGreater(r.sequence, last)
        self.assertEqual(self.server.search(collection="shop", filter="price = 3", after_sequence=r.sequence).total, 0)
        self.assertEqual(self.server.search(collection="shop", query="thing", page_size=1).total, self.N - self.N // 10 + 1)
        self.assertEqual(len(self.server.get("shop", ["i3", "i4"]).items), 2)
        self.assertEqual(self.delete(filter="price = 3").deleted, 0)

    def test_2_what_to_delete_must_be_said_in_one_way(self):
        for request, field in (({}, "ids"), ({"filter": "price = 1", "ids": ["a"]}, "filter"), ({"all": True, "filter": "price = 1"}, "filter"),
                               ({"ids": ["a"], "ordinals": [1]}, "filter"), ({"filter": "pryce = 1"}, "filter")):
            e = self.assert_fails("INVALID_ARGUMENT", self.delete, **request)
            self.assertIn(field, e.details())

    def test_3_what_another_write_changed_meanwhile_stays(self):
        """The second batch of 10,000 is chosen by columns that may be 50 ms behind the updates of its items."""
        end = self.N - 500
        raised, channels = [set() for _ in range(3)], [self.server.connect() for _ in range(3)]

        def raise_stock(mine, rng, stub):
            ids = rng.sample(range(10_000, end), 40)
            r = next(iter(stub.UpdateItems(iter([C.UpdateItemsRequest(
                collection="shop", items=[update(f"i{i}", {"stock": 10**6 + i}, condition=f"stock < {end}") for i in ids])]), timeout=30 * SLOW)))
            mine.update(set(ids) - {ids[x.index] for x in r.rejected})

        with meanwhile(*(functools.partial(raise_stock, mine, random.Random(SEED + k), self.server.stub("Catalog", channels[k]))
                         for k, mine in enumerate(raised))) as failed:
            deleted = self.delete(filter=f"stock < {end}").deleted
        [c.close() for c in channels]
        self.assertEqual(failed, [])
        before = sum(1 for i in range(end) if i % 10 != 3 or i == 3)
        left = {i.id for i in self.server.list("shop", page_size=1000)}
        kept = {f"i{i}" for mine in raised for i in mine}
        self.assertGreater(len(kept), 100)
        self.assertEqual(kept - left, set())
        self.assertEqual(deleted + len(kept), before)
        self.assertEqual(len(left), len(kept) + 500 - 50)

    def test_4_by_ordinals_and_a_repeat_by_write_id(self):
        page = next(iter(self.server.stub("Catalog").ListItems(C.ListItemsRequest(collection="shop", page_size=3), timeout=20 * SLOW)))
        self.server.delete("shop", [page.items[1].id])
        self.server.upsert("shop", [item(page.items[1].id, title="back again")])
        r = self.delete(ordinals=[*page.ordinals, 4_000_000], write_id="three")
        self.assertEqual((r.deleted, r.unknown), (2, 2))
        self.assertEqual([i.id for i in self.server.get("shop", [i.id for i in page.items]).items], [page.items[1].id])
        first = self.delete(filter="price = 6", write_id="sixes")
        self.server.upsert("shop", [item("late", title="late", price=6.0)])
        again = self.delete(filter="price = 6", write_id="sixes")
        self.assertEqual((again.deleted, again.repeated_write), (first.deleted, True))
        self.assertEqual(len(self.server.get("shop", ["late"]).items), 1)

    def test_5_from_the_shell(self):
        sinter = lambda *words: self.server.sinter("delete", "shop", *words)
        self.assertIn("1 items deleted, 1 unknown", sinter(f"i{self.N - 1}", "never").stdout)
        self.assertRegex(sinter("--filter", "price = 8", "--dry-run").stdout, r"^\d+ items would be deleted")
        self.assertEqual(sinter("--filter", "price = 8").returncode, 0)
        self.assertIn("0 items would", sinter("--filter", "price = 8", "--dry-run").stdout)
        self.assertEqual(sinter().returncode, 2)
        self.assertEqual(sinter("--filter", "price >").returncode, 4)
        self.assertEqual(sinter("x", "--all").returncode, 2)
        self.assertEqual(sinter("--all").returncode, 0)
        self.assertEqual(self.server.list("shop", limit=1), [])


class Killed(unittest.TestCase):
    def test_retried_increments_act_once_across_kill_9(self):
        rounds = 2 if harness.SANITIZED else 5
        rng = random.Random(SEED)
        with harness.Server() as s:
            s.upsert("shop", [item("n", title="counter", stock=0)])
            done = 0
            for round in range(rounds):
                batches = [(f"{round}/{k}", 1 + k % 3) for k in range(400)]
                acknowledged = 0

                def requests():
                    for id, step in batches:
                        yield C.UpdateItemsRequest(collection="shop", write_id=id, items=[update("n", increment={"stock": step})])
                answers = s.stub("Catalog").UpdateItems(requests(), timeout=60 * SLOW)
                kill_at = rng.randrange(5, 200)
                try:
                    for _ in answers:
                        acknowledged += 1
                        if acknowledged == kill_at:
                            s.kill9()
                except (grpc.RpcError, ValueError):
                    pass
                s.start()
                again = list(s.stub("Catalog").UpdateItems(requests(), timeout=60 * SLOW))
                self.assertEqual([a.accepted for a in again], [1] * len(batches))
                self.assertTrue(all(a.repeated_write for a in again[:acknowledged]))
                done += sum(step for _, step in batches)
                self.assertEqual(plain(s.get("shop", ["n"]).items[0])["stock"], done)


class Throughput(unittest.TestCase):
    @unittest.skipIf(harness.SANITIZED, "figures of a sanitizer mean nothing")
    def test_updates_are_about_as_fast_as_upserts(self):
        n = 20_000
        text = " ".join(f"word{i}" for i in range(60))
        with harness.Server() as s:
            items = [item(f"i{i}", title=f"thing {i}", description=text, price=1.0, stock=i, brand="Acme") for i in range(n)]
            took = {}
            began = time.monotonic()
            s.upsert("shop", items, batch=500)
            took["upserts"] = time.monotonic() - began
            size = sum(f.stat().st_size for f in (s.data / "journal/catalogue").iterdir())
            batches = [[update(f"i{i}", {"price": 2.0}, increment={"stock": -1}) for i in range(at, at + 500)] for at in range(0, n, 500)]
            began = time.monotonic()
            answers = send(s, batches, timeout=120)
            took["updates"] = time.monotonic() - began
            self.assertEqual(sum(a.accepted for a in answers), n)
            print(f"\n{n / took['upserts']:,.0f} upserts/s, {n / took['updates']:,.0f} updates/s; journal of {size >> 20} MiB grew to "
                  f"{sum(f.stat().st_size for f in (s.data / 'journal/catalogue').iterdir()) >> 20} MiB")
            self.assertLess(took["updates"], 3 * took["upserts"])


class Compaction(unittest.TestCase):
    @unittest.skipIf(harness.SANITIZED, "an import of this size takes too long")
    def test_an_import_that_went_quiet_is_compacted_once_while_searches_go_on(self):
        n = 12_000
        with harness.Server(settings="commit_after: 10ms") as s:
            s.upsert("shop", [item(f"i{i}", title=f"thing number{i % 700}", description="words " * 20, brand=f"b{i % 5}") for i in range(n)], batch=1000, searchable=True)
            ask = dict(collection="shop", query="number5 thing", filter='brand = "b0"', page_size=20)
            before = [(h.id, h.score) for h in s.search(**ask).hits]

            def search():
                got = [(h.id, h.score) for h in s.stub("Search", channel).Search(pb.search_pb2.SearchRequest(**ask), timeout=20 * SLOW).hits]
                assert got == before, got

            with s.connect() as channel, meanwhile(search) as failed:
                until(lambda: s.counters()["index_compactions"], 30)
                time.sleep(0.2)
            self.assertEqual((failed, s.counters()["index_compactions"]), ([], 1))
            s.upsert("shop", [item("late", title="latecomer")], searchable=True)
            self.assertEqual([h.id for h in s.search(collection="shop", query="latecomer").hits], ["late"])
            before = [(h.id, h.score) for h in s.search(**ask).hits]
            s.kill9()
            s.start()
            self.assertEqual(s.counters()["index_rebuilds"], 0)
            self.assertEqual([(h.id, h.score) for h in s.search(**ask).hits], before)


if __name__ == "__main__":
    unittest.main()
