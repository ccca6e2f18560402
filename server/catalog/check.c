/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Checks items before they are journaled. Every refusal says the field's path, what is wrong, and what is valid.
 *
 * A value passes through check_value, which converts what is meant the same (an integral number for an integer, an RFC 3339
 * string for a timestamp, one string for keywords) and explains the rest. An item is refused as a whole; what is wrong with
 * it is said all at once, up to MOST_VIOLATIONS. */
#include "inside.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_KEYWORDS = 1000, SHOWN_BYTES = 40, MOST_NAMES = 10 };

/* Seconds of 0001-01-01 and 9999-12-31, what a protobuf Timestamp may hold. */
static const int64_t FIRST_SECOND = -62135596800, LAST_SECOND = 253402300799;

static const struct {
    const char *name, *takes;
} TYPE[FIELD_TYPES] = {
    [FIELD_TEXT] = {"text", "a string of at most 4 MiB"},
    [FIELD_KEYWORD] = {"keyword", "a string of at most 1,024 bytes"},
    [FIELD_KEYWORDS] = {"keywords", "at most 1,000 strings of at most 1,024 bytes each"},
    [FIELD_INTEGER] = {"integer", "a whole number of 64 bits"},
    [FIELD_NUMBER] = {"number", "a finite number"},
    [FIELD_BOOLEAN] = {"boolean", "true or false"},
    [FIELD_TIMESTAMP] = {"timestamp", "a timestamp, or a string such as \"2009-12-10T00:00:00Z\", of the years 1 to 9999"},
    [FIELD_VECTOR] = {"vector", "finite numbers"},
    [FIELD_GEO] = {"geo", "a latitude of -90 to 90 and a longitude of -180 to 180 degrees"},
};

/* ---- quoting what came ------------------------------------------------------------------------------------------------ */

/* Bytes from outside, fit for a message: cut at a character, whatever is not text becomes '?'. */
const char *check_shown(arena *a, const char *s, size_t most) {
    size_t n = strnlen(s, most + 1), bad;
    bool cut = n > most;
    if (cut) {
        n = most;
        while (n && ((unsigned char)s[n] & 0xC0) == 0x80)
            n--;
    }
    char *out = arena_strndup(a, s, n);
    for (size_t at = 0; !utf8_valid(out + at, n - at, &bad);) {
        at += bad;
        out[at++] = '?';
    }
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)out[i] < 0x20 || out[i] == 0x7F) out[i] = '?';
    }
    return cut ? arena_printf(a, "%s…", out) : out;
}

static const char *kind_of(const Sinter__V1__Value *v, arena *a) {
    switch (v->kind_case) {
    case SINTER__V1__VALUE__KIND_STRING_VALUE:
        return arena_printf(a, "\"%s\" is a string", check_shown(a, v->string_value, SHOWN_BYTES));
    case SINTER__V1__VALUE__KIND_NUMBER_VALUE: return arena_printf(a, "%.17g is a number", v->number_value);
    case SINTER__V1__VALUE__KIND_INTEGER_VALUE: return arena_printf(a, "%" PRId64 " is an integer", v->integer_value);
    case SINTER__V1__VALUE__KIND_BOOLEAN_VALUE: return v->boolean_value ? "true is a boolean" : "false is a boolean";
    case SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE: return "it is a timestamp";
    case SINTER__V1__VALUE__KIND_STRINGS_VALUE: return "it is a list of strings";
    case SINTER__V1__VALUE__KIND_VECTOR_VALUE: return "it is a vector";
    case SINTER__V1__VALUE__KIND_GEO_VALUE: return "it is a geo point";
    default: return "it is of an unknown kind";
    }
}

static const char *not_finite(double v) {
    return isnan(v) ? "NaN is not a finite number" : v > 0 ? "infinity is not a finite number" : "-infinity is not a finite number";
}

static Sinter__V1__Value *value_new(arena *a, Sinter__V1__Value__KindCase kind) {
    Sinter__V1__Value *v = arena_alloc(a, sizeof *v);
    sinter__v1__value__init(v);
    v->kind_case = kind;
    return v;
}

