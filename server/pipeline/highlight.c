/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Highlights: of the fields asked for, the fragments that hold the most different words of the query, marked up for a page and as
 * text with numbers. Fragments are cut between words where there are any, never inside a character. */
#include "highlight.h"

#include <stdio.h>
#include <string.h>

enum { MAX_FIELDS = 16, MAX_TAG = 256, LEAST_SIZE = 20, MOST_SIZE = 10000, DEFAULT_FRAGMENTS = 3, MOST_FRAGMENTS = 20 };

struct highlighting {
    text_marker *marker;
    const char *pre, *post;
    uint32_t size, fragments;
    bool escape;
    uint32_t done; /* hits */
    bool late;
};

/* ---- the request ----------------------------------------------------------------------------------------------------- */

static bool begins(const char *name, const char *mask)
{
    size_t n = strlen(mask);
    return n && mask[n - 1] == '*' && strncmp(mask, name, n - 1) == 0;
}

static sinter_status check_field(const search *s, size_t i, sinter_error *e)
{
    const char *name = s->in->highlight[i];
    const catalog_collection *c = s->collection->catalog;
    size_t n = strlen(name);
    char where[32];
    if (n && name[n - 1] == '*') return SINTER_OK;
    snprintf(where, sizeof where, "highlight[%zu]", i);
    const config_field *f = catalog_declared(c, name);
    if (!f) {
        const char *near = catalog_near_field(c, name);
        error_set(e, SINTER_INVALID, where, "a searchable field; \"*\" is all of them", "no field '%.200s'", name);
        if (near) error_fix(e, "did you mean '%s'?", near);
        return SINTER_INVALID;
    }
    if (!f->searchable)
        return error_set(e, SINTER_INVALID, where, "a searchable field; \"*\" is all of them", "words are not searched in '%.200s'", name);
    if (!f->stored) return error_set(e, SINTER_INVALID, where, "declare it stored: true", "'%.200s' is not stored", name);
    return SINTER_OK;
}

static sinter_status read_options(search *s, highlighting *h, sinter_error *e)
{
    const Sinter__V1__HighlightOptions *o = s->in->highlight_options;
    *h = (highlighting){.pre = "<em>", .post = "</em>", .fragments = DEFAULT_FRAGMENTS, .escape = true};
    if (!o) return SINTER_OK;
    if (!o->pre_tag[0] != !o->post_tag[0])
        return error_set(e, SINTER_INVALID, "highlight_options.post_tag", "set pre_tag and post_tag, or neither", "one tag without the other");
    if (strlen(o->pre_tag) > MAX_TAG) return error_set(e, SINTER_INVALID, "highlight_options.pre_tag", "at most 256 bytes", "too long");
    if (strlen(o->post_tag) > MAX_TAG) return error_set(e, SINTER_INVALID, "highlight_options.post_tag", "at most 256 bytes", "too long");
    if (o->fragment_size && (o->fragment_size < LEAST_SIZE || o->fragment_size > MOST_SIZE))
        return error_set(e, SINTER_INVALID, "highlight_options.fragment_size", "20 to 10000, or 0 for whole values", "fragments of %u characters",
                         o->fragment_size);
    if (o->fragments > MOST_FRAGMENTS)
        return error_set(e, SINTER_INVALID, "highlight_options.fragments", "at most 20", "%u fragments", o->fragments);
    if (o->escape > SINTER__V1__HIGHLIGHT_OPTIONS__ESCAPE__ESCAPE_NONE)
        return error_set(e, SINTER_INVALID, "highlight_options.escape", "ESCAPE_HTML or ESCAPE_NONE", "escape %d", (int)o->escape);
    if (o->pre_tag[0]) h->pre = o->pre_tag, h->post = o->post_tag;
    h->size = o->fragment_size;
    h->fragments = o->fragments ? o->fragments : DEFAULT_FRAGMENTS;
    h->escape = o->escape != SINTER__V1__HIGHLIGHT_OPTIONS__ESCAPE__ESCAPE_NONE;
    return SINTER_OK;
}

