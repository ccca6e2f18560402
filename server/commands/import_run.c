/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The run of an import: arguments, files, batches and their answers, progress, refused rows. */
#include "import_run.h"
#include "collections.h"
#include "progress.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BATCH_BYTES = 1 << 20, SHOWN_REFUSALS = 10, QUICK_TRIES = 3, LONGEST_WAIT_S = 4 };

/* ---- arguments ------------------------------------------------------------------------------------------------------ */

int import_usage(const import_run *m, const char *what, const char *arg) {
    const char *command = m->kind->command;
    fprintf(stderr, "sinter %s: %s%s%s\nsinter %s --help says more\n", command, what, arg ? ": " : "", arg ? arg : "", command);
    return EXIT_USAGE;
}

int import_take_map(import_run *m, char *text) {
    char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1]) return import_usage(m, "--map takes FIELD=NAME", text);
    if (m->n_maps == IMPORT_MAPS) return import_usage(m, "more than 256 --map", NULL);
    *equals = '\0';
    m->map[m->n_maps++] = (import_map){text, equals + 1};
    return EXIT_OK;
}

static int take_batch(import_run *m, const char *text) {
    uint64_t n;
    char what[64];
    snprintf(what, sizeof what, "--batch takes 1 to %" PRIu32, m->kind->batch_most);
    if (!parse_uint64(str_of(text), &n) || n < 1 || n > m->kind->batch_most) return import_usage(m, what, text);
    m->batch_size = (uint32_t)n;
    return EXIT_OK;
}

static bool take_shared(import_run *m, const char *name, char *value, int *code) {
    *code = EXIT_OK;
    if (strcmp(name, "--server") == 0) m->server = value;
    else if (strcmp(name, "--refused") == 0) m->refused_path = value;
    else if (strcmp(name, "--batch") == 0) *code = value ? take_batch(m, value) : EXIT_OK;
    else return false;
    return true;
}

/* Returns -1 to go on, else an exit code. */
static int take_option(import_run *m, int argc, char **argv, int *i) {
    const char *name = argv[*i];
    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0) {
        fputs(m->kind->help, stdout);
        return EXIT_OK;
    }
    if (strcmp(name, "--json") == 0) return m->json = true, -1;
    if (strcmp(name, "--quiet") == 0) return m->quiet = true, -1;
    if (m->kind->flag && m->kind->flag(m, name)) return -1;
    char *value = *i + 1 < argc ? argv[*i + 1] : NULL;
    int code;
    bool known = take_shared(m, name, value, &code) || m->kind->option(m, name, value, &code);
    if (!known) return import_usage(m, "unknown option", name);
    if (!value) return import_usage(m, "a value is missing after", name);
    ++*i;
    return code == EXIT_OK ? -1 : code;
}

static int take_arguments(import_run *m, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        bool option = argv[i][0] == '-' && argv[i][1];
        int code = option ? take_option(m, argc, argv, &i) : m->kind->word(m, argv[i]);
        if (option ? code >= 0 : code != EXIT_OK) return code;
    }
    return m->path ? -1 : import_usage(m, strcmp(m->kind->noun, "items") == 0 ? "a collection and a file are needed" : "a file is needed", NULL);
}

/* ---- reports --------------------------------------------------------------------------------------------------------------- */

static void clear_progress(const import_run *m) {
    if (m->shown_ns) fputs("\r\033[K", stderr);
}

static void show_progress(import_run *m) {
    uint64_t now = clock_mono_ns(), done = m->accepted + m->repeated;
    if (m->quiet || now - m->shown_ns < 200000000) return;
    m->shown_ns = now;
    double share = m->file_bytes ? (double)import_position(m->file) / (double)m->file_bytes : 0;
    progress_draw(share, done, m->kind->noun, (double)(now - m->started_ns) / 1e9);
    if (m->rejected) fprintf(stderr, ", %" PRIu64 " refused", m->rejected);
}

void import_refuse(import_run *m, uint64_t line, str raw, const char *reason) {
    m->rejected++;
    if (m->refused) fprintf(m->refused, "# line %" PRIu64 ": %s\n%.*s\n", line, reason, (int)raw.n, raw.s);
    if (m->rejected > SHOWN_REFUSALS) return;
    clear_progress(m);
    fprintf(stderr, "%s:%" PRIu64 ": %s\n", m->path, line, reason);
    if (m->rejected == SHOWN_REFUSALS) fputs("further refused rows are only counted\n", stderr);
}

const char *import_cell_text(const import_cell *c, arena *a) {
    if (c->kind == CELL_INTEGER) return arena_printf(a, "%" PRId64, c->integer);
    return c->kind == CELL_TEXT || c->kind == CELL_STRING ? c->text : NULL;
}

/* ---- batches -------------------------------------------------------------------------------------------------------------------- */

static void batch_clear(import_batch *b) {
    arena_reset(b->a);
    b->n = b->bytes = 0;
}

