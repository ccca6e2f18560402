/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What every call of a role does around the plugin's function: results, counters, guarded arrays. */
#ifndef SINTER_PLUGIN_CALL_H
#define SINTER_PLUGIN_CALL_H

#include "inside.h"

uint64_t result_begin(plugin_result *r);
void result_end(plugin_result *r, plugin_instance *i, uint64_t started, uint32_t rows);
/* Turns a plugin's status that is not OK into an outcome. Returns the status. */
sinter_status result_status(plugin_result *r, sinter_status s, const plugin_instance *i);
sinter_status result_fault(plugin_result *r, plugin_outcome o, const plugin_instance *i, const char *what);
/* Makes what a plugin wrote into an error record fit to be shown; returns its status. */
sinter_status error_tidy(sinter_error *e, sinter_status s, const plugin_instance *i);
sinter_worker *lane_worker(const plugin_instance *i, const plugin_call *c);
/* n floats of NaN, then a guard that guard_whole finds broken when something was written behind them. */
float *guarded_floats(arena *a, uint32_t n);
uint32_t *guarded_ids(arena *a, uint32_t n);
bool guard_whole(const void *p, uint32_t n);
bool sums_to(double sum, double score); /* within 1e-5 × max(1, |score|) */

#endif
