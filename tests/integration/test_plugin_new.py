# SPDX-License-Identifier: GPL-3.0-or-later
"""`sinter plugin new`: for every role, the folder builds with the installed prefix alone, passes its own tests, and serves."""
import pathlib
import re
import shutil
import tempfile
import unittest

import harness
import installed
from test_install import Installed, run

ROLES = ("ranker", "fusion", "recall", "rewriter", "finisher", "trainer")
# Templates are plain C: a plugin built without a sanitizer runs in a server that has one.
ITEMS = [("1", "red shoe", 50, True), ("2", "shoe of leather, a red one", 70, False), ("3", "grey couch", 400, True), ("4", "hat", 10, True),
         ("5", "sofa", 500, False)]


class New(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory(prefix="sinter-new-")
        cls.addClassCleanup(cls.tmp.cleanup)
        cls.dir = pathlib.Path(cls.tmp.name)
        cls.env = installed.environment()

    def sinter(self, *arguments):
        return run(installed.prefix() / "bin/sinter", *arguments, cwd=self.dir, env=self.env)

    def new(self, role, name):
        done = self.sinter("plugin", "new", "--role", role, name)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.dir / name

    def make(self, folder, *arguments):
        done = run("make", "-C", folder, "CFLAGS=-O1 -Werror", *arguments, env=self.env)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_every_role_builds_by_make_passes_its_tests_and_serves(self):
        names = {}
        for role in ROLES:
            with self.subTest(role=role):
                folder = self.new(role, f"my_{role}")
                self.assertEqual({p.name for p in folder.iterdir()}, {f"my_{role}.c", f"test_my_{role}.c", "host.h", "Makefile", "CMakeLists.txt",
                                                                      "README.md", "pipeline.yaml"})
                for file in folder.iterdir():
                    self.assertNotRegex(file.read_text(), r"@\w+@")
                said = self.make(folder, "test")
                self.assertIn(f"my_{role}: ok", said)
                self.assertIn(f"my_{role}.so is fine", said)
                names[role] = folder
        self.assertEqual(len(names), len(ROLES))
        with Installed(installed.prefix()) as server:
            with (server.conf / "sinter.yaml").open("a") as f:
                f.write(f"plugin_dirs: [{', '.join(map(str, names.values()))}]\n")
            for role, folder in names.items():
                shutil.copy(folder / "pipeline.yaml", server.conf / f"pipelines/{role}.yaml")
            server.start()
            server.upsert("items", [harness.item(i, title=t, price=float(p), in_stock=s) for i, t, p, s in ITEMS], searchable=True)
            self.serves(server, names)

    def serves(self, server, names):
        ask = lambda role, query: server.search(collection="items", query=query, pipeline=role, explain="EXPLAIN_FULL")
        shares = lambda hit: {r.ranker: r for s in hit.explanation.stages for r in s.rankers}
        hit = ask("ranker", "red shoe").hits[0]
        self.assertAlmostEqual(shares(hit)["my_ranker"].raw, sum(f.value for f in shares(hit)["my_ranker"].features), places=5)
        self.assertGreater(shares(hit)["my_ranker"].raw, 0)
        hit = ask("fusion", "red shoe").hits[0]
        self.assertAlmostEqual(hit.score, sum(r.contribution for r in shares(hit).values()), places=5)
        self.assertLess(shares(hit)["price"].contribution, 0)
        self.assertIn("4", [h.id for h in ask("recall", "red shoe").hits])  # the shelf of what costs less than 20
        self.assertEqual({h.id for h in ask("rewriter", "sofa").hits}, {"3", "5"})  # and couches
        self.assertNotIn("3", [h.id for h in ask("rewriter", "hat").hits])
        lifted = ask("finisher", "leather shoe")
        self.assertEqual([h.id for h in lifted.hits], ["1", "2"])  # the one in stock first
        self.assertEqual(lifted.hits[0].explanation.rules[0].action, "move")
        self.learns(server, ask, shares, names["trainer"])

    def learns(self, server, ask, shares, folder):
        degraded = ask("trainer", "shoe").degraded
        self.assertEqual([d.name for d in degraded], ["my_trainer"])
        events = [harness.pb.events_pb2.Event(event_id=str(n), collection="items", type="click", user_id=f"u{n % 7}", item_ids=["2" if n % 3 else "3"])
                  for n in range(40)]
        server.record(*events)
        done = self.sinter("train", "trainer.my_trainer", "-c", server.conf / "sinter.yaml", "--deploy", "--server", server.address, "--quiet")
        self.assertEqual(done.returncode, 0, done.stderr)
        answer = ask("trainer", "shoe")
        self.assertFalse(answer.degraded)
        by_id = {h.id: shares(h) for h in answer.hits}
        self.assertGreater(by_id["2"]["my_trainer"].raw, 0)
        self.assertTrue(by_id["1"]["my_trainer"].missing)
        # With its model the server's own checks try it whole.
        model = next((server.data / "models/my_trainer").glob("[0-9]*"))
        done = self.sinter("plugin", "check", folder / "my_trainer.so", "--model", model)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("explanations sum to their scores", done.stdout)

    def test_cmake_builds_it_too(self):
        folder = self.new("ranker", "by_cmake")
        for command in (["cmake", "-B", "build", "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror"], ["cmake", "--build", "build"],
                        ["ctest", "--test-dir", "build", "--output-on-failure"]):
            done = run(*command, cwd=folder, env=self.env)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("0 tests failed out of 2", done.stdout)
        self.assertTrue((folder / "build/by_cmake.so").exists())
        # One symbol is seen from outside.
        seen = re.findall(r" [A-Z] (\S+)$", run("nm", "-D", "--defined-only", folder / "build/by_cmake.so").stdout, re.M)
        self.assertEqual(seen, ["sinter_plugin_entry"])
        done = run("cmake", "--install", "build", cwd=folder, env={**self.env, "DESTDIR": str(self.dir / "staged")})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(list((self.dir / "staged").rglob("by_cmake.so"))), 1)

    def test_a_cxx_plugin_by_the_same_files_shows_one_symbol_and_can_leave(self):
        folder = self.dir / "cxx"
        folder.mkdir()
        (folder / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.16)\nproject(x LANGUAGES CXX)\nfind_package(SinterPlugin REQUIRED)\n"
                                               "sinter_add_plugin(cxx cxx.cc)\n")
        (folder / "cxx.cc").write_text(CXX)
        for command in (["cmake", "-B", "build"], ["cmake", "--build", "build"]):
            done = run(*command, cwd=folder, env=self.env)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = self.sinter("plugin", "check", folder / "build/cxx.so")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("it left memory", done.stdout)

    def test_a_failing_test_fails_make(self):
        folder = self.new("ranker", "broken")
        source = folder / "broken.c"
        source.write_text(source.read_text().replace("log1p(", "sqrt("))
        done = run("make", "-C", folder, "test", env=self.env)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("test_broken.c:", done.stderr)

    def test_refusals_write_nothing(self):
        (self.dir / "full").mkdir()
        (self.dir / "full/file").write_text("mine")
        for arguments, code, words in (
                (["--role", "ranker", "Full"], 2, "lower-case letters"), (["--role", "ranker", "9x"], 2, "lower-case"),
                (["--role", "ranker", "../x"], 2, "lower-case"), (["--role", "rankr", "x"], 2, "did you mean 'ranker'"),
                (["--role", "enricher", "x"], 2, "calls none"), (["x"], 2, "which role"), (["--role", "ranker"], 2, "what is it called"),
                (["--role", "ranker", "x", "y", "z"], 2, "too many"), (["--role", "ranker", "full"], 1, "give another folder"),
                (["--role", "ranker", "x", "no/such/parent"], 1, "whose parent is there")):
            with self.subTest(arguments=arguments):
                before = sorted(self.dir.iterdir())
                done = self.sinter("plugin", "new", *arguments)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(words, done.stderr)
                self.assertEqual(sorted(self.dir.iterdir()), before)
        self.assertEqual((self.dir / "full/file").read_text(), "mine")


