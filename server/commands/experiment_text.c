/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Experiments as tables for people. */
#include "experiment_text.h"

#include <stdio.h>

#include "base/base.h"

static const char *when(const Google__Protobuf__Timestamp *t, char out[32])
{
    out[0] = 0;
    if (t) time_format_ms(t->seconds * 1000, out);
    return out;
}

/* ---- list -------------------------------------------------------------------------------------------------------------- */

static void print_arm(const Sinter__V1__ExperimentArmInfo *a, const char *pipeline)
{
    char at[32];
    printf("  %-16s %5.1f%%  %-20s", a->name, 100 * a->share, *a->pipeline ? a->pipeline : pipeline);
    if (a->shadow) printf("  shadow");
    if (a->is_stopped) printf("  stopped %s by %s: %s", when(a->stopped, at), *a->stopped_by ? a->stopped_by : "nobody named", a->stopped_why);
    printf("\n");
}

void experiment_print_info(const Sinter__V1__ExperimentInfo *x)
{
    char at[32];
    printf("%s: %s, by %s of %s, %.1f%% of buckets %u to %u of the layer %s", x->name, x->state, x->unit, x->collection, 100 * x->ramp,
           x->first_bucket, x->last_bucket, x->layer);
    if (x->begun) printf("; counts since %s", when(x->begun, at));
    if (x->start) printf("; starts %s", when(x->start, at));
    if (x->end) printf("; ends %s", when(x->end, at));
    printf("\n");
    if (*x->description) printf("  %s\n", x->description);
    if (x->stopped) printf("  stopped %s by %s: %s\n", when(x->stopped, at), *x->stopped_by ? x->stopped_by : "nobody named", x->stopped_why);
    for (size_t i = 0; i < x->n_arms; i++) print_arm(x->arms[i], "(as without it)");
}

void experiment_print_list(const Sinter__V1__ListExperimentsResponse *r)
{
    if (!r->n_experiments) printf("no experiments: experiments/NAME.yaml makes one\n");
    for (size_t i = 0; i < r->n_experiments; i++) experiment_print_info(r->experiments[i]);
}

/* ---- report ------------------------------------------------------------------------------------------------------------- */

static void print_counts(const Sinter__V1__GetExperimentReportResponse *r)
{
    printf("\n%-16s %9s %9s %10s %9s %9s %11s %12s %7s %9s %9s %9s\n", "arm", "units", "expected", "searches", "no hits", "clicks",
           "conversions", "value", "failed", "degraded", "p50 ms", "p99 ms");
    for (size_t i = 0; i < r->n_arms; i++) {
        const Sinter__V1__ExperimentArmReport *a = r->arms[i];
        printf("%-16s %9llu %9.0f %10llu %9llu %9llu %11llu %12.2f %7llu %9llu %9.2f %9.2f%s\n", a->arm, (unsigned long long)a->units,
               i < r->sample_ratio->n_expected ? r->sample_ratio->expected[i] : 0, (unsigned long long)a->impressions,
               (unsigned long long)a->zero_results, (unsigned long long)a->clicks, (unsigned long long)a->conversions, a->value,
               (unsigned long long)a->failed, (unsigned long long)a->degraded, a->p50_ms, a->p99_ms,
               a->control ? "  control" : a->is_stopped ? "  stopped" : "");
    }
}

static const Sinter__V1__ExperimentMetric *metric_named(const Sinter__V1__ExperimentArmReport *a, size_t k)
{
    return k < a->n_metrics ? a->metrics[k] : NULL;
}

static void print_difference(const Sinter__V1__MetricDifference *d, double lift)
{
    printf("  %+.4g [%+.4g, %+.4g]", d->difference, d->low, d->high);
    if (d->detectable > 0) printf("  %+.1f%% [%+.1f%%, %+.1f%%]", 100 * d->lift, 100 * d->lift_low, 100 * d->lift_high);
    printf("  p %.3g  at any time %.3g", d->p, d->anytime_p);
    if (d->detectable > 0) printf("  power for %g%%: %.2f  found from %.1f%%", 100 * lift, d->power, 100 * d->detectable);
}

static void print_metric(const Sinter__V1__GetExperimentReportResponse *r, size_t k)
{
    const Sinter__V1__ExperimentMetric *first = metric_named(r->arms[0], k);
    if (!first) return;
    printf("\n%s%s\n", first->name, first->primary ? " (primary)" : "");
    for (size_t i = 0; i < r->n_arms; i++) {
        const Sinter__V1__ExperimentMetric *m = metric_named(r->arms[i], k);
        if (!m) continue;
        printf("  %-16s %.5g [%.5g, %.5g]", r->arms[i]->arm, m->mean, m->mean_low, m->mean_high);
        if (m->difference)
            print_difference(m->difference, r->lift);
        else
            printf("%s", r->arms[i]->control ? "  control" : "  too little to compare");
        printf("\n");
    }
}

static void print_guards(const Sinter__V1__GetExperimentReportResponse *r)
{
    bool first = true;
    for (size_t i = 0; i < r->n_arms; i++)
        for (size_t k = 0; k < r->arms[i]->n_guards; k++) {
            const Sinter__V1__ExperimentGuard *g = r->arms[i]->guards[k];
            if (first) printf("\nguardrails: how much worse than control, what is allowed, p of every look together\n");
            first = false;
            printf("  %-16s %-14s %+.4g  allowed %.4g  p %.3g  stops below %.3g%s\n", r->arms[i]->arm, g->metric, g->worse, g->threshold,
                   g->anytime_p, g->stops_below, g->broken ? "  BROKEN" : "");
        }
}

static void print_shadows(const Sinter__V1__GetExperimentReportResponse *r)
{
    if (r->n_shadows) printf("\nshadows, beside what the control arm showed\n");
    for (size_t i = 0; i < r->n_shadows; i++) {
        const Sinter__V1__ShadowReport *s = r->shadows[i];
        printf("  %-16s %llu requests, %llu failed, %llu degraded, %llu without hits; first ten alike %.3f, whole page %.3f; p50 %.2f ms, p99 %.2f ms\n",
               s->arm, (unsigned long long)s->requests, (unsigned long long)s->failed, (unsigned long long)s->degraded,
               (unsigned long long)s->zero_results, s->overlap, s->rank_biased_overlap, s->p50_ms, s->p99_ms);
    }
}

void experiment_print_report(const Sinter__V1__GetExperimentReportResponse *r)
{
    char at[32];
    if (r->experiment) experiment_print_info(r->experiment);
    if (r->n_arms) print_counts(r);
    for (size_t k = 0; r->n_arms && k < r->arms[0]->n_metrics; k++) print_metric(r, k);
    print_guards(r);
    print_shadows(r);
    if (r->sample_ratio)
        printf("\nsample ratio: p %.3g%s\n", r->sample_ratio->p, r->sample_ratio->alarm ? "  ALARM: trust no other figure" : "");
    printf("events: %llu counted, %llu belong to nothing shown%s%s\n", (unsigned long long)r->events_joined,
           (unsigned long long)r->events_apart, r->until ? "; newest impression " : "", when(r->until, at));
    for (size_t i = 0; i < r->n_notes; i++) printf("note: %s\n", r->notes[i]);
}
