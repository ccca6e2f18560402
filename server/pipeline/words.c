/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From what a person typed to what is searched: parse, correct the spelling, let rewriters edit words and filter, compile. */
#include "search.h"

#include <stdio.h>
#include <string.h>

static sinter_str slice(str s)
{
    return (sinter_str){s.s, s.n};
}

void search_public_query(search *s)
{
    const text_query *q = s->query;
    sinter_term *term = ARENA_ARRAY(s->a, sinter_term, q->n_words);
    for (uint32_t i = 0; i < q->n_words; i++) {
        const text_word *w = &q->word[i];
        term[i] = (sinter_term){.surface = slice(w->surface),
                                .stem = slice(w->stem),
                                .language = slice(str_of(w->language ? w->language : "none")),
                                .group = w->groups,
                                .excluded = w->excluded,
                                .phrase = w->phrase >= 0};
    }
    sinter_str *sort = ARENA_ARRAY(s->a, sinter_str, s->in->n_sort);
    for (size_t i = 0; i < s->in->n_sort; i++) sort[i] = slice(str_of(s->in->sort[i]));
    s->public_query = (sinter_query){.size = sizeof s->public_query,
                                     .text = slice(str_of(q->text)), /* what is searched now: corrected, and edited by earlier rewriters */
                                     .normalised = slice(str_of(q->normalised)),
                                     .term = term,
                                     .n_terms = q->n_words,
                                     .filter = slice(str_of(s->in->filter)),
                                     .sort = sort,
                                     .n_sort = (uint32_t)s->in->n_sort,
                                     .offset = s->offset,
                                     .page_size = s->page_size};
}

static sinter_status read_options(search *s, sinter_error *e)
{
    static const config_when_empty WHEN_EMPTY[] = {
        [SINTER__V1__QUERY_OPTIONS__WHEN_EMPTY__WHEN_EMPTY_NOTHING] = CONFIG_EMPTY_NOTHING,
        [SINTER__V1__QUERY_OPTIONS__WHEN_EMPTY__WHEN_EMPTY_SUGGEST] = CONFIG_EMPTY_SUGGEST,
        [SINTER__V1__QUERY_OPTIONS__WHEN_EMPTY__WHEN_EMPTY_SEARCH] = CONFIG_EMPTY_SEARCH,
    };
    const Sinter__V1__QueryOptions *o = s->options;
    s->query_options.operator_and = -1;
    s->typos = s->collection->schema->spelling;
    s->when_empty = s->collection->schema->when_empty;
    if (!o) return SINTER_OK;
    if (o->when_empty > SINTER__V1__QUERY_OPTIONS__WHEN_EMPTY__WHEN_EMPTY_SEARCH)
        return error_set(e, SINTER_INVALID, "options.when_empty", "WHEN_EMPTY_NOTHING, WHEN_EMPTY_SUGGEST or WHEN_EMPTY_SEARCH",
                         "when_empty %d", (int)o->when_empty);
    if (o->when_empty) s->when_empty = WHEN_EMPTY[o->when_empty];
    if (o->operator_ > SINTER__V1__QUERY_OPTIONS__OPERATOR__OPERATOR_AND)
        return error_set(e, SINTER_INVALID, "options.operator", "OPERATOR_OR or OPERATOR_AND", "operator %d", (int)o->operator_);
    if (o->typos > SINTER__V1__QUERY_OPTIONS__TYPOS__TYPOS_ON)
        return error_set(e, SINTER_INVALID, "options.typos", "TYPOS_OFF or TYPOS_ON", "typos %d", (int)o->typos);
    if (o->operator_ != SINTER__V1__QUERY_OPTIONS__OPERATOR__OPERATOR_UNSPECIFIED)
        s->query_options.operator_and = o->operator_ == SINTER__V1__QUERY_OPTIONS__OPERATOR__OPERATOR_AND;
    if (o->typos != SINTER__V1__QUERY_OPTIONS__TYPOS__TYPOS_UNSPECIFIED)
        s->typos = o->typos == SINTER__V1__QUERY_OPTIONS__TYPOS__TYPOS_ON;
    s->query_options.minimum_should_match = o->minimum_should_match;
    s->query_options.language = o->language;
    return SINTER_OK;
}

static sinter_status parse(search *s, const char *text, bool correct, sinter_error *e)
{
    sinter_status st = text_query_parse(s->collection->analyzer, s->collection->catalog, str_of(text), &s->query_options,
                                        s->a, &s->query, e);
    if (st || !correct || s->query->empty) return st;
    return text_correct(s->reader, s->collection->analyzer, s->collection->catalog, &s->query, &s->query_options, s->a, e);
}

