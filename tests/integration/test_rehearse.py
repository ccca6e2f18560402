# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes rehearsed on recorded requests before they are published, and watched after it."""
import functools
import re

import harness
from harness import SLOW, pb
from swaps import A, PIPELINE, TIDE, WATCH, Swaps


class Rehearsing(Swaps):
    def test_a_dry_run_says_which_recorded_queries_change_and_how(self):
        self.record(20)
        r = self.swap(2, dry_run=True)
        self.assertEqual(self.builds(), [1])
        self.assertEqual((r.sequence, r.rehearsal.requests, r.rehearsal.failed), (0, 21, 0))
        self.assertEqual((r.rehearsal.changed, len(r.answers), r.rehearsal.recomputed), (21, 21, 0.5))
        self.assertLess(r.rehearsal.agreement, 0.5)
        self.assertGreater(r.rehearsal.p99_ms, 0)
        moved = {m.item: (m.was, getattr(m, "is")) for m in r.answers[0].items}
        shown = [h.id for h in self.answer(page_size=10).hits]
        self.assertEqual([m for m in moved if moved[m][0] == 1], [shown[0]])
        self.assertTrue(all(moved[m] == (i + 1, 0) for i, m in enumerate(shown)), moved)
        self.assertEqual(sorted(i for w, i in moved.values() if w == 0), list(range(1, 11)))
        r = self.swap(3, dry_run=True)
        self.assertEqual((r.rehearsal.changed, r.rehearsal.agreement, r.rehearsal.overlap, len(r.answers)), (0, 1, 1, 0))
        text = self.server.sinter("plugin", "swap", "tide", TIDE / "2.so", "--dry-run")
        self.assertEqual(text.returncode, 0, text.stderr)
        for words in ("nothing was changed", r"rehearsed on 2\d recorded requests", f"out    1        {shown[0]}", "in     1  ", r"and \d+ more"):
            self.assertIsNotNone(re.search(words, text.stdout), words)

    def test_agreement_below_the_limit_is_refused_unless_forced(self):
        self.configure("swap: {rehearse: 50, watch: 0s, min_agreement: 0.9}\n")
        self.server.restart()
        self.record(10)
        self.assertRegex(self.refused("FAILED_PRECONDITION", 2), r"main.yaml:2:1: .*agrees with the incumbent's to 0\.\d+, less than 0.9; .*--force")
        self.swap(3)
        self.assertEqual(self.builds(), [3])
        self.record(10)
        self.swap(2, force=True)
        self.assertEqual(self.builds(), [2])
        self.assertEqual(self.snapshots()[0].rehearsal.requests, 22)
        self.assertRegex(self.refused("FAILED_PRECONDITION", 5, force=True), "the tide is out", "force is for agreement alone")

    def test_a_reload_is_rehearsed_with_what_the_log_lacks_made_anew(self):
        self.record(10)
        self.server.write("pipelines/main.yaml", PIPELINE.replace(
            "      - {name: words, feature: text.bm25}\n", "      - {name: words, feature: text.bm25}\n      - {name: cheap, feature: item.price}\n")
            .replace("words: 0, again: 1", "words: 0, again: 0, cheap: 1"))
        r = self.server.reload(dry_run=True)
        self.assertEqual(r.rehearsal.requests, 11)
        self.assertTrue(0 < r.rehearsal.recomputed < 1, r.rehearsal)
        self.assertEqual(r.rehearsal.changed, 11)
        r = self.server.reload()
        self.assertGreater(r.sequence, 0)
        self.assertEqual([h.id for h in self.answer().hits][:3], ["t039", "t038", "t037"])

    def test_thresholds_that_are_wrong_are_told_with_their_place(self):
        for text, words in (("swap: {rehearse: many}\n", r"sinter.yaml:4:18: rehearse is 'many', not a whole number"),
                            ("swap: {min_agreement: 2}\n", r"sinter.yaml:4:23: min_agreement is 2; valid: 0 to 1"),
                            ("swap: {rehears: 2}\n", r"did you mean 'rehearse'")):
            self.configure(text)
            self.assertRegex(self.assert_fails("INVALID_ARGUMENT", self.server.reload).details(), words)


class Watching(Swaps):
    SETTINGS = WATCH

    def storm(self, build):
        self.record(40)
        self.record(40)
        before = self.server.status().snapshot
        r = self.swap(build)
        self.assertEqual(self.server.status().watch.state, A.Watch.STATE_RUNNING)
        self.assertEqual(self.builds(), [build])
        channels = [self.server.connect() for _ in range(2)]
        search = lambda stub: stub.Search(pb.search_pb2.SearchRequest(collection="things", query="thing storm", explain=2), timeout=20 * SLOW)
        with harness.meanwhile(*(functools.partial(search, self.server.stub("Search", c)) for c in channels)) as failed:
            self.wait(lambda: self.server.status().snapshot == before, 25)
        [c.close() for c in channels]
        self.assertEqual(failed, [])
        return before, r.snapshot

    def check_rolled_back(self, before, bad, words):
        status = self.server.status()
        self.assertEqual((status.watch.state, status.watch.snapshot, status.watch.incumbent), (A.Watch.STATE_ROLLED_BACK, bad, before))
        self.assertRegex(status.watch.verdict, words)
        self.assertRegex(status.warnings[0], f"snapshot {bad} was rolled back by itself, {before} serves again: .*{words}")
        self.assertEqual(self.builds(), [1])
        s = self.snapshots()
        self.assertEqual([(x.kind, self.state(x)) for x in s], [("rollback", "STATE_RUNNING"), ("swap", "STATE_ROLLED_BACK"), ("start", "STATE_RUNNING")])
        self.assertEqual((s[0].who, s[1].watch.state), ("the watch", A.Watch.STATE_ROLLED_BACK))
        self.assertIn("watch.rolled_back", self.server.log())
        self.server.restart()
        self.assertEqual(self.builds(), [1], "what was rolled back does not come back")
        self.assertEqual([self.state(x) for x in self.snapshots()][1], "STATE_ROLLED_BACK")

    def test_a_build_that_fails_after_publishing_is_rolled_back_by_itself(self):
        self.check_rolled_back(*self.storm(7), r"main.(tide|again): failed or gave no number in \d+ of \d+ searches")

    def test_a_build_that_gets_slow_after_publishing_is_rolled_back_by_itself(self):
        self.check_rolled_back(*self.storm(8), r"pipeline main: the 99th percentile of \d+ searches is \d+")

    def test_a_good_build_passes_and_another_change_supersedes(self):
        self.configure(WATCH.replace("watch: 30s", "watch: 1s"))
        self.server.restart()
        self.swap(3)
        self.record(5)
        self.wait(lambda: self.server.status().watch.state == A.Watch.STATE_PASSED)
        self.assertEqual(self.builds(), [3])
        self.configure(WATCH)
        self.server.reload()
        self.swap(2)
        self.swap(3)
        self.assertEqual([x.watch.state for x in self.snapshots()][:4],
                         [A.Watch.STATE_UNSPECIFIED, A.Watch.STATE_SUPERSEDED, A.Watch.STATE_SUPERSEDED, A.Watch.STATE_PASSED])

if __name__ == "__main__":
    harness.main()
