/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The log that later rankers train on. For each shown hit: every feature and every ranker named in any pipeline of the collection,
 * also those that did not rank this answer. For a share of requests: all candidates that entered each stage. Queued and never
 * waited for; a loss is counted. */
#include "search.h"

#include <string.h>

/* Recall read the postings of all that it brought; only what a rule or a later page brought in is looked up again. */
static bool recalled_packed(search *s, candidates *page)
{
    const candidates *c = &s->found;
    if (!c->packed) return false;
    for (uint32_t i = 0; i < s->n_page; i++)
        if (s->page[i].candidate == UINT32_MAX) return false;
    page->packed = arena_alloc(s->a, ((size_t)c->n_words * s->n_page + 1) * sizeof *page->packed);
    for (uint32_t w = 0; w < c->n_words; w++)
        for (uint32_t i = 0; i < s->n_page; i++)
            page->packed[(size_t)w * s->n_page + i] = c->packed[(size_t)w * c->n + s->page[i].candidate];
    return true;
}

/* The page as a list of candidates of its own, so that any stage's features and rankers can run over it. */
static sinter_status page_candidates(search *s, candidates *out, sinter_error *e)
{
    memset(out, 0, sizeof *out);
    out->n = s->n_page;
    out->n_words = s->found.n_words;
    out->item = ARENA_ARRAY(s->a, uint32_t, s->n_page + 1);
    out->before = ARENA_ARRAY(s->a, float, s->n_page + 1);
    for (uint32_t i = 0; i < s->n_page; i++) {
        out->item[i] = s->page[i].item;
        out->before[i] = s->page[i].score;
    }
    if (s->query->empty || recalled_packed(s, out)) return SINTER_OK;
    return text_packed(s->reader, s->query, out->item, out->n, s->a, &out->packed, e);
}

/* What was shown, as numbers: rows of the page. */
typedef struct shown_numbers {
    float *feature; /* [n_page][n_log_features] */
    float *raw;     /* [n_page][n_log_rankers] */
    uint32_t *id;   /* [n_page][n_log_ids] */
} shown_numbers;

static sinter_status log_features(search *s, const candidates *page, shown_numbers *out, Sinter__Storage__V1__Answered *a,
                                  sinter_error *e)
{
    const snap_collection *c = s->collection;
    feature_source src = search_source(s);
    src.item = page->item;
    src.packed = page->packed;
    src.n = page->n;
    src.before = page->before;
    out->feature = arena_alloc(s->a, ((size_t)page->n * c->n_log_features + 1) * sizeof(float));
    out->id = arena_alloc(s->a, ((size_t)page->n * c->n_log_ids + 1) * sizeof(uint32_t));
    a->context_value = arena_alloc(s->a, (c->n_log_context + 1) * sizeof(float));
    for (uint32_t k = 0; k < c->n_log_ids; k++) id_feature_fill(&c->log_id[k], &src, out->id + k, c->n_log_ids);
    for (uint32_t k = 0; k < c->n_log_context; k++)
        a->context_value[a->n_context_value++] = feature_of_request(&c->log_context[k], &src);
    return features_fill(c->log_feature, c->n_log_features, &src, out->feature, c->n_log_features, e);
}

static char *text_of(search *s, sinter_str x)
{
    return arena_strndup(s->a, x.data, x.size);
}

static void log_person(search *s, Sinter__Storage__V1__Answered *a)
{
    const history *h = search_history(s);
    a->user_id = text_of(s, s->user.user_id);
    a->session_id = text_of(s, s->user.session_id);
    a->profile_sequence = s->view->profiles->sequence;
    a->n_history_item = a->n_history_event = a->n_history_time_ms = a->n_history_weight = h->n;
    a->history_item = h->item;
    a->history_event = h->event;
    a->history_time_ms = h->time_ms;
    a->history_weight = h->weight;
}

/* What was stored of the user; and what counts of times shown are made of: the value of each shown item's counter fields now, and how far the log had been read. */
static void log_people(search *s, Sinter__Storage__V1__Answered *a)
{
    const config_collection *schema = s->collection->schema;
    const profile_set *set = s->view->profiles;
    if (!schema->rates && !s->stored.n) return;
    Sinter__Storage__V1__AnsweredPeople *said = a->people = ARENA_NEW(s->a, Sinter__Storage__V1__AnsweredPeople);
    sinter__storage__v1__answered_people__init(said);
    said->attributes = (ProtobufCBinaryData){s->stored.n, (uint8_t *)(uintptr_t)s->stored.s};
    if (!schema->rates) return;
    said->shown_sequence = set->shown_sequence;
    said->n_counted_by = schema->n_counter_by;
    said->counted_by = (char **)(uintptr_t)schema->counter_by;
    said->shown_value = ARENA_ARRAY(s->a, uint64_t, (size_t)s->n_page * schema->n_counter_by + 1);
    for (uint32_t i = 0; i < s->n_page; i++)
        for (uint32_t by = 0; by < schema->n_counter_by; by++)
            said->shown_value[said->n_shown_value++] = profile_value_hash(set, by, s->page[i].item);
}

