/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CatalogService.UpsertItems: batches in, answers out in their order, several batches on their way to the disk at once.
 *
 * A lane checks a batch and hands its valid items to the journal; the writer's completion fills the batch's place in a
 * ring; whoever filled the oldest place sends. One message is read at a time, and none while the ring is full. */
#include "server.h"

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW     16u
#define MOST_ITEMS 1000u

typedef struct place {
    call *c;
    uint32_t number;
    bool done;
    uint8_t *head; /* packed lane's part of the answer: request id and refusals */
    size_t head_n;
    grpc_byte_buffer *answer; /* when done; NULL: the stream ends here with `status` */
    sinter_status status;
    sinter_error error;
} place;

typedef struct upsert_stream {
    pthread_mutex_t lock;
    place ring[WINDOW];
    uint32_t oldest, next; /* places in use: oldest ≤ i < next, each at i % WINDOW */
    bool sending, stalled, half_closed;
    sinter_status refusal; /* ends the stream once every batch taken before is answered */
    sinter_error refusal_error;
    char *collection;
} upsert_stream;

static upsert_stream *stream_of(call *c)
{
    pthread_mutex_lock(&c->lock); /* a drain may come before the first message */
    if (!c->state) {
        upsert_stream *s = xcalloc(1, sizeof *s);
        pthread_mutex_init(&s->lock, NULL);
        c->state = s;
    }
    upsert_stream *s = c->state;
    pthread_mutex_unlock(&c->lock);
    return s;
}

void upsert_dispose(void *state)
{
    upsert_stream *s = state;
    for (uint32_t i = 0; i < WINDOW; i++) {
        free(s->ring[i].head);
        if (s->ring[i].answer) grpc_byte_buffer_destroy(s->ring[i].answer);
    }
    pthread_mutex_destroy(&s->lock);
    free(s->collection);
    free(s);
}

/* Sends the oldest answer if it is there, or ends the stream. Under s->lock. */
static void pump(upsert_stream *s, call *c)
{
    if (s->sending) return;
    if (s->oldest == s->next) {
        if (s->refusal != SINTER_OK)
            call_fail(c, s->refusal, &s->refusal_error);
        else if (s->half_closed)
            call_end(c);
        return;
    }
    place *p = &s->ring[s->oldest % WINDOW];
    if (!p->done) return;
    if (!p->answer) {
        call_fail(c, p->status, &p->error);
        return;
    }
    grpc_byte_buffer *b = p->answer;
    p->answer = NULL;
    s->sending = call_send_packed(c, b);
}

static place *place_take(upsert_stream *s, call *c)
{
    pthread_mutex_lock(&s->lock);
    place *p = &s->ring[s->next % WINDOW];
    *p = (place){.c = c, .number = s->next++};
    pthread_mutex_unlock(&s->lock);
    return p;
}

static void place_fail(upsert_stream *s, place *p, sinter_status status, const sinter_error *e)
{
    call *c = p->c;
    pthread_mutex_lock(&s->lock);
    p->status = status;
    if (e) p->error = *e;
    p->done = true;
    pump(s, c);
    pthread_mutex_unlock(&s->lock);
}

/* The lane's part of the answer and the writer's part make one message: protobuf's fields may come in pieces. */
static void place_answer(upsert_stream *s, place *p, const Sinter__V1__UpsertItemsResponse *tail)
{
    size_t n = sinter__v1__upsert_items_response__get_packed_size(tail);
    grpc_slice slice = grpc_slice_malloc(p->head_n + n);
    if (p->head_n) memcpy(GRPC_SLICE_START_PTR(slice), p->head, p->head_n);
    sinter__v1__upsert_items_response__pack(tail, GRPC_SLICE_START_PTR(slice) + p->head_n);
    free(p->head);
    p->head = NULL;
    call *c = p->c;
    pthread_mutex_lock(&s->lock);
    p->answer = grpc_raw_byte_buffer_create(&slice, 1);
    p->done = true;
    pump(s, c);
    pthread_mutex_unlock(&s->lock);
    grpc_slice_unref(slice);
}

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
        place_answer(c->state, p, &tail);
    } else {
        place_fail(c->state, p, j->status, j->error);
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
    Sinter__V1__Rejected *r = ARENA_NEW(a, Sinter__V1__Rejected);
    sinter__v1__rejected__init(r);
    r->index = index;
    r->id = strlen(item->id) <= 256 ? item->id : arena_strndup(a, "", 0);
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
        size_t size = sinter__v1__item__get_packed_size(normal);
        uint8_t *bytes = arena_alloc(a, size);
        sinter__v1__item__pack(normal, bytes);
        b->op[b->n++] = (journal_op){.kind = JOURNAL_PUT,
                                     .collection = catalog_number(b->v->catalog),
                                     .id = str_of(normal->id),
                                     .bytes = {(const char *)bytes, size}};
    }
}

