/* SPDX-License-Identifier: Apache-2.0 */
/* @name@: a ranker. Made by `sinter plugin new`; it works as it stands: change the options and score_of.
 *
 *     score = strength * ln(1 + feature)
 *
 * Read it from the bottom: the table says which functions the server may call. The whole contract is <sinter/plugin.h>. */
#include <sinter/plugin.h>

#include <math.h>
#include <stdio.h>

/* Made by open, const afterwards: all lanes share it. What must change between calls belongs into a worker (worker_open). */
struct sinter_instance {
    const sinter_host *host;
    const char *feature[1];
    double strength;
};

/* What a pipeline's YAML may say. The server checks it with file:line:column before open is called. */
static const sinter_option options[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_STRING, .key = "feature", .default_text = "text.bm25",
     .doc = "The feature that it ranks by; default text.bm25."},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_NUMBER, .key = "strength", .default_text = "1", .least = 0, .most = 1000,
     .doc = "Factor of the score; default 1."},
};

/* [control] Once a use. Here a model would be loaded. A failure says what is wrong, where, and what to do. */
static sinter_status open_instance(const sinter_open_args *args, sinter_instance **out, sinter_error *err)
{
    const sinter_host *host = args->host;
    sinter_instance *me = host->alloc(host, sizeof *me);
    if (me == NULL) {
        err->status = SINTER_EXHAUSTED;
        snprintf(err->what, sizeof err->what, "no memory for an instance");
        snprintf(err->where, sizeof err->where, "%s", args->use);
        return SINTER_EXHAUSTED;
    }
    me->host = host;
    host->option_string(args->options, "feature", &me->feature[0]);
    host->option_number(args->options, "strength", &me->strength);
    *out = me;
    return SINTER_OK;
}

static void close_instance(sinter_instance *me)
{
    me->host->free(me->host, me);
}

/* [control] The columns of every batch, in this order. */
static sinter_status inputs(const sinter_instance *me, sinter_inputs *want, sinter_error *err)
{
    (void)err;
    want->feature = me->feature;
    want->n_features = 1;
    return SINTER_OK;
}

/* NaN: the item has no such feature. No score is no fault; fusion knows what to do. */
static float score_of(const sinter_instance *me, float feature)
{
    if (isnan(feature)) return SINTER_MISSING;
    return (float)(me->strength * log1p(fmax(0.0, (double)feature)));
}

/* [lane] A block of candidates. No locks, and no memory after the first call. */
static sinter_status score_block(const sinter_instance *me, sinter_worker *worker, const sinter_batch *batch, float *score /* [n] */,
                                 sinter_error *err)
{
    (void)worker;
    (void)err;
    for (uint32_t i = 0; i < batch->n; i++)
        score[i] = score_of(me, batch->feature[(size_t)i * batch->stride]);
    return SINTER_OK;
}

/* [lane] Lines that sum to the score: the server checks. */
static sinter_status explain_row(const sinter_instance *me, sinter_worker *worker, const sinter_batch *batch, uint32_t row,
                                 sinter_sink *sink, sinter_error *err)
{
    float feature = batch->feature[(size_t)row * batch->stride];
    char label[128];
    (void)worker;
    (void)err;
    if (isnan(feature)) return SINTER_OK;
    snprintf(label, sizeof label, "%s is %.4g", me->feature[0], (double)feature);
    me->host->explain(sink, label, (double)score_of(me, feature));
    return SINTER_OK;
}

static const sinter_ranker ranker = {.size = sizeof(sinter_ranker), .score = score_block, .explain = explain_row};

static const sinter_plugin plugin = {
    .size = sizeof(sinter_plugin), .abi_major = SINTER_ABI_MAJOR, .abi_minor = SINTER_ABI_MINOR,
    .name = "@name@", .version = "0.1.0", .build = "",
    .summary = "Ranks by the logarithm of one feature.",
    .options = options, .n_options = sizeof options / sizeof *options,
    .open = open_instance, .close = close_instance, .inputs = inputs,
    .ranker = &ranker,
};

const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    (void)host_major; /* the server compares versions, not the plugin */
    return &plugin;
}
