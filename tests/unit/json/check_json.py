#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the server's JSON with python's json_format, both ways, on random messages: every request and answer of the API, and
the journal's record.

    check_json.py json_lines sinter.protoset [messages] [seed]

Printing: equal after parsing. Reading: the same message from json_format's text, in each spelling that the mapping allows; and of
texts with one value replaced, both take the same ones and make the same of them.
"""
import json
import math
import random
import re
import struct
import subprocess
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor as F

TEXTS = ["", "red shoe", 'quote " and \\ back', "line\nend\ttab\r", "bell \x07 del \x7f", "grüße 数 🎈", "</script>",
         "\u2028 \u2029", "a" * 300]


def double(r):
    return r.choice([0.1, 1 / 3, 1e300, 5e-324, -2.5, 1e21, 123456789012345680.0, math.nan, math.inf, -math.inf,
                     r.uniform(-1, 1), r.gauss(0, 1e6)])


def single(r):
    return struct.unpack("f", struct.pack("f", r.choice([0.1, 3.4e38, 1e-40, r.gauss(0, 10), math.nan, math.inf])))[0]


def int64(r):
    return r.choice([-2**63, 2**63 - 1, 0, r.randrange(-99, 99)])


def uint64(r):
    return r.choice([2**64 - 1, 0, r.randrange(10**12)])


def int32(r):
    return r.choice([-2**31, 2**31 - 1, 0])


def uint32(r):
    return r.choice([2**32 - 1, 0, 7])


SCALARS = {
    F.TYPE_DOUBLE: double, F.TYPE_FLOAT: single,
    F.TYPE_INT64: int64, F.TYPE_SINT64: int64, F.TYPE_SFIXED64: int64, F.TYPE_UINT64: uint64, F.TYPE_FIXED64: uint64,
    F.TYPE_INT32: int32, F.TYPE_SINT32: int32, F.TYPE_SFIXED32: int32, F.TYPE_UINT32: uint32, F.TYPE_FIXED32: uint32,
    F.TYPE_BOOL: lambda r: r.random() < 0.5, F.TYPE_STRING: lambda r: r.choice(TEXTS),
    F.TYPE_BYTES: lambda r: r.randbytes(r.randrange(8)),
}


def fill_well_known(m, r):
    seconds = r.choice([0, 1, -1, 1700000000, -62135596800, 253402300799]) if m.DESCRIPTOR.name == "Timestamp" else \
        r.choice([0, 3, -3, 315576000000])
    m.seconds = seconds
    nanos = r.choice([0, 500000000, 1000000, 1000, 1, 999999999])
    m.nanos = -nanos if m.DESCRIPTOR.name == "Duration" and seconds < 0 else nanos
    if m.DESCRIPTOR.name == "Duration" and abs(seconds) == 315576000000:
        m.nanos = 0


def scalar(f, r):
    if f.type == F.TYPE_ENUM:
        return r.choice([v.number for v in f.enum_type.values] + [77])
    return SCALARS[f.type](r)


def fill(m, r, depth=0):
    if m.DESCRIPTOR.full_name in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
        fill_well_known(m, r)
        return
    for f in m.DESCRIPTOR.fields:
        if r.random() < 0.3 + 0.08 * depth:
            continue
        many = f.label == F.LABEL_REPEATED
        if many and f.message_type and f.message_type.GetOptions().map_entry:
            key, value = f.message_type.fields_by_name["key"], f.message_type.fields_by_name["value"]
            for _ in range(r.randrange(4)):
                k = scalar(key, r)
                if value.message_type:
                    fill(getattr(m, f.name)[k], r, depth + 1)
                else:
                    getattr(m, f.name)[k] = scalar(value, r)
        elif f.message_type:
            for _ in range(r.randrange(3) if many else 1):
                sub = getattr(m, f.name).add() if many else getattr(m, f.name)
                if not many:
                    sub.SetInParent()
                fill(sub, r, depth + 1)
        elif many:
            getattr(m, f.name).extend(scalar(f, r) for _ in range(r.randrange(4)))
        else:
            setattr(m, f.name, scalar(f, r))


def same(a, b):
    """Equal, and not true where 1 is meant. NaN is a string in protobuf JSON, so plain equality holds."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return isinstance(a, (bool, str)) == isinstance(b, (bool, str)) and a == b


# Put in the place of a value: what is right for one field is wrong for the other.
ODD = [None, True, False, 0, 1, -1, 1.0, 1.5, 1e3, 2**31, 2**32, 2**53 + 1, -2**63, 1e39, 3e38, "", "x", "1", "-1", "01", "1.0", "1e3", " 1",
       "1 ", "+1", "0x1", "true", "NaN", "nan", "Infinity", "-Infinity", "inf", "2147483648", "18446744073709551615", "18446744073709551616",
       "-9223372036854775808", "EXPLAIN_FULL", "OPERATOR_AND", "AAEC", "AAE=", "AA==", "AA", "A", "-_8", "2024-02-29T12:00:00Z",
       "2023-02-29T12:00:00Z", "2024-02-29T12:00:00.123456789+01:00", "2024-02-29", "0000-01-01T00:00:00Z", "1s", "1.5s", "-1.000000001s",
       "1", "1.s", "315576000001s", [], {}, [1], ["x"], [None], [[1]], {"x": 1}, {"values": ["x"]}, {"stringValue": "x", "numberValue": 1},
       {"string_value": "x", "stringValue": "x"}, {"nope": 1}, {"stringValue": None}]


