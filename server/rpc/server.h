/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of this room share: the server, a call's life, and the table of methods.
 *
 * A call comes by gRPC (wire.c) or from inside the process, as JSON (guest.c); its life is the same (call.c). For a guest the
 * main loop stands where the receiver stands for gRPC.
 *
 * One receiver thread takes everything from gRPC's completion queue: new calls, messages, ends. It hands work to the
 * lanes through one queue, so that a single connection uses them all, and stays free to refuse, to answer health checks
 * and to see cancellations while every lane is busy. A lane, the journal's writer or the control thread finishes a call
 * with call_reply, call_fail or call_send from where it stands; completions come back to the receiver.
 *
 * A call is alive while somebody holds a reference: each operation in flight, the queue or lane that works on it, and
 * the answer that is still owed. Exactly one of call_reply, call_fail and call_end pays the answer; later ones do
 * nothing. */
#ifndef SINTER_RPC_SERVER_H
#define SINTER_RPC_SERVER_H

#include <grpc/grpc.h>
#include <pthread.h>
#include <protobuf-c/protobuf-c.h>
#include <uv.h>

#include "base/base.h"
#include "experiment/experiment.h"
#include "pipeline/pipeline.h"
#include "rpc/rpc.h"
#include <sinter/v1/catalog.pb-c.h>

typedef struct call call;
typedef struct method method;
typedef struct transport transport;
typedef struct worker worker;

/* Who runs a handler: a lane, or the receiver with a pipeline_lane of NULL. */
struct worker {
    server *s;
    arena *memory; /* empty at the start of each request */
    pipeline_lane *lane;
};

typedef enum { METHOD_UNARY, METHOD_SERVER_STREAM, METHOD_BIDI } method_kind;
typedef enum { ON_LANE, ON_RECEIVER } method_place; /* the receiver, or for a guest the main loop */

/* Runs with the unpacked request; the worker's memory dies on return. Unary: answers once, now or later. Server stream:
 * runs again after each call_send was taken by the transport (request as at first), until it ends. Bidi: once a
 * message; NULL when the client has sent its last; the next message is read when call_receive asks for it. */
typedef void method_run(worker *w, call *c, const ProtobufCMessage *request);

struct method {
    const char *service; /* full name */
    const char *name;
    method_kind kind;
    method_place place;
    bool writes;     /* to a collection: waits while an alias changes over */
    bool unlimited;  /* not counted against max_concurrent: health and reflection answer under overload */
    method_run *run; /* NULL: not built yet */
    const ProtobufCMessageDescriptor *request, *response;
    void (*sent)(call *c); /* bidi; on the receiver after a call_send; NULL: call_receive */
    /* Bidi: a message that could not be taken, or a drain; NULL: call_fail. */
    void (*refuse)(call *c, sinter_status status, const sinter_error *e);
    void (*dispose)(void *state); /* frees call.state */
    /* On the control or people thread, where it was pushed to; `a` lives as long as this call of it. */
    void (*control)(server *s, call *c, const ProtobufCMessage *request, arena *a);
};

extern const method METHODS[];
extern const size_t METHODS_N;
/* By "sinter.v1.SearchService/Search"; NULL: none. The one whose path is near; NULL: none is. */
const method *method_find(const char *path);
const method *method_near(const char *path);

/* What comes back from the completion queue: who it is for and what to do. */
typedef struct tag {
    void (*fn)(call *c, bool ok);
    call *c;
} tag;

/* What carries a call. The rules of a call's life are call.c's. */
struct transport {
    bool json; /* bodies are JSON texts, not protobuf */
    /* The last thing sent; c->reply may be there. Once. False: it could not be started, nothing more will come of the call. */
    bool (*finish)(call *c, sinter_status status, const sinter_error *e);
    bool (*send)(call *c);    /* c->sending, under c->lock; call_sent follows. False: not possible */
    void (*receive)(call *c); /* under c->lock; call_message follows */
    void (*nudge)(call *c);   /* call_nudged follows, where this transport's calls are received */
    void (*free)(call *c);    /* frees the call itself too */
};

