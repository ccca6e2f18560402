/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What one experiment has counted: sums of each unit, kept while it runs. Means and errors are made of them when asked for, so
 * nothing drifts, and a recount gives the same. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

static const char *copy(arena *a, const char *s)
{
    return s ? arena_strdup(a, s) : NULL;
}

/* The configuration's own may be gone with the next reload. */
static void copy_experiment(arena *a, const config_experiment *x, config_experiment *out)
{
    *out = *x;
    out->at = NULL;
    out->name = copy(a, x->name), out->salt = copy(a, x->salt), out->layer = copy(a, x->layer);
    out->collection = copy(a, x->collection), out->file = copy(a, x->file), out->description = copy(a, x->description);
    out->click = copy(a, x->click), out->conversion = copy(a, x->conversion);
    config_arm *arm = ARENA_ARRAY(a, config_arm, x->n_arms);
    for (uint32_t i = 0; i < x->n_arms; i++) {
        arm[i] = x->arm[i];
        arm[i].at = NULL;
        arm[i].name = copy(a, x->arm[i].name), arm[i].pipeline = copy(a, x->arm[i].pipeline);
        arm[i].minimum_should_match = arm[i].language = NULL;
    }
    out->arm = arm;
    config_guard *guard = ARENA_ARRAY(a, config_guard, x->n_guards + 1);
    if (x->n_guards) memcpy(guard, x->guard, x->n_guards * sizeof *guard);
    out->guard = guard;
    out->ramp = NULL;
    out->n_ramp = 0;
}

tally *tally_new(const config_experiment *x)
{
    tally *t = xcalloc(1, sizeof *t);
    t->memory = arena_new(1 << 12);
    copy_experiment(t->memory, x, &t->x);
    t->arm = xcalloc(x->n_arms, sizeof *t->arm);
    for (uint32_t i = 0; i < x->n_arms; i++)
        if (x->arm[i].shadow) t->arm[i].shadow = xcalloc(1, sizeof *t->arm[i].shadow);
    return t;
}

void tally_free(tally *t)
{
    if (!t) return;
    for (uint32_t i = 0; i < t->x.n_arms; i++) free(t->arm[i].shadow);
    free(t->arm);
    free(t->unit);
    arena_free(t->memory);
    free(t);
}

void tally_clear(tally *t)
{
    for (uint32_t i = 0; i < t->x.n_arms; i++) {
        shadow_sums *shadow = t->arm[i].shadow;
        if (shadow) memset(shadow, 0, sizeof *shadow);
        t->arm[i] = (arm_tally){.shadow = shadow};
    }
    free(t->unit);
    t->unit = NULL;
    t->n_units = t->room = t->turned_away = t->events = t->joined = 0;
    t->until_ms = 0;
    t->ratio_told = false;
}

void tally_adopt(tally *t, tally *old)
{
    tally mine = *t;
    *t = *old;
    t->memory = mine.memory;
    t->x = mine.x;
    old->arm = mine.arm;
    old->unit = mine.unit;
    t->begun = mine.begun;
}

uint32_t tally_arm(const tally *t, const char *name)
{
    for (uint32_t i = 0; i < t->x.n_arms; i++)
        if (strcmp(t->x.arm[i].name, name) == 0) return i;
    return UINT32_MAX;
}

/* ---- units ------------------------------------------------------------------------------------------------------------ */

uint64_t tally_key(experiment_unit kind, const char *id)
{
    uint64_t h = hash64_seed(id, strlen(id), (uint64_t)kind + 1);
    return h ? h : 1;
}

static uint64_t probe(const tally *t, uint64_t key)
{
    uint64_t i = key & (t->room - 1);
    while (t->unit[i].key && t->unit[i].key != key) i = (i + 1) & (t->room - 1);
    return i;
}

static void grow(tally *t)
{
    unit *old = t->unit;
    uint64_t n = t->room;
    t->room = n ? n * 2 : 1024;
    t->unit = xcalloc(t->room, sizeof *t->unit);
    for (uint64_t i = 0; i < n; i++)
        if (old[i].key) t->unit[probe(t, old[i].key)] = old[i];
    free(old);
}

unit_sums *tally_unit(tally *t, uint64_t key, uint32_t arm)
{
    if (t->room == 0 || t->n_units * 4 >= t->room * 3) grow(t);
    uint64_t i = probe(t, key);
    if (t->unit[i].key) return &t->unit[i].sums;
    if (t->n_units >= UNITS_MOST) {
        t->turned_away++;
        return NULL;
    }
    t->unit[i] = (unit){.key = key, .arm = arm};
    t->n_units++;
    t->arm[arm].counts.units++;
    return &t->unit[i].sums;
}

/* ---- moments ---------------------------------------------------------------------------------------------------------- */

void moments_add(moments *m, const unit_sums *u)
{
    const double x = u->requests;
    const double y[METRIC_MEANS] = {[METRIC_CTR] = u->clicked, [METRIC_CLICKS] = u->clicks, [METRIC_CONVERSION] = u->conversions > 0,
                                    [METRIC_VALUE] = u->value, [METRIC_ZERO] = u->zero, [METRIC_ERRORS] = u->errors};
    m->n++;
    m->x += x;
    m->xx += x * x;
    for (int k = 0; k < METRIC_MEANS; k++) {
        m->y[k] += y[k];
        m->yy[k] += y[k] * y[k];
        m->xy[k] += x * y[k];
    }
}

void tally_moments(const tally *t, moments *by_arm)
{
    for (uint32_t i = 0; i < t->x.n_arms; i++) by_arm[i] = t->arm[i].closed;
    for (uint64_t i = 0; i < t->room; i++)
        if (t->unit[i].key) moments_add(&by_arm[t->unit[i].arm], &t->unit[i].sums);
}

arm_moments tally_judged(const tally *t, uint32_t arm, const moments *by_arm)
{
    const arm_tally *a = &t->arm[arm];
    return a->stopped ? (arm_moments){&a->own, &a->control} : (arm_moments){&by_arm[arm], &by_arm[t->x.control]};
}

void tally_freeze(tally *t, uint32_t arm, const moments *by_arm)
{
    arm_tally *a = &t->arm[arm];
    if (a->stopped) return;
    a->stopped = true;
    a->own = by_arm[arm];
    a->control = by_arm[t->x.control];
    a->own_counts = a->counts;
    a->control_counts = t->arm[t->x.control].counts;
}