/* ---- one function a type: NULL, or what is wrong ------------------------------------------------------------------------- */

static const char *check_text(const config_field *f, const Sinter__V1__Value *in, arena *a, const Sinter__V1__Value **out) {
    (void)f, (void)out;
    if (in->kind_case != SINTER__V1__VALUE__KIND_STRING_VALUE) return kind_of(in, a);
    size_t n = strlen(in->string_value);
    return n > CATALOG_MAX_TEXT_BYTES ? arena_printf(a, "it is %zu bytes long", n) : NULL;
}

static const char *keyword_problem(const char *s, arena *a) {
    size_t n = strlen(s);
    if (n <= CATALOG_MAX_KEYWORD_BYTES) return NULL;
    return arena_printf(a, "\"%s\" is %zu bytes long", check_shown(a, s, SHOWN_BYTES), n);
}

static const char *check_keyword(const config_field *f, const Sinter__V1__Value *in, arena *a, const Sinter__V1__Value **out) {
    (void)f, (void)out;
    if (in->kind_case != SINTER__V1__VALUE__KIND_STRING_VALUE) return kind_of(in, a);
    return keyword_problem(in->string_value, a);
}

static const char *check_keywords(const config_field *f, const Sinter__V1__Value *in, arena *a, const Sinter__V1__Value **out) {
    (void)f;
    if (in->kind_case == SINTER__V1__VALUE__KIND_STRING_VALUE) {
        Sinter__V1__Value *v = value_new(a, SINTER__V1__VALUE__KIND_STRINGS_VALUE);
        v->strings_value = arena_alloc(a, sizeof *v->strings_value);
        sinter__v1__strings__init(v->strings_value);
        v->strings_value->n_values = 1;
        v->strings_value->values = arena_alloc(a, sizeof(char *));
        v->strings_value->values[0] = in->string_value;
        *out = v;
        return keyword_problem(in->string_value, a);
    }
    if (in->kind_case != SINTER__V1__VALUE__KIND_STRINGS_VALUE) return kind_of(in, a);
    const Sinter__V1__Strings *s = in->strings_value;
    if (s->n_values > MOST_KEYWORDS) return arena_printf(a, "it holds %zu strings", s->n_values);
    for (size_t i = 0; i < s->n_values; i++) {
        const char *problem = keyword_problem(s->values[i], a);
        if (problem) return problem;
    }
    if (s->n_values == 0) *out = NULL;
    return NULL;
}

static const char *check_integer(const config_field *f, const Sinter__V1__Value *in, arena *a, const Sinter__V1__Value **out) {
    (void)f;
    if (in->kind_case == SINTER__V1__VALUE__KIND_INTEGER_VALUE) return NULL;
    if (in->kind_case != SINTER__V1__VALUE__KIND_NUMBER_VALUE) return kind_of(in, a);
    double x = in->number_value;
    if (!isfinite(x)) return not_finite(x);
    if (x != trunc(x)) return arena_printf(a, "%.17g is not a whole number", x);
    if (x < -0x1p63 || x >= 0x1p63) return arena_printf(a, "%.17g does not fit into 64 bits", x);
    Sinter__V1__Value *v = value_new(a, SINTER__V1__VALUE__KIND_INTEGER_VALUE);
    v->integer_value = (int64_t)x;
    *out = v;
    return NULL;
}

static const char *check_number(const config_field *f, const Sinter__V1__Value *in, arena *a, const Sinter__V1__Value **out) {
    (void)f;
    if (in->kind_case == SINTER__V1__VALUE__KIND_INTEGER_VALUE) {
        Sinter__V1__Value *v = value_new(a, SINTER__V1__VALUE__KIND_NUMBER_VALUE);
        v->number_value = (double)in->integer_value;
        *out = v;
        return NULL;
    }
    if (in->kind_case != SINTER__V1__VALUE__KIND_NUMBER_VALUE) return kind_of(in, a);
    return isfinite(in->number_value) ? NULL : not_finite(in->number_value);
}

