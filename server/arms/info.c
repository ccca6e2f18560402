/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An experiment as the API tells of it: what is configured, since when it counts, what is stopped. */
#include "inside.h"

static char *text(arena *a, const char *s)
{
    return arena_strdup(a, s ? s : "");
}

static Google__Protobuf__Timestamp *time_of(arena *a, int64_t ms)
{
    Google__Protobuf__Timestamp *t = ARENA_NEW(a, Google__Protobuf__Timestamp);
    *t = timestamp_of(ms);
    return t;
}

/* "ctr@10", "conversion". */
char *arms_metric_name(const config_experiment *x, experiment_metric k, arena *a)
{
    if (k == METRIC_CTR && x->ctr_places != UINT32_MAX) return arena_printf(a, "ctr@%u", x->ctr_places);
    return text(a, EXPERIMENT_METRIC_NAMES[k]);
}

/* ---- an experiment as configured ----------------------------------------------------------------------------------------- */

static Sinter__V1__ExperimentArmInfo *arm_info(arms *g, const config_experiment *x, const config_arm *arm, arena *a)
{
    Sinter__V1__ExperimentArmInfo *out = ARENA_NEW(a, Sinter__V1__ExperimentArmInfo);
    const stop_cell *cell = arms_cell(g, x->name, x->salt, arm->name);
    sinter__v1__experiment_arm_info__init(out);
    out->name = text(a, arm->name);
    out->pipeline = text(a, arm->pipeline);
    out->share = arm->share;
    out->shadow = arm->shadow;
    if (!atomic_load(&cell->stopped)) return out;
    out->is_stopped = true;
    out->stopped_by = text(a, cell->who ? cell->who : "guard"); /* whose record is under way */
    out->stopped_why = text(a, cell->why);
    out->stopped = time_of(a, cell->time_ms);
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
        if (x->varies & ALL[i].bit) out->varies[out->n_varies++] = text(a, ALL[i].name);
}

static void fill_state(arms *g, const config_experiment *x, arena *a, Sinter__V1__ExperimentInfo *out)
{
    const stop_cell *whole = arms_cell(g, x->name, x->salt, "");
    int64_t now = clock_wall_ms();
    uint32_t buckets = x->last_bucket - x->first_bucket + 1;
    bool stopped = atomic_load(&whole->stopped);
    out->state = text(a, stopped ? "stopped" : now < x->start_ms ? "waiting" : now >= x->end_ms ? "over" : "running");
    out->ramp = (double)experiment_enrolled(x, now) / buckets;
    if (!stopped) return;
    out->stopped_by = text(a, whole->who);
    out->stopped_why = text(a, whole->why);
    out->stopped = time_of(a, whole->time_ms);
}

Sinter__V1__ExperimentInfo *arms_info(arms *g, const config_experiment *x, arena *a)
{
    Sinter__V1__ExperimentInfo *out = ARENA_NEW(a, Sinter__V1__ExperimentInfo);
    arms_beginning at;
    bool begun = arms_begun(g, x, &at);
    sinter__v1__experiment_info__init(out);
    out->name = text(a, x->name);
    out->description = text(a, x->description);
    out->collection = text(a, x->collection);
    out->unit = text(a, EXPERIMENT_UNIT_NAMES[x->unit]);
    out->layer = text(a, x->layer);
    out->first_bucket = x->first_bucket;
    out->last_bucket = x->last_bucket;
    out->salt = text(a, x->salt);
    if (x->start_ms != INT64_MIN) out->start = time_of(a, x->start_ms);
    if (x->end_ms != INT64_MAX) out->end = time_of(a, x->end_ms);
    if (begun) out->begun = time_of(a, at.time_ms);
    out->control = text(a, x->arm[x->control].name);
    out->primary = arms_metric_name(x, x->primary, a);
    fill_varies(x, a, out);
    pthread_mutex_lock(&g->lock);
    out->arms = ARENA_ARRAY(a, Sinter__V1__ExperimentArmInfo *, x->n_arms);
    for (uint32_t i = 0; i < x->n_arms; i++) out->arms[out->n_arms++] = arm_info(g, x, &x->arm[i], a);
    fill_state(g, x, a, out);
    pthread_mutex_unlock(&g->lock);
    return out;
}

