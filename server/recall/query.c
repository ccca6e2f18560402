/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The query language: words, "phrases", field:word, -word. */
#include "text_private.h"

#include <stdio.h>
#include <string.h>

/* A measure is counted beside its number and its unit, and a unit's name says little by itself. Chosen on the training
 * judgments of home-improvement. */
#define MEASURE_BOOST 0.5
#define UNIT_BOOST 0.5

typedef struct parser {
    const text_analyzer *t;
    arena *a;
    text_tags tags;
    text_word word[TEXT_MAX_WORDS];
    uint32_t n, dropped;
    int32_t phrases;
    text_said said[2 * TEXT_MAX_WORDS];
    uint32_t n_said, runs;
    buffer normalised;
} parser;

sinter_status text_tags_of(const text_analyzer *t, const char *language, text_tags *out, sinter_error *e)
{
    *out = (text_tags){.n = 0};
    if (!language || !*language) {
        memcpy(out->code, t->code, sizeof t->code);
        out->n = t->n_codes;
        return SINTER_OK;
    }
    const char *code = text_language_code(language);
    for (uint32_t i = 0; code && i < t->n_codes; i++)
        if (strcmp(t->code[i], code) == 0)
            out->code[out->n++] = t->code[i];
    if (!out->n) {
        buffer known = {0};
        for (uint32_t i = 0; i < t->n_codes; i++)
            buffer_printf(&known, "%s%s", i ? ", " : "Valid: ", strcmp(t->code[i], TEXT_NO_LANGUAGE) ? t->code[i] : "none");
        sinter_status s = error_set(e, SINTER_INVALID, "options.language", known.data,
                                    "language \"%.40s\" is not one of the collection's", language);
        buffer_free(&known);
        return s;
    }
    if (t->neutral)
        out->code[out->n++] = TEXT_NO_LANGUAGE;
    return SINTER_OK;
}

void text_word_set(const text_tags *tags, str surface, bool stemmed, arena *a, text_word *w)
{
    str *term = ARENA_ARRAY(a, str, tags->n + 1);
    w->surface = w->stem = surface;
    w->language = tags->code[0];
    w->n_terms = 0;
    if (!stemmed)
        term[w->n_terms++] = text_term(a, TEXT_NO_LANGUAGE, surface);
    for (uint32_t i = 0; stemmed && i < tags->n; i++) {
        str stem = text_stem(tags->code[i], surface, a);
        if (i == 0)
            w->stem = stem;
        term[w->n_terms++] = text_term(a, tags->code[i], stem);
    }
    w->term = term;
}

static bool is_stemmed(const text_token *k)
{
    return k->kind == TOKEN_WORD || (k->kind == TOKEN_JOINED && !k->unit);
}

static void add_alternatives(parser *p, text_word *w, const text_word *other)
{
    str *term = ARENA_ARRAY(p->a, str, w->n_terms + other->n_terms);
    memcpy(term, w->term, w->n_terms * sizeof *term);
    memcpy(term + w->n_terms, other->term, other->n_terms * sizeof *term);
    w->term = term;
    w->n_terms += other->n_terms;
}

static bool same_word(const text_word *x, const text_word *y)
{
    return x->phrase < 0 && y->phrase < 0 && x->excluded == y->excluded && x->groups == y->groups &&
           x->optional == y->optional && str_eq(x->term[0], y->term[0]);
}

/* Where it stands; UINT32_MAX: it was dropped. */
static uint32_t add_word(parser *p, const text_word *w)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (same_word(&p->word[i], w)) {
            p->word[i].boost += w->boost;
            return i;
        }
    if (p->n == TEXT_MAX_WORDS) {
        p->dropped++;
        return UINT32_MAX;
    }
    p->word[p->n] = *w;
    return p->n++;
}

static bool base_token(const text_token *k)
{
    return k->kind == TOKEN_WORD || k->kind == TOKEN_EXACT;
}

/* A run of plain text, one phrase, or what is excluded. */
typedef struct segment {
    str text;
    uint32_t groups;
    bool quoted, excluded;
} segment;

