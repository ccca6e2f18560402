/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading a SearchRequest: limits, collection, pipeline, sort, cursor, and the request as plugins see it. Every refusal names
 * the field and what would be valid. */
#include "search.h"

#include <stdio.h>
#include <string.h>

#define MAX_TEXT (64u << 10)

static sinter_str slice(const char *s)
{
    return (sinter_str){s, strlen(s)};
}

static sinter_status check_limits(search *s, sinter_error *e)
{
    const Sinter__V1__SearchRequest *in = s->in;
    if (strlen(in->query) > MAX_TEXT)
        return error_set(e, SINTER_INVALID, "query", "at most 64 KiB", "a query of %zu bytes", strlen(in->query));
    if (strlen(in->filter) > MAX_TEXT)
        return error_set(e, SINTER_INVALID, "filter", "at most 64 KiB", "a filter of %zu bytes", strlen(in->filter));
    if (in->page_size > SEARCH_MAX_PAGE)
        return error_set(e, SINTER_INVALID, "page_size", "at most 1000", "page_size is %u", in->page_size);
    s->page_size = in->page_size ? in->page_size : 10;
    s->offset = in->offset;
    if ((uint64_t)s->offset + s->page_size > SEARCH_MAX_REACH)
        return error_set(e, SINTER_INVALID, "offset", "go on with the cursor of the previous page",
                         "offset + page_size is %llu; at most 10000", (unsigned long long)s->offset + s->page_size);
    if (in->offset && in->cursor[0])
        return error_set(e, SINTER_INVALID, "offset", "set one of them", "both offset and cursor are set");
    if (in->request_id[0]) {
        const char *problem = id_problem(in->request_id, strlen(in->request_id));
        if (problem) return error_set(e, SINTER_INVALID, "request_id", "1 to 256 bytes of UTF-8 without control characters", "%s", problem);
    }
    if (in->timeout) {
        int64_t seconds = in->timeout->seconds;
        int32_t nanos = in->timeout->nanos;
        if (seconds < 0 || nanos < 0 || nanos > 999999999 || (seconds == 0 && nanos == 0))
            return error_set(e, SINTER_INVALID, "timeout", "longer than 0 seconds", "timeout is %lld s and %d ns", (long long)seconds, nanos);
        if (seconds < 1000000) s->timeout_ns = s->started_ns + (uint64_t)seconds * 1000000000 + (uint64_t)nanos;
    }
    s->explain = in->explain;
    if (s->explain > SINTER__V1__EXPLAIN__EXPLAIN_FULL)
        return error_set(e, SINTER_INVALID, "explain", "0 to 3", "explain is %d", (int)in->explain);
    return SINTER_OK;
}

sinter_status search_find_collection(search *s, sinter_error *e)
{
    const snapshot *snap = s->snapshot;
    const char *name = s->in->collection;
    if (!name[0]) return error_set(e, SINTER_INVALID, "collection", "name one of ListCollections", "no collection given");
    uint32_t i = snapshot_collection(snap, name);
    if (i != UINT32_MAX) {
        s->collection = &snap->collection[i];
        s->view = &s->views->collection[i];
        s->set = s->view->columns;
        s->call.view = (void *)(uintptr_t)s->set;
        if (!s->view->ready)
            return error_set(e, SINTER_UNAVAILABLE, "collection", "try again in a while; GetStatus tells",
                             "the index of '%s' is being rebuilt", name);
        s->reader = s->view->reader[s->lane->number];
        return SINTER_OK;
    }
    const char *names[256];
    const char *near = near_name(name, names, snapshot_names(snap, names, ARRAY_LEN(names)));
    error_set(e, SINTER_NOT_FOUND, "collection", "ListCollections names them all", "no collection '%s'", name);
    if (near) error_fix(e, "did you mean '%s'?", near);
    return SINTER_NOT_FOUND;
}

static sinter_status find_pipeline(search *s, sinter_error *e)
{
    const char *name = s->in->pipeline;
    if (s->shown_by) return SINTER_OK; /* a shadow's pipeline is set already */
    if (!name[0]) {
        uint32_t k = s->collection->default_pipeline;
        s->pipeline = k == UINT32_MAX ? NULL : &s->snapshot->pipeline[k];
        return SINTER_OK;
    }
    const char *names[256];
    uint32_t n = 0;
    uint32_t self = (uint32_t)(s->collection - s->snapshot->collection);
    for (uint32_t k = 0; k < s->snapshot->n_pipelines; k++) {
        const snap_pipeline *p = &s->snapshot->pipeline[k];
        if (p->collection != self) continue;
        if (strcmp(p->config->name, name) == 0) {
            s->pipeline = p;
            return SINTER_OK;
        }
        if (n < 256) names[n++] = p->config->name;
    }
    const char *near = near_name(name, names, n);
    error_set(e, SINTER_NOT_FOUND, "pipeline", "ListCollections names them", "collection '%s' has no pipeline '%s'",
              s->in->collection, name);
    if (near) error_fix(e, "did you mean '%s'?", near);
    return SINTER_NOT_FOUND;
}

