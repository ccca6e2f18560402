#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`sinter demo play` and `judge` from outside: against a stand-in server that shows every request and event, and that fails
on demand; and against a real one that holds the shop."""
import collections
import concurrent.futures
import json
import pathlib
import random
import signal
import subprocess
import tempfile
import threading
import time
import unittest

import grpc

import harness
from harness import pb

SINTER = str(harness.BUILD / "bin/sinter")
SMALL = ("--items", "300", "--users", "60", "--queries", "30", "--events", "500")


def demo(*arguments, timeout=120):
    return subprocess.run([SINTER, "demo", *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout * harness.SLOW)


class World:
    def __init__(self, folder, seed=1):
        self.dir = pathlib.Path(folder) / f"world-{seed}"
        made = demo("generate", "--seed", seed, *SMALL, self.dir)
        assert made.returncode == 0, made.stderr
        lines = lambda name: [json.loads(x) for x in (self.dir / f"truth/{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        self.items = [i["id"] for i in lines("items")]
        self.users = {u["id"]: u for u in lines("users")}
        self.queries = {q["text"] for q in lines("queries")}


class StandIn:
    """Answers Search by a fixed order of the world's items for each request id, and keeps all that it is told."""

    def __init__(self, world, known_types=("click", "purchase")):
        self.world, self.known_types = world, known_types
        self.searches, self.events, self.calls = [], [], 0
        self.busy = self.stray = self.slow = 0.0  # shares of calls, seconds
        self.empty = self.unimplemented = False
        self.lock = threading.Lock()
        self.random = random.Random(1)
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(16))
        pb.search_pb2_grpc.add_SearchServiceServicer_to_server(self, self.server)
        pb.events_pb2_grpc.add_EventServiceServicer_to_server(self, self.server)
        pb.admin_pb2_grpc.add_AdminServiceServicer_to_server(self, self.server)
        pb.catalog_pb2_grpc.add_CatalogServiceServicer_to_server(self, self.server)
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def page(self, request):
        order = random.Random(request.query).sample(self.world.items, min(request.page_size, len(self.world.items)))
        return [] if self.empty else order

    def maybe_fail(self, context):
        with self.lock:
            self.calls += 1
            draw = self.random.random()
        if draw < self.busy / 2:
            context.abort(grpc.StatusCode.UNAVAILABLE, "going down")
        if draw < self.busy:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy")

    def Search(self, request, context):
        if self.slow:
            time.sleep(self.slow)
        self.maybe_fail(context)
        hits = self.page(request)
        if self.stray:
            hits = ["stranger" if n % 4 == 0 else h for n, h in enumerate(hits)]
        with self.lock:
            self.searches.append((context.peer(), request))
        return pb.search_pb2.SearchResponse(request_id=request.request_id, hits=[pb.types_pb2.Hit(id=h) for h in hits])

    def RecordEvents(self, request, context):
        if self.unimplemented:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "not built")
        with self.lock:
            known = {e.event_id for e in self.events}
            answer = pb.events_pb2.RecordEventsResponse()
            for n, e in enumerate(request.events):
                if e.type not in self.known_types:
                    answer.rejected.add(index=n, event_id=e.event_id, field="type", reason=f"'{e.type}' is not known",
                                        valid=", ".join(self.known_types))
                elif e.event_id in known:
                    answer.repeated += 1
                else:
                    answer.accepted += 1
                    self.events.append(e)
            answer.sequence = 100 + len(self.events)
        self.maybe_fail(context)  # after recording: the acknowledgement is what gets lost
        return answer

    def GetStatus(self, request, context):
        return pb.admin_pb2.GetStatusResponse(sequence=100 + len(self.events))

    def ListCollections(self, request, context):
        return pb.catalog_pb2.ListCollectionsResponse(
            collections=[pb.catalog_pb2.Collection(name="shop", pipelines=["shop"], default_pipeline="shop")])

    def __getattr__(self, name):
        if name[0].isupper():
            return lambda request, context: context.abort(grpc.StatusCode.UNIMPLEMENTED, name)
        raise AttributeError(name)

    def close(self):
        self.server.stop(0).wait()