static void add_joined(parser *p, const text_tokens *tokens, const text_token *part, text_word *w)
{
    for (uint32_t i = 0; i < tokens->n; i++) {
        const text_token *k = &tokens->token[i];
        if (k->kind != TOKEN_JOINED || part->position < k->position || part->position >= k->position + k->span)
            continue;
        text_word joined = {0};
        text_word_set(&p->tags, k->text, is_stemmed(k), p->a, &joined);
        add_alternatives(p, w, &joined);
    }
}

/* What "-wi-fi" and "-6ft" exclude is the compound or measure; otherwise several words are excluded as a phrase. */
static const text_token *whole_token(const text_tokens *tokens)
{
    for (uint32_t i = 0; i < tokens->n; i++)
        if (!base_token(&tokens->token[i]) && tokens->token[i].span == tokens->positions)
            return &tokens->token[i];
    return NULL;
}

static void add_segment(parser *p, const segment *s)
{
    text_tokens tokens = {0};
    text_tokenise(p->a, text_normalise(p->a, s->text), p->t->schema->units, &tokens);
    const text_token *whole = s->excluded && !s->quoted ? whole_token(&tokens) : NULL;
    bool phrase = !whole && tokens.positions > 1 && (s->quoted || s->excluded);
    int32_t number = phrase ? p->phrases++ : -1;
    uint32_t run = p->runs++;
    for (uint32_t i = 0; i < tokens.n; i++) {
        const text_token *k = &tokens.token[i];
        if (whole ? k != whole : !base_token(k) && (phrase || s->quoted || k->kind == TOKEN_JOINED))
            continue;
        text_word w = {.groups = s->groups, .phrase = number, .excluded = s->excluded, .position = k->position, .boost = 1};
        text_word_set(&p->tags, k->text, is_stemmed(k), p->a, &w);
        w.stop = k->kind == TOKEN_WORD && !k->unit && text_is_stop(p->t, k->text);
        w.optional = k->kind == TOKEN_MEASURE && !whole;
        w.boost = w.optional ? MEASURE_BOOST : k->unit && k->kind == TOKEN_WORD ? UNIT_BOOST : 1;
        if (base_token(k) && !s->excluded)
            buffer_printf(&p->normalised, "%s%.*s", p->normalised.len ? " " : "", (int)k->text.n, k->text.s);
        if (!phrase && !s->excluded && base_token(k))
            add_joined(p, &tokens, k, &w);
        uint32_t at = add_word(p, &w);
        if (base_token(k) && !s->quoted && !s->excluded && p->n_said < ARRAY_LEN(p->said))
            p->said[p->n_said++] = (text_said){.surface = k->text, .stemmed = is_stemmed(k), .run = run, .word = at};
    }
}

/* ---- syntax ------------------------------------------------------------------------------------------------------- */

static bool word_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80);
}

/* Length of `name:` at s when something follows that can be a word; 0: none. */
static size_t field_prefix(str s)
{
    size_t n = 0;
    if (!s.n || !((s.s[0] | 32) >= 'a' && (s.s[0] | 32) <= 'z'))
        return 0;
    while (n < s.n && ((word_byte(s.s[n]) && !(s.s[n] & 0x80)) || s.s[n] == '_' || s.s[n] == '.'))
        n++;
    return n + 1 < s.n && s.s[n] == ':' && (word_byte(s.s[n + 1]) || s.s[n + 1] == '"') ? n + 1 : 0;
}

static const char *near_field(const config_collection *schema, arena *a, const char *name)
{
    const char **names = ARENA_ARRAY(a, const char *, schema->n_fields + 1);
    size_t n = 0;
    for (uint32_t i = 0; i < schema->n_fields; i++)
        if (schema->field[i].searchable && !schema->field[i].pattern)
            names[n++] = schema->field[i].name;
    return near_name(name, names, n);
}

