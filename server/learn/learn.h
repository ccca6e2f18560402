/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Evaluation: how good ranked lists are against people's judgments, and how sure one may be of it.
 *
 *   judgments_read → a ranked list of ids a query (from a server, or ranked_run_read) → metrics_score → bootstrap_mean
 *
 * Nothing here knows where a list comes from, so that a pipeline, another system and a test are measured by the same
 * code. Conventions: an item without a judgment is not relevant; a query without a relevant item is skipped; nothing is
 * asked about ties, because a list arrives ordered (the server orders by higher score, then smaller ordinal). */
#ifndef SINTER_LEARN_H
#define SINTER_LEARN_H

#include "base/base.h"

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
} judged_query;

typedef struct judgments {
    judged_query *query; /* [n_queries] in the order of first appearance */
    uint32_t n_queries, n_judgments;
    void *memory;
} judgments;

/* Reads a TSV with a header that names the columns query (or query_id), item (or item_id) and grade (or relevance), in
 * any order; others are ignored. `queries`: NULL, or a TSV with the columns id (or query_id) and query (or text), which
 * gives the words of the ids. A pair judged twice with two grades, a query without words, a grade that is no number:
 * refused with file:line. */
sinter_status judgments_read(const char *path, const char *queries, judgments **out, sinter_error *e);
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

#endif
