/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sinter journal verify | dump: looks at the journals of a data directory, also while a server has them open.
 *
 * `verify` is also what a starting server runs as a child: a truncated file ends the child with a verdict, not the
 * server. */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/commands.h"
#include "config/config.h"
#include "journal/journal.h"
#include "journal_json.h"

int command_journal(int argc, char **argv);

static const char HELP[] =
    "usage: sinter journal verify DIR | -c CONFIG  [--json]\n"
    "       sinter journal dump   DIR | -c CONFIG  [--kind KIND]... [--from N] [--to N] [--json]\n\n"
    "DIR is a data directory, or the folder of one journal in it (journal/catalogue, journal/impressions).\n"
    "Both may run while a server does.\n\n"
    "verify   walks every record and every entry of the indexes beside them: checksums, sequences, ordinals, ids.\n"
    "         Exit code 0: whole; 1: broken, the first broken record is named; 5: no journal there.\n"
    "dump     prints records in order, one line each.\n\n"
    "  -c, --config FILE   take the data directory from this configuration\n"
    "      --kind KIND     only these: item_put, item_delete, collection_made, deployment, setting, event_put,\n"
    "                      user_put, erasure, erased, answered, recorded_request (the last two are the journal of impressions)\n"
    "      --from N        first sequence, default 1\n"
    "      --to N          last sequence, default the newest\n"
    "      --json          one JSON object a line\n"
    "  -h, --help          this text\n";

typedef struct arguments {
    const char *action, *dir, *config;
    uint64_t from, to;
    uint32_t kinds; /* bit mask over JOURNAL_BODY_NAMES; 0: all */
    bool json;
} arguments;

static const struct {
    journal_kind kind;
    const char *name, *folder;
} KINDS[] = {
    {JOURNAL_CATALOGUE, "catalogue", "journal/catalogue"},
    {JOURNAL_IMPRESSIONS, "impressions", "journal/impressions"},
};

static int print_error(const sinter_error *e)
{
    char line[1600];
    fprintf(stderr, "sinter journal: %s\n", error_line(e, line, sizeof line));
    return e->status == SINTER_NOT_FOUND ? EXIT_ABSENT : EXIT_FAILED;
}

static int usage(const char *what, const char *arg)
{
    fprintf(stderr, "sinter journal: %s%s%s\nsinter journal --help says more\n", what, arg ? ": " : "", arg ? arg : "");
    return EXIT_USAGE;
}

/* ---- arguments ----------------------------------------------------------------------------------------------- */

static int parse_kind(arguments *a, const char *text)
{
    for (size_t i = 0; i < JOURNAL_BODY_NAMES_N; i++) {
        if (strcmp(JOURNAL_BODY_NAMES[i], text) == 0) {
            a->kinds |= 1u << i;
            return EXIT_OK;
        }
    }
    const char *near = near_name(text, JOURNAL_BODY_NAMES, JOURNAL_BODY_NAMES_N);
    if (near) fprintf(stderr, "did you mean '%s'?\n", near);
    return usage("unknown kind of record", text);
}

/* An option with a value: *taken tells whether it was one. */
static int parse_valued(arguments *a, const char *name, const char *text, bool *taken)
{
    static const char *const NAMES[] = {"-c", "--config", "--kind", "--from", "--to"};
    *taken = false;
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        *taken |= strcmp(NAMES[i], name) == 0;
    if (!*taken) return EXIT_OK;
    if (!text) return usage("a value is missing after", name);
    if (name[1] == 'c' || strcmp(name, "--config") == 0)
        a->config = text;
    else if (strcmp(name, "--kind") == 0)
        return parse_kind(a, text);
    else if (!parse_uint64(str_of(text), strcmp(name, "--from") == 0 ? &a->from : &a->to))
        return usage("not a sequence", text);
    return EXIT_OK;
}

static int parse(arguments *a, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool taken;
        int code = parse_valued(a, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &taken);
        if (code) return code;
        if (taken)
            i++;
        else if (strcmp(argv[i], "--json") == 0)
            a->json = true;
        else if (argv[i][0] == '-')
            return usage("unknown option", argv[i]);
        else if (!a->action)
            a->action = argv[i];
        else if (!a->dir)
            a->dir = argv[i];
        else
            return usage("one directory only, not also", argv[i]);
    }
    if (!a->action) return usage("verify or dump?", NULL);
    if (strcmp(a->action, "verify") != 0 && strcmp(a->action, "dump") != 0) return usage("unknown action", a->action);
    if (!a->dir == !a->config) return usage("give either a directory or -c CONFIG", NULL);
    return EXIT_OK;
}

/* ---- which journals ------------------------------------------------------------------------------------------ */

static bool holds_journal(const char *dir)
{
    char *path = xasprintf("%s/data.mdb", dir);
    struct stat st;
    bool holds = stat(path, &st) == 0;
    free(path);
    return holds;
}

/* The kind of the one journal that `dir` is itself: by its name. */
static size_t kind_of_folder(const char *dir)
{
    size_t n = strlen(dir);
    while (n && dir[n - 1] == '/')
        n--;
    size_t k = strlen(KINDS[1].name);
    return n >= k && memcmp(dir + n - k, KINDS[1].name, k) == 0 ? 1 : 0;
}

typedef int visit(const arguments *a, size_t kind, const char *dir);