/* Runs the stage of a pipeline that did not rank this answer over the page, and scatters its rankers' scores. */
static sinter_status score_elsewhere(search *s, const snap_pipeline *p, float *raw, uint32_t stride, sinter_error *e)
{
    uint32_t n = s->found.n;
    s->found.ranker_score = ARENA_ARRAY(s->a, float *, p->n_rankers + 1);
    for (uint32_t r = 0; r < p->n_rankers; r++) {
        s->found.ranker_score[r] = arena_alloc(s->a, (n + 1) * sizeof(float));
        for (uint32_t i = 0; i < n; i++) s->found.ranker_score[r][i] = SINTER_MISSING;
    }
    for (uint32_t k = 0; k < p->n_stages; k++) {
        const snap_stage *st = &p->stage[k];
        stage_run run = {.stage = st, .n = n, .item = s->found.item, .before = s->found.before};
        run.candidate = ARENA_ARRAY(s->a, uint32_t, n + 1);
        for (uint32_t i = 0; i < n; i++) run.candidate[i] = i;
        sinter_status status = stage_features(s, p, st, &run, e);
        if (status) return status;
        for (uint32_t r = 0; r < st->n_rankers; r++) {
            ranker_run out;
            stage_rank(s, &st->ranker[r], &run, &out, st->ranker[r].use.config->budget_ns);
            s->found.ranker_score[st->ranker[r].number] = out.score;
            for (uint32_t i = 0; i < n; i++) raw[(size_t)i * stride + st->ranker[r].log_column] = out.score[i];
        }
    }
    return SINTER_OK;
}

static sinter_status log_raw(search *s, const candidates *page, float *raw /* [n_page][n_rankers] */, sinter_error *e)
{
    const snap_collection *c = s->collection;
    uint32_t stride = c->n_log_rankers;
    for (uint32_t i = 0; i < s->n_page * stride; i++) raw[i] = SINTER_MISSING;
    const snap_pipeline *own = s->stage ? s->pipeline : NULL;
    for (uint32_t r = 0; own && r < own->n_rankers; r++)
        for (uint32_t i = 0; i < s->n_page; i++)
            if (s->page[i].candidate != UINT32_MAX)
                raw[(size_t)i * stride + own->ranker[r]->log_column] = s->found.ranker_score[r][s->page[i].candidate];
    candidates found = s->found;
    s->found = *page;
    sinter_status st = SINTER_OK;
    for (uint32_t k = 0; k < s->snapshot->n_pipelines && st == SINTER_OK; k++) {
        const snap_pipeline *p = &s->snapshot->pipeline[k];
        if (p != own && &s->snapshot->collection[p->collection] == c) st = score_elsewhere(s, p, raw, stride, e);
    }
    s->found = found;
    return st;
}

static void fill_shown(search *s, Sinter__Storage__V1__Answered *a, const shown_numbers *numbers)
{
    const snap_collection *c = s->collection;
    a->shown = ARENA_ARRAY(s->a, Sinter__Storage__V1__Shown *, s->n_page + 1);
    uint32_t skip = s->n_shown ? s->n_shown : s->offset;
    for (uint32_t i = 0; i < s->n_page; i++) {
        Sinter__Storage__V1__Shown *x = ARENA_NEW(s->a, Sinter__Storage__V1__Shown);
        sinter__storage__v1__shown__init(x);
        x->item = s->page[i].item;
        x->position = search_position(s, i, skip);
        x->score = s->page[i].score;
        x->propensity = skip + i < s->n_propensity ? s->propensity[skip + i] : 1;
        x->features = numbers->feature + (size_t)i * c->n_log_features;
        x->n_features = c->n_log_features;
        x->raw = numbers->raw + (size_t)i * c->n_log_rankers;
        x->n_raw = c->n_log_rankers;
        x->ids = numbers->id + (size_t)i * c->n_log_ids;
        x->n_ids = c->n_log_ids;
        a->shown[a->n_shown++] = x;
    }
}

/* A record is on disk, or lost. */
static void settle(engine *g, _Atomic uint64_t *count)
{
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&g->impressions_pending, 1, memory_order_relaxed);
}

/* Both on the impressions' writer thread, after their fsync; what it could not write is lost as much as what it did not take. */
static void answer_written(void *ctx, const journal_result *r)
{
    engine *g = ctx;
    settle(g, r->status == SINTER_OK ? &g->impressions_stored : &g->impressions_lost);
}

