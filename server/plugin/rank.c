/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rankers: a list is scored in padded blocks, with a look at the clock between them; every value is checked. */
#include "call.h"

#include <math.h>
#include <string.h>

typedef struct scoring {
    plugin_instance *i;
    plugin_call *call;
    const sinter_batch *list;
    sinter_worker *worker;
    uint64_t stop_ns; /* UINT64_MAX: never */
} scoring;

static size_t element_size(sinter_element_type t)
{
    return t == SINTER_F32 ? 4 : t == SINTER_F16 ? 2 : 1;
}

/* Rows [from, from + n) of a column of `size` bytes a row, repeated at the end up to `padded`. A whole block needs no
 * copy. */
static const void *rows(arena *a, const void *all, size_t size, uint32_t from, uint32_t n, uint32_t padded,
                        size_t align)
{
    if (!all) return NULL;
    const char *first = (const char *)all + (size_t)from * size;
    if (n == padded) return first;
    char *copy = arena_aligned(a, align, padded * size);
    memcpy(copy, first, n * size);
    for (uint32_t r = n; r < padded; r++)
        memcpy(copy + r * size, copy + (size_t)(n - 1) * size, size);
    return copy;
}

static const sinter_vectors *vector_rows(arena *a, const sinter_batch *l, uint32_t from, uint32_t n, uint32_t padded)
{
    sinter_vectors *v = ARENA_ARRAY(a, sinter_vectors, l->n_vectors);
    for (uint32_t k = 0; k < l->n_vectors; k++) {
        v[k] = l->vectors[k];
        v[k].data = rows(a, v[k].data, v[k].stride * element_size(v[k].type), from, n, padded, 64);
        v[k].present = rows(a, v[k].present, 1, from, n, padded, 16);
    }
    return v;
}

/* The block of a list that begins at row `from`, in the scratch arena. */
static sinter_batch make_block(const scoring *g, uint32_t from, uint32_t n, uint32_t padded)
{
    const sinter_batch *l = g->list;
    arena *a = g->call->scratch;
    sinter_batch b = *l;
    b.size = sizeof b;
    b.n = padded;
    b.deadline_ns = g->stop_ns;
    b.item = rows(a, l->item, sizeof *l->item, from, n, padded, 64);
    b.feature = rows(a, l->feature, l->stride * sizeof *l->feature, from, n, padded, 64);
    if (l->n_id_features) {
        const uint32_t **id = ARENA_ARRAY(a, const uint32_t *, l->n_id_features);
        for (uint32_t k = 0; k < l->n_id_features; k++)
            id[k] = rows(a, l->id_feature[k], sizeof **id, from, n, padded, 64);
        b.id_feature = id;
    }
    if (l->n_prior) {
        const float **prior = ARENA_ARRAY(a, const float *, l->n_prior);
        for (uint32_t k = 0; k < l->n_prior; k++)
            prior[k] = rows(a, l->prior[k], sizeof **prior, from, n, padded, 64);
        b.prior = prior;
    }
    if (l->n_vectors) b.vectors = vector_rows(a, l, from, n, padded);
    return b;
}

static sinter_status score_block(const scoring *g, uint32_t from, uint32_t n, uint32_t padded, float *score,
                                 plugin_result *r)
{
    sinter_batch b = make_block(g, from, n, padded);
    float *out = guarded_floats(g->call->scratch, padded);
    sinter_status s = g->i->plugin->ranker->score(g->i->self, g->worker, &b, out, &r->error);
    if (!guard_whole(out, padded)) return result_fault(r, PLUGIN_FAILED, g->i, "score wrote outside its array");
    if (s != SINTER_OK) return result_status(r, s, g->i);
    for (uint32_t k = 0; k < n; k++) {
        if (!isfinite(out[k]) && !sinter_is_missing(out[k])) {
            error_set(&r->error, SINTER_INTERNAL, g->i->use, "report it to the plugin's author",
                      "score left %s for row %u of %u", isnan(out[k]) ? "NaN" : "an infinity", from + k, g->list->n);
            r->outcome = PLUGIN_NOT_FINITE;
            return SINTER_INTERNAL;
        }
        r->scored += !sinter_is_missing(out[k]);
    }
    memcpy(score + from, out, n * sizeof *score);
    return SINTER_OK;
}

static bool out_of_time(const scoring *g, uint32_t done, uint64_t budget_ns, uint64_t started, plugin_result *r)
{
    if (g->stop_ns == UINT64_MAX) return false;
    uint64_t now = clock_mono_ns();
    if (now < g->stop_ns) return false;
    bool own = budget_ns && started + budget_ns == g->stop_ns;
    r->outcome = PLUGIN_LATE;
    error_set(&r->error, SINTER_DEADLINE, g->i->use, own ? "raise its budget, or make it faster" : NULL,
              "%s after %u of %u candidates: %.3f ms spent, %.3f ms given",
              own ? "its budget ended" : "the request's time ended", done, g->list->n, (double)(now - started) / 1e6,
              g->stop_ns > started ? (double)(g->stop_ns - started) / 1e6 : 0.0);
    return true;
}

