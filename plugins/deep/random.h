/* SPDX-License-Identifier: Apache-2.0 */
/* Chance as a function of (seed, place): the same on every machine and in any order, so that a run that was interrupted goes
 * on as if it had not been. */
#ifndef SINTER_DEEP_RANDOM_H
#define SINTER_DEEP_RANDOM_H

#include <stdint.h>

static inline uint64_t random_bits(uint64_t seed, uint64_t i)
{
    uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A seed of its own for each use (weights, shuffles, dropout ..) and each number of it. */
static inline uint64_t random_seed(uint64_t seed, uint64_t use, uint64_t number)
{
    return random_bits(random_bits(seed, use), number);
}

/* Uniform in [0, 1). */
static inline double random_uniform(uint64_t seed, uint64_t i)
{
    return (double)(random_bits(seed, i) >> 11) * 0x1p-53;
}

#endif
