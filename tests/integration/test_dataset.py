# SPDX-License-Identifier: GPL-3.0-or-later
"""What a trainer reads is what was served: 200 requests with events, changes of items and a restart between them, read
through the trainer's dataset by dataset_as_of while the server runs, equal the log and a recomputation from the journal."""
import random
import subprocess
import threading
import time
import unittest

import harness
from harness import BUILD, item, pb

COLLECTION = harness.SHOP_COLLECTION + """
  shape: {type: vector, dimension: 3}
age: released
events: {view: 0.2, click: 1, purchase: 5, rating: value}
profiles: {history: 20}
counters: {half_life: 10d, by: [brand]}
rates: {strength: 5, toward: brand, examination: 0.5}
"""
FEATURES = ["text.bm25", "query.coverage", "query.words", "query.length", "item.price", "item.stock", "item.age_days", "now.hour",
            "now.weekday", "user.age", "user.events", "user.events.click", "user.brand.share", "events.view", "events.click",
            "events.rating", "events.click.brand", "events.click.query", "events.click.hour", "events.click.day", "events.click.brand.month",
            "events.click.query.day", "session.events", "session.events.click", "session.seconds", "session.idle_seconds", "session.item",
            "session.brand.share"]
SHOWN = ["shown", "shown.day", "shown.brand.hour", "rate.click", "rate.click.hour", "rate.click.brand.day", "rate.purchase.per.click"]
FEATURES += SHOWN
PIPELINE = """
collection: shop
recall:
  - {source: text, limit: 1000}
stages:
  - keep: 100
    rank:
%s
      - {name: seen, plugin: witness, more: true}
    fuse: {plugin: fusion, method: weighted, weights: {%s, seen: 0}}
finish:
  - {explore: shuffle, top: 5, share: 0.2}
""" % ("\n".join(f"      - {{name: r{i}, feature: {f}}}" for i, f in enumerate(FEATURES)),
       ", ".join(f"r{i}: {1 if i in (0, 14) else 0}" for i in range(len(FEATURES))))
WORDS = ["red", "blue", "lamp", "chair", "oak"]
USERS = ["ann", "ben", "cleo", "dan"]
REQUESTS, THREADS = 200, 4


def thing(i, rnd):
    fields = dict(title=f"{rnd.choice(WORDS)} {rnd.choice(WORDS)}", brand=f"brand{i % 3}", price=round(rnd.uniform(1, 99), 2),
                  stock=rnd.randrange(50))
    if i % 2:
        fields["shape"] = [float(i), float(i + 1), float(i + 2)]
    return item(f"i{i}", **fields)


