/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gRPC's server: limits, methods, the receiver thread, drain.
 *
 * The completion queue is shut only when gRPC has said that it has no more calls and the last of ours is freed: gRPC
 * does not count a call that is held without an operation in flight, and an operation started on a shut queue ends the
 * process. */
#include "server.h"

#include "order.h"

#include <errno.h>
#include <grpc/grpc_security.h>
#include <grpc/support/log.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define POSTED_PER_METHOD 16

/* gRPC's own messages become ours; most are for gRPC's developers. */
static void grpc_says(gpr_log_func_args *m)
{
    log_write(m->severity == GPR_LOG_SEVERITY_ERROR ? LOG_INFO : LOG_DEBUG, "grpc", "%s", m->message);
}

static grpc_server *make_server(const config_server *limits)
{
    grpc_arg args[] = {
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
         .value.integer = (int)limits->max_message_bytes},
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, .value.integer = -1},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_CONCURRENT_STREAMS,
         .value.integer = (int)limits->max_streams_per_connection},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_ALLOW_REUSEPORT,
         .value.integer = 0}, /* else two servers share a port */
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
         .value.integer = 5000},
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_KEEPALIVE_TIME_MS, .value.integer = 60000},
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_KEEPALIVE_TIMEOUT_MS, .value.integer = 20000},
    };
    grpc_channel_args all = {.num_args = ARRAY_LEN(args), .args = args};
    return grpc_server_create(&all, NULL);
}

/* ---- the receiver ---- */

void call_dispatch(call *c)
{
    server *s = c->s;
    if (c->m->place == ON_LANE) {
        call_reference(c);
        queue_push(&s->lane_queue, c);
        return;
    }
    worker w = {.s = s, .memory = c->by->json ? guests_memory(s) : s->receiver_memory};
    arena_reset(w.memory);
    if (!call_over(c)) call_run(&w, c);
}

static void on_shutdown(call *c, bool ok)
{
    (void)ok;
    c->s->shut = true;
}

static void receiver_main(void *arg)
{
    server *s = arg;
    bool closing = false;
    for (;;) {
        /* The last reference may be let go by another thread, which wakes nobody here: look again while draining. */
        bool wait = s->shut && !closing;
        gpr_timespec until = wait ? gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(10, GPR_TIMESPAN))
                                  : gpr_inf_future(GPR_CLOCK_MONOTONIC);
        if (wait && atomic_load(&s->live) == 0) {
            grpc_completion_queue_shutdown(s->queue);
            closing = true;
            continue;
        }
        grpc_event ev = grpc_completion_queue_next(s->queue, until, NULL);
        if (ev.type == GRPC_QUEUE_SHUTDOWN) break;
        if (ev.type != GRPC_OP_COMPLETE) continue;
        tag *t = ev.tag;
        order_after(t);
        t->fn(t->c, ev.success != 0);
    }
    s->drained(s->drained_ctx);
}

/* ---- listening ---- */

/* gRPC says only that it could not listen; the system says why. */
static void why_not(const char *listen, char *out, size_t size)
{
    char host[256];
    const char *colon = strrchr(listen, ':');
    snprintf(out, size, "the address cannot be used");
    if (!colon) return;
    bool bracketed = *listen == '[';
    snprintf(host, sizeof host, "%.*s", (int)(colon - listen) - 2 * bracketed, listen + bracketed);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    int code = getaddrinfo(host, colon + 1, &hints, &found);
    if (code != 0) {
        snprintf(out, size, "%s", gai_strerror(code));
        return;
    }
    int one = 1, fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0) snprintf(out, size, "%s", strerror(errno));
    if (fd >= 0) close(fd);
    freeaddrinfo(found);
}

