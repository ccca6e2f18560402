# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults planted on purpose, each of which must be caught: includes that the layers forbid, a data race, missing syncs."""
import json
import re
import shlex

from build import SOURCE, build, folder, integration_modules, run_module
from tally import run, say

# room whose flags are used, include, whether it may compile
INCLUDES = [
    ("pipeline", "recall/recall.h", True, "a lower room's public header"),
    ("base", "pipeline/pipeline.h", False, "an upward include"),
    ("journal", "catalog/catalog.h", False, "an upward include, one room up"),
    ("config", "journal/journal.h", False, "a neighbour that the room does not use"),
    ("pipeline", "recall/text_private.h", False, "another room's private header"),
    ("rpc", "journal/store.h", False, "another room's private header"),
]


def compile_command(out, prefix):
    """The compiler's words for one source whose path starts with `prefix`, without source and output."""
    for entry in json.loads((out / "compile_commands.json").read_text()):
        name = entry["file"][len(str(SOURCE)) + 1:]
        if name.startswith(prefix) and name.endswith(".c"):
            words = shlex.split(entry["command"])
            at = words.index("-o")
            return [w for w in words[:at] + words[at + 2:] if w not in ("-c", entry["file"])], entry["directory"]
    raise RuntimeError(f"no compile command for {prefix}")


def try_include(out, prefix, include):
    """(compiles, compiler's output)"""
    source = out / "planted/planted.c"
    source.parent.mkdir(exist_ok=True)
    source.write_text(f'#include "{include}"\nint planted;\n')
    words, cwd = compile_command(out, prefix)
    code, output = run([*words, "-fsyntax-only", str(source)], 60, cwd=cwd)
    return code == 0, output


def includes(tally, title, out):
    for room, include, allowed, what in INCLUDES:
        compiles, output = try_include(out, f"server/{room}/", include)
        problems = []
        if compiles != allowed:
            problems = ["it compiles" if compiles else f"it does not compile: {output[-300:]}"]
        elif not allowed and "No such file" not in output:
            problems = [f"refused for another reason: {output[-300:]}"]
        tally.check(title, problems, f"{room} {'may' if allowed else 'may not'} include {include} ({what})")
    compiles, output = try_include(out, "plugins/example/", "base/base.h")
    tally.check(title, ["it compiles"] if compiles else [], "a plugin may not include base/base.h")


def race(tally, title):
    """The race of SINTER_PLANT_RACE must turn a clean run under ThreadSanitizer into a report."""
    out = build("tsan-race", "tsan", ["-DSINTER_PLANT_RACE=ON"], ["sinter"])
    modules = [m for m in integration_modules() if re.search(r"lane|serving|protocol", m.stem)] or integration_modules()[:1]
    if not modules:
        tally.add(title, skipped=["the planted race: tests/integration has no module to run"])
        return
    reports, where = 0, ""
    plugins = out / "plugins"
    if not plugins.exists() and (folder("tsan") / "plugins").exists():
        plugins.symlink_to(folder("tsan") / "plugins")
    for module in modules:
        code, output = run_module(module, out, 300)
        reports += code not in (0, None) and "ThreadSanitizer: data race" in output
        where = module.stem
        if reports:
            break
    tally.check(title, [] if reports else ["no report"], f"the planted race is reported ({where})")


def sync(tally, title):
    """The test that looks at syncs must fail where acknowledgements leave without one."""
    modules = [m for m in integration_modules() if "strace" in m.read_text()]
    if not modules:
        tally.add(title, skipped=["no integration test traces syncs"])
        return
    out = build("nosync", "release", ["-DSINTER_NO_SYNC=ON"], ["sinter"])
    plugins = out / "plugins"
    if not plugins.exists():
        plugins.symlink_to(folder("release") / "plugins")
    for module in modules:
        code, output = run_module(module, out, 300, {"SINTER_EXPECT_NO_SYNC": "1"})
        if re.search(r"skipped .*(ptrace|strace)", output):
            tally.add(title, skipped=[f"{module.stem}: tracing isn't allowed here"])
            continue
        failed = bool(re.search(r"^(FAIL|ERROR): .*", output, re.M)) and code not in (0, None)
        say("     " + "; ".join(re.findall(r"^(?:FAIL|ERROR): .*", output, re.M)[:3]))
        tally.check(title, [] if failed else ["it passed"], f"{module.stem} fails on a build without syncs")
