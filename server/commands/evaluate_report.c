/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Figures of an evaluation: values by query, intervals, differences to the first system; as a table, as JSON, by query.
 */
#include "evaluate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct figures {
    const evaluate_arguments *a;
    const judgments *j;
    double *value;    /* [n_systems][n_metrics][n_scored] */
    uint32_t *scored; /* [n_scored] queries that have a relevant item */
    uint32_t n_scored;
    uint32_t base[EVALUATE_MAX_METRICS]; /* the system that others are compared with */
} figures;

static double *values_of(const figures *f, uint32_t system, uint32_t m)
{
    return f->value + ((size_t)system * f->a->n_metrics + m) * f->n_scored;
}

/* Which queries count is a matter of the judgments alone, so it is the same for every system. */
static void find_scored(figures *f)
{
    f->scored = xcalloc(f->j->n_queries + 1, sizeof *f->scored);
    for (uint32_t q = 0; q < f->j->n_queries; q++) {
        const judged_query *judged = &f->j->query[q];
        bool relevant = false;
        for (uint32_t i = 0; i < judged->n; i++)
            relevant = relevant || gain_of(&f->a->gain, judged->item[i].grade) > 0;
        if (relevant) f->scored[f->n_scored++] = q;
    }
}

static void score_all(figures *f)
{
    const evaluate_arguments *a = f->a;
    arena *memory = arena_new(1u << 16);
    double out[EVALUATE_MAX_METRICS];
    f->value = xcalloc((size_t)a->n_systems * a->n_metrics * f->n_scored + 1, sizeof *f->value);
    for (uint32_t s = 0; s < a->n_systems; s++)
        for (uint32_t i = 0; i < f->n_scored; i++) {
            const ranked_list *l = &a->system[s].list[f->scored[i]];
            arena_reset(memory);
            metrics_score(&f->j->query[f->scored[i]], &a->gain, l->item, l->n, a->metric, a->n_metrics, memory, out);
            for (uint32_t m = 0; m < a->n_metrics; m++)
                values_of(f, s, m)[i] = out[m];
        }
    arena_free(memory);
}

static interval interval_of(const figures *f, uint32_t s, uint32_t m)
{
    return bootstrap_mean(values_of(f, s, m), f->n_scored, BOOTSTRAP_RESAMPLES, f->a->seed);
}

static double mean_of(const figures *f, uint32_t s, uint32_t m)
{
    const double *value = values_of(f, s, m);
    double sum = 0;
    for (uint32_t i = 0; i < f->n_scored; i++)
        sum += value[i];
    return sum / f->n_scored;
}

/* The first system, or the best of --compare; among equals the one named earlier. */
static void find_bases(figures *f)
{
    for (uint32_t m = 0; m < f->a->n_metrics; m++) {
        bool found = false;
        for (uint32_t s = 0; s < f->a->n_systems; s++)
            if (f->a->single[s] && (!found || mean_of(f, s, m) > mean_of(f, f->base[m], m))) {
                f->base[m] = s;
                found = true;
            }
    }
}

/* How much better than the base, query by query. */
static interval difference_of(const figures *f, uint32_t s, uint32_t m)
{
    double *d = xmalloc((f->n_scored + 1) * sizeof *d);
    for (uint32_t i = 0; i < f->n_scored; i++)
        d[i] = values_of(f, s, m)[i] - values_of(f, f->base[m], m)[i];
    interval x = bootstrap_mean(d, f->n_scored, BOOTSTRAP_RESAMPLES, f->a->seed);
    free(d);
    return x;
}

static bool away_from_zero(interval x)
{
    return x.low > 0 || x.high < 0;
}

/* ---- table
 * -------------------------------------------------------------------------------------------------------------------
 */

static int widest(const evaluate_arguments *a)
{
    size_t width = 0;
    for (uint32_t s = 0; s < a->n_systems; s++)
        if (strlen(a->system[s].name) > width) width = strlen(a->system[s].name);
    return (int)width;
}

static void print_system(const figures *f, uint32_t s, int width)
{
    for (uint32_t m = 0; m < f->a->n_metrics; m++) {
        interval x = interval_of(f, s, m);
        printf("%-*s  %-14s  %.4f  [%.4f, %.4f]", width, m ? "" : f->a->system[s].name, f->a->metric[m].name, x.mean,
               x.low, x.high);
        if (s != f->base[m]) {
            interval d = difference_of(f, s, m);
            printf("  %+.4f  [%+.4f, %+.4f]%s", d.mean, d.low, d.high, away_from_zero(d) ? " *" : "");
        } else if (f->a->compare.n) {
            printf("  the best of those compared with");
        }
        printf("\n");
    }
}

static void print_table(const figures *f)
{
    const evaluate_arguments *a = f->a;
    int width = widest(a);
    printf("%u queries, %u judgments", f->n_scored, f->j->n_judgments);
    if (f->n_scored < f->j->n_queries)
        printf("; %u queries without a relevant item skipped", f->j->n_queries - f->n_scored);
    printf("; gain %s", GAIN_NAMES[a->gain.kind]);
    if (a->gain.offset != 0) printf(" of grade - %g", a->gain.offset);
    printf("\n\n%-*s  metric          mean    95%% interval   ", width, "");
    if (a->n_systems > 1) printf("   over %s", a->compare.n ? "the best single" : a->system[0].name);
    printf("\n");
    for (uint32_t s = 0; s < a->n_systems; s++)
        print_system(f, s, width);
    printf("\n%u resamples of queries, seed %llu%s\n", BOOTSTRAP_RESAMPLES, (unsigned long long)a->seed,
           a->n_systems > 1 ? "; differences are paired, * where the interval leaves out 0" : "");
}

