/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One request's life: begun by its first line, read, answered, counted, freed. */
#include "inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a body that nobody wants: read so that the connection can go on; beyond, the connection ends. */
#define DROPPED_MOST (1u << 20)

const char *request_head(const request *r, const char *name)
{
    return MHD_lookup_connection_value(r->of->mhd, MHD_HEADER_KIND, name);
}

/* ---- waiting ---------------------------------------------------------------------------------------------------------------- */

void request_wait(request *r)
{
    connection *c = r->of;
    if (c->suspended) return;
    c->suspended = true;
    MHD_suspend_connection(c->mhd);
    connection_watch(c, true);
}

void request_go_on(request *r)
{
    connection *c = r->of;
    if (!c->suspended) return;
    c->suspended = false;
    connection_watch(c, false);
    MHD_resume_connection(c->mhd);
}

/* ---- answers ---------------------------------------------------------------------------------------------------------------- */

void request_answer(request *r, uint32_t code, const char *type)
{
    r->code = code;
    r->type = type;
    r->state = OUT_READY;
}

void request_header(request *r, const char *name, const char *value)
{
    if (r->n_headers == ARRAY_LEN(r->headers)) return;
    r->headers[r->n_headers][0] = name;
    r->headers[r->n_headers++][1] = value;
}

/* As google.api.HttpRule gives them. */
uint32_t request_code(uint32_t rpc_code)
{
    static const uint32_t CODES[] = {200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401};
    return rpc_code < ARRAY_LEN(CODES) ? CODES[rpc_code] : 500;
}

void request_refuse(request *r, sinter_status s, const sinter_error *e)
{
    buffer_clear(&r->out);
    rpc_status_json(s, e, &r->out);
    buffer_puts(&r->out, "\n");
    request_answer(r, request_code(rpc_status_code(s)), "application/json");
}

/* What a stream has ready; nothing yet: the connection waits for more. */
static ssize_t read_stream(void *ctx, uint64_t at, char *into, size_t most)
{
    enum { TAKE_MORE_BELOW = 64 << 10 };
    (void)at;
    request *r = ctx;
    size_t n = r->out.len - r->sent;
    if (n > most) n = most;
    if (n) memcpy(into, r->out.data + r->sent, n);
    r->sent += n;
    if (r->sent == r->out.len) {
        buffer_clear(&r->out);
        r->sent = 0;
    }
    if (r->taken_owed && r->out.len - r->sent < TAKE_MORE_BELOW && r->call) {
        r->taken_owed = false;
        rpc_call_taken(r->call);
    }
    if (n) return (ssize_t)n;
    if (r->ended) return MHD_CONTENT_READER_END_OF_STREAM;
    request_wait(r);
    return 0;
}

static struct MHD_Response *response_of(request *r)
{
    if (r->streamed) return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 32768, read_stream, r, NULL);
    struct MHD_Response *m = MHD_create_response_from_buffer(r->out.len, r->out.data, MHD_RESPMEM_MUST_FREE);
    if (m) r->out = (buffer){0};
    return m;
}

