/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to journal: the LMDB environment of a journal, its tables, and the state its files share.
 *
 * Tables (all rewritten together with the record that changes them, in one transaction):
 *   log         sequence (native uint64, MDB_INTEGERKEY)     → stored record (record.h)
 *   items       collection (big-endian uint32) + item id     → item_entry         live items only
 *   ordinals    collection + ordinal (both big-endian)       → sequence of the newest record; live items only
 *   counts      collection (native uint32, MDB_INTEGERKEY)   → count_entry
 *   collections name                                         → collection_entry
 *   writes      write_id                                     → write_entry, then a refused_entry each
 *   events      collection (big-endian) + event id           → sequence of its record
 *   meta        "format", "kind", "trimmed", "erased"        → uint64
 *
 * An erased record keeps its sequence and time and has no body. The event ids and write ids that led to it stay as digests
 * (digest_key_of), so that a retry of what was erased is still known to have been stored. */
#ifndef SINTER_JOURNAL_STORE_H
#define SINTER_JOURNAL_STORE_H

#include <lmdb.h>

#include "journal/journal.h"
#include "record.h"

enum { FORMAT = 1 };
enum { ID_MOST = 256, WRITE_ID_MOST = 500 }; /* LMDB's longest key is 511 bytes */
enum { REBIND_MS = 100 };                    /* the longest life of a read transaction */

typedef struct item_entry {
    uint64_t sequence;
    uint32_t ordinal, zero;
} item_entry;

typedef struct count_entry {
    uint32_t ordinals, live;
} count_entry;

typedef struct collection_entry {
    uint32_t number;
    char uuid[37];
    char zero[3];
} collection_entry;

/* What a write was answered, and a checksum of that and the key: nothing else in the file could vouch for it. */
typedef struct write_entry {
    uint64_t sequence;
    uint32_t applied, unknown;
    uint64_t sum;
} write_entry;
typedef struct refused_entry {
    uint32_t op, status;
} refused_entry;
uint64_t write_entry_sum(str write_id, const write_entry *w, const void *refused, uint32_t n);

/* Keys with a collection in front sort by it, then by what follows. */
typedef struct item_key {
    unsigned char bytes[4 + ID_MOST];
    size_t n;
} item_key;
void item_key_of(item_key *k, uint32_t collection, str id);
void ordinal_key_of(unsigned char k[8], uint32_t collection, uint32_t ordinal);
/* What stands for an id in a key when its bytes may not: \x01 and 32 hex digits. No id has a control character. */
enum { DIGEST_KEY = 33 };
void digest_key_of(char out[DIGEST_KEY], str id);
uint32_t big_endian_read(const unsigned char *p);

typedef struct tables {
    MDB_dbi log, items, ordinals, counts, collections, writes, events, meta;
} tables;

enum { STORE_TABLES = 8 };

/* `events` of a journal that is opened read-only and was last written before there were events. */
#define NO_TABLE ((MDB_dbi)-1)

/* Takes a stored value apart; 0, MDB_NOTFOUND, or MDB_CORRUPTED. *refused points into the map, unaligned. */
int write_entry_get(MDB_txn *txn, const tables *t, str write_id, write_entry *w, const void **refused, uint32_t *n);
int write_entry_read(str write_id, MDB_val v, write_entry *w, const void **refused, uint32_t *n);

/* An open environment: what reading needs. */
typedef struct store store;
struct store {
    MDB_env *env;
    tables t;
    char *dir;
    journal_kind kind;
    uint64_t file[2]; /* device and inode of the folder: one environment a process */
    MDB_txn *opening; /* while the tables are opened: a fault there must not lose it */
    bool erased;      /* something was: digests are looked up too */
};

/* In the order of `tables`. */
static inline MDB_dbi store_table(const store *s, unsigned table)
{
    return (&s->t.log)[table];
}

