/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Numbers as people write them, UTF-8, ids, "did you mean", lines. */
#include "die.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static str rest_of(str s, size_t n) {
    return (str){s.s + n, s.n - n};
}

static size_t digits_at(str s) {
    size_t n = 0;
    while (n < s.n && is_digit(s.s[n]))
        n++;
    return n;
}

/* [sign] digits [. digits] [e [sign] digits], at least one digit before or after the point: what strtod takes, less
 * hexadecimal, infinity, nan and leading space. */
static bool looks_decimal(str s) {
    if (s.n && (s.s[0] == '-' || s.s[0] == '+')) s = rest_of(s, 1);
    size_t whole = digits_at(s), part = 0;
    s = rest_of(s, whole);
    if (s.n && s.s[0] == '.') {
        s = rest_of(s, 1);
        part = digits_at(s);
        s = rest_of(s, part);
    }
    if (whole + part == 0) return false;
    if (s.n == 0) return true;
    if (lower(s.s[0]) != 'e') return false;
    s = rest_of(s, 1);
    if (s.n && (s.s[0] == '-' || s.s[0] == '+')) s = rest_of(s, 1);
    return s.n > 0 && digits_at(s) == s.n;
}

static locale_t plain_locale;

static void plain_locale_make(void) {
    plain_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain_locale) base_die("newlocale(\"C\") failed");
}

bool parse_double(str s, double *out) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char copy[512];
    if (s.n >= sizeof copy || !looks_decimal(s)) return false;
    pthread_once(&once, plain_locale_make);
    memcpy(copy, s.s, s.n);
    copy[s.n] = '\0';
    char *end;
    double v = strtod_l(copy, &end, plain_locale);
    if (*end || !isfinite(v)) return false;
    *out = v;
    return true;
}

bool parse_uint64(str s, uint64_t *out) {
    if (s.n && s.s[0] == '+') s = rest_of(s, 1);
    if (s.n == 0 || digits_at(s) != s.n) return false;
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (__builtin_mul_overflow(v, (uint64_t)10, &v)) return false;
        if (__builtin_add_overflow(v, (uint64_t)(s.s[i] - '0'), &v)) return false;
    }
    *out = v;
    return true;
}

bool parse_int64(str s, int64_t *out) {
    bool minus = s.n && s.s[0] == '-';
    uint64_t v;
    if (minus && s.n > 1 && s.s[1] == '+') return false;
    if (!parse_uint64(minus ? rest_of(s, 1) : s, &v)) return false;
    if (v > (uint64_t)INT64_MAX + (minus ? 1 : 0)) return false;
    *out = (int64_t)(minus ? 0 - v : v);
    return true;
}

bool parse_bool(str s, bool *out) {
    static const struct {
        const char *word;
        bool value;
    } WORDS[] = {{"true", true}, {"false", false}, {"yes", true}, {"no", false}, {"on", true}, {"off", false}};
    char word[8];
    if (s.n >= sizeof word) return false;
    for (size_t i = 0; i < s.n; i++)
        word[i] = lower(s.s[i]);
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++) {
        if (!str_is((str){word, s.n}, WORDS[i].word)) continue;
        *out = WORDS[i].value;
        return true;
    }
    return false;
}

typedef struct unit {
    const char *name;
    uint64_t scale;
} unit;

static const unit *unit_find(const unit *units, size_t n, str name) {
    for (size_t i = 0; i < n; i++) {
        if (str_is(name, units[i].name)) return &units[i];
    }
    return NULL;
}

/* "1.5" and a unit, in whole steps of the smallest one, without rounding through a double; a rest is dropped. */
static bool parse_scaled(str s, const unit *units, size_t units_n, uint64_t *out) {
    size_t whole_n = digits_at(s), part_n = 0;
    str whole = {s.s, whole_n}, part = {s.s, 0};
    s = rest_of(s, whole_n);
    if (s.n && s.s[0] == '.') {
        part = rest_of(s, 1);
        part.n = part_n = digits_at(part);
        s = rest_of(s, 1 + part_n);
        if (part_n == 0 || part_n > 18) return false;
    }
    uint64_t w, p = 0, ten = 1;
    const unit *u = unit_find(units, units_n, s);
    if (!u || !parse_uint64(whole, &w) || (part_n && (u->scale == 1 || !parse_uint64(part, &p)))) return false;
    for (size_t i = 0; i < part_n; i++)
        ten *= 10;
    wide v = (wide)w * u->scale + (wide)p * u->scale / ten;
    if (v > UINT64_MAX) return false;
    *out = (uint64_t)v;
    return true;
}

bool parse_duration_ns(str s, uint64_t *out) {
    static const unit UNITS[] = {{"ns", 1},         {"us", 1000},       {"\xC2\xB5s", 1000},  {"ms", 1000000},
                                 {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000}};
    if (str_is(s, "0")) {
        *out = 0;
        return true;
    }
    return parse_scaled(s, UNITS, ARRAY_LEN(UNITS), out);
}

