# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/compatibility.md promises of data and configuration: what an older version wrote is read, and answers as it did then."""
import json
import math
import pathlib
import re
import sys
import unittest

import harness
from harness import SOURCE

sys.path.insert(0, str(SOURCE / "tests/compat"))
import old  # noqa: E402

VERSIONS = sorted(p.parent.name for p in (SOURCE / "tests/compat").glob("*/answers.json"))


def differences(then, now, path=""):
    """Sentences; numbers may differ in their last places, as between machines."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in then.keys() | now.keys():
            yield from differences(then.get(key), now.get(key), f"{path}.{key}")
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for i, (a, b) in enumerate(zip(then, now)):
            yield from differences(a, b, f"{path}[{i}]")
    elif isinstance(then, float) and isinstance(now, float) and math.isclose(then, now, rel_tol=1e-4, abs_tol=1e-6):
        return
    elif then != now:
        yield f"{path}: {then!r} is now {now!r}"


class Data(unittest.TestCase):
    def test_there_is_a_version_to_compare_with(self):
        self.assertIn("0.1", VERSIONS)

    def test_every_published_versions_data_are_read_and_answer_as_then(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                settings = (SOURCE / "tests/compat" / version / "settings.yaml").read_text()
                with harness.Server(collections={}, pipelines={}, settings=settings, start=False) as server:
                    old.unpack(version, server)
                    server.start()
                    then = json.loads((SOURCE / "tests/compat" / version / "answers.json").read_text())
                    self.assertEqual(list(differences(then, old.look(server)))[:10], [])
                    # And it goes on from there, also after a restart that finds what this version wrote.
                    server.upsert("shop", [harness.item("new", title="red lamp of today")], searchable=True)
                    server.restart()
                    self.assertEqual(server.list("shop")[-1].id, "new")
                    self.assertEqual(server.search(collection="shop", query="today").total, 1)


class Keys(unittest.TestCase):
    """Configuration keys that were ever documented: config/README.md is held equal to the server's own tables by a unit test."""

    LIST = SOURCE / "tests/compat/keys.txt"

    @staticmethod
    def rows():
        """[(heading, key, default)] of the page's tables."""
        out, heading = [], ""
        for line in (SOURCE / "config/README.md").read_text().splitlines():
            heading = line.lstrip("# ") if line.startswith("##") else heading
            m = re.match(r"\| `([a-z_0-9]+)` \| (.*?) \|", line)
            if m:
                out.append(f"{heading}: {m[1]} = {m[2]}".rstrip())
        return out

    def test_no_key_has_gone_and_no_default_moved(self):
        then = [line for line in self.LIST.read_text().splitlines() if not line.startswith("#")]
        self.assertGreater(len(then), 70)
        self.assertEqual([line for line in then if line not in self.rows()], [])


def append():
    """`python3 test_compatibility.py --append-keys`: with each release."""
    known = Keys.LIST.read_text().splitlines()
    with pathlib.Path(Keys.LIST).open("a") as f:
        f.writelines(row + "\n" for row in Keys.rows() if row not in known)


if __name__ == "__main__":
    append() if "--append-keys" in sys.argv else unittest.main()
