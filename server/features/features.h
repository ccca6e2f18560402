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
 *
 * A missing value is NaN. */
#ifndef SINTER_FEATURES_H
#define SINTER_FEATURES_H

#include "base/base.h"
#include "catalog/catalog.h"
#include "plugin/plugin.h"
#include "recall/recall.h"
#include "views/views.h"

typedef struct feature {
    uint16_t kind;      /* row of the registry's table */
    bool per_request;   /* the same for every candidate */
    uint32_t index;     /* group, source or ranker number */
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
    const sinter_request *request;
    arena *a;
} feature_source;

/* Fills out[i * stride + j] with feature j of item i. */
sinter_status features_fill(const feature *f, uint32_t n_features, const feature_source *s, float *out, uint32_t stride,
                            sinter_error *e);
/* One value for features with per_request. */
float feature_of_request(const feature *f, const feature_source *s);

#endif
