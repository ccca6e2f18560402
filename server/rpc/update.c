/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CatalogService.UpdateItems: a lane checks each batch of the stream; what an update makes of its item is decided on the
 * journal's writer thread, where no other write comes between. */
#include "stream.h"

#include <stdio.h>
#include <string.h>

typedef struct one {
    const Sinter__V1__ItemUpdate *update;
    filter *condition; /* NULL: none */
    catalog_collection *catalog;
    uint32_t index; /* in the batch */
} one;

/* A batch, from the lane to the writer's completion, in an arena of its own. */
typedef struct batch {
    arena *a;
    place *p;
    one *item; /* [n] those that passed the lane's check */
    journal_op *op;
    uint32_t n;
} batch;

/* ---- on the writer thread ------------------------------------------------------------------------------------------ */

static journal_verb refuse(journal_change *c, sinter_status status, const char *field, const char *what)
{
    c->status = status;
    c->field = field;
    c->what = what;
    return JOURNAL_CHANGE_REFUSE;
}

static journal_verb change(void *ctx, journal_change *c)
{
    const one *x = ctx;
    const Sinter__V1__ItemUpdate *u = x->update;
    const Sinter__V1__FieldViolation *wrong = NULL;
    Sinter__V1__Item *item;
    bool conditional = u->if_sequence || x->condition;
    if (!c->before && (!u->upsert || conditional)) return refuse(c, SINTER_NOT_FOUND, "id", "there is no such item");
    if (u->if_sequence && u->if_sequence != c->sequence)
        return refuse(c, SINTER_CONFLICT, "if_sequence",
                      arena_printf(c->a, "the item's newest record is %llu", (unsigned long long)c->sequence));
    if (x->condition && !filter_test_item(x->condition, x->catalog, c->before))
        return refuse(c, SINTER_CONFLICT, "condition", "it does not hold for the item");
    if (catalog_update_item(x->catalog, u, c->before, c->a, &item, &wrong) != SINTER_OK)
        return refuse(c, SINTER_INVALID, wrong->field, wrong->description);
    c->item = message_bytes(&item->base, c->a);
    return JOURNAL_CHANGE_PUT;
}

/* What was wrong, in words; of a repeated write only its kind is known. */
static void tell(arena *a, uint32_t index, const journal_refusal *why, Sinter__V1__Rejected *r)
{
    char *field = arena_printf(a, "items[%u]%s%s", index, why->field ? "." : "", why->field ? why->field : "");
    r->violations = ARENA_ARRAY(a, Sinter__V1__FieldViolation *, 1);
    r->violations[r->n_violations++] =
        item_violation(a, field, arena_strdup(a, why->what ? why->what : "was refused when this write was first stored"));
}

static Sinter__V1__Rejected__Code code_of(sinter_status s)
{
    return s == SINTER_NOT_FOUND  ? SINTER__V1__REJECTED__CODE__CODE_UNKNOWN_ITEM
           : s == SINTER_CONFLICT ? SINTER__V1__REJECTED__CODE__CODE_CONFLICT
                                  : SINTER__V1__REJECTED__CODE__CODE_INVALID;
}

static void answer(batch *b, const journal_result *j)
{
    Sinter__V1__UpdateItemsResponse tail = SINTER__V1__UPDATE_ITEMS_RESPONSE__INIT;
    tail.accepted = j->applied;
    tail.sequence = j->applied ? j->sequence : 0;
    tail.repeated_write = j->repeated;
    tail.rejected = ARENA_ARRAY(b->a, Sinter__V1__Rejected *, j->n_refused + 1);
    for (uint32_t i = 0; i < j->n_refused; i++) {
        const journal_refusal *why = &j->refused[i];
        if (why->op >= b->n) continue; /* the id of another batch */
        const one *x = &b->item[why->op];
        Sinter__V1__Rejected *r = item_rejected(b->a, x->index, x->update->id, code_of(why->status));
        tell(b->a, x->index, why, r);
        tail.rejected[tail.n_rejected++] = r;
    }
    stream_answer(b->p, &tail.base);
}

static void stored(void *ctx, const journal_result *j)
{
    batch *b = ctx;
    call *c = b->p->c;
    if (j->status == SINTER_OK)
        answer(b, j);
    else
        stream_fail(b->p, j->status, j->error);
    arena_free(b->a);
    call_release(c);
}

/* ---- on a lane ------------------------------------------------------------------------------------------------------ */

static void reject(batch *b, Sinter__V1__UpdateItemsResponse *head, uint32_t index, const Sinter__V1__ItemUpdate *u,
                   Sinter__V1__FieldViolation **violations, size_t n)
{
    Sinter__V1__Rejected *r = item_rejected(b->a, index, u->id, SINTER__V1__REJECTED__CODE__CODE_INVALID);
    r->violations = violations;
    r->n_violations = n;
    head->rejected[head->n_rejected++] = r;
}

