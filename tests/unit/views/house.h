/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A small house for the tests of views: a data directory with one collection, its journal and its views, and a search.
 */
#ifndef TEST_VIEWS_HOUSE_H
#define TEST_VIEWS_HOUSE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "views/views.h"

enum { LANES = 2 };

typedef struct house {
    char *dir;
    config *config;
    journal *journal;
    epoch_domain *epochs;
    views *views;
    text_analyzer *analyzer;
    uint32_t shop;
    int32_t number;
    uint64_t last; /* sequence of the newest write */
} house;

static inline void house_file(const house *h, const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", h->dir, name), *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(dir_make(path, NULL), SINTER_OK);
    *slash = '/';
    assert_int_equal(file_write_atomic(path, text, strlen(text), NULL), SINTER_OK);
    free(path);
}

static inline void house_open(house *h)
{
    sinter_error e = SINTER_ERROR_INIT;
    char *yaml = xasprintf("%s/config/sinter.yaml", h->dir), uuid[37];
    char *dir = xasprintf("%s/data/journal/catalogue", h->dir);
    if (config_load(yaml, &h->config, &e)) fail_msg("config: %s: %s", e.where, e.what);
    if (journal_open(&(journal_options){.dir = dir}, &h->journal, &e)) fail_msg("journal: %s", e.what);
    h->epochs = epoch_new(LANES + 1);
    if (views_open(h->config, h->journal, NULL, h->epochs, LANES, &h->views, &e)) fail_msg("views: %s", e.what);
    if (text_analyzer_new(&h->config->collection[0], &h->analyzer, &e)) fail_msg("analyzer: %s", e.what);
    if (journal_collection(h->journal, "shop", &h->shop, uuid, &e)) fail_msg("collection: %s", e.what);
    h->number = views_find(h->views, "shop");
    assert_int_equal(h->number, 0);
    assert_int_equal(views_find(h->views, "shap"), -1);
    free(yaml);
    free(dir);
}

static inline void house_close(house *h)
{
    text_analyzer_free(h->analyzer);
    views_close(h->views);
    journal_close(h->journal);
    epoch_free(h->epochs);
    config_free(h->config);
}

/* `settings`: further lines of sinter.yaml. */
static inline house house_new(const char *settings)
{
    char path[] = "/tmp/sinter-views-XXXXXX", *yaml;
    assert_non_null(mkdtemp(path));
    house h = {.dir = xasprintf("%s", path)};
    yaml = xasprintf("listen: 127.0.0.1:0\ndata_dir: ../data\n%s", settings);
    house_file(&h, "config/sinter.yaml", yaml);
    house_file(&h, "config/collections/shop.yaml",
               "fields:\n  title: {type: text}\n  brand: {type: keyword}\n  price: {type: number}\n");
    house_file(&h, "config/pipelines/shop.yaml", "collection: shop\nrecall:\n  - {source: text, limit: 100}\n");
    free(yaml);
    house_open(&h);
    return h;
}

static inline void house_end(house *h)
{
    house_close(h);
    assert_int_equal(dir_remove(h->dir, NULL), SINTER_OK);
    free(h->dir);
}

/* ---- writes -------------------------------------------------------------------------------------------------- */

static inline void put(house *h, const char *id, const char *title, double price)
{
    Sinter__V1__Value text = SINTER__V1__VALUE__INIT, number = SINTER__V1__VALUE__INIT;
    text.kind_case = SINTER__V1__VALUE__KIND_STRING_VALUE;
    text.string_value = (char *)(uintptr_t)title;
    number.kind_case = SINTER__V1__VALUE__KIND_NUMBER_VALUE;
    number.number_value = price;
    Sinter__V1__Item__FieldsEntry a = SINTER__V1__ITEM__FIELDS_ENTRY__INIT, b = a, *fields[] = {&a, &b};
    a.key = (char *)(uintptr_t) "price";
    a.value = &number;
    b.key = (char *)(uintptr_t) "title";
    b.value = &text;
    Sinter__V1__Item item = SINTER__V1__ITEM__INIT;
    item.id = (char *)(uintptr_t)id;
    item.n_fields = 2;
    item.fields = fields;
    uint8_t *bytes = xmalloc(sinter__v1__item__get_packed_size(&item));
    size_t n = sinter__v1__item__pack(&item, bytes);
    journal_op op = {.kind = JOURNAL_PUT, .collection = h->shop, .id = str_of(id), .bytes = {(char *)bytes, n}};
    journal_result r;
    assert_int_equal(
        journal_append_wait(h->journal, &(journal_write){.op = &op, .n = 1, .fence = UINT64_MAX}, &r, NULL), SINTER_OK);
    h->last = r.sequence;
    free(bytes);
}

