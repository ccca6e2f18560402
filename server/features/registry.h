/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kinds of features and of id features, private to the room: names here are patterns (G group, F field, S source, R ranker,
 * A attribute, E event type). */
#ifndef SINTER_FEATURES_REGISTRY_H
#define SINTER_FEATURES_REGISTRY_H

#include "config/config.h"

/* X(ID, name, the same for every candidate of a request, meaning) */
#define FEATURE_KIND_MAP(X)                                                                                             \
    X(TEXT_BM25, "text.bm25", false, "BM25F of the query over all groups: what text recall ranks by")                   \
    X(TEXT_GROUP, "text.G", false, "the group's own BM25F, as if the others were empty")                                \
    X(TEXT_COUNT, "text.G.count", false, "occurrences of query words in the group, each word's capped")                 \
    X(TEXT_WORDS, "text.G.words", false, "query words that occur in the group")                                         \
    X(TEXT_LENGTH, "text.G.length", false, "words of the group, quantised; 0 where no query word matched")              \
    X(TEXT_PROXIMITY, "text.G.proximity", false, "matched words / smallest window that holds them, 0-1; lists <= 100")   \
    X(QUERY_COVERAGE, "query.coverage", false, "share of the query's idf weight that the item matches, 0-1")             \
    X(QUERY_WORDS, "query.words", true, "scoring words of the query")                                                   \
    X(QUERY_LENGTH, "query.length", true, "characters of the normalised query")                                         \
    X(QUERY_EMPTY, "query.empty", true, "1 where the query has no words")                                               \
    X(ITEM, "item.F", false, "value of an integer, number, boolean or timestamp field (ms)")                            \
    X(ITEM_AGE, "item.F.age_days", false, "days between a timestamp field and now; item.age_days: of the age_field")    \
    X(RECALL, "recall.S", false, "score that a recall source gave; missing where it did not bring the item")            \
    X(RECALL_RANK, "recall.S.rank", false, "1-based rank within a recall source")                                       \
    X(SCORE, "score.R", false, "raw score of a ranker of an earlier stage")                                             \
    X(BEFORE, "before", false, "the list's score before the stage")                                                     \
    X(NOW_HOUR, "now.hour", true, "hour of the day of the request's time, UTC, 0-23 with fraction")                     \
    X(NOW_WEEKDAY, "now.weekday", true, "day of the week of the request's time, UTC, Monday 0")                         \
    X(EVENTS, "events.E", false, "events of a type on the item, decayed: each counts 1, and half after a half-life")     \
    X(EVENTS_VALUE, "events.E.F", false, "the same on all items with the item's value of a field of `counters: by`")     \
    X(EVENTS_QUERY, "events.E.query", false, "the same of events that name this query, on the item")                    \
    X(USER_EVENTS, "user.events", true, "events kept of the person, on items that exist")                                \
    X(USER_EVENTS_TYPE, "user.events.E", true, "those of a type")                                                        \
    X(USER_SHARE, "user.F.share", false, "share of them on items with the item's value of a field of `counters: by`")    \
    X(SESSION_EVENTS, "session.events", true, "events of the session, kept and on items that exist")                     \
    X(SESSION_EVENTS_TYPE, "session.events.E", true, "those of a type")                                                  \
    X(SESSION_SECONDS, "session.seconds", true, "seconds since the session's first event; missing without any")          \
    X(SESSION_IDLE, "session.idle_seconds", true, "seconds since its last event; missing without any")                   \
    X(SESSION_ITEM, "session.item", false, "events of the session on the item")                                          \
    X(SESSION_SHARE, "session.F.share", false, "share of them on items with the item's value of a field of `counters: by`") \
    X(SHOWN, "shown", false, "times the item was shown in answers, decayed; needs `rates:`")                             \
    X(SHOWN_VALUE, "shown.F", false, "the same of all items with the item's value of a field of `counters: by`")         \
    X(RATE, "rate.E", false, "events of a type that name the answer, per time shown; smoothed; needs `rates:`")          \
    X(RATE_VALUE, "rate.E.F", false, "the same of all items with the item's value of a field of `counters: by`")         \
    X(RATE_PER, "rate.E.per.E", false, "events of a type per event of another type, on the item; smoothed")              \
    X(RATE_PER_VALUE, "rate.E.per.E.F", false, "the same of all items with the item's value of a field of `counters: by`") \
    X(USER, "user.A", true, "a numeric or boolean attribute of the user")                                               \
    X(CONTEXT, "context.A", true, "a numeric or boolean attribute of the context")

/* X(ID, name, the same for every candidate of a request, meaning) */
#define ID_FEATURE_KIND_MAP(X)                                                                                          \
    X(ITEM, "item.id", false, "the item")                                                                               \
    X(ITEM_FIELD, "item.F", false, "value of a keyword field")                                                          \
    X(USER, "user.id", true, "the user; none where only a session is known")                                            \
    X(USER_ATTRIBUTE, "user.A", true, "an attribute of the user: a text, a whole number or a boolean, as text")          \
    X(CONTEXT_ATTRIBUTE, "context.A", true, "the same of the context")                                                  \
    X(QUERY, "query.text", true, "the query as it came: lower case, words separated by one space")                       \
    X(SESSION_QUERY, "session.query", true, "the last words that an event of the session named; none without any")

typedef enum {
#define X(id, name, per_request, doc) FEATURE_##id,
    FEATURE_KIND_MAP(X)
#undef X
        FEATURE_KINDS_N
} feature_kind_id;

typedef enum {
#define X(id, name, per_request, doc) ID_FEATURE_##id,
    ID_FEATURE_KIND_MAP(X)
#undef X
        ID_FEATURE_KINDS_N
} id_feature_kind_id;

typedef struct feature_kind {
    const char *name, *doc;
    bool per_request;
} feature_kind;

extern const feature_kind FEATURE_KINDS[FEATURE_KINDS_N];
extern const feature_kind ID_FEATURE_KINDS[ID_FEATURE_KINDS_N];

/* Capitals of patterns: a name without any stands for itself. */
#define FEATURE_CAPITALS "GFSRAE"

/* Private to the room. features.c: what follows `prefix` in `name`, or NULL; whether `rest` is NAME followed by `suffix`; the
 * declaration that a field name of n bytes falls under; the counter field of a name of n bytes, UINT32_MAX: none. */
const char *name_after(const char *name, const char *prefix);
bool name_with(const char *rest, const char *name, const char *suffix);
const config_field *name_declaration(const config_collection *schema, const char *name, size_t n);
uint32_t name_counter(const config_collection *schema, const char *name, size_t n);
/* A growing list of names in an arena. */
typedef struct name_list {
    arena *a;
    const char **name;
    uint32_t n, cap;
} name_list;
void name_add(name_list *l, const char *name);

#define FEATURE_PROXIMITY_LIST 100u

#endif
