/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows by dense number, and the lists that stand in them: written in place until they are published and copied before the next
 * write. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

void *profile_alloc(profile_collection *p, size_t bytes)
{
    p->bytes += bytes;
    return xcalloc(1, bytes);
}

void profile_replace(profile_collection *p, void *old)
{
    if (!old) return;
    if (p->n_replaced == p->cap_replaced) {
        p->cap_replaced = p->cap_replaced ? 2 * p->cap_replaced : 64;
        p->replaced = xrealloc(p->replaced, p->cap_replaced * sizeof *p->replaced);
    }
    p->replaced[p->n_replaced++] = old;
}

static size_t chunk_bytes(const rows *r)
{
    return sizeof(row_chunk) + ROWS * r->width;
}

static row_chunk *chunk_new(profile_collection *p, const rows *r)
{
    row_chunk *c = profile_alloc(p, chunk_bytes(r));
    c->generation = p->generation;
    return c;
}

const void *rows_at(const rows *r, uint32_t i)
{
    uint32_t k = i >> ROW_BITS;
    return k < r->n_chunks && r->chunk[k] ? r->chunk[k]->row + (i & (ROWS - 1)) * r->width : NULL;
}

static void reach(rows *r, uint32_t k)
{
    if (k >= r->cap_chunks) {
        uint32_t cap = r->cap_chunks ? 2 * r->cap_chunks : 4;
        while (cap <= k) cap *= 2;
        r->chunk = xrealloc(r->chunk, cap * sizeof(row_chunk *));
        r->cap_chunks = cap;
    }
    while (r->n_chunks <= k) r->chunk[r->n_chunks++] = NULL;
}

void *rows_writable(profile_collection *p, rows *r, uint32_t i)
{
    uint32_t k = i >> ROW_BITS;
    reach(r, k);
    row_chunk *c = r->chunk[k];
    if (!c || c->generation != p->generation) {
        r->chunk[k] = chunk_new(p, r);
        r->dirty = true;
        if (c) {
            memcpy(r->chunk[k]->row, c->row, ROWS * r->width);
            p->bytes -= chunk_bytes(r);
            profile_replace(p, c);
        }
    }
    return r->chunk[k]->row + (i & (ROWS - 1)) * r->width;
}

/* A table of its own for each publication that follows a change; else the last one. */
const row_table *rows_publish(profile_collection *p, rows *r)
{
    if (!r->dirty) return r->published;
    row_table *t = xmalloc(sizeof *t + r->n_chunks * sizeof t->chunk[0]);
    t->n_chunks = r->n_chunks;
    for (uint32_t k = 0; k < r->n_chunks; k++) t->chunk[k] = r->chunk[k];
    profile_replace(p, r->published);
    r->published = t;
    r->dirty = false;
    return t;
}

void rows_free(rows *r)
{
    for (uint32_t k = 0; k < r->n_chunks; k++) free(r->chunk[k]);
    free(r->chunk);
    free(r->published);
}

/* ---- blocks ---- */

void *block_writable(profile_collection *p, void *slot, size_t head, size_t entry, uint32_t cap)
{
    block *old;
    memcpy(&old, slot, sizeof old);
    if (old && old->generation == p->generation && old->cap == cap) return old;
    block *fresh = profile_alloc(p, head + cap * entry);
    if (old) {
        memcpy(fresh, old, head + old->n * entry);
        p->bytes -= head + old->cap * entry;
        if (old->generation == p->generation)
            free(old); /* nobody has seen it */
        else
            profile_replace(p, old);
    }
    fresh->generation = p->generation;
    fresh->cap = cap;
    memcpy(slot, &fresh, sizeof fresh);
    return fresh;
}
