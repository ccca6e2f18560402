/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fusion: the worked example, what calibration and votes come to on lists small enough to check by hand, and 1,000 random
 * requests per the plain definitions below, whose shares must sum to the score for every hit. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "lists.h"

static scored_list list;
static float fused[MOST_ITEMS];

static void assert_near(double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%.12g, expected %.12g within %g", got, expected, tolerance);
}

/* Scores of all rankers for all items, row by row; NAN: missing. */
static void fill(const float *score, uint32_t n, uint32_t n_rankers)
{
    list_start(&list, n, n_rankers);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t r = 0; r < n_rankers; r++)
            if (!isnan(score[i * n_rankers + r]))
                list_set(&list, r, i, score[i * n_rankers + r]);
}

static void expect_scores(const harness_option *option, size_t n_options, const double *expected)
{
    fusing f = fusing_open(PLUGIN_PATH, option, n_options, list.batch.n_rankers);
    fuse_list(&f, &list, fused);
    for (uint32_t i = 0; i < list.batch.n; i++)
        assert_near((double)fused[i], expected[i], 1e-6);
    harness_close(f.h);
}

static void the_worked_example_gives_point_74(void **state)
{
    (void)state;
    fill((float[]){0.8f, 0.6f}, 1, 2);
    harness_option option[] = {{"weights.words", "0.7"}, {"weights.taste", "0.3"}, {"calibrate", "none"}};
    fusing f = fusing_open(PLUGIN_PATH, option, 3, 2);
    fuse_list(&f, &list, fused);
    assert_near((double)fused[0], 0.74, 1e-7);
    sinter_share share[2];
    double bias;
    explain_row(&f, &list, 0, share, &bias);
    assert_near(share[0].contribution, 0.56, 1e-7);
    assert_near(share[1].contribution, 0.18, 1e-7);
    assert_near(bias, 0, 1e-7);
    harness_close(f.h);
}

static void scores_are_calibrated_over_the_list(void **state)
{
    (void)state;
    const float scores[] = {10, -1, 20, -3, 40, -2};
    fill(scores, 3, 2);
    harness_option minmax[] = {{"weights.words", "2"}, {"weights.taste", "1"}};
    expect_scores(minmax, 2, (double[]){1, 2.0 / 3, 2.5});
    double deviation = sqrt(1400.0 / 9), other = sqrt(2.0 / 3);
    harness_option zscore[] = {{"weights.words", "2"}, {"weights.taste", "1"}, {"calibrate", "zscore"}};
    expect_scores(zscore, 3,
                  (double[]){2 * (10 - 70.0 / 3) / deviation + 1 / other, 2 * (20 - 70.0 / 3) / deviation - 1 / other,
                             2 * (40 - 70.0 / 3) / deviation});
    harness_option equal[] = {{"calibrate", "none"}};
    expect_scores(equal, 1, (double[]){4.5, 8.5, 19});
}

static void a_constant_list_gets_the_middle(void **state)
{
    (void)state;
    fill((float[]){7, 0, 7, 1}, 2, 2);
    harness_option minmax[] = {{"weights.words", "1"}, {"weights.taste", "1"}};
    expect_scores(minmax, 2, (double[]){0.5, 1.5});
    harness_option zscore[] = {{"weights.words", "1"}, {"weights.taste", "1"}, {"calibrate", "zscore"}};
    expect_scores(zscore, 3, (double[]){-1, 1});
}

