/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The popular ranker: what it learns equals a sum made by hand; what it learned is what it serves. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness_dataset.h"

#define DAY 86400000ll

static void items(harness *h)
{
    char id[8];
    for (uint32_t i = 0; i < 4; i++) {
        snprintf(id, sizeof id, "item%u", i);
        harness_item(h, i, id);
    }
}

static sinter_dataset *some_events(harness *h)
{
    sinter_dataset *d = harness_dataset(h);
    harness_interaction(d, 0, 0, 2, 1, NAN, 100 * DAY); /* now */
    harness_interaction(d, 0, 1, 4, 5, NAN, 90 * DAY);  /* a half-life ago */
    harness_interaction(d, 1, 1, 2, 1, NAN, 80 * DAY);  /* two */
    harness_interaction(d, 1, 2, 2, 0, NAN, 100 * DAY); /* weighs nothing */
    return d;
}

static void it_serves_what_it_learned(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    harness_training t = {.now_ms = 100 * DAY};
    sinter_error err = SINTER_ERROR_INIT;
    sinter_instance *instance;
    items(h);
    const char *dir = harness_folder(h);
    const harness_option option[] = {{"half_life_days", "10"}};
    assert_int_equal(harness_train(h, option, 1, some_events(h), some_events(h), dir, &t, &err), SINTER_OK);
    assert_true(fabs(harness_metric(&t, "valid_top100") - 1) < 1e-9);
    harness_model(h, dir);
    assert_int_equal(harness_instance(h, "ranker", option, 1, &instance, &err), SINTER_OK);
    sinter_batch *batch = harness_batch(h, NULL, 0, 4);
    float score[4];
    assert_int_equal(harness_plugin(h)->ranker->score(instance, NULL, batch, score, &err), SINTER_OK);
    assert_true(fabs((double)score[0] - log(2)) < 1e-6);
    assert_true(fabs((double)score[1] - log(1 + 2.5 + 0.25)) < 1e-6);
    assert_true(sinter_is_missing(score[2])); /* only an event that weighs nothing */
    assert_true(sinter_is_missing(score[3])); /* none */
    assert_int_equal(harness_plugin(h)->ranker->explain(instance, NULL, batch, 1, harness_sink(h), &err), SINTER_OK);
    assert_true(harness_explained(h) == (double)score[1]);
    assert_int_equal(harness_plugin(h)->ranker->explain(instance, NULL, batch, 3, harness_sink(h), &err), SINTER_OK);
    assert_int_equal(harness_edits(h), 0);
    harness_close(h);
}

static void without_a_model_it_is_no_ranker(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    sinter_error err = SINTER_ERROR_INIT;
    sinter_instance *instance;
    assert_int_equal(harness_instance(h, "ranker", NULL, 0, &instance, &err), SINTER_PRECONDITION);
    assert_string_equal(err.what, "popular has no model to rank by");
    harness_model(h, harness_folder(h));
    assert_int_equal(harness_instance(h, "ranker", NULL, 0, &instance, &err), SINTER_NOT_FOUND);
    assert_non_null(strstr(err.where, "weights.safetensors"));
    harness_close(h);
}

static void a_model_of_another_shape_is_refused_by_its_tensor(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    sinter_error err = SINTER_ERROR_INIT;
    sinter_instance *instance;
    const char *dir = harness_folder(h);
    const float square[4] = {1, 2, 3, 4};
    const sinter_tensor t = {.name = "popularity", .type = SINTER_TENSOR_F32, .n_dimensions = 2, .dimension = {2, 2}, .data = square};
    assert_int_equal(harness_host(h)->tensors_write(harness_host(h), dir, "weights.safetensors", &t, 1, NULL, &err), SINTER_OK);
    harness_model(h, dir);
    assert_int_equal(harness_instance(h, "ranker", NULL, 0, &instance, &err), SINTER_DATA_LOSS);
    assert_string_equal(err.what, "tensor 'popularity' is F32 [2, 2]; F32 [any] is needed");
    harness_close(h);
}

static void nothing_to_learn_from_is_a_verdict(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    harness_training t = {.now_ms = 100 * DAY};
    sinter_error err = SINTER_ERROR_INIT;
    sinter_dataset *d = harness_dataset(h);
    items(h);
    harness_interaction(d, 0, 2, 2, 0, NAN, 100 * DAY);
    assert_int_equal(harness_train(h, NULL, 0, d, d, harness_folder(h), &t, &err), SINTER_PRECONDITION);
    assert_string_equal(err.what, "no event of the range has a weight above 0");
    harness_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_serves_what_it_learned),
        cmocka_unit_test(without_a_model_it_is_no_ranker),
        cmocka_unit_test(a_model_of_another_shape_is_refused_by_its_tensor),
        cmocka_unit_test(nothing_to_learn_from_is_a_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
