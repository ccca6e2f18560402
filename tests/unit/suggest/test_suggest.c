/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Completions: what a store becomes as a set, who may see a query, what is forgotten, pieces of a text, an answer's bytes. Rankings against
 * brute force are in tests/integration/test_suggest.py. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sinter/storage/v1/journal.pb-c.h>
#include <sinter/v1/search.pb-c.h>

#include "suggest/inside.h"
#include "suggest/packed.h"

#define DAY_MS INT64_C(86400000)

typedef struct fixture {
    store *s;
    suggest_set *set;
    arena *a;
} fixture;

static void start(fixture *f, uint32_t min_users, bool recent)
{
    static const char *const FIELDS[] = {"title", "brand"};
    static const config_field DECLARED[] = {{.name = "title", .type = FIELD_TEXT}, {.name = "brand", .type = FIELD_KEYWORD}};
    static const config_event EVENTS[] = {{.name = "click", .weight = 1}, {.name = "rating", .by_value = true}};
    config_collection c = {.name = "test", .field = DECLARED, .n_fields = 2, .event = EVENTS, .n_events = 2};
    settings set;
    c.suggest = (config_suggest){.declared = true, .field = FIELDS, .n_fields = 2, .queries = true, .recent = recent, .min_users = min_users, .half_life_days = 10};
    suggest_source from = {7, &c};
    assert_true(settings_of(&from, &set));
    *f = (fixture){.s = store_new(&set), .a = arena_new(1u << 14)};
}

static void stop(fixture *f)
{
    set_free(f->set);
    store_free(f->s);
    arena_free(f->a);
}

static void put(fixture *f, uint32_t ordinal, const char *id, const char *title, const char *brand)
{
    Sinter__V1__Item item = SINTER__V1__ITEM__INIT;
    Sinter__V1__Item__FieldsEntry entry[2] = {SINTER__V1__ITEM__FIELDS_ENTRY__INIT, SINTER__V1__ITEM__FIELDS_ENTRY__INIT}, *entries[2] = {&entry[0], &entry[1]};
    Sinter__V1__Value value[2] = {SINTER__V1__VALUE__INIT, SINTER__V1__VALUE__INIT};
    const char *text[2] = {title, brand}, *name[2] = {"title", "brand"};
    for (int i = 0; i < 2; i++) {
        value[i].kind_case = SINTER__V1__VALUE__KIND_STRING_VALUE;
        value[i].string_value = (char *)(uintptr_t)text[i];
        entry[i].key = (char *)(uintptr_t)name[i];
        entry[i].value = &value[i];
    }
    item.id = (char *)(uintptr_t)id;
    item.fields = entries;
    item.n_fields = 2;
    store_put(f->s, ordinal, &item);
}

static void event(fixture *f, const char *type, const char *item, double worth, int64_t time_ms)
{
    Sinter__V1__Event e = SINTER__V1__EVENT__INIT;
    Sinter__Storage__V1__EventPut p = SINTER__STORAGE__V1__EVENT_PUT__INIT;
    Sinter__Storage__V1__Record rec = SINTER__STORAGE__V1__RECORD__INIT;
    char *items[] = {(char *)(uintptr_t)item};
    e.type = (char *)(uintptr_t)type;
    e.item_ids = items;
    e.n_item_ids = 1;
    e.value = worth;
    p.event = &e;
    rec.time_ms = time_ms;
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT;
    rec.event_put = &p;
    store_event(f->s, &rec);
}

static void asked(fixture *f, const char *query, const char *user, int64_t time_ms)
{
    store_asked(f->s, &(asking){.query = str_of(query), .user_id = str_of(user), .time_ms = time_ms, .weight = 1});
}

/* Texts of what is offered, joined by commas. */
static const char *offered(fixture *f, suggest_kind kind, const char *prefix)
{
    suggest_found found[20];
    suggest_typed t;
    char *out = arena_strdup(f->a, "");
    set_free(f->set);
    f->set = set_build(f->s);
    suggest_read(str_of(prefix), f->a, &t);
    uint32_t n = suggest_complete(f->set, kind, &t, 20, true, NULL, NULL, f->a, found);
    for (uint32_t i = 0; i < n; i++) out = arena_printf(f->a, "%s%s%.*s", out, i ? "," : "", (int)found[i].entry->text.n, found[i].entry->text.s);
    return out;
}

/* ---- items and values ------------------------------------------------------------------------------------------------------ */

