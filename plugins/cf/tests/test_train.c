/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Training: every method equals the dense reference in Python; any number of threads gives the same bytes; hopeless data and
 * matrices that do not fit get a verdict by name. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "people.h"

#define OPTIONS(...) (const harness_option[]){__VA_ARGS__}, sizeof((harness_option[]){__VA_ARGS__}) / sizeof(harness_option)

static const char *train(harness *h, const people *p, const harness_option *o, size_t n, harness_training *t)
{
    const char *dir = harness_folder(h);
    sinter_error e = SINTER_ERROR_INIT;
    if (harness_train(h, o, n, p->early, p->late, dir, t, &e) != SINTER_OK) {
        print_error("%s\n", e.what);
        fail();
    }
    return dir;
}

static void every_model_equals_the_dense_reference(void **state)
{
    (void)state;
    static const struct {
        harness_option option[5];
        const char *reference;
    } cases[] = {
        {{{"method", "knn"}}, "method=knn"},
        {{{"similarity", "cosine"}}, "method=knn similarity=cosine"},
        {{{"similarity", "lift"}, {"min_support", "3"}}, "method=knn similarity=lift min_support=3"},
        {{{"similarity", "cooccurrence"}, {"min_support", "2"}}, "method=knn similarity=cooccurrence min_support=2"},
        {{{"similarity", "jaccard"}, {"neighbours", "7"}}, "method=knn neighbours=7"},
        {{{"method", "ease"}, {"lambda", "30"}, {"weights", "once"}}, "method=ease lambda=30 weights=once"},
        {{{"method", "ease"}, {"lambda", "5.5"}}, "method=ease lambda=5.5"},
        {{{"method", "ease"}, {"lambda", "50"}, {"neighbours", "12"}}, "method=ease lambda=50 neighbours=12"},
        {{{"method", "ease"}, {"lambda", "2"}, {"train_half_life", "20d"}, {"min_support", "5"}},
         "method=ease lambda=2 train_half_life_days=20 min_support=5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        harness *h = harness_open(PLUGIN_PATH);
        people p = people_make(h, 150, 430, 4000, 0.1, 7 + i); /* three tiles of the inverse */
        harness_training t = {0};
        size_t n = 0;
        char arguments[900];
        while (n < 5 && cases[i].option[n].path != NULL)
            n++;
        snprintf(arguments, sizeof arguments, "'%s' %s", train(h, &p, cases[i].option, n, &t), cases[i].reference);
        if (!people_agree(&p, arguments))
            fail_msg("%s differs from the reference", cases[i].reference);
        harness_close(h);
    }
}

static void the_figure_of_validation_equals_the_reference(void **state)
{
    (void)state;
    static const struct {
        harness_option option[4];
        const char *reference;
    } cases[] = {
        {{{"method", "knn"}, {"half_life", "15d"}, {"history", "1000"}}, "method=knn half_life_days=15"},
        {{{"method", "ease"}, {"lambda", "20"}, {"weights", "once"}, {"history", "1000"}}, "method=ease lambda=20 weights=once"},
    };
    for (size_t i = 0; i < 2; i++) {
        harness *h = harness_open(PLUGIN_PATH);
        people p = people_make(h, 120, 90, 3000, 0.2, 3 + i);
        harness_training t = {0};
        char arguments[300];
        train(h, &p, cases[i].option, i == 0 ? 3 : 4, &t);
        assert_true(harness_metric(&t, "ndcg@10") > 0.02);
        snprintf(arguments, sizeof arguments, "ndcg %.12f %lld %s", harness_metric(&t, "ndcg@10"), (long long)p.since_ms,
                 cases[i].reference);
        assert_true(people_agree(&p, arguments));
        harness_close(h);
    }
}

static size_t read_model(const char *dir, char **out)
{
    char path[700];
    snprintf(path, sizeof path, "%s/weights.safetensors", dir);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    size_t n = (size_t)ftell(f);
    rewind(f);
    *out = malloc(n);
    assert_int_equal(fread(*out, 1, n, f), n);
    fclose(f);
    return n;
}

static void any_number_of_threads_gives_the_same_bytes(void **state)
{
    (void)state;
    static const char *const methods[] = {"knn", "ease"};
    static const uint32_t threads[] = {1, 2, 5};
    for (size_t m = 0; m < 2; m++) {
        char *model[3];
        size_t size[3];
        for (size_t k = 0; k < 3; k++) {
            harness *h = harness_open(PLUGIN_PATH);
            people p = people_make(h, 150, 700, 6000, 0.1, 1);
            harness_training t = {.threads = threads[k]};
            size[k] = read_model(train(h, &p, OPTIONS({"method", methods[m]}), &t), &model[k]);
            harness_close(h);
        }
        for (size_t k = 1; k < 3; k++) {
            assert_int_equal(size[0], size[k]);
            assert_memory_equal(model[0], model[k], size[0]);
        }
        for (size_t k = 0; k < 3; k++)
            free(model[k]);
    }
}

/* ---- verdicts ---- */

static void refused(harness *h, sinter_dataset *d, const harness_option *o, size_t n, harness_training *t, sinter_status status,
                    const char *what)
{
    sinter_error e = SINTER_ERROR_INIT;
    sinter_status got = harness_train(h, o, n, d, harness_dataset(h), harness_folder(h), t, &e);
    if (got != status || strstr(e.what, what) == NULL || e.where[0] == 0 || e.fix[0] == 0)
        fail_msg("got %d '%s' (%s; %s), expected %d '%s'", got, e.what, e.where, e.fix, status, what);
}

static void hopeless_data_gets_a_verdict(void **state)
{
    (void)state;
    static const struct {
        uint32_t users, items;
        float weight;
        const char *what;
    } cases[] = {{0, 0, 1, "no events"},
                 {4, 4, 0, "none of 16 pairs"},
                 {1, 5, 1, "one person's"},
                 {6, 1, 1, "one and the same item"},
                 {6, 3, 1, "the same 3 items"}};
    static const char *const methods[] = {"knn", "ease"};
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        harness *h = harness_open(PLUGIN_PATH);
        sinter_dataset *d = harness_dataset(h);
        harness_training t = {0};
        for (uint32_t u = 0; u < cases[i / 2].users; u++)
            for (uint32_t k = 0; k < cases[i / 2].items; k++)
                harness_interaction(d, u, k, 1, cases[i / 2].weight, NAN, 1000 + u);
        refused(h, d, OPTIONS({"method", methods[i % 2]}), &t, SINTER_PRECONDITION, cases[i / 2].what);
        harness_close(h);
    }
}

