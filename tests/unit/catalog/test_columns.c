/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Columns against a naive model, snapshots that do not change, dictionaries, what counts as a change of text. */
#include "catalog/fixture.h"

#include <time.h>


enum { MODEL_ROWS = 9000, MODEL_TAGS = 4 };

typedef struct row {
    bool lives, has_brand, has_price, has_stock, has_sold, has_time, has_vector, has_geo, has_attribute;
    uint64_t sequence;
    int brand, attribute;
    double price, geo[2];
    int64_t stock, ms;
    bool sold;
    float vector[3];
    int n_tags, tag[MODEL_TAGS];
} row;

static shop s;

static int open_shop(void **state) {
    (void)state;
    shop_open(&s);
    return 0;
}
static int close_shop(void **state) {
    (void)state;
    shop_close(&s);
    return 0;
}

static bool one_in(rng *r, uint64_t n) {
    return rng_below(r, n) == 0;
}

static row row_random(rng *r) {
    row m = {.lives = true};
    if ((m.has_brand = !one_in(r, 4))) m.brand = (int)rng_below(r, 50);
    if ((m.has_price = !one_in(r, 4))) m.price = rng_normal(r) * 100;
    if ((m.has_stock = !one_in(r, 4))) m.stock = (int64_t)rng_next(r);
    if ((m.has_sold = !one_in(r, 4))) m.sold = one_in(r, 2);
    if ((m.has_time = !one_in(r, 4))) m.ms = (int64_t)rng_below(r, 4000000000000) - 2000000000000;
    if ((m.has_attribute = one_in(r, 4))) m.attribute = (int)rng_below(r, 5);
    if ((m.has_vector = one_in(r, 4))) {
        for (int i = 0; i < 3; i++)
            m.vector[i] = (float)rng_normal(r);
    }
    if ((m.has_geo = one_in(r, 4))) m.geo[0] = rng_uniform(r) * 90, m.geo[1] = rng_uniform(r) * -180;
    m.n_tags = (int)rng_below(r, MODEL_TAGS + 1);
    for (int i = 0; i < m.n_tags; i++)
        m.tag[i] = i * 10 + (int)rng_below(r, 10);
    return m;
}

static Sinter__V1__Item *item_of(const row *m, uint32_t ordinal) {
    Sinter__V1__Item *item = item_new(s.a, arena_printf(s.a, "id-%u", ordinal));
    item_add(s.a, item, "title", v_string(s.a, "t"));
    if (m->has_brand) item_add(s.a, item, "brand", v_string(s.a, arena_printf(s.a, "brand %d", m->brand)));
    if (m->has_price) item_add(s.a, item, "price", v_number(s.a, m->price));
    if (m->has_stock) item_add(s.a, item, "stock", v_integer(s.a, m->stock));
    if (m->has_sold) item_add(s.a, item, "sold_out", v_boolean(s.a, m->sold));
    if (m->has_time) {
        int64_t seconds = m->ms / 1000 - (m->ms % 1000 < 0);
        item_add(s.a, item, "released", v_time(s.a, seconds, (int32_t)(m->ms - seconds * 1000) * 1000000 + 999));
    }
    if (m->has_vector) item_add(s.a, item, "embedding", v_vector(s.a, 3, m->vector));
    if (m->has_geo) item_add(s.a, item, "place", v_geo(s.a, m->geo[0], m->geo[1]));
    if (m->has_attribute) item_add(s.a, item, "attributes.t_k", v_string(s.a, arena_printf(s.a, "a%d", m->attribute)));
    const char *tags[MODEL_TAGS];
    for (int i = 0; i < m->n_tags; i++)
        tags[i] = arena_printf(s.a, "tag %d", m->tag[i]);
    if (m->n_tags) item_add(s.a, item, "tags", v_strings(s.a, (size_t)m->n_tags, tags));
    return item;
}

static const void *cell(const sinter_column *c, uint32_t i, size_t width) {
    if (!c || !column_has(c, i)) return NULL;
    return (const char *)c->chunk[i >> SINTER_CHUNK_BITS]->data + (i & (SINTER_CHUNK_ROWS - 1)) * width;
}

static void check_keyword_cell(const char *field, uint32_t i, const sinter_column *c, bool has, const char *text) {
    const uint32_t *id = cell(c, i, sizeof *id);
    assert_int_equal(id != NULL, has);
    if (!has) return;
    size_t n;
    const catalog_field *f = catalog_find_field(s.c, field);
    assert_string_equal(catalog_keyword_text(s.c, f, *id, &n), text);
    assert_int_equal(n, strlen(text));
    assert_int_equal(catalog_keyword_id(s.c, f, str_of(text)), *id);
}

