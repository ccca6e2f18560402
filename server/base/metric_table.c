/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One thread's labelled counters and histograms: a hash for the writer, and a list that grows for
 * whoever reads. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

enum { CELLS_MOST = METRIC_SLOTS / 2 };

metric_table *metric_table_new(void)
{
    return xcalloc(1, sizeof(metric_table));
}

void metric_table_free(metric_table *t)
{
    for (uint32_t i = 0; t && i < atomic_load(&t->n); i++)
        free(t->cell[i]);
    free(t);
}

uint64_t metric_hash(const metric_family *f, const char *const *label)
{
    uint64_t h = (uint64_t)(uintptr_t)f;
    for (uint32_t i = 0; i < METRIC_LABELS && label[i]; i++)
        h = hash64_seed(label[i], strlen(label[i]), h);
    return h;
}

bool metric_labels_same(const char *const *a, const char *const *b)
{
    for (uint32_t i = 0; i < METRIC_LABELS; i++) {
        if (!a[i] || !b[i]) return a[i] == b[i];
        if (strcmp(a[i], b[i]) != 0) return false;
    }
    return true;
}

/* One block: the cell and its labels. */
static metric_cell *cell_new(const metric_family *f, const char *const *label, uint64_t hash)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < METRIC_LABELS && label[i]; i++)
        bytes += strlen(label[i]) + 1;
    metric_cell *c = xcalloc(1, sizeof *c + bytes);
    char *at = (char *)(c + 1);
    c->family = f;
    c->hash = hash;
    for (uint32_t i = 0; i < METRIC_LABELS && label[i]; i++) {
        size_t n = strlen(label[i]) + 1;
        c->label[i] = memcpy(at, label[i], n);
        at += n;
    }
    return c;
}

/* Of what is beyond CELLS_MOST each family has one cell, whose labels are "other". */
static metric_cell *cell_of(metric_table *t, const metric_family *f, const char *const *label)
{
    uint64_t hash = metric_hash(f, label);
    uint32_t i = (uint32_t)hash % METRIC_SLOTS, n = atomic_load_explicit(&t->n, memory_order_relaxed);
    for (metric_cell *c; (c = t->slot[i]); i = (i + 1) % METRIC_SLOTS)
        if (c->hash == hash && c->family == f && metric_labels_same(c->label, label)) return c;
    if (n >= CELLS_MOST) {
        const char *other[METRIC_LABELS] = {NULL};
        for (uint32_t k = 0; k < METRIC_LABELS && label[k]; k++)
            other[k] = "other";
        if (!metric_labels_same(other, label)) return cell_of(t, f, other);
    }
    metric_cell *c = t->slot[i] = t->cell[n] = cell_new(f, label, hash);
    atomic_store_explicit(&t->n, n + 1, memory_order_release);
    return c;
}

_Atomic uint64_t *metric_table_counter(metric_table *t, const metric_family *f, const char *a, const char *b, const char *c)
{
    return &cell_of(t, f, (const char *const[METRIC_LABELS]){a, b, c})->count;
}

histogram *metric_table_histogram(metric_table *t, const metric_family *f, const char *a, const char *b, const char *c)
{
    return &cell_of(t, f, (const char *const[METRIC_LABELS]){a, b, c})->histogram;
}
