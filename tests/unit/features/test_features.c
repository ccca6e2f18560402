/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names of the registry: what resolves, what is refused with which words, and that the documentation lists every kind. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "features/features.h"
#include "features/registry.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const config_field FIELDS[] = {
    {.name = "title", .type = FIELD_TEXT},
    {.name = "price", .type = FIELD_NUMBER},
    {.name = "sales", .type = FIELD_INTEGER},
    {.name = "brand", .type = FIELD_KEYWORD},
    {.name = "released", .type = FIELD_TIMESTAMP},
    {.name = "attributes.n_*", .type = FIELD_NUMBER, .pattern = true},
    {.name = "sizes.*.n_*", .type = FIELD_NUMBER, .pattern = true},
};
static const config_event EVENTS[] = {{.name = "view", .weight = 0.2}, {.name = "click", .weight = 1}, {.name = "rating", .by_value = true}};
static const char *const COUNTER_BY[] = {"brand"};
static const config_collection SCHEMA = {.name = "things",
                                         .field = FIELDS,
                                         .n_fields = ARRAY_LEN(FIELDS),
                                         .group = {{.name = "title"}, {.name = "body"}},
                                         .n_groups = 2,
                                         .age_field = "released",
                                         .event = EVENTS,
                                         .n_events = 3,
                                         .counter_by = COUNTER_BY,
                                         .n_counter_by = 1,
                                         .rates = true,
                                         .rates_toward = UINT32_MAX};
static const char *const SOURCES[] = {"text", "cf"};
static const char *const RANKERS[] = {"words", "taste"};

static feature_scope scope(uint32_t limit)
{
    return (feature_scope){.schema = &SCHEMA, .source = SOURCES, .n_sources = 2, .ranker = RANKERS, .n_rankers = 2, .list_limit = limit};
}

static void every_documented_form_resolves(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        feature_kind_id kind;
        uint32_t index;
    } rows[] = {{"text.bm25", FEATURE_TEXT_BM25, 0},
                {"text.body", FEATURE_TEXT_GROUP, 1},
                {"text.body.count", FEATURE_TEXT_COUNT, 1},
                {"text.title.words", FEATURE_TEXT_WORDS, 0},
                {"text.title.length", FEATURE_TEXT_LENGTH, 0},
                {"text.title.proximity", FEATURE_TEXT_PROXIMITY, 0},
                {"query.coverage", FEATURE_QUERY_COVERAGE, 0},
                {"query.words", FEATURE_QUERY_WORDS, 0},
                {"query.length", FEATURE_QUERY_LENGTH, 0},
                {"query.empty", FEATURE_QUERY_EMPTY, 0},
                {"item.price", FEATURE_ITEM, 0},
                {"item.attributes.n_weight", FEATURE_ITEM, 0},
                {"item.sizes.eu.n_width", FEATURE_ITEM, 0}, /* a pattern of two stars */
                {"item.released", FEATURE_ITEM, 0},
                {"item.released.age_days", FEATURE_ITEM_AGE, 0},
                {"item.age_days", FEATURE_ITEM_AGE, 0},
                {"recall.cf", FEATURE_RECALL, 1},
                {"recall.cf.rank", FEATURE_RECALL_RANK, 1},
                {"score.taste", FEATURE_SCORE, 1},
                {"before", FEATURE_BEFORE, 0},
                {"now.hour", FEATURE_NOW_HOUR, 0},
                {"now.weekday", FEATURE_NOW_WEEKDAY, 0},
                {"user.loyalty", FEATURE_USER, 0},
                {"events.click", FEATURE_EVENTS, UINT32_MAX},
                {"events.view.brand", FEATURE_EVENTS_VALUE, 0},
                {"events.click.query", FEATURE_EVENTS_QUERY, UINT32_MAX},
                {"session.events", FEATURE_SESSION_EVENTS, 0},
                {"session.events.click", FEATURE_SESSION_EVENTS_TYPE, 0},
                {"session.seconds", FEATURE_SESSION_SECONDS, 0},
                {"session.idle_seconds", FEATURE_SESSION_IDLE, 0},
                {"session.item", FEATURE_SESSION_ITEM, 0},
                {"session.brand.share", FEATURE_SESSION_SHARE, 0},
                {"shown", FEATURE_SHOWN, UINT32_MAX},
                {"shown.brand", FEATURE_SHOWN_VALUE, 0},
                {"rate.click", FEATURE_RATE, UINT32_MAX},
                {"rate.click.brand", FEATURE_RATE_VALUE, 0},
                {"rate.view.per.click", FEATURE_RATE_PER, UINT32_MAX},
                {"rate.view.per.click.brand", FEATURE_RATE_PER_VALUE, 0},
                {"user.events", FEATURE_USER_EVENTS, 0},
                {"user.events.rating", FEATURE_USER_EVENTS_TYPE, 0},
                {"user.brand.share", FEATURE_USER_SHARE, 0},
                {"context.width", FEATURE_CONTEXT, 0}};
    feature_scope sc = scope(50);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        sinter_error e = SINTER_ERROR_INIT;
        feature f;
        if (feature_resolve(&sc, rows[i].name, &f, &e)) fail_msg("%s: %s", rows[i].name, e.what);
        assert_int_equal(f.kind, rows[i].kind);
        assert_int_equal(f.index, rows[i].index);
    }
}

