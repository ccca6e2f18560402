/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Marks of any text for any query (before the first line feed: the query; behind it: the text). Marks are whole characters, ascending
 * and apart; and a word of the query is marked exactly where the index itself would find it in that text. */
#include "recall/text_private.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static const config_field FIELDS[] = {
    {.name = "title", .type = FIELD_TEXT, .searchable = true, .stored = true, .weight = 1, .language = "en"},
};
static const config_collection SCHEMA = {.name = "fuzz", .file = "fuzz.yaml", .field = FIELDS, .n_fields = 1, .n_groups = 1,
                                         .group = {{.name = "title", .weight = 1, .b = 0.5}}, .k1 = 1.2, .language = {"en", "de"},
                                         .n_languages = 2, .units = true, .minimum_should_match = "", .stop_words = "default"};

static void document_of(const text_analyzer *t, char *text, arena *a, text_document *out)
{
    Sinter__V1__Value value = SINTER__V1__VALUE__INIT;
    Sinter__V1__Item__FieldsEntry entry = SINTER__V1__ITEM__FIELDS_ENTRY__INIT, *entries[1] = {&entry};
    Sinter__V1__Item item = SINTER__V1__ITEM__INIT;
    text_layout l;
    value.kind_case = SINTER__V1__VALUE__KIND_STRING_VALUE;
    value.string_value = text;
    entry.key = (char *)"title";
    entry.value = &value;
    item.fields = entries;
    item.n_fields = 1;
    require(text_layout_of(&SCHEMA, &l));
    text_document_of(t, &l, &item, a, out);
}

static const text_posting *posting_of(const text_document *d, str term)
{
    for (uint32_t i = 0; i < d->n; i++)
        if (str_eq(d->posting[i].term, term)) return &d->posting[i];
    return NULL;
}

static bool stands_at(const text_document *d, const text_word *w, uint32_t position)
{
    for (uint32_t k = 0; k < w->n_terms; k++) {
        const text_posting *p = posting_of(d, w->term[k]);
        for (uint32_t i = 0; p && i < p->n_positions; i++)
            if (p->position[i] == position) return true;
    }
    return false;
}

static bool has_word(const text_document *d, const text_word *w)
{
    for (uint32_t k = 0; k < w->n_terms; k++)
        if (posting_of(d, w->term[k])) return true;
    return false;
}

/* Whether all words of the phrase stand side by side, by the index's positions. */
static bool has_phrase(const text_document *d, const text_query *q, uint32_t first)
{
    const text_word *w = &q->word[first];
    for (uint32_t k = 0; k < w->n_terms; k++) {
        const text_posting *p = posting_of(d, w->term[k]);
        for (uint32_t i = 0; p && i < p->n_positions; i++) {
            bool whole = true;
            for (uint32_t j = first; j < q->n_words; j++)
                if (q->word[j].phrase == w->phrase)
                    whole &= stands_at(d, &q->word[j], p->position[i] + q->word[j].position - w->position);
            if (whole) return true;
        }
    }
    return false;
}

static void check_words(const text_query *q, const text_document *d, uint64_t marked)
{
    for (uint32_t i = 0; i < q->n_words; i++) {
        const text_word *w = &q->word[i];
        uint32_t first = 0;
        while (w->phrase >= 0 && q->word[first].phrase != w->phrase) first++;
        bool has = w->excluded ? false : w->phrase >= 0 ? has_phrase(d, q, first) : has_word(d, w);
        require(has == (marked >> i & 1));
    }
}

static void check_map(str text, arena *a)
{
    uint32_t *from;
    str plain = text_normalise(a, text), mapped = text_normalise_mapped(a, text, &from);
    require(str_eq(plain, mapped));
    for (size_t i = 0; from && i <= mapped.n; i++) {
        require(from[i] <= text.n && (i == 0 || from[i] >= from[i - 1] || mapped.n > 0));
        require(from[i] == text.n || ((unsigned char)text.s[from[i]] & 0xc0) != 0x80);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static arena *a;
    static text_analyzer *analyzer;
    if (!a) a = arena_new(1u << 16);
    if (!analyzer) require(text_analyzer_new(&SCHEMA, &analyzer, NULL) == SINTER_OK);
    arena_reset(a);
    const uint8_t *line = memchr(data, '\n', size);
    if (!line || memchr(line, 0, (size_t)(data + size - line)) || !utf8_valid((const char *)line, (size_t)(data + size - line), NULL)) return 0;
    text_query_options o = {.operator_and = -1};
    text_query *q;
    sinter_error e = SINTER_ERROR_INIT;
    if (text_query_parse(analyzer, NULL, (str){(const char *)data, (size_t)(line - data)}, &o, a, &q, &e)) return 0;
    char *text = arena_strndup(a, (const char *)line + 1, (size_t)(data + size - line - 1));
    str s = str_of(text);
    check_map(s, a);
    text_marker *m = text_marker_new(analyzer, q, a);
    text_mark *mark;
    uint32_t n;
    uint64_t marked = 0;
    text_marks(m, &FIELDS[0], s, a, &mark, &n);
    for (uint32_t i = 0; i < n; i++) {
        require(mark[i].start < mark[i].end && mark[i].end <= s.n && (i == 0 || mark[i].start >= mark[i - 1].end));
        require(utf8_valid(s.s + mark[i].start, mark[i].end - mark[i].start, NULL));
        marked |= mark[i].words;
    }
    text_document d;
    document_of(analyzer, text, a, &d);
    check_words(q, &d, marked);
    return 0;
}
