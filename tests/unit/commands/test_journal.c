/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sinter journal verify | dump: what they print and with which code they end, run in this process on a small journal.
 */
#include "../journal/fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include "commands/commands.h"

int command_journal(int argc, char **argv);

/* Runs the command with standard output in `out`. */
static int run(buffer *out, const char *const *words, int n)
{
    char *argv[12] = {(char *)(uintptr_t) "journal"}, path[] = "/tmp/sinter-out-XXXXXX";
    int fd = mkstemp(path), saved = dup(STDOUT_FILENO);
    for (int i = 0; i < n; i++)
        argv[i + 1] = (char *)(uintptr_t)words[i];
    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    int code = command_journal(n + 1, argv);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(fd);
    assert_int_equal(file_read(path, 1 << 20, out, NULL), SINTER_OK);
    unlink(path);
    return code;
}
#define RUN(out, ...) run(out, (const char *const[]){__VA_ARGS__}, (int)ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

static char *data_dir(void)
{
    char *dir = folder_make(), *path = xasprintf("%s/journal/catalogue", dir);
    journal *j = must_open(path);
    uint32_t shop = must_collection(j, "shop");
    must_put(j, shop, "a\"1", "Blue\nchair");
    must_put(j, shop, "b", "Desk");
    must_delete(j, shop, "b");
    journal_close(j);
    free(path);
    return dir;
}

static size_t lines(const buffer *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->len; i++)
        n += b->data[i] == '\n';
    return n;
}

static void verify_says_whole_or_names_the_broken_record(void **state)
{
    (void)state;
    char *dir = data_dir(), *path = xasprintf("%s/journal/catalogue/data.mdb", dir);
    buffer out = {0};
    assert_int_equal(RUN(&out, "verify", dir), EXIT_OK);
    assert_string_equal(out.data + strcspn(out.data, ":"), strstr(out.data, ": whole: 4 records"));
    assert_int_equal(RUN(&out, "verify", "--json", dir), EXIT_OK);
    assert_non_null(strstr(out.data, "\"records\":4,"));
    assert_int_equal(truncate(path, 8192), 0);
    assert_int_equal(RUN(&out, "verify", dir), EXIT_FAILED);
    assert_non_null(strstr(out.data, "broken"));
    assert_int_equal(RUN(&out, "verify", "/nonexistent"), EXIT_ABSENT);
    buffer_free(&out);
    free(path);
    folder_remove(dir);
}

static void dump_prints_one_line_a_record_and_filters(void **state)
{
    (void)state;
    char *dir = data_dir();
    buffer out = {0};
    assert_int_equal(RUN(&out, "dump", dir), EXIT_OK);
    assert_int_equal(lines(&out), 4);
    assert_int_equal(RUN(&out, "dump", dir, "--json", "--kind", "item_put"), EXIT_OK);
    assert_int_equal(lines(&out), 2);
    assert_non_null(strstr(out.data, "\"ordinal\":0,\"id\":\"a\\\"1\",\"fields\":{\"title\":\"Blue\\nchair\"}}\n"));
    assert_int_equal(RUN(&out, "dump", dir, "--from", "2", "--to", "3", "--json"), EXIT_OK);
    assert_int_equal(lines(&out), 2);
    assert_memory_equal(out.data, "{\"sequence\":2,", 14);
    buffer_free(&out);
    folder_remove(dir);
}

static void dump_prints_events(void **state)
{
    (void)state;
    char *dir = folder_make(), *path = xasprintf("%s/journal/catalogue", dir);
    journal *j = must_open(path);
    uint32_t shop = must_collection(j, "shop");
    str event = event_pack(shop, "e\"1", "a");
    journal_op op = {.kind = JOURNAL_EVENT, .collection = shop, .id = STR("e\"1"), .bytes = event};
    assert_int_equal(journal_append_wait(j, &(journal_write){.op = &op, .n = 1, .fence = UINT64_MAX}, NULL, NULL), 0);
    journal_close(j);
    buffer out = {0};
    assert_int_equal(RUN(&out, "dump", dir, "--json", "--kind", "event_put"), EXIT_OK);
    assert_int_equal(lines(&out), 1);
    assert_non_null(strstr(out.data, "\"kind\":\"event_put\",\"collection\":1,\"event_id\":\"e\\\"1\",\"type\":\"click\","
                                     "\"happened\":\"2026-01-01T00:00:00Z\",\"user_id\":\"u1\",\"item_ids\":[\"a\"]}\n"));
    assert_int_equal(RUN(&out, "dump", dir, "--kind", "event_put"), EXIT_OK);
    assert_non_null(strstr(out.data, "1 \"e\\\"1\" click by \"u1\", 1 items\n"));
    buffer_free(&out);
    free((char *)(uintptr_t)event.s);
    free(path);
    folder_remove(dir);
}

static void wrong_arguments_are_usage(void **state)
{
    (void)state;
    buffer out = {0};
    assert_int_equal(RUN(&out, "verify"), EXIT_USAGE);
    assert_int_equal(RUN(&out, "polish", "/tmp"), EXIT_USAGE);
    assert_int_equal(RUN(&out, "dump", "/tmp", "--kind", "item_putt"), EXIT_USAGE);
    assert_int_equal(RUN(&out, "dump", "/tmp", "--from", "x"), EXIT_USAGE);
    assert_int_equal(RUN(&out, "dump", "/tmp", "--to"), EXIT_USAGE);
    assert_int_equal(RUN(&out, "dump", "/tmp", "-c", "x.yaml"), EXIT_USAGE);
    assert_int_equal(RUN(&out, "--help"), EXIT_OK);
    assert_non_null(strstr(out.data, "usage: sinter journal verify"));
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verify_says_whole_or_names_the_broken_record),
        cmocka_unit_test(dump_prints_one_line_a_record_and_filters),
        cmocka_unit_test(dump_prints_events),
        cmocka_unit_test(wrong_arguments_are_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
