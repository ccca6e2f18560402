/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading published sets: single values, and the gather that builds feature matrices. */
#include "inside.h"

#include <float.h>
#include <math.h>
#include <string.h>

const catalog_set *catalog_current(const catalog_collection *c) {
    return atomic_load(&c->current);
}

uint64_t catalog_bytes(const catalog_collection *c) {
    return atomic_load_explicit(&c->bytes, memory_order_relaxed);
}

uint64_t catalog_record_of(const catalog_set *s, uint32_t item) {
    return catalog_is_live(s, item) ? s->record[item >> SINTER_CHUNK_BITS][item & (SINTER_CHUNK_ROWS - 1)] : 0;
}

const sinter_column *catalog_column(const catalog_set *s, const char *field) {
    const catalog_field *f = catalog_find_field(s->owner, field);
    return f && f->column < s->n_columns ? s->column[f->column] : NULL;
}

const Sinter__V1__Value *catalog_item_value(const Sinter__V1__Item *item, const char *field) {
    for (size_t i = 0; i < item->n_fields; i++) {
        if (strcmp(item->fields[i]->key, field) == 0) return item->fields[i]->value;
    }
    return NULL;
}

double column_number(const sinter_column *c, uint32_t item) {
    if (!c || !column_has(c, item)) return NAN;
    const void *data = c->chunk[item >> SINTER_CHUNK_BITS]->data;
    uint32_t r = item & (SINTER_CHUNK_ROWS - 1);
    switch (c->type) {
    case SINTER_COLUMN_INTEGER:
    case SINTER_COLUMN_TIMESTAMP: return (double)((const int64_t *)data)[r];
    case SINTER_COLUMN_NUMBER: return ((const double *)data)[r];
    case SINTER_COLUMN_BOOLEAN: return ((const uint8_t *)data)[r];
    default: return NAN;
    }
}

const uint32_t *column_keywords(const sinter_column *c, uint32_t item, uint32_t *n) {
    *n = 0;
    if (!c || c->type != SINTER_COLUMN_KEYWORDS || !column_has(c, item)) return NULL;
    const uint32_t *at = c->chunk[item >> SINTER_CHUNK_BITS]->data;
    uint32_t r = item & (SINTER_CHUNK_ROWS - 1);
    *n = at[r + 1] - at[r];
    return at + SINTER_CHUNK_ROWS + 1 + at[r];
}

/* A finite value stays finite as a float. */
static inline float narrowed(double v) {
    return v > FLT_MAX ? FLT_MAX : v < -FLT_MAX ? -FLT_MAX : (float)v;
}

/* One loop a type, so that nothing is decided inside. */
#define GATHER(name, T)                                                                                                \
    static void name(const sinter_column *c, const uint32_t *item, uint32_t n, float *out, uint32_t stride) {          \
        for (uint32_t i = 0; i < n; i++) {                                                                             \
            uint32_t k = item[i] >> SINTER_CHUNK_BITS, r = item[i] & (SINTER_CHUNK_ROWS - 1);                          \
            const sinter_chunk *b = k < c->n_chunks ? c->chunk[k] : NULL;                                              \
            float v = NAN;                                                                                             \
            if (b && (b->present[r >> 6] >> (r & 63) & 1)) v = narrowed((double)((const T *)b->data)[r]);              \
            out[(size_t)i * stride] = v;                                                                               \
        }                                                                                                              \
    }
GATHER(gather_integer, int64_t)
GATHER(gather_number, double)
GATHER(gather_boolean, uint8_t)

void column_gather(const sinter_column *c, const uint32_t *item, uint32_t n, float *out, uint32_t stride) {
    sinter_column_type type = c ? c->type : SINTER_COLUMN_KEYWORD;
    if (type == SINTER_COLUMN_INTEGER || type == SINTER_COLUMN_TIMESTAMP) {
        gather_integer(c, item, n, out, stride);
    } else if (type == SINTER_COLUMN_NUMBER) {
        gather_number(c, item, n, out, stride);
    } else if (type == SINTER_COLUMN_BOOLEAN) {
        gather_boolean(c, item, n, out, stride);
    } else {
        for (uint32_t i = 0; i < n; i++)
            out[(size_t)i * stride] = NAN;
    }
}
