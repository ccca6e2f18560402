/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter export`: items or events in the format that the import reads, a page of them in memory at a time. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sinter/v1/catalog.pb-c.h>
#include <sinter/v1/events.pb-c.h>

#include "client.h"
#include "collections.h"
#include "export_write.h"
#include "options.h"
#include "progress.h"

int command_export(int argc, char **argv); /* named in table.c */

enum { PAGE = 500 };

typedef struct export_arguments {
    const char *server, *format, *filter, *collection, *output, *after;
    option_list fields;
    bool quiet;
} export_arguments;

#define AT(member) offsetof(export_arguments, member)
static const option_row rows[] = {
    {"--format", "jsonl|csv|tsv", "default: by --output's ending, else jsonl", OPTION_TEXT, AT(format)},
    {"--output", "FILE", "instead of standard output", OPTION_TEXT, AT(output)},
    {"--filter", "EXPR", "items: only those that it lets through, as of searches", OPTION_TEXT, AT(filter)},
    {"--fields", "NAME,…", "items: only these fields; default: all that the collection declares", OPTION_LIST, AT(fields)},
    {"--after", "ID", "items: go on after this one; events: after this sequence of the journal", OPTION_TEXT, AT(after)},
    {"--collection", "NAME", "events: of which; may be left out where the server has one", OPTION_TEXT, AT(collection)},
    {"--quiet", NULL, "no progress", OPTION_FLAG, AT(quiet)},
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(server)},
};

static void help(FILE *out)
{
    fputs("usage: sinter export COLLECTION [OPTIONS]\n"
          "       sinter export events [OPTIONS]\n\n"
          "Writes items, in order of their first appearance, or events, in order of their recording, as sinter import and\n"
          "sinter events import read them: what is exported, imported elsewhere and exported again is the same. CSV and TSV\n"
          "cannot tell an empty text from none, and refuse what they cannot hold (a | inside a keyword, an event on several\n"
          "items or with attributes): JSONL holds everything. An export that is broken off says with which --after it goes on.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 done, 1 failed, 2 usage, 3 server unreachable, 4 refused by the server, 5 no such collection\n", out);
}

typedef struct export_run {
    const export_arguments *a;
    client *c;
    client_stream *stream;
    Sinter__V1__ListCollectionsResponse *all;
    const Sinter__V1__Collection *schema;
    export_format format;
    const char **column; /* [n] */
    uint32_t n;
    row row;
    FILE *out;
    uint64_t done, total, from_ns, shown_ns;
    char *after; /* what was written last */
    const char *left_out; /* a field that is not declared and was left out; NULL */
} export_run;

/* ---- what both share ---- */

static int fail(export_run *x, const sinter_error *e)
{
    int code = client_fail("export", x->c, e);
    if (x->done && x->after) fprintf(stderr, "%" PRIu64 " were written; --after '%s' goes on\n", x->done, x->after);
    return code;
}

static void show(export_run *x, const char *noun)
{
    uint64_t now = clock_mono_ns();
    if (x->a->quiet || now - x->shown_ns < 200000000) return;
    x->shown_ns = now;
    double share = x->total ? (double)x->done / (double)x->total : 0;
    progress_draw(share < 1 ? share : 1, x->done, noun, (double)(now - x->from_ns) / 1e9);
}

static void note_after(export_run *x, const char *after)
{
    free(x->after);
    x->after = xstrdup(after);
}

static sinter_status write_row(export_run *x, const char *id, sinter_error *e)
{
    if (row_end(&x->row, x->out)) return SINTER_OK;
    return error_set(e, SINTER_INVALID, id, "export as JSONL: --format jsonl", "%s", x->row.problem);
}

/* Opens the stream with one request. */
static sinter_status ask(export_run *x, const char *method, const ProtobufCMessage *q, const ProtobufCMessageDescriptor *answer, sinter_error *e)
{
    sinter_status s = client_stream_open(x->c, method, answer, CLIENT_NO_TIMEOUT, &x->stream, e);
    if (s == SINTER_OK) s = client_stream_send(x->stream, q, e);
    return s == SINTER_OK ? client_stream_finish_sending(x->stream, e) : s;
}

/* ---- items ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool declared(const export_run *x, const char *name)
{
    for (size_t i = 0; i < x->schema->n_fields; i++)
        if (strcmp(x->schema->fields[i]->name, name) == 0) return true;
    return false;
}

/* Declared names in their order, then those that patterns made in theirs, which is the same on every server. */
static sinter_status choose_columns(export_run *x, sinter_error *e)
{
    x->column = xcalloc(x->schema->n_fields + x->a->fields.n + 2, sizeof *x->column);
    x->column[x->n++] = "id";
    for (size_t i = 0; i < x->a->fields.n; i++) {
        if (!declared(x, x->a->fields.item[i]))
            return error_set(e, SINTER_INVALID, "--fields", "ListCollections names them", "the collection has no field '%s'", x->a->fields.item[i]);
        x->column[x->n++] = x->a->fields.item[i];
    }
    if (x->a->fields.n) return SINTER_OK;
    uint32_t plain = x->n;
    for (int made = 0; made < 2; made++) {
        for (size_t i = 0; i < x->schema->n_fields; i++) {
            const Sinter__V1__Field *f = x->schema->fields[i];
            if (f->from_pattern == (made == 1) && !strchr(f->name, '*')) x->column[x->n++] = f->name;
        }
        if (made == 0) plain = x->n;
    }
    qsort(x->column + plain, x->n - plain, sizeof *x->column, by_text);
    return SINTER_OK;
}

static bool wanted(const export_run *x, const char *name)
{
    for (uint32_t i = 1; i < x->n; i++)
        if (strcmp(x->column[i], name) == 0) return true;
    return false;
}

/* A pattern's field may have come after the columns were chosen. */
static bool of_pattern(const char *pattern, const char *name)
{
    const char *star = strchr(pattern, '*');
    return star && strncmp(pattern, name, (size_t)(star - pattern)) == 0;
}

static bool left_out(export_run *x, const char *name)
{
    if (wanted(x, name)) return false;
    bool late = false;
    for (size_t i = 0; i < x->schema->n_fields && !x->a->fields.n; i++) late |= of_pattern(x->schema->fields[i]->name, name);
    if (!x->a->fields.n && !late && !x->left_out) x->left_out = xstrdup(name);
    return !(late && x->format == EXPORT_JSONL);
}

static sinter_status write_item(export_run *x, const Sinter__V1__Item *item, sinter_error *e)
{
    row_clear(&x->row);
    row_text(&x->row, "id", item->id);
    for (size_t i = 0; i < item->n_fields; i++)
        if (!left_out(x, item->fields[i]->key)) row_value(&x->row, item->fields[i]->key, item->fields[i]->value);
    return write_row(x, item->id, e);
}

static int export_items(export_run *x)
{
    sinter_error e = SINTER_ERROR_INIT;
    char *every = (char *)(uintptr_t)"*", **fields = &every;
    Sinter__V1__ListItemsRequest q = SINTER__V1__LIST_ITEMS_REQUEST__INIT;
    q.collection = (char *)(uintptr_t)x->a->collection;
    q.page_size = PAGE;
    q.unstored = true;
    q.fields = x->a->fields.n ? x->a->fields.item : fields;
    q.n_fields = x->a->fields.n ? x->a->fields.n : 1;
    if (x->a->filter) q.filter = (char *)(uintptr_t)x->a->filter;
    if (x->a->after) q.after_id = (char *)(uintptr_t)x->a->after;
    x->total = x->schema->items;
    sinter_status s = choose_columns(x, &e);
    row_begin(&x->row, x->format, x->column, x->n);
    if (s == SINTER_OK && !x->a->after && !row_header(&x->row, x->out))
        s = error_set(&e, SINTER_INVALID, "--format", "export as JSONL", "%s", x->row.problem);
    if (s == SINTER_OK) s = ask(x, "sinter.v1.CatalogService/ListItems", &q.base, &sinter__v1__list_items_response__descriptor, &e);
    for (ProtobufCMessage *m = NULL; s == SINTER_OK;) {
        s = client_stream_receive(x->stream, &m, &e);
        if (s != SINTER_OK || !m) break;
        const Sinter__V1__ListItemsResponse *page = (const Sinter__V1__ListItemsResponse *)m;
        for (size_t i = 0; i < page->n_items && s == SINTER_OK; i++) {
            s = write_item(x, page->items[i], &e);
            if (s == SINTER_OK) x->done++;
        }
        if (page->n_items && s == SINTER_OK) note_after(x, page->items[page->n_items - 1]->id);
        show(x, "items");
        protobuf_c_message_free_unpacked(m, NULL);
    }
    return s == SINTER_OK ? EXIT_OK : fail(x, &e);
}

/* ---- events ---- */

static const char *const EVENT_COLUMNS[] = {"id", "type", "user", "session", "item", "time", "value", "request", "position", "query"};

static sinter_status write_event(export_run *x, const Sinter__V1__Event *ev, sinter_error *e)
{
    row *r = &x->row;
    bool json = x->format == EXPORT_JSONL;
    row_clear(r);
    row_text(r, "id", ev->event_id);
    row_text(r, "type", ev->type);
    row_text(r, "user", ev->user_id);
    row_text(r, "session", ev->session_id);
    if (ev->n_item_ids == 1) row_text(r, "item", ev->item_ids[0]);
    else if (json) row_texts(r, "item", ev->item_ids, ev->n_item_ids, "");
    else return error_set(e, SINTER_INVALID, ev->event_id, "export as JSONL: --format jsonl", "it is about %zu items, which one cell cannot tell", ev->n_item_ids);
    if (ev->time) row_time(r, "time", ev->time);
    if (ev->value != 0) row_number(r, "value", ev->value);
    row_text(r, "request", ev->request_id);
    if (ev->position) row_integer(r, "position", ev->position);
    row_text(r, "query", ev->query);
    if (ev->n_attributes && !json)
        return error_set(e, SINTER_INVALID, ev->event_id, "export as JSONL: --format jsonl", "it has attributes, for which there is no column");
    for (size_t i = 0; i < ev->n_attributes; i++) {
        char *name = xasprintf("attributes.%s", ev->attributes[i]->key);
        row_value(r, name, ev->attributes[i]->value);
        free(name);
    }
    return write_row(x, ev->event_id, e);
}

static int export_events(export_run *x)
{
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__ListEventsRequest q = SINTER__V1__LIST_EVENTS_REQUEST__INIT;
    sinter_status s = SINTER_OK;
    q.collection = (char *)(uintptr_t)x->a->collection;
    q.page_size = PAGE;
    if (x->a->after && !parse_uint64(str_of(x->a->after), &q.after_sequence))
        s = error_set(&e, SINTER_INVALID, "--after", "as a broken export said it", "'%s' is no sequence of the journal", x->a->after);
    row_begin(&x->row, x->format, x->format == EXPORT_JSONL ? NULL : EVENT_COLUMNS, x->format == EXPORT_JSONL ? 0 : ARRAY_LEN(EVENT_COLUMNS));
    if (s == SINTER_OK && !x->a->after) row_header(&x->row, x->out);
    if (s == SINTER_OK) s = ask(x, "sinter.v1.EventService/ListEvents", &q.base, &sinter__v1__list_events_response__descriptor, &e);
    for (ProtobufCMessage *m = NULL; s == SINTER_OK;) {
        s = client_stream_receive(x->stream, &m, &e);
        if (s != SINTER_OK || !m) break;
        const Sinter__V1__ListEventsResponse *page = (const Sinter__V1__ListEventsResponse *)m;
        for (size_t i = 0; i < page->n_events && s == SINTER_OK; i++) {
            s = write_event(x, page->events[i], &e);
            if (s == SINTER_OK) x->done++;
        }
        char text[24];
        snprintf(text, sizeof text, "%" PRIu64, page->sequence);
        if (s == SINTER_OK) note_after(x, text);
        x->total = page->sequence ? x->done * page->until_sequence / page->sequence : 0;
        show(x, "events");
        protobuf_c_message_free_unpacked(m, NULL);
    }
    return s == SINTER_OK ? EXIT_OK : fail(x, &e);
}

/* ---- the run ---- */

static sinter_status find_schema(export_run *x, export_arguments *a, sinter_error *e)
{
    Sinter__V1__ListCollectionsRequest q = SINTER__V1__LIST_COLLECTIONS_REQUEST__INIT;
    sinter_status s = client_call(x->c, "sinter.v1.CatalogService/ListCollections", &q.base, &sinter__v1__list_collections_response__descriptor,
                                  30000000000, (ProtobufCMessage **)&x->all, e);
    if (s != SINTER_OK) return s;
    if (!a->collection && x->all->n_collections == 1) a->collection = x->all->collections[0]->name;
    if (!a->collection) return error_set(e, SINTER_INVALID, "--collection", "sinter status lists them", "the server has several collections: name one");
    x->schema = collection_named(x->all, a->collection);
    if (x->schema) return SINTER_OK;
    return error_set(e, SINTER_NOT_FOUND, a->collection, "sinter status lists them", "the server has no such collection");
}

static sinter_status choose_format(export_run *x, const export_arguments *a, sinter_error *e)
{
    const char *name = a->format, *dot = a->output ? strrchr(a->output, '.') : NULL;
    if (!name) name = dot && (strcmp(dot, ".csv") == 0 || strcmp(dot, ".tsv") == 0) ? dot + 1 : "jsonl";
    for (x->format = 0; x->format < EXPORT_FORMATS; x->format++)
        if (strcmp(EXPORT_FORMAT_NAMES[x->format], name) == 0) return SINTER_OK;
    return error_set(e, SINTER_INVALID, "--format", "jsonl, csv or tsv", "'%s' is no format", name);
}

static int run(export_arguments *a, bool events)
{
    sinter_error e = SINTER_ERROR_INIT;
    export_run x = {.a = a, .out = stdout, .from_ns = clock_mono_ns()};
    sinter_status s = choose_format(&x, a, &e);
    if (s != SINTER_OK) return options_fail("export", &e);
    if (client_open(a->server, &x.c, &e) != SINTER_OK) return client_fail("export", NULL, &e);
    s = find_schema(&x, a, &e);
    if (s == SINTER_OK && a->output && !(x.out = fopen(a->output, a->after ? "abe" : "wbe")))
        s = error_set(&e, SINTER_IO, a->output, NULL, "cannot be written");
    int code = s != SINTER_OK ? client_fail("export", x.c, &e) : events ? export_events(&x) : export_items(&x);
    if (x.shown_ns) fputs("\r\033[K", stderr);
    if (x.out && (fflush(x.out) != 0 || ferror(x.out)) && code == EXIT_OK) {
        fprintf(stderr, "sinter export: %s: cannot be written\n", a->output ? a->output : "standard output");
        code = EXIT_FAILED;
    }
    if (x.out && x.out != stdout) fclose(x.out);
    if (x.left_out) fprintf(stderr, "left out, the collection declares no such field: %s, and perhaps others\n", x.left_out);
    if (code == EXIT_OK && !a->quiet) fprintf(stderr, "%" PRIu64 " %s exported\n", x.done, events ? "events" : "items");
    row_free(&x.row);
    client_stream_close(x.stream);
    if (x.all) protobuf_c_message_free_unpacked(&x.all->base, NULL);
    client_close(x.c);
    free(x.column);
    free(x.after);
    free((char *)(uintptr_t)x.left_out);
    return code;
}

int command_export(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    export_arguments a = {.quiet = false};
    option_words w = {0};
    bool asked = false;
    int code = EXIT_OK;
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &w, &asked, &e);
    if (s == SINTER_OK && !asked && w.n != 1)
        s = error_set(&e, SINTER_INVALID, "COLLECTION", "sinter export --help says more", w.n ? "one thing at a time" : "name a collection, or 'events'");
    bool events = s == SINTER_OK && !asked && strcmp(w.word[0], "events") == 0;
    if (s == SINTER_OK && !asked && !events && a.collection) s = error_set(&e, SINTER_INVALID, "--collection", NULL, "it goes with 'events'");
    if (s == SINTER_OK && events && (a.filter || a.fields.n)) s = error_set(&e, SINTER_INVALID, "--filter", NULL, "filters and fields are of items");
    if (s != SINTER_OK) {
        code = options_fail("export", &e);
    } else if (asked) {
        help(stdout);
    } else {
        if (!events) a.collection = w.word[0];
        a.quiet |= !isatty(STDERR_FILENO);
        code = run(&a, events);
    }
    option_list_free(&a.fields);
    option_words_free(&w);
    return code;
}
