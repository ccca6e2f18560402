/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A table of figures from inside, which scrape.c reads. Private to the room. */
#ifndef SINTER_BASE_INSIDE_H
#define SINTER_BASE_INSIDE_H

#include "base/base.h"

#define METRIC_SLOTS 4096u

typedef struct metric_cell {
    const metric_family *family;
    const char *label[METRIC_LABELS];
    uint64_t hash;
    _Atomic uint64_t count;
    histogram histogram;
} metric_cell;

struct metric_table {
    metric_cell *slot[METRIC_SLOTS]; /* by hash; the writer's */
    metric_cell *cell[METRIC_SLOTS]; /* [n] in the order of their coming */
    _Atomic uint32_t n;
};

uint64_t metric_hash(const metric_family *f, const char *const *label);
bool metric_labels_same(const char *const *a, const char *const *b);

#endif
