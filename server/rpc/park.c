/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls that wait, off the lanes, until the views show a write. */
#include "server.h"

bool write_is_awaited(worker *w, const char *collection, uint64_t after_sequence)
{
    if (!after_sequence) return false;
    uint32_t number = snapshot_collection(engine_snapshot(w->s->engine), collection);
    if (number == UINT32_MAX) return false;
    const view_collection *v = &views_current(engine_views(w->s->engine))->collection[number];
    return !v->ready || v->sequence < after_sequence;
}

void wait_error(sinter_status status, sinter_error *e)
{
    if (status == SINTER_DEADLINE)
        error_set(e, status, "after_sequence", "give the call a later deadline", "the write was not searchable before the deadline");
    else
        error_set(e, status, "after_sequence", "try again", "the server stopped waiting for the write");
}

/* On the view thread: the parked call goes (back) to the lanes, or ends. Its reference came from call_park. */
static void parked_done(void *ctx, sinter_status status)
{
    call *c = ctx;
    sinter_error e = SINTER_ERROR_INIT;
    if (status == SINTER_OK) {
        call_dispatch(c);
    } else {
        wait_error(status, &e);
        call_fail(c, status, &e);
    }
    call_release(c);
}

void call_park(call *c, uint64_t sequence)
{
    views *v = engine_views(c->s->engine);
    sinter_error e = SINTER_ERROR_INIT;
    c->waited = true;
    call_reference(c);
    sinter_status status = views_wait(v, sequence, c->deadline_ns, parked_done, c, &e);
    if (status != SINTER_OK) {
        if (!*e.where) error_where(&e, "after_sequence");
        call_fail(c, status, &e);
        call_release(c);
        return;
    }
    /* A client that left before the wait began has been seen by nobody. */
    if (atomic_load(&c->cancelled) && views_cancel(v, c)) {
        call_fail(c, SINTER_CANCELLED, NULL);
        call_release(c);
    }
}
