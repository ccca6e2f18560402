/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A broken file is a verdict: any flipped byte that changes what is read is found, and a truncated file is no crash. */
#include "fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ITEMS = 300 };

static char *filled(void)
{
    char *dir = folder_make(), id[16], write_id[16];
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    journal_result r;
    for (int i = 0; i < ITEMS; i++) {
        snprintf(id, sizeof id, "id-%d", i % 200);
        snprintf(write_id, sizeof write_id, "w-%d", i);
        assert_int_equal(
            try_put(j, shop, id, "A title long enough to be a target", (put_options){.write_id = write_id}, &r), 0);
        if (i % 50 == 0) must_delete(j, shop, id);
    }
    journal_close(j);
    return dir;
}

static char *file_of(const char *dir)
{
    return xasprintf("%s/data.mdb", dir);
}

static void flip(const char *path, off_t at)
{
    int fd = open(path, O_RDWR);
    unsigned char byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* Offsets of a text in the file. */
static size_t occurrences(const char *path, const char *text, off_t *at, size_t most)
{
    buffer b = {0};
    assert_int_equal(file_read(path, 1 << 30, &b, NULL), SINTER_OK);
    size_t n = 0;
    for (char *p = b.data; n < most && (p = memmem(p, b.len - (size_t)(p - b.data), text, strlen(text))); p++)
        at[n++] = p - b.data;
    buffer_free(&b);
    return n;
}

typedef struct told {
    uint64_t done, total;
} told;

static void tell(void *ctx, uint64_t done, uint64_t total)
{
    *(told *)ctx = (told){done, total};
}

static void a_whole_journal_verifies_and_says_how_far_it_is(void **state)
{
    (void)state;
    char *dir = filled();
    journal_verdict v;
    told t = {0};
    assert_int_equal(journal_verify(dir, JOURNAL_CATALOGUE, tell, &t, &v, NULL), SINTER_OK);
    assert_int_equal(v.records, ITEMS + 6 + 1);
    assert_int_equal(v.first, 1);
    assert_int_equal(v.last, v.records);
    assert_int_equal(v.bad_records, 0);
    assert_true(t.done == t.total && t.total > v.records);
    folder_remove(dir);
}

/* Pages that are no longer used keep old copies of records: at least one place of each text must be live. */
static void a_flipped_byte_of_a_record_is_found_and_named(void **state)
{
    (void)state;
    char *dir = filled(), *path = file_of(dir);
    off_t at[64];
    size_t n = occurrences(path, "w-123", at, 64);
    uint32_t found = 0;
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++) {
        sinter_error e = SINTER_ERROR_INIT;
        journal_verdict v;
        flip(path, at[i]);
        sinter_status s = journal_verify(dir, JOURNAL_CATALOGUE, NULL, NULL, &v, &e);
        if (s) {
            found++;
            assert_int_equal(s, SINTER_DATA_LOSS);
            assert_int_equal(v.bad_records, 1);
            assert_int_equal(v.first_bad, 1 + 123 + 1 + 3); /* the collection, three deletes before it */
        }
        flip(path, at[i]);
    }
    assert_true(found >= 2); /* in the record and in the table of write ids */
    must_verify(dir);
    free(path);
    folder_remove(dir);
}

/* Whatever byte is flipped, there is a verdict and no crash; what was flipped without one is not read by anybody. */
static void no_flipped_byte_crashes_the_walk(void **state)
{
    (void)state;
    char *dir = filled(), *path = file_of(dir);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    rng r;
    rng_seed(&r, 7);
    uint32_t found = 0;
    for (int i = 0; i < 400; i++) {
        off_t at = (off_t)rng_below(&r, (uint64_t)st.st_size);
        sinter_error e = SINTER_ERROR_INIT;
        journal_verdict v;
        flip(path, at);
        found += journal_verify(dir, JOURNAL_CATALOGUE, NULL, NULL, &v, &e) != SINTER_OK;
        flip(path, at);
    }
    assert_true(found > 20);
    must_verify(dir);
    free(path);
    folder_remove(dir);
}

static void a_truncated_file_is_a_verdict(void **state)
{
    (void)state;
    static const double SHARES[] = {0.9, 0.5, 0.1, 0.0};
    for (size_t i = 0; i < ARRAY_LEN(SHARES); i++) {
        char *dir = filled(), *path = file_of(dir);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(truncate(path, (off_t)((double)st.st_size * SHARES[i])), 0);
        sinter_error e = SINTER_ERROR_INIT;
        journal_verdict v;
        assert_int_equal(journal_verify(dir, JOURNAL_CATALOGUE, NULL, NULL, &v, &e), SINTER_DATA_LOSS);
        assert_true(e.what[0]);
        free(path);
        folder_remove(dir);
    }
}

static void what_is_no_journal_is_said_to_be_none(void **state)
{
    (void)state;
    char *dir = folder_make(), *path = file_of(dir), junk[16384];
    sinter_error e = SINTER_ERROR_INIT;
    journal_verdict v;
    assert_int_equal(journal_verify(dir, JOURNAL_CATALOGUE, NULL, NULL, &v, &e), SINTER_NOT_FOUND);
    memset(junk, 'x', sizeof junk);
    assert_int_equal(file_write_atomic(path, junk, sizeof junk, NULL), SINTER_OK);
    assert_int_equal(journal_verify(dir, JOURNAL_CATALOGUE, NULL, NULL, &v, &e), SINTER_DATA_LOSS);
    free(path);
    folder_remove(dir);
}

/* The newest record is looked at by every opening. */
static void a_broken_end_is_refused_at_open(void **state)
{
    (void)state;
    char *dir = filled(), *path = file_of(dir);
    off_t at[64];
    size_t n = occurrences(path, "w-299", at, 64);
    uint32_t refused = 0;
    for (size_t i = 0; i < n; i++) {
        sinter_error e = SINTER_ERROR_INIT;
        journal *j;
        flip(path, at[i]);
        sinter_status s = journal_open(&(journal_options){.dir = dir, .read_only = true}, &j, &e);
        if (s)
            assert_int_equal(s, SINTER_DATA_LOSS);
        else
            journal_close(j);
        refused += s != SINTER_OK;
        flip(path, at[i]);
    }
    assert_int_equal(refused, 1);
    free(path);
    folder_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_journal_verifies_and_says_how_far_it_is),
        cmocka_unit_test(a_flipped_byte_of_a_record_is_found_and_named),
        cmocka_unit_test(no_flipped_byte_crashes_the_walk),
        cmocka_unit_test(a_truncated_file_is_a_verdict),
        cmocka_unit_test(what_is_no_journal_is_said_to_be_none),
        cmocka_unit_test(a_broken_end_is_refused_at_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
