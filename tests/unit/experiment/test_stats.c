/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The statistics on figures worked out elsewhere, and by trial: tests that hold at every look are looked at without end. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "experiment/inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool near(double x, double y, double within)
{
    return fabs(x - y) <= within * (1 + fabs(y));
}

/* scipy.stats.norm.sf and chi2.sf. */
static void tails_are_those_of_scipy(void **state)
{
    (void)state;
    assert_true(near(normal_above(1.5), 0.06680720126885807, 1e-13));
    assert_true(near(normal_above(-2), 0.9772498680518208, 1e-13));
    assert_true(near(chi_square_above(3.84, 1), 0.05004352124870519, 1e-12));
    assert_true(near(chi_square_above(10.83, 1), 0.0009986863791802592, 1e-12));
    assert_true(near(chi_square_above(0.5, 3), 0.9188914116546758, 1e-12));
    assert_true(near(chi_square_above(30, 5), 1.4748581038443073e-05, 1e-9));
    assert_true(near(chi_square_above(12, 15), 0.6790290570904147, 1e-12));
    assert_true(chi_square_above(0, 2) == 1);
}

/* Four units: clicked 1, 0, 2, 3 of 2, 1, 4, 3 searches. numpy: y - r x, its variance with ddof 1, over n and the mean of x squared. */
static void a_ratio_knows_its_error(void **state)
{
    (void)state;
    static const uint32_t Y[] = {1, 0, 2, 3}, X[] = {2, 1, 4, 3};
    moments m;
    memset(&m, 0, sizeof m);
    for (int i = 0; i < 4; i++) {
        const unit_sums u = {.requests = X[i], .clicked = Y[i], .conversions = i, .value = 10 * i};
        moments_add(&m, &u);
    }
    estimate e = stats_estimate(&m, METRIC_CTR);
    assert_true(e.n == 4 && near(e.mean, 0.6, 1e-12) && near(e.variance, 0.026666666666666675, 1e-12));
    e = stats_estimate(&m, METRIC_CONVERSION);
    assert_true(near(e.mean, 0.75, 1e-12) && near(e.variance, 0.25 / 4, 1e-12));
    e = stats_estimate(&m, METRIC_VALUE);
    assert_true(near(e.mean, 15, 1e-12) && near(e.variance, 500.0 / 3 / 4, 1e-12));
}

/* One stream looked at after each of 400 batches: how often is it ever rejected though nothing differs? */
static double ever_rejected(double alpha, uint32_t trials, double drift)
{
    uint32_t rejected = 0;
    rng r;
    rng_seed(&r, 7);
    for (uint32_t t = 0; t < trials; t++) {
        moments m[2];
        memset(m, 0, sizeof m);
        bool ever = false;
        for (int look = 0; look < 60 && !ever; look++) {
            for (int i = 0; i < 60; i++) {
                int arm = i & 1;
                unit_sums u = {.requests = 1, .conversions = rng_uniform(&r) < 0.3 - (arm ? drift : 0)};
                moments_add(&m[arm], &u);
            }
            double worse;
            estimate is = stats_estimate(&m[1], METRIC_CONVERSION), was = stats_estimate(&m[0], METRIC_CONVERSION);
            ever = stats_guard(METRIC_CONVERSION, 0, &is, &was, &worse) < alpha;
        }
        rejected += ever;
    }
    return (double)rejected / trials;
}

static void guards_hold_at_every_look(void **state)
{
    (void)state;
    double none = ever_rejected(0.05, 1000, 0), harm = ever_rejected(0.05, 200, 0.1);
    assert_true(none <= 0.05);
    assert_true(harm >= 0.95);
}

/* A harm within the threshold is allowed; twice as much is not. */
static void a_threshold_is_tolerated(void **state)
{
    (void)state;
    moments m[3];
    memset(m, 0, sizeof m);
    for (int i = 0; i < 30000; i++) {
        const double share[] = {0.30, 0.285, 0.24}; /* control, 5% less, 20% less */
        for (int k = 0; k < 3; k++) {
            unit_sums u = {.requests = 1, .conversions = i < 30000 * share[k]};
            moments_add(&m[k], &u);
        }
    }
    double worse;
    estimate was = stats_estimate(&m[0], METRIC_CONVERSION), little = stats_estimate(&m[1], METRIC_CONVERSION),
             much = stats_estimate(&m[2], METRIC_CONVERSION);
    assert_true(stats_guard(METRIC_CONVERSION, 0.1, &little, &was, &worse) > 0.9 && near(worse, 0.05, 1e-9));
    assert_true(stats_guard(METRIC_CONVERSION, 0.1, &much, &was, &worse) < 1e-6 && near(worse, 0.2, 1e-9));
    was = stats_estimate(&m[2], METRIC_CONVERSION);
    assert_true(stats_guard(METRIC_ZERO, 0.02, &little, &little, &worse) == 1 && worse == 0);
}

