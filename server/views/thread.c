/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The view thread: follows the journal, commits indexes and publishes sets when they are due. */
#include "inside.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

typedef Sinter__Storage__V1__Record record;

enum { TAIL_RECORDS = 256 };
#define MS ((uint64_t)1000000)
static const uint64_t PUBLISH_NS = 50 * MS;  /* between sets that no commit asks for */
static const uint64_t EARLY_NS = 30 * MS;    /* between commits that waiting requests ask for */
static const uint64_t STAMP_NS = 60000 * MS; /* a stamp is not left further behind than this */
static const uint64_t IDLE_NS = 1000 * MS;
static const uint64_t WAITED_FOR_NS = 5 * MS; /* while requests are parked */

/* ---- following the journal ----------------------------------------------------------------------------------- */

feed *views_feed(views *v, const record *rec)
{
    uint32_t number = 0; /* of no collection */
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT) number = rec->item_put->collection;
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_DELETE) number = rec->item_delete->collection;
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT) number = rec->event_put->collection;
    for (uint32_t i = 0; number && i < v->n; i++) {
        if (v->feed[i]->number == number) return v->feed[i];
    }
    return NULL;
}

static bool apply_record(void *ctx, const record *rec)
{
    views *v = ctx;
    feed *f = views_feed(v, rec);
    v->continued = rec->continued;
    if (f) feed_apply(v, f, rec);
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_USER_PUT) profiles_apply_user(v, rec);
    return true;
}

/* Some records, up to the end of a write. True: there may be more. */
static bool follow(views *v, uint64_t *blocked_ns)
{
    sinter_error e = SINTER_ERROR_INIT;
    uint64_t last, now = clock_mono_ns();
    if (v->at >= journal_last_sequence(v->journal) || now < *blocked_ns) return false;
    sinter_status s;
    do {
        s = journal_tail(v->reader, v->at, TAIL_RECORDS, apply_record, v, &last, &e);
        v->at = last;
    } while (!s && v->continued && v->at < journal_last_sequence(v->journal));
    for (uint32_t i = 0; i < v->n; i++) {
        if (v->feed[i]->state == FEED_LIVE) v->feed[i]->index_at = v->at;
    }
    if (!s) return v->at < journal_last_sequence(v->journal);
    log_error("views.read", "the views cannot follow the journal: %s", e.what);
    *blocked_ns = now + 5000 * MS;
    return false;
}

/* ---- what is due --------------------------------------------------------------------------------------------- */

static uint64_t commit_after(const views *v)
{
    return v->config->server.commit_after_ns ? v->config->server.commit_after_ns : 250 * MS;
}

/* While there is a backlog a commit would only make it longer. */
static uint64_t due_ns(const views *v, const feed *f)
{
    bool backlog = v->at < journal_last_sequence(v->journal);
    return f->pending_ns + commit_after(v) * (backlog ? 3 : 1);
}

static bool commit_is_due(views *v, const feed *f, uint64_t now)
{
    if (f->state != FEED_LIVE) return false;
    if (f->pending_ns && now >= due_ns(v, f)) return true;
    if (f->first_pending && now >= f->commit_end_ns + EARLY_NS && waits_want(v, f->first_pending - 1, v->at))
        return true;
    return !f->pending_ns && f->committed < f->index_at && now >= f->commit_end_ns + STAMP_NS;
}

enum { COMPACT_LEAST = 10000, COMPACT_MOST = 1000000, COMPACT_SHARE = 4, COMPACT_QUIET = 100 };

/* After an import that went quiet: a quarter of the documents, and not a few, came since the last time. A very large index is left
 * alone: nothing new would be shown for too long. */
static bool compact_is_due(const views *v, const feed *f, uint64_t now)
{
    if (f->state != FEED_LIVE || f->pending_ns || f->extend_next != UINT32_MAX || f->unpacked < COMPACT_LEAST) return false;
    uint32_t live = catalog_current(f->catalog)->n_live;
    return f->unpacked >= live / COMPACT_SHARE && live <= COMPACT_MOST && v->at >= journal_last_sequence(v->journal) &&
           now >= f->commit_end_ns + COMPACT_QUIET * commit_after(v);
}

