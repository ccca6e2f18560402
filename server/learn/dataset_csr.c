/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Interactions as compressed sparse rows, by user or by item, in a private file. */
#include "dataset_inside.h"

#include <stdlib.h>

/* One interaction on its way into its row. */
typedef struct csr_entry {
    int64_t time_ms;
    uint32_t column, order; /* within the row: sums are taken in the order of records */
    float weight;
} csr_entry;

static int by_column(const void *x, const void *y)
{
    const csr_entry *a = x, *b = y;
    if (a->column != b->column) return a->column < b->column ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* The arrays of a file made for `rows` and at most `most` entries. */
typedef struct csr_arrays {
    uint64_t *offset;
    int64_t *time_ms;
    uint32_t *column;
    float *weight;
} csr_arrays;

static uint64_t arrays_bytes(uint32_t rows, uint64_t most)
{
    return ((uint64_t)rows + 1) * sizeof(uint64_t) + most * (sizeof(int64_t) + sizeof(uint32_t) + sizeof(float));
}

static csr_arrays arrays_of(const spool *s, uint32_t rows, uint64_t most)
{
    csr_arrays a = {.offset = (uint64_t *)(void *)s->map};
    a.time_ms = (int64_t *)(a.offset + rows + 1);
    a.column = (uint32_t *)(a.time_ms + most);
    a.weight = (float *)(a.column + most);
    return a;
}

/* Entries by row, each row in the order of records; offset[r] ends as the row's end. */
static void scatter(const sinter_dataset *d, bool by_item, uint32_t rows, uint64_t *offset, csr_entry *entry)
{
    const uint32_t *row = by_item ? d->item : d->user, *column = by_item ? d->user : d->item;
    for (uint64_t i = 0; i < d->n_interactions; i++) offset[row[i] + 1]++;
    for (uint32_t r = 0; r < rows; r++) offset[r + 1] += offset[r];
    uint64_t *next = xmalloc(((size_t)rows + 1) * sizeof *next);
    for (uint32_t r = 0; r < rows; r++) next[r] = offset[r];
    for (uint64_t i = 0; i < d->n_interactions; i++) {
        uint64_t at = next[row[i]]++;
        entry[at] = (csr_entry){d->time_ms[i], column[i], (uint32_t)(at - offset[row[i]]), d->weight[i]};
    }
    free(next);
}

static uint64_t merge_row(csr_entry *entry, uint64_t n, csr_arrays *to, uint64_t at)
{
    if (n) qsort(entry, n, sizeof *entry, by_column);
    for (uint64_t i = 0; i < n; at++) {
        double weight = 0;
        to->column[at] = entry[i].column;
        to->time_ms[at] = entry[i].time_ms;
        for (uint32_t column = entry[i].column; i < n && entry[i].column == column; i++) {
            weight += (double)entry[i].weight;
            if (entry[i].time_ms > to->time_ms[at]) to->time_ms[at] = entry[i].time_ms;
        }
        to->weight[at] = (float)weight;
    }
    return at;
}

static sinter_status make(sinter_dataset *d, bool by_item, spool *out, sinter_error *e)
{
    uint32_t rows = by_item ? d->shared->n_items : d->shared->n_users;
    uint64_t n = d->n_interactions;
    spool work = {.fd = -1};
    sinter_status s = spool_make(out, d->shared->scratch, arrays_bytes(rows, n), e);
    if (s == SINTER_OK) s = spool_make(&work, d->shared->scratch, n * sizeof(csr_entry), e);
    if (s) {
        spool_close(out);
        return s;
    }
    csr_arrays to = arrays_of(out, rows, n);
    csr_entry *entry = (csr_entry *)(void *)work.map;
    scatter(d, by_item, rows, to.offset, entry);
    uint64_t at = 0, from = 0;
    for (uint32_t r = 0; r < rows; r++) {
        uint64_t end = to.offset[r + 1];
        at = merge_row(entry + from, end - from, &to, at);
        to.offset[r + 1] = at;
        from = end;
    }
    spool_close(&work);
    spool_seal(out);
    return SINTER_OK;
}

sinter_status dataset_csr(sinter_dataset *d, bool by_item, sinter_csr *out, sinter_error *e)
{
    if (!d->has_csr[by_item]) {
        sinter_status s = make(d, by_item, &d->csr[by_item], e);
        if (s) return s;
        d->has_csr[by_item] = true;
    }
    uint32_t rows = by_item ? d->shared->n_items : d->shared->n_users;
    csr_arrays a = arrays_of(&d->csr[by_item], rows, d->n_interactions);
    const sinter_csr c = {.n_rows = rows,
                          .n_columns = by_item ? d->shared->n_users : d->shared->n_items,
                          .offset = a.offset,
                          .column = a.column,
                          .weight = a.weight,
                          .time_ms = a.time_ms};
    return DATASET_GIVE(sinter_csr, out, &c, time_ms, e);
}
