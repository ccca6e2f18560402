/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The engine's and a lane's inside. Private to the room. */
#ifndef SINTER_PIPELINE_ENGINE_H
#define SINTER_PIPELINE_ENGINE_H

#include "snapshot.h"

struct search; /* one request under way: search.h */

struct pipeline_lane {
    engine *engine;
    uint32_t number;
    arena *memory, *scratch;
    journal_reader *reader;
    uint64_t arrived_ns; /* when the request came, where the caller said so; 0: now */
    struct search *last; /* the request just answered, for its impression; in memory */
};

/* A configuration that the views point into: lives as long as they do. */
typedef struct kept_config {
    config *config;
    uint32_t *refs;
    struct kept_config *next;
} kept_config;

struct engine {
    uint32_t n_lanes, n_collections;
    char *config_path;
    journal *journal, *impressions;
    views *views;
    epoch_domain *epochs;          /* views: reclaimed by the view thread */
    epoch_domain *snapshot_epochs; /* snapshots: reclaimed by the control thread, where plugins close */
    plugin_host *host;
    services_context *services;    /* [n_collections] */
    _Atomic(snapshot *) snapshot;
    snapshot *first;               /* holds the configuration that the views were opened with */
    uint64_t serial;
    deployments *deployments;      /* control thread only, once open */
    aliases *aliases;              /* control thread only, once open */
    kept_config *kept;             /* configurations that the views follow */
    pipeline_lane *lane;           /* [n_lanes] */
    _Atomic uint64_t impressions_pending; /* records owed by answers, neither on disk nor lost yet */
    _Atomic uint64_t impressions_stored, impressions_lost, requests_recorded, searches, degraded, retried;
};

/* engine.c, on the control thread. Fills `args` beside what the caller set (config, its refs, at_start, deploy_*). */
sinter_status engine_build(engine *g, snapshot_args *args, snapshot **out, sinter_error *e);
void engine_publish(engine *g, snapshot *s); /* and drains the one before */
void engine_discard(engine *g, snapshot *s); /* built and not published */

/* adopt.c: collections and fields that a configuration adds, before a snapshot of it can be built. Where there are any, everything
 * is first built on empty catalogues of the new kind; with `dry_run` *args is left with those. */
typedef struct adoption {
    services_context *probe; /* NULL: nothing is new */
    catalog_collection **made;
    uint32_t n_made;
    epoch_domain *epochs;
} adoption;
sinter_status engine_adopt(engine *g, config *c, bool dry_run, bool drop, snapshot_args *args, adoption *a, sinter_error *e);
void engine_adopt_end(adoption *a); /* after what was built on it is gone */
void engine_release_kept(engine *g);
/* Lets the services of collections that the views have shown since be known. */
void engine_take_collections(engine *g);

#endif