static void windows_stand_behind_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        feature_kind_id kind;
        profile_span span;
        uint32_t event, per;
    } rows[] = {{"events.click.hour", FEATURE_EVENTS, PROFILE_HOUR, 2, 0},
                {"events.click.brand.day", FEATURE_EVENTS_VALUE, PROFILE_DAY, 2, 0},
                {"events.view.query.month", FEATURE_EVENTS_QUERY, PROFILE_MONTH, 1, 0},
                {"shown.hour", FEATURE_SHOWN, PROFILE_HOUR, 0, 0},
                {"shown.brand.month", FEATURE_SHOWN_VALUE, PROFILE_MONTH, 0, 0},
                {"rate.click.day", FEATURE_RATE, PROFILE_DAY, 2, 0},
                {"rate.click.brand.hour", FEATURE_RATE_VALUE, PROFILE_HOUR, 2, 0},
                {"rate.view.per.click.month", FEATURE_RATE_PER, PROFILE_MONTH, 1, 2},
                {"rate.view.per.click.brand.day", FEATURE_RATE_PER_VALUE, PROFILE_DAY, 1, 2}};
    static const char *const NONE[] = {"events.click.week", "events.hour", "events.click.day.hour", "shown.click", "shown.", "shownish", "rate.hour",
                                       "rate.click.query", "rate.click.per.hour", "rate.click.per", "session.click", "session.colour.share",
                                       "session.events.clik"};
    feature_scope sc = scope(50);
    feature f;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        sinter_error e = SINTER_ERROR_INIT;
        if (feature_resolve(&sc, rows[i].name, &f, &e)) fail_msg("%s: %s", rows[i].name, e.what);
        assert_int_equal(f.kind, rows[i].kind);
        assert_int_equal(f.span, rows[i].span);
        assert_int_equal(f.event, rows[i].event);
        assert_int_equal(f.per, rows[i].per);
    }
    for (size_t i = 0; i < ARRAY_LEN(NONE); i++) {
        sinter_error e = SINTER_ERROR_INIT;
        if (feature_resolve(&sc, NONE[i], &f, &e) != SINTER_NOT_FOUND) fail_msg("%s is a feature", NONE[i]);
    }
    config_collection without = SCHEMA;
    without.rates = false;
    sc.schema = &without;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(feature_resolve(&sc, "rate.click", &f, &e), SINTER_INVALID);
    assert_string_equal(e.what, "feature 'rate.click': the collection 'things' does not count what is shown");
}

