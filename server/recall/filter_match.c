/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Running a filter: masks of a block of items, one loop a condition over its column, specialised by type and operator. */
#include "filter_inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEW = 8 }; /* constants that are compared one after the other */

/* ---- columns ------------------------------------------------------------------------------------------------------- */

static const catalog_field *field_of(condition *x, const catalog_collection *c) {
    const catalog_field *f = atomic_load_explicit(&x->field, memory_order_acquire);
    if (f) return f;
    f = catalog_find_field(c, x->name);
    if (f) atomic_store_explicit(&x->field, f, memory_order_release);
    return f;
}

/* Calls `test` on each item's row; `negate` turns the result over. A chunk or a bit that is missing: false. */
#define EACH_ROW(T, test)                                                                                              \
    for (uint32_t i = 0; i < n; i++) {                                                                                 \
        uint32_t k = item[i] >> SINTER_CHUNK_BITS, r = item[i] & (SINTER_CHUNK_ROWS - 1);                              \
        const sinter_chunk *b = k < c->n_chunks ? c->chunk[k] : NULL;                                                  \
        bool ok = false;                                                                                               \
        if (b) {                                                                                                       \
            const T v = ((const T *)b->data)[r];                                                                       \
            ok = (b->present[r >> 6] >> (r & 63) & 1) & (test);                                                        \
        }                                                                                                              \
        out[i] = ok ^ negate;                                                                                          \
    }

#define ROWS const sinter_column *c, const uint32_t *item, uint32_t n, bool negate, uint8_t *out

static void integers_in_range(const condition *x, ROWS) {
    int64_t low = x->u.integers.low, high = x->u.integers.high;
    EACH_ROW(int64_t, (v >= low) & (v <= high))
}

static void numbers_in_range(const condition *x, ROWS) {
    double low = x->u.numbers.low, high = x->u.numbers.high;
    EACH_ROW(double, (v >= low) & (v <= high))
}

static void booleans(const condition *x, ROWS) {
    uint8_t want = (uint8_t)x->u.integers.low;
    EACH_ROW(uint8_t, v == want)
}

#define SORTED_HAS(name, T)                                                                                            \
    static bool name(const T *sorted, uint32_t n, T v) {                                                               \
        uint32_t from = 0;                                                                                             \
        while (n > FEW) {                                                                                              \
            uint32_t half = n / 2;                                                                                     \
            if (sorted[from + half] <= v) from += half, n -= half;                                                     \
            else n = half;                                                                                             \
        }                                                                                                              \
        bool has = false;                                                                                              \
        for (uint32_t i = 0; i < n; i++)                                                                               \
            has |= sorted[from + i] == v;                                                                              \
        return has;                                                                                                    \
    }
SORTED_HAS(has_integer, int64_t)
SORTED_HAS(has_number, double)
SORTED_HAS(has_id, uint32_t)

static void integers_in_list(const condition *x, ROWS) {
    EACH_ROW(int64_t, has_integer(x->u.integer, x->n, v))
}

static void numbers_in_list(const condition *x, ROWS) {
    EACH_ROW(double, has_number(x->u.number, x->n, v))
}

static void present(const condition *x, ROWS) {
    (void)x;
    for (uint32_t i = 0; i < n; i++)
        out[i] = column_has(c, item[i]) ^ negate;
}

/* ---- keywords ------------------------------------------------------------------------------------------------------- */

typedef struct id_list {
    uint32_t n;
    uint32_t id[FILTER_MAX_CONDITIONS]; /* ascending */
} id_list;

static int by_id(const void *x, const void *y) {
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return (a > b) - (a < b);
}

