/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Validation: what is taken and converted, and the exact text of every refusal. */
#include "catalog/fixture.h"

static shop s;

static int open_shop(void **state) {
    (void)state;
    shop_open(&s);
    return 0;
}
static int close_shop(void **state) {
    (void)state;
    shop_close(&s);
    return 0;
}

static Sinter__V1__Item *titled(const char *id) {
    Sinter__V1__Item *item = item_new(s.a, id);
    item_add(s.a, item, "title", v_string(s.a, "A drill"));
    return item;
}

static Sinter__V1__Item *accepted(const Sinter__V1__Item *item) {
    Sinter__V1__Item *normal;
    Sinter__V1__FieldViolation **v;
    size_t n;
    sinter_status st = catalog_check_item(s.c, item, "items[3]", s.a, &normal, &v, &n);
    if (n) print_error("%s: %s\n", v[0]->field, v[0]->description);
    assert_int_equal(st, SINTER_OK);
    assert_int_equal(n, 0);
    assert_non_null(normal);
    return normal;
}

/* All violations as lines "path: description\n". */
static const char *refused(const Sinter__V1__Item *item) {
    Sinter__V1__Item *normal;
    Sinter__V1__FieldViolation **v;
    size_t n;
    assert_int_equal(catalog_check_item(s.c, item, "items[3]", s.a, &normal, &v, &n), SINTER_INVALID);
    assert_null(normal);
    const char *out = "";
    for (size_t i = 0; i < n; i++)
        out = arena_printf(s.a, "%s%s: %s\n", out, v[i]->field, v[i]->description);
    return out;
}

static const Sinter__V1__Value *taken(const char *field, Sinter__V1__Value *v) {
    Sinter__V1__Item *item = titled("x");
    item_add(s.a, item, field, v);
    return catalog_item_value(accepted(item), field);
}

static void each_type_takes_its_own_kind(void **state) {
    (void)state;
    assert_string_equal(taken("notes", v_string(s.a, "n"))->string_value, "n");
    assert_string_equal(taken("brand", v_string(s.a, "Acme"))->string_value, "Acme");
    assert_int_equal(taken("tags", v_strings(s.a, 2, (const char *[]){"a", "b"}))->strings_value->n_values, 2);
    assert_true(taken("price", v_number(s.a, 9.5))->number_value == 9.5);
    assert_int_equal(taken("stock", v_integer(s.a, INT64_MIN))->integer_value, INT64_MIN);
    assert_true(taken("sold_out", v_boolean(s.a, true))->boolean_value);
    assert_int_equal(taken("released", v_time(s.a, 1260403200, 5))->timestamp_value->seconds, 1260403200);
    assert_int_equal(taken("embedding", v_vector(s.a, 3, (float[]){1, 2, 3}))->vector_value->n_values, 3);
    assert_true(taken("place", v_geo(s.a, 47.4, 8.5))->geo_value->latitude == 47.4);
    assert_string_equal(taken("attributes.t_colour", v_string(s.a, "red"))->string_value, "red");
    assert_string_equal(taken("texts.de.body", v_string(s.a, "Bohrer"))->string_value, "Bohrer");
}

static void what_means_the_same_is_converted(void **state) {
    (void)state;
    const Sinter__V1__Value *v = taken("stock", v_number(s.a, 12));
    assert_int_equal(v->kind_case, SINTER__V1__VALUE__KIND_INTEGER_VALUE);
    assert_int_equal(v->integer_value, 12);
    v = taken("price", v_integer(s.a, 12));
    assert_int_equal(v->kind_case, SINTER__V1__VALUE__KIND_NUMBER_VALUE);
    assert_true(v->number_value == 12);
    v = taken("tags", v_string(s.a, "one"));
    assert_int_equal(v->kind_case, SINTER__V1__VALUE__KIND_STRINGS_VALUE);
    assert_string_equal(v->strings_value->values[0], "one");
    v = taken("released", v_string(s.a, "2009-12-10T00:00:00.250Z"));
    assert_int_equal(v->kind_case, SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE);
    assert_int_equal(v->timestamp_value->seconds, 1260403200);
    assert_int_equal(v->timestamp_value->nanos, 250000000);
    v = taken("released", v_string(s.a, "1969-12-31T23:59:59.5Z"));
    assert_int_equal(v->timestamp_value->seconds, -1);
    assert_int_equal(v->timestamp_value->nanos, 500000000);
}

