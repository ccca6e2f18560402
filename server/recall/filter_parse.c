/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The filter's grammar, by recursive descent that FILTER_MAX_DEPTH bounds:
 *
 *   any       := all { OR all }
 *   all       := one { AND one }
 *   one       := NOT one | ( any ) | EXISTS field | condition
 *   condition := field [= != < <= > >=] value | field [NOT] IN ( value , … ) | field [NOT] BETWEEN value AND value
 *              | field [NOT] EXISTS | field [NOT] WITHIN km OF ( latitude , longitude ) | field
 * Words of the language are read in any case; a field named like one stands in backquotes. */
#include "filter_inside.h"

#include <math.h>
#include <string.h>
#include <strings.h>

static const double MOST_KM = 20040; /* half around the earth */

typedef struct parser {
    lexer lexer;
    token now;
    const catalog_collection *c;
    str text;
    arena *a;
    sinter_error *e;
    uint32_t conditions, depth;
    size_t taken; /* end of the last token that was taken */
} parser;

static const char *const WORDS[] = {"AND", "OR", "NOT", "IN", "BETWEEN", "EXISTS", "WITHIN", "OF"};

static bool is_word(const token *t, const char *word) {
    return t->kind == TOKEN_NAME && t->text.n == strlen(word) && strcasecmp(t->text.s, word) == 0;
}

static bool is_reserved(const token *t) {
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++) {
        if (is_word(t, WORDS[i])) return true;
    }
    return false;
}

static sinter_status advance(parser *p) {
    p->taken = p->now.at + p->now.raw.n;
    return filter_lex(&p->lexer, &p->now);
}

static const char *found(parser *p) {
    return p->now.kind == TOKEN_END ? "the end" : arena_printf(p->a, "\"%s\"", filter_shown(p->a, p->now.raw));
}

static sinter_status expected(parser *p, const char *what, const char *fix) {
    return filter_error(p->e, p->text, p->now.at, fix, "%s is missing before %s", what, found(p));
}

static sinter_status take(parser *p, token_kind kind, const char *what, const char *fix) {
    if (p->now.kind != kind) return expected(p, what, fix);
    return advance(p);
}

static sinter_status take_word(parser *p, const char *word, const char *fix) {
    if (!is_word(&p->now, word)) return expected(p, word, fix);
    return advance(p);
}

static node *node_new(parser *p, node_kind kind) {
    node *n = ARENA_NEW(p->a, node);
    n->kind = kind;
    return n;
}

static sinter_status count_condition(parser *p, size_t at) {
    if (++p->conditions <= FILTER_MAX_CONDITIONS) return SINTER_OK;
    return filter_error(p->e, p->text, at, "at most 1,000 conditions, values of IN counted one by one", "too many conditions");
}

/* ---- conditions ---------------------------------------------------------------------------------------------------- */

static sinter_status take_field(parser *p, token *name, const config_field **declared) {
    *name = p->now;
    if ((name->kind != TOKEN_NAME && name->kind != TOKEN_QUOTED_NAME) || is_reserved(name))
        return expected(p, "a field", name->kind == TOKEN_NAME ? "a field of that name stands in backquotes" : "a condition looks like price < 10");
    *declared = catalog_declared(p->c, name->text.s);
    if (!*declared) {
        const char *near = catalog_near_field(p->c, name->text.s);
        return filter_error(p->e, p->text, name->at,
                            near ? arena_printf(p->a, "did you mean %s?", near) : "ListCollections names the collection's fields",
                            "the collection has no field \"%s\"", filter_shown(p->a, name->text));
    }
    if ((*declared)->type == FIELD_TEXT)
        return filter_error(p->e, p->text, name->at, "search its words in the query, or declare a keyword field beside it",
                            "%s is a text field, which filters do not read", filter_shown(p->a, name->text));
    if (!(*declared)->filterable)
        return filter_error(p->e, p->text, name->at, "declare it filterable: true", "%s is not filterable", filter_shown(p->a, name->text));
    return advance(p);
}

static sinter_status take_value(parser *p, token *out) {
    if (p->now.kind != TOKEN_STRING && p->now.kind != TOKEN_NUMBER && (p->now.kind != TOKEN_NAME || is_reserved(&p->now)))
        return expected(p, "a value", "a value is a number, a \"string\", true or false");
    *out = p->now;
    return advance(p);
}

