/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Scores formulas read from standard input through the real function.so, for tests/plugin/test_formula.py.
 *
 *     formula_lines function.so < lines      "R 1.5 nan 2 0": a row, the values of a, b, c and item.d
 *                                            "F a + log(b)": score all rows so far
 * Prints for each F one line: a score a row (%.9g, or missing), or "error COLUMN". Ends with status 1 where the terms of a
 * score do not sum to it within 1e-5 × max(1, |score|). */
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 4096, FEATURES = 4 };

static const char *const names[FEATURES] = {"a", "b", "c", "item.d"};
static float rows[MOST_ROWS][FEATURES];
static uint32_t n_rows;

/* The rows with the features that the formula asks for, in its order. */
static sinter_batch *batch_for(harness *h, const sinter_inputs *want)
{
    static float chosen[MOST_ROWS * FEATURES];
    for (uint32_t i = 0; i < n_rows; i++)
        for (uint32_t k = 0; k < want->n_features; k++)
            for (uint32_t f = 0; f < FEATURES; f++)
                if (strcmp(names[f], want->feature[k]) == 0)
                    chosen[i * want->n_features + k] = rows[i][f];
    return harness_batch(h, chosen, want->n_features, n_rows);
}

static bool terms_sum(harness *h, sinter_instance *instance, sinter_worker *worker, sinter_batch *batch, uint32_t row, float score)
{
    sinter_error err = SINTER_ERROR_INIT;
    harness_plugin(h)->ranker->explain(instance, worker, batch, row, harness_sink(h), &err);
    if (sinter_is_missing(score))
        return harness_edits(h) == 0;
    return fabs(harness_explained(h) - (double)score) <= 1e-5 * fmax(1, fabs((double)score));
}

static bool score_formula(const char *so, const char *text)
{
    harness *h = harness_open(so);
    sinter_instance *instance;
    sinter_error err;
    bool good = true;
    if (harness_instance(h, "ranker", (harness_option[]){{"formula", text}}, 1, &instance, &err) != SINTER_OK) {
        printf("error %s\n", err.what + strlen("column "));
        harness_close(h);
        return true;
    }
    sinter_worker *worker = harness_worker(h, instance);
    sinter_batch *batch = batch_for(h, harness_inputs(h, instance));
    static float score[MOST_ROWS];
    good = harness_plugin(h)->ranker->score(instance, worker, batch, score, &err) == SINTER_OK;
    for (uint32_t i = 0; i < n_rows; i++)
        if (sinter_is_missing(score[i]))
            fputs(i == 0 ? "missing" : " missing", stdout);
        else
            printf(i == 0 ? "%.9g" : " %.9g", (double)score[i]);
    putchar('\n');
    for (uint32_t i = 0; i < n_rows; i++)
        good = terms_sum(h, instance, worker, batch, i, score[i]) && good;
    if (!good)
        fprintf(stderr, "terms do not sum to the score: %s\n", text);
    harness_close(h);
    return good;
}

int main(int argc, char **argv)
{
    static char line[8192];
    bool good = argc == 2;
    while (good && fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == 'F') {
            good = score_formula(argv[1], line + 2);
        } else if (line[0] == 'R' && n_rows < MOST_ROWS) {
            char *at = line + 1;
            for (uint32_t f = 0; f < FEATURES; f++)
                rows[n_rows][f] = strtof(at, &at);
            n_rows++;
        }
    }
    return good ? 0 : 1;
}
