/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Telling and forgetting a person. On the people thread.
 *
 * An erasure is a record that says it begins, then: records overwritten, answers in memory forgotten, profiles made anew, both
 * journals' files written anew, a record that says it is done. Each step may be done again, so after a crash the whole of
 * it is, by what the first record keeps of the id; only then is anybody told that it is done. */
#include "people.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef Sinter__Storage__V1__Record record;
typedef Sinter__Storage__V1__Erasure erasure;
typedef Sinter__V1__EraseUserResponse response;

/* ---- the erasures that the journal holds -------------------------------------------------------------------------------------- */

typedef struct known {
    uint64_t sequence, done; /* of the records; done 0: under way */
    erasure *said;           /* of the newer one of them */
    struct known *next;
} known;

struct erasures {
    arena *a;
    known *newest;
};

void erasures_free(struct erasures *x)
{
    if (!x) return;
    arena_free(x->a);
    free(x);
}

static void erasures_add(struct erasures *x, erasure *said, uint64_t sequence)
{
    if (!said->done) {
        known *k = ARENA_NEW(x->a, known);
        *k = (known){.sequence = sequence, .said = said, .next = x->newest};
        x->newest = k;
        return;
    }
    for (known *k = x->newest; k; k = k->next) {
        if (k->sequence != said->done) continue;
        k->done = sequence;
        k->said = said;
    }
}

static void *from_arena(void *a, size_t n)
{
    return arena_alloc(a, n);
}

static void keep(void *a, void *p)
{
    (void)a, (void)p;
}

struct erasures *erasures_new(void)
{
    struct erasures *x = xcalloc(1, sizeof *x);
    x->a = arena_new(4096);
    return x;
}

void erasures_see(struct erasures *x, const record *rec)
{
    ProtobufCAllocator allocator = {.alloc = from_arena, .free = keep, .allocator_data = x->a};
    size_t n = sinter__storage__v1__erasure__get_packed_size(rec->erasure);
    uint8_t *bytes = arena_alloc(x->a, n + 1);
    sinter__storage__v1__erasure__pack(rec->erasure, bytes);
    erasure *said = sinter__storage__v1__erasure__unpack(&allocator, n, bytes);
    if (said) erasures_add(x, said, rec->sequence);
}

/* ---- what is told --------------------------------------------------------------------------------------------------------------- */

static bool teaches(const person_sweep *s, const model_info *m, uint32_t collection)
{
    for (uint64_t i = 0; i < s->n_learnt; i++)
        if (s->learnt[i].collection == collection && s->learnt[i].sequence > m->since && s->learnt[i].sequence <= m->until) return true;
    return false;
}

static void add_model(response *out, char *name, arena *a)
{
    char **more = ARENA_ARRAY(a, char *, out->n_models + 1);
    if (out->n_models) memcpy(more, out->models, out->n_models * sizeof *more);
    more[out->n_models++] = name;
    out->models = more;
}

/* Models whose range holds any of it. One whose files are broken cannot be told. */
static sinter_status name_models(const person_sweep *s, arena *a, response *out, sinter_error *e)
{
    const char *data_dir = s->engine->first->config->server.data_dir, **names;
    uint32_t n;
    sinter_status st = model_all_names(data_dir, a, &names, &n, e);
    for (uint32_t i = 0; i < n && st == SINTER_OK; i++) {
        uint64_t *version;
        uint32_t versions = 0;
        st = model_versions(data_dir, names[i], a, &version, &versions, e);
        for (uint32_t v = 0; v < versions && st == SINTER_OK; v++) {
            model_info m;
            if (model_read(data_dir, names[i], version[v], a, &m, NULL)) continue;
            if (teaches(s, &m, engine_collection_number(s->engine, m.collection_uuid)))
                add_model(out, arena_printf(a, "%s/%llu", names[i], (unsigned long long)version[v]), a);
        }
    }
    return st;
}

static void tell_counts(const person_sweep *s, response *out)
{
    out->events = s->events.n;
    out->attributes = s->puts.n;
    out->answers = s->answers.n;
    out->recorded_requests = s->recorded.n;
    out->sessions = s->sessions.n;
}

static bool found_any(const person_sweep *s)
{
    return s->events.n || s->puts.n || s->answers.n || s->recorded.n || s->failed.n;
}

static void tell_said(const erasure *said, uint64_t sequence, arena *a, response *out)
{
    out->events = said->events;
    out->attributes = said->attributes;
    out->answers = said->answers;
    out->recorded_requests = said->recorded_requests;
    out->sessions = said->sessions;
    out->n_models = 0;
    for (size_t i = 0; i < said->n_models; i++) add_model(out, arena_strdup(a, said->models[i]), a);
    out->sequence = sequence;
    out->repeated = true;
}

