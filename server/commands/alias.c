/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter alias`: names that mean a collection. */
#include <string.h>

#include <sinter/v1/catalog.pb-c.h>

#include "base/base.h"
#include "client.h"
#include "commands/commands.h"
#include "json/json.h"
#include "options.h"

int command_alias(int argc, char **argv); /* named in table.c */

typedef struct alias_arguments {
    const char *server, *who, *why;
    uint64_t timeout_ns;
    bool dry_run, json;
} alias_arguments;

#define AT(member) offsetof(alias_arguments, member)
static const option_row rows[] = {
    {"--dry-run", NULL, "check only: say what would change, and change nothing", OPTION_FLAG, AT(dry_run)},
    {"--who", "NAME", "kept in the record", OPTION_TEXT, AT(who)},
    {"--why", "TEXT", "kept in the record", OPTION_TEXT, AT(why)},
    {"--json", NULL, "print the answer as protobuf JSON", OPTION_FLAG, AT(json)},
    {"--timeout", "DURATION", "give up after this long (default 2m)", OPTION_DURATION, AT(timeout_ns)},
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(server)},
};

static void help(FILE *out)
{
    fputs("usage: sinter alias list [OPTIONS]\n"
          "       sinter alias set NAME COLLECTION [OPTIONS]\n"
          "       sinter alias remove NAME [OPTIONS]\n\n"
          "From the answer on every request and every pipeline that gives NAME means COLLECTION, whole requests at a time, also\n"
          "after a restart. NAME may be the name of a collection: =NAME then still means that one. To change over while the\n"
          "collection is written to: sinter collection copy SOURCE DESTINATION --alias NAME.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 done, 1 failed, 2 usage, 3 server unreachable, 4 refused: nothing changed, 5 no such collection or alias\n", out);
}

static void print_list(const Sinter__V1__ListCollectionsResponse *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_collections; i++)
        for (size_t k = 0; k < r->collections[i]->n_aliases; k++, n++)
            printf("%-20s %s\n", r->collections[i]->aliases[k], r->collections[i]->name);
    if (!n) printf("no aliases\n");
}

static int list(client *c, const alias_arguments *a)
{
    sinter_error e = SINTER_ERROR_INIT;
    ProtobufCMessage *answer = NULL;
    Sinter__V1__ListCollectionsRequest q = SINTER__V1__LIST_COLLECTIONS_REQUEST__INIT;
    if (client_call(c, "sinter.v1.CatalogService/ListCollections", &q.base, &sinter__v1__list_collections_response__descriptor,
                    a->timeout_ns, &answer, &e) != SINTER_OK)
        return client_fail("alias", c, &e);
    if (a->json)
        json_print(answer);
    else
        print_list((const Sinter__V1__ListCollectionsResponse *)answer);
    protobuf_c_message_free_unpacked(answer, NULL);
    return EXIT_OK;
}

static int set(client *c, const alias_arguments *a, const char *name, const char *collection)
{
    sinter_error e = SINTER_ERROR_INIT;
    ProtobufCMessage *answer = NULL;
    Sinter__V1__SetAliasRequest q = SINTER__V1__SET_ALIAS_REQUEST__INIT;
    q.alias = (char *)(uintptr_t)name;
    q.collection = (char *)(uintptr_t)collection;
    q.dry_run = a->dry_run;
    if (a->who) q.who = (char *)(uintptr_t)a->who;
    if (a->why) q.why = (char *)(uintptr_t)a->why;
    if (client_call(c, "sinter.v1.CatalogService/SetAlias", &q.base, &sinter__v1__set_alias_response__descriptor, a->timeout_ns,
                    &answer, &e) != SINTER_OK)
        return client_fail("alias", c, &e);
    const Sinter__V1__SetAliasResponse *r = (const Sinter__V1__SetAliasResponse *)answer;
    if (a->json) {
        json_print(answer);
    } else {
        printf("%s snapshot %s\n", a->dry_run ? "checked, not changed:" : "now serving", r->snapshot);
        for (size_t i = 0; i < r->n_changes; i++) printf("  %s\n", r->changes[i]);
        if (!r->n_changes) printf("  no changes\n");
    }
    protobuf_c_message_free_unpacked(answer, NULL);
    return EXIT_OK;
}

static const struct {
    const char *name;
    size_t words;
} ACTIONS[] = {{"list", 1}, {"set", 3}, {"remove", 2}};

static sinter_status check(const option_words *w, size_t *action, sinter_error *e)
{
    for (*action = 0; *action < ARRAY_LEN(ACTIONS); ++*action) {
        if (!w->n || strcmp(ACTIONS[*action].name, w->word[0]) != 0) continue;
        if (w->n == ACTIONS[*action].words) return SINTER_OK;
        return error_set(e, SINTER_INVALID, w->word[0], "sinter alias --help says more", "it takes %zu words more, not %zu",
                         ACTIONS[*action].words - 1, w->n - 1);
    }
    return error_set(e, SINTER_INVALID, w->n ? w->word[0] : "ACTION", "sinter alias --help says more", "the actions are list, set and remove");
}

static int run(const alias_arguments *a, const option_words *w, size_t action)
{
    sinter_error e = SINTER_ERROR_INIT;
    client *c = NULL;
    if (client_open(a->server, &c, &e) != SINTER_OK) return client_fail("alias", NULL, &e);
    int code = action == 0 ? list(c, a) : set(c, a, w->word[1], action == 1 ? w->word[2] : "");
    client_close(c);
    return code;
}

int command_alias(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    alias_arguments a = {.timeout_ns = UINT64_C(120000000000)};
    option_words w = {0};
    bool asked = false;
    size_t action = 0;
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &w, &asked, &e);
    if (s == SINTER_OK && !asked) s = check(&w, &action, &e);
    int code = EXIT_OK;
    if (s != SINTER_OK)
        code = options_fail("alias", &e);
    else if (asked)
        help(stdout);
    else
        code = run(&a, &w, action);
    option_words_free(&w);
    return code;
}
