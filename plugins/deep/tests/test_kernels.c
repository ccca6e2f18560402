/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Products against sums written out in double, at sizes on both sides of every threshold; losses and metrics against their
 * definitions; Adam against its paper. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "kernels.c"
#include "loss.c"
#include "random.h"

static float *random_matrix(uint32_t rows, uint32_t n, uint64_t seed)
{
    size_t step = stride(n);
    float *m = calloc(rows * step + DEEP_LANES, sizeof *m);
    assert_non_null(m);
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t j = 0; j < n; j++)
            m[i * step + j] = (float)(random_uniform(seed, (uint64_t)i * n + j) - 0.5);
    return m;
}

static void expect_near(float found, double expected, uint32_t terms, const char *what)
{
    if (!(fabs((double)found - expected) <= 1e-7 * terms + 1e-6))
        fail_msg("%s: %.9g, expected %.9g", what, (double)found, expected);
}

/* Every 7th row and column, of all three products. */
static void check_products(uint32_t rows, uint32_t in, uint32_t out)
{
    uint32_t xs = stride(in), ys = stride(out);
    float *x = random_matrix(rows, in, 1), *w = random_matrix(in, out, 2), *bias = random_matrix(1, out, 3), *dy = random_matrix(rows, out, 4);
    float *y = random_matrix(rows, out, 5), *dw = random_matrix(in, out, 6), *dx = random_matrix(rows, in, 7), *db = random_matrix(1, out, 8);
    float *room = calloc((size_t)(xs + DEEP_LANES) * (ys + DEEP_LANES), sizeof *room);
    product_forward(rows, in, out, x, w, bias, true, y);
    product_weights(rows, in, out, x, dy, dw, db);
    product_inputs(rows, in, out, dy, w, room, dx);
    for (uint32_t i = 0; i < rows; i += 7)
        for (uint32_t j = 0; j < out; j += 7) {
            double sum = (double)bias[j];
            for (uint32_t t = 0; t < in; t++)
                sum += (double)x[i * xs + t] * (double)w[t * ys + j];
            expect_near(y[i * ys + j], fmax(sum, 0), in, "forward");
        }
    for (uint32_t t = 0; t < in; t += 7)
        for (uint32_t j = 0; j < out; j += 7) {
            double sum = 0;
            for (uint32_t i = 0; i < rows; i++)
                sum += (double)x[i * xs + t] * (double)dy[i * ys + j];
            expect_near(dw[t * ys + j], sum, rows, "weights");
        }
    for (uint32_t i = 0; i < rows; i += 7)
        for (uint32_t t = 0; t < in; t += 7) {
            double sum = 0;
            for (uint32_t j = 0; j < out; j++)
                sum += (double)dy[i * ys + j] * (double)w[t * ys + j];
            expect_near(dx[i * xs + t], sum, out, "inputs");
        }
    for (uint32_t j = 0; j < out; j++) {
        double sum = 0;
        for (uint32_t i = 0; i < rows; i++)
            sum += (double)dy[i * ys + j];
        expect_near(db[j], sum, rows, "biases");
    }
    for (uint32_t i = 0; i < rows; i++) /* behind the last column */
        for (uint32_t t = in; t < xs; t++)
            assert_true(dx[i * xs + t] == 0);
    float *const all[] = {x, w, bias, dy, y, dw, dx, db, room};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void products_are_sums_of_products(void **state)
{
    (void)state;
    static const uint32_t sizes[][3] = {{1, 1, 1},    {1, 5, 1},     {5, 1, 3},      {128, 10, 128},  {128, 128, 1},  {7, 33, 17},
                                        {3, 16, 32},  {130, 47, 50}, {256, 300, 260}, {256, 700, 130}, {20, 513, 129}, {15, 600, 300},
                                        {64, 1024, 65}, {256, 512, 256}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_products(sizes[i][0], sizes[i][1], sizes[i][2]);
    assert_true(is_great(256, 300, 260) && is_great(256, 512, 256) && !is_great(15, 600, 300));
}

static void adam_steps_as_its_paper_says(void **state)
{
    (void)state;
    enum { PARAMETERS = 37 };
    const adam a = {.learning_rate = 0.01, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .decay = 0.3};
    float p[PARAMETERS], m[PARAMETERS] = {0}, v[PARAMETERS] = {0}, g[PARAMETERS];
    double ep[PARAMETERS], em[PARAMETERS] = {0}, ev[PARAMETERS] = {0};
    for (uint32_t i = 0; i < PARAMETERS; i++)
        ep[i] = p[i] = (float)(random_uniform(1, i) - 0.5);
    for (uint64_t step = 1; step <= 20; step++) {
        adam_step now = adam_at(&a, step);
        for (uint32_t i = 0; i < PARAMETERS; i++) {
            g[i] = (float)(random_uniform(step + 1, i) - 0.5);
            em[i] = 0.8 * em[i] + 0.2 * (double)g[i];
            ev[i] = 0.95 * ev[i] + 0.05 * (double)g[i] * (double)g[i];
            ep[i] -= 0.01 * 0.3 * ep[i] + 0.01 * (em[i] / (1 - pow(0.8, (double)step))) / (sqrt(ev[i] / (1 - pow(0.95, (double)step))) + 1e-6);
        }
        adam_apply(&now, true, PARAMETERS, g, p, m, v);
        for (uint32_t i = 0; i < PARAMETERS; i++)
            assert_true(fabs((double)p[i] - ep[i]) < 1e-6);
    }
}

static void losses_are_those_of_their_formulas(void **state)
{
    (void)state;
    const float z[] = {-2, 0.5f, 3}, label[] = {0, 1, 0}, weight[] = {1, 2, 1};
    float slope[3];
    loss_sum sum = {0};
    loss_rows(LOSS_BCE, true, 3, z, label, weight, slope, &sum);
    double p[3];
    for (uint32_t i = 0; i < 3; i++)
        p[i] = 1 / (1 + exp(-(double)z[i]));
    assert_true(fabs(sum.loss - (-log(1 - p[0]) - 2 * log(p[1]) - log(1 - p[2]))) < 1e-12 && sum.weight == 4);
    assert_true(fabs((double)slope[1] - 2 * (p[1] - 1) / 4) < 1e-7);
    sum = (loss_sum){0};
    loss_rows(LOSS_MSE, true, 3, z, label, NULL, NULL, &sum);
    assert_true(fabs(sum.loss - (p[0] * p[0] + (p[1] - 1) * (p[1] - 1) + p[2] * p[2])) < 1e-12);
    sum = (loss_sum){0};
    loss_list(3, z, (const float[]){1, 3, 0}, 2, 0.5, slope, &sum);
    double total = exp(-2) + exp(0.5) + exp(3);
    assert_true(fabs(sum.loss - 2 * (-0.25 * log(exp(-2) / total) - 0.75 * log(exp(0.5) / total))) < 1e-12);
    assert_true(fabs((double)slope[2] - 0.5 * exp(3) / total) < 1e-7);
    sum = (loss_sum){0};
    loss_list(3, z, (const float[]){0, 0, 0}, 2, 0.5, slope, &sum);
    assert_true(sum.weight == 0 && slope[0] == 0 && slope[2] == 0);
    loss_rows(LOSS_BCE, true, 1, (const float[]){-300}, (const float[]){1}, NULL, slope, &sum); /* no overflow */
    assert_true(fabs(sum.loss - 300) < 1e-9 && slope[0] == -1);
}

static void metrics_are_those_of_their_definitions(void **state)
{
    (void)state;
    enum { ROWS = 200 };
    float score[ROWS], label[ROWS];
    uint32_t order[ROWS];
    double won = 0, pairs = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        score[i] = (float)(random_bits(1, i) % 20); /* with ties */
        label[i] = (float)(random_uniform(2, i) < 0.2 + (double)score[i] / 40);
    }
    for (uint32_t i = 0; i < ROWS; i++)
        for (uint32_t j = 0; j < ROWS; j++)
            if (label[i] > 0 && label[j] == 0) {
                pairs++;
                won += score[i] > score[j] ? 1 : score[i] == score[j] ? 0.5 : 0;
            }
    assert_true(fabs(metric_auc(ROWS, score, label, order) - won / pairs) < 1e-12);
    assert_true(isnan(metric_auc(1, score, label, order)));
    const float scores[] = {3, 1, 2, 2}, gains[] = {0, 1, 2, 0}; /* order 0, 2, 3, 1 */
    double dcg = 2 / log2(3) + 1 / log2(5), ideal = 2 + 1 / log2(3);
    assert_true(fabs(metric_ndcg(4, scores, gains, order) - dcg / ideal) < 1e-12);
    assert_true(isnan(metric_ndcg(2, scores, (const float[]){0, 0}, order)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_sums_of_products),
        cmocka_unit_test(adam_steps_as_its_paper_says),
        cmocka_unit_test(losses_are_those_of_their_formulas),
        cmocka_unit_test(metrics_are_those_of_their_definitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
