/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Profiles at start: every record behind what was saved is walked, because an event's counts depend on what stood in the catalogue
 * when it was recorded. */
#include "inside.h"

#include <inttypes.h>

typedef Sinter__Storage__V1__Record record;

enum { WALK_RECORDS = 4096, FOLLOW_RECORDS = 256, REMAKE_RECORDS = 1024 };
static const uint64_t SAY_NS = 2000000000u; /* a walk that takes longer is told of */

void profiles_apply_user(views *v, const record *rec)
{
    for (uint32_t i = 0; i < v->n; i++) profile_apply(v->feed[i]->profiles, rec);
}

typedef struct walk {
    views *v;
    uint64_t events;
} walk;

static bool walk_record(void *ctx, const record *rec)
{
    walk *w = ctx;
    if (rec->sequence > w->v->at) return false;
    feed *f = views_feed(w->v, rec);
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_USER_PUT) profiles_apply_user(w->v, rec);
    if (!f) return true;
    profile_apply(f->profiles, rec);
    w->events += rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT;
    return true;
}

/* ---- times shown ---------------------------------------------------------------------------------------------------------- */

static bool walk_shown(void *ctx, const record *rec)
{
    views *v = ctx;
    for (uint32_t i = 0; i < v->n; i++)
        profile_apply_shown(v->feed[i]->profiles, rec);
    return true;
}

static sinter_status shown_tail(views *v, uint32_t limit, sinter_error *e)
{
    uint64_t last = v->shown_at;
    sinter_status s = journal_tail(v->shown_reader, v->shown_at, limit, walk_shown, v, &last, e);
    v->shown_at = last;
    return s;
}

bool profiles_follow_shown(views *v, uint64_t *blocked_ns)
{
    sinter_error e = SINTER_ERROR_INIT;
    uint64_t now = clock_mono_ns();
    if (!v->impressions || v->shown_at >= journal_last_sequence(v->impressions) || now < *blocked_ns) return false;
    if (shown_tail(v, FOLLOW_RECORDS, &e) == SINTER_OK) return v->shown_at < journal_last_sequence(v->impressions);
    log_error("views.read", "times shown cannot follow the impressions' log: %s", e.what);
    *blocked_ns = now + 5000000000u;
    return false;
}

static sinter_status shown_build(views *v, sinter_error *e)
{
    uint64_t last = v->impressions ? journal_last_sequence(v->impressions) : 0;
    sinter_status s = SINTER_OK;
    while (!s && v->shown_at < last) {
        uint64_t before = v->shown_at;
        s = shown_tail(v, WALK_RECORDS, e);
        if (v->shown_at == before) break;
    }
    return s;
}

/* ---- a collection that comes later ---------------------------------------------------------------------------------------- */

typedef struct walk_one {
    feed *f;
    uint64_t upto;
} walk_one;

static bool one_record(void *ctx, const record *rec)
{
    walk_one *w = ctx;
    if (rec->sequence > w->upto) return false;
    profile_apply(w->f->profiles, rec);
    return true;
}

static bool one_shown(void *ctx, const record *rec)
{
    profile_apply_shown(((walk_one *)ctx)->f->profiles, rec);
    return true;
}

static sinter_status walk_log(journal *j, walk_one *w, uint64_t after, uint64_t upto, bool (*fn)(void *, const record *), sinter_error *e)
{
    journal_reader *r;
    uint64_t at = after, last = after;
    sinter_status s = journal_reader_open(j, &r, e);
    if (s) return s;
    w->upto = upto;
    for (bool more = at < upto; more && !s; more = last > at && last < upto) {
        at = last;
        s = journal_tail(r, at, WALK_RECORDS, fn, w, &last, e);
    }
    journal_reader_close(r);
    return s;
}

sinter_status profiles_build_one(views *v, feed *f, uint64_t at, uint64_t *shown_at, sinter_error *e)
{
    walk_one w = {.f = f};
    *shown_at = 0;
    sinter_status s = walk_log(v->journal, &w, 0, at, one_record, e);
    if (s || !f->schema->rates || !v->answers) return s;
    *shown_at = journal_last_sequence(v->answers);
    return walk_log(v->answers, &w, 0, *shown_at, one_shown, e);
}

sinter_status profiles_catch_up_shown(views *v, feed *f, uint64_t after, sinter_error *e)
{
    walk_one w = {.f = f};
    return walk_log(v->answers, &w, after, v->shown_at, one_shown, e);
}

