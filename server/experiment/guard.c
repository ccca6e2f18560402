/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Guards: an arm that is worse than control beyond its threshold is stopped, at any look, without anybody's doing.
 *
 * A harmless arm is stopped with chance `alpha` at most over its whole life, which is divided evenly among its guards. */
#include "inside.h"

#include <stdio.h>
#include <string.h>

void guard_judge(const tally *t, uint32_t arm, const config_guard *guard, const moments *by_arm, guard_look *out)
{
    *out = (guard_look){.stops_below = t->x.alpha / t->x.n_guards};
    if (guard->metric == METRIC_P99) {
        out->p = stats_guard_p99(guard->threshold, &t->arm[arm].latency, &t->arm[t->x.control].latency, &out->worse);
        return;
    }
    arm_moments m = tally_judged(t, arm, by_arm);
    estimate is = stats_estimate(m.own, guard->metric), was = stats_estimate(m.control, guard->metric);
    out->p = stats_guard(guard->metric, guard->threshold, &is, &was, &out->worse);
}

/* The flag first: the next request of the arm gets control's answer, also where the record is late. */
static void stop(experiments *g, tally *t, uint32_t arm, const config_guard *guard, const guard_look *look)
{
    sinter_error e = SINTER_ERROR_INIT;
    char why[300], line[1536];
    uint64_t sequence;
    const arms_order o = {.arm = t->x.arm[arm].name, .who = "guard", .why = why};
    bool absolute = guard->metric == METRIC_ZERO || guard->metric == METRIC_ERRORS;
    snprintf(why, sizeof why, "%s is worse than that of '%s' by %.3g%s, allowed are %.3g%s; p %.2g of every look together, below %.2g",
             EXPERIMENT_METRIC_NAMES[guard->metric], t->x.arm[t->x.control].name, 100 * look->worse, absolute ? " points" : "%",
             100 * guard->threshold, absolute ? " points" : "%", look->p, look->stops_below);
    arms_raise(g->arms, &t->x, o.arm);
    log_warn("experiment.guard", "%s: the arm '%s' is stopped: %s", t->x.name, o.arm, why);
    if (arms_stop(g->arms, &t->x, &o, &sequence, &e) != SINTER_OK) /* it stays stopped; the next look tries to write it down again */
        log_error("experiment.guard", "that '%s' of %s is stopped could not be recorded: %s", o.arm, t->x.name,
                  error_line(&e, line, sizeof line));
}

static void look_at(experiments *g, tally *t, const moments *by_arm)
{
    for (uint32_t i = 0; i < t->x.n_arms; i++) {
        if (i == t->x.control || t->x.arm[i].shadow || arms_is_recorded(g->arms, &t->x, t->x.arm[i].name)) continue;
        for (uint32_t k = 0; k < t->x.n_guards; k++) {
            guard_look look;
            guard_judge(t, i, &t->x.guard[k], by_arm, &look);
            if (!(look.p < look.stops_below)) continue;
            stop(g, t, i, &t->x.guard[k], &look);
            break;
        }
    }
}

static void look_at_ratio(tally *t, const experiments *g)
{
    double expected[EXPERIMENT_ARMS], p = t->ratio_told ? 1 : report_ratio(t, g, expected);
    if (p >= RATIO_ALARM) return;
    t->ratio_told = true;
    log_warn("experiment.ratio", "%s: units did not come to its arms as their shares say (p %.2g): no figure of it can be trusted",
             t->x.name, p);
}

void guards_look(experiments *g)
{
    moments by_arm[EXPERIMENT_ARMS];
    uint64_t now = clock_mono_ns();
    for (uint32_t i = 0; i < g->n_tallies; i++) {
        tally *t = g->tally[i];
        if (now < t->look_ns) continue;
        t->look_ns = now + t->x.every_ns;
        look_at_ratio(t, g);
        if (!t->x.n_guards || arms_is_stopped(g->arms, &t->x, "")) continue;
        experiments_moments(g, t, by_arm);
        look_at(g, t, by_arm);
    }
}
