/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AdminService.DeployModel from the shell. */
#include "deploy_model.h"

#include <stdio.h>

#include "change_text.h"
#include "json/json.h"
#include <sinter/v1/admin.pb-c.h>

static void print(const deploy_order *o, const Sinter__V1__DeployModelResponse *r)
{
    if (o->dry_run)
        printf("%s can be deployed; nothing was changed\n", r->model);
    else
        printf("deployed %s: record %llu, snapshot %s\n", r->model, (unsigned long long)r->sequence, r->snapshot);
    if (o->tell_golden) printf("  %u golden cases hold\n", r->golden_cases);
    for (size_t i = 0; i < r->n_changes; i++) printf("  %s\n", r->changes[i]);
    print_rehearsal(r->rehearsal);
    if (o->dry_run) print_answers(r->answers, r->n_answers);
}

int deploy_model(client *c, const deploy_order *o)
{
    sinter_error e = SINTER_ERROR_INIT;
    ProtobufCMessage *answer = NULL;
    Sinter__V1__DeployModelRequest q = SINTER__V1__DEPLOY_MODEL_REQUEST__INIT;
    q.model = (char *)(uintptr_t)o->model;
    q.dry_run = o->dry_run;
    q.force = o->force;
    q.who = who_or_user(o->who);
    q.why = (char *)(uintptr_t)(o->why ? o->why : "");
    sinter_status s = client_call(c, "sinter.v1.AdminService/DeployModel", &q.base,
                                  &sinter__v1__deploy_model_response__descriptor, o->timeout_ns, &answer, &e);
    int code = s == SINTER_OK ? EXIT_OK : client_fail(o->command, c, &e);
    if (s == SINTER_OK && o->json) json_print(answer);
    if (s == SINTER_OK && !o->json) print(o, (const Sinter__V1__DeployModelResponse *)answer);
    if (answer) protobuf_c_message_free_unpacked(answer, NULL);
    return code;
}
