/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers of the log and recorded stages, written down as the trainer reads them and joined with their events. */
#include "dataset_inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef Sinter__Storage__V1__Record record;
typedef Sinter__Storage__V1__Answered answered;
typedef Sinter__Storage__V1__RecordedStage recorded_stage;
typedef Sinter__Storage__V1__Shown shown;

enum { PROGRESS_EVERY = 256 };

/* ---- what both kinds of request have ---------------------------------------------------------------------------------------- */

static bool answer_sane(const answered *an)
{
    if (an->n_context != an->n_context_value || an->n_history_event != an->n_history_item ||
        an->n_history_time_ms != an->n_history_item || an->n_history_weight != an->n_history_item)
        return false;
    for (size_t i = 0; i < an->n_shown; i++) {
        const shown *x = an->shown[i];
        if (x->n_features != an->n_features || x->n_raw != an->n_rankers || x->n_ids != an->n_id_features) return false;
    }
    return true;
}

static bool stage_sane(const recorded_stage *st)
{
    return st->n_feature == st->n_item * st->n_features && st->n_raw == st->n_item * st->n_rankers &&
           st->n_before == st->n_item && st->n_fuse_context == st->n_fuse_context_value;
}

static void put_history(dataset_making *m, const answered *an)
{
    flat_builder *b = &m->builder;
    uint32_t n = (uint32_t)an->n_history_item;
    if (n > m->spec->inputs->history) n = m->spec->inputs->history;
    uint32_t *item = flat_room(b, PART_HISTORY_ITEM, n, sizeof *item);
    for (uint32_t i = 0; i < n; i++) item[i] = an->history_item[i];
    uint32_t *event = flat_room(b, PART_HISTORY_EVENT, n, sizeof *event);
    for (uint32_t i = 0; i < n; i++) event[i] = an->history_event[i];
    float *age = flat_room(b, PART_HISTORY_AGE, n, sizeof *age);
    for (uint32_t i = 0; i < n; i++) age[i] = history_age(an->time_ms, an->history_time_ms[i]);
    float *weight = flat_room(b, PART_HISTORY_WEIGHT, n, sizeof *weight);
    for (uint32_t i = 0; i < n; i++) weight[i] = an->history_weight[i];
    flat_room(b, PART_SIDE, m->spec->inputs->n_history_side * n, sizeof(float));
}

static void put_basket(dataset_making *m, const Sinter__V1__Context *c)
{
    uint32_t *item = flat_room(&m->builder, PART_BASKET, (uint32_t)c->n_basket, sizeof *item), n = 0;
    for (size_t i = 0; i < c->n_basket; i++) {
        uint32_t o = catalog_item_ordinal(replay_catalog(m->replay), str_of(c->basket[i]));
        if (o != UINT32_MAX) item[n++] = o;
    }
    flat_head(&m->builder)->part[PART_BASKET].n = n;
    m->baskets |= n > 0;
}

static bool is_sent(const Sinter__V1__User *u, const char *name)
{
    for (size_t i = 0; i < u->n_attributes; i++)
        if (strcmp(u->attributes[i]->key, name) == 0) return true;
    return false;
}

/* Those of the request, and below them those that were stored of the user then. */
static void put_user_attributes(dataset_making *m, const Sinter__V1__User *u, const Sinter__Storage__V1__AnsweredPeople *people)
{
    flat_builder *b = &m->builder;
    str packed = people ? (str){(const char *)people->attributes.data, people->attributes.len} : (str){"", 0};
    const Sinter__Storage__V1__UserPut *stored = profile_attributes_read(packed, m->a);
    size_t n_stored = stored ? stored->n_attributes : 0;
    flat_attributes_begin(b, PART_USER_ATTRIBUTES, (uint32_t)(u->n_attributes + n_stored));
    for (size_t i = 0; i < u->n_attributes; i++) flat_attribute(b, PART_USER_ATTRIBUTES, u->attributes[i]->key, u->attributes[i]->value);
    for (size_t i = 0; i < n_stored; i++)
        if (!is_sent(u, stored->attributes[i]->key))
            flat_attribute(b, PART_USER_ATTRIBUTES, stored->attributes[i]->key, stored->attributes[i]->value);
}

