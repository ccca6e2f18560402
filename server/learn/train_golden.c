/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Golden cases of a fresh model: batches of the validation dataset as they were served. A trainer that reads interactions only has
 * no batches; for it they are made up, from people and items of its dataset and seeded numbers: what matters is that the same
 * inputs give the same scores for as long as the model is served. */
#include "train.h"

#include <stdlib.h>
#include <string.h>

enum { CASES = 4, ROWS = 200, MADE_ROWS = 48, HISTORY_MOST = 64 };

static sinter_status served(plugin_role role, dataset_result *d, arena *a, golden_case *c, uint32_t *n, sinter_error *e)
{
    sinter_requests r = {.size = sizeof r};
    sinter_status s = DATASET_TABLE.rewind(d->valid, e);
    while (s == SINTER_OK && *n < CASES) {
        r = (sinter_requests){.size = sizeof r};
        s = DATASET_TABLE.next_requests(d->valid, &r, e);
        if (s != SINTER_OK || !r.batch || r.batch->n == 0) break;
        golden_case x = {0};
        if (role == PLUGIN_RANKER)
            x.batch = r.batch;
        else
            x.fusion = r.fusion;
        if ((x.batch || x.fusion) && golden_copy(&x, ROWS, a, &c[*n])) ++*n;
    }
    return s;
}

/* ---- made up ------------------------------------------------------------------------------------------------------------------- */

typedef struct person {
    uint32_t user, n;
    uint32_t item[HISTORY_MOST], event[HISTORY_MOST];
    float age[HISTORY_MOST], weight[HISTORY_MOST];
} person;

typedef struct crowd {
    person who[CASES];
    uint32_t n;
    uint32_t item[MADE_ROWS];
    uint32_t n_items;
} crowd;

static void meet(crowd *c, const sinter_interactions *x, uint32_t row, int64_t now_ms)
{
    uint32_t k = 0;
    while (k < c->n_items && c->item[k] != x->item[row]) k++;
    if (k == c->n_items && k < MADE_ROWS - 1) c->item[c->n_items++] = x->item[row];
    for (k = 0; k < c->n && c->who[k].user != x->user[row]; k++) {}
    if (k == CASES) return;
    if (k == c->n) c->who[c->n++] = (person){.user = x->user[row]};
    person *p = &c->who[k];
    uint32_t keep = p->n < HISTORY_MOST ? p->n : HISTORY_MOST - 1; /* the newest stands first */
    memmove(p->item + 1, p->item, keep * sizeof *p->item);
    memmove(p->event + 1, p->event, keep * sizeof *p->event);
    memmove(p->age + 1, p->age, keep * sizeof *p->age);
    memmove(p->weight + 1, p->weight, keep * sizeof *p->weight);
    p->n = keep + 1;
    p->item[0] = x->item[row];
    p->event[0] = x->event[row];
    p->weight[0] = x->weight[row];
    p->age[0] = history_age(now_ms, x->time_ms[row]);
    if (!(p->age[0] >= 0)) p->age[0] = 0;
}

static sinter_status gather(dataset_result *d, crowd *c, sinter_error *e)
{
    sinter_interactions x = {.size = sizeof x};
    uint64_t seen = 0;
    sinter_status s = DATASET_TABLE.rewind(d->train, e);
    while (s == SINTER_OK && seen < 200000) {
        x = (sinter_interactions){.size = sizeof x};
        s = DATASET_TABLE.next_interactions(d->train, &x, e);
        if (s != SINTER_OK || x.n == 0) break;
        for (uint32_t i = 0; i < x.n; i++) meet(c, &x, i, d->now_ms);
        seen += x.n;
    }
    return s;
}

static float *numbers(rng *r, uint32_t n, arena *a)
{
    float *f = arena_aligned(a, 64, (n + 16) * sizeof *f);
    for (uint32_t i = 0; i < n; i++) f[i] = (float)rng_uniform(r);
    return f;
}

static const sinter_vectors *made_vectors(const sinter_inputs *in, const plugin_services *services, uint32_t n, rng *r, arena *a)
{
    sinter_vectors *v = ARENA_ARRAY(a, sinter_vectors, in->n_vectors + 1);
    for (uint32_t i = 0; i < in->n_vectors; i++) {
        const sinter_column *c = services->column ? services->column(services->ctx, NULL, in->vector[i]) : NULL;
        uint32_t dimension = c ? c->dimension : 1;
        uint8_t *present = arena_alloc(a, n + 1);
        memset(present, 1, n);
        v[i] = (sinter_vectors){.size = sizeof v[i], .dimension = dimension, .stride = dimension, .type = SINTER_F32, .scale = 1,
                                .data = numbers(r, n * dimension, a), .present = present};
    }
    return v;
}

