# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds include/sinter against the frozen copy of minor 0, word by word and byte by byte.

  words   every declaration, enumerator, constant and function of the copy stands in today's header, the same and in the same
          order; only what begins with `size` and does not stand in arrays, and enums, may go on at their end
  bytes   one C program, compiled against each header, prints sizeof and offsetof of every struct, member and enum value of the
          copy: what grew is longer, and nothing else differs
  growth  no struct that may grow has padding at its end, where a new member would hide inside an old plugin's `size`

Then the check checks itself: changes are made to another copy of the frozen header; those that break plugins must be told, and
those that a next minor may make must not.
usage: layout.py CC SOURCE SCRATCH"""
import pathlib
import re
import subprocess
import sys

CC, SOURCE, SCRATCH = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
FROZEN = SOURCE / "tests/abi/minor0/sinter"
IN_ARRAYS = {"sinter_option", "sinter_vectors"}  # they begin with `size`, and yet an old plugin steps over them by its own sizeof
# The status codes are listed by a macro, so that this one is read as a list.
LISTS = {"SINTER_STATUS_MAP(X)"}


def squeeze(text):
    return re.sub(r"\s+", " ", text).strip()


def bare(text):
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return text.replace("\\\n", " ")


def split(body, end):
    """Parts of a text that end with a character outside of brackets."""
    depth, part, out = 0, "", []
    for c in body:
        depth += (c in "({[") - (c in ")}]")
        if c == end and depth == 0:
            out.append(squeeze(part))
            part = ""
        else:
            part += c
    return [x for x in out + [squeeze(part)] if x]


def names_of(declaration):
    """Names that one declaration declares: a function pointer's, or those between the commas."""
    pointer = re.match(r"[^({]*\(\*(\w+)\)", declaration)
    if pointer:
        return [pointer.group(1)]
    last = declaration[declaration.rfind("}") + 1:] if "}" in declaration else declaration
    return [re.search(r"(\w+)\s*(\[[^\]]*\])*$", x.strip()).group(1) for x in last.split(",")]


class Header:
    def __init__(self, *texts):
        text = "\n".join(bare(t) for t in texts)
        self.structs, self.enums, self.rest, self.constants = {}, {}, [], {}
        for name, value in re.findall(r"^\s*#define (SINTER_\w+(?:\([^)]*\))?)[ \t]+(.*)$", text, re.M):
            self.constants[name] = squeeze(value)
        code = re.sub(r"#ifdef __cplusplus\n.*?\n#endif", "", text, flags=re.S)  # extern "C" { and its end
        code = re.sub(r"^\s*#.*$", "", code, flags=re.M)
        for statement in self.statements(code):
            self.take(statement)

    @staticmethod
    def statements(code):
        """Like split, but a function's body ends it too."""
        depth, part, out = 0, "", []
        for c in code:
            depth += (c in "({[") - (c in ")}]")
            part += c
            if depth == 0 and (c == ";" or (c == "}" and "static inline" in part)):
                out.append(squeeze(part.rstrip(";")))
                part = ""
        return [x for x in out if x not in ("", "}")]

    def take(self, statement):
        m = re.match(r"(?:typedef )?(struct|enum) ?(\w*) ?\{(.*)\} ?(\w*)$", statement)
        if not m:
            self.rest.append(statement)
        elif m.group(1) == "struct":
            members = [(names_of(d), d) for d in split(m.group(3), ";")]
            self.structs[m.group(4) or m.group(2)] = members
        else:
            self.enums[m.group(4) or m.group(2) or m.group(3)[:40]] = split(m.group(3), ",")

    def members(self, struct):
        return [n for names, _ in self.structs[struct] for n in names]

    def grows(self, struct):
        return self.members(struct)[0] == "size" and struct not in IN_ARRAYS

    def declared(self, struct):
        """(name, declaration without its other names): `uint32_t size, n` and `uint32_t size; uint32_t n` are the same."""
        out = []
        for names, text in self.structs[struct]:
            kind = text if len(names) == 1 else re.sub(r"\s*\*?\w+\s*(\[[^\]]*\])?(\s*,.*)?$", "", text.split(",")[0])
            out += [(n, text if len(names) == 1 else kind + " " + n) for n in names]
        return out


def read(folder):
    return Header(*((folder / f).read_text() for f in ("status.h", "plugin.h")))