/* The mask of the group that a field has to itself. */
static sinter_status groups_of(const parser *p, str name, uint32_t *groups, sinter_error *e)
{
    const config_collection *schema = p->t->schema;
    const char *text = arena_strndup(p->a, name.s, name.n);
    const config_field *f = text_field_of(schema, text);
    char fix[384];
    if (!f || !f->searchable) {
        const char *close = near_field(schema, p->a, text);
        snprintf(fix, sizeof fix, close ? "Did you mean \"%s\"? A colon that means no field: put a space after it."
                                        : "A colon that means no field: put a space after it.%s", close ? close : "");
        return error_set(e, f ? SINTER_INVALID : SINTER_INVALID, "text", fix, f ? "field \"%.80s\" is not searchable" : "no field \"%.80s\"", text);
    }
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        const config_field *other = &schema->field[i];
        if (other != f && other->searchable && other->group_index == f->group_index) {
            snprintf(fix, sizeof fix, "Give the field a group of its own in the collection's YAML (and rebuild the index).");
            return error_set(e, SINTER_INVALID, "text", fix,
                             "field \"%.80s\" shares group \"%s\" with \"%s\": words in it alone cannot be told apart", text,
                             schema->group[f->group_index].name, other->name);
        }
    }
    if (f->pattern) {
        snprintf(fix, sizeof fix, "Declare the field by itself, in a group of its own.");
        return error_set(e, SINTER_INVALID, "text", fix, "field \"%.80s\" shares group \"%s\" with others of its pattern", text,
                         schema->group[f->group_index].name);
    }
    *groups = 1u << f->group_index;
    return SINTER_OK;
}

static size_t until_space(str s, size_t at)
{
    while (at < s.n && !strchr(" \t\r\n", s.s[at]))
        at++;
    return at;
}

static bool starts_here(str s, size_t at)
{
    return at == 0 || strchr(" \t\r\n(", s.s[at - 1]) != NULL;
}

/* A phrase, an excluded or a bound word at `at`: fills *out and returns where it ends; `at`: plain text. */
static sinter_status special(parser *p, str s, size_t at, segment *out, size_t *end, sinter_error *e)
{
    size_t i = at;
    *out = (segment){.groups = 0};
    *end = at;
    if (starts_here(s, i) && s.s[i] == '-' && i + 1 < s.n && (word_byte(s.s[i + 1]) || s.s[i + 1] == '"')) {
        out->excluded = true;
        i++;
    }
    size_t prefix = starts_here(s, at) ? field_prefix((str){s.s + i, s.n - i}) : 0;
    if (prefix) {
        sinter_status status = groups_of(p, (str){s.s + i, prefix - 1}, &out->groups, e);
        if (status != SINTER_OK) {
            error_where(e, "text:%zu", i + 1);
            return status;
        }
        i += prefix;
    }
    bool after_digit = i > 0 && s.s[i - 1] >= '0' && s.s[i - 1] <= '9';
    if (s.s[i] == '"' && !(after_digit && i == at)) {
        const char *close = memchr(s.s + i + 1, '"', s.n - i - 1);
        if (close) {
            out->quoted = true;
            out->text = (str){s.s + i + 1, (size_t)(close - (s.s + i + 1))};
            *end = (size_t)(close - s.s) + 1;
            return SINTER_OK;
        }
    }
    if (out->excluded || prefix) {
        *end = until_space(s, i);
        out->text = (str){s.s + i, *end - i};
    }
    return SINTER_OK;
}

static sinter_status parse(parser *p, str s, sinter_error *e)
{
    size_t plain = 0, at = 0;
    while (at < s.n) {
        segment special_one;
        size_t end = at;
        if (s.s[at] == '"' || starts_here(s, at)) {
            sinter_status status = special(p, s, at, &special_one, &end, e);
            if (status != SINTER_OK)
                return status;
        }
        if (end == at) {
            at++;
            continue;
        }
        if (at > plain)
            add_segment(p, &(segment){.text = {s.s + plain, at - plain}});
        add_segment(p, &special_one);
        at = plain = end;
    }
    if (at > plain)
        add_segment(p, &(segment){.text = {s.s + plain, at - plain}});
    return SINTER_OK;
}

/* ---- what remains ---------------------------------------------------------------------------------------------------- */

