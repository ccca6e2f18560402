/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Operators and constants against the type of the field: every ordering becomes a closed range, every wrong constant a
 * message that says what the field takes. */
#include "filter_inside.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What may be compared with a field of a type, for messages. */
static const struct {
    const char *name, *example;
    bool ordered;
} TYPE[FIELD_TYPES] = {
    [FIELD_TEXT] = {"a text", "", false},
    [FIELD_KEYWORD] = {"a keyword", "= \"x\", != \"x\", IN (\"x\", \"y\"), EXISTS", false},
    [FIELD_KEYWORDS] = {"a keywords", "= \"x\", != \"x\", IN (\"x\", \"y\"), EXISTS", false},
    [FIELD_INTEGER] = {"an integer", "= 10, < 10, BETWEEN 1 AND 10, IN (1, 2), EXISTS", true},
    [FIELD_NUMBER] = {"a number", "= 10, < 9.5, BETWEEN 1 AND 10, IN (1, 2), EXISTS", true},
    [FIELD_BOOLEAN] = {"a boolean", "= true, = false, EXISTS, or the field alone", false},
    [FIELD_TIMESTAMP] = {"a timestamp", "< \"2009-12-10\", BETWEEN \"2009-01-01\" AND \"2009-12-10T12:00:00Z\", EXISTS", true},
    [FIELD_VECTOR] = {"a vector", "EXISTS", false},
    [FIELD_GEO] = {"a geo", "WITHIN 10 OF (47.4, 8.5), EXISTS", false},
};

typedef struct checker {
    const comparison *m;
    str text;
    arena *a;
    sinter_error *e;
} checker;

static const char *takes(const checker *k) {
    return arena_printf(k->a, "it takes %s", TYPE[k->m->declared->type].example);
}

static sinter_status wrong_value(const checker *k, const token *v, const char *is) {
    return filter_error(k->e, k->text, v->at, takes(k), "%s is %s, and %s is %s field",
                        filter_shown(k->a, v->raw), is, filter_shown(k->a, k->m->name.text), TYPE[k->m->declared->type].name);
}

static const char *kind_of(const token *v) {
    return v->kind == TOKEN_STRING ? "a string" : v->kind == TOKEN_NUMBER ? "a number" : "a word";
}

static bool is_order(token_kind op) {
    return op == TOKEN_LT || op == TOKEN_LE || op == TOKEN_GT || op == TOKEN_GE || op == TOKEN_OPEN;
}

/* ---- integers and times ------------------------------------------------------------------------------------------ */

/* The smallest int64 >= x, or the largest <= x; *none when there is none. */
static int64_t whole(double x, bool up, bool *none) {
    x = up ? ceil(x) : floor(x);
    if (x >= 0x1p63) {
        *none |= up;
        return INT64_MAX;
    }
    if (x < -0x1p63) {
        *none |= !up;
        return INT64_MIN;
    }
    return (int64_t)x;
}

/* [low, high] of one comparison; empty ranges have low > high. */
static void integer_range(token_kind op, const token *v, int64_t *low, int64_t *high) {
    bool none = false;
    int64_t up = v->integral ? v->integer : whole(v->number, true, &none);
    bool high_none = false;
    int64_t down = v->integral ? v->integer : whole(v->number, false, &high_none);
    bool exact = up == down && !none && !high_none;
    *low = INT64_MIN;
    *high = INT64_MAX;
    if (op == TOKEN_EQ || op == TOKEN_NE) {
        *low = up, *high = down;
        none |= high_none || up > down;
    } else if (op == TOKEN_LE || op == TOKEN_LT) {
        none = high_none || (op == TOKEN_LT && exact && down == INT64_MIN);
        *high = op == TOKEN_LT && exact && !none ? down - 1 : down;
    } else {
        none = none || (op == TOKEN_GT && exact && up == INT64_MAX);
        *low = op == TOKEN_GT && exact && !none ? up + 1 : up;
    }
    if (none) *low = 1, *high = 0;
}

