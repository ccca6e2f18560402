/* SPDX-License-Identifier: Apache-2.0 */
/* Fold-in: a person's history becomes scores of all items.
 *
 *     affinity(h) = Σ over the events on h of weight × 2^-(age / half-life)        score(i) = Σ_h affinity(h) × matrix(h, i)
 *
 * Ages count from the person's newest event. That multiplies all scores of a request by one factor, so it orders items as ages
 * from now would, but somebody who comes back after ten years is not scored in numbers too small for a float. */
#include "cf.h"

#include <math.h>

/* A new request: what earlier ones left in `score` is void without being cleared. */
static void begin(sinter_worker *w)
{
    const cf_model *m = &w->instance->model;
    w->n_touched = 0;
    if (++w->request == 0) { /* after 2^32 requests stamps could lie */
        for (uint32_t i = 0; i < m->n_items; i++)
            w->stamp[i] = 0;
        w->request = 1;
    }
}

static void add(sinter_worker *w, uint32_t item, double value)
{
    if (w->stamp[item] != w->request) {
        w->stamp[item] = w->request;
        w->score[item] = 0;
        w->touched[w->n_touched++] = item;
    }
    w->score[item] += value;
}

static double newest_age(const sinter_user *user, uint32_t n)
{
    double least = INFINITY;
    for (uint32_t k = 0; k < n; k++)
        if ((double)user->age[k] < least)
            least = (double)user->age[k];
    return least;
}

/* The affinities of the history's items that the model knows, into w->taste. */
static void gather(sinter_worker *w, const sinter_user *user)
{
    const cf_settings *s = &w->instance->settings;
    uint32_t n = user->n_history < s->history ? user->n_history : s->history;
    double newest = newest_age(user, n);
    begin(w);
    for (uint32_t k = 0; k < n; k++) {
        uint32_t item = user->item[k];
        double weight = user->weight != NULL ? (double)user->weight[k] : 1;
        if (!cf_known(&w->instance->model, item) || !isfinite(weight))
            continue;
        if (s->weights == CF_ONCE) {
            if (w->stamp[item] == w->request || !(weight > 0))
                continue;
            weight = 1;
        }
        if (s->half_life > 0)
            weight *= exp2(-((double)user->age[k] - newest) / s->half_life);
        add(w, item, weight);
    }
    w->n_taste = 0;
    for (uint32_t k = 0; k < w->n_touched; k++)
        if (w->score[w->touched[k]] != 0)
            w->taste[w->n_taste++] = (cf_taste){w->touched[k], w->score[w->touched[k]]};
}

sinter_status cf_fold(sinter_worker *w, const sinter_user *user)
{
    const cf_model *m = &w->instance->model;
    w->n_taste = w->n_touched = 0;
    if (user == NULL || user->n_history == 0)
        return SINTER_DECLINED;
    gather(w, user);
    begin(w);
    for (uint32_t k = 0; k < w->n_taste; k++) {
        const cf_taste *t = &w->taste[k];
        for (uint64_t p = m->offset[t->item]; p < m->offset[t->item + 1]; p++)
            add(w, m->neighbour[p], t->affinity * (double)m->weight[p]);
    }
    return w->n_taste > 0 ? SINTER_OK : SINTER_DECLINED;
}

double cf_pair(const cf_model *m, uint32_t h, uint32_t i)
{
    uint64_t low = m->offset[h], high = m->offset[h + 1];
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (m->neighbour[middle] < i)
            low = middle + 1;
        else
            high = middle;
    }
    return low < m->offset[h + 1] && m->neighbour[low] == i ? (double)m->weight[low] : 0;
}
