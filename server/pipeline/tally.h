/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counting by key: an open-addressing table in a request's arena that doubles when half full. Private to the room. */
#ifndef SINTER_PIPELINE_TALLY_H
#define SINTER_PIPELINE_TALLY_H

#include "base/base.h"

typedef struct tally {
    arena *a;
    uint64_t *key;
    uint32_t *count; /* 0: a free slot */
    uint32_t n, mask; /* keys; slots - 1 */
} tally;

void tally_init(tally *t, arena *a);
void tally_grow(tally *t);

/* The key's slot, taken if it is new; its count is the caller's to raise. */
static inline uint32_t tally_slot(tally *t, uint64_t key)
{
    if (2 * t->n > t->mask) tally_grow(t);
    uint64_t h = key * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t at = (uint32_t)(h >> 32) & t->mask;
    while (t->count[at] && t->key[at] != key) at = (at + 1) & t->mask;
    t->n += t->count[at] == 0;
    t->key[at] = key;
    return at;
}

static inline void tally_add(tally *t, uint64_t key)
{
    uint32_t at = tally_slot(t, key); /* may move the counts */
    t->count[at]++;
}

/* How often the key was counted. */
static inline uint32_t tally_of(const tally *t, uint64_t key)
{
    uint64_t h = key * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t at = (uint32_t)(h >> 32) & t->mask;
    while (t->count[at] && t->key[at] != key) at = (at + 1) & t->mask;
    return t->count[at];
}

#endif
