/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter snapshots list | rollback`: what has served, and back to it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "change_text.h"
#include "client.h"
#include "commands/commands.h"
#include "json/json.h"
#include "options.h"

int command_snapshots(int argc, char **argv); /* named in table.c */

typedef struct snapshots_arguments {
    const char *server, *why, *who;
    uint64_t timeout_ns;
    bool dry_run, json;
} snapshots_arguments;

#define AT(member) offsetof(snapshots_arguments, member)
static const option_row rows[] = {
    {"--dry-run", NULL, "rollback: say what would change, and change nothing", OPTION_FLAG, AT(dry_run)},
    {"--why", "TEXT", "rollback: kept in the record", OPTION_TEXT, AT(why)},
    {"--who", "NAME", "rollback: kept in the record (default: $USER)", OPTION_TEXT, AT(who)},
    {"--json", NULL, "print the answer as protobuf JSON", OPTION_FLAG, AT(json)},
    {"--timeout", "DURATION", "give up after this long (default 2m)", OPTION_DURATION, AT(timeout_ns)},
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(server)},
};

static void help(FILE *out)
{
    fputs("usage: sinter snapshots [list] [OPTIONS]\n"
          "       sinter snapshots rollback [ID] [OPTIONS]\n\n"
          "  list      the newest changes: who, when, why, what; which snapshots are held; rehearsals and watches\n"
          "  rollback  makes one that is held serve again, at once; without an ID: the one that served before. It survives\n"
          "            restarts: what was rolled back, a configuration too, does not come back by itself.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 done, 1 failed, 2 usage, 3 server unreachable, 4 refused: nothing changed, 5 no such snapshot\n", out);
}

static void print_one(const Sinter__V1__SnapshotInfo *s)
{
    static const char *const states[] = {"", "running", "held", "rolled back", "gone"};
    char when[32] = "";
    if (s->time) time_format_ms(s->time->seconds * 1000, when);
    printf("%-22s %-12s %-9s %s%s%s%s%s\n", s->id, s->state < ARRAY_LEN(states) ? states[s->state] : "", s->kind, when,
           *s->who ? " by " : "", s->who, *s->why ? ": " : "", s->why);
    for (size_t i = 0; i < s->n_changes; i++) printf("    %s\n", s->changes[i]);
    if (s->rehearsal && s->rehearsal->requests)
        printf("    rehearsed on %u requests: %u failed, p99 %.2f ms (incumbent %.2f ms), agreement %.3f\n", s->rehearsal->requests,
               s->rehearsal->failed + s->rehearsal->not_finite, s->rehearsal->p99_ms, s->rehearsal->incumbent_p99_ms,
               s->rehearsal->agreement);
    print_watch("    ", s->watch);
}

static int list(client *c, const snapshots_arguments *a)
{
    sinter_error e = SINTER_ERROR_INIT;
    ProtobufCMessage *answer = NULL;
    Sinter__V1__ListSnapshotsRequest q = SINTER__V1__LIST_SNAPSHOTS_REQUEST__INIT;
    sinter_status s = client_call(c, "sinter.v1.AdminService/ListSnapshots", &q.base, &sinter__v1__list_snapshots_response__descriptor,
                                  a->timeout_ns, &answer, &e);
    const Sinter__V1__ListSnapshotsResponse *r = (const Sinter__V1__ListSnapshotsResponse *)answer;
    int code = s == SINTER_OK ? EXIT_OK : client_fail("snapshots", c, &e);
    if (s == SINTER_OK && a->json) json_print(answer);
    for (size_t i = 0; s == SINTER_OK && !a->json && i < r->n_snapshots; i++) print_one(r->snapshots[i]);
    if (answer) protobuf_c_message_free_unpacked(answer, NULL);
    return code;
}

static int rollback(client *c, const snapshots_arguments *a, const char *id)
{
    sinter_error e = SINTER_ERROR_INIT;
    ProtobufCMessage *answer = NULL;
    Sinter__V1__RollbackRequest q = SINTER__V1__ROLLBACK_REQUEST__INIT;
    q.snapshot = (char *)(uintptr_t)id;
    q.dry_run = a->dry_run;
    q.who = who_or_user(a->who);
    q.why = (char *)(uintptr_t)(a->why ? a->why : "");
    sinter_status s = client_call(c, "sinter.v1.AdminService/Rollback", &q.base, &sinter__v1__rollback_response__descriptor,
                                  a->timeout_ns, &answer, &e);
    const Sinter__V1__RollbackResponse *r = (const Sinter__V1__RollbackResponse *)answer;
    int code = s == SINTER_OK ? EXIT_OK : client_fail("snapshots", c, &e);
    if (s == SINTER_OK && a->json) json_print(answer);
    if (s == SINTER_OK && !a->json) {
        printf("%s snapshot %s\n", a->dry_run ? "would roll back; now serving" : "rolled back: now serving", r->snapshot);
        for (size_t i = 0; i < r->n_changes; i++) printf("  %s\n", r->changes[i]);
    }
    if (answer) protobuf_c_message_free_unpacked(answer, NULL);
    return code;
}

static sinter_status check_words(const option_words *w, sinter_error *e)
{
    static const char *const VERBS[] = {"list", "rollback"};
    static const char FIX[] = "sinter snapshots, or sinter snapshots rollback [ID]";
    if (!w->n) return SINTER_OK;
    bool back = strcmp(w->word[0], "rollback") == 0;
    if (!back && strcmp(w->word[0], "list") != 0) {
        const char *near = near_name(w->word[0], VERBS, ARRAY_LEN(VERBS));
        return error_set(e, SINTER_INVALID, w->word[0], near ? near : FIX, "neither list nor rollback");
    }
    if (w->n > (back ? 2u : 1u)) return error_set(e, SINTER_INVALID, w->word[0], FIX, back ? "one snapshot at most" : "no more words");
    return SINTER_OK;
}

int command_snapshots(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    snapshots_arguments a = {.timeout_ns = UINT64_C(120000000000)};
    option_words w = {0};
    bool asked = false;
    client *c = NULL;
    int code = EXIT_OK;
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &w, &asked, &e);
    if (s == SINTER_OK && !asked) s = check_words(&w, &e);
    if (s != SINTER_OK)
        code = options_fail("snapshots", &e);
    else if (asked)
        help(stdout);
    else if (client_open(a.server, &c, &e) != SINTER_OK)
        code = client_fail("snapshots", NULL, &e);
    else
        code = w.n && strcmp(w.word[0], "rollback") == 0 ? rollback(c, &a, w.n > 1 ? w.word[1] : "") : list(c, &a);
    if (c) client_close(c);
    option_words_free(&w);
    return code;
}
