/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls by gRPC: posted, arrived, and each operation's completion, which comes back to the receiver. */
#include "server.h"

#include "order.h"

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <grpc/support/time.h>
#include <stdlib.h>
#include <string.h>

typedef struct wire_call {
    call c;
    grpc_call *call;
    gpr_timespec deadline;
    grpc_metadata_array metadata;
    grpc_call_details details;  /* unknown methods only */
    grpc_byte_buffer *incoming; /* a stream's message being received */
    tag on_arrival, on_close, on_message, on_sent, on_answered, on_nudge;
    bool opened; /* initial metadata sent; under the call's lock */
    int closed;  /* out parameter of RECV_CLOSE */
    grpc_slice status_text, details_bytes;
    grpc_metadata trailer;
} wire_call;

static void on_arrival(call *c, bool ok);
static void on_close(call *c, bool ok);
static void on_message(call *c, bool ok);
static void on_sent(call *c, bool ok);
static void on_answered(call *c, bool ok);
static void on_nudge(call *c, bool ok);
static const transport WIRE;

static void wire_free(call *c)
{
    wire_call *w = (wire_call *)c;
    if (w->incoming) grpc_byte_buffer_destroy(w->incoming);
    grpc_metadata_array_destroy(&w->metadata);
    if (!c->m) grpc_call_details_destroy(&w->details);
    grpc_slice_unref(w->status_text);
    grpc_slice_unref(w->details_bytes);
    if (w->call) grpc_call_unref(w->call);
    free(w);
}

/* A post that comes back, or is not taken: nothing but its own memory is there. */
static void unpost(wire_call *w)
{
    pthread_mutex_destroy(&w->c.lock);
    wire_free(&w->c);
}

/* ---- operations ---- */

/* Starts a batch that holds a reference until its completion was handled. */
static bool start(wire_call *w, const grpc_op *ops, size_t n, tag *t)
{
    call_reference(&w->c);
    order_before(t);
    grpc_call_error error = grpc_call_start_batch(w->call, ops, n, t, NULL);
    if (error == GRPC_CALL_OK) return true;
    log_error("rpc.batch", "gRPC refused an operation: %s", grpc_call_error_to_string(error));
    grpc_call_cancel(w->call, NULL);
    call_release(&w->c);
    return false;
}

void wire_post(server *s, const method *m, void *registered)
{
    wire_call *w = xcalloc(1, sizeof *w);
    call *c = &w->c;
    call_init(c, s, m, &WIRE);
    w->on_arrival = (tag){on_arrival, c};
    w->on_close = (tag){on_close, c};
    w->on_message = (tag){on_message, c};
    w->on_sent = (tag){on_sent, c};
    w->on_answered = (tag){on_answered, c};
    w->on_nudge = (tag){on_nudge, c};
    w->status_text = w->details_bytes = grpc_empty_slice();
    grpc_metadata_array_init(&w->metadata);
    grpc_call_error error;
    order_before(&w->on_arrival);
    if (m) {
        bool reads = m->kind != METHOD_BIDI && m->run;
        error = grpc_server_request_registered_call(s->grpc, registered, &w->call, &w->deadline, &w->metadata,
                                                    reads ? &c->payload : NULL, s->queue, s->queue, &w->on_arrival);
    } else {
        grpc_call_details_init(&w->details);
        error =
            grpc_server_request_call(s->grpc, &w->call, &w->details, &w->metadata, s->queue, s->queue, &w->on_arrival);
    }
    if (error == GRPC_CALL_OK) return;
    log_error("rpc.post", "gRPC takes no request for a call: %s", grpc_call_error_to_string(error));
    unpost(w);
}

/* ---- arrival ---- */

static void refuse_unknown(wire_call *w)
{
    call *c = &w->c;
    sinter_error e = SINTER_ERROR_INIT;
    char path[300];
    size_t n = GRPC_SLICE_LENGTH(w->details.method);
    if (n > sizeof path - 1) n = sizeof path - 1;
    memcpy(path, GRPC_SLICE_START_PTR(w->details.method), n);
    path[n] = '\0';
    const method *near = method_near(path + (*path == '/'));
    atomic_fetch_add(&c->s->count.unknown_methods, 1);
    error_set(&e, SINTER_UNIMPLEMENTED, NULL, "server reflection lists the methods", "this server has no method '%s'", path);
    if (near) error_fix(&e, "did you mean '/%s/%s'?", near->service, near->name);
    call_fail(c, SINTER_UNIMPLEMENTED, &e);
}

