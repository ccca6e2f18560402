/* SPDX-License-Identifier: Apache-2.0 */
/* The rules as a rewriter: words added, replaced or weighed, filters added, a redirect. Rules look at the query as it
 * came, not at what other rules make of it; replacements follow one another. */
#include "rules.h"

/* The query's text as far as it has been replaced, in the request's scratch memory. */
typedef struct rewriting {
    const sinter_instance *inst;
    sinter_worker *worker;
    sinter_sink *sink;
    const sinter_query *query;
    char *text; /* NUL-terminated */
    bool redirected;
} rewriting;

/* One word of the raw text: bytes [start, stop), whose canonical form is in `canonical`. */
typedef struct raw_word {
    size_t start, stop, at, size;
} raw_word;

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Splits at white space; *canonical gets the words' canonical forms, one after the other. */
static raw_word *split(const rewriting *r, uint32_t *n, char **canonical)
{
    const sinter_host *host = r->worker->host;
    size_t size = strlen(r->text), used = 0;
    raw_word *word = host->scratch(host, (size / 2 + 1) * sizeof *word);
    *canonical = host->scratch(host, 2 * size + 1);
    *n = 0;
    if (word == NULL || *canonical == NULL) return NULL;
    for (size_t i = 0; i < size;) {
        while (i < size && is_space(r->text[i]))
            i++;
        size_t start = i;
        while (i < size && !is_space(r->text[i]))
            i++;
        if (i == start) break;
        raw_word w = {.start = start, .stop = i, .at = used};
        w.size = rules_canonical(r->text + start, i - start, *canonical + used);
        used += w.size;
        word[(*n)++] = w;
    }
    return word;
}

/* How many raw words from `first` on are `from`, word for word; 0: they are not. */
static uint32_t match_words(const raw_word *word, uint32_t n, const char *canonical, uint32_t first, const char *from,
                            size_t size)
{
    size_t at = 0;
    for (uint32_t i = first; i < n; i++) {
        if (at > 0 && (at >= size || from[at++] != ' ')) return 0;
        if (word[i].size == 0 || word[i].size > size - at ||
            memcmp(canonical + word[i].at, from + at, word[i].size) != 0)
            return 0;
        at += word[i].size;
        if (at == size) return i - first + 1;
    }
    return 0;
}

/* r->text with each `from` replaced by `to`; NULL: out of memory; r->text itself: nothing to replace. */
static char *replace_in(const rewriting *r, const rule_action *a)
{
    const sinter_host *host = r->worker->host;
    uint32_t n;
    char *canonical, *from = host->scratch(host, strlen(a->from) + 1);
    raw_word *word = split(r, &n, &canonical);
    if (word == NULL || from == NULL) return NULL;
    size_t size = rules_canonical(a->from, strlen(a->from), from), to = strlen(a->text), used = 0;
    char *out = host->scratch(host, strlen(r->text) + (size_t)n * (to + 1) + 1);
    if (out == NULL) return NULL;
    bool changed = false;
    for (uint32_t i = 0; i < n;) {
        uint32_t found = match_words(word, n, canonical, i, from, size);
        const char *piece = found > 0 ? a->text : r->text + word[i].start;
        size_t length = found > 0 ? to : word[i].stop - word[i].start;
        if (used > 0) out[used++] = ' ';
        memcpy(out + used, piece, length);
        used += length;
        changed = changed || found > 0;
        i += found > 0 ? found : 1;
    }
    out[used] = 0;
    return changed ? out : r->text;
}

static sinter_status replace_words(rewriting *r, const rule *u, const rule_action *a, sinter_error *err)
{
    const sinter_host *host = r->worker->host;
    if (a->from == NULL) {
        size_t n = strlen(a->text) + 1;
        char *copy = host->scratch(host, n);
        if (copy == NULL) return rules_no_memory(err);
        r->text = memcpy(copy, a->text, n);
    } else {
        char *text = replace_in(r, a);
        if (text == NULL) return rules_no_memory(err);
        if (text == r->text) return SINTER_OK;
        r->text = text;
    }
    host->rewrite_words(r->sink, u->id, r->text, true);
    return SINTER_OK;
}

static void boost_words(const rewriting *r, const rule *u, const rule_action *a)
{
    for (uint32_t i = 0; i < a->n_items; i++) {
        uint32_t t = 0;
        size_t n = strlen(a->item[i]);
        for (; t < r->query->n_terms; t++) {
            const sinter_term *term = &r->query->term[t];
            if (!term->excluded && ((term->surface.size == n && memcmp(term->surface.data, a->item[i], n) == 0) ||
                                    (term->stem.size == n && memcmp(term->stem.data, a->item[i], n) == 0)))
                break;
        }
        if (t < r->query->n_terms) r->worker->host->rewrite_boost(r->sink, u->id, a->item[i], a->amount);
    }
}

static sinter_status act(rewriting *r, const rule *u, const rule_action *a, sinter_error *err)
{
    const sinter_host *host = r->worker->host;
    switch (a->act) {
    case ACT_ADD_WORDS: host->rewrite_words(r->sink, u->id, a->text, false); return SINTER_OK;
    case ACT_REPLACE_WORDS: return replace_words(r, u, a, err);
    case ACT_BOOST_WORDS: boost_words(r, u, a); return SINTER_OK;
    case ACT_ADD_FILTER: host->rewrite_filter(r->sink, u->id, a->text); return SINTER_OK;
    case ACT_REDIRECT:
        if (!r->redirected) /* the first one, which has the highest priority, holds */
            host->rewrite_redirect(r->sink, u->id, a->text);
        r->redirected = true;
        return SINTER_OK;
    default: return SINTER_OK;
    }
}

/* Replacements first, since a new text would undo words added before it. */
static sinter_status act_all(rewriting *r, bool replacements, sinter_error *err)
{
    for (uint32_t i = 0; i < r->worker->n_active; i++) {
        const rule *u = &r->inst->rule[r->worker->active[i]];
        for (uint32_t k = 0; k < u->n_actions; k++) {
            if ((u->action[k].roles & ROLE_REWRITER) == 0 || (u->action[k].act == ACT_REPLACE_WORDS) != replacements)
                continue;
            sinter_status s = act(r, u, &u->action[k], err);
            if (s != SINTER_OK) return s;
        }
    }
    return SINTER_OK;
}

static sinter_status rewrite(const sinter_instance *inst, sinter_worker *w, const sinter_request *request,
                             sinter_sink *sink, sinter_error *err)
{
    static const sinter_query nothing;
    sinter_status s = rules_select(inst, w, request, err);
    if (s != SINTER_OK || w->n_active == 0) return s;
    rewriting r = {
        .inst = inst, .worker = w, .sink = sink, .query = request->query == NULL ? &nothing : request->query};
    r.text = w->host->scratch(w->host, r.query->text.size + 1);
    if (r.text == NULL) return rules_no_memory(err);
    if (r.query->text.size > 0) memcpy(r.text, r.query->text.data, r.query->text.size);
    r.text[r.query->text.size] = 0;
    s = act_all(&r, true, err);
    return s == SINTER_OK ? act_all(&r, false, err) : s;
}

const sinter_rewriter rules_rewriter = {.size = sizeof(sinter_rewriter), .rewrite = rewrite};
