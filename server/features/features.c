/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The registry: one table of feature kinds, from which names are resolved, listed and documented. */
#include "features/features.h"

#include "registry.h"

#include <stdio.h>
#include <string.h>

const feature_kind FEATURE_KINDS[FEATURE_KINDS_N] = {
#define X(id, name, per_request, doc) {name, doc, per_request},
    FEATURE_KIND_MAP(X)
#undef X
};

const char *name_after(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 && name[n] ? name + n : NULL;
}

/* `rest` is "NAME" or "NAME.suffix": whether it is NAME followed by `suffix` ("" for none). */
bool name_with(const char *rest, const char *name, const char *suffix)
{
    size_t n = strlen(name);
    return strncmp(rest, name, n) == 0 && strcmp(rest + n, suffix) == 0;
}

static bool find_index(const char *rest, const char *const *names, uint32_t n, const char *suffix, uint32_t *index)
{
    for (uint32_t i = 0; i < n; i++)
        if (name_with(rest, names[i], suffix)) {
            *index = i;
            return true;
        }
    return false;
}

static bool set(feature *f, feature_kind_id kind, const char *name)
{
    memset(f, 0, sizeof *f);
    f->kind = (uint16_t)kind;
    f->per_request = FEATURE_KINDS[kind].per_request;
    f->name = name;
    return true;
}

static bool resolve_text(const feature_scope *scope, const char *name, const char *rest, feature *out)
{
    static const struct {
        const char *suffix;
        feature_kind_id kind;
    } parts[] = {{"", FEATURE_TEXT_GROUP},
                 {".count", FEATURE_TEXT_COUNT},
                 {".words", FEATURE_TEXT_WORDS},
                 {".length", FEATURE_TEXT_LENGTH},
                 {".proximity", FEATURE_TEXT_PROXIMITY}};
    if (strcmp(rest, "bm25") == 0) return set(out, FEATURE_TEXT_BM25, name);
    for (uint32_t g = 0; g < scope->schema->n_groups; g++)
        for (size_t p = 0; p < ARRAY_LEN(parts); p++)
            if (name_with(rest, scope->schema->group[g].name, parts[p].suffix)) {
                set(out, parts[p].kind, name);
                out->index = g;
                return true;
            }
    return false;
}

static bool numeric(field_type t)
{
    return t == FIELD_INTEGER || t == FIELD_NUMBER || t == FIELD_BOOLEAN || t == FIELD_TIMESTAMP;
}

const config_field *name_declaration(const config_collection *schema, const char *name, size_t n)
{
    for (uint32_t i = 0; i < schema->n_fields; i++)
        if (config_name_matches(schema->field[i].name, (str){name, n})) return &schema->field[i];
    return NULL;
}

uint32_t name_counter(const config_collection *schema, const char *name, size_t n)
{
    for (uint32_t i = 0; i < schema->n_counter_by; i++)
        if (str_is((str){name, n}, schema->counter_by[i])) return i;
    return UINT32_MAX;
}

static bool resolve_item(const feature_scope *scope, const char *name, const char *rest, feature *out)
{
    size_t n = strlen(rest);
    const config_field *d = name_declaration(scope->schema, rest, n);
    if (d && numeric(d->type)) {
        set(out, FEATURE_ITEM, name);
        out->attribute = rest;
        return true;
    }
    static const char suffix[] = ".age_days";
    size_t s = sizeof suffix - 1;
    if (n > s && strcmp(rest + n - s, suffix) == 0) {
        d = name_declaration(scope->schema, rest, n - s);
        if (d && !d->pattern && d->type == FIELD_TIMESTAMP) {
            set(out, FEATURE_ITEM_AGE, name);
            out->attribute = d->name;
            return true;
        }
    }
    if (strcmp(rest, "age_days") == 0 && scope->schema->age_field) {
        set(out, FEATURE_ITEM_AGE, name);
        out->attribute = scope->schema->age_field;
        return true;
    }
    return false;
}

/* ---- what people did ---------------------------------------------------------------------------------------------------- */

static const char *const SPANS[] = {[PROFILE_HOUR] = ".hour", [PROFILE_DAY] = ".day", [PROFILE_MONTH] = ".month"};

/* Resolves the first n bytes of `rest` but for a window. */
typedef bool resolve_part(const feature_scope *scope, const char *name, str rest, feature *out);

