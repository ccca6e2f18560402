/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Everything that is stored of one person, found by going through both journals. Nothing indexes people: who asks is rare, and an
 * index of everybody would be one more thing to keep and to forget. */
#include "people.h"

#include <stdlib.h>
#include <string.h>

typedef Sinter__Storage__V1__Record record;

/* ---- sets ------------------------------------------------------------------------------------------------------------------ */

bool text_set_has(const text_set *s, const char *text)
{
    return *text && s->n && dictionary_find(&s->d, str_of(text)) != DICTIONARY_NONE;
}

static void text_set_add(text_set *s, const char *text)
{
    if (!*text || text_set_has(s, text)) return;
    if (!s->texts) s->texts = arena_new(4096);
    dictionary_put(&s->d, s->n++, str_of(text), s->texts);
}

static void text_set_free(text_set *s)
{
    dictionary_free(&s->d);
    if (s->texts) arena_free(s->texts);
}

static void sequences_add(sequences *s, uint64_t sequence)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->at = xrealloc(s->at, s->cap * sizeof *s->at);
    }
    s->at[s->n++] = sequence;
}

static void learnt_add(person_sweep *s, uint64_t sequence, uint32_t collection)
{
    if (s->n_learnt == s->cap_learnt) {
        s->cap_learnt = s->cap_learnt ? 2 * s->cap_learnt : 64;
        s->learnt = xrealloc(s->learnt, s->cap_learnt * sizeof *s->learnt);
    }
    s->learnt[s->n_learnt++] = (struct learnt){sequence, collection};
}

/* ---- who ------------------------------------------------------------------------------------------------------------------- */

static void digest_of(str salt, char kind, const char *id, char out[65])
{
    buffer b = {0};
    buffer_append(&b, salt.s, salt.n);
    buffer_append(&b, &kind, 1);
    buffer_append(&b, id, strlen(id));
    sha256_hex(b.data, b.len, out);
    buffer_free(&b);
}

void whom_digest(const whom *w, const char *salt, char out[65])
{
    bool user = *w->user_id;
    digest_of(str_of(salt), user ? 'u' : 's', user ? w->user_id : w->session_id, out);
}

static bool has_digest(const whom *w, char kind, const char *id)
{
    char is[65];
    if (!*id || !w->digest.n) return false;
    digest_of(w->salt, kind, id, is);
    return str_is(w->digest, is);
}

static bool is_user(const whom *w, const char *id)
{
    return *w->user_id ? strcmp(id, w->user_id) == 0 : has_digest(w, 'u', id);
}

static bool is_session(const whom *w, const char *id)
{
    return *w->session_id ? strcmp(id, w->session_id) == 0 : has_digest(w, 's', id);
}

bool person_sweep_is(const person_sweep *s, const char *user_id, const char *session_id)
{
    if (is_user(&s->whom, user_id) || is_session(&s->whom, session_id)) return true;
    return !*user_id && text_set_has(&s->sessions, session_id); /* where another user is named it is theirs */
}

/* What an event says, and what its answer says for it. */
typedef struct named {
    const char *user_id, *session_id;
} named;

static named named_by(const Sinter__Storage__V1__EventPut *p)
{
    named n = {p->event->user_id, p->event->session_id};
    if (p->joined && !*n.user_id) n.user_id = p->joined->user_id;
    if (p->joined && !*n.session_id) n.session_id = p->joined->session_id;
    return n;
}

/* ---- the walks --------------------------------------------------------------------------------------------------------------- */

static void join(person_sweep *s, named n)
{
    if (*n.session_id && is_user(&s->whom, n.user_id)) text_set_add(&s->sessions, n.session_id);
}

static bool goes_on(const person_sweep *s, const record *rec, uint64_t upto)
{
    return rec->sequence <= upto && !(rec->sequence % 1024 == 0 && s->stop && s->stop(s->stop_ctx));
}

/* Sessions first: what was done in one before the user was known in it stands before the record that says whose it is. */
static bool find_sessions(void *ctx, const record *rec)
{
    person_sweep *s = ctx;
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT && rec->event_put->event) join(s, named_by(rec->event_put));
    return goes_on(s, rec, s->upto);
}