struct call {
    server *s;
    const method *m; /* NULL: a method that this server does not have */
    const transport *by;
    grpc_byte_buffer *payload; /* the request, or the newest message of a stream: protobuf, or a guest's JSON */
    str wire;                  /* the handler's: the message in protobuf; a guest has none, see call_wire */
    atomic_int references;
    atomic_bool answered;  /* the final batch was started, or is about to */
    atomic_bool cancelled; /* by the client, its deadline, or a drain out of patience */
    atomic_bool nudged;
    bool admitted, lasting; /* counted in max_concurrent; in the list of streams */
    bool waited;            /* a read that was parked */
    uint64_t deadline_ns;   /* CLOCK_MONOTONIC; UINT64_MAX: none */
    uint64_t arrived_ns;
    uint64_t queued_ns;   /* when it was handed to the lanes last */
    pthread_mutex_t lock; /* streams: sends and the answer */
    grpc_byte_buffer *sending, *reply;
    void *state; /* of a stream's handler */
    call *next;  /* in a queue */
    call *stream_next, **stream_link;
};

/* FIFO of calls, blocking. */
typedef struct call_queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    call *first, **last;
    bool closed;
} call_queue;
void queue_init(call_queue *q);
void queue_push(call_queue *q, call *c);
call *queue_take(call_queue *q); /* NULL: closed and empty */
/* The same, no longer than until `ns` of CLOCK_MONOTONIC; NULL: nothing came. *open: false once it is closed and empty. */
call *queue_take_until(call_queue *q, uint64_t ns, bool *open);
void queue_close(call_queue *q);
void queue_destroy(call_queue *q);

/* X(name, help): counters of GetStatus. */
#define SERVER_COUNTERS(X)                                                                                             \
    X(requests, "calls of known methods that came in")                                                                 \
    X(errors, "calls answered with a status other than OK")                                                            \
    X(refused_overload, "calls refused beyond max_concurrent")                                                         \
    X(cancelled, "calls that the client or its deadline ended before the answer")                                      \
    X(unknown_methods, "calls of methods that this server does not have")                                              \
    X(reloads, "reloads that published a snapshot")                                                                    \
    X(swaps, "swaps of plugins that published a snapshot")                                                             \
    X(swaps_refused, "swaps of plugins refused")                                                                       \
    X(reloads_refused, "reloads refused")                                                                              \
    X(events_accepted, "events recorded")                                                                              \
    X(events_repeated, "events that had been recorded before")                                                         \
    X(events_rejected, "events that were not recorded for what they say")

typedef struct server_counters {
#define X(name, help) atomic_uint_fast64_t name;
    SERVER_COUNTERS(X)
#undef X
} server_counters;

/* What one thread's answers came to: a stripe a lane, and one for all other threads. */
#define STATUS_CODES 17u /* of google.rpc.Code */
typedef struct method_figures {
    _Atomic uint64_t answered[STATUS_CODES];
    histogram seconds; /* from arrival to answer */
} method_figures;
typedef struct stripe {
    method_figures *method; /* [METHODS_N] */
    histogram queued;       /* from the queue's end to a lane */
    _Atomic uint64_t busy_ns, calls;
    _Atomic uint64_t since_ns; /* a lane at work: since when; else 0 */
} stripe;

typedef struct reflection reflection; /* reflection.c */
typedef struct guests guests;         /* guest.c */

struct server {
    config_server limits; /* copied: the configuration's own memory may be replaced by a reload */
    engine *engine;
    experiments *experiments;
    uint32_t lanes;
    int64_t started_ms;
    grpc_server *grpc;
    grpc_completion_queue *queue;
    void **registered; /* [METHODS_N] gRPC's handle of each method */
    call_queue lane_queue, control_queue, people_queue;
    pthread_t *lane_thread; /* [lanes] */
    stripe *stripe;         /* [lanes + 1] */
    pthread_t receiver_thread, control_thread, people_thread;
    atomic_int live;     /* calls that arrived and are not freed */
    atomic_int admitted; /* calls admitted and not answered */
    atomic_bool draining;
    bool shut; /* the receiver: gRPC has no more calls for us */
    arena *receiver_memory;
    tag on_shutdown;
    call shutdown_call;         /* carries the server to on_shutdown */
    guests *guests;
    void (*drained)(void *ctx); /* on the receiver thread, once, when the last call has gone */
    void *drained_ctx;
    pthread_mutex_t streams_lock;
    call *streams;
    server_counters count;
    atomic_bool writes_held, copying;
    pthread_mutex_t held_lock, copy_lock; /* copy_lock: no step of a copy while somebody is erased, who might come back with it */
    call *held; /* writes that wait, newest first */
    atomic_bool views_ready, reload_wanted;
    call reload_signal; /* in the control queue: a SIGHUP */
    reflection *reflection;
};

/* ---- server.c: gRPC's server and its threads ---- */
sinter_status server_start(server *s, const char *listen, int *port, sinter_error *e);
void server_drain(server *s);  /* no new calls; streams are told to end */
void server_cancel(server *s); /* the grace is over */
void server_stop(server *s);   /* after `drained`: joins threads, frees gRPC's server */

