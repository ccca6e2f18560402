/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an event must be. Each stands for itself: the first thing that is wrong with it is told and it is left out. */
#include "events.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <sinter/storage/v1/journal.pb-c.h>

#define MOST_EVENTS     10000u
#define MOST_ITEMS      1000u
#define MOST_ATTRIBUTES 64u
#define MOST_QUERY      65536u
#define MOST_BYTES      524288u /* packed */
#define AHEAD_MS        INT64_C(86400000)

typedef Sinter__V1__Event event;

typedef struct checking {
    arena *a;
    worker *w;
    int64_t now_ms;
    const char *named; /* the collection found last: most batches name one */
    const config_collection *k;
    const catalog_collection *catalog;
} checking;

/* What is wrong with an event; all in the arena. */
typedef struct fault {
    const char *field, *reason, *valid;
} fault;

static const char *const ID_VALID = "1 to 256 bytes of UTF-8 without control characters";

static bool refuse(fault *f, const char *field, const char *reason, const char *valid)
{
    *f = (fault){field, reason, valid};
    return false;
}

/* The names as a list, after the nearest one. */
static const char *valid_names(arena *a, const char *name, const char *const *names, uint32_t n)
{
    const char *near = near_name(name, names, n);
    buffer b = {0};
    for (uint32_t i = 0; i < n; i++)
        buffer_printf(&b, "%s%s", i ? ", " : "", names[i]);
    if (near) buffer_printf(&b, "; did you mean '%s'?", near);
    char *s = arena_strndup(a, b.data ? b.data : "", b.len);
    buffer_free(&b);
    return s;
}

/* ---- collection and type ------------------------------------------------------------------------------------------ */

static bool find_collection(checking *k, const event *ev, fault *f)
{
    if (k->named && strcmp(k->named, ev->collection) == 0) return true;
    const view_collection *v;
    const snapshot *s = engine_snapshot(k->w->s->engine);
    uint32_t place = snapshot_collection(s, ev->collection);
    if (place != UINT32_MAX && collection_find(k->w, ev->collection, &v, NULL) == SINTER_OK) {
        k->named = ev->collection;
        k->k = snapshot_schema(s, place);
        k->catalog = v->catalog;
        return true;
    }
    const char *names[256];
    uint32_t n = snapshot_names(s, names, ARRAY_LEN(names));
    return refuse(f, "collection",
                  *ev->collection ? arena_printf(k->a, "no collection '%.64s'", ev->collection)
                                  : "no collection is named",
                  valid_names(k->a, ev->collection, names, n));
}

static bool find_type(checking *k, const event *ev, fault *f)
{
    const config_collection *c = k->k;
    if (config_event_id(c, str_of(ev->type))) return true;
    if (!c->n_events)
        return refuse(f, "type", arena_printf(k->a, "the collection '%s' declares no event types", c->name),
                      arena_printf(k->a, "declare them in collections/%s.yaml: 'events: {click: 1}'", c->name));
    const char *names[CONFIG_MAX_EVENTS];
    for (uint32_t i = 0; i < c->n_events; i++)
        names[i] = c->event[i].name;
    return refuse(f, "type",
                  *ev->type ? arena_printf(k->a, "no event type '%.64s'", ev->type) : "no event type is named",
                  valid_names(k->a, ev->type, names, c->n_events));
}

/* ---- who, what, when ---------------------------------------------------------------------------------------------- */

/* May be left out. */
static bool check_id(const char *field, const char *id, fault *f)
{
    const char *problem = *id ? id_problem(id, strlen(id)) : NULL;
    return !problem || refuse(f, field, problem, ID_VALID);
}

static bool check_who(const event *ev, fault *f)
{
    if (!*ev->user_id && !*ev->session_id)
        return refuse(f, "user_id", "neither user_id nor session_id says who did it", "one of the two");
    return check_id("user_id", ev->user_id, f) && check_id("session_id", ev->session_id, f);
}

static bool check_items(checking *k, const event *ev, fault *f)
{
    if (ev->n_item_ids == 0) return refuse(f, "item_ids", "names no item", "1 to 1000 ids");
    if (ev->n_item_ids > MOST_ITEMS)
        return refuse(f, "item_ids", arena_printf(k->a, "names %zu items", ev->n_item_ids), "1 to 1000 ids");
    for (size_t i = 0; i < ev->n_item_ids; i++) {
        const char *problem = id_problem(ev->item_ids[i], strlen(ev->item_ids[i]));
        if (problem) return refuse(f, arena_printf(k->a, "item_ids[%zu]", i), problem, ID_VALID);
    }
    return true;
}

/* From 1970 to a day from now: clocks of phones are wrong, but not by so much. */
static bool check_time(checking *k, const event *ev, fault *f)
{
    char text[32];
    const Google__Protobuf__Timestamp *t = ev->time;
    if (!t) return true;
    time_format_ms(k->now_ms + AHEAD_MS, text);
    const char *valid = arena_printf(k->a, "from 1970-01-01T00:00:00Z to %s, a day ahead of the server's clock", text);
    if (t->nanos < 0 || t->nanos > 999999999)
        return refuse(f, "time", arena_printf(k->a, "nanos is %d", t->nanos), "nanos from 0 to 999,999,999");
    if (t->seconds < 0) return refuse(f, "time", "is before 1970", valid);
    if (t->seconds > (k->now_ms + AHEAD_MS) / 1000) return refuse(f, "time", "is in the future", valid);
    return true;
}