def prefix(what, old, new, may_grow, problems):
    for i, x in enumerate(old):
        if i >= len(new):
            problems.append(f"{what}: {x} is gone")
        elif new[i] != x:
            problems.append(f"{what}: {x} became {new[i]}")
    if len(new) > len(old) and not may_grow:
        problems.append(f"{what}: it may not grow, and has {new[len(old):]}")


def compare_members(name, was, now, problems):
    """New members stand in the place of reserved ones, or behind all; whether they fit there is for the bytes to tell."""
    old, new = was.declared(name), now.declared(name) if name in now.structs else []
    at, free = 0, False
    for x in old:
        if x[0].startswith("reserved"):
            free = True
            continue
        while free and at < len(new) and new[at] != x:
            at += 1
        if at >= len(new) or new[at] != x:
            problems.append(f"{name}: '{x[1]}' is gone, or something else stands in its place")
            return
        at, free = at + 1, False
    if at < len(new) and not free and not was.grows(name):
        problems.append(f"{name}: it may not grow, and has '{new[at][1]}'")


def compare_words(was, now):
    problems = []
    for name in was.structs:
        compare_members(name, was, now, problems)
    for name, values in was.enums.items():
        prefix(name, values, now.enums.get(name, []), True, problems)
    for statement in was.rest:
        if statement not in now.rest:
            problems.append(f"'{statement[:100]}' is gone or was changed")
    for name, value in was.constants.items():
        is_ = now.constants.get(name, "(gone)")
        grown = is_.startswith(value) if name in LISTS else name == "SINTER_ABI_MINOR" or is_ == value
        if not grown:
            problems.append(f"{name} was {value[:60]}, is {is_[:60]}")
    return problems


def layout(was, include, scratch, whole=False):
    """{name: number} of everything that a header declares, by another's include; `whole`: reserved members too."""
    lines = ["#include <sinter/plugin.h>", "#include <stdio.h>", "#define P(n, v) printf(\"%s %lld\\n\", n, (long long)(v))", "int main(void)", "{"]
    for s in was.structs:
        kind = s if s != "sinter_enum_width" else "enum " + s
        lines.append(f'    P("{s}", sizeof({kind}));')
        for m in was.members(s):
            if m.startswith("reserved") and not whole:
                continue
            lines.append(f'    P("{s}.{m}", offsetof({kind}, {m}));')
            lines.append(f'    P("{s}.{m} bytes", sizeof((({kind} *)0)->{m}));')
    for e, values in was.enums.items():
        for v in values:
            v = v.split("=")[0].strip()
            if re.fullmatch(r"[A-Z]\w*", v) and "##" not in v:
                lines.append(f'    P("{v}", {v});')
        if e.startswith("sinter_") and e not in ("sinter_enum_width", "sinter_status_code"):
            lines.append(f'    P("{e}", sizeof({e}));')
    for code in re.findall(r"X\((\w+),", was.constants["SINTER_STATUS_MAP(X)"]):
        lines.append(f'    P("SINTER_{code}", SINTER_{code});')
    lines.append('    P("SINTER_MISSING_BITS", SINTER_MISSING_BITS);')
    lines += ["    return 0;", "}", ""]
    scratch.mkdir(parents=True, exist_ok=True)
    source, program = scratch / "layout.c", scratch / "layout"
    source.write_text("\n".join(lines))
    done = subprocess.run([CC, "-std=c17", "-w", "-I", str(include), str(source), "-o", str(program)], capture_output=True, text=True)
    if done.returncode:
        return done.stderr[:2000]
    out = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    return {n: int(v) for n, v in (line.rsplit(" ", 1) for line in out.splitlines())}


def compare_bytes(was, frozen, now):
    if isinstance(now, str):
        return ["a program of minor 0 does not compile against it: " + now]
    problems = []
    for name, value in frozen.items():
        longer = name in was.structs and was.grows(name) and now[name] >= value
        if now[name] != value and not longer:
            problems.append(f"{name} was {value}, is {now[name]}")
    return problems


def padding(header, table):
    problems = []
    for s in header.structs:
        if header.members(s)[0] != "size":
            continue
        last = header.members(s)[-1]
        end = table[f"{s}.{last}"] + table[f"{s}.{last} bytes"]
        if end != table[s]:
            problems.append(f"{s} has {table[s] - end} bytes of padding behind '{last}': fill them with a reserved member")
    return problems


