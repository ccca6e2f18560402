#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bad input gets, with the plugins that learn (cf, deep, fusion). One small world is lived in and trained on once; then the
directories of its models are damaged in many ways. Each is refused by name and file, and what was deployed before goes on to give
the same scores. Data that nothing can be learned from gets a verdict that says so, and no model."""
import hashlib
import json
import random
import re
import shutil
import struct
import subprocess
import unittest

import harness
from harness import BUILD, SANITIZED, SLOW, item, pb

ev = pb.events_pb2
COLLECTION = harness.SHOP_COLLECTION + "events: {view: 0, click: 1, purchase: 5}\ndefault_pipeline: PIPELINE\n"
NETWORK = """
features: [text.bm25, item.price]
embeddings: [{feature: item, dimension: 4}]
history: {events: 10}
layers: [{dense: 8, activation: relu}, {dense: 1, activation: sigmoid}]
target: click
training: {learning_rate: 0.01, epochs: 2, batch: 64}
"""
MAIN = """
collection: shop
record: 1
recall: [{source: text, limit: 100}]
stages:
  - keep: 100
    rank:
      - {name: words, feature: text.bm25}
      - {name: taste, plugin: cf, model: taste/latest}
      - {name: deep, plugin: deep, network: ../networks/small.yaml, model: deep/latest}
    fuse: {plugin: fusion, method: network, gate: [query.words], model: gate/latest}
"""
# The fusion's rankers here need no training, so that its own data alone are judged.
POOR = """
collection: NAME
record: 1
recall: [{source: text, limit: 100}]
stages:
  - keep: 100
    rank:
      - {name: words, feature: text.bm25}
      - {name: dear, feature: item.price}
      - {name: taste, plugin: cf, model: NAME-taste/latest}
      - {name: deep, plugin: deep, network: ../networks/small.yaml, model: NAME-deep/latest}
  - keep: 100
    rank:
      - {name: words2, feature: text.bm25}
      - {name: dear2, feature: item.price}
    fuse: {plugin: fusion, method: network, gate: [query.words], model: NAME-gate/latest}
