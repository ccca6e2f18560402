/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Walking a whole journal: every record against its checksum and its sequence, every entry of the other tables against
 * the record that it stands for.
 *
 * A truncated file is SIGBUS where the map is read behind its end, and a flipped bit in a page's head can send LMDB
 * anywhere. Both signals, and LMDB's own assertion, end the walk with a verdict. That is why a server has a child do
 * this: signal handlers are the whole process's. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct walk {
    store s;
    MDB_txn *txn;
    MDB_cursor *cursor; /* of the table being walked */
    arena *a;
    journal_verdict *v;
    uint64_t done, total;
    uint64_t at; /* sequence being read, for the message of a fault */
    uint64_t trimmed;
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
    count_entry *count; /* [counts] what the log says of each collection: ordinals given, from all records */
    uint32_t counts, collections;
} walk;

/* ---- faults -------------------------------------------------------------------------------------------------- */

static _Thread_local sigjmp_buf fault_jump;
static _Thread_local volatile sig_atomic_t fault_armed;

static void on_fault(int signal)
{
    if (fault_armed) siglongjmp(fault_jump, signal);
    struct sigaction plain = {.sa_handler = SIG_DFL}; /* not ours: as if we had not been here */
    sigaction(signal, &plain, NULL);
}

static void on_assert(MDB_env *env, const char *what)
{
    (void)env, (void)what;
    if (fault_armed) siglongjmp(fault_jump, SIGABRT);
}

/* ---- what is wrong ------------------------------------------------------------------------------------------- */

static void bad(walk *w, uint64_t sequence, sinter_error *e, const sinter_error *why)
{
    if (!w->v->bad_records++) {
        w->v->first_bad = sequence;
        if (e) *e = *why;
        error_where(e, "%s", w->s.dir);
    }
}

static sinter_status bad_entry(walk *w, uint64_t sequence, sinter_error *e, const char *table, const char *what)
{
    sinter_error why = SINTER_ERROR_INIT;
    error_set(&why, SINTER_DATA_LOSS, NULL, "restore a backup",
              "table '%s' of the journal is broken at record %" PRIu64 ": %s", table, sequence, what);
    bad(w, sequence, e, &why);
    return SINTER_OK;
}

static void step(walk *w)
{
    w->done++;
    if (w->progress && w->done % 4096 == 0) w->progress(w->ctx, w->done, w->total);
}

/* ---- the log ------------------------------------------------------------------------------------------------- */

typedef Sinter__Storage__V1__Record record;

static void count_ordinal(walk *w, uint32_t collection, uint32_t ordinal)
{
    if (collection >= w->counts) {
        uint32_t n = collection < (1u << 20) ? collection + 16 : 0;
        if (!n) return; /* nonsense: the tables will not agree with it */
        w->count = xrealloc(w->count, n * sizeof *w->count);
        memset(w->count + w->counts, 0, (n - w->counts) * sizeof *w->count);
        w->counts = n;
    }
    if (ordinal >= w->count[collection].ordinals) w->count[collection].ordinals = ordinal + 1;
}

static void check_event(walk *w, const record *rec, sinter_error *e)
{
    const Sinter__Storage__V1__EventPut *p = rec->event_put;
    item_key key;
    uint64_t sequence = 0;
    if (!p->event || !p->event->event_id[0]) {
        bad_entry(w, rec->sequence, e, "log", "an event put without the event or its id");
        return;
    }
    item_key_of(&key, p->collection, str_of(p->event->event_id));
    if (w->s.t.events != NO_TABLE)
        store_get_fixed(w->txn, w->s.t.events, key.bytes, key.n, &sequence, sizeof sequence);
    if (sequence != rec->sequence) bad_entry(w, rec->sequence, e, "events", "the event's id leads elsewhere");
}

static void check_body(walk *w, const record *rec, sinter_error *e)
{
    bool impression = rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ANSWERED ||
                      rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_RECORDED_REQUEST;
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT) {
        if (!rec->item_put->item)
            bad_entry(w, rec->sequence, e, "log", "an item put without the item");
        else
            count_ordinal(w, rec->item_put->collection, rec->item_put->ordinal);
    } else if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT)
        check_event(w, rec, e);
    else if (impression && w->s.kind == JOURNAL_CATALOGUE)
        bad_entry(w, rec->sequence, e, "log", "an impression in the catalogue's journal");
}

