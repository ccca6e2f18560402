/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who visits the demo shop, and what they click and buy: deterministic draws with the chances that the world states. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "commands/demo_play.h"

static demo_world *shop;
static demo_visitors *visitors;

static int make_shop(void **state) {
    (void)state;
    demo_options o = demo_options_default();
    o.seed = 11;
    o.items = 1000;
    o.users = 300;
    o.queries = 120;
    o.events = 1000;
    shop = demo_world_make(&o);
    visitors = demo_visitors_new(shop);
    return 0;
}

static int free_shop(void **state) {
    (void)state;
    demo_visitors_free(visitors);
    demo_world_free(shop);
    return 0;
}

static void a_visit_belongs_to_its_seed_and_number(void **state) {
    (void)state;
    uint32_t same = 0;
    for (uint64_t k = 0; k < 500; k++) {
        demo_visit a = demo_visit_draw(visitors, 1, k), b = demo_visit_draw(visitors, 1, k), c = demo_visit_draw(visitors, 2, k);
        assert_memory_equal(&a, &b, sizeof a);
        same += a.user == c.user && a.query == c.query;
        assert_true(a.time_ms == shop->options.now_ms + (int64_t)(k + 1) * DEMO_STEP_MS);
    }
    assert_in_range(same, 0, 25);
}

static void people_come_by_activity_and_ask_by_popularity_and_interest(void **state) {
    (void)state;
    enum { N = 60000 };
    uint32_t users[300] = {0}, first_ten = 0, own = 0, own_by_chance = 0;
    double activity = 0, expected = 0;
    for (uint32_t u = 0; u < 300; u++)
        activity += shop->users[u].activity;
    for (uint64_t k = 0; k < N; k++) {
        demo_visit v = demo_visit_draw(visitors, 3, k);
        demo_visit other = demo_visit_draw(visitors, 4, k);
        const demo_concept *asked = &shop->concepts[shop->queries[v.query].asked[0]];
        uint32_t family = asked->kind == CONCEPT_FAMILY ? shop->queries[v.query].asked[0] : asked->family;
        users[v.user]++;
        first_ten += v.query < 10;
        for (int i = 0; i < DEMO_INTERESTS; i++) {
            if (shop->users[v.user].interests[i] == family) {
                own++;
                break;
            }
        }
        for (int i = 0; i < DEMO_INTERESTS; i++) {
            if (shop->users[other.user].interests[i] == family) {
                own_by_chance++;
                break;
            }
        }
    }
    double chi = 0;
    for (uint32_t u = 0; u < 300; u++) {
        expected = N * shop->users[u].activity / activity;
        chi += (users[u] - expected) * (users[u] - expected) / expected;
    }
    assert_true(chi > 200 && chi < 420); /* 299 degrees of freedom: mean 299, deviation 24 */
    assert_true(first_ten > N / 8);      /* of 120 queries */
    assert_true(own > N / 2);
    assert_true(own > own_by_chance + N / 5);
}

static void an_item_is_known_by_its_id_alone(void **state) {
    (void)state;
    assert_int_equal(demo_item_number(shop, "i000001"), 0);
    assert_int_equal(demo_item_number(shop, "i001000"), 999);
    static const char *const strange[] = {"i000000", "i001001", "i1", "x000001", "", "i", "i00000001", "i-00001"};
    for (size_t i = 0; i < ARRAY_LEN(strange); i++)
        assert_int_equal(demo_item_number(shop, strange[i]), DEMO_NONE);
}

/* ---- clicks --------------------------------------------------------------------------------------- */

enum { PAGE = 20, VISITS = 30000 };

static void page_of(uint64_t k, uint32_t *item) {
    rng r = demo_stream(9, "test.page", k);
    for (uint32_t p = 0; p < PAGE; p++)
        item[p] = demo_pick(&r, shop->options.items);
}

/* Each cell of position and utility: what happened against the formula of docs/demo-shop.md. */
static void clicks_and_purchases_follow_the_stated_chances(void **state) {
    (void)state;
    double expected[PAGE] = {0}, variance[PAGE] = {0}, buys = 0, buys_variance = 0, by_utility[8] = {0};
    uint32_t got[PAGE] = {0}, bought = 0, got_by_utility[8] = {0};
    for (uint64_t k = 0; k < VISITS; k++) {
        uint32_t item[PAGE];
        demo_act acts[PAGE];
        demo_visit v = demo_visit_draw(visitors, 5, k);
        page_of(k, item);
        uint32_t n = demo_visit_act(visitors, 5, &v, item, PAGE, false, acts);
        bool clicked[PAGE] = {false};
        for (uint32_t a = 0; a < n; a++) {
            assert_int_equal(acts[a].item, item[acts[a].position - 1]);
            clicked[acts[a].position - 1] = true;
            bought += acts[a].bought;
        }
        for (uint32_t p = 0; p < PAGE; p++) {
            demo_parts parts = demo_utility_parts(shop, v.user, v.query, item[p]);
            double u = parts.match + parts.taste + parts.price + parts.noise;
            double click = shop->examine[p] / (1 + exp(-(u - shop->click_middle) / shop->click_scale));
            double buy = click / (1 + exp(-(u - shop->buy_middle) / shop->buy_scale));
            int cell = u < -3 ? 0 : u >= 4 ? 7 : (int)(u + 4);
            expected[p] += click;
            variance[p] += click * (1 - click);
            buys += buy;
            buys_variance += buy * (1 - buy);
            by_utility[cell] += click;
            got[p] += clicked[p];
            got_by_utility[cell] += clicked[p];
        }
    }
    for (uint32_t p = 0; p < PAGE; p++)
        assert_true(fabs(got[p] - expected[p]) < 4 * sqrt(variance[p]));
    for (int c = 0; c < 8; c++)
        assert_true(fabs(got_by_utility[c] - by_utility[c]) < 4 * sqrt(by_utility[c] + 1));
    assert_true(fabs(bought - buys) < 4 * sqrt(buys_variance));
    assert_true(got[0] > 3 * got[PAGE - 1]);
}