static void check_row(const catalog_set *set, uint32_t i, const row *m) {
    assert_int_equal(catalog_is_live(set, i), m->lives);
    assert_true(catalog_record_of(set, i) == (m->lives ? m->sequence : 0));
    check_keyword_cell("brand", i, catalog_column(set, "brand"), m->has_brand, arena_printf(s.a, "brand %d", m->brand));
    check_keyword_cell("attributes.t_k", i, catalog_column(set, "attributes.t_k"), m->has_attribute,
                       arena_printf(s.a, "a%d", m->attribute));
    const double *price = cell(catalog_column(set, "price"), i, sizeof *price);
    const int64_t *stock = cell(catalog_column(set, "stock"), i, sizeof *stock);
    const int64_t *ms = cell(catalog_column(set, "released"), i, sizeof *ms);
    const uint8_t *sold = cell(catalog_column(set, "sold_out"), i, 1);
    const float *vector = cell(catalog_column(set, "embedding"), i, 3 * sizeof(float));
    const double *geo = cell(catalog_column(set, "place"), i, 2 * sizeof(double));
    assert_true((price != NULL) == m->has_price && (!price || *price == m->price));
    assert_true((stock != NULL) == m->has_stock && (!stock || *stock == m->stock));
    assert_true((ms != NULL) == m->has_time && (!ms || *ms == m->ms));
    assert_true((sold != NULL) == m->has_sold && (!sold || *sold == m->sold));
    assert_true((vector != NULL) == m->has_vector && (!vector || memcmp(vector, m->vector, sizeof m->vector) == 0));
    assert_true((geo != NULL) == m->has_geo && (!geo || (geo[0] == m->geo[0] && geo[1] == m->geo[1])));
    uint32_t n;
    const uint32_t *id = column_keywords(catalog_column(set, "tags"), i, &n);
    assert_int_equal(n, m->n_tags);
    for (uint32_t k = 0; k < n; k++)
        assert_string_equal(catalog_keyword_text(s.c, catalog_find_field(s.c, "tags"), id[k], NULL),
                            arena_printf(s.a, "tag %d", m->tag[k]));
}

static void check_model(const catalog_set *set, const row *model, uint32_t n) {
    uint32_t live = 0;
    assert_int_equal(set->n_items, n);
    for (uint32_t i = 0; i < n; i++) {
        check_row(set, i, &model[i]);
        live += model[i].lives;
        if (i % 64 == 0) arena_reset(s.a);
    }
    assert_int_equal(set->n_live, live);
}

/* Random puts, upserts, deletes and publications. An old set, held inside an epoch, is compared again at the end of each
 * round with the model as it was when the set was taken. */
static void columns_agree_with_a_naive_model_and_old_sets_do_not_change(void **state) {
    (void)state;
    rng r;
    rng_seed(&r, test_seed());
    row *model = xcalloc(MODEL_ROWS, sizeof *model), *then = xcalloc(MODEL_ROWS, sizeof *then);
    uint32_t n = 0, then_n = 0;
    const catalog_set *old = NULL;
    for (int round = 0; round < 24; round++) {
        for (int op = 0; op < 500; op++) {
            bool fresh = n < MODEL_ROWS && (n == 0 || !one_in(&r, 4));
            uint32_t i = fresh ? n++ : (uint32_t)rng_below(&r, n);
            if (!fresh && !model[i].lives) continue;
            if (!fresh && one_in(&r, 3)) {
                shop_delete(&s, i, arena_printf(s.a, "id-%u", i));
                model[i] = (row){.lives = false};
            } else {
                model[i] = row_random(&r);
                shop_put(&s, i, item_of(&model[i], i), NULL);
                model[i].sequence = s.sequence;
            }
            if (one_in(&r, 100)) shop_publish(&s);
            arena_reset(s.a);
        }
        check_model(shop_publish(&s), model, n);
        if (old) {
            check_model(old, then, then_n);
            epoch_exit(s.epochs, 0);
        }
        epoch_enter(s.epochs, 0);
        old = catalog_current(s.c);
        then_n = n;
        memcpy(then, model, n * sizeof *model);
    }
    epoch_exit(s.epochs, 0);
    assert_true(n > 2 * SINTER_CHUNK_ROWS);
    assert_int_equal(epoch_reclaim(s.epochs), 0);
    free(model);
    free(then);
}