sinter_status search_read_highlights(search *s, sinter_error *e)
{
    highlighting h;
    sinter_status st = read_options(s, &h, e);
    if (st) return st;
    size_t n = s->in->n_highlight;
    if (n > MAX_FIELDS) return error_set(e, SINTER_INVALID, "highlight", "at most 16", "%zu fields", n);
    for (size_t i = 0; i < n; i++)
        if ((st = check_field(s, i, e))) return st;
    if (n == 0) return SINTER_OK;
    s->highlights = ARENA_NEW(s->a, highlighting);
    *s->highlights = h;
    return SINTER_OK;
}

/* ---- characters ------------------------------------------------------------------------------------------------------ */

static bool starts_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

static uint32_t characters(str text, uint32_t from, uint32_t to)
{
    uint32_t n = 0;
    for (uint32_t i = from; i < to; i++) n += starts_character(text.s[i]);
    return n;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Of a script without spaces between words (CJK): may be cut anywhere. */
static bool is_wide(char c)
{
    return (unsigned char)c >= 0xe3;
}

/* At most `n` characters back from `at`, not before `least`, to where a word begins. */
static uint32_t back(str text, uint32_t at, uint32_t least, uint32_t n)
{
    uint32_t word = at, i = at;
    while (i > least && n > 0) {
        if (!starts_character(text.s[--i])) continue;
        n--;
        bool begins_word = i == least || is_space(text.s[i - 1]) || is_wide(text.s[i]);
        if (begins_word && !is_space(text.s[i])) word = i;
    }
    return word;
}

/* At most `n` characters on from `at`, not behind `most`, to where a word ends. */
static uint32_t on(str text, uint32_t at, uint32_t most, uint32_t n)
{
    uint32_t word = at, i = at;
    while (i < most && n > 0) {
        uint32_t start = i;
        do i++;
        while (i < most && !starts_character(text.s[i]));
        n--;
        bool ends_word = i == most || is_space(text.s[i]) || is_wide(text.s[start]);
        if (ends_word && !is_space(text.s[start])) word = i;
    }
    return word;
}

/* ---- fragments ------------------------------------------------------------------------------------------------------- */

/* A part of one value: bytes, and the marks in it. */
typedef struct fragment {
    str text; /* the value's */
    uint32_t value, start, end;
    const text_mark *mark;
    uint32_t n;
    uint32_t words; /* different words of the query */
} fragment;

/* The best of those found so far, best first. */
typedef struct fragments {
    fragment *list; /* [most] */
    uint32_t n, most;
} fragments;

static bool better(const fragment *a, const fragment *b)
{
    return a->words != b->words ? a->words > b->words : a->n > b->n;
}

static void add_fragment(fragments *all, const fragment *f)
{
    uint32_t at = all->n;
    while (at > 0 && better(f, &all->list[at - 1])) at--;
    if (at == all->most) return;
    all->n += all->n < all->most;
    memmove(&all->list[at + 1], &all->list[at], (all->n - at - 1) * sizeof *f);
    all->list[at] = *f;
}

static uint32_t words_of(const text_mark *mark, uint32_t n)
{
    uint64_t words = 0;
    for (uint32_t i = 0; i < n; i++) words |= mark[i].words;
    return (uint32_t)__builtin_popcountll(words);
}

/* The best run of marks that fits into `size` characters, among those of [from, to). */
static fragment best_run(str text, const text_mark *mark, uint32_t from, uint32_t to, uint32_t size)
{
    fragment best = {.n = 0};
    uint32_t end = from, length = 0; /* of the window [i, end), in characters */
    for (uint32_t i = from; i < to; i++) {
        if (end <= i) {
            end = i + 1;
            length = characters(text, mark[i].start, mark[i].end);
        }
        while (end < to) {
            uint32_t more = characters(text, mark[end - 1].end, mark[end].end);
            if (length + more > size) break;
            length += more;
            end++;
        }
        fragment f = {.text = text, .start = mark[i].start, .end = mark[end - 1].end, .mark = mark + i, .n = end - i};
        f.words = words_of(f.mark, f.n);
        if (best.n == 0 || better(&f, &best)) best = f;
        if (i + 1 < to && i + 1 < end) length -= characters(text, mark[i].start, mark[i + 1].start);
    }
    return best;
}

/* Words around the marks, as many before as behind, within [least, most). */
static void widen(fragment *f, uint32_t least, uint32_t most, uint32_t size)
{
    uint32_t has = characters(f->text, f->start, f->end);
    if (has >= size) return;
    uint32_t room = size - has, start = back(f->text, f->start, least, room / 2);
    room -= characters(f->text, start, f->start);
    uint32_t end = on(f->text, f->end, most, room);
    room -= characters(f->text, f->end, end);
    if (end == most) start = back(f->text, start, least, room); /* nothing more behind: more before */
    f->start = start;
    f->end = end;
}

/* Takes the best run, then goes on left and right of it; where there are more than are wanted, add_fragment keeps the best. */
static void cut(fragments *all, str text, uint32_t value, const text_mark *mark, uint32_t n, uint32_t size)
{
    struct {
        uint32_t from, to, least, most;
    } part[2 * MOST_FRAGMENTS + 2] = {{0, n, 0, (uint32_t)text.n}};
    uint32_t parts = 1;
    for (uint32_t i = 0; i < parts; i++) {
        if (part[i].from >= part[i].to) continue;
        fragment f = best_run(text, mark, part[i].from, part[i].to, size);
        f.value = value;
        widen(&f, part[i].least, part[i].most, size);
        uint32_t first = (uint32_t)(f.mark - mark), last = first + f.n;
        while (first > part[i].from && mark[first - 1].end > f.start) first--; /* what widening covered */
        while (last < part[i].to && mark[last].start < f.end) last++;
        f.mark = mark + first;
        f.n = last - first;
        if (mark[first].start < f.start) f.start = mark[first].start;
        if (mark[last - 1].end > f.end) f.end = mark[last - 1].end;
        f.words = words_of(f.mark, f.n);
        add_fragment(all, &f);
        if (parts + 2 > ARRAY_LEN(part)) continue;
        part[parts].from = part[i].from, part[parts].to = first, part[parts].least = part[i].least, part[parts++].most = f.start;
        part[parts].from = last, part[parts].to = part[i].to, part[parts].least = f.end, part[parts++].most = part[i].most;
    }
}

/* ---- messages -------------------------------------------------------------------------------------------------------- */

static void put(char **to, const char *from, size_t n)
{
    memcpy(*to, from, n);
    *to += n;
}

static void put_escaped(char **to, const char *from, size_t n, bool escape)
{
    if (!escape) {
        put(to, from, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        switch (from[i]) {
        case '&': put(to, "&amp;", 5); break;
        case '<': put(to, "&lt;", 4); break;
        case '>': put(to, "&gt;", 4); break;
        case '"': put(to, "&quot;", 6); break;
        case '\'': put(to, "&#39;", 5); break;
        default: *(*to)++ = from[i];
        }
}

static char *marked_up(search *s, const fragment *f)
{
    const highlighting *h = s->highlights;
    size_t pre = strlen(h->pre), post = strlen(h->post), most = (f->end - f->start) * (h->escape ? 6 : 1) + f->n * (pre + post) + 1;
    char *text = arena_alloc(s->a, most), *to = text;
    uint32_t at = f->start;
    for (uint32_t i = 0; i < f->n; i++) {
        put_escaped(&to, f->text.s + at, f->mark[i].start - at, h->escape);
        put(&to, h->pre, pre);
        put_escaped(&to, f->text.s + f->mark[i].start, f->mark[i].end - f->mark[i].start, h->escape);
        put(&to, h->post, post);
        at = f->mark[i].end;
    }
    put_escaped(&to, f->text.s + at, f->end - at, h->escape);
    *to = 0;
    return text;
}

static Sinter__V1__HighlightFragment *part_of(search *s, const fragment *f)
{
    Sinter__V1__HighlightFragment *out = ARENA_NEW(s->a, Sinter__V1__HighlightFragment);
    sinter__v1__highlight_fragment__init(out);
    out->text = arena_strndup(s->a, f->text.s + f->start, f->end - f->start);
    out->offset = characters(f->text, 0, f->start);
    out->value = f->value;
    out->more = f->end < f->text.n;
    out->spans = ARENA_ARRAY(s->a, Sinter__V1__HighlightSpan *, f->n + 1);
    uint32_t at = f->start, passed = 0;
    for (uint32_t i = 0; i < f->n; i++) {
        Sinter__V1__HighlightSpan *span = ARENA_NEW(s->a, Sinter__V1__HighlightSpan);
        sinter__v1__highlight_span__init(span);
        span->start = passed += characters(f->text, at, f->mark[i].start);
        span->end = passed += characters(f->text, f->mark[i].start, f->mark[i].end);
        at = f->mark[i].end;
        out->spans[out->n_spans++] = span;
    }
    return out;
}

/* ---- one hit --------------------------------------------------------------------------------------------------------- */

static bool wanted(const search *s, const char *name)
{
    for (size_t i = 0; i < s->in->n_highlight; i++)
        if (strcmp(s->in->highlight[i], name) == 0 || begins(name, s->in->highlight[i])) return true;
    return false;
}

static void read_value(search *s, const config_field *f, str text, uint32_t value, fragments *all)
{
    text_mark *mark;
    uint32_t n;
    text_marks(s->highlights->marker, f, text, s->a, &mark, &n);
    if (n == 0) return;
    if (s->highlights->size) {
        cut(all, text, value, mark, n, s->highlights->size);
        return;
    }
    fragment whole = {.text = text, .value = value, .end = (uint32_t)text.n, .mark = mark, .n = n, .words = words_of(mark, n)};
    add_fragment(all, &whole);
}

static Sinter__V1__Highlight *read_field(search *s, const config_field *f, const char *name, const Sinter__V1__Value *v)
{
    fragments all = {.list = arena_alloc(s->a, (s->highlights->fragments + 1) * sizeof *all.list), .most = s->highlights->fragments};
    if (v->kind_case == SINTER__V1__VALUE__KIND_STRING_VALUE)
        read_value(s, f, str_of(v->string_value), 0, &all);
    else if (v->kind_case == SINTER__V1__VALUE__KIND_STRINGS_VALUE)
        for (size_t i = 0; i < v->strings_value->n_values; i++) read_value(s, f, str_of(v->strings_value->values[i]), (uint32_t)i, &all);
    if (all.n == 0) return NULL;
    Sinter__V1__Highlight *out = ARENA_NEW(s->a, Sinter__V1__Highlight);
    sinter__v1__highlight__init(out);
    out->field = message_text(name);
    out->fragments = ARENA_ARRAY(s->a, char *, all.n);
    out->parts = ARENA_ARRAY(s->a, Sinter__V1__HighlightFragment *, all.n);
    for (uint32_t i = 0; i < all.n; i++) {
        out->fragments[out->n_fragments++] = marked_up(s, &all.list[i]);
        out->parts[out->n_parts++] = part_of(s, &all.list[i]);
    }
    return out;
}

void search_highlight(search *s, const Sinter__V1__Item *item, Sinter__V1__Hit *hit)
{
    highlighting *h = s->highlights;
    if (s->query->n_words == 0 || h->late || (h->late = search_late(s))) return;
    if (!h->marker) h->marker = text_marker_new(s->collection->analyzer, s->query, s->a);
    hit->highlights = ARENA_ARRAY(s->a, Sinter__V1__Highlight *, item->n_fields + 1);
    for (size_t i = 0; i < item->n_fields; i++) {
        const char *name = item->fields[i]->key;
        const config_field *f = wanted(s, name) ? catalog_declared(s->collection->catalog, name) : NULL;
        if (!f || !f->searchable || !f->stored || !item->fields[i]->value) continue;
        Sinter__V1__Highlight *x = read_field(s, f, name, item->fields[i]->value);
        if (x) hit->highlights[hit->n_highlights++] = x;
    }
    h->done++;
}

void search_end_highlights(search *s)
{
    const highlighting *h = s->highlights;
    if (!h || !h->late) return;
    search_degraded(s, "highlights", SINTER__V1__DEGRADED__CODE__CODE_LATE, "timeout: not all hits were read", h->done, s->n_page);
}
