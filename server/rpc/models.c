/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AdminService: DeployModel and ListModels, which the control thread carries out: both read whole model directories. */
#include "server.h"

#include <sinter/v1/admin.pb-c.h>

void deploy_control(server *s, call *c, const ProtobufCMessage *request, arena *a)
{
    const Sinter__V1__DeployModelRequest *q = (const Sinter__V1__DeployModelRequest *)request;
    sinter_error e = SINTER_ERROR_INIT;
    engine_changed x = {0};
    char line[1500];
    const engine_order o = {.who = q->who, .why = q->why, .dry_run = q->dry_run, .force = q->force};
    sinter_status status = order_check(q->who, q->why, &e);
    if (status == SINTER_OK) status = engine_deploy(s->engine, q->model, &o, a, &x, &e);
    if (status != SINTER_OK) {
        log_warn("model.refused", "%s: %s", q->model, error_line(&e, line, sizeof line));
        call_fail(c, status, &e);
    } else {
        Sinter__V1__DeployModelResponse r = SINTER__V1__DEPLOY_MODEL_RESPONSE__INIT;
        r.request_id = request_id_make(a);
        r.model = q->model;
        r.sequence = x.sequence;
        r.golden_cases = x.golden_cases;
        r.snapshot = arena_strdup(a, x.snapshot);
        r.changes = text_lines(x.changes.data, a, &r.n_changes);
        r.rehearsal = x.rehearsal;
        r.answers = x.answer;
        r.n_answers = x.n_answers;
        call_reply(c, &r.base);
    }
    engine_changed_free(&x);
}

void models_control(server *s, call *c, const ProtobufCMessage *request, arena *a)
{
    const Sinter__V1__ListModelsRequest *q = (const Sinter__V1__ListModelsRequest *)request;
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__ListModelsResponse r = SINTER__V1__LIST_MODELS_RESPONSE__INIT;
    sinter_status status = engine_models(s->engine, q->name, a, &r, &e);
    r.request_id = request_id_make(a);
    call_answer(c, status, &r.base, &e);
}
