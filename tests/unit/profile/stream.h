/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random streams of records for the tests of profiles, and a naive account of what they mean: every event kept, every
 * question answered by going through all of them. */
#ifndef TEST_PROFILE_STREAM_H
#define TEST_PROFILE_STREAM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/profile.h"

typedef Sinter__Storage__V1__Record record;

enum { PEOPLE = 12, ITEMS = 30, QUERIES = 4, TYPES = 3, BY = 2, HISTORY = 7, VALUES = 4 };
static const config_event EVENTS[] = {{.name = "view", .weight = 0.2}, {.name = "click", .weight = 1}, {.name = "rating", .by_value = true}};
static const char *const COUNTER_BY[] = {"brand", "colour"};
static const char *const QUERY[QUERIES] = {"", "Blue  Chair", "blue chair", "ÉTAGÈRE"};
static const char *const QUERY_TEXT[QUERIES] = {"", "blue chair", "blue chair", "étagère"};
#define DAY_MS 86400000ll
#define START_MS 1700000000000ll

static inline config_collection schema_of(uint32_t history)
{
    return (config_collection){.name = "shop",
                               .event = EVENTS,
                               .n_events = TYPES,
                               .history = history,
                               .counter_half_life_days = 10,
                               .counter_by = COUNTER_BY,
                               .n_counter_by = BY};
}

/* One thing that happened, as the naive account keeps it. */
typedef struct happening {
    uint64_t sequence;
    int64_t time_ms;
    double value;
    uint32_t person, item, type, query;
} happening;

/* A count for a value of a field: when the event was recorded, or when the item came. */
typedef struct valued {
    int64_t time_ms;
    uint32_t type, by, value; /* value from 1 */
} valued;

typedef struct stream {
    rng r;
    arena *a;
    record **record;
    uint32_t n, cap;
    /* The naive account. */
    happening *happening;
    uint32_t n_happenings;
    valued *valued;
    uint32_t n_valued;
    happening *waiting; /* of items that do not exist */
    uint32_t n_waiting;
    uint32_t ordinals;
    uint32_t ordinal[ITEMS]; /* + 1; 0: not in the catalogue */
    uint32_t value[ITEMS][BY];
} stream;

static inline str person_user(uint32_t person, char out[32])
{
    int n = person % 3 == 2 ? 0 : snprintf(out, 32, "u%u", person);
    return (str){out, (size_t)n};
}

/* People 2, 5, .. have a session only; one session has the name of a user. */
static inline str person_session(uint32_t person, char out[32])
{
    int n = person % 3 == 2 ? snprintf(out, 32, "u%u", person - 1) : snprintf(out, 32, "s%u", person);
    return (str){out, (size_t)n};
}

static inline record *stream_record(stream *s)
{
    record *r = ARENA_NEW(s->a, record);
    sinter__storage__v1__record__init(r);
    r->sequence = s->n ? s->record[s->n - 1]->sequence + 1 + rng_below(&s->r, 3) : 1;
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 1024;
        s->record = xrealloc(s->record, s->cap * sizeof *s->record);
    }
    return s->record[s->n++] = r;
}

static inline void entry_of(stream *s, Sinter__V1__Item *item, const char *name, const char *text)
{
    Sinter__V1__Item__FieldsEntry *x = ARENA_NEW(s->a, Sinter__V1__Item__FieldsEntry);
    sinter__v1__item__fields_entry__init(x);
    x->key = arena_strdup(s->a, name);
    x->value = ARENA_NEW(s->a, Sinter__V1__Value);
    sinter__v1__value__init(x->value);
    x->value->kind_case = SINTER__V1__VALUE__KIND_STRING_VALUE;
    x->value->string_value = arena_strdup(s->a, text);
    item->fields[item->n_fields++] = x;
}

static inline void note_valued(stream *s, const happening *h)
{
    for (uint32_t by = 0; by < BY; by++) {
        if (!s->value[h->item][by]) continue;
        s->valued = xrealloc(s->valued, (s->n_valued + 1) * sizeof *s->valued);
        s->valued[s->n_valued++] = (valued){h->time_ms, h->type, by, s->value[h->item][by]};
    }
}

