/* SPDX-License-Identifier: Apache-2.0 */
/* The gate network over a list: what the request gives the hidden layer is computed once, then blocks of items. */
#include "network.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 64 };

/* Scores of a block of items, ranker by ranker in the model's order. */
typedef struct block {
    _Alignas(64) float score[SINTER_MAX_RANKERS][BLOCK]; /* calibrated; what stands in where missing */
    _Alignas(64) float read[SINTER_MAX_RANKERS][BLOCK];  /* the same within NETWORK_CLIP */
    _Alignas(64) float gate[SINTER_MAX_RANKERS][BLOCK];
    _Alignas(64) float total[BLOCK];
} block;

/* ---- the request ---- */

void network_inputs(const sinter_worker *w, const sinter_fusion_batch *b, const uint32_t *place, uint32_t n_context, float *x)
{
    for (uint32_t k = 0; k < n_context; k++)
        x[k] = k < b->n_context ? b->context[k] : NAN;
    for (uint32_t r = 0; r < b->n_rankers; r++) {
        const fusion_calibration *c = &w->calibration[r];
        x[n_context + place[r]] = c->n > 0 ? (float)log(c->deviation + 1e-6) : NAN;
        x[n_context + b->n_rankers + place[r]] = b->n > 0 ? (float)c->n / (float)b->n : NAN;
    }
}

float network_standard(float x, float mean, float scale)
{
    float z = (x - mean) * scale;
    if (!(z == z))
        return 0;
    return z > NETWORK_CLIP ? NETWORK_CLIP : z < -NETWORK_CLIP ? -NETWORK_CLIP : z;
}

static void fill_base(sinter_worker *w, const network *m, const sinter_fusion_batch *b)
{
    float x[NETWORK_MOST_INPUTS];
    network_inputs(w, b, w->place, m->n_context, x);
    memcpy(w->base, m->request_bias, m->n_units * sizeof *w->base);
    for (uint32_t k = 0; k < m->n_inputs; k++) {
        float z = network_standard(x[k], m->mean[k], m->scale[k]);
        const float *row = m->request_weight + (size_t)k * m->n_units;
        for (uint32_t h = 0; h < m->n_units; h++)
            w->base[h] += z * row[h];
    }
}

/* ---- a block ---- */

/* The scores of one ranker for items from..from + n, others 0. */
FUSION_WIDE static void load_dense(float *to, const float *x, uint32_t n, double shift, double scale, double offset)
{
    for (uint32_t i = 0; i < n; i++)
        to[i] = (float)(((double)x[i] - shift) * scale + offset);
}

FUSION_WIDE static void load_masked(float *restrict to, const float *restrict x, const uint64_t *restrict present, uint64_t bit, uint32_t n,
                                    const fusion_calibration *c)
{
    double shift = c->shift, scale = c->scale, offset = c->offset, imputed = c->imputed;
    for (uint32_t i = 0; i < n; i++) {
        double z = ((double)x[i] - shift) * scale + offset;
        to[i] = (float)((present[i] & bit) != 0 ? z : imputed);
    }
}

FUSION_WIDE static void clip_block(float *restrict to, const float *restrict from)
{
    for (uint32_t i = 0; i < BLOCK; i++) {
        float low = from[i] < NETWORK_CLIP ? from[i] : NETWORK_CLIP;
        to[i] = low > -NETWORK_CLIP ? low : -NETWORK_CLIP;
    }
}

static void load_block(const sinter_worker *w, const sinter_fusion_batch *b, uint32_t from, uint32_t n, block *x)
{
    for (uint32_t r = 0; r < b->n_rankers; r++) {
        const fusion_calibration *c = &w->calibration[r];
        float *to = x->score[w->place[r]];
        if ((w->dense >> r & 1) != 0)
            load_dense(to, b->score[r] + from, n, c->shift, c->scale, c->offset);
        else
            load_masked(to, b->score[r] + from, b->present + from, 1ull << r, n, c);
        memset(to + n, 0, (BLOCK - n) * sizeof *to);
        clip_block(x->read[w->place[r]], to);
    }
}

