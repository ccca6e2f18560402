/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Synonyms of a collection: a YAML file, read when an analyzer is made, looked up when a query is parsed.
 *
 *   - [sofa, couch, settee]                     # each is found by the others
 *   - {from: notebook, to: [laptop, netbook]}   # one way
 *   - {same: [Handy, Smartphone], language: de} # in one of the collection's languages
 *
 * A form is one to eight words. What a query says is compared stem by stem, language by language; one step, never further:
 * what a synonym's own synonyms are does not matter, so circles do no harm. */
#include "text_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_FORMS 64u /* of one list */
#define MOST_WORDS 8u  /* of one form */
#define MOST_BYTES (4u << 20)

/* What one list of stems in one language stands for. */
typedef struct pair {
    uint64_t key;
    uint32_t order;
    const text_synonym *to;
    const conf_node *at;
} pair;

/* A form of an entry: its words, and what finds it. */
typedef struct form {
    const conf_node *at;
    text_synonym *as; /* to search for */
    uint64_t *key;    /* [n_keys] */
    uint32_t n_keys, longest;
} form;

struct text_synonyms {
    arena *memory;
    pair *pair; /* [n] by key, then in order of the file */
    uint32_t n, cap, longest, n_entries;
    uint64_t hash;
};

typedef struct reading {
    text_analyzer *t;
    text_synonyms *s;
    arena *nodes;
    const char *code[CONFIG_MAX_LANGUAGES + 1]; /* of the entry under way */
    uint32_t n_codes;
} reading;

/* ---- keys ---------------------------------------------------------------------------------------------------------- */

static uint64_t key_begin(const char *code)
{
    return hash64(code, 2);
}

static uint64_t key_add(uint64_t key, const char *code, str word, bool stemmed, arena *a)
{
    str stem = stemmed ? text_stem(code, word, a) : word;
    return hash64_seed(stem.s, stem.n, key);
}

static bool base_token(const text_token *k)
{
    return k->kind == TOKEN_WORD || k->kind == TOKEN_EXACT;
}

static bool is_stemmed(const text_token *k)
{
    return k->kind == TOKEN_WORD || (k->kind == TOKEN_JOINED && !k->unit);
}

/* ---- forms --------------------------------------------------------------------------------------------------------- */

static void add_part(const reading *r, const text_token *k, text_part *out)
{
    arena *a = r->s->memory;
    str *term = ARENA_ARRAY(a, str, r->n_codes + 1), word = {arena_strndup(a, k->text.s, k->text.n), k->text.n};
    out->term = term;
    if (!is_stemmed(k)) {
        term[out->n_terms++] = text_term(a, TEXT_NO_LANGUAGE, word);
        return;
    }
    for (uint32_t i = 0; i < r->n_codes; i++)
        term[out->n_terms++] = text_term(a, r->code[i], text_stem(r->code[i], word, a));
}

/* A compound such as "wi-fi" is its whole: items that write it in one word or in two have both. */
static const text_token *whole_of(const text_tokens *tokens)
{
    for (uint32_t i = 0; i < tokens->n; i++)
        if (tokens->token[i].kind == TOKEN_JOINED && tokens->token[i].span == tokens->positions)
            return &tokens->token[i];
    return NULL;
}

static void add_keys(const reading *r, const text_tokens *tokens, const text_token *whole, form *out)
{
    arena *a = r->nodes;
    out->key = ARENA_ARRAY(a, uint64_t, 2 * r->n_codes);
    for (uint32_t c = 0; c < r->n_codes; c++) {
        uint64_t key = key_begin(r->code[c]);
        for (uint32_t i = 0; i < tokens->n; i++)
            if (base_token(&tokens->token[i]))
                key = key_add(key, r->code[c], tokens->token[i].text, is_stemmed(&tokens->token[i]), a);
        out->key[out->n_keys++] = key;
        if (whole)
            out->key[out->n_keys++] = key_add(key_begin(r->code[c]), r->code[c], whole->text, is_stemmed(whole), a);
    }
}

static sinter_status read_form(const reading *r, const conf_node *at, form *out, sinter_error *e)
{
    text_tokens tokens = {0};
    if (at->kind != CONF_SCALAR)
        return conf_error(e, at, "write words", "a synonym is a text, not a list or a map");
    str normal = text_normalise(r->s->memory, str_of(at->text));
    text_tokenise(r->nodes, normal, r->t->schema->units, &tokens);
    const text_token *whole = whole_of(&tokens);
    uint32_t words = 0;
    for (uint32_t i = 0; i < tokens.n; i++) words += base_token(&tokens.token[i]);
    if (!words) return conf_error(e, at, "write letters or digits", "'%.80s' holds no word", at->text);
    if (words > MOST_WORDS)
        return conf_error(e, at, "shorten it", "'%.80s' has %u words; at most %u", at->text, words, MOST_WORDS);
    text_synonym *as = ARENA_NEW(r->s->memory, text_synonym);
    text_part *part = ARENA_ARRAY(r->s->memory, text_part, words);
    as->surface = normal;
    as->part = part;
    if (whole)
        add_part(r, whole, &part[as->n_parts++]);
    else
        for (uint32_t i = 0; i < tokens.n; i++)
            if (base_token(&tokens.token[i])) add_part(r, &tokens.token[i], &part[as->n_parts++]);
    *out = (form){.at = at, .as = as, .longest = words};
    add_keys(r, &tokens, whole, out);
    return SINTER_OK;
}

