#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deep plugin end to end: people search and click, `sinter train --deploy`, and each finds first what people like them click."""
import random
import subprocess

import harness
from harness import item, pb

ev = pb.events_pb2
COLLECTION = harness.SHOP_COLLECTION + "events: {view: 0.2, click: 1}\ndefault_pipeline: words\n"
NETWORK = """
features: [text.bm25, item.price]
embeddings:
  - {feature: item, dimension: 4}
  - {feature: item.brand, buckets: 50, dimension: 2}
  - {feature: user.club, buckets: 50, dimension: 4}
history: {events: 20, half_life: 720h}
products: [{of: history, with: item}, {of: user.club, with: item}]
layers:
  - {dense: 16, activation: relu}
  - {dense: 1, activation: sigmoid}
target: click
training: {learning_rate: 0.01, epochs: 20, batch: 64}
"""
WORDS = "collection: shop\nrecall:\n  - {source: text, limit: 100}\nstages:\n  - keep: 100\n    rank:\n      - {name: words, feature: text.bm25}\n"
PIPELINES = {
    "words": WORDS,
    "deep": WORDS + "      - {name: deep, plugin: deep, network: ../networks/deep.yaml, model: deep/latest}\n"
                    "    fuse: {plugin: fusion, calibrate: none, weights: {words: 0, deep: 1}}\n",
}
KINDS, EACH, PEOPLE, ASKED = ("garden", "kitchen"), 15, 40, 12


class Network(harness.ServerCase):
    COLLECTIONS = {"shop": COLLECTION}
    PIPELINES = PIPELINES
    FILES = {"networks/deep.yaml": NETWORK}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.upsert("shop", [item(f"{kind}{k}", title="a thing", brand=f"brand{k % 5}", price=float(k)) for kind in KINDS
                                   for k in range(EACH)], searchable=True)
        cls.draw = random.Random(4)
        cls.sequence = 0
        for round_ in range(ASKED):
            for person in range(PEOPLE):
                cls.ask_and_click(person, round_)

    @classmethod
    def ask_and_click(cls, person, round_):
        """The person looks at some of the first ten places and clicks what is of their kind; the words rank all items alike."""
        request = f"r{person}-{round_}"
        shown = cls.server.search(collection="shop", query="thing", user=cls.user(person), request_id=request, page_size=30).hits
        clicked = [h.id for at, h in enumerate(shown) if h.id.startswith(KINDS[person % 2]) and cls.draw.random() < 3 / (3 + at)]
        events = [ev.Event(collection="shop", type="click", item_ids=[i], request_id=request, **cls.who(person)) for i in clicked]
        if events:
            cls.sequence = cls.server.stub("Event").RecordEvents(ev.RecordEventsRequest(events=events), timeout=60 * harness.SLOW).sequence

    @staticmethod
    def who(person):
        return {"user_id": f"u{person}"}

    @classmethod
    def user(cls, person, history=True):
        club = pb.types_pb2.Value(string_value=f"club{person % 2}")
        return pb.types_pb2.User(user_id=f"u{person}" if history else "nobody", attributes={"club": club})

    def search(self, person, history=True, **request):
        return self.server.search(collection="shop", query="thing", after_sequence=self.sequence, pipeline="deep",
                                  user=self.user(person, history), **request)

    def train(self, *arguments):
        self.server.wait_impressions()
        r = subprocess.run([str(harness.BUILD / "bin/sinter"), "train", "deep.deep", *arguments, "-c", str(self.server.conf / "sinter.yaml"),
                            "--server", self.server.address, "--quiet"], capture_output=True, text=True, timeout=300 * harness.SLOW)
        self.assertEqual(r.returncode, 0, r.stderr)

    def liked(self, person, **request):
        """How many of the first ten are of the person's kind."""
        answer = self.search(person, **request)
        self.assertFalse(answer.degraded)
        return sum(h.id.startswith(KINDS[person % 2]) for h in answer.hits[:10])

    def test_from_clicks_to_a_list_for_each(self):
        before = self.search(0)
        self.assertTrue(any("not trained yet" in d.reason for d in before.degraded), before)
        self.train("--deploy")
        for person in range(4):
            self.assertGreaterEqual(self.liked(person), 9)
            self.assertGreaterEqual(self.liked(person, history=False), 8)  # by the club alone

        now = pb.types_pb2.Context()  # of both requests: what happened fades with time
        now.time.GetCurrentTime()
        answer = self.search(1, explain=3, page_size=30, context=now)
        for h in answer.hits[:5]:
            share = next(r for s in h.explanation.stages for r in s.rankers if r.ranker == "deep")
            names = [f.name for f in share.features]
            self.assertEqual((names[0], names[-1]), ("baseline", "rest"))
            self.assertIn("user.club × item", names)
            self.assertAlmostEqual(sum(f.value for f in share.features), share.raw, places=5)
            self.assertAlmostEqual(share.raw, h.score, places=5)

        scores = {h.id: h.score for h in answer.hits}
        again = {h.id: h.score for h in self.search(1, page_size=30, filter='brand = "brand3"', context=now).hits}
        self.assertEqual(len(again), 2 * EACH // 5)
        self.assertEqual(again, {i: scores[i] for i in again})  # whatever stands beside it

        # An item that is newer than the model is scored by its features.
        self.server.upsert("shop", [item("new", title="a thing", brand="brand1", price=3.0)], searchable=True)
        newer = self.search(1, page_size=31)
        self.assertEqual(len(newer.hits), 2 * EACH + 1)
        self.assertFalse(newer.degraded)
        self.assertGreater(next(h.score for h in newer.hits if h.id == "new"), 0)

        self.server.restart()
        for a, b in zip(newer.hits, self.search(1, page_size=31).hits):
            self.assertEqual(a.id, b.id)
            self.assertAlmostEqual(a.score, b.score, places=5)  # events are some seconds older

    def test_the_same_data_and_seed_give_the_same_weights(self):
        for name in ("one", "two"):
            self.train("--name", name, "--until", str(self.sequence), "--threads", "1")
        models = [(self.server.data / f"models/{name}/1/weights.safetensors").read_bytes() for name in ("one", "two")]
        self.assertEqual(models[0], models[1])


if __name__ == "__main__":
    harness.main()
