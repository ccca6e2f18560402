/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lanes: worker threads that take calls from one queue and run each to the end of its handler. */
#include "server.h"

#include "json/json.h"

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- the queue ---- */

void queue_init(call_queue *q)
{
    *q = (call_queue){.last = NULL};
    q->last = &q->first;
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&q->filled, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void queue_push(call_queue *q, call *c)
{
    c->next = NULL;
    c->queued_ns = clock_mono_ns();
    pthread_mutex_lock(&q->lock);
    *q->last = c;
    q->last = &c->next;
    pthread_cond_signal(&q->filled);
    pthread_mutex_unlock(&q->lock);
}

/* Under its lock; NULL: empty. */
static call *take_first(call_queue *q)
{
    call *c = q->first;
    if (c && !(q->first = c->next)) q->last = &q->first;
    return c;
}

call *queue_take(call_queue *q)
{
    pthread_mutex_lock(&q->lock);
    while (!q->first && !q->closed)
        pthread_cond_wait(&q->filled, &q->lock);
    call *c = take_first(q);
    pthread_mutex_unlock(&q->lock);
    return c;
}

call *queue_take_until(call_queue *q, uint64_t ns, bool *open)
{
    const struct timespec until = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    pthread_mutex_lock(&q->lock);
    while (!q->first && !q->closed && pthread_cond_timedwait(&q->filled, &q->lock, &until) == 0) {
    }
    call *c = take_first(q);
    *open = c || !q->closed;
    pthread_mutex_unlock(&q->lock);
    return c;
}

void queue_close(call_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->filled);
    pthread_mutex_unlock(&q->lock);
}

void queue_destroy(call_queue *q)
{
    pthread_cond_destroy(&q->filled);
    pthread_mutex_destroy(&q->lock);
}

/* ---- running a call ---- */

bool call_over(call *c)
{
    if (atomic_load(&c->answered)) return true;
    if (atomic_load(&c->cancelled)) {
        call_fail(c, SINTER_CANCELLED, NULL);
        return true;
    }
    if (c->deadline_ns == UINT64_MAX || clock_mono_ns() < c->deadline_ns) return false;
    call_fail(c, SINTER_DEADLINE, NULL);
    return true;
}

/* As its transport carries it. */
static sinter_status read_message(const call *c, str bytes, arena *a, ProtobufCMessage **out, sinter_error *e)
{
    uint64_t most = c->s->limits.max_unpack_bytes;
    return c->by->json ? json_read(c->m->request, bytes, most, a, out, e) : message_unpack(c->m->request, bytes, most, a, out, e);
}

sinter_status call_read(const call *c, arena *a, ProtobufCMessage **out, sinter_error *e)
{
    grpc_slice held;
    str bytes = payload_bytes(c->payload, &held);
    sinter_status status = read_message(c, bytes, a, out, e);
    grpc_slice_unref(held);
    return status;
}

/* One call, one message: reads it and runs the handler, which may answer now, later, or never for a stream. */
void call_run(worker *w, call *c)
{
    sinter_error e = SINTER_ERROR_INIT;
    ProtobufCMessage *request = NULL;
    sinter_status status = SINTER_OK;
    grpc_slice held = grpc_empty_slice();
    if (c->payload) {
        c->wire = payload_bytes(c->payload, &held);
        status = read_message(c, c->wire, w->memory, &request, &e);
    }
    if (status == SINTER_OK)
        c->m->run(w, c, request);
    else if (c->m->refuse)
        c->m->refuse(c, status, &e);
    else
        call_fail(c, status, &e);
    grpc_slice_unref(held);
}

#ifdef SINTER_PLANT_RACE
/* Planted: every lane counts here without order. The ThreadSanitizer run must report it. */
static uint64_t planted_race;
#endif

/* Lanes count in stripes of their own; all other threads share the last. */
static _Thread_local uint32_t own_stripe = UINT32_MAX;

stripe *lanes_stripe(server *s)
{
    return &s->stripe[own_stripe < s->lanes ? own_stripe : s->lanes];
}

/* What a lane's work came to: how long the call had waited, how long it took. */
static void lane_begins(stripe *t, const call *c)
{
    uint64_t now = clock_mono_ns();
    atomic_fetch_add_explicit(&t->calls, 1, memory_order_relaxed);
    histogram_note(&t->queued, now - c->queued_ns);
    atomic_store_explicit(&t->since_ns, now, memory_order_relaxed);
}

static void lane_ends(stripe *t)
{
    uint64_t since = atomic_load_explicit(&t->since_ns, memory_order_relaxed);
    atomic_fetch_add_explicit(&t->busy_ns, clock_mono_ns() - since, memory_order_relaxed);
    atomic_store_explicit(&t->since_ns, 0, memory_order_relaxed);
}

typedef struct lane_start {
    server *s;
    uint32_t number;
} lane_start;

static void lane_main(void *arg)
{
    lane_start start = *(lane_start *)arg;
    free(arg);
    worker w = {.s = start.s, .lane = pipeline_lane_get(start.s->engine, start.number)};
    w.memory = pipeline_lane_arena(w.lane);
    own_stripe = start.number;
    stripe *own = lanes_stripe(start.s);
    for (call *c; (c = queue_take(&start.s->lane_queue)); call_release(c)) {
#ifdef SINTER_PLANT_RACE
        planted_race++;
#endif
        lane_begins(own, c);
        if (!call_over(c)) {
            pipeline_lane_begin(w.lane);
            if (!writes_wait(start.s, c)) call_run(&w, c);
            pipeline_lane_end(w.lane);
        }
        lane_ends(own);
    }
}

sinter_status lanes_start(server *s, sinter_error *e)
{
    s->lane_thread = xcalloc(s->lanes, sizeof *s->lane_thread);
    for (uint32_t i = 0; i < s->lanes; i++) {
        char name[16];
        snprintf(name, sizeof name, "lane-%u", i % 10000);
        lane_start *start = xmalloc(sizeof *start);
        *start = (lane_start){s, i};
        sinter_status status = thread_start(&s->lane_thread[i], name, lane_main, start, e);
        if (status == SINTER_OK) continue;
        free(start);
        s->lanes = i;
        lanes_stop(s);
        return status;
    }
    return SINTER_OK;
}

void lanes_stop(server *s)
{
    queue_close(&s->lane_queue);
    for (uint32_t i = 0; i < s->lanes; i++)
        pthread_join(s->lane_thread[i], NULL);
    free(s->lane_thread);
}
