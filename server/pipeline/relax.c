/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is searched instead where the words find nothing: another spelling, then fewer words. Everything said of the answer (total,
 * facets, pages, features) is of what was searched instead; the answer says what that was. */
#include "search.h"

#include <stdio.h>
#include <string.h>

#define MOST_VARIANTS 4u

static sinter_status finds(search *s, const text_query *q, const text_scorer *scorer, text_hits *best, sinter_error *e)
{
    match_watch watch = {.until_ns = s->timeout_ns};
    sinter_status st = text_search_watched(s->reader, q, scorer, s->filter, s->set, 1, true, false, &watch, s->a, best, e);
    if (!st && watch.stopped) best->total = 0; /* out of time: the empty answer stands */
    return st;
}

static sinter_status finds_any(search *s, const text_query *q, bool *any, sinter_error *e)
{
    text_hits best;
    text_scorer *scorer = text_scorer_new(s->reader, q, &s->collection->weights, s->a, e);
    sinter_status st = scorer ? finds(s, q, scorer, &best, e) : e->status;
    *any = st == SINTER_OK && best.total > 0;
    return st;
}

/* The first other spelling that finds something; NULL: none does. */
static sinter_status respell(search *s, text_query **out, sinter_error *e)
{
    text_query *other[MOST_VARIANTS + 1];
    uint32_t n = 0;
    sinter_status st = SINTER_OK;
    *out = NULL;
    if (!s->typos) { /* known words stay as they are; unknown ones become the collection's own */
        text_query *q = s->query;
        st = text_correct(s->reader, s->collection->analyzer, s->collection->catalog, &q, &s->query_options, s->a, e);
        if (st) return st;
        if (q != s->query) other[n++] = q;
    }
    uint32_t more = 0;
    st = text_variants(s->reader, s->collection->analyzer, s->query, &s->query_options, MOST_VARIANTS, s->a, other + n, &more, e);
    n += more;
    for (uint32_t i = 0; i < n && !st && !*out; i++) {
        bool any;
        st = finds_any(s, other[i], &any, e);
        if (!st && any) *out = other[i];
    }
    return st;
}

/* ---- fewer words ----------------------------------------------------------------------------------------------------- */

/* Any of the words will do; with `apart`, phrases are words like others. */
static text_query *loosened(search *s, bool apart)
{
    text_query *q = ARENA_NEW(s->a, text_query);
    text_word *word = ARENA_ARRAY(s->a, text_word, s->query->n_words);
    *q = *s->query;
    q->n_words = 0;
    for (uint32_t i = 0; i < s->query->n_words; i++) {
        text_word w = s->query->word[i];
        if (apart && !w.excluded && w.phrase >= 0) {
            if (w.stop) continue;
            w.phrase = -1;
        }
        if (!w.optional) word[q->n_words++] = w;
    }
    q->word = word;
    q->operator_and = false;
    q->minimum_match = 1;
    q->said = NULL;
    q->n_said = 0;
    return q;
}

/* Keeps the words that the item holds and asks for all of them; says which went. */
static void keep_held(search *s, text_query *q, const uint32_t *held)
{
    text_word *word = ARENA_ARRAY(s->a, text_word, q->n_words);
    char **dropped = ARENA_ARRAY(s->a, char *, q->n_words + 1);
    buffer text = {0};
    uint32_t n = 0, counted = 0, n_dropped = 0;
    for (uint32_t i = 0, row = 0; i < q->n_words; i++) {
        const text_word *w = &q->word[i];
        bool scores = !w->excluded && !w->stop;
        if (scores && !held[row++]) {
            dropped[n_dropped++] = arena_strndup(s->a, w->surface.s, w->surface.n);
            continue;
        }
        word[n++] = *w;
        counted += scores;
        if (!w->excluded) buffer_printf(&text, "%s%.*s", text.len ? " " : "", (int)w->surface.n, w->surface.s);
    }
    q->word = word;
    q->n_words = n;
    q->operator_and = true;
    q->minimum_match = counted;
    q->corrected = arena_strndup(s->a, text.len ? text.data : "", text.len);
    s->dropped = dropped;
    s->n_dropped = n_dropped;
    buffer_free(&text);
}

/* Of all items, the one whose words tell most (by idf) holds the words to keep: no larger or rarer set is held by any. One pass, with
 * a score that is the sum of the idf of the words held. */
static sinter_status drop_words(search *s, text_query **out, bool *apart, sinter_error *e)
{
    text_weights w = s->collection->weights;
    w.k1 = w.coverage_bonus = 0;
    *out = NULL;
    bool phrases = false;
    for (uint32_t i = 0; i < s->query->n_words; i++) phrases |= s->query->word[i].phrase >= 0 && !s->query->word[i].excluded;
    for (int pass = 0; pass < (phrases ? 2 : 1) && !*out; pass++) {
        text_query *q = loosened(s, pass > 0);
        text_hits best;
        text_scorer *scorer = text_scorer_new(s->reader, q, &w, s->a, e);
        sinter_status st = scorer ? finds(s, q, scorer, &best, e) : e->status;
        if (st) return st;
        if (!best.total) continue;
        keep_held(s, q, best.packed);
        *apart = pass > 0;
        *out = q;
    }
    return SINTER_OK;
}

static void say_dropped(search *s, bool apart)
{
    buffer text = {0};
    buffer_puts(&text, apart ? "nothing held the words as asked: phrases were taken apart" : "nothing held all of the words");
    for (uint32_t i = 0; i < s->n_dropped; i++) buffer_printf(&text, "%s%s", i ? ", " : "; searched without: ", s->dropped[i]);
    search_note(s, text.data);
    buffer_free(&text);
}

/* ---- both ------------------------------------------------------------------------------------------------------------ */

static sinter_status adopt(search *s, text_query *q, sinter_error *e)
{
    s->query = q;
    s->scorer = text_scorer_new(s->reader, q, &s->collection->weights, s->a, e);
    if (!s->scorer) return e->status;
    search_public_query(s);
    return SINTER_OK;
}

static bool reads_text(const search *s)
{
    bool reads = !s->pipeline || s->n_sort > 0;
    for (uint32_t i = 0; s->pipeline && i < s->pipeline->n_sources; i++) reads |= s->pipeline->source[i].text;
    return reads;
}

sinter_status search_relax(search *s, bool *again, sinter_error *e)
{
    uint64_t t = clock_mono_ns();
    text_query *other, *fewer = NULL;
    bool apart = false;
    *again = false;
    if (s->out->total || !s->out->total_is_exact || s->when_empty == CONFIG_EMPTY_NOTHING || s->query->empty || s->in->all_items || !reads_text(s))
        return SINTER_OK;
    bool search_it = s->when_empty == CONFIG_EMPTY_SEARCH;
    sinter_status st = respell(s, &other, e);
    if (st) return st;
    if (other && search_it && s->typos) {
        st = adopt(s, other, e);
        *again = true;
        search_step(s, "relax", NULL, t, 0, 0);
        return st;
    }
    if (other) s->out->suggested_query = message_text(other->corrected);
    if (!other || search_it) st = drop_words(s, &fewer, &apart, e);
    if (st) return st;
    if (fewer && search_it) {
        say_dropped(s, apart);
        s->out->dropped_words = s->dropped;
        s->out->n_dropped_words = s->n_dropped;
        st = adopt(s, fewer, e);
        *again = true;
    } else if (fewer && !other)
        s->out->suggested_query = message_text(fewer->corrected);
    search_step(s, "relax", NULL, t, 0, 0);
    return st;
}
