/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A record of the journal for people and for machines. */
#ifndef SINTER_COMMANDS_JOURNAL_JSON_H
#define SINTER_COMMANDS_JOURNAL_JSON_H

#include "base/base.h"
#include <sinter/storage/v1/journal.pb-c.h>

/* Names of the bodies, as --kind takes them: "item_put", …; NULL: no such body. */
const char *journal_body_name(const Sinter__Storage__V1__Record *rec);
extern const char *const JOURNAL_BODY_NAMES[];
extern const size_t JOURNAL_BODY_NAMES_N;

/* Each appends one line, without the newline. */
void journal_record_json(buffer *b, const Sinter__Storage__V1__Record *rec);
void journal_record_text(buffer *b, const Sinter__Storage__V1__Record *rec);

#endif
