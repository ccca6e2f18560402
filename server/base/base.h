/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ground floor: what every room uses and nothing of what any room knows.
 *
 * Errors, allocation, arenas, byte buffers, slices, hashing, seeded randomness, clocks, logging,
 * number parsing, UTF-8, spelling suggestions, threads and epoch-based reclamation. One way to do each. */
#ifndef SINTER_BASE_H
#define SINTER_BASE_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sinter/status.h>

#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Marks a hot numeric kernel: compiled for AVX-512, AVX2 and baseline, chosen at load time. Off under
 * sanitizers (their runtimes are not ready when ifuncs resolve) and away from x86-64 ELF. */
#if defined(__x86_64__) && defined(__linux__) && !defined(SINTER_SANITIZED) && !defined(__clang__)
#define KERNEL __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define KERNEL
#endif

/* ---- errors (error.c) ------------------------------------------------------------------------- */

const char *status_name(sinter_status s); /* "INVALID" */
const char *status_text(sinter_status s); /* "invalid argument" */

/* Fill `e` (may be NULL) and return `s`, so that a failing function ends `return error_set(e, …)`.
 * `where` and `fix` may be NULL (left empty). */
sinter_status error_set(sinter_error *e, sinter_status s, const char *where, const char *fix, const char *what, ...)
    PRINTF_LIKE(5, 6);