static inline void stream_put(stream *s, uint32_t item)
{
    record *r = stream_record(s);
    r->body_case = SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT;
    Sinter__Storage__V1__ItemPut *put = r->item_put = ARENA_NEW(s->a, Sinter__Storage__V1__ItemPut);
    sinter__storage__v1__item_put__init(put);
    put->collection = 1;
    if (!s->ordinal[item]) s->ordinal[item] = ++s->ordinals;
    put->ordinal = s->ordinal[item] - 1;
    put->item = ARENA_NEW(s->a, Sinter__V1__Item);
    sinter__v1__item__init(put->item);
    put->item->id = arena_printf(s->a, "i%u", item);
    put->item->fields = ARENA_ARRAY(s->a, Sinter__V1__Item__FieldsEntry *, BY + 1);
    entry_of(s, put->item, "title", "anything");
    for (uint32_t by = 0; by < BY; by++) {
        s->value[item][by] = (uint32_t)rng_below(&s->r, VALUES + 1);
        char text[16];
        snprintf(text, sizeof text, "v%u", s->value[item][by]);
        if (s->value[item][by]) entry_of(s, put->item, COUNTER_BY[by], text);
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < s->n_waiting; i++) {
        if (s->waiting[i].item == item)
            note_valued(s, &s->waiting[i]);
        else
            s->waiting[left++] = s->waiting[i];
    }
    s->n_waiting = left;
}

static inline void stream_drop(stream *s, uint32_t item)
{
    if (!s->ordinal[item]) return;
    record *r = stream_record(s);
    r->body_case = SINTER__STORAGE__V1__RECORD__BODY_ITEM_DELETE;
    r->item_delete = ARENA_NEW(s->a, Sinter__Storage__V1__ItemDelete);
    sinter__storage__v1__item_delete__init(r->item_delete);
    r->item_delete->collection = 1;
    r->item_delete->ordinal = s->ordinal[item] - 1;
    r->item_delete->id = arena_printf(s->a, "i%u", item);
    s->ordinal[item] = 0;
    memset(s->value[item], 0, sizeof s->value[item]);
}

static inline void note_happening(stream *s, const happening *h)
{
    s->happening = xrealloc(s->happening, (s->n_happenings + 1) * sizeof *h);
    s->happening[s->n_happenings++] = *h;
    if (s->ordinal[h->item]) {
        note_valued(s, h);
    } else {
        s->waiting = xrealloc(s->waiting, (s->n_waiting + 1) * sizeof *h);
        s->waiting[s->n_waiting++] = *h;
    }
}

static inline void stream_event(stream *s, uint32_t person, uint32_t type, uint32_t query, int64_t time_ms, double value,
                                const uint32_t *item, uint32_t n)
{
    char text[32];
    record *r = stream_record(s);
    r->body_case = SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT;
    r->event_put = ARENA_NEW(s->a, Sinter__Storage__V1__EventPut);
    sinter__storage__v1__event_put__init(r->event_put);
    r->event_put->collection = 1;
    Sinter__V1__Event *e = r->event_put->event = ARENA_NEW(s->a, Sinter__V1__Event);
    sinter__v1__event__init(e);
    e->type = arena_strdup(s->a, EVENTS[type - 1].name);
    str id = person_user(person, text);
    e->user_id = arena_strndup(s->a, id.s, id.n);
    id = person_session(person, text);
    e->session_id = arena_strndup(s->a, id.s, id.n);
    e->query = arena_strdup(s->a, QUERY[query]);
    e->value = value;
    e->time = ARENA_NEW(s->a, Google__Protobuf__Timestamp);
    google__protobuf__timestamp__init(e->time);
    e->time->seconds = time_ms / 1000;
    e->time->nanos = (int32_t)(time_ms % 1000) * 1000000;
    e->item_ids = ARENA_ARRAY(s->a, char *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        e->item_ids[e->n_item_ids++] = arena_printf(s->a, "i%u", item[i]);
        happening h = {r->sequence, time_ms, value, person, item[i], type, query};
        note_happening(s, &h);
    }
}

