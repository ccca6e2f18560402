# SPDX-License-Identifier: GPL-3.0-or-later
"""A schema grows while the server runs: fields and collections come and go by Reload, and no search fails meanwhile."""
import unittest

import grpc
import harness
from harness import item, meanwhile, pb, until

SHOP = harness.SHOP_COLLECTION
GROUPED = """
fields:
  title: {type: text, group: name}
  brand: {type: keyword}
  price: {type: number}
"""


def field(line):
    """The little shop with one field more."""
    return SHOP + f"  {line}\n"


def ids(answer):
    return sorted(h.id for h in answer.hits)


class Fields(unittest.TestCase):
    def setUp(self):
        self.s = harness.Server()
        self.addCleanup(self.s.close)
        self.s.upsert("shop", [item(str(i), title=f"red shoe {i}", price=float(i), tags=["a"]) for i in range(600)], searchable=True)

    def found(self, **request):
        return ids(self.s.search(collection="shop", page_size=1000, **request))

    def refused(self, text, **request):
        with self.assertRaises(grpc.RpcError) as caught:
            self.s.reload(**request)
        self.assertIn(text, caught.exception.details())
        return caught.exception

    def test_an_added_field_is_there_at_once_and_works_like_any(self):
        self.s.write("collections/shop.yaml", field("colour: {type: keyword}") + "  rating: {type: number}\n")
        dry = self.s.reload(dry_run=True)
        self.assertIn("collection shop: field colour is new", "\n".join(dry.changes))
        with self.assertRaises(grpc.RpcError):
            self.s.search(collection="shop", filter='colour = "red"')
        before = self.s.counters()
        self.assertEqual(self.s.reload().changes[:2], dry.changes[:2])
        r = self.s.upsert("shop", [item("5", title="blue boot", colour="blue", rating=4.5), item("new", title="hat", colour="red", rating=1.0)], searchable=True)
        self.assertEqual(r[0].accepted, 2)
        self.assertEqual(self.found(filter='colour = "blue" AND rating > 4'), ["5"])
        self.assertEqual(self.found(query="hat", filter='colour IN ("red", "blue")'), ["new"])
        self.assertEqual(len(self.found(filter="NOT colour EXISTS")), 599)
        self.assertEqual(self.s.counters()["index_rebuilds"], before["index_rebuilds"])
        names = [f.name for f in self.s.stub("Catalog").ListCollections(pb.catalog_pb2.ListCollectionsRequest()).collections[0].fields]
        self.assertIn("rating", names)
        self.s.kill9()
        self.s.start()
        self.assertEqual(self.found(filter='colour = "blue"'), ["5"])
        self.assertEqual(self.s.counters()["index_rebuilds"], 0)

    def test_a_pipeline_may_use_the_new_field_in_the_same_reload(self):
        self.s.write("collections/shop.yaml", field("rating: {type: number}"))
        self.s.write("pipelines/shop.yaml", harness.SHOP_PIPELINE.replace("text.bm25", "item.rating"))
        self.s.reload()
        self.s.upsert("shop", [item("7", title="red shoe", rating=9.0), item("8", title="red shoe", rating=3.0)], searchable=True)
        self.assertEqual([h.id for h in self.s.search(collection="shop", query="shoe", page_size=2).hits], ["7", "8"])

    def test_what_is_wrong_beside_it_changes_nothing(self):
        self.s.write("collections/shop.yaml", field("rating: {type: number}"))
        self.s.write("pipelines/shop.yaml", harness.SHOP_PIPELINE.replace("text.bm25", "item.ratings"))
        self.refused("shop.yaml")
        answer = self.s.upsert("shop", [item("9", title="x", rating=1.0)])[0]
        self.assertEqual((answer.accepted, len(answer.rejected)), (0, 1))

    def test_a_field_that_goes_and_comes_back_brings_its_stored_values(self):
        self.s.upsert("shop", [item("b", title="blue", brand="Acme", stock=7)], searchable=True)
        without = "\n".join(line for line in SHOP.splitlines() if "stock" not in line and "brand" not in line)
        self.s.write("collections/shop.yaml", without)
        self.assertIn("collection shop: field brand is gone", "\n".join(self.s.reload().changes))
        self.assertEqual(self.s.upsert("shop", [item("c", title="x", brand="Acme")])[0].accepted, 0)
        with self.assertRaises(grpc.RpcError):
            self.s.search(collection="shop", filter="stock = 7")
        price = pb.catalog_pb2.ItemUpdate(id="b", fields={"price": harness.value(3.0)})
        update = pb.catalog_pb2.UpdateItemsRequest(collection="shop", items=[price])
        self.assertEqual(next(iter(self.s.stub("Catalog").UpdateItems(iter([update])))).accepted, 1)
        self.s.restart()  # now the columns and the words are gone from the views
        self.s.write("collections/shop.yaml", SHOP)
        self.s.reload()
        until(lambda: self.found(filter='stock = 7 AND brand = "Acme"') == ["b"])
        until(lambda: self.found(query="blue", filter='brand = "Acme"') == ["b"])
        self.assertEqual(self.s.get("shop", ["b"]).items[0].fields["price"].number_value, 3.0)

    def test_what_needs_another_index_is_refused_and_says_where(self):
        for text, says in ((SHOP.replace("brand: {type: keyword}", "brand: {type: text}"), "shop.yaml:5"),
                           (field("notes: {type: text}"), "group"),
                           (SHOP.replace("price: {type: number}", "price: {type: keyword}"), "shop.yaml:7")):
            self.s.write("collections/shop.yaml", text)
            e = self.refused(says)
            self.assertEqual(e.code().name, "FAILED_PRECONDITION")
        self.assertEqual(len(self.found(query="shoe")), 600)


