/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of CSV, TSV and JSONL as one line of text each, refused rows with their reason, cells as values. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands/import_file.h"

static arena *a;

static int setup(void **state) {
    (void)state;
    a = arena_new(4096);
    return 0;
}
static int teardown(void **state) {
    (void)state;
    arena_free(a);
    return 0;
}

static const char *cell_text(const import_cell *c) {
    const char *out = "";
    switch (c->kind) {
    case CELL_TEXT:
    case CELL_STRING: return arena_printf(a, "'%s'", c->text);
    case CELL_NUMBER: return arena_printf(a, "%g", c->number);
    case CELL_INTEGER: return arena_printf(a, "%" PRId64 "i", c->integer);
    case CELL_BOOLEAN: return c->boolean ? "true" : "false";
    case CELL_GEO: return arena_printf(a, "geo(%g %g)", c->geo[0], c->geo[1]);
    default: break;
    }
    for (uint32_t i = 0; i < c->n; i++)
        out = c->kind == CELL_STRINGS ? arena_printf(a, "%s<%s>", out, c->string[i]) : arena_printf(a, "%s<%g>", out, c->numbers[i]);
    return arena_printf(a, "[%s]", out);
}

/* "LINE name=value name=value\nLINE !problem\n" */
static const char *rows_of(import_format format, const char *text, size_t n) {
    import_file *f;
    sinter_error e = SINTER_ERROR_INIT;
    char line[1600];
    FILE *in = fmemopen((void *)text, n ? n : 1, "r");
    if (n == 0) getc(in);
    if (import_open(in, format, "f", &f, &e) != SINTER_OK) return arena_strdup(a, error_line(&e, line, sizeof line));
    const char *out = "";
    import_row row;
    while (import_next(f, a, &row)) {
        out = arena_printf(a, "%s%" PRIu64, out, row.line);
        if (row.problem) out = arena_printf(a, "%s !%s", out, row.problem);
        for (uint32_t i = 0; !row.problem && i < row.n; i++)
            out = arena_printf(a, "%s %s=%s", out, row.cell[i].name, cell_text(&row.cell[i]));
        out = arena_printf(a, "%s\n", out);
    }
    import_close(f);
    return out;
}

#define ROWS(format, text) rows_of(format, text, sizeof(text) - 1)

static void csv_reads_as_rfc_4180_says(void **state) {
    (void)state;
    assert_string_equal(ROWS(IMPORT_CSV, "id,title\n1,drill\n2,\"a, \"\"b\"\"\"\r\n3,\n"), "2 id='1' title='drill'\n3 id='2' title='a, \"b\"'\n4 id='3'\n");
    assert_string_equal(ROWS(IMPORT_CSV, "\xEF\xBB\xBFid,t\r\n1,\"two\nlines\"\r\n2,x"), "2 id='1' t='two\nlines'\n4 id='2' t='x'\n");
    assert_string_equal(ROWS(IMPORT_CSV, "\"id\",\"t,u\"\n\n1,5\" bolt\" \n"), "3 id='1' t,u='5\" bolt\" '\n"); /* quotes inside, in pairs here */
    assert_string_equal(ROWS(IMPORT_CSV, "id,t\n1\n1,2,3\n4,\"x\"y\n5,z\n"), "2 !it has 1 columns, the header 2\n3 !it has 3 columns, the header 2\n4 !column 2 goes on after its closing quote\n5 id='5' t='z'\n");
    assert_string_equal(ROWS(IMPORT_CSV, "id,t\n1,\"open\n2,x\n"), "2 !a quote has no end\n");
    assert_string_equal(ROWS(IMPORT_CSV, "id,t\n1,a\0b\n2,x\n"), "2 !it holds a NUL byte\n3 id='2' t='x'\n");
    assert_string_equal(ROWS(IMPORT_CSV, "id,t\n# line 7: refused, then corrected\n1,x\n"), "3 id='1' t='x'\n");
    assert_string_equal(ROWS(IMPORT_CSV, "id,t\n"), "");
    assert_string_equal(ROWS(IMPORT_CSV, "id\n1\n\n2\n"), "2 id='1'\n3\n4 id='2'\n");
}

