/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A call's life, whatever carries it: admitted, handed on, answered, freed. */
#include "server.h"

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- references ---- */

void call_init(call *c, server *s, const method *m, const transport *by)
{
    c->s = s;
    c->m = m;
    c->by = by;
    c->deadline_ns = UINT64_MAX;
    atomic_init(&c->references, 1);
    pthread_mutex_init(&c->lock, NULL);
}

void call_reference(call *c)
{
    atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
}

static void call_free(call *c)
{
    if (c->state && c->m->dispose) c->m->dispose(c->state);
    if (c->payload) grpc_byte_buffer_destroy(c->payload);
    if (c->sending) grpc_byte_buffer_destroy(c->sending);
    if (c->reply) grpc_byte_buffer_destroy(c->reply);
    pthread_mutex_destroy(&c->lock);
    c->by->free(c);
}

static void stream_leave(call *c)
{
    if (!c->lasting) return;
    pthread_mutex_lock(&c->s->streams_lock);
    *c->stream_link = c->stream_next;
    if (c->stream_next) c->stream_next->stream_link = c->stream_link;
    pthread_mutex_unlock(&c->s->streams_lock);
    c->lasting = false;
}

void call_release(call *c)
{
    if (atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel) != 1) return;
    server *s = c->s;
    call_free(c);
    atomic_fetch_sub(&s->live, 1);
}

static void inner_free(call *c)
{
    free(c);
}

/* Nothing carries it: it is only worked on. */
static const transport INNER = {.free = inner_free};

call *call_inner(call *outer, const method *m, void *state)
{
    call *c = xcalloc(1, sizeof *c);
    call_init(c, outer->s, m, &INNER);
    c->arrived_ns = outer->arrived_ns;
    c->state = state;
    atomic_fetch_add(&c->s->live, 1);
    return c;
}

/* ---- arrival ---- */

/* True: within max_concurrent, or not limited. */
static bool admit(call *c)
{
    server *s = c->s;
    if (c->m->unlimited) return true;
    if (atomic_fetch_add(&s->admitted, 1) < (int)s->limits.max_concurrent) return c->admitted = true;
    atomic_fetch_sub(&s->admitted, 1);
    atomic_fetch_add(&s->count.refused_overload, 1);
    sinter_error e = SINTER_ERROR_INIT;
    error_set(&e, SINTER_EXHAUSTED, NULL, "try again a little later, or raise limits.max_concurrent",
              "the server is working on %u requests, the most that it admits", s->limits.max_concurrent);
    call_fail(c, SINTER_EXHAUSTED, &e);
    return false;
}

static void stream_enter(call *c)
{
    server *s = c->s;
    pthread_mutex_lock(&s->streams_lock);
    c->stream_next = s->streams;
    c->stream_link = &s->streams;
    if (s->streams) s->streams->stream_link = &c->stream_next;
    s->streams = c;
    pthread_mutex_unlock(&s->streams_lock);
    c->lasting = true;
    if (atomic_load(&s->draining)) call_nudge(c);
}

static void refuse_unbuilt(call *c)
{
    sinter_error e = SINTER_ERROR_INIT;
    error_set(&e, SINTER_UNIMPLEMENTED, NULL, "a later release will have it", "%s/%s is not built yet", c->m->service,
              c->m->name);
    call_fail(c, SINTER_UNIMPLEMENTED, &e);
}

/* A unary client may half-close without having sent a message: there is no payload then. */
static void refuse_empty(call *c)
{
    sinter_error e = SINTER_ERROR_INIT;
    error_set(&e, SINTER_INVALID, c->m->request->name, "send one message, empty if need be",
              "the call carried no message");
    call_fail(c, SINTER_INVALID, &e);
}

void call_begin(call *c)
{
    atomic_fetch_add(&c->s->count.requests, 1);
    if (!c->m->run) {
        refuse_unbuilt(c);
    } else if (!admit(c)) {
        return;
    } else if (c->m->kind == METHOD_BIDI) {
        stream_enter(c);
        call_receive(c);
    } else if (!c->payload) {
        refuse_empty(c);
    } else {
        if (c->m->kind == METHOD_SERVER_STREAM) stream_enter(c);
        call_dispatch(c);
    }
}

/* ---- what the transport has to tell ---- */

static void note_cancelled(call *c)
{
    if (!atomic_exchange(&c->cancelled, true)) atomic_fetch_add(&c->s->count.cancelled, 1);
}

void call_left(call *c, sinter_status why)
{
    note_cancelled(c);
    if (atomic_load(&c->answered)) return;
    /* A parked read is taken back; a stream that waits for its client has nobody else to end it. */
    bool parked = c->m && views_cancel(engine_views(c->s->engine), c);
    if (parked || c->lasting || why != SINTER_CANCELLED) call_fail(c, why, NULL);
    if (parked) call_release(c);
}

void call_answered(call *c)
{
    stream_leave(c);
}

void call_message(call *c, grpc_byte_buffer *b)
{
    if (c->payload) grpc_byte_buffer_destroy(c->payload);
    c->payload = b;
    if (!atomic_load(&c->answered)) call_dispatch(c);
}

