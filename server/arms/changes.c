/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the journal says of experiments: since when each version counts, and what is stopped, by whom and why. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

typedef Sinter__Storage__V1__Record record;
#define KIND(x) SINTER__STORAGE__V1__EXPERIMENT_CHANGE__KIND__KIND_##x

/* ---- the lists ----------------------------------------------------------------------------------------------------------- */

stop_cell *arms_cell(arms *g, const char *experiment, const char *salt, const char *arm)
{
    for (stop_cell *c = g->cell; c; c = c->next)
        if (strcmp(c->experiment, experiment) == 0 && strcmp(c->salt, salt) == 0 && strcmp(c->arm, arm) == 0) return c;
    stop_cell *c = xcalloc(1, sizeof *c);
    c->experiment = xstrdup(experiment);
    c->salt = xstrdup(salt);
    c->arm = xstrdup(arm);
    c->next = g->cell;
    g->cell = c;
    return c;
}

static stop_cell *locked_cell(arms *g, const config_experiment *x, const char *arm)
{
    pthread_mutex_lock(&g->lock);
    stop_cell *c = arms_cell(g, x->name, x->salt, arm);
    pthread_mutex_unlock(&g->lock);
    return c;
}

void arms_cells_of(arms *g, const config_experiment *x, arms_cells *out)
{
    out->cell[0] = &locked_cell(g, x, "")->stopped;
    for (uint32_t i = 0; i < x->n_arms; i++) out->cell[1 + i] = &locked_cell(g, x, x->arm[i].name)->stopped;
}

bool arms_is_stopped(arms *g, const config_experiment *x, const char *arm)
{
    return atomic_load(&locked_cell(g, x, arm)->stopped);
}

bool arms_is_recorded(arms *g, const config_experiment *x, const char *arm)
{
    stop_cell *c = locked_cell(g, x, arm);
    pthread_mutex_lock(&g->lock);
    bool is = atomic_load(&c->stopped) && c->who;
    pthread_mutex_unlock(&g->lock);
    return is;
}

void arms_raise(arms *g, const config_experiment *x, const char *arm)
{
    atomic_store_explicit(&locked_cell(g, x, arm)->stopped, true, memory_order_release);
}

bool arms_begun(arms *g, const config_experiment *x, arms_beginning *out)
{
    pthread_mutex_lock(&g->lock);
    const beginning *b = g->begin;
    while (b && strcmp(b->experiment, x->name) != 0) b = b->next;
    bool is = b && b->version == x->version;
    if (is) *out = b->at;
    pthread_mutex_unlock(&g->lock);
    return is;
}

/* ---- what a record says, under the lock ---------------------------------------------------------------------------------- */

/* One a name: an earlier version does not come back, it begins anew. */
static void begin(arms *g, const arms_change *c, uint64_t sequence, int64_t time_ms)
{
    beginning *b = g->begin;
    while (b && strcmp(b->experiment, c->experiment) != 0) b = b->next;
    if (!b) {
        b = xcalloc(1, sizeof *b);
        b->experiment = xstrdup(c->experiment);
        b->next = g->begin;
        g->begin = b;
    }
    b->version = c->version;
    b->at = (arms_beginning){.sequence = sequence, .impressions_sequence = c->impressions_sequence, .time_ms = time_ms};
}

static void set_stop(stop_cell *cell, const arms_change *c, int64_t time_ms, bool stopped)
{
    free(cell->who);
    free(cell->why);
    cell->who = stopped ? xstrdup(c->who) : NULL;
    cell->why = stopped ? xstrdup(c->why) : NULL;
    cell->time_ms = time_ms;
    atomic_store_explicit(&cell->stopped, stopped, memory_order_release);
}

/* Starting the whole takes back every stop of it. */
static void start(arms *g, const arms_change *c, int64_t time_ms)
{
    for (stop_cell *cell = g->cell; cell; cell = cell->next)
        if (strcmp(cell->experiment, c->experiment) == 0 && strcmp(cell->salt, c->salt) == 0 && (!*c->arm || strcmp(cell->arm, c->arm) == 0))
            set_stop(cell, c, time_ms, false);
}

static void apply(arms *g, const arms_change *c, uint64_t sequence, int64_t time_ms)
{
    pthread_mutex_lock(&g->lock);
    if (c->kind == KIND(STOPPED)) set_stop(arms_cell(g, c->experiment, c->salt, c->arm), c, time_ms, true);
    if (c->kind == KIND(STARTED)) start(g, c, time_ms);
    /* Also where it is started again: a gap would compare what was shown at different times. */
    if (c->kind == KIND(BEGUN) || c->kind == KIND(STARTED)) begin(g, c, sequence, time_ms);
    pthread_mutex_unlock(&g->lock);
}

const arms_change *arms_change_of(const record *rec)
{
    bool is = rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_EXPERIMENT &&
              rec->experiment->kind_case == SINTER__STORAGE__V1__EXPERIMENT__KIND_CHANGE;
    return is ? rec->experiment->change : NULL;
}

/* ---- reading and writing --------------------------------------------------------------------------------------------------- */

void arms_see(arms *g, const record *rec)
{
    if (arms_change_of(rec)) apply(g, arms_change_of(rec), rec->sequence, rec->time_ms);
}

