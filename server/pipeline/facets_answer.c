/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Facets as the answer says them: the values that lead, ranges asked for or made, periods, statistics. */
#include "facets.h"

#include <math.h>
#include <strings.h>

/* ---- messages -------------------------------------------------------------------------------------------------------- */

static Sinter__V1__Value *value_new(search *s, int kind)
{
    Sinter__V1__Value *v = ARENA_NEW(s->a, Sinter__V1__Value);
    sinter__v1__value__init(v);
    v->kind_case = (Sinter__V1__Value__KindCase)kind;
    return v;
}

Sinter__V1__Value *search_time_value(search *s, int64_t ms)
{
    Sinter__V1__Value *v = value_new(s, SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE);
    v->timestamp_value = ARENA_NEW(s->a, Google__Protobuf__Timestamp);
    google__protobuf__timestamp__init(v->timestamp_value);
    int64_t rest = ((ms % 1000) + 1000) % 1000;
    v->timestamp_value->seconds = (ms - rest) / 1000;
    v->timestamp_value->nanos = (int32_t)(rest * 1000000);
    return v;
}

Sinter__V1__Value *search_word_value(search *s, const catalog_field *f, uint32_t id)
{
    Sinter__V1__Value *v = value_new(s, SINTER__V1__VALUE__KIND_STRING_VALUE);
    size_t n;
    v->string_value = message_text(catalog_keyword_text(s->collection->catalog, f, id, &n)); /* lives as long as the collection */
    return v;
}

Sinter__V1__Value *search_integer_value(search *s, int64_t n)
{
    Sinter__V1__Value *v = value_new(s, SINTER__V1__VALUE__KIND_INTEGER_VALUE);
    v->integer_value = n;
    return v;
}

static Sinter__V1__Value *value_of_key(search *s, const facet_run *x, uint64_t key)
{
    Sinter__V1__Value *v;
    switch (x->type) {
    case FIELD_KEYWORD:
    case FIELD_KEYWORDS: return search_word_value(s, x->field, (uint32_t)key);
    case FIELD_TIMESTAMP: return search_time_value(s, integer_of_key(key));
    case FIELD_INTEGER: return search_integer_value(s, integer_of_key(key));
    case FIELD_BOOLEAN:
        v = value_new(s, SINTER__V1__VALUE__KIND_BOOLEAN_VALUE);
        v->boolean_value = integer_of_key(key) != 0;
        return v;
    default:
        v = value_new(s, SINTER__V1__VALUE__KIND_NUMBER_VALUE);
        v->number_value = number_of_key(key);
        return v;
    }
}

/* ---- the values that lead -------------------------------------------------------------------------------------------- */

typedef struct counted {
    uint64_t key;
    uint32_t count;
} counted;

typedef struct ordering {
    search *s;
    const facet_run *x;
    bool by_value, words;
} ordering;

static int compare_words(const ordering *o, uint64_t a, uint64_t b)
{
    size_t n, m;
    const catalog_collection *c = o->s->collection->catalog;
    const char *x = catalog_keyword_text(c, o->x->field, (uint32_t)a, &n), *y = catalog_keyword_text(c, o->x->field, (uint32_t)b, &m);
    int order = memcmp(x, y, n < m ? n : m);
    return order ? order : (n > m) - (n < m);
}

/* Below zero: a is listed before b. */
static int compare(const ordering *o, const counted *a, const counted *b)
{
    if (!o->by_value && a->count != b->count) return a->count > b->count ? -1 : 1;
    return o->words ? compare_words(o, a->key, b->key) : (a->key > b->key) - (a->key < b->key);
}

static void sift_down(const ordering *o, counted *h, uint32_t n, uint32_t i)
{
    for (;;) { /* the last of those kept on top */
        uint32_t last = i, l = 2 * i + 1, r = l + 1;
        if (l < n && compare(o, &h[l], &h[last]) > 0) last = l;
        if (r < n && compare(o, &h[r], &h[last]) > 0) last = r;
        if (last == i) return;
        counted t = h[i];
        h[i] = h[last];
        h[last] = t;
        i = last;
    }
}

/* The first `keep` of n, in order, at the front. */
static uint32_t lead(const ordering *o, counted *all, uint32_t n, uint32_t keep)
{
    keep = keep < n ? keep : n;
    for (uint32_t i = keep / 2; i-- > 0;) sift_down(o, all, keep, i);
    for (uint32_t i = keep; i < n; i++)
        if (compare(o, &all[i], &all[0]) < 0) {
            all[0] = all[i];
            sift_down(o, all, keep, 0);
        }
    for (uint32_t end = keep; end > 1; end--) {
        counted t = all[0];
        all[0] = all[end - 1];
        all[end - 1] = t;
        sift_down(o, all, end - 1, 0);
    }
    return keep;
}

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80 || *text == '&') return false;
    return true;
}

