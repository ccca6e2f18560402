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
    metric_table *figures; /* of its searches */
    struct search *last; /* the request just answered, for its impression; in memory */
};

/* A configuration that the views point into: lives as long as they do. */
typedef struct kept_config {
    config *config;
    uint32_t *refs;
    struct kept_config *next;
} kept_config;
/* One change and the snapshot that it published, as ListSnapshots tells it. Control thread only. */
#define HISTORY_MOST 64u
typedef struct history_entry {
    char id[24];
    char mark[17];   /* of its configuration */
    uint64_t record; /* sequence of the change's record; 0: none */
    uint8_t *info;   /* a packed SnapshotInfo but for its state */
    size_t n_info;
    struct history_entry *older;
} history_entry;

/* What a watch compares: a pipeline's counters at one time. */
typedef struct tally_sum {
    uint64_t searches, errors, bucket[TALLY_BUCKETS];
} tally_sum;

/* The eye on the snapshot that was published last: watch.c. Control thread only, but for what `told_lock` guards. */
typedef struct watching {
    bool on;
    uint64_t until_ns, rolled_ns;  /* its end; when the baseline was last rolled */
    snapshot *incumbent;           /* held */
    const snapshot *of;            /* whose baseline `mark` is: the running one */
    tally_sum *mark, *older;       /* [pipelines + 1] counters of the running snapshot, about one and two periods ago */
    snap_fault *fault, *fault_older; /* [uses] */
    tally_sum *before;             /* [incumbent's pipelines + 1] what it answered lately before it was replaced */
    snap_fault *fault_before;
} watching;

#define HELD_MOST 34u
/* answers.c: the latest answers by request id. [any thread] */
typedef struct answers answers;
answers *answers_new(void);
void answers_free(answers *t);
/* The answer of a search that is about to leave, or has. `wait`: for a lock. */
void answers_keep(struct search *s, bool wait);
/* Those of whom `is` says so. */
void answers_forget(answers *t, bool (*is)(void *ctx, const char *user_id, const char *session_id), void *ctx);

struct erasures;
struct erasures *erasures_new(void); /* people.c */
void erasures_see(struct erasures *x, const Sinter__Storage__V1__Record *rec);
void erasures_free(struct erasures *x);
void engine_recall_answers(engine *g);  /* answers.c */

struct engine {
    uint32_t n_lanes, n_collections; /* lanes that answer; one more behind them is the control thread's */
    char *config_path, *exe; /* exe: NULL: no child processes */
    journal *journal, *impressions;
    views *views;
    suggest *suggest;
    arms *arms;
    void (*hear)(void *ctx, const config *c);
    void *hear_ctx;
    epoch_domain *epochs;          /* views: reclaimed by the view thread */
    epoch_domain *snapshot_epochs; /* snapshots: reclaimed by the control thread, where plugins close */
    plugin_host *host;
    services_context *services;    /* [n_collections] */
    _Atomic(snapshot *) snapshot;
    answers *answers;              /* NULL: impressions are off */
    struct erasures *erasures;     /* people.c; people thread only */
    snapshot *first;               /* holds the configuration that the views were opened with */
    uint64_t serial;
    deployments *deployments;      /* control thread only, once open */
    snapshot *held[HELD_MOST];     /* [n_held] replaced ones that stay in memory, the newest first; control thread only, as all here */
    uint32_t n_held;
    history_entry *history;        /* the newest first */
    plugin_override *override;     /* [n_overrides] builds that were swapped in; their texts in override_memory */
    uint32_t n_overrides;
    arena *override_memory;
    char refused[17];              /* mark of a configuration that was rolled back and may still be on disk; "": none */
    char previous[24];             /* of the newest change in the journal: id of its snapshot .. */
    char configuration[17];        /* .. and mark of its configuration */
    config *on_disk;               /* what a start read and does not serve; NULL */
    journal_reader *log_reader;    /* of the impressions; NULL: not opened yet, or off */
    watching watch;
    pthread_mutex_t told_lock;     /* of what GetStatus tells: never taken by a search */
    buffer told_watch, told_warnings;
    aliases *aliases;              /* control thread only, once open */
    kept_config *kept;             /* configurations that the views follow */
    pipeline_lane *lane;           /* [n_lanes + 1] */
    _Atomic uint64_t published;    /* snapshots after the first */
    _Atomic int64_t published_ms;  /* when the running one was */
    _Atomic uint64_t impressions_pending; /* records owed by answers, neither on disk nor lost yet */
    _Atomic uint64_t impressions_stored, impressions_lost, requests_recorded, failures_recorded, searches, degraded, retried;
};

/* engine.c, on the control thread. Fills `args` beside what the caller set (config, its refs, at_start, deploy_*). */
sinter_status engine_build(engine *g, snapshot_args *args, snapshot **out, sinter_error *e);
void engine_publish(engine *g, snapshot *s); /* and drains the one before */
void engine_configure_suggest(engine *g, const snapshot *s); /* suggest.c */
uint32_t engine_collection_number(const engine *g, const char *uuid); /* in the journal; 0: none */
void engine_discard(engine *g, snapshot *s); /* built and not published */
void engine_trim_held(engine *g);            /* those beyond `swap.hold` leave */
pipeline_lane *engine_control_lane(engine *g);
/* For the log and GetStatus: a line that an operator must not overlook. */
void engine_warn(engine *g, const char *event, const char *line);
void engine_warnings_clear(engine *g);

