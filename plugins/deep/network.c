/* SPDX-License-Identifier: Apache-2.0 */
/* Layers forward and backward. */
#include "network.h"
#include "random.h"

#include <string.h>

#define NORM_EPSILON 1e-5

bool network_add(network *net, layer_kind kind, uint32_t units, double rate)
{
    if (net->n_layers == DEEP_MOST_LAYERS)
        return false;
    uint32_t in = network_outputs(net);
    layer *l = &net->layer[net->n_layers++];
    *l = (layer){.kind = kind, .in = in, .out = kind == LAYER_DENSE ? units : in, .rate = rate};
    return true;
}

void network_finish(network *net)
{
    uint32_t n = 0;
    net->n_parameters = 0;
    if (net->n_layers > 0 && net->layer[net->n_layers - 1].kind == LAYER_SIGMOID) {
        net->head_sigmoid = true;
        net->n_layers--;
    }
    for (uint32_t i = 0; i < net->n_layers; i++) {
        layer l = net->layer[i];
        if (l.kind == LAYER_RELU && n > 0 && net->layer[n - 1].kind == LAYER_DENSE && !net->layer[n - 1].relu) {
            net->layer[n - 1].relu = true;
            continue;
        }
        if (l.kind == LAYER_DENSE || l.kind == LAYER_NORM) {
            size_t weights = l.kind == LAYER_NORM ? 1 : l.in, biases = (l.out + DEEP_LANES - 1) / DEEP_LANES * DEEP_LANES;
            l.weight = net->n_parameters;
            l.bias = l.weight + (weights * stride(l.out) + DEEP_LANES - 1) / DEEP_LANES * DEEP_LANES;
            net->n_parameters = l.bias + biases;
        }
        net->layer[n++] = l;
    }
    net->n_layers = n;
}

void network_start(const network *net, uint64_t seed, real *parameter)
{
    memset(parameter, 0, net->n_parameters * sizeof *parameter);
    for (uint32_t i = 0; i < net->n_layers; i++) {
        const layer *l = &net->layer[i];
        uint64_t own = random_seed(seed, 1, i);
        double bound = 1 / sqrt((double)l->in);
        for (uint32_t j = 0; l->kind == LAYER_NORM && j < l->out; j++)
            parameter[l->weight + j] = 1;
        for (uint64_t t = 0; l->kind == LAYER_DENSE && t <= l->in; t++) /* t == in: the biases */
            for (uint32_t j = 0; j < l->out; j++)
                parameter[t < l->in ? l->weight + t * stride(l->out) + j : l->bias + j] =
                    (real)((2 * random_uniform(own, t * l->out + j) - 1) * bound);
    }
}

/* ---- memory ---- */

static uint32_t widest(const network *net)
{
    uint32_t most = stride(net->inputs);
    for (uint32_t i = 0; i < net->n_layers; i++)
        most = stride(net->layer[i].out) > most ? stride(net->layer[i].out) : most;
    return most;
}

static size_t take(size_t *used, size_t n)
{
    size_t at = *used;
    *used += (n + DEEP_LANES - 1) / DEEP_LANES * DEEP_LANES;
    return at;
}

/* Lays the arrays out behind one another; with memory NULL only counts. */
static size_t lay_out(trace *t, const network *net, uint32_t rows, bool back, real *memory)
{
    size_t used = 0, at, room = 0;
#define PLACE(pointer, n) \
    do { \
        at = take(&used, n); \
        if (memory != NULL) \
            (pointer) = memory + at; \
    } while (0)
    PLACE(t->value[0], (size_t)rows * stride(net->inputs));
    for (uint32_t i = 0; i < net->n_layers; i++) {
        const layer *l = &net->layer[i];
        PLACE(t->value[i + 1], (size_t)rows * stride(l->out));
        if (l->kind == LAYER_NORM)
            PLACE(t->moment[i], (size_t)rows * 2);
        size_t turned = (size_t)stride(l->out) * stride(l->in);
        room = l->kind == LAYER_DENSE && l->out > 1 && turned > room ? turned : room;
    }
    for (uint32_t i = 0; back && i < 2; i++)
        PLACE(t->delta[i], (size_t)rows * widest(net));
    if (back)
        PLACE(t->room, room);
#undef PLACE
    return used;
}

size_t trace_size(const network *net, uint32_t rows, bool back)
{
    trace t;
    return lay_out(&t, net, rows, back, NULL);
}

void trace_place(trace *t, const network *net, uint32_t rows, bool back, real *memory)
{
    memset(t, 0, sizeof *t);
    t->rows = rows;
    lay_out(t, net, rows, back, memory);
}

/* ---- layer norm (J. Ba, J. Kiros and G. Hinton, 2016) ---- */