static void an_unchanged_item_copies_no_chunk(void **state) {
    (void)state;
    rng r;
    rng_seed(&r, 7);
    row m = row_random(&r);
    m.has_vector = m.has_price = m.has_brand = true;
    shop_put(&s, 0, item_of(&m, 0), NULL);
    const catalog_set *a = shop_publish(&s);
    const sinter_column *vectors = catalog_column(a, "embedding"), *prices = catalog_column(a, "price");
    epoch_enter(s.epochs, 0);
    m.price += 1;
    m.has_price = true;
    shop_put(&s, 0, item_of(&m, 0), NULL);
    const catalog_set *b = shop_publish(&s);
    assert_ptr_equal(catalog_column(b, "embedding"), vectors);
    assert_ptr_not_equal(catalog_column(b, "price"), prices);
    assert_ptr_not_equal(catalog_column(b, "price")->chunk[0], prices->chunk[0]);
    epoch_exit(s.epochs, 0);
}

static void old_records_applied_again_change_nothing(void **state) {
    (void)state;
    rng r;
    rng_seed(&r, 8);
    row first = row_random(&r), second = row_random(&r);
    Sinter__V1__Item *a = item_of(&first, 0), *b = item_of(&second, 0);
    shop_apply_put(&s, 0, a, NULL, 10);
    shop_apply_put(&s, 0, b, a, 20);
    second.sequence = 20;
    assert_false(shop_apply_put(&s, 0, a, NULL, 10));
    assert_false(shop_apply_put(&s, 0, b, NULL, 20));
    check_row(catalog_publish(s.c, 20), 0, &second);
    s.sequence = 29;
    shop_delete(&s, 0, "id-0"); /* 30 */
    shop_apply_put(&s, 0, b, NULL, 20);
    row gone = {.lives = false};
    check_row(catalog_publish(s.c, 30), 0, &gone);
}

static void a_change_of_text_is_told_from_a_change_of_columns(void **state) {
    (void)state;
    Sinter__V1__Item *v[8];
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        v[i] = item_new(s.a, "x");
        item_add(s.a, v[i], "brand", v_string(s.a, i == 2 ? "Other" : "Acme"));
        if (i != 3) item_add(s.a, v[i], "tags", v_strings(s.a, 2, (const char *[]){"a", i == 4 ? "c" : "b"}));
        item_add(s.a, v[i], "notes", v_string(s.a, i == 5 ? "other" : "same")); /* not searchable: not in the index */
        item_add(s.a, v[i], "price", v_number(s.a, (double)i));
        item_add(s.a, v[i], "title", v_string(s.a, i == 6 ? "Saw" : "Drill"));
        if (i == 7) item_add(s.a, v[i], "texts.de.body", v_string(s.a, "Bohrer"));
    }
    assert_true(shop_put(&s, 0, v[0], NULL)); /* new */
    struct {
        size_t item;
        bool changed;
    } rows[] = {{1, false}, {2, true}, {3, true}, {4, true}, {5, false}, {6, true}, {7, true}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(shop_put(&s, 0, v[rows[i].item], v[0]), rows[i].changed);
        assert_int_equal(shop_put(&s, 0, v[0], v[rows[i].item]), rows[i].changed);
    }
    assert_true(shop_put(&s, 0, v[1], NULL)); /* cannot be told */
}

static void values_that_no_longer_fit_the_schema_are_left_out(void **state) {
    (void)state;
    Sinter__V1__Item *item = item_new(s.a, "x");
    item_add(s.a, item, "price", v_string(s.a, "was a keyword once"));
    item_add(s.a, item, "gone", v_number(s.a, 1));
    item_add(s.a, item, "stock", v_number(s.a, 5)); /* was a number, now an integer */
    shop_put(&s, 0, item, NULL);
    const catalog_set *set = shop_publish(&s);
    assert_true(isnan(column_number(catalog_column(set, "price"), 0)));
    assert_true(column_number(catalog_column(set, "stock"), 0) == 5);
}

