/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter delete`: items by their ids, or all that a filter lets through. */
#include <stdlib.h>
#include <string.h>

#include <sinter/v1/catalog.pb-c.h>

#include "base/base.h"
#include "client.h"
#include "commands/commands.h"
#include "json/json.h"
#include "options.h"

int command_delete(int argc, char **argv); /* named in table.c */

enum { IDS_A_REQUEST = 10000 };

typedef struct delete_arguments {
    const char *server, *filter, *write_id;
    uint64_t timeout_ns;
    bool all, dry_run, json;
} delete_arguments;

#define AT(member) offsetof(delete_arguments, member)
static const option_row rows[] = {
    {"--filter", "EXPR", "every item that it lets through, as of searches: 'sold_out AND price < 5'", OPTION_TEXT, AT(filter)},
    {"--all", NULL, "every item of the collection", OPTION_FLAG, AT(all)},
    {"--dry-run", NULL, "count only, and delete nothing", OPTION_FLAG, AT(dry_run)},
    {"--write-id", "ID", "makes the same command harmless when it is given again", OPTION_TEXT, AT(write_id)},
    {"--json", NULL, "print the DeleteItemsResponse as protobuf JSON", OPTION_FLAG, AT(json)},
    {"--timeout", "DURATION", "give up after this long (default 10m)", OPTION_DURATION, AT(timeout_ns)},
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(server)},
};

static void help(FILE *out)
{
    fputs("usage: sinter delete COLLECTION ID… [OPTIONS]\n"
          "       sinter delete COLLECTION --filter EXPR [--dry-run] [OPTIONS]\n\n"
          "Deletes items; searches find them no more at once. By a filter in batches of 10,000: where it is broken off, some are\n"
          "gone, and the same command goes on.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 done, 1 failed, 2 usage, 3 server unreachable, 4 refused by the server, 5 no such collection\n", out);
}

/* One request's worth; sums up in *total. */
static sinter_status send(client *c, const delete_arguments *a, Sinter__V1__DeleteItemsRequest *q,
                          Sinter__V1__DeleteItemsResponse *total, sinter_error *e)
{
    ProtobufCMessage *answer = NULL;
    sinter_status s = client_call(c, "sinter.v1.CatalogService/DeleteItems", &q->base,
                                  &sinter__v1__delete_items_response__descriptor, a->timeout_ns, &answer, e);
    if (s != SINTER_OK) return s;
    const Sinter__V1__DeleteItemsResponse *r = (const Sinter__V1__DeleteItemsResponse *)answer;
    total->deleted += r->deleted;
    total->unknown += r->unknown;
    total->repeated_write |= r->repeated_write;
    if (r->sequence > total->sequence) total->sequence = r->sequence;
    protobuf_c_message_free_unpacked(answer, NULL);
    return SINTER_OK;
}

static sinter_status send_all(client *c, const delete_arguments *a, const option_words *w,
                              Sinter__V1__DeleteItemsResponse *total, sinter_error *e)
{
    Sinter__V1__DeleteItemsRequest q = SINTER__V1__DELETE_ITEMS_REQUEST__INIT;
    sinter_status s = SINTER_OK;
    q.collection = (char *)(uintptr_t)w->word[0];
    if (a->filter) q.filter = (char *)(uintptr_t)a->filter;
    q.all = a->all;
    q.dry_run = a->dry_run;
    if (w->n == 1) {
        if (a->write_id) q.write_id = (char *)(uintptr_t)a->write_id;
        return send(c, a, &q, total, e);
    }
    for (size_t at = 1; at < w->n && s == SINTER_OK; at += IDS_A_REQUEST) {
        char *id = a->write_id ? xasprintf("%s/%zu", a->write_id, at) : NULL;
        q.ids = (char **)(uintptr_t)(w->word + at);
        q.n_ids = w->n - at < IDS_A_REQUEST ? w->n - at : IDS_A_REQUEST;
        if (id) q.write_id = id;
        s = send(c, a, &q, total, e);
        free(id);
    }
    return s;
}

static void print(const Sinter__V1__DeleteItemsResponse *r, const delete_arguments *a)
{
    printf("%u items %s", r->deleted, a->dry_run ? "would be deleted" : "deleted");
    if (r->unknown) printf(", %u unknown", r->unknown);
    if (r->repeated_write) printf(", as this write id was answered before");
    if (r->sequence) printf("; sequence %llu", (unsigned long long)r->sequence);
    printf("\n");
}

static int delete(const delete_arguments *a, const option_words *w)
{
    sinter_error e = SINTER_ERROR_INIT;
    client *c = NULL;
    Sinter__V1__DeleteItemsResponse total = SINTER__V1__DELETE_ITEMS_RESPONSE__INIT;
    if (client_open(a->server, &c, &e) != SINTER_OK) return client_fail("delete", NULL, &e);
    sinter_status s = send_all(c, a, w, &total, &e);
    int code = s == SINTER_OK ? EXIT_OK : client_fail("delete", c, &e);
    if (s == SINTER_OK && a->json)
        json_print(&total.base);
    else if (s == SINTER_OK || total.deleted)
        print(&total, a);
    client_close(c);
    return code;
}

static sinter_status check(const delete_arguments *a, const option_words *w, sinter_error *e)
{
    int ways = (w->n > 1) + (a->filter != NULL) + a->all;
    const char *see = "sinter delete --help says more";
    if (w->n == 0) return error_set(e, SINTER_INVALID, "COLLECTION", see, "no collection is named");
    if (ways == 0) return error_set(e, SINTER_INVALID, "ID", see, "name ids, or give --filter or --all");
    if (ways > 1) return error_set(e, SINTER_INVALID, a->filter ? "--filter" : "--all", see, "give ids, --filter or --all: one of them");
    return SINTER_OK;
}

int command_delete(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    delete_arguments a = {.timeout_ns = UINT64_C(600000000000)};
    option_words w = {0};
    bool asked = false;
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &w, &asked, &e);
    if (s == SINTER_OK && !asked) s = check(&a, &w, &e);
    int code = EXIT_OK;
    if (s != SINTER_OK)
        code = options_fail("delete", &e);
    else if (asked)
        help(stdout);
    else
        code = delete(&a, &w);
    option_words_free(&w);
    return code;
}
