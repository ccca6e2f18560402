/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The analyzer of a collection: its languages and stop words; index terms of words and keywords; fields of names. */
#include "text_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_number(const void *x, const void *y)
{
    uint64_t p = *(const uint64_t *)x, q = *(const uint64_t *)y;
    return p < q ? -1 : p > q;
}

static void add_stop(text_analyzer *t, str word)
{
    if (!word.n)
        return;
    t->stop = xrealloc(t->stop, (t->n_stop + 1) * sizeof *t->stop);
    t->stop[t->n_stop++] = hash64(word.s, word.n);
}

static sinter_status read_stop_file(text_analyzer *t, const char *path, sinter_error *e)
{
    buffer text = {0};
    sinter_status s = file_read(path, 1u << 20, &text, e);
    if (s != SINTER_OK)
        return s;
    arena *a = arena_new(1u << 14);
    str all = text_normalise(a, (str){text.data, text.len});
    for (size_t i = 0, start = 0; i <= all.n; i++) /* control characters are spaces by now */
        if (i == all.n || all.s[i] == ' ') {
            add_stop(t, (str){all.s + start, i - start});
            start = i + 1;
        }
    arena_free(a);
    buffer_free(&text);
    return SINTER_OK;
}

static sinter_status read_stops(text_analyzer *t, sinter_error *e)
{
    const char *which = t->schema->stop_words;
    if (which && strcmp(which, "default") != 0) {
        sinter_status s = read_stop_file(t, which, e);
        if (s != SINTER_OK)
            return s;
    } else
        for (uint32_t i = 0; which && i < t->n_codes; i++) {
            uint32_t n;
            const char *const *word = text_stop_words(t->code[i], &n);
            for (uint32_t k = 0; k < n; k++)
                add_stop(t, str_of(word[k]));
        }
    if (t->n_stop)
        qsort(t->stop, t->n_stop, sizeof *t->stop, by_number);
    return SINTER_OK;
}

const char *text_field_code(const config_collection *schema, const config_field *f)
{
    const char *language = f->language ? f->language : schema->n_languages ? schema->language[0] : "none";
    const char *code = text_language_code(language);
    return code ? code : TEXT_NO_LANGUAGE;
}

sinter_status text_analyzer_new(const config_collection *schema, text_analyzer **out, sinter_error *e)
{
    text_analyzer *t = xcalloc(1, sizeof *t);
    *out = NULL;
    t->schema = schema;
    for (uint32_t i = 0; i < schema->n_languages; i++) {
        const char *code = text_language_code(schema->language[i]);
        if (!code) {
            text_analyzer_free(t);
            return error_set(e, SINTER_INVALID, schema->file, "Use a Snowball language such as \"en\" or \"german\", or \"none\".",
                             "collection %s: no stemmer for language \"%s\"", schema->name, schema->language[i]);
        }
        t->code[t->n_codes++] = code;
    }
    for (uint32_t i = 0; i < schema->n_fields && !t->neutral; i++)
        t->neutral = schema->field[i].searchable &&
                     strcmp(text_field_code(schema, &schema->field[i]), TEXT_NO_LANGUAGE) == 0;
    if (t->neutral || !t->n_codes)
        t->code[t->n_codes++] = TEXT_NO_LANGUAGE;
    sinter_status s = read_stops(t, e);
    if (s == SINTER_OK && schema->synonyms)
        s = text_synonyms_read(t, schema->synonyms, e);
    if (s != SINTER_OK) {
        text_analyzer_free(t);
        return s;
    }
    *out = t;
    return SINTER_OK;
}

void text_analyzer_free(text_analyzer *t)
{
    if (!t)
        return;
    text_synonyms_free(t->synonyms);
    free(t->stop);
    free(t);
}

bool text_is_stop(const text_analyzer *t, str word)
{
    uint64_t key = hash64(word.s, word.n);
    return t->n_stop && bsearch(&key, t->stop, t->n_stop, sizeof key, by_number);
}

static str hashed_term(arena *a, const char *prefix, str text)
{
    uint64_t h[2];
    hash128(text.s, text.n, h);
    char *out = arena_printf(a, "%s\x1f%016llx%016llx", prefix, (unsigned long long)h[1], (unsigned long long)h[0]);
    return str_of(out);
}

str text_term(arena *a, const char *code, str stem)
{
    char prefix[4] = {'T', code[0], code[1], 0};
    if (stem.n > TEXT_MAX_TERM - 3)
        return hashed_term(a, prefix, stem);
    char *out = arena_alloc(a, stem.n + 4);
    memcpy(out, prefix, 3);
    memcpy(out + 3, stem.s, stem.n);
    out[stem.n + 3] = 0;
    return (str){out, stem.n + 3};
}

str text_keyword_term(arena *a, const char *field, str value)
{
    char prefix[20];
    snprintf(prefix, sizeof prefix, "K%016llx", (unsigned long long)hash64(field, strlen(field)));
    if (value.n > TEXT_MAX_TERM - 17)
        return hashed_term(a, prefix, value);
    char *out = arena_alloc(a, value.n + 18);
    memcpy(out, prefix, 17);
    memcpy(out + 17, value.s, value.n);
    out[value.n + 17] = 0;
    return (str){out, value.n + 17};
}

/* A * stands for any characters, also none. */
static bool matches(const char *pattern, const char *name)
{
    const char *star = NULL, *resume = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            resume = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++resume;
        } else
            return false;
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

const config_field *text_field_of(const config_collection *schema, const char *name)
{
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        const config_field *f = &schema->field[i];
        if (f->pattern ? matches(f->name, name) : strcmp(f->name, name) == 0)
            return f;
    }
    return NULL;
}
