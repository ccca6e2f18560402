/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parts of `sinter evaluate`: arguments (evaluate.c), lists from a server (evaluate_ask.c), people's later events
 * (evaluate_split.c), figures (evaluate_report.c). */
#ifndef SINTER_COMMANDS_EVALUATE_H
#define SINTER_COMMANDS_EVALUATE_H

#include "base/base.h"
#include "commands/commands.h"
#include "learn/learn.h"
#include "options.h"
#include <sinter/v1/search.pb-c.h>

#define EVALUATE_MAX_SYSTEMS 32u
#define EVALUATE_MAX_METRICS 16u

/* A pipeline of the server, or a file of ranked lists. */
typedef struct evaluate_system {
    const char *name, *file; /* file NULL: asked of the server */
    ranked_list *list;       /* [n_queries] */
    ranked_run *run;         /* of a file */
    arena **memory;          /* [n_memory] of a server's answers */
    uint32_t n_memory;
    uint32_t degraded; /* answers in which a part did not do its work */
    char degraded_first[256];
    uint32_t corrected; /* queries that spelling changed */
    double seconds;
} evaluate_system;

typedef struct evaluate_arguments {
    const char *judgments, *queries, *split, *server, *per_query, *gain_name, *offset;
    option_list runs, metrics, compare, map;
    evaluate_system system[EVALUATE_MAX_SYSTEMS];
    metric metric[EVALUATE_MAX_METRICS];
    uint32_t n_systems, n_metrics;
    bool single[EVALUATE_MAX_SYSTEMS]; /* of --compare: differences are to the best of these; none: to the first system */
    gain_rule gain;
    uint64_t seed, in_flight;
    bool json, quiet, syntax;
} evaluate_arguments;

/* Asks the server every judged query through each pipeline, several at a time; an exit_code. A query that is refused or
 * lost ends the evaluation: a figure over the rest would be another figure. */
int evaluate_ask(evaluate_arguments *a, const judgments *j);
void evaluate_system_free(evaluate_system *s);

/* What people did later, as judgments (evaluate_split.c): --split and --map. */
sinter_status evaluate_split_check(const evaluate_arguments *a, sinter_error *e);
sinter_status evaluate_split_read(const evaluate_arguments *a, judgments **out, sinter_error *e);
/* The request of a person of the split: no words; everything but their own items is a candidate and goes through all stages. */
void evaluate_split_request(Sinter__V1__SearchRequest *r);
/* Says once what an answer notes, such as a history that is not whole. */
void evaluate_split_notes(const evaluate_arguments *a, const Sinter__V1__SearchResponse *r, bool *said);

/* Prints the table or the JSON, and writes the file of figures by query; an exit_code. */
int evaluate_report(const evaluate_arguments *a, const judgments *j);

/* Prints the error; returns the code. */
int evaluate_fail(const sinter_error *e, int code);

#endif
