/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sleeps 1 ms a block. */
#include "zoo.h"
#include <time.h>
static sinter_status score(const sinter_instance *me, sinter_worker *w, const sinter_batch *b, float *out,
                           sinter_error *err)
{
    struct timespec ms = {0, 1000000};
    nanosleep(&ms, NULL);
    return zoo_score(me, w, b, out, err);
}
static const sinter_ranker ranker = {.size = sizeof ranker, .score = score};
ZOO_TABLE(.name = "sleeps", .ranker = &ranker)
