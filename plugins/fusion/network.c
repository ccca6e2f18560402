/* SPDX-License-Identifier: Apache-2.0 */
/* The gates of one request. What follows is the weighted sum with them as weights. */
#include "network.h"

#include <math.h>
#include <string.h>

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

/* The stage may name the model's rankers in another order; in the same one, one comparison each. */
static bool find_places(const sinter_instance *me, const sinter_fusion_batch *b, uint32_t *place)
{
    if (b->n_rankers != me->n_weights)
        return false;
    for (uint32_t r = 0; r < b->n_rankers; r++) {
        uint32_t k = r;
        if (strcmp(b->ranker[r], me->weight[r].ranker) != 0)
            for (k = 0; k < me->n_weights && strcmp(b->ranker[r], me->weight[k].ranker) != 0;)
                k++;
        if (k == me->n_weights)
            return false;
        place[r] = k;
    }
    return true;
}

sinter_status network_gates(sinter_worker *w, const sinter_fusion_batch *b, sinter_error *err)
{
    const network *m = w->instance->network;
    uint32_t place[SINTER_MAX_RANKERS];
    float x[NETWORK_MOST_INPUTS], hidden[NETWORK_MOST_UNITS];
    if (!find_places(w->instance, b, place))
        return fusion_fail(w->instance, err, "check_rankers comes before fuse", "the stage's rankers are not the model's");
    network_inputs(w, b, place, m->n_context, x);
    memcpy(hidden, m->request_bias, m->n_units * sizeof *hidden);
    for (uint32_t k = 0; k < m->n_inputs; k++) {
        float z = network_standard(x[k], m->mean[k], m->scale[k]);
        const float *row = m->request_weight + (size_t)k * m->n_units;
        for (uint32_t h = 0; h < m->n_units; h++)
            hidden[h] += z * row[h];
    }
    double sum = 0;
    for (uint32_t r = 0; r < b->n_rankers; r++) {
        uint32_t at = place[r];
        const float *row = m->gate_weight + (size_t)at * m->n_units;
        double d = (double)m->gate_bias[at];
        for (uint32_t h = 0; h < m->n_units; h++)
            d += hidden[h] > 0 ? (double)hidden[h] * (double)row[h] : 0;
        w->weight[r] = fmax(0, (double)m->middle[at] + (double)m->reach[at] * (d / (1 + fabs(d))));
        sum += w->weight[r];
    }
    for (uint32_t r = 0; r < b->n_rankers; r++)
        w->weight[r] = sum > 0 ? w->weight[r] / sum : (double)m->middle[place[r]];
    return SINTER_OK;
}
