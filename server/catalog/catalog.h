/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The catalogue: schemas, validation of items, and columns of typed fields by ordinal.
 *
 * A catalog_collection is one collection's live columns. One thread (the view thread) applies journal records and publishes
 * immutable column sets; any number of lanes read a set without locks for as long as they stay inside the epoch in which
 * they obtained it. Chunks of 4,096 rows are copied when written to after a publication and shared otherwise; replaced
 * chunks are retired to the epoch domain. Dictionaries (keyword text ↔ id, item id ↔ ordinal) only grow and are read
 * without locks.
 *
 * Every field that is not text has a column; text lives in the index and in the journal. A pattern ("attributes.t_*")
 * makes its columns when an item first brings a name; at most CATALOG_MAX_FIELDS fields a collection. */
#ifndef SINTER_CATALOG_H
#define SINTER_CATALOG_H

#include "base/base.h"
#include "config/config.h"
#include "journal/journal.h"
#include <sinter/plugin.h>
#include <sinter/v1/catalog.pb-c.h>
#include <sinter/v1/types.pb-c.h>

#define CATALOG_MAX_FIELDS 2000u
#define CATALOG_MAX_TEXT_BYTES (4u << 20) /* one text value */
#define CATALOG_MAX_KEYWORD_BYTES 1024u

typedef struct catalog_collection catalog_collection;

/* What is replaced while others read it; C++ has no such word and only reads. */
#ifdef __cplusplus
#define CATALOG_SHARED(T) T
#else
#define CATALOG_SHARED(T) _Atomic(T)
#endif

/* A resolved field: declared, or made by a pattern. Addresses are stable for the life of the collection. */
typedef struct catalog_field {
    const char *name;
    CATALOG_SHARED(const config_field *) declared; /* the declaration, or the pattern's; catalog_adopt puts another here */
    field_type type;
    uint32_t number;  /* dense, in order of first appearance: declared fields first. Not stable across rebuilds */
    uint32_t column;  /* index of its column; UINT32_MAX: text */
    CATALOG_SHARED(bool) from_pattern;
    CATALOG_SHARED(bool) gone; /* no longer declared: found by no name */
} catalog_field;

/* Opens an empty collection; its columns are filled by catalog_apply. `schema` must outlive it. */
sinter_status catalog_open(const config_collection *schema, uint32_t number, const char *uuid, epoch_domain *epochs,
                           catalog_collection **out, sinter_error *e);
void catalog_close(catalog_collection *c);
/* Takes another declaration of the same collection (config_same_index): fields that are new get columns, empty ones; fields
 * that it lacks are found no more. Both schemas must outlive the collection. catalog_adoptable says why not: a field of another
 * type than its column, or too many. [view thread; adoptable: any] */
sinter_status catalog_adoptable(const catalog_collection *c, const config_collection *schema, sinter_error *e);
void catalog_adopt(catalog_collection *c, const config_collection *schema);
/* Fills columns of fields that were adopted from an item's record, where the columns hold that very record. [view thread] */
void catalog_refill(catalog_collection *c, const Sinter__Storage__V1__Record *rec);
const config_collection *catalog_schema(const catalog_collection *c);
uint32_t catalog_number(const catalog_collection *c);
const char *catalog_uuid(const catalog_collection *c);
const char *catalog_name(const catalog_collection *c);

/* ---- validation ------------------------------------------------------------------------------------------------- */

/* Checks one item against the schema: id, known fields (near names), types, finite numbers, sizes, required fields, the
 * limit of pattern fields. On success *normal is the item to journal: values converted to their declared kind (an integral
 * number for an integer field, an RFC 3339 string for a timestamp, one string for keywords), nulls dropped, in `a`. On
 * refusal returns INVALID and fills violations (paths begin with `prefix`, e.g. "items[3]"). [any thread] */
sinter_status catalog_check_item(catalog_collection *c, const Sinter__V1__Item *item, const char *prefix, arena *a,
                                 Sinter__V1__Item **normal, Sinter__V1__FieldViolation ***violations, size_t *n_violations);

/* Checks what can be told of an update without its item; violations as above. [any thread] */
sinter_status catalog_check_update(catalog_collection *c, const Sinter__V1__ItemUpdate *u, const char *prefix, arena *a,
                                   Sinter__V1__FieldViolation ***violations, size_t *n_violations);
/* The item that an update makes of `before` (NULL: a new one), normal as catalog_check_item makes it; in `a`. Conditions are
 * the caller's. On INVALID *violation is the first thing that is wrong. [any thread] */
sinter_status catalog_update_item(catalog_collection *c, const Sinter__V1__ItemUpdate *u, const Sinter__V1__Item *before,
                                  arena *a, Sinter__V1__Item **out, const Sinter__V1__FieldViolation **violation);

/* Known fields by name; NULL: none. Includes pattern fields seen so far. [any thread, lock-free] */
const catalog_field *catalog_find_field(const catalog_collection *c, const char *name);
/* The declaration that a name falls under, whether an item brought it yet or not; NULL: none. [any thread] */
const config_field *catalog_declared(const catalog_collection *c, const char *name);
/* All fields in order of number. [any thread] */
uint32_t catalog_fields(const catalog_collection *c, const catalog_field **out /* [CATALOG_MAX_FIELDS] */);
/* For messages: nearest field name, or NULL. */
const char *catalog_near_field(const catalog_collection *c, const char *name);
/* Value of a field of an item, NULL: absent. */
const Sinter__V1__Value *catalog_item_value(const Sinter__V1__Item *item, const char *field);

