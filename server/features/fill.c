/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the sources of a request to numbers: one function per kind, one column at a time. */
#include "features/features.h"

#include "registry.h"

#include <math.h>
#include <string.h>

#define MS_PER_DAY 86400000.0

static void fill_constant(float v, uint32_t n, float *out, uint32_t stride)
{
    for (uint32_t i = 0; i < n; i++) out[(size_t)i * stride] = v;
}

/* Copies a column that may be absent (then all missing). */
static void fill_column(const float *from, uint32_t n, float *out, uint32_t stride)
{
    if (!from) {
        fill_constant(NAN, n, out, stride);
        return;
    }
    for (uint32_t i = 0; i < n; i++) out[(size_t)i * stride] = from[i];
}

/* Without words nothing matched: zero, so that a formula over text features still has a value when browsing. */
static bool no_words(const feature_source *s)
{
    return !s->scorer || !s->packed;
}

static void fill_text(const feature *f, const feature_source *s, float *out, uint32_t stride)
{
    static const text_group_feature of_kind[] = {[FEATURE_TEXT_GROUP] = TEXT_GROUP_SCORE,
                                                 [FEATURE_TEXT_COUNT] = TEXT_GROUP_COUNT,
                                                 [FEATURE_TEXT_WORDS] = TEXT_GROUP_WORDS,
                                                 [FEATURE_TEXT_LENGTH] = TEXT_GROUP_LENGTH};
    if (no_words(s))
        fill_constant(0, s->n, out, stride);
    else if (f->kind == FEATURE_TEXT_BM25)
        text_bm25f(s->scorer, s->packed, s->n, out, stride);
    else if (f->kind == FEATURE_QUERY_COVERAGE)
        text_coverage(s->scorer, s->packed, s->n, out, stride);
    else
        text_group(s->scorer, s->packed, s->n, f->index, of_kind[f->kind], out, stride);
}

static void fill_item(const feature *f, const feature_source *s, float *out, uint32_t stride)
{
    const sinter_column *c = catalog_column(s->columns, f->attribute);
    if (!c) {
        fill_constant(NAN, s->n, out, stride);
        return;
    }
    if (f->kind == FEATURE_ITEM) {
        column_gather(c, s->item, s->n, out, stride);
        return;
    }
    double now = (double)s->request->context->now_ms;
    for (uint32_t i = 0; i < s->n; i++)
        out[(size_t)i * stride] = (float)((now - column_number(c, s->item[i])) / MS_PER_DAY);
}

static float attribute_number(const sinter_attribute *a, uint32_t n, const char *name)
{
    size_t len = strlen(name);
    for (uint32_t i = 0; i < n; i++) {
        if (a[i].name.size != len || memcmp(a[i].name.data, name, len) != 0) continue;
        switch (a[i].value.type) {
        case SINTER_VALUE_NUMBER: return (float)a[i].value.u.number;
        case SINTER_VALUE_INTEGER:
        case SINTER_VALUE_TIMESTAMP: return (float)a[i].value.u.integer;
        case SINTER_VALUE_BOOLEAN: return a[i].value.u.boolean ? 1.0f : 0.0f;
        default: return NAN;
        }
    }
    return NAN;
}

float feature_of_request(const feature *f, const feature_source *s)
{
    double days = (double)s->request->context->now_ms / MS_PER_DAY;
    switch (f->kind) {
    case FEATURE_QUERY_WORDS: return (float)text_query_scoring(s->query);
    case FEATURE_QUERY_LENGTH: return (float)strlen(s->query->normalised);
    case FEATURE_QUERY_EMPTY: return s->query->empty ? 1.0f : 0.0f;
    case FEATURE_NOW_HOUR: return (float)((days - floor(days)) * 24.0);
    case FEATURE_NOW_WEEKDAY: return (float)fmod(fmod(floor(days) + 3.0, 7.0) + 7.0, 7.0); /* 1970-01-01 was a Thursday */
    case FEATURE_USER: return attribute_number(s->request->user->attribute, s->request->user->n_attributes, f->attribute);
    case FEATURE_CONTEXT:
        return attribute_number(s->request->context->attribute, s->request->context->n_attributes, f->attribute);
    default: return NAN;
    }
}

static sinter_status fill_one(const feature *f, const feature_source *s, float *out, uint32_t stride, sinter_error *e)
{
    if (f->per_request) {
        fill_constant(feature_of_request(f, s), s->n, out, stride);
        return SINTER_OK;
    }
    switch (f->kind) {
    case FEATURE_TEXT_BM25:
    case FEATURE_TEXT_GROUP:
    case FEATURE_TEXT_COUNT:
    case FEATURE_TEXT_WORDS:
    case FEATURE_TEXT_LENGTH:
    case FEATURE_QUERY_COVERAGE: fill_text(f, s, out, stride); break;
    case FEATURE_TEXT_PROXIMITY:
        if (no_words(s))
            fill_constant(0, s->n, out, stride);
        else
            return text_proximity(s->reader, s->query, f->index, s->item, s->n, out, stride, s->a, e);
        break;
    case FEATURE_ITEM:
    case FEATURE_ITEM_AGE: fill_item(f, s, out, stride); break;
    case FEATURE_RECALL: fill_column(s->recall_score ? s->recall_score[f->index] : NULL, s->n, out, stride); break;
    case FEATURE_RECALL_RANK: fill_column(s->recall_rank ? s->recall_rank[f->index] : NULL, s->n, out, stride); break;
    case FEATURE_SCORE: fill_column(s->ranker_score ? s->ranker_score[f->index] : NULL, s->n, out, stride); break;
    case FEATURE_BEFORE: fill_column(s->before, s->n, out, stride); break;
    default: fill_constant(NAN, s->n, out, stride);
    }
    return SINTER_OK;
}

sinter_status features_fill(const feature *f, uint32_t n_features, const feature_source *s, float *out, uint32_t stride,
                            sinter_error *e)
{
    for (uint32_t j = 0; j < n_features; j++) {
        sinter_status st = fill_one(&f[j], s, out + j, stride, e);
        if (st) return st;
    }
    return SINTER_OK;
}
