/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sinter import COLLECTION FILE: rows of a file become items, sent in batches of which several are under way at once.
 *
 * A row that cannot be read, or that the server refuses, is counted, reported with its line, and (with --refused) written
 * out, so that it can be corrected and imported again. An item's upsert is idempotent: after a lost connection the batches not
 * yet acknowledged are sent once more. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "import_file.h"
#include <sinter/v1/catalog.pb-c.h>

int command_import(int argc, char **argv);

enum { MOST_MAPS = 256, IN_FLIGHT = 4, BATCH_DEFAULT = 500, BATCH_MOST = 1000, BATCH_BYTES = 1 << 20, SHOWN_REFUSALS = 10, TRIES = 6 };

static const char HELP[] =
    "usage: sinter import COLLECTION FILE.{jsonl,csv,tsv} [options]\n\n"
    "Adds or replaces items. Each row needs an id: the column or member \"id\", or --map id=NAME.\n"
    "JSONL: one object a line; nested objects become dotted names, {\"lat\": …, \"lon\": …} a place.\n"
    "CSV (RFC 4180) and TSV (no quotes): the first line names the columns; an empty cell is no value; keywords are\n"
    "separated by |, vectors by spaces, a place is \"47.4,8.5\". Names that the collection does not declare are left out\n"
    "and named at the end.\n\n"
    "      --map FIELD=NAME    the field comes from this column or member; may be repeated\n"
    "      --server HOST:PORT  default $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER "\n"
    "      --batch N           items a batch, 1-1000, default 500\n"
    "      --refused FILE      write refused rows there, each after a line \"# line N: reason\"\n"
    "      --quiet             no progress\n"
    "      --json              the summary as one JSON object\n"
    "  -h, --help              this text\n\n"
    "exit codes: 0 all rows went in; 1 failed; 2 wrong arguments; 3 no server; 4 some rows, or all, were refused;\n"
    "5 no such collection or file\n";

typedef struct map_entry {
    const char *field, *name;
} map_entry;

typedef struct batch {
    arena *a;
    Sinter__V1__UpsertItemsRequest request;
    Sinter__V1__Item *item[BATCH_MOST];
    uint64_t line[BATCH_MOST];
    str raw[BATCH_MOST];
    size_t bytes;
} batch;

typedef struct importer {
    const char *collection, *path, *server, *refused_path;
    map_entry map[MOST_MAPS];
    uint32_t n_maps, batch_size;
    bool json, quiet;

    client *c;
    client_stream *stream;
    Sinter__V1__ListCollectionsResponse *schemas;
    const Sinter__V1__Collection *schema;
    import_file *file;
    uint64_t file_bytes;
    FILE *refused;

    batch *ring[IN_FLIGHT]; /* sent and not answered, oldest first; then spare ones */
    uint32_t in_flight;
    uint64_t rows, accepted, rejected, sequence;
    uint64_t started_ns, shown_ns;
    char *left_out[32];
    uint32_t n_left_out;
} importer;

/* ---- arguments ------------------------------------------------------------------------------------------------------ */

static int usage(const char *what, const char *arg) {
    fprintf(stderr, "sinter import: %s%s%s\nsinter import --help says more\n", what, arg ? ": " : "", arg ? arg : "");
    return EXIT_USAGE;
}

static int take_map(importer *m, char *text) {
    char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1]) return usage("--map takes FIELD=NAME", text);
    if (m->n_maps == MOST_MAPS) return usage("more than 256 --map", NULL);
    *equals = '\0';
    m->map[m->n_maps++] = (map_entry){text, equals + 1};
    return EXIT_OK;
}

static int take_batch(importer *m, const char *text) {
    uint64_t n;
    if (!parse_uint64(str_of(text), &n) || n < 1 || n > BATCH_MOST) return usage("--batch takes 1 to 1000", text);
    m->batch_size = (uint32_t)n;
    return EXIT_OK;
}

