/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading data sets for quality tools: see quality_items.h. */
#include "quality_items.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void read_all(const char *path, buffer *text)
{
    sinter_error e = SINTER_ERROR_INIT;
    if (file_read(path, 1u << 30, text, &e) != SINTER_OK) {
        char line[1600];
        fprintf(stderr, "%s\n", error_line(&e, line, sizeof line));
        exit(1);
    }
}

static void split_cells(char *line, quality_row *row)
{
    for (size_t i = 0; i < ARRAY_LEN(row->cell); i++) {
        char *tab = line ? strchr(line, '\t') : NULL;
        row->cell[i] = line ? line : "";
        if (tab)
            *tab = 0;
        line = tab ? tab + 1 : NULL;
    }
}

quality_table quality_read(const char *path)
{
    quality_table t = {0};
    size_t cap = 0;
    read_all(path, &t.text);
    for (char *line = t.text.data, *end; line && *line; line = end ? end + 1 : NULL) {
        end = strchr(line, '\n');
        if (end)
            *end = 0;
        if (t.n_rows == cap) {
            cap = cap * 2 + 1024;
            t.row = xrealloc(t.row, cap * sizeof *t.row);
        }
        split_cells(line, &t.row[t.n_rows++]);
    }
    return t;
}

void quality_free(quality_table *t)
{
    buffer_free(&t->text);
    free(t->row);
}

typedef struct maker {
    arena *a;
    Sinter__V1__Item *item;
    size_t cap;
} maker;

static Sinter__V1__Value *add_field(maker *m, const char *name)
{
    Sinter__V1__Item *item = m->item;
    if (item->n_fields == m->cap) {
        m->cap = m->cap * 2 + 8;
        Sinter__V1__Item__FieldsEntry **fresh = ARENA_ARRAY(m->a, Sinter__V1__Item__FieldsEntry *, m->cap);
        if (item->n_fields)
            memcpy(fresh, item->fields, item->n_fields * sizeof *fresh);
        item->fields = fresh;
    }
    Sinter__V1__Item__FieldsEntry *entry = ARENA_NEW(m->a, Sinter__V1__Item__FieldsEntry);
    sinter__v1__item__fields_entry__init(entry);
    entry->key = arena_strdup(m->a, name);
    entry->value = ARENA_NEW(m->a, Sinter__V1__Value);
    sinter__v1__value__init(entry->value);
    item->fields[item->n_fields++] = entry;
    return entry->value;
}

static void add_string(maker *m, const char *name, const char *text)
{
    Sinter__V1__Value *v = add_field(m, name);
    v->kind_case = SINTER__V1__VALUE__KIND_STRING_VALUE;
    v->string_value = arena_strdup(m->a, text);
}

static void add_strings(maker *m, const char *name, json_t *list)
{
    Sinter__V1__Value *v = add_field(m, name);
    v->kind_case = SINTER__V1__VALUE__KIND_STRINGS_VALUE;
    v->strings_value = ARENA_NEW(m->a, Sinter__V1__Strings);
    sinter__v1__strings__init(v->strings_value);
    v->strings_value->values = ARENA_ARRAY(m->a, char *, json_array_size(list) + 1);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_is_string(json_array_get(list, i)))
            v->strings_value->values[v->strings_value->n_values++] =
                arena_strdup(m->a, json_string_value(json_array_get(list, i)));
}

static void add_object(maker *m, const char *prefix, json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        const char *name = *prefix ? arena_printf(m->a, "%s.%s", prefix, key) : key;
        if (json_is_object(value))
            add_object(m, name, value);
        else if (json_is_array(value))
            add_strings(m, name, value);
        else if (json_is_string(value) && strcmp(name, "id") != 0)
            add_string(m, name, json_string_value(value));
    }
}

static Sinter__V1__Item *new_item(maker *m, const char *id)
{
    m->item = ARENA_NEW(m->a, Sinter__V1__Item);
    m->cap = 0;
    sinter__v1__item__init(m->item);
    m->item->id = arena_strdup(m->a, id);
    return m->item;
}

static void add_item(quality_items *out, uint32_t *cap, Sinter__V1__Item *item)
{
    if (out->n == *cap) {
        *cap = *cap * 2 + 4096;
        out->item = xrealloc(out->item, *cap * sizeof *out->item);
    }
    out->item[out->n++] = item;
}

static void index_ids(quality_items *out)
{
    out->slots = 1;
    while (out->slots < out->n * 2 + 2)
        out->slots *= 2;
    out->slot = xcalloc(out->slots, sizeof *out->slot);
    for (uint32_t i = 0; i < out->n; i++) {
        uint32_t at = (uint32_t)hash64(out->item[i]->id, strlen(out->item[i]->id)) & (out->slots - 1);
        while (out->slot[at])
            at = (at + 1) & (out->slots - 1);
        out->slot[at] = i + 1;
    }
}

quality_items quality_load(const char *path)
{
    quality_items out = {.memory = arena_new(1u << 22)};
    maker m = {.a = out.memory};
    uint32_t cap = 0;
    quality_table t;
    size_t n = strlen(path);
    bool tsv = n > 4 && strcmp(path + n - 4, ".tsv") == 0;
    if (tsv) {
        t = quality_read(path);
        for (size_t i = 1; i < t.n_rows; i++) {
            add_item(&out, &cap, new_item(&m, t.row[i].cell[0]));
            for (size_t k = 1; k < ARRAY_LEN(t.row->cell); k++)
                if (*t.row[0].cell[k])
                    add_string(&m, t.row[0].cell[k], t.row[i].cell[k]);
        }
        quality_free(&t);
    } else {
        buffer text = {0};
        read_all(path, &text);
        for (char *line = text.data, *end; line && *line; line = end ? end + 1 : NULL) {
            end = strchr(line, '\n');
            json_t *object = json_loadb(line, end ? (size_t)(end - line) : strlen(line), 0, NULL);
            add_item(&out, &cap, new_item(&m, json_string_value(json_object_get(object, "id"))));
            add_object(&m, "", object);
            json_decref(object);
        }
        buffer_free(&text);
    }
    index_ids(&out);
    return out;
}

uint32_t quality_ordinal(const quality_items *items, const char *id)
{
    uint32_t at = (uint32_t)hash64(id, strlen(id)) & (items->slots - 1);
    for (; items->slot[at]; at = (at + 1) & (items->slots - 1))
        if (strcmp(items->item[items->slot[at] - 1]->id, id) == 0)
            return (uint32_t)items->slot[at] - 1;
    return UINT32_MAX;
}
