/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Group commit: many threads, few syncs, every completion once and after its record can be read; one bad write fails
 * alone. */
#include "fixture.h"

#include <unistd.h>

enum { THREADS = 8, EACH = 200 };

typedef struct crowd {
    journal *j;
    uint32_t shop;
    _Atomic uint32_t done, readable;
    _Atomic uint64_t heard;
} crowd;

typedef struct one {
    crowd *c;
    uint32_t number;
} one;

static void check_done(void *ctx, const journal_result *r)
{
    crowd *c = ctx;
    assert_int_equal(r->status, SINTER_OK);
    if (journal_last_sequence(c->j) >= r->sequence) atomic_fetch_add(&c->readable, 1);
    atomic_fetch_add(&c->done, 1);
}

static void hear(void *ctx, uint64_t sequence)
{
    atomic_store(&((crowd *)ctx)->heard, sequence);
}

static void append_many(void *arg)
{
    one *o = arg;
    char id[32];
    for (int i = 0; i < EACH; i++) {
        snprintf(id, sizeof id, "t%u-%d", o->number, i % 50);
        str item = item_pack(id, "x");
        journal_op op = {.kind = JOURNAL_PUT, .collection = o->c->shop, .id = str_of(id), .bytes = item};
        journal_write w = {.op = &op, .n = 1, .fence = UINT64_MAX};
        if (i % 10 == 0)
            assert_int_equal(journal_append_wait(o->c->j, &w, NULL, NULL), SINTER_OK);
        else
            assert_int_equal(journal_append(o->c->j, &w, check_done, o->c, NULL), SINTER_OK);
        free((char *)(uintptr_t)item.s);
    }
}

static void read_along(void *arg)
{
    one *o = arg;
    journal_reader *r = must_reader(o->c->j);
    arena *a = arena_new(1 << 12);
    record *rec;
    for (uint64_t next = 1; next <= 1 + THREADS * EACH;) {
        if (next > journal_last_sequence(o->c->j)) {
            usleep(200);
            continue;
        }
        arena_reset(a);
        assert_int_equal(journal_get(r, next++, a, &rec, NULL), SINTER_OK);
    }
    arena_free(a);
    journal_reader_close(r);
}

static void many_threads_share_their_commits(void **state)
{
    (void)state;
    char *dir = folder_make();
    crowd c = {.j = must_open(dir)};
    c.shop = must_collection(c.j, "shop");
    journal_listen(c.j, hear, &c);
    pthread_t t[THREADS + 1];
    one o[THREADS + 1];
    for (uint32_t i = 0; i <= THREADS; i++) {
        o[i] = (one){&c, i};
        assert_int_equal(thread_start(&t[i], "crowd", i < THREADS ? append_many : read_along, &o[i], NULL), SINTER_OK);
    }
    for (uint32_t i = 0; i <= THREADS; i++)
        pthread_join(t[i], NULL);
    journal_stats stats;
    journal_get_stats(c.j, &stats);
    journal_close(c.j);
    assert_int_equal(c.done, THREADS * EACH * 9 / 10);
    assert_int_equal(c.readable, c.done);
    assert_int_equal(atomic_load(&c.heard), 1 + THREADS * EACH);
    assert_true(stats.commits < THREADS * EACH / 2);
    journal_verdict v = must_verify(dir);
    assert_int_equal(v.records, 1 + THREADS * EACH);
    folder_remove(dir);
}

typedef struct held {
    pthread_mutex_t lock;
    sinter_status status[8];
    uint64_t sequence[8];
    _Atomic uint32_t done;
} held;

typedef struct slot {
    held *h;
    uint32_t i;
} slot;

static void hold(void *ctx, const journal_result *r)
{
    held *h = ctx;
    (void)r;
    pthread_mutex_lock(&h->lock); /* until the test has queued the group */
    pthread_mutex_unlock(&h->lock);
}

static void keep(void *ctx, const journal_result *r)
{
    slot *s = ctx;
    s->h->status[s->i] = r->status;
    s->h->sequence[s->i] = r->sequence;
    atomic_fetch_add(&s->h->done, 1);
}

