/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fitted weights: α in closed form against a search over all α, many rankers against the conditions of an optimum, the file and
 * what is wrong with it, and a fit used by the plugin itself. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fit.c"

#include "lists.h"

enum { ROWS = 200 };

static double uniform(uint64_t seed, uint64_t i)
{
    uint64_t z = seed * 0x9e3779b97f4a7c15u + i * 0xd1342543de82ef95u;
    z = (z ^ (z >> 32)) * 0xd6e8feb86659fd93u;
    z = (z ^ (z >> 32)) * 0xd6e8feb86659fd93u;
    return (double)((z ^ (z >> 32)) >> 11) * 0x1p-53;
}

static double error_of_alpha(const double *s1, const double *s2, const double *y, double alpha)
{
    double sum = 0;
    for (int i = 0; i < ROWS; i++)
        sum += pow(y[i] - alpha * s1[i] - (1 - alpha) * s2[i], 2);
    return sum;
}

static void the_worked_example_is_fitted_back(void **state)
{
    (void)state;
    const double s1[] = {0.8, 0.1, 0.5}, s2[] = {0.6, 0.9, 0.2}, y[] = {0.74, 0.7 * 0.1 + 0.3 * 0.9, 0.7 * 0.5 + 0.3 * 0.2};
    assert_true(fabs(fit_alpha(s1, s2, y, 3) - 0.7) < 1e-12);
    assert_true(fabs(fit_alpha(s1, s2, y, 1) - 0.7) < 1e-12);
    assert_true(fit_alpha(s1, s1, y, 3) == 0.5);
    assert_true(fit_alpha(s1, s2, (double[]){2, -2, 2}, 3) == 1);
    assert_true(fit_alpha(s1, s2, (double[]){-2, 3, -2}, 3) == 0);
}

static void alpha_is_the_minimum_of_a_search(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        double s1[ROWS], s2[ROWS], y[ROWS], best = 0;
        for (uint64_t i = 0; i < ROWS; i++) {
            s1[i] = uniform(seed, 3 * i);
            s2[i] = uniform(seed, 3 * i + 1);
            y[i] = (double)seed / 40 * s1[i] + (1 - (double)seed / 40) * s2[i] + uniform(seed, 3 * i + 2) - 0.5;
        }
        for (int step = 0; step <= 10000; step++)
            if (error_of_alpha(s1, s2, y, step / 10000.0) < error_of_alpha(s1, s2, y, best))
                best = step / 10000.0;
        assert_true(fabs(fit_alpha(s1, s2, y, ROWS) - best) <= 5.1e-5);
    }
}

/* At the optimum under Σ w = 1 and w ≥ 0, the slope is the same for all weights above 0, and not lower for the others. */
static void many_weights_meet_the_conditions_of_an_optimum(void **state)
{
    (void)state;
    static fit_sums sums;
    for (uint64_t seed = 0; seed < 200; seed++) {
        uint32_t n = 3 + (uint32_t)(seed % 10);
        double score[SINTER_MAX_RANKERS], weight[SINTER_MAX_RANKERS], gradient[SINTER_MAX_RANKERS] = {0}, total = 0, level = INFINITY;
        memset(&sums, 0, sizeof sums);
        sums.n_rankers = n;
        for (int pass = 0; pass < 2; pass++) {
            for (uint64_t i = 0; i < ROWS; i++) {
                double y = (uniform(seed, 9999 - i) - 0.5) * 0.3, error;
                for (uint32_t j = 0; j < n; j++) {
                    score[j] = uniform(seed, i * 20 + j);
                    y += (uniform(seed, 77777 + j) - 0.3) * score[j] * 2 / n;
                }
                if (seed % 7 == 0)
                    score[n - 1] = score[0]; /* a copy */
                if (pass == 0) {
                    fit_add(&sums, score, y);
                    continue;
                }
                error = -y;
                for (uint32_t j = 0; j < n; j++)
                    error += weight[j] * score[j];
                for (uint32_t j = 0; j < n; j++)
                    gradient[j] += error * score[j];
            }
            if (pass == 0)
                fit_solve(&sums, weight);
        }
        for (uint32_t j = 0; j < n; j++) {
            assert_true(weight[j] >= 0);
            total += weight[j];
            if (weight[j] > 0)
                level = fmin(level, gradient[j]);
        }
        assert_true(fabs(total - 1) < 1e-9);
        for (uint32_t j = 0; j < n; j++)
            if (gradient[j] < level - 1e-6 || (weight[j] > 1e-9 && gradient[j] > level + 1e-6))
                fail_msg("seed %d: weight %u is %g with slope %g, level %g", (int)seed, j, weight[j], gradient[j], level);
    }
}

static void exact_weights_are_found_again(void **state)
{
    (void)state;
    static fit_sums sums;
    const double truth[4] = {0.4, 0, 0.35, 0.25};
    double weight[4];
    memset(&sums, 0, sizeof sums);
    sums.n_rankers = 4;
    for (uint64_t i = 0; i < 50; i++) {
        double score[4], y = 0;
        for (uint32_t j = 0; j < 4; j++) {
            score[j] = 1000 * uniform(3, i * 4 + j);
            y += truth[j] * score[j];
        }
        fit_add(&sums, score, y);
    }
    fit_solve(&sums, weight);
    for (uint32_t j = 0; j < 4; j++)
        assert_true(fabs(weight[j] - truth[j]) < 1e-9);
}

