/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A small shop's schema, and items made from one line each, for the tests of catalog and filter. */
#ifndef SINTER_TESTS_CATALOG_FIXTURE_H
#define SINTER_TESTS_CATALOG_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/catalog.h"

static const config_field SHOP_FIELDS[] = {
    {.name = "title", .type = FIELD_TEXT, .searchable = true, .stored = true, .required = true, .weight = 1},
    {.name = "notes", .type = FIELD_TEXT, .stored = true},
    {.name = "brand", .type = FIELD_KEYWORD, .filterable = true, .stored = true},
    {.name = "tags", .type = FIELD_KEYWORDS, .filterable = true, .stored = true},
    {.name = "price", .type = FIELD_NUMBER, .filterable = true, .sortable = true, .stored = true},
    {.name = "stock", .type = FIELD_INTEGER, .filterable = true, .stored = true},
    {.name = "sold_out", .type = FIELD_BOOLEAN, .filterable = true, .stored = true},
    {.name = "released", .type = FIELD_TIMESTAMP, .filterable = true, .stored = true},
    {.name = "embedding", .type = FIELD_VECTOR, .dimension = 3, .filterable = true, .stored = true},
    {.name = "place", .type = FIELD_GEO, .filterable = true, .stored = true},
    {.name = "attributes.t_*", .pattern = true, .type = FIELD_KEYWORD, .filterable = true, .stored = true},
    {.name = "attributes.n_*", .pattern = true, .type = FIELD_NUMBER, .filterable = true, .stored = true},
    {.name = "texts.*.body", .pattern = true, .type = FIELD_TEXT, .searchable = true, .stored = true},
};
static const config_collection SHOP = {
    .name = "shop", .file = "collections/shop.yaml", .field = SHOP_FIELDS, .n_fields = ARRAY_LEN(SHOP_FIELDS)};

typedef struct shop {
    epoch_domain *epochs;
    catalog_collection *c;
    arena *a;
    uint64_t sequence;
} shop;

static inline void shop_open_schema(shop *s, const config_collection *schema) {
    sinter_error e = SINTER_ERROR_INIT;
    s->epochs = epoch_new(8);
    s->a = arena_new(1 << 16);
    s->sequence = 0;
    assert_int_equal(catalog_open(schema, 1, "11111111-2222-4333-8444-555555555555", s->epochs, &s->c, &e), SINTER_OK);
}

static inline void shop_open(shop *s) {
    shop_open_schema(s, &SHOP);
}

static inline void shop_close(shop *s) {
    catalog_close(s->c);
    epoch_free(s->epochs);
    arena_free(s->a);
}

/* ---- values and items -------------------------------------------------------------------------------------------- */

static inline Sinter__V1__Value *value_of(arena *a, Sinter__V1__Value__KindCase kind) {
    Sinter__V1__Value *v = arena_alloc(a, sizeof *v);
    sinter__v1__value__init(v);
    v->kind_case = kind;
    return v;
}
static inline Sinter__V1__Value *v_string(arena *a, const char *s) {
    Sinter__V1__Value *v = value_of(a, SINTER__V1__VALUE__KIND_STRING_VALUE);
    v->string_value = arena_strdup(a, s);
    return v;
}
static inline Sinter__V1__Value *v_number(arena *a, double x) {
    Sinter__V1__Value *v = value_of(a, SINTER__V1__VALUE__KIND_NUMBER_VALUE);
    v->number_value = x;
    return v;
}
static inline Sinter__V1__Value *v_integer(arena *a, int64_t x) {
    Sinter__V1__Value *v = value_of(a, SINTER__V1__VALUE__KIND_INTEGER_VALUE);
    v->integer_value = x;
    return v;
}
static inline Sinter__V1__Value *v_boolean(arena *a, bool x) {
    Sinter__V1__Value *v = value_of(a, SINTER__V1__VALUE__KIND_BOOLEAN_VALUE);
    v->boolean_value = x;
    return v;
}
static inline Sinter__V1__Value *v_time(arena *a, int64_t seconds, int32_t nanos) {
    Sinter__V1__Value *v = value_of(a, SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE);
    v->timestamp_value = arena_alloc(a, sizeof *v->timestamp_value);
    google__protobuf__timestamp__init(v->timestamp_value);
    v->timestamp_value->seconds = seconds;
    v->timestamp_value->nanos = nanos;
    return v;
}
static inline Sinter__V1__Value *v_strings(arena *a, size_t n, const char *const *s) {
    Sinter__V1__Value *v = value_of(a, SINTER__V1__VALUE__KIND_STRINGS_VALUE);
    v->strings_value = arena_alloc(a, sizeof *v->strings_value);
    sinter__v1__strings__init(v->strings_value);
    v->strings_value->n_values = n;
    v->strings_value->values = arena_alloc(a, (n + 1) * sizeof(char *));
    for (size_t i = 0; i < n; i++)
        v->strings_value->values[i] = arena_strdup(a, s[i]);
    return v;
}
static inline Sinter__V1__Value *v_vector(arena *a, size_t n, const float *x) {
    Sinter__V1__Value *v = value_of(a, SINTER__V1__VALUE__KIND_VECTOR_VALUE);
    v->vector_value = arena_alloc(a, sizeof *v->vector_value);
    sinter__v1__vector__init(v->vector_value);
    v->vector_value->n_values = n;
    v->vector_value->values = arena_alloc(a, (n + 1) * sizeof(float));
    memcpy(v->vector_value->values, x, n * sizeof(float));
    return v;
}
static inline Sinter__V1__Value *v_geo(arena *a, double latitude, double longitude) {
    Sinter__V1__Value *v = value_of(a, SINTER__V1__VALUE__KIND_GEO_VALUE);
    v->geo_value = arena_alloc(a, sizeof *v->geo_value);
    sinter__v1__geo__init(v->geo_value);
    v->geo_value->latitude = latitude;
    v->geo_value->longitude = longitude;
    return v;
}

