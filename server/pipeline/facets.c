/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counting facets: each block of matches goes once through every facet's column, where a chunk's rows lie side by side.
 *
 * Conditions on a facet's own field are set aside for it: the walk then runs on what is left of the filter, and an item is counted
 * for a facet when no part but the facet's own refuses it. */
#include "facets.h"

static const sinter_chunk *chunk_of(const sinter_column *c, uint32_t item)
{
    uint32_t k = item >> SINTER_CHUNK_BITS;
    return c && k < c->n_chunks ? c->chunk[k] : NULL;
}

static bool row_has(const sinter_chunk *b, uint32_t r)
{
    return b->present[r >> 6] >> (r & 63) & 1;
}

/* ---- keywords -------------------------------------------------------------------------------------------------------- */

static void count_id(facet_run *x, uint32_t id)
{
    if (!x->count) {
        tally_add(&x->tally, id);
        return;
    }
    x->touched[x->n_touched] = id;
    x->n_touched += x->count[id]++ == 0;
}

static void count_keyword(facet_run *x, const sinter_chunk *b, const uint32_t *item, uint32_t n)
{
    const uint32_t *id = b->data;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = id[item[i] & (SINTER_CHUNK_ROWS - 1)]; /* 0: none */
        if (at)
            count_id(x, at);
        else
            x->missing++;
    }
}

static void count_keywords(facet_run *x, const sinter_chunk *b, const uint32_t *item, uint32_t n)
{
    const uint32_t *at = b->data, *id = at + SINTER_CHUNK_ROWS + 1;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t r = item[i] & (SINTER_CHUNK_ROWS - 1);
        x->missing += at[r] == at[r + 1];
        for (uint32_t k = at[r]; k < at[r + 1]; k++) count_id(x, id[k]);
    }
}

/* ---- numbers --------------------------------------------------------------------------------------------------------- */

#define EACH_KEY(T, width, key_)                                  \
    for (uint32_t i = 0; i < n; i++) {                            \
        uint32_t r = item[i] & (SINTER_CHUNK_ROWS - 1);           \
        const T *v = (const T *)b->data + (size_t)(r) * (width);  \
        out[found] = (key_);                                      \
        found += row_has(b, r);                                   \
    }

uint32_t facet_keys(const facet_run *x, const uint32_t *item, uint32_t n, uint64_t *out)
{
    const sinter_chunk *b = chunk_of(x->column, item[0]);
    uint32_t found = 0;
    if (!b) return 0;
    switch (x->type) {
    case FIELD_INTEGER:
    case FIELD_TIMESTAMP: EACH_KEY(int64_t, 1, key_of_integer(*v)) break;
    case FIELD_NUMBER: EACH_KEY(double, 1, key_of_number(*v)) break;
    case FIELD_BOOLEAN: EACH_KEY(uint8_t, 1, key_of_integer(*v != 0)) break;
    case FIELD_GEO: EACH_KEY(double, 2, key_of_number(geo_km(x->in->origin->latitude, x->in->origin->longitude, v))) break;
    default: break;
    }
    return found;
}

static void add_stats(facet_run *x, const uint64_t *key, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        x->least = key[i] < x->least ? key[i] : x->least;
        x->most = key[i] > x->most ? key[i] : x->most;
    }
    x->n_values += n;
    if (key_is_number(x->type))
        for (uint32_t i = 0; i < n; i++) x->sum += (long double)number_of_key(key[i]);
    else
        for (uint32_t i = 0; i < n; i++) x->sum += (long double)integer_of_key(key[i]);
}

static void keep_keys(search *s, facet_run *x, const uint64_t *key, uint32_t n)
{
    if (x->n_keys + n > x->cap_keys) {
        uint32_t cap = 2 * x->cap_keys + SINTER_CHUNK_ROWS;
        uint64_t *more = arena_alloc(s->a, cap * sizeof *more);
        if (x->n_keys) memcpy(more, x->key, x->n_keys * sizeof *more);
        x->key = more;
        x->cap_keys = cap;
    }
    memcpy(x->key + x->n_keys, key, n * sizeof *key);
    x->n_keys += n;
}

