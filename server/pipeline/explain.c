/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ledger of each hit on the page: sources, rank and score before and after every stage, each ranker's share, the rules that
 * fired. Plugins explain the list that they were last called with, so each stage is called once more, without a budget. */
#include "search.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TEXT_UNRECALLED UINT32_MAX

static Sinter__V1__FeatureShare *feature_share(search *s, const char *name, double value)
{
    Sinter__V1__FeatureShare *f = ARENA_NEW(s->a, Sinter__V1__FeatureShare);
    sinter__v1__feature_share__init(f);
    f->name = message_text(name);
    f->value = value;
    return f;
}

/* ---- sources ------------------------------------------------------------------------------------------------------------ */

/* Every text and query feature of the page's items, as columns, and which words they hold. */
typedef struct page_features {
    uint32_t n;
    feature *feature;
    float **column;        /* [n][n_page] */
    uint64_t *alternative; /* [scoring words][n_page] as text_alternatives gives them; NULL: no words */
} page_features;

static sinter_status fill_page_features(search *s, page_features *out, sinter_error *e)
{
    feature_scope scope = {.catalog = s->collection->catalog,
                           .schema = s->collection->schema,
                           .list_limit = s->n_page};
    const char *const *names;
    uint32_t n = feature_names(&scope, s->a, &names);
    out->feature = ARENA_ARRAY(s->a, feature, n);
    out->column = ARENA_ARRAY(s->a, float *, n);
    uint32_t *item = ARENA_ARRAY(s->a, uint32_t, s->n_page + 1), *packed = NULL;
    for (uint32_t i = 0; i < s->n_page; i++) item[i] = s->page[i].item;
    sinter_status st = SINTER_OK;
    if (!s->query->empty) st = text_packed(s->reader, s->query, item, s->n_page, s->a, &packed, e);
    if (!st && !s->query->empty) st = text_alternatives(s->reader, s->query, item, s->n_page, s->a, &out->alternative, e);
    if (st) return st;
    feature_source src = search_source(s);
    src.item = item;
    src.packed = packed;
    src.n = s->n_page;
    for (uint32_t i = 0; i < n; i++) {
        if (strncmp(names[i], "text.", 5) != 0 && strncmp(names[i], "query.", 6) != 0) continue;
        if ((st = feature_resolve(&scope, names[i], &out->feature[out->n], e))) return st;
        out->column[out->n] = ARENA_ARRAY(s->a, float, s->n_page + 1);
        if ((st = features_fill(&out->feature[out->n], 1, &src, out->column[out->n], 1, e))) return st;
        out->n++;
    }
    return SINTER_OK;
}

static void explain_words(search *s, uint32_t at, const uint64_t *alternative, Sinter__V1__SourceScore *out)
{
    const text_query *q = s->query;
    out->words = ARENA_ARRAY(s->a, Sinter__V1__WordMatch *, q->n_words + 1);
    for (uint32_t i = 0, row = 0; i < q->n_words; i++) {
        const text_word *w = &q->word[i];
        if (w->excluded || w->stop) continue;
        uint64_t held = alternative[(size_t)row++ * s->n_page + at];
        if (!held) continue;
        Sinter__V1__WordMatch *m = ARENA_NEW(s->a, Sinter__V1__WordMatch);
        sinter__v1__word_match__init(m);
        m->word = arena_strndup(s->a, w->surface.s, w->surface.n);
        m->exact = held & 1;
        m->synonyms = ARENA_ARRAY(s->a, char *, w->n_synonyms + 1);
        for (uint32_t k = 0; k < w->n_synonyms; k++)
            if (held >> (k + 1) & 1)
                m->synonyms[m->n_synonyms++] = arena_strndup(s->a, w->synonym[k]->surface.s, w->synonym[k]->surface.n);
        out->words[out->n_words++] = m;
    }
}

