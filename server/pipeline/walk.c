/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Walks over all matches. The first one of a request also counts what has to be counted over all of them, so that facets cost no
 * walk of their own; each ends at the request's timeout, and then says so. */
#include "search.h"

#include "facets.h"

#include <stdio.h>
#include <string.h>

/* A sort counts its groups itself: it needs the best item of each. */
static bool counts_groups(const search *s)
{
    return s->groups && s->n_sort == 0;
}

static uint32_t see(void *ctx, uint32_t *item, uint32_t n)
{
    walk *w = ctx;
    search *s = w->search;
    bool timed = w->counts && s->explain >= SINTER__V1__EXPLAIN__EXPLAIN_SCORES;
    uint64_t t = timed ? clock_mono_ns() : 0;
    if (w->counts && s->facets) n = search_count_facets(s, item, n);
    if (w->counts && counts_groups(s)) search_count_groups(s, item, n);
    if (w->keep) n = w->keep(w->ctx, item, n);
    if (timed) s->counting_ns += clock_mono_ns() - t;
    if (n && w->fn) w->fn(w->ctx, item, n);
    return n;
}

void walk_begin(walk *w, search *s, block_keep *keep, block_take *fn, void *ctx)
{
    bool counts = !s->all_seen && (s->facets || counts_groups(s));
    *w = (walk){.watch = {.ctx = w, .until_ns = s->timeout_ns}, .search = s, .counts = counts, .keep = keep, .fn = fn, .ctx = ctx};
    w->filter = counts && s->facets && s->facets->n_own ? s->facets->rest : s->filter;
    if (counts || keep || fn) w->watch.fn = see;
}

void walk_end(walk *w)
{
    search *s = w->search;
    s->all_seen |= w->counts;
    if (!w->watch.stopped) return;
    char reason[128];
    snprintf(reason, sizeof reason, "timeout: the walk over matches ended at item %u of %u", w->watch.reached, s->set->n_items);
    search_degraded(s, "text", SINTER__V1__DEGRADED__CODE__CODE_LATE, reason, 0, 0);
    if (w->counts && s->facets) {
        s->facets->partial = true;
        search_degraded(s, "facets", SINTER__V1__DEGRADED__CODE__CODE_LATE, reason, 0, 0);
    }
}

typedef struct taking {
    uint32_t limit;
    text_hits *out;
    block_keep *keep;
    void *ctx;
} taking;

static uint32_t keep_taken(void *ctx, uint32_t *item, uint32_t n)
{
    taking *t = ctx;
    return t->keep(t->ctx, item, n);
}

static void take(void *ctx, const uint32_t *item, uint32_t n)
{
    taking *t = ctx;
    uint32_t room = t->limit - t->out->n, some = n < room ? n : room;
    memcpy(t->out->item + t->out->n, item, some * sizeof *item);
    t->out->n += some;
    t->out->total += n;
}

void walk_items(search *s, uint32_t limit, block_keep *keep, void *ctx, text_hits *out)
{
    uint32_t most = limit < s->set->n_items ? limit : s->set->n_items;
    *out = (text_hits){.item = arena_alloc(s->a, (most + 1) * sizeof *out->item)};
    taking t = {.limit = most, .out = out, .keep = keep, .ctx = ctx};
    walk w;
    walk_begin(&w, s, keep ? keep_taken : NULL, take, &t);
    filter_walk(w.filter, s->set, &w.watch);
    walk_end(&w);
    out->total_is_exact = !w.watch.stopped;
}

sinter_status search_count(search *s, sinter_error *e)
{
    if (s->all_seen || (!s->facets && !counts_groups(s))) return SINTER_OK;
    walk w;
    walk_begin(&w, s, NULL, NULL, NULL);
    sinter_status st = SINTER_OK;
    if (s->query->empty)
        filter_walk(w.filter, s->set, &w.watch);
    else
        st = text_match_all(s->reader, s->query, w.filter, s->set, &w.watch, e);
    walk_end(&w);
    return st;
}
