# SPDX-License-Identifier: GPL-3.0-or-later
"""People: windows and rates as features, sessions that become a user's, all the same after kill -9."""
import functools
import json
import random
import time
import unittest

import harness
from harness import SLOW, item, meanwhile, pb, until

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
        return self.server.record(*events).sequence

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
        until(lambda: h.features("a1", last)["shown.day"] >= 20, 30)
        f = h.features("a1", last)
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


class Attributes(harness.ServerCase):
    COLLECTIONS = {"things": COLLECTION}
    PIPELINES = {"main": "collection: things\nstages:\n  - keep: 9\n    rank:\n      - {name: age, plugin: function, formula: user.age}\n"}

    def age(self, after, user="ann", **sent):
        u = pb.types_pb2.User(user_id=user)
        for k, v in sent.items():
            u.attributes[k].CopyFrom(harness.value(v))
        r = self.server.search(collection="things", query="lamp", user=u, after_sequence=after, explain=pb.types_pb2.EXPLAIN_SCORES)
        ranker = r.hits[0].explanation.stages[0].rankers[0]
        return None if ranker.missing else ranker.raw

    def put(self, user="ann", **more):
        attributes = {k: harness.value(v) for k, v in more.pop("set", {}).items()}
        return self.server.stub("Event").PutUser(ev.PutUserRequest(user_id=user, attributes=attributes, **more), timeout=30 * SLOW)

    def test_stored_attributes_are_below_those_of_the_request(self):
        self.server.upsert("things", THINGS, searchable=True)
        last = self.put(set={"age": 40, "segment": "new"}).sequence
        self.assertEqual(self.age(last), 40)
        self.assertEqual(self.age(last, age=50), 50)
        self.assertIsNone(self.age(last, user="ben"))
        last = self.put(set={"age": 41}, write_id="w").sequence
        self.assertTrue(self.put(set={"age": 99}, write_id="w").repeated_write)
        self.server.kill9()
        self.server.start()
        self.assertEqual(self.age(last), 41)
        shown = self.server.stub("Event").GetUser(ev.GetUserRequest(user_id="ann"), timeout=30 * SLOW)
        self.assertEqual({k: harness.value(41) if k == "age" else harness.value("new") for k in ("age", "segment")}, dict(shown.attributes))
        last = self.put(remove=["age", "never"]).sequence
        self.assertIsNone(self.age(last))
        last = self.put(set={"age": 7}, replace=True).sequence
        self.assertEqual(self.age(last), 7)
        self.assertEqual(list(self.server.stub("Event").GetUser(ev.GetUserRequest(user_id="ann"), timeout=30 * SLOW).attributes), ["age"])

    def test_what_is_refused(self):
        for more, where in ((dict(user=""), "user_id"), (dict(set={f"a{i}": i for i in range(65)}), "attributes"),
                            (dict(set={"a": "x" * 70000}), "attributes"), (dict(set={"a": float("nan")}), "attributes.a"),
                            (dict(write_id="x" * 257), "write_id")):
            self.assertIn(where, self.assert_fails("INVALID_ARGUMENT", self.put, **more).details())
        for request in (ev.GetUserRequest(), ev.GetUserRequest(user_id="a", session_id="b"), ev.GetUserRequest(user_id="a", events=10001)):
            self.assert_fails("INVALID_ARGUMENT", self.server.stub("Event").GetUser, request, timeout=30 * SLOW)


class Joined(harness.ServerCase):
    COLLECTIONS, PIPELINES = {"things": COLLECTION}, {"main": PIPELINE}

    def journal(self):
        out = harness.sinter("journal", "dump", "-c", self.server.conf / "sinter.yaml", "--kind", "event_put", "--json", check=True).stdout
        return {e["event_id"]: e for e in map(json.loads, out.splitlines())}

    def test_an_event_is_filled_from_the_answer_that_it_names(self):
        s, h = self.server, House(self.server)
        last = s.upsert("things", THINGS)[-1].sequence
        answer = h.search(last, user="ann", session="s1", log=True)
        second = answer.hits[1].id
        last = h.record(h.event(second, session="s1", request_id=answer.request_id), h.event("nothing", user="ben", request_id=answer.request_id),
                        h.event(second, user="ann", session="s2", request_id=answer.request_id, query="mine", position=9))
        f = h.features(second, last, user="ann")
        self.assertEqual((f["events.click.query.day"], f["user.events"]), (1, 2))
        told = self.journal()
        self.assertEqual({k: told["e1"].get(k) for k in ("user_id", "query", "position")}, {"user_id": None, "query": None, "position": None})
        self.assertEqual(told["e1"]["joined"], {"user_id": "ann", "query": "red lamp", "position": [2]})
        self.assertNotIn("joined", told["e2"])  # another user's answer
        self.assertNotIn("joined", told["e3"])  # says all itself
        s.restart()

        def joined():
            e = h.event(second, user="ann", request_id=answer.request_id)
            h.record(e)
            return self.journal()[e.event_id].get("joined")
        # Answers from before the start are read behind it.
        self.assertEqual(until(joined, 30), {"session_id": "s1", "query": "red lamp", "position": [2]})