static void find_deadline(wire_call *w)
{
    call *c = &w->c;
    gpr_timespec deadline = c->m ? w->deadline : w->details.deadline;
    c->arrived_ns = clock_mono_ns();
    if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return;
    gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
    if (left.tv_sec > 10 * 365 * 86400L) return;
    int64_t ns = left.tv_sec * INT64_C(1000000000) + left.tv_nsec;
    c->deadline_ns = ns > 0 ? c->arrived_ns + (uint64_t)ns : c->arrived_ns;
}

static void on_arrival(call *c, bool ok)
{
    wire_call *w = (wire_call *)c;
    server *s = c->s;
    if (!ok) { /* shutdown: the post comes back unused */
        unpost(w);
        return;
    }
    atomic_fetch_add(&s->live, 1);
    wire_post(s, c->m, c->m ? s->registered[c->m - METHODS] : NULL);
    find_deadline(w);
    grpc_op close = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER, .data.recv_close_on_server.cancelled = &w->closed};
    start(w, &close, 1, &w->on_close);
    if (c->m)
        call_begin(c);
    else
        refuse_unknown(w);
}

/* ---- completions ---- */

static void on_close(call *c, bool ok)
{
    (void)ok;
    /* Set also where an answer was begun that never reached the client. */
    if (((wire_call *)c)->closed) call_left(c, SINTER_CANCELLED);
    call_release(c);
}

static void on_message(call *c, bool ok)
{
    wire_call *w = (wire_call *)c;
    grpc_byte_buffer *b = w->incoming;
    w->incoming = NULL;
    if (!ok && b) grpc_byte_buffer_destroy(b);
    call_message(c, ok ? b : NULL);
    call_release(c);
}

static void on_sent(call *c, bool ok)
{
    call_sent(c, ok);
    call_release(c);
}

static void on_answered(call *c, bool ok)
{
    (void)ok;
    call_answered(c);
    call_release(c);
}

static void on_nudge(call *c, bool ok)
{
    (void)ok;
    call_nudged(c);
    call_release(c);
}

/* ---- the transport: any thread ---- */

static void set_error(wire_call *w, sinter_status status, const sinter_error *e)
{
    char line[1500];
    if (status == SINTER_OK) return;
    w->status_text = grpc_slice_from_copied_string(status_message(status, e, line, sizeof line));
    w->details_bytes = status_details(status, e, line);
    w->trailer.key = grpc_slice_from_static_string("grpc-status-details-bin");
    w->trailer.value = w->details_bytes;
}

static bool wire_finish(call *c, sinter_status status, const sinter_error *e)
{
    wire_call *w = (wire_call *)c;
    grpc_op ops[3];
    size_t n = 0;
    memset(ops, 0, sizeof ops);
    set_error(w, status, e);
    if (!w->opened) ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
    w->opened = true;
    if (c->reply) {
        ops[n].op = GRPC_OP_SEND_MESSAGE;
        ops[n++].data.send_message.send_message = c->reply;
    }
    ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[n].data.send_status_from_server.status = status_code(status);
    if (status != SINTER_OK) {
        ops[n].data.send_status_from_server.status_details = &w->status_text;
        ops[n].data.send_status_from_server.trailing_metadata = &w->trailer;
        ops[n].data.send_status_from_server.trailing_metadata_count = 1;
    }
    return start(w, ops, n + 1, &w->on_answered);
}

static bool wire_send(call *c)
{
    wire_call *w = (wire_call *)c;
    grpc_op ops[2];
    size_t n = 0;
    memset(ops, 0, sizeof ops);
    if (!w->opened) ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
    w->opened = true;
    ops[n].op = GRPC_OP_SEND_MESSAGE;
    ops[n++].data.send_message.send_message = c->sending;
    return start(w, ops, n, &w->on_sent);
}

static void wire_receive(call *c)
{
    wire_call *w = (wire_call *)c;
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &w->incoming};
    start(w, &op, 1, &w->on_message);
}

static void wire_nudge(call *c)
{
    start((wire_call *)c, NULL, 0, &((wire_call *)c)->on_nudge);
}

static const transport WIRE = {
    .finish = wire_finish, .send = wire_send, .receive = wire_receive, .nudge = wire_nudge, .free = wire_free};