static void records_of_others_are_refused(void **state) {
    (void)state;
    Sinter__Storage__V1__Record rec = SINTER__STORAGE__V1__RECORD__INIT;
    Sinter__Storage__V1__ItemDelete del = SINTER__STORAGE__V1__ITEM_DELETE__INIT;
    sinter_error e = SINTER_ERROR_INIT;
    bool changed;
    rec.sequence = 5;
    assert_int_equal(catalog_apply(s.c, &rec, NULL, &changed, &e), SINTER_INTERNAL);
    assert_string_equal(e.what, "record 5 is neither an item's put nor its delete");
    del.collection = 2;
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_ITEM_DELETE;
    rec.item_delete = &del;
    assert_int_equal(catalog_apply(s.c, &rec, NULL, &changed, &e), SINTER_INTERNAL);
    assert_string_equal(e.what, "record 5 (collection 2, ordinal 0) is not one of collection 1");
}

static void ids_and_ordinals_find_each_other(void **state) {
    (void)state;
    size_t n;
    for (uint32_t i = 0; i < 5000; i++) {
        shop_put(&s, i, item_new(s.a, arena_printf(s.a, "sku/%u", i)), NULL);
        arena_reset(s.a);
    }
    for (uint32_t i = 0; i < 5000; i++) {
        const char *id = arena_printf(s.a, "sku/%u", i);
        assert_int_equal(catalog_item_ordinal(s.c, str_of(id)), i);
        assert_string_equal(catalog_item_id(s.c, i, &n), id);
        assert_int_equal(n, strlen(id));
    }
    assert_int_equal(catalog_item_ordinal(s.c, STR("sku/5000")), UINT32_MAX);
    assert_null(catalog_item_id(s.c, 5000, &n));
    shop_delete(&s, 17, "sku/17");
    shop_put(&s, 5000, item_new(s.a, "sku/17"), NULL); /* added again: a new ordinal */
    assert_int_equal(catalog_item_ordinal(s.c, STR("sku/17")), 5000);
    assert_string_equal(catalog_item_id(s.c, 17, &n), "sku/17");
    assert_string_equal(catalog_item_id(s.c, 5000, &n), "sku/17");
    const catalog_set *set = shop_publish(&s);
    assert_false(catalog_is_live(set, 17));
    assert_true(catalog_is_live(set, 5000));
    catalog_expect(s.c, 6000);
    assert_int_equal(shop_publish(&s)->n_items, 6000);
    assert_false(catalog_is_live(catalog_current(s.c), 5999));
}

static void keywords_are_counted_from_one(void **state) {
    (void)state;
    const catalog_field *f = catalog_find_field(s.c, "brand");
    assert_int_equal(catalog_keyword_count(s.c, f), 0);
    assert_int_equal(catalog_keyword_id(s.c, f, STR("Acme")), 0);
    assert_null(catalog_keyword_text(s.c, f, 1, NULL));
    const char *brands[] = {"Acme", "", "Bolt", "Acme"};
    for (uint32_t i = 0; i < 4; i++) {
        Sinter__V1__Item *item = item_new(s.a, arena_printf(s.a, "%u", i));
        item_add(s.a, item, "brand", v_string(s.a, brands[i]));
        item_add(s.a, item, "tags", v_strings(s.a, 3, (const char *[]){"x", "y", "x"}));
        shop_put(&s, i, item, NULL);
    }
    assert_int_equal(catalog_keyword_count(s.c, f), 3);
    assert_int_equal(catalog_keyword_id(s.c, f, STR("Acme")), 1);
    assert_int_equal(catalog_keyword_id(s.c, f, STR("")), 2);
    assert_int_equal(catalog_keyword_id(s.c, f, STR("acme")), 0);
    assert_string_equal(catalog_keyword_text(s.c, f, 3, NULL), "Bolt");
    assert_null(catalog_keyword_text(s.c, f, 0, NULL));
    uint32_t n;
    column_keywords(catalog_column(shop_publish(&s), "tags"), 0, &n);
    assert_int_equal(n, 2); /* each once */
}

static void a_gather_equals_single_reads(void **state) {
    (void)state;
    rng r;
    rng_seed(&r, 9);
    for (uint32_t i = 0; i < 9000; i++) {
        row m = row_random(&r);
        if (i == 5) m.has_price = true, m.price = 1e300;
        shop_put(&s, i, item_of(&m, i), NULL);
        arena_reset(s.a);
    }
    const catalog_set *set = shop_publish(&s);
    const char *fields[] = {"price", "stock", "sold_out", "released", "brand", "embedding", "title"};
    uint32_t item[1000];
    float out[3000];
    for (size_t f = 0; f < ARRAY_LEN(fields); f++) {
        const sinter_column *c = catalog_column(set, fields[f]);
        for (int i = 0; i < 1000; i++)
            item[i] = (uint32_t)rng_below(&r, 9100), out[3 * i] = out[3 * i + 1] = out[3 * i + 2] = -7;
        item[0] = 5;
        item[1] = UINT32_MAX;
        column_gather(c, item, 1000, out, 3);
        for (int i = 0; i < 1000; i++) {
            double one = column_number(c, item[i]);
            if (i == 0 && f == 0) assert_true(isfinite(out[0]) && out[0] > 3e38f);
            else assert_true(isnan(one) ? isnan(out[3 * i]) : out[3 * i] == (float)one);
            assert_true(out[3 * i + 1] == -7 && out[3 * i + 2] == -7);
        }
    }
}

