/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CatalogService.DeleteItems: by ids or ordinals one write to the journal, answered by its writer; by filter, in
 * delete_filter.c. */
#include "server.h"

#include <stdlib.h>
#include <string.h>

#define MOST_IDS      10000u
#define MOST_ORDINALS 1000000u

typedef Sinter__V1__DeleteItemsRequest delete_request;

/* A delete under way. */
typedef struct under_way {
    call *c;
    uint32_t unknown; /* before the journal was asked */
} under_way;

/* On the writer thread. */
static void deleted(void *ctx, const journal_result *j)
{
    under_way u = *(under_way *)ctx;
    call *c = u.c;
    char id[37];
    free(ctx);
    if (j->status == SINTER_OK) {
        Sinter__V1__DeleteItemsResponse r = SINTER__V1__DELETE_ITEMS_RESPONSE__INIT;
        uuid_make(id);
        r.request_id = id;
        r.deleted = j->applied;
        r.unknown = j->unknown + u.unknown;
        r.sequence = j->sequence;
        r.repeated_write = j->repeated;
        call_reply(c, &r.base);
    } else {
        call_fail(c, j->status, j->error);
    }
    call_release(c);
}

static sinter_status check(worker *w, const delete_request *q, const view_collection **v, sinter_error *e)
{
    int ways = (q->n_ids > 0) + (*q->filter != 0) + (q->all != 0) + (q->n_ordinals > 0);
    sinter_status status = collection_find(w, q->collection, v, e);
    if (status == SINTER_OK) status = ids_check(q->ids, q->n_ids, MOST_IDS, "ids", e);
    if (status == SINTER_OK && *q->write_id) status = ids_check(&q->write_id, 1, 1, "write_id", e);
    if (status == SINTER_OK && q->n_ordinals > MOST_ORDINALS)
        status = error_set(e, SINTER_INVALID, "ordinals", "send them in several requests", "%zu ordinals; at most %u fit",
                           q->n_ordinals, MOST_ORDINALS);
    if (status == SINTER_OK && !ways)
        status = error_set(e, SINTER_INVALID, "ids", "name ids, a filter, or ordinals; `all` means every item",
                           "nothing says what to delete");
    if (status == SINTER_OK && ways > 1)
        status = error_set(e, SINTER_INVALID, "filter", "set one of ids, filter, all and ordinals",
                           "several things say what to delete");
    return status;
}

/* The id of an item that may be too new for the views. NULL: it does not live. */
static const char *id_of(worker *w, const view_collection *v, uint32_t ordinal)
{
    uint64_t sequence;
    Sinter__V1__Item *item;
    size_t len;
    const char *id = catalog_item_id(v->catalog, ordinal, &len);
    if (id) return id;
    if (journal_ordinal(pipeline_lane_journal(w->lane), catalog_number(v->catalog), ordinal, &sequence, NULL)) return NULL;
    return item_read(w, sequence, &item, NULL) == SINTER_OK ? item->id : NULL;
}

/* Ordinals whose items are long gone make no op: *unknown counts them. */
static journal_op *ops_of(worker *w, const view_collection *v, const delete_request *q, uint32_t *n, uint32_t *unknown)
{
    size_t most = q->n_ids + q->n_ordinals;
    journal_op *op = ARENA_ARRAY(w->memory, journal_op, most);
    for (size_t i = 0; i < q->n_ids; i++) op[(*n)++].id = str_of(q->ids[i]);
    for (size_t i = 0; i < q->n_ordinals; i++) {
        const char *id = q->ordinals[i] == UINT32_MAX ? NULL : id_of(w, v, q->ordinals[i]);
        if (!id) {
            ++*unknown;
            continue;
        }
        op[*n].only_ordinal = q->ordinals[i] + 1;
        op[(*n)++].id = str_of(id);
    }
    for (uint32_t i = 0; i < *n; i++) {
        op[i].kind = JOURNAL_DELETE;
        op[i].collection = catalog_number(v->catalog);
    }
    return op;
}

/* What a write of these would be answered. */
static void count(worker *w, call *c, const journal_op *op, uint32_t n, uint32_t unknown)
{
    Sinter__V1__DeleteItemsResponse r = SINTER__V1__DELETE_ITEMS_RESPONSE__INIT;
    r.request_id = request_id_make(w->memory);
    r.unknown = unknown;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t ordinal;
        bool there = journal_item(pipeline_lane_journal(w->lane), op[i].collection, op[i].id, &ordinal, NULL, NULL) == SINTER_OK &&
                     (!op[i].only_ordinal || op[i].only_ordinal == ordinal + 1);
        ++*(there ? &r.deleted : &r.unknown);
    }
    call_reply(c, &r.base);
}

void delete_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const delete_request *q = (const delete_request *)request;
    const view_collection *v;
    uint32_t n = 0, unknown = 0;
    sinter_error e = SINTER_ERROR_INIT;
    sinter_status status = check(w, q, &v, &e);
    if (status == SINTER_OK && (*q->filter || q->all)) {
        sweep_run(w, c, q, v);
        return;
    }
    if (status == SINTER_OK) {
        journal_op *op = ops_of(w, v, q, &n, &unknown);
        if (q->dry_run || !n) {
            count(w, c, op, n, unknown);
            return;
        }
        journal_write write = {.write_id = write_id_scope(w->memory, "delete", q->collection, q->write_id),
                               .op = op,
                               .n = n,
                               .fence = UINT64_MAX};
        under_way *u = xmalloc(sizeof *u);
        *u = (under_way){c, unknown};
        call_reference(c);
        status = journal_append(engine_journal(w->s->engine), &write, deleted, u, &e);
        if (status != SINTER_OK) call_release(c);
        if (status != SINTER_OK) free(u);
    }
    if (status != SINTER_OK) call_fail(c, status, &e);
}
