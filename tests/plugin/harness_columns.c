/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The harness's collection: columns in chunks exactly as the ABI lays them out, grown one value at a time. */
#include "harness_inside.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNKS = HARNESS_ITEMS / SINTER_CHUNK_ROWS };

typedef struct column_chunk {
    sinter_chunk view; /* first: what the column points at */
    uint64_t present[SINTER_CHUNK_ROWS / 64];
    uint64_t value[SINTER_CHUNK_ROWS]; /* room for the widest scalar */
    uint32_t *list[SINTER_CHUNK_ROWS]; /* KEYWORDS: per row, count then ids */
    uint32_t *flat;                    /* KEYWORDS: offsets, then ids */
} column_chunk;

struct harness_columns {
    sinter_column view;
    const sinter_chunk *chunk[CHUNKS];
    char **word; /* [n_words], id = place + 1 */
    uint32_t n_words;
    harness_columns *next;
};

static harness_columns *find(const harness *h, const char *field)
{
    harness_columns *c = h->columns;
    while (c != NULL && strcmp(c->view.name, field) != 0)
        c = c->next;
    return c;
}

const sinter_column *harness_find_column(const harness *h, const char *field)
{
    harness_columns *c = find(h, field);
    return c == NULL ? NULL : &c->view;
}

static column_chunk *chunk_for(harness *h, const char *field, sinter_column_type type, uint32_t item, harness_columns **out)
{
    if (item >= HARNESS_ITEMS)
        harness_die("ordinal %u: the harness holds %d items", item, HARNESS_ITEMS);
    harness_columns *c = find(h, field);
    if (c == NULL) {
        c = harness_keep(h, sizeof *c);
        c->view = (sinter_column){.size = sizeof c->view, .type = type, .dimension = 1, .chunk = c->chunk};
        c->view.name = harness_keep_text(h, field);
        c->next = h->columns;
        h->columns = c;
    }
    if (c->view.type != type)
        harness_die("column %s was made with another type", field);
    uint32_t at = item >> SINTER_CHUNK_BITS;
    if (c->chunk[at] == NULL) {
        column_chunk *made = harness_keep(h, sizeof *made);
        made->view = (sinter_chunk){made->present, made->value};
        c->chunk[at] = &made->view;
    }
    if (c->view.n_chunks <= at)
        c->view.n_chunks = at + 1;
    if (c->view.n_items <= item)
        c->view.n_items = item + 1;
    if (h->collection.n_items <= item)
        h->collection.n_items = item + 1;
    column_chunk *k = (column_chunk *)(uintptr_t)c->chunk[at];
    uint32_t row = item & (SINTER_CHUNK_ROWS - 1);
    k->present[row / 64] |= 1ull << (row % 64);
    *out = c;
    return k;
}

static uint32_t word_id(harness *h, harness_columns *c, const char *text, bool add)
{
    for (uint32_t i = 0; i < c->n_words; i++)
        if (strcmp(c->word[i], text) == 0)
            return i + 1;
    if (!add)
        return 0;
    c->word = realloc(c->word, (c->n_words + 1) * sizeof *c->word);
    if (c->word == NULL)
        harness_die("out of memory");
    c->word[c->n_words++] = harness_keep_text(h, text);
    return c->n_words;
}

#define SCALAR(name, ctype, column_type)                                                 \
    void harness_set_##name(harness *h, const char *field, uint32_t item, ctype value)   \
    {                                                                                    \
        harness_columns *c;                                                              \
        column_chunk *k = chunk_for(h, field, column_type, item, &c);                    \
        ((ctype *)k->value)[item & (SINTER_CHUNK_ROWS - 1)] = value;                     \
    }
SCALAR(number, double, SINTER_COLUMN_NUMBER)
SCALAR(integer, int64_t, SINTER_COLUMN_INTEGER)
SCALAR(timestamp, int64_t, SINTER_COLUMN_TIMESTAMP)
SCALAR(boolean, bool, SINTER_COLUMN_BOOLEAN)

void harness_set_keyword(harness *h, const char *field, uint32_t item, const char *text)
{
    harness_columns *c;
    column_chunk *k = chunk_for(h, field, SINTER_COLUMN_KEYWORD, item, &c);
    ((uint32_t *)k->value)[item & (SINTER_CHUNK_ROWS - 1)] = word_id(h, c, text, true);
}

void harness_set_keywords(harness *h, const char *field, uint32_t item, const char *const *text, uint32_t n)
{
    harness_columns *c;
    column_chunk *k = chunk_for(h, field, SINTER_COLUMN_KEYWORDS, item, &c);
    uint32_t row = item & (SINTER_CHUNK_ROWS - 1), total = 0;
    k->list[row] = harness_keep(h, (n + 1) * sizeof(uint32_t));
    k->list[row][0] = n;
    for (uint32_t i = 0; i < n; i++)
        k->list[row][i + 1] = word_id(h, c, text[i], true);
    for (uint32_t r = 0; r < SINTER_CHUNK_ROWS; r++)
        total += k->list[r] == NULL ? 0 : k->list[r][0];
    k->flat = harness_keep(h, (SINTER_CHUNK_ROWS + 1 + total) * sizeof(uint32_t));
    for (uint32_t r = 0, at = 0; r < SINTER_CHUNK_ROWS; r++) {
        uint32_t count = k->list[r] == NULL ? 0 : k->list[r][0];
        k->flat[r] = at;
        for (uint32_t i = 0; i < count; i++)
            k->flat[SINTER_CHUNK_ROWS + 1 + at + i] = k->list[r][i + 1];
        at += count;
        k->flat[r + 1] = at;
    }
    k->view.data = k->flat;
}

void harness_columns_free(harness *h)
{
    for (harness_columns *c = h->columns; c != NULL; c = c->next)
        free(c->word);
}

void harness_item(harness *h, uint32_t ordinal, const char *id)
{
    if (ordinal >= HARNESS_ITEMS)
        harness_die("ordinal %u: the harness holds %d items", ordinal, HARNESS_ITEMS);
    h->item_id[ordinal] = harness_keep_text(h, id);
    if (h->collection.n_items <= ordinal)
        h->collection.n_items = ordinal + 1;
}

static const sinter_column *column(const sinter_host *host, const char *field)
{
    return harness_find_column((const harness *)host, field);
}

static const char *keyword_text(const sinter_host *host, const char *field, uint32_t id)
{
    harness_columns *c = find((const harness *)host, field);
    return c == NULL || id == 0 || id > c->n_words ? NULL : c->word[id - 1];
}

static uint32_t keyword_id(const sinter_host *host, const char *field, const char *text)
{
    harness_columns *c = find((const harness *)host, field);
    return c == NULL ? 0 : word_id(NULL, c, text, false);
}

static const char *item_id(const sinter_host *host, uint32_t ordinal)
{
    return ordinal < HARNESS_ITEMS ? ((const harness *)host)->item_id[ordinal] : NULL;
}

static uint32_t item_ordinal(const sinter_host *host, const char *id)
{
    const harness *h = (const harness *)host;
    for (uint32_t i = 0; i < h->collection.n_items; i++)
        if (h->item_id[i] != NULL && strcmp(h->item_id[i], id) == 0)
            return i;
    return UINT32_MAX;
}

void harness_columns_install(sinter_host *host)
{
    host->column = column;
    host->keyword_text = keyword_text;
    host->keyword_id = keyword_id;
    host->item_id = item_id;
    host->item_ordinal = item_ordinal;
}
