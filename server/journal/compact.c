/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The journal's file written anew, while it is read and written: what no table holds any more is in no byte of the new one.
 *
 * LMDB leaves what was deleted in free pages and in the gaps of used ones, so erasing needs another file. All tables are
 * copied, entry by entry and in pieces, into an environment in the folder `compact`. Meanwhile the writer notes each key that it
 * changes; those are copied again, in rounds that get shorter, and the last of them by the writer itself between two
 * groups. Then the new file is synced and takes the old one's name, and the readers move over, each when it is idle. A crash
 * before the rename leaves the old journal, one after it the new. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE_BYTES = 4 << 20, PIECE_MS = 25, FEW_KEYS = 2000, KEY_MOST = 511 };

/* A key that was changed, behind its length: keys of all tables in one buffer. */
typedef struct touched {
    uint16_t table, n;
} touched;

struct compaction {
    pthread_mutex_t lock; /* of `changed` and `keys` */
    buffer changed;       /* touched + key, one after the other */
    uint64_t keys;
    store fresh;
    bool (*stop)(void *ctx);  /* may be NULL */
    void *stop_ctx;
    _Atomic int phase;        /* COPYING, then SWITCH asked for, then SWITCHED or FAILED */
    sinter_error *error;      /* of a switch that failed */
};
enum { COPYING, SWITCH, SWITCHED, FAILED };

static char *folder_of(const char *dir)
{
    return xasprintf("%s/compact", dir);
}

sinter_status compact_clean(const char *dir, sinter_error *e)
{
    char *path = folder_of(dir);
    sinter_status s = access(path, F_OK) == 0 ? dir_remove(path, e) : SINTER_OK;
    free(path);
    return s;
}

/* ---- notes of the writer -------------------------------------------------------------------------------------------------- */

void compact_note(compaction *c, unsigned table, const void *key, size_t n)
{
    touched t = {(uint16_t)table, (uint16_t)n};
    pthread_mutex_lock(&c->lock);
    buffer_append(&c->changed, &t, sizeof t);
    buffer_append(&c->changed, key, n);
    c->keys++;
    pthread_mutex_unlock(&c->lock);
}

static uint64_t take_notes(compaction *c, buffer *out)
{
    pthread_mutex_lock(&c->lock);
    uint64_t keys = c->keys;
    *out = c->changed;
    c->changed = (buffer){0};
    c->keys = 0;
    pthread_mutex_unlock(&c->lock);
    return keys;
}

/* ---- copying ---------------------------------------------------------------------------------------------------------------- */

/* One piece of a table: what follows the key in `at` (n 0: from the start). *more: whether there is any left. */
static int copy_piece(const store *from, compaction *c, unsigned table, buffer *at, bool *more)
{
    MDB_txn *read, *write;
    MDB_cursor *cursor;
    MDB_val k = {at->len, at->data}, v;
    uint64_t began = clock_mono_ns();
    size_t bytes = 0;
    int code = mdb_txn_begin(from->env, NULL, MDB_RDONLY, &read);
    if (code) return code;
    code = mdb_txn_begin(c->fresh.env, NULL, 0, &write);
    if (code) {
        mdb_txn_abort(read);
        return code;
    }
    code = mdb_cursor_open(read, store_table(from, table), &cursor);
    bool opened = !code;
    if (!code) code = mdb_cursor_get(cursor, &k, &v, at->len ? MDB_SET_RANGE : MDB_FIRST);
    if (!code && at->len && k.mv_size == at->len && memcmp(k.mv_data, at->data, at->len) == 0) code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    while (!code && bytes < PIECE_BYTES && clock_mono_ns() - began < (uint64_t)PIECE_MS * 1000000u) {
        code = mdb_put(write, store_table(&c->fresh, table), &k, &v, MDB_APPEND);
        bytes += k.mv_size + v.mv_size;
        buffer_clear(at);
        buffer_append(at, k.mv_data, k.mv_size);
        if (!code) code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    *more = code != MDB_NOTFOUND;
    if (code == MDB_NOTFOUND) code = 0;
    if (opened) mdb_cursor_close(cursor);
    mdb_txn_abort(read);
    if (!code) return mdb_txn_commit(write);
    mdb_txn_abort(write);
    return code;
}

static bool is_stopped(const compaction *c)
{
    return c->stop && c->stop(c->stop_ctx);
}

static int copy_table(const store *from, compaction *c, unsigned table)
{
    buffer at = {0};
    bool more = true;
    int code = 0;
    while (more && !code) {
        if (is_stopped(c)) code = ECANCELED;
        if (!code) code = copy_piece(from, c, table, &at, &more);
    }
    buffer_free(&at);
    return code;
}

/* The value that each changed key has now, or its absence. */
static int copy_keys(const store *from, compaction *c, const buffer *changed)
{
    MDB_txn *read, *write;
    int code = mdb_txn_begin(from->env, NULL, MDB_RDONLY, &read);
    if (code) return code;
    code = mdb_txn_begin(c->fresh.env, NULL, 0, &write);
    for (size_t i = 0; !code && i < changed->len;) {
        touched t;
        memcpy(&t, changed->data + i, sizeof t);
        _Alignas(8) char key[KEY_MOST + 1];
        memcpy(key, changed->data + i + sizeof t, t.n);
        i += sizeof t + t.n;
        MDB_val k = {t.n, key}, v;
        code = mdb_get(read, store_table(from, t.table), &k, &v);
        if (!code)
            code = mdb_put(write, store_table(&c->fresh, t.table), &k, &v, 0);
        else if (code == MDB_NOTFOUND && (code = mdb_del(write, store_table(&c->fresh, t.table), &k, NULL)) == MDB_NOTFOUND)
            code = 0;
    }
    mdb_txn_abort(read);
    if (!code) return mdb_txn_commit(write);
    mdb_txn_abort(write);
    return code;
}

/* Rounds until few keys are left for the writer. */
static int copy_all(const store *from, compaction *c)
{
    int code = 0;
    for (unsigned t = 0; t < STORE_TABLES && !code; t++) code = copy_table(from, c, t);
    for (uint64_t keys = UINT64_MAX; !code && keys > FEW_KEYS;) {
        buffer changed;
        keys = take_notes(c, &changed);
        code = is_stopped(c) ? ECANCELED : copy_keys(from, c, &changed);
        buffer_free(&changed);
    }
    return code;
}

/* ---- the switch: on the writer thread ----------------------------------------------------------------------------------------- */

static int sync_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno;
    int code = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return code;
}

