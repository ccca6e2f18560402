/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The writer: one thread that takes what is queued, commits it as one transaction and finishes the writes in it.
 *
 * A group is everything queued, bounded in bytes. When a group cannot be stored its writes are tried one by one, so
 * that one bad or huge write fails alone. A write is finished only after its commit has returned: LMDB has then synced
 * the pages and written the page that makes them count through a descriptor opened O_DSYNC. */
#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

static const uint64_t GROUP_BYTES = (uint64_t)16 << 20;
static const uint64_t SECOND_NS = 1000000000u;
static const uint64_t READER_CHECK_NS = (uint64_t)60 * 1000000000u;
enum { GROUP_RECORDS = 16384 };

struct entry {
    entry *next;
    journal_done *done;
    void *ctx;
    journal_write write; /* into the memory behind this struct */
    uint64_t bytes;
    journal_result result;
    sinter_error *error;
    arena *memory; /* of the result; NULL */
};

/* ---- queueing: any thread ------------------------------------------------------------------------------------ */

static char *copy(char **at, str s)
{
    char *p = *at;
    if (s.n) memcpy(p, s.s, s.n);
    *at += s.n;
    return p;
}

/* One block: the entry, its operations, all bytes. */
static entry *entry_new(const journal_write *w, journal_done *done, void *ctx)
{
    size_t bytes = w->write_id.n;
    for (uint32_t i = 0; i < w->n; i++)
        bytes += w->op[i].id.n + w->op[i].bytes.n;
    entry *n = xmalloc(sizeof *n + w->n * sizeof(journal_op) + bytes);
    journal_op *op = (journal_op *)(n + 1);
    char *at = (char *)(op + w->n);
    *n = (entry){.done = done, .ctx = ctx, .write = *w, .bytes = sizeof *n + w->n * sizeof *op + bytes};
    n->write.op = op;
    n->write.write_id.s = copy(&at, w->write_id);
    for (uint32_t i = 0; i < w->n; i++) {
        op[i] = w->op[i];
        op[i].id.s = copy(&at, w->op[i].id);
        op[i].bytes.s = copy(&at, w->op[i].bytes);
    }
    return n;
}

static sinter_status refuse_op(sinter_error *e, uint32_t i, const char *what)
{
    char where[32];
    snprintf(where, sizeof where, "op[%u]", i);
    return error_set(e, SINTER_INVALID, where, NULL, "%s", what);
}

static sinter_status check_put(const journal *j, const journal_op *op, uint32_t i, sinter_error *e)
{
    str id;
    if (j->kind != JOURNAL_CATALOGUE) return refuse_op(e, i, "items belong in the catalogue's journal");
    const char *problem = id_problem(op->id.s, op->id.n);
    if (problem) return refuse_op(e, i, problem);
    if (op->kind == JOURNAL_DELETE) return SINTER_OK;
    if (!record_scan_item(op->bytes, &id)) return refuse_op(e, i, "the bytes are not a packed item");
    if (!str_eq(id, op->id)) return refuse_op(e, i, "the packed item has another id");
    return SINTER_OK;
}

static sinter_status check_event(const journal *j, const journal_op *op, uint32_t i, sinter_error *e)
{
    str id;
    uint32_t collection;
    if (j->kind != JOURNAL_CATALOGUE) return refuse_op(e, i, "events belong in the catalogue's journal");
    const char *problem = id_problem(op->id.s, op->id.n);
    if (problem) return refuse_op(e, i, problem);
    if (!record_scan_event(op->bytes, &collection, &id)) return refuse_op(e, i, "the bytes are not a packed event");
    if (!str_eq(id, op->id)) return refuse_op(e, i, "the packed event has another id");
    if (collection != op->collection) return refuse_op(e, i, "the packed event has another collection");
    return SINTER_OK;
}

