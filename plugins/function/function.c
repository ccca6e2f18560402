/* SPDX-License-Identifier: Apache-2.0 */
/* A ranker that is a formula over features: `0.7 * text.title + log1p(item.sales) * exp(-item.age_days / 30)`.
 *
 * The formula is compiled once, at open (compile.c), and evaluated in doubles over blocks of rows (evaluate.c). A result that
 * is not finite leaves the item without a score. Explained by the terms of its outermost sum. */
#include "formula.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct sinter_instance {
    const sinter_host *host;
    char use[128];
    formula formula;
};

struct sinter_worker {
    const sinter_instance *instance;
    double *registers; /* [n_registers][SINTER_BLOCK], 64-byte aligned, inside this block of memory */
    uint64_t n_undefined; /* items with all their features and yet no finite score */
};

static const sinter_option options[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_STRING, .key = "formula", .required = true,
     .doc = "The score as a formula over features, for instance 0.7 * text.title + log1p(item.sales)."},
};

static sinter_status no_memory(const char *where, sinter_error *err)
{
    err->status = SINTER_EXHAUSTED;
    snprintf(err->what, sizeof err->what, "no memory for a formula");
    snprintf(err->where, sizeof err->where, "%s", where);
    snprintf(err->fix, sizeof err->fix, "give the server more memory");
    return SINTER_EXHAUSTED;
}

static sinter_status open_instance(const sinter_open_args *args, sinter_instance **out, sinter_error *err)
{
    const sinter_host *host = args->host;
    const char *text = "";
    host->option_string(args->options, "formula", &text);
    sinter_instance *me = host->alloc(host, sizeof *me);
    if (me == NULL)
        return no_memory(args->use, err);
    me->host = host;
    snprintf(me->use, sizeof me->use, "%s", args->use);
    sinter_status status = formula_compile(&me->formula, text, strlen(text), err);
    if (status != SINTER_OK) {
        sinter_mark mark = host->option_mark(args->options, "formula");
        snprintf(err->where, sizeof err->where, "%s:%u:%u: formula", mark.file == NULL ? args->use : mark.file, mark.line, mark.column);
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

static sinter_status worker_open(const sinter_instance *me, sinter_worker **out, sinter_error *err)
{
    size_t bytes = (size_t)me->formula.n_registers * SINTER_BLOCK * sizeof(double);
    sinter_worker *worker = me->host->alloc(me->host, sizeof *worker + 64 + bytes);
    if (worker == NULL)
        return no_memory(me->use, err);
    worker->instance = me;
    worker->registers = (double *)(((uintptr_t)(worker + 1) + 63) & ~(uintptr_t)63);
    worker->n_undefined = 0;
    formula_prepare(&me->formula, worker->registers);
    *out = worker;
    return SINTER_OK;
}

static void worker_close(sinter_worker *worker)
{
    const sinter_instance *me = worker->instance;
    if (worker->n_undefined > 0) {
        char message[256];
        snprintf(message, sizeof message, "%s: the formula had no finite value %llu times on this lane", me->use,
                 (unsigned long long)worker->n_undefined);
        me->host->log(me->host, SINTER_LOG_INFO, message);
    }
    me->host->free(me->host, worker);
}

static sinter_status inputs(const sinter_instance *me, sinter_inputs *want, sinter_error *err)
{
    (void)err;
    want->feature = me->formula.feature;
    want->n_features = me->formula.n_features;
    return SINTER_OK;
}

/* Called for an item whose result is not finite. Where a feature is missing that was to be expected; where none is, the
 * formula left its domain (the logarithm of a negative number, a division by zero): counted, and said once a lane. */
static void note_undefined(const sinter_instance *me, sinter_worker *worker, const float *feature /* [n_features] */, uint32_t item)
{
    const formula *f = &me->formula;
    for (uint32_t k = 0; k < f->n_features; k++)
        if (!isfinite(feature[k]))
            return;
    if (worker->n_undefined++ > 0)
        return;
    char message[1024];
    int used = snprintf(message, sizeof message, "%s: '%.200s' has no finite value for item %u, which gets no score (", me->use,
                        f->text, item);
    for (uint32_t k = 0; k < f->n_features && used < (int)sizeof message - 100; k++)
        used += snprintf(message + used, sizeof message - (size_t)used, "%s%.60s = %.6g", k == 0 ? "" : ", ", f->feature[k],
                         (double)feature[k]);
    snprintf(message + used, sizeof message - (size_t)used, "); said once a lane");
    me->host->log(me->host, SINTER_LOG_WARN, message);
}

static sinter_status score(const sinter_instance *me, sinter_worker *worker, const sinter_batch *batch, float *score /* [n] */,
                           sinter_error *err)
{
    const formula *f = &me->formula;
    const double *result = worker->registers + (size_t)f->result * SINTER_BLOCK;
    (void)err;
    for (uint32_t start = 0; start < batch->n; start += SINTER_BLOCK) {
        uint32_t n = batch->n - start < SINTER_BLOCK ? batch->n - start : SINTER_BLOCK;
        const float *feature = batch->feature + (size_t)start * batch->stride;
        formula_load(f, worker->registers, feature, batch->stride, n);
        formula_run(f, worker->registers, 0, f->n_steps, n);
        for (uint32_t i = 0; i < n; i++) {
            float value = (float)result[i];
            score[start + i] = isfinite(value) ? value : SINTER_MISSING;
            if (!isfinite(value))
                note_undefined(me, worker, feature + (size_t)i * batch->stride, batch->item[start + i]);
        }
    }
    return SINTER_OK;
}

/* The terms in the order in which the score added them up, so their sum is the score bit for bit before its rounding to
 * float. Each is read when it has just been computed, before a later step takes its register. */
static sinter_status explain(const sinter_instance *me, sinter_worker *worker, const sinter_batch *batch, uint32_t row,
                             sinter_sink *sink, sinter_error *err)
{
    const formula *f = &me->formula;
    double value[FORMULA_TERMS];
    uint32_t done = 0;
    (void)err;
    formula_load(f, worker->registers, batch->feature + (size_t)row * batch->stride, batch->stride, 1);
    for (uint32_t t = 0; t < f->n_terms; t++) {
        formula_run(f, worker->registers, done, f->term[t].after, 1);
        done = f->term[t].after;
        value[t] = worker->registers[(size_t)f->term[t].from * SINTER_BLOCK];
    }
    formula_run(f, worker->registers, done, f->n_steps, 1);
    if (!isfinite((float)worker->registers[(size_t)f->result * SINTER_BLOCK]))
        return SINTER_OK; /* no score, nothing to explain */
    for (uint32_t t = 0; t < f->n_terms; t++) {
        char label[256];
        snprintf(label, sizeof label, "%s%.*s", f->term[t].negative ? "- " : "", f->term[t].end - f->term[t].start,
                 f->text + f->term[t].start);
        me->host->explain(sink, label, f->term[t].negative ? -value[t] : value[t]);
    }
    return SINTER_OK;
}

static const sinter_ranker ranker = {.size = sizeof(sinter_ranker), .score = score, .explain = explain};

static const sinter_plugin plugin = {
    .size = sizeof(sinter_plugin),
    .abi_major = SINTER_ABI_MAJOR,
    .abi_minor = SINTER_ABI_MINOR,
    .name = "function",
    .version = "1.0.0",
    .build = "",
    .summary = "Scores items by a formula over features, explained by its terms.",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .open = open_instance,
    .close = close_instance,
    .worker_open = worker_open,
    .worker_close = worker_close,
    .inputs = inputs,
    .ranker = &ranker,
};

const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    (void)host_major;
    return &plugin;
}
