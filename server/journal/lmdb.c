/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening and closing the LMDB environment of a journal, and what every user of it shares.
 *
 * The map is 1 TiB of address space, never of disk or memory. LMDB allows one environment a process and folder (its
 * file locks are the process's), so open folders are registered here. That only one process writes is the job of a file
 * of our own, `writer.lock`, locked by flock(2) and naming the holder; LMDB itself would let two take turns. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ThreadSanitizer has 1.5 TiB for all maps of a process. */
#ifdef SINTER_SANITIZED
static const size_t MAP_MOST = (size_t)16 << 30;
#else
static const size_t MAP_MOST = (size_t)1 << 40;
#endif
static const size_t MAP_LEAST = (size_t)1 << 30;
enum { READERS = 512 };

#ifdef SINTER_NO_SYNC
#define SYNC_FLAGS (MDB_NOSYNC | MDB_NOMETASYNC)
#else
#define SYNC_FLAGS 0u
#endif

/* ---- codes, keys, values ------------------------------------------------------------------------------------- */

static const struct {
    int code;
    sinter_status status;
    const char *fix;
} CODES[] = {
    {ENOSPC, SINTER_EXHAUSTED, "free space on the disk; nothing was stored"},
    {EDQUOT, SINTER_EXHAUSTED, "free space or raise the quota; nothing was stored"},
    {EFBIG, SINTER_EXHAUSTED, "raise the limit of file size (ulimit -f)"},
    {MDB_MAP_FULL, SINTER_EXHAUSTED, "the journal has reached the size of its map; trim it"},
    {MDB_TXN_FULL, SINTER_EXHAUSTED, "send smaller writes"},
    {MDB_READERS_FULL, SINTER_EXHAUSTED, "too many readers of one journal"},
    {ENOMEM, SINTER_EXHAUSTED, "raise the limit of address space (ulimit -v)"},
    {ENOENT, SINTER_NOT_FOUND, "check the path"},
    {EACCES, SINTER_PERMISSION, "give the process the right to it"},
    {EROFS, SINTER_PERMISSION, "the file system is mounted read-only"},
    {MDB_CORRUPTED, SINTER_DATA_LOSS, "run `sinter journal verify` and restore a backup"},
    {MDB_PAGE_NOTFOUND, SINTER_DATA_LOSS, "run `sinter journal verify` and restore a backup"},
    {MDB_INVALID, SINTER_DATA_LOSS, "this is not a journal; restore a backup"},
    {MDB_VERSION_MISMATCH, SINTER_DATA_LOSS, "it was written by another version of LMDB"},
    {MDB_NOTFOUND, SINTER_DATA_LOSS, "a table is missing: run `sinter journal verify` and restore a backup"},
};

sinter_status store_status(int code)
{
    for (size_t i = 0; i < ARRAY_LEN(CODES); i++) {
        if (CODES[i].code == code) return CODES[i].status;
    }
    return SINTER_IO;
}

sinter_status store_fail(sinter_error *e, const store *s, int code, const char *doing)
{
    return store_fail_at(e, s->dir, code, doing);
}

sinter_status store_fail_at(sinter_error *e, const char *dir, int code, const char *doing)
{
    const char *fix = NULL;
    for (size_t i = 0; i < ARRAY_LEN(CODES); i++) {
        if (CODES[i].code == code) fix = CODES[i].fix;
    }
    return error_set(e, store_status(code), dir, fix, "cannot %s the journal: %s", doing, mdb_strerror(code));
}

static void big_endian_write(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (24 - 8 * i));
}

