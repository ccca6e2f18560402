/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Records of the journal as JSON lines and as lines for people. */
#include "journal_json.h"

#include "journal/journal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

typedef Sinter__Storage__V1__Record record;
typedef Sinter__V1__Value value;

#define BODY(name) SINTER__STORAGE__V1__RECORD__BODY_##name

static const struct {
    Sinter__Storage__V1__Record__BodyCase body;
    const char *name;
} BODIES[] = {
    {BODY(ITEM_PUT), "item_put"},
    {BODY(ITEM_DELETE), "item_delete"},
    {BODY(COLLECTION_MADE), "collection_made"},
    {BODY(DEPLOYMENT), "deployment"},
    {BODY(SETTING), "setting"},
    {BODY(ANSWERED), "answered"},
    {BODY(RECORDED_REQUEST), "recorded_request"},
    {BODY(EVENT_PUT), "event_put"},
    {BODY(CHANGE), "change"},
    {BODY(EXPERIMENT), "experiment"},
    {BODY(USER_PUT), "user_put"},
    {BODY(ERASURE), "erasure"},
    {BODY(_NOT_SET), "erased"},
};
const char *const JOURNAL_BODY_NAMES[] = {
    "item_put", "item_delete", "collection_made",  "deployment",
    "setting",  "answered",    "recorded_request", "event_put",  "change", "experiment",
    "user_put", "erasure",     "erased",
};
const size_t JOURNAL_BODY_NAMES_N = ARRAY_LEN(JOURNAL_BODY_NAMES);

const char *journal_body_name(const record *rec)
{
    for (size_t i = 0; i < ARRAY_LEN(BODIES); i++) {
        if (BODIES[i].body == rec->body_case) return BODIES[i].name;
    }
    return NULL;
}

/* ---- JSON ---------------------------------------------------------------------------------------------------- */

static void put_key(buffer *b, const char *key)
{
    buffer_printf(b, ",\"%s\":", key);
}

static void put_text(buffer *b, const char *key, const char *s)
{
    put_key(b, key);
    buffer_json_string(b, s, strlen(s));
}

static void put_count(buffer *b, const char *key, uint64_t n)
{
    put_key(b, key);
    buffer_printf(b, "%" PRIu64, n);
}

/* JSON has no NaN and no infinity. */
static void put_number(buffer *b, double x)
{
    if (isfinite(x))
        buffer_printf(b, "%.17g", x);
    else
        buffer_puts(b, "null");
}

static void put_time(buffer *b, int64_t ms)
{
    char text[32];
    time_format_ms(ms, text);
    buffer_printf(b, "\"%s\"", text);
}

static void put_strings(buffer *b, char *const *s, size_t n)
{
    buffer_puts(b, "[");
    for (size_t i = 0; i < n; i++) {
        if (i) buffer_puts(b, ",");
        buffer_json_string(b, s[i], strlen(s[i]));
    }
    buffer_puts(b, "]");
}

static void put_value(buffer *b, const value *v)
{
    switch (v ? v->kind_case : SINTER__V1__VALUE__KIND__NOT_SET) {
    case SINTER__V1__VALUE__KIND_STRING_VALUE: buffer_json_string(b, v->string_value, strlen(v->string_value)); return;
    case SINTER__V1__VALUE__KIND_NUMBER_VALUE: put_number(b, v->number_value); return;
    case SINTER__V1__VALUE__KIND_INTEGER_VALUE: buffer_printf(b, "%" PRId64, v->integer_value); return;
    case SINTER__V1__VALUE__KIND_BOOLEAN_VALUE: buffer_puts(b, v->boolean_value ? "true" : "false"); return;
    case SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE:
        put_time(b, timestamp_ms(v->timestamp_value));
        return;
    case SINTER__V1__VALUE__KIND_STRINGS_VALUE:
        put_strings(b, v->strings_value->values, v->strings_value->n_values);
        return;
    case SINTER__V1__VALUE__KIND_VECTOR_VALUE:
        for (size_t i = 0; i < v->vector_value->n_values; i++) {
            buffer_puts(b, i ? "," : "[");
            put_number(b, v->vector_value->values[i]);
        }
        buffer_puts(b, v->vector_value->n_values ? "]" : "[]");
        return;
    case SINTER__V1__VALUE__KIND_GEO_VALUE:
        buffer_puts(b, "{\"latitude\":");
        put_number(b, v->geo_value->latitude);
        buffer_puts(b, ",\"longitude\":");
        put_number(b, v->geo_value->longitude);
        buffer_puts(b, "}");
        return;
    default: buffer_puts(b, "null");
    }
}