static sinter_status listen_on(server *s, const char *listen, int *port, sinter_error *e)
{
    grpc_server_credentials *plain = grpc_insecure_server_credentials_create();
    *port = grpc_server_add_http2_port(s->grpc, listen, plain);
    grpc_server_credentials_release(plain);
    if (*port > 0) return SINTER_OK;
    char why[200];
    why_not(listen, why, sizeof why);
    return error_set(e, SINTER_UNAVAILABLE, "listen",
                     "stop the other server, or choose another address; port 0 is any free one",
                     "cannot listen on %s: %s", listen, why);
}

static void register_methods(server *s)
{
    s->registered = xcalloc(METHODS_N, sizeof *s->registered);
    for (size_t i = 0; i < METHODS_N; i++) {
        char path[160];
        const method *m = &METHODS[i];
        snprintf(path, sizeof path, "/%s/%s", m->service, m->name);
        bool reads = m->kind != METHOD_BIDI && m->run;
        s->registered[i] = grpc_server_register_method(
            s->grpc, path, NULL, reads ? GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER : GRPC_SRM_PAYLOAD_NONE, 0);
    }
}

/* What was made before the failure goes. */
static sinter_status start_failed(server *s, sinter_status status)
{
    grpc_completion_queue_shutdown(s->queue);
    while (grpc_completion_queue_next(s->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type !=
           GRPC_QUEUE_SHUTDOWN) {
    }
    grpc_server_destroy(s->grpc);
    grpc_completion_queue_destroy(s->queue);
    arena_free(s->receiver_memory);
    free(s->registered);
    grpc_shutdown();
    return status;
}

sinter_status server_start(server *s, const char *listen, int *port, sinter_error *e)
{
    gpr_set_log_function(grpc_says);
    grpc_init();
    s->queue = grpc_completion_queue_create_for_next(NULL);
    s->grpc = make_server(&s->limits);
    grpc_server_register_completion_queue(s->grpc, s->queue, NULL);
    register_methods(s);
    queue_init(&s->lane_queue);
    pthread_mutex_init(&s->streams_lock, NULL);
    pthread_mutex_init(&s->held_lock, NULL);
    pthread_mutex_init(&s->copy_lock, NULL);
    s->receiver_memory = arena_new(64 << 10);
    s->shutdown_call = (call){.s = s};
    s->on_shutdown = (tag){on_shutdown, &s->shutdown_call};
    sinter_status status = listen_on(s, listen, port, e);
    if (status != SINTER_OK) return start_failed(s, status);
    status = lanes_start(s, e);
    if (status != SINTER_OK) return start_failed(s, status);
    grpc_server_start(s->grpc);
    for (size_t i = 0; i < METHODS_N; i++) {
        for (int k = 0; k < POSTED_PER_METHOD; k++)
            wire_post(s, &METHODS[i], s->registered[i]);
    }
    /* Without a post for every other path, calls of unknown methods hang until the client's deadline. */
    for (int k = 0; k < POSTED_PER_METHOD; k++)
        wire_post(s, NULL, NULL);
    return thread_start(&s->receiver_thread, "receiver", receiver_main, s, e);
}

/* ---- stopping ---- */

void server_drain(server *s)
{
    if (atomic_exchange(&s->draining, true)) return;
    order_before(&s->on_shutdown);
    grpc_server_shutdown_and_notify(s->grpc, s->queue, &s->on_shutdown);
    pthread_mutex_lock(&s->streams_lock);
    for (call *c = s->streams; c; c = c->stream_next)
        call_nudge(c);
    pthread_mutex_unlock(&s->streams_lock);
}

void server_cancel(server *s)
{
    grpc_server_cancel_all_calls(s->grpc);
    guests_cancel(s);
}

void server_stop(server *s)
{
    pthread_join(s->receiver_thread, NULL);
    lanes_stop(s);
    grpc_server_destroy(s->grpc);
    grpc_completion_queue_destroy(s->queue);
    queue_destroy(&s->lane_queue);
    pthread_mutex_destroy(&s->streams_lock);
    pthread_mutex_destroy(&s->held_lock);
    pthread_mutex_destroy(&s->copy_lock);
    arena_free(s->receiver_memory);
    free(s->registered);
    grpc_shutdown_blocking();
}
