/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Updates of parts of items: what of one can be checked alone, and the item that it makes of another. */
#include "inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef Sinter__V1__Item__FieldsEntry entry;
typedef Sinter__V1__ItemUpdate update;

/* ---- checked alone ------------------------------------------------------------------------------------------------- */

static const config_field *declared_of(checker *k, const char *path, const char *name)
{
    const catalog_field *known = catalog_find_field(k->c, name);
    const config_field *f = known ? known->declared : catalog_declared(k->c, name);
    if (!f) check_refuse_unknown(k, path, name);
    return f;
}

static bool is_prefix(const char *mask)
{
    size_t n = strlen(mask);
    return n && mask[n - 1] == '*';
}

static bool names(const char *mask, const char *field)
{
    return is_prefix(mask) ? strncmp(mask, field, strlen(mask) - 1) == 0 : strcmp(mask, field) == 0;
}

static bool masked(const update *u, const char *field)
{
    for (size_t i = 0; i < u->n_mask; i++) {
        if (names(u->mask[i], field)) return true;
    }
    return false;
}

static void check_fields(checker *k, const update *u)
{
    for (size_t i = 0; i < u->n_fields; i++) {
        const char *name = u->fields[i]->key, *problem;
        const Sinter__V1__Value *v;
        const config_field *f = declared_of(k, "fields.", name);
        if (!f) continue;
        if ((problem = check_value(f, u->fields[i]->value, k->a, &v)))
            check_refuse(k, "fields.", name, arena_printf(k->a, "%s; %s", problem, check_takes(f, k->a)));
        else if (u->n_mask && !masked(u, name))
            check_refuse(k, "fields.", name, "is set and the mask does not name it; name it there, or leave the mask empty");
    }
    for (size_t i = 0; i < u->n_mask; i++) {
        if (!is_prefix(u->mask[i])) declared_of(k, "mask.", u->mask[i]);
    }
}

static const Sinter__V1__Value *step_of(const Sinter__V1__Value *v)
{
    static const Sinter__V1__Value none = SINTER__V1__VALUE__INIT;
    return v ? v : &none;
}

static void check_increments(checker *k, const update *u)
{
    for (size_t i = 0; i < u->n_increment; i++) {
        const char *name = u->increment[i]->key, *problem;
        const Sinter__V1__Value *v;
        const config_field *f = declared_of(k, "increment.", name);
        if (!f) continue;
        if (f->type != FIELD_INTEGER && f->type != FIELD_NUMBER)
            check_refuse(k, "increment.", name, arena_printf(k->a, "is of type %s; integer and number fields can be added to", FIELD_TYPE_NAMES[f->type]));
        else if ((problem = check_value(f, step_of(u->increment[i]->value), k->a, &v)) || !v)
            check_refuse(k, "increment.", name, arena_printf(k->a, "%s; %s", problem ? problem : "it has no value", check_takes(f, k->a)));
    }
}

static void check_words(checker *k, const char *path, const char *name, const Sinter__V1__Strings *s)
{
    const Sinter__V1__Value *v;
    const config_field *f = declared_of(k, path, name);
    if (!f) return;
    if (f->type != FIELD_KEYWORDS) {
        check_refuse(k, path, name, arena_printf(k->a, "is of type %s; keywords fields have values to add and remove", FIELD_TYPE_NAMES[f->type]));
        return;
    }
    Sinter__V1__Value list = SINTER__V1__VALUE__INIT;
    list.kind_case = SINTER__V1__VALUE__KIND_STRINGS_VALUE;
    list.strings_value = (Sinter__V1__Strings *)(uintptr_t)s;
    const char *problem = s && s->n_values ? check_value(f, &list, k->a, &v) : "it names no value";
    if (problem) check_refuse(k, path, name, arena_printf(k->a, "%s; %s", problem, check_takes(f, k->a)));
}

static const char *name_at(const update *u, size_t i)
{
    if (i < u->n_fields) return u->fields[i]->key;
    i -= u->n_fields;
    if (i < u->n_increment) return u->increment[i]->key;
    i -= u->n_increment;
    return i < u->n_remove ? u->remove[i]->key : u->add[i - u->n_remove]->key;
}

/* A field may be removed from and added to, and stands else in one place once. */
static void check_once(checker *k, const update *u)
{
    size_t n = u->n_fields + u->n_increment + u->n_remove + u->n_add, lists = u->n_fields + u->n_increment;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            bool both = j >= lists && j < lists + u->n_remove && i >= lists + u->n_remove;
            if (both || strcmp(name_at(u, i), name_at(u, j)) != 0) continue;
            check_refuse(k, "", name_at(u, i), "is named more than once; an update sets a field, adds to it, or changes its values");
            return;
        }
    }
}

