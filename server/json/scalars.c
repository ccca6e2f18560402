/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One value of JSON as a protobuf scalar: ranges, spellings and what to write instead. */
#include "inside.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- numbers ---------------------------------------------------------------------------------------------------------------- */

typedef struct whole {
    const char *name;
    int64_t least;
    uint64_t most;
} whole;

static whole range_of(ProtobufCType t)
{
    switch (t) {
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32: return (whole){"a whole number from 0 to 4294967295", 0, UINT32_MAX};
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64: return (whole){"a whole number of 64 bits, as a string or a number", INT64_MIN, INT64_MAX};
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64: return (whole){"a whole number from 0 of 64 bits, as a string or a number", 0, UINT64_MAX};
    default: return (whole){"a whole number from -2147483648 to 2147483647", INT32_MIN, INT32_MAX};
    }
}

static sinter_status wrong(sinter_error *e, const char *wanted)
{
    return error_set(e, SINTER_INVALID, NULL, NULL, "is not %s", wanted);
}

/* Two's complement of a value within the range. */
static bool whole_of_text(str s, const whole *w, uint64_t *bits)
{
    int64_t i;
    if (parse_uint64(s, bits)) return *bits <= w->most;
    if (!parse_int64(s, &i) || i < w->least) return false;
    *bits = (uint64_t)i;
    return true;
}

static bool whole_of_real(double v, const whole *w, uint64_t *bits)
{
    if (v != floor(v) || v < (double)w->least || v >= 18446744073709551616.0) return false;
    if (v >= 0) {
        *bits = (uint64_t)v;
        return *bits <= w->most;
    }
    *bits = (uint64_t)(int64_t)v;
    return true;
}

static bool whole_of(const json_t *v, const whole *w, uint64_t *bits)
{
    if (json_is_string(v)) return whole_of_text((str){json_string_value(v), json_string_length(v)}, w, bits);
    if (json_is_real(v)) return whole_of_real(json_real_value(v), w, bits);
    if (!json_is_integer(v)) return false;
    int64_t i = json_integer_value(v);
    *bits = (uint64_t)i;
    return i < 0 ? i >= w->least : *bits <= w->most;
}

static void put_whole(ProtobufCType t, uint64_t bits, void *at)
{
    if (json_size(t) == 8) {
        memcpy(at, &bits, 8);
        return;
    }
    uint32_t low = (uint32_t)bits;
    memcpy(at, &low, 4);
}

