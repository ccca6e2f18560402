/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Columns being built: chunks of 4,096 rows, written in place until they are published, copied before the next write after
 * that. A value that does not change touches nothing, so that an upsert of the same item copies no chunk. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

enum { OFFSETS = SINTER_CHUNK_ROWS + 1, LIST_LEAST = 1024, DATA_ALIGN = 64 };

static const struct {
    sinter_column_type type;
    size_t width; /* bytes a row; 0: a list */
} SHAPE[FIELD_TYPES] = {
    [FIELD_KEYWORD] = {SINTER_COLUMN_KEYWORD, sizeof(uint32_t)},
    [FIELD_KEYWORDS] = {SINTER_COLUMN_KEYWORDS, 0},
    [FIELD_INTEGER] = {SINTER_COLUMN_INTEGER, sizeof(int64_t)},
    [FIELD_NUMBER] = {SINTER_COLUMN_NUMBER, sizeof(double)},
    [FIELD_BOOLEAN] = {SINTER_COLUMN_BOOLEAN, sizeof(uint8_t)},
    [FIELD_TIMESTAMP] = {SINTER_COLUMN_TIMESTAMP, sizeof(int64_t)},
    [FIELD_VECTOR] = {SINTER_COLUMN_VECTOR, sizeof(float)},
    [FIELD_GEO] = {SINTER_COLUMN_GEO, 2 * sizeof(double)},
};

void plain_free(void *p, void *ctx) {
    (void)ctx;
    free(p);
}

void collection_replace(catalog_collection *c, void *p, void (*free_fn)(void *p, void *ctx)) {
    if (!p) return;
    if (c->n_replaced == c->cap_replaced) {
        c->cap_replaced = c->cap_replaced ? 2 * c->cap_replaced : 64;
        c->replaced = xrealloc(c->replaced, c->cap_replaced * sizeof *c->replaced);
    }
    c->replaced[c->n_replaced++] = (replaced){p, free_fn};
}

/* ---- chunks ------------------------------------------------------------------------------------------------------ */

static void chunk_free(void *p, void *ctx) {
    chunk_block *b = p;
    (void)ctx;
    if (!b->inlined) free((void *)b->view.data);
    free(b);
}

static chunk_block *chunk_new(catalog_collection *c, const live_column *l, uint32_t ids) {
    size_t head = (sizeof(chunk_block) + DATA_ALIGN - 1) / DATA_ALIGN * DATA_ALIGN;
    size_t data = l->width ? l->width * SINTER_CHUNK_ROWS : (OFFSETS + (size_t)ids) * sizeof(uint32_t);
    bool inlined = l->width != 0;
    chunk_block *b = xaligned(DATA_ALIGN, inlined ? head + data : head);
    memset(b, 0, inlined ? head + data : head);
    b->inlined = inlined;
    b->view.present = b->present;
    b->view.data = inlined ? (char *)b + head : xcalloc(1, data);
    b->generation = c->generation;
    b->capacity = ids;
    b->bytes = head + data;
    c->chunk_bytes += b->bytes;
    return b;
}

static uint32_t *list_data(chunk_block *b) {
    return (uint32_t *)b->view.data;
}

static chunk_block *chunk_copy(catalog_collection *c, const live_column *l, chunk_block *old) {
    chunk_block *b = chunk_new(c, l, old->capacity);
    size_t n = l->width ? l->width * SINTER_CHUNK_ROWS
                        : (OFFSETS + (size_t)list_data(old)[SINTER_CHUNK_ROWS]) * sizeof(uint32_t);
    memcpy(b->present, old->present, sizeof b->present);
    memcpy((void *)b->view.data, old->view.data, n);
    return b;
}

static chunk_block *chunk_at(const live_column *l, uint32_t row) {
    uint32_t k = row >> SINTER_CHUNK_BITS;
    return k < l->n_chunks ? l->chunk[k] : NULL;
}

/* The chunk of a row as one that may be written to. */
static chunk_block *chunk_writable(catalog_collection *c, live_column *l, uint32_t row) {
    uint32_t k = row >> SINTER_CHUNK_BITS;
    if (k >= l->cap_chunks) {
        uint32_t cap = l->cap_chunks ? 2 * l->cap_chunks : 4;
        while (cap <= k)
            cap *= 2;
        l->chunk = xrealloc(l->chunk, cap * sizeof(chunk_block *));
        l->cap_chunks = cap;
    }
    while (l->n_chunks <= k)
        l->chunk[l->n_chunks++] = NULL;
    l->dirty = true;
    chunk_block *b = l->chunk[k];
    if (b && b->generation == c->generation) return b;
    l->chunk[k] = b ? chunk_copy(c, l, b) : chunk_new(c, l, l->width ? 0 : LIST_LEAST);
    if (b) {
        c->chunk_bytes -= b->bytes;
        collection_replace(c, b, chunk_free);
    }
    return l->chunk[k];
}