/* Whether a value begins as the prefix does, both normalised. */
static bool begins(search *s, const char *text, size_t n, str prefix)
{
    if (is_plain(text)) return n >= prefix.n && strncasecmp(text, prefix.s, prefix.n) == 0;
    str folded = text_normalise(s->a, (str){text, n});
    return folded.n >= prefix.n && memcmp(folded.s, prefix.s, prefix.n) == 0;
}

static uint32_t keep_prefixed(search *s, const facet_run *x, counted *all, uint32_t n)
{
    uint32_t kept = 0;
    size_t len;
    if (!*x->in->prefix) return n;
    str prefix = text_normalise(s->a, str_of(x->in->prefix));
    for (uint32_t i = 0; i < n; i++) {
        const char *text = catalog_keyword_text(s->collection->catalog, x->field, (uint32_t)all[i].key, &len);
        if (begins(s, text, len, prefix)) all[kept++] = all[i];
    }
    return kept;
}

/* What was counted, in no order; room for one more. */
static counted *all_counted(search *s, const facet_run *x, uint32_t *n)
{
    uint32_t most = x->count ? x->n_touched : x->tally.n;
    counted *all = arena_alloc(s->a, (most + 1) * sizeof *all);
    *n = 0;
    for (uint32_t i = 0; x->count && i < x->n_touched; i++)
        all[(*n)++] = (counted){x->touched[i], x->count[x->touched[i]]};
    for (uint32_t i = 0; !x->count && x->tally.n && i <= x->tally.mask; i++)
        if (x->tally.count[i]) all[(*n)++] = (counted){x->tally.key[i], x->tally.count[i]};
    return all;
}

static void answer_values(search *s, const facet_run *x, Sinter__V1__Facet *out)
{
    uint32_t n;
    counted *all = all_counted(s, x, &n);
    ordering o = {s, x, x->in->order == SINTER__V1__FACET_REQUEST__ORDER__ORDER_VALUE,
                  x->type == FIELD_KEYWORD || x->type == FIELD_KEYWORDS};
    n = keep_prefixed(s, x, all, n);
    out->distinct = n;
    n = lead(&o, all, n, x->limit);
    out->values = ARENA_ARRAY(s->a, Sinter__V1__FacetValue *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        Sinter__V1__FacetValue *v = ARENA_NEW(s->a, Sinter__V1__FacetValue);
        sinter__v1__facet_value__init(v);
        v->value = value_of_key(s, x, all[i].key);
        v->count = all[i].count;
        out->values[out->n_values++] = v;
    }
}

/* ---- ranges ---------------------------------------------------------------------------------------------------------- */

static void add_range(search *s, Sinter__V1__Facet *out, Sinter__V1__Value *from, Sinter__V1__Value *to, char *label, uint64_t count)
{
    Sinter__V1__FacetRangeCount *r = ARENA_NEW(s->a, Sinter__V1__FacetRangeCount);
    sinter__v1__facet_range_count__init(r);
    r->from = from;
    r->to = to;
    if (label) r->label = label;
    r->count = count;
    out->ranges[out->n_ranges++] = r;
}

static void room_for_ranges(search *s, Sinter__V1__Facet *out, uint32_t n)
{
    out->ranges = ARENA_ARRAY(s->a, Sinter__V1__FacetRangeCount *, n + 1);
}

/* The place of a range's end among the bounds, read again as it was. */
static uint32_t place_of(const facet_run *x, const Sinter__V1__Value *v, uint32_t none)
{
    uint64_t key;
    if (!v || v->kind_case == SINTER__V1__VALUE__KIND__NOT_SET || facet_bound(x->type, v, &key)) return none;
    return bounds_below(x->bound, x->n_bounds, key);
}

static void answer_ranges(search *s, const facet_run *x, Sinter__V1__Facet *out)
{
    room_for_ranges(s, out, (uint32_t)x->in->n_ranges);
    for (size_t i = 0; i < x->in->n_ranges; i++) {
        const Sinter__V1__FacetRange *in = x->in->ranges[i];
        uint64_t count = 0;
        for (uint32_t k = place_of(x, in->from, 0); k < place_of(x, in->to, x->n_bounds + 1); k++) count += x->between[k];
        add_range(s, out, in->from, in->to, in->label, count);
    }
}

/* ---- ranges made of the values --------------------------------------------------------------------------------------- */

enum { RADIX_BITS = 11, RADIX = 1 << RADIX_BITS };

