/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stages: features once for all rankers, rankers in blocks within their budgets, fusion, keep the best. A ranker that is late,
 * fails or returns what is not a number is missing; fusion copes, and the answer says so. */
#include "search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- features ---------------------------------------------------------------------------------------------------------- */

static float *gather(search *s, const float *from, const uint32_t *row, uint32_t n)
{
    float *out = arena_alloc(s->a, (n + 1) * sizeof *out);
    for (uint32_t i = 0; i < n; i++) out[i] = from[row[i]];
    return out;
}

/* A whole list in its own order needs no gathering. */
static bool is_identity(const stage_run *run, const candidates *c)
{
    if (run->n != c->n) return false;
    for (uint32_t i = 0; i < run->n; i++)
        if (run->candidate[i] != i) return false;
    return true;
}

static uint32_t *gather_packed(search *s, const candidates *c, const stage_run *run)
{
    uint32_t *out = arena_alloc(s->a, ((size_t)c->n_words * run->n + 1) * sizeof *out);
    for (uint32_t w = 0; w < c->n_words; w++)
        for (uint32_t i = 0; i < run->n; i++) out[(size_t)w * run->n + i] = c->packed[(size_t)w * c->n + run->candidate[i]];
    return out;
}

static float **gather_all(search *s, float *const *from, uint32_t columns, const stage_run *run, bool identity)
{
    float **out = ARENA_ARRAY(s->a, float *, columns + 1);
    for (uint32_t k = 0; k < columns; k++)
        out[k] = !from || !from[k] ? NULL : identity ? from[k] : gather(s, from[k], run->candidate, run->n);
    return out;
}

sinter_status stage_features(search *s, const snap_pipeline *p, const snap_stage *stage, stage_run *run, sinter_error *e)
{
    const candidates *c = &s->found;
    bool identity = is_identity(run, c);
    feature_source src = search_source(s);
    src.item = run->item;
    src.packed = !c->packed || identity ? c->packed : gather_packed(s, c, run);
    src.n = run->n;
    src.recall_score = (const float *const *)gather_all(s, c->source_score, p->n_sources, run, identity);
    src.recall_rank = (const float *const *)gather_all(s, c->source_rank, p->n_sources, run, identity);
    src.ranker_score = (const float *const *)gather_all(s, c->ranker_score, p->n_rankers, run, identity);
    src.before = run->before;
    run->feature = ARENA_ARRAY(s->a, float *, stage->n_features + 1);
    for (uint32_t f = 0; f < stage->n_features; f++) {
        run->feature[f] = arena_alloc(s->a, (run->n + 1) * sizeof(float));
        sinter_status st = s->logged ? replay_feature(s, stage, run, f, &src, e)
                                     : features_fill(&stage->feature[f], 1, &src, run->feature[f], 1, e);
        if (st) return st;
    }
    return SINTER_OK;
}

/* ---- one ranker ---------------------------------------------------------------------------------------------------------- */

/* Row-major matrix of the ranker's own columns, 64-byte aligned. */
static void ranker_matrix(search *s, const snap_ranker *r, const stage_run *run, sinter_batch *b)
{
    b->n_features = r->n_features;
    b->stride = r->n_features ? r->n_features : 1;
    float *m = arena_aligned(s->a, 64, ((size_t)run->n * b->stride + 16) * sizeof *m);
    for (uint32_t f = 0; f < r->n_features; f++) {
        const float *from = run->feature[r->feature[f]];
        for (uint32_t i = 0; i < run->n; i++) m[(size_t)i * b->stride + f] = from[i];
    }
    b->feature = m;
}

static void ranker_ids(search *s, const snap_ranker *r, const stage_run *run, sinter_batch *b)
{
    b->n_id_features = r->n_ids;
    const uint32_t **ids = ARENA_ARRAY(s->a, const uint32_t *, r->n_ids + 1);
    feature_source src = search_source(s);
    src.item = run->item;
    src.n = run->n;
    for (uint32_t k = 0; k < r->n_ids; k++) {
        uint32_t *out = arena_alloc(s->a, (run->n + 1) * sizeof *out);
        id_feature_fill(&r->id[k], &src, out, 1);
        ids[k] = out;
    }
    b->id_feature = ids;
}