static void norm_forward(const layer *l, const real *parameter, const real *x, real *moment, real *y, uint32_t rows)
{
    uint32_t n = l->in, step = stride(n);
    const real *gain = parameter + l->weight, *bias = parameter + l->bias;
    for (uint32_t i = 0; i < rows; i++, x += step, y += step) {
        double sum = 0, squares = 0;
        for (uint32_t j = 0; j < n; j++)
            sum += (double)x[j];
        double mean = sum / n;
        for (uint32_t j = 0; j < n; j++)
            squares += ((double)x[j] - mean) * ((double)x[j] - mean);
        double inverse = 1 / sqrt(squares / n + NORM_EPSILON);
        for (uint32_t j = 0; j < n; j++)
            y[j] = (real)(((double)x[j] - mean) * inverse) * gain[j] + bias[j];
        for (uint32_t j = n; j < step; j++)
            y[j] = 0;
        moment[2 * i] = (real)mean;
        moment[2 * i + 1] = (real)inverse;
    }
}

static void norm_back(const layer *l, const real *parameter, const real *x, const real *moment, const real *dy, real *gradient, real *dx,
                      uint32_t rows)
{
    uint32_t n = l->in, step = stride(n);
    const real *gain = parameter + l->weight;
    if (gradient != NULL) {
        memset(gradient + l->weight, 0, step * sizeof *gradient);
        memset(gradient + l->bias, 0, step * sizeof *gradient);
    }
    for (uint32_t i = 0; i < rows; i++, x += step, dy += step, dx += step) {
        real mean = moment[2 * i], inverse = moment[2 * i + 1];
        double sum = 0, along = 0;
        for (uint32_t j = 0; j < n; j++) {
            real unit = (x[j] - mean) * inverse;
            if (gradient != NULL) {
                gradient[l->weight + j] += dy[j] * unit;
                gradient[l->bias + j] += dy[j];
            }
            sum += (double)(dy[j] * gain[j]);
            along += (double)(dy[j] * gain[j] * unit);
        }
        for (uint32_t j = 0; j < n; j++)
            dx[j] = inverse * (dy[j] * gain[j] - (real)(sum / n) - (x[j] - mean) * inverse * (real)(along / n));
        for (uint32_t j = n; j < step; j++)
            dx[j] = 0;
    }
}

/* ---- dropout (N. Srivastava and others, 2014): what stays is scaled up, so that serving needs nothing ---- */

static void drop(const layer *l, uint32_t at, uint64_t seed, const real *x, real *y, uint32_t rows)
{
    uint64_t own = random_seed(seed, 2, at);
    uint64_t least = (uint64_t)(l->rate * 0x1p32); /* rate < 1 */
    real scale = (real)(1 / (1 - l->rate));
    size_t n = (size_t)rows * stride(l->in);
    for (size_t i = 0; i < n; i++)
        y[i] = random_bits(own, i) >> 32 < least ? 0 : x[i] * scale;
}

/* ---- passes ---- */

void network_forward(const network *net, const real *parameter, trace *t, uint32_t rows, const uint64_t *dropout)
{
    for (uint32_t i = 0; i < net->n_layers; i++) {
        const layer *l = &net->layer[i];
        const real *x = t->value[i];
        real *y = t->value[i + 1];
        size_t n = (size_t)rows * stride(l->in);
        switch (l->kind) {
        case LAYER_DENSE:
            product_forward(rows, l->in, l->out, x, parameter + l->weight, parameter + l->bias, l->relu, y);
            break;
        case LAYER_RELU:
            for (size_t j = 0; j < n; j++)
                y[j] = x[j] > 0 ? x[j] : 0;
            break;
        case LAYER_SIGMOID: sigmoid_forward(n, x, y); break;
        case LAYER_TANH: tanh_forward(n, x, y); break;
        case LAYER_NORM: norm_forward(l, parameter, x, t->moment[i], y, rows); break;
        case LAYER_DROPOUT:
            if (dropout != NULL)
                drop(l, i, *dropout, x, y, rows);
            else
                memcpy(y, x, n * sizeof *y);
            break;
        }
    }
}

real *network_back(const network *net, const real *parameter, trace *t, uint32_t rows, const uint64_t *dropout, real *gradient,
                         bool by_inputs)
{
    real *dy = t->delta[0], *dx = t->delta[1];
    for (uint32_t i = net->n_layers; i-- > 0;) {
        const layer *l = &net->layer[i];
        const real *x = t->value[i], *y = t->value[i + 1];
        size_t n = (size_t)rows * stride(l->out);
        bool wanted = by_inputs || i > 0;
        switch (l->kind) {
        case LAYER_RELU: relu_back(n, y, dy); continue;
        case LAYER_SIGMOID: sigmoid_back(n, y, dy); continue;
        case LAYER_TANH: tanh_back(n, y, dy); continue;
        case LAYER_DROPOUT:
            if (dropout != NULL)
                drop(l, i, *dropout, dy, dy, rows);
            continue;
        case LAYER_NORM: norm_back(l, parameter, x, t->moment[i], dy, gradient, dx, rows); break;
        case LAYER_DENSE:
            if (l->relu)
                relu_back(n, y, dy);
            if (gradient != NULL)
                product_weights(rows, l->in, l->out, x, dy, gradient + l->weight, gradient + l->bias);
            if (wanted)
                product_inputs(rows, l->in, l->out, dy, parameter + l->weight, t->room, dx);
            break;
        }
        real *swap = dy;
        dy = dx;
        dx = swap;
    }
    return by_inputs ? dy : NULL;
}
