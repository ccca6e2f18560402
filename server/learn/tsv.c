/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading a TSV file in one go: the bytes once, cut in place at tabs and line ends. */
#include "tsv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE    (1024ull << 20)
#define MAX_COLUMNS 64u

static sinter_status line_error(const tsv *t, uint32_t line, sinter_error *e, const char *fix, const char *what, ...)
    PRINTF_LIKE(5, 6);

static sinter_status line_error_v(const tsv *t, uint32_t line, sinter_error *e, const char *fix, const char *what,
                                  va_list args) {
    char text[512];
    vsnprintf(text, sizeof text, what, args);
    error_set(e, SINTER_INVALID, NULL, fix, "%s", text);
    error_where(e, "%s:%u", t->path, line);
    return SINTER_INVALID;
}

static sinter_status line_error(const tsv *t, uint32_t line, sinter_error *e, const char *fix, const char *what, ...) {
    va_list args;
    va_start(args, what);
    line_error_v(t, line, e, fix, what, args);
    va_end(args);
    return SINTER_INVALID;
}

sinter_status tsv_error(const tsv *t, uint32_t row, sinter_error *e, const char *fix, const char *what, ...) {
    va_list args;
    va_start(args, what);
    line_error_v(t, t->line[row], e, fix, what, args);
    va_end(args);
    return SINTER_INVALID;
}

/* Cuts one line into cells; returns how many, at most MAX_COLUMNS + 1. */
static uint32_t cut(char *line, const char **cell) {
    uint32_t n = 0;
    for (char *at = line; at && n <= MAX_COLUMNS; n++) {
        cell[n] = at;
        at = strchr(at, '\t');
        if (at) *at++ = 0;
    }
    return n;
}

static sinter_status take_line(tsv *t, char *text, uint32_t line, uint32_t *cap, sinter_error *e) {
    const char *cell[MAX_COLUMNS + 1];
    uint32_t n = cut(text, cell);
    if (!t->columns) {
        if (n > MAX_COLUMNS) return line_error(t, line, e, "at most 64 columns", "the header has too many columns");
        t->header = xcalloc(n, sizeof *t->header);
        memcpy(t->header, cell, n * sizeof *cell);
        t->columns = n;
        return SINTER_OK;
    }
    if (n != t->columns)
        return line_error(t, line, e, "separate values with one tab each; a tab inside a value must be replaced",
                          "%u values where the header names %u columns", n, t->columns);
    if (t->rows == *cap) {
        *cap = *cap ? *cap * 2 : 1024;
        t->cell = xrealloc(t->cell, (size_t)*cap * t->columns * sizeof *t->cell);
        t->line = xrealloc(t->line, *cap * sizeof *t->line);
    }
    memcpy(t->cell + (size_t)t->rows * t->columns, cell, n * sizeof *cell);
    t->line[t->rows++] = line;
    return SINTER_OK;
}

static uint32_t line_of(const char *text, size_t at) {
    uint32_t line = 1;
    for (size_t i = 0; i < at; i++)
        line += text[i] == '\n';
    return line;
}

static sinter_status check_text(const tsv *t, sinter_error *e) {
    size_t bad = 0;
    const char *nul = memchr(t->text.data, 0, t->text.len);
    bool utf8 = utf8_valid(t->text.data, t->text.len, &bad);
    if (utf8 && !nul) return SINTER_OK;
    if (utf8) bad = (size_t)(nul - t->text.data);
    return line_error(t, line_of(t->text.data, bad), e, "save the file as UTF-8 text", "%s",
                      utf8 ? "a NUL byte" : "not UTF-8");
}

static sinter_status cut_lines(tsv *t, sinter_error *e) {
    uint32_t line = 0, cap = 0;
    char *at = t->text.data;
    if (t->text.len >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) at += 3;
    while (at && *at) {
        char *end = strchr(at, '\n'), *text = at;
        line++;
        at = end ? end + 1 : NULL;
        size_t n = end ? (size_t)(end - text) : strlen(text);
        if (n && text[n - 1] == '\r') n--;
        text[n] = 0;
        if (n && take_line(t, text, line, &cap, e)) return e->status;
    }
    if (!t->columns) return line_error(t, 1, e, "the first line names the columns", "the file is empty");
    return SINTER_OK;
}

sinter_status tsv_read(const char *path, tsv *out, sinter_error *e) {
    sinter_error own = SINTER_ERROR_INIT;
    if (!e) e = &own;
    *out = (tsv){.path = path};
    sinter_status s = file_read(path, MAX_FILE, &out->text, e);
    if (s) return s;
    buffer_append(&out->text, "", 0); /* an empty file has no data yet */
    s = check_text(out, e);
    return s ? s : cut_lines(out, e);
}

void tsv_free(tsv *t) {
    buffer_free(&t->text);
    free(t->cell);
    free(t->line);
    free(t->header);
}

uint32_t tsv_find(const tsv *t, const char *const *names) {
    for (; *names; names++)
        for (uint32_t c = 0; c < t->columns; c++)
            if (strcmp(t->header[c], *names) == 0) return c;
    return UINT32_MAX;
}

sinter_status tsv_column(const tsv *t, const char *const *names, uint32_t *out, sinter_error *e) {
    *out = tsv_find(t, names);
    if (*out != UINT32_MAX) return SINTER_OK;
    buffer there = {0};
    for (uint32_t c = 0; c < t->columns && there.len < 400; c++)
        buffer_printf(&there, "%s'%s'", c ? ", " : "", t->header[c]);
    line_error(t, 1, e, NULL, "the header has no column '%s'; it has %s", names[0], there.data);
    error_fix(e, "the first line names the columns, with tabs between; '%s' may also be called '%s'", names[0],
              names[1] ? names[1] : names[0]);
    buffer_free(&there);
    return SINTER_INVALID;
}

const char *tsv_cell(const tsv *t, uint32_t row, uint32_t column) {
    return t->cell[(size_t)row * t->columns + column];
}
