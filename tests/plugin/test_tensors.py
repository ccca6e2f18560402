# SPDX-License-Identifier: GPL-3.0-or-later
"""Tensor files against an independent reader and writer of the safetensors format (json, struct and numpy, by its published
rules), both ways; and with the `safetensors` package itself where it is installed."""
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

import numpy as np

TYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "U32": "<u4", "I64": "<i8", "U64": "<u8", "U8": "<u1"}
PROGRAM = sys.argv[1]
STRIDE = int(sys.argv[2]) if len(sys.argv) > 2 else 3  # bytes between one cut of a file and the next


def read(path):
    """Name -> array, and the metadata; asserts every rule of the format."""
    data = open(path, "rb").read()
    (n,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + n].decode("utf-8"))
    body, text, out, at = data[8 + n:], header.pop("__metadata__", {}), {}, 0
    assert data[8:9] == b"{"
    assert all(isinstance(v, str) for v in text.values())
    for name, h in sorted(header.items(), key=lambda x: x[1]["data_offsets"]):
        begin, end = h["data_offsets"]
        assert begin == at, "a hole or an overlap"
        dtype = np.dtype(TYPES[h["dtype"]])
        assert begin % dtype.itemsize == 0, "not aligned"
        out[name] = np.frombuffer(body[begin:end], dtype).reshape(h["shape"])
        at = end
    assert at == len(body)
    return out, text


def write(path, tensors, text=None, pad=0, shuffle=None):
    header, body = {}, b""
    if text is not None:
        header["__metadata__"] = text
    for name, a in tensors:
        code = next(k for k, v in TYPES.items() if np.dtype(v) == a.dtype)
        header[name] = {"dtype": code, "shape": list(a.shape), "data_offsets": [len(body), len(body) + a.nbytes]}
        body += a.tobytes()
    items = list(header.items())
    if shuffle:
        shuffle.shuffle(items)
    head = json.dumps(dict(items), ensure_ascii=bool(pad % 2)).encode() + b" " * pad
    open(path, "wb").write(struct.pack("<Q", len(head)) + head + body)


def program(verb, folder, name):
    p = subprocess.run([PROGRAM, verb, folder, name], capture_output=True, text=True, timeout=60)
    return p.returncode, p.stdout


def check_written(folder):
    assert program("write", folder, "ours")[0] == 0
    t, text = read(os.path.join(folder, "ours"))
    assert text == {"made by": 'tensor_lines "1"\n'}, text
    assert set(t) == {"bytes", 'layers.0.wé"ight', "mean", "scalar", "ids", "none"}, set(t)
    want = np.array([np.float32(np.float32(i) / np.float32(7) - np.float32(0.25)) for i in range(6)], "<f4").reshape(2, 3)
    assert (t['layers.0.wé"ight'] == want).all()
    assert (t["mean"] == np.array([1 / 3, 1 / 4, 1 / 5]).reshape(1, 3, 1)).all()
    assert t["scalar"].shape == () and int(t["scalar"]) == 2**64 - 1
    assert t["ids"].tolist() == [-7, 2**31 - 1] and t["none"].shape == (0, 4)
    assert t["bytes"].tolist() == [0, 1, 2, 254, 255]
    try:
        from safetensors.numpy import load_file
    except ImportError:
        print("the package safetensors is not installed: the independent reader alone was asked")
        return
    theirs = load_file(os.path.join(folder, "ours"))
    assert all((theirs[k] == t[k]).all() for k in t)


def random_tensors(r):
    out = []
    for i in range(r.randrange(0, 8)):
        shape = [r.choice([0, 1, 2, 3, 17]) for _ in range(r.randrange(0, 5))]
        dtype = np.dtype(r.choice(list(TYPES.values())))
        n = int(np.prod(shape, dtype=np.int64))
        if dtype.kind == "f":
            a = np.array([r.gauss(0, 1e3) for _ in range(n)], dtype)
        else:
            a = np.frombuffer(r.randbytes(n * dtype.itemsize), dtype)
        out.append((r.choice(["w", "λ", "a\\b", 'q"', "tab\t", "😀"]) + str(i), a.reshape(shape)))
    return out