bool parse_size(str s, uint64_t *out) {
    static const unit UNITS[] = {{"", 1},
                                 {"B", 1},
                                 {"kB", 1000},
                                 {"KB", 1000},
                                 {"MB", 1000000},
                                 {"GB", 1000000000},
                                 {"TB", 1000000000000},
                                 {"KiB", 1ull << 10},
                                 {"MiB", 1ull << 20},
                                 {"GiB", 1ull << 30},
                                 {"TiB", 1ull << 40}};
    return parse_scaled(s, UNITS, ARRAY_LEN(UNITS), out);
}

/* Bytes of the character at p (n > 0 bytes left), 0 if it is none: RFC 3629, table 3-7 of Unicode. */
static size_t utf8_step(const unsigned char *p, size_t n) {
    static const struct {
        unsigned char first, last, second_least, second_most, length;
    } FORMS[] = {{0x00, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
                 {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
                 {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
    for (size_t i = 0; i < ARRAY_LEN(FORMS); i++) {
        if (p[0] < FORMS[i].first || p[0] > FORMS[i].last) continue;
        size_t length = FORMS[i].length;
        if (length > n) return 0;
        if (length > 1 && (p[1] < FORMS[i].second_least || p[1] > FORMS[i].second_most)) return 0;
        for (size_t k = 2; k < length; k++) {
            if ((p[k] & 0xC0) != 0x80) return 0;
        }
        return length;
    }
    return 0;
}

bool utf8_valid(const char *s, size_t n, size_t *bad_at) {
    const unsigned char *p = (const unsigned char *)s;
    size_t i = 0;
    while (i < n) {
        uint64_t eight;
        if (n - i >= sizeof eight) { /* most text is plain ASCII */
            memcpy(&eight, p + i, sizeof eight);
            if (!(eight & 0x8080808080808080u)) {
                i += sizeof eight;
                continue;
            }
        }
        size_t step = utf8_step(p + i, n - i);
        if (step == 0) {
            if (bad_at) *bad_at = i;
            return false;
        }
        i += step;
    }
    return true;
}

const char *id_problem(const char *s, size_t n) {
    if (n == 0) return "is empty";
    if (n > 256) return "is longer than 256 bytes";
    if (!utf8_valid(s, n, NULL)) return "is not valid UTF-8";
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        bool c1 = c == 0xC2 && i + 1 < n && (unsigned char)s[i + 1] < 0xA0; /* U+0080 … U+009F */
        if (c < 0x20 || c == 0x7F || c1) return "holds a control character";
    }
    return NULL;
}

enum { NAME_MOST = 64 };

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Damerau–Levenshtein with adjacent swaps, unrestricted (Lowrance and Wagner): d has a border row and column that
 * stand for "never", and last[] the row in which a letter was last seen. Letters of either case are equal. */
static size_t name_distance(const char *a, size_t an, const char *b, size_t bn) {
    size_t d[NAME_MOST + 2][NAME_MOST + 2], last[256] = {0}, never = an + bn;
    for (size_t i = 0; i <= an; i++)
        d[i + 1][0] = never, d[i + 1][1] = i;
    for (size_t j = 0; j <= bn; j++)
        d[0][j + 1] = never, d[1][j + 1] = j;
    d[0][0] = never;
    for (size_t i = 1; i <= an; i++) {
        size_t match_column = 0;
        for (size_t j = 1; j <= bn; j++) {
            size_t row = last[(unsigned char)lower(b[j - 1])], column = match_column;
            bool same = lower(a[i - 1]) == lower(b[j - 1]);
            if (same) match_column = j;
            size_t change = d[i][j] + !same, insert = d[i + 1][j] + 1, drop = d[i][j + 1] + 1;
            size_t swap = d[row][column] + (i - row - 1) + 1 + (j - column - 1);
            d[i + 1][j + 1] = least(least(change, insert), least(drop, swap));
        }
        last[(unsigned char)lower(a[i - 1])] = i;
    }
    return d[an + 1][bn + 1];
}

const char *near_name(const char *name, const char *const *names, size_t n) {
    size_t length = strlen(name), best = SIZE_MAX;
    const char *found = NULL;
    if (length > NAME_MOST) return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(names[i]);
        if (other > NAME_MOST) continue;
        size_t limit = least(3, (length > other ? length : other) / 3);
        size_t far = name_distance(name, length, names[i], other);
        if (far > limit || far >= best) continue;
        best = far;
        found = names[i];
    }
    return found;
}

char **text_lines(const char *text, arena *a, size_t *n) {
    size_t room = 1;
    for (const char *p = text; p && *p; p++)
        room += *p == '\n';
    char **line = ARENA_ARRAY(a, char *, room);
    *n = 0;
    for (const char *p = text; p && *p; p += *p == '\n') {
        size_t length = strcspn(p, "\n");
        if (length) line[(*n)++] = arena_strndup(a, p, length);
        p += length;
    }
    return line;
}
