/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The slow half of a tally: making it and doubling it. */
#include "tally.h"

enum { FIRST_SLOTS = 256 };

static void make(tally *t, uint32_t slots)
{
    t->key = arena_alloc(t->a, slots * sizeof *t->key);
    t->count = ARENA_ARRAY(t->a, uint32_t, slots);
    t->mask = slots - 1;
}

void tally_init(tally *t, arena *a)
{
    *t = (tally){.a = a};
    make(t, FIRST_SLOTS);
}

void tally_grow(tally *t)
{
    tally old = *t;
    make(t, 2 * (old.mask + 1));
    t->n = 0;
    for (uint32_t i = 0; i <= old.mask; i++) {
        if (!old.count[i]) continue;
        uint32_t at = tally_slot(t, old.key[i]);
        t->count[at] = old.count[i];
    }
}