def judge(include, scratch):
    """What is wrong with the header in include/sinter."""
    was, now = read(FROZEN), read(include / "sinter")
    problems = compare_words(was, now)
    if problems:
        return problems
    frozen, current = layout(was, FROZEN.parent, scratch), layout(was, include, scratch)
    if isinstance(frozen, str):
        return ["the frozen header does not compile: " + frozen]
    whole = layout(now, include, scratch, True)
    return compare_bytes(was, frozen, current) + (padding(now, whole) if isinstance(whole, dict) else [whole])


# Changes to the frozen header, taken for today's: (name, old, new, must it be told)
PLANTED = [
    ("two members swapped", "const float *weight, *value; /*", "const float *value, *weight; /*", True),
    ("a member between others", "uint64_t seed;          /*", "uint64_t other;\n    uint64_t seed;          /*", True),
    ("a member taken away", "    const uint8_t *present; /* [n] 1: the item has one */\n", "", True),
    ("a type of the same size", "float weight;     /* of the request", "int32_t weight;     /* of the request", True),
    ("a function's argument", "void *(*scratch)(const sinter_host *, size_t size);", "void *(*scratch)(const sinter_host *, size_t size, int clear);", True),
    ("an enum value between others", "    SINTER_COLUMN_KEYWORDS,", "    SINTER_COLUMN_TEXT,\n    SINTER_COLUMN_KEYWORDS,", True),
    ("another bit of a flag", "SINTER_DATASET_REQUESTS = 1u << 1", "SINTER_DATASET_REQUESTS = 1u << 3", True),
    ("another constant", "#define SINTER_BLOCK 256u", "#define SINTER_BLOCK 512u", True),
    ("another missing", "0x7fc05172u", "0x7fc05173u", True),
    ("an array's struct grows", "    uint64_t reserved[3];\n} sinter_vectors;", "    uint64_t reserved[4];\n} sinter_vectors;", True),
    ("a struct without size grows", "    double contribution;", "    double before;\n    double contribution;", True),
    ("a reserved slot loses its place", "    void *reserved[8];", "    void *reserved[7];", True),
    ("padding at an end", "    const sinter_trainer *trainer;\n} sinter_plugin;", "    const sinter_trainer *trainer;\n    uint32_t other;\n} sinter_plugin;", True),
    ("more than the reserved room holds", "    uint64_t reserved[3];\n} sinter_vectors;", "    uint64_t reserved[2], a, b;\n} sinter_vectors;", True),
    ("reserved room named", "    uint64_t reserved[3];\n} sinter_vectors;", "    double offset;\n    uint64_t reserved[2];\n} sinter_vectors;", False),
    ("a role appended", "    const sinter_trainer *trainer;\n} sinter_plugin;", "    const sinter_trainer *trainer;\n    const void *other;\n} sinter_plugin;", False),
    ("a host function appended", "    void *reserved[8]; /* NULL */\n", "    void *reserved[8]; /* NULL */\n    void (*more)(void);\n", False),
    ("an enum value appended", "    SINTER_TENSOR_U8,\n", "    SINTER_TENSOR_U8,\n    SINTER_TENSOR_F16,\n", False),
    ("the next minor", "#define SINTER_ABI_MINOR 0u", "#define SINTER_ABI_MINOR 1u", False),
]


def try_planted(scratch):
    failures = 0
    header = (FROZEN / "plugin.h").read_text()
    folder = scratch / "planted/sinter"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "status.h").write_text((FROZEN / "status.h").read_text())
    for name, old, new, told in PLANTED:
        if header.count(old) != 1:
            print(f"FAILED: the planted change '{name}' finds its place {header.count(old)} times")
            failures += 1
            continue
        (folder / "plugin.h").write_text(header.replace(old, new))
        problems = judge(folder.parent, scratch)
        if bool(problems) != told:
            print(f"FAILED: the planted change '{name}' is {'not told' if told else 'held for a break: ' + problems[0]}")
            failures += 1
    return failures


def main():
    was = read(FROZEN)
    if len(was.structs) < 36 or sum(len(was.members(s)) for s in was.structs) < 250:
        sys.exit(f"FAILED: only {len(was.structs)} structs were read of the frozen header")
    problems = judge(SOURCE / "include", SCRATCH)
    for p in problems:
        print("FAILED:", p)
    failures = len(problems) or try_planted(SCRATCH)
    print(f"{len(was.structs)} structs, {sum(len(was.members(s)) for s in was.structs)} members, {len(was.enums)} enums, "
          f"{len(was.constants)} constants, {len(PLANTED)} planted changes: {failures} failures")
    sys.exit(1 if failures else 0)


main()
