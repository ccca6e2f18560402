/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A plugin's options: the YAML tree checked against the plugin's own table. Reading them is in getters.c.
 *
 * While it checks, the walk writes a canonical text of all that was given (with a hash of the files that are named), so
 * that equal options are known to be equal wherever they stand. */
#include "inside.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MOST = 16, KEYS_MOST = 128 };

typedef struct checker {
    const plugin_services *services;
    arena *memory;
    buffer key;
    sinter_error *e;
} checker;

static const char *const EXPECTED[] = {
    [SINTER_OPTION_STRING] = "a text",
    [SINTER_OPTION_NUMBER] = "a number",
    [SINTER_OPTION_INTEGER] = "a whole number",
    [SINTER_OPTION_BOOLEAN] = "true or false",
    [SINTER_OPTION_DURATION] = "a duration such as 250us, 2ms or 1.5s",
    [SINTER_OPTION_FILE] = "the path of a file",
    [SINTER_OPTION_LIST] = "a list",
    [SINTER_OPTION_MAP] = "a map",
    [SINTER_OPTION_FILTER] = "a filter expression",
};
static const char *const KINDS[] = {"a single value", "a list", "a map"};

static sinter_status wrong(checker *k, const conf_node *at, const char *key, sinter_option_type type)
{
    if (at->kind != CONF_SCALAR)
        return conf_error(k->e, at, NULL, "%s must be %s, not %s", key, EXPECTED[type], KINDS[at->kind]);
    return conf_error(k->e, at, NULL, "%s is '%s', not %s", key, at->text, EXPECTED[type]);
}

static sinter_status unknown(checker *k, const conf_node *at, const char *what, const char *const *names, size_t n)
{
    const char *near = near_name(at->text, names, n);
    buffer fix = {0};
    if (near) {
        buffer_printf(&fix, "did you mean '%s'?", near);
    } else {
        buffer_puts(&fix, n ? "valid: " : "it has none");
        for (size_t i = 0; i < n; i++)
            buffer_printf(&fix, "%s%s", i ? ", " : "", names[i]);
    }
    sinter_status s = conf_error(k->e, at, fix.data, "unknown %s '%s'", what, at->text);
    buffer_free(&fix);
    return s;
}

static sinter_status check_choice(checker *k, const sinter_option *o, const conf_node *at)
{
    size_t n = 0;
    for (; o->choices[n]; n++) {
        if (strcmp(o->choices[n], at->text) == 0) return SINTER_OK;
    }
    return unknown(k, at, o->key, o->choices, n);
}

static sinter_status check_range(checker *k, const sinter_option *o, const conf_node *at, double v)
{
    char fix[80];
    if ((o->least == 0 && o->most == 0) || (v >= o->least && v <= o->most)) return SINTER_OK;
    snprintf(fix, sizeof fix, "valid: %.15g to %.15g", o->least, o->most);
    return conf_error(k->e, at, fix, "%s is %s", o->key, at->text);
}

static sinter_status check_file(checker *k, const sinter_option *o, const conf_node *at)
{
    const char *path = conf_path(at, k->memory);
    buffer b = {0};
    sinter_error why = SINTER_ERROR_INIT;
    if (!*at->text || file_read(path, 256u << 20, &b, &why) != SINTER_OK)
        return conf_error(k->e, at, "paths are relative to the file that names them", "%s: cannot read '%s': %s",
                          o->key, path, why.what);
    buffer_printf(&k->key, "%s#%016llx", path, (unsigned long long)hash64(b.data, b.len));
    buffer_free(&b);
    return SINTER_OK;
}

static sinter_status check_filter(checker *k, const sinter_option *o, const conf_node *at)
{
    void *compiled;
    sinter_error why = SINTER_ERROR_INIT;
    if (!k->services || !k->services->filter_compile) return SINTER_OK;
    if (k->services->filter_compile(k->services->ctx, at->text, &compiled, &why) == SINTER_OK) {
        if (k->services->filter_free) k->services->filter_free(k->services->ctx, compiled);
        return SINTER_OK;
    }
    return conf_error(k->e, at, why.fix, "%s: %s%s%s", o->key, why.where, why.where[0] ? ": " : "", why.what);
}

