/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a reload brings to the views: collections that come, fields that are added.
 *
 * The control thread prepares all that takes long (a collection's columns and profiles, when the journal has it from
 * earlier) with readers of its own; the view thread then takes it over in one step, catches up with what it has read
 * meanwhile, and publishes. */
#include "inside.h"

#include <stdlib.h>

typedef Sinter__Storage__V1__Record record;

static const uint64_t READY_NS = 2000000000u;

/* ---- orders ------------------------------------------------------------------------------------------------------ */

/* Returns when the view thread has run it and published a set since. */
static void order_wait(views *v, views_order *o)
{
    pthread_mutex_lock(&v->lock);
    v->order = o;
    v->woken = true;
    pthread_cond_signal(&v->wake);
    while (!o->done)
        pthread_cond_wait(&v->ordered, &v->lock);
    pthread_mutex_unlock(&v->lock);
}

static views_order *order_waiting(views *v)
{
    pthread_mutex_lock(&v->lock);
    views_order *o = v->order;
    pthread_mutex_unlock(&v->lock);
    return o;
}

void orders_run(views *v)
{
    views_order *o = order_waiting(v);
    if (!o || o->ran) return;
    o->run(v, o);
    o->ran = true;
    v->publish_now = true;
}

static bool all_ready(const views *v)
{
    const view_set *set = v->holder->set;
    for (uint32_t i = 0; i < set->n; i++)
        if (!set->collection[i].ready) return false;
    return true;
}

/* publish_now is taken back by a publication alone. A new collection can be searched when the reload is answered, unless the
 * journal has so much of it that its index takes longer. */
void orders_finish(views *v)
{
    views_order *o = order_waiting(v);
    if (!o || !o->ran || v->publish_now) return;
    if (!all_ready(v) && clock_mono_ns() < o->until_ns) return;
    pthread_mutex_lock(&v->lock);
    v->order = NULL;
    o->done = true;
    pthread_cond_signal(&v->ordered);
    pthread_mutex_unlock(&v->lock);
}

/* ---- what comes --------------------------------------------------------------------------------------------------- */

typedef struct coming {
    feed *f; /* a new one, or .. */
    uint64_t at, shown_at;
    uint64_t forgotten; /* erasures asked for when its records were read */
    uint32_t old; /* .. the place of one that is there, with .. */
    const config_collection *schema;
    text_analyzer *analyzer;
} coming;

typedef struct adoption {
    coming *c;
    uint32_t n;
} adoption;

static sinter_status prepare_new(views *v, const config_collection *schema, coming *x, sinter_error *e)
{
    journal_reader *r;
    sinter_status s = journal_reader_open(v->journal, &r, e);
    if (s) return s;
    x->f = feed_new(schema);
    x->at = journal_last_sequence(v->journal);
    x->forgotten = atomic_load(&v->forget_wanted);
    s = feed_open(v, x->f, r, x->at, e);
    if (!s) s = profiles_build_one(v, x->f, x->at, &x->shown_at, e);
    journal_reader_close(r);
    return s;
}

static sinter_status prepare(views *v, const config_collection *schema, adoption *a, sinter_error *e)
{
    int32_t old = views_find(v, schema->name);
    coming *x = &a->c[a->n];
    *x = (coming){.old = UINT32_MAX, .schema = schema};
    if (old < 0) {
        if (v->n + a->n >= VIEWS_MOST)
            return error_set(e, SINTER_PRECONDITION, schema->file, "restart the server", "%d collections have been served since the start",
                             VIEWS_MOST);
        a->n++;
        return prepare_new(v, schema, x, e);
    }
    catalog_collection *catalog = v->feed[old]->catalog;
    if (config_same_fields(catalog_schema(catalog), schema)) return SINTER_OK;
    sinter_status s = catalog_adoptable(catalog, schema, e);
    if (!s) s = text_analyzer_new(schema, &x->analyzer, e);
    if (s) return s;
    x->old = (uint32_t)old;
    a->n++;
    return SINTER_OK;
}

static void forget(views *v, adoption *a)
{
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->c[i].f) feed_close(v, a->c[i].f);
        free(a->c[i].f);
        text_analyzer_free(a->c[i].analyzer);
    }
}

/* ---- taken over: on the view thread -------------------------------------------------------------------------------- */

typedef struct follower {
    views *v;
    feed *f;
} follower;

static bool follow_one(void *ctx, const record *rec)
{
    follower *x = ctx;
    if (rec->sequence > x->v->at) return false;
    uint32_t number = rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT      ? rec->item_put->collection
                      : rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_DELETE ? rec->item_delete->collection
                      : rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT   ? rec->event_put->collection
                                                                                        : 0;
    if (number == x->f->number) feed_apply(x->v, x->f, rec);
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_USER_PUT) profile_apply(x->f->profiles, rec);
    return true;
}

/* Times shown were not counted so far where no collection asked for them: from now on they are. */
static void catch_up_shown(views *v, coming *x)
{
    sinter_error e = SINTER_ERROR_INIT;
    if (!x->f->schema->rates || !v->answers) return;
    if (v->impressions) {
        if (profiles_catch_up_shown(v, x->f, x->shown_at, &e)) log_error("views.read", "%s", e.what);
    } else if (journal_reader_open(v->answers, &v->shown_reader, &e)) {
        log_error("views.read", "%s", e.what);
    } else {
        v->shown_at = x->shown_at;
        v->impressions = v->answers;
        journal_listen(v->impressions, views_heard, v);
    }
}

static void take_over(views *v, coming *x)
{
    follower follow = {v, x->f};
    sinter_error e = SINTER_ERROR_INIT;
    uint64_t last;
    if (x->at < v->at && journal_tail(v->reader, x->at, UINT32_MAX, follow_one, &follow, &last, &e))
        log_error("views.read", "%s", e.what);
    catch_up_shown(v, x);
    x->f->moved = true;
    if (x->forgotten != atomic_load(&v->forget_wanted)) views_forget(v); /* it may have read what was erased since */
    v->feed[v->n] = x->f;
    v->n++;
}

static void adopt_all(views *v, views_order *o)
{
    adoption *a = o->ctx;
    for (uint32_t i = 0; i < a->n; i++) {
        coming *x = &a->c[i];
        if (x->f)
            take_over(v, x);
        else
            feed_adopt(v, v->feed[x->old], x->schema, x->analyzer);
    }
}

sinter_status views_adopt(views *v, const config *c, sinter_error *e)
{
    adoption a = {.c = xcalloc(c->n_collections + 1, sizeof *a.c)};
    sinter_status s = SINTER_OK;
    for (uint32_t i = 0; i < c->n_collections && !s; i++)
        s = prepare(v, &c->collection[i], &a, e);
    if (s) {
        forget(v, &a);
    } else if (a.n) {
        views_order o = {.run = adopt_all, .ctx = &a, .until_ns = clock_mono_ns() + READY_NS};
        order_wait(v, &o);
    }
    free(a.c);
    return s;
}
