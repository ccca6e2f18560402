/* SPDX-License-Identifier: Apache-2.0 */
/* Each condition of a rule: what it lets through and what it does not. */
#include "fixture.h"

#define ALWAYS                                                                                                         \
    {"rules.0.id", "r"},                                                                                               \
    {                                                                                                                  \
        "rules.0.then.0.boost.add", "1"                                                                                \
    }

static bool applies_to(shop *s, const char *words)
{
    return shop_applies(s, harness_request(s->h, words, NOW_MS));
}

static void a_rule_without_conditions_always_applies(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "ranker", ALWAYS);
    assert_true(applies_to(&s, ""));
    assert_true(applies_to(&s, "red sofa"));
    shop_close(&s);
}

static void exact_is_the_whole_query_whatever_its_case_and_spacing(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.query.exact.0", "Red  SOFA"},
          {"rules.0.when.query.exact.1", "café-bar"});
    assert_true(applies_to(&s, "red sofa"));
    assert_true(applies_to(&s, " RED   Sofa "));
    assert_true(applies_to(&s, "CAFÉ bar"));
    assert_false(applies_to(&s, "red sofa bed"));
    assert_false(applies_to(&s, "sofa"));
    assert_false(applies_to(&s, ""));
    shop_close(&s);
}

static void exact_does_not_take_an_excluded_word_for_a_wanted_one(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.query.exact", "sofa leather"});
    sinter_request *r = harness_request(s.h, "sofa -leather", NOW_MS);
    sinter_term term[2];
    memcpy(term, r->query->term, sizeof term);
    term[1].surface = (sinter_str){"leather", 7};
    term[1].excluded = true;
    sinter_query q = *r->query;
    q.term = term;
    sinter_request changed = *r;
    changed.query = &q;
    assert_false(shop_applies(&s, &changed));
    term[1].excluded = false;
    assert_true(shop_applies(&s, &changed));
    shop_close(&s);
}

static void starts_with_is_a_beginning(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.query.starts_with.0", "gard"},
          {"rules.0.when.query.starts_with.1", "out door"});
    assert_true(applies_to(&s, "garden hose"));
    assert_true(applies_to(&s, "outdoor") == false);
    assert_true(applies_to(&s, "out doors"));
    assert_false(applies_to(&s, "hose garden"));
    assert_false(applies_to(&s, "gar"));
    shop_close(&s);
}

static void words_must_all_be_there_in_any_order(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.query.words.0", "sofa"}, {"rules.0.when.query.words.1", "Red"});
    assert_true(applies_to(&s, "red sofa"));
    assert_true(applies_to(&s, "sofa large red"));
    assert_false(applies_to(&s, "sofa"));
    assert_false(applies_to(&s, "red"));
    assert_false(applies_to(&s, "redder sofa"));
    shop_close(&s);
}

static void words_are_found_by_their_stem(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.query.words", "run"});
    sinter_request *r = harness_request(s.h, "running", NOW_MS);
    assert_false(shop_applies(&s, r));
    sinter_term term = r->query->term[0];
    term.stem = (sinter_str){"run", 3};
    sinter_query q = *r->query;
    q.term = &term;
    sinter_request changed = *r;
    changed.query = &q;
    assert_true(shop_applies(&s, &changed));
    term.excluded = true;
    assert_false(shop_applies(&s, &changed));
    shop_close(&s);
}

static void any_word_needs_one_of_them(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.query.any_word.0", "couch"},
          {"rules.0.when.query.any_word.1", "t-shirt"});
    assert_true(applies_to(&s, "blue couch"));
    assert_true(applies_to(&s, "t-shirt"));
    assert_false(applies_to(&s, "sofa"));
    shop_close(&s);
}

static void a_rule_found_by_several_words_fires_once(void **state)
{
    (void)state;
    shop s;
    float got[8];
    shop_open(&s);
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.query.any_word.0", "red"}, {"rules.0.when.query.any_word.1", "sofa"},
          {"rules.0.when.query.any_word.2", "sofa"});
    shop_rank(&s, harness_request(s.h, "red sofa red", NOW_MS), got);
    assert_true(got[0] == 1);
    shop_close(&s);
}

