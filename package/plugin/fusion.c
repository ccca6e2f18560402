/* SPDX-License-Identifier: Apache-2.0 */
/* @name@: a fusion. Made by `sinter plugin new`; it works as it stands: change the options and `calibrate`.
 *
 *     fused = sum over rankers that scored the item of weight * s / (1 + |s|)
 *
 * An item that no ranker scored gets the lowest value of all. The whole contract is <sinter/plugin.h>. */
#include <sinter/plugin.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

struct sinter_instance {
    const sinter_host *host;
    const char *name[SINTER_MAX_RANKERS]; /* rankers whose weight the options say; owned by the options, which live until close */
    double weight[SINTER_MAX_RANKERS];
    uint32_t n;
};

static const sinter_option options[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_MAP, .element = SINTER_OPTION_NUMBER, .key = "weights",
     .doc = "Weight of each ranker by name, from 0; a ranker that is not named has 1."},
};

static sinter_status fail(sinter_error *err, sinter_status status, const char *where, const char *fix, const char *what, const char *name)
{
    err->status = status;
    snprintf(err->what, sizeof err->what, what, name);
    snprintf(err->where, sizeof err->where, "%s", where);
    snprintf(err->fix, sizeof err->fix, "%s", fix);
    return status;
}

static sinter_status read_weights(sinter_instance *me, const sinter_options *given, sinter_error *err)
{
    const sinter_host *host = me->host;
    for (uint32_t n = host->option_count(given, "weights"); me->n < n; me->n++) {
        char path[256];
        if (me->n == SINTER_MAX_RANKERS) return fail(err, SINTER_INVALID, "weights", "name fewer", "more weights than a stage has %s", "rankers");
        me->name[me->n] = host->option_key(given, "weights", me->n);
        snprintf(path, sizeof path, "weights.%s", me->name[me->n]);
        host->option_number(given, path, &me->weight[me->n]);
        if (!(me->weight[me->n] >= 0)) return fail(err, SINTER_INVALID, path, "0 or more", "the weight of '%s' is negative", me->name[me->n]);
    }
    return SINTER_OK;
}

static sinter_status open_instance(const sinter_open_args *args, sinter_instance **out, sinter_error *err)
{
    const sinter_host *host = args->host;
    sinter_instance *me = host->alloc(host, sizeof *me);
    if (me == NULL) return fail(err, SINTER_EXHAUSTED, args->use, "give the server more memory", "no memory for %s", "an instance");
    memset(me, 0, sizeof *me);
    me->host = host;
    sinter_status s = read_weights(me, args->options, err);
    if (s == SINTER_OK)
        *out = me;
    else
        host->free(host, me);
    return s;
}

static void close_instance(sinter_instance *me)
{
    me->host->free(me->host, me);
}

/* [control] The stage's rankers, in order. A weight for a ranker that is not there is a mistake worth telling. */
static sinter_status check_rankers(const sinter_instance *me, const char *const *ranker, uint32_t n, sinter_error *err)
{
    for (uint32_t k = 0; k < me->n; k++) {
        uint32_t r = 0;
        while (r < n && strcmp(ranker[r], me->name[k]) != 0) r++;
        if (r == n) return fail(err, SINTER_INVALID, "weights", "name a ranker of the stage", "no ranker '%s'", me->name[k]);
    }
    return SINTER_OK;
}

/* Weights in the order of the batch's rankers, and minus their sum: below every fused score. */
static double weights_of(const sinter_instance *me, const sinter_fusion_batch *batch, double weight[SINTER_MAX_RANKERS])
{
    double least = 0;
    for (uint32_t r = 0; r < batch->n_rankers; r++) {
        uint32_t k = 0;
        while (k < me->n && strcmp(batch->ranker[r], me->name[k]) != 0) k++;
        weight[r] = k < me->n ? me->weight[k] : 1;
        least -= weight[r];
    }
    return least;
}

/* Rankers have ranges of their own; this brings all into (-1, 1). */
static double calibrate(float score)
{
    return (double)score / (1 + fabs((double)score));
}

static bool scored(const sinter_fusion_batch *batch, uint32_t row, uint32_t r)
{
    return batch->present[row] >> r & 1;
}

/* [lane] */
static sinter_status fuse(const sinter_instance *me, sinter_worker *worker, const sinter_fusion_batch *batch, float *out /* [n] */,
                          sinter_error *err)
{
    double weight[SINTER_MAX_RANKERS], least = weights_of(me, batch, weight);
    (void)worker;
    (void)err;
    for (uint32_t i = 0; i < batch->n; i++) {
        double sum = batch->present[i] ? 0 : least;
        for (uint32_t r = 0; r < batch->n_rankers; r++)
            if (scored(batch, i, r)) sum += weight[r] * calibrate(batch->score[r][i]);
        out[i] = (float)sum;
    }
    return SINTER_OK;
}

/* [lane] What each ranker gave: bias and contributions sum to the fused score. */
static sinter_status explain(const sinter_instance *me, sinter_worker *worker, const sinter_fusion_batch *batch, uint32_t row,
                             sinter_share *share /* [n_rankers] */, double *bias, sinter_error *err)
{
    double weight[SINTER_MAX_RANKERS], least = weights_of(me, batch, weight);
    (void)worker;
    (void)err;
    *bias = batch->present[row] ? 0 : least;
    for (uint32_t r = 0; r < batch->n_rankers; r++) {
        share[r].calibrated = scored(batch, row, r) ? calibrate(batch->score[r][row]) : 0;
        share[r].contribution = weight[r] * share[r].calibrated;
    }
    return SINTER_OK;
}

static const sinter_fusion fusion = {.size = sizeof(sinter_fusion), .check_rankers = check_rankers, .fuse = fuse, .explain = explain};

static const sinter_plugin plugin = {
    .size = sizeof(sinter_plugin), .abi_major = SINTER_ABI_MAJOR, .abi_minor = SINTER_ABI_MINOR,
    .name = "@name@", .version = "0.1.0", .build = "",
    .summary = "One score from several: a weighted sum of scores brought into one range.",
    .options = options, .n_options = sizeof options / sizeof *options,
    .open = open_instance, .close = close_instance,
    .fusion = &fusion,
};

const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    (void)host_major; /* the server compares versions, not the plugin */
    return &plugin;
}
