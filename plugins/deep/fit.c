/* SPDX-License-Identifier: Apache-2.0 */
/* A step of training: rows to inputs, forward, loss, backward, Adam. */
#include "fit.h"
#include "random.h"

#include <string.h>

enum { SCORE_ROWS = 256, MOST_LIST_ROWS = 32768 };

static void *take(fit *f, size_t n, size_t size)
{
    void *p = f->host->alloc(f->host, n * size + 64);
    return p == NULL ? NULL : memset(p, 0, n * size + 64);
}

/* The most rows of a batch: so many hits, or for softmax lists up to a limit that one long list may pass. */
static uint32_t batch_room(const deep_spec *s, const deep_data *d)
{
    uint64_t rows = s->loss == LOSS_SOFTMAX ? (uint64_t)s->batch * d->longest : s->batch;
    uint64_t most = s->loss != LOSS_SOFTMAX || d->longest > MOST_LIST_ROWS ? d->longest : MOST_LIST_ROWS;
    if (s->loss == LOSS_SOFTMAX)
        rows = rows > most ? most : rows;
    rows = rows > d->n_rows ? d->n_rows : rows;
    return rows < SCORE_ROWS ? SCORE_ROWS : (uint32_t)rows;
}

static sinter_status make_room(fit *f, uint64_t *used, uint64_t limit, sinter_error *err)
{
    const deep_spec *s = f->spec;
    const network *net = &s->net;
    bool good = true;
    f->room = batch_room(s, f->data);
    *used += (net->n_parameters * 5 + trace_size(net, f->room, true)) * sizeof(real);
    for (uint32_t i = 0; i < s->n_embeddings; i++)
        *used += (uint64_t)f->model.rows[i] * (s->embedding[i].dimension * 5ull + 2) * 4;
    if (*used > limit)
        return deep_fail(s, err, SINTER_EXHAUSTED, "use fewer buckets, shorter vectors, a smaller batch or a higher memory limit",
                         "training this network needs %llu MiB; the limit is %llu MiB", (unsigned long long)(*used >> 20),
                         (unsigned long long)(limit >> 20));
#define TAKE(pointer, n) good = ((pointer) = take(f, n, sizeof *(pointer))) != NULL && good
    TAKE(f->gradient, net->n_parameters);
    TAKE(f->mean, net->n_parameters);
    TAKE(f->square, net->n_parameters);
    for (uint32_t i = 0; i < s->n_embeddings; i++) {
        sparse *t = &f->table[i];
        size_t n = (size_t)f->model.rows[i] * s->embedding[i].dimension;
        TAKE(t->gradient, n);
        TAKE(t->mean, n);
        TAKE(t->square, n);
        TAKE(t->stamp, f->model.rows[i]);
        TAKE(t->touched, f->model.rows[i]);
    }
    TAKE(f->position_gradient, s->n_positions + 1);
    TAKE(f->position_mean, s->n_positions + 1);
    TAKE(f->position_square, s->n_positions + 1);
    TAKE(f->memory, trace_size(net, f->room, true));
    TAKE(f->logit, f->room);
    TAKE(f->slope, f->room);
    TAKE(f->pooled, (size_t)DEEP_MOST_DIMENSION);
    TAKE(f->list_logit, f->longest);
    TAKE(f->label, f->room);
    TAKE(f->weight, f->room);
    TAKE(f->row, f->room);
    TAKE(f->order, f->data->n_rows + f->data->n_lists);
#undef TAKE
    if (!good)
        return deep_no_memory(s->use, err);
    trace_place(&f->trace, net, f->room, true, f->memory);
    return SINTER_OK;
}

sinter_status fit_new(fit *f, const deep_spec *s, const sinter_host *host, const deep_data *d, const deep_data *valid,
                      uint32_t n_items, uint64_t seed, uint64_t *used, uint64_t limit, sinter_error *err)
{
    *f = (fit){.spec = s, .host = host, .data = d, .seed = seed};
    f->longest = d->longest > valid->longest ? d->longest : valid->longest;
    sinter_status status = model_new(&f->model, s, host, n_items, err);
    if (status == SINTER_OK)
        status = make_room(f, used, limit, err);
    return status;
}

