/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The filter language: what passes, what a missing value does, errors to the character, limits, clauses for the index. */
#include "catalog/fixture.h"

#include "recall/filter_terms.h"

static shop s;

/* Nine items. 5 and 8 have a title only; 7 is deleted; brand "Late" comes after the filters of one test are compiled. */
static void add(uint32_t ordinal, const char *brand, const char *tags, double price, int64_t stock, int sold_out,
                const char *released, double latitude, double longitude) {
    Sinter__V1__Item *item = item_new(s.a, arena_printf(s.a, "i%u", ordinal));
    item_add(s.a, item, "title", v_string(s.a, "t"));
    if (brand) item_add(s.a, item, "brand", v_string(s.a, brand));
    if (tags) {
        const char *list[8];
        size_t n = 0;
        for (char *t = strtok(arena_strdup(s.a, tags), ","); t; t = strtok(NULL, ","))
            list[n++] = t;
        item_add(s.a, item, "tags", v_strings(s.a, n, list));
    }
    if (!isnan(price)) item_add(s.a, item, "price", v_number(s.a, price));
    if (stock != INT64_MIN) item_add(s.a, item, "stock", v_integer(s.a, stock));
    if (sold_out >= 0) item_add(s.a, item, "sold_out", v_boolean(s.a, sold_out));
    if (released) {
        int64_t ms;
        assert_true(time_parse_ms(str_of(released), &ms));
        item_add(s.a, item, "released", v_time(s.a, ms / 1000, (int32_t)(ms % 1000) * 1000000));
    }
    if (!isnan(latitude)) item_add(s.a, item, "place", v_geo(s.a, latitude, longitude));
    shop_put(&s, ordinal, item, NULL);
}

static int open_shop(void **state) {
    (void)state;
    shop_open(&s);
    add(0, "Acme", "red,steel", 10, 5, 0, "2009-12-10T00:00:00Z", 47.37, 8.54);   /* Zürich */
    add(1, "Acme", "blue", 9.5, 0, 1, "2010-01-01T12:00:00Z", 46.95, 7.45);        /* Bern */
    add(2, "Bolt", "red", 100, -3, 0, "2011-06-01T00:00:00Z", 51.5, -0.12);        /* London */
    add(3, "", NULL, 0, INT64_MAX, 1, NULL, NAN, NAN);
    add(4, "it's \"x\"", "a b,c", -1.5, 7, -1, "2009-12-10T00:00:00.5Z", 0, 180);
    add(5, NULL, NULL, NAN, INT64_MIN, -1, NULL, NAN, NAN);
    add(6, "Zed", "steel", 10, 5, 0, "2012-01-01T00:00:00Z", 0, -179.9);
    add(7, "Acme", "red", 10, 5, 0, NULL, NAN, NAN);
    add(8, NULL, NULL, NAN, INT64_MIN, -1, NULL, NAN, NAN);
    shop_delete(&s, 7, "i7");
    shop_publish(&s);
    return 0;
}
static int close_shop(void **state) {
    (void)state;
    shop_close(&s);
    return 0;
}

static filter *compiled(const char *text) {
    filter *f;
    sinter_error e = SINTER_ERROR_INIT;
    char line[2048];
    if (filter_compile(s.c, str_of(text), s.a, &f, &e) != SINTER_OK) fail_msg("%s: %s", text, error_line(&e, line, sizeof line));
    return f;
}

/* Ordinals that pass as a string of digits, the same by scan, by match and one by one. */
static const char *passing(const filter *f) {
    const catalog_set *set = catalog_current(s.c);
    uint32_t item[16], all[16];
    uint64_t count;
    uint8_t out[16];
    uint32_t n = filter_scan(f, set, 0, 16, item, &count);
    assert_int_equal(count, n);
    char *digits = arena_zalloc(s.a, 17);
    for (uint32_t i = 0; i < n; i++)
        digits[i] = (char)('0' + item[i]);
    for (uint32_t i = 0; i < 16; i++)
        all[i] = i; /* 9–15 were never given */
    filter_match(f, set, all, 16, out);
    for (uint32_t i = 0, at = 0; i < 9; i++) {
        bool here = at < n && item[at] == i;
        if (i != 7) assert_int_equal(out[i], here);
        assert_int_equal(filter_test(f, set, i), out[i]);
        at += here;
    }
    return digits;
}

