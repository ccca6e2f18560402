/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Trains as slowly as it is told, keeps what it has after every epoch, goes on from there, and can be told to fail: for tests of
 * what stands around a trainer. Weights after epoch k: w = 0.9 w + random(seed, k × n + i), so that a resumed run must end with
 * the same bits as one that was not interrupted. */
#include "zoo.h"
#include <math.h>
#include <time.h>

#define STATE "state.safetensors"
#define WEIGHTS "weights.safetensors"

typedef struct learner {
    struct sinter_instance base;
    const char *feature[1], *fault;
    uint32_t n_features;
    int64_t epochs;
    double sleep;
    const float *w;
    uint64_t n;
} learner;

static const char *const FAULTS[] = {"none", "nan", "refuses", "nan_metric", "forgets", NULL};
static const sinter_option options[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_INTEGER, .key = "epochs", .default_text = "3", .doc = "Epochs."},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_DURATION, .key = "sleep", .default_text = "0ms", .doc = "An epoch's length."},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_STRING, .key = "feature", .doc = "One that it asks for."},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_STRING, .key = "fault", .default_text = "none", .choices = FAULTS,
     .doc = "What goes wrong."},
};

static sinter_status open_learner(const sinter_open_args *a, sinter_instance **out, sinter_error *err)
{
    learner *me = a->host->alloc(a->host, sizeof *me);
    memset(me, 0, sizeof *me);
    me->base.host = a->host;
    a->host->option_integer(a->options, "epochs", &me->epochs);
    a->host->option_number(a->options, "sleep", &me->sleep);
    a->host->option_string(a->options, "fault", &me->fault);
    me->n_features = a->host->option_string(a->options, "feature", &me->feature[0]);
    if (strcmp(a->role, "trainer") != 0) {
        const sinter_tensor *t;
        const uint64_t any[1] = {0};
        sinter_status s = a->host->tensor(a->host, a->model_dir ? a->model_dir : "", WEIGHTS, "w", SINTER_TENSOR_F32, 1, any, &t, err);
        if (s != SINTER_OK) {
            zoo_close(&me->base);
            return s;
        }
        me->w = t->data;
        me->n = t->dimension[0];
    }
    *out = &me->base;
    return SINTER_OK;
}

static sinter_status inputs(const sinter_instance *base, sinter_inputs *want, sinter_error *err)
{
    const learner *me = (const learner *)base;
    UNUSED(err);
    want->feature = me->feature;
    want->n_features = me->n_features;
    want->dataset = SINTER_DATASET_INTERACTIONS;
    return SINTER_OK;
}

static sinter_status score(const sinter_instance *base, sinter_worker *w, const sinter_batch *b, float *out, sinter_error *err)
{
    const learner *me = (const learner *)base;
    UNUSED(w), UNUSED(err);
    for (uint32_t i = 0; i < b->n; i++) out[i] = b->item[i] < me->n ? me->w[b->item[i]] : SINTER_MISSING;
    return SINTER_OK;
}

/* The epoch to go on with. */
static int64_t resume(const sinter_train_args *a, float *w, uint64_t n)
{
    const sinter_tensor *t, *epoch;
    sinter_error err = SINTER_ERROR_INIT;
    const uint64_t shape[1] = {n};
    if (!a->resume_dir) return 0;
    if (a->host->tensor(a->host, a->resume_dir, STATE, "w", SINTER_TENSOR_F32, 1, shape, &t, &err) != SINTER_OK ||
        a->host->tensor(a->host, a->resume_dir, STATE, "epoch", SINTER_TENSOR_I64, 0, NULL, &epoch, &err) != SINTER_OK)
        return 0;
    memcpy(w, t->data, n * sizeof *w);
    return *(const int64_t *)epoch->data;
}

static sinter_status keep(const sinter_train_args *a, const char *file, const float *w, uint64_t n, int64_t epoch, sinter_error *err)
{
    const sinter_tensor t[] = {
        {.name = "w", .type = SINTER_TENSOR_F32, .n_dimensions = 1, .dimension = {n}, .data = w},
        {.name = "epoch", .type = SINTER_TENSOR_I64, .n_dimensions = 0, .data = &epoch},
    };
    return a->host->tensors_write(a->host, a->out_dir, file, t, 2, NULL, err);
}

static sinter_status train(const sinter_train_args *a, sinter_error *err)
{
    const learner *me = (const learner *)a->instance;
    const sinter_host *host = a->host;
    uint64_t n = a->collection->n_items;
    float *w = host->alloc(host, n * sizeof *w + 4);
    sinter_status s = SINTER_OK;
    memset(w, 0, n * sizeof *w);
    if (strcmp(me->fault, "refuses") == 0) {
        snprintf(err->what, sizeof err->what, "it does not want to");
        host->free(host, w);
        return SINTER_PRECONDITION;
    }
    int64_t first = resume(a, w, n);
    a->progress(a->progress_ctx, (uint64_t)first, (uint64_t)me->epochs, "resumed_at", (double)first);
    for (int64_t k = first; k < me->epochs && s == SINTER_OK; k++) {
        struct timespec pause = {(time_t)me->sleep, (long)(fmod(me->sleep, 1) * 1e9)};
        nanosleep(&pause, NULL);
        for (uint64_t i = 0; i < n; i++) w[i] = 0.9f * w[i] + (float)host->random(a->seed, (uint64_t)k * n + i);
        s = keep(a, STATE, w, n, k + 1, err);
        bool stop = a->progress(a->progress_ctx, (uint64_t)k + 1, (uint64_t)me->epochs, "loss",
                                strcmp(me->fault, "nan_metric") == 0 ? (double)NAN : 1.0 / (double)(k + 1));
        if (stop) break;
    }
    if (strcmp(me->fault, "nan") == 0 && n) w[0] = NAN;
    if (s == SINTER_OK && strcmp(me->fault, "forgets") != 0) s = keep(a, WEIGHTS, w, n, me->epochs, err);
    host->free(host, w);
    return s;
}

static const sinter_ranker ranker = {.size = sizeof ranker, .score = score};
static const sinter_trainer trainer = {.size = sizeof trainer, .train = train};
ZOO_TABLE(.name = "learner", .options = options, .n_options = sizeof options / sizeof *options,
          .open = open_learner, .inputs = inputs,
          .ranker = &ranker, .trainer = &trainer)
