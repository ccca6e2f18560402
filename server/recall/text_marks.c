/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Marks: a field's text is cut as the index cuts it, each token made a term as the index makes it, and looked up among the terms
 * of the query. What a query means of a word, a phrase or a synonym of several words is a pattern: terms at places side by side. */
#include "text_private.h"

#include <stdlib.h>
#include <string.h>

/* Terms at places relative to the first one; a word by itself has one. */
typedef struct pattern {
    uint32_t n;       /* parts */
    uint32_t groups;  /* bound to these; 0: all */
    uint32_t *offset; /* [n] places */
    uint64_t *words;  /* [n] of the query, that the part stands for */
} pattern;

/* A term of the query is a part of a pattern; several parts may share a term. */
typedef struct atom {
    uint64_t term; /* hash */
    uint32_t pattern, part;
    struct atom *next;
} atom;

typedef struct known {
    uint64_t word; /* hash of surface and language; 0: free */
    const atom *atom; /* NULL: no term of the query */
} known;

enum { ATOM_SLOTS = 1024, KNOWN_SLOTS = 8192 };

struct text_marker {
    const text_analyzer *t;
    arena *a;
    pattern *pattern;
    uint32_t n_patterns, cap_patterns;
    atom *slot[ATOM_SLOTS];
    known known[KNOWN_SLOTS]; /* of the words seen, as many as there is room for */
    uint32_t n_known;
};

/* ---- patterns of the query ------------------------------------------------------------------------------------------- */

static pattern *add_pattern(text_marker *m, uint32_t parts, uint32_t groups)
{
    if (m->n_patterns == m->cap_patterns) {
        uint32_t cap = 2 * m->cap_patterns + 64;
        pattern *fresh = arena_alloc(m->a, cap * sizeof *fresh);
        if (m->n_patterns)
            memcpy(fresh, m->pattern, m->n_patterns * sizeof *fresh);
        m->pattern = fresh;
        m->cap_patterns = cap;
    }
    pattern *p = &m->pattern[m->n_patterns++];
    *p = (pattern){parts, groups, ARENA_ARRAY(m->a, uint32_t, parts), ARENA_ARRAY(m->a, uint64_t, parts)};
    return p;
}

static void add_terms(text_marker *m, uint32_t part, const str *term, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        atom *x = ARENA_NEW(m->a, atom);
        uint64_t hash = hash64(term[k].s, term[k].n);
        *x = (atom){hash, m->n_patterns - 1, part, m->slot[hash % ATOM_SLOTS]};
        m->slot[hash % ATOM_SLOTS] = x;
    }
}

static void add_word(text_marker *m, const text_word *w, uint64_t bit)
{
    add_pattern(m, 1, w->groups)->words[0] = bit;
    add_terms(m, 0, w->term, w->n_terms);
    for (uint32_t i = 0; i < w->n_synonyms; i++) {
        const text_synonym *y = w->synonym[i];
        pattern *p = add_pattern(m, y->n_parts, w->groups);
        for (uint32_t k = 0; k < y->n_parts; k++) {
            p->offset[k] = k;
            p->words[k] = bit;
            add_terms(m, k, y->part[k].term, y->part[k].n_terms);
        }
    }
}

static void add_phrase(text_marker *m, const text_query *q, int32_t number)
{
    uint32_t n = 0, first = 0;
    for (uint32_t i = 0; i < q->n_words; i++)
        n += q->word[i].phrase == number;
    pattern *p = NULL;
    uint32_t part = 0;
    for (uint32_t i = 0; i < q->n_words; i++) {
        const text_word *w = &q->word[i];
        if (w->phrase != number)
            continue;
        if (!p) {
            p = add_pattern(m, n, w->groups);
            first = w->position;
        }
        p->offset[part] = w->position - first;
        p->words[part] = UINT64_C(1) << i;
        add_terms(m, part++, w->term, w->n_terms);
    }
}

text_marker *text_marker_new(const text_analyzer *t, const text_query *q, arena *a)
{
    text_marker *m = ARENA_NEW(a, text_marker);
    m->t = t;
    m->a = a;
    for (uint32_t i = 0; i < q->n_words; i++) {
        const text_word *w = &q->word[i];
        bool first = true;
        if (w->excluded)
            continue;
        for (uint32_t k = 0; k < i && w->phrase >= 0; k++)
            first &= q->word[k].phrase != w->phrase;
        if (w->phrase < 0)
            add_word(m, w, UINT64_C(1) << i);
        else if (first)
            add_phrase(m, q, w->phrase);
    }
    return m;
}

/* ---- tokens of a text ------------------------------------------------------------------------------------------------ */

/* The chain of atoms that may have the term; compared by hash. */
static const atom *look_up(const text_marker *m, uint64_t term)
{
    const atom *x = m->slot[term % ATOM_SLOTS];
    while (x && x->term != term)
        x = x->next;
    return x;
}

static const atom *next_of(const atom *x)
{
    uint64_t term = x->term;
    do
        x = x->next;
    while (x && x->term != term);
    return x;
}

