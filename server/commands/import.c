/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sinter import COLLECTION FILE: rows of a file become items. An item's upsert is idempotent, so that a batch may be sent
 * twice. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import_replace.h"

int command_import(int argc, char **argv);

/* Names of columns that the collection declares no field for. */
typedef struct items {
    char *left_out[32];
    uint32_t n_left_out;
    bool replace, force, dry_run;
    replacement *replacement; /* of --replace */
} items;

static const char HELP[] =
    "usage: sinter import COLLECTION FILE.{jsonl,csv,tsv} [options]\n\n"
    "Adds or replaces items; with --replace those that the file lacks are deleted. Each row needs an id: the column or member \"id\", or --map id=NAME.\n"
    "JSONL: one object a line; nested objects become dotted names, {\"lat\": …, \"lon\": …} a place.\n"
    "CSV (RFC 4180) and TSV (no quotes): the first line names the columns; an empty cell is no value; keywords are\n"
    "separated by |, vectors by spaces, a place is \"47.4,8.5\". Names that the collection does not declare are left out\n"
    "and named at the end.\n\n"
    "      --map FIELD=NAME    the field comes from this column or member; may be repeated\n"
    "      --replace           when every row was taken, delete in one step the items that were there before and have no\n"
    "                          row: searches see all of them or none. A refused row keeps its item as it was. An import that\n"
    "                          fails on the way deletes nothing\n"
    "      --force             also when that is more than half of the items, or when the id of a row cannot be read\n"
    "      --dry-run           have the server check every row, say what would change, and change nothing\n"
    "      --server HOST:PORT  default $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER "\n"
    "      --batch N           items a batch, 1-1000, default 500\n"
    "      --refused FILE      write refused rows there, each after a line \"# line N: reason\"\n"
    "      --quiet             no progress\n"
    "      --json              the summary as one JSON object\n"
    "  -h, --help              this text\n\n"
    "exit codes: 0 all rows went in; 1 failed; 2 wrong arguments; 3 no server; 4 some rows, or all, were refused, or the\n"
    "deletion was; 5 no such collection or file\n";

/* ---- arguments ------------------------------------------------------------------------------------------------------ */

static bool item_option(import_run *m, const char *name, char *value, int *code) {
    if (strcmp(name, "--map") != 0) return false;
    *code = value ? import_take_map(m, value) : EXIT_OK;
    return true;
}

static bool item_flag(import_run *m, const char *name) {
    items *x = m->own;
    if (strcmp(name, "--replace") == 0) x->replace = true;
    else if (strcmp(name, "--force") == 0) x->force = true;
    else if (strcmp(name, "--dry-run") == 0) x->dry_run = true;
    else return false;
    return true;
}

