/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a search just answered came to: its steps in the answer, its figures in the lane's table, its line in the slow log. */
#include "search.h"

#include <string.h>

static const metric_family STAGE_SECONDS = {
    "sinter_stage_seconds", "Time of a step of searches: rewrite, recall, each stage's features, rankers and fusion, finish, hydrate.",
    METRIC_HISTOGRAM, {"pipeline", "stage", "part"}};
static const metric_family SEARCH_SECONDS = {
    "sinter_search_seconds", "Time of searches on a lane, without waiting for one.", METRIC_HISTOGRAM, {"pipeline"}};
static const metric_family DEGRADED = {
    "sinter_degraded_total", "Parts that did not do their work for a search.", METRIC_COUNTER, {"pipeline", "part", "code"}};
static const metric_family ZERO_RESULTS = {
    "sinter_zero_results_total", "Searches that matched nothing.", METRIC_COUNTER, {"pipeline"}};
static const metric_family SLOW = {
    "sinter_slow_searches_total", "Searches that took longer than log.slow.", METRIC_COUNTER, {"pipeline"}};

static const char *pipeline_name(const search *s)
{
    return s->pipeline ? s->pipeline->config->name : "text";
}

void search_timings(search *s)
{
    Sinter__V1__StageTiming **list = ARENA_ARRAY(s->a, Sinter__V1__StageTiming *, s->n_steps + 1);
    for (uint32_t i = 0; i < s->n_steps; i++) {
        const timed_step *p = &s->step[i];
        Sinter__V1__StageTiming *t = list[i] = ARENA_NEW(s->a, Sinter__V1__StageTiming);
        sinter__v1__stage_timing__init(t);
        bool finish = strcmp(p->stage, "finish") == 0;
        t->name = !p->part ? message_text(p->stage) : finish ? message_text(p->part) : arena_printf(s->a, "%s.%s", p->stage, p->part);
        t->milliseconds = (double)p->ns / 1e6;
        t->candidates_in = p->in;
        t->candidates_out = p->out;
    }
    s->out->timings = list;
    s->out->n_timings = s->n_steps;
}

static void put_member(buffer *out, const char *name, const char *text)
{
    buffer_printf(out, "\"%s\":", name);
    buffer_json_string(out, text, strlen(text));
    buffer_puts(out, ",");
}

/* One line: who asked what, how long it took and where the time went. */
static void log_slow(const search *s, uint64_t total_ns)
{
    enum { TEXT_MOST = 500 };
    buffer b = {0};
    put_member(&b, "collection", s->in->collection);
    put_member(&b, "pipeline", pipeline_name(s));
    put_member(&b, "query", arena_strndup(s->a, s->in->query, strnlen(s->in->query, TEXT_MOST)));
    put_member(&b, "filter", arena_strndup(s->a, s->in->filter, strnlen(s->in->filter, TEXT_MOST)));
    buffer_printf(&b, "\"milliseconds\":%.3f,\"waited\":%.3f,\"total\":%llu,\"degraded\":%zu,\"steps\":{", (double)total_ns / 1e6,
                  (double)(s->begun_ns - s->started_ns) / 1e6, (unsigned long long)s->out->total, s->out->n_degraded);
    for (uint32_t i = 0; i < s->n_steps; i++) {
        const char *name = s->step[i].part ? arena_printf(s->a, "%s.%s", s->step[i].stage, s->step[i].part) : s->step[i].stage;
        if (i) buffer_puts(&b, ",");
        buffer_json_string(&b, name, strlen(name));
        buffer_printf(&b, ":%.3f", (double)s->step[i].ns / 1e6);
    }
    buffer_puts(&b, "}");
    log_write_members(LOG_WARN, "search.slow", b.data, "a search took %.1f ms", (double)total_ns / 1e6);
    buffer_free(&b);
}

static const char *code_name(Sinter__V1__Degraded__Code code)
{
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(&sinter__v1__degraded__code__descriptor, (int)code);
    return v ? v->name : "other";
}

static void count_one(metric_table *t, const metric_family *f, const char *a, const char *b, const char *c)
{
    atomic_fetch_add_explicit(metric_table_counter(t, f, a, b, c), 1, memory_order_relaxed);
}

void search_figures(search *s)
{
    metric_table *t = s->lane->figures;
    const char *pipeline = pipeline_name(s);
    uint64_t now = clock_mono_ns(), total = now - s->started_ns, slow = s->snapshot->config->server.log_slow_ns;
    histogram_note(metric_table_histogram(t, &SEARCH_SECONDS, pipeline, NULL, NULL), now - s->begun_ns);
    for (uint32_t i = 0; i < s->n_steps; i++) {
        const timed_step *p = &s->step[i];
        histogram_note(metric_table_histogram(t, &STAGE_SECONDS, pipeline, p->stage, p->part ? p->part : ""), p->ns);
    }
    for (size_t i = 0; i < s->out->n_degraded; i++)
        count_one(t, &DEGRADED, pipeline, s->degraded[i]->name, code_name(s->degraded[i]->code));
    if (s->out->total == 0 && s->out->n_hits == 0) count_one(t, &ZERO_RESULTS, pipeline, NULL, NULL);
    if (!slow || total < slow) return;
    count_one(t, &SLOW, pipeline, NULL, NULL);
    log_slow(s, total);
}
