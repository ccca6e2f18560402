/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the journal's tests share: a folder that is made and removed, items packed by protobuf-c, appends that must
 * work. */
#ifndef TEST_JOURNAL_FIXTURE_H
#define TEST_JOURNAL_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/journal.h"

typedef Sinter__Storage__V1__Record record;

static inline char *folder_make(void)
{
    char path[] = "/tmp/sinter-journal-XXXXXX";
    assert_non_null(mkdtemp(path));
    return xasprintf("%s", path);
}

static inline void folder_remove(char *path)
{
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(dir_remove(path, &e), SINTER_OK);
    free(path);
}

static inline journal *must_open_kind(const char *dir, journal_kind kind)
{
    sinter_error e = SINTER_ERROR_INIT;
    journal *j;
    sinter_status s = journal_open(&(journal_options){.dir = dir, .kind = kind}, &j, &e);
    if (s) fail_msg("open: %s", e.what);
    return j;
}

static inline journal *must_open(const char *dir)
{
    return must_open_kind(dir, JOURNAL_CATALOGUE);
}

static inline uint32_t must_collection(journal *j, const char *name)
{
    uint32_t number;
    char uuid[37];
    sinter_error e = SINTER_ERROR_INIT;
    if (journal_collection(j, name, &number, uuid, &e)) fail_msg("collection: %s", e.what);
    assert_int_equal(strlen(uuid), 36);
    return number;
}

/* A packed item with a title, in a buffer to free. */
static inline str item_pack(const char *id, const char *title)
{
    Sinter__V1__Value value = SINTER__V1__VALUE__INIT;
    value.kind_case = SINTER__V1__VALUE__KIND_STRING_VALUE;
    value.string_value = (char *)(uintptr_t)title;
    Sinter__V1__Item__FieldsEntry field = SINTER__V1__ITEM__FIELDS_ENTRY__INIT, *fields[] = {&field};
    field.key = (char *)(uintptr_t) "title";
    field.value = &value;
    Sinter__V1__Item item = SINTER__V1__ITEM__INIT;
    item.id = (char *)(uintptr_t)id;
    item.n_fields = 1;
    item.fields = fields;
    char *p = xmalloc(sinter__v1__item__get_packed_size(&item));
    return (str){p, sinter__v1__item__pack(&item, (uint8_t *)p)};
}

/* A packed EventPut of a click at 2026-01-01, in a buffer to free. */
static inline str event_pack(uint32_t collection, const char *id, const char *item_id)
{
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    time.seconds = 1767225600;
    char *items[] = {(char *)(uintptr_t)item_id};
    Sinter__V1__Event event = SINTER__V1__EVENT__INIT;
    event.event_id = (char *)(uintptr_t)id;
    event.collection = (char *)(uintptr_t) "shop";
    event.type = (char *)(uintptr_t) "click";
    event.user_id = (char *)(uintptr_t) "u1";
    event.n_item_ids = 1;
    event.item_ids = items;
    event.time = &time;
    Sinter__Storage__V1__EventPut p = SINTER__STORAGE__V1__EVENT_PUT__INIT;
    p.collection = collection;
    p.event = &event;
    char *bytes = xmalloc(sinter__storage__v1__event_put__get_packed_size(&p));
    return (str){bytes, sinter__storage__v1__event_put__pack(&p, (uint8_t *)bytes)};
}

typedef struct put_options {
    const char *write_id;
    bool fenced;
    uint64_t fence;
} put_options;

static inline sinter_status try_put(journal *j, uint32_t collection, const char *id, const char *title, put_options o,
                                    journal_result *r)
{
    static _Thread_local sinter_error e;
    e = (sinter_error)SINTER_ERROR_INIT;
    str item = item_pack(id, title);
    journal_op op = {.kind = JOURNAL_PUT, .collection = collection, .id = str_of(id), .bytes = item};
    journal_write w = {
        .write_id = str_of(o.write_id ? o.write_id : ""), .op = &op, .n = 1, .fence = o.fenced ? o.fence : UINT64_MAX};
    sinter_status s = journal_append_wait(j, &w, r, &e);
    free((char *)(uintptr_t)item.s);
    return s;
}

static inline journal_result must_put(journal *j, uint32_t collection, const char *id, const char *title)
{
    journal_result r;
    if (try_put(j, collection, id, title, (put_options){0}, &r)) fail_msg("put: %s", r.error->what);
    return r;
}

static inline journal_result must_delete(journal *j, uint32_t collection, const char *id)
{
    sinter_error e = SINTER_ERROR_INIT;
    journal_result r;
    journal_op op = {.kind = JOURNAL_DELETE, .collection = collection, .id = str_of(id)};
    journal_write w = {.op = &op, .n = 1, .fence = UINT64_MAX};
    if (journal_append_wait(j, &w, &r, &e)) fail_msg("delete: %s", e.what);
    return r;
}

static inline journal_reader *must_reader(journal *j)
{
    sinter_error e = SINTER_ERROR_INIT;
    journal_reader *r;
    if (journal_reader_open(j, &r, &e)) fail_msg("reader: %s", e.what);
    return r;
}

static inline journal_verdict must_verify(const char *dir)
{
    sinter_error e = SINTER_ERROR_INIT;
    journal_verdict v;
    if (journal_verify(dir, JOURNAL_CATALOGUE, NULL, NULL, &v, &e)) fail_msg("verify: %s", e.what);
    return v;
}

#endif
