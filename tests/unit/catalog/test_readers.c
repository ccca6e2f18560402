/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Readers beside the writer: every set is whole, dictionaries only grow. Meant for ThreadSanitizer; true without it. */
#include "catalog/fixture.h"

#include <pthread.h>
#include <time.h>

#ifdef SINTER_SANITIZED
enum { READERS = 3, ITEMS = 6000, ROUNDS = 24 }; /* a race shows within a few rounds, each of which takes seconds there */
#else
enum { READERS = 3, ITEMS = 6000, ROUNDS = 120 };
#endif

static shop s;
static _Atomic bool stop;
static _Atomic uint64_t sets_read, fields_made;

/* The writer gives every item of a round the same price and stock, so a torn or mixed set shows at once. */
static void put_round(uint32_t round, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        Sinter__V1__Item *item = item_new(s.a, arena_printf(s.a, "id-%u", i));
        item_add(s.a, item, "brand", v_string(s.a, arena_printf(s.a, "brand %u-%u", round, i % 7)));
        item_add(s.a, item, "price", v_number(s.a, round));
        item_add(s.a, item, "stock", v_integer(s.a, round));
        item_add(s.a, item, "tags", v_strings(s.a, 2, (const char *[]){"x", arena_printf(s.a, "r%u", round)}));
        shop_put(&s, i, item, NULL);
        arena_reset(s.a);
    }
}

static void read_set(const catalog_set *set, rng *r) {
    const sinter_column *price = catalog_column(set, "price"), *stock = catalog_column(set, "stock");
    const sinter_column *brand = catalog_column(set, "brand"), *tags = catalog_column(set, "tags");
    const catalog_field *brand_field = catalog_find_field(set->owner, "brand");
    for (int k = 0; k < 200 && set->n_items; k++) {
        uint32_t i = (uint32_t)rng_below(r, set->n_items), n;
        if (!catalog_is_live(set, i)) continue;
        double x = column_number(price, i);
        if (x != column_number(stock, i)) abort();
        const uint32_t *id = (const uint32_t *)brand->chunk[i >> SINTER_CHUNK_BITS]->data + (i & (SINTER_CHUNK_ROWS - 1));
        size_t len;
        const char *text = catalog_keyword_text(set->owner, brand_field, *id, &len);
        if (!text || catalog_keyword_id(set->owner, brand_field, (str){text, len}) != *id) abort();
        column_keywords(tags, i, &n);
        if (n != 2) abort();
        const char *item_id = catalog_item_id(set->owner, i, &len);
        if (!item_id || catalog_item_ordinal(set->owner, (str){item_id, len}) != i) abort();
    }
}

static void reader(void *arg) {
    uint32_t slot = (uint32_t)(uintptr_t)arg;
    rng r;
    rng_seed(&r, slot);
    uint64_t last = 0;
    while (!atomic_load(&stop)) {
        epoch_enter(s.epochs, slot);
        const catalog_set *set = catalog_current(s.c);
        if (set->sequence < last) abort(); /* never back in time */
        last = set->sequence;
        read_set(set, &r);
        epoch_exit(s.epochs, slot);
        atomic_fetch_add(&sets_read, 1);
    }
}

/* Lanes that validate: they make fields while the view thread applies and publishes. */
static void checker(void *arg) {
    (void)arg;
    arena *a = arena_new(4096);
    for (uint32_t i = 0; !atomic_load(&stop); i++) {
        Sinter__V1__Item *item = item_new(a, "x"), *normal;
        Sinter__V1__FieldViolation **v;
        size_t n;
        item_add(a, item, "title", v_string(a, "t"));
        item_add(a, item, arena_printf(a, "attributes.n_%u", i % 900), v_number(a, i));
        if (catalog_check_item(s.c, item, "", a, &normal, &v, &n) != SINTER_OK) abort();
        atomic_fetch_add(&fields_made, 1);
        arena_reset(a);
    }
    arena_free(a);
}

static void readers_see_whole_sets_while_the_writer_publishes(void **state) {
    (void)state;
    pthread_t t[READERS + 2];
    sinter_error e = SINTER_ERROR_INIT;
    shop_open(&s);
    for (uint32_t k = 0; k < READERS; k++)
        assert_int_equal(thread_start(&t[k], "reader", reader, (void *)(uintptr_t)k, &e), SINTER_OK);
    for (uint32_t k = 0; k < 2; k++)
        assert_int_equal(thread_start(&t[READERS + k], "checker", checker, NULL, &e), SINTER_OK);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t from = round % 3 * (ITEMS / 3), to = from + ITEMS / 3;
        put_round(round, from, to);
        if (round % 5 == 4) shop_delete(&s, from + round, arena_printf(s.a, "id-%u", from + round));
        shop_publish(&s);
    }
    for (int i = 0; i < 5000 && (atomic_load(&sets_read) < 10 || atomic_load(&fields_made) < 10); i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    atomic_store(&stop, true);
    for (int k = 0; k < READERS + 2; k++)
        pthread_join(t[k], NULL);
    print_message("%llu sets read, %llu items checked\n", (unsigned long long)sets_read, (unsigned long long)fields_made);
    assert_true(atomic_load(&sets_read) >= 10);
    assert_int_equal(epoch_reclaim(s.epochs), 0);
    shop_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(readers_see_whole_sets_while_the_writer_publishes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