static sinter_status read_sort(search *s, sinter_error *e)
{
    if (s->in->n_sort > SEARCH_MAX_SORT)
        return error_set(e, SINTER_INVALID, "sort", "at most 8 keys", "%zu sort keys", s->in->n_sort);
    for (size_t i = 0; i < s->in->n_sort; i++) {
        const char *name = s->in->sort[i];
        sort_key *k = &s->sort[s->n_sort++];
        k->descending = name[0] == '-';
        if (k->descending) name++;
        k->field = catalog_find_field(s->collection->catalog, name);
        char where[32];
        snprintf(where, sizeof where, "sort[%zu]", i);
        if (!k->field) {
            const char *near = catalog_near_field(s->collection->catalog, name);
            error_set(e, SINTER_INVALID, where, "ListCollections names the sortable fields", "no field '%s'", name);
            if (near) error_fix(e, "did you mean '%s'?", near);
            return SINTER_INVALID;
        }
        if (!k->field->declared->sortable)
            return error_set(e, SINTER_INVALID, where, "declare it sortable in the collection's YAML",
                             "field '%s' (%s) is not sortable", name, FIELD_TYPE_NAMES[k->field->type]);
        k->column = catalog_column(s->set, name);
    }
    return SINTER_OK;
}

static sinter_value value_of(arena *a, const Sinter__V1__Value *v)
{
    sinter_value out = {.type = SINTER_VALUE_NONE};
    if (!v) return out;
    switch (v->kind_case) {
    case SINTER__V1__VALUE__KIND_STRING_VALUE:
        out.type = SINTER_VALUE_STRING;
        out.u.string = slice(v->string_value);
        break;
    case SINTER__V1__VALUE__KIND_NUMBER_VALUE:
        out.type = SINTER_VALUE_NUMBER;
        out.u.number = v->number_value;
        break;
    case SINTER__V1__VALUE__KIND_INTEGER_VALUE:
        out.type = SINTER_VALUE_INTEGER;
        out.u.integer = v->integer_value;
        break;
    case SINTER__V1__VALUE__KIND_BOOLEAN_VALUE:
        out.type = SINTER_VALUE_BOOLEAN;
        out.u.boolean = v->boolean_value;
        break;
    case SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE:
        out.type = SINTER_VALUE_TIMESTAMP;
        out.u.integer = timestamp_ms(v->timestamp_value);
        break;
    case SINTER__V1__VALUE__KIND_STRINGS_VALUE: {
        out.type = SINTER_VALUE_STRINGS;
        out.n = (uint32_t)v->strings_value->n_values;
        sinter_str *strings = ARENA_ARRAY(a, sinter_str, out.n);
        for (uint32_t i = 0; i < out.n; i++) strings[i] = slice(v->strings_value->values[i]);
        out.u.strings = strings;
        break;
    }
    case SINTER__V1__VALUE__KIND_VECTOR_VALUE:
        out.type = SINTER_VALUE_VECTOR;
        out.n = (uint32_t)v->vector_value->n_values;
        out.u.vector = v->vector_value->values;
        break;
    case SINTER__V1__VALUE__KIND_GEO_VALUE:
        out.type = SINTER_VALUE_GEO;
        out.u.geo[0] = v->geo_value->latitude;
        out.u.geo[1] = v->geo_value->longitude;
        break;
    default: break;
    }
    return out;
}

/* User.AttributesEntry and Context.AttributesEntry are two generated types of one shape. */
#define READ_ATTRIBUTES(a, entries, n_entries, out, n_out)                     \
    do {                                                                       \
        sinter_attribute *attributes = ARENA_ARRAY(a, sinter_attribute, n_entries); \
        for (size_t i_ = 0; i_ < (n_entries); i_++)                            \
            attributes[i_] = (sinter_attribute){slice((entries)[i_]->key), value_of(a, (entries)[i_]->value)}; \
        (out) = attributes;                                                    \
        (n_out) = (uint32_t)(n_entries);                                       \
    } while (0)

static bool is_sent(const sinter_attribute *a, uint32_t n, str name)
{
    for (uint32_t i = 0; i < n; i++)
        if (str_eq(name, (str){a[i].name.data, a[i].name.size})) return true;
    return false;
}

