/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of JSONL, CSV (RFC 4180: quotes, doubled quotes, line breaks inside them) and TSV (no quotes). A row that cannot be
 * read is one refused row; the next one starts after it. */
#include "import_file.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct import_file {
    FILE *in;
    import_format format;
    buffer raw;
    uint64_t line, position;
    const char **column;
    uint32_t n_columns;
    str header;
    arena *own;
};

bool import_format_of(const char *path, import_format *out) {
    static const struct {
        const char *ending;
        import_format format;
    } ENDINGS[] = {{".jsonl", IMPORT_JSONL}, {".ndjson", IMPORT_JSONL}, {".csv", IMPORT_CSV}, {".tsv", IMPORT_TSV}};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < ARRAY_LEN(ENDINGS); i++) {
        if (strcasecmp(dot, ENDINGS[i].ending) != 0) continue;
        *out = ENDINGS[i].format;
        return true;
    }
    return false;
}

/* One row's bytes without its line end; CSV rows go on while a quote is open. False: the end of the file. */
static bool read_raw(import_file *f, bool *too_long, bool *open_quote) {
    bool quoted = false, any = false;
    int c;
    *too_long = false;
    buffer_clear(&f->raw);
    f->line++;
    uint64_t inner = 0;
    while ((c = getc_unlocked(f->in)) != EOF) {
        any = true;
        f->position++;
        if (c == '"' && f->format == IMPORT_CSV) quoted = !quoted;
        if (c == '\n' && (!quoted || *too_long)) break;
        inner += c == '\n';
        if (f->raw.len >= IMPORT_MAX_ROW_BYTES) *too_long = true;
        else buffer_append(&f->raw, &(char){(char)c}, 1);
    }
    *open_quote = quoted;
    f->line += inner;
    if (f->raw.len && f->raw.data[f->raw.len - 1] == '\r') f->raw.data[--f->raw.len] = '\0';
    return any;
}

/* ---- cells of a line --------------------------------------------------------------------------------------------------- */

typedef struct cells {
    char **text;
    uint32_t n;
} cells;

static bool add_cell(cells *out, char *text) {
    if (out->n == IMPORT_MAX_CELLS) return false;
    out->text[out->n++] = text;
    return true;
}

/* A quote inside an unquoted cell stands for itself; text after a closing quote is a fault. */
static const char *split_csv(str raw, arena *a, cells *out) {
    char *text = arena_alloc(a, raw.n + 1);
    for (size_t i = 0;;) {
        char *start = text;
        if (i < raw.n && raw.s[i] == '"') {
            for (i++; i < raw.n && !(raw.s[i] == '"' && (i + 1 == raw.n || raw.s[i + 1] != '"')); i++) {
                if (raw.s[i] == '"') i++;
                *text++ = raw.s[i];
            }
            if (i >= raw.n) return "a quote has no end";
            i++;
            if (i < raw.n && raw.s[i] != ',') return arena_printf(a, "column %u goes on after its closing quote", out->n + 1);
        } else {
            while (i < raw.n && raw.s[i] != ',')
                *text++ = raw.s[i++];
        }
        *text++ = '\0';
        if (!add_cell(out, start)) return "more than 2,000 columns";
        if (i >= raw.n) return NULL;
        i++;
    }
}

static const char *split_tsv(str raw, arena *a, cells *out) {
    char *text = arena_alloc(a, raw.n + 1), *end;
    memcpy(text, raw.s, raw.n);
    text[raw.n] = '\0';
    for (;; text = end + 1) {
        end = strchr(text, '\t');
        if (end) *end = '\0';
        if (!add_cell(out, text)) return "more than 2,000 columns";
        if (!end) return NULL;
    }
}

static const char *split(const import_file *f, str raw, arena *a, cells *out) {
    if (memchr(raw.s, '\0', raw.n)) return "it holds a NUL byte";
    out->n = 0;
    out->text = arena_alloc(a, IMPORT_MAX_CELLS * sizeof *out->text);
    return f->format == IMPORT_CSV ? split_csv(raw, a, out) : split_tsv(raw, a, out);
}

