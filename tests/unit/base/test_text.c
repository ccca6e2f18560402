/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Numbers as people write them, UTF-8, ids, spelling suggestions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static void doubles_are_read_whole(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } GOOD[] = {{"0", 0},      {"-1.5", -1.5},
                {"+2", 2},     {"1e3", 1000},
                {"1E-2", .01}, {".5", .5},
                {"5.", 5},     {"00.1", .1},
                {"1e-400", 0}, {"1.7976931348623157e308", 1.7976931348623157e308},
                {"0.1", 0.1},  {"5e-324", 5e-324}};
    static const char *const BAD[] = {"",         " 1",    "1 ",    "1,5",   "0x10",   "0x1p3", "inf",   "nan",
                                      "Infinity", "-nan",  "1e",    "1e+",   "e5",     ".",     "-",     "+-1",
                                      "1..2",     "1.2.3", "1e5.5", "1e999", "-1e999", "1f",    "NaN(1)"};
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        double v = -42;
        if (!parse_double(str_of(GOOD[i].text), &v)) fail_msg("'%s' was refused", GOOD[i].text);
        assert_true(v == GOOD[i].value);
    }
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        double v = -42;
        if (parse_double(str_of(BAD[i]), &v)) fail_msg("'%s' was taken", BAD[i]);
        assert_true(v == -42);
    }
    double v;
    assert_true(parse_double((str){"12.5junk", 4}, &v) && v == 12.5);
    assert_false(parse_double((str){"1\0", 2}, &v));
    char wide[600];
    memset(wide, '1', sizeof wide);
    assert_true(parse_double((str){wide, 300}, &v));
    assert_false(parse_double((str){wide, sizeof wide}, &v));
}

/* A locale with a decimal comma, compiled into `folder` since few machines have one installed. */
static bool german_locale(char *folder) {
    char command[128];
    if (!mkdtemp(folder)) return false;
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 2>/dev/null", folder);
    bool made = system(command) == 0;
    if (made) setenv("LOCPATH", folder, 1);
    made = made && setlocale(LC_ALL, "de_DE.UTF-8") && *localeconv()->decimal_point == ',';
    unsetenv("LOCPATH");
    dir_remove(folder, NULL);
    return made;
}

static void doubles_survive_printing_whatever_the_locale(void **state) {
    (void)state;
    char folder[] = "/tmp/sinter-locale-XXXXXX";
    if (!german_locale(folder)) printf("SKIP: no German locale to be had here, only the C locale was tried\n");
    rng r;
    rng_seed(&r, 9);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rng_next(&r);
        double x, y;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x)) continue;
        char text[64];
        snprintf(text, sizeof text, "%.17g", x);
        char *point = strchr(text, ',');
        if (point) *point = '.';
        assert_true(parse_double(str_of(text), &y));
        assert_memory_equal(&x, &y, sizeof x);
    }
    setlocale(LC_ALL, "C");
}

