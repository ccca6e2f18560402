/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every layer's and every loss's slopes against finite differences: the same sources, compiled for double. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEEP_REAL double
#define DEEP_GREAT_PRODUCT ((uint64_t)1 << 14)
#include "kernels.c"
#include "loss.c"
#include "network.c"

enum { ROWS = 9 };

typedef struct setting {
    network net;
    trace t;
    uint32_t rows;
    loss_kind loss;
    uint64_t dropout;
    bool drops;
    double *parameter, *gradient, *input, *memory;
    float *label, *weight;
} setting;

static double *zeros(size_t n)
{
    double *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64);
    assert_non_null(p);
    return memset(p, 0, n * sizeof *p);
}

static setting make(const network *net, uint32_t rows, loss_kind loss)
{
    setting s = {.net = *net, .rows = rows, .loss = loss, .dropout = 77};
    for (uint32_t i = 0; i < net->n_layers; i++)
        s.drops |= net->layer[i].kind == LAYER_DROPOUT;
    s.parameter = zeros(net->n_parameters + 1);
    s.gradient = zeros(net->n_parameters + 1);
    s.input = zeros((size_t)rows * stride(net->inputs));
    s.memory = zeros(trace_size(net, rows, true));
    s.label = malloc(rows * sizeof *s.label);
    s.weight = malloc(rows * sizeof *s.weight);
    trace_place(&s.t, net, rows, true, s.memory);
    network_start(net, 5, s.parameter);
    for (size_t i = 0; i < net->n_parameters; i++) /* gains and biases too: not only 1 and 0 */
        s.parameter[i] *= 1 + 0.3 * (random_uniform(9, i) - 0.5);
    for (uint32_t i = 0; i < rows; i++) {
        for (uint32_t j = 0; j < net->inputs; j++)
            s.input[i * stride(net->inputs) + j] = 3 * (random_uniform(6, i * 1000 + j) - 0.5);
        s.label[i] = loss == LOSS_MSE ? (float)random_uniform(7, i) : (float)(i % 3 == 1);
        s.weight[i] = (float)(0.5 + random_uniform(8, i));
    }
    return s;
}

static void drop_setting(setting *s)
{
    free(s->parameter);
    free(s->gradient);
    free(s->input);
    free(s->memory);
    free(s->label);
    free(s->weight);
}

/* The batch's mean loss at the setting's parameters and inputs; softmax: two lists of different weights. */
static double loss_of(setting *s, double *slope)
{
    const uint64_t *dropout = s->drops ? &s->dropout : NULL;
    loss_sum sum = {0};
    memcpy(s->t.value[0], s->input, (size_t)s->rows * stride(s->net.inputs) * sizeof(double));
    network_forward(&s->net, s->parameter, &s->t, s->rows, dropout);
    const double *z = s->t.value[s->net.n_layers];
    if (s->loss == LOSS_SOFTMAX) {
        uint32_t first = 4, rest = s->rows - first;
        loss_list(first, z, s->label, 2, 2.0 / 5, slope, &sum);
        loss_list(rest, z + first, s->label + first, 3, 3.0 / 5, slope == NULL ? NULL : slope + first, &sum);
    } else {
        loss_rows(s->loss, s->net.head_sigmoid, s->rows, z, s->label, s->weight, slope, &sum);
    }
    return sum.loss / sum.weight;
}

static void expect_slope(setting *s, double *at, double found, const char *what, size_t i)
{
    const double step = 1e-5, was = *at;
    *at = was + step;
    double above = loss_of(s, NULL);
    *at = was - step;
    double below = loss_of(s, NULL);
    *at = was;
    double expected = (above - below) / (2 * step);
    if (!(fabs(found - expected) <= 1e-7 + 1e-5 * fabs(expected)))
        fail_msg("%s %zu: slope %.10g, by differences %.10g", what, i, found, expected);
}

static void check(const network *net, uint32_t rows, loss_kind loss)
{
    setting s = make(net, rows, loss);
    uint32_t wide = stride(net->inputs);
    size_t checked = 0, unlike = 0;
    loss_of(&s, s.t.delta[0]);
    const double *by_input = network_back(net, s.parameter, &s.t, rows, s.drops ? &s.dropout : NULL, s.gradient, true);
    double *kept = zeros((size_t)rows * wide);
    memcpy(kept, by_input, (size_t)rows * wide * sizeof *kept);
    for (uint32_t i = 0; i < net->n_layers; i++) {
        const layer *l = &net->layer[i];
        uint32_t weights = l->kind == LAYER_DENSE ? l->in : l->kind == LAYER_NORM ? 1 : 0;
        for (uint32_t t = 0; t < weights; t++)
            for (uint32_t j = 0; j < l->out; j++, checked++) {
                size_t at = l->weight + (size_t)t * stride(l->out) + j;
                unlike += s.gradient[at] != 0;
                if (checked % (1 + net->n_parameters / 4000) == 0)
                    expect_slope(&s, &s.parameter[at], s.gradient[at], "weight", at);
            }
        for (uint32_t j = 0; weights > 0 && j < l->out; j++)
            expect_slope(&s, &s.parameter[l->bias + j], s.gradient[l->bias + j], "bias", l->bias + j);
    }
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t j = 0; j < net->inputs; j++)
            expect_slope(&s, &s.input[i * wide + j], kept[i * wide + j], "input", i * wide + j);
    assert_true(unlike > 0);
    free(kept);
    drop_setting(&s);
}