static sinter_status walk_log(walk *w, MDB_cursor *c, sinter_error *e)
{
    MDB_val k, v;
    uint64_t before = 0, sequence;
    int code;
    while ((code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
        if (k.mv_size != sizeof sequence) return store_fail(e, &w->s, MDB_CORRUPTED, "walk");
        memcpy(&sequence, k.mv_data, sizeof sequence);
        w->at = sequence;
        if (sequence <= before) return bad_entry(w, sequence, e, "log", "its sequence does not rise"), SINTER_DATA_LOSS;
        before = sequence;
        sinter_error why = SINTER_ERROR_INIT;
        record *rec;
        arena_reset(w->a);
        if (record_read((str){v.mv_data, v.mv_size}, sequence, w->a, &rec, &why))
            bad(w, sequence, e, &why);
        else
            check_body(w, rec, e);
        if (!w->v->first) w->v->first = sequence;
        w->v->last = sequence;
        w->v->records++;
        w->v->bytes += v.mv_size;
        step(w);
    }
    return code == MDB_NOTFOUND ? SINTER_OK : store_fail(e, &w->s, code, "walk");
}

/* ---- the other tables ---------------------------------------------------------------------------------------- */

/* The record that an entry stands for; NULL: missing or broken, which has been noted. */
static const record *record_of(walk *w, uint64_t sequence, const char *table, sinter_error *e)
{
    MDB_val v;
    int code;
    record *rec;
    arena_reset(w->a);
    w->at = sequence;
    if (!store_get(w->txn, w->s.t.log, &sequence, sizeof sequence, &v, &code)) {
        bad_entry(w, sequence, e, table, "the record is missing");
        return NULL;
    }
    if (record_read((str){v.mv_data, v.mv_size}, sequence, w->a, &rec, NULL))
        return NULL; /* noted by the walk of the log */
    return rec;
}

static const Sinter__Storage__V1__ItemPut *put_of(walk *w, uint64_t sequence, const char *table, sinter_error *e)
{
    const record *rec = record_of(w, sequence, table, e);
    if (!rec) return NULL;
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT && rec->item_put->item) return rec->item_put;
    bad_entry(w, sequence, e, table, "the record puts no item");
    return NULL;
}

