/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Applying writes to the transaction that the writer builds: sequences, ordinals, deduplication, fences.
 *
 * A write is looked at whole before anything of it is put, so that a refused one leaves no trace in the transaction of
 * the group. What fails after that is the disk's or the map's doing, and the transaction is aborted. */
#include "store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int put(build *b, MDB_dbi dbi, const void *key, size_t key_n, const void *value, size_t n, unsigned flags)
{
    MDB_val k = {key_n, (void *)(uintptr_t)key}, v = {n, (void *)(uintptr_t)value};
    b->changed = true;
    return mdb_put(b->txn, dbi, &k, &v, flags);
}

/* ---- the transaction ----------------------------------------------------------------------------------------- */

/* Collection numbers are dense from 1: the last key of `counts` is the highest. */
static int highest_collection(MDB_txn *txn, const tables *t, uint32_t *number)
{
    MDB_cursor *c;
    MDB_val k, v;
    *number = 0;
    int code = mdb_cursor_open(txn, t->counts, &c);
    if (code) return code;
    code = mdb_cursor_get(c, &k, &v, MDB_LAST);
    if (!code && k.mv_size != sizeof *number) code = MDB_CORRUPTED;
    if (!code) memcpy(number, k.mv_data, sizeof *number);
    mdb_cursor_close(c);
    return code == MDB_NOTFOUND ? 0 : code;
}

static void grow_counters(build *b, uint32_t number)
{
    if (number < b->counters) return;
    uint32_t n = number + 16;
    b->counter = xrealloc(b->counter, n * sizeof *b->counter);
    memset(b->counter + b->counters, 0, (n - b->counters) * sizeof *b->counter);
    b->counters = n;
}

int build_begin(build *b, const store *s)
{
    b->changed = false;
    b->records = b->bytes = 0;
    for (uint32_t i = 0; i < b->counters; i++)
        b->counter[i] = (counter){0};
    int code = mdb_txn_begin(s->env, NULL, 0, &b->txn);
    if (code) return code;
    code = store_last(b->txn, &s->t, &b->sequence);
    if (!code) code = highest_collection(b->txn, &s->t, &b->collections);
    if (code) build_abort(b);
    return code;
}

void build_abort(build *b)
{
    if (b->txn) mdb_txn_abort(b->txn);
    b->txn = NULL;
}

static int write_counters(build *b, const store *s)
{
    for (uint32_t i = 0; i < b->counters; i++) {
        if (!b->counter[i].changed) continue;
        int code = put(b, s->t.counts, &i, sizeof i, &b->counter[i].now, sizeof b->counter[i].now, 0);
        if (code) return code;
    }
    return 0;
}

int build_commit(build *b, const store *s)
{
    int code = write_counters(b, s);
    if (code || !b->changed) {
        build_abort(b);
        return code;
    }
    code = mdb_txn_commit(b->txn); /* frees it also when it fails */
    b->txn = NULL;
    return code;
}

void build_free(build *b)
{
    free(b->counter);
    buffer_free(&b->scratch);
}

/* ---- operations ---------------------------------------------------------------------------------------------- */

typedef struct step {
    build *b;
    const store *s;
    journal_result *r;
    record_stamp stamp;
} step;

static int append_record(step *t)
{
    build *b = t->b;
    int code =
        put(b, t->s->t.log, &t->stamp.sequence, sizeof t->stamp.sequence, b->scratch.data, b->scratch.len, MDB_APPEND);
    b->records++;
    b->bytes += b->scratch.len;
    t->r->applied++;
    return code;
}

static void next_sequence(step *t)
{
    t->stamp.sequence = ++t->b->sequence;
}

