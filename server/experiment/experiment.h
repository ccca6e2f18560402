/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Experiments: what people did in each arm, what that tells, and when an arm must stop. Who is in which arm, and what is stopped,
 * stands below the pipeline: arms/arms.h.
 *
 * Counting (follow.c, open.c, tally.c) tails both logs on a thread of its own and joins events to what was shown; nothing of it
 * runs on a lane. The report (report.c, stats.c) is computed from the sums of each unit when it is asked for. Guards (guard.c)
 * look at the same sums every few seconds and stop an arm that is worse.
 *
 * Statistics: differences of ratios with the delta method over units (Deng, Knoblich, Lu: Applying the Delta Method in Metric
 * Analytics, KDD 2018), because one unit makes many requests. Guards are looked at without end, so they use tests that hold
 * at every look together: for means the normal mixture of Robbins as e-value (Johari, Koomen, Pekelis, Walsh: Always Valid
 * Inference, Operations Research 2022; Waudby-Smith and others: Time-uniform central limit theory and asymptotic confidence
 * sequences, Annals of Statistics 2024), for the 99th percentile of latency the beta-binomial mixture over counts above a
 * quantile (Howard, Ramdas: Sequential estimation of quantiles, Bernoulli 2022).
 *
 * Threads: the functions here on the control thread, or where no lane waits for them; what they share with the room's own thread
 * is under a lock. */
#ifndef SINTER_EXPERIMENT_H
#define SINTER_EXPERIMENT_H

#include "base/base.h"
#include "config/config.h"
#include "pipeline/pipeline.h"
#include <sinter/v1/admin.pb-c.h>

/* ---- the running house of them ---------------------------------------------------------------------------------------- */

typedef struct experiments experiments;
/* Counts and guards the experiments of the engine's running configuration, from here on. Hears of every snapshot that the
 * engine publishes. */
sinter_status experiments_open(engine *g, experiments **out, sinter_error *e);
void experiments_close(experiments *g); /* before engine_close */

/* Counts everything anew from the logs: somebody was erased from them. Nothing is kept of who was counted before. */
void experiments_recount(experiments *g);

/* All answers in `a`. NOT_FOUND names near ones. */
void experiments_list(experiments *g, const config *c, arena *a, Sinter__V1__ExperimentInfo ***out, size_t *n);
sinter_status experiments_report(experiments *g, const config *c, const char *name, double lift, arena *a,
                                 Sinter__V1__GetExperimentReportResponse *out, sinter_error *e);
sinter_status experiments_stop(experiments *g, const config *c, const char *name, const arms_order *o, arena *a, uint64_t *sequence,
                               Sinter__V1__ExperimentInfo **out, sinter_error *e);
sinter_status experiments_resume(experiments *g, const config *c, const char *name, const arms_order *o, arena *a, uint64_t *sequence,
                                 Sinter__V1__ExperimentInfo **out, sinter_error *e);

#endif
