/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of neighbours: the strongest of each are kept, and all of them become one compressed sparse matrix. */
#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Greater absolute weight, then smaller ordinal: one order for all, so that what is kept is the same on every machine. */
static bool stronger(const row_entry *a, const row_entry *b)
{
    float x = fabsf(a->weight), y = fabsf(b->weight);
    if (x != y)
        return x > y;
    return a->item < b->item;
}

static void sink_down(row_entry *heap, uint32_t n, uint32_t at)
{
    for (;;) {
        uint32_t weakest = at, left = 2 * at + 1, right = left + 1;
        if (left < n && stronger(&heap[weakest], &heap[left]))
            weakest = left;
        if (right < n && stronger(&heap[weakest], &heap[right]))
            weakest = right;
        if (weakest == at)
            return;
        row_entry swap = heap[at];
        heap[at] = heap[weakest];
        heap[weakest] = swap;
        at = weakest;
    }
}

static uint32_t keep_strongest(row_entry *entry, uint32_t n, uint32_t most)
{
    if (most == 0 || n <= most)
        return n;
    for (uint32_t i = most / 2; i-- > 0;)
        sink_down(entry, most, i);
    for (uint32_t i = most; i < n; i++)
        if (stronger(&entry[i], &entry[0])) {
            entry[0] = entry[i];
            sink_down(entry, most, 0);
        }
    return most;
}

static int by_item(const void *x, const void *y)
{
    const row_entry *a = x, *b = y;
    return a->item < b->item ? -1 : a->item > b->item;
}

bool rows_begin(rows *r, uint32_t n, uint32_t most, uint64_t limit)
{
    *r = (rows){.n = n, .most = most, .limit = limit};
    r->row = calloc((size_t)n + 1, sizeof *r->row);
    return r->row != NULL;
}

bool rows_set(rows *r, uint32_t at, row_entry *entry, uint32_t n)
{
    n = keep_strongest(entry, n, r->most);
    uint64_t bytes = 2 * n * sizeof *entry;
    if (atomic_fetch_add(&r->bytes, bytes) + bytes > r->limit && r->limit > 0) {
        atomic_store(&r->full, true);
        return false;
    }
    row_entry *own = n > 0 ? malloc(n * sizeof *own) : NULL;
    if (own == NULL && n > 0) {
        atomic_store(&r->no_memory, true);
        return false;
    }
    if (n > 0) {
        memcpy(own, entry, n * sizeof *own);
        qsort(own, n, sizeof *own, by_item);
    }
    r->row[at] = (sparse_row){own, n};
    return true;
}

bool rows_finish(rows *r, cf_model *out)
{
    uint64_t *offset = malloc(((size_t)r->n + 1) * sizeof *offset), at = 0;
    for (uint32_t h = 0; h < r->n; h++)
        at += r->row[h].n;
    uint32_t *neighbour = malloc((at + 1) * sizeof *neighbour);
    float *weight = malloc((at + 1) * sizeof *weight);
    if (offset == NULL || neighbour == NULL || weight == NULL) {
        free(offset);
        free(neighbour);
        free(weight);
        return false;
    }
    at = 0;
    for (uint32_t h = 0; h < r->n; h++) {
        offset[h] = at;
        for (uint32_t k = 0; k < r->row[h].n; k++, at++) {
            neighbour[at] = r->row[h].entry[k].item;
            weight[at] = r->row[h].entry[k].weight;
        }
        free(r->row[h].entry);
        r->row[h] = (sparse_row){0};
    }
    offset[r->n] = at;
    *out = (cf_model){.n_items = r->n, .offset = offset, .neighbour = neighbour, .weight = weight};
    return true;
}

void rows_free(rows *r)
{
    for (uint32_t h = 0; r->row != NULL && h < r->n; h++)
        free(r->row[h].entry);
    free(r->row);
    r->row = NULL;
}
