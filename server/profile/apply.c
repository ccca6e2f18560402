/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Journal records become histories and counters, in the order of their sequence. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

typedef Sinter__Storage__V1__Record record;

static const int64_t LEAST_MS = -62135596800000, MOST_MS = 253402300799999; /* the years 1 to 9999 */

/* ---- numbers of texts ------------------------------------------------------------------------------------------------- */

static uint32_t number_of(profile_collection *p, dictionary *d, uint32_t *next, str text)
{
    uint32_t number = dictionary_find(d, text);
    if (number != DICTIONARY_NONE) return number;
    number = (*next)++;
    dictionary_put(d, number, text, p->texts);
    return number;
}

uint32_t value_of_hash(profile_collection *p, uint32_t by, uint64_t hash)
{
    return number_of(p, &p->value_hashes[by], &p->n_values[by], (str){(const char *)&hash, sizeof hash});
}

static uint32_t value_of_text(profile_collection *p, uint32_t by, str text)
{
    uint32_t number = dictionary_find(&p->values[by], text);
    if (number != DICTIONARY_NONE) return number;
    number = value_of_hash(p, by, hash64(text.s, text.n));
    dictionary_put(&p->values[by], number, text, p->texts);
    return number;
}

static uint32_t value_number(profile_collection *p, uint32_t by, const Sinter__V1__Item *item)
{
    const char *name = p->schema->counter_by[by];
    for (size_t i = 0; i < item->n_fields; i++) {
        const Sinter__V1__Value *v = item->fields[i]->value;
        if (strcmp(item->fields[i]->key, name) != 0) continue;
        if (!v || v->kind_case != SINTER__V1__VALUE__KIND_STRING_VALUE) return 0;
        return value_of_text(p, by, str_of(v->string_value));
    }
    return 0;
}

static uint32_t type_number(const profile_collection *p, const char *name)
{
    uint32_t n = atomic_load_explicit(&p->n_types, memory_order_acquire);
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(p->type[i], name) == 0) return i + 1;
    return 0;
}

/* ---- counting ---------------------------------------------------------------------------------------------------------- */

static void count_values(profile_collection *p, account *a, uint32_t item, const count *c)
{
    const item_row *row = rows_at(&p->item, item);
    for (uint32_t by = 0; row && by < p->n_by; by++)
        if (row[1 + by]) tally_add(p, rows_writable(p, &a->value[by], row[1 + by]), c);
}

void wait_for_item(profile_collection *p, uint32_t item, uint32_t type, bool through, const count *c)
{
    if (!p->n_by) return;
    if (item >= p->cap_waiting) {
        uint32_t cap = p->cap_waiting ? p->cap_waiting : 256;
        while (cap <= item) cap *= 2;
        p->waiting = xrealloc(p->waiting, cap * sizeof *p->waiting);
        memset(p->waiting + p->cap_waiting, 0, (cap - p->cap_waiting) * sizeof *p->waiting);
        p->cap_waiting = cap;
    }
    waiting *w = p->waiting[item];
    if (!w || w->n == w->cap) {
        uint32_t n = w ? w->n : 0, cap = n ? 2 * n : 2;
        p->waiting[item] = w = xrealloc(w, sizeof *w + cap * sizeof w->event[0]);
        w->n = n;
        w->cap = cap;
        p->bytes += (cap - n) * sizeof w->event[0];
    }
    w->event[w->n].time_ms = c->time_ms;
    w->event[w->n].recent_ms = c->recent_ms;
    w->event[w->n].through = through;
    w->event[w->n++].type = type;
}

static count count_of_event(int64_t time_ms, int64_t recent_ms)
{
    return (count){.time_ms = time_ms, .recent_ms = recent_ms, .weight = 1, .amount = 1};
}

