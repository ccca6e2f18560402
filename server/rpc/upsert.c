/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CatalogService.UpsertItems: a lane checks each batch of the stream and hands its valid items to the journal. */
#include "stream.h"

#include <stdio.h>

/* On the writer thread. */
static void stored(void *ctx, const journal_result *j)
{
    place *p = ctx;
    call *c = p->c;
    if (j->status == SINTER_OK) {
        Sinter__V1__UpsertItemsResponse tail = SINTER__V1__UPSERT_ITEMS_RESPONSE__INIT;
        tail.accepted = j->applied;
        tail.sequence = j->sequence;
        tail.repeated_write = j->repeated;
        stream_answer(p, &tail.base);
    } else {
        stream_fail(p, j->status, j->error);
    }
    call_release(c);
}

/* ---- a batch, on a lane ---- */

typedef struct batch {
    const view_collection *v;
    journal_op *op;
    uint32_t n;
    Sinter__V1__UpsertItemsResponse head;
} batch;

static void reject(batch *b, arena *a, uint32_t index, const Sinter__V1__Item *item,
                   Sinter__V1__FieldViolation **violations, size_t n)
{
    Sinter__V1__Rejected *r = item_rejected(a, index, item->id, SINTER__V1__REJECTED__CODE__CODE_INVALID);
    r->violations = violations;
    r->n_violations = n;
    b->head.rejected[b->head.n_rejected++] = r;
}

static void check_items(batch *b, arena *a, const Sinter__V1__UpsertItemsRequest *q)
{
    b->op = ARENA_ARRAY(a, journal_op, q->n_items);
    b->head.rejected = ARENA_ARRAY(a, Sinter__V1__Rejected *, q->n_items);
    for (size_t i = 0; i < q->n_items; i++) {
        char prefix[32];
        Sinter__V1__Item *normal;
        Sinter__V1__FieldViolation **violations;
        size_t n = 0;
        snprintf(prefix, sizeof prefix, "items[%zu]", i);
        if (catalog_check_item(b->v->catalog, q->items[i], prefix, a, &normal, &violations, &n) != SINTER_OK) {
            reject(b, a, (uint32_t)i, q->items[i], violations, n);
            continue;
        }
        b->op[b->n++] = (journal_op){.kind = JOURNAL_PUT,
                                     .collection = catalog_number(b->v->catalog),
                                     .id = str_of(normal->id),
                                     .bytes = message_bytes(&normal->base, a)};
    }
}

static sinter_status store(worker *w, stream *s, place *p, batch *b, const char *write_id, bool check_only, sinter_error *e)
{
    b->head.request_id = request_id_make(w->memory);
    stream_head(p, &b->head.base, check_only ? 0 : b->n);
    if (!b->n || check_only) {
        Sinter__V1__UpsertItemsResponse tail = SINTER__V1__UPSERT_ITEMS_RESPONSE__INIT;
        tail.accepted = b->n;
        stream_answer(p, &tail.base);
        return SINTER_OK;
    }
    journal_write write = {.write_id = write_id_scope(w->memory, "upsert", s->collection, write_id),
                           .op = b->op,
                           .n = b->n,
                           .fence = UINT64_MAX};
    call_reference(p->c);
    sinter_status status = journal_append(engine_journal(w->s->engine), &write, stored, p, e);
    if (status != SINTER_OK) call_release(p->c);
    return status;
}

void upsert_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const Sinter__V1__UpsertItemsRequest *q = (const Sinter__V1__UpsertItemsRequest *)request;
    stream *s = stream_of(c);
    if (!stream_goes_on(s, c, request)) return;
    sinter_error e = SINTER_ERROR_INIT;
    batch b = {.head = SINTER__V1__UPSERT_ITEMS_RESPONSE__INIT};
    place *p = stream_take(s, c);
    sinter_status status = stream_items_check(s, w, q->collection, q->write_id, q->n_items, &b.v, &e);
    if (status == SINTER_OK) {
        check_items(&b, w->memory, q);
        status = store(w, s, p, &b, q->write_id, q->check_only, &e);
    }
    if (status != SINTER_OK)
        stream_fail(p, status, &e);
    else
        stream_receive(s, c);
}
