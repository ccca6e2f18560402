/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sinter events import FILE: rows of a file become events.
 *
 * Each row's event has an id, mapped or made of the file's name, the line and a hash of the row, so that a batch may be sent
 * twice and a file be imported twice: what is recorded already changes nothing. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import_run.h"
#include "journal/journal.h"
#include <sinter/v1/events.pb-c.h>

int command_events(int argc, char **argv);

static const char HELP[] =
    "usage: sinter events import FILE.{jsonl,csv,tsv} [--type TYPE] [--map FIELD=NAME,...] [options]\n\n"
    "Records what people did: a row is an event. Its fields come from the columns or members of their own names, or as\n"
    "--map says. JSONL: one object a line. CSV (RFC 4180) and TSV (no quotes): the first line names the columns.\n\n"
    "  type       one of the collection's event types, unless --type gives all rows one\n"
    "  user, session  who: one of the two at least\n"
    "  item       what it was about: an id, in JSONL also a list of ids\n"
    "  time       seconds or milliseconds since 1970, or RFC 3339 (2026-01-31T12:00:00Z); left out: now\n"
    "  value      a number: the rating of types declared 'value'\n"
    "  id         of the event; left out: made of the file's name, the line and the row, so that the same file again\n"
    "             changes nothing\n"
    "  request, position, query  of the search that showed the item\n"
    "  attributes.NAME           kept with the event\n\n"
    "      --type TYPE         of every row\n"
    "      --map FIELD=NAME    the field comes from this column or member; several with commas, or repeated\n"
    "      --collection NAME   where the items are; may be left out where the server has one collection\n"
    "      --server HOST:PORT  default $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER "\n"
    "      --batch N           events a batch, 1-10000, default 1000\n"
    "      --refused FILE      write refused rows there, each after a line \"# line N: reason\"\n"
    "      --quiet             no progress\n"
    "      --json              the summary as one JSON object\n"
    "  -h, --help              this text\n\n"
    "exit codes: 0 all rows are recorded, now or before; 1 failed; 2 wrong arguments; 3 no server; 4 some rows, or all, were\n"
    "refused; 5 no such collection or file\n";

typedef enum { TYPE, USER, SESSION, ITEM, TIME, VALUE, ID, REQUEST, POSITION, QUERY, FIELDS } event_field;
static const char *const FIELD_NAMES[FIELDS] = {"type", "user", "session", "item", "time", "value", "id", "request", "position", "query"};
static const char ATTRIBUTES[] = "attributes.";

typedef struct events {
    const char *type;
    const char *column[FIELDS]; /* NULL: the field's own name */
    const char *file;           /* its name without folders, for ids */
} events;

/* ---- arguments ------------------------------------------------------------------------------------------------------ */

static bool is_attribute(const char *name) {
    return strncmp(name, ATTRIBUTES, sizeof ATTRIBUTES - 1) == 0 && name[sizeof ATTRIBUTES - 1];
}

static int take_pair(import_run *m, events *x, char *text) {
    int code = import_take_map(m, text);
    if (code != EXIT_OK) return code;
    import_map pair = m->map[m->n_maps - 1];
    if (is_attribute(pair.field)) return EXIT_OK;
    m->n_maps--;
    for (int i = 0; i < FIELDS; i++) {
        if (strcmp(FIELD_NAMES[i], pair.field) != 0) continue;
        x->column[i] = pair.name;
        return EXIT_OK;
    }
    const char *near = near_name(pair.field, FIELD_NAMES, FIELDS);
    if (near) fprintf(stderr, "did you mean '%s'?\n", near);
    return import_usage(m, "--map: an event has no field", pair.field);
}

static bool event_option(import_run *m, const char *name, char *value, int *code) {
    events *x = m->own;
    char *rest = value, *pair;
    *code = EXIT_OK;
    if (strcmp(name, "--type") == 0) x->type = value;
    else if (strcmp(name, "--collection") == 0) m->collection = value;
    else if (strcmp(name, "--map") != 0) return false;
    else {
        while (*code == EXIT_OK && (pair = strsep(&rest, ",")))
            *code = take_pair(m, x, pair);
    }
    return true;
}

static int event_word(import_run *m, char *word) {
    events *x = m->own;
    if (m->path) return import_usage(m, "one argument too many", word);
    m->path = word;
    const char *slash = strrchr(word, '/');
    x->file = slash ? slash + 1 : word;
    return EXIT_OK;
}

/* A file with a header must have the columns that were named. */
static int check_column(const import_run *m, const char *name) {
    uint32_t n;
    const char *const *columns = import_columns(m->file, &n);
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(columns[i], name) == 0) return EXIT_OK;
    }
    if (!n) return EXIT_OK;
    const char *near = near_name(name, columns, n);
    if (near) fprintf(stderr, "did you mean '%s'?\n", near);
    return import_usage(m, "the file has no column", name);
}

