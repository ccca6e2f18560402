/* SPDX-License-Identifier: Apache-2.0 */
/* The gate network as it serves, and what training shares with it.
 *
 * Of a request it reads x: the per-request features of option `gate`, then of every ranker the logarithm of how far its scores
 * spread in this list, then the share of the list that it scored; each centred and scaled as in training. Then
 *
 *     hidden = max(0, U x + u),   open = max(0, middle + reach × soft(W hidden + w)),   soft(d) = d / (1 + |d|)
 *     gate = open / Σ open,       score = Σ gate × z
 *
 * where z are an item's calibrated scores. With W and w at 0 the score is the weighted sum with weights `middle`. Gates sum to 1: a
 * factor for a whole list would fit how much its people click, and order nothing. Gates read nothing of the item: clicks tell about the few that were shown only, and a sum that is straight in
 * the scores holds further down the list, where a curve fitted to the top would not. */
#ifndef SINTER_FUSION_NETWORK_H
#define SINTER_FUSION_NETWORK_H

#include "fusion.h"

enum {
    NETWORK_MOST_CONTEXT = 64,
    NETWORK_MOST_INPUTS = NETWORK_MOST_CONTEXT + 2 * SINTER_MAX_RANKERS,
};
#define NETWORK_CLIP 4.0f /* what the hidden layer reads is kept within ± this */
#define MODEL_FILE "weights.safetensors"

typedef struct network {
    uint32_t n_rankers, n_context, n_units, n_inputs; /* n_inputs = n_context + 2 × n_rankers */
    const float *mean, *scale;   /* [n_inputs] */
    const float *request_weight; /* [n_inputs][n_units] U */
    const float *request_bias;   /* [n_units] u */
    const float *gate_weight;    /* [n_rankers][n_units] W */
    const float *gate_bias;      /* [n_rankers] w */
    const float *middle, *reach; /* [n_rankers] */
} network;

/* x as it is before centring; place[r]: where the stage's ranker r stands in the model. NaN: missing. */
void network_inputs(const sinter_worker *, const sinter_fusion_batch *, const uint32_t *place, uint32_t n_context, float *x);

/* Centred, scaled, kept within NETWORK_CLIP; 0 where missing. */
float network_standard(float x, float mean, float scale);

/* The gates of this list into worker->weight. Its rankers are calibrated before. */
sinter_status network_gates(sinter_worker *, const sinter_fusion_batch *, sinter_error *err);

/* ---- the model on disk: model.c ---- */

/* What training found, in the order of `ranker`. */
typedef struct trained {
    const char *const *ranker;
    uint32_t n_rankers;
    const double *weight;  /* [n_rankers] */
    const network *network; /* NULL: the weighted sum stands */
} trained;
sinter_status model_write(const sinter_instance *, const char *dir, const trained *, sinter_error *err);
/* Fills the instance's weights and, where the model has one, its network. */
sinter_status model_read(sinter_instance *, const char *dir, sinter_error *err);

/* ---- training: train.c ---- */

sinter_status fusion_train(const sinter_train_args *, sinter_error *err);

#endif