/* What the answer that the event names said for it. */
static void put_joined(buffer *b, const Sinter__Storage__V1__EventJoined *j)
{
    const struct {
        const char *key, *text;
    } SAID[] = {{"user_id", j->user_id}, {"session_id", j->session_id}, {"query", j->query}};
    const char *comma = "";
    buffer_puts(b, ",\"joined\":{");
    for (size_t i = 0; i < ARRAY_LEN(SAID); i++) {
        if (!SAID[i].text[0]) continue;
        buffer_printf(b, "%s\"%s\":", comma, SAID[i].key);
        buffer_json_string(b, SAID[i].text, strlen(SAID[i].text));
        comma = ",";
    }
    if (j->n_position) buffer_printf(b, "%s\"position\":[", comma);
    for (size_t i = 0; i < j->n_position; i++) buffer_printf(b, "%s%" PRIu32, i ? "," : "", j->position[i]);
    buffer_puts(b, j->n_position ? "]}" : "}");
}

static void put_user(buffer *b, const Sinter__Storage__V1__UserPut *u)
{
    put_text(b, "user_id", u->user_id);
    put_key(b, "attributes");
    buffer_puts(b, "{");
    for (size_t i = 0; i < u->n_attributes; i++) {
        if (i) buffer_puts(b, ",");
        buffer_json_string(b, u->attributes[i]->key, strlen(u->attributes[i]->key));
        buffer_puts(b, ":");
        put_value(b, u->attributes[i]->value);
    }
    buffer_puts(b, "}");
    put_key(b, "remove");
    put_strings(b, u->remove, u->n_remove);
    put_key(b, "replace");
    buffer_puts(b, u->replace ? "true" : "false");
}

static void put_erasure(buffer *b, const Sinter__Storage__V1__Erasure *x)
{
    put_count(b, "done", x->done);
    put_count(b, "events", x->events);
    put_count(b, "attributes", x->attributes);
    put_count(b, "answers", x->answers);
    put_count(b, "recorded_requests", x->recorded_requests);
    put_count(b, "sessions", x->sessions);
    put_key(b, "models");
    put_strings(b, x->models, x->n_models);
}

static void put_event(buffer *b, const Sinter__V1__Event *ev)
{
    const struct {
        const char *key, *text;
    } WHO[] = {{"user_id", ev->user_id},
               {"session_id", ev->session_id},
               {"request_id", ev->request_id},
               {"query", ev->query}};
    put_text(b, "event_id", ev->event_id);
    put_text(b, "type", ev->type);
    put_key(b, "happened");
    put_time(b, ev->time ? timestamp_ms(ev->time) : 0);
    for (size_t i = 0; i < ARRAY_LEN(WHO); i++) {
        if (WHO[i].text[0]) put_text(b, WHO[i].key, WHO[i].text);
    }
    put_key(b, "item_ids");
    put_strings(b, ev->item_ids, ev->n_item_ids);
    if (ev->position) put_count(b, "position", ev->position);
    if (ev->value != 0) {
        put_key(b, "value");
        put_number(b, ev->value);
    }
    if (!ev->n_attributes) return;
    put_key(b, "attributes");
    for (size_t i = 0; i < ev->n_attributes; i++) {
        buffer_puts(b, i ? "," : "{");
        buffer_json_string(b, ev->attributes[i]->key, strlen(ev->attributes[i]->key));
        buffer_puts(b, ":");
        put_value(b, ev->attributes[i]->value);
    }
    buffer_puts(b, "}");
}