static int item_word(import_run *m, char *word) {
    if (m->path) return import_usage(m, "one argument too many", word);
    *(m->collection ? &m->path : &m->collection) = word;
    return EXIT_OK;
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

static const Sinter__V1__Field *field_of(const import_run *m, const char *name) {
    for (size_t i = 0; i < m->schema->n_fields; i++) {
        if (strcmp(m->schema->fields[i]->name, name) == 0) return m->schema->fields[i];
    }
    for (size_t i = 0; i < m->schema->n_fields; i++) {
        if (strchr(m->schema->fields[i]->name, '*') && matches(m->schema->fields[i]->name, name)) return m->schema->fields[i];
    }
    return NULL;
}

static int item_prepare(import_run *m) {
    for (uint32_t i = 0; i < m->n_maps; i++) {
        if (strcmp(m->map[i].field, "id") != 0 && !field_of(m, m->map[i].field))
            return import_usage(m, "--map names a field that the collection does not declare", m->map[i].field);
    }
    items *x = m->own;
    if (x->force && !x->replace) return import_usage(m, "--force belongs to --replace", NULL);
    return x->replace ? replacement_begin(m, &x->replacement) : EXIT_OK;
}

/* ---- rows to items ------------------------------------------------------------------------------------------------------------ */

static void note_left_out(items *x, const char *name) {
    for (uint32_t i = 0; i < x->n_left_out; i++) {
        if (strcmp(x->left_out[i], name) == 0) return;
    }
    if (x->n_left_out < ARRAY_LEN(x->left_out)) x->left_out[x->n_left_out++] = xstrdup(name);
}

static const char *mapped_field(const import_run *m, const char *name) {
    for (uint32_t i = 0; i < m->n_maps; i++) {
        if (strcmp(m->map[i].name, name) == 0) return m->map[i].field;
    }
    for (uint32_t i = 0; i < m->n_maps; i++) {
        if (strcmp(m->map[i].field, name) == 0) return NULL; /* its field comes from elsewhere */
    }
    return name;
}

/* NULL, or why the row is refused. */
static const char *add_field(import_run *m, arena *a, Sinter__V1__Item *item, const char *name, const import_cell *c) {
    const Sinter__V1__Field *f = field_of(m, name);
    Sinter__V1__Value *v;
    if (!f) {
        note_left_out(m->own, c->name);
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

static const char *item_row(import_run *m, arena *a, const import_row *row, ProtobufCMessage **out) {
    Sinter__V1__Item *item = arena_alloc(a, sizeof *item);
    sinter__v1__item__init(item);
    item->fields = ARENA_ARRAY(a, Sinter__V1__Item__FieldsEntry *, row->n + 1);
    const char *id = NULL, *problem = NULL;
    for (uint32_t i = 0; i < row->n && !problem; i++) {
        const char *name = mapped_field(m, row->cell[i].name);
        if (!name) continue;
        if (strcmp(name, "id") == 0) id = import_cell_text(&row->cell[i], a);
        else problem = add_field(m, a, item, name, &row->cell[i]);
    }
    if (problem) return problem;
    if (!id || !*id) return "it has no id: name its column or member with --map id=NAME";
    item->id = (char *)id;
    *out = &item->base;
    return NULL;
}

/* A row's id, whatever else is wrong with it. */
static void item_see(import_run *m, arena *a, const import_row *row) {
    const items *x = m->own;
    const char *id = NULL;
    if (!x->replacement) return;
    for (uint32_t i = 0; i < row->n && !row->problem; i++) {
        const char *name = mapped_field(m, row->cell[i].name);
        if (name && strcmp(name, "id") == 0) id = import_cell_text(&row->cell[i], a);
    }
    replacement_see(x->replacement, id);
}

static int item_end(import_run *m) {
    const items *x = m->own;
    return x->replacement ? replacement_end(m, x->replacement, x->force, x->dry_run) : EXIT_OK;
}

/* ---- batches -------------------------------------------------------------------------------------------------------------------- */

static sinter_status item_send(import_run *m, const import_batch *b, sinter_error *e) {
    Sinter__V1__UpsertItemsRequest request = SINTER__V1__UPSERT_ITEMS_REQUEST__INIT;
    request.collection = (char *)m->collection;
    request.items = (Sinter__V1__Item **)b->message;
    request.n_items = b->n;
    request.check_only = ((const items *)m->own)->dry_run;
    return client_stream_send(m->stream, &request.base, e);
}

static void item_take(import_run *m, const import_batch *b, const ProtobufCMessage *message) {
    const Sinter__V1__UpsertItemsResponse *answer = (const Sinter__V1__UpsertItemsResponse *)message;
    m->accepted += answer->accepted;
    if (answer->sequence > m->sequence) m->sequence = answer->sequence;
    for (size_t i = 0; i < answer->n_rejected; i++) {
        const Sinter__V1__Rejected *r = answer->rejected[i];
        if (r->index >= b->n) continue;
        const char *reason = "refused";
        for (size_t k = 0; k < r->n_violations; k++) {
            const char *path = strchr(r->violations[k]->field, '.');
            reason = arena_printf(b->a, "%s%s%s: %s", k ? reason : "", k ? "; " : "", path ? path + 1 : r->violations[k]->field, r->violations[k]->description);
        }
        import_refuse(m, b->line[r->index], b->raw[r->index], reason);
    }
}

static void item_summary(import_run *m, double seconds) {
    const items *x = m->own;
    for (uint32_t i = 0; i < x->n_left_out; i++)
        fprintf(stderr, "%s%s%s", i ? ", " : "left out, the collection declares no such field: ", x->left_out[i], i + 1 == x->n_left_out ? "\n" : "");
    replacement_counts r = x->replacement ? replacement_tell(x->replacement) : (replacement_counts){.before = 0};
    if (m->json) {
        printf("{\"rows\": %" PRIu64 ", \"accepted\": %" PRIu64 ", \"refused\": %" PRIu64, m->rows, m->accepted, m->rejected);
        if (x->replacement) printf(", \"before\": %" PRIu64 ", \"kept\": %" PRIu64 ", \"lacking\": %" PRIu64 ", \"deleted\": %" PRIu64, r.before, r.kept, r.gone, r.deleted);
        printf(", \"dry_run\": %s, \"sequence\": %" PRIu64 ", \"seconds\": %.3f}\n", x->dry_run ? "true" : "false", m->sequence, seconds);
        return;
    }
    if (x->dry_run) printf("checked, not changed: %" PRIu64 " items would go into %s, %" PRIu64 " be refused", m->accepted, m->collection, m->rejected);
    else printf("%" PRIu64 " items imported into %s, %" PRIu64 " refused, in %.1f s (%.0f a second); sequence %" PRIu64, m->accepted, m->collection, m->rejected, seconds,
                seconds > 0 ? (double)m->accepted / seconds : 0, m->sequence);
    if (x->replacement)
        printf("\nof %" PRIu64 " items from before the file has %" PRIu64 " and lacks %" PRIu64 ": %" PRIu64 " %s", r.before, r.kept, r.gone, r.deleted, x->dry_run ? "would be deleted" : "deleted");
    printf("\n");
    if (x->replacement && m->rejected) fprintf(stderr, "items whose rows were refused stay as they were\n");
}

int command_import(int argc, char **argv) {
    static const import_kind ITEMS = {
        .command = "import", .noun = "items", .help = HELP,
        .method = "sinter.v1.CatalogService/UpsertItems", .answer = &sinter__v1__upsert_items_response__descriptor,
        .batch_default = 500, .batch_most = 1000,
        .option = item_option, .flag = item_flag, .see = item_see, .end = item_end, .word = item_word, .prepare = item_prepare, .row = item_row, .send = item_send, .take = item_take, .summary = item_summary,
    };
    items x = {.n_left_out = 0};
    int code = import_main(&ITEMS, &x, argc, argv);
    for (uint32_t i = 0; i < x.n_left_out; i++)
        free(x.left_out[i]);
    replacement_free(x.replacement);
    return code;
}
