/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening the model that a use names. Private to the room. */
#ifndef SINTER_PIPELINE_MODELS_H
#define SINTER_PIPELINE_MODELS_H

#include "snapshot.h"

typedef struct model_use {
    const snapshot_args *args;
    const char *data_dir;
    const config_use *use;      /* its `model` is set */
    plugin_role role;
    const char *const *ranker; /* [n_rankers] of the stage, for a fusion */
    uint32_t n_rankers;
    services_context *services;
    const char *label, *train;  /* "shop.taste"; what `sinter train` calls it */
    arena *a;                   /* the snapshot's */
    uint32_t *golden_cases;     /* added to */
} model_use;

/* Sets out->instance and out->model; or out->disabled where nothing was deployed (at start also: where nothing deployed can be
 * used). out->library is set already. */
sinter_status model_use_open(const model_use *u, snap_use *out, sinter_error *e);

#endif
