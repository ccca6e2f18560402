/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Learning: datasets of what people did, and how good ranked lists are against people's judgments.
 *
 *   dataset_build → batches for a trainer, read from the journals of a data directory
 *   judgments_read → a ranked list of ids a query (from a server, or ranked_run_read) → metrics_score → bootstrap_mean
 *
 * Nothing here knows where a list comes from, so that a pipeline, another system and a test are measured by the same
 * code. Conventions: an item without a judgment is not relevant; a query without a relevant item is skipped; nothing is
 * asked about ties, because a list arrives ordered (the server orders by higher score, then smaller ordinal). */
#ifndef SINTER_LEARN_H
#define SINTER_LEARN_H

#include "base/base.h"
#include "catalog/catalog.h"
#include "config/config.h"
#include "journal/journal.h"
#include "model/model.h"
#include "profile/profile.h"
#include <sinter/plugin.h>

/* ---- judgments
 * ------------------------------------------------------------------------------------------------------- */

typedef struct judged_item {
    const char *item;
    double grade;
} judged_item;

typedef struct judged_query {
    const char *id;          /* as the judgments name it: its words, or an id */
    const char *text;        /* its words */
    const judged_item *item; /* [n] sorted by id */
    uint32_t n;
    /* Who asks, where the file of queries says so; else NULL, and the question is nobody's. */
    const char *user, *session;
    const char *const *attribute; /* [judgments.n_attributes] the user's, as text; "": none */
    bool timed;                   /* asked at time_ms instead of now */
    int64_t time_ms;
} judged_query;

typedef struct judgments {
    judged_query *query; /* [n_queries] in the order of first appearance */
    uint32_t n_queries, n_judgments;
    const char *const *attribute; /* [n_attributes] names: "segment" of a column user.segment */
    uint32_t n_attributes;
    void *memory;
} judgments;

/* Reads a TSV with a header that names the columns query (or query_id), item (or item_id) and grade (or relevance), in
 * any order; others are ignored. `queries`: NULL, or a TSV with the columns id (or query_id) and query (or text), which
 * gives the words of the ids; its columns user (or user_id), session (or session_id), time (RFC 3339) and user.NAME, each
 * optional and empty where unknown, say who asks and when. A pair judged twice with two grades, a query without words, a grade that is no number:
 * refused with file:line. */
sinter_status judgments_read(const char *path, const char *queries, judgments **out, sinter_error *e);
/* Reads a TSV of events with a header: each person is a query without words, asked by that person, and each item of an event
 * is relevant with grade 1, once however often it comes. `user` and `item` name the columns; NULL: user (or user_id), item (or
 * item_id). */
sinter_status judgments_of_events(const char *path, const char *user, const char *item, judgments **out, sinter_error *e);
void judgments_free(judgments *j);
/* NULL: no such query. */
const judged_query *judgments_find(const judgments *j, const char *id);

/* ---- ranked lists
 * ---------------------------------------------------------------------------------------------------- */

/* What one system answered: for each query of the judgments, ids from best to worst. */
typedef struct ranked_list {
    const char **item;
    uint32_t n;
} ranked_list;

typedef struct ranked_run {
    ranked_list *list;  /* [n_queries] in the judgments' order */
    uint32_t n_ignored; /* lines of queries that have no judgments */
    void *memory;
} ranked_run;

/* Reads a TSV with the columns query (or query_id) and item (or item_id): a query's lines from best to worst; with a
 * column score, by higher score, then in the order of lines. */
sinter_status ranked_run_read(const char *path, const judgments *j, ranked_run **out, sinter_error *e);
void ranked_run_free(ranked_run *r);

/* ---- metrics
 * --------------------------------------------------------------------------------------------------------- */

typedef enum { GAIN_EXPONENTIAL, GAIN_LINEAR, GAIN_BINARY } gain_kind;
extern const char *const GAIN_NAMES[3]; /* "exponential", "linear", "binary" */

/* How much an item is worth to nDCG: 2^g - 1, g or 1, where g = grade - offset is above 0; else nothing. An item is
 * relevant (to the other metrics) where g is above 0. */
