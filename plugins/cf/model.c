/* SPDX-License-Identifier: Apache-2.0 */
/* The model on disk: a sparse matrix as three tensors, and how many people had each item. */
#include "cf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static sinter_status damaged(const char *dir, const char *what, uint64_t at, sinter_error *err)
{
    char where[384];
    snprintf(where, sizeof where, "%s/%s", dir, CF_FILE);
    return cf_fail(err, SINTER_DATA_LOSS, where, "train the model again, or deploy another version", "%s (at %llu)", what,
                   (unsigned long long)at);
}

/* The matrix may be from anywhere: no index in it is believed. */
static sinter_status check(const char *dir, const cf_model *m, uint64_t n_pairs, sinter_error *err)
{
    if (m->offset[0] != 0 || m->offset[m->n_items] != n_pairs)
        return damaged(dir, "offset does not span neighbour", 0, err);
    for (uint32_t h = 0; h < m->n_items; h++)
        if (m->offset[h] > m->offset[h + 1])
            return damaged(dir, "offset falls", h, err);
    for (uint32_t h = 0; h < m->n_items; h++)
        for (uint64_t p = m->offset[h]; p < m->offset[h + 1]; p++) {
            if (m->neighbour[p] >= m->n_items || (p > m->offset[h] && m->neighbour[p] <= m->neighbour[p - 1]))
                return damaged(dir, "neighbour is not an ascending ordinal", p, err);
            if (!isfinite(m->weight[p]))
                return damaged(dir, "weight is not finite", p, err);
        }
    return SINTER_OK;
}

sinter_status cf_model_read(const sinter_host *host, const char *dir, cf_model *out, sinter_error *err)
{
    const sinter_tensor *offset = NULL, *neighbour = NULL, *weight = NULL, *support = NULL;
    sinter_status status = host->tensor(host, dir, CF_FILE, "offset", SINTER_TENSOR_U64, 1, (uint64_t[]){0}, &offset, err);
    if (status == SINTER_OK && (offset->dimension[0] < 2 || offset->dimension[0] > UINT32_MAX))
        status = damaged(dir, "offset has no usable size", offset->dimension[0], err);
    if (status == SINTER_OK)
        status = host->tensor(host, dir, CF_FILE, "neighbour", SINTER_TENSOR_U32, 1, (uint64_t[]){0}, &neighbour, err);
    if (status == SINTER_OK)
        status = host->tensor(host, dir, CF_FILE, "weight", SINTER_TENSOR_F32, 1, neighbour->dimension, &weight, err);
    if (status == SINTER_OK)
        status = host->tensor(host, dir, CF_FILE, "support", SINTER_TENSOR_U32, 1, (uint64_t[]){offset->dimension[0] - 1}, &support,
                              err);
    if (status != SINTER_OK)
        return status;
    *out = (cf_model){.n_items = (uint32_t)offset->dimension[0] - 1,
                      .offset = offset->data,
                      .neighbour = neighbour->data,
                      .weight = weight->data,
                      .support = support->data};
    return check(dir, out, neighbour->dimension[0], err);
}

/* What training depends on, as text: kept beside the weights, and compared when a pipeline opens them. */
enum { FACTS = 7, FACT = 32 };
typedef struct facts {
    const char *key[FACTS];
    char value[FACTS][FACT];
} facts;

static void describe(const cf_settings *s, facts *f)
{
    *f = (facts){.key = {"method", "similarity", "weights", "lambda", "neighbours", "min_support", "train_half_life_days"}};
    bool ease = s->method == CF_EASE;
    snprintf(f->value[0], FACT, "%s", cf_methods[s->method]);
    snprintf(f->value[1], FACT, "%s", ease ? "-" : cf_similarities[s->similarity]);
    snprintf(f->value[2], FACT, "%s", ease ? cf_weightings[s->weights] : "-");
    snprintf(f->value[3], FACT, ease ? "%.9g" : "-", s->lambda);
    snprintf(f->value[4], FACT, "%u", s->neighbours);
    snprintf(f->value[5], FACT, "%u", s->min_support);
    snprintf(f->value[6], FACT, ease ? "%.9g" : "-", s->train_half_life);
}

sinter_status cf_model_write(const sinter_host *host, const char *dir, const cf_model *m, const cf_settings *s, sinter_error *err)
{
    uint64_t n = m->n_items, pairs = m->offset[n];
    const sinter_tensor tensors[] = {
        {.name = "offset", .type = SINTER_TENSOR_U64, .n_dimensions = 1, .dimension = {n + 1}, .data = m->offset},
        {.name = "neighbour", .type = SINTER_TENSOR_U32, .n_dimensions = 1, .dimension = {pairs}, .data = m->neighbour},
        {.name = "weight", .type = SINTER_TENSOR_F32, .n_dimensions = 1, .dimension = {pairs}, .data = m->weight},
        {.name = "support", .type = SINTER_TENSOR_U32, .n_dimensions = 1, .dimension = {n}, .data = m->support},
    };
    facts f;
    const char *text[2 * FACTS + 1] = {NULL};
    describe(s, &f);
    for (uint32_t i = 0; i < FACTS; i++) {
        text[2 * i] = f.key[i];
        text[2 * i + 1] = f.value[i];
    }
    return host->tensors_write(host, dir, CF_FILE, tensors, sizeof tensors / sizeof *tensors, text, err);
}

void cf_model_compare(const sinter_host *host, const char *dir, const cf_settings *s, const char *use)
{
    facts f;
    describe(s, &f);
    for (uint32_t i = 0; i < FACTS; i++) {
        const char *was = host->tensors_text(host, dir, CF_FILE, f.key[i]);
        char message[384];
        bool of_both = was != NULL && strcmp(was, "-") != 0 && strcmp(f.value[i], "-") != 0;
        if (!of_both || strcmp(was, f.value[i]) == 0)
            continue;
        snprintf(message, sizeof message, "%s: the model was trained with %s %.40s, the pipeline says %s: it acts at the next training",
                 use, f.key[i], was, f.value[i]);
        host->log(host, SINTER_LOG_WARN, message);
    }
}