static inline Sinter__V1__Item *item_new(arena *a, const char *id) {
    Sinter__V1__Item *item = arena_alloc(a, sizeof *item);
    sinter__v1__item__init(item);
    item->id = arena_strdup(a, id);
    return item;
}
static inline void item_add(arena *a, Sinter__V1__Item *item, const char *field, Sinter__V1__Value *v) {
    Sinter__V1__Item__FieldsEntry **grown = arena_alloc(a, (item->n_fields + 1) * sizeof *grown);
    if (item->n_fields) memcpy(grown, item->fields, item->n_fields * sizeof *grown);
    Sinter__V1__Item__FieldsEntry *entry = arena_alloc(a, sizeof *entry);
    sinter__v1__item__fields_entry__init(entry);
    entry->key = arena_strdup(a, field);
    entry->value = v;
    grown[item->n_fields++] = entry;
    item->fields = grown;
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static inline bool shop_apply_put(shop *s, uint32_t ordinal, Sinter__V1__Item *item, const Sinter__V1__Item *before,
                                  uint64_t sequence) {
    Sinter__Storage__V1__Record rec = SINTER__STORAGE__V1__RECORD__INIT;
    Sinter__Storage__V1__ItemPut put = SINTER__STORAGE__V1__ITEM_PUT__INIT;
    sinter_error e = SINTER_ERROR_INIT;
    bool changed;
    put.collection = 1;
    put.ordinal = ordinal;
    put.item = item;
    rec.sequence = sequence;
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT;
    rec.item_put = &put;
    assert_int_equal(catalog_apply(s->c, &rec, before, &changed, &e), SINTER_OK);
    return changed;
}
static inline bool shop_put(shop *s, uint32_t ordinal, Sinter__V1__Item *item, const Sinter__V1__Item *before) {
    return shop_apply_put(s, ordinal, item, before, ++s->sequence);
}
static inline void shop_delete(shop *s, uint32_t ordinal, const char *id) {
    Sinter__Storage__V1__Record rec = SINTER__STORAGE__V1__RECORD__INIT;
    Sinter__Storage__V1__ItemDelete del = SINTER__STORAGE__V1__ITEM_DELETE__INIT;
    sinter_error e = SINTER_ERROR_INIT;
    bool changed;
    del.collection = 1;
    del.ordinal = ordinal;
    del.id = (char *)id;
    rec.sequence = ++s->sequence;
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_ITEM_DELETE;
    rec.item_delete = &del;
    assert_int_equal(catalog_apply(s->c, &rec, NULL, &changed, &e), SINTER_OK);
}
static inline const catalog_set *shop_publish(shop *s) {
    return catalog_publish(s->c, s->sequence);
}

static inline uint64_t test_seed(void) {
    const char *s = getenv("SEED");
    uint64_t seed = s ? strtoull(s, NULL, 10) : 20261125;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

#endif
