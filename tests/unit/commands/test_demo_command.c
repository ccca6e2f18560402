/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter demo generate` as a shell sees it: arguments, exit codes, the folder it writes, and opening it again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "commands/commands.h"
#include "commands/demo_world.h"

int command_demo(int argc, char **argv);

static char scratch[64];

static int make_scratch(void **state) {
    (void)state;
    snprintf(scratch, sizeof scratch, "/tmp/sinter-demo-test-XXXXXX");
    return mkdtemp(scratch) ? 0 : -1;
}

static int remove_scratch(void **state) {
    (void)state;
    return dir_remove(scratch, NULL) == SINTER_OK ? 0 : -1;
}

static int run(const char *const *words) {
    char *argv[32];
    int n = 0;
    for (; words[n] && n < 31; n++)
        argv[n] = xstrdup(words[n]);
    argv[n] = NULL;
    int code = command_demo(n, argv);
    for (int i = 0; i < n; i++)
        free(argv[i]);
    return code;
}

#define RUN(...) run((const char *const[]){"demo", __VA_ARGS__, NULL})
#define SMALL    "generate", "--items", "150", "--users", "30", "--queries", "12", "--events", "300"

static char *in_scratch(const char *name) {
    static char paths[8][160];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, 160, "%s/%s", scratch, name);
    return path;
}

static void append(const char *path, const char *text) {
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void wrong_arguments_are_usage_and_write_nothing(void **state) {
    (void)state;
    char *dir = in_scratch("none");
    assert_int_equal(RUN("generate", dir), EXIT_USAGE);                 /* no seed */
    assert_int_equal(RUN("generate", "--seed", "1"), EXIT_USAGE);       /* no folder */
    assert_int_equal(RUN("generate", "--seed"), EXIT_USAGE);            /* no value */
    assert_int_equal(RUN("generate", "--seed", "-1", dir), EXIT_USAGE); /* not a whole number */
    assert_int_equal(RUN("generate", "--seed", "1", "--items", "3", dir), EXIT_USAGE);
    assert_int_equal(RUN("generate", "--seed", "1", "--items", "99999999999", dir), EXIT_USAGE);
    assert_int_equal(RUN("generate", "--seed", "1", "--now", "yesterday", dir), EXIT_USAGE);
    assert_int_equal(RUN("generate", "--seed", "1", "--itmes", "200", dir), EXIT_USAGE);
    assert_int_equal(RUN("generate", "--seed", "1", dir, dir), EXIT_USAGE); /* two folders */
    assert_int_equal(RUN("dance"), EXIT_USAGE);
    assert_int_not_equal(access(dir, F_OK), 0);
}

static void help_is_no_error(void **state) {
    (void)state;
    assert_int_equal(RUN("--help"), EXIT_OK);
    assert_int_equal(RUN("generate", "--help"), EXIT_OK);
}

static void a_folder_in_use_is_refused_unless_forced(void **state) {
    (void)state;
    char *dir = in_scratch("used"), *own = in_scratch("used/own.txt");
    assert_int_equal(dir_make(dir, NULL), SINTER_OK);
    append(own, "mine");
    assert_int_equal(RUN(SMALL, "--seed", "1", dir), EXIT_FAILED);
    assert_int_not_equal(access(in_scratch("used/items.jsonl"), F_OK), 0);
    assert_int_equal(RUN(SMALL, "--seed", "1", "--force", dir), EXIT_OK);
    assert_int_equal(access(in_scratch("used/items.jsonl"), F_OK), 0);
    assert_int_equal(access(own, F_OK), 0); /* what is not the demo's stays */
}

static void a_folder_that_cannot_be_made_is_a_failure(void **state) {
    (void)state;
    char *file = in_scratch("file");
    append(file, "not a folder");
    assert_int_equal(RUN(SMALL, "--seed", "1", in_scratch("file/below")), EXIT_FAILED);
}

static void the_folder_opens_again_as_the_same_world(void **state) {
    (void)state;
    char *dir = in_scratch("world");
    /* The largest seed: JSON numbers could not hold it. */
    assert_int_equal(RUN(SMALL, "--seed", "18446744073709551615", "--json", dir), EXIT_OK);
    sinter_error e = SINTER_ERROR_INIT;
    demo_world *w = NULL;
    assert_int_equal(demo_world_open(dir, &w, &e), SINTER_OK);
    assert_true(w->options.seed == UINT64_MAX);
    assert_int_equal(w->options.items, 150);
    demo_world_free(w);
}

static void a_folder_changed_by_hand_is_refused_by_file(void **state) {
    (void)state;
    char *dir = in_scratch("changed");
    sinter_error e = SINTER_ERROR_INIT;
    demo_world *w = NULL;
    assert_int_equal(demo_world_open(dir, &w, &e), SINTER_NOT_FOUND);
    assert_int_equal(RUN(SMALL, "--seed", "7", dir), EXIT_OK);
    append(in_scratch("changed/truth/users.jsonl"), "{}\n");
    assert_int_equal(demo_world_open(dir, &w, &e), SINTER_DATA_LOSS);
    assert_non_null(strstr(e.where, "truth/users.jsonl"));
    assert_null(w);
    char *world = in_scratch("changed/truth/world.json");
    assert_int_equal(file_write_atomic(world, "{\"seed\":\"x\"}", 12, &e), SINTER_OK);
    assert_int_equal(demo_world_open(dir, &w, &e), SINTER_INVALID);
    assert_int_equal(file_write_atomic(world, "not json", 8, &e), SINTER_OK);
    assert_int_equal(demo_world_open(dir, &w, &e), SINTER_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_arguments_are_usage_and_write_nothing),
        cmocka_unit_test(help_is_no_error),
        cmocka_unit_test(a_folder_in_use_is_refused_unless_forced),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_a_failure),
        cmocka_unit_test(the_folder_opens_again_as_the_same_world),
        cmocka_unit_test(a_folder_changed_by_hand_is_refused_by_file),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