static bool all_stop(const parser *p, int32_t phrase)
{
    bool any = false;
    for (uint32_t i = 0; i < p->n; i++)
        if (!p->word[i].excluded && (phrase < 0 || p->word[i].phrase == phrase)) {
            if (!p->word[i].stop)
                return false;
            any = true;
        }
    return any;
}

static void drop_stops(parser *p)
{
    for (int32_t f = 0; f < p->phrases; f++)
        if (all_stop(p, f))
            for (uint32_t i = 0; i < p->n; i++)
                p->word[i].stop &= p->word[i].phrase != f;
    bool all = all_stop(p, -1);
    uint32_t n = 0, now[TEXT_MAX_WORDS];
    for (uint32_t i = 0; i < p->n; i++) {
        text_word *w = &p->word[i];
        if (all || w->excluded)
            w->stop = false;
        now[i] = w->stop && w->phrase < 0 ? UINT32_MAX : n;
        if (now[i] == UINT32_MAX)
            p->dropped++;
        else
            p->word[n++] = *w;
    }
    p->n = n;
    for (uint32_t i = 0; i < p->n_said; i++)
        if (p->said[i].word != UINT32_MAX)
            p->said[i].word = now[p->said[i].word];
}

static sinter_status minimum_of(const char *text, uint32_t words, uint32_t *out, sinter_error *e)
{
    size_t n = text ? strlen(text) : 0;
    bool percent = n && text[n - 1] == '%';
    uint64_t value = 0;
    if (n && (!parse_uint64((str){text, n - percent}, &value) || value > 10000 || (percent && value > 100)))
        return error_set(e, SINTER_INVALID, "options.minimum_should_match", "Valid: a count such as \"2\" or a share such as \"75%\".",
                         "cannot read \"%.40s\"", text);
    if (percent)
        value = value * words / 100;
    *out = (uint32_t)(value > words ? words : value);
    if (words && *out == 0)
        *out = 1;
    return SINTER_OK;
}

sinter_status text_query_finish(const text_analyzer *t, const text_query_options *o, arena *a, text_query *q, sinter_error *e)
{
    uint32_t counted = 0, scoring = 0;
    (void)a;
    for (uint32_t i = 0; i < q->n_words; i++) {
        scoring += text_word_scores(&q->word[i]);
        counted += text_word_scores(&q->word[i]) && !q->word[i].optional;
    }
    const char *minimum = o && o->minimum_should_match && *o->minimum_should_match ? o->minimum_should_match
                                                                                  : t->schema->minimum_should_match;
    q->operator_and = o && o->operator_and >= 0 ? o->operator_and > 0 : t->schema->operator_and;
    q->empty = scoring == 0;
    sinter_status s = minimum_of(minimum, counted, &q->minimum_match, e);
    if (q->operator_and)
        q->minimum_match = counted;
    return s;
}

sinter_status text_query_parse(const text_analyzer *t, const catalog_collection *c, str text, const text_query_options *o,
                               arena *a, text_query **out, sinter_error *e)
{
    (void)c;
    parser *p = ARENA_NEW(a, parser);
    text_query *q = ARENA_NEW(a, text_query);
    *p = (parser){.t = t, .a = a};
    *out = NULL;
    sinter_status s = text_tags_of(t, o ? o->language : NULL, &p->tags, e);
    if (s == SINTER_OK)
        s = parse(p, text, e);
    if (s == SINTER_OK) {
        text_synonyms_match(t, &p->tags, p->said, p->n_said, p->word, p->n, a);
        drop_stops(p);
        q->said = p->said;
        q->n_said = p->n_said;
        q->synonym_weight = t->schema->synonym_weight;
        q->text = arena_strndup(a, text.s ? text.s : "", text.n);
        q->normalised = arena_strndup(a, p->normalised.len ? p->normalised.data : "", p->normalised.len);
        q->word = p->word;
        q->n_words = p->n;
        q->n_dropped = p->dropped;
        s = text_query_finish(t, o, a, q, e);
    }
    buffer_free(&p->normalised);
    if (s == SINTER_OK)
        *out = q;
    return s;
}

uint32_t text_query_scoring(const text_query *q)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < q->n_words; i++) n += text_word_scores(&q->word[i]);
    return n;
}
