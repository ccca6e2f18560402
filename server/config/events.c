/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a collection says of people: its event types, how long a history is kept, which counters there are.
 *
 *   events: {view: 0.2, click: 1, rating: value}
 *   profiles: {history: 100}
 *   counters: {half_life: 30d, by: [brand]}
 *   rates: {strength: 20, toward: brand} */
#include "collection.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { COUNTER_BY_MOST = 8, EVENT_NAME_MOST = 64 };

typedef struct counters_raw {
    uint64_t half_life_ns;
    const conf_node *by;
} counters_raw;

static const walk_key PROFILE_KEYS[] = {
    {"history", WALK_U32, offsetof(config_collection, history), "100", 1, 1000, NULL, false,
     "latest events kept of a person"},
    {"session_timeout", WALK_DURATION, offsetof(config_collection, session_timeout_ns), "30m", 1e9, 30 * 86400e9, NULL, false,
     "a session ends when nothing happens in it for so long"},
};
const walk_table WALK_PROFILES = {"profiles", PROFILE_KEYS, ARRAY_LEN(PROFILE_KEYS), false};

static const walk_key COUNTER_KEYS[] = {
    {"half_life", WALK_DURATION, offsetof(counters_raw, half_life_ns), "30d", 60e9, 3650 * 86400e9, NULL, false,
     "time after which an event counts half"},
    {"by", WALK_NODE, offsetof(counters_raw, by), NULL, 0, 0, NULL, false,
     "a list of keyword fields whose values have counters of their own; at most 8"},
};
const walk_table WALK_COUNTERS = {"counters", COUNTER_KEYS, ARRAY_LEN(COUNTER_KEYS), false};

typedef struct rates_raw {
    double strength, examination;
    const char *toward;
} rates_raw;

static const walk_key RATE_KEYS[] = {
    {"strength", WALK_DOUBLE, offsetof(rates_raw, strength), "20", 0.001, 1e6, NULL, false,
     "how many times shown the mean is worth that an item's rate is smoothed towards"},
    {"toward", WALK_STRING, offsetof(rates_raw, toward), NULL, 0, 0, NULL, false,
     "a field of `counters: by`, to the mean of whose value an item's rate is smoothed; without it: the collection's mean"},
    {"examination", WALK_DOUBLE, offsetof(rates_raw, examination), "0", 0, 5, NULL, false,
     "position k of an answer counts as shown k^-examination times; 0: each counts alike"},
};
const walk_table WALK_RATES = {"rates", RATE_KEYS, ARRAY_LEN(RATE_KEYS), false};

uint32_t config_event_id(const config_collection *c, str name)
{
    for (uint32_t i = 0; i < c->n_events; i++) {
        if (str_is(name, c->event[i].name)) return i + 1;
    }
    return 0;
}

/* ---- types -------------------------------------------------------------------------------------------------------- */

static bool event_name_valid(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return *s >= 'a' && *s <= 'z' && !s[n] && n <= EVENT_NAME_MOST;
}

static sinter_status read_event(const conf_node *key, const conf_node *value, config_event *out, sinter_error *e)
{
    static const char *const FIX = "write what one is worth, 0 or more, or 'value' where each event brings its own";
    if (!event_name_valid(key->text))
        return conf_error(e, key, "use lower-case letters, digits and _, a letter first, at most 64",
                          "'%s' is not the name of an event type", key->text);
    *out = (config_event){.name = key->text, .at = key};
    sinter_status s = walk_is(value, CONF_SCALAR, key->text, e);
    if (s != SINTER_OK) return s;
    if (conf_null(value)) return conf_error(e, value, FIX, "the event type '%s' has no weight", key->text);
    if (strcmp(value->text, "value") == 0) {
        out->by_value = true;
        out->weight = NAN;
        return SINTER_OK;
    }
    if (!value->quoted && parse_double(str_of(value->text), &out->weight) && isfinite(out->weight) && out->weight >= 0)
        return SINTER_OK;
    return conf_error(e, value, FIX, "the weight of '%s' is '%s'", key->text, value->text);
}

static sinter_status read_events(const conf_node *at, config_collection *c, arena *a, sinter_error *e)
{
    if (!at) return SINTER_OK;
    sinter_status s = walk_is(at, CONF_MAP, "events", e);
    if (s != SINTER_OK) return s;
    if (at->n > CONFIG_MAX_EVENTS)
        return conf_error(e, at, "tell kinds of one type apart by an attribute",
                          "%u event types are declared; at most %u", at->n, CONFIG_MAX_EVENTS);
    config_event *event = ARENA_ARRAY(a, config_event, at->n);
    for (uint32_t i = 0; i < at->n && s == SINTER_OK; i++)
        s = read_event(at->key[i], at->value[i], &event[i], e);
    c->event = event;
    c->n_events = at->n;
    return s;
}

/* ---- counters ----------------------------------------------------------------------------------------------------- */

static sinter_status read_by(const conf_node *at, config_collection *c, const char **by, sinter_error *e)
{
    sinter_status s = walk_is(at, CONF_SCALAR, "an entry of by", e);
    if (s != SINTER_OK) return s;
    if (strchr(at->text, '*'))
        return conf_error(e, at, "name one field", "by takes no pattern: '%s'", at->text);
    const config_field *f = collection_field(c, at, at->text, e);
    if (!f) return SINTER_INVALID;
    if (f->type != FIELD_KEYWORD)
        return conf_error(e, at, "name keyword fields", "by has '%s', a %s field", at->text, FIELD_TYPE_NAMES[f->type]);
    static const char *const TAKEN[] = {"query", "hour", "day", "month", "per"};
    for (size_t i = 0; i < ARRAY_LEN(TAKEN); i++) {
        if (strcmp(at->text, TAKEN[i]) == 0)
            return conf_error(e, at, "give the field another name", "by has '%s', which features like events.click.%s mean otherwise",
                              at->text, at->text);
    }
    for (uint32_t i = 0; i < c->n_counter_by; i++) {
        if (strcmp(by[i], at->text) == 0) return conf_error(e, at, "remove one", "by names '%s' twice", at->text);
    }
    by[c->n_counter_by++] = at->text;
    return SINTER_OK;
}

