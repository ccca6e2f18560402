/* SPDX-License-Identifier: Apache-2.0 */
/* From text to steps in one pass: recursive descent that emits as it goes, folds constants, and hands out temporaries like a
 * stack. Every limit is checked where something is added, so any text gives a formula or an error with its column. */
#include "formula.h"
#include "near.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum place { CONSTANT, FEATURE, TEMP } place;

/* A value during compilation: a known number, or a feature or temporary by index. */
typedef struct operand {
    place place;
    uint32_t index;
    double value; /* CONSTANT */
} operand;

/* Register numbers are known only at the end: until then an operand is its place in the top bits and its index. */
enum { PLACE_SHIFT = 14, PLACE_MASK = (1 << PLACE_SHIFT) - 1 };

typedef struct compiler {
    formula *f;
    const char *text;
    size_t size, at;
    size_t names_used;
    uint32_t depth, live_temps;
    sinter_error *err;
    sinter_status status;
} compiler;

static const struct {
    const char *name;
    uint32_t operands;
} operations[] = {
#define X(operation, name, operands) {name, operands},
    FORMULA_OPERATIONS(X)
#undef X
};

static operand parse_comparison(compiler *c);
static operand parse_unary(compiler *c);

/* ---- errors: the first one stands ---- */

__attribute__((format(printf, 4, 5))) static operand fail(compiler *c, size_t at, const char *fix, const char *format, ...)
{
    if (c->status == SINTER_OK) {
        va_list args;
        va_start(args, format);
        c->status = c->err->status = SINTER_INVALID;
        int n = snprintf(c->err->what, sizeof c->err->what, "column %zu: ", at + 1);
        vsnprintf(c->err->what + n, sizeof c->err->what - (size_t)n, format, args);
        snprintf(c->err->fix, sizeof c->err->fix, "%s", fix);
        va_end(args);
        c->at = c->size; /* nothing more is read */
    }
    return (operand){CONSTANT, 0, 0};
}

/* What stands at the reading point, for messages. */
static const char *here(const compiler *c, char out[32])
{
    if (c->at >= c->size)
        return "the end";
    unsigned char byte = (unsigned char)c->text[c->at];
    snprintf(out, 32, byte > ' ' && byte < 127 ? "'%c'" : "byte 0x%02x", byte);
    return out;
}

/* ---- emitting ---- */

static uint16_t code_of(compiler *c, operand o)
{
    formula *f = c->f;
    if (o.place != CONSTANT)
        return (uint16_t)((uint32_t)o.place << PLACE_SHIFT | o.index);
    for (uint32_t i = 0; i < f->n_constants; i++)
        if (memcmp(&f->constant[i], &o.value, sizeof o.value) == 0)
            return (uint16_t)i;
    if (f->n_constants == FORMULA_CONSTANTS) {
        fail(c, c->at, "split the formula into several rankers", "more than %d different numbers", FORMULA_CONSTANTS);
        return 0;
    }
    f->constant[f->n_constants] = o.value;
    return (uint16_t)f->n_constants++;
}

static void release(compiler *c, operand o)
{
    if (o.place == TEMP)
        c->live_temps--;
}

static operand fold(compiler *c, size_t at, formula_operation operation, operand a, operand b, operand third)
{
    operand out = {CONSTANT, 0, 0};
    formula_apply(operation, &out.value, &a.value, &b.value, &third.value, 1);
    if (!isfinite(out.value))
        return fail(c, at, "constants must have a finite value", "this constant part is not a finite number");
    return out;
}

/* Operands are the newest temporaries, so the result may take the oldest place among them. */
static operand emit(compiler *c, size_t at, formula_operation operation, operand a, operand b, operand third)
{
    uint32_t n = operations[operation].operands;
    formula *f = c->f;
    if (c->status != SINTER_OK)
        return a;
    if (a.place == CONSTANT && (n < 2 || b.place == CONSTANT) && (n < 3 || third.place == CONSTANT))
        return fold(c, at, operation, a, b, third);
    if (f->n_steps == FORMULA_STEPS)
        return fail(c, at, "split the formula into several rankers", "more than %d operations", FORMULA_STEPS);
    formula_step step = {.operation = (uint16_t)operation, .a = code_of(c, a)};
    release(c, a);
    if (n > 1) {
        step.b = code_of(c, b);
        release(c, b);
    }
    if (n > 2) {
        step.c = code_of(c, third);
        release(c, third);
    }
    operand to = {TEMP, c->live_temps++, 0};
    if (c->live_temps > FORMULA_TEMPS)
        return fail(c, at, "split the formula into several rankers", "more than %d values held at once", FORMULA_TEMPS);
    if (f->n_temps < c->live_temps)
        f->n_temps = c->live_temps;
    step.to = code_of(c, to);
    f->step[f->n_steps++] = step;
    return to;
}

