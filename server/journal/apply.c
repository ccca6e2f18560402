/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Applying writes to the transaction that the writer builds: sequences, ordinals, deduplication, fences.
 *
 * A write is looked at whole before anything of it is put, so that a refused one leaves no trace in the transaction of
 * the group. What fails after that is the disk's or the map's doing, and the transaction is aborted. */
#include "store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void note(const build *b, const store *s, const MDB_dbi *dbi, const void *key, size_t n)
{
    if (b->compaction) compact_note(b->compaction, (unsigned)(dbi - &s->t.log), key, n);
}

/* `dbi`: one of s->t. */
static int put(build *b, const store *s, const MDB_dbi *dbi, const void *key, size_t key_n, const void *value, size_t n, unsigned flags)
{
    MDB_val k = {key_n, (void *)(uintptr_t)key}, v = {n, (void *)(uintptr_t)value};
    b->changed = true;
    note(b, s, dbi, key, key_n);
    return mdb_put(b->txn, *dbi, &k, &v, flags);
}

static int drop(build *b, const store *s, const MDB_dbi *dbi, const void *key, size_t key_n)
{
    MDB_val k = {key_n, (void *)(uintptr_t)key};
    b->changed = true;
    note(b, s, dbi, key, key_n);
    return mdb_del(b->txn, *dbi, &k, NULL);
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

int build_begin(build *b, const store *s, compaction *c)
{
    b->compaction = c;
    b->changed = b->erased = false;
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
        int code = put(b, s, &s->t.counts, &i, sizeof i, &b->counter[i].now, sizeof b->counter[i].now, 0);
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
    if (b->change) arena_free(b->change);
    if (b->a) arena_free(b->a);
    buffer_free(&b->scratch);
}

/* ---- operations ---------------------------------------------------------------------------------------------- */

typedef struct step {
    build *b;
    const store *s;
    journal_result *r;
    record_stamp stamp;
    arena **memory; /* of what the result holds */
    uint32_t n, at; /* ops of the write, the one being applied */
} step;

static int append_record(step *t)
{
    build *b = t->b;
    int code =
        put(b, t->s, &t->s->t.log, &t->stamp.sequence, sizeof t->stamp.sequence, b->scratch.data, b->scratch.len, MDB_APPEND);
    b->records++;
    b->bytes += b->scratch.len;
    t->r->applied++;
    return code;
}

static void next_sequence(step *t)
{
    t->stamp.sequence = ++t->b->sequence;
    t->stamp.continued = t->at + 1 < t->n;
}

/* `item` is the entry that the id has; sequence 0: none. */
static int put_state(step *t, const journal_op *op, item_entry item, str bytes)
{
    build *b = t->b;
    counter *c = &b->counter[op->collection];
    item_key key;
    item_key_of(&key, op->collection, op->id);
    if (!item.sequence) {
        item.ordinal = c->now.ordinals++;
        c->now.live++;
        c->changed = true;
    }
    next_sequence(t);
    item.sequence = t->stamp.sequence;
    record_item_put(&b->scratch, &t->stamp, op->collection, item.ordinal, bytes);
    unsigned char ordinal_key[8];
    int code;
    ordinal_key_of(ordinal_key, op->collection, item.ordinal);
    code = append_record(t);
    if (!code) code = put(b, t->s, &t->s->t.items, key.bytes, key.n, &item, sizeof item, 0);
    if (!code) code = put(b, t->s, &t->s->t.ordinals, ordinal_key, 8, &item.sequence, sizeof item.sequence, 0);
    return code;
}

/* The entry of an item; sequence 0: none. */
static int find_item(step *t, const journal_op *op, item_entry *item)
{
    item_key key;
    item_key_of(&key, op->collection, op->id);
    *item = (item_entry){0};
    int code = store_get_fixed(t->b->txn, t->s->t.items, key.bytes, key.n, item, sizeof *item);
    return code == MDB_NOTFOUND ? 0 : code;
}

static int put_item(step *t, const journal_op *op)
{
    item_entry item;
    int code = find_item(t, op, &item);
    return code ? code : put_state(t, op, item, op->bytes);
}

static int delete_state(step *t, const journal_op *op, item_entry item)
{
    build *b = t->b;
    counter *c = &b->counter[op->collection];
    item_key key;
    int code;
    item_key_of(&key, op->collection, op->id);
    c->now.live--;
    c->changed = true;
    next_sequence(t);
    record_item_delete(&b->scratch, &t->stamp, op->collection, item.ordinal, op->id);
    unsigned char ordinal_key[8];
    ordinal_key_of(ordinal_key, op->collection, item.ordinal);
    code = append_record(t);
    if (!code) code = drop(b, t->s, &t->s->t.items, key.bytes, key.n);
    if (!code) code = drop(b, t->s, &t->s->t.ordinals, ordinal_key, 8);
    return code == MDB_NOTFOUND ? MDB_CORRUPTED : code;
}

static int delete_item(step *t, const journal_op *op)
{
    item_entry item;
    int code = find_item(t, op, &item);
    if (code) return code;
    if (item.sequence && (!op->only_ordinal || op->only_ordinal == item.ordinal + 1)) return delete_state(t, op, item);
    t->r->unknown++;
    return 0;
}

/* ---- changes --------------------------------------------------------------------------------------------------- */

static void refuse(step *t, sinter_status status, const char *field, const char *what)
{
    enum { FIRST = 8 };
    journal_result *r = t->r;
    if (!*t->memory) *t->memory = arena_new(1024);
    if (r->n_refused == 0 || (r->n_refused >= FIRST && (r->n_refused & (r->n_refused - 1)) == 0)) {
        journal_refusal *more = ARENA_ARRAY(*t->memory, journal_refusal, r->n_refused ? 2 * (size_t)r->n_refused : FIRST);
        if (r->n_refused) memcpy(more, r->refused, r->n_refused * sizeof *more);
        r->refused = more;
    }
    ((journal_refusal *)(uintptr_t)r->refused)[r->n_refused++] =
        (journal_refusal){.op = t->at,
                          .status = status,
                          .field = field ? arena_strdup(*t->memory, field) : NULL,
                          .what = what ? arena_strdup(*t->memory, what) : NULL};
}

/* The state that an entry stands for, in the arena of changes. */
static int item_state(step *t, const journal_op *op, uint64_t sequence, const Sinter__V1__Item **out)
{
    MDB_val v;
    int code;
    Sinter__Storage__V1__Record *rec;
    (void)op;
    if (!store_get(t->b->txn, t->s->t.log, &sequence, sizeof sequence, &v, &code))
        return code == MDB_NOTFOUND ? MDB_CORRUPTED : code;
    if (record_read((str){v.mv_data, v.mv_size}, sequence, t->b->change, &rec, NULL)) return MDB_CORRUPTED;
    if (rec->body_case != SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT || !rec->item_put->item) return MDB_CORRUPTED;
    *out = rec->item_put->item;
    return 0;
}

static int change_item(step *t, const journal_op *op)
{
    item_entry item;
    str id;
    int code = find_item(t, op, &item);
    if (code) return code;
    if (!t->b->change) t->b->change = arena_new(1 << 16);
    arena_reset(t->b->change);
    journal_change c = {.sequence = item.sequence, .bytes = op->bytes, .a = t->b->change, .status = SINTER_CONFLICT};
    if (item.sequence) code = item_state(t, op, item.sequence, &c.before);
    if (code) return code;
    switch (op->change(op->change_ctx, &c)) {
    case JOURNAL_CHANGE_PUT:
        if (record_scan_item(c.item, &id) && str_eq(id, op->id)) return put_state(t, op, item, c.item);
        refuse(t, SINTER_INTERNAL, NULL, "the change made another item");
        return 0;
    case JOURNAL_CHANGE_DELETE: return item.sequence ? delete_state(t, op, item) : 0;
    case JOURNAL_CHANGE_REFUSE: refuse(t, c.status, c.field, c.what); return 0;
    default: return 0;
    }
}

static item_key event_digest_key(uint32_t collection, str id)
{
    char digest[DIGEST_KEY];
    item_key key;
    digest_key_of(digest, id);
    item_key_of(&key, collection, (str){digest, DIGEST_KEY});
    return key;
}

/* An id stored before, by an earlier write or earlier in this one, makes no record. */
static int put_event(step *t, const journal_op *op)
{
    build *b = t->b;
    item_key key;
    uint64_t before;
    item_key_of(&key, op->collection, op->id);
    int code = store_get_fixed(b->txn, t->s->t.events, key.bytes, key.n, &before, sizeof before);
    if (code == MDB_NOTFOUND && (t->s->erased || b->erased)) {
        item_key erased = event_digest_key(op->collection, op->id);
        code = store_get_fixed(b->txn, t->s->t.events, erased.bytes, erased.n, &before, sizeof before);
    }
    if (!code) t->r->repeated_events++;
    if (code != MDB_NOTFOUND) return code;
    next_sequence(t);
    record_event_put(&b->scratch, &t->stamp, op->bytes);
    code = append_record(t);
    return code ? code : put(b, t->s, &t->s->t.events, key.bytes, key.n, &t->stamp.sequence, sizeof t->stamp.sequence, 0);
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
    return code ? code : put(b, t->s, &t->s->t.collections, op->id.s, op->id.n, &c, sizeof c, 0);
}

/* ---- erasing -------------------------------------------------------------------------------------------------- */

/* The event's id leads to the record still, as a digest. */
static int forget_event(step *t, uint64_t sequence, const Sinter__Storage__V1__EventPut *p)
{
    if (!p->event) return 0;
    item_key key, digest = event_digest_key(p->collection, str_of(p->event->event_id));
    item_key_of(&key, p->collection, str_of(p->event->event_id));
    int code = drop(t->b, t->s, &t->s->t.events, key.bytes, key.n);
    if (code == MDB_NOTFOUND) return MDB_CORRUPTED;
    return code ? code : put(t->b, t->s, &t->s->t.events, digest.bytes, digest.n, &sequence, sizeof sequence, 0);
}

static int forget_write(step *t, str write_id)
{
    write_entry w;
    const void *refused;
    uint32_t n;
    char digest[DIGEST_KEY];
    buffer *out = &t->b->scratch;
    int code = write_entry_get(t->b->txn, &t->s->t, write_id, &w, &refused, &n);
    if (code) return code == MDB_NOTFOUND ? 0 : code; /* another record of the same write was first */
    digest_key_of(digest, write_id);
    w.sum = write_entry_sum((str){digest, DIGEST_KEY}, &w, refused, n);
    buffer_clear(out);
    buffer_append(out, &w, sizeof w);
    buffer_append(out, refused, n * sizeof(refused_entry));
    code = drop(t->b, t->s, &t->s->t.writes, write_id.s, write_id.n);
    return code ? code : put(t->b, t->s, &t->s->t.writes, digest, DIGEST_KEY, out->data, out->len, 0);
}

/* What may be erased is what people did and said; an item, a deployment, an erasure stay. */
static bool erasable(const Sinter__Storage__V1__Record *rec)
{
    switch (rec->body_case) {
    case SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT:
    case SINTER__STORAGE__V1__RECORD__BODY_USER_PUT:
    case SINTER__STORAGE__V1__RECORD__BODY_ANSWERED:
    case SINTER__STORAGE__V1__RECORD__BODY_RECORDED_REQUEST: return true;
    case SINTER__STORAGE__V1__RECORD__BODY_EXPERIMENT: return rec->experiment->kind_case == SINTER__STORAGE__V1__EXPERIMENT__KIND_FAILED;
    default: return false;
    }
}

static int erase_record(step *t, uint64_t sequence)
{
    build *b = t->b;
    MDB_val v;
    int code;
    Sinter__Storage__V1__Record *rec;
    if (!store_get(b->txn, t->s->t.log, &sequence, sizeof sequence, &v, &code)) return code == MDB_NOTFOUND ? 0 : code;
    if (!b->a) b->a = arena_new(1 << 14);
    arena_reset(b->a);
    if (record_read((str){v.mv_data, v.mv_size}, sequence, b->a, &rec, NULL)) return MDB_CORRUPTED;
    if (!erasable(rec)) return 0;
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT) code = forget_event(t, sequence, rec->event_put);
    if (!code && *rec->write_id) code = forget_write(t, str_of(rec->write_id));
    const record_stamp stamp = {.sequence = sequence, .time_ms = rec->time_ms, .continued = rec->continued};
    record_erased(&b->scratch, &stamp);
    if (!code) code = put(b, t->s, &t->s->t.log, &sequence, sizeof sequence, b->scratch.data, b->scratch.len, 0);
    t->r->applied += !code;
    return code;
}

