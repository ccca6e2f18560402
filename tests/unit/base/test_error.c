/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Errors: exact texts, cutting at a character, records of older headers, arguments that are part of the record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/base.h"

static void names_and_texts_come_from_the_one_list(void **state) {
    (void)state;
    assert_string_equal(status_name(SINTER_OK), "OK");
    assert_string_equal(status_name(SINTER_INVALID), "INVALID");
    assert_string_equal(status_name(SINTER_IO), "IO");
    assert_string_equal(status_text(SINTER_INVALID), "invalid argument");
    assert_string_equal(status_text(SINTER_GONE), "gone: older than what is kept");
    assert_string_equal(status_name(-1), "UNKNOWN_STATUS");
    assert_string_equal(status_text(1000), "unknown status");
}

static void a_failing_call_says_what_where_and_fix(void **state) {
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    char line[256];
    assert_int_equal(error_set(&e, SINTER_INVALID, "shop.yaml:3:7", "use 1 to 10", "limit is %d", 11), SINTER_INVALID);
    assert_int_equal(e.status, SINTER_INVALID);
    assert_string_equal(e.what, "limit is 11");
    assert_string_equal(e.where, "shop.yaml:3:7");
    assert_string_equal(e.fix, "use 1 to 10");
    assert_string_equal(error_line(&e, line, sizeof line), "shop.yaml:3:7: limit is 11; use 1 to 10");
    error_where(&e, "items[%d]", 4);
    error_fix(&e, "try %s", "10");
    assert_string_equal(error_line(&e, line, sizeof line), "items[4]: limit is 11; try 10");
    error_set(&e, SINTER_IO, NULL, NULL, "disk");
    assert_string_equal(error_line(&e, line, sizeof line), "disk");
    error_set(&e, SINTER_IO, NULL, NULL, "%s", "");
    assert_string_equal(error_line(&e, line, sizeof line), "input/output error");
    assert_string_equal(error_line(&e, line, 6), "input");
}

static void nobody_has_to_listen(void **state) {
    (void)state;
    assert_int_equal(error_set(NULL, SINTER_GONE, "x", "y", "z"), SINTER_GONE);
    error_where(NULL, "x");
    error_fix(NULL, "x");
}

static void an_error_may_quote_itself(void **state) {
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    error_set(&e, SINTER_IO, "inner", "wait", "disk");
    error_set(&e, SINTER_INTERNAL, e.fix, e.where, "outer: %s", e.what);
    assert_string_equal(e.what, "outer: disk");
    assert_string_equal(e.where, "wait");
    assert_string_equal(e.fix, "inner");
}

static void long_texts_are_cut_at_a_character(void **state) {
    (void)state;
    char text[1000];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xE2\x82\xAC", 4);
        sinter_error e = SINTER_ERROR_INIT;
        error_set(&e, SINTER_INVALID, text, text, "%s", text);
        const char *parts[] = {e.what, e.where, e.fix};
        size_t sizes[] = {sizeof e.what, sizeof e.where, sizeof e.fix};
        for (int i = 0; i < 3; i++) {
            assert_true(utf8_valid(parts[i], strlen(parts[i]), NULL));
            assert_true(strlen(parts[i]) >= sizes[i] - 3 && strlen(parts[i]) < sizes[i]);
            assert_null(strchr(parts[i], '?'));
        }
    }
}

static void bytes_that_are_not_utf8_become_question_marks(void **state) {
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    error_set(&e, SINTER_INVALID, "a\xFF", "\x80z", "id '%s'", "x\xC3(\xE2\x82");
    assert_string_equal(e.what, "id 'x?(?\?'");
    assert_string_equal(e.where, "a?");
    assert_string_equal(e.fix, "?z");
}

static void a_shorter_record_is_not_overrun(void **state) {
    (void)state;
    sinter_error e;
    memset(&e, 'x', sizeof e);
    e.size = (uint32_t)offsetof(sinter_error, where);
    error_set(&e, SINTER_INVALID, "where", "fix", "what");
    assert_string_equal(e.what, "what");
    assert_int_equal(e.where[0], 'x');
    assert_int_equal(e.fix[0], 'x');
    sinter_error zeroed = {0};
    error_set(&zeroed, SINTER_INVALID, "where", "fix", "what");
    assert_string_equal(zeroed.fix, "fix");
    assert_int_equal(zeroed.size, sizeof zeroed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_texts_come_from_the_one_list),
        cmocka_unit_test(a_failing_call_says_what_where_and_fix),
        cmocka_unit_test(nobody_has_to_listen),
        cmocka_unit_test(an_error_may_quote_itself),
        cmocka_unit_test(long_texts_are_cut_at_a_character),
        cmocka_unit_test(bytes_that_are_not_utf8_become_question_marks),
        cmocka_unit_test(a_shorter_record_is_not_overrun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
