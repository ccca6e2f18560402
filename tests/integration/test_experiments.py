# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments over gRPC: who gets which arm (computed here from the documented hash, without the server's code), what is counted
(held against numpy and scipy), shadows, overrides, stops that outlive kill -9, guardrails that stop an arm by themselves."""
import math
import time
import unittest

import numpy as np
import xxhash
from scipy import stats

import harness
from harness import SLOW, pb

COLLECTION = """
fields:
  title: {type: text}
  price: number
events: {click: 1, purchase: 5, basket: 2}
default_pipeline: cheap
"""
CHEAP = """
collection: things
stages:
  - keep: 50
    rank:
      - {name: cheap, plugin: function, formula: "0 - item.price"}
"""
PIPELINES = {"cheap": CHEAP, "dear": CHEAP.replace("0 - item.price", "item.price"),
             "none": CHEAP + "rewrite:\n  - {plugin: rules, file: ../rules/none.yaml}\n"}
RULES = """
rules:
  - {id: nothing, when: {}, then: [{add_filter: "price < 0"}]}
"""
ORDER = """
unit: user
salt: order-1
arms:
  low: {share: 0.5}
  high: {pipeline: dear, share: 0.5}
  ghost: {pipeline: dear, shadow: true}
metrics: {primary: ctr@3, every: 200ms}
"""
ITEMS = 12


def bucket(salt, unit, id):
    """As docs/experiments.md has it."""
    return xxhash.xxh3_64_intdigest(f"{salt}/{unit}/{id}".encode()) % 10000


def arm_of(user, salt="order-1"):
    return "low" if bucket(salt, "user", user) < 5000 else "high"


def things(server):
    server.upsert("things", [harness.item(f"i{i}", title="lamp", price=float(i)) for i in range(ITEMS)], searchable=True)


class Things:
    """What all servers here are asked."""

    def ask(self, server, user="", session="", request_id="", **more):
        return server.search(collection="things", query="lamp", page_size=5, request_id=request_id,
                             user=pb.types_pb2.User(user_id=user, session_id=session), **more)

    def taken(self, answer, experiment="order"):
        return next((x for x in answer.assignment.experiments if x.experiment == experiment), None)

    def report(self, server, name="order", **more):
        return server.stub("Admin").GetExperimentReport(pb.admin_pb2.GetExperimentReportRequest(experiment=name, **more), timeout=30 * SLOW)

    def wait(self, what, seconds=20):
        end = time.monotonic() + seconds * SLOW
        while not what():
            self.assertLess(time.monotonic(), end, "waited too long")
            time.sleep(0.05)

    def counted(self, server, name="order"):
        """The report once all impressions and events that are on disk are in it: events settle for two seconds."""
        server.wait_impressions()
        time.sleep(2.1)
        self.wait(lambda: self.report(server, name).counted == 1)
        time.sleep(0.3)
        return self.report(server, name)

    def events(self, server, *events):
        r = server.stub("Event").RecordEvents(pb.events_pb2.RecordEventsRequest(events=[
            pb.events_pb2.Event(collection="things", **e) for e in events]), timeout=10 * SLOW)
        self.assertFalse(r.rejected)


def start(experiments, settings="", **more):
    files = {f"experiments/{name}.yaml": text for name, text in experiments.items()}
    s = harness.Server({"things": COLLECTION}, PIPELINES, settings, {"rules/none.yaml": RULES, **files}, **more)
    things(s)
    return s


class Assignment(harness.ServerCase, Things):
    @classmethod
    def setUpClass(cls):
        cls.server = start({"order": ORDER, "words": "unit: session\narms: {on: {options: {operator: and}}, off: {}}\n"},
                           "experiments: {allow_override: true}")

    def test_the_arm_is_what_the_documented_hash_gives(self):
        for i in range(300):
            user = f"user {i} ü"
            r = self.ask(self.server, user)
            x = self.taken(r)
            self.assertEqual((x.arm, x.bucket, x.unit), (arm_of(user), bucket("order-1", "user", user), "user"))
            self.assertEqual(r.assignment.pipeline, "cheap" if x.arm == "low" else "dear")
            self.assertEqual(r.hits[0].id, "i0" if x.arm == "low" else "i11")

    def test_who_is_unknown_is_known_by_the_session_or_not_in_it(self):
        x = self.taken(self.ask(self.server, session="s1"))
        self.assertEqual((x.unit, x.bucket), ("session", bucket("order-1", "session", "s1")))
        self.assertIsNone(self.taken(self.ask(self.server)))
        self.assertEqual(self.ask(self.server).assignment.pipeline, "cheap")

    def test_layers_lie_across_each_other(self):
        r = self.ask(self.server, "u1", "s1")
        self.assertEqual([x.experiment for x in r.assignment.experiments], ["order", "words"])
        table = np.zeros((2, 2))
        for i in range(20000):
            table[bucket("order-1", "user", str(i)) < 5000, bucket("words", "session", str(i)) < 5000] += 1
        self.assertGreater(stats.chi2_contingency(table, correction=False)[1], 0.001)

    def test_what_the_request_says_itself_is_not_varied(self):
        r = self.ask(self.server, "u1", "s1", pipeline="dear")
        self.assertEqual([x.experiment for x in r.assignment.experiments], ["words"])
        r = self.ask(self.server, "u1", "s1", options=pb.search_pb2.QueryOptions(operator=1))
        self.assertEqual([x.experiment for x in r.assignment.experiments], ["order"])

    def test_options_of_an_arm_act(self):
        def found(arm):
            r = self.server.search(collection="things", query="lamp unheard", experiment_arms={"words": arm},
                                   options=pb.search_pb2.QueryOptions(typos=1, when_empty=1), user=pb.types_pb2.User(session_id="s"))
            return r.total
        self.assertEqual((found("on"), found("off")), (0, ITEMS))

    def test_an_override_is_obeyed_and_left_out(self):
        before = {a.arm: a.impressions for a in self.counted(self.server).arms}
        for arm, first in (("low", "i0"), ("high", "i11"), ("ghost", "i11")):
            r = self.ask(self.server, "u1", "s1", experiment_arms={"order": arm})
            self.assertEqual(r.hits[0].id, first)
            self.assertTrue(all(x.overridden for x in r.assignment.experiments))
        self.assertEqual({a.arm: a.impressions for a in self.counted(self.server).arms}, before)
        e = self.assert_fails("NOT_FOUND", self.ask, self.server, "u1", experiment_arms={"ordr": "low"})
        self.assertIn("did you mean 'order'?", e.details())
        e = self.assert_fails("NOT_FOUND", self.ask, self.server, "u1", experiment_arms={"order": "hgh"})
        self.assertIn("experiment_arms[order]", e.details())

    def test_a_replica_gives_the_same_arms(self):
        with start({"order": ORDER}) as other:
            for i in range(50):
                self.assertEqual(self.taken(self.ask(self.server, f"u{i}")).arm, self.taken(self.ask(other, f"u{i}")).arm)
            e = self.assert_fails("PERMISSION_DENIED", self.ask, other, "u1", experiment_arms={"order": "low"})
            self.assertIn("experiment_arms", e.details())


def ratio(y, x):
    """Mean and its variance over units: linearised (delta method), written without looking at the server's way."""
    y, x = np.asarray(y, float), np.asarray(x, float)
    r = y.sum() / x.sum()
    return r, np.var(y - r * x, ddof=1) / len(y) / x.mean() ** 2


