/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Figures of the network side: what each method answered and how fast, how long calls waited for a lane, how busy lanes are. Kept
 * in a stripe a lane, so that counting costs no lane another's cache line; added up when somebody asks. */
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const metric_family BUILD = {"sinter_build_info", "The version that runs; always 1.", METRIC_GAUGE, {"version"}};
static const metric_family STARTED = {"sinter_start_time_seconds", "When the server started, since the epoch.", METRIC_GAUGE, {NULL}};
static const metric_family REQUESTS = {
    "sinter_requests_total", "Calls answered, by method and google.rpc.Code.", METRIC_COUNTER, {"method", "code"}};
static const metric_family REQUEST_SECONDS = {
    "sinter_request_seconds", "Time from a call's arrival to its answer.", METRIC_HISTOGRAM, {"method"}};
static const metric_family QUEUE_SECONDS = {
    "sinter_queue_seconds", "Time that messages waited for a lane.", METRIC_HISTOGRAM, {NULL}};
static const metric_family LANES = {"sinter_lanes", "Worker threads.", METRIC_GAUGE, {NULL}};
static const metric_family LANES_BUSY = {"sinter_lanes_busy", "Lanes at work right now.", METRIC_GAUGE, {NULL}};
static const metric_family BUSY_SECONDS = {"sinter_lane_busy_seconds_total", "Time at work.", METRIC_COUNTER, {"lane"}};
static const metric_family LANE_CALLS = {"sinter_lane_calls_total", "Messages taken.", METRIC_COUNTER, {"lane"}};
static const metric_family ADMITTED = {"sinter_requests_admitted", "Calls admitted and not answered.", METRIC_GAUGE, {NULL}};
static const metric_family OPEN = {"sinter_calls_open", "Calls that came in and are not over.", METRIC_GAUGE, {NULL}};
static const metric_family DRAINING = {"sinter_draining", "1: the server is stopping.", METRIC_GAUGE, {NULL}};
static const metric_family MEMORY = {"sinter_memory_bytes", "Resident memory of the process.", METRIC_GAUGE, {"kind"}};

static const char *const CODE_NAMES[STATUS_CODES] = {
    "OK",           "CANCELLED",         "UNKNOWN",            "INVALID_ARGUMENT",    "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",           "OUT_OF_RANGE",
    "UNIMPLEMENTED", "INTERNAL",          "UNAVAILABLE",        "DATA_LOSS",           "UNAUTHENTICATED"};

void metrics_init(server *s)
{
    s->stripe = xcalloc(s->lanes + 1, sizeof *s->stripe);
    for (uint32_t i = 0; i <= s->lanes; i++)
        s->stripe[i].method = xcalloc(METHODS_N, sizeof *s->stripe[i].method);
}

void metrics_free(server *s)
{
    for (uint32_t i = 0; s->stripe && i <= s->lanes; i++)
        free(s->stripe[i].method);
    free(s->stripe);
}

/* ---- gathering --------------------------------------------------------------------------------------------------------- */

static void add_method(scrape *m, const method_figures *f, const char *name)
{
    bool any = false;
    for (uint32_t code = 0; code < STATUS_CODES; code++) {
        uint64_t n = atomic_load_explicit(&f->answered[code], memory_order_relaxed);
        if (n) scrape_add(m, &REQUESTS, (double)n, name, CODE_NAMES[code], NULL);
        any |= n > 0;
    }
    if (any) scrape_add_histogram(m, &REQUEST_SECONDS, &f->seconds, name, NULL, NULL);
}

static void add_methods(const server *s, scrape *m)
{
    for (size_t k = 0; k < METHODS_N; k++) {
        char name[160];
        snprintf(name, sizeof name, "%s/%s", METHODS[k].service, METHODS[k].name);
        for (uint32_t i = 0; i <= s->lanes; i++)
            add_method(m, &s->stripe[i].method[k], name);
    }
}

static void add_lanes(const server *s, scrape *m)
{
    uint64_t now = clock_mono_ns();
    scrape_add(m, &LANES, s->lanes, NULL, NULL, NULL);
    scrape_add(m, &LANES_BUSY, 0, NULL, NULL, NULL);
    for (uint32_t i = 0; i < s->lanes; i++) {
        const stripe *t = &s->stripe[i];
        char lane[12];
        snprintf(lane, sizeof lane, "%u", i);
        uint64_t since = atomic_load_explicit(&t->since_ns, memory_order_relaxed);
        uint64_t busy = atomic_load_explicit(&t->busy_ns, memory_order_relaxed);
        if (since && since < now) busy += now - since;
        scrape_add(m, &LANES_BUSY, since != 0, NULL, NULL, NULL);
        scrape_add(m, &BUSY_SECONDS, (double)busy / 1e9, lane, NULL, NULL);
        scrape_add(m, &LANE_CALLS, (double)atomic_load_explicit(&t->calls, memory_order_relaxed), lane, NULL, NULL);
        scrape_add_histogram(m, &QUEUE_SECONDS, &t->queued, NULL, NULL, NULL);
    }
}

