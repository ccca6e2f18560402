/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Numbers, units and dimensions: "6 ft.", "6-foot", "6'" and "6ft" become the same words, as do "13 x 13" and "13x13". */
#include "text_private.h"

#include <math.h>
#include <string.h>

/* `loose`: may stand apart from its number; a single letter may not. */
static const struct {
    const char *written, *name;
    bool loose;
} UNITS[] = {
    {"in", "inch", true},       {"inch", "inch", true},      {"inches", "inch", true},     {"ft", "foot", true},
    {"foot", "foot", true},     {"feet", "foot", true},      {"yd", "yard", true},         {"yds", "yard", true},
    {"yard", "yard", true},     {"yards", "yard", true},     {"mm", "mm", true},           {"cm", "cm", true},
    {"millimeter", "mm", true}, {"centimeter", "cm", true},  {"m", "meter", false},        {"meter", "meter", true},
    {"meters", "meter", true},  {"metre", "meter", true},    {"km", "km", true},           {"oz", "ounce", true},
    {"ounce", "ounce", true},   {"ounces", "ounce", true},   {"lb", "pound", true},        {"lbs", "pound", true},
    {"pound", "pound", true},   {"pounds", "pound", true},   {"gal", "gallon", true},      {"gals", "gallon", true},
    {"gallon", "gallon", true}, {"gallons", "gallon", true}, {"qt", "quart", true},        {"qts", "quart", true},
    {"quart", "quart", true},   {"quarts", "quart", true},   {"pt", "pint", true},         {"pint", "pint", true},
    {"l", "liter", false},      {"liter", "liter", true},    {"liters", "liter", true},    {"litre", "liter", true},
    {"litres", "liter", true},  {"ml", "ml", true},          {"kg", "kg", true},           {"kilogram", "kg", true},
    {"g", "gram", false},       {"gram", "gram", true},      {"grams", "gram", true},      {"w", "watt", false},
    {"watt", "watt", true},     {"watts", "watt", true},     {"kw", "kw", true},           {"v", "volt", false},
    {"volt", "volt", true},     {"volts", "volt", true},     {"a", "amp", false},          {"amp", "amp", true},
    {"amps", "amp", true},      {"ampere", "amp", true},     {"hp", "hp", true},           {"horsepower", "hp", true},
    {"btu", "btu", true},       {"btus", "btu", true},       {"psi", "psi", true},         {"gpm", "gpm", true},
    {"gpf", "gpf", true},       {"cfm", "cfm", true},        {"ga", "gauge", true},        {"gauge", "gauge", true},
    {"gage", "gauge", true},    {"awg", "gauge", true},      {"deg", "degree", true},      {"degree", "degree", true},
    {"degrees", "degree", true}, {"gb", "gb", true},         {"tb", "tb", true},           {"mb", "mb", true},
    {"gigabyte", "gb", true},   {"ghz", "ghz", true},        {"mhz", "mhz", true},         {"khz", "khz", true},
    {"hz", "hz", true},         {"mah", "mah", true},        {"mp", "megapixel", true},    {"megapixel", "megapixel", true},
    {"megapixels", "megapixel", true}, {"pc", "piece", true}, {"pcs", "piece", true},      {"piece", "piece", true},
    {"pieces", "piece", true},  {"pk", "pack", true},        {"pack", "pack", true},       {"ct", "count", true},
    {"count", "count", true},   {"rpm", "rpm", true},        {"dpi", "dpi", true},         {"ppm", "ppm", true},
};

/* "cu. ft.", "square feet": the unit's name, and the name of what it is a power of must follow. */
static const struct {
    const char *written, *name;
} POWERS[] = {{"cu", "cubic"}, {"cubic", "cubic"}, {"sq", "square"}, {"square", "square"}};

static const char *unit_name(str s, bool touching)
{
    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++)
        if ((touching || UNITS[i].loose) && str_is(s, UNITS[i].written))
            return UNITS[i].name;
    return NULL;
}

