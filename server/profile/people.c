/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Histories: each person's latest events, oldest first, in a block of their own. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

/* No id has a control character, so that a session can be taken for no user. */
size_t person_key(str user_id, str session_id, char out[MAX_ID + 2])
{
    str id = user_id.n ? user_id : session_id;
    size_t head = user_id.n ? 0 : 1;
    if (!id.n || id.n > MAX_ID) return 0;
    out[0] = '\x01';
    memcpy(out + head, id.s, id.n);
    return head + id.n;
}

str profile_person_key(str user_id, str session_id, arena *a)
{
    char key[MAX_ID + 2];
    size_t n = person_key(user_id, session_id, key);
    return (str){arena_strndup(a, key, n), n};
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

/* A block that may be written to, with room for one more where the history is not full. */
static profile_person *person_writable(profile_collection *p, profile_person **slot)
{
    const profile_person *old = *slot;
    uint32_t cap = old ? old->b.cap : 0;
    if (!old || old->b.n == cap) cap = cap ? 2 * cap : 2;
    if (cap > p->history) cap = p->history;
    return block_writable(p, slot, sizeof *old, sizeof *old->entry, cap);
}

void person_add(profile_collection *p, uint32_t person, const history_entry *e)
{
    if (!p->history) return;
    profile_person *const *have = rows_at(&p->person, person);
    if (have && *have && (*have)->b.n == p->history && (*have)->entry[0].time_ms > e->time_ms) return;
    profile_person *h = person_writable(p, rows_writable(p, &p->person, person));
    uint32_t at = h->b.n;
    while (at > 0 && h->entry[at - 1].time_ms > e->time_ms) at--;
    if (h->b.n == p->history) { /* full: the oldest leaves */
        at--;
        memmove(h->entry, h->entry + 1, at * sizeof *h->entry);
    } else {
        memmove(h->entry + at + 1, h->entry + at, (h->b.n - at) * sizeof *h->entry);
        h->b.n++;
    }
    h->entry[at] = *e;
}

/* ---- reading ----------------------------------------------------------------------------------------------------------- */

const profile_person *profile_find_person(const profile_set *s, str user_id, str session_id)
{
    char key[MAX_ID + 2];
    size_t n = person_key(user_id, session_id, key);
    uint32_t number = n ? dictionary_find(&s->owner->people, (str){key, n}) : DICTIONARY_NONE;
    if (number == DICTIONARY_NONE) return NULL;
    profile_person *const *row = table_row(s->tables->person, sizeof *row, number);
    return row ? *row : NULL;
}

/* Ordinal + 1 of an item number; 0: not in the catalogue. */
static uint32_t ordinal_of(const profile_set *s, uint32_t number)
{
    const item_row *row = item_values(s, number);
    return row ? row[0] : 0;
}

uint32_t profile_history(const profile_set *s, const profile_person *p, uint32_t limit, profile_event *out)
{
    uint32_t n = 0;
    for (uint32_t i = p ? p->b.n : 0; i-- > 0 && n < limit;) {
        const history_entry *e = &p->entry[i];
        uint32_t ordinal = ordinal_of(s, e->item);
        if (ordinal) out[n++] = (profile_event){e->time_ms, e->value, ordinal - 1, e->type};
    }
    return n;
}

uint32_t profile_history_count(const profile_set *s, const profile_person *p, uint32_t type)
{
    uint32_t n = 0;
    for (uint32_t i = 0; p && i < p->b.n; i++)
        n += (!type || p->entry[i].type == type) && ordinal_of(s, p->entry[i].item);
    return n;
}