static int each_journal(const arguments *a, const char *dir, visit *fn)
{
    if (holds_journal(dir)) return fn(a, kind_of_folder(dir), dir);
    int worst = EXIT_OK, seen = 0;
    for (size_t i = 0; i < ARRAY_LEN(KINDS); i++) {
        char *path = xasprintf("%s/%s", dir, KINDS[i].folder);
        if (holds_journal(path)) {
            int code = fn(a, i, path);
            if (code > worst) worst = code;
            seen++;
        }
        free(path);
    }
    if (seen) return worst;
    fprintf(stderr, "sinter journal: %s: there is no journal here; give the data directory of a server\n", dir);
    return EXIT_ABSENT;
}

/* ---- verify -------------------------------------------------------------------------------------------------- */

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
    fprintf(stderr, "\r%s: %" PRIu64 " of %" PRIu64 " entries", (const char *)ctx, done, total);
    if (done == total) fputs("\n", stderr);
}

static void print_verdict_json(const char *name, sinter_status s, const journal_verdict *v, const sinter_error *e)
{
    buffer b = {0};
    buffer_printf(&b, "{\"journal\":\"%s\",\"status\":\"%s\",\"records\":%" PRIu64 ",\"bytes\":%" PRIu64, name,
                  status_name(s), v->records, v->bytes);
    buffer_printf(&b, ",\"first\":%" PRIu64 ",\"last\":%" PRIu64 ",\"bad_records\":%" PRIu64 ",\"first_bad\":%" PRIu64,
                  v->first, v->last, v->bad_records, v->first_bad);
    if (s) {
        buffer_puts(&b, ",\"what\":");
        buffer_json_string(&b, e->what, strlen(e->what));
    }
    buffer_puts(&b, "}\n");
    fputs(b.data, stdout);
    buffer_free(&b);
}

static int verify(const arguments *a, size_t kind, const char *dir)
{
    sinter_error e = SINTER_ERROR_INIT;
    journal_verdict v;
    bool watched = isatty(STDERR_FILENO);
    sinter_status s = journal_verify(dir, KINDS[kind].kind, watched ? show_progress : NULL,
                                     (void *)(uintptr_t)KINDS[kind].name, &v, &e);
    if (a->json)
        print_verdict_json(KINDS[kind].name, s, &v, &e);
    else if (!s)
        printf("%s: whole: %" PRIu64 " records, %" PRIu64 " bytes, sequences %" PRIu64 " to %" PRIu64 "\n",
               KINDS[kind].name, v.records, v.bytes, v.first, v.last);
    if (!s) return EXIT_OK;
    if (!a->json)
        printf("%s: broken: %" PRIu64 " of %" PRIu64 " records seen\n", KINDS[kind].name, v.bad_records, v.records);
    return print_error(&e);
}

/* ---- dump ---------------------------------------------------------------------------------------------------- */

typedef struct dumping {
    const arguments *a;
    buffer line;
    bool broken_pipe;
} dumping;

static bool wanted(const arguments *a, const Sinter__Storage__V1__Record *rec)
{
    const char *name = journal_body_name(rec);
    for (size_t i = 0; a->kinds && i < JOURNAL_BODY_NAMES_N; i++) {
        if (name && strcmp(JOURNAL_BODY_NAMES[i], name) == 0) return a->kinds >> i & 1;
    }
    return !a->kinds;
}

static bool dump_record(void *ctx, const Sinter__Storage__V1__Record *rec)
{
    dumping *d = ctx;
    if (rec->sequence > d->a->to) return false;
    if (!wanted(d->a, rec)) return true;
    buffer_clear(&d->line);
    (d->a->json ? journal_record_json : journal_record_text)(&d->line, rec);
    buffer_append(&d->line, "\n", 1);
    d->broken_pipe = fwrite(d->line.data, 1, d->line.len, stdout) != d->line.len;
    return !d->broken_pipe;
}

/* A truncated file is a fault where the map is read behind its end. */
static void on_fault(int signal)
{
    static const char SAY[] = "sinter journal: the file is truncated; `sinter journal verify` says where\n";
    (void)signal;
    _exit(write(STDERR_FILENO, SAY, sizeof SAY - 1) < 0 ? EXIT_FAILED : EXIT_FAILED);
}

static int dump(const arguments *a, size_t kind, const char *dir)
{
    sinter_error e = SINTER_ERROR_INIT;
    journal *j;
    journal_reader *r = NULL;
    dumping d = {.a = a};
    sigaction(SIGBUS, &(struct sigaction){.sa_handler = on_fault}, NULL);
    sinter_status s = journal_open(&(journal_options){.dir = dir, .kind = KINDS[kind].kind, .read_only = true}, &j, &e);
    if (s) return print_error(&e);
    s = journal_reader_open(j, &r, &e);
    if (!s) s = journal_tail(r, a->from ? a->from - 1 : 0, UINT32_MAX, dump_record, &d, NULL, &e);
    journal_reader_close(r);
    journal_close(j);
    buffer_free(&d.line);
    if (s) return print_error(&e);
    return fflush(stdout) != 0 || d.broken_pipe ? EXIT_FAILED : EXIT_OK;
}

int command_journal(int argc, char **argv)
{
    arguments a = {.from = 1, .to = UINT64_MAX};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(HELP, stdout);
            return EXIT_OK;
        }
    }
    int code = parse(&a, argc, argv);
    if (code) return code;
    visit *fn = strcmp(a.action, "verify") == 0 ? verify : dump;
    if (a.dir) return each_journal(&a, a.dir, fn);
    config *c;
    sinter_error e = SINTER_ERROR_INIT;
    if (config_load(a.config, &c, &e)) {
        print_error(&e);
        return EXIT_USAGE;
    }
    code = each_journal(&a, c->server.data_dir, fn);
    config_free(c);
    return code;
}