static void end_wait(profile_collection *p, uint32_t item)
{
    waiting *w = item < p->cap_waiting ? p->waiting[item] : NULL;
    if (!w) return;
    for (uint32_t i = 0; i < w->n; i++) {
        count c = count_of_event(w->event[i].time_ms, w->event[i].recent_ms);
        count_values(p, &p->account[w->event[i].type - 1], item, &c);
        if (w->event[i].through) count_values(p, &p->account[THROUGH + w->event[i].type - 1], item, &c);
    }
    p->bytes -= w->cap * sizeof w->event[0];
    free(w);
    p->waiting[item] = NULL;
}

/* ---- items ------------------------------------------------------------------------------------------------------------------ */

static bool is_live(const profile_collection *p, uint32_t item)
{
    const item_row *row = rows_at(&p->item, item);
    return row && row[0];
}

/* An upsert that changes nothing here copies no chunk. */
static bool set_item(profile_collection *p, uint32_t item, const item_row *row)
{
    size_t width = p->item.width;
    const void *have = rows_at(&p->item, item);
    if (have && memcmp(have, row, width) == 0) return false;
    memcpy(rows_writable(p, &p->item, item), row, width);
    return true;
}

static bool apply_put(profile_collection *p, const Sinter__Storage__V1__ItemPut *put)
{
    if (!put->item || !put->item->id[0] || put->ordinal == UINT32_MAX) return false;
    uint32_t item = number_of(p, &p->items, &p->n_items, str_of(put->item->id));
    item_row row[1 + MAX_BY] = {put->ordinal + 1};
    for (uint32_t by = 0; by < p->n_by; by++) row[1 + by] = value_number(p, by, put->item);
    if (!set_item(p, item, row)) return false;
    const uint32_t *known = rows_at(&p->item_of, put->ordinal);
    if (!known || *known != item + 1) *(uint32_t *)rows_writable(p, &p->item_of, put->ordinal) = item + 1;
    end_wait(p, item);
    return true;
}

static bool apply_delete(profile_collection *p, const Sinter__Storage__V1__ItemDelete *drop)
{
    const uint32_t *known = rows_at(&p->item_of, drop->ordinal);
    if (!known || !*known) return false;
    uint32_t item = *known - 1;
    const item_row *have = rows_at(&p->item, item), none[1 + MAX_BY] = {0};
    return have && have[0] == drop->ordinal + 1 && set_item(p, item, none);
}

/* ---- events ------------------------------------------------------------------------------------------------------------------ */

int64_t profile_event_time(const record *rec)
{
    const Sinter__V1__Event *event = rec->event_put->event;
    int64_t ms = event->time ? timestamp_ms(event->time) : rec->time_ms;
    return ms < LEAST_MS ? LEAST_MS : ms > MOST_MS ? MOST_MS : ms;
}

static void count_item(profile_collection *p, account *a, uint32_t item, const count *c)
{
    tally_add(p, rows_writable(p, &a->item, item), c);
    tally_add(p, &a->all, c);
    if (is_live(p, item)) count_values(p, a, item, c);
}

/* `through`: it names the answer that showed the item. */
static void count_event(profile_collection *p, uint32_t item, uint32_t type, bool through, const count *c)
{
    count_item(p, &p->account[type - 1], item, c);
    if (through) count_item(p, &p->account[THROUGH + type - 1], item, c);
    if (!is_live(p, item)) wait_for_item(p, item, type, through, c);
}

/* An event from a clock that is ahead is as recent as its record. */
static count count_of(const record *rec)
{
    int64_t ms = profile_event_time(rec);
    return count_of_event(ms, rec->time_ms > 0 && rec->time_ms < ms ? rec->time_ms : ms);
}

/* Who did it; UINT32_MAX: not named. `user` is also whom the session is joined to. */
typedef struct doer {
    uint32_t user, session;
} doer;

static uint32_t person_number(profile_collection *p, const char *key, size_t n)
{
    return n ? number_of(p, &p->people, &p->n_people, (str){key, n}) : UINT32_MAX;
}

