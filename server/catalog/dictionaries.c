/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The collection's dictionaries: item ids by ordinal, and the keywords of each field by id (from 1). */
#include "inside.h"

#include <stdlib.h>

static const dictionary *words_of(const catalog_collection *c, const catalog_field *f) {
    return atomic_load_explicit(&c->words[f->number], memory_order_acquire);
}

uint32_t dictionaries_keyword(catalog_collection *c, const catalog_field *f, str text) {
    dictionary *d = atomic_load_explicit(&c->words[f->number], memory_order_relaxed);
    if (!d) {
        d = xcalloc(1, sizeof *d);
        d->bytes = sizeof *d;
        atomic_store_explicit(&c->words[f->number], d, memory_order_release);
    }
    uint32_t id = dictionary_find(d, text);
    if (id != DICTIONARY_NONE) return id;
    id = atomic_load_explicit(&d->count, memory_order_relaxed);
    if (id == 0) id = 1;
    dictionary_put(d, id, text, c->texts);
    return id;
}

static const char *text_of(const dictionary *d, uint32_t number, size_t *len) {
    const dictionary_text *t = d ? dictionary_get(d, number) : NULL;
    if (len) *len = t ? t->n : 0;
    return t ? t->s : NULL;
}

const char *catalog_keyword_text(const catalog_collection *c, const catalog_field *f, uint32_t id, size_t *len) {
    return text_of(words_of(c, f), id, len);
}

uint32_t catalog_keyword_id(const catalog_collection *c, const catalog_field *f, str text) {
    const dictionary *d = words_of(c, f);
    uint32_t id = d ? dictionary_find(d, text) : DICTIONARY_NONE;
    return id == DICTIONARY_NONE ? 0 : id;
}

uint32_t catalog_keyword_hash(const catalog_collection *c, const catalog_field *f, uint32_t id) {
    const dictionary *d = words_of(c, f);
    const dictionary_text *t = d && id ? dictionary_get(d, id) : NULL;
    return t ? t->hash : 0;
}

uint32_t catalog_item_hash(const catalog_collection *c, uint32_t ordinal) {
    const dictionary_text *t = dictionary_get(&c->ids, ordinal);
    return t ? t->hash : 0;
}

uint32_t catalog_keyword_count(const catalog_collection *c, const catalog_field *f) {
    const dictionary *d = words_of(c, f);
    uint32_t n = d ? atomic_load_explicit(&d->count, memory_order_acquire) : 0;
    return n ? n - 1 : 0;
}

const char *catalog_item_id(const catalog_collection *c, uint32_t ordinal, size_t *len) {
    return text_of(&c->ids, ordinal, len);
}

uint32_t catalog_item_ordinal(const catalog_collection *c, str id) {
    return dictionary_find(&c->ids, id);
}

uint64_t dictionaries_bytes(const catalog_collection *c) {
    uint64_t sum = c->ids.bytes + arena_used(c->texts);
    uint32_t n = atomic_load_explicit(&c->n_fields, memory_order_acquire);
    for (uint32_t i = 0; i < n; i++) {
        const dictionary *d = atomic_load_explicit(&c->words[i], memory_order_acquire);
        if (d) sum += d->bytes;
    }
    return sum;
}

void dictionaries_free(catalog_collection *c) {
    dictionary_free(&c->ids);
    for (uint32_t i = 0; i < CATALOG_MAX_FIELDS; i++) {
        dictionary *d = atomic_load(&c->words[i]);
        if (!d) continue;
        dictionary_free(d);
        free(d);
    }
}
