/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Histories: each person's latest events, oldest first, in a block of their own; and which session is whose.
 *
 * A person is a user or a session. An event that names both joins the session to the user: what the session did before anybody
 * was known in it becomes the user's too, and so does what it does later. When another user appears in a session it starts
 * anew: nothing that one user did is ever shown as another's. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

/* No id has a control character, so that a session can be taken for no user. */
static size_t key_of(const char *head, str id, char out[MAX_ID + 2])
{
    size_t n = strlen(head);
    if (!id.n || id.n > MAX_ID) return 0;
    memcpy(out, head, n);
    memcpy(out + n, id.s, id.n);
    return n + id.n;
}

size_t user_key(str user_id, char out[MAX_ID + 2])
{
    return key_of("", user_id, out);
}

size_t session_key(str session_id, char out[MAX_ID + 2])
{
    return key_of("\x01", session_id, out);
}

str profile_person_key(str user_id, str session_id, arena *a)
{
    char key[MAX_ID + 2];
    size_t n = user_id.n ? user_key(user_id, key) : session_key(session_id, key);
    return (str){arena_strndup(a, key, n), n};
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static const profile_person *person_at(const profile_collection *p, uint32_t number)
{
    profile_person *const *row = rows_at(&p->person, number);
    return row ? *row : NULL;
}

/* With room for `cap` events. */
static profile_person *person_writable(profile_collection *p, uint32_t number, uint32_t cap)
{
    return block_writable(p, rows_writable(p, &p->person, number), sizeof(profile_person), sizeof(history_entry), cap);
}

/* That of an event on its way, where the history is not full. */
static uint32_t room_for_one(const profile_collection *p, const profile_person *have)
{
    uint32_t cap = have ? have->b.cap : 0;
    if (!have || have->b.n == cap) cap = cap ? 2 * cap : 2;
    return cap < p->history ? cap : p->history;
}

static bool older(const history_entry *a, const history_entry *b)
{
    return a->time_ms != b->time_ms ? a->time_ms < b->time_ms : a->order < b->order;
}

static void add(profile_collection *p, uint32_t person, const history_entry *e)
{
    if (!p->history) return;
    const profile_person *have = person_at(p, person);
    if (have && have->b.n == p->history && older(e, &have->entry[0])) return;
    profile_person *h = person_writable(p, person, room_for_one(p, have));
    uint32_t at = h->b.n;
    while (at > 0 && older(e, &h->entry[at - 1])) at--;
    if (h->b.n == p->history) { /* full: the oldest leaves */
        at--;
        memmove(h->entry, h->entry + 1, at * sizeof *h->entry);
    } else {
        memmove(h->entry + at + 1, h->entry + at, (h->b.n - at) * sizeof *h->entry);
        h->b.n++;
    }
    h->entry[at] = *e;
}

/* The same, with room for what it has. */
static profile_person *touch(profile_collection *p, uint32_t person)
{
    const profile_person *have = person_at(p, person);
    return person_writable(p, person, have ? have->b.cap : room_for_one(p, NULL));
}

/* What a session did while nobody was known in it goes to the user. */
static void take_over(profile_collection *p, uint32_t user, uint32_t session)
{
    const profile_person *s = person_at(p, session);
    for (uint32_t i = 0; s && i < s->b.n; i++) add(p, user, &s->entry[i]);
}

void person_join(profile_collection *p, uint32_t user, uint32_t session)
{
    const profile_person *s = person_at(p, session);
    uint32_t joined = s ? s->user : 0;
    if (joined == user + 1) return;
    if (!joined) take_over(p, user, session);
    profile_person *h = touch(p, session);
    h->user = user + 1;
    if (!joined) return;
    h->b.n = 0;
    h->query = 0;
}

uint32_t person_joined(const profile_collection *p, uint32_t session)
{
    const profile_person *s = person_at(p, session);
    return s ? s->user : 0;
}

void person_add(profile_collection *p, uint32_t person, const history_entry *e)
{
    add(p, person, e);
}

void person_asked(profile_collection *p, uint32_t person, uint32_t query, int64_t time_ms)
{
    const profile_person *have = person_at(p, person);
    if (have && have->query && have->query_ms > time_ms) return;
    profile_person *h = touch(p, person);
    h->query = query;
    h->query_ms = time_ms;
}

void person_put(profile_collection *p, uint32_t person, const Sinter__Storage__V1__UserPut *put)
{
    profile_person *h = touch(p, person);
    attributes *before = (attributes *)(uintptr_t)h->attributes;
    h->attributes = attributes_after(p, before, put, p->scratch);
    if (before) p->bytes -= sizeof *before + before->n;
    profile_replace(p, before);
}

/* ---- reading ----------------------------------------------------------------------------------------------------------- */

static const profile_person *find(const profile_set *s, const char *key, size_t n, uint32_t *number)
{
    *number = n ? dictionary_find(&s->owner->people, (str){key, n}) : DICTIONARY_NONE;
    if (*number == DICTIONARY_NONE) return NULL;
    profile_person *const *row = table_row(s->tables->person, sizeof *row, *number);
    return row ? *row : NULL;
}

profile_who profile_find_person(const profile_set *s, str user_id, str session_id)
{
    char key[MAX_ID + 2] = "";
    uint32_t user, session;
    profile_who who = {0};
    who.user = find(s, key, user_key(user_id, key), &user);
    who.session = find(s, key, session_key(session_id, key), &session);
    /* Another user's. Where the set knows no such user, a session that is anybody's is not theirs. */
    if (user_id.n && who.session && who.session->user && (user == DICTIONARY_NONE || who.session->user != user + 1)) who.session = NULL;
    return who;
}

/* Ordinal + 1 of an item number; 0: not in the catalogue. */
static uint32_t ordinal_of(const profile_set *s, uint32_t number)
{
    const item_row *row = item_values(s, number);
    return row ? row[0] : 0;
}

/* Newest first, of two lists of which either may hold what the other does. */
typedef struct merge {
    const profile_set *s;
    const profile_person *a, *b;
    uint32_t i, j, left; /* entries not looked at yet; at most so many more */
} merge;

static merge merge_of(const profile_set *s, profile_who who)
{
    return (merge){.s = s,
                   .a = who.user,
                   .b = who.session,
                   .i = who.user ? who.user->b.n : 0,
                   .j = who.session ? who.session->b.n : 0,
                   .left = s->owner->history};
}

static const history_entry *merge_next(merge *m)
{
    const history_entry *a = m->i ? &m->a->entry[m->i - 1] : NULL, *b = m->j ? &m->b->entry[m->j - 1] : NULL;
    if ((!a && !b) || !m->left) return NULL;
    m->left--;
    bool same = a && b && a->order == b->order;
    bool take_a = a && (!b || same || older(b, a));
    if (take_a) m->i--;
    if (!take_a || same) m->j--;
    return take_a ? a : b;
}

/* The next one on an item that exists. */
static const history_entry *merge_live(merge *m, uint32_t *item)
{
    const history_entry *e;
    while ((e = merge_next(m))) {
        uint32_t ordinal = ordinal_of(m->s, e->item);
        if (!ordinal) continue;
        *item = ordinal - 1;
        return e;
    }
    return NULL;
}

uint32_t profile_history(const profile_set *s, profile_who who, uint32_t limit, profile_event *out)
{
    merge m = merge_of(s, who);
    const history_entry *e;
    uint32_t n = 0, item;
    while (n < limit && (e = merge_live(&m, &item))) out[n++] = (profile_event){e->time_ms, e->value, item, e->type};
    return n;
}

uint32_t profile_history_count(const profile_set *s, profile_who who, uint32_t type)
{
    merge m = merge_of(s, who);
    const history_entry *e;
    uint32_t n = 0, item;
    while ((e = merge_live(&m, &item))) n += !type || e->type == type;
    return n;
}

/* ---- sessions ------------------------------------------------------------------------------------------------------------- */

profile_session profile_session_of(const profile_set *s, profile_who who, int64_t now_ms)
{
    const profile_person *h = who.session ? who.session : who.user;
    int64_t timeout_ms = (int64_t)(s->owner->schema->session_timeout_ns / 1000000);
    profile_session out = {.of = h, .start_ms = now_ms, .last_ms = now_ms};
    int64_t later = now_ms;
    for (uint32_t i = h ? h->b.n : 0; i-- > 0 && later - h->entry[i].time_ms <= timeout_ms;) {
        if (!out.n++) out.last_ms = h->entry[i].time_ms;
        later = out.start_ms = h->entry[i].time_ms;
    }
    if (h && h->query && out.n && h->query_ms >= out.start_ms) out.query = h->query;
    return out;
}

uint32_t profile_session_events(const profile_set *s, const profile_session *x, uint32_t limit, profile_event *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < x->n && n < limit; i++) {
        const history_entry *e = &x->of->entry[x->of->b.n - 1 - i];
        uint32_t ordinal = ordinal_of(s, e->item);
        if (ordinal) out[n++] = (profile_event){e->time_ms, e->value, ordinal - 1, e->type};
    }
    return n;
}
