/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Profiles: what people did, as a view of the journal: each person's latest events, and counters that decay.
 *
 * A profile_collection is one collection's profiles being built. One thread applies journal records (events, and the items
 * that they are about) in the order of their sequence and publishes immutable sets; any thread reads a set without locks for
 * as long as it is kept from being freed. Parts of a set are shared with the next one and copied when they are written to.
 *
 * A set is a pure function of the schema and of the collection's records from the first one up to a sequence: whoever
 * applies the same records, a server after a restart or a training child, gets the same bits. So sums are taken in the order
 * of records, and nothing here reads a clock.
 *
 * An item is known by its id: an event on an id that is not in the catalogue waits, and counts from the moment an item of
 * that id exists; so do the events of a deleted item when it comes back, under a new ordinal.
 *
 *   history   the latest events of a person (a user, or a session) by their own time (of two at the same time the later recorded one is newer; of
 *             one event's items the later named one), at most `profiles: {history}`; those whose item is not in the
 *             catalogue keep their place and are passed over when read
 *   counters  of every event type: by item, by the value that each field of `counters: {by}` had when the event was recorded
 *             (or the item came), and by query and item. An event adds one. A counter at `now` is the sum of
 *             2^-((now - time) / half_life) over its events; before its newest event's time it keeps the value it had then.
 *   windows   beside every counter: how many of its events lie in the hour, the day, the month that end at `now`, exact
 *             whatever order they came in; before its newest event's time, as of that time. An event from a clock that is
 *             ahead is counted there as of when it was recorded */
#ifndef SINTER_PROFILE_H
#define SINTER_PROFILE_H

#include "base/base.h"
#include "config/config.h"
#include "journal/journal.h"

typedef struct profile_collection profile_collection;
typedef struct profile_person profile_person; /* one person's history in one set */
typedef struct profile_query profile_query;   /* one query's counters in one set */

/* ---- building: one thread ---------------------------------------------------------------------------------------- */

/* Empty profiles of collection `number`. `schema` must outlive it. What a publication replaces is retired to `epochs`; NULL:
 * freed at once, so that only the newest set may be read. */
profile_collection *profile_open(const config_collection *schema, uint32_t number, epoch_domain *epochs);
void profile_close(profile_collection *p); /* with its newest set */
profile_collection *profile_open_like(const profile_collection *p); /* empty, with the types that it has now */

/* Event types that a later configuration has added at the end of the list. [any thread] */
void profile_add_types(profile_collection *p, const config_collection *schema);

/* Applies one record; those of other collections and kinds, of types unknown, and of a sequence not above the last one
 * applied change nothing. True: something changed since the last publication. */
bool profile_apply(profile_collection *p, const Sinter__Storage__V1__Record *rec);

/* Applies one record of the impressions' log: how often items were shown, for collections with `rates:`. Their records' items
 * must have been applied before: those up to the record's columns_sequence. The order among records of the two logs is free. */
bool profile_apply_shown(profile_collection *p, const Sinter__Storage__V1__Record *rec);

/* The state as of the records applied so far, stamped with `sequence`. */
const struct profile_set *profile_publish(profile_collection *p, uint64_t sequence);

/* ---- on disk (save.c) ---------------------------------------------------------------------------------------------- */

/* The newest set, which must be as of `applied` and be kept from being freed until profile_save has returned. `applied_sum` is the
 * hash of that record, by which its journal is known. [the thread that applies] */
typedef struct profile_saving profile_saving;
profile_saving *profile_saving_begin(const profile_collection *p, const char *uuid, uint64_t applied, uint64_t applied_sum);
/* Writes it; takes `s`. Where `stop` says so at the end there is no file. [any thread] */
sinter_status profile_save(profile_saving *s, const char *path, bool (*stop)(void *ctx), void *ctx, sinter_error *e);
/* Into profiles to which nothing was applied yet; `is`: whether the journal's record `applied` has that hash. Not OK: the file is
 * absent (NOT_FOUND), broken or of no use (DATA_LOSS): then p is good for profile_close alone. */
sinter_status profile_load(profile_collection *p, const char *path, const char *uuid, bool (*is)(void *ctx, uint64_t applied, uint64_t sum),
                           void *ctx, sinter_error *e);
uint64_t profile_applied(const profile_collection *p); /* [the thread that applies] */
uint64_t profile_shown_applied(const profile_collection *p);

/* ---- sets: any thread --------------------------------------------------------------------------------------------- */

typedef struct profile_set {
    uint64_t sequence; /* every record up to it is in here */
    uint64_t shown_sequence; /* of the impressions' log, the same */
    uint32_t n_people, n_items, n_queries;
    uint64_t n_events; /* applied; each item of an event is one */
    uint64_t bytes;    /* of memory, with the texts */
    const struct profile_tables *tables;
    const profile_collection *owner;
} profile_set;

const profile_set *profile_current(const profile_collection *p); /* the newest; never NULL */

/* Who does it: the user, or the session where there is no user. A key of its own for each, in `a`; empty: nobody. [any thread] */
str profile_person_key(str user_id, str session_id, arena *a);

/* When the event of an EventPut record happened: its own time, or else when it was recorded. */
int64_t profile_event_time(const Sinter__Storage__V1__Record *rec);

typedef struct profile_event {
    int64_t time_ms;
    double value;
    uint32_t item; /* ordinal */
    uint32_t type; /* its place in the list of event types, from 1 */
} profile_event;

/* Whose history is read: the user's, and that of the session they are in. A session that is joined to another user is not.
 * NULL: nothing known of them. */
typedef struct profile_who {
    const profile_person *user, *session;
} profile_who;
profile_who profile_find_person(const profile_set *s, str user_id, str session_id);
/* What PutUser stored of the user: a packed sinter.storage.v1.UserPut with attributes alone; empty: nothing. */
str profile_attributes(profile_who who);
/* Unpacked into `a`; NULL: nothing. */
Sinter__Storage__V1__UserPut *profile_attributes_read(str packed, arena *a);
/* What is stored after `put`, as `after`, in `a`; before: NULL, or what was. */
void profile_attributes_fold(const Sinter__Storage__V1__UserPut *before, const Sinter__Storage__V1__UserPut *put, arena *a,
                             Sinter__Storage__V1__UserPut *after);
/* Events of both on items that exist, newest first, each once, at most `limit` and `profiles: {history}`. Returns how many. */
uint32_t profile_history(const profile_set *s, profile_who who, uint32_t limit, profile_event *out);
/* How many of the kept history are of `type` (0: any) and on items that exist. */
uint32_t profile_history_count(const profile_set *s, profile_who who, uint32_t type);

/* What is going on now: the latest events without a gap of more than `profiles: {session_timeout}`, up to now; of the session,
 * or of the user where none is named. */
typedef struct profile_session {
    const profile_person *of;
    uint32_t n; /* events kept; 0: nothing, or too long ago */
    uint32_t query; /* hash_id of the last words that an event of it named; 0: none */
    int64_t start_ms, last_ms; /* of the first and the last; n = 0: now */
} profile_session;
profile_session profile_session_of(const profile_set *s, profile_who who, int64_t now_ms);
/* Its events on items that exist, newest first. */
uint32_t profile_session_events(const profile_set *s, const profile_session *x, uint32_t limit, profile_event *out);

/* A query as counters know it: lower case, composed, words separated by one space; in `a`. */
str profile_query_text(str query, arena *a);
/* NULL: no event named it. `text` as profile_query_text gives it. */
const profile_query *profile_find_query(const profile_set *s, str text);

/* Which events a count is of: all, by how old they are; or those of the last hour, day or month (windows.c). */
typedef enum { PROFILE_ALL, PROFILE_HOUR, PROFILE_DAY, PROFILE_MONTH } profile_span;

/* out[i * stride] = the count of item[i], an ordinal, at now_ms; 0 where nothing happened. */
void profile_count_items(const profile_set *s, uint32_t type, profile_span span, const uint32_t *item, uint32_t n, int64_t now_ms,
                         float *out, uint32_t stride);
/* The same of the item's value of counter field `by` (an index into the schema's counter_by); NaN: it has none. */
void profile_count_values(const profile_set *s, uint32_t type, profile_span span, uint32_t by, const uint32_t *item, uint32_t n,
                          int64_t now_ms, float *out, uint32_t stride);
/* The same of a query and the item; q may be NULL: 0. */
void profile_count_query(const profile_set *s, const profile_query *q, uint32_t type, profile_span span, const uint32_t *item,
                         uint32_t n, int64_t now_ms, float *out, uint32_t stride);
/* Times shown, by item (by: UINT32_MAX) or by the item's value of a counter field; NaN: it has none. */
void profile_shown(const profile_set *s, profile_span span, uint32_t by, const uint32_t *item, uint32_t n, int64_t now_ms, float *out,
                   uint32_t stride);

/* How often something follows: events of a type per time shown (those that name the answer), or per event of another type. */
typedef struct profile_rate {
    uint32_t event, per; /* per 0: per time shown */
    uint32_t by;         /* counter field, whose values have the rate; UINT32_MAX: items have it */
    profile_span span;
} profile_rate;
/* Smoothed: of few it is near the mean of the collection, or of the item's value of the field `rates: {toward}`, whose rate is
 * smoothed itself. NaN: nothing has been shown (or happened) in the collection, or the item has no value. */
void profile_rates(const profile_set *s, const profile_rate *r, const uint32_t *item, uint32_t n, int64_t now_ms, float *out,
                   uint32_t stride);
/* The hash of the item's value of counter field `by`, as impressions hold it; 0: none. */
uint64_t profile_value_hash(const profile_set *s, uint32_t by, uint32_t item);
/* A number for the item's value of counter field `by`, the same for the same value within this set's owner; 0: none. */
uint32_t profile_value_of(const profile_set *s, uint32_t by, uint32_t item);

#endif
