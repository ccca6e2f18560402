/* SPDX-License-Identifier: Apache-2.0 */
/* The table that Sinter loads: collaborative filtering as a ranker, a recall source and a trainer. */
#include "cf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

sinter_status cf_fail(sinter_error *err, sinter_status status, const char *where, const char *fix, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err->status = status;
    vsnprintf(err->what, sizeof err->what, format, args);
    snprintf(err->where, sizeof err->where, "%s", where);
    snprintf(err->fix, sizeof err->fix, "%s", fix);
    va_end(args);
    return status;
}

static sinter_status no_memory(const char *where, sinter_error *err)
{
    return cf_fail(err, SINTER_EXHAUSTED, where, "give the server more memory", "no memory for collaborative filtering");
}

static sinter_status load(sinter_instance *me, const sinter_open_args *args, sinter_error *err)
{
    if (strcmp(args->role, "trainer") == 0)
        return SINTER_OK;
    if (args->model_dir == NULL)
        return cf_fail(err, SINTER_PRECONDITION, args->use, "add model: NAME/latest, and train it", "cf has no model to rank by");
    sinter_status status = cf_model_read(me->host, args->model_dir, &me->model, err);
    if (status == SINTER_OK && strcmp(args->role, "ranker") == 0) /* a source need not repeat how its model is trained */
        cf_model_compare(me->host, args->model_dir, &me->settings, me->use);
    return status;
}

static sinter_status open_instance(const sinter_open_args *args, sinter_instance **out, sinter_error *err)
{
    const sinter_host *host = args->host;
    sinter_instance *me = host->alloc(host, sizeof *me);
    if (me == NULL)
        return no_memory(args->use, err);
    *me = (sinter_instance){.host = host};
    snprintf(me->use, sizeof me->use, "%s", args->use);
    cf_settings_read(host, args->options, &me->settings);
    sinter_status status = load(me, args, err);
    if (status != SINTER_OK) {
        host->free(host, me);
        return status;
    }
    *out = me;
    return SINTER_OK;
}

static void close_instance(sinter_instance *me)
{
    me->host->free(me->host, me);
}

/* All that requests will need is taken here: score and recall allocate nothing. */
void cf_worker_close(sinter_worker *w)
{
    const sinter_host *host = w->instance->host;
    void *all[] = {w->score, w->stamp, w->touched, w->taste, w->best};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] != NULL)
            host->free(host, all[i]);
    host->free(host, w);
}

sinter_status cf_worker_open(const sinter_instance *me, sinter_worker **out, sinter_error *err)
{
    const sinter_host *host = me->host;
    size_t n = (size_t)me->model.n_items + 1;
    sinter_worker *w = host->alloc(host, sizeof *w);
    if (w == NULL)
        return no_memory(me->use, err);
    *w = (sinter_worker){.instance = me};
    w->score = host->alloc(host, n * sizeof *w->score);
    w->stamp = host->alloc(host, n * sizeof *w->stamp);
    w->touched = host->alloc(host, n * sizeof *w->touched);
    w->best = host->alloc(host, n * sizeof *w->best);
    w->taste = host->alloc(host, (me->settings.history + 1) * sizeof *w->taste);
    if (w->score == NULL || w->stamp == NULL || w->touched == NULL || w->best == NULL || w->taste == NULL) {
        cf_worker_close(w);
        return no_memory(me->use, err);
    }
    memset(w->stamp, 0, n * sizeof *w->stamp);
    *out = w;
    return SINTER_OK;
}

static sinter_status inputs(const sinter_instance *me, sinter_inputs *want, sinter_error *err)
{
    (void)err;
    want->history = me->settings.history;
    want->dataset = SINTER_DATASET_INTERACTIONS;
    return SINTER_OK;
}

static const sinter_plugin plugin = {
    .size = sizeof(sinter_plugin),
    .abi_major = SINTER_ABI_MAJOR,
    .abi_minor = SINTER_ABI_MINOR,
    .name = "cf",
    .version = "1.0.0",
    .build = "",
    .summary = "Collaborative filtering: items that go with what a person did, learnt from what people did (item-kNN, EASE).",
    .options = cf_options,
    .n_options = CF_OPTIONS,
    .open = open_instance,
    .close = close_instance,
    .worker_open = cf_worker_open,
    .worker_close = cf_worker_close,
    .inputs = inputs,
    .ranker = &cf_ranker,
    .recall = &cf_recall,
    .trainer = &cf_trainer,
};

const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    (void)host_major;
    return &plugin;
}
