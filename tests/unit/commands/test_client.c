/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The client against a small server made here of the C core: answers, streams, rich errors, time, silence, exit codes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <google/rpc/error_details.pb-c.h>
#include <google/rpc/status.pb-c.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <sinter/v1/types.pb-c.h>

#include "commands/client.h"

/* ---- the server: one call at a time, on a thread of its own -------------------------------------------------------------- */

static grpc_server *server;
static grpc_completion_queue *calls, *ops;
static pthread_t thread;
static char address[64];

static gpr_timespec never(void) {
    return gpr_inf_future(GPR_CLOCK_REALTIME);
}

static void run_ops(grpc_call *call, const grpc_op *op, size_t n) {
    if (grpc_call_start_batch(call, op, n, call, NULL) == GRPC_CALL_OK) grpc_completion_queue_pluck(ops, call, never(), NULL);
}

static grpc_byte_buffer *receive(grpc_call *call) {
    grpc_byte_buffer *b = NULL;
    run_ops(call, &(grpc_op){.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &b}, 1);
    return b;
}

static bool headers_sent;

static void send_headers(grpc_call *call) {
    headers_sent = true;
    run_ops(call, &(grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA}, 1);
}

static void answer_with(grpc_call *call, grpc_byte_buffer *b) {
    run_ops(call, &(grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = b}, 1);
}

static void finish(grpc_call *call, grpc_status_code code, const char *message, const ProtobufCMessage *details) {
    grpc_slice text = grpc_slice_from_copied_string(message);
    grpc_metadata trailer = {.key = grpc_slice_from_static_string("grpc-status-details-bin"), .value = grpc_empty_slice()};
    if (details) {
        trailer.value = grpc_slice_malloc(protobuf_c_message_get_packed_size(details));
        protobuf_c_message_pack(details, GRPC_SLICE_START_PTR(trailer.value));
    }
    grpc_op op[] = {{.op = GRPC_OP_SEND_STATUS_FROM_SERVER,
                     .data.send_status_from_server = {details ? 1 : 0, &trailer, code, &text}},
                    {.op = GRPC_OP_SEND_INITIAL_METADATA}};
    run_ops(call, op, headers_sent ? 1 : 2);
    headers_sent = false;
    grpc_slice_unref(trailer.value);
    grpc_slice_unref(text);
}

static void serve_rich(grpc_call *call, grpc_status_code code, const char *message, const char *type, const ProtobufCMessage *m) {
    uint8_t bytes[512];
    Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT, *list[] = {&any};
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
    any.type_url = (char *)type;
    any.value = (ProtobufCBinaryData){protobuf_c_message_pack(m, bytes), bytes};
    status.code = (int32_t)code;
    status.n_details = 1;
    status.details = list;
    finish(call, code, message, &status.base);
}

static void serve_invalid(grpc_call *call) {
    Google__Rpc__BadRequest bad = GOOGLE__RPC__BAD_REQUEST__INIT;
    Google__Rpc__BadRequest__FieldViolation v[2] = {GOOGLE__RPC__BAD_REQUEST__FIELD_VIOLATION__INIT, GOOGLE__RPC__BAD_REQUEST__FIELD_VIOLATION__INIT};
    Google__Rpc__BadRequest__FieldViolation *list[] = {&v[0], &v[1]};
    v[0].field = (char *)"filter", v[0].description = (char *)"no field pirce";
    v[1].field = (char *)"page_size", v[1].description = (char *)"at most 1000";
    bad.n_field_violations = 2;
    bad.field_violations = list;
    serve_rich(call, GRPC_STATUS_INVALID_ARGUMENT, "2 problems", "type.googleapis.com/google.rpc.BadRequest", &bad.base);
}

static void serve_busy(grpc_call *call) {
    Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    delay.nanos = 250000000;
    retry.retry_delay = &delay;
    serve_rich(call, GRPC_STATUS_RESOURCE_EXHAUSTED, "too busy", "type.googleapis.com/google.rpc.RetryInfo", &retry.base);
}

static void serve_echo(grpc_call *call, int most) {
    send_headers(call);
    for (int i = 0; i != most; i++) {
        grpc_byte_buffer *b = receive(call);
        if (!b) break;
        answer_with(call, b);
        grpc_byte_buffer_destroy(b);
    }
    finish(call, GRPC_STATUS_OK, "", NULL);
}

static void serve_slow(grpc_call *call) {
    int cancelled = 0;
    run_ops(call, &(grpc_op){.op = GRPC_OP_RECV_CLOSE_ON_SERVER, .data.recv_close_on_server.cancelled = &cancelled}, 1);
}

static void serve_garbage(grpc_call *call) {
    grpc_slice s = grpc_slice_from_static_string("\xff\xff\xff");
    grpc_byte_buffer *b = grpc_raw_byte_buffer_create(&s, 1);
    send_headers(call);
    answer_with(call, b);
    grpc_byte_buffer_destroy(b);
    finish(call, GRPC_STATUS_OK, "", NULL);
}

