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
    pipeline_lane *lane;           /* [n_lanes] */
    _Atomic uint64_t impressions_pending; /* records owed by answers, neither on disk nor lost yet */
    _Atomic uint64_t impressions_stored, impressions_lost, requests_recorded, searches, degraded, retried;
};

/* engine.c, on the control thread. Fills `args` beside what the caller set (config, its refs, at_start, deploy_*). */
sinter_status engine_build(engine *g, snapshot_args *args, snapshot **out, sinter_error *e);
void engine_publish(engine *g, snapshot *s); /* and drains the one before */
void engine_discard(engine *g, snapshot *s); /* built and not published */

#endif
