/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ring of a stream of batches. */
#include "stream.h"

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <stdlib.h>
#include <string.h>

/* A quarter of the journal's queue. */
static const uint64_t RECORDS_MOST = 16384;

stream *stream_of(call *c)
{
    pthread_mutex_lock(&c->lock); /* a drain may come before the first message */
    if (!c->state) {
        stream *s = xcalloc(1, sizeof *s);
        pthread_mutex_init(&s->lock, NULL);
        c->state = s;
    }
    stream *s = c->state;
    pthread_mutex_unlock(&c->lock);
    return s;
}

void stream_dispose(void *state)
{
    stream *s = state;
    for (uint32_t i = 0; i < STREAM_WINDOW; i++) {
        free(s->ring[i].head);
        if (s->ring[i].answer) grpc_byte_buffer_destroy(s->ring[i].answer);
    }
    pthread_mutex_destroy(&s->lock);
    free(s->collection);
    free(s);
}

/* Sends the oldest answer if it is there, or ends the stream. Under s->lock. */
static void pump(stream *s, call *c)
{
    if (s->sending) return;
    if (s->oldest == s->next) {
        if (s->refusal != SINTER_OK)
            call_fail(c, s->refusal, &s->refusal_error);
        else if (s->half_closed)
            call_end(c);
        return;
    }
    place *p = &s->ring[s->oldest % STREAM_WINDOW];
    if (!p->done) return;
    if (!p->answer) {
        call_fail(c, p->status, &p->error);
        return;
    }
    grpc_byte_buffer *b = p->answer;
    p->answer = NULL;
    s->sending = call_send_packed(c, b);
}

bool stream_goes_on(stream *s, call *c, const ProtobufCMessage *request)
{
    pthread_mutex_lock(&s->lock);
    if (!request) s->half_closed = true;
    bool over = !request || s->refusal != SINTER_OK;
    if (over) pump(s, c);
    pthread_mutex_unlock(&s->lock);
    return !over;
}

place *stream_take(stream *s, call *c)
{
    pthread_mutex_lock(&s->lock);
    place *p = &s->ring[s->next++ % STREAM_WINDOW];
    *p = (place){.c = c};
    pthread_mutex_unlock(&s->lock);
    return p;
}

void stream_head(place *p, const ProtobufCMessage *head, uint32_t records)
{
    stream *s = p->c->state;
    pthread_mutex_lock(&s->lock);
    p->records = records;
    s->under_way += records;
    pthread_mutex_unlock(&s->lock);
    p->head_n = protobuf_c_message_get_packed_size(head);
    p->head = xmalloc(p->head_n + 1);
    protobuf_c_message_pack(head, p->head);
}

void stream_fail(place *p, sinter_status status, const sinter_error *e)
{
    call *c = p->c;
    stream *s = c->state;
    pthread_mutex_lock(&s->lock);
    p->status = status;
    if (e) p->error = *e;
    p->done = true;
    pump(s, c);
    pthread_mutex_unlock(&s->lock);
}

void stream_answer(place *p, const ProtobufCMessage *tail)
{
    call *c = p->c;
    stream *s = c->state;
    grpc_byte_buffer *answer = message_pack_two((str){(const char *)p->head, p->head_n}, tail);
    free(p->head);
    p->head = NULL;
    pthread_mutex_lock(&s->lock);
    p->answer = answer;
    p->done = true;
    pump(s, c);
    pthread_mutex_unlock(&s->lock);
}

/* What a message says of the collection is meant by the ones after it, too. */
static void name_collection(stream *s, const char *named)
{
    if (!*named || (s->collection && strcmp(s->collection, named) == 0)) return;
    free(s->collection);
    s->collection = xstrdup(named);
}

sinter_status stream_items_check(stream *s, worker *w, const char *collection, const char *write_id, size_t n_items,
                                 const view_collection **v, sinter_error *e)
{
    enum { MOST_ITEMS = 1000 };
    name_collection(s, collection);
    sinter_status status = collection_find(w, s->collection ? s->collection : "", v, e);
    if (status == SINTER_OK && *write_id) status = ids_check((char *const *)&write_id, 1, 1, "write_id", e);
    if (status == SINTER_OK && n_items > MOST_ITEMS)
        status = error_set(e, SINTER_INVALID, "items", "send them in several messages of the stream",
                           "%zu items; a message holds at most %d", n_items, MOST_ITEMS);
    return status;
}

void stream_receive(stream *s, call *c)
{
    pthread_mutex_lock(&s->lock);
    bool room = s->next - s->oldest < STREAM_WINDOW && s->under_way < RECORDS_MOST;
    s->stalled = !room;
    pthread_mutex_unlock(&s->lock);
    if (room) call_receive(c);
}

/* On the receiver: the oldest answer has left; the next may go, and a stalled stream reads on. */
void stream_sent(call *c)
{
    stream *s = c->state;
    pthread_mutex_lock(&s->lock);
    s->sending = false;
    place *p = &s->ring[s->oldest++ % STREAM_WINDOW];
    s->under_way -= p->records;
    bool receive = s->stalled;
    s->stalled = false;
    pump(s, c);
    pthread_mutex_unlock(&s->lock);
    if (receive) call_receive(c);
}

/* A message that cannot be read, or a drain: what was taken before is answered first. */
void stream_refuse(call *c, sinter_status status, const sinter_error *e)
{
    stream *s = stream_of(c);
    pthread_mutex_lock(&s->lock);
    if (s->refusal == SINTER_OK) {
        s->refusal = status;
        s->refusal_error = *e;
    }
    pump(s, c);
    pthread_mutex_unlock(&s->lock);
}
