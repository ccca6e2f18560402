/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lies in explain, as ranker and as fusion. */
#include "zoo.h"
static sinter_status explain(const sinter_instance *me, sinter_worker *w, const sinter_batch *b, uint32_t row,
                             sinter_sink *sink, sinter_error *err)
{
    UNUSED(w), UNUSED(err);
    me->host->explain(sink, "half", (double)b->item[row] / 2);
    return SINTER_OK;
}
static sinter_status fuse(const sinter_instance *me, sinter_worker *w, const sinter_fusion_batch *b, float *out,
                          sinter_error *err)
{
    UNUSED(me), UNUSED(w), UNUSED(err);
    for (uint32_t i = 0; i < b->n; i++)
        out[i] = 2;
    return SINTER_OK;
}
static sinter_status shares(const sinter_instance *me, sinter_worker *w, const sinter_fusion_batch *b, uint32_t row,
                            sinter_share *share, double *bias, sinter_error *err)
{
    UNUSED(me), UNUSED(w), UNUSED(b), UNUSED(row), UNUSED(err);
    share[0].contribution = 1;
    *bias = 0.5;
    return SINTER_OK;
}
static const sinter_ranker ranker = {.size = sizeof ranker, .score = zoo_score, .explain = explain};
static const sinter_fusion fusion = {.size = sizeof fusion, .fuse = fuse, .explain = shares};
ZOO_TABLE(.name = "liar", .ranker = &ranker, .fusion = &fusion)