static void explain_sources(search *s, uint32_t at, const page_features *pf, Sinter__V1__Explanation *x)
{
    uint32_t row = s->page[at].candidate;
    uint32_t n_sources = s->pipeline ? s->pipeline->n_sources : 1;
    x->sources = ARENA_ARRAY(s->a, Sinter__V1__SourceScore *, n_sources + 1);
    for (uint32_t k = 0; k < n_sources; k++) {
        bool is_text = !s->pipeline || s->pipeline->source[k].text;
        bool surplus = row == TEXT_UNRECALLED && is_text && s->n_sort == 0;
        if (!surplus && (row == TEXT_UNRECALLED || isnan(s->found.source_rank[k][row]))) continue;
        Sinter__V1__SourceScore *out = ARENA_NEW(s->a, Sinter__V1__SourceScore);
        sinter__v1__source_score__init(out);
        out->source = message_text(s->pipeline ? s->pipeline->source_name[k] : "text");
        out->rank = surplus ? 0 : (uint32_t)s->found.source_rank[k][row];
        out->score = surplus ? s->page[at].score : s->found.source_score[k][row];
        if (is_text && pf) {
            out->features = ARENA_ARRAY(s->a, Sinter__V1__FeatureShare *, pf->n + 1);
            for (uint32_t f = 0; f < pf->n; f++)
                out->features[out->n_features++] = feature_share(s, pf->feature[f].name, pf->column[f][at]);
            if (pf->alternative) explain_words(s, at, pf->alternative, out);
        }
        x->sources[x->n_sources++] = out;
    }
}

/* ---- stages --------------------------------------------------------------------------------------------------------------- */

static uint32_t row_of(const stage_run *run, uint32_t candidate)
{
    for (uint32_t i = 0; i < run->n; i++)
        if (run->candidate[i] == candidate) return i;
    return UINT32_MAX;
}

static Sinter__V1__RankerShare *ranker_share(search *s, const stage_run *run, uint32_t k, uint32_t row, const sinter_share *share)
{
    const snap_ranker *r = &run->stage->ranker[k];
    Sinter__V1__RankerShare *out = ARENA_NEW(s->a, Sinter__V1__RankerShare);
    sinter__v1__ranker_share__init(out);
    out->ranker = message_text(r->use.name);
    out->plugin = message_text(r->use.library ? r->use.library->name : "feature");
    out->version = message_text(r->use.library ? r->use.library->version : "");
    out->missing = sinter_is_missing(run->ranker[k].score[row]);
    out->raw = out->missing ? 0 : run->ranker[k].score[row];
    out->calibrated = share->calibrated;
    out->contribution = share->contribution;
    return out;
}

static sinter_status explain_features(search *s, const stage_run *run, uint32_t k, uint32_t row, Sinter__V1__RankerShare *out,
                                      sinter_error *e)
{
    const snap_ranker *r = &run->stage->ranker[k];
    if (out->missing) return SINTER_OK;
    if (!r->use.instance) {
        out->features = ARENA_ARRAY(s->a, Sinter__V1__FeatureShare *, 1);
        out->features[out->n_features++] = feature_share(s, r->use.config->feature, out->raw);
        return SINTER_OK;
    }
    plugin_line *line;
    uint32_t n;
    bool summed;
    sinter_status st = plugin_explain(r->use.instance, &s->call, &run->ranker[k].batch, row, run->ranker[k].score[row], &line, &n,
                                      &summed, e);
    if (st) return st;
    out->features = ARENA_ARRAY(s->a, Sinter__V1__FeatureShare *, n + 1);
    for (uint32_t i = 0; i < n; i++) out->features[out->n_features++] = feature_share(s, line[i].label, line[i].value);
    return SINTER_OK;
}

