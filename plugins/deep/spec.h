/* SPDX-License-Identifier: Apache-2.0 */
/* What a use of the plugin says: what the network reads, its layers, and how it is trained. */
#ifndef SINTER_DEEP_SPEC_H
#define SINTER_DEEP_SPEC_H

#include <sinter/plugin.h>

#include "loss.h"
#include "network.h"

enum {
    DEEP_NAME = 128,
    DEEP_MOST_FEATURES = 4096,
    DEEP_MOST_EMBEDDINGS = 32,
    DEEP_MOST_PRODUCTS = 32,
    DEEP_MOST_DIMENSION = 1024,
    DEEP_MOST_HISTORY = 1000,
    DEEP_MOST_POSITIONS = 1000,
    DEEP_MOST_SIDE = 32,
};

#define DEEP_HISTORY "history"

/* Vectors for the values of one id feature; `item` is the candidate itself, by ordinal. */
typedef struct embedding {
    char name[DEEP_NAME];
    bool is_item;
    uint32_t buckets; /* 0 for item: as many as the collection has when it is trained */
    uint32_t dimension;
    uint32_t id;      /* column of batch->id_feature */
    uint32_t column;  /* its first input */
} embedding;

/* The product, element by element, of two vectors of one dimension: what a product of matrices would find only by heart. */
typedef struct product {
    uint32_t of, with; /* embeddings; DEEP_MOST_EMBEDDINGS: the history */
    uint32_t dimension, column;
} product;

typedef enum stop_on { STOP_LOSS, STOP_AUC, STOP_NDCG } stop_on;

typedef struct deep_spec {
    char use[DEEP_NAME];
    sinter_mark mark; /* of the layers */
    uint32_t n_features, n_listed; /* the first n_listed are the candidate's, the others means over the history's items */
    char (*feature)[DEEP_NAME];
    bool *is_log; /* [n_features] read as sign × log(1 + |value|) */
    bool has_indicators;
    uint32_t n_embeddings, n_products;
    embedding embedding[DEEP_MOST_EMBEDDINGS];
    product product[DEEP_MOST_PRODUCTS];
    uint32_t item; /* embedding of the item; n_embeddings: none */
    /* History: 0 events: none. With an embedding of item, pooled into a vector of its dimension: has_pool. */
    uint32_t n_history, history_column;
    bool has_pool;
    double half_life_days; /* 0: age does not matter */
    bool history_weighted;
    network net;
    loss_kind loss;
    char target[DEEP_NAME];
    uint32_t n_positions;
    adam adam;
    uint32_t batch, epochs, patience;
    stop_on stop;
    /* What inputs() hands out. */
    const char **feature_name, **id_name; /* [n_features]: the names as the registry has them; [n_ids] */
    uint32_t n_ids;
    const char *target_name[1];
    char *text; /* all of the above that a model depends on, in one line */
} deep_spec;

enum { DEEP_OPTIONS = 12 };
extern const sinter_option deep_options[DEEP_OPTIONS];

/* Reads the options of one use; what it allocates is freed by spec_free, also after a failure. */
sinter_status spec_read(deep_spec *, const sinter_open_args *, sinter_error *);
void spec_free(deep_spec *, const sinter_host *);

/* Fills err: what, where the layers stand, fix. Returns status. */
__attribute__((format(printf, 5, 6))) sinter_status deep_fail(const deep_spec *, sinter_error *err, sinter_status status,
                                                               const char *fix, const char *format, ...);
sinter_status deep_no_memory(const char *use, sinter_error *err);

#endif
