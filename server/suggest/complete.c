/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lookups: entries that hold what was typed, best first. Entries are numbered by use, so postings in their order are best first too. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

#include "profile/profile.h"

void suggest_read(str text, arena *a, suggest_typed *out)
{
    str word[64];
    uint32_t n = text_words(a, text, false, word, 64);
    *out = (suggest_typed){.n = n < SUGGEST_MAX_WORDS ? n : SUGGEST_MAX_WORDS};
    memcpy(out->word, word + n - out->n, out->n * sizeof *word); /* the last are the ones that are being typed */
    unsigned char last = text.n ? (unsigned char)text.s[text.n - 1] : ' ';
    out->whole = last == ' ' || last == '\t' || last == ',' || last == ';' || last == '/';
}

static int compare(str word, str other, size_t n)
{
    size_t k = word.n < n ? word.n : n;
    int c = memcmp(word.s, other.s, k < other.n ? k : other.n);
    return c ? c : k < other.n ? -1 : k > other.n;
}

/* The first word that is not below (or, with `above`, not a beginning of) the prefix's words. */
static uint32_t bound(const index_of *x, str prefix, bool above)
{
    uint32_t low = 0, high = x->n_words;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int c = compare(x->word[middle], prefix, prefix.n);
        if (above ? c <= 0 : c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void words_with_prefix(const index_of *x, str prefix, uint32_t *lo, uint32_t *hi)
{
    *lo = bound(x, prefix, false);
    *hi = bound(x, prefix, true);
}

/* ---- one lookup ------------------------------------------------------------------------------------------------------------ */

/* What a typed word allows: a run of the sorted words, or (near) all that are marked. */
typedef struct allowed {
    uint32_t lo, hi, postings;
    uint8_t *near;            /* [n_words]; NULL: the run, without edits */
    uint32_t *found, n_found; /* words marked */
} allowed;

typedef struct lookup {
    const index_of *x;
    allowed word[SUGGEST_MAX_WORDS];
    uint32_t n, limit, n_out, asked;
    bool (*accept)(void *ctx, const suggest_entry *x);
    void *ctx;
    arena *a;
    suggest_found *out;
    uint32_t n_exact; /* of out, found before edits were allowed */
} lookup;

static uint32_t fewest(const lookup *l, const allowed *w, uint32_t entry)
{
    uint32_t best = UINT32_MAX;
    const index_of *x = l->x;
    for (uint32_t k = x->word_begin[entry]; k < x->word_begin[entry + 1]; k++) {
        uint32_t word = x->words[k];
        if (!w->near) {
            if (word >= w->lo && word < w->hi) return 0;
        } else if (w->near[word] < best) {
            best = w->near[word] == UINT8_MAX ? best : w->near[word];
        }
    }
    return best;
}

/* Edits over all typed words; UINT32_MAX: one is not there. */
static uint32_t edits_of(const lookup *l, uint32_t entry)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        uint32_t d = fewest(l, &l->word[i], entry);
        if (d == UINT32_MAX) return d;
        sum += d;
    }
    return sum;
}

static bool is_known(const lookup *l, const suggest_entry *e)
{
    for (uint32_t i = 0; i < l->n_out; i++)
        if (str_eq(l->out[i].entry->text, e->text)) return true;
    return false;
}

static bool asks_on(const lookup *l)
{
    return l->asked < SUGGEST_MAX_ASKED;
}

static bool accepted(lookup *l, const suggest_entry *e)
{
    if (!l->accept) return true;
    l->asked++;
    return l->accept(l->ctx, e);
}

/* Entries come best first. */
static void take(lookup *l, uint32_t entry)
{
    const suggest_entry *e = &l->x->entry[entry];
    if (!is_known(l, e) && accepted(l, e)) l->out[l->n_out++] = (suggest_found){e, 0};
}

static int by_number(const void *x, const void *y)
{
    uint32_t p = *(const uint32_t *)x, q = *(const uint32_t *)y;
    return p < q ? -1 : p > q;
}