uint32_t big_endian_read(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void item_key_of(item_key *k, uint32_t collection, str id)
{
    size_t n = id.n > ID_MOST ? ID_MOST : id.n;
    big_endian_write(k->bytes, collection);
    if (n) memcpy(k->bytes + 4, id.s, n);
    k->n = 4 + n;
}

void ordinal_key_of(unsigned char k[8], uint32_t collection, uint32_t ordinal)
{
    big_endian_write(k, collection);
    big_endian_write(k + 4, ordinal);
}

void digest_key_of(char out[DIGEST_KEY], str id)
{
    char hex[65];
    sha256_hex(id.s, id.n, hex);
    out[0] = '\x01';
    memcpy(out + 1, hex, DIGEST_KEY - 1);
}

uint64_t write_entry_sum(str write_id, const write_entry *w, const void *refused, uint32_t n)
{
    uint64_t sum = hash64_seed(write_id.s, write_id.n, hash64(w, offsetof(write_entry, sum)));
    return n ? hash64_seed(refused, n * sizeof(refused_entry), sum) : sum;
}

int write_entry_read(str write_id, MDB_val v, write_entry *w, const void **refused, uint32_t *n)
{
    if (v.mv_size < sizeof *w || (v.mv_size - sizeof *w) % sizeof(refused_entry)) return MDB_CORRUPTED;
    memcpy(w, v.mv_data, sizeof *w);
    *refused = (const char *)v.mv_data + sizeof *w;
    *n = (uint32_t)((v.mv_size - sizeof *w) / sizeof(refused_entry));
    return w->sum == write_entry_sum(write_id, w, *refused, *n) ? 0 : MDB_CORRUPTED;
}

int write_entry_get(MDB_txn *txn, const tables *t, str write_id, write_entry *w, const void **refused, uint32_t *n)
{
    MDB_val v;
    int code;
    if (!store_get(txn, t->writes, write_id.s, write_id.n, &v, &code)) return code;
    return write_entry_read(write_id, v, w, refused, n);
}

bool store_get(MDB_txn *txn, MDB_dbi dbi, const void *key, size_t n, MDB_val *value, int *code)
{
    MDB_val k = {n, (void *)(uintptr_t)key};
    *code = mdb_get(txn, dbi, &k, value);
    return *code == 0;
}

int store_get_fixed(MDB_txn *txn, MDB_dbi dbi, const void *key, size_t n, void *out, size_t size)
{
    MDB_val v;
    int code;
    if (!store_get(txn, dbi, key, n, &v, &code)) return code;
    if (v.mv_size != size) return MDB_CORRUPTED;
    memcpy(out, v.mv_data, size);
    return 0;
}

int store_last(MDB_txn *txn, const tables *t, uint64_t *sequence)
{
    MDB_cursor *c;
    MDB_val k, v;
    *sequence = 0;
    int code = mdb_cursor_open(txn, t->log, &c);
    if (code) return code;
    code = mdb_cursor_get(c, &k, &v, MDB_LAST);
    if (!code && k.mv_size != sizeof *sequence) code = MDB_CORRUPTED;
    if (!code) memcpy(sequence, k.mv_data, sizeof *sequence);
    mdb_cursor_close(c);
    return code == MDB_NOTFOUND ? 0 : code;
}

/* ---- one environment a process and folder -------------------------------------------------------------------- */

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t (*registry)[2];
static size_t registry_n;

static sinter_status registry_add(store *s, sinter_error *e)
{
    struct stat st;
    if (stat(s->dir, &st) != 0) return store_fail(e, s, errno, "open");
    s->file[0] = st.st_dev, s->file[1] = st.st_ino;
    pthread_mutex_lock(&registry_lock);
    bool taken = false;
    for (size_t i = 0; i < registry_n; i++)
        taken |= registry[i][0] == s->file[0] && registry[i][1] == s->file[1];
    if (!taken) {
        registry = xrealloc(registry, (registry_n + 1) * sizeof *registry);
        memcpy(registry[registry_n++], s->file, sizeof s->file);
    }
    pthread_mutex_unlock(&registry_lock);
    if (!taken) return SINTER_OK;
    return error_set(e, SINTER_PRECONDITION, s->dir, "use the journal that is open",
                     "this process has the journal open already");
}

static void registry_remove(const store *s)
{
    pthread_mutex_lock(&registry_lock);
    for (size_t i = 0; i < registry_n; i++) {
        if (registry[i][0] != s->file[0] || registry[i][1] != s->file[1]) continue;
        memcpy(registry[i], registry[--registry_n], sizeof registry[i]);
        break;
    }
    if (!registry_n) {
        free(registry);
        registry = NULL;
    }
    pthread_mutex_unlock(&registry_lock);
}

/* ---- the environment ----------------------------------------------------------------------------------------- */

static int open_tables(MDB_txn *txn, tables *t, bool make)
{
    const struct {
        MDB_dbi *dbi;
        const char *name;
        unsigned flags;
    } T[STORE_TABLES] = {
        {&t->log, "log", MDB_INTEGERKEY},
        {&t->items, "items", 0},
        {&t->ordinals, "ordinals", 0},
        {&t->counts, "counts", MDB_INTEGERKEY},
        {&t->collections, "collections", 0},
        {&t->writes, "writes", 0},
        {&t->events, "events", 0},
        {&t->meta, "meta", 0},
    };
    for (size_t i = 0; i < STORE_TABLES; i++) {
        int code = mdb_dbi_open(txn, T[i].name, T[i].flags | (make ? MDB_CREATE : 0u), T[i].dbi);
        if (code == MDB_NOTFOUND && !make && T[i].dbi == &t->events) {
            t->events = NO_TABLE;
            code = 0;
        }
        if (code) return code;
    }
    return 0;
}

static int meta_read(MDB_txn *txn, const tables *t, const char *name, uint64_t *value)
{
    return store_get_fixed(txn, t->meta, name, strlen(name), value, sizeof *value);
}

static int meta_write(MDB_txn *txn, const tables *t, const char *name, uint64_t value)
{
    MDB_val k = {strlen(name), (void *)(uintptr_t)name}, v = {sizeof value, &value};
    return mdb_put(txn, t->meta, &k, &v, 0);
}

static sinter_status check_meta(store *s, MDB_txn *txn, sinter_error *e)
{
    uint64_t format, kind;
    int code = meta_read(txn, &s->t, "format", &format);
    if (!code) code = meta_read(txn, &s->t, "kind", &kind);
    if (code) return store_fail(e, s, code, "read the format of");
    uint64_t erased = 0;
    code = meta_read(txn, &s->t, "erased", &erased);
    if (code && code != MDB_NOTFOUND) return store_fail(e, s, code, "read the format of");
    s->erased = erased > 0;
    if (format != FORMAT)
        return error_set(e, SINTER_PRECONDITION, s->dir, "use the release that wrote it",
                         "the journal has format %" PRIu64 ", this build reads %d", format, FORMAT);
    if (kind != (uint64_t)s->kind)
        return error_set(e, SINTER_INVALID, s->dir, "check the path", "the folder holds the journal of another kind");
    return SINTER_OK;
}

static int fill_tables(store *s, bool read_only)
{
    uint64_t format;
    int code = open_tables(s->opening, &s->t, !read_only);
    if (code || read_only || meta_read(s->opening, &s->t, "format", &format) != MDB_NOTFOUND) return code;
    code = meta_write(s->opening, &s->t, "format", FORMAT);
    return code ? code : meta_write(s->opening, &s->t, "kind", s->kind);
}

static sinter_status prepare_tables(store *s, bool read_only, sinter_error *e)
{
    int code = mdb_txn_begin(s->env, NULL, read_only ? MDB_RDONLY : 0, &s->opening);
    if (code) return store_fail(e, s, code, "open");
    code = fill_tables(s, read_only);
    sinter_status status = code ? store_fail(e, s, code, "open the tables of") : check_meta(s, s->opening, e);
    if (status) return status;         /* store_close ends the transaction */
    code = mdb_txn_commit(s->opening); /* also of a reader: it keeps the tables open */
    s->opening = NULL;
    return code ? store_fail(e, s, code, "open") : SINTER_OK;
}

/* A limit of address space (ulimit -v) makes the map smaller, not the start impossible. */
static int open_env(store *s, bool read_only)
{
    unsigned flags = MDB_NOTLS | (read_only ? MDB_RDONLY : SYNC_FLAGS);
    for (size_t map = MAP_MOST;; map /= 2) {
        int code = mdb_env_create(&s->env);
        if (!code) code = mdb_env_set_maxdbs(s->env, STORE_TABLES);
        if (!code) code = mdb_env_set_maxreaders(s->env, READERS);
        if (!code) code = mdb_env_set_mapsize(s->env, map);
        if (!code) code = mdb_env_open(s->env, s->dir, flags, 0600);
        if (!code) return 0;
        mdb_env_close(s->env); /* also after a failed open */
        s->env = NULL;
        if (code != ENOMEM || map / 2 < MAP_LEAST) return code;
    }
}

sinter_status store_open(store *s, const char *dir, journal_kind kind, bool read_only, sinter_error *e)
{
    *s = (store){.dir = xstrdup(dir), .kind = kind};
    sinter_status status = registry_add(s, e);
    if (status) {
        free(s->dir);
        return status;
    }
    int code = open_env(s, read_only), dead;
    if (code) {
        status = store_fail(e, s, code, "open");
        registry_remove(s);
        free(s->dir);
        return status;
    }
    mdb_reader_check(s->env, &dead);
    status = prepare_tables(s, read_only, e);
    if (status) store_close(s);
    return status;
}

void store_close(store *s)
{
    if (s->opening) mdb_txn_abort(s->opening);
    mdb_env_close(s->env);
    registry_remove(s);
    free(s->dir);
}

int store_empty(store *s)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(s->env, NULL, 0, &txn);
    if (code) return code;
    for (unsigned i = 0; i < STORE_TABLES && !code; i++) code = mdb_drop(txn, store_table(s, i), 0);
    if (!code) return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return code;
}

