/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SearchService.Search: waits, off the lane, for the write that a request wants to see; searches; answers; logs. */
#include "server.h"

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <sinter/v1/search.pb-c.h>

/* On the view thread: the parked call goes (back) to the lanes, or ends. Its reference came from park. */
static void parked_done(void *ctx, sinter_status status)
{
    call *c = ctx;
    sinter_error e = SINTER_ERROR_INIT;
    if (status == SINTER_OK) {
        call_dispatch(c);
    } else if (status == SINTER_DEADLINE) {
        error_set(&e, status, "after_sequence", "give the call a later deadline",
                  "the write was not searchable before the deadline");
        call_fail(c, status, &e);
    } else {
        error_set(&e, status, "after_sequence", "try again", "the server stopped waiting for the write");
        call_fail(c, status, &e);
    }
    call_release(c);
}

/* True: the request waits elsewhere or was refused; the lane is free. */
static bool park(worker *w, call *c, const Sinter__V1__SearchRequest *q)
{
    if (!q->after_sequence || c->waited) return false;
    views *v = engine_views(w->s->engine);
    const view_set *now = views_current(v);
    int32_t number = views_find(v, q->collection);
    if (number < 0) return false; /* the pipeline refuses it, naming near ones */
    const view_collection *mine = &now->collection[number];
    if (mine->ready && mine->sequence >= q->after_sequence) return false;
    sinter_error e = SINTER_ERROR_INIT;
    c->waited = true;
    call_reference(c);
    sinter_status status = views_wait(v, q->after_sequence, c->deadline_ns, parked_done, c, &e);
    if (status != SINTER_OK) {
        if (!*e.where) error_where(&e, "after_sequence");
        call_fail(c, status, &e);
        call_release(c);
        return true;
    }
    /* A client that left before the wait began has been seen by nobody. */
    if (atomic_load(&c->cancelled) && views_cancel(v, c)) {
        call_fail(c, SINTER_CANCELLED, NULL);
        call_release(c);
    }
    return true;
}

void search_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const Sinter__V1__SearchRequest *q = (const Sinter__V1__SearchRequest *)request;
    Sinter__V1__SearchResponse *r = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    grpc_slice held;
    if (park(w, c, q)) return;
    str wire = payload_bytes(c->payload, &held);
    sinter_status status = pipeline_search(w->lane, q, c->deadline_ns, &r, &e);
    if (status == SINTER_OK) {
        call_reply(c, &r->base);
        pipeline_log(w->lane, wire);
    } else {
        call_fail(c, status, &e);
    }
    grpc_slice_unref(held);
}