/* One scalar; `element` says that `o` describes the list or map around it. */
static sinter_status check_scalar(checker *k, const sinter_option *o, sinter_option_type type, const conf_node *at)
{
    double number;
    int64_t integer;
    uint64_t ns;
    bool boolean;
    str text = str_of(at->text);
    if (at->kind != CONF_SCALAR) return wrong(k, at, o->key, type);
    if (type != SINTER_OPTION_FILE) buffer_printf(&k->key, "%zu:%s", text.n, at->text);
    bool word = type == SINTER_OPTION_STRING || type == SINTER_OPTION_FILE || type == SINTER_OPTION_FILTER;
    if (at->quoted && !word) return wrong(k, at, o->key, type);
    switch (type) {
    case SINTER_OPTION_STRING: return o->choices ? check_choice(k, o, at) : SINTER_OK;
    case SINTER_OPTION_NUMBER:
        return parse_double(text, &number) ? check_range(k, o, at, number) : wrong(k, at, o->key, type);
    case SINTER_OPTION_INTEGER:
        return parse_int64(text, &integer) ? check_range(k, o, at, (double)integer) : wrong(k, at, o->key, type);
    case SINTER_OPTION_BOOLEAN: return parse_bool(text, &boolean) ? SINTER_OK : wrong(k, at, o->key, type);
    case SINTER_OPTION_DURATION:
        return parse_duration_ns(text, &ns) ? check_range(k, o, at, (double)ns / 1e9) : wrong(k, at, o->key, type);
    case SINTER_OPTION_FILE: return check_file(k, o, at);
    case SINTER_OPTION_FILTER: return check_filter(k, o, at);
    default: return wrong(k, at, o->key, type);
    }
}

static sinter_option_type element_of(const sinter_option *o)
{
    return o->element ? o->element : SINTER_OPTION_STRING;
}

static sinter_status check_map(checker *k, const conf_node *map, bool use, const sinter_option *table, uint32_t n);

static sinter_status check_list(checker *k, const sinter_option *o, const conf_node *at)
{
    uint32_t n = at->kind == CONF_LIST ? at->n : 1; /* a lone value is a list of one */
    sinter_status s = SINTER_OK;
    buffer_puts(&k->key, "[");
    for (uint32_t i = 0; i < n && s == SINTER_OK; i++) {
        const conf_node *item = at->kind == CONF_LIST ? at->value[i] : at;
        if (!o->nested)
            s = check_scalar(k, o, element_of(o), item);
        else if (item->kind != CONF_MAP)
            s = conf_error(k->e, item, NULL, "an entry of %s must be a map, not %s", o->key, KINDS[item->kind]);
        else
            s = check_map(k, item, false, o->nested, o->n_nested);
        buffer_puts(&k->key, ",");
    }
    buffer_puts(&k->key, "]");
    return s;
}

static sinter_status check_free_map(checker *k, const sinter_option *o, const conf_node *at)
{
    sinter_status s = SINTER_OK;
    buffer_puts(&k->key, "{");
    for (uint32_t i = 0; i < at->n && s == SINTER_OK; i++) {
        buffer_printf(&k->key, "%zu:%s=", strlen(at->key[i]->text), at->key[i]->text);
        if (o->element != SINTER_OPTION_LIST) {
            s = check_scalar(k, o, element_of(o), at->value[i]);
            continue;
        }
        sinter_option strings = *o;
        strings.element = SINTER_OPTION_STRING;
        s = check_list(k, &strings, at->value[i]);
    }
    buffer_puts(&k->key, "}");
    return s;
}

static sinter_status check_value(checker *k, const sinter_option *o, const conf_node *at)
{
    if (conf_null(at)) return conf_error(k->e, at, NULL, "%s has no value; it must be %s", o->key, EXPECTED[o->type]);
    if (o->type == SINTER_OPTION_LIST) return check_list(k, o, at);
    if (o->type != SINTER_OPTION_MAP) return check_scalar(k, o, o->type, at);
    if (at->kind != CONF_MAP) return wrong(k, at, o->key, o->type);
    return o->nested ? check_map(k, at, false, o->nested, o->n_nested) : check_free_map(k, o, at);
}

/* Whether the key is Sinter's own, at the top of a use. */
static bool own_key(const conf_node *map, const char *key)
{
    for (uint32_t i = 0; i < CONFIG_USE_KEYS_N; i++) {
        if (strcmp(CONFIG_USE_KEYS[i], key) != 0) continue;
        bool of_source = strcmp(key, "limit") == 0;
        return !of_source || conf_get(map, "source");
    }
    return false;
}

static sinter_status check_map(checker *k, const conf_node *map, bool use, const sinter_option *table, uint32_t n)
{
    buffer_puts(&k->key, "{");
    for (uint32_t i = 0; i < map->n; i++) {
        const sinter_option *o = NULL;
        const char *key = map->key[i]->text;
        if (use && own_key(map, key)) continue;
        for (uint32_t t = 0; t < n && !o; t++)
            o = strcmp(table[t].key, key) == 0 ? &table[t] : NULL;
        if (!o) {
            const char *names[KEYS_MOST];
            uint32_t shown = n < KEYS_MOST ? n : KEYS_MOST;
            for (uint32_t t = 0; t < shown; t++)
                names[t] = table[t].key;
            return unknown(k, map->key[i], use ? "option" : "key", names, shown);
        }
        buffer_printf(&k->key, "%s=", key);
        sinter_status s = check_value(k, o, map->value[i]);
        if (s != SINTER_OK) return s;
        buffer_puts(&k->key, ";");
    }
    for (uint32_t t = 0; t < n; t++) {
        if (table[t].required && !conf_get(map, table[t].key))
            return conf_error(k->e, map, table[t].doc, "the key '%s' is missing", table[t].key);
    }
    buffer_puts(&k->key, "}");
    return SINTER_OK;
}