/* Least significant digits first: the same time whatever the values. */
static uint64_t *sort_keys(search *s, uint64_t *key, uint32_t n)
{
    uint64_t *to = arena_alloc(s->a, (n + 1) * sizeof *to);
    uint32_t *start = arena_alloc(s->a, RADIX * sizeof *start);
    for (uint32_t shift = 0; shift < 64; shift += RADIX_BITS) {
        memset(start, 0, RADIX * sizeof *start);
        for (uint32_t i = 0; i < n; i++) start[key[i] >> shift & (RADIX - 1)]++;
        uint32_t sum = 0;
        for (uint32_t d = 0; d < RADIX; d++) {
            uint32_t here = start[d];
            start[d] = sum;
            sum += here;
        }
        for (uint32_t i = 0; i < n; i++) to[start[key[i] >> shift & (RADIX - 1)]++] = key[i];
        uint64_t *t = key;
        key = to;
        to = t;
    }
    return key;
}

/* Bounds where the next n-th of the items begins; equal values stay together, so that there may be fewer ranges. */
static void answer_equal(search *s, const facet_run *x, Sinter__V1__Facet *out)
{
    uint32_t n = x->in->automatic_ranges, begin = 0;
    uint64_t *key = sort_keys(s, x->key, x->n_keys);
    room_for_ranges(s, out, n);
    for (uint32_t k = 1; k <= n && begin < x->n_keys; k++) {
        uint32_t end = (uint32_t)((uint64_t)x->n_keys * k / n);
        if (end <= begin) continue;
        while (end < x->n_keys && key[end] == key[end - 1]) end++;
        add_range(s, out, value_of_key(s, x, key[begin]), end < x->n_keys ? value_of_key(s, x, key[end]) : NULL, NULL, end - begin);
        begin = end;
    }
}

/* Equally wide ranges from step × first on, step = factor × 10^power. */
typedef struct grid {
    double factor;
    int power;
    double first, n;
} grid;

static double grid_at(const grid *g, double i)
{
    double whole = i * g->factor;
    return g->power < 0 ? whole / pow(10, -g->power) : whole * pow(10, g->power);
}

/* The finest grid of at most n ranges that holds all from least to most. */
static grid grid_of(double least, double most, uint32_t n, bool whole)
{
    static const double factors[] = {1, 2, 2.5, 5};
    double width = most / n - least / n; /* the difference itself may be infinite */
    int power = width > 0 ? (int)floor(log10(width)) - 1 : 0;
    if (power < -300) power = -300;
    if (whole && power < 0) power = 0;
    for (;; power++)
        for (size_t k = 0; k < ARRAY_LEN(factors); k++) {
            grid g = {.factor = factors[k], .power = power};
            if (whole && power == 0 && factors[k] == 2.5) continue;
            double step = grid_at(&g, 1);
            g.first = floor(least / step);
            while (grid_at(&g, g.first) > least) g.first = fmin(g.first - 1, nextafter(g.first, -INFINITY)); /* dividing rounded up */
            for (g.n = 1; g.n <= n && grid_at(&g, g.first + g.n) <= most;) g.n++;
            if (g.n <= n) return g;
        }
}

static Sinter__V1__Value *grid_value(search *s, const facet_run *x, double v)
{
    if (!isfinite(v)) return NULL; /* beyond all numbers: no bound */
    if (key_is_number(x->type)) return value_of_key(s, x, key_of_number(v));
    if (v >= 0x1p63) return NULL;
    return search_integer_value(s, v < -0x1p63 ? INT64_MIN : (int64_t)v);
}

static double as_double(const facet_run *x, uint64_t key)
{
    return key_is_number(x->type) ? number_of_key(key) : (double)integer_of_key(key);
}

static void answer_round(search *s, const facet_run *x, Sinter__V1__Facet *out)
{
    uint64_t least = UINT64_MAX, most = 0, count[FACET_RANGES_MAX + 1] = {0};
    if (x->n_keys == 0) return;
    for (uint32_t i = 0; i < x->n_keys; i++) {
        least = x->key[i] < least ? x->key[i] : least;
        most = x->key[i] > most ? x->key[i] : most;
    }
    grid g = grid_of(as_double(x, least), as_double(x, most), x->in->automatic_ranges, !key_is_number(x->type));
    uint32_t n = (uint32_t)g.n;
    Sinter__V1__Value *end[FACET_RANGES_MAX + 1];
    uint64_t bound[FACET_RANGES_MAX + 1];
    for (uint32_t i = 0; i <= n; i++) {
        end[i] = grid_value(s, x, grid_at(&g, g.first + i));
        if (!end[i] || facet_bound(x->type, end[i], &bound[i])) bound[i] = i == 0 ? 0 : UINT64_MAX;
    }
    for (uint32_t i = 0; i < x->n_keys; i++) count[bounds_below(bound + 1, n - 1, x->key[i])]++;
    room_for_ranges(s, out, n);
    for (uint32_t i = 0; i < n; i++) add_range(s, out, end[i], end[i + 1], NULL, count[i]);
}

/* ---- periods --------------------------------------------------------------------------------------------------------- */

static const int64_t DAY_MS = 86400000;