/* ---- wire.c: calls by gRPC ---- */
void wire_post(server *s, const method *m, void *registered); /* asks gRPC for the next call of a method */

/* ---- guest.c: calls from inside the process; rpc.h has the rest ---- */
sinter_status guests_open(server *s, uv_loop_t *loop, sinter_error *e);
arena *guests_memory(server *s); /* of handlers that run on the main loop */
void guests_cancel(server *s);   /* the grace is over */
void guests_end(server *s);    /* main loop, when drained */
void guests_close(server *s);  /* after the loop */

/* ---- call.c: a call's life ---- */
void call_init(call *c, server *s, const method *m, const transport *by); /* with one reference, for the answer owed */
/* Work of a call that goes through the lanes by itself: nothing carries it, it answers nothing, and is freed when it is released.
 * `m` runs it, with a request of NULL; its dispose frees `state`. */
call *call_inner(call *outer, const method *m, void *state);
void call_reference(call *c);
void call_release(call *c);
/* Where calls are received: a new call of a method that is there, its request in hand where the method is no bidi stream. */
void call_begin(call *c);
/* The same place: the next message of a bidi stream (NULL: the client has sent its last); what was sent has left, or could not;
 * the client has gone (CANCELLED), or the call ends for another reason and is answered so; a nudge has come; the answer is out. */
void call_message(call *c, grpc_byte_buffer *b);
void call_sent(call *c, bool ok);
void call_left(call *c, sinter_status why);
void call_nudged(call *c);
void call_answered(call *c);
/* The request's protobuf bytes, while its handler runs; a guest's are packed into `a`. */
str call_wire(call *c, const ProtobufCMessage *request, arena *a);
/* Packs the answer and ends the call with OK; the message may die on return. */
void call_reply(call *c, const ProtobufCMessage *m);
void call_reply_packed(call *c, grpc_byte_buffer *b); /* takes the buffer */
void call_fail(call *c, sinter_status status, const sinter_error *e);
void call_answer(call *c, sinter_status status, const ProtobufCMessage *m, const sinter_error *e); /* one of the two, by the status */
void call_end(call *c); /* streams: OK, no more messages */
/* Streams: one message; one at a time, until sent. False: the call is over. */
bool call_send(call *c, const ProtobufCMessage *m);
bool call_send_packed(call *c, grpc_byte_buffer *b); /* takes the buffer */
/* Bidi: reads the next message. */
void call_receive(call *c);
/* Runs the handler again on the receiver: drains and health changes. [any thread that holds a reference] */
void call_nudge(call *c);
/* Hands a call (and a reference) to the lanes or, where its method says so, runs it here. */
void call_dispatch(call *c);
/* The call's newest message once more, in `a`: where it outlives the lane that took it. */
sinter_status call_read(const call *c, arena *a, ProtobufCMessage **out, sinter_error *e);
/* Reads the payload and runs the handler. */
void call_run(worker *w, call *c);
/* park.c: leaves the lane until every write up to `sequence` is shown, then runs the handler again with c->waited set; where
 * it cannot wait, the call has failed. */
void call_park(call *c, uint64_t sequence);
/* Whether a search that wants to see a write must wait for it; false too where there is no such collection: the pipeline refuses it. */
bool write_is_awaited(worker *w, const char *collection, uint64_t after_sequence);
/* Why the wait for it failed. */
void wait_error(sinter_status status, sinter_error *e);
bool call_over(call *c); /* cancelled or past its deadline: answered so here */

/* ---- lanes.c ---- */
stripe *lanes_stripe(server *s); /* of this thread */
sinter_status lanes_start(server *s, sinter_error *e);
void lanes_stop(server *s);

/* ---- control.c: seconds-long work, one thing at a time ---- */
sinter_status control_start(server *s, sinter_error *e);
void control_stop(server *s);
void control_reload(server *s); /* SIGHUP */
void control_work(server *s, call *c); /* what a method's `control` does with it */
typedef void method_control(server *s, call *c, const ProtobufCMessage *request, arena *a);
method_control reload_control, deploy_control, models_control, swap_control, rollback_control, snapshots_control, replay_control,
    missing_control, report_control, experiments_control, stop_experiment_control, start_experiment_control;
sinter_status order_check(const char *who, const char *why, sinter_error *e); /* their lengths */

