# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/breaks: patches of a few lines that each break what one test guards. A header names the test that must fail:

    Line: 3                             the numbered line of the main job that it breaks
    What: acknowledgements leave before the sync
    Test: ctest journal/test_append     or: integration test_items.Deletes.test_unknown
    (a unified diff follows)

All are tried in one scratch copy, built incrementally: patch, build, run the test (it must fail), take the patch back. Before
that, each named test must pass unbroken."""
import re
import shutil
import time

import build as builds
from build import SOURCE, environment
from style import short, tracked
from tally import run, say, step

SCRATCH = SOURCE / "build/breaks"
TREE = SCRATCH / "tree"


def read(patch):
    head = patch.read_text().split("\n--- ", 1)[0]
    fields = dict(re.findall(r"^(Line|What|Test): (.+)$", head, re.M))
    kind, _, name = fields.get("Test", "").partition(" ")
    if kind not in ("ctest", "integration") or not name:
        raise RuntimeError(f"{patch.name} names no test (Test: ctest NAME, or Test: integration MODULE.CLASS.TEST)")
    return {"patch": patch, "kind": kind, "test": name.strip(), "line": fields.get("Line", "?"), "what": fields.get("What", "")}


def copy_tree():
    """The tracked files as they stand; unchanged ones keep their time, so that builds stay incremental."""
    wanted = set()
    for path in tracked():
        to = TREE / short(path)
        wanted.add(to)
        if to.exists() and to.read_bytes() == path.read_bytes():
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)
    for old in [p for p in TREE.rglob("*") if p.is_file() and "build" not in p.relative_to(TREE).parts[:1]]:
        if old not in wanted:
            old.unlink()


def make(seconds=900):
    """(built, output) of the scratch tree's release build."""
    env = {**environment(), "CCACHE_BASEDIR": str(TREE)}
    out = TREE / "build/release"
    if not (out / "build.ninja").exists():
        code, output = run(["cmake", "--preset", "release", "-DSINTER_TESTS=ON"], 120, env, str(TREE))
        if code != 0:
            return False, output
    code, output = run(["cmake", "--build", str(out), "-j", str(builds.CORES)], seconds, env, str(TREE))
    return code == 0, output


def passes(case):
    """True, False, or a word for what happened instead."""
    out = TREE / "build/release"
    if case["kind"] == "ctest":
        code, output = run(["ctest", "--test-dir", str(out), "-R", f"^{re.escape(case['test'])}$", "--no-tests=error",
                            "--output-on-failure", "--timeout", "200"], 240, environment(), str(TREE))
        if "No tests were found" in output:
            return "no such test"
        return code == 0
    env = {**environment(), "SINTER_BUILD": str(out), "SINTER_SOURCE": str(TREE)}
    code, output = run(["/usr/bin/python3", "-B", "-m", "unittest", "-v", case["test"]], 300, env, str(TREE / "tests/integration"))
    if re.search(r"No module named|has no attribute|Ran 0 tests", output):
        return "no such test"
    if code == 0 and "skipped=" in output:
        return "skipped"
    return code == 0


def apply(patch, back=False):
    command = ["patch", "-p1", "-s", "-f", "--no-backup-if-mismatch", "-i", str(patch)] + (["-R"] if back else [])
    code, output = run([*command, "--dry-run"], 30, cwd=str(TREE))  # else the hunks that do fit would stay
    if code == 0:
        code, output = run(command, 30, cwd=str(TREE))
    if code != 0:
        raise RuntimeError(f"{patch.name} does not {'come off' if back else 'apply'}: {output.strip()[:300]}")


def try_one(case):
    """A word for the table; "caught" is the good one."""
    apply(case["patch"])
    try:
        built, output = make()
        if not built:
            return "does not build: " + output[-300:]
        result = passes(case)
        return {False: "caught", True: "NOT caught"}.get(result, result)
    finally:
        apply(case["patch"], back=True)
        make()  # the next case begins with its test unbroken


def check(tally, names):
    patches = sorted((SOURCE / "tests/breaks").glob("*.patch"))
    cases = []
    with step(tally, "breaks: build unbroken"):
        cases = [read(p) for p in patches if not names or p.stem in names]
        if not cases:
            raise RuntimeError("no patch to try")
        copy_tree()
        built, output = make()
        if not built:
            raise RuntimeError("the unbroken tree does not build: " + output[-500:])
    if tally.counts["failed"]:
        return
    table = []
    with step(tally, "breaks"):
        for case in cases:
            start = time.monotonic()
            try:
                before = passes(case)
                verdict = try_one(case) if before is True else f"unbroken, the test {'fails' if before is False else 'is ' + before}"
            except RuntimeError as error:
                verdict = str(error)
            row = (case["line"], case["patch"].stem, case["test"], verdict, time.monotonic() - start)
            table.append(row)
            if verdict == "caught":
                tally.add("breaks", 1)
            elif "is skipped" in verdict:
                tally.add("breaks", skipped=[f"{case['patch'].stem}: {verdict}"])
            else:
                tally.add("breaks", failed=[f"{case['patch'].stem}: {verdict}"])
    say("\nline  patch                          test that must fail                                     verdict")
    for line, patch, test, verdict, seconds in table:
        say(f"{line:>4}  {patch:<30} {test:<55} {verdict} ({seconds:.0f} s)")