static void ranker_vectors(search *s, const snap_ranker *r, const stage_run *run, sinter_batch *b)
{
    b->n_vectors = r->n_vectors;
    sinter_vectors *v = ARENA_ARRAY(s->a, sinter_vectors, r->n_vectors + 1);
    for (uint32_t k = 0; k < r->n_vectors; k++) {
        const sinter_column *c = catalog_column(s->set, r->vector[k]);
        uint32_t dim = c ? c->dimension : 1;
        float *data = arena_aligned(s->a, 64, ((size_t)run->n * dim + 16) * sizeof *data);
        uint8_t *present = ARENA_ARRAY(s->a, uint8_t, run->n + 1);
        for (uint32_t i = 0; i < run->n; i++) {
            const float *row = c ? column_vector(c, run->item[i]) : NULL;
            present[i] = row != NULL;
            if (row)
                memcpy(data + (size_t)i * dim, row, dim * sizeof *data);
            else
                for (uint32_t d = 0; d < dim; d++) data[(size_t)i * dim + d] = NAN;
        }
        v[k] = (sinter_vectors){.size = sizeof *v, .dimension = dim, .stride = dim, .type = SINTER_F32, .scale = 1, .data = data, .present = present};
    }
    b->vectors = v;
}

static void ranker_context(search *s, const feature *f, uint32_t n, const float **out)
{
    feature_source src = search_source(s);
    float *v = ARENA_ARRAY(s->a, float, n + 1);
    for (uint32_t i = 0; i < n; i++) v[i] = s->logged ? replay_context(s, &f[i], &src) : feature_of_request(&f[i], &src);
    *out = v;
}

static void ranker_priors(search *s, const snap_ranker *r, const stage_run *run, sinter_batch *b)
{
    b->n_prior = r->n_prior;
    const float **prior = ARENA_ARRAY(s->a, const float *, r->n_prior + 1);
    for (uint32_t k = 0; k < r->n_prior; k++) {
        float *from = s->found.ranker_score ? s->found.ranker_score[r->prior[k]] : NULL;
        float *out = arena_alloc(s->a, (run->n + 1) * sizeof *out);
        for (uint32_t i = 0; i < run->n; i++) out[i] = from ? from[run->candidate[i]] : SINTER_MISSING;
        prior[k] = out;
    }
    b->prior = prior;
}

static void stage_batch(search *s, const snap_ranker *r, const stage_run *run, const sinter_user *user, sinter_batch *b)
{
    *b = (sinter_batch){.size = sizeof *b,
                        .n = run->n,
                        .item = run->item,
                        .query = &s->public_query,
                        .user = user,
                        .request_context = &s->context,
                        .seed = s->request.seed,
                        .deadline_ns = s->request.deadline_ns};
    ranker_matrix(s, r, run, b);
    ranker_ids(s, r, run, b);
    ranker_vectors(s, r, run, b);
    ranker_priors(s, r, run, b);
    b->n_context = r->n_context;
    ranker_context(s, r->context, r->n_context, &b->context);
}

void stage_rank(search *s, const snap_ranker *r, stage_run *run, ranker_run *out, uint64_t budget_ns)
{
    *out = (ranker_run){.score = arena_alloc(s->a, (run->n + 1) * sizeof(float))};
    for (uint32_t i = 0; i < run->n; i++) out->score[i] = SINTER_MISSING;
    if (r->use.disabled) {
        out->result.outcome = PLUGIN_DECLINED;
        return;
    }
    if (!r->use.instance) { /* built-in: one feature is the score */
        const float *from = run->feature[r->feature[0]];
        for (uint32_t i = 0; i < run->n; i++)
            if (isfinite(from[i])) {
                out->score[i] = from[i];
                out->result.scored++;
            }
        return;
    }
    out->request = search_request_of(s, &r->use);
    stage_batch(s, r, run, out->request->user, &out->batch);
    plugin_rank(r->use.instance, &s->call, out->request, &out->batch, budget_ns, out->score, &out->result);
}

/* ---- the stage ------------------------------------------------------------------------------------------------------------- */

/* What is left of the smaller of two budgets that started at `since`; 0: none. */
static uint64_t budget_left(uint64_t own, uint64_t shared, uint64_t since)
{
    if (!shared) return own;
    uint64_t used = clock_mono_ns() - since, left = used < shared ? shared - used : 1;
    return own && own < left ? own : left;
}

