/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CatalogService.CopyCollection: a thread of its own copies and tells how far it is; the last step, with an alias, is the control
 * thread's. One copy at a time. */
#include "server.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define MOST_REJECTED 20u
static const uint64_t TELL_NS = 500000000u;    /* between messages */
static const uint64_t HOLD_NS = 5000000000u;   /* until every request from before the hold is over */
static const uint64_t SWITCH_NS = 10000000000u; /* of writes that are held, for what is left to copy */
#define NEAR 2000u /* records behind: the rest is copied while writes are held */

typedef Sinter__V1__CopyCollectionRequest copy_request;
typedef Sinter__V1__CopyCollectionResponse copy_response;

typedef struct copying {
    call *c;
    copy_request *q; /* in `a` */
    arena *a;
    copy_options o;
    collection_copy *copy;
    arena *refused_a; /* of `refused` */
    Sinter__V1__Rejected *refused[MOST_REJECTED];
    uint32_t n_refused;
    bool only; /* no other copy may begin */
} copying;

/* Before the client hears of the end: it may begin another. */
static void let_others(copying *x)
{
    if (x->only) atomic_store(&x->c->s->copying, false);
    x->only = false;
}

void copy_dispose(void *state)
{
    copying *x = state;
    let_others(x);
    copy_end(x->copy);
    arena_free(x->refused_a);
    arena_free(x->a);
    free(x);
}

/* ---- messages ---- */

static void note_refused(void *ctx, const char *id, const Sinter__V1__FieldViolation *why)
{
    copying *x = ctx;
    arena *a = x->refused_a;
    if (x->n_refused == MOST_REJECTED) return;
    Sinter__V1__Rejected *r = item_rejected(a, 0, arena_strdup(a, id), SINTER__V1__REJECTED__CODE__CODE_INVALID);
    r->violations = ARENA_ARRAY(a, Sinter__V1__FieldViolation *, 1);
    r->violations[r->n_violations++] = item_violation(a, arena_strdup(a, why->field), arena_strdup(a, why->description));
    x->refused[x->n_refused++] = r;
}

static void fill(copying *x, copy_response *r)
{
    copy_report t;
    copy_tell(x->copy, &t);
    r->phase = t.sequence ? SINTER__V1__COPY_COLLECTION_RESPONSE__PHASE__PHASE_FOLLOWING
                          : SINTER__V1__COPY_COLLECTION_RESPONSE__PHASE__PHASE_ITEMS;
    r->items = t.items;
    r->deleted = t.deleted;
    r->events = t.events;
    r->total = t.total;
    r->behind = t.behind;
    r->sequence = t.sequence;
    r->refused = t.refused;
    r->resumed = t.resumed;
    r->rejected = x->refused;
    r->n_rejected = x->n_refused;
}

static void forget_refused(copying *x)
{
    arena_reset(x->refused_a);
    x->n_refused = 0;
}

/* A message that the client does not take yet is left out: the next one says more. */
static void tell(copying *x)
{
    char id[37];
    copy_response r = SINTER__V1__COPY_COLLECTION_RESPONSE__INIT;
    uuid_make(id);
    r.request_id = id;
    fill(x, &r);
    if (call_send(x->c, &r.base)) forget_refused(x);
}

/* The last message goes out when the one before has been taken. */
static void finish(copying *x, const char *changes)
{
    call *c = x->c;
    copy_response r = SINTER__V1__COPY_COLLECTION_RESPONSE__INIT;
    for (bool sending = true; sending && !atomic_load(&c->cancelled);) {
        struct timespec pause = {.tv_nsec = 2000000};
        pthread_mutex_lock(&c->lock);
        sending = c->sending != NULL;
        pthread_mutex_unlock(&c->lock);
        if (sending) nanosleep(&pause, NULL);
    }
    r.request_id = request_id_make(x->a);
    fill(x, &r);
    r.phase = SINTER__V1__COPY_COLLECTION_RESPONSE__PHASE__PHASE_DONE;
    r.left_out = copy_left_out(x->copy, x->a, &r.n_left_out);
    r.changes = text_lines(changes, x->a, &r.n_changes);
    let_others(x);
    call_reply(c, &r.base);
}

static void fail(copying *x, sinter_status status, const sinter_error *e)
{
    let_others(x);
    call_fail(x->c, status, e);
}

/* ---- the thread ---- */

static bool is_over(const copying *x, sinter_status *status, sinter_error *e)
{
    if (atomic_load(&x->c->cancelled) || atomic_load(&x->c->answered))
        *status = SINTER_CANCELLED;
    else if (atomic_load(&x->c->s->draining))
        *status = error_set(e, SINTER_UNAVAILABLE, NULL, "send it again: it goes on where it stopped", "the server is stopping");
    return *status != SINTER_OK;
}

/* Until it has caught up, or the client goes, or for ever. */
static sinter_status copy_on(copying *x, sinter_error *e)
{
    sinter_status status = SINTER_OK;
    uint64_t told = 0;
    bool more = true;
    while (!is_over(x, &status, e)) {
        pthread_mutex_lock(&x->c->s->copy_lock);
        status = copy_step(x->copy, &more, e);
        pthread_mutex_unlock(&x->c->s->copy_lock);
        if (status != SINTER_OK) break;
        if (clock_mono_ns() - told >= TELL_NS) {
            tell(x);
            told = clock_mono_ns();
        }
        copy_report t;
        copy_tell(x->copy, &t);
        bool near = t.sequence && t.behind < NEAR && *x->q->alias;
        if (near || (!more && !x->q->follow)) break;
        struct timespec pause = {.tv_nsec = 20000000};
        if (!more) nanosleep(&pause, NULL);
    }
    return status;
}

