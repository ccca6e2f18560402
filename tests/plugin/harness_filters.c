/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The harness's filters: a small part of the server's language, parsed to a tree and matched item by item.
 *
 *   expr   := term { OR term }        term := factor { AND factor }
 *   factor := NOT factor | ( expr ) | EXISTS field | field IN ( value, … ) | field op value      op: = != < <= > >=
 * Values are "quoted" or bare; a missing field fails every comparison, as in the server. */
#include "harness_inside.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NODES = 256, DEPTH = 32 };

typedef enum node_kind { NODE_AND, NODE_OR, NODE_NOT, NODE_EXISTS, NODE_COMPARE } node_kind;
typedef enum compare { EQ, NE, LE, GE, LT, GT } compare;

typedef struct node {
    node_kind kind;
    compare op;
    char field[128], value[256];
    double number;
    uint32_t left, right;
} node;

struct sinter_filter {
    node node[NODES];
    uint32_t n, root;
};

typedef struct parser {
    const harness *h;
    const char *text, *at;
    sinter_filter *f;
    sinter_error *err;
    sinter_status status;
    int depth;
} parser;

static uint32_t parse_or(parser *p);

static uint32_t complain(parser *p, const char *what)
{
    if (p->status == SINTER_OK)
        p->status = harness_fail(p->err, SINTER_INVALID, "filter", "column %d: %s", (int)(p->at - p->text) + 1, what);
    return 0;
}

static uint32_t add(parser *p, node_kind kind, uint32_t left, uint32_t right)
{
    if (p->f->n == NODES)
        return complain(p, "too long for the harness");
    p->f->node[p->f->n] = (node){.kind = kind, .left = left, .right = right};
    return p->f->n++;
}

