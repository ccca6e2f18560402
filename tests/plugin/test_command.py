# SPDX-License-Identifier: GPL-3.0-or-later
"""`sinter plugin list | check` from outside: every animal of the zoo gets its verdict, and a crash is one."""
import json
import pathlib
import subprocess
import sys
import tempfile

SINTER, BUILD = sys.argv[1], pathlib.Path(sys.argv[2])
FAILS, FINE = 1, 0
failures = 0

# plugin, exit code, check that says so, part of its words
VERDICTS = [
    ("plain", FINE, "blocks", "do not depend on an item's place"),
    ("editor", FINE, "recall", "50 items within the limit of 50 and the filter"),
    ("declines", FINE, "score", "it declines"),
    ("wrong_major", FAILS, "load", "ABI 9.3; this host has 1.0"),
    ("newer_minor", FAILS, "load", "ABI 1.7; this host has 1.0"),
    ("short_struct", FAILS, "load", "its table has 64 bytes"),
    ("missing_entry", FAILS, "load", "no symbol 'sinter_plugin_entry'"),
    ("no_roles", FAILS, "load", "plays no role"),
    ("huge_options", FAILS, "load", "1000000 keys"),
    ("nan_scores", FAILS, "score", "NaN"),
    ("wrong_count", FAILS, "recall", "51 items for a limit of 50"),
    ("fails", FAILS, "score", "bad luck"),
    ("leaks", FAILS, "memory", "8 bytes were not given back"),
    ("extra_symbol", FAILS, "exports", "'zoo_leaked_helper'"),
    ("liar", FAILS, "explain", "do not sum"),
    ("liar", FAILS, "shares", "do not sum"),
    ("moody", FAILS, "repeat", "differently the second time"),
    ("moody", FAILS, "blocks", "depends on its place"),
    ("crash", FAILS, "crash", "during 'score'"),
]


def run(*args):
    done = subprocess.run([SINTER, "plugin", *map(str, args)], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def expect(holds, what):
    global failures
    if not holds:
        failures += 1
        print("FAILED:", what)


for name, code, check, words in VERDICTS:
    file = BUILD / "zoo" / (name + ".so")
    got, out, err = run("check", file, "--json")
    expect(got == code, f"{name}: exit code {got}, expected {code}: {out}{err}")
    found = json.loads(out)
    expect(found["ok"] == (code == FINE), f"{name}: {out}")
    kinds = ("fail",) if code == FAILS else ("ok", "note")
    expect(any(c["check"] == check and c["result"] in kinds and words in c["text"] for c in found["checks"]),
           f"{name}: no {kinds} of '{check}' says '{words}': {out}")

with tempfile.TemporaryDirectory() as folder:
    text = pathlib.Path(folder) / "script.so"
    text.write_text("#!/bin/sh\n")
    got, out, err = run("check", text)
    expect(got == FAILS and "not a shared object: it begins with 23 21 2f 62" in out, f"a script: {got} {out}{err}")
    options = pathlib.Path(folder) / "options.yaml"
    options.write_text("half_life_days: 0\n")
    example = BUILD / "plugins" / "example.so"
    if example.exists():
        got, out, err = run("check", example)
        expect(got == FINE, f"example: {got} {out}{err}")
        got, out, err = run("check", example, "--options", options)
        expect(got == FAILS and f"{options}:1:17: half_life_days is 0; valid: 0.001 to 100000" in out, f"bad options: {out}{err}")
        got, out, err = run("list", BUILD / "plugins", "--json")
        listed = {p["name"]: p for p in json.loads(out)["plugins"]}
        expect(got == FINE and listed["example"]["roles"] == ["ranker"], f"list: {got} {out}{err}")
        expect({o["key"] for o in listed["example"]["options"]} == {"feature", "half_life_days"}, f"list: {out}")

    rules = BUILD / "plugins" / "rules.so"
    source = pathlib.Path(__file__).resolve().parents[2]
    for name, roles in (("shop", ["ranker", "finisher"]), ("shop-queries", ["rewriter"]), ("packages", ["ranker", "finisher"])):
        options.write_text(f"file: {source}/config/rules/{name}.yaml\n")
        got, out, err = run("check", rules, "--options", options)
        expect(got == FINE and all(f"as {role}; it asks" in out for role in roles), f"config/rules/{name}.yaml: {got} {out}{err}")

expect(run("check", "/nowhere.so")[0] == 5, "a file that is not there is exit code 5")
expect(run("check")[0] == 2, "check without a file is exit code 2")
expect(run("list", "--nonsense")[0] == 2, "an unknown option is exit code 2")
expect(run("list", "/nowhere")[0] == 5, "a folder that is not there is exit code 5")
expect(run("--help")[0] == 0 and "exit codes" in run("--help")[1], "--help")

print(f"{failures} failed")
sys.exit(1 if failures else 0)
