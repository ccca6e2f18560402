/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The blocking client: one channel, one completion queue, every operation plucked by its own tag. */
#include "client.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <google/rpc/error_details.pb-c.h>
#include <google/rpc/status.pb-c.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

static const int64_t CONNECT_MS = 5000, REFUSED_MS = 500;

struct client {
    char *server;
    grpc_channel *channel;
    grpc_completion_queue *queue;
};

/* gRPC's codes are these numbers on the wire. */
static const sinter_status STATUS_OF[] = {
    [GRPC_STATUS_OK] = SINTER_OK,
    [GRPC_STATUS_CANCELLED] = SINTER_CANCELLED,
    [GRPC_STATUS_UNKNOWN] = SINTER_UNKNOWN,
    [GRPC_STATUS_INVALID_ARGUMENT] = SINTER_INVALID,
    [GRPC_STATUS_DEADLINE_EXCEEDED] = SINTER_DEADLINE,
    [GRPC_STATUS_NOT_FOUND] = SINTER_NOT_FOUND,
    [GRPC_STATUS_ALREADY_EXISTS] = SINTER_EXISTS,
    [GRPC_STATUS_PERMISSION_DENIED] = SINTER_PERMISSION,
    [GRPC_STATUS_RESOURCE_EXHAUSTED] = SINTER_EXHAUSTED,
    [GRPC_STATUS_FAILED_PRECONDITION] = SINTER_PRECONDITION,
    [GRPC_STATUS_ABORTED] = SINTER_CONFLICT,
    [GRPC_STATUS_OUT_OF_RANGE] = SINTER_INVALID,
    [GRPC_STATUS_UNIMPLEMENTED] = SINTER_UNIMPLEMENTED,
    [GRPC_STATUS_INTERNAL] = SINTER_INTERNAL,
    [GRPC_STATUS_UNAVAILABLE] = SINTER_UNAVAILABLE,
    [GRPC_STATUS_DATA_LOSS] = SINTER_DATA_LOSS,
    [GRPC_STATUS_UNAUTHENTICATED] = SINTER_UNAUTHENTICATED,
};

static sinter_status status_of(grpc_status_code code) {
    return (size_t)code < ARRAY_LEN(STATUS_OF) ? STATUS_OF[code] : SINTER_UNKNOWN;
}

static gpr_timespec deadline_of(uint64_t timeout_ns) {
    if (timeout_ns > (uint64_t)INT64_MAX) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos((int64_t)timeout_ns, GPR_TIMESPAN));
}

static bool pluck(client *c, void *tag) {
    grpc_event ev = grpc_completion_queue_pluck(c->queue, tag, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    return ev.type == GRPC_OP_COMPLETE && ev.success;
}

/* ---- connection ---------------------------------------------------------------------------------------------------- */

/* Ready, or why not: a refused connection is known after REFUSED_MS of tries (on a machine under load one try may fail), a silent
 * address after CONNECT_MS. */
static bool wait_connected(client *c) {
    gpr_timespec refused = deadline_of((uint64_t)REFUSED_MS * 1000000), silent = deadline_of((uint64_t)CONNECT_MS * 1000000);
    grpc_connectivity_state now = grpc_channel_check_connectivity_state(c->channel, 1);
    while (now != GRPC_CHANNEL_READY) {
        if (now == GRPC_CHANNEL_SHUTDOWN) return false;
        /* It stays in failure, trying, until a try succeeds. */
        grpc_channel_watch_connectivity_state(c->channel, now, now == GRPC_CHANNEL_TRANSIENT_FAILURE ? refused : silent, c->queue, c);
        if (!pluck(c, c)) return false;
        now = grpc_channel_check_connectivity_state(c->channel, 1);
    }
    return true;
}

static grpc_channel *channel_to(const char *server) {
    grpc_arg arg[] = {
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, .value.integer = INT_MAX},
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ENABLE_HTTP_PROXY, .value.integer = 0},
        /* Else all clients of a process to one server would share one connection. */
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, .value.integer = 100},
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, .value.integer = 1000},
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, .value.integer = 1},
    };
    grpc_channel_args args = {ARRAY_LEN(arg), arg};
    grpc_channel_credentials *plain = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create(server, plain, &args);
    grpc_channel_credentials_release(plain);
    return channel;
}

