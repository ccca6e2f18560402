/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Streams of batches that are written to the journal (UpsertItems, StreamEvents): answers leave in the order of their
 * batches, with several batches on their way to the disk at once.
 *
 * A lane takes a place in a ring for each message, checks it and hands it to the journal; the writer's completion fills
 * the place; whoever filled the oldest sends. One message is read at a time, and none while the ring is full or many
 * records are under way. An answer is made of two pieces, the lane's (head) and the writer's (tail): protobuf's fields
 * may come in pieces. */
#ifndef SINTER_RPC_STREAM_H
#define SINTER_RPC_STREAM_H

#include "server.h"

#define STREAM_WINDOW 16u

typedef struct stream stream;

typedef struct place {
    call *c;
    uint32_t records; /* handed to the journal */
    bool done;
    uint8_t *head; /* packed */
    size_t head_n;
    grpc_byte_buffer *answer; /* when done; NULL: the stream ends here with `status` */
    sinter_status status;
    sinter_error error;
} place;

struct stream {
    pthread_mutex_t lock;
    place ring[STREAM_WINDOW];
    uint32_t oldest, next; /* places in use: oldest ≤ i < next, each at i % STREAM_WINDOW */
    uint64_t under_way;    /* records of the places in use */
    bool sending, stalled, half_closed;
    sinter_status refusal; /* ends the stream once every batch taken before is answered */
    sinter_error refusal_error;
    char *collection; /* UpsertItems, UpdateItems: named by a message, meant by the ones after it */
};

stream *stream_of(call *c);
/* First in a handler; NULL `request`: the client has sent its last. False: nothing more is taken. */
bool stream_goes_on(stream *s, call *c, const ProtobufCMessage *request);
place *stream_take(stream *s, call *c);
/* The lane's piece of the answer, before `records` go to the journal. */
void stream_head(place *p, const ProtobufCMessage *head, uint32_t records);
/* Each finishes the place. */
void stream_answer(place *p, const ProtobufCMessage *tail);
void stream_fail(place *p, sinter_status status, const sinter_error *e);
/* Batches of items: the collection that this message names, or one before it; a write id that may be one; not too many items. */
sinter_status stream_items_check(stream *s, worker *w, const char *collection, const char *write_id, size_t n_items,
                                 const view_collection **v, sinter_error *e);
/* Last in a handler: asks for the next message, or leaves that to stream_sent. The message is dead afterwards. */
void stream_receive(stream *s, call *c);

/* Of the method's row. */
void stream_sent(call *c);
void stream_refuse(call *c, sinter_status status, const sinter_error *e);
void stream_dispose(void *state);

#endif
