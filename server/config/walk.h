/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table-driven walker: one row a key, from which checks, defaults, messages and the reference in config/README.md
 * come. */
#ifndef SINTER_CONFIG_WALK_H
#define SINTER_CONFIG_WALK_H

#include "config/config.h"

typedef enum {
    WALK_STRING,   /* const char *: any scalar */
    WALK_BOOL,     /* bool */
    WALK_U32,      /* uint32_t */
    WALK_DOUBLE,   /* double */
    WALK_DURATION, /* uint64_t nanoseconds; bounds in nanoseconds */
    WALK_SIZE,     /* uint64_t bytes */
    WALK_NODE,     /* const conf_node *: looked at by whoever asked */
} walk_type;

typedef struct walk_key {
    const char *key;
    walk_type type;
    size_t offset;
    const char *fallback;       /* text of the default; NULL: leave the target as it is */
    double least, most;         /* both 0: no bounds */
    const char *const *choices; /* NULL-terminated, for strings */
    bool required;
    const char *doc;
} walk_key;

typedef struct walk_table {
    const char *of; /* "a collection": for messages */
    const walk_key *key;
    uint32_t n;
    bool open; /* keys not in the table are somebody else's: left alone */
} walk_table;

/* Fills `target` from the map by the table. */
sinter_status walk_map(const conf_node *map, const walk_table *t, void *target, arena *a, sinter_error *e);
sinter_status walk_is(const conf_node *at, conf_kind kind, const char *what, sinter_error *e);
/* INVALID with "did you mean" or the list of what is valid. */
sinter_status walk_unknown(const conf_node *at, const char *what, const char *name, const char *const *names, size_t n,
                           sinter_error *e);
/* A minimum_should_match: words, or a share of them. */
sinter_status walk_minimum(const conf_node *at, const char *text, sinter_error *e);
/* `path` as seen from the folder of `file`, absolute; in `a`. */
const char *walk_path(const char *file, const char *path, arena *a);

/* The folder of the plugins that were installed with this binary; NULL: it is not installed, or they are not. */
const char *installed_plugins(arena *a);

/* The room's tables, for the test that compares them with config/README.md. */
extern const walk_table WALK_SERVER, WALK_LIMITS, WALK_LOG, WALK_SWAP, WALK_HTTP, WALK_COLLECTION, WALK_FIELD, WALK_GROUP, WALK_PIPELINE,
    WALK_STAGE, WALK_USE, WALK_SOURCE, WALK_FEATURE, WALK_DIVERSITY, WALK_EXPLORE, WALK_PROFILES, WALK_COUNTERS, WALK_SUGGEST,
    WALK_RATES, WALK_EXPERIMENTS, WALK_EXPERIMENT, WALK_ARM, WALK_ARM_OPTIONS, WALK_RAMP, WALK_METRICS;

/* server.c, collection.c, pipeline.c, experiment.c */
sinter_status server_read(const conf_node *root, config_server *out, arena *a, sinter_error *e);
sinter_status collection_read(const char *name, const conf_node *root, config_collection *out, arena *a,
                              sinter_error *e);
sinter_status pipeline_read(const char *name, const conf_node *root, const config *c, config_pipeline *out, arena *a,
                            sinter_error *e);
/* Reads one and holds it against the `n` before it. */
sinter_status experiment_read(const char *name, const conf_node *root, const config *c, config_experiment *all, uint32_t n,
                              arena *a, sinter_error *e);

#endif