/* A window behind the name; a field of that name would have been found before. */
static bool resolve_span(const feature_scope *scope, const char *name, str rest, resolve_part *part, feature *out)
{
    if (part(scope, name, rest, out)) return true;
    for (profile_span span = PROFILE_HOUR; span <= PROFILE_MONTH; span++) {
        size_t n = strlen(SPANS[span]);
        if (rest.n < n || memcmp(rest.s + rest.n - n, SPANS[span], n) != 0) continue;
        if (!part(scope, name, (str){rest.s, rest.n - n}, out)) return false;
        out->span = span;
        return true;
    }
    return false;
}

/* The event type at the start of *rest, which it leaves. Types are declared, so another name is a mistake. */
static uint32_t take_type(const feature_scope *scope, str *rest)
{
    size_t n = 0;
    while (n < rest->n && rest->s[n] != '.') n++;
    uint32_t type = config_event_id(scope->schema, (str){rest->s, n});
    *rest = (str){rest->s + n, rest->n - n};
    return type;
}

/* ".F", or nothing: *by is UINT32_MAX. */
static bool take_field(const feature_scope *scope, str rest, uint32_t *by)
{
    *by = UINT32_MAX;
    if (!rest.n) return true;
    return rest.s[0] == '.' && (*by = name_counter(scope->schema, rest.s + 1, rest.n - 1)) != UINT32_MAX;
}

/* events.E, events.E.query, events.E.F. */
static bool resolve_events(const feature_scope *scope, const char *name, str rest, feature *out)
{
    uint32_t type = take_type(scope, &rest), by;
    if (!type) return false;
    bool query = str_is(rest, ".query");
    if (!take_field(scope, query ? (str){"", 0} : rest, &by)) return false;
    set(out, query ? FEATURE_EVENTS_QUERY : by == UINT32_MAX ? FEATURE_EVENTS : FEATURE_EVENTS_VALUE, name);
    out->event = type;
    out->index = by;
    return true;
}

/* shown, shown.F: `rest` is what follows "shown". */
static bool resolve_shown(const feature_scope *scope, const char *name, str rest, feature *out)
{
    uint32_t by;
    if (!scope->schema->rates || !take_field(scope, rest, &by)) return false;
    set(out, by == UINT32_MAX ? FEATURE_SHOWN : FEATURE_SHOWN_VALUE, name);
    out->index = by;
    return true;
}

/* rate.E, rate.E.F, rate.E.per.E, rate.E.per.E.F. */
static bool resolve_rate(const feature_scope *scope, const char *name, str rest, feature *out)
{
    static const str PER = {".per.", 5};
    uint32_t type = scope->schema->rates ? take_type(scope, &rest) : 0, per = 0, by;
    if (!type) return false;
    if (rest.n > PER.n && memcmp(rest.s, PER.s, PER.n) == 0) {
        rest = (str){rest.s + PER.n, rest.n - PER.n};
        if (!(per = take_type(scope, &rest))) return false;
    }
    if (!take_field(scope, rest, &by)) return false;
    bool value = by != UINT32_MAX;
    set(out, per ? (value ? FEATURE_RATE_PER_VALUE : FEATURE_RATE_PER) : value ? FEATURE_RATE_VALUE : FEATURE_RATE, name);
    out->event = type;
    out->per = per;
    out->index = by;
    return true;
}

/* Whether `rest` is the name of a counter field and ".share". */
static bool is_share(const feature_scope *scope, const char *rest, uint32_t *by)
{
    static const char suffix[] = ".share";
    size_t n = strlen(rest), s = sizeof suffix - 1;
    if (n <= s || strcmp(rest + n - s, suffix) != 0) return false;
    *by = name_counter(scope->schema, rest, n - s);
    return true;
}

static bool resolve_session(const feature_scope *scope, const char *name, const char *rest, feature *out)
{
    const char *type = name_after(rest, "events.");
    uint32_t by;
    set(out, type ? FEATURE_SESSION_EVENTS_TYPE : FEATURE_SESSION_SHARE, name);
    if (type) return (out->event = config_event_id(scope->schema, str_of(type))) != 0;
    return is_share(scope, rest, &by) && (out->index = by) != UINT32_MAX;
}

