/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What completions need of a packed impression record. Private to suggest. */
#ifndef SINTER_SUGGEST_PACKED_H
#define SINTER_SUGGEST_PACKED_H

#include "base/base.h"

typedef struct packed_answer {
    uint32_t collection;
    str query, corrected, user_id, session_id;
    int64_t time_ms;
    uint64_t total;
    bool later_page, words_dropped;
} packed_answer;
/* Slices of `record`. False: no answer, or malformed. */
bool packed_answer_read(str record, packed_answer *out);

#endif
