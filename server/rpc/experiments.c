/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AdminService: experiments listed, reported, stopped and started. On the control thread: sums over all units take moments, a
 * record waits for the disk. */
#include "server.h"

#include <sinter/v1/admin.pb-c.h>

static const config *running(server *s)
{
    return snapshot_config(engine_snapshot(s->engine));
}

void report_control(server *s, call *c, const ProtobufCMessage *request, arena *a)
{
    const Sinter__V1__GetExperimentReportRequest *q = (const Sinter__V1__GetExperimentReportRequest *)request;
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__GetExperimentReportResponse r = SINTER__V1__GET_EXPERIMENT_REPORT_RESPONSE__INIT;
    sinter_status status = experiments_report(s->experiments, running(s), q->experiment, q->lift, a, &r, &e);
    r.request_id = request_id_make(a);
    call_answer(c, status, &r.base, &e);
}

void experiments_control(server *s, call *c, const ProtobufCMessage *request, arena *a)
{
    (void)request;
    Sinter__V1__ListExperimentsResponse r = SINTER__V1__LIST_EXPERIMENTS_RESPONSE__INIT;
    experiments_list(s->experiments, running(s), a, &r.experiments, &r.n_experiments);
    r.request_id = request_id_make(a);
    call_reply(c, &r.base);
}

void stop_experiment_control(server *s, call *c, const ProtobufCMessage *request, arena *a)
{
    const Sinter__V1__StopExperimentRequest *q = (const Sinter__V1__StopExperimentRequest *)request;
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__StopExperimentResponse r = SINTER__V1__STOP_EXPERIMENT_RESPONSE__INIT;
    const arms_order o = {.arm = q->arm, .who = q->who, .why = q->why};
    sinter_status status = order_check(q->who, q->why, &e);
    if (status == SINTER_OK) status = experiments_stop(s->experiments, running(s), q->experiment, &o, a, &r.sequence, &r.experiment, &e);
    r.request_id = request_id_make(a);
    call_answer(c, status, &r.base, &e);
}

void start_experiment_control(server *s, call *c, const ProtobufCMessage *request, arena *a)
{
    const Sinter__V1__StartExperimentRequest *q = (const Sinter__V1__StartExperimentRequest *)request;
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__StartExperimentResponse r = SINTER__V1__START_EXPERIMENT_RESPONSE__INIT;
    const arms_order o = {.arm = q->arm, .who = q->who, .why = q->why};
    sinter_status status = order_check(q->who, q->why, &e);
    if (status == SINTER_OK) status = experiments_resume(s->experiments, running(s), q->experiment, &o, a, &r.sequence, &r.experiment, &e);
    r.request_id = request_id_make(a);
    call_answer(c, status, &r.base, &e);
}
