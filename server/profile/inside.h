/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to profile: rows that are copied on write, histories, counters, and the collection being built. */
#ifndef SINTER_PROFILE_INSIDE_H
#define SINTER_PROFILE_INSIDE_H

#include "profile/profile.h"

enum {
    ROW_BITS = 9, /* rows a chunk: 512 */
    ROWS = 1 << ROW_BITS,
    MAX_TYPES = CONFIG_MAX_EVENTS,
    MAX_BY = 8,            /* as config/events.c has it */
    MAX_ID = 256,          /* bytes; longer ones are never recorded */
    MAX_QUERY_TEXT = 1024, /* longer queries have no counters */
};

/* ---- rows.c: rows of one width by dense number, in chunks ------------------------------------------------------------- */

/* Written to in place while `generation` is the collection's (nobody else has seen it), copied before that otherwise. */
typedef struct row_chunk {
    uint64_t generation;
    _Alignas(16) char row[];
} row_chunk;

/* Published: never changes. */
typedef struct row_table {
    uint32_t n_chunks;
    const row_chunk *chunk[]; /* NULL: all zero */
} row_table;

typedef struct rows {
    size_t width;
    row_chunk **chunk;
    uint32_t n_chunks, cap_chunks;
    bool dirty;
    row_table *published; /* NULL: none yet */
} rows;

/* The row; NULL: all zero. */
static inline const void *table_row(const row_table *t, size_t width, uint32_t i)
{
    uint32_t k = i >> ROW_BITS;
    return t && k < t->n_chunks && t->chunk[k] ? t->chunk[k]->row + (i & (ROWS - 1)) * width : NULL;
}
const void *rows_at(const rows *r, uint32_t i); /* as being built; NULL: all zero */
void *rows_writable(profile_collection *p, rows *r, uint32_t i);
const row_table *rows_publish(profile_collection *p, rows *r);
void rows_free(rows *r);

/* ---- what stands in rows ------------------------------------------------------------------------------------------------ */

/* A sum of events, each worth 1 at its own time and half of it a half-life later, as of `time_ms`. Value 0: no event yet. */
typedef struct counter {
    double value;
    int64_t time_ms;
} counter;

/* counters.c */
void counter_add(counter *c, int64_t time_ms, double half_life_ms);
void counters_add(profile_collection *p, rows *r, uint32_t number, int64_t time_ms);
double counter_at(const counter *c, int64_t now_ms, double half_life_ms);

/* An item by its id: ordinal + 1 (0: not in the catalogue), then the number of its value of each counter field (0: none). */
typedef uint32_t item_row;

typedef struct history_entry {
    int64_t time_ms;
    double value;
    uint32_t item; /* number of its id */
    uint32_t type;
} history_entry;

/* A list of one person or query: written to in place while it is of the collection's generation, else copied first. */
typedef struct block {
    uint64_t generation;
    uint32_t n, cap; /* entries */
} block;
/* *slot, or a copy of it that takes its place there, with room for `cap` entries of `entry` bytes behind the struct's `head`. */
void *block_writable(profile_collection *p, void *slot, size_t head, size_t entry, uint32_t cap);

struct profile_person {
    block b;
    history_entry entry[]; /* [n] oldest first */
};

typedef struct query_entry {
    uint64_t key; /* item number << 8 | type */
    counter counter;
} query_entry;

struct profile_query {
    block b;
    query_entry entry[]; /* [n] by rising key */
};

/* people.c, queries.c: of the numbered person or query, in the state being built. */
void person_add(profile_collection *p, uint32_t person, const history_entry *e);
void query_add(profile_collection *p, uint32_t query, uint32_t item, uint32_t type, int64_t time_ms);
/* The key's bytes in `out`; 0: nobody, or an id that is none. */
size_t person_key(str user_id, str session_id, char out[MAX_ID + 2]);

/* ---- the collection ------------------------------------------------------------------------------------------------------ */

typedef struct profile_tables {
    const row_table *item_of; /* by ordinal: item number + 1 */
    const row_table *item;    /* by item number: item_row[1 + n_by] */
    const row_table *person;  /* by person number: profile_person * */
    const row_table *query;   /* by query number: profile_query * */
    const row_table *count[MAX_TYPES];             /* by item number: counter */
    const row_table *value_count[MAX_TYPES][MAX_BY]; /* by value number: counter */
} profile_tables;

/* Of an ordinal: the number of its id + 1; 0: no such item. */
static inline uint32_t item_number(const profile_set *s, uint32_t ordinal)
{
    const uint32_t *row = table_row(s->tables->item_of, sizeof *row, ordinal);
    return row ? *row : 0;
}

/* Events on an id that is not in the catalogue: their counters by value wait for the item's values. */
typedef struct waiting {
    uint32_t n, cap;
    struct {
        int64_t time_ms;
        uint32_t type;
    } event[];
} waiting;

struct profile_collection {
    const config_collection *schema;
    uint32_t number, n_by, history;
    double half_life_ms; /* infinite: no decay */
    epoch_domain *epochs;

    /* Types: grow under `lock`, read without. */
    pthread_mutex_t lock;
    char *type[MAX_TYPES];
    _Atomic uint32_t n_types;

    /* Written by the one thread, read by any. */
    dictionary people, items, queries;
    dictionary values[MAX_BY]; /* numbers from 1 */
    _Atomic(const profile_set *) current;

    /* The one thread's own. */
    arena *texts, *scratch;
    uint64_t generation, applied, n_events, bytes;
    uint32_t n_people, n_items, n_queries;
    bool moved;
    rows item_of, item, person, query, count[MAX_TYPES], value_count[MAX_TYPES][MAX_BY];
    waiting **waiting; /* [cap_waiting] by item number */
    uint32_t cap_waiting;
    void **replaced; /* by the next publication */
    size_t n_replaced, cap_replaced;
};

/* Of an item number: ordinal + 1, then its values; NULL: nothing known. */
static inline const item_row *item_values(const profile_set *s, uint32_t number)
{
    return table_row(s->tables->item, (1 + s->owner->n_by) * sizeof(item_row), number);
}

/* Freed when no reader can hold it: with the next publication. */
void profile_replace(profile_collection *p, void *old);
/* Memory of blocks, counted. */
void *profile_alloc(profile_collection *p, size_t bytes);

#endif
