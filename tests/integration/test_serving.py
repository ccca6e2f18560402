# SPDX-License-Identifier: GPL-3.0-or-later
"""The server as a process: starting, lanes, limits, deadlines, reload, drain."""
import concurrent.futures
import queue
import signal
import subprocess
import threading
import time
import unittest

import grpc
import harness
from harness import item, pb

Upsert = pb.catalog_pb2.UpsertItemsRequest
SERVING = pb.health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = pb.health_pb2.HealthCheckResponse.NOT_SERVING


def eventually(what, seconds=10):
    end = time.monotonic() + seconds * harness.SLOW
    while not (got := what()):
        if time.monotonic() > end:
            return got
        time.sleep(0.05)
    return got


class OpenStream:
    """An UpsertItems stream that stays open until closed."""

    def __init__(self, server, channel=None):
        self.todo = queue.Queue()
        self.answers = server.stub("Catalog", channel).UpsertItems(iter(self.todo.get, None), timeout=60 * harness.SLOW)

    def send(self, *items, collection="shop"):
        self.todo.put(Upsert(collection=collection, items=items))
        return next(self.answers)

    def close(self):
        self.todo.put(None)
        self.answers.cancel()


class Starting(unittest.TestCase):
    def serve(self, server):
        server.start(wait=False)
        code = server.process.wait(60 * harness.SLOW)
        server.process = None
        return code, server.log()

    def test_an_address_that_others_reach_needs_insecure(self):
        with harness.Server(settings="listen: 0.0.0.0:0", start=False) as s:
            code, log = self.serve(s)
            self.assertEqual(code, 2)
            self.assertRegex(log, r"sinter\.yaml:\d+:\d+: .*0\.0\.0\.0:0.*insecure")
            s.settings("listen: 0.0.0.0:0\ninsecure: true")
            self.assertEqual(subprocess.run([*s.command(), "--check"], capture_output=True, timeout=60).returncode, 0)

    def test_a_port_in_use_is_told(self):
        with harness.Server() as first, harness.Server(settings=f"listen: {first.address}", start=False) as second:
            code, log = self.serve(second)
            self.assertEqual(code, 1)
            self.assertIn(f"cannot listen on {first.address}: Address already in use", log)

    def test_a_second_server_on_the_same_data_is_refused(self):
        with harness.Server() as first, harness.Server(data=first.data, start=False) as second:
            code, log = self.serve(second)
            self.assertEqual(code, 1)
            self.assertIn(str(first.process.pid), log)
            first.upsert("shop", [item("1", title="still here")])

    def test_a_wrong_configuration_is_told_with_its_place(self):
        with harness.Server(settings="limits: {max_concurent: 3}", start=False) as s:
            code, log = self.serve(s)
            self.assertEqual(code, 2)
            self.assertRegex(log, r"sinter\.yaml:\d+:\d+: .*max_concurent.*max_concurrent")

    def test_arguments_are_checked(self):
        for arguments, code in ((["--help"], 0), ([], 2), (["-c"], 2), (["-c", "x", "y"], 2), (["-c", "/no/such.yaml"], None)):
            r = subprocess.run([str(harness.BUILD / "bin/sinter"), "serve", *arguments], capture_output=True, text=True, timeout=60)
            self.assertNotIn(r.returncode, (0,) if code != 0 else ())
            if code is not None:
                self.assertEqual(r.returncode, code, r.stderr)


class Lanes(harness.ServerCase):
    SETTINGS = "lanes: 3"

    def calls(self):
        return {k: v for k, v in self.server.counters().items() if k.startswith("lane_")}

    def test_one_connection_uses_every_lane(self):
        self.server.upsert("shop", [item(str(i), title=f"shoe number {i}") for i in range(2000)], searchable=True)
        before = self.calls()
        self.assertEqual(sorted(before), ["lane_0_calls", "lane_1_calls", "lane_2_calls"])
        search = self.server.stub("Search").Search
        waiting = [search.future(pb.search_pb2.SearchRequest(collection="shop", query="shoe number", page_size=100), timeout=60 * harness.SLOW)
                   for _ in range(300)]
        for f in waiting:
            self.assertEqual(len(f.result().hits), 100)
        after = self.calls()
        for lane in before:
            self.assertGreater(after[lane] - before[lane], 30, f"{lane} did next to nothing: {before} {after}")


class Limits(harness.ServerCase):
    SETTINGS = "limits: {max_concurrent: 2}"

    def test_beyond_max_concurrent_the_answer_is_immediate_and_says_when_to_retry(self):
        streams = [OpenStream(self.server) for _ in range(2)]
        for n, s in enumerate(streams):
            self.assertEqual(s.send(item(str(n), title="x")).accepted, 1)
        with self.assertRaises(grpc.RpcError) as caught:
            self.server.search(collection="shop", query="x")
        self.assertEqual(caught.exception.code().name, "RESOURCE_EXHAUSTED")
        retry = harness.details(caught.exception, pb.error_details_pb2.RetryInfo)
        self.assertGreater(retry.retry_delay.ToMilliseconds(), 0)
        health = self.server.stub("Health").Check(pb.health_pb2.HealthCheckRequest(), timeout=10)
        self.assertEqual(health.status, SERVING)  # answered under overload
        for s in streams:
            s.close()

        def works():
            try:
                return self.server.search(collection="shop", query="x")
            except grpc.RpcError:
                return None
        self.assertTrue(eventually(works), "the slots did not come back")


