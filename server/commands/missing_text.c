/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The call and the printer behind missing_text.h. */
#include "missing_text.h"

#include "json/json.h"
#include <sinter/v1/admin.pb-c.h>
#include <stdio.h>

static void print(const Sinter__V1__ExplainMissingResponse *r, const char *item)
{
    printf("%s: %s\n", item, r->reason);
    for (size_t i = 0; i < r->n_words; i++)
        printf("  word %-20s %s%s\n", r->words[i]->word, r->words[i]->matches ? "matches" : "does not match",
               r->words[i]->excluded ? " (excluded)" : "");
    if (r->recall_rank) printf("  by words number %llu of at most %u\n", (unsigned long long)r->recall_rank, r->recall_limit);
    for (size_t i = 0; i < r->n_stages; i++) {
        const Sinter__V1__StageFall *f = r->stages[i];
        printf("  %-20s %5u -> %u%s  score %.6g\n", f->stage, f->rank_before, f->rank_after,
               f->kept        ? ""
               : f->keep      ? " (not kept)"
                              : " (gone)",
               f->score);
    }
    printf("  %s%s, snapshot %s\n", *r->pipeline ? "pipeline " : "no pipeline", r->pipeline, r->snapshot);
}

int explain_missing(client *c, Sinter__V1__SearchRequest *request, const char *item, uint64_t timeout_ns, bool json)
{
    sinter_error e = SINTER_ERROR_INIT;
    ProtobufCMessage *answer = NULL;
    Sinter__V1__ExplainMissingRequest q = SINTER__V1__EXPLAIN_MISSING_REQUEST__INIT;
    q.request = request;
    q.item = (char *)(uintptr_t)item;
    sinter_status s = client_call(c, "sinter.v1.AdminService/ExplainMissing", &q.base, &sinter__v1__explain_missing_response__descriptor,
                                  timeout_ns, &answer, &e);
    int code = s == SINTER_OK ? EXIT_OK : client_fail("search", c, &e);
    if (s == SINTER_OK && json) json_print(answer);
    if (s == SINTER_OK && !json) print((const Sinter__V1__ExplainMissingResponse *)answer, item);
    if (answer) protobuf_c_message_free_unpacked(answer, NULL);
    return code;
}
