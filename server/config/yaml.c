/* SPDX-License-Identifier: GPL-3.0-or-later */
/* YAML text → conf_node tree, by libyaml's document API, which keeps a mark on every node.
 *
 * An alias shares its anchor's node, so the tree may be a graph: loops are refused, and so is one that unfolds to more
 * nodes than the limit, because whoever walks it would walk all of them. */
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { BYTES_MOST = 4 << 20, DEPTH_MOST = 32, NODES_MOST = 200000, ALIASES_MOST = 100 };

sinter_status conf_error(sinter_error *e, const conf_node *at, const char *fix, const char *what, ...)
{
    char text[sizeof e->what], where[sizeof e->where];
    va_list args;
    va_start(args, what);
    vsnprintf(text, sizeof text, what, args);
    va_end(args);
    snprintf(where, sizeof where, "%s:%u:%u", at->file, at->line, at->column);
    return error_set(e, SINTER_INVALID, where, fix, "%s", text);
}

const conf_node *conf_get(const conf_node *map, const char *key)
{
    if (!map || map->kind != CONF_MAP) return NULL;
    for (uint32_t i = 0; i < map->n; i++) {
        if (strcmp(map->key[i]->text, key) == 0) return map->value[i];
    }
    return NULL;
}

typedef struct reader {
    yaml_document_t doc;
    const char *file;
    arena *memory;
    conf_node **made;  /* [nodes] by libyaml's number - 1 */
    uint32_t *unfolds; /* [nodes] size with aliases unfolded */
    bool *open;        /* [nodes] its children are being read */
    uint32_t aliases;
} reader;

static sinter_status at_mark(sinter_error *e, const char *file, size_t line, size_t column, const char *fix,
                             const char *what)
{
    conf_node at = {.file = file, .line = (uint32_t)line + 1, .column = (uint32_t)column + 1};
    return conf_error(e, &at, fix, "%s", what);
}

/* libyaml gives encoding errors an offset and no mark. */
static sinter_status parser_error(const yaml_parser_t *p, const char *file, str text, sinter_error *e)
{
    const char *what = p->problem ? p->problem : "not valid YAML";
    if (p->error != YAML_READER_ERROR) {
        char with_context[256];
        snprintf(with_context, sizeof with_context, "%s%s%s", what, p->context ? " " : "",
                 p->context ? p->context : "");
        return at_mark(e, file, p->problem_mark.line, p->problem_mark.column, "see https://yaml.org/spec/1.1",
                       with_context);
    }
    size_t line = 0, column = 0;
    for (size_t i = 0; i < p->problem_offset && i < text.n; i++) {
        column = text.s[i] == '\n' ? 0 : column + (((unsigned char)text.s[i] & 0xC0) != 0x80);
        line += text.s[i] == '\n';
    }
    return at_mark(e, file, line, column, "write the file in UTF-8", what);
}

static bool is_null(const yaml_node_t *n)
{
    const char *s = (const char *)n->data.scalar.value;
    return n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && (!*s || !strcmp(s, "~") || !strcmp(s, "null"));
}

static sinter_status read_scalar(reader *r, const yaml_node_t *n, conf_node *out, sinter_error *e)
{
    if (memchr(n->data.scalar.value, 0, n->data.scalar.length))
        return conf_error(e, out, "remove \\0", "a value holds a zero byte");
    out->kind = CONF_SCALAR;
    out->quoted = n->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    out->text = is_null(n) ? "" : arena_strndup(r->memory, (const char *)n->data.scalar.value, n->data.scalar.length);
    return SINTER_OK;
}

