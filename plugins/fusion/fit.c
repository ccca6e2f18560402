/* SPDX-License-Identifier: Apache-2.0 */
/* Weights from data: those that minimise the squared error between the weighted sum and a target.
 *
 * For two rankers that is closed form: with the error y − α s1 − (1 − α) s2,
 *     α = Σ (y − s2)(s1 − s2) / Σ (s1 − s2)², clamped to [0, 1].
 * For more, the same problem with weights not negative and summing to one is a small quadratic programme, solved exactly by an
 * active set: start at the best single ranker, let in the ranker that promises most, solve the equalities, and step back to
 * the border wherever a weight would turn negative (Lawson and Hanson, Solving Least Squares Problems, ch. 23).
 *
 * The file is a TSV: a header that names the rankers and `target`, then numbers. */
#include "fit.h"
#include "fusion.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 65536, MOST_STEPS = 1000 };

void fit_add(fit_sums *sums, const double *score, double target)
{
    double difference[SINTER_MAX_RANKERS];
    uint32_t last = sums->n_rankers - 1;
    for (uint32_t j = 0; j < last; j++)
        difference[j] = score[j] - score[last];
    for (uint32_t j = 0; j < last; j++) {
        for (uint32_t i = 0; i < last; i++)
            sums->square[j][i] += difference[j] * difference[i];
        sums->product[j] += difference[j] * (target - score[last]);
    }
    sums->n_rows++;
}

bool fit_linear(double a[FIT_SIZE][FIT_SIZE], double *b, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        uint32_t pivot = k;
        for (uint32_t i = k + 1; i < n; i++)
            pivot = fabs(a[i][k]) > fabs(a[pivot][k]) ? i : pivot;
        if (!(fabs(a[pivot][k]) > 1e-12))
            return false;
        for (uint32_t j = 0; j < n; j++) {
            double swap = a[k][j];
            a[k][j] = a[pivot][j];
            a[pivot][j] = swap;
        }
        double swap = b[k];
        b[k] = b[pivot];
        b[pivot] = swap;
        for (uint32_t i = k + 1; i < n; i++) {
            double factor = a[i][k] / a[k][k];
            for (uint32_t j = k; j < n; j++)
                a[i][j] -= factor * a[k][j];
            b[i] -= factor * b[k];
        }
    }
    for (uint32_t k = n; k-- > 0;) {
        for (uint32_t j = k + 1; j < n; j++)
            b[k] -= a[k][j] * b[j];
        b[k] /= a[k][k];
    }
    return true;
}

/* The best weights over the rankers in `free`, of any sign; `to_one`: summing to one, the stationary point of the Lagrangian. The
 * sums are divided by `unit`, so that the pivots' threshold means the same for any scale of scores. */
static bool solve_free(const fit_sums *sums, const bool *free, double unit, bool to_one, double *weight)
{
    double a[FIT_SIZE][FIT_SIZE], b[FIT_SIZE];
    uint32_t index[SINTER_MAX_RANKERS], n = 0;
    for (uint32_t j = 0; j < sums->n_rankers; j++) {
        weight[j] = 0;
        if (free[j])
            index[n++] = j;
    }
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < n; j++)
            a[i][j] = sums->square[index[i]][index[j]] / unit;
        a[i][n] = a[n][i] = 1;
        b[i] = sums->product[index[i]] / unit;
    }
    a[n][n] = 0;
    b[n] = 1;
    if (!fit_linear(a, b, n + to_one))
        return false;
    for (uint32_t i = 0; i < n; i++)
        weight[index[i]] = b[i];
    return true;
}

static double slope(const fit_sums *sums, const double *weight, uint32_t j)
{
    double g = -sums->product[j];
    for (uint32_t i = 0; i < sums->n_rankers; i++)
        g += sums->square[j][i] * weight[i];
    return g;
}

/* Moves `weight` towards `wanted` until one of the free weights reaches 0, which is then no longer free; true: arrived. */
static bool step_towards(double *weight, const double *wanted, bool *free, uint32_t n)
{
    double step = 1;
    uint32_t blocked = n;
    for (uint32_t j = 0; j < n; j++)
        if (free[j] && wanted[j] < 0 && weight[j] / (weight[j] - wanted[j]) < step) {
            step = weight[j] / (weight[j] - wanted[j]);
            blocked = j;
        }
    for (uint32_t j = 0; j < n; j++)
        weight[j] += step * (wanted[j] - weight[j]);
    if (blocked == n)
        return true;
    weight[blocked] = 0;
    free[blocked] = false;
    return false;
}

