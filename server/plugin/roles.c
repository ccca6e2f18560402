/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fusion, recall, rewriters and finishers: one call each, into guarded arrays or a sink, checked before anyone reads
 * it. */
#include "call.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- fusion
 * -------------------------------------------------------------------------------------------------------------- */

void plugin_fuse(plugin_instance *i, plugin_call *c, const sinter_fusion_batch *b, float *out, plugin_result *r)
{
    uint64_t started = result_begin(r);
    float *own = guarded_floats(c->scratch, b->n);
    plugin_running.scratch = c->memory; /* explain may still want what fuse made */
    sinter_status s = i->plugin->fusion->fuse(i->self, lane_worker(i, c), b, own, &r->error);
    if (!guard_whole(own, b->n))
        s = result_fault(r, PLUGIN_FAILED, i, "fuse wrote outside its array");
    else
        s = result_status(r, s, i);
    for (uint32_t k = 0; s == SINTER_OK && k < b->n; k++) {
        if (isfinite(own[k])) continue;
        s = result_fault(r, PLUGIN_NOT_FINITE, i, "");
        error_set(&r->error, s, i->use, "report it to the plugin's author", "fuse left %s for item %u of %u",
                  isnan(own[k]) ? "NaN" : "an infinity", k, b->n);
    }
    if (s == SINTER_OK) {
        if (b->n) memcpy(out, own, b->n * sizeof *out);
        r->scored = b->n;
    }
    arena_reset(c->scratch);
    result_end(r, i, started, b->n);
}

static bool shares_finite(const sinter_share *share, uint32_t n, double bias, double *sum)
{
    bool finite = isfinite(bias);
    *sum = bias;
    for (uint32_t k = 0; k < n; k++) {
        finite &= isfinite(share[k].contribution) && !isinf(share[k].calibrated);
        *sum += share[k].contribution;
    }
    return finite;
}

sinter_status plugin_fuse_explain(plugin_instance *i, plugin_call *c, const sinter_fusion_batch *b, uint32_t row,
                                  float score, sinter_share *share, double *bias, bool *summed, sinter_error *e)
{
    sinter_error own = SINTER_ERROR_INIT;
    double sum;
    if (!e) e = &own;
    memset(share, 0, b->n_rankers * sizeof *share);
    *bias = 0;
    *summed = false;
    if (!i->plugin->fusion->explain) {
        *bias = score;
        return SINTER_OK;
    }
    sinter_share *given =
        ARENA_ARRAY(c->memory, sinter_share, SINTER_MAX_RANKERS); /* room for a plugin that writes them all */
    sinter_status s = i->plugin->fusion->explain(i->self, lane_worker(i, c), b, row, given, bias, e);
    if (s != SINTER_OK) return error_tidy(e, s, i);
    if (!shares_finite(given, b->n_rankers, *bias, &sum))
        return error_set(e, SINTER_INTERNAL, i->use, "report it to the plugin's author",
                         "explain gave a share that is not finite");
    memcpy(share, given, b->n_rankers * sizeof *share);
    *summed = sums_to(sum, score);
    if (!*summed) atomic_fetch_add_explicit(&i->lib->counters.unsummed, 1, memory_order_relaxed);
    return SINTER_OK;
}

/* ---- recall
 * -------------------------------------------------------------------------------------------------------------- */

static sinter_status check_recalled(const plugin_instance *i, const uint32_t *item, const float *score, uint32_t n,
                                    uint32_t limit, uint32_t n_items, plugin_result *r)
{
    char what[160];
    if (n > limit) {
        snprintf(what, sizeof what, "recall gave %u items for a limit of %u", n, limit);
        return result_fault(r, PLUGIN_FAILED, i, what);
    }
    if (!guard_whole(item, limit) || !guard_whole(score, limit))
        return result_fault(r, PLUGIN_FAILED, i, "recall wrote outside its arrays");
    for (uint32_t k = 0; k < n; k++) {
        if (item[k] >= n_items) {
            snprintf(what, sizeof what, "recall gave item %u; the collection has %u", item[k], n_items);
            return result_fault(r, PLUGIN_FAILED, i, what);
        }
        if (!isfinite(score[k])) {
            snprintf(what, sizeof what, "recall left %s as the score of its item %u of %u",
                     isnan(score[k]) ? "NaN" : "an infinity", k, n);
            return result_fault(r, PLUGIN_NOT_FINITE, i, what);
        }
    }
    return SINTER_OK;
}

void plugin_recall(plugin_instance *i, plugin_call *c, const sinter_request *request, const void *filter,
                   const uint32_t *exclude, uint32_t n_exclude, uint32_t limit, uint32_t n_items, uint32_t *item,
                   float *score, uint32_t *n, plugin_result *r)
{
    uint64_t started = result_begin(r);
    uint32_t *own = guarded_ids(c->scratch, limit), got = 0;
    float *own_score = guarded_floats(c->scratch, limit);
    sinter_filter wrapped = {.services = &i->services, .compiled = filter};
    plugin_running.scratch = c->memory;
    sinter_status s = i->plugin->recall->recall(i->self, lane_worker(i, c), request, filter ? &wrapped : NULL, exclude,
                                                n_exclude, limit, own, own_score, &got, &r->error);
    s = s == SINTER_OK ? check_recalled(i, own, own_score, got, limit, n_items, r) : result_status(r, s, i);
    *n = s == SINTER_OK ? got : 0;
    if (*n) memcpy(item, own, *n * sizeof *item);
    if (*n) memcpy(score, own_score, *n * sizeof *score);
    r->scored = *n;
    arena_reset(c->scratch);
    result_end(r, i, started, *n);
}

/* ---- rewriters and finishers
 * ----------------------------------------------------------------------------------------------- */

static void take_edits(plugin_instance *i, sinter_status s, const sinter_sink *sink, const plugin_edit **edit,
                       uint32_t *n, plugin_result *r)
{
    if (s != SINTER_OK)
        result_status(r, s, i);
    else if (sink->fault)
        s = result_fault(r, PLUGIN_FAILED, i, sink->fault);
    *edit = sink->edit;
    *n = s == SINTER_OK ? sink->n : 0;
}

void plugin_rewrite(plugin_instance *i, plugin_call *c, const sinter_request *request, const plugin_edit **edit,
                    uint32_t *n, plugin_result *r)
{
    uint64_t started = result_begin(r);
    sinter_sink sink = {.memory = c->memory, .edits = true, .first = PLUGIN_ADD_WORDS, .last = PLUGIN_REDIRECT};
    plugin_running.scratch = c->memory;
    sinter_status s = i->plugin->rewriter->rewrite(i->self, lane_worker(i, c), request, &sink, &r->error);
    take_edits(i, s, &sink, edit, n, r);
    result_end(r, i, started, 0);
}

void plugin_finish(plugin_instance *i, plugin_call *c, const sinter_request *request, const sinter_list *list,
                   const plugin_edit **edit, uint32_t *n, plugin_result *r)
{
    uint64_t started = result_begin(r);
    sinter_sink sink = {.memory = c->memory, .edits = true, .first = PLUGIN_PIN, .last = PLUGIN_LABEL};
    plugin_running.scratch = c->memory;
    sinter_status s = i->plugin->finisher->finish(i->self, lane_worker(i, c), request, list, &sink, &r->error);
    take_edits(i, s, &sink, edit, n, r);
    result_end(r, i, started, list->n);
}
