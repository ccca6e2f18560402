/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Never has an opinion; misses single items as fusion may see them. */
#include "zoo.h"
static sinter_status score(const sinter_instance *me, sinter_worker *w, const sinter_batch *b, float *out,
                           sinter_error *err)
{
    UNUSED(me), UNUSED(w), UNUSED(b), UNUSED(out), UNUSED(err);
    return SINTER_DECLINED;
}
static const sinter_ranker ranker = {.size = sizeof ranker, .score = score};
ZOO_TABLE(.name = "declines", .ranker = &ranker)
