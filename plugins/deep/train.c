/* SPDX-License-Identifier: Apache-2.0 */
/* Training from end to end: data, epochs, early stopping, what is kept for an interrupted run to go on from. */
#include "train.h"

#include "fit.h"

#include <cblas.h>
#include <stdio.h>
#include <string.h>

typedef struct run {
    const sinter_train_args *args;
    const deep_spec *spec;
    sinter_error *err;
    deep_data train, valid;
    fit fit;
    deep_model best; /* of the epoch best_epoch */
    float *score;    /* [valid rows] */
    uint32_t *order;
    uint64_t used, data;  /* bytes; hash of the data */
    uint32_t epoch, waited; /* epochs done; those since the best */
    uint32_t best_epoch;
    figures best_figures;
    bool stopped;
} run;

/* ---- figures ---- */

static double figure_of(const deep_spec *s, const figures *x)
{
    return s->stop == STOP_AUC ? -x->auc : s->stop == STOP_NDCG ? -x->ndcg : x->valid_loss;
}

static bool report_one(run *r, uint64_t done, uint64_t total, const char *name, double value)
{
    const sinter_train_args *a = r->args;
    bool stop = isfinite(value) && a->progress != NULL && a->progress(a->progress_ctx, done, total, name, value);
    r->stopped |= stop;
    return stop;
}

static void report(run *r, uint32_t epoch, const figures *x)
{
    uint64_t total = r->spec->epochs;
    report_one(r, epoch, total, "loss", x->loss);
    report_one(r, epoch, total, "valid_loss", x->valid_loss);
    report_one(r, epoch, total, "valid_auc", x->auc);
    report_one(r, epoch, total, "valid_ndcg@10", x->ndcg);
    report_one(r, epoch, total, "epoch", x->epoch);
}

static figures validate(run *r, double loss)
{
    const deep_data *d = &r->valid;
    loss_sum sum = {0};
    double ndcg = 0;
    uint64_t counted = 0;
    fit_score(&r->fit, d, r->score, &sum);
    for (uint64_t l = 0; l < d->n_lists; l++) {
        uint64_t first = d->first[l];
        double x = metric_ndcg((uint32_t)(d->first[l + 1] - first), r->score + first, d->label + first, r->order);
        ndcg += isfinite(x) ? x : 0;
        counted += isfinite(x);
    }
    return (figures){.loss = loss, .valid_loss = sum.weight > 0 ? sum.loss / sum.weight : (double)NAN,
                     .auc = metric_auc((uint32_t)d->n_rows, r->score, d->label, r->order),
                     .ndcg = counted > 0 ? ndcg / (double)counted : (double)NAN, .epoch = r->epoch};
}

/* ---- the best so far ---- */

static void keep_best(run *r)
{
    const deep_spec *s = r->spec;
    const deep_model *m = &r->fit.model;
    memcpy(r->best.parameter, m->parameter, s->net.n_parameters * sizeof *m->parameter);
    memcpy(r->best.position, m->position, (s->n_positions + 1) * sizeof *m->position);
    for (uint32_t i = 0; i < s->n_embeddings; i++)
        memcpy(r->best.vectors[i], m->vectors[i], (size_t)m->rows[i] * s->embedding[i].dimension * sizeof(float));
}

/* Takes an epoch's figures; returns whether there is more to hope for. */
static bool judge(run *r, const figures *now)
{
    double figure = figure_of(r->spec, now);
    if (r->best_epoch == 0 || figure < figure_of(r->spec, &r->best_figures)) {
        r->best_figures = *now;
        r->best_epoch = r->epoch;
        r->waited = 0;
        keep_best(r);
    } else {
        r->waited++;
    }
    return r->waited < r->spec->patience;
}

/* ---- epochs ---- */

static sinter_status run_epoch(run *r, double *loss)
{
    fit *f = &r->fit;
    const sinter_host *host = r->args->host;
    loss_sum sum = {0};
    uint64_t start = host->clock_ns(), told = start;
    char message[160];
    fit_shuffle(f, r->epoch);
    for (uint32_t at = 0; at < f->n_order;) {
        fit_step(f, &at, &sum);
        if (!isfinite(sum.loss))
            return deep_fail(r->spec, r->err, SINTER_PRECONDITION, "use a smaller learning_rate",
                             "the loss left the numbers in epoch %u, step %llu", r->epoch + 1, (unsigned long long)f->step);
        uint64_t now = host->clock_ns();
        if (now - told > 1000000000u) { /* a long epoch shows that it moves, and can be stopped */
            told = now;
            if (report_one(r, (uint64_t)r->epoch * f->n_order + at, (uint64_t)r->spec->epochs * f->n_order, "loss", sum.loss / sum.weight))
                return SINTER_OK;
        }
    }
    snprintf(message, sizeof message, "epoch %u: %u %s in %.6f s", r->epoch + 1, f->n_order,
             r->spec->loss == LOSS_SOFTMAX ? "lists" : "hits", (double)(host->clock_ns() - start) / 1e9);
    host->log(host, SINTER_LOG_DEBUG, message);
    *loss = sum.weight > 0 ? sum.loss / sum.weight : (double)NAN;
    return SINTER_OK;
}

