/* SPDX-License-Identifier: Apache-2.0 */
/* The table that Sinter loads: rules as a ranker, a finisher and a rewriter. */
#include "rules.h"

static void instance_close(sinter_instance *inst)
{
    const sinter_host *host = inst->host;
    for (uint32_t i = 0; i < inst->n_filters; i++)
        host->filter_free(inst->filter[i]);
    rules_dictionary_release(&inst->pool, &inst->exact);
    rules_dictionary_release(&inst->pool, &inst->starts_with);
    rules_dictionary_release(&inst->pool, &inst->word);
    rules_dictionary_release(&inst->pool, &inst->filter_text);
    rules_pool_release(&inst->pool);
    host->free(host, inst);
}

static sinter_status instance_open(const sinter_open_args *args, sinter_instance **out, sinter_error *err)
{
    sinter_instance *inst = args->host->alloc(args->host, sizeof *inst);
    if (inst == NULL) return rules_no_memory(err);
    *inst = (sinter_instance){.host = args->host, .pool = {.host = args->host}};
    sinter_status s = rules_read(inst, args, err);
    if (s != SINTER_OK) {
        instance_close(inst);
        return s;
    }
    *out = inst;
    return SINTER_OK;
}

/* All room that the instance's rules can ask for is taken here, so that requests allocate nothing but for longer
 * queries and blocks than before. */
static void worker_close(sinter_worker *w)
{
    void *all[] = {w->exact_seen, w->starts_with_seen, w->word_seen, w->rule_seen, w->hit_exact, w->hit_starts_with,
                   w->hit_word,   w->active,           w->boost,     w->ordinal,   w->text,      w->sum,
                   w->mask};
    const sinter_host *host = w->host;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] != NULL) host->free(host, all[i]);
    host->free(host, w);
}

static uint32_t *take_stamps(const sinter_host *host, uint32_t n, bool *good)
{
    size_t size = (n + 1) * sizeof(uint32_t);
    uint32_t *out = host->alloc(host, size);
    *good = *good && out != NULL;
    return out == NULL ? NULL : memset(out, 0, size);
}

static sinter_status worker_open(const sinter_instance *inst, sinter_worker **out, sinter_error *err)
{
    const sinter_host *host = inst->host;
    sinter_worker *w = host->alloc(host, sizeof *w);
    if (w == NULL) return rules_no_memory(err);
    bool good = true;
    *w = (sinter_worker){.host = host};
    w->exact_seen = take_stamps(host, inst->exact.n, &good);
    w->starts_with_seen = take_stamps(host, inst->starts_with.n, &good);
    w->word_seen = take_stamps(host, inst->word.n, &good);
    w->rule_seen = take_stamps(host, inst->n, &good);
    w->hit_exact = take_stamps(host, inst->exact.n, &good);
    w->hit_starts_with = take_stamps(host, inst->starts_with.n, &good);
    w->hit_word = take_stamps(host, inst->word.n, &good);
    w->active = take_stamps(host, inst->n, &good);
    w->ordinal = take_stamps(host, inst->n_boost_items, &good);
    w->boost = host->alloc(host, (inst->n_boosts + 1) * sizeof *w->boost);
    if (!good || w->boost == NULL) {
        worker_close(w);
        return rules_no_memory(err);
    }
    *out = w;
    return SINTER_OK;
}

static const sinter_plugin table = {
    .size = sizeof(sinter_plugin),
    .abi_major = SINTER_ABI_MAJOR,
    .abi_minor = SINTER_ABI_MINOR,
    .name = "rules",
    .version = "1.0.0",
    .build = "",
    .summary = "Merchandising rules: conditions on the request, actions on the query and its items.",
    .options = rules_options,
    .n_options = RULES_N_OPTIONS,
    .open = instance_open,
    .close = instance_close,
    .worker_open = worker_open,
    .worker_close = worker_close,
    .ranker = &rules_ranker,
    .rewriter = &rules_rewriter,
    .finisher = &rules_finisher,
};

SINTER_EXPORT const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    (void)host_major;
    return &table;
}
