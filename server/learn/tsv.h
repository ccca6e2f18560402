/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A TSV file with a header: cells by row and column, lines numbered for messages. */
#ifndef SINTER_LEARN_TSV_H
#define SINTER_LEARN_TSV_H

#include "base/base.h"

typedef struct tsv {
    const char *path;
    buffer text;       /* cells point into it, NUL-terminated */
    const char **cell; /* [rows × columns], the header left out */
    uint32_t *line;    /* [rows] 1-based */
    const char **header;
    uint32_t rows, columns;
} tsv;

/* UTF-8, tabs, no quoting; empty lines are skipped, CR before LF is dropped; every line has as many cells as the
 * header. */
sinter_status tsv_read(const char *path, tsv *out, sinter_error *e);
void tsv_free(tsv *t);
/* The column with one of `names` (NULL-terminated), or UINT32_MAX. */
uint32_t tsv_find(const tsv *t, const char *const *names);
/* The same; an error names the columns that are there. */
sinter_status tsv_column(const tsv *t, const char *const *names, uint32_t *out, sinter_error *e);
const char *tsv_cell(const tsv *t, uint32_t row, uint32_t column);
/* error_set with where = file:line of the row. */
sinter_status tsv_error(const tsv *t, uint32_t row, sinter_error *e, const char *fix, const char *what, ...)
    PRINTF_LIKE(5, 6);

#endif
