/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Journal records become histories and counters, in the order of their sequence. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

typedef Sinter__Storage__V1__Record record;

static const int64_t LEAST_MS = -62135596800000, MOST_MS = 253402300799999; /* the years 1 to 9999 */

/* ---- numbers of texts ------------------------------------------------------------------------------------------------- */

static uint32_t number_of(profile_collection *p, dictionary *d, uint32_t *count, str text)
{
    uint32_t number = dictionary_find(d, text);
    if (number != DICTIONARY_NONE) return number;
    number = (*count)++;
    dictionary_put(d, number, text, p->texts);
    return number;
}

static uint32_t value_number(profile_collection *p, uint32_t by, const Sinter__V1__Item *item)
{
    const char *name = p->schema->counter_by[by];
    for (size_t i = 0; i < item->n_fields; i++) {
        const Sinter__V1__Value *v = item->fields[i]->value;
        if (strcmp(item->fields[i]->key, name) != 0) continue;
        if (!v || v->kind_case != SINTER__V1__VALUE__KIND_STRING_VALUE) return 0;
        uint32_t next = atomic_load_explicit(&p->values[by].count, memory_order_relaxed);
        if (!next) next = 1;
        return number_of(p, &p->values[by], &next, str_of(v->string_value));
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

/* ---- counters by value ---------------------------------------------------------------------------------------------------- */

static void count_values(profile_collection *p, uint32_t item, uint32_t type, int64_t time_ms)
{
    const item_row *row = rows_at(&p->item, item);
    for (uint32_t by = 0; row && by < p->n_by; by++)
        if (row[1 + by]) counters_add(p, &p->value_count[type - 1][by], row[1 + by], time_ms);
}

static void wait_for_item(profile_collection *p, uint32_t item, uint32_t type, int64_t time_ms)
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
    w->event[w->n].time_ms = time_ms;
    w->event[w->n++].type = type;
}

static void end_wait(profile_collection *p, uint32_t item)
{
    waiting *w = item < p->cap_waiting ? p->waiting[item] : NULL;
    if (!w) return;
    for (uint32_t i = 0; i < w->n; i++) count_values(p, item, w->event[i].type, w->event[i].time_ms);
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

static void count(profile_collection *p, uint32_t item, uint32_t type, int64_t time_ms)
{
    counters_add(p, &p->count[type - 1], item, time_ms);
    if (is_live(p, item))
        count_values(p, item, type, time_ms);
    else
        wait_for_item(p, item, type, time_ms);
}

static bool apply_event(profile_collection *p, const record *rec)
{
    const Sinter__V1__Event *event = rec->event_put->event;
    uint32_t type = event ? type_number(p, event->type) : 0;
    if (!type) return false;
    arena_reset(p->scratch);
    char key[MAX_ID + 2];
    size_t key_n = person_key(str_of(event->user_id), str_of(event->session_id), key);
    uint32_t person = key_n ? number_of(p, &p->people, &p->n_people, (str){key, key_n}) : UINT32_MAX;
    str text = event->query[0] ? profile_query_text(str_of(event->query), p->scratch) : (str){"", 0};
    bool asked = text.n > 0 && text.n <= MAX_QUERY_TEXT;
    uint32_t query = asked ? number_of(p, &p->queries, &p->n_queries, text) : UINT32_MAX;
    history_entry e = {.time_ms = profile_event_time(rec), .value = event->value, .type = type};
    for (size_t i = 0; i < event->n_item_ids; i++) {
        str id = str_of(event->item_ids[i]);
        if (!id.n || id.n > MAX_ID) continue;
        e.item = number_of(p, &p->items, &p->n_items, id);
        if (person != UINT32_MAX) person_add(p, person, &e);
        count(p, e.item, type, e.time_ms);
        if (asked) query_add(p, query, e.item, type, e.time_ms);
        p->n_events++;
    }
    return true;
}

/* ---- records ------------------------------------------------------------------------------------------------------------------- */

bool profile_apply(profile_collection *p, const record *rec)
{
    if (rec->sequence <= p->applied) return p->moved;
    bool moved = false;
    switch (rec->body_case) {
    case SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT:
        moved = rec->event_put->collection == p->number && apply_event(p, rec);
        break;
    case SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT:
        moved = rec->item_put->collection == p->number && apply_put(p, rec->item_put);
        break;
    case SINTER__STORAGE__V1__RECORD__BODY_ITEM_DELETE:
        moved = rec->item_delete->collection == p->number && apply_delete(p, rec->item_delete);
        break;
    default: break;
    }
    p->applied = rec->sequence;
    return p->moved |= moved;
}
