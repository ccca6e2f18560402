/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine that holds the reader up for longer than a batch may last, between any two steps: walks still give every record. */
#include "fixture.h"

static uint64_t slow_clock(void)
{
    static uint64_t now;
    return now += 30000000; /* each look at it comes 30 ms after the one before */
}
#define clock_mono_ns slow_clock
#include "journal/read.c" /* instead of the one in the library */

enum { RECORDS = 20 };

static bool count(void *ctx, const record *rec)
{
    (void)rec;
    ++*(uint32_t *)ctx;
    return true;
}

static void a_walk_that_is_held_up_still_reaches_the_end(void **state)
{
    (void)state;
    char *dir = folder_make(), id[16];
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop"), seen = 0, next = 0;
    uint64_t last = 0;
    for (int i = 0; i < RECORDS; i++) {
        snprintf(id, sizeof id, "i%d", i);
        must_put(j, shop, id, "title");
    }
    journal_reader *r = must_reader(j);
    assert_int_equal(journal_tail(r, 0, UINT32_MAX, count, &seen, &last, NULL), SINTER_OK);
    assert_int_equal(seen, RECORDS + 1);
    assert_int_equal(last, journal_last_sequence(j));
    seen = 0;
    assert_int_equal(journal_items(r, shop, 0, UINT32_MAX, count, &seen, &next, NULL), SINTER_OK);
    assert_int_equal(seen, RECORDS);
    assert_int_equal(next, UINT32_MAX);
    journal_reader_close(r);
    journal_close(j);
    folder_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_walk_that_is_held_up_still_reaches_the_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