static void skip_space(parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

static bool take(parser *p, const char *symbol)
{
    skip_space(p);
    size_t n = strlen(symbol);
    bool word = isalpha((unsigned char)*symbol);
    if (strncasecmp(p->at, symbol, n) != 0 || (word && (isalnum((unsigned char)p->at[n]) || p->at[n] == '_')))
        return false;
    p->at += n;
    return true;
}

static bool take_text(parser *p, char *out, size_t room, const char *stop)
{
    skip_space(p);
    size_t n = 0;
    if (*p->at == '"') {
        for (p->at++; *p->at != 0 && *p->at != '"' && n + 1 < room; p->at++)
            out[n++] = *p->at;
        out[n] = 0;
        return *p->at++ == '"';
    }
    while (*p->at != 0 && strchr(stop, *p->at) == NULL && !isspace((unsigned char)*p->at) && n + 1 < room)
        out[n++] = *p->at++;
    out[n] = 0;
    return n > 0;
}

static uint32_t compare_node(parser *p, const char *field, compare op)
{
    uint32_t i = add(p, NODE_COMPARE, 0, 0);
    node *n = &p->f->node[i];
    memcpy(n->field, field, sizeof n->field);
    n->op = op;
    if (!take_text(p, n->value, sizeof n->value, "),"))
        return complain(p, "a value is missing");
    n->number = strcmp(n->value, "true") == 0 ? 1 : strtod(n->value, NULL);
    return i;
}

static uint32_t parse_comparison(parser *p)
{
    static const struct {
        const char *symbol;
        compare op;
    } ops[] = {{"!=", NE}, {"<=", LE}, {">=", GE}, {"=", EQ}, {"<", LT}, {">", GT}};
    char field[128] = {0};
    bool exists = take(p, "EXISTS");
    if (!take_text(p, field, sizeof field, "=!<>(),"))
        return complain(p, "a field is missing");
    if (harness_find_column(p->h, field) == NULL)
        return complain(p, "no such field");
    if (exists) {
        uint32_t i = add(p, NODE_EXISTS, 0, 0);
        memcpy(p->f->node[i].field, field, sizeof field);
        return i;
    }
    if (take(p, "IN")) {
        if (!take(p, "("))
            return complain(p, "( is missing");
        uint32_t all = compare_node(p, field, EQ);
        while (p->status == SINTER_OK && take(p, ","))
            all = add(p, NODE_OR, all, compare_node(p, field, EQ));
        return take(p, ")") ? all : complain(p, ") is missing");
    }
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (take(p, ops[i].symbol))
            return compare_node(p, field, ops[i].op);
    return complain(p, "a comparison is missing");
}

static uint32_t parse_factor(parser *p)
{
    if (p->depth > DEPTH)
        return complain(p, "too deep for the harness");
    uint32_t out;
    p->depth++;
    if (take(p, "NOT")) {
        out = add(p, NODE_NOT, parse_factor(p), 0);
    } else if (take(p, "(")) {
        out = parse_or(p);
        if (!take(p, ")"))
            complain(p, ") is missing");
    } else {
        out = parse_comparison(p);
    }
    p->depth--;
    return out;
}

static uint32_t parse_and(parser *p)
{
    uint32_t left = parse_factor(p);
    while (p->status == SINTER_OK && take(p, "AND"))
        left = add(p, NODE_AND, left, parse_factor(p));
    return left;
}

static uint32_t parse_or(parser *p)
{
    uint32_t left = parse_and(p);
    while (p->status == SINTER_OK && take(p, "OR"))
        left = add(p, NODE_OR, left, parse_and(p));
    return left;
}

static void filter_free(sinter_filter *f)
{
    free(f);
}

static sinter_status filter_compile(const sinter_host *host, const char *text, sinter_filter **out, sinter_error *err)
{
    sinter_filter *f = calloc(1, sizeof *f);
    if (f == NULL)
        harness_die("out of memory");
    parser p = {.h = (const harness *)host, .text = text, .at = text, .f = f, .err = err};
    f->root = parse_or(&p);
    skip_space(&p);
    if (p.status == SINTER_OK && *p.at != 0)
        complain(&p, "text after the end");
    *out = p.status == SINTER_OK ? f : NULL;
    if (p.status != SINTER_OK)
        free(f);
    return p.status;
}

static bool holds(compare op, int sign)
{
    return op == EQ ? sign == 0 : op == NE ? sign != 0 : op == LE ? sign <= 0 : op == GE ? sign >= 0 : op == LT ? sign < 0 : sign > 0;
}

static bool match_keywords(const sinter_host *host, const node *n, const uint32_t *flat, uint32_t row)
{
    uint32_t wanted = host->keyword_id(host, n->field, n->value);
    bool has = false;
    for (uint32_t i = flat[row]; i < flat[row + 1]; i++)
        has |= flat[SINTER_CHUNK_ROWS + 1 + i] == wanted && wanted != 0;
    return n->op == NE ? !has : n->op == EQ && has;
}

static bool match_value(const sinter_host *host, const node *n, const sinter_column *c, const void *data, uint32_t row)
{
    double v = 0;
    switch (c->type) {
    case SINTER_COLUMN_KEYWORD: {
        const char *text = host->keyword_text(host, n->field, ((const uint32_t *)data)[row]);
        return text != NULL && holds(n->op, strcmp(text, n->value));
    }
    case SINTER_COLUMN_KEYWORDS:
        return match_keywords(host, n, data, row);
    case SINTER_COLUMN_INTEGER:
    case SINTER_COLUMN_TIMESTAMP:
        v = (double)((const int64_t *)data)[row];
        break;
    case SINTER_COLUMN_NUMBER:
        v = ((const double *)data)[row];
        break;
    case SINTER_COLUMN_BOOLEAN:
        v = ((const uint8_t *)data)[row];
        break;
    default:
        return false;
    }
    return holds(n->op, (v > n->number) - (v < n->number));
}

static bool match(const sinter_host *host, const sinter_filter *f, uint32_t at, uint32_t item)
{
    const node *n = &f->node[at];
    switch (n->kind) {
    case NODE_AND:
        return match(host, f, n->left, item) && match(host, f, n->right, item);
    case NODE_OR:
        return match(host, f, n->left, item) || match(host, f, n->right, item);
    case NODE_NOT:
        return !match(host, f, n->left, item);
    default:
        break;
    }
    const sinter_column *c = host->column(host, n->field);
    uint32_t row = item & (SINTER_CHUNK_ROWS - 1);
    const sinter_chunk *chunk = item >> SINTER_CHUNK_BITS < c->n_chunks ? c->chunk[item >> SINTER_CHUNK_BITS] : NULL;
    bool present = chunk != NULL && (chunk->present[row / 64] >> (row % 64) & 1) != 0;
    return present && (n->kind == NODE_EXISTS || match_value(host, n, c, chunk->data, row));
}

static sinter_status filter_match(const sinter_host *host, const sinter_filter *f, const uint32_t *item, uint32_t n,
                                  uint8_t *out, sinter_error *err)
{
    (void)err;
    for (uint32_t i = 0; i < n; i++)
        out[i] = match(host, f, f->root, item[i]);
    return SINTER_OK;
}

static sinter_status filter_scan(const sinter_host *host, const sinter_filter *f, uint32_t limit, uint32_t *item,
                                 uint32_t *n, sinter_error *err)
{
    (void)err;
    *n = 0;
    for (uint32_t i = 0; i < ((const harness *)host)->collection.n_items && *n < limit; i++)
        if (match(host, f, f->root, i))
            item[(*n)++] = i;
    return SINTER_OK;
}

void harness_filters_install(sinter_host *host)
{
    host->filter_compile = filter_compile;
    host->filter_free = filter_free;
    host->filter_match = filter_match;
    host->filter_scan = filter_scan;
}