def pythons_own(odd, answer):
    """Where json_format takes by accident of Python what the mapping does not allow: an empty list or text iterates like an empty
    object, int() cuts fractions and takes
    signs, blanks and leading zeros, of an enum anything; True is 1; float() spells out infinities; what is
    no base64 is skipped."""
    if answer.endswith(b"is not an object"):
        return odd in ("", [])
    if answer.endswith(b"is not base64"):
        return re.search(r"[^A-Za-z0-9+/_=-]", odd) is not None
    if b"is no value of" in answer:
        return isinstance(odd, (float, int)) or odd in ("+1", "01", " 1", "1 ", "2147483648", "18446744073709551615", "18446744073709551616",
                                                        "-9223372036854775808")
    return isinstance(odd, bool) or odd in ("+1", "01", " 1", "1 ", "nan", "inf")


def replace_one(tree, r):
    """A copy with one member, element or member's name changed; None where there is none."""
    tree = json.loads(json.dumps(tree))
    places = []

    def walk(node):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], (dict, list)):
                walk(node[key])
    walk(tree)
    if not places:
        return None, None
    node, key = r.choice(places)
    odd = r.choice(ODD)
    if isinstance(node, dict) and r.random() < 0.1:
        node[key + "x"] = node.pop(key)
    else:
        node[key] = odd
    return tree, odd


def spelled(m, r):
    text = json_format.MessageToJson(m, preserving_proto_field_name=r.random() < 0.5, use_integers_for_enums=r.random() < 0.5,
                                     including_default_value_fields=r.random() < 0.2, indent=r.choice([None, 2]))
    if r.random() < 0.3:  # 64-bit numbers bare, where a double's mantissa or jansson's integers hold them
        tree = json.loads(text, parse_constant=str)
        text = json.dumps(bare(tree))
    return text


def bare(node):
    if isinstance(node, dict):
        return {k: bare(v) for k, v in node.items()}
    return [bare(v) for v in node] if isinstance(node, list) else node


def python_reads(cls, text):
    m = cls()
    try:
        json_format.Parse(text, m)
        return m
    except json_format.ParseError:
        return None


def plain(m):
    return m.SerializeToString(deterministic=True)


def types_of(files):
    names = {"sinter.storage.v1.Record"}
    for file in files:
        if file.package == "sinter.v1":
            for service in file.service:
                names |= {t.lstrip(".") for method in service.method for t in (method.input_type, method.output_type)}
    return sorted(names)


def check_printing(tool, classes, count, r):
    lines, wanted = [], []
    for i in range(count):
        m = classes[i % len(classes)]()
        fill(m, r)
        lines.append(f"print {m.DESCRIPTOR.full_name} {r.choice([0, 2])} {m.SerializeToString().hex()}\n")
        wanted.append((m.DESCRIPTOR.full_name, json_format.MessageToDict(m)))
    for i, (text, (name, want)) in enumerate(zip(ask(tool, lines), wanted)):
        have = json.loads(text)
        if not same(have, want):
            for key in sorted(set(have) | set(want)):
                if not same(have.get(key), want.get(key)):
                    print(f"message {i} ({name}), {key}:\n  have {have.get(key)!r}\n  want {want.get(key)!r}")
            sys.exit(1)


def check_reading(tool, classes, count, r):
    lines, wanted = [], []
    for i in range(count):
        cls = classes[i % len(classes)]
        m = cls()
        fill(m, r)
        text, odd = spelled(m, r), None
        if i % 2:
            tree, odd = replace_one(json.loads(text), r)
            if tree is None:
                continue
            text = json.dumps(tree)
        lines.append(f"read {m.DESCRIPTOR.full_name} {text.encode().hex()}\n")
        wanted.append((cls, text, odd, python_reads(cls, text)))
    taken = refused = 0
    for answer, (cls, text, odd, want) in zip(ask(tool, lines), wanted):
        have = cls.FromString(bytes.fromhex(answer[1:].decode())) if answer[:1] == b"=" else None
        if have is None and want is not None and pythons_own(odd, answer):
            continue
        if (have is None) != (want is None) or (have is not None and plain(have) != plain(want)):
            print(f"{cls.DESCRIPTOR.full_name}, odd value {odd!r}: python {'takes' if want is not None else 'refuses'} it, sinter "
                  f"{'takes' if have is not None else 'refuses'} it\n{text}\n{answer.decode(errors='replace')[:300]}")
            sys.exit(1)
        taken += have is not None
        refused += have is None
    assert taken > len(wanted) / 4 and refused > len(wanted) / 10, (taken, refused)
    return taken, refused


def ask(tool, lines):
    out = subprocess.run([tool], input="".join(lines).encode(), stdout=subprocess.PIPE, check=True, timeout=240).stdout.split(b"\0")[:-1]
    assert len(out) == len(lines), f"{len(out)} answers to {len(lines)} lines"
    return out


def main():
    tool, protoset = sys.argv[1:3]
    count, seed = int(sys.argv[3]) if len(sys.argv) > 3 else 3000, int(sys.argv[4]) if len(sys.argv) > 4 else 1
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(open(protoset, "rb").read()).file
    for file in files:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    classes = [factory.GetPrototype(pool.FindMessageTypeByName(t)) for t in types_of(files)]
    r = random.Random(seed)
    check_printing(tool, classes, count, r)
    taken, refused = check_reading(tool, classes, 2 * count, r)
    print(f"{count} random messages of {len(classes)} types printed as json_format does; of {taken + refused} texts {taken} were taken and "
          f"{refused} refused as json_format does")


main()