/* Ids of the constants that the collection knows by now. */
static void known_ids(const condition *x, const catalog_collection *c, id_list *out) {
    const catalog_field *f = atomic_load_explicit(&x->field, memory_order_acquire);
    out->n = 0;
    for (uint32_t i = 0; i < x->n; i++) {
        keyword_constant *k = &x->u.keyword[i];
        uint32_t id = atomic_load_explicit(&k->id, memory_order_relaxed);
        if (id == 0 && (id = catalog_keyword_id(c, f, k->text)) != 0)
            atomic_store_explicit(&k->id, id, memory_order_relaxed);
        if (id) out->id[out->n++] = id;
    }
    bool ascending = true;
    for (uint32_t i = 1; i < out->n; i++)
        ascending &= out->id[i - 1] <= out->id[i];
    if (!ascending) qsort(out->id, out->n, sizeof *out->id, by_id);
}

static void keyword_is_one(const id_list *ids, ROWS) {
    if (ids->n == 1) {
        uint32_t want = ids->id[0];
        EACH_ROW(uint32_t, v == want)
    } else {
        EACH_ROW(uint32_t, has_id(ids->id, ids->n, v))
    }
}

static bool list_holds(const uint32_t *at, uint32_t r, const id_list *ids) {
    const uint32_t *id = at + SINTER_CHUNK_ROWS + 1;
    for (uint32_t i = at[r]; i < at[r + 1]; i++) {
        if (has_id(ids->id, ids->n, id[i])) return true;
    }
    return false;
}

static void keywords_hold_one(const id_list *ids, ROWS) {
    for (uint32_t i = 0; i < n; i++) {
        bool ok = column_has(c, item[i]);
        if (ok) ok = list_holds(c->chunk[item[i] >> SINTER_CHUNK_BITS]->data, item[i] & (SINTER_CHUNK_ROWS - 1), ids);
        out[i] = ok ^ negate;
    }
}

/* ---- places ----------------------------------------------------------------------------------------------------------- */

/* Great-circle distance on the mean sphere, by haversines. */
static double km_between(double from_latitude, double from_longitude, double cos_latitude, const double *place) {
    double latitude = (place[0] - from_latitude) * M_PI / 180;
    double longitude = (place[1] - from_longitude) * M_PI / 180;
    double a = sin(latitude / 2), b = sin(longitude / 2);
    double h = a * a + cos(place[0] * M_PI / 180) * cos_latitude * b * b;
    return 2 * 6371.0088 * asin(sqrt(fmin(1, h)));
}

double geo_km(double latitude, double longitude, const double *place) {
    return km_between(latitude, longitude, cos(latitude * M_PI / 180), place);
}

bool filter_is_within(const condition *x, const double *place) {
    return km_between(x->u.within.latitude, x->u.within.longitude, x->u.within.cos_latitude, place) <= x->u.within.km;
}

static void within(const condition *x, ROWS) {
    for (uint32_t i = 0; i < n; i++) {
        bool ok = column_has(c, item[i]);
        if (ok) ok = filter_is_within(x, (const double *)c->chunk[item[i] >> SINTER_CHUNK_BITS]->data + 2 * (item[i] & (SINTER_CHUNK_ROWS - 1)));
        out[i] = ok ^ negate;
    }
}

static void (*const RUN[])(const condition *x, ROWS) = {
    [CONDITION_INTEGERS] = integers_in_range,   [CONDITION_NUMBERS] = numbers_in_range,
    [CONDITION_BOOLEAN] = booleans,             [CONDITION_INTEGER_IN] = integers_in_list,
    [CONDITION_NUMBER_IN] = numbers_in_list,    [CONDITION_EXISTS] = present,
    [CONDITION_WITHIN] = within,                [CONDITION_KEYWORD] = NULL,
    [CONDITION_KEYWORDS] = NULL,                [CONDITION_ITEM] = NULL,
};

