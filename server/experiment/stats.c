/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The statistics: means over units with the delta method, differences, power, chi-square, and tests that hold at every look.
 * tests/unit/experiment holds each against an independent implementation. */
#include "inside.h"

#include <math.h>

static const double Z80 = 0.8416212335729143;
static const double TUNED_AT = 500; /* units at which the tests of every look are sharpest */
static const double UNITS_LEAST = 100; /* of each arm, before a guard judges means: below, their errors are not known well */

double normal_above(double z)
{
    return 0.5 * erfc(z * M_SQRT1_2);
}

/* ---- chi-square: the upper incomplete gamma function ------------------------------------------------------------------- */

static double gamma_series(double a, double x)
{
    double term = 1 / a, sum = term;
    for (int i = 1; i < 1000 && term > sum * 1e-16; i++) sum += term *= x / (a + i);
    return sum * exp(-x + a * log(x) - lgamma(a));
}

/* Lentz's continued fraction. */
static double gamma_fraction(double a, double x)
{
    const double tiny = 1e-300;
    double b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;
    for (int i = 1; i < 1000; i++) {
        double an = -i * (i - a);
        b += 2;
        d = an * d + b;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = b + an / c;
        if (fabs(c) < tiny) c = tiny;
        h *= d * c;
        if (fabs(d * c - 1) < 1e-15) break;
    }
    return h * exp(-x + a * log(x) - lgamma(a));
}

double chi_square_above(double x, double degrees)
{
    double a = degrees / 2, y = x / 2;
    if (!(y > 0)) return 1;
    return y < a + 1 ? 1 - gamma_series(a, y) : gamma_fraction(a, y);
}

/* ---- means over units --------------------------------------------------------------------------------------------------- */

static bool is_ratio(experiment_metric k)
{
    return k != METRIC_CONVERSION && k != METRIC_VALUE;
}

/* Ratio of two sums over units, or a mean over units: the variance of what each unit adds to it (delta method). */
estimate stats_estimate(const moments *m, experiment_metric k)
{
    estimate e = {.n = m->n};
    double n = m->n, x = is_ratio(k) ? m->x : n, xx = is_ratio(k) ? m->xx : n, xy = is_ratio(k) ? m->xy[k] : m->y[k];
    if (n < 1 || x <= 0) return e;
    double r = m->y[k] / x, mean_x = x / n;
    e.mean = r;
    if (n < 2) return e;
    double squares = m->yy[k] - 2 * r * xy + r * r * xx; /* of y - r x, whose mean is 0 */
    e.variance = squares > 0 ? squares / (n - 1) / (n * mean_x * mean_x) : 0;
    return e;
}

static double power_of(double effect, double error)
{
    double d = fabs(effect) / error;
    return normal_above(Z95 - d) + normal_above(Z95 + d);
}

/* Two-sided: the mixture of normal effects of Robbins, whose inverse is a p value at any look. */
static double anytime_two_sided(double z, double units)
{
    double v = units / TUNED_AT, p = sqrt(1 + v) * exp(-z * z / 2 * v / (1 + v));
    return p < 1 ? p : 1;
}

/* One-sided: effects of the harmful sign alone, half a normal. */
static double anytime_one_sided(double z, double units)
{
    double v = units / TUNED_AT, shrunk = sqrt(v / (1 + v)) * z;
    double p = sqrt(1 + v) * exp(-shrunk * shrunk / 2) / (2 * normal_above(-shrunk));
    return isfinite(p) && p < 1 ? p : 1;
}

void stats_compare(const estimate *arm, const estimate *control, double lift, comparison *out)
{
    *out = (comparison){.difference = arm->mean - control->mean, .p = 1, .anytime_p = 1};
    double error = sqrt(arm->variance + control->variance);
    if (arm->n < 2 || control->n < 2 || !(error > 0)) return;
    double z = out->difference / error;
    out->known = true;
    out->low = out->difference - Z95 * error;
    out->high = out->difference + Z95 * error;
    out->p = 2 * normal_above(fabs(z));
    out->anytime_p = anytime_two_sided(z, arm->n + control->n);
    if (!(control->mean > 0)) return;
    out->power = power_of(lift * control->mean, error);
    out->detectable = (Z95 + Z80) * error / control->mean;
    out->lift = out->difference / control->mean;
    if (!(arm->mean > 0)) return;
    double relative = sqrt(arm->variance / (arm->mean * arm->mean) + control->variance / (control->mean * control->mean));
    out->lift_low = (1 + out->lift) * exp(-Z95 * relative) - 1;
    out->lift_high = (1 + out->lift) * exp(Z95 * relative) - 1;
}

/* ---- guards ------------------------------------------------------------------------------------------------------------- */

