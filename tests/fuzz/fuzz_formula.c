/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a formula: compiled or refused with a column inside the text, and what compiles evaluates to terms that
 * sum to its result. */
#include "../../plugins/function/compile.c"
#include "../../plugins/function/evaluate.c"
#include "fuzz.h"

static void check_error(const sinter_error *err, size_t size) {
    unsigned column = 0;
    if (sscanf(err->what, "column %u: ", &column) != 1 || column == 0 || column > size + 1) abort();
}

/* One row of special values: finite, negative, zero, missing, infinite. */
static void check_terms(const formula *f, double *registers) {
    static const float values[] = {1.5f, -2, 0, NAN, INFINITY, 1e30f};
    float row[FORMULA_FEATURES];
    for (uint32_t k = 0; k < FORMULA_FEATURES; k++)
        row[k] = values[k % 6];
    formula_prepare(f, registers);
    formula_load(f, registers, row, FORMULA_FEATURES, 1);
    double sum = 0;
    uint32_t done = 0;
    for (uint32_t t = 0; t < f->n_terms; t++) {
        formula_run(f, registers, done, f->term[t].after, 1);
        done = f->term[t].after;
        double value = registers[(size_t)f->term[t].from * SINTER_BLOCK];
        sum = t == 0 ? value : f->term[t].negative ? sum - value : sum + value;
        if (f->term[t].start >= f->term[t].end || f->term[t].end > FORMULA_TEXT) abort();
    }
    formula_run(f, registers, done, f->n_steps, 1);
    double result = registers[(size_t)f->result * SINTER_BLOCK];
    if (isfinite(result) && sum != result) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static formula f;
    static double registers[(FORMULA_CONSTANTS + FORMULA_FEATURES + FORMULA_TEMPS) * SINTER_BLOCK];
    sinter_error err = SINTER_ERROR_INIT;
    if (formula_compile(&f, (const char *)data, size, &err) != SINTER_OK)
        check_error(&err, size);
    else
        check_terms(&f, registers);
    return 0;
}