static const struct {
    const char *text, *passes;
} TABLE[] = {
    /* keyword */
    {"brand = \"Acme\"", "01"},
    {"brand = 'Acme'", "01"},
    {"brand == \"acme\"", ""},
    {"brand != \"Acme\"", "234568"},
    {"brand <> \"Acme\"", "234568"},
    {"brand = \"\"", "3"},
    {"brand = \"Nobody\"", ""},
    {"brand != \"Nobody\"", "01234568"},
    {"brand = \"it's \\\"x\\\"\"", "4"},
    {"brand = 'it\\'s \"x\"'", "4"},
    {"brand IN (\"Acme\", \"Zed\", \"Nobody\")", "016"},
    {"brand NOT IN (\"Acme\", \"Zed\")", "23458"},
    {"brand IN (\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"Bolt\",\"Acme\")", "012"},
    {"brand EXISTS", "012346"},
    {"EXISTS brand", "012346"},
    {"EXISTS (brand)", "012346"},
    {"brand NOT EXISTS", "58"},
    {"NOT EXISTS brand", "58"},
    {"NOT brand = \"Acme\"", "234568"},
    /* keywords: one of the list */
    {"tags = \"red\"", "02"},
    {"tags != \"red\"", "134568"},
    {"tags IN (\"blue\", \"steel\")", "016"},
    {"tags = \"a b\"", "4"},
    {"tags EXISTS", "01246"},
    {"tags NOT IN (\"blue\", \"steel\")", "23458"},
    {"tags IN (\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"c\",\"red\")", "024"},
    /* number */
    {"price = 10", "06"},
    {"price != 10", "123458"},
    {"price < 10", "134"},
    {"price <= 10", "01346"},
    {"price > 10", "2"},
    {"price >= 1e1", "026"},
    {"price > -1.5", "01236"},
    {"price = -0", "3"},
    {"price BETWEEN 9.5 AND 10", "016"},
    {"price BETWEEN 10 AND 9.5", ""},
    {"price NOT BETWEEN 9.5 AND 10", "23458"},
    {"price IN (0, 100, 7)", "23"},
    {"price IN (1,2,3,4,5,6,7,8,9,10,11)", "06"},
    {"price NOT EXISTS", "58"},
    {"price < 1e300", "012346"},
    {"NOT price > 10", "0134568"},
    /* integer */
    {"stock = 5", "06"},
    {"stock = 5.0", "06"},
    {"stock = 5.5", ""},
    {"stock != 5.5", "01234568"},
    {"stock < 0.5", "12"},
    {"stock <= 0", "12"},
    {"stock < 0", "2"},
    {"stock > 4.5", "0346"},
    {"stock >= 7", "34"},
    {"stock > 9223372036854775807", ""},
    {"stock = 9223372036854775807", "3"},
    {"stock >= 9223372036854775807", "3"},
    {"stock < 1e300", "012346"},
    {"stock > 1e300", ""},
    {"stock > -1e300", "012346"},
    {"stock < -1e300", ""},
    {"stock < -9223372036854775808", ""},
    {"stock BETWEEN -3.5 AND 0.5", "12"},
    {"stock BETWEEN 1e300 AND 2e300", ""},
    {"stock IN (5, -3, 2.5)", "026"},
    {"stock IN (2.5)", ""},
    {"stock IN (1,2,3,4,5,6,7,8,9,10,11)", "046"},
    /* boolean */
    {"sold_out", "13"},
    {"NOT sold_out", "024568"},
    {"sold_out = true", "13"},
    {"sold_out = FALSE", "026"},
    {"sold_out != true", "024568"},
    {"sold_out IN (true, false)", "01236"},
    {"sold_out IN (true)", "13"},
    {"sold_out EXISTS", "01236"},
    /* timestamp */
    {"released = \"2009-12-10\"", "0"},
    {"released != \"2009-12-10\"", "1234568"},
    {"released > \"2009-12-10\"", "1246"},
    {"released >= '2009-12-10T01:00:00+01:00'", "01246"},
    {"released < \"2010-01-01T12:00:00Z\"", "04"},
    {"released BETWEEN \"2009-12-10T00:00:00.500Z\" AND \"2011-06-01\"", "124"},
    {"released IN (\"2009-12-10\", \"2012-01-01\")", "06"},
    {"released NOT EXISTS", "358"},
    /* geo, vector, patterns */
    {"place WITHIN 1 OF (47.37, 8.54)", "0"},
    {"place WITHIN 100 KM OF (47.37, 8.54)", "01"},
    {"place WITHIN 90 OF (47.37, 8.54)", "0"},
    {"place NOT WITHIN 100 OF (47.37, 8.54)", "234568"},
    {"place WITHIN 12 OF (0, -180)", "46"},
    {"place WITHIN 20040 of (0,0)", "01246"},
    {"place EXISTS", "01246"},
    {"embedding EXISTS", ""},
    {"embedding NOT EXISTS", "01234568"},
    {"attributes.t_never = \"x\"", ""},
    {"attributes.t_never != \"x\"", "01234568"},
    {"`attributes.n_a b(c)` > 3", ""},
    /* precedence, parentheses, case, space */
    {"price = 10 AND brand = \"Acme\"", "0"},
    {"price = 10 OR brand = \"Acme\" AND sold_out", "016"},
    {"(price = 10 OR brand = \"Acme\") AND sold_out", "1"},
    {"sold_out AND brand = \"Acme\" OR price = 10", "016"},
    {"NOT sold_out AND price = 10", "06"},
    {"NOT (sold_out OR price = 10)", "2458"},
    {"NOT NOT sold_out", "13"},
    {"NOT NOT (sold_out OR price = 10)", "0136"},
    {"not (not sold_out and not price=10)", "0136"},
    {"price=10 and(brand='Acme')or(stock=7)", "04"},
    {"\t price\n=\r10 ", "06"},
    {"((((price = 10))))", "06"},
    {"price = 10 AND price != 10", ""},
    {"sold_out OR NOT sold_out", "01234568"},
    {"price BETWEEN 9 AND 11 AND stock = 5", "06"},
};

