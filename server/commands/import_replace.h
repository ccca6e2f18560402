/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What `sinter import --replace` knows of the collection: which items were there before, and which of them the file has. */
#ifndef SINTER_COMMANDS_IMPORT_REPLACE_H
#define SINTER_COMMANDS_IMPORT_REPLACE_H

#include "import_run.h"

typedef struct replacement replacement;

/* Lists the collection's items; its memory grows with them. The exit code. */
int replacement_begin(import_run *m, replacement **out);
void replacement_free(replacement *r);
/* The file has a row of this id, good or not: the item stays. NULL: a row whose id cannot be read. */
void replacement_see(replacement *r, const char *id);
/* Deletes in one step what the file lacks, or counts it. Refuses beyond half of the items, or when a row's id could not be read,
 * unless forced. The exit code. */
int replacement_end(import_run *m, replacement *r, bool force, bool dry_run);

typedef struct replacement_counts {
    uint64_t before, kept, gone, deleted; /* items there before; of the file; not; of those deleted (or to be) */
} replacement_counts;
replacement_counts replacement_tell(const replacement *r);

#endif