static int put_item(step *t, const journal_op *op)
{
    build *b = t->b;
    counter *c = &b->counter[op->collection];
    item_key key;
    item_key_of(&key, op->collection, op->id);
    item_entry item = {0};
    int code = store_get_fixed(b->txn, t->s->t.items, key.bytes, key.n, &item, sizeof item);
    if (code && code != MDB_NOTFOUND) return code;
    if (code == MDB_NOTFOUND) {
        item.ordinal = c->now.ordinals++;
        c->now.live++;
        c->changed = true;
    }
    next_sequence(t);
    item.sequence = t->stamp.sequence;
    record_item_put(&b->scratch, &t->stamp, op->collection, item.ordinal, op->bytes);
    unsigned char ordinal_key[8];
    ordinal_key_of(ordinal_key, op->collection, item.ordinal);
    code = append_record(t);
    if (!code) code = put(b, t->s->t.items, key.bytes, key.n, &item, sizeof item, 0);
    if (!code) code = put(b, t->s->t.ordinals, ordinal_key, 8, &item.sequence, sizeof item.sequence, 0);
    return code;
}

static int delete_item(step *t, const journal_op *op)
{
    build *b = t->b;
    counter *c = &b->counter[op->collection];
    item_key key;
    item_key_of(&key, op->collection, op->id);
    item_entry item;
    int code = store_get_fixed(b->txn, t->s->t.items, key.bytes, key.n, &item, sizeof item);
    if (code == MDB_NOTFOUND) {
        t->r->unknown++;
        return 0;
    }
    if (code) return code;
    c->now.live--;
    c->changed = true;
    next_sequence(t);
    record_item_delete(&b->scratch, &t->stamp, op->collection, item.ordinal, op->id);
    unsigned char ordinal_key[8];
    ordinal_key_of(ordinal_key, op->collection, item.ordinal);
    MDB_val item_k = {key.n, key.bytes}, ordinal_k = {8, ordinal_key};
    code = append_record(t);
    if (!code) code = mdb_del(b->txn, t->s->t.items, &item_k, NULL);
    if (!code) code = mdb_del(b->txn, t->s->t.ordinals, &ordinal_k, NULL);
    return code == MDB_NOTFOUND ? MDB_CORRUPTED : code;
}

/* An id stored before, by an earlier write or earlier in this one, makes no record. */
static int put_event(step *t, const journal_op *op)
{
    build *b = t->b;
    item_key key;
    uint64_t before;
    item_key_of(&key, op->collection, op->id);
    int code = store_get_fixed(b->txn, t->s->t.events, key.bytes, key.n, &before, sizeof before);
    if (!code) t->r->repeated_events++;
    if (code != MDB_NOTFOUND) return code;
    next_sequence(t);
    record_event_put(&b->scratch, &t->stamp, op->bytes);
    code = append_record(t);
    return code ? code : put(b, t->s->t.events, key.bytes, key.n, &t->stamp.sequence, sizeof t->stamp.sequence, 0);
}

static int put_record(step *t, const journal_op *op)
{
    next_sequence(t);
    record_any(&t->b->scratch, &t->stamp, op->bytes);
    return append_record(t);
}

static int make_collection(step *t, const journal_op *op)
{
    build *b = t->b;
    collection_entry c = {0};
    int code = store_get_fixed(b->txn, t->s->t.collections, op->id.s, op->id.n, &c, sizeof c);
    if (code != MDB_NOTFOUND) return code;
    c.number = ++b->collections;
    memcpy(c.uuid, op->bytes.s, 36);
    grow_counters(b, c.number);
    b->counter[c.number] = (counter){.known = true, .changed = true};
    next_sequence(t);
    record_collection_made(&b->scratch, &t->stamp, c.number, op->id, op->bytes);
    code = append_record(t);
    return code ? code : put(b, t->s->t.collections, op->id.s, op->id.n, &c, sizeof c, 0);
}

static int apply_op(step *t, const journal_op *op)
{
    switch ((int)op->kind) {
    case JOURNAL_PUT: return put_item(t, op);
    case JOURNAL_DELETE: return delete_item(t, op);
    case JOURNAL_EVENT: return put_event(t, op);
    case JOURNAL_MAKE_COLLECTION: return make_collection(t, op);
    default: return put_record(t, op);
    }
}

