/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a search sees of the journal, and when: upserts, deletes, prices, restarts, rebuilds. */
#include "house.h"

#include <dirent.h>
#include <math.h>

static views_state state_of(house *h)
{
    views_state s;
    views_status(h->views, &s);
    return s;
}

static void an_upsert_is_found_once_its_sequence_is_reached(void **state)
{
    (void)state;
    house h = house_new("");
    until_ready(&h);
    assert_int_equal(count(&h, "chair"), 0);
    put(&h, "a", "Blue chair", 10);
    settle(&h);
    assert_int_equal(count(&h, "chair"), 1);
    put(&h, "a", "Blue desk", 10);
    settle(&h);
    assert_int_equal(count(&h, "chair"), 0);
    assert_int_equal(count(&h, "desk"), 1);
    house_end(&h);
}

static double price_of(house *h, uint32_t item)
{
    epoch_enter(h->epochs, 0);
    const view_set *set = views_current(h->views);
    double price = column_number(catalog_column(set->collection[0].columns, "price"), item);
    epoch_exit(h->epochs, 0);
    return price;
}

/* With commits an hour away, only what needs none can be seen. */
static void a_price_and_a_delete_need_no_commit_of_the_index(void **state)
{
    (void)state;
    house h = house_new("commit_after: 60s\n");
    until_ready(&h);
    put(&h, "a", "Blue chair", 10);
    put(&h, "b", "Red chair", 20);
    settle(&h);
    uint64_t commits = state_of(&h).commits;
    put(&h, "a", "Blue chair", 11);
    assert_true(settle(&h) < 1000000000u);
    assert_true(price_of(&h, 0) == 11.0);
    drop(&h, "b");
    assert_true(settle(&h) < 1000000000u);
    assert_int_equal(count(&h, "chair"), 1);
    assert_int_equal(state_of(&h).commits, commits);
    put(&h, "b", "Green chair", 20); /* a new life, a new ordinal, and words: this one asks for a commit */
    settle(&h);
    assert_int_equal(count(&h, "green"), 1);
    assert_int_equal(count(&h, "red"), 0);
    assert_int_equal(state_of(&h).commits, commits + 1);
    house_end(&h);
}

static void without_anybody_waiting_a_write_is_found_within_a_second(void **state)
{
    (void)state;
    house h = house_new("");
    until_ready(&h);
    put(&h, "a", "Blue chair", 10);
    uint64_t from = clock_mono_ns();
    while (!count(&h, "chair") && clock_mono_ns() - from < 2000000000u)
        usleep(1000);
    assert_true(clock_mono_ns() - from < 1000000000u);
    house_end(&h);
}

static void fill(house *h, uint32_t seed, uint32_t n)
{
    static const char *const WORDS[] = {"blue", "red",  "green", "chair", "desk",
                                        "lamp", "sofa", "shelf", "oak",   "steel"};
    char id[16], title[128];
    rng r;
    rng_seed(&r, seed);
    for (uint32_t i = 0; i < n; i++) {
        snprintf(id, sizeof id, "id-%u", (unsigned)rng_below(&r, 120));
        snprintf(title, sizeof title, "%s %s %s", WORDS[rng_below(&r, 10)], WORDS[rng_below(&r, 10)],
                 WORDS[rng_below(&r, 10)]);
        if (rng_below(&r, 6) == 0)
            drop(h, id);
        else
            put(h, id, title, (double)i);
    }
}

static const char *const QUERIES[] = {"blue",           "oak desk",    "red green",
                                      "\"steel lamp\"", "chair -blue", "sofa shelf oak"};

static void answers(house *h, found out[ARRAY_LEN(QUERIES)])
{
    for (size_t i = 0; i < ARRAY_LEN(QUERIES); i++) {
        out[i] = search(h, 1, QUERIES[i]);
        assert_int_equal(out[i].status, SINTER_OK);
    }
}

static void assert_same(const found *a, const found *b)
{
    for (size_t i = 0; i < ARRAY_LEN(QUERIES); i++) {
        assert_int_equal(a[i].n, b[i].n);
        for (uint32_t k = 0; k < a[i].n; k++) {
            assert_int_equal(a[i].item[k], b[i].item[k]);
            assert_true(fabsf(a[i].score[k] - b[i].score[k]) <= 1e-5f * fabsf(a[i].score[k]));
        }
    }
}

static void a_restart_catches_up_with_what_came_meanwhile(void **state)
{
    (void)state;
    house h = house_new("");
    until_ready(&h);
    fill(&h, 1, 150);
    settle(&h);
    views_close(h.views);
    fill(&h, 2, 100); /* nobody follows */
    put(&h, "late", "velvet curtain", 1);
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(views_open(h.config, h.journal, NULL, h.epochs, LANES, &h.views, &e), SINTER_OK);
    until_ready(&h);
    assert_int_equal(state_of(&h).rebuilds, 0);
    assert_int_equal(count(&h, "velvet"), 1);
    found kept[ARRAY_LEN(QUERIES)], fresh[ARRAY_LEN(QUERIES)];
    answers(&h, kept);
    house_close(&h);
    house_open(&h);
    until_ready(&h);
    answers(&h, fresh);
    assert_same(kept, fresh);
    house_end(&h);
}

