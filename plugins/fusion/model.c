/* SPDX-License-Identifier: Apache-2.0 */
/* A trained fusion on disk: weights.safetensors with the weights, and the gate network where training found that it helps. Its text
 * says what the numbers are for: the rankers in order, the gate's features, how scores are calibrated. A stage that differs is
 * refused by name, not served wrongly. */
#include "network.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MOST 1e6f /* of any weight, in absolute value */

static const char *const calibrations[] = {"minmax", "zscore", "none"};
static const char *const missings[] = {"mean", "lowest", "zero", "renormalise"};

/* Names joined with commas, which no name has in it; false: too long. */
static bool join(const char *const *name, uint32_t n, char *to, size_t room)
{
    size_t at = 0;
    *to = 0;
    for (uint32_t i = 0; i < n; i++) {
        int written = snprintf(to + at, room - at, "%s%s", i > 0 ? "," : "", name[i]);
        if (written < 0 || (size_t)written >= room - at)
            return false;
        at += (size_t)written;
    }
    return true;
}

/* ---- writing ---- */

static void add(sinter_tensor *tensor, uint32_t *n, const char *name, sinter_tensor_type type, uint64_t rows, uint64_t columns,
                const void *data)
{
    tensor[(*n)++] = (sinter_tensor){.name = name, .type = type, .n_dimensions = columns > 0 ? 2 : 1,
                                     .dimension = {rows, columns}, .data = data};
}

sinter_status model_write(const sinter_instance *me, const char *dir, const trained *t, sinter_error *err)
{
    static const char too_long[] = "the names of the rankers or of the gate's features are too long together";
    char rankers[SINTER_MAX_RANKERS * FUSION_NAME], gate[NETWORK_MOST_CONTEXT * FUSION_NAME];
    sinter_tensor tensor[16];
    uint32_t n = 0;
    const network *m = t->network;
    if (!join(t->ranker, t->n_rankers, rankers, sizeof rankers) || !join(me->gate, me->n_gate, gate, sizeof gate))
        return fusion_fail(me, err, "use shorter names", "%s", too_long);
    add(tensor, &n, "weight", SINTER_TENSOR_F64, t->n_rankers, 0, t->weight);
    if (m != NULL) {
        add(tensor, &n, "mean", SINTER_TENSOR_F32, m->n_inputs, 0, m->mean);
        add(tensor, &n, "scale", SINTER_TENSOR_F32, m->n_inputs, 0, m->scale);
        add(tensor, &n, "request_weight", SINTER_TENSOR_F32, m->n_inputs, m->n_units, m->request_weight);
        add(tensor, &n, "request_bias", SINTER_TENSOR_F32, m->n_units, 0, m->request_bias);
        add(tensor, &n, "gate_weight", SINTER_TENSOR_F32, m->n_rankers, m->n_units, m->gate_weight);
        add(tensor, &n, "gate_bias", SINTER_TENSOR_F32, m->n_rankers, 0, m->gate_bias);
        add(tensor, &n, "middle", SINTER_TENSOR_F32, m->n_rankers, 0, m->middle);
        add(tensor, &n, "reach", SINTER_TENSOR_F32, m->n_rankers, 0, m->reach);
    }
    const char *const text[] = {"rankers", rankers, "gate", gate, "calibrate", calibrations[me->calibrate],
                                "missing", missings[me->missing], "network", m != NULL ? "1" : "0", NULL};
    return me->host->tensors_write(me->host, dir, MODEL_FILE, tensor, n, text, err);
}

/* ---- reading ---- */

static sinter_status refuse(const sinter_instance *me, const char *dir, sinter_error *err, const char *what, const char *has,
                            const char *wants)
{
    err->status = SINTER_PRECONDITION;
    snprintf(err->what, sizeof err->what, "the model was trained with %.60s '%.120s'; this use has '%.120s'", what, has, wants);
    snprintf(err->where, sizeof err->where, "%.100s: %.200s/%s", me->use, dir, MODEL_FILE);
    snprintf(err->fix, sizeof err->fix, "make them the same, or train anew: sinter train PIPELINE.fuse");
    return SINTER_PRECONDITION;
}

static sinter_status check_text(const sinter_instance *me, const char *dir, const char *key, const char *wants, sinter_error *err)
{
    const char *has = me->host->tensors_text(me->host, dir, MODEL_FILE, key);
    if (has == NULL)
        has = "nothing";
    return strcmp(has, wants) == 0 ? SINTER_OK : refuse(me, dir, err, key, has, wants);
}

static sinter_status read_rankers(sinter_instance *me, const char *dir, sinter_error *err)
{
    const char *at = me->host->tensors_text(me->host, dir, MODEL_FILE, "rankers");
    while (at != NULL && *at != 0) {
        size_t length = strcspn(at, ",");
        if (length == 0 || length >= FUSION_NAME || me->n_weights == SINTER_MAX_RANKERS)
            break;
        snprintf(me->weight[me->n_weights++].ranker, FUSION_NAME, "%.*s", (int)length, at);
        at += length;
        at += *at == ',';
    }
    if (at == NULL || *at != 0 || me->n_weights == 0)
        return refuse(me, dir, err, "rankers", at == NULL ? "nothing" : at, "names, separated by commas");
    return SINTER_OK;
}

