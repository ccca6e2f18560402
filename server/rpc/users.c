/* SPDX-License-Identifier: GPL-3.0-or-later */
/* EventService: PutUser, which a lane hands to the journal; GetUser and EraseUser, which go through whole journals and have a
 * thread of their own: minutes of it may hold up neither a lane nor a reload. */
#include "events.h"

#include <stdlib.h>
#include <string.h>

#include <sinter/storage/v1/journal.pb-c.h>

#define MOST_ATTRIBUTES 64u
#define MOST_BYTES      65536u
#define MOST_EVENTS     10000u

typedef Sinter__Storage__V1__UserPut user_put;

/* ---- PutUser ------------------------------------------------------------------------------------------------------ */

/* On the writer thread. */
static void stored(void *ctx, const journal_result *j)
{
    call *c = ctx;
    char id[37];
    if (j->status == SINTER_OK) {
        Sinter__V1__PutUserResponse r = SINTER__V1__PUT_USER_RESPONSE__INIT;
        uuid_make(id);
        r.request_id = id;
        r.sequence = j->sequence;
        r.repeated_write = j->repeated;
        call_reply(c, &r.base);
    } else {
        call_fail(c, j->status, j->error);
    }
    call_release(c);
}

static sinter_status check_one(const char *field, const char *id, bool required, sinter_error *e)
{
    if (!*id && !required) return SINTER_OK;
    const char *problem = id_problem(id, strlen(id));
    return problem ? error_set(e, SINTER_INVALID, field, "1 to 256 bytes of UTF-8 without control characters", "%s", problem) : SINTER_OK;
}

static sinter_status check_attributes(arena *a, const Sinter__V1__PutUserRequest *q, sinter_error *e)
{
    for (size_t i = 0; i < q->n_attributes; i++) {
        const char *key = q->attributes[i]->key, *problem = id_problem(key, strlen(key));
        const char *where = arena_printf(a, "attributes.%.256s", key);
        if (problem) return error_set(e, SINTER_INVALID, where, "a name of 1 to 256 bytes", "%s", problem);
        if (!event_value_known(q->attributes[i]->value))
            return error_set(e, SINTER_INVALID, where, "any value; numbers must be finite; name it in `remove` to forget it",
                             "has no value, or one that is no number");
    }
    return SINTER_OK;
}

static user_put *put_of(arena *a, const Sinter__V1__PutUserRequest *q)
{
    user_put *p = ARENA_NEW(a, user_put);
    sinter__storage__v1__user_put__init(p);
    p->user_id = q->user_id;
    p->remove = q->remove;
    p->n_remove = q->n_remove;
    p->replace = q->replace;
    p->attributes = ARENA_ARRAY(a, Sinter__Storage__V1__UserPut__AttributesEntry *, q->n_attributes + 1);
    for (size_t i = 0; i < q->n_attributes; i++) {
        Sinter__Storage__V1__UserPut__AttributesEntry *x = ARENA_NEW(a, Sinter__Storage__V1__UserPut__AttributesEntry);
        sinter__storage__v1__user_put__attributes_entry__init(x);
        x->key = q->attributes[i]->key;
        x->value = q->attributes[i]->value;
        p->attributes[p->n_attributes++] = x;
    }
    return p;
}

/* With what the newest views hold of the user: two calls at once may end a little above. */
static sinter_status check_room(worker *w, const user_put *p, sinter_error *e)
{
    const view_set *v = views_current(engine_views(w->s->engine));
    user_put after = *p, *before = NULL;
    if (v->n) before = profile_attributes_read(
        profile_attributes(profile_find_person(v->collection[0].profiles, str_of(p->user_id), (str){"", 0})), w->memory);
    profile_attributes_fold(before, p, w->memory, &after);
    if (after.n_attributes > MOST_ATTRIBUTES)
        return error_set(e, SINTER_INVALID, "attributes", "at most 64; `remove` forgets some", "there would be %zu", after.n_attributes);
    size_t bytes = sinter__storage__v1__user_put__get_packed_size(&after);
    if (bytes > MOST_BYTES)
        return error_set(e, SINTER_INVALID, "attributes", "at most 64 KiB in all", "they would have %zu bytes", bytes);
    return SINTER_OK;
}