static void score_list(const scoring *g, const sinter_request *request, uint64_t budget_ns, uint64_t started,
                       float *score, plugin_result *r)
{
    const sinter_ranker *role = g->i->plugin->ranker;
    const sinter_batch *l = g->list;
    if (l->n && out_of_time(g, 0, budget_ns, started, r)) return;
    if (role->prepare && request) {
        sinter_status s = role->prepare(g->i->self, g->worker, request, &r->error);
        if (s != SINTER_OK) {
            result_status(r, s, g->i);
            return;
        }
    }
    bool whole = role->flags & SINTER_WHOLE_LIST;
    uint32_t block = whole ? l->n : SINTER_BLOCK;
    for (uint32_t from = 0; from < l->n; from += block) {
        uint32_t n = l->n - from < block ? l->n - from : block;
        if (out_of_time(g, from, budget_ns, started, r)) return;
        plugin_running.scratch = g->call->scratch;
        sinter_status s = score_block(g, from, n, block, score, r);
        plugin_running.scratch = g->call->memory;
        arena_reset(g->call->scratch);
        if (s != SINTER_OK) return;
    }
}

static void blank(float *score, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        score[k] = SINTER_MISSING;
}

void plugin_rank(plugin_instance *i, plugin_call *c, const sinter_request *request, const sinter_batch *list,
                 uint64_t budget_ns, float *score, plugin_result *r)
{
    uint64_t started = result_begin(r);
    scoring g = {.i = i, .call = c, .list = list, .worker = lane_worker(i, c), .stop_ns = list->deadline_ns};
    if (!g.stop_ns) g.stop_ns = UINT64_MAX;
    if (budget_ns && started + budget_ns < g.stop_ns) g.stop_ns = started + budget_ns;
    blank(score, list->n);
    score_list(&g, request, budget_ns, started, score, r);
    if (r->outcome != PLUGIN_DONE && r->outcome != PLUGIN_LATE) {
        blank(score, list->n);
        r->scored = 0;
    }
    result_end(r, i, started, list->n);
}

/* ---- explain
 * ------------------------------------------------------------------------------------------------------------- */

static bool is_rest(const plugin_line *l)
{
    return strcmp(l->label, "rest") == 0;
}

/* Rule 7: the lines sum to the score, or end with "rest". Either way they do when this is done. */
static bool complete(sinter_sink *sink, float score)
{
    bool rest = sink->n && is_rest(&sink->line[sink->n - 1]);
    double sum = 0;
    for (uint32_t k = 0; k < sink->n - rest; k++)
        sum += sink->line[k].value;
    if (rest) {
        sink->line[sink->n - 1].value = (double)score - sum;
        return true;
    }
    if (sums_to(sum, score)) return true;
    plugin_line *line = ARENA_ARRAY(sink->memory, plugin_line, sink->n + 1);
    if (sink->n) memcpy(line, sink->line, sink->n * sizeof *line);
    line[sink->n++] = (plugin_line){.label = "rest", .value = (double)score - sum};
    sink->line = line;
    return false;
}

sinter_status plugin_explain(plugin_instance *i, plugin_call *c, const sinter_batch *list, uint32_t row, float score,
                             plugin_line **line, uint32_t *n, bool *summed, sinter_error *e)
{
    const sinter_ranker *role = i->plugin->ranker;
    sinter_sink sink = {.memory = c->memory, .lines = true};
    sinter_error own = SINTER_ERROR_INIT;
    if (!e) e = &own;
    *summed = true;
    if (!role->explain || !isfinite(score)) {
        *n = isfinite(score);
        *line = ARENA_NEW(c->memory, plugin_line);
        **line = (plugin_line){.label = i->plugin->name, .value = score};
        return SINTER_OK;
    }
    scoring g = {.i = i, .call = c, .list = list, .worker = lane_worker(i, c), .stop_ns = UINT64_MAX};
    uint32_t block = role->flags & SINTER_WHOLE_LIST ? list->n : SINTER_BLOCK, from = row / block * block;
    uint32_t rows_n = list->n - from < block ? list->n - from : block;
    sinter_batch b = make_block(&g, from, rows_n, block);
    plugin_running.scratch = c->scratch;
    sinter_status s = role->explain(i->self, g.worker, &b, row - from, &sink, e);
    plugin_running.scratch = c->memory;
    arena_reset(c->scratch);
    if (s == SINTER_OK && sink.fault)
        s = error_set(e, SINTER_INTERNAL, i->use, "report it to the plugin's author", "explain: %s", sink.fault);
    else if (s != SINTER_OK)
        s = error_tidy(e, s, i);
    if (s != SINTER_OK) {
        *n = 0;
        return s;
    }
    *summed = complete(&sink, score);
    if (!*summed) atomic_fetch_add_explicit(&i->lib->counters.unsummed, 1, memory_order_relaxed);
    *line = sink.line;
    *n = sink.n;
    return SINTER_OK;
}