/* ---- hold.c ---- */
/* On a lane, inside its epoch: true, and the call waits for the release, when writes are held. */
bool writes_wait(server *s, call *c);
/* Control: from its return on no write is under way, and none begins; false: one takes too long (release all the same). */
bool writes_hold(server *s, uint64_t patience_ns);
void writes_release(server *s);

/* ---- users.c: what goes through whole journals, one thing at a time ---- */
method_control get_user_people, erase_user_people;
sinter_status people_start(server *s, sinter_error *e);
void people_stop(server *s);

/* ---- handlers, one file a service ---- */
method_run search_run, multi_search_run, suggest_run;
void multi_search_dispose(void *state);
method_run copy_run;
method_control set_alias_control, copy_control;
void copy_dispose(void *state);
method_run upsert_run, update_run, delete_run, get_run, list_run, list_collections_run;
method_run record_events_run, stream_events_run, list_events_run;
method_run put_user_run, get_user_run, erase_user_run;
method_run log_level_run, status_run, control_run;
method_run health_check_run, health_watch_run;
method_run reflection_run;
void list_dispose(void *state);
void sweep_dispose(void *state);
/* delete_filter.c: DeleteItems by a filter; every run of the handler comes here. */
void sweep_run(worker *w, call *c, const Sinter__V1__DeleteItemsRequest *q, const view_collection *v);
void watch_dispose(void *state);
void record_events_dispose(void *state);

/* health.c: asks the views whether they are ready and tells who watches. Main loop, now and then. */
void health_update(server *s);

/* reflection.c */
sinter_status reflection_new(reflection **out, sinter_error *e); /* reads the embedded descriptors */
void reflection_free(reflection *r);

/* ---- metrics.c ---- */
void metrics_init(server *s);
void metrics_free(server *s);
void server_metrics(server *s, scrape *m); /* between a lane's begin and end */
Sinter__V1__Metric **metrics_of(const scrape *m, arena *a, size_t *n);

/* ---- small things (message.c) ---- */

/* Where a message may not be taken as it is: see message.c. */
sinter_status message_unpack(const ProtobufCMessageDescriptor *d, str wire, uint64_t max_bytes, arena *a,
                             ProtobufCMessage **out, sinter_error *e);
grpc_byte_buffer *message_pack(const ProtobufCMessage *m);
grpc_byte_buffer *message_json(const ProtobufCMessage *m);
str message_bytes(const ProtobufCMessage *m, arena *a); /* packed */
grpc_byte_buffer *payload_of(grpc_slice slice);         /* takes the slice */
grpc_byte_buffer *message_pack_two(str head, const ProtobufCMessage *tail); /* `head`: fields packed already */
/* The bytes of a buffer, in place where gRPC holds them in one piece. `held` keeps them; unref it. */
str payload_bytes(grpc_byte_buffer *b, grpc_slice *held);

/* ---- status.c ---- */
grpc_status_code status_code(sinter_status s);
/* The error in one line, or what the status means. */
const char *status_message(sinter_status s, const sinter_error *e, char *line, size_t size);
/* Packed google.rpc.Status with BadRequest or RetryInfo. */
grpc_slice status_details(sinter_status s, const sinter_error *e, const char *message);
#define RETRY_AFTER_MS 250

/* ---- collections.c: what the catalogue's handlers share ---- */
/* The collection of a request in the newest view set; NOT_FOUND with near names, INVALID when empty. */
sinter_status collection_find(worker *w, const char *name, const view_collection **out, sinter_error *e);
sinter_status ids_check(char *const *ids, size_t n, size_t most, const char *field, sinter_error *e);
sinter_status fields_check(const view_collection *v, char *const *fields, size_t n, sinter_error *e);
/* Keeps the fields of an item that are named ("*": all, "price*": all that begin so) and stored, or also those that are not. */
void fields_mask(const view_collection *v, Sinter__V1__Item *item, char *const *fields, size_t n, bool unstored);
char *request_id_make(arena *a);
/* What is told of an item that was not taken; an id too long to be one is left out. The texts are not copied. */
Sinter__V1__Rejected *item_rejected(arena *a, uint32_t index, char *id, Sinter__V1__Rejected__Code code);
Sinter__V1__FieldViolation *item_violation(arena *a, char *field, char *description);
/* Newest acknowledged item of a sequence, in `a`. NOT_FOUND: gone since. */
sinter_status item_read(worker *w, uint64_t sequence, Sinter__V1__Item **out, sinter_error *e);
/* A write id of a method and collection, at most 256 bytes. */
str write_id_scope(arena *a, const char *verb, const char *collection, const char *write_id);

#endif
