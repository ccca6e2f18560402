/* SPDX-License-Identifier: Apache-2.0 */
/* A model: what training learns. The same struct while it is trained, when it is written, and when it serves; and the one
 * definition of how a candidate becomes a row of the network's inputs. */
#ifndef SINTER_DEEP_MODEL_H
#define SINTER_DEEP_MODEL_H

#include "spec.h"

#define DEEP_FILE "weights.safetensors"
#define DEEP_CLIP 10 /* standard deviations beyond which a feature says no more */

typedef struct deep_model {
    const deep_spec *spec;
    const sinter_host *host;
    float *mean, *scale; /* [n_features] x → (x − mean) × scale; scale 0: the feature never varied */
    real *parameter;     /* [net.n_parameters] */
    /* Vectors: row 0 stands for "none" and is all 0, as are rows that training never saw. */
    uint32_t rows[DEEP_MOST_EMBEDDINGS];
    float *vectors[DEEP_MOST_EMBEDDINGS]; /* [rows][dimension] */
    float *position;     /* [n_positions + 1]; position[0] = 0; NULL when serving */
    bool is_mapped;      /* vectors are the host's, read only */
} deep_model;

/* Makes room; the embedding of item gets n_items + 1 rows. All zero. */
sinter_status model_new(deep_model *, const deep_spec *, const sinter_host *, uint32_t n_items, sinter_error *);
void model_free(deep_model *);
/* From a directory that a trainer filled; refused where it was trained for another network. */
sinter_status model_read(deep_model *, const deep_spec *, const sinter_host *, const char *dir, sinter_error *);
sinter_status model_write(const deep_model *, const char *dir, sinter_error *);

/* ---- from candidates to inputs ---- */

/* The history's means of the features n_listed .. n_features; NaN where no event's item has it. */
void side_read(const deep_spec *, const sinter_user *, float *side /* [n_features - n_listed] */);

/* Row `row` of a batch as numbers that no parameter has touched: [n_features], missing NaN; and rows of the tables
 * [n_embeddings], which have `rows` rows each. */
void inputs_read(const deep_spec *, const uint32_t *rows, const sinter_batch *, uint32_t row, const float *side, float *feature,
                 uint32_t *id);

/* The history's rows in the table of item and their shares, which sum to 1. Returns how many. */
uint32_t history_read(const deep_spec *, const uint32_t *rows, const sinter_user *, uint32_t *id, float *share);

void history_pool(const deep_model *, uint32_t n, const uint32_t *id, const float *share, real *pooled /* [dimension] */);

/* One row of the network's inputs. pooled: NULL without a history. */
void inputs_fill(const deep_model *, const float *feature, const uint32_t *id, const real *pooled, real *x /* [stride(inputs)] */);

/* Whether the model can say anything about the candidate: false where it reads nothing of it but vectors that it has not. */
bool inputs_known(const deep_spec *, const uint32_t *id);

/* What a score of the last value is: the sigmoid where the network ends with one. */
static inline float score_of(const network *net, real z)
{
    return net->head_sigmoid ? (float)sigmoid((double)z) : (float)z;
}

#endif