static void refusals_say_what_is_near_or_why(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        sinter_status status;
        const char *what, *fix;
    } rows[] = {
        {"text.titel", SINTER_NOT_FOUND, "unknown feature 'text.titel'", "did you mean 'text.title'? All names are in docs/features.md"},
        {"item.brand", SINTER_INVALID, "feature 'item.brand': 'brand' is a keyword field",
         "a feature is a number: use an integer, number, boolean or timestamp field, or ask for the field as an id feature"},
        {"score.deep", SINTER_NOT_FOUND, "unknown feature 'score.deep'", NULL},
        {"text.title.proximity", SINTER_INVALID,
         "feature 'text.title.proximity': up to 1000 candidates enter this stage, proximity is for at most 100",
         "ask for it in a later stage, behind one that keeps at most 100"},
        {"", SINTER_NOT_FOUND, "unknown feature ''", NULL},
        {"events.clik", SINTER_NOT_FOUND, "unknown feature 'events.clik'", "did you mean 'events.click'? All names are in docs/features.md"},
        {"events.click.price", SINTER_NOT_FOUND, "unknown feature 'events.click.price'", NULL},
        {"events.E", SINTER_NOT_FOUND, "unknown feature 'events.E'", NULL},
        {"user.events.buy", SINTER_NOT_FOUND, "unknown feature 'user.events.buy'", NULL},
        {"user.price.share", SINTER_NOT_FOUND, "unknown feature 'user.price.share'", NULL},
        {"item.attributes.n_", SINTER_NOT_FOUND, "unknown feature 'item.attributes.n_'", NULL}, /* a star is a character at least */
        {"text.G", SINTER_NOT_FOUND, "unknown feature 'text.G'", NULL},
    };
    feature_scope sc = scope(1000);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        sinter_error e = SINTER_ERROR_INIT;
        feature f;
        assert_int_equal(feature_resolve(&sc, rows[i].name, &f, &e), rows[i].status);
        assert_string_equal(e.what, rows[i].what);
        if (rows[i].fix) assert_string_equal(e.fix, rows[i].fix);
    }
}

static void every_listed_name_resolves(void **state)
{
    (void)state;
    arena *a = arena_new(4096);
    feature_scope sc = scope(100);
    const char *const *names;
    uint32_t n = feature_names(&sc, a, &names);
    assert_true(n > 20);
    for (uint32_t i = 0; i < n; i++) {
        sinter_error e = SINTER_ERROR_INIT;
        feature f;
        if (feature_resolve(&sc, names[i], &f, &e)) fail_msg("%s: %s", names[i], e.what);
    }
    arena_free(a);
}

static void id_features_have_names_of_their_own(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        id_feature_kind_id kind;
    } good[] = {{"item.id", ID_FEATURE_ITEM},           {"item.brand", ID_FEATURE_ITEM_FIELD},     {"user.id", ID_FEATURE_USER},
                {"user.segment", ID_FEATURE_USER_ATTRIBUTE}, {"context.page", ID_FEATURE_CONTEXT_ATTRIBUTE}, {"query.text", ID_FEATURE_QUERY}};
    static const struct {
        const char *name, *what, *fix;
    } bad[] = {{"item.price", "id feature 'item.price': 'price' is a number field", "an id feature is a keyword field; numbers are features"},
               {"item.brnd", "unknown id feature 'item.brnd'", "did you mean 'item.brand'? All names are in docs/features.md"},
               {"query.txt", "unknown id feature 'query.txt'", "did you mean 'query.text'? All names are in docs/features.md"},
               {"brand", "unknown id feature 'brand'", NULL},
               {"item.F", "unknown id feature 'item.F'", NULL}};
    feature_scope sc = scope(100);
    id_feature f;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(id_feature_resolve(&sc, good[i].name, &f, NULL), SINTER_OK);
        assert_int_equal(f.kind, good[i].kind);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        sinter_error e = SINTER_ERROR_INIT;
        assert_int_not_equal(id_feature_resolve(&sc, bad[i].name, &f, &e), SINTER_OK);
        assert_string_equal(e.what, bad[i].what);
        if (bad[i].fix) assert_string_equal(e.fix, bad[i].fix);
    }
}

