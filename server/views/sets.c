/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Publishing view sets, and freeing them when no lane can hold them. */
#include "inside.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- readers ------------------------------------------------------------------------------------------------- */

reader_group *readers_open(const views *v, const feed *f, sinter_error *e)
{
    reader_group *g = xcalloc(1, sizeof *g + v->lanes * sizeof(text_reader *));
    atomic_init(&g->refs, 1);
    for (; g->n < v->lanes; g->n++) {
        if (text_reader_open(f->index, &g->reader[g->n], e)) {
            readers_leave(g);
            return NULL;
        }
    }
    return g;
}

void readers_leave(reader_group *g)
{
    if (!g || atomic_fetch_sub(&g->refs, 1) != 1) return;
    for (uint32_t i = 0; i < g->n; i++)
        text_reader_close(g->reader[i]);
    free(g);
}

/* ---- sets ---------------------------------------------------------------------------------------------------- */

/* Of the lanes' domain: on the thread that reclaims. */
static void free_set(void *p, void *ctx)
{
    (void)ctx;
    set_holder *h = p;
    views *v = h->v;
    for (uint32_t i = 0; i < h->set->n; i++)
        readers_leave(h->group[i]);
    epoch_exit(v->own_epochs, h->hold);
    atomic_store(&v->held[h->hold], false);
    free(h->set);
    free(h);
    atomic_fetch_sub(&v->sets_alive, 1);
}

/* A slot in the collections' domain; false: lanes hold all sets there may be. */
static bool take_hold(views *v, uint32_t *hold)
{
    for (uint32_t i = 0; i < HOLDS; i++) {
        bool expected = false;
        if (!atomic_compare_exchange_strong(&v->held[i], &expected, true)) continue;
        *hold = i;
        return true;
    }
    return false;
}

static void fill_collection(const views *v, feed *f, view_collection *c)
{
    if (f->moved || !catalog_current(f->catalog)) catalog_publish(f->catalog, v->at);
    f->moved = false;
    const profile_set *profiles = profile_current(f->profiles);
    if (profiles->sequence < v->at || (f->schema->rates && profiles->shown_sequence < v->shown_at)) profile_publish(f->profiles, v->at);
    *c = (view_collection){.catalog = f->catalog,
                           .columns = catalog_current(f->catalog),
                           .profiles = profile_current(f->profiles),
                           .ready = f->readers != NULL};
    if (!c->ready) return;
    c->reader = f->readers->reader;
    c->sequence = feed_sequence(v, f);
    atomic_fetch_add(&f->readers->refs, 1);
}

static set_holder *make_set(views *v, uint32_t hold)
{
    uint32_t n = v->n;
    set_holder *h = xcalloc(1, sizeof *h + n * sizeof h->group[0]);
    *h = (set_holder){.v = v, .hold = hold, .set = xcalloc(1, sizeof *h->set + n * sizeof(view_collection))};
    h->set->n = n;
    h->set->sequence = n ? UINT64_MAX : v->at;
    for (uint32_t i = 0; i < n; i++) {
        view_collection *c = &h->set->collection[i];
        fill_collection(v, v->feed[i], c);
        h->group[i] = c->ready ? v->feed[i]->readers : NULL;
        if (c->ready && c->sequence < h->set->sequence) h->set->sequence = c->sequence;
    }
    if (h->set->sequence == UINT64_MAX) h->set->sequence = 0; /* none is ready */
    epoch_enter(v->own_epochs, hold); /* what the collections retire from now on outlives this set */
    return h;
}

void sets_publish(views *v)
{
    uint32_t hold;
    epoch_reclaim(v->lanes_epochs);
    if (!take_hold(v, &hold)) {
        log_warn("views.held", "%d view sets are held by requests; the next one waits", HOLDS);
        return;
    }
    set_holder *fresh = make_set(v, hold), *old = v->holder;
    atomic_fetch_add(&v->sets_alive, 1);
    v->holder = fresh;
    atomic_store(&v->set, fresh->set);
    epoch_retire(v->lanes_epochs, old, free_set, NULL);
    epoch_reclaim(v->lanes_epochs);
    epoch_reclaim(v->own_epochs);
    v->publish_now = false;
    v->published_ns = clock_mono_ns();
    v->published_at = v->at;
    v->shown_published_at = v->shown_at;
    pthread_mutex_lock(&v->lock);
    v->state.sets++;
    pthread_mutex_unlock(&v->lock);
}

void sets_end(views *v)
{
    atomic_store(&v->set, NULL);
    epoch_retire(v->lanes_epochs, v->holder, free_set, NULL);
    v->holder = NULL;
    for (epoch_reclaim(v->lanes_epochs); atomic_load(&v->sets_alive); epoch_reclaim(v->lanes_epochs))
        usleep(1000); /* another thread is at it */
}