static void rank_all(search *s, stage_run *run, uint64_t line_started)
{
    const snap_stage *st = run->stage;
    const config_pipeline *pc = s->pipeline->config;
    uint64_t started = clock_mono_ns();
    for (uint32_t k = 0; k < st->n_rankers; k++) {
        const snap_ranker *r = &st->ranker[k];
        uint64_t t = clock_mono_ns();
        uint64_t budget = budget_left(budget_left(r->use.config->budget_ns, st->config->budget_ns, started), pc->budget_ns, line_started);
        if (s->logged && !s->logged->budgets) budget = 0;
        stage_rank(s, r, run, &run->ranker[k], budget);
        if (r->use.disabled)
            search_degraded(s, r->use.name, SINTER__V1__DEGRADED__CODE__CODE_DISABLED, r->use.disabled, 0, run->n);
        else
            search_plugin_degraded(s, &r->use, &run->ranker[k].result, run->n);
        search_step(s, st->name, r->use.name, t, run->n, run->ranker[k].result.scored);
        float *all = s->found.ranker_score[r->number];
        for (uint32_t i = 0; i < run->n; i++) all[run->candidate[i]] = run->ranker[k].score[i];
    }
}

static void fusion_batch(search *s, stage_run *run)
{
    const snap_stage *st = run->stage;
    const float **score = ARENA_ARRAY(s->a, const float *, st->n_rankers + 1);
    uint64_t *present = ARENA_ARRAY(s->a, uint64_t, run->n + 1);
    for (uint32_t k = 0; k < st->n_rankers; k++) {
        score[k] = run->ranker[k].score;
        for (uint32_t i = 0; i < run->n; i++) present[i] |= (uint64_t)!sinter_is_missing(score[k][i]) << k;
    }
    run->fusion = (sinter_fusion_batch){.size = sizeof run->fusion,
                                        .n = run->n,
                                        .n_rankers = st->n_rankers,
                                        .ranker = st->ranker_name,
                                        .score = score,
                                        .present = present,
                                        .item = run->item,
                                        .before = run->before,
                                        .n_context = st->n_fuse_context,
                                        .query = &s->public_query,
                                        .user = search_request_of(s, &st->fuse)->user,
                                        .request_context = &s->context,
                                        .seed = s->request.seed,
                                        .deadline_ns = s->deadline_ns};
    ranker_context(s, st->fuse_context, st->n_fuse_context, &run->fusion.context);
}

/* Without fusion the one ranker's score stands; items that it left out keep their order behind the others. */
static void single_score(stage_run *run)
{
    float least = 0;
    for (uint32_t i = 0; i < run->n; i++)
        if (!sinter_is_missing(run->ranker[0].score[i]) && run->ranker[0].score[i] < least) least = run->ranker[0].score[i];
    for (uint32_t i = 0; i < run->n; i++)
        run->fused[i] = sinter_is_missing(run->ranker[0].score[i]) ? least - 1.0f : run->ranker[0].score[i];
}

/* Fusion that fails costs its order, not the request: the list's score before the stage stands. So does the loss of every ranker. */
static void fuse(search *s, stage_run *run)
{
    const snap_stage *st = run->stage;
    uint64_t scored = 0;
    fusion_batch(s, run);
    for (uint32_t k = 0; k < st->n_rankers; k++) scored += run->ranker[k].result.scored;
    if (scored == 0) {
        memcpy(run->fused, run->before, run->n * sizeof *run->fused);
        return;
    }
    if (!st->fuse.config) {
        single_score(run);
        return;
    }
    plugin_result r = {.outcome = PLUGIN_DECLINED};
    if (st->fuse.instance) plugin_fuse(st->fuse.instance, &s->call, &run->fusion, run->fused, &r);
    if (r.outcome == PLUGIN_DONE) return;
    memcpy(run->fused, run->before, run->n * sizeof *run->fused);
    if (st->fuse.disabled)
        search_degraded(s, st->fuse.name, SINTER__V1__DEGRADED__CODE__CODE_DISABLED, st->fuse.disabled, 0, run->n);
    else
        search_plugin_degraded(s, &st->fuse, &r, run->n);
}

typedef struct ranked {
    float score;
    uint32_t item, row;
} ranked;

/* Higher score, then smaller ordinal. */
static int by_score(const void *x, const void *y)
{
    const ranked *a = x, *b = y;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    return a->item < b->item ? -1 : a->item > b->item;
}

static void heap_down(ranked *h, uint32_t n, uint32_t i)
{
    for (;;) { /* the worst of the kept on top */
        uint32_t worst = i, l = 2 * i + 1, r = l + 1;
        if (l < n && by_score(&h[l], &h[worst]) > 0) worst = l;
        if (r < n && by_score(&h[r], &h[worst]) > 0) worst = r;
        if (worst == i) return;
        ranked t = h[i];
        h[i] = h[worst];
        h[worst] = t;
        i = worst;
    }
}

