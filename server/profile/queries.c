/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counters by query and item: a block a query, sorted by item and type. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* ---- texts -------------------------------------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7f;
}

/* Runs of space become one, none at the ends. */
static str squeeze(char *s, size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_space(s[i]))
            s[len++] = s[i];
        else if (len && s[len - 1] != ' ')
            s[len++] = ' ';
    }
    if (len && s[len - 1] == ' ') len--;
    s[len] = '\0';
    return (str){s, len};
}

static bool lower_ascii(str in, char *out)
{
    for (size_t i = 0; i < in.n; i++) {
        if ((unsigned char)in.s[i] >= 0x80) return false;
        out[i] = in.s[i] >= 'A' && in.s[i] <= 'Z' ? (char)(in.s[i] + 32) : in.s[i];
    }
    return true;
}

str profile_query_text(str query, arena *a)
{
    char *out = arena_alloc(a, query.n + 1);
    if (lower_ascii(query, out)) return squeeze(out, query.n);
    utf8proc_uint8_t *mapped;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)query.s, (utf8proc_ssize_t)query.n, &mapped,
                                      UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD |
                                          UTF8PROC_IGNORE | UTF8PROC_LUMP);
    if (n < 0) return (str){"", 0}; /* not UTF-8 */
    out = arena_alloc(a, (size_t)n + 1);
    memcpy(out, mapped, (size_t)n);
    free(mapped);
    return squeeze(out, (size_t)n);
}

/* ---- writing -------------------------------------------------------------------------------------------------------------- */

static profile_query *query_writable(profile_collection *p, profile_query **slot, bool room)
{
    const profile_query *old = *slot;
    uint32_t cap = old ? old->b.cap : 0;
    if (room && (!old || old->b.n == cap)) cap = cap ? 2 * cap : 2;
    return block_writable(p, slot, sizeof *old, sizeof *old->entry, cap);
}

/* Where the key stands or would stand. */
static uint32_t place_of(const profile_query *q, uint64_t key)
{
    uint32_t from = 0, to = q ? q->b.n : 0;
    while (from < to) {
        uint32_t mid = from + (to - from) / 2;
        if (q->entry[mid].key < key)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

void query_add(profile_collection *p, uint32_t query, uint32_t item, uint32_t type, const count *c)
{
    profile_query **slot = rows_writable(p, &p->query, query);
    uint64_t key = (uint64_t)item << 8 | type;
    uint32_t at = place_of(*slot, key);
    bool known = *slot && at < (*slot)->b.n && (*slot)->entry[at].key == key;
    profile_query *q = query_writable(p, slot, !known);
    if (!known) {
        memmove(q->entry + at + 1, q->entry + at, (q->b.n - at) * sizeof *q->entry);
        q->entry[at] = (query_entry){.key = key};
        q->b.n++;
    }
    tally_add(p, &q->entry[at].tally, c);
}

void query_free(profile_query *q)
{
    for (uint32_t i = 0; q && i < q->b.n; i++) window_free(q->entry[i].tally.recent);
    free(q);
}

/* ---- reading --------------------------------------------------------------------------------------------------------------- */

const profile_query *profile_find_query(const profile_set *s, str text)
{
    uint32_t number = text.n && text.n <= MAX_QUERY_TEXT ? dictionary_find(&s->owner->queries, text) : DICTIONARY_NONE;
    if (number == DICTIONARY_NONE) return NULL;
    profile_query *const *row = table_row(s->tables->query, sizeof *row, number);
    return row ? *row : NULL;
}

static const tally *tally_of(const profile_query *q, uint64_t key)
{
    uint32_t at = place_of(q, key);
    return at < q->b.n && q->entry[at].key == key ? &q->entry[at].tally : NULL;
}

void profile_count_query(const profile_set *s, const profile_query *q, uint32_t type, profile_span span, const uint32_t *item,
                         uint32_t n, int64_t now_ms, float *out, uint32_t stride)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t number = q ? item_number(s, item[i]) : 0;
        const tally *t = number ? tally_of(q, (uint64_t)(number - 1) << 8 | type) : NULL;
        out[(size_t)i * stride] = (float)tally_at(t, span, now_ms, s->owner->half_life_ms, 1);
    }
}
