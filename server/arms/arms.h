/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Arms of experiments, as a search needs them: who is in which, what is stopped, how alike two rankings are.
 *
 * Assignment is a pure function of configuration, unit and time: a hash, no state. What is stopped, and since when each version
 * of an experiment counts, are records of the main journal, told at start; lanes see a stop as a flag. Counting, reports and
 * guards stand above the pipeline: experiment/experiment.h.
 *
 * Threads: experiment_assign and the flags on any thread, without locks; arms_info and arms_is_stopped on any thread, with a lock
 * held for moments; what appends to the journal never on a lane. */
#ifndef SINTER_ARMS_H
#define SINTER_ARMS_H

#include "base/base.h"
#include "config/config.h"
#include "journal/journal.h"
#include <sinter/v1/admin.pb-c.h>

/* ---- assignment ------------------------------------------------------------------------------------------------------ */

/* Who asks; "" or NULL: unknown. */
typedef struct experiment_person {
    const char *user, *session, *request;
} experiment_person;

typedef struct experiment_place {
    uint32_t arm, bucket;
    experiment_unit unit; /* whose id was hashed */
    const char *id;       /* which */
} experiment_place;

/* XXH3-64 of "SALT/UNIT/ID", modulo 10,000. The formula is a promise: docs/experiments.md tells other languages. */
uint32_t experiment_bucket(const char *salt, experiment_unit unit, const char *id);
/* How many of its buckets of the layer are in at a time. */
uint32_t experiment_enrolled(const config_experiment *x, int64_t now_ms);
/* False: not in it, for want of an id, for the time, or by its bucket of the layer. */
bool experiment_assign(const config_experiment *x, const experiment_person *who, int64_t now_ms, experiment_place *out);
/* The same without asking the ramp, start and end: for an override. False: no id. */
bool experiment_place_of(const config_experiment *x, const experiment_person *who, experiment_place *out);

/* ---- comparing two rankings ------------------------------------------------------------------------------------------- */

/* Common items of the first `depth` of both, of the longer; 1 where both are empty. */
double ranking_overlap(const uint32_t *a, uint32_t n_a, const uint32_t *b, uint32_t n_b, uint32_t depth);
/* Rank-biased overlap, extrapolated (Webber, Moffat, Zobel: A similarity measure for indefinite rankings, TOIS 2010); lists
 * without repeats. */
double ranking_rbo(const uint32_t *a, uint32_t n_a, const uint32_t *b, uint32_t n_b, double p);

/* ---- what is stopped -------------------------------------------------------------------------------------------------- */

typedef struct arms arms;
/* Flags of an experiment's stops: [0] the whole, [1 + arm]; read by lanes. They live as long as `arms`. */
typedef struct arms_cells {
    atomic_bool *cell[1 + EXPERIMENT_ARMS];
} arms_cells;

/* Nothing is stopped and nothing has begun until arms_see was told of every record. `impressions` NULL: they are off, and there may be
 * no experiments. */
sinter_status arms_open(journal *main, journal *impressions, arms **out, sinter_error *e);
void arms_close(arms *g);
void arms_see(arms *g, const Sinter__Storage__V1__Record *rec); /* in the order of the journal; others than changes are passed over */
void arms_cells_of(arms *g, const config_experiment *x, arms_cells *out);
static inline bool arms_arm_stopped(const arms_cells *c, uint32_t arm)
{
    return atomic_load_explicit(c->cell[1 + arm], memory_order_acquire);
}
static inline bool arms_all_stopped(const arms_cells *c)
{
    return atomic_load_explicit(c->cell[0], memory_order_acquire);
}
/* `arm` "": the whole experiment. */
bool arms_is_stopped(arms *g, const config_experiment *x, const char *arm);
/* Stopped, and that is written down. */
bool arms_is_recorded(arms *g, const config_experiment *x, const char *arm);
/* Acts at once; the record follows. */
void arms_raise(arms *g, const config_experiment *x, const char *arm);

/* ---- changes ------------------------------------------------------------------------------------------------------------ */

typedef Sinter__Storage__V1__ExperimentChange arms_change;
const arms_change *arms_change_of(const Sinter__Storage__V1__Record *rec); /* NULL: it is none */

/* Where a version counts from: the newest BEGUN or STARTED. */
typedef struct arms_beginning {
    uint64_t sequence, impressions_sequence;
    int64_t time_ms;
} arms_beginning;
/* False: the newest beginning of the name is of another version. */
bool arms_begun(arms *g, const config_experiment *x, arms_beginning *out);
/* Before a configuration is published: experiments that have not begun do so, a record each. */
sinter_status arms_begin(arms *g, const config *c, sinter_error *e);

typedef struct arms_order {
    const char *arm, *who, *why; /* arm "": the whole */
} arms_order;
/* A record, and what it says. *sequence 0: nothing to change. */
sinter_status arms_stop(arms *g, const config_experiment *x, const arms_order *o, uint64_t *sequence, sinter_error *e);
sinter_status arms_start(arms *g, const config_experiment *x, const arms_order *o, uint64_t *sequence, sinter_error *e);

/* An experiment as the API tells of it, in `a`. */
Sinter__V1__ExperimentInfo *arms_info(arms *g, const config_experiment *x, arena *a);
/* "ctr@10", "conversion". */
char *arms_metric_name(const config_experiment *x, experiment_metric k, arena *a);

#endif
