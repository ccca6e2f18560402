/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The journal: the truth of the house, a log of records with rising sequence numbers.
 *
 * Everything else (index, columns, models) is a view of it. A write is acknowledged when its record is on disk. The
 * interface is shaped for a replicated database behind it: appends are all or nothing and may end CONFLICT or UNKNOWN,
 * sequences may have holes, a tail resumes by sequence alone and may get GONE, and what an acknowledgement means is
 * reported, not assumed. The one backend today is LMDB (lmdb.c).
 *
 * A kind is a log of its own, in an environment of its own, with its own sequences. Records are
 * sinter.storage.v1.Record messages stored behind an XXH3-64 checksum.
 *
 * Threads: one writer thread a journal. journal_append and the journal_last_* calls are thread-safe; a journal_reader
 * belongs to one thread. Completions run on the writer thread, after fsync, and must not block. */
#ifndef SINTER_JOURNAL_H
#define SINTER_JOURNAL_H

#include "base/base.h"
#include <sinter/storage/v1/journal.pb-c.h>

/* ---- times in messages ---- */

/* Milliseconds since 1970; what is too far away for them is as far as they reach. */
static inline int64_t timestamp_ms(const Google__Protobuf__Timestamp *t)
{
    const int64_t most = INT64_MAX / 1000 - 1;
    int64_t s = t->seconds > most ? most : t->seconds < -most ? -most : t->seconds;
    return s * 1000 + t->nanos / 1000000;
}

/* Nanos count upwards, before 1970 too. */
static inline Google__Protobuf__Timestamp timestamp_of(int64_t ms)
{
    Google__Protobuf__Timestamp t = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    t.seconds = ms / 1000 - (ms % 1000 < 0);
    t.nanos = (int32_t)(ms - t.seconds * 1000) * 1000000;
    return t;
}

/* For a message's field. */
static inline Google__Protobuf__Timestamp *timestamp_new(arena *a, int64_t ms)
{
    Google__Protobuf__Timestamp *t = ARENA_NEW(a, Google__Protobuf__Timestamp);
    *t = timestamp_of(ms);
    return t;
}

typedef struct journal journal;
typedef struct journal_reader journal_reader;

typedef enum { JOURNAL_CATALOGUE, JOURNAL_IMPRESSIONS } journal_kind;

typedef struct journal_options {
    const char *dir; /* of this kind: the data directory's journal/catalogue or journal/impressions */
    journal_kind kind;
    bool read_only;         /* dump, verify, training */
    uint32_t queue_records; /* queued and not yet committed; beyond: EXHAUSTED. 0: default 65,536 */
    uint64_t queue_bytes;   /* 0: default 256 MiB */
    uint32_t linger_ms;     /* wait this long for company before a commit; 0: commit as soon as the disk is ready */
} journal_options;

/* Opens or makes it. EXISTS when another process has it open for writing (names its pid); DATA_LOSS when a record at the
 * end is broken; IO otherwise. The caller has let a child verify it first (see journal_verify). */
sinter_status journal_open(const journal_options *o, journal **out, sinter_error *e);
/* Commits what is queued, finishes its completions, ends the writer. */
void journal_close(journal *j);

/* What an acknowledgement of this journal means: "on disk". */
const char *journal_acknowledgement(const journal *j);
/* Newest durable sequence; 0: empty. [any thread, lock-free] */
uint64_t journal_last_sequence(const journal *j);

/* ---- collections ------------------------------------------------------------------------------------------------ */

/* Number and uuid of a collection, made durable on its first call. Numbers rise from 1. Blocks: control thread only. */
sinter_status journal_collection(journal *j, const char *name, uint32_t *number, char uuid[37], sinter_error *e);

/* ---- append ------------------------------------------------------------------------------------------------------ */

typedef enum {
    JOURNAL_PUT,    /* `bytes`: a packed sinter.v1.Item; the writer gives the ordinal (an upsert keeps it) */
    JOURNAL_DELETE, /* `id`; an unknown id makes no record and is counted */
    JOURNAL_EVENT,  /* `id`: of the event; `bytes`: a packed EventPut. An id stored before in this collection makes no record
                       and is counted as repeated_events */
    JOURNAL_RECORD, /* `bytes`: a packed Record whose body is anything else; the writer sets sequence and time */
    JOURNAL_CHANGE, /* `change` says what becomes of the item `id`, seeing its newest state: see below */
} journal_op_kind;

