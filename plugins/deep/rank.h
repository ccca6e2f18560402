/* SPDX-License-Identifier: Apache-2.0 */
/* What serving shares: an instance and a lane's memory. */
#ifndef SINTER_DEEP_RANK_H
#define SINTER_DEEP_RANK_H

#include "model.h"

struct sinter_instance {
    const sinter_host *host;
    deep_spec spec;
    deep_model model; /* host NULL: none, as a trainer's */
};

struct sinter_worker {
    const sinter_instance *instance;
    trace trace;   /* SINTER_BLOCK rows */
    real *memory;  /* of trace */
    trace back;    /* the same with room for slopes; value[0] NULL until the first explanation */
    real *back_memory;
    float *feature; /* [n_features] */
    uint32_t id[DEEP_MOST_EMBEDDINGS], history_id[DEEP_MOST_HISTORY];
    float share[DEEP_MOST_HISTORY];
    float side[DEEP_MOST_SIDE];
    real pooled[DEEP_MOST_DIMENSION];
};

extern const sinter_ranker deep_ranker;

sinter_status deep_worker_open(const sinter_instance *, sinter_worker **, sinter_error *);
void deep_worker_close(sinter_worker *);

/* Reads the user's history into worker->side and worker->pooled. */
void rank_prepare(sinter_worker *, const sinter_batch *);
/* Fills one row of inputs; false: nothing of the candidate is known. */
bool rank_inputs(sinter_worker *, const sinter_batch *, uint32_t row, real *x);

sinter_status deep_explain(const sinter_instance *, sinter_worker *, const sinter_batch *, uint32_t row, sinter_sink *, sinter_error *);

#endif
