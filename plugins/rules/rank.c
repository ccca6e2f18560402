/* SPDX-License-Identifier: Apache-2.0 */
/* The rules as a ranker: an item's score is the sum of the boosts (and, negative, buries) of the rules that apply to
 * the request and mean the item; 0 where none does. A factor counts as its base-2 logarithm, so that factors multiply
 * as scores add. */
#include "rules.h"

#include <math.h>

static double weight_of(const rule_action *a)
{
    return a->additive ? a->amount : log2(a->amount);
}

/* The items of one action as ascending ordinals; ids that the collection does not have are left out. */
static uint32_t resolve(const sinter_worker *w, const rule_action *a, uint32_t *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->n_items; i++) {
        uint32_t ordinal = w->host->item_ordinal(w->host, a->item[i]);
        if (ordinal != UINT32_MAX) out[n++] = ordinal;
    }
    rules_sort(out, n);
    return n;
}

static sinter_status prepare(const sinter_instance *inst, sinter_worker *w, const sinter_request *request,
                             sinter_error *err)
{
    w->n_boosts = 0;
    sinter_status s = rules_select(inst, w, request, err);
    if (s != SINTER_OK) return s;
    uint32_t used = 0;
    for (uint32_t i = 0; i < w->n_active; i++) {
        const rule *u = &inst->rule[w->active[i]];
        for (uint32_t k = 0; k < u->n_actions; k++) {
            const rule_action *a = &u->action[k];
            if ((a->roles & ROLE_RANKER) == 0) continue;
            rules_boost *b = &w->boost[w->n_boosts++];
            *b = (rules_boost){.rule = w->active[i],
                               .filter = u->filter,
                               .first = used,
                               .by_items = a->n_items > 0,
                               .weight = weight_of(a)};
            b->n_items = resolve(w, a, w->ordinal + used);
            used += b->n_items;
        }
    }
    return SINTER_OK;
}

static bool block_room(sinter_worker *w, uint32_t n)
{
    if (n <= w->block_room) return true;
    uint32_t room = n < SINTER_BLOCK ? SINTER_BLOCK : n;
    double *sum = w->host->alloc(w->host, room * sizeof *sum);
    uint8_t *mask = w->host->alloc(w->host, room);
    if (w->sum != NULL) w->host->free(w->host, w->sum);
    if (w->mask != NULL) w->host->free(w->host, w->mask);
    w->sum = sum;
    w->mask = mask;
    w->block_room = sum != NULL && mask != NULL ? room : 0;
    return w->block_room > 0;
}

static bool has(const uint32_t *sorted, uint32_t n, uint32_t item)
{
    uint32_t low = 0;
    while (n > 0) {
        uint32_t half = n / 2;
        if (sorted[low + half] < item) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return sorted[low] == item;
}

static bool means(const sinter_worker *w, const rules_boost *b, uint32_t item)
{
    const uint32_t *sorted = w->ordinal + b->first;
    return b->n_items > 0 && item <= sorted[b->n_items - 1] && has(sorted, b->n_items, item);
}

/* mask[i] = 1 where the boost's filter passes item i. *held: the filter that the mask holds already. */
static sinter_status mask_filter(const sinter_instance *inst, sinter_worker *w, const rules_boost *b,
                                 const uint32_t *item, uint32_t n, uint32_t *held, sinter_error *err)
{
    if (b->filter == *held || b->filter == RULES_NONE) return SINTER_OK;
    sinter_status s = w->host->filter_match(w->host, inst->filter[b->filter], item, n, w->mask, err);
    *held = s == SINTER_OK ? b->filter : RULES_NONE;
    return s;
}

static void add_where(double *sum, const uint8_t *mask, double weight, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        sum[i] += mask[i] != 0 ? weight : 0;
}

static sinter_status score(const sinter_instance *inst, sinter_worker *w, const sinter_batch *batch, float *out,
                           sinter_error *err)
{
    const uint32_t n = batch->n;
    if (!block_room(w, n)) return rules_no_memory(err);
    memset(w->sum, 0, n * sizeof *w->sum);
    uint32_t held = RULES_NONE;
    for (uint32_t k = 0; k < w->n_boosts; k++) {
        const rules_boost *b = &w->boost[k];
        if (b->by_items && b->n_items == 0) continue;
        sinter_status s = mask_filter(inst, w, b, batch->item, n, &held, err);
        if (s != SINTER_OK) return s;
        bool filtered = b->filter != RULES_NONE;
        if (b->by_items)
            for (uint32_t i = 0; i < n; i++)
                w->sum[i] += (!filtered || w->mask[i] != 0) && means(w, b, batch->item[i]) ? b->weight : 0;
        else if (filtered)
            add_where(w->sum, w->mask, b->weight, n);
        else
            for (uint32_t i = 0; i < n; i++)
                w->sum[i] += b->weight;
    }
    for (uint32_t i = 0; i < n; i++)
        out[i] = (float)w->sum[i];
    return SINTER_OK;
}

static sinter_status explain(const sinter_instance *inst, sinter_worker *w, const sinter_batch *batch, uint32_t row,
                             sinter_sink *sink, sinter_error *err)
{
    const uint32_t item = batch->item[row];
    uint32_t held = RULES_NONE;
    if (!block_room(w, 1)) return rules_no_memory(err);
    for (uint32_t k = 0; k < w->n_boosts;) {
        const uint32_t at = w->boost[k].rule;
        double sum = 0;
        bool fired = false;
        for (; k < w->n_boosts && w->boost[k].rule == at; k++) {
            const rules_boost *b = &w->boost[k];
            sinter_status s = mask_filter(inst, w, b, &item, 1, &held, err);
            if (s != SINTER_OK) return s;
            if ((b->filter != RULES_NONE && w->mask[0] == 0) || (b->by_items && !means(w, b, item))) continue;
            fired = true;
            sum += b->weight;
        }
        if (fired) w->host->explain(sink, inst->rule[at].id, sum);
    }
    return SINTER_OK;
}

const sinter_ranker rules_ranker = {
    .size = sizeof(sinter_ranker), .prepare = prepare, .score = score, .explain = explain};
