/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The YAML of a network: what it asks the host for, the network's file, and mistakes named with what to do. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

#define N(options) (sizeof(options) / sizeof *(options))
#define ONE_FEATURE {"features.0", "item.price"}
#define LAST {"layers.0.dense", "1"}

static void the_host_is_asked_for_what_the_network_reads(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    const harness_option option[] = {ONE_FEATURE, {"features.1", "text.bm25"},
                                     {"embeddings.0.feature", "user.id"}, {"embeddings.0.dimension", "2"},
                                     {"embeddings.1.feature", "item"}, {"embeddings.1.dimension", "2"},
                                     {"embeddings.2.feature", "item.brand"}, {"embeddings.2.dimension", "3"},
                                     {"history.events", "7"}, {"history.features.0", "item.price"}, {"target", "purchase"}, LAST};
    sinter_instance *me;
    sinter_error err;
    assert_int_equal(harness_instance(h, "trainer", option, N(option), &me, &err), SINTER_OK);
    const sinter_inputs *in = harness_inputs(h, me);
    assert_int_equal(in->n_features, 2);
    assert_string_equal(in->feature[1], "text.bm25");
    assert_int_equal(in->n_id_features, 2);
    assert_string_equal(in->id_feature[0], "user.id");
    assert_string_equal(in->id_feature[1], "item.brand");
    assert_int_equal(in->history, 7);
    assert_int_equal(in->n_history_side, 1);
    assert_string_equal(in->history_side[0], "item.price");
    assert_int_equal(in->dataset, SINTER_DATASET_REQUESTS);
    assert_int_equal(in->n_targets, 1);
    assert_string_equal(in->target[0], "purchase");
    harness_close(h);
}

static void a_network_may_stand_in_a_file_of_its_own(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    sinter_instance *me;
    sinter_error err;
    const harness_option file[] = {ONE_FEATURE, {"target", "purchase"}, LAST}, use[] = {{"network", "net.yaml"}};
    const harness_option both[][2] = {{{"network", "net.yaml"}, {"loss", "mse"}},
                                      {{"network", "net.yaml"}, {"positions", "9"}},
                                      {{"network", "net.yaml"}, {"training.batch", "9"}},
                                      {{"network", "net.yaml"}, {"layers.0.dense", "1"}}};
    harness_file(h, "net.yaml", file, N(file));
    harness_file(h, "chain.yaml", use, N(use));
    assert_int_equal(harness_instance(h, "trainer", use, N(use), &me, &err), SINTER_OK);
    assert_string_equal(harness_inputs(h, me)->target[0], "purchase");
    for (size_t i = 0; i < N(both); i++) {
        assert_int_equal(harness_instance(h, "trainer", both[i], 2, &me, &err), SINTER_INVALID);
        assert_non_null(strstr(err.what, "both network: FILE and "));
    }
    assert_int_equal(harness_instance(h, "trainer", (harness_option[]){{"network", "none.yaml"}}, 1, &me, &err), SINTER_NOT_FOUND);
    assert_int_equal(harness_instance(h, "trainer", (harness_option[]){{"network", "chain.yaml"}}, 1, &me, &err), SINTER_INVALID);
    assert_non_null(strstr(err.what, "names another file"));
    harness_close(h);
}

static void mistakes_are_named_with_what_to_do(void **state)
{
    (void)state;
    static const struct {
        harness_option option[8];
        const char *what;
    } cases[] = {
        {{ONE_FEATURE}, "no layers"},
        {{LAST}, "no inputs"},
        {{ONE_FEATURE, {"layers.0.dense", "3"}}, "the last layer has 3 units"},
        {{ONE_FEATURE, {"layers.0.activation", "relu"}}, "the last layer has 1 units"},
        {{ONE_FEATURE, LAST, {"layers.1.activation", "none"}}, "layer 2 does nothing"},
        {{ONE_FEATURE, LAST, {"layers.0.dropout", "0.5"}}, "dropout after the last layer"},
        {{ONE_FEATURE, {"features.1", "item.price"}, LAST}, "named twice"},
        {{ONE_FEATURE, {"log.0", "item.prize"}, LAST}, "log: 'item.prize' is none of the features"},
        {{ONE_FEATURE, {"history.events", "5"}, LAST}, "history needs an embedding of item"},
        {{{"embeddings.0.feature", "item"}, {"embeddings.0.dimension", "2"}, {"embeddings.0.buckets", "9"}, LAST}, "no buckets"},
        {{{"embeddings.0.feature", "item"}, {"embeddings.0.dimension", "2"}, {"embeddings.1.feature", "user.id"},
          {"embeddings.1.dimension", "3"}, {"products.0.of", "item"}, {"products.0.with", "user.id"}, LAST}, "'item' has 2 dimensions, 'user.id' 3"},
        {{ONE_FEATURE, {"products.0.of", "history"}, {"products.0.with", "item"}, LAST}, "'history' is no embedding"},
        {{ONE_FEATURE, LAST, {"layers.0.activation", "sigmoid"}, {"loss", "softmax"}}, "the last layer has a sigmoid"},
        {{ONE_FEATURE, LAST, {"training.weight_decay", "100"}, {"training.learning_rate", "1"}}, "a step would lose all weights"},
        {{{"embeddings.0.feature", "user.id"}, {"embeddings.0.dimension", "1024"}, {"embeddings.0.buckets", "16777216"}, LAST}, "at most"},
        {{ONE_FEATURE, {"layers.0.dense", "16384"}, {"layers.1.dense", "16384"}, {"layers.2.dense", "16384"}, {"layers.3.dense", "1"}},
         "weights; at most"},
    };
    for (size_t i = 0; i < N(cases); i++) {
        harness *h = harness_open(PLUGIN_PATH);
        sinter_instance *me;
        sinter_error err;
        size_t n = 0;
        while (n < 8 && cases[i].option[n].path != NULL)
            n++;
        sinter_status s = harness_instance(h, "trainer", cases[i].option, n, &me, &err);
        if (s != SINTER_INVALID || strstr(err.what, cases[i].what) == NULL || err.fix[0] == 0 || strstr(err.where, "pipeline.test") == NULL)
            fail_msg("case %zu: status %d: %s: %s (%s)", i, s, err.where, err.what, err.fix);
        harness_close(h);
    }
}

static void a_million_features_are_refused(void **state)
{
    (void)state;
    enum { MANY = 5000 }; /* the harness looks paths up one by one; past the limit of 4,096 all are alike */
    harness *h = harness_open(PLUGIN_PATH);
    harness_option *option = calloc(MANY + 1, sizeof *option);
    char (*text)[32] = calloc(MANY, sizeof *text);
    sinter_instance *me;
    sinter_error err;
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(text[i], sizeof text[i], "features.%u", i);
        option[i] = (harness_option){text[i], text[i]};
    }
    option[MANY] = (harness_option)LAST;
    assert_int_equal(harness_instance(h, "trainer", option, MANY + 1, &me, &err), SINTER_INVALID);
    assert_non_null(strstr(err.what, "5000 features; a network reads at most 4096"));
    harness_close(h);
    free(option);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_host_is_asked_for_what_the_network_reads),
        cmocka_unit_test(a_network_may_stand_in_a_file_of_its_own),
        cmocka_unit_test(mistakes_are_named_with_what_to_do),
        cmocka_unit_test(a_million_features_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