sinter_status client_open(const char *server, client **out, sinter_error *e) {
    if (!server) server = getenv("SINTER_SERVER");
    if (!server || !*server) server = CLIENT_DEFAULT_SERVER;
    setenv("GRPC_VERBOSITY", "NONE", 0); /* its own log lines say nothing that our errors do not */
    grpc_init();
    client *c = xcalloc(1, sizeof *c);
    c->server = xstrdup(server);
    c->queue = grpc_completion_queue_create_for_pluck(NULL);
    c->channel = channel_to(server);
    *out = c;
    if (wait_connected(c)) return SINTER_OK;
    *out = NULL;
    error_set(e, SINTER_UNAVAILABLE, NULL, "start one with sinter serve, or name it with --server HOST:PORT", "no server answers at %s", server);
    client_close(c);
    return SINTER_UNAVAILABLE;
}

void client_close(client *c) {
    if (!c) return;
    grpc_channel_destroy(c->channel);
    grpc_completion_queue_shutdown(c->queue);
    grpc_completion_queue_destroy(c->queue);
    free(c->server);
    free(c);
    grpc_shutdown();
}

const char *client_server(const client *c) {
    return c->server;
}

/* ---- bytes ------------------------------------------------------------------------------------------------------------- */

static grpc_byte_buffer *packed(const ProtobufCMessage *m) {
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(m));
    protobuf_c_message_pack(m, GRPC_SLICE_START_PTR(slice));
    grpc_byte_buffer *b = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return b;
}

static ProtobufCMessage *unpacked(grpc_byte_buffer *b, const ProtobufCMessageDescriptor *type) {
    grpc_byte_buffer_reader reader;
    if (!grpc_byte_buffer_reader_init(&reader, b)) return NULL;
    grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    ProtobufCMessage *m = protobuf_c_message_unpack(type, NULL, GRPC_SLICE_LENGTH(all), GRPC_SLICE_START_PTR(all));
    grpc_slice_unref(all);
    return m;
}

static void append_slice(buffer *b, grpc_slice s) {
    buffer_append(b, GRPC_SLICE_START_PTR(s), GRPC_SLICE_LENGTH(s));
}

/* ---- errors ------------------------------------------------------------------------------------------------------------- */

static void add_violations(buffer *text, const Google__Protobuf__Any *any) {
    Google__Rpc__BadRequest *bad = google__rpc__bad_request__unpack(NULL, any->value.len, any->value.data);
    if (!bad) return;
    for (size_t i = 0; i < bad->n_field_violations; i++) {
        const Google__Rpc__BadRequest__FieldViolation *v = bad->field_violations[i];
        char line[1024];
        snprintf(line, sizeof line, "%s: %s", v->field, v->description);
        if (!text->data || !strstr(text->data, v->description)) buffer_printf(text, "\n  %s", line); /* not what the message says */
    }
    google__rpc__bad_request__free_unpacked(bad, NULL);
}

static void add_retry(char *fix, size_t size, const Google__Protobuf__Any *any) {
    Google__Rpc__RetryInfo *retry = google__rpc__retry_info__unpack(NULL, any->value.len, any->value.data);
    if (!retry) return;
    if (retry->retry_delay)
        snprintf(fix, size, "try again in %.3g s", (double)retry->retry_delay->seconds + retry->retry_delay->nanos / 1e9);
    google__rpc__retry_info__free_unpacked(retry, NULL);
}

static void add_details(buffer *text, char *fix, size_t size, grpc_slice bytes) {
    Google__Rpc__Status *status = google__rpc__status__unpack(NULL, GRPC_SLICE_LENGTH(bytes), GRPC_SLICE_START_PTR(bytes));
    if (!status) return;
    for (size_t i = 0; i < status->n_details; i++) {
        const Google__Protobuf__Any *any = status->details[i];
        const char *name = strrchr(any->type_url, '/');
        name = name ? name + 1 : any->type_url;
        if (strcmp(name, "google.rpc.BadRequest") == 0) add_violations(text, any);
        if (strcmp(name, "google.rpc.RetryInfo") == 0) add_retry(fix, size, any);
    }
    google__rpc__status__free_unpacked(status, NULL);
}

typedef struct outcome { /* what RECV_STATUS_ON_CLIENT brings */
    grpc_status_code code;
    grpc_slice message;
    grpc_metadata_array trailers;
} outcome;

