/* SPDX-License-Identifier: Apache-2.0 */
/* Rules: what a merchandiser writes ("when … then …"), read once at open and applied by a ranker, a finisher or a
 * rewriter.
 *
 *   read.c, read_when.c, read_then.c   options → struct rule, with file:line:column in every complaint
 *   text.c                             one form for rules' words and queries' words; dictionaries
 *   select.c                           the rules that apply to a request, without looking at the others
 *   rank.c, finish.c + arrange.c, rewrite.c   what each role does with them
 *   plugin.c                           the table that Sinter loads
 *
 * The instance is const once open has returned; everything that changes during a request lives in the worker. */
#ifndef RULES_H
#define RULES_H

#include <sinter/plugin.h>

#include <stdio.h>
#include <string.h>

#define RULES_NONE UINT32_MAX
enum { RULES_MOST = 10000, RULES_ITEMS_MOST = 1000, RULES_CAPS_MOST = 16, RULES_TOLD_MOST = 8000, RULES_PATH = 256 };

/* ---- roles and actions ----------------------------------------------------------------------------------------- */

enum { ROLE_RANKER = 1, ROLE_FINISHER = 2, ROLE_REWRITER = 4 };

typedef enum rule_act {
    ACT_BOOST = 1,
    ACT_BURY,
    ACT_PIN,
    ACT_HIDE,
    ACT_INSERT,
    ACT_CAP,
    ACT_LABEL,
    ACT_ADD_WORDS,
    ACT_REPLACE_WORDS,
    ACT_BOOST_WORDS,
    ACT_ADD_FILTER,
    ACT_REDIRECT,
} rule_act;

typedef struct rule_action {
    rule_act act;
    uint32_t roles;    /* where it can act */
    const char **item; /* [n_items] ids; none: the items that pass the rule's filter */
    uint32_t n_items;
    bool additive;     /* boost, bury: `amount` is added, else the score is multiplied by it */
    double amount;     /* boost, bury: signed, or a factor; boost_words: factor */
    uint32_t position; /* pin, insert: 1-based, of the first item */
    uint32_t limit;    /* pin by filter: at most so many; cap: at most so many of one value */
    uint32_t among;    /* cap: in the first so many positions */
    const char *field; /* cap */
    const char *text;  /* label, words, filter, url */
    const char *from;  /* replace_words: the words replaced; NULL: the whole query */
} rule_action;

/* ---- conditions -------------------------------------------------------------------------------------------------- */

typedef enum rule_op { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE } rule_op;

typedef struct rule_comparison {
    rule_op op;
    bool numeric; /* `number` is what `text` says */
    double number;
    sinter_str text;
} rule_comparison;

/* An attribute passes where all comparisons of one alternative hold. */
typedef struct rule_alternative {
    const rule_comparison *all;
    uint32_t n;
} rule_alternative;

typedef struct rule_attribute {
    sinter_str name;
    const rule_alternative *any;
    uint32_t n;
} rule_attribute;

typedef struct rule_ids {
    uint32_t *id; /* [n] in a dictionary */
    uint32_t n;
} rule_ids;

typedef struct rule_strings {
    const sinter_str *text;
    uint32_t n;
} rule_strings;

typedef struct rule {
    const char *id, *note;
    sinter_mark mark;
    int64_t priority;
    uint32_t place; /* in the order of reading */

    rule_ids exact, starts_with, words, any_word;
    rule_attribute *user, *context;
    uint32_t n_user, n_context;
    rule_strings locale, device;
    int64_t from_ms, until_ms;          /* INT64_MIN, INT64_MAX: open */
    uint32_t minute_from, minute_until; /* of the day; equal: the whole day */
    int32_t offset_minutes;             /* added to UTC for hours and days */
    uint8_t days;                       /* bit 0: Monday; 0: every day */
    int8_t empty_query;                 /* -1: either */

    uint32_t filter; /* index into the instance's filters, or RULES_NONE: all items */
    rule_action *action;
    uint32_t n_actions, roles;
} rule;

/* ---- memory and dictionaries --------------------------------------------------------------------------------------
 */

/* Memory of an instance, released as a whole. */
typedef struct rules_pool {
    const sinter_host *host;
    struct rules_block *blocks;
} rules_pool;

void *rules_take(rules_pool *, size_t size); /* zeroed; NULL: none */
char *rules_take_text(rules_pool *, const char *text, size_t n);
void rules_pool_release(rules_pool *);

/* Texts with dense ids, each with the list of rules that are looked up by it. */
typedef struct rules_dictionary {
    uint32_t *slot; /* [mask + 1] id + 1, 0: free */
    uint32_t mask, n, room;
    struct rules_entry {
        const char *text;
        size_t size;
        uint64_t hash;
        uint32_t posting; /* first, or RULES_NONE */
    } * entry;
} rules_dictionary;

/* RULES_NONE: out of memory. The text is copied into the pool. */
uint32_t rules_intern(rules_pool *, rules_dictionary *, const char *text, size_t n);
uint32_t rules_lookup(const rules_dictionary *, const char *text, size_t n); /* RULES_NONE: not there */
void rules_dictionary_release(rules_pool *, rules_dictionary *);

/* The one form in which queries and rules are compared: lower case, words of letters, digits, '+' and '#' with one
 * space between. Writes at most 2 × n bytes; returns the size. */
size_t rules_canonical(const char *text, size_t n, char *out);
/* The next word of a canonical text; false at its end. */
bool rules_next_word(const char **at, const char *end, sinter_str *word);

/* ---- the instance ---------------------------------------------------------------------------------------------------
 */

typedef struct rules_posting {
    uint32_t rule, next;
} rules_posting;

