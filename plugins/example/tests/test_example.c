/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The example ranker: halves by half-life, leaves items without an age unscored, explains what it scored, refuses bad options. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "harness.h"

static sinter_instance *open_with(harness *h, const harness_option *option, size_t n)
{
    sinter_instance *instance;
    sinter_error err;
    assert_int_equal(harness_instance(h, "ranker", option, n, &instance, &err), SINTER_OK);
    return instance;
}

static void a_score_halves_with_every_half_life(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    sinter_instance *instance = open_with(h, (harness_option[]){{"half_life_days", "10"}}, 1);
    sinter_batch *batch = harness_batch(h, (float[]){0, 10, 20, 5, -3}, 1, 5);
    float score[5];
    sinter_error err = SINTER_ERROR_INIT;
    assert_int_equal(harness_plugin(h)->ranker->score(instance, NULL, batch, score, &err), SINTER_OK);
    const double expected[] = {1, 0.5, 0.25, 0.70710678, 1};
    for (int i = 0; i < 5; i++)
        assert_true(fabs((double)score[i] - expected[i]) < 1e-6);
    harness_close(h);
}

static void an_item_without_an_age_is_missing(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    sinter_instance *instance = open_with(h, NULL, 0);
    sinter_batch *batch = harness_batch(h, (float[]){NAN, 30}, 1, 2);
    float score[2];
    sinter_error err = SINTER_ERROR_INIT;
    assert_int_equal(harness_plugin(h)->ranker->score(instance, NULL, batch, score, &err), SINTER_OK);
    assert_true(sinter_is_missing(score[0]));
    assert_true(score[1] == 0.5f);
    assert_int_equal(harness_plugin(h)->ranker->explain(instance, NULL, batch, 0, harness_sink(h), &err), SINTER_OK);
    assert_int_equal(harness_edits(h), 0);
    harness_close(h);
}

static void the_explanation_is_the_score(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    sinter_instance *instance = open_with(h, (harness_option[]){{"feature", "item.days"}, {"half_life_days", "7"}}, 2);
    sinter_batch *batch = harness_batch(h, (float[]){3, 40}, 1, 2);
    float score[2];
    sinter_error err = SINTER_ERROR_INIT;
    harness_plugin(h)->ranker->score(instance, NULL, batch, score, &err);
    for (uint32_t row = 0; row < 2; row++) {
        harness_plugin(h)->ranker->explain(instance, NULL, batch, row, harness_sink(h), &err);
        assert_int_equal(harness_edits(h), 1);
        assert_true(harness_explained(h) == (double)score[row]);
    }
    assert_string_equal(harness_edit_at(h, 0)->rule, "item.days is 40, half-life 7 days");
    harness_close(h);
}

static void it_asks_for_the_feature_it_was_told(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    const sinter_inputs *by_default = harness_inputs(h, open_with(h, NULL, 0));
    assert_int_equal(by_default->n_features, 1);
    assert_string_equal(by_default->feature[0], "item.age_days");
    const sinter_inputs *named = harness_inputs(h, open_with(h, (harness_option[]){{"feature", "item.days"}}, 1));
    assert_string_equal(named->feature[0], "item.days");
    harness_close(h);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    const harness_option bad[] = {{"half_life_days", "0"}, {"half_life_days", "soon"}, {"half_life", "3"}};
    for (size_t i = 0; i < 3; i++) {
        sinter_instance *instance;
        sinter_error err;
        assert_int_equal(harness_instance(h, "ranker", &bad[i], 1, &instance, &err), SINTER_INVALID);
        assert_string_equal(err.where, bad[i].path);
    }
    harness_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_score_halves_with_every_half_life), cmocka_unit_test(an_item_without_an_age_is_missing),
        cmocka_unit_test(the_explanation_is_the_score),        cmocka_unit_test(it_asks_for_the_feature_it_was_told),
        cmocka_unit_test(bad_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
