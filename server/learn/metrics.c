/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Metrics of one ranked list. A list becomes gains by place once; each metric is one short walk over them. */
#include "learn/learn.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const GAIN_NAMES[3] = {"exponential", "linear", "binary"};

double gain_of(const gain_rule *g, double grade) {
    double above = grade - g->offset;
    if (!(above > 0)) return 0;
    return g->kind == GAIN_EXPONENTIAL ? exp2(above) - 1 : g->kind == GAIN_LINEAR ? above : 1;
}

/* ---- the walks
 * ------------------------------------------------------------------------------------------------------------- */

typedef struct places {
    const double *gain; /* [n] by place; above 0: relevant */
    uint32_t n;
    const double *ideal; /* [n_relevant] descending */
    uint32_t n_relevant;
} places;

static double dcg(const double *gain, uint32_t n, uint32_t k) {
    double sum = 0;
    for (uint32_t i = 0; i < n && i < k; i++)
        sum += gain[i] / log2((double)i + 2);
    return sum;
}

static double ndcg(const places *p, uint32_t k) {
    return dcg(p->gain, p->n, k) / dcg(p->ideal, p->n_relevant, k);
}

static double relevant_in(const places *p, uint32_t k) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < p->n && i < k; i++)
        found += p->gain[i] > 0;
    return found;
}

static double average_precision(const places *p, uint32_t k) {
    double sum = 0;
    uint32_t found = 0;
    for (uint32_t i = 0; i < p->n && i < k; i++)
        if (p->gain[i] > 0) sum += (double)++found / (i + 1.0);
    return sum / p->n_relevant;
}

static double precision(const places *p, uint32_t k) {
    return relevant_in(p, k) / k;
}

static double recall(const places *p, uint32_t k) {
    return relevant_in(p, k) / p->n_relevant;
}

static double hit_rate(const places *p, uint32_t k) {
    return relevant_in(p, k) > 0;
}

static double reciprocal_rank(const places *p, uint32_t k) {
    for (uint32_t i = 0; i < p->n && i < k; i++)
        if (p->gain[i] > 0) return 1 / (i + 1.0);
    return 0;
}

static const struct {
    const char *name;
    metric_kind kind;
    double (*walk)(const places *p, uint32_t k);
} METRICS[] = {
    {"ndcg", METRIC_NDCG, ndcg},
    {"map", METRIC_MAP, average_precision},
    {"precision", METRIC_PRECISION, precision},
    {"recall", METRIC_RECALL, recall},
    {"hit_rate", METRIC_HIT_RATE, hit_rate},
    {"mrr", METRIC_MRR, reciprocal_rank},
    {"hit", METRIC_HIT_RATE, hit_rate}, /* other names of the same */
    {"hr", METRIC_HIT_RATE, hit_rate},
};

/* ---- names
 * ------------------------------------------------------------------------------------------------------------------ */

sinter_status metric_parse(str text, metric *out, sinter_error *e) {
    static const char FIX[] =
        "ndcg, map, precision, recall, hit_rate or mrr, and @K with K from 1 to 1000, as in ndcg@10";
    const char *at = memchr(text.s, '@', text.n);
    str name = {text.s, at ? (size_t)(at - text.s) : text.n};
    uint64_t k = METRIC_MAX_K;
    bool counted = !at || (parse_uint64((str){at + 1, text.n - name.n - 1}, &k) && k >= 1 && k <= METRIC_MAX_K);
    for (size_t i = 0; i < ARRAY_LEN(METRICS) && counted && text.n < sizeof out->name; i++) {
        if (!str_is(name, METRICS[i].name)) continue;
        *out = (metric){.kind = METRICS[i].kind, .k = (uint32_t)k};
        memcpy(out->name, text.s, text.n);
        return SINTER_OK;
    }
    return error_set(e, SINTER_INVALID, "metrics", FIX, "'%.*s' is not a metric", (int)(text.n < 100 ? text.n : 100),
                     text.s);
}

/* ---- one list
 * ---------------------------------------------------------------------------------------------------------------- */

/* Index of an id among a query's judgments, or UINT32_MAX. */
static uint32_t find(const judged_query *q, const char *item) {
    for (uint32_t low = 0, high = q->n; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        int c = strcmp(item, q->item[middle].item);
        if (c == 0) return middle;
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return UINT32_MAX;
}

static int descending(const void *x, const void *y) {
    double p = *(const double *)x, q = *(const double *)y;
    return p > q ? -1 : p < q;
}

static void ideal_order(const judged_query *q, const gain_rule *g, arena *a, places *p) {
    double *ideal = ARENA_ARRAY(a, double, q->n + 1);
    for (uint32_t i = 0; i < q->n; i++) {
        double gain = gain_of(g, q->item[i].grade);
        if (gain > 0) ideal[p->n_relevant++] = gain;
    }
    qsort(ideal, p->n_relevant, sizeof *ideal, descending);
    p->ideal = ideal;
}

bool metrics_score(const judged_query *q, const gain_rule *g, const char *const *item, uint32_t n, const metric *m,
                   uint32_t n_metrics, arena *a, double *out) {
    places p = {.n = n};
    ideal_order(q, g, a, &p);
    if (!p.n_relevant) return false;
    double *gain = ARENA_ARRAY(a, double, n + 1);
    bool *seen = ARENA_ARRAY(a, bool, q->n + 1);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = find(q, item[i]);
        if (at == UINT32_MAX || seen[at]) continue;
        seen[at] = true;
        gain[i] = gain_of(g, q->item[at].grade);
    }
    p.gain = gain;
    for (uint32_t i = 0; i < n_metrics; i++)
        out[i] = METRICS[m[i].kind].walk(&p, m[i].k);
    return true;
}
