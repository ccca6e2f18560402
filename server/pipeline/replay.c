/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A logged request again, on any snapshot: candidates, features, context and history are those of the log, so that the same
 * snapshot gives the same bits. What the log lacks is made anew from today's views and counted. */
#include "search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef Sinter__Storage__V1__RecordedStage recorded_stage;

/* ---- candidates ------------------------------------------------------------------------------------------------------------------ */

typedef struct placed {
    uint32_t item, row;
} placed;

static int by_item(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    return x->item < y->item ? -1 : x->item > y->item;
}

/* For each candidate its row in each recorded stage. */
static void find_rows(search *s, logged *x)
{
    const candidates *c = &s->found;
    x->row = ARENA_ARRAY(s->a, uint32_t *, x->recorded->n_stages + 1);
    for (size_t k = 0; k < x->recorded->n_stages; k++) {
        const recorded_stage *r = x->recorded->stages[k];
        placed *p = arena_alloc(s->a, (r->n_item + 1) * sizeof *p);
        for (uint32_t i = 0; i < r->n_item; i++) p[i] = (placed){r->item[i], i};
        qsort(p, r->n_item, sizeof *p, by_item);
        x->row[k] = arena_alloc(s->a, (c->n + 1) * sizeof(uint32_t));
        for (uint32_t i = 0; i < c->n; i++) {
            const placed wanted = {c->item[i], 0}, *found = bsearch(&wanted, p, r->n_item, sizeof *p, by_item);
            x->row[k][i] = found ? found->row : UINT32_MAX;
        }
    }
}

static bool logs_feature(const logged *x, const char *name)
{
    for (size_t k = 0; k < x->recorded->n_stages; k++)
        for (size_t f = 0; f < x->recorded->stages[k]->n_features; f++)
            if (strcmp(x->recorded->stages[k]->features[f], name) == 0) return true;
    return false;
}

/* Words of the postings are looked up only where a feature of theirs may have to be made anew. */
static sinter_status look_up_words(search *s, logged *x, sinter_error *e)
{
    candidates *c = &s->found;
    bool needed = s->pipeline->n_stages > 1;
    for (uint32_t k = 0; k < s->pipeline->n_stages && !needed; k++)
        for (uint32_t f = 0; f < s->pipeline->stage[k].n_features && !needed; f++)
            needed = !logs_feature(x, s->pipeline->stage[k].feature[f].name);
    if (!needed || s->query->empty || c->n == 0) return SINTER_OK;
    c->n_words = text_query_scoring(s->query);
    return text_packed(s->reader, s->query, c->item, c->n, s->a, &c->packed, e);
}

static sinter_status take_candidates(search *s, logged *x, sinter_error *e)
{
    const recorded_stage *first = x->recorded->n_stages ? x->recorded->stages[0] : NULL;
    candidates *c = &s->found;
    uint32_t n_sources = s->pipeline->n_sources;
    if (!first) return error_set(e, SINTER_PRECONDITION, "pipeline", NULL, "the request went through no stage");
    for (uint32_t i = 0; i < first->n_item; i++)
        if (first->item[i] >= s->set->n_items)
            return error_set(e, SINTER_PRECONDITION, "log", NULL, "item %u is unknown to the collection", first->item[i]);
    c->n = (uint32_t)first->n_item;
    c->item = first->item;
    c->before = first->before;
    c->source_score = ARENA_ARRAY(s->a, float *, n_sources + 1);
    c->source_rank = ARENA_ARRAY(s->a, float *, n_sources + 1);
    float *none = arena_alloc(s->a, (c->n + 1) * sizeof *none);
    for (uint32_t i = 0; i < c->n; i++) none[i] = NAN;
    for (uint32_t k = 0; k < n_sources; k++) c->source_score[k] = c->source_rank[k] = none;
    s->out->total = x->answered->total;
    find_rows(s, x);
    return look_up_words(s, x, e);
}

/* ---- what it saw ----------------------------------------------------------------------------------------------------------------- */

static void take_person(search *s, const logged *x)
{
    const Sinter__Storage__V1__Answered *a = x->answered;
    history *h = &s->history;
    s->context.now_ms = a->time_ms;
    h->read = true;
    h->n = (uint32_t)a->n_history_item;
    h->item = a->history_item;
    h->event = a->history_event;
    h->weight = a->history_weight;
    h->time_ms = a->history_time_ms;
    h->age = arena_alloc(s->a, (h->n + 1) * sizeof *h->age);
    for (uint32_t i = 0; i < h->n; i++) h->age[i] = history_age(a->time_ms, h->time_ms[i]);
}