static void put_people(dataset_making *m, const answered *an, const Sinter__V1__SearchRequest *in)
{
    flat_builder *b = &m->builder;
    if (in->user) {
        flat_text(b, PART_USER_ID, str_of(in->user->user_id));
        flat_text(b, PART_SESSION_ID, str_of(in->user->session_id));
        put_user_attributes(m, in->user, an->people);
    }
    const Sinter__V1__Context *c = in->context;
    if (!c) return;
    flat_text(b, PART_LOCALE, str_of(c->locale));
    flat_text(b, PART_DEVICE, str_of(c->device));
    flat_attributes_begin(b, PART_CONTEXT_ATTRIBUTES, (uint32_t)c->n_attributes);
    for (size_t i = 0; i < c->n_attributes; i++) flat_attribute(b, PART_CONTEXT_ATTRIBUTES, c->attributes[i]->key, c->attributes[i]->value);
    put_basket(m, c);
}

/* Words that no longer parse (a field that is gone) leave the text without terms. */
static void put_query(dataset_making *m, const Sinter__V1__SearchRequest *in)
{
    flat_builder *b = &m->builder;
    text_query_options o = {.operator_and = -1, .language = in->options ? in->options->language : NULL};
    text_query *q;
    sinter_error ignored = SINTER_ERROR_INIT;
    flat_text(b, PART_TEXT, str_of(in->query));
    if (text_query_parse(m->analyzer, replay_catalog(m->replay), str_of(in->query), &o, m->a, &q, &ignored) == SINTER_OK) {
        flat_text(b, PART_NORMALISED, str_of(q->normalised));
        flat_terms(b, q);
    } else {
        flat_text(b, PART_NORMALISED, str_of(in->query));
    }
    flat_text(b, PART_FILTER, str_of(in->filter));
    flat_sort(b, in->sort, in->n_sort);
}

static uint32_t field_dimension(const dataset_making *m, const char *name)
{
    const config_field *f = catalog_declared(replay_catalog(m->replay), name);
    return f ? f->dimension : 1;
}

static void put_vectors(dataset_making *m, uint32_t n)
{
    const sinter_inputs *in = m->spec->inputs;
    size_t bytes = 0;
    for (uint32_t k = 0; k < in->n_vectors; k++) bytes += vector_bytes(n, field_dimension(m, in->vector[k]));
    flat_room(&m->builder, PART_VECTOR, (uint32_t)bytes, 1);
    flat_room(&m->builder, PART_VECTOR_PRESENT, in->n_vectors * n, 1);
}

static void *from_arena(void *a, size_t n)
{
    return arena_alloc(a, n);
}

static void keep(void *a, void *p)
{
    (void)a, (void)p;
}

/* False: what the client sent is not there. */
static bool put_common(dataset_making *m, const answered *an, uint32_t n)
{
    ProtobufCAllocator allocator = {.alloc = from_arena, .free = keep, .allocator_data = m->a};
    const Sinter__V1__SearchRequest *in = sinter__v1__search_request__unpack(&allocator, an->request.len, an->request.data);
    if (!in) return false;
    flat_begin(&m->builder);
    request_record *h = flat_head(&m->builder);
    h->n = n;
    h->journal_sequence = an->journal_sequence;
    h->profile_sequence = an->profile_sequence;
    h->seed = hash64(an->request_id, strlen(an->request_id));
    h->time_ms = an->time_ms;
    h->shuffled = an->shuffled;
    h->offset = in->offset;
    h->page_size = in->page_size ? in->page_size : 10;
    flat_text(&m->builder, PART_REQUEST_ID, str_of(an->request_id));
    put_query(m, in);
    put_people(m, an, in);
    put_history(m, an);
    put_vectors(m, n);
    return true;
}

/* ---- labels -------------------------------------------------------------------------------------------------------------------- */

/* out[t * stride]: label of target t for one shown item. */
static bool label_item(dataset_making *m, const char *request_id, uint32_t item, float *out, uint32_t stride)
{
    size_t len;
    const char *id = catalog_item_id(replay_catalog(m->replay), item, &len);
    if (!id || !m->n_labels) return false;
    uint64_t n;
    label_event *l = dataset_find_labels(m, key_of_pair(str_of(request_id), (str){id, len}), &n);
    for (uint64_t i = 0; i < n; i++) {
        l[i].used = 1;
        for (uint32_t t = 0; t < m->spec->inputs->n_targets; t++) {
            float *y = &out[(size_t)t * stride];
            if (m->by_weight >> t & 1)
                *y = l[i].weight > *y ? l[i].weight : *y;
            else if (m->target[t] == l[i].event)
                *y = isnan(l[i].value) || !m->spec->collection->event[l[i].event - 1].by_value ? 1.0f : l[i].value;
        }
    }
    return n > 0;
}

