/* SPDX-License-Identifier: GPL-3.0-or-later */
/* EventService.ListEvents: the journal walked for one collection's events, a page a message. */
#include "server.h"

#include <stdlib.h>
#include <sinter/v1/events.pb-c.h>

#define PAGE_DEFAULT 1000u
#define PAGE_MOST    10000u
#define PAGE_BYTES   (1u << 20)
#define WALK_RECORDS 20000u /* a turn of the lane */

typedef struct place_in_log {
    uint64_t at, until;
    uint32_t collection;
} place_in_log;

typedef struct page {
    place_in_log *at;
    arena *a;
    uint32_t size;
    size_t bytes;
    sinter_status status;
    Sinter__V1__ListEventsResponse r;
} page;

/* The record dies with the call: a copy goes into the lane's memory. */
static bool take(void *ctx, const Sinter__Storage__V1__Record *rec)
{
    page *p = ctx;
    if (rec->sequence > p->at->until) return false;
    p->at->at = rec->sequence;
    if (rec->body_case != SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT || rec->event_put->collection != p->at->collection ||
        !rec->event_put->event)
        return true;
    ProtobufCMessage *copy;
    str bytes = message_bytes(&rec->event_put->event->base, p->a);
    p->status = message_unpack(&sinter__v1__event__descriptor, bytes, UINT64_C(64) << 20, p->a, &copy, NULL);
    if (p->status != SINTER_OK) return false;
    p->r.events[p->r.n_events++] = (Sinter__V1__Event *)copy;
    p->bytes += bytes.n;
    return p->r.n_events < p->size && p->bytes < PAGE_BYTES;
}

static sinter_status begin(worker *w, call *c, const Sinter__V1__ListEventsRequest *q, sinter_error *e)
{
    const view_collection *v;
    uint64_t last = journal_last_sequence(engine_journal(w->s->engine));
    sinter_status status = collection_find(w, q->collection, &v, e);
    if (status == SINTER_OK && q->page_size > PAGE_MOST)
        status = error_set(e, SINTER_INVALID, "page_size", "0 means 1,000", "%u; at most %u", q->page_size, PAGE_MOST);
    if (status != SINTER_OK) return status;
    place_in_log *at = xcalloc(1, sizeof *at);
    *at = (place_in_log){.at = q->after_sequence, .until = last, .collection = catalog_number(v->catalog)};
    if (q->until_sequence && q->until_sequence < last) at->until = q->until_sequence;
    c->state = at;
    return SINTER_OK;
}

void list_events_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const Sinter__V1__ListEventsRequest *q = (const Sinter__V1__ListEventsRequest *)request;
    sinter_error e = SINTER_ERROR_INIT;
    sinter_status status = c->state ? SINTER_OK : begin(w, c, q, &e);
    page p = {.at = c->state, .a = w->memory, .size = q->page_size ? q->page_size : PAGE_DEFAULT, .r = SINTER__V1__LIST_EVENTS_RESPONSE__INIT};
    if (status == SINTER_OK && p.at->at >= p.at->until) {
        call_end(c);
        return;
    }
    if (status == SINTER_OK) {
        uint64_t last;
        p.r.events = ARENA_ARRAY(w->memory, Sinter__V1__Event *, p.size + 1);
        status = journal_tail(pipeline_lane_journal(w->lane), p.at->at, WALK_RECORDS, take, &p, &last, &e);
        if (status == SINTER_OK) status = p.status;
        if (last >= p.at->until || (status == SINTER_OK && last == p.at->at && !p.r.n_events)) p.at->at = p.at->until;
    }
    if (status != SINTER_OK) {
        call_fail(c, status, &e);
        return;
    }
    p.r.request_id = request_id_make(w->memory);
    p.r.sequence = p.at->at;
    p.r.until_sequence = p.at->until;
    call_send(c, &p.r.base);
}
