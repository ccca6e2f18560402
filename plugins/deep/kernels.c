/* SPDX-License-Identifier: Apache-2.0 */
/* Products of matrices, by a tile of 4 × 32 sums kept in registers; great ones on the way back by OpenBLAS, with as many threads
 * as it was told.
 *
 * Forward goes through the tile always. OpenBLAS sums a row in another order where it stands at the edge of its own tiles, so that
 * a candidate's score would hang on its place (measured: in the seventh digit, at 500 units); and at the sizes of a ranker's
 * network a call of a library costs more than its work. */
#include "kernels.h"

#include <cblas.h>
#include <string.h>

/* A copy of each hot loop for each width of the machine's registers; the loader picks one. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(SINTER_SANITIZED)
#define DEEP_WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DEEP_WIDE
#endif
#define INLINE static inline __attribute__((always_inline))

/* Multiplications of a product from which on OpenBLAS is the faster (measured: README.md). */
#ifndef DEEP_GREAT_PRODUCT
#define DEEP_GREAT_PRODUCT ((uint64_t)1 << 24)
#endif

enum { TILE_ROWS = 4, TILE_VECTORS = 2, TILE_COLUMNS = TILE_VECTORS * DEEP_LANES, PANEL = 512, PANEL_FROM = 1 << 16 };

typedef real vector __attribute__((vector_size(DEEP_LANES * sizeof(real)), aligned(sizeof(real)), may_alias));
typedef __typeof__((vector){0} > (vector){0}) vector_mask;

/* c[i][j] = (bias[j] or, with `adds`, c[i][j]) + Σ_t a(i, t) b[t][j], where a(i, t) stands at a[i × row + t × step]. */
typedef struct factors {
    uint32_t rows, inner, columns; /* columns: a multiple of 16 */
    const real *a;
    size_t row, step;
    const real *b;
    size_t b_stride;
    const real *bias; /* NULL: 0 */
    bool adds, relu;
    real *c;
    size_t c_stride;
} factors;

static bool is_great(uint32_t rows, uint32_t in, uint32_t out)
{
    return (uint64_t)rows * in * out >= DEEP_GREAT_PRODUCT && in >= DEEP_LANES && out >= DEEP_LANES;
}

INLINE void start_sum(const factors *f, uint32_t i, uint32_t j, vector *sum)
{
    if (f->adds)
        *sum = *(const vector *)(f->c + i * f->c_stride + j);
    else
        *sum = f->bias != NULL ? *(const vector *)(f->bias + j) : (vector){0};
}

INLINE void tile(const factors *f, uint32_t i, uint32_t j, const uint32_t rows, const uint32_t vectors)
{
    vector sum[TILE_ROWS][TILE_VECTORS];
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t v = 0; v < vectors; v++)
            start_sum(f, i + r, j + v * DEEP_LANES, &sum[r][v]);
    const real *a = f->a + i * f->row, *b = f->b + j;
    for (uint32_t t = 0; t < f->inner; t++, a += f->step, b += f->b_stride)
        for (uint32_t r = 0; r < rows; r++)
            for (uint32_t v = 0; v < vectors; v++)
                sum[r][v] += a[r * f->row] * *(const vector *)(b + v * DEEP_LANES);
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t v = 0; v < vectors; v++) {
            vector s = sum[r][v];
            if (f->relu)
                s = (vector)((vector_mask)s & (s > (vector){0}));
            *(vector *)(f->c + (i + r) * f->c_stride + j + v * DEEP_LANES) = s;
        }
}

INLINE void tile_rows(const factors *f, uint32_t j, const uint32_t vectors)
{
    uint32_t i = 0;
    for (; i + TILE_ROWS <= f->rows; i += TILE_ROWS)
        tile(f, i, j, TILE_ROWS, vectors);
    for (; i < f->rows; i++)
        tile(f, i, j, 1, vectors);
}

DEEP_WIDE static void multiply(const factors *f)
{
    uint32_t j = 0;
    for (; j + TILE_COLUMNS <= f->columns; j += TILE_COLUMNS)
        tile_rows(f, j, TILE_VECTORS);
    for (; j < f->columns; j += DEEP_LANES)
        tile_rows(f, j, 1);
}

/* The same where b does not fit into the second cache: its columns, 32 at a time and 512 rows deep, are laid side by side first. The
 * order of the sums stays the same. */
