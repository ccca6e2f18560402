/* SPDX-License-Identifier: Apache-2.0 */
/* The rules as a rewriter: words, filters, weights and redirects. */
#include "fixture.h"

static const char *rewritten(shop *s, const char *words)
{
    return shop_rewrite(s, harness_request(s->h, words, NOW_MS));
}

static void words_and_filters_are_added(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "rewriter", {"rules.0.id", "couch"}, {"rules.0.when.query.words", "sofa"},
          {"rules.0.then.0.add_words", "couch settee"}, {"rules.1.id", "cheap"}, {"rules.1.priority", "1"},
          {"rules.1.when.query.any_word", "cheap"}, {"rules.1.then.0.add_filter", "price < 30"});
    assert_string_equal(rewritten(&s, "cheap sofa"), "filter cheap 'price < 30'; words couch 'couch settee'");
    assert_string_equal(rewritten(&s, "sofa"), "words couch 'couch settee'");
    assert_string_equal(rewritten(&s, "chair"), "");
    shop_close(&s);
}

static void words_are_replaced_where_they_stand(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "rewriter", {"rules.0.id", "tee"}, {"rules.0.when.query.any_word.0", "tee"},
          {"rules.0.when.query.any_word.1", "shirt"}, {"rules.0.then.0.replace_words.from", "Tee shirt"},
          {"rules.0.then.0.replace_words.to", "t-shirt"}, {"rules.1.id", "tv"}, {"rules.1.when.query.words", "tv"},
          {"rules.1.then.replace_words.from", "tv"}, {"rules.1.then.replace_words.to", "television"});
    assert_string_equal(rewritten(&s, "Red TEE  Shirt, large"), "words tee = 'Red t-shirt large'");
    assert_string_equal(rewritten(&s, "tee-shirt tee shirt"), "words tee = 't-shirt t-shirt'");
    assert_string_equal(rewritten(&s, "tv tee shirt"), "words tee = 'tv t-shirt'; words tv = 'television t-shirt'");
    assert_string_equal(rewritten(&s, "shirt tee"), "");
    shop_close(&s);
}

static void the_whole_query_is_replaced_before_words_are_added(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "rewriter", {"rules.0.id", "more"}, {"rules.0.priority", "9"}, {"rules.0.then.add_words", "gift"},
          {"rules.1.id", "all"}, {"rules.1.when.query.exact", "xmas"},
          {"rules.1.then.replace_words.to", "christmas present"});
    assert_string_equal(rewritten(&s, "xmas"), "words all = 'christmas present'; words more 'gift'");
    shop_close(&s);
}

static void one_redirect_holds(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "rewriter", {"rules.0.id", "low"}, {"rules.0.then.redirect", "/low"}, {"rules.1.id", "high"},
          {"rules.1.priority", "1"}, {"rules.1.when.query.exact.0", "returns"},
          {"rules.1.when.query.exact.1", "send back"}, {"rules.1.then.redirect", "https://shop.example/returns"});
    assert_string_equal(rewritten(&s, "Send back"), "redirect high 'https://shop.example/returns'");
    assert_string_equal(rewritten(&s, "sofa"), "redirect low '/low'");
    shop_close(&s);
}

static void words_of_the_query_are_weighed(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "rewriter", {"rules.0.id", "w"}, {"rules.0.then.boost_words.words.0", "Sofa"},
          {"rules.0.then.boost_words.words.1", "red"}, {"rules.0.then.boost_words.factor", "2.5"});
    assert_string_equal(rewritten(&s, "blue sofa"), "boost w 'sofa' 2.5");
    shop_close(&s);
}

static void a_filter_over_items_does_not_keep_a_rewriter_from_acting(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "rewriter", {"rules.0.id", "r"}, {"rules.0.when.filter", "brand = acme"},
          {"rules.0.then.0.add_words", "acme"}, {"rules.0.then.1.boost.factor", "2"});
    assert_string_equal(rewritten(&s, "sofa"), "words r 'acme'");
    shop_close(&s);
}

static void one_map_may_hold_several_actions(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "rewriter", {"rules.0.id", "r"}, {"rules.0.then.add_words", "a"},
          {"rules.0.then.add_filter", "price < 5"}, {"rules.0.then.redirect", "/x"});
    assert_string_equal(rewritten(&s, ""), "words r 'a'; filter r 'price < 5'; redirect r '/x'");
    shop_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_filters_are_added),
        cmocka_unit_test(words_are_replaced_where_they_stand),
        cmocka_unit_test(the_whole_query_is_replaced_before_words_are_added),
        cmocka_unit_test(one_redirect_holds),
        cmocka_unit_test(words_of_the_query_are_weighed),
        cmocka_unit_test(a_filter_over_items_does_not_keep_a_rewriter_from_acting),
        cmocka_unit_test(one_map_may_hold_several_actions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
