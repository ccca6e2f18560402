/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Running a filter on an item as the journal holds it, before any column does: conditions of writes. The same answers as of
 * the columns, value by value. */
#include "filter_inside.h"

#include <string.h>

static bool has_word(const condition *x, const char *s)
{
    for (uint32_t i = 0; i < x->n; i++) {
        if (str_is(x->u.keyword[i].text, s)) return true;
    }
    return false;
}

static bool has_integer(const condition *x, int64_t v)
{
    for (uint32_t i = 0; i < x->n; i++) {
        if (x->u.integer[i] == v) return true;
    }
    return false;
}

static bool has_number(const condition *x, double v)
{
    for (uint32_t i = 0; i < x->n; i++) {
        if (x->u.number[i] == v) return true;
    }
    return false;
}

static bool test_integer(const condition *x, int64_t v)
{
    return x->kind == CONDITION_INTEGER_IN ? has_integer(x, v) : v >= x->u.integers.low && v <= x->u.integers.high;
}

static bool test_number(const condition *x, double v)
{
    return x->kind == CONDITION_NUMBER_IN ? has_number(x, v) : v >= x->u.numbers.low && v <= x->u.numbers.high;
}

static bool one_of(const condition *x, const Sinter__V1__Strings *s)
{
    for (size_t i = 0; i < s->n_values; i++) {
        if (has_word(x, s->values[i])) return true;
    }
    return false;
}

/* A value of a kind that the field's column would not hold is a missing one. */
static bool value_test(const condition *x, field_type type, const Sinter__V1__Value *v)
{
    switch (v->kind_case) {
    case SINTER__V1__VALUE__KIND_STRING_VALUE: return type == FIELD_KEYWORD && (x->kind == CONDITION_EXISTS || has_word(x, v->string_value));
    case SINTER__V1__VALUE__KIND_STRINGS_VALUE:
        return type == FIELD_KEYWORDS && (x->kind == CONDITION_EXISTS ? v->strings_value->n_values > 0 : one_of(x, v->strings_value));
    case SINTER__V1__VALUE__KIND_INTEGER_VALUE: return type == FIELD_INTEGER && (x->kind == CONDITION_EXISTS || test_integer(x, v->integer_value));
    case SINTER__V1__VALUE__KIND_NUMBER_VALUE: return type == FIELD_NUMBER && (x->kind == CONDITION_EXISTS || test_number(x, v->number_value));
    case SINTER__V1__VALUE__KIND_BOOLEAN_VALUE:
        return type == FIELD_BOOLEAN && (x->kind == CONDITION_EXISTS || (int64_t)v->boolean_value == x->u.integers.low);
    case SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE:
        return type == FIELD_TIMESTAMP && (x->kind == CONDITION_EXISTS || test_integer(x, timestamp_ms(v->timestamp_value)));
    case SINTER__V1__VALUE__KIND_VECTOR_VALUE: return type == FIELD_VECTOR && x->kind == CONDITION_EXISTS;
    case SINTER__V1__VALUE__KIND_GEO_VALUE:
        if (type != FIELD_GEO) return false;
        return x->kind == CONDITION_EXISTS || filter_is_within(x, (double[2]){v->geo_value->latitude, v->geo_value->longitude});
    default: return false;
    }
}

static bool condition_test(const condition *x, const catalog_collection *c, const Sinter__V1__Item *item)
{
    const catalog_field *known = x->name ? catalog_find_field(c, x->name) : NULL;
    const config_field *f = known ? known->declared : x->name ? catalog_declared(c, x->name) : NULL;
    const Sinter__V1__Value *v = f ? catalog_item_value(item, x->name) : NULL;
    return (v && value_test(x, f->type, v)) ^ x->negate;
}

bool filter_test_item(const filter *f, const catalog_collection *c, const Sinter__V1__Item *item)
{
    bool stack[FILTER_STACK];
    uint32_t top = 0;
    if (!f) return true;
    for (uint32_t at = 0; at < f->n_program; at++) {
        const instruction *in = &f->program[at];
        switch (in->op) {
        case OP_CONDITION: stack[top++] = condition_test(f->condition[in->arg], c, item); break;
        case OP_AND: top--, stack[top - 1] &= stack[top]; break;
        case OP_OR: top--, stack[top - 1] |= stack[top]; break;
        case OP_NOT: stack[top - 1] ^= true; break;
        case OP_SKIP_IF_NONE: at += stack[top - 1] ? 0 : in->arg; break;
        case OP_SKIP_IF_ALL: at += stack[top - 1] ? in->arg : 0; break;
        default: break;
        }
    }
    return stack[0];
}
