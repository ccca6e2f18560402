# SPDX-License-Identifier: GPL-3.0-or-later
"""Models over a real server: train, deploy, serve, restart; runs killed at random moments and resumed; directories that are missing,
cut short, flipped or foreign."""
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import time
import unittest

import grpc

import harness
from harness import BUILD, SANITIZED, SLOW, pb

KILLS = 6 if SANITIZED else 20
DEPLOY_KILLS = 4 if SANITIZED else 10

COLLECTION = """
fields:
  title: text
  price: number
events: {view: 0.1, click: 1, purchase: 5}
default_pipeline: main
"""

PIPELINE = """
collection: things
recall:
  - {{source: text, limit: 1000}}
stages:
  - keep: 100
    rank:
      - {{name: words, feature: text.bm25}}
      - {ranker}
    fuse: {{plugin: fusion, method: weighted, weights: {{words: 0, {name}: 1}}}}
"""

ZOO = BUILD / "zoo/learner.so"
POPULAR = PIPELINE.format(ranker="{name: liked, plugin: popular, model: liked/latest, half_life_days: 10}", name="liked")
SLOW_ONE = PIPELINE.format(ranker=f"{{name: slow, plugin: {ZOO}, model: slow/latest, epochs: 8, sleep: 40ms}}", name="slow")


def learner(name, **options):
    text = "".join(f", {k}: {v}" for k, v in options.items())
    return PIPELINE.format(ranker=f"{{name: {name}, plugin: {ZOO}, model: {name}/latest{text}}}", name=name)


class Models(unittest.TestCase):
    PIPELINES = {"main": POPULAR,
                 "fn": PIPELINE.format(ranker='{name: fn, plugin: function, formula: "1", model: fn/latest}', name="fn")}

    def setUp(self):
        self.server = harness.Server(collections={"things": COLLECTION}, pipelines=self.PIPELINES)
        self.server.upsert("things", [harness.item(f"t{i:03}", title="a thing", price=float(i)) for i in range(200)], searchable=True)
        self.record_events()

    def tearDown(self):
        self.server.close()

    def record_events(self):
        r, events, now = random.Random(3), [], time.time()
        for i in range(1500):
            user = r.randrange(60)
            e = pb.events_pb2.Event(event_id=f"e{i}", collection="things", user_id=f"u{user}", type=r.choice(["view", "click", "purchase"]),
                                    item_ids=[f"t{min(199, int(r.expovariate(0.03))):03}"])
            e.time.FromMilliseconds(int((now - 86400 * 30 + i * 1700) * 1000))
            events.append(e)
        for at in range(0, len(events), 500):
            self.server.stub("Event").RecordEvents(
                pb.events_pb2.RecordEventsRequest(events=events[at:at + 500]), timeout=30 * SLOW)

    # ---- the commands ----

    def sinter(self, *args, check=None, timeout=120, **popen):
        p = subprocess.run([str(BUILD / "bin/sinter"), *args], capture_output=True, text=True, timeout=timeout * SLOW, **popen)
        if check is not None:
            self.assertEqual(p.returncode, check, p.stdout + p.stderr)
        return p

    def config(self):
        return str(self.server.conf / "sinter.yaml")

    def train(self, what="main.liked", *args, check=0):
        p = self.sinter("train", what, "-c", self.config(), "--json", *args, check=check)
        return json.loads(p.stdout.splitlines()[-1]) if check == 0 else p

    def deploy(self, model, check=0, *args):
        return self.sinter("model", "deploy", model, "--server", self.server.address, *args, check=check)

    def models(self):
        p = self.sinter("model", "list", "--json", "--server", self.server.address, check=0)
        return json.loads(p.stdout).get("models", [])

    def answer(self, pipeline="main"):
        r = self.server.search(collection="things", query="thing", pipeline=pipeline, page_size=100,
                               explain=pb.types_pb2.EXPLAIN_SCORES)
        return [(h.id, h.score) for h in r.hits], [(d.name, d.reason) for d in r.degraded]

    def folder(self, model):
        return self.server.data / "models" / model