/* ---- apply: the view thread ---------------------------------------------------------------------------------------- */

/* Applies a record of this collection (item put or delete) to the columns being built. `was_sequence`: sequence of the
 * record it replaces, 0: none. *text_changed: whether a field that the text index holds (searchable text, filterable keyword)
 * differs from before or cannot be told. Applying an old or equal sequence again is harmless. */
sinter_status catalog_apply(catalog_collection *c, const Sinter__Storage__V1__Record *rec, const Sinter__V1__Item *before,
                            bool *text_changed, sinter_error *e);
/* Ordinals that the journal has given, deleted ones included (journal_count): at start the records of live items alone do not
 * tell. Only ever raises the sets' n_items. */
void catalog_expect(catalog_collection *c, uint32_t ordinals);
/* Publishes what was applied so far, stamped with `sequence`; what it replaces is retired. */
const struct catalog_set *catalog_publish(catalog_collection *c, uint64_t sequence);

/* ---- column sets: any lane, inside an epoch -------------------------------------------------------------------------- */

typedef struct catalog_set {
    uint64_t sequence;
    uint32_t n_items; /* ordinals given so far */
    uint32_t n_live;
    uint32_t n_columns;
    const sinter_column *const *column; /* [n_columns] by catalog_field.column */
    uint32_t n_chunks;
    const uint64_t *const *live;        /* [n_chunks][SINTER_CHUNK_ROWS / 64]: bit set: the item lives */
    const uint64_t *const *record;      /* [n_chunks][SINTER_CHUNK_ROWS]: sequence of the item's record in this set */
    catalog_collection *owner;
} catalog_set;

const catalog_set *catalog_current(const catalog_collection *c); /* the newest published */

static inline bool catalog_is_live(const catalog_set *s, uint32_t item)
{
    return item < s->n_items && (s->live[item >> SINTER_CHUNK_BITS][(item & (SINTER_CHUNK_ROWS - 1)) >> 6] >> (item & 63) & 1);
}
static inline bool column_has(const sinter_column *c, uint32_t item)
{
    const sinter_chunk *k = (item >> SINTER_CHUNK_BITS) < c->n_chunks ? c->chunk[item >> SINTER_CHUNK_BITS] : NULL;
    uint32_t r = item & (SINTER_CHUNK_ROWS - 1);
    return k && (k->present[r >> 6] >> (r & 63) & 1);
}
/* The item's keyword id, 0: none; its vector, NULL: none. */
static inline uint32_t column_keyword(const sinter_column *c, uint32_t item)
{
    return column_has(c, item) ? ((const uint32_t *)c->chunk[item >> SINTER_CHUNK_BITS]->data)[item & (SINTER_CHUNK_ROWS - 1)] : 0;
}
static inline const float *column_vector(const sinter_column *c, uint32_t item)
{
    if (!column_has(c, item)) return NULL;
    return (const float *)c->chunk[item >> SINTER_CHUNK_BITS]->data + (size_t)(item & (SINTER_CHUNK_ROWS - 1)) * c->dimension;
}
/* Sequence of the item's record in this set; 0: not live. */
uint64_t catalog_record_of(const catalog_set *s, uint32_t item);
/* The column of a field by name; NULL: no such field, or text. */
const sinter_column *catalog_column(const catalog_set *s, const char *field);
/* Numeric value of integer, number, boolean, timestamp columns; NaN: missing. */
double column_number(const sinter_column *c, uint32_t item);
/* Gather of column_number for items[0..n) as float, NaN where missing. */
void column_gather(const sinter_column *c, const uint32_t *item, uint32_t n, float *out, uint32_t stride);
/* The ids of a keywords column's item. */
const uint32_t *column_keywords(const sinter_column *c, uint32_t item, uint32_t *n);

/* ---- dictionaries: any thread, lock-free, valid for the collection's life ----------------------------------------------- */

const char *catalog_keyword_text(const catalog_collection *c, const catalog_field *f, uint32_t id, size_t *len); /* NULL: unknown */
uint32_t catalog_keyword_id(const catalog_collection *c, const catalog_field *f, str text); /* 0: unknown */
/* hash_id of the keyword's text, of the item's id; 0: unknown. */
uint32_t catalog_keyword_hash(const catalog_collection *c, const catalog_field *f, uint32_t id);
uint32_t catalog_item_hash(const catalog_collection *c, uint32_t ordinal);
uint32_t catalog_keyword_count(const catalog_collection *c, const catalog_field *f);
const char *catalog_item_id(const catalog_collection *c, uint32_t ordinal, size_t *len); /* NULL: never given */
uint32_t catalog_item_ordinal(const catalog_collection *c, str id); /* the newest ordinal of the id; UINT32_MAX: unknown */

/* Memory held by columns and dictionaries, bytes. */
uint64_t catalog_bytes(const catalog_collection *c);

#endif