static operand emit_two(compiler *c, size_t at, formula_operation operation, operand a, operand b)
{
    return emit(c, at, operation, a, b, (operand){CONSTANT, 0, 0});
}

/* ---- words ---- */

static void skip_space(compiler *c)
{
    while (c->at < c->size && strchr(" \t\r\n", c->text[c->at]) != NULL && c->text[c->at] != 0)
        c->at++;
}

static bool take(compiler *c, const char *symbol)
{
    size_t n = strlen(symbol);
    skip_space(c);
    if (c->size - c->at < n || memcmp(c->text + c->at, symbol, n) != 0)
        return false;
    c->at += n;
    return true;
}

static bool is_digit(const compiler *c, size_t at)
{
    return at < c->size && c->text[at] >= '0' && c->text[at] <= '9';
}

static bool starts_name(const compiler *c, size_t at)
{
    return at < c->size && ((c->text[at] >= 'a' && c->text[at] <= 'z') || c->text[at] == '_');
}

static operand parse_number(compiler *c)
{
    size_t start = c->at, n = c->at;
    while (is_digit(c, n))
        n++;
    if (n < c->size && c->text[n] == '.')
        for (n++; is_digit(c, n);)
            n++;
    if (n < c->size && (c->text[n] == 'e' || c->text[n] == 'E')) {
        size_t sign = n + 1 + (n + 1 < c->size && (c->text[n + 1] == '+' || c->text[n + 1] == '-'));
        if (!is_digit(c, sign))
            return fail(c, start, "write 1e-3 or 0.001", "the number has no digits after 'e'");
        for (n = sign; is_digit(c, n);)
            n++;
    }
    char digits[64];
    if (n - start >= sizeof digits)
        return fail(c, start, "use fewer digits", "the number is longer than %zu characters", sizeof digits - 1);
    memcpy(digits, c->text + start, n - start);
    digits[n - start] = 0;
    c->at = n;
    double value = strtod(digits, NULL);
    if (!isfinite(value))
        return fail(c, start, "use a number below 1e308", "the number %s is too large", digits);
    return (operand){CONSTANT, 0, value};
}

static operand feature_operand(compiler *c, size_t start, size_t length)
{
    formula *f = c->f;
    for (uint32_t i = 0; i < f->n_features; i++)
        if (strlen(f->feature[i]) == length && memcmp(f->feature[i], c->text + start, length) == 0)
            return (operand){FEATURE, i, 0};
    if (f->n_features == FORMULA_FEATURES || c->names_used + length + 1 > FORMULA_NAMES)
        return fail(c, start, "split the formula into several rankers", "more than %d different features", FORMULA_FEATURES);
    char *name = f->names + c->names_used;
    memcpy(name, c->text + start, length);
    name[length] = 0;
    c->names_used += length + 1;
    f->feature[f->n_features] = name;
    return (operand){FEATURE, f->n_features++, 0};
}

/* The function of that name; FORMULA_N_OPERATIONS: none. */
static formula_operation find_function(const char *name, size_t length)
{
    for (uint32_t i = 0; i < FORMULA_N_OPERATIONS; i++)
        if (length > 0 && strlen(operations[i].name) == length && memcmp(operations[i].name, name, length) == 0)
            return (formula_operation)i;
    return FORMULA_N_OPERATIONS;
}

static operand unknown_function(compiler *c, size_t start, size_t length)
{
    char name[64], fix[384] = "functions:";
    snprintf(name, sizeof name, "%.*s", (int)(length > 60 ? 60 : length), c->text + start);
    const char *names[FORMULA_N_OPERATIONS];
    size_t n = 0, used = strlen(fix);
    for (uint32_t i = 0; i < FORMULA_N_OPERATIONS; i++)
        if (operations[i].name[0] != 0) {
            names[n++] = operations[i].name;
            used += (size_t)snprintf(fix + used, sizeof fix - used, " %s", operations[i].name);
        }
    const char *near = nearest_name(name, names, n);
    if (near != NULL)
        snprintf(fix, sizeof fix, "did you mean %s?", near);
    return fail(c, start, fix, "unknown function '%s'", name);
}

