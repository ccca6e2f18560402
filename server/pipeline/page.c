/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page that was asked for: from the final order by offset or by cursor; beyond what recall gave, the text source is asked once
 * more and its surplus follows in its own order, so that nothing recalled vanishes and no page repeats. */
#include "search.h"

#include <string.h>

static bool contains(const uint32_t *item, uint32_t n, uint32_t wanted)
{
    for (uint32_t i = 0; i < n; i++)
        if (item[i] == wanted) return true;
    return false;
}

static bool has_text_source(const search *s)
{
    if (!s->pipeline) return true;
    for (uint32_t i = 0; i < s->pipeline->n_sources; i++)
        if (s->pipeline->source[i].text) return true;
    return false;
}

static bool in_list(const uint8_t *listed, uint32_t bits, uint32_t item)
{
    return item < bits && (listed[item >> 3] >> (item & 7) & 1);
}

bool search_may_lengthen(const search *s)
{
    return s->surplus_asked > 0 && s->out->total > s->n_list && has_text_source(s) && !search_late(s);
}

/* Appends what the text source has beyond its first limit. */
sinter_status search_lengthen(search *s, uint32_t reach, sinter_error *e)
{
    text_hits more;
    sinter_status st = search_text(s, reach, false, &more, e);
    if (st) return st;
    uint32_t bits = s->set->n_items;
    uint8_t *listed = ARENA_ARRAY(s->a, uint8_t, bits / 8 + 1);
    for (uint32_t i = 0; i < s->n_list; i++)
        if (s->list[i].item < bits) listed[s->list[i].item >> 3] |= (uint8_t)(1u << (s->list[i].item & 7));
    entry *list = arena_alloc(s->a, (s->n_list + more.n + 1) * sizeof *list);
    memcpy(list, s->list, s->n_list * sizeof *list);
    uint32_t n = s->n_list;
    for (uint32_t i = 0; i < more.n; i++)
        if (!in_list(listed, bits, more.item[i]) && !contains(s->hidden, s->n_hidden, more.item[i]))
            list[n++] = (entry){more.item[i], UINT32_MAX, more.score[i], 0};
    s->list = list;
    s->n_list = n;
    s->surplus_asked = reach;
    s->out->total = more.total > s->out->total ? more.total : s->out->total;
    return SINTER_OK;
}

/* The cursor that continues behind this page: everything shown so far. */
static void next_cursor(search *s, uint32_t seen_before, bool more)
{
    if (!more || seen_before + s->n_page > SEARCH_CURSOR_ITEMS) return;
    uint32_t *item = arena_alloc(s->a, (seen_before + s->n_page + 1) * sizeof *item), n = 0;
    if (s->n_shown)
        for (uint32_t i = 0; i < s->n_shown; i++) item[n++] = s->shown[i];
    else
        for (uint32_t i = 0; i < s->offset && i < s->n_list; i++) item[n++] = s->list[i].item;
    for (uint32_t i = 0; i < s->n_page; i++) item[n++] = s->page[i].item;
    s->out->cursor = cursor_items(s->a, cursor_question(s->in), item, n);
}

sinter_status search_page(search *s, sinter_error *e)
{
    uint32_t skip = s->n_shown ? s->n_shown : s->offset, reach = skip + s->page_size;
    if (reach > SEARCH_MAX_REACH) reach = SEARCH_MAX_REACH;
    if (reach > s->n_list && search_may_lengthen(s)) {
        /* One more than the page needs tells whether there is a next one. */
        sinter_status st = search_lengthen(s, reach + s->n_hidden + 1, e);
        if (st) return st;
    }
    s->page = arena_alloc(s->a, (s->page_size + 1) * sizeof *s->page);
    uint32_t at = 0;
    if (!s->n_shown) at = s->offset < s->n_list ? s->offset : s->n_list;
    for (; at < s->n_list && s->n_page < s->page_size; at++)
        if (!s->n_shown || !contains(s->shown, s->n_shown, s->list[at].item)) s->page[s->n_page++] = s->list[at];
    bool more = at < s->n_list || (s->surplus_asked && s->out->total > s->n_list + s->n_hidden && s->n_list >= s->surplus_asked);
    next_cursor(s, s->n_shown ? s->n_shown : s->offset, more);
    return SINTER_OK;
}