static int erase_records(step *t, const journal_op *op)
{
    uint64_t sequence, one = 1;
    int code = 0;
    for (size_t i = 0; i + sizeof sequence <= op->bytes.n && !code; i += sizeof sequence) {
        memcpy(&sequence, op->bytes.s + i, sizeof sequence);
        code = erase_record(t, sequence);
    }
    if (code || !t->r->applied) return code;
    t->b->erased = true;
    return put(t->b, t->s, &t->s->t.meta, "erased", 6, &one, sizeof one, 0);
}

static int apply_op(step *t, const journal_op *op)
{
    switch ((int)op->kind) {
    case JOURNAL_PUT: return put_item(t, op);
    case JOURNAL_DELETE: return delete_item(t, op);
    case JOURNAL_EVENT: return put_event(t, op);
    case JOURNAL_CHANGE: return change_item(t, op);
    case JOURNAL_MAKE_COLLECTION: return make_collection(t, op);
    case JOURNAL_ERASE: return erase_records(t, op);
    default: return put_record(t, op);
    }
}

/* ---- one write ----------------------------------------------------------------------------------------------- */

/* Of a write of events, each made a record or had been stored. */
static uint32_t events_then(const journal_write *w, const write_entry *stored)
{
    if (!w->n || w->op[0].kind != JOURNAL_EVENT) return 0;
    uint64_t told = (uint64_t)stored->applied + stored->unknown;
    return w->n > told ? w->n - (uint32_t)told : 0;
}

