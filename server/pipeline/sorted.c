/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sort by fields: exact over all matches, stages skipped. With group_by a group is sorted by the item of it that comes first, and
 * a second walk brings the others of the page's groups. One pass keeps the best page in a heap; a cursor holds the last
 * line's values and ordinal, so that a page costs the same however deep it is. Missing values come last; ties by ordinal. */
#include "groups.h"

#include <string.h>

typedef enum { VALUE_MISSING, VALUE_NUMBER, VALUE_INTEGER, VALUE_TEXT } value_kind;

typedef struct value {
    value_kind kind;
    double number;
    int64_t integer;
    str text;
} value;

typedef struct line {
    uint32_t item;
    value value[SEARCH_MAX_SORT];
} line;

typedef struct sorting {
    search *s;
    line *heap; /* the worst on top */
    uint32_t n, most;
    uint64_t total;
    uint32_t passed; /* lines at or before the cursor's */
    bool resume;
    line after;
} sorting;

static value value_of(const search *s, const sort_key *k, uint32_t item)
{
    const sinter_column *c = k->column;
    if (!c || !column_has(c, item)) return (value){.kind = VALUE_MISSING};
    const void *data = c->chunk[item >> SINTER_CHUNK_BITS]->data;
    uint32_t row = item & (SINTER_CHUNK_ROWS - 1);
    switch (c->type) {
    case SINTER_COLUMN_NUMBER: return (value){.kind = VALUE_NUMBER, .number = ((const double *)data)[row]};
    case SINTER_COLUMN_INTEGER:
    case SINTER_COLUMN_TIMESTAMP: return (value){.kind = VALUE_INTEGER, .integer = ((const int64_t *)data)[row]};
    case SINTER_COLUMN_BOOLEAN: return (value){.kind = VALUE_INTEGER, .integer = ((const uint8_t *)data)[row]};
    case SINTER_COLUMN_KEYWORD: {
        size_t n;
        const char *text = catalog_keyword_text(s->collection->catalog, k->field, ((const uint32_t *)data)[row], &n);
        return text ? (value){.kind = VALUE_TEXT, .text = {text, n}} : (value){.kind = VALUE_MISSING};
    }
    default: return (value){.kind = VALUE_MISSING};
    }
}