static void copy_main(void *arg)
{
    copying *x = arg;
    call *c = x->c;
    server *s = c->s;
    sinter_error e = SINTER_ERROR_INIT;
    sinter_status status = copy_begin(engine_journal(s->engine), &x->o, &x->copy, &e);
    if (status == SINTER_OK) status = copy_on(x, &e);
    if (status == SINTER_OK && *x->q->alias) {
        queue_push(&s->control_queue, c); /* with our reference; it ends the copy */
        return;
    }
    if (status == SINTER_OK)
        finish(x, NULL);
    else
        fail(x, status, &e);
    call_release(c);
}

/* ---- the last step: control ---- */

static sinter_status copy_rest(copying *x, sinter_error *e)
{
    uint64_t until = clock_mono_ns() + SWITCH_NS;
    sinter_status status = SINTER_OK;
    for (bool more = true; more && status == SINTER_OK;) {
        status = copy_step(x->copy, &more, e);
        if (status == SINTER_OK && more && clock_mono_ns() >= until)
            status = error_set(e, SINTER_UNAVAILABLE, NULL, "send it again: it goes on where it stopped",
                               "too much was left to copy while writes were held");
    }
    return status;
}

void copy_control(server *s, call *c, const ProtobufCMessage *request, arena *a)
{
    (void)request;
    copying *x = c->state;
    sinter_error e = SINTER_ERROR_INIT;
    engine_changed done = {0};
    const engine_order o = {.who = x->q->who, .why = x->q->why};
    uint64_t from = clock_mono_ns();
    sinter_status status = SINTER_OK;
    bool mine = pthread_mutex_trylock(&s->copy_lock) == 0;
    if (!mine)
        status = error_set(&e, SINTER_UNAVAILABLE, NULL, "send it again when that is done: it goes on where it stopped", "a user is being erased");
    else if (!writes_hold(s, HOLD_NS))
        status = error_set(&e, SINTER_UNAVAILABLE, NULL, "send it again: it goes on where it stopped", "a request takes too long");
    if (status == SINTER_OK) status = copy_rest(x, &e);
    if (status == SINTER_OK)
        status = engine_set_alias(s->engine, x->q->alias, catalog_name(x->o.destination), &o, a, &done, &e);
    writes_release(s);
    if (mine) pthread_mutex_unlock(&s->copy_lock);
    log_info("copy.switch", "writes were held for %" PRIu64 " ms", (clock_mono_ns() - from) / 1000000);
    if (status == SINTER_OK)
        finish(x, done.changes.data);
    else
        fail(x, status, &e);
    engine_changed_free(&done);
}

/* ---- on a lane ---- */

static sinter_status check(worker *w, const copying *x, const view_collection **from, const view_collection **to, sinter_error *e)
{
    const copy_request *q = x->q;
    sinter_status status = collection_find(w, q->source, from, e);
    if (status != SINTER_OK) error_where(e, "source");
    if (status == SINTER_OK) {
        status = collection_find(w, q->destination, to, e);
        if (status != SINTER_OK) error_where(e, "destination");
    }
    if (status == SINTER_OK) status = order_check(q->who, q->why, e);
    if (status != SINTER_OK) return status;
    if ((*from)->catalog == (*to)->catalog)
        return error_set(e, SINTER_INVALID, "destination", "declare another collection, and reload", "'%s' and '%s' are the same collection",
                         q->source, q->destination);
    if (*q->alias && q->follow)
        return error_set(e, SINTER_INVALID, "follow", "with an alias the copy ends when it has caught up", "set one of alias and follow");
    return SINTER_OK;
}

static sinter_status start(worker *w, copying *x, sinter_error *e)
{
    call *c = x->c;
    ProtobufCMessage *m = NULL;
    const view_collection *from, *to;
    pthread_t thread;
    sinter_status status = call_read(c, x->a, &m, e);
    x->q = (copy_request *)m;
    if (status == SINTER_OK) status = check(w, x, &from, &to, e);
    if (status != SINTER_OK) return status;
    x->o = (copy_options){.source = from->catalog, .destination = to->catalog, .restart = x->q->restart,
                          .without_events = x->q->without_events, .refused = note_refused, .ctx = x};
    if (atomic_exchange(&w->s->copying, true))
        return error_set(e, SINTER_PRECONDITION, NULL, "wait until it has ended", "another copy is under way");
    x->only = true;
    call_reference(c);
    status = thread_start(&thread, "copy", copy_main, x, e);
    if (status == SINTER_OK) {
        pthread_detach(thread);
        return SINTER_OK;
    }
    call_release(c);
    let_others(x);
    return status;
}

/* Runs again after each message that was sent: the thread knows. */
void copy_run(worker *w, call *c, const ProtobufCMessage *request)
{
    sinter_error e = SINTER_ERROR_INIT;
    (void)request;
    if (c->state) return;
    copying *x = xcalloc(1, sizeof *x);
    *x = (copying){.c = c, .a = arena_new(4096), .refused_a = arena_new(4096)};
    c->state = x;
    sinter_status status = start(w, x, &e);
    if (status != SINTER_OK) call_fail(c, status, &e);
}