static void recorded_written(void *ctx, const journal_result *r)
{
    engine *g = ctx;
    settle(g, r->status == SINTER_OK ? &g->requests_recorded : &g->impressions_lost);
}

static void failure_written(void *ctx, const journal_result *r)
{
    engine *g = ctx;
    settle(g, r->status == SINTER_OK ? &g->failures_recorded : &g->impressions_lost);
}

static sinter_status append(search *s, Sinter__Storage__V1__Record *rec, journal_done *written, sinter_error *e)
{
    engine *g = s->lane->engine;
    size_t size = sinter__storage__v1__record__get_packed_size(rec);
    uint8_t *bytes = arena_alloc(s->a, size + 1);
    sinter__storage__v1__record__pack(rec, bytes);
    journal_op op = {.kind = JOURNAL_RECORD, .bytes = {(const char *)bytes, size}};
    journal_write w = {.op = &op, .n = 1, .fence = UINT64_MAX};
    return journal_append(g->impressions, &w, written, g, e);
}

static sinter_status log_answer(search *s, str request_bytes, Sinter__Storage__V1__Experimented *in_arms, sinter_error *e)
{
    const snap_collection *c = s->collection;
    candidates page;
    Sinter__Storage__V1__Answered a;
    sinter__storage__v1__answered__init(&a);
    shown_numbers numbers = {.raw = ARENA_ARRAY(s->a, float, (size_t)s->n_page * c->n_log_rankers + 1)};
    sinter_status st = page_candidates(s, &page, e);
    if (st == SINTER_OK) st = log_features(s, &page, &numbers, &a, e);
    if (st == SINTER_OK) st = log_raw(s, &page, numbers.raw, e);
    if (st) return st;
    a.request_id = s->out->request_id;
    a.request = (ProtobufCBinaryData){request_bytes.n, (uint8_t *)(uintptr_t)request_bytes.s};
    a.snapshot = message_text(snapshot_id(s->snapshot));
    a.sequence = s->view->sequence;
    a.journal_sequence = journal_last_sequence(s->lane->engine->journal);
    a.columns_sequence = s->set->sequence;
    a.time_ms = s->context.now_ms;
    a.pipeline = message_text(s->pipeline ? s->pipeline->config->name : "");
    a.pipeline_version = message_text(s->pipeline ? s->pipeline->version : "");
    a.collection = catalog_number(c->catalog);
    a.features = (char **)(uintptr_t)c->log_feature_name;
    a.n_features = c->n_log_features;
    a.rankers = (char **)(uintptr_t)c->log_ranker_name;
    a.n_rankers = a.n_models = c->n_log_rankers;
    a.models = (char **)(uintptr_t)c->log_model;
    a.id_features = (char **)(uintptr_t)c->log_id_name;
    a.n_id_features = c->n_log_ids;
    a.context = (char **)(uintptr_t)c->log_context_name;
    a.n_context = c->n_log_context;
    a.total = s->out->total;
    a.shuffled = s->shuffled;
    a.corrected_query = message_text(s->n_dropped ? NULL : s->query->corrected);
    a.words_dropped = s->n_dropped > 0;
    a.experimented = in_arms;
    a.arms = search_arm_names(s);
    a.n_arms = s->n_taken;
    log_person(s, &a);
    log_people(s, &a);
    fill_shown(s, &a, &numbers);
    Sinter__Storage__V1__Record rec;
    sinter__storage__v1__record__init(&rec);
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_ANSWERED;
    rec.answered = &a;
    answers_keep(s, true);
    return append(s, &rec, answer_written, e);
}

/* ---- recorded requests: all candidates of all stages ----------------------------------------------------------------------- */

