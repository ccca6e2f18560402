/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest ranker that learns, made to be copied: what people liked lately scores higher.
 *
 *     popularity of an item = sum over events on it of weight × 0.5 ^ (age at training / half_life_days)
 *     score = ln(1 + popularity)
 *
 * A plugin that trains is opened in two ways, and both are this file: for the role "trainer", without a model, in a process of
 * its own; and for the role "ranker", with the folder that the trainer wrote, in the server. What the trainer must hand over
 * stands in that folder as tensors; the host writes and reads them. Everything else is as in plugins/example: read this file
 * from the bottom. docs/training-plugins.md walks through it. */
#include <sinter/plugin.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WEIGHTS "weights.safetensors"

struct sinter_instance {
    const sinter_host *host;
    double half_life_days;
    const float *popularity; /* [n_items] by ordinal; NULL in a trainer. The host's memory, until close */
    uint64_t n_items;
};

static const sinter_option options[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_NUMBER, .key = "half_life_days", .default_text = "30",
     .least = 0.001, .most = 100000, .doc = "Training: days after which an event counts half; default 30."},
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

/* ---- open ------------------------------------------------------------------------------------------------------------------ */

/* The host has read and checked the file: its offsets lie within it, every value is finite. What only the plugin knows it
 * checks itself: here, that there is one row of popularity. An item that came after training has none. */
static sinter_status open_model(sinter_instance *me, const sinter_open_args *args, sinter_error *err)
{
    const sinter_tensor *t;
    const uint64_t any[1] = {0};
    if (args->model_dir == NULL)
        return fail(err, SINTER_PRECONDITION, args->use, "add `model: NAME/latest`, and train it", "popular has no model to rank by");
    sinter_status s = me->host->tensor(me->host, args->model_dir, WEIGHTS, "popularity", SINTER_TENSOR_F32, 1, any, &t, err);
    if (s != SINTER_OK)
        return s;
    me->popularity = t->data;
    me->n_items = t->dimension[0];
    return SINTER_OK;
}

static void close_instance(sinter_instance *me)
{
    me->host->free(me->host, me);
}

static sinter_status open_instance(const sinter_open_args *args, sinter_instance **out, sinter_error *err)
{
    const sinter_host *host = args->host;
    sinter_instance *me = host->alloc(host, sizeof *me);
    if (me == NULL)
        return fail(err, SINTER_EXHAUSTED, args->use, "give the server more memory", "no memory for an instance");
    memset(me, 0, sizeof *me);
    me->host = host;
    host->option_number(args->options, "half_life_days", &me->half_life_days);
    sinter_status s = strcmp(args->role, "trainer") == 0 ? SINTER_OK : open_model(me, args, err);
    if (s != SINTER_OK) {
        close_instance(me);
        return s;
    }
    *out = me;
    return SINTER_OK;
}

/* It ranks by an item's number alone: no features. For its trainer the host brings what people did. */
static sinter_status inputs(const sinter_instance *me, sinter_inputs *want, sinter_error *err)
{
    (void)me;
    (void)err;
    want->dataset = SINTER_DATASET_INTERACTIONS;
    return SINTER_OK;
}

/* ---- rank ------------------------------------------------------------------------------------------------------------------ */

/* An item that the model does not know, or that nobody touched, has no score: that is missing, not zero. */
static float score_of(const sinter_instance *me, uint32_t item)
{
    if (item >= me->n_items || me->popularity[item] <= 0)
        return SINTER_MISSING;
    return log1pf(me->popularity[item]);
}

static sinter_status score_block(const sinter_instance *me, sinter_worker *worker, const sinter_batch *batch,
                                 float *score /* [n] */, sinter_error *err)
{
    (void)worker;
    (void)err;
    for (uint32_t i = 0; i < batch->n; i++)
        score[i] = score_of(me, batch->item[i]);
    return SINTER_OK;
}

static sinter_status explain_row(const sinter_instance *me, sinter_worker *worker, const sinter_batch *batch, uint32_t row,
                                 sinter_sink *sink, sinter_error *err)
{
    float score = score_of(me, batch->item[row]);
    char label[128];
    (void)worker;
    (void)err;
    if (sinter_is_missing(score))
        return SINTER_OK;
    snprintf(label, sizeof label, "popularity %.4g", (double)me->popularity[batch->item[row]]);
    me->host->explain(sink, label, (double)score);
    return SINTER_OK;
}

/* ---- train ------------------------------------------------------------------------------------------------------------------- */

/* Adds up one pass over the dataset. The host asks to stop by progress's answer: here there is nothing worth keeping before the
 * pass is done, so it goes on. */