static int by_text(const void *a, const void *b)
{
    const conf_node *x = *(const conf_node *const *)a, *y = *(const conf_node *const *)b;
    int c = strcmp(x->text, y->text);
    if (c) return c;
    if (x->line != y->line) return x->line < y->line ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

static sinter_status refuse_duplicates(const conf_node *map, sinter_error *e)
{
    if (map->n < 2) return SINTER_OK;
    const conf_node **sorted = xmalloc(map->n * sizeof *sorted);
    memcpy(sorted, map->key, map->n * sizeof *sorted);
    qsort(sorted, map->n, sizeof *sorted, by_text);
    sinter_status s = SINTER_OK;
    for (uint32_t i = 1; i < map->n && s == SINTER_OK; i++) {
        if (strcmp(sorted[i - 1]->text, sorted[i]->text) == 0)
            s = conf_error(e, sorted[i], "keep one of the two", "the key '%s' stands already in line %u",
                           sorted[i]->text, sorted[i - 1]->line);
    }
    free(sorted);
    return s;
}

static sinter_status read_node(reader *r, int number, uint32_t depth, conf_node **out, sinter_error *e);

static sinter_status add_unfolded(reader *r, int parent, int child, const conf_node *at, sinter_error *e)
{
    r->unfolds[parent - 1] += r->unfolds[child - 1];
    if (r->unfolds[parent - 1] > NODES_MOST)
        return conf_error(e, at, "split the file", "more than %d values", (int)NODES_MOST);
    return SINTER_OK;
}

static sinter_status read_list(reader *r, int number, const yaml_node_t *n, uint32_t depth, conf_node *out,
                               sinter_error *e)
{
    const yaml_node_item_t *item = n->data.sequence.items.start;
    out->kind = CONF_LIST;
    out->n = (uint32_t)(n->data.sequence.items.top - item);
    conf_node **value = ARENA_ARRAY(r->memory, conf_node *, out->n);
    out->value = (const conf_node *const *)value;
    for (uint32_t i = 0; i < out->n; i++) {
        sinter_status s = read_node(r, item[i], depth + 1, &value[i], e);
        if (s == SINTER_OK) s = add_unfolded(r, number, item[i], value[i], e);
        if (s != SINTER_OK) return s;
    }
    return SINTER_OK;
}

static sinter_status read_map(reader *r, int number, const yaml_node_t *n, uint32_t depth, conf_node *out,
                              sinter_error *e)
{
    const yaml_node_pair_t *pair = n->data.mapping.pairs.start;
    out->kind = CONF_MAP;
    out->n = (uint32_t)(n->data.mapping.pairs.top - pair);
    conf_node **key = ARENA_ARRAY(r->memory, conf_node *, out->n),
              **value = ARENA_ARRAY(r->memory, conf_node *, out->n);
    out->key = (const conf_node *const *)key;
    out->value = (const conf_node *const *)value;
    for (uint32_t i = 0; i < out->n; i++) {
        sinter_status s = read_node(r, pair[i].key, depth + 1, &key[i], e);
        if (s != SINTER_OK) return s;
        if (key[i]->kind != CONF_SCALAR)
            return conf_error(e, key[i], "write a word", "a key is a %s", key[i]->kind == CONF_LIST ? "list" : "map");
        if (strcmp(key[i]->text, "<<") == 0 && !key[i]->quoted)
            return conf_error(e, key[i], "repeat the keys", "merge keys ('<<') are not understood");
        s = read_node(r, pair[i].value, depth + 1, &value[i], e);
        if (s == SINTER_OK) s = add_unfolded(r, number, pair[i].key, key[i], e);
        if (s == SINTER_OK) s = add_unfolded(r, number, pair[i].value, value[i], e);
        if (s != SINTER_OK) return s;
    }
    return refuse_duplicates(out, e);
}

static bool tag_known(const char *tag)
{
    static const char *const TAGS[] = {YAML_STR_TAG,   YAML_SEQ_TAG,  YAML_MAP_TAG, YAML_INT_TAG,
                                       YAML_FLOAT_TAG, YAML_BOOL_TAG, YAML_NULL_TAG};
    for (size_t i = 0; tag && i < ARRAY_LEN(TAGS); i++) {
        if (strcmp(tag, TAGS[i]) == 0) return true;
    }
    return !tag;
}

static sinter_status read_node(reader *r, int number, uint32_t depth, conf_node **out, sinter_error *e)
{
    conf_node *made = r->made[number - 1];
    *out = made;
    if (made) { /* seen before: this is an alias */
        if (r->open[number - 1])
            return conf_error(e, made, "remove the alias", "an alias stands inside its own anchor");
        if (++r->aliases > ALIASES_MOST)
            return conf_error(e, made, "repeat the values", "more than %d aliases", (int)ALIASES_MOST);
        return SINTER_OK;
    }
    yaml_node_t *n = yaml_document_get_node(&r->doc, number);
    made = ARENA_NEW(r->memory, conf_node);
    made->file = r->file;
    made->line = (uint32_t)n->start_mark.line + 1;
    made->column = (uint32_t)n->start_mark.column + 1;
    made->text = "";
    *out = r->made[number - 1] = made;
    r->unfolds[number - 1] = 1;
    if (depth > DEPTH_MOST) return conf_error(e, made, "nest less", "nested deeper than %d levels", (int)DEPTH_MOST);
    if (!tag_known((const char *)n->tag))
        return conf_error(e, made, "remove it", "the tag '%s' is not understood", (const char *)n->tag);
    r->open[number - 1] = true;
    sinter_status s = n->type == YAML_SCALAR_NODE     ? read_scalar(r, n, made, e)
                      : n->type == YAML_SEQUENCE_NODE ? read_list(r, number, n, depth, made, e)
                                                      : read_map(r, number, n, depth, made, e);
    r->open[number - 1] = false;
    return s;
}

static sinter_status read_document(reader *r, const conf_node **out, sinter_error *e)
{
    yaml_node_t *root = yaml_document_get_root_node(&r->doc);
    if (!root) return at_mark(e, r->file, 0, 0, "write at least one key", "the file holds nothing");
    size_t nodes = (size_t)(r->doc.nodes.top - r->doc.nodes.start);
    if (nodes > NODES_MOST) return at_mark(e, r->file, 0, 0, "split the file", "more than 200000 values");
    r->made = xcalloc(nodes, sizeof *r->made);
    r->unfolds = xcalloc(nodes, sizeof *r->unfolds);
    r->open = xcalloc(nodes, sizeof *r->open);
    conf_node *made;
    sinter_status s = read_node(r, 1, 1, &made, e);
    free(r->made);
    free(r->unfolds);
    free(r->open);
    if (s == SINTER_OK) *out = made;
    return s;
}

/* Nothing may follow the first document. */
static sinter_status refuse_second(yaml_parser_t *p, const char *file, str text, sinter_error *e)
{
    yaml_document_t second;
    if (!yaml_parser_load(p, &second)) return parser_error(p, file, text, e);
    yaml_node_t *root = yaml_document_get_root_node(&second);
    sinter_status s = SINTER_OK;
    if (root)
        s = at_mark(e, file, root->start_mark.line, root->start_mark.column, "keep one document a file",
                    "a second document begins here");
    yaml_document_delete(&second);
    return s;
}

sinter_status conf_parse_text(const char *name, str text, arena *a, const conf_node **out, sinter_error *e)
{
    if (text.n > BYTES_MOST)
        return error_set(e, SINTER_INVALID, name, "split the file", "%zu bytes; at most 4 MiB are read", text.n);
    reader r = {.file = arena_strdup(a, name), .memory = a};
    yaml_parser_t p;
    if (!yaml_parser_initialize(&p)) return error_set(e, SINTER_EXHAUSTED, name, NULL, "no memory for the YAML parser");
    yaml_parser_set_input_string(&p, (const unsigned char *)text.s, text.n);
    sinter_status s;
    if (!yaml_parser_load(&p, &r.doc)) {
        s = parser_error(&p, r.file, text, e);
    } else {
        s = read_document(&r, out, e);
        yaml_document_delete(&r.doc);
        if (s == SINTER_OK) s = refuse_second(&p, r.file, text, e);
    }
    yaml_parser_delete(&p);
    return s;
}

sinter_status conf_parse_file(const char *path, arena *a, const conf_node **out, sinter_error *e)
{
    buffer b = {0};
    sinter_status s = file_read(path, BYTES_MOST, &b, e);
    if (s == SINTER_OK) s = conf_parse_text(path, (str){b.data, b.len}, a, out, e);
    buffer_free(&b);
    return s;
}
