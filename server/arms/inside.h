/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to arms: what the journal says of experiments. */
#ifndef SINTER_ARMS_INSIDE_H
#define SINTER_ARMS_INSIDE_H

#include "arms/arms.h"

/* One arm, or the whole experiment, under one salt. Cells never move. */
typedef struct stop_cell {
    char *experiment, *salt, *arm;
    atomic_bool stopped;
    char *who, *why; /* who NULL: nothing is recorded of it */
    int64_t time_ms;
    struct stop_cell *next;
} stop_cell;

typedef struct beginning {
    char *experiment;
    uint64_t version;
    arms_beginning at;
    struct beginning *next;
} beginning;

struct arms {
    journal *main, *impressions;
    pthread_mutex_t append; /* one change at a time; also of the reader and its memory */
    journal_reader *reader;
    arena *memory;
    pthread_mutex_t lock; /* held for moments: of the lists, their texts, and beginnings */
    stop_cell *cell;
    beginning *begin;
};

stop_cell *arms_cell(arms *g, const char *experiment, const char *salt, const char *arm); /* under the lock */

#endif
