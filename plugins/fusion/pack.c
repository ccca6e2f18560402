/* SPDX-License-Identifier: Apache-2.0 */
/* Loops over a whole list that both methods share: presence, range and sums, the present scores side by side, rounding. */
#include "fusion.h"

/* In this file only: numbers are finite, and sums may be taken in any order, so that plain reductions become vector code. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("finite-math-only", "no-signed-zeros", "associative-math")
#endif

FUSION_WIDE void range_of(const float *x, uint32_t n, float *least, float *most)
{
    float low = x[0], high = x[0];
    for (uint32_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *least = low;
    *most = high;
}

FUSION_WIDE static void sums_around(const float *x, uint32_t n, double middle, double *sum, double *squares)
{
    double s = 0, q = 0;
    for (uint32_t i = 0; i < n; i++) {
        double d = (double)x[i] - middle;
        s += d;
        q += d * d;
    }
    *sum = s;
    *squares = q;
}

/* Sums are taken around the middle of the range, so that little is lost where scores are large and close together; once more around
 * the mean where it lies far off in units of the deviation. */
fusion_spread spread_of(const float *x, uint32_t n)
{
    fusion_spread s;
    double sum, squares;
    range_of(x, n, &s.least, &s.most);
    double middle = ((double)s.least + (double)s.most) / 2;
    sums_around(x, n, middle, &sum, &squares);
    s.mean = middle + sum / n;
    double variance = squares / n - sum / n * (sum / n);
    if (squares / n > 1e4 * variance) {
        sums_around(x, n, s.mean, &sum, &squares);
        variance = squares / n;
    }
    s.deviation = s.most > s.least && variance > 0 ? __builtin_sqrt(variance) : 0;
    return s;
}

FUSION_WIDE uint64_t common_bits(const uint64_t *present, uint32_t n)
{
    uint64_t common = UINT64_MAX;
    for (uint32_t i = 0; i < n; i++)
        common &= present[i];
    return common;
}

FUSION_WIDE void round_totals(float *score, const double *total, uint32_t n)
{
    const double most = 3.4028234663852886e38;
    for (uint32_t i = 0; i < n; i++) {
        double low = total[i] < most ? total[i] : most;
        score[i] = (float)(low > -most ? low : -most);
    }
}

uint32_t pack_scores(sinter_worker *w, const sinter_fusion_batch *b, uint32_t ranker, const float **score)
{
    const float *x = b->score[ranker];
    *score = x;
    if ((w->dense >> ranker & 1) != 0)
        return b->n;
    uint32_t m = 0;
    for (uint32_t i = 0; i < b->n; i++) { /* written always, kept where present: no branch to guess */
        w->packed[m] = x[i];
        w->entry[0][m] = i;
        m += (uint32_t)(b->present[i] >> ranker & 1);
    }
    *score = w->packed;
    return m;
}
