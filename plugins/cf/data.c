/* SPDX-License-Identifier: Apache-2.0 */
/* The data: what people did as a matrix of people × items, and verdicts on data that nothing can be learnt from. */
#include "train.h"

#include <stdlib.h>
#include <string.h>

#define WHERE "training data"

static sinter_status no_memory(const cf_matrix *m, sinter_error *err)
{
    return cf_fail(err, SINTER_EXHAUSTED, WHERE, "give training more memory", "no memory for events of %u people on %u items",
                   m->by_user.n_rows, m->by_item.n_rows);
}

/* ---- what is in it ---- */

static bool has_positive(const sinter_csr *m, uint32_t row)
{
    for (uint64_t p = m->offset[row]; p < m->offset[row + 1]; p++)
        if (m->weight[p] > 0)
            return true;
    return false;
}

static bool same_positives(const sinter_csr *m, uint32_t a, uint32_t b)
{
    for (uint64_t p = m->offset[a], q = m->offset[b];; p++, q++) {
        while (p < m->offset[a + 1] && !(m->weight[p] > 0))
            p++;
        while (q < m->offset[b + 1] && !(m->weight[q] > 0))
            q++;
        bool p_ends = p == m->offset[a + 1], q_ends = q == m->offset[b + 1];
        if (p_ends || q_ends)
            return p_ends && q_ends;
        if (m->column[p] != m->column[q])
            return false;
    }
}

static void count_people(cf_matrix *m)
{
    uint32_t first = UINT32_MAX;
    m->all_same = true;
    for (uint32_t u = 0; u < m->by_user.n_rows; u++) {
        if (!has_positive(&m->by_user, u))
            continue;
        m->people++;
        if (first == UINT32_MAX)
            first = u;
        else if (m->all_same)
            m->all_same = same_positives(&m->by_user, first, u);
    }
}

static sinter_status look(cf_matrix *m, sinter_error *err)
{
    const sinter_csr *u = &m->by_user;
    m->support = calloc((size_t)m->by_item.n_rows + 1, sizeof *m->support);
    if (m->support == NULL)
        return no_memory(m, err);
    m->pairs = u->n_rows > 0 ? u->offset[u->n_rows] : 0;
    m->newest_ms = INT64_MIN;
    for (uint64_t p = 0; p < m->pairs; p++) {
        if (u->time_ms[p] > m->newest_ms)
            m->newest_ms = u->time_ms[p];
        if (u->weight[p] > 0) {
            m->positive++;
            m->items += m->support[u->column[p]]++ == 0;
        }
    }
    count_people(m);
    return SINTER_OK;
}

sinter_status matrix_judge(const cf_matrix *m, sinter_error *err)
{
    unsigned long long pairs = m->pairs, positive = m->positive;
    if (pairs == 0)
        return cf_fail(err, SINTER_PRECONDITION, WHERE, "record events first: sinter events import, or RecordEvents",
                       "the range holds no events on items of the catalogue");
    if (positive == 0)
        return cf_fail(err, SINTER_PRECONDITION, WHERE, "give event types that speak for an item a weight above 0",
                       "none of %llu pairs of a person and an item has a weight above 0", pairs);
    if (m->people == 1)
        return cf_fail(err, SINTER_PRECONDITION, WHERE, "train when more people have acted",
                       "all %llu pairs are one person's: nobody to learn from", positive);
    if (m->items == 1)
        return cf_fail(err, SINTER_PRECONDITION, WHERE, "train when more items were acted on",
                       "all %u people acted on one and the same item: no two to compare", m->people);
    if (m->all_same)
        return cf_fail(err, SINTER_PRECONDITION, WHERE, "train when people differ",
                       "all %u people acted on the same %u items: nothing tells the items apart", m->people, m->items);
    return SINTER_OK;
}

/* ---- reading ---- */