static void use_ranks_items_and_decays(void **state)
{
    fixture f;
    (void)state;
    start(&f, 1, false);
    put(&f, 0, "a", "desk lamp", "Acme");
    put(&f, 1, "b", "floor lamp", "Zed");
    put(&f, 2, "c", "lamp shade", "Acme");
    assert_string_equal(offered(&f, SUGGEST_ITEM, "la"), "desk lamp,floor lamp,lamp shade");
    event(&f, "click", "b", 0, 20 * DAY_MS);
    event(&f, "rating", "c", 3, 0); /* two half-lives before: worth 0.75 by now */
    assert_string_equal(offered(&f, SUGGEST_ITEM, "la"), "floor lamp,lamp shade,desk lamp");
    event(&f, "click", "c", 0, 19 * DAY_MS);
    assert_string_equal(offered(&f, SUGGEST_ITEM, "la"), "lamp shade,floor lamp,desk lamp");
    event(&f, "unknown", "a", 100, 20 * DAY_MS);
    event(&f, "rating", "a", -5, 20 * DAY_MS);
    event(&f, "rating", "a", (double)NAN, 20 * DAY_MS);
    assert_string_equal(offered(&f, SUGGEST_ITEM, "la"), "lamp shade,floor lamp,desk lamp");
    assert_string_equal(offered(&f, SUGGEST_VALUE, ""), "Acme,Zed"); /* 2 items and 1.68 against 1 and 1 */
    stop(&f);
}

static void items_change_and_go(void **state)
{
    fixture f;
    (void)state;
    start(&f, 1, false);
    put(&f, 0, "a", "desk lamp", "Acme");
    event(&f, "click", "later", 0, DAY_MS); /* before its item comes */
    put(&f, 0, "a", "table lamp", "Zed");
    assert_string_equal(offered(&f, SUGGEST_ITEM, "desk"), "");
    assert_string_equal(offered(&f, SUGGEST_VALUE, ""), "Zed");
    put(&f, 1, "later", "lampion", "Zed");
    assert_string_equal(offered(&f, SUGGEST_ITEM, "lamp"), "lampion,table lamp");
    store_delete(f.s, 0);
    store_delete(f.s, 0);
    store_delete(f.s, 99);
    assert_string_equal(offered(&f, SUGGEST_ITEM, "lamp"), "lampion");
    put(&f, 2, "a", "lamp again", "Zed"); /* a new ordinal */
    store_delete(f.s, 0);                 /* of the old one: nothing */
    assert_string_equal(offered(&f, SUGGEST_ITEM, "lamp"), "lampion,lamp again");
    stop(&f);
}

/* ---- queries ----------------------------------------------------------------------------------------------------------------- */

static void a_query_needs_so_many_people(void **state)
{
    fixture f;
    (void)state;
    start(&f, 3, false);
    for (int i = 0; i < 9; i++) asked(&f, "my secret lamp", "one", DAY_MS);
    asked(&f, "red lamp", "one", DAY_MS);
    asked(&f, " Red   LAMP ", "two", DAY_MS);
    asked(&f, "red lamp", "", DAY_MS); /* nobody */
    assert_string_equal(offered(&f, SUGGEST_QUERY, ""), "");
    asked(&f, "red lamp", "three", DAY_MS);
    assert_string_equal(offered(&f, SUGGEST_QUERY, ""), "red lamp");
    static const char *const NEVER[] = {"\"red lamp\"", "title:red", "lamp -red", "-red", ""};
    for (size_t i = 0; i < ARRAY_LEN(NEVER); i++)
        for (int k = 0; k < 5; k++) asked(&f, NEVER[i], arena_printf(f.a, "u%d", k), DAY_MS);
    char longer[200];
    memset(longer, 'x', sizeof longer - 1);
    longer[199] = 0;
    for (int k = 0; k < 5; k++) asked(&f, longer, arena_printf(f.a, "u%d", k), DAY_MS);
    assert_string_equal(offered(&f, SUGGEST_QUERY, ""), "red lamp");
    stop(&f);
}

static void a_misspelling_counts_for_what_it_was_corrected_to(void **state)
{
    fixture f;
    (void)state;
    start(&f, 2, false);
    for (int k = 0; k < 3; k++) {
        char *user = arena_printf(f.a, "u%d", k);
        asked(&f, "rde lamp", user, DAY_MS); /* an event that says what was typed */
        store_asked(f.s, &(asking){.query = STR("rde lamp"), .corrected = STR("red lamp"), .user_id = str_of(user), .time_ms = DAY_MS, .weight = 1});
    }
    assert_string_equal(offered(&f, SUGGEST_QUERY, ""), "red lamp");
    stop(&f);
}