/* changes.c: the one path of every change, and its records. */
typedef struct change {
    Sinter__Storage__V1__Change__Kind kind;
    const engine_order *order;
    snapshot_args args;      /* config, its refs, what differs from the running state */
    const Sinter__Storage__V1__Deployment *const *deployment; /* [n_deployments] records that go with it */
    uint32_t n_deployments;
    const Sinter__Storage__V1__AliasSet *alias; /* the record that goes with it; NULL: none */
    bool no_record;          /* nothing is another than before */
    bool probed;             /* built on empty catalogues: there is nothing to rehearse on */
    sinter_status (*fit)(void *ctx, const snapshot *is, sinter_error *e); /* a check of the built snapshot; NULL: none */
    void *ctx;
} change;
/* Builds, checks, rehearses, records, publishes and watches. The config of args is taken over where it is new and this returns OK.
 * A swapped build must be kept before it is recorded. */
sinter_status change_make(engine *g, change *c, arena *a, engine_changed *out, sinter_error *e);
/* The records alone: *record is the change's, *sequence the last one's. */
sinter_status change_record(engine *g, const change *c, const snapshot *was, const snapshot *is, bool automatic, const char *text,
                            arena *a, uint64_t *record, uint64_t *sequence, sinter_error *e);
/* Back to a held snapshot, at once. `why_auto`: the watch's verdict; NULL: somebody asked. */
sinter_status change_back(engine *g, snapshot *to, const engine_order *order, const char *verdict, arena *a, engine_changed *out,
                          sinter_error *e);
/* start.c */
void change_seen_at_start(void *ctx, const Sinter__Storage__V1__Record *rec); /* change_seen: ctx is the engine */
/* The configuration that a start serves with: `c`, or the one kept before it was rolled back. */
sinter_status change_configuration(engine *g, config **c, sinter_error *e);
void change_started(engine *g, snapshot *s); /* the first snapshot stands */
void change_warn_refused(engine *g, const char *data_dir, const char *serves);
void change_prune(engine *g); /* kept files that nothing in the history names */
sinter_status change_keep(engine *g, snapshot *s, sinter_error *e); /* everything that a later start or rollback needs */
void change_adopt_overrides(engine *g, const plugin_override *o, uint32_t n);
const char *change_build_path(const char *data_dir, const char *sha256, arena *a);
const char *change_kind_name(uint32_t kind);
/* The newest record whose state has this id, in `a`; NULL: none. */
const Sinter__Storage__V1__SnapshotState *change_state_of(engine *g, const char *id, arena *a);

/* snapshots.c */
/* `record`: sequence of the change's record; 0: none. */
void history_add(engine *g, const char *mark, uint64_t record, const Sinter__V1__SnapshotInfo *info);
void history_watch(engine *g, const char *id, const Sinter__V1__Watch *w); /* into the newest entry of the id */
void history_rolled_back(engine *g, const char *id);
void history_free(engine *g);
Sinter__V1__SnapshotInfo *history_describe(const snapshot *s, arena *a); /* id, plugins, models */
snapshot *engine_find_held(engine *g, const char *id); /* running or held; NULL */

/* watch.c */
void watch_begin(engine *g, snapshot *incumbent); /* after the new one was published */
void watch_end(engine *g, Sinter__V1__Watch__State state, const char *verdict);
void watch_mark(engine *g);   /* a baseline of what serves begins here */
void watch_forget(engine *g); /* frees all */
void tally_search(const struct search *s, sinter_status st); /* [lane] */
void tally_fault(const struct search *s, const snap_use *use, plugin_outcome outcome); /* [lane] */
double tally_p99_ms(const tally_sum *t);

/* rehearse.c: *out in `a`. An error says why the change is refused. */
typedef struct rehearsed {
    Sinter__V1__Rehearsal *rehearsal; /* NULL: off */
    Sinter__V1__ChangedAnswer **answer; /* [n_answers] */
    size_t n_answers;
} rehearsed;
sinter_status rehearse(engine *g, const snapshot *was, const snapshot *is, bool force, arena *a, rehearsed *out, sinter_error *e);

/* adopt.c: collections and fields that a configuration adds, before a snapshot of it can be built. Where there are any, everything
 * is first built on empty catalogues of the new kind; with `dry_run` *args is left with those. */
typedef struct adoption {
    services_context *probe; /* NULL: nothing is new */
    catalog_collection **made;
    uint32_t n_made;
    epoch_domain *epochs;
} adoption;
sinter_status engine_adopt(engine *g, config *c, bool dry_run, bool drop, snapshot_args *args, adoption *a, sinter_error *e);
/* Has the views take the fields of a snapshot that serves again. */
void engine_follow(engine *g, snapshot *to);
void engine_adopt_end(adoption *a); /* after what was built on it is gone */
void engine_release_kept(engine *g);
/* Lets the services of collections that the views have shown since be known. */
void engine_take_collections(engine *g);

#endif