static const char *check_boolean(const config_field *f, const Sinter__V1__Value *in, arena *a, const Sinter__V1__Value **out) {
    (void)f, (void)out;
    return in->kind_case == SINTER__V1__VALUE__KIND_BOOLEAN_VALUE ? NULL : kind_of(in, a);
}

static const char *check_timestamp(const config_field *f, const Sinter__V1__Value *in, arena *a, const Sinter__V1__Value **out) {
    (void)f;
    if (in->kind_case == SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE) {
        const Google__Protobuf__Timestamp *t = in->timestamp_value;
        if (t->seconds < FIRST_SECOND || t->seconds > LAST_SECOND)
            return arena_printf(a, "%" PRId64 " seconds are out of range", t->seconds);
        return t->nanos < 0 || t->nanos > 999999999 ? arena_printf(a, "%d nanoseconds are out of range", t->nanos) : NULL;
    }
    int64_t ms;
    if (in->kind_case != SINTER__V1__VALUE__KIND_STRING_VALUE) return kind_of(in, a);
    if (!time_parse_ms(str_of(in->string_value), &ms))
        return arena_printf(a, "\"%s\" is not a time", check_shown(a, in->string_value, SHOWN_BYTES));
    Google__Protobuf__Timestamp t = timestamp_of(ms);
    if (t.seconds < FIRST_SECOND || t.seconds > LAST_SECOND)
        return arena_printf(a, "\"%s\" is out of range", check_shown(a, in->string_value, SHOWN_BYTES));
    Sinter__V1__Value *v = value_new(a, SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE);
    v->timestamp_value = arena_alloc(a, sizeof *v->timestamp_value);
    *v->timestamp_value = t;
    *out = v;
    return NULL;
}

static const char *check_vector(const config_field *f, const Sinter__V1__Value *in, arena *a, const Sinter__V1__Value **out) {
    (void)out;
    if (in->kind_case != SINTER__V1__VALUE__KIND_VECTOR_VALUE) return kind_of(in, a);
    const Sinter__V1__Vector *v = in->vector_value;
    if (v->n_values != f->dimension) return arena_printf(a, "it holds %zu numbers", v->n_values);
    for (size_t i = 0; i < v->n_values; i++) {
        if (!isfinite(v->values[i])) return arena_printf(a, "number %zu: %s", i, not_finite((double)v->values[i]));
    }
    return NULL;
}

static const char *check_geo(const config_field *f, const Sinter__V1__Value *in, arena *a, const Sinter__V1__Value **out) {
    (void)f, (void)out;
    if (in->kind_case != SINTER__V1__VALUE__KIND_GEO_VALUE) return kind_of(in, a);
    double latitude = in->geo_value->latitude, longitude = in->geo_value->longitude;
    if (!(latitude >= -90 && latitude <= 90)) return arena_printf(a, "latitude %g is out of range", latitude);
    if (!(longitude >= -180 && longitude <= 180)) return arena_printf(a, "longitude %g is out of range", longitude);
    return NULL;
}

static const char *(*const CHECK[FIELD_TYPES])(const config_field *, const Sinter__V1__Value *, arena *,
                                               const Sinter__V1__Value **) = {
    [FIELD_TEXT] = check_text,       [FIELD_KEYWORD] = check_keyword,     [FIELD_KEYWORDS] = check_keywords,
    [FIELD_INTEGER] = check_integer, [FIELD_NUMBER] = check_number,       [FIELD_BOOLEAN] = check_boolean,
    [FIELD_VECTOR] = check_vector,   [FIELD_TIMESTAMP] = check_timestamp, [FIELD_GEO] = check_geo,
};

const char *check_value(const config_field *f, const Sinter__V1__Value *in, arena *a, const Sinter__V1__Value **out) {
    *out = NULL;
    if (!in || in->kind_case == SINTER__V1__VALUE__KIND__NOT_SET) return NULL;
    *out = in;
    return CHECK[f->type](f, in, a, out);
}

/* ---- a whole item ------------------------------------------------------------------------------------------------------------ */

