/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SearchService.Search: waits, off the lane, for the write that a request wants to see; searches; answers; logs. */
#include "server.h"

#include <sinter/v1/search.pb-c.h>

void search_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const Sinter__V1__SearchRequest *q = (const Sinter__V1__SearchRequest *)request;
    Sinter__V1__SearchResponse *r = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    if (!c->waited && write_is_awaited(w, q->collection, q->after_sequence)) {
        call_park(c, q->after_sequence);
        return;
    }
    if (!c->waited) pipeline_lane_arrived(w->lane, c->arrived_ns);
    sinter_status status = pipeline_search(w->lane, q, c->deadline_ns, &r, &e);
    if (status == SINTER_OK) {
        call_reply(c, &r->base);
        pipeline_log(w->lane, call_wire(c, request, w->memory));
    } else {
        call_fail(c, status, &e);
    }
}