/* ---- without edits ------------------------------------------------------------------------------------------------------------ */

#define SMALL 4096u

/* A run of words whose postings are many: nearly every entry has one, so entries are gone through as they stand. */
static void scan_entries(lookup *l)
{
    for (uint32_t i = 0; i < l->x->n && l->n_out < l->limit && asks_on(l); i++)
        if (edits_of(l, i) == 0) take(l, i);
}

static void scan_run(lookup *l, const allowed *driver)
{
    const index_of *x = l->x;
    uint32_t n = 0, *entry = arena_alloc(l->a, (driver->postings + 1) * sizeof *entry);
    for (uint32_t k = x->begin[driver->lo]; k < x->begin[driver->hi]; k++)
        if (l->n == 1 || edits_of(l, x->posting[k]) == 0) entry[n++] = x->posting[k];
    if (driver->hi - driver->lo > 1 && n) qsort(entry, n, sizeof *entry, by_number);
    for (uint32_t i = 0; i < n && l->n_out < l->limit && asks_on(l); i++)
        if (!i || entry[i] != entry[i - 1]) take(l, entry[i]);
}

/* Postings of one word: best first as they stand. */
static void scan_word(lookup *l, uint32_t word)
{
    const index_of *x = l->x;
    for (uint32_t k = x->begin[word]; k < x->begin[word + 1] && l->n_out < l->limit && asks_on(l); k++)
        if (edits_of(l, x->posting[k]) == 0) take(l, x->posting[k]);
}

/* Words that begin with the typed one, or (whole) are it. */
static void run_of(const index_of *x, str typed, bool prefix, uint32_t *lo, uint32_t *hi)
{
    words_with_prefix(x, typed, lo, hi);
    if (!prefix) *hi = *lo < *hi && x->word[*lo].n == typed.n ? *lo + 1 : *lo;
}

static void find_exact(lookup *l, const suggest_typed *t)
{
    const allowed *driver = NULL, *single = NULL;
    for (uint32_t i = 0; i < l->n; i++) {
        allowed *w = &l->word[i];
        run_of(l->x, t->word[i], i + 1 == l->n && !t->whole, &w->lo, &w->hi);
        w->postings = l->x->begin[w->hi] - l->x->begin[w->lo];
        if (!w->postings) return;
        if (!driver || w->postings < driver->postings) driver = w;
        if (w->hi - w->lo == 1 && (!single || w->postings < single->postings)) single = w;
    }
    if (!driver || (l->n == 1 && driver->hi - driver->lo > 1 && driver->postings > SMALL))
        scan_entries(l);
    else if (single && single->postings / 16 <= driver->postings)
        scan_word(l, single->lo);
    else
        scan_run(l, driver);
}

/* ---- with edits ---------------------------------------------------------------------------------------------------------------- */

/* Fewer edits, then more use, keep their place among the best. Texts that are there already stand with fewer edits or more use. */
static bool comes_before(const suggest_found *f, const suggest_entry *e, uint32_t edits)
{
    return f->edits != edits ? f->edits < edits : f->entry <= e; /* entries lie most used first */
}

static void offer(lookup *l, uint32_t entry, uint32_t edits)
{
    const suggest_entry *e = &l->x->entry[entry];
    if (l->n_out == l->limit && comes_before(&l->out[l->limit - 1], e, edits)) return;
    uint32_t same = 0;
    while (same < l->n_out && !str_eq(l->out[same].entry->text, e->text)) same++;
    if (same < l->n_out && (same < l->n_exact || comes_before(&l->out[same], e, edits))) return;
    if (!accepted(l, e)) return;
    if (same == l->n_out && l->n_out == l->limit) same--; /* the last makes room */
    if (same < l->n_out) {
        memmove(l->out + same, l->out + same + 1, (l->n_out - same - 1) * sizeof *l->out);
        l->n_out--;
    }
    uint32_t at = l->n_out++;
    for (; at > l->n_exact && !comes_before(&l->out[at - 1], e, edits); at--) l->out[at] = l->out[at - 1];
    l->out[at] = (suggest_found){e, edits};
}

