/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Randomness that is the same on every machine: named streams, and distributions made of sums and products alone. */
#include <math.h>

#include "demo_world.h"

rng demo_stream(uint64_t seed, const char *name, uint64_t index) {
    uint64_t key[2] = {hash64(name, str_of(name).n), index};
    /* Little-endian bytes, so that a big-endian machine gets the same stream. */
    unsigned char bytes[16];
    for (int i = 0; i < 16; i++)
        bytes[i] = (unsigned char)(key[i / 8] >> (8 * (i % 8)));
    rng r;
    rng_seed(&r, hash64_seed(bytes, sizeof bytes, seed));
    return r;
}

double demo_normal(rng *r) {
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += rng_uniform(r);
    return sum - 6.0;
}

double demo_round(double x) {
    return floor(x * 10000.0 + 0.5) / 10000.0;
}

double demo_exp2(double x) {
    double whole = floor(x), f = (x - whole) * 0.6931471805599453;
    double series = 1, term = 1;
    for (int i = 1; i <= 10; i++) {
        term *= f / i;
        series += term;
    }
    for (; whole > 0; whole--)
        series *= 2;
    for (; whole < 0; whole++)
        series /= 2;
    return series;
}

bool demo_chance(rng *r, double p) {
    return rng_uniform(r) < p;
}

uint32_t demo_pick(rng *r, uint32_t n) {
    return (uint32_t)rng_below(r, n);
}

uint32_t demo_pick_weighted(rng *r, const double *cumulative, uint32_t n) {
    double x = rng_uniform(r) * cumulative[n - 1];
    uint32_t low = 0, high = n - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (cumulative[middle] > x)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
