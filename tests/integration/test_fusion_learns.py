# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole line that learns, small: people of a demo shop search, click and buy; cf, deep and their fusion are trained from what the
server logged; the truth judges. And the same with clicks by chance, where the figure must not be met."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from harness import SLOW, SOURCE

SMALL = ["--seeds", "1", "--world", "--items 2000 --users 1000 --queries 250 --events 20000", "--played", "3000", "--judged", "400",
         "--parts", "network"]


def line(*more):
    """Exit code, what it found, what it said."""
    with tempfile.TemporaryDirectory(prefix="sinter-fusion-") as folder:
        answer = pathlib.Path(folder) / "answer.json"
        out = subprocess.run([sys.executable, str(SOURCE / "tests/quality/fusion_demo.py"), *SMALL, *more, "--work", folder, "--json",
                              str(answer)], capture_output=True, text=True, timeout=280 * SLOW)
        return out.returncode, json.loads(answer.read_text())["network"] if answer.exists() else None, out.stdout + out.stderr


class Learning(unittest.TestCase):
    def test_fusion_of_what_people_do_beats_each_ranker_alone(self):
        code, found, said = line()
        self.assertEqual(code, 0, said)
        self.assertGreater(found["low"], 0, said)

    def test_clicks_by_chance_teach_nothing(self):
        code, found, said = line("--clicks", "random")
        self.assertEqual(code, 1, said)
        self.assertTrue(found is None or found["low"] <= 0, said)
        self.assertTrue(found is not None or "beyond chance" in said, said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
