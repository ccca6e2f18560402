/* SPDX-License-Identifier: GPL-3.0-or-later */
/* grpc.health.v1: whether a service answers, now (Check) and as it changes (Watch). Runs on the receiver, so that it
 * answers while every lane is busy. */
#include "server.h"

#include <grpc/health/v1/health.pb-c.h>
#include <stdlib.h>
#include <string.h>

typedef Grpc__Health__V1__HealthCheckRequest check_request;
typedef Grpc__Health__V1__HealthCheckResponse check_response;
typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving_status;

#define SERVING         GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define SERVICE_UNKNOWN GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

/* Searches need the text indexes; writes and administration go on while those are rebuilt. */
static bool needs_views(const char *service)
{
    return !*service || strcmp(service, "sinter.v1.SearchService") == 0 ||
           strcmp(service, "sinter.v1.RecommendService") == 0;
}

static serving_status state_of(server *s, const char *service)
{
    bool known = !*service;
    for (size_t i = 0; i < METHODS_N && !known; i++)
        known = strcmp(METHODS[i].service, service) == 0;
    if (!known) return SERVICE_UNKNOWN;
    if (atomic_load(&s->draining)) return NOT_SERVING;
    return needs_views(service) && !atomic_load(&s->views_ready) ? NOT_SERVING : SERVING;
}

void health_check_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const check_request *q = (const check_request *)request;
    check_response r = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    r.status = state_of(w->s, q->service);
    if (r.status != SERVICE_UNKNOWN) {
        call_reply(c, &r.base);
        return;
    }
    sinter_error e = SINTER_ERROR_INIT;
    error_set(&e, SINTER_NOT_FOUND, "service", "server reflection lists the services", "no service '%s'", q->service);
    call_fail(c, SINTER_NOT_FOUND, &e);
}

/* Runs at first, after each message sent, and when nudged: by a change, or by a drain, which ends it. */
void health_watch_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const check_request *q = (const check_request *)request;
    check_response r = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    bool draining = atomic_load(&w->s->draining);
    int *last = c->state;
    if (!last) {
        last = c->state = xmalloc(sizeof *last);
        *last = -1;
    }
    r.status = state_of(w->s, q->service);
    if ((int)r.status != *last) {
        /* A message still on its way: its completion comes here again. */
        if (call_send(c, &r.base)) *last = (int)r.status;
    } else if (draining) {
        call_end(c);
    }
}

void watch_dispose(void *state)
{
    free(state);
}

void health_update(server *s)
{
    views_state v;
    views_status(engine_views(s->engine), &v);
    if (atomic_exchange(&s->views_ready, v.ready) == v.ready) return;
    log_info("health", v.ready ? "every collection is ready" : "an index is being rebuilt: searches must wait");
    pthread_mutex_lock(&s->streams_lock);
    for (call *c = s->streams; c; c = c->stream_next)
        if (c->m->run == health_watch_run) call_nudge(c);
    pthread_mutex_unlock(&s->streams_lock);
}
