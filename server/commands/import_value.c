/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cells as values of a field's type. What the server checks anyway (ranges, sizes, times) is left to it. */
#include "import_file.h"
#include "journal/journal.h"

#include <string.h>

static Sinter__V1__Value *value_new(arena *a, Sinter__V1__Value__KindCase kind) {
    Sinter__V1__Value *v = arena_alloc(a, sizeof *v);
    sinter__v1__value__init(v);
    v->kind_case = kind;
    return v;
}

static Sinter__V1__Value *string_value(arena *a, const char *s) {
    Sinter__V1__Value *v = value_new(a, SINTER__V1__VALUE__KIND_STRING_VALUE);
    v->string_value = (char *)s;
    return v;
}

static Sinter__V1__Value *strings_value(arena *a, uint32_t n, char **s) {
    Sinter__V1__Value *v = value_new(a, SINTER__V1__VALUE__KIND_STRINGS_VALUE);
    v->strings_value = arena_alloc(a, sizeof *v->strings_value);
    sinter__v1__strings__init(v->strings_value);
    v->strings_value->n_values = n;
    v->strings_value->values = s;
    return v;
}

static Sinter__V1__Value *vector_value(arena *a, uint32_t n, const double *x) {
    Sinter__V1__Value *v = value_new(a, SINTER__V1__VALUE__KIND_VECTOR_VALUE);
    v->vector_value = arena_alloc(a, sizeof *v->vector_value);
    sinter__v1__vector__init(v->vector_value);
    v->vector_value->n_values = n;
    v->vector_value->values = arena_alloc(a, (n + 1) * sizeof(float));
    for (uint32_t i = 0; i < n; i++)
        v->vector_value->values[i] = (float)x[i];
    return v;
}

static Sinter__V1__Value *geo_value(arena *a, const double *x) {
    Sinter__V1__Value *v = value_new(a, SINTER__V1__VALUE__KIND_GEO_VALUE);
    v->geo_value = arena_alloc(a, sizeof *v->geo_value);
    sinter__v1__geo__init(v->geo_value);
    v->geo_value->latitude = x[0];
    v->geo_value->longitude = x[1];
    return v;
}

static Sinter__V1__Value *number_value(arena *a, double x) {
    Sinter__V1__Value *v = value_new(a, SINTER__V1__VALUE__KIND_NUMBER_VALUE);
    v->number_value = x;
    return v;
}

static Sinter__V1__Value *integer_value(arena *a, int64_t x) {
    Sinter__V1__Value *v = value_new(a, SINTER__V1__VALUE__KIND_INTEGER_VALUE);
    v->integer_value = x;
    return v;
}

static Sinter__V1__Value *boolean_value(arena *a, bool x) {
    Sinter__V1__Value *v = value_new(a, SINTER__V1__VALUE__KIND_BOOLEAN_VALUE);
    v->boolean_value = x;
    return v;
}

/* ---- text of CSV and TSV, by type ------------------------------------------------------------------------------------------ */

static str trimmed(const char *s) {
    size_t n = strlen(s);
    while (n && (*s == ' ' || *s == '\t'))
        s++, n--;
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
        n--;
    return (str){s, n};
}

static const char *wrong(arena *a, const char *text, const char *takes) {
    return arena_printf(a, "\"%.40s\" is not %s", text, takes);
}

static const char *read_integer(const char *text, arena *a, Sinter__V1__Value **out) {
    int64_t i;
    double d;
    if (parse_int64(trimmed(text), &i)) *out = integer_value(a, i);
    else if (parse_double(trimmed(text), &d)) *out = number_value(a, d);
    else return wrong(a, text, "a whole number");
    return NULL;
}

static const char *read_number(const char *text, arena *a, Sinter__V1__Value **out) {
    double d;
    if (!parse_double(trimmed(text), &d)) return wrong(a, text, "a finite number");
    *out = number_value(a, d);
    return NULL;
}

static const char *read_boolean(const char *text, arena *a, Sinter__V1__Value **out) {
    bool b;
    str s = trimmed(text);
    if (str_is(s, "1") || str_is(s, "0")) b = s.s[0] == '1';
    else if (!parse_bool(s, &b)) return wrong(a, text, "true or false");
    *out = boolean_value(a, b);
    return NULL;
}

static const char *read_keywords(const char *text, arena *a, Sinter__V1__Value **out) {
    char *copy = arena_strdup(a, text), *rest = copy, *part;
    uint32_t n = 0;
    char **list = ARENA_ARRAY(a, char *, strlen(text) + 1);
    while ((part = strsep(&rest, "|"))) {
        str s = trimmed(part);
        if (s.n) list[n++] = arena_strndup(a, s.s, s.n);
    }
    if (n) *out = strings_value(a, n, list);
    return NULL;
}