"""
POOR = POOR.replace("    rank:\n      - {name: words, feature: text.bm25}\n", "    fuse: {plugin: fusion, weights: {words: 1, dear: 0, taste: 0, deep: 0}}\n    rank:\n"
                    "      - {name: words, feature: text.bm25}\n", 1)
MODELS = ("taste", "deep", "gate")
FLIPS, FLIPS_SUMMED = (2, 4) if SANITIZED else (6, 8)  # of each file
KINDS, EACH, PEOPLE = ("garden", "kitchen"), 10, 12
FILE = "weights.safetensors"


class World(harness.ServerCase):
    POOR_ONES = ()

    @classmethod
    def setUpClass(cls):
        cls.COLLECTIONS = {"shop": COLLECTION.replace("PIPELINE", "main"), **{n: COLLECTION.replace("PIPELINE", n) for n in cls.POOR_ONES}}
        cls.PIPELINES = {"main": MAIN, **{n: POOR.replace("NAME", n) for n in cls.POOR_ONES}}
        cls.FILES = {"networks/small.yaml": NETWORK}
        super().setUpClass()
        cls.asked = 0
        for name in cls.COLLECTIONS:
            cls.server.upsert(name, [item(f"{kind}{k}", title="a thing", brand=kind, price=float(k)) for kind in KINDS for k in range(EACH)],
                              searchable=name == "shop")  # elsewhere nobody but the people below may search: it would be learned from

        cls.sequence = cls.server.status().sequence

    @classmethod
    def ask(cls, person, collection="shop"):
        cls.asked += 1
        request = f"r{cls.asked}"
        hits = cls.server.search(collection=collection, query="thing", user={"user_id": f"u{person}"}, request_id=request, page_size=20,
                                 after_sequence=cls.sequence, timeout=30 * SLOW).hits
        return request, [h.id for h in hits]

    @classmethod
    def act(cls, person, request, ids, type="click", collection="shop"):
        if not ids:
            return
        r = cls.server.stub("Event").RecordEvents(ev.RecordEventsRequest(events=[
            ev.Event(collection=collection, type=type, item_ids=[i], request_id=request, user_id=f"u{person}") for i in ids]), timeout=30 * SLOW)
        assert r.accepted == len(ids), r

    def sinter(self, *args, code=0):
        p = subprocess.run([str(BUILD / "bin/sinter"), *map(str, args)], capture_output=True, text=True, timeout=180 * SLOW)
        self.assertEqual(p.returncode, code, p.stdout + p.stderr)
        return p

    def train(self, use, *args, code=0):
        self.server.wait_impressions()
        p = self.sinter("train", use, "-c", self.server.conf / "sinter.yaml", "--json", *args, code=code)
        return json.loads(p.stdout.splitlines()[-1])["model"] if code == 0 else p.stderr

    def deploy(self, model):
        return subprocess.run([str(BUILD / "bin/sinter"), "model", "deploy", model, "--server", self.server.address], capture_output=True,
                              text=True, timeout=120 * SLOW)


class Damaged(World):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        self = cls("test_what_is_missing")
        draw = random.Random(5)
        for use, name in (("main.taste", "taste"), ("main.deep", "deep"), ("main.fuse", "gate")):
            if use != "main.deep":  # people live on what was deployed last; the fusion wants requests after its rankers'
                for _ in range(6):
                    for person in range(PEOPLE):
                        request, ids = cls.ask(person)
                        cls.act(person, request, [i for at, i in enumerate(ids) if i.startswith(KINDS[person % 2]) and draw.random() < 3 / (3 + at)])
            assert self.train(use) == name + "/1"
            if name != "taste":
                self.deploy_fine(name + "/1")
            if name == "deep":
                self.deploy_fine("taste/1")
        cls.good = cls.server.dir / "good"
        for name in MODELS:
            shutil.copytree(cls.server.data / "models" / name / "1", cls.good / name)
        cls.next = {name: 1 for name in MODELS}
        cls.first = self.answer()
        cls.draw = random.Random(17)

    def deploy_fine(self, model):
        p = self.deploy(model)
        self.assertEqual(p.returncode, 0, p.stderr)

    def answer(self):
        """Scores by item, at a fixed time, so that nothing but a model could change them."""
        context = pb.types_pb2.Context()
        context.time.FromSeconds(2_000_000_000)
        r = self.server.search(collection="shop", query="thing", user={"user_id": "u1"}, context=context, page_size=50,
                               explain=pb.types_pb2.EXPLAIN_SCORES, timeout=30 * SLOW)
        return ([(h.id, h.score, [(x.ranker, x.raw) for x in h.explanation.stages[0].rankers]) for h in r.hits],
                [(d.name, d.reason) for d in r.degraded])

    def another(self, name):
        """A version of its own, whole and not yet deployed."""
        self.next[name] += 1
        folder = self.server.data / "models" / name / str(self.next[name])
        shutil.copytree(self.good / name, folder)
        return folder

    def refused(self, name, folder, *words):
        p = self.deploy(f"{name}/{folder.name}")
        self.assertNotEqual(p.returncode, 0, f"{name}: deployed although {words}")
        for word in words:
            self.assertRegex(p.stderr, word)
        self.assertRegex(p.stderr, rf"{name}/{folder.name}")
        self.assertEqual(self.answer(), self.first, "the incumbent goes on with the same scores")
        shutil.rmtree(folder, ignore_errors=True)

    def resum(self, folder, file=FILE):
        """Makes model.yaml agree with a changed file, as an attacker or a careless hand would."""
        path = folder / "model.yaml"
        sha = hashlib.sha256((folder / file).read_bytes()).hexdigest()
        text, n = re.subn(rf'"{re.escape(file)}": [0-9a-f]+', f'"{file}": {sha}', path.read_text())
        self.assertEqual(n, 1)
        path.write_text(text)

    @staticmethod
    def tensors(folder):
        data = (folder / FILE).read_bytes()
        (n,) = struct.unpack("<Q", data[:8])
        head = json.loads(data[8:8 + n])
        return bytearray(data), 8 + n, {k: v for k, v in head.items() if k != "__metadata__"}

    def test_the_world_is_served_by_all_three(self):
        hits, degraded = self.first
        self.assertEqual(degraded, [])
        self.assertEqual(len(hits), 2 * EACH)
        self.assertEqual({r for h in hits for r, _ in h[2]}, {"words", "taste", "deep"})
        for name in MODELS:  # what the others are damaged copies of is fine
            folder = self.another(name)
            self.deploy_fine(f"{name}/{folder.name}")
            self.assertEqual(self.answer(), self.first)
            self.deploy_fine(f"{name}/1")

    def test_what_is_missing(self):
        for name in MODELS:
            folder = self.another(name)
            shutil.rmtree(folder)
            self.refused(name, folder, "there is no model")
            for file in ("model.yaml", "golden.bin", FILE):
                folder = self.another(name)
                (folder / file).unlink()
                self.refused(name, folder, "there is no model" if file == "model.yaml" else file)

    def test_what_is_truncated(self):
        for name in MODELS:
            for file in ("golden.bin", FILE, "model.yaml"):
                size = (self.good / name / file).stat().st_size
                for keep in (7, size - 1) if SANITIZED else (0, 7, size // 3, size - 1):
                    for resum in (False, True) if file != "model.yaml" else (False,):
                        if file == "model.yaml" and keep == size - 1:
                            continue  # its last line's end
                        folder = self.another(name)
                        (folder / file).write_bytes((folder / file).read_bytes()[:keep])
                        if resum:
                            self.resum(folder, file)
                        self.refused(name, folder, file)

    def test_what_is_flipped(self):
        for name in MODELS:
            for file in ("golden.bin", FILE):
                for _ in range(FLIPS):
                    folder = self.another(name)
                    data = bytearray((folder / file).read_bytes())
                    data[self.draw.randrange(len(data))] ^= 1 << self.draw.randrange(8)
                    (folder / file).write_bytes(data)
                    self.refused(name, folder, file, "the file was changed")

    def test_what_is_flipped_and_summed_again(self):
        """Then only what the bits mean can tell. A low bit of one weight may pass; nothing may crash or go on with no number."""
        passed = tried = 0
        for name in MODELS:
            for file in ("golden.bin", FILE, "model.yaml"):
                for k in range(FLIPS_SUMMED):
                    tried += 1
                    folder = self.another(name)
                    data = bytearray((folder / file).read_bytes())
                    data[self.draw.randrange(200 if k % 2 else len(data))] ^= 1 << self.draw.randrange(8)
                    (folder / file).write_bytes(data)
                    if file != "model.yaml":
                        self.resum(folder, file)
                    p = self.deploy(f"{name}/{folder.name}")
                    if p.returncode == 0:
                        passed += 1
                        hits, degraded = self.answer()
                        self.assertEqual((len(hits), degraded), (2 * EACH, []))
                        self.assertTrue(all(abs(h[1]) < 1e6 for h in hits), hits)
                        self.deploy_fine(f"{name}/1")
                    else:
                        self.assertRegex(p.stderr, rf"{name}/{folder.name}")
                    self.assertEqual(self.answer(), self.first)
                    shutil.rmtree(folder)
        self.assertLess(2 * passed, tried)

    def test_weights_that_are_no_numbers(self):
        for name in MODELS:
            _, _, tensors = self.tensors(self.good / name)
            floats = {k: v for k, v in tensors.items() if v["dtype"] in ("F32", "F64")}
            self.assertTrue(floats)
            for key, t in floats.items():
                code = {"F32": "<f", "F64": "<d"}[t["dtype"]]
                for bad in (float("nan"), float("inf")):
                    folder = self.another(name)
                    data, base, _ = self.tensors(folder)
                    at = base + t["data_offsets"][self.draw.random() < 0.5] // struct.calcsize(code) * struct.calcsize(code)
                    at = min(at, base + t["data_offsets"][1] - struct.calcsize(code))
                    data[at:at + struct.calcsize(code)] = struct.pack(code, bad)
                    (folder / FILE).write_bytes(data)
                    self.resum(folder)
                    self.refused(name, folder, FILE, re.escape(key), "not finite")

    def test_what_is_foreign(self):
        edits = {
            r'collection_uuid: "[0-9a-f]{8}': ('collection_uuid: "00000000', "another collection"),
            r'abi: "1\.0"': ('abi: "2.0"', r"ABI 2\.0"),
            r'abi: "1\.0" *': ('abi: "1.9"', r"ABI 1\.9"),
            r"format: 1": ("format: 2", "format"),
            r'plugin: "\w+"': ('plugin: "popular"', "for the plugin 'popular'"),
            r'role: "\w+"': ('role: "rewriter"', "for the role 'rewriter'"),
        }
        for name in MODELS:
            for old, (new, words) in edits.items():
                folder = self.another(name)
                text, n = re.subn(old, new, (folder / "model.yaml").read_text(), count=1)
                self.assertEqual(n, 1, old)
                (folder / "model.yaml").write_text(text)
                self.refused(name, folder, r"model\.yaml", words)
            for other in MODELS:  # another model's directory under this name
                if other != name:
                    self.next[name] += 1
                    folder = self.server.data / "models" / name / str(self.next[name])
                    shutil.copytree(self.good / other, folder)
                    self.refused(name, folder, r"model\.yaml")
        folder = self.another("deep")
        self.feature_set(folder, r"^features: \[.*\]", 'features: ["text.bm25", "item.stock"]')
        self.refused("deep", folder, r"model\.yaml", "was 'item.stock' and is 'item.price'")
        folder = self.another("gate")
        self.feature_set(folder, r"^rankers: \[.*\]", 'rankers: ["words", "taste", "other"]')
        self.refused("gate", folder, r"model\.yaml", "number 3 was 'other' and is 'deep'")

    def feature_set(self, folder, old, new):
        text, n = re.subn(old, new, (folder / "model.yaml").read_text(), flags=re.M)
        self.assertEqual(n, 1, text)
        (folder / "model.yaml").write_text(text)

    def test_what_is_of_another_shape(self):
        """Whole, summed and finite, and yet not what the plugin reads: a tensor that is gone, of another type or of other dimensions."""
        for name in MODELS:
            _, _, tensors = self.tensors(self.good / name)
            tensors.pop("position.bias", None)  # of training only: nothing that serves reads it
            for key, t in tensors.items():
                for change in ("gone", "shape", "type"):
                    folder = self.another(name)
                    data = (folder / FILE).read_bytes()
                    (n,) = struct.unpack("<Q", data[:8])
                    head = json.loads(data[8:8 + n])
                    if change == "gone":
                        head["other"] = head.pop(key)
                    elif change == "shape":
                        head[key]["shape"] = [1, *t["shape"], 1][:3] if len(t["shape"]) == 1 else [t["shape"][0] * t["shape"][1]]
                    else:
                        head[key]["dtype"] = {"F32": "I32", "F64": "I64", "U64": "I64", "U32": "I32", "I32": "F32"}[t["dtype"]]
                    text = json.dumps(head, separators=(",", ":"))
                    text += " " * (-len(text) % 64 + 56)  # data stay 64-byte aligned
                    (folder / FILE).write_bytes(struct.pack("<Q", len(text)) + text.encode() + data[8 + n:])
                    self.resum(folder)
                    with self.subTest(model=name, tensor=key, change=change):
                        self.refused(name, folder, FILE)

    def test_what_was_deployed_is_damaged_while_the_server_is_down(self):
        self.server.stop()
        for name in MODELS:
            path = self.server.data / "models" / name / "1" / FILE
            data = bytearray(path.read_bytes())
            data[-3] ^= 4
            path.write_bytes(data)
        try:
            self.server.start()
            hits, degraded = self.answer()
            self.assertEqual(len(hits), 2 * EACH, "words still answer")
            notes = "\n".join([*self.server.status().not_trained, *(f"{n}: {r}" for n, r in degraded)])
            for name in MODELS:
                self.assertRegex(notes, rf"{name}/1/{re.escape(FILE)}")
        finally:
            self.server.stop()
            for name in MODELS:
                shutil.copyfile(self.good / name / FILE, self.server.data / "models" / name / "1" / FILE)
            self.server.start()
        self.assertEqual(self.answer(), self.first, "put back, they serve as before")


class Hopeless(World):
    POOR_ONES = ("unseen", "unclicked", "everything", "alone", "worthless")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for _ in range(3):
            for person in range(PEOPLE):
                cls.ask(person, "unclicked")
                request, ids = cls.ask(person, "everything")
                cls.act(person, request, ids, collection="everything")
                request, ids = cls.ask(0, "alone")
                cls.act(0, request, ids[:3], collection="alone")
                request, ids = cls.ask(person, "worthless")
                cls.act(person, request, ids[:3], "view", "worthless")

    VERDICTS = {  # (collection, what is trained): words of the verdict
        ("unseen", "taste"): "no events on items",
        ("unseen", "deep"): "no requests",
        ("unseen", "fuse"): "no requests",
        ("unclicked", "taste"): "no events on items",
        ("unclicked", "deep"): "no positives",
        ("unclicked", "fuse"): "no positives",
        ("everything", "taste"): "the same 20 items",
        ("everything", "deep"): "all the same label",
        ("everything", "fuse"): "all the same label",
        ("alone", "taste"): "one person's",
        ("alone", "deep"): "one person's",
        ("alone", "fuse"): "one person's",
        ("worthless", "taste"): "no positives",
        ("worthless", "deep"): "no positives",
        ("worthless", "fuse"): "no positives",
    }

    def test_each_gets_a_verdict_and_no_model(self):
        for (collection, use), words in self.VERDICTS.items():
            with self.subTest(collection=collection, use=use):
                told = self.train(f"{collection}.{use}", code=4)
                self.assertIn(words, told)
                self.assertIn(";", told, "what to do")
        models = self.server.data / "models"
        self.assertEqual([str(p) for p in models.glob("*/[0-9]*")], [])
        self.assertEqual(len(self.ask(1, "alone")[1]), 2 * EACH, "the server goes on")

    def test_a_million_features(self):
        """In a file too long, in one of too many values, and as many as a file may hold."""
        path = self.server.conf / "networks/small.yaml"
        for names, words in ((",".join(f"item.f{i}" for i in range(1_000_000)), "longer than 4194304 bytes"), ("a," * 1_000_000 + "a", "more than 200000 values"),
                             (",".join(f"item.f{i}" for i in range(190_000)), "190001 features; a network reads at most 4096")):
            path.write_text(NETWORK.replace("item.price", names))
            try:
                p = self.sinter("train", "everything.deep", "-c", self.server.conf / "sinter.yaml", "--quiet", code=2)
            finally:
                path.write_text(NETWORK)
            self.assertIn("small.yaml", p.stderr)
            self.assertIn(words, p.stderr)
            self.assertLess(len(p.stderr), 2000)


del World  # a base, not a test
if __name__ == "__main__":
    unittest.main()