/* Nobody with an error beside nobody without: no spread in either, and still a verdict. */
static void all_against_none_is_told(void **state)
{
    (void)state;
    moments m[2];
    memset(m, 0, sizeof m);
    for (int i = 0; i < 300; i++) {
        unit_sums good = {.requests = 2}, bad = {.requests = 2, .errors = 2};
        moments_add(&m[0], &good);
        moments_add(&m[1], &bad);
    }
    double worse;
    estimate was = stats_estimate(&m[0], METRIC_ERRORS), is = stats_estimate(&m[1], METRIC_ERRORS);
    assert_true(stats_guard(METRIC_ERRORS, 0.01, &is, &was, &worse) < 1e-6 && worse == 1);
    assert_true(stats_guard(METRIC_ERRORS, 0.01, &was, &was, &worse) == 1);
}

static void fill(latency *l, rng *r, int n, double scale)
{
    for (int i = 0; i < n; i++) latency_add(l, (uint64_t)(scale * 1000 * exp(rng_normal(r))));
}

static void latencies_are_told_within_a_bucket(void **state)
{
    (void)state;
    static latency l;
    for (int us = 1; us <= 100000; us++) latency_add(&l, (uint64_t)us);
    assert_true(near(latency_quantile(&l, 0.5), 50, 0.02) && near(latency_quantile(&l, 0.99), 99, 0.02));
    static latency none;
    assert_true(latency_quantile(&none, 0.99) == 0);
    latency_add(&none, 0);
    latency_add(&none, UINT64_MAX);
    assert_int_equal(none.n, 2);
}

static void a_slow_arm_is_told_from_a_like_one(void **state)
{
    (void)state;
    static latency control, like, slow, much_slower;
    double worse;
    rng r;
    rng_seed(&r, 3);
    fill(&control, &r, 20000, 1);
    fill(&like, &r, 20000, 1.05);
    fill(&slow, &r, 20000, 2);
    fill(&much_slower, &r, 400, 5);
    assert_true(stats_guard_p99(0.2, &like, &control, &worse) == 1);
    double p = stats_guard_p99(0.2, &slow, &control, &worse);
    assert_true(p < 1e-3 && worse > 0.7);
    assert_true(stats_guard_p99(0.2, &much_slower, &control, &worse) <= 1);
    /* Without end: two alike arms, a look every 100 requests. */
    uint32_t stopped = 0;
    for (int trial = 0; trial < 60; trial++) {
        latency *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
        bool ever = false;
        for (int look = 0; look < 40 && !ever; look++) {
            fill(a, &r, 100, 1);
            fill(b, &r, 100, 1);
            ever = stats_guard_p99(0, a, b, &worse) < 0.05;
        }
        stopped += ever;
        free(a);
        free(b);
    }
    assert_true(stopped <= 6);
}

static void a_difference_is_told_with_its_power(void **state)
{
    (void)state;
    const estimate control = {1000, 0.2, 0.0001}, arm = {1000, 0.25, 0.0001};
    comparison c;
    stats_compare(&arm, &control, 0.05, &c);
    double error = sqrt(0.0002);
    assert_true(c.known && near(c.p, 2 * normal_above(0.05 / error), 1e-12) && near(c.lift, 0.25, 1e-12));
    assert_true(near(c.high - c.difference, 1.959963984540054 * error, 1e-12));
    assert_true(near(c.power, normal_above(1.959963984540054 - 0.01 / error) + normal_above(1.959963984540054 + 0.01 / error), 1e-12));
    assert_true(c.lift_low < 0.25 && c.lift_high > 0.25 && c.anytime_p > c.p && c.anytime_p < 1);
    const estimate few = {1, 0.2, 0};
    stats_compare(&few, &control, 0.05, &c);
    assert_false(c.known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tails_are_those_of_scipy),       cmocka_unit_test(a_ratio_knows_its_error),
        cmocka_unit_test(guards_hold_at_every_look),      cmocka_unit_test(a_threshold_is_tolerated),
        cmocka_unit_test(all_against_none_is_told),       cmocka_unit_test(latencies_are_told_within_a_bucket),
        cmocka_unit_test(a_slow_arm_is_told_from_a_like_one), cmocka_unit_test(a_difference_is_told_with_its_power),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