static sinter_status take_list(parser *p, comparison *m) {
    uint32_t cap = 8;
    token *value = ARENA_ARRAY(p->a, token, cap);
    sinter_status s = take(p, TOKEN_OPEN, "(", "write IN (1, 2, 3)");
    while (s == SINTER_OK) {
        if (m->n == cap) {
            token *grown = ARENA_ARRAY(p->a, token, 2 * cap);
            memcpy(grown, value, cap * sizeof *value);
            value = grown;
            cap *= 2;
        }
        if (m->n > 0) s = count_condition(p, p->now.at);
        if (s == SINTER_OK) s = take_value(p, &value[m->n]);
        if (s != SINTER_OK) return s;
        m->n++;
        if (p->now.kind != TOKEN_COMMA) break;
        s = advance(p);
    }
    m->value = value;
    m->op = TOKEN_COMMA;
    return s == SINTER_OK ? take(p, TOKEN_CLOSE, ") or a comma", "write IN (1, 2, 3)") : s;
}

static sinter_status take_between(parser *p, comparison *m) {
    static const char FIX[] = "write BETWEEN 1 AND 10";
    token *value = ARENA_ARRAY(p->a, token, 2);
    sinter_status s = take_value(p, &value[0]);
    if (s == SINTER_OK) s = take_word(p, "AND", FIX);
    if (s == SINTER_OK) s = take_value(p, &value[1]);
    m->op = TOKEN_OPEN;
    m->value = value;
    m->n = 2;
    return s;
}

static sinter_status take_number(parser *p, double *out, double least, double most, const char *what) {
    static const char FIX[] = "write WITHIN 10 OF (47.4, 8.5): kilometres, latitude, longitude";
    if (p->now.kind != TOKEN_NUMBER) return expected(p, what, FIX);
    *out = p->now.number;
    if (!(*out >= least && *out <= most))
        return filter_error(p->e, p->text, p->now.at, FIX, "%s of %s is not between %g and %g", what, filter_shown(p->a, p->now.raw), least, most);
    return advance(p);
}

static sinter_status take_within(parser *p, const token *name, const config_field *declared, condition *out) {
    static const char FIX[] = "write WITHIN 10 OF (47.4, 8.5): kilometres, latitude, longitude";
    if (declared->type != FIELD_GEO)
        return filter_error(p->e, p->text, name->at, "WITHIN needs a geo field", "%s is %s %s field", filter_shown(p->a, name->text),
                            declared->type == FIELD_INTEGER ? "an" : "a", FIELD_TYPE_NAMES[declared->type]);
    out->kind = CONDITION_WITHIN;
    sinter_status s = take_number(p, &out->u.within.km, 0, MOST_KM, "a distance");
    if (s == SINTER_OK && is_word(&p->now, "KM")) s = advance(p);
    if (s == SINTER_OK) s = take_word(p, "OF", FIX);
    if (s == SINTER_OK) s = take(p, TOKEN_OPEN, "(", FIX);
    if (s == SINTER_OK) s = take_number(p, &out->u.within.latitude, -90, 90, "a latitude");
    if (s == SINTER_OK) s = take(p, TOKEN_COMMA, "a comma", FIX);
    if (s == SINTER_OK) s = take_number(p, &out->u.within.longitude, -180, 180, "a longitude");
    if (s == SINTER_OK) s = take(p, TOKEN_CLOSE, ")", FIX);
    out->u.within.cos_latitude = cos(out->u.within.latitude * M_PI / 180);
    return s;
}

static sinter_status lone_field(parser *p, const token *name, const config_field *declared, condition *out) {
    if (declared->type != FIELD_BOOLEAN)
        return filter_error(p->e, p->text, p->now.at, "a condition looks like price < 10, brand IN (\"a\", \"b\") or price EXISTS; only a boolean field stands alone",
                            "a comparison is missing after %s, %s %s field", filter_shown(p->a, name->text),
                            declared->type == FIELD_INTEGER ? "an" : "a", FIELD_TYPE_NAMES[declared->type]);
    out->kind = CONDITION_BOOLEAN;
    out->u.integers.low = 1;
    return SINTER_OK;
}

static sinter_status take_operand(parser *p, comparison *m) {
    token *value = ARENA_NEW(p->a, token);
    m->op = p->now.kind;
    m->value = value;
    m->n = 1;
    sinter_status s = advance(p);
    return s == SINTER_OK ? take_value(p, value) : s;
}

/* What follows the field. */
static sinter_status take_comparison(parser *p, const token *name, const config_field *declared, condition *out) {
    comparison m = {.name = *name, .declared = declared};
    bool negate = is_word(&p->now, "NOT");
    sinter_status s = negate ? advance(p) : SINTER_OK;
    if (s != SINTER_OK) return s;
    if (p->now.kind >= TOKEN_EQ && p->now.kind <= TOKEN_GE && !negate) {
        s = take_operand(p, &m);
    } else if (is_word(&p->now, "IN")) {
        if ((s = advance(p)) == SINTER_OK) s = take_list(p, &m);
    } else if (is_word(&p->now, "BETWEEN")) {
        if ((s = advance(p)) == SINTER_OK) s = take_between(p, &m);
    } else if (is_word(&p->now, "EXISTS")) {
        out->kind = CONDITION_EXISTS;
        s = advance(p);
    } else if (is_word(&p->now, "WITHIN")) {
        if ((s = advance(p)) == SINTER_OK) s = take_within(p, name, declared, out);
    } else if (negate) {
        return expected(p, "IN, BETWEEN, EXISTS or WITHIN", "NOT stands before a whole condition, or before one of these words");
    } else {
        s = lone_field(p, name, declared, out);
    }
    if (s == SINTER_OK && m.n) s = filter_compare(&m, p->text, p->a, out, p->e);
    out->negate ^= negate;
    return s;
}

