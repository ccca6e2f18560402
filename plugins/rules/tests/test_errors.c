/* SPDX-License-Identifier: Apache-2.0 */
/* Broken rules: nothing opens, and the message says what, where and what to do. The harness's lines count the options
 * from 1. */
#include "fixture.h"

#define BOOST                                                                                                          \
    {                                                                                                                  \
        "rules.0.then.boost.add", "1"                                                                                  \
    }

static void assert_refused(const char *role, const harness_option *o, size_t n, const char *where, const char *what,
                           const char *fix)
{
    shop s;
    shop_open(&s);
    assert_int_equal(shop_try(&s, role, o, n), SINTER_INVALID);
    assert_string_equal(s.err.what, what);
    assert_string_equal(s.err.where, where);
    assert_string_equal(s.err.fix, fix);
    shop_close(&s);
}
#define REFUSED(role, where, what, fix, ...)                                                                           \
    assert_refused(role, (const harness_option[]){__VA_ARGS__}, COUNT(((const harness_option[]){__VA_ARGS__})), where, \
                   what, fix)

static void no_rules_at_all(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    assert_int_equal(harness_instance(s.h, "ranker", NULL, 0, &s.inst, &s.err), SINTER_INVALID);
    assert_string_equal(s.err.what, "no rules are given");
    assert_string_equal(s.err.fix, "write `file: rules/NAME.yaml`, or `rules:` with a list");
    assert_int_equal(
        harness_instance(s.h, "ranker", (const harness_option[]){{"file", "/none.yaml"}}, 1, &s.inst, &s.err),
        SINTER_NOT_FOUND);
    shop_close(&s);
}

static void an_unknown_key_is_the_hosts_to_refuse(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    const harness_option o[] = {{"rules.0.id", "a"}, {"rules.0.when.qery.words", "x"}, BOOST};
    assert_int_equal(shop_try(&s, "ranker", o, 3), SINTER_INVALID);
    assert_non_null(strstr(s.err.what, "qery"));
    const harness_option p[] = {{"rules.0.id", "a"}, {"rules.0.then.bost.add", "1"}};
    assert_int_equal(shop_try(&s, "ranker", p, 2), SINTER_INVALID);
    shop_close(&s);
}

static void a_time_that_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = {"2026-13-01",
                                      "2026-02-30",
                                      "2027-02-29",
                                      "tomorrow",
                                      "2026-11-28T25:00:00Z",
                                      "2026-11-28T10:00:00",
                                      "2026-11-28T10:00Z",
                                      "2026-11-28T10:00:00+1:00",
                                      "2026-11-28T10:00:00Zz",
                                      "2026-11-28T10:00:00.Z"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        char what[128];
        snprintf(what, sizeof what, "rule 'a': from: '%s' is not a time", bad[i]);
        REFUSED("ranker", "/rules.yaml:2:1", what, "use RFC 3339, such as 2026-11-27T08:00:00Z, or a date",
                {"rules.0.id", "a"}, {"rules.0.when.from", bad[i]}, BOOST);
    }
    static const char *const good[] = {"2024-02-29", "2026-11-28T10:00:00Z", "2026-11-28 10:00:00.125+05:30",
                                       "2026-11-28t23:59:60z"};
    for (size_t i = 0; i < COUNT(good); i++) {
        shop s;
        shop_open(&s);
        RULES(&s, "ranker", {"rules.0.id", "a"}, {"rules.0.when.from", good[i]}, BOOST);
        shop_close(&s);
    }
    REFUSED("ranker", "/rules.yaml:3:1", "rule 'a': until: it ends before it starts", "let it end after it starts",
            {"rules.0.id", "a"}, {"rules.0.when.from", "2026-12-01"}, {"rules.0.when.until", "2026-11-01"}, BOOST);
}

