/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every method as JSON: POST /PACKAGE.SERVICE/METHOD with the request's protobuf JSON. A stream is one message a line, either way;
 * HTTP/1.1 answers when it has been asked, so that the answers to a stream of requests come once that has been sent. */
#include "inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define JSON             "application/json"
#define LINES            "application/x-ndjson"
#define OUT_HIGH         (256u << 10) /* a stream's answers on their way to the client, beyond which no more are taken */
#define OUT_MOST         (64u << 20)  /* answers kept while the requests still come */
#define RESPONSE_TOO_BIG 413

static const rpc_guest GUEST;

/* ---- the head --------------------------------------------------------------------------------------------------------------- */

static void refuse(request *r, uint32_t code, sinter_status s, const char *where, const char *fix, const char *what)
{
    sinter_error e = SINTER_ERROR_INIT;
    error_set(&e, s, where, fix, "%s", what);
    request_refuse(r, s, &e);
    r->code = code;
}

/* Other types can be sent by any site's page without being asked. */
static bool type_is_json(const char *type)
{
    static const char *const TAKEN[] = {JSON, LINES, "application/jsonl"};
    for (size_t i = 0; type && i < ARRAY_LEN(TAKEN); i++) {
        size_t n = strlen(TAKEN[i]);
        if (strncasecmp(type, TAKEN[i], n) == 0 && (type[n] == '\0' || type[n] == ';' || type[n] == ' ')) return true;
    }
    return false;
}

static bool read_timeout(request *r)
{
    const char *text = request_head(r, "Sinter-Timeout");
    r->timeout_ns = UINT64_MAX;
    if (!text || (parse_duration_ns(str_of(text), &r->timeout_ns) && r->timeout_ns > 0)) return true;
    refuse(r, 400, SINTER_INVALID, "Sinter-Timeout", "write a duration such as 500ms or 2s", "is not a duration");
    return false;
}

static uint64_t most_bytes(const request *r)
{
    return rpc_config(r->of->f->s)->max_message_bytes;
}

