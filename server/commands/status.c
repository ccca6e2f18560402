/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter status`: what a running server serves, and how it fares. */
#include <string.h>

#include <sinter/v1/admin.pb-c.h>

#include "base/base.h"
#include "change_text.h"
#include "client.h"
#include "commands/commands.h"
#include "json/json.h"
#include "options.h"

int command_status(int argc, char **argv); /* named in table.c */

typedef struct status_arguments {
    const char *server;
    uint64_t timeout_ns;
    bool json;
} status_arguments;

#define AT(member) offsetof(status_arguments, member)
static const option_row rows[] = {
    {"--json", NULL, "print the GetStatusResponse as protobuf JSON", OPTION_FLAG, AT(json)},
    {"--timeout", "DURATION", "give up after this long (default 10s)", OPTION_DURATION, AT(timeout_ns)},
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(server)},
};

static void help(FILE *out)
{
    fputs("usage: sinter status [OPTIONS]\n\n"
          "State, collections, plugins in use, models not trained yet, counters.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 answered, 1 failed, 2 usage, 3 server unreachable, 4 refused by the server\n", out);
}

static void print_plugin(const Sinter__V1__PluginStatus *p)
{
    printf("  %-12s %-8s", p->name, p->version);
    for (size_t i = 0; i < p->n_roles; i++)
        printf("%s%s", i ? ", " : " ", p->roles[i]);
    printf("; %llu calls, %llu failed, %llu late", (unsigned long long)p->calls, (unsigned long long)p->failures,
           (unsigned long long)p->late);
    for (size_t i = 0; i < p->n_used_by; i++)
        printf("%s%s", i ? ", " : "; used by ", p->used_by[i]);
    printf("\n");
}

static void print(const Sinter__V1__GetStatusResponse *r, const char *server)
{
    char since[32] = "";
    if (r->started) time_format_ms(r->started->seconds * 1000, since);
    printf("sinter %s at %s: %s%s%s\n", r->version, server, r->state, *since ? " since " : "", since);
    printf("snapshot %s; journal at %llu, searchable to %llu; an acknowledged write is %s\n", r->snapshot,
           (unsigned long long)r->sequence, (unsigned long long)r->searchable_sequence, r->acknowledgement);
    for (size_t i = 0; i < r->n_warnings; i++) printf("%s! %s\n", i ? "" : "\n", r->warnings[i]);
    print_watch("", r->watch);
    printf("\ncollections\n");
    for (size_t i = 0; i < r->n_collections; i++) {
        const Sinter__V1__CollectionStatus *c = r->collections[i];
        printf("  %-16s %9llu items  index %s\n", c->name, (unsigned long long)c->items, c->index_state);
    }
    printf("\nplugins\n");
    for (size_t i = 0; i < r->n_plugins; i++)
        print_plugin(r->plugins[i]);
    for (size_t i = 0; i < r->n_not_trained; i++)
        printf("%s  %s\n", i ? "" : "\nnot trained yet\n", r->not_trained[i]);
    printf("\ncounters\n");
    for (size_t i = 0; i < r->n_counters; i++)
        printf("  %-32s %12llu\n", r->counters[i]->key, (unsigned long long)r->counters[i]->value);
}

static int status(const status_arguments *a)
{
    sinter_error e = SINTER_ERROR_INIT;
    client *c = NULL;
    ProtobufCMessage *answer = NULL;
    Sinter__V1__GetStatusRequest request = SINTER__V1__GET_STATUS_REQUEST__INIT;
    if (client_open(a->server, &c, &e) != SINTER_OK) return client_fail("status", NULL, &e);
    sinter_status s = client_call(c, "sinter.v1.AdminService/GetStatus", &request.base,
                                  &sinter__v1__get_status_response__descriptor, a->timeout_ns, &answer, &e);
    int code = s == SINTER_OK ? EXIT_OK : client_fail("status", c, &e);
    if (s == SINTER_OK && a->json) json_print(answer);
    if (s == SINTER_OK && !a->json) print((const Sinter__V1__GetStatusResponse *)answer, client_server(c));
    if (answer) protobuf_c_message_free_unpacked(answer, NULL);
    client_close(c);
    return code;
}

int command_status(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    status_arguments a = {.timeout_ns = UINT64_C(10000000000)};
    option_words w = {0};
    bool asked = false;
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &w, &asked, &e);
    if (s == SINTER_OK && !asked && w.n > 0)
        s = error_set(&e, SINTER_INVALID, w.word[0], "sinter status --help lists the options", "not expected here");
    option_words_free(&w);
    if (s != SINTER_OK) return options_fail("status", &e);
    if (!asked) return status(&a);
    help(stdout);
    return EXIT_OK;
}
