#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints one figure beside its goal, and appends it to build/bars.jsonl (or $BARS_FILE).

    bars.py NAME METRIC OP GOAL VALUE [LOW HIGH] [--interval whole|contains] [--seconds S]
    bars.py NAME METRIC OP GOAL --skip REASON | --failed REASON
    bars.py NAME METRIC OP GOAL --evaluated ANSWER.json [--system NAME] [--of METRIC] [--over-first] [--absolute] [--seconds S]
    bars.py --printed SECONDS < LINES     appends what a benchmark printed: bar NAME METRIC VALUE|- [LOW HIGH] goal OP GOAL STATE
    bars.py --machine                     says where

OP is >= or <=. ANSWER.json is what `sinter evaluate --json` printed; --of names its metric where that is not METRIC. Exit code 0:
pass or skip, 1: fail.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[1]


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("name")
    p.add_argument("metric")
    p.add_argument("op", choices=(">=", "<="))
    p.add_argument("goal", type=float)
    p.add_argument("figures", type=float, nargs="*")
    p.add_argument("--skip")
    p.add_argument("--failed")
    p.add_argument("--evaluated")
    p.add_argument("--system")
    p.add_argument("--of")
    p.add_argument("--over-first", action="store_true")
    p.add_argument("--absolute", action="store_true")
    p.add_argument("--interval", choices=("whole", "contains"))
    p.add_argument("--seconds", type=float)
    return p.parse_args()


def figures_of(a):
    """value, low, high; low and high None where there is no interval."""
    if not a.evaluated:
        return (a.figures + [None, None])[:3] if len(a.figures) != 2 else (a.figures[0], a.figures[1], None)
    systems = json.loads(pathlib.Path(a.evaluated).read_text())["systems"]
    system = next(s for s in systems if a.system in (None, s["name"]))
    x = system["over_first" if a.over_first else "metrics"][a.of or a.metric]
    value, low, high = x["mean"], x["low"], x["high"]
    if a.absolute:
        ends = sorted((abs(low), abs(high)))
        low, high = (0.0 if low <= 0 <= high else ends[0]), ends[1]
        value = abs(value)
    return value, low, high


def meets(a, value, low, high):
    """--interval whole: all of the interval must be beyond the goal; contains: the goal must lie in it."""
    if a.interval == "contains":
        return low <= a.goal <= high
    if a.interval == "whole":
        return low > a.goal if a.op == ">=" else high < a.goal
    return value >= a.goal if a.op == ">=" else value <= a.goal


def machine():
    def first(path, word):
        lines = pathlib.Path(path).read_text().splitlines()
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(word)), "unknown")
    return (f"{first('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores, {first('/proc/meminfo', 'MemTotal')} of memory, "
            f"Linux {os.uname().release}")


def commit():
    def git(*words):
        return subprocess.run(["git", "-C", str(SOURCE), *words], capture_output=True, text=True).stdout.strip()
    return git("rev-parse", "--short", "HEAD") + ("-changed" if git("status", "--porcelain", "--untracked-files=no") else "")


def append(bars):
    path = pathlib.Path(os.environ.get("BARS_FILE", SOURCE / "build/bars.jsonl"))
    path.parent.mkdir(parents=True, exist_ok=True)
    where = {"commit": commit(), "machine": machine()}
    with open(path, "a", encoding="utf-8") as f:
        f.writelines(json.dumps({**bar, **where}) + "\n" for bar in bars)


def printed(lines, seconds):
    """The bars among a benchmark's lines."""
    number = lambda word: None if word == "-" else float(word)
    for words in (line.split() for line in lines if line.startswith("bar ")):
        at = words.index("goal")
        value, low, high = (*map(number, words[3:at]), None, None)[:3]
        yield {"name": words[1], "metric": words[2], "value": value, "low": low, "high": high, "op": words[at + 1],
               "goal": float(words[at + 2]), "state": words[at + 3], "seconds": seconds}


def main():
    if sys.argv[1:] == ["--machine"]:
        return print(machine())
    if sys.argv[1:2] == ["--printed"]:
        return append(printed(sys.stdin, float(sys.argv[2])))
    a = arguments()
    reason = a.skip or a.failed
    value, low, high = (None, None, None) if reason else figures_of(a)
    if reason:
        state = "skip" if a.skip else "fail"
    else:
        state = "pass" if meets(a, value, low, high) else "fail"
    interval = "" if low is None else f" {low:.4f} {high:.4f}"
    shown = "-" if value is None else f"{value:.4f}" if value == 0 or abs(value) >= 0.001 else f"{value:.2e}"
    print(f"bar {a.name} {a.metric} {shown}{interval} goal {a.op} {a.goal:g} {state}" + (f" ({reason})" if reason else ""), flush=True)
    append([{"name": a.name, "metric": a.metric, "value": value, "low": low, "high": high, "op": a.op, "goal": a.goal, "state": state,
             "seconds": a.seconds}])
    return state == "fail"


if __name__ == "__main__":
    sys.exit(main())
