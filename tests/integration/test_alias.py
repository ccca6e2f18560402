# SPDX-License-Identifier: GPL-3.0-or-later
"""Aliases and copies: a collection is built beside another while people write and search, and takes its place at once.

SINTER_SEED: of the writers."""
import functools
import os
import random
import time
import unittest

import grpc
import harness
from harness import SLOW, item, pb, until, value

C, E = pb.catalog_pb2, pb.events_pb2
SEED = int(os.environ.get("SINTER_SEED", 5))
SHOP = harness.SHOP_COLLECTION + "events: {click: 1, buy: 5}\n"
# Another language and other groups: nothing that a reload could do.
NEXT = SHOP.replace("title: {type: text, weight: 3}", "title: {type: text, language: german, group: all}").replace(
    "description: {type: text}", "description: {type: text, group: all}")
PIPELINE = harness.SHOP_PIPELINE


def server(**more):
    return harness.Server(collections={"shop": SHOP, "shop_v2": NEXT, **more.pop("extra", {})}, pipelines={"shop": PIPELINE}, **more)


def set_alias(s, alias, collection, **more):
    return s.stub("Catalog").SetAlias(C.SetAliasRequest(alias=alias, collection=collection, **more), timeout=60 * SLOW)


def copy(s, source="shop", destination="shop_v2", **more):
    return list(s.stub("Catalog").CopyCollection(C.CopyCollectionRequest(source=source, destination=destination, **more), timeout=120 * SLOW))


def collections(s):
    return {c.name: c for c in s.stub("Catalog").ListCollections(C.ListCollectionsRequest()).collections}


def content(s, collection):
    return {i.id: i for i in s.list(collection, fields=["*"], page_size=1000)}


def click(id, n, user="u", collection="shop"):
    return E.Event(event_id=n, collection=collection, type="click", user_id=user, item_ids=[id])


class Aliases(harness.Case):
    def setUp(self):
        self.s = server(extra={"films": "fields:\n  name: {type: text}\n"})
        self.addCleanup(self.s.close)
        self.s.upsert("shop", [item("a", title="old shoe")], searchable=True)
        self.s.upsert("shop_v2", [item("b", title="neuer Schuh"), item("c", title="Schuhe")], searchable=True)

    def refused(self, code, text, *args, **more):
        self.assertIn(text, self.assert_fails(code, set_alias, self.s, *args, **more).details())

    def hits(self, collection, **more):
        r = self.s.search(collection=collection, **more)
        return sorted(h.id for h in r.hits), r.assignment.pipeline

    def test_every_request_and_pipeline_that_names_it_follows_at_once_and_after_restarts(self):
        self.assertEqual(self.hits("shop"), (["a"], "shop"))
        dry = set_alias(self.s, "shop", "shop_v2", dry_run=True)
        self.assertEqual((list(dry.changes), dry.sequence), (["alias shop: now shop_v2"], 0))
        self.assertEqual(self.hits("shop"), (["a"], "shop"))
        r = set_alias(self.s, "shop", "shop_v2", who="me", why="German")
        self.assertGreater(r.sequence, 0)
        for again in range(2):
            self.assertEqual(self.hits("shop", query="Schuh"), (["b", "c"], "shop"))
            self.assertEqual(self.hits("shop_v2"), (["b", "c"], "shop"))
            self.assertEqual(self.hits("=shop")[0], ["a"])
            self.assertEqual([i.id for i in self.s.get("shop", ["a", "b"]).items], ["b"])
            self.assertEqual(self.s.delete("=shop", ["nothing"]).unknown, 1)
            listed = collections(self.s)
            self.assertEqual((list(listed["shop_v2"].aliases), listed["shop"].hidden, listed["shop_v2"].hidden), (["shop"], True, False))
            self.assertEqual((list(listed["shop_v2"].pipelines), list(listed["shop"].pipelines)), (["shop"], []))
            if not again:
                self.s.kill9()
                self.s.start()
        self.s.upsert("shop", [item("d", title="Hut")])
        self.assertEqual(sorted(content(self.s, "shop_v2")), ["b", "c", "d"])
        answer = self.s.record(click("b", "1"))
        self.assertEqual(answer.accepted, 1)
        set_alias(self.s, "shop", "")
        self.assertEqual(self.hits("shop"), (["a"], "shop"))
        self.assertEqual(sorted(content(self.s, "shop")), ["a"])

    def test_what_cannot_be_meant_is_refused_and_nothing_changes(self):
        set_alias(self.s, "store", "shop")
        self.assertEqual(self.hits("store"), (["a"], "shop"))
        self.refused("NOT_FOUND", "shop_v2", "store", "shop_v3")
        self.refused("INVALID_ARGUMENT", "alias", "market", "store")
        self.refused("INVALID_ARGUMENT", "itself", "shop", "shop")
        self.refused("INVALID_ARGUMENT", "lower-case", "The Shop", "shop")
        self.refused("NOT_FOUND", "no alias", "nothing", "")
        self.s.write("pipelines/films.yaml", PIPELINE.replace("collection: shop", "collection: films").replace("text.bm25", "text.name"))
        self.s.reload()
        self.refused("NOT_FOUND", "films.yaml:8", "films", "shop_v2")  # the shop has no group "name"
        self.assertEqual(self.hits("films")[0], [])
        (self.s.conf / "collections/shop.yaml").unlink()
        (self.s.conf / "pipelines/shop.yaml").unlink()
        with self.assertRaises(grpc.RpcError) as caught:
            self.s.reload(drop_collections=True)
        self.assertIn("alias 'store'", caught.exception.details())

    def test_from_the_shell(self):
        sinter = lambda *words: self.s.sinter("alias", *words)
        self.assertEqual(sinter("list").stdout, "no aliases\n")
        self.assertIn("alias shop: now shop_v2", sinter("set", "shop", "shop_v2").stdout)
        self.assertRegex(sinter("list").stdout, r"^shop +shop_v2\n$")
        self.assertEqual(sinter("set", "shop", "shop_v9").returncode, 5)
        self.assertEqual(sinter("remove", "shop").returncode, 0)
        self.assertEqual(sinter("remove", "shop").returncode, 5)
        self.assertEqual(sinter("move").returncode, 2)