static sinter_status check_record(const journal_op *op, uint32_t i, sinter_error *e)
{
    uint32_t field;
    if (!record_scan_body(op->bytes, &field)) return refuse_op(e, i, "the bytes are not a packed record");
    if (field == 0) return refuse_op(e, i, "the record has no body");
    if (field == 4 || field == 5 || field == 6 || field == 11) return refuse_op(e, i, "this body is made by the journal alone");
    return SINTER_OK;
}

static sinter_status check_change(const journal *j, const journal_op *op, uint32_t i, sinter_error *e)
{
    if (j->kind != JOURNAL_CATALOGUE) return refuse_op(e, i, "items belong in the catalogue's journal");
    const char *problem = id_problem(op->id.s, op->id.n);
    if (problem) return refuse_op(e, i, problem);
    return op->change ? SINTER_OK : refuse_op(e, i, "a change without its function");
}

static sinter_status check_write(const journal *j, const journal_write *w, sinter_error *e)
{
    if (w->write_id.n > WRITE_ID_MOST)
        return error_set(e, SINTER_INVALID, "write_id", NULL, "a write_id has at most %d bytes", WRITE_ID_MOST);
    for (uint32_t i = 0; i < w->n; i++) {
        sinter_status s = SINTER_OK;
        if (w->op[i].kind == JOURNAL_PUT || w->op[i].kind == JOURNAL_DELETE)
            s = check_put(j, &w->op[i], i, e);
        else if (w->op[i].kind == JOURNAL_EVENT)
            s = check_event(j, &w->op[i], i, e);
        else if (w->op[i].kind == JOURNAL_RECORD)
            s = check_record(&w->op[i], i, e);
        else if (w->op[i].kind == JOURNAL_CHANGE)
            s = check_change(j, &w->op[i], i, e);
        else if ((int)w->op[i].kind != JOURNAL_MAKE_COLLECTION && (int)w->op[i].kind != JOURNAL_ERASE)
            s = refuse_op(e, i, "no such kind of operation");
        if (s) return s;
    }
    return SINTER_OK;
}

static sinter_status refuse_failed(const journal *j, sinter_error *e)
{
    return error_set(e, SINTER_PRECONDITION, j->dir, "check the disk, then restart the server",
                     "the journal stopped taking writes when the disk failed to sync");
}

/* Whether the queue may still grow before its oldest entry's time is up. */
static bool lingers(const journal *j)
{
    return j->options.linger_ms && j->queued_bytes < GROUP_BYTES && j->queued_records < j->options.queue_records / 2;
}

/* A write that is larger than the queue may be has to wait for half of it only. */
static bool is_full(const journal *j, const entry *n)
{
    uint64_t records = j->queued_records, bytes = j->queued_bytes;
    if (!j->first || (n->write.n > j->options.queue_records && records <= j->options.queue_records / 2)) return false;
    return records + n->write.n > j->options.queue_records || bytes + n->bytes > j->options.queue_bytes;
}

static sinter_status enqueue(journal *j, entry *n, sinter_error *e)
{
    sinter_status s = SINTER_OK;
    pthread_mutex_lock(&j->lock);
    if (j->closing)
        s = error_set(e, SINTER_PRECONDITION, j->dir, NULL, "the journal is closing");
    else if (is_full(j, n))
        s = error_set(e, SINTER_EXHAUSTED, j->dir, "try again in a moment", "the queue of the journal is full");
    else {
        /* A writer that lingers wakes by itself; one that works looks at the queue before it sleeps. */
        bool wake = !j->first;
        if (!j->first) j->oldest_ns = clock_mono_ns();
        *j->end = n;
        j->end = &n->next;
        j->queued_records += n->write.n;
        j->queued_bytes += n->bytes;
        if (wake || !lingers(j)) pthread_cond_signal(&j->wake);
    }
    pthread_mutex_unlock(&j->lock);
    return s;
}

