/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin ABI: the whole contract between Sinter and a shared object that ranks, fuses, recalls, rewrites,
 * finishes, enriches or trains.
 *
 * A plugin is one .so that exports one symbol, sinter_plugin_entry, which returns the plugin's static const table. It
 * includes this header (and status.h) and nothing else of Sinter. Copy plugins/example to start one.
 *
 * RULES (numbered as the tests that hold them)
 *  1. Version. The host checks, not the plugin: `size`, `abi_major` equal, `abi_minor` not newer than the host's. A struct
 *     that begins with `size` may grow, at its end only, each group marked "since minor N"; test presence with SINTER_HAS.
 *     A struct without `size`, and one that stands in arrays (sinter_option, sinter_vectors, ..), never grows: what is
 *     `reserved` there and elsewhere is 0 or NULL until a minor gives it a name and a meaning that 0 does not have. Values
 *     of enums and flags are only appended; bear those that you do not know, and set no flag that is not named here. A new
 *     meaning is a new major. Minor 0 is frozen: nothing of it is moved, renamed, removed or changed in meaning, and a
 *     plugin compiled against it loads in every host of major 1.
 *  2. Life. entry → options checked against YAML (no model loaded) → open (loads the model; may fail with a message) →
 *     worker_open once a lane → calls → worker_close each → close, exactly once for every successful open. After a failed
 *     open nothing is owed. One instance per (build, model, options, collection), shared by all pipelines.
 *  3. Threads. Every function pointer carries a tag.
 *       [control]  one call at a time per plugin, never on a lane; may block
 *       [lane]     many at once, on different lanes; the instance is const there, mutable state lives in the worker, and
 *                  a worker is used by one lane at a time; must not block
 *       [any]      from any thread, many at once
 *     No thread of a plugin may outlive close. In a training child there are no lanes: what is [lane] may be called there
 *     by one thread at a time, and the host's functions are called from the thread that runs train, but for [any].
 *  4. Memory. Who allocates frees. Whatever the host passes into a call is dead when the call returns, except `host`,
 *     which lives until close, and where a comment says longer. What the plugin hands out (its table, inputs) lives until
 *     close. An empty array's pointer may be NULL. No allocation in score after the first call. `const char *` is
 *     NUL-terminated UTF-8; a sinter_str is UTF-8 without a NUL.
 *  5. Scores. Higher is better. The host prefills with NaN; a value that is not finite after SINTER_OK is the plugin's fault:
 *     the ranker is missing for this request, and counted. To leave single items without a score, write SINTER_MISSING for
 *     them. SINTER_DECLINED means "no opinion on this request": missing too, but no fault. An item that a model does not
 *     know is missing, never out of bounds. Ranges are the plugin's affair: fusion calibrates.
 *  6. Errors. Any other status is a failure; fill `err` with what, where and what to do. `err` is never NULL.
 *  7. Explain. Contributions go to a sink, label and value; they sum to the score within 1e-5 × max(1, |score|), or end with
 *     a "rest" line. The host checks.
 *  8. Train never touches a live instance: it reads datasets and writes a new directory, in a child process. There the
 *     plugin is opened with role "trainer" and without a model; `inputs` of that instance says what the dataset brings, in
 *     the same words and order as when it serves.
 *  9. Swap builds a whole new snapshot beside the old one; any error keeps the old one. close comes after the last request.
 * 10. Budgets. The host reads the clock between blocks; a running call is not interrupted. A long call should itself read
 *     the clock against `deadline_ns` and may return early with SINTER_DEADLINE.
 */
#ifndef SINTER_PLUGIN_H
#define SINTER_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sinter/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SINTER_ABI_MAJOR 1u
#define SINTER_ABI_MINOR 0u

/* True when the struct at `p`, of type T, is new enough to have field f. Where f was reserved before, test it for 0 too. */
#define SINTER_HAS(p, T, f) ((p)->size >= offsetof(T, f) + sizeof((p)->f))

/* Puts the one exported symbol into a plugin. */
#define SINTER_EXPORT __attribute__((visibility("default")))

/* The one score that means "none for this item": a quiet NaN with this payload. Any other NaN or infinity is a fault. */
#define SINTER_MISSING_BITS 0x7fc05172u
static inline float sinter_missing(void)
{
    union {
        uint32_t u;
        float f;
    } v = {SINTER_MISSING_BITS};
    return v.f;
}
static inline bool sinter_is_missing(float f)
{
    union {
        float f;
        uint32_t u;
    } v = {f};
    return v.u == SINTER_MISSING_BITS;
}
#define SINTER_MISSING (sinter_missing())

/* Enums are 32 bits wide, as every compiler for the machines that Sinter runs on makes them unless it is told otherwise. */
enum sinter_enum_width { SINTER_ENUM_WIDTH_ = 0x7fffffff };
typedef char sinter_enums_are_32_bits[sizeof(enum sinter_enum_width) == 4 ? 1 : -1];