/* The values are written into models: these must never change. */
static void id_hashes_are_what_they_always_were(void **state)
{
    (void)state;
    assert_int_equal(hash_id("", 0), 0x15D514C7u);
    assert_int_equal(hash_id("sku-1", 5), 0xCFD83C4Du);
}

static void time_features_follow_the_requests_clock(void **state)
{
    (void)state;
    sinter_context context = {.now_ms = 1764082800000}; /* Tuesday 2025-11-25T15:00:00Z */
    sinter_user user = {0};
    sinter_request request = {.context = &context, .user = &user};
    feature_source s = {.request = &request};
    feature hour = {.kind = FEATURE_NOW_HOUR}, day = {.kind = FEATURE_NOW_WEEKDAY};
    assert_float_equal(feature_of_request(&hour, &s), 15.0, 1e-3);
    assert_float_equal(feature_of_request(&day, &s), 1.0, 0);
    context.now_ms = -86400000; /* Wednesday 1969-12-31 */
    assert_float_equal(feature_of_request(&day, &s), 2.0, 0);
}

static void attributes_are_numbers_or_missing(void **state)
{
    (void)state;
    sinter_attribute attributes[] = {{{"age", 3}, {.type = SINTER_VALUE_INTEGER, .u.integer = 42}},
                                     {{"member", 6}, {.type = SINTER_VALUE_BOOLEAN, .u.boolean = true}},
                                     {{"name", 4}, {.type = SINTER_VALUE_STRING}}};
    sinter_user user = {.attribute = attributes, .n_attributes = 3};
    sinter_context context = {0};
    sinter_request request = {.context = &context, .user = &user};
    feature_source s = {.request = &request};
    feature f = {.kind = FEATURE_USER, .attribute = "age"};
    assert_float_equal(feature_of_request(&f, &s), 42, 0);
    f.attribute = "member";
    assert_float_equal(feature_of_request(&f, &s), 1, 0);
    f.attribute = "name";
    assert_true(isnan(feature_of_request(&f, &s)));
    f.attribute = "absent";
    assert_true(isnan(feature_of_request(&f, &s)));
}

static void the_documentation_lists_every_kind_with_its_meaning(void **state)
{
    (void)state;
    const char *source = getenv("SINTER_SOURCE");
    char path[512];
    buffer b = {0};
    sinter_error e = SINTER_ERROR_INIT;
    snprintf(path, sizeof path, "%s/docs/features.md", source ? source : ".");
    if (file_read(path, 1 << 20, &b, &e)) fail_msg("%s", e.what);
    for (int k = 0; k < FEATURE_KINDS_N; k++) {
        char row[512];
        snprintf(row, sizeof row, "| `%s` | %s | %s |", FEATURE_KINDS[k].name, FEATURE_KINDS[k].per_request ? "request" : "candidate",
                 FEATURE_KINDS[k].doc);
        if (!strstr(b.data, row)) fail_msg("docs/features.md lacks the row: %s", row);
    }
    for (int k = 0; k < ID_FEATURE_KINDS_N; k++) {
        char row[512];
        snprintf(row, sizeof row, "| `%s` | %s | %s |", ID_FEATURE_KINDS[k].name,
                 ID_FEATURE_KINDS[k].per_request ? "request" : "candidate", ID_FEATURE_KINDS[k].doc);
        if (!strstr(b.data, row)) fail_msg("docs/features.md lacks the row: %s", row);
    }
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_documented_form_resolves),
        cmocka_unit_test(windows_stand_behind_names),
        cmocka_unit_test(refusals_say_what_is_near_or_why),
        cmocka_unit_test(every_listed_name_resolves),
        cmocka_unit_test(id_features_have_names_of_their_own),
        cmocka_unit_test(id_hashes_are_what_they_always_were),
        cmocka_unit_test(time_features_follow_the_requests_clock),
        cmocka_unit_test(attributes_are_numbers_or_missing),
        cmocka_unit_test(the_documentation_lists_every_kind_with_its_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
