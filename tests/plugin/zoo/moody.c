/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers differently the second time, and by an item's place in its block. */
#include "zoo.h"
static float mood;
static sinter_status score(const sinter_instance *me, sinter_worker *w, const sinter_batch *b, float *out,
                           sinter_error *err)
{
    UNUSED(me), UNUSED(w), UNUSED(err);
    mood += 1;
    for (uint32_t i = 0; i < b->n; i++)
        out[i] = mood + (float)i;
    return SINTER_OK;
}
static const sinter_ranker ranker = {.size = sizeof ranker, .score = score};
ZOO_TABLE(.name = "moody", .ranker = &ranker)
