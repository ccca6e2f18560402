/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls from inside the process: a guest on the main loop speaks JSON with the same handlers that gRPC's calls reach. What other
 * threads answer is noted on the call and told to the guest by the main loop, which one async handle wakes. */
#include "server.h"

#include "json/json.h"

#include <google/rpc/status.pb-c.h>
#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <stdlib.h>

enum { DUE_MESSAGE = 1, DUE_RECEIVE = 2, DUE_NUDGE = 4, DUE_ENDED = 8 };

struct rpc_call {
    call c;
    const rpc_guest *to; /* NULL: has left */
    void *ctx;
    uint32_t due; /* under guests.lock, as is queued */
    bool queued;
    rpc_call *next_due;
    rpc_call *next, **link; /* of guests.all */
    uv_timer_t deadline;
    bool timed;
    sinter_status status; /* written before DUE_ENDED is */
    buffer refusal;       /* google.rpc.Status in JSON */
};

struct guests {
    server *s;
    uv_loop_t *loop;
    uv_async_t wake;
    arena *memory;
    pthread_mutex_t lock;
    rpc_call *due, **due_end;
    rpc_call *all; /* main loop only */
};

static const transport GUEST;

arena *guests_memory(server *s)
{
    return s->guests->memory;
}

/* ---- from any thread to the main loop ---- */

static void post(rpc_call *r, uint32_t what)
{
    guests *g = r->c.s->guests;
    pthread_mutex_lock(&g->lock);
    r->due |= what;
    if (!r->queued) {
        call_reference(&r->c);
        r->queued = true;
        r->next_due = NULL;
        *g->due_end = r;
        g->due_end = &r->next_due;
    }
    pthread_mutex_unlock(&g->lock);
    uv_async_send(&g->wake);
}

static bool guest_finish(call *c, sinter_status status, const sinter_error *e)
{
    rpc_call *r = (rpc_call *)c;
    r->status = status;
    if (status != SINTER_OK) rpc_status_json(status, e, &r->refusal);
    post(r, DUE_ENDED);
    return true;
}

static bool guest_send(call *c)
{
    post((rpc_call *)c, DUE_MESSAGE);
    return true;
}

static void guest_receive(call *c)
{
    post((rpc_call *)c, DUE_RECEIVE);
}

static void guest_nudge(call *c)
{
    post((rpc_call *)c, DUE_NUDGE);
}

static void guest_free(call *c)
{
    rpc_call *r = (rpc_call *)c;
    buffer_free(&r->refusal);
    free(r);
}

static const transport GUEST = {.json = true,
                                .finish = guest_finish,
                                .send = guest_send,
                                .receive = guest_receive,
                                .nudge = guest_nudge,
                                .free = guest_free};

/* ---- on the main loop ---- */

static void timer_closed(uv_handle_t *t)
{
    call_release(t->data);
}

/* The guest's hold on the call ends: with the last word, or by leaving. */
static void let_go(rpc_call *r)
{
    if (!r->link) return;
    *r->link = r->next;
    if (r->next) r->next->link = r->link;
    r->link = NULL;
    if (r->timed) uv_close((uv_handle_t *)&r->deadline, timer_closed);
    call_release(&r->c);
}

static void tell_message(rpc_call *r)
{
    if (!r->to) {
        call_sent(&r->c, false);
        return;
    }
    grpc_slice held;
    str json = payload_bytes(r->c.sending, &held);
    r->to->message(r->ctx, json);
    grpc_slice_unref(held);
}

static void tell_end(rpc_call *r)
{
    grpc_slice held = grpc_empty_slice();
    str json = {r->refusal.data ? r->refusal.data : "", r->refusal.len};
    call_answered(&r->c);
    if (r->status == SINTER_OK && r->c.reply) json = payload_bytes(r->c.reply, &held);
    const rpc_guest *to = r->to;
    r->to = NULL;
    if (to) to->ended(r->ctx, (uint32_t)status_code(r->status), json);
    grpc_slice_unref(held);
    let_go(r);
}

static void on_wake(uv_async_t *a)
{
    guests *g = a->data;
    pthread_mutex_lock(&g->lock);
    rpc_call *r = g->due;
    g->due = NULL;
    g->due_end = &g->due;
    pthread_mutex_unlock(&g->lock);
    for (rpc_call *next; r; r = next) {
        pthread_mutex_lock(&g->lock);
        uint32_t due = r->due;
        next = r->next_due;
        r->due = 0;
        r->queued = false;
        pthread_mutex_unlock(&g->lock);
        if (due & DUE_MESSAGE) tell_message(r);
        if (due & DUE_RECEIVE && r->to) r->to->receive(r->ctx);
        if (due & DUE_NUDGE) call_nudged(&r->c);
        if (due & DUE_ENDED) tell_end(r);
        call_release(&r->c);
    }
}

static void deadline_passed(uv_timer_t *t)
{
    call_left(t->data, SINTER_DEADLINE);
}

