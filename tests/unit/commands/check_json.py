#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the server's JSON with python's json_format on random messages of the API and of the journal.

    check_json.py json_lines sinter.protoset [messages] [seed]

Equal after parsing: 64-bit integers as strings, enums by name, shortest doubles.
"""
import json
import math
import random
import struct
import subprocess
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor as F

TYPES = ["sinter.v1.SearchRequest", "sinter.v1.SearchResponse", "sinter.v1.UpsertItemsRequest",
         "sinter.v1.ListCollectionsResponse", "sinter.v1.GetStatusResponse", "sinter.v1.ReloadResponse",
         "sinter.storage.v1.Record"]
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


def main():
    tool, protoset = sys.argv[1:3]
    count, seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1500, int(sys.argv[4]) if len(sys.argv) > 4 else 1
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(open(protoset, "rb").read()).file:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    classes = [factory.GetPrototype(pool.FindMessageTypeByName(t)) for t in TYPES]
    r = random.Random(seed)
    lines, wanted = [], []
    for i in range(count):
        m = classes[i % len(classes)]()
        fill(m, r)
        lines.append(f"{m.DESCRIPTOR.full_name} {r.choice([0, 2])} {m.SerializeToString().hex()}\n")
        wanted.append(json_format.MessageToDict(m))
    out = subprocess.run([tool], input="".join(lines).encode(), stdout=subprocess.PIPE, check=True, timeout=240).stdout
    got = out.split(b"\0")[:-1]
    assert len(got) == count, f"{len(got)} answers to {count} messages"
    for i, (text, want) in enumerate(zip(got, wanted)):
        have = json.loads(text)
        if not same(have, want):
            for key in sorted(set(have) | set(want)):
                if not same(have.get(key), want.get(key)):
                    print(f"message {i} ({TYPES[i % len(TYPES)]}), {key}:\n  have {have.get(key)!r}\n  want {want.get(key)!r}")
            sys.exit(1)
    print(f"{count} random messages of {len(TYPES)} types: JSON as json_format's")


main()
