/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Metrics against values worked out by hand, and intervals against what is known of them.
 * tests/quality/evaluate_check.py holds both to independent implementations. */
#include "fixture.h"

#include <math.h>

static const judged_item JUDGED[] = {{"a", 3}, {"b", 2}, {"c", 1}, {"d", 0}};
static const judged_query QUERY = {.id = "q", .text = "q", .item = JUDGED, .n = 4};

static void near_to(double got, double want) {
    if (!(fabs(got - want) <= 1e-12)) fail_msg("%.15g is not %.15g", got, want);
}

static double score(const char *name, gain_rule g, const char *const *item, uint32_t n) {
    metric m;
    sinter_error e = SINTER_ERROR_INIT;
    double out = -1;
    arena *a = arena_new(4096);
    if (metric_parse(str_of(name), &m, &e)) fail_msg("%s", e.what);
    assert_true(metrics_score(&QUERY, &g, item, n, &m, 1, a, &out));
    arena_free(a);
    return out;
}

#define SCORE(name, kind, offset, ...)                                                                                 \
    score(name, (gain_rule){kind, offset}, (const char *[]){__VA_ARGS__}, ARRAY_LEN(((const char *[]){__VA_ARGS__})))

static void ndcg_by_hand(void **state) {
    (void)state;
    double ideal = 7 + 3 / log2(3) + 1 / 2.0;
    near_to(SCORE("ndcg@10", GAIN_EXPONENTIAL, 0, "a", "b", "c", "d"), 1);
    near_to(SCORE("ndcg@10", GAIN_EXPONENTIAL, 0, "c", "x", "a"), (1 + 7 / 2.0) / ideal);
    near_to(SCORE("ndcg@1", GAIN_EXPONENTIAL, 0, "b", "a"), 3 / 7.0);
    near_to(SCORE("ndcg@10", GAIN_LINEAR, 0, "b", "a"), (2 + 3 / log2(3)) / (3 + 2 / log2(3) + 1 / 2.0));
    near_to(SCORE("ndcg@10", GAIN_LINEAR, 1, "b", "a"), (1 + 2 / log2(3)) / (2 + 1 / log2(3)));
    near_to(SCORE("ndcg@10", GAIN_BINARY, 0, "d", "c"), 1 / log2(3) / (1 + 1 / log2(3) + 1 / 2.0));
    near_to(SCORE("ndcg@2", GAIN_BINARY, 0, "c", "b", "a"), 1); /* the best order is cut at k too */
}

static void binary_metrics_by_hand(void **state) {
    (void)state;
    near_to(SCORE("map", GAIN_EXPONENTIAL, 0, "a", "x", "b"), (1 + 2 / 3.0) / 3);
    near_to(SCORE("map@2", GAIN_EXPONENTIAL, 0, "a", "x", "b"), 1 / 3.0);
    near_to(SCORE("precision@5", GAIN_EXPONENTIAL, 0, "a", "b"), 2 / 5.0); /* short lists do not gain */
    near_to(SCORE("recall@2", GAIN_EXPONENTIAL, 0, "a", "d", "b"), 1 / 3.0);
    near_to(SCORE("hit_rate@2", GAIN_EXPONENTIAL, 0, "x", "d", "b"), 0);
    near_to(SCORE("hit@3", GAIN_EXPONENTIAL, 0, "x", "d", "b"), 1);
    near_to(SCORE("mrr@10", GAIN_EXPONENTIAL, 0, "x", "d", "b", "a"), 1 / 3.0);
    near_to(SCORE("mrr@2", GAIN_EXPONENTIAL, 0, "x", "d", "b", "a"), 0);
    near_to(SCORE("recall@10", GAIN_EXPONENTIAL, 1, "c", "b"), 1 / 2.0); /* grade 1 is not above the offset */
}

static void an_id_again_counts_where_it_came_first(void **state) {
    (void)state;
    near_to(SCORE("recall@10", GAIN_BINARY, 0, "a", "a", "a"), 1 / 3.0);
    near_to(SCORE("ndcg@10", GAIN_LINEAR, 0, "c", "c"), 1 / (3 + 2 / log2(3) + 1 / 2.0));
}

