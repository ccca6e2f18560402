/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter search COLLECTION WORDS…`: one search, for people or as JSON. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sinter/v1/catalog.pb-c.h>
#include <sinter/v1/search.pb-c.h>

#include "base/base.h"
#include "client.h"
#include "collections.h"
#include "commands/commands.h"
#include "json/json.h"
#include "missing_text.h"
#include "options.h"
#include "search_facets.h"

int command_search(int argc, char **argv); /* named in table.c */

typedef struct search_arguments {
    const char *server, *filter, *cursor, *user, *session, *pipeline, *request_id, *language, *operator_, *minimum, *time,
        *explain, *missing, *group_by;
    option_list sort, fields, facets, highlight;
    uint64_t page_size, offset, after_sequence, timeout_ns, group_size, within_ns, fragment_size;
    bool json, no_impression;
} search_arguments;

#define AT(member) offsetof(search_arguments, member)
static const option_row rows[] = {
    {"--filter", "EXPR", "only items it lets through: brand = \"Acme\" AND price < 50", OPTION_TEXT, AT(filter)},
    {"--sort", "FIELDS", "order by fields, -FIELD descending, instead of by score", OPTION_LIST, AT(sort)},
    {"--page-size", "N", "hits (default 10, at most 1000)", OPTION_COUNT, AT(page_size)},
    {"--offset", "N", "skip this many hits", OPTION_COUNT, AT(offset)},
    {"--cursor", "CURSOR", "the next page, as the page before said", OPTION_TEXT, AT(cursor)},
    {"--fields", "FIELDS", "stored fields to show; '*' shows all", OPTION_LIST, AT(fields)},
    {"--facet", "FACETS", "what all matches are made of: brand,price:round5", OPTION_LIST, AT(facets)},
    {"--highlight", "FIELDS", "show what of these fields matches; '*': of all that are searched", OPTION_LIST, AT(highlight)},
    {"--fragment-size", "N", "characters of a highlight (default 100; with --json the whole value)", OPTION_COUNT, AT(fragment_size)},
    {"--group-by", "FIELD", "one line for all items of one value of it", OPTION_TEXT, AT(group_by)},
    {"--group-size", "N", "hits shown of each line (default 1)", OPTION_COUNT, AT(group_size)},
    {"--explain", "full", "each ranker's share and the rules that fired; full: every feature", OPTION_CHOICE, AT(explain)},
    {"--missing", "ID", "instead of the hits: why this item is not among them", OPTION_TEXT, AT(missing)},
    {"--user", "ID", "who asks", OPTION_TEXT, AT(user)},
    {"--session", "ID", "in which visit", OPTION_TEXT, AT(session)},
    {"--time", "TIME", "as if it were then, RFC 3339", OPTION_TEXT, AT(time)},
    {"--pipeline", "NAME", "another pipeline than the collection's own", OPTION_TEXT, AT(pipeline)},
    {"--operator", "and|or", "whether all words must match", OPTION_TEXT, AT(operator_)},
    {"--minimum-match", "N|N%", "how many words must match, with or", OPTION_TEXT, AT(minimum)},
    {"--language", "CODE", "the query's language, of those of the collection", OPTION_TEXT, AT(language)},
    {"--after-sequence", "N", "wait until this write is searchable", OPTION_COUNT, AT(after_sequence)},
    {"--request-id", "ID", "the request's id in the log", OPTION_TEXT, AT(request_id)},
    {"--no-impression", NULL, "leave no trace that a ranker would learn from", OPTION_FLAG, AT(no_impression)},
    {"--json", NULL, "print the SearchResponse as protobuf JSON", OPTION_FLAG, AT(json)},
    {"--within", "DURATION", "answer with what is ready after this long: 20ms", OPTION_DURATION, AT(within_ns)},
    {"--timeout", "DURATION", "give up after this long (default 30s)", OPTION_DURATION, AT(timeout_ns)},
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(server)},
};

static void help(FILE *out)
{
    fputs("usage: sinter search COLLECTION [WORDS…] [OPTIONS]\n\n"
          "Words, \"a phrase\", FIELD:WORD, -WORD to exclude. Without words: all items that the filter lets through.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fprintf(out, "\n%s", FACET_HELP);
    fputs("\nexit codes: 0 answered (found or not), 1 failed, 2 usage, 3 server unreachable, 4 refused by the server,\n"
          "            5 no such collection\n",
          out);
}

/* ---- the request ------------------------------------------------------------------------------------------------------ */

/* What a request points to; lives as long as the request. */
typedef struct request_parts {
    Sinter__V1__SearchRequest request;
    Sinter__V1__User user;
    Sinter__V1__Context context;
    Google__Protobuf__Timestamp time;
    Google__Protobuf__Duration within;
    Sinter__V1__HighlightOptions highlight;
    Sinter__V1__QueryOptions options;
    char *query;
    char **fields; /* of the request; the items are others' */
    arena *memory;
} request_parts;

/* protobuf-c's strings are char *, though packing only reads them. */
static void set_text(char **to, const char *text)
{
    if (text) *to = (char *)(uintptr_t)text;
}

static char *joined(const option_words *w)
{
    buffer b = {0};
    buffer_puts(&b, "");
    for (size_t i = 1; i < w->n; i++)
        buffer_printf(&b, "%s%s", i > 1 ? " " : "", w->word[i]);
    return b.data ? b.data : xstrdup("");
}

static sinter_status take_options(request_parts *p, const search_arguments *a, sinter_error *e)
{
    if (!a->operator_ && !a->minimum && !a->language) return SINTER_OK;
    if (a->operator_ && strcmp(a->operator_, "and") != 0 && strcmp(a->operator_, "or") != 0)
        return error_set(e, SINTER_INVALID, "--operator", "write and or or", "'%s' is not an operator", a->operator_);
    sinter__v1__query_options__init(&p->options);
    if (a->operator_)
        p->options.operator_ = strcmp(a->operator_, "and") == 0 ? SINTER__V1__QUERY_OPTIONS__OPERATOR__OPERATOR_AND
                                                                : SINTER__V1__QUERY_OPTIONS__OPERATOR__OPERATOR_OR;
    set_text(&p->options.minimum_should_match, a->minimum);
    set_text(&p->options.language, a->language);
    p->request.options = &p->options;
    return SINTER_OK;
}

static sinter_status take_time(request_parts *p, const search_arguments *a, sinter_error *e)
{
    int64_t ms;
    if (!a->time) return SINTER_OK;
    if (!time_parse_ms(str_of(a->time), &ms))
        return error_set(e, SINTER_INVALID, "--time", "write it as 2026-01-31T12:00:00Z", "'%s' is not a time", a->time);
    sinter__v1__context__init(&p->context);
    google__protobuf__timestamp__init(&p->time);
    int64_t rest = ((ms % 1000) + 1000) % 1000;
    p->time.seconds = (ms - rest) / 1000;
    p->time.nanos = (int32_t)(rest * 1000000);
    p->context.time = &p->time;
    p->request.context = &p->context;
    return SINTER_OK;
}

static sinter_status take_explain(request_parts *p, const search_arguments *a, sinter_error *e)
{
    if (!a->explain) return SINTER_OK;
    p->request.explain = *a->explain ? SINTER__V1__EXPLAIN__EXPLAIN_FULL : SINTER__V1__EXPLAIN__EXPLAIN_SCORES;
    if (!*a->explain || strcmp(a->explain, "full") == 0) return SINTER_OK;
    return error_set(e, SINTER_INVALID, "--explain", "write --explain or --explain=full", "'%s' is not a level", a->explain);
}

static sinter_status take_counts(request_parts *p, const search_arguments *a, sinter_error *e)
{
    if (a->page_size > 1000) return error_set(e, SINTER_INVALID, "--page-size", "at most 1000", "too large");
    if (a->offset > UINT32_MAX) return error_set(e, SINTER_INVALID, "--offset", "at most 10000", "too large");
    p->request.page_size = (uint32_t)a->page_size;
    p->request.offset = (uint32_t)a->offset;
    p->request.after_sequence = a->after_sequence;
    if (a->group_size > UINT32_MAX) return error_set(e, SINTER_INVALID, "--group-size", "at most 100", "too large");
    p->request.group_size = (uint32_t)a->group_size;
    if (a->within_ns) {
        google__protobuf__duration__init(&p->within);
        p->within.seconds = (int64_t)(a->within_ns / 1000000000);
        p->within.nanos = (int32_t)(a->within_ns % 1000000000);
        p->request.timeout = &p->within;
    }
    return SINTER_OK;
}

/* A line's worth of each fragment, for people. */
enum { SHOWN_FRAGMENT = 100 };

static sinter_status take_highlights(request_parts *p, const search_arguments *a, sinter_error *e)
{
    p->request.highlight = a->highlight.item, p->request.n_highlight = a->highlight.n;
    if (a->fragment_size > UINT32_MAX) return error_set(e, SINTER_INVALID, "--fragment-size", "at most 10000", "too large");
    if (a->highlight.n == 0 || (a->json && !a->fragment_size)) return SINTER_OK;
    sinter__v1__highlight_options__init(&p->highlight);
    p->highlight.fragment_size = a->fragment_size ? (uint32_t)a->fragment_size : SHOWN_FRAGMENT;
    p->request.highlight_options = &p->highlight;
    return SINTER_OK;
}

static sinter_status request_make(request_parts *p, const search_arguments *a, const option_words *w, sinter_error *e)
{
    Sinter__V1__SearchRequest *r = &p->request;
    sinter__v1__search_request__init(r);
    p->query = joined(w);
    set_text(&r->collection, w->word[0]);
    set_text(&r->query, p->query);
    set_text(&r->filter, a->filter);
    set_text(&r->cursor, a->cursor);
    set_text(&r->pipeline, a->pipeline);
    set_text(&r->group_by, a->group_by);
    set_text(&r->request_id, a->request_id);
    r->sort = a->sort.item, r->n_sort = a->sort.n;
    r->fields = a->fields.item, r->n_fields = a->fields.n;
    r->no_impression = a->no_impression;
    if (a->user || a->session) {
        sinter__v1__user__init(&p->user);
        set_text(&p->user.user_id, a->user);
        set_text(&p->user.session_id, a->session);
        r->user = &p->user;
    }
    sinter_status s = take_options(p, a, e);
    if (s == SINTER_OK) s = take_time(p, a, e);
    if (s == SINTER_OK) s = take_explain(p, a, e);
    if (s == SINTER_OK) s = take_counts(p, a, e);
    if (s == SINTER_OK) s = take_highlights(p, a, e);
    if (s == SINTER_OK) s = facets_of_words(&a->facets, p->memory, r, e);
    return s;
}

/* ---- names for people -------------------------------------------------------------------------------------------------- */

static Sinter__V1__ListCollectionsResponse *collections_of(client *c, uint64_t timeout_ns)
{
    sinter_error ignored = SINTER_ERROR_INIT; /* without names, ids are shown; the search itself says what is wrong */
    Sinter__V1__ListCollectionsRequest request = SINTER__V1__LIST_COLLECTIONS_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    client_call(c, "sinter.v1.CatalogService/ListCollections", &request.base,
                &sinter__v1__list_collections_response__descriptor, timeout_ns, &answer, &ignored);
    return (Sinter__V1__ListCollectionsResponse *)answer;
}

static void find_names(search_view *v, const Sinter__V1__ListCollectionsResponse *all)
{
    const Sinter__V1__Collection *c = all ? collection_named(all, v->collection) : NULL;
    if (!c) return;
    if (*c->title_field) v->title_field = c->title_field;
    for (size_t f = 0; f < c->n_fields; f++) {
        const Sinter__V1__Field *field = c->fields[f];
        if (strcmp(field->type, "text") != 0 || !field->stored) continue;
        if (!v->title_field)
            v->title_field = field->name;
        else if (!v->summary_field && strcmp(field->name, v->title_field) != 0)
            v->summary_field = field->name;
    }
}

/* The fields that name a hit go with those asked for. */
static void ask_for_names(request_parts *p, const search_view *v, const option_list *asked)
{
    p->fields = xcalloc(asked->n + 2, sizeof *p->fields);
    size_t n = 0;
    for (size_t i = 0; i < asked->n; i++)
        p->fields[n++] = asked->item[i];
    bool all = asked->n == 1 && strcmp(asked->item[0], "*") == 0;
    if (!all && v->title_field) set_text(&p->fields[n++], v->title_field);
    if (!all && v->summary_field) set_text(&p->fields[n++], v->summary_field);
    p->request.fields = p->fields;
    p->request.n_fields = n;
}

/* ---- the command --------------------------------------------------------------------------------------------------------- */

static int run(client *c, request_parts *p, const search_arguments *a)
{
    sinter_error e = SINTER_ERROR_INIT;
    if (a->missing) return explain_missing(c, &p->request, a->missing, a->timeout_ns, a->json);
    search_view v = {.collection = p->request.collection, .query = p->query, .offset = p->request.offset,
                     .fields = a->fields.item, .n_fields = a->fields.n,
                     .colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR")};
    Sinter__V1__ListCollectionsResponse *names = a->json ? NULL : collections_of(c, a->timeout_ns);
    find_names(&v, names);
    if (!a->json) ask_for_names(p, &v, &a->fields);
    ProtobufCMessage *answer = NULL;
    uint64_t before = clock_mono_ns();
    sinter_status s = client_call(c, "sinter.v1.SearchService/Search", &p->request.base,
                                  &sinter__v1__search_response__descriptor, a->timeout_ns, &answer, &e);
    v.milliseconds = (double)(clock_mono_ns() - before) / 1e6;
    int code = s == SINTER_OK ? EXIT_OK : client_fail("search", c, &e);
    if (s == SINTER_OK && a->json) json_print(answer);
    if (s == SINTER_OK && !a->json) search_print(stdout, &v, (const Sinter__V1__SearchResponse *)answer);
    if (answer) protobuf_c_message_free_unpacked(answer, NULL);
    if (names) sinter__v1__list_collections_response__free_unpacked(names, NULL);
    return code;
}

static int search(const search_arguments *a, const option_words *w)
{
    sinter_error e = SINTER_ERROR_INIT;
    request_parts p = {.memory = arena_new(1 << 14)};
    client *c = NULL;
    int code;
    if (request_make(&p, a, w, &e) != SINTER_OK)
        code = options_fail("search", &e);
    else if (client_open(a->server, &c, &e) != SINTER_OK)
        code = client_fail("search", NULL, &e);
    else
        code = run(c, &p, a);
    client_close(c);
    free(p.query);
    free(p.fields);
    arena_free(p.memory);
    return code;
}

int command_search(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    search_arguments a = {.timeout_ns = UINT64_C(30000000000)};
    option_words w = {0};
    bool asked = false;
    int code = EXIT_OK;
    if (options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &w, &asked, &e) != SINTER_OK) {
        code = options_fail("search", &e);
    } else if (asked) {
        help(stdout);
    } else if (w.n == 0) {
        help(stderr);
        code = EXIT_USAGE;
    } else {
        code = search(&a, &w);
    }
    option_list_free(&a.sort);
    option_list_free(&a.fields);
    option_list_free(&a.facets);
    option_list_free(&a.highlight);
    option_words_free(&w);
    return code;
}
