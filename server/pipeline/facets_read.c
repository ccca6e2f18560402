/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Facets as a request asks for them: every refusal names the field of the request and what would be valid. */
#include "facets.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What facets of a type may ask for. */
static const struct {
    bool values, numeric, words;
    const char *instead; /* what a type that has none says */
} CAN[FIELD_TYPES] = {
    [FIELD_TEXT] = {.instead = "declare a keyword field beside it"},
    [FIELD_KEYWORD] = {.values = true, .words = true},
    [FIELD_KEYWORDS] = {.values = true, .words = true},
    [FIELD_INTEGER] = {.values = true, .numeric = true},
    [FIELD_NUMBER] = {.values = true, .numeric = true},
    [FIELD_BOOLEAN] = {.values = true},
    [FIELD_TIMESTAMP] = {.numeric = true},
    [FIELD_VECTOR] = {.instead = "a vector has no values to count"},
    [FIELD_GEO] = {.numeric = true},
};

typedef struct reading {
    search *s;
    facet_run *x;
    const Sinter__V1__FacetRequest *in;
    char where[48]; /* facets[3] */
    sinter_error *e;
} reading;

static sinter_status refuse(const reading *r, const char *part, const char *fix, const char *what)
{
    char where[96];
    snprintf(where, sizeof where, "%s%s%s", r->where, *part ? "." : "", part);
    return error_set(r->e, SINTER_INVALID, where, fix, "%s", what);
}

static const char *about(const reading *r, const char *format)
{
    return arena_printf(r->s->a, "'%.200s' (%s) %s", r->in->field, FIELD_TYPE_NAMES[r->x->type], format);
}

/* ---- the field ------------------------------------------------------------------------------------------------------- */

static sinter_status read_field(reading *r)
{
    const catalog_collection *c = r->s->collection->catalog;
    const char *name = r->in->field;
    if (!*name) return refuse(r, "field", "ListCollections names the filterable fields", "no field given");
    const config_field *declared = catalog_declared(c, name);
    if (!declared || strchr(name, '*')) {
        const char *near = catalog_near_field(c, name);
        refuse(r, "field", "ListCollections names the filterable fields", arena_printf(r->s->a, "no field '%.200s'", name));
        if (near) error_fix(r->e, "did you mean '%s'?", near);
        return SINTER_INVALID;
    }
    r->x->type = declared->type;
    if (CAN[declared->type].instead) return refuse(r, "field", CAN[declared->type].instead, about(r, "cannot be a facet"));
    if (!declared->filterable)
        return refuse(r, "field", "declare it filterable: true in the collection's YAML", about(r, "is not filterable"));
    r->x->field = catalog_find_field(c, name);
    r->x->column = catalog_column(r->s->set, name);
    return SINTER_OK;
}

/* ---- shape ----------------------------------------------------------------------------------------------------------- */

static bool known_enums(const Sinter__V1__FacetRequest *in, const char **part, const char **fix)
{
    *part = *fix = NULL;
    if (in->order > SINTER__V1__FACET_REQUEST__ORDER__ORDER_VALUE) *part = "order", *fix = "ORDER_COUNT or ORDER_VALUE";
    if (in->bounds > SINTER__V1__FACET_REQUEST__BOUNDS__BOUNDS_ROUND)
        *part = "bounds", *fix = "BOUNDS_EQUAL_COUNT or BOUNDS_ROUND";
    if (in->interval > SINTER__V1__FACET_REQUEST__INTERVAL__INTERVAL_YEAR)
        *part = "interval", *fix = "INTERVAL_DAY, INTERVAL_WEEK, INTERVAL_MONTH or INTERVAL_YEAR";
    return !*part;
}

