/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Facets on the command line: FIELD[:PART]…, parts separated by colons, ranges by slashes. */
#include "search_facets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char FACET_HELP[] =
    "A facet is FIELD[:PART…]. Parts: 20 (so many values), value (sorted by value), sam* (values that begin so),\n"
    "stats, ..10/10..20/20.. (ranges), auto5 and round5 (so many ranges), day, week, month, year (times),\n"
    "at47.4/8.5 (distances in km from there).\n";

/* ---- reading --------------------------------------------------------------------------------------------------------- */

typedef struct spec {
    Sinter__V1__FacetRequest *r;
    const char *all;
    arena *a;
    sinter_error *e;
} spec;

static sinter_status refuse(const spec *s, str part)
{
    return error_set(s->e, SINTER_INVALID, "--facet", "parts: a number, value, WORD*, stats, FROM..TO/FROM..TO, auto5, round5, month, at47.4/8.5",
                     "'%s': cannot read '%.*s'", s->all, (int)part.n, part.s);
}

/* A number, or else a time as text, which the server reads. */
static Sinter__V1__Value *bound_of(const spec *s, str text)
{
    if (!text.n) return NULL;
    Sinter__V1__Value *v = ARENA_NEW(s->a, Sinter__V1__Value);
    sinter__v1__value__init(v);
    if (parse_double(text, &v->number_value)) {
        v->kind_case = SINTER__V1__VALUE__KIND_NUMBER_VALUE;
        return v;
    }
    v->kind_case = SINTER__V1__VALUE__KIND_STRING_VALUE;
    v->string_value = arena_strndup(s->a, text.s, text.n);
    return v;
}

static const char *dots_in(str text)
{
    for (size_t i = 0; i + 1 < text.n; i++)
        if (text.s[i] == '.' && text.s[i + 1] == '.') return text.s + i;
    return NULL;
}

static sinter_status read_ranges(const spec *s, str part)
{
    size_t cap = 1;
    for (size_t i = 0; i < part.n; i++) cap += part.s[i] == '/';
    s->r->ranges = ARENA_ARRAY(s->a, Sinter__V1__FacetRange *, cap);
    for (str rest = part;;) {
        const char *slash = memchr(rest.s, '/', rest.n);
        str one = {rest.s, slash ? (size_t)(slash - rest.s) : rest.n};
        const char *dots = dots_in(one);
        if (!dots) return refuse(s, one);
        Sinter__V1__FacetRange *range = ARENA_NEW(s->a, Sinter__V1__FacetRange);
        sinter__v1__facet_range__init(range);
        range->from = bound_of(s, (str){one.s, (size_t)(dots - one.s)});
        range->to = bound_of(s, (str){dots + 2, (size_t)(one.s + one.n - dots - 2)});
        s->r->ranges[s->r->n_ranges++] = range;
        if (!slash) return SINTER_OK;
        rest = (str){slash + 1, (size_t)(part.s + part.n - slash - 1)};
    }
}

static sinter_status read_origin(const spec *s, str part)
{
    const char *slash = memchr(part.s, '/', part.n);
    Sinter__V1__Geo *g = ARENA_NEW(s->a, Sinter__V1__Geo);
    sinter__v1__geo__init(g);
    if (!slash || !parse_double((str){part.s, (size_t)(slash - part.s)}, &g->latitude) ||
        !parse_double((str){slash + 1, (size_t)(part.s + part.n - slash - 1)}, &g->longitude))
        return refuse(s, part);
    s->r->origin = g;
    return SINTER_OK;
}

/* "auto5" after "auto": 5. */
static bool number_after(str part, const char *word, uint64_t *n)
{
    size_t len = strlen(word);
    return part.n > len && memcmp(part.s, word, len) == 0 && parse_uint64((str){part.s + len, part.n - len}, n) && *n <= UINT32_MAX;
}

static sinter_status read_part(const spec *s, str part)
{
    static const struct {
        const char *word;
        Sinter__V1__FacetRequest__Interval interval;
    } intervals[] = {{"day", SINTER__V1__FACET_REQUEST__INTERVAL__INTERVAL_DAY},
                     {"week", SINTER__V1__FACET_REQUEST__INTERVAL__INTERVAL_WEEK},
                     {"month", SINTER__V1__FACET_REQUEST__INTERVAL__INTERVAL_MONTH},
                     {"year", SINTER__V1__FACET_REQUEST__INTERVAL__INTERVAL_YEAR}};
    uint64_t n;
    for (size_t i = 0; i < ARRAY_LEN(intervals); i++)
        if (str_is(part, intervals[i].word)) {
            s->r->interval = intervals[i].interval;
            return SINTER_OK;
        }
    if (str_is(part, "value")) {
        s->r->order = SINTER__V1__FACET_REQUEST__ORDER__ORDER_VALUE;
    } else if (str_is(part, "stats")) {
        s->r->stats = true;
    } else if (number_after(part, "", &n)) {
        s->r->limit = (uint32_t)n;
    } else if (number_after(part, "auto", &n)) {
        s->r->automatic_ranges = (uint32_t)n;
    } else if (number_after(part, "round", &n)) {
        s->r->automatic_ranges = (uint32_t)n;
        s->r->bounds = SINTER__V1__FACET_REQUEST__BOUNDS__BOUNDS_ROUND;
    } else if (part.n > 2 && memcmp(part.s, "at", 2) == 0 && memchr(part.s, '/', part.n)) {
        return read_origin(s, (str){part.s + 2, part.n - 2});
    } else if (part.n > 1 && part.s[part.n - 1] == '*') {
        s->r->prefix = arena_strndup(s->a, part.s, part.n - 1);
    } else if (dots_in(part)) {
        return read_ranges(s, part);
    } else {
        return refuse(s, part);
    }
    return SINTER_OK;
}

