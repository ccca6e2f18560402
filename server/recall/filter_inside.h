/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The filter's inner forms: tokens, the tree that the parser builds, and the flat program that lanes run. */
#ifndef SINTER_RECALL_FILTER_INSIDE_H
#define SINTER_RECALL_FILTER_INSIDE_H

#include "recall/recall.h"
#include "filter_terms.h"

#define FILTER_MAX_BYTES (64u << 10)
#define FILTER_MAX_CONDITIONS 1000u /* values of IN lists count as conditions */
#define FILTER_MAX_DEPTH 64u        /* parentheses and NOTs around one another */
#define FILTER_BLOCK 256u           /* items evaluated at once */
#define FILTER_STACK 192u           /* masks held at once: two a level, and what filter_and adds */

/* ---- tokens (filter_lex.c) ------------------------------------------------------------------------------------- */

typedef enum token_kind {
    TOKEN_END,
    TOKEN_NAME,    /* field, or a word of the language */
    TOKEN_QUOTED_NAME, /* `field` */
    TOKEN_STRING,
    TOKEN_NUMBER,
    TOKEN_EQ, TOKEN_NE, TOKEN_LT, TOKEN_LE, TOKEN_GT, TOKEN_GE,
    TOKEN_OPEN, TOKEN_CLOSE, TOKEN_COMMA,
} token_kind;

typedef struct token {
    token_kind kind;
    size_t at;   /* offset in the text */
    str raw;     /* as written */
    str text;    /* names and strings without quotes and escapes, NUL-terminated */
    double number;
    int64_t integer;
    bool integral; /* `integer` is exact */
} token;

typedef struct lexer {
    str text;
    size_t at;
    arena *a;
    sinter_error *e;
} lexer;

sinter_status filter_lex(lexer *x, token *out);
/* error_set with where = "filter:COLUMN", counted in characters from 1. */
sinter_status filter_error(sinter_error *e, str text, size_t at, const char *fix, const char *what, ...) PRINTF_LIKE(5, 6);
/* For messages: bytes from outside, cut to a readable length. */
const char *filter_shown(arena *a, str s);

/* ---- conditions -------------------------------------------------------------------------------------------------- */

typedef enum condition_kind {
    CONDITION_INTEGERS, /* int64 in [low, high]: integer, timestamp */
    CONDITION_NUMBERS,  /* double in [low, high] */
    CONDITION_BOOLEAN,  /* uint8 = low */
    CONDITION_INTEGER_IN,
    CONDITION_NUMBER_IN,
    CONDITION_KEYWORD,  /* one of `keyword` */
    CONDITION_KEYWORDS, /* a list that holds one of `keyword` */
    CONDITION_EXISTS,
    CONDITION_WITHIN,
    CONDITION_ITEM,     /* one of `item`, of no field */
} condition_kind;

/* A keyword constant. Its id is looked up again while it is 0: the value may come with a later item. */
typedef struct keyword_constant {
    str text;
    _Atomic uint32_t id;
} keyword_constant;

/* A comparison. A missing value makes it false, and `negate` turns the result over. */
typedef struct condition {
    condition_kind kind;
    bool negate;
    const char *name;
    _Atomic(const catalog_field *) field; /* NULL: of a pattern, not seen yet when it was last looked for */
    uint32_t n;
    union {
        struct { int64_t low, high; } integers;
        struct { double low, high; } numbers;
        const int64_t *integer;    /* [n] ascending */
        const double *number;      /* [n] ascending */
        keyword_constant *keyword; /* [n] */
        const uint32_t *item;      /* [n] ascending ordinals */
        struct { double latitude, longitude, km, cos_latitude; } within;
    } u;
} condition;

/* ---- the tree (filter_parse.c) ------------------------------------------------------------------------------------ */

typedef enum node_kind { NODE_CONDITION, NODE_AND, NODE_OR, NODE_NOT } node_kind;
typedef struct node {
    node_kind kind;
    condition *condition;
    struct node *child, *next; /* first child; next sibling */
    size_t begin, end;         /* where it stands in the text */
} node;

sinter_status filter_parse(const catalog_collection *c, str text, arena *a, node **root, uint32_t *n_conditions,
                           sinter_error *e);

/* filter_values.c: fills the condition from an operator and its values, or says why they do not fit the field. */
typedef struct comparison {
    token name;
    const config_field *declared;
    token_kind op;      /* TOKEN_EQ …; IN: TOKEN_COMMA; BETWEEN: TOKEN_OPEN */
    const token *value; /* [n] */
    uint32_t n;
} comparison;
sinter_status filter_compare(const comparison *m, str text, arena *a, condition *out, sinter_error *e);

/* ---- the program (filter_compile.c) --------------------------------------------------------------------------------- */

typedef enum op_kind {
    OP_CONDITION, /* push the mask of condition `arg` */
    OP_AND,
    OP_OR,
    OP_NOT,
    OP_SKIP_IF_NONE, /* skip `arg` instructions when no item of the mask on top is set */
    OP_SKIP_IF_ALL,
} op_kind;
typedef struct instruction {
    uint16_t op;
    uint32_t arg;
} instruction;

/* filter_match.c: latitude and longitude within the condition's distance. */
bool filter_is_within(const condition *x, const double *place);

struct filter {
    arena *own; /* NULL: lives in the caller's */
    condition *const *condition; /* [n_conditions] */
    uint32_t n_conditions;
    const instruction *program; /* [n_program] */
    uint32_t n_program;
    uint32_t depth; /* masks that it needs at once */
    const filter_clause *clause; /* [n_clauses] */
    uint32_t n_clauses;
};

#endif