static sinter_status shares_of(search *s, const stage_run *run, uint32_t row, sinter_share *share, double *bias, sinter_error *e)
{
    uint32_t n = run->stage->n_rankers;
    memset(share, 0, n * sizeof *share);
    *bias = run->fused[row];
    if (run->fused[row] == run->before[row] && !run->stage->fuse.instance && run->stage->fuse.config) return SINTER_OK;
    if (!run->stage->fuse.instance) { /* one ranker: its score is the stage's */
        if (!sinter_is_missing(run->ranker[0].score[row])) {
            share[0] = (sinter_share){run->ranker[0].score[row], run->ranker[0].score[row]};
            *bias = 0;
        }
        return SINTER_OK;
    }
    bool summed;
    return plugin_fuse_explain(run->stage->fuse.instance, &s->call, &run->fusion, row, run->fused[row], share, bias, &summed, e);
}

static sinter_status explain_stage(search *s, const stage_run *run, uint32_t row, bool fusion_failed,
                                   Sinter__V1__StageLedger **ledger, sinter_error *e)
{
    Sinter__V1__StageLedger *out = ARENA_NEW(s->a, Sinter__V1__StageLedger);
    sinter__v1__stage_ledger__init(out);
    out->name = message_text(run->stage->name);
    out->rank_before = row + 1;
    out->rank_after = run->rank_after[row];
    out->score_before = run->before[row];
    out->score_after = run->fused[row];
    out->bias = run->fused[row];
    sinter_share *share = ARENA_ARRAY(s->a, sinter_share, run->stage->n_rankers + 1);
    sinter_status st = fusion_failed ? SINTER_OK : shares_of(s, run, row, share, &out->bias, e);
    if (st) return st;
    out->rankers = ARENA_ARRAY(s->a, Sinter__V1__RankerShare *, run->stage->n_rankers + 1);
    for (uint32_t k = 0; k < run->stage->n_rankers; k++)
        out->rankers[out->n_rankers++] = ranker_share(s, run, k, row, &share[k]);
    *ledger = out;
    return SINTER_OK;
}

/* Fusion's worker must have seen this stage's list last. True: it failed then, and the score before stands. */
static bool fuse_again(search *s, stage_run *run)
{
    if (!run->stage->fuse.instance) return run->stage->fuse.disabled != NULL;
    float *out = arena_alloc(s->a, (run->n + 1) * sizeof *out);
    plugin_result r;
    run->fusion.deadline_ns = UINT64_MAX;
    plugin_fuse(run->stage->fuse.instance, &s->call, &run->fusion, out, &r);
    return r.outcome != PLUGIN_DONE || memcmp(out, run->fused, run->n * sizeof *out) != 0;
}

/* One ranker after the other, each over all of the page, because an explanation is about the list last ranked. */
static sinter_status explain_ranker(search *s, stage_run *run, uint32_t k, const uint32_t *row, Sinter__V1__StageLedger **ledger,
                                    sinter_error *e)
{
    const snap_ranker *r = &run->stage->ranker[k];
    if (r->use.instance && run->n) {
        ranker_run again = run->ranker[k];
        again.batch.deadline_ns = UINT64_MAX;
        float *scratch = arena_alloc(s->a, (run->n + 1) * sizeof *scratch);
        plugin_rank(r->use.instance, &s->call, again.request, &again.batch, 0, scratch, &again.result);
        if (again.result.outcome != PLUGIN_DONE) return SINTER_OK; /* degraded already says why */
    }
    for (uint32_t i = 0; i < s->n_page; i++) {
        if (row[i] == UINT32_MAX) continue;
        sinter_status st = explain_features(s, run, k, row[i], ledger[i]->rankers[k], e);
        if (st) return st;
    }
    return SINTER_OK;
}

static sinter_status explain_stages(search *s, Sinter__V1__Explanation **x, sinter_error *e)
{
    for (uint32_t k = 0; k < s->n_stages; k++) {
        stage_run *run = &s->stage[k];
        bool failed = fuse_again(s, run);
        uint32_t *row = ARENA_ARRAY(s->a, uint32_t, s->n_page + 1);
        Sinter__V1__StageLedger **ledger = ARENA_ARRAY(s->a, Sinter__V1__StageLedger *, s->n_page + 1);
        for (uint32_t i = 0; i < s->n_page; i++) {
            row[i] = s->page[i].candidate == UINT32_MAX ? UINT32_MAX : row_of(run, s->page[i].candidate);
            if (row[i] == UINT32_MAX) continue;
            sinter_status st = explain_stage(s, run, row[i], failed, &ledger[i], e);
            if (st) return st;
            x[i]->stages[x[i]->n_stages++] = ledger[i];
        }
        for (uint32_t r = 0; r < run->stage->n_rankers && s->explain == SINTER__V1__EXPLAIN__EXPLAIN_FULL; r++) {
            sinter_status st = explain_ranker(s, run, r, row, ledger, e);
            if (st) return st;
        }
    }
    return SINTER_OK;
}

