/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A call's life: posted, arrived, admitted, handed on, answered, freed. */
#include "server.h"

#include "order.h"

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <grpc/support/time.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_arrival(call *c, bool ok);
static void on_close(call *c, bool ok);
static void on_message(call *c, bool ok);
static void on_sent(call *c, bool ok);
static void on_answered(call *c, bool ok);
static void on_nudge(call *c, bool ok);

/* ---- references ---- */

void call_reference(call *c)
{
    atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
}

static void call_free(call *c)
{
    if (c->state && c->m->dispose) c->m->dispose(c->state);
    if (c->payload) grpc_byte_buffer_destroy(c->payload);
    if (c->incoming) grpc_byte_buffer_destroy(c->incoming);
    if (c->sending) grpc_byte_buffer_destroy(c->sending);
    if (c->reply) grpc_byte_buffer_destroy(c->reply);
    grpc_metadata_array_destroy(&c->metadata);
    if (!c->m) grpc_call_details_destroy(&c->details);
    grpc_slice_unref(c->status_text);
    grpc_slice_unref(c->details_bytes);
    pthread_mutex_destroy(&c->lock);
    if (c->call) grpc_call_unref(c->call);
    free(c);
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

/* ---- operations ---- */

/* Starts a batch that holds a reference until its completion was handled. */
static bool start(call *c, const grpc_op *ops, size_t n, tag *t)
{
    call_reference(c);
    order_before(t);
    grpc_call_error error = grpc_call_start_batch(c->call, ops, n, t, NULL);
    if (error == GRPC_CALL_OK) return true;
    log_error("rpc.batch", "gRPC refused an operation: %s", grpc_call_error_to_string(error));
    grpc_call_cancel(c->call, NULL);
    call_release(c);
    return false;
}

void call_post(server *s, const method *m, void *registered)
{
    call *c = xcalloc(1, sizeof *c);
    *c = (call){.s = s, .m = m, .deadline_ns = UINT64_MAX};
    c->on_arrival = (tag){on_arrival, c};
    c->on_close = (tag){on_close, c};
    c->on_message = (tag){on_message, c};
    c->on_sent = (tag){on_sent, c};
    c->on_answered = (tag){on_answered, c};
    c->on_nudge = (tag){on_nudge, c};
    c->status_text = c->details_bytes = grpc_empty_slice();
    atomic_init(&c->references, 1);
    pthread_mutex_init(&c->lock, NULL);
    grpc_metadata_array_init(&c->metadata);
    grpc_call_error error;
    order_before(&c->on_arrival);
    if (m) {
        bool reads = m->kind != METHOD_BIDI && m->run;
        error = grpc_server_request_registered_call(s->grpc, registered, &c->call, &c->deadline, &c->metadata,
                                                    reads ? &c->payload : NULL, s->queue, s->queue, &c->on_arrival);
    } else {
        grpc_call_details_init(&c->details);
        error =
            grpc_server_request_call(s->grpc, &c->call, &c->details, &c->metadata, s->queue, s->queue, &c->on_arrival);
    }
    if (error == GRPC_CALL_OK) return;
    log_error("rpc.post", "gRPC takes no request for a call: %s", grpc_call_error_to_string(error));
    call_free(c);
}

call *call_inner(call *outer, const method *m, void *state)
{
    call *c = xcalloc(1, sizeof *c);
    *c = (call){.s = outer->s, .m = m, .deadline_ns = UINT64_MAX, .arrived_ns = outer->arrived_ns, .state = state};
    c->status_text = c->details_bytes = grpc_empty_slice();
    atomic_init(&c->references, 1);
    pthread_mutex_init(&c->lock, NULL);
    grpc_metadata_array_init(&c->metadata);
    atomic_fetch_add(&c->s->live, 1);
    return c;
}

/* ---- arrival: on the receiver ---- */

static void refuse_unknown(call *c)
{
    sinter_error e = SINTER_ERROR_INIT;
    char path[300];
    const char *names[64];
    char full[64][128];
    size_t n = GRPC_SLICE_LENGTH(c->details.method), known = METHODS_N < 64 ? METHODS_N : 64;
    if (n > sizeof path - 1) n = sizeof path - 1;
    memcpy(path, GRPC_SLICE_START_PTR(c->details.method), n);
    path[n] = '\0';
    for (size_t i = 0; i < known; i++) {
        snprintf(full[i], sizeof full[i], "/%s/%s", METHODS[i].service, METHODS[i].name);
        names[i] = full[i];
    }
    const char *near = near_name(path, names, known);
    char fix[200] = "server reflection lists the methods";
    if (near) snprintf(fix, sizeof fix, "did you mean '%s'?", near);
    atomic_fetch_add(&c->s->count.unknown_methods, 1);
    error_set(&e, SINTER_UNIMPLEMENTED, NULL, fix, "this server has no method '%s'", path);
    call_fail(c, SINTER_UNIMPLEMENTED, &e);
}

static void find_deadline(call *c)
{
    gpr_timespec deadline = c->m ? c->deadline : c->details.deadline;
    c->arrived_ns = clock_mono_ns();
    if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return;
    gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
    if (left.tv_sec > 10 * 365 * 86400L) return;
    int64_t ns = left.tv_sec * INT64_C(1000000000) + left.tv_nsec;
    c->deadline_ns = ns > 0 ? c->arrived_ns + (uint64_t)ns : c->arrived_ns;
}

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

static void on_arrival(call *c, bool ok)
{
    server *s = c->s;
    if (!ok) { /* shutdown: the post comes back unused */
        call_free(c);
        return;
    }
    atomic_fetch_add(&s->live, 1);
    call_post(s, c->m, c->m ? s->registered[c->m - METHODS] : NULL);
    find_deadline(c);
    grpc_op close = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER, .data.recv_close_on_server.cancelled = &c->closed};
    start(c, &close, 1, &c->on_close);
    if (!c->m) {
        refuse_unknown(c);
        return;
    }
    atomic_fetch_add(&s->count.requests, 1);
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

/* ---- completions: on the receiver ---- */

static void note_cancelled(call *c)
{
    if (!atomic_exchange(&c->cancelled, true)) atomic_fetch_add(&c->s->count.cancelled, 1);
}

static void on_close(call *c, bool ok)
{
    (void)ok;
    /* Set also where an answer was begun that never reached the client. */
    if (c->closed) note_cancelled(c);
    if (c->closed && !atomic_load(&c->answered)) {
        /* A parked read is taken back; a stream that waits for its client has nobody else to end it. */
        if (c->m && views_cancel(engine_views(c->s->engine), c)) {
            call_fail(c, SINTER_CANCELLED, NULL);
            call_release(c);
        } else if (c->lasting) {
            call_fail(c, SINTER_CANCELLED, NULL);
        }
    }
    call_release(c);
}

static void on_message(call *c, bool ok)
{
    if (c->payload) grpc_byte_buffer_destroy(c->payload);
    c->payload = ok ? c->incoming : NULL;
    c->incoming = NULL;
    if (!atomic_load(&c->answered)) call_dispatch(c);
    call_release(c);
}

static void on_sent(call *c, bool ok)
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
    call_release(c);
}

