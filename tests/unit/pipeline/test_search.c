/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The whole line over a small real house: order, ledger, paging, sort, rules, what is missing. */
#include "pipeline/house.h"

#include <math.h>

static const char COLLECTION[] = "fields:\n"
                                 "  title: {type: text, group: title, language: en}\n"
                                 "  body: {type: text, group: body, language: en}\n"
                                 "  brand: {type: keyword}\n"
                                 "  price: {type: number}\n"
                                 "  stock: {type: integer}\n"
                                 "default_pipeline: main\n";

static const char *const PIPELINES[] = {
    "main",
    "collection: things\n"
    "recall:\n"
    "  - {source: text, limit: 100}\n"
    "stages:\n"
    "  - keep: 20\n"
    "    rank:\n"
    "      - {name: words, feature: text.bm25}\n"
    "      - {name: cheap, plugin: function, formula: \"0 - item.price\"}\n"
    "    fuse: {plugin: fusion, method: weighted, weights: {words: 0.7, cheap: 0.3}}\n",
    "voting",
    "collection: things\n"
    "stages:\n"
    "  - keep: 20\n"
    "    rank:\n"
    "      - {name: words, feature: text.bm25}\n"
    "      - {name: cheap, plugin: function, formula: \"0 - item.price\"}\n"
    "    fuse: {plugin: fusion, method: voting}\n"
    "finish:\n"
    "  - {diversity: mmr, field: brand, strength: 0.9}\n",
    "late",
    "collection: things\n"
    "stages:\n"
    "  - keep: 20\n"
    "    rank:\n"
    "      - {name: words, feature: text.bm25}\n"
    "      - {name: broken, plugin: function, formula: \"log(0 - item.price)\"}\n"
    "    fuse: {plugin: fusion, method: weighted, weights: {words: 1, broken: 1}}\n",
    NULL};

static house H;

static int set_up(void **state)
{
    (void)state;
    house_configure(&H, COLLECTION, PIPELINES);
    house_open(&H);
    char id[16], title[64], price[32], brand[32], stock[32];
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof id, "lamp%02d", i);
        snprintf(title, sizeof title, "title=lamp number %s", i % 5 == 0 ? "red red" : "blue");
        snprintf(price, sizeof price, "price=%d", 100 - i);
        snprintf(brand, sizeof brand, "brand=b%d", i % 3);
        snprintf(stock, sizeof stock, "stock=%d", i % 7);
        house_put(&H, id, (const char *[]){title, price, brand, stock, "body=a lamp for the desk", NULL});
    }
    house_settle(&H);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    house_close(&H);
    return 0;
}

static Sinter__V1__SearchRequest request(const char *query)
{
    Sinter__V1__SearchRequest r;
    sinter__v1__search_request__init(&r);
    r.collection = (char *)(uintptr_t)"things";
    r.query = (char *)(uintptr_t)query;
    return r;
}

static void finds_items_by_words_and_ranks_them(void **state)
{
    (void)state;
    Sinter__V1__SearchRequest r = request("red lamp");
    Sinter__V1__SearchResponse *out = house_search(&H, &r);
    assert_int_equal(out->n_hits, 10);
    assert_int_equal(out->total, 50);
    assert_string_equal(out->hits[0]->id, "lamp45"); /* red and the cheapest of them */
    for (size_t i = 1; i < out->n_hits; i++) assert_true(out->hits[i - 1]->score >= out->hits[i]->score);
    assert_string_equal(out->assignment->pipeline, "main");
    house_done(&H);
}

static void every_ledger_sums_to_its_score(void **state)
{
    (void)state;
    for (int p = 0; p < 3; p++) {
        Sinter__V1__SearchRequest r = request("red lamp");
        r.pipeline = (char *)(uintptr_t)PIPELINES[2 * p];
        r.explain = SINTER__V1__EXPLAIN__EXPLAIN_FULL;
        r.page_size = 50;
        Sinter__V1__SearchResponse *out = house_search(&H, &r);
        assert_int_equal(out->n_hits, 50);
        for (size_t i = 0; i < out->n_hits; i++) {
            Sinter__V1__Explanation *x = out->hits[i]->explanation;
            assert_non_null(x);
            assert_int_equal(x->n_sources, 1);
            Sinter__V1__StageLedger *st = x->stages[0];
            double sum = st->bias;
            for (size_t k = 0; k < st->n_rankers; k++) sum += st->rankers[k]->contribution;
            assert_true(fabs(sum - st->score_after) <= 1e-5 * fmax(1, fabs(st->score_after)));
            for (size_t k = 0; k < st->n_rankers; k++) {
                if (st->rankers[k]->missing) continue;
                double parts = 0;
                for (size_t f = 0; f < st->rankers[k]->n_features; f++) parts += st->rankers[k]->features[f]->value;
                assert_true(fabs(parts - st->rankers[k]->raw) <= 1e-5 * fmax(1, fabs(parts)));
            }
        }
        house_done(&H);
    }
}