static bool resolve_user(const feature_scope *scope, const char *name, const char *rest, feature *out)
{
    const char *type = name_after(rest, "events.");
    uint32_t by;
    if (type) {
        set(out, FEATURE_USER_EVENTS_TYPE, name);
        return (out->event = config_event_id(scope->schema, str_of(type))) != 0;
    }
    if (is_share(scope, rest, &by)) {
        set(out, FEATURE_USER_SHARE, name);
        return (out->index = by) != UINT32_MAX;
    }
    set(out, FEATURE_USER, name);
    out->attribute = rest;
    return true;
}

static bool resolve_plain(const char *name, feature *out)
{
    for (uint32_t k = 0; k < FEATURE_KINDS_N; k++)
        if (strcmp(FEATURE_KINDS[k].name, name) == 0 && !strpbrk(name, FEATURE_CAPITALS)) return set(out, (feature_kind_id)k, name);
    return false;
}

static bool resolve(const feature_scope *scope, const char *name, feature *out)
{
    const char *rest;
    if (strncmp(name, "shown", 5) == 0) return resolve_span(scope, name, str_of(name + 5), resolve_shown, out);
    if (resolve_plain(name, out)) return true;
    if ((rest = name_after(name, "text."))) return resolve_text(scope, name, rest, out);
    if ((rest = name_after(name, "item."))) return resolve_item(scope, name, rest, out);
    if ((rest = name_after(name, "recall."))) {
        uint32_t i;
        bool rank = find_index(rest, scope->source, scope->n_sources, ".rank", &i);
        if (!rank && !find_index(rest, scope->source, scope->n_sources, "", &i)) return false;
        set(out, rank ? FEATURE_RECALL_RANK : FEATURE_RECALL, name);
        out->index = i;
        return true;
    }
    if ((rest = name_after(name, "score."))) {
        uint32_t i;
        if (!find_index(rest, scope->ranker, scope->n_rankers, "", &i)) return false;
        set(out, FEATURE_SCORE, name);
        out->index = i;
        return true;
    }
    if ((rest = name_after(name, "events."))) return resolve_span(scope, name, str_of(rest), resolve_events, out);
    if ((rest = name_after(name, "rate."))) return resolve_span(scope, name, str_of(rest), resolve_rate, out);
    if ((rest = name_after(name, "session."))) return resolve_session(scope, name, rest, out);
    if ((rest = name_after(name, "user."))) return resolve_user(scope, name, rest, out);
    if ((rest = name_after(name, "context."))) {
        set(out, FEATURE_CONTEXT, name);
        out->attribute = rest;
        return true;
    }
    return false;
}

static sinter_status unknown(const feature_scope *scope, const char *name, sinter_error *e)
{
    const char *rest = name_after(name, "item.");
    const config_field *d = rest ? name_declaration(scope->schema, rest, strlen(rest)) : NULL;
    if (d)
        return error_set(e, SINTER_INVALID, NULL,
                         "a feature is a number: use an integer, number, boolean or timestamp field, or ask for the field as an id feature",
                         "feature '%s': '%s' is a %s field", name, rest, FIELD_TYPE_NAMES[d->type]);
    if (!scope->schema->rates && (name_after(name, "rate.") || strncmp(name, "shown", 5) == 0))
        return error_set(e, SINTER_INVALID, NULL, "write `rates: {}` in the collection's file and restart",
                         "feature '%s': the collection '%s' does not count what is shown", name, scope->schema->name);
    arena *a = arena_new(4096);
    const char *const *names;
    uint32_t n = feature_names(scope, a, &names);
    const char *near = near_name(name, names, n);
    error_set(e, SINTER_NOT_FOUND, NULL, NULL, "unknown feature '%s'", name);
    if (near)
        error_fix(e, "did you mean '%s'? All names are in docs/features.md", near);
    else
        error_fix(e, "all names are in docs/features.md; e.g. text.bm25, query.coverage, item.FIELD");
    arena_free(a);
    return SINTER_NOT_FOUND;
}

sinter_status feature_resolve(const feature_scope *scope, const char *name, feature *out, sinter_error *e)
{
    if (!resolve(scope, name, out)) return unknown(scope, name, e);
    if (out->kind == FEATURE_TEXT_PROXIMITY && scope->list_limit > FEATURE_PROXIMITY_LIST)
        return error_set(e, SINTER_INVALID, NULL, "ask for it in a later stage, behind one that keeps at most 100",
                         "feature '%s': up to %u candidates enter this stage, proximity is for at most %u", name,
                         scope->list_limit, FEATURE_PROXIMITY_LIST);
    return SINTER_OK;
}

