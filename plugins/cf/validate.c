/* SPDX-License-Identifier: Apache-2.0 */
/* How well a model of the earlier part foretells the later one, by the code that serves: each person's history is folded in, all
 * items of the model but those of the history are ranked, and what the person did later counts as relevant. */
#include "train.h"

#include <math.h>
#include <stdlib.h>

enum { TOP = 10, MOST_PEOPLE = 10000 };

/* A person's events as a request would bring them, newest first. */
typedef struct past {
    sinter_user user;
    uint32_t *item;
    float *age, *weight;
} past;

typedef struct event {
    int64_t time_ms;
    uint32_t item;
    float weight;
} event;

static int newest_first(const void *x, const void *y)
{
    const event *a = x, *b = y;
    if (a->time_ms != b->time_ms)
        return a->time_ms > b->time_ms ? -1 : 1;
    return a->item < b->item ? -1 : a->item > b->item;
}

static void read_past(const cf_matrix *m, uint32_t user, event *scratch, past *out)
{
    const sinter_csr *c = &m->by_user;
    uint32_t n = 0;
    for (uint64_t p = c->offset[user]; p < c->offset[user + 1]; p++)
        scratch[n++] = (event){c->time_ms[p], c->column[p], c->weight[p]};
    qsort(scratch, n, sizeof *scratch, newest_first);
    for (uint32_t i = 0; i < n; i++) {
        out->item[i] = scratch[i].item;
        out->age[i] = (float)((double)(m->newest_ms - scratch[i].time_ms) / 86400e3);
        out->weight[i] = scratch[i].weight;
    }
    out->user = (sinter_user){.size = sizeof out->user, .n_history = n, .item = out->item, .age = out->age, .weight = out->weight};
}

static bool in_row(const sinter_csr *c, uint32_t row, uint32_t column)
{
    uint64_t low = c->offset[row], high = c->offset[row + 1], end = high;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (c->column[middle] < column)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end && c->column[low] == column && c->weight[low] > 0;
}

/* The best TOP of all items that the person has not had; returns how many. */
static uint32_t best_items(const sinter_worker *w, const cf_matrix *before, uint32_t user, uint32_t *top)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < w->n_touched; k++) {
        uint32_t item = w->touched[k], at = n;
        while (at > 0 && (w->score[top[at - 1]] < w->score[item] || (w->score[top[at - 1]] == w->score[item] && top[at - 1] > item)))
            at--;
        if (at == TOP || in_row(&before->by_user, user, item))
            continue;
        for (uint32_t i = n < TOP ? n : TOP - 1; i > at; i--)
            top[i] = top[i - 1];
        top[at] = item;
        n += n < TOP;
    }
    return n;
}

/* NaN: the person did nothing new later. */
static double ndcg_of(const sinter_worker *w, const cf_matrix *before, const cf_matrix *later, uint32_t user)
{
    const sinter_csr *c = &later->by_user;
    uint32_t top[TOP], n = best_items(w, before, user, top), relevant = 0;
    double gained = 0, ideal = 0;
    for (uint64_t p = c->offset[user]; p < c->offset[user + 1]; p++)
        if (c->weight[p] > 0 && !in_row(&before->by_user, user, c->column[p]))
            ideal += relevant < TOP ? 1 / log2(2.0 + relevant) : 0, relevant++;
    for (uint32_t i = 0; i < n; i++)
        if (in_row(c, user, top[i]))
            gained += 1 / log2(2.0 + i);
    return relevant > 0 ? gained / ideal : (double)NAN;
}

static double mean_ndcg(sinter_worker *w, const cf_matrix *before, const cf_matrix *later, event *scratch, past *p)
{
    uint32_t users = before->by_user.n_rows < later->by_user.n_rows ? before->by_user.n_rows : later->by_user.n_rows, n = 0;
    uint32_t stride = users / MOST_PEOPLE + 1;
    double sum = 0;
    for (uint32_t u = 0; u < users; u += stride) {
        if (later->by_user.offset[u] == later->by_user.offset[u + 1])
            continue;
        read_past(before, u, scratch, p);
        if (cf_fold(w, &p->user) != SINTER_OK)
            continue;
        double ndcg = ndcg_of(w, before, later, u);
        if (isfinite(ndcg)) {
            sum += ndcg;
            n++;
        }
    }
    return n > 0 ? sum / n : (double)NAN;
}

sinter_status cf_validate(const cf_training *t, const cf_model *m, const cf_matrix *before, const cf_matrix *later, double *ndcg,
                          sinter_error *err)
{
    sinter_instance serving = {.host = t->args->host, .settings = *t->settings, .model = *m};
    sinter_worker *w = NULL;
    uint64_t longest = 0;
    for (uint32_t u = 0; u < before->by_user.n_rows; u++)
        if (before->by_user.offset[u + 1] - before->by_user.offset[u] > longest)
            longest = before->by_user.offset[u + 1] - before->by_user.offset[u];
    event *scratch = malloc((longest + 1) * sizeof *scratch);
    past p = {.item = malloc((longest + 1) * sizeof *p.item),
              .age = malloc((longest + 1) * sizeof *p.age),
              .weight = malloc((longest + 1) * sizeof *p.weight)};
    sinter_status status = cf_worker_open(&serving, &w, err);
    if (status == SINTER_OK && (scratch == NULL || p.item == NULL || p.age == NULL || p.weight == NULL))
        status = cf_fail(err, SINTER_EXHAUSTED, "validation", "give training more memory", "no memory for a history of %llu items",
                         (unsigned long long)longest);
    if (status == SINTER_OK)
        *ndcg = mean_ndcg(w, before, later, scratch, &p);
    if (w != NULL)
        cf_worker_close(w);
    free(scratch);
    free(p.item);
    free(p.age);
    free(p.weight);
    return status;
}