class Deadlines(harness.ServerCase):
    def test_what_clients_give_up_is_counted_and_freed(self):
        self.server.upsert("shop", [item(f"{i}", title="x", description="word " * 2000) for i in range(500)], batch=100)
        before = self.server.counters()
        pages = self.server.stub("Catalog").ListItems(
            pb.catalog_pb2.ListItemsRequest(collection="shop", fields=["*"], page_size=10), timeout=60)
        next(pages)
        pages.cancel()
        idle = OpenStream(self.server)
        idle.send(item("1", title="x"))
        idle.answers.cancel()
        short = self.server.stub("Catalog").UpsertItems(iter(queue.Queue().get, None), timeout=0.2)  # idle past its deadline
        self.assertEqual(short.code().name, "DEADLINE_EXCEEDED")
        self.assertTrue(eventually(lambda: self.server.counters()["calls_open"] == 1), self.server.counters())
        self.assertGreaterEqual(self.server.counters()["cancelled"] - before["cancelled"], 2)

    def test_a_deadline_too_short_is_an_error_and_not_a_crash(self):
        for timeout in (1e-6, 1e-4, 1e-3):
            for _ in range(20):
                try:
                    self.server.stub("Search").Search(pb.search_pb2.SearchRequest(collection="shop", query="x"), timeout=timeout)
                except grpc.RpcError as e:
                    self.assertEqual(e.code().name, "DEADLINE_EXCEEDED")
        self.assertEqual(self.server.status().state, "serving")

    def test_a_read_waits_for_its_write_off_the_lanes(self):
        """More waiting reads than lanes, while others are answered."""
        with harness.Server(settings="lanes: 1\ncommit_after: 2s") as s:
            for round_ in range(3):
                sequence = s.upsert("shop", [item(f"r{round_}", title=f"fresh{round_}")])[0].sequence
                search = s.stub("Search").Search
                waiting = [search.future(pb.search_pb2.SearchRequest(collection="shop", query=f"fresh{round_}", after_sequence=sequence),
                                         timeout=30 * harness.SLOW) for _ in range(20)]
                for f in waiting:
                    self.assertEqual([h.id for h in f.result().hits], [f"r{round_}"])

    def test_a_parked_read_can_be_cancelled(self):
        with harness.Server(settings="lanes: 1\ncommit_after: 2s") as s:
            for i in range(50):
                sequence = s.upsert("shop", [item(str(i), title=f"word{i}")])[0].sequence
                f = s.stub("Search").Search.future(
                    pb.search_pb2.SearchRequest(collection="shop", query="x", after_sequence=sequence), timeout=30)
                time.sleep(0.001 * (i % 5))
                f.cancel()
            self.assertTrue(eventually(lambda: s.counters()["calls_open"] == 1), s.counters())
            self.assertEqual(s.counters()["reads_parked"], 0)


