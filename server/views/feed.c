/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One collection: its columns filled and kept up, its text index opened, rebuilt, caught up and kept up.
 *
 * The columns always follow the tail. The index follows it when live. A rebuild walks the newest records of all items,
 * then catches up with the records that came meanwhile; so does an index that was opened behind the columns. Both give
 * an item to the index whether or not its words changed, and pass over records that a later one has replaced. */
#include "inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

typedef Sinter__Storage__V1__Record record;
#define IS_PUT(rec)    ((rec)->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT)
#define IS_DELETE(rec) ((rec)->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_DELETE)

enum { STEP_RECORDS = 256 };
static const uint64_t SECOND_NS = 1000000000u;
static const uint64_t DISK_LEAST = (uint64_t)16 << 20;

/* ---- newest records by ordinal ------------------------------------------------------------------------------- */

static uint64_t record_of(const feed *f, uint32_t ordinal)
{
    return ordinal < f->records ? f->record[ordinal] : 0;
}

static void record_set(feed *f, uint32_t ordinal, uint64_t sequence)
{
    if (ordinal >= f->records) {
        uint32_t n = ordinal < UINT32_MAX / 2 ? (ordinal + 1024) / 2 * 3 : UINT32_MAX;
        f->record = xrealloc(f->record, n * sizeof *f->record);
        memset(f->record + f->records, 0, (n - f->records) * sizeof *f->record);
        f->records = n;
    }
    f->record[ordinal] = sequence;
}

/* ---- when the index fails ------------------------------------------------------------------------------------ */

static bool disk_is_full(const feed *f)
{
    struct statvfs s;
    return statvfs(f->dir, &s) == 0 && (uint64_t)s.f_bavail * s.f_frsize < DISK_LEAST;
}

/* With a full disk the readers there are go on; any other failure makes the index suspect, and it is made anew. */
static void feed_break(feed *f, const sinter_error *why)
{
    bool full = why->status == SINTER_EXHAUSTED || disk_is_full(f);
    uint64_t now = clock_mono_ns();
    log_error("index.broken", "collection %s: %s; %s", f->schema->name, why->what,
              full ? "the disk is full: the index waits" : "the index will be rebuilt");
    if (f->index) text_index_close(f->index, false);
    f->index = NULL;
    f->state = FEED_BROKEN;
    f->wipe = !full;
    f->retry_ns = full || now - f->broken_ns < 60 * SECOND_NS ? now + 5 * SECOND_NS : now;
    f->broken_ns = now;
    f->first_pending = f->pending_ns = 0;
    if (full) return;
    readers_leave(f->readers);
    f->readers = NULL;
    snprintf(f->reason, sizeof f->reason, "%.250s", why->what);
}

/* ---- giving items to the index ------------------------------------------------------------------------------- */

static void index_put(views *v, feed *f, const record *rec)
{
    sinter_error e = SINTER_ERROR_INIT;
    v->documents++;
    f->unpacked++;
    if (text_index_put(f->index, f->catalog, rec->item_put->ordinal, rec->item_put->item, &e)) {
        feed_break(f, &e);
        return;
    }
    if (!f->first_pending) f->first_pending = rec->sequence;
    if (!f->pending_ns) f->pending_ns = clock_mono_ns();
}

/* A delete is seen through the live bitmap: it holds no sequence back. */
static void index_delete(feed *f, uint32_t ordinal)
{
    sinter_error e = SINTER_ERROR_INIT;
    if (text_index_delete(f->index, ordinal, &e))
        feed_break(f, &e);
    else if (!f->pending_ns)
        f->pending_ns = clock_mono_ns();
}

void feed_commit(views *v, feed *f)
{
    sinter_error e = SINTER_ERROR_INIT;
    uint64_t from = clock_mono_ns();
    if (text_index_commit(f->index, f->index_at, &e)) {
        feed_break(f, &e);
        return;
    }
    reader_group *fresh = readers_open(v, f, &e);
    if (!fresh) {
        feed_break(f, &e);
        return;
    }
    readers_leave(f->readers);
    f->readers = fresh;
    f->committed = f->index_at;
    f->first_pending = f->pending_ns = 0;
    f->commit_end_ns = clock_mono_ns();
    v->publish_now = true;
    pthread_mutex_lock(&v->lock);
    v->state.commits++;
    v->state.last_commit_ns = f->commit_end_ns - from;
    pthread_mutex_unlock(&v->lock);
}