static sinter_status walk_items(walk *w, MDB_cursor *c, sinter_error *e)
{
    MDB_val k, v;
    int code;
    while ((code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
        item_entry item;
        step(w);
        if (v.mv_size != sizeof item || k.mv_size < 5) return store_fail(e, &w->s, MDB_CORRUPTED, "walk");
        memcpy(&item, v.mv_data, sizeof item);
        const Sinter__Storage__V1__ItemPut *p = put_of(w, item.sequence, "items", e);
        if (!p) continue;
        str id = {(const char *)k.mv_data + 4, k.mv_size - 4};
        unsigned char ordinal_key[8];
        uint64_t sequence = 0;
        ordinal_key_of(ordinal_key, p->collection, p->ordinal);
        store_get_fixed(w->txn, w->s.t.ordinals, ordinal_key, 8, &sequence, sizeof sequence);
        if (p->collection != big_endian_read(k.mv_data) || p->ordinal != item.ordinal || !str_is(id, p->item->id))
            bad_entry(w, item.sequence, e, "items", "id or ordinal is not the record's");
        else if (sequence != item.sequence)
            bad_entry(w, item.sequence, e, "items", "its ordinal leads elsewhere");
        if (p->collection < w->counts) w->count[p->collection].live++;
    }
    return code == MDB_NOTFOUND ? SINTER_OK : store_fail(e, &w->s, code, "walk");
}

static sinter_status walk_ordinals(walk *w, MDB_cursor *c, sinter_error *e)
{
    MDB_val k, v;
    int code;
    while ((code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
        uint64_t sequence;
        step(w);
        if (v.mv_size != sizeof sequence || k.mv_size != 8) return store_fail(e, &w->s, MDB_CORRUPTED, "walk");
        memcpy(&sequence, v.mv_data, sizeof sequence);
        const Sinter__Storage__V1__ItemPut *p = put_of(w, sequence, "ordinals", e);
        if (!p) continue;
        item_key key;
        item_entry item = {0};
        item_key_of(&key, p->collection, str_of(p->item->id));
        store_get_fixed(w->txn, w->s.t.items, key.bytes, key.n, &item, sizeof item);
        if (p->collection != big_endian_read(k.mv_data) ||
            p->ordinal != big_endian_read((const unsigned char *)k.mv_data + 4))
            bad_entry(w, sequence, e, "ordinals", "the ordinal is not the record's");
        else if (item.sequence != sequence)
            bad_entry(w, sequence, e, "ordinals", "its id leads elsewhere");
    }
    return code == MDB_NOTFOUND ? SINTER_OK : store_fail(e, &w->s, code, "walk");
}

/* With a broken record the counts cannot be told: the record's item was not counted. */
static sinter_status walk_counts(walk *w, MDB_cursor *c, sinter_error *e)
{
    MDB_val k, v;
    int code;
    bool whole = w->v->bad_records == 0;
    while ((code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
        uint32_t number;
        count_entry n;
        step(w);
        if (v.mv_size != sizeof n || k.mv_size != sizeof number) return store_fail(e, &w->s, MDB_CORRUPTED, "walk");
        memcpy(&number, k.mv_data, sizeof number);
        memcpy(&n, v.mv_data, sizeof n);
        count_entry log = number < w->counts ? w->count[number] : (count_entry){0};
        if (whole && (n.live != log.live || n.ordinals < log.ordinals || (!w->trimmed && n.ordinals != log.ordinals)))
            bad_entry(w, w->v->last, e, "counts", "a collection's count of items or ordinals is not the log's");
    }
    return code == MDB_NOTFOUND ? SINTER_OK : store_fail(e, &w->s, code, "walk");
}

static sinter_status walk_writes(walk *w, MDB_cursor *c, sinter_error *e)
{
    MDB_val k, v;
    int code;
    while ((code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
        write_entry n;
        step(w);
        const void *refused;
        uint32_t n_refused;
        if (v.mv_size < sizeof n) return store_fail(e, &w->s, MDB_CORRUPTED, "walk");
        if (write_entry_read((str){k.mv_data, k.mv_size}, v, &n, &refused, &n_refused))
            bad_entry(w, n.sequence, e, "writes", "its checksum does not hold");
        else if (n.sequence > w->v->last)
            bad_entry(w, n.sequence, e, "writes", "the record is missing");
    }
    return code == MDB_NOTFOUND ? SINTER_OK : store_fail(e, &w->s, code, "walk");
}

/* Events are trimmed before their ids are: an id whose record is gone still keeps a retry from counting twice. */
static sinter_status walk_events(walk *w, MDB_cursor *c, sinter_error *e)
{
    MDB_val k, v;
    int code;
    while ((code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
        uint64_t sequence;
        step(w);
        if (v.mv_size != sizeof sequence || k.mv_size < 5) return store_fail(e, &w->s, MDB_CORRUPTED, "walk");
        memcpy(&sequence, v.mv_data, sizeof sequence);
        if (sequence <= w->trimmed) continue;
        const record *rec = record_of(w, sequence, "events", e);
        if (!rec) continue;
        str id = {(const char *)k.mv_data + 4, k.mv_size - 4};
        if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY__NOT_SET && id.n == DIGEST_KEY && id.s[0] == '\x01') continue;
        if (rec->body_case != SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT || !rec->event_put->event)
            bad_entry(w, sequence, e, "events", "the record holds no event");
        else if (rec->event_put->collection != big_endian_read(k.mv_data) ||
                 !str_is(id, rec->event_put->event->event_id))
            bad_entry(w, sequence, e, "events", "the id is not the record's");
    }
    return code == MDB_NOTFOUND ? SINTER_OK : store_fail(e, &w->s, code, "walk");
}

static sinter_status walk_collections(walk *w, MDB_cursor *c, sinter_error *e)
{
    MDB_val k, v;
    int code;
    while ((code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
        collection_entry n;
        count_entry counted;
        step(w);
        if (v.mv_size != sizeof n) return store_fail(e, &w->s, MDB_CORRUPTED, "walk");
        memcpy(&n, v.mv_data, sizeof n);
        if (memchr(n.uuid, 0, sizeof n.uuid) != n.uuid + 36 ||
            store_get_fixed(w->txn, w->s.t.counts, &n.number, sizeof n.number, &counted, sizeof counted))
            bad_entry(w, 0, e, "collections", "its number or uuid is broken");
    }
    return code == MDB_NOTFOUND ? SINTER_OK : store_fail(e, &w->s, code, "walk");
}

/* ---- all of it ----------------------------------------------------------------------------------------------- */

typedef sinter_status table_walk(walk *w, MDB_cursor *c, sinter_error *e);

static sinter_status walk_tables(walk *w, sinter_error *e)
{
    const tables *t = &w->s.t;
    const struct {
        MDB_dbi dbi;
        table_walk *walk;
    } TABLES[] = {
        {t->log, walk_log},       {t->items, walk_items},   {t->ordinals, walk_ordinals},
        {t->counts, walk_counts}, {t->writes, walk_writes}, {t->collections, walk_collections},
        {t->events, walk_events},
    };
    MDB_stat st;
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++) {
        if (TABLES[i].dbi != NO_TABLE && mdb_stat(w->txn, TABLES[i].dbi, &st) == 0) w->total += st.ms_entries;
    }
    store_get_fixed(w->txn, t->meta, "trimmed", 7, &w->trimmed, sizeof w->trimmed);
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++) {
        if (TABLES[i].dbi == NO_TABLE) continue;
        w->at = w->v->last;
        mdb_stat(w->txn, TABLES[i].dbi, &st);
        uint64_t before = w->done;
        int code = mdb_cursor_open(w->txn, TABLES[i].dbi, &w->cursor);
        if (code) return store_fail(e, &w->s, code, "walk");
        sinter_status s = TABLES[i].walk(w, w->cursor, e);
        mdb_cursor_close(w->cursor);
        w->cursor = NULL;
        if (s) return s;
        if (w->done - before != st.ms_entries)
            return bad_entry(w, w->v->last, e, "all", "entries are missing"), SINTER_DATA_LOSS;
    }
    if (w->progress) w->progress(w->ctx, w->done, w->total);
    return SINTER_OK;
}

static sinter_status walk_guarded(walk *w, sinter_error *e)
{
    int code = mdb_txn_begin(w->s.env, NULL, MDB_RDONLY, &w->txn);
    if (code) return store_fail(e, &w->s, code, "read");
    mdb_env_set_assert(w->s.env, on_assert);
    return walk_tables(w, e);
}

/* Also after a fault: a reader holds no lock, and ending it touches no page. */
static void walk_end(walk *w)
{
    if (w->cursor) mdb_cursor_close(w->cursor);
    if (w->txn) mdb_txn_abort(w->txn);
    if (w->s.env) store_close(&w->s);
    arena_free(w->a);
    free(w->count);
    free(w);
}

/* LMDB maps whatever is there: fewer bytes than its two meta pages must not get that far. */
static sinter_status check_file(const char *dir, sinter_error *e)
{
    char *path = xasprintf("%s/data.mdb", dir);
    struct stat st;
    sinter_status s = SINTER_OK;
    if (stat(path, &st) != 0)
        s = error_set(e, SINTER_NOT_FOUND, path, "check the path", "there is no journal here: %s", strerror(errno));
    else if (st.st_size < 8192)
        s = error_set(e, SINTER_DATA_LOSS, path, "restore a backup",
                      "the journal's file is truncated to %" PRIu64 " bytes", (uint64_t)st.st_size);
    free(path);
    return s;
}

static sinter_status fault_verdict(walk *w, int signal, sinter_error *e)
{
    const char *what = signal == SIGBUS ? "the file is truncated" : "a page of the file is broken";
    w->v->bad_records++;
    if (!w->v->first_bad) w->v->first_bad = w->at ? w->at : 1;
    return error_set(e, SINTER_DATA_LOSS, w->s.dir, "restore a backup",
                     "the journal is broken at or after record %" PRIu64 ": %s", w->v->first_bad, what);
}

static sinter_status verify_open(walk *w, const char *dir, journal_kind kind, sinter_error *e)
{
    sinter_status s = check_file(dir, e);
    return s ? s : store_open(&w->s, dir, kind, true, e);
}

sinter_status journal_verify(const char *dir, journal_kind kind,
                             void (*progress)(void *ctx, uint64_t done, uint64_t total), void *ctx,
                             journal_verdict *out, sinter_error *e)
{
    static const int SIGNALS[] = {SIGBUS, SIGSEGV};
    struct sigaction before[ARRAY_LEN(SIGNALS)], fault = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
    walk *w = xcalloc(1, sizeof *w);
    *w = (walk){.a = arena_new(1 << 16), .v = out, .progress = progress, .ctx = ctx};
    *out = (journal_verdict){0};
    sinter_error first = SINTER_ERROR_INIT;
    volatile sinter_status s = SINTER_OK;
    for (size_t i = 0; i < ARRAY_LEN(SIGNALS); i++)
        sigaction(SIGNALS[i], &fault, &before[i]);
    int signal = sigsetjmp(fault_jump, 1);
    if (signal == 0) {
        fault_armed = 1;
        s = verify_open(w, dir, kind, &first);
        if (s) w->s.env = NULL; /* it has cleaned up */
        if (!s) s = walk_guarded(w, &first);
    } else
        s = fault_verdict(w, signal, &first);
    fault_armed = 0;
    for (size_t i = 0; i < ARRAY_LEN(SIGNALS); i++)
        sigaction(SIGNALS[i], &before[i], NULL);
    if (!s && out->bad_records) s = first.status;
    if (s && e) *e = first;
    walk_end(w);
    return s;
}
