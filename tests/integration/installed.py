# SPDX-License-Identifier: GPL-3.0-or-later
"""The build, installed into a prefix of its own, for tests of what an operator or an author of plugins gets."""
import functools
import os
import pathlib
import subprocess
import tempfile

from harness import BUILD, SLOW


@functools.cache
def prefix():
    """`cmake --install` into a temporary folder, once a process; the folder goes when the process ends."""
    prefix.tmp = tempfile.TemporaryDirectory(prefix="sinter-prefix-")
    at = pathlib.Path(prefix.tmp.name) / "usr-local"
    done = subprocess.run(["cmake", "--install", str(BUILD), "--prefix", str(at)], capture_output=True, text=True, timeout=120 * SLOW)
    if done.returncode:
        raise RuntimeError(f"cmake --install ended with {done.returncode}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
    return at


def environment():
    """What an author's shell has: the prefix's program, pkg-config and CMake files; nothing of the source or build folder."""
    at = prefix()
    pc = next(at.glob("lib/**/pkgconfig"))
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SINTER_", "CMAKE_"))}
    return {**env, "PATH": f"{at / 'bin'}:{env['PATH']}", "PKG_CONFIG_PATH": str(pc), "CMAKE_PREFIX_PATH": str(at)}