void fit_free(fit *f)
{
    void *const all[] = {f->gradient, f->mean,   f->square, f->position_gradient, f->position_mean, f->position_square, f->memory,
                         f->logit,    f->slope,  f->pooled, f->label,             f->weight,        f->row,             f->order,
                         f->list_logit};
    if (f->host == NULL)
        return;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] != NULL)
            f->host->free(f->host, all[i]);
    for (uint32_t i = 0; i < DEEP_MOST_EMBEDDINGS; i++) {
        void *const its[] = {f->table[i].gradient, f->table[i].mean, f->table[i].square, f->table[i].stamp, f->table[i].touched};
        for (size_t k = 0; k < sizeof its / sizeof *its; k++)
            if (its[k] != NULL)
                f->host->free(f->host, its[k]);
    }
    if (f->model.host != NULL)
        model_free(&f->model);
    *f = (fit){0};
}

/* Rows that the data names start at random, uniform within ±0.1; all others stay 0, so that what was never seen says nothing. */
void fit_start(fit *f)
{
    const deep_spec *s = f->spec;
    const deep_data *d = f->data;
    f->step = 0;
    network_start(&s->net, f->seed, f->model.parameter);
    memset(f->mean, 0, s->net.n_parameters * sizeof *f->mean);
    memset(f->square, 0, s->net.n_parameters * sizeof *f->square);
    float *const places[] = {f->model.position, f->position_mean, f->position_square};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        memset(places[i], 0, (s->n_positions + 1) * sizeof *places[i]);
    for (uint32_t e = 0; e < s->n_embeddings; e++) {
        sparse *t = &f->table[e];
        uint32_t *seen = t->stamp, width = s->embedding[e].dimension;
        size_t size = (size_t)f->model.rows[e] * width * sizeof(float);
        memset(t->mean, 0, size);
        memset(t->square, 0, size);
        memset(f->model.vectors[e], 0, size);
        for (uint64_t i = 0; i < d->n_rows; i++)
            seen[d->id[i * s->n_embeddings + e]] = 1;
        for (uint64_t i = 0; e == s->item && i < d->n_events; i++)
            seen[d->event_id[i]] = 1;
        uint64_t own = random_seed(f->seed, 5, e);
        for (uint32_t r = 1; r < f->model.rows[e]; r++)
            for (uint32_t j = 0; seen[r] && j < width; j++)
                f->model.vectors[e][(size_t)r * width + j] = (float)(0.2 * random_uniform(own, (uint64_t)r * width + j) - 0.1);
        memset(seen, 0, f->model.rows[e] * sizeof *seen);
    }
}

void fit_shuffle(fit *f, uint32_t epoch)
{
    const deep_data *d = f->data;
    uint64_t own = random_seed(f->seed, 3, epoch);
    f->n_order = 0;
    if (f->spec->loss == LOSS_SOFTMAX) {
        for (uint32_t l = 0; l < d->n_lists; l++)
            if (d->weight[l] > 0 && loss_list_counts((uint32_t)(d->first[l + 1] - d->first[l]), d->label + d->first[l]))
                f->order[f->n_order++] = l;
    } else {
        for (uint32_t i = 0; i < d->n_rows; i++)
            f->order[f->n_order++] = i;
    }
    for (uint32_t i = f->n_order; i-- > 1;) {
        uint32_t j = (uint32_t)(random_bits(own, i) % (i + 1)), kept = f->order[i];
        f->order[i] = f->order[j];
        f->order[j] = kept;
    }
}

/* ---- inputs of rows, and back ---- */

static void fill_row(fit *f, const deep_data *d, uint64_t row, real *x)
{
    const deep_spec *s = f->spec;
    uint32_t l = d->list[row];
    if (s->has_pool)
        history_pool(&f->model, (uint32_t)(d->event[l + 1] - d->event[l]), d->event_id + d->event[l], d->event_share + d->event[l], f->pooled);
    inputs_fill(&f->model, d->feature + row * s->n_features, d->id + row * s->n_embeddings, f->pooled, x);
}

