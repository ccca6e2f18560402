/* SPDX-License-Identifier: Apache-2.0 */
/* The rules as a ranker: scores by hand, explanations that sum to them, and no allocation once warm. */
#include "fixture.h"

static void assert_scores(const float *got, const double *expected)
{
    for (int i = 0; i < 8; i++)
        if (fabs((double)got[i] - expected[i]) > 1e-6) fail_msg("item %d: %g, not %g", i, (double)got[i], expected[i]);
}

static void no_rule_that_applies_means_zero_for_all(void **state)
{
    (void)state;
    shop s;
    float got[8] = {NAN};
    shop_open(&s);
    RULES(&s, "ranker", {"rules.0.id", "r"}, {"rules.0.when.query.words", "sofa"}, {"rules.0.then.boost.add", "1"});
    shop_rank(&s, harness_request(s.h, "chair", NOW_MS), got);
    assert_scores(got, (const double[8]){0});
    shop_close(&s);
}

static void boosts_and_buries_of_matching_items_add_up(void **state)
{
    (void)state;
    shop s;
    float got[8];
    shop_open(&s);
    RULES(&s, "ranker", {"rules.0.id", "acme"}, {"rules.0.when.filter", "brand = acme"},
          {"rules.0.then.0.boost.factor", "4"}, {"rules.1.id", "dear"}, {"rules.1.when.filter", "price > 50"},
          {"rules.1.then.bury.subtract", "0.5"}, {"rules.2.id", "sale"}, {"rules.2.when.filter", "sale = true"},
          {"rules.2.then.bury.factor", "0.5"}, {"rules.3.id", "all"}, {"rules.3.then.boost.add", "0.25"});
    shop_rank(&s, harness_request(s.h, "", NOW_MS), got);
    assert_scores(got, (const double[8]){1.25, 2.25, 1.25, 2.25, -0.75, -0.25, -1.25, -0.25});
    shop_close(&s);
}

static void items_are_meant_by_id_and_by_filter_together(void **state)
{
    (void)state;
    shop s;
    float got[8];
    shop_open(&s);
    RULES(&s, "ranker", {"rules.0.id", "r"}, {"rules.0.when.filter", "brand = acme"},
          {"rules.0.then.0.boost.items.0", "i6"}, {"rules.0.then.0.boost.items.1", "i3"},
          {"rules.0.then.0.boost.items.2", "gone"}, {"rules.0.then.0.boost.items.3", "i0"},
          {"rules.0.then.0.boost.add", "1"}, {"rules.0.then.1.boost.items", "gone"}, {"rules.0.then.1.boost.add", "7"});
    shop_rank(&s, harness_request(s.h, "", NOW_MS), got);
    assert_scores(got, (const double[8]){1, 0, 0, 1, 0, 0, 0, 0});
    shop_close(&s);
}

static void actions_of_other_roles_are_ignored(void **state)
{
    (void)state;
    shop s;
    float got[8];
    shop_open(&s);
    RULES(&s, "ranker", {"rules.0.id", "r"}, {"rules.0.then.0.hide.items", "i0"}, {"rules.0.then.1.add_words", "x"},
          {"rules.0.then.2.boost.add", "1"});
    shop_rank(&s, harness_request(s.h, "", NOW_MS), got);
    assert_scores(got, (const double[8]){1, 1, 1, 1, 1, 1, 1, 1});
    shop_close(&s);
}

