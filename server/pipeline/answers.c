/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The latest answers by request id: what an event says of itself only by naming the answer that it came from.
 *
 * Filled before an answer leaves, so that the quickest click finds it, and after a start from the newest of the log. A shard is a
 * ring: the oldest leaves. Its lock is held for a look-up. A search never waits for it: where it is taken just then, the answer is kept
 * behind it, where its impression is queued. */
#include "search.h"

#include <stdlib.h>
#include <string.h>

enum { SHARDS = 16, RING = 4096, CHAINS = 8192, NOBODY = -1, MOST_QUERY = 1024 };

typedef struct shown_at {
    uint32_t item, position; /* ordinal; 1-based */
} shown_at;

typedef struct answer {
    uint64_t hash;
    uint32_t collection, n_shown;
    const char *request_id, *user_id, *session_id, *query;
    const struct shown_at *shown;
} answer;

typedef struct shard {
    pthread_mutex_t lock;
    int32_t chain[CHAINS]; /* newest in the ring of a chain */
    int32_t older[RING];
    answer *ring[RING];
    uint32_t next;
} shard;

struct answers {
    shard shard[SHARDS];
};

answers *answers_new(void)
{
    answers *t = xcalloc(1, sizeof *t);
    for (uint32_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&t->shard[i].lock, NULL);
        memset(t->shard[i].chain, 0xff, sizeof t->shard[i].chain);
    }
    return t;
}

void answers_free(answers *t)
{
    if (!t) return;
    for (uint32_t i = 0; i < SHARDS; i++) {
        for (uint32_t k = 0; k < RING; k++) free(t->shard[i].ring[k]);
        pthread_mutex_destroy(&t->shard[i].lock);
    }
    free(t);
}

/* ---- an answer as one block ---------------------------------------------------------------------------------------------- */

static const char *copy(char **at, str s)
{
    char *to = *at;
    if (s.n) memcpy(to, s.s, s.n);
    to[s.n] = '\0';
    *at += s.n + 1;
    return to;
}

/* What is known of an answer, before it is one block. */
typedef struct parts {
    uint32_t collection, n_shown;
    str request_id, user_id, session_id, query;
} parts;

/* With room for shown[n_shown], for the caller to fill. */
static answer *answer_of(const parts *p, shown_at **shown)
{
    str query = p->query.n > MOST_QUERY ? (str){"", 0} : p->query;
    size_t texts = p->request_id.n + p->user_id.n + p->session_id.n + query.n + 4;
    answer *x = xmalloc(sizeof *x + p->n_shown * sizeof(shown_at) + texts);
    *shown = (shown_at *)(x + 1);
    char *at = (char *)(*shown + p->n_shown);
    *x = (answer){.hash = hash64(p->request_id.s, p->request_id.n),
                  .collection = p->collection,
                  .n_shown = p->n_shown,
                  .shown = *shown};
    x->request_id = copy(&at, p->request_id);
    x->user_id = copy(&at, p->user_id);
    x->session_id = copy(&at, p->session_id);
    x->query = copy(&at, query);
    return x;
}

/* ---- the table ------------------------------------------------------------------------------------------------------------- */

static shard *shard_of(answers *t, uint64_t hash)
{
    return &t->shard[hash % SHARDS];
}

static int32_t *chain_of(shard *s, uint64_t hash)
{
    return &s->chain[hash / SHARDS % CHAINS];
}

static void take_out(shard *s, int32_t place)
{
    int32_t *at = chain_of(s, s->ring[place]->hash);
    while (*at != place) at = &s->older[*at];
    *at = s->older[place];
    free(s->ring[place]);
    s->ring[place] = NULL;
}

static const answer *find(shard *s, uint64_t hash, const char *request_id)
{
    for (int32_t at = *chain_of(s, hash); at != NOBODY; at = s->older[at])
        if (s->ring[at]->hash == hash && strcmp(s->ring[at]->request_id, request_id) == 0) return s->ring[at];
    return NULL;
}

/* Under the shard's lock. */
static void put(shard *s, answer *x)
{
    int32_t place = (int32_t)(s->next++ % RING), *chain = chain_of(s, x->hash);
    if (s->ring[place]) take_out(s, place);
    s->ring[place] = x;
    s->older[place] = *chain;
    *chain = place;
}

/* The page as it is about to be answered. */
static answer *answer_now(search *s)
{
    shown_at *shown;
    uint32_t skip = s->n_shown ? s->n_shown : s->offset;
    const sinter_user *u = &s->user;
    const parts p = {.collection = catalog_number(s->collection->catalog),
                     .n_shown = s->n_page,
                     .request_id = str_of(s->out->request_id),
                     .user_id = {u->user_id.data, u->user_id.size},
                     .session_id = {u->session_id.data, u->session_id.size},
                     .query = str_of(s->in->query)};
    answer *x = answer_of(&p, &shown);
    for (uint32_t i = 0; i < s->n_page; i++) shown[i] = (shown_at){s->page[i].item, search_position(s, i, skip)};
    return x;
}

void answers_keep(search *s, bool wait)
{
    answers *t = s->lane->engine->answers;
    if (!t || s->kept || s->in->no_impression || !s->collection) return;
    answer *x = answer_now(s);
    shard *h = shard_of(t, x->hash);
    s->kept = wait ? pthread_mutex_lock(&h->lock) == 0 : pthread_mutex_trylock(&h->lock) == 0;
    if (!s->kept) {
        free(x);
        return;
    }
    put(h, x);
    pthread_mutex_unlock(&h->lock);
}