static void set_deadline(rpc_call *r, uint64_t timeout_ns)
{
    guests *g = r->c.s->guests;
    if (timeout_ns >= UINT64_MAX - r->c.arrived_ns) return; /* none, or beyond the clock's end */
    uint64_t ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    r->c.deadline_ns = r->c.arrived_ns + timeout_ns;
    r->timed = true;
    call_reference(&r->c);
    uv_timer_init(g->loop, &r->deadline);
    r->deadline.data = &r->c;
    uv_timer_start(&r->deadline, deadline_passed, ms, 0);
}

static grpc_byte_buffer *body_of(buffer *json)
{
    grpc_slice slice = json->data ? grpc_slice_new(json->data, json->len, free) : grpc_slice_from_static_string("{}");
    *json = (buffer){0};
    return payload_of(slice);
}

static bool refuse_draining(call *c)
{
    if (!atomic_load(&c->s->draining) || c->m->unlimited) return false;
    sinter_error e = SINTER_ERROR_INIT;
    error_set(&e, SINTER_UNAVAILABLE, NULL, "ask another server, or try again", "the server is stopping");
    call_fail(c, SINTER_UNAVAILABLE, &e);
    return true;
}

rpc_call *rpc_call_start(server *s, const method *m, buffer *json, uint64_t timeout_ns, const rpc_guest *to, void *ctx)
{
    guests *g = s->guests;
    rpc_call *r = xcalloc(1, sizeof *r);
    call_init(&r->c, s, m, &GUEST);
    call_reference(&r->c); /* the guest's */
    atomic_fetch_add(&s->live, 1);
    r->to = to;
    r->ctx = ctx;
    r->c.arrived_ns = clock_mono_ns();
    r->next = g->all;
    r->link = &g->all;
    if (g->all) g->all->link = &r->next;
    g->all = r;
    set_deadline(r, timeout_ns);
    if (json) r->c.payload = body_of(json);
    if (!refuse_draining(&r->c)) call_begin(&r->c);
    return r;
}

void rpc_call_message(rpc_call *r, buffer *json)
{
    call_message(&r->c, json ? body_of(json) : NULL);
}

void rpc_call_taken(rpc_call *r)
{
    call_sent(&r->c, true);
}

void rpc_call_leave(rpc_call *r)
{
    r->to = NULL;
    call_reference(&r->c);
    call_left(&r->c, SINTER_CANCELLED);
    let_go(r);
    call_release(&r->c);
}

void guests_cancel(server *s)
{
    guests *g = s->guests;
    for (rpc_call *r = g ? g->all : NULL, *next; r; r = next) {
        next = r->next;
        call_left(&r->c, SINTER_UNAVAILABLE);
    }
}

/* ---- methods and statuses ---- */

const method *rpc_method_find(const char *path, sinter_error *e)
{
    const method *m = method_find(path), *near = m ? NULL : method_near(path);
    if (m) return m;
    error_set(e, SINTER_NOT_FOUND, "path", "the protos of sinter.v1 list the methods", "this server has no method '%s'", path);
    if (near) error_fix(e, "did you mean '%s/%s'?", near->service, near->name);
    return NULL;
}

bool rpc_method_takes_stream(const method *m)
{
    return m->kind == METHOD_BIDI;
}

bool rpc_method_gives_stream(const method *m)
{
    return m->kind != METHOD_UNARY;
}

uint32_t rpc_status_code(sinter_status s)
{
    return (uint32_t)status_code(s);
}

void rpc_status_json(sinter_status status, const sinter_error *e, buffer *out)
{
    char line[1500];
    grpc_slice packed = status_details(status, e, status_message(status, e, line, sizeof line));
    Google__Rpc__Status *m = google__rpc__status__unpack(NULL, GRPC_SLICE_LENGTH(packed), GRPC_SLICE_START_PTR(packed));
    if (m) {
        json_message(out, &m->base, 0);
        google__rpc__status__free_unpacked(m, NULL);
    }
    grpc_slice_unref(packed);
}

/* ---- the house ---- */

sinter_status guests_open(server *s, uv_loop_t *loop, sinter_error *e)
{
    guests *g = xcalloc(1, sizeof *g);
    int code = uv_async_init(loop, &g->wake, on_wake);
    if (code != 0) {
        free(g);
        return error_set(e, SINTER_INTERNAL, "main loop", NULL, "no async handle: %s", uv_strerror(code));
    }
    g->wake.data = g;
    g->s = s;
    g->loop = loop;
    g->due_end = &g->due;
    g->memory = arena_new(64 << 10);
    pthread_mutex_init(&g->lock, NULL);
    s->guests = g;
    return SINTER_OK;
}

void guests_end(server *s)
{
    guests *g = s->guests;
    if (!uv_is_closing((uv_handle_t *)&g->wake)) uv_close((uv_handle_t *)&g->wake, NULL);
}

void guests_close(server *s)
{
    guests *g = s->guests;
    if (!g) return;
    arena_free(g->memory);
    pthread_mutex_destroy(&g->lock);
    free(g);
    s->guests = NULL;
}