/* The lock file goes along: who opens the journal must find the readers of this file. */
static int rename_files(const char *dir)
{
    static const char *const NAMES[] = {"lock.mdb", "data.mdb"};
    int code = 0;
    for (size_t i = 0; i < ARRAY_LEN(NAMES) && !code; i++) {
        char *from = xasprintf("%s/compact/%s", dir, NAMES[i]), *to = xasprintf("%s/%s", dir, NAMES[i]);
        if (rename(from, to) != 0) code = errno;
        free(from);
        free(to);
    }
    return code ? code : sync_folder(dir);
}

static int finish_copy(const store *from, compaction *c)
{
    buffer changed;
    take_notes(c, &changed);
    int code = copy_keys(from, c, &changed);
    buffer_free(&changed);
#ifndef SINTER_NO_SYNC
    if (!code) code = mdb_env_set_flags(c->fresh.env, MDB_NOSYNC | MDB_NOMETASYNC, 0);
#endif
    return code ? code : mdb_env_sync(c->fresh.env, 1);
}

/* From here on nobody reads the old file: each reader is taken off it when it is idle. */
static void publish(journal *j, compaction *c)
{
    store *old = atomic_load(&j->store), *fresh = xmalloc(sizeof *fresh);
    *fresh = c->fresh;
    pthread_mutex_lock(&j->readers_lock);
    atomic_store(&j->store, fresh);
    for (journal_reader *r = j->readers; r; r = r->next) reader_leave(r, old);
    pthread_mutex_unlock(&j->readers_lock);
    store_moved(fresh, old);
    store_close(old);
    free(old);
}

void compact_switch(journal *j)
{
    compaction *c = atomic_load(&j->compaction);
    if (!c || atomic_load(&c->phase) != SWITCH) return;
    int code = finish_copy(atomic_load(&j->store), c);
    if (!code && (code = rename_files(j->dir))) atomic_store(&j->failed, true); /* which of the two files is there now? */
    if (!code) {
        atomic_store(&j->compaction, NULL);
        publish(j, c);
    } else {
        store_fail_at(c->error, j->dir, code, "write anew");
    }
    atomic_store(&c->phase, code ? FAILED : SWITCHED);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------ */

static sinter_status open_fresh(journal *j, compaction *c, sinter_error *e)
{
    sinter_status s = compact_clean(j->dir, e);
    char *path = folder_of(j->dir);
    if (!s) s = dir_make(path, e);
    if (!s) s = store_open(&c->fresh, path, j->kind, false, e);
    free(path);
    if (s) return s;
    int code = mdb_env_set_flags(c->fresh.env, MDB_NOSYNC | MDB_NOMETASYNC, 1);
    if (!code) code = store_empty(&c->fresh); /* what opening put there is copied too */
    if (!code) return SINTER_OK;
    s = store_fail(e, &c->fresh, code, "write anew");
    store_close(&c->fresh);
    return s;
}

/* Waits until what the writer had begun before is committed: all that follows is noted. */
static sinter_status fence(journal *j, sinter_error *e)
{
    journal_write nothing = {.fence = UINT64_MAX};
    return journal_append_wait(j, &nothing, NULL, e);
}

static sinter_status copy_and_switch(journal *j, compaction *c, sinter_error *e)
{
    atomic_store(&j->compaction, c);
    sinter_status s = fence(j, e);
    if (!s) {
        int code = copy_all(atomic_load(&j->store), c);
        if (code == ECANCELED)
            s = error_set(e, SINTER_UNAVAILABLE, j->dir, "it goes on after the next start", "the server is stopping");
        else if (code)
            s = store_fail_at(e, j->dir, code, "write anew");
    }
    if (!s) {
        atomic_store(&c->phase, SWITCH);
        s = fence(j, e); /* the writer looks before each group */
    }
    if (!s && atomic_load(&c->phase) == FAILED) s = e ? e->status : SINTER_IO;
    return s;
}

sinter_status journal_compact(journal *j, bool (*stop)(void *ctx), void *ctx, sinter_error *e)
{
    if (j->read_only) return error_set(e, SINTER_PRECONDITION, j->dir, NULL, "the journal is open for reading only");
    sinter_error failed = SINTER_ERROR_INIT;
    compaction c = {.stop = stop, .stop_ctx = ctx, .error = &failed};
    sinter_status s = open_fresh(j, &c, e);
    if (s) return s;
    pthread_mutex_init(&c.lock, NULL);
    s = copy_and_switch(j, &c, e);
    bool done = atomic_load(&c.phase) == SWITCHED;
    if (!done) {
        if (s && failed.status && e) *e = failed;
        atomic_store(&j->compaction, NULL);
        sinter_error ignored = SINTER_ERROR_INIT;
        fence(j, &ignored); /* the writer has let go of it */
        store_close(&c.fresh);
    }
    compact_clean(j->dir, NULL);
    pthread_mutex_destroy(&c.lock);
    buffer_free(&c.changed);
    return done ? SINTER_OK : s;
}