void answers_forget(answers *t, bool (*is)(void *ctx, const char *user_id, const char *session_id), void *ctx)
{
    for (uint32_t i = 0; i < SHARDS; i++) {
        shard *s = &t->shard[i];
        pthread_mutex_lock(&s->lock);
        for (int32_t k = 0; k < RING; k++)
            if (s->ring[k] && is(ctx, s->ring[k]->user_id, s->ring[k]->session_id)) take_out(s, k);
        pthread_mutex_unlock(&s->lock);
    }
}

/* ---- events ------------------------------------------------------------------------------------------------------------------ */

static bool same(const char *a, const char *b)
{
    return *a && strcmp(a, b) == 0;
}

/* Whose the event is where it names only one of the two and the answer, given to the same, names the other. */
static bool join_person(const answer *x, const Sinter__V1__Event *ev, arena *a, Sinter__Storage__V1__EventJoined *out)
{
    if (!*ev->user_id && *x->user_id && same(ev->session_id, x->session_id)) out->user_id = arena_strdup(a, x->user_id);
    if (!*ev->session_id && *x->session_id && same(ev->user_id, x->user_id)) out->session_id = arena_strdup(a, x->session_id);
    return *out->user_id || *out->session_id;
}

static bool join_query(const answer *x, const Sinter__V1__Event *ev, arena *a, Sinter__Storage__V1__EventJoined *out)
{
    if (*ev->query || !*x->query) return false;
    out->query = arena_strdup(a, x->query);
    return true;
}

static bool join_position(const answer *x, const Sinter__V1__Event *ev, const catalog_collection *c, arena *a,
                          Sinter__Storage__V1__EventJoined *out)
{
    bool any = false;
    if (ev->position) return false;
    out->position = ARENA_ARRAY(a, uint32_t, ev->n_item_ids + 1);
    for (size_t i = 0; i < ev->n_item_ids; i++) {
        uint32_t item = catalog_item_ordinal(c, str_of(ev->item_ids[i])), at = 0;
        while (at < x->n_shown && x->shown[at].item != item) at++;
        out->position[i] = item != UINT32_MAX && at < x->n_shown ? x->shown[at].position : 0;
        any |= out->position[i] != 0;
    }
    out->n_position = any ? ev->n_item_ids : 0;
    return any;
}

/* An answer to another user is not the one that the event came from, whatever it says. */
static bool is_foreign(const answer *x, const Sinter__V1__Event *ev)
{
    return *ev->user_id && *x->user_id && strcmp(ev->user_id, x->user_id) != 0;
}

Sinter__Storage__V1__EventJoined *engine_join_event(engine *g, const catalog_collection *c, const Sinter__V1__Event *ev, arena *a)
{
    if (!*ev->request_id || !g->answers) return NULL;
    uint64_t hash = hash64(ev->request_id, strlen(ev->request_id));
    shard *s = shard_of(g->answers, hash);
    Sinter__Storage__V1__EventJoined *out = ARENA_NEW(a, Sinter__Storage__V1__EventJoined);
    sinter__storage__v1__event_joined__init(out);
    bool any = false;
    pthread_mutex_lock(&s->lock);
    const answer *x = find(s, hash, ev->request_id);
    if (x && x->collection == catalog_number(c) && !is_foreign(x, ev)) {
        any = join_person(x, ev, a, out);
        any |= join_query(x, ev, a, out);
        any |= join_position(x, ev, c, a, out);
    }
    pthread_mutex_unlock(&s->lock);
    return any ? out : NULL;
}

/* ---- after a start ------------------------------------------------------------------------------------------------------------- */

static bool remember(void *ctx, const Sinter__Storage__V1__Record *rec)
{
    engine *g = ctx;
    const Sinter__Storage__V1__Answered *a = rec->answered;
    shown_at *shown;
    if (rec->body_case != SINTER__STORAGE__V1__RECORD__BODY_ANSWERED) return true;
    Sinter__V1__SearchRequest *in = sinter__v1__search_request__unpack(NULL, a->request.len, a->request.data);
    const parts p = {.collection = a->collection,
                     .n_shown = (uint32_t)a->n_shown,
                     .request_id = str_of(a->request_id),
                     .user_id = str_of(a->user_id),
                     .session_id = str_of(a->session_id),
                     .query = str_of(in ? in->query : "")};
    answer *x = answer_of(&p, &shown);
    for (size_t i = 0; i < a->n_shown; i++) shown[i] = (shown_at){a->shown[i]->item, a->shown[i]->position};
    if (in) sinter__v1__search_request__free_unpacked(in, NULL);
    shard *s = shard_of(g->answers, x->hash);
    pthread_mutex_lock(&s->lock);
    if (find(s, x->hash, x->request_id))
        free(x);
    else
        put(s, x);
    pthread_mutex_unlock(&s->lock);
    return true;
}

void engine_recall_answers(engine *g)
{
    enum { LATEST = 16384 }; /* of the log: some 0.3 s */
    journal_reader *r;
    sinter_error e = SINTER_ERROR_INIT;
    if (!g->impressions || journal_reader_open(g->impressions, &r, &e)) return;
    uint64_t last = journal_last_sequence(g->impressions);
    if (journal_tail(r, last > LATEST ? last - LATEST : 0, LATEST, remember, g, NULL, &e))
        log_warn("answers.read", "events of answers before the start may lack what the answers say: %s", e.what);
    journal_reader_close(r);
}
