/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The listener: libmicrohttpd in the main loop, by its one epoll descriptor and a timer; connections, slow clients, the end. */
#include "inside.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SWEEP_MS        250u
#define HEAD_BYTES_MOST 32768u /* of a connection: the head and what is being read */

/* ---- turning --------------------------------------------------------------------------------------------------------------- */

static void free_handle(uv_handle_t *h)
{
    free(h);
}

static void close_handle(void *h)
{
    if (h) uv_close(h, free_handle);
}

static void turn(front *f);

static void on_pump(uv_timer_t *t)
{
    turn(t->data);
}

static void turn(front *f)
{
    MHD_UNSIGNED_LONG_LONG ms;
    if (f->closed) return;
    MHD_run(f->daemon);
    if (MHD_get_timeout(f->daemon, &ms) == MHD_YES)
        uv_timer_start(f->pump, on_pump, ms, 0);
    else
        uv_timer_stop(f->pump);
}

static void on_ready(uv_poll_t *p, int status, int events)
{
    (void)status, (void)events;
    turn(p->data);
}

/* ---- connections ------------------------------------------------------------------------------------------------------------ */

connection *connection_of(struct MHD_Connection *c)
{
    return MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static connection *connection_new(front *f, struct MHD_Connection *mhd)
{
    connection *c = xcalloc(1, sizeof *c);
    c->f = f;
    c->mhd = mhd;
    c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    c->since_ns = clock_mono_ns();
    c->next = f->first;
    c->link = &f->first;
    if (f->first) f->first->link = &c->next;
    f->first = c;
    f->open++;
    f->count.connections++;
    return c;
}

void front_connection(void *ctx, struct MHD_Connection *mhd, void **state, enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *state = connection_new(ctx, mhd);
        return;
    }
    connection *c = *state;
    connection_watch(c, false);
    if (c->request) request_free(c->request);
    *c->link = c->next;
    if (c->next) c->next->link = c->link;
    c->f->open--;
    free(c);
}

/* Nobody waits for the answer any more. */
static void give_up(connection *c)
{
    request *r = c->request;
    shutdown(c->fd, SHUT_RDWR);
    if (!r) return;
    r->left = true;
    if (r->call && r->route->gone) r->route->gone(r);
    r->ended = true;
    request_go_on(r);
}

/* A client that leaves while its call is worked on is not seen by MHD, which does not look at a suspended connection. */
static void on_client(uv_poll_t *p, int status, int events)
{
    connection *c = p->data;
    if (status == 0 && !(events & UV_DISCONNECT)) return;
    connection_watch(c, false);
    give_up(c);
}

void connection_watch(connection *c, bool on)
{
    if (!on && c->watch) {
        uv_poll_stop(c->watch);
        close_handle(c->watch);
        c->watch = NULL;
    } else if (on && !c->watch) {
        uv_poll_t *p = xcalloc(1, sizeof *p);
        if (uv_poll_init(c->f->loop, p, c->fd) != 0) {
            free(p);
            return;
        }
        p->data = c;
        uv_poll_start(p, UV_DISCONNECT, on_client);
        c->watch = p;
    }
}

/* Whether its client has had long enough: to ask, or to send what it began. What comes as a stream has no end in time. */
static bool too_slow(const front *f, const connection *c, uint64_t now)
{
    const request *r = c->request;
    if (c->suspended) return false;
    if (!r) return now > c->since_ns + f->config->idle_ns + f->config->receive_ns;
    if (r->uploaded || r->state != OUT_WAITING) return false;
    if (r->started && r->method && rpc_method_takes_stream(r->method)) return false;
    return now > r->since_ns + f->config->receive_ns;
}

static void on_sweep(uv_timer_t *t)
{
    front *f = t->data;
    uint64_t now = clock_mono_ns();
    for (connection *c = f->first; c; c = c->next) {
        if (!too_slow(f, c, now)) continue;
        f->count.slow++;
        shutdown(c->fd, SHUT_RDWR); /* MHD sees its end */
        c->since_ns = now;
        if (c->request) c->request->since_ns = now;
    }
    turn(f);
}

/* ---- opening ---------------------------------------------------------------------------------------------------------------- */