static void pages_never_repeat_and_lose_nothing(void **state)
{
    (void)state;
    char seen[50] = {0};
    char *cursor = NULL;
    uint32_t pages = 0;
    do {
        Sinter__V1__SearchRequest r = request("lamp");
        r.page_size = 7;
        if (cursor) r.cursor = cursor;
        Sinter__V1__SearchResponse *out = house_search(&H, &r);
        for (size_t i = 0; i < out->n_hits; i++) {
            int k = atoi(out->hits[i]->id + 4);
            assert_int_equal(seen[k], 0);
            seen[k] = 1;
        }
        free(cursor);
        cursor = out->cursor[0] ? xstrdup(out->cursor) : NULL;
        house_done(&H);
        assert_true(++pages < 20);
    } while (cursor);
    for (int i = 0; i < 50; i++) assert_int_equal(seen[i], 1);
}

static void sorts_exactly_over_all_matches_and_resumes_by_cursor(void **state)
{
    (void)state;
    char *sort[] = {(char *)(uintptr_t)"-stock", (char *)(uintptr_t)"price"};
    char *cursor = NULL;
    int last_stock = 100, last_price = -1, n = 0;
    do {
        Sinter__V1__SearchRequest r = request("lamp");
        r.sort = sort;
        r.n_sort = 2;
        r.page_size = 8;
        if (cursor) r.cursor = cursor;
        Sinter__V1__SearchResponse *out = house_search(&H, &r);
        assert_true(out->total_is_exact);
        assert_int_equal(out->total, 50);
        for (size_t i = 0; i < out->n_hits; i++, n++) {
            int k = atoi(out->hits[i]->id + 4), stock = k % 7, price = 100 - k;
            assert_true(stock < last_stock || (stock == last_stock && price > last_price));
            last_stock = stock;
            last_price = price;
        }
        free(cursor);
        cursor = out->cursor[0] ? xstrdup(out->cursor) : NULL;
        house_done(&H);
    } while (cursor);
    assert_int_equal(n, 50);
}

static void a_filter_bounds_what_is_found(void **state)
{
    (void)state;
    Sinter__V1__SearchRequest r = request("lamp");
    r.filter = (char *)(uintptr_t)"brand = \"b1\" AND price < 80";
    r.page_size = 50;
    Sinter__V1__SearchResponse *out = house_search(&H, &r);
    assert_true(out->n_hits > 0);
    for (size_t i = 0; i < out->n_hits; i++) {
        int k = atoi(out->hits[i]->id + 4);
        assert_true(k % 3 == 1 && 100 - k < 80);
    }
    house_done(&H);
}

static void a_ranker_without_scores_is_missing_and_fusion_copes(void **state)
{
    (void)state;
    Sinter__V1__SearchRequest r = request("red lamp");
    r.pipeline = (char *)(uintptr_t)"late";
    r.explain = SINTER__V1__EXPLAIN__EXPLAIN_SCORES;
    Sinter__V1__SearchResponse *out = house_search(&H, &r);
    assert_int_equal(out->n_hits, 10);
    assert_true(out->hits[0]->explanation->stages[0]->rankers[1]->missing);
    house_done(&H);
}

static void diversity_mixes_brands(void **state)
{
    (void)state;
    Sinter__V1__SearchRequest r = request("red lamp");
    r.pipeline = (char *)(uintptr_t)"voting";
    r.page_size = 3;
    Sinter__V1__SearchResponse *out = house_search(&H, &r);
    int brands = 0;
    for (size_t i = 0; i < 3; i++) brands |= 1 << (atoi(out->hits[i]->id + 4) % 3);
    assert_int_equal(brands, 7);
    house_done(&H);
}