static void operators_of_every_type_pass_what_they_should(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TABLE); i++) {
        const char *got = passing(compiled(TABLE[i].text));
        if (strcmp(got, TABLE[i].passes) != 0) fail_msg("%s: %s, expected %s", TABLE[i].text, got, TABLE[i].passes);
    }
}

static const struct {
    const char *text;
    int column;
    const char *what, *fix;
} ERRORS[] = {
    {"", 1, "a field is missing before the end", "a condition looks like price < 10"},
    {"   ", 4, "a field is missing before the end", "a condition looks like price < 10"},
    {"price", 6, "a comparison is missing after price, a number field", "a condition looks like price < 10, brand IN (\"a\", \"b\") or price EXISTS; only a boolean field stands alone"},
    {"stock AND sold_out", 7, "a comparison is missing after stock, an integer field", NULL},
    {"price =", 8, "a value is missing before the end", "a value is a number, a \"string\", true or false"},
    {"price = AND", 9, "a value is missing before \"AND\"", NULL},
    {"price = \"abc\"", 9, "\"abc\" is a string, and price is a number field", "it takes = 10, < 9.5, BETWEEN 1 AND 10, IN (1, 2), EXISTS"},
    {"price = abc", 9, "abc is a word, and price is a number field", NULL},
    {"price IN (1, \"2\")", 14, "\"2\" is a string, and price is a number field", NULL},
    {"pirce > 3", 1, "the collection has no field \"pirce\"", "did you mean price?"},
    {"sold_out AND zzzzzzzzz = 1", 14, "the collection has no field \"zzzzzzzzz\"", "ListCollections names the collection's fields"},
    {"title = \"drill\"", 1, "title is a text field, which filters do not read", "search its words in the query, or declare a keyword field beside it"},
    {"brand = 5", 9, "5 is a number, and brand is a keyword field", "put it in quotes: \"5\""},
    {"brand = Acme", 9, "Acme is a word, and brand is a keyword field", "put it in quotes: \"Acme\""},
    {"brand < \"B\"", 1, "brand is a keyword field, which has no order", "it takes = \"x\", != \"x\", IN (\"x\", \"y\"), EXISTS"},
    {"tags BETWEEN \"a\" AND \"b\"", 1, "tags is a keywords field, which has no order", NULL},
    {"stock = \"5\"", 9, "\"5\" is a string, and stock is an integer field", "it takes = 10, < 10, BETWEEN 1 AND 10, IN (1, 2), EXISTS"},
    {"sold_out = 1", 12, "1 is a number, and sold_out is a boolean field", "it takes = true, = false, EXISTS, or the field alone"},
    {"sold_out = yes", 12, "yes is a word, and sold_out is a boolean field", NULL},
    {"sold_out < true", 1, "sold_out is a boolean field, which has no order", NULL},
    {"released > 2009-12-10", 12, "\"2009-12-10\" is not a number", "put times in quotes: \"2009-12-10\""},
    {"released > \"soon\"", 12, "\"soon\" is not a time, and released is a timestamp field", NULL},
    {"released > 5", 12, "5 is a number, and released is a timestamp field", NULL},
    {"place = 5", 1, "place is a geo field, which has no equality", "it takes WITHIN 10 OF (47.4, 8.5), EXISTS"},
    {"place IN (5)", 1, "place is a geo field, which has no list of values", NULL},
    {"embedding < 5", 1, "embedding is a vector field, which has no order", "it takes EXISTS"},
    {"price WITHIN 5 OF (1, 2)", 1, "price is a number field", "WITHIN needs a geo field"},
    {"place WITHIN x OF (1, 2)", 14, "a distance is missing before \"x\"", NULL},
    {"place WITHIN -1 OF (1, 2)", 14, "a distance of -1 is not between 0 and 20040", NULL},
    {"place WITHIN 1 OF (91, 2)", 20, "a latitude of 91 is not between -90 and 90", NULL},
    {"place WITHIN 1 OF (1, 200)", 23, "a longitude of 200 is not between -180 and 180", NULL},
    {"place WITHIN 1 (1, 2)", 16, "OF is missing before \"(\"", NULL},
    {"price ~ 5", 7, "\"~\" is no part of a filter", "valid: = != < <= > >= IN BETWEEN EXISTS WITHIN AND OR NOT, parentheses, commas"},
    {"price = 5 \x01", 11, "a control character (0x01)", NULL},
    {"price = 12abc", 9, "\"12abc\" is not a number", "numbers look like 10, -2.5, 1e3; strings stand in quotes"},
    {"price = 1e999", 9, "\"1e999\" is not a number", NULL},
    {"brand = \"Acme", 9, "the string that starts here has no end", "close it with the same quote"},
    {"`brand = 5", 1, "the field name that starts here has no end", "close it with the same quote"},
    {"brand = \"a\\n\"", 11, "a backslash stands before what needs none", "write \\\\ for a backslash, \\\" or \\' for a quote"},
    {"(price = 5", 11, "), AND or OR is missing before the end", NULL},
    {"price = 5)", 10, "AND or OR is missing before \")\"", "conditions are joined by AND and OR"},
    {"price = 5 brand = \"x\"", 11, "AND or OR is missing before \"brand\"", NULL},
    {"price = 5 AND", 14, "a field is missing before the end", NULL},
    {"price = 5 AND OR stock = 1", 15, "a field is missing before \"OR\"", "a field of that name stands in backquotes"},
    {"price NOT = 5", 11, "IN, BETWEEN, EXISTS or WITHIN is missing before \"=\"", NULL},
    {"price IN 5", 10, "( is missing before \"5\"", "write IN (1, 2, 3)"},
    {"price IN ()", 11, "a value is missing before \")\"", NULL},
    {"price IN (1 2)", 13, ") or a comma is missing before \"2\"", NULL},
    {"price BETWEEN 1, 2", 16, "AND is missing before \",\"", "write BETWEEN 1 AND 10"},
    {"\"price\" = 5", 1, "a field is missing before \"\"price\"\"", NULL},
    {"brand = \"Zürich\" AND 5 = price", 22, "a field is missing before \"5\"", NULL},
    {"attributes.n_x = \"5\"", 18, "\"5\" is a string, and attributes.n_x is a number field", NULL},
};