void feed_compact(views *v, feed *f)
{
    sinter_error e = SINTER_ERROR_INIT;
    uint64_t from = clock_mono_ns();
    f->unpacked = 0;
    if (disk_is_full(f)) return; /* for the moment it needs the room twice */
    if (text_index_compact(f->index, &e)) {
        feed_break(f, &e);
        return;
    }
    reader_group *fresh = readers_open(v, f, &e);
    if (!fresh) {
        feed_break(f, &e);
        return;
    }
    readers_leave(f->readers);
    f->readers = fresh;
    v->publish_now = true;
    log_info("index.compact", "collection %s: the index was compacted in %.1f s", f->schema->name, (double)(clock_mono_ns() - from) / 1e9);
    pthread_mutex_lock(&v->lock);
    v->state.compactions++;
    pthread_mutex_unlock(&v->lock);
}

uint64_t feed_sequence(const views *v, const feed *f)
{
    if (!f->readers) return 0;
    if (f->state != FEED_LIVE) return f->committed;
    return f->first_pending ? f->first_pending - 1 : v->at;
}

/* ---- the tail ------------------------------------------------------------------------------------------------ */

/* What the item was before, from the journal; NULL: nothing, or it cannot be told. */
static const Sinter__V1__Item *item_before(views *v, const feed *f, const record *rec)
{
    uint64_t sequence = record_of(f, rec->item_put->ordinal);
    record *before;
    if (!sequence || sequence >= rec->sequence) return NULL;
    arena_reset(v->before);
    if (journal_get(v->reader, sequence, v->before, &before, NULL)) return NULL;
    return IS_PUT(before) ? before->item_put->item : NULL;
}

static void apply_put(views *v, feed *f, const record *rec)
{
    sinter_error e = SINTER_ERROR_INIT;
    bool changed, told = rec->sequence > f->filled;
    if (catalog_apply(f->catalog, rec, told ? item_before(v, f, rec) : NULL, &changed, &e))
        log_error("views.apply", "%s", e.what);
    f->moved = true;
    if (rec->sequence > record_of(f, rec->item_put->ordinal)) record_set(f, rec->item_put->ordinal, rec->sequence);
    if (f->state == FEED_LIVE && (changed || !told)) index_put(v, f, rec);
}

static void apply_delete(feed *f, const record *rec)
{
    sinter_error e = SINTER_ERROR_INIT;
    bool changed;
    if (catalog_apply(f->catalog, rec, NULL, &changed, &e)) log_error("views.apply", "%s", e.what);
    f->moved = true;
    record_set(f, rec->item_delete->ordinal, 0);
    if (f->state == FEED_LIVE) index_delete(f, rec->item_delete->ordinal);
}

void feed_apply(views *v, feed *f, const record *rec)
{
    profile_apply(f->profiles, rec);
    if (IS_PUT(rec)) apply_put(v, f, rec);
    if (IS_DELETE(rec)) apply_delete(f, rec);
}

/* ---- rebuild, catch up --------------------------------------------------------------------------------------- */

typedef struct step {
    views *v;
    feed *f;
} step;

static bool walk_item(void *ctx, const record *rec)
{
    step *s = ctx;
    index_put(s->v, s->f, rec);
    return s->f->state == FEED_REBUILD;
}

static void feed_fail_read(feed *f, const sinter_error *e)
{
    log_error("views.read", "collection %s: %s", f->schema->name, e->what);
    feed_break(f, e);
    f->retry_ns = clock_mono_ns() + 5 * SECOND_NS;
}

static bool step_rebuild(views *v, feed *f)
{
    step s = {v, f};
    sinter_error e = SINTER_ERROR_INIT;
    if (journal_items(v->reader, f->number, f->walk_next, STEP_RECORDS, walk_item, &s, &f->walk_next, &e)) {
        feed_fail_read(f, &e);
        return false;
    }
    if (f->state == FEED_REBUILD && f->walk_next == UINT32_MAX) f->state = FEED_CATCH_UP;
    return true;
}

/* Older than the columns: what they do not hold any more has been replaced by a record that is still to come. */
static bool catch_up_record(void *ctx, const record *rec)
{
    step *s = ctx;
    feed *f = s->f;
    if (rec->sequence > s->v->at) return false;
    if (IS_PUT(rec) && rec->item_put->collection == f->number && record_of(f, rec->item_put->ordinal) == rec->sequence)
        index_put(s->v, f, rec);
    if (IS_DELETE(rec) && rec->item_delete->collection == f->number) index_delete(f, rec->item_delete->ordinal);
    if (f->state == FEED_CATCH_UP) f->index_at = rec->sequence;
    return f->state == FEED_CATCH_UP;
}