/* No spread seen is not no spread: of a share at least that of one unit of either kind more. */
static double share_variance(const estimate *e)
{
    double share = (e->mean * e->n + 1) / (e->n + 2), least = share > 0 && share < 1 ? share * (1 - share) / e->n : 0;
    return e->variance > least ? e->variance : least;
}

double stats_guard(experiment_metric k, double threshold, const estimate *arm, const estimate *control, double *worse)
{
    bool absolute = k == METRIC_ZERO || k == METRIC_ERRORS;
    double kept = absolute ? 1 : 1 - threshold;
    *worse = absolute ? arm->mean - control->mean : control->mean > 0 ? 1 - arm->mean / control->mean : 0;
    if (arm->n < UNITS_LEAST || control->n < UNITS_LEAST) return 1;
    bool share = k != METRIC_VALUE && k != METRIC_CLICKS;
    double va = share ? share_variance(arm) : arm->variance, vc = share ? share_variance(control) : control->variance;
    double harm = absolute ? arm->mean - control->mean - threshold : kept * control->mean - arm->mean;
    double error = sqrt(va + kept * kept * vc);
    return error > 0 ? anytime_one_sided(harm / error, arm->n + control->n) : 1;
}

/* ---- latency ------------------------------------------------------------------------------------------------------------ */

void latency_add(latency *l, uint64_t us)
{
    double b = us > 1 ? floor(log2((double)us) * LATENCY_STEPS) : 0;
    l->count[b < LATENCY_BUCKETS - 1 ? (uint32_t)b : LATENCY_BUCKETS - 1]++;
    l->n++;
}

static double edge_ms(uint32_t bucket)
{
    return exp2((double)bucket / LATENCY_STEPS) / 1000;
}

/* The bucket of the k-th smallest, k from 1. */
static uint32_t bucket_of(const latency *l, uint64_t k)
{
    uint64_t below = 0;
    for (uint32_t b = 0; b < LATENCY_BUCKETS; b++) {
        below += l->count[b];
        if (below >= k) return b;
    }
    return LATENCY_BUCKETS - 1;
}

double latency_quantile(const latency *l, double p)
{
    if (l->n == 0) return 0;
    uint64_t k = (uint64_t)ceil(p * (double)l->n);
    uint32_t b = bucket_of(l, k ? k : 1);
    return sqrt(edge_ms(b) * edge_ms(b + 1));
}

static const double P99 = 0.99, PRIOR = 500; /* the mixture's: as if so many requests spoke for 99% */

static double log_beta(double a, double b)
{
    return lgamma(a) + lgamma(b) - lgamma(a + b);
}

/* log of the mixture's ratio for k of n below the true quantile. */
static double log_ratio(double k, double n)
{
    const double a = P99 * PRIOR, b = PRIOR - a;
    return log_beta(a + k, b + n - k) - log_beta(a, b) - k * log(P99) - (n - k) * log(1 - P99);
}

/* Least and most k that the bound lets stand; the ratio falls to its least near 99% of n and rises again. */
static uint64_t bound(uint64_t n, double log_bound, bool upper)
{
    uint64_t good = (uint64_t)(P99 * (double)n), bad = upper ? n + 1 : 0;
    if (!upper && log_ratio(0, (double)n) < log_bound) return 0;
    while (upper ? bad - good > 1 : good - bad > 1) {
        uint64_t middle = (good + bad) / 2;
        if (middle <= n && log_ratio((double)middle, (double)n) < log_bound)
            good = middle;
        else
            bad = middle;
    }
    return good;
}

/* Whether the arm's 99th percentile is above (1 + threshold) times control's, at the level that the bound stands for: half
 * of it is spent on each side. */
static bool beyond(double threshold, const latency *arm, const latency *control, double log_bound)
{
    uint64_t most = bound(control->n, log_bound, true), least = bound(arm->n, log_bound, false);
    if (most + 1 > control->n || least == 0) return false;
    return edge_ms(bucket_of(arm, least)) > (1 + threshold) * edge_ms(bucket_of(control, most + 1) + 1);
}

double stats_guard_p99(double threshold, const latency *arm, const latency *control, double *worse)
{
    double is = latency_quantile(arm, P99), was = latency_quantile(control, P99);
    *worse = was > 0 ? is / was - 1 : 0;
    if (arm->n < 1 || control->n < 1 || *worse <= threshold) return 1;
    double low = 0, high = 60; /* -log p */
    if (!beyond(threshold, arm, control, low + M_LN2)) return 1;
    for (int i = 0; i < 40; i++) {
        double middle = (low + high) / 2;
        if (beyond(threshold, arm, control, middle + M_LN2))
            low = middle;
        else
            high = middle;
    }
    return exp(-low);
}