static void a_header_that_cannot_name_columns_is_refused(void **state) {
    (void)state;
    assert_string_equal(ROWS(IMPORT_CSV, ""), "f: the file is empty; its first line names the columns");
    assert_string_equal(ROWS(IMPORT_CSV, "id,,t\n"), "f:1: column 2 has no name; name it");
    assert_string_equal(ROWS(IMPORT_TSV, "id\tt\tid\n"), "f:1: columns 1 and 3 are both named \"id\"; rename one");
    assert_string_equal(ROWS(IMPORT_CSV, "id,\"t\n1,2\n"), "f:1: the header: a quote has no end; its first line names the columns");
}

static void tsv_knows_no_quotes(void **state) {
    (void)state;
    assert_string_equal(ROWS(IMPORT_TSV, "id\tt\n1\t\"x\n2\ta,b\r\n3\t\n4\n"), "2 id='1' t='\"x'\n3 id='2' t='a,b'\n4 id='3'\n5 !it has 1 columns, the header 2\n");
}

static void json_is_flattened(void **state) {
    (void)state;
    assert_string_equal(ROWS(IMPORT_JSONL, "{\"id\": \"1\", \"a\": {\"b\": {\"c\": 1.5}, \"d\": true}, \"n\": null, \"i\": 7}\n"), "1 id='1' a.b.c=1.5 a.d=true i=7i\n");
    assert_string_equal(ROWS(IMPORT_JSONL, "\n{\"s\": [\"x\", \"y\"], \"v\": [1, 2.5], \"e\": []}\n"), "2 s=[<x><y>] v=[<1><2.5>] e=[]\n");
    assert_string_equal(ROWS(IMPORT_JSONL, "{\"p\": {\"lat\": 47.4, \"lon\": 8}, \"q\": {\"latitude\": 1, \"longitude\": 2}, \"r\": {\"lat\": 1, \"lon\": 2, \"x\": 3}}"),
                        "1 p=geo(47.4 8) q=geo(1 2) r.lat=1i r.lon=2i r.x=3i\n");
    assert_string_equal(ROWS(IMPORT_JSONL, "[1]\n{\"a\": [1, \"x\"]}\n{\"a\": 1, \"a\": 2}\n"),
                        "1 !it is not an object\n2 !a: a list holds strings only or numbers only\n3 !column 12: duplicate object key near '\"a\"'\n");
    assert_non_null(strstr(ROWS(IMPORT_JSONL, "{\"a\": }\n{\"id\": 1}\n"), "2 id=1i\n"));
    buffer deep = {0};
    for (int i = 0; i < 17; i++)
        buffer_puts(&deep, "{\"a\":");
    buffer_puts(&deep, "1}}}}}}}}}}}}}}}}}");
    assert_string_equal(rows_of(IMPORT_JSONL, deep.data, deep.len), "1 !objects are nested more than 16 deep\n");
    buffer_free(&deep);
}

static void a_row_too_long_is_one_refused_row(void **state) {
    (void)state;
    size_t n = IMPORT_MAX_ROW_BYTES + 100;
    char *text = xmalloc(n + 32);
    memset(text, 'x', n);
    memcpy(text, "id\n", 3);
    memcpy(text + n, "\n2\n", 4);
    assert_string_equal(rows_of(IMPORT_CSV, text, n + 3), "2 !it is longer than 16 MiB\n3 id='2'\n");
    free(text);
}

static const char *value_text(import_cell c, const char *type) {
    Sinter__V1__Value *v;
    const char *problem = import_value(&c, type, a, &v), *out = "";
    if (problem) return problem;
    if (!v) return "none";
    switch (v->kind_case) {
    case SINTER__V1__VALUE__KIND_STRING_VALUE: return arena_printf(a, "string %s", v->string_value);
    case SINTER__V1__VALUE__KIND_NUMBER_VALUE: return arena_printf(a, "number %g", v->number_value);
    case SINTER__V1__VALUE__KIND_INTEGER_VALUE: return arena_printf(a, "integer %" PRId64, v->integer_value);
    case SINTER__V1__VALUE__KIND_BOOLEAN_VALUE: return v->boolean_value ? "true" : "false";
    case SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE:
        return arena_printf(a, "time %" PRId64 ".%09d", v->timestamp_value->seconds, v->timestamp_value->nanos);
    case SINTER__V1__VALUE__KIND_GEO_VALUE: return arena_printf(a, "geo %g %g", v->geo_value->latitude, v->geo_value->longitude);
    case SINTER__V1__VALUE__KIND_STRINGS_VALUE:
        for (size_t i = 0; i < v->strings_value->n_values; i++)
            out = arena_printf(a, "%s<%s>", out, v->strings_value->values[i]);
        return out;
    case SINTER__V1__VALUE__KIND_VECTOR_VALUE:
        for (size_t i = 0; i < v->vector_value->n_values; i++)
            out = arena_printf(a, "%s[%g]", out, (double)v->vector_value->values[i]);
        return out;
    default: return "?";
    }
}

