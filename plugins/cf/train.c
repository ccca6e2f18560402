/* SPDX-License-Identifier: Apache-2.0 */
/* The trainer: what people did, as a matrix of people × items, becomes the model. Data that nothing can be learnt from gets a
 * verdict by name, not a model that ranks at random. */
#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WHERE "training data"

bool cf_progress(cf_data *d, uint64_t done, uint64_t total)
{
    const sinter_train_args *a = d->args;
    if (a->progress != NULL && a->progress(a->progress_ctx, done, total, NULL, 0))
        d->cancelled = true;
    return d->cancelled;
}

/* ---- verdicts ---- */

typedef struct facts {
    uint64_t events, positive; /* pairs of a person and an item; those with a weight above 0 */
    uint32_t people, items;    /* with a positive pair */
    bool all_same;             /* everybody has the very same items */
} facts;

static bool same_positives(const sinter_csr *m, uint32_t a, uint32_t b)
{
    uint64_t p = m->offset[a], q = m->offset[b];
    for (;; p++, q++) {
        while (p < m->offset[a + 1] && !(m->weight[p] > 0))
            p++;
        while (q < m->offset[b + 1] && !(m->weight[q] > 0))
            q++;
        bool p_ends = p == m->offset[a + 1], q_ends = q == m->offset[b + 1];
        if (p_ends || q_ends)
            return p_ends && q_ends;
        if (m->column[p] != m->column[q])
            return false;
    }
}

static bool has_positive(const sinter_csr *m, uint32_t row)
{
    for (uint64_t p = m->offset[row]; p < m->offset[row + 1]; p++)
        if (m->weight[p] > 0)
            return true;
    return false;
}

static void look(cf_data *d, facts *f)
{
    const sinter_csr *m = &d->by_user;
    uint32_t first = UINT32_MAX;
    *f = (facts){.events = m->offset[m->n_rows], .all_same = true};
    d->newest_ms = INT64_MIN;
    for (uint64_t p = 0; p < f->events; p++) {
        if (m->time_ms[p] > d->newest_ms)
            d->newest_ms = m->time_ms[p];
        if (m->weight[p] > 0) {
            f->positive++;
            f->items += d->support[m->column[p]]++ == 0;
        }
    }
    for (uint32_t u = 0; u < m->n_rows; u++) {
        if (!has_positive(m, u))
            continue;
        f->people++;
        if (first == UINT32_MAX)
            first = u;
        else if (f->all_same)
            f->all_same = same_positives(m, first, u);
    }
}

static sinter_status judge(const facts *f, sinter_error *err)
{
    if (f->events == 0)
        return cf_fail(err, SINTER_PRECONDITION, WHERE, "record events first: sinter events import, or RecordEvents",
                       "the range holds no events on items of the catalogue");
    if (f->positive == 0)
        return cf_fail(err, SINTER_PRECONDITION, WHERE, "give event types that speak for an item a weight above 0",
                       "none of %llu pairs of a person and an item has a weight above 0", (unsigned long long)f->events);
    if (f->people == 1)
        return cf_fail(err, SINTER_PRECONDITION, WHERE, "train when more people have acted",
                       "all %llu pairs are one person's: nobody to learn from", (unsigned long long)f->positive);
    if (f->items == 1)
        return cf_fail(err, SINTER_PRECONDITION, WHERE, "train when more items were acted on",
                       "all %u people acted on one and the same item: no two to compare", f->people);
    if (f->all_same)
        return cf_fail(err, SINTER_PRECONDITION, WHERE, "train when people differ",
                       "all %u people acted on the same %u items: nothing tells the items apart", f->people, f->items);
    return SINTER_OK;
}

/* ---- training ---- */

static void report(cf_data *d, const facts *f, uint64_t pairs)
{
    const sinter_train_args *a = d->args;
    const struct {
        const char *name;
        double value;
    } metrics[] = {{"people", f->people}, {"items", f->items}, {"events", (double)f->positive}, {"neighbours", (double)pairs}};
    for (size_t i = 0; a->progress != NULL && i < sizeof metrics / sizeof *metrics; i++)
        a->progress(a->progress_ctx, 1, 1, metrics[i].name, metrics[i].value);
}

static sinter_status finish(cf_data *d, const facts *f, rows *r, sinter_error *err)
{
    const sinter_train_args *a = d->args;
    cf_model model;
    sinter_status status = SINTER_OK;
    if (!rows_finish(r, &model))
        return cf_fail(err, SINTER_EXHAUSTED, "the model", "set neighbours: 200, or give training more memory", "no memory for the model");
    model.support = d->support;
    uint64_t pairs = model.offset[model.n_items];
    if (pairs == 0)
        status = cf_fail(err, SINTER_PRECONDITION, "min_support", "lower min_support, or train on more",
                         "no two of %u items share %u people: there are no neighbours", f->items, d->settings->min_support);
    else
        status = cf_model_write(a->host, a->out_dir, &model, d->settings, err);
    if (status == SINTER_OK)
        report(d, f, pairs);
    free((void *)(uintptr_t)model.offset);
    free((void *)(uintptr_t)model.neighbour);
    free((void *)(uintptr_t)model.weight);
    return status;
}

static sinter_status learn(cf_data *d, const facts *f, sinter_error *err)
{
    rows r;
    if (!rows_begin(&r, d->by_item.n_rows, d->settings->neighbours, d->args->memory_limit))
        return cf_fail(err, SINTER_EXHAUSTED, "the model", "give training more memory", "no memory for %u items", d->by_item.n_rows);
    sinter_status status = (d->settings->method == CF_EASE ? ease_train : knn_train)(d, &r, err);
    if (status == SINTER_OK)
        status = finish(d, f, &r, err);
    rows_free(&r);
    return status;
}

static sinter_status train(const sinter_train_args *a, sinter_error *err)
{
    cf_data d = {.args = a, .settings = &a->instance->settings};
    facts f;
    sinter_status status = a->data->csr(a->train, false, &d.by_user, err);
    if (status == SINTER_OK)
        status = a->data->csr(a->train, true, &d.by_item, err);
    if (status != SINTER_OK)
        return status;
    d.support = calloc((size_t)d.by_item.n_rows + 1, sizeof *d.support);
    if (d.support == NULL)
        return cf_fail(err, SINTER_EXHAUSTED, WHERE, "give training more memory", "no memory for %u items", d.by_item.n_rows);
    look(&d, &f);
    status = judge(&f, err);
    if (status == SINTER_OK)
        status = learn(&d, &f, err);
    free(d.support);
    return status;
}

const sinter_trainer cf_trainer = {.size = sizeof(sinter_trainer), .train = train};