class Words(unittest.TestCase):
    def test_words_of_a_field_added_to_a_group_are_found(self):
        with harness.Server(collections={"shop": GROUPED}, pipelines={}) as s:
            s.upsert("shop", [item(str(i), title=f"shoe {i}", brand="Acme") for i in range(300)], searchable=True)
            s.write("collections/shop.yaml", GROUPED + "  subtitle: {type: text, group: name}\n")
            s.reload()
            s.upsert("shop", [item("9", title="boot", subtitle="waterproof leather")], searchable=True)
            self.assertEqual(ids(s.search(collection="shop", query="waterproof")), ["9"])
            s.write("collections/shop.yaml", GROUPED)  # words cannot be taken out of an index
            with self.assertRaises(grpc.RpcError) as caught:
                s.reload()
            self.assertEqual(caught.exception.code().name, "FAILED_PRECONDITION")
            s.write("collections/shop.yaml", GROUPED + "  subtitle: {type: text, group: name}\n  tags: {type: keywords}\n")
            s.kill9()  # a start with a field more, too, goes on with the index that is there
            s.start()
            self.assertEqual(s.counters()["index_rebuilds"], 0)
            self.assertEqual(ids(s.search(collection="shop", query="waterproof")), ["9"])
            s.upsert("shop", [item("10", title="cap", tags=["new"])], searchable=True)
            self.assertEqual(ids(s.search(collection="shop", query="cap", filter='tags = "new"')), ["10"])


class Collections(unittest.TestCase):
    def test_collections_come_and_go_while_searches_run(self):
        with harness.Server() as s:
            s.upsert("shop", [item(str(i), title="red shoe") for i in range(50)], searchable=True)
            answered = [0]

            def search():
                assert s.search(collection="shop", query="shoe").total == 50
                answered[0] += 1

            with meanwhile(*[search] * 3) as failed:
                for k in range(6):
                    name = f"extra{k % 3}"
                    s.write(f"collections/{name}.yaml", SHOP)
                    s.write(f"pipelines/{name}.yaml", harness.SHOP_PIPELINE.replace("collection: shop", f"collection: {name}"))
                    self.assertIn(f"collection {name}: new", s.reload().changes)
                    s.upsert(name, [item(f"e{k}", title=f"hat {k}")], searchable=True)
                    self.assertEqual(ids(s.search(collection=name, query="hat")), sorted(f"e{i}" for i in range(k + 1) if i % 3 == k % 3))
                    (s.conf / f"collections/{name}.yaml").unlink()
                    (s.conf / f"pipelines/{name}.yaml").unlink()
                    with self.assertRaises(grpc.RpcError) as caught:
                        s.reload()
                    self.assertIn("--drop-collections", caught.exception.details())
                    self.assertEqual(s.search(collection=name, query="hat").total, k // 3 + 1)
                    changes = "\n".join(s.reload(drop_collections=True).changes)
                    self.assertIn(f"collection {name}: served no more", changes)
                    with self.assertRaises(grpc.RpcError) as caught:
                        s.search(collection=name)
                    self.assertEqual(caught.exception.code().name, "NOT_FOUND")
            self.assertEqual(failed, [])
            self.assertGreater(answered[0], 10)
            self.assertEqual([c.name for c in s.stub("Catalog").ListCollections(pb.catalog_pb2.ListCollectionsRequest()).collections], ["shop"])

    def test_events_and_counters_of_a_new_collection_count(self):
        with harness.Server() as s:
            s.write("collections/films.yaml", "fields:\n  title: {type: text}\nevents: {watch: 1}\n")
            s.reload()
            s.upsert("films", [item("f", title="film")], searchable=True)
            r = s.record(pb.events_pb2.Event(event_id="1", collection="films", type="watch", user_id="u", item_ids=["f"]))
            self.assertEqual(r.accepted, 1)
            until(lambda: s.counters()["profile_events"] == 1)
            s.restart()
            self.assertEqual(s.counters()["profile_events"], 1)

    def test_a_dry_run_makes_nothing(self):
        with harness.Server() as s:
            s.write("collections/films.yaml", "fields:\n  title: {type: text}\n")
            s.write("pipelines/films.yaml", harness.SHOP_PIPELINE.replace("collection: shop", "collection: films"))
            records = s.counters()["journal_records"]
            self.assertIn("collection films: new", s.reload(dry_run=True).changes)
            self.assertEqual(s.counters()["journal_records"], records)
            with self.assertRaises(grpc.RpcError) as caught:
                s.search(collection="films")
            self.assertEqual(caught.exception.code().name, "NOT_FOUND")
            s.reload()
            self.assertEqual(s.search(collection="films").total, 0)


if __name__ == "__main__":
    unittest.main()