static void cells_become_values_of_their_fields_type(void **state) {
    (void)state;
    static const struct {
        const char *text, *type, *value;
    } ROWS_OF_TEXT[] = {
        {"a b", "text", "string a b"}, {"", "text", "none"}, {"x", "keyword", "string x"}, {"a| b |c", "keywords", "<a><b><c>"}, {"|", "keywords", "none"},
        {" 12 ", "integer", "integer 12"}, {"12.5", "integer", "number 12.5"}, {"x", "integer", "\"x\" is not a whole number"},
        {"1e3", "number", "number 1000"}, {"nan", "number", "\"nan\" is not a finite number"}, {"yes", "boolean", "true"}, {"0", "boolean", "false"},
        {"2", "boolean", "\"2\" is not true or false"}, {"2009-12-10", "timestamp", "time 1260403200.000000000"},
        {"1969-12-31T23:59:59.25Z", "timestamp", "time -1.250000000"}, {"2009-12-10T02:00:00.0000000019+02:00", "timestamp", "time 1260403200.000000001"},
        {"some day", "timestamp", "string some day"}, {"[1, 2.5,3]", "vector", "[1][2.5][3]"},
        {"1 x", "vector", "\"x\" is not a number of a list"}, {"47.4,8.5", "geo", "geo 47.4 8.5"}, {"47.4", "geo", "\"47.4\" is not a place such as 47.4,8.5"},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS_OF_TEXT); i++)
        assert_string_equal(value_text((import_cell){.kind = CELL_TEXT, .text = ROWS_OF_TEXT[i].text}, ROWS_OF_TEXT[i].type), ROWS_OF_TEXT[i].value);
    double two[2] = {1, 2.5};
    char *strings[] = {(char *)"x", (char *)"y"};
    assert_string_equal(value_text((import_cell){.kind = CELL_NUMBERS, .n = 2, .numbers = two}, "vector"), "[1][2.5]");
    assert_string_equal(value_text((import_cell){.kind = CELL_NUMBERS, .n = 2, .numbers = two}, "geo"), "geo 1 2.5");
    assert_string_equal(value_text((import_cell){.kind = CELL_NUMBERS, .n = 2, .numbers = two}, "keywords"), "<1><2.5>");
    assert_string_equal(value_text((import_cell){.kind = CELL_STRINGS, .n = 2, .string = strings}, "keywords"), "<x><y>");
    assert_string_equal(value_text((import_cell){.kind = CELL_STRINGS}, "keywords"), "none");
    assert_string_equal(value_text((import_cell){.kind = CELL_INTEGER, .integer = 3}, "number"), "integer 3");
    assert_string_equal(value_text((import_cell){.kind = CELL_BOOLEAN, .boolean = true}, "boolean"), "true");
}

static void the_ending_names_the_format(void **state) {
    (void)state;
    import_format f;
    assert_true(import_format_of("a/b.jsonl", &f) && f == IMPORT_JSONL);
    assert_true(import_format_of("b.x.CSV", &f) && f == IMPORT_CSV);
    assert_true(import_format_of("b.tsv", &f) && f == IMPORT_TSV);
    assert_false(import_format_of("b.json", &f));
    assert_false(import_format_of("csv", &f));
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(csv_reads_as_rfc_4180_says), T(a_header_that_cannot_name_columns_is_refused), T(tsv_knows_no_quotes), T(json_is_flattened),
        T(a_row_too_long_is_one_refused_row), T(cells_become_values_of_their_fields_type), T(the_ending_names_the_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
