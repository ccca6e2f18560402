/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to views: the state of the view thread. What is not marked shared belongs to that thread alone.
 *
 * Two epochs. The lanes' domain protects view sets. A set points at column sets that the catalogue itself retires when
 * it publishes the next ones, which is before the view set that points at those is there to be seen: a lane that enters
 * in between would be too late to hold what it is about to read. So the collections retire into a domain of their own,
 * in which each view set is the reader: it enters when it is made, and leaves when the lanes' domain frees it. */
#ifndef SINTER_VIEWS_INSIDE_H
#define SINTER_VIEWS_INSIDE_H

#include "views/views.h"

enum { HOLDS = 1024 }; /* view sets that lanes may keep from being freed at a time */

/* The readers of one commit of one index, one a lane; shared by the sets published until the next commit. */
typedef struct reader_group {
    _Atomic uint32_t refs; /* shared: the last set to be freed closes them, on whatever thread reclaims */
    uint32_t n;
    text_reader *reader[];
} reader_group;

typedef enum {
    FEED_REBUILD,  /* the items of the journal are walked into an empty index */
    FEED_CATCH_UP, /* records between what the index holds and what the columns hold are given to it */
    FEED_LIVE,     /* the tail feeds columns and index */
    FEED_BROKEN,   /* waits to be opened again */
} feed_state;

/* One collection. */
typedef struct feed {
    const config_collection *schema;       /* that it was opened with */
    const config_collection *index_schema; /* that the index and its analyzer follow: the newest adopted */
    char *dir;
    uint32_t number;
    char uuid[37];
    catalog_collection *catalog;
    profile_collection *profiles; /* changed under the lock, see views_forget */
    profile_collection *fresh;    /* being made anew; then the one that it has replaced, until a set was published */
    text_analyzer *analyzer;
    bool moved; /* columns: since they were published */
    uint32_t extend_next; /* items from this ordinal on are still to give their values of added fields; UINT32_MAX: none */

    uint64_t *record; /* [records] sequence of each ordinal's newest record that the columns hold; 0: none or deleted */
    uint32_t records;
    uint64_t filled; /* the walk that filled the columns may have met records up to it */

    feed_state state;
    text_index *index;      /* NULL: broken */
    uint64_t index_at;      /* every record up to it has been given to the index */
    uint64_t committed;     /* stamp of the newest commit */
    uint64_t first_pending; /* sequence of the oldest put not committed; 0: none */
    uint64_t pending_ns;    /* when the oldest change not committed was given; 0: none */
    uint64_t commit_end_ns;
    uint32_t unpacked; /* documents given since the index was opened or compacted */
    uint32_t walk_next, walk_total; /* rebuild: ordinals */
    uint64_t broken_ns, retry_ns;   /* when it broke last; when to open it again */
    _Atomic bool suspect;           /* shared: a lane could not read it */
    bool wipe;                      /* before opening it again */
    reader_group *readers;          /* NULL: not ready */
    char reason[256];
} feed;

typedef struct parked {
    uint64_t sequence, deadline_ns;
    views_waited *fn;
    void *ctx;
} parked;

/* What frees a published set. */
typedef struct set_holder {
    views *v;
    view_set *set;
    uint32_t hold; /* slot in the collections' domain */
    reader_group *group[];
} set_holder;

/* Work of the view thread that the control thread waits for; a set is published before it counts as done. */
typedef struct views_order {
    void (*run)(views *v, struct views_order *o);
    void *ctx;
    uint64_t until_ns; /* how long it may wait for what it brought to be ready */
    bool ran, done;
} views_order;

typedef struct saver saver; /* saved.c */

struct views {
    const config *config;
    journal *journal;
    journal *impressions; /* NULL: nothing counts what is shown */
    journal *answers;     /* the log that could be counted; NULL: there is none */
    journal_reader *reader, *shown_reader;
    epoch_domain *lanes_epochs, *own_epochs;
    uint32_t lanes;
    _Atomic uint32_t n;     /* grows on the view thread */
    feed *feed[VIEWS_MOST]; /* [n] */
    arena *before; /* the state of an item that a record replaces */