/* As it stands in the journal: what is read from there later says the same. */
static int64_t time_of(arms *g, uint64_t sequence)
{
    sinter_error ignored = SINTER_ERROR_INIT;
    record *rec;
    arena_reset(g->memory);
    return journal_get(g->reader, sequence, g->memory, &rec, &ignored) == SINTER_OK ? rec->time_ms : clock_wall_ms();
}

static sinter_status append(arms *g, int kind, const config_experiment *x, const arms_order *o, uint64_t *sequence, sinter_error *e)
{
    arms_change c = SINTER__STORAGE__V1__EXPERIMENT_CHANGE__INIT;
    Sinter__Storage__V1__Experiment body = SINTER__STORAGE__V1__EXPERIMENT__INIT;
    record rec = SINTER__STORAGE__V1__RECORD__INIT;
    c.kind = (Sinter__Storage__V1__ExperimentChange__Kind)kind;
    c.experiment = (char *)(uintptr_t)x->name;
    c.salt = (char *)(uintptr_t)x->salt;
    c.version = x->version;
    c.arm = (char *)(uintptr_t)o->arm;
    c.who = (char *)(uintptr_t)o->who;
    c.why = (char *)(uintptr_t)o->why;
    c.impressions_sequence = journal_last_sequence(g->impressions);
    body.kind_case = SINTER__STORAGE__V1__EXPERIMENT__KIND_CHANGE;
    body.change = &c;
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_EXPERIMENT;
    rec.experiment = &body;
    size_t n = sinter__storage__v1__record__get_packed_size(&rec);
    uint8_t *bytes = xmalloc(n + 1);
    sinter__storage__v1__record__pack(&rec, bytes);
    const journal_op op = {.kind = JOURNAL_RECORD, .bytes = {(const char *)bytes, n}};
    const journal_write w = {.op = &op, .n = 1, .fence = UINT64_MAX};
    journal_result r;
    sinter_status s = journal_append_wait(g->main, &w, &r, e);
    free(bytes);
    if (s != SINTER_OK) return s;
    *sequence = r.sequence;
    apply(g, &c, r.sequence, time_of(g, r.sequence));
    return SINTER_OK;
}

sinter_status arms_begin(arms *g, const config *c, sinter_error *e)
{
    static const arms_order NOBODY = {.arm = "", .who = "configuration", .why = ""};
    sinter_status s = SINTER_OK;
    arms_beginning at;
    uint64_t sequence;
    pthread_mutex_lock(&g->append);
    for (uint32_t i = 0; i < c->n_experiments && s == SINTER_OK; i++)
        if (!arms_begun(g, &c->experiment[i], &at)) s = append(g, KIND(BEGUN), &c->experiment[i], &NOBODY, &sequence, e);
    pthread_mutex_unlock(&g->append);
    return s;
}

sinter_status arms_stop(arms *g, const config_experiment *x, const arms_order *o, uint64_t *sequence, sinter_error *e)
{
    *sequence = 0;
    pthread_mutex_lock(&g->append);
    sinter_status s = arms_is_recorded(g, x, o->arm) ? SINTER_OK : append(g, KIND(STOPPED), x, o, sequence, e);
    pthread_mutex_unlock(&g->append);
    return s;
}

static bool any_stopped(arms *g, const config_experiment *x, const char *arm)
{
    bool is = false;
    pthread_mutex_lock(&g->lock);
    for (const stop_cell *c = g->cell; c; c = c->next)
        is |= strcmp(c->experiment, x->name) == 0 && strcmp(c->salt, x->salt) == 0 && (!*arm || strcmp(c->arm, arm) == 0) &&
              atomic_load(&c->stopped);
    pthread_mutex_unlock(&g->lock);
    return is;
}

sinter_status arms_start(arms *g, const config_experiment *x, const arms_order *o, uint64_t *sequence, sinter_error *e)
{
    *sequence = 0;
    pthread_mutex_lock(&g->append);
    sinter_status s = any_stopped(g, x, o->arm) ? append(g, KIND(STARTED), x, o, sequence, e) : SINTER_OK;
    pthread_mutex_unlock(&g->append);
    return s;
}

/* ---- life ------------------------------------------------------------------------------------------------------------------- */

sinter_status arms_open(journal *main, journal *impressions, arms **out, sinter_error *e)
{
    arms *g = xcalloc(1, sizeof *g);
    g->main = main;
    g->impressions = impressions;
    g->memory = arena_new(1 << 12);
    pthread_mutex_init(&g->append, NULL);
    pthread_mutex_init(&g->lock, NULL);
    sinter_status s = journal_reader_open(main, &g->reader, e);
    if (s == SINTER_OK)
        *out = g;
    else
        arms_close(g);
    return s;
}

void arms_close(arms *g)
{
    if (!g) return;
    for (stop_cell *c = g->cell, *next; c; c = next) {
        next = c->next;
        free(c->experiment), free(c->salt), free(c->arm), free(c->who), free(c->why);
        free(c);
    }
    for (beginning *b = g->begin, *next; b; b = next) {
        next = b->next;
        free(b->experiment);
        free(b);
    }
    if (g->reader) journal_reader_close(g->reader);
    arena_free(g->memory);
    pthread_mutex_destroy(&g->append);
    pthread_mutex_destroy(&g->lock);
    free(g);
}
