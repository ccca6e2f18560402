/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The line of a training run: a bar, how far, the newest value of each metric, time left. */
#include "train_show.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { METRICS = 4, BAR = 24, LINE_MS = 100, LOG_MS = 5000 };

struct train_show {
    bool json, quiet, terminal, drawn, training;
    uint64_t started_ns, shown_ns;
    char what[64];
    uint64_t done, total;
    struct {
        char name[48];
        double value;
    } metric[METRICS];
    uint32_t n_metrics;
};

train_show *train_show_new(bool json, bool quiet)
{
    train_show *s = xcalloc(1, sizeof *s);
    s->json = json;
    s->quiet = quiet;
    s->terminal = !quiet && isatty(STDERR_FILENO);
    s->started_ns = clock_mono_ns();
    return s;
}

static void note_metric(train_show *s, const char *name, double value)
{
    uint32_t k = 0;
    while (k < s->n_metrics && strcmp(s->metric[k].name, name) != 0) k++;
    if (k == METRICS) return;
    if (k == s->n_metrics) snprintf(s->metric[s->n_metrics++].name, sizeof s->metric->name, "%s", name);
    s->metric[k].value = value;
}

static void time_left(const train_show *s, char out[48])
{
    double spent = (double)(clock_mono_ns() - s->started_ns) / 1e9;
    out[0] = '\0';
    if (!s->training || !s->done || s->done >= s->total || spent < 0.5) return;
    double left = spent / (double)s->done * (double)(s->total - s->done);
    if (left < 90)
        snprintf(out, 48, "  %.0f s left", left);
    else if (left < 5400)
        snprintf(out, 48, "  %.0f min left", left / 60);
    else
        snprintf(out, 48, "  %.1f h left", left / 3600);
}

static void line(const train_show *s, bool stopping, buffer *b)
{
    char left[48];
    if (s->total) {
        uint64_t filled = s->done >= s->total ? BAR : s->done * BAR / s->total;
        buffer_puts(b, "[");
        for (uint64_t i = 0; i < BAR; i++) buffer_puts(b, i < filled ? "#" : ".");
        buffer_puts(b, "] ");
    }
    buffer_printf(b, "%s", s->what);
    if (s->total)
        buffer_printf(b, " %" PRIu64 "/%" PRIu64, s->done, s->total);
    else if (s->done)
        buffer_printf(b, " %" PRIu64, s->done);
    for (uint32_t i = 0; i < s->n_metrics; i++) buffer_printf(b, "  %s %.5g", s->metric[i].name, s->metric[i].value);
    time_left(s, left);
    buffer_printf(b, "%s%s", left, stopping ? "  stopping, the best is kept" : "");
}

static void draw(train_show *s, bool stopping)
{
    buffer b = {0};
    line(s, stopping, &b);
    if (s->terminal)
        fprintf(stderr, "\r\033[K%.*s", b.len > 160 ? 160 : (int)b.len, b.data);
    else
        fprintf(stderr, "%s\n", b.data);
    fflush(stderr);
    s->drawn = true;
    s->shown_ns = clock_mono_ns();
    buffer_free(&b);
}

static void json_step(const train_progress *p)
{
    buffer b = {0};
    buffer_puts(&b, "{\"step\":");
    const char *what = p->training ? "train" : p->what;
    buffer_json_string(&b, what, strlen(what));
    buffer_printf(&b, ",\"done\":%" PRIu64 ",\"total\":%" PRIu64, p->done, p->total);
    if (p->metric) {
        buffer_puts(&b, ",\"metric\":");
        buffer_json_string(&b, p->metric, strlen(p->metric));
        if (isfinite(p->value)) buffer_printf(&b, ",\"value\":%.9g", p->value);
    }
    buffer_puts(&b, "}");
    puts(b.data);
    fflush(stdout);
    buffer_free(&b);
}

void train_show_step(train_show *s, const train_progress *p, bool stopping)
{
    const char *what = p->training ? "training" : p->what;
    bool news = strcmp(what, s->what) != 0;
    if (news && s->drawn && s->terminal) fputs("\n", stderr);
    if (news) snprintf(s->what, sizeof s->what, "%s", what);
    if (p->training && !s->training) {
        s->training = true;
        s->started_ns = clock_mono_ns();
    }
    s->done = p->done;
    s->total = p->total;
    if (p->metric) note_metric(s, p->metric, p->value);
    uint64_t age_ms = (clock_mono_ns() - s->shown_ns) / 1000000;
    bool due = news || age_ms >= (s->terminal ? LINE_MS : LOG_MS) || (p->training && p->done == p->total && age_ms >= LINE_MS);
    if (s->json && (p->training || due)) json_step(p);
    if (!s->quiet && !s->json && due) draw(s, stopping);
    if (s->json && due) s->shown_ns = clock_mono_ns();
}

void train_show_end(train_show *s)
{
    if (s->drawn && s->terminal) {
        draw(s, false);
        fputs("\n", stderr);
    }
    free(s);
}

/* ---- the model --------------------------------------------------------------------------------------------------------------- */

static void json_model(const train_result *r, const char *model)
{
    const model_info *m = &r->model;
    const char *comma = "";
    buffer b = {0};
    buffer_puts(&b, "{\"model\":");
    buffer_json_string(&b, model, strlen(model));
    buffer_puts(&b, ",\"dir\":");
    buffer_json_string(&b, m->dir, strlen(m->dir));
    buffer_printf(&b, ",\"since\":%" PRIu64 ",\"until\":%" PRIu64 ",\"seed\":%" PRIu64 ",\"seconds\":%.3f,\"resumed\":%s", m->since,
                  m->until, m->seed, m->seconds, r->resumed ? "true" : "false");
    buffer_printf(&b, ",\"golden_cases\":%u,\"metrics\":{", r->golden_cases);
    for (uint32_t i = 0; i < m->n_metrics; i++) {
        if (!isfinite(m->metric[i].value)) continue;
        buffer_puts(&b, comma);
        buffer_json_string(&b, m->metric[i].name, strlen(m->metric[i].name));
        buffer_printf(&b, ":%.9g", m->metric[i].value);
        comma = ",";
    }
    buffer_puts(&b, "}}");
    puts(b.data);
    fflush(stdout);
    buffer_free(&b);
}

void train_show_model(const train_result *r, const char *model, bool json, bool deploying)
{
    const model_info *m = &r->model;
    if (json) {
        json_model(r, model);
        return;
    }
    buffer report = {0};
    dataset_report_text(&r->report, &report);
    if (report.data) fputs(report.data, stderr);
    buffer_free(&report);
    printf("trained %s for %s in %.1f s%s: records %" PRIu64 " to %" PRIu64 ", %u golden cases\n", model, m->use, m->seconds,
           r->resumed ? ", resumed" : "", m->since + 1, m->until, r->golden_cases);
    for (uint32_t i = 0; i < m->n_metrics; i++)
        if (strncmp(m->metric[i].name, "data.", 5) != 0) printf("  %-24s %.6g\n", m->metric[i].name, m->metric[i].value);
    printf("  %s\n", m->dir);
    if (!deploying) printf("deploy it: sinter model deploy %s\n", model);
    fflush(stdout);
}