static sinter_status add_up(const sinter_train_args *args, double *sum, uint64_t *used, sinter_error *err)
{
    const sinter_instance *me = args->instance;
    uint64_t done = 0, total = args->data->n_interactions(args->train);
    sinter_interactions batch = {.size = sizeof batch};
    sinter_status s = args->data->rewind(args->train, err);
    while (s == SINTER_OK) {
        s = args->data->next_interactions(args->train, &batch, err);
        if (s != SINTER_OK || batch.n == 0)
            break;
        for (uint32_t i = 0; i < batch.n; i++) {
            double age_days = (double)(args->now_ms - batch.time_ms[i]) / 86400e3;
            if (batch.item[i] >= args->collection->n_items || !(batch.weight[i] > 0))
                continue;
            sum[batch.item[i]] += (double)batch.weight[i] * exp2(-fmax(0, age_days) / me->half_life_days);
            ++*used;
        }
        done += batch.n;
        args->progress(args->progress_ctx, done, total, NULL, 0);
    }
    return s;
}

/* The validation metric: in what share of later events the item was among the hundred most popular. */
static sinter_status measure(const sinter_train_args *args, const float *popularity, double *share, sinter_error *err)
{
    uint64_t hits = 0, events = 0;
    sinter_interactions batch = {.size = sizeof batch};
    sinter_status s = args->data->rewind(args->valid, err);
    while (s == SINTER_OK) {
        s = args->data->next_interactions(args->valid, &batch, err);
        if (s != SINTER_OK || batch.n == 0)
            break;
        for (uint32_t i = 0; i < batch.n && events < 10000; i++) {
            uint32_t better = 0, n = args->collection->n_items;
            if (batch.item[i] >= n)
                continue;
            for (uint32_t k = 0; k < n; k++)
                better += popularity[k] > popularity[batch.item[i]];
            hits += better < 100;
            events++;
        }
    }
    *share = events > 0 ? (double)hits / (double)events : 0;
    return s;
}

static sinter_status write_model(const sinter_train_args *args, const float *popularity, sinter_error *err)
{
    const sinter_tensor tensor = {.name = "popularity", .type = SINTER_TENSOR_F32, .n_dimensions = 1,
                                  .dimension = {args->collection->n_items}, .data = popularity};
    static const char *const text[] = {"made by", "popular", NULL};
    return args->host->tensors_write(args->host, args->out_dir, WEIGHTS, &tensor, 1, text, err);
}

static sinter_status train_with(const sinter_train_args *args, double *sum, float *popularity, sinter_error *err)
{
    uint64_t used = 0;
    double share;
    sinter_status s = add_up(args, sum, &used, err);
    if (s == SINTER_OK && used == 0)
        return fail(err, SINTER_PRECONDITION, "training data", "train when people have acted, or give event types a weight above 0",
                    "no event of the range has a weight above 0");
    for (uint32_t i = 0; i < args->collection->n_items; i++)
        popularity[i] = (float)sum[i];
    if (s == SINTER_OK)
        s = measure(args, popularity, &share, err);
    if (s == SINTER_OK)
        args->progress(args->progress_ctx, used, used, "valid_top100", share);
    return s == SINTER_OK ? write_model(args, popularity, err) : s;
}

/* [control] In a process of its own. Reads args->train and args->valid, writes into args->out_dir, and touches nothing else. */
static sinter_status train(const sinter_train_args *args, sinter_error *err)
{
    const sinter_host *host = args->host;
    size_t n = args->collection->n_items;
    double *sum = host->alloc(host, n * sizeof *sum + 1);
    float *popularity = host->alloc(host, n * sizeof *popularity + 1);
    sinter_status s;
    if (sum == NULL || popularity == NULL) {
        s = fail(err, SINTER_EXHAUSTED, "training", "give training more memory", "no memory for %zu items", n);
    } else {
        memset(sum, 0, n * sizeof *sum);
        s = train_with(args, sum, popularity, err);
    }
    host->free(host, sum);
    host->free(host, popularity);
    return s;
}

/* ---- the tables ---------------------------------------------------------------------------------------------------------------- */

static const sinter_ranker ranker = {
    .size = sizeof(sinter_ranker),
    .score = score_block,
    .explain = explain_row,
};

static const sinter_trainer trainer = {
    .size = sizeof(sinter_trainer),
    .train = train,
};

static const sinter_plugin plugin = {
    .size = sizeof(sinter_plugin),
    .abi_major = SINTER_ABI_MAJOR,
    .abi_minor = SINTER_ABI_MINOR,
    .name = "popular",
    .version = "1.0.0",
    .build = "",
    .summary = "Ranks what people liked lately higher: events by weight, halved with every half-life; learns from the journal.",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .open = open_instance,
    .close = close_instance,
    .inputs = inputs,
    .ranker = &ranker,
    .trainer = &trainer,
};

const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    (void)host_major; /* the host compares versions, not the plugin */
    return &plugin;
}