/* Which of the parts that exclude one another are set, and whether the type has them. */
static sinter_status read_shape(reading *r)
{
    const Sinter__V1__FacetRequest *in = r->in;
    const char *part, *fix;
    bool numeric = CAN[r->x->type].numeric, geo = r->x->type == FIELD_GEO, time = r->x->type == FIELD_TIMESTAMP;
    uint32_t ways = (in->n_ranges > 0) + (in->automatic_ranges > 0) + (in->interval > 0);
    if (!known_enums(in, &part, &fix)) return refuse(r, part, fix, "unknown value");
    if (in->limit > FACET_VALUES_MAX) return refuse(r, "limit", "at most 1000", "too many values");
    if (*in->prefix && !CAN[r->x->type].words) return refuse(r, "prefix", "leave it unset", about(r, "has no words"));
    if (ways > 1) return refuse(r, "", "set one of ranges, automatic_ranges and interval", "they exclude one another");
    if (!numeric && in->n_ranges) return refuse(r, "ranges", "leave them unset", about(r, "has no order"));
    if (!numeric && in->automatic_ranges) return refuse(r, "automatic_ranges", "leave it unset", about(r, "has no order"));
    if (!numeric && in->stats) return refuse(r, "stats", "leave it unset", about(r, "has no numbers"));
    if (!time && in->interval) return refuse(r, "interval", "use ranges", about(r, "is no timestamp"));
    if (in->automatic_ranges == 1 || in->automatic_ranges > FACET_RANGES_MAX)
        return refuse(r, "automatic_ranges", "2 to 100", "not so many ranges");
    if (in->bounds && !in->automatic_ranges) return refuse(r, "bounds", "set automatic_ranges", "bounds of no ranges");
    if (time && in->bounds == SINTER__V1__FACET_REQUEST__BOUNDS__BOUNDS_ROUND)
        return refuse(r, "bounds", "use interval", "times are not rounded by powers of ten");
    if (geo && !in->origin) return refuse(r, "origin", "set the point that distances are measured from", "no origin given");
    if (!geo && in->origin) return refuse(r, "origin", "leave it unset", about(r, "is no place"));
    if (geo && !(fabs(in->origin->latitude) <= 90 && fabs(in->origin->longitude) <= 180))
        return refuse(r, "origin", "latitude -90 to 90, longitude -180 to 180", "no place on earth");
    if (!CAN[r->x->type].values && ways == 0 && !in->stats)
        return refuse(r, "", time ? "set interval, ranges, automatic_ranges or stats" : "set ranges, automatic_ranges or stats",
                      about(r, "is not counted by value"));
    r->x->shape = in->n_ranges           ? FACET_RANGES
                  : in->automatic_ranges ? FACET_AUTOMATIC
                  : in->interval         ? FACET_PERIODS
                  : in->stats            ? FACET_NOTHING
                                         : FACET_VALUES;
    r->x->limit = in->limit                        ? in->limit
                  : r->x->shape == FACET_PERIODS ? FACET_VALUES_MAX
                                                 : FACET_VALUES_DEFAULT;
    return SINTER_OK;
}

/* ---- ranges ---------------------------------------------------------------------------------------------------------- */

static const char *number_bound(field_type type, double v, uint64_t *key)
{
    if (!isfinite(v)) return "not a finite number";
    if (key_is_number(type)) {
        *key = key_of_number(v);
        return NULL;
    }
    v = ceil(v); /* integers below 1.5 are those below 2 */
    if (v < -0x1p63 || v >= 0x1p63) return "no 64-bit integer";
    *key = key_of_integer((int64_t)v);
    return NULL;
}

static const char *time_bound(const Sinter__V1__Value *v, uint64_t *key)
{
    int64_t ms;
    if (v->kind_case == SINTER__V1__VALUE__KIND_STRING_VALUE) {
        if (!time_parse_ms(str_of(v->string_value), &ms)) return "not a time: write it as 2026-01-31T12:00:00Z";
    } else if (v->kind_case == SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE) {
        const Google__Protobuf__Timestamp *t = v->timestamp_value;
        if (t->seconds < -62135596800 || t->seconds > 253402300799 || t->nanos < 0 || t->nanos > 999999999)
            return "not between the years 1 and 9999";
        ms = timestamp_ms(t) + (t->nanos % 1000000 > 0);
    } else {
        return "not a time";
    }
    *key = key_of_integer(ms);
    return NULL;
}

/* The key of a range's end; NULL: *key holds it. Else what is wrong. */
const char *facet_bound(field_type type, const Sinter__V1__Value *v, uint64_t *key)
{
    if (type == FIELD_TIMESTAMP) return time_bound(v, key);
    if (v->kind_case == SINTER__V1__VALUE__KIND_NUMBER_VALUE) return number_bound(type, v->number_value, key);
    if (v->kind_case != SINTER__V1__VALUE__KIND_INTEGER_VALUE) return "not a number";
    if (key_is_number(type)) return number_bound(type, (double)v->integer_value, key);
    *key = key_of_integer(v->integer_value);
    return NULL;
}

static int by_key(const void *x, const void *y)
{
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return (a > b) - (a < b);
}

static bool is_set(const Sinter__V1__Value *v)
{
    return v && v->kind_case != SINTER__V1__VALUE__KIND__NOT_SET;
}

static sinter_status read_range(reading *r, size_t i, uint64_t *bound, uint32_t *n)
{
    const Sinter__V1__FacetRange *in = r->in->ranges[i];
    const struct {
        const Sinter__V1__Value *value;
        const char *name;
    } end[] = {{in->from, "from"}, {in->to, "to"}};
    uint64_t key[2] = {0, 0};
    const char *part = arena_printf(r->s->a, "ranges[%zu]", i);
    for (int k = 0; k < 2; k++) {
        if (!is_set(end[k].value)) continue;
        const char *wrong = facet_bound(r->x->type, end[k].value, &key[k]);
        if (wrong) return refuse(r, arena_printf(r->s->a, "%s.%s", part, end[k].name), about(r, "is the field"), wrong);
        bound[(*n)++] = key[k];
    }
    if (!is_set(in->from) && !is_set(in->to)) return refuse(r, part, "set from, to or both", "a range without bounds");
    if (is_set(in->from) && is_set(in->to) && key[0] >= key[1])
        return refuse(r, part, "put the smaller bound into from", "nothing lies between its bounds");
    if (strlen(in->label) > FACET_LABEL_MAX) return refuse(r, arena_printf(r->s->a, "%s.label", part), "at most 256 bytes", "too long");
    return SINTER_OK;
}

