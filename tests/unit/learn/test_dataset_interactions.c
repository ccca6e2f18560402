/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Interactions: who, what and when as the events say, users dense by first appearance, cut in time, and as sparse rows that
 * equal a dense matrix summed by hand. */
#include "world.h"

static const sinter_inputs INTERACTIONS = {.size = sizeof INTERACTIONS, .dataset = SINTER_DATASET_INTERACTIONS};

static void rows_say_what_the_events_said(void **state)
{
    (void)state;
    world w;
    world_make(&w);
    world_item(&w, "a", 1, NULL);
    world_item(&w, "b", 2, NULL);
    uint64_t since = world_item(&w, "gone", 3, NULL);
    world_event(&w, (event){.type = "click", .user = "anna", .item = "b", .time_ms = 5000});
    world_event(&w, (event){.type = "rating", .user = "bert", .item = "a", .value = 4.5, .time_ms = 1000});
    world_event(&w, (event){.type = "view", .session = "anna", .item = "later", .value = 9, .time_ms = 3000});
    world_event(&w, (event){.type = "click", .user = "anna", .item = "gone", .time_ms = 1});
    world_event(&w, (event){.type = "click", .user = "anna", .item = "never", .time_ms = 1});
    world_event(&w, (event){.type = "ordered", .user = "anna", .item = "a", .time_ms = 1});
    world_delete(&w, "gone");
    world_item(&w, "later", 4, NULL);
    uint64_t until = world_event(&w, (event){.type = "dislike", .user = "bert", .item = "b", .time_ms = 9000});
    world_event(&w, (event){.type = "click", .user = "anna", .item = "a", .time_ms = 2}); /* behind the range */
    dataset_spec spec = world_spec(&w, &INTERACTIONS);
    spec.since = since;
    spec.until = until;
    dataset_result d;
    world_build(&w, &spec, &d);
    assert_int_equal(DATASET_TABLE.n_users(d.train), 3);
    assert_int_equal(d.report.events, 7);
    assert_int_equal(d.report.left_out[DATASET_NEVER_ITEM], 1);
    assert_int_equal(d.report.left_out[DATASET_DELETED_ITEM], 1);
    assert_int_equal(d.report.left_out[DATASET_UNKNOWN_TYPE], 1);
    assert_int_equal(DATASET_TABLE.n_interactions(d.train), 3);
    assert_int_equal(DATASET_TABLE.n_interactions(d.valid), 1);
    sinter_error e = SINTER_ERROR_INIT;
    sinter_interactions x = {.size = sizeof x};
    must(DATASET_TABLE.next_interactions(d.train, &x, &e), &e);
    static const uint32_t user[] = {0, 1, 2}, item[] = {1, 0, 3}, type[] = {2, 3, 1};
    static const float weight[] = {1, 4.5f, 0.5f};
    static const int64_t time[] = {5000, 1000, 3000};
    assert_int_equal(x.n, 3);
    for (int i = 0; i < 3; i++)
        assert_true(x.user[i] == user[i] && x.item[i] == item[i] && x.event[i] == type[i] && x.weight[i] == weight[i] &&
                    x.time_ms[i] == time[i]);
    assert_true(isnan(x.value[0]) && x.value[1] == 4.5f && x.value[2] == 9);
    must(DATASET_TABLE.next_interactions(d.train, &x, &e), &e);
    assert_int_equal(x.n, 0);
    must(DATASET_TABLE.next_interactions(d.valid, &x, &e), &e);
    assert_true(x.n == 1 && x.user[0] == 1 && x.item[0] == 1 && x.weight[0] == 0 && x.time_ms[0] == 9000);
    assert_int_equal(d.now_ms, 9000);
    assert_int_equal(catalog_current(d.catalog)->n_items, 4);
    assert_int_equal(catalog_item_ordinal(d.catalog, STR("later")), 3);
    assert_int_equal(files_in(w.scratch), 0);
    dataset_free(&d);
    world_open(&w);
    world_end(&w);
}

/* ---- sparse rows ---------------------------------------------------------------------------------------------------------- */

enum { USERS = 7, THINGS_N = 9, EVENTS_N = 400 };

typedef struct cell {
    double weight;
    int64_t time_ms;
    bool any;
} cell;

