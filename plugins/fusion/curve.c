/* SPDX-License-Identifier: Apache-2.0 */
/* How clicks follow a score: a piecewise straight curve whose softmax fits best, by Newton's steps on a convex function. */
#include "fit.h"
#include "learn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE = 4096, STEPS = 25, SIZE = 1 + CURVE_KNOTS };

void way_score(const lists *l, const way *w, uint32_t request, double *score)
{
    if (w->net != NULL) {
        net_score(w->net, l, request, score);
        return;
    }
    for (uint32_t i = l->begin[request]; i < l->begin[request + 1]; i++) {
        double sum = 0;
        for (uint32_t r = 0; r < l->n_rankers; r++)
            sum += w->weight[r] * (double)l->z[(size_t)i * l->n_rankers + r];
        score[i - l->begin[request]] = sum;
    }
}

double curve_at(const curve *c, double score)
{
    double sum = c->slope[0] * score;
    for (uint32_t k = 0; k < c->n; k++)
        sum += score > c->knot[k] ? c->slope[1 + k] * (score - c->knot[k]) : 0;
    return sum;
}

double curve_slope(const curve *c, double score)
{
    double sum = c->slope[0];
    for (uint32_t k = 0; k < c->n; k++)
        sum += score > c->knot[k] ? c->slope[1 + k] : 0;
    return sum;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Knots at even shares of the scores, from evenly spread requests; fewer where scores are equal. */
static void place_knots(const lists *l, const way *w, curve *c)
{
    double sample[SAMPLE + EXAMINE_PLACES];
    uint32_t n = 0, step = l->n_rows / SAMPLE + 1;
    for (uint32_t q = 0; q < l->n_requests && n < SAMPLE; q += step) {
        way_score(l, w, q, sample + n);
        n += l->begin[q + 1] - l->begin[q];
    }
    qsort(sample, n, sizeof *sample, by_size);
    for (uint32_t k = 0; k < CURVE_KNOTS; k++) {
        double at = sample[(size_t)n * (k + 1) / (CURVE_KNOTS + 1)];
        if (at > sample[0] && at < sample[n - 1] && (c->n == 0 || at > c->knot[c->n - 1]))
            c->knot[c->n++] = at;
    }
}

/* Slope and curvature of one request's loss. */
static void add_request(const lists *l, const way *w, uint32_t q, const curve *c, double *slope, double curvature[FIT_SIZE][FIT_SIZE])
{
    double score[EXAMINE_PLACES] = {0}, part[EXAMINE_PLACES][SIZE], mean[SIZE] = {0}, square[SIZE][SIZE] = {{0}};
    double most = -INFINITY, all = 0, gain = 0;
    uint32_t from = l->begin[q], n = l->begin[q + 1] - from, m = 1 + c->n;
    way_score(l, w, q, score);
    for (uint32_t i = 0; i < n; i++) {
        part[i][0] = score[i];
        for (uint32_t k = 0; k < c->n; k++)
            part[i][1 + k] = fmax(0, score[i] - c->knot[k]);
        score[i] = curve_at(c, score[i]);
        most = fmax(most, score[i]);
        gain += (double)l->gain[from + i];
    }
    for (uint32_t i = 0; gain > 0 && i < n; i++) {
        double p = exp(score[i] - most);
        all += p;
        for (uint32_t k = 0; k < m; k++) {
            mean[k] += p * part[i][k];
            slope[k] -= (double)l->gain[from + i] * part[i][k];
            for (uint32_t j = 0; j < m; j++)
                square[k][j] += p * part[i][k] * part[i][j];
        }
    }
    for (uint32_t k = 0; gain > 0 && k < m; k++) {
        slope[k] += gain * mean[k] / all;
        for (uint32_t j = 0; j < m; j++)
            curvature[k][j] += gain * (square[k][j] / all - mean[k] * mean[j] / all / all);
    }
}

void curve_fit(const lists *l, const way *w, curve *c)
{
    memset(c, 0, sizeof *c);
    place_knots(l, w, c);
    for (uint32_t step = 0; step < STEPS; step++) {
        double slope[FIT_SIZE] = {0}, largest = 0, trace = 0;
        static const double none[FIT_SIZE][FIT_SIZE];
        double curvature[FIT_SIZE][FIT_SIZE];
        memcpy(curvature, none, sizeof curvature);
        for (uint32_t q = 0; q < l->n_requests; q++)
            add_request(l, w, q, c, slope, curvature);
        for (uint32_t k = 0; k <= c->n; k++)
            trace += curvature[k][k];
        for (uint32_t k = 0; k <= c->n; k++) {
            curvature[k][k] += 1e-4 * trace / (1 + c->n);
            slope[k] += 1e-4 * trace / (1 + c->n) * c->slope[k];
        }
        if (!(trace > 0) || !fit_linear(curvature, slope, 1 + c->n))
            return;
        for (uint32_t k = 0; k <= c->n; k++) {
            double move = fmin(4, fmax(-4, slope[k]));
            c->slope[k] -= move;
            largest = fmax(largest, fabs(move));
        }
        if (largest < 1e-5)
            return;
    }
}