static sinter_status take_condition(parser *p, node **out) {
    token name;
    const config_field *declared = NULL;
    bool exists = is_word(&p->now, "EXISTS");
    bool open = false;
    sinter_status s = count_condition(p, p->now.at);
    if (s == SINTER_OK && exists) s = advance(p);
    if (s == SINTER_OK && exists && p->now.kind == TOKEN_OPEN) open = true, s = advance(p);
    if (s == SINTER_OK) s = take_field(p, &name, &declared);
    if (s != SINTER_OK) return s;
    condition *c = ARENA_NEW(p->a, condition);
    *out = node_new(p, NODE_CONDITION);
    (*out)->condition = c;
    c->name = name.text.s;
    atomic_init(&c->field, catalog_find_field(p->c, c->name));
    if (!exists) return take_comparison(p, &name, declared, c);
    c->kind = CONDITION_EXISTS;
    return open ? take(p, TOKEN_CLOSE, ")", "write EXISTS (price)") : SINTER_OK;
}

/* ---- AND, OR, NOT --------------------------------------------------------------------------------------------------------- */

static sinter_status take_any(parser *p, node **out);

static sinter_status deeper(parser *p) {
    if (++p->depth <= FILTER_MAX_DEPTH) return SINTER_OK;
    return filter_error(p->e, p->text, p->now.at, "at most 64 parentheses and NOTs around one another", "nested too deeply");
}

/* A condition is turned over in place, a NOT taken off: what remains are NOTs of chains. */
static node *negated(parser *p, node *n) {
    if (n->kind == NODE_NOT) return n->child;
    if (n->kind == NODE_CONDITION) {
        n->condition->negate ^= true;
        return n;
    }
    node *not = node_new(p, NODE_NOT);
    not->child = n;
    return not;
}

static sinter_status take_part(parser *p, node **out) {
    bool negate = is_word(&p->now, "NOT");
    if (!negate && p->now.kind != TOKEN_OPEN) return take_condition(p, out);
    sinter_status s = deeper(p);
    if (s == SINTER_OK) s = advance(p);
    if (s != SINTER_OK) return s;
    if (negate) {
        s = take_part(p, out);
        if (s == SINTER_OK) *out = negated(p, *out);
    } else {
        s = take_any(p, out);
        if (s == SINTER_OK) s = take(p, TOKEN_CLOSE, "), AND or OR", NULL);
    }
    p->depth--;
    return s;
}

static sinter_status take_one(parser *p, node **out) {
    size_t begin = p->now.at;
    sinter_status s = take_part(p, out);
    if (s == SINTER_OK) (*out)->begin = begin, (*out)->end = p->taken;
    return s;
}

/* A chain of one operator is one node, however long. */
static sinter_status take_chain(parser *p, const char *word, node_kind kind, sinter_status (*part)(parser *, node **), node **out) {
    sinter_status s = part(p, out);
    if (s != SINTER_OK || !is_word(&p->now, word)) return s;
    node *chain = node_new(p, kind), *last = *out;
    chain->child = *out;
    while (s == SINTER_OK && is_word(&p->now, word)) {
        s = advance(p);
        if (s == SINTER_OK) s = part(p, &last->next);
        if (s == SINTER_OK) last = last->next;
    }
    *out = chain;
    return s;
}

static sinter_status take_all(parser *p, node **out) {
    return take_chain(p, "AND", NODE_AND, take_one, out);
}

static sinter_status take_any(parser *p, node **out) {
    return take_chain(p, "OR", NODE_OR, take_all, out);
}

sinter_status filter_parse(const catalog_collection *c, str text, arena *a, node **root, uint32_t *n_conditions,
                           sinter_error *e) {
    parser p = {.lexer = {text, 0, a, e}, .c = c, .text = text, .a = a, .e = e};
    if (text.n > FILTER_MAX_BYTES)
        return filter_error(e, text, 0, "at most 64 KiB", "the filter is %zu bytes long", text.n);
    sinter_status s = advance(&p);
    if (s == SINTER_OK) s = take_any(&p, root);
    if (s == SINTER_OK && p.now.kind != TOKEN_END) s = expected(&p, "AND or OR", "conditions are joined by AND and OR");
    *n_conditions = p.conditions;
    return s;
}