static void begin(request *r)
{
    sinter_error e = SINTER_ERROR_INIT;
    const char *length = request_head(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t n;
    r->method = rpc_method_find(r->path + 1, &e);
    if (!r->method) {
        request_refuse(r, SINTER_NOT_FOUND, &e);
    } else if (!type_is_json(request_head(r, MHD_HTTP_HEADER_CONTENT_TYPE))) {
        refuse(r, 415, SINTER_INVALID, "Content-Type", "send Content-Type: application/json", "the body is not said to be JSON");
    } else if (length && request_head(r, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
        refuse(r, 400, SINTER_INVALID, "Content-Length", "send one of the two", "is given beside Transfer-Encoding");
    } else if (!read_timeout(r)) {
        return;
    } else if (rpc_method_takes_stream(r->method)) {
        r->call = rpc_call_start(r->of->f->s, r->method, NULL, r->timeout_ns, &GUEST, r);
    } else if (length && (!parse_uint64(str_of(length), &n) || n > most_bytes(r))) {
        refuse(r, RESPONSE_TOO_BIG, SINTER_EXHAUSTED, "body", "send less, or raise limits.max_message", "is larger than limits.max_message");
    }
}

/* ---- the body --------------------------------------------------------------------------------------------------------------- */

/* The next line of a stream that is not blank; false: none is whole yet. The last needs no line's end. */
static bool next_line(request *r, buffer *line)
{
    buffer *b = &r->body;
    while (r->read_to < b->len) {
        const char *from = b->data + r->read_to, *end = memchr(from, '\n', b->len - r->read_to);
        if (!end && !r->uploaded) return false;
        size_t n = end ? (size_t)(end - from) : b->len - r->read_to;
        r->read_to += n + (end != NULL);
        bool blank = strspn(from, " \t\r") >= n;
        if (blank) continue;
        buffer_append(line, from, n);
        return true;
    }
    return false;
}

/* Gives the call what it asked for, as far as it has come. */
static void feed(request *r)
{
    buffer line = {0};
    if (!r->wants || !r->call) return;
    if (next_line(r, &line)) {
        r->wants = false;
        rpc_call_message(r->call, &line);
    } else if (r->uploaded) {
        r->wants = false;
        rpc_call_message(r->call, NULL);
    }
    if (r->read_to == r->body.len) {
        buffer_clear(&r->body);
        r->read_to = 0;
    }
    bool held = r->of->suspended && !r->uploaded && r->state == OUT_WAITING;
    if (held && r->body.len - r->read_to <= most_bytes(r)) request_go_on(r);
}

static void leave(request *r)
{
    if (r->call) rpc_call_leave(r->call);
    r->call = NULL;
}

static void body(request *r, const char *data, size_t n)
{
    bool stream = rpc_method_takes_stream(r->method);
    if (r->too_large) return;
    if (stream && r->read_to) { /* what was given is dropped before more comes */
        memmove(r->body.data, r->body.data + r->read_to, r->body.len - r->read_to + 1);
        r->body.len -= r->read_to;
        r->read_to = 0;
    }
    buffer_append(&r->body, data, n);
    if (stream) feed(r);
    if (r->body.len - r->read_to <= most_bytes(r)) return;
    if (stream && memchr(r->body.data + r->read_to, '\n', r->body.len - r->read_to)) {
        request_wait(r); /* until the call has taken some */
        return;
    }
    leave(r);
    r->too_large = true;
    buffer_free(&r->body);
    refuse(r, RESPONSE_TOO_BIG, SINTER_EXHAUSTED, "body", "send less in one message, or raise limits.max_message",
           "a message is larger than limits.max_message");
}

static void whole(request *r)
{
    if (rpc_method_takes_stream(r->method))
        feed(r);
    else
        r->call = rpc_call_start(r->of->f->s, r->method, &r->body, r->timeout_ns, &GUEST, r);
}

/* ---- what the call tells ---------------------------------------------------------------------------------------------------- */

static void told_message(void *ctx, str json)
{
    request *r = ctx;
    buffer_append(&r->out, json.s, json.n);
    buffer_puts(&r->out, "\n");
    r->streamed = true;
    if (r->uploaded && r->out.len - r->sent > OUT_HIGH)
        r->taken_owed = true;
    else
        rpc_call_taken(r->call);
    if (!r->uploaded && r->out.len > OUT_MOST) {
        leave(r);
        r->streamed = false;
        refuse(r, 429, SINTER_EXHAUSTED, "body", "send the stream in parts, or use gRPC, which answers meanwhile",
               "the answers are more than are kept until all is sent");
    } else if (r->uploaded) {
        if (r->state == OUT_WAITING) request_answer(r, 200, LINES);
        request_go_on(r);
    }
}

static void told_receive(void *ctx)
{
    request *r = ctx;
    r->wants = true;
    feed(r);
}

static void told_end(void *ctx, uint32_t code, str json)
{
    request *r = ctx;
    r->call = NULL;
    r->ended = true;
    bool late = r->streamed && code != 0; /* the status has been sent */
    if (json.n) {
        if (late) buffer_puts(&r->out, "{\"error\":");
        buffer_append(&r->out, json.s, json.n);
        buffer_puts(&r->out, late ? "}\n" : "\n");
    }
    bool lines = r->streamed || (code == 0 && rpc_method_gives_stream(r->method));
    if (r->state == OUT_WAITING) request_answer(r, lines ? 200 : request_code(code), lines ? LINES : JSON);
    request_go_on(r);
}

static const rpc_guest GUEST = {.message = told_message, .receive = told_receive, .ended = told_end};

const route GATEWAY = {.path = "gateway", .methods = "POST", .guarded = true, .begin = begin, .body = body, .whole = whole, .gone = leave};
