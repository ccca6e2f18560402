/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening, closing and asking the views. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void init_shared(views *v)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&v->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&v->wake, &attr);
    pthread_cond_init(&v->ordered, NULL);
    pthread_condattr_destroy(&attr);
}

static void destroy(views *v)
{
    saved_end(v, v->holder != NULL);
    if (v->holder) sets_end(v);
    for (uint32_t i = 0; i < v->n; i++) {
        feed_close(v, v->feed[i]);
        free(v->feed[i]);
    }
    epoch_free(v->own_epochs);
    journal_reader_close(v->reader);
    journal_reader_close(v->shown_reader);
    arena_free(v->before);
    pthread_cond_destroy(&v->wake);
    pthread_cond_destroy(&v->ordered);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

static sinter_status make_folder(const config *c, sinter_error *e)
{
    char *dir = xasprintf("%s/index", c->server.data_dir);
    sinter_status s = dir_make(dir, e);
    free(dir);
    return s;
}

static sinter_status open_feeds(views *v, sinter_error *e)
{
    sinter_status s = make_folder(v->config, e);
    if (!s) s = journal_reader_open(v->journal, &v->reader, e);
    if (!s && v->impressions) s = journal_reader_open(v->impressions, &v->shown_reader, e);
    v->at = s ? 0 : journal_last_sequence(v->journal);
    for (uint32_t i = 0; i < v->n && !s; i++)
        s = feed_open(v, v->feed[i], v->reader, v->at, e);
    return s ? s : profiles_build(v, e);
}

static void stop_listening(views *v)
{
    journal_listen(v->journal, NULL, NULL);
    if (v->impressions) journal_listen(v->impressions, NULL, NULL);
}

static bool any_rates(const config *c)
{
    for (uint32_t i = 0; i < c->n_collections; i++)
        if (c->collection[i].rates) return true;
    return false;
}

sinter_status views_open(const config *c, journal *j, journal *impressions, epoch_domain *epochs, uint32_t lanes,
                         views **out, sinter_error *e)
{
    views *v = xcalloc(1, sizeof *v);
    *out = NULL;
    v->config = c;
    v->journal = j;
    v->impressions = impressions && any_rates(c) ? impressions : NULL;
    v->lanes_epochs = epochs;
    v->own_epochs = epoch_new(HOLDS + 1); /* and the one who saves profiles */
    v->lanes = lanes;
    v->answers = impressions;
    v->before = arena_new(1 << 16);
    init_shared(v);
    sinter_status s = SINTER_OK;
    if (c->n_collections > VIEWS_MOST)
        s = error_set(e, SINTER_INVALID, c->path, "serve the others from another server", "%u collections; a server has at most %d",
                      c->n_collections, VIEWS_MOST);
    for (uint32_t i = 0; i < c->n_collections && !s; i++) {
        v->feed[v->n] = feed_new(&c->collection[i]);
        v->n++;
    }
    if (!s) s = open_feeds(v, e);
    if (!s) {
        sets_publish(v);
        journal_listen(j, views_heard, v);
        if (v->impressions) journal_listen(v->impressions, views_heard, v);
        s = thread_start(&v->thread, "views", views_run, v, e);
        if (s) stop_listening(v);
    }
    if (s) {
        destroy(v);
        return s;
    }
    *out = v;
    return SINTER_OK;
}

void views_close(views *v)
{
    if (!v) return;
    stop_listening(v);
    pthread_mutex_lock(&v->lock);
    v->stopping = true;
    pthread_cond_signal(&v->wake);
    pthread_mutex_unlock(&v->lock);
    pthread_join(v->thread, NULL);
    waits_refuse(v);
    destroy(v);
}

sinter_status views_discard(const config *c, sinter_error *e)
{
    sinter_status s = SINTER_OK;
    for (uint32_t i = 0; i < c->n_collections && !s; i++) {
        char *dir = xasprintf("%s/index/%s", c->server.data_dir, c->collection[i].name);
        s = dir_remove(dir, e);
        free(dir);
    }
    char *dir = xasprintf("%s/profiles", c->server.data_dir);
    if (!s) s = dir_remove(dir, e);
    free(dir);
    return s;
}

const view_set *views_current(const views *v)
{
    return atomic_load(&v->set);
}

int32_t views_find(const views *v, const char *collection)
{
    for (uint32_t i = 0; i < v->n; i++) {
        if (strcmp(v->feed[i]->schema->name, collection) == 0) return (int32_t)i;
    }
    return -1;
}

void views_add_types(views *v, const config *c)
{
    pthread_mutex_lock(&v->lock);
    for (uint32_t i = 0; i < v->n; i++) {
        const config_collection *is = config_find_collection(c, v->feed[i]->schema->name);
        if (is) profile_add_types(v->feed[i]->profiles, is);
        if (is && v->feed[i]->fresh) profile_add_types(v->feed[i]->fresh, is);
    }
    pthread_mutex_unlock(&v->lock);
}

uint64_t views_forget(views *v)
{
    uint64_t number = atomic_fetch_add(&v->forget_wanted, 1) + 1;
    views_heard(v, 0);
    return number;
}

bool views_forgotten(const views *v, uint64_t number)
{
    return atomic_load(&v->forget_done) >= number;
}

void views_suspect(views *v, uint32_t collection)
{
    if (collection < v->n) atomic_store(&v->feed[collection]->suspect, true);
}

/* The lock is all that changes. */
static views *locked(const views *v)
{
    views *w = (views *)(uintptr_t)v;
    pthread_mutex_lock(&w->lock);
    return w;
}

void views_status(const views *v, views_state *out)
{
    views *w = locked(v);
    *out = w->state;
    out->parked = w->n_park;
    pthread_mutex_unlock(&w->lock);
    out->journal = journal_last_sequence(v->journal);
}

bool views_collection_status(const views *v, uint32_t collection, views_collection_state *out)
{
    if (collection >= v->n) return false;
    views *w = locked(v);
    *out = w->collection_state[collection];
    pthread_mutex_unlock(&w->lock);
    return out->name != NULL;
}
