/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files and folders, in a temporary folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

static char home[64];

static const char *in(const char *name) {
    static char paths[4][256];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", home, name);
    return path;
}

static int make_home(void **state) {
    (void)state;
    snprintf(home, sizeof home, "/tmp/sinter-test-XXXXXX");
    return mkdtemp(home) ? 0 : -1;
}

static int remove_home(void **state) {
    (void)state;
    return dir_remove(home, NULL) == SINTER_OK && access(home, F_OK) != 0 ? 0 : -1;
}

static int entries(const char *path) {
    DIR *d = opendir(path);
    int n = -2;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void what_is_written_is_read(void **state) {
    (void)state;
    buffer b = {0};
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(file_write_atomic(in("a"), "one\0two", 7, &e), SINTER_OK);
    assert_int_equal(file_read(in("a"), 7, &b, &e), SINTER_OK);
    assert_int_equal(b.len, 7);
    assert_memory_equal(b.data, "one\0two", 8);
    assert_int_equal(file_write_atomic(in("a"), "", 0, &e), SINTER_OK);
    assert_int_equal(file_read(in("a"), 0, &b, &e), SINTER_OK);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, "");
    assert_int_equal(entries(home), 1); /* no temporary file left */
    size_t n = 300001;
    char *big = xmalloc(n);
    memset(big, 'b', n);
    assert_int_equal(file_write_atomic(in("a"), big, n, &e), SINTER_OK);
    assert_int_equal(file_read(in("a"), SIZE_MAX, &b, &e), SINTER_OK);
    assert_int_equal(b.len, n);
    assert_memory_equal(b.data, big, n);
    free(big);
    buffer_free(&b);
}

static void failures_say_which_file_and_why(void **state) {
    (void)state;
    buffer b = {0};
    char line[600], expected[600];
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(file_read(in("absent"), 10, &b, &e), SINTER_NOT_FOUND);
    snprintf(expected, sizeof expected, "%s: cannot open: No such file or directory; check the path", in("absent"));
    assert_string_equal(error_line(&e, line, sizeof line), expected);

    file_write_atomic(in("long"), "12345", 5, NULL);
    assert_int_equal(file_read(in("long"), 4, &b, &e), SINTER_INVALID);
    snprintf(expected, sizeof expected, "%s: the file is longer than 4 bytes; make it smaller", in("long"));
    assert_string_equal(error_line(&e, line, sizeof line), expected);
    assert_int_equal(b.len, 0);

    assert_int_equal(file_read(home, 10, &b, &e), SINTER_IO);
    snprintf(expected, sizeof expected, "%s: cannot read: Is a directory", home);
    assert_string_equal(error_line(&e, line, sizeof line), expected);

    assert_int_equal(file_write_atomic(in("none/x"), "x", 1, &e), SINTER_NOT_FOUND);
    snprintf(expected, sizeof expected,
             "%s: cannot create a temporary file beside it: No such file or directory; check the path", in("none/x"));
    assert_string_equal(error_line(&e, line, sizeof line), expected);
    buffer_free(&b);
}

static void a_failed_replacement_leaves_the_old_file(void **state) {
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(dir_make(in("target/inside"), &e), SINTER_OK);
    int before = entries(home);
    assert_int_equal(file_write_atomic(in("target"), "x", 1, &e), SINTER_IO); /* a folder is not replaced by a file */
    assert_int_equal(entries(home), before);
    assert_int_equal(access(in("target/inside"), F_OK), 0);
}

static void folders_are_made_with_parents_and_private(void **state) {
    (void)state;
    struct stat st;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(dir_make(in("p/q//r/"), &e), SINTER_OK);
    assert_int_equal(dir_make(in("p/q/r"), &e), SINTER_OK);
    assert_int_equal(stat(in("p/q/r"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    file_write_atomic(in("p/file"), "x", 1, NULL);
    assert_int_equal(dir_make(in("p/file"), &e), SINTER_EXISTS);
    assert_string_equal(e.what, "not a folder");
    assert_int_equal(dir_make(in("p/file/below"), &e), SINTER_EXISTS);
    assert_int_equal(dir_make("", &e), SINTER_INVALID);
}

static void folders_are_removed_but_links_not_followed(void **state) {
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    dir_make(in("keep"), NULL);
    file_write_atomic(in("keep/precious"), "x", 1, NULL);
    dir_make(in("gone/a/b/c"), NULL);
    for (int i = 0; i < 300; i++) {
        char name[64];
        snprintf(name, sizeof name, "gone/a/b/%d", i);
        FILE *f = fopen(in(name), "w");
        fclose(f);
    }
    assert_int_equal(symlink(in("keep"), in("gone/a/link")), 0);
    assert_int_equal(dir_remove(in("gone"), &e), SINTER_OK);
    assert_int_not_equal(access(in("gone"), F_OK), 0);
    assert_int_equal(access(in("keep/precious"), F_OK), 0);
    assert_int_equal(dir_remove(in("gone"), &e), SINTER_OK);
    assert_int_equal(dir_remove(in("keep/precious"), &e), SINTER_INVALID);
    static const char *const NEVER[] = {"", "/", ".", "..", "../..", "//"};
    for (size_t i = 0; i < ARRAY_LEN(NEVER); i++)
        assert_int_equal(dir_remove(NEVER[i], &e), SINTER_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read, make_home, remove_home),
        cmocka_unit_test_setup_teardown(failures_say_which_file_and_why, make_home, remove_home),
        cmocka_unit_test_setup_teardown(a_failed_replacement_leaves_the_old_file, make_home, remove_home),
        cmocka_unit_test_setup_teardown(folders_are_made_with_parents_and_private, make_home, remove_home),
        cmocka_unit_test_setup_teardown(folders_are_removed_but_links_not_followed, make_home, remove_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
