/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a scrape gathers, and its text for Prometheus. */
#include "inside.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SLOTS = 1024 };

scrape *scrape_new(arena *a)
{
    scrape *m = ARENA_NEW(a, scrape);
    m->a = a;
    m->last = &m->first;
    m->slot = ARENA_ARRAY(a, metric_sample *, SLOTS);
    return m;
}

static metric_group *group_of(scrape *m, const metric_family *f)
{
    for (metric_group *g = m->first; g; g = g->next)
        if (g->family == f) return g;
    metric_group *g = ARENA_NEW(m->a, metric_group);
    g->family = f;
    g->last = &g->first;
    *m->last = g;
    m->last = &g->next;
    return g;
}

static metric_sample *sample_of(scrape *m, const metric_family *f, const char *const *label)
{
    metric_sample **slot = &m->slot[metric_hash(f, label) % SLOTS];
    metric_group *g = group_of(m, f);
    for (metric_sample *s = *slot; s; s = s->next_same)
        if (s->family == f && metric_labels_same(s->label, label)) return s;
    metric_sample *s = ARENA_NEW(m->a, metric_sample);
    s->family = f;
    for (uint32_t i = 0; i < METRIC_LABELS && label[i]; i++)
        s->label[i] = arena_strdup(m->a, label[i]);
    s->next_same = *slot;
    *slot = s;
    *g->last = s;
    g->last = &s->next;
    return s;
}

void scrape_add(scrape *m, const metric_family *f, double value, const char *a, const char *b, const char *c)
{
    sample_of(m, f, (const char *const[METRIC_LABELS]){a, b, c})->value += value;
}

void scrape_add_histogram(scrape *m, const metric_family *f, const histogram *h, const char *a, const char *b, const char *c)
{
    metric_sample *s = sample_of(m, f, (const char *const[METRIC_LABELS]){a, b, c});
    for (uint32_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        s->bucket[i] += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
    s->value += (double)atomic_load_explicit(&h->nanoseconds, memory_order_relaxed) / 1e9;
}

void scrape_add_table(scrape *m, const metric_table *t)
{
    uint32_t n = atomic_load_explicit(&t->n, memory_order_acquire);
    for (uint32_t i = 0; i < n; i++) {
        const metric_cell *c = t->cell[i];
        if (c->family->kind == METRIC_HISTOGRAM)
            scrape_add_histogram(m, c->family, &c->histogram, c->label[0], c->label[1], c->label[2]);
        else
            scrape_add(m, c->family, (double)atomic_load_explicit(&c->count, memory_order_relaxed), c->label[0], c->label[1],
                        c->label[2]);
    }
}

/* ---- the text ------------------------------------------------------------------------------------------------------------------ */

static void write_label_value(buffer *out, const char *s)
{
    buffer_puts(out, "\"");
    for (; *s; s++) {
        if (*s == '\\' || *s == '"')
            buffer_printf(out, "\\%c", *s);
        else if (*s == '\n')
            buffer_puts(out, "\\n");
        else
            buffer_append(out, s, 1);
    }
    buffer_puts(out, "\"");
}

/* `le`: a bucket's bound; NULL: none. */
static void write_labels(buffer *out, const metric_family *f, const metric_sample *s, const char *le)
{
    bool any = false;
    for (uint32_t i = 0; i < METRIC_LABELS && f->label[i] && s->label[i]; i++, any = true) {
        buffer_printf(out, "%s%s=", any ? "," : "{", f->label[i]);
        write_label_value(out, s->label[i]);
    }
    if (le) buffer_printf(out, "%sle=\"%s\"", any ? "," : "{", le);
    if (any || le) buffer_puts(out, "}");
}

static void write_number(buffer *out, double v)
{
    if (v == floor(v) && fabs(v) < 9007199254740992.0)
        buffer_printf(out, " %.0f\n", v);
    else
        buffer_printf(out, " %.9g\n", v);
}

static void write_histogram(buffer *out, const metric_family *f, const metric_sample *s)
{
    uint64_t sum = 0;
    char le[24];
    for (uint32_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        sum += s->bucket[i];
        if (i < HISTOGRAM_BOUNDS)
            snprintf(le, sizeof le, "%g", HISTOGRAM_SECONDS[i]);
        else
            snprintf(le, sizeof le, "+Inf");
        buffer_printf(out, "%s_bucket", f->name);
        write_labels(out, f, s, le);
        buffer_printf(out, " %llu\n", (unsigned long long)sum);
    }
    buffer_printf(out, "%s_sum", f->name);
    write_labels(out, f, s, NULL);
    buffer_printf(out, " %.9g\n%s_count", s->value, f->name);
    write_labels(out, f, s, NULL);
    buffer_printf(out, " %llu\n", (unsigned long long)sum);
}

void scrape_write(const scrape *m, buffer *out)
{
    static const char *const KINDS[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};
    for (const metric_group *g = m->first; g; g = g->next) {
        const metric_family *f = g->family;
        buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, KINDS[f->kind]);
        for (const metric_sample *s = g->first; s; s = s->next) {
            if (f->kind == METRIC_HISTOGRAM) {
                write_histogram(out, f, s);
                continue;
            }
            buffer_puts(out, f->name);
            write_labels(out, f, s, NULL);
            write_number(out, s->value);
        }
    }
}
