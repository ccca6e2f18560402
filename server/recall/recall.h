/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Recall: which items match words and a filter. The built-in sources of candidates.
 *
 * Text. A query is analysed once a request into a text_query; a text_reader (one a lane) finds its best items by BM25F.
 * Each searchable word of an item is one Xapian term whose wdf packs, per field group, a capped count and a quantised
 * field length, so that score and features come from the posting alone (docs/decisions, packed postings). Xapian's document
 * id is ordinal + 1. C++ stays inside text*.cc.
 *
 * Filter. An expression is compiled once a request against a collection's columns; the text source also takes its
 * keyword equalities as index terms.
 *
 * Threads. text_index: the view thread alone. text_reader: one lane at a time. filter and text_query: immutable. */
#ifndef SINTER_RECALL_H
#define SINTER_RECALL_H

#include "base/base.h"
#include "catalog/catalog.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- watching a walk ----------------------------------------------------------------------------------------------- */

/* Sees every match of a walk over items, whoever is best: counts are made in the walk that ranks, not in one of their own. */
typedef struct match_watch {
    /* A block of matches, ascending, all of one chunk of the columns, at most SINTER_CHUNK_ROWS. The watcher moves those that it
     * wants the walk to go on with to the front and returns how many. */
    uint32_t (*fn)(void *ctx, uint32_t *item, uint32_t n);
    void *ctx;
    uint64_t until_ns; /* CLOCK_MONOTONIC at which the walk ends, read once a chunk of the columns; UINT64_MAX: it does not */
    bool stopped;      /* out: it ended there, before all items */
    uint32_t reached;  /* out: items below this ordinal were looked at */
} match_watch;
/* Whether the walk goes on to `item`; else says in the watch where it ended. A walk calls it at the start of a chunk. */
static inline bool match_goes_on(match_watch *w, uint32_t item)
{
    if (!w || w->until_ns == UINT64_MAX || clock_mono_ns() < w->until_ns)
        return true;
    w->stopped = true;
    w->reached = item;
    return false;
}

/* ---- filter (filter*.c) --------------------------------------------------------------------------------------- */

typedef struct filter filter;

/* Compiles an expression against the collection's fields: = != < <= > >= IN (..) BETWEEN .. AND .. EXISTS AND OR NOT,
 * parentheses; a bare boolean field is a condition; strings in double or single quotes; timestamps as quoted RFC 3339 or
 * dates; geo: `field WITHIN km OF (lat, lon)`. Missing values satisfy nothing but NOT EXISTS and !=. Limits: 64 KiB, 1,000
 * conditions, depth 64. INVALID says the position (where: "filter:COLUMN") and what is valid; near field names. With `a`
 * NULL the filter is malloced and freed by filter_free. */
sinter_status filter_compile(const catalog_collection *c, str text, arena *a, filter **out, sinter_error *e);
void filter_free(filter *f);
bool filter_test(const filter *f, const catalog_set *set, uint32_t item);
/* The same of an item's values as the journal has them: for conditions of writes. [any thread] */
bool filter_test_item(const filter *f /* NULL: all */, const catalog_collection *c, const Sinter__V1__Item *item);
/* out[i] = 1 where items[i] passes, column by column. */
void filter_match(const filter *f, const catalog_set *set, const uint32_t *item, uint32_t n, uint8_t *out);
/* Live items that pass, ascending, at most `limit` from `first` on; returns how many; *count_all (may be NULL): all that pass. */
uint32_t filter_scan(const filter *f /* NULL: all */, const catalog_set *set, uint32_t first, uint32_t limit, uint32_t *item,
                     uint64_t *count_all);
/* Shows every live item that passes to the watcher. */
void filter_walk(const filter *f /* NULL: all */, const catalog_set *set, match_watch *w);
/* Great-circle distance in km from a point to a value of a geo column, as WITHIN measures it. */
double geo_km(double latitude, double longitude, const double *place);
/* a AND b; either may be NULL. */
filter *filter_and(arena *a, filter *x, filter *y);
/* The same expression in parts, for counts that set a field's own conditions aside. Of the conditions that AND joins at its top
 * level, those that name only field[k] become own[k] (NULL: none), all others *rest (NULL: none); names are distinct. In `a`. */
sinter_status filter_compile_apart(const catalog_collection *c, str text, const char *const *field, uint32_t n, arena *a,
                                   filter **rest, filter **own, sinter_error *e);
