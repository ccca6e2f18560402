# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of npm for tests: installed once a build from a lock file, in the build folder. Without node or npm's registry: skipped."""
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import unittest

from harness import BUILD


def packages(folder):
    """A copy of `folder` with its node_modules; unittest.SkipTest says what is missing."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise unittest.SkipTest(f"{'node' if not node else 'npm'} is not installed")
    folder = pathlib.Path(folder)
    name = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()[:16]
    out = BUILD / "node" / name
    out.mkdir(parents=True, exist_ok=True)
    with open(out / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (out / ".made").exists():
            for file in ("package.json", "package-lock.json"):
                shutil.copy(folder / file, out / file)
            try:
                made = subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=out, capture_output=True, text=True,
                                      timeout=240, stdin=subprocess.DEVNULL, env=dict(os.environ, npm_config_fetch_retries="1"))
            except subprocess.TimeoutExpired:
                raise unittest.SkipTest("npm ci took more than 240 s") from None
            if made.returncode:
                raise unittest.SkipTest(f"npm ci ended with {made.returncode}: {made.stderr.strip()[-200:]}")
            (out / ".made").touch()
    for file in folder.iterdir():
        if file.is_file():
            shutil.copy(file, out / file.name)
    return out