/* ---- JSON
 * ---------------------------------------------------------------------------------------------------------------------
 */

static void json_intervals(buffer *b, const figures *f, uint32_t s, interval (*of)(const figures *, uint32_t, uint32_t))
{
    buffer_puts(b, "{");
    for (uint32_t m = 0; m < f->a->n_metrics; m++) {
        interval x = of(f, s, m);
        buffer_printf(b, "%s\"%s\":{\"mean\":%.9g,\"low\":%.9g,\"high\":%.9g}", m ? "," : "", f->a->metric[m].name,
                      x.mean, x.low, x.high);
    }
    buffer_puts(b, "}");
}

static void json_system(buffer *b, const figures *f, uint32_t s)
{
    const evaluate_system *x = &f->a->system[s];
    buffer_puts(b, s ? ",{\"name\":" : "{\"name\":");
    buffer_json_string(b, x->name, strlen(x->name));
    if (x->file) {
        buffer_puts(b, ",\"file\":");
        buffer_json_string(b, x->file, strlen(x->file));
    } else {
        buffer_printf(b, ",\"seconds\":%.3f,\"degraded\":%u,\"corrected\":%u", x->seconds, x->degraded, x->corrected);
    }
    buffer_puts(b, ",\"metrics\":");
    json_intervals(b, f, s, interval_of);
    if (s && !f->a->compare.n) {
        buffer_puts(b, ",\"over_first\":");
        json_intervals(b, f, s, difference_of);
    }
    if (f->a->compare.n) {
        buffer_puts(b, ",\"over_best\":");
        json_intervals(b, f, s, difference_of);
    }
    buffer_puts(b, "}");
}

static void json_bases(buffer *b, const figures *f)
{
    buffer_puts(b, "\"best\":{");
    for (uint32_t m = 0; m < f->a->n_metrics; m++) {
        const char *name = f->a->system[f->base[m]].name;
        buffer_printf(b, "%s\"%s\":", m ? "," : "", f->a->metric[m].name);
        buffer_json_string(b, name, strlen(name));
    }
    buffer_puts(b, "},");
}

static void print_json(const figures *f)
{
    buffer b = {0};
    buffer_printf(
        &b,
        "{\"queries\":%u,\"skipped\":%u,\"judgments\":%u,\"gain\":\"%s\",\"relevance_offset\":%.9g,\"resamples\":%u,",
        f->n_scored, f->j->n_queries - f->n_scored, f->j->n_judgments, GAIN_NAMES[f->a->gain.kind], f->a->gain.offset,
        BOOTSTRAP_RESAMPLES);
    buffer_printf(&b, "\"seed\":\"%llu\",", (unsigned long long)f->a->seed); /* as text: 64 bits */
    if (f->a->compare.n) json_bases(&b, f);
    buffer_puts(&b, "\"systems\":[");
    for (uint32_t s = 0; s < f->a->n_systems; s++)
        json_system(&b, f, s);
    buffer_puts(&b, "]}\n");
    fputs(b.data, stdout);
    buffer_free(&b);
}

/* ---- by query
 * ------------------------------------------------------------------------------------------------------------------ */

static sinter_status write_per_query(const figures *f, sinter_error *e)
{
    buffer b = {0};
    buffer_puts(&b, "query\tsystem");
    for (uint32_t m = 0; m < f->a->n_metrics; m++)
        buffer_printf(&b, "\t%s", f->a->metric[m].name);
    for (uint32_t i = 0; i < f->n_scored; i++)
        for (uint32_t s = 0; s < f->a->n_systems; s++) {
            buffer_printf(&b, "\n%s\t%s", f->j->query[f->scored[i]].id, f->a->system[s].name);
            for (uint32_t m = 0; m < f->a->n_metrics; m++)
                buffer_printf(&b, "\t%.9g", values_of(f, s, m)[i]);
        }
    buffer_puts(&b, "\n");
    sinter_status s = file_write_atomic(f->a->per_query, b.data, b.len, e);
    buffer_free(&b);
    return s;
}

static void warn_degraded(const evaluate_arguments *a)
{
    for (uint32_t s = 0; s < a->n_systems; s++)
        if (a->system[s].degraded)
            fprintf(stderr,
                    "sinter evaluate: %s: %u answers were degraded, so its figures are not those of the whole "
                    "pipeline; first: %s\n",
                    a->system[s].name, a->system[s].degraded, a->system[s].degraded_first);
}

int evaluate_report(const evaluate_arguments *a, const judgments *j)
{
    figures f = {.a = a, .j = j};
    sinter_error e = SINTER_ERROR_INIT;
    find_scored(&f);
    int code = EXIT_OK;
    if (!f.n_scored) {
        error_set(&e, SINTER_INVALID, a->judgments, "is --relevance-offset too high?", "no query has a relevant item");
        code = evaluate_fail(&e, EXIT_USAGE);
    } else {
        score_all(&f);
        find_bases(&f);
        warn_degraded(a);
        (a->json ? print_json : print_table)(&f);
        if (a->per_query && write_per_query(&f, &e)) code = evaluate_fail(&e, EXIT_FAILED);
        if (fflush(stdout) != 0) code = EXIT_FAILED;
    }
    free(f.value);
    free(f.scored);
    return code;
}
