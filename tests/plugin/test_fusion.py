#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate network of fusion.so against numpy: random models, lists with gaps, shares and scores.

    test_fusion.py fusion_lines fusion.so [models] [seed]
"""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np


def write_safetensors(path, tensors, text):
    header, at, blobs = {"__metadata__": text}, 0, []
    for name, t in tensors.items():
        raw = np.ascontiguousarray(t).tobytes()
        header[name] = {"dtype": {"f4": "F32", "f8": "F64"}[t.dtype.str[1:]], "shape": list(t.shape), "data_offsets": [at, at + len(raw)]}
        at += len(raw)
        blobs.append(raw)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(struct.pack("<Q", len(head)) + head + b"".join(blobs))


def calibrate(x, how):
    """Scores of one ranker over the list, NaN where missing; what stands in for a missing one is the mean."""
    if np.isnan(x).all():
        return np.zeros(len(x)), 0.0
    low, high, mean = np.nanmin(x), np.nanmax(x), np.nanmean(x)
    if how == "zscore":
        sd = np.sqrt(np.nanmean((x - mean) ** 2))
        z = (x - mean) / sd if high > low else x * 0
        middle = 0.0
    else:
        z = (x - low) / (high - low) if high > low else x * 0 + 0.5
        middle = (mean - low) / (high - low) if high > low else 0.5
    return np.where(np.isnan(x), middle, z), middle


def fuse(m, how, context, scores):
    n, rankers = scores.shape
    z = np.stack([calibrate(scores[:, r], how)[0] for r in range(rankers)], axis=1)
    with np.errstate(all="ignore"):
        spread = [np.log(np.nanstd(scores[:, r]) + 1e-6) if not np.isnan(scores[:, r]).all() else np.nan for r in range(rankers)]
    share = np.mean(~np.isnan(scores), axis=0)
    x = (np.array([*context, *spread, *share]) - m["mean"]) * m["scale"]
    x = np.clip(np.where(np.isnan(x), 0, x), -4, 4)
    d = m["gate_weight"] @ np.maximum(0, x @ m["request_weight"] + m["request_bias"]) + m["gate_bias"]
    opened = np.maximum(0, m["middle"] + m["reach"] * d / (1 + np.abs(d)))
    part = (opened / opened.sum() if opened.sum() > 0 else m["middle"]) * z
    score = part.sum(axis=1)
    bare = np.isnan(scores).all(axis=1)
    score[bare] = part.min(axis=0).sum()  # the lowest that the sum can be in this list
    return score, z, part


def random_model(rng, rankers, gate, units):
    inputs = gate + 2 * rankers
    m = {name: rng.normal(size=shape).astype(np.float32) for name, shape in
         {"mean": inputs, "scale": inputs, "request_weight": (inputs, units), "request_bias": units,
          "gate_weight": (rankers, units), "gate_bias": rankers}.items()}
    weight = rng.dirichlet(np.ones(rankers))
    m["middle"] = weight.astype(np.float32)
    m["reach"] = (weight + 0.25 / rankers).astype(np.float32)
    return {"weight": weight, **m}


def main():
    program, plugin = sys.argv[1:3]
    models, seed = int(sys.argv[3]) if len(sys.argv) > 3 else 40, int(sys.argv[4]) if len(sys.argv) > 4 else 1
    rng, compared = np.random.default_rng(seed), 0
    for number in range(models):
        rankers, gate, units = int(rng.integers(1, 9)), int(rng.integers(0, 4)), int(rng.integers(1, 65))
        how, names = ["zscore", "minmax"][number % 2], [f"r{i}" for i in range(rankers)]
        m = random_model(rng, rankers, gate, units)
        lists = []
        for _ in range(6):
            n = int(rng.choice([1, 2, 63, 64, 65, 200]))
            scores = (rng.normal(size=(n, rankers)) * 10 ** rng.uniform(-3, 3, rankers) + rng.normal(size=rankers)).astype(np.float32).astype(float)
            scores[rng.random((n, rankers)) < rng.choice([0, 0.3, 1], rankers)] = np.nan
            context = rng.normal(size=gate).astype(np.float32).astype(float)
            context[rng.random(gate) < 0.2] = np.nan
            lists.append((context, scores))
        word = lambda v: "-" if np.isnan(v) else f"{v:.9g}"
        text = "\n".join(f"{len(s)}\n{' '.join(map(word, c))}\n" + "\n".join(" ".join(map(word, row)) for row in s) for c, s in lists)
        with tempfile.TemporaryDirectory() as folder:
            write_safetensors(pathlib.Path(folder) / "weights.safetensors", m, {
                "rankers": ",".join(names), "gate": ",".join(f"query.g{k}" for k in range(gate)), "calibrate": how, "missing": "mean",
                "network": "1"})
            out = subprocess.run([program, plugin, folder, how, str(gate), *names], input=text, capture_output=True, text=True, timeout=60)
        if out.returncode:
            sys.exit(f"model {number}: {out.stderr}")
        lines = iter(out.stdout.splitlines())
        for context, scores in lists:
            got = np.array([[float(v) for v in next(lines).split()] for _ in scores])
            score, z, part = fuse({k: v.astype(float) for k, v in m.items()}, how, context, scores)
            size = 1 + np.abs(part).sum(axis=1)
            assert np.all(np.abs(got[:, 0] - score) < 2e-4 * size), (number, np.abs(got[:, 0] - score).max())
            assert np.allclose(got[:, 1] + got[:, 3::2].sum(axis=1), got[:, 0], rtol=1e-7, atol=1e-9), number
            known = ~np.isnan(scores) & ~np.isnan(scores).all(axis=1)[:, None]
            assert np.all(np.abs(got[:, 2::2] - z)[known] < 1e-5 * (1 + np.abs(z[known]))), number
            assert np.all(np.abs(got[:, 3::2] - part)[known] < 2e-4 * np.broadcast_to(size[:, None], part.shape)[known]), number
            assert np.all(got[:, 3::2][~known] == 0), number
            compared += len(score)
    print(f"{compared} scores of {models} models equal numpy's")


if __name__ == "__main__":
    main()