static void add_to_row(fit *f, uint32_t e, uint32_t row, real factor, const real *dx)
{
    sparse *t = &f->table[e];
    uint32_t width = f->spec->embedding[e].dimension;
    if (row == 0)
        return;
    if (t->stamp[row] != (uint32_t)f->step) {
        t->stamp[row] = (uint32_t)f->step;
        t->touched[t->n++] = row;
    }
    add_scaled(width, factor, dx, t->gradient + (size_t)row * width);
}

static uint32_t vector_column(const deep_spec *s, uint32_t which)
{
    return which == DEEP_MOST_EMBEDDINGS ? s->history_column : s->embedding[which].column;
}

/* Slopes by inputs → slopes by vectors. x are the row's inputs. */
static void back_row(fit *f, const deep_data *d, uint64_t row, const real *x, real *dx)
{
    const deep_spec *s = f->spec;
    uint32_t l = d->list[row];
    for (uint32_t i = 0; i < s->n_products; i++) {
        const product *p = &s->product[i];
        uint32_t a = vector_column(s, p->of), b = vector_column(s, p->with);
        for (uint32_t j = 0; j < p->dimension; j++) {
            dx[a + j] += dx[p->column + j] * x[b + j];
            dx[b + j] += dx[p->column + j] * x[a + j];
        }
    }
    for (uint32_t e = 0; e < s->n_embeddings; e++)
        add_to_row(f, e, d->id[row * s->n_embeddings + e], 1, dx + s->embedding[e].column);
    for (uint64_t h = d->event[l]; s->has_pool && h < d->event[l + 1]; h++)
        add_to_row(f, s->item, d->event_id[h], d->event_share[h], dx + s->history_column);
}

/* ---- a step ---- */

/* Rows of the next batch; for softmax *lists whole lists. */
static uint32_t next_rows(fit *f, uint32_t *at, uint32_t *lists)
{
    const deep_data *d = f->data;
    uint32_t n = 0;
    *lists = 0;
    if (f->spec->loss != LOSS_SOFTMAX) {
        while (n < f->spec->batch && *at < f->n_order)
            f->row[n++] = f->order[(*at)++];
        return n;
    }
    for (; *lists < f->spec->batch && *at < f->n_order; (*lists)++) {
        uint32_t l = f->order[*at], length = (uint32_t)(d->first[l + 1] - d->first[l]);
        if (n + length > f->room)
            break;
        for (uint32_t i = 0; i < length; i++)
            f->row[n++] = (uint32_t)d->first[l] + i;
        (*at)++;
    }
    return n;
}

static void batch_loss(fit *f, uint32_t n, uint32_t lists, loss_sum *sum)
{
    const deep_data *d = f->data;
    double total = 0;
    if (f->spec->loss != LOSS_SOFTMAX) {
        loss_rows(f->spec->loss, f->spec->net.head_sigmoid, n, f->logit, f->label, d->is_weighted ? f->weight : NULL, f->slope, sum);
        return;
    }
    for (uint32_t i = 0; i < n; i += (uint32_t)(d->first[d->list[f->row[i]] + 1] - f->row[i]))
        total += (double)f->weight[i];
    for (uint32_t i = 0; lists > 0 && i < n;) {
        uint32_t length = (uint32_t)(d->first[d->list[f->row[i]] + 1] - f->row[i]);
        loss_list(length, f->logit + i, f->label + i, f->weight[i], (double)f->weight[i] / total, f->slope + i, sum);
        i += length;
    }
}

static void step_network(fit *f)
{
    const network *net = &f->spec->net;
    if (f->spec->adam.decay == 0) {
        adam_apply(&f->now, false, net->n_parameters, f->gradient, f->model.parameter, f->mean, f->square);
        return;
    }
    for (uint32_t i = 0; i < net->n_layers; i++) {
        const layer *l = &net->layer[i];
        bool dense = l->kind == LAYER_DENSE;
        if (!dense && l->kind != LAYER_NORM)
            continue;
        adam_apply(&f->now, dense, l->bias - l->weight, f->gradient + l->weight, f->model.parameter + l->weight, f->mean + l->weight,
                  f->square + l->weight);
        adam_apply(&f->now, false, stride(l->out), f->gradient + l->bias, f->model.parameter + l->bias, f->mean + l->bias,
                  f->square + l->bias);
    }
}