/* Replace one part of an error already set. */
void error_where(sinter_error *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
void error_fix(sinter_error *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "where: what; fix" in one line into `out`; returns out. */
char *error_line(const sinter_error *e, char *out, size_t size);

/* ---- memory (memory.c, arena.c, buffer.c) ------------------------------------------------------ */

/* Outside requests: never return NULL; running out of memory ends the process with a message. */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);
void *xaligned(size_t align, size_t n); /* free() releases it */

/* Bump allocator: per request, reset whole. Not thread-safe; blocks are kept across resets, so that a
 * warmed-up arena allocates nothing. Memory is 16-byte aligned and not zeroed unless said. */
typedef struct arena arena;
arena *arena_new(size_t first_block);
void arena_reset(arena *a); /* keeps up to 4 MiB of blocks */
void arena_free(arena *a);
size_t arena_used(const arena *a);
void *arena_alloc(arena *a, size_t n);
void *arena_zalloc(arena *a, size_t n);
void *arena_aligned(arena *a, size_t align, size_t n);
char *arena_strdup(arena *a, const char *s);
char *arena_text(arena *a, const char *s); /* NULL: "" */
char *arena_strndup(arena *a, const char *s, size_t n);
char *arena_printf(arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
#define ARENA_NEW(a, T) ((T *)arena_zalloc((a), sizeof(T)))
#define ARENA_ARRAY(a, T, n) ((T *)arena_zalloc((a), sizeof(T) * (size_t)(n)))

/* A slice of bytes that somebody else owns; not NUL-terminated. */
typedef struct str {
    const char *s;
    size_t n;
} str;
#define STR(lit) ((str){(lit), sizeof(lit) - 1})
str str_of(const char *s);
bool str_eq(str a, str b);
bool str_is(str a, const char *b);

/* Growable byte buffer, malloc-backed; data is always NUL-terminated. */
typedef struct buffer {
    char *data;
    size_t len, cap;
} buffer;
void buffer_append(buffer *b, const void *p, size_t n);
void buffer_puts(buffer *b, const char *s);
void buffer_printf(buffer *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buffer_clear(buffer *b); /* keeps the memory */
void buffer_free(buffer *b);
/* A JSON string with quotes and escapes. */
void buffer_json_string(buffer *b, const char *s, size_t n);

/* ---- hash and randomness (hash.c) ------------------------------------------------------------- */

uint64_t hash64(const void *p, size_t n);                     /* XXH3-64, seed 0 */
uint64_t hash64_seed(const void *p, size_t n, uint64_t seed); /* XXH3-64 */
void hash128(const void *p, size_t n, uint64_t out[2]);       /* XXH3-128: low, high */
/* Of an id feature's text: XXH3-64 folded to 32 bits, never 0 (0: none). Models hold these: they never change. */
uint32_t hash_id(const void *p, size_t n);

/* xoshiro256**, seeded by splitmix64: the same numbers on every machine. */
typedef struct rng {
    uint64_t s[4];
} rng;
void rng_seed(rng *r, uint64_t seed);
uint64_t rng_next(rng *r);
double rng_uniform(rng *r);                /* [0, 1) with 53 bits */
uint64_t rng_below(rng *r, uint64_t n);    /* [0, n), unbiased; n > 0 */
double rng_normal(rng *r);                 /* mean 0, variance 1 (Marsaglia's polar method, no cached half) */
/* Lower-case hex SHA-256 with its NUL (sha256.c). */
void sha256_hex(const void *p, size_t n, char out[65]);
sinter_status sha256_file(const char *path, char out[65], sinter_error *e);
void uuid_make(char out[37]);              /* random version 4 from getrandom(2) */

/* ---- dictionary (dictionary.c) ---------------------------------------------------------------- */

#ifndef __cplusplus /* which has no _Atomic */
/* A dictionary that only grows: text of a number, number of a text. One thread writes, any thread reads without locks
 * and without an epoch, because nothing is moved or freed before dictionary_free. */
#define DICTIONARY_NONE UINT32_MAX
#define DICTIONARY_SEGMENTS 27u /* segment k holds 64 << k entries */

typedef struct dictionary_text {
    uint32_t n;
    uint32_t hash; /* hash_id of it */
    char s[];      /* NUL-terminated */
} dictionary_text;

typedef _Atomic(const dictionary_text *) dictionary_entry;
typedef struct dictionary_table dictionary_table;

/* All zero is an empty one. */
typedef struct dictionary {
    _Atomic(dictionary_table *) table;
    _Atomic(dictionary_entry *) segment[DICTIONARY_SEGMENTS];
    _Atomic uint32_t count; /* highest number + 1 */
    size_t bytes;           /* the writer's */
} dictionary;

/* Gives `text` the number. A text that had a smaller one keeps it as an alias: dictionary_find answers the larger. The
 * copies of texts live in `texts`. [writer] */
void dictionary_put(dictionary *d, uint32_t number, str text, arena *texts);
const dictionary_text *dictionary_get(const dictionary *d, uint32_t number); /* NULL: never given */
uint32_t dictionary_find(const dictionary *d, str text);                    /* DICTIONARY_NONE: unknown */
void dictionary_free(dictionary *d);
#endif

/* ---- clocks (clock.c) ------------------------------------------------------------------------- */

uint64_t clock_mono_ns(void); /* CLOCK_MONOTONIC: deadlines and durations */
int64_t clock_wall_ms(void);  /* CLOCK_REALTIME: what people and records mean by time */
/* RFC 3339: "2009-12-10T00:00:00Z", with optional fraction and offset, or a bare date. */
bool time_parse_ms(str s, int64_t *ms);
void time_format_ms(int64_t ms, char out[32]);

/* ---- log (log.c) ------------------------------------------------------------------------------ */

typedef enum { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR } log_level;
void log_set(log_level least, bool json); /* [any thread]; lines begun before are written the old way */
log_level log_least(void);
bool log_as_json(void);
bool log_level_parse(const char *s, log_level *out);
const char *log_level_name(log_level level);
/* The request that this thread works on: its id stands in every line that the thread writes. NULL: none. The text is not copied. */
void log_about(const char *id);
/* `event` is a short stable word group ("index.rebuild"); the rest is for people. [any thread] */
void log_write(log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same with members for machines: `members` is JSON, `"a":1,"b":{…}`, that stands in the line as it is. */
void log_write_members(log_level level, const char *event, const char *members, const char *fmt, ...) PRINTF_LIKE(4, 5);
#define log_debug(event, ...) log_write(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) log_write(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) log_write(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_write(LOG_ERROR, event, __VA_ARGS__)

/* ---- figures (histogram.c, metric_table.c, scrape.c) ------------------------------------------------- */

/* A family of figures, as it will be shown: a name of Prometheus' kind, what it means, its labels. Static tables hold them. */
#define METRIC_LABELS 3u
typedef enum { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM } metric_type;
typedef struct metric_family {
    const char *name, *help;
    metric_type kind;
    const char *label[METRIC_LABELS]; /* NULL: no more */
} metric_family;

#define HISTOGRAM_BOUNDS 20u
extern const double HISTOGRAM_SECONDS[HISTOGRAM_BOUNDS]; /* upper bounds; one bucket more holds what is above */

typedef struct histogram histogram;
#ifndef __cplusplus
/* How long things took. All zero is an empty one. [any thread] */
struct histogram {
    _Atomic uint64_t bucket[HISTOGRAM_BOUNDS + 1], nanoseconds;
};
void histogram_note(histogram *h, uint64_t ns);

/* Counters and histograms by family and label values, written by one thread and read by any, without locks: cells are added
 * and never moved or freed before metric_table_free. Beyond 2,000 cells the values count as "other". */
typedef struct metric_table metric_table;
metric_table *metric_table_new(void);
void metric_table_free(metric_table *t);
/* Label values in the family's order; NULL for those that it has not. They are copied. [writer] */
_Atomic uint64_t *metric_table_counter(metric_table *t, const metric_family *f, const char *a, const char *b, const char *c);
histogram *metric_table_histogram(metric_table *t, const metric_family *f, const char *a, const char *b, const char *c);

/* What a scrape gathers, in an arena: samples of the same family and labels add up, so that each lane's are one. */
typedef struct metric_sample {
    const metric_family *family;
    const char *label[METRIC_LABELS];
    double value;                             /* histograms: the sum of seconds */
    uint64_t bucket[HISTOGRAM_BOUNDS + 1];    /* histograms: counts of each, not cumulative */
    struct metric_sample *next, *next_same;   /* of the family; of the hash */
} metric_sample;
typedef struct metric_group {
    const metric_family *family;
    metric_sample *first, **last;
    struct metric_group *next;
} metric_group;
typedef struct scrape {
    arena *a;
    metric_group *first, **last;
    metric_sample **slot;
} scrape;
scrape *scrape_new(arena *a);
void scrape_add(scrape *m, const metric_family *f, double value, const char *a, const char *b, const char *c);
void scrape_add_histogram(scrape *m, const metric_family *f, const histogram *h, const char *a, const char *b, const char *c);
void scrape_add_table(scrape *m, const metric_table *t);
/* The text format of Prometheus, version 0.0.4. */
void scrape_write(const scrape *m, buffer *out);
#endif

/* ---- text (text.c) ---------------------------------------------------------------------------- */

/* All of the slice, or false: no leading or trailing rest, locale-independent. */
bool parse_double(str s, double *out);
bool parse_int64(str s, int64_t *out);
bool parse_uint64(str s, uint64_t *out);
bool parse_bool(str s, bool *out);            /* true false yes no on off */
bool parse_duration_ns(str s, uint64_t *out); /* 2ms 250us 1.5s 3m 1h 2d */
bool parse_size(str s, uint64_t *out);        /* 64KiB 5MiB 1GB or bytes */

bool utf8_valid(const char *s, size_t n, size_t *bad_at); /* strict; bad_at may be NULL */
/* An id or key: 1–256 bytes, valid UTF-8, no control characters. NULL when fine, else the reason. */
const char *id_problem(const char *s, size_t n);
/* Nearest of `names` by Damerau–Levenshtein distance, NULL when none is near (≤ 1/3 of the length, at most 3). */
const char *near_name(const char *name, const char *const *names, size_t n);
/* The lines of a text (NULL: none), empty ones left out. */
char **text_lines(const char *text, arena *a, size_t *n);

/* Base64 (base64.c): the plain alphabet padded, or the one for URLs without padding. `out` has BASE64_ROOM(n). Returns the length. */
#define BASE64_ROOM(n) (((n) + 2) / 3 * 4 + 1)
size_t base64_encode(const void *p, size_t n, bool url, char *out);
/* Either alphabet, padded to four or not at all; `out` has room for s.n / 4 * 3 + 3. */
bool base64_decode(str s, uint8_t *out, size_t *n);

/* ---- files (file.c) --------------------------------------------------------------------------- */

sinter_status file_read(const char *path, size_t limit, buffer *out, sinter_error *e);
/* Temporary name beside it, fsync, rename, fsync of the folder. */
sinter_status file_write_atomic(const char *path, const void *p, size_t n, sinter_error *e);
/* The same of a file in n pieces, one behind the other. */
sinter_status file_write_pieces(const char *path, const str *piece, size_t n, sinter_error *e);
sinter_status dir_make(const char *path, sinter_error *e); /* with parents, mode 0700 */
sinter_status dir_remove(const char *path, sinter_error *e); /* with everything in it; absent is fine */

/* ---- threads (thread.c) ----------------------------------------------------------------------- */

#include <pthread.h>
sinter_status thread_start(pthread_t *t, const char *name, void (*run)(void *), void *arg, sinter_error *e);

/* Epoch-based reclamation: readers never lock; what is retired is freed once every reader that could
 * have seen it has left. One domain a process part; slots are fixed at creation.
 *
 *   reader:  epoch_enter(d, slot); p = atomic_load(&shared); … use p …; epoch_exit(d, slot);
 *   writer:  old = atomic_exchange(&shared, fresh); epoch_retire(d, old, free_fn, ctx); epoch_reclaim(d);
 *
 * A slot belongs to one thread at a time. epoch_retire and epoch_reclaim are thread-safe (one lock,
 * never taken by readers). Frees run on the thread that calls epoch_reclaim. */
typedef struct epoch_domain epoch_domain;
epoch_domain *epoch_new(uint32_t slots);
void epoch_enter(epoch_domain *d, uint32_t slot);
void epoch_exit(epoch_domain *d, uint32_t slot);
void epoch_retire(epoch_domain *d, void *p, void (*free_fn)(void *p, void *ctx), void *ctx);
size_t epoch_reclaim(epoch_domain *d); /* frees what it can; returns how many still wait */
void epoch_free(epoch_domain *d);      /* no reader inside; frees everything left */

#endif
