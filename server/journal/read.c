/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading: one record, a tail by sequence, the newest state of items.
 *
 * A read transaction that lives on makes the file grow, so each call renews the reader's, copies what it needs and
 * resets it. A walk unpacks a batch into the reader's arena, ends the transaction, and only then calls the caller's
 * function: however slow that is, no transaction is open meanwhile, and it may use the same reader for single records.
 */
#include "store.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_RECORDS = 256, BATCH_BYTES = 4 << 20 };

sinter_status journal_reader_open(journal *j, journal_reader **out, sinter_error *e)
{
    journal_reader *r = xcalloc(1, sizeof *r);
    r->j = j;
    pthread_mutex_lock(&j->readers_lock);
    r->at = atomic_load(&j->store);
    int code = mdb_txn_begin(r->at->env, NULL, MDB_RDONLY, &r->txn);
    if (!code) {
        mdb_txn_reset(r->txn);
        r->batch = arena_new(1 << 16);
        r->next = j->readers;
        j->readers = r;
    }
    pthread_mutex_unlock(&j->readers_lock);
    *out = code ? NULL : r;
    if (!code) return SINTER_OK;
    free(r);
    return store_fail_at(e, j->dir, code, "read");
}

void journal_reader_close(journal_reader *r)
{
    if (!r) return;
    pthread_mutex_lock(&r->j->readers_lock);
    journal_reader **at = &r->j->readers;
    while (*at != r) at = &(*at)->next;
    *at = r->next;
    if (r->txn) mdb_txn_abort(r->txn);
    pthread_mutex_unlock(&r->j->readers_lock);
    arena_free(r->batch);
    buffer_free(&r->bytes);
    free(r);
}

static void take(journal_reader *r)
{
    for (int idle = READER_IDLE; !atomic_compare_exchange_weak(&r->state, &idle, READER_READS); idle = READER_IDLE)
        sched_yield(); /* the journal's file is being changed */
}

static void end(journal_reader *r)
{
    if (r->txn) mdb_txn_reset(r->txn);
    atomic_store(&r->state, READER_IDLE);
}

/* On the file that is the journal's now. */
static sinter_status begin(journal_reader *r, sinter_error *e)
{
    take(r);
    const store *now = atomic_load(&r->j->store);
    int code;
    if (r->at == now && r->txn) {
        code = mdb_txn_renew(r->txn);
    } else {
        if (r->txn) mdb_txn_abort(r->txn);
        r->txn = NULL;
        r->at = now;
        code = mdb_txn_begin(now->env, NULL, MDB_RDONLY, &r->txn);
    }
    if (!code) return SINTER_OK;
    sinter_status s = store_fail_at(e, r->j->dir, code, "read");
    end(r);
    return s;
}

void reader_leave(journal_reader *r, const store *old)
{
    for (int idle = READER_IDLE; !atomic_compare_exchange_weak(&r->state, &idle, READER_MOVED); idle = READER_IDLE)
        sched_yield(); /* no read outlives 100 ms */
    if (r->at == old) {
        if (r->txn) mdb_txn_abort(r->txn);
        r->txn = NULL;
        r->at = NULL;
    }
    atomic_store(&r->state, READER_IDLE);
}

sinter_status reader_collection(journal_reader *r, str name, collection_entry *c, int *code, sinter_error *e)
{
    sinter_status s = begin(r, e);
    if (s) return s;
    *code = store_get_fixed(r->txn, r->at->t.collections, name.s, name.n, c, sizeof *c);
    if (*code && *code != MDB_NOTFOUND) s = store_fail_at(e, r->j->dir, *code, "read");
    end(r);
    return s;
}

/* ---- single records ------------------------------------------------------------------------------------------ */

/* Inside a transaction: the stored bytes of a sequence, in the map. */
static sinter_status find(journal_reader *r, uint64_t sequence, str *stored, sinter_error *e)
{
    MDB_val v;
    int code;
    if (store_get(r->txn, r->at->t.log, &sequence, sizeof sequence, &v, &code)) {
        *stored = (str){v.mv_data, v.mv_size};
        return SINTER_OK;
    }
    if (code == MDB_NOTFOUND)
        return error_set(e, SINTER_NOT_FOUND, r->j->dir, NULL, "the journal has no record %" PRIu64, sequence);
    return store_fail_at(e, r->j->dir, code, "read");
}

sinter_status journal_get(journal_reader *r, uint64_t sequence, arena *a, Sinter__Storage__V1__Record **out,
                          sinter_error *e)
{
    str stored;
    sinter_status s = begin(r, e);
    if (s) return s;
    s = find(r, sequence, &stored, e);
    if (!s) s = record_read(stored, sequence, a, out, e);
    end(r);
    return s;
}

uint32_t journal_body(str bytes)
{
    uint32_t field;
    return record_scan_body(bytes, &field) ? field : 0;
}