static void kinds_of_query_conditions_must_all_hold(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.query.words", "sofa"}, {"rules.0.when.query.any_word.0", "red"},
          {"rules.0.when.query.any_word.1", "blue"}, {"rules.0.when.query.starts_with", "large"});
    assert_true(applies_to(&s, "large blue sofa"));
    assert_false(applies_to(&s, "blue sofa"));
    assert_false(applies_to(&s, "large sofa"));
    assert_false(applies_to(&s, "large blue"));
    shop_close(&s);
}

static void empty_query_asks_for_words_or_for_none(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.empty_query", "true"});
    assert_true(applies_to(&s, "  "));
    assert_false(applies_to(&s, "sofa"));
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.empty_query", "false"});
    assert_false(applies_to(&s, ""));
    assert_true(applies_to(&s, "sofa"));
    shop_close(&s);
}

static void a_user_attribute_equals_one_of_the_values(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.user.tier.0", "gold"}, {"rules.0.when.user.tier.1", "silver"});
    assert_false(applies_to(&s, "")); /* not known */
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.user.tier", "!= gold"});
    assert_true(applies_to(&s, "")); /* as in a filter */
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.user.tier.0", "gold"}, {"rules.0.when.user.tier.1", "silver"});
    harness_user_attribute(s.h, "tier", "silver");
    assert_true(applies_to(&s, ""));
    shop_close(&s);
    shop_open(&s);
    harness_user_attribute(s.h, "tier", "bronze");
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.user.tier.0", "gold"}, {"rules.0.when.user.tier.1", "silver"});
    assert_false(applies_to(&s, ""));
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.user.tier", "!= gold"});
    assert_true(applies_to(&s, ""));
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.user.tier", "!= bronze"});
    assert_false(applies_to(&s, ""));
    shop_close(&s);
}

static void a_number_is_compared_as_one(void **state)
{
    (void)state;
    static const struct {
        const char *condition;
        bool expected;
    } cases[] = {{">= 3", true}, {"> 3", false},   {"< 3", false},     {"<= 3", true},       {"3", true},
                 {"3.0", true},  {"!= 3", false},  {"!= 4", true},     {">= 1 < 5", true},   {">= 1 < 3", false},
                 {"=3", true},   {"three", false}, {"!= three", true}, {">=-2 <= 3.5", true}};
    shop s;
    shop_open(&s);
    harness_user_attribute(s.h, "orders", "3");
    for (size_t i = 0; i < COUNT(cases); i++) {
        RULES(&s, "ranker", ALWAYS, {"rules.0.when.user.orders", cases[i].condition});
        if (applies_to(&s, "") != cases[i].expected)
            fail_msg("3 %s should be %d", cases[i].condition, cases[i].expected);
    }
    shop_close(&s);
}

static void booleans_and_lists_of_strings_are_attributes_too(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    sinter_str likes[] = {{"red", 3}, {"wool", 4}};
    sinter_attribute a[] = {{{"likes", 5}, {.type = SINTER_VALUE_STRINGS, .n = 2, .u.strings = likes}},
                            {{"member", 6}, {.type = SINTER_VALUE_BOOLEAN, .u.boolean = true}}};
    static const struct {
        const char *path, *value;
        bool expected;
    } cases[] = {{"rules.0.when.user.likes", "wool", true},    {"rules.0.when.user.likes", "silk", false},
                 {"rules.0.when.user.likes", "!= silk", true}, {"rules.0.when.user.likes", "!= red", false},
                 {"rules.0.when.user.member", "true", true},   {"rules.0.when.user.member", "false", false}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        RULES(&s, "ranker", ALWAYS, {cases[i].path, cases[i].value});
        sinter_request *r = harness_request(s.h, "", NOW_MS);
        sinter_user u = *r->user;
        u.attribute = a;
        u.n_attributes = 2;
        sinter_request changed = *r;
        changed.user = &u;
        if (shop_applies(&s, &changed) != cases[i].expected) fail_msg("%s: %s", cases[i].path, cases[i].value);
    }
    shop_close(&s);
}