void store_moved(store *fresh, store *old)
{
    registry_remove(fresh);
    free(fresh->dir);
    fresh->dir = old->dir;
    fresh->erased = old->erased;
    memcpy(fresh->file, old->file, sizeof fresh->file);
    old->dir = NULL;
    memset(old->file, 0, sizeof old->file);
}

/* ---- the writer's lock --------------------------------------------------------------------------------------- */

static sinter_status lock_refused(const char *path, int fd, sinter_error *e)
{
    char pid[32] = "";
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    return error_set(e, SINTER_EXISTS, path, "stop it first, or use another data directory",
                     "the journal is open for writing by process %s", pid[0] ? pid : "unknown");
}

/* The file stays when the process ends; its lock does not. */
static sinter_status lock_take(const char *dir, int *out, sinter_error *e)
{
    char *path = xasprintf("%s/writer.lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    sinter_status s = SINTER_OK;
    char pid[32];
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (fd < 0)
        s = error_set(e, store_status(errno), path, NULL, "cannot open the lock file: %s", strerror(errno));
    else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        s = lock_refused(path, fd, e);
    else if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n)
        s = error_set(e, store_status(errno), path, NULL, "cannot write the lock file: %s", strerror(errno));
    if (s && fd >= 0) close(fd);
    if (!s) *out = fd;
    free(path);
    return s;
}