static void go_live(views *v, feed *f)
{
    bool was_ready = f->readers != NULL;
    f->index_at = v->at;
    f->state = FEED_LIVE;
    if (f->committed < f->index_at || f->pending_ns || !f->readers) feed_commit(v, f);
    if (f->state == FEED_LIVE && !was_ready)
        log_info("index.ready", "collection %s: the index is ready at sequence %" PRIu64, f->schema->name, f->index_at);
}

/* ---- fields that were added ------------------------------------------------------------------------------------- */

static bool extend_item(void *ctx, const record *rec)
{
    step *s = ctx;
    feed *f = s->f;
    if (!IS_PUT(rec)) return true;
    catalog_refill(f->catalog, rec);
    f->moved = true;
    if (record_of(f, rec->item_put->ordinal) == rec->sequence && text_index_lacks(f->index, rec->item_put->item)) index_put(s->v, f, rec);
    return f->state == FEED_LIVE;
}

/* Stored items give what they have of added fields, a piece at a time, while the tail goes on. */
static bool step_extend(views *v, feed *f)
{
    step s = {v, f};
    sinter_error e = SINTER_ERROR_INIT;
    if (f->extend_next == UINT32_MAX) return false;
    if (journal_items(v->reader, f->number, f->extend_next, STEP_RECORDS, extend_item, &s, &f->extend_next, &e)) {
        feed_fail_read(f, &e);
        return false;
    }
    if (f->state != FEED_LIVE || f->extend_next != UINT32_MAX) return true;
    text_index_extended(f->index);
    if (!f->pending_ns) f->pending_ns = clock_mono_ns(); /* for the stamp */
    log_info("index.extended", "collection %s: every item has given its values of the fields that were added", f->schema->name);
    return true;
}

