/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AdminService: DeployModel and ListModels, which the control thread carries out: both read whole model directories. */
#include "server.h"

#include <sinter/v1/admin.pb-c.h>
#include <stdlib.h>
#include <string.h>

/* The request, copied: the lane's memory is gone when the control thread comes to it. */
typedef struct asked {
    char *name, *who, *why;
    bool dry_run;
} asked;

static void hand_over(worker *w, call *c, const char *name, const char *who, const char *why, bool dry_run)
{
    asked *a = xmalloc(sizeof *a);
    *a = (asked){xstrdup(name ? name : ""), xstrdup(who ? who : ""), xstrdup(why ? why : ""), dry_run};
    c->state = a;
    call_reference(c);
    queue_push(&w->s->control_queue, c);
}

void models_dispose(void *state)
{
    asked *a = state;
    free(a->name);
    free(a->who);
    free(a->why);
    free(a);
}

void deploy_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const Sinter__V1__DeployModelRequest *q = (const Sinter__V1__DeployModelRequest *)request;
    sinter_error e = SINTER_ERROR_INIT;
    const char *problem = strlen(q->who) > 256 ? "who" : strlen(q->why) > 4096 ? "why" : NULL;
    if (problem) {
        error_set(&e, SINTER_INVALID, problem, "at most 256 bytes for who, 4096 for why", "too long");
        call_fail(c, SINTER_INVALID, &e);
        return;
    }
    hand_over(w, c, q->model, q->who, q->why, q->dry_run);
}

void models_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const Sinter__V1__ListModelsRequest *q = (const Sinter__V1__ListModelsRequest *)request;
    hand_over(w, c, q->name, "", "", false);
}

void deploy_control(server *s, call *c)
{
    const asked *q = c->state;
    sinter_error e = SINTER_ERROR_INIT;
    buffer changes = {0};
    engine_deployed done;
    char line[1500];
    sinter_status status = engine_deploy(s->engine, q->name, q->who, q->why, q->dry_run, &changes, &done, &e);
    if (status != SINTER_OK) {
        log_warn("model.refused", "%s: %s", q->name, error_line(&e, line, sizeof line));
        call_fail(c, status, &e);
    } else {
        arena *a = arena_new(4096);
        Sinter__V1__DeployModelResponse r = SINTER__V1__DEPLOY_MODEL_RESPONSE__INIT;
        r.request_id = request_id_make(a);
        r.model = q->name;
        r.sequence = done.sequence;
        r.golden_cases = done.golden_cases;
        r.snapshot = arena_strdup(a, snapshot_id(engine_snapshot(s->engine)));
        r.changes = lines_of(changes.data, a, &r.n_changes);
        call_reply(c, &r.base);
        arena_free(a);
    }
    buffer_free(&changes);
}

void models_control(server *s, call *c)
{
    const asked *q = c->state;
    sinter_error e = SINTER_ERROR_INIT;
    arena *a = arena_new(1 << 16);
    Sinter__V1__ListModelsResponse r = SINTER__V1__LIST_MODELS_RESPONSE__INIT;
    sinter_status status = engine_models(s->engine, q->name, a, &r, &e);
    r.request_id = request_id_make(a);
    if (status == SINTER_OK)
        call_reply(c, &r.base);
    else
        call_fail(c, status, &e);
    arena_free(a);
}