static int event_prepare(import_run *m) {
    const events *x = m->own;
    int code = EXIT_OK;
    if (x->type && x->column[TYPE]) return import_usage(m, "--type and --map type=… exclude each other", NULL);
    for (int i = 0; i < FIELDS && code == EXIT_OK; i++)
        if (x->column[i]) code = check_column(m, x->column[i]);
    for (uint32_t i = 0; i < m->n_maps && code == EXIT_OK; i++)
        code = check_column(m, m->map[i].name);
    return code;
}

/* ---- cells ------------------------------------------------------------------------------------------------------------ */

typedef Sinter__V1__Event event;

static const char *wrong(arena *a, event_field f, const import_cell *c, const char *takes) {
    const char *text = import_cell_text(c, a);
    return text ? arena_printf(a, "%s: \"%.40s\" is not %s", FIELD_NAMES[f], text, takes) : arena_printf(a, "%s is not %s", FIELD_NAMES[f], takes);
}

static bool cell_number(const import_cell *c, double *out) {
    switch (c->kind) {
    case CELL_INTEGER: *out = (double)c->integer; return true;
    case CELL_NUMBER: *out = c->number; return true;
    case CELL_TEXT:
    case CELL_STRING: return parse_double(str_of(c->text), out);
    default: return false;
    }
}

/* What is too large for seconds of the next 3,000 years is milliseconds. */
static bool cell_time(const import_cell *c, int64_t *ms) {
    static const double MOST_SECONDS = 1e11, MOST_MS = 1e15;
    double x;
    if (cell_number(c, &x)) {
        bool seconds = fabs(x) < MOST_SECONDS;
        if (!(fabs(x) < MOST_MS)) return false;
        *ms = (int64_t)(seconds ? round(x * 1000) : round(x));
        return true;
    }
    return (c->kind == CELL_TEXT || c->kind == CELL_STRING) && time_parse_ms(str_of(c->text), ms);
}

static const char *set_items(event *ev, const import_cell *c, arena *a) {
    const char *one = import_cell_text(c, a);
    if (!one && c->kind != CELL_STRINGS && c->kind != CELL_NUMBERS) return wrong(a, ITEM, c, "an id or a list of ids");
    if (one || c->kind == CELL_NUMBERS) {
        ev->n_item_ids = one ? 1 : c->n;
        ev->item_ids = ARENA_ARRAY(a, char *, ev->n_item_ids + 1);
        for (size_t i = 0; i < ev->n_item_ids; i++)
            ev->item_ids[i] = one ? (char *)one : arena_printf(a, "%.17g", c->numbers[i]);
        return NULL;
    }
    ev->n_item_ids = c->n;
    ev->item_ids = c->string;
    return NULL;
}

static const char *set_text(event *ev, event_field f, const import_cell *c, arena *a) {
    char **const TARGETS[FIELDS] = {[TYPE] = &ev->type, [USER] = &ev->user_id, [SESSION] = &ev->session_id, [ID] = &ev->event_id,
                                    [REQUEST] = &ev->request_id, [QUERY] = &ev->query};
    const char *text = import_cell_text(c, a);
    if (!text) return wrong(a, f, c, "a text");
    *TARGETS[f] = (char *)text;
    return NULL;
}

static const char *set_field(event *ev, event_field f, const import_cell *c, arena *a) {
    double number;
    int64_t ms;
    switch (f) {
    case ITEM: return set_items(ev, c, a);
    case VALUE: return cell_number(c, &ev->value) ? NULL : wrong(a, f, c, "a number");
    case TIME:
        if (!cell_time(c, &ms)) return wrong(a, f, c, "a time: seconds or milliseconds since 1970, or RFC 3339");
        ev->time = ARENA_NEW(a, Google__Protobuf__Timestamp);
        if ((c->kind != CELL_TEXT && c->kind != CELL_STRING) || !import_time(c->text, ev->time)) *ev->time = timestamp_of(ms);
        return NULL;
    case POSITION:
        if (!cell_number(c, &number) || number < 0 || number > UINT32_MAX || number != floor(number)) return wrong(a, f, c, "a whole number from 0");
        ev->position = (uint32_t)number;
        return NULL;
    default: return set_text(ev, f, c, a);
    }
}

/* ---- rows to events -------------------------------------------------------------------------------------------------------- */

static int field_of(const events *x, const char *name) {
    for (int i = 0; i < FIELDS; i++) {
        if (i == TYPE && x->type) continue;
        if (strcmp(x->column[i] ? x->column[i] : FIELD_NAMES[i], name) == 0) return i;
    }
    return -1;
}

static const char *add_attribute(event *ev, const char *name, const import_cell *c, arena *a) {
    Sinter__V1__Value *v;
    const char *problem = import_value(c, "text", a, &v);
    if (problem) return arena_printf(a, "%s: %s", name, problem);
    if (!v) return NULL;
    Sinter__V1__Event__AttributesEntry *entry = arena_alloc(a, sizeof *entry);
    sinter__v1__event__attributes_entry__init(entry);
    entry->key = (char *)name + sizeof ATTRIBUTES - 1;
    entry->value = v;
    ev->attributes[ev->n_attributes++] = entry;
    return NULL;
}