static void a_missing_score_counts_as_the_option_says(void **state)
{
    (void)state;
    const float scores[] = {0, 4, 10, NAN, 2, 8, NAN, NAN, NAN, 0}; /* words: 0 10 2, mean .4; taste: 4 8 0, mean .5 */
    fill(scores, 5, 2);
    harness_option mean[] = {{"weights.words", "2"}, {"weights.taste", "1"}};
    expect_scores(mean, 2, (double[]){0.5, 2.5, 1.4, 0, 0.8});
    harness_option lowest[] = {{"weights.words", "2"}, {"weights.taste", "1"}, {"missing", "lowest"}};
    expect_scores(lowest, 3, (double[]){0.5, 2, 1.4, 0, 0});
    harness_option zero[] = {{"weights.words", "2"}, {"weights.taste", "1"}, {"missing", "zero"}, {"calibrate", "zscore"}};
    double w = sqrt(56.0 / 3), t = sqrt(32.0 / 3);
    expect_scores(zero, 4, (double[]){-8 / w, 12 / w, -4 / w + 4 / t, -8 / w - 4 / t, -4 / t});
    harness_option renormalise[] = {{"weights.words", "2"}, {"weights.taste", "1"}, {"missing", "renormalise"}};
    expect_scores(renormalise, 3, (double[]){0.5, 3, 1.4, 0, 0});
}

static void a_ranker_without_any_score_changes_no_order(void **state)
{
    (void)state;
    fill((float[]){1, NAN, 3, NAN, 2, NAN}, 3, 2);
    harness_option option[] = {{"weights.words", "1"}, {"weights.taste", "5"}};
    expect_scores(option, 2, (double[]){0, 1, 0.5});
    fill((float[]){NAN, NAN, NAN, NAN}, 2, 2);
    expect_scores(option, 2, (double[]){0, 0});
    harness_option votes[] = {{"method", "voting"}};
    expect_scores(votes, 1, (double[]){0, 0});
}

static void reciprocal_ranks_add_up_and_ties_go_to_the_smaller_ordinal(void **state)
{
    (void)state;
    fill((float[]){5, 1, 5, 3, 9, NAN, NAN, NAN}, 4, 2);
    list.item[0] = 40;
    list.item[1] = 30;
    harness_option option[] = {{"method", "voting"}};
    expect_scores(option, 1, (double[]){1.0 / 63 + 1.0 / 62, 1.0 / 62 + 1.0 / 61, 1.0 / 61, 0});
    harness_option weighted[] = {{"method", "voting"}, {"k", "0"}, {"weights.words", "3"}, {"weights.taste", "0.5"}};
    expect_scores(weighted, 4, (double[]){1 + 0.25, 1.5 + 0.5, 3, 0});
}

static void borda_shares_what_is_left_among_the_unranked(void **state)
{
    (void)state;
    fill((float[]){5, 1, 4, 3, 9, NAN, NAN, NAN}, 4, 2);
    harness_option option[] = {{"method", "voting"}, {"rule", "borda"}};
    /* words ranks 3 of 4: 4, 3, 2 quarters and 1 left; taste ranks 2 of 4: 4, 3 and (2 + 1) / 2 each */
    expect_scores(option, 2, (double[]){0.75 + 0.75, 0.5 + 1, 1 + 0.375, 0.25 + 0.375});
}

/* ---- 1,000 random requests against plain definitions ---- */

typedef struct variant {
    const char *method, *calibrate, *missing, *rule;
} variant;