static void run_condition(condition *x, const catalog_set *set, const uint32_t *item, uint32_t n, uint8_t *out) {
    if (x->kind == CONDITION_ITEM) {
        for (uint32_t i = 0; i < n; i++)
            out[i] = has_id(x->u.item, x->n, item[i]) ^ x->negate;
        return;
    }
    const catalog_field *f = field_of(x, set->owner);
    const sinter_column *c = f && f->column < set->n_columns ? set->column[f->column] : NULL;
    if (!c) {
        memset(out, x->negate, n);
    } else if (x->kind == CONDITION_KEYWORD || x->kind == CONDITION_KEYWORDS) {
        id_list ids;
        known_ids(x, set->owner, &ids);
        if (x->kind == CONDITION_KEYWORD) keyword_is_one(&ids, c, item, n, x->negate, out);
        else keywords_hold_one(&ids, c, item, n, x->negate, out);
    } else {
        RUN[x->kind](x, c, item, n, x->negate, out);
    }
}

/* ---- programs ----------------------------------------------------------------------------------------------------------- */

typedef uint8_t mask[FILTER_BLOCK];

static void mask_and(uint8_t *restrict a, const uint8_t *restrict b, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        a[i] &= b[i];
}

static void mask_or(uint8_t *restrict a, const uint8_t *restrict b, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        a[i] |= b[i];
}

static void mask_not(uint8_t *a, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        a[i] ^= 1;
}

static void run_block(const filter *f, const catalog_set *set, const uint32_t *item, uint32_t n, uint8_t *out) {
    mask stack[FILTER_STACK];
    uint32_t top = 0; /* masks on the stack */
    for (uint32_t at = 0; at < f->n_program; at++) {
        const instruction *in = &f->program[at];
        switch (in->op) {
        case OP_CONDITION: run_condition(f->condition[in->arg], set, item, n, stack[top++]); break;
        case OP_AND: top--, mask_and(stack[top - 1], stack[top], n); break;
        case OP_OR: top--, mask_or(stack[top - 1], stack[top], n); break;
        case OP_NOT: mask_not(stack[top - 1], n); break;
        case OP_SKIP_IF_NONE: at += memchr(stack[top - 1], 1, n) ? 0 : in->arg; break;
        case OP_SKIP_IF_ALL: at += memchr(stack[top - 1], 0, n) ? 0 : in->arg; break;
        default: break;
        }
    }
    memcpy(out, stack[0], n);
}

void filter_match(const filter *f, const catalog_set *set, const uint32_t *item, uint32_t n, uint8_t *out) {
    if (!f) {
        memset(out, 1, n);
        return;
    }
    for (uint32_t at = 0; at < n; at += FILTER_BLOCK)
        run_block(f, set, item + at, n - at < FILTER_BLOCK ? n - at : FILTER_BLOCK, out + at);
}

/* ---- one item ----------------------------------------------------------------------------------------------------------- */

/* Conditions whose single test is shorter than a block of one; the rest run as such a block. */
static bool test_condition(condition *x, const catalog_set *set, uint32_t item) {
    if (x->kind == CONDITION_ITEM) return has_id(x->u.item, x->n, item) ^ x->negate;
    const catalog_field *f = field_of(x, set->owner);
    const sinter_column *c = f && f->column < set->n_columns ? set->column[f->column] : NULL;
    if (!c || !column_has(c, item)) return x->negate;
    const void *data = c->chunk[item >> SINTER_CHUNK_BITS]->data;
    uint32_t r = item & (SINTER_CHUNK_ROWS - 1);
    if (x->kind == CONDITION_NUMBERS) {
        double v = ((const double *)data)[r];
        return (v >= x->u.numbers.low && v <= x->u.numbers.high) ^ x->negate;
    }
    if (x->kind == CONDITION_INTEGERS) {
        int64_t v = ((const int64_t *)data)[r];
        return (v >= x->u.integers.low && v <= x->u.integers.high) ^ x->negate;
    }
    if (x->kind == CONDITION_BOOLEAN) return (((const uint8_t *)data)[r] == x->u.integers.low) ^ x->negate;
    if (x->kind == CONDITION_KEYWORD && x->n == 1) {
        uint32_t id = atomic_load_explicit(&x->u.keyword[0].id, memory_order_relaxed);
        if (id) return (((const uint32_t *)data)[r] == id) ^ x->negate;
    }
    uint8_t out;
    run_condition(x, set, &item, 1, &out);
    return out;
}