static enum MHD_Result queue(request *r)
{
    struct MHD_Response *m = response_of(r);
    if (!m) return MHD_NO;
    MHD_add_response_header(m, MHD_HTTP_HEADER_CONTENT_TYPE, r->type);
    MHD_add_response_header(m, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(m, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (r->code == 429 || r->code == 503) MHD_add_response_header(m, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    if (r->of->f->closing) MHD_add_response_header(m, MHD_HTTP_HEADER_CONNECTION, "close");
    for (uint32_t i = 0; i < r->n_headers; i++)
        MHD_add_response_header(m, r->headers[i][0], r->headers[i][1]);
    enum MHD_Result done = MHD_queue_response(r->of->mhd, r->code, m);
    MHD_destroy_response(m);
    r->state = OUT_QUEUED;
    front_count(r->of->f, r->method ? "gateway" : r->route ? r->route->path : "none", r->code);
    return done;
}

/* ---- what MHD tells --------------------------------------------------------------------------------------------------------- */

void *request_uri(void *ctx, const char *uri, struct MHD_Connection *mhd)
{
    (void)ctx, (void)uri;
    connection *c = connection_of(mhd);
    if (c->request) request_free(c->request); /* one whose head was none */
    request *r = c->request = xcalloc(1, sizeof *r);
    r->of = c;
    r->since_ns = clock_mono_ns();
    return r;
}

void request_free(request *r)
{
    if (r->counted) r->of->f->active--;
    if (r->call && r->route->gone) r->route->gone(r);
    buffer_free(&r->out);
    buffer_free(&r->body);
    if (r->of->request == r) r->of->request = NULL;
    free(r);
}

void request_completed(void *ctx, struct MHD_Connection *mhd, void **state, enum MHD_RequestTerminationCode why)
{
    (void)ctx, (void)why;
    request *r = *state;
    if (!r) return;
    connection_of(mhd)->since_ns = clock_mono_ns();
    request_free(r);
    *state = NULL;
}

static void text_answer(request *r, uint32_t code, const char *text)
{
    buffer_puts(&r->out, text);
    request_answer(r, code, "text/plain; charset=utf-8");
}

static const route *find_route(const request *r, const char *verb)
{
    const route *found = plain_route(r->path);
    if (found) return found;
    if (!strchr(r->path + 1, '/') || r->path[0] != '/') return NULL;
    return strcmp(verb, "OPTIONS") == 0 ? &PREFLIGHT : &GATEWAY;
}

static bool verb_fits(const char *methods, const char *verb)
{
    size_t n = strlen(verb);
    for (const char *p = methods; (p = strstr(p, verb)); p += n)
        if ((p == methods || p[-1] == ' ') && (p[n] == ',' || p[n] == '\0')) return n > 0;
    return false;
}

static void begin(request *r, const char *url, const char *verb)
{
    r->started = r->counted = true;
    r->of->f->active++;
    if (strlen(url) >= sizeof r->path) {
        text_answer(r, 414, "the path is too long\n");
        return;
    }
    snprintf(r->path, sizeof r->path, "%s", url);
    r->route = find_route(r, verb);
    if (!r->route) {
        text_answer(r, 404, "nothing is here; /metrics, /healthz, /readyz, and POST /sinter.v1.SearchService/Search are\n");
    } else if (!verb_fits(r->route->methods, verb)) {
        request_header(r, "Allow", r->route->methods);
        text_answer(r, 405, "not with this method; see the header Allow\n");
    } else if (!r->route->guarded || guard_allows(r)) {
        if (r->route->begin) r->route->begin(r);
    }
}

/* A length that is announced, and too long to be read for nothing. */
static bool long_body(const request *r)
{
    const char *length = request_head(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t n;
    return length && (!parse_uint64(str_of(length), &n) || n > DROPPED_MOST);
}

static enum MHD_Result take_body(request *r, const char *data, size_t *n)
{
    if (r->state == OUT_WAITING && r->route->body) {
        r->route->body(r, data, *n);
    } else if ((r->dropped += *n) > DROPPED_MOST) {
        return MHD_NO;
    }
    *n = 0;
    return MHD_YES;
}

enum MHD_Result request_access(void *ctx, struct MHD_Connection *mhd, const char *url, const char *verb, const char *version, const char *data,
                               size_t *n, void **state)
{
    (void)ctx, (void)mhd, (void)version;
    request *r = *state;
    if (!r->started) {
        begin(r, url, verb);
        return r->state == OUT_READY && long_body(r) ? queue(r) : MHD_YES;
    }
    if (r->left) return MHD_NO;
    if (*n) return take_body(r, data, n);
    if (!r->uploaded) {
        r->uploaded = true;
        if (r->state == OUT_WAITING) r->route->whole(r);
    }
    if (r->state == OUT_READY) return queue(r);
    request_wait(r);
    return MHD_YES;
}