/* A word of the query weighs `factor` times as much; text_query is shared memory of the arena, so words are copied. */
static void boost_word(search *s, const char *word, double factor)
{
    text_word *words = ARENA_ARRAY(s->a, text_word, s->query->n_words);
    for (uint32_t i = 0; i < s->query->n_words; i++) {
        words[i] = s->query->word[i];
        if (str_is(words[i].surface, word) || str_is(words[i].stem, word)) words[i].boost *= factor;
    }
    s->query->word = words;
}

typedef struct rewriting {
    const char *text; /* the query as edited */
    bool words_changed, correct;
} rewriting;

static sinter_status apply_edit(search *s, const snap_use *use, const plugin_edit *x, rewriting *w, sinter_error *e)
{
    switch (x->kind) {
    case PLUGIN_ADD_WORDS:
        w->text = arena_printf(s->a, "%s %s", w->text, x->text);
        w->words_changed = true;
        break;
    case PLUGIN_REPLACE_WORDS:
        w->text = x->text;
        w->words_changed = true;
        break;
    case PLUGIN_ADD_FILTER: {
        filter *f;
        sinter_status st = filter_compile(s->collection->catalog, str_of(x->text), s->a, &f, e);
        if (st) return st;
        search_narrow(s, f);
        break;
    }
    case PLUGIN_REDIRECT: {
        Sinter__V1__Redirect *r = ARENA_NEW(s->a, Sinter__V1__Redirect);
        sinter__v1__redirect__init(r);
        r->url = arena_strdup(s->a, x->text);
        r->rule = arena_strdup(s->a, x->rule);
        if (!s->out->redirect) s->out->redirect = r; /* the first, of the highest priority, stands */
        break;
    }
    default: break; /* boosts wait until the words stand */
    }
    search_rule(s, UINT32_MAX, x->rule, PLUGIN_EDIT_NAMES[x->kind], x->text, use->name);
    return SINTER_OK;
}

/* Runs one rewriter. What it does wrong costs its edits, not the request. */
static sinter_status rewrite(search *s, const snap_use *use, rewriting *w, sinter_error *e)
{
    if (use->disabled) {
        search_degraded(s, use->name, SINTER__V1__DEGRADED__CODE__CODE_DISABLED, use->disabled, 0, 0);
        return SINTER_OK;
    }
    const plugin_edit *edit;
    uint32_t n;
    plugin_result r;
    search_public_query(s);
    plugin_rewrite(use->instance, &s->call, search_request_of(s, use), &edit, &n, &r);
    search_plugin_degraded(s, use, &r, 0);
    w->words_changed = false;
    for (uint32_t i = 0; i < n; i++) {
        sinter_error why = SINTER_ERROR_INIT;
        if (apply_edit(s, use, &edit[i], w, &why)) {
            char line[1536];
            search_degraded(s, use->name, SINTER__V1__DEGRADED__CODE__CODE_FAILED, error_line(&why, line, sizeof line), 0, 0);
        }
    }
    if (w->words_changed) {
        const char *corrected = s->query->corrected;
        sinter_status st = parse(s, w->text, false, e);
        if (st) return st;
        s->query->corrected = corrected;
    }
    for (uint32_t i = 0; i < n; i++)
        if (edit[i].kind == PLUGIN_BOOST_WORD) boost_word(s, edit[i].text, edit[i].factor);
    return SINTER_OK;
}

sinter_status search_words(search *s, sinter_error *e)
{
    sinter_status st = read_options(s, e);
    if (st) return st;
    if (s->in->filter[0]) {
        st = filter_compile(s->collection->catalog, str_of(s->in->filter), s->a, &s->filter, e);
        if (st) return st;
        if ((st = search_split_filter(s, e))) return st;
    }
    if ((st = parse(s, s->in->query, s->typos, e))) return st;
    if (s->query->n_dropped) {
        char note[96];
        snprintf(note, sizeof note, "query: %u words beyond the first %u dropped", s->query->n_dropped, TEXT_MAX_WORDS);
        search_note(s, note);
    }
    rewriting w = {.text = s->query->corrected ? s->query->corrected : s->in->query};
    for (uint32_t i = 0; s->pipeline && i < s->pipeline->n_rewrite; i++)
        if ((st = rewrite(s, &s->pipeline->rewrite[i], &w, e))) return st;
    search_public_query(s);
    if (s->query->empty) return SINTER_OK;
    s->scorer = text_scorer_new(s->reader, s->query, &s->collection->weights, s->a, e);
    return s->scorer ? SINTER_OK : (e->status ? e->status : SINTER_UNAVAILABLE);
}
