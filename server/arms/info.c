/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An experiment as the API tells of it: what is configured, since when it counts, what is stopped. */
#include "inside.h"

/* "ctr@10", "conversion". */
char *arms_metric_name(const config_experiment *x, experiment_metric k, arena *a)
{
    if (k == METRIC_CTR && x->ctr_places != UINT32_MAX) return arena_printf(a, "ctr@%u", x->ctr_places);
    return arena_text(a, EXPERIMENT_METRIC_NAMES[k]);
}

/* ---- an experiment as configured ----------------------------------------------------------------------------------------- */

static Sinter__V1__ExperimentArmInfo *arm_info(arms *g, const config_experiment *x, const config_arm *arm, arena *a)
{
    Sinter__V1__ExperimentArmInfo *out = ARENA_NEW(a, Sinter__V1__ExperimentArmInfo);
    const stop_cell *cell = arms_cell(g, x->name, x->salt, arm->name);
    sinter__v1__experiment_arm_info__init(out);
    out->name = arena_text(a, arm->name);
    out->pipeline = arena_text(a, arm->pipeline);
    out->share = arm->share;
    out->shadow = arm->shadow;
    if (!atomic_load(&cell->stopped)) return out;
    out->is_stopped = true;
    out->stopped_by = arena_text(a, cell->who ? cell->who : "guard"); /* whose record is under way */
    out->stopped_why = arena_text(a, cell->why);
    out->stopped = timestamp_new(a, cell->time_ms);
    return out;
}

static void fill_varies(const config_experiment *x, arena *a, Sinter__V1__ExperimentInfo *out)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } ALL[] = {{VARIES_PIPELINE, "pipeline"},
               {VARIES_OPERATOR, "options.operator"},
               {VARIES_MINIMUM, "options.minimum_should_match"},
               {VARIES_TYPOS, "options.typos"},
               {VARIES_LANGUAGE, "options.language"}};
    out->varies = ARENA_ARRAY(a, char *, ARRAY_LEN(ALL));
    for (size_t i = 0; i < ARRAY_LEN(ALL); i++)
        if (x->varies & ALL[i].bit) out->varies[out->n_varies++] = arena_text(a, ALL[i].name);
}

static void fill_state(arms *g, const config_experiment *x, arena *a, Sinter__V1__ExperimentInfo *out)
{
    const stop_cell *whole = arms_cell(g, x->name, x->salt, "");
    int64_t now = clock_wall_ms();
    uint32_t buckets = x->last_bucket - x->first_bucket + 1;
    bool stopped = atomic_load(&whole->stopped);
    out->state = arena_text(a, stopped ? "stopped" : now < x->start_ms ? "waiting" : now >= x->end_ms ? "over" : "running");
    out->ramp = (double)experiment_enrolled(x, now) / buckets;
    if (!stopped) return;
    out->stopped_by = arena_text(a, whole->who);
    out->stopped_why = arena_text(a, whole->why);
    out->stopped = timestamp_new(a, whole->time_ms);
}

Sinter__V1__ExperimentInfo *arms_info(arms *g, const config_experiment *x, arena *a)
{
    Sinter__V1__ExperimentInfo *out = ARENA_NEW(a, Sinter__V1__ExperimentInfo);
    arms_beginning at;
    bool begun = arms_begun(g, x, &at);
    sinter__v1__experiment_info__init(out);
    out->name = arena_text(a, x->name);
    out->description = arena_text(a, x->description);
    out->collection = arena_text(a, x->collection);
    out->unit = arena_text(a, EXPERIMENT_UNIT_NAMES[x->unit]);
    out->layer = arena_text(a, x->layer);
    out->first_bucket = x->first_bucket;
    out->last_bucket = x->last_bucket;
    out->salt = arena_text(a, x->salt);
    if (x->start_ms != INT64_MIN) out->start = timestamp_new(a, x->start_ms);
    if (x->end_ms != INT64_MAX) out->end = timestamp_new(a, x->end_ms);
    if (begun) out->begun = timestamp_new(a, at.time_ms);
    out->control = arena_text(a, x->arm[x->control].name);
    out->primary = arms_metric_name(x, x->primary, a);
    fill_varies(x, a, out);
    pthread_mutex_lock(&g->lock);
    out->arms = ARENA_ARRAY(a, Sinter__V1__ExperimentArmInfo *, x->n_arms);
    for (uint32_t i = 0; i < x->n_arms; i++) out->arms[out->n_arms++] = arm_info(g, x, &x->arm[i], a);
    fill_state(g, x, a, out);
    pthread_mutex_unlock(&g->lock);
    return out;
}