typedef struct gain_rule {
    gain_kind kind;
    double offset;
} gain_rule;
double gain_of(const gain_rule *g, double grade);

typedef enum {
    METRIC_NDCG,
    METRIC_MAP,
    METRIC_PRECISION,
    METRIC_RECALL,
    METRIC_HIT_RATE,
    METRIC_MRR,
    METRIC_KINDS
} metric_kind;

typedef struct metric {
    metric_kind kind;
    uint32_t k;    /* places that count; METRIC_MAX_K where none was given */
    char name[24]; /* as asked for: "ndcg@10" */
} metric;
#define METRIC_MAX_K 1000u /* what one request can return */

/* "ndcg@10", "map", "precision@5", "recall@100", "hit_rate@10" (hit, hr), "mrr@10"; `fix` of the error lists them. */
sinter_status metric_parse(str text, metric *out, sinter_error *e);

/* The metrics of one list into out[n_metrics]; false, and nothing written, when no judged item of the query is
 * relevant. ndcg@k       sum of gain / log2(place + 1), divided by that of the best order of all judged items map@k
 * precision at the place of each relevant item among the first k, summed, divided by all relevant items precision@k
 * relevant among the first k, divided by k          recall@k   … divided by all relevant items hit_rate@k   1 when one
 * of the first k is relevant             mrr@k      1 / place of the first relevant one, 0 beyond k An id that appears
 * again in a list counts where it came first. */
bool metrics_score(const judged_query *q, const gain_rule *g, const char *const *item, uint32_t n, const metric *m,
                   uint32_t n_metrics, arena *a, double *out);

/* ---- intervals
 * ------------------------------------------------------------------------------------------------------- */

#define BOOTSTRAP_RESAMPLES 10000u

typedef struct interval {
    double mean, low, high; /* low and high: 95%, percentiles 2.5 and 97.5 of the means of the resamples */
} interval;

/* The same seed and n draw the same resamples, so intervals of several systems over the same queries are paired; the
 * interval of a difference is that of the differences query by query. n = 0: all are 0. */
interval bootstrap_mean(const double *value, uint32_t n, uint32_t resamples, uint64_t seed);

/* ---- replay (replay.c)
 * ------------------------------------------------------------------------------------------------------------- */

/* A collection's columns, and where asked for its profiles, as of any sequence of the main journal, made from its records by
 * the code that the server's views use: the same records give the same bits. One thread; it only goes forward. */
typedef struct replay replay;
sinter_status replay_open(const config_collection *schema, journal *j, replay **out, sinter_error *e);
void replay_close(replay *r);
void replay_release(replay *r); /* lets go of the journal, which may then be closed: the columns stay as they are */
void replay_with_profiles(replay *r); /* before the first replay_to */
/* Before the first replay_to: profiles, and where the collection has `rates:` times shown. */
sinter_status replay_with_shown(replay *r, journal *impressions, sinter_error *e);
/* Applies every record up to `sequence`, that one included, and publishes. INVALID: an earlier one than last time. */
sinter_status replay_to(replay *r, uint64_t sequence, sinter_error *e);
/* After replay_to: the records of the impressions' log up to `sequence` too, and publishes again. Goes forward only; does nothing
 * where times shown were not asked for. */
sinter_status replay_shown_to(replay *r, uint64_t sequence, sinter_error *e);
catalog_collection *replay_catalog(const replay *r);
const catalog_set *replay_set(const replay *r); /* valid until the next replay_to */
const profile_set *replay_profiles(const replay *r); /* the same; NULL without profiles */

/* ---- datasets (dataset*.c)
 * ----------------------------------------------------------------------------------------------------------------- */

