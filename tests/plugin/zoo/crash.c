/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Dies of SIGSEGV when it scores. */
#include "zoo.h"
#include <signal.h>
static void raise_it(void)
{
    raise(SIGSEGV);
}
static sinter_status score(const sinter_instance *me, sinter_worker *w, const sinter_batch *b, float *out,
                           sinter_error *err)
{
    UNUSED(me), UNUSED(w), UNUSED(b), UNUSED(out), UNUSED(err);
    raise_it();
    return SINTER_OK;
}
static const sinter_ranker ranker = {.size = sizeof ranker, .score = score};
ZOO_TABLE(.name = "crash", .ranker = &ranker)
