/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cursors: base64url of (checksum, question, kind, content). A cursor is a client's bytes: nothing in it is trusted before the
 * checksum and the question's hash have matched, and nothing after it can do more than choose what to skip. */
#include "search.h"

#include <string.h>

enum { CURSOR_ITEMS = 1, CURSOR_SORT = 2, CURSOR_GROUPS = 3, CURSOR_HEAD = 17 };

uint64_t cursor_question(const Sinter__V1__SearchRequest *in)
{
    uint64_t h = hash64(in->collection, strlen(in->collection) + 1);
    h = hash64_seed(in->query, strlen(in->query) + 1, h);
    h = hash64_seed(in->filter, strlen(in->filter) + 1, h);
    h = hash64_seed(in->pipeline, strlen(in->pipeline) + 1, h);
    h = hash64_seed((const uint8_t[]){in->exclude_seen, in->all_items}, 2, h);
    for (size_t i = 0; i < in->n_sort; i++) h = hash64_seed(in->sort[i], strlen(in->sort[i]) + 1, h);
    if (in->group_by[0]) h = hash64_seed(in->group_by, strlen(in->group_by), ~h);
    return h;
}

/* As it was made, and no other way to write the same. */
static bool decode(arena *a, const char *text, uint8_t **out, size_t *n)
{
    str s = str_of(text);
    if (s.n > 64 << 10 || strpbrk(text, "+/=")) return false;
    *out = arena_alloc(a, s.n / 4 * 3 + 3);
    return base64_decode(s, *out, n);
}

static char *make(arena *a, uint64_t question, uint8_t kind, const void *p, size_t n)
{
    uint8_t *bytes = arena_alloc(a, CURSOR_HEAD + n);
    memcpy(bytes + 8, &question, 8);
    bytes[16] = kind;
    memcpy(bytes + CURSOR_HEAD, p, n);
    uint64_t sum = hash64(bytes + 8, CURSOR_HEAD - 8 + n);
    memcpy(bytes, &sum, 8);
    char *text = arena_alloc(a, BASE64_ROOM(CURSOR_HEAD + n));
    base64_encode(bytes, CURSOR_HEAD + n, true, text);
    return text;
}

char *cursor_items(arena *a, uint64_t question, const uint32_t *item, uint32_t n)
{
    return make(a, question, CURSOR_ITEMS, item, n * sizeof *item);
}

char *cursor_groups(arena *a, uint64_t question, const uint64_t *mark, uint32_t n)
{
    return make(a, question, CURSOR_GROUPS, mark, n * sizeof *mark);
}

char *cursor_sort(arena *a, uint64_t question, str key)
{
    return make(a, question, CURSOR_SORT, key.s, key.n);
}

/* The content as numbers, where their memory is aligned. */
static const void *numbers(arena *a, const uint8_t *content, size_t size, size_t each, uint32_t *n)
{
    if (size % each || size / each > SEARCH_CURSOR_ITEMS) return NULL;
    void *out = arena_alloc(a, size + each);
    memcpy(out, content, size);
    *n = (uint32_t)(size / each);
    return out;
}

sinter_status cursor_read(arena *a, const char *text, uint64_t question, cursor *out, sinter_error *e)
{
    static const char fix[] = "send the cursor of the previous answer, unchanged, with the same question";
    uint8_t *bytes;
    size_t size;
    uint64_t sum, of;
    *out = (cursor){.n_items = 0};
    if (!decode(a, text, &bytes, &size) || size < CURSOR_HEAD)
        return error_set(e, SINTER_INVALID, "cursor", fix, "not a cursor");
    memcpy(&sum, bytes, 8);
    memcpy(&of, bytes + 8, 8);
    if (sum != hash64(bytes + 8, size - 8)) return error_set(e, SINTER_INVALID, "cursor", fix, "the cursor is damaged");
    if (of != question) return error_set(e, SINTER_INVALID, "cursor", fix, "the cursor belongs to another question");
    const uint8_t *content = bytes + CURSOR_HEAD;
    size_t n = size - CURSOR_HEAD;
    switch (bytes[16]) {
    case CURSOR_SORT: out->key = (str){(const char *)content, n}; return SINTER_OK;
    case CURSOR_ITEMS: out->item = numbers(a, content, n, sizeof *out->item, &out->n_items); break;
    case CURSOR_GROUPS: out->mark = numbers(a, content, n, sizeof *out->mark, &out->n_marks); break;
    default: break;
    }
    return out->item || out->mark ? SINTER_OK : error_set(e, SINTER_INVALID, "cursor", fix, "not a cursor");
}
