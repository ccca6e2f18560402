/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest useful ranker, made to be copied: newer items score higher.
 *
 *     score = 0.5 ^ (age / half_life_days)          1 today, 0.5 after a half-life, 0.25 after two
 *
 * A plugin is a shared object that exports one function, sinter_plugin_entry, which returns a const table. Read this file
 * from the bottom: the table says which functions the host may call; each function stands above the table that names it. To
 * make your own, copy the folder, change `name`, `options` and `score_block`, and keep the rest. The whole contract is
 * <sinter/plugin.h>; a plugin includes nothing else of Sinter. */
#include <sinter/plugin.h>

#include <math.h>
#include <stdio.h>

/* What open makes and close frees. Lanes share it, so after open it is const: the compiler sees to that. A ranker that must
 * remember something between calls (a buffer, an encoded user) puts it into a worker, one a lane: see worker_open. */
struct sinter_instance {
    const sinter_host *host; /* lives until close */
    const char *feature[1];  /* owned by the options, which live until close */
    double half_life_days;
};

/* The keys a pipeline's YAML may give. The host checks names, types and bounds with file:line:column before open is called,
 * and `sinter plugin list` prints the docs. */
static const sinter_option options[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_STRING, .key = "feature", .default_text = "item.age_days",
     .doc = "The feature that holds an item's age in days; default item.age_days."},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_NUMBER, .key = "half_life_days", .default_text = "30",
     .least = 0.001, .most = 100000, .doc = "Days after which the score has halved; default 30."},
};

/* [control] Once, when a pipeline that names the plugin is opened; it may take its time, for instance to load a model. Every
 * failure fills `err` with what is wrong, where, and what to do, and leaves nothing behind. */
static sinter_status open_instance(const sinter_open_args *args, sinter_instance **out, sinter_error *err)
{
    const sinter_host *host = args->host;
    sinter_instance *me = host->alloc(host, sizeof *me);
    if (me == NULL) {
        err->status = SINTER_EXHAUSTED;
        snprintf(err->what, sizeof err->what, "no memory for an instance");
        snprintf(err->where, sizeof err->where, "%s", args->use);
        snprintf(err->fix, sizeof err->fix, "give the server more memory");
        return SINTER_EXHAUSTED;
    }
    me->host = host;
    /* Both have defaults, so both getters succeed. */
    host->option_string(args->options, "feature", &me->feature[0]);
    host->option_number(args->options, "half_life_days", &me->half_life_days);
    *out = me;
    return SINTER_OK;
}

/* [control] Exactly once for every successful open, after the last request has left. */
static void close_instance(sinter_instance *me)
{
    me->host->free(me->host, me);
}

/* [control] What the host should bring with every batch: here one column of features. If no such feature exists, the host
 * refuses the pipeline and suggests near names. */
static sinter_status inputs(const sinter_instance *me, sinter_inputs *want, sinter_error *err)
{
    (void)err;
    want->feature = me->feature;
    want->n_features = 1;
    return SINTER_OK;
}

/* An age is NaN where the item has none: then it gets no score, and fusion knows what to do with that. An item from the
 * future counts as new. */
static float score_of(const sinter_instance *me, float age_days)
{
    if (isnan(age_days))
        return SINTER_MISSING;
    return (float)exp2(-fmax(0.0, (double)age_days) / me->half_life_days);
}

/* [lane] A block of candidates at a time. Rows are `stride` floats apart; ours is the first and only feature. Scores may have
 * any range: fusion calibrates. Allocate nothing here, and take no locks. */
static sinter_status score_block(const sinter_instance *me, sinter_worker *worker, const sinter_batch *batch,
                                 float *score /* [n] */, sinter_error *err)
{
    (void)worker;
    (void)err;
    for (uint32_t i = 0; i < batch->n; i++)
        score[i] = score_of(me, batch->feature[(size_t)i * batch->stride]);
    return SINTER_OK;
}

/* [lane] Why this row has its score: one or more lines that add up to it. The host checks the sum. */
static sinter_status explain_row(const sinter_instance *me, sinter_worker *worker, const sinter_batch *batch, uint32_t row,
                                 sinter_sink *sink, sinter_error *err)
{
    float age = batch->feature[(size_t)row * batch->stride];
    char label[128];
    (void)worker;
    (void)err;
    if (isnan(age))
        return SINTER_OK; /* no score, nothing to explain */
    snprintf(label, sizeof label, "%s is %.4g, half-life %.4g days", me->feature[0], (double)age, me->half_life_days);
    me->host->explain(sink, label, (double)score_of(me, age));
    return SINTER_OK;
}

static const sinter_ranker ranker = {
    .size = sizeof(sinter_ranker),
    .score = score_block,
    .explain = explain_row,
};

static const sinter_plugin plugin = {
    .size = sizeof(sinter_plugin),
    .abi_major = SINTER_ABI_MAJOR,
    .abi_minor = SINTER_ABI_MINOR,
    .name = "example",
    .version = "1.0.0",
    .build = "",
    .summary = "Ranks newer items higher: a score that halves with every half-life of an item's age.",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .open = open_instance,
    .close = close_instance,
    .inputs = inputs,
    .ranker = &ranker,
};

const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    (void)host_major; /* the host compares versions, not the plugin */
    return &plugin;
}
