/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of JSONL, CSV or TSV, written so that `sinter import` and `sinter events import` read the same values back.
 *
 *   row r;
 *   row_begin(&r, format, columns, n);          CSV, TSV: their names; JSONL: NULL, 0
 *   row_value(&r, "price", value) …             each column at most once, in any order
 *   row_end(&r, out);
 *
 * CSV and TSV hold no list of lists, no | inside a keyword and no empty text: what cannot be told is said by row_problem. */
#ifndef SINTER_COMMANDS_EXPORT_WRITE_H
#define SINTER_COMMANDS_EXPORT_WRITE_H

#include <stdio.h>

#include "base/base.h"
#include <sinter/v1/types.pb-c.h>

typedef enum { EXPORT_JSONL, EXPORT_CSV, EXPORT_TSV, EXPORT_FORMATS } export_format;
extern const char *const EXPORT_FORMAT_NAMES[EXPORT_FORMATS];

typedef struct row {
    export_format format;
    const char *const *column; /* [n] */
    uint32_t n;
    buffer *cell; /* [n] CSV, TSV */
    buffer line;  /* JSONL */
    char problem[300]; /* empty: none */
} row;

void row_begin(row *r, export_format format, const char *const *column, uint32_t n);
void row_free(row *r);
/* The line that names the columns; nothing in JSONL. False: a name cannot be told. */
bool row_header(row *r, FILE *out);
void row_clear(row *r);
void row_value(row *r, const char *name, const Sinter__V1__Value *v);
void row_text(row *r, const char *name, const char *text); /* nothing where it is empty */
void row_number(row *r, const char *name, double x);
void row_integer(row *r, const char *name, int64_t x);
void row_time(row *r, const char *name, const Google__Protobuf__Timestamp *t);
void row_texts(row *r, const char *name, char *const *text, size_t n, const char *separator);
/* False: the row has a problem, and nothing was written. */
bool row_end(row *r, FILE *out);

/* RFC 3339 with as many digits behind the second as there are; `out` of 40 bytes. */
void timestamp_text(const Google__Protobuf__Timestamp *t, char out[40]);

#endif
