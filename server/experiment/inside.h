/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to experiment: sums of units and arms, what was shown and may still be clicked, statistics, the thread's state. */
#ifndef SINTER_EXPERIMENT_INSIDE_H
#define SINTER_EXPERIMENT_INSIDE_H

#include "experiment/experiment.h"

typedef Sinter__Storage__V1__Record record;
typedef Sinter__Storage__V1__Experimented experimented;

/* ---- statistics (stats.c) ---------------------------------------------------------------------------------------------- */

/* Sums over units of x (requests, or 1) and of each metric's y: all that means and their errors need. */
typedef struct moments {
    double n, x, xx;
    double y[METRIC_MEANS], yy[METRIC_MEANS], xy[METRIC_MEANS];
} moments;

typedef struct estimate {
    double n, mean, variance; /* units; of the mean */
} estimate;

typedef struct comparison {
    bool known; /* false: fewer than two units, or no spread to tell from */
    double difference, low, high, lift, lift_low, lift_high, p, anytime_p, power, detectable;
} comparison;

/* One doubling of time is 32 buckets: 2.2% apart. Up to an hour. */
enum { LATENCY_STEPS = 32, LATENCY_BUCKETS = 32 * LATENCY_STEPS };
typedef struct latency {
    uint64_t n;
    uint32_t count[LATENCY_BUCKETS];
} latency;

#define Z95 1.959963984540054 /* the normal's 97.5% quantile: of two-sided intervals of 95% */
double normal_above(double z);           /* P(Z > z) */
double chi_square_above(double x, double degrees);
estimate stats_estimate(const moments *m, experiment_metric k);
void stats_compare(const estimate *arm, const estimate *control, double lift, comparison *out);
/* Is the arm worse by more than the threshold? `worse` in the threshold's terms; a p value that holds at every look. */
double stats_guard(experiment_metric k, double threshold, const estimate *arm, const estimate *control, double *worse);
void latency_add(latency *l, uint64_t us);
double latency_quantile(const latency *l, double p); /* in ms; 0: none */
double stats_guard_p99(double threshold, const latency *arm, const latency *control, double *worse);

/* ---- counting (tally.c) ------------------------------------------------------------------------------------------------ */

typedef struct unit_sums {
    uint32_t requests, zero, errors, clicked, clicks, conversions;
    double value;
} unit_sums;

typedef struct unit {
    uint64_t key; /* hash of "user/ID"; 0: free */
    unit_sums sums;
    uint32_t arm, unused;
} unit;

enum { UNITS_MOST = 1 << 22 };

typedef struct arm_counts {
    uint64_t units, impressions, zero, clicks, conversions, failed, degraded;
    double value;
} arm_counts;

typedef struct shadow_sums {
    uint64_t requests, failed, degraded, zero;
    double overlap, rbo;
    latency latency;
} shadow_sums;

typedef struct arm_tally {
    arm_counts counts;
    moments closed; /* of units that are requests, once their window is over */
    latency latency;
    shadow_sums *shadow; /* of shadows only */
    bool stopped;        /* and then, as of the stop, this arm's and control's: */
    moments own, control;
    arm_counts own_counts, control_counts;
} arm_tally;

/* One experiment of the running configuration, counted. */
typedef struct tally {
    arena *memory;
    config_experiment x; /* a copy; without `at` */
    uint32_t collection;  /* its number in the journal */
    arms_beginning begun; /* it counts what came behind */
    int64_t until_ms;     /* of the newest impression counted */
    unit *unit;           /* [room] open addressing */
    uint64_t n_units, room;
    uint64_t turned_away; /* units beyond UNITS_MOST */
    uint64_t events, joined;
    arm_tally *arm;       /* [x.n_arms] */
    uint64_t look_ns;     /* CLOCK_MONOTONIC of the guards' next look */
    bool ratio_told;      /* the sample-ratio alarm stands in the log already */
} tally;

tally *tally_new(const config_experiment *x);
void tally_free(tally *t);
void tally_clear(tally *t); /* all counts; where it begins stays */
void tally_adopt(tally *t, tally *old); /* the counts of the same arms; `old` is left empty */
/* The unit's sums, made when new, until the next call; NULL: no room. */
unit_sums *tally_unit(tally *t, uint64_t key, uint32_t arm);
uint64_t tally_key(experiment_unit kind, const char *id);
/* Moments of each arm: of its units in the table and of closed ones. */
void tally_moments(const tally *t, moments *by_arm /* [n_arms] */);
void moments_add(moments *m, const unit_sums *u);
/* Remembers the comparison of an arm as it is. */
/* What an arm is judged by: its own and control's; once it is stopped, as of then. */
typedef struct arm_moments {
    const moments *own, *control;
} arm_moments;
arm_moments tally_judged(const tally *t, uint32_t arm, const moments *by_arm);
void tally_freeze(tally *t, uint32_t arm, const moments *by_arm);
uint32_t tally_arm(const tally *t, const char *name); /* UINT32_MAX: none */