/* Labels, positions and propensities of rows that were shown; row[i]: where shown[i] stands, UINT32_MAX: nowhere. */
static void put_shown(dataset_making *m, const answered *an, const uint32_t *row, uint32_t n)
{
    flat_builder *b = &m->builder;
    uint32_t *position = flat_room(b, PART_POSITION, n, sizeof *position);
    for (size_t i = 0; i < an->n_shown; i++)
        if (row[i] != UINT32_MAX) position[row[i]] = an->shown[i]->position;
    float *propensity = flat_room(b, PART_PROPENSITY, n, sizeof *propensity);
    for (size_t i = 0; i < an->n_shown; i++)
        if (row[i] != UINT32_MAX) propensity[row[i]] = (float)an->shown[i]->propensity;
    float *label = flat_room(b, PART_LABEL, m->spec->inputs->n_targets * n, sizeof *label);
    for (size_t i = 0; i < an->n_shown; i++)
        if (row[i] != UINT32_MAX) label_item(m, an->request_id, an->shown[i]->item, label + row[i], n);
}

/* Columns and profiles were published together: up to the later of the two stamps nothing changed in the other. */
static uint64_t as_of(const answered *an)
{
    uint64_t later = an->columns_sequence > an->profile_sequence ? an->columns_sequence : an->profile_sequence;
    return later ? later : an->sequence;
}

static sinter_status write_record(dataset_making *m, const answered *an)
{
    flat_end(&m->builder);
    if (m->n_places == m->cap_places) {
        m->cap_places = m->cap_places ? m->cap_places * 2 : 1024;
        m->place = xrealloc(m->place, m->cap_places * sizeof *m->place);
    }
    m->place[m->n_places++] = (request_place){m->records.size, as_of(an), an->people ? an->people->shown_sequence : 0, an->time_ms};
    return spool_append(&m->records, m->builder.bytes.data, m->builder.bytes.len, m->error);
}

/* ---- the hits that were shown ------------------------------------------------------------------------------------------------------ */

static void put_shown_columns(dataset_making *m, const answered *an, const request_columns *c)
{
    const sinter_inputs *in = m->spec->inputs;
    flat_builder *b = &m->builder;
    uint32_t n = (uint32_t)an->n_shown, stride = in->n_features ? in->n_features : 1;
    uint32_t *item = flat_room(b, PART_ITEM, n, sizeof *item);
    for (uint32_t i = 0; i < n; i++) item[i] = an->shown[i]->item;
    float *x = flat_room(b, PART_FEATURE, n * stride, sizeof *x);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t f = 0; f < in->n_features; f++)
            x[(size_t)i * stride + f] = c->feature[f] & FROM_RAW ? an->shown[i]->raw[c->feature[f] & COLUMN]
                                                                 : an->shown[i]->features[c->feature[f]];
    uint32_t *id = flat_room(b, PART_ID_FEATURE, n * in->n_id_features, sizeof *id);
    for (uint32_t k = 0; k < in->n_id_features; k++)
        for (uint32_t i = 0; i < n; i++) id[(size_t)k * n + i] = an->shown[i]->ids[c->id[k]];
    float *context = flat_room(b, PART_CONTEXT, in->n_context, sizeof *context);
    for (uint32_t k = 0; k < in->n_context; k++) context[k] = an->context_value[c->context[k] & COLUMN];
    float *prior = flat_room(b, PART_PRIOR, n * in->n_prior, sizeof *prior);
    for (uint32_t k = 0; k < in->n_prior; k++)
        for (uint32_t i = 0; i < n; i++) prior[(size_t)k * n + i] = an->shown[i]->raw[c->prior[k]];
}

static sinter_status add_shown(dataset_making *m, const answered *an)
{
    if (!an->n_shown) {
        left_out(m, DATASET_NO_HITS);
        return SINTER_OK;
    }
    const request_columns *c = dataset_match_names(m, an, NULL);
    if (c->missing != DATASET_LEFT_OUT_N || !put_common(m, an, (uint32_t)an->n_shown)) {
        left_out(m, c->missing != DATASET_LEFT_OUT_N ? c->missing : DATASET_BROKEN);
        return SINTER_OK;
    }
    put_shown_columns(m, an, c);
    uint32_t *row = ARENA_ARRAY(m->a, uint32_t, an->n_shown);
    for (uint32_t i = 0; i < an->n_shown; i++) row[i] = i;
    put_shown(m, an, row, (uint32_t)an->n_shown);
    return write_record(m, an);
}