static void errors_name_the_place_and_what_is_valid(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ERRORS); i++) {
        filter *f = (filter *)1;
        sinter_error e = SINTER_ERROR_INIT;
        sinter_status st = filter_compile(s.c, str_of(ERRORS[i].text), s.a, &f, &e);
        if (st != SINTER_INVALID) fail_msg("%s: not refused", ERRORS[i].text);
        assert_null(f);
        assert_int_equal(e.status, SINTER_INVALID);
        assert_string_equal(e.where, arena_printf(s.a, "filter:%d", ERRORS[i].column));
        assert_string_equal(e.what, ERRORS[i].what);
        if (ERRORS[i].fix) assert_string_equal(e.fix, ERRORS[i].fix);
    }
}

static void a_field_not_declared_filterable_is_refused(void **state) {
    (void)state;
    static const config_field FIELDS[] = {{.name = "cost", .type = FIELD_NUMBER}, {.name = "in", .type = FIELD_NUMBER, .filterable = true}};
    static const config_collection SCHEMA = {.name = "c", .file = "c.yaml", .field = FIELDS, .n_fields = 2};
    shop other;
    shop_open_schema(&other, &SCHEMA);
    filter *f;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(filter_compile(other.c, STR("cost < 3"), other.a, &f, &e), SINTER_INVALID);
    assert_string_equal(e.what, "cost is not filterable");
    assert_int_equal(filter_compile(other.c, STR("in < 3"), other.a, &f, &e), SINTER_INVALID);
    assert_int_equal(filter_compile(other.c, STR("`in` < 3"), other.a, &f, &e), SINTER_OK);
    shop_close(&other);
}

