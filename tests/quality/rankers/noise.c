/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Noise as a ranker, for one figure only: what fusion makes of rankers that know nothing. A score is a number by chance from the
 * request's id, the item and `seed`, so that the same request is ranked the same way again.
 *
 *     {name: noise1, plugin: build/release/rankers/noise.so, seed: 1} */
#include <sinter/plugin.h>

#include <stdlib.h>

struct sinter_instance {
    const sinter_host *host;
    uint64_t seed;
};

static const sinter_option options[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_INTEGER, .key = "seed", .default_text = "1", .doc = "Tells one noise from another."},
};

static sinter_status open_instance(const sinter_open_args *args, sinter_instance **out, sinter_error *err)
{
    int64_t seed = 1;
    sinter_instance *me = calloc(1, sizeof *me);
    if (!me) return err->status = SINTER_EXHAUSTED;
    me->host = args->host;
    args->host->option_integer(args->options, "seed", &seed);
    me->seed = (uint64_t)seed * 0x9e3779b97f4a7c15u;
    *out = me;
    return SINTER_OK;
}

static void close_instance(sinter_instance *me)
{
    free(me);
}

static sinter_status score(const sinter_instance *me, sinter_worker *worker, const sinter_batch *b, float *out, sinter_error *err)
{
    (void)worker;
    (void)err;
    for (uint32_t i = 0; i < b->n; i++) out[i] = (float)me->host->random(b->seed ^ me->seed, b->item[i]);
    return SINTER_OK;
}

static const sinter_ranker ranker = {.size = sizeof(sinter_ranker), .score = score};
static const sinter_plugin plugin = {
    .size = sizeof(sinter_plugin), .abi_major = SINTER_ABI_MAJOR, .abi_minor = SINTER_ABI_MINOR,
    .name = "noise", .version = "1.0.0", .build = "", .summary = "Scores by chance, for a test.",
    .options = options, .n_options = 1, .open = open_instance, .close = close_instance, .ranker = &ranker,
};

SINTER_EXPORT const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    (void)host_major;
    return &plugin;
}