static void a_rebuilt_index_answers_as_the_old_one(void **state)
{
    (void)state;
    house h = house_new("");
    until_ready(&h);
    fill(&h, 3, 300);
    settle(&h);
    found old[ARRAY_LEN(QUERIES)], fresh[ARRAY_LEN(QUERIES)];
    answers(&h, old);
    assert_true(old[0].n > 5);
    views_close(h.views);
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(views_discard(h.config, &e), SINTER_OK);
    assert_int_equal(views_open(h.config, h.journal, NULL, h.epochs, LANES, &h.views, &e), SINTER_OK);
    put(&h, "late", "velvet curtain", 1); /* while it is rebuilt */
    until_ready(&h);
    assert_int_equal(state_of(&h).rebuilds, 1);
    assert_int_equal(count(&h, "velvet"), 1);
    drop(&h, "late");
    settle(&h);
    usleep(400000); /* the delete leaves the index too, and its statistics */
    answers(&h, fresh);
    assert_same(old, fresh);
    house_end(&h);
}

/* Overwrites the middle of every file of the index. */
static void scribble(const house *h)
{
    char *dir = xasprintf("%s/data/index/shop", h->dir);
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));) {
        if (entry->d_name[0] == '.') continue;
        char *path = xasprintf("%s/%s", dir, entry->d_name), junk[4096];
        FILE *f = fopen(path, "r+");
        memset(junk, 0x5A, sizeof junk);
        assert_non_null(f);
        fwrite(junk, 1, sizeof junk, f);
        fclose(f);
        free(path);
    }
    closedir(d);
    free(dir);
}

static void a_corrupt_index_is_rebuilt_by_itself(void **state)
{
    (void)state;
    house h = house_new("");
    until_ready(&h);
    fill(&h, 4, 100);
    settle(&h);
    found old[ARRAY_LEN(QUERIES)], fresh[ARRAY_LEN(QUERIES)];
    usleep(400000);
    answers(&h, old);
    views_close(h.views);
    scribble(&h);
    sinter_error e = SINTER_ERROR_INIT;
    if (views_open(h.config, h.journal, NULL, h.epochs, LANES, &h.views, &e)) fail_msg("%s", e.what);
    until_ready(&h);
    views_collection_state c;
    assert_true(views_collection_status(h.views, 0, &c));
    assert_string_equal(c.state, "ready");
    assert_true(c.reason[0]);
    assert_false(views_collection_status(h.views, 1, &c));
    answers(&h, fresh);
    assert_same(old, fresh);
    house_end(&h);
}

static void an_index_that_a_lane_cannot_read_is_rebuilt(void **state)
{
    (void)state;
    house h = house_new("");
    until_ready(&h);
    fill(&h, 6, 50);
    put(&h, "a", "velvet curtain", 1);
    settle(&h);
    uint64_t rebuilds = state_of(&h).rebuilds;
    views_suspect(h.views, 99);
    views_suspect(h.views, (uint32_t)h.number);
    for (int i = 0; i < 5000 && state_of(&h).rebuilds == rebuilds; i++)
        usleep(1000);
    until_ready(&h);
    assert_int_equal(state_of(&h).rebuilds, rebuilds + 1);
    assert_int_equal(count(&h, "velvet"), 1);
    house_end(&h);
}

static void another_schema_is_refused_until_the_index_is_discarded(void **state)
{
    (void)state;
    house h = house_new("");
    until_ready(&h);
    put(&h, "a", "Blue chair", 1);
    settle(&h);
    views_close(h.views);
    house_file(&h, "config/collections/shop.yaml",
               "language: de\nfields:\n  title: {type: text}\n  brand: {type: keyword}\n  price: {type: number}\n");
    char *yaml = xasprintf("%s/config/sinter.yaml", h.dir);
    config *german;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(config_load(yaml, &german, &e), SINTER_OK);
    assert_int_equal(views_open(german, h.journal, NULL, h.epochs, LANES, &h.views, &e), SINTER_PRECONDITION);
    assert_null(h.views);
    assert_int_equal(views_discard(german, &e), SINTER_OK);
    assert_int_equal(views_open(german, h.journal, NULL, h.epochs, LANES, &h.views, &e), SINTER_OK);
    until_ready(&h);
    config_free(h.config);
    h.config = german;
    free(yaml);
    house_end(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upsert_is_found_once_its_sequence_is_reached),
        cmocka_unit_test(a_price_and_a_delete_need_no_commit_of_the_index),
        cmocka_unit_test(without_anybody_waiting_a_write_is_found_within_a_second),
        cmocka_unit_test(a_restart_catches_up_with_what_came_meanwhile),
        cmocka_unit_test(a_rebuilt_index_answers_as_the_old_one),
        cmocka_unit_test(a_corrupt_index_is_rebuilt_by_itself),
        cmocka_unit_test(an_index_that_a_lane_cannot_read_is_rebuilt),
        cmocka_unit_test(another_schema_is_refused_until_the_index_is_discarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