/* Returns -1 to go on, else an exit code. */
static int take_option(importer *m, int argc, char **argv, int *i) {
    const char *name = argv[*i];
    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0) {
        fputs(HELP, stdout);
        return EXIT_OK;
    }
    if (strcmp(name, "--json") == 0) return m->json = true, -1;
    if (strcmp(name, "--quiet") == 0) return m->quiet = true, -1;
    static const char *const VALUED[] = {"--map", "--server", "--batch", "--refused"};
    size_t k = 0;
    while (k < ARRAY_LEN(VALUED) && strcmp(name, VALUED[k]) != 0)
        k++;
    if (k == ARRAY_LEN(VALUED)) return usage("unknown option", name);
    if (*i + 1 >= argc) return usage("a value is missing after", name);
    char *value = argv[++*i];
    int code = EXIT_OK;
    if (k == 0) code = take_map(m, value);
    if (k == 1) m->server = value;
    if (k == 2) code = take_batch(m, value);
    if (k == 3) m->refused_path = value;
    return code == EXIT_OK ? -1 : code;
}

static int take_arguments(importer *m, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1]) {
            int code = take_option(m, argc, argv, &i);
            if (code >= 0) return code;
        } else if (!m->collection) {
            m->collection = argv[i];
        } else if (!m->path) {
            m->path = argv[i];
        } else {
            return usage("one argument too many", argv[i]);
        }
    }
    return m->path ? -1 : usage("a collection and a file are needed", NULL);
}

/* ---- schema ------------------------------------------------------------------------------------------------------------ */