static sinter_status compile_long(const char *open, const char *part, const char *join, uint32_t n, const char *close, sinter_error *e) {
    buffer b = {0};
    filter *f;
    buffer_puts(&b, open);
    for (uint32_t i = 0; i < n; i++) {
        if (i) buffer_puts(&b, join);
        buffer_puts(&b, part);
    }
    buffer_puts(&b, close);
    sinter_status st = filter_compile(s.c, (str){b.data, b.len}, NULL, &f, e);
    if (st == SINTER_OK) passing(f);
    filter_free(st == SINTER_OK ? f : NULL);
    buffer_free(&b);
    return st;
}

static void limits_hold_to_the_last(void **state) {
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(compile_long("", "price=10", " OR ", 1000, "", &e), SINTER_OK);
    assert_int_equal(compile_long("", "price=10", " AND ", 1001, "", &e), SINTER_INVALID);
    assert_string_equal(e.what, "too many conditions");
    assert_int_equal(compile_long("price IN (", "1", ",", 1000, ")", &e), SINTER_OK);
    assert_int_equal(compile_long("price IN (", "1", ",", 1001, ")", &e), SINTER_INVALID);
    assert_string_equal(e.what, "too many conditions");
    assert_string_equal(e.fix, "at most 1,000 conditions, values of IN counted one by one");
    assert_int_equal(compile_long("", "(", "", 64, "price=1))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))", &e), SINTER_OK);
    assert_int_equal(compile_long("", "(", "", 65, "price=1", &e), SINTER_INVALID);
    assert_string_equal(e.what, "nested too deeply");
    assert_string_equal(e.where, "filter:65");
    assert_int_equal(compile_long("", "NOT ", "", 64, "sold_out", &e), SINTER_OK);
    assert_int_equal(compile_long("", "NOT ", "", 65, "sold_out", &e), SINTER_INVALID);
    assert_int_equal(compile_long("", "(price=1 OR price=2 AND ", "", 64, "sold_out))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))", &e), SINTER_OK);
    assert_int_equal(compile_long("price=1", " ", "", (64 << 10) - 7, "", &e), SINTER_OK);
    assert_int_equal(compile_long("price=1", " ", "", (64 << 10) - 6, "", &e), SINTER_INVALID);
    assert_string_equal(e.what, "the filter is 65537 bytes long");
    assert_string_equal(e.fix, "at most 64 KiB");
}

