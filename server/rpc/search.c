/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SearchService.Search: waits, off the lane, for the write that a request wants to see; searches; answers; logs. */
#include "server.h"

#include <sinter/v1/search.pb-c.h>

/* True: the request waits elsewhere or was refused; the lane is free. */
static bool park(worker *w, call *c, const Sinter__V1__SearchRequest *q)
{
    if (!q->after_sequence || c->waited) return false;
    views *v = engine_views(w->s->engine);
    uint32_t number = snapshot_collection(engine_snapshot(w->s->engine), q->collection);
    if (number == UINT32_MAX) return false; /* the pipeline refuses it, naming near ones */
    const view_collection *mine = &views_current(v)->collection[number];
    if (mine->ready && mine->sequence >= q->after_sequence) return false;
    call_park(c, q->after_sequence);
    return true;
}

void search_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const Sinter__V1__SearchRequest *q = (const Sinter__V1__SearchRequest *)request;
    Sinter__V1__SearchResponse *r = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    if (park(w, c, q)) return;
    if (!c->waited) pipeline_lane_arrived(w->lane, c->arrived_ns);
    sinter_status status = pipeline_search(w->lane, q, c->deadline_ns, &r, &e);
    if (status == SINTER_OK) {
        call_reply(c, &r->base);
        pipeline_log(w->lane, call_wire(c, request, w->memory));
    } else {
        call_fail(c, status, &e);
    }
}
