/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to suggest: what is kept while journals are read, what a set is made of. */
#ifndef SINTER_SUGGEST_INSIDE_H
#define SINTER_SUGGEST_INSIDE_H

#include "suggest/suggest.h"

enum {
    MOST_FIELDS = 16,
    MOST_TEXT = 256,      /* bytes of an entry */
    MOST_WORDS = 24,      /* of an entry */
    MOST_QUERY = 100,     /* bytes of a query that may be offered */
    MOST_USERS = 16,      /* hashes kept of a query's people */
    MOST_QUERIES = 200000, /* kept; beyond, the less used half goes */
    MOST_PEOPLE = 100000,
    RECENT = 10,          /* queries kept of a person */
};

/* ---- settings: what a collection declares, copied ---------------------------------------------------------------------- */

typedef struct settings {
    uint32_t number, n_fields, n_events, min_users;
    char *field[MOST_FIELDS];
    bool is_text[MOST_FIELDS]; /* else a keyword or keywords */
    char *event[CONFIG_MAX_EVENTS];
    double weight[CONFIG_MAX_EVENTS]; /* NaN: the event's own value */
    bool queries, recent;
    double half_life_ms;
    uint64_t hash;
} settings;
bool settings_of(const suggest_source *s, settings *out); /* false: it declares none */
void settings_free(settings *s);

/* ---- store: one collection's, of the suggest thread (store.c, queries.c) ------------------------------------------------- */

typedef struct use {
    double value; /* as of time_ms */
    int64_t time_ms;
} use;
void use_add(use *u, double weight, int64_t time_ms, double half_life_ms);
double use_at(const use *u, int64_t now_ms, double half_life_ms);

/* A text and its words, by number. */
typedef struct phrase {
    char *text; /* NULL: none */
    uint32_t *word, n;
} phrase;

typedef struct item_row { /* by number of the item's id */
    uint32_t ordinal; /* UINT32_MAX: not in the catalogue */
    phrase *text;     /* [n_fields] of text fields; NULL: none */
    uint32_t *value, n_values;
    use use;
} item_row;

typedef struct value_row {
    uint32_t field;
    phrase text;
} value_row;

typedef struct query_row {
    uint64_t hash;
    phrase text;
    use use;
    uint64_t user[MOST_USERS];
    uint8_t n_users;
    bool corrected; /* it was searched in another spelling: never offered */
} query_row;

typedef struct recent_ask {
    uint64_t query;
    int64_t time_ms;
} recent_ask;

typedef struct person_row {
    uint64_t hash;
    recent_ask recent[RECENT]; /* newest first */
    uint32_t n;
} person_row;

typedef struct store {
    settings set;
    arena *texts, *scratch;
    dictionary words, ids, values;
    uint32_t n_words, n_ids, n_values;
    item_row *item;
    uint32_t cap_items;
    value_row *value;
    uint32_t cap_values;
    uint32_t *of_ordinal, cap_ordinals; /* id number + 1 */
    query_row **query; /* open addressing, by hash */
    uint32_t n_queries, slots_queries;
    person_row **person;
    uint32_t n_people, slots_people;
    int64_t newest_ms; /* of what was seen: use is as of then */
    bool dirty;
} store;
store *store_new(const settings *s); /* takes the settings */
void store_free(store *s);
uint32_t store_word(store *s, str word);
void phrase_set(store *s, phrase *p, str text, bool joined);
void phrase_free(phrase *p);
/* Records of this collection. */
void store_put(store *s, uint32_t ordinal, const Sinter__V1__Item *item);
void store_delete(store *s, uint32_t ordinal);
void store_event(store *s, const Sinter__Storage__V1__Record *rec);

/* One asking. `corrected`: what was searched instead; empty: itself. */
typedef struct asking {
    str query, corrected, user_id, session_id;
    int64_t time_ms;
    double weight;
} asking;
void store_asked(store *s, const asking *q);
const query_row *store_query(const store *s, uint64_t hash); /* NULL: none */
void queries_free(store *s);

/* ---- a set (build.c) ------------------------------------------------------------------------------------------------------- */

typedef struct index_of {
    uint32_t n, n_words;
    suggest_entry *entry;              /* [n] most used first */
    str *word;                         /* [n_words] sorted by bytes */
    uint8_t *same;                     /* [n_words] letters that it begins with as the word before it does */
    uint32_t *begin, *posting;         /* [n_words + 1]: entries of each word, ascending */
    uint32_t *word_begin, *words;      /* [n + 1]: words of each entry */
} index_of;

typedef struct recent_person {
    uint64_t hash;
    uint32_t first, n; /* in recent_query */
} recent_person;

struct suggest_set {
    arena *memory;
    index_of index[SUGGEST_KINDS];
    const char *field[MOST_FIELDS];
    recent_person *person; /* [n_people] by hash */
    uint32_t n_people;
    str *recent_query;
    uint64_t bytes;
};
suggest_set *set_build(const store *s);
void set_free(suggest_set *s);

/* ---- lookups ---------------------------------------------------------------------------------------------------------------- */

/* Words of the index from `lo` up to `hi` begin with the prefix. */
void words_with_prefix(const index_of *x, str prefix, uint32_t *lo, uint32_t *hi);
/* Edits allowed in a word of so many letters. */
uint32_t edits_allowed(str word);
/* near[word of the index] = fewest edits, where at most `most`, between the typed word and it, or (prefix) any beginning of it;
 * all others stay UINT8_MAX. Returns how many, their numbers in `found` (room for all words). near.c */
uint32_t words_near(const index_of *x, str typed, bool prefix, uint32_t most, uint8_t *near, uint32_t *found);
/* Fills index_of.same. */
void words_compare(index_of *x, arena *a);
/* The same of two words. */
uint32_t word_edits(str typed, str word, bool prefix, uint32_t most); /* most + 1: more */

#endif
