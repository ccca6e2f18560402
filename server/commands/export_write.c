/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values as the cells that the import reads back. */
#include "export_write.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "journal/journal.h"

const char *const EXPORT_FORMAT_NAMES[EXPORT_FORMATS] = {"jsonl", "csv", "tsv"};

/* ---- numbers and times ---------------------------------------------------------------------------------------------- */

/* The shortest that reads back as the same; a whole number of minus zero keeps its sign. */
static void number_text(double x, char out[40])
{
    if (x == 0 && signbit(x)) {
        snprintf(out, 40, "-0.0");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, 40, "%.*g", digits, x);
        if (strtod(out, NULL) == x) return;
    }
}

static void float_text(float x, char out[40])
{
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(out, 40, "%.*g", digits, (double)x);
        if (strtof(out, NULL) == x) return;
    }
}

void timestamp_text(const Google__Protobuf__Timestamp *t, char out[40])
{
    Google__Protobuf__Timestamp whole = *t;
    char text[32], fraction[12] = "";
    whole.nanos = 0;
    time_format_ms(timestamp_ms(&whole), text);
    size_t n = strcspn(text, ".Z");
    if (t->nanos) {
        snprintf(fraction, sizeof fraction, ".%09d", t->nanos);
        for (size_t k = strlen(fraction); fraction[k - 1] == '0'; k--) fraction[k - 1] = 0;
    }
    snprintf(out, 40, "%.*s%sZ", (int)n, text, fraction);
}

/* ---- cells ------------------------------------------------------------------------------------------------------------ */

static buffer *cell_of(row *r, const char *name)
{
    for (uint32_t i = 0; i < r->n; i++)
        if (strcmp(r->column[i], name) == 0) return &r->cell[i];
    return NULL;
}

static void fail(row *r, const char *name, const char *what)
{
    if (!*r->problem) snprintf(r->problem, sizeof r->problem, "%.100s %s", name, what);
}

/* The name and colon of a member; CSV, TSV: the column's cell, NULL where it is not wanted. */
static buffer *begin(row *r, const char *name)
{
    if (r->format != EXPORT_JSONL) return cell_of(r, name);
    if (r->line.len > 1) buffer_puts(&r->line, ", ");
    buffer_json_string(&r->line, name, strlen(name));
    buffer_puts(&r->line, ": ");
    return &r->line;
}

static void plain(row *r, const char *name, const char *text)
{
    buffer *b = begin(r, name);
    if (b) buffer_puts(b, text);
}

static void quoted(row *r, const char *name, const char *text)
{
    buffer *b = begin(r, name);
    if (!b) return;
    if (r->format == EXPORT_JSONL) buffer_json_string(b, text, strlen(text));
    else buffer_puts(b, text);
}

/* ---- values ------------------------------------------------------------------------------------------------------------ */

void row_text(row *r, const char *name, const char *text)
{
    if (*text) quoted(r, name, text);
}

void row_number(row *r, const char *name, double x)
{
    char text[40];
    number_text(x, text);
    plain(r, name, text);
}

void row_integer(row *r, const char *name, int64_t x)
{
    char text[40];
    snprintf(text, sizeof text, "%" PRId64, x);
    plain(r, name, text);
}

void row_time(row *r, const char *name, const Google__Protobuf__Timestamp *t)
{
    char text[40];
    timestamp_text(t, text);
    quoted(r, name, text);
}

/* The import trims the parts of a cell and drops empty ones. */
static bool fits_a_list(const char *s, const char *separator)
{
    size_t n = strlen(s);
    return n && !strpbrk(s, separator) && !strchr(" \t", s[0]) && !strchr(" \t", s[n - 1]);
}

void row_texts(row *r, const char *name, char *const *text, size_t n, const char *separator)
{
    buffer *b = begin(r, name);
    if (!b) return;
    if (r->format == EXPORT_JSONL) buffer_puts(b, "[");
    for (size_t i = 0; i < n; i++) {
        if (i) buffer_puts(b, r->format == EXPORT_JSONL ? ", " : separator);
        if (r->format == EXPORT_JSONL) buffer_json_string(b, text[i], strlen(text[i]));
        else if (fits_a_list(text[i], separator)) buffer_puts(b, text[i]);
        else fail(r, name, "holds a value that a cell of several cannot tell");
    }
    if (r->format == EXPORT_JSONL) buffer_puts(b, "]");
}

