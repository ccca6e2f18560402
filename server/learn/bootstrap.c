/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Intervals without assumptions on how a metric is spread: draw as many queries as there are, with replacement, many
 * times. */
#include "learn/learn.h"

#include <stdlib.h>

static int ascending(const void *x, const void *y) {
    double p = *(const double *)x, q = *(const double *)y;
    return p < q ? -1 : p > q;
}

/* The share `p` of sorted values lies below; between two values linearly. */
static double percentile(const double *sorted, uint32_t n, double p) {
    double at = p * (n - 1);
    uint32_t low = (uint32_t)at;
    if (low + 1 >= n) return sorted[n - 1];
    return sorted[low] + (at - low) * (sorted[low + 1] - sorted[low]);
}

static double mean(const double *value, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += value[i];
    return sum / n;
}

interval bootstrap_mean(const double *value, uint32_t n, uint32_t resamples, uint64_t seed) {
    if (!n) return (interval){0};
    interval out = {.mean = mean(value, n)};
    if (!resamples) return (interval){out.mean, out.mean, out.mean};
    double *means = xmalloc(resamples * sizeof *means);
    rng r;
    rng_seed(&r, seed);
    for (uint32_t k = 0; k < resamples; k++) {
        double sum = 0;
        for (uint32_t i = 0; i < n; i++)
            sum += value[rng_below(&r, n)];
        means[k] = sum / n;
    }
    qsort(means, resamples, sizeof *means, ascending);
    out.low = percentile(means, resamples, 0.025);
    out.high = percentile(means, resamples, 0.975);
    free(means);
    return out;
}
