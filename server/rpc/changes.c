/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AdminService: SwapPlugin, Rollback, ListSnapshots, Replay and ExplainMissing, all on the control thread. */
#include "server.h"

#include <sinter/v1/admin.pb-c.h>

void swap_control(server *s, call *c, const ProtobufCMessage *request, arena *a)
{
    const Sinter__V1__SwapPluginRequest *q = (const Sinter__V1__SwapPluginRequest *)request;
    sinter_error e = SINTER_ERROR_INIT;
    engine_changed x = {0};
    char line[1500];
    const engine_order o = {.who = q->who, .why = q->why, .dry_run = q->dry_run, .force = q->force};
    sinter_status status = order_check(q->who, q->why, &e);
    if (status == SINTER_OK) status = engine_swap(s->engine, q->plugin, q->file, &o, a, &x, &e);
    if (status != SINTER_OK) {
        atomic_fetch_add(&s->count.swaps_refused, 1);
        log_warn("swap.refused", "%s: %s", q->plugin, error_line(&e, line, sizeof line));
        call_fail(c, status, &e);
    } else {
        Sinter__V1__SwapPluginResponse r = SINTER__V1__SWAP_PLUGIN_RESPONSE__INIT;
        atomic_fetch_add(&s->count.swaps, !q->dry_run);
        r.request_id = request_id_make(a);
        r.plugin = q->plugin;
        r.sha256 = arena_strdup(a, x.sha256);
        r.snapshot = arena_strdup(a, x.snapshot);
        r.sequence = x.sequence;
        r.changes = text_lines(x.changes.data, a, &r.n_changes);
        r.rehearsal = x.rehearsal;
        r.answers = x.answer;
        r.n_answers = x.n_answers;
        call_reply(c, &r.base);
    }
    engine_changed_free(&x);
}

void rollback_control(server *s, call *c, const ProtobufCMessage *request, arena *a)
{
    const Sinter__V1__RollbackRequest *q = (const Sinter__V1__RollbackRequest *)request;
    sinter_error e = SINTER_ERROR_INIT;
    engine_changed x = {0};
    const engine_order o = {.who = q->who, .why = q->why, .dry_run = q->dry_run, .force = q->force};
    sinter_status status = order_check(q->who, q->why, &e);
    if (status == SINTER_OK && *q->snapshot && *q->model)
        status = error_set(&e, SINTER_INVALID, "model", "set one of them", "both snapshot and model are set");
    if (status == SINTER_OK)
        status = *q->model ? engine_rollback_model(s->engine, q->model, &o, a, &x, &e)
                           : engine_rollback(s->engine, q->snapshot, &o, a, &x, &e);
    if (status != SINTER_OK) {
        call_fail(c, status, &e);
    } else {
        Sinter__V1__RollbackResponse r = SINTER__V1__ROLLBACK_RESPONSE__INIT;
        r.request_id = request_id_make(a);
        r.snapshot = arena_strdup(a, x.snapshot);
        r.sequence = x.sequence;
        r.changes = text_lines(x.changes.data, a, &r.n_changes);
        r.rehearsal = x.rehearsal;
        call_reply(c, &r.base);
    }
    engine_changed_free(&x);
}

void snapshots_control(server *s, call *c, const ProtobufCMessage *request, arena *a)
{
    Sinter__V1__ListSnapshotsResponse r = SINTER__V1__LIST_SNAPSHOTS_RESPONSE__INIT;
    (void)request;
    engine_snapshots(s->engine, a, &r);
    r.request_id = request_id_make(a);
    call_reply(c, &r.base);
}

void replay_control(server *s, call *c, const ProtobufCMessage *request, arena *a)
{
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__ReplayResponse r = SINTER__V1__REPLAY_RESPONSE__INIT;
    sinter_status status = engine_replay(s->engine, (const Sinter__V1__ReplayRequest *)request, a, &r, &e);
    call_answer(c, status, &r.base, &e);
}

void missing_control(server *s, call *c, const ProtobufCMessage *request, arena *a)
{
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__ExplainMissingResponse r = SINTER__V1__EXPLAIN_MISSING_RESPONSE__INIT;
    sinter_status status = engine_missing(s->engine, (const Sinter__V1__ExplainMissingRequest *)request, a, &r, &e);
    r.request_id = request_id_make(a);
    call_answer(c, status, &r.base, &e);
}