/* The ranker outside that would lower the error fastest; n: none would. At the optimum inside, all slopes are equal, and 0 where
 * nothing binds the sum. */
static uint32_t most_promising(const fit_sums *sums, const double *weight, const bool *free, const bool *refused, double unit,
                               bool to_one)
{
    uint32_t n = sums->n_rankers, best = n;
    double level = to_one ? INFINITY : 0;
    for (uint32_t j = 0; j < n && to_one; j++)
        if (free[j])
            level = fmin(level, slope(sums, weight, j));
    level -= 1e-10 * unit;
    for (uint32_t j = 0; j < n; j++)
        if (!free[j] && !refused[j] && slope(sums, weight, j) < level) {
            level = slope(sums, weight, j);
            best = j;
        }
    return best;
}

static uint32_t best_single(const fit_sums *sums)
{
    uint32_t best = 0;
    for (uint32_t j = 1; j < sums->n_rankers; j++)
        if (sums->square[j][j] - 2 * sums->product[j] < sums->square[best][best] - 2 * sums->product[best])
            best = j;
    return best;
}

/* From the weights given, 0 but for those of `free`. */
static void active_set(const fit_sums *sums, double unit, bool to_one, bool *free, double *weight)
{
    bool refused[SINTER_MAX_RANKERS] = {false};
    double wanted[SINTER_MAX_RANKERS];
    uint32_t n = sums->n_rankers;
    for (uint32_t step = 0; step < MOST_STEPS; step++) {
        uint32_t next = most_promising(sums, weight, free, refused, unit, to_one);
        if (next == n)
            return;
        free[next] = true;
        bool adds = solve_free(sums, free, unit, to_one, wanted) && (to_one || wanted[next] > 0);
        if (!adds) { /* a copy of those inside */
            free[next] = false;
            refused[next] = true;
            continue;
        }
        while (!step_towards(weight, wanted, free, n) && solve_free(sums, free, unit, to_one, wanted))
            continue;
        memset(refused, 0, sizeof refused);
    }
}

static void solve_many(const fit_sums *sums, double unit, double *weight)
{
    bool free[SINTER_MAX_RANKERS] = {false};
    uint32_t start = best_single(sums);
    weight[start] = 1;
    free[start] = true;
    active_set(sums, unit, true, free, weight);
}

void fit_solve(const fit_sums *sums, double *weight)
{
    uint32_t n = sums->n_rankers;
    double unit = 0;
    for (uint32_t j = 0; j < n; j++) {
        weight[j] = 0;
        unit = fmax(unit, sums->square[j][j]);
    }
    if (n == 2) {
        double alpha = unit > 0 ? sums->product[0] / sums->square[0][0] : 0.5;
        weight[0] = fmin(1, fmax(0, alpha));
        weight[1] = 1 - weight[0];
    } else if (unit > 0) {
        solve_many(sums, unit, weight);
    } else { /* one ranker, or all of them the same */
        for (uint32_t j = 0; j < n; j++)
            weight[j] = 1.0 / n;
    }
}

void fit_nonnegative(const fit_sums *sums, double *weight)
{
    bool free[SINTER_MAX_RANKERS] = {false};
    double unit = 0;
    for (uint32_t j = 0; j < sums->n_rankers; j++) {
        weight[j] = 0;
        unit = fmax(unit, sums->square[j][j]);
    }
    if (unit > 0)
        active_set(sums, unit, false, free, weight);
}

double fit_alpha(const double *s1, const double *s2, const double *y, uint32_t n)
{
    fit_sums sums = {.n_rankers = 2};
    double weight[2];
    for (uint32_t i = 0; i < n; i++)
        fit_add(&sums, (double[]){s1[i], s2[i]}, y[i]);
    fit_solve(&sums, weight);
    return weight[0];
}

/* ---- the file ---- */

typedef struct fit_table {
    const char *path;
    uint32_t line, n_columns, target; /* column of the target; n_columns: not seen */
    sinter_error *err;
} fit_table;

__attribute__((format(printf, 4, 5))) static sinter_status refuse(const fit_table *t, sinter_status status, const char *fix,
                                                                  const char *format, ...)
{
    va_list args;
    va_start(args, format);
    t->err->status = status;
    vsnprintf(t->err->what, sizeof t->err->what, format, args);
    snprintf(t->err->where, sizeof t->err->where, "%s:%u", t->path, t->line);
    snprintf(t->err->fix, sizeof t->err->fix, "%s", fix);
    va_end(args);
    return status;
}