static void batch_make(import_batch *b, uint32_t most) {
    b->a = arena_new(1 << 20);
    b->message = xcalloc(most, sizeof *b->message);
    b->line = xcalloc(most, sizeof *b->line);
    b->raw = xcalloc(most, sizeof *b->raw);
    batch_clear(b);
}

static void batch_free(import_batch *b) {
    if (!b->a) return;
    arena_free(b->a);
    free(b->message);
    free(b->line);
    free(b->raw);
}

static sinter_status open_stream(import_run *m, sinter_error *e) {
    return client_stream_open(m->c, m->kind->method, m->kind->answer, CLIENT_NO_TIMEOUT, &m->stream, e);
}

/* The oldest batch's answer; the batch becomes spare. */
static sinter_status receive_one(import_run *m, sinter_error *e) {
    ProtobufCMessage *answer;
    sinter_status s = client_stream_receive(m->stream, &answer, e);
    if (s != SINTER_OK) return s;
    if (!answer) return error_set(e, SINTER_UNAVAILABLE, NULL, NULL, "the server ended the stream before all batches were answered");
    import_batch b = m->ring[0];
    m->kind->take(m, &b, answer);
    protobuf_c_message_free_unpacked(answer, NULL);
    memmove(m->ring, m->ring + 1, (IMPORT_IN_FLIGHT - 1) * sizeof *m->ring);
    m->ring[IMPORT_IN_FLIGHT - 1] = b;
    m->in_flight--;
    return SINTER_OK;
}

bool import_worth_another_try(const sinter_error *e) {
    return e->status == SINTER_UNAVAILABLE || e->status == SINTER_EXHAUSTED || e->status == SINTER_CANCELLED;
}

static sinter_status send_again(import_run *m, sinter_error *e) {
    client_stream_close(m->stream);
    m->stream = NULL;
    sinter_status s = open_stream(m, e);
    for (uint32_t i = 0; s == SINTER_OK && i < m->in_flight; i++)
        s = m->kind->send(m, &m->ring[i], e);
    return s;
}

/* The k-th wait: from 0.2 s on doubled, up to 4 s; all of them a minute, in which a server that was stopped reads its views. */
void import_wait(int k) {
    struct timespec t = {0};
    if (k < QUICK_TRIES) t.tv_nsec = 200000000L << k;
    else t.tv_sec = k - QUICK_TRIES < 2 ? 1 << (k - QUICK_TRIES) : LONGEST_WAIT_S;
    nanosleep(&t, NULL);
}

/* After an error: waits, reconnects, sends what was not answered. */
static sinter_status recover(import_run *m, sinter_error *e) {
    sinter_status s = e->status;
    for (int k = 0; s != SINTER_OK && k < IMPORT_TRIES && import_worth_another_try(e); k++) {
        clear_progress(m);
        fprintf(stderr, "sinter %s: %s; trying again\n", m->kind->command, e->what);
        import_wait(k);
        s = send_again(m, e);
    }
    return s;
}

static sinter_status drain_to(import_run *m, uint32_t most, sinter_error *e) {
    sinter_status s = SINTER_OK;
    while (m->in_flight > most && s == SINTER_OK) {
        s = receive_one(m, e);
        if (s != SINTER_OK) s = recover(m, e);
        show_progress(m);
    }
    return s;
}

static sinter_status send_batch(import_run *m, sinter_error *e) {
    import_batch *b = &m->ring[m->in_flight];
    if (b->n == 0) return SINTER_OK;
    m->in_flight++;
    sinter_status s = m->kind->send(m, b, e);
    if (s != SINTER_OK) s = recover(m, e);
    if (s == SINTER_OK) s = drain_to(m, IMPORT_IN_FLIGHT - 1, e);
    if (s == SINTER_OK) batch_clear(&m->ring[m->in_flight]);
    return s;
}

static void add_row(import_run *m, import_batch *b, const import_row *row) {
    ProtobufCMessage *message;
    m->rows++;
    if (m->kind->see) m->kind->see(m, b->a, row);
    const char *problem = row->problem ? row->problem : m->kind->row(m, b->a, row, &message);
    b->bytes += row->raw.n;
    if (problem) {
        import_refuse(m, row->line, row->raw, problem);
        if (b->n == 0) batch_clear(b);
        return;
    }
    size_t n = b->n++;
    b->message[n] = message;
    b->line[n] = row->line;
    b->raw[n] = row->raw;
}