static sinter_status outcome_error(const outcome *o, sinter_error *e) {
    if (o->code == GRPC_STATUS_OK) return SINTER_OK;
    buffer text = {0};
    char fix[256] = "";
    append_slice(&text, o->message);
    for (size_t i = 0; i < o->trailers.count; i++) {
        if (grpc_slice_str_cmp(o->trailers.metadata[i].key, "grpc-status-details-bin") == 0)
            add_details(&text, fix, sizeof fix, o->trailers.metadata[i].value);
    }
    sinter_status s = status_of(o->code);
    if (text.len == 0) buffer_puts(&text, status_text(s));
    error_set(e, s, NULL, fix, "%s", text.data);
    buffer_free(&text);
    return s;
}

static void outcome_destroy(outcome *o) {
    grpc_slice_unref(o->message);
    grpc_metadata_array_destroy(&o->trailers);
}

int client_exit_code(client *c, const sinter_error *e) {
    if (!c) return EXIT_UNREACHABLE;
    bool connected = grpc_channel_check_connectivity_state(c->channel, 0) == GRPC_CHANNEL_READY;
    switch (e->status) {
    case SINTER_OK: return EXIT_OK;
    case SINTER_UNAVAILABLE: return connected ? EXIT_REFUSED : EXIT_UNREACHABLE;
    case SINTER_NOT_FOUND: return EXIT_ABSENT;
    case SINTER_INVALID:
    case SINTER_EXISTS:
    case SINTER_PRECONDITION:
    case SINTER_EXHAUSTED:
    case SINTER_UNIMPLEMENTED:
    case SINTER_PERMISSION:
    case SINTER_UNAUTHENTICATED: return EXIT_REFUSED;
    default: return EXIT_FAILED;
    }
}

int client_fail(const char *command, client *c, const sinter_error *e) {
    char line[1600];
    fprintf(stderr, "sinter %s: %s\n", command, error_line(e, line, sizeof line));
    return client_exit_code(c, e);
}

/* ---- calls ---------------------------------------------------------------------------------------------------------------- */

struct client_stream {
    client *c;
    grpc_call *call;
    const ProtobufCMessageDescriptor *answer_type;
    outcome outcome;
    grpc_metadata_array headers;
    bool started, over, finished_sending;
    char tag_start, tag_headers, tag_status, tag_send, tag_receive; /* their addresses are the tags */
};

static grpc_call *call_new(client *c, const char *method, uint64_t timeout_ns) {
    char path[256];
    snprintf(path, sizeof path, "/%s", method);
    grpc_slice slice = grpc_slice_from_copied_string(path);
    grpc_call *call = grpc_channel_create_call(c->channel, NULL, GRPC_PROPAGATE_DEFAULTS, c->queue, slice, NULL, deadline_of(timeout_ns), NULL);
    grpc_slice_unref(slice);
    return call;
}

/* False only when the library itself refuses the batch. */
static bool start(client_stream *s, const grpc_op *op, size_t n, void *tag) {
    return grpc_call_start_batch(s->call, op, n, tag, NULL) == GRPC_CALL_OK;
}

static sinter_status library_error(sinter_error *e) {
    return error_set(e, SINTER_INTERNAL, "client", NULL, "the gRPC library refused an operation");
}

static sinter_status answer_of(client *c, grpc_byte_buffer *b, const ProtobufCMessageDescriptor *type, ProtobufCMessage **answer,
                               sinter_error *e) {
    *answer = unpacked(b, type);
    if (*answer) return SINTER_OK;
    return error_set(e, SINTER_INTERNAL, c->server, "use a server of this version", "an answer is not a %s", type->name);
}

/* Waits for the call's end and says how it ended. */
static sinter_status ended(client_stream *s, sinter_error *e) {
    if (!s->over) pluck(s->c, &s->tag_status);
    s->over = true;
    return outcome_error(&s->outcome, e);
}

sinter_status client_stream_open(client *c, const char *method, const ProtobufCMessageDescriptor *answer_type,
                                 uint64_t timeout_ns, client_stream **out, sinter_error *e) {
    client_stream *s = xcalloc(1, sizeof *s);
    s->c = c;
    s->answer_type = answer_type;
    s->outcome.message = grpc_empty_slice();
    grpc_metadata_array_init(&s->outcome.trailers);
    grpc_metadata_array_init(&s->headers);
    s->call = call_new(c, method, timeout_ns);
    *out = s;
    grpc_op status = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
                      .data.recv_status_on_client = {&s->outcome.trailers, &s->outcome.code, &s->outcome.message, NULL}};
    /* Asked for from the start: without it neither a message nor, after a failed send, the status would come. */
    grpc_op headers = {.op = GRPC_OP_RECV_INITIAL_METADATA, .data.recv_initial_metadata.recv_initial_metadata = &s->headers};
    grpc_op hello = {.op = GRPC_OP_SEND_INITIAL_METADATA};
    if (start(s, &status, 1, &s->tag_status) && start(s, &headers, 1, &s->tag_headers) && start(s, &hello, 1, &s->tag_start)) {
        s->started = true;
        pluck(c, &s->tag_start); /* a failure shows in the status */
        return SINTER_OK;
    }
    s->over = true;
    client_stream_close(s);
    *out = NULL;
    return library_error(e);
}

