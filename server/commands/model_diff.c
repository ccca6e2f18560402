/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The comparison behind model_diff.h: what they are for, what they read, what they were trained on, how they did, their files. */
#include "model_diff.h"

#include "base/base.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int texts(const char *what, const char *a, const char *b)
{
    if (strcmp(a, b) == 0) return 0;
    printf("  %-24s %s -> %s\n", what, *a ? a : "none", *b ? b : "none");
    return 1;
}

static int numbers(const char *what, uint64_t a, uint64_t b)
{
    if (a == b) return 0;
    printf("  %-24s %llu -> %llu\n", what, (unsigned long long)a, (unsigned long long)b);
    return 1;
}

static const double *metric_of(const Sinter__V1__ModelInfo *m, const char *name)
{
    for (size_t i = 0; i < m->n_metrics; i++)
        if (strcmp(m->metrics[i]->key, name) == 0) return &m->metrics[i]->value;
    return NULL;
}

static int metrics(const Sinter__V1__ModelInfo *a, const Sinter__V1__ModelInfo *b)
{
    int n = 0;
    for (size_t i = 0; i < a->n_metrics; i++) {
        const char *name = a->metrics[i]->key;
        const double x = a->metrics[i]->value, *y = metric_of(b, name);
        if (y && (*y == x || (isnan(*y) && isnan(x)))) continue;
        n++;
        if (y)
            printf("  metric %-17s %.6g -> %.6g (%+.6g)\n", name, x, *y, *y - x);
        else
            printf("  metric %-17s %.6g -> none\n", name, x);
    }
    for (size_t i = 0; i < b->n_metrics; i++) {
        if (metric_of(a, b->metrics[i]->key)) continue;
        n++;
        printf("  metric %-17s none -> %.6g\n", b->metrics[i]->key, b->metrics[i]->value);
    }
    return n;
}

static bool reads(const Sinter__V1__ModelInfo *m, const char *name)
{
    for (size_t i = 0; i < m->n_features; i++)
        if (strcmp(m->features[i], name) == 0) return true;
    return false;
}

static int features(const Sinter__V1__ModelInfo *a, const Sinter__V1__ModelInfo *b)
{
    int n = 0;
    for (size_t i = 0; i < a->n_features; i++)
        if (!reads(b, a->features[i]) && ++n) printf("  no longer reads          %s\n", a->features[i]);
    for (size_t i = 0; i < b->n_features; i++)
        if (!reads(a, b->features[i]) && ++n) printf("  reads in addition        %s\n", b->features[i]);
    return n;
}

static const char *sum_of(const Sinter__V1__ModelInfo *m, const char *path)
{
    for (size_t i = 0; i < m->n_files; i++)
        if (strcmp(m->files[i]->path, path) == 0) return m->files[i]->sha256;
    return "";
}

static int files(const Sinter__V1__ModelInfo *a, const Sinter__V1__ModelInfo *b)
{
    int n = 0;
    for (size_t i = 0; i < a->n_files; i++) {
        const char *path = a->files[i]->path, *was = a->files[i]->sha256, *is = sum_of(b, path);
        if (strcmp(was, is) == 0) continue;
        n++;
        printf("  file %-19s %.12s -> %.12s\n", path, was, *is ? is : "none");
    }
    for (size_t i = 0; i < b->n_files; i++)
        if (!*sum_of(a, b->files[i]->path) && ++n) printf("  file %-19s none -> %.12s\n", b->files[i]->path, b->files[i]->sha256);
    return n;
}

int model_diff(const Sinter__V1__ModelInfo *a, const Sinter__V1__ModelInfo *b)
{
    char was[48], is[48], when_a[32] = "", when_b[32] = "";
    snprintf(was, sizeof was, "%llu-%llu", (unsigned long long)a->since + 1, (unsigned long long)a->until);
    snprintf(is, sizeof is, "%llu-%llu", (unsigned long long)b->since + 1, (unsigned long long)b->until);
    if (a->trained) time_format_ms(a->trained->seconds * 1000, when_a);
    if (b->trained) time_format_ms(b->trained->seconds * 1000, when_b);
    int n = texts("plugin", a->plugin, b->plugin) + texts("plugin version", a->plugin_version, b->plugin_version) +
            texts("plugin build", a->plugin_sha256, b->plugin_sha256) + texts("role", a->role, b->role) + texts("trained for", a->use, b->use) +
            texts("collection", a->collection, b->collection) + texts("options (hash)", a->options, b->options) +
            texts("trained on records", was, is) + texts("trained", when_a, when_b) + numbers("seed", a->seed, b->seed) +
            numbers("items known", a->ordinals, b->ordinals) + texts("trained after", a->parent, b->parent) +
            numbers("bytes", a->bytes, b->bytes);
    n += features(a, b) + metrics(a, b) + files(a, b);
    return n + texts("fault", a->fault, b->fault);
}
