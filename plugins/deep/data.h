/* SPDX-License-Identifier: Apache-2.0 */
/* A dataset of requests in memory, as the network reads it: numbers that no parameter has touched. */
#ifndef SINTER_DEEP_DATA_H
#define SINTER_DEEP_DATA_H

#include "model.h"

typedef struct deep_data {
    const sinter_host *host;
    uint64_t n_rows, n_lists, n_events;
    float *feature;     /* [n_rows][n_features] */
    uint32_t *id;       /* [n_rows][n_embeddings] */
    float *label;       /* [n_rows] as the loss reads it */
    uint32_t *position; /* [n_rows] 0: no bias */
    uint32_t *list;     /* [n_rows] the request that it was shown in */
    uint64_t *first;    /* [n_lists + 1] rows of a list are first[l] .. first[l + 1] */
    float *weight;      /* [n_lists] */
    uint64_t *event;    /* [n_lists + 1] its user's history: event[l] .. event[l + 1] */
    uint32_t *event_id; /* [n_events] rows of the table of item */
    float *event_share; /* [n_events] */
    uint32_t longest;   /* list */
    bool is_weighted;   /* whether lists differ in weight */
} deep_data;

/* Reads the whole of a dataset; *used counts its bytes, and may not pass args->memory_limit. `what` names it in messages. */
sinter_status data_read(deep_data *, const sinter_train_args *, const deep_spec *, const uint32_t *rows, sinter_dataset *,
                        const char *what, uint64_t *used, sinter_error *);
void data_free(deep_data *);

/* Whether there is anything to learn; mean and scale of each feature; a warning for those that never vary. */
sinter_status data_check(const deep_data *, const deep_spec *, sinter_error *);
sinter_status data_normalise(const deep_data *, deep_model *, sinter_error *);

/* The same for the same rows, whatever the process. */
uint64_t data_hash(const deep_data *, const deep_spec *);

#endif
