/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What was asked: how often, by how many, and by whom last. Bounded: of too many the less used half goes. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

#include "profile/profile.h"

/* ---- two tables of one kind: rows by hash, in open addressing ------------------------------------------------------------ */

static query_row **query_slot(const store *s, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (s->slots_queries - 1);
    while (s->query[at] && s->query[at]->hash != hash) at = (at + 1) & (s->slots_queries - 1);
    return &s->query[at];
}

static person_row **person_slot(const store *s, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (s->slots_people - 1);
    while (s->person[at] && s->person[at]->hash != hash) at = (at + 1) & (s->slots_people - 1);
    return &s->person[at];
}

static void rehash_queries(store *s, uint32_t slots)
{
    query_row **old = s->query;
    uint32_t n = s->slots_queries;
    s->query = xcalloc(slots, sizeof(query_row *));
    s->slots_queries = slots;
    for (uint32_t i = 0; i < n; i++)
        if (old[i]) *query_slot(s, old[i]->hash) = old[i];
    free(old);
}

static void rehash_people(store *s, uint32_t slots)
{
    person_row **old = s->person;
    uint32_t n = s->slots_people;
    s->person = xcalloc(slots, sizeof(person_row *));
    s->slots_people = slots;
    for (uint32_t i = 0; i < n; i++)
        if (old[i]) *person_slot(s, old[i]->hash) = old[i];
    free(old);
}

/* ---- making room --------------------------------------------------------------------------------------------------------- */

static int by_number(const void *x, const void *y)
{
    double p = *(const double *)x, q = *(const double *)y;
    return p < q ? -1 : p > q;
}

static double middle(double *value, uint32_t n)
{
    qsort(value, n, sizeof *value, by_number);
    return value[n / 2];
}

static void free_query(query_row *r)
{
    phrase_free(&r->text);
    free(r);
}

static void forget_queries(store *s)
{
    double *value = xmalloc(s->n_queries * sizeof *value);
    uint32_t n = 0, went = 0;
    for (uint32_t i = 0; i < s->slots_queries; i++)
        if (s->query[i]) value[n++] = use_at(&s->query[i]->use, s->newest_ms, s->set.half_life_ms);
    double least = middle(value, n);
    for (uint32_t i = 0; i < s->slots_queries; i++) {
        query_row *r = s->query[i];
        if (!r || went >= n / 2 || use_at(&r->use, s->newest_ms, s->set.half_life_ms) > least) continue;
        free_query(r);
        s->query[i] = NULL;
        went++;
    }
    s->n_queries -= went;
    free(value);
    rehash_queries(s, s->slots_queries);
}

static void forget_people(store *s)
{
    double *value = xmalloc(s->n_people * sizeof *value);
    uint32_t n = 0, went = 0;
    for (uint32_t i = 0; i < s->slots_people; i++)
        if (s->person[i]) value[n++] = (double)s->person[i]->recent[0].time_ms;
    double least = middle(value, n);
    for (uint32_t i = 0; i < s->slots_people; i++) {
        if (!s->person[i] || went >= n / 2 || (double)s->person[i]->recent[0].time_ms > least) continue;
        free(s->person[i]);
        s->person[i] = NULL;
        went++;
    }
    s->n_people -= went;
    free(value);
    rehash_people(s, s->slots_people);
}

/* ---- asking -------------------------------------------------------------------------------------------------------------- */

static query_row *query_of(store *s, str text)
{
    uint64_t hash = hash64(text.s, text.n) | 1;
    if (s->n_queries >= MOST_QUERIES) forget_queries(s);
    if (2 * s->n_queries >= s->slots_queries) rehash_queries(s, s->slots_queries ? 2 * s->slots_queries : 256);
    query_row **slot = query_slot(s, hash);
    if (*slot) return *slot;
    char copy[MOST_QUERY + 1]; /* phrase_set resets the arena that the text may lie in */
    memcpy(copy, text.s, text.n);
    query_row *r = *slot = xcalloc(1, sizeof *r);
    r->hash = hash;
    phrase_set(s, &r->text, (str){copy, text.n}, true);
    s->n_queries++;
    return r;
}

static void add_user(query_row *r, uint64_t user)
{
    for (uint32_t i = 0; i < r->n_users; i++)
        if (r->user[i] == user) return;
    if (r->n_users < MOST_USERS) r->user[r->n_users++] = user;
}

/* In order of time, whatever the order told in: lanes log what they answered at one time in no order. */
static void add_recent(store *s, uint64_t person, uint64_t query, int64_t time_ms)
{
    if (s->n_people >= MOST_PEOPLE) forget_people(s);
    if (2 * s->n_people >= s->slots_people) rehash_people(s, s->slots_people ? 2 * s->slots_people : 256);
    person_row **slot = person_slot(s, person);
    if (!*slot) {
        *slot = xcalloc(1, sizeof **slot);
        (*slot)->hash = person;
        s->n_people++;
    }
    person_row *p = *slot;
    uint32_t at = 0, to = 0;
    while (at < p->n && p->recent[at].query != query) at++;
    bool known = at < p->n, full = at == RECENT;
    if (full) at = RECENT - 1; /* the oldest goes */
    if ((known || full) && time_ms < p->recent[at].time_ms) return;
    if (!known && !full) p->n++;
    while (to < at && p->recent[to].time_ms > time_ms) to++;
    memmove(&p->recent[to + 1], &p->recent[to], (at - to) * sizeof *p->recent);
    p->recent[to] = (recent_ask){query, time_ms};
}

/* The query as it would be offered; empty: it would not. */
static str offered(store *s, str query)
{
    if (query.n > 4 * MOST_QUERY || memchr(query.s, '"', query.n) || memchr(query.s, ':', query.n)) return (str){"", 0};
    str text = profile_query_text(query, s->scratch);
    return text.n > MOST_QUERY || (text.n && (text.s[0] == '-' || memmem(text.s, text.n, " -", 2))) ? (str){"", 0} : text;
}

void store_asked(store *s, const asking *q)
{
    if (!s->set.queries) return;
    arena_reset(s->scratch);
    str key = profile_person_key(q->user_id, q->session_id, s->scratch), text = offered(s, q->query);
    uint64_t person = key.n ? hash64(key.s, key.n) | 1 : 0;
    if (!text.n) return;
    if (q->time_ms > s->newest_ms) s->newest_ms = q->time_ms;
    query_row *r = query_of(s, text);
    if (q->corrected.n) {
        r->corrected = true;
        arena_reset(s->scratch);
        text = offered(s, q->corrected);
        if (!text.n) return;
        r = query_of(s, text);
    }
    use_add(&r->use, q->weight, q->time_ms, s->set.half_life_ms);
    if (person) add_user(r, person);
    if (person && s->set.recent) add_recent(s, person, r->hash, q->time_ms);
    s->dirty = true;
}

const query_row *store_query(const store *s, uint64_t hash)
{
    return s->slots_queries ? *query_slot(s, hash) : NULL;
}

void queries_free(store *s)
{
    for (uint32_t i = 0; i < s->slots_queries; i++)
        if (s->query[i]) free_query(s->query[i]);
    for (uint32_t i = 0; i < s->slots_people; i++) free(s->person[i]);
    free(s->query);
    free(s->person);
}
