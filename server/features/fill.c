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

/* ---- what people did --------------------------------------------------------------------------------------------- */

static void fill_events(const feature *f, const feature_source *s, float *out, uint32_t stride)
{
    int64_t now = s->request->context->now_ms;
    if (!s->profiles) {
        fill_constant(f->kind == FEATURE_EVENTS_VALUE ? NAN : 0, s->n, out, stride);
    } else if (f->kind == FEATURE_EVENTS) {
        profile_count_items(s->profiles, f->event, f->span, s->item, s->n, now, out, stride);
    } else if (f->kind == FEATURE_EVENTS_VALUE) {
        profile_count_values(s->profiles, f->event, f->span, f->index, s->item, s->n, now, out, stride);
    } else {
        const profile_query *q = profile_find_query(s->profiles, profile_query_text(s->asked, s->a));
        profile_count_query(s->profiles, q, f->event, f->span, s->item, s->n, now, out, stride);
    }
}

static void fill_rates(const feature *f, const feature_source *s, float *out, uint32_t stride)
{
    int64_t now = s->request->context->now_ms;
    if (!s->profiles) {
        fill_constant(f->kind == FEATURE_SHOWN ? 0 : NAN, s->n, out, stride);
    } else if (f->kind == FEATURE_SHOWN || f->kind == FEATURE_SHOWN_VALUE) {
        profile_shown(s->profiles, f->span, f->index, s->item, s->n, now, out, stride);
    } else {
        profile_rate r = {.event = f->event, .per = f->per, .by = f->index, .span = f->span};
        profile_rates(s->profiles, &r, s->item, s->n, now, out, stride);
    }
}

static profile_who person_of(const feature_source *s)
{
    const sinter_user *u = s->request->user;
    if (!s->profiles || (!u->user_id.size && !u->session_id.size)) return (profile_who){0};
    return profile_find_person(s->profiles, (str){u->user_id.data, u->user_id.size}, (str){u->session_id.data, u->session_id.size});
}

/* Counts of numbers in an open-addressing table; slots of number 0 are free. */
typedef struct tally {
    uint32_t mask;
    struct {
        uint32_t value, n;
    } slot[];
} tally;

/* The slot of a number, or the free one that it would take. */
static uint32_t tally_slot(const tally *t, uint32_t value)
{
    uint32_t at = value * 2654435761u & t->mask;
    while (t->slot[at].value && t->slot[at].value != value) at = (at + 1) & t->mask;
    return at;
}

/* What a feature counts of an event or a candidate: 1 + the item, or the number of its value of a counter field. */
static uint32_t counted_as(const feature *f, const feature_source *s, uint32_t item)
{
    return f->kind == FEATURE_SESSION_ITEM ? item + 1 : profile_value_of(s->profiles, f->index, item);
}

static tally *tally_events(const feature *f, const feature_source *s, const profile_event *event, uint32_t n)
{
    uint32_t size = 16;
    while (size < 2 * (n + 1)) size *= 2;
    tally *t = arena_zalloc(s->a, sizeof *t + size * sizeof t->slot[0]);
    t->mask = size - 1;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t value = counted_as(f, s, event[i].item);
        if (!value) continue;
        uint32_t at = tally_slot(t, value);
        t->slot[at].value = value;
        t->slot[at].n++;
    }
    return t;
}

static uint32_t events_kept(const feature *f, const feature_source *s, profile_event **event)
{
    profile_who who = person_of(s);
    if (!s->profiles) return 0;
    if (f->kind == FEATURE_USER_SHARE) {
        uint32_t n = profile_history_count(s->profiles, who, 0);
        *event = arena_alloc(s->a, (n + 1) * sizeof **event);
        return profile_history(s->profiles, who, n, *event);
    }
    profile_session x = profile_session_of(s->profiles, who, s->request->context->now_ms);
    *event = arena_alloc(s->a, (x.n + 1) * sizeof **event);
    return profile_session_events(s->profiles, &x, x.n, *event);
}

