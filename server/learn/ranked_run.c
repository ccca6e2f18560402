/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ranked lists from a file: what another system answered, or an earlier version of this one. */
#include "learn/learn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tsv.h"

static const char *const QUERY[] = {"query", "query_id", NULL};
static const char *const ITEM[] = {"item", "item_id", NULL};
static const char *const SCORE[] = {"score", NULL};

typedef struct line {
    uint32_t query, at;
    double score;
    const char *item;
} line;

typedef struct memory {
    tsv lines;
    const char **item;
} memory;

static int best_first(const void *x, const void *y) {
    const line *p = x, *q = y;
    if (p->query != q->query) return p->query < q->query ? -1 : 1;
    if (p->score != q->score) return p->score > q->score ? -1 : 1;
    return p->at < q->at ? -1 : p->at > q->at;
}

static sinter_status read_lines(ranked_run *r, const judgments *j, line **out, uint32_t *n, sinter_error *e) {
    const tsv *t = &((memory *)r->memory)->lines;
    uint32_t query, item, score = tsv_find(t, SCORE);
    sinter_status s = tsv_column(t, QUERY, &query, e);
    if (!s) s = tsv_column(t, ITEM, &item, e);
    if (s) return s;
    line *lines = *out = xcalloc(t->rows + 1, sizeof *lines);
    for (uint32_t i = 0; i < t->rows; i++) {
        const judged_query *q = judgments_find(j, tsv_cell(t, i, query));
        if (!q) {
            r->n_ignored++;
            continue;
        }
        line *l = &lines[(*n)++];
        *l = (line){.query = (uint32_t)(q - j->query), .at = i, .item = tsv_cell(t, i, item)};
        if (score != UINT32_MAX && (!parse_double(str_of(tsv_cell(t, i, score)), &l->score) || !isfinite(l->score)))
            return tsv_error(t, i, e, "a finite number", "the score '%s' is not valid", tsv_cell(t, i, score));
    }
    qsort(lines, *n, sizeof *lines, best_first);
    return SINTER_OK;
}

static void gather(ranked_run *r, const judgments *j, const line *lines, uint32_t n) {
    memory *m = r->memory;
    m->item = xcalloc(n + 1, sizeof *m->item);
    r->list = xcalloc(j->n_queries + 1, sizeof *r->list);
    for (uint32_t i = 0; i < n; i++) {
        ranked_list *l = &r->list[lines[i].query];
        if (!l->n) l->item = m->item + i;
        m->item[i] = lines[i].item;
        l->n++;
    }
}

sinter_status ranked_run_read(const char *path, const judgments *j, ranked_run **out, sinter_error *e) {
    ranked_run *r = xcalloc(1, sizeof *r);
    memory *m = r->memory = xcalloc(1, sizeof *m);
    line *lines = NULL;
    uint32_t n = 0;
    sinter_status s = tsv_read(path, &m->lines, e);
    if (!s) s = read_lines(r, j, &lines, &n, e);
    if (!s && !n)
        s = error_set(e, SINTER_INVALID, path, "the queries must be named as in the judgments",
                      "no line is of a judged query");
    if (!s) gather(r, j, lines, n);
    free(lines);
    if (s) {
        ranked_run_free(r);
        return s;
    }
    *out = r;
    return SINTER_OK;
}

void ranked_run_free(ranked_run *r) {
    if (!r) return;
    memory *m = r->memory;
    tsv_free(&m->lines);
    free(m->item);
    free(m);
    free(r->list);
    free(r);
}
