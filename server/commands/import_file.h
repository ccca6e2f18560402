/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading files of items: JSONL, CSV and TSV become rows of named cells; cells become values of a field's type. */
#ifndef SINTER_COMMANDS_IMPORT_FILE_H
#define SINTER_COMMANDS_IMPORT_FILE_H

#include <stdio.h>

#include "base/base.h"
#include <sinter/v1/types.pb-c.h>

#define IMPORT_MAX_ROW_BYTES (16u << 20)
#define IMPORT_MAX_CELLS 2000u
#define IMPORT_MAX_DEPTH 16u /* of nested JSON objects */

typedef enum { IMPORT_JSONL, IMPORT_CSV, IMPORT_TSV } import_format;

typedef enum { CELL_TEXT, CELL_STRING, CELL_NUMBER, CELL_INTEGER, CELL_BOOLEAN, CELL_STRINGS, CELL_NUMBERS, CELL_GEO } cell_kind;

typedef struct import_cell {
    const char *name;
    cell_kind kind;      /* TEXT: of CSV or TSV, still to be read as its field's type */
    const char *text;    /* TEXT, STRING */
    double number;
    int64_t integer;
    bool boolean;
    uint32_t n;          /* STRINGS, NUMBERS */
    char **string;
    double *numbers;
    double geo[2];
} import_cell;

typedef struct import_row {
    uint64_t line;       /* where it starts, from 1 */
    str raw;             /* without its line end */
    const char *problem; /* NULL, or why it cannot be read: the cells are not to be used */
    uint32_t n;
    import_cell *cell;   /* [n] */
} import_row;

typedef struct import_file import_file;

/* By the file's ending; false: none of the three. */
bool import_format_of(const char *path, import_format *out);
/* CSV and TSV: reads the header, too; INVALID names its line. Takes the stream over. */
sinter_status import_open(FILE *in, import_format format, const char *path, import_file **out, sinter_error *e);
/* The next row, in `a`; false: the end. */
bool import_next(import_file *f, arena *a, import_row *row);
const char *const *import_columns(const import_file *f, uint32_t *n); /* CSV, TSV; n 0: JSONL */
str import_header(const import_file *f);                              /* the raw header line */
uint64_t import_position(const import_file *f);                       /* bytes read */
void import_close(import_file *f);

/* The value of a cell for a field of `type` ("number"). NULL and *out NULL: the cell is empty. Else what is wrong, in `a`. */
const char *import_value(const import_cell *cell, const char *type, arena *a, Sinter__V1__Value **out);

/* RFC 3339 with up to nine digits behind the second; false: it is none. */
bool import_time(const char *text, Google__Protobuf__Timestamp *out);

/* One line of JSON as cells: nested objects flattened with dots, {lat, lon} a geo point, nulls left out. */
const char *import_json(str line, arena *a, import_row *row);

#endif
