/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The demo world: the same bytes for a seed, and everything planted that it says it plants. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "commands/demo_world.h"

static demo_options small(uint64_t seed) {
    demo_options o = demo_options_default();
    o.seed = seed;
    o.items = 400;
    o.users = 120;
    o.queries = 50;
    o.events = 2000;
    return o;
}

static sinter_status collect(const char *name, const buffer *bytes, uint64_t lines, void *ctx, sinter_error *e) {
    (void)e;
    demo_files_add(ctx, name, bytes, lines);
    return SINTER_OK;
}

static uint64_t checksum(const demo_options *o) {
    demo_files files = {0};
    sinter_error e = SINTER_ERROR_INIT;
    demo_world *w = demo_world_make(o);
    assert_int_equal(demo_world_render(w, collect, &files, &e), SINTER_OK);
    demo_world_free(w);
    return files.checksum;
}

static demo_world *shop; /* one of default size for all tests that look at it */

static int make_shop(void **state) {
    (void)state;
    demo_options o = demo_options_default();
    o.seed = 11;
    shop = demo_world_make(&o);
    return 0;
}

static int free_shop(void **state) {
    (void)state;
    demo_world_free(shop);
    return 0;
}

/* ---- determinism -------------------------------------------------------------------------------- */

static void same_seed_gives_the_same_bytes_and_another_seed_others(void **state) {
    (void)state;
    demo_options one = small(1), two = small(2), later = small(1);
    later.now_ms += DEMO_DAY_MS;
    uint64_t first = checksum(&one);
    assert_true(first == checksum(&one));
    assert_true(first != checksum(&two));
    assert_true(first != checksum(&later));
}

/* Holds on any machine and compiler. It changes only when the generator does: then print its figures again. */
static void bytes_of_a_small_world_are_these(void **state) {
    (void)state;
    demo_options o = small(1);
    uint64_t sum = checksum(&o);
    if (sum != UINT64_C(0x7c82c883e7e9718e)) fail_msg("checksum is %016llx", (unsigned long long)sum);
}

static void more_people_leave_the_items_alone(void **state) {
    (void)state;
    demo_options few = small(5), many = small(5);
    many.users = 300;
    demo_world *a = demo_world_make(&few), *b = demo_world_make(&many);
    for (uint32_t i = 0; i < few.items; i++) {
        assert_string_equal(a->items[i].title, b->items[i].title);
        assert_string_equal(a->items[i].description, b->items[i].description);
        assert_memory_equal(a->items[i].factors, b->items[i].factors, sizeof a->items[i].factors);
    }
    demo_world_free(a);
    demo_world_free(b);
}

static void numbers_without_libm_are_right(void **state) {
    (void)state;
    for (double x = -8; x <= 8; x += 0.137)
        assert_true(fabs(demo_exp2(x) / exp2(x) - 1) < 1e-7);
    rng r = demo_stream(1, "test", 0);
    double sum = 0, squares = 0;
    for (int i = 0; i < 100000; i++) {
        double x = demo_normal(&r);
        sum += x;
        squares += x * x;
    }
    assert_true(fabs(sum / 100000) < 0.02);
    assert_true(fabs(squares / 100000 - 1) < 0.02);
    double rising[3] = {0.2, 0.2, 1.0}; /* the middle one has no weight */
    int seen[3] = {0};
    for (int i = 0; i < 10000; i++)
        seen[demo_pick_weighted(&r, rising, 3)]++;
    assert_int_equal(seen[1], 0);
    assert_in_range(seen[0], 1800, 2200);
}

/* ---- vocabulary --------------------------------------------------------------------------------- */

static uint32_t words_in(const char *s) {
    uint32_t n = 1;
    for (; *s; s++)
        n += *s == ' ';
    return n;
}

static void a_concept_has_up_to_four_forms_of_up_to_four_words_and_shares_none(void **state) {
    (void)state;
    uint32_t with_synonyms = 0;
    for (uint32_t c = 0; c < shop->concepts_n; c++) {
        const demo_concept *concept = &shop->concepts[c];
        assert_in_range(concept->forms_n, 1, 4);
        with_synonyms += concept->forms_n > 1;
        for (uint32_t f = 0; f < concept->forms_n; f++) {
            assert_in_range(words_in(concept->forms[f]), 1, 4);
            for (uint32_t d = 0; d < c; d++) {
                for (uint32_t g = 0; g < shop->concepts[d].forms_n; g++) {
                    if (strcmp(concept->forms[f], shop->concepts[d].forms[g]) == 0)
                        fail_msg("'%s' says two concepts", concept->forms[f]);
                }
            }
        }
    }
    assert_true(with_synonyms > shop->concepts_n / 2);
}

