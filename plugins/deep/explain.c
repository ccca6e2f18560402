/* SPDX-License-Identifier: Apache-2.0 */
/* Why a score is what it is: integrated gradients (M. Sundararajan, A. Taly and Q. Yan, Axiomatic attribution for deep
 * networks, 2017).
 *
 * From the baseline, where every feature is at its mean and every vector is 0, the inputs go in a straight line to the
 * candidate's. What an input contributes is its difference times the mean slope of the score along that line: summed over all
 * inputs, that is score − baseline. The mean is taken over the middles of SINTER_BLOCK equal steps, one block of the network;
 * what it misses stands in the line "rest". Of a network without activations the slope is the same everywhere, and
 * contributions are exact. */
#include "rank.h"

#include <stdio.h>
#include <string.h>

static sinter_status make_room(sinter_worker *w, sinter_error *err)
{
    const sinter_instance *me = w->instance;
    if (w->back_memory != NULL)
        return SINTER_OK;
    size_t size = trace_size(&me->spec.net, SINTER_BLOCK, true) * sizeof(real);
    w->back_memory = me->host->alloc(me->host, size);
    if (w->back_memory == NULL)
        return deep_no_memory(me->spec.use, err);
    memset(w->back_memory, 0, size);
    trace_place(&w->back, &me->spec.net, SINTER_BLOCK, true, w->back_memory);
    return SINTER_OK;
}

/* The score of inputs x, as score() computes it: a block of the same row. */
static float score_inputs(sinter_worker *w, const real *x)
{
    const sinter_instance *me = w->instance;
    const network *net = &me->spec.net;
    uint32_t step = stride(net->inputs);
    for (uint32_t i = 0; i < SINTER_BLOCK; i++)
        memcpy(w->back.value[0] + (size_t)i * step, x, step * sizeof *x);
    network_forward(net, me->model.parameter, &w->back, SINTER_BLOCK, NULL);
    return score_of(net, w->back.value[net->n_layers][0]);
}

/* share[i] = x[i] × the mean slope of the score by input i along the line from 0 to x. */
static void integrate(sinter_worker *w, const real *x, double *share)
{
    const sinter_instance *me = w->instance;
    const network *net = &me->spec.net;
    uint32_t step = stride(net->inputs);
    for (uint32_t k = 0; k < SINTER_BLOCK; k++)
        for (uint32_t i = 0; i < step; i++)
            w->back.value[0][(size_t)k * step + i] = (real)(((double)k + 0.5) / SINTER_BLOCK * (double)x[i]);
    network_forward(net, me->model.parameter, &w->back, SINTER_BLOCK, NULL);
    const real *z = w->back.value[net->n_layers];
    for (uint32_t k = 0; k < SINTER_BLOCK; k++) {
        double s = sigmoid((double)z[k]);
        w->back.delta[0][k] = net->head_sigmoid ? (real)(s * (1 - s)) : 1;
    }
    const real *dx = network_back(net, me->model.parameter, &w->back, SINTER_BLOCK, NULL, NULL, true);
    memset(share, 0, net->inputs * sizeof *share);
    for (uint32_t k = 0; k < SINTER_BLOCK; k++)
        for (uint32_t i = 0; i < net->inputs; i++)
            share[i] += (double)dx[(size_t)k * step + i];
    for (uint32_t i = 0; i < net->inputs; i++)
        share[i] *= (double)x[i] / SINTER_BLOCK;
}

/* One line for n inputs from `column` on; none where they contribute nothing. Returns what it told. */
static double tell(const sinter_instance *me, sinter_sink *sink, const char *label, const double *share, uint32_t column, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += share[column + i];
    if (sum != 0)
        me->host->explain(sink, label, sum);
    return sum;
}

static const char *vector_name(const deep_spec *s, uint32_t which)
{
    return which == DEEP_MOST_EMBEDDINGS ? DEEP_HISTORY : s->embedding[which].name;
}

static double tell_all(const sinter_instance *me, sinter_sink *sink, const double *share)
{
    const deep_spec *s = &me->spec;
    char label[2 * DEEP_NAME + 16];
    double sum = 0;
    for (uint32_t i = 0; i < s->n_features; i++) {
        sum += tell(me, sink, s->feature[i], share, i, 1);
        if (s->has_indicators) {
            snprintf(label, sizeof label, "%s is missing", s->feature[i]);
            sum += tell(me, sink, label, share, s->n_features + i, 1);
        }
    }
    for (uint32_t i = 0; i < s->n_embeddings; i++)
        sum += tell(me, sink, s->embedding[i].name, share, s->embedding[i].column, s->embedding[i].dimension);
    if (s->has_pool)
        sum += tell(me, sink, DEEP_HISTORY, share, s->history_column, s->embedding[s->item].dimension);
    for (uint32_t i = 0; i < s->n_products; i++) {
        const product *p = &s->product[i];
        snprintf(label, sizeof label, "%s × %s", vector_name(s, p->of), vector_name(s, p->with));
        sum += tell(me, sink, label, share, p->column, p->dimension);
    }
    return sum;
}

sinter_status deep_explain(const sinter_instance *me, sinter_worker *w, const sinter_batch *b, uint32_t row, sinter_sink *sink,
                           sinter_error *err)
{
    const network *net = &me->spec.net;
    sinter_status status = make_room(w, err);
    if (status != SINTER_OK)
        return status;
    if (me->model.host == NULL || row >= b->n)
        return deep_fail(&me->spec, err, SINTER_INVALID, "explain a row of the block that was scored", "no row %u to explain", row);
    uint32_t step = stride(net->inputs);
    real *x = me->host->scratch(me->host, step * sizeof *x);
    double *share = me->host->scratch(me->host, net->inputs * sizeof *share);
    if (x == NULL || share == NULL)
        return deep_no_memory(me->spec.use, err);
    rank_prepare(w, b);
    rank_inputs(w, b, row, x);
    double score = (double)score_inputs(w, x), sum;
    integrate(w, x, share);
    memset(x, 0, step * sizeof *x);
    sum = (double)score_inputs(w, x);
    me->host->explain(sink, "baseline", sum);
    sum += tell_all(me, sink, share);
    me->host->explain(sink, "rest", score - sum);
    return SINTER_OK;
}