static sinter_status send_rows(import_run *m, sinter_error *e) {
    sinter_status s = SINTER_OK;
    import_row row;
    for (uint32_t i = 0; i < IMPORT_IN_FLIGHT; i++)
        batch_make(&m->ring[i], m->batch_size);
    while (s == SINTER_OK && import_next(m->file, m->ring[m->in_flight].a, &row)) {
        import_batch *b = &m->ring[m->in_flight];
        add_row(m, b, &row);
        if (b->n >= m->batch_size || b->bytes >= BATCH_BYTES) s = send_batch(m, e);
    }
    if (s == SINTER_OK) s = send_batch(m, e);
    return s == SINTER_OK ? drain_to(m, 0, e) : s;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------------- */

static int print_failure(const import_run *m, const char *path, int code) {
    fprintf(stderr, "sinter %s: %s: %s\n", m->kind->command, path, strerror(errno));
    return code;
}

static int open_files(import_run *m) {
    import_format format;
    sinter_error e = SINTER_ERROR_INIT;
    char line[1600];
    struct stat st;
    if (!import_format_of(m->path, &format)) return import_usage(m, "the file's name ends with none of .jsonl, .csv, .tsv", m->path);
    FILE *in = fopen(m->path, "rbe");
    if (!in || fstat(fileno(in), &st) != 0) {
        int code = print_failure(m, m->path, EXIT_ABSENT);
        if (in) fclose(in);
        return code;
    }
    m->file_bytes = (uint64_t)st.st_size;
    if (import_open(in, format, m->path, &m->file, &e) != SINTER_OK) {
        fprintf(stderr, "sinter %s: %s\n", m->kind->command, error_line(&e, line, sizeof line));
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

/* Only once the rest is known to be right: it empties the file. */
static int open_refused(import_run *m) {
    if (!m->refused_path) return EXIT_OK;
    m->refused = fopen(m->refused_path, "wbe");
    if (!m->refused) return print_failure(m, m->refused_path, EXIT_FAILED);
    str header = import_header(m->file);
    if (header.n) fprintf(m->refused, "%.*s\n", (int)header.n, header.s);
    return EXIT_OK;
}

static int no_such_collection(const import_run *m) {
    const char **names = xcalloc(m->schemas->n_collections + 1, sizeof *names);
    for (size_t i = 0; i < m->schemas->n_collections; i++)
        names[i] = m->schemas->collections[i]->name;
    const char *near = near_name(m->collection, names, m->schemas->n_collections);
    fprintf(stderr, "sinter %s: the server at %s has no collection \"%s\"", m->kind->command, client_server(m->c), m->collection);
    if (near) fprintf(stderr, "; did you mean %s?\n", near);
    else fprintf(stderr, "; it has %s%s\n", names[0] ? names[0] : "none", m->schemas->n_collections > 1 ? " and others: sinter status" : "");
    free(names);
    return EXIT_ABSENT;
}

/* The collection that was named, or the server's only one. */
static int fetch_schema(import_run *m) {
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__ListCollectionsRequest request = SINTER__V1__LIST_COLLECTIONS_REQUEST__INIT;
    if (client_call(m->c, "sinter.v1.CatalogService/ListCollections", &request.base, &sinter__v1__list_collections_response__descriptor,
                    30000000000, (ProtobufCMessage **)&m->schemas, &e) != SINTER_OK)
        return client_fail(m->kind->command, m->c, &e);
    if (!m->collection && m->schemas->n_collections == 1) m->collection = m->schemas->collections[0]->name;
    if (!m->collection) return import_usage(m, "the server has several collections: name one with --collection", NULL);
    m->schema = collection_named(m->schemas, m->collection);
    return m->schema ? EXIT_OK : no_such_collection(m);
}

static int run(import_run *m) {
    sinter_error e = SINTER_ERROR_INIT;
    int code = open_files(m);
    if (code != EXIT_OK) return code;
    if (client_open(m->server, &m->c, &e) != SINTER_OK) return client_fail(m->kind->command, NULL, &e);
    if ((code = fetch_schema(m)) != EXIT_OK || (code = m->kind->prepare(m)) != EXIT_OK || (code = open_refused(m)) != EXIT_OK) return code;
    m->started_ns = clock_mono_ns();
    sinter_status s = open_stream(m, &e);
    if (s == SINTER_OK) s = send_rows(m, &e);
    clear_progress(m);
    if (s != SINTER_OK) code = client_fail(m->kind->command, m->c, &e);
    if (code == EXIT_OK && m->kind->end) code = m->kind->end(m);
    m->kind->summary(m, (double)(clock_mono_ns() - m->started_ns) / 1e9);
    return code != EXIT_OK ? code : m->rejected ? EXIT_REFUSED : EXIT_OK;
}

static void run_free(import_run *m) {
    client_stream_close(m->stream);
    for (uint32_t i = 0; i < IMPORT_IN_FLIGHT; i++)
        batch_free(&m->ring[i]);
    if (m->schemas) protobuf_c_message_free_unpacked(&m->schemas->base, NULL);
    client_close(m->c);
    import_close(m->file);
    if (m->refused) fclose(m->refused);
    free(m);
}

int import_main(const import_kind *kind, void *own, int argc, char **argv) {
    import_run *m = xcalloc(1, sizeof *m);
    m->kind = kind;
    m->own = own;
    m->batch_size = kind->batch_default;
    int code = take_arguments(m, argc, argv);
    if (code < 0) {
        m->quiet |= !isatty(STDERR_FILENO);
        code = run(m);
    }
    run_free(m);
    return code;
}