/* A reference made of nothing but the definitions: 40 random rules, 50 random requests. */
static void explanations_sum_to_the_score_and_name_the_rules(void **state)
{
    (void)state;
    static const char *const filters[] = {"brand = acme", "price > 35", "sale = true", "tags = eco", "EXISTS brand"};
    static const char *const words[] = {"red", "blue", "sofa", "chair"};
    enum { N = 40 };
    static char text[N][5][64];
    static harness_option o[N * 5];
    size_t n = 0;
    srand(7);
    double amount[N];
    int filter[N], word[N];
    for (int i = 0; i < N; i++) {
        amount[i] = (rand() % 2000 + 1) / 100.0;
        filter[i] = rand() % 6 - 1;
        word[i] = rand() % 5 - 1;
        snprintf(text[i][0], 64, "rules.%d.id", i);
        snprintf(text[i][1], 64, "rule%d", i);
        o[n++] = (harness_option){text[i][0], text[i][1]};
        snprintf(text[i][2], 64, "rules.%d.then.%s", i, i % 3 == 0 ? "bury.subtract" : "boost.add");
        snprintf(text[i][3], 64, "%g", amount[i]);
        o[n++] = (harness_option){text[i][2], text[i][3]};
        snprintf(text[i][4], 64, "rules.%d.when.filter", i);
        if (filter[i] >= 0) o[n++] = (harness_option){text[i][4], filters[filter[i]]};
        if (word[i] >= 0) {
            static char path[N][64];
            snprintf(path[i], 64, "rules.%d.when.query.words", i);
            o[n++] = (harness_option){path[i], words[word[i]]};
        }
    }
    shop s;
    shop_open(&s);
    shop_rules(&s, "ranker", o, n);
    for (int q = 0; q < 50; q++) {
        char query[64];
        int a = rand() % 4, b = rand() % 4;
        snprintf(query, sizeof query, "%s %s", words[a], words[b]);
        float got[8];
        shop_rank(&s, harness_request(s.h, query, NOW_MS), got);
        sinter_batch *batch = harness_batch(s.h, NULL, 0, 8);
        for (uint32_t item = 0; item < 8; item++) {
            const bool passes[] = {item<4, item> 2, item % 2 == 0, item < 2, item < 7};
            double expected = 0;
            uint32_t fired = 0;
            for (int i = 0; i < N; i++)
                if ((filter[i] < 0 || passes[filter[i]]) && (word[i] < 0 || word[i] == a || word[i] == b)) {
                    expected += i % 3 == 0 ? -amount[i] : amount[i];
                    fired++;
                }
            assert_true(fabs((double)got[item] - expected) <= 1e-5 * fmax(1, fabs(expected)));
            assert_int_equal(
                harness_plugin(s.h)->ranker->explain(s.inst, s.worker, batch, item, harness_sink(s.h), &s.err),
                SINTER_OK);
            assert_int_equal(harness_edits(s.h), fired);
            assert_true(fabs(harness_explained(s.h) - (double)got[item]) <= 1e-5 * fmax(1, fabs((double)got[item])));
        }
    }
    shop_close(&s);
}

static void one_rule_is_one_contribution(void **state)
{
    (void)state;
    shop s;
    float got[8];
    shop_open(&s);
    RULES(&s, "ranker", {"rules.0.id", "low"}, {"rules.0.then.boost.add", "1"}, {"rules.1.id", "high"},
          {"rules.1.priority", "5"}, {"rules.1.then.0.boost.add", "2"}, {"rules.1.then.1.boost.items", "i1"},
          {"rules.1.then.1.boost.factor", "2"});
    shop_rank(&s, harness_request(s.h, "", NOW_MS), got);
    sinter_batch *batch = harness_batch(s.h, NULL, 0, 8);
    harness_plugin(s.h)->ranker->explain(s.inst, s.worker, batch, 1, harness_sink(s.h), &s.err);
    assert_string_equal(shop_said(&s), "explain high 3; explain low 1");
    harness_plugin(s.h)->ranker->explain(s.inst, s.worker, batch, 0, harness_sink(s.h), &s.err);
    assert_string_equal(shop_said(&s), "explain high 2; explain low 1");
    shop_close(&s);
}

static void nothing_is_allocated_once_warm(void **state)
{
    (void)state;
    shop s;
    float got[8];
    shop_open(&s);
    RULES(&s, "ranker", {"rules.0.id", "a"}, {"rules.0.when.filter", "brand = acme"}, {"rules.0.then.boost.add", "1"},
          {"rules.1.id", "b"}, {"rules.1.when.query.words", "sofa"}, {"rules.1.then.boost.items", "i1"},
          {"rules.1.then.boost.add", "1"});
    shop_rank(&s, harness_request(s.h, "red sofa", NOW_MS), got);
    uint64_t before = harness_allocations(s.h);
    for (int i = 0; i < 20; i++)
        shop_rank(&s, harness_request(s.h, i % 2 ? "sofa" : "red sofa", NOW_MS), got);
    assert_int_equal(harness_allocations(s.h), before);
    shop_close(&s);
}

static void an_empty_batch_is_scored(void **state)
{
    (void)state;
    shop s;
    float got[8];
    shop_open(&s);
    RULES(&s, "ranker", {"rules.0.id", "a"}, {"rules.0.when.filter", "brand = acme"}, {"rules.0.then.boost.add", "1"});
    shop_rank(&s, harness_request(s.h, "", NOW_MS), got);
    sinter_batch *batch = harness_batch(s.h, NULL, 0, 0);
    assert_int_equal(harness_plugin(s.h)->ranker->score(s.inst, s.worker, batch, got, &s.err), SINTER_OK);
    shop_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rule_that_applies_means_zero_for_all),
        cmocka_unit_test(boosts_and_buries_of_matching_items_add_up),
        cmocka_unit_test(items_are_meant_by_id_and_by_filter_together),
        cmocka_unit_test(actions_of_other_roles_are_ignored),
        cmocka_unit_test(explanations_sum_to_the_score_and_name_the_rules),
        cmocka_unit_test(one_rule_is_one_contribution),
        cmocka_unit_test(nothing_is_allocated_once_warm),
        cmocka_unit_test(an_empty_batch_is_scored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