/* ---- the journal --------------------------------------------------------------------------------------------- */

/* The newest record must hold: a torn end is found before anything is added behind it. */
static sinter_status read_last(journal *j, sinter_error *e)
{
    const store *now = atomic_load(&j->store);
    MDB_txn *txn;
    uint64_t last;
    int code = mdb_txn_begin(now->env, NULL, MDB_RDONLY, &txn);
    if (code) return store_fail(e, now, code, "read");
    sinter_status s = SINTER_OK;
    code = store_last(txn, &now->t, &last);
    MDB_val v;
    str packed;
    if (!code && last && store_get(txn, now->t.log, &last, sizeof last, &v, &code))
        s = record_check((str){v.mv_data, v.mv_size}, last, &packed, e);
    if (code) s = store_fail(e, now, code, "read the end of");
    mdb_txn_abort(txn);
    atomic_store(&j->last, last);
    return s;
}

static void options_default(journal_options *o)
{
    if (!o->queue_records) o->queue_records = 65536;
    if (!o->queue_bytes) o->queue_bytes = (uint64_t)256 << 20;
}

static void close_store(journal *j)
{
    store *s = atomic_load(&j->store);
    store_close(s);
    free(s);
}

static sinter_status open_locked(journal *j, sinter_error *e)
{
    store *now = xmalloc(sizeof *now);
    sinter_status s = j->read_only ? SINTER_OK : compact_clean(j->dir, e);
    if (!s) s = store_open(now, j->dir, j->kind, j->read_only, e);
    if (s) {
        free(now);
        return s;
    }
    atomic_store(&j->store, now);
    s = read_last(j, e);
    if (!s && !j->read_only) s = writer_start(j, e);
    if (s) close_store(j);
    return s;
}

static void journal_free(journal *j)
{
    if (j->lock_fd >= 0) close(j->lock_fd);
    pthread_mutex_destroy(&j->readers_lock);
    free(j->dir);
    free(j);
}

sinter_status journal_open(const journal_options *o, journal **out, sinter_error *e)
{
    *out = NULL;
    sinter_status s = o->read_only ? SINTER_OK : dir_make(o->dir, e);
    if (s) return s;
    journal *j = xcalloc(1, sizeof *j);
    *j = (journal){.options = *o, .read_only = o->read_only, .lock_fd = -1, .dir = xstrdup(o->dir), .kind = o->kind};
    j->options.dir = j->dir;
    pthread_mutex_init(&j->readers_lock, NULL);
    options_default(&j->options);
    if (!o->read_only) s = lock_take(o->dir, &j->lock_fd, e);
    if (!s) s = open_locked(j, e);
    if (s) {
        journal_free(j);
        return s;
    }
    *out = j;
    return SINTER_OK;
}

void journal_close(journal *j)
{
    if (!j) return;
    if (!j->read_only) writer_stop(j);
    close_store(j);
    journal_free(j);
}

const char *journal_acknowledgement(const journal *j)
{
    (void)j;
#ifdef SINTER_NO_SYNC
    return "in memory";
#else
    return "on disk";
#endif
}

uint64_t journal_last_sequence(const journal *j)
{
    return atomic_load(&j->last);
}

const histogram *journal_commit_seconds(const journal *j)
{
    return &j->commit_seconds;
}

bool journal_accepting(const journal *j)
{
    return !atomic_load(&j->failed);
}

void journal_get_stats(const journal *j, journal_stats *out)
{
    journal *w = (journal *)(uintptr_t)j; /* the lock is all that changes */
    *out = (journal_stats){.commits = atomic_load(&w->commits),
                           .records = atomic_load(&w->records),
                           .bytes = atomic_load(&w->bytes),
                           .repeated = atomic_load(&w->repeated),
                           .refused = atomic_load(&w->refused)};
    if (!j->read_only) {
        pthread_mutex_lock(&w->lock);
        out->queued_records = w->queued_records;
        out->queued_bytes = w->queued_bytes;
        pthread_mutex_unlock(&w->lock);
    }
    char *path = xasprintf("%s/data.mdb", j->dir);
    struct stat st;
    if (stat(path, &st) == 0) out->file_bytes = (uint64_t)st.st_blocks * 512;
    free(path);
}
