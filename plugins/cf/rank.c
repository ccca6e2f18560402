/* SPDX-License-Identifier: Apache-2.0 */
/* The ranker: the history is folded in once a request, blocks look their items up. */
#include "cf.h"

#include <math.h>

enum { LINES = 8 }; /* an explanation's contributions by name; what is left is one line more */

static sinter_status prepare(const sinter_instance *me, sinter_worker *w, const sinter_request *request, sinter_error *err)
{
    (void)me;
    (void)err;
    return cf_fold(w, request->user);
}

/* An item that no item of the history knows as a neighbour has nothing in its favour: 0. One that the model has never seen is
 * another matter: no score. */
static sinter_status score(const sinter_instance *me, sinter_worker *w, const sinter_batch *batch, float *out /* [n] */,
                           sinter_error *err)
{
    (void)err;
    for (uint32_t i = 0; i < batch->n; i++) {
        uint32_t item = batch->item[i];
        if (!cf_known(&me->model, item))
            out[i] = SINTER_MISSING;
        else
            out[i] = w->stamp[item] == w->request ? (float)w->score[item] : 0;
    }
    return SINTER_OK;
}

typedef struct contribution {
    uint32_t item;
    double value;
} contribution;

/* Keeps the greatest LINES by absolute value, greatest first; of equals the newer. */
static void keep(contribution *best, uint32_t *n, contribution c)
{
    uint32_t at = *n;
    while (at > 0 && fabs(best[at - 1].value) < fabs(c.value))
        at--;
    if (at == LINES)
        return;
    for (uint32_t i = *n < LINES ? *n : LINES - 1; i > at; i--)
        best[i] = best[i - 1];
    best[at] = c;
    *n += *n < LINES;
}

static sinter_status explain(const sinter_instance *me, sinter_worker *w, const sinter_batch *batch, uint32_t row,
                             sinter_sink *sink, sinter_error *err)
{
    const sinter_host *host = me->host;
    uint32_t item = batch->item[row], n = 0;
    contribution best[LINES];
    double all = 0, named = 0;
    (void)err;
    if (!cf_known(&me->model, item))
        return SINTER_OK; /* no score, nothing to explain */
    for (uint32_t k = 0; k < w->n_taste; k++) {
        double value = w->taste[k].affinity * cf_pair(&me->model, w->taste[k].item, item);
        all += value;
        if (value != 0)
            keep(best, &n, (contribution){w->taste[k].item, value});
    }
    for (uint32_t k = 0; k < n; k++) {
        const char *id = host->item_id(host, best[k].item);
        host->explain(sink, id != NULL ? id : "(deleted)", best[k].value);
        named += best[k].value;
    }
    if (n == LINES)
        host->explain(sink, "rest", all - named);
    return SINTER_OK;
}

const sinter_ranker cf_ranker = {.size = sizeof(sinter_ranker), .prepare = prepare, .score = score, .explain = explain};
