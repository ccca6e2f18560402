/* SPDX-License-Identifier: Apache-2.0 */
/* What each operation of a formula means, and running a compiled one block by block. Every operation is one plain loop over
 * contiguous doubles, so the compiler vectorises those that have instructions. */
#include "formula.h"

#include <math.h>
#include <string.h>

/* A NaN among the operands makes the result NaN even where C's function would not (pow(x, 0), fmin). */
static double power(double x, double y)
{
    return isnan(x) || isnan(y) ? (double)NAN : pow(x, y);
}

static double least(double x, double y)
{
    return isnan(x) ? x : isnan(y) ? y : x < y ? x : y;
}

static double most(double x, double y)
{
    return isnan(x) ? x : isnan(y) ? y : x > y ? x : y;
}

static double truth(double x, double y, bool holds)
{
    return isnan(x) || isnan(y) ? (double)NAN : (double)holds;
}

static double choose(double condition, double yes, double no)
{
    return isnan(condition) ? condition : condition != 0 ? yes : no;
}

#define EACH(operation, expression)      \
    case FORMULA_##operation:            \
        for (uint32_t i = 0; i < n; i++) \
            to[i] = (expression);        \
        break;

void formula_apply(formula_operation operation, double *to, const double *a, const double *b, const double *c, uint32_t n)
{
    switch (operation) {
        EACH(ADD, a[i] + b[i])
        EACH(SUBTRACT, a[i] - b[i])
        EACH(MULTIPLY, a[i] * b[i])
        EACH(DIVIDE, a[i] / b[i])
        EACH(NEGATE, -a[i])
        EACH(LESS, truth(a[i], b[i], a[i] < b[i]))
        EACH(LESS_EQUAL, truth(a[i], b[i], a[i] <= b[i]))
        EACH(GREATER, truth(a[i], b[i], a[i] > b[i]))
        EACH(GREATER_EQUAL, truth(a[i], b[i], a[i] >= b[i]))
        EACH(EQUAL, truth(a[i], b[i], a[i] == b[i]))
        EACH(NOT_EQUAL, truth(a[i], b[i], a[i] != b[i]))
        EACH(IF, choose(a[i], b[i], c[i]))
        EACH(MIN, least(a[i], b[i]))
        EACH(MAX, most(a[i], b[i]))
        EACH(ABS, fabs(a[i]))
        EACH(SQRT, sqrt(a[i]))
        EACH(EXP, exp(a[i]))
        EACH(LOG, log(a[i]))
        EACH(LOG1P, log1p(a[i]))
        EACH(LOG10, log10(a[i]))
        EACH(POW, power(a[i], b[i]))
        EACH(FLOOR, floor(a[i]))
        EACH(CEIL, ceil(a[i]))
        EACH(ROUND, round(a[i]))
        EACH(CLAMP, least(most(a[i], b[i]), c[i]))
        EACH(SIGMOID, 1 / (1 + exp(-a[i])))
        EACH(TANH, tanh(a[i]))
        EACH(COALESCE, isfinite(a[i]) ? a[i] : b[i])
        EACH(MISSING, isfinite(a[i]) ? 0.0 : 1.0)
    case FORMULA_N_OPERATIONS:
        break;
    }
}

void formula_prepare(const formula *f, double *registers)
{
    memset(registers, 0, (size_t)f->n_registers * SINTER_BLOCK * sizeof *registers);
    for (uint32_t c = 0; c < f->n_constants; c++)
        for (uint32_t i = 0; i < SINTER_BLOCK; i++)
            registers[(size_t)c * SINTER_BLOCK + i] = f->constant[c];
}

void formula_load(const formula *f, double *registers, const float *feature, uint32_t stride, uint32_t n)
{
    double *to = registers + (size_t)f->n_constants * SINTER_BLOCK;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < f->n_features; k++)
            to[(size_t)k * SINTER_BLOCK + i] = (double)feature[(size_t)i * stride + k];
}

void formula_run(const formula *f, double *registers, uint32_t first, uint32_t last, uint32_t n)
{
    for (uint32_t s = first; s < last; s++) {
        const formula_step *step = &f->step[s];
        formula_apply((formula_operation)step->operation, registers + (size_t)step->to * SINTER_BLOCK,
                      registers + (size_t)step->a * SINTER_BLOCK, registers + (size_t)step->b * SINTER_BLOCK,
                      registers + (size_t)step->c * SINTER_BLOCK, n);
    }
}
