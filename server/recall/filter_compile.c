/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tree becomes a flat program and a list of clauses for the index; programs are joined by filter_and.
 *
 * A chain a AND b AND c is: a, skip if none, b, and, skip if none, c, and: a block that no item survives is done. */
#include "filter_inside.h"

#include <stdlib.h>

#include <string.h>

typedef struct compiler {
    const catalog_collection *c;
    arena *a;
    condition **condition;
    uint32_t n_conditions;
    instruction *program;
    uint32_t n_program, depth, most_depth;
    filter_clause *clause;
    uint32_t n_clauses;
} compiler;

static uint32_t emit(compiler *k, op_kind op, uint32_t arg) {
    k->program[k->n_program] = (instruction){(uint16_t)op, arg};
    return k->n_program++;
}

/* Bounded by the parser's depth: each level is at most a chain and a part of it. */
static void emit_node(compiler *k, const node *n) {
    if (n->kind == NODE_CONDITION) {
        emit(k, OP_CONDITION, k->n_conditions);
        k->condition[k->n_conditions++] = n->condition;
        if (++k->depth > k->most_depth) k->most_depth = k->depth;
        return;
    }
    emit_node(k, n->child);
    if (n->kind == NODE_NOT) {
        emit(k, OP_NOT, 0);
        return;
    }
    for (const node *part = n->child->next; part; part = part->next) {
        uint32_t skip = emit(k, n->kind == NODE_AND ? OP_SKIP_IF_NONE : OP_SKIP_IF_ALL, 0);
        emit_node(k, part);
        emit(k, n->kind == NODE_AND ? OP_AND : OP_OR, 0);
        k->program[skip].arg = k->n_program - skip - 1;
        k->depth--;
    }
}

/* ---- clauses ----------------------------------------------------------------------------------------------------- */

/* The condition as index terms: keywords of a filterable field, not negated. */
static const catalog_field *indexed_field(const node *n) {
    if (n->kind != NODE_CONDITION || n->condition->negate) return NULL;
    if (n->condition->kind != CONDITION_KEYWORD && n->condition->kind != CONDITION_KEYWORDS) return NULL;
    return atomic_load_explicit(&n->condition->field, memory_order_relaxed);
}

static void append_terms(filter_term *term, uint32_t *n, const node *from) {
    for (uint32_t i = 0; i < from->condition->n; i++)
        term[(*n)++] = (filter_term){indexed_field(from), from->condition->u.keyword[i].text};
}

static void add_clause(compiler *k, const node *n) {
    const node *first = n->kind == NODE_OR ? n->child : n;
    uint32_t terms = 0;
    for (const node *part = first; part; part = n->kind == NODE_OR ? part->next : NULL) {
        if (!indexed_field(part)) return;
        terms += part->condition->n;
    }
    filter_term *term = ARENA_ARRAY(k->a, filter_term, terms);
    uint32_t filled = 0;
    for (const node *part = first; part; part = n->kind == NODE_OR ? part->next : NULL)
        append_terms(term, &filled, part);
    k->clause[k->n_clauses++] = (filter_clause){term, filled};
}

static void add_clauses(compiler *k, const node *n) {
    if (n->kind != NODE_AND) {
        add_clause(k, n);
        return;
    }
    for (const node *part = n->child; part; part = part->next)
        add_clauses(k, part);
}

const filter_clause *filter_clauses(const filter *f, uint32_t *n) {
    *n = f ? f->n_clauses : 0;
    return f ? f->clause : NULL;
}

/* ---- compile --------------------------------------------------------------------------------------------------------- */

static void resolve_keywords(const catalog_collection *c, condition *x) {
    const catalog_field *f = atomic_load_explicit(&x->field, memory_order_relaxed);
    if (!f || (x->kind != CONDITION_KEYWORD && x->kind != CONDITION_KEYWORDS)) return;
    for (uint32_t i = 0; i < x->n; i++)
        atomic_init(&x->u.keyword[i].id, catalog_keyword_id(c, f, x->u.keyword[i].text));
}

