# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue over the wire: batches, refusals item by item, retries by write id, reads of what was acknowledged."""
import queue
import unittest

import harness
from harness import item, pb

Upsert = pb.catalog_pb2.UpsertItemsRequest


class Catalog(harness.ServerCase):
    def setUp(self):
        self.stub = self.server.stub("Catalog")
        have = [i.id for i in self.server.list("shop")]
        if have:
            self.server.delete("shop", have)

    def stream(self, *requests, timeout=30):
        return list(self.stub.UpsertItems(iter(requests), timeout=timeout * harness.SLOW))

    def test_a_bad_item_is_refused_by_itself_with_its_path(self):
        r, = self.server.upsert("shop", [item("1", title="red shoe"), item("2", price="dear"), item("", title="nameless"),
                                         item("4", prise=3.0), item("5", price=float("nan")), item("6", title="hat")])
        self.assertEqual(r.accepted, 2)
        self.assertGreater(r.sequence, 0)
        self.assertEqual([x.index for x in r.rejected], [1, 2, 3, 4])
        self.assertEqual(r.rejected[0].id, "2")
        self.assertIn("items[1]", r.rejected[0].violations[0].field)
        self.assertIn("price", r.rejected[0].violations[0].field)
        self.assertIn("price", r.rejected[2].violations[0].description)  # the near name
        self.assertEqual([i.id for i in self.server.get("shop", ["1", "2", "6"]).items], ["1", "6"])

    def test_answers_come_in_order_one_a_batch(self):
        n = 200
        answers = self.stream(*(Upsert(collection="shop" if i == 0 else "", items=[item(f"i{i}", title=f"thing {i}")] * (i % 3))
                                for i in range(n)))
        self.assertEqual([a.accepted for a in answers], [i % 3 for i in range(n)])
        sequences = [a.sequence for a in answers if a.sequence]
        self.assertEqual(sequences, sorted(sequences))
        self.assertEqual(len({a.request_id for a in answers}), n)

    def test_a_client_may_talk_batch_by_batch(self):
        todo = queue.Queue()
        answers = self.stub.UpsertItems(iter(todo.get, None), timeout=30 * harness.SLOW)
        for i in range(20):
            todo.put(Upsert(collection="shop", items=[item(str(i), title="x")]))
            self.assertEqual(next(answers).accepted, 1)
        todo.put(None)
        self.assertEqual(list(answers), [])

    def test_a_write_id_makes_a_retry_idempotent(self):
        batch = Upsert(collection="shop", items=[item("w", title="once"), item("x", title="once")], write_id="first")
        a, = self.stream(batch)
        b, = self.stream(batch)
        self.assertFalse(a.repeated_write)
        self.assertTrue(b.repeated_write)
        self.assertEqual((b.accepted, b.sequence), (2, a.sequence))
        long = "w" * 256
        c, = self.stream(Upsert(collection="shop", items=[item("y", title="long")], write_id=long))
        d, = self.stream(Upsert(collection="shop", items=[item("y", title="long")], write_id=long))
        self.assertEqual((c.repeated_write, d.repeated_write, d.sequence), (False, True, c.sequence))
        e = self.server.delete("shop", ["w"], write_id="first")  # another method: another scope
        self.assertEqual((e.deleted, e.repeated_write), (1, False))
        self.assertTrue(self.server.delete("shop", ["w"], write_id="first").repeated_write)

    def test_a_stream_that_errs_is_answered_up_to_the_error(self):
        requests = [Upsert(collection="shop", items=[item("a", title="x")]), Upsert(collection="shpo"),
                    Upsert(collection="shop", items=[item("b", title="x")])]
        got, error = [], None
        try:
            for a in self.stub.UpsertItems(iter(requests), timeout=30 * harness.SLOW):
                got.append(a.accepted)
        except Exception as e:  # noqa: BLE001
            error = e
        self.assertEqual(got, [1])
        self.assertEqual(error.code().name, "NOT_FOUND")
        self.assertIn("did you mean 'shop'", error.details())
        self.assertEqual(list(self.server.get("shop", ["a", "b"]).not_found), ["b"])

    def test_the_first_message_names_the_collection_and_a_batch_has_a_limit(self):
        self.assert_fails("INVALID_ARGUMENT", self.stream, Upsert(items=[item("a", title="x")]))
        e = self.assert_fails("INVALID_ARGUMENT", self.stream, Upsert(collection="shop", items=[item(str(i)) for i in range(1001)]))
        self.assertIn("1000", e.details())

    def test_delete_counts_what_it_did_not_know(self):
        self.server.upsert("shop", [item("1", title="a"), item("2", title="b")], searchable=True)
        r = self.server.delete("shop", ["1", "nobody"])
        self.assertEqual((r.deleted, r.unknown), (1, 1))
        self.assertEqual(list(self.server.get("shop", ["1"]).not_found), ["1"])
        after = self.server.search(collection="shop", after_sequence=r.sequence)
        self.assertEqual([h.id for h in after.hits], ["2"])
        self.assert_fails("INVALID_ARGUMENT", self.server.delete, "shop", [])
        self.assert_fails("INVALID_ARGUMENT", self.server.delete, "shop", ["x" * 257])
        self.assert_fails("NOT_FOUND", self.server.delete, "shpo", ["1"])

    def test_get_keeps_the_order_and_the_mask(self):
        self.server.upsert("shop", [item("1", title="a", price=1.5, brand="Acme"), item("2", title="b")])
        r = self.server.get("shop", ["2", "no", "1", "2"], fields=["title", "br*"])
        self.assertEqual([i.id for i in r.items], ["2", "1", "2"])
        self.assertEqual(sorted(r.items[1].fields), ["brand", "title"])
        self.assertEqual(list(r.not_found), ["no"])
        self.assertEqual(sorted(self.server.get("shop", ["1"]).items[0].fields), ["brand", "price", "title"])
        e = self.assert_fails("INVALID_ARGUMENT", self.server.get, "shop", ["1"], fields=["titel"])
        self.assertIn("did you mean 'title'", e.details())

    def test_list_pages_limits_filters_and_goes_on_after_an_item(self):
        self.server.upsert("shop", [item(f"n{i:03}", title="x", price=float(i)) for i in range(250)], searchable=True)
        ids = [f"n{i:03}" for i in range(250)]
        pages = list(self.stub.ListItems(pb.catalog_pb2.ListItemsRequest(collection="shop", page_size=40), timeout=30))
        self.assertEqual([len(p.items) for p in pages], [40] * 6 + [10])
        self.assertEqual([i.id for p in pages for i in p.items], ids)
        self.assertFalse(pages[0].items[0].fields)
        self.assertEqual([i.id for i in self.server.list("shop", limit=41, page_size=20)], ids[:41])
        self.assertEqual([i.id for i in self.server.list("shop", after_id="n100", limit=3)], ids[101:104])
        chosen = self.server.list("shop", filter="price >= 120 AND price < 180", page_size=7, fields=["price"])
        self.assertEqual([i.fields["price"].number_value for i in chosen], [float(i) for i in range(120, 180)])
        self.server.delete("shop", ids[10:200])
        self.assertEqual([i.id for i in self.server.list("shop", page_size=5)], ids[:10] + ids[200:])
        self.assert_fails("INVALID_ARGUMENT", self.server.list, "shop", filter="price >")
        self.assert_fails("INVALID_ARGUMENT", self.server.list, "shop", page_size=1001)
        self.assert_fails("NOT_FOUND", self.server.list, "shop", after_id="n100")

    def test_list_sends_no_message_that_clients_refuse(self):
        self.server.upsert("shop", [item(f"big{i}", title="x", description="word " * 100000) for i in range(12)], batch=4)
        pages = list(self.stub.ListItems(pb.catalog_pb2.ListItemsRequest(collection="shop", fields=["*"], page_size=1000), timeout=60))
        self.assertEqual(sum(len(p.items) for p in pages), 12)
        self.assertLess(max(p.ByteSize() for p in pages), 4 << 20)

    def test_collections_describe_themselves(self):
        c, = self.stub.ListCollections(pb.catalog_pb2.ListCollectionsRequest(), timeout=10).collections
        self.assertEqual((c.name, c.default_pipeline, list(c.pipelines)), ("shop", "shop", ["shop"]))
        self.assertEqual(len(c.uuid), 36)
        fields = {f.name: f.type for f in c.fields}
        self.assertEqual(fields["price"], "number")
        self.assertIn("title", [f for g in c.groups for f in g.fields])

    def test_status_tells_sequence_and_state(self):
        r = self.server.status()
        self.assertEqual((r.state, r.acknowledgement), ("serving", "on disk"))
        self.assertEqual([c.name for c in r.collections], ["shop"])
        self.assertGreater(r.counters["requests"], 0)


if __name__ == "__main__":
    harness.main()
