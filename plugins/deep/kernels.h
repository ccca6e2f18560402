/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of a network: products of matrices, and the loops over their elements.
 *
 * Matrices are row-major. A row of n > 1 columns takes stride(n) places, a multiple of 16, so that loops need no tails; what
 * lies behind the n-th column of a row is 0 in weights and gradients, and in values anything finite. A single column has
 * stride 1.
 *
 * A row of a product never depends on the rows beside it, nor on its place among them, so that a candidate's score depends on
 * nothing but the candidate. `real` is float; the tests of gradients compile the same lines for double. */
#ifndef SINTER_DEEP_KERNELS_H
#define SINTER_DEEP_KERNELS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef DEEP_REAL
#define DEEP_REAL float
#endif
typedef DEEP_REAL real;

enum { DEEP_LANES = 16 };

static inline uint32_t stride(uint32_t n)
{
    return n == 1 ? 1 : (n + DEEP_LANES - 1) / DEEP_LANES * DEEP_LANES;
}

/* y[rows][out] = x[rows][in] × w[in][out] + bias[out]; with relu, what is below 0 becomes 0. */
void product_forward(uint32_t rows, uint32_t in, uint32_t out, const real *x, const real *w, const real *bias, bool relu, real *y);

/* dw[in][out] = xᵀ × dy[rows][out], db[out] = the sums of dy's columns. */
void product_weights(uint32_t rows, uint32_t in, uint32_t out, const real *x, const real *dy, real *dw, real *db);

/* dx[rows][in] = dy[rows][out] × wᵀ. room: [stride(out)][stride(in)], for the weights turned round. */
void product_inputs(uint32_t rows, uint32_t in, uint32_t out, const real *dy, const real *w, real *room, real *dx);

/* n is any number of elements; x and y may be the same array. */
void relu_back(size_t n, const real *y, real *dy);    /* dy = 0 where y is 0 */
void sigmoid_forward(size_t n, const real *x, real *y);
void sigmoid_back(size_t n, const real *y, real *dy); /* dy × y (1 − y) */
void tanh_forward(size_t n, const real *x, real *y);
void tanh_back(size_t n, const real *y, real *dy);    /* dy × (1 − y²) */
void add_scaled(size_t n, real factor, const real *x, real *y); /* y += factor × x */

/* 1 / (1 + e^−x), without overflow. */
static inline double sigmoid(double x)
{
    double e = exp(-fabs(x));
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

/* Adam (D. Kingma and J. Ba, 2015) with decay of the weights apart from the gradient (I. Loshchilov and F. Hutter, 2019). */
typedef struct adam {
    double learning_rate, beta1, beta2, epsilon, decay;
} adam;

/* The numbers of the step-th step, from 1. */
typedef struct adam_step {
    real beta1, beta2, epsilon;
    real rate;       /* learning_rate / (1 − beta1^step) */
    real correction; /* 1 / √(1 − beta2^step) */
    real keep;       /* what decay leaves of a weight */
} adam_step;

adam_step adam_at(const adam *, uint64_t step);
/* One step of n parameters; decay only where `decays`. */
void adam_apply(const adam_step *, bool decays, size_t n, const real *gradient, real *parameter, real *mean, real *square);

#endif