static void put_deployment(buffer *b, const Sinter__Storage__V1__Deployment *d)
{
    put_text(b, "name", d->name);
    put_text(b, "version", d->version);
    if (d->rollback) buffer_puts(b, ",\"rollback\":true");
    put_text(b, "who", d->who);
    put_text(b, "why", d->why);
    put_count(b, "collection", d->collection);
    put_count(b, "since", d->since);
    put_count(b, "until", d->until);
    put_key(b, "files");
    for (size_t i = 0; i < d->n_files; i++) {
        buffer_puts(b, i ? "," : "{");
        buffer_json_string(b, d->files[i]->path, strlen(d->files[i]->path));
        buffer_puts(b, ":");
        buffer_json_string(b, d->files[i]->sha256, strlen(d->files[i]->sha256));
    }
    buffer_puts(b, d->n_files ? "}" : "{}");
}

static void put_state(buffer *b, const char *key, const Sinter__Storage__V1__SnapshotState *s)
{
    if (!s) return;
    put_key(b, key);
    buffer_puts(b, "{\"id\":");
    buffer_json_string(b, s->id, strlen(s->id));
    put_text(b, "configuration", s->configuration);
    put_key(b, "plugins");
    buffer_puts(b, "[");
    for (size_t i = 0; i < s->n_plugins; i++) {
        const Sinter__Storage__V1__PluginBuild *p = s->plugins[i];
        buffer_puts(b, i ? ",{\"plugin\":" : "{\"plugin\":");
        buffer_json_string(b, p->plugin, strlen(p->plugin));
        put_text(b, "name", p->name);
        put_text(b, "version", p->version);
        put_text(b, "sha256", p->sha256);
        put_text(b, "file", p->file);
        buffer_printf(b, ",\"swapped\":%s}", p->swapped ? "true" : "false");
    }
    buffer_puts(b, "],\"models\":{");
    for (size_t i = 0; i < s->n_models; i++) {
        if (i) buffer_puts(b, ",");
        buffer_json_string(b, s->models[i]->name, strlen(s->models[i]->name));
        buffer_printf(b, ":%" PRIu64, s->models[i]->version);
    }
    buffer_puts(b, "}}");
}

static const char *change_kind(const Sinter__Storage__V1__Change *c)
{
    static const char *const names[] = {"", "reload", "deploy", "swap", "rollback"};
    return (size_t)c->kind < ARRAY_LEN(names) ? names[c->kind] : "";
}

static void put_change(buffer *b, const Sinter__Storage__V1__Change *c)
{
    put_text(b, "change", change_kind(c));
    put_text(b, "who", c->who);
    put_text(b, "why", c->why);
    put_key(b, "changes");
    put_strings(b, c->changes, c->n_changes);
    buffer_printf(b, ",\"automatic\":%s", c->automatic ? "true" : "false");
    if (c->refused_configuration[0]) put_text(b, "refused_configuration", c->refused_configuration);
    put_state(b, "is", c->is);
    put_state(b, "was", c->was);
}

static const char *const EXPERIMENT_CHANGES[] = {"unknown", "begun", "stopped", "started"};

static const char *change_name(const Sinter__Storage__V1__ExperimentChange *c)
{
    return (size_t)c->kind < ARRAY_LEN(EXPERIMENT_CHANGES) ? EXPERIMENT_CHANGES[c->kind] : EXPERIMENT_CHANGES[0];
}

static void put_experiment(buffer *b, const Sinter__Storage__V1__Experiment *x)
{
    if (x->kind_case == SINTER__STORAGE__V1__EXPERIMENT__KIND_CHANGE) {
        const Sinter__Storage__V1__ExperimentChange *c = x->change;
        put_text(b, "change", change_name(c));
        put_text(b, "experiment", c->experiment);
        put_text(b, "salt", c->salt);
        put_text(b, "arm", c->arm);
        put_text(b, "who", c->who);
        put_text(b, "why", c->why);
        put_count(b, "impressions_sequence", c->impressions_sequence);
    }
    if (x->kind_case == SINTER__STORAGE__V1__EXPERIMENT__KIND_FAILED) {
        put_text(b, "request_id", x->failed->request_id);
        put_count(b, "status", x->failed->status);
    }
}

