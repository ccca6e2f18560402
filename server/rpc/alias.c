/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CatalogService.SetAlias, on the control thread. */
#include "server.h"

void set_alias_control(server *s, call *c, const ProtobufCMessage *request, arena *a)
{
    const Sinter__V1__SetAliasRequest *q = (const Sinter__V1__SetAliasRequest *)request;
    sinter_error e = SINTER_ERROR_INIT;
    engine_changed x = {0};
    const engine_order o = {.who = q->who, .why = q->why, .dry_run = q->dry_run};
    sinter_status status = order_check(q->who, q->why, &e);
    if (status == SINTER_OK) status = engine_set_alias(s->engine, q->alias, q->collection, &o, a, &x, &e);
    if (status == SINTER_OK) {
        Sinter__V1__SetAliasResponse r = SINTER__V1__SET_ALIAS_RESPONSE__INIT;
        r.request_id = request_id_make(a);
        r.sequence = x.sequence;
        r.snapshot = arena_strdup(a, x.snapshot);
        r.changes = text_lines(x.changes.data, a, &r.n_changes);
        call_reply(c, &r.base);
    } else {
        call_fail(c, status, &e);
    }
    engine_changed_free(&x);
}
