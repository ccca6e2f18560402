# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds by preset, and the test programs and modules of a build."""
import concurrent.futures
import os
import pathlib
import shutil
import time

from tally import count_ctest, count_unittest, must, run, say

SOURCE = pathlib.Path(__file__).resolve().parents[2]
CORES = os.cpu_count() or 2
SANITIZER_ENV = {
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:halt_on_error=0:exitcode=66:second_deadlock_stack=1",
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


def environment():
    env = dict(SANITIZER_ENV, OPENBLAS_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="1", CMAKE_COLOR_DIAGNOSTICS="OFF")
    if shutil.which("ccache"):
        env.update(CMAKE_C_COMPILER_LAUNCHER="ccache", CMAKE_CXX_COMPILER_LAUNCHER="ccache",
                   CCACHE_BASEDIR=str(SOURCE), CCACHE_NOHASHDIR="1")
        if not os.environ.get("HOME"):
            env["CCACHE_DIR"] = str(SOURCE / "build/ccache")
    return env


def folder(name):
    return SOURCE / "build" / name


def build(name, preset=None, options=(), targets=(), seconds=1200):
    """Configures and builds build/NAME from a preset; returns the folder."""
    out, env = folder(name), environment()
    must(["cmake", "--preset", preset or name, "-DSINTER_TESTS=ON", "-S", str(SOURCE), "-B", str(out), *options], 120, f"configure {name}", env)
    command = ["cmake", "--build", str(out), "-j", str(CORES)]
    for target in targets:
        command += ["--target", target]
    must(command, seconds, f"build {name}", env, log=out / "build.log")
    return out


def test_units(tally, title, out, labels=None, jobs=CORES, seconds=900):
    """Unit tests, plugins' tests and fuzz replays: what ctest knows."""
    report = out / "ctest.xml"
    report.unlink(missing_ok=True)
    command = ["ctest", "--test-dir", str(out), "-j", str(jobs), "--timeout", "300", "--output-junit", str(report),
               "--test-output-size-passed", "1048576", "--test-output-size-failed", "1048576", "--no-tests=error"]
    if labels:
        command += ["-L", labels]
    start = time.monotonic()
    code, output = run(command, seconds, environment(), log=out / "ctest.log")
    if not report.exists():
        raise RuntimeError(f"ctest ended with {code} and left no report\n{output[-2000:]}")
    before = dict(tally.counts)
    count_ctest(tally, title, report)
    if code != 0 and tally.counts["failed"] == before["failed"]:
        tally.add(title, failed=[f"ctest ended with {code} though no test failed"])
    say(f"     {title}: {tally.counts['passed'] - before['passed']} passed in {time.monotonic() - start:.1f} s")


def integration_modules(only=()):
    found = sorted((SOURCE / "tests/integration").glob("test_*.py"))
    return [m for m in found if not only or m.stem in only]


def run_module(module, out, seconds, env=None, test=None):
    """One module of tests/integration against the build in `out`."""
    name = f"{module.stem}.{test}" if test else module.stem
    log = out / "integration" / f"{module.stem}.log"
    full = {**environment(), "SINTER_BUILD": str(out), "SINTER_SOURCE": str(SOURCE), "SINTER_TEST": "1", **(env or {})}
    return run(["/usr/bin/python3", "-B", "-m", "unittest", "-v", name], seconds, full, str(module.parent), log)


def test_integration(tally, title, out, only=(), workers=1, seconds=420):
    """Black-box tests over gRPC, a module each in a process of its own."""
    modules = integration_modules(only)
    if not modules:
        tally.add(title, skipped=["tests/integration has no test_*.py"])
        return
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        jobs = {pool.submit(run_module, m, out, seconds): m for m in modules}
        for job in concurrent.futures.as_completed(jobs):
            code, output = job.result()
            count_unittest(tally, title, jobs[job].stem, code, output, seconds)
    say(f"     {title}: {time.monotonic() - start:.1f} s")
