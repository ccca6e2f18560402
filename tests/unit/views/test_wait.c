/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Waiting for a write: bounded, cancellable, quick under a steady stream of upserts, with lanes searching meanwhile. */
#include "house.h"

static void a_wait_ends_by_its_deadline_or_is_taken_back(void **state)
{
    (void)state;
    house h = house_new("commit_after: 60s\nlimits: {max_parked: 2}\n");
    until_ready(&h);
    sinter_error e = SINTER_ERROR_INIT;
    waiting w = {.status = -1};
    assert_int_equal(views_wait(h.views, journal_last_sequence(h.journal) + 1, UINT64_MAX, note, &w, &e),
                     SINTER_INVALID);
    /* Right after a commit even one that is waited for has to rest: a wait that cannot is over first. */
    for (int i = 0; i < 50 && atomic_load(&w.status) != SINTER_DEADLINE; i++) {
        put(&h, "a", i % 2 ? "Blue chair" : "Red chair", 1);
        settle(&h);
        put(&h, "a", "Green chair", i);
        atomic_store(&w.status, -1);
        assert_int_equal(views_wait(h.views, h.last, clock_mono_ns() + 1000000, note, &w, &e), SINTER_OK);
        while (atomic_load(&w.status) < 0)
            usleep(100);
    }
    assert_int_equal(w.status, SINTER_DEADLINE);
    views_state s;
    views_status(h.views, &s);
    assert_true(s.expired == 1 && s.waited > 0 && s.parked == 0);
    assert_false(views_cancel(h.views, &w));
    house_end(&h);
}

static void close_ends_every_wait_once(void **state)
{
    (void)state;
    house h = house_new("limits: {max_parked: 300}\n");
    until_ready(&h);
    waiting w[300];
    uint32_t parked = 0, cancelled = 0;
    sinter_error e = SINTER_ERROR_INIT;
    for (uint32_t i = 0; i < 300; i++) {
        put(&h, "a", i % 2 ? "Blue chair" : "Red chair", 1);
        atomic_init(&w[i].status, -1);
        if (views_wait(h.views, h.last, UINT64_MAX, note, &w[i], &e) == SINTER_OK) parked++;
        if (i % 3 == 0 && views_cancel(h.views, &w[i])) {
            atomic_store(&w[i].status, SINTER_CANCELLED);
            cancelled++;
        }
    }
    house_close(&h);
    assert_int_equal(parked, 300);
    for (uint32_t i = 0; i < 300; i++)
        assert_true(w[i].status == SINTER_OK || w[i].status == SINTER_UNAVAILABLE || w[i].status == SINTER_CANCELLED);
    printf("%u of 300 waits taken back\n", cancelled);
    assert_int_equal(dir_remove(h.dir, NULL), SINTER_OK);
    free(h.dir);
}

static void a_full_house_refuses(void **state)
{
    (void)state;
    house h = house_new("limits: {max_parked: 0}\n");
    until_ready(&h);
    sinter_error e = SINTER_ERROR_INIT;
    waiting w = {.status = -1};
    put(&h, "a", "Blue chair", 1);
    assert_int_equal(views_wait(h.views, h.last, UINT64_MAX, note, &w, &e), SINTER_EXHAUSTED);
    house_end(&h);
}

typedef struct lane {
    house *h;
    uint32_t number;
    _Atomic bool *stop;
    uint64_t searches, unavailable;
} lane;

static void search_on(void *arg)
{
    lane *l = arg;
    while (!atomic_load(l->stop)) {
        found f = search(l->h, l->number, "chair desk");
        l->searches++;
        if (f.status == SINTER_UNAVAILABLE)
            l->unavailable++;
        else
            assert_int_equal(f.status, SINTER_OK);
        usleep(300);
    }
}

/* 100 upserts a second, each read back by the one that wrote it. */
static void a_write_is_found_within_a_second_at_100_upserts_a_second(void **state)
{
    (void)state;
    enum { WRITES = 300 };
    house h = house_new("");
    until_ready(&h);
    _Atomic bool stop = false;
    lane l[LANES];
    pthread_t t[LANES];
    for (uint32_t i = 0; i < LANES; i++) {
        l[i] = (lane){.h = &h, .number = i, .stop = &stop};
        assert_int_equal(thread_start(&t[i], "lane", search_on, &l[i], NULL), SINTER_OK);
    }
    waiting *w = xcalloc(WRITES, sizeof *w);
    uint64_t *from = xcalloc(WRITES, sizeof *from), worst = 0, sum = 0;
    sinter_error e = SINTER_ERROR_INIT;
    for (int i = 0; i < WRITES; i++) {
        char id[16], title[64];
        uint64_t begun = clock_mono_ns();
        snprintf(id, sizeof id, "id-%d", i % 100);
        snprintf(title, sizeof title, "%s number %d", i % 2 ? "chair" : "desk", i);
        put(&h, id, title, i);
        if (i % 17 == 0) drop(&h, id);
        from[i] = clock_mono_ns();
        atomic_init(&w[i].status, -1);
        if (views_wait(h.views, h.last, from[i] + 10000000000u, note, &w[i], &e)) fail_msg("%s", e.what);
        uint64_t took = (clock_mono_ns() - begun) / 1000;
        if (took < 10000) usleep((useconds_t)(10000 - took));
    }
    for (int i = 0; i < WRITES; i++) {
        while (atomic_load(&w[i].status) < 0)
            usleep(200);
        assert_int_equal(w[i].status, SINTER_OK);
        uint64_t took = w[i].at_ns > from[i] ? w[i].at_ns - from[i] : 0;
        sum += took;
        if (took > worst) worst = took;
    }
    atomic_store(&stop, true);
    for (uint32_t i = 0; i < LANES; i++)
        pthread_join(t[i], NULL);
    views_state s;
    views_status(h.views, &s);
    printf("found after %.1f ms on average, %.1f at worst; %lu searches, %lu unavailable, %lu commits, %lu sets\n",
           (double)sum / WRITES / 1e6, (double)worst / 1e6, (unsigned long)(l[0].searches + l[1].searches),
           (unsigned long)(l[0].unavailable + l[1].unavailable), (unsigned long)s.commits, (unsigned long)s.sets);
#ifndef SINTER_SANITIZED
    assert_true(worst < 1000000000u);
#endif
    assert_int_equal(s.parked, 0);
    free(w);
    free(from);
    house_end(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_ends_by_its_deadline_or_is_taken_back),
        cmocka_unit_test(close_ends_every_wait_once),
        cmocka_unit_test(a_full_house_refuses),
        cmocka_unit_test(a_write_is_found_within_a_second_at_100_upserts_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
