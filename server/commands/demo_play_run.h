/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The connections of `sinter demo play`: requests from a number on, each person's on one connection and in order. */
#ifndef SINTER_DEMO_PLAY_RUN_H
#define SINTER_DEMO_PLAY_RUN_H

#include "commands/commands.h"
#include "demo_play.h"

#define PLAY_MOST_IN_FLIGHT 64u

typedef struct play_plan {
    const char *server, *collection, *pipeline;
    uint64_t seed, from, requests, in_flight, page_size;
    bool random_clicks, after_events, quiet;
} play_plan;

/* What happened; positions from 0. */
typedef struct play_tally {
    uint64_t requests, empty, degraded, hits, strangers, clicks, purchases; /* strangers: hits that are no item of the world */
    uint64_t shown_at[DEMO_POSITIONS], clicks_at[DEMO_POSITIONS];
    uint64_t accepted, repeated, retries;
    double utility, utility_first; /* sums over all hits, over the first ten of each page */
    uint64_t hits_first;
    uint64_t sequence; /* of the last events */
} play_tally;

typedef struct play_result {
    play_tally tally;
    uint64_t next;         /* number of the first request that was not played, where the run was whole or interrupted */
    uint64_t since, until; /* the journal's newest sequence before and after */
    double seconds;
    bool interrupted;
} play_result;

/* Plays; an exit_code, errors printed. The result holds what was done in any case. */
int play_run(const play_plan *plan, const demo_visitors *v, play_result *out);

#endif