/* An ended call that claims OK still did not take the message. */
static sinter_status not_taken(client_stream *s, sinter_error *e) {
    sinter_status status = ended(s, e);
    return status != SINTER_OK ? status : error_set(e, SINTER_CANCELLED, NULL, NULL, "the server ended the call early");
}

sinter_status client_stream_send(client_stream *s, const ProtobufCMessage *message, sinter_error *e) {
    if (s->over) return not_taken(s, e);
    grpc_byte_buffer *b = packed(message);
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = b};
    bool started = start(s, &op, 1, &s->tag_send), taken = started && pluck(s->c, &s->tag_send);
    grpc_byte_buffer_destroy(b);
    if (!started) return library_error(e);
    return taken ? SINTER_OK : not_taken(s, e);
}

sinter_status client_stream_finish_sending(client_stream *s, sinter_error *e) {
    if (s->over || s->finished_sending) return SINTER_OK;
    s->finished_sending = true;
    grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    if (!start(s, &op, 1, &s->tag_send)) return library_error(e);
    pluck(s->c, &s->tag_send); /* where the call is over, the next receive says how */
    return SINTER_OK;
}

sinter_status client_stream_receive(client_stream *s, ProtobufCMessage **answer, sinter_error *e) {
    grpc_byte_buffer *b = NULL;
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &b};
    *answer = NULL;
    if (s->over) return ended(s, e);
    if (!start(s, &op, 1, &s->tag_receive)) return library_error(e);
    pluck(s->c, &s->tag_receive);
    if (!b) return ended(s, e);
    sinter_status status = answer_of(s->c, b, s->answer_type, answer, e);
    grpc_byte_buffer_destroy(b);
    return status;
}

void client_stream_close(client_stream *s) {
    if (!s) return;
    if (!s->over) {
        grpc_call_cancel(s->call, NULL);
        pluck(s->c, &s->tag_status);
    }
    if (s->started) pluck(s->c, &s->tag_headers);
    outcome_destroy(&s->outcome);
    grpc_metadata_array_destroy(&s->headers);
    grpc_call_unref(s->call);
    free(s);
}

/* The whole call as one batch: what was answered counts, whether the server read the request or not. */
sinter_status client_call(client *c, const char *method, const ProtobufCMessage *request,
                          const ProtobufCMessageDescriptor *answer_type, uint64_t timeout_ns, ProtobufCMessage **answer,
                          sinter_error *e) {
    outcome o = {.message = grpc_empty_slice()};
    grpc_metadata_array headers;
    grpc_byte_buffer *out = packed(request), *in = NULL;
    grpc_call *call = call_new(c, method, timeout_ns);
    grpc_metadata_array_init(&headers);
    grpc_metadata_array_init(&o.trailers);
    grpc_op op[] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                    {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = out},
                    {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
                    {.op = GRPC_OP_RECV_INITIAL_METADATA, .data.recv_initial_metadata.recv_initial_metadata = &headers},
                    {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &in},
                    {.op = GRPC_OP_RECV_STATUS_ON_CLIENT, .data.recv_status_on_client = {&o.trailers, &o.code, &o.message, NULL}}};
    bool started = grpc_call_start_batch(call, op, ARRAY_LEN(op), call, NULL) == GRPC_CALL_OK;
    if (started) pluck(c, call);
    *answer = NULL;
    sinter_status s = started ? outcome_error(&o, e) : library_error(e);
    if (s == SINTER_OK && !in)
        s = error_set(e, SINTER_INTERNAL, c->server, NULL, "the server answered %s without a message", method);
    if (s == SINTER_OK) s = answer_of(c, in, answer_type, answer, e);
    if (in) grpc_byte_buffer_destroy(in);
    grpc_byte_buffer_destroy(out);
    outcome_destroy(&o);
    grpc_metadata_array_destroy(&headers);
    grpc_call_unref(call);
    return s;
}
