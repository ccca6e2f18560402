# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of `sh tests/run.sh`, in order."""
import concurrent.futures
import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import breaks  # noqa: E402
import planted  # noqa: E402
import style  # noqa: E402
from build import CORES, SOURCE, build, environment, folder, test_integration, test_units  # noqa: E402
from tally import Tally, must, run, say, step  # noqa: E402

HELP = """usage: sh tests/run.sh [PART…]

  (none)       everything below but breaks and fuzz
  quick        release build, unit and integration tests
  style        form of the source, planted includes, help texts
  release      unit and integration tests of the release build
  asan, tsan   the same under AddressSanitizer + UBSan, under ThreadSanitizer
  planted      a planted race and missing syncs must be caught
  coverage     the same tests with lines counted
  breaks       tests/breaks: each patch must make the test fail that it names; names of patches may follow
  fuzz         each fuzz target for 30 s with libFuzzer (clang)
"""


def form(tally):
    with step(tally, "style"):
        style.check(tally, "style")


def release(tally):
    out = None
    with step(tally, "release: build"):
        out = build("release")
        tally.add("release", 1)
    if out is None:
        return
    with step(tally, "release: unit"):
        test_units(tally, "unit", out)
    with step(tally, "release: integration"):
        test_integration(tally, "integration", out, workers=CORES)


def layers(tally):
    with step(tally, "layers and help"):
        out = build("release")  # generated headers of an older build would not fit the source
        planted.includes(tally, "layers", out)
        tally.check("help", style.help_texts(out), "every command has --help and refuses unknown options")


def instrumented(tally, name):
    """One sanitizer's or coverage's run; the build counts as a test, since it compiles with -Werror."""
    out = None
    with step(tally, f"{name}: build"):
        out = build(name)
        tally.add(name, 1)
    if out is None:
        return None
    with step(tally, f"{name}: unit"):
        test_units(tally, f"unit under {name}", out)
    with step(tally, f"{name}: integration"):
        test_integration(tally, f"integration under {name}", out, workers=CORES, seconds=600)
    return out


def faults(tally):
    with step(tally, "planted race"):
        planted.race(tally, "planted")
    with step(tally, "missing syncs"):
        planted.sync(tally, "planted")


def coverage(tally):
    for old in folder("coverage").rglob("*.gcda"):
        old.unlink()
    out = instrumented(tally, "coverage")
    if out is None:
        return
    with step(tally, "coverage: lines"):
        objects = [d for d in (out / "CMakeFiles").glob("*.dir") if re.match(r"(sinter|plugin)_|sinter\.dir", d.name)
                   and d.name not in ("sinter_proto.dir", "plugin_harness.dir")]
        report = must(["gcovr", "--root", str(SOURCE), "--filter", "server/", "--filter", "plugins/", "--exclude", r".*/tests/.*",
                       "-j", str(CORES), "--print-summary", "--gcov-ignore-parse-errors", "--object-directory", str(out),
                       *map(str, objects)], 420, "gcovr", environment(), log=out / "coverage.txt")
        lines = re.search(r"^lines: ([\d.]+)% \((\d+) out of (\d+)\)", report, re.M)
        for row in folders_of(report):
            say("     " + row)
        say(f"     lines of server/ and plugins/ covered: {lines.group(0)[7:] if lines else 'not known'}")
        tally.check("coverage", [] if lines and float(lines.group(1)) > 0 else ["no figure"], "line coverage is counted")


def folders_of(report):
    """Lines covered of each room and plugin, from gcovr's table of files."""
    sums = {}
    for name, total, hit in re.findall(r"^(\S+)\s+(\d+)\s+(\d+)\s+\d+%", report, re.M):
        parts = name.split("/")
        key = "/".join(parts[:2]) if len(parts) > 2 else parts[0]
        whole = sums.setdefault(key, [0, 0])
        whole[0] += int(total)
        whole[1] += int(hit)
    return [f"{key:<22} {100 * hit / total:5.1f} %  of {total} lines" for key, (total, hit) in sorted(sums.items()) if total]


def fuzz(tally):
    if not shutil.which("clang"):
        tally.add("fuzz", skipped=["clang is not installed"])
        return
    with step(tally, "fuzz"):
        out = build("fuzz", targets=["fuzzers"])
        with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
            for name, code, output in pool.map(lambda target: fuzz_one(out, target), sorted((out / "bin").glob("fuzz_*"))):
                tally.check("fuzz", [] if code == 0 else [output[-1500:]], name)


def fuzz_one(out, target):
    """New inputs are kept in the build folder; those of the source are read only."""
    corpus = out / "corpus" / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    command = [str(target), str(corpus), str(SOURCE / "tests/fuzz/corpus" / target.name), "-max_total_time=30"]
    code, output = run(command, 120, environment(), cwd=str(out))
    say(f"     {target.name}: {' '.join(output.split('Done ')[-1].split()[:2]) if 'Done ' in output else 'stopped'}")
    return target.name, code, output


PARTS = {
    "style": lambda t: (form(t), layers(t)),
    "release": release,
    "asan": lambda t: instrumented(t, "asan"),
    "tsan": lambda t: instrumented(t, "tsan"),
    "planted": faults,
    "coverage": coverage,
    "fuzz": fuzz,
    "quick": release,
}
WHOLE = [form, release, layers, PARTS["asan"], PARTS["tsan"], faults, coverage]


def main(names):
    if any(n in ("-h", "--help") for n in names):
        print(HELP, end="")
        return 0
    tally = Tally()
    if names and names[0] == "breaks":
        breaks.check(tally, names[1:])
        return tally.close()
    unknown = [n for n in names if n not in PARTS]
    if unknown:
        print(f"unknown part {unknown[0]!r}\n\n{HELP}", end="", file=sys.stderr)
        return 2
    for part in [PARTS[n] for n in names] or WHOLE:
        part(tally)
    return tally.close()


sys.exit(main(sys.argv[1:]))
