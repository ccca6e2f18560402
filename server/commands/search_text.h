/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A search's answer for people: hits by name, each ranker's share as a bar, the rules that fired, what did not work. */
#ifndef SINTER_COMMANDS_SEARCH_TEXT_H
#define SINTER_COMMANDS_SEARCH_TEXT_H

#include "base/base.h"
#include <sinter/v1/search.pb-c.h>
#include <stdio.h>

typedef struct search_view {
    const char *collection, *query;
    const char *title_field, *summary_field; /* may be NULL: the id stands for the name; no second line */
    char *const *fields;                     /* further fields asked for, or NULL */
    size_t n_fields;
    double milliseconds; /* as the client saw it */
    uint32_t offset;
    bool colour;
} search_view;

static inline const char *search_bold(const search_view *v)
{
    return v->colour ? "\033[1m" : "";
}
static inline const char *search_dim(const search_view *v)
{
    return v->colour ? "\033[2m" : "";
}
static inline const char *search_plain(const search_view *v)
{
    return v->colour ? "\033[0m" : "";
}
/* At most `width` characters of a text from outside, in one line; padded: as many with spaces. */
int search_put_text(FILE *out, const char *s, int width);
void search_put_padded(FILE *out, const char *s, int width);
/* A value as one line of text, appended to `b`. */
void search_value_text(buffer *b, const Sinter__V1__Value *v);
void search_print(FILE *out, const search_view *v, const Sinter__V1__SearchResponse *r);

#endif
