/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter replay REQUEST_ID`: a recorded request answered again. */
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "change_text.h"
#include "client.h"
#include "commands/commands.h"
#include "json/json.h"
#include "options.h"

int command_replay(int argc, char **argv); /* named in table.c */

typedef struct replay_arguments {
    const char *server, *snapshot, *pipeline, *explain;
    uint64_t timeout_ns;
    bool json;
} replay_arguments;

#define AT(member) offsetof(replay_arguments, member)
static const option_row rows[] = {
    {"--snapshot", "ID", "on another snapshot than its own, as `sinter snapshots` lists them", OPTION_TEXT, AT(snapshot)},
    {"--pipeline", "NAME", "through another pipeline than its own", OPTION_TEXT, AT(pipeline)},
    {"--explain", "full", "with each ranker's share (see --json); full: every feature", OPTION_CHOICE, AT(explain)},
    {"--json", NULL, "print the ReplayResponse as protobuf JSON", OPTION_FLAG, AT(json)},
    {"--timeout", "DURATION", "give up after this long (default 1m)", OPTION_DURATION, AT(timeout_ns)},
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(server)},
};

static void help(FILE *out)
{
    fputs("usage: sinter replay REQUEST_ID [OPTIONS]\n\n"
          "Answers a recorded request again from its logged candidates and features, and compares every score with the log: bit\n"
          "for bit on its own snapshot; on another one, the difference. A pipeline's `record:` is the share that is recorded.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 answered (the same or not), 1 failed, 2 usage, 3 server unreachable, 4 refused, 5 no such request\n", out);
}

static void print(const Sinter__V1__ReplayResponse *r)
{
    char when[32] = "";
    if (r->time) time_format_ms(r->time->seconds * 1000, when);
    printf("request %s of %s, answered by snapshot %s, again by %s: %s\n", r->request_id, when, r->own_snapshot, r->snapshot,
           r->identical ? "bit for bit the same" : "not the same");
    for (size_t i = 0; i < r->n_differences; i++) printf("  %s\n", r->differences[i]);
    for (size_t i = 0; i < r->n_items; i++) print_moved(r->items[i]);
    for (size_t i = 0; i < r->n_notes; i++) printf("  note: %s\n", r->notes[i]);
    for (size_t i = 0; r->response && i < r->response->n_hits; i++)
        printf("%3zu  %-40s %.6g\n", i + 1, r->response->hits[i]->id, r->response->hits[i]->score);
}

static int replay(const replay_arguments *a, const char *id)
{
    sinter_error e = SINTER_ERROR_INIT;
    client *c = NULL;
    ProtobufCMessage *answer = NULL;
    Sinter__V1__ReplayRequest q = SINTER__V1__REPLAY_REQUEST__INIT;
    q.request_id = (char *)(uintptr_t)id;
    q.snapshot = (char *)(uintptr_t)(a->snapshot ? a->snapshot : "");
    q.pipeline = (char *)(uintptr_t)(a->pipeline ? a->pipeline : "");
    if (a->explain) q.explain = *a->explain ? SINTER__V1__EXPLAIN__EXPLAIN_FULL : SINTER__V1__EXPLAIN__EXPLAIN_SCORES;
    if (client_open(a->server, &c, &e) != SINTER_OK) return client_fail("replay", NULL, &e);
    sinter_status s = client_call(c, "sinter.v1.AdminService/Replay", &q.base, &sinter__v1__replay_response__descriptor, a->timeout_ns,
                                  &answer, &e);
    int code = s == SINTER_OK ? EXIT_OK : client_fail("replay", c, &e);
    if (s == SINTER_OK && a->json) json_print(answer);
    if (s == SINTER_OK && !a->json) print((const Sinter__V1__ReplayResponse *)answer);
    if (answer) protobuf_c_message_free_unpacked(answer, NULL);
    client_close(c);
    return code;
}

int command_replay(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    replay_arguments a = {.timeout_ns = UINT64_C(60000000000)};
    option_words w = {0};
    bool asked = false;
    int code = EXIT_OK;
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &w, &asked, &e);
    if (s == SINTER_OK && !asked && w.n != 1)
        s = error_set(&e, SINTER_INVALID, NULL, "sinter replay REQUEST_ID", w.n ? "one request at a time" : "which request?");
    if (s == SINTER_OK && a.explain && *a.explain && strcmp(a.explain, "full") != 0)
        s = error_set(&e, SINTER_INVALID, "--explain", "write --explain or --explain=full", "'%s' is not a level", a.explain);
    if (s != SINTER_OK)
        code = options_fail("replay", &e);
    else if (asked)
        help(stdout);
    else
        code = replay(&a, w.word[0]);
    option_words_free(&w);
    return code;
}
