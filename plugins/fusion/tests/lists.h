/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lists to fuse, made by a seed, and one use of the plugin: shared by its tests and its benchmark. */
#ifndef SINTER_TESTS_FUSION_LISTS_H
#define SINTER_TESTS_FUSION_LISTS_H

#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_ITEMS = 2048 };

/* A list with room for everything. */
typedef struct scored_list {
    sinter_fusion_batch batch;
    float score[SINTER_MAX_RANKERS][MOST_ITEMS];
    const float *row[SINTER_MAX_RANKERS];
    uint64_t present[MOST_ITEMS];
    uint32_t item[MOST_ITEMS];
    float before[MOST_ITEMS];
} scored_list;

static const char *const ranker_names[SINTER_MAX_RANKERS] = {
    "words", "taste", "fresh", "deep", "rules", "r5",  "r6",  "r7",  "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15",
    "r16",   "r17",   "r18",   "r19",  "r20",   "r21", "r22", "r23", "r24", "r25", "r26", "r27", "r28", "r29", "r30", "r31",
    "r32",   "r33",   "r34",   "r35",  "r36",   "r37", "r38", "r39", "r40", "r41", "r42", "r43", "r44", "r45", "r46", "r47",
    "r48",   "r49",   "r50",   "r51",  "r52",   "r53", "r54", "r55", "r56", "r57", "r58", "r59", "r60", "r61", "r62", "r63"};

/* An empty list of n items and r rankers, nothing present; ordinals are a fixed shuffle. */
static inline void list_start(scored_list *l, uint32_t n, uint32_t n_rankers)
{
    for (uint32_t r = 0; r < SINTER_MAX_RANKERS; r++)
        l->row[r] = l->score[r];
    for (uint32_t i = 0; i < MOST_ITEMS; i++) {
        l->present[i] = 0;
        l->item[i] = (i * 1103u + 17) % 65521; /* distinct: 65521 is prime */
        l->before[i] = 0;
    }
    l->batch = (sinter_fusion_batch){.size = sizeof l->batch, .n = n, .n_rankers = n_rankers, .ranker = ranker_names,
                                     .score = l->row, .present = l->present, .item = l->item, .before = l->before};
}

static inline void list_set(scored_list *l, uint32_t ranker, uint32_t i, float score)
{
    l->score[ranker][i] = score;
    l->present[i] |= 1ull << ranker;
}

typedef struct fusing {
    harness *h;
    sinter_instance *instance;
    sinter_worker *worker;
} fusing;

static inline fusing fusing_open(const char *so, const harness_option *option, size_t n, uint32_t n_rankers)
{
    fusing f = {.h = harness_open(so)};
    sinter_error err;
    harness_rankers(f.h, ranker_names, n_rankers);
    if (harness_instance(f.h, "fusion", option, n, &f.instance, &err) != SINTER_OK) {
        fprintf(stderr, "fusion: %s (%s)\n", err.what, err.where);
        abort();
    }
    f.worker = harness_worker(f.h, f.instance);
    return f;
}

static inline void fuse_list(const fusing *f, const scored_list *l, float *out)
{
    sinter_error err = SINTER_ERROR_INIT;
    if (harness_plugin(f->h)->fusion->fuse(f->instance, f->worker, &l->batch, out, &err) != SINTER_OK) {
        fprintf(stderr, "fuse: %s\n", err.what);
        abort();
    }
}

static inline void explain_row(const fusing *f, const scored_list *l, uint32_t row, sinter_share *share, double *bias)
{
    sinter_error err = SINTER_ERROR_INIT;
    if (harness_plugin(f->h)->fusion->explain(f->instance, f->worker, &l->batch, row, share, bias, &err) != SINTER_OK) {
        fprintf(stderr, "explain: %s\n", err.what);
        abort();
    }
}

#endif
