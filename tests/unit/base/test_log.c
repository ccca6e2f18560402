/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Log lines: their form, levels, and that what a client sent cannot forge one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

static int saved_stderr, ends[2];
static char text[8192];

static void listen_begin(void) {
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    saved_stderr = dup(2);
    dup2(ends[1], 2);
}

/* What was logged since, in `text`. */
static void listen_end(void) {
    dup2(saved_stderr, 2);
    close(saved_stderr);
    close(ends[1]);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    close(ends[0]);
}

static void a_line_has_time_level_event_and_thread(void **state) {
    (void)state;
    log_set(LOG_INFO, false);
    pthread_setname_np(pthread_self(), "tester");
    listen_begin();
    errno = EAGAIN;
    log_info("index.rebuild", "%d items", 5);
    int code = errno;
    listen_end();
    assert_int_equal(code, EAGAIN);
    int64_t ms;
    char *space = strchr(text, ' ');
    assert_non_null(space);
    assert_true(time_parse_ms((str){text, (size_t)(space - text)}, &ms));
    assert_string_equal(space, " info  index.rebuild [tester] 5 items\n");
}

static void json_lines_are_json(void **state) {
    (void)state;
    log_set(LOG_INFO, true);
    listen_begin();
    log_error("a.b", "say \"%s\"", "hi\n");
    listen_end();
    assert_memory_equal(text, "{\"time\":\"2", 10);
    assert_string_equal(strstr(text, ",\"level\""), ",\"level\":\"error\",\"event\":\"a.b\",\"thread\":\"tester\","
                                                    "\"message\":\"say \\\"hi\\n\\\"\"}\n");
}

static void less_than_the_least_level_is_silent(void **state) {
    (void)state;
    log_set(LOG_WARN, false);
    listen_begin();
    log_debug("x", "1");
    log_info("x", "2");
    log_warn("x", "3");
    log_error("x", "4");
    listen_end();
    assert_null(strstr(text, "] 1"));
    assert_null(strstr(text, "] 2"));
    assert_non_null(strstr(text, " warn  x [tester] 3\n"));
    assert_non_null(strstr(text, " error x [tester] 4\n"));
}

static void one_event_is_one_line(void **state) {
    (void)state;
    log_set(LOG_INFO, false);
    listen_begin();
    log_info("x", "a\nb\tc\x1b[31m\x7f");
    listen_end();
    assert_string_equal(strstr(text, "] "), "] a\\nb\\x09c\\x1b[31m\\x7f\n");
}

static void levels_are_parsed_by_name(void **state) {
    (void)state;
    log_level level = LOG_INFO;
    assert_true(log_level_parse("debug", &level) && level == LOG_DEBUG);
    assert_true(log_level_parse("error", &level) && level == LOG_ERROR);
    assert_false(log_level_parse("loud", &level));
    assert_true(level == LOG_ERROR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_event_and_thread),
        cmocka_unit_test(json_lines_are_json),
        cmocka_unit_test(less_than_the_least_level_is_silent),
        cmocka_unit_test(one_event_is_one_line),
        cmocka_unit_test(levels_are_parsed_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
