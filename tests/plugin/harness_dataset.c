/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The harness's datasets: growing arrays, the server's iterators over them, and a training run. */
#include "harness_dataset.h"

#include "harness_inside.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 1000 };

typedef struct row {
    uint32_t user, item, event;
    float weight, value;
    int64_t time_ms;
} row;

typedef struct batch {
    uint32_t user[BATCH], item[BATCH], event[BATCH];
    float weight[BATCH], value[BATCH];
    int64_t time_ms[BATCH];
} batch;

struct sinter_dataset {
    harness *h;
    row *rows;
    batch *batch;
    sinter_requests *requests;
    uint32_t n, room, n_requests, requests_room, n_users, n_items;
    uint32_t at, at_request;
};

sinter_dataset *harness_dataset(harness *h)
{
    sinter_dataset *d = harness_keep(h, sizeof *d);
    d->h = h;
    return d;
}

/* Old memory stays with the harness: sizes double, so that is as much again. */
static void *grow(harness *h, void *old, uint32_t n, uint32_t *room, size_t size)
{
    if (n < *room) return old;
    *room = *room ? *room * 2 : 256;
    void *p = harness_keep(h, *room * size);
    if (n) memcpy(p, old, n * size);
    return p;
}

void harness_interaction(sinter_dataset *d, uint32_t user, uint32_t item, uint32_t event, float weight, float value,
                         int64_t time_ms)
{
    d->rows = grow(d->h, d->rows, d->n, &d->room, sizeof *d->rows);
    d->rows[d->n++] = (row){user, item, event, weight, value, time_ms};
    if (user >= d->n_users) d->n_users = user + 1;
    if (item >= d->n_items) d->n_items = item + 1;
}

void harness_interactions(sinter_dataset *d, const sinter_interactions *x)
{
    for (uint32_t i = 0; i < x->n; i++)
        harness_interaction(d, x->user[i], x->item[i], x->event ? x->event[i] : 1, x->weight ? x->weight[i] : 1,
                            x->value ? x->value[i] : NAN, x->time_ms ? x->time_ms[i] : 0);
}

static void *copy(harness *h, const void *p, size_t size)
{
    return p ? memcpy(harness_keep(h, size + 64), p, size) : NULL;
}

/* [k][n] arrays of 4-byte elements. */
static void *copy_columns(harness *h, const void *columns, uint32_t k, uint32_t n)
{
    const void *const *from = columns;
    void **to = harness_keep(h, (k + 1) * sizeof *to);
    for (uint32_t i = 0; from && i < k; i++) to[i] = copy(h, from[i], n * sizeof(uint32_t));
    return to;
}

static const sinter_batch *copy_batch(harness *h, const sinter_batch *from)
{
    sinter_batch *b = copy(h, from, sizeof *b);
    uint32_t n = b->n;
    b->size = sizeof *b;
    b->item = copy(h, b->item, n * sizeof *b->item);
    if (b->feature) { /* 64-byte aligned, as the server gives it */
        size_t bytes = (size_t)n * b->stride * sizeof *b->feature;
        uintptr_t p = (uintptr_t)harness_keep(h, bytes + 128);
        b->feature = memcpy((void *)((p + 63) & ~(uintptr_t)63), b->feature, bytes);
    }
    b->id_feature = copy_columns(h, b->id_feature, b->n_id_features, n);
    b->context = copy(h, b->context, b->n_context * sizeof *b->context);
    b->prior = copy_columns(h, b->prior, b->n_prior, n);
    if (!b->deadline_ns) b->deadline_ns = UINT64_MAX;
    return b;
}

static const sinter_fusion_batch *copy_fusion(harness *h, const sinter_fusion_batch *from)
{
    sinter_fusion_batch *b = copy(h, from, sizeof *b);
    b->size = sizeof *b;
    b->ranker = copy(h, b->ranker, b->n_rankers * sizeof *b->ranker);
    b->score = copy_columns(h, b->score, b->n_rankers, b->n);
    b->present = copy(h, b->present, b->n * sizeof *b->present);
    b->item = copy(h, b->item, b->n * sizeof *b->item);
    b->before = copy(h, b->before, b->n * sizeof *b->before);
    b->context = copy(h, b->context, b->n_context * sizeof *b->context);
    if (!b->deadline_ns) b->deadline_ns = UINT64_MAX;
    return b;
}