/* Opens or makes it. Read-only: NOT_FOUND where there is none. */
sinter_status store_open(store *s, const char *dir, journal_kind kind, bool read_only, sinter_error *e);
void store_close(store *s);
/* Deletes every entry of every table. LMDB's code. */
int store_empty(store *s);
/* The files of `fresh` have taken the place of those of `old`. */
void store_moved(store *fresh, store *old);
/* error_set for a code of LMDB: EXHAUSTED for a full disk or map, DATA_LOSS for a broken file, IO otherwise. */
sinter_status store_fail(sinter_error *e, const store *s, int code, const char *doing);
sinter_status store_fail_at(sinter_error *e, const char *dir, int code, const char *doing);
sinter_status store_status(int code);
/* Looks `key` up; false with *code MDB_NOTFOUND, or another failure. */
bool store_get(MDB_txn *txn, MDB_dbi dbi, const void *key, size_t n, MDB_val *value, int *code);
/* Copies a fixed-size value; MDB_CORRUPTED when its size is another. */
int store_get_fixed(MDB_txn *txn, MDB_dbi dbi, const void *key, size_t n, void *out, size_t size);
/* Newest sequence of the log; 0: empty. */
int store_last(MDB_txn *txn, const tables *t, uint64_t *sequence);

/* ---- the writer (writer.c, apply.c) -------------------------------------------------------------------------- */

typedef struct counter {
    count_entry now;
    bool known, changed;
} counter;

typedef struct compaction compaction;
/* compact.c: the key of a table is being changed. */
void compact_note(compaction *c, unsigned table, const void *key, size_t n);

/* State of the transaction being built; writer thread only. */
typedef struct build {
    MDB_txn *txn;
    uint64_t sequence; /* newest given */
    counter *counter;  /* [counters] by collection number */
    uint32_t counters;
    uint64_t records, bytes; /* in this transaction */
    compaction *compaction;  /* notes what is changed; NULL: none */
    arena *a;                /* of a record being erased */
    bool erased;             /* this transaction erases something */
    bool changed;
    buffer scratch;
    arena *change;        /* of one JOURNAL_CHANGE; NULL until there is one */
    uint32_t collections; /* highest number */
} build;

/* Internal ops: `id` is the name, `bytes` the uuid; `bytes` are sequences. */
enum { JOURNAL_MAKE_COLLECTION = 100, JOURNAL_ERASE = 101 };

int build_begin(build *b, const store *s, compaction *c);
/* Applies one write. Returns 0 with r->status set (OK, or a refusal that left the transaction as it was), or LMDB's
 * code of a failure after which the transaction must be aborted. What r->refused holds lives in *memory, made if need be. */
int build_write(build *b, const store *s, const journal_write *w, journal_result *r, arena **memory, sinter_error *e);
int build_commit(build *b, const store *s);
void build_abort(build *b);
void build_free(build *b);

typedef struct entry entry; /* a queued write */

struct journal {
    _Atomic(store *) store; /* the writer thread changes it, when the file was written anew */
    char *dir;
    journal_kind kind;
    pthread_mutex_t readers_lock; /* of the list, and of changes of `store` */
    journal_reader *readers;
    _Atomic(compaction *) compaction; /* under way; NULL: none */
    bool read_only;
    journal_options options;
    int lock_fd; /* of the writer's lock file; -1: read-only */
    _Atomic uint64_t last;
    _Atomic bool failed; /* an fsync failed: nothing more until reopened */

    pthread_t writer;
    bool running;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake;
    entry *first, **end;
    uint64_t queued_records, queued_bytes, oldest_ns;
    bool closing;
    void (*listen)(void *ctx, uint64_t sequence);
    void *listen_ctx;

    _Atomic uint64_t commits, records, bytes, repeated, refused;
    histogram commit_seconds;
};

/* ---- readers (read.c) ---------------------------------------------------------------------------------------- */

/* A reader is its thread's but for the moment in which the writer takes it off a file that is no longer the journal's. */
typedef enum { READER_IDLE, READER_READS, READER_MOVED } reader_state;

struct journal_reader {
    journal *j;
    const store *at; /* what txn reads; NULL: none yet */
    MDB_txn *txn;    /* reset between calls */
    _Atomic int state;
    journal_reader *next;
    arena *batch; /* of a walk */
    bool walking;
    buffer bytes; /* of journal_get_bytes */
};

/* Waits until the reader is idle, and ends what it has of `old`. */
void reader_leave(journal_reader *r, const store *old);
/* *code: 0 or MDB_NOTFOUND. */
sinter_status reader_collection(journal_reader *r, str name, collection_entry *c, int *code, sinter_error *e);

/* ---- writing the file anew (compact.c) ------------------------------------------------------------------------- */

/* What a compaction left behind that did not end. */
sinter_status compact_clean(const char *dir, sinter_error *e);
/* On the writer thread, between groups: a compaction that asks for it becomes the journal. */
void compact_switch(journal *j);

sinter_status writer_start(journal *j, sinter_error *e);
void writer_stop(journal *j);

#endif
