/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The byte buffer and JSON strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/base.h"

static void a_buffer_grows_and_stays_terminated(void **state) {
    (void)state;
    buffer b = {0};
    for (int i = 0; i < 1000; i++) {
        buffer_append(&b, "xyz", 3);
        assert_int_equal(strlen(b.data), b.len);
    }
    assert_int_equal(b.len, 3000);
    size_t cap = b.cap;
    buffer_clear(&b);
    assert_int_equal(b.len, 0);
    assert_int_equal(b.cap, cap);
    assert_string_equal(b.data, "");
    buffer_puts(&b, "a=");
    buffer_printf(&b, "%d %5000s", 12, "end");
    assert_int_equal(b.len, 2 + 3 + 5000);
    assert_memory_equal(b.data, "a=12 ", 5);
    assert_string_equal(b.data + b.len - 4, " end");
    buffer_free(&b);
    assert_null(b.data);
    buffer_clear(&b);
    buffer_append(&b, NULL, 0);
    assert_string_equal(b.data, "");
    buffer_free(&b);
}

static void json_strings_are_escaped(void **state) {
    (void)state;
    static const struct {
        str in;
        const char *out;
    } CASES[] = {
        {{"", 0}, "\"\""},
        {{"plain", 5}, "\"plain\""},
        {{"a\"b\\c/", 6}, "\"a\\\"b\\\\c/\""},
        {{"\n\r\t\b\f", 5}, "\"\\n\\r\\t\\b\\f\""},
        {{"\0\x01\x1f\x7f", 4}, "\"\\u0000\\u0001\\u001f\\u007f\""},
        {{"caf\xC3\xA9 \xF0\x9F\x8D\x8E", 10}, "\"caf\xC3\xA9 \xF0\x9F\x8D\x8E\""},
        {{"\xFFz\xC3", 3}, "\"\xEF\xBF\xBDz\xEF\xBF\xBD\""},
        {{"\xED\xA0\x80", 3}, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        buffer b = {0};
        buffer_json_string(&b, CASES[i].in.s, CASES[i].in.n);
        assert_string_equal(b.data, CASES[i].out);
        buffer_free(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_grows_and_stays_terminated),
        cmocka_unit_test(json_strings_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
