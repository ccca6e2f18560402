# SPDX-License-Identifier: GPL-3.0-or-later
"""Exploring by chance over gRPC: the share and the evenness of shuffled requests, the same answer for the same id, and what a
reload refuses."""
import unittest

import harness
from harness import pb

COLLECTION = """
fields:
  title: {type: text}
  price: number
"""
PIPELINE = """
collection: things
stages:
  - keep: 50
    rank:
      - {name: cheap, plugin: function, formula: "0 - item.price"}
finish:
  - {explore: shuffle, top: 4, share: 0.5}
"""
REQUESTS = 1200


class Exploring(harness.ServerCase):
    COLLECTIONS = {"things": COLLECTION}
    PIPELINES = {"main": PIPELINE}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.upsert("things", [harness.item(f"{i}", title="lamp", price=float(i)) for i in range(8)], searchable=True)

    def order(self, request_id, **more):
        r = self.server.search(collection="things", query="lamp", request_id=request_id, page_size=8, **more)
        return [int(h.id) for h in r.hits]

    def test_a_share_is_shuffled_evenly_and_the_rest_stays(self):
        places = [[0] * 4 for _ in range(4)]
        shuffled = 0
        for i in range(REQUESTS):
            order = self.order(f"r{i}")
            self.assertEqual(order[4:], [4, 5, 6, 7])
            self.assertEqual(sorted(order[:4]), [0, 1, 2, 3])
            if order[:4] != [0, 1, 2, 3]:  # one shuffle in 24 changes nothing
                shuffled += 1
                for place, item in enumerate(order[:4]):
                    places[place][item] += 1
        expected = REQUESTS * 0.5 * 23 / 24
        self.assertAlmostEqual(shuffled, expected, delta=4 * (expected * 0.52) ** 0.5)
        # Without the natural order, an item keeps its own place 5 times in 23 and takes each other one 6 times.
        for place in range(4):
            for item in range(4):
                share = (5 if place == item else 6) / 23
                self.assertAlmostEqual(places[place][item] / shuffled, share, delta=0.08)

    def test_the_same_id_gets_the_same_order_and_evaluation_none(self):
        for i in range(20):
            self.assertEqual(self.order(f"same{i}"), self.order(f"same{i}"))
            self.assertEqual(self.order(f"same{i}", no_impression=True), list(range(8)))

    def test_pages_by_cursor_repeat_nothing(self):
        for i in range(20):
            seen, cursor = [], ""
            for page in range(4):
                r = self.server.search(collection="things", query="lamp", request_id=f"{i}/{page}", page_size=2, cursor=cursor)
                seen += [int(h.id) for h in r.hits]
                cursor = r.cursor
            self.assertEqual(sorted(seen), list(range(8)))

    def test_the_ledger_names_the_step(self):
        r = self.server.search(collection="things", query="lamp", request_id="r0", explain=pb.types_pb2.EXPLAIN_SCORES)
        marks = {h.id: [f for f in h.explanation.rules if f.rule == "explore"] for h in r.hits}
        natural = [h.id for h in r.hits][:4] == ["0", "1", "2", "3"]
        for id_, fired in marks.items():
            self.assertEqual(len(fired), 0 if natural or int(id_) > 3 else 1)

    def test_a_step_behind_it_is_refused(self):
        path = self.server.write("pipelines/main.yaml", PIPELINE + "  - {plugin: rules, file: x.yaml}\n")
        try:
            e = self.assert_fails("INVALID_ARGUMENT", self.server.reload)
            self.assertIn("main.yaml:8:5: explore is not the last step", str(e.details()) + str(harness.details(e)))
        finally:
            path.write_text(PIPELINE)


if __name__ == "__main__":
    harness.main()
