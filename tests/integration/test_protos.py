# SPDX-License-Identifier: GPL-3.0-or-later
"""The protos: nothing that was published changes, and buf finds nothing to say."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import npm
from harness import BUILD, SOURCE

sys.path.insert(0, str(SOURCE / "tests/proto"))
import frozen  # noqa: E402


def protoset(root):
    """The descriptors of the project's protos below `root`."""
    with tempfile.NamedTemporaryFile(suffix=".protoset") as out:
        files = [str(f.relative_to(root)) for f in sorted((root / "sinter").rglob("*.proto"))]
        subprocess.run(["protoc", f"-I{root}", "-I/usr/include", "--include_imports", f"--descriptor_set_out={out.name}", *files],
                       check=True, cwd=root)
        return pathlib.Path(out.name).read_bytes()


class Edited(unittest.TestCase):
    """A copy of proto/ to be changed."""

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory(prefix="sinter-protos-")
        self.addCleanup(self.tmp.cleanup)
        self.root = pathlib.Path(self.tmp.name) / "proto"
        shutil.copytree(SOURCE / "proto", self.root)

    def edit(self, file, old, new):
        path = self.root / file
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new, 1))


class Frozen(Edited):
    def test_what_was_published_is_as_it_was(self):
        self.assertEqual(frozen.broken((BUILD / "gen/sinter.protoset").read_bytes()), [])

    def test_the_list_is_long_and_says_each_thing_once(self):
        lines = frozen.frozen()
        self.assertGreater(len(lines), 300)
        self.assertEqual(len(lines), len(set(map(frozen.key, lines))))

    def test_every_kind_of_change_is_seen(self):
        search = "sinter/v1/search.proto"
        changes = {  # file, old, new -> what the sentence must hold
            (search, "string filter = 3;", "string filtre = 3;"): "filtre",
            (search, "string filter = 3;", "bytes filter = 3;"): "bytes",
            (search, "string filter = 3;", "string filter = 93;"): "gone",
            (search, "repeated string sort = 4;", "string sort = 4;"): "sort",
            (search, "  OPERATOR_OR = 1;\n    OPERATOR_AND = 2;", "  OPERATOR_AND = 1;\n    OPERATOR_OR = 2;"): "OPERATOR_AND",
            (search, "rpc Search(SearchRequest) returns (SearchResponse);", "rpc Search(SearchRequest) returns (stream SearchResponse);"):
                "stream",
            ("sinter/v1/types.proto", "    string string_value = 1;", "    int64 whole_value = 1;"): "string_value",
            ("sinter/storage/v1/journal.proto", "string write_id = 2;", "string write_name = 2;"): "write_id",
        }
        for (file, old, new), word in changes.items():
            with self.subTest(new=new):
                shutil.copy(SOURCE / "proto" / file, self.root / file)
                self.edit(file, old, new)
                problems = frozen.broken(protoset(self.root))
                self.assertTrue(problems)
                self.assertIn(word, problems[0])
                shutil.copy(SOURCE / "proto" / file, self.root / file)

    def test_growth_is_allowed(self):
        self.edit("sinter/v1/search.proto", "string filter = 3;", "string filter = 3;\n  string brand_new = 900;")
        self.assertEqual(frozen.broken(protoset(self.root)), [])


class Lint(Edited):
    @classmethod
    def setUpClass(cls):
        cls.buf = shutil.which("buf") or npm.packages(SOURCE / "tests/proto") / "node_modules/.bin/buf"

    def lint(self):
        return subprocess.run([self.buf, "lint", str(self.root)], capture_output=True, text=True, timeout=60)

    def test_buf_finds_nothing(self):
        out = self.lint()
        self.assertEqual((out.returncode, out.stdout), (0, ""), out.stderr)

    def test_and_would_find_something(self):
        self.edit("sinter/v1/types.proto", "EXPLAIN_NONE = 1;", "NONE = 1;")
        out = self.lint()
        self.assertNotEqual(out.returncode, 0)
        self.assertIn("EXPLAIN_", out.stdout)


if __name__ == "__main__":
    unittest.main()
