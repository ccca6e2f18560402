/* SPDX-License-Identifier: GPL-3.0-or-later */
/* group_by: items of one value of a field are one line of the answer. Private to the room. */
#ifndef SINTER_PIPELINE_GROUPS_H
#define SINTER_PIPELINE_GROUPS_H

#include "search.h"
#include "tally.h"

#define GROUP_MAX_SIZE 100u

struct grouping {
    const catalog_field *field;  /* NULL: of a pattern, brought by no item yet */
    const sinter_column *column; /* NULL: so every item is a group of its own */
    bool words;                  /* keys are keyword ids; else integers */
    uint32_t size;               /* hits of a group that are shown */
    /* Groups that matched, in order of first appearance. */
    tally number;                /* of a key: its count is the group's number + 1 */
    uint32_t n, cap;
    uint64_t *key;               /* [n] */
    uint32_t *matches;           /* [n] */
    uint32_t *best;              /* [n] sorted searches: the item that comes first; else NULL */
    uint64_t alone;              /* matches without a value */
    uint64_t lines;              /* that all matches make */
    struct group_of_hit *hit;    /* [n_page] what each hit of the page belongs to */
};

typedef struct group_of_hit {
    uint32_t group; /* UINT32_MAX: the item has no value */
    uint32_t line;  /* 1-based, of all pages */
} group_of_hit;

/* True: the item has a value, and *key is it. */
static inline bool group_key(const grouping *g, uint32_t item, uint64_t *key)
{
    const sinter_column *c = g->column;
    if (!c || !column_has(c, item)) return false;
    const void *data = c->chunk[item >> SINTER_CHUNK_BITS]->data;
    uint32_t r = item & (SINTER_CHUNK_ROWS - 1);
    *key = g->words ? ((const uint32_t *)data)[r] : (uint64_t)((const int64_t *)data)[r];
    return true;
}
/* The group's number, made when it is new. UINT32_MAX: the item has no value. */
uint32_t group_of(search *s, uint32_t item);
/* The same of a group that has been seen; UINT32_MAX: the item has no value, or one that nothing matched with. */
uint32_t group_known(const grouping *g, uint32_t item);
/* What a cursor remembers of a line. */
uint64_t group_mark(const search *s, uint32_t item);

#endif
