/* SPDX-License-Identifier: Apache-2.0 */
/* The table that Sinter loads: a network as a ranker, and its trainer. */
#include "rank.h"
#include "train.h"

#include <string.h>

static void close_instance(sinter_instance *me)
{
    if (me->model.host != NULL)
        model_free(&me->model);
    spec_free(&me->spec, me->host);
    me->host->free(me->host, me);
}

static sinter_status open_instance(const sinter_open_args *args, sinter_instance **out, sinter_error *err)
{
    sinter_instance *me = args->host->alloc(args->host, sizeof *me);
    if (me == NULL)
        return deep_no_memory(args->use, err);
    memset(me, 0, sizeof *me);
    me->host = args->host;
    sinter_status status = spec_read(&me->spec, args, err);
    if (status == SINTER_OK && args->model_dir != NULL)
        status = model_read(&me->model, &me->spec, args->host, args->model_dir, err);
    if (status != SINTER_OK) {
        close_instance(me);
        return status;
    }
    *out = me;
    return SINTER_OK;
}

static sinter_status inputs(const sinter_instance *me, sinter_inputs *in, sinter_error *err)
{
    const deep_spec *s = &me->spec;
    (void)err;
    in->feature = s->feature_name;
    in->n_features = s->n_listed;
    in->history_side = s->feature_name + s->n_listed;
    in->n_history_side = s->n_features - s->n_listed;
    in->id_feature = s->id_name;
    in->n_id_features = s->n_ids;
    in->history = s->n_history;
    in->dataset = SINTER_DATASET_REQUESTS;
    in->target = s->target_name;
    in->n_targets = 1;
    return SINTER_OK;
}

static sinter_status train(const sinter_train_args *args, sinter_error *err)
{
    return deep_train(args, &args->instance->spec, err);
}

static const sinter_trainer trainer = {.size = sizeof(sinter_trainer), .train = train};

static const sinter_plugin plugin = {
    .size = sizeof(sinter_plugin),
    .abi_major = SINTER_ABI_MAJOR,
    .abi_minor = SINTER_ABI_MINOR,
    .name = "deep",
    .version = "1.0.0",
    .build = "",
    .summary = "Ranks by a neural network over features, embeddings and the user's history, and trains it from clicks.",
    .options = deep_options,
    .n_options = DEEP_OPTIONS,
    .open = open_instance,
    .close = close_instance,
    .worker_open = deep_worker_open,
    .worker_close = deep_worker_close,
    .inputs = inputs,
    .ranker = &deep_ranker,
    .trainer = &trainer,
};

const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    (void)host_major;
    return &plugin;
}