/* A read and a write in one: on the writer thread, in the order of the log, so that no write comes between. */
typedef struct journal_change {
    const Sinter__V1__Item *before; /* NULL: there is no such item */
    uint64_t sequence;              /* of its record; 0 */
    str bytes;                      /* of the op */
    arena *a;                       /* for what is set below */
    str item;                       /* JOURNAL_CHANGE_PUT: the packed item, of the same id */
    const char *field, *what;       /* JOURNAL_CHANGE_REFUSE: what was wrong, for people; may be NULL */
    sinter_status status;           /* JOURNAL_CHANGE_REFUSE: CONFLICT, NOT_FOUND or INVALID */
} journal_change;
typedef enum {
    JOURNAL_CHANGE_PUT,    /* `item` is the new state */
    JOURNAL_CHANGE_DELETE, /* the item goes */
    JOURNAL_CHANGE_REFUSE, /* no record: told in journal_result.refused */
    JOURNAL_CHANGE_KEEP    /* no record, and nothing to tell */
} journal_verb;
typedef journal_verb journal_change_fn(void *ctx, journal_change *c); /* must not block */

typedef struct journal_op {
    journal_op_kind kind;
    uint32_t collection;
    str id; /* of the item or event */
    str bytes;
    uint32_t only_ordinal;     /* DELETE: of this ordinal + 1, else it counts as unknown; 0: whichever */
    journal_change_fn *change; /* CHANGE; it and its ctx must live until the write is done */
    void *change_ctx;
} journal_op;

/* One write: all of its records are committed together, or none. */
typedef struct journal_write {
    str write_id; /* empty: none; else 1–256 bytes. A write whose id is stored already is answered with what was stored,
                     for ever; the id is scoped by the caller (rpc prefixes collection and method). */
    const journal_op *op;
    uint32_t n;
    uint64_t fence; /* last sequence that the caller saw, or UINT64_MAX: no fence. Another: CONFLICT */
} journal_write;

/* An op that its change refused; the rest of the write was stored. */
typedef struct journal_refusal {
    uint32_t op;
    sinter_status status;
    const char *field, *what; /* NULL: unknown, as of a repeated write */
} journal_refusal;

typedef struct journal_result {
    sinter_status status;   /* OK: durable. CONFLICT, EXHAUSTED (disk full), UNKNOWN (fsync failed), IO */
    uint64_t sequence;      /* of the last record; of the newest durable record where the write made none */
    uint32_t applied;       /* ops that made a record */
    uint32_t unknown;       /* deletes of unknown ids */
    uint32_t repeated_events; /* events whose id was stored before, or earlier in this write */
    uint32_t n_refused;
    const journal_refusal *refused; /* [n_refused] by op; dead after the call */
    bool repeated;          /* the write_id was stored before; the fields are those of then */
    const sinter_error *error; /* when status is not OK; dead after the call */
} journal_result;

/* On the writer thread; must not block, may call journal_append. */
typedef void journal_done(void *ctx, const journal_result *r);

/* Copies the write and returns; `done` is called exactly once if this returned OK (also at close). EXHAUSTED when the
 * queue is full, PRECONDITION after a failed fsync until the journal was reopened. `done` may be NULL (impressions). */
sinter_status journal_append(journal *j, const journal_write *w, journal_done *done, void *ctx, sinter_error *e);
/* The same, waiting for the result: never on a lane. `refused` is NULL in it. */
sinter_status journal_append_wait(journal *j, const journal_write *w, journal_result *r, sinter_error *e);

/* Called on the writer thread after each commit with the newest durable sequence. One listener; set before appends. */
void journal_listen(journal *j, void (*fn)(void *ctx, uint64_t sequence), void *ctx);

typedef struct journal_stats {
    uint64_t commits, records, bytes, repeated, refused; /* since open */
    uint64_t queued_records, queued_bytes;
    uint64_t file_bytes;
} journal_stats;
void journal_get_stats(const journal *j, journal_stats *out);
/* How long its commits took, the sync included; since open. */
const histogram *journal_commit_seconds(const journal *j);
/* False: the disk failed to sync, no write is taken until it is opened again. */
bool journal_accepting(const journal *j);

/* ---- read --------------------------------------------------------------------------------------------------------- */