/* ---- one kind of layer each, between dense ones ---- */

static network between(layer_kind kind, double rate, bool head)
{
    network net = {.inputs = 7};
    network_add(&net, LAYER_DENSE, 21, 0);
    if (kind != LAYER_DENSE)
        network_add(&net, kind, 0, rate);
    network_add(&net, LAYER_DENSE, 18, 0);
    network_add(&net, LAYER_TANH, 0, 0);
    network_add(&net, LAYER_DENSE, 1, 0);
    if (head)
        network_add(&net, LAYER_SIGMOID, 0, 0);
    network_finish(&net);
    return net;
}

#define LAYER_TEST(name, kind, rate) \
    static void name(void **state) \
    { \
        (void)state; \
        network net = between(kind, rate, true); \
        check(&net, ROWS, LOSS_BCE); \
    }
LAYER_TEST(dense_layers, LAYER_DENSE, 0)
LAYER_TEST(relu_after_dense, LAYER_RELU, 0)
LAYER_TEST(hidden_sigmoid, LAYER_SIGMOID, 0)
LAYER_TEST(hidden_tanh, LAYER_TANH, 0)
LAYER_TEST(dropout, LAYER_DROPOUT, 0.4)
LAYER_TEST(layer_norm, LAYER_NORM, 0)

static void layers_at_the_inputs(void **state)
{
    (void)state;
    network net = {.inputs = 19};
    network_add(&net, LAYER_NORM, 0, 0);
    network_add(&net, LAYER_RELU, 0, 0); /* not after a dense layer */
    network_add(&net, LAYER_DROPOUT, 0, 0.2);
    network_add(&net, LAYER_DENSE, 33, 0);
    network_add(&net, LAYER_NORM, 0, 0);
    network_add(&net, LAYER_TANH, 0, 0);
    network_add(&net, LAYER_DENSE, 1, 0);
    network_finish(&net);
    assert_false(net.head_sigmoid);
    assert_int_equal(net.n_layers, 7);
    check(&net, ROWS, LOSS_BCE);
}

static void one_input_and_one_unit(void **state)
{
    (void)state;
    network net = {.inputs = 1};
    network_add(&net, LAYER_DENSE, 20, 0);
    network_add(&net, LAYER_TANH, 0, 0);
    network_add(&net, LAYER_DENSE, 1, 0);
    network_add(&net, LAYER_TANH, 0, 0);
    network_add(&net, LAYER_DENSE, 1, 0);
    network_finish(&net);
    check(&net, 5, LOSS_MSE);
}

static void every_loss(void **state)
{
    (void)state;
    network with_head = between(LAYER_TANH, 0, true), without = between(LAYER_TANH, 0, false);
    check(&with_head, ROWS, LOSS_MSE);
    check(&without, ROWS, LOSS_MSE);
    check(&without, ROWS, LOSS_BCE);
    check(&without, ROWS, LOSS_SOFTMAX);
}

/* Sizes from DEEP_GREAT_PRODUCT on go through OpenBLAS. */
static void great_layers(void **state)
{
    (void)state;
    network net = {.inputs = 40};
    network_add(&net, LAYER_DENSE, 50, 0);
    network_add(&net, LAYER_TANH, 0, 0);
    network_add(&net, LAYER_DENSE, 37, 0);
    network_add(&net, LAYER_SIGMOID, 0, 0);
    network_add(&net, LAYER_DENSE, 1, 0);
    network_finish(&net);
    assert_true(is_great(ROWS, 40, 50) && is_great(ROWS, 50, 37));
    check(&net, ROWS, LOSS_MSE);
}

static void dropout_keeps_the_mean_and_changes_with_the_seed(void **state)
{
    (void)state;
    enum { N = 160000 };
    layer l = {.kind = LAYER_DROPOUT, .in = 16, .out = 16, .rate = 0.3};
    double *x = zeros(N), *y = zeros(N), *other = zeros(N), sum = 0;
    size_t zero = 0, differ = 0;
    for (size_t i = 0; i < N; i++)
        x[i] = 1;
    drop(&l, 0, 1, x, y, N / 16);
    drop(&l, 0, 2, x, other, N / 16);
    for (size_t i = 0; i < N; i++) {
        sum += y[i];
        zero += y[i] == 0;
        differ += y[i] != other[i];
    }
    assert_true(fabs(sum / N - 1) < 0.01);
    assert_true(fabs((double)zero / N - 0.3) < 0.01);
    assert_true(fabs((double)differ / N - 0.42) < 0.01);
    free(x);
    free(y);
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_layers),         cmocka_unit_test(relu_after_dense),
        cmocka_unit_test(hidden_sigmoid),       cmocka_unit_test(hidden_tanh),
        cmocka_unit_test(dropout),              cmocka_unit_test(layer_norm),
        cmocka_unit_test(layers_at_the_inputs), cmocka_unit_test(one_input_and_one_unit),
        cmocka_unit_test(every_loss),           cmocka_unit_test(great_layers),
        cmocka_unit_test(dropout_keeps_the_mean_and_changes_with_the_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