sinter_status matrix_read(const sinter_train_args *a, sinter_dataset *from, cf_matrix *out, sinter_error *err)
{
    *out = (cf_matrix){.by_user = {.size = sizeof(sinter_csr)}, .by_item = {.size = sizeof(sinter_csr)}};
    sinter_status status = a->data->csr(from, false, &out->by_user, err);
    if (status == SINTER_OK)
        status = a->data->csr(from, true, &out->by_item, err);
    return status == SINTER_OK ? look(out, err) : status;
}

/* ---- merging ---- */

typedef struct growing {
    uint64_t *offset;
    uint32_t *column;
    float *weight;
    int64_t *time_ms;
    uint64_t n;
} growing;

static void append(growing *g, const sinter_csr *m, uint64_t p)
{
    g->column[g->n] = m->column[p];
    g->weight[g->n] = m->weight[p];
    g->time_ms[g->n++] = m->time_ms[p];
}

/* One entry of a pair: weights summed, the newer time. */
static void append_both(growing *g, const sinter_csr *a, uint64_t p, const sinter_csr *b, uint64_t q)
{
    append(g, a, p);
    g->weight[g->n - 1] += b->weight[q];
    if (b->time_ms[q] > a->time_ms[p])
        g->time_ms[g->n - 1] = b->time_ms[q];
}

static void merge_row(growing *g, const sinter_csr *a, const sinter_csr *b, uint32_t r)
{
    uint64_t p = r < a->n_rows ? a->offset[r] : 0, p_end = r < a->n_rows ? a->offset[r + 1] : 0;
    uint64_t q = r < b->n_rows ? b->offset[r] : 0, q_end = r < b->n_rows ? b->offset[r + 1] : 0;
    while (p < p_end || q < q_end) {
        if (p < p_end && q < q_end && a->column[p] == b->column[q])
            append_both(g, a, p++, b, q++);
        else if (q == q_end || (p < p_end && a->column[p] < b->column[q]))
            append(g, a, p++);
        else
            append(g, b, q++);
    }
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static bool merge(const sinter_csr *a, const sinter_csr *b, sinter_csr *out)
{
    uint32_t n_rows = larger(a->n_rows, b->n_rows);
    uint64_t most = (a->n_rows > 0 ? a->offset[a->n_rows] : 0) + (b->n_rows > 0 ? b->offset[b->n_rows] : 0) + 1;
    growing g = {.offset = malloc(((size_t)n_rows + 1) * sizeof *g.offset),
                 .column = malloc(most * sizeof *g.column),
                 .weight = malloc(most * sizeof *g.weight),
                 .time_ms = malloc(most * sizeof *g.time_ms)};
    *out = (sinter_csr){.size = sizeof *out, .n_rows = n_rows, .n_columns = larger(a->n_columns, b->n_columns),
                        .offset = g.offset, .column = g.column, .weight = g.weight, .time_ms = g.time_ms};
    if (g.offset == NULL || g.column == NULL || g.weight == NULL || g.time_ms == NULL)
        return false;
    for (uint32_t r = 0; r < n_rows; r++) {
        g.offset[r] = g.n;
        merge_row(&g, a, b, r);
    }
    g.offset[n_rows] = g.n;
    return true;
}

sinter_status matrix_merge(const cf_matrix *a, const cf_matrix *b, cf_matrix *out, sinter_error *err)
{
    *out = (cf_matrix){.merged = true};
    bool good = merge(&a->by_user, &b->by_user, &out->by_user);
    if (!good || !merge(&a->by_item, &b->by_item, &out->by_item))
        return no_memory(a, err);
    return look(out, err);
}

static void free_const(const void *p)
{
    free((void *)(uintptr_t)p);
}

void matrix_free(cf_matrix *m)
{
    const sinter_csr *both[] = {&m->by_user, &m->by_item};
    free(m->support);
    for (uint32_t i = 0; i < 2 && m->merged; i++) {
        free_const(both[i]->offset);
        free_const(both[i]->column);
        free_const(both[i]->weight);
        free_const(both[i]->time_ms);
    }
    *m = (cf_matrix){0};
}