SECRET, OTHER, SESSION = "Ariadne-7f3a", "Theseus-11", "labyrinth-5c"


class Saved(unittest.TestCase):
    def test_profiles_on_disk_shorten_the_start_and_change_nothing(self):
        with harness.Server({"things": COLLECTION}, {"main": PIPELINE}) as s:
            h, r = House(s), random.Random(3)
            s.upsert("things", THINGS)
            file = s.data / "profiles/things"
            people = [f"person-{i}-of-the-test" for i in range(300)]  # no numbers of the file look like that
            for _ in range(3):
                last = h.record(*(h.event(r.choice(["a1", "a2", "b1"]), user=r.choice(people), session=f"s{r.randrange(900)}",
                                          ago=r.randrange(40 * 86400), query="red lamp") for _ in range(8000)))
            now = pb.types_pb2.Context()
            now.time.GetCurrentTime()
            ask = lambda: [h.features(i.id, last, user=people[7], session="s5", context=now) for i in THINGS]
            before = ask()
            until(file.exists, 60)
            behind = h.record(h.event("a1", user=people[7]))  # what comes behind it is walked
            s.kill9()
            s.start()
            self.assertRegex(s.log(), r"profiles.loaded.*sequence")
            self.assertEqual(h.features("a1", behind, user=people[7], session="s5", context=now)["user.events"], before[0]["user.events"] + 1)
            after = ask()
            whole = file.read_bytes()
            for change in (whole[:9999], whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:], None):
                s.kill9()
                file.unlink() if change is None else file.write_bytes(change)
                loaded = s.log().count("profiles.loaded")
                s.start()
                self.assertEqual(ask(), after)
                self.assertEqual(s.log().count("profiles.loaded"), loaded)
            self.assertIn("the profiles on disk are not used: it is broken", s.log())
            for erased in (False, True):
                if erased:
                    s.stub("Event").EraseUser(ev.EraseUserRequest(user_id=people[7]), timeout=60 * SLOW)
                until(file.exists, 60)
                self.assertEqual([people[i].encode() in file.read_bytes() for i in (7, 8)], [not erased, True])