static bool from_place(shop *s, const char *locale, const char *device)
{
    sinter_request *r = harness_request(s->h, "", NOW_MS), changed = *r;
    sinter_context c = *r->context;
    c.locale = (sinter_str){locale, strlen(locale)};
    c.device = (sinter_str){device, strlen(device)};
    changed.context = &c;
    return shop_applies(s, &changed);
}

static void context_is_locale_device_and_attributes(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.context.locale.0", "de"}, {"rules.0.when.context.locale.1", "fr-CH"},
          {"rules.0.when.context.device", "phone"});
    assert_true(from_place(&s, "de", "phone"));
    assert_true(from_place(&s, "de_AT", "Phone"));
    assert_true(from_place(&s, "fr-ch", "phone"));
    assert_false(from_place(&s, "fr", "phone"));
    assert_false(from_place(&s, "den", "phone"));
    assert_false(from_place(&s, "de", "desktop"));
    assert_false(from_place(&s, "de", ""));
    harness_context_attribute(s.h, "channel", "mail");
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.context.attributes.channel", "mail"});
    assert_true(from_place(&s, "", ""));
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.context.attributes.channel", "web"});
    assert_false(from_place(&s, "", ""));
    shop_close(&s);
}

static void a_time_window_holds_from_its_start_until_before_its_end(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.from", "2026-11-28T11:00:00+01:00"},
          {"rules.0.when.until", "2026-12-01"});
    const int64_t start = NOW_MS, end = 1796083200000; /* 2026-12-01T00:00:00Z */
    assert_true(shop_applies(&s, harness_request(s.h, "", start)));
    assert_false(shop_applies(&s, harness_request(s.h, "", start - 1)));
    assert_true(shop_applies(&s, harness_request(s.h, "", end - 1)));
    assert_false(shop_applies(&s, harness_request(s.h, "", end)));
    shop_close(&s);
}

static void hours_and_days_are_of_the_given_offset(void **state)
{
    (void)state;
    const int64_t hour = 3600000, day = 24 * hour;
    static const struct {
        const char *hours, *days, *offset;
        int64_t at_hours; /* from Saturday 10:00 UTC */
        bool expected;
    } cases[] = {
        {"08:00-18:00", NULL, NULL, 0, true},   {"10:00-10:01", NULL, NULL, 0, true},
        {"08:00-10:00", NULL, NULL, 0, false},  {"08:00-18:00", NULL, NULL, 8, false},
        {"22:00-06:00", NULL, NULL, 13, true},  {"22:00-06:00", NULL, NULL, 19, true},
        {"22:00-06:00", NULL, NULL, 20, false}, {NULL, "sat", NULL, 0, true},
        {NULL, "sun", NULL, 0, false},          {NULL, "sun", NULL, 14, true},
        {NULL, "sat", "+14:00", 0, false},      {NULL, "sun", "+14:00", 0, true},
        {"00:00-24:00", "sat", NULL, 0, true},  {"05:00-05:30", NULL, "-05:00", 0, true},
        {NULL, "wed", NULL, -24 * 3, true},
    };
    shop s;
    shop_open(&s);
    for (size_t i = 0; i < COUNT(cases); i++) {
        harness_option o[5] = {ALWAYS};
        size_t n = 2;
        if (cases[i].hours != NULL) o[n++] = (harness_option){"rules.0.when.hours", cases[i].hours};
        if (cases[i].days != NULL) o[n++] = (harness_option){"rules.0.when.days", cases[i].days};
        if (cases[i].offset != NULL) o[n++] = (harness_option){"rules.0.when.utc_offset", cases[i].offset};
        shop_rules(&s, "ranker", o, n);
        int64_t now = NOW_MS + cases[i].at_hours * hour;
        if (shop_applies(&s, harness_request(s.h, "", now)) != cases[i].expected) fail_msg("case %zu", i);
        assert_true(shop_applies(&s, harness_request(s.h, "", now - 5000 * 7 * day)) ==
                    cases[i].expected); /* before 1970 too */
    }
    shop_close(&s);
}