/* What PutUser stored, below what the request says itself. */
static void read_stored(search *s)
{
    const sinter_user *u = &s->user;
    if (!u->user_id.size) return;
    s->stored = profile_attributes(profile_find_person(s->view->profiles, (str){u->user_id.data, u->user_id.size}, (str){"", 0}));
    const Sinter__Storage__V1__UserPut *stored = profile_attributes_read(s->stored, s->a);
    if (!stored) return;
    const uint32_t sent = u->n_attributes;
    sinter_attribute *all = ARENA_ARRAY(s->a, sinter_attribute, sent + stored->n_attributes);
    if (sent) memcpy(all, u->attribute, sent * sizeof *all);
    for (size_t i = 0; i < stored->n_attributes; i++) {
        str name = str_of(stored->attributes[i]->key);
        if (is_sent(all, sent, name)) continue;
        all[s->user.n_attributes++] = (sinter_attribute){{name.s, name.n}, value_of(s->a, stored->attributes[i]->value)};
    }
    s->user.attribute = all;
}

static sinter_status read_people(search *s, sinter_error *e)
{
    s->user = (sinter_user){.size = sizeof s->user, .user_id = {"", 0}, .session_id = {"", 0}};
    s->context = (sinter_context){.size = sizeof s->context, .locale = {"", 0}, .device = {"", 0}};
    s->context.now_ms = clock_wall_ms();
    const Sinter__V1__User *u = s->in->user;
    if (u) {
        s->user.user_id = slice(u->user_id);
        s->user.session_id = slice(u->session_id);
        READ_ATTRIBUTES(s->a, u->attributes, u->n_attributes, s->user.attribute, s->user.n_attributes);
        read_stored(s);
    }
    const Sinter__V1__Context *c = s->in->context;
    if (!c) return SINTER_OK;
    s->context.locale = slice(c->locale);
    s->context.device = slice(c->device);
    READ_ATTRIBUTES(s->a, c->attributes, c->n_attributes, s->context.attribute, s->context.n_attributes);
    if (c->time) {
        if (c->time->seconds < -62135596800 || c->time->seconds > 253402300799)
            return error_set(e, SINTER_INVALID, "context.time", "a time between the years 1 and 9999", "seconds %lld",
                             (long long)c->time->seconds);
        s->context.now_ms = timestamp_ms(c->time);
    }
    if (c->n_basket > 1000)
        return error_set(e, SINTER_INVALID, "context.basket", "at most 1000 items", "%zu items", c->n_basket);
    uint32_t *basket = ARENA_ARRAY(s->a, uint32_t, c->n_basket);
    for (size_t i = 0; i < c->n_basket; i++) {
        uint32_t item = catalog_item_ordinal(s->collection->catalog, str_of(c->basket[i]));
        if (item != UINT32_MAX && catalog_is_live(s->set, item)) basket[s->context.n_basket++] = item;
    }
    s->context.basket = basket;
    return SINTER_OK;
}

static sinter_status read_cursor(search *s, sinter_error *e)
{
    if (!s->in->cursor[0]) return SINTER_OK;
    cursor c;
    sinter_status st = cursor_read(s->a, s->in->cursor, cursor_question(s->in), &c, e);
    if (st) return st;
    if ((s->n_sort > 0) != (c.key.n > 0) || (s->groups && c.n_items) || (!s->groups && c.n_marks))
        return error_set(e, SINTER_INVALID, "cursor", "send the cursor with the question it came from", "not a cursor of this question");
    s->shown = c.item;
    s->n_shown = c.n_items;
    s->group_mark = c.mark;
    s->n_group_marks = c.n_marks;
    s->sort_after = c.key;
    return SINTER_OK;
}

sinter_status search_read_request(search *s, sinter_error *e)
{
    sinter_status st;
    if ((st = check_limits(s, e))) return st;
    if ((st = search_find_collection(s, e))) return st;
    if ((st = find_pipeline(s, e))) return st;
    if ((st = read_sort(s, e))) return st;
    if ((st = search_read_facets(s, e))) return st;
    if ((st = search_read_groups(s, e))) return st;
    if ((st = search_read_highlights(s, e))) return st;
    if ((st = read_people(s, e))) return st;
    if ((st = read_cursor(s, e))) return st;
    char made[37];
    if (!s->in->request_id[0]) uuid_make(made);
    s->out->request_id = arena_strdup(s->a, s->in->request_id[0] ? s->in->request_id : made);
    log_about(s->out->request_id); /* until the lane's end of it */
    if ((st = search_arms(s, e))) return st;
    s->request = (sinter_request){.size = sizeof s->request,
                                  .request_id = slice(s->out->request_id),
                                  .query = &s->public_query,
                                  .user = &s->user,
                                  .context = &s->context,
                                  .seed = hash64(s->out->request_id, strlen(s->out->request_id)),
                                  .deadline_ns = s->timeout_ns < s->deadline_ns ? s->timeout_ns : s->deadline_ns};
    return SINTER_OK;
}
