/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AdminService.SwapPlugin from the shell. */
#include "plugin_swap.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "change_text.h"
#include "client.h"
#include "commands/commands.h"
#include "json/json.h"
#include "options.h"

typedef struct swap_arguments {
    const char *server, *why, *who;
    uint64_t timeout_ns;
    bool dry_run, force, json;
} swap_arguments;

#define AT(member) offsetof(swap_arguments, member)
static const option_row rows[] = {
    {"--dry-run", NULL, "build, check and rehearse; say which recorded queries' first ten would change, and how", OPTION_FLAG, AT(dry_run)},
    {"--force", NULL, "whatever its agreement with the incumbent's order", OPTION_FLAG, AT(force)},
    {"--why", "TEXT", "kept in the record", OPTION_TEXT, AT(why)},
    {"--who", "NAME", "kept in the record (default: $USER)", OPTION_TEXT, AT(who)},
    {"--json", NULL, "print the SwapPluginResponse as protobuf JSON", OPTION_FLAG, AT(json)},
    {"--timeout", "DURATION", "give up after this long (default 2m)", OPTION_DURATION, AT(timeout_ns)},
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(server)},
};

static void help(FILE *out)
{
    fputs("usage: sinter plugin swap NAME [FILE.so] [OPTIONS]\n\n"
          "Has a running server take another build of a plugin for all of its uses, while requests are answered: a snapshot is built\n"
          "beside the one that serves, rehearsed on recorded requests, written down, published in one step, and watched. Where\n"
          "anything is wrong it says so and goes on as before. FILE is on the server's machine; without it: the file that the\n"
          "configuration names, again. The build is kept, and serves after a restart too.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 swapped (or would be), 1 failed, 2 usage, 3 server unreachable, 4 refused: nothing changed, 5 no such plugin\n", out);
}

static void print(const Sinter__V1__SwapPluginResponse *r, bool dry_run)
{
    if (dry_run)
        printf("%s can take the build %.12s; nothing was changed\n", r->plugin, r->sha256);
    else
        printf("swapped %s: build %.12s, record %llu, snapshot %s\n", r->plugin, r->sha256, (unsigned long long)r->sequence, r->snapshot);
    for (size_t i = 0; i < r->n_changes; i++) printf("  %s\n", r->changes[i]);
    print_rehearsal(r->rehearsal);
    if (dry_run) print_answers(r->answers, r->n_answers);
}

static int swap(const swap_arguments *a, const char *plugin, const char *file)
{
    sinter_error e = SINTER_ERROR_INIT;
    client *c = NULL;
    ProtobufCMessage *answer = NULL;
    char whole[PATH_MAX];
    Sinter__V1__SwapPluginRequest q = SINTER__V1__SWAP_PLUGIN_REQUEST__INIT;
    q.plugin = (char *)(uintptr_t)plugin;
    q.file = *file && realpath(file, whole) ? whole : (char *)(uintptr_t)file;
    q.dry_run = a->dry_run;
    q.force = a->force;
    q.who = who_or_user(a->who);
    q.why = (char *)(uintptr_t)(a->why ? a->why : "");
    if (client_open(a->server, &c, &e) != SINTER_OK) return client_fail("plugin", NULL, &e);
    sinter_status s = client_call(c, "sinter.v1.AdminService/SwapPlugin", &q.base, &sinter__v1__swap_plugin_response__descriptor,
                                  a->timeout_ns, &answer, &e);
    int code = s == SINTER_OK ? EXIT_OK : client_fail("plugin", c, &e);
    if (s == SINTER_OK && a->json) json_print(answer);
    if (s == SINTER_OK && !a->json) print((const Sinter__V1__SwapPluginResponse *)answer, a->dry_run);
    if (answer) protobuf_c_message_free_unpacked(answer, NULL);
    client_close(c);
    return code;
}

int plugin_swap(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    swap_arguments a = {.timeout_ns = UINT64_C(120000000000)};
    option_words w = {0};
    bool asked = false;
    int code = EXIT_OK;
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &w, &asked, &e);
    if (s == SINTER_OK && !asked && (w.n < 1 || w.n > 2))
        s = error_set(&e, SINTER_INVALID, "swap", "sinter plugin swap NAME [FILE.so]", w.n ? "one plugin, one file" : "which plugin?");
    if (s != SINTER_OK)
        code = options_fail("plugin", &e);
    else if (asked)
        help(stdout);
    else
        code = swap(&a, w.word[0], w.n > 1 ? w.word[1] : "");
    option_words_free(&w);
    return code;
}