static doer doer_of(profile_collection *p, str user_id, str session_id)
{
    char key[MAX_ID + 2];
    doer d;
    d.user = person_number(p, key, user_key(user_id, key));
    d.session = person_number(p, key, session_key(session_id, key));
    if (d.session == UINT32_MAX) return d;
    if (d.user != UINT32_MAX) person_join(p, d.user, d.session);
    uint32_t joined = person_joined(p, d.session);
    if (joined) d.user = joined - 1;
    return d;
}

static void remember(profile_collection *p, doer d, history_entry *e)
{
    if (d.user != UINT32_MAX) person_add(p, d.user, e);
    if (d.session != UINT32_MAX) person_add(p, d.session, e);
}

/* What the event says, or else the answer that it names. */
static str said(const char *by_event, const char *by_answer)
{
    return str_of(*by_event ? by_event : by_answer);
}

static bool apply_event(profile_collection *p, const record *rec)
{
    const Sinter__V1__Event *event = rec->event_put->event;
    uint32_t type = event ? type_number(p, event->type) : 0;
    if (!type) return false;
    arena_reset(p->scratch);
    const Sinter__Storage__V1__EventJoined *joined = rec->event_put->joined;
    doer who = doer_of(p, said(event->user_id, joined ? joined->user_id : ""), said(event->session_id, joined ? joined->session_id : ""));
    str asked_for = said(event->query, joined ? joined->query : "");
    str text = asked_for.n ? profile_query_text(asked_for, p->scratch) : (str){"", 0};
    bool asked = text.n > 0 && text.n <= MAX_QUERY_TEXT;
    uint32_t query = asked ? number_of(p, &p->queries, &p->n_queries, text) : UINT32_MAX;
    count c = count_of(rec);
    bool through = p->schema->rates && event->request_id[0];
    history_entry e = {.time_ms = c.time_ms, .value = (float)event->value, .type = type};
    for (size_t i = 0; i < event->n_item_ids; i++) {
        str id = str_of(event->item_ids[i]);
        if (!id.n || id.n > MAX_ID) continue;
        e.item = number_of(p, &p->items, &p->n_items, id);
        e.order = (uint32_t)p->n_events++;
        remember(p, who, &e);
        count_event(p, e.item, type, through, &c);
        if (asked) query_add(p, query, e.item, type, &c);
    }
    if (asked && who.user != UINT32_MAX) person_asked(p, who.user, hash_id(text.s, text.n), c.time_ms);
    if (asked && who.session != UINT32_MAX) person_asked(p, who.session, hash_id(text.s, text.n), c.time_ms);
    return true;
}

static bool apply_user(profile_collection *p, const Sinter__Storage__V1__UserPut *put)
{
    char key[MAX_ID + 2] = "";
    size_t n = user_key(str_of(put->user_id), key);
    arena_reset(p->scratch);
    if (n) person_put(p, person_number(p, key, n), put);
    return n > 0;
}

/* ---- records ------------------------------------------------------------------------------------------------------------------- */

bool profile_apply(profile_collection *p, const record *rec)
{
    if (rec->sequence <= p->applied) return p->moved;
    bool moved = false, items = p->schema->n_events > 0;
    switch (rec->body_case) {
    case SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT:
        moved = rec->event_put->collection == p->number && apply_event(p, rec);
        break;
    case SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT:
        moved = items && rec->item_put->collection == p->number && apply_put(p, rec->item_put);
        break;
    case SINTER__STORAGE__V1__RECORD__BODY_ITEM_DELETE:
        moved = items && rec->item_delete->collection == p->number && apply_delete(p, rec->item_delete);
        break;
    case SINTER__STORAGE__V1__RECORD__BODY_USER_PUT: moved = apply_user(p, rec->user_put); break;
    default: break;
    }
    p->applied = rec->sequence;
    return p->moved |= moved;
}
