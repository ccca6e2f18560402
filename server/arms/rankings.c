/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How alike two rankings are. Pages are short: every pair is looked at. */
#include "arms/arms.h"

#include <math.h>

static bool has(const uint32_t *list, uint32_t n, uint32_t item)
{
    for (uint32_t i = 0; i < n; i++)
        if (list[i] == item) return true;
    return false;
}

double ranking_overlap(const uint32_t *a, uint32_t n_a, const uint32_t *b, uint32_t n_b, uint32_t depth)
{
    n_a = n_a < depth ? n_a : depth;
    n_b = n_b < depth ? n_b : depth;
    uint32_t common = 0, longer = n_a > n_b ? n_a : n_b;
    for (uint32_t i = 0; i < n_a; i++) common += has(b, n_b, a[i]);
    return longer ? (double)common / longer : 1;
}

/* Equation 32 of the paper: the agreement seen at each depth, and beyond the shorter list as if it went on as before. */
double ranking_rbo(const uint32_t *a, uint32_t n_a, const uint32_t *b, uint32_t n_b, double p)
{
    const uint32_t *shorter = n_a < n_b ? a : b, *longer = n_a < n_b ? b : a;
    uint32_t s = n_a < n_b ? n_a : n_b, l = n_a < n_b ? n_b : n_a;
    if (l == 0) return 1;
    if (s == 0) return 0;
    double sum = 0, weight = p, common = 0, common_s = 0;
    for (uint32_t d = 1; d <= l; d++, weight *= p) {
        uint32_t x = longer[d - 1];
        if (d <= s) {
            uint32_t y = shorter[d - 1];
            common += x == y ? 1 : has(shorter, d - 1, x) + has(longer, d - 1, y);
            common_s = common;
        } else {
            common += has(shorter, s, x);
            sum += common_s * (d - s) / ((double)s * d) * weight;
        }
        sum += common / d * weight;
    }
    return (1 - p) / p * sum + ((common - common_s) / l + common_s / s) * pow(p, l);
}
