/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A little world with a planted truth, for training fusion: items have a hidden use, rankers see it with noise, people look at places
 * with falling chance and click what is useful; some lists are shuffled at the top. Everything by a seed. */
#ifndef SINTER_TESTS_FUSION_SHOP_H
#define SINTER_TESTS_FUSION_SHOP_H

#include "harness_dataset.h"

#include <math.h>
#include <string.h>

enum { SHOP_ITEMS = 40, SHOP_SHOWN = 10, SHOP_TOP = 20, SHOP_RANKERS = 8 };

typedef enum shop_kind {
    SHOP_GATED,  /* which of the first two rankers is right depends on the one feature of the request */
    SHOP_PLAIN,  /* both are, always */
    SHOP_ORACLE, /* the first ranker is the truth */
    SHOP_RANDOM, /* clicks fall by place only */
} shop_kind;

typedef struct shop {
    shop_kind kind;
    uint32_t n_rankers;   /* beyond the first three they are noise */
    uint64_t seed, at;
    const sinter_host *host;
    /* the request last made */
    sinter_fusion_batch batch;
    float score[SHOP_RANKERS][SHOP_ITEMS], *row[SHOP_RANKERS], before[SHOP_ITEMS], context[1];
    uint64_t present[SHOP_ITEMS];
    uint32_t item[SHOP_ITEMS], position[SHOP_ITEMS], shuffled;
    float label[SHOP_ITEMS];
    double use[SHOP_ITEMS];
} shop;

static const char *const shop_rankers[SHOP_RANKERS] = {"words", "taste", "stale", "noise1", "noise2", "noise3", "noise4", "noise5"};

static inline double shop_uniform(shop *s)
{
    return s->host->random(s->seed, s->at++);
}

static inline double shop_normal(shop *s)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += shop_uniform(s);
    return sum;
}

static inline double shop_looked_at(uint32_t position)
{
    return 1 / (1 + 0.35 * (position - 1));
}

static inline void shop_scores(shop *s)
{
    double gate = shop_uniform(s) * 2 - 1, share = s->kind == SHOP_GATED ? 1 / (1 + exp(-6 * gate)) : 0.6;
    s->context[0] = (float)(3 + 2 * gate);
    for (uint32_t i = 0; i < SHOP_ITEMS; i++) {
        double one = shop_normal(s), two = shop_normal(s);
        s->use[i] = 1.6 * (share * one + (1 - share) * two) + 0.3 * shop_normal(s);
        s->score[0][i] = (float)(s->kind == SHOP_ORACLE ? s->use[i] : 10 + 4 * (one + 0.5 * shop_normal(s)));
        s->score[1][i] = (float)(two + 0.5 * shop_normal(s));
        s->score[2][i] = (float)(100 * (0.2 * (one + two) + shop_normal(s)));
        for (uint32_t r = 3; r < s->n_rankers; r++)
            s->score[r][i] = (float)shop_normal(s);
        s->item[i] = i;
        s->before[i] = 0;
        s->position[i] = 0;
        s->label[i] = 0;
        s->present[i] = (1ull << s->n_rankers) - 1;
        if (shop_uniform(s) < 0.05)
            s->present[i] &= ~2ull; /* an item that taste does not know */
    }
}

/* Served at equal weights; one list in five with its first 20 places by chance. */
static inline void shop_serve(shop *s)
{
    uint32_t order[SHOP_ITEMS];
    double sum[SHOP_ITEMS];
    for (uint32_t i = 0; i < SHOP_ITEMS; i++) {
        order[i] = i;
        sum[i] = (double)(s->score[0][i] - 10) / 4 + (double)s->score[1][i] + (double)s->score[2][i] / 100;
    }
    for (uint32_t i = 1; i < SHOP_ITEMS; i++)
        for (uint32_t k = i; k > 0 && sum[order[k]] > sum[order[k - 1]]; k--) {
            uint32_t swap = order[k];
            order[k] = order[k - 1];
            order[k - 1] = swap;
        }
    s->shuffled = shop_uniform(s) < 0.2 ? SHOP_TOP : 0;
    for (uint32_t i = s->shuffled; i-- > 1;) {
        uint32_t k = (uint32_t)(shop_uniform(s) * (i + 1));
        uint32_t swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
    for (uint32_t p = 0; p < SHOP_SHOWN; p++) {
        uint32_t i = order[p];
        double likes = s->kind == SHOP_RANDOM ? 0.25 : 1 / (1 + exp(-(s->use[i] - 1.5) / 0.5));
        s->position[i] = p + 1;
        s->label[i] = shop_uniform(s) < shop_looked_at(p + 1) * likes;
    }
}

static inline void shop_open(shop *s, harness *h, shop_kind kind, uint32_t n_rankers, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    s->kind = kind;
    s->n_rankers = n_rankers;
    s->seed = seed;
    s->host = harness_host(h);
    for (uint32_t r = 0; r < SHOP_RANKERS; r++)
        s->row[r] = s->score[r];
    s->batch = (sinter_fusion_batch){.size = sizeof s->batch, .n = SHOP_ITEMS, .n_rankers = n_rankers, .ranker = shop_rankers,
                                     .score = (const float *const *)s->row, .present = s->present, .item = s->item,
                                     .before = s->before, .context = s->context, .n_context = 1, .deadline_ns = UINT64_MAX};
}

static inline void shop_next(shop *s)
{
    shop_scores(s);
    shop_serve(s);
}

/* Requests into a dataset, as the server's would have them. */
static inline void shop_fill(shop *s, harness *h, sinter_dataset *d, uint32_t n)
{
    static const float none[SHOP_ITEMS];
    const float *label = s->label;
    for (uint32_t q = 0; q < n; q++) {
        shop_next(s);
        harness_requests(d, &(sinter_requests){.batch = harness_batch(h, none, 1, SHOP_ITEMS), .label = &label, .n_targets = 1,
                                               .position = s->position, .shuffled = s->shuffled, .fusion = &s->batch});
    }
}

/* nDCG at 10 of scores against the use of all items, linear in rank of use: the grades are the best 2, 5 and 9. */
static inline double shop_ndcg(const shop *s, const float *score)
{
    double got = 0, best = 0;
    for (uint32_t i = 0; i < SHOP_ITEMS; i++) {
        uint32_t by_use = 0, by_score = 0;
        for (uint32_t k = 0; k < SHOP_ITEMS; k++) {
            by_use += s->use[k] > s->use[i];
            by_score += score[k] > score[i] || (!(score[k] < score[i]) && k < i);
        }
        double grade = by_use < 2 ? 7 : by_use < 5 ? 3 : by_use < 9 ? 1 : 0;
        got += by_score < 10 ? grade / log2(by_score + 2) : 0;
        best += by_use < 10 ? grade / log2(by_use + 2) : 0;
    }
    return got / best;
}

#endif
