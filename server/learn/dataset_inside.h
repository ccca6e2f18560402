/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to learn: what the files of datasets share.
 *
 *   dataset.c          build, split, the table of a trainer
 *   dataset_events.c   the main journal's events: interactions and labels
 *   dataset_match.c    what the trainer reads, by name among what a record has
 *   dataset_requests.c the impressions' answers and recorded requests, joined with their events
 *   dataset_flat.c     one request as flat bytes, and back
 *   dataset_later.c    what the log lacks, as of each request
 *   dataset_csr.c      interactions by user or by item
 *   dataset_judge.c    inputs and data that cannot teach; the report
 *   dataset_spool.c    private files, written once and mapped; a table of 128-bit keys */
#ifndef SINTER_LEARN_DATASET_INSIDE_H
#define SINTER_LEARN_DATASET_INSIDE_H

#include "learn/learn.h"
#include "features/features.h"
#include "recall/recall.h"
#include <sinter/v1/search.pb-c.h>

/* ---- private files (dataset_spool.c) ----------------------------------------------------------------------------- */

/* A file without a name: appended to, then mapped. It is gone with the process, however that ends. */
typedef struct spool {
    int fd; /* -1: closed */
    const char *dir;
    uint64_t size;
    buffer pending;
    unsigned char *map;
    size_t mapped;
} spool;

sinter_status spool_open(spool *s, const char *dir, sinter_error *e);
sinter_status spool_append(spool *s, const void *p, size_t n, sinter_error *e);
/* Ends appending and maps the whole for reading and writing; an empty file has map NULL. */
sinter_status spool_map(spool *s, sinter_error *e);
/* The other way: `size` bytes of zeros, reserved on the disk, mapped for reading and writing. */
sinter_status spool_make(spool *s, const char *dir, uint64_t size, sinter_error *e);
void spool_seal(spool *s); /* from now on writing to the map is a fault */
void spool_close(spool *s);

/* 128-bit hashes of texts to numbers. Two texts with one hash do not happen. */
typedef struct key128 {
    uint64_t k[2];
} key128;
typedef struct keymap {
    struct keymap_slot {
        key128 key;
        uint64_t value; /* + 1; 0: free */
    } *slot;
    uint64_t n, cap;
} keymap;
key128 key_of(const void *p, size_t n);
key128 key_of_pair(str a, str b);
/* The value of a key; with `fresh` not UINT64_MAX an absent key gets it. UINT64_MAX: absent. */
uint64_t keymap_get(keymap *m, key128 key, uint64_t fresh);
void keymap_set(keymap *m, key128 key, uint64_t value);
uint64_t keymap_bytes(const keymap *m);
void keymap_free(keymap *m);

/* ---- one request as flat bytes (dataset_flat.c  ) ---------------------------------------------------------------------- */

/* What a record holds, each 64-byte aligned in it. X(ID) */
#define RECORD_PART_MAP(X)                                                                                               \
    X(ITEM) X(FEATURE) X(ID_FEATURE) X(CONTEXT) X(PRIOR) X(LABEL) X(POSITION) X(PROPENSITY) X(HISTORY_ITEM)              \
    X(HISTORY_EVENT) X(HISTORY_AGE) X(HISTORY_WEIGHT) X(SIDE) X(VECTOR) X(VECTOR_PRESENT) X(BASKET) X(SCORE) X(PRESENT)  \
    X(BEFORE) X(REQUEST_ID) X(TEXT) X(NORMALISED) X(TERMS) X(FILTER) X(SORT) X(USER_ID) X(SESSION_ID)                    \
    X(USER_ATTRIBUTES) X(LOCALE) X(DEVICE) X(CONTEXT_ATTRIBUTES)

typedef enum {
#define X(id) PART_##id,
    RECORD_PART_MAP(X)
#undef X
        PARTS_N
} flat_part;

typedef struct part {
    uint32_t at, n; /* offset in the record, elements or bytes */
} part;

