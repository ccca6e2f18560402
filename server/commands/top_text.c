/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One look of `sinter top`: the same figures as text and as JSON, from the same tables. */
#include "top_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ROWS_MOST 64u

/* ---- single figures ---------------------------------------------------------------------------------------------------- */

typedef enum { RATE, NOW, P50, P99 } figure_kind;

/* Group and name: in JSON as they stand, as text behind the value. */
typedef struct figure {
    const char *group, *name;
    figure_kind kind;
    const char *metric, *label, *value; /* label NULL: any */
    double scale;
    const char *unit;
} figure;

static const figure FIGURES[] = {
    {"requests", "answered", RATE, "sinter_requests_total", NULL, NULL, 1, "/s"},
    {"requests", "failed", RATE, "sinter_calls_errors_total", NULL, NULL, 1, "/s"},
    {"requests", "refused", RATE, "sinter_calls_refused_overload_total", NULL, NULL, 1, "/s"},
    {"requests", "p50", P50, "sinter_request_seconds", NULL, NULL, 1, "ms"},
    {"requests", "p99", P99, "sinter_request_seconds", NULL, NULL, 1, "ms"},
    {"lanes", "there", NOW, "sinter_lanes", NULL, NULL, 1, ""},
    {"lanes", "at_work", RATE, "sinter_lane_busy_seconds_total", NULL, NULL, 1, ""},
    {"lanes", "admitted", NOW, "sinter_requests_admitted", NULL, NULL, 1, ""},
    {"lanes", "queue_p99", P99, "sinter_queue_seconds", NULL, NULL, 1, "ms"},
    {"searches", "searches", RATE, "sinter_searches_total", NULL, NULL, 1, "/s"},
    {"searches", "degraded", RATE, "sinter_searches_degraded_total", NULL, NULL, 1, "/s"},
    {"searches", "nothing_found", RATE, "sinter_zero_results_total", NULL, NULL, 1, "/s"},
    {"searches", "slow", RATE, "sinter_slow_searches_total", NULL, NULL, 1, "/s"},
    {"writes", "records", RATE, "sinter_journal_records_total", NULL, NULL, 1, "/s"},
    {"writes", "commit_p99", P99, "sinter_journal_commit_seconds", "log", "catalogue", 1, "ms"},
    {"writes", "behind", NOW, "sinter_views_lag_records", NULL, NULL, 1, "records"},
    {"writes", "waiting_reads", NOW, "sinter_reads_parked", NULL, NULL, 1, ""},
    {"impressions", "stored", RATE, "sinter_impressions_stored_total", NULL, NULL, 1, "/s"},
    {"impressions", "lost", RATE, "sinter_impressions_lost_total", NULL, NULL, 1, "/s"},
    {"changes", "published", NOW, "sinter_snapshots_published_total", NULL, NULL, 1, ""},
    {"changes", "age", NOW, "sinter_snapshot_age_seconds", NULL, NULL, 1, "s"},
    {"changes", "not_trained", NOW, "sinter_not_trained", NULL, NULL, 1, ""},
    {"memory", "private", NOW, "sinter_memory_bytes", "kind", "rss_anon", 1.0 / (1 << 20), "MiB"},
    {"memory", "files", NOW, "sinter_memory_bytes", "kind", "rss_file", 1.0 / (1 << 20), "MiB"},
    {"memory", "plugins", NOW, "sinter_plugin_bytes", NULL, NULL, 1.0 / (1 << 20), "MiB"},
    {"memory", "profiles", NOW, "sinter_profile_bytes", NULL, NULL, 1.0 / (1 << 20), "MiB"},
};

static double time_of(const top_view *v, const char *metric, const top_label *labels, double q)
{
    top_times t;
    top_times_of(v, metric, labels, &t);
    return top_quantile_ms(&t, q);
}

static double value_of(const top_view *v, const figure *f)
{
    const top_label labels[] = {{f->label, f->value}, {NULL, NULL}};
    switch (f->kind) {
    case RATE: return f->scale * top_rate(v, f->metric, labels);
    case NOW: return f->scale * top_value(v->now, f->metric, labels);
    case P50: return time_of(v, f->metric, labels, .5);
    default: return time_of(v, f->metric, labels, .99);
    }
}

/* ---- rows of a table ---------------------------------------------------------------------------------------------------- */

typedef struct row {
    const char *name, *part; /* of a stage; NULL: none */
    double rate, p50, p99;
    double extra[3];
} row;

typedef struct table {
    const char *name, *metric, *label;
    const char *extra[3];       /* columns' names; NULL: none */
    const char *extra_rate[3];  /* counters */
    const char *extra_label[3]; /* the label that holds the row's name there */
} table;

static const table TABLES[] = {
    {"methods", "sinter_request_seconds", "method", {NULL}, {NULL}, {NULL}},
    {"pipelines", "sinter_search_seconds", "pipeline", {"degraded", "nothing found"}, {"sinter_degraded_total", "sinter_zero_results_total"},
     {"pipeline", "pipeline"}},
};