static void step_vectors(fit *f)
{
    for (uint32_t e = 0; e < f->spec->n_embeddings; e++) {
        sparse *t = &f->table[e];
        uint32_t width = f->spec->embedding[e].dimension;
        for (uint32_t i = 0; i < t->n; i++) {
            size_t at = (size_t)t->touched[i] * width;
            adam_apply(&f->now, true, width, t->gradient + at, f->model.vectors[e] + at, t->mean + at, t->square + at);
            memset(t->gradient + at, 0, width * sizeof *t->gradient);
        }
        t->n = 0;
    }
}

static void step_positions(fit *f, uint32_t n)
{
    uint32_t places = f->spec->n_positions + 1;
    if (places == 1)
        return;
    memset(f->position_gradient, 0, places * sizeof *f->position_gradient);
    for (uint32_t i = 0; i < n; i++)
        f->position_gradient[f->data->position[f->row[i]]] += f->slope[i];
    adam_apply(&f->now, false, places - 1, f->position_gradient + 1, f->model.position + 1, f->position_mean + 1,
              f->position_square + 1);
}

void fit_step(fit *f, uint32_t *at, loss_sum *sum)
{
    const deep_data *d = f->data;
    const network *net = &f->spec->net;
    uint32_t lists, n = next_rows(f, at, &lists), step = stride(net->inputs);
    uint64_t dropout = random_seed(f->seed, 4, ++f->step);
    f->now = adam_at(&f->spec->adam, f->step);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = f->row[i];
        fill_row(f, d, row, f->trace.value[0] + (size_t)i * step);
        f->label[i] = d->label[row];
        f->weight[i] = d->weight[d->list[row]];
    }
    network_forward(net, f->model.parameter, &f->trace, n, &dropout);
    const real *z = f->trace.value[net->n_layers];
    for (uint32_t i = 0; i < n; i++)
        f->logit[i] = z[i] + f->model.position[d->position[f->row[i]]];
    batch_loss(f, n, lists, sum);
    memcpy(f->trace.delta[0], f->slope, n * sizeof *f->slope);
    real *dx = network_back(net, f->model.parameter, &f->trace, n, &dropout, f->gradient, f->spec->n_embeddings > 0);
    for (uint32_t i = 0; dx != NULL && i < n; i++)
        back_row(f, d, f->row[i], f->trace.value[0] + (size_t)i * step, dx + (size_t)i * step);
    step_network(f);
    step_vectors(f);
    step_positions(f, n);
}

/* ---- how good it is ---- */

void fit_score(fit *f, const deep_data *d, float *score, loss_sum *sum)
{
    const deep_spec *s = f->spec;
    const network *net = &s->net;
    uint32_t step = stride(net->inputs);
    for (uint64_t first = 0; first < d->n_rows; first += SCORE_ROWS) {
        uint32_t n = d->n_rows - first < SCORE_ROWS ? (uint32_t)(d->n_rows - first) : SCORE_ROWS;
        for (uint32_t i = 0; i < n; i++)
            fill_row(f, d, first + i, f->trace.value[0] + (size_t)i * step);
        network_forward(net, f->model.parameter, &f->trace, n, NULL);
        const real *z = f->trace.value[net->n_layers];
        for (uint32_t i = 0; i < n; i++) {
            score[first + i] = (float)z[i];
            f->logit[i] = z[i] + f->model.position[d->position[first + i]];
            f->weight[i] = d->weight[d->list[first + i]];
        }
        if (s->loss != LOSS_SOFTMAX)
            loss_rows(s->loss, net->head_sigmoid, n, f->logit, d->label + first, d->is_weighted ? f->weight : NULL, NULL, sum);
    }
    for (uint64_t l = 0; s->loss == LOSS_SOFTMAX && l < d->n_lists; l++) {
        for (uint64_t first = d->first[l], i = first; i < d->first[l + 1]; i++)
            f->list_logit[i - first] = score[i] + f->model.position[d->position[i]];
        loss_list((uint32_t)(d->first[l + 1] - d->first[l]), f->list_logit, d->label + d->first[l], d->weight[l], 0, NULL, sum);
    }
}
