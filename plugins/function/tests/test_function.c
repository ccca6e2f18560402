/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The formula ranker: what formulas mean, what missing values do, where errors point, and that terms sum to the score. The
 * arithmetic as a whole is compared with another implementation by tests/plugin/test_formula.py. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

enum { ROWS = 600 }; /* more than two blocks, and not a whole number of them */

static sinter_instance *open_formula(harness *h, const char *text)
{
    sinter_instance *instance;
    sinter_error err;
    sinter_status s = harness_instance(h, "ranker", (harness_option[]){{"formula", text}}, 1, &instance, &err);
    if (s != SINTER_OK)
        fail_msg("%s: %s", text, err.what);
    return instance;
}

/* The score of one row whose features are the formula's, in the order in which it names them. */
static float score_one(const char *text, const float *feature)
{
    harness *h = harness_open(PLUGIN_PATH);
    sinter_instance *instance = open_formula(h, text);
    sinter_worker *worker = harness_worker(h, instance);
    sinter_batch *batch = harness_batch(h, feature, harness_inputs(h, instance)->n_features, 1);
    sinter_error err = SINTER_ERROR_INIT;
    float score = -1;
    assert_int_equal(harness_plugin(h)->ranker->score(instance, worker, batch, &score, &err), SINTER_OK);
    harness_close(h);
    return score;
}

static void formulas_mean_what_they_say(void **state)
{
    (void)state;
    const struct {
        const char *text;
        float feature[3];
        double value;
    } cases[] = {
        {"1 + 2 * 3", {0}, 7},
        {"-2 ^ 2", {0}, -4},
        {"2 ^ 3 ^ 2", {0}, 512},
        {"2 ^ -1", {0}, 0.5},
        {"8 / 4 / 2", {0}, 1},
        {"7 - 4 - 2", {0}, 1},
        {"(7 - (4 - 2))", {0}, 5},
        {"1e3 + .5 + 2.", {0}, 1002.5},
        {"+x - -x", {3}, 6},
        {"x < 2", {1}, 1},
        {"x >= 2", {1}, 0},
        {"x == 2", {2}, 1},
        {"x != 2", {2}, 0},
        {"1 + x > 2 * x", {0.5f}, 1},
        {"if(x, 10, 20)", {0}, 20},
        {"if(x > 1, y, z)", {2, 5, 7}, 5},
        {"min(x, y, z, 4)", {9, 5, 7}, 4},
        {"max(x, y * 2, z)", {9, 5, 7}, 10},
        {"min(x + 1, min(y, 2) + 1, z * z)", {9, 5, 7}, 3},
        {"clamp(x, 0, 1)", {1.5f}, 1},
        {"clamp(x, 0, 1)", {-1.5f}, 0},
        {"abs(x) + sqrt(y) + floor(z) + ceil(z) + round(z)", {-2, 9, 2.5f}, 2 + 3 + 2 + 3 + 3},
        {"exp(log(x)) + log10(y) + log1p(z)", {5, 100, 0}, 7},
        {"pow(x, 2) + sigmoid(y) + tanh(z)", {3, 0, 0}, 9.5},
        {"coalesce(x, 7) + missing(x)", {1}, 1},
        {"1 / (1 + exp(x))", {5000}, 0},
        {"0.7 * text.title + log1p(item.sales) * exp(-item.age_days / 30)", {2, 99, 30}, 1.4 + 4.605170186 * 0.367879441},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float score = score_one(cases[i].text, cases[i].feature);
        if (!(fabs((double)score - cases[i].value) <= 1e-6 * fmax(1, fabs(cases[i].value))))
            fail_msg("%s: %g, expected %g", cases[i].text, (double)score, cases[i].value);
    }
}

static void a_missing_feature_makes_the_score_missing(void **state)
{
    (void)state;
    const float gone[3] = {NAN, 1, 1};
    const char *missing[] = {"x", "0 * x", "x ^ 0", "min(x, 1)", "max(1, x)", "x < 3", "if(x, 1, 2)", "clamp(x, 0, 1)",
                             "if(x > 1, 1, 2)", "1 ^ x", "x == x"};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        if (!sinter_is_missing(score_one(missing[i], gone)))
            fail_msg("%s is not missing", missing[i]);
    assert_true(score_one("coalesce(x, 2) + y", gone) == 3);
    assert_true(score_one("missing(x) * 4 + y", gone) == 5);
    assert_true(score_one("if(missing(x), 1, x)", gone) == 1);
    assert_true(score_one("coalesce(x, coalesce(x, 6))", gone) == 6);
}