sinter_status journal_append(journal *j, const journal_write *w, journal_done *done, void *ctx, sinter_error *e)
{
    if (j->read_only)
        return error_set(e, SINTER_PRECONDITION, j->dir, NULL, "the journal is open for reading only");
    if (atomic_load(&j->failed)) return refuse_failed(j, e);
    sinter_status s = check_write(j, w, e);
    if (s) return s;
    entry *n = entry_new(w, done, ctx);
    s = enqueue(j, n, e);
    if (s) {
        atomic_fetch_add(&j->refused, 1);
        free(n);
    }
    return s;
}

typedef struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool finished;
    journal_result *r;
    sinter_error *e;
} waiter;

static void wake_waiter(void *ctx, const journal_result *r)
{
    waiter *w = ctx;
    pthread_mutex_lock(&w->lock);
    *w->r = *r;
    if (r->error && w->e) *w->e = *r->error;
    w->r->error = w->e;
    w->r->refused = NULL;
    w->finished = true;
    pthread_cond_signal(&w->done);
    pthread_mutex_unlock(&w->lock);
}

sinter_status journal_append_wait(journal *j, const journal_write *write, journal_result *r, sinter_error *e)
{
    journal_result ignored;
    waiter w = {.r = r ? r : &ignored, .e = e};
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.done, NULL);
    sinter_status s = journal_append(j, write, wake_waiter, &w, e);
    if (s)
        *w.r = (journal_result){.status = s, .error = e};
    else {
        pthread_mutex_lock(&w.lock);
        while (!w.finished)
            pthread_cond_wait(&w.done, &w.lock);
        pthread_mutex_unlock(&w.lock);
        s = w.r->status;
    }
    pthread_cond_destroy(&w.done);
    pthread_mutex_destroy(&w.lock);
    return s;
}

void journal_listen(journal *j, void (*fn)(void *ctx, uint64_t sequence), void *ctx)
{
    pthread_mutex_lock(&j->lock);
    j->listen = fn;
    j->listen_ctx = ctx;
    pthread_mutex_unlock(&j->lock);
}

/* ---- committing: the writer thread --------------------------------------------------------------------------- */

static void entry_fail(entry *n, sinter_status s, const sinter_error *why)
{
    n->result = (journal_result){.status = s};
    if (!n->error) n->error = xmalloc(sizeof *n->error);
    *n->error = *why;
    n->error->status = s;
}

static void group_fail(entry *group, sinter_status s, const sinter_error *why)
{
    for (entry *n = group; n; n = n->next) {
        if (n->result.status == SINTER_OK) entry_fail(n, s, why);
    }
}