static void serve(grpc_call *call, grpc_slice method) {
#define IS(name) (grpc_slice_str_cmp(method, "/t.S/" name) == 0)
    if (IS("Echo")) serve_echo(call, 1);
    else if (IS("Bidi")) serve_echo(call, -1);
    else if (IS("Two")) serve_echo(call, 2);
    else if (IS("Invalid")) serve_invalid(call);
    else if (IS("Busy")) serve_busy(call);
    else if (IS("Slow")) serve_slow(call);
    else if (IS("Garbage")) serve_garbage(call);
    else if (IS("Nothing")) finish(call, GRPC_STATUS_OK, "", NULL);
    else if (IS("Absent")) finish(call, GRPC_STATUS_NOT_FOUND, "no collection x; did you mean y?", NULL);
    else finish(call, GRPC_STATUS_UNIMPLEMENTED, "no such method", NULL);
}

static void server_run(void *arg) {
    (void)arg;
    for (;;) {
        grpc_call *call;
        grpc_call_details details;
        grpc_metadata_array metadata;
        grpc_call_details_init(&details);
        grpc_metadata_array_init(&metadata);
        grpc_server_request_call(server, &call, &details, &metadata, ops, calls, &details);
        grpc_event ev = grpc_completion_queue_next(calls, never(), NULL);
        bool stop = ev.type != GRPC_OP_COMPLETE || ev.tag != &details || !ev.success;
        if (!stop) {
            serve(call, details.method);
            grpc_call_unref(call);
        }
        grpc_call_details_destroy(&details);
        grpc_metadata_array_destroy(&metadata);
        if (stop) return;
    }
}

static int server_start(void **state) {
    (void)state;
    grpc_init();
    server = grpc_server_create(NULL, NULL);
    calls = grpc_completion_queue_create_for_next(NULL);
    ops = grpc_completion_queue_create_for_pluck(NULL);
    grpc_server_register_completion_queue(server, calls, NULL);
    grpc_server_register_completion_queue(server, ops, NULL);
    grpc_server_credentials *plain = grpc_insecure_server_credentials_create();
    int port = grpc_server_add_http2_port(server, "127.0.0.1:0", plain);
    grpc_server_credentials_release(plain);
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    grpc_server_start(server);
    return thread_start(&thread, "server", server_run, NULL, NULL);
}

static int server_stop(void **state) {
    (void)state;
    grpc_server_shutdown_and_notify(server, ops, &server);
    grpc_server_cancel_all_calls(server);
    grpc_completion_queue_pluck(ops, &server, never(), NULL);
    pthread_join(thread, NULL);
    grpc_server_destroy(server);
    grpc_completion_queue_shutdown(calls);
    while (grpc_completion_queue_next(calls, never(), NULL).type != GRPC_QUEUE_SHUTDOWN)
        continue;
    grpc_completion_queue_destroy(calls);
    grpc_completion_queue_shutdown(ops);
    grpc_completion_queue_destroy(ops);
    grpc_shutdown();
    return 0;
}

/* ---- the tests --------------------------------------------------------------------------------------------------------------- */

static const ProtobufCMessageDescriptor *const ITEM = &sinter__v1__item__descriptor;

static client *opened(void) {
    client *c = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(client_open(address, &c, &e), SINTER_OK);
    return c;
}

static sinter_status call(client *c, const char *method, uint64_t timeout_ns, Sinter__V1__Item **answer, sinter_error *e) {
    Sinter__V1__Item item = SINTER__V1__ITEM__INIT;
    item.id = (char *)"sku-1";
    return client_call(c, method, &item.base, ITEM, timeout_ns, (ProtobufCMessage **)answer, e);
}

static void a_call_brings_its_answer(void **state) {
    (void)state;
    client *c = opened();
    Sinter__V1__Item *answer;
    sinter_error e = SINTER_ERROR_INIT;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(call(c, "t.S/Echo", 10000000000, &answer, &e), SINTER_OK);
        assert_string_equal(answer->id, "sku-1");
        protobuf_c_message_free_unpacked(&answer->base, NULL);
    }
    client_close(c);
}

static void errors_bring_message_details_and_exit_code(void **state) {
    (void)state;
    static const struct {
        const char *method;
        sinter_status status;
        const char *what, *fix;
        int exit_code;
    } ROWS[] = {
        {"t.S/Invalid", SINTER_INVALID, "2 problems\n  filter: no field pirce\n  page_size: at most 1000", "", EXIT_REFUSED},
        {"t.S/Busy", SINTER_EXHAUSTED, "too busy", "try again in 0.25 s", EXIT_REFUSED},
        {"t.S/Absent", SINTER_NOT_FOUND, "no collection x; did you mean y?", "", EXIT_ABSENT},
        {"t.S/Other", SINTER_UNIMPLEMENTED, "no such method", "", EXIT_REFUSED},
        {"t.S/Nothing", SINTER_INTERNAL, "the server answered t.S/Nothing without a message", "", EXIT_FAILED},
        {"t.S/Garbage", SINTER_INTERNAL, "an answer is not a sinter.v1.Item", "use a server of this version", EXIT_FAILED},
    };
    client *c = opened();
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        Sinter__V1__Item *answer = (Sinter__V1__Item *)1;
        sinter_error e = SINTER_ERROR_INIT;
        assert_int_equal(call(c, ROWS[i].method, 10000000000, &answer, &e), ROWS[i].status);
        assert_null(answer);
        assert_string_equal(e.what, ROWS[i].what);
        assert_string_equal(e.fix, ROWS[i].fix);
        assert_int_equal(client_exit_code(c, &e), ROWS[i].exit_code);
    }
    client_close(c);
}