static void whole_numbers_keep_to_their_range(void **state) {
    (void)state;
    int64_t i = 42;
    uint64_t u = 42;
    assert_true(parse_int64(STR("9223372036854775807"), &i) && i == INT64_MAX);
    assert_true(parse_int64(STR("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_true(parse_int64(STR("-0"), &i) && i == 0);
    assert_true(parse_int64(STR("+7"), &i) && i == 7);
    assert_true(parse_uint64(STR("18446744073709551615"), &u) && u == UINT64_MAX);
    i = 42, u = 42;
    static const char *const BAD[] = {"",
                                      "-",
                                      "+",
                                      "--1",
                                      "-+1",
                                      "+-1",
                                      "1.0",
                                      " 1",
                                      "1 ",
                                      "0x1",
                                      "1e3",
                                      "9223372036854775808",
                                      "-9223372036854775809"};
    for (size_t k = 0; k < ARRAY_LEN(BAD); k++)
        assert_false(parse_int64(str_of(BAD[k]), &i));
    assert_false(parse_uint64(STR("18446744073709551616"), &u));
    assert_false(parse_uint64(STR("-1"), &u));
    assert_false(parse_uint64(STR("99999999999999999999999"), &u));
    assert_true(i == 42 && u == 42);
}

static void booleans_have_six_words(void **state) {
    (void)state;
    bool b = false;
    assert_true(parse_bool(STR("true"), &b) && b);
    assert_true(parse_bool(STR("No"), &b) && !b);
    assert_true(parse_bool(STR("on"), &b) && b);
    assert_true(parse_bool(STR("OFF"), &b) && !b);
    assert_true(parse_bool(STR("yes"), &b) && b);
    assert_true(parse_bool(STR("false"), &b) && !b);
    static const char *const BAD[] = {"", "t", "1", "0", "y", "truely", " true", "falsefalse"};
    for (size_t k = 0; k < ARRAY_LEN(BAD); k++)
        assert_false(parse_bool(str_of(BAD[k]), &b));
}

typedef bool scaled_fn(str s, uint64_t *out);
typedef struct scaled {
    scaled_fn *parse;
    const char *text;
    uint64_t value;
} scaled;

static void durations_and_sizes_are_exact(void **state) {
    (void)state;
    static const scaled GOOD[] = {
        {parse_duration_ns, "2ms", 2000000},
        {parse_duration_ns, "250us", 250000},
        {parse_duration_ns, "1\xC2\xB5s", 1000},
        {parse_duration_ns, "1.5s", 1500000000},
        {parse_duration_ns, "3m", 180000000000},
        {parse_duration_ns, "1h", 3600000000000},
        {parse_duration_ns, "2d", 172800000000000},
        {parse_duration_ns, "0", 0},
        {parse_duration_ns, "7ns", 7},
        {parse_duration_ns, "0.000001ms", 1},
        {parse_duration_ns, "213503d", 18446659200000000000u},
        {parse_size, "64KiB", 65536},
        {parse_size, "5MiB", 5242880},
        {parse_size, "1GB", 1000000000},
        {parse_size, "1.5GiB", 1610612736},
        {parse_size, "10kB", 10000},
        {parse_size, "2TB", 2000000000000},
        {parse_size, "123", 123},
        {parse_size, "123B", 123},
        {parse_size, "18446744073709551615", UINT64_MAX},
    };
    static const scaled BAD[] = {
        {parse_duration_ns, "", 0},
        {parse_duration_ns, "5", 0},
        {parse_duration_ns, "s", 0},
        {parse_duration_ns, "-1s", 0},
        {parse_duration_ns, "+1s", 0},
        {parse_duration_ns, "1 s", 0},
        {parse_duration_ns, "1S", 0},
        {parse_duration_ns, ".5s", 0},
        {parse_duration_ns, "1.s", 0},
        {parse_duration_ns, "1e3s", 0},
        {parse_duration_ns, "1.5ns", 0},
        {parse_duration_ns, "213504d", 0},
        {parse_duration_ns, "1s ", 0},
        {parse_duration_ns, "1s2ms", 0},
        {parse_duration_ns, "99999999999999999999s", 0},
        {parse_size, "", 0},
        {parse_size, "KiB", 0},
        {parse_size, "-1", 0},
        {parse_size, "1kib", 0},
        {parse_size, "1.5", 0},
        {parse_size, "16777216TiB", 0},
        {parse_size, "1MiB!", 0},
        {parse_size, "1.0000000000000000001KiB", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        uint64_t v = 42;
        if (!GOOD[i].parse(str_of(GOOD[i].text), &v)) fail_msg("'%s' was refused", GOOD[i].text);
        if (v != GOOD[i].value) fail_msg("'%s' is %llu", GOOD[i].text, (unsigned long long)v);
    }
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        uint64_t v = 42;
        if (BAD[i].parse(str_of(BAD[i].text), &v)) fail_msg("'%s' was taken", BAD[i].text);
        assert_int_equal(v, 42);
    }
}

/* Decodes and encodes again by the definition, an independent way to tell valid UTF-8. */
static bool utf8_by_definition(const unsigned char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        int more = s[i] < 0x80 ? 0 : s[i] >> 5 == 6 ? 1 : s[i] >> 4 == 14 ? 2 : s[i] >> 3 == 30 ? 3 : -1;
        if (more < 0 || i + (size_t)more >= n) return false;
        uint32_t c = more == 0 ? s[i] : s[i] & (0x3Fu >> more);
        for (int k = 1; k <= more; k++) {
            if (s[i + (size_t)k] >> 6 != 2) return false;
            c = c << 6 | (s[i + (size_t)k] & 0x3F);
        }
        static const uint32_t LEAST[] = {0, 0x80, 0x800, 0x10000};
        if (c < LEAST[more] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return false;
        i += (size_t)more + 1;
    }
    return true;
}

static void utf8_is_checked_strictly(void **state) {
    (void)state;
    for (uint32_t v = 0; v < 1u << 24; v += v < 1u << 16 ? 1 : 3) { /* all of up to two bytes, a third of three */
        unsigned char s[3] = {(unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v};
        size_t from = v >> 16 ? 0 : v >> 8 ? 1 : 2;
        if (utf8_valid((char *)s + from, 3 - from, NULL) != utf8_by_definition(s + from, 3 - from))
            fail_msg("bytes %06x", v);
    }
    rng r;
    rng_seed(&r, 4);
    for (int i = 0; i < 300000; i++) {
        unsigned char s[12];
        static const unsigned char EDGES[] = {0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC2,
                                              0xE0, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 'a'};
        for (size_t k = 0; k < sizeof s; k++)
            s[k] = EDGES[rng_below(&r, ARRAY_LEN(EDGES))];
        size_t n = 1 + rng_below(&r, sizeof s), bad = SIZE_MAX;
        bool valid = utf8_valid((char *)s, n, &bad);
        assert_true(valid == utf8_by_definition(s, n));
        if (!valid) assert_true(bad < n && utf8_by_definition(s, bad) && !utf8_by_definition(s, n));
    }
    size_t bad = 0;
    assert_false(utf8_valid("0123456789\xFFz", 12, &bad));
    assert_int_equal(bad, 10);
    assert_true(utf8_valid("", 0, &bad));
    assert_true(utf8_valid("\xF0\x9F\x8D\x8E", 4, NULL));
}

static void an_id_has_reasons_to_be_refused(void **state) {
    (void)state;
    char wide[257];
    memset(wide, 'i', sizeof wide);
    assert_null(id_problem("sku-1", 5));
    assert_null(id_problem("caf\xC3\xA9 \xC2\xA0", 8));
    assert_null(id_problem(wide, 256));
    assert_string_equal(id_problem("", 0), "is empty");
    assert_string_equal(id_problem(wide, 257), "is longer than 256 bytes");
    assert_string_equal(id_problem("a\xC3", 2), "is not valid UTF-8");
    assert_string_equal(id_problem("a\nb", 3), "holds a control character");
    assert_string_equal(id_problem("a\0b", 3), "holds a control character");
    assert_string_equal(id_problem("\x7F", 1), "holds a control character");
    assert_string_equal(id_problem("\xC2\x85", 2), "holds a control character");
}

static void the_nearest_name_is_suggested(void **state) {
    (void)state;
    static const char *const NAMES[] = {"serve", "search", "import", "export", "experiment", "top"};
    static const struct {
        const char *typed, *near;
    } CASES[] = {
        {"serch", "search"},
        {"sevre", "serve"},
        {"improt", "import"},
        {"Import", "import"},
        {"expriment", "experiment"},
        {"epxort", "export"},
        {"tpo", "top"},
        {"tap", "top"},
        {"", NULL},
        {"zebra", NULL},
        {"t", NULL},
        {"serve", "serve"},
        {"exparimant", "experiment"},
        {"xxperimxxx", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *near = near_name(CASES[i].typed, NAMES, ARRAY_LEN(NAMES));
        if ((near == NULL) != (CASES[i].near == NULL) || (near && strcmp(near, CASES[i].near)))
            fail_msg("'%s' suggests '%s'", CASES[i].typed, near ? near : "nothing");
    }
    char wide[200];
    memset(wide, 'a', sizeof wide - 1);
    wide[sizeof wide - 1] = '\0';
    const char *const one[] = {wide};
    assert_null(near_name(wide, NAMES, ARRAY_LEN(NAMES)));
    assert_null(near_name("a", one, 1));
    assert_null(near_name("a", NULL, 0));
    /* Two letters put between a swapped pair cost one each: ca → abc is 2, not 3. */
    const char *const swapped[] = {"xxabcxxx"};
    assert_ptr_equal(near_name("xxcaxxx", swapped, 1), swapped[0]);
}

/* RFC 4648, section 10; the last needs both of the digits in which the alphabets differ. */
static void base64_is_written_and_read_in_both_alphabets(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *plain, *url;
    } GOOD[] = {{"", "", ""},
                {"f", "Zg==", "Zg"},
                {"fo", "Zm8=", "Zm8"},
                {"foo", "Zm9v", "Zm9v"},
                {"foob", "Zm9vYg==", "Zm9vYg"},
                {"fooba", "Zm9vYmE=", "Zm9vYmE"},
                {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
                {"\xFB\xFF\xBE", "+/++", "-_--"}};
    static const char *const BAD[] = {"Z", "Zg=", "Zg===", "=", "====", "Zm9vY", "Zm 9", "Zm9v\n", "Z=g=", "Zm9v=", "\xC3\xA4\xC3\xA4"};
    char text[BASE64_ROOM(6)];
    uint8_t bytes[16];
    size_t n;
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        size_t length = strlen(GOOD[i].bytes);
        assert_int_equal(base64_encode(GOOD[i].bytes, length, false, text), strlen(GOOD[i].plain));
        assert_string_equal(text, GOOD[i].plain);
        assert_int_equal(base64_encode(GOOD[i].bytes, length, true, text), strlen(GOOD[i].url));
        assert_string_equal(text, GOOD[i].url);
        const char *const spelled[] = {GOOD[i].plain, GOOD[i].url};
        for (size_t k = 0; k < ARRAY_LEN(spelled); k++) {
            assert_true(base64_decode(str_of(spelled[k]), bytes, &n));
            assert_int_equal(n, length);
            assert_memory_equal(bytes, GOOD[i].bytes, length);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        if (base64_decode(str_of(BAD[i]), bytes, &n)) fail_msg("'%s' was taken", BAD[i]);
}

static void lines_are_those_with_something_in_them(void **state) {
    (void)state;
    arena *a = arena_new(256);
    size_t n = 9;
    char **line = text_lines("\none\n\ntwo three\nlast", a, &n);
    assert_int_equal(n, 3);
    assert_string_equal(line[0], "one");
    assert_string_equal(line[1], "two three");
    assert_string_equal(line[2], "last");
    static const char *const EMPTY[] = {NULL, "", "\n\n"};
    for (size_t i = 0; i < ARRAY_LEN(EMPTY); i++) {
        text_lines(EMPTY[i], a, &n);
        assert_int_equal(n, 0);
    }
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_read_whole),
        cmocka_unit_test(doubles_survive_printing_whatever_the_locale),
        cmocka_unit_test(whole_numbers_keep_to_their_range),
        cmocka_unit_test(booleans_have_six_words),
        cmocka_unit_test(durations_and_sizes_are_exact),
        cmocka_unit_test(utf8_is_checked_strictly),
        cmocka_unit_test(an_id_has_reasons_to_be_refused),
        cmocka_unit_test(the_nearest_name_is_suggested),
        cmocka_unit_test(base64_is_written_and_read_in_both_alphabets),
        cmocka_unit_test(lines_are_those_with_something_in_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
