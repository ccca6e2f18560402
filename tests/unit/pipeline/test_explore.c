/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Exploring by chance: which requests are shuffled, that every order of the first places is as likely as any other, that a request
 * id always gets the same answer, and that the odds that impressions keep are those with which items stood where they stood. */
#include "house.h"

#include <math.h>

#define COLLECTION "fields:\n  title: {type: text}\n  price: number\ndefault_pipeline: main\n"
#define STAGES                                                                                                                  \
    "collection: things\nstages:\n  - keep: 30\n    rank:\n      - {name: cheap, plugin: function, formula: \"0 - item.price\"}\n"

static const char *const PIPELINES[] = {"main",  STAGES "finish:\n  - {explore: shuffle, top: 6, share: 0.25}\n",
                                        "plain", STAGES,
                                        "short", STAGES "finish:\n  - {explore: shuffle, top: 200, share: 1}\n",
                                        "never", STAGES "finish:\n  - {explore: shuffle, share: 0}\n",
                                        NULL};
enum { ITEMS = 12, TOP = 6, REQUESTS = 6000 };

static house H;

static int set_up(void **state)
{
    (void)state;
    house_configure(&H, COLLECTION, PIPELINES);
    house_open(&H);
    char id[16], price[32];
    for (int i = 0; i < ITEMS; i++) {
        snprintf(id, sizeof id, "%d", i);
        snprintf(price, sizeof price, "price=%d", i + 1);
        house_put(&H, id, (const char *[]){"title=lamp", price, NULL});
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

static Sinter__V1__SearchRequest request(const char *pipeline, const char *id)
{
    Sinter__V1__SearchRequest r;
    sinter__v1__search_request__init(&r);
    r.collection = (char *)(uintptr_t)"things";
    r.query = (char *)(uintptr_t)"lamp";
    r.pipeline = (char *)(uintptr_t)pipeline;
    r.request_id = (char *)(uintptr_t)id;
    r.page_size = ITEMS;
    return r;
}

/* Items in the order shown; items are named by their natural place. */
static void order_of(Sinter__V1__SearchRequest *r, int *order)
{
    Sinter__V1__SearchResponse *out = house_search(&H, r);
    for (size_t i = 0; i < out->n_hits; i++) order[i] = atoi(out->hits[i]->id);
    house_done(&H);
}

static bool is_natural(const int *order, int n)
{
    for (int i = 0; i < n; i++)
        if (order[i] != i) return false;
    return true;
}

static void a_share_of_requests_is_shuffled_evenly(void **state)
{
    (void)state;
    int shuffled = 0, at[TOP][TOP] = {{0}}, order[ITEMS];
    for (int i = 0; i < REQUESTS; i++) {
        char id[32];
        snprintf(id, sizeof id, "request-%d", i);
        Sinter__V1__SearchRequest r = request("main", id);
        order_of(&r, order);
        for (int k = TOP; k < ITEMS; k++) assert_int_equal(order[k], k);
        if (is_natural(order, TOP)) continue;
        shuffled++;
        for (int k = 0; k < TOP; k++) at[k][order[k]]++;
    }
    double expected = REQUESTS * 0.25, sd = sqrt(REQUESTS * 0.25 * 0.75);
    assert_true(fabs(shuffled - expected) < 4 * sd); /* one in 720 shuffles changes nothing: far below this */
    double chi = 0, each = (double)shuffled / TOP;
    for (int k = 0; k < TOP; k++)
        for (int i = 0; i < TOP; i++) chi += (at[k][i] - each) * (at[k][i] - each) / each;
    assert_true(chi < 52.6); /* 25 degrees of freedom: one in a thousand by chance; the ids are fixed */
}

static void the_same_request_gets_the_same_order(void **state)
{
    (void)state;
    int first[ITEMS], again[ITEMS], orders = 0;
    for (int i = 0; i < 50; i++) {
        char id[32];
        snprintf(id, sizeof id, "same-%d", i);
        Sinter__V1__SearchRequest r = request("short", id);
        order_of(&r, first);
        order_of(&r, again);
        assert_memory_equal(first, again, sizeof first);
        orders += !is_natural(first, ITEMS);
    }
    assert_int_equal(orders, 50);
}

static void later_pages_and_unlogged_requests_are_as_ranked(void **state)
{
    (void)state;
    int order[ITEMS];
    Sinter__V1__SearchRequest r = request("short", "x");
    r.no_impression = true;
    order_of(&r, order);
    assert_true(is_natural(order, ITEMS));
    r = request("short", "x");
    r.offset = 3;
    order_of(&r, order);
    for (int i = 0; i < ITEMS - 3; i++) assert_int_equal(order[i], i + 3);
    r = request("never", "x");
    order_of(&r, order);
    assert_true(is_natural(order, ITEMS));
}

static void the_ledger_says_so(void **state)
{
    (void)state;
    Sinter__V1__SearchRequest r = request("short", "ledger");
    r.explain = SINTER__V1__EXPLAIN__EXPLAIN_SCORES;
    Sinter__V1__SearchResponse *out = house_search(&H, &r);
    for (size_t i = 0; i < out->n_hits; i++) {
        const Sinter__V1__Explanation *x = out->hits[i]->explanation;
        char detail[64];
        snprintf(detail, sizeof detail, "place %d to %zu, by chance", atoi(out->hits[i]->id) + 1, i + 1);
        assert_int_equal(x->n_rules, 1);
        assert_string_equal(x->rules[0]->rule, "explore");
        assert_string_equal(x->rules[0]->action, "shuffle");
        assert_string_equal(x->rules[0]->detail, detail);
        assert_int_equal(x->stages[1]->rank_before, atoi(out->hits[i]->id) + 1);
        assert_int_equal(x->stages[1]->rank_after, i + 1);
    }
    house_done(&H);
}

/* ---- what impressions keep ---- */

static bool read_impression(uint64_t sequence, arena *a, Sinter__Storage__V1__Answered **out)
{
    sinter_error e = SINTER_ERROR_INIT;
    journal *j = engine_impressions(H.engine);
    for (int i = 0; i < 2000 && journal_last_sequence(j) < sequence; i++) usleep(1000);
    journal_reader *reader;
    Sinter__Storage__V1__Record *rec;
    assert_int_equal(journal_reader_open(j, &reader, &e), SINTER_OK);
    assert_int_equal(journal_get(reader, sequence, a, &rec, &e), SINTER_OK);
    *out = rec->answered;
    journal_reader_close(reader);
    return rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ANSWERED;
}

/* The impression of a request, from `sequence` on; recorded requests may stand between. */
static Sinter__Storage__V1__Answered *find_impression(const char *id, uint64_t *sequence, arena *a)
{
    Sinter__Storage__V1__Answered *kept;
    while (!read_impression(++*sequence, a, &kept) || strcmp(kept->request_id, id) != 0) continue;
    return kept;
}

static void impressions_keep_the_odds(void **state)
{
    (void)state;
    int order[ITEMS], shuffled = 0;
    uint64_t sequence = 0;
    for (int i = 0; i < 40; i++) {
        char id[32];
        snprintf(id, sizeof id, "odds-%d", i);
        Sinter__V1__SearchRequest r = request("main", id);
        Sinter__V1__SearchResponse *out = house_search(&H, &r);
        for (size_t k = 0; k < out->n_hits; k++) order[k] = atoi(out->hits[k]->id);
        pipeline_log(pipeline_lane_get(H.engine, 0), STR("bytes"));
        house_done(&H);
        arena *a = arena_new(4096);
        Sinter__Storage__V1__Answered *kept = find_impression(id, &sequence, a);
        assert_int_equal(kept->shuffled, is_natural(order, TOP) ? 0 : TOP);
        shuffled += kept->shuffled != 0;
        for (int k = 0; k < ITEMS; k++) {
            double odds = k >= TOP ? 1 : 0.25 / TOP + (order[k] == k ? 0.75 : 0);
            assert_true(fabs(kept->shown[k]->propensity - odds) < 1e-12);
        }
        arena_free(a);
    }
    assert_in_range(shuffled, 3, 20);
}

static void without_the_step_the_odds_are_one(void **state)
{
    (void)state;
    Sinter__V1__SearchRequest r = request("plain", "plain-1");
    uint64_t sequence = journal_last_sequence(engine_impressions(H.engine));
    house_search(&H, &r);
    pipeline_log(pipeline_lane_get(H.engine, 0), STR("bytes"));
    house_done(&H);
    arena *a = arena_new(4096);
    Sinter__Storage__V1__Answered *kept = find_impression("plain-1", &sequence, a);
    assert_int_equal(kept->shuffled, 0);
    for (size_t k = 0; k < kept->n_shown; k++) assert_true(kept->shown[k]->propensity == 1);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_of_requests_is_shuffled_evenly), cmocka_unit_test(the_same_request_gets_the_same_order),
        cmocka_unit_test(later_pages_and_unlogged_requests_are_as_ranked), cmocka_unit_test(the_ledger_says_so),
        cmocka_unit_test(impressions_keep_the_odds), cmocka_unit_test(without_the_step_the_odds_are_one),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
