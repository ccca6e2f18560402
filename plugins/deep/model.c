/* SPDX-License-Identifier: Apache-2.0 */
/* A model's memory and its file. The file holds weights without padding, in the order [in][out], vectors, the normalisation,
 * and in its metadata the network that they were trained for. */
#include "model.h"

#include <stdio.h>
#include <string.h>

enum { MOST_TENSORS = 4 + 2 * DEEP_MOST_LAYERS + DEEP_MOST_EMBEDDINGS, TENSOR_NAME = DEEP_NAME + 32 };

static void *take(const sinter_host *host, size_t size)
{
    void *p = host->alloc(host, size + 64);
    return p == NULL ? NULL : memset(p, 0, size + 64);
}

static sinter_status make_room(deep_model *m, sinter_error *err)
{
    const deep_spec *s = m->spec;
    m->mean = take(m->host, s->n_features * sizeof *m->mean);
    m->scale = take(m->host, s->n_features * sizeof *m->scale);
    m->parameter = take(m->host, s->net.n_parameters * sizeof *m->parameter);
    return m->mean == NULL || m->scale == NULL || m->parameter == NULL ? deep_no_memory(s->use, err) : SINTER_OK;
}

sinter_status model_new(deep_model *m, const deep_spec *s, const sinter_host *host, uint32_t n_items, sinter_error *err)
{
    *m = (deep_model){.spec = s, .host = host};
    sinter_status status = make_room(m, err);
    for (uint32_t i = 0; i < s->n_embeddings && status == SINTER_OK; i++) {
        m->rows[i] = 1 + (s->embedding[i].is_item ? n_items : s->embedding[i].buckets);
        m->vectors[i] = take(host, (size_t)m->rows[i] * s->embedding[i].dimension * sizeof(float));
        status = m->vectors[i] == NULL ? deep_no_memory(s->use, err) : SINTER_OK;
    }
    if (status == SINTER_OK) {
        m->position = take(host, (s->n_positions + 1) * sizeof *m->position);
        status = m->position == NULL ? deep_no_memory(s->use, err) : SINTER_OK;
    }
    if (status != SINTER_OK)
        model_free(m);
    return status;
}

void model_free(deep_model *m)
{
    void *const all[] = {m->mean, m->scale, m->parameter, m->position};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] != NULL)
            m->host->free(m->host, all[i]);
    for (uint32_t i = 0; !m->is_mapped && i < DEEP_MOST_EMBEDDINGS; i++)
        if (m->vectors[i] != NULL)
            m->host->free(m->host, m->vectors[i]);
    *m = (deep_model){0};
}

/* ---- the file ---- */

typedef struct names {
    char text[MOST_TENSORS][TENSOR_NAME];
    uint32_t n;
} names;

/* A layer's number in the file: dropout, which leaves no trace in the weights, is not counted. */
static uint32_t layer_number(const network *net, uint32_t at)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < at; i++)
        n += net->layer[i].kind != LAYER_DROPOUT;
    return n;
}

/* The shapes and places of one layer's two tensors; false: it has none. */
static bool layer_shape(const layer *l, uint32_t *n_dimensions, uint64_t dimension[2])
{
    if (l->kind != LAYER_DENSE && l->kind != LAYER_NORM)
        return false;
    *n_dimensions = l->kind == LAYER_DENSE ? 2 : 1;
    dimension[0] = l->kind == LAYER_DENSE ? l->in : l->out;
    dimension[1] = l->out;
    return true;
}

/* Between padded rows and rows without padding. */
static void copy_rows(uint32_t rows, uint32_t n, real *padded, float *plain, bool pack)
{
    for (uint32_t i = 0; i < rows; i++) {
        real *a = padded + (size_t)i * stride(n);
        float *b = plain + (size_t)i * n;
        memcpy(pack ? (void *)b : (void *)a, pack ? (void *)a : (void *)b, n * sizeof(float));
    }
}

static sinter_tensor *add(sinter_tensor *t, uint32_t *n, names *kept, const char *name, const void *data, uint32_t n_dimensions,
                          uint64_t first, uint64_t second)
{
    snprintf(kept->text[*n], TENSOR_NAME, "%s", name);
    t[*n] = (sinter_tensor){.name = kept->text[*n], .type = SINTER_TENSOR_F32, .n_dimensions = n_dimensions,
                            .dimension = {first, second}, .data = data};
    return &t[(*n)++];
}

sinter_status model_write(const deep_model *m, const char *dir, sinter_error *err)
{
    const deep_spec *s = m->spec;
    const network *net = &s->net;
    sinter_tensor tensor[MOST_TENSORS];
    char name[TENSOR_NAME];
    uint32_t n = 0;
    names *kept = take(m->host, sizeof *kept);
    float *plain = take(m->host, net->n_parameters * sizeof *plain), *at = plain;
    sinter_status status = kept == NULL || plain == NULL ? deep_no_memory(s->use, err) : SINTER_OK;
    for (uint32_t i = 0; i < net->n_layers && status == SINTER_OK; i++) {
        const layer *l = &net->layer[i];
        uint32_t dimensions;
        uint64_t shape[2];
        if (!layer_shape(l, &dimensions, shape))
            continue;
        uint32_t rows = dimensions == 2 ? l->in : 1;
        snprintf(name, sizeof name, "layers.%u.weight", layer_number(net, i));
        copy_rows(rows, l->out, m->parameter + l->weight, at, true);
        add(tensor, &n, kept, name, at, dimensions, shape[0], shape[1]);
        at += (size_t)rows * l->out;
        snprintf(name, sizeof name, "layers.%u.bias", layer_number(net, i));
        add(tensor, &n, kept, name, m->parameter + l->bias, 1, l->out, 0);
    }
    for (uint32_t i = 0; i < s->n_embeddings && status == SINTER_OK; i++) {
        snprintf(name, sizeof name, "embeddings.%s", s->embedding[i].name);
        add(tensor, &n, kept, name, m->vectors[i], 2, m->rows[i], s->embedding[i].dimension);
    }
    if (status == SINTER_OK) {
        const char *const text[] = {"network", s->text, "plugin", "deep", NULL};
        if (s->n_features > 0) {
            add(tensor, &n, kept, "features.mean", m->mean, 1, s->n_features, 0);
            add(tensor, &n, kept, "features.scale", m->scale, 1, s->n_features, 0);
        }
        if (s->n_positions > 0)
            add(tensor, &n, kept, "position.bias", m->position, 1, s->n_positions + 1, 0);
        status = m->host->tensors_write(m->host, dir, DEEP_FILE, tensor, n, text, err);
    }
    if (kept != NULL)
        m->host->free(m->host, kept);
    if (plain != NULL)
        m->host->free(m->host, plain);
    return status;
}