static int by_integer(const void *x, const void *y) {
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

static sinter_status integers(const checker *k, condition *out) {
    const comparison *m = k->m;
    if (m->op == TOKEN_COMMA) {
        int64_t *list = ARENA_ARRAY(k->a, int64_t, m->n);
        out->kind = CONDITION_INTEGER_IN;
        for (uint32_t i = 0; i < m->n; i++) {
            int64_t low, high;
            integer_range(TOKEN_EQ, &m->value[i], &low, &high);
            if (low == high) list[out->n++] = low; /* a fraction equals no integer */
        }
        qsort(list, out->n, sizeof *list, by_integer);
        out->u.integer = list;
        return SINTER_OK;
    }
    out->kind = CONDITION_INTEGERS;
    if (m->op == TOKEN_OPEN) {
        int64_t first_high, second_low;
        integer_range(TOKEN_GE, &m->value[0], &out->u.integers.low, &first_high);
        integer_range(TOKEN_LE, &m->value[1], &second_low, &out->u.integers.high);
        if (out->u.integers.low > first_high || second_low > out->u.integers.high)
            out->u.integers.low = 1, out->u.integers.high = 0;
        return SINTER_OK;
    }
    integer_range(m->op, &m->value[0], &out->u.integers.low, &out->u.integers.high);
    return SINTER_OK;
}

static sinter_status compare_integer(const checker *k, condition *out) {
    for (uint32_t i = 0; i < k->m->n; i++) {
        if (k->m->value[i].kind != TOKEN_NUMBER) return wrong_value(k, &k->m->value[i], kind_of(&k->m->value[i]));
    }
    return integers(k, out);
}

static sinter_status compare_timestamp(const checker *k, condition *out) {
    token *time = ARENA_ARRAY(k->a, token, k->m->n);
    for (uint32_t i = 0; i < k->m->n; i++) {
        const token *v = &k->m->value[i];
        if (v->kind != TOKEN_STRING) return wrong_value(k, v, kind_of(v));
        if (!time_parse_ms(v->text, &time[i].integer)) return wrong_value(k, v, "not a time");
        time[i].integral = true;
    }
    comparison m = *k->m;
    m.value = time;
    checker inner = *k;
    inner.m = &m;
    return integers(&inner, out);
}

/* ---- numbers -------------------------------------------------------------------------------------------------------- */

static int by_number(const void *x, const void *y) {
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static void number_range(token_kind op, double v, double *low, double *high) {
    *low = -INFINITY, *high = INFINITY;
    if (op == TOKEN_EQ || op == TOKEN_NE) *low = *high = v;
    if (op == TOKEN_LE) *high = v;
    if (op == TOKEN_GE) *low = v;
    if (op == TOKEN_LT) *high = nextafter(v, -INFINITY);
    if (op == TOKEN_GT) *low = nextafter(v, INFINITY);
}

static sinter_status compare_number(const checker *k, condition *out) {
    const comparison *m = k->m;
    double *value = ARENA_ARRAY(k->a, double, m->n);
    for (uint32_t i = 0; i < m->n; i++) {
        if (m->value[i].kind != TOKEN_NUMBER) return wrong_value(k, &m->value[i], kind_of(&m->value[i]));
        value[i] = m->value[i].number;
    }
    out->kind = CONDITION_NUMBERS;
    if (m->op == TOKEN_COMMA) {
        out->kind = CONDITION_NUMBER_IN;
        qsort(value, m->n, sizeof *value, by_number);
        out->n = m->n;
        out->u.number = value;
    } else if (m->op == TOKEN_OPEN) {
        out->u.numbers.low = value[0];
        out->u.numbers.high = value[1];
    } else {
        number_range(m->op, value[0], &out->u.numbers.low, &out->u.numbers.high);
    }
    return SINTER_OK;
}

/* ---- the rest ------------------------------------------------------------------------------------------------------- */

static sinter_status compare_keyword(const checker *k, condition *out) {
    const comparison *m = k->m;
    out->kind = m->declared->type == FIELD_KEYWORD ? CONDITION_KEYWORD : CONDITION_KEYWORDS;
    out->n = m->n;
    out->u.keyword = ARENA_ARRAY(k->a, keyword_constant, m->n);
    for (uint32_t i = 0; i < m->n; i++) {
        const token *v = &m->value[i];
        if (v->kind != TOKEN_STRING)
            return filter_error(k->e, k->text, v->at, arena_printf(k->a, "put it in quotes: \"%s\"", filter_shown(k->a, v->raw)),
                                "%s is %s, and %s is %s field", filter_shown(k->a, v->raw), kind_of(v),
                                filter_shown(k->a, m->name.text), TYPE[m->declared->type].name);
        out->u.keyword[i].text = v->text;
    }
    return SINTER_OK;
}

static sinter_status compare_boolean(const checker *k, condition *out) {
    bool want[2] = {false, false}; /* IN (true, false) */
    for (uint32_t i = 0; i < k->m->n; i++) {
        const token *v = &k->m->value[i];
        bool b;
        if (v->kind != TOKEN_NAME || !parse_bool(v->text, &b) || v->text.n < 4) return wrong_value(k, v, kind_of(v));
        want[b] = true;
    }
    out->kind = want[0] && want[1] ? CONDITION_EXISTS : CONDITION_BOOLEAN;
    out->u.integers.low = want[1];
    return SINTER_OK;
}

static sinter_status (*const COMPARE[FIELD_TYPES])(const checker *, condition *) = {
    [FIELD_KEYWORD] = compare_keyword, [FIELD_KEYWORDS] = compare_keyword,   [FIELD_INTEGER] = compare_integer,
    [FIELD_NUMBER] = compare_number,   [FIELD_BOOLEAN] = compare_boolean,    [FIELD_TIMESTAMP] = compare_timestamp,
};

sinter_status filter_compare(const comparison *m, str text, arena *a, condition *out, sinter_error *e) {
    checker k = {m, text, a, e};
    field_type type = m->declared->type;
    if (!COMPARE[type] || (is_order(m->op) && !TYPE[type].ordered))
        return filter_error(e, text, m->name.at, takes(&k), "%s is %s field, which has no %s", filter_shown(a, m->name.text), TYPE[type].name,
                            is_order(m->op) ? "order" : m->op == TOKEN_COMMA ? "list of values" : "equality");
    out->negate = m->op == TOKEN_NE;
    return COMPARE[type](&k, out);
}
