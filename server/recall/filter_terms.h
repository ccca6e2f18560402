/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a filter demands of keywords, for the text source: conditions that the index can check by its own terms.
 *
 * Every item that passes the filter has, for each clause, at least one of the clause's values. Clauses come from the top
 * level's ANDs: `brand = "x"`, `tags IN ("a", "b")`, and ORs of such. The filter may demand more: an item that satisfies
 * all clauses still has to pass filter_test. Only keyword and keywords fields declared filterable are listed. */
#ifndef SINTER_RECALL_FILTER_TERMS_H
#define SINTER_RECALL_FILTER_TERMS_H

#include "recall/recall.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct filter_term {
    const catalog_field *field;
    str value;
} filter_term;

/* One of `term` must hold. n > 0. */
typedef struct filter_clause {
    const filter_term *term;
    uint32_t n;
} filter_clause;

/* They live as long as the filter. *n 0: nothing that the index could check. */
const filter_clause *filter_clauses(const filter *f, uint32_t *n);

#ifdef __cplusplus
}
#endif
#endif
