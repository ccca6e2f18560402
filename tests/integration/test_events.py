# SPDX-License-Identifier: GPL-3.0-or-later
"""What people do reaches the journal once: RecordEvents, StreamEvents, `sinter events import`.

SINTER_ROUNDS: how often the server is killed (default 5)."""
import datetime
import json
import os
import pathlib
import subprocess
import threading
import time
import unittest

import grpc
import harness
from harness import item, pb

ev = pb.events_pb2
ROUNDS = int(os.environ.get("SINTER_ROUNDS", 2 if harness.SANITIZED else 5))
DAY = 86400
COLLECTION = harness.SHOP_COLLECTION + "events: {view: 0.2, click: 1, purchase: 5, rating: value}\n"
COLLECTIONS = {"shop": COLLECTION, "books": COLLECTION, "quiet": harness.SHOP_COLLECTION}
PIPELINES = {name: harness.SHOP_PIPELINE.replace("shop", name) for name in COLLECTIONS}


def event(id="", type="click", items=("1",), at=None, **more):
    e = ev.Event(event_id=id, **{"collection": "shop", "user_id": "u1", **more}, type=type, item_ids=items)
    if at is not None:
        e.time.FromSeconds(at)
    return e


def record(server, *events, timeout=30):
    return server.stub("Event").RecordEvents(ev.RecordEventsRequest(events=events), timeout=timeout * harness.SLOW)


def dump(server, kind="event_put"):
    """Events of the journal, as the server's own command prints them."""
    out = subprocess.run([str(harness.BUILD / "bin/sinter"), "journal", "dump", str(server.data), "--json", "--kind", kind],
                         check=True, capture_output=True, text=True, timeout=60 * harness.SLOW).stdout
    return [json.loads(line) for line in out.splitlines()]