static const char *columns_row(const import_file *f, arena *a, import_row *row) {
    cells c;
    const char *problem = split(f, row->raw, a, &c);
    if (problem) return problem;
    if (c.n != f->n_columns) return arena_printf(a, "it has %u columns, the header %u", c.n, f->n_columns);
    row->cell = ARENA_ARRAY(a, import_cell, c.n);
    for (uint32_t i = 0; i < c.n; i++) {
        if (c.text[i][0]) row->cell[row->n++] = (import_cell){.name = f->column[i], .kind = CELL_TEXT, .text = c.text[i]};
    }
    return NULL;
}

/* ---- the file ------------------------------------------------------------------------------------------------------------- */

static sinter_status read_header(import_file *f, const char *path, sinter_error *e) {
    bool too_long, open_quote;
    cells c;
    char where[512];
    snprintf(where, sizeof where, "%s:1", path);
    if (!read_raw(f, &too_long, &open_quote)) return error_set(e, SINTER_INVALID, path, "its first line names the columns", "the file is empty");
    str raw = {f->raw.data, f->raw.len};
    if (raw.n >= 3 && memcmp(raw.s, "\xEF\xBB\xBF", 3) == 0) raw = (str){raw.s + 3, raw.n - 3};
    f->header = (str){arena_strndup(f->own, raw.s ? raw.s : "", raw.n), raw.n};
    const char *problem = too_long ? "longer than 16 MiB" : open_quote ? "a quote has no end" : split(f, f->header, f->own, &c);
    if (problem) return error_set(e, SINTER_INVALID, where, "its first line names the columns", "the header: %s", problem);
    f->column = (const char **)c.text;
    f->n_columns = c.n;
    for (uint32_t i = 0; i < c.n; i++) {
        if (!c.text[i][0]) return error_set(e, SINTER_INVALID, where, "name it", "column %u has no name", i + 1);
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(c.text[i], c.text[k]) == 0)
                return error_set(e, SINTER_INVALID, where, "rename one", "columns %u and %u are both named \"%s\"", k + 1, i + 1, c.text[i]);
        }
    }
    return SINTER_OK;
}

sinter_status import_open(FILE *in, import_format format, const char *path, import_file **out, sinter_error *e) {
    import_file *f = xcalloc(1, sizeof *f);
    f->in = in;
    f->format = format;
    f->own = arena_new(4096);
    *out = f;
    sinter_status s = format == IMPORT_JSONL ? SINTER_OK : read_header(f, path, e);
    if (s == SINTER_OK) return s;
    import_close(f);
    *out = NULL;
    return s;
}

/* What --refused wrote above a row: such a file can be corrected and imported as it is. */
static bool is_note(str s) {
    return s.n > 7 && memcmp(s.s, "# line ", 7) == 0;
}

static bool is_blank(str s) {
    for (size_t i = 0; i < s.n; i++) {
        if (s.s[i] != ' ' && s.s[i] != '\t') return false;
    }
    return true;
}

bool import_next(import_file *f, arena *a, import_row *row) {
    bool too_long, open_quote;
    do {
        *row = (import_row){.line = f->line + 1};
        if (!read_raw(f, &too_long, &open_quote)) return false;
        row->raw = (str){f->raw.data ? f->raw.data : "", f->raw.len};
    } while (is_note(row->raw) || (is_blank(row->raw) && f->n_columns != 1));
    char *copy = arena_alloc(a, row->raw.n + 1);
    memcpy(copy, row->raw.s, row->raw.n);
    copy[row->raw.n] = '\0';
    row->raw.s = copy;
    if (too_long) row->problem = "it is longer than 16 MiB";
    else if (open_quote) row->problem = "a quote has no end";
    else row->problem = f->format == IMPORT_JSONL ? import_json(row->raw, a, row) : columns_row(f, a, row);
    return true;
}

const char *const *import_columns(const import_file *f, uint32_t *n) {
    *n = f->n_columns;
    return f->column;
}

str import_header(const import_file *f) {
    return f->header;
}

uint64_t import_position(const import_file *f) {
    return f->position;
}

void import_close(import_file *f) {
    if (!f) return;
    fclose(f->in);
    buffer_free(&f->raw);
    arena_free(f->own);
    free(f);
}
