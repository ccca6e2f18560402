#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An independent implementation of what cf trains, in dense numpy, compared with the tensors that the plugin wrote.

    reference.py EVENTS.tsv MODEL_DIR method=knn similarity=jaccard …      compares weights.safetensors
    reference.py EVENTS.tsv ndcg METRIC SINCE_MS …                          compares the validation figure

EVENTS.tsv: user, item, weight, time in ms, without a header. Exits 1 with what differs."""
import json
import sys

import numpy as np

DAY = 86400e3


def read_events(path):
    rows = np.loadtxt(path, ndmin=2)
    return rows[:, 0].astype(int), rows[:, 1].astype(int), rows[:, 2], rows[:, 3]


def read_safetensors(path):
    raw = open(path, "rb").read()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])
    types = {"F32": np.float32, "U32": np.uint32, "U64": np.uint64}
    out = {}
    for name, t in header.items():
        if name != "__metadata__":
            a, b = t["data_offsets"]
            out[name] = np.frombuffer(raw[8 + size + a:8 + size + b], types[t["dtype"]]).reshape(t["shape"])
    return out


def matrix(events, half_life=0.0, once=False):
    """People × items: a pair's weights summed, decayed by the pair's newest time."""
    user, item, weight, time = events
    shape = user.max() + 1, item.max() + 1
    x, newest = np.zeros(shape), np.full(shape, -np.inf)
    np.add.at(x, (user, item), weight)
    np.maximum.at(newest, (user, item), time)
    if once:
        x = (x > 0).astype(float)
    if half_life > 0:
        x = np.where(np.isfinite(newest), x * 2 ** -((time.max() - newest) / DAY / half_life), 0)
    return x


def knn(events, o):
    had = (matrix(events) > 0).astype(float)
    shared = had.T @ had
    n = had.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        w = {
            "jaccard": shared / (n[:, None] + n[None, :] - shared),
            "cosine": shared / np.sqrt(n[:, None] * n[None, :]),
            "lift": shared / (n[:, None] * n[None, :]),
            "cooccurrence": shared,
        }[o.get("similarity", "jaccard")]
    w = np.where(shared >= max(1, int(o.get("min_support", 1))), w, 0)
    np.fill_diagonal(w, 0)
    return w, n


def ease(events, o):
    n = (matrix(events) > 0).sum(0)
    n = np.where(n >= int(o.get("min_support", 1)), n, 0)
    x = matrix(events, float(o.get("train_half_life_days", 0)), o.get("weights") == "once")
    taken = np.flatnonzero(n)
    g = x[:, taken].T @ x[:, taken] + float(o.get("lambda", 400)) * np.eye(len(taken))
    p = np.linalg.inv(g)
    b = -p / np.diag(p)[None, :]
    np.fill_diagonal(b, 0)
    w = np.zeros((x.shape[1],) * 2)
    w[np.ix_(taken, taken)] = b
    return w, n


def compare_model(events, directory, o):
    t = read_safetensors(directory + "/weights.safetensors")
    offset = t["offset"].astype(int)
    n = len(offset) - 1
    got = np.zeros((n, n))
    rows = np.repeat(np.arange(n), np.diff(offset))
    got[rows, t["neighbour"]] = t["weight"]
    want, support = (ease if o["method"] == "ease" else knn)(events, o)
    scale = max(1e-30, np.abs(want).max())
    if not np.array_equal(t["support"], support):
        sys.exit("support differs")
    most = int(o.get("neighbours", 0))
    if most == 0:
        worst = np.abs(got - want).max() / scale
    else:
        kept = np.zeros((n, n), bool)
        kept[rows, t["neighbour"]] = True
        if np.diff(offset).max() > most:
            sys.exit("more neighbours than asked for")
        worst = np.abs(np.where(kept, got - want, 0)).max() / scale
        for h in range(n):  # nothing stronger was left out, and nothing was left out without need
            left = np.abs(want[h][~kept[h]]).max(initial=0)
            if kept[h].sum() < most and left > 1e-12:
                sys.exit(f"row {h} has room for what was left out")
            if kept[h].any() and left > np.abs(want[h][kept[h]]).min() + 1e-6 * scale:
                sys.exit(f"row {h}: a stronger neighbour was left out")
    if worst > 1e-6:
        sys.exit(f"largest relative difference {worst:.3g}")


def compare_ndcg(events, figure, since, o):
    """Train before `since`, rank all known items but a person's own, relevant: what came later."""
    user, item, weight, time = events
    before = tuple(a[time < since] for a in events)
    w, n = (ease if o["method"] == "ease" else knn)(before, o)
    half_life = float(o.get("half_life_days", 0))
    x, had = matrix(before, half_life, o.get("weights") == "once"), matrix(before) > 0
    late = time >= since
    figures = []
    for u in range(x.shape[0]):
        known = np.flatnonzero((n > 0) & ~had[u]) if had[u].any() else []
        later = {i for i in item[late & (user == u) & (weight > 0)] if i >= had.shape[1] or not had[u][i]}
        if len(known) == 0 or not later:
            continue
        score = x[u][: len(n)] @ w
        order = [i for i in sorted(known, key=lambda i: (-score[i], i))[:10]]
        gain = sum(1 / np.log2(2 + r) for r, i in enumerate(order) if i in later)
        figures.append(gain / sum(1 / np.log2(2 + r) for r in range(min(10, len(later)))))
    want = np.mean(figures)
    if abs(want - figure) > 1e-6:
        sys.exit(f"ndcg@10 {figure:.9f}, expected {want:.9f} over {len(figures)} people")


def main():
    events = read_events(sys.argv[1])
    o = dict(a.split("=", 1) for a in sys.argv[2:] if "=" in a)
    words = [a for a in sys.argv[2:] if "=" not in a]
    if words[0] == "ndcg":
        compare_ndcg(events, float(words[1]), float(words[2]), o)
    else:
        compare_model(events, words[0], o)


main()
