/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NaN for every seventh item. */
#include "zoo.h"
#include <math.h>
static sinter_status score(const sinter_instance *me, sinter_worker *w, const sinter_batch *b, float *out,
                           sinter_error *err)
{
    zoo_score(me, w, b, out, err);
    for (uint32_t i = 0; i < b->n; i++)
        if (b->item[i] % 7 == 6) out[i] = NAN;
    return SINTER_OK;
}
static const sinter_ranker ranker = {.size = sizeof ranker, .score = score};
ZOO_TABLE(.name = "nan_scores", .ranker = &ranker)
