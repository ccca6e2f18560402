/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reclamation: what a reader may hold is not freed, everything else is, and threads under load never see freed
 * memory (run under ThreadSanitizer and AddressSanitizer too). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"

static int freed[16], freed_n;

static void note(void *p, void *ctx) {
    assert_ptr_equal(ctx, &freed_n);
    freed[freed_n++] = *(int *)p;
}

static int values[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static void retire(epoch_domain *d, int i) {
    epoch_retire(d, &values[i], note, &freed_n);
}

static void without_readers_all_is_freed_in_order(void **state) {
    (void)state;
    freed_n = 0;
    epoch_domain *d = epoch_new(2);
    for (int i = 0; i < 3; i++)
        retire(d, i);
    assert_int_equal(freed_n, 0);
    assert_int_equal(epoch_reclaim(d), 0);
    assert_int_equal(freed_n, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(freed[i], i);
    epoch_retire(d, NULL, note, NULL); /* nothing was there before */
    assert_int_equal(epoch_reclaim(d), 0);
    epoch_free(d);
    epoch_free(NULL);
}

static void a_reader_keeps_what_was_retired_after_it_entered(void **state) {
    (void)state;
    freed_n = 0;
    epoch_domain *d = epoch_new(3);
    retire(d, 0);
    epoch_enter(d, 0);
    retire(d, 1);
    epoch_enter(d, 2);
    retire(d, 2);
    assert_int_equal(epoch_reclaim(d), 2);
    assert_int_equal(freed_n, 1);
    epoch_exit(d, 0);
    assert_int_equal(epoch_reclaim(d), 1); /* reader 2 entered after value 1 was gone */
    assert_int_equal(freed[1], 1);
    epoch_exit(d, 2);
    epoch_enter(d, 2); /* enters again: it can no longer see value 2 */
    assert_int_equal(epoch_reclaim(d), 0);
    assert_int_equal(freed_n, 3);
    epoch_exit(d, 2);
    retire(d, 3);
    epoch_free(d);
    assert_int_equal(freed_n, 4);
}

struct chain {
    epoch_domain *d;
    int left;
};

static void free_and_retire_more(void *p, void *ctx) {
    struct chain *c = ctx;
    if (c->left-- > 0) epoch_retire(c->d, p, free_and_retire_more, c);
}

static void freeing_may_retire_more(void **state) {
    (void)state;
    struct chain c = {epoch_new(1), 3};
    epoch_retire(c.d, &c, free_and_retire_more, &c);
    epoch_free(c.d);
    assert_int_equal(c.left, -1);
}

/* ---- under load ---- */

enum { READERS = 4, WRITERS = 2, CELLS = 32 };

/* All cells of a live box are equal; freeing one spoils it first. */
struct box {
    uint64_t cells[CELLS];
};

static epoch_domain *shared_domain;
static struct box *_Atomic shared;
static atomic_bool stop;
static atomic_uint_fast64_t reads, torn, boxes_alive;

static void box_free(void *p, void *ctx) {
    (void)ctx;
    struct box *b = p;
    for (int i = 0; i < CELLS; i++)
        b->cells[i] = (uint64_t)i; /* plain stores: a race with a reader is seen by TSan */
    free(b);
    atomic_fetch_sub(&boxes_alive, 1);
}

static struct box *box_new(uint64_t v) {
    struct box *b = xmalloc(sizeof *b);
    for (int i = 0; i < CELLS; i++)
        b->cells[i] = v;
    atomic_fetch_add(&boxes_alive, 1);
    return b;
}

static void read_on(void *arg) {
    uint32_t slot = (uint32_t)(uintptr_t)arg;
    uint64_t n = 0, bad = 0;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        epoch_enter(shared_domain, slot);
        struct box *b = atomic_load(&shared);
        for (int i = 1; i < CELLS; i++)
            bad += b->cells[i] != b->cells[0];
        if (n % 1000 == 0) sched_yield(); /* a reader that is held up inside */
        epoch_exit(shared_domain, slot);
        n++;
    }
    atomic_fetch_add(&reads, n);
    atomic_fetch_add(&torn, bad);
}

static void write_on(void *arg) {
    uint64_t swaps = *(uint64_t *)arg;
    for (uint64_t i = 1; i <= swaps; i++) {
        struct box *old = atomic_exchange(&shared, box_new(i));
        epoch_retire(shared_domain, old, box_free, NULL);
        if (i % 4 == 0) epoch_reclaim(shared_domain);
        if (i % 64 == 0) sched_yield();
    }
}

static void readers_never_see_freed_memory(void **state) {
    (void)state;
    pthread_t readers[READERS], writers[WRITERS];
#ifdef SINTER_SANITIZED
    uint64_t swaps = 20000;
#else
    uint64_t swaps = 100000;
#endif
    shared_domain = epoch_new(READERS);
    atomic_store(&shared, box_new(0));
    for (uintptr_t i = 0; i < READERS; i++)
        assert_int_equal(thread_start(&readers[i], "reader", read_on, (void *)i, NULL), SINTER_OK);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(thread_start(&writers[i], "writer", write_on, &swaps, NULL), SINTER_OK);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&stop, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(epoch_reclaim(shared_domain), 0);
    assert_int_equal(atomic_load(&boxes_alive), 1); /* the one in place */
    assert_int_equal(atomic_load(&torn), 0);
    assert_true(atomic_load(&reads) > 1000);
    printf("%llu reads beside %llu swaps\n", (unsigned long long)atomic_load(&reads),
           (unsigned long long)swaps * WRITERS);
    box_free(atomic_load(&shared), NULL);
    epoch_free(shared_domain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_readers_all_is_freed_in_order),
        cmocka_unit_test(a_reader_keeps_what_was_retired_after_it_entered),
        cmocka_unit_test(freeing_may_retire_more),
        cmocka_unit_test(readers_never_see_freed_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
