/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of this room share: the collection, its growing list of fields, and the columns being built. */
#ifndef SINTER_CATALOG_INSIDE_H
#define SINTER_CATALOG_INSIDE_H

#include "catalog/catalog.h"

#define CHUNK_WORDS (SINTER_CHUNK_ROWS / 64u)
#define FIELD_SLOTS 4096u /* of the table by name: never more than half full */
#define NO_COLUMN UINT32_MAX

/* A chunk of a column. Written to in place while `generation` is the collection's (nobody else has seen it), copied
 * before that otherwise. */
typedef struct chunk_block {
    sinter_chunk view; /* first: what a published column points to */
    uint64_t generation;
    size_t bytes;      /* of the block and its data */
    uint32_t capacity; /* KEYWORDS: ids that `data` has room for */
    bool inlined;      /* data follows in the same block */
    uint64_t present[CHUNK_WORDS];
} chunk_block;

/* A column being built: the view thread's own. */
typedef struct live_column {
    const catalog_field *field;
    sinter_column_type type;
    uint32_t dimension;
    size_t width; /* bytes a row; 0: KEYWORDS */
    chunk_block **chunk;
    uint32_t n_chunks, cap_chunks;
    sinter_column *published;
    bool dirty;
    uint64_t touched; /* number of the apply that last wrote to it */
} live_column;

/* Rows of plain words: the bitmap of live items (64 words a chunk) and the records' sequences (4,096 words). */
typedef struct word_block {
    uint64_t generation;
    uint64_t word[];
} word_block;
typedef struct word_rows {
    uint32_t words; /* a chunk */
    word_block **chunk;
    uint32_t n_chunks, cap_chunks;
} word_rows;

/* What the next publication replaces: freed when no reader can hold it. */
typedef struct replaced {
    void *p;
    void (*free_fn)(void *p, void *ctx);
} replaced;

struct catalog_collection {
    _Atomic(const config_collection *) schema;
    uint32_t number;
    char uuid[64];
    epoch_domain *epochs;

    /* Fields: grow under `lock`, read without. */
    pthread_mutex_t lock;
    arena *names;
    _Atomic(const catalog_field *) by_name[FIELD_SLOTS];
    _Atomic(const catalog_field *) by_number[CATALOG_MAX_FIELDS];
    _Atomic(const catalog_field *) by_column[CATALOG_MAX_FIELDS];
    _Atomic(dictionary *) words[CATALOG_MAX_FIELDS]; /* by field number; NULL: no value yet, or no keyword field */
    _Atomic uint32_t n_fields, n_columns;
    _Atomic bool refused_fields; /* said once that a record's field is over the limit */

    /* Written by the view thread, read by any. */
    dictionary ids;
    _Atomic(const catalog_set *) current;
    _Atomic uint64_t bytes;

    /* The view thread's own. */
    arena *texts, *scratch;
    uint64_t generation, applies, chunk_bytes;
    uint32_t n_items, n_live;
    live_column *live[CATALOG_MAX_FIELDS];
    uint32_t n_live_columns;
    word_rows alive, record;
    replaced *replaced;
    size_t n_replaced, cap_replaced;
    struct {
        uint32_t *id;
        uint32_t n, cap;
    } list; /* scratch of one keywords value */
};

/* schema.c: finds the field, or makes it when a pattern matches. NULL: unknown, or no room (*full). Takes the lock when
 * it makes one. [any thread] */
const catalog_field *schema_resolve(catalog_collection *c, const char *name, bool *full);
/* Makes the fields of all names or of none. False: the limit would be passed. [any thread] */
bool schema_make_fields(catalog_collection *c, const char *const *name, const config_field *const *declared, uint32_t n);

/* check.c: converts a value to the declared kind. NULL: *out is the value (`in` itself where nothing had to change; NULL:
 * a null). Else what is wrong with it, a text in `a`. */
const char *check_value(const config_field *f, const Sinter__V1__Value *in, arena *a, const Sinter__V1__Value **out);

/* What is wrong with one item, as it is found. */
enum { MOST_VIOLATIONS = 50 };
typedef struct checker {
    catalog_collection *c;
    arena *a;
    const char *prefix;
    Sinter__V1__FieldViolation *violation[MOST_VIOLATIONS];
    size_t n;
} checker;
/* `name` (may be NULL) stands behind `path`, as readable text. */
void check_refuse(checker *k, const char *path, const char *name, const char *description);
void check_refuse_unknown(checker *k, const char *path, const char *name);
/* What a field takes, for messages. */
const char *check_takes(const config_field *f, arena *a);
const char *check_shown(arena *a, const char *s, size_t most);

/* columns.c: the columns being built. [view thread] */
void columns_put(catalog_collection *c, const catalog_field *f, uint32_t row, const Sinter__V1__Value *v);
void columns_clear_untouched(catalog_collection *c, uint32_t row); /* all that the current apply did not write */
void columns_clear_all(catalog_collection *c, uint32_t row);
const sinter_column *column_publish(catalog_collection *c, live_column *l, uint32_t n_chunks);
live_column *column_live(catalog_collection *c, uint32_t column);
void column_free(live_column *l);
void word_rows_set(catalog_collection *c, word_rows *w, uint32_t chunk, uint32_t word, uint64_t value);
static inline uint64_t word_rows_get(const word_rows *w, uint32_t chunk, uint32_t word) {
    return chunk < w->n_chunks ? w->chunk[chunk]->word[word] : 0;
}
void word_rows_reach(catalog_collection *c, word_rows *w, uint32_t n_chunks);
void word_rows_free(word_rows *w);
/* Remembers what the next publication sets free. */
void collection_replace(catalog_collection *c, void *p, void (*free_fn)(void *p, void *ctx));
void plain_free(void *p, void *ctx);

/* dictionaries.c: the id of a keyword, made when it is new. [view thread] */
uint32_t dictionaries_keyword(catalog_collection *c, const catalog_field *f, str text);
uint64_t dictionaries_bytes(const catalog_collection *c);
void dictionaries_free(catalog_collection *c);

#endif