static void hours_days_and_offsets_that_are_none(void **state)
{
    (void)state;
    REFUSED("ranker", "/rules.yaml:2:1", "rule 'a': hours: '8-18' is not a part of the day",
            "write two times of day, such as 08:00-18:00", {"rules.0.id", "a"}, {"rules.0.when.hours", "8-18"}, BOOST);
    REFUSED("ranker", "/rules.yaml:2:1", "rule 'a': hours: '09:00-09:00' is not a part of the day",
            "write two times of day, such as 08:00-18:00", {"rules.0.id", "a"}, {"rules.0.when.hours", "09:00-09:00"},
            BOOST);
    REFUSED("ranker", "/rules.yaml:2:1", "rule 'a': days: 'tues' is not a day", "use mon, tue, wed, thu, fri, sat, sun",
            {"rules.0.id", "a"}, {"rules.0.when.days", "tues"}, BOOST);
    REFUSED("ranker", "/rules.yaml:2:1", "rule 'a': utc_offset: 'CET' is not an offset",
            "write hours and minutes, such as '+01:00'", {"rules.0.id", "a"}, {"rules.0.when.utc_offset", "CET"},
            BOOST);
}

static void an_id_given_twice(void **state)
{
    (void)state;
    REFUSED("ranker", "/rules.yaml:3:1", "rule id 'a' is used twice: first at /rules.yaml:1:1",
            "give each rule an id of its own", {"rules.0.id", "a"}, BOOST, {"rules.1.id", "a"},
            {"rules.1.then.boost.add", "1"});
    REFUSED("ranker", "/rules.yaml:1:1", "a rule's id has 0 bytes", "give it a name of 1 to 100 bytes",
            {"rules.0.id", ""}, BOOST);
}

static void a_filter_that_does_not_compile(void **state)
{
    (void)state;
    REFUSED("ranker", "/rules.yaml:2:1", "rule 'a': filter: column 5: no such field", "", {"rules.0.id", "a"},
            {"rules.0.when.filter", "brnd = acme"}, BOOST);
    REFUSED("rewriter", "/rules.yaml:2:1", "rule 'a': add_filter: column 8: a value is missing", "",
            {"rules.0.id", "a"}, {"rules.0.then.add_filter", "price <"});
}

static void conditions_that_cannot_be(void **state)
{
    (void)state;
    REFUSED("ranker", "/rules.yaml:2:1", "rule 'a': '> tall' compares with something that is not a number",
            "write a number, as in '>= 3'", {"rules.0.id", "a"}, {"rules.0.when.user.height", "> tall"}, BOOST);
    REFUSED("ranker", "/rules.yaml:2:1", "rule 'a': '> 3 and' is not understood at 'and'",
            "write a value, '>= 3', or '>= 18 < 30'", {"rules.0.id", "a"}, {"rules.0.when.user.height", "> 3 and"},
            BOOST);
    REFUSED("ranker", "/rules.yaml:2:1", "rule 'a': '?!' holds no word", "write words of letters or digits",
            {"rules.0.id", "a"}, {"rules.0.when.query.words", "?!"}, BOOST);
}

static void actions_that_cannot_be(void **state)
{
    (void)state;
    REFUSED("ranker", "/rules.yaml:2:1", "rule 'a': boost needs one of factor and add", "write factor: 1.5, or add: 2",
            {"rules.0.id", "a"}, {"rules.0.then.boost.items", "i1"});
    REFUSED("ranker", "/rules.yaml:2:1", "rule 'a': bury needs one of factor and subtract",
            "write factor: 0.5, or subtract: 2", {"rules.0.id", "a"}, {"rules.0.then.bury.factor", "0.5"},
            {"rules.0.then.bury.subtract", "1"});
    REFUSED("finisher", "/rules.yaml:2:1", "rule 'a': pin says neither items nor, in `when`, a filter",
            "name items, or write when: {filter: …}", {"rules.0.id", "a"}, {"rules.0.then.pin.position", "1"});
    REFUSED("finisher", "/rules.yaml:2:1", "rule 'a': hide says neither items nor, in `when`, a filter",
            "name items, or write when: {filter: …}", {"rules.0.id", "a"}, {"rules.0.then.hide", ""});
    REFUSED("finisher", "/rules.yaml:2:1", "rule 'a': cap: values of 'price' cannot be counted",
            "use a keyword, keywords, integer or boolean field", {"rules.0.id", "a"},
            {"rules.0.then.cap.field", "price"}, {"rules.0.then.cap.most", "1"});
    REFUSED("finisher", "/rules.yaml:2:1", "rule 'a': cap: column 13: no such field", "", {"rules.0.id", "a"},
            {"rules.0.then.cap.field", "brnad"}, {"rules.0.then.cap.most", "1"});
    REFUSED("rewriter", "/rules.yaml:2:1", "rule 'a': redirect: 'javascript:alert(1)' is not a URL",
            "use https://HOST/PATH, or /PATH", {"rules.0.id", "a"}, {"rules.0.then.redirect", "javascript:alert(1)"});
    REFUSED("rewriter", "/rules.yaml:2:1", "rule 'a': redirect: '//evil.example' is not a URL",
            "use https://HOST/PATH, or /PATH", {"rules.0.id", "a"}, {"rules.0.then.redirect", "//evil.example"});
    REFUSED("rewriter", "/rules.yaml:2:1", "rule 'a': boost_words: 'two words' is not one word",
            "write one word an entry", {"rules.0.id", "a"}, {"rules.0.then.boost_words.words", "two words"},
            {"rules.0.then.boost_words.factor", "2"});
}