static sinter_status put_user(worker *w, call *c, const Sinter__V1__PutUserRequest *q, sinter_error *e)
{
    sinter_status st = check_one("user_id", q->user_id, true, e);
    if (st == SINTER_OK) st = check_one("write_id", q->write_id, false, e);
    if (st == SINTER_OK) st = check_attributes(w->memory, q, e);
    if (st == SINTER_OK) st = ids_check(q->remove, q->n_remove, 1000, "remove", e);
    if (st) return st;
    user_put *p = put_of(w->memory, q);
    st = check_room(w, p, e);
    if (st) return st;
    Sinter__Storage__V1__Record rec = SINTER__STORAGE__V1__RECORD__INIT;
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_USER_PUT;
    rec.user_put = p;
    const journal_op op = {.kind = JOURNAL_RECORD, .bytes = message_bytes(&rec.base, w->memory)};
    const journal_write write = {
        .write_id = write_id_scope(w->memory, "user", q->user_id, q->write_id), .op = &op, .n = 1, .fence = UINT64_MAX};
    call_reference(c);
    st = journal_append(engine_journal(w->s->engine), &write, stored, c, e);
    if (st != SINTER_OK) call_release(c);
    return st;
}

void put_user_run(worker *w, call *c, const ProtobufCMessage *request)
{
    sinter_error e = SINTER_ERROR_INIT;
    sinter_status st = put_user(w, c, (const Sinter__V1__PutUserRequest *)request, &e);
    if (st != SINTER_OK) call_fail(c, st, &e);
}

/* ---- the people thread ------------------------------------------------------------------------------------------------ */

static bool stops(void *ctx)
{
    server *s = ctx;
    return atomic_load(&s->draining);
}

static void hand_over(worker *w, call *c)
{
    call_reference(c);
    queue_push(&w->s->people_queue, c);
}

static sinter_status check_whom(const char *user_id, const char *session_id, sinter_error *e)
{
    if (!*user_id == !*session_id)
        return error_set(e, SINTER_INVALID, "user_id", "set one of user_id and session_id", *user_id ? "both are set" : "nobody is named");
    sinter_status st = check_one("user_id", user_id, false, e);
    return st ? st : check_one("session_id", session_id, false, e);
}

void get_user_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const Sinter__V1__GetUserRequest *q = (const Sinter__V1__GetUserRequest *)request;
    sinter_error e = SINTER_ERROR_INIT;
    sinter_status st = check_whom(q->user_id, q->session_id, &e);
    if (st == SINTER_OK && q->events > MOST_EVENTS)
        st = error_set(&e, SINTER_INVALID, "events", "at most 10,000", "%u events", q->events);
    if (st == SINTER_OK)
        hand_over(w, c);
    else
        call_fail(c, st, &e);
}

void erase_user_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const Sinter__V1__EraseUserRequest *q = (const Sinter__V1__EraseUserRequest *)request;
    sinter_error e = SINTER_ERROR_INIT;
    sinter_status st = check_whom(q->user_id, q->session_id, &e);
    if (st == SINTER_OK)
        hand_over(w, c);
    else
        call_fail(c, st, &e);
}

void get_user_people(server *s, call *c, const ProtobufCMessage *request, arena *a)
{
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__GetUserResponse r = SINTER__V1__GET_USER_RESPONSE__INIT;
    sinter_status st = engine_get_user(s->engine, (const Sinter__V1__GetUserRequest *)request, stops, s, a, &r, &e);
    r.request_id = request_id_make(a);
    call_answer(c, st, &r.base, &e);
}

void erase_user_people(server *s, call *c, const ProtobufCMessage *request, arena *a)
{
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__EraseUserResponse r = SINTER__V1__ERASE_USER_RESPONSE__INIT;
    const Sinter__V1__EraseUserRequest *q = (const Sinter__V1__EraseUserRequest *)request;
    pthread_mutex_lock(&s->copy_lock);
    sinter_status st = engine_erase(s->engine, q, stops, s, a, &r, &e);
    pthread_mutex_unlock(&s->copy_lock);
    if (!q->dry_run) experiments_recount(s->experiments); /* also where it stopped on the way */
    r.request_id = request_id_make(a);
    call_answer(c, st, &r.base, &e);
}

static void people_main(void *arg)
{
    server *s = arg;
    pthread_mutex_lock(&s->copy_lock);
    engine_people_start(s->engine, stops, s);
    pthread_mutex_unlock(&s->copy_lock);
    for (call *c; (c = queue_take(&s->people_queue)); call_release(c))
        if (!call_over(c)) control_work(s, c);
}

sinter_status people_start(server *s, sinter_error *e)
{
    queue_init(&s->people_queue);
    return thread_start(&s->people_thread, "people", people_main, s, e);
}

void people_stop(server *s)
{
    queue_close(&s->people_queue);
    pthread_join(s->people_thread, NULL);
    queue_destroy(&s->people_queue);
}
