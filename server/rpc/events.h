/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A batch of events on its way from the wire to the journal: what RecordEvents and StreamEvents share. */
#ifndef SINTER_RPC_EVENTS_H
#define SINTER_RPC_EVENTS_H

#include "server.h"

#include <sinter/v1/events.pb-c.h>

typedef struct event_batch {
    journal_op *op; /* [n] of the accepted ones */
    uint32_t n;
    Sinter__V1__EventRejected **rejected; /* [n_rejected] */
    uint32_t n_rejected;
} event_batch;

/* Checks each event by itself, completes it (id, time) and packs it for the journal, all in the worker's memory.
 * INVALID: too many for one message. */
sinter_status events_check(worker *w, Sinter__V1__Event *const *events, size_t n, event_batch *out, sinter_error *e);

/* Whether a value has a member set, and a number is finite. */
bool event_value_known(const Sinter__V1__Value *v);

#endif
