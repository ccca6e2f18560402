# SPDX-License-Identifier: GPL-3.0-or-later
"""People: windows and rates as features, sessions that become a user's, all the same after kill -9."""
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
events: {view: 0.2, click: 1, purchase: 5}
profiles: {session_timeout: 10m}
counters: {half_life: 10d, by: [brand]}
rates: {strength: 10, toward: brand}
default_pipeline: main
"""
# A ranker a feature, so that the ledger tells each.
FEATURES = ["events.click.hour", "events.click.day", "events.click.month", "events.click.brand.day", "events.click.query.day", "shown",
            "shown.day", "rate.click.day", "rate.purchase.per.click", "session.events", "session.seconds", "session.item",
            "session.brand.share", "user.events"]
PIPELINE = "collection: things\nstages:\n  - keep: 100\n    rank:\n      - {name: words, feature: text.bm25}\n" + "".join(
    f"      - {{name: r{i}, feature: {f}}}\n" for i, f in enumerate(FEATURES)) + (
    "    fuse: {plugin: fusion, method: weighted, weights: {words: 1, " + ", ".join(f"r{i}: 0" for i in range(len(FEATURES))) + "}}\n")
THINGS = [item("a1", title="red lamp", brand="acme", price=1.0), item("a2", title="red lamp", brand="acme", price=2.0),
          item("b1", title="red lamp", brand="bolt", price=3.0)]


class House:
    """What the tests say to a server."""

    def __init__(self, server):
        self.server, self.n = server, 0

    def record(self, *events):
        return self.server.stub("Event").RecordEvents(ev.RecordEventsRequest(events=events), timeout=30 * SLOW).sequence

    def event(self, what, type="click", user="", session="", ago=0, **more):
        self.n += 1
        e = ev.Event(event_id=f"e{self.n}", collection="things", type=type, user_id=user, session_id=session, item_ids=[what], **more)
        e.time.FromMilliseconds(int((time.time() - ago) * 1000))
        return e

    def search(self, after=0, user="", session="", log=False, **more):
        return self.server.search(collection="things", query="red lamp", user=pb.types_pb2.User(user_id=user, session_id=session),
                                  after_sequence=after, explain=pb.types_pb2.EXPLAIN_SCORES, no_impression=not log, **more)

    def features(self, what, *ask, **more):
        """One item's features by name."""
        hit = next(h for h in self.search(*ask, **more).hits if h.id == what)
        raw = {r.ranker: r.raw for r in hit.explanation.stages[0].rankers}
        return {f: raw[f"r{i}"] for i, f in enumerate(FEATURES)}


class Windows(harness.ServerCase):
    COLLECTIONS, PIPELINES = {"things": COLLECTION}, {"main": PIPELINE}

    def test_windows_rates_and_what_kill_9_leaves_of_them(self):
        s, h = self.server, House(self.server)
        last = s.upsert("things", THINGS)[-1].sequence
        shown = [h.search(last, user="ann", log=True).request_id for _ in range(20)]
        events = [h.event("a1", user="ann", ago=ago, request_id=shown[0], query="red lamp") for ago in (1, 2 * 3600, 3 * 86400, 40 * 86400)]
        events += [h.event("a2", user="ann", ago=5 * 3600, request_id=shown[1]), h.event("b1", user="ann"),
                   h.event("a1", type="purchase", user="ann")]
        last = h.record(*events)
        end = time.monotonic() + 30 * SLOW
        while (f := h.features("a1", last))["shown.day"] < 20 and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual((f["events.click.hour"], f["events.click.day"], f["events.click.month"]), (1, 2, 3))
        self.assertEqual((f["events.click.brand.day"], f["events.click.query.day"], f["shown.day"]), (3, 2, 20))
        mean = 3 / 60
        brand = (3 + 10 * mean) / (40 + 10)
        self.assertAlmostEqual(f["rate.click.day"], (2 + 10 * brand) / 30, places=5)
        b = h.features("b1", last)
        self.assertAlmostEqual(b["rate.click.day"], (10 * (10 * mean) / 30) / 30, places=5)
        self.assertLess(b["rate.purchase.per.click"], f["rate.purchase.per.click"])
        context = pb.types_pb2.Context()
        context.time.GetCurrentTime()
        ids = [x.id for x in THINGS]
        before = [h.features(i, user="ann", context=context) for i in ids]
        s.kill9()
        s.start()
        self.assertEqual([h.features(i, user="ann", context=context) for i in ids], before)


class Sessions(harness.ServerCase):
    COLLECTIONS, PIPELINES = {"things": COLLECTION}, {"main": PIPELINE}

    def test_a_session_is_counted_and_becomes_the_users_who_logs_in(self):
        s, h = self.server, House(self.server)
        s.upsert("things", THINGS)
        last = h.record(h.event("a2", session="s1", ago=3000), h.event("a1", session="s1", ago=300), h.event("b1", session="s1", ago=200),
                        h.event("a2", session="s1", ago=100))
        f = h.features("a1", last, session="s1")
        self.assertEqual((f["session.events"], f["session.item"], f["user.events"]), (3, 1, 4))
        self.assertAlmostEqual(f["session.seconds"], 300, delta=60 * SLOW)
        self.assertAlmostEqual(f["session.brand.share"], 2 / 3, places=5)
        self.assertEqual(h.features("a1", last, user="ann")["user.events"], 0)
        self.assertEqual(h.features("a1", last, user="ann", session="s1")["user.events"], 4)
        last = h.record(h.event("a1", user="ann", session="s1"))
        self.assertEqual(h.features("a1", last, user="ann")["user.events"], 5)
        self.assertEqual(h.features("a1", last, user="ann", session="s1")["user.events"], 5)
        self.assertEqual(h.features("a1", last, user="ben", session="s1")["user.events"], 0)
        later = pb.types_pb2.Context()
        later.time.FromSeconds(int(time.time()) + 3600)
        self.assertEqual(h.features("a1", last, user="ann", session="s1", context=later)["session.events"], 0)

    def test_rates_need_the_collections_word(self):
        wrong = "collection: things\nstages:\n  - keep: 9\n    rank: [{name: x, feature: rate.click}]\n"
        with self.assertRaisesRegex(RuntimeError, "does not count what is shown"):
            harness.Server({"things": COLLECTION.replace("rates: {strength: 10, toward: brand}\n", "")}, {"main": wrong})


if __name__ == "__main__":
    harness.main()