bool text_number(str s, double *value)
{
    const char *slash = memchr(s.s, '/', s.n);
    double top, bottom = 1;
    for (size_t i = 0; i < s.n; i++)
        if (!((s.s[i] >= '0' && s.s[i] <= '9') || s.s[i] == '.' || s.s[i] == '/'))
            return false;
    if (s.n > 15)
        return false;
    if (slash && !parse_double((str){slash + 1, (size_t)(s.s + s.n - slash - 1)}, &bottom))
        return false;
    if (!parse_double(slash ? (str){s.s, (size_t)(slash - s.s)} : s, &top) || !(bottom > 0))
        return false;
    if (!slash && s.n > 1 && s.s[0] == '0' && s.s[1] != '.')
        return false; /* a part number: its zeros count */
    *value = top / bottom;
    return true;
}

str text_number_text(arena *a, double value)
{
    char *out = value == floor(value) && value < 1e15 ? arena_printf(a, "%.0f", value) : arena_printf(a, "%.4f", value);
    size_t n = strlen(out);
    if (memchr(out, '.', n))
        while (out[n - 1] == '0')
            n--;
    return (str){out, n};
}

uint32_t text_split_measure(const lexeme *x, lexeme out[16])
{
    uint32_t n = 0;
    size_t at = 0;
    while (at < x->text.n) {
        bool digit = x->text.s[at] >= '0' && x->text.s[at] <= '9';
        size_t start = at;
        while (at < x->text.n && (x->text.s[at] >= 'a' && x->text.s[at] <= 'z') == !digit &&
               (unsigned char)x->text.s[at] < 0x80)
            at++;
        if (at == start || n == 16)
            return 0;
        out[n] = (lexeme){.text = {x->text.s + start, at - start},
                          .kind = digit ? LEXEME_NUMBER : LEXEME_WORD,
                          .before = n ? LEXEME_TOUCHES : x->before};
        n++;
    }
    /* number [unit] (x number [unit])* */
    uint32_t i = 0;
    for (;;) {
        if (i >= n || out[i].kind != LEXEME_NUMBER)
            return 0;
        i++;
        if (i < n && unit_name(out[i].text, true))
            i++;
        if (i == n)
            break;
        if (!str_is(out[i].text, "x"))
            return 0;
        i++;
    }
    out[n - 1].mark = x->mark;
    out[n - 1].dot = x->dot;
    return n;
}

typedef struct measure {
    double value;
    const char *power, *unit; /* NULL: none */
    const lexeme *first;
    uint32_t numbers, taken; /* lexemes of its number; and of its unit with them */
} measure;

static bool near(const lexeme *x)
{
    return x->before == LEXEME_TOUCHES || x->before == '-' || x->before == ' ' || x->before == '.';
}

static void read_unit(const lexeme *x, uint32_t n, uint32_t i, measure *m)
{
    const lexeme *number = &x[i - 1];
    if (number->mark == '"' || number->mark == '\'') {
        m->unit = number->mark == '"' ? "inch" : "foot";
        return;
    }
    if (i >= n || x[i].kind != LEXEME_WORD || !near(&x[i]))
        return;
    for (size_t p = 0; p < ARRAY_LEN(POWERS) && i + 1 < n; p++)
        if (str_is(x[i].text, POWERS[p].written) && (m->unit = unit_name(x[i + 1].text, false))) {
            m->power = POWERS[p].name;
            m->taken += 2;
            return;
        }
    m->unit = unit_name(x[i].text, x[i].before == LEXEME_TOUCHES || x[i].before == '-');
    m->taken += m->unit != NULL;
}