void harness_requests(sinter_dataset *d, const sinter_requests *x)
{
    harness *h = d->h;
    sinter_requests r = *x;
    uint32_t n = x->batch->n;
    r.size = sizeof r;
    r.batch = copy_batch(h, x->batch);
    r.label = copy_columns(h, x->label, x->n_targets, n);
    r.weight = x->weight > 0 ? x->weight : 1;
    uint32_t *position = harness_keep(h, (n + 1) * sizeof *position);
    float *propensity = harness_keep(h, (n + 1) * sizeof *propensity);
    for (uint32_t i = 0; i < n; i++) {
        position[i] = x->position ? x->position[i] : i + 1;
        propensity[i] = x->propensity ? x->propensity[i] : 1;
    }
    r.position = position;
    r.propensity = propensity;
    if (x->fusion) r.fusion = copy_fusion(h, x->fusion);
    d->requests = grow(h, d->requests, d->n_requests, &d->requests_room, sizeof r);
    d->requests[d->n_requests++] = r;
}

/* ---- the table ------------------------------------------------------------------------------------------------------- */

static uint32_t n_users(const sinter_dataset *d)
{
    return d->n_users;
}

static uint64_t n_interactions(const sinter_dataset *d)
{
    return d->n;
}

static uint64_t n_requests(const sinter_dataset *d)
{
    return d->n_requests;
}

static sinter_status rewind_both(sinter_dataset *d, sinter_error *e)
{
    (void)e;
    d->at = d->at_request = 0;
    return SINTER_OK;
}

/* The server fills no byte behind the size that the plugin set; here a plugin of the same header must have set it. */
static sinter_status check_size(uint32_t is, size_t wanted, const char *name, sinter_error *e)
{
    if (is == wanted) return SINTER_OK;
    snprintf(e->what, sizeof e->what, "%s has size %u, not %zu: set it before the call", name, is, wanted);
    return SINTER_INVALID;
}

static sinter_status next_interactions(sinter_dataset *d, sinter_interactions *out, sinter_error *e)
{
    if (check_size(out->size, sizeof *out, "sinter_interactions", e)) return SINTER_INVALID;
    uint32_t n = d->n - d->at < BATCH ? d->n - d->at : BATCH;
    if (!d->batch) d->batch = harness_keep(d->h, sizeof *d->batch);
    batch *b = d->batch;
    for (uint32_t i = 0; i < n; i++) {
        const row *r = &d->rows[d->at + i];
        b->user[i] = r->user;
        b->item[i] = r->item;
        b->event[i] = r->event;
        b->weight[i] = r->weight;
        b->value[i] = r->value;
        b->time_ms[i] = r->time_ms;
    }
    d->at += n;
    *out = (sinter_interactions){sizeof *out, n, b->user, b->item, b->event, b->weight, b->value, b->time_ms};
    return SINTER_OK;
}

static sinter_status next_requests(sinter_dataset *d, sinter_requests *out, sinter_error *e)
{
    static const sinter_batch NONE = {.size = sizeof NONE};
    if (check_size(out->size, sizeof *out, "sinter_requests", e)) return SINTER_INVALID;
    if (d->at_request == d->n_requests)
        *out = (sinter_requests){.size = sizeof *out, .batch = &NONE};
    else
        *out = d->requests[d->at_request++];
    return SINTER_OK;
}

typedef struct cell {
    uint32_t row, column;
    float weight;
    int64_t time_ms;
} cell;

static int by_cell(const void *x, const void *y)
{
    const cell *a = x, *b = y;
    if (a->row != b->row) return a->row < b->row ? -1 : 1;
    return a->column < b->column ? -1 : a->column > b->column;
}

static sinter_status csr(sinter_dataset *d, bool by_item, sinter_csr *out, sinter_error *e)
{
    if (check_size(out->size, sizeof *out, "sinter_csr", e)) return SINTER_INVALID;
    uint32_t items = d->h->collection.n_items > d->n_items ? d->h->collection.n_items : d->n_items;
    uint32_t n_rows = by_item ? items : d->n_users, n = 0;
    cell *c = calloc(d->n + 1, sizeof *c);
    for (uint32_t i = 0; i < d->n; i++) {
        const row *r = &d->rows[i];
        c[i] = (cell){by_item ? r->item : r->user, by_item ? r->user : r->item, r->weight, r->time_ms};
    }
    qsort(c, d->n, sizeof *c, by_cell);
    uint64_t *offset = harness_keep(d->h, (n_rows + 1) * sizeof *offset);
    uint32_t *column = harness_keep(d->h, (d->n + 1) * sizeof *column);
    float *weight = harness_keep(d->h, (d->n + 1) * sizeof *weight);
    int64_t *time_ms = harness_keep(d->h, (d->n + 1) * sizeof *time_ms);
    for (uint32_t i = 0; i < d->n; i++) {
        if (i && by_cell(&c[i - 1], &c[i]) == 0) {
            weight[n - 1] += c[i].weight;
            if (c[i].time_ms > time_ms[n - 1]) time_ms[n - 1] = c[i].time_ms;
            continue;
        }
        column[n] = c[i].column;
        weight[n] = c[i].weight;
        time_ms[n++] = c[i].time_ms;
        offset[c[i].row + 1]++;
    }
    for (uint32_t i = 0; i < n_rows; i++) offset[i + 1] += offset[i];
    free(c);
    *out = (sinter_csr){sizeof *out, n_rows, by_item ? d->n_users : items, 0, offset, column, weight, time_ms};
    return SINTER_OK;
}

