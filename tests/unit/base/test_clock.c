/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Times as people write them, checked against the C library's timegm and gmtime. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/base.h"

static void times_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } CASES[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01", 0},
        {"2009-12-10T00:00:00Z", 1260403200000},
        {"2009-12-10t00:00:00z", 1260403200000},
        {"2009-12-10 00:00:00Z", 1260403200000},
        {"2009-12-10", 1260403200000},
        {"2009-12-10T01:30:00+01:30", 1260403200000},
        {"2009-12-09T19:00:00-05:00", 1260403200000},
        {"2009-12-10T00:00:00.25Z", 1260403200250},
        {"2009-12-10T00:00:00.123999Z", 1260403200123},
        {"2016-12-31T23:59:60Z", 1483228800000},
        {"2017-01-01T00:59:60+01:00", 1483228800000},
        {"2000-02-29", 951782400000},
        {"1969-12-31T23:59:59.999Z", -1},
        {"0000-01-01", -62167219200000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        int64_t ms = 42;
        if (!time_parse_ms(str_of(CASES[i].text), &ms)) fail_msg("'%s' was refused", CASES[i].text);
        if (ms != CASES[i].ms) fail_msg("'%s' is %lld", CASES[i].text, (long long)ms);
    }
}

static void what_is_no_time_is_refused(void **state) {
    (void)state;
    static const char *const CASES[] = {
        "",
        "2009",
        "2009-13-01",
        "2009-00-01",
        "2009-02-29",
        "1900-02-29",
        "2009-12-32",
        "2009-12-00",
        "09-12-10",
        "2009-12-10T",
        "2009-12-10T00:00:00",
        "2009-12-10T24:00:00Z",
        "2009-1-1",
        "2009-12-10Z",
        "2009-12-10T00:60:00Z",
        "2009-12-10T00:00:61Z",
        "+009-12-10",
        "2009-12-10T0Z",
        "2009-12-10T00:00Z",
        "2009-12-10T00:00:00.Z",
        "2009-12-10 ",
        "2009-12-10T00:00:00+0100",
        "2009-12-10T00:00:00+24:00",
        "2009-12-10T00:00:00+01:60",
        "2009-12-10T00:00:00ZZ",
        "2009-12-10T12:00:60Z",
        " 2009-12-10",
        "2009-12-10T00:00:00,5Z",
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        int64_t ms = 42;
        if (time_parse_ms(str_of(CASES[i]), &ms)) fail_msg("'%s' was taken", CASES[i]);
        assert_int_equal(ms, 42);
    }
    int64_t ms;
    assert_true(time_parse_ms((str){"2009-12-10junk", 10}, &ms));
}

static void times_are_written_as_gmtime_has_them(void **state) {
    (void)state;
    rng r;
    rng_seed(&r, 5);
    for (int i = 0; i < 20000; i++) {
        int64_t ms = (int64_t)rng_below(&r, 315537897599999) - 62135596800000; /* years 1 to 9999 */
        if (i % 2) ms -= ms % 1000;
        char text[32], expected[64];
        time_t sec = (time_t)((ms - ((ms % 1000) + 1000) % 1000) / 1000);
        int milli = (int)(((ms % 1000) + 1000) % 1000);
        struct tm tm;
        gmtime_r(&sec, &tm);
        int n = snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                         tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        if (milli)
            snprintf(expected + n, sizeof expected - (size_t)n, ".%03dZ", milli);
        else
            snprintf(expected + n, sizeof expected - (size_t)n, "Z");
        time_format_ms(ms, text);
        assert_string_equal(text, expected);
        int64_t back;
        assert_true(time_parse_ms(str_of(text), &back));
        assert_true(back == ms);
    }
}

static void the_ends_of_time_fit(void **state) {
    (void)state;
    char text[32];
    time_format_ms(INT64_MAX, text);
    assert_string_equal(text, "292278994-08-17T07:12:55.807Z");
    time_format_ms(INT64_MIN, text);
    assert_string_equal(text, "-292275055-05-16T16:47:04.192Z");
}

static void clocks_go_on(void **state) {
    (void)state;
    uint64_t a = clock_mono_ns();
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    assert_true(clock_mono_ns() - a >= 2000000);
    assert_true(llabs((long long)clock_wall_ms() / 1000 - (long long)time(NULL)) <= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(times_are_written_as_gmtime_has_them),
        cmocka_unit_test(the_ends_of_time_fit),
        cmocka_unit_test(clocks_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