/* ---- the rest ----------------------------------------------------------------------------------------------------- */

bool event_value_known(const Sinter__V1__Value *v)
{
    switch (v ? v->kind_case : SINTER__V1__VALUE__KIND__NOT_SET) {
    case SINTER__V1__VALUE__KIND__NOT_SET: return false;
    case SINTER__V1__VALUE__KIND_NUMBER_VALUE: return isfinite(v->number_value);
    default: return true;
    }
}

static bool check_attributes(checking *k, const event *ev, fault *f)
{
    if (ev->n_attributes > MOST_ATTRIBUTES)
        return refuse(f, "attributes", arena_printf(k->a, "there are %zu", ev->n_attributes), "at most 64");
    for (size_t i = 0; i < ev->n_attributes; i++) {
        const char *key = ev->attributes[i]->key, *problem = id_problem(key, strlen(key));
        if (problem) return refuse(f, arena_printf(k->a, "attributes[%zu].key", i), problem, ID_VALID);
        if (!event_value_known(ev->attributes[i]->value))
            return refuse(f, arena_printf(k->a, "attributes.%s", key), "has no value, or one that is no number",
                          "any value; numbers must be finite");
    }
    return true;
}

static bool check_event(checking *k, const event *ev, fault *f)
{
    if (!check_id("event_id", ev->event_id, f)) return false;
    if (!find_collection(k, ev, f) || !find_type(k, ev, f) || !check_who(ev, f) || !check_items(k, ev, f))
        return false;
    if (!isfinite(ev->value)) return refuse(f, "value", "is not a finite number", "a finite number");
    if (!check_time(k, ev, f) || !check_id("request_id", ev->request_id, f)) return false;
    if (strlen(ev->query) > MOST_QUERY) return refuse(f, "query", "is longer than 64 KiB", "at most 64 KiB");
    return check_attributes(k, ev, f);
}

/* ---- packing ------------------------------------------------------------------------------------------------------ */

/* A copy with what was left open: an id, and when it arrived. */
static void complete(checking *k, event *ev)
{
    if (!*ev->event_id) ev->event_id = request_id_make(k->a);
    if (ev->time) return;
    ev->time = ARENA_NEW(k->a, Google__Protobuf__Timestamp);
    *ev->time = timestamp_of(k->now_ms);
}

static bool pack(checking *k, const event *ev, journal_op *op, fault *f)
{
    event whole = *ev;
    Sinter__Storage__V1__EventPut p = SINTER__STORAGE__V1__EVENT_PUT__INIT;
    complete(k, &whole);
    p.collection = catalog_number(k->catalog);
    p.event = &whole;
    p.joined = engine_join_event(k->w->s->engine, k->catalog, ev, k->a);
    str bytes = message_bytes(&p.base, k->a);
    if (bytes.n > MOST_BYTES)
        return refuse(f, "attributes", arena_printf(k->a, "the event has %zu bytes", bytes.n), "at most 512 KiB in all");
    *op = (journal_op){.kind = JOURNAL_EVENT,
                       .collection = p.collection,
                       .id = str_of(whole.event_id),
                       .bytes = bytes};
    return true;
}

static Sinter__V1__EventRejected *rejection(arena *a, uint32_t index, const event *ev, const fault *f)
{
    Sinter__V1__EventRejected *r = ARENA_NEW(a, Sinter__V1__EventRejected);
    sinter__v1__event_rejected__init(r);
    r->index = index;
    r->event_id = strlen(ev->event_id) <= 256 ? ev->event_id : arena_strdup(a, "");
    r->field = (char *)f->field;
    r->reason = (char *)f->reason;
    r->valid = (char *)f->valid;
    return r;
}

sinter_status events_check(worker *w, event *const *events, size_t n, event_batch *out, sinter_error *e)
{
    if (n > MOST_EVENTS)
        return error_set(e, SINTER_INVALID, "events", "send them in several messages",
                         "%zu events; a message holds at most %u", n, MOST_EVENTS);
    checking k = {.a = w->memory,
                  .w = w,
                  .now_ms = clock_wall_ms()};
    *out = (event_batch){.op = ARENA_ARRAY(w->memory, journal_op, n)};
    for (size_t i = 0; i < n; i++) {
        fault f;
        if (check_event(&k, events[i], &f) && pack(&k, events[i], &out->op[out->n], &f)) {
            out->n++;
            continue;
        }
        if (!out->rejected) out->rejected = ARENA_ARRAY(w->memory, Sinter__V1__EventRejected *, n - i);
        out->rejected[out->n_rejected++] = rejection(w->memory, (uint32_t)i, events[i], &f);
    }
    atomic_fetch_add(&w->s->count.events_rejected, out->n_rejected);
    return SINTER_OK;
}