static void vector(row *r, const char *name, const Sinter__V1__Vector *v)
{
    buffer *b = begin(r, name);
    bool json = r->format == EXPORT_JSONL;
    char text[40];
    if (!b) return;
    if (json) buffer_puts(b, "[");
    for (size_t i = 0; i < v->n_values; i++) {
        float_text(v->values[i], text);
        buffer_printf(b, "%s%s", i ? (json ? ", " : " ") : "", text);
    }
    if (json) buffer_puts(b, "]");
}

static void geo(row *r, const char *name, const Sinter__V1__Geo *g)
{
    buffer *b = begin(r, name);
    char latitude[40], longitude[40];
    if (!b) return;
    number_text(g->latitude, latitude);
    number_text(g->longitude, longitude);
    buffer_printf(b, r->format == EXPORT_JSONL ? "{\"lat\": %s, \"lon\": %s}" : "%s,%s", latitude, longitude);
}

/* JSON tells an empty text from none, a cell does not. */
void row_value(row *r, const char *name, const Sinter__V1__Value *v)
{
    switch (v->kind_case) {
    case SINTER__V1__VALUE__KIND_STRING_VALUE: quoted(r, name, v->string_value); break;
    case SINTER__V1__VALUE__KIND_NUMBER_VALUE: row_number(r, name, v->number_value); break;
    case SINTER__V1__VALUE__KIND_INTEGER_VALUE: row_integer(r, name, v->integer_value); break;
    case SINTER__V1__VALUE__KIND_BOOLEAN_VALUE: plain(r, name, v->boolean_value ? "true" : "false"); break;
    case SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE: row_time(r, name, v->timestamp_value); break;
    case SINTER__V1__VALUE__KIND_STRINGS_VALUE: row_texts(r, name, v->strings_value->values, v->strings_value->n_values, "|"); break;
    case SINTER__V1__VALUE__KIND_VECTOR_VALUE: vector(r, name, v->vector_value); break;
    case SINTER__V1__VALUE__KIND_GEO_VALUE: geo(r, name, v->geo_value); break;
    default: break;
    }
}

/* ---- lines -------------------------------------------------------------------------------------------------------------- */

static void csv_cell(FILE *out, const char *s, size_t n)
{
    if (!strpbrk(s, ",\"\r\n#") && strncmp(s, "\xEF\xBB\xBF", 3) != 0) {
        fwrite(s, 1, n, out);
        return;
    }
    putc('"', out);
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '"') putc('"', out);
        putc(s[i], out);
    }
    putc('"', out);
}

static bool tsv_fits(const char *s, bool first)
{
    return !strpbrk(s, "\t\r\n") && !(first && strncmp(s, "# line ", 7) == 0);
}

static bool write_cells(row *r, const char *const *text, FILE *out)
{
    for (uint32_t i = 0; i < r->n && r->format == EXPORT_TSV; i++)
        if (!tsv_fits(text[i], i == 0)) fail(r, r->column[i], "holds a tab or the end of a line, which TSV cannot tell");
    if (*r->problem) return false;
    for (uint32_t i = 0; i < r->n; i++) {
        if (i) putc(r->format == EXPORT_CSV ? ',' : '\t', out);
        if (r->format == EXPORT_CSV) csv_cell(out, text[i], strlen(text[i]));
        else fputs(text[i], out);
    }
    putc('\n', out);
    return true;
}

bool row_header(row *r, FILE *out)
{
    return r->format == EXPORT_JSONL || write_cells(r, r->column, out);
}

bool row_end(row *r, FILE *out)
{
    if (r->format == EXPORT_JSONL) {
        buffer_puts(&r->line, "}\n");
        fwrite(r->line.data, 1, r->line.len, out);
        return true;
    }
    const char **text = xcalloc(r->n + 1, sizeof *text);
    for (uint32_t i = 0; i < r->n; i++) text[i] = r->cell[i].data ? r->cell[i].data : "";
    bool fine = write_cells(r, text, out);
    free(text);
    return fine;
}

void row_clear(row *r)
{
    *r->problem = 0;
    buffer_clear(&r->line);
    if (r->format == EXPORT_JSONL) buffer_puts(&r->line, "{");
    for (uint32_t i = 0; i < r->n; i++) buffer_clear(&r->cell[i]);
}

void row_begin(row *r, export_format format, const char *const *column, uint32_t n)
{
    *r = (row){.format = format, .column = column, .n = n, .cell = xcalloc(n + 1, sizeof(buffer))};
    row_clear(r);
}

void row_free(row *r)
{
    for (uint32_t i = 0; i < r->n; i++) buffer_free(&r->cell[i]);
    buffer_free(&r->line);
    free(r->cell);
}
