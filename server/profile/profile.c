/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening, publishing and freeing profiles. */
#include "inside.h"

#include <math.h>
#include <stdlib.h>

profile_collection *profile_open(const config_collection *schema, uint32_t number, epoch_domain *epochs)
{
    profile_collection *p = xcalloc(1, sizeof *p);
    p->schema = schema;
    p->number = number;
    p->n_by = schema->n_counter_by < MAX_BY ? schema->n_counter_by : MAX_BY;
    p->history = schema->history;
    p->half_life_ms = schema->counter_half_life_days > 0 ? schema->counter_half_life_days * 86400000.0 : INFINITY;
    p->epochs = epochs;
    p->texts = arena_new(64 << 10);
    p->scratch = arena_new(4 << 10);
    pthread_mutex_init(&p->lock, NULL);
    p->item_of.width = sizeof(uint32_t);
    p->item.width = (1 + p->n_by) * sizeof(item_row);
    p->person.width = p->query.width = sizeof(void *);
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        p->account[i].item.width = sizeof(tally);
        for (uint32_t by = 0; by < MAX_BY; by++) p->account[i].value[by].width = sizeof(tally);
    }
    for (uint32_t by = 0; by < MAX_BY; by++) p->n_values[by] = 1;
    profile_add_types(p, schema);
    profile_publish(p, 0);
    return p;
}

profile_collection *profile_open_like(const profile_collection *like)
{
    profile_collection *p = profile_open(like->schema, like->number, like->epochs);
    uint32_t n = atomic_load_explicit(&like->n_types, memory_order_acquire);
    for (uint32_t t = atomic_load(&p->n_types); t < n; t++) {
        p->type[t] = xstrdup(like->type[t]);
        atomic_store_explicit(&p->n_types, t + 1, memory_order_release);
    }
    return p;
}

void profile_add_types(profile_collection *p, const config_collection *schema)
{
    pthread_mutex_lock(&p->lock);
    uint32_t n = atomic_load_explicit(&p->n_types, memory_order_relaxed);
    for (; n < schema->n_events && n < MAX_TYPES; n++) {
        p->type[n] = xstrdup(schema->event[n].name);
        atomic_store_explicit(&p->n_types, n + 1, memory_order_release);
    }
    pthread_mutex_unlock(&p->lock);
}

/* ---- publishing ---------------------------------------------------------------------------------------------------------- */

static void publish_account(profile_collection *p, account *a, account_tables *t)
{
    t->item = rows_publish(p, &a->item);
    for (uint32_t by = 0; by < p->n_by; by++) t->value[by] = rows_publish(p, &a->value[by]);
    t->all = a->all;
}

static const profile_tables *publish_tables(profile_collection *p)
{
    profile_tables *t = xcalloc(1, sizeof *t);
    t->item_of = rows_publish(p, &p->item_of);
    t->item = rows_publish(p, &p->item);
    t->person = rows_publish(p, &p->person);
    t->query = rows_publish(p, &p->query);
    for (uint32_t i = 0; i < ACCOUNTS; i++) publish_account(p, &p->account[i], &t->account[i]);
    return t;
}

static uint64_t all_bytes(const profile_collection *p)
{
    uint64_t sum = sizeof *p + p->bytes + p->people.bytes + p->items.bytes + p->queries.bytes + arena_used(p->texts);
    for (uint32_t by = 0; by < p->n_by; by++) sum += p->values[by].bytes + p->value_hashes[by].bytes;
    return sum;
}

static void plain_free(void *old, void *ctx)
{
    (void)ctx;
    free(old);
}

static void set_free(profile_set *s)
{
    if (s) free((void *)(uintptr_t)s->tables);
    free(s);
}

static void retire(profile_collection *p)
{
    for (size_t i = 0; i < p->n_replaced; i++) {
        if (p->epochs)
            epoch_retire(p->epochs, p->replaced[i], plain_free, NULL);
        else
            free(p->replaced[i]);
    }
    p->n_replaced = 0;
    if (p->epochs) epoch_reclaim(p->epochs);
}

const profile_set *profile_publish(profile_collection *p, uint64_t sequence)
{
    const profile_set *old = atomic_load(&p->current);
    profile_set *s = xcalloc(1, sizeof *s);
    *s = (profile_set){.sequence = sequence,
                       .shown_sequence = p->shown_applied,
                       .n_people = p->n_people,
                       .n_items = p->n_items,
                       .n_queries = p->n_queries,
                       .n_events = p->n_events,
                       .bytes = all_bytes(p),
                       .owner = p};
    s->tables = p->moved || !old ? publish_tables(p) : NULL;
    if (!s->tables) { /* a stamp alone: the old tables move over */
        s->tables = old->tables;
    } else if (old) {
        profile_replace(p, (void *)(uintptr_t)old->tables);
    }
    profile_replace(p, (void *)(uintptr_t)old);
    atomic_store(&p->current, s);
    p->moved = false;
    p->generation++;
    retire(p);
    return s;
}

const profile_set *profile_current(const profile_collection *p)
{
    return atomic_load(&p->current);
}

uint64_t profile_applied(const profile_collection *p)
{
    return p->applied;
}

uint64_t profile_shown_applied(const profile_collection *p)
{
    return p->shown_applied;
}

/* ---- the end ------------------------------------------------------------------------------------------------------------------ */

static void free_people(rows *r)
{
    for (uint32_t k = 0; k < r->n_chunks; k++) {
        profile_person **row = r->chunk[k] ? (profile_person **)r->chunk[k]->row : NULL;
        for (uint32_t i = 0; row && i < ROWS; i++) {
            if (row[i]) free((void *)(uintptr_t)row[i]->attributes);
            free(row[i]);
        }
    }
    rows_free(r);
}

static void free_queries(rows *r)
{
    for (uint32_t k = 0; k < r->n_chunks; k++) {
        profile_query **row = r->chunk[k] ? (profile_query **)r->chunk[k]->row : NULL;
        for (uint32_t i = 0; row && i < ROWS; i++) query_free(row[i]);
    }
    rows_free(r);
}

static void free_tallies(rows *r)
{
    for (uint32_t k = 0; k < r->n_chunks; k++) {
        tally *row = r->chunk[k] ? (tally *)r->chunk[k]->row : NULL;
        for (uint32_t i = 0; row && i < ROWS; i++) window_free(row[i].recent);
    }
    rows_free(r);
}

static void free_account(account *a)
{
    free_tallies(&a->item);
    for (uint32_t by = 0; by < MAX_BY; by++) free_tallies(&a->value[by]);
    window_free(a->all.recent);
}

void profile_close(profile_collection *p)
{
    if (!p) return;
    set_free((profile_set *)(uintptr_t)atomic_load(&p->current));
    for (size_t i = 0; i < p->n_replaced; i++) free(p->replaced[i]);
    free(p->replaced);
    rows_free(&p->item_of);
    rows_free(&p->item);
    free_people(&p->person);
    free_queries(&p->query);
    for (uint32_t i = 0; i < ACCOUNTS; i++) free_account(&p->account[i]);
    for (uint32_t t = 0; t < MAX_TYPES; t++) free(p->type[t]);
    for (uint32_t i = 0; i < p->cap_waiting; i++) free(p->waiting[i]);
    free(p->waiting);
    dictionary_free(&p->people);
    dictionary_free(&p->items);
    dictionary_free(&p->queries);
    for (uint32_t by = 0; by < MAX_BY; by++) {
        dictionary_free(&p->values[by]);
        dictionary_free(&p->value_hashes[by]);
    }
    arena_free(p->texts);
    arena_free(p->scratch);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
