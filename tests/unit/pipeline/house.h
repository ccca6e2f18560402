/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A small real house for pipeline tests: a temporary data directory, YAML written by the test, the built plugins, real journals
 * and indexes; items go in through the journal and are searched through pipeline_search. */
#ifndef TESTS_PIPELINE_HOUSE_H
#define TESTS_PIPELINE_HOUSE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "pipeline/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct house {
    char dir[64];
    engine *engine;
    uint32_t collection;
} house;

static inline void house_write(const char *dir, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static inline void house_fail(const char *what, const sinter_error *e)
{
    char line[1536];
    fail_msg("%s: %s", what, error_line(e, line, sizeof line));
}

/* Writes the configuration; collection `things` and pipelines as given (name, YAML pairs, NULL-terminated). */
static inline void house_configure(house *h, const char *collection, const char *const *pipelines)
{
    char server[1024];
    const char *build = getenv("SINTER_BUILD");
    snprintf(h->dir, sizeof h->dir, "/tmp/sinter-house-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    snprintf(server, sizeof server, "listen: 127.0.0.1:0\ndata_dir: %s/data\nplugin_dirs: [%s/plugins, %s/zoo]\nlanes: 2\n", h->dir,
             build ? build : "build/release", build ? build : "build/release");
    house_write(h->dir, "sinter.yaml", server);
    char path[128];
    const char *const folders[] = {"collections", "pipelines"};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", h->dir, folders[i]);
        mkdir(path, 0700);
    }
    house_write(h->dir, "collections/things.yaml", collection);
    for (; *pipelines; pipelines += 2) {
        snprintf(path, sizeof path, "pipelines/%s.yaml", pipelines[0]);
        house_write(h->dir, path, pipelines[1]);
    }
}

static inline void house_open(house *h)
{
    sinter_error e = SINTER_ERROR_INIT;
    char path[128];
    config *c;
    snprintf(path, sizeof path, "%s/sinter.yaml", h->dir);
    if (config_load(path, &c, &e)) house_fail("config_load", &e);
    if (engine_open(c, 2, NULL, &h->engine, &e)) house_fail("engine_open", &e);
    char uuid[37];
    if (journal_collection(engine_journal(h->engine), "things", &h->collection, uuid, &e)) house_fail("collection", &e);
}

static inline void house_close(house *h)
{
    sinter_error e = SINTER_ERROR_INIT;
    engine_close(h->engine);
    dir_remove(h->dir, &e);
}

static inline Sinter__V1__Item__FieldsEntry *house_field(arena *a, const char *name)
{
    Sinter__V1__Item__FieldsEntry *f = ARENA_NEW(a, Sinter__V1__Item__FieldsEntry);
    sinter__v1__item__fields_entry__init(f);
    f->key = arena_strdup(a, name);
    f->value = ARENA_NEW(a, Sinter__V1__Value);
    sinter__v1__value__init(f->value);
    return f;
}

/* An item of "name=value" pairs: numbers where they parse, else strings. NULL-terminated. */
static inline void house_put(house *h, const char *id, const char *const *pairs)
{
    arena *a = arena_new(4096);
    Sinter__V1__Item item;
    sinter__v1__item__init(&item);
    item.id = (char *)(uintptr_t)id;
    item.fields = ARENA_ARRAY(a, Sinter__V1__Item__FieldsEntry *, 32);
    for (; *pairs; pairs++) {
        const char *eq = strchr(*pairs, '=');
        Sinter__V1__Item__FieldsEntry *f = house_field(a, arena_strndup(a, *pairs, (size_t)(eq - *pairs)));
        double number;
        if (parse_double(str_of(eq + 1), &number)) {
            f->value->kind_case = SINTER__V1__VALUE__KIND_NUMBER_VALUE;
            f->value->number_value = number;
        } else {
            f->value->kind_case = SINTER__V1__VALUE__KIND_STRING_VALUE;
            f->value->string_value = arena_strdup(a, eq + 1);
        }
        item.fields[item.n_fields++] = f;
    }
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__Item *normal;
    Sinter__V1__FieldViolation **bad;
    size_t n_bad = 0;
    pipeline_lane *l = pipeline_lane_get(h->engine, 0);
    pipeline_lane_begin(l);
    catalog_collection *c = views_current(engine_views(h->engine))->collection[0].catalog;
    if (catalog_check_item(c, &item, "item", a, &normal, &bad, &n_bad))
        fail_msg("%s: %s: %s", id, n_bad ? bad[0]->field : "", n_bad ? bad[0]->description : "");
    pipeline_lane_end(l);
    size_t size = sinter__v1__item__get_packed_size(normal);
    uint8_t *bytes = arena_alloc(a, size + 1);
    sinter__v1__item__pack(normal, bytes);
    journal_op op = {.kind = JOURNAL_PUT, .collection = h->collection, .id = str_of(id), .bytes = {(char *)bytes, size}};
    journal_write w = {.op = &op, .n = 1, .fence = UINT64_MAX};
    journal_result r;
    if (journal_append_wait(engine_journal(h->engine), &w, &r, &e)) house_fail("append", &e);
    arena_free(a);
}

static inline void house_delete(house *h, const char *id)
{
    sinter_error e = SINTER_ERROR_INIT;
    journal_op op = {.kind = JOURNAL_DELETE, .collection = h->collection, .id = str_of(id)};
    journal_write w = {.op = &op, .n = 1, .fence = UINT64_MAX};
    journal_result r;
    if (journal_append_wait(engine_journal(h->engine), &w, &r, &e)) house_fail("delete", &e);
}

/* Until everything appended is searchable. */
static inline void house_settle(house *h)
{
    for (int i = 0; i < 2000; i++) {
        views_state vs;
        views_status(engine_views(h->engine), &vs);
        if (vs.ready && vs.sequence >= journal_last_sequence(engine_journal(h->engine))) return;
        struct timespec pause = {.tv_nsec = 5000000};
        nanosleep(&pause, NULL);
    }
    fail_msg("views did not catch up");
}

/* Searches on lane 0 and leaves it inside the request: house_done ends it. */
static inline sinter_status house_try(house *h, const Sinter__V1__SearchRequest *in, Sinter__V1__SearchResponse **out, sinter_error *e)
{
    pipeline_lane_begin(pipeline_lane_get(h->engine, 0));
    return pipeline_search(pipeline_lane_get(h->engine, 0), in, UINT64_MAX, out, e);
}

static inline Sinter__V1__SearchResponse *house_search(house *h, const Sinter__V1__SearchRequest *in)
{
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__SearchResponse *out;
    if (house_try(h, in, &out, &e)) house_fail("search", &e);
    return out;
}

static inline void house_done(house *h)
{
    pipeline_lane_end(pipeline_lane_get(h->engine, 0));
}

#endif