/* What was refused then, without the words of then. */
static const journal_refusal *refused_then(const void *stored, uint32_t n, arena **memory)
{
    if (!n) return NULL;
    if (!*memory) *memory = arena_new(1024);
    journal_refusal *out = ARENA_ARRAY(*memory, journal_refusal, n);
    for (uint32_t i = 0; i < n; i++) {
        refused_entry x;
        memcpy(&x, (const char *)stored + i * sizeof x, sizeof x);
        out[i] = (journal_refusal){.op = x.op, .status = (sinter_status)x.status};
    }
    return out;
}

/* Answers a repeated write with what was stored; false: it is new, or *code says what failed. */
static bool answered_before(build *b, const store *s, const journal_write *write, journal_result *r, arena **memory, int *code)
{
    write_entry w;
    const void *refused;
    uint32_t n_refused;
    char digest[DIGEST_KEY];
    *code = write_entry_get(b->txn, &s->t, write->write_id, &w, &refused, &n_refused);
    if (*code == MDB_NOTFOUND && (s->erased || b->erased)) {
        digest_key_of(digest, write->write_id);
        *code = write_entry_get(b->txn, &s->t, (str){digest, DIGEST_KEY}, &w, &refused, &n_refused);
    }
    if (*code == MDB_NOTFOUND)
        *code = 0;
    else if (!*code) {
        *r = (journal_result){.n_refused = n_refused,
                              .refused = refused_then(refused, n_refused, memory),
                              .sequence = w.sequence,
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
        if (!event && w->op[i].kind != JOURNAL_PUT && w->op[i].kind != JOURNAL_DELETE && w->op[i].kind != JOURNAL_CHANGE) continue;
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
    buffer *out = &b->scratch;
    buffer_clear(out);
    buffer_append(out, &w, sizeof w);
    for (uint32_t i = 0; i < r->n_refused; i++)
        buffer_append(out, &(refused_entry){r->refused[i].op, (uint32_t)r->refused[i].status}, sizeof(refused_entry));
    w.sum = write_entry_sum(write_id, &w, out->data + sizeof w, r->n_refused);
    memcpy(out->data, &w, sizeof w);
    return put(b, s, &s->t.writes, write_id.s, write_id.n, out->data, out->len, 0);
}

int build_write(build *b, const store *s, const journal_write *w, journal_result *r, arena **memory, sinter_error *e)
{
    *r = (journal_result){0};
    int code = 0;
    if (w->write_id.n && answered_before(b, s, w, r, memory, &code)) return 0;
    if (code) return code;
    if (w->fence != UINT64_MAX && w->fence != b->sequence) {
        r->status =
            error_set(e, SINTER_CONFLICT, s->dir, "read what is new and try again",
                      "the journal is at sequence %" PRIu64 ", the write expected %" PRIu64, b->sequence, w->fence);
        return 0;
    }
    code = check_ops(b, s, w, r, e);
    if (code || r->status) return code;
    step t = {.b = b, .s = s, .r = r, .memory = memory, .n = w->n,
              .stamp = {.write_id = w->write_id, .time_ms = clock_wall_ms()}};
    for (; t.at < w->n && !code; t.at++)
        code = apply_op(&t, &w->op[t.at]);
    r->sequence = b->sequence;
    if (!code && w->write_id.n) code = remember(b, s, w->write_id, r);
    return code;
}
