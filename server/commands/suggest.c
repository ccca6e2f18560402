/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter suggest COLLECTION PREFIX`: what could be meant, for people or as JSON. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sinter/v1/search.pb-c.h>

#include "base/base.h"
#include "client.h"
#include "commands/commands.h"
#include "json/json.h"
#include "options.h"
#include "search_text.h"

int command_suggest(int argc, char **argv); /* named in table.c */

typedef struct suggest_arguments {
    const char *server, *filter, *user, *session;
    option_list kinds, fields;
    uint64_t page_size, timeout_ns;
    bool json, no_typos;
} suggest_arguments;

#define AT(member) offsetof(suggest_arguments, member)
static const option_row rows[] = {
    {"--kinds", "KINDS", "of query, value, item: in this order (default: all three)", OPTION_LIST, AT(kinds)},
    {"--page-size", "N", "completions (default 10, at most 100)", OPTION_COUNT, AT(page_size)},
    {"--filter", "EXPR", "only items it lets through", OPTION_TEXT, AT(filter)},
    {"--fields", "FIELDS", "stored fields of items, in the JSON; '*': all", OPTION_LIST, AT(fields)},
    {"--user", "ID", "whose own queries come first", OPTION_TEXT, AT(user)},
    {"--session", "ID", "in which visit", OPTION_TEXT, AT(session)},
    {"--no-typos", NULL, "what is typed is meant", OPTION_FLAG, AT(no_typos)},
    {"--json", NULL, "print the SuggestResponse as protobuf JSON", OPTION_FLAG, AT(json)},
    {"--timeout", "DURATION", "give up after this long (default 30s)", OPTION_DURATION, AT(timeout_ns)},
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(server)},
};

static void help(FILE *out)
{
    fputs("usage: sinter suggest COLLECTION [PREFIX…] [OPTIONS]\n\n"
          "Completes what has been typed so far; end it with a space where the last word is whole.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 answered (found or not), 1 failed, 2 usage, 3 server unreachable, 4 refused by the server,\n"
          "            5 no such collection\n",
          out);
}

static const char *const KINDS[] = {NULL, "query", "value", "item"};

static sinter_status kinds_of(const option_list *names, Sinter__V1__CompletionKind *out, sinter_error *e)
{
    if (names->n >= ARRAY_LEN(KINDS)) return error_set(e, SINTER_INVALID, "--kinds", "query, value and item", "%zu kinds", names->n);
    for (size_t i = 0; i < names->n; i++) {
        size_t k = 1;
        while (k < ARRAY_LEN(KINDS) && strcmp(KINDS[k], names->item[i]) != 0) k++;
        if (k == ARRAY_LEN(KINDS))
            return error_set(e, SINTER_INVALID, "--kinds", "write query, value or item", "'%s' is no kind of completion", names->item[i]);
        out[i] = (Sinter__V1__CompletionKind)k;
    }
    return SINTER_OK;
}

static void print_one(const Sinter__V1__Completion *c, const search_view *v)
{
    printf("  %s%-6s%s ", search_dim(v), c->recent ? "own" : KINDS[c->kind], search_plain(v));
    for (size_t i = 0; i < c->n_parts; i++) {
        if (c->parts[i]->matched) fputs(search_bold(v), stdout);
        search_put_text(stdout, c->parts[i]->text, 120);
        if (c->parts[i]->matched) fputs(search_plain(v), stdout);
    }
    if (*c->field) printf("  %s%s, %llu items%s", search_dim(v), c->field, (unsigned long long)c->count, search_plain(v));
    if (*c->id) {
        printf("  %s", search_dim(v));
        search_put_text(stdout, c->id, 40);
        fputs(search_plain(v), stdout);
    }
    fputc('\n', stdout);
}

static int ask(client *c, Sinter__V1__SuggestRequest *request, const suggest_arguments *a)
{
    sinter_error e = SINTER_ERROR_INIT;
    ProtobufCMessage *answer = NULL;
    search_view v = {.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR")};
    sinter_status s = client_call(c, "sinter.v1.SearchService/Suggest", &request->base, &sinter__v1__suggest_response__descriptor,
                                  a->timeout_ns, &answer, &e);
    if (s != SINTER_OK) return client_fail("suggest", c, &e);
    const Sinter__V1__SuggestResponse *r = (const Sinter__V1__SuggestResponse *)answer;
    if (a->json) json_print(answer);
    for (size_t i = 0; !a->json && i < r->n_completions; i++) print_one(r->completions[i], &v);
    if (!a->json && !r->n_completions) puts("  nothing");
    protobuf_c_message_free_unpacked(answer, NULL);
    return EXIT_OK;
}

/* Words with one space between them; of the last argument also the space that it ends with. */
static char *prefix_of(const option_words *w)
{
    buffer b = {0};
    buffer_puts(&b, "");
    for (size_t i = 1; i < w->n; i++) buffer_printf(&b, "%s%s", i > 1 ? " " : "", w->word[i]);
    return b.data ? b.data : xstrdup("");
}

static int suggest(const suggest_arguments *a, const option_words *w)
{
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__SuggestRequest request = SINTER__V1__SUGGEST_REQUEST__INIT;
    Sinter__V1__User user = SINTER__V1__USER__INIT;
    Sinter__V1__CompletionKind kind[ARRAY_LEN(KINDS)];
    client *c = NULL;
    if (kinds_of(&a->kinds, kind, &e) != SINTER_OK) return options_fail("suggest", &e);
    if (client_open(a->server, &c, &e) != SINTER_OK) return client_fail("suggest", NULL, &e);
    char *prefix = prefix_of(w);
    request.collection = (char *)(uintptr_t)w->word[0];
    request.prefix = prefix;
    request.page_size = (uint32_t)a->page_size;
    request.kinds = kind;
    request.n_kinds = a->kinds.n;
    request.fields = a->fields.item;
    request.n_fields = a->fields.n;
    if (a->filter) request.filter = (char *)(uintptr_t)a->filter;
    if (a->user) user.user_id = (char *)(uintptr_t)a->user;
    if (a->session) user.session_id = (char *)(uintptr_t)a->session;
    if (a->user || a->session) request.user = &user;
    if (a->no_typos) request.typos = SINTER__V1__QUERY_OPTIONS__TYPOS__TYPOS_OFF;
    int code = ask(c, &request, a);
    client_close(c);
    free(prefix);
    return code;
}

int command_suggest(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    suggest_arguments a = {.timeout_ns = UINT64_C(30000000000)};
    option_words w = {0};
    bool asked = false;
    int code = EXIT_OK;
    if (options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &w, &asked, &e) != SINTER_OK) {
        code = options_fail("suggest", &e);
    } else if (asked) {
        help(stdout);
    } else if (w.n == 0 || a.page_size > 100) {
        help(stderr);
        code = EXIT_USAGE;
    } else {
        code = suggest(&a, &w);
    }
    option_list_free(&a.kinds);
    option_list_free(&a.fields);
    option_words_free(&w);
    return code;
}
