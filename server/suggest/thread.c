/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The thread that follows both journals, keeps the stores and publishes sets. */
#include "inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "packed.h"

typedef Sinter__Storage__V1__Record record;

enum { SLOTS = 1024, TAIL_RECORDS = 256, ANSWERS = 1024 };
#define MS ((uint64_t)1000000)
static const uint64_t LOOK_NS = 250 * MS;  /* between looks at the journals */
static const uint64_t LEAST_NS = 500 * MS; /* between two sets of one collection */
static const uint64_t SHARE = 20;          /* a set that took t to make is made again after 20 t */

/* One collection. What is not marked shared belongs to the thread. */
typedef struct slot {
    _Atomic uint32_t number;      /* shared; 0: free */
    _Atomic(suggest_set *) set;   /* shared */
    store *store;                 /* NULL: it declares none any more */
    uint64_t at, answers_at;      /* sequences that the store has read */
    uint64_t next_ns;
} slot;

struct suggest {
    journal *catalogue, *answers;
    journal_reader *reader, *answers_reader;
    epoch_domain *epochs;
    slot slot[SLOTS];
    _Atomic uint32_t n_slots; /* shared: only grows */

    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake;
    bool started, stopping, forget;
    settings *wanted; /* [n_wanted] not yet taken over; NULL: nothing new */
    uint32_t n_wanted;
};

static void free_old(void *p, void *ctx)
{
    (void)ctx;
    set_free(p);
}

static void publish(suggest *s, slot *k, suggest_set *fresh)
{
    suggest_set *old = atomic_exchange(&k->set, fresh);
    if (old) epoch_retire(s->epochs, old, free_old, NULL); /* the view thread reclaims */
}

/* ---- what is wanted ---------------------------------------------------------------------------------------------------- */

static slot *slot_of(suggest *s, uint32_t number, bool make)
{
    uint32_t n = atomic_load(&s->n_slots);
    for (uint32_t i = 0; i < n; i++)
        if (atomic_load(&s->slot[i].number) == number) return &s->slot[i];
    if (!make || n == SLOTS) return NULL;
    atomic_store(&s->slot[n].number, number);
    atomic_store(&s->n_slots, n + 1);
    return &s->slot[n];
}

static void start_anew(slot *k, const settings *set)
{
    store_free(k->store);
    k->store = set ? store_new(set) : NULL;
    k->at = k->answers_at = 0;
    k->next_ns = 0;
}

static void take_wanted(suggest *s, settings *wanted, uint32_t n)
{
    for (uint32_t i = 0; i < atomic_load(&s->n_slots); i++) {
        slot *k = &s->slot[i];
        bool still = false;
        for (uint32_t w = 0; w < n; w++) still |= wanted[w].number == atomic_load(&k->number);
        if (still || !k->store) continue;
        start_anew(k, NULL);
        publish(s, k, NULL);
    }
    for (uint32_t w = 0; w < n; w++) {
        slot *k = slot_of(s, wanted[w].number, true);
        if (k && (!k->store || k->store->set.hash != wanted[w].hash))
            start_anew(k, &wanted[w]);
        else
            settings_free(&wanted[w]);
    }
    free(wanted);
}

/* The same settings, read from the beginning. */
static void forget_all(suggest *s)
{
    for (uint32_t i = 0; i < atomic_load(&s->n_slots); i++) {
        slot *k = &s->slot[i];
        if (!k->store) continue;
        settings kept = k->store->set;
        k->store->set = (settings){0};
        start_anew(k, &kept);
    }
}

/* ---- reading ----------------------------------------------------------------------------------------------------------- */

static bool apply(void *ctx, const record *rec)
{
    suggest *s = ctx;
    uint32_t number = 0;
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT) number = rec->item_put->collection;
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_DELETE) number = rec->item_delete->collection;
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT) number = rec->event_put->collection;
    slot *k = number ? slot_of(s, number, false) : NULL;
    if (!k || !k->store || rec->sequence <= k->at) return true;
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT) store_put(k->store, rec->item_put->ordinal, rec->item_put->item);
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_DELETE) store_delete(k->store, rec->item_delete->ordinal);
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT) store_event(k->store, rec);
    return true;
}

static uint64_t least_at(const suggest *s, bool answers)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < atomic_load(&s->n_slots); i++) {
        const slot *k = &s->slot[i];
        uint64_t at = answers ? k->answers_at : k->at;
        if (k->store && at < least) least = at;
    }
    return least;
}

static void advance(suggest *s, bool answers, uint64_t last)
{
    for (uint32_t i = 0; i < atomic_load(&s->n_slots); i++) {
        uint64_t *at = answers ? &s->slot[i].answers_at : &s->slot[i].at;
        if (*at < last) *at = last;
    }
}

/* True: there may be more. */
static bool follow(suggest *s)
{
    uint64_t from = least_at(s, false), last;
    sinter_error e = SINTER_ERROR_INIT;
    if (from >= journal_last_sequence(s->catalogue)) return false;
    if (journal_tail(s->reader, from, TAIL_RECORDS, apply, s, &last, &e)) {
        log_warn("suggest.read", "completions cannot follow the journal: %s", e.what);
        return false;
    }
    advance(s, false, last);
    return last < journal_last_sequence(s->catalogue);
}

