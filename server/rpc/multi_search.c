/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SearchService.MultiSearch: several searches, each an inner call that goes through the lanes by itself and leaves its result in its
 * place. As many are under way as there are lanes; whoever ends one sends the next to the end of the lanes' queue, so that a call of
 * many stands in nobody's way for longer than a search. The last to end answers. */
#include "server.h"

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <sinter/v1/search.pb-c.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SEARCHES = 32 };

/* One search: its request as bytes, then its result as bytes. */
typedef struct place {
    uint8_t *request, *result;
    size_t request_size, result_size;
} place;

typedef struct multi {
    call *outer;
    char *request_id;
    uint32_t n;
    atomic_uint next, left; /* the first not begun; not ended */
    place place[];
} multi;

/* An inner call's own. */
typedef struct one {
    multi *m;
    uint32_t at;
} one;

void multi_search_dispose(void *state)
{
    multi *m = state;
    for (uint32_t i = 0; i < m->n; i++) {
        free(m->place[i].request);
        free(m->place[i].result);
    }
    free(m->request_id);
    free(m);
}

static uint8_t *packed(const ProtobufCMessage *m, size_t *size)
{
    *size = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = xmalloc(*size + 1);
    protobuf_c_message_pack(m, bytes);
    return bytes;
}

/* ---- the answer ------------------------------------------------------------------------------------------------------ */

static void answer(multi *m)
{
    enum { RESULTS_TAG = 2 << 3 | 2 }; /* MultiSearchResponse.results, of a length */
    Sinter__V1__MultiSearchResponse head = SINTER__V1__MULTI_SEARCH_RESPONSE__INIT;
    head.request_id = m->request_id;
    size_t head_size = protobuf_c_message_get_packed_size(&head.base), size = head_size;
    for (uint32_t i = 0; i < m->n; i++) size += 1 + 10 + m->place[i].result_size;
    uint8_t *bytes = xmalloc(size), *to = bytes + head_size;
    protobuf_c_message_pack(&head.base, bytes);
    for (uint32_t i = 0; i < m->n; i++) {
        size_t length = m->place[i].result_size;
        *to++ = RESULTS_TAG;
        for (; length >= 0x80; length >>= 7) *to++ = (uint8_t)(length | 0x80);
        *to++ = (uint8_t)length;
        memcpy(to, m->place[i].result, m->place[i].result_size);
        to += m->place[i].result_size;
    }
    call_reply_packed(m->outer, payload_of(grpc_slice_new(bytes, (size_t)(to - bytes), free)));
}

/* ---- one search ------------------------------------------------------------------------------------------------------ */

static method_run run_one;
static const method ONE = {.name = "MultiSearch", .run = run_one, .dispose = free};

/* Sends the next search to the lanes; each holds the call. */
static void begin_next(multi *m)
{
    uint32_t at = atomic_fetch_add(&m->next, 1);
    if (at >= m->n) return;
    one *x = xmalloc(sizeof *x);
    *x = (one){m, at};
    call_reference(m->outer);
    call *inner = call_inner(m->outer, &ONE, x);
    call_dispatch(inner);
    call_release(inner);
}

static void end_one(const one *x, const Sinter__V1__MultiSearchResult *result)
{
    multi *m = x->m;
    m->place[x->at].result = packed(&result->base, &m->place[x->at].result_size);
    begin_next(m);
    call *outer = m->outer;
    if (atomic_fetch_sub(&m->left, 1) == 1) answer(m);
    call_release(outer);
}

static void fail_one(const one *x, sinter_status status, const sinter_error *e)
{
    char line[1500];
    Sinter__V1__MultiSearchResult result = SINTER__V1__MULTI_SEARCH_RESULT__INIT;
    Sinter__V1__SearchError error = SINTER__V1__SEARCH_ERROR__INIT;
    error.code = (int32_t)status_code(status);
    error.message = (char *)(uintptr_t)status_message(status, e, line, sizeof line);
    if (e && status == SINTER_INVALID) error.field = (char *)(uintptr_t)e->where;
    result.error = &error;
    end_one(x, &result);
}