static const variant variants[] = {
    {"weighted", "minmax", "mean", "rrf"},   {"weighted", "minmax", "lowest", "rrf"}, {"weighted", "minmax", "zero", "rrf"},
    {"weighted", "minmax", "renormalise", "rrf"}, {"weighted", "zscore", "mean", "rrf"},   {"weighted", "zscore", "lowest", "rrf"},
    {"weighted", "zscore", "zero", "rrf"},   {"weighted", "zscore", "renormalise", "rrf"}, {"weighted", "none", "mean", "rrf"},
    {"weighted", "none", "lowest", "rrf"},   {"weighted", "none", "zero", "rrf"},     {"weighted", "none", "renormalise", "rrf"},
    {"voting", "minmax", "mean", "rrf"},     {"voting", "minmax", "mean", "borda"},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

static bool is_present(uint32_t i, uint32_t r)
{
    return (list.present[i] >> r & 1) != 0;
}

/* A random list: sizes from none to many, rankers from nearly always to never there, ties, skewed and constant scores. */
static void random_list(const sinter_host *host, uint64_t seed, uint32_t n_rankers)
{
    static const double chances[] = {0, 0.05, 0.5, 0.95, 1, 1};
    uint64_t at = 0;
    double size = host->random(seed, at++);
    list_start(&list, size < 0.02 ? 0 : size > 0.97 ? 1500 : 1 + (uint32_t)(host->random(seed, at++) * 60), n_rankers);
    for (uint32_t r = 0; r < n_rankers; r++) {
        double chance = chances[(uint32_t)(host->random(seed, at++) * 6)];
        uint32_t shape = (uint32_t)(host->random(seed, at++) * 6);
        for (uint32_t i = 0; i < list.batch.n; i++) {
            double u = host->random(seed, at++);
            double x = shape == 0 ? u : shape == 1 ? floor(u * 5) - 2 : shape == 2 ? 0.25 : shape == 3 ? exp(u * 20) : shape == 4 ? -u * 1e-3 : u * 2 - 1;
            list.score[r][i] = NAN; /* undefined where not present */
            if (host->random(seed, at++) < chance)
                list_set(&list, r, i, (float)x);
        }
    }
    for (uint32_t i = 0; i < list.batch.n; i++)
        if (host->random(seed, at++) < 0.05)
            list.present[i] = 0;
}

/* One ranker's plain calibration. */
static double plain_calibrated(const variant *v, uint32_t r, uint32_t i, double *mean, double *lowest)
{
    double least = INFINITY, most = -INFINITY, sum = 0, squares = 0, n = 0;
    for (uint32_t j = 0; j < list.batch.n; j++)
        if (is_present(j, r)) {
            double x = (double)list.score[r][j];
            least = fmin(least, x);
            most = fmax(most, x);
            sum += x;
            squares += x * x;
            n++;
        }
    *mean = *lowest = 0;
    if (n == 0)
        return 0;
    double middle = sum / n, deviation = sqrt(fmax(0, squares / n - middle * middle)), x = is_present(i, r) ? (double)list.score[r][i] : 0;
    bool constant = !(most > least);
    if (strcmp(v->calibrate, "minmax") == 0) {
        *mean = constant ? 0.5 : (middle - least) / (most - least);
        *lowest = constant ? 0.5 : 0;
        return constant ? 0.5 : (x - least) / (most - least);
    }
    if (strcmp(v->calibrate, "zscore") == 0) {
        *lowest = constant ? 0 : (least - middle) / deviation;
        return constant ? 0 : (x - middle) / deviation;
    }
    *mean = middle;
    *lowest = least;
    return x;
}

/* What weight 1 + r for ranker r makes of item i. */
static double plain_weighted(const variant *v, uint32_t i)
{
    double sum = 0, present = 0, any = 0, bound = 0, least = INFINITY;
    for (uint32_t r = 0; r < list.batch.n_rankers; r++) {
        double mean, lowest, weight = 1 + r, c = plain_calibrated(v, r, i, &mean, &lowest);
        bool some = false;
        for (uint32_t j = 0; j < list.batch.n; j++)
            some |= is_present(j, r);
        any += some ? weight : 0;
        least = some ? fmin(least, lowest) : least;
        bound += weight * (strcmp(v->missing, "zero") == 0 ? fmin(0, lowest) : lowest);
        if (is_present(i, r)) {
            sum += weight * c;
            present += weight;
        } else {
            sum += weight * (strcmp(v->missing, "mean") == 0 ? mean : strcmp(v->missing, "lowest") == 0 ? lowest : 0);
        }
    }
    if (strcmp(v->missing, "renormalise") == 0)
        return present > 0 ? sum * any / present : isinf(least) ? 0 : least * any;
    return present > 0 ? sum : bound;
}

/* What ranker r gives item i, and by Borda what it leaves an unranked one. */
static double plain_vote(const variant *v, uint32_t r, uint32_t i)
{
    uint32_t before = 0, ranked = 0;
    double n = list.batch.n;
    for (uint32_t j = 0; j < list.batch.n; j++)
        if (is_present(j, r)) {
            float a = list.score[r][j], b = list.score[r][i];
            ranked++;
            before += a > b || (a == b && list.item[j] < list.item[i]);
        }
    if (strcmp(v->rule, "rrf") == 0)
        return is_present(i, r) ? 1.0 / (60 + before + 1) : 0;
    return is_present(i, r) ? (n - before) / n : (n - ranked + 1) / 2 / n;
}

static double plain_voting(const variant *v, uint32_t i)
{
    double sum = 0;
    for (uint32_t r = 0; r < list.batch.n_rankers; r++)
        sum += (1 + r) * plain_vote(v, r, i);
    return sum;
}

/* A share is the weight times the plain calibrated score, or the vote; with renormalise, scaled by one factor an item. */
static void check_shares(const variant *v, uint32_t i, const sinter_share *share)
{
    double scale = NAN, mean, lowest;
    for (uint32_t r = 0; r < list.batch.n_rankers; r++) {
        if (!is_present(i, r))
            continue;
        double c = strcmp(v->method, "weighted") == 0 ? plain_calibrated(v, r, i, &mean, &lowest) : plain_vote(v, r, i);
        double expected = c * (1 + r), tolerance = 1e-6 * fmax(1, fabs(expected));
        assert_near(share[r].calibrated, c, tolerance);
        if (strcmp(v->missing, "renormalise") != 0) {
            assert_near(share[r].contribution, expected, tolerance);
        } else if (fabs(expected) > 1e-3) {
            scale = isnan(scale) ? share[r].contribution / expected : scale;
            assert_near(share[r].contribution, expected * scale, tolerance * fmax(1, scale) * 1e3);
        }
    }
}

/* Every hit: the score is the plain one, and bias and shares sum to it; missing rankers get nothing. */
static void check_request(const fusing *f, const variant *v, uint64_t request)
{
    sinter_share share[SINTER_MAX_RANKERS];
    double least = INFINITY, bias;
    fuse_list(f, &list, fused);
    for (uint32_t i = 0; i < list.batch.n; i++)
        least = fmin(least, (double)fused[i]);
    for (uint32_t i = 0; i < list.batch.n; i++) {
        double score = (double)fused[i], contributions = 0, size = 1;
        bool weighted = strcmp(v->method, "weighted") == 0;
        explain_row(f, &list, i, share, &bias);
        for (uint32_t r = 0; r < list.batch.n_rankers; r++) {
            contributions += share[r].contribution;
            size = fmax(size, fabs(share[r].contribution));
            if (!is_present(i, r) && (share[r].contribution != 0 || share[r].calibrated != 0))
                fail_msg("request %d, row %u: the missing ranker %u has a share", (int)request, i, r);
        }
        if (!(fabs(bias + contributions - score) <= 1e-9 * fmax(1, fabs(score))))
            fail_msg("request %d, row %u: bias %.17g + shares %.17g is not %.17g", (int)request, i, bias, contributions, score);
        if (list.batch.n < 100 || i % 97 == 0) {
            check_shares(v, i, share);
            if (strcmp(v->missing, "renormalise") == 0 && list.present[i] != 0)
                assert_near(bias, 0, 1e-6 * size); /* nothing stands in for what is missing */
            assert_near(score, weighted ? plain_weighted(v, i) : plain_voting(v, i), 3e-6 * fmax(size, fabs(bias)));
        }
        if (!isfinite(score) || (list.present[i] == 0 && (score > least || contributions != 0)))
            fail_msg("request %d, row %u: scored by none, yet %g where the least is %g", (int)request, i, score, least);
    }
}

static void shares_sum_to_the_score_in_1000_random_requests(void **state)
{
    (void)state;
    static const uint32_t counts[] = {1, 2, 3, 5, 5, 8, 20, 64};
    for (uint32_t use = 0; use < VARIANTS * 8; use++) {
        const variant *v = &variants[use % VARIANTS];
        uint32_t n_rankers = counts[use / VARIANTS];
        harness_option option[4 + SINTER_MAX_RANKERS] = {
            {"method", v->method}, {"calibrate", v->calibrate}, {"missing", v->missing}, {"rule", v->rule}};
        char path[SINTER_MAX_RANKERS][32], value[SINTER_MAX_RANKERS][12];
        for (uint32_t r = 0; r < n_rankers; r++) {
            snprintf(path[r], sizeof path[r], "weights.%s", ranker_names[r]);
            snprintf(value[r], sizeof value[r], "%u", 1 + r);
            option[4 + r] = (harness_option){path[r], value[r]};
        }
        fusing f = fusing_open(PLUGIN_PATH, option, 4 + n_rankers, n_rankers);
        for (uint64_t request = use; request < 1000 + VARIANTS * 8; request += VARIANTS * 8) {
            random_list(harness_host(f.h), 1000 + request, n_rankers);
            check_request(&f, v, request);
        }
        harness_close(f.h);
    }
}

/* ---- orders ---- */

static void an_order_does_not_depend_on_places_or_on_how_scores_bunch(void **state)
{
    (void)state;
    for (uint32_t shape = 0; shape < 10; shape++) {
        fusing f = fusing_open(PLUGIN_PATH, (harness_option[]){{"method", "voting"}, {"k", "0"}}, 2, 1);
        const sinter_host *host = harness_host(f.h);
        list_start(&list, 1200, 1);
        for (uint32_t i = 0; i < 1200; i++) {
            double u = host->random(shape, i), twin = i % 50 < 2 ? host->random(shape, i - i % 50) : u;
            const double shapes[] = {u, u < 0.5 ? 1 : 2, pow(10, u * 70 - 35), i == 3 ? 3e38 : u, (u - 0.5) * 6.8e38, u < 0.5 ? -0.0 : 0.0,
                                     i == 0 ? 1e9 : u * 100, 1 + floor(u * 3) * 1e-7,
                                     twin, 1 / (twin + 0.01)};
            if (shape != 6 || i % 3 != 0)
                list_set(&list, 0, i, (float)shapes[shape]);
        }
        fuse_list(&f, &list, fused);
        for (uint32_t i = 0; i < 1200; i++) {
            uint32_t rank = 1;
            for (uint32_t j = 0; j < 1200; j++)
                rank += is_present(j, 0) && (list.score[0][j] > list.score[0][i] ||
                                             (list.score[0][j] == list.score[0][i] && list.item[j] < list.item[i]));
            if (fused[i] != (is_present(i, 0) ? (float)(1.0 / rank) : 0))
                fail_msg("shape %u, row %u: %g, expected rank %u", shape, i, (double)fused[i], rank);
        }
        harness_close(f.h);
    }
}

static void fusing_allocates_nothing_after_the_first_call(void **state)
{
    (void)state;
    fusing f = fusing_open(PLUGIN_PATH, NULL, 0, 5);
    random_list(harness_host(f.h), 5, 5);
    fuse_list(&f, &list, fused);
    uint64_t before = harness_allocations(f.h);
    for (uint64_t seed = 6; seed < 60; seed++) {
        random_list(harness_host(f.h), seed, 5);
        list.batch.n = list.batch.n > 1000 ? 1000 : list.batch.n;
        fuse_list(&f, &list, fused);
    }
    assert_true(harness_allocations(f.h) == before);
    harness_close(f.h);
}

static void explaining_another_list_is_refused(void **state)
{
    (void)state;
    fusing f = fusing_open(PLUGIN_PATH, NULL, 0, 1);
    sinter_share share[1];
    double bias;
    sinter_error err = SINTER_ERROR_INIT;
    fill((float[]){1, 2, 3}, 3, 1);
    const sinter_fusion *fusion = harness_plugin(f.h)->fusion;
    assert_int_equal(fusion->explain(f.instance, f.worker, &list.batch, 0, share, &bias, &err), SINTER_INVALID);
    fuse_list(&f, &list, fused);
    assert_int_equal(fusion->explain(f.instance, f.worker, &list.batch, 3, share, &bias, &err), SINTER_INVALID);
    assert_int_equal(fusion->explain(f.instance, f.worker, &list.batch, 2, share, &bias, &err), SINTER_OK);
    harness_close(f.h);
}

/* ---- options ---- */

static void bad_options_are_refused(void **state)
{
    (void)state;
    const struct {
        harness_option option[3];
        size_t n;
        const char *what, *fix;
    } cases[] = {
        {{{"method", "magic"}}, 1, "'magic' is not one of the choices", ""},
        {{{"method", "network"}, {"weights.words", "1"}}, 2, "the model has its own", "remove"},
        {{{"calibrate", "l2"}}, 1, "'l2' is not one of the choices", ""},
        {{{"rule", "condorcet"}}, 1, "'condorcet' is not one of the choices", ""},
        {{{"k", "-1"}}, 1, "-1 is not within", ""},
        {{{"weights.words", "much"}}, 1, "'much' is not a number", ""},
        {{{"weights.words", "-1"}, {"weights.taste", "1"}}, 2, "the weight of 'words' is not within 0", "negate"},
        {{{"weights.words", "0"}, {"weights.taste", "0"}}, 2, "all weights are 0", "above 0"},
        {{{"weights.words", "1"}, {"weights.tatse", "1"}}, 2, "a weight for 'tatse', which is no ranker", "did you mean taste?"},
        {{{"weights.words", "1"}}, 1, "ranker 'taste' has no weight", "add taste: 0.1"},
        {{{"weights.words", "1"}, {"fit", "x.tsv"}}, 2, "both weights and fit are given", "remove one"},
        {{{"method", "voting"}, {"fit", "x.tsv"}}, 2, "fit belongs to method weighted", ""},
        {{{"fit", "/nonexistent/pairs.tsv"}}, 1, "the file cannot be opened", "TSV"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        harness *h = harness_open(PLUGIN_PATH);
        sinter_instance *instance;
        sinter_error err;
        harness_rankers(h, ranker_names, 2);
        sinter_status s = harness_instance(h, "fusion", cases[i].option, cases[i].n, &instance, &err);
        if (s == SINTER_OK || strstr(err.what, cases[i].what) == NULL || strstr(err.fix, cases[i].fix) == NULL || err.where[0] == 0)
            fail_msg("case %zu: status %d, '%s', fix '%s', where '%s'", i, s, err.what, err.fix, err.where);
        harness_close(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worked_example_gives_point_74),
        cmocka_unit_test(scores_are_calibrated_over_the_list),
        cmocka_unit_test(a_constant_list_gets_the_middle),
        cmocka_unit_test(a_missing_score_counts_as_the_option_says),
        cmocka_unit_test(a_ranker_without_any_score_changes_no_order),
        cmocka_unit_test(reciprocal_ranks_add_up_and_ties_go_to_the_smaller_ordinal),
        cmocka_unit_test(borda_shares_what_is_left_among_the_unranked),
        cmocka_unit_test(shares_sum_to_the_score_in_1000_random_requests),
        cmocka_unit_test(an_order_does_not_depend_on_places_or_on_how_scores_bunch),
        cmocka_unit_test(fusing_allocates_nothing_after_the_first_call),
        cmocka_unit_test(explaining_another_list_is_refused),
        cmocka_unit_test(bad_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