class Copies(unittest.TestCase):
    def test_items_and_events_are_copied_and_what_does_not_fit_is_told(self):
        narrow = NEXT.replace("  released: {type: timestamp}\n", "").replace("brand: {type: keyword}", "brand: {type: keyword, required: true}")
        with harness.Server(collections={"shop": SHOP, "shop_v2": narrow}, pipelines={"shop": PIPELINE}) as s:
            s.upsert("shop", [item(f"i{i}", title=f"Schuh {i}", brand="Acme", price=float(i), released="2020-01-01") for i in range(1200)])
            s.upsert("shop", [item("bad", title="no brand")])
            s.record(*(click(f"i{i}", f"e{i}", f"u{i % 7}") for i in range(100)))
            last = copy(s)[-1]
            self.assertEqual((last.items, last.events, last.refused, list(last.left_out)), (1200, 100, 1, ["released"]))
            self.assertEqual([(r.id, r.violations[0].field) for r in last.rejected], [("bad", "fields.brand")])
            self.assertEqual((last.phase, last.resumed), (C.CopyCollectionResponse.PHASE_DONE, False))
            got = content(s, "shop_v2")
            self.assertEqual(len(got), 1200)
            self.assertEqual(sorted(got["i7"].fields), ["brand", "price", "title"])
            self.assertEqual(s.search(collection="shop_v2", query="schuhe", after_sequence=s.status().sequence).total, 1200)
            until(lambda: s.counters()["profile_events"] >= 200, 10)
            self.assertEqual(s.counters()["profile_events"], 200)
            s.upsert("shop", [item("late", title="spät", brand="Acme")])
            s.delete("shop", ["i5"])
            again = copy(s)[-1]
            self.assertEqual((again.items, again.deleted, again.resumed), (1, 1, True))
            self.assertEqual(len(content(s, "shop_v2")), 1200)
            with self.assertRaises(grpc.RpcError) as caught:
                copy(s, "shop", "shop")
            self.assertIn("same collection", caught.exception.details())

    def test_a_writer_that_never_stops_loses_nothing_at_the_switch(self):
        """Each id is written by one thread, which knows what was acknowledged; increments are summed."""
        N, WRITERS = 3000 if not harness.SANITIZED else 800, 3
        with server() as s:
            s.upsert("shop", [item(f"i{i}", title=f"thing {i}", stock=0, price=0.0) for i in range(N)], batch=1000)
            writers, channels = [], [s.connect() for _ in range(WRITERS)]

            def writer(k):
                rng, channel, state, n = random.Random(SEED + k), channels[k], {}, 0
                mine = [f"i{i}" for i in range(k, N, WRITERS)]
                catalog, event = s.stub("Catalog", channel), s.stub("Event", channel)
                sums, events = dict.fromkeys(mine, 0), []
                writers.append((state, sums, events))
                while True:
                    n += 1
                    ids = rng.sample(mine, 5)
                    kind = rng.randrange(4)
                    if kind == 0:
                        list(catalog.UpsertItems(iter([C.UpsertItemsRequest(collection="shop", items=[
                            item(id, title=f"version {n}", stock=sums[id], price=float(n)) for id in ids])]), timeout=30 * SLOW))
                        state.update({id: n for id in ids})
                    elif kind == 1:
                        r = next(iter(catalog.UpdateItems(iter([C.UpdateItemsRequest(collection="shop", items=[
                            C.ItemUpdate(id=id, increment={"stock": value(1)}) for id in ids])]), timeout=30 * SLOW)))
                        for i, id in enumerate(ids):
                            if i not in {x.index for x in r.rejected}:
                                sums[id] += 1
                    elif kind == 2:
                        new = f"n{k}-{n}"
                        list(catalog.UpsertItems(iter([C.UpsertItemsRequest(collection="shop", items=[item(new, title="new", stock=0, price=float(n))])]), timeout=30 * SLOW))
                        state[new], sums[new] = n, 0
                    else:
                        e = f"{k}-{n}"
                        assert event.RecordEvents(E.RecordEventsRequest(events=[click(ids[0], e, f"u{k}")]), timeout=30 * SLOW).accepted == 1
                        events.append(e)
                    yield

            def searcher():
                assert s.search(collection="shop", query="thing", page_size=1).total_is_exact is not None

            with harness.meanwhile(searcher, *(functools.partial(next, writer(k)) for k in range(WRITERS))) as failures:
                time.sleep(0.3)  # some writes are there before the copy begins
                last = copy(s, alias="shop", who="test")[-1]
                before = {k: len(w[2]) for k, w in enumerate(writers)}
                until(lambda: failures or all(len(w[2]) >= before[k] + 3 for k, w in enumerate(writers)), 5, lambda: "the writers do not go on")
            [c.close() for c in channels]
            self.assertEqual(failures, [])
            self.assertIn("alias shop: now shop_v2", list(last.changes))
            got = content(s, "shop")
            self.assertEqual(len(got), N + sum(1 for w in writers for id in w[0] if id.startswith("n")))
            for state, sums, _ in writers:
                for id, total in sums.items():
                    self.assertEqual(got[id].fields["stock"].integer_value, total, id)
                    self.assertEqual(got[id].fields["price"].number_value, float(state.get(id, 0)), id)
            events = {e for w in writers for e in w[2]}
            repeated = s.record(*(click("i1", e) for e in events))
            self.assertEqual((repeated.repeated, repeated.accepted), (len(events), 0))
            self.assertNotIn("version", str([i for i in content(s, "=shop").values() if i.fields["price"].number_value > 10**6]))

    def test_a_killed_copy_goes_on_where_it_stopped(self):
        with server() as s:
            s.upsert("shop", [item(f"i{i}", title="x", stock=i) for i in range(8000)], batch=1000)
            stub = s.stub("Catalog")
            for rounds in range(3):
                call = stub.CopyCollection(C.CopyCollectionRequest(source="shop", destination="shop_v2", follow=True), timeout=60 * SLOW)
                first = next(iter(call))
                self.assertEqual(first.resumed, rounds > 0)
                s.kill9()
                s.start()
                stub = s.stub("Catalog")
            last = copy(s)[-1]
            self.assertTrue(last.resumed)
            self.assertLess(last.items, 8000)
            self.assertEqual({k: v.fields["stock"].integer_value for k, v in content(s, "shop_v2").items()}, {f"i{i}": i for i in range(8000)})

    def test_from_the_shell(self):
        with server() as s:
            s.upsert("shop", [item(f"i{i}", title="x") for i in range(50)])
            sinter = lambda *words: s.sinter("collection", *words)
            r = sinter("copy", "shop", "shop_v2", "--alias", "shop")
            self.assertEqual(r.returncode, 0, r.stderr)
            self.assertIn("50 items put", r.stdout)
            self.assertIn("alias shop: now shop_v2", r.stdout)
            self.assertEqual(sinter("copy", "shop", "nowhere").returncode, 5)
            self.assertEqual(sinter("copy", "shop").returncode, 2)
            self.assertEqual(sinter("copy", "=shop", "shop").returncode, 0)


if __name__ == "__main__":
    unittest.main()