sinter_status plugin_options_check(const conf_node *map, bool use, const sinter_option *table, uint32_t n,
                                   const plugin_services *services, arena *memory, const sinter_options **out,
                                   sinter_error *e)
{
    checker k = {.services = services, .memory = memory, .e = e};
    if (map->kind != CONF_MAP) return conf_error(e, map, NULL, "options must be a map, not %s", KINDS[map->kind]);
    sinter_status s = check_map(&k, map, use, table, n);
    if (s == SINTER_OK) {
        sinter_options *o = ARENA_NEW(memory, sinter_options);
        *o = (sinter_options){
            .root = map, .table = table, .n = n, .memory = memory, .key = arena_strndup(memory, k.key.data, k.key.len)};
        *out = o;
    }
    buffer_free(&k.key);
    return s;
}

/* ---- the table itself -----------------------------------------------------------------------------------------------
 */

static sinter_status insane(sinter_error *e, const sinter_option *o, const char *fix, const char *what)
{
    return error_set(e, SINTER_PRECONDITION, NULL, fix, "its option '%s' %s", o->key ? o->key : "(null)", what);
}

static bool default_fits(const sinter_option *o)
{
    double number = 0;
    int64_t integer;
    uint64_t ns;
    bool boolean;
    str text = str_of(o->default_text);
    bool bounded = o->least != 0 || o->most != 0;
    switch (o->type) {
    case SINTER_OPTION_NUMBER:
        if (!parse_double(text, &number)) return false;
        break;
    case SINTER_OPTION_INTEGER:
        if (!parse_int64(text, &integer)) return false;
        number = (double)integer;
        break;
    case SINTER_OPTION_BOOLEAN: return parse_bool(text, &boolean);
    case SINTER_OPTION_DURATION:
        if (!parse_duration_ns(text, &ns)) return false;
        number = (double)ns / 1e9;
        break;
    case SINTER_OPTION_STRING:
        for (uint32_t i = 0; o->choices && o->choices[i]; i++) {
            if (strcmp(o->choices[i], o->default_text) == 0) return true;
        }
        return !o->choices;
    case SINTER_OPTION_LIST:
    case SINTER_OPTION_MAP: return false;
    default: return true;
    }
    return !bounded || (number >= o->least && number <= o->most);
}

static sinter_status sane_one(const sinter_option *table, uint32_t at, bool top, sinter_error *e)
{
    const sinter_option *o = &table[at];
    if (o->size != sizeof *o) return insane(e, o, "set size = sizeof(sinter_option)", "has a wrong size");
    if (!o->key || !*o->key || strpbrk(o->key, ". \t\n"))
        return insane(e, o, "use a word without dots", "has no usable key");
    if (!o->doc || !*o->doc) return insane(e, o, "say what it means, its unit and its default", "has no doc");
    if (o->type < SINTER_OPTION_STRING || o->type > SINTER_OPTION_FILTER)
        return insane(e, o, "use a sinter_option_type", "has no type");
    if ((o->nested == NULL) != (o->n_nested == 0))
        return insane(e, o, "set both or neither", "has only one of nested and n_nested");
    if (o->default_text && !default_fits(o))
        return insane(e, o, "write a default that it would accept", "has a default that does not fit");
    for (uint32_t i = 0; i < at; i++) {
        if (strcmp(table[i].key, o->key) == 0) return insane(e, o, "keep one", "stands twice");
    }
    for (uint32_t i = 0; top && i < CONFIG_USE_KEYS_N; i++) {
        if (strcmp(CONFIG_USE_KEYS[i], o->key) == 0 && strcmp(o->key, "limit") != 0)
            return insane(e, o, "give it another name", "has the name of a key of Sinter's own");
    }
    return SINTER_OK;
}

static sinter_status sane(const sinter_option *table, uint32_t n, uint32_t depth, sinter_error *e)
{
    if (n > KEYS_MOST || depth > DEPTH_MOST)
        return error_set(e, SINTER_PRECONDITION, NULL, "make it smaller",
                         "its options table has %u keys at depth %u; at most %d keys and %d levels are read", n, depth,
                         (int)KEYS_MOST, (int)DEPTH_MOST);
    sinter_status s = SINTER_OK;
    for (uint32_t i = 0; i < n && s == SINTER_OK; i++) {
        s = sane_one(table, i, depth == 0, e);
        if (s == SINTER_OK) s = sane(table[i].nested, table[i].n_nested, depth + 1, e);
    }
    return s;
}

sinter_status plugin_options_sane(const sinter_option *table, uint32_t n, sinter_error *e)
{
    if (n && !table)
        return error_set(e, SINTER_PRECONDITION, NULL, "set both or neither", "it has %u options and no table", n);
    return sane(table, n, 0, e);
}