static bool has_row(const chunk_block *b, uint32_t r) {
    return b && (b->present[r >> 6] >> (r & 63) & 1);
}

static void mark_row(chunk_block *b, uint32_t r) {
    b->present[r >> 6] |= (uint64_t)1 << (r & 63);
}

/* ---- rows of one width --------------------------------------------------------------------------------------------- */

static void put_row(catalog_collection *c, live_column *l, uint32_t row, const void *value) {
    uint32_t r = row & (SINTER_CHUNK_ROWS - 1);
    chunk_block *b = chunk_at(l, row);
    if (has_row(b, r) && memcmp((const char *)b->view.data + r * l->width, value, l->width) == 0) return;
    b = chunk_writable(c, l, row);
    memcpy((char *)b->view.data + r * l->width, value, l->width);
    mark_row(b, r);
}

/* ---- rows that are lists -------------------------------------------------------------------------------------------- */

static void list_make_room(catalog_collection *c, chunk_block *b, uint32_t ids) {
    if (ids <= b->capacity) return;
    uint32_t cap = b->capacity;
    while (cap < ids)
        cap *= 2;
    b->view.data = xrealloc((void *)b->view.data, (OFFSETS + (size_t)cap) * sizeof(uint32_t));
    c->chunk_bytes += (cap - b->capacity) * sizeof(uint32_t);
    b->bytes += (cap - b->capacity) * sizeof(uint32_t);
    b->capacity = cap;
}

static void put_list(catalog_collection *c, live_column *l, uint32_t row, const uint32_t *id, uint32_t n) {
    uint32_t r = row & (SINTER_CHUNK_ROWS - 1);
    chunk_block *b = chunk_at(l, row);
    if (b) {
        const uint32_t *at = list_data(b);
        bool same = at[r + 1] - at[r] == n && (!n || memcmp(at + OFFSETS + at[r], id, n * sizeof *id) == 0);
        if (has_row(b, r) == (n > 0) && same) return;
    } else if (n == 0) {
        return;
    }
    b = chunk_writable(c, l, row);
    uint32_t *at = list_data(b), was = at[r + 1] - at[r], end = at[SINTER_CHUNK_ROWS];
    list_make_room(c, b, end - was + n);
    at = list_data(b);
    uint32_t *ids = at + OFFSETS;
    memmove(ids + at[r] + n, ids + at[r] + was, (end - at[r] - was) * sizeof *ids);
    if (n) memcpy(ids + at[r], id, n * sizeof *ids);
    for (uint32_t i = r + 1; i < OFFSETS; i++)
        at[i] = at[i] - was + n;
    b->present[r >> 6] &= ~((uint64_t)1 << (r & 63));
    if (n) mark_row(b, r);
}

static bool in_list(const uint32_t *id, uint32_t n, uint32_t x) {
    for (uint32_t i = 0; i < n; i++) {
        if (id[i] == x) return true;
    }
    return false;
}

/* Ids of a value's strings, each once, in their order. */
static void list_ids(catalog_collection *c, const catalog_field *f, const Sinter__V1__Strings *s) {
    c->list.n = 0;
    if (s->n_values > c->list.cap) {
        c->list.cap = (uint32_t)s->n_values;
        c->list.id = xrealloc(c->list.id, s->n_values * sizeof(uint32_t));
    }
    for (size_t i = 0; i < s->n_values; i++) {
        uint32_t id = dictionaries_keyword(c, f, str_of(s->values[i]));
        if (!in_list(c->list.id, c->list.n, id)) c->list.id[c->list.n++] = id;
    }
}

static void clear_row(catalog_collection *c, live_column *l, uint32_t row) {
    uint32_t r = row & (SINTER_CHUNK_ROWS - 1);
    if (!has_row(chunk_at(l, row), r)) return;
    if (l->width == 0) {
        put_list(c, l, row, NULL, 0);
        return;
    }
    chunk_block *b = chunk_writable(c, l, row);
    b->present[r >> 6] &= ~((uint64_t)1 << (r & 63));
    memset((char *)b->view.data + r * l->width, 0, l->width); /* KEYWORD: id 0 is none, read without the bit */
}

/* ---- columns ---------------------------------------------------------------------------------------------------------- */

live_column *column_live(catalog_collection *c, uint32_t column) {
    while (c->n_live_columns <= column) {
        const catalog_field *f = atomic_load_explicit(&c->by_column[c->n_live_columns], memory_order_acquire);
        live_column *l = xcalloc(1, sizeof *l);
        l->field = f;
        l->type = SHAPE[f->type].type;
        l->width = SHAPE[f->type].width;
        l->dimension = 1;
        if (f->type == FIELD_VECTOR) {
            l->dimension = f->declared->dimension ? f->declared->dimension : 1;
            l->width *= l->dimension;
        }
        c->live[c->n_live_columns++] = l;
    }
    return c->live[column];
}

