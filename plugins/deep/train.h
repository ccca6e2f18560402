/* SPDX-License-Identifier: Apache-2.0 */
/* The trainer, and what an interrupted run leaves behind. */
#ifndef SINTER_DEEP_TRAIN_H
#define SINTER_DEEP_TRAIN_H

#include "fit.h"

/* One epoch's figures; NaN: the data has none. */
typedef struct figures {
    double loss, valid_loss, auc, ndcg, epoch;
} figures;

sinter_status deep_train(const sinter_train_args *, const deep_spec *, sinter_error *);

/* Everything that the next epoch depends on: with it a run goes on to the same bits. */
typedef struct checkpoint {
    fit *fit;
    deep_model *best;
    uint64_t data; /* hash */
    uint32_t epoch, waited, best_epoch;
    figures *figures;
} checkpoint;

/* Replaces dir's checkpoint whole: a run that dies meanwhile leaves the one before. */
sinter_status checkpoint_write(const checkpoint *, const char *dir, sinter_error *);
/* Refuses one of another network, seed or dataset; fit and best may then be half filled. */
sinter_status checkpoint_read(checkpoint *, const char *dir, sinter_error *);
void checkpoint_remove(const char *dir);

#endif
