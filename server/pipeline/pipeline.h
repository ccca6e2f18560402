/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pipeline: one request through the rooms, on one thread, from one arena, without locks.
 *
 *   rewrite → recall → stages (features → rankers → fusion → keep) → finish → hydrate → explain → log
 *
 * A snapshot is configuration, plugin instances and analyzers, immutable once published. A request is pure: the same
 * (snapshot, view set, query, profile, time) gives the same hits.
 *
 * Threads: engine_* control calls on the control thread; pipeline_search on any lane with that lane's pipeline_lane. */
#ifndef SINTER_PIPELINE_H
#define SINTER_PIPELINE_H

#include "arms/arms.h"
#include "base/base.h"
#include "config/config.h"
#include "features/features.h"
#include "journal/journal.h"
#include "model/model.h"
#include "plugin/plugin.h"
#include "suggest/suggest.h"
#include "views/views.h"
#include <sinter/v1/admin.pb-c.h>
#include <sinter/v1/events.pb-c.h>
#include <sinter/v1/search.pb-c.h>

/* The running house below rpc: journals, views, current snapshot, lanes' state, impression log. One a process. */
typedef struct engine engine;
typedef struct snapshot snapshot;
typedef struct pipeline_lane pipeline_lane; /* arena, scratch, journal reader, epoch slot: one a lane */

/* Opens journals and views of the data directory, builds the first snapshot. `lanes` counts every thread that will call
 * pipeline_lane_get; one more is kept for the control thread. `exe`: path of this binary for child processes, or NULL (no verification child). */
sinter_status engine_open(config *c /* taken over */, uint32_t lanes, const char *exe, engine **out, sinter_error *e);
void engine_close(engine *g);

/* ---- changes: reload, deploy, swap, rollback. One path: build beside → rehearse → record → publish → watch. [control] ---- */

typedef struct engine_order {
    const char *who, *why; /* kept in the record */
    bool dry_run;          /* build, check and rehearse only */
    bool force;            /* whatever the agreement with the incumbent */
    bool drop_collections; /* reload: lets collections go that have items and whose file is gone */
} engine_order;

/* What came of it. Freed by engine_changed_free; the messages live in the arena that the call got. */
typedef struct engine_changed {
    buffer changes;        /* for people, a line each */
    uint64_t sequence;     /* of the record; of a deployment: its own. 0: dry run */
    uint32_t golden_cases; /* checked while the snapshot was built */
    const char *snapshot;  /* that serves now */
    const char *sha256;    /* swap: of the build */
    const char *model;     /* deploy, rollback of a model: NAME/VERSION */
    Sinter__V1__Rehearsal *rehearsal; /* NULL: none */
    Sinter__V1__ChangedAnswer **answer; /* [n_answers] */
    size_t n_answers;
} engine_changed;
void engine_changed_free(engine_changed *x);

/* An error of any of these changes nothing, and says where (file:line:column) and what to do. */
/* Loads the configuration again. New collections and fields come with it; a collection with items whose file is gone is refused
 * unless the order drops collections. */
sinter_status engine_reload(engine *g, const engine_order *o, arena *a, engine_changed *out, sinter_error *e);
/* Makes NAME/VERSION what NAME/latest means. Deploying what is deployed already makes no new record. */
sinter_status engine_deploy(engine *g, const char *model, const engine_order *o, arena *a, engine_changed *out, sinter_error *e);
/* Another build of a plugin for all of its uses. `file` empty: the file that the configuration names, again. */
sinter_status engine_swap(engine *g, const char *plugin, const char *file, const engine_order *o, arena *a, engine_changed *out,
                          sinter_error *e);
/* To a held snapshot; empty: the one before. */
sinter_status engine_rollback(engine *g, const char *snapshot, const engine_order *o, arena *a, engine_changed *out, sinter_error *e);
/* NAME to the version that was deployed before. */
sinter_status engine_rollback_model(engine *g, const char *name, const engine_order *o, arena *a, engine_changed *out, sinter_error *e);
void engine_snapshots(engine *g, arena *a, Sinter__V1__ListSnapshotsResponse *out);
/* Looks at what is being watched, and rolls back. To be called again after *next_ns of CLOCK_MONOTONIC at the latest. */
void engine_tick(engine *g, uint64_t *next_ns);
/* A recorded request again; why an item is missing. In `a`. */
sinter_status engine_replay(engine *g, const Sinter__V1__ReplayRequest *in, arena *a, Sinter__V1__ReplayResponse *out, sinter_error *e);
sinter_status engine_missing(engine *g, const Sinter__V1__ExplainMissingRequest *in, arena *a, Sinter__V1__ExplainMissingResponse *out,
                             sinter_error *e);


/* ---- models ---- */