typedef struct sinter_instance sinter_instance; /* the plugin's own, made by open */
typedef struct sinter_worker sinter_worker;     /* the plugin's own, made by worker_open: one a lane */
typedef struct sinter_options sinter_options;   /* the host's: checked options of one use in a pipeline */
typedef struct sinter_filter sinter_filter;     /* the host's: a compiled filter expression */
typedef struct sinter_sink sinter_sink;         /* the host's: takes explanations and edits */
typedef struct sinter_host sinter_host;

/* A slice of bytes that somebody else owns; not NUL-terminated. */
typedef struct sinter_str {
    const char *data;
    size_t size;
} sinter_str;

/* ---- options: what a pipeline's YAML may say to the plugin -------------------------------------------------- */

typedef enum sinter_option_type {
    SINTER_OPTION_STRING = 1,
    SINTER_OPTION_NUMBER,   /* double */
    SINTER_OPTION_INTEGER,  /* int64 */
    SINTER_OPTION_BOOLEAN,
    SINTER_OPTION_DURATION, /* "2ms"; read as number of seconds */
    SINTER_OPTION_FILE,     /* a path, relative to the YAML file that names it; read as string: absolute */
    SINTER_OPTION_LIST,     /* of maps described by `nested`, or of scalars of type `element`; one map or scalar where a list
                               belongs is a list of one: count 1, path "key.0" */
    SINTER_OPTION_MAP,      /* one map described by `nested`; without nested: free keys, values of type `element`, where
                               LIST stands for lists of strings */
    SINTER_OPTION_FILTER,   /* a filter expression; read as string; its syntax and fields are checked by the host */
} sinter_option_type;

/* One key a YAML map may hold. Tables are static const. The host refuses unknown keys, wrong types and values out of range
 * with file:line:column before open is called. At most 128 keys a table, 16 levels. */
typedef struct sinter_option {
    uint32_t size; /* sizeof(sinter_option) */
    sinter_option_type type;
    const char *key;
    const char *doc;           /* one sentence: meaning, unit, default */
    const char *default_text;  /* NULL: no default */
    const char *const *choices; /* NULL-terminated, for strings; NULL: any */
    double least, most;        /* for numbers; both 0: no bounds */
    bool required;
    sinter_option_type element;          /* LIST or MAP without nested: type of the values */
    const struct sinter_option *nested;  /* LIST or MAP: keys of each map */
    uint32_t n_nested;
    uint32_t reserved0;
    uint64_t reserved[3];
} sinter_option;

/* Where a value stands, for messages. */
typedef struct sinter_mark {
    const char *file;      /* lives until close */
    uint32_t line, column; /* 1-based */
} sinter_mark;

/* ---- columns: an item's typed fields, by ordinal ------------------------------------------------------------- */

typedef enum sinter_column_type {
    SINTER_COLUMN_KEYWORD = 1, /* uint32 id per item, 0: none; text by host->keyword_text. Ids are this process's own: a
                                  model keeps texts, or reads id features */
    SINTER_COLUMN_KEYWORDS,    /* list of uint32 ids per item */
    SINTER_COLUMN_INTEGER,     /* int64 */
    SINTER_COLUMN_NUMBER,      /* double */
    SINTER_COLUMN_BOOLEAN,     /* uint8 0 or 1 */
    SINTER_COLUMN_TIMESTAMP,   /* int64 milliseconds since 1970-01-01T00:00:00Z */
    SINTER_COLUMN_VECTOR,      /* float[dimension] */
    SINTER_COLUMN_GEO,         /* double[2]: latitude, longitude in degrees */
} sinter_column_type;

#define SINTER_CHUNK_BITS 12u /* rows a chunk: 4,096 */
#define SINTER_CHUNK_ROWS (1u << SINTER_CHUNK_BITS)

/* A read-only view of one column, as of the request's view set; dies with the call it was obtained in. Item i stands in
 * chunk i >> SINTER_CHUNK_BITS at row i & (SINTER_CHUNK_ROWS - 1). A NULL chunk: no item of it has the field. Bit r of
 * `present` says whether row r has a value. KEYWORDS: data is uint32 offset[rows + 1] followed by the ids. */
typedef struct sinter_chunk {
    const uint64_t *present; /* [SINTER_CHUNK_ROWS / 64] */
    const void *data;        /* [SINTER_CHUNK_ROWS] of the type */
} sinter_chunk;

typedef struct sinter_column {
    uint32_t size;
    sinter_column_type type;
    uint32_t dimension; /* vectors; else 1 */
    uint32_t n_items;   /* ordinals given so far; an ordinal beyond has no value */
    uint32_t n_chunks;
    const sinter_chunk *const *chunk; /* [n_chunks] */
    const char *name;
} sinter_column;