/* What a trainer reads, made from the journals of a data directory while a server may be writing them. Meant for a process of
 * its own, which has neither journal open: both are opened read-only, read with short transactions, and closed before
 * dataset_build returns. What was read lies in unlinked files in `scratch`, mapped read-only: memory is the page cache's.
 *
 * Range. Interactions are the events whose sequence lies in (since, until]. Requests are the answers whose journal_sequence
 * lies in it. A request's labels are the events of the range that name it, whenever they happened; nothing behind `until` is
 * seen. Items are as of `until`.
 *
 * As of. All that a ranker read of a request is taken from the log by name and never computed anew: features, id features,
 * per-request context, priors (PIPELINE.NAME among the log's rankers), the history with its ages. What the log does not hold
 * (vectors, side features of the history's items, basket) is computed from the records up to the request's own sequence, by the
 * serving code. query.normalised and query.term are the analysed text as it came: without what rewriters and spelling did.
 *
 * Order. Interactions by sequence; requests by the order of their log. Train is the part before the cut in time, valid the part
 * from it on; equal times keep the order. The cut lies where the valid share of the requests (where requests are read, else of
 * the interactions) is at or behind it; both iterators are cut at the same time. User rows are dense by first appearance in the
 * range and mean the same in train and valid. */

/* One ranker of the stage that a fusion is trained for. */
typedef struct dataset_ranker {
    const char *name;  /* in the pipeline */
    const char *model; /* NAME/VERSION deployed now; "" or NULL: it has none */
    uint64_t until;    /* end of the range that this model was trained on; 0: it has no model */
} dataset_ranker;

typedef struct dataset_spec {
    const config_collection *collection;
    const char *data_dir;        /* of the server: its journal/catalogue and journal/impressions */
    uint64_t since, until;       /* main journal: (since, until]; until 0: its newest record */
    const sinter_inputs *inputs; /* of the instance opened with role "trainer" */
    const char *pipeline;        /* the ranker's or fusion's */
    const char *stage;           /* WHOLE_REQUESTS: its name */
    /* WHOLE_REQUESTS: [n_alike] stages of other pipelines of the collection whose requests are as good, because their rankers are
     * the very same. */
    const struct dataset_stage {
        const char *pipeline, *stage;
    } *alike;
    uint32_t n_alike;
    const dataset_ranker *ranker; /* [n_rankers] for a fusion's trainer: of the stage, in its order; none: requests.fusion is NULL */
    uint32_t n_rankers;
    double valid;          /* share of the newest that is kept for validation; 0: a tenth, a fifth for WHOLE_REQUESTS */
    const char *scratch;   /* folder for private files, made if absent */
    uint64_t memory_limit; /* bytes of tables and columns; 0: none */
    const char *where;     /* what error messages name: "shop.taste", or file:line:column */
    /* May be NULL. `what` is a short text that stays the same for a step. */
    void (*progress)(void *ctx, const char *what, uint64_t done, uint64_t total);
    void *progress_ctx;
} dataset_spec;

/* Why something of the range is not in the dataset. X(ID, what is counted, text) */
#define DATASET_LEFT_OUT_MAP(X)                                                                                        \
    X(NEVER_ITEM, "events' items", "no item of that id ever was in the catalogue")                                     \
    X(DELETED_ITEM, "events' items", "the item was deleted by the end of the range")                                   \
    X(UNKNOWN_TYPE, "events", "the type is not among the collection's events any more")                                \
    X(NO_HITS, "requests", "nothing was shown")                                                                        \
    X(NO_FEATURE, "requests", "the log lacks a feature that the trainer reads")                                        \
    X(NO_ID_FEATURE, "requests", "the log lacks an id feature that the trainer reads")                                 \
    X(NO_CONTEXT, "requests", "the log lacks a per-request number that the trainer reads")                             \
    X(NO_PRIOR, "requests", "the log lacks an earlier ranker's score that the trainer reads")                          \
    X(BROKEN, "requests", "the record contradicts itself")                                                             \
    X(NOT_RECORDED, "requests", "not recorded whole (the pipeline's `record:` share)")                                 \
    X(OTHER_STAGE, "requests", "answered by a pipeline whose rankers are others, or without this stage")                                   \
    X(OTHER_RANKERS, "requests", "the stage had other rankers")                                                        \
    X(OTHER_MODEL, "requests", "scored by another model version than the deployed one")                                \
    X(UNJOINED, "events", "name a request that the dataset does not hold")

typedef enum {
#define X(id, what, text) DATASET_##id,
    DATASET_LEFT_OUT_MAP(X)
#undef X
        DATASET_LEFT_OUT_N
} dataset_left_out;
extern const char *const DATASET_LEFT_OUT_TEXT[DATASET_LEFT_OUT_N];