class Erasing(unittest.TestCase):
    """The person with the secret name, amid others."""

    def setUp(self):
        self.server = harness.Server({"things": COLLECTION}, {"main": PIPELINE + "record: 1\n"}, "lanes: 2\n")
        self.addCleanup(self.server.close)
        self.h = House(self.server)
        self.last = self.server.upsert("things", THINGS)[-1].sequence
        self.events = self.server.stub("Event")

    def live(self, times=20):
        h = self.h
        for i in range(times):
            for user in (SECRET, OTHER):
                session = SESSION if user == SECRET else "s-other"
                r = h.search(self.last, user=user if i else "", session=session, log=True)
                self.last = h.record(h.event("a1", user=user if i else "", session=session, request_id=r.request_id, query=f"where is {user}"))
        self.events.PutUser(ev.PutUserRequest(user_id=SECRET, attributes={"name": harness.value(SECRET)}, write_id=SECRET), timeout=30 * SLOW)
        until(lambda: self.server.counters()["impressions_stored"] >= 2 * times, 30)

    def erase(self, timeout=120, **more):
        return self.events.EraseUser(ev.EraseUserRequest(**(more or dict(user_id=SECRET))), timeout=timeout * SLOW)

    def show(self, **who):
        return self.events.GetUser(ev.GetUserRequest(**who), timeout=60 * SLOW)

    def where(self, *needles):
        """Files of the data directory, and the log, that hold a needle."""
        files = [p for p in self.server.data.rglob("*") if p.is_file()] + [self.server.log_path]
        return sorted({str(p.relative_to(self.server.dir)) for p in files for n in needles if n.encode() in p.read_bytes()})

    def verify(self):
        for kind in ("catalogue", "impressions"):
            harness.sinter("journal", "verify", self.server.data / "journal" / kind, check=True)

    def test_an_erased_person_is_in_no_file(self):
        h = self.h
        self.live()
        self.assertEqual(self.where(SECRET), ["data/journal/catalogue/data.mdb", "data/journal/impressions/data.mdb"])
        shown = self.show(user_id=SECRET, events=3)
        self.assertEqual((shown.answers, shown.recorded_requests, list(shown.sessions)), (20, 20, [SESSION]))
        self.assertEqual([(c.collection, c.type, c.count) for c in shown.counts], [("things", "click", 20)])
        self.assertEqual(len(shown.events), 3)
        self.assertEqual(h.features("a1", self.last, user=SECRET)["user.events"], 20)
        clicks = h.features("a1", self.last)["events.click.day"]
        counts = dict(events=20, attributes=1, answers=20, recorded_requests=20, sessions=1)
        told = self.erase(user_id=SECRET, dry_run=True)
        self.assertEqual({k: getattr(told, k) for k in counts}, counts)
        self.assertEqual(told.sequence, 0)
        self.assertEqual(self.show(user_id=SECRET).answers, 20)
        told = self.erase()
        self.assertEqual({k: getattr(told, k) for k in counts}, counts)
        self.assertEqual(self.where(SECRET, SESSION), [])
        after = h.features("a1", told.sequence, user=SECRET)
        self.assertEqual((after["user.events"], after["events.click.day"]), (0, clicks - 20))
        self.assertEqual(h.features("a1", told.sequence, user=OTHER)["user.events"], 20)
        again = self.erase()
        self.assertTrue(again.repeated)
        self.assertEqual(({k: getattr(again, k) for k in counts}, again.sequence), (counts, told.sequence))
        self.assertEqual(self.erase(user_id="nobody").sequence, 0)
        # What a client sends again is known, and stays out.
        e = h.event("a1", user=SECRET)
        e.event_id = "e2"
        self.assertEqual(self.events.RecordEvents(ev.RecordEventsRequest(events=[e]), timeout=30 * SLOW).repeated, 1)
        now = pb.types_pb2.Context()
        now.time.GetCurrentTime()
        before = [h.features(i.id, told.sequence, context=now) for i in THINGS]
        self.server.stop()
        self.verify()
        self.assertEqual(self.where(SECRET, SESSION), [])
        self.server.start()
        self.assertEqual(before, [h.features(i.id, context=now) for i in THINGS])
        # Who comes back is new.
        self.last = h.record(h.event("a1", user=SECRET))
        self.assertEqual(h.features("a1", self.last, user=SECRET)["user.events"], 1)
        self.events = self.server.stub("Event")
        self.assertEqual(self.erase().events, 1)

    def test_a_session_is_erased_too(self):
        self.live(3)
        told = self.erase(session_id=SESSION)
        self.assertEqual((told.events, told.attributes, told.answers), (3, 0, 3))
        self.assertEqual(self.show(user_id=OTHER).answers, 3)

    def test_kill_9_in_the_middle_and_it_goes_on(self):
        h, random_ = self.h, random.Random(7)
        self.live(30)
        began = time.monotonic()
        self.erase(user_id=OTHER)
        took = time.monotonic() - began
        self.live(30)
        future = self.events.EraseUser.future(ev.EraseUserRequest(user_id=SECRET), timeout=60 * SLOW)
        for _ in range(4):
            time.sleep(random_.uniform(0.02, took))
            self.server.kill9()
            self.server.start()
        future.cancel()
        self.events = self.server.stub("Event")
        told = self.erase()
        self.assertGreater(told.sequence, 0)
        self.assertEqual(self.where(SECRET, SESSION), [])
        self.assertEqual(h.features("a1", user=SECRET)["user.events"], 0)
        self.server.stop()
        self.verify()

    def test_serving_goes_on_meanwhile(self):
        self.live(10)
        done = [0]

        def use(h, user):
            h.search(user=user, log=True)
            h.record(h.event("a1", user=user))
            done[0] += 1

        houses = [House(self.server) for _ in range(3)]
        for n, h in enumerate(houses, 1):
            h.n = 1000 * n
        with meanwhile(*(functools.partial(use, h, f"u{n}") for n, h in enumerate(houses, 1))) as failed:
            told = [self.erase(user_id=who) for who in (SECRET, "u1", OTHER)]
        self.assertEqual(failed, [])
        self.assertGreater(done[0], 10)
        self.assertEqual((told[0].events, told[2].events), (10, 10))
        self.assertEqual(self.where(SECRET, OTHER), [])


if __name__ == "__main__":
    harness.main()
