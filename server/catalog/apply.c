/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Journal records become rows, rows become published sets. The view thread alone.
 *
 * A row remembers the sequence of the last record that wrote to it, a delete's too, so that an old record applied again
 * changes nothing. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

static bool row_lives(const catalog_collection *c, uint32_t row) {
    uint32_t r = row & (SINTER_CHUNK_ROWS - 1);
    return word_rows_get(&c->alive, row >> SINTER_CHUNK_BITS, r >> 6) >> (r & 63) & 1;
}

static void row_set(catalog_collection *c, uint32_t row, bool lives, uint64_t sequence) {
    uint32_t k = row >> SINTER_CHUNK_BITS, r = row & (SINTER_CHUNK_ROWS - 1);
    uint64_t bit = (uint64_t)1 << (r & 63), word = word_rows_get(&c->alive, k, r >> 6);
    if (lives && !(word & bit)) c->n_live++;
    if (!lives && (word & bit)) c->n_live--;
    word_rows_set(c, &c->alive, k, r >> 6, lives ? word | bit : word & ~bit);
    word_rows_set(c, &c->record, k, r, sequence);
    if (row >= c->n_items) c->n_items = row + 1;
}

static bool is_indexed(const config_field *f) {
    return (f->type == FIELD_TEXT && f->searchable) ||
           ((f->type == FIELD_KEYWORD || f->type == FIELD_KEYWORDS) && (f->filterable || f->searchable));
}

static bool same_strings(const Sinter__V1__Strings *a, const Sinter__V1__Strings *b) {
    if (a->n_values != b->n_values) return false;
    for (size_t i = 0; i < a->n_values; i++) {
        if (strcmp(a->values[i], b->values[i]) != 0) return false;
    }
    return true;
}

/* Of values that the index holds: strings. Any other pair counts as different. */
static bool same_text(const Sinter__V1__Value *a, const Sinter__V1__Value *b) {
    if (!a || !b) return a == b;
    if (a->kind_case != b->kind_case) return false;
    if (a->kind_case == SINTER__V1__VALUE__KIND_STRING_VALUE) return strcmp(a->string_value, b->string_value) == 0;
    return a->kind_case == SINTER__V1__VALUE__KIND_STRINGS_VALUE && same_strings(a->strings_value, b->strings_value);
}

/* Items from the journal have their fields in the same order (check.c sorts them): look there first. */
static const Sinter__V1__Value *value_near(const Sinter__V1__Item *item, const char *field, size_t at) {
    if (at < item->n_fields && strcmp(item->fields[at]->key, field) == 0) return item->fields[at]->value;
    return catalog_item_value(item, field);
}

/* Whether an indexed field of `a` is missing or other in `b`. */
static bool index_differs(const catalog_collection *c, const Sinter__V1__Item *a, const Sinter__V1__Item *b) {
    for (size_t i = 0; i < a->n_fields; i++) {
        const char *name = a->fields[i]->key;
        const catalog_field *f = catalog_find_field(c, name);
        const config_field *declared = f ? f->declared : catalog_declared(c, name);
        if (!declared || !is_indexed(declared)) continue;
        if (!same_text(a->fields[i]->value, value_near(b, name, i))) return true;
    }
    return false;
}

static const catalog_field *field_of(catalog_collection *c, const char *name) {
    bool full;
    const catalog_field *f = schema_resolve(c, name, &full);
    if (full && !atomic_exchange(&c->refused_fields, true))
        log_warn("catalog.fields_full", "collection %s holds %u fields already: \"%.100s\" and other new ones have no column",
                 catalog_name(c), CATALOG_MAX_FIELDS, name);
    return f;
}

/* Values that no longer fit the schema, and fields that it no longer has, are left out of the columns. */
static void put_fields(catalog_collection *c, const Sinter__V1__Item *item, uint32_t row) {
    for (size_t i = 0; i < item->n_fields; i++) {
        const Sinter__V1__Item__FieldsEntry *entry = item->fields[i];
        const catalog_field *f = field_of(c, entry->key);
        const Sinter__V1__Value *v;
        if (!f || f->column == NO_COLUMN) continue;
        if (check_value(f->declared, entry->value, c->scratch, &v) || !v) continue;
        columns_put(c, f, row, v);
    }
}

