# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded requests answered again, and why an item is missing."""
import grpc

import harness
from harness import pb
from swaps import A, Swaps


class Replaying(Swaps):
    def replay(self, id, **more):
        return self.admin("Replay", A.ReplayRequest(request_id=id, **more))

    def test_a_recorded_request_is_answered_again_bit_for_bit(self):
        r = self.answer(query="odd thing", request_id="r1", page_size=15)
        self.answer(query="thing", request_id="p1", pipeline="plain")
        self.server.wait_impressions()
        again = self.replay("r1")
        self.assertTrue(again.identical, again)
        self.assertEqual([(h.id, h.score) for h in again.response.hits], [(h.id, h.score) for h in r.hits])
        self.assertEqual((again.snapshot, again.own_snapshot, list(again.items)), (r.assignment.snapshot,) * 2 + ([],))
        self.assertIn("not recorded whole", self.assert_fails("FAILED_PRECONDITION", self.replay, "p1").details())
        self.assert_fails("NOT_FOUND", self.replay, "nobody")
        # The items change, the log does not: what was seen then is what is seen now.
        self.server.upsert("things", [harness.item("t001", title="nothing of the kind", price=9999.0)], searchable=True)
        again = self.replay("r1")
        self.assertTrue(again.identical, again)
        self.assertIn("1 of 60 candidates have been changed since", " ".join(again.notes))

    def test_on_its_own_snapshot_when_others_serve_and_after_a_restart(self):
        self.answer(request_id="r1")
        self.server.wait_impressions()
        own = self.server.status().snapshot
        other = self.swap(2).snapshot
        again = self.replay("r1")
        self.assertTrue(again.identical, again)
        self.assertEqual(again.snapshot, own)
        again = self.replay("r1", snapshot=other)
        self.assertFalse(again.identical)
        self.assertRegex(again.differences[0], r"stage stage1: tide: 60 of 60 scores differ; item t0\d\d had 1\d+, has 2\d+")
        self.assertEqual(len(again.items), 20)
        self.swap(3), self.swap(2), self.swap(3)
        again = self.replay("r1")
        self.assertTrue(again.identical, again)
        self.assertIn("built again from what is kept", " ".join(again.notes))
        self.server.restart()
        again = self.replay("r1")
        self.assertTrue(again.identical, again)
        again = self.replay("r1", pipeline="plain")
        self.assertFalse(again.identical)
        text = self.server.sinter("replay", "r1")
        self.assertIn("bit for bit the same", text.stdout)


class Missing(Swaps):
    def why(self, item, query="thing", **more):
        r = self.admin("ExplainMissing", A.ExplainMissingRequest(item=item, request=pb.search_pb2.SearchRequest(collection="things", query=query, **more)))
        return A.ExplainMissingResponse.Verdict.Name(r.verdict).removeprefix("VERDICT_"), r

    def test_each_reason_is_found(self):
        self.server.upsert("things", [harness.item("phrase", title="so quiet a thing calm and even as it can be", price=1.0, brand="a")])
        self.server.delete("things", ["t099"])
        end = self.server.status().sequence
        self.server.search(collection="things", after_sequence=end)
        for item, more, verdict, words in (
                ("t000", {}, "ON_PAGE", "number 1"),
                ("nobody", {}, "UNKNOWN", "no item of 'things' ever had the id 'nobody'"),
                ("t099", {}, "DELETED", "deleted"),
                ("t001", {"filter": 'price < 50 AND (brand = "a" OR price > 90) AND price >= 0'}, "FILTERED", r'the filter refuses it: \(brand = "a" OR price > 90\)'),
                ("t001", {"filter": 'NOT brand = "b"'}, "FILTERED", r'NOT brand = "b"'),
                ("t001", {"query": "even"}, "NO_WORD", "0 of 1 words of the query match; it lacks 'even'"),
                ("t001", {"query": "thing -odd"}, "NO_WORD", "it holds 'odd', which the query excludes"),
                ("t001", {"query": '"thing calm"'}, "NO_WORD", "holds all words"),
                ("t080", {}, "NOT_RECALLED", "by its words it is number 81, and the text source takes 60"),
                ("t015", {}, "BEYOND_PAGE", "it is number 16; the page shows 1 to 10"),
                ("t025", {}, "BEYOND_PAGE", "it is number 26; .*stage stage2 put it at 26 and keeps 20"),
                ("t050", {"page_size": 15}, "BEYOND_PAGE", "it is number 51; .*stage stage1 put it at 51 and keeps 40"),
                ("t050", {"sort": ["-price"]}, "BEYOND_PAGE", "in this sort it is number 49"),
                ("t098", {"sort": ["-price"]}, "ON_PAGE", "in this sort it is number 1")):
            with self.subTest(item=item, **more):
                got, r = self.why(item, **{"query": "thing", **more})
                self.assertEqual(got, verdict, r)
                self.assertRegex(r.reason, words)
        _, r = self.why("t025")
        self.assertEqual([(s.stage, s.rank_before, s.rank_after, s.keep, s.kept) for s in r.stages],
                         [("stage1", 26, 26, 40, True), ("stage2", 26, 26, 20, False)])
        self.assertEqual([(w.word, w.matches) for w in r.words], [("thing", True)])

    def test_the_command_tells_it_and_errors_name_their_field(self):
        text = self.server.sinter("search", "things", "thing", "--missing", "t080")
        self.assertIn("t080: by its words it is number 81", text.stdout, text.stderr)
        self.assert_fails("INVALID_ARGUMENT", self.why, "t001", filter="prize < 3")
        with self.assertRaises(grpc.RpcError) as caught:
            self.why("")
        self.assertIn("item", str(harness.details(caught.exception)))

if __name__ == "__main__":
    harness.main()
