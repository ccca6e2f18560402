# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments over gRPC: who gets which arm (computed from the documented hash), layers, overrides, replicas; what is counted, held
against numpy and scipy; shadows."""
import math

import numpy as np
from scipy import stats

import harness
from experiments import ITEMS, ORDER, Things, arm_of, bucket, start
from harness import pb


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

if __name__ == "__main__":
    harness.main()