/* The latest erasure of the same person, done before. */
static void tell_before(const engine *g, const whom *w, arena *a, response *out)
{
    for (const known *k = g->erasures->newest; k; k = k->next) {
        char salt[65] = "", digest[65];
        if (!k->done || k->said->salt.len >= sizeof salt) continue;
        memcpy(salt, k->said->salt.data, k->said->salt.len);
        whom_digest(w, salt, digest);
        if (str_eq(str_of(digest), (str){(const char *)k->said->digest.data, k->said->digest.len})) {
            tell_said(k->said, k->done, a, out);
            return;
        }
    }
}

/* ---- records of it ---------------------------------------------------------------------------------------------------------------- */

static sinter_status append(engine *g, const response *told, const char *salt, const char *digest, uint64_t begun, uint64_t *sequence,
                            sinter_error *e)
{
    erasure x = SINTER__STORAGE__V1__ERASURE__INIT;
    record rec = SINTER__STORAGE__V1__RECORD__INIT;
    x.salt = (ProtobufCBinaryData){strlen(salt), (uint8_t *)(uintptr_t)salt};
    x.digest = (ProtobufCBinaryData){strlen(digest), (uint8_t *)(uintptr_t)digest};
    x.done = begun;
    x.events = told->events;
    x.attributes = told->attributes;
    x.answers = told->answers;
    x.recorded_requests = told->recorded_requests;
    x.sessions = told->sessions;
    x.n_models = told->n_models;
    x.models = told->models;
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_ERASURE;
    rec.erasure = &x;
    size_t n = sinter__storage__v1__record__get_packed_size(&rec);
    uint8_t *bytes = xmalloc(n);
    sinter__storage__v1__record__pack(&rec, bytes);
    const journal_op op = {.kind = JOURNAL_RECORD, .bytes = {(const char *)bytes, n}};
    const journal_write w = {.op = &op, .n = 1, .fence = UINT64_MAX};
    journal_result r;
    sinter_status st = journal_append_wait(g->journal, &w, &r, e);
    free(bytes);
    if (st) return st;
    *sequence = r.sequence;
    rec.sequence = r.sequence;
    erasures_see(g->erasures, &rec);
    return SINTER_OK;
}

/* ---- forgetting --------------------------------------------------------------------------------------------------------------------- */

static bool is_theirs(void *ctx, const char *user_id, const char *session_id)
{
    return person_sweep_is(ctx, user_id, session_id);
}

/* Answers that were under way, and events that came, while the journals were gone through. */
static sinter_status find_rest(person_sweep *s, uint64_t begun, sinter_error *e)
{
    enum { UNDER_WAY_US = 100000 };
    const journal_write nothing = {.fence = UINT64_MAX};
    engine *g = s->engine;
    usleep(UNDER_WAY_US); /* a lane that has just answered queues its impression */
    sinter_status st = g->impressions ? journal_append_wait(g->impressions, &nothing, NULL, e) : SINTER_OK;
    return st ? st : person_sweep_more(s, begun, e);
}

static sinter_status overwrite(person_sweep *s, sinter_error *e)
{
    engine *g = s->engine;
    sinter_status st = journal_erase(g->journal, s->events.at, s->events.n, e);
    if (st == SINTER_OK) st = journal_erase(g->journal, s->puts.at, s->puts.n, e);
    if (st == SINTER_OK && g->impressions) st = journal_erase(g->impressions, s->answers.at, s->answers.n, e);
    if (st == SINTER_OK && g->impressions) st = journal_erase(g->impressions, s->recorded.at, s->recorded.n, e);
    if (st == SINTER_OK && g->impressions) st = journal_erase(g->impressions, s->failed.at, s->failed.n, e);
    return st;
}

static sinter_status forget_views(person_sweep *s, sinter_error *e)
{
    uint64_t number = views_forget(s->engine->views);
    while (!views_forgotten(s->engine->views, number)) {
        if (s->stop && s->stop(s->stop_ctx))
            return error_set(e, SINTER_UNAVAILABLE, NULL, "it goes on after the next start", "the server is stopping");
        usleep(2000);
    }
    return SINTER_OK;
}