/* ---- grammar, innermost first ---- */

static operand parse_call(compiler *c, size_t start, size_t length)
{
    formula_operation operation = find_function(c->text + start, length);
    if (operation == FORMULA_N_OPERATIONS)
        return unknown_function(c, start, length);
    bool is_chain = operation == FORMULA_MIN || operation == FORMULA_MAX; /* any number of arguments from two on */
    uint32_t wanted = operations[operation].operands, n = 0;
    operand argument[3] = {{CONSTANT, 0, 0}, {CONSTANT, 0, 0}, {CONSTANT, 0, 0}};
    do {
        if (n == wanted && !is_chain)
            return fail(c, start, "remove the others", "%s takes %u argument%s, not more", operations[operation].name, wanted,
                        wanted == 1 ? "" : "s");
        if (n == wanted) { /* combined before the next is read: temporaries are a stack */
            argument[0] = emit_two(c, start, operation, argument[0], argument[1]);
            n = 1;
        }
        argument[n++] = parse_comparison(c);
    } while (c->status == SINTER_OK && take(c, ","));
    char found[32];
    if (!take(c, ")"))
        return fail(c, c->at, "close the arguments with ')'", "')' expected, %s found", here(c, found));
    if (n < wanted)
        return fail(c, start, "give the missing ones", "%s takes %u arguments, %u given", operations[operation].name, wanted, n);
    return emit(c, start, operation, argument[0], argument[1], argument[2]);
}

static operand parse_name(compiler *c)
{
    size_t start = c->at;
    while (starts_name(c, c->at) || is_digit(c, c->at) || (c->at < c->size && c->text[c->at] == '.'))
        c->at++;
    size_t length = c->at - start;
    if (take(c, "("))
        return parse_call(c, start, length);
    formula_operation function = find_function(c->text + start, length);
    if (function != FORMULA_N_OPERATIONS)
        return fail(c, start, "give it arguments in parentheses", "%s is a function", operations[function].name);
    return feature_operand(c, start, length);
}

static operand parse_primary(compiler *c)
{
    char found[32];
    skip_space(c);
    if (is_digit(c, c->at) || (c->at < c->size && c->text[c->at] == '.' && is_digit(c, c->at + 1)))
        return parse_number(c);
    if (starts_name(c, c->at))
        return parse_name(c);
    size_t start = c->at;
    if (!take(c, "("))
        return fail(c, c->at, "names are lower case: a to z, 0 to 9, _ and .",
                    "a number, a feature, a function or '(' expected, %s found", here(c, found));
    operand inside = parse_comparison(c);
    if (!take(c, ")"))
        return fail(c, c->at, "close the parenthesis", "')' expected for the '(' of column %zu, %s found", start + 1, here(c, found));
    return inside;
}

static operand parse_power(compiler *c)
{
    operand base = parse_primary(c);
    size_t at = c->at;
    return take(c, "^") ? emit_two(c, at, FORMULA_POW, base, parse_unary(c)) : base;
}

/* Every way to nest passes here, so this is where depth is counted. */
static operand parse_unary(compiler *c)
{
    skip_space(c);
    size_t at = c->at;
    operand out;
    if (c->depth >= FORMULA_DEPTH)
        return fail(c, at, "use fewer parentheses", "nested deeper than %d", FORMULA_DEPTH);
    c->depth++;
    if (take(c, "-"))
        out = emit_two(c, at, FORMULA_NEGATE, parse_unary(c), (operand){CONSTANT, 0, 0});
    else
        out = take(c, "+") ? parse_unary(c) : parse_power(c);
    c->depth--;
    return out;
}

static operand parse_product(compiler *c)
{
    operand left = parse_unary(c);
    while (c->status == SINTER_OK) {
        skip_space(c);
        size_t at = c->at;
        bool times = take(c, "*");
        if (!times && !take(c, "/"))
            break;
        left = emit_two(c, at, times ? FORMULA_MULTIPLY : FORMULA_DIVIDE, left, parse_unary(c));
    }
    return left;
}