static void a_disabled_rule_does_nothing(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "ranker", ALWAYS, {"rules.0.enabled", "false"});
    assert_false(applies_to(&s, ""));
    shop_close(&s);
}

static void a_request_without_query_user_or_context_is_an_empty_one(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.empty_query", "true"}, {"rules.0.when.until", "1970-01-02"});
    sinter_request bare = {.size = sizeof bare, .deadline_ns = UINT64_MAX};
    assert_true(shop_applies(&s, &bare));
    shop_close(&s);
}

static void capitals_of_other_alphabets_are_letters_too(void **state)
{
    (void)state;
    static const char *const same[][2] = {
        {"ÄÖÜ ØÅ Ÿ", "äöü øå ÿ"}, {"ŁÓDŹ ŽIŽEK", "łódź žižek"}, {"ΆΈΉΊΌΎΏ ΩΣ", "άέήίόύώ ωσ"},
        {"ДИВАН Ёж", "диван ёж"}, {"ƠƯ ẠỆ ȘȚ", "ơư ạệ șț"},     {"«sofa» — bed…", "sofa bed"},
        {"C++ / C#", "c++ c#"},   {"CAFÉ crème", "cafe creme"}, {"cafe\xcc\x81 Straße", "café strasse"},
        {"沙发", "沙发"}};
    shop s;
    shop_open(&s);
    for (size_t i = 0; i < COUNT(same); i++) {
        RULES(&s, "ranker", ALWAYS, {"rules.0.when.query.exact", same[i][0]});
        if (!applies_to(&s, same[i][1])) fail_msg("%s is not %s", same[i][0], same[i][1]);
    }
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.query.exact", "c++"});
    assert_false(applies_to(&s, "c"));
    shop_close(&s);
}

static void bytes_that_are_not_utf_8_are_only_themselves(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "ranker", ALWAYS, {"rules.0.when.query.exact", "caf\xe9"}, {"rules.0.when.query.starts_with", "c"});
    assert_true(applies_to(&s, "CAF\xe9"));
    assert_false(applies_to(&s, "caf\xe9\x80"));
    srand(3);
    for (int i = 0; i < 5000; i++) {
        char text[24];
        int n = rand() % 23;
        for (int k = 0; k < n; k++)
            text[k] = (char)(rand() % 255 + 1);
        text[n] = 0;
        applies_to(&s, text);
    }
    shop_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_without_conditions_always_applies),
        cmocka_unit_test(exact_is_the_whole_query_whatever_its_case_and_spacing),
        cmocka_unit_test(exact_does_not_take_an_excluded_word_for_a_wanted_one),
        cmocka_unit_test(starts_with_is_a_beginning),
        cmocka_unit_test(words_must_all_be_there_in_any_order),
        cmocka_unit_test(words_are_found_by_their_stem),
        cmocka_unit_test(any_word_needs_one_of_them),
        cmocka_unit_test(a_rule_found_by_several_words_fires_once),
        cmocka_unit_test(kinds_of_query_conditions_must_all_hold),
        cmocka_unit_test(empty_query_asks_for_words_or_for_none),
        cmocka_unit_test(a_user_attribute_equals_one_of_the_values),
        cmocka_unit_test(a_number_is_compared_as_one),
        cmocka_unit_test(booleans_and_lists_of_strings_are_attributes_too),
        cmocka_unit_test(context_is_locale_device_and_attributes),
        cmocka_unit_test(a_time_window_holds_from_its_start_until_before_its_end),
        cmocka_unit_test(hours_and_days_are_of_the_given_offset),
        cmocka_unit_test(a_disabled_rule_does_nothing),
        cmocka_unit_test(capitals_of_other_alphabets_are_letters_too),
        cmocka_unit_test(bytes_that_are_not_utf_8_are_only_themselves),
        cmocka_unit_test(a_request_without_query_user_or_context_is_an_empty_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