class TrainDeployServe(Models):
    def test_a_model_is_trained_deployed_served_and_serves_the_same_after_a_restart(self):
        hits, degraded = self.answer()
        self.assertIn("not trained yet: sinter train main.liked --deploy", degraded[0][1])
        self.assertTrue(any("main.liked" in n for n in self.server.status().not_trained))
        made = self.train()
        self.assertEqual(made["model"], "liked/1")
        self.assertGreater(made["golden_cases"], 0)
        self.assertEqual(sorted(os.listdir(self.folder("liked/1"))), ["golden.bin", "model.yaml", "weights.safetensors"])
        self.assertEqual(self.answer()[0], hits, "trained is not deployed")
        p = self.deploy("liked/1")
        self.assertIn("main.liked: model liked/1, was not trained", p.stdout)
        served, degraded = self.answer()
        self.assertEqual(degraded, [])
        self.assertNotEqual(served, hits)
        self.check_against_own_sum(served)
        self.assertFalse(any("main.liked" in n for n in self.server.status().not_trained))
        info = self.models()
        self.assertEqual([(m["name"], m["version"], m.get("deployed"), m.get("usedBy")) for m in info],
                         [("liked", "1", True, ["main.liked"])])
        self.server.restart()
        self.assertEqual(self.answer()[0], served)
        self.server.kill9()
        self.server.start()
        self.assertEqual(self.answer()[0], served)

    def check_against_own_sum(self, served):
        """The weights file, read with struct, orders the items as the server does."""
        data = (self.folder("liked/1") / "weights.safetensors").read_bytes()
        (n,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8:8 + n])["popularity"]
        w = struct.unpack(f"<{header['shape'][0]}f", data[8 + n:])
        self.assertEqual(len(w), 200)
        best = sorted(range(200), key=lambda i: (-w[i], i))[:20]
        self.assertEqual([h[0] for h in served[:20]], [f"t{i:03}" for i in best])

    def test_the_same_seed_and_range_give_the_same_bytes(self):
        a = self.train()
        b = self.train("main.liked", "--since", str(a["since"]), "--until", str(a["until"]))
        self.assertEqual((a["model"], b["model"]), ("liked/1", "liked/2"))
        one, two = ((self.folder(m) / "weights.safetensors").read_bytes() for m in ("liked/1", "liked/2"))
        self.assertEqual(one, two)

    def test_an_older_version_can_be_deployed_again_and_versions_never_come_back(self):
        self.train()
        self.train("main.liked", "--until", "900")
        self.deploy("liked/2")
        second = self.answer()[0]
        self.deploy("liked/1")
        self.assertNotEqual(self.answer()[0], second)
        records = self.server.status().sequence
        self.deploy("liked/1")
        self.assertEqual(self.server.status().sequence, records, "deploying what is deployed makes no record")
        shutil.rmtree(self.folder("liked/2"))
        self.assertEqual(self.train()["model"], "liked/3")

    def test_ranges_by_time_and_sequence(self):
        made = self.train("main.liked", "--until", "2100-01-01")
        self.assertEqual(made["until"], self.server.status().sequence)
        p = self.train("main.liked", "--until", "2000-01-01", check=4)
        self.assertIn("holds nothing", p.stderr)
        p = self.train("main.liked", "--since", "yesterday", check=2)
        self.assertIn("neither a sequence of the journal nor a time", p.stderr)
        p = self.train("main.liked", "--until", "99999999", check=2)
        self.assertIn("the journal's newest is", p.stderr)

    def test_what_is_named_wrongly_is_told_with_near_names(self):
        self.assertIn("did you mean 'main'?", self.train("mian.liked", check=5).stderr)
        self.assertIn("did you mean 'liked'?", self.train("main.likd", check=5).stderr)
        self.assertIn("one feature: there is nothing to train", self.train("main.words", check=2).stderr)
        self.assertIn("plugin 'function' is no trainer", self.train("fn.fn", check=2).stderr)
        p = self.deploy("liked/1", 5)
        self.assertIn("there is no model liked/1", p.stderr)
        for bad in ("liked", "liked/0", "liked/latest", "../x/1", "liked/1/2", "/1", "liked/01"):
            p = self.deploy(bad, 4)
            self.assertIn("is no model", p.stderr)
        self.assertIn("did you mean 'liked'?", self.deploy_named("likd").stderr)

    def deploy_named(self, name):
        self.train("main.liked", "--name", name)
        return self.deploy(f"{name}/1", 4)

    def test_train_deploy_in_one_command(self):
        p = self.sinter("train", "main.liked", "-c", self.config(), "--deploy", "--server", self.server.address, check=0)
        self.assertIn("deployed liked/1", p.stdout)
        self.assertEqual(self.answer()[1], [])

    def test_a_pinned_version_ignores_deployments_and_deploying_names_its_line(self):
        self.train()
        self.deploy("liked/1")
        first = self.answer()[0]
        self.train("main.liked", "--until", "900")
        self.server.write("pipelines/main.yaml", POPULAR.replace("liked/latest", "liked/1"))
        self.server.reload()
        self.assertEqual(self.answer()[0], first)
        p = self.deploy("liked/2", 4)
        self.assertRegex(p.stderr, r"main\.yaml:9:\d+: main\.liked pins liked/1")
        self.assertEqual(self.answer()[0], first)