/* The first write's completion holds the writer until the others stand in the queue: they become one group. */
static void one_bad_write_in_a_group_fails_alone(void **state)
{
    (void)state;
    char *dir = folder_make();
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    held h = {.lock = PTHREAD_MUTEX_INITIALIZER};
    str item = item_pack("a", "x");
    journal_op good = {.kind = JOURNAL_PUT, .collection = shop, .id = STR("a"), .bytes = item}, bad = good;
    bad.collection = 99;
    journal_write w[8];
    slot s[8];
    for (uint32_t i = 0; i < 8; i++) {
        w[i] = (journal_write){.op = i == 3 ? &bad : &good, .n = 1, .fence = i == 5 ? 1 : UINT64_MAX};
        if (i == 6 || i == 7) w[i].write_id = STR("same");
        s[i] = (slot){&h, i};
    }
    pthread_mutex_lock(&h.lock);
    assert_int_equal(journal_append(j, &w[0], hold, &h, NULL), SINTER_OK);
    while (journal_last_sequence(j) < 2)
        usleep(100);
    for (uint32_t i = 1; i < 8; i++)
        assert_int_equal(journal_append(j, &w[i], keep, &s[i], NULL), SINTER_OK);
    pthread_mutex_unlock(&h.lock);
    while (atomic_load(&h.done) < 7)
        usleep(100);
    static const sinter_status WANT[] = {0, 0, 0, SINTER_NOT_FOUND, 0, SINTER_CONFLICT, 0, 0};
    for (uint32_t i = 1; i < 8; i++)
        assert_int_equal(h.status[i], WANT[i]);
    assert_int_equal(h.sequence[6], h.sequence[7]); /* repeated within the group */
    assert_int_equal(journal_last_sequence(j), 6);
    journal_stats stats;
    journal_get_stats(j, &stats);
    assert_int_equal(stats.commits, 3);
    assert_int_equal(stats.repeated, 1);
    journal_close(j);
    free((char *)(uintptr_t)item.s);
    must_verify(dir);
    folder_remove(dir);
}

static void a_full_queue_refuses_and_close_commits_what_is_queued(void **state)
{
    (void)state;
    char *dir = folder_make();
    sinter_error e = SINTER_ERROR_INIT;
    journal *j;
    held h = {.lock = PTHREAD_MUTEX_INITIALIZER};
    assert_int_equal(journal_open(&(journal_options){.dir = dir, .queue_records = 4}, &j, &e), SINTER_OK);
    uint32_t shop = must_collection(j, "shop");
    str item = item_pack("a", "x");
    journal_op op = {.kind = JOURNAL_PUT, .collection = shop, .id = STR("a"), .bytes = item};
    journal_write w = {.op = &op, .n = 1, .fence = UINT64_MAX};
    pthread_mutex_lock(&h.lock);
    assert_int_equal(journal_append(j, &w, hold, &h, &e), SINTER_OK);
    while (journal_last_sequence(j) < 2)
        usleep(100);
    for (int i = 0; i < 4; i++)
        assert_int_equal(journal_append(j, &w, NULL, NULL, &e), SINTER_OK);
    assert_int_equal(journal_append(j, &w, NULL, NULL, &e), SINTER_EXHAUSTED);
    pthread_mutex_unlock(&h.lock);
    journal_close(j);
    free((char *)(uintptr_t)item.s);
    assert_int_equal(must_verify(dir).records, 6);
    folder_remove(dir);
}

static void impressions_linger_for_company(void **state)
{
    (void)state;
    char *dir = folder_make();
    sinter_error e = SINTER_ERROR_INIT;
    journal *j;
    assert_int_equal(
        journal_open(&(journal_options){.dir = dir, .kind = JOURNAL_IMPRESSIONS, .linger_ms = 300}, &j, &e), SINTER_OK);
    journal_op op = {.kind = JOURNAL_RECORD, .bytes = STR("\x4a\x03\x0a\x01r")},
               item = {.kind = JOURNAL_DELETE, .id = STR("a")};
    journal_write w = {.op = &op, .n = 1, .fence = UINT64_MAX}, wrong = {.op = &item, .n = 1, .fence = UINT64_MAX};
    assert_int_equal(journal_append(j, &wrong, NULL, NULL, &e), SINTER_INVALID);
    uint64_t from = clock_mono_ns();
    for (int i = 0; i < 19; i++)
        assert_int_equal(journal_append(j, &w, NULL, NULL, &e), SINTER_OK);
    assert_int_equal(journal_append_wait(j, &w, NULL, &e), SINTER_OK);
    assert_true(clock_mono_ns() - from >= 290000000u);
    journal_stats stats;
    journal_get_stats(j, &stats);
    assert_int_equal(stats.commits, 1);
    assert_int_equal(stats.records, 20);
    journal_close(j);
    journal_verdict v;
    assert_int_equal(journal_verify(dir, JOURNAL_IMPRESSIONS, NULL, NULL, &v, &e), SINTER_OK);
    folder_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_threads_share_their_commits),
        cmocka_unit_test(one_bad_write_in_a_group_fails_alone),
        cmocka_unit_test(a_full_queue_refuses_and_close_commits_what_is_queued),
        cmocka_unit_test(impressions_linger_for_company),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