static bool find_answered_sessions(void *ctx, const record *rec)
{
    person_sweep *s = ctx;
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ANSWERED) join(s, (named){rec->answered->user_id, rec->answered->session_id});
    return goes_on(s, rec, s->upto_log);
}

static bool find_records(void *ctx, const record *rec)
{
    person_sweep *s = ctx;
    if (rec->sequence > s->upto) return false;
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT && rec->event_put->event) {
        named n = named_by(rec->event_put);
        if (person_sweep_is(s, n.user_id, n.session_id)) {
            sequences_add(&s->events, rec->sequence);
            learnt_add(s, rec->sequence, rec->event_put->collection);
        }
    }
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_USER_PUT && is_user(&s->whom, rec->user_put->user_id))
        sequences_add(&s->puts, rec->sequence);
    return goes_on(s, rec, s->upto);
}

/* A recorded request follows its answer. */
static bool find_answers(void *ctx, const record *rec)
{
    person_sweep *s = ctx;
    if (rec->sequence > s->upto_log) return false;
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ANSWERED) {
        const Sinter__Storage__V1__Answered *a = rec->answered;
        if (person_sweep_is(s, a->user_id, a->session_id) && a->journal_sequence <= s->upto) {
            sequences_add(&s->answers, rec->sequence);
            learnt_add(s, a->journal_sequence, a->collection);
            text_set_add(&s->requests, a->request_id);
        }
    } else if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_RECORDED_REQUEST &&
               text_set_has(&s->requests, rec->recorded_request->request_id)) {
        sequences_add(&s->recorded, rec->sequence);
    } else if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_EXPERIMENT &&
               rec->experiment->kind_case == SINTER__STORAGE__V1__EXPERIMENT__KIND_FAILED &&
               person_sweep_is(s, rec->experiment->failed->user_id, rec->experiment->failed->session_id)) {
        sequences_add(&s->failed, rec->sequence);
    }
    return goes_on(s, rec, s->upto_log);
}

static sinter_status walk(person_sweep *s, journal *j, uint64_t after, bool (*fn)(void *ctx, const record *rec), sinter_error *e)
{
    journal_reader *r;
    sinter_status st = journal_reader_open(j, &r, e);
    if (st) return st;
    st = journal_tail(r, after, UINT32_MAX, fn, s, NULL, e);
    journal_reader_close(r);
    if (st == SINTER_OK && s->stop && s->stop(s->stop_ctx))
        st = error_set(e, SINTER_UNAVAILABLE, NULL, "ask again after the start; an erasure goes on by itself", "the server is stopping");
    return st;
}

static sinter_status sweep_log(person_sweep *s, uint64_t after, sinter_error *e)
{
    return s->engine->impressions ? walk(s, s->engine->impressions, after, find_answers, e) : SINTER_OK;
}

sinter_status person_sweep_more(person_sweep *s, uint64_t upto, sinter_error *e)
{
    engine *g = s->engine;
    uint64_t after = s->upto, after_log = s->upto_log;
    s->upto = upto;
    if (g->impressions) s->upto_log = journal_last_sequence(g->impressions);
    sinter_status st = walk(s, g->journal, after, find_sessions, e);
    if (st == SINTER_OK) st = walk(s, g->journal, after, find_records, e);
    return st ? st : sweep_log(s, after_log, e);
}

sinter_status person_sweep_run(person_sweep *s, sinter_error *e)
{
    engine *g = s->engine;
    bool by_user = *s->whom.user_id || s->whom.digest.n;
    if (!s->upto) s->upto = journal_last_sequence(g->journal);
    if (g->impressions) s->upto_log = journal_last_sequence(g->impressions);
    sinter_status st = by_user ? walk(s, g->journal, 0, find_sessions, e) : SINTER_OK;
    if (st == SINTER_OK && by_user && g->impressions) st = walk(s, g->impressions, 0, find_answered_sessions, e);
    if (st == SINTER_OK) st = walk(s, g->journal, 0, find_records, e);
    return st ? st : sweep_log(s, 0, e);
}

void person_sweep_free(person_sweep *s)
{
    text_set_free(&s->sessions);
    text_set_free(&s->requests);
    free(s->events.at);
    free(s->puts.at);
    free(s->answers.at);
    free(s->recorded.at);
    free(s->failed.at);
    free(s->learnt);
}
