/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hashing (XXH3), seeded randomness (xoshiro256**, Blackman and Vigna) and random ids. */
#include "die.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash64(const void *p, size_t n) {
    return XXH3_64bits(p ? p : "", n);
}

uint64_t hash64_seed(const void *p, size_t n, uint64_t seed) {
    return XXH3_64bits_withSeed(p ? p : "", n, seed);
}

void hash128(const void *p, size_t n, uint64_t out[2]) {
    XXH128_hash_t h = XXH3_128bits(p ? p : "", n);
    out[0] = h.low64;
    out[1] = h.high64;
}

uint32_t hash_id(const void *p, size_t n) {
    uint64_t h = hash64(p, n);
    uint32_t folded = (uint32_t)(h ^ h >> 32);
    return folded ? folded : 1;
}

static uint64_t splitmix64(uint64_t *x) {
    uint64_t z = (*x += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, int k) {
    return (x << k) | (x >> (64 - k));
}

void rng_seed(rng *r, uint64_t seed) {
    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix64(&seed);
}

uint64_t rng_next(rng *r) {
    uint64_t *s = r->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

double rng_uniform(rng *r) {
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

/* Lemire's multiplication with rejection: the high word is the answer unless the low word falls in the short rest. */
uint64_t rng_below(rng *r, uint64_t n) {
    __extension__ typedef unsigned __int128 wide;
    if (n == 0) base_die("rng_below(0)");
    wide m = (wide)rng_next(r) * n;
    if ((uint64_t)m < n) {
        uint64_t rest = -n % n;
        while ((uint64_t)m < rest)
            m = (wide)rng_next(r) * n;
    }
    return (uint64_t)(m >> 64);
}

double rng_normal(rng *r) {
    for (;;) {
        double x = 2 * rng_uniform(r) - 1, y = 2 * rng_uniform(r) - 1, q = x * x + y * y;
        if (q > 0 && q < 1) return x * sqrt(-2 * log(q) / q);
    }
}

void uuid_make(char out[37]) {
    unsigned char b[16];
    size_t got = 0;
    while (got < sizeof b) {
        ssize_t n = getrandom(b + got, sizeof b - got, 0);
        if (n > 0)
            got += (size_t)n;
        else if (errno != EINTR)
            base_die("getrandom: %s", strerror(errno));
    }
    b[6] = (unsigned char)((b[6] & 0x0F) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
    static const char HEX[] = "0123456789abcdef";
    char *p = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *p++ = '-';
        *p++ = HEX[b[i] >> 4];
        *p++ = HEX[b[i] & 15];
    }
    *p = '\0';
}