static void read_row(const top_view *v, const char *metric, const top_label *labels, row *r)
{
    top_times t;
    top_times_of(v, metric, labels, &t);
    r->rate = v->seconds > 0 ? t.n / v->seconds : 0;
    r->p50 = top_quantile_ms(&t, .5);
    r->p99 = top_quantile_ms(&t, .99);
}

static size_t read_table(const top_view *v, const table *t, row *out)
{
    const char *names[ROWS_MOST];
    size_t n;
    top_values(v->now, t->metric, t->label, NULL, names, ROWS_MOST, &n);
    for (size_t i = 0; i < n; i++) {
        const top_label labels[] = {{t->label, names[i]}, {NULL, NULL}};
        out[i] = (row){.name = names[i]};
        read_row(v, t->metric, labels, &out[i]);
        for (size_t k = 0; k < 3 && t->extra[k]; k++) {
            const top_label mine[] = {{t->extra_label[k], names[i]}, {NULL, NULL}};
            out[i].extra[k] = top_rate(v, t->extra_rate[k], mine);
        }
    }
    return n;
}

/* Every step of a pipeline, in the order of the line as it was met. */
static size_t read_steps(const top_view *v, const char *pipeline, row *out)
{
    const char *stages[ROWS_MOST], *parts[ROWS_MOST];
    const top_label of[] = {{"pipeline", pipeline}, {NULL, NULL}};
    size_t n_stages, n_parts, n = 0;
    top_values(v->now, "sinter_stage_seconds", "stage", of, stages, ROWS_MOST, &n_stages);
    for (size_t i = 0; i < n_stages; i++) {
        const top_label stage[] = {{"pipeline", pipeline}, {"stage", stages[i]}, {NULL, NULL}};
        top_values(v->now, "sinter_stage_seconds", "part", stage, parts, ROWS_MOST, &n_parts);
        for (size_t k = 0; k < n_parts && n < ROWS_MOST; k++, n++) {
            const top_label part[] = {{"pipeline", pipeline}, {"stage", stages[i]}, {"part", parts[k]}, {NULL, NULL}};
            out[n] = (row){.name = stages[i], .part = *parts[k] ? parts[k] : NULL};
            read_row(v, "sinter_stage_seconds", part, &out[n]);
        }
    }
    return n;
}

/* ---- text --------------------------------------------------------------------------------------------------------------- */

static void put_ms(buffer *out, double ms)
{
    if (isnan(ms))
        buffer_printf(out, "%10s", "-");
    else
        buffer_printf(out, "%*.*f", 10, ms < 10 ? 3 : ms < 1000 ? 1 : 0, ms);
}

static void put_figures(const top_view *v, buffer *out)
{
    const char *group = "";
    for (size_t i = 0; i < ARRAY_LEN(FIGURES); i++) {
        const figure *f = &FIGURES[i];
        double x = value_of(v, f);
        bool same = strcmp(group, f->group) == 0;
        if (!same) buffer_printf(out, "%s%-12s", i ? "\n" : "", f->group);
        group = f->group;
        char name[32], number[32];
        size_t n = (size_t)snprintf(name, sizeof name, "%s", f->name);
        for (size_t k = 0; k < n; k++)
            if (name[k] == '_') name[k] = ' ';
        if (isnan(x))
            snprintf(number, sizeof number, "-");
        else
            snprintf(number, sizeof number, "%.*f", x == floor(x) || x >= 1000 ? 0 : x >= 10 ? 1 : 2, x);
        buffer_printf(out, "%s%s %s%s%s", same ? "   " : "", name, number, *f->unit && *f->unit != '/' && !isnan(x) ? " " : "",
                      isnan(x) ? "" : f->unit);
    }
    buffer_puts(out, "\n");
}

static void put_row(const row *r, const table *t, const char *indent, buffer *out)
{
    char name[80];
    snprintf(name, sizeof name, "%s%s%s%s", indent, r->name, r->part ? "." : "", r->part ? r->part : "");
    buffer_printf(out, "%-48s %9.1f", name, r->rate);
    put_ms(out, r->p50);
    put_ms(out, r->p99);
    for (size_t k = 0; t && k < 3 && t->extra[k]; k++)
        buffer_printf(out, " %14.1f", r->extra[k]);
    buffer_puts(out, "\n");
}

static void put_table(const top_view *v, const table *t, buffer *out)
{
    row rows[ROWS_MOST], steps[ROWS_MOST];
    size_t n = read_table(v, t, rows);
    if (n == 0) return;
    buffer_printf(out, "\n%-48s %9s %9s %9s", t->name, "/s", "p50 ms", "p99 ms");
    for (size_t k = 0; k < 3 && t->extra[k]; k++)
        buffer_printf(out, " %12s/s", t->extra[k]);
    buffer_puts(out, "\n");
    for (size_t i = 0; i < n; i++) {
        put_row(&rows[i], t, "  ", out);
        size_t n_steps = strcmp(t->name, "pipelines") == 0 ? read_steps(v, rows[i].name, steps) : 0;
        for (size_t k = 0; k < n_steps; k++)
            put_row(&steps[k], NULL, "    ", out);
    }
}

