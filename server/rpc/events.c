/* SPDX-License-Identifier: GPL-3.0-or-later */
/* EventService: RecordEvents and StreamEvents. A lane checks each event of a batch and hands the good ones to the
 * journal as one write; its writer answers when they are on disk. */
#include "events.h"
#include "stream.h"

#include <stdlib.h>
#include <string.h>

static void count_stored(server *s, const journal_result *j)
{
    atomic_fetch_add(&s->count.events_accepted, j->applied);
    atomic_fetch_add(&s->count.events_repeated, j->repeated_events);
}

static sinter_status append(worker *w, call *c, const event_batch *b, journal_done *done, void *ctx, sinter_error *e)
{
    journal_write write = {.op = b->op, .n = b->n, .fence = UINT64_MAX};
    call_reference(c);
    sinter_status status = journal_append(engine_journal(w->s->engine), &write, done, ctx, e);
    if (status != SINTER_OK) call_release(c);
    return status;
}

/* ---- RecordEvents ------------------------------------------------------------------------------------------------- */

/* The lane's piece of the answer, packed. */
typedef struct head {
    size_t n;
    uint8_t bytes[];
} head;

void record_events_dispose(void *state)
{
    free(state);
}

static void answer_recorded(call *c, const Sinter__V1__RecordEventsResponse *tail)
{
    const head *h = c->state;
    call_reply_packed(c, message_pack_two((str){(const char *)h->bytes, h->n}, &tail->base));
}

/* On the writer thread. */
static void recorded(void *ctx, const journal_result *j)
{
    call *c = ctx;
    if (j->status == SINTER_OK) {
        Sinter__V1__RecordEventsResponse tail = SINTER__V1__RECORD_EVENTS_RESPONSE__INIT;
        tail.accepted = j->applied;
        tail.repeated = j->repeated_events;
        tail.sequence = j->sequence;
        count_stored(c->s, j);
        answer_recorded(c, &tail);
    } else {
        call_fail(c, j->status, j->error);
    }
    call_release(c);
}

static void keep_head(worker *w, call *c, const event_batch *b)
{
    Sinter__V1__RecordEventsResponse r = SINTER__V1__RECORD_EVENTS_RESPONSE__INIT;
    r.request_id = request_id_make(w->memory);
    r.rejected = b->rejected;
    r.n_rejected = b->n_rejected;
    size_t n = sinter__v1__record_events_response__get_packed_size(&r);
    head *h = xmalloc(sizeof *h + n);
    h->n = n;
    sinter__v1__record_events_response__pack(&r, h->bytes);
    c->state = h;
}

void record_events_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const Sinter__V1__RecordEventsRequest *q = (const Sinter__V1__RecordEventsRequest *)request;
    sinter_error e = SINTER_ERROR_INIT;
    event_batch b;
    sinter_status status = events_check(w, q->events, q->n_events, &b, &e);
    if (status == SINTER_OK) {
        keep_head(w, c, &b);
        if (b.n) {
            status = append(w, c, &b, recorded, c, &e);
        } else {
            Sinter__V1__RecordEventsResponse nothing = SINTER__V1__RECORD_EVENTS_RESPONSE__INIT;
            answer_recorded(c, &nothing);
        }
    }
    if (status != SINTER_OK) call_fail(c, status, &e);
}

/* ---- StreamEvents ------------------------------------------------------------------------------------------------- */

/* On the writer thread. */
static void streamed(void *ctx, const journal_result *j)
{
    place *p = ctx;
    call *c = p->c;
    if (j->status == SINTER_OK) {
        Sinter__V1__StreamEventsResponse tail = SINTER__V1__STREAM_EVENTS_RESPONSE__INIT;
        tail.accepted = j->applied;
        tail.repeated = j->repeated_events;
        tail.sequence = j->sequence;
        count_stored(c->s, j);
        stream_answer(p, &tail.base);
    } else {
        stream_fail(p, j->status, j->error);
    }
    call_release(c);
}

static sinter_status store_batch(worker *w, call *c, place *p, const event_batch *b, sinter_error *e)
{
    Sinter__V1__StreamEventsResponse r = SINTER__V1__STREAM_EVENTS_RESPONSE__INIT;
    r.rejected = b->rejected;
    r.n_rejected = b->n_rejected;
    stream_head(p, &r.base, b->n);
    if (b->n) return append(w, c, b, streamed, p, e);
    Sinter__V1__StreamEventsResponse nothing = SINTER__V1__STREAM_EVENTS_RESPONSE__INIT;
    stream_answer(p, &nothing.base);
    return SINTER_OK;
}

void stream_events_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const Sinter__V1__StreamEventsRequest *q = (const Sinter__V1__StreamEventsRequest *)request;
    stream *s = stream_of(c);
    if (!stream_goes_on(s, c, request)) return;
    sinter_error e = SINTER_ERROR_INIT;
    event_batch b;
    place *p = stream_take(s, c);
    sinter_status status = events_check(w, q->events, q->n_events, &b, &e);
    if (status == SINTER_OK) status = store_batch(w, c, p, &b, &e);
    if (status != SINTER_OK)
        stream_fail(p, status, &e);
    else
        stream_receive(s, c);
}