static void check_csr(sinter_dataset *d, bool by_item, cell (*want)[THINGS_N], const uint32_t *user_row)
{
    sinter_error e = SINTER_ERROR_INIT;
    sinter_csr c = {.size = sizeof c};
    uint64_t n = 0, cells = 0;
    must(DATASET_TABLE.csr(d, by_item, &c, &e), &e);
    assert_int_equal(c.n_rows, by_item ? THINGS_N : USERS);
    assert_int_equal(c.n_columns, by_item ? USERS : THINGS_N);
    for (uint32_t u = 0; u < USERS; u++)
        for (uint32_t i = 0; i < THINGS_N; i++) {
            uint32_t row = by_item ? i : user_row[u], column = by_item ? user_row[u] : i;
            cells += want[u][i].any;
            bool found = false;
            for (uint64_t k = c.offset[row]; k < c.offset[row + 1]; k++) {
                if (k > c.offset[row]) assert_true(c.column[k] > c.column[k - 1]);
                if (c.column[k] != column) continue;
                found = true;
                assert_true(fabs((double)c.weight[k] - want[u][i].weight) < 1e-4);
                assert_int_equal(c.time_ms[k], want[u][i].time_ms);
            }
            assert_int_equal(found, want[u][i].any);
            n += found;
        }
    assert_int_equal(n, c.offset[c.n_rows]);
    assert_int_equal(n, cells);
}

static void sparse_rows_equal_a_matrix_summed_by_hand(void **state)
{
    (void)state;
    world w;
    rng r;
    cell want[2][USERS][THINGS_N] = {0};
    uint32_t user_row[USERS], n_users = 0;
    world_make(&w);
    rng_seed(&r, 7);
    memset(user_row, 0xff, sizeof user_row);
    char id[16], who[16];
    for (uint32_t i = 0; i < THINGS_N; i++) {
        snprintf(id, sizeof id, "i%u", i);
        world_item(&w, id, i, NULL);
    }
    for (int64_t k = 0; k < EVENTS_N; k++) {
        uint32_t u = (uint32_t)rng_below(&r, USERS), i = (uint32_t)rng_below(&r, THINGS_N);
        double value = (double)rng_below(&r, 10) / 2 + 0.5;
        int64_t time = k * 100 + (int64_t)rng_below(&r, 90); /* rises: the last tenth is the last 40 */
        snprintf(id, sizeof id, "i%u", i);
        snprintf(who, sizeof who, "u%u", u);
        world_event(&w, (event){.type = "rating", .user = who, .item = id, .value = value, .time_ms = time});
        if (user_row[u] == UINT32_MAX) user_row[u] = n_users++;
        cell *c = &want[k >= EVENTS_N * 9 / 10][u][i];
        c->weight += value;
        if (!c->any || time > c->time_ms) c->time_ms = time;
        c->any = true;
    }
    assert_int_equal(n_users, USERS);
    dataset_spec spec = world_spec(&w, &INTERACTIONS);
    dataset_result d;
    world_build(&w, &spec, &d);
    assert_int_equal(DATASET_TABLE.n_interactions(d.valid), EVENTS_N / 10);
    for (int by_item = 0; by_item < 2; by_item++) {
        check_csr(d.train, by_item, want[0], user_row);
        check_csr(d.valid, by_item, want[1], user_row);
        check_csr(d.train, by_item, want[0], user_row); /* the one made before */
    }
    assert_int_equal(files_in(w.scratch), 0);
    dataset_free(&d);
    world_open(&w);
    world_end(&w);
}

static void equal_times_are_cut_in_the_order_of_records(void **state)
{
    (void)state;
    world w;
    world_make(&w);
    world_item(&w, "a", 1, NULL);
    world_item(&w, "b", 1, NULL);
    for (int i = 0; i < 20; i++)
        world_event(&w, (event){.type = "rating", .user = i % 2 ? "x" : "y", .item = i % 3 ? "a" : "b", .value = i + 1, .time_ms = 77});
    dataset_spec spec = world_spec(&w, &INTERACTIONS);
    dataset_result d;
    world_build(&w, &spec, &d);
    sinter_error e = SINTER_ERROR_INIT;
    sinter_interactions x = {.size = sizeof x};
    for (int pass = 0; pass < 2; pass++) {
        must(DATASET_TABLE.next_interactions(d.train, &x, &e), &e);
        assert_int_equal(x.n, 18);
        for (uint32_t i = 0; i < x.n; i++) assert_true(x.weight[i] == (float)(i + 1));
        must(DATASET_TABLE.rewind(d.train, &e), &e);
    }
    must(DATASET_TABLE.next_interactions(d.valid, &x, &e), &e);
    assert_true(x.n == 2 && x.weight[0] == 19 && x.weight[1] == 20);
    dataset_free(&d);
    world_open(&w);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_say_what_the_events_said),
                                       cmocka_unit_test(sparse_rows_equal_a_matrix_summed_by_hand),
                                       cmocka_unit_test(equal_times_are_cut_in_the_order_of_records)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
