/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Assignment against vectors that other languages must reach too, ramps that move nobody, layers that lie across each other; how
 * alike rankings are, against values worked out by hand and by the paper's definition. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "arms/arms.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* As python3-xxhash gives them: xxh3_64_intdigest(b"SALT/UNIT/ID") % 10000. */
static void buckets_are_those_of_the_documentation(void **state)
{
    (void)state;
    static const struct {
        const char *salt;
        experiment_unit unit;
        const char *id;
        uint32_t bucket;
    } VECTORS[] = {
#include "vectors.h"
    };
    for (size_t i = 0; i < ARRAY_LEN(VECTORS); i++)
        assert_int_equal(experiment_bucket(VECTORS[i].salt, VECTORS[i].unit, VECTORS[i].id), VECTORS[i].bucket);
    assert_true(ARRAY_LEN(VECTORS) >= 12);
}

static const config_arm HALVES[] = {{.name = "a", .share = 0.5, .first = 0, .end = 5000}, {.name = "b", .share = 0.5, .first = 5000, .end = 10000}};

static config_experiment make(const char *name)
{
    return (config_experiment){.name = name, .salt = name, .layer = name, .arm = HALVES, .n_arms = 2, .last_bucket = 9999,
                               .start_ms = INT64_MIN, .end_ms = INT64_MAX};
}

static int place(const config_experiment *x, int user, int64_t now)
{
    char id[16];
    experiment_place p;
    snprintf(id, sizeof id, "u%d", user);
    const experiment_person who = {.user = id};
    return experiment_assign(x, &who, now, &p) ? (int)p.arm : -1;
}

static void a_growing_ramp_moves_nobody(void **state)
{
    (void)state;
    enum { PEOPLE = 5000 };
    const config_ramp ramp[] = {{.from_ms = 1000, .share = 0.1}, {.from_ms = 2000, .over_ms = 1000, .share = 1}};
    config_experiment x = make("grows");
    x.ramp = ramp;
    x.n_ramp = 2;
    static const struct {
        int64_t now;
        double share;
    } TIMES[] = {{999, 0}, {1000, 0.1}, {2000, 0.1}, {2500, 0.55}, {3000, 1}, {9000, 1}};
    int before[PEOPLE];
    memset(before, -1, sizeof before);
    for (size_t t = 0; t < ARRAY_LEN(TIMES); t++) {
        int in = 0;
        for (int i = 0; i < PEOPLE; i++) {
            int now = place(&x, i, TIMES[t].now);
            if (before[i] >= 0) assert_int_equal(now, before[i]);
            in += now >= 0;
            before[i] = now;
        }
        assert_true(fabs((double)in / PEOPLE - TIMES[t].share) < 0.03);
    }
}

static void times_end_it(void **state)
{
    (void)state;
    config_experiment x = make("timed");
    x.start_ms = 100;
    x.end_ms = 200;
    assert_int_equal(place(&x, 1, 99), -1);
    assert_true(place(&x, 1, 100) >= 0 && place(&x, 1, 199) >= 0);
    assert_int_equal(place(&x, 1, 200), -1);
}

/* Pearson's statistic of two experiments' arms over many units: 1 degree of freedom, p = .001 is 10.8. */
static double association(const config_experiment *x, const config_experiment *y)
{
    enum { PEOPLE = 40000 };
    double n[2][2] = {{0}}, chi = 0;
    for (int i = 0; i < PEOPLE; i++) n[place(x, i, 0)][place(y, i, 0)]++;
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++) {
            double expected = (n[i][0] + n[i][1]) * (n[0][k] + n[1][k]) / PEOPLE;
            chi += (n[i][k] - expected) * (n[i][k] - expected) / expected;
        }
    return chi;
}

static void layers_lie_across_each_other(void **state)
{
    (void)state;
    config_experiment x = make("one"), y = make("two"), same = make("one");
    assert_true(association(&x, &y) < 10.8);
    assert_true(association(&x, &same) > 1000); /* the test can fail */
    /* Who is in a layer's range tells nothing of the arm, also where layer and salt have one name. */
    config_experiment half = make("one");
    half.last_bucket = 4999;
    int in = 0, first = 0;
    for (int i = 0; i < 20000; i++) {
        int arm = place(&half, i, 0);
        in += arm >= 0;
        first += arm == 0;
    }
    assert_true(fabs(in / 20000.0 - 0.5) < 0.02 && fabs((double)first / in - 0.5) < 0.02);
}

