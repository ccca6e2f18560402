/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The main thread: opens the house, listens, then turns the libuv loop for signals and timers until everything is
 * drained. */
#include "notify.h"
#include "server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define HEALTH_EVERY_MS 200

typedef struct house {
    server s;
    char *listen;
    uv_loop_t loop;
    uv_signal_t on_int, on_term, on_hup;
    uv_timer_t grace, pulse;
    uv_async_t drained;
    const rpc_front *front;
    void *front_ctx;
} house;

static void grace_over(uv_timer_t *t)
{
    house *h = t->data;
    log_warn("drain", "%d calls still run after the grace: cancelled", atomic_load(&h->s.live));
    server_cancel(&h->s);
}

static void on_stop(uv_signal_t *signal, int number)
{
    house *h = signal->data;
    if (atomic_load(&h->s.draining)) { /* a second time: no more patience */
        server_cancel(&h->s);
        return;
    }
    log_info("drain", "%s: no new calls; %d are being answered", number == SIGINT ? "SIGINT" : "SIGTERM",
             atomic_load(&h->s.live));
    notify_manager("STOPPING=1");
    uv_timer_start(&h->grace, grace_over, h->s.limits.drain_ns / 1000000, 0);
    server_drain(&h->s);
}

static void on_reload(uv_signal_t *signal, int number)
{
    (void)number;
    house *h = signal->data;
    control_reload(&h->s);
}

static void on_pulse(uv_timer_t *t)
{
    house *h = t->data;
    health_update(&h->s);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

/* The loop ends when the front has closed its handles too. SIGINT and SIGTERM are caught for as long as it may matter: a second
 * one must not end the process while it closes the journal. */
static void on_drained(uv_async_t *a)
{
    enum { LAST_WORDS_MS = 2000 };
    house *h = a->data;
    uv_handle_t *const over[] = {(uv_handle_t *)&h->on_hup, (uv_handle_t *)&h->grace, (uv_handle_t *)&h->pulse,
                                 (uv_handle_t *)&h->drained};
    for (size_t i = 0; i < ARRAY_LEN(over); i++)
        close_handle(over[i], NULL);
    uv_unref((uv_handle_t *)&h->on_int);
    uv_unref((uv_handle_t *)&h->on_term);
    if (h->front_ctx) h->front->close(h->front_ctx, LAST_WORDS_MS);
    guests_end(&h->s);
}

/* On the receiver. */
static void tell_drained(void *ctx)
{
    uv_async_send(&((house *)ctx)->drained);
}

static void loop_open(house *h)
{
    uv_loop_init(&h->loop);
    uv_signal_init(&h->loop, &h->on_int);
    uv_signal_init(&h->loop, &h->on_term);
    uv_signal_init(&h->loop, &h->on_hup);
    uv_timer_init(&h->loop, &h->grace);
    uv_timer_init(&h->loop, &h->pulse);
    uv_async_init(&h->loop, &h->drained, on_drained);
    h->on_int.data = h->on_term.data = h->on_hup.data = h->grace.data = h->pulse.data = h->drained.data = h;
    uv_signal_start(&h->on_int, on_stop, SIGINT);
    uv_signal_start(&h->on_term, on_stop, SIGTERM);
    uv_signal_start(&h->on_hup, on_reload, SIGHUP);
    uv_timer_start(&h->pulse, on_pulse, 0, HEALTH_EVERY_MS);
}

static void loop_close(house *h)
{
    uv_walk(&h->loop, close_handle, NULL);
    uv_run(&h->loop, UV_RUN_DEFAULT);
    uv_loop_close(&h->loop);
}

static sinter_status write_port(const house *h, const rpc_options *o, int port, const char *http, sinter_error *e)
{
    char text[300];
    const char *colon = strrchr(h->listen, ':');
    int host = colon ? (int)(colon - h->listen) : (int)strlen(h->listen);
    snprintf(text, sizeof text, "%.*s:%d\n", host, h->listen, port);
    log_info("serve", "listening on %.*s with %u lanes, pid %d", (int)strlen(text) - 1, text, h->s.lanes,
             (int)getpid());
    sinter_status status = SINTER_OK;
    if (*http) log_info("serve", "http://%s/", http);
    if (o->http_port_file) {
        char line[300];
        snprintf(line, sizeof line, "%s\n", http);
        status = file_write_atomic(o->http_port_file, line, strlen(line), e);
    }
    return o->port_file && status == SINTER_OK ? file_write_atomic(o->port_file, text, strlen(text), e) : status;
}

static sinter_status open_front(house *h, const rpc_options *o, char *address, size_t size, sinter_error *e)
{
    *address = '\0';
    if (!o->front) return SINTER_OK;
    h->front = o->front;
    return o->front->open(&h->s, &h->loop, &h->front_ctx, address, size, e);
}

/* From here on what was started must be drained, also when it never served. */
static sinter_status run(house *h, const rpc_options *o, sinter_error *e)
{
    int port;
    char http[300];
    sinter_status status = control_start(&h->s, e);
    if (status != SINTER_OK) return status;
    status = people_start(&h->s, e);
    if (status != SINTER_OK) {
        control_stop(&h->s);
        return status;
    }
    status = server_start(&h->s, h->listen, &port, e);
    if (status == SINTER_OK) {
        status = open_front(h, o, http, sizeof http, e);
        if (status == SINTER_OK) status = write_port(h, o, port, http, e);
        if (status == SINTER_OK)
            notify_manager("READY=1");
        else
            server_drain(&h->s);
        uv_run(&h->loop, UV_RUN_DEFAULT);
        server_stop(&h->s);
        log_info("drain", "every call is answered");
    }
    people_stop(&h->s);
    control_stop(&h->s);
    return status;
}

static uint32_t count_lanes(const config_server *c)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return c->lanes ? c->lanes : cores > 0 ? (uint32_t)cores : 1;
}

sinter_status rpc_serve(config *c, const rpc_options *o, sinter_error *e)
{
    house *h = xcalloc(1, sizeof *h);
    server *s = &h->s;
    s->limits = c->server;
    s->lanes = count_lanes(&c->server);
    s->started_ms = clock_wall_ms();
    s->drained = tell_drained;
    s->drained_ctx = h;
    h->listen = xstrdup(c->server.listen);
    log_set(c->server.log_level, c->server.log_json);
    sinter_status status = reflection_new(&s->reflection, e);
    if (status == SINTER_OK && o->rebuild_index) status = views_discard(c, e);
    if (status == SINTER_OK)
        status = engine_open(c, s->lanes, o->exe, &s->engine, e);
    else
        config_free(c);
    if (status == SINTER_OK) {
        status = experiments_open(s->engine, &s->experiments, e);
        if (status != SINTER_OK) engine_close(s->engine);
    }
    if (status == SINTER_OK) {
        loop_open(h);
        metrics_init(s);
        status = guests_open(s, &h->loop, e);
        if (status == SINTER_OK) status = run(h, o, e);
        experiments_close(s->experiments);
        engine_close(s->engine);
        loop_close(h);
        if (h->front_ctx) h->front->free(h->front_ctx);
        guests_close(s);
        metrics_free(s);
    }
    reflection_free(s->reflection);
    free(h->listen);
    free(h);
    return status;
}
