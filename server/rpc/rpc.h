/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The network side: gRPC lanes, services, limits, health, reflection, drain; and calls that come another way than gRPC.
 *
 * rpc_serve owns the libuv main loop, the lanes and the control thread; it returns when SIGINT or SIGTERM has been
 * answered and everything is drained, or when it could not start.
 *
 * A front is what listens beside gRPC, in a room above this one: it is opened and closed here and calls methods as a guest,
 * in JSON. A guest's call has the same limits, deadlines, refusals and drain as any other, and runs where others run. */
#ifndef SINTER_RPC_H
#define SINTER_RPC_H

#include <uv.h>

#include "base/base.h"
#include "config/config.h"
#include "pipeline/pipeline.h"

typedef struct server server;

/* Everything on the main loop. */
typedef struct rpc_front {
    /* Listens; `address` gets "HOST:PORT", empty where the configuration wants no front. */
    sinter_status (*open)(server *s, uv_loop_t *loop, void **front, char *address, size_t size, sinter_error *e);
    /* Everything is drained: says what it still has to say, in at most `grace_ms`, and closes its handles. */
    void (*close)(void *front, uint64_t grace_ms);
    void (*free)(void *front); /* after the loop has ended */
} rpc_front;

typedef struct rpc_options {
    const char *exe;            /* path of this binary, for child processes */
    const char *port_file;      /* NULL, or a file that gets "HOST:PORT\n" once listening */
    const char *http_port_file; /* the same of the front */
    const rpc_front *front;     /* NULL: none */
    bool rebuild_index;
} rpc_options;

/* Takes over `c`. Blocks until drained. */
sinter_status rpc_serve(config *c, const rpc_options *o, sinter_error *e);

/* ---- a guest's calls: main loop only ----------------------------------------------------------------------------------- */

typedef struct method method;
typedef struct rpc_call rpc_call;

/* Never called from inside a function of a call; each text is the callee's until it returns. */
typedef struct rpc_guest {
    void (*message)(void *ctx, str json); /* streams: one answer; the next comes after rpc_call_taken */
    void (*receive)(void *ctx);           /* streams of requests: rpc_call_message is awaited */
    /* The last: the call is gone. `code` of google.rpc.Code; not OK: `json` is a google.rpc.Status; OK: the answer, or a stream's last
     * one, which may be empty. */
    void (*ended)(void *ctx, uint32_t code, str json);
} rpc_guest;

/* By "sinter.v1.SearchService/Search". NULL: unknown; `e` names what is near. */
const method *rpc_method_find(const char *path, sinter_error *e);
bool rpc_method_takes_stream(const method *m);
bool rpc_method_gives_stream(const method *m);

/* Begins a call; `json`, the request, is taken over (NULL where the method takes a stream). `timeout_ns`: UINT64_MAX, none. */
rpc_call *rpc_call_start(server *s, const method *m, buffer *json, uint64_t timeout_ns, const rpc_guest *to, void *ctx);
/* The message asked for by `receive`, taken over; NULL: there are no more. */
void rpc_call_message(rpc_call *c, buffer *json);
void rpc_call_taken(rpc_call *c);
/* Whoever asked has left: nothing is told any more, the call ends soon. */
void rpc_call_leave(rpc_call *c);
/* google.rpc.Status as JSON. */
void rpc_status_json(sinter_status s, const sinter_error *e, buffer *out);
uint32_t rpc_status_code(sinter_status s);

/* ---- what a front shows ------------------------------------------------------------------------------------------------ */

const config_server *rpc_config(const server *s);
/* Why the server is not ready to search and to be written to, a line each; true: it is. `notes`: what is worth knowing all the
 * same. [main loop] */
bool rpc_ready(server *s, buffer *reasons, buffer *notes);
/* Every figure of the house. [main loop] */
void rpc_metrics(server *s, scrape *m);

#endif