static bool matches(const char *pattern, const char *name) {
    const char *star = NULL, *back = NULL;
    while (*name) {
        if (*pattern == '*') star = ++pattern, back = name;
        else if (*pattern == *name) pattern++, name++;
        else if (star) pattern = star, name = ++back;
        else return false;
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static const Sinter__V1__Field *field_of(const importer *m, const char *name) {
    for (size_t i = 0; i < m->schema->n_fields; i++) {
        if (strcmp(m->schema->fields[i]->name, name) == 0) return m->schema->fields[i];
    }
    for (size_t i = 0; i < m->schema->n_fields; i++) {
        if (strchr(m->schema->fields[i]->name, '*') && matches(m->schema->fields[i]->name, name)) return m->schema->fields[i];
    }
    return NULL;
}

static int no_such_collection(importer *m) {
    const char **names = xcalloc(m->schemas->n_collections + 1, sizeof *names);
    for (size_t i = 0; i < m->schemas->n_collections; i++)
        names[i] = m->schemas->collections[i]->name;
    const char *near = near_name(m->collection, names, m->schemas->n_collections);
    fprintf(stderr, "sinter import: the server at %s has no collection \"%s\"", client_server(m->c), m->collection);
    if (near) fprintf(stderr, "; did you mean %s?\n", near);
    else fprintf(stderr, "; it has %s%s\n", names[0] ? names[0] : "none", m->schemas->n_collections > 1 ? " and others: sinter status" : "");
    free(names);
    return EXIT_ABSENT;
}

static int fetch_schema(importer *m) {
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__ListCollectionsRequest request = SINTER__V1__LIST_COLLECTIONS_REQUEST__INIT;
    if (client_call(m->c, "sinter.v1.CatalogService/ListCollections", &request.base, &sinter__v1__list_collections_response__descriptor,
                    30000000000, (ProtobufCMessage **)&m->schemas, &e) != SINTER_OK)
        return client_fail("import", m->c, &e);
    for (size_t i = 0; i < m->schemas->n_collections; i++) {
        if (strcmp(m->schemas->collections[i]->name, m->collection) == 0) m->schema = m->schemas->collections[i];
    }
    if (!m->schema) return no_such_collection(m);
    for (uint32_t i = 0; i < m->n_maps; i++) {
        if (strcmp(m->map[i].field, "id") != 0 && !field_of(m, m->map[i].field)) return usage("--map names a field that the collection does not declare", m->map[i].field);
    }
    return EXIT_OK;
}

/* ---- reports --------------------------------------------------------------------------------------------------------------- */

static void clear_progress(const importer *m) {
    if (m->shown_ns) fputs("\r\033[K", stderr);
}

static void show_progress(importer *m) {
    uint64_t now = clock_mono_ns();
    if (m->quiet || now - m->shown_ns < 200000000) return;
    m->shown_ns = now;
    double seconds = (double)(now - m->started_ns) / 1e9, share = m->file_bytes ? (double)import_position(m->file) / (double)m->file_bytes : 0;
    char left[48] = "";
    if (share > 0.01 && share <= 1) snprintf(left, sizeof left, ", %.0f s left", seconds / share - seconds);
    int filled = (int)(share * 24);
    fprintf(stderr, "\r\033[K[%.*s%.*s] %3.0f %%  %" PRIu64 " items, %.0f/s%s", filled, "########################", 24 - filled, "........................", share * 100,
            m->accepted, seconds > 0 ? (double)m->accepted / seconds : 0, left);
    if (m->rejected) fprintf(stderr, ", %" PRIu64 " refused", m->rejected);
}

static void refuse_row(importer *m, uint64_t line, str raw, const char *reason) {
    m->rejected++;
    if (m->refused) fprintf(m->refused, "# line %" PRIu64 ": %s\n%.*s\n", line, reason, (int)raw.n, raw.s);
    if (m->rejected > SHOWN_REFUSALS) return;
    clear_progress(m);
    fprintf(stderr, "%s:%" PRIu64 ": %s\n", m->path, line, reason);
    if (m->rejected == SHOWN_REFUSALS) fputs("further refused rows are only counted\n", stderr);
}

static void note_left_out(importer *m, const char *name) {
    for (uint32_t i = 0; i < m->n_left_out; i++) {
        if (strcmp(m->left_out[i], name) == 0) return;
    }
    if (m->n_left_out < ARRAY_LEN(m->left_out)) m->left_out[m->n_left_out++] = xstrdup(name);
}

/* ---- rows to items ------------------------------------------------------------------------------------------------------------ */

static const char *mapped_field(const importer *m, const char *name) {
    for (uint32_t i = 0; i < m->n_maps; i++) {
        if (strcmp(m->map[i].name, name) == 0) return m->map[i].field;
    }
    for (uint32_t i = 0; i < m->n_maps; i++) {
        if (strcmp(m->map[i].field, name) == 0) return NULL; /* its field comes from elsewhere */
    }
    return name;
}

static const char *cell_as_id(const import_cell *c, arena *a) {
    if (c->kind == CELL_INTEGER) return arena_printf(a, "%" PRId64, c->integer);
    return c->kind == CELL_TEXT || c->kind == CELL_STRING ? c->text : NULL;
}

/* NULL, or why the row is refused. */
static const char *add_field(importer *m, arena *a, Sinter__V1__Item *item, const char *name, const import_cell *c) {
    const Sinter__V1__Field *f = field_of(m, name);
    Sinter__V1__Value *v;
    if (!f) {
        note_left_out(m, c->name);
        return NULL;
    }
    const char *problem = import_value(c, f->type, a, &v);
    if (problem) return arena_printf(a, "%s: %s", name, problem);
    if (!v) return NULL;
    Sinter__V1__Item__FieldsEntry *entry = arena_alloc(a, sizeof *entry);
    sinter__v1__item__fields_entry__init(entry);
    entry->key = (char *)name;
    entry->value = v;
    item->fields[item->n_fields++] = entry;
    return NULL;
}

static const char *row_item(importer *m, arena *a, const import_row *row, Sinter__V1__Item **out) {
    Sinter__V1__Item *item = arena_alloc(a, sizeof *item);
    sinter__v1__item__init(item);
    item->fields = ARENA_ARRAY(a, Sinter__V1__Item__FieldsEntry *, row->n + 1);
    const char *id = NULL, *problem = NULL;
    for (uint32_t i = 0; i < row->n && !problem; i++) {
        const char *name = mapped_field(m, row->cell[i].name);
        if (!name) continue;
        if (strcmp(name, "id") == 0) id = cell_as_id(&row->cell[i], a);
        else problem = add_field(m, a, item, name, &row->cell[i]);
    }
    if (problem) return problem;
    if (!id || !*id) return "it has no id: name its column or member with --map id=NAME";
    item->id = (char *)id;
    *out = item;
    return NULL;
}

/* ---- batches -------------------------------------------------------------------------------------------------------------------- */

static void batch_clear(batch *b, const char *collection) {
    arena_reset(b->a);
    b->bytes = 0;
    sinter__v1__upsert_items_request__init(&b->request);
    b->request.collection = (char *)collection;
    b->request.items = b->item;
}

static void take_answer(importer *m, const batch *b, const Sinter__V1__UpsertItemsResponse *answer) {
    m->accepted += answer->accepted;
    if (answer->sequence > m->sequence) m->sequence = answer->sequence;
    for (size_t i = 0; i < answer->n_rejected; i++) {
        const Sinter__V1__Rejected *r = answer->rejected[i];
        if (r->index >= b->request.n_items) continue;
        const char *reason = "refused";
        for (size_t k = 0; k < r->n_violations; k++) {
            const char *path = strchr(r->violations[k]->field, '.');
            reason = arena_printf(b->a, "%s%s%s: %s", k ? reason : "", k ? "; " : "", path ? path + 1 : r->violations[k]->field, r->violations[k]->description);
        }
        refuse_row(m, b->line[r->index], b->raw[r->index], reason);
    }
}

static sinter_status open_stream(importer *m, sinter_error *e) {
    return client_stream_open(m->c, "sinter.v1.CatalogService/UpsertItems", &sinter__v1__upsert_items_response__descriptor, CLIENT_NO_TIMEOUT, &m->stream, e);
}

/* The oldest batch's answer; the batch becomes spare. */
static sinter_status receive_one(importer *m, sinter_error *e) {
    Sinter__V1__UpsertItemsResponse *answer;
    sinter_status s = client_stream_receive(m->stream, (ProtobufCMessage **)&answer, e);
    if (s != SINTER_OK) return s;
    if (!answer) return error_set(e, SINTER_UNAVAILABLE, NULL, NULL, "the server ended the stream before all batches were answered");
    batch *b = m->ring[0];
    take_answer(m, b, answer);
    protobuf_c_message_free_unpacked(&answer->base, NULL);
    memmove(m->ring, m->ring + 1, (IN_FLIGHT - 1) * sizeof *m->ring);
    m->ring[IN_FLIGHT - 1] = b;
    m->in_flight--;
    return SINTER_OK;
}

static bool worth_another_try(const sinter_error *e) {
    return e->status == SINTER_UNAVAILABLE || e->status == SINTER_EXHAUSTED || e->status == SINTER_CANCELLED;
}

static sinter_status send_again(importer *m, sinter_error *e) {
    client_stream_close(m->stream);
    m->stream = NULL;
    sinter_status s = open_stream(m, e);
    for (uint32_t i = 0; s == SINTER_OK && i < m->in_flight; i++)
        s = client_stream_send(m->stream, &m->ring[i]->request.base, e);
    return s;
}

/* After an error: waits, reconnects, sends what was not answered. */
static sinter_status recover(importer *m, sinter_error *e) {
    sinter_status s = e->status;
    for (int k = 0; s != SINTER_OK && k < TRIES && worth_another_try(e); k++) {
        clear_progress(m);
        fprintf(stderr, "sinter import: %s; trying again\n", e->what);
        nanosleep(&(struct timespec){k < 3 ? 0 : 1 << (k - 3), k < 3 ? 200000000L << k : 0}, NULL);
        s = send_again(m, e);
    }
    return s;
}

static sinter_status drain_to(importer *m, uint32_t most, sinter_error *e) {
    sinter_status s = SINTER_OK;
    while (m->in_flight > most && s == SINTER_OK) {
        s = receive_one(m, e);
        if (s != SINTER_OK) s = recover(m, e);
        show_progress(m);
    }
    return s;
}

static sinter_status send_batch(importer *m, sinter_error *e) {
    batch *b = m->ring[m->in_flight];
    if (b->request.n_items == 0) return SINTER_OK;
    m->in_flight++;
    sinter_status s = client_stream_send(m->stream, &b->request.base, e);
    if (s != SINTER_OK) s = recover(m, e);
    if (s == SINTER_OK) s = drain_to(m, IN_FLIGHT - 1, e);
    batch_clear(m->ring[m->in_flight], m->collection);
    return s;
}

static sinter_status send_rows(importer *m, sinter_error *e) {
    sinter_status s = SINTER_OK;
    import_row row;
    for (uint32_t i = 0; i < IN_FLIGHT; i++) {
        m->ring[i] = xcalloc(1, sizeof(batch));
        m->ring[i]->a = arena_new(1 << 20);
        batch_clear(m->ring[i], m->collection);
    }
    while (s == SINTER_OK && import_next(m->file, m->ring[m->in_flight]->a, &row)) {
        batch *b = m->ring[m->in_flight];
        Sinter__V1__Item *item;
        m->rows++;
        const char *problem = row.problem ? row.problem : row_item(m, b->a, &row, &item);
        if (problem) {
            refuse_row(m, row.line, row.raw, problem);
            b->bytes += row.raw.n;
            if (b->request.n_items == 0) batch_clear(b, m->collection);
            continue;
        }
        size_t n = b->request.n_items++;
        b->item[n] = item;
        b->line[n] = row.line;
        b->raw[n] = row.raw;
        b->bytes += row.raw.n;
        if (n + 1 >= m->batch_size || b->bytes >= BATCH_BYTES) s = send_batch(m, e);
    }
    if (s == SINTER_OK) s = send_batch(m, e);
    return s == SINTER_OK ? drain_to(m, 0, e) : s;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------------- */

static int open_files(importer *m) {
    import_format format;
    sinter_error e = SINTER_ERROR_INIT;
    char line[1600];
    struct stat st;
    if (!import_format_of(m->path, &format)) return usage("the file's name ends with none of .jsonl, .csv, .tsv", m->path);
    FILE *in = fopen(m->path, "rbe");
    if (!in || fstat(fileno(in), &st) != 0) {
        fprintf(stderr, "sinter import: %s: %s\n", m->path, strerror(errno));
        if (in) fclose(in);
        return EXIT_ABSENT;
    }
    m->file_bytes = (uint64_t)st.st_size;
    if (import_open(in, format, m->path, &m->file, &e) != SINTER_OK) {
        fprintf(stderr, "sinter import: %s\n", error_line(&e, line, sizeof line));
        return EXIT_FAILED;
    }
    if (!m->refused_path) return EXIT_OK;
    m->refused = fopen(m->refused_path, "wbe");
    if (!m->refused) {
        fprintf(stderr, "sinter import: %s: %s\n", m->refused_path, strerror(errno));
        return EXIT_FAILED;
    }
    str header = import_header(m->file);
    if (header.n) fprintf(m->refused, "%.*s\n", (int)header.n, header.s);
    return EXIT_OK;
}

static void print_summary(const importer *m) {
    double seconds = (double)(clock_mono_ns() - m->started_ns) / 1e9;
    for (uint32_t i = 0; i < m->n_left_out; i++)
        fprintf(stderr, "%s%s%s", i ? ", " : "left out, the collection declares no such field: ", m->left_out[i], i + 1 == m->n_left_out ? "\n" : "");
    if (m->json)
        printf("{\"rows\": %" PRIu64 ", \"accepted\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"sequence\": %" PRIu64 ", \"seconds\": %.3f}\n", m->rows, m->accepted, m->rejected, m->sequence,
               seconds);
    else
        printf("%" PRIu64 " items imported into %s, %" PRIu64 " refused, in %.1f s (%.0f a second); sequence %" PRIu64 "\n", m->accepted, m->collection, m->rejected, seconds,
               seconds > 0 ? (double)m->accepted / seconds : 0, m->sequence);
}

static int run_import(importer *m) {
    sinter_error e = SINTER_ERROR_INIT;
    int code = open_files(m);
    if (code != EXIT_OK) return code;
    if (client_open(m->server, &m->c, &e) != SINTER_OK) return client_fail("import", NULL, &e);
    if ((code = fetch_schema(m)) != EXIT_OK) return code;
    m->started_ns = clock_mono_ns();
    sinter_status s = open_stream(m, &e);
    if (s == SINTER_OK) s = send_rows(m, &e);
    clear_progress(m);
    if (s != SINTER_OK) code = client_fail("import", m->c, &e);
    print_summary(m);
    return code != EXIT_OK ? code : m->rejected ? EXIT_REFUSED : EXIT_OK;
}

static void importer_free(importer *m) {
    client_stream_close(m->stream);
    for (uint32_t i = 0; i < IN_FLIGHT && m->ring[i]; i++) {
        arena_free(m->ring[i]->a);
        free(m->ring[i]);
    }
    if (m->schemas) protobuf_c_message_free_unpacked(&m->schemas->base, NULL);
    client_close(m->c);
    import_close(m->file);
    if (m->refused) fclose(m->refused);
    for (uint32_t i = 0; i < m->n_left_out; i++)
        free(m->left_out[i]);
    free(m);
}

int command_import(int argc, char **argv) {
    importer *m = xcalloc(1, sizeof *m);
    m->batch_size = BATCH_DEFAULT;
    int code = take_arguments(m, argc, argv);
    if (code < 0) {
        m->quiet |= !isatty(STDERR_FILENO);
        code = run_import(m);
    }
    importer_free(m);
    return code;
}
