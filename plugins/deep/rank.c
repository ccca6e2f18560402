/* SPDX-License-Identifier: Apache-2.0 */
/* The ranker: blocks of one constant size through the network, so that a score depends on the candidate alone. */
#include "rank.h"

#include <string.h>

sinter_status deep_worker_open(const sinter_instance *me, sinter_worker **out, sinter_error *err)
{
    const sinter_host *host = me->host;
    const network *net = &me->spec.net;
    sinter_worker *w = host->alloc(host, sizeof *w);
    if (w == NULL)
        return deep_no_memory(me->spec.use, err);
    memset(w, 0, sizeof *w);
    w->instance = me;
    size_t size = trace_size(net, SINTER_BLOCK, false) * sizeof(real);
    w->memory = host->alloc(host, size);
    w->feature = host->alloc(host, (me->spec.n_features + 1) * sizeof *w->feature);
    if (w->memory == NULL || w->feature == NULL) {
        deep_worker_close(w);
        return deep_no_memory(me->spec.use, err);
    }
    memset(w->memory, 0, size);
    trace_place(&w->trace, net, SINTER_BLOCK, false, w->memory);
    *out = w;
    return SINTER_OK;
}

void deep_worker_close(sinter_worker *w)
{
    const sinter_host *host = w->instance->host;
    void *const all[] = {w->memory, w->back_memory, w->feature, w};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] != NULL)
            host->free(host, all[i]);
}

void rank_prepare(sinter_worker *w, const sinter_batch *b)
{
    const deep_model *m = &w->instance->model;
    side_read(m->spec, b->user, w->side);
    if (!m->spec->has_pool)
        return;
    uint32_t n = history_read(m->spec, m->rows, b->user, w->history_id, w->share);
    history_pool(m, n, w->history_id, w->share, w->pooled);
}

bool rank_inputs(sinter_worker *w, const sinter_batch *b, uint32_t row, real *x)
{
    const deep_model *m = &w->instance->model;
    inputs_read(m->spec, m->rows, b, row, w->side, w->feature, w->id);
    inputs_fill(m, w->feature, w->id, w->pooled, x);
    return inputs_known(m->spec, w->id);
}

static sinter_status score(const sinter_instance *me, sinter_worker *w, const sinter_batch *b, float *out, sinter_error *err)
{
    const network *net = &me->spec.net;
    uint32_t step = stride(net->inputs);
    if (me->model.host == NULL)
        return deep_fail(&me->spec, err, SINTER_PRECONDITION, "name its model: model: NAME/latest", "the network has no weights");
    rank_prepare(w, b);
    for (uint32_t first = 0; first < b->n; first += SINTER_BLOCK) {
        uint32_t n = b->n - first < SINTER_BLOCK ? b->n - first : SINTER_BLOCK;
        real *x = w->trace.value[0];
        bool known[SINTER_BLOCK];
        for (uint32_t i = 0; i < n; i++)
            known[i] = rank_inputs(w, b, first + i, x + (size_t)i * step);
        for (uint32_t i = n; i < SINTER_BLOCK; i++)
            memcpy(x + (size_t)i * step, x + (size_t)(n - 1) * step, step * sizeof *x);
        network_forward(net, me->model.parameter, &w->trace, SINTER_BLOCK, NULL);
        const real *z = w->trace.value[net->n_layers];
        for (uint32_t i = 0; i < n; i++)
            out[first + i] = known[i] ? score_of(net, z[i]) : SINTER_MISSING;
    }
    return SINTER_OK;
}

const sinter_ranker deep_ranker = {.size = sizeof(sinter_ranker), .score = score, .explain = deep_explain};