static void acts_come_in_order_within_a_step_and_again_the_same(void **state) {
    (void)state;
    for (uint64_t k = 0; k < 300; k++) {
        uint32_t item[DEMO_POSITIONS];
        demo_act acts[DEMO_POSITIONS], again[DEMO_POSITIONS];
        demo_visit v = demo_visit_draw(visitors, 6, k);
        uint32_t shown = demo_plausible(shop, v.query, item, DEMO_POSITIONS);
        uint32_t n = demo_visit_act(visitors, 6, &v, item, shown, false, acts);
        assert_int_equal(demo_visit_act(visitors, 6, &v, item, shown, false, again), n);
        for (uint32_t a = 0; a < n; a++) {
            assert_int_equal(acts[a].position, again[a].position);
            assert_int_equal(acts[a].bought, again[a].bought);
            assert_true(a == 0 || acts[a - 1].position < acts[a].position);
            assert_true(acts[a].clicked_ms > v.time_ms && acts[a].bought_ms > acts[a].clicked_ms);
            assert_true(acts[a].bought_ms < v.time_ms + DEMO_STEP_MS);
        }
    }
}

static void what_is_no_item_is_never_clicked_and_moves_no_other_click(void **state) {
    (void)state;
    for (uint64_t k = 0; k < 300; k++) {
        uint32_t item[PAGE];
        demo_act acts[PAGE], fewer[PAGE];
        demo_visit v = demo_visit_draw(visitors, 7, k);
        page_of(k, item);
        uint32_t n = demo_visit_act(visitors, 7, &v, item, PAGE, false, acts), kept = 0;
        item[0] = DEMO_NONE;
        uint32_t m = demo_visit_act(visitors, 7, &v, item, PAGE, false, fewer);
        for (uint32_t a = 0; a < n; a++) {
            if (acts[a].position == 1) continue;
            assert_int_equal(fewer[kept++].position, acts[a].position);
        }
        assert_int_equal(kept, m);
        for (uint32_t p = 0; p < PAGE; p++)
            item[p] = DEMO_NONE;
        assert_int_equal(demo_visit_act(visitors, 7, &v, item, PAGE, true, fewer), 0);
    }
    assert_int_equal(demo_visit_act(visitors, 7, &(demo_visit){0}, NULL, 0, true, NULL), 0);
}

/* The control: as many clicks and purchases in each request, at places that know nothing of utility. */
static void random_clicks_are_as_many_and_blind(void **state) {
    (void)state;
    double clicked_utility = 0, shown_utility = 0;
    uint32_t clicks = 0, at_first = 0, at_last = 0;
    for (uint64_t k = 0; k < VISITS; k++) {
        uint32_t item[PAGE];
        demo_act honest[PAGE], blind[PAGE];
        demo_visit v = demo_visit_draw(visitors, 8, k);
        page_of(k, item);
        uint32_t n = demo_visit_act(visitors, 8, &v, item, PAGE, false, honest), bought = 0, bought_blind = 0;
        assert_int_equal(demo_visit_act(visitors, 8, &v, item, PAGE, true, blind), n);
        if (!n) continue;
        double weight = 0, mean = 0;
        for (uint32_t p = 0; p < PAGE; p++) {
            demo_parts parts = demo_utility_parts(shop, v.user, v.query, item[p]);
            weight += shop->examine[p];
            mean += shop->examine[p] * demo_utility(&parts);
        }
        for (uint32_t a = 0; a < n; a++) {
            demo_parts parts = demo_utility_parts(shop, v.user, v.query, blind[a].item);
            assert_int_equal(blind[a].item, item[blind[a].position - 1]);
            assert_true(a == 0 || blind[a - 1].position < blind[a].position);
            bought += honest[a].bought;
            bought_blind += blind[a].bought;
            clicked_utility += demo_utility(&parts);
            shown_utility += mean / weight;
            at_first += blind[a].position == 1;
            at_last += blind[a].position == PAGE;
            clicks++;
        }
        assert_int_equal(bought, bought_blind);
    }
    assert_true(clicks > 1000);
    assert_true(at_first > 4 * at_last);
    if (fabs(clicked_utility - shown_utility) / clicks > 0.1)
        fail_msg("utility %f of what is clicked, %f of what is looked at", clicked_utility / clicks, shown_utility / clicks);
}

static void grades_change_at_the_thresholds(void **state) {
    (void)state;
    assert_int_equal(demo_grade(shop, -1e9), 0);
    for (uint32_t g = 0; g < 3; g++) {
        assert_int_equal(demo_grade(shop, nextafter(shop->thresholds[g], -1e9)), g);
        assert_int_equal(demo_grade(shop, shop->thresholds[g]), g + 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_visit_belongs_to_its_seed_and_number),
        cmocka_unit_test(people_come_by_activity_and_ask_by_popularity_and_interest),
        cmocka_unit_test(an_item_is_known_by_its_id_alone),
        cmocka_unit_test(clicks_and_purchases_follow_the_stated_chances),
        cmocka_unit_test(acts_come_in_order_within_a_step_and_again_the_same),
        cmocka_unit_test(what_is_no_item_is_never_clicked_and_moves_no_other_click),
        cmocka_unit_test(random_clicks_are_as_many_and_blind),
        cmocka_unit_test(grades_change_at_the_thresholds),
    };
    return cmocka_run_group_tests_name("demo visits", tests, make_shop, free_shop);
}
