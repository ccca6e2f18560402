/* SPDX-License-Identifier: Apache-2.0 */
/* The recall source: of all items, the best by score that the request may show. Works without words: a history is enough. */
#include "cf.h"

enum { CHUNK = 1024 };

/* Higher score, then smaller ordinal. */
static bool better(const sinter_worker *w, uint32_t a, uint32_t b)
{
    if (w->score[a] != w->score[b])
        return w->score[a] > w->score[b];
    return a < b;
}

/* The worst of the kept stands on top. */
static void sink_down(const sinter_worker *w, uint32_t *heap, uint32_t n, uint32_t at)
{
    for (;;) {
        uint32_t worst = at, left = 2 * at + 1, right = left + 1;
        if (left < n && better(w, heap[worst], heap[left]))
            worst = left;
        if (right < n && better(w, heap[worst], heap[right]))
            worst = right;
        if (worst == at)
            return;
        uint32_t swap = heap[at];
        heap[at] = heap[worst];
        heap[worst] = swap;
        at = worst;
    }
}

static void offer(sinter_worker *w, uint32_t *n, uint32_t limit, uint32_t item)
{
    uint32_t *heap = w->best;
    if (*n < limit) {
        heap[(*n)++] = item;
        for (uint32_t i = *n - 1; i > 0 && better(w, heap[(i - 1) / 2], heap[i]); i = (i - 1) / 2) {
            uint32_t swap = heap[i];
            heap[i] = heap[(i - 1) / 2];
            heap[(i - 1) / 2] = swap;
        }
    } else if (better(w, item, heap[0])) {
        heap[0] = item;
        sink_down(w, heap, *n, 0);
    }
}

/* Excluded items lose their stamp: to what follows they were not touched. */
static void exclude_items(sinter_worker *w, const uint32_t *exclude, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (exclude[i] < w->instance->model.n_items && w->stamp[exclude[i]] == w->request)
            w->stamp[exclude[i]] = 0;
}

/* A chunk of items that could still enter: filtered, alive, offered. */
static sinter_status offer_chunk(const sinter_instance *me, sinter_worker *w, const sinter_filter *filter, const uint32_t *item,
                                 uint32_t n_items, uint32_t limit, uint32_t *n, sinter_error *err)
{
    const sinter_host *host = me->host;
    uint8_t passes[CHUNK];
    if (filter != NULL) {
        sinter_status status = host->filter_match(host, filter, item, n_items, passes, err);
        if (status != SINTER_OK)
            return status;
    }
    for (uint32_t i = 0; i < n_items; i++)
        if ((filter == NULL || passes[i]) && host->item_id(host, item[i]) != NULL)
            offer(w, n, limit, item[i]);
    return SINTER_OK;
}

static sinter_status collect(const sinter_instance *me, sinter_worker *w, const sinter_filter *filter, uint32_t limit, uint32_t *n,
                             sinter_error *err)
{
    uint32_t chunk[CHUNK], in_chunk = 0;
    for (uint32_t k = 0; k < w->n_touched; k++) {
        uint32_t item = w->touched[k];
        bool open = w->stamp[item] == w->request && w->score[item] > 0 && (*n < limit || better(w, item, w->best[0]));
        if (open)
            chunk[in_chunk++] = item;
        if (in_chunk == CHUNK || (k + 1 == w->n_touched && in_chunk > 0)) {
            sinter_status status = offer_chunk(me, w, filter, chunk, in_chunk, limit, n, err);
            if (status != SINTER_OK)
                return status;
            in_chunk = 0;
        }
    }
    return SINTER_OK;
}

static sinter_status recall(const sinter_instance *me, sinter_worker *w, const sinter_request *request, const sinter_filter *filter,
                            const uint32_t *exclude, uint32_t n_exclude, uint32_t limit, uint32_t *item /* [limit] */,
                            float *score /* [limit] */, uint32_t *n, sinter_error *err)
{
    *n = 0;
    if (limit == 0 || cf_fold(w, request->user) != SINTER_OK)
        return SINTER_OK; /* nothing to bring is an answer */
    if (limit > me->model.n_items)
        limit = me->model.n_items;
    exclude_items(w, exclude, n_exclude);
    uint32_t found = 0;
    sinter_status status = collect(me, w, filter, limit, &found, err);
    if (status != SINTER_OK)
        return status;
    *n = found;
    while (found > 0) { /* the worst of the heap, from the back */
        item[found - 1] = w->best[0];
        score[found - 1] = (float)w->score[w->best[0]];
        w->best[0] = w->best[--found];
        sink_down(w, w->best, found, 0);
    }
    return SINTER_OK;
}

const sinter_recall cf_recall = {.size = sizeof(sinter_recall), .recall = recall};