static void nulls_and_empty_lists_are_dropped(void **state) {
    (void)state;
    Sinter__V1__Item *item = titled("x");
    item_add(s.a, item, "price", value_of(s.a, SINTER__V1__VALUE__KIND__NOT_SET));
    item_add(s.a, item, "brand", NULL);
    item_add(s.a, item, "tags", v_strings(s.a, 0, NULL));
    item_add(s.a, item, "attributes.t_null", NULL);
    Sinter__V1__Item *normal = accepted(item);
    assert_int_equal(normal->n_fields, 1);
    assert_null(catalog_find_field(s.c, "attributes.t_null"));
}

static void fields_are_journaled_in_the_order_of_their_names(void **state) {
    (void)state;
    Sinter__V1__Item *item = titled("x");
    item_add(s.a, item, "price", v_number(s.a, 1));
    item_add(s.a, item, "brand", v_string(s.a, "B"));
    Sinter__V1__Item *normal = accepted(item);
    assert_string_equal(normal->fields[0]->key, "brand");
    assert_string_equal(normal->fields[1]->key, "price");
    assert_string_equal(normal->fields[2]->key, "title");
    assert_string_equal(item->fields[0]->key, "title"); /* what came is left alone */
}

static void every_refusal_says_path_reason_and_what_is_valid(void **state) {
    (void)state;
    char *long_keyword = arena_alloc(s.a, 1026);
    memset(long_keyword, 'k', 1025);
    long_keyword[1025] = '\0';
    char *long_text = arena_alloc(s.a, CATALOG_MAX_TEXT_BYTES + 2u);
    memset(long_text, 't', CATALOG_MAX_TEXT_BYTES + 1u);
    long_text[CATALOG_MAX_TEXT_BYTES + 1u] = '\0';
    const char **many = arena_alloc(s.a, 1001 * sizeof *many);
    for (int i = 0; i < 1001; i++)
        many[i] = "t";
    const char *K40 = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";
    struct {
        const char *field;
        Sinter__V1__Value *value;
        const char *line; /* after "items[3].fields." */
    } rows[] = {
        {"notes", v_number(s.a, 1), "notes: 1 is a number; a text field takes a string of at most 4 MiB"},
        {"notes", v_strings(s.a, 1, (const char *[]){"x"}), "notes: it is a list of strings; a text field takes a string of at most 4 MiB"},
        {"notes", v_string(s.a, long_text), "notes: it is 4194305 bytes long; a text field takes a string of at most 4 MiB"},
        {"brand", v_boolean(s.a, true), "brand: true is a boolean; a keyword field takes a string of at most 1,024 bytes"},
        {"brand", v_string(s.a, long_keyword), arena_printf(s.a, "brand: \"%s…\" is 1025 bytes long; a keyword field takes a string of at most 1,024 bytes", K40)},
        {"tags", v_integer(s.a, 7), "tags: 7 is an integer; a keywords field takes at most 1,000 strings of at most 1,024 bytes each"},
        {"tags", v_strings(s.a, 1001, many), "tags: it holds 1001 strings; a keywords field takes at most 1,000 strings of at most 1,024 bytes each"},
        {"tags", v_strings(s.a, 2, (const char *[]){"ok", long_keyword}), arena_printf(s.a, "tags: \"%s…\" is 1025 bytes long; a keywords field takes at most 1,000 strings of at most 1,024 bytes each", K40)},
        {"price", v_number(s.a, NAN), "price: NaN is not a finite number; a number field takes a finite number"},
        {"price", v_number(s.a, INFINITY), "price: infinity is not a finite number; a number field takes a finite number"},
        {"price", v_number(s.a, -INFINITY), "price: -infinity is not a finite number; a number field takes a finite number"},
        {"price", v_string(s.a, "abc"), "price: \"abc\" is a string; a number field takes a finite number"},
        {"price", v_string(s.a, "a\xff\x01z"), "price: \"a??z\" is a string; a number field takes a finite number"},
        {"stock", v_number(s.a, 1.5), "stock: 1.5 is not a whole number; an integer field takes a whole number of 64 bits"},
        {"stock", v_number(s.a, NAN), "stock: NaN is not a finite number; an integer field takes a whole number of 64 bits"},
        {"stock", v_number(s.a, 0x1p63), "stock: 9.2233720368547758e+18 does not fit into 64 bits; an integer field takes a whole number of 64 bits"},
        {"stock", v_geo(s.a, 1, 2), "stock: it is a geo point; an integer field takes a whole number of 64 bits"},
        {"sold_out", v_integer(s.a, 1), "sold_out: 1 is an integer; a boolean field takes true or false"},
        {"sold_out", v_string(s.a, "true"), "sold_out: \"true\" is a string; a boolean field takes true or false"},
        {"released", v_string(s.a, "soon"), "released: \"soon\" is not a time; a timestamp field takes a timestamp, or a string such as \"2009-12-10T00:00:00Z\", of the years 1 to 9999"},
        {"released", v_time(s.a, 253402300800, 0), "released: 253402300800 seconds are out of range; a timestamp field takes a timestamp, or a string such as \"2009-12-10T00:00:00Z\", of the years 1 to 9999"},
        {"released", v_time(s.a, 0, -1), "released: -1 nanoseconds are out of range; a timestamp field takes a timestamp, or a string such as \"2009-12-10T00:00:00Z\", of the years 1 to 9999"},
        {"released", v_vector(s.a, 1, (float[]){1}), "released: it is a vector; a timestamp field takes a timestamp, or a string such as \"2009-12-10T00:00:00Z\", of the years 1 to 9999"},
        {"embedding", v_vector(s.a, 2, (float[]){1, 2}), "embedding: it holds 2 numbers; a vector field of dimension 3 takes 3 finite numbers"},
        {"embedding", v_vector(s.a, 3, (float[]){1, NAN, 2}), "embedding: number 1: NaN is not a finite number; a vector field of dimension 3 takes 3 finite numbers"},
        {"embedding", v_time(s.a, 1, 0), "embedding: it is a timestamp; a vector field of dimension 3 takes 3 finite numbers"},
        {"place", v_geo(s.a, 91, 0), "place: latitude 91 is out of range; a geo field takes a latitude of -90 to 90 and a longitude of -180 to 180 degrees"},
        {"place", v_geo(s.a, 0, -181), "place: longitude -181 is out of range; a geo field takes a latitude of -90 to 90 and a longitude of -180 to 180 degrees"},
        {"place", v_geo(s.a, NAN, 0), "place: latitude nan is out of range; a geo field takes a latitude of -90 to 90 and a longitude of -180 to 180 degrees"},
        {"place", v_string(s.a, "1,2"), "place: \"1,2\" is a string; a geo field takes a latitude of -90 to 90 and a longitude of -180 to 180 degrees"},
        {"pirce", v_number(s.a, 1), "pirce: the collection has no such field; did you mean \"price\"?"},
        {"zzzzzzzzzz", v_number(s.a, 1), "zzzzzzzzzz: the collection has no such field; it declares title, notes, brand, tags, price, stock, sold_out, released, embedding, place, … (13 in all)"},
        {"", v_number(s.a, 1), ": the collection has no such field; it declares title, notes, brand, tags, price, stock, sold_out, released, embedding, place, … (13 in all)"},
        {"attributes.t_a\nb", v_string(s.a, "x"), "attributes.t_a?b: its name holds a control character; a name is 1 to 256 bytes of UTF-8 without control characters"},
        {"attributes.n_x", v_string(s.a, "x"), "attributes.n_x: \"x\" is a string; a number field takes a finite number"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Sinter__V1__Item *item = titled("x");
        item_add(s.a, item, rows[i].field, rows[i].value);
        assert_string_equal(refused(item), arena_printf(s.a, "items[3].fields.%s\n", rows[i].line));
    }
    assert_null(catalog_find_field(s.c, "attributes.n_x")); /* what is refused makes no field */
}

static void an_item_is_told_all_that_is_wrong(void **state) {
    (void)state;
    Sinter__V1__Item *item = item_new(s.a, "a\tb");
    item_add(s.a, item, "price", v_number(s.a, NAN));
    item_add(s.a, item, "brand", v_string(s.a, "A"));
    item_add(s.a, item, "brand", v_string(s.a, "B"));
    item_add(s.a, item, "brand", v_string(s.a, "C"));
    assert_string_equal(refused(item),
                        "items[3].id: holds a control character; an id is 1 to 256 bytes of UTF-8 without control characters\n"
                        "items[3].fields.brand: is given more than once; a field has one value (keywords take a list)\n"
                        "items[3].fields.price: NaN is not a finite number; a number field takes a finite number\n"
                        "items[3].fields.title: is missing; the field is required: a text field takes a string of at most 4 MiB\n");
    assert_string_equal(refused(titled("")), "items[3].id: is empty; an id is 1 to 256 bytes of UTF-8 without control characters\n");
}

static void a_required_field_of_a_wrong_type_is_told_once(void **state) {
    (void)state;
    Sinter__V1__Item *item = item_new(s.a, "x");
    item_add(s.a, item, "title", v_number(s.a, 1));
    assert_string_equal(refused(item), "items[3].fields.title: 1 is a number; a text field takes a string of at most 4 MiB\n");
}

static void patterns_make_fields_up_to_the_limit(void **state) {
    (void)state;
    const catalog_field *f[CATALOG_MAX_FIELDS];
    uint32_t declared = catalog_fields(s.c, f);
    assert_int_equal(declared, 10); /* patterns are no fields */
    for (uint32_t i = declared; i < CATALOG_MAX_FIELDS; i++) {
        Sinter__V1__Item *item = titled("x");
        item_add(s.a, item, arena_printf(s.a, "attributes.n_%u", i), v_number(s.a, i));
        accepted(item);
        if (i == CATALOG_MAX_FIELDS - 2) { /* one left: an item that brings two gets neither */
            Sinter__V1__Item *two = titled("x");
            item_add(s.a, two, "attributes.t_p", v_string(s.a, "1"));
            item_add(s.a, two, "attributes.t_q", v_string(s.a, "1"));
            assert_string_equal(refused(two), "items[3].fields.attributes.t_p: is a new field of the pattern \"attributes.t_*\", and the collection cannot hold 2 more; it may hold 2000 fields in all, new names have to be fewer\n");
            assert_null(catalog_find_field(s.c, "attributes.t_p"));
        }
    }
    assert_int_equal(catalog_fields(s.c, f), CATALOG_MAX_FIELDS);
    for (uint32_t i = 0; i < CATALOG_MAX_FIELDS; i++) {
        assert_int_equal(f[i]->number, i);
        assert_ptr_equal(catalog_find_field(s.c, f[i]->name), f[i]);
        assert_int_equal(f[i]->from_pattern, i >= declared);
    }
    Sinter__V1__Item *one_more = titled("x");
    item_add(s.a, one_more, "attributes.t_p", v_string(s.a, "1"));
    assert_string_equal(refused(one_more), "items[3].fields.attributes.t_p: is a new field of the pattern \"attributes.t_*\", and the collection cannot hold 1 more; it may hold 2000 fields in all, new names have to be fewer\n");
    Sinter__V1__Item *known = titled("x");
    item_add(s.a, known, "attributes.n_77", v_number(s.a, 1));
    accepted(known);
    assert_null(catalog_column(shop_publish(&s), "texts.de.body"));
    assert_non_null(catalog_column(shop_publish(&s), "attributes.n_1999"));
}

static void an_item_of_too_many_fields_is_refused_at_once(void **state) {
    (void)state;
    Sinter__V1__Item *item = item_new(s.a, "x");
    item->n_fields = 2001;
    item->fields = arena_alloc(s.a, 2001 * sizeof *item->fields);
    Sinter__V1__Item *one = titled("x");
    for (size_t i = 0; i < 2001; i++)
        item->fields[i] = one->fields[0];
    assert_string_equal(refused(item), "items[3].fields: holds 2001 fields; an item has at most 2000\n");
}

static void any_bytes_are_survived(void **state) {
    (void)state;
    rng r;
    rng_seed(&r, test_seed());
    for (int i = 0; i < 20000; i++) {
        Sinter__V1__Item *item = item_new(s.a, "");
        uint64_t n = rng_below(&r, 6);
        for (uint64_t k = 0; k < n; k++) {
            char name[300], text[300];
            size_t name_n = rng_below(&r, 299), text_n = rng_below(&r, 299);
            for (size_t j = 0; j < name_n; j++)
                name[j] = (char)(1 + rng_below(&r, 255));
            for (size_t j = 0; j < text_n; j++)
                text[j] = (char)(1 + rng_below(&r, 255));
            name[name_n] = text[text_n] = '\0';
            bool known = rng_below(&r, 2);
            item_add(s.a, item, known ? SHOP_FIELDS[rng_below(&r, 10)].name : name, v_string(s.a, text));
        }
        const char *lines = refused(item);
        assert_true(utf8_valid(lines, strlen(lines), NULL));
        if (i % 100 == 0) arena_reset(s.a);
    }
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, open_shop, close_shop)
    const struct CMUnitTest tests[] = {
        T(each_type_takes_its_own_kind),
        T(what_means_the_same_is_converted),
        T(nulls_and_empty_lists_are_dropped),
        T(fields_are_journaled_in_the_order_of_their_names),
        T(every_refusal_says_path_reason_and_what_is_valid),
        T(an_item_is_told_all_that_is_wrong),
        T(a_required_field_of_a_wrong_type_is_told_once),
        T(patterns_make_fields_up_to_the_limit),
        T(an_item_of_too_many_fields_is_refused_at_once),
        T(any_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
