/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Profiles on disk, data_dir/profiles/NAME: read at start, so that only the records behind them are walked; written now and then
 * from a published set by a thread of their own, and at a clean stop. While somebody is being erased none is written, and those there
 * are removed before anything else: no file may be older than the journal's own forgetting. */
#include "inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

/* Records, of both journals, that a start may have to walk again; a file is not written more often than that costs. */
enum { SAVE_RECORDS = 20000, SAVE_AT_STOP = 5000 };
static const uint64_t SAVE_EVERY_NS = 60000000000u;

static char *path_of(const views *v, const feed *f)
{
    return xasprintf("%s/profiles/%s", v->config->server.data_dir, f->schema->name);
}

/* The hash by which a journal's record is known; 0: there is none. */
static uint64_t sum_of(journal_reader *r, uint64_t sequence)
{
    str bytes;
    return sequence && journal_get_bytes(r, sequence, &bytes, NULL) == SINTER_OK ? hash64(bytes.s, bytes.n) : 0;
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

static bool is_ours(void *ctx, uint64_t applied, uint64_t sum)
{
    const views *v = ctx;
    return applied <= v->at && sum == sum_of(v->reader, applied);
}

static void load_one(views *v, feed *f)
{
    sinter_error e = SINTER_ERROR_INIT;
    char *path = path_of(v, f);
    if (profile_load(f->profiles, path, f->uuid, is_ours, v, &e) != SINTER_OK) {
        if (e.status != SINTER_NOT_FOUND) log_warn("profiles.load", "%s: %s", path, e.what);
        profile_collection *empty = profile_open_like(f->profiles);
        profile_close(f->profiles);
        f->profiles = empty;
    }
    free(path);
}

void saved_load(views *v)
{
    uint64_t at = v->at, shown_at = v->impressions ? journal_last_sequence(v->impressions) : 0;
    for (uint32_t i = 0; i < v->n; i++) {
        load_one(v, v->feed[i]);
        const profile_collection *p = v->feed[i]->profiles;
        if (profile_applied(p) < at) at = profile_applied(p);
        if (v->feed[i]->schema->rates && profile_shown_applied(p) < shown_at) shown_at = profile_shown_applied(p);
    }
    v->saved_at = v->n ? at : v->at;
    v->saved_shown_at = v->shown_at = shown_at;
}

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

typedef struct job {
    profile_saving *saving;
    char *path;
} job;

struct saver {
    views *v;
    pthread_t thread;
    bool joinable;
    uint64_t at, shown_at, began_ns;
    uint32_t n;
    job job[VIEWS_MOST];
};

static bool is_unwanted(void *ctx)
{
    return atomic_load(&((views *)ctx)->no_save);
}

static bool write_all(saver *s)
{
    bool whole = true;
    sinter_error e = SINTER_ERROR_INIT;
    for (uint32_t i = 0; i < s->n; i++) {
        if (profile_save(s->job[i].saving, s->job[i].path, is_unwanted, s->v, &e)) {
            log_warn("profiles.save", "%s: %s", s->job[i].path, e.what);
            whole = false;
        }
        free(s->job[i].path);
    }
    s->n = 0;
    return whole;
}

static void saver_run(void *arg)
{
    saver *s = arg;
    views *v = s->v;
    write_all(s);
    epoch_exit(v->own_epochs, HOLDS); /* the sets may be freed */
    pthread_mutex_lock(&v->lock);
    v->saving = false;
    pthread_mutex_unlock(&v->lock);
}

/* Of sets that are as of v->at. */
static sinter_status prepare(views *v, saver *s, sinter_error *e)
{
    char *dir = xasprintf("%s/profiles", v->config->server.data_dir);
    sinter_status st = dir_make(dir, e);
    free(dir);
    if (st) return st;
    uint64_t sum = sum_of(v->reader, v->at);
    for (uint32_t i = 0; i < v->n; i++)
        s->job[s->n++] = (job){profile_saving_begin(v->feed[i]->profiles, v->feed[i]->uuid, v->at, sum), path_of(v, v->feed[i])};
    s->at = v->at;
    s->shown_at = v->shown_at;
    s->began_ns = clock_mono_ns();
    return SINTER_OK;
}

static uint64_t behind(const views *v)
{
    return v->at - v->saved_at + (v->shown_at - v->saved_shown_at);
}

static bool is_due(const views *v)
{
    bool current = v->published_at == v->at && v->shown_published_at == v->shown_at && !v->publish_now;
    return current && !v->forgetting && behind(v) >= SAVE_RECORDS &&
           (!v->saved_ns || clock_mono_ns() - v->saved_ns >= SAVE_EVERY_NS);
}

/* Under the lock: nobody removes files from here on. */
static bool may_save(views *v)
{
    pthread_mutex_lock(&v->lock);
    bool may = !v->saving && !atomic_load(&v->no_save);
    if (may) v->saving = true;
    pthread_mutex_unlock(&v->lock);
    return may;
}

static void saving_failed(views *v, const sinter_error *e)
{
    log_warn("profiles.save", "%s", e->what);
    pthread_mutex_lock(&v->lock);
    v->saving = false;
    pthread_mutex_unlock(&v->lock);
}

static void join(saver *s)
{
    if (s->joinable) pthread_join(s->thread, NULL);
    s->joinable = false;
}

void saved_step(views *v)
{
    sinter_error e = SINTER_ERROR_INIT;
    if (!is_due(v) || !may_save(v)) return;
    if (!v->saver) v->saver = xcalloc(1, sizeof *v->saver);
    saver *s = v->saver;
    join(s);
    s->v = v;
    v->saved_ns = clock_mono_ns();
    sinter_status st = prepare(v, s, &e);
    if (st == SINTER_OK) {
        epoch_enter(v->own_epochs, HOLDS);
        st = thread_start(&s->thread, "profiles", saver_run, s, &e);
        if (st) epoch_exit(v->own_epochs, HOLDS);
    }
    if (st) {
        saving_failed(v, &e);
        return;
    }
    s->joinable = true;
    v->saved_at = s->at;
    v->saved_shown_at = s->shown_at;
}

void saved_end(views *v, bool stopped)
{
    sinter_error e = SINTER_ERROR_INIT;
    if (v->saver) join(v->saver);
    if (stopped && !v->forgetting && behind(v) >= SAVE_AT_STOP && may_save(v)) {
        saver *s = v->saver = v->saver ? v->saver : xcalloc(1, sizeof *v->saver);
        s->v = v;
        for (uint32_t i = 0; i < v->n; i++) profile_publish(v->feed[i]->profiles, v->at);
        if (prepare(v, s, &e))
            log_warn("profiles.save", "%s", e.what);
        else
            write_all(s);
    }
    free(v->saver);
    v->saver = NULL;
}

/* ---- erasing ----------------------------------------------------------------------------------------------------------- */

sinter_status views_forget_begin(views *v, sinter_error *e)
{
    bool saving = true;
    atomic_store(&v->no_save, true);
    while (saving) {
        pthread_mutex_lock(&v->lock);
        saving = v->saving;
        pthread_mutex_unlock(&v->lock);
        if (saving) usleep(1000);
    }
    char *dir = xasprintf("%s/profiles", v->config->server.data_dir);
    sinter_status st = dir_remove(dir, e);
    free(dir);
    return st;
}

void views_forget_end(views *v)
{
    atomic_store(&v->no_save, false);
}