class BadDirectories(Models):
    """Each is refused by name and file, the incumbent goes on; at start the version deployed before takes over."""

    def two(self):
        self.train()
        self.deploy("liked/1")
        self.first = self.answer()[0]
        self.train("main.liked", "--until", "900")

    def refuse(self, words, code=4):
        p = self.deploy("liked/2", code)
        for word in words if isinstance(words, tuple) else (words,):
            self.assertIn(word, p.stderr)
        self.assertEqual(self.answer(), (self.first, []), "the incumbent goes on")
        newest = [m for m in self.models() if m.get("deployed")]
        self.assertEqual([m["version"] for m in newest], ["1"])

    def edit_yaml(self, old, new, count=1):
        path = self.folder("liked/2") / "model.yaml"
        text = path.read_text()
        self.assertRegex(text, old)
        path.write_text(re.sub(old, new, text, count=count))

    def weight_at(self, item):
        """Where the weight of an item stands in the file: a popular one, which the golden cases hold."""
        data = (self.folder("liked/2") / "weights.safetensors").read_bytes()
        return 8 + struct.unpack("<Q", data[:8])[0] + 4 * item

    def resum(self, file):
        """Makes model.yaml agree with a changed file, as an attacker or a careless hand would."""
        sha = hashlib.sha256((self.folder("liked/2") / file).read_bytes()).hexdigest()
        self.edit_yaml(rf'"{re.escape(file)}": [0-9a-f]+', f'"{file}": {sha}')

    def test_each_kind_of_damage_is_named(self):
        self.two()
        good = self.server.dir / "good"
        shutil.copytree(self.folder("liked/2"), good)
        weights, golden = self.folder("liked/2") / "weights.safetensors", self.folder("liked/2") / "golden.bin"

        def again():
            shutil.rmtree(self.folder("liked/2"))
            shutil.copytree(good, self.folder("liked/2"))

        weights.unlink()
        self.refuse(("weights.safetensors", "No such file"), 5)
        again()
        weights.write_bytes(weights.read_bytes()[:-7])
        self.refuse(("weights.safetensors", "the file was changed"))
        self.resum("weights.safetensors")
        self.refuse(("weights.safetensors", "truncated"))
        again()
        data = bytearray(weights.read_bytes())
        data[self.weight_at(5) + 2] ^= 0x10
        weights.write_bytes(data)
        self.refuse(("weights.safetensors", "the file was changed"))
        self.resum("weights.safetensors")
        self.refuse(("golden.bin", "golden case"))
        again()
        data = bytearray(weights.read_bytes())
        data[-4:] = struct.pack("<f", float("nan"))
        weights.write_bytes(data)
        self.resum("weights.safetensors")
        self.refuse(("weights.safetensors", "'popularity'", "not finite"))
        again()
        golden.write_bytes(golden.read_bytes()[:100])
        self.resum("golden.bin")
        self.refuse(("golden.bin", "not golden cases"))
        again()
        (self.folder("liked/2") / "extra").write_text("x")
        self.refuse(("extra", "does not list"))
        again()
        (self.folder("liked/2") / "model.yaml").write_text("format: 1\nabi: [")
        self.refuse("model.yaml")
        again()
        (self.folder("liked/2") / "model.yaml").unlink()
        self.refuse("there is no model liked/2", 5)
        again()
        for old, new, words in ((r'collection_uuid: "[0-9a-f]{8}', 'collection_uuid: "00000000', "another collection"),
                                (r'plugin: "popular"', 'plugin: "cf"', "for the plugin 'cf'"),
                                (r'abi: "1.0"', 'abi: "1.9"', "ABI 1.9"),
                                (r"format: 1", "format: 2", "its format is 2"),
                                (r"features: \[\]", 'features: ["text.bm25"]', "trained with 1 features"),
                                (r'role: "ranker"', 'role: "fusion"', "for the role 'fusion'")):
            self.edit_yaml(old, new)
            self.refuse(words)
            again()
        self.deploy("liked/2")

    def test_a_broken_deployment_falls_back_at_start_and_says_so(self):
        self.two()
        self.deploy("liked/2")
        second = self.answer()[0]
        self.assertNotEqual(second, self.first)
        weights = self.folder("liked/2") / "weights.safetensors"
        good = weights.read_bytes()
        self.server.stop()
        at = self.weight_at(5)
        weights.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
        self.resum("weights.safetensors")  # the deployment's record remembers
        self.server.start()
        self.assertEqual(self.answer(), (self.first, []))
        note = next(n for n in self.server.status().not_trained if "main.liked" in n)
        self.assertIn("serving liked/1, deployed before", note)
        self.assertIn("weights.safetensors", note)
        with self.assertRaises(grpc.RpcError) as refused:
            self.server.reload()
        self.assertIn("liked/2", refused.exception.details())
        self.server.stop()
        shutil.rmtree(self.folder("liked/1"))
        self.server.start()
        hits, degraded = self.answer()
        self.assertEqual(len(hits), 100, "words still answer")
        self.assertIn("no version that was deployed can be used", degraded[0][1])

    def test_a_changed_version_that_was_deployed_is_never_deployed_again(self):
        self.two()
        self.deploy("liked/2")
        self.deploy("liked/1")
        self.edit_yaml(r'parent: "liked/1"', 'parent: "liked/7"')
        p = self.deploy("liked/2", 4)
        self.assertIn("its files are not those of liked/2 as it was deployed before", p.stderr)


