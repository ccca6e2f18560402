# SPDX-License-Identifier: GPL-3.0-or-later
"""Utility of the demo shop, noise included, from the files of a world alone: written from docs/demo-shop.md, sharing no line
with the generator. XXH3-64 of short inputs, splitmix64 and xoshiro256** are here in Python integers and numpy."""
import numpy as np

from demo_check import World, lines  # noqa: F401  (match, taste, price fit)

M64 = (1 << 64) - 1
P64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c")


def word(data, at, size):
    return int.from_bytes(data[at:at + size], "little")


def swap64(x):
    return int.from_bytes(x.to_bytes(8, "little"), "big")


def avalanche(h):
    h ^= h >> 37
    h = h * 0x165667919E3779F9 & M64
    return h ^ h >> 32


def xxh3(data, seed=0):
    """XXH3-64 of 4 to 16 bytes."""
    n = len(data)
    if 4 <= n <= 8:
        seed ^= swap64(seed & 0xFFFFFFFF) >> 32 << 32
        flip = (word(SECRET, 8, 8) ^ word(SECRET, 16, 8)) - seed & M64
        h = (word(data, n - 4, 4) + (word(data, 0, 4) << 32)) ^ flip
        h ^= (h << 49 & M64 | h >> 15) ^ (h << 24 & M64 | h >> 40)
        h = h * 0x9FB21C651E98DF25 & M64
        h ^= (h >> 35) + n
        h = h * 0x9FB21C651E98DF25 & M64
        return h ^ h >> 28
    assert 9 <= n <= 16
    low = word(data, 0, 8) ^ ((word(SECRET, 24, 8) ^ word(SECRET, 32, 8)) + seed & M64)
    high = word(data, n - 8, 8) ^ ((word(SECRET, 40, 8) ^ word(SECRET, 48, 8)) - seed & M64)
    product = low * high
    return avalanche(n + swap64(low) + high + (product & M64 ^ product >> 64) & M64)


def key(name, index):
    return xxh3(name.encode()).to_bytes(8, "little") + index.to_bytes(8, "little")


def u64(x):
    return np.uint64(x)


def rotate(x, k):
    return x << u64(k) | x >> u64(64 - k)


def seeded(seed):
    """xoshiro256** state by splitmix64; arrays go through as arrays."""
    state = []
    with np.errstate(over="ignore"):
        for _ in range(4):
            seed = seed + u64(0x9E3779B97F4A7C15)
            z = (seed ^ seed >> u64(30)) * u64(0xBF58476D1CE4E5B9)
            z = (z ^ z >> u64(27)) * u64(0x94D049BB133111EB)
            state.append(z ^ z >> u64(31))
    return state


def following(s):
    with np.errstate(over="ignore"):
        result = rotate(s[1] * u64(5), 7) * u64(9)
        t = s[1] << u64(17)
        s[2] = s[2] ^ s[0]
        s[3] = s[3] ^ s[1]
        s[1] = s[1] ^ s[2]
        s[0] = s[0] ^ s[3]
        s[2] = s[2] ^ t
        s[3] = rotate(s[3], 45)
    return result


def uniform(s):
    return (following(s) >> u64(11)).astype(np.float64) * 2.0**-53


def stream(seed, name, index):
    return seeded(np.array([xxh3(key(name, index), seed)], dtype=np.uint64))


def streams(seed, name, indexes):
    """The streams name/index of many indexes at once."""
    return seeded(np.array([xxh3(key(name, int(i)), seed) for i in indexes], dtype=np.uint64))


class Truth(World):
    """World with `utility(user row, query row, item rows)`, `grade` and the chances of clicks and purchases."""

    def __init__(self, folder):
        super().__init__(folder)
        self.seed = int(self.facts["seed"])
        self.user_row = {u["id"]: n for n, u in enumerate(self.users)}
        self.query_row = {q["id"]: n for n, q in enumerate(self.queries)}

    def noise(self, u, q, rows):
        n = int(following(stream(self.seed, "noise", u << 32 | q))[0])
        s = streams(n, "noise.item", rows)
        total = np.zeros(len(rows))
        for _ in range(12):
            total = total + uniform(s)
        return self.facts["amplitudes"]["noise"] * (total - 6.0)

    def utility(self, u, q, rows):
        return self.parts(u, q, rows).sum(axis=1) + self.noise(u, q, rows)

    def grade(self, utility):
        return np.searchsorted(self.facts["grade_thresholds"], utility, side="right")

    def chance(self, kind, utility):
        """kind: "click" of who looks, "buy" of who has clicked."""
        f = self.facts[kind]
        return 1 / (1 + np.exp(-(utility - f["middle"]) / f["scale"]))