/* The arms that a request was in, and what shadows would have shown. */
static void put_arms(buffer *b, const Sinter__Storage__V1__Answered *a)
{
    const Sinter__Storage__V1__Experimented *x = a->experimented;
    put_key(b, "arms");
    put_strings(b, a->arms, a->n_arms);
    if (!x) return;
    put_count(b, "answer_us", x->answer_us);
    put_key(b, "exposures");
    buffer_puts(b, "[");
    for (size_t i = 0; i < x->n_exposures; i++) {
        buffer_puts(b, i ? ",{\"arm\":" : "{\"arm\":");
        buffer_json_string(b, x->exposures[i]->arm, strlen(x->exposures[i]->arm));
        put_text(b, "experiment", x->exposures[i]->experiment);
        put_count(b, "bucket", x->exposures[i]->bucket);
        put_count(b, "why", (uint64_t)x->exposures[i]->why);
        buffer_puts(b, "}");
    }
    buffer_puts(b, "]");
    put_key(b, "shadows");
    buffer_puts(b, "[");
    for (size_t i = 0; i < x->n_shadows; i++) {
        buffer_puts(b, i ? ",{\"arm\":" : "{\"arm\":");
        buffer_json_string(b, x->shadows[i]->arm, strlen(x->shadows[i]->arm));
        put_text(b, "experiment", x->shadows[i]->experiment);
        put_key(b, "overlap");
        put_number(b, x->shadows[i]->overlap);
        put_key(b, "rank_biased_overlap");
        put_number(b, x->shadows[i]->rank_biased_overlap);
        put_count(b, "answer_us", x->shadows[i]->answer_us);
        if (*x->shadows[i]->failed) put_text(b, "failed", x->shadows[i]->failed);
        buffer_puts(b, "}");
    }
    buffer_puts(b, "]");
}

static void put_item(buffer *b, const Sinter__V1__Item *item)
{
    put_text(b, "id", item ? item->id : "");
    put_key(b, "fields");
    buffer_puts(b, "{");
    for (size_t i = 0; item && i < item->n_fields; i++) {
        if (i) buffer_puts(b, ",");
        buffer_json_string(b, item->fields[i]->key, strlen(item->fields[i]->key));
        buffer_puts(b, ":");
        put_value(b, item->fields[i]->value);
    }
    buffer_puts(b, "}");
}

/* The person as the rankers saw them. */
static void put_person(buffer *b, const Sinter__Storage__V1__Answered *a)
{
    put_text(b, "user_id", a->user_id);
    put_text(b, "session_id", a->session_id);
    put_count(b, "profile_sequence", a->profile_sequence);
    put_key(b, "history");
    buffer_puts(b, "[");
    for (size_t i = 0; i < a->n_history_item && i < a->n_history_event && i < a->n_history_time_ms; i++)
        buffer_printf(b, "%s{\"item\":%u,\"event\":%u,\"time_ms\":%" PRId64 "}", i ? "," : "", a->history_item[i],
                      a->history_event[i], a->history_time_ms[i]);
    buffer_puts(b, "]");
    put_key(b, "context");
    buffer_puts(b, "{");
    for (size_t i = 0; i < a->n_context && i < a->n_context_value; i++) {
        if (i) buffer_puts(b, ",");
        buffer_json_string(b, a->context[i], strlen(a->context[i]));
        buffer_puts(b, ":");
        put_number(b, (double)a->context_value[i]);
    }
    buffer_puts(b, "}");
}