bool filter_test(const filter *f, const catalog_set *set, uint32_t item) {
    bool stack[FILTER_STACK];
    uint32_t top = 0;
    if (!f) return true;
    for (uint32_t at = 0; at < f->n_program; at++) {
        const instruction *in = &f->program[at];
        switch (in->op) {
        case OP_CONDITION: stack[top++] = test_condition(f->condition[in->arg], set, item); break;
        case OP_AND: top--, stack[top - 1] &= stack[top]; break;
        case OP_OR: top--, stack[top - 1] |= stack[top]; break;
        case OP_NOT: stack[top - 1] ^= true; break;
        case OP_SKIP_IF_NONE: at += stack[top - 1] ? 0 : in->arg; break;
        case OP_SKIP_IF_ALL: at += stack[top - 1] ? in->arg : 0; break;
        default: break;
        }
    }
    return stack[0];
}

/* ---- scan ------------------------------------------------------------------------------------------------------------------ */

typedef struct scan {
    const filter *f;
    const catalog_set *set;
    uint32_t first, limit, n;
    uint32_t *item;
    uint64_t passed;
    uint32_t block[FILTER_BLOCK], in_block;
} scan;

static void scan_block(scan *s) {
    uint8_t pass[FILTER_BLOCK];
    filter_match(s->f, s->set, s->block, s->in_block, pass);
    for (uint32_t i = 0; i < s->in_block; i++) {
        s->passed += pass[i];
        if (pass[i] && s->block[i] >= s->first && s->n < s->limit) s->item[s->n++] = s->block[i];
    }
    s->in_block = 0;
}

uint32_t filter_scan(const filter *f, const catalog_set *set, uint32_t first, uint32_t limit, uint32_t *item,
                     uint64_t *count_all) {
    scan s = {.f = f, .set = set, .first = first, .limit = limit, .item = item};
    uint32_t start = count_all ? 0 : first >> SINTER_CHUNK_BITS;
    for (uint32_t k = start; k < set->n_chunks && (count_all || s.n < limit); k++) {
        for (uint32_t w = 0; w < SINTER_CHUNK_ROWS / 64; w++) {
            uint64_t live = set->live[k][w];
            if (s.in_block + 64 > FILTER_BLOCK) scan_block(&s);
            for (; live; live &= live - 1)
                s.block[s.in_block++] = (k << SINTER_CHUNK_BITS) + 64 * w + (uint32_t)__builtin_ctzll(live);
        }
        scan_block(&s);
    }
    if (count_all) *count_all = s.passed;
    return s.n;
}

/* ---- walk ------------------------------------------------------------------------------------------------------------------ */

static uint32_t chunk_passes(const filter *f, const catalog_set *set, uint32_t chunk, uint32_t *item) {
    uint8_t pass[SINTER_CHUNK_ROWS];
    uint32_t n = 0, kept = 0;
    for (uint32_t w = 0; w < SINTER_CHUNK_ROWS / 64; w++) {
        for (uint64_t live = set->live[chunk][w]; live; live &= live - 1)
            item[n++] = (chunk << SINTER_CHUNK_BITS) + 64 * w + (uint32_t)__builtin_ctzll(live);
    }
    if (!f) return n;
    filter_match(f, set, item, n, pass);
    for (uint32_t i = 0; i < n; i++) {
        if (pass[i]) item[kept++] = item[i];
    }
    return kept;
}

void filter_walk(const filter *f, const catalog_set *set, match_watch *w) {
    uint32_t item[SINTER_CHUNK_ROWS];
    for (uint32_t k = 0; k < set->n_chunks; k++) {
        if (!match_goes_on(w, k << SINTER_CHUNK_BITS)) return;
        uint32_t n = chunk_passes(f, set, k, item);
        if (n) w->fn(w->ctx, item, n);
    }
}