/* A column may be an attribute by --map or by its own name. */
static const char *attribute_of(const import_run *m, const char *name) {
    for (uint32_t i = 0; i < m->n_maps; i++) {
        if (strcmp(m->map[i].name, name) == 0) return m->map[i].field;
    }
    return is_attribute(name) ? name : NULL;
}

/* Also the type is hashed: the same file may tell views in one column and purchases in another. */
static void give_id(const events *x, event *ev, const import_row *row, arena *a) {
    uint64_t hash = hash64_seed(row->raw.s, row->raw.n, hash64(ev->type, strlen(ev->type)));
    str file = str_of(x->file);
    if (file.n > 200 || id_problem(file.s, file.n)) hash ^= hash64(file.s, file.n), file = STR("file");
    ev->event_id = arena_printf(a, "%.*s:%" PRIu64 ":%016" PRIx64, (int)file.n, file.s, row->line, hash);
}

static const char *event_row(import_run *m, arena *a, const import_row *row, ProtobufCMessage **out) {
    const events *x = m->own;
    event *ev = arena_alloc(a, sizeof *ev);
    sinter__v1__event__init(ev);
    ev->collection = (char *)m->collection;
    ev->attributes = ARENA_ARRAY(a, Sinter__V1__Event__AttributesEntry *, row->n + 1);
    if (x->type) ev->type = (char *)x->type;
    const char *problem = NULL;
    for (uint32_t i = 0; i < row->n && !problem; i++) {
        const import_cell *c = &row->cell[i];
        const char *attribute = attribute_of(m, c->name);
        int f = field_of(x, c->name);
        if (f >= 0) problem = set_field(ev, (event_field)f, c, a);
        if (attribute && !problem) problem = add_attribute(ev, attribute, c, a);
    }
    if (problem) return problem;
    if (!*ev->type) return "it has no type: give all rows one with --type TYPE, or name its column with --map type=NAME";
    if (!*ev->user_id && !*ev->session_id) return "it has no user or session: name its column with --map user=NAME";
    if (!ev->n_item_ids) return "it has no item: name its column with --map item=NAME";
    if (!*ev->event_id) give_id(x, ev, row, a);
    *out = &ev->base;
    return NULL;
}

/* ---- batches -------------------------------------------------------------------------------------------------------------------- */

static sinter_status event_send(import_run *m, const import_batch *b, sinter_error *e) {
    Sinter__V1__StreamEventsRequest request = SINTER__V1__STREAM_EVENTS_REQUEST__INIT;
    request.events = (event **)b->message;
    request.n_events = b->n;
    return client_stream_send(m->stream, &request.base, e);
}

static void event_take(import_run *m, const import_batch *b, const ProtobufCMessage *message) {
    const Sinter__V1__StreamEventsResponse *answer = (const Sinter__V1__StreamEventsResponse *)message;
    m->accepted += answer->accepted;
    m->repeated += answer->repeated;
    if (answer->sequence > m->sequence) m->sequence = answer->sequence;
    for (size_t i = 0; i < answer->n_rejected; i++) {
        const Sinter__V1__EventRejected *r = answer->rejected[i];
        if (r->index >= b->n) continue;
        import_refuse(m, b->line[r->index], b->raw[r->index], arena_printf(b->a, "%s: %s; valid: %s", r->field, r->reason, r->valid));
    }
}

static void event_summary(import_run *m, double seconds) {
    if (m->json)
        printf("{\"rows\": %" PRIu64 ", \"accepted\": %" PRIu64 ", \"repeated\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"sequence\": %" PRIu64 ", \"seconds\": %.3f}\n", m->rows,
               m->accepted, m->repeated, m->rejected, m->sequence, seconds);
    else
        printf("%" PRIu64 " events recorded in %s, %" PRIu64 " had been before, %" PRIu64 " refused, in %.1f s (%.0f a second); sequence %" PRIu64 "\n", m->accepted, m->collection,
               m->repeated, m->rejected, seconds, seconds > 0 ? (double)(m->accepted + m->repeated) / seconds : 0, m->sequence);
}

int command_events(int argc, char **argv) {
    static const import_kind EVENTS = {
        .command = "events import", .noun = "events", .help = HELP,
        .method = "sinter.v1.EventService/StreamEvents", .answer = &sinter__v1__stream_events_response__descriptor,
        .batch_default = 1000, .batch_most = 10000,
        .option = event_option, .word = event_word, .prepare = event_prepare, .row = event_row, .send = event_send, .take = event_take, .summary = event_summary,
    };
    events x = {.type = NULL};
    bool help = argc > 1 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0);
    if (help) {
        fputs(HELP, stdout);
        return EXIT_OK;
    }
    if (argc > 1 && strcmp(argv[1], "import") == 0) return import_main(&EVENTS, &x, argc - 1, argv + 1);
    fprintf(stderr, "sinter events: %s%s\nsinter events --help says more\n", argc > 1 ? "unknown action: " : "the action is import", argc > 1 ? argv[1] : "");
    return EXIT_USAGE;
}
