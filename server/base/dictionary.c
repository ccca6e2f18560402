/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The growing dictionary: texts by number in segments that double, numbers by text in an open-addressing table.
 *
 * A slot of the table is one atomic word, (32 bits of hash, number + 1), so a reader sees an entry whole or not at all. A
 * table that is full is replaced by one twice as large; the old one stays for readers that still hold it: all old
 * tables together are smaller than the one in use. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BITS = 6, TABLE_LEAST = 64 };

struct dictionary_table {
    dictionary_table *older;
    uint64_t mask;
    uint64_t used;
    _Atomic uint64_t slot[]; /* [mask + 1]; 0: free */
};

static uint32_t segment_of(uint32_t number, uint32_t *at) {
    uint64_t block = ((uint64_t)number >> FIRST_BITS) + 1;
    uint32_t k = 63u - (uint32_t)__builtin_clzll(block);
    *at = (uint32_t)(number - ((((uint64_t)1 << k) - 1) << FIRST_BITS));
    return k;
}

const dictionary_text *dictionary_get(const dictionary *d, uint32_t number) {
    uint32_t at, k = segment_of(number, &at);
    if (k >= DICTIONARY_SEGMENTS) return NULL;
    dictionary_entry *segment = atomic_load_explicit(&d->segment[k], memory_order_acquire);
    return segment ? atomic_load_explicit(&segment[at], memory_order_acquire) : NULL;
}

static bool same_text(const dictionary *d, uint32_t number, str text) {
    const dictionary_text *t = dictionary_get(d, number);
    return t && t->n == text.n && memcmp(t->s, text.s, text.n) == 0;
}

/* The slot of `text`, or the free one where it would stand. */
static _Atomic uint64_t *slot_of(const dictionary *d, dictionary_table *t, str text, uint64_t hash, uint64_t *held) {
    for (uint64_t i = hash & t->mask;; i = (i + 1) & t->mask) {
        uint64_t w = atomic_load_explicit(&t->slot[i], memory_order_acquire);
        bool found = w == 0 || (w >> 32 == hash >> 32 && same_text(d, (uint32_t)w - 1, text));
        if (!found) continue;
        *held = w;
        return &t->slot[i];
    }
}

uint32_t dictionary_find(const dictionary *d, str text) {
    dictionary_table *t = atomic_load_explicit(&d->table, memory_order_acquire);
    if (!t) return DICTIONARY_NONE;
    uint64_t held;
    slot_of(d, t, text, hash64(text.s, text.n), &held);
    return held ? (uint32_t)held - 1 : DICTIONARY_NONE;
}

static dictionary_table *table_new(dictionary *d, uint64_t size, dictionary_table *older) {
    size_t bytes = sizeof(dictionary_table) + size * sizeof(uint64_t);
    dictionary_table *t = xmalloc(bytes);
    t->older = older;
    t->mask = size - 1;
    t->used = 0;
    for (uint64_t i = 0; i < size; i++)
        atomic_init(&t->slot[i], 0);
    d->bytes += bytes;
    return t;
}

/* Only the high half of the hash stands in a slot: the texts are hashed again. */
static dictionary_table *table_grown(dictionary *d, dictionary_table *old) {
    dictionary_table *t = table_new(d, 2 * (old->mask + 1), old);
    for (uint64_t i = 0; i <= old->mask; i++) {
        uint64_t w = atomic_load_explicit(&old->slot[i], memory_order_relaxed);
        if (w == 0) continue;
        const dictionary_text *text = dictionary_get(d, (uint32_t)w - 1);
        uint64_t at = hash64(text->s, text->n) & t->mask;
        while (atomic_load_explicit(&t->slot[at], memory_order_relaxed))
            at = (at + 1) & t->mask;
        atomic_store_explicit(&t->slot[at], w, memory_order_relaxed);
        t->used++;
    }
    return t;
}

static dictionary_table *table_for_one_more(dictionary *d) {
    dictionary_table *t = atomic_load_explicit(&d->table, memory_order_relaxed);
    if (t && t->used * 2 <= t->mask) return t;
    t = t ? table_grown(d, t) : table_new(d, TABLE_LEAST, NULL);
    atomic_store_explicit(&d->table, t, memory_order_release);
    return t;
}

static void store_text(dictionary *d, uint32_t number, const dictionary_text *text) {
    uint32_t at, k = segment_of(number, &at);
    dictionary_entry *segment = atomic_load_explicit(&d->segment[k], memory_order_relaxed);
    if (!segment) {
        size_t n = (size_t)1 << (k + FIRST_BITS);
        segment = xcalloc(n, sizeof *segment);
        d->bytes += n * sizeof *segment;
        atomic_store_explicit(&d->segment[k], segment, memory_order_release);
    }
    atomic_store_explicit(&segment[at], text, memory_order_release);
    if (number >= atomic_load_explicit(&d->count, memory_order_relaxed))
        atomic_store_explicit(&d->count, number + 1, memory_order_release);
}

void dictionary_put(dictionary *d, uint32_t number, str text, arena *texts) {
    dictionary_table *t = table_for_one_more(d);
    uint64_t hash = hash64(text.s, text.n), held;
    _Atomic uint64_t *slot = slot_of(d, t, text, hash, &held);
    const dictionary_text *copy = held ? dictionary_get(d, (uint32_t)held - 1) : NULL;
    if (!copy) {
        dictionary_text *fresh = arena_alloc(texts, sizeof *fresh + text.n + 1);
        fresh->n = (uint32_t)text.n;
        fresh->hash = hash_id(text.s, text.n);
        memcpy(fresh->s, text.s, text.n);
        fresh->s[text.n] = '\0';
        copy = fresh;
        t->used++;
    }
    store_text(d, number, copy);
    if (held && (uint32_t)held - 1 >= number) return;
    atomic_store_explicit(slot, (hash >> 32 << 32) | ((uint64_t)number + 1), memory_order_release);
}

void dictionary_free(dictionary *d) {
    for (dictionary_table *t = atomic_load(&d->table), *older; t; t = older) {
        older = t->older;
        free(t);
    }
    for (uint32_t k = 0; k < DICTIONARY_SEGMENTS; k++)
        free((void *)atomic_load(&d->segment[k]));
    memset((void *)d, 0, sizeof *d);
}