static void put_answered(buffer *b, const Sinter__Storage__V1__Answered *a)
{
    put_text(b, "request_id", a->request_id);
    put_text(b, "snapshot", a->snapshot);
    put_text(b, "pipeline", a->pipeline);
    put_count(b, "view_sequence", a->sequence);
    put_count(b, "journal_sequence", a->journal_sequence);
    put_count(b, "collection", a->collection);
    put_count(b, "total", a->total);
    put_key(b, "features");
    put_strings(b, a->features, a->n_features);
    put_key(b, "rankers");
    put_strings(b, a->rankers, a->n_rankers);
    put_key(b, "models");
    put_strings(b, a->models, a->n_models);
    put_key(b, "id_features");
    put_strings(b, a->id_features, a->n_id_features);
    put_count(b, "shuffled", a->shuffled);
    put_arms(b, a);
    put_person(b, a);
    put_key(b, "shown");
    buffer_puts(b, "[");
    for (size_t i = 0; i < a->n_shown; i++) {
        const Sinter__Storage__V1__Shown *s = a->shown[i];
        buffer_printf(b, "%s{\"item\":%u,\"position\":%u,\"score\":", i ? "," : "", s->item, s->position);
        put_number(b, s->score);
        buffer_puts(b, ",\"propensity\":");
        put_number(b, s->propensity);
        buffer_puts(b, ",\"features\":[");
        for (size_t k = 0; k < s->n_features; k++) {
            if (k) buffer_puts(b, ",");
            put_number(b, (double)s->features[k]);
        }
        buffer_puts(b, "],\"raw\":[");
        for (size_t k = 0; k < s->n_raw; k++) {
            if (k) buffer_puts(b, ",");
            put_number(b, (double)s->raw[k]);
        }
        buffer_puts(b, "],\"ids\":[");
        for (size_t k = 0; k < s->n_ids; k++) buffer_printf(b, "%s%" PRIu32, k ? "," : "", s->ids[k]);
        buffer_puts(b, "]}");
    }
    buffer_puts(b, "]");
}

static void put_recorded(buffer *b, const Sinter__Storage__V1__RecordedRequest *r)
{
    put_text(b, "request_id", r->request_id);
    put_key(b, "stages");
    buffer_puts(b, "[");
    for (size_t i = 0; i < r->n_stages; i++) {
        buffer_puts(b, i ? ",{\"name\":" : "{\"name\":");
        buffer_json_string(b, r->stages[i]->name, strlen(r->stages[i]->name));
        put_count(b, "items", r->stages[i]->n_item);
        put_key(b, "features");
        put_strings(b, r->stages[i]->features, r->stages[i]->n_features);
        put_key(b, "rankers");
        put_strings(b, r->stages[i]->rankers, r->stages[i]->n_rankers);
        buffer_puts(b, "}");
    }
    buffer_puts(b, "]");
}

static void put_body(buffer *b, const record *rec)
{
    switch (rec->body_case) {
    case BODY(ITEM_PUT):
        put_count(b, "collection", rec->item_put->collection);
        put_count(b, "ordinal", rec->item_put->ordinal);
        put_item(b, rec->item_put->item);
        return;
    case BODY(ITEM_DELETE):
        put_count(b, "collection", rec->item_delete->collection);
        put_count(b, "ordinal", rec->item_delete->ordinal);
        put_text(b, "id", rec->item_delete->id);
        return;
    case BODY(COLLECTION_MADE):
        put_count(b, "collection", rec->collection_made->collection);
        put_text(b, "name", rec->collection_made->name);
        put_text(b, "uuid", rec->collection_made->uuid);
        return;
    case BODY(DEPLOYMENT): put_deployment(b, rec->deployment); return;
    case BODY(CHANGE): put_change(b, rec->change); return;
    case BODY(SETTING):
        put_text(b, "key", rec->setting->key);
        put_text(b, "value", rec->setting->value);
        return;
    case BODY(ANSWERED): put_answered(b, rec->answered); return;
    case BODY(RECORDED_REQUEST): put_recorded(b, rec->recorded_request); return;
    case BODY(EVENT_PUT):
        put_count(b, "collection", rec->event_put->collection);
        if (rec->event_put->event) put_event(b, rec->event_put->event);
        if (rec->event_put->joined) put_joined(b, rec->event_put->joined);
        return;
    case BODY(EXPERIMENT): put_experiment(b, rec->experiment); return;
    case BODY(USER_PUT): put_user(b, rec->user_put); return;
    case BODY(ERASURE): put_erasure(b, rec->erasure); return;
    default: return;
    }
}

void journal_record_json(buffer *b, const record *rec)
{
    const char *name = journal_body_name(rec);
    buffer_printf(b, "{\"sequence\":%" PRIu64 ",\"time\":", rec->sequence);
    put_time(b, rec->time_ms);
    put_text(b, "kind", name ? name : "unknown");
    if (rec->write_id[0]) put_text(b, "write_id", rec->write_id);
    put_body(b, rec);
    buffer_puts(b, "}");
}

