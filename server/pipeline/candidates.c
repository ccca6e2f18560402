/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Recall: sources run in turn, each with its limit; candidates are merged by ordinal, each remembering who brought it. */
#include "search.h"

#include <math.h>
#include <string.h>

#define PLAIN_LIMIT 1000u /* text candidates where no pipeline says how many */

typedef struct source_hits {
    uint32_t n;
    const uint32_t *item;
    const float *score;
    const uint32_t *packed; /* [n_words][n]; NULL: not text */
} source_hits;

static sinter_status text(search *s, uint32_t limit, bool packed, block_keep *keep, void *ctx,
                          text_hits *out, sinter_error *e)
{
    if (s->query->empty) { /* no words: everything that the filter allows, in ordinal order */
        walk_items(s, limit, keep, ctx, out);
        out->score = ARENA_ARRAY(s->a, float, out->n + 1);
        return SINTER_OK;
    }
    walk w;
    walk_begin(&w, s, keep, NULL, ctx);
    sinter_status st = text_search_watched(s->reader, s->query, s->scorer, w.filter, s->set, limit, packed, false, &w.watch, s->a, out, e);
    walk_end(&w);
    return st;
}

sinter_status search_text(search *s, uint32_t limit, bool packed, text_hits *out, sinter_error *e)
{
    return text(s, limit, packed, NULL, NULL, out, e);
}

sinter_status search_text_kept(search *s, uint32_t limit, block_keep *keep, void *ctx,
                               text_hits *out, sinter_error *e)
{
    return text(s, limit, false, keep, ctx, out, e);
}

/* Open addressing over ordinals: where a candidate stands already. */
typedef struct seen {
    uint32_t *item, *row, mask;
} seen;

static seen seen_new(arena *a, uint32_t most)
{
    uint32_t size = 16;
    while (size < most * 2) size *= 2;
    seen t = {arena_alloc(a, size * sizeof(uint32_t)), arena_alloc(a, size * sizeof(uint32_t)), size - 1};
    memset(t.item, 0xff, size * sizeof(uint32_t));
    return t;
}

/* Row of the item, or UINT32_MAX after noting it as `row`. */
static uint32_t seen_find(seen *t, uint32_t item, uint32_t row)
{
    uint32_t at = (item * 2654435761u) & t->mask;
    while (t->item[at] != UINT32_MAX) {
        if (t->item[at] == item) return t->row[at];
        at = (at + 1) & t->mask;
    }
    t->item[at] = item;
    t->row[at] = row;
    return UINT32_MAX;
}

static sinter_status run_plugin_source(search *s, const snap_source *src, source_hits *out)
{
    memset(out, 0, sizeof *out);
    if (src->use.disabled) {
        search_degraded(s, src->use.name, SINTER__V1__DEGRADED__CODE__CODE_DISABLED, src->use.disabled, 0, 0);
        return SINTER_OK;
    }
    if (search_late(s)) {
        search_degraded(s, src->use.name, SINTER__V1__DEGRADED__CODE__CODE_LATE, "timeout: the source was not asked", 0, 0);
        return SINTER_OK;
    }
    uint32_t *item = arena_alloc(s->a, src->limit * sizeof *item);
    float *score = arena_alloc(s->a, src->limit * sizeof *score);
    uint32_t n = 0, live = 0;
    plugin_result r;
    plugin_recall(src->use.instance, &s->call, search_request_of(s, &src->use), s->filter, NULL, 0, src->limit, s->set->n_items, item, score, &n, &r);
    search_plugin_degraded(s, &src->use, &r, 0);
    for (uint32_t i = 0; i < n; i++) {
        if (!catalog_is_live(s->set, item[i]) || (s->filter && !filter_test(s->filter, s->set, item[i]))) continue;
        item[live] = item[i];
        score[live++] = score[i];
    }
    *out = (source_hits){.n = live, .item = item, .score = score};
    return SINTER_OK;
}

static sinter_status run_text_source(search *s, uint32_t limit, source_hits *out, sinter_error *e)
{
    text_hits hits;
    sinter_status st = search_text(s, limit, true, &hits, e);
    if (st) return st;
    *out = (source_hits){.n = hits.n, .item = hits.item, .score = hits.score, .packed = hits.packed};
    s->found.n_words = hits.n_words;
    s->surplus_asked = limit;
    s->out->total = hits.total;
    s->out->total_is_exact = hits.total_is_exact;
    return SINTER_OK;
}

/* The one source's answer is the list as it stands: nothing to merge, nothing to copy. */
static void take_single(search *s, const source_hits *h, float *rank)
{
    candidates *c = &s->found;
    c->n = h->n;
    c->item = (uint32_t *)(uintptr_t)h->item;
    c->before = (float *)(uintptr_t)h->score;
    c->packed = (uint32_t *)(uintptr_t)h->packed;
    c->source_score = ARENA_ARRAY(s->a, float *, 1);
    c->source_rank = ARENA_ARRAY(s->a, float *, 1);
    c->source_score[0] = c->before;
    c->source_rank[0] = rank;
    for (uint32_t i = 0; i < h->n; i++) rank[i] = (float)(i + 1);
}

