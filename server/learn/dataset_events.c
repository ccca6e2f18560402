/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The events of the range: who did what to which item, and which answers they came from. */
#include "dataset_inside.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef Sinter__Storage__V1__Record record;

enum { PROGRESS_EVERY = 4096 };

/* ---- who ------------------------------------------------------------------------------------------------------------------ */

static uint32_t new_row(dataset_making *m, bool session)
{
    if (m->n_rows == m->cap_rows) {
        m->cap_rows = m->cap_rows ? 2 * m->cap_rows : 1024;
        m->row = xrealloc(m->row, m->cap_rows * sizeof *m->row);
    }
    m->row[m->n_rows] = (user_row){m->n_rows, session};
    return m->n_rows++;
}

static uint32_t row_of(dataset_making *m, key128 key, bool session)
{
    uint64_t row = keymap_get(&m->person, key, UINT64_MAX);
    if (row != UINT64_MAX) return (uint32_t)row;
    row = new_row(m, session);
    keymap_set(&m->person, key, row);
    return (uint32_t)row;
}

static key128 person_key(dataset_making *m, str user_id, str session_id)
{
    str person = profile_person_key(user_id, session_id, m->a);
    return key_of(person.s, person.n);
}

/* As profiles have it: a session in which a user is known is the user's, also what was done in it before. */
static uint32_t find_row(dataset_making *m, str user_id, str session_id)
{
    if (!user_id.n) return row_of(m, person_key(m, user_id, session_id), true);
    uint32_t user = row_of(m, person_key(m, user_id, session_id), false);
    if (!session_id.n) return user;
    key128 session = person_key(m, (str){"", 0}, session_id);
    uint64_t before = keymap_get(&m->person, session, UINT64_MAX);
    if (before == user) return user;
    if (before != UINT64_MAX && m->row[before].session && m->row[before].same == before) m->row[before].same = user;
    keymap_set(&m->person, session, user);
    return user;
}

/* What the event says, or else the answer that it names. */
static str said(const char *by_event, const char *by_answer)
{
    return str_of(*by_event ? by_event : by_answer);
}

static uint32_t row_of_event(dataset_making *m, const Sinter__Storage__V1__EventPut *put)
{
    const Sinter__Storage__V1__EventJoined *joined = put->joined;
    return find_row(m, said(put->event->user_id, joined ? joined->user_id : ""),
                    said(put->event->session_id, joined ? joined->session_id : ""));
}

/* Sessions' rows become those of their users; rows are dense again, by first appearance. */
static void join_rows(dataset_making *m)
{
    interaction *x = (interaction *)(void *)m->raw_interactions.map;
    uint32_t *dense = xmalloc((m->n_rows + 1) * sizeof *dense), n = 0;
    memset(dense, 0xff, (m->n_rows + 1) * sizeof *dense);
    for (uint64_t i = 0; i < m->n_interactions; i++) {
        uint32_t row = m->row[x[i].user].same;
        if (dense[row] == UINT32_MAX) dense[row] = n++;
        x[i].user = dense[row];
    }
    m->n_rows = n;
    free(dense);
}

static bool any_joined(const dataset_making *m)
{
    for (uint32_t i = 0; i < m->n_rows; i++)
        if (m->row[i].same != i) return true;
    return false;
}

/* ---- events ----------------------------------------------------------------------------------------------------------------- */

/* Ordinal of a living item; UINT32_MAX, counted, where there is none. */
static uint32_t find_item(dataset_making *m, const char *id)
{
    uint32_t item = catalog_item_ordinal(replay_catalog(m->replay), str_of(id));
    if (item != UINT32_MAX && catalog_is_live(replay_set(m->replay), item)) return item;
    left_out(m, item == UINT32_MAX ? DATASET_NEVER_ITEM : DATASET_DELETED_ITEM);
    return UINT32_MAX;
}

static sinter_status add_interaction(dataset_making *m, const Sinter__Storage__V1__EventPut *put, uint32_t item, interaction x)
{
    x.user = row_of_event(m, put);
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
        if (item != UINT32_MAX) s = add_interaction(m, rec->event_put, item, x);
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
    if (any_joined(m)) join_rows(m);
    m->report->users = m->n_rows;
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
