/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CatalogService.DeleteItems: one write to the journal, answered by its writer. */
#include "server.h"

#include <string.h>

#define MOST_IDS 10000u

/* On the writer thread. */
static void deleted(void *ctx, const journal_result *j)
{
    call *c = ctx;
    char id[37];
    if (j->status == SINTER_OK) {
        Sinter__V1__DeleteItemsResponse r = SINTER__V1__DELETE_ITEMS_RESPONSE__INIT;
        uuid_make(id);
        r.request_id = id;
        r.deleted = j->applied;
        r.unknown = j->unknown;
        r.sequence = j->sequence;
        r.repeated_write = j->repeated;
        call_reply(c, &r.base);
    } else {
        call_fail(c, j->status, j->error);
    }
    call_release(c);
}

static sinter_status check(worker *w, const Sinter__V1__DeleteItemsRequest *q, const view_collection **v,
                           sinter_error *e)
{
    if (*q->filter)
        return error_set(e, SINTER_UNIMPLEMENTED, "filter", "delete by ids", "DeleteItems by filter is not built yet");
    sinter_status status = collection_find(w, q->collection, v, e);
    if (status == SINTER_OK) status = ids_check(q->ids, q->n_ids, MOST_IDS, "ids", e);
    if (status == SINTER_OK && *q->write_id) status = ids_check(&q->write_id, 1, 1, "write_id", e);
    if (status == SINTER_OK && !q->n_ids)
        status = error_set(e, SINTER_INVALID, "ids", "name the items to delete", "no ids");
    return status;
}

void delete_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const Sinter__V1__DeleteItemsRequest *q = (const Sinter__V1__DeleteItemsRequest *)request;
    const view_collection *v;
    sinter_error e = SINTER_ERROR_INIT;
    sinter_status status = check(w, q, &v, &e);
    if (status == SINTER_OK) {
        journal_op *op = ARENA_ARRAY(w->memory, journal_op, q->n_ids);
        for (size_t i = 0; i < q->n_ids; i++)
            op[i] =
                (journal_op){.kind = JOURNAL_DELETE, .collection = catalog_number(v->catalog), .id = str_of(q->ids[i])};
        journal_write write = {.write_id = write_id_scope(w->memory, "delete", q->collection, q->write_id),
                               .op = op,
                               .n = (uint32_t)q->n_ids,
                               .fence = UINT64_MAX};
        call_reference(c);
        status = journal_append(engine_journal(w->s->engine), &write, deleted, c, &e);
        if (status != SINTER_OK) call_release(c);
    }
    if (status != SINTER_OK) call_fail(c, status, &e);
}