/* A list of forms, or one. */
static sinter_status read_forms(const reading *r, const conf_node *at, const char *of, form **out, uint32_t *n, sinter_error *e)
{
    const conf_node *const *node = at->kind == CONF_LIST ? at->value : &at;
    *n = at->kind == CONF_LIST ? at->n : 1;
    if (at->kind == CONF_MAP) return conf_error(e, at, "write a list of words", "%s must be a list, not a map", of);
    if (!*n) return conf_error(e, at, "name at least one", "%s is empty", of);
    if (*n > MOST_FORMS) return conf_error(e, at, "make several entries", "%s has %u forms; at most %u", of, *n, MOST_FORMS);
    *out = ARENA_ARRAY(r->nodes, form, *n);
    sinter_status s = SINTER_OK;
    for (uint32_t i = 0; i < *n && s == SINTER_OK; i++)
        s = read_form(r, node[i], &(*out)[i], e);
    return s;
}

/* ---- entries ------------------------------------------------------------------------------------------------------- */

static void add_pairs(text_synonyms *s, const form *from, const form *to)
{
    if (s->longest < from->longest) s->longest = from->longest;
    for (uint32_t k = 0; k < from->n_keys; k++) {
        if (s->n == s->cap) s->pair = xrealloc(s->pair, (s->cap = s->cap ? 2 * s->cap : 256) * sizeof *s->pair);
        s->pair[s->n] = (pair){.key = from->key[k], .order = s->n, .to = to->as, .at = to->at};
        s->n++;
    }
}

static bool same_form(const form *x, const form *y)
{
    return x->key[0] == y->key[0];
}

static sinter_status read_same(const reading *r, const conf_node *at, sinter_error *e)
{
    form *f;
    uint32_t n;
    sinter_status s = read_forms(r, at, "a list of synonyms", &f, &n, e);
    if (s != SINTER_OK) return s;
    if (n < 2) return conf_error(e, at, "name at least two", "a list of synonyms has one form only");
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < n; k++)
            if (i != k && !same_form(&f[i], &f[k])) add_pairs(r->s, &f[i], &f[k]);
    return SINTER_OK;
}

static sinter_status read_one_way(const reading *r, const conf_node *at, const conf_node *from, const conf_node *to, sinter_error *e)
{
    form *f, *g;
    uint32_t n, m;
    if (!from || !to)
        return conf_error(e, at, "write {from: a word, to: [others]} or {same: [words]}", "an entry has no '%s'", from ? "to" : "from");
    sinter_status s = read_forms(r, from, "from", &f, &n, e);
    if (s == SINTER_OK) s = read_forms(r, to, "to", &g, &m, e);
    if (s != SINTER_OK) return s;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < m; k++)
            if (!same_form(&f[i], &g[k])) add_pairs(r->s, &f[i], &g[k]);
    return SINTER_OK;
}

static sinter_status read_language(reading *r, const conf_node *at, sinter_error *e)
{
    const text_analyzer *t = r->t;
    r->n_codes = 0;
    const char *code = at && at->kind == CONF_SCALAR ? text_language_code(at->text) : NULL;
    for (uint32_t i = 0; i < t->n_codes; i++)
        if (!at || (code && strcmp(t->code[i], code) == 0)) r->code[r->n_codes++] = t->code[i];
    if (r->n_codes) return SINTER_OK;
    char known[64] = "";
    for (uint32_t i = 0; i < t->schema->n_languages; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "valid: ", t->schema->language[i]);
    return conf_error(e, at, known[0] ? known : "leave it out", "'%.40s' is not a language of the collection %s",
                      at->kind == CONF_SCALAR ? at->text : "…", t->schema->name);
}