/* The collection an instance is opened for. Ordinals are its items' numbers: uint32, from 0, never reused. */
typedef struct sinter_collection {
    uint32_t size;
    const char *name, *uuid;
    uint32_t n_items; /* ordinals given so far, deleted ones included, at open */
    uint32_t reserved0;
} sinter_collection;

/* ---- a request as plugins see it ------------------------------------------------------------------------------ */

typedef enum sinter_value_type {
    SINTER_VALUE_NONE = 0,
    SINTER_VALUE_STRING,
    SINTER_VALUE_NUMBER,
    SINTER_VALUE_INTEGER,
    SINTER_VALUE_BOOLEAN,
    SINTER_VALUE_TIMESTAMP, /* integer: ms */
    SINTER_VALUE_STRINGS,
    SINTER_VALUE_VECTOR,
    SINTER_VALUE_GEO,
} sinter_value_type;

typedef struct sinter_value {
    sinter_value_type type;
    uint32_t n; /* strings, vector */
    union {
        sinter_str string;
        double number;
        int64_t integer;
        bool boolean;
        const sinter_str *strings; /* [n] */
        const float *vector;       /* [n] */
        double geo[2];
    } u;
} sinter_value;

typedef struct sinter_attribute {
    sinter_str name;
    sinter_value value;
} sinter_attribute;

typedef struct sinter_term {
    sinter_str surface; /* as typed, normalised */
    sinter_str stem;    /* in `language`; empty for an excluded word's own form */
    sinter_str language; /* "en"; "none" */
    uint32_t group;     /* bit mask of field groups it is bound to; 0: all */
    bool excluded;      /* -word */
    bool phrase;        /* part of a quoted phrase */
    uint16_t reserved0;
    uint64_t reserved[2];
} sinter_term;

typedef struct sinter_query {
    uint32_t size;
    sinter_str text;   /* as it came */
    sinter_str normalised; /* lower case, words separated by one space */
    const sinter_term *term; /* [n_terms], in order */
    uint32_t n_terms;
    sinter_str filter;  /* the request's, as it came; empty: none */
    const sinter_str *sort; /* [n_sort] field names, "-price" for descending */
    uint32_t n_sort, offset, page_size;
    uint32_t reserved0;
} sinter_query;

typedef struct sinter_user {
    uint32_t size;
    sinter_str user_id, session_id;
    const sinter_attribute *attribute; /* [n_attributes] */
    uint32_t n_attributes;
    /* History: events that were recorded when the request was answered, newest first, at most as many as inputs.history
     * asked for; one for each item of an event. Anonymous people have that of their session. */
    uint32_t n_history;
    const uint32_t *item;  /* [n_history] ordinals; items deleted since may be among them */
    const uint32_t *event; /* [n_history] event type ids */
    const float *age;      /* [n_history] days before now_ms; negative where the request's time is before the event's */
    const float *const *side; /* [n_side][n_history] side features asked for in inputs */
    uint32_t n_side, reserved0;
    const float *weight; /* [n_history] the declared weight of the event's type, or the event's value where the type says so */
} sinter_user;

typedef struct sinter_context {
    uint32_t size;
    sinter_str locale, device;
    int64_t now_ms; /* the request's override or the clock, read once a request */
    const uint32_t *basket; /* [n_basket] ordinals */
    uint32_t n_basket;
    const sinter_attribute *attribute; /* [n_attributes] */
    uint32_t n_attributes, reserved0;
} sinter_context;

/* What prepare, recall, rewrite and finish get. */
typedef struct sinter_request {
    uint32_t size;
    sinter_str request_id;
    const sinter_query *query;
    const sinter_user *user;
    const sinter_context *context;
    uint64_t seed;        /* hash of the request id */
    uint64_t deadline_ns; /* CLOCK_MONOTONIC; UINT64_MAX: none */
} sinter_request;

/* ---- what a plugin wants brought ------------------------------------------------------------------------------ */

/* Filled in `inputs`, where the host has set `size` and zeroed the rest: arrays are the plugin's and live until close; at
 * most 4,096 names each. Features are names of the host's registry
 * ("text.bm25", "item.price", "score.words": docs/features.md); an unknown name makes open of the pipeline fail with
 * near names. */