static void every_name_in_the_tables_leads_somewhere(void **state) {
    (void)state;
    for (uint32_t p = shop->first_product; p < shop->first_material; p++) {
        const demo_concept *product = &shop->concepts[p];
        if (product->family == DEMO_NONE) fail_msg("'%s' has no family", product->forms[0]);
        if (product->near == DEMO_NONE) fail_msg("nothing goes with '%s'", product->forms[0]);
    }
    for (uint32_t c = shop->first_colour; c < shop->first_feature; c++) {
        if (shop->concepts[c].near == DEMO_NONE) fail_msg("no colour is near '%s'", shop->concepts[c].forms[0]);
    }
    for (size_t c = 0; c < demo_campaigns_n; c++) {
        for (int f = 0; f < 4 && demo_campaigns[c].families[f]; f++) {
            bool found = false;
            for (size_t i = 0; i < demo_families_n; i++)
                found = found || strcmp(demo_campaigns[c].families[f], demo_families[i].name) == 0;
            if (!found) fail_msg("campaign family '%s' is none", demo_campaigns[c].families[f]);
        }
        assert_non_null(demo_campaigns[c].families[1]);
    }
}

/* ---- what is planted ---------------------------------------------------------------------------- */

static void no_part_of_utility_has_more_than_45_percent(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        demo_options o = demo_options_default();
        o.seed = seed;
        demo_world *w = demo_world_make(&o);
        double within = 0, overall = 0;
        for (int k = 0; k < 4; k++) {
            assert_true(w->shares.within[k] > 0.10 && w->shares.within[k] <= 0.45);
            assert_true(w->shares.overall[k] > 0.10 && w->shares.overall[k] <= 0.45);
            within += w->shares.within[k];
            overall += w->shares.overall[k];
        }
        assert_true(fabs(within - 1) < 0.001 && fabs(overall - 1) < 0.001);
        demo_world_free(w);
    }
}

/* Families larger than a list, and lists of a handful. */
static void shares_hold_in_large_and_small_shops(void **state) {
    (void)state;
    static const uint32_t sizes[2] = {200, 30000};
    for (int i = 0; i < 2; i++) {
        demo_options o = demo_options_default();
        o.seed = 4;
        o.items = sizes[i];
        o.users = 300;
        o.events = 0;
        demo_world *w = demo_world_make(&o);
        assert_int_equal(w->events_n, 0);
        for (int k = 0; k < 4; k++) {
            assert_true(w->shares.within[k] <= 0.45);
            assert_true(w->shares.overall[k] <= 0.45);
        }
        demo_world_free(w);
    }
}

static void one_in_twenty_is_new_and_unknown_to_history(void **state) {
    (void)state;
    uint32_t items = 0, users = 0;
    for (uint32_t i = 0; i < shop->options.items; i++) {
        items += shop->items[i].is_new;
        if (shop->items[i].is_new) assert_int_equal(shop->items[i].sales, 0);
    }
    for (uint32_t u = 0; u < shop->options.users; u++)
        users += shop->users[u].is_new;
    assert_int_equal(items, 250);
    assert_int_equal(users, 100);
    for (uint32_t i = 0; i < shop->events_n; i++) {
        assert_false(shop->items[shop->events[i].item].is_new);
        assert_false(shop->users[shop->events[i].user].is_new);
    }
}

static void history_is_in_order_and_of_the_size_asked(void **state) {
    (void)state;
    assert_int_equal(shop->events_n, shop->options.events);
    int64_t before = 0;
    for (uint32_t i = 0; i < shop->events_n; i++) {
        const demo_event *e = &shop->events[i];
        assert_true(e->time_ms >= before && e->time_ms < shop->options.now_ms);
        assert_true(shop->items[e->item].released_ms <= e->time_ms);
        before = e->time_ms;
    }
}

