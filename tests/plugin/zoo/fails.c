/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fails on the Nth call of score, with an error record that it fills without a NUL and with bytes that are not UTF-8.
 */
#include "zoo.h"
struct sinter_worker {
    uint32_t calls;
    int64_t nth;
    const sinter_host *host;
};
static int64_t nth;
static const sinter_option options[] = {{.size = sizeof(sinter_option),
                                         .type = SINTER_OPTION_INTEGER,
                                         .key = "nth",
                                         .doc = "The call that fails; default 1.",
                                         .default_text = "1",
                                         .least = 1,
                                         .most = 1000}};
static sinter_status my_open(const sinter_open_args *a, sinter_instance **out, sinter_error *err)
{
    a->host->option_integer(a->options, "nth", &nth);
    return zoo_open(a, out, err);
}
static sinter_status worker_open(const sinter_instance *me, sinter_worker **out, sinter_error *err)
{
    UNUSED(err);
    *out = me->host->alloc(me->host, sizeof **out);
    **out = (sinter_worker){.nth = nth, .host = me->host};
    return SINTER_OK;
}
static void worker_close(sinter_worker *w)
{
    w->host->free(w->host, w);
}
static sinter_status score(const sinter_instance *me, sinter_worker *w, const sinter_batch *b, float *out,
                           sinter_error *err)
{
    if (++w->calls != w->nth) return zoo_score(me, w, b, out, err);
    memset(err->what, 'x', sizeof err->what);
    memcpy(err->what, "bad luck \xff", 10);
    return SINTER_UNAVAILABLE;
}
static const sinter_ranker ranker = {.size = sizeof ranker, .score = score};
ZOO_TABLE(.name = "fails", .ranker = &ranker, .options = options, .n_options = 1, .open = my_open,
          .worker_open = worker_open, .worker_close = worker_close)