static inline void drop(house *h, const char *id)
{
    journal_op op = {.kind = JOURNAL_DELETE, .collection = h->shop, .id = str_of(id)};
    journal_result r;
    assert_int_equal(
        journal_append_wait(h->journal, &(journal_write){.op = &op, .n = 1, .fence = UINT64_MAX}, &r, NULL), SINTER_OK);
    h->last = r.sequence;
}

typedef struct waiting {
    _Atomic int status; /* -1: not yet */
    _Atomic uint64_t at_ns;
} waiting;

static inline void note(void *ctx, sinter_status s)
{
    waiting *w = ctx;
    atomic_store(&w->at_ns, clock_mono_ns());
    atomic_store(&w->status, s);
}

/* Until the newest write is reflected; how long that took. */
static inline uint64_t settle(house *h)
{
    sinter_error e = SINTER_ERROR_INIT;
    waiting w = {.status = -1};
    uint64_t from = clock_mono_ns();
    if (views_wait(h->views, h->last, from + 120000000000u, note, &w, &e)) fail_msg("wait: %s", e.what);
    while (atomic_load(&w.status) < 0)
        usleep(200);
    assert_int_equal(w.status, SINTER_OK);
    return w.at_ns - from;
}

/* After a rebuild too: until the collection is ready. */
static inline void until_ready(house *h)
{
    views_state s;
    for (int i = 0; i < 60000; i++) {
        views_status(h->views, &s);
        if (s.ready && s.sequence >= h->last) return;
        usleep(1000);
    }
    fail_msg("the views are not ready after a minute");
}

/* ---- searches ------------------------------------------------------------------------------------------------ */

typedef struct found {
    sinter_status status;
    uint32_t n;
    uint32_t item[200];
    float score[200];
} found;

static inline void search_set(house *h, const view_collection *c, uint32_t lane, const char *words, arena *a,
                              found *out)
{
    text_query *q;
    text_weights w;
    text_hits hits;
    sinter_error e = SINTER_ERROR_INIT;
    text_query_options o = {.operator_and = -1};
    out->status = text_query_parse(h->analyzer, c->catalog, str_of(words), &o, a, &q, &e);
    if (out->status) return;
    text_weights_of(&h->config->collection[0], &w);
    text_scorer *s = text_scorer_new(c->reader[lane], q, &w, a, &e);
    out->status = s ? text_search(c->reader[lane], q, s, NULL, c->columns, 200, false, true, a, &hits, &e) : e.status;
    if (out->status) return;
    out->n = hits.n;
    memcpy(out->item, hits.item, hits.n * sizeof *hits.item);
    memcpy(out->score, hits.score, hits.n * sizeof *hits.score);
}

/* As a lane does it, with its one retry. */
static inline found search(house *h, uint32_t lane, const char *words)
{
    found f = {.status = SINTER_UNAVAILABLE};
    arena *a = arena_new(1 << 16);
    for (int try = 0; try < 2 && f.status == SINTER_UNAVAILABLE; try++) {
        epoch_enter(h->epochs, lane);
        const view_set *set = views_current(h->views);
        if (set->collection[0].ready) search_set(h, &set->collection[0], lane, words, a, &f);
        epoch_exit(h->epochs, lane);
    }
    arena_free(a);
    return f;
}

static inline uint32_t count(house *h, const char *words)
{
    found f = search(h, 0, words);
    assert_int_equal(f.status, SINTER_OK);
    return f.n;
}

#endif