static sinter_status read_map(reading *r, const conf_node *at, sinter_error *e)
{
    static const char *const KEYS[] = {"same", "from", "to", "language"};
    for (uint32_t i = 0; i < at->n; i++) {
        uint32_t k = 0;
        while (k < ARRAY_LEN(KEYS) && strcmp(KEYS[k], at->key[i]->text) != 0) k++;
        if (k == ARRAY_LEN(KEYS))
            return conf_error(e, at->key[i], "valid: same, from, to, language", "unknown key of an entry: '%.40s'", at->key[i]->text);
    }
    const conf_node *same = conf_get(at, "same"), *from = conf_get(at, "from"), *to = conf_get(at, "to");
    sinter_status s = read_language(r, conf_get(at, "language"), e);
    if (s != SINTER_OK) return s;
    if (same && (from || to)) return conf_error(e, same, "make two entries", "an entry has both 'same' and 'from' or 'to'");
    return same ? read_same(r, same, e) : read_one_way(r, at, from, to, e);
}

static sinter_status read_entries(reading *r, const conf_node *root, sinter_error *e)
{
    if (root->kind != CONF_LIST)
        return conf_error(e, root, "begin each line with '- ': '- [sofa, couch]'", "a file of synonyms is a list");
    sinter_status s = SINTER_OK;
    for (uint32_t i = 0; i < root->n && s == SINTER_OK; i++) {
        const conf_node *at = root->value[i];
        if (at->kind == CONF_SCALAR)
            return conf_error(e, at, "write '- [sofa, couch]' or '- {from: notebook, to: [laptop]}'", "an entry is a list or a map");
        s = read_language(r, NULL, e);
        if (s == SINTER_OK) s = at->kind == CONF_LIST ? read_same(r, at, e) : read_map(r, at, e);
    }
    r->s->n_entries = root->n;
    return s;
}

/* ---- the table ----------------------------------------------------------------------------------------------------- */

static int by_key(const void *x, const void *y)
{
    const pair *p = x, *q = y;
    return p->key != q->key ? (p->key < q->key ? -1 : 1) : p->order < q->order ? -1 : p->order > q->order;
}

static bool same_synonym(const text_synonym *x, const text_synonym *y)
{
    if (x == y) return true;
    if (x->n_parts != y->n_parts) return false;
    for (uint32_t i = 0; i < x->n_parts; i++) {
        if (x->part[i].n_terms != y->part[i].n_terms) return false;
        for (uint32_t k = 0; k < x->part[i].n_terms; k++)
            if (!str_eq(x->part[i].term[k], y->part[i].term[k])) return false;
    }
    return true;
}

/* Sorted by key, each synonym of a key once. */
static sinter_status settle(text_synonyms *s, sinter_error *e)
{
    uint32_t n = 0, first = 0;
    if (s->n) qsort(s->pair, s->n, sizeof *s->pair, by_key);
    for (uint32_t i = 0; i < s->n; i++) {
        bool known = false;
        if (n && s->pair[i].key != s->pair[n - 1].key) first = n;
        for (uint32_t k = first; k < n && !known; k++) known = same_synonym(s->pair[k].to, s->pair[i].to);
        if (known) continue;
        if (n - first == TEXT_MAX_SYNONYMS)
            return conf_error(e, s->pair[i].at, "leave some out", "'%.80s' is one synonym too many: one word has at most %u",
                              s->pair[i].at->text, TEXT_MAX_SYNONYMS);
        s->pair[n++] = s->pair[i];
    }
    s->n = n;
    return SINTER_OK;
}

sinter_status text_synonyms_read(text_analyzer *t, const char *path, sinter_error *e)
{
    buffer text = {0};
    const conf_node *root;
    sinter_status s = file_read(path, MOST_BYTES, &text, e);
    if (s != SINTER_OK) return s;
    t->synonyms = xcalloc(1, sizeof *t->synonyms);
    t->synonyms->memory = arena_new(1u << 14);
    t->synonyms->hash = hash64(text.data, text.len);
    reading r = {.t = t, .s = t->synonyms, .nodes = arena_new(1u << 16)};
    s = conf_parse_text(path, (str){text.data, text.len}, r.nodes, &root, e);
    if (s == SINTER_OK) s = read_entries(&r, root, e);
    if (s == SINTER_OK) s = settle(t->synonyms, e);
    arena_free(r.nodes);
    buffer_free(&text);
    return s;
}

void text_synonyms_free(text_synonyms *s)
{
    if (!s) return;
    arena_free(s->memory);
    free(s->pair);
    free(s);
}

text_word_files text_analyzer_files(const text_analyzer *t)
{
    return (text_word_files){.stop_words = t->n_stop ? hash64(t->stop, t->n_stop * sizeof *t->stop) : 0,
                             .n_stop_words = t->n_stop,
                             .synonyms = t->synonyms ? t->synonyms->hash : 0,
                             .n_synonyms = t->synonyms ? t->synonyms->n_entries : 0};
}

/* ---- at query time ------------------------------------------------------------------------------------------------- */