# std::string and a template's static make weak and, without the flags, unique symbols.
CXX = """
#include <sinter/plugin.h>
#include <string>
#include <vector>
template <class T> T &once() { static T value; return value; }
inline int &counter() { static int n; return n; }
struct sinter_instance { const sinter_host *host; std::vector<std::string> names; };
static sinter_status open_instance(const sinter_open_args *args, sinter_instance **out, sinter_error *)
{
    once<std::string>() = args->use;
    counter()++;
    *out = new sinter_instance{args->host, {args->use}};
    return SINTER_OK;
}
static void close_instance(sinter_instance *me) { delete me; }
static sinter_status score(const sinter_instance *, sinter_worker *, const sinter_batch *b, float *out, sinter_error *)
{
    for (uint32_t i = 0; i < b->n; i++) out[i] = float(b->item[i] % 10);
    return SINTER_OK;
}
static sinter_ranker make_ranker() { sinter_ranker r{}; r.size = sizeof r; r.score = score; return r; }
static const sinter_ranker ranker = make_ranker();
static sinter_plugin make() {
    sinter_plugin p{};
    p.size = sizeof p; p.abi_major = SINTER_ABI_MAJOR; p.abi_minor = SINTER_ABI_MINOR;
    p.name = "cxx"; p.version = "1"; p.build = ""; p.summary = "In C++.";
    p.open = open_instance; p.close = close_instance; p.ranker = &ranker;
    return p;
}
static const sinter_plugin plugin = make();
extern "C" const sinter_plugin *sinter_plugin_entry(uint32_t) { return &plugin; }
"""


if __name__ == "__main__":
    unittest.main()