void call_sent(call *c, bool ok)
{
    pthread_mutex_lock(&c->lock);
    grpc_byte_buffer_destroy(c->sending);
    c->sending = NULL;
    pthread_mutex_unlock(&c->lock);
    if (ok && !atomic_load(&c->answered)) {
        if (c->m->sent)
            c->m->sent(c);
        else if (c->m->kind == METHOD_BIDI)
            call_receive(c);
        else
            call_dispatch(c);
    } else if (!ok) {
        note_cancelled(c);
        call_fail(c, SINTER_CANCELLED, NULL);
    }
}

void call_nudged(call *c)
{
    atomic_store(&c->nudged, false);
    if (atomic_load(&c->answered)) return;
    if (c->m->kind == METHOD_BIDI) {
        sinter_error e = SINTER_ERROR_INIT;
        error_set(&e, SINTER_UNAVAILABLE, NULL, "connect again", "the server is stopping");
        if (c->m->refuse)
            c->m->refuse(c, SINTER_UNAVAILABLE, &e);
        else
            call_fail(c, SINTER_UNAVAILABLE, &e);
    } else if (c->m->place == ON_RECEIVER) {
        call_dispatch(c);
    }
}

void call_nudge(call *c)
{
    if (!atomic_exchange(&c->nudged, true)) c->by->nudge(c);
}

/* ---- answers: any thread ---- */

static void count_answer(call *c, sinter_status status)
{
    if (status != SINTER_OK) atomic_fetch_add(&c->s->count.errors, 1);
    if (c->admitted) atomic_fetch_sub(&c->s->admitted, 1);
    if (!c->m) return;
    method_figures *f = &lanes_stripe(c->s)->method[c->m - METHODS];
    atomic_fetch_add_explicit(&f->answered[status_code(status)], 1, memory_order_relaxed);
    histogram_note(&f->seconds, clock_mono_ns() - c->arrived_ns);
}

/* The final word. Whoever comes first pays the answer. */
static void answer(call *c, grpc_byte_buffer *reply, sinter_status status, const sinter_error *e)
{
    bool stream = c->m && c->m->kind != METHOD_UNARY;
    if (stream) pthread_mutex_lock(&c->lock);
    if (atomic_exchange(&c->answered, true)) {
        if (stream) pthread_mutex_unlock(&c->lock);
        if (reply) grpc_byte_buffer_destroy(reply);
        return;
    }
    count_answer(c, status);
    c->reply = reply;
    bool started = c->by->finish(c, status, e);
    if (stream) pthread_mutex_unlock(&c->lock);
    if (!started) stream_leave(c);
    call_release(c); /* the answer is no longer owed */
}

static grpc_byte_buffer *body_of(const call *c, const ProtobufCMessage *m)
{
    return c->by->json ? message_json(m) : message_pack(m);
}

/* Packed bytes as the call's transport wants them; takes the buffer. */
static grpc_byte_buffer *body_of_packed(const call *c, grpc_byte_buffer *b)
{
    if (!c->by->json) return b;
    grpc_slice held;
    str wire = payload_bytes(b, &held);
    ProtobufCMessage *m = protobuf_c_message_unpack(c->m->response, NULL, wire.n, (const uint8_t *)wire.s);
    grpc_byte_buffer *out = message_json(m); /* NULL prints as null: what was packed here unpacks */
    if (m) protobuf_c_message_free_unpacked(m, NULL);
    grpc_slice_unref(held);
    grpc_byte_buffer_destroy(b);
    return out;
}

void call_reply(call *c, const ProtobufCMessage *m)
{
    answer(c, body_of(c, m), SINTER_OK, NULL);
}

void call_reply_packed(call *c, grpc_byte_buffer *b)
{
    answer(c, body_of_packed(c, b), SINTER_OK, NULL);
}

void call_fail(call *c, sinter_status status, const sinter_error *e)
{
    answer(c, NULL, status == SINTER_OK ? SINTER_INTERNAL : status, e);
}

void call_answer(call *c, sinter_status status, const ProtobufCMessage *m, const sinter_error *e)
{
    if (status == SINTER_OK)
        call_reply(c, m);
    else
        call_fail(c, status, e);
}

void call_end(call *c)
{
    answer(c, NULL, SINTER_OK, NULL);
}

static bool send_body(call *c, grpc_byte_buffer *b)
{
    pthread_mutex_lock(&c->lock);
    bool possible = !atomic_load(&c->answered) && !c->sending;
    if (possible) {
        c->sending = b;
        possible = c->by->send(c);
        if (!possible) c->sending = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    if (!possible) grpc_byte_buffer_destroy(b);
    return possible;
}

bool call_send(call *c, const ProtobufCMessage *m)
{
    return send_body(c, body_of(c, m));
}

bool call_send_packed(call *c, grpc_byte_buffer *b)
{
    return send_body(c, body_of_packed(c, b));
}

void call_receive(call *c)
{
    pthread_mutex_lock(&c->lock);
    if (!atomic_load(&c->answered)) c->by->receive(c);
    pthread_mutex_unlock(&c->lock);
}

str call_wire(call *c, const ProtobufCMessage *request, arena *a)
{
    return c->by->json ? message_bytes(request, a) : c->wire;
}
