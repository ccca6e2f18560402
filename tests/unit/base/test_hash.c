/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hashes against xxHash's published values, the generator against an independent implementation in Python. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static void hashes_are_xxh3(void **state) {
    (void)state;
    uint64_t h[2];
    assert_true(hash64("", 0) == 0x2d06800538d394c2u);
    assert_true(hash64(NULL, 0) == 0x2d06800538d394c2u);
    assert_true(hash64("a", 1) == 0xe6c632b61e964e1fu);
    assert_true(hash64("abc", 3) == 0x78af5f94892f3950u);
    assert_true(hash64_seed("abc", 3, 0) == hash64("abc", 3));
    assert_true(hash64_seed("abc", 3, 1) != hash64("abc", 3));
    hash128("", 0, h);
    assert_true(h[0] == 0x6001c324468d497fu && h[1] == 0x99aa06d3014798d8u);
    hash128("abc", 3, h);
    assert_true(h[0] == 0x78af5f94892f3950u && h[1] == 0x06b05ab6733a6185u);
}

static void the_same_numbers_on_every_machine(void **state) {
    (void)state;
    static const struct {
        uint64_t seed, first[3], thousandth;
    } CASES[] = {
        {0, {0x99ec5f36cb75f2b4u, 0xbf6e1f784956452au, 0x1a5f849d4933e6e0u}, 0x7aac8c483a2edd2fu},
        {42, {0x15780b2e0c2ec716u, 0x6104d9866d113a7eu, 0xae17533239e499a1u}, 0x8de5848c61ab8968u},
    };
    for (size_t c = 0; c < ARRAY_LEN(CASES); c++) {
        rng r;
        rng_seed(&r, CASES[c].seed);
        for (int i = 0; i < 1000; i++) {
            uint64_t v = rng_next(&r);
            if (i < 3) assert_true(v == CASES[c].first[i]);
            if (i == 999) assert_true(v == CASES[c].thousandth);
        }
    }
}

static void uniform_numbers_fill_the_unit_interval(void **state) {
    (void)state;
    enum { N = 200000 };
    rng r;
    rng_seed(&r, 7);
    double sum = 0, least = 1, most = 0;
    for (int i = 0; i < N; i++) {
        double u = rng_uniform(&r);
        assert_true(u >= 0 && u < 1);
        sum += u;
        least = fmin(least, u);
        most = fmax(most, u);
    }
    assert_true(fabs(sum / N - 0.5) < 5 * 0.2887 / sqrt(N));
    assert_true(least < 1e-4 && most > 1 - 1e-4);
}

static void numbers_below_are_even(void **state) {
    (void)state;
    enum { N = 70000, SIDES = 7 };
    rng r;
    rng_seed(&r, 3);
    double chi = 0;
    int count[SIDES] = {0};
    for (int i = 0; i < N; i++)
        count[rng_below(&r, SIDES)]++;
    for (int i = 0; i < SIDES; i++)
        chi += pow(count[i] - N / SIDES, 2) / (N / SIDES);
    assert_true(chi < 22.5); /* 99.9% of chi-squared with 6 degrees */
    for (int i = 0; i < 100; i++)
        assert_int_equal(rng_below(&r, 1), 0);
    /* A modulus of a 64-bit number would favour the lower half of 3/4 of the range. */
    uint64_t n = 3ull << 62;
    int low = 0;
    for (int i = 0; i < 20000; i++)
        low += rng_below(&r, n) < n / 2;
    assert_true(abs(low - 10000) < 400);
}

static void normal_numbers_have_mean_0_and_variance_1(void **state) {
    (void)state;
    enum { N = 200000 };
    rng r;
    rng_seed(&r, 11);
    double m1 = 0, m2 = 0, m4 = 0;
    for (int i = 0; i < N; i++) {
        double x = rng_normal(&r);
        m1 += x, m2 += x * x, m4 += x * x * x * x;
    }
    assert_true(fabs(m1 / N) < 0.012);
    assert_true(fabs(m2 / N - 1) < 0.017);
    assert_true(fabs(m4 / N - 3) < 0.12);
}

static void uuids_are_version_4_and_differ(void **state) {
    (void)state;
    char a[37], b[37];
    for (int i = 0; i < 100; i++) {
        uuid_make(a);
        uuid_make(b);
        assert_int_equal(strlen(a), 36);
        assert_string_not_equal(a, b);
        assert_true(a[8] == '-' && a[13] == '-' && a[18] == '-' && a[23] == '-');
        assert_int_equal(a[14], '4');
        assert_non_null(strchr("89ab", a[19]));
        assert_int_equal(strspn(a, "0123456789abcdef-"), 36);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_xxh3),
        cmocka_unit_test(the_same_numbers_on_every_machine),
        cmocka_unit_test(uniform_numbers_fill_the_unit_interval),
        cmocka_unit_test(numbers_below_are_even),
        cmocka_unit_test(normal_numbers_have_mean_0_and_variance_1),
        cmocka_unit_test(uuids_are_version_4_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