/* After the record that begins it. */
static sinter_status carry_out(person_sweep *s, uint64_t begun, sinter_error *e)
{
    engine *g = s->engine;
    sinter_status st = views_forget_begin(g->views, e);
    if (st == SINTER_OK) st = find_rest(s, begun, e);
    if (st == SINTER_OK) st = overwrite(s, e);
    if (st == SINTER_OK && g->answers) answers_forget(g->answers, is_theirs, s);
    if (st == SINTER_OK) engine_forget_suggestions(g);
    if (st == SINTER_OK) st = forget_views(s, e);
    if (st == SINTER_OK) views_forget_end(g->views);
    if (st == SINTER_OK) st = journal_compact(g->journal, s->stop, s->stop_ctx, e);
    if (st == SINTER_OK && g->impressions) st = journal_compact(g->impressions, s->stop, s->stop_ctx, e);
    return st;
}

static sinter_status erase(person_sweep *s, arena *a, response *out, sinter_error *e)
{
    char salt[37], digest[65];
    uint64_t begun;
    uuid_make(salt);
    whom_digest(&s->whom, salt, digest);
    sinter_status st = append(s->engine, out, salt, digest, 0, &begun, e);
    if (st == SINTER_OK) st = carry_out(s, begun, e);
    if (st) return st;
    tell_counts(s, out);
    out->n_models = 0;
    st = name_models(s, a, out, e);
    if (st == SINTER_OK) st = append(s->engine, out, salt, digest, begun, &out->sequence, e);
    if (st == SINTER_OK) log_info("people.erased", "erasure of record %llu is done", (unsigned long long)begun);
    return st;
}

/* ---- after a start ---------------------------------------------------------------------------------------------------------------------- */

/* The counts are those of before the crash: some of it is gone already. */
static sinter_status resume(engine *g, const known *k, bool (*stop)(void *ctx), void *ctx, sinter_error *e)
{
    arena *a = arena_new(1 << 14);
    response told = SINTER__V1__ERASE_USER_RESPONSE__INIT;
    char salt[65] = "", digest[65] = "";
    const erasure *said = k->said;
    tell_said(said, 0, a, &told);
    memcpy(salt, said->salt.data, said->salt.len < 64 ? said->salt.len : 64);
    memcpy(digest, said->digest.data, said->digest.len < 64 ? said->digest.len : 64);
    person_sweep s = {.engine = g, .upto = k->sequence, .stop = stop, .stop_ctx = ctx};
    s.whom = (whom){.user_id = "", .session_id = "", .salt = str_of(salt), .digest = str_of(digest)};
    log_info("people.erase", "the erasure of record %llu goes on", (unsigned long long)k->sequence);
    uint64_t begun = k->sequence, sequence;
    sinter_status st = person_sweep_run(&s, e);
    if (st == SINTER_OK) st = carry_out(&s, begun, e);
    if (st == SINTER_OK) st = append(g, &told, salt, digest, begun, &sequence, e);
    if (st == SINTER_OK) log_info("people.erased", "erasure of record %llu is done", (unsigned long long)begun);
    person_sweep_free(&s);
    arena_free(a);
    return st;
}

/* Those that a crash, a stop or a full disk interrupted. */
static sinter_status resume_all(engine *g, bool (*stop)(void *ctx), void *ctx, sinter_error *e)
{
    sinter_status st = SINTER_OK;
    for (const known *k = g->erasures->newest; k && st == SINTER_OK; k = k->next)
        if (!k->done) st = resume(g, k, stop, ctx, e);
    return st;
}

sinter_status engine_erase(engine *g, const Sinter__V1__EraseUserRequest *in, bool (*stop)(void *ctx), void *ctx, arena *a, response *out,
                           sinter_error *e)
{
    person_sweep s = {.engine = g, .whom = {.user_id = in->user_id, .session_id = in->session_id}, .stop = stop, .stop_ctx = ctx};
    sinter_status st = in->dry_run ? SINTER_OK : resume_all(g, stop, ctx, e);
    if (st == SINTER_OK) st = person_sweep_run(&s, e);
    if (st == SINTER_OK) {
        tell_counts(&s, out);
        st = name_models(&s, a, out, e);
    }
    if (st == SINTER_OK && !in->dry_run) {
        if (found_any(&s))
            st = erase(&s, a, out, e);
        else
            tell_before(g, &s.whom, a, out);
    }
    person_sweep_free(&s);
    return st;
}

void engine_people_start(engine *g, bool (*stop)(void *ctx), void *ctx)
{
    sinter_error e = SINTER_ERROR_INIT;
    sinter_status st = resume_all(g, stop, ctx, &e);
    if (st && st != SINTER_UNAVAILABLE) log_error("people.erase", "an erasure could not go on: %s", e.what);
    engine_recall_answers(g);
}

/* ---- what is stored of somebody ------------------------------------------------------------------------------------------------------------ */

typedef Sinter__V1__GetUserResponse shown;