/* One deployment record. */
typedef struct deployment {
    const char *name;
    uint64_t version, sequence, since, until;
    uint32_t collection; /* number, that it was trained for */
    int64_t time_ms;
    model_file *file; /* [n_files] sums, model.yaml's among them */
    uint32_t n_files;
    struct deployment *before;    /* the record before, of the same name; NULL: none */
    const struct deployment *under; /* of its collection: what is in force when this one is rolled back; NULL: nothing */
    struct deployment *next_name; /* the list of names */
} deployment;
typedef struct deployments deployments;
deployments *deployments_new(void);
void deployments_free(deployments *d);
/* Every deployment record up to sequence `last`. */
sinter_status deployments_read(deployments *d, journal_reader *r, uint64_t last, sinter_error *e);
void deployments_add(deployments *d, const Sinter__Storage__V1__Deployment *m, uint64_t sequence, int64_t time_ms);
const deployment *deployments_newest(const deployments *d, const char *name); /* NULL: none is in force */
const deployment *deployments_head(const deployments *d, const char *name);   /* the newest record, of version 0 too */
/* In force for a collection: what NAME/latest means in its pipelines, so that an alias takes models along when they were trained for
 * where it leads. 0, of a call or of a record: of any. */
const deployment *deployments_newest_of(const deployments *d, const char *name, uint32_t collection);
/* The same walk, which also tells every record of a change, of an alias and of an experiment. */
typedef void change_seen(void *ctx, const Sinter__Storage__V1__Record *rec);
sinter_status records_read(deployments *d, change_seen *fn, void *ctx, journal_reader *r, uint64_t last, sinter_error *e);

/* The models of the data directory (name empty: all), each checked; in `a`. [control] */
sinter_status engine_models(engine *g, const char *name, arena *a, Sinter__V1__ListModelsResponse *out, sinter_error *e);

/* ---- names of collections ---- */

/* What AliasSet records of the journal say: names that mean a collection. */
typedef struct alias {
    const char *name, *collection, *who, *why;
    uint64_t sequence;
    int64_t time_ms;
    struct alias *next; /* by name */
} alias;
typedef struct aliases aliases;
aliases *aliases_new(void);
void aliases_free(aliases *x);
/* Every alias record up to sequence `last`. */
sinter_status aliases_read(aliases *x, journal_reader *r, uint64_t last, sinter_error *e);
void aliases_add(aliases *x, const Sinter__Storage__V1__AliasSet *m, uint64_t sequence, int64_t time_ms);
const alias *aliases_first(const aliases *x); /* in order of name */
/* The collection that a name means: an alias' target, else the name itself; "=NAME" is the collection of that name, whatever
 * alias hides it. */
const char *aliases_target(const aliases *x, const char *name);

/* Points `name` at a declared collection (empty: takes the alias away): builds a snapshot in which every request and every pipeline
 * that gives the name means it, records that, publishes. An error changes nothing: INVALID for a name that is none, NOT_FOUND for
 * a collection that is not declared, what the build says of pipelines that do not fit it. [control] */
sinter_status engine_set_alias(engine *g, const char *name, const char *collection, const engine_order *o, arena *a,
                               engine_changed *out, sinter_error *e);
/* Waits until no lane can be in a request that it began before. False: one takes longer than `patience_ns`. [control] */
bool engine_wait_lanes(engine *g, uint64_t patience_ns);

/* Place in the view set of the collection that a request names, as aliases_target has it; UINT32_MAX: there is none. Between begin
 * and end of a lane, or on the control thread. */
uint32_t snapshot_collection(const snapshot *s, const char *name);
const config_collection *snapshot_schema(const snapshot *s, uint32_t collection);
/* The pipeline that its requests get which name none; NULL: none is declared. */
const char *snapshot_default(const snapshot *s, uint32_t collection);
/* The next name, from *at (0 first) on, that leads to a collection other than its own; NULL: no more. */
const char *snapshot_alias(const snapshot *s, uint32_t collection, uint32_t *at);
/* Names that a request may give, for near ones and for lists; at most `most` into `out`, returns how many. */
uint32_t snapshot_names(const snapshot *s, const char **out, uint32_t most);

/* ---- copying a collection (copy.c) ---- */

typedef struct copy_report {
    uint64_t items, deleted, events, refused, total, behind;
    uint64_t sequence; /* everything of the source up to it is in the destination; 0: the items are still being walked */
    bool resumed;
} copy_report;
typedef struct collection_copy collection_copy;
typedef struct copy_options {
    catalog_collection *source, *destination;
    bool restart, without_events;
    /* An item that the destination refuses. */
    void (*refused)(void *ctx, const char *id, const Sinter__V1__FieldViolation *why);
    void *ctx;
} copy_options;
/* Finds where an earlier copy stopped. Blocks, as the steps do: on a thread of its own. */
sinter_status copy_begin(journal *j, const copy_options *o, collection_copy **out, sinter_error *e);
/* Copies some and waits until that is durable, with the place where it stands. *more false: nothing is left for now. */
sinter_status copy_step(collection_copy *c, bool *more, sinter_error *e);
void copy_tell(const collection_copy *c, copy_report *out);
/* Fields that were left out, in `a`. */
char **copy_left_out(const collection_copy *c, arena *a, size_t *n);
void copy_end(collection_copy *c);

