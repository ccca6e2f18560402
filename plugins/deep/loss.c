/* SPDX-License-Identifier: Apache-2.0 */
/* Losses by their textbook formulas, in double, and the two metrics of ranking. */
#include "loss.h"

#include <stdlib.h>

static double row_loss(loss_kind kind, bool head, double z, double label, double *slope)
{
    double s = kind == LOSS_MSE && !head ? z : sigmoid(z);
    if (kind == LOSS_BCE) {
        *slope = s - label;
        return fmax(z, 0) - z * label + log1p(exp(-fabs(z)));
    }
    *slope = 2 * (s - label) * (head ? s * (1 - s) : 1);
    return (s - label) * (s - label);
}

void loss_rows(loss_kind kind, bool head, uint32_t n, const real *z, const float *label, const float *weight, real *slope,
               loss_sum *sum)
{
    double total = 0;
    for (uint32_t i = 0; i < n; i++)
        total += weight == NULL ? 1 : (double)weight[i];
    for (uint32_t i = 0; i < n; i++) {
        double w = weight == NULL ? 1 : (double)weight[i], d;
        sum->loss += w * row_loss(kind, head, (double)z[i], (double)label[i], &d);
        if (slope != NULL)
            slope[i] = total > 0 ? (real)(d * w / total) : 0;
    }
    sum->weight += total;
}

bool loss_list_counts(uint32_t n, const float *label)
{
    for (uint32_t i = 0; i < n; i++)
        if (label[i] > 0)
            return true;
    return false;
}

void loss_list(uint32_t n, const real *z, const float *label, float weight, double share, real *slope, loss_sum *sum)
{
    double most = -HUGE_VAL, exponents = 0, labels = 0, loss = 0;
    for (uint32_t i = 0; i < n; i++) {
        most = fmax(most, (double)z[i]);
        labels += label[i] > 0 ? (double)label[i] : 0;
    }
    for (uint32_t i = 0; i < n; i++)
        exponents += exp((double)z[i] - most);
    for (uint32_t i = 0; i < n; i++) {
        double p = exp((double)z[i] - most) / exponents, y = label[i] > 0 && labels > 0 ? (double)label[i] / labels : 0;
        if (y > 0)
            loss -= y * ((double)z[i] - most - log(exponents));
        if (slope != NULL)
            slope[i] = labels > 0 ? (real)((p - y) * share) : 0;
    }
    if (labels > 0) {
        sum->loss += (double)weight * loss;
        sum->weight += (double)weight;
    }
}

/* ---- metrics ---- */

static int by_score(const void *a, const void *b, void *ctx)
{
    const float *score = ctx;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    if (score[i] != score[j])
        return score[i] > score[j] ? -1 : 1;
    return i < j ? -1 : i > j;
}

static void sort(uint32_t n, const float *score, uint32_t *order)
{
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    qsort_r(order, n, sizeof *order, by_score, (void *)(uintptr_t)score);
}

double metric_auc(uint32_t n, const float *score, const float *label, uint32_t *order)
{
    double positives = 0, negatives = 0, area = 0;
    sort(n, score, order);
    for (uint32_t i = 0; i < n;) {
        double p = 0, q = 0;
        uint32_t first = i;
        for (; i < n && score[order[i]] == score[order[first]]; i++)
            *(label[order[i]] > 0 ? &p : &q) += 1;
        area += q * (positives + p / 2);
        positives += p;
        negatives += q;
    }
    return positives > 0 && negatives > 0 ? area / (positives * negatives) : (double)NAN;
}

double metric_ndcg(uint32_t n, const float *score, const float *label, uint32_t *order)
{
    enum { DEPTH = 10 };
    double gain = 0, ideal = 0;
    sort(n, score, order);
    for (uint32_t i = 0; i < n && i < DEPTH; i++)
        gain += label[order[i]] > 0 ? (double)label[order[i]] / log2(i + 2) : 0;
    sort(n, label, order);
    for (uint32_t i = 0; i < n && i < DEPTH; i++)
        ideal += label[order[i]] > 0 ? (double)label[order[i]] / log2(i + 2) : 0;
    return ideal > 0 ? gain / ideal : (double)NAN;
}