/* Of the person's or the session's events: how many are the candidate's own, or the share with its value. */
static void fill_kept(const feature *f, const feature_source *s, float *out, uint32_t stride)
{
    profile_event *event;
    uint32_t n = events_kept(f, s, &event);
    bool share = f->kind != FEATURE_SESSION_ITEM;
    if (!n) {
        fill_constant(share ? NAN : 0, s->n, out, stride);
        return;
    }
    const tally *t = tally_events(f, s, event, n);
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t value = counted_as(f, s, s->item[i]);
        float had = value ? (float)t->slot[tally_slot(t, value)].n : NAN;
        out[(size_t)i * stride] = share ? had / (float)n : had;
    }
}

static float of_session(const feature *f, const feature_source *s)
{
    bool counts = f->kind == FEATURE_SESSION_EVENTS || f->kind == FEATURE_SESSION_EVENTS_TYPE;
    if (!s->profiles) return counts ? 0 : NAN;
    int64_t now_ms = s->request->context->now_ms;
    profile_session x = profile_session_of(s->profiles, person_of(s), now_ms);
    if (!counts) return x.n ? (float)((double)(now_ms - (f->kind == FEATURE_SESSION_SECONDS ? x.start_ms : x.last_ms)) / 1000) : NAN;
    profile_event *event = arena_alloc(s->a, (x.n + 1) * sizeof *event);
    uint32_t n = profile_session_events(s->profiles, &x, x.n, event), of_type = 0;
    for (uint32_t i = 0; i < n; i++) of_type += !f->event || event[i].type == f->event;
    return (float)of_type;
}

float history_weight(const config_collection *schema, uint32_t type, double value)
{
    if (!type || type > schema->n_events) return 0;
    const config_event *e = &schema->event[type - 1];
    return (float)(e->by_value ? value : e->weight);
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
    case FEATURE_USER_EVENTS:
    case FEATURE_USER_EVENTS_TYPE: return s->profiles ? (float)profile_history_count(s->profiles, person_of(s), f->event) : 0;
    case FEATURE_SESSION_EVENTS:
    case FEATURE_SESSION_EVENTS_TYPE:
    case FEATURE_SESSION_SECONDS:
    case FEATURE_SESSION_IDLE: return of_session(f, s);
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
    case FEATURE_EVENTS:
    case FEATURE_EVENTS_VALUE:
    case FEATURE_EVENTS_QUERY: fill_events(f, s, out, stride); break;
    case FEATURE_SHOWN:
    case FEATURE_SHOWN_VALUE:
    case FEATURE_RATE:
    case FEATURE_RATE_VALUE:
    case FEATURE_RATE_PER:
    case FEATURE_RATE_PER_VALUE: fill_rates(f, s, out, stride); break;
    case FEATURE_SESSION_ITEM:
    case FEATURE_SESSION_SHARE:
    case FEATURE_USER_SHARE: fill_kept(f, s, out, stride); break;
    case FEATURE_BEFORE: fill_column(s->before, s->n, out, stride); break;
    default: fill_constant(NAN, s->n, out, stride);
    }
    return SINTER_OK;
}

bool feature_of_item(const feature *f)
{
    switch (f->kind) {
    case FEATURE_ITEM:
    case FEATURE_ITEM_AGE:
    case FEATURE_EVENTS:
    case FEATURE_EVENTS_VALUE:
    case FEATURE_SHOWN:
    case FEATURE_SHOWN_VALUE:
    case FEATURE_RATE:
    case FEATURE_RATE_VALUE:
    case FEATURE_RATE_PER:
    case FEATURE_RATE_PER_VALUE:
    case FEATURE_SESSION_ITEM:
    case FEATURE_SESSION_SHARE:
    case FEATURE_USER_SHARE: return true;
    default: return false;
    }
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
