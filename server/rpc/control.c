/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The control thread: work that takes seconds (a reload or a deploy loads plugins and models) and may freeze neither main nor a
 * lane. */
#include "server.h"

#include <sinter/v1/admin.pb-c.h>
#include <stdlib.h>
#include <string.h>

static void log_lines(const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        log_info("reload", "%.*s", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

static sinter_status reload(server *s, bool dry_run, bool drop, buffer *changes, sinter_error *e)
{
    char line[1500];
    sinter_status status = engine_reload(s->engine, dry_run, drop, changes, e);
    if (status != SINTER_OK) {
        atomic_fetch_add(&s->count.reloads_refused, 1);
        log_warn("reload.refused", "%s", error_line(e, line, sizeof line));
    } else if (!dry_run) {
        atomic_fetch_add(&s->count.reloads, 1);
        log_info("reload", "published snapshot %s", snapshot_id(engine_snapshot(s->engine)));
        if (changes->data) log_lines(changes->data);
    }
    return status;
}

char **lines_of(const char *text, arena *a, size_t *n)
{
    size_t room = 1;
    for (const char *p = text; p && *p; p++)
        room += *p == '\n';
    char **line = ARENA_ARRAY(a, char *, room);
    *n = 0;
    for (const char *p = text; p && *p; p += *p == '\n') {
        size_t length = strcspn(p, "\n");
        if (length) line[(*n)++] = arena_strndup(a, p, length);
        p += length;
    }
    return line;
}

void reload_control(server *s, call *c)
{
    sinter_error e = SINTER_ERROR_INIT;
    buffer changes = {0};
    const bool *dry_run_and_drop = c->state;
    sinter_status status = reload(s, dry_run_and_drop[0], dry_run_and_drop[1], &changes, &e);
    if (status == SINTER_OK) {
        arena *a = arena_new(4096);
        Sinter__V1__ReloadResponse r = SINTER__V1__RELOAD_RESPONSE__INIT;
        r.changes = lines_of(changes.data, a, &r.n_changes);
        r.request_id = request_id_make(a);
        r.snapshot = arena_strdup(a, snapshot_id(engine_snapshot(s->engine)));
        call_reply(c, &r.base);
        arena_free(a);
    } else {
        call_fail(c, status, &e);
    }
    buffer_free(&changes);
}

static void control_main(void *arg)
{
    server *s = arg;
    for (call *c; (c = queue_take(&s->control_queue));) {
        if (c == &s->reload_signal) {
            sinter_error e = SINTER_ERROR_INIT;
            buffer changes = {0};
            atomic_store(&s->reload_wanted, false);
            reload(s, false, false, &changes, &e);
            buffer_free(&changes);
            continue;
        }
        if (!call_over(c)) c->m->control(s, c);
        call_release(c);
    }
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
