/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SearchService.Suggest. */
#include "server.h"

#include <sinter/v1/search.pb-c.h>

void suggest_run(worker *w, call *c, const ProtobufCMessage *request)
{
    Sinter__V1__SuggestResponse *r = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    sinter_status status = pipeline_suggest(w->lane, (const Sinter__V1__SuggestRequest *)request, &r, &e);
    call_answer(c, status, (const ProtobufCMessage *)r, &e);
}
