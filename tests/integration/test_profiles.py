# SPDX-License-Identifier: GPL-3.0-or-later
"""What people do changes the next answer: counters as features, seen by sequence, the same after kill -9, kept in impressions."""
import json
import subprocess
import time
import unittest

import harness
from harness import item, pb

SLOW = harness.SLOW
ev = pb.events_pb2
COLLECTION = """
fields:
  title: {type: text}
  brand: {type: keyword}
  price: {type: number}
events: {view: 0.2, click: 1}
counters: {half_life: 10d, by: [brand]}
default_pipeline: main
"""
PIPELINE = """
collection: things
stages:
  - keep: 100
    rank:
      - {{name: seen, plugin: function, formula: "{formula}"}}
"""
PIPELINES = {"main": PIPELINE.format(formula="events.click + 0.01 * item.price"),
             "brands": PIPELINE.format(formula="events.click.brand"),
             "asked": PIPELINE.format(formula="events.click.query"),
             "own": PIPELINE.format(formula="user.brand.share + 0.001 * user.events")}
NOW = 1764082800
DAY = 86400


def event(id, item, type="click", user="ann", at=NOW, **more):
    e = ev.Event(event_id=id, collection="things", user_id=user, type=type, item_ids=[item], **more)
    e.time.FromSeconds(at)
    return e


class People(harness.ServerCase):
    COLLECTIONS, PIPELINES = {"things": COLLECTION}, PIPELINES

    def setUp(self):
        self.server.upsert("things", [item("a1", title="red lamp", brand="acme", price=1.0),
                                      item("a2", title="red lamp", brand="acme", price=2.0),
                                      item("b1", title="red lamp", brand="bolt", price=3.0)])

    def record(self, *events):
        return self.server.stub("Event").RecordEvents(ev.RecordEventsRequest(events=events), timeout=30 * SLOW).sequence

    def ask(self, after=0, pipeline="", user="ann", **more):
        context = pb.types_pb2.Context()
        context.time.FromSeconds(NOW)
        r = self.server.search(collection="things", query="red lamp", pipeline=pipeline, user=pb.types_pb2.User(user_id=user),
                               after_sequence=after, context=context, explain=pb.types_pb2.EXPLAIN_SCORES, **more)
        return {h.id: h.explanation.stages[0].rankers[0].raw for h in r.hits}, [h.id for h in r.hits]

    def test_an_event_moves_the_next_answer(self):
        before, order = self.ask(user="mover")
        self.assertEqual(order[0], "b1")
        sequence = self.record(event("m1", "a1"), event("m2", "a1", at=NOW - 10 * DAY), event("m3", "a1", type="view"))
        after, order = self.ask(sequence)
        self.assertEqual(order[0], "a1")
        self.assertAlmostEqual(after["a1"] - before["a1"], 1.5, places=5)

    def test_counters_by_brand_and_by_query(self):
        brands, _ = self.ask(pipeline="brands")
        asked, _ = self.ask(pipeline="asked")
        sequence = self.record(event("q1", "b1", query=" Red  LAMP"), event("q2", "b1", query="blue lamp"))
        after, _ = self.ask(sequence, pipeline="brands")
        self.assertAlmostEqual(after["b1"] - brands["b1"], 2, places=5)
        self.assertEqual(after["a1"], after["a2"])
        after, _ = self.ask(sequence, pipeline="asked")
        self.assertAlmostEqual(after["b1"] - asked["b1"], 1, places=5)

    def test_an_event_waits_for_its_item(self):
        sequence = self.record(event("w1", "late"), event("w2", "late"))
        self.ask(sequence)
        sequence = self.server.upsert("things", [item("late", title="red lamp", brand="new", price=0.0)])[-1].sequence
        scores, order = self.ask(sequence, pipeline="brands")
        self.assertAlmostEqual(scores["late"], 2, places=5)

    def test_a_person_is_their_own_history(self):
        sequence = self.record(event("h1", "a1", user="carl"), event("h2", "a2", user="carl"), event("h3", "b1", user="carl"))
        scores, order = self.ask(sequence, pipeline="own", user="carl")
        self.assertEqual(order[-1], "b1")
        self.assertAlmostEqual(scores["a1"], 2 / 3 + 0.003, places=5)
        self.assertAlmostEqual(scores["b1"], 1 / 3 + 0.003, places=5)

    def test_a_type_that_is_not_declared_is_refused_by_name(self):
        (self.server.conf / "pipelines/bad.yaml").write_text(PIPELINE.format(formula="events.clik"))
        try:
            with self.assertRaises(harness.grpc.RpcError) as e:
                self.server.reload()
            self.assertIn("bad.yaml:6", e.exception.details())
            self.assertIn("events.click", e.exception.details())
        finally:
            (self.server.conf / "pipelines/bad.yaml").unlink()


class Lasting(unittest.TestCase):
    ask, record = People.ask, People.record

    def test_kill_9_and_a_restart_change_no_bit_and_impressions_tell_the_person(self):
        with harness.Server(collections={"things": COLLECTION}, pipelines=PIPELINES) as self.server:
            People.setUp(self)
            events = [event(f"e{i}", ("a1", "a2", "b1", "never")[i % 4], user=f"u{i % 3}", query="red lamp" if i % 5 else "",
                            at=NOW - (i * 7919) % (30 * DAY)) for i in range(300)]
            sequence = self.record(*events)
            def all_scores():
                return [self.ask(sequence, pipeline=p, user=u) for p in PIPELINES for u in ("u0", "u1", "nobody")]
            before = all_scores()
            self.server.kill9()
            self.server.start()
            self.assertEqual(all_scores(), before)
            self.ask(sequence, user="u1", request_id="told-1")
            end = time.monotonic() + 10 * SLOW
            rows = []
            while not rows and time.monotonic() < end:
                out = subprocess.run([str(harness.BUILD / "bin/sinter"), "journal", "dump", str(self.server.data), "--kind",
                                      "answered", "--json"], capture_output=True, text=True, timeout=60 * SLOW).stdout
                rows = [r for r in map(json.loads, out.splitlines()) if r["request_id"] == "told-1"]
            self.assertEqual(rows[0]["user_id"], "u1")
            self.assertGreaterEqual(rows[0]["profile_sequence"], sequence)
            times = [h["time_ms"] for h in rows[0]["history"]]
            self.assertEqual(times, sorted(times, reverse=True))
            mine = sorted((e.time.seconds * 1000 for e in events if e.user_id == "u1" and e.item_ids[0] != "never"), reverse=True)
            kept = [t for t in sorted((e.time.seconds * 1000 for e in events if e.user_id == "u1"), reverse=True)[:100] if t in mine]
            self.assertEqual(times, kept[:50])
            self.assertIn("user.brand.share", rows[0]["features"])


if __name__ == "__main__":
    unittest.main()
