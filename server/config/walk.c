/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table-driven walker: a YAML map is checked against a table and written into a struct. */
#include "walk.h"

#include "kept.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const KIND_NAMES[] = {"a single value", "a list", "a map"};

bool conf_null(const conf_node *n)
{
    return !n || (n->kind == CONF_SCALAR && !n->quoted && !*n->text);
}

sinter_status walk_is(const conf_node *at, conf_kind kind, const char *what, sinter_error *e)
{
    if (at->kind == kind) return SINTER_OK;
    return conf_error(e, at, NULL, "%s must be %s, not %s", what, KIND_NAMES[kind], KIND_NAMES[at->kind]);
}

sinter_status walk_unknown(const conf_node *at, const char *what, const char *name, const char *const *names, size_t n,
                           sinter_error *e)
{
    const char *near = near_name(name, names, n);
    buffer fix = {0};
    if (near) {
        buffer_printf(&fix, "did you mean '%s'?", near);
    } else {
        buffer_puts(&fix, n ? "valid: " : "none is valid here");
        for (size_t i = 0; i < n; i++)
            buffer_printf(&fix, "%s%s", i ? ", " : "", names[i]);
    }
    sinter_status s = conf_error(e, at, fix.data, "unknown %s '%s'", what, name);
    buffer_free(&fix);
    return s;
}

/* `path` as seen from the folder `here`, which is free of links. */
static const char *seen_from(const char *here, const char *path, arena *a)
{
    char *at = arena_strdup(a, here);
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    while (strncmp(path, "../", 3) == 0 && strlen(at) > 1) {
        *strrchr(at, '/') = '\0';
        path += 3;
    }
    return arena_printf(a, "%s/%s", strcmp(at, "/") == 0 ? "" : at, path);
}

const char *walk_path(const char *file, const char *path, arena *a)
{
    if (path[0] == '/') return arena_strdup(a, path);
    const char *slash = strrchr(file, '/'), *root, *origin;
    char *folder = slash ? arena_strndup(a, file, (size_t)(slash - file) + 1) : arena_strdup(a, "./");
    char here[PATH_MAX];
    if (!realpath(folder, here)) snprintf(here, sizeof here, "%s", folder);
    const char *found = seen_from(here, path, a);
    if (!kept_root(here, a, &root, &origin)) return found;
    size_t n = strlen(root);
    if (strncmp(found, root, n) == 0 && found[n] == '/' && access(found, F_OK) == 0) return found;
    return seen_from(arena_printf(a, "%s%s", origin, here + n), path, a);
}

const char *conf_path(const conf_node *at, arena *a)
{
    return walk_path(at->file, at->text, a);
}

static const walk_key *find(const walk_table *t, const char *key)
{
    for (uint32_t i = 0; i < t->n; i++) {
        if (strcmp(t->key[i].key, key) == 0) return &t->key[i];
    }
    return NULL;
}

static sinter_status unknown_key(const conf_node *at, const walk_table *t, sinter_error *e)
{
    const char *names[64];
    uint32_t n = t->n < ARRAY_LEN(names) ? t->n : (uint32_t)ARRAY_LEN(names);
    for (uint32_t i = 0; i < n; i++)
        names[i] = t->key[i].key;
    char what[96];
    snprintf(what, sizeof what, "key of %s:", t->of);
    return walk_unknown(at, what, at->text, names, n, e);
}

static const char *const EXPECTED[] = {
    [WALK_STRING] = "a text",
    [WALK_BOOL] = "true or false",
    [WALK_U32] = "a whole number",
    [WALK_DOUBLE] = "a number",
    [WALK_DURATION] = "a duration such as 250us, 2ms or 1.5s",
    [WALK_SIZE] = "a size such as 4MiB, 64KiB or a number of bytes",
};