static sinter_status read_header(fit_table *t, char *line, fusion_weight *weight, uint32_t *n)
{
    bool has_target = false;
    *n = 0;
    for (char *cell = strsep(&line, "\t"); cell != NULL; cell = strsep(&line, "\t"), t->n_columns++) {
        if (strcmp(cell, "target") == 0 && !has_target) {
            t->target = t->n_columns;
            has_target = true;
            continue;
        }
        if (*n == SINTER_MAX_RANKERS || strlen(cell) >= FUSION_NAME || *cell == 0)
            return refuse(t, SINTER_INVALID, "name at most 64 rankers, and target", "'%.60s' cannot be a ranker's column", cell);
        for (uint32_t i = 0; i < *n; i++)
            if (strcmp(weight[i].ranker, cell) == 0)
                return refuse(t, SINTER_INVALID, "name each ranker once", "two columns are named '%.60s'", cell);
        snprintf(weight[(*n)++].ranker, FUSION_NAME, "%s", cell);
    }
    if (!has_target || *n == 0)
        return refuse(t, SINTER_INVALID, "the first line names the rankers and 'target', separated by tabs",
                      "the header has no column '%s'", has_target ? "of a ranker" : "target");
    return SINTER_OK;
}

static sinter_status read_row(const fit_table *t, char *line, fit_sums *sums)
{
    double score[SINTER_MAX_RANKERS], target = 0;
    uint32_t column = 0, ranker = 0;
    for (char *cell = strsep(&line, "\t"); cell != NULL; cell = strsep(&line, "\t"), column++) {
        char *end;
        double value = strtod(cell, &end);
        if (end == cell || *end != 0 || !isfinite(value))
            return refuse(t, SINTER_INVALID, "leave the line out, or put a number", "column %u: '%.60s' is not a finite number",
                          column + 1, cell);
        if (column < t->n_columns)
            *(column == t->target ? &target : &score[ranker++]) = value;
    }
    if (column != t->n_columns)
        return refuse(t, SINTER_INVALID, "give every column of the header", "%u columns where the header has %u", column, t->n_columns);
    fit_add(sums, score, target);
    return SINTER_OK;
}

static sinter_status read_table(FILE *file, fit_table *t, fusion_weight *weight, uint32_t *n, fit_sums *sums)
{
    static const char too_long[] = "the line is longer than 65,534 bytes";
    char line[LINE];
    sinter_status status = SINTER_OK;
    while (status == SINTER_OK && fgets(line, sizeof line, file) != NULL) {
        t->line++;
        size_t length = strcspn(line, "\r\n");
        if (line[length] == 0 && length == sizeof line - 1)
            return refuse(t, SINTER_INVALID, "is it a TSV?", "%s", too_long);
        line[length] = 0;
        if (t->line == 1) {
            status = read_header(t, line, weight, n);
            sums->n_rankers = *n;
        } else if (length > 0) {
            status = read_row(t, line, sums);
        }
    }
    if (status == SINTER_OK && ferror(file))
        return refuse(t, SINTER_IO, "check the disk", "the file cannot be read on");
    if (status == SINTER_OK && (t->line == 0 || sums->n_rows < sums->n_rankers))
        return refuse(t, SINTER_INVALID, "give at least as many rows as rankers", "%llu rows are too few to fit %u rankers",
                      (unsigned long long)sums->n_rows, sums->n_rankers);
    return status;
}

sinter_status fit_weights(const char *path, fusion_weight *weight, uint32_t *n, sinter_error *err)
{
    fit_table t = {.path = path, .err = err};
    fit_sums *sums = calloc(1, sizeof *sums);
    FILE *file = fopen(path, "re");
    sinter_status status = SINTER_OK;
    double best[SINTER_MAX_RANKERS];
    if (sums == NULL)
        status = refuse(&t, SINTER_EXHAUSTED, "give the server more memory", "no memory to fit weights");
    else if (file == NULL)
        status = refuse(&t, SINTER_NOT_FOUND, "name a TSV that the server may read", "the file cannot be opened: %s", strerror(errno));
    else
        status = read_table(file, &t, weight, n, sums);
    if (status == SINTER_OK) {
        fit_solve(sums, best);
        for (uint32_t i = 0; i < *n; i++)
            weight[i].weight = best[i];
    }
    if (file != NULL)
        fclose(file);
    free(sums);
    return status;
}