static void add_term(compiler *c, size_t start, bool negative, operand value)
{
    formula *f = c->f;
    size_t end = c->at;
    while (start < end && strchr(" \t\r\n", c->text[start]) != NULL)
        start++;
    while (end > start && strchr(" \t\r\n", c->text[end - 1]) != NULL)
        end--;
    if (c->status != SINTER_OK)
        return;
    if (f->n_terms == FORMULA_TERMS) {
        fail(c, start, "group some in parentheses", "more than %d terms", FORMULA_TERMS);
        return;
    }
    f->term[f->n_terms++] = (formula_term){.start = (uint16_t)start, .end = (uint16_t)end, .from = code_of(c, value),
                                           .after = (uint16_t)f->n_steps, .negative = negative};
}

static operand parse_sum(compiler *c)
{
    bool is_outermost = c->depth == 0;
    size_t start = c->at;
    operand left = parse_product(c);
    if (is_outermost)
        add_term(c, start, false, left);
    while (c->status == SINTER_OK) {
        skip_space(c);
        size_t at = c->at;
        bool plus = take(c, "+");
        if (!plus && !take(c, "-"))
            break;
        operand right = parse_product(c);
        if (is_outermost)
            add_term(c, at + 1, !plus, right);
        left = emit_two(c, at, plus ? FORMULA_ADD : FORMULA_SUBTRACT, left, right);
    }
    return left;
}

static operand parse_comparison(compiler *c)
{
    static const struct {
        const char *symbol;
        formula_operation operation;
    } signs[] = {{"<=", FORMULA_LESS_EQUAL}, {">=", FORMULA_GREATER_EQUAL}, {"==", FORMULA_EQUAL},
                 {"!=", FORMULA_NOT_EQUAL},  {"<", FORMULA_LESS},           {">", FORMULA_GREATER}};
    bool is_outermost = c->depth == 0;
    size_t start = c->at;
    operand left = parse_sum(c);
    bool compared = false;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t at = c->at;
        if (!take(c, signs[i].symbol))
            continue;
        if (compared)
            return fail(c, at, "use if(a < b, b < c, 0)", "comparisons do not chain");
        left = emit_two(c, at, signs[i].operation, left, parse_sum(c));
        compared = true;
        i = (size_t)-1; /* look once more for a chain */
    }
    if (is_outermost && compared) { /* what the sums left behind are no terms of the whole */
        c->f->n_terms = 0;
        add_term(c, start, false, left);
    }
    return left;
}

/* ---- the whole ---- */

static uint16_t register_of(const formula *f, uint16_t code)
{
    uint32_t base[] = {0, f->n_constants, f->n_constants + f->n_features};
    return (uint16_t)(base[code >> PLACE_SHIFT] + (code & PLACE_MASK));
}

static void number_registers(formula *f)
{
    for (uint32_t i = 0; i < f->n_steps; i++) {
        formula_step *s = &f->step[i];
        uint32_t n = operations[s->operation].operands;
        s->to = register_of(f, s->to);
        s->a = register_of(f, s->a);
        s->b = n > 1 ? register_of(f, s->b) : s->a;
        s->c = n > 2 ? register_of(f, s->c) : s->a;
    }
    for (uint32_t i = 0; i < f->n_terms; i++)
        f->term[i].from = register_of(f, f->term[i].from);
    f->result = register_of(f, f->result);
    f->n_registers = f->n_constants + f->n_features + f->n_temps;
}

sinter_status formula_compile(formula *f, const char *text, size_t size, sinter_error *err)
{
    compiler c = {.f = f, .text = f->text, .size = size, .err = err};
    memset(f, 0, sizeof *f);
    if (size > FORMULA_TEXT) {
        fail(&c, FORMULA_TEXT, "split the formula into several rankers", "longer than %d characters", FORMULA_TEXT);
        return c.status;
    }
    memcpy(f->text, text, size);
    operand result = parse_comparison(&c);
    skip_space(&c);
    if (c.at < c.size) {
        char found[32];
        fail(&c, c.at, "write * for a product", "an operator or the end expected, %s found", here(&c, found));
    }
    f->result = code_of(&c, result);
    if (c.status == SINTER_OK)
        number_registers(f);
    return c.status;
}