class Recording(harness.ServerCase):
    COLLECTIONS, PIPELINES = COLLECTIONS, PIPELINES
    SETTINGS = "limits: {max_message: 16MiB}"

    def test_an_event_is_recorded_once_for_ever(self):
        r = record(self.server, event("once-1"), event("once-2"), event("once-1"))
        self.assertEqual((r.accepted, r.repeated, len(r.rejected)), (2, 1, 0))
        self.assertTrue(r.request_id and r.sequence)
        again = record(self.server, event("once-2", type="view", items=["other"]), event("once-3"))
        self.assertEqual((again.accepted, again.repeated), (1, 1))
        self.assertEqual(again.sequence, r.sequence + 1)
        nothing = record(self.server, event("once-3"))
        self.assertEqual((nothing.accepted, nothing.repeated), (0, 1))
        other = record(self.server, event("once-1", collection="books"))  # an id is of its collection
        self.assertEqual((other.accepted, other.repeated), (1, 0))
        self.assertEqual([e["type"] for e in dump(self.server) if e["event_id"] == "once-2"], ["click"])

    def test_what_was_sent_is_what_is_kept(self):
        e = event("kept", type="purchase", items=["a", "b"], at=1767225600, session_id="s", value=12.5, request_id="r-1", position=3,
                  query="blue chair")
        e.time.nanos = 250_000_000
        e.attributes["channel"].string_value = "app"
        e.attributes["pieces"].integer_value = 2
        record(self.server, e)
        [kept] = [d for d in dump(self.server) if d["event_id"] == "kept"]
        self.assertEqual(kept["happened"], "2026-01-01T00:00:00.250Z")
        self.assertEqual({k: kept[k] for k in ("type", "user_id", "session_id", "request_id", "query", "item_ids", "position", "value",
                                               "attributes")},
                         {"type": "purchase", "user_id": "u1", "session_id": "s", "request_id": "r-1", "query": "blue chair",
                          "item_ids": ["a", "b"], "position": 3, "value": 12.5, "attributes": {"channel": "app", "pieces": 2}})

    def test_id_and_time_are_given_where_they_are_left_open(self):
        before = time.time()
        r = record(self.server, event(items=["left-open"]), event(items=["left-open"]))
        self.assertEqual((r.accepted, r.repeated), (2, 0))
        kept = [d for d in dump(self.server) if d["item_ids"] == ["left-open"]]
        self.assertEqual(len({d["event_id"] for d in kept}), 2)
        for d in kept:
            self.assertEqual(len(d["event_id"]), 36)
            at = datetime.datetime.fromisoformat(d["happened"].replace("Z", "+00:00")).timestamp()
            self.assertAlmostEqual(at, before, delta=60 * harness.SLOW)

    def test_a_bad_event_is_rejected_by_itself(self):
        now = int(time.time())
        many = event("bad-many-attributes")
        for i in range(65):
            many.attributes[f"k{i}"].integer_value = i
        unset, wide = event("bad-unset"), event("bad-wide", items=[f"{i}-" + "x" * 200 for i in range(1000)])
        unset.attributes["empty"].SetInParent()
        for i in range(6):
            wide.attributes[f"k{i}"].string_value = "y" * 60000
        nanos = event("bad-nanos", at=5)
        nanos.time.nanos = -1
        bad = [
            (event("x" * 1_000_000), "event_id", "is longer than 256 bytes", "1 to 256 bytes"),
            (event("a\nb"), "event_id", "holds a control character", "1 to 256 bytes"),
            (event("b1", collection=""), "collection", "no collection is named", "shop"),
            (event("b2", collection="shpo"), "collection", "no collection 'shpo'", "did you mean 'shop'?"),
            (event("b3", collection="quiet"), "type", "the collection 'quiet' declares no event types", "events: {click: 1}"),
            (event("b4", type="clik"), "type", "no event type 'clik'", "view, click, purchase, rating; did you mean 'click'?"),
            (event("b5", type=""), "type", "no event type is named", "view, click, purchase, rating"),
            (event("b6", type="T" * 100_000), "type", "no event type 'TTT", "view, click"),
            (event("b7", user_id=""), "user_id", "neither user_id nor session_id", "one of the two"),
            (event("b8", user_id="u" * 257), "user_id", "is longer than 256 bytes", "1 to 256 bytes"),
            (event("b9", session_id="s\x01"), "session_id", "holds a control character", "1 to 256 bytes"),
            (event("c1", items=[]), "item_ids", "names no item", "1 to 1000"),
            (event("c2", items=["i"] * 1001), "item_ids", "names 1001 items", "1 to 1000"),
            (event("c3", items=["a", "b", ""]), "item_ids[2]", "is empty", "1 to 256 bytes"),
            (event("c4", items=["a", "b" * 257]), "item_ids[1]", "is longer than 256 bytes", "1 to 256 bytes"),
            (event("c5", type="rating", value=float("nan")), "value", "is not a finite number", "a finite number"),
            (event("c6", value=float("-inf")), "value", "is not a finite number", "a finite number"),
            (event("c7", at=-1), "time", "is before 1970", "from 1970-01-01"),
            (event("c8", at=now + 2 * DAY), "time", "is in the future", "a day ahead of the server's clock"),
            (event("c9", at=253402300799), "time", "is in the future", "a day ahead of the server's clock"),
            (nanos, "time", "nanos is -1", "nanos from 0"),
            (event("d1", request_id="r" * 257), "request_id", "is longer than 256 bytes", "1 to 256 bytes"),
            (event("d2", query="q" * 70_000), "query", "is longer than 64 KiB", "at most 64 KiB"),
            (many, "attributes", "there are 65", "at most 64"),
            (unset, "attributes.empty", "has no value", "any value"),
            (wide, "attributes", "the event has", "at most 512 KiB"),
        ]
        batch = []
        for i, (e, *_) in enumerate(bad):
            batch += [event(f"good-{i}"), e]
        before, last = self.server.counters(), self.server.status().sequence
        r = record(self.server, *batch)
        self.assertEqual((r.accepted, r.repeated, len(r.rejected)), (len(bad), 0, len(bad)))
        self.assertEqual(r.sequence, last + len(bad))
        for i, (told, (e, field, reason, valid)) in enumerate(zip(r.rejected, bad)):
            with self.subTest(field=field, reason=reason):
                self.assertEqual((told.index, told.field), (2 * i + 1, field))
                self.assertEqual(told.event_id, e.event_id if len(e.event_id) <= 256 else "")
                self.assertTrue(told.reason.startswith(reason), told.reason)
                self.assertIn(valid, told.valid)
                self.assertLess(len(told.reason) + len(told.valid), 300)
        after = self.server.counters()
        self.assertEqual(after["events_rejected"] - before["events_rejected"], len(bad))
        self.assertEqual(after["events_accepted"] - before["events_accepted"], len(bad))

    def test_a_batch_of_only_bad_events_writes_nothing(self):
        last = self.server.status().sequence
        r = record(self.server, event("n1", type="nothing"), event("n2", type="nothing"))
        self.assertEqual((r.accepted, r.repeated, r.sequence, len(r.rejected)), (0, 0, 0, 2))
        r = record(self.server)
        self.assertEqual((r.accepted, r.repeated, len(r.rejected)), (0, 0, 0))
        self.assertEqual(self.server.status().sequence, last)

    def test_too_many_in_one_message_is_refused_whole(self):
        one = event(items=["m"])
        e = self.assert_fails("INVALID_ARGUMENT", record, self.server, *[one] * 10001)
        self.assertIn("10001 events; a message holds at most 10000", e.details())
        self.assertEqual(record(self.server, *[one] * 10000).accepted, 10000)

    def test_late_and_out_of_order_events_are_taken(self):
        now = int(time.time())
        times = [now, now - 400 * DAY, now - 5, 0, now + DAY // 2, now - 86400 * 30]
        r = record(self.server, *[event(f"late-{i}", at=t) for i, t in enumerate(times)])
        self.assertEqual((r.accepted, len(r.rejected)), (len(times), 0))

    def test_an_item_may_come_after_its_event(self):
        r = record(self.server, event("early", items=["not-yet"]))
        self.assertEqual(r.accepted, 1)
        self.server.upsert("shop", [item("not-yet", title="late lamp")], searchable=True)
        self.assertEqual([h.id for h in self.server.search(collection="shop", query="lamp").hits], ["not-yet"])

    def test_a_search_can_wait_for_an_event(self):
        r = record(self.server, event("wait"))
        answer = self.server.search(collection="shop", query="x", after_sequence=r.sequence)
        self.assertGreaterEqual(answer.sequence, r.sequence)

    # ---- streams ----

    def stream(self, batches):
        requests = (ev.StreamEventsRequest(events=b) for b in batches)
        return self.server.stub("Event").StreamEvents(requests, timeout=60 * harness.SLOW)

    def test_a_stream_is_answered_in_order(self):
        batches = [[event(f"stream-{n}-{i}") for i in range(n % 7)] + [event(f"bad-{n}", type="no")] * (n % 3) for n in range(200)]
        answers = list(self.stream(batches))
        self.assertEqual([(a.accepted, len(a.rejected)) for a in answers], [(n % 7, n % 3) for n in range(200)])
        written = [a.sequence for a in answers if a.accepted]
        self.assertEqual(written, sorted(set(written)))
        self.assertEqual([a.repeated for a in self.stream(batches)], [n % 7 for n in range(200)])

    def test_large_batches_do_not_overrun_the_journal(self):
        batches = [[event(f"large-{n}-{i}") for i in range(9000)] for n in range(6)]
        self.assertEqual(sum(a.accepted for a in self.stream(batches)), 54000)

    def test_a_bad_message_ends_a_stream_after_what_came_before(self):
        seen = []
        one = event(items=["m"])
        with self.assertRaises(grpc.RpcError) as caught:
            for a in self.stream([[event("before-1")], [event("before-2")], [one] * 10001, [event("after")]]):
                seen.append(a.accepted)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(seen, [1, 1])
        self.assertEqual(record(self.server, event("after")).accepted, 1)

    def test_many_clients_at_once_store_each_event_once(self):
        """Eight clients send the same 500 events in orders of their own."""
        import random
        ids, sums, failures = [f"race-{i}" for i in range(500)], [], []

        def client(seed):
            try:
                mine = ids[:]
                random.Random(seed).shuffle(mine)
                channel = self.server.connect()
                stub = self.server.stub("Event", channel)
                answers = [stub.RecordEvents(ev.RecordEventsRequest(events=[event(i) for i in mine[at:at + 20]]), timeout=60 * harness.SLOW)
                           for at in range(0, 500, 20)]
                sums.append((sum(a.accepted for a in answers), sum(a.repeated for a in answers)))
                channel.close()
            except Exception as e:  # noqa: BLE001: told below
                failures.append(e)

        threads = [threading.Thread(target=client, args=(seed,)) for seed in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(failures, [])
        self.assertEqual(sum(a for a, _ in sums), 500)
        self.assertEqual(sum(r for _, r in sums), 7 * 500)


class Importing(harness.ServerCase):
    COLLECTIONS, PIPELINES = COLLECTIONS, PIPELINES

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.server.dir / "files"
        cls.folder.mkdir()

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def run_import(self, path, *more, collection="shop", expect=0):
        """The summary (None where there is none) and what was said on standard error."""
        named = ["--collection", collection] if collection else []
        done = subprocess.run([str(harness.BUILD / "bin/sinter"), "events", "import", str(path), "--server", self.server.address, "--json",
                               *named, *more], capture_output=True, text=True, timeout=120 * harness.SLOW)
        self.assertEqual(done.returncode, expect, done.stderr)
        return json.loads(done.stdout) if done.stdout else None, done.stderr

    def kept(self, **like):
        return [d for d in dump(self.server) if all(d.get(k) == v for k, v in like.items())]

    def test_a_file_imported_twice_counts_once(self):
        rows = "\n".join(f"u{i % 7}\t{i}\t{1 + i % 5}\t{885870323 + i}" for i in range(3000))
        path = self.file("ratings.tsv", "user\titem\trating\ttimestamp\n" + rows + "\n")
        args = ["--type", "rating", "--map", "value=rating,time=timestamp", "--batch", "170"]
        first, _ = self.run_import(path, *args, collection="books")
        self.assertEqual({k: first[k] for k in ("rows", "accepted", "repeated", "refused")},
                         {"rows": 3000, "accepted": 3000, "repeated": 0, "refused": 0})
        again, _ = self.run_import(path, *args, collection="books")
        self.assertEqual((again["accepted"], again["repeated"]), (0, 3000))
        self.assertEqual(again["sequence"], self.server.status().sequence)
        [d] = self.kept(type="rating", happened="1998-01-27T03:05:33Z")
        self.assertEqual((d["user_id"], d["item_ids"], d["value"]), (f"u{10 % 7}", ["10"], 1 + 10 % 5))
        # Another type of the same rows, and a file of that name with other rows, are other events.
        other, _ = self.run_import(path, "--type", "view", collection="books")
        self.assertEqual(other["accepted"], 3000)
        (self.folder / "sub").mkdir()
        other, _ = self.run_import(self.file("sub/ratings.tsv", "user\titem\trating\ttimestamp\nu0\t77\t5\t885870323\n"), *args,
                                   collection="books")
        self.assertEqual(other["accepted"], 1)

    def test_json_lines_with_ids_of_their_own(self):
        rows = [{"event_id": "j1", "type": "view", "user_id": "u", "item_id": "a", "time": "2025-07-05T08:15:10Z", "shop": {"till": 3}},
                {"event_id": "j2", "type": "purchase", "session_id": "s", "item_id": ["a", "b"], "value": 9.5, "time": 1751703310500,
                 "search": {"id": "r-1", "rank": 4, "words": "blue chair"}},
                {"event_id": "j1", "type": "view", "user_id": "u", "item_id": "a"}]
        path = self.file("history.jsonl", "".join(json.dumps(r) + "\n" for r in rows))
        r, _ = self.run_import(path, "--map", "user=user_id,item=item_id,time=time,id=event_id,session=session_id", "--map", "request=search.id",
                               "--map", "position=search.rank,query=search.words,attributes.till=shop.till")
        self.assertEqual((r["accepted"], r["repeated"], r["refused"]), (2, 1, 0))
        [one] = self.kept(event_id="j1")
        self.assertEqual((one["user_id"], one["happened"], one["attributes"]), ("u", "2025-07-05T08:15:10Z", {"till": 3}))
        [two] = self.kept(event_id="j2")
        self.assertEqual({k: two[k] for k in ("session_id", "item_ids", "value", "happened", "request_id", "position", "query")},
                         {"session_id": "s", "item_ids": ["a", "b"], "value": 9.5, "happened": "2025-07-05T08:15:10.500Z", "request_id": "r-1",
                          "position": 4, "query": "blue chair"})

    def test_times_are_seconds_milliseconds_or_rfc_3339(self):
        for i, (time_, shown) in enumerate([("885870323", "1998-01-27T03:05:23Z"), ("885870323.25", "1998-01-27T03:05:23.250Z"),
                                            ("1751703310500", "2025-07-05T08:15:10.500Z"), ("2025-07-05", "2025-07-05T00:00:00Z"),
                                            ("2025-07-05T10:15:10+02:00", "2025-07-05T08:15:10Z"), ("0", "1970-01-01T00:00:00Z")]):
            with self.subTest(time_):
                path = self.file(f"time{i}.csv", f"user,item,type,time\nu,t{i},view,{time_}\n")
                self.run_import(path)
                self.assertEqual([d["happened"] for d in self.kept(item_ids=[f"t{i}"])], [shown])

    def test_refused_rows_are_told_and_can_be_mended(self):
        text = ("user,item,type,time,value\nu1,a,view,5,\nu1,a,veiw,5,\n,a,view,5,\nu1,,view,5,\nu1,a,rating,soon,\nu1,a,rating,5,many\n"
                "u1,a,view,4102444800,\nu1,a\nu1,b,rating,5,4.5\n")
        path, refused = self.file("some.csv", text), self.folder / "refused.csv"
        r, told = self.run_import(path, "--refused", str(refused), expect=4)
        self.assertEqual((r["rows"], r["accepted"], r["refused"]), (9, 2, 7))
        for line, words in [(3, "type: no event type 'veiw'; valid: view, click, purchase, rating; did you mean 'view'?"),
                            (4, "it has no user or session"), (5, "it has no item"), (6, 'time: "soon" is not a time'),
                            (7, 'value: "many" is not a number'), (8, "time: is in the future"), (9, "it has 2 columns, the header 5")]:
            self.assertIn(f"some.csv:{line}: {words}", told)
        kept = refused.read_text()
        self.assertTrue(kept.startswith("user,item,type,time,value\n# line"), kept)
        self.assertEqual(kept.count("# line"), 7)
        refused.write_text(kept.replace("veiw", "view").replace("soon", "6"))
        r, _ = self.run_import(refused, expect=4)
        self.assertEqual((r["accepted"], r["refused"]), (2, 5))

    def test_wrong_arguments(self):
        path = self.file("w.csv", "user,item,type\nu,a,view\n")
        last = self.server.status().sequence
        for args, code, words in [
                ([str(path), "--map", "usr=user"], 2, "did you mean 'user'?"),
                ([str(path), "--map", "user"], 2, "--map takes FIELD=NAME: user"),
                ([str(path), "--map", "user=usr", "--collection", "shop"], 2, "did you mean 'user'?\nsinter events import: the file has no column: usr"),
                ([str(path), "--type", "view", "--map", "type=type", "--collection", "shop"], 2, "exclude each other"),
                ([str(path), "--batch", "10001"], 2, "--batch takes 1 to 10000"),
                ([str(path), "--what"], 2, "unknown option: --what"),
                ([str(path), "--type"], 2, "a value is missing after: --type"),
                ([str(path), str(path)], 2, "one argument too many"),
                ([], 2, "a file is needed"),
                ([str(path), "--collection", "shpo"], 5, 'has no collection "shpo"; did you mean shop?'),
                ([str(path)], 2, "several collections"),
                ([str(self.folder / "none.csv"), "--collection", "shop"], 5, "No such file"),
                ([str(self.folder / "none.txt"), "--collection", "shop"], 2, "none of .jsonl, .csv, .tsv"),
                ([str(path), "--server", "127.0.0.1:1"], 3, "no server answers at 127.0.0.1:1"),
        ]:
            with self.subTest(args):
                server = [] if "--server" in args else ["--server", self.server.address]
                done = subprocess.run([str(harness.BUILD / "bin/sinter"), "events", "import", *server, *args], capture_output=True, text=True,
                                      timeout=60 * harness.SLOW)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(words, done.stderr)
        self.assertEqual(self.server.status().sequence, last)
        for args, code in [(["events"], 2), (["events", "export"], 2), (["events", "--help"], 0), (["events", "import", "-h"], 0)]:
            done = subprocess.run([str(harness.BUILD / "bin/sinter"), *args], capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, code)

    def test_the_demos_history_is_read_as_it_is(self):
        subprocess.run([str(harness.BUILD / "bin/sinter"), "demo", "generate", "--seed", "3", "--items", "200", "--users", "50", "--queries", "20",
                        "--events", "2000", str(self.folder / "demo")], check=True, capture_output=True, timeout=60 * harness.SLOW)
        path = self.folder / "demo/history.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        self.server.write("collections/shop.yaml", COLLECTION.replace("value}", "value, basket: 3}"))
        self.server.reload()
        r, _ = self.run_import(path, "--map",
                               "user=user_id,item=item_id,type=type,time=time,value=value,id=event_id,session=session_id")
        self.assertEqual((r["accepted"], r["refused"]), (len(rows), 0))
        kept = {d["event_id"]: d for d in dump(self.server)}
        for row in rows:
            d = kept[row["event_id"]]
            self.assertEqual((d["type"], d["user_id"], d["session_id"], d["item_ids"], d["happened"]),
                             (row["type"], row["user_id"], row["session_id"], [row["item_id"]], row["time"]))

    def test_one_collection_needs_no_name(self):
        with harness.Server({"shop": COLLECTION}) as s:
            path = self.file("one.csv", "user,item,type\nu,a,view\n")
            done = subprocess.run([str(harness.BUILD / "bin/sinter"), "events", "import", str(path), "--server", s.address],
                                  capture_output=True, text=True, timeout=60 * harness.SLOW)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"^1 events recorded in shop, 0 had been before, 0 refused, in .* sequence 2\n$")

    def test_a_server_that_stops_in_between_loses_nothing_and_counts_nothing_twice(self):
        """The importer goes on when the server is back at its address."""
        path = self.file("long.csv", "user,item,type\n" + "".join(f"u{i},i{i},view\n" for i in range(60000)))
        with harness.Server({"shop": COLLECTION}) as s:
            address = s.address
            work = subprocess.Popen([str(harness.BUILD / "bin/sinter"), "events", "import", str(path), "--server", address, "--json", "--batch", "100"],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            end = time.monotonic() + 30 * harness.SLOW
            while s.status().sequence < 3000 and time.monotonic() < end:
                time.sleep(0.01)
            s.kill9()
            s.settings(f"listen: {address}")
            s.start()
            out, told = work.communicate(timeout=120 * harness.SLOW)
            self.assertEqual(work.returncode, 0, told)
            self.assertIn("trying again", told)
            r = json.loads(out)
            self.assertEqual(r["accepted"] + r["repeated"], 60000)
            kept = [d["item_ids"][0] for d in dump(s)]
            self.assertEqual(sorted(kept), sorted(f"i{i}" for i in range(60000)))


class Reload(unittest.TestCase):
    def test_reload_takes_new_types_and_weights_and_refuses_the_rest(self):
        with harness.Server({"shop": COLLECTION}) as s:
            self.assertEqual(len(record(s, event("a", type="order")).rejected), 1)
            s.write("collections/shop.yaml", COLLECTION.replace("view: 0.2", "view: 0.1").replace("value}", "value, order: 4}"))
            s.reload()
            self.assertEqual(record(s, event("a", type="order")).accepted, 1)
            # Also what an earlier reload added has its number by now.
            s.write("collections/shop.yaml", COLLECTION.replace("value}", "value, gift: 1, order: 4}"))
            self.assertIn("the event type 'order' was number 5", self.refused(s))
            s.write("collections/shop.yaml", COLLECTION.replace("view: 0.2, click: 1", "click: 1, view: 0.2"))
            told = self.refused(s)
            self.assertIn("reload may only add types at the end", told)
            self.assertIn("shop.yaml:", told)
            self.assertEqual(record(s, event("b", type="order")).accepted, 1)

    def test_the_first_types_of_a_collection_need_a_restart(self):
        with harness.Server({"shop": harness.SHOP_COLLECTION}) as s:
            s.write("collections/shop.yaml", COLLECTION)
            self.assertIn("restart the server", self.refused(s))
            s.restart()
            self.assertEqual(record(s, event("b")).accepted, 1)

    def refused(self, s):
        with self.assertRaises(grpc.RpcError) as caught:
            s.reload()
        self.assertEqual(caught.exception.code(), grpc.StatusCode.FAILED_PRECONDITION)
        return caught.exception.details()


class Kill(unittest.TestCase):
    def test_kill_9_keeps_what_was_acknowledged_and_a_retry_counts_once(self):
        """Clients send batches until the server is killed; afterwards each acknowledged id is there, and the whole
        sent again makes every id be there once."""
        with harness.Server({"shop": COLLECTION}) as s:
            sent, acknowledged = [], set()
            for life in range(ROUNDS):
                stub, stop = s.stub("Event"), time.monotonic() + 0.3 * harness.SLOW

                def kill():
                    time.sleep(max(0.0, stop - time.monotonic()))
                    s.process.kill()

                killer = threading.Thread(target=kill)
                killer.start()
                for n in range(10**6):
                    batch = [f"{life}-{n}-{i}" for i in range(10)]
                    sent.append(batch)
                    try:
                        r = stub.RecordEvents(ev.RecordEventsRequest(events=[event(i) for i in batch]), timeout=10 * harness.SLOW)
                    except grpc.RpcError:
                        break
                    self.assertEqual(r.accepted, 10)
                    acknowledged.update(batch)
                killer.join()
                s.kill9()
                s.start()
            self.assertGreater(len(acknowledged), 10 * ROUNDS)
            kept = [d["event_id"] for d in dump(s)]
            self.assertEqual(len(kept), len(set(kept)))
            self.assertEqual(acknowledged - set(kept), set())
            for batch in sent:
                record(s, *map(event, batch))
            kept = [d["event_id"] for d in dump(s)]
            self.assertEqual(sorted(kept), sorted(i for batch in sent for i in batch))


if __name__ == "__main__":
    harness.main()
