/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A dictionary that only grows: text of a number, number of a text. One thread writes, any thread reads without locks
 * and without an epoch, because nothing is moved or freed before dictionary_free. */
#ifndef SINTER_CATALOG_DICTIONARY_H
#define SINTER_CATALOG_DICTIONARY_H

#include "base/base.h"

#define DICTIONARY_NONE UINT32_MAX
#define DICTIONARY_SEGMENTS 27u /* segment k holds 64 << k entries */

typedef struct dictionary_text {
    uint32_t n;
    char s[]; /* NUL-terminated */
} dictionary_text;

typedef _Atomic(const dictionary_text *) dictionary_entry;
typedef struct dictionary_table dictionary_table;

/* All zero is an empty one. */
typedef struct dictionary {
    _Atomic(dictionary_table *) table;
    _Atomic(dictionary_entry *) segment[DICTIONARY_SEGMENTS];
    _Atomic uint32_t count; /* highest number + 1 */
    size_t bytes;           /* the writer's */
} dictionary;

/* Gives `text` the number. A text that had a smaller one keeps it as an alias: dictionary_find answers the larger. The
 * copies of texts live in `texts`. [writer] */
void dictionary_put(dictionary *d, uint32_t number, str text, arena *texts);
const dictionary_text *dictionary_get(const dictionary *d, uint32_t number); /* NULL: never given */
uint32_t dictionary_find(const dictionary *d, str text);                    /* DICTIONARY_NONE: unknown */
void dictionary_free(dictionary *d);

#endif
