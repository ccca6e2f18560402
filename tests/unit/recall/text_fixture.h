/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A small collection for tests of text recall: a schema without YAML, items from strings, an index in a scratch folder. */
#ifndef SINTER_TEXT_FIXTURE_H
#define SINTER_TEXT_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recall/text_private.h"

typedef struct fixture {
    config_field field[8];
    config_collection schema;
    text_analyzer *analyzer;
    text_index *index;
    text_reader *reader;
    text_weights weights;
    arena *a;
    char dir[64];
    uint32_t n;
} fixture;

static inline void fixture_field(fixture *f, const char *name, field_type type, const char *language, uint32_t group)
{
    f->field[f->schema.n_fields++] = (config_field){.name = name, .pattern = strchr(name, '*') != NULL, .type = type,
                                                   .searchable = true, .filterable = type != FIELD_TEXT, .weight = 1,
                                                   .language = language, .group_index = group};
}

/* title and body in groups of their own; units on; English. Change f->schema before fixture_open. */
static inline void fixture_init(fixture *f)
{
    *f = (fixture){.a = arena_new(1u << 16)};
    f->schema = (config_collection){.name = "test", .file = "test.yaml", .field = f->field, .n_groups = 2, .k1 = 1.2,
                                    .language = {"en"}, .n_languages = 1, .units = true, .spelling = true,
                                    .minimum_should_match = "", .stop_words = "default"};
    f->schema.group[0] = (config_group){.name = "title", .weight = 2, .b = 0.5};
    f->schema.group[1] = (config_group){.name = "body", .weight = 1, .b = 0.7};
    fixture_field(f, "title", FIELD_TEXT, NULL, 0);
    fixture_field(f, "body", FIELD_TEXT, NULL, 1);
    snprintf(f->dir, sizeof f->dir, "/tmp/text_test.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
}

static inline void fixture_open(fixture *f)
{
    sinter_error e = SINTER_ERROR_INIT;
    text_index_state state;
    uint64_t sequence;
    assert_int_equal(text_analyzer_new(&f->schema, &f->analyzer, &e), SINTER_OK);
    assert_int_equal(text_index_open(f->dir, &f->schema, "uuid", f->analyzer, true, &f->index, &state, &sequence, NULL, &e),
                     SINTER_OK);
    text_weights_of(&f->schema, &f->weights);
}

/* Puts an item of up to four fields: name, value, name, value, …, NULL. */
static inline void fixture_put_at(fixture *f, uint32_t ordinal, ...)
{
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__Item item = SINTER__V1__ITEM__INIT;
    Sinter__V1__Item__FieldsEntry entry[4], *entries[4];
    Sinter__V1__Value value[4];
    va_list ap;
    va_start(ap, ordinal);
    for (const char *name; item.n_fields < 4 && (name = va_arg(ap, const char *)); item.n_fields++) {
        size_t i = item.n_fields;
        sinter__v1__item__fields_entry__init(&entry[i]);
        sinter__v1__value__init(&value[i]);
        value[i].kind_case = SINTER__V1__VALUE__KIND_STRING_VALUE;
        value[i].string_value = (char *)va_arg(ap, const char *);
        entry[i].key = (char *)name;
        entry[i].value = &value[i];
        entries[i] = &entry[i];
    }
    va_end(ap);
    item.fields = entries;
    assert_int_equal(text_index_put(f->index, NULL, ordinal, &item, &e), SINTER_OK);
}

static inline void fixture_put(fixture *f, const char *title, const char *body)
{
    fixture_put_at(f, f->n++, "title", title, "body", body, NULL);
}

static inline void fixture_commit(fixture *f)
{
    sinter_error e = SINTER_ERROR_INIT;
    text_reader_close(f->reader);
    assert_int_equal(text_index_commit(f->index, 1, &e), SINTER_OK);
    assert_int_equal(text_reader_open(f->index, &f->reader, &e), SINTER_OK);
}

static inline text_query *fixture_query(fixture *f, const char *text)
{
    sinter_error e = SINTER_ERROR_INIT;
    text_query_options o = {.operator_and = -1};
    text_query *q = NULL;
    if (text_query_parse(f->analyzer, NULL, str_of(text), &o, f->a, &q, &e) != SINTER_OK)
        fail_msg("%s: %s", text, e.what);
    return q;
}

static inline text_hits fixture_search(fixture *f, const char *text)
{
    sinter_error e = SINTER_ERROR_INIT;
    text_hits hits;
    const text_query *q = fixture_query(f, text);
    const text_scorer *s = text_scorer_new(f->reader, q, &f->weights, f->a, &e);
    assert_non_null(s);
    assert_int_equal(text_search(f->reader, q, s, NULL, NULL, 1000, true, true, f->a, &hits, &e), SINTER_OK);
    return hits;
}

/* Ordinals found, ascending, as "0 3 7". */
static inline const char *fixture_found(fixture *f, const char *text)
{
    text_hits h = fixture_search(f, text);
    char *out = arena_strdup(f->a, "");
    for (uint32_t item = 0; item < f->n; item++)
        for (uint32_t i = 0; i < h.n; i++)
            if (h.item[i] == item)
                out = arena_printf(f->a, "%s%s%u", out, *out ? " " : "", item);
    return out;
}

static inline void fixture_close(fixture *f)
{
    sinter_error e = SINTER_ERROR_INIT;
    text_reader_close(f->reader);
    text_index_close(f->index, false);
    text_analyzer_free(f->analyzer);
    arena_free(f->a);
    dir_remove(f->dir, &e);
}

#endif