void columns_put(catalog_collection *c, const catalog_field *f, uint32_t row, const Sinter__V1__Value *v) {
    live_column *l = column_live(c, f->column);
    l->touched = c->applies;
    if (v->kind_case == SINTER__V1__VALUE__KIND_STRING_VALUE) {
        uint32_t id = dictionaries_keyword(c, f, str_of(v->string_value));
        put_row(c, l, row, &id);
    } else if (v->kind_case == SINTER__V1__VALUE__KIND_STRINGS_VALUE) {
        list_ids(c, f, v->strings_value);
        put_list(c, l, row, c->list.id, c->list.n);
    } else if (v->kind_case == SINTER__V1__VALUE__KIND_INTEGER_VALUE) {
        put_row(c, l, row, &v->integer_value);
    } else if (v->kind_case == SINTER__V1__VALUE__KIND_NUMBER_VALUE) {
        double x = v->number_value == 0 ? 0 : v->number_value; /* one zero */
        put_row(c, l, row, &x);
    } else if (v->kind_case == SINTER__V1__VALUE__KIND_BOOLEAN_VALUE) {
        put_row(c, l, row, &(uint8_t){v->boolean_value ? 1 : 0});
    } else if (v->kind_case == SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE) {
        put_row(c, l, row, &(int64_t){timestamp_ms(v->timestamp_value)});
    } else if (v->kind_case == SINTER__V1__VALUE__KIND_VECTOR_VALUE) {
        put_row(c, l, row, v->vector_value->values);
    } else if (v->kind_case == SINTER__V1__VALUE__KIND_GEO_VALUE) {
        put_row(c, l, row, (double[2]){v->geo_value->latitude, v->geo_value->longitude});
    }
}

void columns_clear_untouched(catalog_collection *c, uint32_t row) {
    for (uint32_t i = 0; i < c->n_live_columns; i++) {
        if (c->live[i]->touched != c->applies) clear_row(c, c->live[i], row);
    }
}

void columns_clear_all(catalog_collection *c, uint32_t row) {
    for (uint32_t i = 0; i < c->n_live_columns; i++)
        clear_row(c, c->live[i], row);
}

/* A header of its own for each publication that changed the column; else the last one. */
const sinter_column *column_publish(catalog_collection *c, live_column *l, uint32_t n_chunks) {
    if (l->published && !l->dirty && l->published->n_chunks == n_chunks) return l->published;
    sinter_column *p = xmalloc(sizeof *p + n_chunks * sizeof(sinter_chunk *));
    const sinter_chunk **chunk = (const sinter_chunk **)(p + 1);
    for (uint32_t k = 0; k < n_chunks; k++)
        chunk[k] = k < l->n_chunks && l->chunk[k] ? &l->chunk[k]->view : NULL;
    *p = (sinter_column){.size = sizeof *p,
                         .type = l->type,
                         .dimension = l->dimension,
                         .n_items = c->n_items,
                         .n_chunks = n_chunks,
                         .chunk = chunk,
                         .name = l->field->name};
    collection_replace(c, l->published, plain_free);
    l->published = p;
    l->dirty = false;
    return p;
}

void column_free(live_column *l) {
    for (uint32_t k = 0; k < l->n_chunks; k++) {
        if (l->chunk[k]) chunk_free(l->chunk[k], NULL);
    }
    free(l->chunk);
    free(l->published);
    free(l);
}

/* ---- rows of words ------------------------------------------------------------------------------------------------------ */

static word_block *word_block_new(catalog_collection *c, uint32_t words) {
    word_block *b = xcalloc(1, sizeof *b + words * sizeof(uint64_t));
    b->generation = c->generation;
    c->chunk_bytes += sizeof *b + words * sizeof(uint64_t);
    return b;
}

void word_rows_reach(catalog_collection *c, word_rows *w, uint32_t n_chunks) {
    if (n_chunks > w->cap_chunks) {
        w->cap_chunks = n_chunks > 2 * w->cap_chunks ? n_chunks : 2 * w->cap_chunks;
        w->chunk = xrealloc(w->chunk, w->cap_chunks * sizeof(word_block *));
    }
    while (w->n_chunks < n_chunks)
        w->chunk[w->n_chunks++] = word_block_new(c, w->words);
}

void word_rows_set(catalog_collection *c, word_rows *w, uint32_t chunk, uint32_t word, uint64_t value) {
    word_rows_reach(c, w, chunk + 1);
    word_block *b = w->chunk[chunk];
    if (b->word[word] == value) return;
    if (b->generation != c->generation) {
        w->chunk[chunk] = word_block_new(c, w->words);
        memcpy(w->chunk[chunk]->word, b->word, w->words * sizeof(uint64_t));
        c->chunk_bytes -= sizeof *b + w->words * sizeof(uint64_t);
        collection_replace(c, b, plain_free);
        b = w->chunk[chunk];
    }
    b->word[word] = value;
}

void word_rows_free(word_rows *w) {
    for (uint32_t k = 0; k < w->n_chunks; k++)
        free(w->chunk[k]);
    free(w->chunk);
}
