#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the function plugin with Python on random formulas: other parser (Python's own), other arithmetic (math).

    test_formula.py formula_lines function.so [formulas] [seed]

A formula is written as random text. Python reads it as its own expression (^ becomes **, numbers and names become values that
follow the plugin's rules on missing values), so precedence and association are checked as well as arithmetic.
"""
import math
import random
import re
import subprocess
import sys

NAN, INF = math.nan, math.inf


class Refused(Exception):
    """A constant part without a finite value: the plugin refuses the formula."""


class V:
    """A value: a double and whether it is known without any feature."""

    def __init__(self, x, constant=False):
        self.x, self.constant = x, constant

    def __add__(self, o): return op(lambda a, b: a + b, self, o)
    def __sub__(self, o): return op(lambda a, b: a - b, self, o)
    def __mul__(self, o): return op(lambda a, b: a * b, self, o)
    def __truediv__(self, o): return op(divide, self, o)
    def __pow__(self, o): return op(power, self, o)
    def __neg__(self): return op(lambda a: -a, self)
    def __pos__(self): return self
    def __lt__(self, o): return op(lambda a, b: float(a < b), self, o)
    def __le__(self, o): return op(lambda a, b: float(a <= b), self, o)
    def __gt__(self, o): return op(lambda a, b: float(a > b), self, o)
    def __ge__(self, o): return op(lambda a, b: float(a >= b), self, o)
    def __eq__(self, o): return op(lambda a, b: float(a == b), self, o)
    def __ne__(self, o): return op(lambda a, b: float(a != b), self, o)
    __hash__ = None


def made(x, values):
    constant = all(v.constant for v in values)
    if constant and not math.isfinite(x):
        raise Refused()
    return V(x, constant)


def op(f, *values):
    """f of the values; any missing one makes the result missing."""
    x = [v.x for v in values]
    return made(NAN if any(map(math.isnan, x)) else f(*x), values)


def divide(a, b):
    if b != 0:
        return a / b
    return NAN if a == 0 else math.copysign(INF, a) * math.copysign(1, b)


def guarded(f):
    def g(*a):
        try:
            return f(*a)
        except ValueError:
            return NAN
        except OverflowError:
            return INF
    return g


def power(a, b):
    try:
        r = math.pow(a, b)
    except OverflowError:
        return -INF if a < 0 and b % 2 == 1 else INF
    except ValueError:
        if a == 0:
            return math.copysign(INF, a) if b % 2 == 1 else INF
        return NAN
    return r


def logarithm(f, zero):
    return guarded(lambda a: -INF if a == zero else f(a))


def half_away(a):
    return a if math.isinf(a) else math.copysign(math.floor(abs(a) + 0.5), a)


def whole(f):
    return lambda a: a if math.isinf(a) else float(f(a))


def sigmoid(a):
    try:
        return 1 / (1 + math.exp(-a))
    except OverflowError:
        return 0.0


def reduce_with(f):
    def g(first, *rest):
        for v in rest:
            first = op(f, first, v)
        return first
    return g


FUNCTIONS = {
    "if_": lambda c, a, b: made(NAN if math.isnan(c.x) else a.x if c.x != 0 else b.x, (c, a, b)),
    "min": reduce_with(min), "max": reduce_with(max),
    "clamp": lambda x, lo, hi: op(lambda a, l, h: min(max(a, l), h), x, lo, hi),
    "coalesce": lambda a, b: made(a.x if math.isfinite(a.x) else b.x, (a, b)),
    "missing": lambda a: made(0.0 if math.isfinite(a.x) else 1.0, (a,)),
    "pow": lambda a, b: op(power, a, b),
}
for name, f in {"abs": abs, "sqrt": guarded(math.sqrt), "exp": guarded(math.exp), "log": logarithm(math.log, 0),
                "log1p": logarithm(math.log1p, -1), "log10": logarithm(math.log10, 0), "floor": whole(math.floor),
                "ceil": whole(math.ceil), "round": half_away, "sigmoid": sigmoid, "tanh": math.tanh}.items():
    FUNCTIONS[name] = lambda v, f=f: op(f, v)

ARITY = {"if": (3, 3), "min": (2, 4), "max": (2, 4), "clamp": (3, 3), "coalesce": (2, 2), "pow": (2, 2)}
TOKEN = re.compile(r"item\.d|[a-z_][a-z0-9_]*|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|==|!=|<=|>=|.", re.S)


def translate(text):
    out = []
    for t in TOKEN.findall(text):
        if t == "^":
            out.append("**")
        elif t == "if":
            out.append("if_")
        elif t == "item.d":
            out.append("item_d")
        elif t[0].isdigit() or (t[0] == "." and len(t) > 1):
            out.append("V(%s, True)" % float(t))
        else:
            out.append(t)
    return "".join(out).strip()


def write(rng, depth):
    """Random text of the formula language, without chained comparisons."""
    space = rng.choice(["", "", " ", "  "])
    kind = rng.random()
    if depth == 0 or kind < 0.18:
        return rng.choice(["a", "b", "c", "item.d", "2", "0.5", "1e-2", "3.25", ".75", "10", "0", "7."])
    if kind < 0.62:
        # The space keeps "- -a" and "2 .5" apart from anything else; Python and the plugin both read "--a".
        return write(rng, depth - 1) + space + rng.choice("+-*/+-*^") + space + write(rng, depth - 1)
    if kind < 0.70:
        return rng.choice("-+") + write(rng, depth - 1)
    if kind < 0.80:
        inside = write(rng, depth - 1)
        if not re.search(r"[<>=]", re.sub(r"\([^()]*\)", "", inside)) and rng.random() < 0.3:
            inside = "(%s)%s%s(%s)" % (inside, space, rng.choice(["<", "<=", ">", ">=", "==", "!="]), write(rng, depth - 1))
        return "(" + inside + ")"
    name = rng.choice(list(ARITY) + ["abs", "sqrt", "exp", "log", "log1p", "log10", "floor", "ceil", "round", "sigmoid", "tanh",
                                     "missing"])
    least, most = ARITY.get(name, (1, 1))
    return name + "(" + ("," + space).join(write(rng, depth - 1) for _ in range(rng.randint(least, most))) + ")"


def as_float(x):
    """What a float holds of x, as the score does."""
    if math.isnan(x) or abs(x) >= 3.4028235677973366e38:
        return None
    return x


def expected(code, rows):
    out = []
    for row in rows:
        names = dict(zip(("a", "b", "c", "item_d"), (V(x) for x in row)), V=V, **FUNCTIONS)
        try:
            out.append(as_float(eval(code, {"__builtins__": {}}, names).x))
        except Refused:
            return "error"
    return out


def main():
    lines, so = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 3000
    rng = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 20)
    rows = [[rng.choice([NAN, 0.0, 1.0, -1.0, round(rng.uniform(-8, 8) * 16) / 16, rng.randint(0, 64) / 4.0]) for _ in range(4)]
            for _ in range(40)]
    formulas = [t for t in (write(rng, rng.randint(1, 6)) for _ in range(count)) if len(t) < 1500]
    text = "".join("R %s\n" % " ".join(map(repr, r)) for r in rows) + "".join("F %s\n" % f for f in formulas)
    done = subprocess.run([lines, so], input=text, capture_output=True, text=True, timeout=280)
    answers = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert len(answers) == len(formulas), (len(answers), len(formulas))
    compared = missing = refused = limited = 0
    for formula, answer in zip(formulas, answers):
        want = expected(compile(translate(formula), formula[:40], "eval"), rows)
        if answer.startswith("error") and "more than" in answer:
            limited += 1
            continue
        if want == "error" or answer.startswith("error"):
            assert want == "error" and "constant part" in answer, (formula, want, answer)
            refused += 1
            continue
        for row, w, g in zip(rows, want, answer.split()):
            if w is None or g == "missing":
                assert w is None and g == "missing", (formula, row, w, g)
                missing += 1
            else:
                assert abs(float(g) - w) <= 2e-7 * max(1e-30, abs(w)), (formula, row, w, g)
                compared += 1
    assert limited * 100 < len(formulas) and compared > len(formulas) * 10, (limited, compared)
    print("%d formulas: %d scores equal, %d missing in both, %d formulas refused by both, %d over a limit"
          % (len(formulas), compared, missing, refused, limited))


main()
