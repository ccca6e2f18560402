/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The events of the range: who did what to which item, and which answers they came from. */
#include "dataset_inside.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef Sinter__Storage__V1__Record record;

enum { PROGRESS_EVERY = 4096 };

static uint32_t user_row(dataset_making *m, const Sinter__V1__Event *ev)
{
    str person = profile_person_key(str_of(ev->user_id), str_of(ev->session_id), m->a);
    return (uint32_t)keymap_get(&m->user, key_of(person.s, person.n), m->user.n);
}

/* Ordinal of a living item; UINT32_MAX, counted, where there is none. */
static uint32_t find_item(dataset_making *m, const char *id)
{
    uint32_t item = catalog_item_ordinal(replay_catalog(m->replay), str_of(id));
    if (item != UINT32_MAX && catalog_is_live(replay_set(m->replay), item)) return item;
    left_out(m, item == UINT32_MAX ? DATASET_NEVER_ITEM : DATASET_DELETED_ITEM);
    return UINT32_MAX;
}

static sinter_status add_interaction(dataset_making *m, const Sinter__V1__Event *ev, uint32_t item, interaction x)
{
    x.user = user_row(m, ev);
    x.item = item;
    m->n_interactions++;
    return spool_append(&m->raw_interactions, &x, sizeof x, m->error);
}

static sinter_status add_label(dataset_making *m, const Sinter__V1__Event *ev, const char *item_id, const interaction *x)
{
    label_event l = {.key = key_of_pair(str_of(ev->request_id), str_of(item_id)),
                     .order = m->order++,
                     .event = x->event,
                     .weight = x->weight,
                     .value = x->value};
    m->n_labels++;
    return spool_append(&m->raw_labels, &l, sizeof l, m->error);
}

static sinter_status add_event(dataset_making *m, const record *rec)
{
    const Sinter__V1__Event *ev = rec->event_put->event;
    uint32_t type = config_event_id(m->spec->collection, str_of(ev->type));
    m->report->events++;
    if (!type) {
        left_out(m, DATASET_UNKNOWN_TYPE);
        return SINTER_OK;
    }
    const config_event *t = &m->spec->collection->event[type - 1];
    interaction x = {.event = type,
                     .weight = history_weight(m->spec->collection, type, ev->value),
                     .value = t->by_value || ev->value != 0 ? (float)ev->value : NAN,
                     .time_ms = profile_event_time(rec)};
    sinter_status s = SINTER_OK;
    for (size_t i = 0; i < ev->n_item_ids && s == SINTER_OK; i++) {
        uint32_t item = m->interactions ? find_item(m, ev->item_ids[i]) : UINT32_MAX;
        if (item != UINT32_MAX) s = add_interaction(m, ev, item, x);
        if (s == SINTER_OK && m->requests && ev->request_id[0]) s = add_label(m, ev, ev->item_ids[i], &x);
    }
    return s;
}

static bool take(void *ctx, const record *rec)
{
    dataset_making *m = ctx;
    if (rec->sequence > m->report->until) return false;
    arena_reset(m->a);
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT && rec->event_put->event &&
        rec->event_put->collection == m->collection)
        m->status = add_event(m, rec);
    if (rec->sequence % PROGRESS_EVERY == 0) {
        dataset_progress(m, "events", rec->sequence - m->report->since, m->report->until - m->report->since);
        if (m->status == SINTER_OK) m->status = dataset_memory(m, m->error);
    }
    return m->status == SINTER_OK;
}

static int by_key(const void *x, const void *y)
{
    const label_event *a = x, *b = y;
    int c = memcmp(&a->key, &b->key, sizeof a->key);
    return c ? c : a->order < b->order ? -1 : a->order > b->order;
}

sinter_status dataset_read_events(dataset_making *m, sinter_error *e)
{
    sinter_status s = spool_open(&m->raw_interactions, m->spec->scratch, e);
    if (s == SINTER_OK) s = spool_open(&m->raw_labels, m->spec->scratch, e);
    if (s) return s;
    m->error = e;
    m->status = SINTER_OK;
    s = journal_tail(m->reader, m->report->since, UINT32_MAX, take, m, NULL, e);
    if (s == SINTER_OK) s = m->status;
    if (s == SINTER_OK) s = spool_map(&m->raw_interactions, e);
    if (s == SINTER_OK) s = spool_map(&m->raw_labels, e);
    if (s) return s;
    if (m->n_labels) qsort(m->raw_labels.map, m->n_labels, sizeof(label_event), by_key);
    m->report->users = m->user.n;
    return SINTER_OK;
}

label_event *dataset_find_labels(const dataset_making *m, key128 key, uint64_t *n)
{
    label_event *all = (label_event *)(void *)m->raw_labels.map;
    uint64_t low = 0, high = m->n_labels;
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (memcmp(&all[mid].key, &key, sizeof key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (*n = 0; low + *n < m->n_labels && memcmp(&all[low + *n].key, &key, sizeof key) == 0;) ++*n;
    return all + low;
}
