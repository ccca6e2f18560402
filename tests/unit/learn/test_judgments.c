/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Judgment and run files: what is read, and what is refused with file and line. */
#include "fixture.h"

static judgments *good(const char *judged, const char *queries) {
    judgments *j = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    if (judgments_of(judged, queries, &j, &e)) fail_msg("%s: %s", e.where, e.what);
    return j;
}

static void refused(const char *judged, const char *queries, const char *where_end, const char *what) {
    judgments *j = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(judgments_of(judged, queries, &j, &e), SINTER_INVALID);
    assert_null(j);
    size_t n = strlen(e.where), m = strlen(where_end);
    if (n < m || strcmp(e.where + n - m, where_end) != 0) fail_msg("where is '%s', not '…%s'", e.where, where_end);
    if (!strstr(e.what, what)) fail_msg("'%s' does not say '%s'", e.what, what);
    assert_true(e.fix[0]);
}

static void columns_are_found_by_name_in_any_order(void **state) {
    (void)state;
    judgments *j = good("relevance\tnote\titem\tquery\n2.5\tx\tb\tsaw\n1\ty\ta\tsaw\n3\tz\ta\tdrill\n", NULL);
    assert_int_equal(j->n_queries, 2);
    assert_int_equal(j->n_judgments, 3);
    assert_string_equal(j->query[0].text, "saw");
    assert_string_equal(j->query[0].item[0].item, "a"); /* sorted by id */
    assert_true(j->query[0].item[0].grade == 1.0);
    assert_true(j->query[0].item[1].grade == 2.5);
    assert_string_equal(j->query[1].text, "drill");
    judgments_free(j);
}

static void queries_keep_the_order_of_first_appearance(void **state) {
    (void)state;
    judgments *j = good("query\titem\tgrade\nz\t1\t1\na\t1\t1\nz\t0\t0\nm\t4\t2\n", NULL);
    assert_int_equal(j->n_queries, 3);
    assert_string_equal(j->query[0].id, "z");
    assert_int_equal(j->query[0].n, 2);
    assert_string_equal(j->query[1].id, "a");
    assert_string_equal(j->query[2].id, "m");
    assert_ptr_equal(judgments_find(j, "m"), &j->query[2]);
    assert_ptr_equal(judgments_find(j, "a"), &j->query[1]);
    assert_null(judgments_find(j, "b"));
    judgments_free(j);
}

static void carriage_returns_empty_lines_and_a_byte_order_mark_are_dropped(void **state) {
    (void)state;
    judgments *j = good("\xef\xbb\xbfquery\titem\tgrade\r\n\r\ncaf\xc3\xa9\tx\t1\r\n\n", NULL);
    assert_int_equal(j->n_queries, 1);
    assert_string_equal(j->query[0].text, "caf\xc3\xa9");
    judgments_free(j);
}

static void words_of_queries_come_from_a_file(void **state) {
    (void)state;
    judgments *j = good("query_id\titem\tgrade\n7\ta\t1\n3\tb\t1\n", "id\tquery\n3\tthree\n7\tseven\n9\tunjudged\n");
    assert_string_equal(j->query[0].id, "7");
    assert_string_equal(j->query[0].text, "seven");
    assert_string_equal(j->query[1].text, "three");
    judgments_free(j);
}

