/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of this room share: the listener, its connections, one request. Everything on the main loop. Private to the room. */
#ifndef SINTER_HTTP_INSIDE_H
#define SINTER_HTTP_INSIDE_H

#include <microhttpd.h>
#include <uv.h>

#include "http/http.h"

typedef struct front front;
typedef struct connection connection;
typedef struct request request;

/* X(name, help) */
#define HTTP_COUNTERS(X)                                                                                                               \
    X(connections, "Connections taken.")                                                                                               \
    X(slow, "Connections closed because a request did not come whole in time.")                                                        \
    X(foreign, "Requests refused because a page of another site sent them.")

struct front {
    server *s;
    const config_http *config;
    uv_loop_t *loop;
    struct MHD_Daemon *daemon;
    uv_poll_t *poll;
    uv_timer_t *pump, *sweep, *end; /* MHD's next moment; slow clients; the last words */
    connection *first;
    uint32_t open, active; /* connections; requests being answered */
    bool closing, closed;
    uint64_t last_ms; /* closing: of the loop's clock, when it is over whatever is left */
    metric_table *figures;
    struct {
#define X(name, help) uint64_t name;
        HTTP_COUNTERS(X)
#undef X
    } count;
};

struct connection {
    front *f;
    struct MHD_Connection *mhd;
    int fd;
    uint64_t since_ns; /* accepted, or the last request's end */
    bool suspended;
    uv_poll_t *watch; /* for the client's leaving, while suspended */
    request *request; /* NULL: none has begun */
    connection *next, **link;
};

/* What answers a path. */
typedef struct route {
    const char *path;
    const char *methods; /* "GET, HEAD" */
    bool guarded;        /* only for hosts and origins that may */
    void (*begin)(request *r);                            /* the head is here: may answer already */
    void (*body)(request *r, const char *data, size_t n); /* NULL: none is read */
    void (*whole)(request *r);                            /* all is here: answers, now or later */
    void (*gone)(request *r);                             /* the client has left, or all is said; NULL: nothing to do */
} route;

typedef enum { OUT_WAITING, OUT_READY, OUT_QUEUED } out_state;

struct request {
    connection *of;
    const route *route;
    char path[256]; /* decoded, without the query */
    uint64_t since_ns;
    bool started, uploaded, counted, left; /* left: the client has gone */
    uint64_t dropped; /* bytes of the body that nobody wants any more */

    /* the answer */
    out_state state;
    uint32_t code;
    const char *type;
    const char *headers[8][2];
    uint32_t n_headers;
    buffer out;
    bool streamed, ended; /* `out` grows until ended */
    size_t sent;          /* of `out`, streamed only */

    /* a method called as JSON: gateway.c */
    const method *method;
    rpc_call *call;
    uint64_t timeout_ns;
    buffer body;      /* unary: the message; a stream: what is not a whole line yet, or not asked for */
    size_t read_to;   /* of `body`: lines given to the call */
    bool wants, taken_owed, too_large;
};

/* ---- request.c ---- */
void *request_uri(void *ctx, const char *uri, struct MHD_Connection *c);
enum MHD_Result request_access(void *ctx, struct MHD_Connection *c, const char *url, const char *verb, const char *version, const char *data,
                               size_t *n, void **state);
void request_completed(void *ctx, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode why);
void request_free(request *r);
/* Sets the answer; the body is r->out. It leaves when the request is whole. */
void request_answer(request *r, uint32_t code, const char *type);
void request_header(request *r, const char *name, const char *value); /* texts that outlive the request */
/* google.rpc.Status as the body, the HTTP code that goes with it. */
void request_refuse(request *r, sinter_status s, const sinter_error *e);
uint32_t request_code(uint32_t rpc_code);
/* Stops the connection until request_go_on. */
void request_wait(request *r);
void request_go_on(request *r);
const char *request_head(const request *r, const char *name); /* NULL: not sent */

/* ---- front.c ---- */
void front_connection(void *ctx, struct MHD_Connection *c, void **state, enum MHD_ConnectionNotificationCode what);
connection *connection_of(struct MHD_Connection *c);
void connection_watch(connection *c, bool on);

/* ---- guard.c ---- */
/* False: the request comes from where it may not; answered so. Adds what browsers want to see. */
bool guard_allows(request *r);

/* ---- routes ---- */
extern const route GATEWAY, PREFLIGHT;
const route *plain_route(const char *path); /* plain.c: health, readiness, metrics; NULL: none of them */
void front_metrics(const front *f, scrape *m); /* plain.c */
void front_count(front *f, const char *path, uint32_t code);

#endif