/* Lets all items pass but these; the array is sorted and kept. */
filter *filter_without(arena *a, uint32_t *item, uint32_t n);
/* Lets none pass but these; the array is sorted and kept. */
filter *filter_only(arena *a, uint32_t *item, uint32_t n);
/* Which part of an expression refuses an item, as a piece of `text`; empty: it passes. */
sinter_status filter_refusing(const catalog_collection *c, str text, const catalog_set *set, uint32_t item, arena *a, str *clause,
                              sinter_error *e);

/* ---- analysis and query (analysis*.c, query.c) ------------------------------------------------------------------- */

/* What two spellings of a text have in common: NFKC, casefolded, marks stripped from Latin letters, HTML entities decoded,
 * typographic signs plain. Bytes that are not UTF-8 become spaces. In `a`. */
str text_normalise(arena *a, str in);

/* Words of a text as people type them, normalised, neither stemmed nor read as measures; at most `most`; `joined`: compounds as one word
 * too ("wi-fi": wi, fi, wifi). Returns how many. words.c */
uint32_t text_words(arena *a, str text, bool joined, str *out, uint32_t most);

/* How a collection turns text into words: languages, stop words, synonyms, units. Built once a snapshot; immutable. Reads the
 * files that the schema names: INVALID with file:line:column. */
typedef struct text_analyzer text_analyzer;
sinter_status text_analyzer_new(const config_collection *schema, text_analyzer **out, sinter_error *e);
void text_analyzer_free(text_analyzer *t);

/* What an analyzer goes by beside its schema, for telling what a reload changes; hashes are 0 where there is none. */
typedef struct text_word_files {
    uint64_t stop_words, synonyms; /* hashes of what was read */
    uint32_t n_stop_words, n_synonyms; /* words; entries of the file */
} text_word_files;
text_word_files text_analyzer_files(const text_analyzer *t);

/* One word of a synonym; its terms (one per language) are alternatives. */
typedef struct text_part {
    const str *term; /* [n_terms] */
    uint32_t n_terms;
} text_part;

/* Another way to say a word of the query: one word, or several side by side. */
typedef struct text_synonym {
    str surface; /* normalised, as the file has it */
    const text_part *part;
    uint32_t n_parts;
} text_synonym;
#define TEXT_MAX_SYNONYMS 48u /* of one word */

/* One word of a query. Its terms (one per language) are alternatives, joined by their maximum; so are its synonyms, which
 * count `synonym_weight` times as much in each group. It is one word for idf, minimum_match and every feature. */
typedef struct text_word {
    str surface;    /* normalised as typed */
    str stem;       /* in the first language */
    const char *language;
    const str *term; /* [n_terms] index terms */
    uint32_t n_terms;
    uint32_t groups;  /* bit mask of groups it is bound to (field:word); 0: all */
    int32_t phrase;   /* >= 0: number of the quoted phrase it belongs to */
    bool excluded;
    bool stop;        /* a stop word: dropped unless in a phrase or all words are */
    bool optional;    /* adds to the score; neither AND nor minimum_match asks for it (a measure beside its parts) */
    uint32_t position; /* within its phrase */
    double boost;     /* 1; more for a word typed more than once */
    const text_synonym *const *synonym; /* [n_synonyms] at most TEXT_MAX_SYNONYMS */
    uint32_t n_synonyms;
} text_word;

/* A plain word as it was typed: what synonyms of several words are looked up in. */
typedef struct text_said {
    str surface;
    bool stemmed;
    uint32_t run;  /* words of one run stand side by side */
    uint32_t word; /* index into text_query.word; UINT32_MAX: it was dropped */
} text_said;

typedef struct text_query {
    const char *text;       /* as it came */
    const char *normalised; /* words joined by one space */
    const text_word *word;  /* [n_words] used words, in order; at most 64 */
    uint32_t n_words, n_dropped;
    bool operator_and;
    uint32_t minimum_match; /* of the words neither excluded, stopped nor optional */
    bool empty;             /* no words: matches everything */
    const char *corrected;  /* set by text_correct; NULL */
    const text_said *said;  /* [n_said] */
    uint32_t n_said;
    double synonym_weight;  /* of the collection */
} text_query;

/* Words that score: neither excluded nor stopped. The rows of packed words are these, in order. */
uint32_t text_query_scoring(const text_query *q);

