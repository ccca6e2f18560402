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

/* Counts of the last hour, day and month: 0: nothing yet; see windows.c. */
typedef uint64_t window;

typedef struct tally {
    counter all;
    window recent;
} tally;

/* One happening, as tallies count it. */
typedef struct count {
    int64_t time_ms;   /* its own */
    int64_t recent_ms; /* the same, or when it was recorded where its clock was ahead */
    double weight;
    uint64_t amount; /* the weight in windows */
} count;

/* windows.c */
void window_add(profile_collection *p, window *w, int64_t time_ms, uint64_t amount);
uint64_t window_count(window w, profile_span span, int64_t now_ms);
void window_free(window w);
const uint64_t *window_buckets(const window *w, uint32_t *n);
/* Of buckets as window_buckets gave them; false: they are none. */
bool window_restore(profile_collection *p, window *w, const uint64_t *bucket, uint32_t n);
/* counters.c */
void counter_add(counter *c, int64_t time_ms, double weight, double half_life_ms);
void tally_add(profile_collection *p, tally *t, const count *c);
/* NULL: nothing happened. `unit`: what one is in windows. */
double tally_at(const tally *t, profile_span span, int64_t now_ms, double half_life_ms, double unit);

/* What is counted of one kind of happening: by item, by value of each counter field, in all. */
typedef struct account {
    rows item, value[MAX_BY]; /* by item number, by value number: tally */
    tally all;
} account;

/* Published. */
typedef struct account_tables {
    const row_table *item, *value[MAX_BY];
    tally all;
} account_tables;

/* Accounts: events of each type, those of them that name an answer, items shown. */
enum { THROUGH = MAX_TYPES, SHOWN = 2 * MAX_TYPES, ACCOUNTS = 2 * MAX_TYPES + 1 };
enum { SHOWN_UNIT = 256 }; /* one showing that is surely looked at, in windows */

/* An item by its id: ordinal + 1 (0: not in the catalogue), then the number of its value of each counter field (0: none). */
typedef uint32_t item_row;

typedef struct history_entry {
    int64_t time_ms;
    uint32_t order; /* of all entries ever: tells those of the same time apart, and finds one that stands in two lists */
    uint32_t item;  /* number of its id */
    float value;
    uint32_t type;
} history_entry;

/* A list of one person or query: written to in place while it is of the collection's generation, else copied first. */
typedef struct block {
    uint64_t generation;
    uint32_t n, cap; /* entries */
} block;
/* *slot, or a copy of it that takes its place there, with room for `cap` entries of `entry` bytes behind the struct's `head`. */
void *block_writable(profile_collection *p, void *slot, size_t head, size_t entry, uint32_t cap);

/* What PutUser stored of a user: a packed UserPut of attributes alone. Never changed, replaced. */
typedef struct attributes {
    uint32_t n;
    char packed[];
} attributes;
/* attributes.c: after one more PutUser; NULL: none are left. */
attributes *attributes_after(profile_collection *p, const attributes *before, const Sinter__Storage__V1__UserPut *put, arena *a);

struct profile_person {
    block b;
    const attributes *attributes; /* NULL: none */
    uint32_t user;         /* of a session: 1 + the number of the user it is joined to; 0: nobody */
    uint32_t query;        /* hash_id of the words that the latest event naming any names; 0: none */
    int64_t query_ms;
    history_entry entry[]; /* [n] oldest first */
};

typedef struct query_entry {
    uint64_t key; /* item number << 8 | type */
    tally tally;
} query_entry;

struct profile_query {
    block b;
    query_entry entry[]; /* [n] by rising key */
};

/* apply.c: an event on an item that is not there. */
void wait_for_item(profile_collection *p, uint32_t item, uint32_t type, bool through, const count *c);
/* apply.c: the number of a counter field's value, by the hash that impressions name; from 1. */
uint32_t value_of_hash(profile_collection *p, uint32_t by, uint64_t hash);
/* people.c, queries.c: of the numbered person or query, in the state being built. */
void person_add(profile_collection *p, uint32_t person, const history_entry *e);
void person_join(profile_collection *p, uint32_t user, uint32_t session);
uint32_t person_joined(const profile_collection *p, uint32_t session); /* 1 + user; 0: to nobody */
void person_put(profile_collection *p, uint32_t person, const Sinter__Storage__V1__UserPut *put);
void person_asked(profile_collection *p, uint32_t person, uint32_t query, int64_t time_ms);
void query_add(profile_collection *p, uint32_t query, uint32_t item, uint32_t type, const count *c);
void query_free(profile_query *q);
/* The key's bytes in `out`; 0: nobody, or an id that is none. */
size_t user_key(str user_id, char out[MAX_ID + 2]);
size_t session_key(str session_id, char out[MAX_ID + 2]);

/* ---- the collection ------------------------------------------------------------------------------------------------------ */

typedef struct profile_tables {
    const row_table *item_of; /* by ordinal: item number + 1 */
    const row_table *item;    /* by item number: item_row[1 + n_by] */
    const row_table *person;  /* by person number: profile_person * */
    const row_table *query;   /* by query number: profile_query * */
    account_tables account[ACCOUNTS];
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
        int64_t time_ms, recent_ms;
        uint32_t type;
        bool through;
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
    dictionary values[MAX_BY];       /* by text; numbers from 1 */
    dictionary value_hashes[MAX_BY]; /* the same numbers by the text's hash: what impressions name */
    _Atomic(const profile_set *) current;

    /* The one thread's own. */
    arena *texts, *scratch;
    uint64_t generation, applied, shown_applied, n_events, bytes;
    uint32_t n_people, n_items, n_queries, n_values[MAX_BY];
    bool moved;
    rows item_of, item, person, query;
    account account[ACCOUNTS];
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