struct sinter_instance {
    const sinter_host *host;
    rules_pool pool;
    rule *rule; /* [n] highest priority first, then in the order of the file */
    uint32_t n;
    rules_dictionary exact, starts_with, word; /* canonical texts of conditions */
    rules_dictionary filter_text;
    sinter_filter **filter; /* [filter_text.n] */
    uint32_t n_filters;
    uint32_t prefix_length[64]; /* distinct sizes of starts_with texts, ascending */
    uint32_t n_prefix_lengths;
    rules_posting *posting;
    uint32_t n_postings;
    uint32_t *always; /* rules whose conditions say nothing of the query's words */
    uint32_t n_always;
    uint32_t n_boosts, n_boost_items; /* of all rules: room that a worker needs */
};

/* ---- the worker
 * ------------------------------------------------------------------------------------------------------ */

/* One boost or bury that acts in this request. */
typedef struct rules_boost {
    uint32_t rule, filter;
    uint32_t first, n_items; /* ordinals, ascending; n_items 0 with by_items: none of them exists */
    bool by_items;
    double weight;
} rules_boost;

struct sinter_worker {
    const sinter_host *host;
    uint32_t epoch; /* a stamp equal to it means: seen in this request */
    uint32_t *exact_seen, *starts_with_seen, *word_seen, *rule_seen;
    uint32_t *hit_exact, *hit_starts_with, *hit_word; /* ids seen */
    uint32_t n_hit_exact, n_hit_starts_with, n_hit_word;
    uint32_t *active; /* rules that apply, in order */
    uint32_t n_active;
    char *text; /* the canonical query */
    size_t text_room;
    rules_boost *boost;
    uint32_t n_boosts;
    uint32_t *ordinal; /* of the boosts' items */
    double *sum;       /* [block_room] */
    uint8_t *mask;     /* [block_room] */
    uint32_t block_room;
};

/* ---- reading (open only)
 * ------------------------------------------------------------------------------------------------ */

typedef struct rules_reader {
    const sinter_host *host;
    const sinter_options *options;
    sinter_instance *inst;
    rules_dictionary ids;
    const char *id; /* of the rule being read; NULL: none yet */
    const char *role;
    sinter_error *err;
} rules_reader;

#define RULES_N_OPTIONS      2u
#define RULES_N_FILE_OPTIONS 1u
extern const sinter_option rules_options[RULES_N_OPTIONS];           /* of a use in a pipeline */
extern const sinter_option rules_file_options[RULES_N_FILE_OPTIONS]; /* of a rules file */

sinter_status rules_read(sinter_instance *, const sinter_open_args *, sinter_error *err);
sinter_status rules_read_when(rules_reader *, const char *path, rule *);
sinter_status rules_read_then(rules_reader *, const char *path, rule *);
sinter_status rules_index(sinter_instance *, sinter_error *err);

/* INVALID with "rule 'id': what" at the mark of `path`. */
__attribute__((format(printf, 4, 5))) sinter_status rules_fail(rules_reader *, const char *path, const char *fix,
                                                               const char *what, ...);
sinter_status rules_no_memory(sinter_error *err);
/* Compiles a filter; out NULL: only to see whether it does. The complaint starts with `name`. */
sinter_status rules_compile(rules_reader *, const char *path, const char *name, const char *text, sinter_filter **out);
/* A list of strings, or one string; n = 0 where the key is absent. */
sinter_status rules_read_strings(rules_reader *, const char *path, rule_strings *out);
void rules_path(char out[RULES_PATH], const char *path, const char *key);

/* RFC 3339, or a bare date (midnight UTC). */
bool rules_parse_time(const char *text, int64_t *ms);
bool rules_parse_hours(const char *text, uint32_t *from, uint32_t *until);
bool rules_parse_offset(const char *text, int32_t *minutes);
bool rules_parse_number(const char *text, size_t n, double *out);

/* ---- applying
 * -------------------------------------------------------------------------------------------------------------- */

/* Fills the worker's `active`. */
sinter_status rules_select(const sinter_instance *, sinter_worker *, const sinter_request *, sinter_error *err);
void rules_sort(uint32_t *value, uint32_t n); /* ascending, in place, allocating nothing */

extern const sinter_ranker rules_ranker;
extern const sinter_finisher rules_finisher;
extern const sinter_rewriter rules_rewriter;

/* ---- the finisher's own picture of the list (arrange.c)
 * ----------------------------------------------------------------------- */

/* A pin or insert that has been accepted. */
typedef struct rules_pin {
    uint32_t row; /* in the arrangement's items */
    uint32_t rule, wanted, position;
    bool insert;
} rules_pin;

typedef struct rules_cap {
    uint32_t rule;
    const rule_action *action;
    uint8_t *target; /* [room] */
} rules_cap;

/* Rows 0..n are the list's; rows after them are inserted items. */
typedef struct rules_arrangement {
    const sinter_instance *inst;
    sinter_worker *worker;
    sinter_sink *sink;
    uint32_t n, n_items, room;
    uint32_t n_top;           /* rows that the host sorts anew after scaling */
    uint32_t n_told;          /* scales and labels so far */
    uint32_t *item;           /* [room] ordinals */
    double *score;            /* [n] running */
    uint8_t *hidden, *pinned; /* [room] */
    bool scaled;
    rules_pin *pin; /* [room] */
    uint32_t n_pins;
    rules_cap cap[RULES_CAPS_MOST];
    uint32_t n_caps;
    uint32_t *order, *queue; /* [room] rows */
    uint32_t n_order;
} rules_arrangement;

/* Emits moves for the caps, then pins and inserts. */
sinter_status rules_arrange(rules_arrangement *, sinter_error *err);

#endif