static void who_asks_and_when_comes_from_the_file_of_queries(void **state) {
    (void)state;
    judgments *j = good("query_id\titem\tgrade\n1\ta\t1\n2\tb\t1\n",
                        "query_id\tuser.segment\ttext\tuser\ttime\tuser.member\tsession\tuser.\n"
                        "2\t\ttwo\t\t\ttrue\ts2\tx\n1\tcommuter\tone\tu1\t2026-01-31T09:30:00.250Z\tfalse\t\tx\n");
    assert_int_equal(j->n_attributes, 2);
    assert_string_equal(j->attribute[0], "segment");
    assert_string_equal(j->attribute[1], "member");
    const judged_query *one = judgments_find(j, "1"), *two = judgments_find(j, "2");
    assert_string_equal(one->user, "u1");
    assert_null(one->session);
    assert_string_equal(one->attribute[0], "commuter");
    assert_string_equal(one->attribute[1], "false");
    assert_true(one->timed && one->time_ms == INT64_C(1769851800250));
    assert_null(two->user);
    assert_string_equal(two->session, "s2");
    assert_string_equal(two->attribute[0], "");
    assert_false(two->timed);
    judgments_free(j);
    j = good("query\titem\tgrade\nsaw\ta\t1\n", NULL);
    assert_int_equal(j->n_attributes, 0);
    assert_null(j->query[0].user);
    assert_null(j->query[0].attribute);
    judgments_free(j);
    refused("query_id\titem\tgrade\n1\ta\t1\n", "id\tquery\ttime\n1\tone\tyesterday\n", ":2", "'yesterday'");
    refused("query_id\titem\tgrade\n1\ta\t1\n", "id\tquery\tuser\n1\tone\ta\x01z\n", ":2", "the user");
}

static void the_same_judgment_twice_counts_once_and_two_grades_are_refused(void **state) {
    (void)state;
    judgments *j = good("query\titem\tgrade\nq\ta\t1\nq\tb\t2\nq\ta\t1\n", NULL);
    assert_int_equal(j->query[0].n, 2);
    assert_int_equal(j->n_judgments, 2);
    judgments_free(j);
    refused("query\titem\tgrade\nq\ta\t1\nq\tb\t2\nq\ta\t3\n", NULL, ":4",
            "item 'a' has two grades for 'q': 1 on line 2");
}

static void wrong_files_are_refused_with_their_line(void **state) {
    (void)state;
    refused("", NULL, ":1", "empty");
    refused("query\titem\tgrade\n", NULL, "", "no judgments");
    refused("query\titem\n", NULL, ":1", "no column 'grade'; it has 'query', 'item'");
    refused("query\titem\tgrade\nq\ta\n", NULL, ":2", "2 values where the header names 3");
    refused("query\titem\tgrade\n\nq\ta\t1\tx\n", NULL, ":3", "4 values");
    refused("query\titem\tgrade\nq\ta\thigh\n", NULL, ":2", "'high'");
    refused("query\titem\tgrade\nq\ta\tnan\n", NULL, ":2", "'nan'");
    refused("query\titem\tgrade\nq\ta\t1e9\n", NULL, ":2", "'1e9'");
    refused("query\titem\tgrade\nq\t\t1\n", NULL, ":2", "item");
    refused("query\titem\tgrade\nq\ta\t1\nq\t\xff\t1\n", NULL, ":3", "UTF-8");
    refused("query_id\titem\tgrade\n1\ta\t1\n", NULL, "", "no file gives their words");
    refused("query_id\titem\tgrade\n1\ta\t1\n", "id\tquery\n2\ttwo\n", "", "no query '1'");
    refused("query_id\titem\tgrade\n1\ta\t1\n", "id\tquery\n1\tone\n1\tuno\n", ":3", "twice");
}

static void a_nul_byte_is_refused(void **state) {
    (void)state;
    static const char bytes[] = "query\titem\tgrade\nq\ta\0b\t1\n";
    char *path = file_with(bytes, sizeof bytes - 1);
    judgments *j = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(judgments_read(path, NULL, &j, &e), SINTER_INVALID);
    assert_non_null(strstr(e.what, "NUL"));
    free_file(path);
}

static void an_absent_file_is_named(void **state) {
    (void)state;
    judgments *j = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_not_equal(judgments_read("/nonexistent/judgments.tsv", NULL, &j, &e), SINTER_OK);
    assert_non_null(strstr(e.where[0] ? e.where : e.what, "/nonexistent/judgments.tsv"));
}

/* ---- runs
 * -------------------------------------------------------------------------------------------------------------------
 */

static ranked_run *run_of(const judgments *j, const char *text, sinter_error *e) {
    char *path = file_with(text, strlen(text));
    ranked_run *r = NULL;
    ranked_run_read(path, j, &r, e);
    free_file(path);
    return r;
}

