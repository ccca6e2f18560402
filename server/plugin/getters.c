/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What host->option_* do: a dotted path is followed through the tree and the plugin's table at once. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

typedef struct found {
    const conf_node *node;    /* NULL: not given */
    const sinter_option *row; /* NULL: no such path */
    sinter_option_type type;
    bool element; /* a value inside the row's list or map: defaults do not apply */
} found;

static const sinter_option *row_at(const sinter_option *table, uint32_t n, const char *path, size_t length)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strncmp(table[i].key, path, length) == 0 && !table[i].key[length]) return &table[i];
    }
    return NULL;
}

static const conf_node *get_part(const conf_node *map, const char *key, size_t length)
{
    for (uint32_t i = 0; map && map->kind == CONF_MAP && i < map->n; i++) {
        if (strncmp(map->key[i]->text, key, length) == 0 && !map->key[i]->text[length]) return map->value[i];
    }
    return NULL;
}

/* The entry that digits at *path name; *path moves past them. False: no index stands there. */
static bool index_at(const conf_node *list, const char **path, const conf_node **out)
{
    char *end;
    if (**path < '0' || **path > '9') return false;
    unsigned long i = strtoul(*path, &end, 10);
    if (*end && *end != '.') return false;
    *path = end;
    if (list && list->kind == CONF_LIST)
        *out = i < list->n ? list->value[i] : NULL;
    else
        *out = i == 0 ? list : NULL;
    return true;
}

/* The rest of a path inside a map with free keys: a key may hold dots; lists of strings are indexed. */
static found in_free_map(const sinter_option *row, const conf_node *map, const char *rest)
{
    bool lists = row->element == SINTER_OPTION_LIST;
    found f = {.row = row, .element = true, .type = row->element ? row->element : SINTER_OPTION_STRING};
    f.node = get_part(map, rest, strlen(rest));
    const char *dot = strrchr(rest, '.');
    if (f.node || !lists || !dot) return f;
    const conf_node *list = get_part(map, rest, (size_t)(dot - rest));
    const char *digits = dot + 1;
    if (list && index_at(list, &digits, &f.node) && !*digits) f.type = SINTER_OPTION_STRING;
    return f;
}

static found follow(const sinter_options *o, const char *path)
{
    const conf_node *map = o->root;
    const sinter_option *table = o->table;
    uint32_t n = o->n;
    for (;;) {
        size_t length = strcspn(path, ".");
        found f = {.row = row_at(table, n, path, length)};
        if (!f.row) return f;
        f.type = f.row->type;
        f.node = get_part(map, path, length);
        if (conf_null(f.node)) f.node = NULL;
        path += length;
        if (!*path++) return f;
        if (f.type == SINTER_OPTION_MAP && !f.row->nested) return in_free_map(f.row, f.node, path);
        if (f.type == SINTER_OPTION_LIST) {
            const conf_node *list = f.node;
            f.element = true;
            f.node = NULL;
            if (!index_at(list, &path, &f.node)) return (found){0};
            f.type = f.row->nested ? SINTER_OPTION_MAP : f.row->element ? f.row->element : SINTER_OPTION_STRING;
            if (!*path++) return f;
        }
        if (!f.row->nested) return (found){0};
        map = f.node;
        table = f.row->nested;
        n = f.row->n_nested;
    }
}

/* The text of a value, or of its default. */
static const char *text_of(const sinter_options *o, const char *path, found *f)
{
    *f = follow(o, path);
    if (f->node) return f->node->kind == CONF_SCALAR ? f->node->text : NULL;
    return f->row && !f->element ? f->row->default_text : NULL;
}

static bool get_string(const sinter_options *o, const char *path, const char **out)
{
    found f;
    const char *text = text_of(o, path, &f);
    if (!text) return false;
    *out = f.type == SINTER_OPTION_FILE && f.node ? conf_path(f.node, o->memory) : text;
    return true;
}

static bool get_number(const sinter_options *o, const char *path, double *out)
{
    found f;
    uint64_t ns;
    const char *text = text_of(o, path, &f);
    if (!text) return false;
    if (f.type != SINTER_OPTION_DURATION) return parse_double(str_of(text), out);
    if (!parse_duration_ns(str_of(text), &ns)) return false;
    *out = (double)ns / 1e9;
    return true;
}

static bool get_integer(const sinter_options *o, const char *path, int64_t *out)
{
    found f;
    const char *text = text_of(o, path, &f);
    return text && parse_int64(str_of(text), out);
}

static bool get_boolean(const sinter_options *o, const char *path, bool *out)
{
    found f;
    const char *text = text_of(o, path, &f);
    return text && parse_bool(str_of(text), out);
}

static uint32_t get_count(const sinter_options *o, const char *path)
{
    found f = follow(o, path);
    if (!f.node) return 0;
    if (f.node->kind == CONF_LIST) return f.node->n;
    bool list = f.type == SINTER_OPTION_LIST;
    return list ? 1 : f.node->kind == CONF_MAP ? f.node->n : 0;
}

static const char *get_key(const sinter_options *o, const char *path, uint32_t i)
{
    found f = follow(o, path);
    return f.node && f.node->kind == CONF_MAP && i < f.node->n ? f.node->key[i]->text : NULL;
}

static sinter_mark get_mark(const sinter_options *o, const char *path)
{
    const conf_node *at = path && *path ? follow(o, path).node : NULL;
    if (!at) at = o->root;
    return (sinter_mark){at->file, at->line, at->column};
}

static sinter_status read_file(const sinter_host *host, const char *file, const sinter_option *table, uint32_t n,
                               const sinter_options **out, sinter_error *e)
{
    plugin_instance *i = (plugin_instance *)host;
    const conf_node *root;
    sinter_status s = plugin_options_sane(table, n, e);
    if (s == SINTER_OK) s = conf_parse_file(file, i->memory, &root, e);
    if (s == SINTER_OK) s = plugin_options_check(root, false, table, n, &i->services, i->memory, out, e);
    return s;
}

void options_table_fill(sinter_host *t)
{
    t->option_string = get_string;
    t->option_number = get_number;
    t->option_integer = get_integer;
    t->option_boolean = get_boolean;
    t->option_count = get_count;
    t->option_key = get_key;
    t->option_mark = get_mark;
    t->options_read = read_file;
}