/* Of /proc/self/status, in kibibytes there. */
static void add_memory(scrape *m)
{
    static const char *const KINDS[][2] = {{"RssAnon:", "rss_anon"}, {"RssFile:", "rss_file"}, {"RssShmem:", "rss_shmem"}};
    buffer b = {0};
    if (file_read("/proc/self/status", 1 << 16, &b, NULL) == SINTER_OK) {
        for (size_t i = 0; i < ARRAY_LEN(KINDS); i++) {
            const char *at = strstr(b.data, KINDS[i][0]);
            if (at) scrape_add(m, &MEMORY, strtod(at + strlen(KINDS[i][0]), NULL) * 1024, KINDS[i][1], NULL, NULL);
        }
    }
    buffer_free(&b);
}

static void add_counters(const server *s, scrape *m)
{
#define X(name_, help_)                                                                                                                \
    {                                                                                                                                  \
        static const metric_family F = {"sinter_calls_" #name_ "_total", help_, METRIC_COUNTER, {NULL}};                                     \
        scrape_add(m, &F, (double)atomic_load(&s->count.name_), NULL, NULL, NULL);                                                    \
    }
    SERVER_COUNTERS(X)
#undef X
}

/* Between a watch's or a lane's begin and end. */
void server_metrics(server *s, scrape *m)
{
    scrape_add(m, &BUILD, 1, SINTER_VERSION, NULL, NULL);
    scrape_add(m, &STARTED, (double)s->started_ms / 1e3, NULL, NULL, NULL);
    scrape_add(m, &DRAINING, atomic_load(&s->draining), NULL, NULL, NULL);
    add_methods(s, m);
    add_lanes(s, m);
    scrape_add(m, &ADMITTED, atomic_load(&s->admitted), NULL, NULL, NULL);
    scrape_add(m, &OPEN, atomic_load(&s->live), NULL, NULL, NULL);
    add_counters(s, m);
    add_memory(m);
    engine_metrics(s->engine, m);
}

static Sinter__V1__MetricSample *sample_of(const metric_family *f, const metric_sample *s, arena *a)
{
    typedef Sinter__V1__MetricSample__LabelsEntry entry;
    Sinter__V1__MetricSample *out = ARENA_NEW(a, Sinter__V1__MetricSample);
    sinter__v1__metric_sample__init(out);
    out->value = s->value;
    out->labels = ARENA_ARRAY(a, entry *, METRIC_LABELS);
    for (uint32_t i = 0; i < METRIC_LABELS && f->label[i] && s->label[i]; i++) {
        entry *l = out->labels[out->n_labels++] = ARENA_NEW(a, entry);
        sinter__v1__metric_sample__labels_entry__init(l);
        l->key = (char *)(uintptr_t)f->label[i];
        l->value = (char *)(uintptr_t)s->label[i];
    }
    if (f->kind == METRIC_HISTOGRAM) {
        out->n_buckets = HISTOGRAM_BOUNDS + 1;
        out->buckets = (uint64_t *)(uintptr_t)s->bucket;
    }
    return out;
}

static Sinter__V1__Metric *metric_of(const metric_group *g, arena *a)
{
    static const Sinter__V1__Metric__Kind KINDS[] = {[METRIC_COUNTER] = SINTER__V1__METRIC__KIND__KIND_COUNTER,
                                                     [METRIC_GAUGE] = SINTER__V1__METRIC__KIND__KIND_GAUGE,
                                                     [METRIC_HISTOGRAM] = SINTER__V1__METRIC__KIND__KIND_HISTOGRAM};
    Sinter__V1__Metric *out = ARENA_NEW(a, Sinter__V1__Metric);
    size_t n = 0;
    sinter__v1__metric__init(out);
    out->name = (char *)(uintptr_t)g->family->name;
    out->help = (char *)(uintptr_t)g->family->help;
    out->kind = KINDS[g->family->kind];
    if (g->family->kind == METRIC_HISTOGRAM) {
        out->n_bounds = HISTOGRAM_BOUNDS;
        out->bounds = (double *)(uintptr_t)HISTOGRAM_SECONDS;
    }
    for (const metric_sample *s = g->first; s; s = s->next)
        n++;
    out->samples = ARENA_ARRAY(a, Sinter__V1__MetricSample *, n + 1);
    for (const metric_sample *s = g->first; s; s = s->next)
        out->samples[out->n_samples++] = sample_of(g->family, s, a);
    return out;
}

Sinter__V1__Metric **metrics_of(const scrape *m, arena *a, size_t *n)
{
    size_t room = 1;
    for (const metric_group *g = m->first; g; g = g->next)
        room++;
    Sinter__V1__Metric **out = ARENA_ARRAY(a, Sinter__V1__Metric *, room);
    *n = 0;
    for (const metric_group *g = m->first; g; g = g->next)
        out[(*n)++] = metric_of(g, a);
    return out;
}

void rpc_metrics(server *s, scrape *m)
{
    engine_watch_begin(s->engine);
    server_metrics(s, m);
    engine_watch_end(s->engine);
}

bool rpc_ready(server *s, buffer *reasons, buffer *notes)
{
    engine_watch_begin(s->engine);
    bool ready = engine_ready(s->engine, reasons, notes);
    engine_watch_end(s->engine);
    if (!atomic_load(&s->draining)) return ready;
    buffer_puts(reasons, "draining: the server is stopping\n");
    return false;
}

const config_server *rpc_config(const server *s)
{
    return &s->limits;
}