void check_refuse(checker *k, const char *path, const char *name, const char *description) {
    if (k->n == MOST_VIOLATIONS) return;
    Sinter__V1__FieldViolation *v = arena_alloc(k->a, sizeof *v);
    sinter__v1__field_violation__init(v);
    v->field = arena_printf(k->a, "%s%s%s%s", k->prefix, k->prefix[0] ? "." : "", path, name ? check_shown(k->a, name, 256) : "");
    v->description = arena_strdup(k->a, description);
    k->violation[k->n++] = v;
}

static void refuse_field(checker *k, const char *name, const char *description) {
    check_refuse(k, "fields.", name, description);
}

static const char *declared_names(const checker *k) {
    const config_collection *s = k->c->schema;
    const char *names = "";
    for (uint32_t i = 0; i < s->n_fields && i < MOST_NAMES; i++)
        names = arena_printf(k->a, "%s%s%s", names, i ? ", " : "", s->field[i].name);
    return s->n_fields > MOST_NAMES ? arena_printf(k->a, "%s, … (%u in all)", names, s->n_fields) : names;
}

void check_refuse_unknown(checker *k, const char *path, const char *name) {
    const char *near = catalog_near_field(k->c, name);
    check_refuse(k, path, name,
                 near ? arena_printf(k->a, "the collection has no such field; did you mean \"%s\"?", near)
                      : arena_printf(k->a, "the collection has no such field; it declares %s", declared_names(k)));
}

const char *check_takes(const config_field *f, arena *a) {
    const char *article = f->type == FIELD_INTEGER ? "an" : "a";
    if (f->type == FIELD_VECTOR)
        return arena_printf(a, "a vector field of dimension %u takes %u finite numbers", f->dimension, f->dimension);
    return arena_printf(a, "%s %s field takes %s", article, TYPE[f->type].name, TYPE[f->type].takes);
}

static int by_key(const void *x, const void *y) {
    const Sinter__V1__Item__FieldsEntry *a = *(Sinter__V1__Item__FieldsEntry *const *)x;
    const Sinter__V1__Item__FieldsEntry *b = *(Sinter__V1__Item__FieldsEntry *const *)y;
    return strcmp(a->key, b->key);
}

/* The item's entries in the order of their names, which makes equal items equal bytes. */
static Sinter__V1__Item__FieldsEntry **sorted_fields(const Sinter__V1__Item *item, arena *a) {
    size_t n = item->n_fields;
    Sinter__V1__Item__FieldsEntry **out = arena_alloc(a, (n + 1) * sizeof(*out));
    bool sorted = true;
    for (size_t i = 0; i < n; i++) {
        out[i] = item->fields[i];
        if (i && strcmp(out[i - 1]->key, out[i]->key) > 0) sorted = false;
    }
    if (!sorted) qsort(out, n, sizeof *out, by_key);
    return out;
}

/* The entry to journal; NULL: nothing to keep, or refused. */
static Sinter__V1__Item__FieldsEntry *check_entry(checker *k, Sinter__V1__Item__FieldsEntry *entry, const config_field *f) {
    const Sinter__V1__Value *v;
    const char *problem = check_value(f, entry->value, k->a, &v);
    if (problem) refuse_field(k, entry->key, arena_printf(k->a, "%s; %s", problem, check_takes(f, k->a)));
    if (problem || !v) return NULL;
    if (v == entry->value) return entry;
    Sinter__V1__Item__FieldsEntry *fresh = arena_alloc(k->a, sizeof *fresh);
    sinter__v1__item__fields_entry__init(fresh);
    fresh->key = entry->key;
    fresh->value = (Sinter__V1__Value *)v;
    return fresh;
}

typedef struct new_fields { /* of patterns, first seen in this item */
    const char **name;
    const config_field **declared;
    uint32_t n;
} new_fields;

static const config_field *declaration_of(checker *k, const char *name, new_fields *fresh) {
    const catalog_field *known = catalog_find_field(k->c, name);
    if (known) return known->declared;
    const config_field *f = catalog_declared(k->c, name);
    if (f && !id_problem(name, strlen(name))) {
        fresh->name[fresh->n] = name;
        fresh->declared[fresh->n++] = f;
    }
    return f;
}