class Play(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="sinter-test-")
        cls.world = World(cls.temporary.name)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def setUp(self):
        self.stand_in = self.fresh()

    def fresh(self, **more):
        stand_in = StandIn(self.world, **more)
        self.addCleanup(stand_in.close)
        return stand_in

    def play(self, *arguments, to=None, code=0, requests=300):
        r = demo("play", "--server", (to or self.stand_in).address, "--seed", 5, "--requests", requests, "--json", *arguments,
                 self.world.dir)
        self.assertEqual(r.returncode, code, r.stderr)
        return json.loads(r.stdout) if r.stdout else {}, r.stderr

    @staticmethod
    def acts(stand_in):
        return sorted((e.event_id, e.type, e.item_ids[0], e.position, e.time.ToMilliseconds()) for e in stand_in.events)

    def test_requests_are_of_people_in_the_worlds_time(self):
        summary, _ = self.play("--pipeline", "fancy", "--page-size", 25, "--from", 1000)
        requests = {r.request_id: r for _, r in self.stand_in.searches}
        self.assertEqual(set(requests), {f"play-5-{k}" for k in range(1000, 1300)})
        self.assertEqual((summary["requests"], summary["from"], summary["next"], summary["interrupted"]), (300, 1000, 1300, False))
        for r in requests.values():
            user = self.world.users[r.user.user_id]
            self.assertEqual(r.user.attributes["segment"].string_value, user["attributes"]["segment"])
            self.assertEqual(r.user.attributes["member"].boolean_value, user["attributes"]["member"])
            self.assertTrue(r.user.session_id.startswith(r.user.user_id + "-d"))
            self.assertIn(r.query, self.world.queries)
            self.assertEqual((r.collection, r.pipeline, r.page_size, r.no_impression), ("shop", "fancy", 25, False))
            number = int(r.request_id.split("-")[2])
            self.assertEqual(r.context.time.ToMilliseconds(), 1767225600000 + (number + 1) * 20000)
        self.assertGreater(len({r.user.user_id for r in requests.values()}), 30)

    def test_a_person_stays_on_one_connection_and_in_order(self):
        self.play("--in-flight", 4)
        peers, last = collections.defaultdict(set), {}
        for peer, r in self.stand_in.searches:
            peers[r.user.user_id].add(peer)
            number = int(r.request_id.split("-")[2])
            self.assertGreater(number, last.get(r.user.user_id, -1))
            last[r.user.user_id] = number
        self.assertTrue(all(len(p) == 1 for p in peers.values()))
        self.assertEqual(len({p for ps in peers.values() for p in ps}), 4)

    def test_events_are_about_what_was_shown(self):
        summary, _ = self.play()
        requests = {r.request_id: r for _, r in self.stand_in.searches}
        clicked = {(e.request_id, e.position) for e in self.stand_in.events if e.type == "click"}
        for e in self.stand_in.events:
            r = requests[e.request_id]
            self.assertEqual([self.stand_in.page(r)[e.position - 1]], list(e.item_ids))
            self.assertEqual((e.user_id, e.session_id, e.query, e.collection),
                             (r.user.user_id, r.user.session_id, r.query, "shop"))
            self.assertTrue(0 < e.time.ToMilliseconds() - r.context.time.ToMilliseconds() < 20000)
            self.assertIn((e.request_id, e.position), clicked)
            self.assertGreater(e.value, 0)
        types = collections.Counter(e.type for e in self.stand_in.events)
        self.assertEqual((types["click"], types["purchase"]), (summary["clicks"], summary["purchases"]))
        self.assertGreater(types["purchase"], 0)
        self.assertEqual(summary["accepted"], len(self.stand_in.events))
        by_position = collections.Counter(e.position for e in self.stand_in.events if e.type == "click")
        self.assertEqual(summary["clicks_by_position"], [by_position[p] for p in range(1, 21)])
        self.assertEqual(summary["shown_by_position"], [300] * 20)

    def test_same_seed_and_answers_give_the_same_acts_whatever_the_connections(self):
        other, third = self.fresh(), self.fresh()
        self.play("--in-flight", 1)
        self.play("--in-flight", 7, to=other)
        self.play("--from", 0, to=third, requests=100)
        self.play("--from", 100, to=third, requests=200)
        self.assertEqual(self.acts(self.stand_in), self.acts(other))
        self.assertEqual(self.acts(self.stand_in), self.acts(third))

    def test_playing_again_is_known(self):
        first, _ = self.play()
        again, _ = self.play()
        self.assertEqual((again["accepted"], again["repeated"]), (0, first["accepted"]))

    def test_random_clicks_are_as_many_in_each_request(self):
        other = self.fresh()
        self.play()
        self.play("--clicks", "random", to=other)
        count = lambda s, t: collections.Counter(e.request_id for e in s.events if e.type == t)
        for kind in ("click", "purchase"):
            self.assertEqual(count(self.stand_in, kind), count(other, kind))
        self.assertNotEqual(self.acts(self.stand_in), self.acts(other))

    def test_a_busy_server_is_asked_again_and_nothing_counts_twice(self):
        other = self.fresh()
        other.busy = 0.2
        self.play(requests=150)
        summary, _ = self.play(to=other, requests=150)
        self.assertGreater(summary["retries"], 20)
        self.assertEqual(self.acts(self.stand_in), self.acts(other))

    def test_searches_can_wait_for_the_events_before(self):
        self.play("--after-events", "--in-flight", 1)
        events = collections.Counter(e.request_id for e in self.stand_in.events)
        sent = 0
        for _, r in self.stand_in.searches:
            self.assertEqual(r.after_sequence, 100 + sent if sent else 0)
            sent += events[r.request_id]
        plain = self.fresh()
        self.play(to=plain)
        self.assertEqual({r.after_sequence for _, r in plain.searches}, {0})

    def test_strangers_and_empty_pages_are_counted_and_not_clicked(self):
        self.stand_in.stray = True
        summary, _ = self.play()
        self.assertEqual(summary["strangers"], 300 * 5)
        self.assertFalse(any(e.position % 4 == 1 for e in self.stand_in.events))
        self.stand_in.empty = True
        summary, _ = self.play("--from", 5000)
        self.assertEqual((summary["empty"], summary["clicks"], summary["hits"]), (300, 0, 0))

    def test_an_interrupted_run_ends_at_a_number(self):
        self.stand_in.slow = 0.02
        p = subprocess.Popen([SINTER, "demo", "play", "--server", self.stand_in.address, "--seed", "5", "--requests", "100000", "--json",
                              str(self.world.dir)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 20 * harness.SLOW
        while len(self.stand_in.searches) < 200 and time.monotonic() < end:
            time.sleep(0.02)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=30 * harness.SLOW)
        self.assertEqual(p.returncode, 1, err)
        summary = json.loads(out)
        self.assertTrue(summary["interrupted"])
        self.assertEqual({r.request_id for _, r in self.stand_in.searches}, {f"play-5-{k}" for k in range(summary["next"])})
        whole = self.fresh()
        self.play(to=whole, requests=summary["next"])
        self.assertEqual(self.acts(whole), self.acts(self.stand_in))

    def test_refusals_are_told_with_what_to_do(self):
        no_purchase = self.fresh(known_types=("click",))
        _, err = self.play(to=no_purchase, code=4)
        self.assertIn("'purchase' is not known", err)
        self.assertIn("events:", err)
        self.stand_in.unimplemented = True
        _, err = self.play(code=4)
        self.assertIn("not built", err)
        r = demo("play", "--server", "127.0.0.1:1", "--seed", 1, "--requests", 5, self.world.dir)
        self.assertEqual(r.returncode, 3, r.stderr)

    def test_wrong_arguments(self):
        for arguments, word in ((("--requests", 5, self.world.dir), "--seed"), (("--seed", 1, self.world.dir), "--requests"),
                                (("--seed", 1, "--requests", 5), "DIR"), (("--seed", 1, "--requests", 5, "--clicks", "blind", self.world.dir), "--clicks"),
                                (("--seed", 1, "--requests", 5, "--page-size", 51, self.world.dir), "--page-size"),
                                (("--seed", 1, "--requests", 5, "--in-flight", 0, self.world.dir), "--in-flight"),
                                (("--seed", 1, "--requests", 5, "/nonexistent"), "world.json")):
            r = demo("play", *arguments)
            self.assertEqual(r.returncode, 2, r.stderr)
            self.assertIn(word, r.stderr)
        self.assertEqual(demo("play", "--help").returncode, 0)

    def test_a_world_that_was_changed_is_refused(self):
        changed = World(self.temporary.name, seed=3)
        with open(changed.dir / "truth/users.jsonl", "a", encoding="utf-8") as f:
            f.write("{}\n")
        r = demo("play", "--seed", 1, "--requests", 5, changed.dir)
        self.assertEqual(r.returncode, 2, r.stderr)
        self.assertIn("users.jsonl", r.stderr)


class Judge(unittest.TestCase):
    def test_judges_what_play_would_ask_and_the_same_each_time(self):
        with tempfile.TemporaryDirectory(prefix="sinter-test-") as folder:
            world, out = World(folder), pathlib.Path(folder)
            stand_in = StandIn(world)
            try:
                demo("play", "--server", stand_in.address, "--seed", 5, "--requests", 200, "--from", 70, world.dir)
            finally:
                stand_in.close()
            for name, threads in (("a", 1), ("b", 3)):
                r = demo("judge", "--seed", 5, "--requests", 200, "--from", 70, "--threads", threads, "--out", out / name, "--json",
                         world.dir)
                self.assertEqual(r.returncode, 0, r.stderr)
            queries = (out / "a/queries.tsv").read_text()
            for name in ("queries.tsv", "judgments.tsv"):
                self.assertEqual((out / "a" / name).read_bytes(), (out / "b" / name).read_bytes())
            rows = [dict(zip(queries.split("\n")[0].split("\t"), line.split("\t"))) for line in queries.splitlines()[1:]]
            asked = {(r.user.user_id, r.query) for _, r in stand_in.searches}
            self.assertEqual({(r["user"], r["text"]) for r in rows}, asked)  # a small shop: all have something good
            self.assertEqual(json.loads(r.stdout)["judged"], len(rows))
            self.assertEqual(len({r["query_id"] for r in rows}), len(rows))
            check = subprocess.run(["/usr/bin/python3", str(harness.SOURCE / "tests/quality/judge_check.py"), str(world.dir), str(out / "a")],
                                   capture_output=True, text=True, timeout=60 * harness.SLOW)
            self.assertEqual(check.returncode, 0, check.stdout + check.stderr)
            few = demo("judge", "--seed", 5, "--requests", 200, "--from", 70, "--queries", 10, "--out", out / "c", world.dir)
            self.assertEqual(few.returncode, 0, few.stderr)
            self.assertEqual((out / "c/queries.tsv").read_text().splitlines(), queries.splitlines()[:11])

    def test_wrong_arguments(self):
        for arguments, word in ((("--seed", 1, "--requests", 5, "x"), "--out"), (("--requests", 5, "--out", "y", "x"), "--seed"),
                                (("--seed", 1, "--requests", 0, "--out", "y", "x"), "--requests"),
                                (("--seed", 1, "--requests", 5, "--out", "y", "/nonexistent"), "world.json")):
            r = demo("judge", *arguments)
            self.assertEqual(r.returncode, 2, r.stderr)
            self.assertIn(word, r.stderr)
        self.assertEqual(demo("judge", "--help").returncode, 0)


COLLECTION = """
events: {click: 1, purchase: 5}
fields:
  title: {type: text}
  description: {type: text}
  brand: keyword
  price: number
"""


class RealServer(unittest.TestCase):
    """What is left in the journal is what the world's formula says, by a second implementation of world and draws."""

    def test_logged_clicks_follow_position_bias_and_utility(self):
        with tempfile.TemporaryDirectory(prefix="sinter-test-") as folder, \
                harness.Server(collections={"shop": COLLECTION}, settings="log: {impressions: true}") as server:
            world = World(folder)
            items = [json.loads(x) for x in (world.dir / "items.jsonl").read_text(encoding="utf-8").splitlines()]
            server.upsert("shop", [harness.item(i["id"], **{k: i[k] for k in ("title", "description", "brand", "price")})
                                   for i in items], searchable=True)
            for seed, more in ((1, ()), (2, ("--clicks", "random")), (3, ("--after-events", "--in-flight", 2))):
                r = demo("play", "--server", server.address, "--seed", seed, "--requests", 100 if seed == 3 else 1000, "--json", *more, world.dir)
                self.assertEqual(r.returncode, 0, r.stderr)
                summary = json.loads(r.stdout)
                self.assertGreater(summary["until"], summary["since"])
                self.assertEqual(summary["strangers"], 0)
                server.search(collection="shop", query="x", request_id=f"last-{seed}")
            self.wait_logged(server, "last-3")
            for seed, more, code in ((1, (), 0), (2, ("--random",), 0), (2, (), 1), (1, ("--random",), 1), (3, (), 0)):
                check = subprocess.run(
                    ["/usr/bin/python3", str(harness.SOURCE / "tests/quality/demo_events.py"), str(world.dir), str(server.data), "--seed",
                     str(seed), "--sinter", SINTER, "--json", *more], capture_output=True, text=True, timeout=120 * harness.SLOW)
                self.assertEqual(check.returncode, code, f"seed {seed} {more}: {check.stdout}{check.stderr}")
                self.assertEqual(json.loads(check.stdout)["wrong"], 0)

    def wait_logged(self, server, marker):
        for _ in range(100 * harness.SLOW):
            r = subprocess.run([SINTER, "journal", "dump", str(server.data), "--kind", "answered", "--json"], capture_output=True, text=True)
            if f'"{marker}"' in r.stdout:
                return
            time.sleep(0.1)
        self.fail("the last search was not logged")


class Evaluate(unittest.TestCase):
    """The file of queries says who asks."""

    def test_each_query_is_asked_as_its_person(self):
        with tempfile.TemporaryDirectory(prefix="sinter-test-") as folder:
            world, out = World(folder), pathlib.Path(folder)
            stand_in = StandIn(world)
            self.addCleanup(stand_in.close)
            queries, judgments = out / "queries.tsv", out / "judgments.tsv"
            queries.write_text("query_id\ttext\tuser\tsession\ttime\tuser.segment\tuser.member\tuser.age\n"
                               "a\tsaw\tu1\ts1\t2026-01-31T09:30:00.5Z\tcommuter\ttrue\t41.5\nb\tdrill\t\t\t\t\tfalse\t\nc\tred\t\t\t\t\t\t\n")
            judgments.write_text("query_id\titem\tgrade\na\ti000001\t1\nb\ti000002\t1\nc\ti000003\t1\n")
            r = subprocess.run([SINTER, "evaluate", "shop", "--server", stand_in.address, "--judgments", judgments, "--queries", queries],
                               capture_output=True, text=True, timeout=60 * harness.SLOW)
            self.assertEqual(r.returncode, 0, r.stderr)
            by_words = {r.query: r for _, r in stand_in.searches}
            a, b, c = by_words["saw"], by_words["drill"], by_words["red"]
            self.assertEqual((a.user.user_id, a.user.session_id, a.context.time.ToMilliseconds()), ("u1", "s1", 1769851800500))
            self.assertEqual({k: getattr(v, v.WhichOneof("kind")) for k, v in a.user.attributes.items()},
                             {"segment": "commuter", "member": True, "age": 41.5})
            self.assertEqual((b.user.user_id, list(b.user.attributes), b.HasField("context")), ("", ["member"], False))
            self.assertFalse(c.HasField("user"))
            self.assertTrue(all(r.no_impression for _, r in stand_in.searches))


if __name__ == "__main__":
    harness.main()