/* A write that filled the disk may have ended short, which LMDB reports as EIO: then it was no failed sync. */
static bool disk_is_full(const store *s, uint64_t bytes)
{
    struct statvfs v;
    return statvfs(s->dir, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize < bytes + ((uint64_t)4 << 20);
}

/* Builds and commits one transaction. False: it is aborted; *retry: its writes may be tried one by one. */
static bool try_commit(journal *j, build *b, entry *group, bool *retry, sinter_error *e)
{
    const store *now = atomic_load(&j->store);
    *retry = true;
    int code = build_begin(b, now, atomic_load(&j->compaction));
    for (entry *n = group; n && !code; n = n->next) {
        sinter_error why = SINTER_ERROR_INIT;
        code = build_write(b, now, &n->write, &n->result, &n->memory, &why);
        if (!code && n->result.status) entry_fail(n, n->result.status, &why);
    }
    if (code) {
        build_abort(b);
        store_fail(e, now, code, "write to");
        return false;
    }
    uint64_t bytes = b->bytes;
    uint64_t since = clock_mono_ns();
    code = build_commit(b, now);
    histogram_note(&j->commit_seconds, clock_mono_ns() - since);
    if (!code) {
        if (b->erased) atomic_load(&j->store)->erased = true;
        return true;
    }
    store_fail(e, now, code, "commit to");
    if (store_status(code) == SINTER_EXHAUSTED) return false;
    if (code == EIO && disk_is_full(now, bytes)) {
        error_set(e, SINTER_EXHAUSTED, j->dir, "free space on the disk; nothing was stored", "the disk is full");
        return false;
    }
    atomic_store(&j->failed, true);
    error_set(e, SINTER_UNKNOWN, j->dir,
              "check the disk, restart the server, then repeat the write with its write_id",
              "the journal could not be synced (%s): the write may or may not be stored", mdb_strerror(code));
    *retry = false;
    return false;
}

static void forget_results(entry *group)
{
    for (entry *n = group; n; n = n->next) {
        free(n->error);
        n->error = NULL;
        if (n->memory) arena_reset(n->memory);
        n->result = (journal_result){0};
    }
}

static void publish(journal *j, const build *b)
{
    atomic_fetch_add(&j->records, b->records);
    atomic_fetch_add(&j->bytes, b->bytes);
    if (b->changed) atomic_fetch_add(&j->commits, 1);
    atomic_store(&j->last, b->sequence);
}

static void commit_group(journal *j, build *b, entry *group)
{
    sinter_error why = SINTER_ERROR_INIT;
    bool retry;
    if (atomic_load(&j->failed)) {
        group_fail(group, refuse_failed(j, &why), &why);
        return;
    }
    if (try_commit(j, b, group, &retry, &why)) {
        publish(j, b);
        return;
    }
    log_error("journal.write", "%s; %s", why.what, why.fix);
    if (!retry || !group->next) {
        forget_results(group);
        group_fail(group, why.status, &why);
        return;
    }
    forget_results(group);
    for (entry *n = group, *next; n; n = next) { /* alone: each in a list of one, for the time of its commit */
        next = n->next;
        n->next = NULL;
        commit_group(j, b, n);
        n->next = next;
    }
}

static void finish(journal *j, entry *n)
{
    n->result.error = n->result.status ? n->error : NULL;
    if (n->result.repeated) atomic_fetch_add(&j->repeated, 1);
    if (n->result.status) atomic_fetch_add(&j->refused, 1);
    if (n->done) n->done(n->ctx, &n->result);
    if (n->memory) arena_free(n->memory);
    free(n->error);
    free(n);
}

/* ---- the thread ---------------------------------------------------------------------------------------------- */

static void wait_until(journal *j, uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / SECOND_NS), .tv_nsec = (long)(ns % SECOND_NS)};
    pthread_cond_timedwait(&j->wake, &j->lock, &t);
}

/* With something queued: waits for company, if the options say so. */
static void linger(journal *j)
{
    uint64_t until = j->oldest_ns + (uint64_t)j->options.linger_ms * 1000000u;
    while (!j->closing && lingers(j) && clock_mono_ns() < until)
        wait_until(j, until);
}

/* Takes the group off the queue; NULL: nothing left and closing. Frees slots of dead readers while it is idle. */
static entry *take_group(journal *j, uint64_t *reader_check_ns)
{
    pthread_mutex_lock(&j->lock);
    for (;;) {
        int dead;
        if (clock_mono_ns() >= *reader_check_ns) {
            mdb_reader_check(atomic_load(&j->store)->env, &dead);
            *reader_check_ns = clock_mono_ns() + READER_CHECK_NS;
        }
        if (j->first || j->closing) break;
        wait_until(j, *reader_check_ns);
    }
    if (j->first) linger(j);
    entry *group = j->first, **end = &j->first;
    uint64_t bytes = 0, records = 0;
    while (*end && (end == &j->first || (bytes + (*end)->bytes <= GROUP_BYTES && records < GROUP_RECORDS))) {
        bytes += (*end)->bytes;
        records += (*end)->write.n;
        end = &(*end)->next;
    }
    j->first = *end;
    if (group) *end = NULL;
    if (!j->first) j->end = &j->first;
    j->queued_bytes -= bytes;
    j->queued_records -= records;
    pthread_mutex_unlock(&j->lock);
    return group;
}