typedef struct sinter_inputs {
    uint32_t size;
    const char *const *feature; /* [n_features]: columns of batch->feature, in this order */
    uint32_t n_features;
    /* [n_id_features]: names of the registry's id features (docs/features.md): "item.id", "item.FIELD" of a keyword field,
     * "user.id", "user.ATTRIBUTE", "query.text" .. Values are 32-bit hashes of the text, the same in every process and after
     * every restart, so a model may hold them; 0: none. */
    const char *const *id_feature;
    uint32_t n_id_features;
    const char *const *context; /* [n_context]: per-request numbers, "query.words" */
    uint32_t n_context;
    const char *const *prior; /* [n_prior]: earlier rankers of the pipeline whose scores it wants, by name */
    uint32_t n_prior;
    const char *const *vector; /* [n_vectors]: vector fields */
    uint32_t n_vectors;
    uint32_t history; /* at most this many events of the user; 0: none */
    const char *const *history_side; /* [n_history_side]: item features of the history's items */
    uint32_t n_history_side;
    /* For the trainer. `dataset`: which of the two iterators it reads. `target`: event types that label a request's items,
     * one label each: 1 where an event of the type that names the request was recorded for the item (type "rating: value":
     * the value of the one recorded last), else 0. The name "weight" is the largest weight of the events of any type on the item.
     * Whoever reads requests names at least one. */
    uint32_t dataset; /* SINTER_DATASET_*; REQUESTS and WHOLE_REQUESTS exclude each other */
    const char *const *target; /* [n_targets] */
    uint32_t n_targets, reserved0;
} sinter_inputs;

enum {
    SINTER_DATASET_INTERACTIONS = 1u << 0,
    SINTER_DATASET_REQUESTS = 1u << 1,      /* the hits that were shown */
    SINTER_DATASET_WHOLE_REQUESTS = 1u << 2, /* of recorded requests, all candidates of the stage: position 0 where not shown */
};

typedef enum sinter_element_type { SINTER_F32 = 1, SINTER_F16, SINTER_I8 } sinter_element_type;

/* One vector field of all candidates of a batch. */
typedef struct sinter_vectors {
    uint32_t size, dimension, stride; /* stride in elements */
    sinter_element_type type;
    float scale;      /* i8: value = element × scale */
    const void *data; /* [n][stride], 64-byte aligned; a row of NaN (i8: of 0) where the item has none */
    const uint8_t *present; /* [n] 1: the item has one */
    uint64_t reserved[3];
} sinter_vectors;

/* A block of candidates. The host's; read-only; dead after return; flat. Blocks have a constant size, padded by repeating
 * the last row, so that a score does not depend on a candidate's place: `n` is the padded size and every row is valid. With
 * SINTER_WHOLE_LIST, and in a dataset, `n` is the number of candidates. The n_ counts are those of inputs. */
typedef struct sinter_batch {
    uint32_t size, n; /* n > 0, but for what ends a dataset */
    const uint32_t *item; /* [n] ordinals; one at or above the model's items is newer than the model */
    const float *feature; /* [n][stride], the first row 64-byte aligned; a missing value is NaN */
    uint32_t n_features, stride;
    const uint32_t *const *id_feature; /* [n_id][n] hashes; 0: none */
    const float *context; /* [n_context] */
    uint32_t n_id_features, n_context;
    const float *const *prior; /* [n_prior][n]; missing: SINTER_MISSING */
    uint32_t n_prior, n_vectors;
    const sinter_vectors *vectors; /* [n_vectors] */
    const sinter_query *query;
    const sinter_user *user;
    const sinter_context *request_context;
    uint64_t seed, deadline_ns; /* as in sinter_request, or the ranker's own budget where that ends earlier */
} sinter_batch;

#define SINTER_BLOCK 256u /* rows of a block, unless SINTER_WHOLE_LIST */

/* ---- roles ------------------------------------------------------------------------------------------------------ */

enum { SINTER_WHOLE_LIST = 1u << 0 }; /* ranker flags: one call with all candidates of the stage */

typedef struct sinter_ranker {
    uint32_t size, flags;
    /* Once a list, before its blocks; NULL: nothing to prepare. Results live in the worker. [lane] */
    sinter_status (*prepare)(const sinter_instance *, sinter_worker *, const sinter_request *, sinter_error *err);
    /* Writes score[0..n). SINTER_DEADLINE: this block has no scores, those before it stand. [lane] */
    sinter_status (*score)(const sinter_instance *, sinter_worker *, const sinter_batch *, float *score /* [n] */,
                           sinter_error *err);
    /* Contributions to row's score, by host->explain; NULL: the host explains with one line. The batch is the block that was
     * scored; the worker has prepared this request, and scored its other blocks too. [lane] */
    sinter_status (*explain)(const sinter_instance *, sinter_worker *, const sinter_batch *, uint32_t row,
                             sinter_sink *, sinter_error *err);
} sinter_ranker;

#define SINTER_MAX_RANKERS 64u /* a stage */