/* On the view thread. */
static void waited(void *ctx, sinter_status status)
{
    call *inner = ctx;
    sinter_error e = SINTER_ERROR_INIT;
    if (status == SINTER_OK) {
        call_dispatch(inner);
    } else {
        wait_error(status, &e);
        fail_one(inner->state, status, &e);
    }
    call_release(inner);
}

/* True: the search waits elsewhere for its write, or was refused. */
static bool wait_for_write(worker *w, call *inner, const Sinter__V1__SearchRequest *q)
{
    if (inner->waited || !write_is_awaited(w, q->collection, q->after_sequence)) return false;
    const one *x = inner->state;
    sinter_error e = SINTER_ERROR_INIT;
    inner->waited = true;
    call_reference(inner);
    sinter_status status = views_wait(engine_views(w->s->engine), q->after_sequence, x->m->outer->deadline_ns, waited, inner, &e);
    if (status == SINTER_OK) return true;
    if (!*e.where) error_where(&e, "after_sequence");
    fail_one(x, status, &e);
    call_release(inner);
    return true;
}

static void run_one(worker *w, call *inner, const ProtobufCMessage *nothing)
{
    const one *x = inner->state;
    const place *p = &x->m->place[x->at];
    sinter_error e = SINTER_ERROR_INIT;
    ProtobufCMessage *message;
    Sinter__V1__SearchResponse *r;
    (void)nothing;
    if (call_over(x->m->outer)) { /* nobody waits for it */
        fail_one(x, SINTER_CANCELLED, NULL);
        return;
    }
    str wire = {(const char *)p->request, p->request_size};
    sinter_status st = message_unpack(&sinter__v1__search_request__descriptor, wire, w->s->limits.max_unpack_bytes, w->memory, &message, &e);
    const Sinter__V1__SearchRequest *q = st == SINTER_OK ? (const Sinter__V1__SearchRequest *)message : NULL;
    if (q && wait_for_write(w, inner, q)) return;
    if (q && !inner->waited) pipeline_lane_arrived(w->lane, inner->arrived_ns);
    if (q) st = pipeline_search(w->lane, q, x->m->outer->deadline_ns, &r, &e);
    if (st != SINTER_OK) {
        fail_one(x, st, &e);
        return;
    }
    Sinter__V1__MultiSearchResult result = SINTER__V1__MULTI_SEARCH_RESULT__INIT;
    result.response = r;
    call_reference(x->m->outer); /* its request's bytes are logged after the answer may have gone */
    multi *m = x->m;
    end_one(x, &result);
    pipeline_log(w->lane, wire);
    call_release(m->outer);
}

/* ---- the call -------------------------------------------------------------------------------------------------------- */

void multi_search_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const Sinter__V1__MultiSearchRequest *q = (const Sinter__V1__MultiSearchRequest *)request;
    sinter_error e = SINTER_ERROR_INIT;
    if (q->n_searches == 0 || q->n_searches > MOST_SEARCHES) {
        error_set(&e, SINTER_INVALID, "searches", "1 to 32 searches a call", "%zu searches", q->n_searches);
        call_fail(c, SINTER_INVALID, &e);
        return;
    }
    const char *problem = q->request_id[0] ? id_problem(q->request_id, strlen(q->request_id)) : NULL;
    if (problem) {
        error_set(&e, SINTER_INVALID, "request_id", "1 to 256 bytes of UTF-8 without control characters", "%s", problem);
        call_fail(c, SINTER_INVALID, &e);
        return;
    }
    uint32_t n = (uint32_t)q->n_searches;
    multi *m = xcalloc(1, sizeof *m + n * sizeof *m->place);
    m->outer = c;
    m->n = n;
    m->request_id = xstrdup(q->request_id[0] ? q->request_id : request_id_make(w->memory));
    atomic_init(&m->left, n);
    for (uint32_t i = 0; i < n; i++) m->place[i].request = packed(&q->searches[i]->base, &m->place[i].request_size);
    c->state = m;
    for (uint32_t i = 0; i < n && i < w->s->lanes; i++) begin_next(m);
}