static int listen_socket(const char *listen_at, char *address, size_t size, sinter_error *e)
{
    char host[256], port[8];
    const char *colon = strrchr(listen_at, ':'), *why = NULL;
    bool bracketed = *listen_at == '[';
    snprintf(host, sizeof host, "%.*s", (int)(colon - listen_at) - 2 * bracketed, listen_at + bracketed);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    int one = 1, fd = -1, code = getaddrinfo(host, colon + 1, &hints, &found);
    if (code != 0) why = gai_strerror(code);
    if (!why) fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (!why && (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0)) why = strerror(errno);
    struct sockaddr_storage bound;
    socklen_t n = sizeof bound;
    if (!why && getsockname(fd, (struct sockaddr *)&bound, &n) == 0 &&
        getnameinfo((struct sockaddr *)&bound, n, NULL, 0, port, sizeof port, NI_NUMERICSERV) == 0)
        snprintf(address, size, "%.*s:%s", (int)(colon - listen_at), listen_at, port);
    if (found) freeaddrinfo(found);
    if (!why) return fd;
    if (fd >= 0) close(fd);
    error_set(e, SINTER_UNAVAILABLE, "http.listen", "stop the other server, or choose another address; port 0 is any free one",
              "cannot listen on %s: %s", listen_at, why);
    return -1;
}

static void mhd_says(void *ctx, const char *fmt, va_list args)
{
    (void)ctx;
    char text[500];
    vsnprintf(text, sizeof text, fmt, args);
    size_t n = strlen(text);
    while (n && text[n - 1] == '\n')
        text[--n] = '\0';
    log_debug("http", "%s", text);
}

static struct MHD_Daemon *start_daemon(front *f, int fd)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    return MHD_start_daemon(flags, 0, NULL, NULL, request_access, f, MHD_OPTION_EXTERNAL_LOGGER, mhd_says, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
                            MHD_OPTION_CONNECTION_LIMIT, f->config->max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            (size_t)HEAD_BYTES_MOST, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(f->config->idle_ns / 1000000000u),
                            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 0, MHD_OPTION_URI_LOG_CALLBACK, request_uri, f,
                            MHD_OPTION_NOTIFY_COMPLETED, request_completed, f, MHD_OPTION_NOTIFY_CONNECTION, front_connection, f,
                            MHD_OPTION_END);
}

static uv_timer_t *timer(front *f)
{
    uv_timer_t *t = xcalloc(1, sizeof *t);
    uv_timer_init(f->loop, t);
    t->data = f;
    return t;
}

static sinter_status front_open(server *s, uv_loop_t *loop, void **out, char *address, size_t size, sinter_error *e)
{
    const config_http *wanted = &rpc_config(s)->http;
    if (!*wanted->listen) return SINTER_OK;
    int fd = listen_socket(wanted->listen, address, size, e);
    if (fd < 0) return SINTER_UNAVAILABLE;
    front *f = xcalloc(1, sizeof *f);
    f->s = s;
    f->config = wanted;
    f->loop = loop;
    f->daemon = start_daemon(f, fd);
    if (!f->daemon) {
        close(fd);
        free(f);
        return error_set(e, SINTER_INTERNAL, "http.listen", "look at the limit of open files", "the HTTP server could not start");
    }
    f->figures = metric_table_new();
    f->poll = xcalloc(1, sizeof *f->poll);
    uv_poll_init(loop, f->poll, MHD_get_daemon_info(f->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
    f->poll->data = f;
    uv_poll_start(f->poll, UV_READABLE, on_ready);
    f->pump = timer(f);
    f->sweep = timer(f);
    f->end = timer(f);
    uv_timer_start(f->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    *out = f;
    return SINTER_OK;
}

/* ---- the end ---------------------------------------------------------------------------------------------------------------- */

static void stop(front *f)
{
    if (f->closed) return;
    for (connection *c = f->first; c; c = c->next) { /* MHD stops nothing that is suspended */
        connection_watch(c, false);
        give_up(c);
    }
    MHD_run(f->daemon);
    f->closed = true;
    uv_poll_stop(f->poll);
    MHD_stop_daemon(f->daemon);
    close_handle(f->poll);
    close_handle(f->pump);
    close_handle(f->sweep);
    close_handle(f->end);
}

static void on_end(uv_timer_t *t)
{
    enum { LOOK_AGAIN_MS = 5 };
    front *f = t->data;
    turn(f);
    if (f->active == 0 || uv_now(f->loop) >= f->last_ms)
        stop(f);
    else
        uv_timer_start(f->end, on_end, LOOK_AGAIN_MS, 0);
}

static void front_close(void *ctx, uint64_t grace_ms)
{
    front *f = ctx;
    if (f->closing) return;
    f->closing = true;
    MHD_socket fd = MHD_quiesce_daemon(f->daemon);
    if (fd >= 0) close(fd);
    f->last_ms = uv_now(f->loop) + grace_ms;
    uv_timer_start(f->end, on_end, 0, 0);
}

static void front_free(void *ctx)
{
    front *f = ctx;
    metric_table_free(f->figures);
    free(f);
}

const rpc_front HTTP_FRONT = {.open = front_open, .close = front_close, .free = front_free};