class Person(threading.Thread):
    """Searches, clicks on what it got, rates; changes items. Each in turn with the others, as chance has it."""

    def __init__(self, server, number, n, sent):
        super().__init__()
        self.server, self.number, self.n, self.sent = server, number, n, sent
        self.rnd = random.Random(number)
        self.failed = None

    def act(self, at):
        rnd, s = self.rnd, self.server
        user = None if rnd.random() < 0.2 else rnd.choice(USERS)
        query = " ".join(rnd.sample(WORDS, 2)) if rnd.random() < 0.9 else ""
        request = dict(collection="shop", query=query, request_id=f"{self.number}-{at}", after_sequence=self.last,
                       page_size=rnd.choice([3, 10]), user=pb.types_pb2.User(user_id=user or "", session_id=f"s{self.number}"))
        request["user"].attributes["age"].number_value = rnd.randrange(20, 60)
        request["user"].attributes["segment"].string_value = rnd.choice(["new", "old"])
        request["options"] = pb.search_pb2.QueryOptions(typos=pb.search_pb2.QueryOptions.TYPOS_OFF)
        hits = s.search(**request).hits
        events = []
        for k, hit in enumerate(hits):
            if rnd.random() < 0.3:
                kind = rnd.choice(["click", "click", "view", "rating"])
                events.append(pb.events_pb2.Event(
                    event_id=f"{self.number}-{at}-{k}", collection="shop", type=kind, user_id=user or "", session_id=f"s{self.number}",
                    item_ids=[hit.id], value=rnd.randrange(1, 6) if kind == "rating" else 0, request_id=request["request_id"], query=query))
                self.sent.append((request["request_id"], hit.id, kind))
        if events:
            late = pb.events_pb2.Event()
            late.CopyFrom(events[0])
            late.event_id += "-late"
            late.request_id = ""
            late.time.FromSeconds(int(time.time()) - rnd.randrange(30 * 86400))
            self.last = s.stub("Event").RecordEvents(pb.events_pb2.RecordEventsRequest(events=events + [late]), timeout=30).sequence
        if rnd.random() < 0.2:
            self.last = s.upsert("shop", [thing(rnd.randrange(40), rnd)])[-1].sequence
        if rnd.random() < 0.03:
            s.delete("shop", [f"i{rnd.randrange(40)}"])

    def run(self):
        self.last = 0
        try:
            for at in range(self.n, self.n + REQUESTS // THREADS // 2):
                self.act(at)
        except Exception as e:  # noqa: BLE001 - told by the test
            self.failed = e


class Dataset(unittest.TestCase):
    def read(self, server, *more):
        """dataset_as_of's counts and exit code."""
        r = subprocess.run([str(BUILD / "bin/dataset_as_of"), str(server.conf / "sinter.yaml"), "shop", "main", str(server.dir / "scratch"),
                            *more], capture_output=True, text=True, timeout=120 * harness.SLOW)
        self.assertIn(r.returncode, (0, 1), r.stderr)
        return {k: int(v) for k, v in (line.split("=") for line in r.stdout.splitlines())}, r.returncode, r.stderr

    def serve(self, server, first, read=False):
        """Lets everybody act; with `read`, a dataset is read again and again meanwhile."""
        people = [Person(server, k, first, self.sent) for k in range(THREADS)]
        for p in people:
            p.start()
        while read and any(p.is_alive() for p in people):
            counts, code, told = self.read(server)
            self.assertEqual(code, 0, told)
            self.assertGreater(counts["requests"], REQUESTS // 4)
        for p in people:
            p.join(120 * harness.SLOW)
            self.assertIsNone(p.failed, p.failed)

    def test_a_trainer_reads_what_was_served(self):
        rnd, self.sent = random.Random(1), []
        settings = f"plugin_dirs: [{BUILD / 'plugins'}, {BUILD / 'zoo'}]\nlanes: 3"
        with harness.Server({"shop": COLLECTION}, {"main": PIPELINE}, settings) as server:
            stored = server.upsert("shop", [thing(i, rnd) for i in range(40)])
            server.search(collection="shop", after_sequence=stored[-1].sequence, no_impression=True)
            self.serve(server, 0)
            server.restart()
            self.serve(server, 1000, read=True)
            end = time.monotonic() + 30 * harness.SLOW  # the log is written behind the answers
            while (counts := self.read(server))[0]["requests"] < REQUESTS and time.monotonic() < end:
                time.sleep(0.1)
            counts, code, told = counts
            print(counts)
            self.assertEqual(counts["requests"], REQUESTS, told)
            self.assertEqual((counts["different_from_log"], counts["different_from_journal"], code), (0, 0, 0), told)
            self.assertGreater(counts["rows"], REQUESTS)
            self.assertGreaterEqual(counts["features"], len(FEATURES))
            self.assertEqual((counts["ids"], counts["priors"]), (5, len(FEATURES) + 1))
            clicked = {(r, i) for r, i, kind in self.sent if kind in ("click", "rating")}
            self.assertEqual(counts["positive"], len(clicked), told)
            leaked, code, _ = self.read(server, "leak")
            print("one event further:", leaked)
            self.assertEqual(code, 1)
            self.assertEqual(leaked["different_from_log"], 0)
            self.assertGreater(leaked["different_from_journal"], REQUESTS // 2)
            leaked, code, _ = self.read(server, "leak_shown")
            print("one answer further:", leaked)
            self.assertEqual(code, 1)
            self.assertEqual(leaked["different_from_log"], 0)
            self.assertGreater(leaked["different_from_journal"], REQUESTS // 4)


if __name__ == "__main__":
    harness.main()
