/* SPDX-License-Identifier: Apache-2.0 */
/* @name@: a ranker that learns. Made by `sinter plugin new`; it works as it stands: change the options, what train adds up and
 * score_of.
 *
 *     score = ln(1 + sum of the weights of all events on the item)
 *
 * `sinter train` opens it with the role "trainer", without a model, in a process of its own; the server opens it with the role
 * "ranker" and the folder that training wrote. The whole contract is <sinter/plugin.h>. */
#include <sinter/plugin.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WEIGHTS "weights.safetensors"

struct sinter_instance {
    const sinter_host *host;
    double least_weight;
    const float *liked; /* [n_items] by ordinal; NULL in a trainer. The host's memory, until close */
    uint64_t n_items;
};

static const sinter_option options[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_NUMBER, .key = "least_weight", .default_text = "0", .least = 0, .most = 1e9,
     .doc = "Training: events of a smaller weight are left out; default 0."},
};

static sinter_status fail(sinter_error *err, sinter_status status, const char *where, const char *fix, const char *what, ...)
{
    va_list args;
    va_start(args, what);
    err->status = status;
    vsnprintf(err->what, sizeof err->what, what, args);
    va_end(args);
    snprintf(err->where, sizeof err->where, "%s", where);
    snprintf(err->fix, sizeof err->fix, "%s", fix);
    return status;
}

/* The host has read and checked the file; its error names it. */
static sinter_status open_model(sinter_instance *me, const sinter_open_args *args, sinter_error *err)
{
    const sinter_tensor *t;
    const uint64_t any[1] = {0};
    if (args->model_dir == NULL)
        return fail(err, SINTER_PRECONDITION, args->use, "add `model: NAME/latest`, and train it", "no model to rank by");
    sinter_status s = me->host->tensor(me->host, args->model_dir, WEIGHTS, "liked", SINTER_TENSOR_F32, 1, any, &t, err);
    if (s != SINTER_OK) return s;
    me->liked = t->data;
    me->n_items = t->dimension[0];
    return SINTER_OK;
}

static sinter_status open_instance(const sinter_open_args *args, sinter_instance **out, sinter_error *err)
{
    const sinter_host *host = args->host;
    sinter_instance *me = host->alloc(host, sizeof *me);
    if (me == NULL) return fail(err, SINTER_EXHAUSTED, args->use, "give the server more memory", "no memory for an instance");
    memset(me, 0, sizeof *me);
    me->host = host;
    host->option_number(args->options, "least_weight", &me->least_weight);
    sinter_status s = strcmp(args->role, "trainer") == 0 ? SINTER_OK : open_model(me, args, err);
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

/* It ranks by an item's number alone; its trainer reads what people did. For one over features and what was shown, ask for
 * `feature`, SINTER_DATASET_REQUESTS and a `target`. */
static sinter_status inputs(const sinter_instance *me, sinter_inputs *want, sinter_error *err)
{
    (void)me;
    (void)err;
    want->dataset = SINTER_DATASET_INTERACTIONS;
    return SINTER_OK;
}

/* ---- rank ---- */

/* An item that came after training, or that nobody touched, has no score: missing, not zero. */
static float score_of(const sinter_instance *me, uint32_t item)
{
    if (item >= me->n_items || me->liked[item] <= 0) return SINTER_MISSING;
    return log1pf(me->liked[item]);
}

static sinter_status score_block(const sinter_instance *me, sinter_worker *worker, const sinter_batch *batch, float *score /* [n] */,
                                 sinter_error *err)
{
    (void)worker;
    (void)err;
    for (uint32_t i = 0; i < batch->n; i++) score[i] = score_of(me, batch->item[i]);
    return SINTER_OK;
}

static sinter_status explain_row(const sinter_instance *me, sinter_worker *worker, const sinter_batch *batch, uint32_t row,
                                 sinter_sink *sink, sinter_error *err)
{
    float score = score_of(me, batch->item[row]);
    char label[64];
    (void)worker;
    (void)err;
    if (sinter_is_missing(score)) return SINTER_OK;
    snprintf(label, sizeof label, "liked %.4g", (double)me->liked[batch->item[row]]);
    me->host->explain(sink, label, (double)score);
    return SINTER_OK;
}

/* ---- train ---- */

static sinter_status add_up(const sinter_train_args *args, float *liked, uint64_t *used, sinter_error *err)
{
    uint64_t done = 0, total = args->data->n_interactions(args->train);
    sinter_interactions batch = {.size = sizeof batch};
    sinter_status s = args->data->rewind(args->train, err);
    while (s == SINTER_OK) {
        s = args->data->next_interactions(args->train, &batch, err);
        if (s != SINTER_OK || batch.n == 0) break;
        for (uint32_t i = 0; i < batch.n; i++) {
            bool counts = batch.item[i] < args->collection->n_items && batch.weight[i] > 0 &&
                          (double)batch.weight[i] >= args->instance->least_weight;
            if (!counts) continue;
            liked[batch.item[i]] += batch.weight[i];
            ++*used;
        }
        done += batch.n;
        args->progress(args->progress_ctx, done, total, NULL, 0);
    }
    return s;
}

/* [control] In a process of its own: reads args->train (and args->valid, which is later), writes into args->out_dir. What can
 * teach nothing is refused, saying so. */
static sinter_status train(const sinter_train_args *args, sinter_error *err)
{
    const sinter_host *host = args->host;
    uint64_t n = args->collection->n_items, used = 0;
    float *liked = host->alloc(host, (size_t)n * sizeof *liked + 1);
    if (liked == NULL) return fail(err, SINTER_EXHAUSTED, "training", "give training more memory", "no memory for %llu items", (unsigned long long)n);
    memset(liked, 0, (size_t)n * sizeof *liked);
    sinter_status s = add_up(args, liked, &used, err);
    if (s == SINTER_OK && used == 0)
        s = fail(err, SINTER_PRECONDITION, "training data", "train when people have acted", "no event of the range counts");
    if (s == SINTER_OK) {
        const sinter_tensor tensor = {.name = "liked", .type = SINTER_TENSOR_F32, .n_dimensions = 1, .dimension = {n}, .data = liked};
        static const char *const text[] = {"made by", "@name@", NULL};
        args->progress(args->progress_ctx, used, used, "events", (double)used);
        s = host->tensors_write(host, args->out_dir, WEIGHTS, &tensor, 1, text, err);
    }
    host->free(host, liked);
    return s;
}

/* ---- the tables ---- */

static const sinter_ranker ranker = {.size = sizeof(sinter_ranker), .score = score_block, .explain = explain_row};
static const sinter_trainer trainer = {.size = sizeof(sinter_trainer), .train = train};

static const sinter_plugin plugin = {
    .size = sizeof(sinter_plugin), .abi_major = SINTER_ABI_MAJOR, .abi_minor = SINTER_ABI_MINOR,
    .name = "@name@", .version = "0.1.0", .build = "",
    .summary = "Ranks what people liked higher; learns from the journal.",
    .options = options, .n_options = sizeof options / sizeof *options,
    .open = open_instance, .close = close_instance, .inputs = inputs,
    .ranker = &ranker, .trainer = &trainer,
};

const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    (void)host_major; /* the server compares versions, not the plugin */
    return &plugin;
}