static int newest_first(const void *x, const void *y)
{
    const Sinter__V1__Event *a = *(Sinter__V1__Event *const *)x, *b = *(Sinter__V1__Event *const *)y;
    int64_t s = timestamp_ms(a->time), t = timestamp_ms(b->time);
    return s < t ? 1 : s > t ? -1 : 0;
}

static void count_event(shown *out, Sinter__V1__Event *ev, arena *a)
{
    Sinter__V1__UserEvents *x = NULL;
    for (size_t i = 0; i < out->n_counts && !x; i++)
        if (strcmp(out->counts[i]->collection, ev->collection) == 0 && strcmp(out->counts[i]->type, ev->type) == 0) x = out->counts[i];
    if (!x) {
        Sinter__V1__UserEvents **more = ARENA_ARRAY(a, Sinter__V1__UserEvents *, out->n_counts + 1);
        if (out->n_counts) memcpy(more, out->counts, out->n_counts * sizeof *more);
        more[out->n_counts++] = x = ARENA_NEW(a, Sinter__V1__UserEvents);
        out->counts = more;
        sinter__v1__user_events__init(x);
        x->collection = ev->collection;
        x->type = ev->type;
        x->first = x->last = ev->time;
    }
    x->count++;
    if (timestamp_ms(ev->time) < timestamp_ms(x->first)) x->first = ev->time;
    if (timestamp_ms(ev->time) > timestamp_ms(x->last)) x->last = ev->time;
}

static sinter_status show_events(const person_sweep *s, journal_reader *r, uint32_t most, arena *a, shown *out, sinter_error *e)
{
    sinter_status st = SINTER_OK;
    out->events = ARENA_ARRAY(a, Sinter__V1__Event *, s->events.n + 1);
    for (uint64_t i = 0; i < s->events.n && st == SINTER_OK; i++) {
        record *rec;
        st = journal_get(r, s->events.at[i], a, &rec, e);
        if (st || rec->body_case != SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT || !rec->event_put->event || !rec->event_put->event->time)
            continue;
        out->events[out->n_events++] = rec->event_put->event;
        count_event(out, rec->event_put->event, a);
    }
    qsort(out->events, out->n_events, sizeof out->events[0], newest_first);
    if (out->n_events > most) out->n_events = most;
    return st;
}

static sinter_status show_attributes(const person_sweep *s, journal_reader *r, arena *a, shown *out, sinter_error *e)
{
    Sinter__Storage__V1__UserPut *now = NULL;
    sinter_status st = SINTER_OK;
    for (uint64_t i = 0; i < s->puts.n && st == SINTER_OK; i++) {
        record *rec;
        st = journal_get(r, s->puts.at[i], a, &rec, e);
        if (st || rec->body_case != SINTER__STORAGE__V1__RECORD__BODY_USER_PUT) continue;
        Sinter__Storage__V1__UserPut *after = ARENA_NEW(a, Sinter__Storage__V1__UserPut);
        profile_attributes_fold(now, rec->user_put, a, after);
        now = after;
    }
    out->attributes = ARENA_ARRAY(a, Sinter__V1__GetUserResponse__AttributesEntry *, now ? now->n_attributes : 1);
    for (size_t i = 0; now && i < now->n_attributes; i++) {
        Sinter__V1__GetUserResponse__AttributesEntry *x = ARENA_NEW(a, Sinter__V1__GetUserResponse__AttributesEntry);
        sinter__v1__get_user_response__attributes_entry__init(x);
        x->key = now->attributes[i]->key;
        x->value = now->attributes[i]->value;
        out->attributes[out->n_attributes++] = x;
    }
    return st;
}

sinter_status engine_get_user(engine *g, const Sinter__V1__GetUserRequest *in, bool (*stop)(void *ctx), void *ctx, arena *a, shown *out,
                              sinter_error *e)
{
    person_sweep s = {.engine = g, .whom = {.user_id = in->user_id, .session_id = in->session_id}, .stop = stop, .stop_ctx = ctx};
    journal_reader *r;
    sinter_status st = journal_reader_open(g->journal, &r, e);
    if (st) return st;
    st = person_sweep_run(&s, e);
    if (st == SINTER_OK) st = show_events(&s, r, in->events ? in->events : 100, a, out, e);
    if (st == SINTER_OK) st = show_attributes(&s, r, a, out, e);
    out->sessions = ARENA_ARRAY(a, char *, s.sessions.n + 1);
    for (uint32_t i = 0; i < s.sessions.n; i++) out->sessions[out->n_sessions++] = arena_strdup(a, dictionary_get(&s.sessions.d, i)->s);
    out->answers = s.answers.n;
    out->recorded_requests = s.recorded.n;
    out->sequence = s.upto;
    person_sweep_free(&s);
    journal_reader_close(r);
    return st;
}