/* Stemming costs more than all else here: a word seen before is looked up as it stands. */
static const atom *atoms_of(text_marker *m, const text_token *k, const char *code, arena *a)
{
    bool stemmed = k->kind == TOKEN_WORD || (k->kind == TOKEN_JOINED && !k->unit);
    uint64_t word = hash64_seed(k->text.s, k->text.n, stemmed ? (uint64_t)code[0] << 8 | (uint64_t)code[1] : 0) | 1;
    uint32_t at = (uint32_t)(word >> 32) % KNOWN_SLOTS;
    for (; m->known[at].word; at = (at + 1) % KNOWN_SLOTS)
        if (m->known[at].word == word)
            return m->known[at].atom;
    str term = stemmed ? text_term(a, code, text_stem(code, k->text, a)) : text_term(a, TEXT_NO_LANGUAGE, k->text);
    const atom *x = look_up(m, hash64(term.s, term.n));
    if (m->n_known < KNOWN_SLOTS / 2) {
        m->known[at] = (known){word, x};
        m->n_known++;
    }
    return x;
}

/* A token that stands for a part of a pattern of several. */
typedef struct place {
    uint32_t pattern, part, position, token;
} place;

typedef struct marking {
    text_marker *m;
    uint32_t group;
    const text_tokens *tokens;
    uint64_t *words; /* [tokens] that each is marked for */
    place *place;
    uint32_t n, cap;
} marking;

static void add_place(marking *x, arena *a, place p)
{
    if (x->n == x->cap) {
        x->cap = 2 * x->cap + 32;
        place *fresh = arena_alloc(a, x->cap * sizeof *fresh);
        if (x->n)
            memcpy(fresh, x->place, x->n * sizeof *fresh);
        x->place = fresh;
    }
    x->place[x->n++] = p;
}

static void mark_tokens(marking *x, const char *code, arena *a)
{
    for (uint32_t i = 0; i < x->tokens->n; i++) {
        const text_token *k = &x->tokens->token[i];
        for (const atom *t = atoms_of(x->m, k, code, a); t; t = next_of(t)) {
            const pattern *p = &x->m->pattern[t->pattern];
            if (p->groups && !(p->groups >> x->group & 1))
                continue;
            if (p->n == 1)
                x->words[i] |= p->words[0];
            else
                add_place(x, a, (place){t->pattern, t->part, k->position, i});
        }
    }
}

static int by_place(const void *x, const void *y)
{
    const place *a = x, *b = y;
    if (a->pattern != b->pattern)
        return a->pattern < b->pattern ? -1 : 1;
    if (a->part != b->part)
        return a->part < b->part ? -1 : 1;
    return (a->position > b->position) - (a->position < b->position);
}

static const place *find_place(const marking *x, uint32_t of, uint32_t part, uint32_t position)
{
    place wanted = {.pattern = of, .part = part, .position = position};
    return bsearch(&wanted, x->place, x->n, sizeof wanted, by_place);
}

/* Patterns of several parts count where all of them stand side by side. */
static void mark_patterns(marking *x)
{
    if (x->n == 0)
        return;
    qsort(x->place, x->n, sizeof *x->place, by_place);
    for (uint32_t i = 0; i < x->n; i++) {
        const place *first = &x->place[i];
        const pattern *p = &x->m->pattern[first->pattern];
        bool whole = first->part == 0;
        for (uint32_t k = 1; k < p->n && whole; k++)
            whole = find_place(x, first->pattern, k, first->position + p->offset[k]) != NULL;
        for (uint32_t k = 0; k < p->n && whole; k++)
            x->words[find_place(x, first->pattern, k, first->position + p->offset[k])->token] |= p->words[k];
    }
}

/* ---- marks of a text ------------------------------------------------------------------------------------------------- */

static int by_start(const void *x, const void *y)
{
    const text_mark *a = x, *b = y;
    return (a->start > b->start) - (a->start < b->start);
}

/* Where the character ends that byte `at` of the normalised text came from. */
static uint32_t end_of(const uint32_t *from, uint32_t at, uint32_t n)
{
    uint32_t start = from[at];
    while (at < n && from[at] == start)
        at++;
    return from[at];
}

static void write_marks(const marking *x, const uint32_t *from, uint32_t len, arena *a, text_mark **out, uint32_t *n)
{
    text_mark *mark = *out = arena_alloc(a, (x->tokens->n + 1) * sizeof *mark);
    uint32_t all = 0;
    for (uint32_t i = 0; i < x->tokens->n; i++) {
        const text_token *k = &x->tokens->token[i];
        if (!x->words[i] || k->to <= k->from)
            continue;
        mark[all++] = (text_mark){from ? from[k->from] : k->from, from ? end_of(from, k->to - 1, len) : k->to, x->words[i]};
    }
    qsort(mark, all, sizeof *mark, by_start);
    *n = 0;
    for (uint32_t i = 0; i < all; i++) {
        text_mark *last = *n ? &mark[*n - 1] : NULL;
        if (last && mark[i].start < last->end) {
            last->end = mark[i].end > last->end ? mark[i].end : last->end;
            last->words |= mark[i].words;
        } else {
            mark[(*n)++] = mark[i];
        }
    }
}

void text_marks(text_marker *m, const config_field *f, str text, arena *a, text_mark **out, uint32_t *n)
{
    uint32_t *from;
    text_tokens tokens = {0};
    if (text.n > TEXT_MARK_BYTES) {
        text.n = TEXT_MARK_BYTES;
        while (text.n && ((unsigned char)text.s[text.n] & 0xc0) == 0x80) /* whole characters */
            text.n--;
    }
    str normal = text_normalise_mapped(a, text, &from);
    text_tokenise(a, normal, m->t->schema->units, &tokens);
    marking x = {.m = m, .group = f->group_index, .tokens = &tokens, .words = ARENA_ARRAY(a, uint64_t, tokens.n + 1)};
    mark_tokens(&x, text_field_code(m->t->schema, f), a);
    mark_patterns(&x);
    write_marks(&x, from, (uint32_t)normal.n, a, out, n);
}