static bool set_is_stale(const views *v)
{
    const view_set *set = v->holder->set;
    for (uint32_t i = 0; i < set->n; i++) {
        text_reader *const *now = v->feed[i]->readers ? v->feed[i]->readers->reader : NULL;
        if (now != set->collection[i].reader) return true;
    }
    return v->publish_now;
}

static void publish_if_due(views *v)
{
    bool moved = v->at > v->published_at || v->shown_at > v->shown_published_at;
    if (set_is_stale(v) ||
        (moved && (clock_mono_ns() >= v->published_ns + PUBLISH_NS || waits_want(v, v->holder->set->sequence, v->at))))
        sets_publish(v);
}

/* ---- state --------------------------------------------------------------------------------------------------- */

static void tell_collection(const feed *f, const view_collection *c, views_collection_state *s)
{
    s->name = f->schema->name;
    s->state = !c->ready ? "rebuilding" : f->state == FEED_LIVE ? "ready" : "catching up";
    s->sequence = c->sequence;
    s->items = c->columns->n_live;
    s->total = f->walk_total;
    s->done = f->state == FEED_REBUILD ? f->walk_next : f->walk_total;
    memcpy(s->reason, f->reason, sizeof s->reason);
}

static void tell_state(views *v)
{
    const view_set *set = v->holder->set;
    pthread_mutex_lock(&v->lock);
    v->state.sequence = set->sequence;
    v->state.documents = v->documents;
    v->state.ready = true;
    for (uint32_t i = 0; i < set->n; i++) {
        tell_collection(v->feed[i], &set->collection[i], &v->collection_state[i]);
        v->state.ready &= set->collection[i].ready;
    }
    pthread_mutex_unlock(&v->lock);
}

/* ---- the thread ---------------------------------------------------------------------------------------------- */

void views_heard(void *ctx, uint64_t sequence)
{
    views *v = ctx;
    (void)sequence;
    pthread_mutex_lock(&v->lock);
    v->woken = true;
    pthread_cond_signal(&v->wake);
    pthread_mutex_unlock(&v->lock);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_due(const views *v)
{
    uint64_t next = clock_mono_ns() + IDLE_NS;
    if (v->at > v->published_at || v->shown_at > v->shown_published_at) next = least(next, v->published_ns + PUBLISH_NS);
    for (uint32_t i = 0; i < v->n; i++) {
        const feed *f = v->feed[i];
        if (f->state == FEED_LIVE && f->pending_ns) next = least(next, due_ns(v, f));
        if (f->state == FEED_BROKEN) next = least(next, f->retry_ns);
    }
    return next;
}

/* Until something is due, the journal has grown, somebody waits, or the end. False: the end. */
static bool rest(views *v, bool busy)
{
    uint64_t until = next_due(v);
    pthread_mutex_lock(&v->lock);
    if (v->n_park) until = least(least(until, clock_mono_ns() + WAITED_FOR_NS), waits_deadline(v));
    struct timespec t = {.tv_sec = (time_t)(until / (1000 * MS)), .tv_nsec = (long)(until % (1000 * MS))};
    int code = 0;
    while (!busy && !v->stopping && !v->woken && !v->order && !code)
        code = pthread_cond_timedwait(&v->wake, &v->lock, &t);
    v->woken = false;
    bool on = !v->stopping;
    pthread_mutex_unlock(&v->lock);
    return on;
}

void views_run(void *arg)
{
    views *v = arg;
    uint64_t blocked_ns = 0, shown_blocked_ns = 0, remake_blocked_ns = 0;
    bool busy = true;
    while (rest(v, busy)) {
        orders_run(v);
        busy = follow(v, &blocked_ns);
        busy |= profiles_follow_shown(v, &shown_blocked_ns);
        busy |= profiles_remake(v, &remake_blocked_ns);
        for (uint32_t i = 0; i < v->n; i++)
            busy |= feed_step(v, v->feed[i]);
        uint64_t now = clock_mono_ns();
        for (uint32_t i = 0; i < v->n; i++) {
            if (commit_is_due(v, v->feed[i], now)) feed_commit(v, v->feed[i]);
            if (compact_is_due(v, v->feed[i], now)) feed_compact(v, v->feed[i]);
        }
        publish_if_due(v);
        if (v->forgot && !v->publish_now) profiles_remade(v);
        saved_step(v);
        tell_state(v);
        orders_finish(v);
        waits_finish(v, v->holder->set->sequence);
        epoch_reclaim(v->lanes_epochs);
    }
}