/* What fusion reads: scores of the stage's rankers over its whole list. */
typedef struct sinter_fusion_batch {
    uint32_t size, n;    /* candidates; may be 0 */
    uint32_t n_rankers;  /* <= SINTER_MAX_RANKERS */
    const char *const *ranker;   /* [n_rankers] names, in the order of the pipeline */
    const float *const *score;   /* [n_rankers][n]; undefined where not present */
    const uint64_t *present;     /* [n]: bit r set: ranker r scored this item */
    const uint32_t *item;        /* [n] ordinals */
    const float *before;         /* [n]: the list's score before this stage */
    const float *context;        /* [n_context] asked for in inputs; of inputs, fusion gets context and history */
    uint32_t n_context, reserved0;
    const sinter_query *query;
    const sinter_user *user;
    const sinter_context *request_context;
    uint64_t seed, deadline_ns;
} sinter_fusion_batch;

/* A share that fusion gave one ranker in one item's score. */
typedef struct sinter_share {
    double calibrated;   /* the ranker's score as fusion read it */
    double contribution; /* bias + sum of contributions = score, for every item, whatever is missing */
} sinter_share;

/* Where NAME/latest is not trained yet, the host opens a fusion without a model: it then fuses in a plain way of its own (and so
 * gathers what it will be trained on), or refuses, and the order before the stage stands. */
typedef struct sinter_fusion {
    uint32_t size, flags;
    /* Option keys that name rankers are checked by check_rankers at open: the stage's ranker names in order; NULL: no
     * check. [control] */
    sinter_status (*check_rankers)(const sinter_instance *, const char *const *ranker, uint32_t n, sinter_error *err);
    /* Writes out[0..n); ties are broken by the host (smaller ordinal first). An item that no ranker scored still gets a
     * finite score: the method's own lowest. [lane] */
    sinter_status (*fuse)(const sinter_instance *, sinter_worker *, const sinter_fusion_batch *, float *out /* [n] */,
                          sinter_error *err);
    /* Shares of one item of the list that fuse was last called with on this worker. Missing rankers get 0. [lane] */
    sinter_status (*explain)(const sinter_instance *, sinter_worker *, const sinter_fusion_batch *, uint32_t row,
                             sinter_share *share /* [n_rankers] */, double *bias, sinter_error *err);
} sinter_fusion;

typedef struct sinter_recall {
    uint32_t size, flags;
    /* At most `limit` items that pass `filter` (NULL: all) and are not in exclude[0..n_exclude), best first, each once, with a
     * finite score. The filter acts inside (host->filter_match), so that a limit of 200 means 200. *n: written. The host drops
     * deleted items. [lane] */
    sinter_status (*recall)(const sinter_instance *, sinter_worker *, const sinter_request *, const sinter_filter *filter,
                            const uint32_t *exclude, uint32_t n_exclude, uint32_t limit, uint32_t *item /* [limit] */,
                            float *score /* [limit] */, uint32_t *n, sinter_error *err);
} sinter_recall;

typedef struct sinter_rewriter {
    uint32_t size, flags;
    /* Edits by host->rewrite_*. [lane] */
    sinter_status (*rewrite)(const sinter_instance *, sinter_worker *, const sinter_request *, sinter_sink *,
                             sinter_error *err);
} sinter_rewriter;

/* The final list as a finisher sees it: the first candidates in order, at most 200. */
typedef struct sinter_list {
    uint32_t size, n;
    const uint32_t *item; /* [n] */
    const float *score;   /* [n] */
    const char *const *ranker; /* [n_rankers] of the last stage, then of earlier ones */
    const float *const *raw;   /* [n_rankers][n]; SINTER_MISSING where missing */
    uint32_t n_rankers;
    uint32_t n_top; /* the first n_top passed the last stage; the others keep their order, and their scores have another scale */
} sinter_list;

typedef struct sinter_finisher {
    uint32_t size, flags;
    /* Edits by host->edit_*; applied in the order given, each written into the ledger. [lane] */
    sinter_status (*finish)(const sinter_instance *, sinter_worker *, const sinter_request *, const sinter_list *,
                            sinter_sink *, sinter_error *err);
} sinter_finisher;

/* Declared for plugins that compute fields at ingest (sentiment, topic, vectors); not called by this host, which has no
 * functions for its sink yet. */
typedef struct sinter_enricher {
    uint32_t size, flags;
    sinter_status (*enrich)(const sinter_instance *, sinter_worker *, const sinter_attribute *in, uint32_t n_in,
                            sinter_sink *out, sinter_error *err); /* [control] */
} sinter_enricher;

/* ---- training: declared from the start, called by `sinter train` ------------------------------------------------- */

typedef struct sinter_dataset sinter_dataset; /* the host's: two rewindable iterators in a fixed order */

/* The next three are the plugin's to declare: it sets `size` to its own sizeof before each call, and the host fills no more
 * than that. Their arrays are the host's. */

/* One batch of interactions: what collaborative filtering trains on. Dead at the next call on the same dataset. */
typedef struct sinter_interactions {
    uint32_t size, n;
    const uint32_t *user;  /* [n] rows, dense from 0, the same in train and valid */
    const uint32_t *item;  /* [n] ordinals, below collection->n_items */
    const uint32_t *event; /* [n] type ids */
    const float *weight, *value; /* [n]; weight as in sinter_user; value NaN: none */
    const int64_t *time_ms; /* [n] */
} sinter_interactions;

