/* SPDX-License-Identifier: Apache-2.0 */
/* Voting: only the order that each ranker gives counts, not its scores.
 *
 * Reciprocal rank: a ranker gives the item at its rank j (from 1) weight / (k + j), and nothing to an item it did not score.
 * Borda: of n items the one at rank j gets weight × (n − j + 1) / n; those that a ranker did not score share what is left
 * evenly, which counts as bias. Either way an item that nobody scored is last without more ado. */
#include "fusion.h"

/* What an item that a ranker left unranked gets by Borda, when it ranked m of n. */
static double unranked_share(uint32_t n, uint32_t m)
{
    return (n - m + 1) / (2.0 * n);
}

static void vote_reciprocal(sinter_worker *w, const sinter_fusion_batch *b, uint32_t ranker)
{
    uint32_t n = rank_order(w, b, ranker);
    double weight = w->weight[ranker];
    for (uint32_t j = 0; j < n; j++)
        w->total[w->entry[2][j]] += weight * w->reciprocal[j];
}

static void vote_borda(sinter_worker *w, const sinter_fusion_batch *b, uint32_t ranker)
{
    bool dense = (w->dense >> ranker & 1) != 0;
    uint32_t m = rank_order(w, b, ranker);
    double weight = w->weight[ranker], step = weight / b->n, unranked = weight * unranked_share(b->n, m);
    for (uint32_t j = 0; j < m; j++)
        w->total[w->entry[2][j]] += step * (b->n - j);
    for (uint32_t i = 0; !dense && i < b->n; i++)
        w->total[i] += (b->present[i] >> ranker & 1) != 0 ? 0 : unranked;
}

void voting_fuse(sinter_worker *w, const sinter_fusion_batch *b)
{
    w->has_ordinals = false;
    for (uint32_t i = 0; i < b->n; i++)
        w->total[i] = 0;
    for (uint32_t r = 0; r < b->n_rankers; r++)
        (w->instance->rule == RULE_RRF ? vote_reciprocal : vote_borda)(w, b, r);
}

/* The rank of a row, by counting those before it; *n: how many the ranker scored. */
static uint32_t rank_of(const sinter_fusion_batch *b, uint32_t ranker, uint32_t row, uint32_t *n)
{
    const float *x = b->score[ranker];
    uint32_t rank = 1;
    *n = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        bool present = (b->present[i] >> ranker & 1) != 0;
        bool before = x[i] > x[row] || (!(x[i] < x[row]) && b->item[i] < b->item[row]);
        *n += present;
        rank += present && before;
    }
    return rank;
}

void voting_explain(const sinter_worker *w, const sinter_fusion_batch *b, uint32_t row, sinter_share *share, double *bias)
{
    bool borda = w->instance->rule == RULE_BORDA;
    *bias = 0;
    for (uint32_t r = 0; r < b->n_rankers; r++) {
        uint32_t n, rank = rank_of(b, r, row, &n);
        share[r] = (sinter_share){0, 0};
        if ((b->present[row] >> r & 1) != 0) {
            share[r].calibrated = borda ? (b->n - rank + 1) / (double)b->n : w->reciprocal[rank - 1];
            share[r].contribution = w->weight[r] * share[r].calibrated;
        } else if (borda) {
            *bias += w->weight[r] * unranked_share(b->n, n);
        }
    }
}