/* What this thread used: the time by the wall also counts whoever else is busy on the machine. */
static uint64_t cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void a_hundred_thousand_items_are_quick_and_small(void **state) {
    (void)state;
    enum { N = 100000 };
    rng r;
    rng_seed(&r, 10);
    row m[64];
    for (int i = 0; i < 64; i++)
        m[i] = row_random(&r), m[i].has_price = true;
    uint64_t apply_ns = 0;
    for (uint32_t i = 0; i < N; i++) {
        Sinter__V1__Item *item = item_of(&m[i & 63], i);
        uint64_t t = cpu_ns();
        shop_put(&s, i, item, NULL);
        if (i % 5000 == 0) shop_publish(&s);
        apply_ns += cpu_ns() - t;
        arena_reset(s.a);
    }
    const catalog_set *set = shop_publish(&s);
    uint32_t *item = xmalloc(1000 * sizeof *item);
    float *out = xmalloc(1000 * sizeof *out);
    for (int i = 0; i < 1000; i++)
        item[i] = (uint32_t)rng_below(&r, N);
    uint64_t best = UINT64_MAX;
    for (int k = 0; k < 200; k++) {
        uint64_t t = cpu_ns();
        column_gather(catalog_column(set, "price"), item, 1000, out, 1);
        t = cpu_ns() - t;
        if (t < best) best = t;
    }
    uint64_t t = cpu_ns();
    shop_put(&s, 3, item_of(&m[9], 3), NULL);
    shop_publish(&s);
    uint64_t publish_ns = cpu_ns() - t;
    print_message("100,000 items: apply %.0f ns an item, %.1f MB, gather of 1,000 %.2f us, one upsert and publication %.0f us\n",
                  (double)apply_ns / N, (double)catalog_bytes(s.c) / 1e6, (double)best / 1e3, (double)publish_ns / 1e3);
    assert_true(catalog_bytes(s.c) < 40e6);
#ifndef SINTER_SANITIZED
    assert_true(apply_ns / N < 20000);
    assert_true(best < 100000);
#endif
    free(item);
    free(out);
}

static void a_dictionary_finds_every_number_of_many_segments(void **state) {
    (void)state;
    dictionary d;
    memset((void *)&d, 0, sizeof d);
    const uint32_t numbers[] = {0, 63, 64, 191, 192, 4095, 70000, 3000000};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        dictionary_put(&d, numbers[i], str_of(arena_printf(s.a, "n%u", numbers[i])), s.a);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const char *text = arena_printf(s.a, "n%u", numbers[i]);
        assert_string_equal(dictionary_get(&d, numbers[i])->s, text);
        assert_int_equal(dictionary_find(&d, str_of(text)), numbers[i]);
    }
    assert_null(dictionary_get(&d, 1));
    assert_null(dictionary_get(&d, UINT32_MAX));
    dictionary_put(&d, 5, STR("n64"), s.a); /* an older number of a known text does not hide the newer */
    assert_int_equal(dictionary_find(&d, STR("n64")), 64);
    dictionary_free(&d);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, open_shop, close_shop)
    const struct CMUnitTest tests[] = {
        T(columns_agree_with_a_naive_model_and_old_sets_do_not_change),
        T(an_unchanged_item_copies_no_chunk),
        T(old_records_applied_again_change_nothing),
        T(a_change_of_text_is_told_from_a_change_of_columns),
        T(values_that_no_longer_fit_the_schema_are_left_out),
        T(records_of_others_are_refused),
        T(ids_and_ordinals_find_each_other),
        T(keywords_are_counted_from_one),
        T(a_gather_equals_single_reads),
        T(a_hundred_thousand_items_are_quick_and_small),
        T(a_dictionary_finds_every_number_of_many_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
