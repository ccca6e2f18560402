# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds of a plugin swapped while requests are answered: kept over restarts, rolled back, the bad ones refused."""
import functools
import shutil
import subprocess
import threading
import time

import grpc

import harness
from harness import BUILD, SLOW, pb
from swaps import A, PIPELINE, TIDE, Swaps


class Swapping(Swaps):
    def test_a_build_is_swapped_while_requests_are_answered_and_survives_a_restart(self):
        self.assertEqual(self.builds(), [1])
        up = [h.id for h in self.answer().hits]
        r = self.swap(2, who="ann", why="downwards")
        self.assertIn("plugin tide: build 2.0.0", "\n".join(r.changes))
        self.assertEqual(self.builds(), [2])
        self.assertNotEqual([h.id for h in self.answer().hits], up)
        s = self.snapshots()
        self.assertEqual([(x.kind, self.state(x)) for x in s], [("swap", "STATE_RUNNING"), ("start", "STATE_HELD")])
        self.assertEqual((s[0].who, s[0].why, s[0].sequence, s[0].id), ("ann", "downwards", r.sequence, r.snapshot))
        self.assertTrue(any(p.startswith("tide 2.0.0 ") and p.endswith("swapped") for p in s[0].plugins), s[0].plugins)
        self.server.restart()
        self.assertEqual(self.builds(), [2])
        self.assertEqual(self.server.status().snapshot, r.snapshot, "the same content has the same id")
        self.server.kill9()
        self.server.start()
        self.assertEqual(self.builds(), [2])
        shutil.rmtree(self.server.data / "builds")
        self.server.restart()
        self.assertEqual(self.builds(), [1], "without the kept build the configured file serves, and that is told")
        self.assertIn("cannot be used, the configured file serves", self.server.status().warnings[0])

    def test_the_configured_file_is_taken_again_and_a_reload_keeps_a_swap(self):
        self.swap(2)
        self.server.reload()
        self.assertEqual(self.builds(), [2])
        shutil.copy(TIDE / "3.so", self.dir / "new.so")
        (self.dir / "new.so").rename(self.dir / "tide.so")
        r = self.swap("")
        self.assertEqual(self.builds(), [3])
        self.assertFalse(any(p.endswith("swapped") for p in self.snapshots()[0].plugins))
        self.server.restart()
        self.assertEqual(self.builds(), [3])
        self.assertEqual(self.server.status().snapshot, r.snapshot)

    def test_a_pin_is_the_last_word(self):
        sums = {n: subprocess.run(["sha256sum", TIDE / f"{n}.so"], capture_output=True, text=True).stdout.split()[0] for n in (1, 2)}
        self.swap(2)
        self.server.write("pipelines/main.yaml", PIPELINE.replace("plugin: tide}", f"plugin: tide, sha256: {sums[1]}}}"))
        self.server.reload()
        self.assertEqual(self.builds(), [1])
        self.assertRegex(self.refused("INVALID_ARGUMENT", 2), r"pipelines/main.yaml:9:9: tide is pinned to the build")
        self.server.restart()
        self.assertEqual(self.builds(), [1])

    def test_every_bad_build_is_refused_under_load_and_the_incumbent_goes_on(self):
        self.record(60)
        before, channels = self.server.status().snapshot, [self.server.connect() for _ in range(2)]

        def load(stub):
            r = stub.Search(pb.search_pb2.SearchRequest(collection="things", query="thing", explain=2), timeout=10 * SLOW)
            assert self.builds(r) == [1] and not r.degraded, r

        with harness.meanwhile(*(functools.partial(load, self.server.stub("Search", c)) for c in channels)) as fails:
            for build, code, words in ((4, "FAILED_PRECONDITION", r"main.yaml:9:9: the rehearsal refuses it: 'tide' failed in 50 of 50 .* NaN"),
                                       (5, "FAILED_PRECONDITION", r"main.yaml:9:9: the rehearsal refuses it: .* the tide is out"),
                                       (6, "FAILED_PRECONDITION", r"main.yaml:2:1: the rehearsal refuses it: the 99th percentile"),
                                       (9, "FAILED_PRECONDITION", r"no water"),
                                       (11, "FAILED_PRECONDITION", r"main.yaml:9:9: .*11.so, tried in a process of its own: (it crashed: Segmentation fault|it ended the process with code 1) during .score"),
                                       (10, "FAILED_PRECONDITION", r"main.yaml:9:9: .*it holds the plugin 'ebb', not 'tide'"),
                                       (BUILD / "zoo/wrong_major.so", "FAILED_PRECONDITION", r"main.yaml:9:9: .*ABI 9.3"),
                                       (BUILD / "zoo/missing_entry.so", "FAILED_PRECONDITION", "exports no symbol"),
                                       (BUILD / "zoo/short_struct.so", "FAILED_PRECONDITION", "bytes"),
                                       (BUILD / "zoo/null_table.so", "FAILED_PRECONDITION", "returned NULL"),
                                       (BUILD / "bin/sinter", "FAILED_PRECONDITION", "main.yaml:9:9"),
                                       ("/nowhere/x.so", "NOT_FOUND", "/nowhere/x.so"),
                                       ("tide.so", "INVALID_ARGUMENT", "no absolute path")):
                with self.subTest(build=str(build)):
                    self.assertRegex(self.refused(code, build), words)
                    self.assertEqual(self.server.status().snapshot, before)
        [c.close() for c in channels]
        self.assertEqual(len(fails), 0, str(fails[:1])[:1000])
        self.assertEqual(self.server.counters()["swaps_refused"], 13)
        self.assertEqual(len(self.snapshots()), 1, "what was refused leaves no trace")
        self.server.restart()
        self.assertEqual(self.builds(), [1])

    def test_what_is_named_wrongly_is_told_with_near_names(self):
        for plugin, code, words in (("tied", "NOT_FOUND", "did you mean 'tide'?"), ("", "INVALID_ARGUMENT", "no plugin is named")):
            e = self.assert_fails(code, self.admin, "SwapPlugin", A.SwapPluginRequest(plugin=plugin, file=str(TIDE / "2.so")))
            self.assertIn(words, e.details())
        self.assertIn("at most 256 bytes for who", self.refused("INVALID_ARGUMENT", 2, who="x" * 300))

    def test_kill_9_in_the_middle_of_a_swap_leaves_one_or_the_other(self):
        self.record(30)
        seen = set()
        for i in range(6):
            build = 2 if i % 2 == 0 else 3
            t = threading.Thread(target=lambda: self.swap_whatever(build))
            t.start()
            time.sleep(0.004 * i)
            self.server.kill9()
            t.join()
            self.server.start()
            got = self.builds()
            self.assertEqual(len(got), 1)
            seen.add(got[0])
            self.assertIn(got[0], (1, 2, 3))
            self.swap(build)
            self.assertEqual(self.builds(), [build])

    def swap_whatever(self, build):
        try:
            self.swap(build)
        except (grpc.RpcError, ValueError):
            pass