/* "[1, 2, 3]", "1 2 3" or "1;2;3". */
static const char *read_numbers(const char *text, arena *a, double **out, uint32_t *n) {
    char *copy = arena_strdup(a, text), *rest = copy, *part;
    *n = 0;
    *out = ARENA_ARRAY(a, double, strlen(text) + 2);
    while ((part = strsep(&rest, " ,;[]\t"))) {
        if (*part && !parse_double(str_of(part), &(*out)[(*n)++])) return wrong(a, part, "a number of a list");
    }
    return NULL;
}

static const char *read_vector(const char *text, arena *a, Sinter__V1__Value **out) {
    double *x;
    uint32_t n;
    const char *problem = read_numbers(text, a, &x, &n);
    if (!problem) *out = vector_value(a, n, x);
    return problem;
}

static const char *read_geo(const char *text, arena *a, Sinter__V1__Value **out) {
    double *x;
    uint32_t n;
    const char *problem = read_numbers(text, a, &x, &n);
    if (problem || n != 2) return wrong(a, text, "a place such as 47.4,8.5");
    *out = geo_value(a, x);
    return NULL;
}

bool import_time(const char *text, Google__Protobuf__Timestamp *out) {
    int64_t ms;
    if (!time_parse_ms(str_of(text), &ms)) return false;
    *out = timestamp_of(ms);
    const char *dot = strchr(text, '.');
    int32_t nanos = 0, unit = 100000000;
    for (const char *p = dot ? dot + 1 : ""; *p >= '0' && *p <= '9'; p++, unit /= 10)
        nanos += (*p - '0') * unit;
    if (dot) out->nanos = nanos;
    return true;
}

/* What is no time is the server's to refuse. */
static const char *read_time(const char *text, arena *a, Sinter__V1__Value **out) {
    Google__Protobuf__Timestamp t;
    if (!import_time(text, &t)) {
        *out = string_value(a, text);
        return NULL;
    }
    *out = value_new(a, SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE);
    (*out)->timestamp_value = arena_alloc(a, sizeof t);
    *(*out)->timestamp_value = t;
    return NULL;
}

static const char *read_string(const char *text, arena *a, Sinter__V1__Value **out) {
    *out = string_value(a, text);
    return NULL;
}

static const struct {
    const char *type;
    const char *(*read)(const char *text, arena *a, Sinter__V1__Value **out);
} READ[] = {
    {"text", read_string},     {"keyword", read_string},     {"keywords", read_keywords}, {"integer", read_integer}, {"number", read_number},
    {"boolean", read_boolean}, {"timestamp", read_time},   {"vector", read_vector},     {"geo", read_geo},
};

/* ---- cells of JSON: of their own kind, but for lists ------------------------------------------------------------------------- */

static const char *list_value(const import_cell *c, const char *type, arena *a, Sinter__V1__Value **out) {
    if (c->kind == CELL_STRINGS) {
        if (c->n) *out = strings_value(a, c->n, c->string);
        return NULL;
    }
    if (strcmp(type, "geo") == 0 && c->n == 2) {
        *out = geo_value(a, c->numbers);
        return NULL;
    }
    if (strcmp(type, "keywords") != 0) {
        *out = vector_value(a, c->n, c->numbers);
        return NULL;
    }
    char **list = ARENA_ARRAY(a, char *, c->n + 1);
    for (uint32_t i = 0; i < c->n; i++)
        list[i] = arena_printf(a, "%.17g", c->numbers[i]);
    *out = strings_value(a, c->n, list);
    return NULL;
}

const char *import_value(const import_cell *c, const char *type, arena *a, Sinter__V1__Value **out) {
    *out = NULL;
    switch (c->kind) {
    case CELL_STRING:
        if (strcmp(type, "timestamp") == 0) return read_time(c->text, a, out);
        *out = string_value(a, c->text);
        return NULL;
    case CELL_NUMBER: *out = number_value(a, c->number); return NULL;
    case CELL_INTEGER: *out = integer_value(a, c->integer); return NULL;
    case CELL_BOOLEAN: *out = boolean_value(a, c->boolean); return NULL;
    case CELL_GEO: *out = geo_value(a, c->geo); return NULL;
    case CELL_STRINGS:
    case CELL_NUMBERS: return list_value(c, type, a, out);
    default: break;
    }
    if (!c->text[0]) return NULL;
    for (size_t i = 0; i < ARRAY_LEN(READ); i++) {
        if (strcmp(READ[i].type, type) == 0) return READ[i].read(c->text, a, out);
    }
    return read_string(c->text, a, out);
}