typedef struct text_query_options {
    int operator_and;                  /* -1: as the collection says */
    const char *minimum_should_match;  /* NULL or "": as the collection says */
    const char *language;              /* NULL or "": all of the collection */
} text_query_options;

/* Parses words, phrases, field:word, -word. INVALID: unknown field (near names) or a field that shares its group (names the
 * group), bad minimum_should_match, unknown language. */
sinter_status text_query_parse(const text_analyzer *t, const catalog_collection *c, str text, const text_query_options *o,
                               arena *a, text_query **out, sinter_error *e);

/* ---- marks: what of a text the words of a query mean (text_marks.c) -------------------------------------------------- */

typedef struct text_mark {
    uint32_t start, end; /* bytes of the text, whole characters */
    uint64_t words;      /* bit k: the query's word k */
} text_mark;

/* The query's words made ready for reading many texts; keeps what it has learnt of words seen. One request at a time. */
typedef struct text_marker text_marker;
text_marker *text_marker_new(const text_analyzer *t, const text_query *q, arena *a);
/* Parts of a field's text that the query's words, phrases and synonyms match, cut into words as the index cut them: ascending,
 * apart from one another. At most the first TEXT_MARK_BYTES are read. In `a`. */
void text_marks(text_marker *m, const config_field *f, str text, arena *a, text_mark **out, uint32_t *n);
#define TEXT_MARK_BYTES (256u << 10)

/* ---- text index: the view thread (text_index.cc) ------------------------------------------------------------------- */

typedef struct text_index text_index;
typedef struct text_reader text_reader;

typedef enum {
    TEXT_INDEX_READY,   /* opened; *sequence: what it has applied */
    TEXT_INDEX_REBUILD, /* absent, corrupt, of another boot without a clean stop, or of another schema: emptied, *sequence 0 */
} text_index_state;

/* `reason` (may be NULL) gets why a rebuild is needed. PRECONDITION when the schema's groups, languages or caps differ and
 * `may_rebuild` is false. */
sinter_status text_index_open(const char *dir, const config_collection *schema, const char *uuid, const text_analyzer *t,
                              bool may_rebuild, text_index **out, text_index_state *state, uint64_t *sequence,
                              char reason[256], sinter_error *e);
sinter_status text_index_put(text_index *x, const catalog_collection *c, uint32_t ordinal, const Sinter__V1__Item *item,
                             sinter_error *e);
sinter_status text_index_delete(text_index *x, uint32_t ordinal, sinter_error *e);
/* Makes what was put visible to readers opened from now on, stamped with `sequence`. Not synced: see the stamp's boot id. */
sinter_status text_index_commit(text_index *x, uint64_t sequence, sinter_error *e);
/* Another declaration of the collection, that config_same_index lets through. Where it adds fields with words or terms, the index
 * is `extending`: the caller gives every stored item that the index `lacks` words of, then calls text_index_extended; the stamp
 * on disk says so meanwhile, so that an index that is opened again goes on. text_index_open finds the same of an index that an
 * earlier declaration made. `schema` and `t` must outlive the index. */
void text_index_adopt(text_index *x, const config_collection *schema, const text_analyzer *t);
bool text_index_extending(const text_index *x);
bool text_index_lacks(const text_index *x, const Sinter__V1__Item *item);
void text_index_extended(text_index *x);
/* Compacts in place after an import. */
sinter_status text_index_compact(text_index *x, sinter_error *e);
void text_index_close(text_index *x, bool clean); /* clean: synced and stamped as stopped */

sinter_status text_reader_open(const text_index *x, text_reader **out, sinter_error *e);
sinter_status text_reader_open_dir(const char *dir, const config_collection *schema, text_reader **out, sinter_error *e);
void text_reader_close(text_reader *r);

/* ---- text search: a lane (text_search.cc) ------------------------------------------------------------------------------ */

#define TEXT_MAX_WORDS 64u

/* Query-time weights: act without reindexing. */
typedef struct text_weights {
    double k1;
    uint32_t n_groups;
    double weight[CONFIG_MAX_GROUPS], b[CONFIG_MAX_GROUPS];
    double coverage_bonus;
} text_weights;
void text_weights_of(const config_collection *schema, text_weights *out);

/* What scoring needs to know about one query on one reader: each word's idf, average lengths, widths. */
typedef struct text_scorer text_scorer;
text_scorer *text_scorer_new(text_reader *r, const text_query *q, const text_weights *w, arena *a, sinter_error *e);

