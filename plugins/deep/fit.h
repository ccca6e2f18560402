/* SPDX-License-Identifier: Apache-2.0 */
/* One run of training: the model, the optimiser's memory, a batch's memory. */
#ifndef SINTER_DEEP_FIT_H
#define SINTER_DEEP_FIT_H

#include "data.h"

/* The optimiser's memory of one embedding: only rows that a batch touched are stepped (as torch's SparseAdam does). */
typedef struct sparse {
    float *gradient, *mean, *square; /* [rows][dimension] */
    uint32_t *stamp;                 /* [rows] the last batch that touched it */
    uint32_t *touched;               /* [rows] those of this batch */
    uint32_t n;
} sparse;

typedef struct fit {
    const deep_spec *spec;
    const sinter_host *host;
    const deep_data *data;
    uint64_t seed, step; /* batches so far, of all epochs */
    deep_model model;
    real *gradient, *mean, *square; /* [n_parameters] */
    sparse table[DEEP_MOST_EMBEDDINGS];
    float *position_gradient, *position_mean, *position_square; /* [n_positions + 1] */
    /* A batch. */
    uint32_t room;      /* rows */
    trace trace;
    adam_step now;
    real *memory, *logit, *slope, *pooled; /* [room]; pooled [dimension] */
    real *list_logit;                      /* [longest] */
    uint32_t longest;
    float *label, *weight;
    uint32_t *order, n_order; /* rows, or for softmax the lists that count */
    uint32_t *row;            /* [room] */
} fit;

/* Everything zero but the start of the weights, from the seed. */
sinter_status fit_new(fit *, const deep_spec *, const sinter_host *, const deep_data *, const deep_data *valid,
                      uint32_t n_items, uint64_t seed, uint64_t *used, uint64_t limit, sinter_error *);
void fit_free(fit *);
void fit_start(fit *);

void fit_shuffle(fit *, uint32_t epoch);
/* Takes the next batch from order[*at], moves *at behind it, and makes one step. */
void fit_step(fit *, uint32_t *at, loss_sum *sum);

/* What serving would score the rows of a dataset, and their loss with the positions' biases. */
void fit_score(fit *, const deep_data *, float *score /* [n_rows] */, loss_sum *sum);

#endif
