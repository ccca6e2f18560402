/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an experiment tells: the API's messages from the sums. */
#include "inside.h"

#include <math.h>
#include <string.h>

/* ---- sample ratio --------------------------------------------------------------------------------------------------------- */

static bool arm_is_stopped(const tally *t, const experiments *g, uint32_t arm)
{
    return arms_is_stopped(g->arms, &t->x, t->x.arm[arm].name);
}

static double ratio(const uint64_t *units, const double *share, uint32_t n, double *expected)
{
    double all = 0, shares = 0, chi = 0;
    uint32_t running = 0;
    for (uint32_t i = 0; i < n; i++) {
        expected[i] = 0;
        if (!(share[i] > 0)) continue;
        all += (double)units[i];
        shares += share[i];
        running++;
    }
    if (running < 2 || !(all > 0)) return 1;
    for (uint32_t i = 0; i < n; i++) {
        if (!(share[i] > 0)) continue;
        expected[i] = all * share[i] / shares;
        chi += ((double)units[i] - expected[i]) * ((double)units[i] - expected[i]) / expected[i];
    }
    return chi_square_above(chi, running - 1);
}

/* Of the arms that go on; where only control is left, of it and the arm that was stopped last, as of then. */
double report_ratio(const tally *t, const experiments *g, double *expected)
{
    uint64_t units[EXPERIMENT_ARMS] = {0};
    double share[EXPERIMENT_ARMS] = {0};
    uint32_t on = 0, last = UINT32_MAX, n = t->x.n_arms;
    for (uint32_t i = 0; i < n; i++) {
        if (t->x.arm[i].shadow) continue;
        if (i != t->x.control && (t->arm[i].stopped || arm_is_stopped(t, g, i))) {
            bool later = t->arm[i].stopped && (last == UINT32_MAX || t->arm[i].control_counts.units > t->arm[last].control_counts.units);
            last = later ? i : last;
            continue;
        }
        units[i] = t->arm[i].counts.units;
        share[i] = (t->x.arm[i].end - t->x.arm[i].first) / (double)EXPERIMENT_BUCKETS;
        on++;
    }
    if (on == 1 && last != UINT32_MAX) {
        units[t->x.control] = t->arm[last].control_counts.units;
        units[last] = t->arm[last].own_counts.units;
        share[last] = (t->x.arm[last].end - t->x.arm[last].first) / (double)EXPERIMENT_BUCKETS;
    }
    return ratio(units, share, n, expected);
}

/* ---- arms ------------------------------------------------------------------------------------------------------------------ */

static Sinter__V1__MetricDifference *difference_of(const comparison *c, arena *a)
{
    Sinter__V1__MetricDifference *d = ARENA_NEW(a, Sinter__V1__MetricDifference);
    sinter__v1__metric_difference__init(d);
    d->difference = c->difference;
    d->low = c->low, d->high = c->high;
    d->lift = c->lift, d->lift_low = c->lift_low, d->lift_high = c->lift_high;
    d->p = c->p, d->anytime_p = c->anytime_p;
    d->power = c->power, d->detectable = c->detectable;
    return d;
}

static Sinter__V1__ExperimentMetric *metric_of(const tally *t, experiment_metric k, const moments *own, const moments *control,
                                               double lift, arena *a)
{
    Sinter__V1__ExperimentMetric *m = ARENA_NEW(a, Sinter__V1__ExperimentMetric);
    estimate is = stats_estimate(own, k);
    double error = Z95 * sqrt(is.variance);
    sinter__v1__experiment_metric__init(m);
    m->name = arms_metric_name(&t->x, k, a);
    m->primary = k == t->x.primary;
    m->mean = is.mean;
    m->mean_low = is.mean - error;
    m->mean_high = is.mean + error;
    if (!control) return m;
    estimate was = stats_estimate(control, k);
    comparison c;
    stats_compare(&is, &was, lift, &c);
    if (c.known) m->difference = difference_of(&c, a);
    return m;
}

static Sinter__V1__ExperimentGuard *guard_of(const tally *t, uint32_t arm, const config_guard *guard, const moments *by_arm, arena *a)
{
    Sinter__V1__ExperimentGuard *out = ARENA_NEW(a, Sinter__V1__ExperimentGuard);
    guard_look look;
    guard_judge(t, arm, guard, by_arm, &look);
    sinter__v1__experiment_guard__init(out);
    out->metric = arena_text(a, EXPERIMENT_METRIC_NAMES[guard->metric]);
    out->threshold = guard->threshold;
    out->worse = look.worse;
    out->anytime_p = look.p;
    out->stops_below = look.stops_below;
    out->broken = look.p < look.stops_below;
    return out;
}

static void fill_counts(const arm_counts *c, const latency *l, Sinter__V1__ExperimentArmReport *out)
{
    out->units = c->units;
    out->impressions = c->impressions;
    out->zero_results = c->zero;
    out->clicks = c->clicks;
    out->conversions = c->conversions;
    out->value = c->value;
    out->failed = c->failed;
    out->degraded = c->degraded;
    out->p50_ms = latency_quantile(l, 0.5);
    out->p99_ms = latency_quantile(l, 0.99);
}