static void a_call_ends_at_its_deadline(void **state) {
    (void)state;
    client *c = opened();
    Sinter__V1__Item *answer;
    sinter_error e = SINTER_ERROR_INIT;
    uint64_t start = clock_mono_ns();
    assert_int_equal(call(c, "t.S/Slow", 100000000, &answer, &e), SINTER_DEADLINE);
    assert_true(clock_mono_ns() - start < 5000000000);
    assert_int_equal(client_exit_code(c, &e), EXIT_FAILED);
    client_close(c);
}

static void a_stream_carries_messages_both_ways(void **state) {
    (void)state;
    client *c = opened();
    client_stream *s;
    ProtobufCMessage *m;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(client_stream_open(c, "t.S/Bidi", ITEM, CLIENT_NO_TIMEOUT, &s, &e), SINTER_OK);
    for (int i = 0; i < 100; i++) {
        char id[16];
        Sinter__V1__Item item = SINTER__V1__ITEM__INIT;
        snprintf(id, sizeof id, "%d", i);
        item.id = id;
        assert_int_equal(client_stream_send(s, &item.base, &e), SINTER_OK);
        if (i < 4) continue; /* four in flight */
        assert_int_equal(client_stream_receive(s, &m, &e), SINTER_OK);
        assert_int_equal(atoi(((Sinter__V1__Item *)m)->id), i - 4);
        protobuf_c_message_free_unpacked(m, NULL);
    }
    assert_int_equal(client_stream_finish_sending(s, &e), SINTER_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(client_stream_receive(s, &m, &e), SINTER_OK);
        protobuf_c_message_free_unpacked(m, NULL);
    }
    assert_int_equal(client_stream_receive(s, &m, &e), SINTER_OK);
    assert_null(m);
    assert_int_equal(client_stream_receive(s, &m, &e), SINTER_OK); /* stays over */
    assert_null(m);
    client_stream_close(s);
    client_close(c);
}

static void a_stream_that_the_server_ends_says_so(void **state) {
    (void)state;
    client *c = opened();
    client_stream *s;
    ProtobufCMessage *m;
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__Item item = SINTER__V1__ITEM__INIT;
    assert_int_equal(client_stream_open(c, "t.S/Two", ITEM, CLIENT_NO_TIMEOUT, &s, &e), SINTER_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(client_stream_send(s, &item.base, &e), SINTER_OK);
        assert_int_equal(client_stream_receive(s, &m, &e), SINTER_OK);
        protobuf_c_message_free_unpacked(m, NULL);
    }
    assert_int_equal(client_stream_receive(s, &m, &e), SINTER_OK);
    assert_null(m);
    assert_int_equal(client_stream_send(s, &item.base, &e), SINTER_CANCELLED);
    assert_string_equal(e.what, "the server ended the call early");
    client_stream_close(s);
    assert_int_equal(client_stream_open(c, "t.S/Busy", ITEM, CLIENT_NO_TIMEOUT, &s, &e), SINTER_OK);
    assert_int_equal(client_stream_receive(s, &m, &e), SINTER_EXHAUSTED);
    assert_int_equal(client_stream_send(s, &item.base, &e), SINTER_EXHAUSTED);
    client_stream_close(s);
    assert_int_equal(client_stream_open(c, "t.S/Bidi", ITEM, CLIENT_NO_TIMEOUT, &s, &e), SINTER_OK);
    client_stream_close(s); /* given up: cancelled */
    client_close(c);
}

static void nobody_there_is_told_at_once(void **state) {
    (void)state;
    client *c = (client *)1;
    sinter_error e = SINTER_ERROR_INIT;
    uint64_t start = clock_mono_ns();
    assert_int_equal(client_open("127.0.0.1:1", &c, &e), SINTER_UNAVAILABLE);
    assert_null(c);
    assert_true(clock_mono_ns() - start < 4000000000);
    assert_string_equal(e.what, "no server answers at 127.0.0.1:1");
    assert_int_equal(client_fail("test", c, &e), EXIT_UNREACHABLE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_brings_its_answer),
        cmocka_unit_test(errors_bring_message_details_and_exit_code),
        cmocka_unit_test(a_call_ends_at_its_deadline),
        cmocka_unit_test(a_stream_carries_messages_both_ways),
        cmocka_unit_test(a_stream_that_the_server_ends_says_so),
        cmocka_unit_test(nobody_there_is_told_at_once),
    };
    return cmocka_run_group_tests(tests, server_start, server_stop);
}
