/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A snapshot's inside: what one configuration becomes once plugins are open and names are resolved. Private to the room. */
#ifndef SINTER_PIPELINE_SNAPSHOT_H
#define SINTER_PIPELINE_SNAPSHOT_H

#include "pipeline/pipeline.h"

/* One use of a plugin, open; or a built-in; or disabled with a reason. */
typedef struct snap_use {
    const config_use *config;
    const char *name;
    plugin_instance *instance;      /* NULL: built-in or disabled */
    const plugin_library *library;  /* NULL: built-in */
    const char *disabled;           /* reason, e.g. "not trained yet"; NULL: works. A fusion may work untrained: it has an instance */
    plugin_instance *trainer;       /* of one not trained yet: says what is to be logged for it; NULL: none */
    const char *model;              /* NAME/VERSION behind the instance, "taste/3"; NULL: none */
    const char *fallback;           /* why it is not the newest deployment; NULL: it is */
    uint64_t model_until;           /* end of the journal range that the model was trained on */
    uint32_t number;                /* over all uses of a plugin in the snapshot, from 0: its row of faults */
    uint32_t history, n_side;       /* latest events of the person that it asks for, and .. */
    feature *side;                  /* [n_side] .. what of their items */
} snap_use;
/* What it wants brought, or logged until it is trained; NULL: nothing. */
const sinter_inputs *snap_inputs(const snap_use *use);

typedef struct snap_ranker {
    snap_use use;
    uint32_t number;          /* over all stages of the pipeline, from 0 */
    uint32_t n_features, *feature; /* columns of the stage's union; a built-in ranker's one feature is its score */
    uint32_t n_context;
    feature *context;
    uint32_t n_prior, *prior; /* ranker numbers */
    uint32_t n_ids, n_vectors;
    id_feature *id;
    const char *const *vector; /* field names */
    uint32_t log_column;      /* in the collection's list of logged rankers */
} snap_ranker;

typedef struct snap_stage {
    const config_stage *config;
    const char *name;
    uint32_t keep, n_rankers, n_features, n_fuse_context;
    snap_ranker *ranker;      /* [n_rankers] */
    feature *feature;         /* [n_features]: union of what its rankers asked for */
    const char **ranker_name; /* [n_rankers] */
    snap_use fuse;            /* instance NULL: the one ranker's score stands */
    feature *fuse_context;
    feature *unserved;        /* [n_unserved] asked for by rankers that are not trained yet: logged only */
    uint32_t n_unserved;
} snap_stage;

typedef struct snap_source {
    snap_use use;
    bool text;
    uint32_t limit;
} snap_source;

typedef struct snap_finish {
    snap_use use;
    bool diversity;
    const char *field;
    double strength;
    uint32_t shuffle; /* the first so many, in `share` of requests; 0: no such step */
    double share;
} snap_finish;

typedef struct snap_pipeline {
    const config_pipeline *config;
    uint32_t collection; /* index into snapshot.collection and the view set */
    char version[17];    /* hash of configuration, plugins' builds and models */
    uint32_t n_rewrite, n_sources, n_stages, n_finish, n_rankers;
    snap_use *rewrite;
    snap_source *source;
    const char **source_name;
    snap_stage *stage;
    snap_finish *finish;
    const char **ranker_name; /* [n_rankers] */
    snap_ranker **ranker;     /* [n_rankers] */
} snap_pipeline;

/* An experiment with its names resolved. */
typedef struct snap_experiment {
    const config_experiment *config;
    arms_cells cells; /* what is stopped: flags of the engine's arms */
    uint32_t *pipeline;     /* [n_arms] index into snapshot.pipeline, of arms that name one */
    uint32_t shadows;       /* VARIES_PIPELINE where it has shadow arms: requests that name a pipeline have nothing to compare */
} snap_experiment;

typedef struct snap_collection {
    const config_collection *schema; /* NULL: the configuration has no such collection any more */
    catalog_collection *catalog;
    text_analyzer *analyzer;
    text_word_files word_files;
    text_weights weights;
    uint32_t default_pipeline; /* UINT32_MAX: none declared; a plain text pipeline is made */
    /* What impressions record: features and rankers over all pipelines of the collection, each once. */
    uint32_t n_log_features, n_log_rankers, n_log_ids, n_log_context;
    feature *log_feature;
    const char **log_feature_name;
    id_feature *log_id;
    const char **log_id_name;
    feature *log_context; /* per-request ones, of rankers and fusions */
    const char **log_context_name;
    uint32_t log_history; /* the longest that anything of the collection asks for, or LOG_HISTORY */
    const char **log_model; /* [n_log_rankers] NAME/VERSION or "" */
    const char **log_ranker_name; /* "pipeline.ranker" */
    const snap_ranker **log_ranker;
    const snap_pipeline **log_ranker_pipeline;
    snap_experiment *experiment; /* [n_experiments] of this collection, in order of name */
    uint32_t n_experiments;
} snap_collection;

