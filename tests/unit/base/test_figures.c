/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Figures: buckets, cells by label, what several threads counted added up, and Prometheus' text of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/base.h"

static const metric_family CALLS = {"x_calls_total", "Calls.", METRIC_COUNTER, {"who", "code"}};
static const metric_family SECONDS = {"x_seconds", "Time.", METRIC_HISTOGRAM, {"who"}};
static const metric_family LEVEL = {"x_level", "Level.", METRIC_GAUGE, {NULL}};

static void count(metric_table *t, const char *who, const char *code, uint64_t n)
{
    atomic_fetch_add(metric_table_counter(t, &CALLS, who, code, NULL), n);
}

static void a_time_falls_into_the_bucket_that_ends_at_or_above_it(void **state)
{
    (void)state;
    histogram h = {0};
    histogram_note(&h, 0);
    histogram_note(&h, 10000);
    histogram_note(&h, 10001);
    histogram_note(&h, UINT64_C(30000000000));
    histogram_note(&h, UINT64_C(30000000001));
    assert_int_equal(h.bucket[0], 2);
    assert_int_equal(h.bucket[1], 1);
    assert_int_equal(h.bucket[HISTOGRAM_BOUNDS - 1], 1);
    assert_int_equal(h.bucket[HISTOGRAM_BOUNDS], 1);
    for (uint32_t i = 1; i < HISTOGRAM_BOUNDS; i++)
        assert_true(HISTOGRAM_SECONDS[i] > HISTOGRAM_SECONDS[i - 1]);
}

static void what_two_threads_counted_is_one_sample(void **state)
{
    (void)state;
    metric_table *t[2] = {metric_table_new(), metric_table_new()};
    arena *a = arena_new(1 << 12);
    scrape *m = scrape_new(a);
    buffer out = {0};
    for (int i = 0; i < 2; i++) {
        count(t[i], "a", "OK", 3);
        count(t[i], "a\"\\\n", "OK", 1);
        histogram_note(metric_table_histogram(t[i], &SECONDS, "a", NULL, NULL), 15000);
        scrape_add_table(m, t[i]);
    }
    scrape_add(m, &LEVEL, 0.5, NULL, NULL, NULL);
    scrape_write(m, &out);
    assert_non_null(strstr(out.data, "# HELP x_calls_total Calls.\n# TYPE x_calls_total counter\nx_calls_total{who=\"a\",code=\"OK\"} 6\n"
                                     "x_calls_total{who=\"a\\\"\\\\\\n\",code=\"OK\"} 2\n"));
    assert_non_null(strstr(out.data, "# TYPE x_seconds histogram\nx_seconds_bucket{who=\"a\",le=\"1e-05\"} 0\n"
                                     "x_seconds_bucket{who=\"a\",le=\"2e-05\"} 2\n"));
    assert_non_null(strstr(out.data, "x_seconds_bucket{who=\"a\",le=\"+Inf\"} 2\nx_seconds_sum{who=\"a\"} 3e-05\nx_seconds_count{who=\"a\"} 2\n"));
    assert_non_null(strstr(out.data, "# TYPE x_level gauge\nx_level 0.5\n"));
    buffer_free(&out);
    arena_free(a);
    metric_table_free(t[0]);
    metric_table_free(t[1]);
}

static void labels_without_end_become_other(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    metric_table *t = metric_table_new();
    arena *a = arena_new(1 << 12);
    scrape *m = scrape_new(a);
    char name[16];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "n%d", i);
        count(t, name, "OK", 1);
    }
    count(t, "n0", "OK", 1);
    scrape_add_table(m, t);
    double sum = 0, other = 0, first = 0;
    for (const metric_sample *s = m->first->first; s; s = s->next) {
        sum += s->value;
        if (strcmp(s->label[0], "other") == 0) other = s->value;
        if (strcmp(s->label[0], "n0") == 0) first = s->value;
    }
    assert_true(sum == MANY + 1 && first == 2);
    assert_true(other > 1000 && other < MANY);
    arena_free(a);
    metric_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_falls_into_the_bucket_that_ends_at_or_above_it),
        cmocka_unit_test(what_two_threads_counted_is_one_sample),
        cmocka_unit_test(labels_without_end_become_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