static void count_numbers(search *s, facet_run *x, const uint32_t *item, uint32_t n)
{
    uint64_t *key = s->facets->keys;
    uint32_t found = facet_keys(x, item, n, key);
    x->missing += n - found;
    if (x->in->stats) add_stats(x, key, found);
    switch (x->shape) {
    case FACET_VALUES:
        for (uint32_t i = 0; i < found; i++) tally_add(&x->tally, key[i]);
        break;
    case FACET_RANGES:
        for (uint32_t i = 0; i < found; i++) x->between[bounds_below(x->bound, x->n_bounds, key[i])]++;
        break;
    case FACET_AUTOMATIC: keep_keys(s, x, key, found); break;
    case FACET_PERIODS:
        for (uint32_t i = 0; i < found; i++)
            tally_add(&x->tally, key_of_integer(period_start(x->in->interval, integer_of_key(key[i]))));
        break;
    case FACET_NOTHING: break;
    }
}

/* ---- a block --------------------------------------------------------------------------------------------------------- */

static void count_one(search *s, facet_run *x, const uint32_t *item, uint32_t n)
{
    if (n == 0) return;
    const sinter_chunk *b = chunk_of(x->column, item[0]);
    x->matches += n;
    if (!b)
        x->missing += n;
    else if (x->type == FIELD_KEYWORD)
        count_keyword(x, b, item, n);
    else if (x->type == FIELD_KEYWORDS)
        count_keywords(x, b, item, n);
    else
        count_numbers(s, x, item, n);
}

/* Items that no part refuses but `own`. */
static uint32_t keep(const facets *f, uint32_t own, const uint32_t *item, uint32_t n, uint32_t *out)
{
    const uint8_t *pass = own == FACET_NO_OWN ? NULL : f->pass + (size_t)own * SINTER_CHUNK_ROWS;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        out[kept] = item[i];
        kept += f->fails[i] == (pass ? !pass[i] : 0);
    }
    return kept;
}

uint32_t search_count_facets(search *s, uint32_t *item, uint32_t n)
{
    facets *f = s->facets;
    if (f->n_own == 0) {
        for (uint32_t k = 0; k < f->n; k++) count_one(s, &f->run[k], item, n);
        return n;
    }
    memset(f->fails, 0, n);
    for (uint32_t k = 0; k < f->n_own; k++) {
        uint8_t *pass = f->pass + (size_t)k * SINTER_CHUNK_ROWS;
        filter_match(f->own[k], s->set, item, n, pass);
        for (uint32_t i = 0; i < n; i++) f->fails[i] += !pass[i];
    }
    for (uint32_t k = 0; k < f->n; k++)
        if (f->run[k].own != FACET_NO_OWN) count_one(s, &f->run[k], f->kept, keep(f, f->run[k].own, item, n, f->kept));
    n = keep(f, FACET_NO_OWN, item, n, item);
    for (uint32_t k = 0; k < f->n; k++)
        if (f->run[k].own == FACET_NO_OWN) count_one(s, &f->run[k], item, n);
    return n;
}

/* A facet whose field's own conditions are set aside may have counted where nothing was found. */
void search_forget_facets(search *s)
{
    for (uint32_t k = 0; s->facets && k < s->facets->n; k++) {
        facet_run *x = &s->facets->run[k];
        for (uint32_t i = 0; i < x->n_touched; i++) x->count[x->touched[i]] = 0;
        if (x->tally.a) tally_init(&x->tally, s->a);
        if (x->between) memset(x->between, 0, (x->n_bounds + 1) * sizeof *x->between);
        x->n_touched = x->n_keys = 0;
        x->matches = x->missing = x->n_values = x->most = 0;
        x->least = UINT64_MAX;
        x->sum = 0;
    }
}