/* The value of a scalar as its key wants it; false: it is not one. */
static bool convert(walk_type type, str text, void *out, double *number)
{
    uint64_t u;
    switch (type) {
    case WALK_BOOL: return parse_bool(text, out);
    case WALK_DOUBLE: return parse_double(text, number) && (*(double *)out = *number, true);
    case WALK_U32:
        if (!parse_uint64(text, &u) || u > UINT32_MAX) return false;
        *number = (double)u;
        *(uint32_t *)out = (uint32_t)u;
        return true;
    case WALK_DURATION:
    case WALK_SIZE:
        if (type == WALK_DURATION ? !parse_duration_ns(text, &u) : !parse_size(text, &u)) return false;
        *number = (double)u;
        *(uint64_t *)out = u;
        return true;
    default: return false;
    }
}

static void print_bound(walk_type type, double v, char *out, size_t size)
{
    if (type == WALK_DURATION)
        snprintf(out, size, "%.9gs", v / 1e9);
    else
        snprintf(out, size, "%.15g", v);
}

static sinter_status out_of_range(const walk_key *k, const conf_node *at, sinter_error *e)
{
    char least[40], most[40], fix[100];
    print_bound(k->type, k->least, least, sizeof least);
    print_bound(k->type, k->most, most, sizeof most);
    snprintf(fix, sizeof fix, "valid: %s to %s", least, most);
    return conf_error(e, at, fix, "%s is %s", k->key, at->text);
}

static sinter_status set_string(const walk_key *k, const conf_node *at, const char **out, sinter_error *e)
{
    *out = at->text;
    if (!k->choices) return SINTER_OK;
    size_t n = 0;
    for (; k->choices[n]; n++) {
        if (strcmp(k->choices[n], at->text) == 0) return SINTER_OK;
    }
    return walk_unknown(at, k->key, at->text, k->choices, n, e);
}

static sinter_status set(const walk_key *k, const conf_node *at, void *target, sinter_error *e)
{
    void *out = (char *)target + k->offset;
    if (k->type == WALK_NODE) {
        *(const conf_node **)out = at;
        return SINTER_OK;
    }
    if (at->kind != CONF_SCALAR)
        return conf_error(e, at, NULL, "%s must be %s, not %s", k->key, EXPECTED[k->type], KIND_NAMES[at->kind]);
    if (conf_null(at)) return conf_error(e, at, NULL, "%s has no value; it must be %s", k->key, EXPECTED[k->type]);
    if (k->type == WALK_STRING) return set_string(k, at, out, e);
    double number = 0;
    if (at->quoted || !convert(k->type, str_of(at->text), out, &number)) {
        bool quoted = at->quoted && convert(k->type, str_of(at->text), out, &number);
        return conf_error(e, at, quoted ? "remove the quotes" : NULL, "%s is '%s', not %s", k->key, at->text,
                          EXPECTED[k->type]);
    }
    bool bounded = k->least != 0 || k->most != 0;
    return bounded && (number < k->least || number > k->most) ? out_of_range(k, at, e) : SINTER_OK;
}

static void set_fallback(const walk_key *k, void *target)
{
    double number;
    void *out = (char *)target + k->offset;
    if (k->type == WALK_STRING)
        *(const char **)out = k->fallback;
    else
        convert(k->type, str_of(k->fallback), out, &number);
}

sinter_status walk_map(const conf_node *map, const walk_table *t, void *target, arena *a, sinter_error *e)
{
    (void)a;
    sinter_status s = walk_is(map, CONF_MAP, t->of, e);
    if (s != SINTER_OK) return s;
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->key[i].fallback) set_fallback(&t->key[i], target);
    }
    for (uint32_t i = 0; i < map->n; i++) {
        const walk_key *k = find(t, map->key[i]->text);
        if (!k && t->open) continue;
        s = k ? set(k, map->value[i], target, e) : unknown_key(map->key[i], t, e);
        if (s != SINTER_OK) return s;
    }
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->key[i].required && !conf_get(map, t->key[i].key))
            return conf_error(e, map, t->key[i].doc, "%s has no key '%s'", t->of, t->key[i].key);
    }
    return SINTER_OK;
}