sinter_status profiles_build(views *v, sinter_error *e)
{
    walk w = {.v = v};
    uint64_t from = clock_mono_ns();
    saved_load(v);
    uint64_t first = v->saved_at, at = first, last = first;
    sinter_status s = SINTER_OK;
    for (bool more = v->n > 0; more && !s; more = last > at && last < v->at) {
        at = last;
        s = journal_tail(v->reader, at, WALK_RECORDS, walk_record, &w, &last, e);
    }
    if (!s) s = shown_build(v, e);
    uint64_t took = clock_mono_ns() - from;
    if (!s && first)
        log_info("profiles.loaded", "saved as of sequence %" PRIu64 "; the %" PRIu64 " records behind it took %.2f s", first, v->at - first,
                 (double)took / 1e9);
    else if (!s && took > SAY_NS)
        log_info("profiles.built", "%" PRIu64 " events of sequences %" PRIu64 " to %" PRIu64 " in %.1f s", w.events, first + 1, v->at,
                 (double)took / 1e9);
    return s;
}

/* ---- anew, after an erasure --------------------------------------------------------------------------------------------------- */

static void begin_remake(views *v, uint64_t number)
{
    v->forgetting = number;
    v->fresh_at = v->fresh_shown_at = 0;
    for (uint32_t i = 0; i < v->n; i++) {
        profile_collection *fresh = profile_open_like(v->feed[i]->profiles), *before = v->feed[i]->fresh;
        pthread_mutex_lock(&v->lock);
        v->feed[i]->fresh = fresh;
        pthread_mutex_unlock(&v->lock);
        profile_close(before); /* of a number that another overtook */
    }
}

static bool remake_record(void *ctx, const record *rec)
{
    views *v = ctx;
    if (rec->sequence > v->at) return false;
    feed *f = views_feed(v, rec);
    if (f && f->fresh) profile_apply(f->fresh, rec);
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_USER_PUT)
        for (uint32_t i = 0; i < v->n; i++)
            if (v->feed[i]->fresh) profile_apply(v->feed[i]->fresh, rec);
    v->fresh_at = rec->sequence;
    return true;
}

static bool remake_shown(void *ctx, const record *rec)
{
    views *v = ctx;
    if (rec->sequence > v->shown_at) return false;
    for (uint32_t i = 0; i < v->n; i++)
        if (v->feed[i]->fresh) profile_apply_shown(v->feed[i]->fresh, rec);
    v->fresh_shown_at = rec->sequence;
    return true;
}

/* The old ones stay until a set without them was published. */
static void take_their_place(views *v)
{
    pthread_mutex_lock(&v->lock);
    for (uint32_t i = 0; i < v->n; i++) {
        profile_collection *old = v->feed[i]->profiles;
        if (!v->feed[i]->fresh) continue; /* came meanwhile */
        v->feed[i]->profiles = v->feed[i]->fresh;
        v->feed[i]->fresh = old;
    }
    pthread_mutex_unlock(&v->lock);
    v->forgot = v->publish_now = true;
}

static bool blocked(const sinter_error *e, uint64_t *until_ns)
{
    log_error("views.read", "profiles cannot be made anew: %s", e->what);
    *until_ns = clock_mono_ns() + 5000000000u;
    return false;
}

bool profiles_remake(views *v, uint64_t *blocked_ns)
{
    sinter_error e = SINTER_ERROR_INIT;
    uint64_t wanted = atomic_load(&v->forget_wanted);
    if (v->forgot || (!v->forgetting && wanted <= atomic_load(&v->forget_done)) || clock_mono_ns() < *blocked_ns) return false;
    if (v->forgetting != wanted) begin_remake(v, wanted);
    uint64_t before = v->fresh_at, shown_before = v->fresh_shown_at;
    if (v->fresh_at < v->at) {
        if (journal_tail(v->reader, v->fresh_at, REMAKE_RECORDS, remake_record, v, NULL, &e)) return blocked(&e, blocked_ns);
        if (v->fresh_at > before) return true;
    }
    if (v->impressions && v->fresh_shown_at < v->shown_at) {
        if (journal_tail(v->shown_reader, v->fresh_shown_at, REMAKE_RECORDS, remake_shown, v, NULL, &e)) return blocked(&e, blocked_ns);
        if (v->fresh_shown_at > shown_before) return true;
    }
    take_their_place(v);
    return true;
}

static void close_old(void *p, void *ctx)
{
    (void)ctx;
    profile_close(p);
}

void profiles_remade(views *v)
{
    for (uint32_t i = 0; i < v->n; i++) {
        profile_collection *old = v->feed[i]->fresh;
        pthread_mutex_lock(&v->lock);
        v->feed[i]->fresh = NULL;
        pthread_mutex_unlock(&v->lock);
        epoch_retire(v->own_epochs, old, close_old, NULL);
    }
    v->forgot = false;
    v->saved_at = v->saved_shown_at = v->saved_ns = 0; /* the files are gone */
    atomic_store(&v->forget_done, v->forgetting);
    v->forgetting = 0;
}
