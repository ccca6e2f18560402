#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collaborative filtering end to end: events, `sinter train --deploy`, and then a click moves the next answer, without training anew."""
import random
import subprocess

import harness
from harness import item, pb

ev = pb.events_pb2
COLLECTION = harness.SHOP_COLLECTION + "events: {view: 0.2, click: 1, purchase: 5}\ndefault_pipeline: words\n"
PIPELINES = {
    "words": harness.SHOP_PIPELINE,
    "taste": "collection: shop\nrecall:\n  - {source: text, limit: 100}\n  - {source: cf, model: taste/latest, limit: 20}\nstages:\n"
             "  - keep: 100\n    rank:\n      - {name: words, feature: text.bm25}\n"
             "      - {name: taste, plugin: cf, model: taste/latest, half_life: 30d}\n"
             "    fuse: {plugin: fusion, weights: {words: 0.5, taste: 0.5}}\n",
    "only": "collection: shop\nrecall:\n  - {source: cf, model: taste/latest, limit: 5}\nstages:\n"
            "  - {keep: 5, rank: [{name: taste, plugin: cf, model: taste/latest}]}\n",
}
KINDS, EACH = ("garden", "kitchen", "office"), 12


def event(user, *items, type="click"):
    return ev.Event(collection="shop", user_id=user, type=type, item_ids=items)


class Taste(harness.ServerCase):
    COLLECTIONS = {"shop": COLLECTION, "bare": COLLECTION.replace("pipeline: words", "pipeline: bare")}
    PIPELINES = {**PIPELINES, "bare": PIPELINES["only"].replace("collection: shop", "collection: bare").replace("taste/", "bare/")}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        draw = random.Random(1)
        cls.server.upsert("shop", [item(f"{kind}{k}", title=f"{kind} thing", brand=kind, price=float(k)) for kind in KINDS for k in range(EACH)]
                          + [item("new", title="garden thing")])
        cls.server.upsert("bare", [item("1"), item("2")])
        events = []
        for u in range(60):
            kind = KINDS[u % 3]
            for k in draw.sample(range(EACH), 6):
                events.append(event(f"u{u}", f"{kind}{k}", type=draw.choice(("view", "click", "purchase"))))
            events.append(event(f"u{u}", f"{draw.choice(KINDS)}{draw.randrange(EACH)}"))
        cls.record(*events)

    @classmethod
    def record(cls, *events):
        r = cls.server.stub("Event").RecordEvents(ev.RecordEventsRequest(events=events), timeout=60 * harness.SLOW)
        assert r.accepted == len(events), r
        cls.sequence = r.sequence

    def search(self, user, **request):
        return self.server.search(collection="shop", after_sequence=self.sequence, user={"user_id": user}, **request)

    def train(self, *arguments, code=0):
        self.server.wait_impressions()
        r = subprocess.run([str(harness.BUILD / "bin/sinter"), "train", *arguments, "-c", str(self.server.conf / "sinter.yaml"), "--server",
                            self.server.address, "--quiet"], capture_output=True, text=True, timeout=300 * harness.SLOW)
        self.assertEqual(r.returncode, code, r.stderr)
        return r

    def test_hopeless_data_get_a_verdict_and_no_model(self):
        self.assertIn("no events on items", self.train("bare.taste", "--deploy", code=4).stderr)
        self.record(ev.Event(collection="bare", user_id="one", type="click", item_ids=["1", "2"]))
        self.assertIn("one", self.train("bare.taste", "--deploy", code=4).stderr)
        self.assertFalse(list((self.server.data / "models").glob("bare/[0-9]*")))

    def test_from_events_to_a_click_that_moves_the_answer(self):
        before = self.search("guest", pipeline="only")
        self.assertEqual(len(before.hits), 0)
        self.assertTrue(any("not trained yet" in d.reason for d in before.degraded), before)

        self.train("taste.taste", "--deploy")
        nobody = self.search("guest", pipeline="only")
        self.assertEqual((len(nobody.hits), len(nobody.degraded)), (0, 0))

        self.record(event("guest", "garden3"))
        first = self.search("guest", pipeline="only", explain=3)
        self.assertEqual(len(first.hits), 5)
        self.assertTrue(all(h.id.startswith("garden") and h.id != "garden3" for h in first.hits), [h.id for h in first.hits])
        for h in first.hits:
            share = next(r for s in h.explanation.stages for r in s.rankers if r.ranker == "taste")
            self.assertEqual([f.name for f in share.features], ["garden3"])
            self.assertAlmostEqual(sum(f.value for f in share.features), share.raw, places=5)
            self.assertGreater(share.raw, 0)

        self.record(event("guest", "kitchen1", type="purchase"), event("guest", "kitchen2", type="purchase"))
        second = self.search("guest", pipeline="only")
        self.assertTrue(all(h.id.startswith("kitchen") for h in second.hits), [h.id for h in second.hits])

        with_filter = self.search("guest", pipeline="only", filter='brand = "garden"')
        self.assertEqual(len(with_filter.hits), 5)
        self.assertTrue(all(h.id.startswith("garden") for h in with_filter.hits))
        unseen = self.search("guest", pipeline="only", exclude_seen=True)
        self.assertFalse({"garden3", "kitchen1", "kitchen2"} & {h.id for h in unseen.hits})
        self.assertEqual(len(unseen.hits), 5)

        words = self.search("guest", pipeline="taste", query="thing", page_size=50)
        self.assertEqual(len(words.hits), len(KINDS) * EACH + 1)  # an item that the model has never seen stays in the list
        self.assertTrue(all(h.id.startswith("kitchen") for h in words.hits[:5]), [h.id for h in words.hits])
        self.assertFalse(words.degraded)

        # a deleted item leaves the answers, in recall too
        gone = second.hits[0].id
        self.server.delete("shop", [gone])
        self.assertNotIn(gone, [h.id for h in self.server.search(collection="shop", user={"user_id": "guest"}, pipeline="only",
                                                                 after_sequence=self.server.status().sequence).hits])


if __name__ == "__main__":
    harness.main()
