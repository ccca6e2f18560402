# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the documentation do what it says: each fenced `sh` block runs against a real server with the demo shop."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import harness
from harness import BUILD, SANITIZED, SLOW, SOURCE

PAGES = ("docs/searching.md", "docs/http.md", "docs/experiments.md", "docs/operating.md", "docs/plugins.md", "docs/evaluation.md", "docs/events.md", "docs/people.md", "docs/models.md",
         "docs/training.md", "docs/training-plugins.md", "docs/swapping.md", "docs/catalogue.md")
LINK = re.compile(r"\]\(([^)#:]+)\)")


def blocks(page):
    """Under sanitizers with a quarter of the visits: it is the commands that are tried."""
    text = (SOURCE / page).read_text()
    if SANITIZED:
        text = re.sub(r"--requests (\d+)", lambda m: f"--requests {int(m[1]) // 4}", text)
    return re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M)


class Documentation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory(prefix="sinter-docs-")
        demo = pathlib.Path(cls.tmp.name) / "demo"
        sinter = str(BUILD / "bin/sinter")
        subprocess.run([sinter, "demo", "generate", "--seed", "1", str(demo)], check=True, capture_output=True, timeout=60 * SLOW)
        read = lambda folder: {f.name: f.read_text() for f in (SOURCE / "config" / folder).glob("*.yaml")}
        strip = lambda files: {name.removesuffix(".yaml"): text for name, text in files.items()}
        cls.server = harness.Server(settings="http: {listen: 127.0.0.1:0}", collections=strip(read("collections")), pipelines=strip(read("pipelines")),
                                    files={f"{folder}/{n}": t for folder in ("rules", "networks", "experiments") for n, t in read(folder).items()})
        cls.env = {**os.environ, "PATH": f"{BUILD / 'bin'}:{os.environ['PATH']}", "SINTER_SERVER": cls.server.address, "SINTER_HTTP": cls.server.http_address,
                   "SINTER_CONFIG": str(cls.server.conf / "sinter.yaml"), "SINTER_DEMO": str(demo), "SINTER_TMP": cls.tmp.name}
        subprocess.run([sinter, "import", "shop", str(demo / "items.jsonl")], check=True, capture_output=True, env=cls.env,
                       timeout=120 * SLOW)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        cls.tmp.cleanup()

    def test_every_command_of_the_pages_succeeds_and_prints(self):
        ran = 0
        for page in PAGES:
            for block in blocks(page):
                with self.subTest(page=page, block=block):
                    out = subprocess.run(["sh", "-e", "-c", block], cwd=SOURCE, env=self.env, capture_output=True, text=True,
                                         timeout=120 * SLOW, stdin=subprocess.DEVNULL)
                    self.assertEqual(out.returncode, 0, out.stderr + out.stdout)
                    self.assertTrue(out.stdout + out.stderr)
                    ran += 1
        self.assertGreater(ran, 10)

    def test_links_between_pages_lead_somewhere(self):
        for page in [SOURCE / "README.md", SOURCE / "CONTRIBUTING.md", *(SOURCE / "docs").rglob("*.md")]:
            for link in LINK.findall(page.read_text()):
                with self.subTest(page=page.name, link=link):
                    self.assertTrue((page.parent / link).exists(), link)


if __name__ == "__main__":
    unittest.main()
