/* SPDX-License-Identifier: Apache-2.0 */
/* The trainer. Where a later part is kept for validation, a first model is made of the earlier part and measured on the later
 * one; the model that is written is made of both: what people did last says most about what they will do next. */
#include "train.h"

#include <math.h>
#include <stdlib.h>

bool cf_progress(cf_training *t, uint64_t done, uint64_t total)
{
    const sinter_train_args *a = t->args;
    if (a->progress != NULL && a->progress(a->progress_ctx, t->part * total + done, t->parts * total, NULL, 0))
        t->cancelled = true;
    return t->cancelled;
}

static void model_free(cf_model *m)
{
    free((void *)(uintptr_t)m->offset);
    free((void *)(uintptr_t)m->neighbour);
    free((void *)(uintptr_t)m->weight);
    *m = (cf_model){0};
}

/* A model of `data`; it borrows the data's support. */
static sinter_status learn(cf_training *t, cf_matrix *data, cf_model *out, sinter_error *err)
{
    rows r;
    uint32_t n_items = data->by_item.n_rows;
    t->data = data;
    *out = (cf_model){0};
    if (!rows_begin(&r, n_items, t->settings->neighbours, t->args->memory_limit))
        return cf_fail(err, SINTER_EXHAUSTED, "the model", "give training more memory", "no memory for %u items", n_items);
    sinter_status status = (t->settings->method == CF_EASE ? ease_train : knn_train)(t, &r, err);
    if (status == SINTER_OK && !rows_finish(&r, out))
        status = cf_fail(err, SINTER_EXHAUSTED, "the model", "set neighbours: 200, or give training more memory",
                         "no memory for the model");
    rows_free(&r);
    out->support = data->support;
    if (status == SINTER_OK && out->offset[n_items] == 0) {
        model_free(out);
        status = cf_fail(err, SINTER_PRECONDITION, "min_support", "lower min_support, or train on more",
                         "no two of %u items share %u people: there are no neighbours", data->items, t->settings->min_support);
    }
    return status;
}

static void report(const cf_training *t, const char *metric, double value)
{
    const sinter_train_args *a = t->args;
    if (a->progress != NULL)
        a->progress(a->progress_ctx, 1, 1, metric, value);
}

/* An earlier part that says nothing by itself costs the figure, not the model. */
static sinter_status measure(cf_training *t, cf_matrix *before, const cf_matrix *later, double *ndcg, sinter_error *err)
{
    sinter_error ignored = SINTER_ERROR_INIT;
    cf_model model;
    *ndcg = (double)NAN;
    if (matrix_judge(before, &ignored) != SINTER_OK)
        return SINTER_OK;
    sinter_status status = learn(t, before, &model, err);
    if (status == SINTER_OK)
        status = cf_validate(t, &model, before, later, ndcg, err);
    model_free(&model);
    return status == SINTER_PRECONDITION ? SINTER_OK : status;
}

static sinter_status write(cf_training *t, cf_matrix *data, double ndcg, sinter_error *err)
{
    cf_model model;
    sinter_status status = learn(t, data, &model, err);
    if (status == SINTER_OK)
        status = cf_model_write(t->args->host, t->args->out_dir, &model, t->settings, err);
    if (status == SINTER_OK) {
        report(t, "people", data->people);
        report(t, "items", data->items);
        report(t, "pairs", (double)data->positive);
        report(t, "neighbours", (double)model.offset[model.n_items]);
        if (isfinite(ndcg))
            report(t, "ndcg@10", ndcg);
    }
    model_free(&model);
    return status;
}

static sinter_status train_both(cf_training *t, cf_matrix *before, cf_matrix *later, sinter_error *err)
{
    cf_matrix all;
    double ndcg;
    sinter_status status = matrix_merge(before, later, &all, err);
    if (status == SINTER_OK)
        status = matrix_judge(&all, err);
    if (status == SINTER_OK)
        status = measure(t, before, later, &ndcg, err);
    t->part = 1;
    if (status == SINTER_OK)
        status = write(t, &all, ndcg, err);
    matrix_free(&all);
    return status;
}

static sinter_status train(const sinter_train_args *a, sinter_error *err)
{
    uint32_t threads = a->threads > MOST_THREADS ? MOST_THREADS : a->threads > 0 ? a->threads : 1;
    cf_training t = {.args = a, .settings = &a->instance->settings, .threads = threads, .parts = 1};
    cf_matrix before, later = {0};
    sinter_status status = matrix_read(a, a->train, &before, err);
    if (status == SINTER_OK && a->valid != NULL)
        status = matrix_read(a, a->valid, &later, err);
    if (status == SINTER_OK && later.pairs > 0) {
        t.parts = 2;
        status = train_both(&t, &before, &later, err);
    } else if (status == SINTER_OK && (status = matrix_judge(&before, err)) == SINTER_OK) {
        status = write(&t, &before, (double)NAN, err);
    }
    matrix_free(&before);
    matrix_free(&later);
    return status;
}

const sinter_trainer cf_trainer = {.size = sizeof(sinter_trainer), .train = train};