static void tell_listener(journal *j, uint64_t before)
{
    uint64_t last = atomic_load(&j->last);
    if (last == before) return;
    pthread_mutex_lock(&j->lock);
    void (*listen)(void *, uint64_t) = j->listen;
    void *ctx = j->listen_ctx;
    pthread_mutex_unlock(&j->lock);
    if (listen) listen(ctx, last);
}

static void writer_main(void *arg)
{
    journal *j = arg;
    build b = {0};
    uint64_t reader_check_ns = clock_mono_ns() + READER_CHECK_NS;
    for (entry *group; (group = take_group(j, &reader_check_ns));) {
        uint64_t before = atomic_load(&j->last);
        compact_switch(j);
        commit_group(j, &b, group);
        for (entry *n = group, *next; n; n = next) {
            next = n->next;
            finish(j, n);
        }
        tell_listener(j, before);
    }
    build_free(&b);
}

sinter_status writer_start(journal *j, sinter_error *e)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&j->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&j->wake, &attr);
    pthread_condattr_destroy(&attr);
    j->end = &j->first;
    sinter_status s =
        thread_start(&j->writer, j->kind == JOURNAL_CATALOGUE ? "journal" : "impressions", writer_main, j, e);
    if (!s) return s;
    pthread_cond_destroy(&j->wake);
    pthread_mutex_destroy(&j->lock);
    return s;
}

void writer_stop(journal *j)
{
    pthread_mutex_lock(&j->lock);
    j->closing = true;
    pthread_cond_signal(&j->wake);
    pthread_mutex_unlock(&j->lock);
    pthread_join(j->writer, NULL);
    pthread_cond_destroy(&j->wake);
    pthread_mutex_destroy(&j->lock);
}

/* ---- erasing ------------------------------------------------------------------------------------------------- */

sinter_status journal_erase(journal *j, const uint64_t *sequence, uint64_t n, sinter_error *e)
{
    enum { PIECE = 1024 }; /* other writes wait no longer than for that */
    sinter_status s = SINTER_OK;
    for (uint64_t i = 0; i < n && !s; i += PIECE) {
        uint64_t some = n - i < PIECE ? n - i : PIECE;
        journal_op op = {.kind = (journal_op_kind)JOURNAL_ERASE, .bytes = {(const char *)(sequence + i), some * sizeof *sequence}};
        journal_write w = {.op = &op, .n = 1, .fence = UINT64_MAX};
        s = journal_append_wait(j, &w, NULL, e);
    }
    return s;
}

/* ---- collections --------------------------------------------------------------------------------------------- */

static sinter_status read_collection(journal *j, str name, collection_entry *c, sinter_error *e)
{
    journal_reader *r;
    sinter_status s = journal_reader_open(j, &r, e);
    if (s) return s;
    int code;
    s = reader_collection(r, name, c, &code, e);
    journal_reader_close(r);
    if (s || !code) return s;
    return error_set(e, SINTER_NOT_FOUND, j->dir, NULL, "the journal has no collection '%s'", name.s);
}

sinter_status journal_collection(journal *j, const char *name, uint32_t *number, char uuid[37], sinter_error *e)
{
    str n = str_of(name);
    const char *problem = id_problem(n.s, n.n);
    if (problem) return error_set(e, SINTER_INVALID, "collection", NULL, "%s", problem);
    collection_entry c;
    sinter_status s = read_collection(j, n, &c, e);
    if (s == SINTER_NOT_FOUND && !j->read_only) {
        char made[37];
        uuid_make(made);
        journal_op op = {.kind = (journal_op_kind)JOURNAL_MAKE_COLLECTION, .id = n, .bytes = {made, 36}};
        journal_write w = {.op = &op, .n = 1, .fence = UINT64_MAX};
        s = journal_append_wait(j, &w, NULL, e);
        if (!s) s = read_collection(j, n, &c, e);
    }
    if (s) return s;
    *number = c.number;
    memcpy(uuid, c.uuid, sizeof c.uuid);
    uuid[36] = '\0';
    return SINTER_OK;
}