typedef struct snap_alias {
    const char *name;
    uint32_t collection;
} snap_alias;
/* What one lane counts of one pipeline of one snapshot: written by that lane alone, read by the control thread. */
#define TALLY_BUCKETS 192u
typedef struct snap_tally {
    _Alignas(64) _Atomic uint64_t searches, errors; /* errors: searches that failed by no fault of the request */
    _Atomic uint64_t bucket[TALLY_BUCKETS];         /* of the time that a search took, eight to an octave: watch.c */
} snap_tally;
/* And of one use of a plugin. */
typedef struct snap_fault {
    _Atomic uint64_t failed, late; /* failed: no number counts too */
} snap_fault;

/* What NAME/latest means in a snapshot's pipelines of a collection. */
typedef struct snap_latest {
    const char *name;
    uint64_t version;    /* 0: not trained yet */
    uint32_t collection; /* number; 0: any */
} snap_latest;

struct snapshot {
    config *config;
    uint32_t *config_refs; /* snapshots that hold it; control thread only */
    uint32_t golden_cases; /* checked while it was built */
    arena *memory;
    plugin_host *host;
    char id[24];
    uint32_t n_collections, n_pipelines;
    snap_collection *collection; /* in the order of the view set */
    snap_alias *alias;           /* [n_aliases] that lead to a collection of this configuration */
    uint32_t n_aliases;
    snap_pipeline *pipeline;
    plugin_instance **instance; /* every one to release */
    uint32_t n_instances, cap_instances;
    const plugin_library **library;
    uint32_t n_libraries, cap_libraries;
    const plugin_override *override; /* [n_overrides] builds that were swapped in */
    uint32_t n_overrides;
    uint32_t n_uses, n_lanes;
    snap_tally *tally; /* [n_lanes][n_pipelines + 1]: the last is of searches without a pipeline */
    snap_fault *fault; /* [n_lanes][n_uses] */
    bool rolled_back;  /* control thread only */
};

#define LOG_HISTORY 50u /* events of a person that are logged at least */
/* logged.c: fills the log_ fields of a collection. */
void snapshot_list_logged(snapshot *s, uint32_t collection);

/* What plugins may ask about one collection: ctx of plugin_services. Lives as long as the engine. */
typedef struct services_context {
    catalog_collection *catalog;     /* NULL: none yet (training) */
    const config_collection *schema; /* of the snapshot being built, or of a training; NULL: the catalogue's own */
    sinter_collection public;
    plugin_services table;
} services_context;
void services_init(services_context *s, catalog_collection *c, const config_collection *schema);

typedef struct snapshot_args {
    config *config; /* taken over on success */
    plugin_host *host;
    views *views;
    services_context *services; /* [n_collections] in the order of the view set */
    uint32_t n_collections;
    arms *arms; /* of the engine: where stops are */
    uint64_t serial;
    uint32_t *config_refs;      /* of `config`, shared with the snapshot that has it; NULL: it is new */
    const deployments *deployments;
    const aliases *aliases;
    uint32_t control_lane;      /* of the plugin host: golden cases are scored there */
    bool at_start;              /* a broken deployment falls back to the one before it */
    const char *deploy_name;    /* taken as the newest deployment of its name; NULL: none */
    uint64_t deploy_version;
    const char *deploy_collection; /* uuid that it was trained for; NULL: all */
    const snap_latest *latest;  /* [n_latest] what NAME/latest means, whatever is deployed: to build an earlier snapshot again */
    uint32_t n_latest;
    const plugin_override *override; /* [n_overrides] copied */
    uint32_t n_overrides;
    buffer *warnings;           /* at_start: what an operator must know, a line each; NULL: nobody asks */
} snapshot_args;
sinter_status snapshot_build(const snapshot_args *args, snapshot **out, sinter_error *e);
void snapshot_free(snapshot *s);
/* Closes its plugins and keeps its configuration: for the first snapshot, whose configuration the views hold. */
void snapshot_release_plugins(snapshot *s);
/* names.c: what the aliases lead to; which collections and fields come and go. */
void snapshot_take_aliases(snapshot *s, const aliases *x);
void snapshot_collection_changes(const snapshot *was, const snapshot *is, buffer *out);
/* Every use of a plugin, pipeline by pipeline and in the order of the line. */
typedef void snap_use_fn(void *ctx, const snap_pipeline *p, const snap_use *u);
void snapshot_uses(const snapshot *s, snap_use_fn *fn, void *ctx);
/* What differs between two, a line each, for people. */
void snapshot_changes(const snapshot *was, const snapshot *is, buffer *out);
const snap_pipeline *snapshot_pipeline(const snapshot *s, const char *name);
/* The names that a snapshot's pipelines take as NAME/latest, each once; in `a`. */
uint32_t snapshot_latest(const snapshot *s, arena *a, snap_latest **out);

#endif