/* Survivors by the stage's score, then those it dropped in the order they had before it. */
static void keep_best(search *s, stage_run *run)
{
    uint32_t n = run->n, keep = s->in->all_items || run->stage->keep > n ? n : run->stage->keep;
    ranked *all = arena_alloc(s->a, (n + 1) * sizeof *all);
    uint8_t *kept = ARENA_ARRAY(s->a, uint8_t, n + 1);
    for (uint32_t i = 0; i < n; i++) all[i] = (ranked){run->fused[i], run->item[i], i};
    if (keep < n) {
        for (uint32_t i = keep / 2; i-- > 0;) heap_down(all, keep, i);
        for (uint32_t i = keep; i < n && keep > 0; i++)
            if (by_score(&all[i], &all[0]) < 0) {
                all[0] = all[i];
                heap_down(all, keep, 0);
            }
    }
    qsort(all, keep, sizeof *all, by_score);
    entry *list = arena_alloc(s->a, (n + 1) * sizeof *list);
    uint16_t tier = (uint16_t)(run - s->stage + 1);
    for (uint32_t i = 0; i < keep; i++) {
        uint32_t row = all[i].row;
        kept[row] = 1;
        list[i] = (entry){run->item[row], run->candidate[row], run->fused[row], tier};
        run->rank_after[row] = i + 1;
    }
    uint32_t at = keep;
    for (uint32_t i = 0; i < n; i++)
        if (!kept[i]) {
            list[at] = (entry){run->item[i], run->candidate[i], run->fused[i], (uint16_t)(tier - 1)};
            run->rank_after[i] = ++at;
        }
    memcpy(s->list, list, n * sizeof *list);
    run->n_kept = keep;
}

static sinter_status run_stage(search *s, const snap_stage *st, stage_run *run, uint32_t n, uint64_t line_started, sinter_error *e)
{
    *run = (stage_run){.stage = st, .n = n};
    run->candidate = arena_alloc(s->a, (n + 1) * sizeof(uint32_t));
    run->item = arena_alloc(s->a, (n + 1) * sizeof(uint32_t));
    run->before = arena_alloc(s->a, (n + 1) * sizeof(float));
    run->fused = arena_alloc(s->a, (n + 1) * sizeof(float));
    run->rank_after = arena_alloc(s->a, (n + 1) * sizeof(uint32_t));
    run->ranker = ARENA_ARRAY(s->a, ranker_run, st->n_rankers + 1);
    for (uint32_t i = 0; i < n; i++) {
        run->candidate[i] = s->list[i].candidate;
        run->item[i] = s->list[i].item;
        run->before[i] = s->list[i].score;
    }
    uint64_t t = clock_mono_ns();
    sinter_status status = stage_features(s, s->pipeline, st, run, e);
    if (status) return status;
    search_step(s, st->name, "features", t, n, n);
    rank_all(s, run, line_started);
    t = clock_mono_ns();
    fuse(s, run);
    keep_best(s, run);
    search_step(s, st->name, "fuse", t, n, run->n_kept);
    return SINTER_OK;
}

/* A stage that the timeout did not let begin: the order before it stands. */
static void leave_out(search *s, const snap_stage *st, uint32_t n)
{
    for (uint32_t k = 0; k < st->n_rankers; k++)
        search_degraded(s, st->ranker[k].use.name, SINTER__V1__DEGRADED__CODE__CODE_LATE, "timeout: its stage was not begun", 0, n);
}

sinter_status search_stages(search *s, sinter_error *e)
{
    const snap_pipeline *p = s->pipeline;
    candidates *c = &s->found;
    s->list = arena_alloc(s->a, (c->n + SEARCH_FINISH_LIST + 1) * sizeof *s->list);
    s->n_list = c->n;
    for (uint32_t i = 0; i < c->n; i++) s->list[i] = (entry){c->item[i], i, c->before[i], 0};
    if (!p) return SINTER_OK;
    c->ranker_score = ARENA_ARRAY(s->a, float *, p->n_rankers + 1);
    for (uint32_t r = 0; r < p->n_rankers; r++) {
        c->ranker_score[r] = arena_alloc(s->a, (c->n + 1) * sizeof(float));
        for (uint32_t i = 0; i < c->n; i++) c->ranker_score[r][i] = SINTER_MISSING;
    }
    s->stage = ARENA_ARRAY(s->a, stage_run, p->n_stages + 1);
    uint64_t started = clock_mono_ns();
    uint32_t n = c->n;
    for (uint32_t k = 0; k < p->n_stages; k++) {
        if (search_late(s)) {
            leave_out(s, &p->stage[k], n);
            continue;
        }
        sinter_status st = run_stage(s, &p->stage[k], &s->stage[s->n_stages], n, started, e);
        if (st) return st;
        n = s->stage[s->n_stages++].n_kept;
    }
    return SINTER_OK;
}