static void multiply_by_panels(const factors *f)
{
    real panel[PANEL * TILE_COLUMNS];
    for (uint32_t j = 0; j < f->columns; j += TILE_COLUMNS) {
        uint32_t columns = f->columns - j < TILE_COLUMNS ? f->columns - j : TILE_COLUMNS;
        for (uint32_t t = 0; t < f->inner; t += PANEL) {
            factors part = *f;
            part.inner = f->inner - t < PANEL ? f->inner - t : PANEL;
            for (uint32_t k = 0; k < part.inner; k++)
                memcpy(panel + k * columns, f->b + (t + k) * f->b_stride + j, columns * sizeof *panel);
            part.columns = columns;
            part.a += t * f->step;
            part.b = panel;
            part.b_stride = columns;
            part.bias = f->bias != NULL ? f->bias + j : NULL;
            part.c += j;
            part.adds = t > 0;
            part.relu = f->relu && t + PANEL >= f->inner;
            multiply(&part);
        }
    }
}

static void multiply_any(const factors *f)
{
    if ((uint64_t)f->inner * f->columns > PANEL_FROM && f->rows >= 4 * TILE_ROWS)
        multiply_by_panels(f);
    else
        multiply(f);
}

/* ---- a single column ---- */

INLINE void dot_rows(uint32_t in, const real *x, const real *w, const uint32_t rows, real *y)
{
    vector sum[TILE_ROWS];
    uint32_t whole = in / DEEP_LANES * DEEP_LANES, step = stride(in);
    for (uint32_t r = 0; r < rows; r++)
        sum[r] = (vector){0};
    for (uint32_t t = 0; t < whole; t += DEEP_LANES)
        for (uint32_t r = 0; r < rows; r++)
            sum[r] += *(const vector *)(x + r * step + t) * *(const vector *)(w + t);
    for (uint32_t r = 0; r < rows; r++) {
        real total = 0;
        for (uint32_t k = 0; k < DEEP_LANES; k++)
            total += sum[r][k];
        for (uint32_t t = whole; t < in; t++)
            total += x[r * step + t] * w[t];
        y[r] = total;
    }
}

DEEP_WIDE static void column_forward(uint32_t rows, uint32_t in, const real *x, const real *w, real bias, bool relu, real *y)
{
    uint32_t i = 0, step = stride(in);
    for (; i + TILE_ROWS <= rows; i += TILE_ROWS)
        dot_rows(in, x + (size_t)i * step, w, TILE_ROWS, y + i);
    for (; i < rows; i++)
        dot_rows(in, x + (size_t)i * step, w, 1, y + i);
    for (i = 0; i < rows; i++)
        y[i] = relu && y[i] + bias < 0 ? 0 : y[i] + bias;
}

DEEP_WIDE static void column_weights(uint32_t rows, uint32_t in, const real *x, const real *dy, real *dw)
{
    uint32_t step = stride(in);
    memset(dw, 0, in * sizeof *dw);
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t t = 0; t < in; t++)
            dw[t] += dy[i] * x[(size_t)i * step + t];
}

DEEP_WIDE static void column_inputs(uint32_t rows, uint32_t in, const real *dy, const real *w, real *dx)
{
    uint32_t step = stride(in);
    for (uint32_t i = 0; i < rows; i++, dx += step) {
        for (uint32_t t = 0; t < in; t++)
            dx[t] = dy[i] * w[t];
        for (uint32_t t = in; t < step; t++)
            dx[t] = 0;
    }
}

/* ---- OpenBLAS ---- */

static void blas(bool turn_a, bool turn_b, uint32_t m, uint32_t n, uint32_t k, const real *a, uint32_t lda, const real *b,
                 uint32_t ldb, real beta, real *c, uint32_t ldc)
{
    CBLAS_TRANSPOSE ta = turn_a ? CblasTrans : CblasNoTrans, tb = turn_b ? CblasTrans : CblasNoTrans;
    blasint bm = (blasint)m, bn = (blasint)n, bk = (blasint)k, la = (blasint)lda, lb = (blasint)ldb, lc = (blasint)ldc;
    if (sizeof(real) == sizeof(float))
        cblas_sgemm(CblasRowMajor, ta, tb, bm, bn, bk, 1, (const void *)a, la, (const void *)b, lb, (float)beta, (void *)c, lc);
    else
        cblas_dgemm(CblasRowMajor, ta, tb, bm, bn, bk, 1, (const void *)a, la, (const void *)b, lb, (double)beta, (void *)c, lc);
}

/* ---- products ---- */

