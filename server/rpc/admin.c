/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AdminService: the server's state. */
#include "server.h"

#include <sinter/v1/admin.pb-c.h>
#include <stdlib.h>
#include <string.h>

static void add_counter(arena *a, Sinter__V1__GetStatusResponse *r, const char *name, uint64_t value)
{
    Sinter__V1__GetStatusResponse__CountersEntry *entry = arena_alloc(a, sizeof *entry);
    sinter__v1__get_status_response__counters_entry__init(entry);
    entry->key = (char *)name;
    entry->value = value;
    r->counters[r->n_counters++] = entry;
}

#define OWN_COUNTERS 24u /* and one a lane */

static void add_counters(server *s, arena *a, Sinter__V1__GetStatusResponse *r)
{
    Sinter__V1__GetStatusResponse__CountersEntry **before = r->counters;
    r->counters =
        ARENA_ARRAY(a, Sinter__V1__GetStatusResponse__CountersEntry *, r->n_counters + OWN_COUNTERS + s->lanes);
    if (r->n_counters) memcpy(r->counters, before, r->n_counters * sizeof *before);
#define X(name, help) add_counter(a, r, #name, atomic_load(&s->count.name));
    SERVER_COUNTERS(X)
#undef X
    for (uint32_t i = 0; i < s->lanes; i++)
        add_counter(a, r, arena_printf(a, "lane_%u_calls", i), atomic_load(&s->stripe[i].calls));
    add_counter(a, r, "admitted", (uint64_t)atomic_load(&s->admitted));
    add_counter(a, r, "calls_open", (uint64_t)atomic_load(&s->live));
}

void status_run(worker *w, call *c, const ProtobufCMessage *request)
{
    (void)request;
    sinter_error e = SINTER_ERROR_INIT;
    server *s = w->s;
    Sinter__V1__GetStatusResponse r = SINTER__V1__GET_STATUS_RESPONSE__INIT;
    sinter_status status = engine_status(s->engine, w->lane, w->memory, &r, &e);
    if (status != SINTER_OK) {
        call_fail(c, status, &e);
        return;
    }
    Google__Protobuf__Timestamp started = timestamp_of(s->started_ms);
    r.request_id = request_id_make(w->memory);
    r.version = (char *)SINTER_VERSION;
    r.started = &started;
    if (atomic_load(&s->draining))
        r.state = (char *)"draining";
    else if (!r.state || !*r.state) {
        views_state v;
        views_status(engine_views(s->engine), &v);
        r.state = (char *)(v.ready ? "serving" : "rebuilding");
    }
    add_counters(s, w->memory, &r);
    call_reply(c, &r.base);
}
