/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AdminService: the server's state, and how much it logs. */
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

static void fill_metrics(worker *w, Sinter__V1__GetStatusResponse *r)
{
    scrape *m = scrape_new(w->memory);
    server_metrics(w->s, m);
    r->metrics = metrics_of(m, w->memory, &r->n_metrics);
}

static void fill_log(const config_server *c, arena *a, Sinter__V1__GetStatusResponse *r)
{
    Sinter__V1__LogStatus *l = ARENA_NEW(a, Sinter__V1__LogStatus);
    sinter__v1__log_status__init(l);
    l->level = (char *)(uintptr_t)log_level_name(log_least());
    l->format = (char *)(uintptr_t)(log_as_json() ? "json" : "text");
    if (c->log_slow_ns) {
        l->slow = ARENA_NEW(a, Google__Protobuf__Duration);
        google__protobuf__duration__init(l->slow);
        l->slow->seconds = (int64_t)(c->log_slow_ns / 1000000000u);
        l->slow->nanos = (int32_t)(c->log_slow_ns % 1000000000u);
    }
    r->log = l;
}

void log_level_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const Sinter__V1__SetLogLevelRequest *q = (const Sinter__V1__SetLogLevelRequest *)request;
    sinter_error e = SINTER_ERROR_INIT;
    log_level level;
    if (!log_level_parse(q->level, &level)) {
        error_set(&e, SINTER_INVALID, "level", "debug, info, warn or error", "is '%s', no level of the log", q->level);
        call_fail(c, SINTER_INVALID, &e);
        return;
    }
    Sinter__V1__SetLogLevelResponse r = SINTER__V1__SET_LOG_LEVEL_RESPONSE__INIT;
    r.request_id = request_id_make(w->memory);
    r.before = (char *)(uintptr_t)log_level_name(log_least());
    r.level = (char *)(uintptr_t)log_level_name(level);
    log_set(level, log_as_json());
    log_warn("log.level", "from %s to %s, until the configuration is read again", r.before, r.level);
    call_reply(c, &r.base);
}

void status_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const Sinter__V1__GetStatusRequest *q = (const Sinter__V1__GetStatusRequest *)request;
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
    fill_log(&snapshot_config(engine_snapshot(s->engine))->server, w->memory, &r);
    if (q->metrics) fill_metrics(w, &r);
    call_reply(c, &r.base);
}