typedef struct dataset_report {
    uint64_t since, until;      /* as resolved */
    uint64_t users, items;      /* rows; ordinals given as of until */
    uint64_t events;            /* in the range */
    uint64_t interactions[2];   /* train, valid: an event on three items is three */
    uint64_t requests[2], rows[2]; /* rows: items of all requests */
    uint64_t positive[2];       /* rows with any label above 0 */
    uint64_t left_out[DATASET_LEFT_OUT_N];
    char missing[128];          /* the name that was missing most recently: "feature 'item.views'" */
    int64_t first_ms, cut_ms, last_ms; /* times of the range; train is before cut_ms */
    uint64_t scratch_bytes;
} dataset_report;
/* For people, a line each. */
void dataset_report_text(const dataset_report *r, buffer *out);

typedef struct dataset_result {
    sinter_dataset *train, *valid; /* for sinter_train_args; called through DATASET_TABLE */
    dataset_report report;
    /* The collection as of `until`, for the host's services in the training process; uuid and name live as long. */
    catalog_collection *catalog;
    int64_t now_ms; /* sinter_train_args.now_ms: time of the range's last record */
    void *memory;
} dataset_result;

extern const sinter_dataset_table DATASET_TABLE;

/* Reads, joins, splits; then judges. PRECONDITION with a clear reason where the data cannot teach anything: no events, no
 * requests, one person, one item, no positives, labels that are all the same, nothing left to validate on, a name that no log
 * holds; INVALID for inputs that no dataset can bring (an unknown event type, more than DATASET_MAX_FEATURES features);
 * EXHAUSTED for the memory limit or a full disk; GONE where the range was trimmed. On any error nothing is owed, and no file
 * is left in `scratch`. */
sinter_status dataset_build(const dataset_spec *spec, dataset_result *out, sinter_error *e);
void dataset_free(dataset_result *r);

#define DATASET_MAX_FEATURES 10000u /* of each kind: features, id features, context, priors, history sides */

/* A fusion may only train on requests behind the range of each of its rankers, or it learns to trust the one that remembers
 * them. INVALID names the ranker, its model and both sequences, with `where`: file:line:column of the pipeline's fuse. */
sinter_status dataset_check_since(const dataset_ranker *ranker, uint32_t n, uint64_t since, const char *where,
                                  sinter_error *e);

/* ---- training (train*.c)
 * ------------------------------------------------------------------------------------------------------------- */

/* One step of a run, as people want to see it. */
typedef struct train_progress {
    bool training;      /* false: the dataset is being read */
    const char *what;   /* reading: the step; training: NULL */
    uint64_t done, total;
    const char *metric; /* training: NULL: none with this step */
    double value;
} train_progress;

typedef struct train_spec {
    const config *config;
    const char *what;           /* "shop.taste"; "shop.fuse": the last stage with a fusion that trains; "shop.stage1.fuse" */
    const char *since, *until;  /* sequences of the journal, or times of appending; NULL: from the start (a fusion: from the end
                                   of its rankers' ranges), to the newest */
    uint64_t seed, memory_limit; /* 0: 1; half of the machine's */
    uint32_t threads;           /* 0: one a core */
    const char *name;           /* of the model; NULL: as the use's `model:` says */
    bool resume;                /* goes on where a killed run of the same model left off */
    bool (*progress)(void *ctx, const train_progress *p); /* true: stop early, keep the best so far */
    void *progress_ctx;
} train_spec;

typedef struct train_result {
    model_info model;      /* as its model.yaml says */
    dataset_report report;
    uint32_t golden_cases;
    bool resumed;
    arena *memory;
} train_result;

/* Trains one use of a pipeline and leaves a model directory, whole or not at all: finds the use, opens its plugin as a trainer,
 * builds the dataset, trains, opens what was made and keeps golden cases of it, writes model.yaml, renames. In a process of its own: the
 * journals are opened and closed here, and two runs of one model are refused (EXISTS). */
sinter_status train_run(const train_spec *spec, train_result *out, sinter_error *e);
void train_result_free(train_result *r);

#endif