typedef struct request_record {
    uint64_t bytes; /* of the whole, a multiple of 64 */
    uint64_t journal_sequence, profile_sequence, seed;
    int64_t time_ms;
    uint32_t n, shuffled, offset, page_size;
    part part[PARTS_N];
} request_record;

/* Builds one; its bytes lie in `bytes`, from `head` on, until the next begin. */
typedef struct flat_builder {
    buffer bytes;
} flat_builder;
void flat_begin(flat_builder *b);
request_record *flat_head(flat_builder *b);
/* Room for n elements of `size` bytes, zeroed; valid until the next call on the builder. */
void *flat_room(flat_builder *b, flat_part p, uint32_t n, size_t size);
void flat_text(flat_builder *b, flat_part p, str text);
void flat_terms(flat_builder *b, const text_query *q);
void flat_sort(flat_builder *b, char *const *sort, size_t n);
/* Room for n attributes, then one after the other; the part's n counts them. */
void flat_attributes_begin(flat_builder *b, flat_part p, uint32_t n);
void flat_attribute(flat_builder *b, flat_part p, const char *name, const Sinter__V1__Value *v);
void flat_end(flat_builder *b);

/* How many of each a record holds: the same for all of a dataset. */
typedef struct flat_shape {
    uint32_t n_features, n_id_features, n_context, n_prior, n_vectors, n_side, n_targets, n_rankers;
    const uint32_t *dimension;  /* [n_vectors] */
    const char *const *ranker; /* [n_rankers] names */
    bool fusion;
} flat_shape;
/* Of one vector field of n items, so that each begins 64-byte aligned. */
static inline size_t vector_bytes(uint32_t n, uint32_t dimension)
{
    return ((size_t)n * dimension * sizeof(float) + 63) / 64 * 64;
}
/* The request as a trainer sees it: what points at numbers points into the map, the rest lies in `a`. */
void flat_read(const request_record *r, const flat_shape *s, arena *a, sinter_requests *out);

/* ---- a dataset being made ------------------------------------------------------------------------------------------- */

/* An event of a person on an item. */
typedef struct interaction {
    uint32_t user, item, event, zero;
    float weight, value;
    int64_t time_ms;
} interaction;

/* A person: a user, or a session that nobody is known in. */
typedef struct user_row {
    uint32_t same; /* the row of the user that the session was joined to; its own: not joined */
    bool session;
} user_row;

/* An event that names a request: sorted by key, then in the order of records. */
typedef struct label_event {
    key128 key; /* of request id and item id */
    uint64_t order;
    uint32_t event, used;
    float weight, value;
} label_event;

typedef struct request_place {
    uint64_t at; /* in the spool */
    uint64_t as_of; /* sequence of the columns that the request read */
    uint64_t shown; /* of the impressions' log: answers whose showings it had counted */
    int64_t time_ms;
} request_place;

typedef struct dataset_making {
    const dataset_spec *spec;
    dataset_report *report;
    journal *main, *impressions;
    journal_reader *reader, *log_reader, *other_reader; /* other: a second one of the log, for use within its tail */
    uint32_t collection;
    replay *replay;
    text_analyzer *analyzer;
    bool interactions, requests, whole;
    uint32_t by_weight; /* bit t: target t is "weight" */
    uint32_t target[CONFIG_MAX_EVENTS + 1]; /* event type id of each target */

    keymap person;       /* user or session → row */
    user_row *row;       /* [n_rows] */
    uint32_t n_rows, cap_rows;
    spool raw_interactions, raw_labels; /* interaction[], label_event[] */
    uint64_t n_interactions, n_labels, order;
    keymap answered; /* whole: request id → sequence in the log; 0: joined */
    spool records;
    request_place *place; /* [n_places] */
    uint64_t n_places, cap_places;
    struct request_columns *columns; /* names matched last */
    flat_builder builder;
    bool baskets;       /* some request has one */
    arena *a, *memory;  /* of one record; of the whole */
    sinter_status status; /* first failure inside a journal's callback */
    sinter_error *error;
} dataset_making;

