/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The feature registry: one definition of every feature by name, the same for serving, evaluation, replay and training.
 *
 * A name is resolved once, when a snapshot is built, to a feature; a stage's matrix is filled once a request with the union
 * of what its rankers asked for. docs/features.md lists the registry (generated from the same table).
 *
 *   text.bm25  text.GROUP  text.GROUP.count  text.GROUP.words  text.GROUP.length  text.GROUP.proximity (stages of <= 100)
 *   query.coverage  query.words  query.length  query.empty       item.FIELD  item.FIELD.age_days  item.age_days
 *   recall.SOURCE  recall.SOURCE.rank  score.RANKER (earlier stages)  before (the list's score before the stage)
 *   now.hour  now.weekday  user.ATTRIBUTE (numbers)  context.ATTRIBUTE (numbers)
 *   events.TYPE  events.TYPE.FIELD  events.TYPE.query  user.events  user.events.TYPE  user.FIELD.share
 *   session.events  session.events.TYPE  session.seconds  session.idle_seconds  session.item  session.FIELD.share
 *   shown  shown.FIELD  rate.TYPE  rate.TYPE.FIELD  rate.TYPE.per.TYPE  rate.TYPE.per.TYPE.FIELD
 *   events, shown and rate also with .hour, .day or .month behind them: of that window
 *
 * A missing value is NaN.
 *
 * Id features (ids.c) are texts as 32-bit hashes, the same in every process and for ever; 0: none.
 *
 *   item.id  item.FIELD (keyword)  user.id  user.ATTRIBUTE  context.ATTRIBUTE  query.text  session.query */
#ifndef SINTER_FEATURES_H
#define SINTER_FEATURES_H

#include "base/base.h"
#include "catalog/catalog.h"
#include "plugin/plugin.h"
#include "profile/profile.h"
#include "recall/recall.h"
#include "views/views.h"

typedef struct feature {
    uint16_t kind;      /* row of the registry's table */
    bool per_request;   /* the same for every candidate */
    uint32_t index;     /* group, source or ranker number; of counters: field of the schema's counter_by */
    uint32_t event;     /* event type */
    uint32_t per;       /* of a rate: the event type that it is per; 0: per time shown */
    profile_span span;
    const catalog_field *field;
    const char *name;   /* as asked for */
    const char *attribute;
} feature;

/* What names may refer to in one place of a pipeline. */
typedef struct feature_scope {
    catalog_collection *catalog;
    const config_collection *schema;
    const char *const *source; /* [n_sources] recall sources by name */
    uint32_t n_sources;
    const char *const *ranker; /* [n_rankers] rankers of earlier stages, by name */
    uint32_t n_rankers;
    uint32_t list_limit;       /* most candidates that can enter: proximity needs <= 100 */
} feature_scope;

/* NOT_FOUND with near names, or INVALID with the reason (e.g. proximity in a stage of 1,000). */
sinter_status feature_resolve(const feature_scope *scope, const char *name, feature *out, sinter_error *e);
/* Every valid name in a scope, for help and logging of all features: the ones that impressions record. */
uint32_t feature_names(const feature_scope *scope, arena *a, const char *const **out);

/* All that a matrix is made from. */
typedef struct feature_source {
    const catalog_set *columns;
    text_reader *reader;
    const text_query *query;
    const text_scorer *scorer;     /* NULL: empty query */
    const uint32_t *item;          /* [n] */
    const uint32_t *packed;        /* [n_words][n] */
    uint32_t n;
    const float *const *recall_score; /* [n_sources][n]; NaN: not from it */
    const float *const *recall_rank;  /* [n_sources][n] */
    const float *const *ranker_score; /* [n_rankers][n] SINTER_MISSING: missing */
    const float *before;           /* [n] */
    const profile_set *profiles;   /* NULL: nobody did anything */
    str asked;                     /* the query as it came: what events name */
    const sinter_request *request;
    arena *a;
} feature_source;

/* Fills out[i * stride + j] with feature j of item i. */
sinter_status features_fill(const feature *f, uint32_t n_features, const feature_source *s, float *out, uint32_t stride,
                            sinter_error *e);
/* One value for features with per_request. */
float feature_of_request(const feature *f, const feature_source *s);
/* Whether a feature is an item's own, so that it can be brought for items that are no candidates: those of a history. */
bool feature_of_item(const feature *f);

/* ---- a person's history as plugins see it ------------------------------------------------------------------------ */

/* Days between an event and now; negative where the event is ahead of the request. */
static inline float history_age(int64_t now_ms, int64_t time_ms)
{
    return (float)((double)(now_ms - time_ms) / 86400000.0);
}
/* What one event is worth: the declared weight of its type, or its own value where the type says so. */
float history_weight(const config_collection *schema, uint32_t type, double value);

/* ---- id features ---------------------------------------------------------------------------------------------------- */

typedef struct id_feature {
    uint16_t kind; /* row of the registry's table of id features */
    bool per_request;
    const char *name;      /* as asked for */
    const char *attribute; /* field or attribute */
} id_feature;

/* NOT_FOUND with near names, or INVALID with the reason. */
sinter_status id_feature_resolve(const feature_scope *scope, const char *name, id_feature *out, sinter_error *e);
uint32_t id_feature_names(const feature_scope *scope, arena *a, const char *const **out);
/* out[i * stride]: of item i. */
void id_feature_fill(const id_feature *f, const feature_source *s, uint32_t *out, uint32_t stride);

#endif
