# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the source's form: licences, sizes, forbidden functions, includes, shell and Python syntax, help texts."""
import ast
import re
import subprocess

from build import SOURCE
from tally import run

CODE = {".c", ".h", ".cc", ".py", ".sh", ".cmake", ".proto", ".awk"}
LICENSED = CODE | {".yaml", ".supp"}
BANNED = re.compile(r"(?<![\w.>])(sprintf|vsprintf|strcpy|strcat|gets|mktemp|tmpnam)\s*\(")


def tracked():
    """The project's files; without git (a copy of the tree), all that is not build output."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=SOURCE, capture_output=True)
    if listed.returncode == 0:
        names = [n for n in listed.stdout.decode().split("\0") if n]
        return [SOURCE / n for n in names if (SOURCE / n).is_file()]
    return [p for p in SOURCE.rglob("*") if p.is_file() and not {"build", ".git"} & set(p.relative_to(SOURCE).parts)]


def short(path):
    return str(path.relative_to(SOURCE))


def text(path):
    return path.read_text(encoding="utf-8", errors="replace")


def without_comments(source):
    """C text with comments and string contents blanked, lines kept."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"'
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m.group(0)) if m.group(0)[0] == "/" else '""', source, flags=re.S)


def licences(files):
    wanted = [p for p in files if p.suffix in LICENSED or p.name in ("CMakeLists.txt", "run")]
    wrong = [short(p) for p in wanted if "SPDX-License-Identifier:" not in "\n".join(text(p).split("\n")[:2])]
    for p in wanted:
        apache = short(p).startswith(("include/", "proto/"))
        first = "\n".join(text(p).split("\n")[:2])
        if apache and "Apache-2.0" not in first:
            wrong.append(f"{short(p)} is not Apache-2.0")
        if short(p).startswith("server/") and "GPL-3.0-or-later" not in first:
            wrong.append(f"{short(p)} is not GPL-3.0-or-later")
    return wrong


def sizes(files):
    lengths = [(short(p), text(p).count("\n")) for p in files if p.suffix in CODE]
    return [f"{name} has {n} lines" for name, n in lengths if n > 800]


def banned(files):
    found = []
    for p in files:
        if p.suffix in (".c", ".h", ".cc"):
            for i, line in enumerate(without_comments(text(p)).split("\n"), 1):
                if BANNED.search(line):
                    found.append(f"{short(p)}:{i} {line.strip()[:60]}")
    return found


def lines_with(files, pattern, suffixes, prefix=""):
    expression = re.compile(pattern)
    return [f"{short(p)}:{i}" for p in files if p.suffix in suffixes and short(p).startswith(prefix)
            for i, line in enumerate(text(p).split("\n"), 1) if expression.search(line)]


def plugin_includes(files):
    """A plugin's own code sees include/sinter, its own folder and the system, nothing of the server."""
    wrong = []
    for p in files:
        name = short(p)
        if not name.startswith("plugins/") or p.suffix not in (".c", ".h") or "/tests/" in name:
            continue
        for include in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text(p), re.M):
            if not (p.parent / include).exists() and not include.startswith("sinter/"):
                wrong.append(f"{name} includes {include}")
    return wrong


def shell_syntax(files):
    wrong = []
    for p in files:
        shell = {"sh": "sh", "bash": "bash"}.get(re.match(r"#!/bin/(sh|bash)|", text(p)[:20]).group(1) or "")
        if shell or p.suffix == ".sh":
            code, output = run([shell or "sh", "-n", str(p)], 20)
            if code != 0:
                wrong.append(output.strip())
    return wrong


def python_syntax(files):
    wrong = []
    for p in files:
        if p.suffix == ".py":
            try:
                ast.parse(text(p))
            except SyntaxError as error:
                wrong.append(f"{short(p)}:{error.lineno} {error.msg}")
    return wrong


def help_texts(out):
    """Every command answers --help on standard output, with its exit codes, and ends with 0."""
    wrong = []
    code, listing = run([str(out / "bin/sinter"), "--help"], 20)
    names = re.findall(r"^  (\S+) {2,}\S", listing.split("commands:")[-1], re.M)
    if code != 0 or not names:
        return ["sinter --help lists no commands"]
    for name in names:
        if name == "version":
            continue
        code, output = run([str(out / "bin/sinter"), name, "--help"], 20)
        if code != 0 or "usage:" not in output:
            wrong.append(f"sinter {name} --help ended with {code}: {output[:60]!r}")
        code, _ = run([str(out / "bin/sinter"), name, "--no-such-option"], 20)
        if code != 2:
            wrong.append(f"sinter {name} --no-such-option ended with {code}, not 2")
    return wrong


def check(tally, title):
    files = tracked()
    mark = "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3))
    rows = [
        ("every file names its licence first", licences(files)),
        ("no file has more than 800 lines", sizes(files)),
        ("no banned function", banned(files)),
        ("no include climbs with ../", lines_with([p for p in files if not short(p).startswith("tests/")],
                                                  r'^\s*#\s*include\s+["<].*\.\./', {".c", ".h", ".cc"})),
        ("no unfinished marks", lines_with(files, rf"\b({mark})\b", CODE | {".md", ".yaml"})),
        ("C++ stands only where Xapian is", [short(p) for p in files if p.suffix == ".cc"
                                             and not short(p).startswith(("server/recall/", "tests/"))]),
        ("plugins include nothing of the server", plugin_includes(files)),
        ("the demo's truth is read by who plays and judges alone",
         lines_with([p for p in files if short(p).startswith(("server/", "plugins/", "include/"))
                     and not short(p).startswith("server/commands/demo")], r"truth/|demo_world|demo_utility", CODE)),
        ("no registry's host is named", lines_with(files, r"deb\.debian\.org|registry\.npmjs\.org|pypi\.org",
                                                   CODE - {".py"} | {".yaml", ".md"})),
        ("shell scripts parse", shell_syntax(files)),
        ("Python files parse", python_syntax(files)),
    ]
    for what, problems in rows:
        tally.check(title, problems, what)
