/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The bare gRPC of the floor: a client whose calls are one batch each, used for the echo and for the server alike, and the echo. */
#include "bench_floor.h"

#include "base/base.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- client ---- */

struct rpc {
    grpc_channel *channel;
    grpc_completion_queue *queue;
    const char *method;
    void *registered;
};

rpc *rpc_connect(const char *address)
{
    grpc_init();
    rpc *r = xcalloc(1, sizeof *r);
    grpc_arg arg[] = {{.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, .value.integer = INT_MAX},
                      {.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)GRPC_ARG_ENABLE_HTTP_PROXY, .value.integer = 0}};
    grpc_channel_args args = {ARRAY_LEN(arg), arg};
    grpc_channel_credentials *plain = grpc_insecure_credentials_create();
    r->channel = grpc_channel_create(address, plain, &args);
    grpc_channel_credentials_release(plain);
    r->queue = grpc_completion_queue_create_for_pluck(NULL);
    return r;
}

void rpc_close(rpc *r)
{
    grpc_channel_destroy(r->channel);
    grpc_completion_queue_shutdown(r->queue);
    grpc_completion_queue_destroy(r->queue);
    free(r);
    grpc_shutdown();
}

static rpc_answer copy_out(grpc_byte_buffer *b)
{
    rpc_answer out = {0};
    grpc_byte_buffer_reader reader;
    if (!b || !grpc_byte_buffer_reader_init(&reader, b)) return out;
    grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    out.size = GRPC_SLICE_LENGTH(all);
    out.bytes = xmalloc(out.size + 1);
    memcpy(out.bytes, GRPC_SLICE_START_PTR(all), out.size);
    grpc_slice_unref(all);
    return out;
}

static grpc_byte_buffer *buffer_of(const uint8_t *bytes, size_t size)
{
    grpc_slice slice = grpc_slice_from_copied_buffer((const char *)bytes, size);
    grpc_byte_buffer *b = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return b;
}

rpc_answer rpc_call(rpc *r, const char *method, const uint8_t *bytes, size_t size)
{
    if (r->method != method) {
        r->registered = grpc_channel_register_call(r->channel, method, NULL, NULL);
        r->method = method;
    }
    grpc_call *call = grpc_channel_create_registered_call(r->channel, NULL, GRPC_PROPAGATE_DEFAULTS, r->queue, r->registered,
                                                          gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_byte_buffer *sent = buffer_of(bytes, size), *got = NULL;
    grpc_metadata_array headers, trailers;
    grpc_metadata_array_init(&headers);
    grpc_metadata_array_init(&trailers);
    grpc_status_code status = GRPC_STATUS_UNKNOWN;
    grpc_slice why = grpc_empty_slice();
    grpc_op op[6] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                     {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = sent},
                     {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
                     {.op = GRPC_OP_RECV_INITIAL_METADATA, .data.recv_initial_metadata.recv_initial_metadata = &headers},
                     {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &got},
                     {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
                      .data.recv_status_on_client = {.trailing_metadata = &trailers, .status = &status, .status_details = &why}}};
    grpc_call_error bad = grpc_call_start_batch(call, op, ARRAY_LEN(op), r, NULL);
    if (bad == GRPC_CALL_OK) grpc_completion_queue_pluck(r->queue, r, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    if (bad != GRPC_CALL_OK || status != GRPC_STATUS_OK) {
        fprintf(stderr, "bench: %s: status %d: %.*s\n", method, (int)status, (int)GRPC_SLICE_LENGTH(why),
                (const char *)GRPC_SLICE_START_PTR(why));
        exit(1);
    }
    rpc_answer out = copy_out(got);
    if (got) grpc_byte_buffer_destroy(got);
    grpc_byte_buffer_destroy(sent);
    grpc_metadata_array_destroy(&headers);
    grpc_metadata_array_destroy(&trailers);
    grpc_slice_unref(why);
    grpc_call_unref(call);
    return out;
}

/* ---- echo ---- */

typedef struct echo_call {
    grpc_call *call;
    gpr_timespec deadline;
    grpc_metadata_array metadata;
    grpc_byte_buffer *request, *reply;
    int closed;
    bool answered;
} echo_call;

typedef struct echo {
    grpc_server *server;
    grpc_completion_queue *queue;
    void *method;
} echo;

static void echo_post(echo *s)
{
    echo_call *c = xcalloc(1, sizeof *c);
    grpc_metadata_array_init(&c->metadata);
    grpc_server_request_registered_call(s->server, s->method, &c->call, &c->deadline, &c->metadata, &c->request, s->queue, s->queue, c);
}

static void echo_answer(echo_call *c)
{
    static uint8_t zeros[1 << 20];
    rpc_answer in = copy_out(c->request);
    uint32_t size = 0;
    if (in.size >= sizeof size) memcpy(&size, in.bytes, sizeof size);
    free(in.bytes);
    c->reply = buffer_of(zeros, size < sizeof zeros ? size : sizeof zeros);
    c->answered = true;
    grpc_op op[4] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                     {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = c->reply},
                     {.op = GRPC_OP_SEND_STATUS_FROM_SERVER, .data.send_status_from_server.status = GRPC_STATUS_OK},
                     {.op = GRPC_OP_RECV_CLOSE_ON_SERVER, .data.recv_close_on_server.cancelled = &c->closed}};
    grpc_call_start_batch(c->call, op, ARRAY_LEN(op), c, NULL);
}

static void echo_free(echo_call *c)
{
    if (c->request) grpc_byte_buffer_destroy(c->request);
    if (c->reply) grpc_byte_buffer_destroy(c->reply);
    grpc_metadata_array_destroy(&c->metadata);
    if (c->call) grpc_call_unref(c->call);
    free(c);
}

/* The parent's end closes its pipe, and this ends: the process has nothing to save. */
static void *watch_parent(void *unused)
{
    char byte;
    while (read(0, &byte, 1) > 0) {
    }
    (void)unused;
    _exit(0);
}

int echo_serve(void)
{
    pthread_t watcher;
    echo s;
    grpc_init();
    s.queue = grpc_completion_queue_create_for_next(NULL);
    s.server = grpc_server_create(NULL, NULL);
    grpc_server_register_completion_queue(s.server, s.queue, NULL);
    s.method = grpc_server_register_method(s.server, ECHO_METHOD, NULL, GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
    grpc_server_credentials *plain = grpc_insecure_server_credentials_create();
    int port = grpc_server_add_http2_port(s.server, "127.0.0.1:0", plain);
    grpc_server_credentials_release(plain);
    if (port <= 0 || pthread_create(&watcher, NULL, watch_parent, NULL) != 0) return 1;
    grpc_server_start(s.server);
    for (int i = 0; i < 4; i++) echo_post(&s);
    printf("127.0.0.1:%d\n", port);
    fflush(stdout);
    for (;;) {
        grpc_event ev = grpc_completion_queue_next(s.queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        echo_call *c = ev.tag;
        if (ev.type != GRPC_OP_COMPLETE) continue;
        if (c->answered || !ev.success) {
            echo_free(c);
            continue;
        }
        echo_post(&s);
        echo_answer(c);
    }
}