static void an_empty_list_scores_zero(void **state) {
    (void)state;
    static const char *const names[] = {"ndcg@10", "map", "precision@3", "recall@3", "hr@3", "mrr"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        near_to(score(names[i], (gain_rule){GAIN_LINEAR, 0}, NULL, 0), 0);
}

static void a_query_without_a_relevant_item_is_skipped(void **state) {
    (void)state;
    metric m;
    sinter_error e = SINTER_ERROR_INIT;
    double out = -1;
    arena *a = arena_new(4096);
    gain_rule g = {GAIN_LINEAR, 3};
    const char *list[] = {"a"};
    assert_int_equal(metric_parse(STR("ndcg@10"), &m, &e), SINTER_OK);
    assert_false(metrics_score(&QUERY, &g, list, 1, &m, 1, a, &out));
    near_to(out, -1);
    arena_free(a);
}

static void metrics_are_named_or_refused(void **state) {
    (void)state;
    metric m;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(metric_parse(STR("recall@100"), &m, &e), SINTER_OK);
    assert_int_equal(m.kind, METRIC_RECALL);
    assert_int_equal(m.k, 100);
    assert_string_equal(m.name, "recall@100");
    assert_int_equal(metric_parse(STR("map"), &m, &e), SINTER_OK);
    assert_int_equal(m.k, METRIC_MAX_K);
    static const char *const wrong[] = {"",        "@10",        "ndcg@",
                                        "ndcg@0",  "ndcg@1001",  "ndcg@1x",
                                        "ndgc@10", "ndcg@10@10", "ndcg@000000000000000000000000000010",
                                        "ndcg@-1"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        if (metric_parse(str_of(wrong[i]), &m, &e) != SINTER_INVALID) fail_msg("'%s' was taken", wrong[i]);
        assert_non_null(strstr(e.fix, "ndcg@10"));
    }
}

static void intervals_are_seeded_and_as_wide_as_they_should_be(void **state) {
    (void)state;
    enum { N = 400 };
    double value[N];
    rng r;
    rng_seed(&r, 7);
    double mean = 0, variance = 0;
    for (int i = 0; i < N; i++)
        mean += (value[i] = rng_normal(&r)) / N;
    for (int i = 0; i < N; i++)
        variance += (value[i] - mean) * (value[i] - mean) / N;
    interval x = bootstrap_mean(value, N, BOOTSTRAP_RESAMPLES, 1), y = bootstrap_mean(value, N, BOOTSTRAP_RESAMPLES, 1);
    near_to(x.mean, mean);
    near_to(x.low, y.low);
    near_to(x.high, y.high);
    double half = 1.959964 * sqrt(variance / N); /* what theory says of a mean of 400 */
    assert_true(fabs(x.mean - x.low - half) < 0.05 * half);
    assert_true(fabs(x.high - x.mean - half) < 0.05 * half);
}

static void the_interval_of_a_constant_difference_is_a_point(void **state) {
    (void)state;
    double value[50];
    for (int i = 0; i < 50; i++)
        value[i] = 0.25; /* two systems 0.25 apart on every query, however much queries differ */
    interval x = bootstrap_mean(value, 50, 1000, 3);
    near_to(x.low, 0.25);
    near_to(x.high, 0.25);
    x = bootstrap_mean(value, 0, 1000, 3);
    near_to(x.mean, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ndcg_by_hand),
        cmocka_unit_test(binary_metrics_by_hand),
        cmocka_unit_test(an_id_again_counts_where_it_came_first),
        cmocka_unit_test(an_empty_list_scores_zero),
        cmocka_unit_test(a_query_without_a_relevant_item_is_skipped),
        cmocka_unit_test(metrics_are_named_or_refused),
        cmocka_unit_test(intervals_are_seeded_and_as_wide_as_they_should_be),
        cmocka_unit_test(the_interval_of_a_constant_difference_is_a_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
