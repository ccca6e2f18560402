/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The running house of experiments: its thread, what the control thread asks of it, and the stops that lanes read. */
#include "inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REST_MS = 200 };

/* ---- life ---------------------------------------------------------------------------------------------------------------- */

static sinter_status open_head(log_head *h, journal *log, sinter_error *e)
{
    h->log = log;
    h->memory = arena_new(1 << 14);
    h->at = journal_last_sequence(log);
    return journal_reader_open(log, &h->reader, e);
}

static void rest(experiments *g)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += REST_MS * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    while (!g->stopping && !g->woken && pthread_cond_timedwait(&g->wake, &g->lock, &t) == 0) {
    }
    g->woken = false;
}

static void run(void *arg)
{
    experiments *g = arg;
    pthread_mutex_lock(&g->lock);
    while (!g->stopping) {
        if (follow_step(g)) { /* whoever waits for the lock gets it between two steps */
            pthread_mutex_unlock(&g->lock);
            sched_yield();
            pthread_mutex_lock(&g->lock);
            continue;
        }
        if (g->caught_up) guards_look(g);
        rest(g);
    }
    pthread_mutex_unlock(&g->lock);
}

static void free_head(log_head *h)
{
    if (h->reader) journal_reader_close(h->reader);
    if (h->memory) arena_free(h->memory);
}

void experiments_close(experiments *g)
{
    if (!g) return;
    engine_hear(g->engine, NULL, NULL);
    if (g->running) {
        pthread_mutex_lock(&g->lock);
        g->stopping = true;
        pthread_cond_signal(&g->wake);
        pthread_mutex_unlock(&g->lock);
        pthread_join(g->thread, NULL);
    }
    open_clear(&g->open);
    for (uint32_t i = 0; i < g->n_tallies; i++) tally_free(g->tally[i]);
    free(g->tally);
    free_head(&g->main_head);
    free_head(&g->impressions_head);
    pthread_cond_destroy(&g->wake);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

/* ---- a configuration is published ----------------------------------------------------------------------------------------- */

static bool same_count(const tally *t, const config_experiment *x, const arms_beginning *b)
{
    if (strcmp(t->x.name, x->name) != 0 || t->x.version != x->version || t->x.counting != x->counting || t->begun.sequence != b->sequence)
        return false;
    if (x->n_arms != t->x.n_arms) return false;
    for (uint32_t i = 0; i < x->n_arms; i++)
        if (strcmp(x->arm[i].name, t->x.arm[i].name) != 0 || x->arm[i].shadow != t->x.arm[i].shadow) return false;
    return true;
}

static tally *take_old(experiments *g, const config_experiment *x, const arms_beginning *b)
{
    for (uint32_t i = 0; i < g->n_tallies; i++)
        if (g->tally[i] && same_count(g->tally[i], x, b)) {
            tally *t = g->tally[i];
            g->tally[i] = NULL;
            return t;
        }
    return NULL;
}

static tally *make_tally(experiments *g, const config_experiment *x, uint32_t collection)
{
    arms_beginning at = {0};
    arms_begun(g->arms, x, &at); /* arms_begin came before the snapshot was published */
    tally *old = take_old(g, x, &at), *t = tally_new(x);
    t->collection = collection;
    t->begun = at;
    if (old) {
        tally_adopt(t, old);
        open_change_tally(&g->open, old, t);
        tally_free(old);
    } else if (at.impressions_sequence < g->impressions_head.at || at.sequence < g->main_head.at) {
        g->again = true; /* not one that began just now: what is behind is read again */
    }
    return t;
}

static void replace_tallies(experiments *g, tally **fresh, uint32_t n)
{
    for (uint32_t i = 0; i < g->n_tallies; i++) {
        if (g->tally[i]) open_forget_tally(&g->open, g->tally[i]);
        tally_free(g->tally[i]);
    }
    free(g->tally);
    g->tally = fresh;
    g->n_tallies = n;
    g->caught_up = n == 0;
    g->woken = true;
    pthread_cond_signal(&g->wake);
}

static void publish(experiments *g, const config *c)
{
    sinter_error e = SINTER_ERROR_INIT;
    char line[1536], uuid[37];
    uint32_t n = c->n_experiments;
    tally **fresh = xcalloc(n + 1, sizeof *fresh);
    pthread_mutex_lock(&g->lock);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t collection = 0; /* it exists: only its number is read */
        if (journal_collection(g->main, c->experiment[i].collection, &collection, uuid, &e))
            log_error("experiment.collection", "%s: %s", c->experiment[i].name, error_line(&e, line, sizeof line));
        fresh[i] = make_tally(g, &c->experiment[i], collection);
    }
    replace_tallies(g, fresh, n);
    pthread_mutex_unlock(&g->lock);
}

