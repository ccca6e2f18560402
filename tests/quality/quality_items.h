/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading data sets for quality tools: tab-separated tables, items of JSONL and TSV as the API's messages. */
#ifndef SINTER_QUALITY_ITEMS_H
#define SINTER_QUALITY_ITEMS_H

#include "base/base.h"
#include <sinter/v1/types.pb-c.h>

typedef struct quality_row {
    const char *cell[8]; /* "" where the line has fewer */
} quality_row;
typedef struct quality_table {
    buffer text;
    quality_row *row; /* [n_rows]; the first is the header */
    size_t n_rows;
} quality_table;
quality_table quality_read(const char *path); /* ends the program when it cannot */
void quality_free(quality_table *t);

typedef struct quality_items {
    Sinter__V1__Item **item; /* [n] */
    uint32_t n;
    uint64_t *slot; /* [slots] hash of id and ordinal */
    uint32_t slots;
    arena *memory;
} quality_items;
quality_items quality_load(const char *path);
uint32_t quality_ordinal(const quality_items *items, const char *id); /* UINT32_MAX: unknown */

#endif
