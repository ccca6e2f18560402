/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What happened between two answers of GetStatus. */
#include "top_figures.h"

#include <math.h>
#include <string.h>

static const Sinter__V1__Metric *metric_of(const Sinter__V1__GetStatusResponse *r, const char *name)
{
    for (size_t i = 0; r && i < r->n_metrics; i++)
        if (strcmp(r->metrics[i]->name, name) == 0) return r->metrics[i];
    return NULL;
}

const char *top_label_of(const Sinter__V1__MetricSample *s, const char *name)
{
    for (size_t i = 0; i < s->n_labels; i++)
        if (strcmp(s->labels[i]->key, name) == 0) return s->labels[i]->value;
    return "";
}

static bool fits(const Sinter__V1__MetricSample *s, const top_label *l)
{
    for (; l && l->name; l++)
        if (strcmp(top_label_of(s, l->name), l->value) != 0) return false;
    return true;
}

double top_value(const Sinter__V1__GetStatusResponse *r, const char *name, const top_label *labels)
{
    const Sinter__V1__Metric *m = metric_of(r, name);
    double sum = 0;
    for (size_t i = 0; m && i < m->n_samples; i++)
        if (fits(m->samples[i], labels)) sum += m->samples[i]->value;
    return sum;
}

double top_rate(const top_view *v, const char *name, const top_label *labels)
{
    double more = top_value(v->now, name, labels) - top_value(v->before, name, labels);
    return v->seconds > 0 && more > 0 ? more / v->seconds : 0;
}

static void add_times(const Sinter__V1__Metric *m, const top_label *labels, double sign, top_times *out)
{
    for (size_t i = 0; m && i < m->n_samples; i++) {
        const Sinter__V1__MetricSample *s = m->samples[i];
        for (size_t k = 0; k < s->n_buckets && k < TOP_BUCKETS && fits(s, labels); k++) {
            out->bucket[k] += sign * (double)s->buckets[k];
            out->n += sign * (double)s->buckets[k];
        }
    }
}

void top_times_of(const top_view *v, const char *name, const top_label *labels, top_times *out)
{
    *out = (top_times){.metric = metric_of(v->now, name)};
    add_times(out->metric, labels, 1, out);
    add_times(metric_of(v->before, name), labels, -1, out);
}

double top_quantile_ms(const top_times *t, double q)
{
    double wanted = q * t->n, below = 0;
    const Sinter__V1__Metric *m = t->metric;
    if (!m || t->n <= 0 || m->n_bounds == 0) return NAN;
    for (size_t k = 0; k < m->n_bounds && k < TOP_BUCKETS; k++) {
        double low = k ? m->bounds[k - 1] : 0, high = m->bounds[k];
        if (below + t->bucket[k] >= wanted && t->bucket[k] > 0)
            return 1e3 * (low + (high - low) * (wanted - below) / t->bucket[k]);
        below += t->bucket[k];
    }
    return 1e3 * m->bounds[m->n_bounds - 1];
}

void top_values(const Sinter__V1__GetStatusResponse *r, const char *name, const char *label, const top_label *labels, const char **out,
                size_t most, size_t *n)
{
    const Sinter__V1__Metric *m = metric_of(r, name);
    *n = 0;
    for (size_t i = 0; m && i < m->n_samples && *n < most; i++) {
        const char *value = top_label_of(m->samples[i], label);
        bool there = !fits(m->samples[i], labels);
        for (size_t k = 0; k < *n && !there; k++)
            there = strcmp(out[k], value) == 0;
        if (!there) out[(*n)++] = value;
    }
}