static void rules_of_which_none_can_act_in_the_role(void **state)
{
    (void)state;
    REFUSED("ranker", "/rules.yaml:1:1", "rule 'a': no action of it, nor of any other rule here, can act in a ranker",
            "a ranker acts by: boost, bury", {"rules.0.id", "a"}, {"rules.0.then.add_words", "x"});
    REFUSED(
        "rewriter", "/rules.yaml:1:1", "rule 'a': no action of it, nor of any other rule here, can act in a rewriter",
        "a rewriter acts by: add_words, replace_words, boost_words, add_filter, redirect", {"rules.0.id", "a"}, BOOST);
    REFUSED("finisher", "/rules.yaml:1:1",
            "rule 'a': no action of it, nor of any other rule here, can act in a finisher",
            "a finisher acts by: boost, bury, pin, hide, insert, cap, label", {"rules.0.id", "a"},
            {"rules.0.then.redirect", "/x"});
}

/* Every allocation that open and worker_open make fails in turn: the failure is told, and nothing is left behind. */
static uint64_t allocations_left;
static int64_t alive;

static void *failing_alloc(const sinter_host *host, size_t size)
{
    (void)host;
    if (allocations_left == 0) return NULL;
    allocations_left--;
    alive++;
    return malloc(size);
}

static void counting_free(const sinter_host *host, void *p)
{
    (void)host;
    alive -= p != NULL;
    free(p);
}

static void an_open_that_runs_out_of_memory_says_so_and_leaks_nothing(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    sinter_host *host = (sinter_host *)(uintptr_t)s.host;
    host->alloc = failing_alloc;
    host->free = counting_free;
    const harness_option o[] = {{"rules.0.id", "a"},
                                {"rules.0.when.filter", "brand = acme"},
                                {"rules.0.when.query.words", "x y"},
                                {"rules.0.when.query.exact", "x y"},
                                {"rules.0.when.user.a", "> 1"},
                                BOOST};
    uint32_t failed = 0;
    for (uint64_t room = 0;; room++) {
        allocations_left = room;
        sinter_status status = shop_try(&s, "ranker", o, COUNT(o));
        if (status == SINTER_OK) break;
        failed++;
        assert_int_equal(status, SINTER_EXHAUSTED);
        assert_string_equal(s.err.what, "out of memory");
        assert_int_equal(alive, 0);
    }
    assert_true(failed > 3);
    int64_t of_instance = alive;
    for (uint64_t room = 0;; room++) {
        allocations_left = room;
        sinter_worker *w;
        sinter_status status = harness_plugin(s.h)->worker_open(s.inst, &w, &s.err);
        if (status == SINTER_OK) {
            harness_plugin(s.h)->worker_close(w);
            break;
        }
        assert_int_equal(status, SINTER_EXHAUSTED);
        assert_int_equal(alive, of_instance);
    }
    assert_int_equal(alive, of_instance);
    shop_close(&s);
    assert_int_equal(alive, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rules_at_all),
        cmocka_unit_test(an_unknown_key_is_the_hosts_to_refuse),
        cmocka_unit_test(a_time_that_is_none),
        cmocka_unit_test(hours_days_and_offsets_that_are_none),
        cmocka_unit_test(an_id_given_twice),
        cmocka_unit_test(a_filter_that_does_not_compile),
        cmocka_unit_test(conditions_that_cannot_be),
        cmocka_unit_test(actions_that_cannot_be),
        cmocka_unit_test(rules_of_which_none_can_act_in_the_role),
        cmocka_unit_test(an_open_that_runs_out_of_memory_says_so_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
