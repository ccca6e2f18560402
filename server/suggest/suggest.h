/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Completions: a view of both journals, for collections that declare `suggest:`.
 *
 * One thread follows the catalogue's journal (items, events) and the impressions (what was asked), keeps what can be completed
 * (items by their texts, values of keyword fields, queries), and makes of it an immutable set for each collection: entries by use,
 * their words sorted, postings both ways. A set is made anew when something changed, at most every half second and for at most a
 * twentieth of the thread's time, so a small catalogue is a second behind, one that takes a second to build twenty.
 *
 * Use decays with a half-life. An item's is what its events are worth, a query's how often it was asked and found something or
 * brought an event, a value's the items that have it and their use. Of a query's people nothing is kept but hashes, sixteen at most: a
 * query is offered once so many different people (sessions, where nobody is logged in) asked it. All of it is in memory alone and
 * comes from the journals at every start; what a journal holds no more is forgotten with suggest_forget.
 *
 * Threads: suggest_open, suggest_configure, suggest_forget, suggest_close on the control thread; the rest on any lane inside the
 * epoch, without locks. */
#ifndef SINTER_SUGGEST_H
#define SINTER_SUGGEST_H

#include "base/base.h"
#include "config/config.h"
#include "journal/journal.h"
#include "recall/recall.h"

typedef struct suggest suggest;
typedef struct suggest_set suggest_set;

/* Becomes what suggest_current answers as sets are made. `impressions` may be NULL. All must outlive it. */
sinter_status suggest_open(journal *catalogue, journal *impressions, epoch_domain *epochs, suggest **out, sinter_error *e);
void suggest_close(suggest *s); /* no lane may be inside the epoch */

typedef struct suggest_source {
    uint32_t number; /* of the collection, in the journal */
    const config_collection *schema;
} suggest_source;
/* What is to be completed from now on; schemas are copied. A collection whose settings changed starts anew. */
void suggest_configure(suggest *s, const suggest_source *source, uint32_t n);
/* Reads both journals anew, because something in them has been erased. The sets there are stay until the new ones are made. */
void suggest_forget(suggest *s);

/* The newest set of a collection; NULL: it declares none, or the first is being made. */
const suggest_set *suggest_current(const suggest *s, uint32_t number);

typedef enum { SUGGEST_QUERY, SUGGEST_VALUE, SUGGEST_ITEM, SUGGEST_KINDS } suggest_kind;

typedef struct suggest_entry {
    str text;       /* as it is shown */
    double use;
    uint32_t item;  /* SUGGEST_ITEM: its ordinal */
    uint32_t field; /* SUGGEST_VALUE: index into suggest_field */
    uint32_t count; /* SUGGEST_VALUE: live items that have it */
} suggest_entry;
const char *suggest_field(const suggest_set *s, uint32_t field);
uint64_t suggest_bytes(const suggest_set *s);

#define SUGGEST_MAX_WORDS 8u

/* What was typed: words that stand whole, and the last as far as it has come. */
typedef struct suggest_typed {
    str word[SUGGEST_MAX_WORDS];
    uint32_t n;
    bool whole; /* the last is whole too: something that ends a word stands behind it */
} suggest_typed;
void suggest_read(str text, arena *a, suggest_typed *out);

typedef struct suggest_found {
    const suggest_entry *entry;
    uint32_t edits; /* between what was typed and its words */
} suggest_found;

/* At most `limit` entries that hold every typed word, the last as a prefix: fewest edits first (with `typos`; none below 4
 * letters, one below 8, two from there on, in each word), then most used, then by text. Of equal texts the first. `accept` (may
 * be NULL) refuses entries; it is asked at most SUGGEST_MAX_ASKED times. Returns how many. */
uint32_t suggest_complete(const suggest_set *s, suggest_kind kind, const suggest_typed *t, uint32_t limit, bool typos,
                          bool (*accept)(void *ctx, const suggest_entry *x), void *ctx, arena *a, suggest_found *out);
#define SUGGEST_MAX_ASKED 20000u

/* The person's own queries, newest first, that hold the typed words; where the collection keeps them. Returns how many. */
uint32_t suggest_recent(const suggest_set *s, str user_id, str session_id, const suggest_typed *t, uint32_t limit, arena *a, str *out);

/* A text in pieces; those that answer what was typed are matched. */
typedef struct suggest_part {
    str text;
    bool matched;
} suggest_part;
uint32_t suggest_parts(str text, const suggest_typed *t, bool typos, arena *a, const suggest_part **out);

#endif
