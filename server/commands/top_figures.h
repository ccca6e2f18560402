/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two GetStatus answers with figures, and what happened between them: rates, times, shares. */
#ifndef SINTER_COMMANDS_TOP_FIGURES_H
#define SINTER_COMMANDS_TOP_FIGURES_H

#include <sinter/v1/admin.pb-c.h>

#include "base/base.h"

typedef struct top_view {
    const Sinter__V1__GetStatusResponse *before, *now;
    double seconds; /* between them */
} top_view;

/* A label that must have a value; the end of a list: NULL. */
typedef struct top_label {
    const char *name, *value;
} top_label;

#define TOP_BUCKETS 64u
typedef struct top_times {
    double bucket[TOP_BUCKETS];
    const Sinter__V1__Metric *metric; /* NULL: never seen */
    double n;
} top_times;

/* Sums over all samples with these labels (NULL: all). */
double top_value(const Sinter__V1__GetStatusResponse *r, const char *metric, const top_label *labels);
double top_rate(const top_view *v, const char *metric, const top_label *labels); /* a second */
void top_times_of(const top_view *v, const char *metric, const top_label *labels, top_times *out);
/* Milliseconds; NAN: nothing happened. Within a bucket as if evenly spread. */
double top_quantile_ms(const top_times *t, double q);
/* The values that a label has in a metric, in the order of their coming; *n of at most `most`. */
void top_values(const Sinter__V1__GetStatusResponse *r, const char *metric, const char *label, const top_label *labels, const char **out,
                size_t most, size_t *n);
const char *top_label_of(const Sinter__V1__MetricSample *s, const char *name); /* "" */

#endif
