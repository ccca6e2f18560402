/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Views: what the journal's catalogue looks like to a request. Columns, profiles and a text index a collection, kept up by
 * one thread that tails the journal, and published as immutable view sets.
 *
 * A request loads views_current once, inside its epoch, and uses nothing else: the set holds, for each collection, a
 * column set, a profile set and one text reader a lane. Columns and profiles are never older than the index. A delete acts with the next set
 * through the columns' live bitmap, at most 50 ms after it was durable; a change of words when the index has committed,
 * 250 ms (server.commit_after) after the oldest change not yet in it. `sequence` of a collection: every write up to it
 * is reflected. A change that touches no word (a price) moves the columns alone, an event the profiles alone.
 *
 * A text_reader may answer UNAVAILABLE when its index has been committed twice since it was opened: the lane then
 * leaves its epoch, enters again and retries once with the newest set.
 *
 * Everything here can be deleted and is rebuilt from the journal: in the background, `ready` false meanwhile.
 *
 * Threads: views_current and views_find on any lane inside the epoch; views_wait, views_cancel and views_status on any
 * thread; completions of views_wait on the view thread. */
#ifndef SINTER_VIEWS_H
#define SINTER_VIEWS_H

#include "base/base.h"
#include "catalog/catalog.h"
#include "config/config.h"
#include "journal/journal.h"
#include "profile/profile.h"
#include "recall/recall.h"

typedef struct views views;

enum { VIEWS_MOST = 256 }; /* collections in the life of a server */

typedef struct view_collection {
    catalog_collection *catalog;
    const catalog_set *columns;
    const profile_set *profiles; /* as of the same records as the columns; its stamp may be above `sequence` */
    text_reader *const *reader; /* [lanes]; NULL while the index is not ready */
    uint64_t sequence;          /* every write up to it is found; 0 while not ready */
    bool ready;                 /* false: the index is being rebuilt; searches by words get UNAVAILABLE */
} view_collection;

/* collection[i] is config.collection[i] of the configuration that views_open got; then those that views_adopt added, in the order
 * of their coming. None leaves before the views close: a snapshot that is older, or is rolled back to, finds all of its own. */
typedef struct view_set {
    uint64_t sequence; /* smallest of the ready collections */
    uint32_t n;
    view_collection collection[];
} view_set;

/* `impressions`: the log of answers, from which collections with `rates:` count times shown; NULL: there is none.
 * Makes the collections in the journal, fills columns from the newest item records, builds the profiles of collections
 * from what was saved of them and by walking the records behind that, opens the indexes in data_dir/index/NAME, and starts the view thread, which
 * rebuilds what could not be used. Blocks for columns and profiles only.
 * Becomes the journals' listener. `c`, `j`, `impressions` and `epochs` must outlive it. PRECONDITION with file:line:column when an
 * index was built for other groups, languages or types of field: views_discard, then open, rebuilds it. */
sinter_status views_open(const config *c, journal *j, journal *impressions, epoch_domain *epochs, uint32_t lanes,
                         views **out, sinter_error *e);
/* Commits and stamps the indexes as cleanly stopped. Waits still parked get UNAVAILABLE. No reader may be inside the
 * epoch. */
void views_close(views *v);
/* Deletes the indexes and saved profiles of every collection of a configuration; before views_open. */
sinter_status views_discard(const config *c, sinter_error *e);

/* The newest set; never NULL. Valid until the caller leaves the epoch in which it called. */
const view_set *views_current(const views *v);
/* Number of a collection in every set, -1: unknown. */
int32_t views_find(const views *v, const char *collection);

/* Brings the views to a later configuration that config_same_index and catalog_adoptable let through: collections that it adds
 * are made and shown, empty or with what the journal still has of them; fields that it adds get columns, and words in the index,
 * filled from the stored items in the background. Collections that it
 * lacks are kept up to date all the same. `c` must outlive the views from here on; after an
 * error, which changes nothing, it need not. Returns once a set with all of it is published. [control thread] */
sinter_status views_adopt(views *v, const config *c, sinter_error *e);

/* Event types that a later configuration has added: before events of them can be recorded. [any thread] */
void views_add_types(views *v, const config *c);

/* ---- forgetting ------------------------------------------------------------------------------------------------ */

/* Before anything is erased: profiles are no longer saved, and those on disk are gone when this returns OK. Until views_forget_end,
 * which is called when views_forgotten. [people thread] */
sinter_status views_forget_begin(views *v, sinter_error *e);
void views_forget_end(views *v);
/* Records were erased: profiles are made anew from what the journals hold now, beside those that are read meanwhile. Returns a
 * number; views_forgotten(number): the newest set is made of them, and no file of a view holds anything older. [any thread] */
uint64_t views_forget(views *v);
bool views_forgotten(const views *v, uint64_t number);

/* ---- waiting for a write ------------------------------------------------------------------------------------- */

/* On the view thread, once; must not block. OK: a set that reflects the sequence has been published. DEADLINE, or
 * UNAVAILABLE when the views close. */
typedef void views_waited(void *ctx, sinter_status status);

/* Parks until the newest set has reached `sequence` or CLOCK_MONOTONIC `deadline_ns`, and asks for an early commit of
 * the index. `fn` is called on the view thread (never from inside this call) exactly once if this returned OK and the
 * wait was not cancelled. EXHAUSTED beyond server.max_parked; INVALID for a sequence that the journal has not given
 * yet. */
sinter_status views_wait(views *v, uint64_t sequence, uint64_t deadline_ns, views_waited *fn, void *ctx,
                         sinter_error *e);
/* Takes the wait with this ctx back. True: its fn will never be called; false: it has been called or is being called.
 */
bool views_cancel(views *v, void *ctx);

/* A reader of this collection failed with anything but UNAVAILABLE: the index is not to be trusted and is rebuilt, in
 * the background. [any thread, lock-free] */
void views_suspect(views *v, uint32_t collection);

/* ---- state --------------------------------------------------------------------------------------------------- */

typedef struct views_state {
    uint64_t sequence; /* of the newest set */
    uint64_t journal;  /* newest durable sequence */
    bool ready;        /* all collections are */
    uint32_t parked;
    uint64_t waited, expired;         /* waits that ended by their sequence, by their deadline; since open */
    uint64_t sets, commits, rebuilds; /* published, of an index, begun; since open */
    uint64_t documents;               /* given to an index; since open */
    uint64_t compactions;             /* of an index; since open */
    uint64_t last_commit_ns;          /* how long the newest commit took */
} views_state;

typedef struct views_collection_state {
    const char *name;
    const char *state; /* "ready", "rebuilding", "catching up" */
    uint64_t sequence, items;
    uint32_t done, total; /* rebuilding: ordinals walked, of */
    char reason[256];     /* why the last rebuild was begun; empty: none */
} views_collection_state;

void views_status(const views *v, views_state *out);
/* False: no such collection. */
bool views_collection_status(const views *v, uint32_t collection, views_collection_state *out);

#endif