static void check_fields(checker *k, const Sinter__V1__Item *item, Sinter__V1__Item *out, new_fields *fresh) {
    Sinter__V1__Item__FieldsEntry **entry = sorted_fields(item, k->a);
    out->fields = arena_alloc(k->a, (item->n_fields + 1) * sizeof(*out->fields));
    for (size_t i = 0; i < item->n_fields; i++) {
        const char *name = entry[i]->key;
        if (i && strcmp(entry[i - 1]->key, name) == 0) {
            bool told = i > 1 && strcmp(entry[i - 2]->key, name) == 0;
            if (!told) refuse_field(k, name, "is given more than once; a field has one value (keywords take a list)");
            continue;
        }
        uint32_t n_fresh = fresh->n;
        const config_field *f = declaration_of(k, name, fresh);
        const char *bad_name = f && f->pattern ? id_problem(name, strlen(name)) : NULL;
        if (!f) {
            check_refuse_unknown(k, "fields.", name);
        } else if (bad_name) {
            refuse_field(k, name, arena_printf(k->a, "its name %s; a name is 1 to 256 bytes of UTF-8 without control characters", bad_name));
        } else {
            Sinter__V1__Item__FieldsEntry *kept = check_entry(k, entry[i], f);
            if (kept) out->fields[out->n_fields++] = kept;
            else fresh->n = n_fresh; /* a null makes no field */
        }
    }
}

static void check_required(checker *k, const Sinter__V1__Item *item, const Sinter__V1__Item *out) {
    const config_collection *s = k->c->schema;
    for (uint32_t i = 0; i < s->n_fields; i++) {
        const config_field *f = &s->field[i];
        if (!f->required || f->pattern || catalog_item_value(out, f->name)) continue;
        const Sinter__V1__Value *given = catalog_item_value(item, f->name);
        const Sinter__V1__Value *v;
        if (given && check_value(f, given, k->a, &v)) continue; /* told already */
        refuse_field(k, f->name, arena_printf(k->a, "is missing; the field is required: %s", check_takes(f, k->a)));
    }
}

static void check_room(checker *k, const new_fields *fresh) {
    if (k->n || fresh->n == 0 || schema_make_fields(k->c, fresh->name, fresh->declared, fresh->n)) return;
    refuse_field(k, fresh->name[0],
                 arena_printf(k->a, "is a new field of the pattern \"%s\", and the collection cannot hold %u more; "
                                    "it may hold %u fields in all, new names have to be fewer", fresh->declared[0]->name, fresh->n, CATALOG_MAX_FIELDS));
}

sinter_status catalog_check_item(catalog_collection *c, const Sinter__V1__Item *item, const char *prefix, arena *a,
                                 Sinter__V1__Item **normal, Sinter__V1__FieldViolation ***violations, size_t *n_violations) {
    checker *k = ARENA_NEW(a, checker);
    *k = (checker){.c = c, .a = a, .prefix = prefix ? prefix : ""};
    Sinter__V1__Item *out = arena_alloc(a, sizeof *out);
    sinter__v1__item__init(out);
    out->id = item->id;
    const char *bad_id = id_problem(item->id, strlen(item->id));
    if (bad_id) check_refuse(k, "id", NULL, arena_printf(a, "%s; an id is 1 to 256 bytes of UTF-8 without control characters", bad_id));
    if (item->n_fields > CATALOG_MAX_FIELDS) {
        check_refuse(k, "fields", NULL, arena_printf(a, "holds %zu fields; an item has at most %u", item->n_fields, CATALOG_MAX_FIELDS));
    } else {
        new_fields fresh = {ARENA_ARRAY(a, const char *, item->n_fields + 1),
                            ARENA_ARRAY(a, const config_field *, item->n_fields + 1), 0};
        check_fields(k, item, out, &fresh);
        check_required(k, item, out);
        check_room(k, &fresh);
    }
    *normal = k->n ? NULL : out;
    *violations = k->violation;
    *n_violations = k->n;
    return k->n ? SINTER_INVALID : SINTER_OK;
}