static int compare_text(str a, str b)
{
    int c = memcmp(a.s, b.s, a.n < b.n ? a.n : b.n);
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int compare_values(const value *a, const value *b, bool descending)
{
    if (a->kind == VALUE_MISSING || b->kind == VALUE_MISSING) return (a->kind == VALUE_MISSING) - (b->kind == VALUE_MISSING);
    int c = a->kind == VALUE_NUMBER    ? (a->number > b->number) - (a->number < b->number)
            : a->kind == VALUE_INTEGER ? (a->integer > b->integer) - (a->integer < b->integer)
                                       : compare_text(a->text, b->text);
    return descending ? -c : c;
}

/* Below zero: a comes before b. */
static int compare(const search *s, const line *a, const line *b)
{
    for (uint32_t k = 0; k < s->n_sort; k++) {
        int c = compare_values(&a->value[k], &b->value[k], s->sort[k].descending);
        if (c) return c;
    }
    return (a->item > b->item) - (a->item < b->item);
}

static void swap(line *a, line *b)
{
    line t = *a;
    *a = *b;
    *b = t;
}

static void sift_down(const search *s, line *h, uint32_t n, uint32_t i)
{
    for (;;) {
        uint32_t worst = i, l = 2 * i + 1, r = l + 1;
        if (l < n && compare(s, &h[l], &h[worst]) > 0) worst = l;
        if (r < n && compare(s, &h[r], &h[worst]) > 0) worst = r;
        if (worst == i) return;
        swap(&h[i], &h[worst]);
        i = worst;
    }
}

static void add(sorting *x, uint32_t item)
{
    search *s = x->s;
    line l = {.item = item};
    for (uint32_t k = 0; k < s->n_sort; k++) l.value[k] = value_of(s, &s->sort[k], item);
    if (x->resume && compare(s, &l, &x->after) <= 0) {
        x->passed++;
        return;
    }
    if (x->n == x->most) {
        if (compare(s, &l, &x->heap[0]) >= 0) return;
        x->heap[0] = l;
        sift_down(s, x->heap, x->n, 0);
        return;
    }
    uint32_t i = x->n++;
    x->heap[i] = l;
    while (i > 0 && compare(s, &x->heap[i], &x->heap[(i - 1) / 2]) > 0) {
        swap(&x->heap[i], &x->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
}

static bool comes_before(const search *s, uint32_t a, uint32_t b)
{
    for (uint32_t k = 0; k < s->n_sort; k++) {
        value x = value_of(s, &s->sort[k], a), y = value_of(s, &s->sort[k], b);
        int c = compare_values(&x, &y, s->sort[k].descending);
        if (c) return c < 0;
    }
    return a < b;
}

static void add_grouped(sorting *x, uint32_t item)
{
    grouping *g = x->s->groups;
    uint32_t k = group_of(x->s, item);
    if (k == UINT32_MAX) {
        g->alone++;
        add(x, item);
    } else if (g->matches[k]++ > 0 && comes_before(x->s, item, g->best[k])) {
        g->best[k] = item;
    }
}

static void add_block(void *ctx, const uint32_t *item, uint32_t n)
{
    sorting *x = ctx;
    x->total += n;
    if (x->s->groups)
        for (uint32_t i = 0; i < n; i++) add_grouped(x, item[i]);
    else
        for (uint32_t i = 0; i < n; i++) add(x, item[i]);
}

static sinter_status visit_all(search *s, block_take *fn, void *ctx, sinter_error *e)
{
    walk w;
    walk_begin(&w, s, NULL, fn, ctx);
    sinter_status st = SINTER_OK;
    if (s->query->empty)
        filter_walk(w.filter, s->set, &w.watch);
    else
        st = text_match_all(s->reader, s->query, w.filter, s->set, &w.watch, e);
    walk_end(&w);
    s->out->total_is_exact = !w.watch.stopped;
    return st;
}

/* Heap order becomes list order. */
static void heap_sort(const search *s, line *h, uint32_t n)
{
    for (uint32_t end = n; end > 1; end--) {
        swap(&h[0], &h[end - 1]);
        sift_down(s, h, end - 1, 0);
    }
}

/* A line as bytes: ordinal, then per key its kind and value. */
static str line_bytes(search *s, const line *l)
{
    size_t size = sizeof l->item;
    for (uint32_t k = 0; k < s->n_sort; k++) size += 1 + 8 + l->value[k].text.n;
    char *out = arena_alloc(s->a, size), *o = out;
    memcpy(o, &l->item, sizeof l->item);
    o += sizeof l->item;
    for (uint32_t k = 0; k < s->n_sort; k++) {
        const value *v = &l->value[k];
        uint64_t bits = v->kind == VALUE_TEXT ? v->text.n : 0;
        if (v->kind == VALUE_NUMBER) memcpy(&bits, &v->number, 8);
        if (v->kind == VALUE_INTEGER) memcpy(&bits, &v->integer, 8);
        *o++ = (char)v->kind;
        memcpy(o, &bits, 8);
        o += 8;
        if (v->kind == VALUE_TEXT) memcpy(o, v->text.s, v->text.n);
        if (v->kind == VALUE_TEXT) o += v->text.n;
    }
    return (str){out, (size_t)(o - out)};
}

static bool read_value(const search *s, const sort_key *k, str *in, value *v)
{
    if (in->n < 9) return false;
    uint64_t bits;
    v->kind = (value_kind)(unsigned char)in->s[0];
    memcpy(&bits, in->s + 1, 8);
    in->s += 9;
    in->n -= 9;
    memcpy(&v->number, &bits, 8);
    memcpy(&v->integer, &bits, 8);
    if (v->kind == VALUE_TEXT) {
        if (bits > in->n) return false;
        v->text = (str){in->s, (size_t)bits};
        in->s += bits;
        in->n -= (size_t)bits;
    }
    bool text = k->field->type == FIELD_KEYWORD, number = k->field->type == FIELD_NUMBER;
    (void)s;
    return v->kind == VALUE_MISSING || v->kind == (text ? VALUE_TEXT : number ? VALUE_NUMBER : VALUE_INTEGER);
}

static bool read_line(const search *s, str in, line *out)
{
    if (in.n < sizeof out->item) return false;
    memcpy(&out->item, in.s, sizeof out->item);
    in.s += sizeof out->item;
    in.n -= sizeof out->item;
    for (uint32_t k = 0; k < s->n_sort; k++)
        if (!read_value(s, &s->sort[k], &in, &out->value[k])) return false;
    return in.n == 0;
}

/* ---- lines of groups ------------------------------------------------------------------------------------------------- */

typedef struct group_line {
    uint32_t *member; /* [size], as sorted */
    uint32_t n, group;
} group_line;

typedef struct gathering {
    search *s;
    group_line *line;
    tally at; /* of a group: its line + 1 */
} gathering;

/* Each item of the page's groups goes where it belongs among the best of its line. */
static void gather(void *ctx, const uint32_t *item, uint32_t n)
{
    gathering *x = ctx;
    uint32_t size = x->s->groups->size;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t group = group_known(x->s->groups, item[i]), at = group == UINT32_MAX ? 0 : tally_of(&x->at, group);
        if (at == 0) continue;
        group_line *l = &x->line[at - 1];
        uint32_t place = l->n;
        while (place > 0 && comes_before(x->s, item[i], l->member[place - 1])) place--;
        if (place == size) continue;
        l->n += l->n < size;
        memmove(&l->member[place + 1], &l->member[place], (l->n - place - 1) * sizeof *l->member);
        l->member[place] = item[i];
    }
}

static sinter_status group_members(search *s, gathering *x, uint32_t n, sinter_error *e)
{
    tally_init(&x->at, s->a);
    for (uint32_t i = 0; i < n; i++) {
        group_line *l = &x->line[i];
        if (l->group == UINT32_MAX || s->groups->matches[l->group] < 2) continue;
        uint32_t slot = tally_slot(&x->at, l->group);
        x->at.count[slot] = i + 1;
        l->n = 0; /* its best comes with the others */
    }
    bool exact = s->out->total_is_exact;
    sinter_status st = x->at.n ? visit_all(s, gather, x, e) : SINTER_OK;
    s->out->total_is_exact = exact;
    return st;
}

static sinter_status group_page(search *s, const sorting *x, uint32_t from, uint32_t to, sinter_error *e)
{
    grouping *g = s->groups;
    g->lines = g->n + g->alone;
    uint32_t n = to - from, before = x->resume ? x->passed : from;
    gathering all = {.s = s, .line = ARENA_ARRAY(s->a, group_line, n + 1)};
    for (uint32_t i = 0; i < n; i++) {
        uint32_t item = x->heap[from + i].item;
        all.line[i] = (group_line){arena_alloc(s->a, (g->size + 1) * sizeof(uint32_t)), 1, group_known(g, item)};
        all.line[i].member[0] = item;
    }
    sinter_status st = g->size > 1 ? group_members(s, &all, n, e) : SINTER_OK;
    s->page = arena_alloc(s->a, ((size_t)n * g->size + 1) * sizeof *s->page);
    g->hit = arena_alloc(s->a, ((size_t)n * g->size + 1) * sizeof *g->hit);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < all.line[i].n; k++) {
            g->hit[s->n_page] = (group_of_hit){all.line[i].group, before + i + 1};
            s->page[s->n_page++] = (entry){all.line[i].member[k], UINT32_MAX, 0, 0};
        }
    return st;
}

static void plain_page(search *s, const sorting *x, uint32_t from, uint32_t to)
{
    s->page = arena_alloc(s->a, (to - from + 1) * sizeof *s->page);
    for (uint32_t i = from; i < to; i++) s->page[s->n_page++] = (entry){x->heap[i].item, UINT32_MAX, 0, 0};
}

sinter_status search_sorted(search *s, sinter_error *e)
{
    uint64_t t = clock_mono_ns();
    sorting x = {.s = s, .most = s->offset + s->page_size + 1};
    if (s->sort_after.n) {
        x.resume = true;
        if (!read_line(s, s->sort_after, &x.after))
            return error_set(e, SINTER_INVALID, "cursor", "start again without it", "the cursor does not fit this sort");
    }
    x.heap = arena_alloc(s->a, x.most * sizeof *x.heap);
    sinter_status st = visit_all(s, add_block, &x, e);
    if (st) return st;
    for (uint32_t k = 0; s->groups && k < s->groups->n; k++) add(&x, s->groups->best[k]);
    heap_sort(s, x.heap, x.n);
    uint32_t from = s->offset < x.n ? s->offset : x.n, to = x.n - from < s->page_size ? x.n : from + s->page_size;
    if (s->groups)
        st = group_page(s, &x, from, to, e);
    else
        plain_page(s, &x, from, to);
    if (st) return st;
    if (x.n == x.most && to > from)
        s->out->cursor = cursor_sort(s->a, cursor_question(s->in), line_bytes(s, &x.heap[x.most - 2]));
    s->out->total = x.total;
    search_note(s, "sorted: stages skipped");
    search_step(s, "recall", NULL, t, 0, s->n_page);
    return SINTER_OK;
}
