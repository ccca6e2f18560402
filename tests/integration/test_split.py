#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""exclude_seen, all_items, and `sinter evaluate --split`: people's later events against lists of everything but their own."""
import json
import subprocess

import harness
from harness import item, pb

ev = pb.events_pb2
COLLECTION = harness.SHOP_COLLECTION + "events: {view: 0.2, purchase: 5}\nprofiles: {history: 4}\ndefault_pipeline: narrow\n"
PIPELINES = {
    "narrow": "collection: shop\nrecall:\n  - {source: text, limit: 2}\nstages:\n"
              "  - {keep: 1, rank: [{name: dear, plugin: function, formula: item.price}]}\n",
    "cheap": "collection: shop\nrecall:\n  - {source: text, limit: 2}\nstages:\n"
             "  - {keep: 1, rank: [{name: cheap, plugin: function, formula: '-item.price'}]}\n",
}


def event(user, *items, session="", type="view"):
    return ev.Event(collection="shop", user_id=user, session_id=session, type=type, item_ids=items)


class Split(harness.ServerCase):
    COLLECTIONS = {"shop": COLLECTION}
    PIPELINES = PIPELINES

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.upsert("shop", [item(f"i{k}", title="saw", brand="even" if k % 2 == 0 else "odd", price=float(k)) for k in range(8)])
        r = cls.server.stub("Event").RecordEvents(ev.RecordEventsRequest(events=[
            event("ann", "i7", "i6"), event("ann", "i7", type="purchase"), event("bob", "i0"), event("", "i5", session="s1"),
            event("full", "i0", "i1", "i2", "i3", "i4")]), timeout=30 * harness.SLOW)
        cls.sequence = r.sequence

    def ids(self, user="", session="", **request):
        request.setdefault("page_size", 20)
        r = self.server.search(collection="shop", after_sequence=self.sequence, **request,
                               user={"user_id": user, "session_id": session} if user or session else None)
        self.assertEqual(r.total, len(r.hits))
        return [h.id for h in r.hits]

    def test_all_items_go_through_all_stages(self):
        self.assertEqual(self.ids(all_items=True), [f"i{k}" for k in reversed(range(8))])
        self.assertEqual(self.ids(all_items=True, pipeline="cheap"), [f"i{k}" for k in range(8)])
        self.assertEqual(self.ids(all_items=True, filter='brand = "odd"'), ["i7", "i5", "i3", "i1"])
        self.assertEqual(self.ids(all_items=True, query="hammer"), [f"i{k}" for k in reversed(range(8))])

    def test_a_persons_own_items_are_no_candidates(self):
        self.assertEqual(self.ids(user="ann", exclude_seen=True, all_items=True), ["i5", "i4", "i3", "i2", "i1", "i0"])
        self.assertEqual(self.ids(session="s1", exclude_seen=True, all_items=True)[:3], ["i7", "i6", "i4"])
        self.assertEqual(self.ids(user="nobody", exclude_seen=True, all_items=True)[0], "i7")
        self.assertNotIn("i7", self.ids(user="ann", exclude_seen=True, query="saw"))
        self.assertEqual(len(self.ids(user="ann", exclude_seen=True, query="saw")), 6)
        self.assertNotIn("i7", self.ids(user="ann", exclude_seen=True, sort=["-price"]))
        self.assertIn("i7", self.ids(user="ann", query="saw"))

    def test_a_full_history_is_told(self):
        r = self.server.search(collection="shop", user={"user_id": "full"}, exclude_seen=True, all_items=True, page_size=20,
                               after_sequence=self.sequence)
        self.assertEqual(len(r.hits), 4)
        self.assertTrue(any("history kept is full" in n for n in r.assignment.notes), r.assignment.notes)

    def test_nobodys_history_is_refused(self):
        self.assert_fails("INVALID_ARGUMENT", self.server.search, collection="shop", exclude_seen=True)

    def evaluate(self, *arguments, code=0):
        r = subprocess.run([str(harness.BUILD / "bin/sinter"), "evaluate", "--server", self.server.address, *map(str, arguments)],
                           capture_output=True, text=True, timeout=120 * harness.SLOW)
        self.assertEqual(r.returncode, code, r.stderr)
        return r

    def test_a_split_is_ranked_against_everything_unseen(self):
        split = self.server.dir / "later.tsv"
        split.write_text("who\titem\tvalue\nann\ti5\t1\nann\ti3\t5\nann\ti3\t2\nbob\ti1\t3\n")
        r = self.evaluate("narrow", "cheap", "--split", split, "--map", "user=who,item=item,value=value", "--metrics",
                          "ndcg@2,map@3,recall@1", "--json")
        got = json.loads(r.stdout)
        self.assertEqual((got["queries"], got["judgments"]), (2, 3))
        by_name = {s["name"]: {m: v["mean"] for m, v in s["metrics"].items()} for s in got["systems"]}
        # narrow: ann i5 i4 i3.., bob i7 i6 ..: nothing among his first; cheap: ann i0 i1 i2 .., bob i1 first
        self.assertAlmostEqual(by_name["narrow"]["ndcg@2"], (1 / 1.6309297535714573) / 2, places=9)
        self.assertAlmostEqual(by_name["narrow"]["map@3"], (1 + 2 / 3) / 2 / 2, places=9)
        self.assertAlmostEqual(by_name["cheap"]["recall@1"], 1 / 2, places=9)
        self.assertAlmostEqual(by_name["cheap"]["map@3"], 1 / 2, places=9)

    def test_a_history_that_is_not_whole_is_told(self):
        split = self.server.dir / "full.tsv"
        split.write_text("user\titem\nfull\ti7\n")
        self.assertIn("history kept is full", self.evaluate("narrow", "--split", split).stderr)

    def test_wrong_splits_are_refused(self):
        split = self.server.dir / "wrong.tsv"
        split.write_text("user\tproduct\nann\ti1\n")
        self.assertIn("item", self.evaluate("narrow", "--split", split, code=2).stderr)
        self.assertIn("--map", self.evaluate("narrow", "--split", split, "--map", "product", code=2).stderr)
        self.assertIn("--judgments", self.evaluate("narrow", "--split", split, "--judgments", split, code=2).stderr)
        self.assertIn("--map", self.evaluate("narrow", "--judgments", split, "--map", "user=user", code=2).stderr)


if __name__ == "__main__":
    harness.main()