/* ---- what was shown and is still open (open.c) -------------------------------------------------------------------------- */

typedef struct open_exposure {
    tally *tally; /* NULL: gone */
    uint64_t key; /* of the unit; 0: the request is one, and `own` are its sums */
    uint32_t arm;
    bool clicked;
    unit_sums own;
} open_exposure;

typedef struct open_request {
    uint64_t request, person; /* hashes */
    int64_t time_ms, logged_ms;
    uint32_t collection, first_position, n_items, n_exposures;
    bool later_page;
    struct open_request *younger, *same_request, *person_before, *person_after;
    open_exposure *exposure; /* [n_exposures] */
    uint32_t *item;          /* [n_items] */
} open_request;

typedef struct open_requests {
    open_request *oldest, *youngest, **by_request, **by_person;
    uint64_t n, room;
    uint64_t dropped; /* before their window was over, for want of room */
} open_requests;

enum { OPEN_MOST = 1 << 19 };

open_request *open_new(uint32_t n_exposures, uint32_t n_items);
void open_add(open_requests *o, open_request *r);
open_request *open_find(const open_requests *o, uint64_t request);
/* The newest before or at `time_ms` that showed one of the items to the person. */
open_request *open_find_shown(const open_requests *o, uint64_t person, uint32_t collection, const uint32_t *item, uint32_t n,
                              int64_t time_ms);
/* Closes what was logged before; what is a request's own sums goes to its arm. */
void open_expire(open_requests *o, int64_t logged_before_ms);
void open_change_tally(open_requests *o, const tally *was, tally *is);
void open_forget_tally(open_requests *o, const tally *t);
void open_clear(open_requests *o);
/* Sums of requests that are units themselves and still open. */
void open_moments(const open_requests *o, const tally *t, moments *by_arm);
/* Place of an item, from 1; 0: not shown. */
uint32_t open_position(const open_request *r, uint32_t item);

/* ---- the whole (experiments.c) ------------------------------------------------------------------------------------------ */

/* The next record of a log that matters here. */
typedef struct log_head {
    journal *log;
    journal_reader *reader; /* the thread's */
    arena *memory;
    uint64_t at; /* looked at so far, the head included */
    record *next; /* NULL: not found yet */
    bool exhausted;
} log_head;

/* How far the main journal had come when impressions were answered, and when those were written: rising, a mark in MARK_MS at most. */
enum { ANSWERED_MARKS = 256, MARK_MS = 50 };
typedef struct answered_marks {
    struct {
        uint64_t at;
        int64_t written_ms;
    } mark[ANSWERED_MARKS]; /* a ring from `first` on */
    uint32_t first, n;
} answered_marks;

struct experiments {
    engine *engine;
    arms *arms;
    journal *main, *impressions;
    pthread_mutex_t lock; /* of all below, but for the cells' flags */
    pthread_cond_t wake;
    pthread_t thread;
    bool running, stopping, woken;
    tally **tally; /* [n_tallies] */
    uint32_t n_tallies;
    open_requests open;
    log_head main_head, impressions_head;
    answered_marks answered;
    bool again;                       /* tallies were added: count anew from the earliest beginning */
    bool caught_up;
    uint64_t failed_ns; /* of the last failure to read, so that it is told once a minute */
};

/* Moments with those of requests that are units and still open. */
void experiments_moments(const experiments *g, const tally *t, moments *by_arm);

/* follow.c; on the thread. One step under the lock; true: there is more to do now. */
bool follow_step(experiments *g);
void follow_rewind(experiments *g); /* to the earliest beginning, all counts zero */

/* guard.c; on the thread */
void guards_look(experiments *g);
/* The p value of each guard of an arm, and how much worse. */
typedef struct guard_look {
    double p, worse, stops_below;
} guard_look;
void guard_judge(const tally *t, uint32_t arm, const config_guard *guard, const moments *by_arm, guard_look *out);

void report_fill(experiments *g, const config_experiment *x, const tally *t, double lift, arena *a,
                 Sinter__V1__GetExperimentReportResponse *out);
#define RATIO_ALARM 0.001 /* a p below: no figure can be trusted */
/* p of the sample ratio; *expected [n_arms], 0 for those left out. 1: nothing to tell. */
double report_ratio(const tally *t, const experiments *g, double *expected);

#endif