static void people_without_an_item_in_common_give_no_neighbours(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    sinter_dataset *d = harness_dataset(h);
    harness_training t = {0};
    for (uint32_t u = 0; u < 5; u++)
        harness_interaction(d, u, u, 1, 1, NAN, u);
    refused(h, d, OPTIONS({"method", "knn"}), &t, SINTER_PRECONDITION, "no neighbours");
    refused(h, d, OPTIONS({"method", "ease"}), &t, SINTER_PRECONDITION, "no neighbours");
    refused(h, d, OPTIONS({"method", "ease"}, {"min_support", "2"}), &t, SINTER_PRECONDITION, "two are needed");
    harness_close(h);
}

static void a_matrix_that_does_not_fit_is_refused_before_it_is_made(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    people p = people_make(h, 100, 600, 4000, 0, 5);
    harness_training t = {.memory_limit = 1 << 20};
    refused(h, p.early, OPTIONS({"method", "ease"}), &t, SINTER_EXHAUSTED, "GiB");
    t.memory_limit = 1 << 10;
    refused(h, p.early, OPTIONS({"method", "knn"}), &t, SINTER_EXHAUSTED, "memory limit");
    t.memory_limit = 1 << 20;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(harness_train(h, OPTIONS({"method", "knn"}, {"neighbours", "5"}), p.early, p.late, harness_folder(h), &t, &e),
                     SINTER_OK);
    harness_close(h);
}

static void training_stops_when_asked(void **state)
{
    (void)state;
    static const char *const methods[] = {"knn", "ease"};
    for (size_t m = 0; m < 2; m++) {
        harness *h = harness_open(PLUGIN_PATH);
        people p = people_make(h, 100, 600, 4000, 0, 5);
        harness_training t = {.stop_after = 1};
        refused(h, p.early, OPTIONS({"method", methods[m]}), &t, SINTER_CANCELLED, "stopped");
        harness_close(h);
    }
}

static void progress_ends_at_its_total_and_names_what_was_learnt(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    people p = people_make(h, 100, 50, 2000, 0.1, 5);
    harness_training t = {0};
    train(h, &p, OPTIONS({"method", "knn"}), &t);
    assert_true(t.done == t.total);
    assert_true(harness_metric(&t, "people") == 100);
    assert_true(harness_metric(&t, "items") == 50);
    assert_true(harness_metric(&t, "neighbours") > 100);
    harness_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_equals_the_dense_reference),
        cmocka_unit_test(the_figure_of_validation_equals_the_reference),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bytes),
        cmocka_unit_test(hopeless_data_gets_a_verdict),
        cmocka_unit_test(people_without_an_item_in_common_give_no_neighbours),
        cmocka_unit_test(a_matrix_that_does_not_fit_is_refused_before_it_is_made),
        cmocka_unit_test(training_stops_when_asked),
        cmocka_unit_test(progress_ends_at_its_total_and_names_what_was_learnt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