static sinter_status read_counters(const conf_node *at, config_collection *c, arena *a, sinter_error *e)
{
    static const conf_node NOTHING = {.kind = CONF_MAP};
    counters_raw raw = {0};
    sinter_status s = walk_map(at ? at : &NOTHING, &WALK_COUNTERS, &raw, a, e);
    if (s != SINTER_OK) return s;
    c->counter_half_life_days = (double)raw.half_life_ns / 86400e9;
    if (!raw.by) return SINTER_OK;
    s = walk_is(raw.by, CONF_LIST, "by", e);
    if (s == SINTER_OK && raw.by->n > COUNTER_BY_MOST)
        s = conf_error(e, raw.by, "keep those that rankers use", "by has %u fields; at most %d", raw.by->n,
                       COUNTER_BY_MOST);
    const char **by = ARENA_ARRAY(a, const char *, raw.by->n);
    for (uint32_t i = 0; i < raw.by->n && s == SINTER_OK; i++)
        s = read_by(raw.by->value[i], c, by, e);
    c->counter_by = by;
    return s;
}

/* ---- rates ---------------------------------------------------------------------------------------------------------- */

static sinter_status read_rates(const conf_node *at, config_collection *c, arena *a, sinter_error *e)
{
    rates_raw raw = {0};
    c->rates_toward = UINT32_MAX;
    if (!at) return SINTER_OK;
    sinter_status s = walk_map(at, &WALK_RATES, &raw, a, e);
    if (s != SINTER_OK) return s;
    if (!c->n_events)
        return conf_error(e, at, "declare event types: 'events: {click: 1}'", "rates of a collection that declares no events");
    c->rates = true;
    c->rates_strength = raw.strength;
    c->rates_examination = raw.examination;
    if (!raw.toward) return SINTER_OK;
    for (uint32_t i = 0; i < c->n_counter_by; i++)
        if (strcmp(c->counter_by[i], raw.toward) == 0) c->rates_toward = i;
    if (c->rates_toward != UINT32_MAX) return SINTER_OK;
    return walk_unknown(conf_get(at, "toward"), "field of `counters: by`", raw.toward, c->counter_by, c->n_counter_by, e);
}

sinter_status events_resolve(const collection_raw *raw, config_collection *c, arena *a, sinter_error *e)
{
    static const conf_node NOTHING = {.kind = CONF_MAP};
    sinter_status s = read_events(raw->events, c, a, e);
    if (s == SINTER_OK) s = walk_map(raw->profiles ? raw->profiles : &NOTHING, &WALK_PROFILES, c, a, e);
    if (s == SINTER_OK) s = read_counters(raw->counters, c, a, e);
    if (s == SINTER_OK) s = read_rates(raw->rates, c, a, e);
    return s;
}

/* ---- reload ------------------------------------------------------------------------------------------------------- */

static sinter_status changed(sinter_error *e, const conf_node *at, const char *fix, const char *what)
{
    conf_error(e, at, fix, "%s cannot change on reload: profiles were built with it", what);
    if (e) e->status = SINTER_PRECONDITION;
    return SINTER_PRECONDITION;
}

static bool same_by(const config_collection *was, const config_collection *is)
{
    if (was->n_counter_by != is->n_counter_by) return false;
    for (uint32_t i = 0; i < is->n_counter_by; i++) {
        if (strcmp(was->counter_by[i], is->counter_by[i]) != 0) return false;
    }
    return true;
}

static bool same_rates(const config_collection *was, const config_collection *is)
{
    return was->rates == is->rates && was->rates_strength == is->rates_strength && was->rates_toward == is->rates_toward &&
           was->rates_examination == is->rates_examination;
}

sinter_status config_same_events(const config_collection *was, const config_collection *is, sinter_error *e)
{
    static const char *const RESTART = "undo the change, or restart the server";
    if (!was->n_events && is->n_events) {
        conf_error(e, is->event[0].at, "restart the server",
                   "the first event types of a collection: profiles were built without it");
        if (e) e->status = SINTER_PRECONDITION;
        return SINTER_PRECONDITION;
    }
    for (uint32_t i = 0; i < was->n_events; i++) {
        if (i < is->n_events && strcmp(was->event[i].name, is->event[i].name) == 0) continue;
        conf_error(e, i < is->n_events ? is->event[i].at : is->at, "keep it there, add new types at the end, or restart",
                   "the event type '%s' was number %u of the list: reload may only add types at the end",
                   was->event[i].name, i + 1);
        if (e) e->status = SINTER_PRECONDITION;
        return SINTER_PRECONDITION;
    }
    const conf_node *profiles = conf_get(is->at, "profiles"), *counters = conf_get(is->at, "counters"), *rates = conf_get(is->at, "rates");
    if (was->history != is->history) return changed(e, profiles ? profiles : is->at, RESTART, "history");
    if (was->counter_half_life_days != is->counter_half_life_days)
        return changed(e, counters ? counters : is->at, RESTART, "half_life");
    if (!same_by(was, is)) return changed(e, counters ? counters : is->at, RESTART, "by");
    if (was->session_timeout_ns != is->session_timeout_ns)
        return changed(e, profiles ? profiles : is->at, RESTART, "session_timeout");
    return same_rates(was, is) ? SINTER_OK : changed(e, rates ? rates : is->at, RESTART, "rates");
}
