# SPDX-License-Identifier: GPL-3.0-or-later
"""What was acknowledged is there: after kill -9 amid writes, after the views are deleted or broken, with retries by write id.

SINTER_ROUNDS: how often the server is killed (default 20; 4 under a sanitizer). SINTER_SEED: of the kills."""
import os
import pathlib
import queue
import random
import shutil
import threading
import time
import unittest

import grpc
import harness
from harness import item, pb

Upsert = pb.catalog_pb2.UpsertItemsRequest
Delete = pb.catalog_pb2.DeleteItemsRequest
ROUNDS = int(os.environ.get("SINTER_ROUNDS", 4 if harness.SANITIZED else 20))
SEED = int(os.environ.get("SINTER_SEED", 7))
WRITERS, OWN, BATCH, OUTSTANDING = 3, 120, 4, 3


def word(version):
    """A word of its own for each version, which no tokeniser splits and no stemmer shortens."""
    return "zq" + "".join("bcdfghjklm"[int(d)] for d in str(version))


class Write:
    """One write: `version` of its items, None for a delete."""

    def __init__(self, write_id, ids, version):
        self.write_id, self.ids, self.version, self.sequence = write_id, ids, version, 0

    def upsert(self, brand):
        return Upsert(collection="shop", write_id=self.write_id,
                      items=[item(id, title=f"thing {word(self.version)}", brand=brand, stock=self.version) for id in self.ids])

    def delete(self):
        return Delete(collection="shop", ids=self.ids, write_id=self.write_id)


class Writer:
    """Owns some ids, writes to them until the server is gone; knows what was acknowledged and what was not yet."""

    def __init__(self, number):
        self.brand = f"w{number}"
        self.ids = [f"{self.brand}-{i}" for i in range(OWN)]
        self.state = dict.fromkeys(self.ids)  # id -> version, None: absent
        self.pending, self.at, self.count, self.acknowledged, self.failure = [], 0, 0, 0, None

    def next_ids(self):
        ids = [self.ids[(self.at + i) % OWN] for i in range(BATCH)]
        self.at = (self.at + BATCH) % OWN
        return ids

    def acknowledge(self, write, answer):
        write.sequence = answer.sequence
        self.state.update(dict.fromkeys(write.ids, write.version))
        self.pending.remove(write)
        self.acknowledged += 1

    def make(self, ids, delete):
        self.count += 1
        number = int(self.brand[1:]) + WRITERS * self.count
        write = Write(f"{self.brand}/{self.count}", ids, None if delete else number)
        self.pending.append(write)
        return write

    def run(self, server, channel):
        """Upserts on one stream, OUTSTANDING at a time; now and then a delete of what is there, between them."""
        stub, todo, flying = server.stub("Catalog", channel), queue.Queue(), []
        answers = stub.UpsertItems(iter(todo.get, None), timeout=120 * harness.SLOW)
        try:
            while True:
                write = self.make(self.next_ids(), False)
                flying.append(write)
                todo.put(write.upsert(self.brand))
                if len(flying) == OUTSTANDING:
                    self.acknowledge(flying.pop(0), next(answers))
                if self.count % 5 == 0:
                    self.delete(stub)
        except (grpc.RpcError, StopIteration):
            pass
        except Exception as e:  # noqa: BLE001: told by the test's own thread
            self.failure = e
        finally:
            todo.put(None)

    def delete(self, stub):
        busy = {id for w in self.pending for id in w.ids}
        ids = [id for id in self.ids if self.state[id] is not None and id not in busy][:2]
        if ids:
            write = self.make(ids, True)
            self.acknowledge(write, stub.DeleteItems(write.delete(), timeout=60 * harness.SLOW))


