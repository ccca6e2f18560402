/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A dataset in memory, for tests of trainers: what the server builds from its journals is here built from arrays.
 *
 *   sinter_dataset *train = harness_dataset(h), *valid = harness_dataset(h);
 *   harness_interaction(train, user, item, event, weight, NAN, time_ms); …            for CF
 *   harness_requests(train, &(sinter_requests){.batch = harness_batch(h, x, n_features, n), .label = …}); …
 *   harness_training t = {.seed = 1};
 *   s = harness_train(h, options, n, train, valid, out_dir, &t, &err);
 *   harness_model(h, out_dir); harness_instance(h, "ranker", …)                        serves what was trained
 *
 * Everything given is copied, but for query, user and request_context of a batch, names and vectors, which must outlive the
 * harness. Interactions come in batches of 1,000, requests one by one, in the order given. */
#ifndef SINTER_TESTS_HARNESS_DATASET_H
#define SINTER_TESTS_HARNESS_DATASET_H

#include "harness.h"

sinter_dataset *harness_dataset(harness *); /* empty; lives until harness_close */
const sinter_dataset_table *harness_dataset_table(void);

void harness_interaction(sinter_dataset *, uint32_t user, uint32_t item, uint32_t event, float weight, float value,
                         int64_t time_ms);
void harness_interactions(sinter_dataset *, const sinter_interactions *); /* all of its arrays */
/* `size` fields may be 0. label [n_targets][batch->n]; position, propensity: NULL: 1, 2, 3 … and 1; weight 0: 1. A fusion batch
 * is copied too. */
void harness_requests(sinter_dataset *, const sinter_requests *);

/* An empty folder under $TMPDIR or /tmp, for out_dir; removed with its files at harness_close. */
const char *harness_folder(harness *);

/* How a training went, and what it is given beyond its datasets. */
typedef struct harness_training {
    uint64_t seed, memory_limit; /* 0: 1, and 1 GiB */
    uint32_t threads;            /* 0: 1 */
    int64_t now_ms;
    const char *resume_dir;
    uint64_t stop_after; /* calls of progress after which it asks to stop; 0: never */
    /* Written: calls of progress, and the last value of each metric. */
    uint64_t calls, done, total;
    struct {
        char name[64];
        double value, first;
    } metric[16];
    uint32_t n_metrics;
} harness_training;

/* Opens the plugin with role "trainer" and these options, and trains. Rankers' names are harness_rankers'. */
sinter_status harness_train(harness *, const harness_option *, size_t n, sinter_dataset *train, sinter_dataset *valid,
                            const char *out_dir, harness_training *, sinter_error *err);
double harness_metric(const harness_training *, const char *name); /* last value; NaN: never reported */

#endif
