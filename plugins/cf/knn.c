/* SPDX-License-Identifier: Apache-2.0 */
/* Item neighbourhoods: two items are near when the same people had them. With c(a, b) people who had both and c(a) who had a:
 *
 *     jaccard c(a,b) / (c(a) + c(b) − c(a,b))    cosine c(a,b) / √(c(a) c(b))    lift c(a,b) / (c(a) c(b))    cooccurrence c(a,b)
 *
 * Had means: the events' weights sum to more than 0. An item is no neighbour of itself. */
#include "train.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS_A_STEP = 1024 };

typedef struct counter {
    uint32_t *shared;  /* [n_items] people shared with the row's item */
    uint32_t *touched; /* [n_items] */
    row_entry *entry;  /* [n_items] */
} counter;

typedef struct knn {
    cf_training *training;
    const cf_matrix *data;
    rows *out;
    counter *counter; /* [threads] */
    uint32_t first;   /* row of this step */
} knn;

static double similarity(cf_similarity kind, double shared, double a, double b)
{
    switch (kind) {
    case CF_COSINE: return shared / sqrt(a * b);
    case CF_LIFT: return shared / (a * b);
    case CF_COOCCURRENCE: return shared;
    default: return shared / (a + b - shared);
    }
}

/* Everybody who had the item, and what else they had. */
static uint32_t count_shared(const cf_matrix *d, counter *c, uint32_t item)
{
    uint32_t n = 0;
    for (uint64_t p = d->by_item.offset[item]; p < d->by_item.offset[item + 1]; p++) {
        if (!(d->by_item.weight[p] > 0))
            continue;
        uint32_t user = d->by_item.column[p];
        for (uint64_t q = d->by_user.offset[user]; q < d->by_user.offset[user + 1]; q++) {
            uint32_t other = d->by_user.column[q];
            if (d->by_user.weight[q] > 0 && c->shared[other]++ == 0)
                c->touched[n++] = other;
        }
    }
    return n;
}

static void make_row(void *context, uint32_t thread, uint32_t i)
{
    knn *k = context;
    const cf_matrix *d = k->data;
    const cf_settings *s = k->training->settings;
    counter *c = &k->counter[thread];
    uint32_t item = k->first + i, n = 0;
    uint32_t touched = count_shared(d, c, item);
    for (uint32_t t = 0; t < touched; t++) {
        uint32_t other = c->touched[t], shared = c->shared[other];
        c->shared[other] = 0;
        if (other == item || shared < s->min_support)
            continue;
        c->entry[n++] = (row_entry){(float)similarity(s->similarity, shared, d->support[item], d->support[other]), other};
    }
    rows_set(k->out, item, c->entry, n);
}

static bool counters_make(knn *k, uint32_t threads, uint32_t n_items)
{
    k->counter = calloc(threads, sizeof *k->counter);
    for (uint32_t t = 0; k->counter != NULL && t < threads; t++) {
        counter *c = &k->counter[t];
        c->shared = calloc((size_t)n_items + 1, sizeof *c->shared);
        c->touched = malloc(((size_t)n_items + 1) * sizeof *c->touched);
        c->entry = malloc(((size_t)n_items + 1) * sizeof *c->entry);
        if (c->shared == NULL || c->touched == NULL || c->entry == NULL)
            return false;
    }
    return k->counter != NULL;
}

static void counters_free(knn *k, uint32_t threads)
{
    for (uint32_t t = 0; k->counter != NULL && t < threads; t++) {
        free(k->counter[t].shared);
        free(k->counter[t].touched);
        free(k->counter[t].entry);
    }
    free(k->counter);
}

static sinter_status make_rows(knn *k, uint32_t threads, uint32_t n_items, sinter_error *err)
{
    for (k->first = 0; k->first < n_items; k->first += ROWS_A_STEP) {
        uint32_t n = n_items - k->first < ROWS_A_STEP ? n_items - k->first : ROWS_A_STEP;
        parallel_for(threads, n, make_row, k);
        if (atomic_load(&k->out->full))
            return cf_fail(err, SINTER_EXHAUSTED, "neighbours", "set neighbours: 200, raise min_support, or give training more memory",
                           "the neighbours of %u of %u items fill the memory limit", k->first + n, n_items);
        if (atomic_load(&k->out->no_memory))
            return cf_fail(err, SINTER_EXHAUSTED, "method: knn", "set neighbours: 200, or give training more memory",
                           "no memory for the neighbours of %u items", n_items);
        if (cf_progress(k->training, k->first + n, n_items))
            return cf_fail(err, SINTER_CANCELLED, "method: knn", "start it again", "stopped after %u of %u items", k->first + n,
                           n_items);
    }
    return SINTER_OK;
}

sinter_status knn_train(cf_training *t, rows *out, sinter_error *err)
{
    knn k = {.training = t, .data = t->data, .out = out};
    uint32_t n_items = t->data->by_item.n_rows;
    sinter_status status;
    if (counters_make(&k, t->threads, n_items))
        status = make_rows(&k, t->threads, n_items, err);
    else
        status = cf_fail(err, SINTER_EXHAUSTED, "method: knn", "give training more memory", "no memory to count pairs of %u items", n_items);
    counters_free(&k, t->threads);
    return status;
}