class Killed(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        self.server = harness.Server()
        self.addCleanup(self.server.close)
        self.writers = [Writer(k) for k in range(WRITERS)]

    def write_and_kill(self, round_):
        """kill -9 while every writer has something in flight; at different times, so that it meets every step of a commit."""
        threads = [threading.Thread(target=w.run, args=(self.server, self.server.connect())) for w in self.writers]
        before = sum(w.acknowledged for w in self.writers)
        for t in threads:
            t.start()
        end = time.monotonic() + 30 * harness.SLOW
        while sum(w.acknowledged for w in self.writers) - before < 10 and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(self.random.uniform(0, 0.25))
        self.server.kill9()
        for t in threads:
            t.join(60 * harness.SLOW)
        self.assertEqual([w.failure for w in self.writers], [None] * WRITERS)
        self.assertGreater(sum(w.acknowledged for w in self.writers) - before, 0, f"round {round_} wrote nothing")

    def stored(self):
        return {i.id: i.fields["stock"].integer_value for i in self.server.list("shop", fields=["*"], page_size=1000)}

    def check_journal(self):
        """Everything acknowledged is there; what was in flight is there wholly or not at all. Returns what is there."""
        there = self.stored()
        for w in self.writers:
            open_ = {}
            for p in w.pending:
                outcomes = {there.get(id) == p.version for id in p.ids}
                if len(outcomes) != 1:
                    self.fail(f"half of {p.write_id} was stored")
                p.was_stored = outcomes.pop()
                open_.update(dict.fromkeys(p.ids, p))
            for id in w.ids:
                if id not in open_:
                    self.assertEqual(there.get(id), w.state[id], f"{id}: acknowledged, and another is there")
                elif not open_[id].was_stored:
                    self.assertEqual(there.get(id), w.state[id], f"{id}: neither the old nor the new")
        return there

    def send(self, writer, write):
        if write.version is None:
            return self.server.stub("Catalog").DeleteItems(write.delete(), timeout=30 * harness.SLOW)
        answer, = self.server.stub("Catalog").UpsertItems(iter([write.upsert(writer.brand)]), timeout=30 * harness.SLOW)
        return answer

    def retry(self):
        """Retries of what was in flight: stored now if it was not, once in any case."""
        kept = 0
        for w in self.writers:
            for p in list(w.pending):
                first = self.send(w, p)
                self.assertEqual(first.repeated_write, p.was_stored, p.write_id)
                last = self.server.status().sequence
                again = self.send(w, p)
                self.assertTrue(again.repeated_write)
                self.assertEqual(again.sequence, first.sequence)
                self.assertEqual(self.server.status().sequence, last, f"{p.write_id} was stored twice")
                w.acknowledge(p, first)
                kept += p.was_stored
        return kept

    def check_views(self):
        """Columns and index have caught up with the journal: what filters and words find is what was acknowledged."""
        last = self.server.status().sequence
        for w in self.writers:
            want = {id: v for id, v in w.state.items() if v is not None}
            r = self.server.search(collection="shop", filter=f'brand = "{w.brand}"', page_size=1000, fields=["stock"],
                                   sort=["-stock"], after_sequence=last, timeout=30)
            self.assertEqual({h.id: h.fields["stock"].integer_value for h in r.hits}, want)
            self.assertGreaterEqual(r.sequence, last)
            for version in sorted(set(want.values()))[-5:]:
                r = self.server.search(collection="shop", query=word(version), page_size=100)
                self.assertEqual({h.id for h in r.hits}, {id for id, v in want.items() if v == version})

    def test_what_was_acknowledged_is_there_and_retries_are_stored_once(self):
        kept = 0
        for round_ in range(ROUNDS):
            self.write_and_kill(round_)
            self.server.start()
            self.check_journal()
            kept += self.retry()
            self.assertEqual(self.stored(), {id: v for w in self.writers for id, v in w.state.items() if v is not None})
            self.check_views()
        print(f"{ROUNDS} kills, {sum(w.acknowledged for w in self.writers)} writes, {kept} stored before their answer left", end=" ")
        self.server.stop()


class Rebuilt(unittest.TestCase):
    """The views are views: deleted or broken, they come back from the journal, and every answer is the one before."""

    WORDS = ["red", "blue shoe", "leather", '"red shoe"', "title:hat", "wool -blue", "lether", ""]

    def setUp(self):
        self.server = harness.Server()
        self.addCleanup(self.server.close)
        rng = random.Random(SEED)
        colours, things = ["red", "blue", "green", "black"], ["shoe", "hat", "coat", "leather bag", "wool sock"]
        items = [item(f"i{n}", title=f"{rng.choice(colours)} {rng.choice(things)}", brand=rng.choice("ABC"), price=float(rng.randint(1, 9)),
                      tags=[rng.choice(colours)], description=" ".join(rng.choices(colours + things, k=12))) for n in range(600)]
        self.server.upsert("shop", items, batch=100)
        gone = [f"i{n}" for n in rng.sample(range(600), 60)]
        self.assertEqual(self.server.delete("shop", gone).deleted, 60)
        back = [i for i in items if i.id in gone[:20]]
        self.last = self.server.upsert("shop", back)[0].sequence  # these get new ordinals, behind all others

    def answers(self):
        """Hits with scores of many requests; equal scores come in the order of ordinals, so that a lost ordinal shows."""
        out = []
        for query in self.WORDS:
            for more in ({}, {"filter": 'brand IN ("A", "B") AND price > 3'}, {"sort": ["-price"]}):
                r = self.server.search(collection="shop", query=query, page_size=200, after_sequence=self.last, timeout=30,
                                       no_impression=True, **more)
                out.append((query, str(more), r.total, r.corrected_query, [(h.id, h.score) for h in r.hits]))
        listed = self.server.stub("Catalog").ListCollections(pb.catalog_pb2.ListCollectionsRequest(), timeout=30 * harness.SLOW)
        return out, [i.id for i in self.server.list("shop")], [(c.name, c.uuid, c.items, c.ordinals) for c in listed.collections]

    def assert_same_after(self, change, stop):
        before = self.answers()
        self.assertEqual(before[2][0][2:], (560, 620))
        stop()
        change()
        self.server.start()
        after = self.answers()
        for b, a in zip(before[0], after[0]):
            self.assertEqual(b, a)
        self.assertEqual(before[1:], after[1:])

    def index(self):
        found = self.server.data / "index"
        self.assertTrue(any(found.rglob("*.glass")), "no index there to delete")
        return found

    def test_every_view_is_rebuilt_after_a_clean_stop(self):
        self.assert_same_after(lambda: shutil.rmtree(self.index()), self.server.stop)

    def test_every_view_is_rebuilt_after_kill_9(self):
        self.assert_same_after(lambda: shutil.rmtree(self.index()), self.server.kill9)

    def test_views_that_stand_answer_the_same(self):
        self.assert_same_after(lambda: None, self.server.kill9)
        self.assert_same_after(lambda: None, self.server.stop)

    def test_a_broken_index_is_rebuilt(self):
        def break_it(path):
            data = bytearray(path.read_bytes())
            data[len(data) // 4:] = os.urandom(len(data) - len(data) // 4)
            path.write_bytes(data)
        for what in (lambda p: p.write_bytes(b""), lambda p: p.unlink(), break_it):
            self.assert_same_after(lambda: what(next(self.index().rglob("iamglass"))), self.server.stop)
            self.assert_same_after(lambda: what(next(self.index().rglob("postlist.glass"))), self.server.stop)

    def test_the_journal_elsewhere_gives_the_same(self):
        """A copy of the stopped server's journal, and of nothing else, is the whole truth."""
        before = self.answers()
        self.server.stop()
        copy = pathlib.Path(self.server.dir) / "elsewhere"
        shutil.copytree(self.server.data / "journal", copy / "journal")
        with harness.Server(data=copy) as other:
            self.server, first = other, self.server
            try:
                self.assertEqual(self.answers(), before)
            finally:
                self.server = first


if __name__ == "__main__":
    harness.main()