/* One record: mostly events, often late, often at a time that another has; items come, change, go and come back. */
static inline void stream_step(stream *s)
{
    uint64_t what = rng_below(&s->r, 100);
    uint32_t item[3];
    if (what < 15) {
        stream_put(s, (uint32_t)rng_below(&s->r, ITEMS));
    } else if (what < 20) {
        stream_drop(s, (uint32_t)rng_below(&s->r, ITEMS));
    } else {
        uint32_t n = what < 90 ? 1 : (uint32_t)rng_below(&s->r, 3) + 1;
        for (uint32_t i = 0; i < n; i++) item[i] = (uint32_t)rng_below(&s->r, ITEMS);
        int64_t now = START_MS + (int64_t)s->n * 3600000 / 4;
        int64_t late = what < 60 ? 0 : (int64_t)rng_below(&s->r, 40 * 24) * 3600000;
        if (what % 7 == 0) late = -3600000; /* a clock that is ahead */
        stream_event(s, (uint32_t)rng_below(&s->r, PEOPLE), 1 + (uint32_t)rng_below(&s->r, TYPES),
                     (uint32_t)rng_below(&s->r, QUERIES), (now - late) / 3600000 * 3600000 + 500, rng_uniform(&s->r), item, n);
    }
}

static inline stream stream_new(uint64_t seed)
{
    stream s = {.a = arena_new(1 << 20)};
    rng_seed(&s.r, seed);
    return s;
}

static inline void stream_free(stream *s)
{
    arena_free(s->a);
    free(s->record);
    free(s->happening);
    free(s->valued);
    free(s->waiting);
}

/* ---- the naive answers ----------------------------------------------------------------------------------------------- */

static inline double naive_decay(int64_t time_ms, int64_t now_ms)
{
    return pow(0.5, (double)(now_ms - time_ms) / (10.0 * (double)DAY_MS));
}

static inline double naive_items(const stream *s, uint32_t type, uint32_t item, int64_t now_ms)
{
    double sum = 0;
    for (uint32_t i = 0; i < s->n_happenings; i++)
        if (s->happening[i].type == type && s->happening[i].item == item) sum += naive_decay(s->happening[i].time_ms, now_ms);
    return sum;
}

static inline double naive_values(const stream *s, uint32_t type, uint32_t by, uint32_t value, int64_t now_ms)
{
    double sum = 0;
    for (uint32_t i = 0; i < s->n_valued; i++) {
        const valued *v = &s->valued[i];
        if (v->type == type && v->by == by && v->value == value) sum += naive_decay(v->time_ms, now_ms);
    }
    return sum;
}

static inline double naive_query(const stream *s, uint32_t type, const char *text, uint32_t item, int64_t now_ms)
{
    double sum = 0;
    for (uint32_t i = 0; i < s->n_happenings; i++) {
        const happening *h = &s->happening[i];
        if (h->type == type && h->item == item && text[0] && strcmp(QUERY_TEXT[h->query], text) == 0)
            sum += naive_decay(h->time_ms, now_ms);
    }
    return sum;
}

/* Newer first: by time, then by record, then by place in the event. */
static inline bool newer(const happening *a, const happening *b)
{
    return a->time_ms != b->time_ms ? a->time_ms > b->time_ms : a > b;
}

static inline uint32_t naive_history(const stream *s, uint32_t person, uint32_t kept, profile_event *out)
{
    const happening *have[64];
    uint32_t n = 0, m = 0;
    for (uint32_t i = 0; i < s->n_happenings; i++) {
        const happening *h = &s->happening[i];
        if (h->person != person) continue;
        uint32_t at = n < kept ? n++ : kept;
        while (at > 0 && newer(h, have[at - 1])) {
            if (at < kept) have[at] = have[at - 1];
            at--;
        }
        if (at < kept) have[at] = h;
    }
    for (uint32_t i = 0; i < n; i++)
        if (s->ordinal[have[i]->item])
            out[m++] = (profile_event){have[i]->time_ms, have[i]->value, s->ordinal[have[i]->item] - 1, have[i]->type};
    return m;
}

#endif