static void stored_fields_come_by_mask(void **state)
{
    (void)state;
    char *fields[] = {(char *)(uintptr_t)"title", (char *)(uintptr_t)"price"};
    Sinter__V1__SearchRequest r = request("red lamp");
    r.fields = fields;
    r.n_fields = 2;
    r.page_size = 1;
    Sinter__V1__SearchResponse *out = house_search(&H, &r);
    assert_int_equal(out->hits[0]->n_fields, 2);
    house_done(&H);
}

static void bad_requests_name_the_field(void **state)
{
    (void)state;
    static const struct {
        const char *collection, *filter, *pipeline, *cursor;
        sinter_status status;
        const char *where;
    } rows[] = {{"thing", "", "", "", SINTER_NOT_FOUND, "collection"},
                {"things", "price >", "", "", SINTER_INVALID, "filter"},
                {"things", "", "mian", "", SINTER_NOT_FOUND, "pipeline"},
                {"things", "", "", "abc", SINTER_INVALID, "cursor"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Sinter__V1__SearchRequest r = request("lamp");
        r.collection = (char *)(uintptr_t)rows[i].collection;
        r.filter = (char *)(uintptr_t)rows[i].filter;
        r.pipeline = (char *)(uintptr_t)rows[i].pipeline;
        r.cursor = (char *)(uintptr_t)rows[i].cursor;
        sinter_error e = SINTER_ERROR_INIT;
        Sinter__V1__SearchResponse *out;
        assert_int_equal(house_try(&H, &r, &out, &e), rows[i].status);
        assert_memory_equal(e.where, rows[i].where, strlen(rows[i].where));
        assert_true(e.fix[0] != 0);
        house_done(&H);
    }
}

static void deleted_items_are_gone_at_once(void **state)
{
    (void)state;
    house_delete(&H, "lamp45");
    house_settle(&H);
    Sinter__V1__SearchRequest r = request("red lamp");
    Sinter__V1__SearchResponse *out = house_search(&H, &r);
    assert_string_not_equal(out->hits[0]->id, "lamp45");
    house_done(&H);
}

static void an_impression_is_recorded_with_every_ranker_of_the_collection(void **state)
{
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__SearchRequest r = request("red lamp");
    r.request_id = (char *)(uintptr_t)"impression-1";
    house_search(&H, &r);
    pipeline_log(pipeline_lane_get(H.engine, 0), STR("bytes"));
    house_done(&H);
    journal *j = engine_impressions(H.engine);
    for (int i = 0; i < 1000 && journal_last_sequence(j) == 0; i++) usleep(2000);
    journal_reader *reader;
    assert_int_equal(journal_reader_open(j, &reader, &e), SINTER_OK);
    arena *a = arena_new(4096);
    Sinter__Storage__V1__Record *rec;
    assert_int_equal(journal_get(reader, 1, a, &rec, &e), SINTER_OK);
    assert_int_equal(rec->body_case, SINTER__STORAGE__V1__RECORD__BODY_ANSWERED);
    assert_string_equal(rec->answered->request_id, "impression-1");
    assert_int_equal(rec->answered->n_shown, 10);
    assert_int_equal(rec->answered->n_rankers, 6); /* two of each of three pipelines */
    assert_int_equal(rec->answered->shown[0]->n_raw, 6);
    assert_true(isfinite(rec->answered->shown[0]->raw[0]));
    assert_int_equal(rec->answered->shown[0]->position, 1);
    arena_free(a);
    journal_reader_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_items_by_words_and_ranks_them),
        cmocka_unit_test(every_ledger_sums_to_its_score),
        cmocka_unit_test(pages_never_repeat_and_lose_nothing),
        cmocka_unit_test(sorts_exactly_over_all_matches_and_resumes_by_cursor),
        cmocka_unit_test(a_filter_bounds_what_is_found),
        cmocka_unit_test(a_ranker_without_scores_is_missing_and_fusion_copes),
        cmocka_unit_test(diversity_mixes_brands),
        cmocka_unit_test(stored_fields_come_by_mask),
        cmocka_unit_test(bad_requests_name_the_field),
        cmocka_unit_test(an_impression_is_recorded_with_every_ranker_of_the_collection),
        cmocka_unit_test(deleted_items_are_gone_at_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