/* Items best first: higher score, then smaller ordinal. */
typedef struct text_hits {
    uint32_t n;
    uint32_t *item;   /* [n] */
    float *score;     /* [n] */
    uint32_t n_words; /* scoring words (neither excluded nor stopped) */
    uint32_t *packed; /* [n_words][n] packed counts and lengths per word; 0: the word does not match. NULL unless asked for */
    uint64_t total;
    bool total_is_exact;
} text_hits;

/* At most `limit` best live items that pass the filter. UNAVAILABLE: the reader is too old (DatabaseModifiedError): retry with
 * the newest view set. With `exact_total` all matches are counted. */
sinter_status text_search(text_reader *r, const text_query *q, const text_scorer *s, const filter *f, const catalog_set *set,
                          uint32_t limit, bool want_packed, bool exact_total, arena *a, text_hits *out, sinter_error *e);
/* The same, while `watch` (may be NULL) sees all matches; what it takes out is neither counted nor a hit. */
sinter_status text_search_watched(text_reader *r, const text_query *q, const text_scorer *s, const filter *f,
                                  const catalog_set *set, uint32_t limit, bool want_packed, bool exact_total, match_watch *watch,
                                  arena *a, text_hits *out, sinter_error *e);
/* All matches in ordinal order, shown to the watcher: for sorts and counts over all matches. */
sinter_status text_match_all(text_reader *r, const text_query *q, const filter *f, const catalog_set *set, match_watch *watch,
                             sinter_error *e);
/* Packed words of given items (any order), as text_hits.packed: for candidates of other sources. */
sinter_status text_packed(text_reader *r, const text_query *q, const uint32_t *item, uint32_t n, arena *a, uint32_t **packed,
                          sinter_error *e);

/* Which alternatives of each scoring word given items hold: bit 0 of (*out)[row * n + i]: the word itself, bit k + 1: its
 * synonym k. For explanations. */
sinter_status text_alternatives(text_reader *r, const text_query *q, const uint32_t *item, uint32_t n, arena *a, uint64_t **out,
                                sinter_error *e);

/* ---- features of packed words: pure functions (bm25f.c) ------------------------------------------------------------------ */

/* The one scoring function; text_search's score is this, bit for bit. packed: [n_words][n]. out[i * stride]. */
void text_bm25f(const text_scorer *s, const uint32_t *packed, uint32_t n, float *out, uint32_t stride);
typedef enum {
    TEXT_GROUP_SCORE,  /* the group's own BM25F, as if the others were empty */
    TEXT_GROUP_COUNT,  /* occurrences of query words, capped per word */
    TEXT_GROUP_WORDS,  /* query words that occur */
    TEXT_GROUP_LENGTH, /* words of the group, as quantised; 0: not known because no word matched there */
} text_group_feature;
void text_group(const text_scorer *s, const uint32_t *packed, uint32_t n, uint32_t group, text_group_feature f, float *out,
                uint32_t stride);
/* Share of the query's idf weight that matches anywhere, 0–1. */
void text_coverage(const text_scorer *s, const uint32_t *packed, uint32_t n, float *out, uint32_t stride);
/* Smallest window that holds the matched words of the group, as matched words ÷ window length, 0–1; for at most 100 items. */
sinter_status text_proximity(text_reader *r, const text_query *q, uint32_t group, const uint32_t *item, uint32_t n, float *out,
                             uint32_t stride, arena *a, sinter_error *e);

/* ---- spelling from the collection's own words (spelling.cc) ----------------------------------------------------------------- */

/* Words that the collection does not know are replaced by its nearest, joined with a neighbour or split in two where that makes words
 * that it knows; sets q->corrected when any was. */
sinter_status text_correct(text_reader *r, const text_analyzer *t, const catalog_collection *c, text_query **q,
                           const text_query_options *o, arena *a, sinter_error *e);
/* Where a query finds nothing: at most `most` queries with one word in another spelling that more items hold, or joined with its
 * neighbour, likeliest first; each has `corrected`. */
sinter_status text_variants(text_reader *r, const text_analyzer *t, const text_query *q, const text_query_options *o, uint32_t most,
                            arena *a, text_query **out, uint32_t *n, sinter_error *e);

#ifdef __cplusplus
}
#endif
#endif