/* Many updates of a batch ask the same. */
static bool compile(batch *b, one *x, const char *prefix, Sinter__V1__FieldViolation **out)
{
    const char *text = x->update->condition;
    const one *before = b->n ? &b->item[b->n - 1] : NULL;
    sinter_error e = SINTER_ERROR_INIT;
    char line[1600];
    if (!*text) return true;
    if (before && strcmp(before->update->condition, text) == 0) {
        x->condition = before->condition;
        return true;
    }
    if (filter_compile(x->catalog, str_of(text), b->a, &x->condition, &e) == SINTER_OK) return true;
    *out = item_violation(b->a, arena_printf(b->a, "%s.condition", prefix), arena_strdup(b->a, error_line(&e, line, sizeof line)));
    return false;
}

static void check_items(batch *b, catalog_collection *catalog, const Sinter__V1__UpdateItemsRequest *q,
                        Sinter__V1__UpdateItemsResponse *head)
{
    b->item = ARENA_ARRAY(b->a, one, q->n_items + 1);
    b->op = ARENA_ARRAY(b->a, journal_op, q->n_items + 1);
    head->rejected = ARENA_ARRAY(b->a, Sinter__V1__Rejected *, q->n_items + 1);
    for (size_t i = 0; i < q->n_items; i++) {
        const Sinter__V1__ItemUpdate *u = q->items[i];
        Sinter__V1__FieldViolation **violations = ARENA_ARRAY(b->a, Sinter__V1__FieldViolation *, 1);
        size_t n = 1;
        char prefix[32];
        snprintf(prefix, sizeof prefix, "items[%zu]", i);
        one *x = &b->item[b->n];
        *x = (one){.update = u, .catalog = catalog, .index = (uint32_t)i};
        if (!compile(b, x, prefix, violations) ||
            catalog_check_update(catalog, u, prefix, b->a, &violations, &n) != SINTER_OK) {
            reject(b, head, (uint32_t)i, u, violations, n);
            continue;
        }
        b->op[b->n++] = (journal_op){.kind = JOURNAL_CHANGE,
                                     .collection = catalog_number(catalog),
                                     .id = str_of(u->id),
                                     .change = change,
                                     .change_ctx = x};
    }
}

/* The batch is the writer's when this returns OK and something was to be stored. */
static sinter_status store(worker *w, stream *s, batch *b, Sinter__V1__UpdateItemsResponse *head, const char *write_id,
                           sinter_error *e)
{
    call *c = b->p->c;
    head->request_id = request_id_make(b->a);
    stream_head(b->p, &head->base, b->n);
    if (!b->n) {
        Sinter__V1__UpdateItemsResponse tail = SINTER__V1__UPDATE_ITEMS_RESPONSE__INIT;
        stream_answer(b->p, &tail.base);
        arena_free(b->a);
        return SINTER_OK;
    }
    journal_write write = {.write_id = write_id_scope(w->memory, "update", s->collection, write_id),
                           .op = b->op,
                           .n = b->n,
                           .fence = UINT64_MAX};
    call_reference(c);
    sinter_status status = journal_append(engine_journal(w->s->engine), &write, stored, b, e);
    if (status == SINTER_OK) return SINTER_OK;
    call_release(c);
    arena_free(b->a);
    return status;
}

static sinter_status run(worker *w, call *c, stream *s, place *p, sinter_error *e)
{
    const view_collection *v;
    const Sinter__V1__UpdateItemsRequest *q;
    ProtobufCMessage *m = NULL;
    Sinter__V1__UpdateItemsResponse head = SINTER__V1__UPDATE_ITEMS_RESPONSE__INIT;
    arena *a = arena_new(1 << 14);
    batch *b = ARENA_NEW(a, batch);
    *b = (batch){.a = a, .p = p};
    sinter_status status = call_read(c, a, &m, e);
    q = (const Sinter__V1__UpdateItemsRequest *)m;
    if (status == SINTER_OK) status = stream_items_check(s, w, q->collection, q->write_id, q->n_items, &v, e);
    if (status != SINTER_OK) {
        arena_free(a);
        return status;
    }
    check_items(b, v->catalog, q, &head);
    return store(w, s, b, &head, q->write_id, e);
}

void update_run(worker *w, call *c, const ProtobufCMessage *request)
{
    stream *s = stream_of(c);
    if (!stream_goes_on(s, c, request)) return;
    sinter_error e = SINTER_ERROR_INIT;
    place *p = stream_take(s, c);
    sinter_status status = run(w, c, s, p, &e);
    if (status != SINTER_OK)
        stream_fail(p, status, &e);
    else
        stream_receive(s, c);
}
