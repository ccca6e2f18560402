# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs within a time, and counting what they tested: cmocka's, unittest's and ctest's own words."""
import os
import re
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as xml

PASS, FAIL, SKIP = "passed", "failed", "skipped"


class Tally:
    """Counts of all steps. Every line it prints is whole, so steps may run side by side."""

    def __init__(self):
        self.counts = {PASS: 0, FAIL: 0, SKIP: 0}
        self.failures, self.skips, self.steps = [], [], []
        self.started = time.monotonic()
        self.lock = threading.Lock()

    def add(self, step, passed=0, failed=(), skipped=()):
        """`failed`, `skipped`: a line each for people."""
        with self.lock:
            self.counts[PASS] += passed
            self.counts[FAIL] += len(failed)
            self.counts[SKIP] += len(skipped)
            self.failures += [f"{step}: {line}" for line in failed]
            self.skips += [f"{step}: {line}" for line in skipped]
            for line in failed:
                say(f"FAIL {step}: {line}")
            for line in skipped:
                say(f"SKIP {step}: {line}")

    def check(self, step, problems, what):
        """One test: passed when `problems` is empty."""
        if not problems:
            say(f"ok   {step}: {what}")
        self.add(step, 0 if problems else 1, [f"{what}: {'; '.join(map(str, problems[:8]))}"] if problems else [])

    def close(self):
        say("")
        for name, seconds, text in self.steps:
            say(f"{name:<34} {seconds:7.1f} s  {text}")
        for title, lines in (("skipped", self.skips), ("failed", self.failures)):
            if lines:
                say(f"\n{title}:")
            for line in lines:
                say(f"  {line}")
        say(f"\nwhole run {time.monotonic() - self.started:.0f} s")
        print(", ".join(f"{n} {word}" for word, n in self.counts.items()), flush=True)
        return 0 if self.counts[FAIL] == 0 and self.counts[PASS] > 0 else 1


def say(line):
    print(line, flush=True)


class step:
    """Names a part of the run, times it, and keeps one part's fall from ending the rest."""

    def __init__(self, tally, name):
        self.tally, self.name = tally, name

    def __enter__(self):
        say(f"\n==== {self.name}")
        self.before, self.start = dict(self.tally.counts), time.monotonic()
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and issubclass(kind, Exception):
            self.tally.add(self.name, failed=[f"{kind.__name__}: {value}"])
        made = {k: self.tally.counts[k] - self.before[k] for k in self.before}
        self.tally.steps.append((self.name, time.monotonic() - self.start,
                                 ", ".join(f"{n} {k}" for k, n in made.items() if n or k == PASS)))
        return kind is None or issubclass(kind, Exception)


def run(command, seconds, env=None, cwd=None, log=None):
    """(exit code, output); on time-out the code is None. The command is the leader of a group of its own, so that what it
    started ends with it."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env={**os.environ, **(env or {})}, cwd=cwd, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=seconds)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        code = None
    text = output.decode(errors="replace")
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(text)
    return code, text


def tail(text, lines=40):
    return "\n".join("    " + line for line in text.rstrip().splitlines()[-lines:])


# ---- cmocka, within ctest ----

def names_after(mark, text):
    """Test names that cmocka prints after a mark; its closing summary repeats them and adds a count."""
    found = re.findall(rf"\[  {mark} \] (.+)", text)
    return {n.strip() for n in found if not re.search(r"\d+ test\(s\)", n)}


def count_case(name, status, output):
    """(passed, failed lines, skipped lines) of one test program of ctest."""
    failed = sorted(names_after("FAILED ", output))
    skipped = sorted(names_after("SKIPPED", output))
    passed = len(re.findall(r"\[       OK \] ", output))
    reasons = [line.strip() for line in output.splitlines() if line.strip().startswith("SKIP")]
    if status == "fail":
        return passed, [f"{name}: {f}" for f in failed] or [f"{name}: ended badly"], []
    if status == "skip":
        return 0, [], [f"{name}: {reasons[0] if reasons else 'skipped'}"]
    if skipped:
        return passed, [], [f"{name}: {s}: {' '.join(reasons) or 'no reason given'}" for s in skipped]
    return passed or 1, [], [f"{name}: {line}" for line in reasons]


def count_ctest(tally, title, report):
    """Adds the results of `ctest --output-junit`."""
    for case in xml.parse(report).getroot().iter("testcase"):
        status, output = case.get("status"), case.findtext("system-out") or ""
        status = "skip" if status in ("notrun", "disabled") or case.find("skipped") is not None else status
        passed, failed, skipped = count_case(case.get("name"), status, output)
        if failed:
            say(tail(output, 60))
        tally.add(title, passed, failed, skipped)


# ---- unittest ----

def count_unittest(tally, title, name, code, output, seconds):
    """Adds the results of one `python3 -m unittest -v` module."""
    ran = re.search(r"^Ran (\d+) tests? in", output, re.M)
    verdict = re.search(r"^(?:OK|FAILED)(?: \((.*)\))?$", output, re.M)
    words = dict(re.findall(r"([a-z ]+)=(\d+)", (verdict.group(1) or "") if verdict else ""))
    counts = {k.strip(): int(v) for k, v in words.items()}
    bad = counts.get("failures", 0) + counts.get("errors", 0) + counts.get("unexpected successes", 0)
    skips = re.findall(r"^(.*?) \.\.\. skipped (.*)$", output, re.M)
    skipped = [f"{name}: {test.split(' (')[0]}: {reason}" for test, reason in skips]
    names = [f"{name}: {n}" for n in re.findall(r"^(?:FAIL|ERROR): (.+)$", output, re.M)]
    if code is None:
        names.append(f"{name}: not done within {seconds} s")
    elif code != 0 and not names:
        names.append(f"{name}: ended with {code}")
    elif ran is None:
        names.append(f"{name}: no test was run")
    if names:
        say(tail(output, 80))
    passed = max(0, int(ran.group(1)) - bad - len(skipped)) if ran else 0
    say(f"     {name}: {passed} passed, {len(names)} failed, {len(skipped)} skipped")
    tally.add(title, passed, names, skipped)


def must(command, seconds, what, env=None, log=None):
    """Runs a step that the rest stands on; its output only when it fails."""
    start = time.monotonic()
    code, output = run(command, seconds, env, log=log)
    if code != 0:
        say(tail(output, 60))
        raise RuntimeError(f"{what} {'took longer than ' + str(seconds) + ' s' if code is None else f'ended with {code}'}")
    say(f"     {what}: {time.monotonic() - start:.1f} s")
    return output


if __name__ == "__main__":
    sys.exit("this is a part of tests/run/main.py")