static void mark(const lookup *l, allowed *w, str typed, bool prefix)
{
    uint32_t most = edits_allowed(typed), lo, hi;
    if (most) {
        w->n_found = words_near(l->x, typed, prefix, most, w->near, w->found);
        return;
    }
    run_of(l->x, typed, prefix, &lo, &hi);
    for (; lo < hi; lo++) {
        w->near[lo] = 0;
        w->found[w->n_found++] = lo;
    }
}

static void find_near(lookup *l, const suggest_typed *t)
{
    const allowed *driver = NULL;
    uint32_t allowed_edits = 0, n_words = l->x->n_words;
    for (uint32_t i = 0; i < l->n; i++) allowed_edits += edits_allowed(t->word[i]);
    if (!allowed_edits) return;
    for (uint32_t i = 0; i < l->n; i++) {
        allowed *w = &l->word[i];
        w->near = arena_alloc(l->a, n_words + 1);
        w->found = arena_alloc(l->a, (n_words + 1) * sizeof *w->found);
        w->n_found = 0;
        memset(w->near, UINT8_MAX, n_words + 1);
        mark(l, w, t->word[i], i + 1 == l->n && !t->whole);
        w->postings = 0;
        for (uint32_t k = 0; k < w->n_found; k++) w->postings += l->x->begin[w->found[k] + 1] - l->x->begin[w->found[k]];
        if (!w->n_found) return;
        if (!driver || w->postings < driver->postings) driver = w;
    }
    for (uint32_t k = 0; driver && k < driver->n_found; k++)
        for (uint32_t p = l->x->begin[driver->found[k]]; p < l->x->begin[driver->found[k] + 1] && asks_on(l); p++) {
            uint32_t edits = edits_of(l, l->x->posting[p]);
            if (edits != UINT32_MAX) offer(l, l->x->posting[p], edits);
        }
}

uint32_t suggest_complete(const suggest_set *s, suggest_kind kind, const suggest_typed *t, uint32_t limit, bool typos,
                          bool (*accept)(void *ctx, const suggest_entry *x), void *ctx, arena *a, suggest_found *out)
{
    lookup l = {.x = &s->index[kind], .n = t->n, .limit = limit, .accept = accept, .ctx = ctx, .a = a, .out = out};
    if (!limit || !l.x->n) return 0;
    find_exact(&l, t);
    l.n_exact = l.n_out;
    if (typos && t->n && l.n_out < limit) find_near(&l, t);
    return l.n_out;
}

/* ---- a person's own ---------------------------------------------------------------------------------------------------------------- */

/* Whether a text holds every typed word, as lookups without edits see it. */
static bool holds(str text, const suggest_typed *t, arena *a)
{
    str word[MOST_WORDS];
    uint32_t n = text_words(a, text, true, word, MOST_WORDS);
    for (uint32_t i = 0; i < t->n; i++) {
        bool prefix = i + 1 == t->n && !t->whole, found = false;
        for (uint32_t k = 0; k < n && !found; k++)
            found = word[k].n >= t->word[i].n && memcmp(word[k].s, t->word[i].s, t->word[i].n) == 0 && (prefix || word[k].n == t->word[i].n);
        if (!found) return false;
    }
    return true;
}

uint32_t suggest_recent(const suggest_set *s, str user_id, str session_id, const suggest_typed *t, uint32_t limit, arena *a, str *out)
{
    str key = profile_person_key(user_id, session_id, a);
    uint64_t hash = key.n ? hash64(key.s, key.n) | 1 : 0;
    uint32_t low = 0, high = s->n_people, n = 0;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (s->person[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    if (!hash || low == s->n_people || s->person[low].hash != hash) return 0;
    const recent_person *p = &s->person[low];
    for (uint32_t i = 0; i < p->n && n < limit; i++)
        if (holds(s->recent_query[p->first + i], t, a)) out[n++] = s->recent_query[p->first + i];
    return n;
}