static void values_and_fields_that_come_later_are_seen(void **state) {
    (void)state;
    filter *brand = compiled("brand = \"Late\""), *many = compiled("brand IN (\"Late\", \"Acme\", \"Later\")");
    filter *pattern = compiled("attributes.t_new = \"x\""), *not_pattern = compiled("attributes.t_new != \"x\"");
    assert_string_equal(passing(brand), "");
    assert_string_equal(passing(pattern), "");
    Sinter__V1__Item *item = item_new(s.a, "i8");
    item_add(s.a, item, "brand", v_string(s.a, "Late"));
    item_add(s.a, item, "attributes.t_new", v_string(s.a, "x"));
    shop_put(&s, 8, item, NULL);
    assert_string_equal(passing(pattern), ""); /* not published yet */
    shop_publish(&s);
    assert_string_equal(passing(brand), "8");
    assert_string_equal(passing(many), "018");
    assert_string_equal(passing(pattern), "8");
    assert_string_equal(passing(not_pattern), "0123456");
}

static void joined_filters_pass_what_both_pass(void **state) {
    (void)state;
    filter *x = compiled("price = 10 OR brand = \"Acme\""), *y = compiled("NOT sold_out"), *z = compiled("(stock = 5 AND (price > 1 OR sold_out))");
    assert_null(filter_and(s.a, NULL, NULL));
    assert_ptr_equal(filter_and(s.a, x, NULL), x);
    assert_ptr_equal(filter_and(s.a, NULL, y), y);
    assert_string_equal(passing(filter_and(s.a, x, y)), "06");
    assert_string_equal(passing(filter_and(s.a, y, filter_and(s.a, z, x))), "06");
    filter *none = filter_and(NULL, x, compiled("brand = \"Bolt\""));
    assert_string_equal(passing(none), "");
    filter_free(none);
    filter *deep = x;
    for (int i = 0; i < 300; i++)
        deep = filter_and(s.a, y, deep);
    assert_string_equal(passing(deep), "06");
    assert_string_equal(passing(NULL), "01234568");
}

static void a_scan_goes_on_where_it_stopped(void **state) {
    (void)state;
    filter *f = compiled("price <= 10"); /* 0 1 3 4 6 */
    uint32_t item[4];
    uint64_t count;
    assert_int_equal(filter_scan(f, catalog_current(s.c), 0, 2, item, &count), 2);
    assert_true(item[0] == 0 && item[1] == 1 && count == 5);
    assert_int_equal(filter_scan(f, catalog_current(s.c), item[1] + 1, 4, item, NULL), 3);
    assert_true(item[0] == 3 && item[1] == 4 && item[2] == 6);
    assert_int_equal(filter_scan(f, catalog_current(s.c), 7, 4, item, &count), 0);
    assert_int_equal(count, 5);
    assert_int_equal(filter_scan(f, catalog_current(s.c), 0, 0, item, NULL), 0);
    assert_int_equal(filter_scan(NULL, catalog_current(s.c), 5, 4, item, &count), 3);
    assert_true(item[0] == 5 && item[1] == 6 && item[2] == 8 && count == 8);
}

