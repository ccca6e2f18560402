/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What machines ask: whether the process lives, whether it can serve, its figures. */
#include "inside.h"

#include <stdio.h>
#include <string.h>

#define TEXT "text/plain; charset=utf-8"

static void alive(request *r)
{
    buffer_puts(&r->out, "ok\n");
    request_answer(r, 200, TEXT);
}

static void put_lines(buffer *out, const char *before, const buffer *lines)
{
    for (const char *p = lines->data; p && *p;) {
        size_t n = strcspn(p, "\n");
        buffer_printf(out, "%s%.*s\n", before, (int)n, p);
        p += n + (p[n] == '\n');
    }
}

static void ready(request *r)
{
    buffer reasons = {0}, notes = {0};
    bool fine = rpc_ready(r->of->f->s, &reasons, &notes);
    buffer_puts(&r->out, fine ? "ready\n" : "not ready\n");
    put_lines(&r->out, "", &reasons);
    put_lines(&r->out, "note: ", &notes);
    request_answer(r, fine ? 200 : 503, TEXT);
    buffer_free(&reasons);
    buffer_free(&notes);
}

static void figures(request *r)
{
    arena *a = arena_new(1 << 18);
    scrape *m = scrape_new(a);
    rpc_metrics(r->of->f->s, m);
    front_metrics(r->of->f, m);
    scrape_write(m, &r->out);
    request_answer(r, 200, "text/plain; version=0.0.4; charset=utf-8");
    arena_free(a);
}

static const route ROUTES[] = {
    {.path = "/healthz", .methods = "GET, HEAD", .whole = alive},
    {.path = "/readyz", .methods = "GET, HEAD", .whole = ready},
    {.path = "/metrics", .methods = "GET, HEAD", .whole = figures},
};

const route *plain_route(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(ROUTES); i++)
        if (strcmp(ROUTES[i].path, path) == 0) return &ROUTES[i];
    return NULL;
}

/* ---- own figures ------------------------------------------------------------------------------------------------------------ */

static const metric_family REQUESTS = {
    "sinter_http_requests_total", "HTTP requests answered, by route and status.", METRIC_COUNTER, {"route", "code"}};
static const metric_family OPEN = {"sinter_http_connections", "HTTP connections open.", METRIC_GAUGE, {NULL}};
static const metric_family ACTIVE = {"sinter_http_requests_active", "HTTP requests being answered.", METRIC_GAUGE, {NULL}};

void front_count(front *f, const char *path, uint32_t code)
{
    char text[12];
    snprintf(text, sizeof text, "%u", code);
    atomic_fetch_add_explicit(metric_table_counter(f->figures, &REQUESTS, path, text, NULL), 1, memory_order_relaxed);
}

void front_metrics(const front *f, scrape *m)
{
    scrape_add(m, &OPEN, f->open, NULL, NULL, NULL);
    scrape_add(m, &ACTIVE, f->active, NULL, NULL, NULL);
#define X(name, help)                                                                                                                  \
    {                                                                                                                                  \
        static const metric_family F = {"sinter_http_" #name "_total", help, METRIC_COUNTER, {NULL}};                                  \
        scrape_add(m, &F, (double)f->count.name, NULL, NULL, NULL);                                                                   \
    }
    HTTP_COUNTERS(X)
#undef X
    scrape_add_table(m, f->figures);
}