static sinter_status read_ranges(reading *r)
{
    facet_run *x = r->x;
    size_t n = r->in->n_ranges;
    if (n > FACET_RANGES_MAX) return refuse(r, "ranges", "at most 100", "too many ranges");
    uint64_t *bound = ARENA_ARRAY(r->s->a, uint64_t, 2 * n + 1);
    uint32_t found = 0;
    for (size_t i = 0; i < n; i++) {
        sinter_status st = read_range(r, i, bound, &found);
        if (st) return st;
    }
    if (found) qsort(bound, found, sizeof *bound, by_key);
    for (uint32_t i = 0; i < found; i++)
        if (i == 0 || bound[i] != bound[x->n_bounds - 1]) bound[x->n_bounds++] = bound[i];
    x->bound = bound;
    x->between = ARENA_ARRAY(r->s->a, uint64_t, x->n_bounds + 1);
    return SINTER_OK;
}

/* ---- what is counted into -------------------------------------------------------------------------------------------- */

static void make_room(search *s, facet_run *x)
{
    x->least = UINT64_MAX;
    if (!CAN[x->type].words) {
        if (x->shape == FACET_VALUES || x->shape == FACET_PERIODS) tally_init(&x->tally, s->a);
        return;
    }
    uint32_t ids = x->field ? catalog_keyword_count(s->collection->catalog, x->field) + 1 : 1;
    if (ids > FACET_DENSE_IDS) {
        tally_init(&x->tally, s->a);
        return;
    }
    x->count = ARENA_ARRAY(s->a, uint32_t, ids + 1);
    x->touched = arena_alloc(s->a, (ids + 1) * sizeof *x->touched); /* one more: written before it is known to be new */
}

static sinter_status read_one(search *s, size_t i, sinter_error *e)
{
    facet_run *x = &s->facets->run[i];
    reading r = {.s = s, .x = x, .in = s->in->facets[i], .e = e};
    *x = (facet_run){.in = r.in, .own = FACET_NO_OWN};
    snprintf(r.where, sizeof r.where, "facets[%zu]", i);
    sinter_status st = read_field(&r);
    if (st == SINTER_OK) st = read_shape(&r);
    if (st == SINTER_OK) st = read_ranges(&r);
    if (st == SINTER_OK) make_room(s, x);
    return st;
}

sinter_status search_read_facets(search *s, sinter_error *e)
{
    size_t n = s->in->n_facets;
    if (n == 0) return SINTER_OK;
    if (n > FACETS_MAX) return error_set(e, SINTER_INVALID, "facets", "at most 32", "%zu facets", n);
    facets *f = s->facets = ARENA_NEW(s->a, facets);
    f->run = ARENA_ARRAY(s->a, facet_run, n);
    f->n = (uint32_t)n;
    f->keys = arena_alloc(s->a, SINTER_CHUNK_ROWS * sizeof *f->keys);
    for (size_t i = 0; i < n; i++) {
        sinter_status st = read_one(s, i, e);
        if (st) return st;
    }
    return SINTER_OK;
}

/* ---- the filter in parts --------------------------------------------------------------------------------------------- */

/* The facets' fields, each once. */
static uint32_t distinct_fields(const facets *f, const char **name)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->n; i++) {
        uint32_t k = 0;
        while (k < n && strcmp(name[k], f->run[i].in->field) != 0) k++;
        if (k == n) name[n++] = f->run[i].in->field;
    }
    return n;
}

sinter_status search_split_filter(search *s, sinter_error *e)
{
    facets *f = s->facets;
    if (!f || !s->in->filter[0]) return SINTER_OK;
    const char *name[FACETS_MAX];
    filter *own[FACETS_MAX];
    uint32_t n = distinct_fields(f, name);
    sinter_status st = filter_compile_apart(s->collection->catalog, str_of(s->in->filter), name, n, s->a, &f->rest, own, e);
    if (st) return st;
    f->own = ARENA_ARRAY(s->a, filter *, n);
    for (uint32_t k = 0; k < n; k++) {
        if (!own[k]) continue;
        for (uint32_t i = 0; i < f->n; i++)
            if (strcmp(f->run[i].in->field, name[k]) == 0) f->run[i].own = f->n_own;
        f->own[f->n_own++] = own[k];
    }
    if (f->n_own == 0) return SINTER_OK;
    f->kept = arena_alloc(s->a, SINTER_CHUNK_ROWS * sizeof *f->kept);
    f->pass = arena_alloc(s->a, (size_t)f->n_own * SINTER_CHUNK_ROWS);
    f->fails = arena_alloc(s->a, SINTER_CHUNK_ROWS);
    return SINTER_OK;
}

void search_narrow(search *s, filter *f)
{
    s->filter = filter_and(s->a, s->filter, f);
    if (s->facets && s->facets->n_own) s->facets->rest = filter_and(s->a, s->facets->rest, f);
}