    uint64_t at; /* sequence that columns and profiles have applied */
    uint64_t shown_at, shown_published_at; /* the same of the impressions' log */
    bool continued; /* the record there may have others of its write behind it: none of them is shown alone */
    uint64_t documents; /* of state.documents */
    _Atomic uint64_t forget_wanted, forget_done; /* shared: numbers of views_forget */
    uint64_t forgetting;         /* the number that profiles are being made anew for; 0: none */
    bool forgot;                 /* they have taken their place and wait to be published */
    uint64_t fresh_at, fresh_shown_at;
    uint64_t saved_at, saved_shown_at, saved_ns; /* what the files of profiles are as of; when the last was begun */
    saver *saver;
    _Atomic bool no_save; /* shared: somebody is being erased */
    uint64_t published_ns;
    uint64_t published_at; /* v->at of the newest set */
    bool publish_now;
    set_holder *holder;          /* of the newest set */
    _Atomic(view_set *) set;     /* shared */
    _Atomic uint32_t sets_alive; /* shared */
    _Atomic bool held[HOLDS];    /* shared */

    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake;
    bool stopping, woken;
    bool saving; /* files of profiles are being written */
    parked *park;
    uint32_t n_park, cap_park;
    views_state state;
    views_order *order; /* from the control thread; NULL: none */
    pthread_cond_t ordered;
    views_collection_state collection_state[VIEWS_MOST]; /* [n] */
};

/* feed.c: each returns with the feed broken rather than failing, but feed_open. `at`: of the walk that fills it, everything up to
 * there is in it. */
feed *feed_new(const config_collection *schema);
sinter_status feed_open(views *v, feed *f, journal_reader *r, uint64_t at, sinter_error *e);
/* Takes what a later configuration declares; `analyzer` becomes the feed's. [view thread] */
void feed_adopt(views *v, feed *f, const config_collection *schema, text_analyzer *analyzer);
void feed_close(views *v, feed *f);
/* saved.c */
void saved_load(views *v); /* at start: what there is on disk */
void saved_step(views *v); /* view thread: writes it where that is due */
void saved_end(views *v, bool stopped);
/* profiles.c: at start, from the first record to v->at. */
sinter_status profiles_build(views *v, sinter_error *e);
void profiles_apply_user(views *v, const Sinter__Storage__V1__Record *rec); /* users are every collection's */
/* Some work of making them anew; true: there is more. */
bool profiles_remake(views *v, uint64_t *blocked_ns);
void profiles_remade(views *v); /* after a set was published */
/* Applies what is new in the impressions' log, some of it; true: there is more. */
bool profiles_follow_shown(views *v, uint64_t *blocked_ns);
/* Applies one record of the tail to columns and, when live, to the index. */
void feed_apply(views *v, feed *f, const Sinter__Storage__V1__Record *rec);
/* Some work of a feed that is not live; true: there is more. */
bool feed_step(views *v, feed *f);
void feed_commit(views *v, feed *f);
/* Writes the index anew, without the room that documents left behind: searches read less. Takes about as long as the commit of
 * a tenth of its documents, in which nothing new is shown. */
void feed_compact(views *v, feed *f);
uint64_t feed_sequence(const views *v, const feed *f);

/* sets.c */
void sets_publish(views *v);
void sets_end(views *v); /* no lane inside: frees every set */
reader_group *readers_open(const views *v, const feed *f, sinter_error *e);
void readers_leave(reader_group *g);

/* wait.c */
void waits_finish(views *v, uint64_t reached);
void waits_refuse(views *v);
/* Whether somebody waits for a sequence in (after, upto]. */
bool waits_want(views *v, uint64_t after, uint64_t upto);
uint64_t waits_deadline(const views *v); /* under the lock: the earliest */

/* adopt.c: runs an order that waits, and tells who waits once a set has been published. */
void orders_run(views *v);
void orders_finish(views *v);

/* profiles.c: one feed's, of records up to `at`, and of the impressions up to *shown_at. */
sinter_status profiles_build_one(views *v, feed *f, uint64_t at, uint64_t *shown_at, sinter_error *e);
/* The records of a feed that is not in the list yet. [view thread] */
sinter_status profiles_catch_up_shown(views *v, feed *f, uint64_t after, sinter_error *e);

/* thread.c */
feed *views_feed(views *v, const Sinter__Storage__V1__Record *rec); /* of the record's collection; NULL: none, or no such record */
void views_run(void *arg);
void views_heard(void *ctx, uint64_t sequence);

#endif