static inline void left_out(dataset_making *m, dataset_left_out why)
{
    m->report->left_out[why]++;
}
static inline void left_in(dataset_making *m, dataset_left_out why)
{
    m->report->left_out[why]--;
}
sinter_status dataset_memory(const dataset_making *m, sinter_error *e); /* within the limit? */
void dataset_progress(const dataset_making *m, const char *what, uint64_t done, uint64_t total);

/* ---- names (dataset_match.c) ------------------------------------------------------------------------------------------- */

/* Where each thing that the trainer reads stands among the names of a record. */
typedef struct request_columns {
    uint64_t names;  /* hash of all names that were matched */
    dataset_left_out missing; /* DATASET_LEFT_OUT_N: nothing */
    uint32_t *feature, *id, *context, *prior, *ranker, *model;
} request_columns;

#define FROM_RAW    (1u << 31) /* a feature that is a ranker's score */
#define FROM_ANSWER (1u << 30) /* of a recorded stage: the answer has it */
#define COLUMN      (FROM_ANSWER - 1)

/* Of an answer, or of a recorded stage of it. Records of one snapshot have the same names: matched once. */
const request_columns *dataset_match_names(dataset_making *m, const Sinter__Storage__V1__Answered *an,
                                           const Sinter__Storage__V1__RecordedStage *st);

/* ---- steps ------------------------------------------------------------------------------------------------------------- */

/* Events of the range into raw_interactions and raw_labels (mapped and sorted). */
sinter_status dataset_read_events(dataset_making *m, sinter_error *e);
/* The *n events on one item of one request, in the order of records. */
label_event *dataset_find_labels(const dataset_making *m, key128 key, uint64_t *n);
/* Requests of the range into records and place. */
sinter_status dataset_read_requests(dataset_making *m, sinter_error *e);
/* Fills the places kept for what the log lacks: vectors and side features of the history, as of each request. */
sinter_status dataset_fill_later(dataset_making *m, sinter_error *e);
/* Resolves inputs.history_side. */
sinter_status dataset_side_features(dataset_making *m, catalog_collection *c, feature *out /* [n_history_side] */, sinter_error *e);

/* ---- the dataset -------------------------------------------------------------------------------------------------------- */

/* What train and valid share. */
typedef struct dataset_shared {
    arena *memory;
    flat_shape shape;
    spool records;
    spool columns; /* interactions by column: those of train, then those of valid */
    request_place *place; /* [n_places] train first, each in order */
    uint64_t n_places;
    uint32_t n_users, n_items;
    uint64_t n_interactions;
    const char *scratch;
    replay *replay; /* its columns outlive the journal */
} dataset_shared;

struct sinter_dataset {
    dataset_shared *shared;
    uint64_t n_interactions, n_requests;
    const uint32_t *user, *item, *event; /* [n_interactions] */
    const float *weight, *value;
    const int64_t *time_ms;
    const request_place *place; /* [n_requests] */
    uint64_t at_interaction, at_request;
    arena *a; /* of the request last given */
    spool csr[2]; /* by user, by item; made when asked for */
    bool has_csr[2];
};

sinter_status dataset_csr(sinter_dataset *d, bool by_item, sinter_csr *out, sinter_error *e);
/* Fills the trainer's own struct, which may be of an older minor and so shorter: no byte behind its `size` is written. */
sinter_status dataset_give(void *out, const void *from, uint32_t size, uint32_t least, const char *name, sinter_error *e);
#define DATASET_GIVE(T, out, from, last, e) \
    dataset_give((out), (from), (uint32_t)sizeof(T), (uint32_t)(offsetof(T, last) + sizeof(((T *)0)->last)), #T, (e))

/* ---- judging (dataset_judge.c) --------------------------------------------------------------------------------------------- */

/* Inputs that no data can satisfy; fills targets. */
sinter_status dataset_check_inputs(dataset_making *m, sinter_error *e);
/* Data that cannot teach. Counts positive rows on the way. */
sinter_status dataset_judge(dataset_making *m, sinter_dataset *train, sinter_dataset *valid, sinter_error *e);

#endif