sinter_status journal_get_bytes(journal_reader *r, uint64_t sequence, str *out, sinter_error *e)
{
    str stored, packed;
    sinter_status s = begin(r, e);
    if (s) return s;
    s = find(r, sequence, &stored, e);
    if (!s) s = record_check(stored, sequence, &packed, e);
    if (!s) {
        buffer_clear(&r->bytes);
        buffer_append(&r->bytes, packed.s, packed.n);
        *out = (str){r->bytes.data, r->bytes.len};
    }
    end(r);
    return s;
}

/* ---- walks --------------------------------------------------------------------------------------------------- */

typedef Sinter__Storage__V1__Record record;

/* Records unpacked into the reader's arena. */
typedef struct batch {
    record *rec[BATCH_RECORDS];
    uint32_t n;
    size_t bytes;
    uint64_t began_ns;
} batch;

/* Never for want of time alone: an empty batch means the end, also on a machine that held us up before the first record. */
static bool batch_full(const batch *b, uint32_t limit)
{
    return b->n >= BATCH_RECORDS || b->n >= limit || b->bytes >= BATCH_BYTES ||
           (b->n && clock_mono_ns() - b->began_ns > (uint64_t)REBIND_MS * 1000000u / 4);
}

static sinter_status batch_add(journal_reader *r, batch *b, uint64_t sequence, str stored, sinter_error *e)
{
    sinter_status s = record_read(stored, sequence, r->batch, &b->rec[b->n], e);
    if (s) return s;
    b->n++;
    b->bytes += stored.n;
    return SINTER_OK;
}

static sinter_status check_trim(journal_reader *r, uint64_t after, sinter_error *e)
{
    uint64_t trimmed = 0;
    int code = store_get_fixed(r->txn, r->at->t.meta, "trimmed", 7, &trimmed, sizeof trimmed);
    if (code && code != MDB_NOTFOUND) return store_fail_at(e, r->j->dir, code, "read");
    if (after >= trimmed) return SINTER_OK;
    return error_set(e, SINTER_GONE, r->j->dir, "start from a base snapshot",
                     "records up to %" PRIu64 " were trimmed, the tail starts after %" PRIu64, trimmed, after);
}

