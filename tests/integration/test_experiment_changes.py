# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments that change: stops that outlive kill -9, reloads, ramps, events without a request id, requests as units, guardrails that
stop an arm by themselves, a broken sample ratio."""
import time

import harness
from experiments import ORDER, Things, arm_of, bucket, start
from harness import SLOW, pb, until


class Changes(harness.Case, Things):
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
            s.record(late)
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
            until(lambda: s.status().experiments[0].arms[1].stopped_why)
            info = s.status().experiments[0].arms
            self.assertEqual((info[1].stopped_by, info[0].is_stopped), ("guard", False))
            self.assertIn("zero_results is worse than that of 'low'", info[1].stopped_why)
            self.assertIn("experiment.guard", s.log())
            self.assertEqual(self.ask(s, self.users("high")[0]).hits[0].id, "i0")
            s.restart()
            self.assertEqual(self.ask(s, self.users("high")[0]).hits[0].id, "i0")
            self.assertTrue(self.counted(s).arms[1].guards[0].broken)

    def test_requests_may_be_units_and_later_pages_belong_to_their_first(self):
        each = "unit: request\nsalt: r\narms: {low: {}, high: {pipeline: dear}}\nmetrics: {window: 1s, primary: ctr@3}\n"
        with start({"order": ORDER, "each": each.replace("unit", "collection: things\nunit").replace("{pipeline: dear}", "{options: {operator: and}}")}) as s:
            clicked = {"low": 0, "high": 0}
            for i in range(60):
                r = self.ask(s, "u1", request_id=f"q{i}")
                x = self.taken(r, "each")
                self.assertEqual((x.bucket, x.unit), (bucket("r", "request", f"q{i}"), "request"))
                if i % 3 == 0:
                    self.events(s, dict(event_id=f"e{i}", type="click", user_id="u1", item_ids=[r.hits[0].id], request_id=f"q{i}"))
                    clicked[x.arm] += 1
            page = self.ask(s, "u1", request_id="later", offset=5)
            self.events(s, dict(event_id="el", type="click", user_id="u1", item_ids=[page.hits[0].id], request_id="later"))
            order = {a.arm: a for a in self.counted(s).arms}[arm_of("u1")]
            self.assertEqual((order.units, order.impressions, order.clicks), (1, 60, 21))
            time.sleep(1)  # past the window: requests that were units are closed, and still counted
            self.ask(s, "u2", request_id="wakes")
            got = {a.arm: a for a in self.counted(s, "each").arms}
            self.assertEqual(sum(a.units for a in got.values()), 60 + 1 + 1 + 1)  # and the search that waited for the items
            for name, n in clicked.items():
                m = next(m for m in got[name].metrics if m.name == "ctr@3")
                self.assertAlmostEqual(m.mean * got[name].impressions, n, 9)

    def test_who_is_erased_is_counted_no_more(self):
        with start({"order": ORDER}) as s:
            one, two = self.users("low", 2)
            for user in (one, two, two):
                r = self.ask(s, user)
                self.events(s, dict(type="click", user_id=user, item_ids=[r.hits[0].id], request_id=r.request_id))
            low = self.counted(s).arms[0]
            self.assertEqual((low.units, low.impressions, low.clicks), (2, 3, 3))
            s.stub("Event").EraseUser(pb.events_pb2.EraseUserRequest(user_id=two), timeout=60 * SLOW)
            low = self.counted(s).arms[0]
            self.assertEqual((low.units, low.impressions, low.clicks), (1, 1, 1))

    def test_no_event_overtakes_the_answer_that_it_belongs_to(self):
        with start({"order": ORDER}) as s:  # impressions are on disk a tenth of a second behind, clicks at once
            for i in range(400):
                r = self.ask(s, f"u{i % 50}", request_id=f"q{i}")
                self.events(s, dict(type="click", user_id=f"u{i % 50}", item_ids=[r.hits[0].id], request_id=f"q{i}"))
            got = self.counted(s)
            self.assertEqual((got.events_joined, got.events_apart), (400, 0))

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
