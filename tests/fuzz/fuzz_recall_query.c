/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a query, and as an item's text: parsed or refused with a place, searched, corrected; what is found is in order. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recall/text_private.h"
#include "fuzz.h"

static const config_field FIELDS[] = {
    {.name = "title", .type = FIELD_TEXT, .searchable = true, .weight = 1, .group_index = 0},
    {.name = "body", .type = FIELD_TEXT, .searchable = true, .weight = 1, .language = "de", .group_index = 1},
    {.name = "more", .type = FIELD_TEXT, .searchable = true, .weight = 1, .language = "none", .group_index = 1},
};
static const config_collection SCHEMA = {.name = "fuzz", .file = "fuzz.yaml", .field = FIELDS, .n_fields = ARRAY_LEN(FIELDS),
                                         .n_groups = 2, .group = {{.name = "title", .weight = 2, .b = 0.5}, {.name = "rest", .weight = 1, .b = 0.5}},
                                         .k1 = 1.2, .language = {"en", "de"}, .n_languages = 2, .units = true, .spelling = true,
                                         .minimum_should_match = "", .stop_words = "default"};
static text_analyzer *analyzer;
static text_reader *reader;

static void put(text_index *x, uint32_t ordinal, const char *title, const char *body)
{
    Sinter__V1__Value value[2] = {SINTER__V1__VALUE__INIT, SINTER__V1__VALUE__INIT};
    Sinter__V1__Item__FieldsEntry entry[2] = {SINTER__V1__ITEM__FIELDS_ENTRY__INIT, SINTER__V1__ITEM__FIELDS_ENTRY__INIT};
    Sinter__V1__Item__FieldsEntry *entries[2] = {&entry[0], &entry[1]};
    Sinter__V1__Item item = SINTER__V1__ITEM__INIT;
    const char *names[2] = {"title", "body"}, *texts[2] = {title, body};
    for (int i = 0; i < 2; i++) {
        value[i].kind_case = SINTER__V1__VALUE__KIND_STRING_VALUE;
        value[i].string_value = (char *)texts[i];
        entry[i].key = (char *)names[i];
        entry[i].value = &value[i];
    }
    item.fields = entries;
    item.n_fields = 2;
    require(text_index_put(x, NULL, ordinal, &item, NULL) == SINTER_OK);
}

static void open_once(void)
{
    char dir[] = "/tmp/fuzz_query.XXXXXX";
    text_index *x;
    text_index_state state;
    uint64_t sequence;
    if (reader)
        return;
    require(mkdtemp(dir) != NULL);
    require(text_analyzer_new(&SCHEMA, &analyzer, NULL) == SINTER_OK);
    require(text_index_open(dir, &SCHEMA, "u", analyzer, true, &x, &state, &sequence, NULL, NULL) == SINTER_OK);
    put(x, 0, "red wi-fi router", "Häuser am Meer");
    put(x, 1, "the 6 ft. x 8 ft. fence", "無線耳機 1/2 in");
    put(x, 5, "to be or not", "rote Häuser");
    require(text_index_commit(x, 1, NULL) == SINTER_OK && text_reader_open(x, &reader, NULL) == SINTER_OK);
    text_index_close(x, false);
    dir_remove(dir, NULL); /* the reader holds its files */
}

static void check_hits(const text_query *q, arena *a)
{
    sinter_error e = SINTER_ERROR_INIT;
    text_weights w;
    text_hits h;
    text_weights_of(&SCHEMA, &w);
    const text_scorer *s = text_scorer_new(reader, q, &w, a, &e);
    require(s && text_search(reader, q, s, NULL, NULL, 10, true, true, a, &h, &e) == SINTER_OK);
    for (uint32_t i = 0; i < h.n; i++) {
        require(isfinite(h.score[i]) && h.score[i] >= 0 && h.item[i] < 6);
        require(i == 0 || h.score[i] < h.score[i - 1] || (h.score[i] == h.score[i - 1] && h.item[i] > h.item[i - 1]));
    }
}

static void check_document(const char *text, arena *a)
{
    Sinter__V1__Value value = SINTER__V1__VALUE__INIT;
    Sinter__V1__Item__FieldsEntry entry = SINTER__V1__ITEM__FIELDS_ENTRY__INIT, *entries[1] = {&entry};
    Sinter__V1__Item item = SINTER__V1__ITEM__INIT;
    text_layout l;
    text_document d;
    value.kind_case = SINTER__V1__VALUE__KIND_STRING_VALUE;
    value.string_value = (char *)text;
    entry.key = (char *)"title";
    entry.value = &value;
    item.fields = entries;
    item.n_fields = 1;
    require(text_layout_of(&SCHEMA, &l));
    text_document_of(analyzer, &l, &item, a, &d);
    for (uint32_t i = 0; i < d.n; i++) {
        require(d.posting[i].term.n > 0 && d.posting[i].term.n <= 245);
        require(text_count(&l, 0, d.posting[i].packed) >= 1 && !(d.posting[i].packed & l.mask[1]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static arena *a;
    sinter_error e = SINTER_ERROR_INIT;
    text_query *q;
    if (!a)
        a = arena_new(1u << 16);
    arena_reset(a);
    open_once();
    text_query_options o = {.operator_and = size & 1, .minimum_should_match = size & 2 ? "75%" : ""};
    if (text_query_parse(analyzer, NULL, (str){(const char *)data, size}, &o, a, &q, &e) != SINTER_OK) {
        size_t column = 0;
        require(e.status == SINTER_INVALID && sscanf(e.where, "text:%zu", &column) == 1 && column >= 1 && column <= size);
    } else {
        require(q->n_words <= TEXT_MAX_WORDS && q->minimum_match <= q->n_words);
        check_hits(q, a);
        require(text_correct(reader, analyzer, NULL, &q, &o, a, &e) == SINTER_OK);
        check_hits(q, a);
    }
    check_document(arena_strndup(a, (const char *)data, size), a);
    return 0;
}