static sinter_status fill_tail(journal_reader *r, uint64_t after, uint32_t limit, batch *b, sinter_error *e)
{
    MDB_cursor *c;
    uint64_t sequence = after + 1;
    MDB_val k = {sizeof sequence, &sequence}, v;
    sinter_status s = check_trim(r, after, e);
    if (s || after == UINT64_MAX) return s;
    int code = mdb_cursor_open(r->txn, r->at->t.log, &c);
    if (code) return store_fail_at(e, r->j->dir, code, "read");
    code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    while (!code && !s && !batch_full(b, limit)) {
        memcpy(&sequence, k.mv_data, sizeof sequence);
        s = batch_add(r, b, sequence, (str){v.mv_data, v.mv_size}, e);
        code = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(c);
    if (code && code != MDB_NOTFOUND && !s) s = store_fail_at(e, r->j->dir, code, "read");
    return s;
}

static sinter_status walk_begin(journal_reader *r, sinter_error *e)
{
    if (r->walking)
        return error_set(e, SINTER_PRECONDITION, r->j->dir, "open another reader",
                         "the reader is walking already");
    r->walking = true;
    return SINTER_OK;
}

static void batch_begin(journal_reader *r, batch *b)
{
    arena_reset(r->batch);
    b->n = 0;
    b->bytes = 0;
    b->began_ns = clock_mono_ns();
}

/* A record behind a broken one is never given: what stood before it is, then the failure. */
sinter_status journal_tail(journal_reader *r, uint64_t after, uint32_t limit, bool (*fn)(void *ctx, const record *rec),
                           void *ctx, uint64_t *last, sinter_error *e)
{
    if (last) *last = after;
    sinter_status s = walk_begin(r, e);
    if (s) return s;
    batch b;
    bool more = true;
    while (more && limit && !s) {
        batch_begin(r, &b);
        s = begin(r, e);
        if (s) break;
        s = fill_tail(r, after, limit, &b, e);
        end(r);
        more = b.n > 0;
        for (uint32_t i = 0; i < b.n && more; i++) {
            after = b.rec[i]->sequence;
            if (last) *last = after;
            more = fn(ctx, b.rec[i]);
        }
        limit -= b.n;
    }
    r->walking = false;
    return s;
}

/* Where the walk over the items of a collection stands. */
typedef struct items_walk {
    uint32_t collection, ordinal; /* the next one */
    bool at_end;
} items_walk;

static sinter_status fill_items(journal_reader *r, items_walk *w, uint32_t limit, batch *b, sinter_error *e)
{
    const tables *t = &r->at->t;
    MDB_cursor *c;
    unsigned char key[8];
    ordinal_key_of(key, w->collection, w->ordinal);
    MDB_val k = {sizeof key, key}, v;
    sinter_status s = SINTER_OK;
    int code = mdb_cursor_open(r->txn, t->ordinals, &c);
    if (code) return store_fail_at(e, r->j->dir, code, "read");
    code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    while (!s && !batch_full(b, limit)) {
        uint64_t sequence;
        str stored;
        w->at_end = code == MDB_NOTFOUND || (!code && (k.mv_size != 8 || big_endian_read(k.mv_data) != w->collection));
        if (w->at_end || code) break;
        if (v.mv_size != sizeof sequence) {
            code = MDB_CORRUPTED;
            break;
        }
        memcpy(&sequence, v.mv_data, sizeof sequence);
        w->ordinal = big_endian_read((const unsigned char *)k.mv_data + 4) + 1;
        s = find(r, sequence, &stored, e);
        if (!s) s = batch_add(r, b, sequence, stored, e);
        code = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(c);
    if (code && code != MDB_NOTFOUND && !s) s = store_fail_at(e, r->j->dir, code, "read");
    return s;
}

sinter_status journal_items(journal_reader *r, uint32_t collection, uint32_t ordinal, uint32_t limit,
                            bool (*fn)(void *ctx, const record *rec), void *ctx, uint32_t *next, sinter_error *e)
{
    items_walk w = {.collection = collection, .ordinal = ordinal};
    sinter_status s = walk_begin(r, e);
    if (s) return s;
    batch b;
    bool more = true;
    *next = ordinal;
    while (more && limit && !w.at_end && !s) {
        batch_begin(r, &b);
        s = begin(r, e);
        if (s) break;
        s = fill_items(r, &w, limit, &b, e);
        end(r);
        for (uint32_t i = 0; i < b.n && more; i++) {
            *next = b.rec[i]->item_put ? b.rec[i]->item_put->ordinal + 1 : *next;
            more = fn(ctx, b.rec[i]);
        }
        limit -= b.n;
    }
    if (w.at_end && more && !s) *next = UINT32_MAX;
    r->walking = false;
    return s;
}

/* ---- items --------------------------------------------------------------------------------------------------- */

sinter_status journal_item(journal_reader *r, uint32_t collection, str id, uint32_t *ordinal, uint64_t *sequence,
                           sinter_error *e)
{
    item_key key;
    item_entry item = {0};
    item_key_of(&key, collection, id);
    sinter_status s = begin(r, e);
    if (s) return s;
    int code = id.n > ID_MOST ? MDB_NOTFOUND
                              : store_get_fixed(r->txn, r->at->t.items, key.bytes, key.n, &item, sizeof item);
    end(r);
    if (code == MDB_NOTFOUND)
        return error_set(e, SINTER_NOT_FOUND, NULL, NULL, "no item '%.*s'", (int)(id.n > ID_MOST ? ID_MOST : id.n),
                         id.s);
    if (code) return store_fail_at(e, r->j->dir, code, "read");
    if (ordinal) *ordinal = item.ordinal;
    if (sequence) *sequence = item.sequence;
    return SINTER_OK;
}

sinter_status journal_ordinal(journal_reader *r, uint32_t collection, uint32_t ordinal, uint64_t *sequence,
                              sinter_error *e)
{
    unsigned char key[8];
    ordinal_key_of(key, collection, ordinal);
    sinter_status s = begin(r, e);
    if (s) return s;
    uint64_t found = 0;
    int code = store_get_fixed(r->txn, r->at->t.ordinals, key, sizeof key, &found, sizeof found);
    end(r);
    if (code == MDB_NOTFOUND)
        return error_set(e, SINTER_NOT_FOUND, NULL, NULL, "no item has ordinal %" PRIu32, ordinal);
    if (code) return store_fail_at(e, r->j->dir, code, "read");
    if (sequence) *sequence = found;
    return SINTER_OK;
}

sinter_status journal_written(journal_reader *r, str write_id, journal_result *out, sinter_error *e)
{
    write_entry w;
    const void *refused;
    *out = (journal_result){.repeated = true};
    sinter_status s = begin(r, e);
    if (s) return s;
    int code = write_entry_get(r->txn, &r->at->t, write_id, &w, &refused, &out->n_refused);
    end(r);
    if (code == MDB_NOTFOUND) return error_set(e, SINTER_NOT_FOUND, NULL, NULL, "no such write was stored");
    if (code) return store_fail_at(e, r->j->dir, code, "read");
    out->sequence = w.sequence;
    out->applied = w.applied;
    out->unknown = w.unknown;
    return SINTER_OK;
}

sinter_status journal_count(journal_reader *r, uint32_t collection, uint32_t *ordinals, uint32_t *live, sinter_error *e)
{
    count_entry c = {0};
    sinter_status s = begin(r, e);
    if (s) return s;
    int code = store_get_fixed(r->txn, r->at->t.counts, &collection, sizeof collection, &c, sizeof c);
    end(r);
    if (code == MDB_NOTFOUND)
        return error_set(e, SINTER_NOT_FOUND, NULL, NULL, "no collection has number %" PRIu32, collection);
    if (code) return store_fail_at(e, r->j->dir, code, "read");
    if (ordinals) *ordinals = c.ordinals;
    if (live) *live = c.live;
    return SINTER_OK;
}