/* The same as compressed sparse rows, mapped by the host, alive until train returns. */
typedef struct sinter_csr {
    uint32_t size, n_rows, n_columns; /* all users and items of the dataset, those without an entry in this half too */
    uint32_t reserved0;
    const uint64_t *offset; /* [n_rows + 1] */
    const uint32_t *column; /* [offset[n_rows]] ascending within a row */
    const float *weight;    /* [offset[n_rows]] */
    const int64_t *time_ms; /* [offset[n_rows]] */
} sinter_csr;

/* One served request: a batch exactly as in serving but not padded, plus what happened. Dead at the next call on the same
 * dataset. */
typedef struct sinter_requests {
    uint32_t size;
    uint32_t n_targets;
    const sinter_batch *batch; /* never NULL */
    const float *const *label; /* [n_targets][n]; finite */
    const uint32_t *position; /* [n] 1-based; 0: not shown */
    const float *propensity;  /* [n] probability, under the policy that answered, of the item standing at this position; 0: not
                                 shown */
    float weight;     /* of the request in a loss; 1 in this host */
    uint32_t shuffled; /* the first so many positions were shuffled evenly, by chance; 0: the list was served as ranked */
    int64_t time_ms;
    /* For a fusion's trainer: the stage as fusion saw it, the same n items in the same order. NULL else. */
    const sinter_fusion_batch *fusion;
} sinter_requests;

/* All [control]: from the thread that runs train. */
typedef struct sinter_dataset_table {
    uint32_t size;
    uint32_t (*n_users)(const sinter_dataset *); /* of train and valid together */
    uint64_t (*n_interactions)(const sinter_dataset *);
    uint64_t (*n_requests)(const sinter_dataset *);
    /* Both iterators back to their first batch, where they also begin. */
    sinter_status (*rewind)(sinter_dataset *, sinter_error *err);
    /* SINTER_OK with n (of requests: batch->n) > 0, or SINTER_OK with n == 0 at the end. */
    sinter_status (*next_interactions)(sinter_dataset *, sinter_interactions *, sinter_error *err);
    sinter_status (*next_requests)(sinter_dataset *, sinter_requests *, sinter_error *err);
    /* Events of one (user, item) pair are one entry: weights summed, newest time. Columns are ordinals, or user rows. */
    sinter_status (*csr)(sinter_dataset *, bool by_item, sinter_csr *, sinter_error *err);
} sinter_dataset_table;

typedef struct sinter_train_args {
    uint32_t size;
    const sinter_host *host;
    const sinter_options *options;
    const sinter_collection *collection; /* as of the end of the training range */
    const sinter_instance *instance;     /* opened with role "trainer" */
    const sinter_dataset_table *data;
    sinter_dataset *train, *valid; /* valid is later than train, and never empty where the trainer reads requests */
    const char *out_dir;    /* write here, files only; the host adds model.yaml and golden.bin, fsyncs and renames it */
    const char *resume_dir; /* NULL, or an interrupted run's out_dir: what stands there may be incomplete */
    uint64_t seed;          /* equal seeds, data, options and threads make equal files */
    uint64_t memory_limit;  /* bytes that train may hold at once: SINTER_EXHAUSTED before it takes more */
    int64_t now_ms;         /* time of the newest event or request of the range: ages count from here */
    uint32_t threads;       /* that train may run; at least 1 */
    uint32_t n_rankers;
    const char *const *ranker; /* [n_rankers] of the stage, for a fusion's trainer; n_rankers 0 else */
    void *progress_ctx;
    /* Never NULL. done and total are in any unit (epochs, batches). metric NULL: none. The last value of each metric stands
     * in model.yaml: report the best model's once more at the end; one that is not finite fails the training. True: stop
     * early, keep the best so far. [control] */
    bool (*progress)(void *progress_ctx, uint64_t done, uint64_t total, const char *metric, double value);
} sinter_train_args;

typedef struct sinter_trainer {
    uint32_t size, flags;
    /* SINTER_OK: out_dir holds a whole model, which the host opens and scores before it counts. Data that nothing can be
     * learned from: SINTER_PRECONDITION, saying what they lack. */
    sinter_status (*train)(const sinter_train_args *, sinter_error *err); /* [control], in a child process */
} sinter_trainer;

/* ---- tensors: a model's weights on disk, in the safetensors format --------------------------------------------------- */

#define SINTER_TENSOR_DIMENSIONS 4u

typedef enum sinter_tensor_type {
    SINTER_TENSOR_F32 = 1,
    SINTER_TENSOR_F64,
    SINTER_TENSOR_I32,
    SINTER_TENSOR_U32,
    SINTER_TENSOR_I64,
    SINTER_TENSOR_U64,
    SINTER_TENSOR_U8,
} sinter_tensor_type;