/* `n`: conditions of the tree, or more. */
static filter *filter_of_tree(const catalog_collection *c, const node *root, uint32_t n, arena *a) {
    compiler k = {.c = c,
                  .a = a,
                  .condition = ARENA_ARRAY(a, condition *, n),
                  .program = ARENA_ARRAY(a, instruction, 4 * (size_t)n + 1) /* a condition, its skip and operator, a NOT of its chain */,
                  .clause = ARENA_ARRAY(a, filter_clause, n)};
    emit_node(&k, root);
    add_clauses(&k, root);
    for (uint32_t i = 0; i < k.n_conditions; i++)
        resolve_keywords(c, k.condition[i]);
    filter *f = ARENA_NEW(a, filter);
    *f = (filter){NULL, k.condition, k.n_conditions, k.program, k.n_program, k.most_depth, k.clause, k.n_clauses};
    return f;
}

static sinter_status parse(const catalog_collection *c, str text, arena *a, node **root, uint32_t *n, sinter_error *e) {
    char *own_text = arena_alloc(a, text.n + 1); /* names and strings point into copies; errors quote this one */
    if (text.n) memcpy(own_text, text.s, text.n);
    own_text[text.n] = '\0';
    return filter_parse(c, (str){own_text, text.n}, a, root, n, e);
}

/* Of a chain of ANDs the first part that refuses; a part that is no chain is one answer. */
static const node *refusing(const catalog_collection *c, const node *root, uint32_t n, const catalog_set *set, uint32_t item, arena *a) {
    if (filter_test(filter_of_tree(c, root, n, a), set, item)) return NULL;
    for (const node *part = root->kind == NODE_AND ? root->child : NULL; part; part = part->next) {
        const node *found = refusing(c, part, n, set, item, a);
        if (found) return found;
    }
    return root;
}

sinter_status filter_refusing(const catalog_collection *c, str text, const catalog_set *set, uint32_t item, arena *a, str *clause,
                              sinter_error *e) {
    node *root;
    uint32_t n;
    *clause = (str){"", 0};
    sinter_status s = parse(c, text, a, &root, &n, e);
    const node *found = s == SINTER_OK ? refusing(c, root, n, set, item, a) : NULL;
    if (found) *clause = found->end ? (str){text.s + found->begin, found->end - found->begin} : text;
    return s;
}

sinter_status filter_compile(const catalog_collection *c, str text, arena *a, filter **out, sinter_error *e) {
    *out = NULL;
    arena *own = a ? NULL : arena_new(4096);
    node *root;
    uint32_t n;
    sinter_status s = parse(c, text, a ? a : own, &root, &n, e);
    if (s != SINTER_OK) {
        arena_free(own);
        return s;
    }
    *out = filter_of_tree(c, root, n, a ? a : own);
    (*out)->own = own;
    return SINTER_OK;
}

/* ---- in parts -------------------------------------------------------------------------------------------------------- */

/* The one field that all conditions of the tree name; NULL: several. */
static const char *only_field(const node *n) {
    if (n->kind == NODE_CONDITION) return n->condition->name;
    const char *name = only_field(n->child);
    for (const node *part = n->child->next; part && name; part = part->next) {
        const char *other = only_field(part);
        if (!other || strcmp(other, name) != 0) name = NULL;
    }
    return name;
}

/* What becomes of the parts: chains of their own. */
typedef struct division {
    const char *const *field;
    uint32_t n;
    node *chain; /* [n + 1] NODE_AND; the last: the rest */
    node **end;  /* [n + 1] their last child */
} division;

static void divide(division *d, node *n) {
    if (n->kind == NODE_AND) {
        for (node *part = n->child, *next; part; part = next) {
            next = part->next;
            part->next = NULL;
            divide(d, part);
        }
        return;
    }
    const char *name = only_field(n);
    uint32_t to = 0;
    while (to < d->n && !(name && strcmp(d->field[to], name) == 0))
        to++;
    if (d->end[to]) d->end[to]->next = n;
    else d->chain[to].child = n;
    d->end[to] = n;
}

