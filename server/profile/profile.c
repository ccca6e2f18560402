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
    for (uint32_t t = 0; t < MAX_TYPES; t++) {
        p->count[t].width = sizeof(counter);
        for (uint32_t by = 0; by < MAX_BY; by++) p->value_count[t][by].width = sizeof(counter);
    }
    profile_add_types(p, schema);
    profile_publish(p, 0);
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

static const profile_tables *publish_tables(profile_collection *p)
{
    profile_tables *t = xcalloc(1, sizeof *t);
    uint32_t n = atomic_load_explicit(&p->n_types, memory_order_acquire);
    t->item_of = rows_publish(p, &p->item_of);
    t->item = rows_publish(p, &p->item);
    t->person = rows_publish(p, &p->person);
    t->query = rows_publish(p, &p->query);
    for (uint32_t i = 0; i < n; i++) {
        t->count[i] = rows_publish(p, &p->count[i]);
        for (uint32_t by = 0; by < p->n_by; by++) t->value_count[i][by] = rows_publish(p, &p->value_count[i][by]);
    }
    return t;
}

static uint64_t all_bytes(const profile_collection *p)
{
    uint64_t sum = sizeof *p + p->bytes + p->people.bytes + p->items.bytes + p->queries.bytes + arena_used(p->texts);
    for (uint32_t by = 0; by < p->n_by; by++) sum += p->values[by].bytes;
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

/* ---- the end ------------------------------------------------------------------------------------------------------------------ */

static void free_blocks(rows *r)
{
    for (uint32_t k = 0; k < r->n_chunks; k++) {
        void **row = r->chunk[k] ? (void **)r->chunk[k]->row : NULL;
        for (uint32_t i = 0; row && i < ROWS; i++) free(row[i]);
    }
    rows_free(r);
}

void profile_close(profile_collection *p)
{
    if (!p) return;
    set_free((profile_set *)(uintptr_t)atomic_load(&p->current));
    for (size_t i = 0; i < p->n_replaced; i++) free(p->replaced[i]);
    free(p->replaced);
    rows_free(&p->item_of);
    rows_free(&p->item);
    free_blocks(&p->person);
    free_blocks(&p->query);
    for (uint32_t t = 0; t < MAX_TYPES; t++) {
        rows_free(&p->count[t]);
        for (uint32_t by = 0; by < MAX_BY; by++) rows_free(&p->value_count[t][by]);
        free(p->type[t]);
    }
    for (uint32_t i = 0; i < p->cap_waiting; i++) free(p->waiting[i]);
    free(p->waiting);
    dictionary_free(&p->people);
    dictionary_free(&p->items);
    dictionary_free(&p->queries);
    for (uint32_t by = 0; by < MAX_BY; by++) dictionary_free(&p->values[by]);
    arena_free(p->texts);
    arena_free(p->scratch);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