static const sinter_user *made_user(const sinter_inputs *in, const person *p, rng *r, arena *a)
{
    sinter_user *u = ARENA_NEW(a, sinter_user);
    const float **side = ARENA_ARRAY(a, const float *, in->n_history_side + 1);
    *u = (sinter_user){.size = sizeof *u, .user_id = {"golden", 6}, .session_id = {"", 0}, .side = side, .n_side = in->n_history_side};
    u->n_history = p->n < in->history ? p->n : in->history;
    u->item = p->item;
    u->event = p->event;
    u->age = p->age;
    u->weight = p->weight;
    for (uint32_t i = 0; i < in->n_history_side; i++) side[i] = numbers(r, u->n_history, a);
    return u;
}

static const sinter_batch *made_batch(const sinter_inputs *in, const plugin_services *services, const crowd *c, const person *p,
                                      const dataset_result *d, rng *r, arena *a)
{
    static const sinter_query NO_WORDS = {.size = sizeof NO_WORDS, .text = {"", 0}, .normalised = {"", 0}, .filter = {"", 0},
                                          .page_size = 10};
    sinter_batch *b = ARENA_NEW(a, sinter_batch);
    sinter_context *x = ARENA_NEW(a, sinter_context);
    uint32_t n = c->n_items + 1, *item = ARENA_ARRAY(a, uint32_t, n), **id = ARENA_ARRAY(a, uint32_t *, in->n_id_features + 1);
    float **prior = ARENA_ARRAY(a, float *, in->n_prior + 1);
    memcpy(item, c->item, c->n_items * sizeof *item);
    item[n - 1] = (uint32_t)d->report.items + 1000; /* came after it was trained: no score */
    for (uint32_t k = 0; k < in->n_id_features; k++) {
        id[k] = ARENA_ARRAY(a, uint32_t, n);
        for (uint32_t i = 0; i < n; i++) id[k][i] = 1 + (uint32_t)rng_below(r, UINT32_MAX - 1);
    }
    for (uint32_t k = 0; k < in->n_prior; k++) prior[k] = numbers(r, n, a);
    *x = (sinter_context){.size = sizeof *x, .locale = {"", 0}, .device = {"", 0}, .now_ms = d->now_ms};
    *b = (sinter_batch){.size = sizeof *b, .n = n, .item = item, .feature = numbers(r, n * in->n_features, a),
                        .n_features = in->n_features, .stride = in->n_features, .id_feature = (const uint32_t *const *)id,
                        .n_id_features = in->n_id_features, .context = numbers(r, in->n_context, a), .n_context = in->n_context,
                        .prior = (const float *const *)prior, .n_prior = in->n_prior,
                        .vectors = made_vectors(in, services, n, r, a), .n_vectors = in->n_vectors, .query = &NO_WORDS,
                        .user = made_user(in, p, r, a), .request_context = x, .seed = rng_next(r), .deadline_ns = UINT64_MAX};
    return b;
}

sinter_status golden_cases_make(const sinter_inputs *in, plugin_role role, const plugin_services *services, dataset_result *d,
                                arena *a, golden_case **c, uint32_t *n, sinter_error *e)
{
    *c = ARENA_ARRAY(a, golden_case, CASES);
    *n = 0;
    if (in->dataset & (SINTER_DATASET_REQUESTS | SINTER_DATASET_WHOLE_REQUESTS)) return served(role, d, a, *c, n, e);
    if (role != PLUGIN_RANKER) return SINTER_OK;
    crowd *people = xcalloc(1, sizeof *people);
    sinter_status s = gather(d, people, e);
    rng r;
    rng_seed(&r, 5);
    for (uint32_t i = 0; i < people->n && s == SINTER_OK; i++) {
        golden_case x = {.batch = made_batch(in, services, people, &people->who[i], d, &r, a)};
        if (golden_copy(&x, ROWS, a, &(*c)[*n])) ++*n;
    }
    free(people);
    return s;
}