static sinter_status apply_put(catalog_collection *c, const Sinter__Storage__V1__Record *rec,
                               const Sinter__V1__Item *before, bool *text_changed) {
    const Sinter__V1__Item *item = rec->item_put->item;
    uint32_t row = rec->item_put->ordinal;
    bool lived = row_lives(c, row);
    *text_changed = !lived || !before || index_differs(c, item, before) || index_differs(c, before, item);
    c->applies++;
    arena_reset(c->scratch);
    put_fields(c, item, row);
    if (lived) columns_clear_untouched(c, row);
    dictionary_put(&c->ids, row, str_of(item->id), c->texts);
    row_set(c, row, true, rec->sequence);
    return SINTER_OK;
}

static sinter_status apply_delete(catalog_collection *c, const Sinter__Storage__V1__Record *rec, bool *text_changed) {
    uint32_t row = rec->item_delete->ordinal;
    *text_changed = true;
    columns_clear_all(c, row);
    if (rec->item_delete->id[0]) dictionary_put(&c->ids, row, str_of(rec->item_delete->id), c->texts);
    row_set(c, row, false, rec->sequence);
    return SINTER_OK;
}

sinter_status catalog_apply(catalog_collection *c, const Sinter__Storage__V1__Record *rec, const Sinter__V1__Item *before,
                            bool *text_changed, sinter_error *e) {
    bool put = rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT;
    bool drop = rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_DELETE;
    *text_changed = false;
    if (!put && !drop)
        return error_set(e, SINTER_INTERNAL, "catalog", NULL, "record %llu is neither an item's put nor its delete",
                         (unsigned long long)rec->sequence);
    uint32_t number = put ? rec->item_put->collection : rec->item_delete->collection;
    uint32_t row = put ? rec->item_put->ordinal : rec->item_delete->ordinal;
    if (number != c->number || row == UINT32_MAX || (put && !rec->item_put->item))
        return error_set(e, SINTER_INTERNAL, "catalog", NULL, "record %llu (collection %u, ordinal %u) is not one of collection %u",
                         (unsigned long long)rec->sequence, number, row, c->number);
    uint64_t known = word_rows_get(&c->record, row >> SINTER_CHUNK_BITS, row & (SINTER_CHUNK_ROWS - 1));
    if (rec->sequence <= known) return SINTER_OK;
    return put ? apply_put(c, rec, before, text_changed) : apply_delete(c, rec, text_changed);
}

void catalog_refill(catalog_collection *c, const Sinter__Storage__V1__Record *rec) {
    uint32_t row = rec->item_put->ordinal;
    uint64_t known = word_rows_get(&c->record, row >> SINTER_CHUNK_BITS, row & (SINTER_CHUNK_ROWS - 1));
    if (rec->sequence != known || !row_lives(c, row)) return;
    c->applies++;
    arena_reset(c->scratch);
    put_fields(c, rec->item_put->item, row);
}

void catalog_expect(catalog_collection *c, uint32_t ordinals) {
    if (ordinals > c->n_items) c->n_items = ordinals;
}

static catalog_set *set_new(catalog_collection *c, uint64_t sequence) {
    uint32_t n_columns = atomic_load_explicit(&c->n_columns, memory_order_acquire);
    uint32_t n_chunks = (c->n_items + SINTER_CHUNK_ROWS - 1) >> SINTER_CHUNK_BITS;
    word_rows_reach(c, &c->alive, n_chunks);
    word_rows_reach(c, &c->record, n_chunks);
    catalog_set *s = xmalloc(sizeof *s + (n_columns + 2 * (size_t)n_chunks) * sizeof(void *));
    const sinter_column **column = (const sinter_column **)(s + 1);
    const uint64_t **live = (const uint64_t **)(column + n_columns), **record = live + n_chunks;
    for (uint32_t i = 0; i < n_columns; i++)
        column[i] = column_publish(c, column_live(c, i), n_chunks);
    for (uint32_t k = 0; k < n_chunks; k++) {
        live[k] = c->alive.chunk[k]->word;
        record[k] = c->record.chunk[k]->word;
    }
    *s = (catalog_set){sequence, c->n_items, c->n_live, n_columns, column, n_chunks, live, record, c};
    return s;
}

const catalog_set *catalog_publish(catalog_collection *c, uint64_t sequence) {
    catalog_set *s = set_new(c, sequence);
    collection_replace(c, (void *)atomic_exchange(&c->current, s), plain_free);
    c->generation++;
    for (size_t i = 0; i < c->n_replaced; i++)
        epoch_retire(c->epochs, c->replaced[i].p, c->replaced[i].free_fn, NULL);
    c->n_replaced = 0;
    epoch_reclaim(c->epochs);
    atomic_store_explicit(&c->bytes, c->chunk_bytes + dictionaries_bytes(c) + sizeof *c, memory_order_relaxed);
    return s;
}