sinter_status catalog_check_update(catalog_collection *c, const update *u, const char *prefix, arena *a,
                                   Sinter__V1__FieldViolation ***violations, size_t *n_violations)
{
    enum { MOST_NAMES = 1000 }; /* compared each with each */
    checker *k = ARENA_NEW(a, checker);
    *k = (checker){.c = c, .a = a, .prefix = prefix ? prefix : ""};
    const char *bad_id = id_problem(u->id, strlen(u->id));
    if (bad_id) check_refuse(k, "id", NULL, arena_printf(a, "%s; an id is 1 to 256 bytes of UTF-8 without control characters", bad_id));
    if (u->n_fields + u->n_mask + u->n_increment + u->n_remove + u->n_add > MOST_NAMES) {
        check_refuse(k, "fields", NULL, "an update names at most 1,000 fields in all");
    } else {
        check_fields(k, u);
        check_increments(k, u);
        for (size_t i = 0; i < u->n_remove; i++) check_words(k, "remove.", u->remove[i]->key, u->remove[i]->value);
        for (size_t i = 0; i < u->n_add; i++) check_words(k, "add.", u->add[i]->key, u->add[i]->value);
        check_once(k, u);
    }
    *violations = k->violation;
    *n_violations = k->n;
    return k->n ? SINTER_INVALID : SINTER_OK;
}

/* ---- the item that comes of it ------------------------------------------------------------------------------------------ */

typedef struct change {
    catalog_collection *c;
    arena *a;
    Sinter__V1__Item item; /* being made */
    const char *path, *what;
} change;

static entry *entry_of(change *x, const char *name)
{
    for (size_t i = 0; i < x->item.n_fields; i++) {
        if (strcmp(x->item.fields[i]->key, name) == 0) return x->item.fields[i];
    }
    return NULL;
}

static const Sinter__V1__Value *value_of(change *x, const char *name)
{
    const entry *e = entry_of(x, name);
    return e ? e->value : NULL;
}

/* The entries are copies of pointers: the one before stays as it was. */
static void set(change *x, const char *name, const Sinter__V1__Value *v)
{
    entry *fresh = arena_alloc(x->a, sizeof *fresh);
    sinter__v1__item__fields_entry__init(fresh);
    fresh->key = (char *)(uintptr_t)name;
    fresh->value = (Sinter__V1__Value *)(uintptr_t)v;
    for (size_t i = 0; i < x->item.n_fields; i++) {
        if (strcmp(x->item.fields[i]->key, name) != 0) continue;
        x->item.fields[i] = fresh;
        return;
    }
    x->item.fields[x->item.n_fields++] = fresh;
}

static const config_field *known_field(const change *x, const char *name)
{
    const catalog_field *f = catalog_find_field(x->c, name);
    return f ? f->declared : catalog_declared(x->c, name);
}

/* Of what the mask names all goes but what `fields` sets; an undeclared field is not one that a client may mean. */
static void clear_masked(change *x, const update *u)
{
    size_t kept = 0;
    for (size_t i = 0; i < x->item.n_fields; i++) {
        const char *name = x->item.fields[i]->key;
        if (!masked(u, name) || !known_field(x, name)) x->item.fields[kept++] = x->item.fields[i];
    }
    x->item.n_fields = kept;
}

static Sinter__V1__Value *value_new(arena *a, Sinter__V1__Value__KindCase kind)
{
    Sinter__V1__Value *v = arena_alloc(a, sizeof *v);
    sinter__v1__value__init(v);
    v->kind_case = kind;
    return v;
}

static bool fail(change *x, const char *path, const char *name, const char *what)
{
    x->path = arena_printf(x->a, "%s%s", path, name);
    x->what = what;
    return false;
}

static bool increment(change *x, const char *name, const Sinter__V1__Value *by)
{
    const config_field *f = known_field(x, name);
    const Sinter__V1__Value *step, *was = NULL, *now = value_of(x, name);
    if (!f || check_value(f, by, x->a, &step) || !step) return fail(x, "increment.", name, "cannot be added to");
    if (now && (check_value(f, now, x->a, &was) || !was)) was = NULL; /* of another type, by an earlier schema */
    if (f->type == FIELD_INTEGER) {
        Sinter__V1__Value *v = value_new(x->a, SINTER__V1__VALUE__KIND_INTEGER_VALUE);
        if (__builtin_add_overflow(was ? was->integer_value : 0, step->integer_value, &v->integer_value))
            return fail(x, "increment.", name, arena_printf(x->a, "%" PRId64 " and %" PRId64 " together do not fit into 64 bits", was->integer_value, step->integer_value));
        set(x, name, v);
        return true;
    }
    Sinter__V1__Value *v = value_new(x->a, SINTER__V1__VALUE__KIND_NUMBER_VALUE);
    v->number_value = (was ? was->number_value : 0) + step->number_value;
    set(x, name, v);
    return true;
}