static sinter_status run_epochs(run *r)
{
    bool goes_on = r->waited < r->spec->patience;
    while (goes_on && !r->stopped && r->epoch < r->spec->epochs) {
        double loss = (double)NAN;
        sinter_status status = run_epoch(r, &loss);
        if (status != SINTER_OK)
            return status;
        if (r->stopped && r->best_epoch > 0)
            return SINTER_OK; /* within an epoch: the best so far stands */
        r->epoch++;
        figures now = validate(r, loss);
        if (!isfinite(figure_of(r->spec, &now)))
            return deep_fail(r->spec, r->err, SINTER_PRECONDITION, "choose a wider range, or stop_on: loss",
                             "the validation data of %llu hits gives no figure to stop by: it lacks hits with target '%s', or without",
                             (unsigned long long)r->valid.n_rows, r->spec->target);
        report(r, r->epoch, &now);
        goes_on = judge(r, &now);
        status = checkpoint_write(&(checkpoint){.fit = &r->fit, .best = &r->best, .data = r->data, .epoch = r->epoch, .waited = r->waited,
                                                .best_epoch = r->best_epoch, .figures = &r->best_figures},
                                  r->args->out_dir, r->err);
        if (status != SINTER_OK)
            return status;
    }
    return SINTER_OK;
}

/* ---- before and after ---- */

static sinter_status prepare(run *r)
{
    const sinter_train_args *a = r->args;
    const deep_spec *s = r->spec;
    uint32_t rows[DEEP_MOST_EMBEDDINGS], n_items = a->collection->n_items;
    for (uint32_t i = 0; i < s->n_embeddings; i++)
        rows[i] = 1 + (s->embedding[i].is_item ? n_items : s->embedding[i].buckets);
    sinter_status status = data_read(&r->train, a, s, rows, a->train, "training", &r->used, r->err);
    if (status == SINTER_OK)
        status = data_check(&r->train, s, r->err);
    if (status == SINTER_OK)
        status = data_read(&r->valid, a, s, rows, a->valid, "validation", &r->used, r->err);
    if (status == SINTER_OK)
        status = fit_new(&r->fit, s, a->host, &r->train, &r->valid, n_items, a->seed, &r->used, a->memory_limit, r->err);
    if (status == SINTER_OK)
        status = model_new(&r->best, s, a->host, n_items, r->err);
    if (status == SINTER_OK)
        status = data_normalise(&r->train, &r->fit.model, r->err);
    if (status != SINTER_OK)
        return status;
    memcpy(r->best.mean, r->fit.model.mean, s->n_features * sizeof(float));
    memcpy(r->best.scale, r->fit.model.scale, s->n_features * sizeof(float));
    r->score = a->host->alloc(a->host, (r->valid.n_rows + 1) * sizeof *r->score);
    r->order = a->host->alloc(a->host, (r->valid.n_rows + 1) * sizeof *r->order);
    r->data = data_hash(&r->train, s) ^ data_hash(&r->valid, s) << 1;
    return r->score == NULL || r->order == NULL ? deep_no_memory(s->use, r->err) : SINTER_OK;
}

static void resume(run *r)
{
    checkpoint c = {.fit = &r->fit, .best = &r->best, .data = r->data, .figures = &r->best_figures};
    char message[700];
    sinter_error why = SINTER_ERROR_INIT;
    if (r->args->resume_dir == NULL)
        return;
    if (checkpoint_read(&c, r->args->resume_dir, &why) == SINTER_OK) {
        r->epoch = c.epoch;
        r->waited = c.waited;
        r->best_epoch = c.best_epoch;
        snprintf(message, sizeof message, "goes on behind epoch %u", r->epoch);
    } else {
        fit_start(&r->fit);
        snprintf(message, sizeof message, "starts anew: %.500s", why.what);
    }
    r->args->host->log(r->args->host, SINTER_LOG_INFO, message);
}

sinter_status deep_train(const sinter_train_args *args, const deep_spec *spec, sinter_error *err)
{
    run r = {.args = args, .spec = spec, .err = err};
    openblas_set_num_threads(args->threads > 0 ? (int)args->threads : 1);
    sinter_status status = prepare(&r);
    if (status == SINTER_OK) {
        fit_start(&r.fit);
        resume(&r);
        status = run_epochs(&r);
    }
    if (status == SINTER_OK) {
        report(&r, r.best_epoch, &r.best_figures);
        status = model_write(&r.best, args->out_dir, err);
    }
    if (status == SINTER_OK)
        checkpoint_remove(args->out_dir);
    void *const memory[] = {r.score, r.order};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        if (memory[i] != NULL)
            args->host->free(args->host, memory[i]);
    fit_free(&r.fit);
    if (r.best.host != NULL)
        model_free(&r.best);
    if (r.train.host != NULL)
        data_free(&r.train);
    if (r.valid.host != NULL)
        data_free(&r.valid);
    return status;
}
