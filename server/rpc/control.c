/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The control thread: work that takes seconds (a change loads plugins and models and rehearses them) and may freeze neither main
 * nor a lane. Between two pieces of work it looks at what is being watched. */
#include "server.h"

#include <sinter/v1/admin.pb-c.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define CONTROL_NICE 5

static sinter_status reload(server *s, const engine_order *o, arena *a, engine_changed *out, sinter_error *e)
{
    char line[1500];
    sinter_status status = engine_reload(s->engine, o, a, out, e);
    if (status != SINTER_OK) {
        atomic_fetch_add(&s->count.reloads_refused, 1);
        log_warn("reload.refused", "%s", error_line(e, line, sizeof line));
    } else if (!o->dry_run) {
        const config_server *now = &snapshot_config(engine_snapshot(s->engine))->server;
        log_set(now->log_level, now->log_json);
        atomic_fetch_add(&s->count.reloads, 1);
        log_info("reload", "published snapshot %s", snapshot_id(engine_snapshot(s->engine)));
        size_t n;
        char **change = text_lines(out->changes.data, a, &n);
        for (size_t i = 0; i < n; i++)
            log_info("reload", "%s", change[i]);
    }
    return status;
}

void reload_control(server *s, call *c, const ProtobufCMessage *request, arena *a)
{
    const Sinter__V1__ReloadRequest *q = (const Sinter__V1__ReloadRequest *)request;
    sinter_error e = SINTER_ERROR_INIT;
    engine_changed x = {0};
    const engine_order o = {.who = q->who, .why = q->why, .dry_run = q->dry_run, .force = q->force, .drop_collections = q->drop_collections};
    sinter_status status = order_check(q->who, q->why, &e);
    if (status == SINTER_OK) status = reload(s, &o, a, &x, &e);
    if (status == SINTER_OK) {
        Sinter__V1__ReloadResponse r = SINTER__V1__RELOAD_RESPONSE__INIT;
        r.changes = text_lines(x.changes.data, a, &r.n_changes);
        r.request_id = request_id_make(a);
        r.snapshot = arena_strdup(a, x.snapshot);
        r.sequence = x.sequence;
        r.rehearsal = x.rehearsal;
        r.answers = x.answer;
        r.n_answers = x.n_answers;
        call_reply(c, &r.base);
    } else {
        call_fail(c, status, &e);
    }
    engine_changed_free(&x);
}

/* ---- the thread ---- */

static void reload_for_signal(server *s)
{
    sinter_error e = SINTER_ERROR_INIT;
    engine_changed x = {0};
    const engine_order o = {.who = "SIGHUP"};
    arena *a = arena_new(1 << 14);
    atomic_store(&s->reload_wanted, false);
    reload(s, &o, a, &x, &e);
    engine_changed_free(&x);
    arena_free(a);
}

/* The lane that took the call is busy with others by now: the request is unpacked again, here. */
void control_work(server *s, call *c)
{
    sinter_error e = SINTER_ERROR_INIT;
    ProtobufCMessage *request = NULL;
    arena *a = arena_new(1 << 14);
    sinter_status status = call_read(c, a, &request, &e);
    if (status == SINTER_OK)
        c->m->control(s, c, request, a);
    else
        call_fail(c, status, &e);
    arena_free(a);
}

/* Requests come before changes: where every core is busy, a change takes longer and not an answer. */
static void stand_back(void)
{
    setpriority(PRIO_PROCESS, (id_t)gettid(), CONTROL_NICE); /* of this thread alone; without it, it is slower for all */
}

static void control_main(void *arg)
{
    server *s = arg;
    bool open = true;
    stand_back();
    while (open) {
        uint64_t next;
        engine_tick(s->engine, &next);
        call *c = queue_take_until(&s->control_queue, next, &open);
        if (c == &s->reload_signal) {
            reload_for_signal(s);
        } else if (c) {
            if (!call_over(c)) control_work(s, c);
            call_release(c);
        }
    }
}

void control_run(worker *w, call *c, const ProtobufCMessage *request)
{
    (void)request;
    call_reference(c);
    queue_push(&w->s->control_queue, c);
}

sinter_status order_check(const char *who, const char *why, sinter_error *e)
{
    const char *problem = strlen(who) > 256 ? "who" : strlen(why) > 4096 ? "why" : NULL;
    if (!problem) return SINTER_OK;
    return error_set(e, SINTER_INVALID, problem, "at most 256 bytes for who, 4096 for why", "too long");
}

sinter_status control_start(server *s, sinter_error *e)
{
    queue_init(&s->control_queue);
    return thread_start(&s->control_thread, "control", control_main, s, e);
}

void control_stop(server *s)
{
    queue_close(&s->control_queue);
    pthread_join(s->control_thread, NULL);
    queue_destroy(&s->control_queue);
}

/* A second SIGHUP before the first was taken asks for nothing more. */
void control_reload(server *s)
{
    if (!atomic_exchange(&s->reload_wanted, true)) queue_push(&s->control_queue, &s->reload_signal);
}