static void put_plugins(const top_view *v, buffer *out)
{
    const char *names[ROWS_MOST];
    size_t n;
    top_values(v->now, "sinter_plugin_calls_total", "plugin", NULL, names, ROWS_MOST, &n);
    if (n) buffer_printf(out, "\n%-48s %9s %9s %9s %9s %9s\n", "plugins", "calls/s", "failed/s", "late/s", "busy", "MiB");
    for (size_t i = 0; i < n; i++) {
        const top_label of[] = {{"plugin", names[i]}, {NULL, NULL}};
        buffer_printf(out, "  %-46s %9.1f %9.1f %9.1f %9.3f %9.1f\n", names[i], top_rate(v, "sinter_plugin_calls_total", of),
                      top_rate(v, "sinter_plugin_failures_total", of) + top_rate(v, "sinter_plugin_not_finite_total", of),
                      top_rate(v, "sinter_plugin_late_total", of), top_rate(v, "sinter_plugin_seconds_total", of),
                      top_value(v->now, "sinter_plugin_bytes", of) / (1 << 20));
    }
}

void top_text(const top_view *v, const char *server, buffer *out)
{
    const Sinter__V1__GetStatusResponse *r = v->now;
    buffer_printf(out, "sinter %s at %s: %s; snapshot %s; over %.1f s\n\n", r->version, server, r->state, r->snapshot, v->seconds);
    put_figures(v, out);
    for (size_t i = 0; i < r->n_warnings; i++)
        buffer_printf(out, "%swarning: %s\n", i ? "" : "\n", r->warnings[i]);
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++)
        put_table(v, &TABLES[i], out);
    put_plugins(v, out);
}

/* ---- JSON --------------------------------------------------------------------------------------------------------------- */

static void put_number(buffer *out, const char *name, double x)
{
    buffer_json_string(out, name, strlen(name));
    if (isnan(x))
        buffer_puts(out, ":null");
    else
        buffer_printf(out, ":%.9g", x);
}

static void json_row(const row *r, const table *t, buffer *out)
{
    put_number(out, "rate", r->rate);
    buffer_puts(out, ",");
    put_number(out, "p50_ms", r->p50);
    buffer_puts(out, ",");
    put_number(out, "p99_ms", r->p99);
    for (size_t k = 0; t && k < 3 && t->extra[k]; k++) {
        buffer_puts(out, ",");
        put_number(out, t->extra[k], r->extra[k]);
    }
}

static void json_table(const top_view *v, const table *t, buffer *out)
{
    row rows[ROWS_MOST], steps[ROWS_MOST];
    size_t n = read_table(v, t, rows);
    buffer_printf(out, ",\"%s\":{", t->name);
    for (size_t i = 0; i < n; i++) {
        if (i) buffer_puts(out, ",");
        buffer_json_string(out, rows[i].name, strlen(rows[i].name));
        buffer_puts(out, ":{");
        json_row(&rows[i], t, out);
        size_t n_steps = strcmp(t->name, "pipelines") == 0 ? read_steps(v, rows[i].name, steps) : 0;
        for (size_t k = 0; k < n_steps; k++) {
            char name[160];
            int length = snprintf(name, sizeof name, "%s%s%s", steps[k].name, steps[k].part ? "." : "", steps[k].part ? steps[k].part : "");
            buffer_puts(out, k ? "," : ",\"steps\":{");
            buffer_json_string(out, name, (size_t)length < sizeof name ? (size_t)length : sizeof name - 1);
            buffer_puts(out, ":{");
            json_row(&steps[k], NULL, out);
            buffer_puts(out, k + 1 == n_steps ? "}}" : "}");
        }
        buffer_puts(out, "}");
    }
    buffer_puts(out, "}");
}

void top_json(const top_view *v, buffer *out)
{
    const char *group = "";
    buffer_puts(out, "{");
    put_number(out, "seconds", v->seconds);
    buffer_puts(out, ",\"state\":");
    buffer_json_string(out, v->now->state, strlen(v->now->state));
    buffer_puts(out, ",\"snapshot\":");
    buffer_json_string(out, v->now->snapshot, strlen(v->now->snapshot));
    for (size_t i = 0; i < ARRAY_LEN(FIGURES); i++) {
        const figure *f = &FIGURES[i];
        bool same = strcmp(group, f->group) == 0;
        if (same)
            buffer_puts(out, ",");
        else
            buffer_printf(out, "%s,\"%s\":{", i ? "}" : "", f->group);
        group = f->group;
        put_number(out, f->name, value_of(v, f));
    }
    buffer_puts(out, "}");
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++)
        json_table(v, &TABLES[i], out);
    buffer_puts(out, "}\n");
}