static void the_less_used_half_goes_when_there_are_too_many(void **state)
{
    fixture f;
    (void)state;
    start(&f, 1, true);
    for (int k = 0; k < 50; k++) asked(&f, "often asked", arena_printf(f.a, "u%d", k), DAY_MS);
    for (uint32_t i = 0; i < MOST_QUERIES + 10; i++) {
        char query[32];
        snprintf(query, sizeof query, "q%u", i);
        asked(&f, query, query, DAY_MS + i);
    }
    assert_true(f.s->n_queries <= MOST_QUERIES / 2 + 20);
    assert_true(f.s->n_people <= MOST_PEOPLE);
    assert_string_equal(offered(&f, SUGGEST_QUERY, "often"), "often asked");
    stop(&f);
}

static void a_person_sees_ones_own_newest_first(void **state)
{
    fixture f;
    str own[RECENT];
    suggest_typed t;
    (void)state;
    start(&f, 3, true);
    for (int i = 0; i < 14; i++) asked(&f, arena_printf(f.a, "lamp %d", i), "me", DAY_MS + i);
    asked(&f, "lamp 12", "me", DAY_MS + 20);
    asked(&f, "too late", "me", 0); /* an old record */
    offered(&f, SUGGEST_QUERY, "");
    suggest_read(STR("la"), f.a, &t);
    assert_int_equal(suggest_recent(f.set, STR("me"), STR(""), &t, RECENT, f.a, own), RECENT);
    assert_true(str_is(own[0], "lamp 12") && str_is(own[1], "lamp 13") && str_is(own[9], "lamp 4"));
    assert_int_equal(suggest_recent(f.set, STR("you"), STR(""), &t, RECENT, f.a, own), 0);
    assert_int_equal(suggest_recent(f.set, STR(""), STR("me"), &t, RECENT, f.a, own), 0); /* a session of that name is somebody else */
    assert_int_equal(suggest_recent(f.set, STR(""), STR(""), &t, RECENT, f.a, own), 0);
    stop(&f);
}

/* Lanes log what they answered at one time in no order. */
static void ones_own_are_in_order_of_time_whatever_the_order_told_in(void **state)
{
    static const struct {
        const char *query;
        int64_t ms;
    } TOLD[] = {{"lamp b", 2}, {"lamp a", 1}, {"lamp d", 4}, {"lamp c", 3}, {"lamp a", 5}, {"lamp b", 1}};
    fixture f;
    str own[RECENT];
    suggest_typed t;
    (void)state;
    start(&f, 3, true);
    for (size_t i = 0; i < ARRAY_LEN(TOLD); i++) asked(&f, TOLD[i].query, "me", DAY_MS + TOLD[i].ms);
    offered(&f, SUGGEST_QUERY, "");
    suggest_read(STR("la"), f.a, &t);
    assert_int_equal(suggest_recent(f.set, STR("me"), STR(""), &t, RECENT, f.a, own), 4);
    assert_true(str_is(own[0], "lamp a") && str_is(own[1], "lamp d") && str_is(own[2], "lamp c") && str_is(own[3], "lamp b"));
    stop(&f);
}

/* ---- lookups ------------------------------------------------------------------------------------------------------------------- */

static bool odd(void *ctx, const suggest_entry *x)
{
    ++*(uint32_t *)ctx;
    return x->item % 2 == 1;
}

static void what_is_refused_makes_room_for_the_next(void **state)
{
    fixture f;
    suggest_found found[5];
    suggest_typed t;
    uint32_t calls = 0;
    (void)state;
    start(&f, 1, false);
    for (uint32_t i = 0; i < 30000; i++) put(&f, i, arena_printf(f.a, "i%05u", i), arena_printf(f.a, "lamp %05u", i), "Acme");
    offered(&f, SUGGEST_ITEM, "zzz");
    suggest_read(STR("l"), f.a, &t);
    assert_int_equal(suggest_complete(f.set, SUGGEST_ITEM, &t, 5, true, odd, &calls, f.a, found), 5);
    assert_true(str_is(found[0].entry->text, "lamp 00001") && str_is(found[4].entry->text, "lamp 00009"));
    assert_int_equal(calls, 10);
    suggest_read(STR("lamp 29999"), f.a, &t);
    assert_int_equal(suggest_complete(f.set, SUGGEST_ITEM, &t, 5, false, NULL, NULL, f.a, found), 1);
    suggest_read(STR("lapm 2999"), f.a, &t); /* a prefix beside a misspelt word */
    assert_int_equal(suggest_complete(f.set, SUGGEST_ITEM, &t, 5, true, NULL, NULL, f.a, found), 5);
    assert_int_equal(found[0].edits, 1);
    stop(&f);
}

