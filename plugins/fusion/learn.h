/* SPDX-License-Identifier: Apache-2.0 */
/* What training has in memory, and the parts that it is made of: reading lists (lists.c), how likely a place is looked at
 * (examine.c), how clicks follow a score (curve.c), the loss and its gradient (learn.c), and the choice between the simple and the rich (train.c). */
#ifndef SINTER_FUSION_LEARN_H
#define SINTER_FUSION_LEARN_H

#include "network.h"

/* The shown items of requests, as fusion would read them. */
typedef struct lists {
    const sinter_host *host;
    uint32_t n_rankers, n_inputs;
    uint32_t n_requests, n_rows;   /* rows: shown items of all requests */
    uint32_t room_requests, room_rows;
    uint32_t *begin;               /* [n_requests + 1] first row */
    uint32_t *shuffled;            /* [n_requests] */
    float *weight;                 /* [n_requests] */
    float *x;                      /* [n_requests][n_inputs] as network_inputs gives them; then standardised */
    float *z;                      /* [n_rows][n_rankers] calibrated; what stands in where missing */
    float *label;                  /* [n_rows] at least 0 */
    float *gain;                   /* [n_rows] label × inverse of how likely the place is looked at × the request's weight */
    uint32_t *position;            /* [n_rows] from 1 */
    uint64_t scored;               /* bit r: ranker r scored something */
    uint64_t n_clicks, n_unseen, n_short; /* rows with a label; requests without shown items, with only one */
} lists;

/* Reads a whole dataset through the worker of the trainer's instance. Requests of which fewer than two items were shown tell
 * nothing about order and are only counted. */
sinter_status lists_read(lists *, const sinter_train_args *, sinter_dataset *, sinter_worker *, sinter_error *err);
void lists_free(lists *);

/* ---- examine.c ---- */

enum { EXAMINE_PLACES = 200 };
#define EXAMINE_LEAST 0.1 /* inverse weights are clipped at 10: few clicks far below may not outshout all others */

typedef struct examine {
    double chance[EXAMINE_PLACES]; /* that a place is looked at, relative to the first: from 1, never rising */
    uint64_t n_clicks;             /* in shuffled requests */
    bool known;                    /* enough of them; else all chances are 1 */
} examine;
void examine_estimate(const lists *, examine *);
void examine_apply(const examine *, lists *); /* fills gain */

/* ---- curve.c ---- */

enum { CURVE_KNOTS = 5 };

struct net;

/* A way of fusing: by a network, or with fixed weights. */
typedef struct way {
    const struct net *net;
    const double *weight; /* [n_rankers] where net is NULL */
} way;
void way_score(const lists *, const way *, uint32_t request, double *score);

/* What a score says about clicks: logit = slope[0] × score + Σ slope[1 + k] × max(0, score − knot[k]). Ways of fusing are compared
 * after each has got its best curve, so that none wins by the shape of its scores alone, which orders nothing. */
typedef struct curve {
    uint32_t n;
    double knot[CURVE_KNOTS], slope[1 + CURVE_KNOTS];
} curve;
void curve_fit(const lists *, const way *, curve *);
double curve_at(const curve *, double score);
double curve_slope(const curve *, double score);

/* ---- learn.c ---- */

/* Parameters in one array, so that an optimiser and a test can walk over them: U, u, W, w as in network.h, then the logarithm of a
 * temperature: logit = temperature × curve(score). */
typedef struct net {
    const curve *curve; /* NULL: logit = temperature × score */
    uint32_t n_rankers, n_inputs, n_units, n_parameters;
    double middle[SINTER_MAX_RANKERS], reach[SINTER_MAX_RANKERS];
    double *p; /* [n_parameters] */
} net;
uint32_t net_count(uint32_t n_rankers, uint32_t n_inputs, uint32_t n_units);
void net_start(net *, const sinter_host *, uint64_t seed); /* p from a seed: W and w are 0, the temperature is 1 */

/* Scores of one request's rows. */
void net_score(const net *, const lists *, uint32_t request, double *score);
/* Softmax cross-entropy of a request with its gains as targets: Σ gain × −log softmax(logit). Adds its gradient
 * where `gradient` is not NULL. */
double net_loss(const net *, const lists *, uint32_t request, double *gradient);
/* The pull back to the weighted sum: half the squares of W and w, a tenth of that for U. Adds strength × gradient. */
double net_pull(const net *, double strength, double *gradient);

/* The same loss of any logits, and what a ranking by scores gains: Σ gain / log2(1 + rank), ties shared. */
double listwise_loss(const lists *, uint32_t request, const double *logit);
double discounted_gain(const lists *, uint32_t request, const double *score);

#endif