class Counting(harness.ServerCase, Things):
    """One stretch of traffic, counted here as well."""

    @classmethod
    def setUpClass(cls):
        cls.server = start({"order": ORDER})
        cls.rng = np.random.default_rng(5)
        cls.units = {}
        self = cls("test_means_differences_and_intervals")
        events = []
        for i in range(1200):
            user = f"u{cls.rng.integers(260)}"
            request = f"r{i}"
            query = "lamp" if cls.rng.random() < 0.9 else "unheard"
            r = cls.server.search(collection="things", query=query, page_size=5, request_id=request,
                                  options=pb.search_pb2.QueryOptions(typos=1, when_empty=1), user=pb.types_pb2.User(user_id=user))
            u = cls.units.setdefault(user, dict(requests=0, clicked=0, clicks=0, bought=0, value=0.0, zero=0))
            u["requests"] += 1
            u["zero"] += not r.hits
            hit_first = False
            for p, hit in enumerate(r.hits, 1):
                if cls.rng.random() > 0.25 - 0.03 * p:
                    continue
                events.append(dict(event_id=f"{request}-c{p}", type="click", user_id=user, item_ids=[hit.id], request_id=request,
                                   position=p))
                u["clicks"] += 1
                hit_first |= p <= 3
                if cls.rng.random() < 0.4:
                    value = float(cls.rng.integers(1, 50))
                    events.append(dict(event_id=f"{request}-p{p}", type="purchase", user_id=user, item_ids=[hit.id],
                                       request_id=request, value=value))
                    u["bought"] += 1
                    u["value"] += value
            u["clicked"] += hit_first
        for at in range(0, len(events), 200):
            self.events(cls.server, *events[at:at + 200])
        self.events(cls.server, *events[:50])  # sent again: known already
        self.events(cls.server, dict(event_id="stray", type="click", user_id="u1", item_ids=["i1"], request_id="never"),
                    dict(event_id="other", type="basket", user_id="u1", item_ids=["i1"], request_id="r1"))
        cls.joined = len(events)
        cls.answer = self.counted(cls.server)

    def arm(self, name):
        return next(a for a in self.answer.arms if a.arm == name)

    def mine(self, name):
        rows = [u for user, u in self.units.items() if arm_of(user) == name]
        return {k: np.array([u[k] for u in rows]) for k in rows[0]}

    def estimates(self, name):
        m = self.mine(name)
        ones = np.ones(len(m["requests"]))
        return {"ctr@3": ratio(m["clicked"], m["requests"]), "clicks": ratio(m["clicks"], m["requests"]),
                "conversion": ratio(m["bought"] > 0, ones), "value": ratio(m["value"], ones),
                "zero_results": ratio(m["zero"], m["requests"])}

    def test_counts(self):
        self.assertEqual(self.answer.counted, 1)
        for name in ("low", "high"):
            a, m = self.arm(name), self.mine(name)
            self.assertEqual((a.units, a.impressions, a.zero_results, a.clicks, a.conversions),
                             (len(m["requests"]), *(m[k].sum() for k in ("requests", "zero", "clicks", "bought"))))
            self.assertAlmostEqual(a.value, m["value"].sum())
            self.assertTrue(0 < a.p50_ms <= a.p99_ms < 1000)
        self.assertEqual((self.answer.events_joined, self.answer.events_apart), (self.joined, 1))

    def test_means_differences_and_intervals(self):
        low, high = self.estimates("low"), self.estimates("high")
        told = {m.name: m for m in self.arm("high").metrics}
        self.assertEqual([m.name for m in told.values() if m.primary], ["ctr@3"])
        for name, (mean, variance) in high.items():
            with self.subTest(metric=name):
                m, (base, base_variance) = told[name], low[name]
                self.assertAlmostEqual(m.mean, mean, 10)
                self.assertAlmostEqual(m.mean_high - m.mean, 1.959964 * math.sqrt(variance), 6)
                d, error = m.difference, math.sqrt(variance + base_variance)
                self.assertAlmostEqual(d.difference, mean - base, 10)
                self.assertAlmostEqual(d.high - d.difference, stats.norm.ppf(0.975) * error, 9)
                self.assertAlmostEqual(d.p, 2 * stats.norm.sf(abs(mean - base) / error), 9)
                self.assertAlmostEqual(d.lift, mean / base - 1, 9)
                relative = math.sqrt(variance / mean ** 2 + base_variance / base ** 2)
                self.assertAlmostEqual(math.log((1 + d.lift_high) / (1 + d.lift)), stats.norm.ppf(0.975) * relative, 8)
                z = 0.05 * base / error
                self.assertAlmostEqual(d.power, stats.norm.sf(1.959963984540054 - z) + stats.norm.cdf(-1.959963984540054 - z), 9)
                self.assertAlmostEqual(d.detectable, (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * error / base, 9)
                self.assertGreaterEqual(d.anytime_p, d.p)

    def test_sample_ratio(self):
        units = [self.arm(n).units for n in ("low", "high")]
        self.assertAlmostEqual(self.answer.sample_ratio.p, stats.chisquare(units)[1], 9)
        self.assertFalse(self.answer.sample_ratio.alarm)
        self.assertEqual(list(self.answer.sample_ratio.expected), [sum(units) / 2] * 2)

    def test_the_shadow_is_beside_control_and_is_not_shown(self):
        s = self.answer.shadows[0]
        self.assertEqual((s.arm, s.pipeline, s.requests, s.failed), ("ghost", "dear", self.arm("low").impressions, 0))
        self.assertEqual(s.zero_results, self.arm("low").zero_results)
        zero = s.zero_results / s.requests  # the five cheapest of twelve and the five dearest: nothing alike, but for empty pages
        self.assertAlmostEqual(s.overlap, zero, 9)
        self.assertAlmostEqual(s.rank_biased_overlap, zero, 9)

    def test_all_over_again_gives_the_same(self):
        before = self.report(self.server)
        self.server.kill9()
        self.server.start()
        again = self.counted(self.server)
        for m in (before, again):
            m.request_id = ""
            m.ClearField("until")
        self.assertEqual(before, again)
        self.assertEqual(self.taken(self.ask(self.server, "u7")).arm, arm_of("u7"))

    def test_unknown_names_are_told(self):
        e = self.assert_fails("NOT_FOUND", self.report, self.server, "ordre")
        self.assertIn("did you mean 'order'?", e.details())
        self.assert_fails("INVALID_ARGUMENT", self.report, self.server, "order", lift=-1)
        self.assert_fails("INVALID_ARGUMENT", self.report, self.server, "")


class Changes(unittest.TestCase, Things):
    assert_fails = harness.ServerCase.assert_fails

    def stop(self, server, arm="", name="order", why="tried enough"):
        return server.stub("Admin").StopExperiment(
            pb.admin_pb2.StopExperimentRequest(experiment=name, arm=arm, who="me", why=why), timeout=30 * SLOW)

    def start_again(self, server, arm="", name="order"):
        return server.stub("Admin").StartExperiment(
            pb.admin_pb2.StartExperimentRequest(experiment=name, arm=arm, who="me"), timeout=30 * SLOW)

    def users(self, arm, n=4):
        return [u for u in (f"u{i}" for i in range(200)) if arm_of(u) == arm][:n]

    def test_a_stop_lasts(self):
        with start({"order": ORDER}) as s:
            user = self.users("high")[0]
            self.assertEqual(self.ask(s, user).hits[0].id, "i11")
            self.assertGreater(self.stop(s, "high").sequence, 0)
            r = self.ask(s, user)
            self.assertEqual((r.hits[0].id, self.taken(r).arm, self.taken(r).stopped), ("i0", "high", True))
            self.assertEqual(self.stop(s, "high").sequence, 0)
            s.wait_impressions()
            s.kill9()
            s.start()
            self.assertEqual(self.ask(s, user).hits[0].id, "i0")
            s.reload()
            self.assertEqual(self.ask(s, user).hits[0].id, "i0")
            info = s.status().experiments[0].arms[1]
            self.assertEqual((info.name, info.is_stopped, info.stopped_by, info.stopped_why), ("high", True, "me", "tried enough"))
            self.assertEqual(self.counted(s).arms[1].impressions, 1)  # as of its stop
            self.assert_fails("FAILED_PRECONDITION", self.stop, s, "low")
            self.assert_fails("NOT_FOUND", self.stop, s, "middle")
            self.assertGreater(self.start_again(s, "high").sequence, 0)
            self.assertEqual(self.ask(s, user).hits[0].id, "i11")
            self.assertEqual(self.counted(s).arms[1].impressions, 1)  # counted anew
            self.stop(s)
            self.assertIsNone(self.taken(self.ask(s, user)))
            self.assertEqual(s.status().experiments[0].state, "stopped")
            s.write("experiments/order.yaml", ORDER.replace("order-1", "order-2"))
            s.reload()
            self.assertEqual(s.status().experiments[0].state, "running")
            self.assertEqual(self.taken(self.ask(s, user)).arm, arm_of(user, "order-2"))

    def test_reload_takes_experiments_and_refuses_bad_ones(self):
        with start({}) as s:
            self.assertIsNone(self.taken(self.ask(s, "u1")))
            path = s.write("experiments/order.yaml", ORDER)
            self.assertIn("experiment order: new", s.reload().changes)
            self.assertEqual(self.taken(self.ask(s, "u1")).arm, arm_of("u1"))
            path.write_text(ORDER.replace("dear", "deer"))
            e = self.assert_fails("INVALID_ARGUMENT", s.reload)
            self.assertIn("order.yaml:6:20: unknown pipeline 'deer'; did you mean 'dear'?", e.details())
            self.assertEqual(self.taken(self.ask(s, "u1")).arm, arm_of("u1"))
            path.unlink()
            self.assertIn("experiment order: gone", s.reload().changes)
            self.assertIsNone(self.taken(self.ask(s, "u1")))

    def test_a_growing_ramp_takes_more_in_and_moves_nobody(self):
        ramp = "ramp: [{from: 2026-01-01, share: 0.2}, {from: 2026-01-10, share: 1, over: 10d}]\n"
        with start({"order": ORDER + ramp}) as s:
            before, counts = {}, []
            for day in (5, 15, 25):
                t = pb.types_pb2.Context()
                t.time.FromJsonString(f"2026-01-{day:02}T00:00:00Z")
                now = {f"u{i}": getattr(self.taken(self.ask(s, f"u{i}", context=t)), "arm", None) for i in range(400)}
                now = {u: a for u, a in now.items() if a}
                self.assertLessEqual(before.items(), now.items())
                counts.append(len(now))
                before = now
            for n, share in zip(counts, (0.2, 0.6, 1)):
                self.assertAlmostEqual(n / 400, share, delta=0.09)

    def test_events_without_a_request_id_are_joined_by_person_and_item(self):
        with start({"order": ORDER}) as s:
            user, other = self.users("low", 2)
            r = self.ask(s, user)
            self.events(s, dict(type="purchase", user_id=user, item_ids=[r.hits[2].id], value=7),
                        dict(type="purchase", user_id=user, item_ids=["i11"], value=5),  # never shown to this one
                        dict(type="purchase", user_id=other, item_ids=[r.hits[2].id], value=5))
            old = dict(type="purchase", user_id=user, item_ids=[r.hits[2].id], value=5)
            late = pb.events_pb2.Event(collection="things", **old)
            late.time.FromJsonString("2020-01-01T00:00:00Z")  # before it was shown
            s.stub("Event").RecordEvents(pb.events_pb2.RecordEventsRequest(events=[late]), timeout=10 * SLOW)
            got = self.counted(s)
            low = got.arms[0]
            self.assertEqual((low.conversions, low.value), (1, 7))
            self.assertEqual((got.events_joined, got.events_apart), (1, 3))

    def test_a_guardrail_stops_an_arm_that_finds_nothing_and_no_other(self):
        guarded = """
unit: user
salt: order-1
arms: {low: {share: 0.5}, high: {pipeline: none, share: 0.5}}
metrics: {every: 100ms, guardrails: [zero_results, errors]}
"""
        with start({"order": guarded}) as s:
            for i in range(600):
                self.ask(s, f"u{i}")
            self.wait(lambda: s.status().experiments[0].arms[1].stopped_why)
            info = s.status().experiments[0].arms
            self.assertEqual((info[1].stopped_by, info[0].is_stopped), ("guard", False))
            self.assertIn("zero_results is worse than that of 'low'", info[1].stopped_why)
            self.assertIn("experiment.guard", s.log())
            self.assertEqual(self.ask(s, self.users("high")[0]).hits[0].id, "i0")
            s.restart()
            self.assertEqual(self.ask(s, self.users("high")[0]).hits[0].id, "i0")
            self.assertTrue(self.counted(s).arms[1].guards[0].broken)

    def test_a_broken_sample_ratio_raises_the_alarm(self):
        with start({"order": ORDER}) as s:
            for i in range(900):  # a part of one arm's requests leaves no trace, as where a client drops what is slow
                user = f"u{i}"
                self.ask(s, user, no_impression=arm_of(user) == "high" and i % 3 == 0)
            got = self.counted(s)
            self.assertTrue(got.sample_ratio.alarm)
            self.assertLess(got.sample_ratio.p, 0.001)
            self.assertTrue(any("sample ratio" in n for n in got.notes))


if __name__ == "__main__":
    harness.main()
