/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Highlights of the page's hits. Private to the room. */
#ifndef SINTER_PIPELINE_HIGHLIGHT_H
#define SINTER_PIPELINE_HIGHLIGHT_H

#include "search.h"

/* Marks what of the item's fields matches, unless the time is over. */
void search_highlight(search *s, const Sinter__V1__Item *item, Sinter__V1__Hit *hit);
/* Says which hits the time did not suffice for. */
void search_end_highlights(search *s);

#endif