typedef struct sinter_tensor {
    const char *name;
    sinter_tensor_type type;
    uint32_t n_dimensions;
    uint64_t dimension[SINTER_TENSOR_DIMENSIONS]; /* row-major */
    const void *data; /* 64-byte aligned when read */
    uint64_t reserved[2];
} sinter_tensor;

/* ---- the host's table ---------------------------------------------------------------------------------------------- */

typedef enum sinter_log_level { SINTER_LOG_DEBUG, SINTER_LOG_INFO, SINTER_LOG_WARN, SINTER_LOG_ERROR } sinter_log_level;

struct sinter_host {
    uint32_t size;
    uint16_t abi_major, abi_minor;

    void (*log)(const sinter_host *, sinter_log_level, const char *message);      /* [any] */
    void *(*alloc)(const sinter_host *, size_t size);                             /* [any] counted per plugin; NULL: none */
    void (*free)(const sinter_host *, void *);                                    /* [any] */
    /* Lives until the running call returns, or for prepare, fuse, recall, rewrite and finish until the request ends. NULL
     * outside such a call. [lane] */
    void *(*scratch)(const sinter_host *, size_t size);
    uint64_t (*clock_ns)(void);                                                   /* [any] CLOCK_MONOTONIC */
    /* A uniform number in [0, 1) from (seed, i): the same on every machine. [any] */
    double (*random)(uint64_t seed, uint64_t i);

    /* Options, whose texts live until close. `path` is a key, or keys and list indices joined with dots ("layers.2.units"). Getters return false where
     * the key is absent and has no default. [control] */
    bool (*option_string)(const sinter_options *, const char *path, const char **out);
    bool (*option_number)(const sinter_options *, const char *path, double *out);
    bool (*option_integer)(const sinter_options *, const char *path, int64_t *out);
    bool (*option_boolean)(const sinter_options *, const char *path, bool *out);
    uint32_t (*option_count)(const sinter_options *, const char *path);           /* entries of a list or map; 0: absent */
    const char *(*option_key)(const sinter_options *, const char *path, uint32_t i); /* i-th key of a map */
    sinter_mark (*option_mark)(const sinter_options *, const char *path);         /* for error messages */
    /* Reads a YAML file named by a FILE option, checked against `table` like the pipeline's own YAML; the result is owned by
     * the host and lives until close. */
    sinter_status (*options_read)(const sinter_host *, const char *file, const sinter_option *table, uint32_t n,
                                  const sinter_options **out, sinter_error *err);

    /* The collection's items, as of the request's view set. During open: as of now; column types never change. */
    const sinter_column *(*column)(const sinter_host *, const char *field);       /* [control][lane] NULL: no such column */
    const char *(*keyword_text)(const sinter_host *, const char *field, uint32_t id); /* [control][lane] NULL: unknown */
    uint32_t (*keyword_id)(const sinter_host *, const char *field, const char *text); /* [control][lane] 0: unknown */
    const char *(*item_id)(const sinter_host *, uint32_t ordinal);                /* [lane] NULL: deleted or unknown */
    uint32_t (*item_ordinal)(const sinter_host *, const char *id);                /* [lane] UINT32_MAX: unknown */

    /* The server's filter language. Compile at open; match on a lane: out[i] = 1 where item[i] passes. */
    sinter_status (*filter_compile)(const sinter_host *, const char *text, sinter_filter **out, sinter_error *err); /* [control] */
    void (*filter_free)(sinter_filter *);                                         /* [control] */
    sinter_status (*filter_match)(const sinter_host *, const sinter_filter *, const uint32_t *item, uint32_t n,
                                  uint8_t *out /* [n] */, sinter_error *err);     /* [lane] */
    /* At most `limit` items that pass, smallest ordinals first: for recall sources without an index of their own. */
    sinter_status (*filter_scan)(const sinter_host *, const sinter_filter *, uint32_t limit, uint32_t *item, uint32_t *n,
                                 sinter_error *err);                              /* [lane] */

    /* Explain: one contribution of the row being explained. [lane] */
    void (*explain)(sinter_sink *, const char *label, double value);

    /* Rewriter's edits, applied in order; each is written into the ledger under `rule`. [lane] */
    void (*rewrite_words)(sinter_sink *, const char *rule, const char *words, bool replace); /* add words, or replace the query */
    void (*rewrite_filter)(sinter_sink *, const char *rule, const char *filter);  /* AND with the request's */
    void (*rewrite_boost)(sinter_sink *, const char *rule, const char *word, double factor); /* a query word's weight */
    void (*rewrite_redirect)(sinter_sink *, const char *rule, const char *url);