/* On the control thread, right before lanes see the snapshot. */
static void hear(void *ctx, const config *c)
{
    experiments *g = ctx;
    if (g->impressions) publish(g, c);
}

sinter_status experiments_open(engine *house, experiments **out, sinter_error *e)
{
    experiments *g = xcalloc(1, sizeof *g);
    g->engine = house;
    g->arms = engine_arms(house);
    g->main = engine_journal(house);
    g->impressions = engine_impressions(house);
    pthread_mutex_init(&g->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&g->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sinter_status s = open_head(&g->main_head, g->main, e);
    if (s == SINTER_OK && g->impressions) s = open_head(&g->impressions_head, g->impressions, e);
    if (s == SINTER_OK) {
        hear(g, snapshot_config(engine_snapshot(house)));
        if (g->impressions) s = thread_start(&g->thread, "experiments", run, g, e);
        g->running = s == SINTER_OK && g->impressions;
    }
    if (s != SINTER_OK) {
        experiments_close(g);
        return s;
    }
    engine_hear(house, hear, g);
    *out = g;
    return SINTER_OK;
}

void experiments_recount(experiments *g)
{
    pthread_mutex_lock(&g->lock);
    g->again = g->woken = true;
    g->caught_up = g->n_tallies == 0;
    pthread_cond_signal(&g->wake);
    pthread_mutex_unlock(&g->lock);
}

/* ---- what is asked --------------------------------------------------------------------------------------------------------- */

static const config_experiment *find(const config *c, const char *name, sinter_error *e)
{
    const config_experiment *x = config_find_experiment(c, name);
    if (x) return x;
    if (!*name) {
        error_set(e, SINTER_INVALID, "experiment", "ListExperiments names them all", "no experiment is named");
        return NULL;
    }
    const char *names[256] = {0};
    uint32_t n = c->n_experiments < 256 ? c->n_experiments : 256;
    for (uint32_t i = 0; i < n; i++) names[i] = c->experiment[i].name;
    const char *near = near_name(name, names, n);
    error_set(e, SINTER_NOT_FOUND, "experiment", n ? "`sinter experiment list` shows all" : "there is none: experiments/NAME.yaml makes one",
              "no experiment is called '%.100s'", name);
    if (near) error_fix(e, "did you mean '%s'?", near);
    return NULL;
}

/* `name` "": the whole. */
static sinter_status check_arm(const config_experiment *x, const char *name, sinter_error *e)
{
    const char *names[EXPERIMENT_ARMS];
    if (!*name) return SINTER_OK;
    for (uint32_t i = 0; i < x->n_arms; i++) {
        if (strcmp(x->arm[i].name, name) == 0) return SINTER_OK;
        names[i] = x->arm[i].name;
    }
    const char *near = near_name(name, names, x->n_arms);
    error_set(e, SINTER_NOT_FOUND, "arm", "`sinter experiment list` shows them", "the experiment '%s' has no arm '%.100s'", x->name, name);
    if (near) error_fix(e, "did you mean '%s'?", near);
    return SINTER_NOT_FOUND;
}

void experiments_list(experiments *g, const config *c, arena *a, Sinter__V1__ExperimentInfo ***out, size_t *n)
{
    *out = ARENA_ARRAY(a, Sinter__V1__ExperimentInfo *, c->n_experiments + 1);
    for (*n = 0; *n < c->n_experiments; ++*n) (*out)[*n] = arms_info(g->arms, &c->experiment[*n], a);
}

sinter_status experiments_report(experiments *g, const config *c, const char *name, double lift, arena *a,
                                 Sinter__V1__GetExperimentReportResponse *out, sinter_error *e)
{
    const config_experiment *x = find(c, name, e);
    if (!x) return e->status;
    if (!isfinite(lift) || lift < 0 || lift > 10)
        return error_set(e, SINTER_INVALID, "lift", "above 0, at most 10", "lift is %g", lift);
    pthread_mutex_lock(&g->lock);
    const tally *t = NULL;
    for (uint32_t i = 0; i < g->n_tallies; i++)
        if (strcmp(g->tally[i]->x.name, name) == 0) t = g->tally[i];
    if (t) report_fill(g, x, t, lift > 0 ? lift : 0.05, a, out);
    pthread_mutex_unlock(&g->lock);
    return t ? SINTER_OK : error_set(e, SINTER_UNAVAILABLE, "experiment", "try again", "it is being published");
}

sinter_status experiments_stop(experiments *g, const config *c, const char *name, const arms_order *o, arena *a, uint64_t *sequence,
                               Sinter__V1__ExperimentInfo **out, sinter_error *e)
{
    const config_experiment *x = find(c, name, e);
    sinter_status s = x ? check_arm(x, o->arm, e) : e->status;
    *sequence = 0;
    if (s) return s;
    if (strcmp(o->arm, x->arm[x->control].name) == 0)
        return error_set(e, SINTER_PRECONDITION, "arm", "stop the whole experiment, without naming an arm",
                         "'%s' is the control arm, which stopped arms fall back to", o->arm);
    s = arms_stop(g->arms, x, o, sequence, e);
    if (s == SINTER_OK) *out = arms_info(g->arms, x, a);
    if (s == SINTER_OK && *sequence)
        log_info("experiment.stop", "%s%s%s stopped by record %llu%s%s%s%s", x->name, *o->arm ? ": the arm " : "", o->arm,
                 (unsigned long long)*sequence, *o->who ? ", by " : "", o->who, *o->why ? ": " : "", o->why);
    return s;
}

/* What was counted is behind it: a gap would hold what was shown at one time against what was shown at another. */
static void count_anew(experiments *g, const config_experiment *x)
{
    arms_beginning at;
    if (!arms_begun(g->arms, x, &at)) return;
    pthread_mutex_lock(&g->lock);
    for (uint32_t i = 0; i < g->n_tallies; i++) {
        tally *t = g->tally[i];
        if (strcmp(t->x.name, x->name) != 0) continue;
        open_forget_tally(&g->open, t);
        tally_clear(t);
        t->begun = at;
    }
    pthread_mutex_unlock(&g->lock);
}

sinter_status experiments_resume(experiments *g, const config *c, const char *name, const arms_order *o, arena *a, uint64_t *sequence,
                                 Sinter__V1__ExperimentInfo **out, sinter_error *e)
{
    const config_experiment *x = find(c, name, e);
    sinter_status s = x ? check_arm(x, o->arm, e) : e->status;
    *sequence = 0;
    if (s) return s;
    s = arms_start(g->arms, x, o, sequence, e);
    if (s == SINTER_OK && *sequence) count_anew(g, x);
    if (s == SINTER_OK) *out = arms_info(g->arms, x, a);
    if (s == SINTER_OK && *sequence)
        log_info("experiment.start", "%s%s%s started again by record %llu%s%s", x->name, *o->arm ? ": the arm " : "", o->arm,
                 (unsigned long long)*sequence, *o->who ? ", by " : "", o->who);
    return s;
}
