/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter search --facet`: what is asked for in words, what came back as bars. */
#ifndef SINTER_COMMANDS_SEARCH_FACETS_H
#define SINTER_COMMANDS_SEARCH_FACETS_H

#include "options.h"
#include "search_text.h"

/* How a facet is written, for --help. */
extern const char FACET_HELP[];

/* Each of the list becomes a FacetRequest of the request, in `a`. INVALID says which part of which cannot be read. */
sinter_status facets_of_words(const option_list *words, arena *a, Sinter__V1__SearchRequest *r, sinter_error *e);
void facets_print(FILE *out, const search_view *v, const Sinter__V1__SearchResponse *r);

#endif
