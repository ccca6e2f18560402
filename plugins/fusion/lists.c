/* SPDX-License-Identifier: Apache-2.0 */
/* Reading requests for training. Scores are calibrated over the whole list by the code that serves; then only the shown items stay,
 * because only they can have been clicked. */
#include "learn.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Doubles an array's room; *array is freed and replaced. */
static bool grow(const sinter_host *host, void *array, size_t size, size_t n, size_t room)
{
    void *old = *(void **)array, *grown = host->alloc(host, size * room);
    if (grown == NULL)
        return false;
    if (old != NULL) {
        memcpy(grown, old, size * n);
        host->free(host, old);
    }
    *(void **)array = grown;
    return true;
}

static bool room_for(lists *l, uint32_t rows)
{
    const sinter_host *host = l->host;
    bool good = true;
    if (l->n_requests + 1 >= l->room_requests) {
        uint32_t room = l->room_requests == 0 ? 1024 : l->room_requests * 2;
        good &= grow(host, &l->begin, sizeof *l->begin, l->n_requests + (l->room_requests > 0), room + 1);
        good &= grow(host, &l->shuffled, sizeof *l->shuffled, l->n_requests, room);
        good &= grow(host, &l->weight, sizeof *l->weight, l->n_requests, room);
        good &= grow(host, &l->x, l->n_inputs * sizeof *l->x, l->n_requests, room);
        l->room_requests = room;
    }
    if (l->n_rows + rows > l->room_rows) {
        uint32_t room = l->room_rows == 0 ? 16384 : l->room_rows;
        while (room < l->n_rows + rows)
            room *= 2;
        good &= grow(host, &l->z, l->n_rankers * sizeof *l->z, l->n_rows, room);
        good &= grow(host, &l->label, sizeof *l->label, l->n_rows, room);
        good &= grow(host, &l->gain, sizeof *l->gain, l->n_rows, room);
        good &= grow(host, &l->position, sizeof *l->position, l->n_rows, room);
        l->room_rows = room;
    }
    return good;
}

static uint64_t bytes_of(const lists *l)
{
    return (uint64_t)l->room_requests * (16 + 4 * (uint64_t)l->n_inputs) + (uint64_t)l->room_rows * (12 + 4 * (uint64_t)l->n_rankers);
}

static sinter_status fail(sinter_error *err, sinter_status status, const char *what, const char *fix)
{
    err->status = status;
    snprintf(err->what, sizeof err->what, "%s", what);
    snprintf(err->where, sizeof err->where, "the requests to train on");
    snprintf(err->fix, sizeof err->fix, "%s", fix);
    return status;
}

/* What stage the requests were recorded for: the host leaves out those of another, so a difference is its mistake. */
static bool same_rankers(const sinter_train_args *args, const sinter_fusion_batch *b)
{
    if (b->n_rankers != args->n_rankers)
        return false;
    for (uint32_t r = 0; r < b->n_rankers; r++)
        if (strcmp(b->ranker[r], args->ranker[r]) != 0)
            return false;
    return true;
}

static void add_row(lists *l, const sinter_worker *w, const sinter_fusion_batch *b, const sinter_requests *r, uint32_t i)
{
    float *z = l->z + (size_t)l->n_rows * l->n_rankers;
    for (uint32_t k = 0; k < l->n_rankers; k++) {
        const fusion_calibration *c = &w->calibration[k];
        bool present = (b->present[i] >> k & 1) != 0;
        z[k] = (float)(present ? ((double)b->score[k][i] - c->shift) * c->scale + c->offset : c->imputed);
        l->scored |= (uint64_t)present << k;
    }
    float label = r->n_targets > 0 ? r->label[0][i] : 0;
    l->label[l->n_rows] = isfinite(label) && label > 0 ? label : 0;
    l->position[l->n_rows] = r->position[i];
    l->n_clicks += l->label[l->n_rows] > 0;
    l->n_rows++;
}

/* Places beyond the 200th are looked at by nobody whose clicks could teach an order. */
static bool counts(const sinter_requests *r, uint32_t i)
{
    return r->position[i] > 0 && r->position[i] <= EXAMINE_PLACES;
}

static sinter_status add_request(lists *l, const sinter_requests *r, sinter_worker *w, sinter_error *err)
{
    static const uint32_t in_order[SINTER_MAX_RANKERS] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
        32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    const sinter_fusion_batch *b = r->fusion;
    uint32_t shown = 0;
    for (uint32_t i = 0; i < b->n; i++)
        shown += counts(r, i);
    shown = shown < EXAMINE_PLACES ? shown : EXAMINE_PLACES;
    l->n_unseen += shown == 0;
    l->n_short += shown == 1;
    if (shown < 2)
        return SINTER_OK;
    if (!room_for(l, shown))
        return fusion_no_memory("fusion's training", err);
    sinter_status status = fusion_calibrate_list(w, b, err);
    if (status != SINTER_OK)
        return status;
    network_inputs(w, b, in_order, l->n_inputs - 2 * l->n_rankers, l->x + (size_t)l->n_requests * l->n_inputs);
    l->begin[l->n_requests] = l->n_rows;
    l->shuffled[l->n_requests] = r->shuffled;
    l->weight[l->n_requests] = isfinite(r->weight) && r->weight > 0 ? r->weight : 1;
    for (uint32_t i = 0; i < b->n && l->n_rows < l->begin[l->n_requests] + shown; i++)
        if (counts(r, i))
            add_row(l, w, b, r, i);
    l->begin[++l->n_requests] = l->n_rows;
    return SINTER_OK;
}

sinter_status lists_read(lists *l, const sinter_train_args *args, sinter_dataset *data, sinter_worker *w, sinter_error *err)
{
    l->host = args->host;
    l->n_rankers = args->n_rankers;
    l->n_inputs = args->instance->n_gate + 2 * args->n_rankers;
    sinter_status status = args->data->rewind(data, err);
    while (status == SINTER_OK) {
        sinter_requests r = {.size = sizeof r};
        status = args->data->next_requests(data, &r, err);
        if (status != SINTER_OK || r.batch == NULL || r.batch->n == 0)
            break;
        if (r.fusion == NULL || r.position == NULL)
            return fail(err, SINTER_PRECONDITION, "a request came without the scores of its stage", "record whole requests: record: 1");
        if (!same_rankers(args, r.fusion))
            return fail(err, SINTER_PRECONDITION, "a request was recorded for other rankers than the stage has",
                        "train on requests that this stage served");
        status = add_request(l, &r, w, err);
        if (status == SINTER_OK && args->memory_limit > 0 && bytes_of(l) > args->memory_limit / 3)
            return fail(err, SINTER_EXHAUSTED, "the shown items do not fit in the memory limit", "take a shorter range, or raise the limit");
    }
    return status;
}

void lists_free(lists *l)
{
    void *const arrays[] = {l->begin, l->shuffled, l->weight, l->x, l->z, l->label, l->gain, l->position};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (arrays[i] != NULL)
            l->host->free(l->host, arrays[i]);
}