static sinter_status read_spec(const spec *s)
{
    const char *colon = strchr(s->all, ':');
    s->r->field = arena_strndup(s->a, s->all, colon ? (size_t)(colon - s->all) : strlen(s->all));
    while (colon) {
        const char *next = strchr(colon + 1, ':');
        str part = {colon + 1, next ? (size_t)(next - colon - 1) : strlen(colon + 1)};
        sinter_status st = read_part(s, part);
        if (st) return st;
        colon = next;
    }
    return SINTER_OK;
}

sinter_status facets_of_words(const option_list *words, arena *a, Sinter__V1__SearchRequest *r, sinter_error *e)
{
    r->facets = ARENA_ARRAY(a, Sinter__V1__FacetRequest *, words->n + 1);
    for (size_t i = 0; i < words->n; i++) {
        spec s = {ARENA_NEW(a, Sinter__V1__FacetRequest), words->item[i], a, e};
        sinter__v1__facet_request__init(s.r);
        sinter_status st = read_spec(&s);
        if (st) return st;
        r->facets[r->n_facets++] = s.r;
    }
    return SINTER_OK;
}

/* ---- printing -------------------------------------------------------------------------------------------------------- */

enum { LABEL = 30, BAR = 24 };

static void put_line(FILE *out, const char *label, uint64_t count, uint64_t most)
{
    int eighths = most ? (int)lround((double)count / (double)most * BAR * 8) : 0;
    static const char *const part[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    fputs("      ", out);
    search_put_padded(out, label, LABEL);
    fputc(' ', out);
    for (int i = 0; i < eighths / 8; i++) fputs("█", out);
    fputs(part[eighths % 8], out);
    for (int i = (eighths + 7) / 8; i < BAR; i++) fputc(' ', out);
    fprintf(out, " %llu\n", (unsigned long long)count);
}

/* A day alone where a time is its beginning. */
static void put_bound(buffer *b, const Sinter__V1__Value *v)
{
    size_t start = b->len;
    search_value_text(b, v);
    const char *night = v->kind_case == SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE ? strstr(b->data + start, "T00:00:00Z") : NULL;
    if (!night) return;
    b->len = (size_t)(night - b->data);
    b->data[b->len] = 0;
}

static void put_range(FILE *out, const Sinter__V1__FacetRangeCount *r, uint64_t most)
{
    buffer label = {0};
    buffer_puts(&label, r->label);
    if (!*r->label) {
        if (r->from) put_bound(&label, r->from);
        buffer_puts(&label, r->from && r->to ? " to " : r->to ? "below " : " and more");
        if (r->to) put_bound(&label, r->to);
    }
    put_line(out, label.data, r->count, most);
    buffer_free(&label);
}

static void put_stats(FILE *out, const Sinter__V1__FacetStats *st)
{
    buffer text = {0};
    search_value_text(&text, st->min);
    buffer_puts(&text, " to ");
    search_value_text(&text, st->max);
    if (st->min->kind_case != SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE) buffer_printf(&text, ", average %.6g", st->average);
    fprintf(out, "      %s\n", text.data);
    buffer_free(&text);
}

static void put_facet(FILE *out, const search_view *v, const Sinter__V1__Facet *f)
{
    uint64_t most = 0;
    for (size_t i = 0; i < f->n_values; i++) most = f->values[i]->count > most ? f->values[i]->count : most;
    for (size_t i = 0; i < f->n_ranges; i++) most = f->ranges[i]->count > most ? f->ranges[i]->count : most;
    fprintf(out, "%s%s%s  %s%llu match%s", search_bold(v), f->field, search_plain(v), search_dim(v), (unsigned long long)f->matches,
            f->matches == 1 ? "" : "es");
    if (f->distinct > f->n_values + f->n_ranges)
        fprintf(out, ", %zu of %llu", f->n_values + f->n_ranges, (unsigned long long)f->distinct);
    if (f->missing) fprintf(out, ", %llu without", (unsigned long long)f->missing);
    fprintf(out, "%s%s\n", f->partial ? ", partial: out of time" : "", search_plain(v));
    for (size_t i = 0; i < f->n_values; i++) {
        buffer label = {0};
        search_value_text(&label, f->values[i]->value);
        put_line(out, label.data ? label.data : "", f->values[i]->count, most);
        buffer_free(&label);
    }
    for (size_t i = 0; i < f->n_ranges; i++) put_range(out, f->ranges[i], most);
    if (f->stats) put_stats(out, f->stats);
}

void facets_print(FILE *out, const search_view *v, const Sinter__V1__SearchResponse *r)
{
    for (size_t i = 0; i < r->n_facets; i++) put_facet(out, v, r->facets[i]);
    if (r->n_facets) fputc('\n', out);
}