void name_add(name_list *l, const char *name)
{
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 32;
        const char **grown = arena_alloc(l->a, cap * sizeof *grown);
        if (l->n) memcpy(grown, l->name, l->n * sizeof *grown);
        l->name = grown;
        l->cap = cap;
    }
    l->name[l->n++] = name;
}

/* A name, and of each window. */
static void add_spans(name_list *l, const char *name)
{
    name_add(l, name);
    for (profile_span span = PROFILE_HOUR; span <= PROFILE_MONTH; span++) name_add(l, arena_printf(l->a, "%s%s", name, SPANS[span]));
}

/* A name, and of each counter field; each of each window. */
static void add_fields(name_list *l, const config_collection *schema, const char *name)
{
    add_spans(l, name);
    for (uint32_t i = 0; i < schema->n_counter_by; i++) add_spans(l, arena_printf(l->a, "%s.%s", name, schema->counter_by[i]));
}

static void add_rates(name_list *l, const config_collection *schema)
{
    add_fields(l, schema, "shown");
    for (uint32_t t = 0; t < schema->n_events; t++) {
        const char *type = schema->event[t].name;
        add_fields(l, schema, arena_printf(l->a, "rate.%s", type));
        for (uint32_t per = 0; per < schema->n_events; per++)
            if (per != t) add_fields(l, schema, arena_printf(l->a, "rate.%s.per.%s", type, schema->event[per].name));
    }
}

static void add_events(name_list *l, const config_collection *schema)
{
    for (uint32_t t = 0; t < schema->n_events; t++) {
        const char *type = schema->event[t].name;
        add_fields(l, schema, arena_printf(l->a, "events.%s", type));
        add_spans(l, arena_printf(l->a, "events.%s.query", type));
        name_add(l, arena_printf(l->a, "user.events.%s", type));
        name_add(l, arena_printf(l->a, "session.events.%s", type));
    }
    for (uint32_t i = 0; i < schema->n_counter_by; i++) {
        name_add(l, arena_printf(l->a, "user.%s.share", schema->counter_by[i]));
        name_add(l, arena_printf(l->a, "session.%s.share", schema->counter_by[i]));
    }
    if (schema->rates) add_rates(l, schema);
}

uint32_t feature_names(const feature_scope *scope, arena *a, const char *const **out)
{
    name_list l = {.a = a};
    for (uint32_t k = 0; k < FEATURE_KINDS_N; k++)
        if (k != FEATURE_SHOWN && !strpbrk(FEATURE_KINDS[k].name, FEATURE_CAPITALS)) name_add(&l, FEATURE_KINDS[k].name);
    for (uint32_t g = 0; g < scope->schema->n_groups; g++) {
        const char *group = scope->schema->group[g].name;
        name_add(&l, arena_printf(a, "text.%s", group));
        name_add(&l, arena_printf(a, "text.%s.count", group));
        name_add(&l, arena_printf(a, "text.%s.words", group));
        name_add(&l, arena_printf(a, "text.%s.length", group));
        if (scope->list_limit <= FEATURE_PROXIMITY_LIST) name_add(&l, arena_printf(a, "text.%s.proximity", group));
    }
    for (uint32_t i = 0; i < scope->schema->n_fields; i++) {
        const config_field *f = &scope->schema->field[i];
        if (f->pattern || !numeric(f->type)) continue;
        name_add(&l, arena_printf(a, "item.%s", f->name));
        if (f->type == FIELD_TIMESTAMP) name_add(&l, arena_printf(a, "item.%s.age_days", f->name));
    }
    if (scope->schema->age_field) name_add(&l, "item.age_days");
    add_events(&l, scope->schema);
    for (uint32_t i = 0; i < scope->n_sources; i++) {
        name_add(&l, arena_printf(a, "recall.%s", scope->source[i]));
        name_add(&l, arena_printf(a, "recall.%s.rank", scope->source[i]));
    }
    for (uint32_t i = 0; i < scope->n_rankers; i++) name_add(&l, arena_printf(a, "score.%s", scope->ranker[i]));
    *out = l.name;
    return l.n;
}