/* ---- finish and rules --------------------------------------------------------------------------------------------------- */

static uint32_t rank_in(const entry *list, uint32_t n, uint32_t item, double *score)
{
    for (uint32_t i = 0; i < n; i++)
        if (list[i].item == item) {
            *score = list[i].score;
            return i + 1;
        }
    return 0;
}

static void explain_finish(search *s, uint32_t at, Sinter__V1__Explanation *x)
{
    for (uint32_t k = 0; s->finish && k < s->pipeline->n_finish; k++) {
        const finish_run *run = &s->finish[k];
        double before = 0, after = 0;
        uint32_t rank_before = rank_in(run->before, run->n_before, s->page[at].item, &before);
        uint32_t rank_after = rank_in(run->after, run->n_after, s->page[at].item, &after);
        if (!rank_before && !rank_after) continue;
        Sinter__V1__StageLedger *out = ARENA_NEW(s->a, Sinter__V1__StageLedger);
        sinter__v1__stage_ledger__init(out);
        out->name = message_text(run->name);
        out->rank_before = rank_before;
        out->rank_after = rank_after;
        out->score_before = before;
        out->score_after = after;
        out->bias = after;
        x->stages[x->n_stages++] = out;
    }
}

static void explain_rules(search *s, uint32_t at, Sinter__V1__Explanation *x)
{
    uint32_t n = 0;
    for (const rule_mark *m = s->rules; m; m = m->next) n += m->item == UINT32_MAX || m->item == s->page[at].item;
    x->rules = ARENA_ARRAY(s->a, Sinter__V1__RuleFired *, n + 1);
    for (const rule_mark *m = s->rules; m; m = m->next) {
        if (m->item != UINT32_MAX && m->item != s->page[at].item) continue;
        Sinter__V1__RuleFired *out = ARENA_NEW(s->a, Sinter__V1__RuleFired);
        sinter__v1__rule_fired__init(out);
        out->rule = message_text(m->rule);
        out->action = message_text(m->action);
        out->detail = message_text(m->detail);
        out->stage = message_text(m->stage);
        x->rules[x->n_rules++] = out;
    }
}

sinter_status search_explain(search *s, sinter_error *e)
{
    page_features pf, *full = NULL;
    memset(&pf, 0, sizeof pf);
    if (s->explain == SINTER__V1__EXPLAIN__EXPLAIN_FULL && s->n_page) {
        sinter_status st = fill_page_features(s, &pf, e);
        if (st) return st;
        full = &pf;
    }
    uint32_t steps = s->pipeline ? s->n_stages + s->pipeline->n_finish : 0;
    Sinter__V1__Explanation **x = ARENA_ARRAY(s->a, Sinter__V1__Explanation *, s->n_page + 1);
    for (uint32_t i = 0; i < s->n_page; i++) {
        x[i] = ARENA_NEW(s->a, Sinter__V1__Explanation);
        sinter__v1__explanation__init(x[i]);
        x[i]->stages = ARENA_ARRAY(s->a, Sinter__V1__StageLedger *, steps + 1);
        explain_sources(s, i, full, x[i]);
        s->out->hits[i]->explanation = x[i];
    }
    sinter_status st = explain_stages(s, x, e);
    for (uint32_t i = 0; i < s->n_page && st == SINTER_OK; i++) {
        explain_finish(s, i, x[i]);
        explain_rules(s, i, x[i]);
    }
    return st;
}
