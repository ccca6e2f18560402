/* SPDX-License-Identifier: Apache-2.0 */
/* One ranker's present scores side by side, and their spread: what both methods start from. */
#include "fusion.h"

enum { LANES = 8 }; /* scores at a time, so that compilers turn loops into vector code */

FUSION_WIDE fusion_spread spread_of(const float *x, uint32_t n)
{
    float least[LANES], most[LANES];
    double sum[LANES];
    for (uint32_t k = 0; k < LANES; k++) {
        least[k] = most[k] = x[0];
        sum[k] = 0;
    }
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (uint32_t k = 0; k < LANES; k++)
            least[k] = x[i + k] < least[k] ? x[i + k] : least[k];
        for (uint32_t k = 0; k < LANES; k++)
            most[k] = x[i + k] > most[k] ? x[i + k] : most[k];
        for (uint32_t k = 0; k < LANES; k++)
            sum[k] += (double)x[i + k];
    }
    for (; i < n; i++) {
        least[0] = x[i] < least[0] ? x[i] : least[0];
        most[0] = x[i] > most[0] ? x[i] : most[0];
        sum[0] += (double)x[i];
    }
    for (uint32_t k = 1; k < LANES; k++) {
        least[0] = least[k] < least[0] ? least[k] : least[0];
        most[0] = most[k] > most[0] ? most[k] : most[0];
        sum[0] += sum[k];
    }
    return (fusion_spread){(double)least[0], (double)most[0], sum[0]};
}

uint32_t pack_scores(sinter_worker *w, const sinter_fusion_batch *b, uint32_t ranker, const float **score)
{
    const float *x = b->score[ranker];
    *score = x;
    if ((w->dense >> ranker & 1) != 0)
        return b->n;
    uint32_t m = 0;
    for (uint32_t i = 0; i < b->n; i++) { /* written always, kept where present: no branch to guess */
        w->packed[m] = x[i];
        w->entry[0][m] = i;
        m += (uint32_t)(b->present[i] >> ranker & 1);
    }
    *score = w->packed;
    return m;
}