sinter_status filter_compile_apart(const catalog_collection *c, str text, const char *const *field, uint32_t n, arena *a,
                                   filter **rest, filter **own, sinter_error *e) {
    node *root;
    uint32_t conditions;
    sinter_status s = parse(c, text, a, &root, &conditions, e);
    if (s != SINTER_OK) return s;
    division d = {field, n, ARENA_ARRAY(a, node, n + 1), ARENA_ARRAY(a, node *, n + 1)};
    divide(&d, root);
    for (uint32_t k = 0; k <= n; k++) {
        node *chain = &d.chain[k];
        chain->kind = NODE_AND;
        const node *tree = chain->child && !chain->child->next ? chain->child : chain;
        *(k < n ? &own[k] : rest) = chain->child ? filter_of_tree(c, tree, conditions, a) : NULL;
    }
    return SINTER_OK;
}

void filter_free(filter *f) {
    if (f) arena_free(f->own);
}

/* ---- join -------------------------------------------------------------------------------------------------------------- */

static uint32_t append_program(instruction *to, uint32_t at, const filter *f, uint32_t first_condition) {
    for (uint32_t i = 0; i < f->n_program; i++) {
        to[at] = f->program[i];
        if (to[at].op == OP_CONDITION) to[at].arg += first_condition;
        at++;
    }
    return at;
}

filter *filter_and(arena *a, filter *x, filter *y) {
    if (!x || !y) return x ? x : y;
    if (y->depth > x->depth) { /* the deeper first: the other then stands on one mask only */
        filter *swap = x;
        x = y;
        y = swap;
    }
    arena *own = a ? NULL : arena_new(4096);
    if (!a) a = own;
    uint32_t n = x->n_conditions + y->n_conditions;
    condition **conditions = ARENA_ARRAY(a, condition *, n);
    memcpy(conditions, x->condition, x->n_conditions * sizeof *conditions);
    memcpy(conditions + x->n_conditions, y->condition, y->n_conditions * sizeof *conditions);
    instruction *program = ARENA_ARRAY(a, instruction, x->n_program + y->n_program + 2);
    uint32_t at = append_program(program, 0, x, 0);
    program[at++] = (instruction){OP_SKIP_IF_NONE, y->n_program + 1};
    at = append_program(program, at, y, x->n_conditions);
    program[at++] = (instruction){OP_AND, 0};
    filter_clause *clause = ARENA_ARRAY(a, filter_clause, x->n_clauses + y->n_clauses);
    if (x->n_clauses > 0) memcpy(clause, x->clause, x->n_clauses * sizeof *clause); /* items left out are no clause */
    if (y->n_clauses > 0) memcpy(clause + x->n_clauses, y->clause, y->n_clauses * sizeof *clause);
    filter *f = ARENA_NEW(a, filter);
    *f = (filter){own, conditions, n, program, at, x->depth > y->depth ? x->depth : y->depth + 1, clause, x->n_clauses + y->n_clauses};
    return f;
}

/* ---- without some items --------------------------------------------------------------------------------------------------- */

static int by_ordinal(const void *x, const void *y) {
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return (a > b) - (a < b);
}

static filter *of_items(arena *a, uint32_t *item, uint32_t n, bool negate) {
    qsort(item, n, sizeof *item, by_ordinal);
    condition *x = ARENA_NEW(a, condition);
    x->kind = CONDITION_ITEM;
    x->negate = negate;
    x->n = n;
    x->u.item = item;
    condition **conditions = ARENA_ARRAY(a, condition *, 1);
    instruction *program = ARENA_ARRAY(a, instruction, 1);
    conditions[0] = x;
    program[0] = (instruction){OP_CONDITION, 0};
    filter *f = ARENA_NEW(a, filter);
    *f = (filter){.condition = conditions, .n_conditions = 1, .program = program, .n_program = 1, .depth = 1};
    return f;
}

filter *filter_without(arena *a, uint32_t *item, uint32_t n) {
    return of_items(a, item, n, true);
}

filter *filter_only(arena *a, uint32_t *item, uint32_t n) {
    return of_items(a, item, n, false);
}
