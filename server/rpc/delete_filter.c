/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DeleteItems by a filter: the columns say which items match, batch by batch; the journal's writer looks at each once more,
 * with its newest state, so that one which another write has changed meanwhile stays.
 *
 * The call goes from a lane to the view thread (until the columns hold every write from before it) and then between lanes and
 * the writer, a batch a turn. With a write id each batch is stored under one of its own, in order, and the end too, so that a
 * retry sums up what was done and goes on. */
#include "server.h"

#include <stdlib.h>
#include <string.h>

#define BATCH 10000u

typedef struct sweep {
    call *c;
    filter *f; /* NULL: all */
    catalog_collection *catalog;
    uint32_t next, end; /* ordinals still to be looked at: [next, end) */
    uint32_t batch;     /* number of the next one */
    uint32_t deleted;
    uint64_t sequence;
    bool begun, last, repeated;
} sweep;

void sweep_dispose(void *state)
{
    sweep *s = state;
    filter_free(s->f);
    free(s);
}

static void reply(sweep *s)
{
    Sinter__V1__DeleteItemsResponse r = SINTER__V1__DELETE_ITEMS_RESPONSE__INIT;
    char id[37];
    uuid_make(id);
    r.request_id = id;
    r.deleted = s->deleted;
    r.sequence = s->sequence;
    r.repeated_write = s->repeated;
    call_reply(s->c, &r.base);
}

/* ---- on the writer thread ---- */

static journal_verb change(void *ctx, journal_change *c)
{
    const sweep *s = ctx;
    return c->before && filter_test_item(s->f, s->catalog, c->before) ? JOURNAL_CHANGE_DELETE : JOURNAL_CHANGE_KEEP;
}

static void stored(void *ctx, const journal_result *j)
{
    sweep *s = ctx;
    call *c = s->c;
    if (j->status == SINTER_OK) {
        if (j->applied) s->sequence = j->sequence;
        s->deleted += j->applied;
        if (s->last)
            reply(s);
        else
            call_dispatch(c);
    } else {
        call_fail(c, j->status, j->error);
    }
    call_release(c);
}

/* ---- on a lane ---- */

static str batch_id(worker *w, const Sinter__V1__DeleteItemsRequest *q, const char *which)
{
    return *q->write_id ? write_id_scope(w->memory, arena_printf(w->memory, "delete-%s", which), q->collection, q->write_id)
                        : (str){"", 0};
}

static str numbered(worker *w, const Sinter__V1__DeleteItemsRequest *q, uint32_t n)
{
    return batch_id(w, q, arena_printf(w->memory, "%u", n));
}

/* What an earlier call with this write id has done. */
static void sum_up(worker *w, const Sinter__V1__DeleteItemsRequest *q, sweep *s)
{
    journal_result then;
    journal_reader *reader = pipeline_lane_journal(w->lane);
    for (; journal_written(reader, numbered(w, q, s->batch), &then, NULL) == SINTER_OK; s->batch++) {
        s->deleted += then.applied;
        if (then.applied) s->sequence = then.sequence;
    }
    s->repeated = journal_written(reader, batch_id(w, q, "end"), &then, NULL) == SINTER_OK;
}

static sinter_status begin(worker *w, call *c, const Sinter__V1__DeleteItemsRequest *q, const view_collection *v, sinter_error *e)
{
    sweep *s = xcalloc(1, sizeof *s);
    *s = (sweep){.c = c, .catalog = v->catalog};
    c->state = s;
    if (*q->filter && filter_compile(v->catalog, str_of(q->filter), NULL, &s->f, e) != SINTER_OK) return e->status;
    if (*q->write_id) sum_up(w, q, s);
    return SINTER_OK;
}

/* The next items that match, as one write; with none left, with a write id, a write of nothing that says so. */
static sinter_status next_batch(worker *w, const Sinter__V1__DeleteItemsRequest *q, const view_collection *v, sweep *s, sinter_error *e)
{
    uint32_t *item = ARENA_ARRAY(w->memory, uint32_t, BATCH);
    uint32_t n = filter_scan(s->f, v->columns, s->next, BATCH, item, NULL);
    while (n && item[n - 1] >= s->end) n--; /* came after the request */
    s->last = n == 0;
    if (s->last && !*q->write_id) {
        reply(s);
        return SINTER_OK;
    }
    journal_op *op = ARENA_ARRAY(w->memory, journal_op, n);
    for (uint32_t i = 0; i < n; i++) {
        size_t len;
        const char *id = catalog_item_id(s->catalog, item[i], &len);
        op[i] = (journal_op){.kind = JOURNAL_CHANGE, .collection = catalog_number(s->catalog), .id = {id, len}, .change = change, .change_ctx = s};
    }
    if (n) s->next = item[n - 1] + 1;
    journal_write write = {.write_id = s->last ? batch_id(w, q, "end") : numbered(w, q, s->batch++), .op = op, .n = n, .fence = UINT64_MAX};
    call_reference(s->c);
    sinter_status status = journal_append(engine_journal(w->s->engine), &write, stored, s, e);
    if (status != SINTER_OK) call_release(s->c);
    return status;
}

static void count(const view_collection *v, sweep *s)
{
    uint64_t all;
    filter_scan(s->f, v->columns, 0, 0, NULL, &all);
    s->deleted = (uint32_t)all;
    reply(s);
}

void sweep_run(worker *w, call *c, const Sinter__V1__DeleteItemsRequest *q, const view_collection *v)
{
    sinter_error e = SINTER_ERROR_INIT;
    sinter_status status = c->state ? SINTER_OK : begin(w, c, q, v, &e);
    sweep *s = c->state;
    if (status == SINTER_OK && s->catalog != v->catalog)
        status = error_set(&e, SINTER_UNAVAILABLE, "collection", "send it again, with its write id",
                           "'%s' means another collection since the delete began", q->collection);
    if (status != SINTER_OK) {
        call_fail(c, status, &e);
        return;
    }
    if (s->repeated) {
        reply(s);
        return;
    }
    if (!c->waited) { /* for every write from before the request */
        uint64_t last = journal_last_sequence(engine_journal(w->s->engine));
        if (v->columns->sequence < last) {
            call_park(c, last);
            return;
        }
        c->waited = true;
    }
    if (!s->begun) s->end = v->columns->n_items;
    s->begun = true;
    if (q->dry_run) {
        count(v, s);
        return;
    }
    status = next_batch(w, q, v, s, &e);
    if (status != SINTER_OK) call_fail(c, status, &e);
}