static void leaving_the_domain_is_missing_and_said_once(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    sinter_instance *instance = open_formula(h, "log(x) + 1 / y");
    sinter_worker *worker = harness_worker(h, instance);
    const float rows[] = {1, 1, -1, 1, 1, 0, NAN, 1, 2, 2};
    sinter_batch *batch = harness_batch(h, rows, 2, 5);
    float score[5];
    sinter_error err = SINTER_ERROR_INIT;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(harness_plugin(h)->ranker->score(instance, worker, batch, score, &err), SINTER_OK);
        assert_true(score[0] == 1);
        assert_true(sinter_is_missing(score[1]));
        assert_true(sinter_is_missing(score[2]));
        assert_true(sinter_is_missing(score[3]));
        assert_true(fabs((double)score[4] - (log(2) + 0.5)) < 1e-6);
    }
    assert_int_equal(harness_logged(h), 1);
    assert_non_null(strstr(harness_last_log(h), "x = -1, y = 1"));
    assert_true(sinter_is_missing(score_one("exp(x) * 1e30", (float[]){80})));
    harness_close(h);
}

static void terms_sum_to_the_score(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    sinter_instance *instance = open_formula(h, "0.7 * text.title  + log1p(item.sales)*exp(-item.age_days / 30) - (a + 2) + 3");
    sinter_worker *worker = harness_worker(h, instance);
    float rows[ROWS * 4], score[ROWS];
    for (uint32_t i = 0; i < ROWS * 4; i++)
        rows[i] = (float)(harness_host(h)->random(7, i) * 50);
    rows[4 * 300] = NAN;
    sinter_batch *batch = harness_batch(h, rows, 4, ROWS);
    sinter_error err = SINTER_ERROR_INIT;
    assert_int_equal(harness_plugin(h)->ranker->score(instance, worker, batch, score, &err), SINTER_OK);
    for (uint32_t row = 0; row < ROWS; row++) {
        assert_int_equal(harness_plugin(h)->ranker->explain(instance, worker, batch, row, harness_sink(h), &err), SINTER_OK);
        assert_int_equal(harness_edits(h), row == 300 ? 0 : 4);
        if (row != 300)
            assert_true((float)harness_explained(h) == score[row]);
    }
    assert_true(sinter_is_missing(score[300]));
    assert_string_equal(harness_edit_at(h, 0)->rule, "0.7 * text.title");
    assert_string_equal(harness_edit_at(h, 1)->rule, "log1p(item.sales)*exp(-item.age_days / 30)");
    assert_string_equal(harness_edit_at(h, 2)->rule, "- (a + 2)");
    assert_string_equal(harness_edit_at(h, 3)->rule, "3");
    assert_true(harness_edit_at(h, 2)->value == -((double)rows[4 * (ROWS - 1) + 3] + 2));
    harness_close(h);
}

static void a_comparison_is_one_term(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    sinter_instance *instance = open_formula(h, " a + b > 1 ");
    sinter_batch *batch = harness_batch(h, (float[]){1, 1}, 2, 1);
    sinter_error err = SINTER_ERROR_INIT;
    harness_plugin(h)->ranker->explain(instance, harness_worker(h, instance), batch, 0, harness_sink(h), &err);
    assert_int_equal(harness_edits(h), 1);
    assert_string_equal(harness_edit_at(h, 0)->rule, "a + b > 1");
    assert_true(harness_edit_at(h, 0)->value == 1);
    harness_close(h);
}

static void a_score_does_not_depend_on_the_row(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    sinter_instance *instance = open_formula(h, "sqrt(x) * 3 + if(x > 20, x / 7, -x)");
    sinter_worker *worker = harness_worker(h, instance);
    float rows[ROWS], score[ROWS];
    for (uint32_t i = 0; i < ROWS; i++)
        rows[i] = (float)(i % 50);
    sinter_batch *batch = harness_batch(h, rows, 1, ROWS);
    sinter_error err = SINTER_ERROR_INIT;
    harness_plugin(h)->ranker->score(instance, worker, batch, score, &err);
    for (uint32_t i = 50; i < ROWS; i++)
        assert_true(score[i] == score[i % 50]);
    batch->n = 0;
    assert_int_equal(harness_plugin(h)->ranker->score(instance, worker, batch, score, &err), SINTER_OK);
    harness_close(h);
}

static void it_asks_for_each_feature_once(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    const sinter_inputs *want = harness_inputs(h, open_formula(h, "text.title * 2 + item.price / (1 + text.title) + _x1"));
    assert_int_equal(want->n_features, 3);
    assert_string_equal(want->feature[0], "text.title");
    assert_string_equal(want->feature[1], "item.price");
    assert_string_equal(want->feature[2], "_x1");
    assert_int_equal(harness_inputs(h, open_formula(h, "1"))->n_features, 0);
    harness_close(h);
}

