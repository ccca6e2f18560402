/* SPDX-License-Identifier: Apache-2.0 */
/* The inverse of a symmetric positive definite matrix, by tiles: Cholesky A = L Lᵀ, X = L⁻¹, A⁻¹ = Xᵀ X.
 *
 * LAPACK's dpotrf and dpotri do the same, but OpenBLAS splits their work by the number of its threads, and with it the order
 * of sums. Here tiles have one size, OpenBLAS runs on the calling thread, and our own threads take whole tiles: the result is
 * the same bits for any number of threads. Matrices are column-major; only the lower triangle is read and written. */
#include "train.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

enum { TILE = 192 };

/* LAPACK, in OpenBLAS; it has no header of its own there. */
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void dtrtri_(const char *uplo, const char *diag, const int *n, double *a, const int *lda, int *info);
void dlauum_(const char *uplo, const int *n, double *a, const int *lda, int *info);

typedef struct tiles {
    double *a;
    size_t n;
    uint32_t count, threads; /* of tiles in a row */
    uint32_t k;     /* tile column or row under way */
    double *panel;  /* [n][TILE] copy of a column of tiles */
    inverse_step *step;
    void *context;
    uint64_t done;
} tiles;

static double *tile(const tiles *t, uint32_t i, uint32_t j)
{
    return t->a + (size_t)j * TILE * t->n + (size_t)i * TILE;
}

static int width(const tiles *t, uint32_t i)
{
    size_t left = t->n - (size_t)i * TILE;
    return left < TILE ? (int)left : TILE;
}

/* ---- A = L Lᵀ ---- */

static void solve_below(void *context, uint32_t thread, uint32_t i)
{
    const tiles *t = context;
    uint32_t row = t->k + 1 + i;
    (void)thread;
    cblas_dtrsm(CblasColMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, width(t, row), width(t, t->k), 1, tile(t, t->k, t->k),
                (int)t->n, tile(t, row, t->k), (int)t->n);
}

/* The trailing matrix, a row of tiles at a time. */
static void update_row(void *context, uint32_t thread, uint32_t i)
{
    const tiles *t = context;
    uint32_t row = t->count - 1 - i; /* the longest first */
    int n = (int)t->n, k = width(t, t->k);
    (void)thread;
    for (uint32_t j = t->k + 1; j < row; j++)
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, width(t, row), width(t, j), k, -1, tile(t, row, t->k), n, tile(t, j, t->k),
                    n, 1, tile(t, row, j), n);
    cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, width(t, row), k, -1, tile(t, row, t->k), n, 1, tile(t, row, row), n);
}

/* ---- X = L⁻¹, columns of tiles from the last to the first ---- */

static void invert_below(void *context, uint32_t thread, uint32_t i)
{
    const tiles *t = context;
    uint32_t row = t->count - 1 - i, first = t->k + 1;
    int n = (int)t->n, k = width(t, t->k);
    (void)thread;
    cblas_dtrmm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, width(t, row), k, 1, tile(t, row, row), n,
                tile(t, row, t->k), n);
    if (row > first)
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, width(t, row), k, (int)((row - first) * TILE), 1, tile(t, row, first), n,
                    t->panel + (size_t)first * TILE, n, 1, tile(t, row, t->k), n);
    cblas_dtrsm(CblasColMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, width(t, row), k, -1, tile(t, t->k, t->k), n,
                tile(t, row, t->k), n);
}

/* ---- A⁻¹ = Xᵀ X, rows of tiles from the first to the last ---- */

static void multiply_left(void *context, uint32_t thread, uint32_t j)
{
    const tiles *t = context;
    int n = (int)t->n, k = width(t, t->k);
    size_t below = (size_t)(t->k + 1) * TILE;
    (void)thread;
    cblas_dtrmm(CblasColMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, k, width(t, j), 1, tile(t, t->k, t->k), n,
                tile(t, t->k, j), n);
    if (below < t->n)
        cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, k, width(t, j), (int)(t->n - below), 1, tile(t, t->k + 1, t->k), n,
                    tile(t, t->k + 1, j), n, 1, tile(t, t->k, j), n);
}

static bool go_on(tiles *t)
{
    t->done++;
    return t->step == NULL || !t->step(t->context, t->done, 3ull * t->count);
}

static bool factor(tiles *t)
{
    int n = (int)t->n, info = 0;
    for (t->k = 0; t->k < t->count; t->k++) {
        int k = width(t, t->k);
        uint32_t below = t->count - 1 - t->k;
        dpotrf_("L", &k, tile(t, t->k, t->k), &n, &info);
        if (info != 0)
            return false;
        parallel_for(t->threads, below, solve_below, t);
        parallel_for(t->threads, below, update_row, t);
        if (!go_on(t))
            return false;
    }
    return true;
}

static bool invert_factor(tiles *t)
{
    int n = (int)t->n, info = 0;
    for (t->k = t->count; t->k-- > 0;) {
        int k = width(t, t->k);
        size_t from = (size_t)t->k * TILE;
        for (int c = 0; c < k; c++)
            memcpy(t->panel + (size_t)c * t->n + from, t->a + (from + (size_t)c) * t->n + from, (t->n - from) * sizeof *t->a);
        parallel_for(t->threads, t->count - 1 - t->k, invert_below, t);
        dtrtri_("L", "N", &k, tile(t, t->k, t->k), &n, &info);
        if (info != 0 || !go_on(t))
            return false;
    }
    return true;
}

static bool multiply(tiles *t)
{
    int n = (int)t->n, info = 0;
    for (t->k = 0; t->k < t->count; t->k++) {
        int k = width(t, t->k);
        size_t below = (size_t)(t->k + 1) * TILE;
        parallel_for(t->threads, t->k, multiply_left, t);
        dlauum_("L", &k, tile(t, t->k, t->k), &n, &info);
        if (below < t->n)
            cblas_dsyrk(CblasColMajor, CblasLower, CblasTrans, k, (int)(t->n - below), 1, tile(t, t->k + 1, t->k), n, 1,
                        tile(t, t->k, t->k), n);
        if (!go_on(t))
            return false;
    }
    return true;
}

bool inverse_spd(double *a, size_t n, uint32_t threads, inverse_step *step, void *context)
{
    tiles t = {.a = a, .n = n, .count = (uint32_t)((n + TILE - 1) / TILE), .threads = threads, .step = step, .context = context};
    t.panel = malloc(n * TILE * sizeof *t.panel);
    if (t.panel == NULL)
        return false;
    openblas_set_num_threads(1);
    bool good = factor(&t) && invert_factor(&t) && multiply(&t);
    free(t.panel);
    return good;
}