static bool holds(const Sinter__V1__Strings *s, const char *word)
{
    for (size_t i = 0; s && i < s->n_values; i++) {
        if (strcmp(s->values[i], word) == 0) return true;
    }
    return false;
}

/* The list without some, with others behind. */
static void change_words(change *x, const char *name, const Sinter__V1__Strings *without, const Sinter__V1__Strings *with)
{
    const Sinter__V1__Value *now = value_of(x, name);
    const Sinter__V1__Strings *was = now && now->kind_case == SINTER__V1__VALUE__KIND_STRINGS_VALUE ? now->strings_value : NULL;
    Sinter__V1__Value *v = value_new(x->a, SINTER__V1__VALUE__KIND_STRINGS_VALUE);
    Sinter__V1__Strings *s = v->strings_value = arena_alloc(x->a, sizeof *s);
    sinter__v1__strings__init(s);
    s->values = ARENA_ARRAY(x->a, char *, (was ? was->n_values : 0) + (with ? with->n_values : 0) + 1);
    for (size_t i = 0; was && i < was->n_values; i++) {
        if (!holds(without, was->values[i])) s->values[s->n_values++] = was->values[i];
    }
    for (size_t i = 0; with && i < with->n_values; i++) {
        if (!holds(s, with->values[i])) s->values[s->n_values++] = with->values[i];
    }
    set(x, name, v);
}

static int by_key(const void *x, const void *y)
{
    return strcmp((*(entry *const *)x)->key, (*(entry *const *)y)->key);
}

/* Checks what the schema knows and puts the rest, from an earlier schema, back beside it. */
static sinter_status finish(change *x, Sinter__V1__Item **out, const Sinter__V1__FieldViolation **violation)
{
    entry **unknown = ARENA_ARRAY(x->a, entry *, x->item.n_fields + 1);
    size_t n_unknown = 0, kept = 0, n;
    Sinter__V1__FieldViolation **all;
    for (size_t i = 0; i < x->item.n_fields; i++) {
        entry *e = x->item.fields[i];
        if (known_field(x, e->key)) x->item.fields[kept++] = e;
        else unknown[n_unknown++] = e;
    }
    x->item.n_fields = kept;
    sinter_status s = catalog_check_item(x->c, &x->item, "", x->a, out, &all, &n);
    if (s != SINTER_OK) {
        *violation = all[0];
        return s;
    }
    if (!n_unknown) return SINTER_OK;
    entry **fields = ARENA_ARRAY(x->a, entry *, (*out)->n_fields + n_unknown);
    if ((*out)->n_fields) memcpy(fields, (*out)->fields, (*out)->n_fields * sizeof *fields);
    memcpy(fields + (*out)->n_fields, unknown, n_unknown * sizeof *fields);
    (*out)->fields = fields;
    (*out)->n_fields += n_unknown;
    qsort(fields, (*out)->n_fields, sizeof *fields, by_key);
    return SINTER_OK;
}

sinter_status catalog_update_item(catalog_collection *c, const update *u, const Sinter__V1__Item *before, arena *a,
                                  Sinter__V1__Item **out, const Sinter__V1__FieldViolation **violation)
{
    change *x = ARENA_NEW(a, change);
    size_t n = before ? before->n_fields : 0;
    x->c = c;
    x->a = a;
    sinter__v1__item__init(&x->item);
    x->item.id = u->id;
    x->item.fields = ARENA_ARRAY(a, entry *, n + u->n_fields + u->n_increment + u->n_remove + u->n_add + 1);
    if (n) memcpy(x->item.fields, before->fields, n * sizeof *x->item.fields);
    x->item.n_fields = n;
    bool fine = true;
    if (u->n_mask) clear_masked(x, u);
    for (size_t i = 0; i < u->n_fields; i++) set(x, u->fields[i]->key, u->fields[i]->value);
    for (size_t i = 0; i < u->n_increment && fine; i++) fine = increment(x, u->increment[i]->key, u->increment[i]->value);
    for (size_t i = 0; i < u->n_remove; i++) change_words(x, u->remove[i]->key, u->remove[i]->value, NULL);
    for (size_t i = 0; i < u->n_add; i++) change_words(x, u->add[i]->key, NULL, u->add[i]->value);
    if (fine) return finish(x, out, violation);
    Sinter__V1__FieldViolation *v = arena_alloc(a, sizeof *v);
    sinter__v1__field_violation__init(v);
    v->field = (char *)(uintptr_t)x->path;
    v->description = (char *)(uintptr_t)x->what;
    *violation = v;
    return SINTER_INVALID;
}