def check_read(folder, r):
    for i in range(60):
        tensors = random_tensors(r)
        text = r.choice([None, {}, {"made by": "héy"}])
        write(os.path.join(folder, "theirs"), tensors, text, pad=i % 5, shuffle=r)
        code, out = program("read", folder, "theirs")
        assert code == 0, out
        lines = out.splitlines()
        assert lines[-1] == "text " + ((text or {}).get("made by", "-")), lines[-1]
        got = {}
        for line in lines[:-1]:
            head, _, data = line.rpartition(":")
            name, dtype, *shape = head.split()
            got[bytes.fromhex(name).decode()] = (dtype, [int(x) for x in shape], data)
        assert set(got) == {n for n, _ in tensors}
        for name, a in tensors:
            dtype, shape, data = got[name]
            assert np.dtype(TYPES[dtype]) == a.dtype and shape == list(a.shape) and bytes.fromhex(data) == a.tobytes(), name


def check_refused(folder):
    path = os.path.join(folder, "bad")
    a, b = np.arange(6, dtype="<f4").reshape(2, 3), np.arange(2, dtype="<i8")
    write(path, [("a", a), ("b", b)])
    whole = open(path, "rb").read()
    # Cut anywhere: refused, by the file's name.
    for n in list(range(0, len(whole), STRIDE)) + [len(whole) - 1]:
        open(path, "wb").write(whole[:n])
        code, out = program("read", folder, "bad")
        assert code == 1 and path in out, (n, out)
    for value in (float("nan"), float("inf"), float("-inf")):
        c = a.copy()
        c[1, 1] = value
        write(path, [("a", c), ("b", b)])
        code, out = program("read", folder, "bad")
        assert code == 1 and path in out and "'a'" in out and "not finite at element 4" in out, out
    open(path, "wb").write(whole + b"x")
    assert "longer than it should be" in program("read", folder, "bad")[1]
    os.remove(path)
    assert "No such file" in program("read", folder, "bad")[1]
    for name in ("../x", "", "..", "a/b"):
        assert program("read", folder, name)[0] == 1


def check_headers(folder):
    """Headers that are no safetensors file's: each refused, in words."""
    def t(dtype="F32", shape=(1,), offsets=(0, 4), **more):
        return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}
    bad = [
        ({"a": t(), "b": t()}, 4, "two tensors overlap"),
        ({"a": t(), "b": t(offsets=(2, 6))}, 6, "two tensors overlap"),
        ({"a": t(), "b": t(offsets=(8, 12))}, 12, "a hole between tensors"),
        ({"a": t(offsets=(4, 8))}, 8, "a hole between tensors"),
        ({"a": t(offsets=(0, 8))}, 8, "do not fit type and shape"),
        ({"a": t(offsets=(4, 0))}, 4, "do not fit type and shape"),
        ({"a": t(shape=(2**40, 2**40), offsets=(0, 0))}, 0, "a shape is too large"),
        ({"a": t(shape=(2**64,))}, 4, "missing or too large"),
        ({"a": t(shape=(-1,))}, 4, "a whole number is missing"),
        ({"a": t(shape=(1, 1, 1, 1, 1))}, 4, "too long"),
        ({"a": t(dtype="BF16", offsets=(0, 2))}, 2, "has the type 'BF16', which is not read"),
        ({"a": t(stride=1)}, 4, "an unknown key"),
        ({"a": {"dtype": "F32", "shape": [1]}}, 4, "is missing"),
        ({"__metadata__": {"k": 1}, "a": t()}, 4, "a string is missing"),
        ({"__metadata__": [], "a": t()}, 4, "no map"),
        ({"a": t(offsets=(0, 4, 8))}, 4, "too long"),
        (b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', 2, "stands twice"),
        (b'{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1, "a key stands twice"),
        (b'{"a\\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1, "an escape in a string is wrong"),
        (b'{"a\\u0000":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1, "an escape in a string is wrong"),
        (b'{"\xff":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1, "not UTF-8"),
        (b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}} {}', 1, "more after its end"),
        (b'[]', 0, "no map"), (b'', 0, "no map"), (b'{"a"', 0, "is missing"), (b'{"a', 0, "does not end"),
    ]
    for header, n, words in bad:
        head = header if isinstance(header, bytes) else json.dumps(header).encode()
        open(os.path.join(folder, "bad"), "wb").write(struct.pack("<Q", len(head)) + head + bytes(n))
        code, out = program("read", folder, "bad")
        assert code == 1 and words in out and os.path.join(folder, "bad") in out, (header, out)
    open(os.path.join(folder, "bad"), "wb").write(struct.pack("<Q", 2**62) + b"{}")
    assert "truncated" in program("read", folder, "bad")[1]


with tempfile.TemporaryDirectory() as d:
    check_headers(d)
    check_written(d)
    check_read(d, random.Random(5))
    check_refused(d)
print("tensor files: ok")
