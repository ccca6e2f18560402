/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of a file sent to a server in batches, several of them under way at once: what `sinter import` and `sinter events
 * import` share. What a row means, and what a batch is sent as, is the kind's.
 *
 * A row that cannot be read, or that the server refuses, is counted, reported with its line, and (with --refused) written
 * out, so that it can be corrected and imported again. What is sent must be idempotent: after a lost connection the batches
 * not yet acknowledged are sent once more. */
#ifndef SINTER_COMMANDS_IMPORT_RUN_H
#define SINTER_COMMANDS_IMPORT_RUN_H

#include "client.h"
#include "import_file.h"
#include <sinter/v1/catalog.pb-c.h>

enum { IMPORT_MAPS = 256, IMPORT_IN_FLIGHT = 4 };

typedef struct import_run import_run;

typedef struct import_batch {
    arena *a;
    ProtobufCMessage **message; /* [n], in `a` or as long-lived */
    uint64_t *line;
    str *raw;
    size_t n, bytes;
} import_batch;

typedef struct import_kind {
    const char *command, *noun; /* "events import", "events" */
    const char *help;
    const char *method; /* of messages both ways, one answer a batch */
    const ProtobufCMessageDescriptor *answer;
    uint32_t batch_default, batch_most;
    /* An option of its own with its value: true when it was one; *code other than EXIT_OK: it was wrong. */
    bool (*option)(import_run *m, const char *name, char *value, int *code);
    /* An option of its own without a value; NULL: there are none. */
    bool (*flag)(import_run *m, const char *name);
    /* A word that is no option; an exit code. */
    int (*word)(import_run *m, char *word);
    /* With the server's collections and the file at hand, before any row; an exit code. */
    int (*prepare)(import_run *m);
    /* Looks at each row before anything else, also at one that cannot be read; NULL: need not. */
    void (*see)(import_run *m, arena *a, const import_row *row);
    /* The message of a row, in `a`; NULL, or why it is refused. */
    const char *(*row)(import_run *m, arena *a, const import_row *row, ProtobufCMessage **out);
    sinter_status (*send)(import_run *m, const import_batch *b, sinter_error *e);
    /* An answer: counts, and import_refuse for each row that the server refused. */
    void (*take)(import_run *m, const import_batch *b, const ProtobufCMessage *answer);
    /* When every row was sent and answered; an exit code. NULL: nothing more is to be done. */
    int (*end)(import_run *m);
    /* The end: one line for people, or JSON. */
    void (*summary)(import_run *m, double seconds);
} import_kind;

typedef struct import_map {
    const char *field, *name;
} import_map;

struct import_run {
    const import_kind *kind;
    void *own; /* of the kind */
    const char *collection, *path, *server, *refused_path;
    import_map map[IMPORT_MAPS];
    uint32_t n_maps, batch_size;
    bool json, quiet;

    client *c;
    client_stream *stream;
    Sinter__V1__ListCollectionsResponse *schemas;
    const Sinter__V1__Collection *schema;
    import_file *file;
    uint64_t file_bytes;
    FILE *refused;

    import_batch ring[IMPORT_IN_FLIGHT]; /* sent and not answered, oldest first; then spare ones */
    uint32_t in_flight;
    uint64_t rows, accepted, repeated, rejected, sequence;
    uint64_t started_ns, shown_ns;
};

/* Parses, opens, sends, sums up; returns the exit code. */
int import_main(const import_kind *kind, void *own, int argc, char **argv);

/* The k-th wait before another try. */
void import_wait(int k);
enum { IMPORT_TRIES = 20 };
bool import_worth_another_try(const sinter_error *e);
int import_usage(const import_run *m, const char *what, const char *arg);
/* Takes FIELD=NAME apart and keeps it. */
int import_take_map(import_run *m, char *text);
void import_refuse(import_run *m, uint64_t line, str raw, const char *reason);
/* The text of a text or whole-number cell; NULL: it is neither. */
const char *import_cell_text(const import_cell *c, arena *a);

#endif
