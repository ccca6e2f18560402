/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter reload`: asks a running server to read its configuration again. */
#include <string.h>

#include <sinter/v1/admin.pb-c.h>

#include "base/base.h"
#include "change_text.h"
#include "client.h"
#include "commands/commands.h"
#include "config/config.h"
#include "json/json.h"
#include "options.h"

int command_reload(int argc, char **argv); /* named in table.c */

typedef struct reload_arguments {
    const char *server, *config, *why, *who;
    uint64_t timeout_ns;
    bool dry_run, force, drop, json;
} reload_arguments;

#define AT(member) offsetof(reload_arguments, member)
static const option_row rows[] = {
    {"--dry-run", NULL, "check and rehearse only: say what would change, for recorded queries too", OPTION_FLAG, AT(dry_run)},
    {"--force", NULL, "whatever its agreement with the incumbent's order", OPTION_FLAG, AT(force)},
    {"--why", "TEXT", "kept in the record", OPTION_TEXT, AT(why)},
    {"--who", "NAME", "kept in the record (default: $USER)", OPTION_TEXT, AT(who)},
    {"--drop-collections", NULL, "let go of collections with items whose file is gone; the journal keeps them", OPTION_FLAG, AT(drop)},
    {"--json", NULL, "print the ReloadResponse as protobuf JSON", OPTION_FLAG, AT(json)},
    {"--timeout", "DURATION", "give up after this long (default 2m)", OPTION_DURATION, AT(timeout_ns)},
    {"--config", "CONFIG", "ask the server that this sinter.yaml is of; -c CONFIG means the same", OPTION_TEXT, AT(config)},
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(server)},
};

static void help(FILE *out)
{
    fputs("usage: sinter reload [OPTIONS]\n\n"
          "The server builds what its configuration files now say beside what runs, checks it, and changes over in one\n"
          "step. Where anything is wrong, it says so with file:line:column and goes on as before.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 reloaded (or would be), 1 failed, 2 usage, 3 server unreachable, 4 refused: nothing changed, 5 no such CONFIG\n", out);
}

static void print(const Sinter__V1__ReloadResponse *r, bool dry_run)
{
    printf("%s snapshot %s\n", dry_run ? "checked, not changed:" : "now serving", r->snapshot);
    for (size_t i = 0; i < r->n_changes; i++)
        printf("  %s\n", r->changes[i]);
    if (r->n_changes == 0) printf("  no changes\n");
    print_rehearsal(r->rehearsal);
    if (dry_run) print_answers(r->answers, r->n_answers);
}

static int reload(const reload_arguments *a)
{
    sinter_error e = SINTER_ERROR_INIT;
    client *c = NULL;
    ProtobufCMessage *answer = NULL;
    Sinter__V1__ReloadRequest request = SINTER__V1__RELOAD_REQUEST__INIT;
    request.dry_run = a->dry_run;
    request.drop_collections = a->drop;
    request.force = a->force;
    request.who = who_or_user(a->who);
    request.why = (char *)(uintptr_t)(a->why ? a->why : "");
    if (client_open(a->server, &c, &e) != SINTER_OK) return client_fail("reload", NULL, &e);
    sinter_status s = client_call(c, "sinter.v1.AdminService/Reload", &request.base,
                                  &sinter__v1__reload_response__descriptor, a->timeout_ns, &answer, &e);
    int code = s == SINTER_OK ? EXIT_OK : client_fail("reload", c, &e);
    if (s == SINTER_OK && a->json) json_print(answer);
    if (s == SINTER_OK && !a->json) print((const Sinter__V1__ReloadResponse *)answer, a->dry_run);
    if (answer) protobuf_c_message_free_unpacked(answer, NULL);
    client_close(c);
    return code;
}

/* With --config the server is the one that listens where the file says; what is wrong in the file is told before it is asked. */
static int reload_at(reload_arguments *a)
{
    config *c = NULL;
    char line[1600];
    sinter_error e = SINTER_ERROR_INIT;
    if (a->config && config_load(a->config, &c, &e) != SINTER_OK) {
        fprintf(stderr, "sinter reload: %s\n", error_line(&e, line, sizeof line));
        return e.status == SINTER_NOT_FOUND ? EXIT_ABSENT : EXIT_USAGE;
    }
    if (c && !a->server) a->server = c->server.listen;
    int code = reload(a);
    config_free(c);
    return code;
}

int command_reload(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    reload_arguments a = {.timeout_ns = UINT64_C(120000000000)};
    option_words w = {0};
    bool asked = false;
    options_short_config(argc, argv);
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &w, &asked, &e);
    if (s == SINTER_OK && !asked && w.n > 0)
        s = error_set(&e, SINTER_INVALID, w.word[0], "sinter reload --help lists the options", "not expected here");
    option_words_free(&w);
    if (s != SINTER_OK) return options_fail("reload", &e);
    if (!asked) return reload_at(&a);
    help(stdout);
    return EXIT_OK;
}