static Sinter__Storage__V1__RecordedStage *recorded_stage(search *s, const stage_run *run)
{
    const snap_stage *st = run->stage;
    Sinter__Storage__V1__RecordedStage *out = ARENA_NEW(s->a, Sinter__Storage__V1__RecordedStage);
    sinter__storage__v1__recorded_stage__init(out);
    out->name = message_text(st->name);
    out->n_item = out->n_fused = out->n_before = run->n;
    out->item = run->item;
    out->fused = run->fused;
    out->before = run->before;
    out->n_fuse_context = out->n_fuse_context_value = st->n_fuse_context;
    out->fuse_context = ARENA_ARRAY(s->a, char *, st->n_fuse_context + 1);
    for (uint32_t f = 0; f < st->n_fuse_context; f++) out->fuse_context[f] = message_text(st->fuse_context[f].name);
    out->fuse_context_value = (float *)(uintptr_t)run->fusion.context;
    out->n_rankers = st->n_rankers;
    out->rankers = (char **)(uintptr_t)st->ranker_name;
    out->n_features = st->n_features;
    out->features = ARENA_ARRAY(s->a, char *, st->n_features + 1);
    out->n_feature = (size_t)run->n * st->n_features;
    out->feature = ARENA_ARRAY(s->a, float, out->n_feature + 1);
    for (uint32_t f = 0; f < st->n_features; f++) {
        out->features[f] = message_text(st->feature[f].name);
        for (uint32_t i = 0; i < run->n; i++) out->feature[(size_t)i * st->n_features + f] = run->feature[f][i];
    }
    out->n_raw = (size_t)run->n * st->n_rankers;
    out->raw = ARENA_ARRAY(s->a, float, out->n_raw + 1);
    for (uint32_t r = 0; r < st->n_rankers; r++) memcpy(out->raw + (size_t)r * run->n, run->ranker[r].score, run->n * sizeof(float));
    return out;
}

/* The share of requests is drawn by the request id's hash: the same request is recorded everywhere or nowhere. */
static bool drawn(const search *s)
{
    return s->stage && (double)(s->request.seed >> 11) * 0x1p-53 < s->pipeline->config->record;
}

uint32_t impression_records(const search *s)
{
    if (!s->lane->engine->impressions || s->in->no_impression) return 0;
    return drawn(s) ? 2 : 1;
}

static sinter_status log_recorded(search *s, sinter_error *e)
{
    Sinter__Storage__V1__RecordedRequest r;
    sinter__storage__v1__recorded_request__init(&r);
    r.request_id = s->out->request_id;
    r.stages = ARENA_ARRAY(s->a, Sinter__Storage__V1__RecordedStage *, s->n_stages + 1);
    for (uint32_t k = 0; k < s->n_stages; k++) r.stages[r.n_stages++] = recorded_stage(s, &s->stage[k]);
    Sinter__Storage__V1__Record rec;
    sinter__storage__v1__record__init(&rec);
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_RECORDED_REQUEST;
    rec.recorded_request = &r;
    return append(s, &rec, recorded_written, e);
}

static void lost(engine *g, const sinter_error *e)
{
    char line[1536];
    settle(g, &g->impressions_lost);
    if (e->status != SINTER_EXHAUSTED) log_warn("impression.lost", "%s", error_line(e, line, sizeof line)); /* a full queue loses many */
}

/* The client's own mistakes are no failure of an arm. */
static bool is_failure(sinter_status status)
{
    switch (status) {
    case SINTER_UNAVAILABLE:
    case SINTER_DEADLINE:
    case SINTER_INTERNAL:
    case SINTER_IO:
    case SINTER_DATA_LOSS:
    case SINTER_UNKNOWN: return true;
    default: return false;
    }
}

void log_failed(search *s, sinter_status status)
{
    if (!s->n_taken || !s->lane->engine->impressions || s->in->no_impression || !is_failure(status)) return;
    Sinter__Storage__V1__ExperimentFailed f;
    Sinter__Storage__V1__Experiment x;
    Sinter__Storage__V1__Record rec;
    sinter__storage__v1__experiment_failed__init(&f);
    sinter__storage__v1__experiment__init(&x);
    sinter__storage__v1__record__init(&rec);
    f.request_id = s->out->request_id;
    f.time_ms = s->context.now_ms;
    f.user_id = text_of(s, s->user.user_id);
    f.session_id = text_of(s, s->user.session_id);
    f.status = (uint32_t)status;
    f.experimented = search_experimented(s);
    if (f.experimented->later_page) return;
    x.kind_case = SINTER__STORAGE__V1__EXPERIMENT__KIND_FAILED;
    x.failed = &f;
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_EXPERIMENT;
    rec.experiment = &x;
    sinter_error e = SINTER_ERROR_INIT;
    atomic_fetch_add_explicit(&s->lane->engine->impressions_pending, 1, memory_order_relaxed);
    if (append(s, &rec, failure_written, &e)) lost(s->lane->engine, &e);
}

void pipeline_log(pipeline_lane *l, str request_bytes)
{
    search *s = l->last;
    l->last = NULL;
    uint32_t records = s ? impression_records(s) : 0;
    if (!records) return;
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__Storage__V1__Experimented *in_arms = search_experimented(s);
    search_shadows(s, in_arms);
    plugin_call_begin(&s->call);
    s->deadline_ns = s->timeout_ns = s->request.deadline_ns = UINT64_MAX;
    if (log_answer(s, request_bytes, in_arms, &e)) lost(l->engine, &e);
    if (records > 1 && log_recorded(s, &e)) lost(l->engine, &e);
    plugin_call_end(&s->call);
}