const sinter_dataset_table *harness_dataset_table(void)
{
    static const sinter_dataset_table TABLE = {
        .size = sizeof TABLE,
        .n_users = n_users,
        .n_interactions = n_interactions,
        .n_requests = n_requests,
        .rewind = rewind_both,
        .next_interactions = next_interactions,
        .next_requests = next_requests,
        .csr = csr,
    };
    return &TABLE;
}

/* ---- a run ----------------------------------------------------------------------------------------------------------- */

const char *harness_folder(harness *h)
{
    const char *parent = getenv("TMPDIR");
    char path[512];
    snprintf(path, sizeof path, "%s/sinter-harness-XXXXXX", parent && *parent ? parent : "/tmp");
    if (!mkdtemp(path)) harness_die("cannot make %s", path);
    char *kept = harness_keep_text(h, path);
    h->folder = realloc(h->folder, (h->n_folders + 1) * sizeof *h->folder);
    if (!h->folder) harness_die("out of memory");
    h->folder[h->n_folders++] = kept;
    return kept;
}

void harness_folders_remove(harness *h)
{
    for (uint32_t i = 0; i < h->n_folders; i++) {
        DIR *d = opendir(h->folder[i]);
        for (struct dirent *x; d && (x = readdir(d));)
            if (x->d_name[0] != '.' || strlen(x->d_name) > 2) unlinkat(dirfd(d), x->d_name, 0);
        if (d) closedir(d);
        rmdir(h->folder[i]);
    }
    free(h->folder);
}

static bool progress(void *ctx, uint64_t done, uint64_t total, const char *metric, double value)
{
    harness_training *t = ctx;
    uint32_t k = 0;
    t->calls++;
    t->done = done;
    t->total = total;
    if (metric) {
        while (k < t->n_metrics && strcmp(t->metric[k].name, metric) != 0) k++;
        if (k == sizeof t->metric / sizeof *t->metric) harness_die("more than %u metrics", k);
        if (k == t->n_metrics) {
            snprintf(t->metric[k].name, sizeof t->metric[k].name, "%s", metric);
            t->metric[k].first = value;
            t->n_metrics++;
        }
        t->metric[k].value = value;
    }
    return t->stop_after && t->calls >= t->stop_after;
}

double harness_metric(const harness_training *t, const char *name)
{
    for (uint32_t k = 0; k < t->n_metrics; k++)
        if (strcmp(t->metric[k].name, name) == 0) return t->metric[k].value;
    return NAN;
}

sinter_status harness_train(harness *h, const harness_option *option, size_t n, sinter_dataset *train, sinter_dataset *valid,
                            const char *out_dir, harness_training *t, sinter_error *err)
{
    sinter_instance *instance;
    const char *model = h->model_dir;
    h->model_dir = NULL;
    sinter_status s = harness_instance(h, "trainer", option, n, &instance, err);
    h->model_dir = model;
    if (s != SINTER_OK) return s;
    rewind_both(train, err);
    rewind_both(valid, err);
    const sinter_train_args args = {
        .size = sizeof args,
        .host = &h->host,
        .options = h->live->options,
        .collection = &h->collection,
        .instance = instance,
        .data = harness_dataset_table(),
        .train = train,
        .valid = valid,
        .out_dir = out_dir,
        .resume_dir = t->resume_dir,
        .seed = t->seed ? t->seed : 1,
        .memory_limit = t->memory_limit ? t->memory_limit : (uint64_t)1 << 30,
        .threads = t->threads ? t->threads : 1,
        .now_ms = t->now_ms,
        .ranker = h->ranker,
        .n_rankers = h->n_rankers,
        .progress_ctx = t,
        .progress = progress,
    };
    if (!h->plugin->trainer) harness_die("the plugin has no trainer");
    s = h->plugin->trainer->train(&args, err);
    if (s != SINTER_OK && !err->what[0]) harness_die("train failed with status %d and no message", s);
    return s;
}