static bool real_of(const json_t *v, double *out)
{
    static const struct {
        const char *text;
        double value;
    } SPECIAL[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
    if (json_is_number(v)) {
        *out = json_number_value(v);
        return true;
    }
    if (!json_is_string(v)) return false;
    for (size_t i = 0; i < ARRAY_LEN(SPECIAL); i++) {
        if (strcmp(json_string_value(v), SPECIAL[i].text) == 0) {
            *out = SPECIAL[i].value;
            return true;
        }
    }
    return parse_double((str){json_string_value(v), json_string_length(v)}, out) && isfinite(*out);
}

static sinter_status read_real(ProtobufCType t, const json_t *v, void *at, sinter_error *e)
{
    double d;
    if (!real_of(v, &d)) return wrong(e, "a number, or \"NaN\", \"Infinity\", \"-Infinity\"");
    if (t == PROTOBUF_C_TYPE_DOUBLE) {
        memcpy(at, &d, sizeof d);
        return SINTER_OK;
    }
    float f = (float)d;
    if (isinf(f) && !isinf(d)) return wrong(e, "a number of single precision");
    memcpy(at, &f, sizeof f);
    return SINTER_OK;
}

/* ---- enums ------------------------------------------------------------------------------------------------------------------ */

static sinter_status read_enum(const ProtobufCEnumDescriptor *d, const json_t *v, void *at, sinter_error *e)
{
    whole w = range_of(PROTOBUF_C_TYPE_INT32);
    uint64_t bits;
    const char *text = json_string_value(v);
    const ProtobufCEnumValue *found = text ? protobuf_c_enum_descriptor_get_value_by_name(d, text) : NULL;
    if (found) {
        memcpy(at, &found->value, sizeof(int));
        return SINTER_OK;
    }
    if (whole_of(v, &w, &bits)) { /* enums of proto3 are open */
        put_whole(PROTOBUF_C_TYPE_ENUM, bits, at);
        return SINTER_OK;
    }
    const char *name[64];
    size_t n = 0;
    for (; n < d->n_value_names && n < ARRAY_LEN(name); n++)
        name[n] = d->values_by_name[n].name;
    const char *near = text ? near_name(text, name, n) : NULL;
    error_set(e, SINTER_INVALID, NULL, NULL, "is no value of %s", d->name);
    if (near)
        error_fix(e, "did you mean \"%s\"?", near);
    else
        error_fix(e, "one of its names, such as \"%s\", or a number", n ? d->values_by_name[n - 1].name : "");
    return SINTER_INVALID;
}

/* ---- bytes ------------------------------------------------------------------------------------------------------------------ */

static sinter_status read_bytes(const json_t *v, ProtobufCBinaryData *at, arena *a, sinter_error *e)
{
    if (!json_is_string(v)) return wrong(e, "a string of base64");
    str s = {json_string_value(v), json_string_length(v)};
    at->data = arena_alloc(a, s.n / 4 * 3 + 3);
    return base64_decode(s, at->data, &at->len) ? SINTER_OK : wrong(e, "base64");
}

/* ---- times ------------------------------------------------------------------------------------------------------------------ */

/* ".5": nanoseconds; none: 0. At most nine digits; moves s on. */
static bool take_nanos(str *s, int32_t *nanos)
{
    *nanos = 0;
    if (s->n == 0 || s->s[0] != '.') return true;
    size_t i = 1;
    int32_t unit = 100000000;
    for (; i < s->n && s->s[i] >= '0' && s->s[i] <= '9'; i++, unit /= 10) {
        if (i > 9) return false;
        *nanos += (s->s[i] - '0') * unit;
    }
    *s = (str){s->s + i, s->n - i};
    return i > 1;
}

bool json_timestamp(str s, int64_t *seconds, int32_t *nanos)
{
    enum { DATE_AND_TIME = 19 };
    static const int64_t LEAST = -62135596800, MOST = 253402300799; /* years 1 to 9999 */
    char text[40];
    int64_t ms;
    if (s.n <= DATE_AND_TIME || s.s[10] != 'T') return false;
    str rest = {s.s + DATE_AND_TIME, s.n - DATE_AND_TIME};
    if (!take_nanos(&rest, nanos) || rest.n == 0 || DATE_AND_TIME + rest.n >= sizeof text) return false;
    memcpy(text, s.s, DATE_AND_TIME);
    memcpy(text + DATE_AND_TIME, rest.s, rest.n);
    if (!time_parse_ms((str){text, DATE_AND_TIME + rest.n}, &ms)) return false;
    *seconds = ms / 1000;
    return *seconds >= LEAST && *seconds <= MOST;
}

bool json_duration(str s, int64_t *seconds, int32_t *nanos)
{
    static const uint64_t MOST = 315576000000; /* 10,000 years */
    bool negative = s.n && s.s[0] == '-';
    str rest = {s.s + negative, s.n - negative};
    size_t digits = 0;
    uint64_t v;
    while (digits < rest.n && rest.s[digits] >= '0' && rest.s[digits] <= '9')
        digits++;
    if (!parse_uint64((str){rest.s, digits}, &v) || v > MOST) return false;
    rest = (str){rest.s + digits, rest.n - digits};
    if (!take_nanos(&rest, nanos) || !str_is(rest, "s") || (v == MOST && *nanos)) return false;
    *seconds = negative ? -(int64_t)v : (int64_t)v;
    if (negative) *nanos = -*nanos;
    return true;
}

/* ---- any scalar ------------------------------------------------------------------------------------------------------------- */

sinter_status json_scalar(const ProtobufCFieldDescriptor *f, const json_t *v, void *at, arena *a, sinter_error *e)
{
    whole w = range_of(f->type);
    uint64_t bits;
    switch (f->type) {
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE: return read_real(f->type, v, at, e);
    case PROTOBUF_C_TYPE_ENUM: return read_enum(f->descriptor, v, at, e);
    case PROTOBUF_C_TYPE_BYTES: return read_bytes(v, at, a, e);
    case PROTOBUF_C_TYPE_STRING:
        if (!json_is_string(v)) return wrong(e, "a string");
        *(char **)at = arena_strndup(a, json_string_value(v), json_string_length(v));
        return SINTER_OK;
    case PROTOBUF_C_TYPE_BOOL:
        if (!json_is_boolean(v)) return wrong(e, "true or false");
        *(protobuf_c_boolean *)at = json_is_true(v);
        return SINTER_OK;
    default:
        if (!whole_of(v, &w, &bits)) return wrong(e, w.name);
        put_whole(f->type, bits, at);
        return SINTER_OK;
    }
}

sinter_status json_key(const ProtobufCFieldDescriptor *f, const char *text, void *at, arena *a, sinter_error *e)
{
    whole w = range_of(f->type);
    uint64_t bits;
    if (f->type == PROTOBUF_C_TYPE_STRING) {
        *(char **)at = arena_strdup(a, text);
        return SINTER_OK;
    }
    if (f->type == PROTOBUF_C_TYPE_BOOL) {
        *(protobuf_c_boolean *)at = strcmp(text, "true") == 0;
        return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ? SINTER_OK : wrong(e, "true or false, as a key");
    }
    if (!whole_of_text(str_of(text), &w, &bits)) return wrong(e, w.name);
    put_whole(f->type, bits, at);
    return SINTER_OK;
}
