/* SPDX-License-Identifier: Apache-2.0 */
/* EASE, a linear autoencoder in closed form: of all matrices B with a zero diagonal, the one that best gives back each person's
 * items from the others, min ‖X − XB‖² + λ‖B‖². With P = (XᵀX + λI)⁻¹ it is B(h, i) = −P(h, i) / P(i, i). */
#include "train.h"

#include <math.h>
#include <stdlib.h>

typedef struct ease {
    cf_training *training;
    const cf_settings *settings;
    cf_matrix *data;
    rows *out;
    uint32_t *item;  /* [n] ordinals of the items taken, ascending */
    uint32_t *place; /* [n_items] where they stand in the matrix; UINT32_MAX: not taken */
    double *gram;    /* [n][n] column-major, lower triangle: XᵀX + λI, then P */
    uint32_t n, threads;
    row_entry **entry; /* [threads][n] */
} ease;

static double entry_of(const ease *e, const sinter_csr *m, uint64_t p)
{
    const cf_settings *s = e->settings;
    double weight = s->weights == CF_ONCE ? (m->weight[p] > 0 ? 1 : 0) : (double)m->weight[p];
    if (s->train_half_life > 0)
        weight *= exp2(-(double)(e->data->newest_ms - m->time_ms[p]) / 86400e3 / s->train_half_life);
    return isfinite(weight) ? weight : 0;
}

/* One column: an item against itself and those behind it, people in the order of their rows. */
static void gram_column(void *context, uint32_t thread, uint32_t i)
{
    ease *e = context;
    const cf_matrix *d = e->data;
    double *column = e->gram + (size_t)i * e->n;
    uint32_t item = e->item[i];
    (void)thread;
    for (uint32_t k = i; k < e->n; k++)
        column[k] = 0;
    column[i] = e->settings->lambda;
    for (uint64_t p = d->by_item.offset[item]; p < d->by_item.offset[item + 1]; p++) {
        double x = entry_of(e, &d->by_item, p);
        uint32_t user = d->by_item.column[p];
        for (uint64_t q = d->by_user.offset[user + 1]; q-- > d->by_user.offset[user] && d->by_user.column[q] >= item;) {
            uint32_t k = e->place[d->by_user.column[q]];
            if (k != UINT32_MAX)
                column[k] += x * entry_of(e, &d->by_user, q);
        }
    }
}

static double cell(const ease *e, uint32_t a, uint32_t b)
{
    return a >= b ? e->gram[(size_t)b * e->n + a] : e->gram[(size_t)a * e->n + b];
}

static void make_row(void *context, uint32_t thread, uint32_t h)
{
    ease *e = context;
    row_entry *entry = e->entry[thread];
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->n; i++) {
        float weight = (float)(-cell(e, h, i) / cell(e, i, i));
        if (i != h && weight != 0)
            entry[n++] = (row_entry){weight, e->item[i]};
    }
    rows_set(e->out, e->item[h], entry, n);
}

/* ---- sizes ---- */

/* An item that too few people had is left out of the model. */
static void take_items(ease *e)
{
    cf_matrix *d = e->data;
    for (uint32_t i = 0; i < d->by_item.n_rows; i++) {
        e->place[i] = UINT32_MAX;
        if (d->support[i] >= e->settings->min_support) {
            e->place[i] = e->n;
            e->item[e->n++] = i;
        } else {
            d->support[i] = 0;
        }
    }
}

/* items² of doubles is what this method costs; better said before than found out by the machine. */
static sinter_status check_memory(const ease *e, sinter_error *err)
{
    uint64_t limit = e->training->args->memory_limit, n = e->n;
    uint64_t most = e->settings->neighbours, kept = most > 0 && most < n ? most : n;
    double need = (double)n * (double)n * sizeof(double) + (double)n * (double)kept * 2 * sizeof(row_entry);
    if (n > INT32_MAX / 2 || (limit > 0 && need > (double)limit))
        return cf_fail(err, SINTER_EXHAUSTED, "method: ease",
                       "use method: knn, raise min_support, set neighbours, or give training more memory",
                       "ease over %llu items needs %.2f GiB; the limit is %.2f GiB", (unsigned long long)n, need / 0x1p30,
                       (double)limit / 0x1p30);
    return SINTER_OK;
}

static bool take_memory(ease *e)
{
    e->gram = malloc((size_t)e->n * e->n * sizeof *e->gram);
    e->entry = calloc(e->threads, sizeof *e->entry);
    for (uint32_t t = 0; e->entry != NULL && t < e->threads; t++)
        if ((e->entry[t] = malloc(((size_t)e->n + 1) * sizeof **e->entry)) == NULL)
            return false;
    return e->gram != NULL && e->entry != NULL;
}

/* ---- the three parts ---- */

static bool on_inverse(void *context, uint64_t done, uint64_t total)
{
    return cf_progress(context, done, total);
}

static sinter_status solve(ease *e, sinter_error *err)
{
    parallel_for(e->threads, e->n, gram_column, e);
    if (!inverse_spd(e->gram, e->n, e->threads, on_inverse, e->training)) {
        if (e->training->cancelled)
            return cf_fail(err, SINTER_CANCELLED, "method: ease", "start it again", "stopped before the matrix was inverted");
        return cf_fail(err, SINTER_PRECONDITION, "lambda", "raise lambda", "the matrix of %u items cannot be inverted with lambda %g",
                       e->n, e->settings->lambda);
    }
    parallel_for(e->threads, e->n, make_row, e);
    if (atomic_load(&e->out->full) || atomic_load(&e->out->no_memory))
        return cf_fail(err, SINTER_EXHAUSTED, "method: ease", "set neighbours: 200, or give training more memory",
                       "no memory for the neighbours of %u items", e->n);
    return SINTER_OK;
}

static sinter_status run(ease *e, sinter_error *err)
{
    sinter_status status;
    take_items(e);
    if (e->n < 2)
        return cf_fail(err, SINTER_PRECONDITION, "min_support", "lower min_support, or train on more",
                       "%u items were had by at least %u people; two are needed", e->n, e->settings->min_support);
    if ((status = check_memory(e, err)) != SINTER_OK)
        return status;
    if (!take_memory(e))
        return cf_fail(err, SINTER_EXHAUSTED, "method: ease", "use method: knn, or give training more memory",
                       "no memory for a matrix of %u items", e->n);
    return solve(e, err);
}

sinter_status ease_train(cf_training *t, rows *out, sinter_error *err)
{
    ease e = {.training = t, .settings = t->settings, .data = t->data, .out = out, .threads = t->threads};
    uint32_t n_items = t->data->by_item.n_rows;
    sinter_status status;
    e.item = malloc(((size_t)n_items + 1) * sizeof *e.item);
    e.place = malloc(((size_t)n_items + 1) * sizeof *e.place);
    if (e.item != NULL && e.place != NULL)
        status = run(&e, err);
    else
        status = cf_fail(err, SINTER_EXHAUSTED, "method: ease", "give training more memory", "no memory for %u items", n_items);
    for (uint32_t k = 0; e.entry != NULL && k < e.threads; k++)
        free(e.entry[k]);
    free(e.entry);
    free(e.gram);
    free(e.item);
    free(e.place);
    return status;
}