/* ---- all candidates of a stage -------------------------------------------------------------------------------------------------------- */

static void put_stage_columns(dataset_making *m, const answered *an, const recorded_stage *st, const request_columns *c)
{
    const sinter_inputs *in = m->spec->inputs;
    flat_builder *b = &m->builder;
    uint32_t n = (uint32_t)st->n_item, stride = in->n_features ? in->n_features : 1;
    memcpy(flat_room(b, PART_ITEM, n, sizeof(uint32_t)), st->item, n * sizeof(uint32_t));
    float *x = flat_room(b, PART_FEATURE, n * stride, sizeof *x);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t f = 0; f < in->n_features; f++)
            x[(size_t)i * stride + f] = st->feature[(size_t)i * st->n_features + c->feature[f]];
    uint32_t *id = flat_room(b, PART_ID_FEATURE, n * in->n_id_features, sizeof *id);
    for (uint32_t k = 0; k < in->n_id_features; k++)
        for (uint32_t i = 0; i < n; i++) id[(size_t)k * n + i] = an->shown[0]->ids[c->id[k]];
    float *context = flat_room(b, PART_CONTEXT, in->n_context, sizeof *context);
    for (uint32_t k = 0; k < in->n_context; k++)
        context[k] = (c->context[k] & FROM_ANSWER ? an->context_value : st->fuse_context_value)[c->context[k] & COLUMN];
    float *prior = flat_room(b, PART_PRIOR, n * in->n_prior, sizeof *prior);
    for (uint32_t k = 0; k < in->n_prior; k++)
        memcpy(prior + (size_t)k * n, st->raw + (size_t)c->prior[k] * n, n * sizeof *prior);
}

static void put_fusion(dataset_making *m, const recorded_stage *st, const request_columns *c)
{
    flat_builder *b = &m->builder;
    uint32_t n = (uint32_t)st->n_item, n_rankers = m->spec->n_rankers;
    float *score = flat_room(b, PART_SCORE, n * n_rankers, sizeof *score);
    for (uint32_t r = 0; r < n_rankers; r++)
        memcpy(score + (size_t)r * n, st->raw + (size_t)c->ranker[r] * n, n * sizeof *score);
    uint64_t *present = flat_room(b, PART_PRESENT, n, sizeof *present);
    for (uint32_t r = 0; r < n_rankers; r++)
        for (uint32_t i = 0; i < n; i++)
            present[i] |= (uint64_t)(isfinite(st->raw[(size_t)c->ranker[r] * n + i]) != 0) << r;
    memcpy(flat_room(b, PART_BEFORE, n, sizeof(float)), st->before, n * sizeof(float));
}

static bool same_models(const dataset_making *m, const answered *an, const request_columns *c)
{
    for (uint32_t r = 0; r < m->spec->n_rankers; r++) {
        const char *now = m->spec->ranker[r].model ? m->spec->ranker[r].model : "";
        const char *then = c->model[r] < an->n_models ? an->models[c->model[r]] : "";
        if (strcmp(now, then) != 0) return false;
    }
    return true;
}

static uint32_t *rows_of_shown(dataset_making *m, const answered *an, const recorded_stage *st)
{
    uint32_t *row = ARENA_ARRAY(m->a, uint32_t, an->n_shown + 1);
    for (size_t k = 0; k < an->n_shown; k++) {
        row[k] = UINT32_MAX;
        for (uint32_t i = 0; i < st->n_item && row[k] == UINT32_MAX; i++)
            if (st->item[i] == an->shown[k]->item) row[k] = i;
    }
    return row;
}