class Fusion(Models):
    PIPELINES = {"main": POPULAR + "record: 1\n"}

    def test_a_fusion_begins_where_its_rankers_end(self):
        made = self.train("main.liked", "--until", "1200")
        self.deploy("liked/1")
        p = self.train("main.fuse", "--name", "mix", "--since", "1199", check=2)
        self.assertRegex(p.stderr, r"main\.yaml:10:\d+: .*'liked' \(model liked/1\) was trained on events up to 1200")
        p = self.train("main.fuse", "--name", "mix", check=4)
        self.assertIn(f"(1200, {self.server.status().sequence}]", p.stderr)
        p = self.train("main.fuse", "--name", "mix", "--until", "1200", check=4)
        self.assertIn("the range (1200, 1200] holds nothing", p.stderr)
        p = self.train("main.stage1.fuse", "--name", "mix", "--since", "0", check=2)
        self.assertEqual([m["name"] for m in self.models()], ["liked"])
        self.assertEqual(made["until"], 1200)


class KilledServer(Models):
    def test_a_server_killed_while_it_deploys_serves_one_model_or_the_other(self):
        """kill -9 around a deploy, again and again: what starts again serves the scores of a whole model, and the newest record's."""
        self.train()
        self.deploy("liked/1")
        scores = {"1": self.answer()[0]}
        self.train("main.liked", "--until", "900")
        self.deploy("liked/2")
        scores["2"] = self.answer()[0]
        self.assertNotEqual(scores["1"], scores["2"])
        r = random.Random(7)
        for i in range(DEPLOY_KILLS):
            p = subprocess.Popen([str(BUILD / "bin/sinter"), "model", "deploy", f"liked/{1 + i % 2}", "--server", self.server.address],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            time.sleep(r.uniform(0, 0.06))
            self.server.kill9()
            out, _ = p.communicate(timeout=60 * SLOW)
            self.server.start()
            hits, degraded = self.answer()
            newest = next(m["version"] for m in self.models() if m.get("deployed"))
            self.assertEqual((hits, degraded), (scores[newest], []))
            if p.returncode == 0:
                self.assertEqual(newest, str(1 + i % 2), "an answered deploy is kept")


class Runs(Models):
    PIPELINES = {"main": POPULAR, "slow": SLOW_ONE, "nan": learner("nan", fault="nan"), "nanmetric": learner("nanmetric", fault="nan_metric"),
                 "refuses": learner("refuses", fault="refuses"), "forgets": learner("forgets", fault="forgets"),
                 "reads": learner("reads", feature="text.bm25")}

    def spawn(self, *args):
        return subprocess.Popen([str(BUILD / "bin/sinter"), "train", "slow.slow", "-c", self.config(), "--json", *args],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_killed_at_twenty_random_moments_nothing_is_harmed_and_it_resumes(self):
        r = random.Random(11)
        made = self.train("slow.slow")
        until = str(made["until"])
        whole = (self.folder("slow/1") / "weights.safetensors").read_bytes()
        began = time.monotonic()
        self.spawn().communicate(timeout=60 * SLOW)
        length = time.monotonic() - began
        resumed = finished = 0
        for kill in range(KILLS):
            before = self.models()
            p = self.spawn("--resume", "--until", until)
            try:
                p.communicate(timeout=r.uniform(0, length * 0.9))
                finished += 1
            except subprocess.TimeoutExpired:
                p.kill()
                p.communicate()
            after = self.models()
            self.assertLessEqual(len(after) - len(before), 1)
            for m in after:
                self.assertEqual(m.get("fault", ""), "", "only whole models are listed")
            self.assertEqual(len(self.answer()[0]), 100, "the server goes on")
        last = None
        while last is None:
            out, err = self.spawn("--resume", "--until", until).communicate(timeout=60 * SLOW)
            lines = [json.loads(x) for x in out.splitlines()]
            resumed = max([x["value"] for x in lines if x.get("metric") == "resumed_at"] + [0])
            last = lines[-1]["model"]
        self.assertEqual((self.folder(last) / "weights.safetensors").read_bytes(), whole, "the same bits as a run that was not killed")
        self.assertEqual(os.listdir(self.folder("slow/.train")), ["lock"], "nothing is left of the runs")
        self.deploy(last)
        self.assertEqual(self.answer("slow")[1], [])

    def test_a_run_goes_on_where_it_was_killed(self):
        p = self.spawn()
        for line in p.stdout:
            if json.loads(line).get("done", 0) >= 4 and '"loss"' in line:
                break
        p.kill()
        p.communicate()
        self.assertEqual(self.models(), [])
        p = self.sinter("train", "slow.slow", "-c", self.config(), "--resume", "--seed", "9", check=4)
        self.assertIn("the interrupted run had another seed", p.stderr)
        lines = [json.loads(x) for x in self.sinter("train", "slow.slow", "-c", self.config(), "--resume", "--json", check=0).stdout.splitlines()]
        self.assertGreaterEqual(next(x["value"] for x in lines if x.get("metric") == "resumed_at"), 4)
        self.assertTrue(lines[-1]["resumed"])

    def test_one_run_of_a_model_at_a_time(self):
        p = self.spawn()
        p.stdout.readline()
        second = self.sinter("train", "slow.slow", "-c", self.config(), check=4)
        self.assertIn("another run is training 'slow'", second.stderr)
        out, err = p.communicate(timeout=60 * SLOW)
        self.assertEqual(p.returncode, 0, err)

    def test_interrupting_keeps_the_best_so_far(self):
        p = self.spawn()
        for line in p.stdout:
            if '"loss"' in line:
                break
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=60 * SLOW)
        self.assertEqual(p.returncode, 0, err)
        self.assertEqual(json.loads(out.splitlines()[-1])["model"], "slow/1")
        self.assertLess(max(json.loads(x).get("done", 0) for x in out.splitlines() if '"loss"' in x), 8)

    def test_a_training_that_fails_says_why_and_leaves_no_model(self):
        for pipeline, code, words in (("nan", 4, "tensor 'w' holds a value that is not finite at element 0"),
                                      ("nanmetric", 4, "training came to no number: loss"),
                                      ("refuses", 4, "it does not want to"),
                                      ("forgets", 5, "weights.safetensors")):
            p = self.train(f"{pipeline}.{pipeline}", check=code)
            self.assertIn(words, p.stderr)
        self.assertEqual(self.models(), [])

    def test_a_model_of_another_feature_set_is_refused(self):
        self.train("reads.reads")
        self.deploy("reads/1")
        served = self.answer("reads")[0]
        self.server.write("pipelines/reads.yaml", learner("reads", feature="item.price"))
        with self.assertRaises(grpc.RpcError) as refused:
            self.server.reload()
        self.assertIn("number 1 was 'text.bm25' and is 'item.price'", refused.exception.details())
        self.assertEqual(self.answer("reads")[0], served)


if __name__ == "__main__":
    unittest.main()