static void pieces_of_a_text_say_what_was_typed(void **state)
{
    static const struct {
        const char *text, *typed, *parts;
    } CASES[] = {
        {"Walnut desk lamp", "desk la", "Walnut [desk] [la]mp"}, {"Crème brûlée", "creme br", "[Crème] [br]ûlée"},
        {"Straße", "strass", "[Straß]e"},                        {"lamp", "lmap", "[lamp]"},
        {"lamp", "lamp ", "[lamp]"},                             {"lampion", "lamp ", "lampion"},
        {"desk", "", "desk"},                                    {"Wi-Fi stick", "wi fi", "[Wi]-[Fi] stick"},
        {"", "x", ""},
    };
    arena *a = arena_new(4096);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        suggest_typed t;
        const suggest_part *part;
        char *out = arena_strdup(a, "");
        suggest_read(str_of(CASES[i].typed), a, &t);
        uint32_t n = suggest_parts(str_of(CASES[i].text), &t, strcmp(CASES[i].typed, "lmap") == 0, a, &part);
        for (uint32_t k = 0; k < n; k++)
            out = arena_printf(a, part[k].matched ? "%s[%.*s]" : "%s%.*s", out, (int)part[k].text.n, part[k].text.s);
        assert_string_equal(out, CASES[i].parts);
    }
    arena_free(a);
}

/* ---- bytes of the log -------------------------------------------------------------------------------------------------------------- */

static void an_answer_is_read_as_it_was_packed(void **state)
{
    Sinter__V1__SearchRequest q = SINTER__V1__SEARCH_REQUEST__INIT;
    Sinter__Storage__V1__Answered a = SINTER__STORAGE__V1__ANSWERED__INIT;
    Sinter__Storage__V1__Record rec = SINTER__STORAGE__V1__RECORD__INIT;
    uint8_t inner[256], bytes[1024];
    packed_answer out;
    (void)state;
    q.collection = (char *)(uintptr_t)"shop";
    q.query = (char *)(uintptr_t)"rde lamp";
    q.offset = 20;
    a.request = (ProtobufCBinaryData){sinter__v1__search_request__pack(&q, inner), inner};
    a.time_ms = -5;
    a.collection = 7;
    a.total = 300;
    a.user_id = (char *)(uintptr_t)"me";
    a.corrected_query = (char *)(uintptr_t)"red lamp";
    a.words_dropped = true;
    rec.sequence = 9;
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_ANSWERED;
    rec.answered = &a;
    size_t n = sinter__storage__v1__record__pack(&rec, bytes);
    assert_true(packed_answer_read((str){(const char *)bytes, n}, &out));
    assert_true(str_is(out.query, "rde lamp") && str_is(out.corrected, "red lamp") && str_is(out.user_id, "me") && !out.session_id.n);
    assert_true(out.collection == 7 && out.total == 300 && out.time_ms == -5 && out.later_page && out.words_dropped);
    for (size_t cut = 0; cut < n; cut++) packed_answer_read((str){(const char *)bytes, cut}, &out); /* as the sanitizers see it */
    assert_false(packed_answer_read((str){"", 0}, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(use_ranks_items_and_decays),
        cmocka_unit_test(items_change_and_go),
        cmocka_unit_test(a_query_needs_so_many_people),
        cmocka_unit_test(a_misspelling_counts_for_what_it_was_corrected_to),
        cmocka_unit_test(the_less_used_half_goes_when_there_are_too_many),
        cmocka_unit_test(a_person_sees_ones_own_newest_first),
        cmocka_unit_test(ones_own_are_in_order_of_time_whatever_the_order_told_in),
        cmocka_unit_test(what_is_refused_makes_room_for_the_next),
        cmocka_unit_test(pieces_of_a_text_say_what_was_typed),
        cmocka_unit_test(an_answer_is_read_as_it_was_packed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