static sinter_status add_stage(dataset_making *m, const answered *an, const recorded_stage *st)
{
    if (!an->n_shown || !st->n_item || !stage_sane(st)) {
        left_out(m, !an->n_shown || !st->n_item ? DATASET_NO_HITS : DATASET_BROKEN);
        return SINTER_OK;
    }
    const request_columns *c = dataset_match_names(m, an, st);
    dataset_left_out why = c->missing;
    if (why == DATASET_LEFT_OUT_N && !same_models(m, an, c)) why = DATASET_OTHER_MODEL;
    if (why == DATASET_LEFT_OUT_N && !put_common(m, an, (uint32_t)st->n_item)) why = DATASET_BROKEN;
    if (why != DATASET_LEFT_OUT_N) {
        left_out(m, why);
        return SINTER_OK;
    }
    put_stage_columns(m, an, st, c);
    if (m->spec->n_rankers) put_fusion(m, st, c);
    put_shown(m, an, rows_of_shown(m, an, st), (uint32_t)st->n_item);
    return write_record(m, an);
}

/* The stage to read of a request that this pipeline answered; NULL: none. */
static const char *stage_of(const dataset_making *m, const char *pipeline)
{
    const dataset_spec *spec = m->spec;
    if (strcmp(pipeline, spec->pipeline) == 0) return spec->stage;
    for (uint32_t i = 0; i < spec->n_alike; i++)
        if (strcmp(pipeline, spec->alike[i].pipeline) == 0) return spec->alike[i].stage;
    return NULL;
}

/* The answer that a recorded request belongs to was logged just before it. */
static sinter_status add_recorded(dataset_making *m, const record *rec)
{
    const Sinter__Storage__V1__RecordedRequest *rr = rec->recorded_request;
    key128 key = key_of(rr->request_id, strlen(rr->request_id));
    uint64_t at = keymap_get(&m->answered, key, UINT64_MAX);
    if (at == UINT64_MAX || at == 0) return SINTER_OK; /* of another range or collection */
    record *before;
    sinter_status s = journal_get(m->other_reader, at, m->a, &before, m->error);
    if (s) return s;
    keymap_set(&m->answered, key, 0);
    left_in(m, DATASET_NOT_RECORDED);
    const char *stage = stage_of(m, before->answered->pipeline);
    for (size_t k = 0; k < rr->n_stages; k++)
        if (strcmp(rr->stages[k]->name, stage) == 0) return add_stage(m, before->answered, rr->stages[k]);
    left_out(m, DATASET_OTHER_STAGE);
    return SINTER_OK;
}

/* ---- the log ---------------------------------------------------------------------------------------------------------------------------- */

static sinter_status add_answer(dataset_making *m, const record *rec)
{
    const answered *an = rec->answered;
    const dataset_report *r = m->report;
    if (an->collection != m->collection || an->journal_sequence <= r->since || an->journal_sequence > r->until)
        return SINTER_OK;
    if (!answer_sane(an)) {
        left_out(m, DATASET_BROKEN);
        return SINTER_OK;
    }
    if (!m->whole) return add_shown(m, an);
    if (!stage_of(m, an->pipeline)) {
        left_out(m, DATASET_OTHER_STAGE);
        return SINTER_OK;
    }
    left_out(m, DATASET_NOT_RECORDED); /* until it turns up among the recorded */
    keymap_set(&m->answered, key_of(an->request_id, strlen(an->request_id)), rec->sequence);
    return SINTER_OK;
}

static bool take(void *ctx, const record *rec)
{
    dataset_making *m = ctx;
    arena_reset(m->a);
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ANSWERED)
        m->status = add_answer(m, rec);
    else if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_RECORDED_REQUEST && m->whole)
        m->status = add_recorded(m, rec);
    if (rec->sequence % PROGRESS_EVERY == 0) {
        dataset_progress(m, "requests", rec->sequence, journal_last_sequence(m->impressions));
        if (m->status == SINTER_OK) m->status = dataset_memory(m, m->error);
    }
    return m->status == SINTER_OK;
}

static void count_unjoined(dataset_making *m)
{
    const label_event *l = (const label_event *)(const void *)m->raw_labels.map;
    for (uint64_t i = 0; i < m->n_labels; i++)
        if (!l[i].used) left_out(m, DATASET_UNJOINED);
}

sinter_status dataset_read_requests(dataset_making *m, sinter_error *e)
{
    sinter_status s = spool_open(&m->records, m->spec->scratch, e);
    if (s) return s;
    m->error = e;
    m->status = SINTER_OK;
    s = journal_tail(m->log_reader, 0, UINT32_MAX, take, m, NULL, e);
    if (s == SINTER_OK) s = m->status;
    if (s == SINTER_OK) s = spool_map(&m->records, e);
    if (s == SINTER_OK) count_unjoined(m);
    return s;
}