static bool read_measure(const lexeme *x, uint32_t n, uint32_t i, measure *m)
{
    *m = (measure){.first = &x[i], .taken = 1};
    if (i >= n || x[i].kind != LEXEME_NUMBER || !text_number(x[i].text, &m->value))
        return false;
    double part;
    if (i + 1 < n && !x[i].mark && x[i + 1].kind == LEXEME_NUMBER && memchr(x[i + 1].text.s, '/', x[i + 1].text.n) &&
        (x[i + 1].before == '-' || x[i + 1].before == ' ') && m->value == floor(m->value) &&
        text_number(x[i + 1].text, &part) && part < 1) {
        m->value += part; /* 1 1/2, 1-1/2 */
        m->taken = 2;
    }
    m->numbers = m->taken;
    read_unit(x, n, i + m->taken, m);
    return true;
}

/* After a measure: the lexemes of "x", "by" or "W x" that lead to the next one. */
static bool read_by(const lexeme *x, uint32_t n, uint32_t i, uint32_t *taken)
{
    static const char *const SIDES[] = {"w", "h", "l", "d", "t"};
    *taken = 0;
    for (size_t s = 0; s < ARRAY_LEN(SIDES) && i < n; s++)
        if (str_is(x[i].text, SIDES[s])) {
            (*taken)++;
            break;
        }
    uint32_t at = i + *taken;
    if (at < n && x[at].before == '*')
        return true;
    if (at + 1 < n && (str_is(x[at].text, "x") || str_is(x[at].text, "by"))) {
        (*taken)++;
        return true;
    }
    return false;
}

static void add_measure(arena *a, const measure *m, text_tokens *out)
{
    str number = text_number_text(a, m->value);
    uint32_t start = out->positions;
    const lexeme *first = m->first, *last = &first[m->taken - 1];
    const lexeme *unit = m->taken > m->numbers ? &first[m->numbers] : last; /* a mark stands right behind its number */
    text_token_add(a, out, number, out->positions++, TOKEN_EXACT, first, &first[m->numbers - 1]);
    if (!m->unit)
        return;
    if (m->power)
        text_token_add(a, out, str_of(m->power), out->positions++, TOKEN_WORD, unit, unit)->unit = true;
    text_token_add(a, out, str_of(m->unit), out->positions++, TOKEN_WORD, m->power ? last : unit, last)->unit = true;
    char *joined = arena_printf(a, "%.*s%s%s", (int)number.n, number.s, m->power ? m->power : "", m->unit);
    text_token_add(a, out, str_of(joined), start, TOKEN_MEASURE, first, last)->span = (uint16_t)(out->positions - start);
}

#define MAX_SIDES 4u

uint32_t text_measure(arena *a, const lexeme *x, uint32_t n, uint32_t i, text_tokens *out)
{
    measure side[MAX_SIDES];
    uint32_t sides = 0, at = i, by = 0;
    while (sides < MAX_SIDES && read_measure(x, n, at + by, &side[sides])) {
        at += by + side[sides++].taken;
        if (!read_by(x, n, at, &by))
            break;
    }
    if (!sides)
        return 0;
    uint32_t start = out->positions;
    char *text = NULL;
    for (uint32_t s = 0; s < sides; s++) {
        add_measure(a, &side[s], out);
        str number = text_number_text(a, side[s].value);
        text = text ? arena_printf(a, "%sx%.*s", text, (int)number.n, number.s) : arena_strndup(a, number.s, number.n);
        if (s >= 1 && sides > 2) { /* each pair of a box is asked for by itself too */
            str before = text_number_text(a, side[s - 1].value);
            char *pair = arena_printf(a, "%.*sx%.*s", (int)before.n, before.s, (int)number.n, number.s);
            text_token_add(a, out, str_of(pair), start, TOKEN_MEASURE, &x[i], &x[at - 1])->span = (uint16_t)(out->positions - start);
        }
    }
    if (sides > 1)
        text_token_add(a, out, str_of(text), start, TOKEN_MEASURE, &x[i], &x[at - 1])->span = (uint16_t)(out->positions - start);
    return at - i;
}