/* Of the pipeline's own making: earlier rankers' scores are those of this replay. */
static bool is_chained(const char *name)
{
    return strncmp(name, "score.", 6) == 0 || strcmp(name, "before") == 0;
}

static uint32_t column_of(const recorded_stage *r, const char *name)
{
    for (uint32_t f = 0; f < r->n_features; f++)
        if (strcmp(r->features[f], name) == 0) return f;
    return UINT32_MAX;
}

/* Fills from one recorded stage what is still missing; returns how much stays so. */
static uint32_t take_column(const logged *x, size_t k, const char *name, const stage_run *run, uint8_t *has, float *out)
{
    const recorded_stage *r = x->recorded->stages[k];
    uint32_t column = column_of(r, name), missing = 0;
    for (uint32_t i = 0; i < run->n; i++) {
        uint32_t row = column == UINT32_MAX ? UINT32_MAX : x->row[k][run->candidate[i]];
        if (!has[i] && row != UINT32_MAX) {
            out[i] = r->feature[(size_t)row * r->n_features + column];
            has[i] = 1;
        }
        missing += !has[i];
    }
    return missing;
}

sinter_status replay_feature(search *s, const snap_stage *stage, stage_run *run, uint32_t f, const feature_source *src, sinter_error *e)
{
    logged *x = s->logged;
    const feature *wanted = &stage->feature[f];
    float *out = run->feature[f];
    if (is_chained(wanted->name)) return features_fill(wanted, 1, src, out, 1, e);
    uint8_t *has = ARENA_ARRAY(s->a, uint8_t, run->n + 1);
    uint32_t missing = run->n;
    for (size_t k = 0; k < x->recorded->n_stages && missing; k++) missing = take_column(x, k, wanted->name, run, has, out);
    x->values += run->n;
    x->recomputed += missing;
    if (!missing) return SINTER_OK;
    if (strncmp(wanted->name, "recall.", 7) == 0) x->lacks = wanted->name;
    float *anew = arena_alloc(s->a, (run->n + 1) * sizeof *anew);
    sinter_status st = features_fill(wanted, 1, src, anew, 1, e);
    for (uint32_t i = 0; i < run->n && st == SINTER_OK; i++)
        if (!has[i]) out[i] = anew[i];
    return st;
}

float replay_context(search *s, const feature *f, const feature_source *src)
{
    const Sinter__Storage__V1__Answered *a = s->logged->answered;
    for (size_t i = 0; i < a->n_context; i++)
        if (strcmp(a->context[i], f->name) == 0) return a->context_value[i];
    return feature_of_request(f, src);
}

/* ---- the line -------------------------------------------------------------------------------------------------------------------- */

static sinter_status run(search *s, sinter_error *e)
{
    sinter_status st = search_read_request(s, e);
    if (st) return st;
    if (!s->pipeline) return error_set(e, SINTER_PRECONDITION, "pipeline", NULL, "the request went through no pipeline");
    take_person(s, s->logged);
    if ((st = search_words(s, e))) return st;
    if ((st = take_candidates(s, s->logged, e))) return st;
    uint64_t started = clock_mono_ns();
    if ((st = search_stages(s, e))) return st;
    if ((st = search_finish(s, e))) return st;
    s->logged->elapsed_ns = clock_mono_ns() - started;
    if ((st = s->groups ? search_group_page(s, e) : search_page(s, e))) return st;
    return search_answer(s, e);
}

sinter_status search_replay(pipeline_lane *l, const snapshot *snap, const Sinter__V1__SearchRequest *in, logged *x, search **out,
                            sinter_error *e)
{
    search *s = ARENA_NEW(l->memory, search);
    search_begin(s, l, snap, in, UINT64_MAX);
    s->logged = x;
    s->call = (plugin_call){.lane = l->number, .memory = s->a, .scratch = l->scratch};
    plugin_call_begin(&s->call);
    sinter_status st = run(s, e);
    plugin_call_end(&s->call);
    *out = s;
    return st;
}
