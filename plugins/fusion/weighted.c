/* SPDX-License-Identifier: Apache-2.0 */
/* The weighted sum: every ranker's scores are calibrated over the list at hand, then added up with weights.
 *
 * A missing score is replaced by a calibrated value (by default the ranker's mean over the list: no opinion neither lifts nor
 * sinks), which counts as bias and not as the ranker's share. An item that no ranker scored gets the lowest score that the
 * method can give in this list. */
#include "fusion.h"

#include <math.h>

static bool has(const sinter_fusion_batch *b, uint32_t row, uint32_t ranker)
{
    return (b->present[row] >> ranker & 1) != 0;
}

/* ---- calibration ---- */

/* A constant list says nothing about its items: all of them get the middle, 0.5 by min-max and 0 by z-score. */
fusion_calibration calibrate_ranker(sinter_worker *w, const sinter_fusion_batch *b, uint32_t ranker)
{
    const sinter_instance *me = w->instance;
    const float *x;
    fusion_calibration c = {.scale = 1, .n = pack_scores(w, b, ranker, &x)};
    if (c.n == 0)
        return c;
    fusion_spread s = spread_of(x, c.n);
    double least = (double)s.least, range = (double)s.most - least;
    c.deviation = s.deviation;
    if (me->calibrate == CALIBRATE_MINMAX) {
        c.shift = least;
        c.scale = range > 0 ? 1 / range : 0;
        c.offset = range > 0 ? 0 : 0.5;
    } else if (me->calibrate == CALIBRATE_ZSCORE) {
        c.shift = s.mean;
        c.scale = c.deviation > 0 ? 1 / c.deviation : 0;
    }
    c.lowest = (least - c.shift) * c.scale + c.offset;
    if (me->missing == MISSING_MEAN)
        c.imputed = (s.mean - c.shift) * c.scale + c.offset;
    else if (me->missing == MISSING_LOWEST)
        c.imputed = c.lowest;
    return c;
}

/* The bound below every score that the method can give in this list. */
static double lowest_of(const sinter_worker *w, uint32_t n_rankers)
{
    fusion_missing missing = w->instance->missing;
    double sum = 0, least = INFINITY;
    for (uint32_t r = 0; r < n_rankers; r++) {
        const fusion_calibration *c = &w->calibration[r];
        sum += w->weight[r] * (missing == MISSING_ZERO ? fmin(0, c->lowest) : c->lowest);
        if (c->n > 0 && w->weight[r] > 0)
            least = fmin(least, c->lowest);
    }
    return missing != MISSING_RENORMALISE ? sum : isfinite(least) ? least * w->weight_sum : 0;
}

/* ---- adding up ---- */

FUSION_WIDE static void add_dense(double *total, const float *x, uint32_t n, double shift, double factor, double constant)
{
    for (uint32_t i = 0; i < n; i++)
        total[i] += ((double)x[i] - shift) * factor + constant;
}

FUSION_WIDE static void add_masked(double *total, const float *x, const uint64_t *present, uint64_t bit, uint32_t n,
                                   const fusion_calibration *c, double weight)
{
    double shift = c->shift, factor = weight * c->scale, constant = weight * c->offset, imputed = weight * c->imputed;
    for (uint32_t i = 0; i < n; i++) {
        double share = ((double)x[i] - shift) * factor + constant;
        total[i] += (present[i] & bit) != 0 ? share : imputed;
    }
}

/* Scales each item's sum from the weights of the rankers that scored it to the weights of all. */
static void renormalise(sinter_worker *w, const sinter_fusion_batch *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        double present = 0;
        for (uint32_t r = 0; r < b->n_rankers; r++)
            present += has(b, i, r) ? w->weight[r] : 0;
        w->present_weight[i] = present;
        w->total[i] = present > 0 ? w->total[i] * (w->weight_sum / present) : w->lowest;
    }
}

void weighted_fuse(sinter_worker *w, const sinter_fusion_batch *b)
{
    bool some_bare = false;
    w->weight_sum = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        w->total[i] = 0;
        some_bare |= b->present[i] == 0;
    }
    for (uint32_t r = 0; r < b->n_rankers; r++) {
        const fusion_calibration *c = &w->calibration[r];
        if (c->n == 0)
            continue; /* nothing to calibrate: the ranker counts for nothing, for every item alike */
        w->weight_sum += w->weight[r];
        if ((w->dense >> r & 1) != 0)
            add_dense(w->total, b->score[r], b->n, c->shift, w->weight[r] * c->scale, w->weight[r] * c->offset);
        else
            add_masked(w->total, b->score[r], b->present, 1ull << r, b->n, c, w->weight[r]);
    }
    w->lowest = lowest_of(w, b->n_rankers);
    if (w->instance->missing == MISSING_RENORMALISE)
        renormalise(w, b);
    for (uint32_t i = 0; some_bare && i < b->n; i++)
        w->total[i] = b->present[i] == 0 ? w->lowest : w->total[i];
}

void weighted_explain(const sinter_worker *w, const sinter_fusion_batch *b, uint32_t row, sinter_share *share, double *bias)
{
    bool renormalised = w->instance->missing == MISSING_RENORMALISE;
    bool bare = b->present[row] == 0 || (renormalised && !(w->present_weight[row] > 0));
    double up = renormalised && !bare ? w->weight_sum / w->present_weight[row] : 1;
    *bias = bare ? w->lowest : 0;
    for (uint32_t r = 0; r < b->n_rankers; r++) {
        const fusion_calibration *c = &w->calibration[r];
        share[r] = (sinter_share){0, 0};
        if (has(b, row, r)) {
            share[r].calibrated = ((double)b->score[r][row] - c->shift) * c->scale + c->offset;
            share[r].contribution = bare ? 0 : share[r].calibrated * w->weight[r] * up;
        } else if (!bare) {
            *bias += c->imputed * w->weight[r];
        }
    }
}