/* Of baskets whose session holds two or more, most hold what goes together. */
static void baskets_go_together(void **state) {
    (void)state;
    uint32_t pairs = 0, together = 0;
    for (uint32_t i = 0; i < shop->events_n; i++) {
        const demo_event *a = &shop->events[i];
        if (a->type != EVENT_BASKET) continue;
        for (uint32_t j = i + 1; j < shop->events_n && shop->events[j].time_ms < a->time_ms + 3600000; j++) {
            const demo_event *b = &shop->events[j];
            if (b->type != EVENT_BASKET || b->user != a->user || b->session != a->session) continue;
            pairs++;
            together += shop->items[a->item].complement == shop->items[b->item].product;
        }
    }
    assert_true(pairs > 1000);
    assert_true(together > pairs * 9 / 10);
}

static double dot(const double *a, const double *b) {
    double sum = 0;
    for (int f = 0; f < DEMO_FACTORS; f++)
        sum += a[f] * b[f];
    return sum;
}

/* Otherwise nobody could learn taste from history. */
static void people_look_at_what_they_like(void **state) {
    (void)state;
    double seen = 0, other = 0;
    for (uint32_t i = 0; i < shop->events_n; i++) {
        const demo_event *e = &shop->events[i];
        const demo_item *item = &shop->items[e->item];
        uint32_t p = item->product - shop->first_product, from = shop->product_start[p],
                 n = shop->product_start[p + 1] - from;
        const demo_item *sibling = &shop->items[shop->by_product[from + i % n]];
        seen += dot(shop->users[e->user].factors, item->factors);
        other += dot(shop->users[e->user].factors, sibling->factors);
    }
    assert_true((seen - other) / shop->events_n > 0.8); /* of a spread of about 2.8 */
}

static void every_query_can_be_met(void **state) {
    (void)state;
    uint32_t typos = 0;
    for (uint32_t q = 0; q < shop->options.queries; q++) {
        double best = 0;
        for (uint32_t i = 0; i < shop->options.items; i++) {
            double match = demo_match(shop, &shop->queries[q], &shop->items[i]);
            assert_true(match >= 0 && match <= 1.0001);
            if (match > best) best = match;
        }
        if (best < 0.999) fail_msg("nothing meets '%s'", shop->queries[q].text);
        typos += shop->queries[q].typo;
    }
    assert_in_range(typos, 1, shop->options.queries / 10);
}

static void noise_is_of_the_three_and_always_the_same(void **state) {
    (void)state;
    double a = demo_utility_parts(shop, 1, 2, 3).noise;
    assert_true(a == demo_utility_parts(shop, 1, 2, 3).noise);
    assert_true(a != demo_utility_parts(shop, 2, 2, 3).noise);
    assert_true(a != demo_utility_parts(shop, 1, 3, 3).noise);
    assert_true(a != demo_utility_parts(shop, 1, 2, 4).noise);
}

static void campaigns_have_items_and_one_runs_now(void **state) {
    (void)state;
    uint32_t running = 0;
    for (uint32_t c = 0; c < demo_campaigns_n; c++) {
        uint32_t items = 0;
        for (uint32_t i = 0; i < shop->options.items; i++)
            items += shop->items[i].campaigns[0] == c || shop->items[i].campaigns[1] == c;
        assert_true(items >= 20);
        running +=
            shop->campaigns[c].from_ms <= shop->options.now_ms && shop->options.now_ms < shop->campaigns[c].until_ms;
    }
    assert_true(running >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_gives_the_same_bytes_and_another_seed_others),
        cmocka_unit_test(bytes_of_a_small_world_are_these),
        cmocka_unit_test(more_people_leave_the_items_alone),
        cmocka_unit_test(numbers_without_libm_are_right),
        cmocka_unit_test(a_concept_has_up_to_four_forms_of_up_to_four_words_and_shares_none),
        cmocka_unit_test(every_name_in_the_tables_leads_somewhere),
        cmocka_unit_test(no_part_of_utility_has_more_than_45_percent),
        cmocka_unit_test(shares_hold_in_large_and_small_shops),
        cmocka_unit_test(one_in_twenty_is_new_and_unknown_to_history),
        cmocka_unit_test(history_is_in_order_and_of_the_size_asked),
        cmocka_unit_test(baskets_go_together),
        cmocka_unit_test(people_look_at_what_they_like),
        cmocka_unit_test(every_query_can_be_met),
        cmocka_unit_test(noise_is_of_the_three_and_always_the_same),
        cmocka_unit_test(campaigns_have_items_and_one_runs_now),
    };
    return cmocka_run_group_tests(tests, make_shop, free_shop);
}