/* The pairs of a key: how many, from *first on. */
static uint32_t pairs_of(const text_synonyms *s, uint64_t key, uint32_t *first)
{
    uint32_t low = 0, high = s->n;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (s->pair[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    *first = low;
    while (high < s->n && s->pair[high].key == key) high++;
    return high - low;
}

/* Words of a synonym in the query's languages; of an entry that is of others, NULL. */
static const text_synonym *in_languages(const text_analyzer *t, const text_tags *tags, const text_synonym *x, arena *a)
{
    if (tags->n == t->n_codes) return x;
    text_synonym *out = ARENA_NEW(a, text_synonym);
    text_part *part = ARENA_ARRAY(a, text_part, x->n_parts);
    *out = (text_synonym){.surface = x->surface, .part = part, .n_parts = x->n_parts};
    for (uint32_t i = 0; i < x->n_parts; i++) {
        str *term = ARENA_ARRAY(a, str, x->part[i].n_terms);
        for (uint32_t k = 0; k < x->part[i].n_terms; k++) {
            str w = x->part[i].term[k];
            bool mine = memcmp(w.s + 1, TEXT_NO_LANGUAGE, 2) == 0;
            for (uint32_t c = 0; c < tags->n && !mine; c++) mine = memcmp(w.s + 1, tags->code[c], 2) == 0;
            if (mine) term[part[i].n_terms++] = w;
        }
        part[i].term = term;
        if (!part[i].n_terms) return NULL;
    }
    return out;
}

static bool has_synonym(const text_word *w, const text_synonym *x)
{
    if (x->n_parts == 1)
        for (uint32_t i = 0; i < w->n_terms; i++)
            if (str_eq(x->part[0].term[0], w->term[i])) return true; /* the word itself */
    for (uint32_t i = 0; i < w->n_synonyms; i++)
        if (same_synonym(w->synonym[i], x)) return true;
    return false;
}

static void add_synonym(text_word *w, const text_synonym *x, arena *a)
{
    if (w->n_synonyms == TEXT_MAX_SYNONYMS || has_synonym(w, x)) return;
    if (!w->synonym) w->synonym = ARENA_ARRAY(a, const text_synonym *, TEXT_MAX_SYNONYMS);
    ((const text_synonym **)(uintptr_t)w->synonym)[w->n_synonyms++] = x;
}

/* Length of the longest entry that begins at said[at]; 0: none. key[code]: what it is found by, of the languages that have it. */
static uint32_t longest_at(const text_synonyms *s, const text_tags *tags, const text_said *said, uint32_t n, uint32_t at,
                           uint64_t key[CONFIG_MAX_LANGUAGES + 1], arena *a)
{
    uint32_t longest = 0, first;
    for (uint32_t c = 0; c < tags->n; c++) {
        uint64_t k = key_begin(tags->code[c]);
        key[c] = 0;
        for (uint32_t i = at; i < n && i - at < s->longest && said[i].run == said[at].run; i++) {
            k = key_add(k, tags->code[c], said[i].surface, said[i].stemmed, a);
            if (i - at + 1 < longest || !pairs_of(s, k, &first)) continue;
            if (i - at + 1 > longest)
                for (uint32_t d = 0; d < c; d++) key[d] = 0; /* shorter ones of other languages */
            longest = i - at + 1;
            key[c] = k;
        }
    }
    return longest;
}

static void give(const text_analyzer *t, const text_tags *tags, const uint64_t *key, const text_said *said, uint32_t length,
                 text_word *word, arena *a)
{
    bool all_stop = true;
    for (uint32_t i = 0; i < length; i++)
        all_stop &= said[i].word == UINT32_MAX || word[said[i].word].stop;
    for (uint32_t i = 0; i < length; i++) {
        text_word *w = said[i].word == UINT32_MAX ? NULL : &word[said[i].word];
        if (!w) continue;
        if (all_stop) w->stop = false;
        for (uint32_t c = 0; c < tags->n; c++) {
            uint32_t first = 0, n = key[c] ? pairs_of(t->synonyms, key[c], &first) : 0;
            for (uint32_t k = first; k < first + n; k++) {
                const text_synonym *x = in_languages(t, tags, t->synonyms->pair[k].to, a);
                if (x) add_synonym(w, x, a);
            }
        }
    }
}

void text_synonyms_match(const text_analyzer *t, const text_tags *tags, const text_said *said, uint32_t n_said, text_word *word,
                         uint32_t n_words, arena *a)
{
    uint64_t key[CONFIG_MAX_LANGUAGES + 1];
    if (!t->synonyms || !t->synonyms->n) return;
    for (uint32_t i = 0; i < n_words; i++) {
        word[i].synonym = NULL;
        word[i].n_synonyms = 0;
    }
    for (uint32_t i = 0; i < n_said;) {
        uint32_t length = longest_at(t->synonyms, tags, said, n_said, i, key, a);
        if (length) give(t, tags, key, said + i, length, word, a);
        i += length ? length : 1;
    }
}