/* What plugins may ask about a collection where there is no server: in training. */
typedef struct pipeline_services pipeline_services;
pipeline_services *pipeline_services_new(const config_collection *schema);
void pipeline_services_catalog(pipeline_services *s, catalog_collection *c); /* NULL before: columns and items are unknown */
const plugin_services *pipeline_services_table(const pipeline_services *s);
void pipeline_services_free(pipeline_services *s);

journal *engine_journal(engine *g);
journal *engine_impressions(engine *g); /* NULL: off */
views *engine_views(engine *g);
epoch_domain *engine_epochs(engine *g);
arms *engine_arms(engine *g);
/* One listener: told, on the control thread, of each configuration right before lanes see it. NULL: nobody. */
void engine_hear(engine *g, void (*fn)(void *ctx, const config *c), void *ctx);
pipeline_lane *pipeline_lane_get(engine *g, uint32_t lane);
arena *pipeline_lane_arena(pipeline_lane *l); /* reset by pipeline_lane_begin */
journal_reader *pipeline_lane_journal(pipeline_lane *l);

/* Brackets a request: resets the arena, enters the epoch; then snapshot and view set stay valid until end. */
void pipeline_lane_begin(pipeline_lane *l);
void pipeline_lane_end(pipeline_lane *l);
/* From when on the request's timeout counts, CLOCK_MONOTONIC; else from its beginning on the lane. */
void pipeline_lane_arrived(pipeline_lane *l, uint64_t arrived_ns);
const snapshot *engine_snapshot(const engine *g); /* inside begin/end, or on the control thread */
const config *snapshot_config(const snapshot *s);
const char *snapshot_id(const snapshot *s);
uint64_t engine_impressions_lost(const engine *g);
/* Records that answers owe, neither on disk nor lost yet. Who has an answer and sees none finds its records. [any thread] */
uint64_t engine_impressions_pending(const engine *g);

/* Call between begin and end. `now_deadline_ns`: CLOCK_MONOTONIC, UINT64_MAX: none. The response lives in the lane's arena.
 * Errors carry API statuses with the field's path in `where`. */
sinter_status pipeline_search(pipeline_lane *l, const Sinter__V1__SearchRequest *request, uint64_t deadline_ns,
                              Sinter__V1__SearchResponse **out, sinter_error *e);
/* Completions; between begin and end. The response lives in the lane's arena. suggest.c */
sinter_status pipeline_suggest(pipeline_lane *l, const Sinter__V1__SuggestRequest *request, Sinter__V1__SuggestResponse **out, sinter_error *e);
/* Completions are read anew from the journals: something in them has been erased. [control] */
void engine_forget_suggestions(engine *g);
/* Queues the impression record (and, for a share of requests, the recorded request) of the search just answered on this
 * lane: after the answer was handed to the network, before pipeline_lane_end. Never waits; a loss is counted. `request_bytes`:
 * the request as it came. */
void pipeline_log(pipeline_lane *l, str request_bytes);

/* ---- people ---- */

/* What the answer that an event names says and the event does not, in `a`; NULL: nothing, or the answer is not known. [any] */
Sinter__Storage__V1__EventJoined *engine_join_event(engine *g, const catalog_collection *c, const Sinter__V1__Event *ev, arena *a);
/* Once, before the others below: an erasure that a crash interrupted goes on; the newest answers are read, for engine_join_event.
 * `stop` says that the server is stopping. All on one thread. [people] */
void engine_people_start(engine *g, bool (*stop)(void *ctx), void *ctx);
sinter_status engine_get_user(engine *g, const Sinter__V1__GetUserRequest *in, bool (*stop)(void *ctx), void *ctx, arena *a,
                              Sinter__V1__GetUserResponse *out, sinter_error *e);
/* Returns when nothing is left. An error after the beginning leaves it begun: it goes on with the same call, or after a start. */
sinter_status engine_erase(engine *g, const Sinter__V1__EraseUserRequest *in, bool (*stop)(void *ctx), void *ctx, arena *a,
                           Sinter__V1__EraseUserResponse *out, sinter_error *e);

/* ---- figures ---- */

/* Keeps snapshot and view set for a thread that is no lane: one at a time, the main loop. */
void engine_watch_begin(engine *g);
void engine_watch_end(engine *g);
/* Every figure of the house below the network; between watch's or a lane's begin and end. */
void engine_metrics(engine *g, scrape *m);
/* What keeps the house from serving (false), and what is worth knowing all the same, a line each; the same bracket. */
bool engine_ready(engine *g, buffer *reasons, buffer *notes);

/* State, collections, plugins in use, what is not trained, counters (room for 16 more), in `a`; between begin and end. */
sinter_status engine_status(engine *g, pipeline_lane *l, arena *a, Sinter__V1__GetStatusResponse *out, sinter_error *e);

#endif