/* One a thread. Its read transaction is renewed by every call and never outlives 100 ms. */
sinter_status journal_reader_open(journal *j, journal_reader **out, sinter_error *e);
void journal_reader_close(journal_reader *r);

/* The record of a sequence, unpacked into `a`. NOT_FOUND; DATA_LOSS when its checksum does not hold. */
sinter_status journal_get(journal_reader *r, uint64_t sequence, arena *a, Sinter__Storage__V1__Record **out, sinter_error *e);
/* Its bytes without unpacking, valid until the reader's next call. */
sinter_status journal_get_bytes(journal_reader *r, uint64_t sequence, str *out, sinter_error *e);

/* The field number of such bytes' body among those of storage/v1/journal.proto; 0: none, or no record. Unpacks nothing. */
uint32_t journal_body(str bytes);

/* Calls `fn` with each record after `after`, in order, up to `limit` records; *last: the last one seen. `fn` may stop it by
 * returning false. GONE when records after `after` were trimmed. The record dies with the call of fn. */
sinter_status journal_tail(journal_reader *r, uint64_t after, uint32_t limit,
                           bool (*fn)(void *ctx, const Sinter__Storage__V1__Record *rec), void *ctx, uint64_t *last,
                           sinter_error *e);

/* Newest state of an item. NOT_FOUND: never seen or deleted. `ordinal` and `sequence` may be NULL. */
sinter_status journal_item(journal_reader *r, uint32_t collection, str id, uint32_t *ordinal, uint64_t *sequence,
                           sinter_error *e);
/* What a write of this id was answered; NOT_FOUND: none was stored. */
sinter_status journal_written(journal_reader *r, str write_id, journal_result *out, sinter_error *e);
/* Newest record's sequence of an ordinal; NOT_FOUND: never given, or deleted since. */
sinter_status journal_ordinal(journal_reader *r, uint32_t collection, uint32_t ordinal, uint64_t *sequence, sinter_error *e);
/* Ordinals given so far, deleted ones included; items that live. */
sinter_status journal_count(journal_reader *r, uint32_t collection, uint32_t *ordinals, uint32_t *live, sinter_error *e);
/* Calls `fn` with the newest record of each live item of a collection, from `ordinal` on, ascending, up to `limit`; *next:
 * where to go on, UINT32_MAX at the end. This is how columns are filled at start. */
sinter_status journal_items(journal_reader *r, uint32_t collection, uint32_t ordinal, uint32_t limit,
                            bool (*fn)(void *ctx, const Sinter__Storage__V1__Record *rec), void *ctx, uint32_t *next,
                            sinter_error *e);

/* ---- erase --------------------------------------------------------------------------------------------------------- */

/* Overwrites records of what people did (events, PutUser, answers, recorded requests, requests that failed) with records of the same sequence and
 * time that have no body; others are left as they are. Returns when that is durable, or not at all for those that an error left. Erasing
 * again changes nothing. The ids of erased events and writes stay as SHA-256: a retry of them is still a repetition. Old
 * bytes stay in the file until journal_compact. Never on a lane. */
sinter_status journal_erase(journal *j, const uint64_t *sequence, uint64_t n, sinter_error *e);

/* Writes the file anew, so that nothing is in it that no record or table holds. Reading and writing go on meanwhile, but for
 * the moment in which the new file takes the old one's name; it needs as much room on the disk as the journal has now.
 * UNAVAILABLE when `stop` (may be NULL) says so. One at a time; never on a lane. A process that has the journal open for
 * reading keeps the old file until it closes it. */
sinter_status journal_compact(journal *j, bool (*stop)(void *ctx), void *ctx, sinter_error *e);

/* ---- verify --------------------------------------------------------------------------------------------------------- */

typedef struct journal_verdict {
    uint64_t records, bytes, first, last;
    uint64_t bad_records;
    uint64_t first_bad; /* sequence; 0: none */
} journal_verdict;

/* Walks every record and index entry: checksums, sequences, ordinals, ids. Run in a child process before a server maps the
 * files, because a truncated one is SIGBUS. `progress` may be NULL. DATA_LOSS names the first broken record. */
sinter_status journal_verify(const char *dir, journal_kind kind, void (*progress)(void *ctx, uint64_t done, uint64_t total),
                             void *ctx, journal_verdict *out, sinter_error *e);

#endif