static sinter_status check_batch(worker *w, upsert_stream *s, const Sinter__V1__UpsertItemsRequest *q,
                                 const view_collection **v, sinter_error *e)
{
    if (*q->collection && (!s->collection || strcmp(s->collection, q->collection) != 0)) {
        free(s->collection);
        s->collection = xstrdup(q->collection);
    }
    sinter_status status = collection_find(w, s->collection ? s->collection : "", v, e);
    if (status == SINTER_OK && *q->write_id) status = ids_check(&q->write_id, 1, 1, "write_id", e);
    if (status == SINTER_OK && q->n_items > MOST_ITEMS)
        status = error_set(e, SINTER_INVALID, "items", "send them in several messages of the stream",
                           "%zu items; a message holds at most %u", q->n_items, MOST_ITEMS);
    return status;
}

/* Asks for the next message, or leaves that to upsert_sent. Nothing of this message may be used afterwards. */
static void receive_next(upsert_stream *s, call *c)
{
    pthread_mutex_lock(&s->lock);
    bool room = s->next - s->oldest < WINDOW;
    s->stalled = !room;
    pthread_mutex_unlock(&s->lock);
    if (room) call_receive(c);
}

static sinter_status store(worker *w, upsert_stream *s, place *p, batch *b, const char *write_id, sinter_error *e)
{
    b->head.request_id = request_id_make(w->memory);
    p->head_n = sinter__v1__upsert_items_response__get_packed_size(&b->head);
    p->head = xmalloc(p->head_n);
    sinter__v1__upsert_items_response__pack(&b->head, p->head);
    if (!b->n) {
        Sinter__V1__UpsertItemsResponse tail = SINTER__V1__UPSERT_ITEMS_RESPONSE__INIT;
        place_answer(s, p, &tail);
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
    upsert_stream *s = stream_of(c);
    pthread_mutex_lock(&s->lock);
    if (!q) s->half_closed = true;
    bool over = !q || s->refusal != SINTER_OK;
    if (over) pump(s, c);
    pthread_mutex_unlock(&s->lock);
    if (over) return;

    sinter_error e = SINTER_ERROR_INIT;
    batch b = {.head = SINTER__V1__UPSERT_ITEMS_RESPONSE__INIT};
    place *p = place_take(s, c);
    sinter_status status = check_batch(w, s, q, &b.v, &e);
    if (status == SINTER_OK) {
        check_items(&b, w->memory, q);
        status = store(w, s, p, &b, q->write_id, &e);
    }
    if (status != SINTER_OK)
        place_fail(s, p, status, &e);
    else
        receive_next(s, c);
}

/* On the receiver: the oldest answer has left; the next may go, and a stalled stream reads on. */
void upsert_sent(call *c)
{
    upsert_stream *s = c->state;
    pthread_mutex_lock(&s->lock);
    s->sending = false;
    s->oldest++;
    bool receive = s->stalled;
    s->stalled = false;
    pump(s, c);
    pthread_mutex_unlock(&s->lock);
    if (receive) call_receive(c);
}

/* A message that cannot be read, or a drain: what was taken before is answered first. */
void upsert_refuse(call *c, sinter_status status, const sinter_error *e)
{
    upsert_stream *s = stream_of(c);
    pthread_mutex_lock(&s->lock);
    if (s->refusal == SINTER_OK) {
        s->refusal = status;
        s->refusal_error = *e;
    }
    pump(s, c);
    pthread_mutex_unlock(&s->lock);
}