void product_forward(uint32_t rows, uint32_t in, uint32_t out, const real *x, const real *w, const real *bias, bool relu, real *y)
{
    uint32_t step = stride(out);
    if (out == 1)
        column_forward(rows, in, x, w, *bias, relu, y);
    else
        multiply_any(&(factors){.rows = rows, .inner = in, .columns = step, .a = x, .row = stride(in), .step = 1, .b = w,
                                .b_stride = step, .bias = bias, .relu = relu, .c = y, .c_stride = step});
}

DEEP_WIDE static void sum_columns(uint32_t rows, uint32_t step, const real *dy, real *db)
{
    memset(db, 0, step * sizeof *db);
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t j = 0; j < step; j++)
            db[j] += dy[(size_t)i * step + j];
}

void product_weights(uint32_t rows, uint32_t in, uint32_t out, const real *x, const real *dy, real *dw, real *db)
{
    uint32_t step = stride(out);
    sum_columns(rows, step, dy, db);
    if (out == 1)
        column_weights(rows, in, x, dy, dw);
    else if (is_great(rows, in, out))
        blas(true, false, in, step, rows, x, stride(in), dy, step, 0, dw, step);
    else
        multiply(&(factors){.rows = in, .inner = rows, .columns = step, .a = x, .row = 1, .step = stride(in), .b = dy,
                            .b_stride = step, .c = dw, .c_stride = step});
}

void product_inputs(uint32_t rows, uint32_t in, uint32_t out, const real *dy, const real *w, real *room, real *dx)
{
    uint32_t step = stride(out), wide = stride(in);
    if (out == 1) {
        column_inputs(rows, in, dy, w, dx);
        return;
    }
    for (uint32_t j = 0; j < out; j++) {
        for (uint32_t t = 0; t < in; t++)
            room[(size_t)j * wide + t] = w[(size_t)t * step + j];
        for (uint32_t t = in; t < wide; t++)
            room[(size_t)j * wide + t] = 0;
    }
    if (is_great(rows, in, out))
        blas(false, false, rows, wide, out, dy, step, room, wide, 0, dx, wide);
    else if (in == 1)
        column_forward(rows, out, dy, room, 0, false, dx);
    else
        multiply(&(factors){.rows = rows, .inner = out, .columns = wide, .a = dy, .row = step, .step = 1, .b = room,
                            .b_stride = wide, .c = dx, .c_stride = wide});
}

/* ---- elements ---- */

DEEP_WIDE void relu_back(size_t n, const real *y, real *dy)
{
    for (size_t i = 0; i < n; i++)
        dy[i] = y[i] > 0 ? dy[i] : 0;
}

void sigmoid_forward(size_t n, const real *x, real *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (real)sigmoid((double)x[i]);
}

DEEP_WIDE void sigmoid_back(size_t n, const real *y, real *dy)
{
    for (size_t i = 0; i < n; i++)
        dy[i] *= y[i] * (1 - y[i]);
}

void tanh_forward(size_t n, const real *x, real *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (real)tanh((double)x[i]);
}

DEEP_WIDE void tanh_back(size_t n, const real *y, real *dy)
{
    for (size_t i = 0; i < n; i++)
        dy[i] *= 1 - y[i] * y[i];
}

DEEP_WIDE void add_scaled(size_t n, real factor, const real *x, real *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] += factor * x[i];
}

/* ---- Adam ---- */

static inline real root(real x)
{
    return sizeof x == sizeof(float) ? (real)sqrtf((float)x) : (real)sqrt((double)x);
}

adam_step adam_at(const adam *a, uint64_t step)
{
    return (adam_step){.beta1 = (real)a->beta1,
                       .beta2 = (real)a->beta2,
                       .epsilon = (real)a->epsilon,
                       .rate = (real)(a->learning_rate / (1 - pow(a->beta1, (double)step))),
                       .correction = (real)(1 / sqrt(1 - pow(a->beta2, (double)step))),
                       .keep = (real)(1 - a->learning_rate * a->decay)};
}

DEEP_WIDE void adam_apply(const adam_step *a, bool decays, size_t n, const real *gradient, real *parameter, real *mean, real *square)
{
    const real beta1 = a->beta1, beta2 = a->beta2, keep = decays ? a->keep : 1, rate = a->rate;
    const real correction = a->correction, epsilon = a->epsilon;
    for (size_t i = 0; i < n; i++) {
        real g = gradient[i], m = beta1 * mean[i] + (1 - beta1) * g, v = beta2 * square[i] + (1 - beta2) * g * g;
        mean[i] = m;
        square[i] = v;
        parameter[i] = keep * parameter[i] - rate * m / (root(v) * correction + epsilon);
    }
}
