/* SPDX-License-Identifier: Apache-2.0 */
/* A formula, compiled: text → a flat list of steps over registers of doubles, evaluated a block of rows at a time.
 *
 *     comparison := sum [ ( < | <= | > | >= | == | != ) sum ]
 *     sum        := product { ( + | - ) product }
 *     product    := unary { ( * | / ) unary }
 *     unary      := ( - | + ) unary | power
 *     power      := primary [ ^ unary ]                       right to left; -2^2 is -4
 *     primary    := number | feature | function ( comparison { , comparison } ) | ( comparison )
 *
 * Registers hold SINTER_BLOCK doubles each, in this order: constants (filled once), features (filled a block), temporaries.
 * A value that an item lacks is NaN and stays NaN through every step but coalesce, missing and the branch that `if` leaves
 * aside. */
#ifndef SINTER_FUNCTION_FORMULA_H
#define SINTER_FUNCTION_FORMULA_H

#include <sinter/plugin.h>

enum {
    FORMULA_TEXT = 4096,     /* bytes of a formula */
    FORMULA_DEPTH = 64,      /* of nesting: what bounds the parser's recursion */
    FORMULA_STEPS = 512,     /* operations */
    FORMULA_CONSTANTS = 256, /* after folding */
    FORMULA_FEATURES = 64,   /* different ones */
    FORMULA_NAMES = 4096,    /* bytes of their names */
    FORMULA_TERMS = 128,     /* of the outermost sum */
    FORMULA_TEMPS = 128,     /* values held at once */
};

/* X(OPERATION, name in formulas or "" for operators, operands) */
#define FORMULA_OPERATIONS(X)                                                                                        \
    X(ADD, "", 2) X(SUBTRACT, "", 2) X(MULTIPLY, "", 2) X(DIVIDE, "", 2) X(NEGATE, "", 1)                            \
    X(LESS, "", 2) X(LESS_EQUAL, "", 2) X(GREATER, "", 2) X(GREATER_EQUAL, "", 2) X(EQUAL, "", 2) X(NOT_EQUAL, "", 2) \
    X(IF, "if", 3) X(MIN, "min", 2) X(MAX, "max", 2) X(ABS, "abs", 1) X(SQRT, "sqrt", 1) X(EXP, "exp", 1)            \
    X(LOG, "log", 1) X(LOG1P, "log1p", 1) X(LOG10, "log10", 1) X(POW, "pow", 2) X(FLOOR, "floor", 1)                 \
    X(CEIL, "ceil", 1) X(ROUND, "round", 1) X(CLAMP, "clamp", 3) X(SIGMOID, "sigmoid", 1) X(TANH, "tanh", 1)         \
    X(COALESCE, "coalesce", 2) X(MISSING, "missing", 1)

typedef enum formula_operation {
#define X(operation, name, operands) FORMULA_##operation,
    FORMULA_OPERATIONS(X)
#undef X
        FORMULA_N_OPERATIONS
} formula_operation;

/* to = operation(a, b, c): register numbers; operands not used are 0. */
typedef struct formula_step {
    uint16_t operation, to, a, b, c;
} formula_step;

/* One term of the outermost sum: its value stands in `from` once the first `after` steps have run. */
typedef struct formula_term {
    uint16_t start, end; /* in the text, the sign left out */
    uint16_t from, after;
    bool negative;
} formula_term;

typedef struct formula {
    char text[FORMULA_TEXT + 1];
    formula_step step[FORMULA_STEPS];
    uint32_t n_steps;
    double constant[FORMULA_CONSTANTS];
    uint32_t n_constants;
    const char *feature[FORMULA_FEATURES]; /* into names: a formula is never copied */
    char names[FORMULA_NAMES];
    uint32_t n_features, n_temps, n_registers;
    uint16_t result; /* register */
    formula_term term[FORMULA_TERMS];
    uint32_t n_terms;
} formula;

/* Compiles `text`. INVALID: err->what begins with "column N: ", N from 1 in bytes of the text; err->fix says what would be
 * valid. `where` is left to the caller. */
sinter_status formula_compile(formula *, const char *text, size_t size, sinter_error *err);

/* Fills the constants' registers: once for every memory that evaluates. `registers` is [n_registers][SINTER_BLOCK]. */
void formula_prepare(const formula *, double *registers);

/* Loads rows' features (float [n][stride], n <= SINTER_BLOCK) into their registers. */
void formula_load(const formula *, double *registers, const float *feature, uint32_t stride, uint32_t n);

/* Runs steps first <= i < last over n rows. The result of all steps stands in register formula->result. */
void formula_run(const formula *, double *registers, uint32_t first, uint32_t last, uint32_t n);

/* One operation over n values; `to` may be one of the operands. The single place where operations are defined. */
void formula_apply(formula_operation, double *to, const double *a, const double *b, const double *c, uint32_t n);

#endif