static sinter_status read_weights(sinter_instance *me, const char *dir, sinter_error *err)
{
    const sinter_tensor *t;
    double sum = 0;
    sinter_status status = me->host->tensor(me->host, dir, MODEL_FILE, "weight", SINTER_TENSOR_F64, 1,
                                            (uint64_t[]){me->n_weights}, &t, err);
    if (status != SINTER_OK)
        return status;
    for (uint32_t r = 0; r < me->n_weights; r++) {
        me->weight[r].weight = ((const double *)t->data)[r];
        if (!(me->weight[r].weight >= 0 && me->weight[r].weight <= 1))
            return refuse(me, dir, err, "a weight outside 0 to 1 for", me->weight[r].ranker, "weights that sum to 1");
        sum += me->weight[r].weight;
    }
    if (!(fabs(sum - 1) < 1e-6))
        return refuse(me, dir, err, "weights of", "another sum", "weights that sum to 1");
    return SINTER_OK;
}

static sinter_status read_network(sinter_instance *me, const char *dir, sinter_error *err)
{
    const sinter_host *host = me->host;
    network *m = host->alloc(host, sizeof *m);
    if (m == NULL)
        return fusion_no_memory(me->use, err);
    memset(m, 0, sizeof *m);
    me->network = m;
    m->n_rankers = me->n_weights;
    m->n_context = me->n_gate;
    m->n_inputs = m->n_context + 2 * m->n_rankers;
    const sinter_tensor *units;
    sinter_status status = host->tensor(host, dir, MODEL_FILE, "request_bias", SINTER_TENSOR_F32, 1, (uint64_t[]){0}, &units, err);
    if (status != SINTER_OK)
        return status;
    if (units->dimension[0] == 0 || units->dimension[0] > NETWORK_MOST_UNITS)
        return refuse(me, dir, err, "units", "none, or too many", "1 to 64");
    m->n_units = (uint32_t)units->dimension[0];
    const struct {
        const char *name;
        uint64_t rows, columns;
        const float **to;
    } parts[] = {
        {"mean", m->n_inputs, 0, &m->mean},
        {"scale", m->n_inputs, 0, &m->scale},
        {"request_weight", m->n_inputs, m->n_units, &m->request_weight},
        {"request_bias", m->n_units, 0, &m->request_bias},
        {"gate_weight", m->n_rankers, m->n_units, &m->gate_weight},
        {"gate_bias", m->n_rankers, 0, &m->gate_bias},
        {"middle", m->n_rankers, 0, &m->middle},
        {"reach", m->n_rankers, 0, &m->reach},
    };
    for (uint32_t i = 0; status == SINTER_OK && i < sizeof parts / sizeof *parts; i++) {
        const sinter_tensor *t;
        status = host->tensor(host, dir, MODEL_FILE, parts[i].name, SINTER_TENSOR_F32, parts[i].columns > 0 ? 2 : 1,
                              (uint64_t[]){parts[i].rows, parts[i].columns}, &t, err);
        if (status == SINTER_OK)
            *parts[i].to = t->data;
    }
    /* Whatever the numbers, gates must be finite: a list is not fused by what overflows. */
    for (uint32_t i = 0; status == SINTER_OK && i < sizeof parts / sizeof *parts; i++)
        for (uint64_t k = 0; k < parts[i].rows * (parts[i].columns > 0 ? parts[i].columns : 1); k++)
            if (!(fabsf((*parts[i].to)[k]) <= MOST))
                return refuse(me, dir, err, "a number beyond a million in", parts[i].name, "what training writes");
    return status;
}

sinter_status model_read(sinter_instance *me, const char *dir, sinter_error *err)
{
    char gate[NETWORK_MOST_CONTEXT * FUSION_NAME];
    const sinter_tensor *all;
    uint32_t n;
    sinter_status status = me->host->tensors_read(me->host, dir, MODEL_FILE, &all, &n, err);
    if (status == SINTER_OK)
        status = check_text(me, dir, "calibrate", calibrations[me->calibrate], err);
    if (status == SINTER_OK)
        status = check_text(me, dir, "missing", missings[me->missing], err);
    if (status == SINTER_OK && !join(me->gate, me->n_gate, gate, sizeof gate))
        status = fusion_fail(me, err, "name fewer", "the names of the gate's features are too long together");
    if (status == SINTER_OK)
        status = check_text(me, dir, "gate", gate, err);
    if (status == SINTER_OK)
        status = read_rankers(me, dir, err);
    if (status == SINTER_OK)
        status = read_weights(me, dir, err);
    me->trained = true;
    const char *has_network = status == SINTER_OK ? me->host->tensors_text(me->host, dir, MODEL_FILE, "network") : NULL;
    if (has_network != NULL && strcmp(has_network, "1") == 0) {
        if (me->method != FUSION_NETWORK)
            return refuse(me, dir, err, "method", "network", "weighted");
        status = read_network(me, dir, err);
    }
    return status;
}