static void merge(search *s, const source_hits *hits, uint32_t n_sources, uint32_t most)
{
    candidates *c = &s->found;
    c->item = arena_alloc(s->a, most * sizeof *c->item);
    c->before = arena_alloc(s->a, most * sizeof *c->before);
    c->source_score = ARENA_ARRAY(s->a, float *, n_sources);
    c->source_rank = ARENA_ARRAY(s->a, float *, n_sources);
    seen t = seen_new(s->a, most);
    for (uint32_t k = 0; k < n_sources; k++) {
        c->source_score[k] = arena_alloc(s->a, most * sizeof(float));
        c->source_rank[k] = arena_alloc(s->a, most * sizeof(float));
        for (uint32_t i = 0; i < most; i++) c->source_score[k][i] = c->source_rank[k][i] = NAN;
        for (uint32_t i = 0; i < hits[k].n; i++) {
            uint32_t row = seen_find(&t, hits[k].item[i], c->n);
            if (row == UINT32_MAX) {
                row = c->n++;
                c->item[row] = hits[k].item[i];
                c->before[row] = hits[k].score[i];
            }
            c->source_score[k][row] = hits[k].score[i];
            c->source_rank[k][row] = (float)(i + 1);
        }
    }
}

/* The text source gave packed counts for its own items; what others brought is looked up once. */
static sinter_status merged_packed(search *s, const source_hits *hits, sinter_error *e)
{
    candidates *c = &s->found;
    if (s->query->empty || c->n == 0) return SINTER_OK;
    c->n_words = text_query_scoring(s->query); /* a pipeline without the text source has words all the same */
    if (hits && hits[0].packed && hits[0].n == c->n) { /* the others brought nothing of their own */
        c->packed = (uint32_t *)(uintptr_t)hits[0].packed;
        return SINTER_OK;
    }
    return text_packed(s->reader, s->query, c->item, c->n, s->a, &c->packed, e);
}

/* all_items: nothing is recalled, everything is there; no source knows any of it. */
static sinter_status all_candidates(search *s, sinter_error *e)
{
    candidates *c = &s->found;
    uint32_t n_sources = s->pipeline ? s->pipeline->n_sources : 1;
    text_hits all;
    walk_items(s, s->set->n_items, NULL, NULL, &all);
    c->item = all.item;
    c->n = all.n;
    s->out->total = all.total;
    s->out->total_is_exact = all.total_is_exact;
    if (c->n > SEARCH_ALL_ITEMS)
        return error_set(e, SINTER_INVALID, "all_items", "narrow it with a filter", "%u items; at most %u", c->n, SEARCH_ALL_ITEMS);
    c->before = ARENA_ARRAY(s->a, float, c->n + 1);
    c->source_score = ARENA_ARRAY(s->a, float *, n_sources);
    c->source_rank = ARENA_ARRAY(s->a, float *, n_sources);
    for (uint32_t k = 0; k < n_sources; k++) {
        c->source_score[k] = c->source_rank[k] = arena_alloc(s->a, (c->n + 1) * sizeof(float));
        for (uint32_t i = 0; i < c->n; i++) c->source_score[k][i] = NAN;
    }
    return merged_packed(s, NULL, e);
}

sinter_status search_candidates(search *s, sinter_error *e)
{
    if (s->in->all_items) return all_candidates(s, e);
    const snap_pipeline *p = s->pipeline;
    uint32_t n_sources = p ? p->n_sources : 1, most = 0;
    source_hits *hits = ARENA_ARRAY(s->a, source_hits, n_sources);
    uint64_t all = clock_mono_ns();
    for (uint32_t k = 0; k < n_sources; k++) {
        bool text = !p || p->source[k].text;
        uint32_t limit = p ? p->source[k].limit : PLAIN_LIMIT;
        sinter_status st = text ? run_text_source(s, limit, &hits[k], e) : run_plugin_source(s, &p->source[k], &hits[k]);
        if (st) return st;
        most += hits[k].n;
    }
    if (n_sources == 1)
        take_single(s, &hits[0], arena_alloc(s->a, (hits[0].n + 1) * sizeof(float)));
    else
        merge(s, hits, n_sources, most ? most : 1);
    sinter_status st = SINTER_OK;
    if (n_sources > 1 || !s->found.packed) st = merged_packed(s, hits, e);
    if (s->found.n > s->out->total) {
        s->out->total = s->found.n;
        s->out->total_is_exact = false;
    }
    search_step(s, "recall", NULL, all, 0, s->found.n);
    return st;
}