/* Only what completions need is taken out of an answer's bytes: unpacking all that was shown would take ten times as long. */
static void apply_answer(suggest *s, str bytes, uint64_t sequence)
{
    packed_answer a;
    if (!packed_answer_read(bytes, &a) || !a.query.n || !a.total || a.later_page || a.words_dropped) return;
    slot *k = slot_of(s, a.collection, false);
    if (!k || !k->store || sequence <= k->answers_at) return;
    store_asked(k->store, &(asking){.query = a.query, .corrected = a.corrected, .user_id = a.user_id, .session_id = a.session_id, .time_ms = a.time_ms, .weight = 1});
}

static bool follow_answers(suggest *s)
{
    uint64_t from = s->answers ? least_at(s, true) : UINT64_MAX, last = s->answers ? journal_last_sequence(s->answers) : 0;
    if (from >= last) return false;
    uint64_t upto = last - from > ANSWERS ? from + ANSWERS : last;
    for (uint64_t k = from + 1; k <= upto; k++) {
        str bytes;
        sinter_error e = SINTER_ERROR_INIT;
        if (journal_get_bytes(s->answers_reader, k, &bytes, &e) == SINTER_OK) apply_answer(s, bytes, k); /* others: trimmed, or none */
    }
    advance(s, true, upto);
    return upto < last;
}

/* ---- sets -------------------------------------------------------------------------------------------------------------- */

static void build_due(suggest *s)
{
    for (uint32_t i = 0; i < atomic_load(&s->n_slots); i++) {
        slot *k = &s->slot[i];
        uint64_t now = clock_mono_ns();
        if (!k->store || !k->store->dirty || now < k->next_ns) continue;
        k->store->dirty = false;
        publish(s, k, set_build(k->store));
        uint64_t took = clock_mono_ns() - now;
        k->next_ns = now + took + (took * SHARE > LEAST_NS ? took * SHARE : LEAST_NS);
    }
}

/* False: the end. */
static bool rest(suggest *s, bool busy)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t until = (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec + LOOK_NS;
    t = (struct timespec){.tv_sec = (time_t)(until / (1000 * MS)), .tv_nsec = (long)(until % (1000 * MS))};
    pthread_mutex_lock(&s->lock);
    int code = 0;
    while (!busy && !s->stopping && !s->wanted && !s->forget && !code) code = pthread_cond_timedwait(&s->wake, &s->lock, &t);
    settings *wanted = s->wanted;
    uint32_t n = s->n_wanted;
    bool on = !s->stopping, forget = s->forget;
    s->wanted = NULL;
    s->forget = false;
    pthread_mutex_unlock(&s->lock);
    if (forget) forget_all(s);
    if (wanted) take_wanted(s, wanted, n);
    return on;
}

/* While there is more to read no set is made: at start the first would hold the journal's beginning alone. */
static void run(void *arg)
{
    suggest *s = arg;
    bool busy = false;
    while (rest(s, busy)) {
        busy = follow(s);
        busy |= follow_answers(s);
        if (!busy) build_due(s);
    }
}

/* ---- life -------------------------------------------------------------------------------------------------------------- */

sinter_status suggest_open(journal *catalogue, journal *impressions, epoch_domain *epochs, suggest **out, sinter_error *e)
{
    suggest *s = xcalloc(1, sizeof *s);
    pthread_condattr_t monotonic;
    s->catalogue = catalogue;
    s->answers = impressions;
    s->epochs = epochs;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sinter_status st = journal_reader_open(catalogue, &s->reader, e);
    if (!st && impressions) st = journal_reader_open(impressions, &s->answers_reader, e);
    if (!st) st = thread_start(&s->thread, "suggest", run, s, e);
    s->started = !st;
    if (st)
        suggest_close(s);
    else
        *out = s;
    return st;
}

void suggest_close(suggest *s)
{
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (s->started) pthread_join(s->thread, NULL);
    for (uint32_t i = 0; i < s->n_slots; i++) {
        store_free(s->slot[i].store);
        set_free(atomic_load(&s->slot[i].set));
    }
    for (uint32_t i = 0; s->wanted && i < s->n_wanted; i++) settings_free(&s->wanted[i]);
    free(s->wanted);
    if (s->reader) journal_reader_close(s->reader);
    if (s->answers_reader) journal_reader_close(s->answers_reader);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    free(s);
}

void suggest_configure(suggest *s, const suggest_source *source, uint32_t n)
{
    settings *wanted = xcalloc(n + 1, sizeof *wanted);
    uint32_t m = 0;
    for (uint32_t i = 0; i < n; i++) m += settings_of(&source[i], &wanted[m]);
    pthread_mutex_lock(&s->lock);
    for (uint32_t i = 0; s->wanted && i < s->n_wanted; i++) settings_free(&s->wanted[i]);
    free(s->wanted);
    s->wanted = wanted;
    s->n_wanted = m;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

void suggest_forget(suggest *s)
{
    pthread_mutex_lock(&s->lock);
    s->forget = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

const suggest_set *suggest_current(const suggest *s, uint32_t number)
{
    uint32_t n = atomic_load(&s->n_slots);
    for (uint32_t i = 0; i < n; i++)
        if (atomic_load(&s->slot[i].number) == number) return atomic_load(&s->slot[i].set);
    return NULL;
}
