/* SPDX-License-Identifier: Apache-2.0 */
/* What training makes small, and what tells how good a network is. */
#ifndef SINTER_DEEP_LOSS_H
#define SINTER_DEEP_LOSS_H

#include "kernels.h"

typedef enum loss_kind { LOSS_BCE, LOSS_MSE, LOSS_SOFTMAX } loss_kind;

/* Sums over rows, so that an epoch's figure is the mean over all of its rows whatever the batches were. */
typedef struct loss_sum {
    double loss, weight;
} loss_sum;

/* bce and mse: of n rows with outputs z (logits where `sigmoid`), labels and weights (NULL: all 1). Adds to *sum, and where slope
 * is not NULL fills it with the slopes of the batch's mean loss by z. bce without `sigmoid` reads z as log-odds all the same. */
void loss_rows(loss_kind kind, bool sigmoid, uint32_t n, const real *z, const float *label, const float *weight, real *slope,
               loss_sum *sum);

/* softmax: cross-entropy between the labels of one list, divided by their sum, and the softmax of z. A list without a label above
 * 0 says nothing: slopes 0. `share`: what the list counts among its batch's, its weight / the sum of their weights. */
void loss_list(uint32_t n, const real *z, const float *label, float weight, double share, real *slope, loss_sum *sum);
bool loss_list_counts(uint32_t n, const float *label);

/* Area under the ROC curve of labels above 0 against the others, ties counting half; NaN where one side is empty. order: room of n. */
double metric_auc(uint32_t n, const float *score, const float *label, uint32_t *order);

/* nDCG@10 of one list, gain = label, ties by place; NaN where no label is above 0. order: room of n. */
double metric_ndcg(uint32_t n, const float *score, const float *label, uint32_t *order);

#endif