class Reload(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server()
        self.addCleanup(self.server.close)
        self.server.upsert("shop", [item("1", title="red shoe")], searchable=True)

    def snapshot(self):
        return self.server.search(collection="shop", query="shoe").assignment.snapshot

    def test_a_reload_publishes_a_checked_snapshot_and_an_error_keeps_the_old(self):
        s, before = self.server, self.snapshot()
        s.write("pipelines/shop.yaml", harness.SHOP_PIPELINE.replace("keep: 100", "keep: 50"))
        self.assertNotEqual(s.reload(dry_run=True).snapshot, "")
        self.assertEqual(self.snapshot(), before)
        r = s.reload()
        self.assertTrue(r.request_id)
        after = self.snapshot()
        self.assertEqual(after, r.snapshot)
        self.assertNotEqual(after, before)
        s.write("pipelines/shop.yaml", harness.SHOP_PIPELINE.replace("keep: 100", "keep: many"))
        with self.assertRaises(grpc.RpcError) as caught:
            s.reload()
        self.assertEqual(caught.exception.code().name, "INVALID_ARGUMENT")
        self.assertRegex(caught.exception.details(), r"shop\.yaml:\d+:\d+")
        self.assertEqual(self.snapshot(), after)
        counters = s.counters()
        self.assertEqual((counters["reloads"], counters["reloads_refused"]), (1, 1))

    def test_sighup_does_the_same(self):
        s, before = self.server, self.snapshot()
        s.write("pipelines/shop.yaml", harness.SHOP_PIPELINE.replace("keep: 100", "keep: 60"))
        s.signal(signal.SIGHUP)
        self.assertTrue(eventually(lambda: self.snapshot() != before))
        after = self.snapshot()
        s.write("pipelines/shop.yaml", "collection: [")
        s.signal(signal.SIGHUP)
        self.assertTrue(eventually(lambda: s.counters()["reloads_refused"] == 1))
        self.assertEqual(self.snapshot(), after)
        self.assertIn("reload.refused", s.log())

    def test_searches_go_on_through_reloads(self):
        s, stop, failures, done = self.server, threading.Event(), [], []

        def search():
            while not stop.is_set():
                try:
                    done.append(len(s.search(collection="shop", query="shoe").hits))
                except grpc.RpcError as e:
                    failures.append(e)
        threads = [threading.Thread(target=search) for _ in range(4)]
        for t in threads:
            t.start()
        for i in range(10):
            s.write("pipelines/shop.yaml", harness.SHOP_PIPELINE.replace("keep: 100", f"keep: {50 + i}"))
            s.reload()
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(failures, [])
        self.assertEqual(set(done), {1})


class Drain(unittest.TestCase):
    def test_streams_are_ended_watchers_told_and_new_calls_refused(self):
        with harness.Server(settings="drain: 20s") as s:
            watch = s.stub("Health").Watch(pb.health_pb2.HealthCheckRequest(), timeout=60)
            self.assertEqual(next(watch).status, SERVING)
            stream = OpenStream(s)
            self.assertEqual(stream.send(item("1", title="x")).accepted, 1)
            began = time.monotonic()
            s.signal(signal.SIGTERM)
            self.assertEqual([r.status for r in watch], [NOT_SERVING])
            with self.assertRaises(grpc.RpcError) as caught:
                next(stream.answers)
            self.assertEqual(caught.exception.code().name, "UNAVAILABLE")
            self.assertIn("stopping", caught.exception.details())
            stream.todo.put(None)
            self.assertEqual(s.process.wait(30 * harness.SLOW), 0)
            self.assertLess(time.monotonic() - began, 10 * harness.SLOW)  # well before the grace
            with self.assertRaises(grpc.RpcError):
                s.stub("Health", s.connect()).Check(pb.health_pb2.HealthCheckRequest(), timeout=2)

    def under_writes(self, settings, stop):
        """Stops a server while four streams write; every acknowledged item must be there afterwards."""
        with harness.Server(settings=settings) as s:
            acknowledged, lock = [], threading.Lock()

            def write(name):
                sent = queue.Queue()

                def requests():
                    for n in range(100000):
                        batch = [f"{name}-{n}-{i}" for i in range(50)]
                        sent.put(batch)
                        yield Upsert(collection="shop", items=[item(id, title=f"thing {id}") for id in batch])
                try:
                    for a in s.stub("Catalog", s.connect()).UpsertItems(requests(), timeout=60 * harness.SLOW):
                        self.assertEqual(a.accepted, 50)
                        batch = sent.get()
                        with lock:
                            acknowledged.extend(batch)
                except grpc.RpcError as e:
                    return e.code().name
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                writers = [pool.submit(write, f"w{k}") for k in range(4)]
                end = time.monotonic() + 10 * harness.SLOW
                while not acknowledged and time.monotonic() < end:
                    time.sleep(0.01)
                time.sleep(0.5)
                stop(s)
                ends = {w.result(60 * harness.SLOW) for w in writers}
            if s.process:
                self.assertEqual(s.process.wait(30 * harness.SLOW), 0, s.log())
            s.start()
            self.assertGreater(len(acknowledged), 0)
            found = {i.id for i in s.list("shop", page_size=1000)}
            self.assertEqual(set(acknowledged) - found, set())
            return ends

    def test_a_drain_answers_what_it_has_taken(self):
        ends = self.under_writes("drain: 20s", lambda s: s.signal(signal.SIGTERM))
        self.assertEqual(ends, {"UNAVAILABLE"})

    def test_no_grace_at_all_cancels_and_loses_nothing(self):
        """Calls are held by lanes and the writer when gRPC has finished with them: their answers must find a queue that lives."""
        self.under_writes("drain: 0s", lambda s: s.signal(signal.SIGTERM))

    def test_a_second_signal_ends_the_patience(self):
        def twice(s):
            s.signal(signal.SIGTERM)
            s.signal(signal.SIGINT)
        self.under_writes("drain: 600s", twice)

    def test_kill_9_loses_no_acknowledged_write(self):
        self.under_writes("", lambda s: s.kill9())

    def test_a_reader_that_reads_nothing_is_cut_after_the_grace(self):
        with harness.Server(settings="drain: 1s") as s:
            s.upsert("shop", [item(f"{i}", title="x", description="word " * 100000) for i in range(40)], batch=4)
            pages = s.stub("Catalog", s.connect()).ListItems(
                pb.catalog_pb2.ListItemsRequest(collection="shop", fields=["*"]), timeout=60)
            next(pages)
            began = time.monotonic()
            s.signal(signal.SIGTERM)
            self.assertEqual(s.process.wait(30 * harness.SLOW), 0)
            self.assertGreater(time.monotonic() - began, 0.9)
            with self.assertRaises(grpc.RpcError):
                list(pages)


if __name__ == "__main__":
    harness.main()