/* Tries a text that must be refused; returns with the error filled. */
static void expect_error(harness *h, const char *text, const char *what, const char *fix)
{
    sinter_instance *instance;
    sinter_error err;
    sinter_status s = harness_instance(h, "ranker", (harness_option[]){{"formula", text}}, 1, &instance, &err);
    if (s != SINTER_INVALID || strstr(err.what, what) != err.what || strstr(err.fix, fix) == NULL)
        fail_msg("%.80s: status %d, '%s', fix '%s'", text, s, err.what, err.fix);
    assert_string_equal(err.where, "pipeline.yaml:1:1: formula");
}

static void errors_point_at_their_column(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    expect_error(h, "", "column 1: a number, a feature, a function or '(' expected, the end found", "");
    expect_error(h, "1 +", "column 4: ", "");
    expect_error(h, "2 x", "column 3: an operator or the end expected, 'x' found", "*");
    expect_error(h, "1 + lgo1p(x)", "column 5: unknown function 'lgo1p'", "did you mean log1p?");
    expect_error(h, "frobnicate(x)", "column 1: unknown function 'frobnicate'", "functions: if min max");
    expect_error(h, "(1 + x", "column 7: ')' expected for the '(' of column 1", "");
    expect_error(h, "exp(x, 2)", "column 1: exp takes 1 argument, not more", "");
    expect_error(h, "3 * if(x, 2)", "column 5: if takes 3 arguments, 2 given", "");
    expect_error(h, "min(x)", "column 1: min takes 2 arguments, 1 given", "");
    expect_error(h, "exp", "column 1: exp is a function", "");
    expect_error(h, "Price", "column 1: a number, a feature, a function or '(' expected, 'P' found", "lower case");
    expect_error(h, "1 < x < 3", "column 7: comparisons do not chain", "if(");
    expect_error(h, "x + 1 / 0", "column 7: this constant part is not a finite number", "");
    expect_error(h, "x + 1e", "column 5: the number has no digits after 'e'", "");
    expect_error(h, "1e999", "column 1: the number 1e999 is too large", "");
    expect_error(h, "x # y", "column 3: an operator or the end expected, '#' found", "");
    expect_error(h, "x * \xc3\xa9", "column 5: a number, a feature, a function or '(' expected, byte 0xc3 found", "");
    harness_close(h);
}

static char *repeat(const char *text, size_t times, const char *end)
{
    size_t n = strlen(text);
    char *out = malloc(n * times + strlen(end) + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(out + i * n, text, n);
    memcpy(out + n * times, end, strlen(end) + 1);
    return out;
}

static void limits_refuse_with_a_column(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    const struct {
        const char *text;
        size_t times;
        const char *end, *what;
    } cases[] = {
        {"x+", 3000, "1", "column 4097: longer than 4096 characters"},
        {"(", 2000, "x", "column 65: nested deeper than 64"},
        {"-", 2000, "x", "column 65: nested deeper than 64"},
        {"2^", 200, "x", "column 129: nested deeper than 64"},
        {"x*", 1000, "x", "column 1026: more than 512 operations"},
        {"x+", 1000, "x", "column 257: more than 128 terms"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = repeat(cases[i].text, cases[i].times, cases[i].end);
        expect_error(h, text, cases[i].what, "");
        free(text);
    }
    char many[2000];
    size_t used = 0;
    for (int i = 0; i < 65; i++)
        used += (size_t)snprintf(many + used, sizeof many - used, "%sf%d", i == 0 ? "" : "*", i);
    expect_error(h, many, "column 247: more than 64 different features", "");
    harness_close(h);
}

static void scoring_allocates_nothing(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    sinter_instance *instance = open_formula(h, "x * 2 + log(x)");
    sinter_worker *worker = harness_worker(h, instance);
    sinter_batch *batch = harness_batch(h, (float[]){1, 2, 3}, 1, 3);
    uint64_t before = harness_allocations(h);
    float score[3];
    sinter_error err = SINTER_ERROR_INIT;
    for (int i = 0; i < 100; i++)
        harness_plugin(h)->ranker->score(instance, worker, batch, score, &err);
    assert_true(harness_allocations(h) == before);
    harness_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formulas_mean_what_they_say),
        cmocka_unit_test(a_missing_feature_makes_the_score_missing),
        cmocka_unit_test(leaving_the_domain_is_missing_and_said_once),
        cmocka_unit_test(terms_sum_to_the_score),
        cmocka_unit_test(a_comparison_is_one_term),
        cmocka_unit_test(a_score_does_not_depend_on_the_row),
        cmocka_unit_test(it_asks_for_each_feature_once),
        cmocka_unit_test(errors_point_at_their_column),
        cmocka_unit_test(limits_refuse_with_a_column),
        cmocka_unit_test(scoring_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