/* Where two descriptions part, so that the message names what differs. */
static sinter_status refuse_other(const deep_model *m, const char *dir, const char *found, sinter_error *err)
{
    const char *wanted = m->spec->text;
    size_t i = 0, word = 0;
    for (; found[i] != 0 && found[i] == wanted[i]; i++)
        word = found[i] == ' ' ? i + 1 : word;
    err->status = SINTER_PRECONDITION;
    snprintf(err->what, sizeof err->what, "the model was trained for another network: it has '%.200s' where the options have '%.200s'",
             found + word, wanted + word);
    snprintf(err->where, sizeof err->where, "%s/%s: %s", dir, DEEP_FILE, m->spec->use);
    snprintf(err->fix, sizeof err->fix, "train it anew: sinter train %s", m->spec->use);
    return SINTER_PRECONDITION;
}

static sinter_status read_tensor(deep_model *m, const char *dir, const char *name, uint32_t n_dimensions, uint64_t first, uint64_t second,
                                 const sinter_tensor **out, sinter_error *err)
{
    const uint64_t dimension[2] = {first, second};
    return m->host->tensor(m->host, dir, DEEP_FILE, name, SINTER_TENSOR_F32, n_dimensions, dimension, out, err);
}

static sinter_status read_layer(deep_model *m, const char *dir, uint32_t i, sinter_error *err)
{
    const network *net = &m->spec->net;
    const layer *l = &net->layer[i];
    char name[TENSOR_NAME];
    const sinter_tensor *t;
    uint32_t dimensions;
    uint64_t shape[2];
    if (!layer_shape(l, &dimensions, shape))
        return SINTER_OK;
    snprintf(name, sizeof name, "layers.%u.weight", layer_number(net, i));
    sinter_status status = read_tensor(m, dir, name, dimensions, shape[0], shape[1], &t, err);
    if (status != SINTER_OK)
        return status;
    copy_rows(dimensions == 2 ? l->in : 1, l->out, m->parameter + l->weight, (float *)(uintptr_t)t->data, false);
    snprintf(name, sizeof name, "layers.%u.bias", layer_number(net, i));
    status = read_tensor(m, dir, name, 1, l->out, 0, &t, err);
    if (status == SINTER_OK)
        memcpy(m->parameter + l->bias, t->data, l->out * sizeof(float));
    return status;
}

static sinter_status read_all(deep_model *m, const char *dir, sinter_error *err)
{
    const deep_spec *s = m->spec;
    const sinter_tensor *t;
    uint32_t n;
    sinter_status status = m->host->tensors_read(m->host, dir, DEEP_FILE, &t, &n, err);
    if (status != SINTER_OK)
        return status;
    const char *found = m->host->tensors_text(m->host, dir, DEEP_FILE, "network");
    if (found == NULL || strcmp(found, s->text) != 0)
        return refuse_other(m, dir, found == NULL ? "" : found, err);
    for (uint32_t i = 0; i < s->net.n_layers && status == SINTER_OK; i++)
        status = read_layer(m, dir, i, err);
    for (uint32_t i = 0; i < s->n_embeddings && status == SINTER_OK; i++) {
        const embedding *e = &s->embedding[i];
        char name[TENSOR_NAME];
        snprintf(name, sizeof name, "embeddings.%s", e->name);
        status = read_tensor(m, dir, name, 2, e->is_item ? 0 : e->buckets + 1, e->dimension, &t, err);
        if (status == SINTER_OK && (t->dimension[0] == 0 || t->dimension[0] > UINT32_MAX))
            status = refuse_other(m, dir, "embedding without rows", err);
        if (status == SINTER_OK) {
            m->vectors[i] = (float *)(uintptr_t)t->data;
            m->rows[i] = (uint32_t)t->dimension[0];
        }
    }
    for (uint32_t k = 0; k < 2 && s->n_features > 0 && status == SINTER_OK; k++) {
        status = read_tensor(m, dir, k == 0 ? "features.mean" : "features.scale", 1, s->n_features, 0, &t, err);
        if (status == SINTER_OK)
            memcpy(k == 0 ? m->mean : m->scale, t->data, s->n_features * sizeof(float));
    }
    return status;
}

sinter_status model_read(deep_model *m, const deep_spec *s, const sinter_host *host, const char *dir, sinter_error *err)
{
    *m = (deep_model){.spec = s, .host = host, .is_mapped = true};
    sinter_status status = make_room(m, err);
    if (status == SINTER_OK)
        status = read_all(m, dir, err);
    if (status != SINTER_OK)
        model_free(m);
    return status;
}