static void a_run_keeps_the_order_of_lines_or_follows_its_scores(void **state) {
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    judgments *j = good("query\titem\tgrade\na\tx\t1\nb\ty\t1\n", NULL);
    ranked_run *r = run_of(j, "query\titem\nb\t3\na\t1\nb\t2\nunjudged\t9\n", &e);
    assert_non_null(r);
    assert_int_equal(r->n_ignored, 1);
    assert_int_equal(r->list[0].n, 1);
    assert_int_equal(r->list[1].n, 2);
    assert_string_equal(r->list[1].item[0], "3");
    assert_string_equal(r->list[1].item[1], "2");
    ranked_run_free(r);
    r = run_of(j, "query\titem\tscore\na\tlow\t-1\na\ttie1\t0.5\na\ttie2\t.5\na\thigh\t2e3\n", &e);
    static const char *const want[] = {"high", "tie1", "tie2", "low"};
    assert_int_equal(r->list[0].n, 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(r->list[0].item[i], want[i]);
    assert_int_equal(r->list[1].n, 0);
    ranked_run_free(r);
    assert_null(run_of(j, "query\titem\tscore\na\tx\tinf\n", &e));
    assert_non_null(strstr(e.where, ":2"));
    assert_null(run_of(j, "query\titem\nother\tx\n", &e));
    judgments_free(j);
}

/* ---- events
 * ----------------------------------------------------------------------------------------------------------------- */

static judgments *events_of(const char *text, const char *user, const char *item, sinter_error *e) {
    char *path = file_with(text, strlen(text));
    judgments *j = NULL;
    judgments_of_events(path, user, item, &j, e);
    free_file(path);
    return j;
}

static void events_make_each_person_a_query_without_words(void **state) {
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    judgments *j = events_of("time\tuser\titem\trating\n9\tu2\tb\t1\n8\tu1\ta\t5\n7\tu2\ta\t3\n6\tu2\tb\t2\n", NULL, NULL, &e);
    assert_non_null(j);
    assert_int_equal(j->n_queries, 2);
    assert_int_equal(j->n_judgments, 3);
    const judged_query *q = &j->query[0];
    assert_string_equal(q->user, "u2");
    assert_string_equal(q->text, "");
    assert_int_equal(q->n, 2);
    assert_string_equal(q->item[0].item, "a");
    assert_true(q->item[0].grade == 1 && q->item[1].grade == 1 && !q->timed && !q->session);
    assert_string_equal(j->query[1].user, "u1");
    judgments_free(j);
    j = events_of("customer\tsku\nc\ts\n", "customer", "sku", &e);
    assert_string_equal(j->query[0].item[0].item, "s");
    judgments_free(j);
}

static void files_of_events_that_are_wrong_are_refused(void **state) {
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    assert_null(events_of("user\titem\n", NULL, NULL, &e));
    assert_non_null(strstr(e.what, "no events"));
    assert_null(events_of("user\titem\nu\t\n", NULL, NULL, &e));
    assert_non_null(strstr(e.where, ":2"));
    assert_null(events_of("user\titem\n\ti\n", NULL, NULL, &e));
    assert_non_null(strstr(e.where, ":2"));
    assert_null(events_of("user\titem\nu\ti\n", "customer", NULL, &e));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_found_by_name_in_any_order),
        cmocka_unit_test(queries_keep_the_order_of_first_appearance),
        cmocka_unit_test(carriage_returns_empty_lines_and_a_byte_order_mark_are_dropped),
        cmocka_unit_test(words_of_queries_come_from_a_file),
        cmocka_unit_test(who_asks_and_when_comes_from_the_file_of_queries),
        cmocka_unit_test(the_same_judgment_twice_counts_once_and_two_grades_are_refused),
        cmocka_unit_test(wrong_files_are_refused_with_their_line),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(an_absent_file_is_named),
        cmocka_unit_test(events_make_each_person_a_query_without_words),
        cmocka_unit_test(files_of_events_that_are_wrong_are_refused),
        cmocka_unit_test(a_run_keeps_the_order_of_lines_or_follows_its_scores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