static bool step_catch_up(views *v, feed *f)
{
    step s = {v, f};
    uint64_t before = f->index_at, last;
    sinter_error e = SINTER_ERROR_INIT;
    if (journal_tail(v->reader, f->index_at, STEP_RECORDS, catch_up_record, &s, &last, &e)) {
        feed_fail_read(f, &e);
        return false;
    }
    if (f->state == FEED_CATCH_UP && (f->index_at == before || f->index_at >= v->at)) go_live(v, f);
    return true;
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

static void begin_rebuild(views *v, feed *f, journal_reader *r, uint64_t at, const char *reason)
{
    f->state = FEED_REBUILD;
    f->index_at = at;
    f->committed = 0;
    f->walk_next = 0;
    f->walk_total = f->records;
    journal_count(r, f->number, &f->walk_total, NULL, NULL);
    readers_leave(f->readers);
    f->readers = NULL;
    snprintf(f->reason, sizeof f->reason, "%s", reason[0] ? reason : "there was none");
    if (f->walk_total)
        log_info("index.rebuild", "collection %s: the index of %" PRIu32 " items is rebuilt: %s", f->schema->name,
                 f->walk_total, f->reason);
    pthread_mutex_lock(&v->lock);
    v->state.rebuilds++;
    v->state.ready = false;
    pthread_mutex_unlock(&v->lock);
}

static sinter_status open_index(views *v, feed *f, journal_reader *r, uint64_t at, bool may_rebuild, sinter_error *e)
{
    text_index_state state;
    uint64_t sequence;
    char reason[256] = "";
    sinter_status s =
        text_index_open(f->dir, f->index_schema, f->uuid, f->analyzer, may_rebuild, &f->index, &state, &sequence, reason, e);
    if (s) return s;
    if (state == TEXT_INDEX_READY && sequence > journal_last_sequence(v->journal)) {
        text_index_close(f->index, false);
        f->index = NULL;
        s = dir_remove(f->dir, e);
        if (!s)
            s = text_index_open(f->dir, f->index_schema, f->uuid, f->analyzer, true, &f->index, &state, &sequence, reason, e);
        if (s) return s;
        snprintf(reason, sizeof reason, "it was ahead of the journal");
    }
    if (state == TEXT_INDEX_REBUILD) {
        begin_rebuild(v, f, r, at, reason);
        return SINTER_OK;
    }
    if (text_index_extending(f->index)) f->extend_next = 0;
    f->state = FEED_CATCH_UP;
    f->index_at = f->committed = sequence;
    if (!sequence || f->readers) return SINTER_OK; /* stamped by no commit yet: not ready before it has caught up */
    f->readers = readers_open(v, f, e);
    return f->readers ? SINTER_OK : e->status;
}

/* Opens a broken index again. */
static void step_broken(views *v, feed *f)
{
    sinter_error e = SINTER_ERROR_INIT;
    if (clock_mono_ns() < f->retry_ns) return;
    sinter_status s = f->wipe ? dir_remove(f->dir, &e) : SINTER_OK;
    if (!s) s = open_index(v, f, v->reader, v->at, true, &e);
    if (s) feed_break(f, &e);
}

/* What a lane reported while the index was closed already has been seen to. */
static void heed_suspicion(feed *f)
{
    sinter_error e = SINTER_ERROR_INIT;
    if (!atomic_exchange(&f->suspect, false) || !f->index || !f->readers) return;
    error_set(&e, SINTER_DATA_LOSS, f->dir, NULL, "a search could not read the index");
    feed_break(f, &e);
}

bool feed_step(views *v, feed *f)
{
    if (atomic_load_explicit(&f->suspect, memory_order_relaxed)) heed_suspicion(f);
    switch (f->state) {
    case FEED_REBUILD: return step_rebuild(v, f);
    case FEED_CATCH_UP: return step_catch_up(v, f);
    case FEED_BROKEN: step_broken(v, f); return f->state != FEED_BROKEN;
    case FEED_LIVE: return step_extend(v, f);
    default: return false;
    }
}

static bool fill_item(void *ctx, const record *rec)
{
    step *s = ctx;
    sinter_error e = SINTER_ERROR_INIT;
    bool changed;
    if (catalog_apply(s->f->catalog, rec, NULL, &changed, &e)) log_error("views.fill", "%s", e.what);
    record_set(s->f, rec->item_put->ordinal, rec->sequence);
    return true;
}

static sinter_status fill_columns(views *v, feed *f, journal_reader *r, sinter_error *e)
{
    step s = {v, f};
    uint32_t next = 0, ordinals;
    sinter_status status = journal_count(r, f->number, &ordinals, NULL, e);
    if (status) return status;
    while (next != UINT32_MAX && !status)
        status = journal_items(r, f->number, next, UINT32_MAX, fill_item, &s, &next, e);
    f->filled = journal_last_sequence(v->journal);
    catalog_expect(f->catalog, ordinals);
    f->moved = true;
    return status;
}

/* A broken index is no reason to refuse the start; one for another schema is. */
static sinter_status open_parts(views *v, feed *f, journal_reader *r, uint64_t at, sinter_error *e)
{
    sinter_status s = journal_collection(v->journal, f->schema->name, &f->number, f->uuid, e);
    if (!s) s = catalog_open(f->schema, f->number, f->uuid, v->own_epochs, &f->catalog, e);
    if (!s) f->profiles = profile_open(f->schema, f->number, v->own_epochs);
    if (!s) s = text_analyzer_new(f->schema, &f->analyzer, e);
    if (!s) s = fill_columns(v, f, r, e);
    if (s) return s;
    s = open_index(v, f, r, at, false, e);
    if (!s || s == SINTER_PRECONDITION || s == SINTER_INVALID) return s;
    feed_break(f, e);
    return SINTER_OK;
}

feed *feed_new(const config_collection *schema)
{
    feed *f = xcalloc(1, sizeof *f);
    f->schema = f->index_schema = schema;
    f->extend_next = UINT32_MAX;
    return f;
}

sinter_status feed_open(views *v, feed *f, journal_reader *r, uint64_t at, sinter_error *e)
{
    f->dir = xasprintf("%s/index/%s", v->config->server.data_dir, f->schema->name);
    return open_parts(v, f, r, at, e);
}

void feed_adopt(views *v, feed *f, const config_collection *schema, text_analyzer *analyzer)
{
    (void)v;
    catalog_adopt(f->catalog, schema);
    if (f->index) text_index_adopt(f->index, schema, analyzer);
    text_analyzer_free(f->analyzer);
    f->analyzer = analyzer;
    f->index_schema = schema;
    f->extend_next = 0;
    f->moved = true;
}

static bool is_whole(const feed *f)
{
    return f->state == FEED_LIVE && f->readers;
}

void feed_close(views *v, feed *f)
{
    if (f->index && is_whole(f) && (f->pending_ns || f->committed < f->index_at)) feed_commit(v, f);
    if (f->index) text_index_close(f->index, is_whole(f));
    readers_leave(f->readers);
    if (f->catalog) catalog_close(f->catalog);
    profile_close(f->profiles);
    profile_close(f->fresh);
    if (f->analyzer) text_analyzer_free(f->analyzer);
    free(f->record);
    free(f->dir);
}