/* ---- for people ---------------------------------------------------------------------------------------------- */

static void tell_event(buffer *b, const Sinter__Storage__V1__EventPut *p)
{
    const Sinter__V1__Event *ev = p->event;
    if (!ev) return;
    const char *who = ev->user_id[0] ? ev->user_id : ev->session_id;
    buffer_printf(b, "%u ", p->collection);
    buffer_json_string(b, ev->event_id, strlen(ev->event_id));
    buffer_printf(b, " %s by ", ev->type);
    buffer_json_string(b, who, strlen(who));
    buffer_printf(b, ", %zu items", ev->n_item_ids);
}

static void tell_body(buffer *b, const record *rec)
{
    switch (rec->body_case) {
    case BODY(ITEM_PUT):
        buffer_printf(b, "%u/%u ", rec->item_put->collection, rec->item_put->ordinal);
        if (!rec->item_put->item) return;
        buffer_json_string(b, rec->item_put->item->id, strlen(rec->item_put->item->id));
        buffer_printf(b, ", %zu fields", rec->item_put->item->n_fields);
        return;
    case BODY(ITEM_DELETE):
        buffer_printf(b, "%u/%u ", rec->item_delete->collection, rec->item_delete->ordinal);
        buffer_json_string(b, rec->item_delete->id, strlen(rec->item_delete->id));
        return;
    case BODY(COLLECTION_MADE):
        buffer_printf(b, "%u ", rec->collection_made->collection);
        buffer_json_string(b, rec->collection_made->name, strlen(rec->collection_made->name));
        buffer_printf(b, " %s", rec->collection_made->uuid);
        return;
    case BODY(ANSWERED):
        buffer_json_string(b, rec->answered->request_id, strlen(rec->answered->request_id));
        buffer_printf(b, ", %zu shown of %" PRIu64, rec->answered->n_shown, rec->answered->total);
        return;
    case BODY(RECORDED_REQUEST):
        buffer_json_string(b, rec->recorded_request->request_id, strlen(rec->recorded_request->request_id));
        buffer_printf(b, ", %zu stages", rec->recorded_request->n_stages);
        return;
    case BODY(DEPLOYMENT):
        buffer_json_string(b, rec->deployment->name, strlen(rec->deployment->name));
        buffer_printf(b, "/%s, %zu files", rec->deployment->version, rec->deployment->n_files);
        return;
    case BODY(EVENT_PUT): tell_event(b, rec->event_put); return;
    case BODY(CHANGE):
        buffer_printf(b, "%s to snapshot %s by ", change_kind(rec->change), rec->change->is ? rec->change->is->id : "?");
        buffer_json_string(b, rec->change->who, strlen(rec->change->who));
        return;
    case BODY(EXPERIMENT):
        if (rec->experiment->kind_case == SINTER__STORAGE__V1__EXPERIMENT__KIND_CHANGE)
            buffer_printf(b, "%s %s%s%s", rec->experiment->change->experiment, change_name(rec->experiment->change),
                          *rec->experiment->change->arm ? ", the arm " : "", rec->experiment->change->arm);
        return;
    case BODY(USER_PUT):
        buffer_json_string(b, rec->user_put->user_id, strlen(rec->user_put->user_id));
        buffer_printf(b, ", %zu attributes", rec->user_put->n_attributes);
        return;
    case BODY(ERASURE):
        if (rec->erasure->done)
            buffer_printf(b, "of %" PRIu64 " is done", rec->erasure->done);
        else
            buffer_printf(b, "of %" PRIu64 " events, %" PRIu64 " answers", rec->erasure->events, rec->erasure->answers);
        return;
    default: return;
    }
}

void journal_record_text(buffer *b, const record *rec)
{
    char time[32];
    const char *name = journal_body_name(rec);
    time_format_ms(rec->time_ms, time);
    buffer_printf(b, "%10" PRIu64 "  %s  %-16s ", rec->sequence, time, name ? name : "unknown");
    tell_body(b, rec);
}
