/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of a training run share. Private to the room. */
#ifndef SINTER_LEARN_TRAIN_H
#define SINTER_LEARN_TRAIN_H

#include "learn/learn.h"
#include "pipeline/pipeline.h"

/* What is trained, and where it stands in the configuration. */
typedef struct train_target {
    const config_pipeline *pipeline;
    const config_collection *collection;
    const config_stage *stage;
    const config_use *use;
    plugin_role role;    /* PLUGIN_RANKER or PLUGIN_FUSION */
    const char *label;   /* "shop.taste", "shop.fuse" */
    const char *name;    /* of the model */
    const char *where;   /* file:line:column of the use */
    dataset_ranker *ranker; /* [n_rankers] of the stage, for a fusion */
    const char **ranker_name;
    uint32_t n_rankers;
} train_target;

/* What the journal says before the dataset is read. */
typedef struct train_ground {
    uint32_t collection, ordinals;
    char uuid[37];
    uint64_t since, until, last;
    uint64_t newest_version, highest_version; /* deployed of this name; 0: none */
} train_ground;

/* train_target.c */
sinter_status target_find(const train_spec *spec, arena *a, train_target *out, sinter_error *e);
/* Collection, range, and for a fusion the models behind its rankers. */
sinter_status target_ground(const train_spec *spec, train_target *t, arena *a, train_ground *out, sinter_error *e);

/* train_place.c: the folder of a run, models/NAME/.train, and its lock. */
typedef struct train_place {
    char *base, *run, *before, *plugins, *scratch; /* paths */
    int lock;
    bool ours;   /* the lock is held */
    bool resumed;
} train_place;
sinter_status place_take(const char *data_dir, const char *name, bool resume, train_place *p, sinter_error *e);
/* What a run is: the same on both sides of a --resume. Range and seed of the interrupted run are taken where the spec leaves them
 * open. */
typedef struct train_identity {
    uint64_t since, until, seed;
    const char *options, *plugin_sha256, *label;
} train_identity;
sinter_status place_identify(train_place *p, train_identity *id, bool range_given, bool seed_given, arena *a, sinter_error *e);
void place_leave(train_place *p, bool done); /* done: nothing of the run is left */

/* train_golden.c: cases from the validation dataset, or made up where no requests are read. */
sinter_status golden_cases_make(const sinter_inputs *in, plugin_role role, const plugin_services *services, dataset_result *d,
                                arena *a, golden_case **c, uint32_t *n, sinter_error *e);

#endif