static int64_t floored(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days since 1970-01-01 of a day of the Gregorian calendar, and back (Hinnant's algorithms). */
static int64_t days_of(int64_t year, unsigned month)
{
    year -= month <= 2;
    int64_t era = floored(year, 400);
    int64_t of_era = year - era * 400, of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void month_of(int64_t days, int64_t *year, unsigned *month)
{
    days += 719468;
    int64_t era = floored(days, 146097), of_era = days - era * 146097;
    int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100), shifted = (5 * of_year + 2) / 153;
    *month = (unsigned)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = years + era * 400 + (*month <= 2);
}

int64_t period_start(Sinter__V1__FacetRequest__Interval unit, int64_t ms)
{
    int64_t days = floored(ms, DAY_MS), year;
    unsigned month;
    if (unit == SINTER__V1__FACET_REQUEST__INTERVAL__INTERVAL_DAY) return days * DAY_MS;
    if (unit == SINTER__V1__FACET_REQUEST__INTERVAL__INTERVAL_WEEK) return (days - ((days + 3) - floored(days + 3, 7) * 7)) * DAY_MS;
    month_of(days, &year, &month);
    return days_of(year, unit == SINTER__V1__FACET_REQUEST__INTERVAL__INTERVAL_YEAR ? 1 : month) * DAY_MS;
}

int64_t period_next(Sinter__V1__FacetRequest__Interval unit, int64_t start)
{
    int64_t days = floored(start, DAY_MS), year;
    unsigned month;
    if (unit == SINTER__V1__FACET_REQUEST__INTERVAL__INTERVAL_DAY) return (days + 1) * DAY_MS;
    if (unit == SINTER__V1__FACET_REQUEST__INTERVAL__INTERVAL_WEEK) return (days + 7) * DAY_MS;
    month_of(days, &year, &month);
    if (unit == SINTER__V1__FACET_REQUEST__INTERVAL__INTERVAL_YEAR) return days_of(year + 1, 1) * DAY_MS;
    return (month == 12 ? days_of(year + 1, 1) : days_of(year, month + 1)) * DAY_MS;
}

static const int64_t LAST_MS = INT64_C(253402300799999);

static void answer_periods(search *s, const facet_run *x, Sinter__V1__Facet *out)
{
    uint32_t n;
    counted *all = all_counted(s, x, &n);
    for (uint32_t i = 0; i < n; i++) all[i].key = ~all[i].key; /* the newest lead */
    ordering o = {s, x, true, false};
    out->distinct = n;
    n = lead(&o, all, n, x->limit);
    room_for_ranges(s, out, n);
    while (n-- > 0) {
        int64_t start = integer_of_key(~all[n].key), next = period_next(x->in->interval, start);
        add_range(s, out, search_time_value(s, start), next > LAST_MS ? NULL : search_time_value(s, next), NULL, all[n].count);
    }
}

/* ---- one facet ------------------------------------------------------------------------------------------------------- */

static void answer_stats(search *s, const facet_run *x, Sinter__V1__Facet *out)
{
    if (!x->in->stats || x->n_values == 0) return;
    Sinter__V1__FacetStats *st = out->stats = ARENA_NEW(s->a, Sinter__V1__FacetStats);
    sinter__v1__facet_stats__init(st);
    st->min = value_of_key(s, x, x->least);
    st->max = value_of_key(s, x, x->most);
    st->count = x->n_values;
    if (x->type == FIELD_TIMESTAMP) return;
    st->sum = (double)x->sum;
    st->average = (double)(x->sum / (long double)x->n_values);
}

static Sinter__V1__Facet *answer_one(search *s, const facet_run *x)
{
    Sinter__V1__Facet *out = ARENA_NEW(s->a, Sinter__V1__Facet);
    sinter__v1__facet__init(out);
    out->field = x->in->field;
    out->matches = x->matches;
    out->missing = x->missing;
    out->partial = s->facets->partial;
    switch (x->shape) {
    case FACET_VALUES: answer_values(s, x, out); break;
    case FACET_RANGES: answer_ranges(s, x, out); break;
    case FACET_AUTOMATIC:
        if (x->in->bounds == SINTER__V1__FACET_REQUEST__BOUNDS__BOUNDS_ROUND)
            answer_round(s, x, out);
        else
            answer_equal(s, x, out);
        break;
    case FACET_PERIODS: answer_periods(s, x, out); break;
    case FACET_NOTHING: break;
    }
    answer_stats(s, x, out);
    return out;
}

void search_answer_facets(search *s)
{
    const facets *f = s->facets;
    if (!f) return;
    s->out->facets = ARENA_ARRAY(s->a, Sinter__V1__Facet *, f->n + 1);
    for (uint32_t i = 0; i < f->n; i++) s->out->facets[s->out->n_facets++] = answer_one(s, &f->run[i]);
}
