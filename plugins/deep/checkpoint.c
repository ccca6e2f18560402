/* SPDX-License-Identifier: Apache-2.0 */
/* What an interrupted run goes on from: weights, the optimiser's memory, the best weights so far, and where it stood. Chance
 * needs no state of its own: it is a function of the seed and of the numbers of epoch and step. */
#include "train.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "checkpoint.safetensors"
#define FILE_NEW "checkpoint.new.safetensors"

enum { MOST_TENSORS = 12 + 4 * DEEP_MOST_EMBEDDINGS, NAME = DEEP_NAME + 32 };

typedef struct listing {
    char name[MOST_TENSORS][NAME];
    void *data[MOST_TENSORS];
    uint64_t size[MOST_TENSORS]; /* elements */
    sinter_tensor_type type[MOST_TENSORS];
    uint32_t n;
    uint64_t state[4]; /* epoch, waited, best epoch, step */
    double figure[5];
    char data_hash[24], seed[24];
} listing;

static void list(listing *l, const char *what, const char *of, void *data, uint64_t n, sinter_tensor_type type)
{
    snprintf(l->name[l->n], NAME, "%s%s", what, of);
    l->data[l->n] = data;
    l->type[l->n] = type;
    l->size[l->n++] = n;
}

/* The one list of what is in the file, for writing and reading. */
static void list_all(listing *l, const checkpoint *c)
{
    fit *f = c->fit;
    const deep_spec *s = f->spec;
    uint64_t n = s->net.n_parameters, places = s->n_positions + 1;
    l->n = 0;
    list(l, "parameters", "", f->model.parameter, n, SINTER_TENSOR_F32);
    list(l, "adam.mean", "", f->mean, n, SINTER_TENSOR_F32);
    list(l, "adam.square", "", f->square, n, SINTER_TENSOR_F32);
    list(l, "best.parameters", "", c->best->parameter, n, SINTER_TENSOR_F32);
    list(l, "position", "", f->model.position, places, SINTER_TENSOR_F32);
    list(l, "position.mean", "", f->position_mean, places, SINTER_TENSOR_F32);
    list(l, "position.square", "", f->position_square, places, SINTER_TENSOR_F32);
    list(l, "best.position", "", c->best->position, places, SINTER_TENSOR_F32);
    for (uint32_t i = 0; i < s->n_embeddings; i++) {
        uint64_t size = (uint64_t)f->model.rows[i] * s->embedding[i].dimension;
        list(l, "vectors.", s->embedding[i].name, f->model.vectors[i], size, SINTER_TENSOR_F32);
        list(l, "mean.", s->embedding[i].name, f->table[i].mean, size, SINTER_TENSOR_F32);
        list(l, "square.", s->embedding[i].name, f->table[i].square, size, SINTER_TENSOR_F32);
        list(l, "best.", s->embedding[i].name, c->best->vectors[i], size, SINTER_TENSOR_F32);
    }
    list(l, "state", "", l->state, 4, SINTER_TENSOR_U64);
    list(l, "figures", "", l->figure, 5, SINTER_TENSOR_F64);
    snprintf(l->data_hash, sizeof l->data_hash, "%016llx", (unsigned long long)c->data);
    snprintf(l->seed, sizeof l->seed, "%llu", (unsigned long long)f->seed);
}

/* Figures that the data has not are kept as −1: no tensor holds NaN. */
static double plain(double x)
{
    return isfinite(x) ? x : -1;
}

sinter_status checkpoint_write(const checkpoint *c, const char *dir, sinter_error *err)
{
    const sinter_host *host = c->fit->host;
    listing *l = host->alloc(host, sizeof *l);
    sinter_tensor *tensor = host->alloc(host, MOST_TENSORS * sizeof *tensor);
    sinter_status status = l == NULL || tensor == NULL ? deep_no_memory(c->fit->spec->use, err) : SINTER_OK;
    if (status == SINTER_OK) {
        list_all(l, c);
        memcpy(l->state, (uint64_t[]){c->epoch, c->waited, c->best_epoch, c->fit->step}, sizeof l->state);
        memcpy(l->figure, (double[]){plain(c->figures->loss), plain(c->figures->valid_loss), plain(c->figures->auc),
                                     plain(c->figures->ndcg), c->figures->epoch}, sizeof l->figure);
        for (uint32_t i = 0; i < l->n; i++)
            tensor[i] = (sinter_tensor){.name = l->name[i], .type = l->type[i], .n_dimensions = 1, .dimension = {l->size[i]}, .data = l->data[i]};
        const char *const text[] = {"network", c->fit->spec->text, "data", l->data_hash, "seed", l->seed, NULL};
        status = host->tensors_write(host, dir, FILE_NEW, tensor, l->n, text, err);
    }
    char from[4096], to[4096];
    snprintf(from, sizeof from, "%s/%s", dir, FILE_NEW);
    snprintf(to, sizeof to, "%s/%s", dir, FILE_NAME);
    if (status == SINTER_OK && rename(from, to) != 0) {
        snprintf(err->what, sizeof err->what, "cannot rename %.500s: %s", from, strerror(errno));
        status = err->status = SINTER_IO;
    }
    if (l != NULL)
        host->free(host, l);
    if (tensor != NULL)
        host->free(host, tensor);
    return status;
}

static sinter_status check_texts(const checkpoint *c, const listing *l, const char *dir, sinter_error *err)
{
    const struct {
        const char *key, *expected;
    } texts[] = {{"network", c->fit->spec->text}, {"seed", l->seed}, {"data", l->data_hash}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *found = c->fit->host->tensors_text(c->fit->host, dir, FILE_NAME, texts[i].key);
        if (found == NULL || strcmp(found, texts[i].expected) != 0)
            return deep_fail(c->fit->spec, err, SINTER_PRECONDITION, "", "what stands there has another %s", texts[i].key);
    }
    return SINTER_OK;
}

sinter_status checkpoint_read(checkpoint *c, const char *dir, sinter_error *err)
{
    const sinter_host *host = c->fit->host;
    const sinter_tensor *all, *t;
    uint32_t n;
    listing *l = host->alloc(host, sizeof *l);
    if (l == NULL)
        return deep_no_memory(c->fit->spec->use, err);
    list_all(l, c);
    sinter_status status = host->tensors_read(host, dir, FILE_NAME, &all, &n, err);
    if (status == SINTER_OK)
        status = check_texts(c, l, dir, err);
    for (uint32_t i = 0; i < l->n && status == SINTER_OK; i++) {
        status = host->tensor(host, dir, FILE_NAME, l->name[i], l->type[i], 1, &l->size[i], &t, err);
        if (status == SINTER_OK)
            memcpy(l->data[i], t->data, l->size[i] * (l->type[i] == SINTER_TENSOR_F32 ? 4 : 8));
    }
    if (status == SINTER_OK) {
        c->epoch = (uint32_t)l->state[0];
        c->waited = (uint32_t)l->state[1];
        c->best_epoch = (uint32_t)l->state[2];
        c->fit->step = l->state[3];
        *c->figures = (figures){l->figure[0], l->figure[1], l->figure[2] < 0 ? (double)NAN : l->figure[2],
                                l->figure[3] < 0 ? (double)NAN : l->figure[3], l->figure[4]};
    }
    host->free(host, l);
    return status;
}

void checkpoint_remove(const char *dir)
{
    const char *const files[] = {FILE_NAME, FILE_NEW};
    char path[4096];
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
}