class RollingBack(Swaps):
    def rollback(self, snapshot="", **more):
        return self.admin("Rollback", A.RollbackRequest(snapshot=snapshot, **more))

    def test_back_to_the_one_before_and_to_a_named_one(self):
        two = self.swap(2).snapshot
        three = self.swap(3).snapshot
        self.assertEqual(self.rollback(dry_run=True).snapshot, three)
        r = self.rollback(who="ann", why="too fast")
        self.assertEqual((r.snapshot, self.builds()), (two, [2]))
        self.assertEqual(self.server.status().snapshot, two)
        self.server.restart()
        self.assertEqual(self.builds(), [2])
        self.assertEqual(self.server.status().snapshot, two)
        self.assert_fails("FAILED_PRECONDITION", self.rollback)  # after a restart none is held
        with self.assertRaises(grpc.RpcError) as caught:
            self.rollback(three)
        self.assertIn("no longer held", caught.exception.details())
        self.assert_fails("NOT_FOUND", self.rollback, "77-00000000")

    def test_the_first_build_comes_back_though_it_was_swapped_away(self):
        first = self.server.status().snapshot
        self.swap(2)
        self.assertEqual(self.rollback(first).snapshot, first)
        self.assertEqual(self.builds(), [1])
        shutil.copy(TIDE / "3.so", self.dir / "new.so")
        (self.dir / "new.so").rename(self.dir / "tide.so")
        self.server.restart()
        self.assertEqual(self.builds(), [3], "a file that was replaced since is what the operator wants")

    def test_a_configuration_that_was_rolled_back_does_not_come_back_and_that_is_said(self):
        self.server.write("pipelines/main.yaml", PIPELINE.replace("keep: 20", "keep: 7"))
        bad = self.server.reload()
        good = self.rollback().snapshot
        self.assertNotEqual(good, bad.snapshot)
        self.assertIn("was rolled back", self.server.status().warnings[0])
        self.swap(3)
        for start in (self.server.restart, lambda: (self.server.kill9(), self.server.start())):
            start()
            status = self.server.status()
            self.assertRegex(status.warnings[0], "the configuration on disk .* was rolled back: what serves is the one before")
            self.assertEqual(self.builds(), [3])
            r = self.answer(page_size=30)
            self.assertEqual(len([h for h in r.hits if len(h.explanation.stages) == 2 and h.explanation.stages[1].rank_after <= 20]), 20)
            self.assertEqual([x.keep for x in self.stages("t010")], [40, 20])
        self.server.write("pipelines/main.yaml", PIPELINE.replace("keep: 20", "keep: 9"))
        self.server.restart()
        self.assertEqual(list(self.server.status().warnings), [], "files that were changed since serve")
        self.assertEqual([x.keep for x in self.stages("t010")], [40, 9])

    def stages(self, item):
        return self.admin("ExplainMissing", A.ExplainMissingRequest(request=pb.search_pb2.SearchRequest(collection="things", query="thing"),
                                                                    item=item)).stages

    def test_the_command_lists_and_rolls_back(self):
        sinter = self.server.sinter
        self.assertEqual(sinter("plugin", "swap", "tide", str(TIDE / "2.so"), "--why", "to see").returncode, 0)
        p = sinter("snapshots")
        self.assertRegex(p.stdout, r"running +swap .*: to see\n +pipeline main: version")
        self.assertEqual(sinter("snapshots", "rollback").returncode, 0)
        self.assertRegex(sinter("snapshots", "list").stdout, r"rolled back +swap")
        self.assertEqual(sinter("snapshots", "rolback").returncode, 2)
        self.assertEqual(sinter("snapshots", "rollback", "9-9").returncode, 5)
        dump = harness.sinter("journal", "dump", self.server.data / "journal/catalogue", "--kind", "change", "--json")
        self.assertIn('"change":"rollback"', dump.stdout + dump.stderr)

if __name__ == "__main__":
    harness.main()