static void some_items_can_be_left_out(void **state) {
    (void)state;
    uint32_t out[] = {6, 0, 6, 4000000000u}, item[8];
    uint8_t pass[8];
    uint64_t count;
    filter *without = filter_without(s.a, out, 4), *f = filter_and(s.a, compiled("price <= 10"), without); /* 0 1 3 4 6 */
    assert_int_equal(filter_scan(f, catalog_current(s.c), 0, 8, item, &count), 3);
    assert_true(item[0] == 1 && item[1] == 3 && item[2] == 4 && count == 3);
    assert_int_equal(filter_scan(without, catalog_current(s.c), 0, 8, item, NULL), 6);
    assert_true(!filter_test(f, catalog_current(s.c), 6) && filter_test(f, catalog_current(s.c), 4));
    assert_true(!filter_test(f, catalog_current(s.c), 2) && filter_test(without, catalog_current(s.c), 2));
    filter_match(filter_and(s.a, without, compiled("NOT price <= 10")), catalog_current(s.c), (uint32_t[]){0, 1, 2, 6}, 4, pass);
    assert_true(!pass[0] && !pass[1] && pass[2] && !pass[3]);
    assert_true(filter_test(filter_without(s.a, out, 0), catalog_current(s.c), 0));
}

/* Clauses as text: "brand:a|b & tags:c". */
static const char *clauses(const char *text) {
    uint32_t n;
    const filter_clause *c = filter_clauses(compiled(text), &n);
    const char *out = "";
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < c[i].n; k++)
            out = arena_printf(s.a, "%s%s%s:%.*s", out, k ? "|" : i ? " & " : "", c[i].term[k].field->name, (int)c[i].term[k].value.n, c[i].term[k].value.s);
    }
    return out;
}

static void the_index_gets_the_keywords_that_must_hold(void **state) {
    (void)state;
    assert_string_equal(clauses("brand = \"a\""), "brand:a");
    assert_string_equal(clauses("brand IN (\"a\", \"b\") AND price > 3"), "brand:a|brand:b");
    assert_string_equal(clauses("(brand = \"a\" OR tags = \"t\") AND (tags = \"u\" AND stock = 1)"), "brand:a|tags:t & tags:u");
    assert_string_equal(clauses("brand = \"a\" OR price > 3"), "");
    assert_string_equal(clauses("brand != \"a\" AND NOT tags = \"x\" AND NOT (brand = \"q\" AND tags = \"r\")"), "");
    assert_string_equal(clauses("NOT NOT brand = \"a\""), "brand:a");
    assert_string_equal(clauses("NOT brand != \"a\""), "brand:a");
    assert_string_equal(clauses("attributes.t_never = \"x\""), "");
    uint32_t n;
    const filter_clause *c = filter_clauses(filter_and(s.a, compiled("brand = \"a\""), compiled("tags = \"b\" AND sold_out")), &n);
    assert_int_equal(n, 2);
    assert_string_equal(c[0].term[0].value.s, "b"); /* the deeper program stands first */
    assert_string_equal(c[1].term[0].value.s, "a");
    filter_clauses(NULL, &n);
    assert_int_equal(n, 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, open_shop, close_shop)
    const struct CMUnitTest tests[] = {
        T(operators_of_every_type_pass_what_they_should),
        T(errors_name_the_place_and_what_is_valid),
        T(a_field_not_declared_filterable_is_refused),
        T(limits_hold_to_the_last),
        T(values_and_fields_that_come_later_are_seen),
        T(joined_filters_pass_what_both_pass),
        T(a_scan_goes_on_where_it_stopped),
        T(some_items_can_be_left_out),
        T(the_index_gets_the_keywords_that_must_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
