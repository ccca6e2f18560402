/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Facets of a request: read and checked (facets_read.c), counted in the walk over all matches (facets.c), written into the
 * answer (facets_answer.c). Private to the room.
 *
 * Numbers of every type are handled as keys: 64-bit words whose unsigned order is the order of the values. */
#ifndef SINTER_PIPELINE_FACETS_H
#define SINTER_PIPELINE_FACETS_H

#include <string.h>

#include "search.h"
#include "tally.h"

#define FACETS_MAX 32u
#define FACET_VALUES_MAX 1000u
#define FACET_VALUES_DEFAULT 10u
#define FACET_RANGES_MAX 100u
#define FACET_LABEL_MAX 256u
#define FACET_DENSE_IDS (1u << 16) /* keywords of a dictionary up to this size are counted by id, others by hash */
#define FACET_NO_OWN UINT32_MAX

typedef enum {
    FACET_NOTHING, /* stats alone */
    FACET_VALUES,
    FACET_RANGES,    /* as the request says */
    FACET_AUTOMATIC, /* made of the values */
    FACET_PERIODS,   /* of the calendar */
} facet_shape;

typedef struct facet_run {
    const Sinter__V1__FacetRequest *in;
    field_type type;
    facet_shape shape;
    uint32_t limit;
    uint32_t own;                /* the part of the filter that is set aside for it; FACET_NO_OWN: none */
    const catalog_field *field;  /* NULL: of a pattern, brought by no item yet */
    const sinter_column *column; /* NULL: so every item misses it */
    uint64_t matches, missing;

    uint32_t *count, *touched; /* dense: [ids + 1] items of each keyword id; ids that have any */
    uint32_t n_touched;
    tally tally;               /* values by key, large dictionaries by id, periods by their start */

    uint64_t *bound;  /* [n_bounds] distinct keys of the ranges' ends, ascending */
    uint32_t n_bounds;
    uint64_t *between; /* [n_bounds + 1] items below bound[i] and not below the one before */
    uint64_t *key;     /* [n_keys] every value, for automatic ranges */
    uint32_t n_keys, cap_keys;

    uint64_t least, most, n_values; /* keys; items */
    long double sum;
} facet_run;

struct facets {
    facet_run *run; /* [n] */
    uint32_t n;
    filter **own;   /* [n_own] parts of the filter that some facet sets aside */
    uint32_t n_own;
    filter *rest;   /* what holds for all of them; NULL: nothing */
    bool partial;   /* the walk ended before all matches were seen */
    uint32_t *kept; /* scratch of a block: items of one facet */
    uint64_t *keys;
    uint8_t *pass, *fails; /* [n_own][SINTER_CHUNK_ROWS], [SINTER_CHUNK_ROWS] */
};

static inline uint64_t key_of_integer(int64_t v)
{
    return (uint64_t)v ^ UINT64_C(1) << 63;
}
static inline int64_t integer_of_key(uint64_t key)
{
    return (int64_t)(key ^ UINT64_C(1) << 63);
}
static inline uint64_t key_of_number(double v)
{
    uint64_t bits;
    v = v == 0 ? 0 : v; /* one zero */
    memcpy(&bits, &v, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}
static inline double number_of_key(uint64_t key)
{
    double v;
    uint64_t bits = key >> 63 ? key & ~(UINT64_C(1) << 63) : ~key;
    memcpy(&v, &bits, sizeof v);
    return v;
}
/* Keys of this type stand for doubles; else for integers. */
static inline bool key_is_number(field_type t)
{
    return t == FIELD_NUMBER || t == FIELD_GEO;
}

/* How many of the bounds are at or below the key. */
static inline uint32_t bounds_below(const uint64_t *bound, uint32_t n, uint64_t key)
{
    uint32_t from = 0;
    while (n > 0) {
        uint32_t half = n / 2;
        bool right = bound[from + half] <= key;
        from = right ? from + half + 1 : from;
        n = right ? n - half - 1 : half;
    }
    return from;
}

/* Calendar periods by their first instant, ms since 1970 in UTC. facets_answer.c */
int64_t period_start(Sinter__V1__FacetRequest__Interval unit, int64_t ms);
int64_t period_next(Sinter__V1__FacetRequest__Interval unit, int64_t start);

/* The key of a range's end; NULL: *key holds it, else what is wrong with it. facets_read.c */
const char *facet_bound(field_type type, const Sinter__V1__Value *v, uint64_t *key);

/* Values of one facet, for the block of items of one chunk. facets.c */
uint32_t facet_keys(const facet_run *x, const uint32_t *item, uint32_t n, uint64_t *out);

#endif