static Sinter__V1__ExperimentArmReport *arm_report(experiments *g, const tally *t, uint32_t arm, const moments *by_arm, double lift, arena *a)
{
    Sinter__V1__ExperimentArmReport *out = ARENA_NEW(a, Sinter__V1__ExperimentArmReport);
    const arm_tally *x = &t->arm[arm];
    arm_moments m = tally_judged(t, arm, by_arm);
    sinter__v1__experiment_arm_report__init(out);
    out->arm = arena_text(a, t->x.arm[arm].name);
    out->control = arm == t->x.control;
    out->is_stopped = arm_is_stopped(t, g, arm);
    fill_counts(x->stopped ? &x->own_counts : &x->counts, &x->latency, out);
    out->metrics = ARENA_ARRAY(a, Sinter__V1__ExperimentMetric *, METRIC_MEANS);
    for (int k = 0; k < METRIC_MEANS; k++) {
        const char *type = k == METRIC_CTR || k == METRIC_CLICKS ? t->x.click : k == METRIC_CONVERSION || k == METRIC_VALUE ? t->x.conversion : "-";
        if (*type)
            out->metrics[out->n_metrics++] = metric_of(t, (experiment_metric)k, m.own, out->control ? NULL : m.control, lift, a);
    }
    if (out->control) return out;
    out->guards = ARENA_ARRAY(a, Sinter__V1__ExperimentGuard *, t->x.n_guards + 1);
    for (uint32_t k = 0; k < t->x.n_guards; k++) out->guards[out->n_guards++] = guard_of(t, arm, &t->x.guard[k], by_arm, a);
    return out;
}

static Sinter__V1__ShadowReport *shadow_report(const tally *t, uint32_t arm, arena *a)
{
    Sinter__V1__ShadowReport *out = ARENA_NEW(a, Sinter__V1__ShadowReport);
    const shadow_sums *s = t->arm[arm].shadow;
    double answered = (double)(s->requests - s->failed);
    sinter__v1__shadow_report__init(out);
    out->arm = arena_text(a, t->x.arm[arm].name);
    out->pipeline = arena_text(a, t->x.arm[arm].pipeline);
    out->requests = s->requests;
    out->failed = s->failed;
    out->degraded = s->degraded;
    out->zero_results = s->zero;
    out->overlap = answered > 0 ? s->overlap / answered : 0;
    out->rank_biased_overlap = answered > 0 ? s->rbo / answered : 0;
    out->p50_ms = latency_quantile(&s->latency, 0.5);
    out->p99_ms = latency_quantile(&s->latency, 0.99);
    return out;
}

/* ---- the report -------------------------------------------------------------------------------------------------------------- */

static void note(Sinter__V1__GetExperimentReportResponse *out, char *line)
{
    out->notes[out->n_notes++] = line;
}

static void fill_notes(experiments *g, const tally *t, arena *a, Sinter__V1__GetExperimentReportResponse *out)
{
    out->notes = ARENA_ARRAY(a, char *, 8);
    if (out->counted < 1)
        note(out, arena_printf(a, "counting: %.1f%% of the log is read, the figures grow", 100 * out->counted));
    if (out->sample_ratio->alarm)
        note(out, arena_printf(a, "sample ratio: units did not come to the arms as their shares say (p %.2g); trust no other figure",
                               out->sample_ratio->p));
    if (t->turned_away)
        note(out, arena_printf(a, "%u units are counted, which is the most; %llu requests of others are not", UNITS_MOST,
                               (unsigned long long)t->turned_away));
    if (g->open.dropped)
        note(out, arena_printf(a, "%llu answers were closed to events before their window was over: more than %u were open",
                               (unsigned long long)g->open.dropped, OPEN_MOST));
    if (!*t->x.click) note(out, arena_text(a, "no event type is a click: nothing is told of clicks"));
    if (!*t->x.conversion) note(out, arena_text(a, "no event type is a conversion: nothing is told of conversions and value"));
}

static double share_counted(const experiments *g, const tally *t)
{
    uint64_t last = journal_last_sequence(g->impressions), from = t->begun.impressions_sequence;
    if (g->caught_up || last <= from) return 1;
    uint64_t at = g->impressions_head.at > from ? g->impressions_head.at : from;
    double done = (double)(at - from) / (double)(last - from);
    return done < 0.999 ? done : 0.999;
}

void report_fill(experiments *g, const config_experiment *x, const tally *t, double lift, arena *a,
                 Sinter__V1__GetExperimentReportResponse *out)
{
    moments by_arm[EXPERIMENT_ARMS];
    double expected[EXPERIMENT_ARMS];
    experiments_moments(g, t, by_arm);
    out->experiment = arms_info(g->arms, x, a);
    if (t->until_ms) out->until = timestamp_new(a, t->until_ms);
    out->sample_ratio = ARENA_NEW(a, Sinter__V1__SampleRatio);
    sinter__v1__sample_ratio__init(out->sample_ratio);
    out->sample_ratio->p = report_ratio(t, g, expected);
    out->sample_ratio->alarm = out->sample_ratio->p < RATIO_ALARM;
    out->sample_ratio->expected = ARENA_ARRAY(a, double, t->x.n_arms);
    out->arms = ARENA_ARRAY(a, Sinter__V1__ExperimentArmReport *, t->x.n_arms);
    out->shadows = ARENA_ARRAY(a, Sinter__V1__ShadowReport *, t->x.n_arms);
    for (uint32_t i = 0; i < t->x.n_arms; i++) {
        if (t->x.arm[i].shadow) {
            out->shadows[out->n_shadows++] = shadow_report(t, i, a);
            continue;
        }
        out->arms[out->n_arms++] = arm_report(g, t, i, by_arm, lift, a);
        out->sample_ratio->expected[out->sample_ratio->n_expected++] = expected[i];
    }
    out->events_joined = t->joined;
    out->events_apart = t->events - t->joined;
    out->lift = lift;
    out->counted = share_counted(g, t);
    fill_notes(g, t, a, out);
}
