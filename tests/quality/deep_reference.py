#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference network (plugins/deep/reference.yaml) trained by the plugin and by torch, from the same start, on the same batches.

    deep_reference.py curve|speed DEEP_REFERENCE PLUGIN.so

curve prints the greatest difference between any two of their losses, of training and of validation, over all epochs until both stop;
and ends with a line "result DIFFERENCE"; speed prints seconds per epoch of each on one core, the best of its epochs, and its bar. The start
and the order of the batches are functions of the seed (plugins/deep/random.h), computed here a second time. Exit code 3: no torch.
"""
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np

SOURCE = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = SOURCE / "plugins/deep/reference.yaml"
SEED, ROWS, VALID = 11, 20000, 4000


def options_of(path):
    """The flat options of reference.yaml: enough of YAML for that file."""
    def scalars(prefix, text):
        return [(f"{prefix}{k}", v) for k, v in re.findall(r"(\w+): ([^,}\s]+)", text)]
    out, layers = [], 0
    for line in path.read_text().splitlines():
        key, _, value = line.partition(": ")
        if line.startswith("  - {"):
            out += scalars(f"layers.{layers}.", line)
            layers += 1
        elif value.startswith("["):
            out += [(f"{key}.{i}", v) for i, v in enumerate(value.strip("[]").split(", "))]
        elif value.startswith("{"):
            out += scalars(f"{key}.", value)
        elif value and not line.startswith("#"):
            out.append((key, value))
    return out


def random_bits(seed, i):
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + (np.asarray(i, np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def random_seed(seed, use, number):
    return random_bits(random_bits(seed, use), number)


def start(layer, inputs, units):
    """Weights [inputs][units] and biases of a dense layer."""
    u = (random_bits(random_seed(SEED, 1, layer), np.arange((inputs + 1) * units)) >> np.uint64(11)) * 2.0**-53
    both = ((2 * u - 1) / np.sqrt(inputs)).astype(np.float32).reshape(inputs + 1, units)
    return both[:-1], both[-1]


def order(epoch, n):
    jumps = random_bits(random_seed(SEED, 3, epoch), np.arange(n)) % (np.arange(n, dtype=np.uint64) + np.uint64(1))
    rows = list(range(n))
    for i in range(n - 1, 0, -1):
        j = int(jumps[i])
        rows[i], rows[j] = rows[j], rows[i]
    return rows


def make_rows(n_features):
    """Clicks that a line does not explain, of features of unlike scales."""
    rng = np.random.default_rng(3)
    n = ROWS + VALID
    z = rng.normal(size=(n, n_features))
    logit = z @ rng.normal(size=n_features) * 0.6 + 0.8 * z[:, 0] * z[:, 1] - np.abs(z[:, 2]) - 0.5
    x = (z * np.exp(rng.normal(size=n_features)) + 3 * rng.normal(size=n_features)).astype(np.float32)
    return x, (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.float32)


def ours(driver, plugin, options, x, y, threads):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "options").write_text("".join(f"{k} {v}\n" for k, v in options))
        with open(folder / "rows", "wb") as f:
            f.write(np.array([ROWS, VALID, x.shape[1]], np.uint32).tobytes())
            for part in (slice(0, ROWS), slice(ROWS, None)):
                f.write(x[part].tobytes() + y[part].tobytes())
        text = subprocess.run([driver, plugin, str(folder / "options"), str(folder / "rows"), str(SEED), str(threads)], check=True,
                              capture_output=True, text=True, timeout=600).stdout
    seconds = [float(s) for s in re.findall(r"^epoch \d+: \d+ hits in (\S+) s", text, re.M)]
    curve = {"loss": [], "valid_loss": []}
    for metric, value in re.findall(r"^report \d+ (loss|valid_loss) (\S+)", text, re.M):
        curve[metric].append(float(value))
    return np.array([curve["loss"], curve["valid_loss"]])[:, :len(seconds)], seconds  # the best epoch is reported once more


def torchs(torch, settings, x, y, threads, epochs_least=0):
    """Losses of training and validation by epoch, and seconds; stops as reference.yaml says, but not before epochs_least."""
    torch.set_num_threads(threads)
    units, batch = int(settings["layers.0.dense"]), int(settings["training.batch"])
    net = torch.nn.Sequential(torch.nn.Linear(x.shape[1], units), torch.nn.ReLU(), torch.nn.Linear(units, 1), torch.nn.Sigmoid())
    with torch.no_grad():
        for layer, (at, shape) in enumerate(((0, (x.shape[1], units)), (2, (units, 1)))):
            weight, bias = start(layer, *shape)
            net[at].weight.copy_(torch.from_numpy(weight.T.copy()))
            net[at].bias.copy_(torch.from_numpy(bias.copy()))
    mean, deviation = x[:ROWS].mean(0, dtype=np.float64), x[:ROWS].std(0, dtype=np.float64)
    inputs = torch.from_numpy((x - mean.astype(np.float32)) * (1 / deviation).astype(np.float32))
    labels = torch.from_numpy(y)[:, None]
    adam = torch.optim.Adam(net.parameters(), lr=float(settings["training.learning_rate"]))
    bce = torch.nn.BCELoss()
    curve, seconds, best, waited = [], [], np.inf, 0
    for epoch in range(int(settings["training.epochs"])):
        rows = torch.tensor(order(epoch, ROWS))
        begun, total = time.perf_counter(), 0.0
        ix, iy = inputs[rows], labels[rows]
        for at in range(0, ROWS, batch):
            adam.zero_grad()
            loss = bce(net(ix[at:at + batch]), iy[at:at + batch])
            loss.backward()
            adam.step()
            total += loss.item() * min(batch, ROWS - at)
        seconds.append(time.perf_counter() - begun)
        with torch.no_grad():
            valid = bce(net(inputs[ROWS:]), labels[ROWS:]).item()
        curve.append((total / ROWS, valid))
        waited = 0 if valid < best else waited + 1
        best = min(best, valid)
        if waited == int(settings["training.patience"]) and epoch + 1 >= epochs_least:
            break
    return np.array(curve).T, seconds


def main():
    what, driver, plugin = sys.argv[1:4]
    try:
        import torch
    except ImportError:
        print("SKIP: torch is not installed: apt-get install python3-torch")
        if what == "speed":
            print("bar speed/train/reference ratio_torch - goal <= 1 skip")
            return 0
        return 3
    options = options_of(REFERENCE)
    settings = dict(options)
    x, y = make_rows(sum(k.startswith("features.") for k in settings))
    mine, my_seconds = ours(driver, plugin, options, x, y, 1)
    if what == "speed":
        theirs, their_seconds = torchs(torch, {**settings, "training.epochs": "5"}, x, y, 1)
        mine, theirs = min(my_seconds), min(their_seconds)
        ratio = mine / theirs
        print(f"bar speed/train/reference ratio_torch {ratio:.4f} goal <= 1 {'pass' if ratio <= 1 else 'fail'}")
        print(f"     {ROWS} rows an epoch in batches of {settings['training.batch']}: {mine:.5f} s, torch {torch.__version__} {theirs:.5f} s")
        return ratio > 1
    theirs, _ = torchs(torch, settings, x, y, 1)
    print(f"{mine.shape[1]} epochs, torch {theirs.shape[1]}; last losses {mine[0, -1]:.6f} {mine[1, -1]:.6f}, torch {theirs[0, -1]:.6f} "
          f"{theirs[1, -1]:.6f}")
    print(f"result {np.abs(mine - theirs).max() if mine.shape == theirs.shape else np.inf:.9f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