/* Without a constraint on the sum: the slope is 0 for weights above 0 and not negative for the others, whatever the target's scale. */
static void weights_of_any_sum_meet_theirs(void **state)
{
    (void)state;
    static fit_sums sums;
    for (uint64_t seed = 0; seed < 200; seed++) {
        uint32_t n = 1 + (uint32_t)(seed % 9);
        double score[SINTER_MAX_RANKERS], weight[SINTER_MAX_RANKERS], scale = seed % 3 == 0 ? 1e-6 : 100;
        memset(&sums, 0, sizeof sums);
        sums.n_rankers = n;
        for (uint64_t i = 0; i < ROWS; i++) {
            double y = uniform(seed, 9999 - i) - 0.5;
            for (uint32_t j = 0; j < n; j++) {
                score[j] = uniform(seed, i * 20 + j) - 0.5;
                y += (uniform(seed, 77777 + j) - 0.4) * score[j];
            }
            if (seed % 7 == 0)
                score[n - 1] = score[0]; /* a copy */
            for (uint32_t j = 0; j < n; j++) {
                sums.product[j] += scale * y * score[j];
                for (uint32_t k = 0; k < n; k++)
                    sums.square[j][k] += score[j] * score[k];
            }
        }
        fit_nonnegative(&sums, weight);
        for (uint32_t j = 0; j < n; j++) {
            double gradient = -sums.product[j];
            for (uint32_t k = 0; k < n; k++)
                gradient += sums.square[j][k] * weight[k];
            assert_true(weight[j] >= 0 && gradient > -1e-8 * ROWS);
            assert_true(!(weight[j] > 0) || fabs(gradient) < 1e-9 * ROWS * scale + 1e-8);
        }
    }
    memset(&sums, 0, sizeof sums);
    sums.n_rankers = 2;
    double none[2];
    fit_nonnegative(&sums, none);
    assert_true(none[0] == 0 && none[1] == 0);
}

static const char *write_file(const char *text)
{
    static char path[] = "/tmp/sinter-fit-XXXXXX";
    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    return path;
}

static void a_fit_is_used_by_the_plugin(void **state)
{
    (void)state;
    static scored_list list;
    const char *path = write_file("taste\ttarget\twords\n0.6\t0.74\t0.8\r\n0.9\t0.34\t0.1\n\n0.2\t0.41\t0.5\n");
    fusing f = fusing_open(PLUGIN_PATH, (harness_option[]){{"fit", path}, {"calibrate", "none"}}, 2, 2);
    float out;
    list_start(&list, 1, 2);
    list_set(&list, 0, 0, 0.8f);
    list_set(&list, 1, 0, 0.6f);
    fuse_list(&f, &list, &out);
    assert_true(fabs((double)out - 0.74) < 1e-6);
    assert_non_null(strstr(harness_last_log(f.h), "fitted weight of words: 0.700000"));
    harness_close(f.h);
    unlink(path);
}

static void a_bad_file_is_refused_with_its_line(void **state)
{
    (void)state;
    const struct {
        const char *text, *what;
        uint32_t line;
    } cases[] = {
        {"", "0 rows are too few", 0},
        {"words\ttaste\n1\t2\n", "the header has no column 'target'", 1},
        {"target\n1\n", "the header has no column 'of a ranker'", 1},
        {"words\twords\ttarget\n", "two columns are named 'words'", 1},
        {"words\t\ttarget\n", "'' cannot be a ranker's column", 1},
        {"words\ttaste\ttarget\n1\t2\t3\n1\tx\t3\n", "column 2: 'x' is not a finite number", 3},
        {"words\ttaste\ttarget\n1\tnan\t3\n", "column 2: 'nan' is not a finite number", 2},
        {"words\ttaste\ttarget\n1\t2\n", "2 columns where the header has 3", 2},
        {"words\ttaste\ttarget\n1\t2\t3\t4\n", "4 columns where", 2},
        {"words\ttaste\ttarget\n1\t2\t3\n", "1 rows are too few to fit 2 rankers", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static fusion_weight weight[SINTER_MAX_RANKERS];
        uint32_t n = 0;
        char where[128];
        sinter_error err = SINTER_ERROR_INIT;
        const char *path = write_file(cases[i].text);
        assert_int_equal(fit_weights(path, weight, &n, &err), SINTER_INVALID);
        snprintf(where, sizeof where, "%s:%u", path, cases[i].line);
        if (strstr(err.what, cases[i].what) == NULL || strcmp(err.where, where) != 0)
            fail_msg("case %zu: '%s' at '%s'", i, err.what, err.where);
        unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worked_example_is_fitted_back),   cmocka_unit_test(alpha_is_the_minimum_of_a_search),
        cmocka_unit_test(many_weights_meet_the_conditions_of_an_optimum), cmocka_unit_test(exact_weights_are_found_again),
        cmocka_unit_test(weights_of_any_sum_meet_theirs),
        cmocka_unit_test(a_fit_is_used_by_the_plugin),         cmocka_unit_test(a_bad_file_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
