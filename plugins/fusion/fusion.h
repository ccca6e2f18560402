/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the fusion plugin share: the options of one use, a lane's memory, and the methods.
 *
 * A method fills worker->total, a double an item, and explains one row of it. fusion.c rounds the totals to the floats that
 * the host gets and closes the books: what rounding took is part of the bias, so that shares sum to the float exactly. */
#ifndef SINTER_FUSION_FUSION_H
#define SINTER_FUSION_FUSION_H

#include <sinter/plugin.h>

/* Runs a hot loop with the widest instructions that the machine has; GCC picks the copy when the plugin is loaded. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(SINTER_SANITIZED)
#define FUSION_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FUSION_WIDE
#endif

enum {
    FUSION_NAME = 128,       /* bytes of a ranker's name */
    NETWORK_MOST_UNITS = 64, /* of a network's hidden layer */
};

typedef enum fusion_method { FUSION_WEIGHTED, FUSION_VOTING, FUSION_NETWORK } fusion_method;
typedef enum fusion_calibrate { CALIBRATE_MINMAX, CALIBRATE_ZSCORE, CALIBRATE_NONE } fusion_calibrate;
typedef enum fusion_missing { MISSING_MEAN, MISSING_LOWEST, MISSING_ZERO, MISSING_RENORMALISE } fusion_missing;
typedef enum fusion_rule { RULE_RRF, RULE_BORDA } fusion_rule;

/* A ranker's name and weight, as options or a fit gave it. */
typedef struct fusion_weight {
    char ranker[FUSION_NAME];
    double weight;
} fusion_weight;

struct network; /* network.h */

struct sinter_instance {
    const sinter_host *host;
    char use[128];
    sinter_mark mark; /* of the weights */
    fusion_method method;
    fusion_calibrate calibrate;
    fusion_missing missing;
    fusion_rule rule;
    double k;
    fusion_weight weight[SINTER_MAX_RANKERS];
    uint32_t n_weights; /* 0: all equal */
    bool trained;       /* the weights are a model's */
    const char **gate;  /* [n_gate] names of per-request features that a network reads */
    uint32_t n_gate;
    char target[FUSION_NAME]; /* for training: the event type that labels, or "weight" */
    const char *targets[1];
    uint32_t units;           /* for training: of a network's hidden layer */
    struct network *network;  /* NULL: none, or training kept the weighted sum: `weight` stands */
};

/* How one ranker's scores in one list are read: calibrated = (score - shift) × scale + offset. */
typedef struct fusion_calibration {
    double shift, scale, offset;
    double imputed; /* calibrated value that stands in for a missing score */
    double lowest;  /* the calibrated least; 0 where the ranker scored nothing */
    double deviation; /* of the scores as they came */
    uint32_t n;     /* scores present */
} fusion_calibration;

struct sinter_worker {
    const sinter_instance *instance;
    uint32_t n, room;     /* items of the list last fused; items that the arrays hold */
    void *memory;         /* holds the arrays, each [room] */
    double *total;        /* the list's scores before rounding */
    double *present_weight; /* renormalise: the weights of the rankers that scored the item */
    double *reciprocal;   /* 1 / (k + rank), rank from 1 */
    uint64_t *key[2];     /* exact sort: score and ordinal */
    uint32_t *entry[3];   /* sorts: item places; the last is the order found */
    uint32_t *by_ordinal; /* item places by ascending ordinal, where has_ordinals */
    float *packed;        /* one ranker's present scores, side by side */
    float *score;         /* what the host got */
    double weight[SINTER_MAX_RANKERS];
    fusion_calibration calibration[SINTER_MAX_RANKERS];
    double lowest;        /* of an item that no ranker scored */
    double weight_sum;    /* of the rankers that scored anything */
    uint64_t dense;       /* bit r: ranker r scored every item */
    bool has_ordinals;
    uint64_t tied;        /* bit r: many of ranker r's scores were equal in some list: only a guess at the quickest way */
};

uint64_t common_bits(const uint64_t *present /* [n] */, uint32_t n);

/* Floats that are finite: the sum of many great weights may leave a float's range. */
void round_totals(float *score, const double *total, uint32_t n);

/* Of n > 0 scores: least and greatest, mean, standard deviation (of the population). */
typedef struct fusion_spread {
    float least, most;
    double mean, deviation;
} fusion_spread;
void range_of(const float *x, uint32_t n, float *least, float *most);
fusion_spread spread_of(const float *x, uint32_t n);

/* One ranker's present scores side by side: the list's own array where it scored every item, else packed into the worker, with
 * their places in worker->entry[0] (where the list is dense, place i is i and nothing is written). Returns how many. */
uint32_t pack_scores(sinter_worker *, const sinter_fusion_batch *, uint32_t ranker, const float **score);

/* How one ranker's scores in this list are read. worker->dense is set before. */
fusion_calibration calibrate_ranker(sinter_worker *, const sinter_fusion_batch *, uint32_t ranker);

/* worker->dense and the calibration of every ranker, as they are for fusing: what training reads of a list. */
sinter_status fusion_calibrate_list(sinter_worker *, const sinter_fusion_batch *, sinter_error *err);

/* With worker->weight, over lists that are calibrated. */
void weighted_fuse(sinter_worker *, const sinter_fusion_batch *);
/* Fills the shares and *bias, rounding aside. */
void weighted_explain(const sinter_worker *, const sinter_fusion_batch *, uint32_t row, sinter_share *, double *bias);

void voting_fuse(sinter_worker *, const sinter_fusion_batch *);
void voting_explain(const sinter_worker *, const sinter_fusion_batch *, uint32_t row, sinter_share *, double *bias);

/* The places of the items that `ranker` scored, best first, ties by smaller ordinal, into worker->entry[2]. Returns how many.
 * worker->has_ordinals is false before the first ranker of a list. */
uint32_t rank_order(sinter_worker *, const sinter_fusion_batch *, uint32_t ranker);

/* An error of this use, where its YAML stands. Returns SINTER_INVALID. */
__attribute__((format(printf, 4, 5))) sinter_status fusion_fail(const sinter_instance *, sinter_error *err, const char *fix,
                                                                const char *format, ...);
sinter_status fusion_no_memory(const char *where, sinter_error *err);

/* A lane's memory, also for training. */
sinter_status fusion_worker_open(const sinter_instance *, sinter_worker **out, sinter_error *err);
void fusion_worker_close(sinter_worker *);

/* Reads weights that minimise squared error from a table of scores and targets: see fit.c. */
sinter_status fit_weights(const char *path, fusion_weight *weight /* [SINTER_MAX_RANKERS] */, uint32_t *n, sinter_error *err);

/* The α in [0, 1] that minimises Σ (y − α s1 − (1 − α) s2)²; 0.5 where s1 equals s2 throughout. */
double fit_alpha(const double *s1, const double *s2, const double *y, uint32_t n);

#endif