/* ---- one write ----------------------------------------------------------------------------------------------- */

/* Each operation made a record, was a delete of nothing, or an event that had been stored. */
static uint32_t events_then(const journal_write *w, const write_entry *stored)
{
    uint64_t told = (uint64_t)stored->applied + stored->unknown;
    return w->n > told ? w->n - (uint32_t)told : 0;
}

/* Answers a repeated write with what was stored; false: it is new, or *code says what failed. */
static bool answered_before(build *b, const store *s, const journal_write *write, journal_result *r, int *code)
{
    write_entry w;
    str write_id = write->write_id;
    *code = store_get_fixed(b->txn, s->t.writes, write_id.s, write_id.n, &w, sizeof w);
    if (*code == MDB_NOTFOUND)
        *code = 0;
    else if (!*code) {
        if (w.sum != write_entry_sum(write_id, &w)) {
            *code = MDB_CORRUPTED;
            return false;
        }
        *r = (journal_result){.sequence = w.sequence,
                              .applied = w.applied,
                              .unknown = w.unknown,
                              .repeated_events = events_then(write, &w),
                              .repeated = true};
        return true;
    }
    return false;
}

static int load_counter(build *b, const store *s, uint32_t number)
{
    if (number > b->collections || !number) return MDB_NOTFOUND;
    grow_counters(b, number);
    counter *c = &b->counter[number];
    if (c->known) return 0;
    int code = store_get_fixed(b->txn, s->t.counts, &number, sizeof number, &c->now, sizeof c->now);
    c->known = !code;
    return code;
}

/* Everything that can be wrong with a write by itself. */
static int check_ops(build *b, const store *s, const journal_write *w, journal_result *r, sinter_error *e)
{
    for (uint32_t i = 0; i < w->n && !r->status; i++) {
        bool event = w->op[i].kind == JOURNAL_EVENT;
        if (!event && w->op[i].kind != JOURNAL_PUT && w->op[i].kind != JOURNAL_DELETE) continue;
        uint32_t number = w->op[i].collection;
        int code = load_counter(b, s, number);
        if (code && code != MDB_NOTFOUND) return code;
        if (code)
            r->status = error_set(e, SINTER_NOT_FOUND, s->dir, "make it with journal_collection first",
                                  "no collection has number %" PRIu32, number);
        else if (!event && b->counter[number].now.ordinals >= UINT32_MAX - w->n)
            r->status = error_set(e, SINTER_EXHAUSTED, s->dir, "start a new collection",
                                  "collection %" PRIu32 " has given all of its ordinals", number);
    }
    return 0;
}

static int remember(build *b, const store *s, str write_id, const journal_result *r)
{
    write_entry w = {.sequence = r->sequence, .applied = r->applied, .unknown = r->unknown};
    w.sum = write_entry_sum(write_id, &w);
    return put(b, s->t.writes, write_id.s, write_id.n, &w, sizeof w, 0);
}

int build_write(build *b, const store *s, const journal_write *w, journal_result *r, sinter_error *e)
{
    *r = (journal_result){0};
    int code = 0;
    if (w->write_id.n && answered_before(b, s, w, r, &code)) return 0;
    if (code) return code;
    if (w->fence != UINT64_MAX && w->fence != b->sequence) {
        r->status =
            error_set(e, SINTER_CONFLICT, s->dir, "read what is new and try again",
                      "the journal is at sequence %" PRIu64 ", the write expected %" PRIu64, b->sequence, w->fence);
        return 0;
    }
    code = check_ops(b, s, w, r, e);
    if (code || r->status) return code;
    step t = {.b = b, .s = s, .r = r, .stamp = {.write_id = w->write_id, .time_ms = clock_wall_ms()}};
    for (uint32_t i = 0; i < w->n && !code; i++)
        code = apply_op(&t, &w->op[i]);
    r->sequence = b->sequence;
    if (!code && w->write_id.n) code = remember(b, s, w->write_id, r);
    return code;
}