    /* Finisher's edits, applied in order; positions are 1-based; `rule` and `text` (for people) are copied. Pins and inserts hold
     * their positions: they are taken out and put back, lowest position first, after all moves and the re-sorting. [lane] */
    void (*edit_pin)(sinter_sink *, const char *rule, uint32_t item, uint32_t position, const char *text);
    void (*edit_hide)(sinter_sink *, const char *rule, uint32_t item, const char *text);
    void (*edit_move)(sinter_sink *, const char *rule, uint32_t item, uint32_t position, const char *text);
    /* Score × factor; a score below 0 is divided instead, so that a factor above 1 always raises. After the last one the first
     * n_top of the list are sorted anew: higher score, then smaller ordinal. */
    void (*edit_scale)(sinter_sink *, const char *rule, uint32_t item, double factor, const char *text);
    void (*edit_insert)(sinter_sink *, const char *rule, uint32_t item, uint32_t position, const char *text); /* filter re-checked */
    void (*edit_label)(sinter_sink *, const char *rule, uint32_t item, const char *text);

    /* Names an event type's id; 0: unknown. [control] */
    uint32_t (*event_type)(const sinter_host *, const char *name);
    /* The type of an id: its name and declared weight (NaN: the event's value is the weight); NULL: unknown. [control] */
    const char *(*event_name)(const sinter_host *, uint32_t id, double *weight);

    /* Writes dir/file whole, with `text` pairs (key, value, key, value .., NULL) as the file's metadata. [control] */
    sinter_status (*tensors_write)(const sinter_host *, const char *dir, const char *file, const sinter_tensor *tensor,
                                   uint32_t n, const char *const *text, sinter_error *err);
    /* Reads dir/file; its tensors live until close. Refused by name: a file that is missing, truncated, not well formed, or holds a
     * value that is not finite. [control] */
    sinter_status (*tensors_read)(const sinter_host *, const char *dir, const char *file, const sinter_tensor **tensor,
                                  uint32_t *n, sinter_error *err);
    /* One tensor by name with the type and dimensions that it must have (0 among them: any); the error names the file, the
     * tensor, what was found and what was expected. [control] */
    sinter_status (*tensor)(const sinter_host *, const char *dir, const char *file, const char *name,
                            sinter_tensor_type type, uint32_t n_dimensions, const uint64_t *dimension,
                            const sinter_tensor **out, sinter_error *err);
    /* A metadata value of a file that was read; NULL: absent. [control] */
    const char *(*tensors_text)(const sinter_host *, const char *dir, const char *file, const char *key);

    void *reserved[8]; /* NULL */
};

/* ---- the plugin's table --------------------------------------------------------------------------------------------- */

typedef struct sinter_open_args {
    uint32_t size;
    const sinter_host *host;          /* lives until close; the instance may keep it */
    const sinter_options *options;    /* lives until close */
    const char *model_dir;            /* what a trainer wrote as out_dir; NULL: none */
    const sinter_collection *collection; /* lives until close */
    const char *use;                  /* "pipeline.ranker": for messages */
    const char *role;                 /* "ranker", "fusion", "recall", "rewriter", "finisher", "trainer": what it is opened for */
    uint64_t reserved[4];
} sinter_open_args;

typedef struct sinter_plugin {
    uint32_t size; /* sizeof(sinter_plugin) */
    uint16_t abi_major, abi_minor;
    const char *name;    /* as pipelines name it: [a-z][a-z0-9_]* */
    const char *version; /* "1.2.0" */
    const char *build;   /* anything that tells builds apart; may be "" */
    const char *summary; /* one sentence */
    const sinter_option *options; /* [n_options] */
    uint32_t n_options;
    uint32_t flags; /* 0 */

    sinter_status (*open)(const sinter_open_args *, sinter_instance **out, sinter_error *err);       /* [control] */
    void (*close)(sinter_instance *);                                                                /* [control] */
    sinter_status (*worker_open)(const sinter_instance *, sinter_worker **out, sinter_error *err);   /* [control]; NULL: no worker */
    void (*worker_close)(sinter_worker *);                                                           /* [control] */
    /* What it wants brought; NULL: nothing. Called once after open. [control] */
    sinter_status (*inputs)(const sinter_instance *, sinter_inputs *, sinter_error *err);

    const sinter_ranker *ranker; /* NULL where it does not play the role; at least one is not */
    const sinter_fusion *fusion;
    const sinter_recall *recall;
    const sinter_rewriter *rewriter;
    const sinter_finisher *finisher;
    const sinter_enricher *enricher;
    const sinter_trainer *trainer;
} sinter_plugin;

/* The one exported symbol: a function, not data. `host_major` is for the plugin's information; the host does the check. */
typedef const sinter_plugin *sinter_plugin_entry_fn(uint32_t host_major);
SINTER_EXPORT const sinter_plugin *sinter_plugin_entry(uint32_t host_major);

#ifdef __cplusplus
}
#endif
#endif