static void a_changed_share_moves_few(void **state)
{
    (void)state;
    const config_arm wider[] = {{.name = "a", .share = 0.6, .first = 0, .end = 6000}, {.name = "b", .share = 0.4, .first = 6000, .end = 10000}};
    config_experiment x = make("x"), y = make("x");
    y.arm = wider;
    int moved = 0;
    for (int i = 0; i < 10000; i++) moved += place(&x, i, 0) != place(&y, i, 0);
    assert_true(moved > 900 && moved < 1100);
}

static void units_fall_back_as_documented(void **state)
{
    (void)state;
    config_experiment x = make("x");
    experiment_place p;
    const experiment_person both = {"u", "s", "r"}, session = {"", "s", "r"}, nobody = {NULL, "", "r"};
    assert_true(experiment_assign(&x, &both, 0, &p) && p.unit == EXPERIMENT_USER);
    assert_true(experiment_assign(&x, &session, 0, &p) && p.unit == EXPERIMENT_SESSION);
    assert_int_equal(p.bucket, experiment_bucket("x", EXPERIMENT_SESSION, "s"));
    assert_false(experiment_assign(&x, &nobody, 0, &p));
    x.unit = EXPERIMENT_SESSION;
    assert_true(experiment_assign(&x, &both, 0, &p) && p.unit == EXPERIMENT_SESSION);
    x.unit = EXPERIMENT_REQUEST;
    assert_true(experiment_assign(&x, &nobody, 0, &p) && p.unit == EXPERIMENT_REQUEST);
}

/* By the definition: agreement at each depth summed, then the last agreement for ever. */
static double rbo_by_definition(const uint32_t *a, const uint32_t *b, uint32_t n, double p)
{
    double sum = 0, agreement = 0;
    for (uint32_t d = 1; d <= n; d++) {
        uint32_t common = 0;
        for (uint32_t i = 0; i < d; i++)
            for (uint32_t k = 0; k < d; k++) common += a[i] == b[k];
        agreement = (double)common / d;
        sum += (1 - p) * pow(p, d - 1) * agreement;
    }
    return sum + agreement * pow(p, n);
}

static void rankings_are_compared_as_defined(void **state)
{
    (void)state;
    const uint32_t a[] = {1, 2, 3, 4, 5, 6, 7, 8}, b[] = {3, 1, 9, 4, 2, 10, 7, 11}, c[] = {20, 21, 22, 23, 24, 25, 26, 27};
    assert_true(fabs(ranking_rbo(a, 8, a, 8, 0.9) - 1) < 1e-12);
    assert_true(fabs(ranking_rbo(a, 8, c, 8, 0.9)) < 1e-12);
    for (uint32_t n = 1; n <= 8; n++) assert_true(fabs(ranking_rbo(a, n, b, n, 0.9) - rbo_by_definition(a, b, n, 0.9)) < 1e-12);
    assert_true(fabs(ranking_rbo(a, 8, b, 3, 0.9) - ranking_rbo(b, 3, a, 8, 0.9)) < 1e-12);
    assert_true(fabs(ranking_rbo(a, 8, a, 3, 0.9) - 1) < 1e-12); /* as if the shorter went on */
    assert_true(ranking_rbo(a, 0, b, 0, 0.9) == 1 && ranking_rbo(a, 0, b, 8, 0.9) == 0);
    assert_true(ranking_overlap(a, 8, b, 8, 10) == 5.0 / 8 && ranking_overlap(a, 8, b, 8, 2) == 0.5);
    assert_true(ranking_overlap(a, 2, b, 8, 8) == 2.0 / 8 && ranking_overlap(a, 0, b, 0, 10) == 1 && ranking_overlap(a, 8, b, 0, 10) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_are_those_of_the_documentation), cmocka_unit_test(a_growing_ramp_moves_nobody),
        cmocka_unit_test(times_end_it), cmocka_unit_test(layers_lie_across_each_other), cmocka_unit_test(a_changed_share_moves_few),
        cmocka_unit_test(units_fall_back_as_documented), cmocka_unit_test(rankings_are_compared_as_defined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
