/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter collection copy`: a collection built beside another, filled from it while it is written to, and put in its place. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <sinter/v1/catalog.pb-c.h>

#include "base/base.h"
#include "client.h"
#include "commands/commands.h"
#include "json/json.h"
#include "options.h"
#include "progress.h"

int command_collection(int argc, char **argv); /* named in table.c */

typedef Sinter__V1__CopyCollectionResponse copy_response;
#define DONE SINTER__V1__COPY_COLLECTION_RESPONSE__PHASE__PHASE_DONE

typedef struct copy_arguments {
    const char *server, *alias, *who, *why;
    bool follow, restart, without_events, quiet, json;
} copy_arguments;

#define AT(member) offsetof(copy_arguments, member)
static const option_row rows[] = {
    {"--alias", "NAME", "when the copy has caught up, point NAME at it in one step, and end", OPTION_TEXT, AT(alias)},
    {"--follow", NULL, "go on following what is written to SOURCE until interrupted", OPTION_FLAG, AT(follow)},
    {"--restart", NULL, "from the first item again, whatever an earlier copy has done", OPTION_FLAG, AT(restart)},
    {"--without-events", NULL, "items only: what people did is not copied", OPTION_FLAG, AT(without_events)},
    {"--who", "NAME", "kept in the alias' record", OPTION_TEXT, AT(who)},
    {"--why", "TEXT", "kept in the alias' record", OPTION_TEXT, AT(why)},
    {"--quiet", NULL, "no progress", OPTION_FLAG, AT(quiet)},
    {"--json", NULL, "print the last CopyCollectionResponse as protobuf JSON", OPTION_FLAG, AT(json)},
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(server)},
};

static void help(FILE *out)
{
    fputs("usage: sinter collection copy SOURCE DESTINATION [OPTIONS]\n\n"
          "Copies items and events into a collection that is declared beside it, with other fields, groups or languages, and\n"
          "follows what is written to SOURCE meanwhile. The server does the work and remembers how far it came: the same\n"
          "command goes on after an interruption. With --alias writes are held for an instant at the end, so that none is\n"
          "lost: from then on NAME means DESTINATION, in every request and every pipeline.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 done; 1 failed; 2 usage; 3 server unreachable; 4 refused by the server, or DESTINATION refused some items;\n"
          "5 no such collection\n",
          out);
}

/* ---- the run ---- */

static void show(const copy_arguments *a, const copy_response *r, uint64_t from_ns)
{
    for (size_t i = 0; i < r->n_rejected; i++) {
        const Sinter__V1__Rejected *x = r->rejected[i];
        fprintf(stderr, "%s%s: %s: %s\n", a->quiet ? "" : "\r\033[K", x->id, x->n_violations ? x->violations[0]->field : "",
                x->n_violations ? x->violations[0]->description : "refused");
    }
    if (a->quiet || r->phase == DONE) return;
    double share = r->total ? (double)r->items / (double)r->total : 1;
    progress_draw(share < 1 ? share : 1, r->items + r->events, "items and events", (double)(clock_mono_ns() - from_ns) / 1e9);
    if (r->behind) fprintf(stderr, ", %" PRIu64 " records behind", r->behind);
}

static void sum_up(const copy_arguments *a, const option_words *w, const copy_response *r)
{
    for (size_t i = 0; i < r->n_left_out; i++)
        fprintf(stderr, "%s%s%s", i ? ", " : "left out, the destination declares no such field: ", r->left_out[i], i + 1 == r->n_left_out ? "\n" : "");
    if (a->json) {
        json_print(&r->base);
        return;
    }
    printf("%s holds %s up to sequence %" PRIu64 ": %" PRIu64 " items put, %" PRIu64 " deleted, %" PRIu64 " events, %" PRIu64 " refused%s\n",
           w->word[2], w->word[1], r->sequence, r->items, r->deleted, r->events, r->refused, r->resumed ? "; an earlier copy went on" : "");
    for (size_t i = 0; i < r->n_changes; i++) printf("  %s\n", r->changes[i]);
}

/* The alias is checked first: hours of copying for a pipeline that does not fit would be a pity. */
static sinter_status try_alias(client *c, const copy_arguments *a, const char *collection, sinter_error *e)
{
    ProtobufCMessage *answer = NULL;
    Sinter__V1__SetAliasRequest q = SINTER__V1__SET_ALIAS_REQUEST__INIT;
    if (!a->alias) return SINTER_OK;
    q.alias = (char *)(uintptr_t)a->alias;
    q.collection = (char *)(uintptr_t)collection;
    q.dry_run = true;
    sinter_status s = client_call(c, "sinter.v1.CatalogService/SetAlias", &q.base, &sinter__v1__set_alias_response__descriptor,
                                  UINT64_C(120000000000), &answer, e);
    if (answer) protobuf_c_message_free_unpacked(answer, NULL);
    return s;
}

static sinter_status begin(client *c, const copy_arguments *a, const option_words *w, client_stream **out, sinter_error *e)
{
    Sinter__V1__CopyCollectionRequest q = SINTER__V1__COPY_COLLECTION_REQUEST__INIT;
    q.source = (char *)(uintptr_t)w->word[1];
    q.destination = (char *)(uintptr_t)w->word[2];
    if (a->alias) q.alias = (char *)(uintptr_t)a->alias;
    if (a->who) q.who = (char *)(uintptr_t)a->who;
    if (a->why) q.why = (char *)(uintptr_t)a->why;
    q.follow = a->follow;
    q.restart = a->restart;
    q.without_events = a->without_events;
    sinter_status s = try_alias(c, a, w->word[2], e);
    if (s == SINTER_OK)
        s = client_stream_open(c, "sinter.v1.CatalogService/CopyCollection", &sinter__v1__copy_collection_response__descriptor,
                               CLIENT_NO_TIMEOUT, out, e);
    if (s == SINTER_OK) s = client_stream_send(*out, &q.base, e);
    return s == SINTER_OK ? client_stream_finish_sending(*out, e) : s;
}

static int copy(const copy_arguments *a, const option_words *w)
{
    sinter_error e = SINTER_ERROR_INIT;
    client *c = NULL;
    client_stream *stream = NULL;
    uint64_t refused = 0, from = clock_mono_ns();
    bool done = false;
    if (client_open(a->server, &c, &e) != SINTER_OK) return client_fail("collection copy", NULL, &e);
    sinter_status s = begin(c, a, w, &stream, &e);
    for (ProtobufCMessage *m = NULL; s == SINTER_OK && !done;) {
        s = client_stream_receive(stream, &m, &e);
        if (s != SINTER_OK || !m) break;
        const copy_response *r = (const copy_response *)m;
        show(a, r, from);
        refused = r->refused;
        done = r->phase == DONE;
        if (done && !a->quiet) fputs("\r\033[K", stderr);
        if (done) sum_up(a, w, r);
        protobuf_c_message_free_unpacked(m, NULL);
    }
    if (s == SINTER_OK && !done) s = error_set(&e, SINTER_UNAVAILABLE, NULL, "give the command again: it goes on", "the server ended the copy");
    int code = s != SINTER_OK ? client_fail("collection copy", c, &e) : refused ? EXIT_REFUSED : EXIT_OK;
    client_stream_close(stream);
    client_close(c);
    return code;
}

static sinter_status check(const copy_arguments *a, const option_words *w, sinter_error *e)
{
    const char *see = "sinter collection --help says more";
    if (!w->n || strcmp(w->word[0], "copy") != 0) return error_set(e, SINTER_INVALID, w->n ? w->word[0] : "ACTION", see, "the action is copy");
    if (w->n != 3) return error_set(e, SINTER_INVALID, "copy", see, "it takes SOURCE and DESTINATION");
    if (a->alias && a->follow) return error_set(e, SINTER_INVALID, "--follow", see, "with --alias the copy ends when it has caught up");
    return SINTER_OK;
}

int command_collection(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    copy_arguments a = {.quiet = false};
    option_words w = {0};
    bool asked = false;
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &w, &asked, &e);
    if (s == SINTER_OK && !asked) s = check(&a, &w, &e);
    a.quiet |= !isatty(STDERR_FILENO);
    int code = EXIT_OK;
    if (s != SINTER_OK)
        code = options_fail("collection", &e);
    else if (asked)
        help(stdout);
    else
        code = copy(&a, &w);
    option_words_free(&w);
    return code;
}