static void on_answered(call *c, bool ok)
{
    (void)ok;
    stream_leave(c);
    call_release(c);
}

static void on_nudge(call *c, bool ok)
{
    (void)ok;
    atomic_store(&c->nudged, false);
    if (!atomic_load(&c->answered)) {
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
    call_release(c);
}

void call_nudge(call *c)
{
    if (!atomic_exchange(&c->nudged, true)) start(c, NULL, 0, &c->on_nudge);
}

/* ---- answers: any thread ---- */

static void count_answer(call *c, sinter_status status)
{
    if (status != SINTER_OK) atomic_fetch_add(&c->s->count.errors, 1);
    if (c->admitted) atomic_fetch_sub(&c->s->admitted, 1);
}

static void set_error(call *c, sinter_status status, const sinter_error *e)
{
    char line[1500];
    if (status == SINTER_OK) return;
    if (e && *e->what)
        error_line(e, line, sizeof line);
    else
        snprintf(line, sizeof line, "%s", status_text(status));
    c->status_text = grpc_slice_from_copied_string(line);
    c->details_bytes = status_details(status, e, line);
    c->trailer.key = grpc_slice_from_static_string("grpc-status-details-bin");
    c->trailer.value = c->details_bytes;
}

/* The final batch. Whoever comes first pays the answer. */
static void answer(call *c, grpc_byte_buffer *reply, sinter_status status, const sinter_error *e)
{
    grpc_op ops[3];
    size_t n = 0;
    bool stream = c->m && c->m->kind != METHOD_UNARY;
    if (stream) pthread_mutex_lock(&c->lock);
    if (atomic_exchange(&c->answered, true)) {
        if (stream) pthread_mutex_unlock(&c->lock);
        if (reply) grpc_byte_buffer_destroy(reply);
        return;
    }
    memset(ops, 0, sizeof ops);
    set_error(c, status, e);
    count_answer(c, status);
    if (!c->opened) ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
    c->opened = true;
    if ((c->reply = reply)) {
        ops[n].op = GRPC_OP_SEND_MESSAGE;
        ops[n++].data.send_message.send_message = reply;
    }
    ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[n].data.send_status_from_server.status = status_code(status);
    if (status != SINTER_OK) {
        ops[n].data.send_status_from_server.status_details = &c->status_text;
        ops[n].data.send_status_from_server.trailing_metadata = &c->trailer;
        ops[n].data.send_status_from_server.trailing_metadata_count = 1;
    }
    bool started = start(c, ops, n + 1, &c->on_answered);
    if (stream) pthread_mutex_unlock(&c->lock);
    if (!started) stream_leave(c);
    call_release(c); /* the answer is no longer owed */
}

void call_reply(call *c, const ProtobufCMessage *m)
{
    answer(c, message_pack(m), SINTER_OK, NULL);
}

void call_reply_packed(call *c, grpc_byte_buffer *b)
{
    answer(c, b, SINTER_OK, NULL);
}

void call_fail(call *c, sinter_status status, const sinter_error *e)
{
    answer(c, NULL, status == SINTER_OK ? SINTER_INTERNAL : status, e);
}

void call_end(call *c)
{
    answer(c, NULL, SINTER_OK, NULL);
}

bool call_send(call *c, const ProtobufCMessage *m)
{
    return call_send_packed(c, message_pack(m));
}

bool call_send_packed(call *c, grpc_byte_buffer *b)
{
    grpc_op ops[2];
    size_t n = 0;
    memset(ops, 0, sizeof ops);
    pthread_mutex_lock(&c->lock);
    bool possible = !atomic_load(&c->answered) && !c->sending;
    if (possible) {
        if (!c->opened) ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
        c->opened = true;
        ops[n].op = GRPC_OP_SEND_MESSAGE;
        ops[n++].data.send_message.send_message = c->sending = b;
        possible = start(c, ops, n, &c->on_sent);
        if (!possible) c->sending = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    if (!possible) grpc_byte_buffer_destroy(b);
    return possible;
}

void call_receive(call *c)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &c->incoming};
    pthread_mutex_lock(&c->lock);
    if (!atomic_load(&c->answered)) start(c, &op, 1, &c->on_message);
    pthread_mutex_unlock(&c->lock);
}
