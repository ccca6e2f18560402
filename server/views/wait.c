/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Requests parked until a write is reflected. */
#include "inside.h"

#include <inttypes.h>
#include <stdlib.h>

sinter_status views_wait(views *v, uint64_t sequence, uint64_t deadline_ns, views_waited *fn, void *ctx,
                         sinter_error *e)
{
    uint64_t last = journal_last_sequence(v->journal);
    if (sequence > last)
        return error_set(e, SINTER_INVALID, "after_sequence", "pass the sequence that the write was answered with",
                         "sequence %" PRIu64 " has not been given yet; the newest is %" PRIu64, sequence, last);
    sinter_status s = SINTER_OK;
    pthread_mutex_lock(&v->lock);
    if (v->stopping)
        s = error_set(e, SINTER_UNAVAILABLE, "after_sequence", NULL, "the server is stopping");
    else if (v->n_park >= v->config->server.max_parked)
        s = error_set(e, SINTER_EXHAUSTED, "after_sequence", "try again in a moment, or raise server.max_parked",
                      "%" PRIu32 " requests wait for a write already", v->n_park);
    else {
        if (v->n_park == v->cap_park) {
            v->cap_park = v->cap_park ? v->cap_park * 2 : 64;
            v->park = xrealloc(v->park, v->cap_park * sizeof *v->park);
        }
        v->park[v->n_park++] = (parked){sequence, deadline_ns, fn, ctx};
        v->woken = true;
        pthread_cond_signal(&v->wake);
    }
    pthread_mutex_unlock(&v->lock);
    return s;
}

bool views_cancel(views *v, void *ctx)
{
    bool found = false;
    pthread_mutex_lock(&v->lock);
    for (uint32_t i = 0; i < v->n_park && !found; i++) {
        if (v->park[i].ctx != ctx) continue;
        v->park[i] = v->park[--v->n_park];
        found = true;
    }
    pthread_mutex_unlock(&v->lock);
    return found;
}

/* One that is due, taken out; false: none. */
static bool take_due(views *v, uint64_t reached, uint64_t now, parked *out, sinter_status *status)
{
    bool found = false;
    pthread_mutex_lock(&v->lock);
    for (uint32_t i = 0; i < v->n_park && !found; i++) {
        bool done = v->park[i].sequence <= reached;
        if (!done && v->park[i].deadline_ns > now) continue;
        *out = v->park[i];
        *status = done ? SINTER_OK : SINTER_DEADLINE;
        v->park[i] = v->park[--v->n_park];
        (*(done ? &v->state.waited : &v->state.expired))++;
        found = true;
    }
    pthread_mutex_unlock(&v->lock);
    return found;
}

void waits_finish(views *v, uint64_t reached)
{
    parked p;
    sinter_status s;
    uint64_t now = clock_mono_ns();
    while (take_due(v, reached, now, &p, &s))
        p.fn(p.ctx, s);
}

void waits_refuse(views *v)
{
    pthread_mutex_lock(&v->lock);
    while (v->n_park) {
        parked p = v->park[--v->n_park];
        pthread_mutex_unlock(&v->lock);
        p.fn(p.ctx, SINTER_UNAVAILABLE);
        pthread_mutex_lock(&v->lock);
    }
    free(v->park);
    v->park = NULL;
    v->cap_park = 0;
    pthread_mutex_unlock(&v->lock);
}

bool waits_want(views *v, uint64_t after, uint64_t upto)
{
    bool want = false;
    pthread_mutex_lock(&v->lock);
    for (uint32_t i = 0; i < v->n_park && !want; i++)
        want = v->park[i].sequence > after && v->park[i].sequence <= upto;
    pthread_mutex_unlock(&v->lock);
    return want;
}

uint64_t waits_deadline(const views *v)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < v->n_park; i++) {
        if (v->park[i].deadline_ns < least) least = v->park[i].deadline_ns;
    }
    return least;
}
