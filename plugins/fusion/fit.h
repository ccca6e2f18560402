/* SPDX-License-Identifier: Apache-2.0 */
/* Least squares over weights that are not negative and sum to one, from sums that grow row by row. */
#ifndef SINTER_FUSION_FIT_H
#define SINTER_FUSION_FIT_H

#include <sinter/plugin.h>

/* Sums over rows of differences to the last ranker: d[j] = s[j] − s[last], e = y − s[last]. In them Σ w = 1 is built in. */
typedef struct fit_sums {
    uint32_t n_rankers;
    uint64_t n_rows;
    double square[SINTER_MAX_RANKERS][SINTER_MAX_RANKERS]; /* Σ d dᵀ; the last row and column are 0 */
    double product[SINTER_MAX_RANKERS];                    /* Σ d e */
} fit_sums;

void fit_add(fit_sums *, const double *score /* [n_rankers] */, double target);

/* The minimising weights. One ranker: 1. Two: α in closed form, clamped. More: an active set over small dense solves. */
void fit_solve(const fit_sums *, double *weight /* [n_rankers] */);

/* The weights not below 0 that minimise wᵀ square w / 2 − product · w, exactly: any scale, no constraint on their sum (Lawson and Hanson,
 * ch. 23). All 0: no ranker goes with the target. */
void fit_nonnegative(const fit_sums *, double *weight /* [n_rankers] */);

/* Solves a × x = b for n unknowns by elimination with pivots; false: singular. Both are overwritten; b becomes x. */
enum { FIT_SIZE = SINTER_MAX_RANKERS + 1 };
bool fit_linear(double a[FIT_SIZE][FIT_SIZE], double *b, uint32_t n);

#endif