/* A hidden unit at a time over the whole block, then the gates. */
FUSION_WIDE static void score_block(const network *m, const float *base, block *x)
{
    uint32_t n = m->n_rankers, units = m->n_units;
    for (uint32_t r = 0; r < n; r++)
        for (uint32_t i = 0; i < BLOCK; i++)
            x->gate[r][i] = m->gate_bias[r];
    for (uint32_t h = 0; h < units; h++) {
        float hidden[BLOCK];
        for (uint32_t i = 0; i < BLOCK; i++)
            hidden[i] = base[h];
        for (uint32_t r = 0; r < n; r++) {
            float weight = m->score_weight[r * units + h];
            for (uint32_t i = 0; i < BLOCK; i++)
                hidden[i] += weight * x->read[r][i];
        }
        for (uint32_t i = 0; i < BLOCK; i++)
            hidden[i] = hidden[i] > 0 ? hidden[i] : 0;
        for (uint32_t r = 0; r < n; r++) {
            float weight = m->gate_weight[r * units + h];
            for (uint32_t i = 0; i < BLOCK; i++)
                x->gate[r][i] += weight * hidden[i];
        }
    }
    memset(x->total, 0, sizeof x->total);
    for (uint32_t r = 0; r < n; r++)
        for (uint32_t i = 0; i < BLOCK; i++) {
            float d = x->gate[r][i];
            x->gate[r][i] = m->middle[r] + m->reach[r] * (d / (1 + fabsf(d)));
            x->total[i] += x->gate[r][i] * x->score[r][i];
        }
}

/* ---- the list ---- */

/* The stage may name the model's rankers in another order; in the same one, one comparison each. */
static bool find_places(sinter_worker *w, const sinter_fusion_batch *b)
{
    const sinter_instance *me = w->instance;
    if (b->n_rankers != me->n_weights)
        return false;
    for (uint32_t r = 0; r < b->n_rankers; r++) {
        uint32_t k = r;
        if (strcmp(b->ranker[r], me->weight[r].ranker) != 0)
            for (k = 0; k < me->n_weights && strcmp(b->ranker[r], me->weight[k].ranker) != 0;)
                k++;
        if (k == me->n_weights)
            return false;
        w->place[r] = k;
    }
    return true;
}

sinter_status network_fuse(sinter_worker *w, const sinter_fusion_batch *b, sinter_error *err)
{
    const network *m = w->instance->network;
    block x;
    double least = INFINITY;
    bool some_bare = false;
    if (!find_places(w, b))
        return fusion_fail(w->instance, err, "check_rankers comes before fuse", "the stage's rankers are not the model's");
    sinter_status status = fusion_calibrate_list(w, b, err);
    if (status != SINTER_OK)
        return status;
    fill_base(w, m, b);
    for (uint32_t from = 0; from < b->n; from += BLOCK) {
        uint32_t n = b->n - from < BLOCK ? b->n - from : BLOCK;
        load_block(w, b, from, n, &x);
        score_block(m, w->base, &x);
        for (uint32_t i = 0; i < n; i++) {
            bool bare = b->present[from + i] == 0;
            w->total[from + i] = (double)x.total[i];
            least = !bare && w->total[from + i] < least ? w->total[from + i] : least;
            some_bare |= bare;
        }
    }
    w->lowest = isfinite(least) ? least : 0; /* an item that nobody scored passes none that somebody did */
    for (uint32_t i = 0; some_bare && i < b->n; i++)
        w->total[i] = b->present[i] == 0 ? w->lowest : w->total[i];
    return SINTER_OK;
}

void network_explain(const sinter_worker *w, const sinter_fusion_batch *b, uint32_t row, sinter_share *share, double *bias)
{
    block x;
    bool bare = b->present[row] == 0;
    *bias = bare ? w->lowest : 0;
    memset(share, 0, b->n_rankers * sizeof *share);
    if (bare)
        return;
    sinter_worker one = *w; /* the mask, not what holds for the whole list, says what this row has */
    one.dense = 0;
    load_block(&one, b, row, 1, &x);
    score_block(w->instance->network, w->base, &x);
    for (uint32_t r = 0; r < b->n_rankers; r++) {
        double z = (double)x.score[w->place[r]][0], part = (double)x.gate[w->place[r]][0] * z;
        if ((b->present[row] >> r & 1) != 0)
            share[r] = (sinter_share){z, part};
        else
            *bias += part;
    }
}
