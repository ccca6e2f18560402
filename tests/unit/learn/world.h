/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A data directory made by hand for tests of datasets: a collection with events, items and events in the main journal, answers
 * and recorded requests in the log, as a server would have written them. */
#ifndef TESTS_LEARN_WORLD_H
#define TESTS_LEARN_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "learn/learn.h"
#include <sinter/v1/search.pb-c.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef Sinter__Storage__V1__Record record;
typedef Sinter__Storage__V1__Answered answered;
typedef Sinter__Storage__V1__RecordedStage recorded_stage;

#define TEXT(s) ((char *)(uintptr_t)(s))

typedef struct world {
    char dir[64], data[96], scratch[96];
    config *config;
    const config_collection *things;
    journal *main, *log;
    uint32_t number;
} world;

static inline void must(sinter_status s, const sinter_error *e)
{
    char line[1536];
    if (s) fail_msg("%s", error_line(e, line, sizeof line));
}

static inline void world_write(const world *w, const char *name, const char *text)
{
    char path[192];
    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static inline journal *world_journal(const world *w, journal_kind kind)
{
    char dir[160];
    journal *j;
    sinter_error e = SINTER_ERROR_INIT;
    snprintf(dir, sizeof dir, "%s/journal/%s", w->data, kind == JOURNAL_CATALOGUE ? "catalogue" : "impressions");
    must(journal_open(&(journal_options){.dir = dir, .kind = kind}, &j, &e), &e);
    return j;
}

static const char THINGS[] = "fields:\n"
                             "  title: text\n"
                             "  brand: keyword\n"
                             "  price: number\n"
                             "  released: timestamp\n"
                             "  shape: {type: vector, dimension: 3}\n"
                             "age: released\n"
                             "events: {view: 0.5, click: 1, rating: value, dislike: 0}\n";

static inline void world_make(world *w)
{
    char path[160];
    sinter_error e = SINTER_ERROR_INIT;
    *w = (world){.dir = "/tmp/sinter-world-XXXXXX"};
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->data, sizeof w->data, "%s/data", w->dir);
    snprintf(w->scratch, sizeof w->scratch, "%s/scratch", w->dir);
    snprintf(path, sizeof path, "%s/collections", w->dir);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "listen: 127.0.0.1:0\ndata_dir: %s\n", w->data);
    world_write(w, "sinter.yaml", path);
    world_write(w, "collections/things.yaml", THINGS);
    snprintf(path, sizeof path, "%s/sinter.yaml", w->dir);
    must(config_load(path, &w->config, &e), &e);
    w->things = config_find_collection(w->config, "things");
    w->main = world_journal(w, JOURNAL_CATALOGUE);
    w->log = world_journal(w, JOURNAL_IMPRESSIONS);
    char uuid[37];
    must(journal_collection(w->main, "things", &w->number, uuid, &e), &e);
}

/* A dataset is made in a process that has neither journal open. */
static inline void world_shut(world *w)
{
    journal_close(w->main);
    journal_close(w->log);
    w->main = w->log = NULL;
}

static inline void world_open(world *w)
{
    w->main = world_journal(w, JOURNAL_CATALOGUE);
    w->log = world_journal(w, JOURNAL_IMPRESSIONS);
}

static inline void world_end(world *w)
{
    sinter_error e = SINTER_ERROR_INIT;
    world_shut(w);
    config_free(w->config);
    must(dir_remove(w->dir, &e), &e);
}

static inline uint64_t world_append(journal *j, journal_op op)
{
    sinter_error e = SINTER_ERROR_INIT;
    journal_result r;
    must(journal_append_wait(j, &(journal_write){.op = &op, .n = 1, .fence = UINT64_MAX}, &r, &e), &e);
    return r.sequence;
}

/* ---- the main journal ----------------------------------------------------------------------------------------------- */

static inline Sinter__V1__Value value_number(double v)
{
    Sinter__V1__Value x = SINTER__V1__VALUE__INIT;
    x.kind_case = SINTER__V1__VALUE__KIND_NUMBER_VALUE;
    x.number_value = v;
    return x;
}

/* `shape`: NULL: none. */
static inline uint64_t world_item(world *w, const char *id, double price, const float *shape)
{
    Sinter__V1__Value number = value_number(price), vector = SINTER__V1__VALUE__INIT;
    Sinter__V1__Vector v = SINTER__V1__VECTOR__INIT;
    Sinter__V1__Item__FieldsEntry f[2] = {SINTER__V1__ITEM__FIELDS_ENTRY__INIT, SINTER__V1__ITEM__FIELDS_ENTRY__INIT};
    Sinter__V1__Item__FieldsEntry *fields[] = {&f[0], &f[1]};
    Sinter__V1__Item item = SINTER__V1__ITEM__INIT;
    v.n_values = 3;
    v.values = (float *)(uintptr_t)shape;
    vector.kind_case = SINTER__V1__VALUE__KIND_VECTOR_VALUE;
    vector.vector_value = &v;
    f[0].key = TEXT("price");
    f[0].value = &number;
    f[1].key = TEXT("shape");
    f[1].value = &vector;
    item.id = TEXT(id);
    item.n_fields = shape ? 2 : 1;
    item.fields = fields;
    uint8_t bytes[512];
    assert_true(sinter__v1__item__get_packed_size(&item) <= sizeof bytes);
    str packed = {(char *)bytes, sinter__v1__item__pack(&item, bytes)};
    return world_append(w->main, (journal_op){.kind = JOURNAL_PUT, .collection = w->number, .id = str_of(id), .bytes = packed});
}

static inline void world_delete(world *w, const char *id)
{
    world_append(w->main, (journal_op){.kind = JOURNAL_DELETE, .collection = w->number, .id = str_of(id)});
}

typedef struct event {
    const char *type, *user, *session, *item, *request;
    double value;
    int64_t time_ms;
} event;

static inline uint64_t world_event(world *w, event x)
{
    static unsigned serial;
    char id[32];
    snprintf(id, sizeof id, "e%u", serial++);
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    time.seconds = x.time_ms / 1000;
    time.nanos = (int32_t)(x.time_ms % 1000) * 1000000;
    Sinter__V1__Event ev = SINTER__V1__EVENT__INIT;
    char *items[] = {TEXT(x.item)};
    ev.event_id = id;
    ev.collection = TEXT("things");
    ev.type = TEXT(x.type);
    if (x.user) ev.user_id = TEXT(x.user);
    if (x.session) ev.session_id = TEXT(x.session);
    if (x.request) ev.request_id = TEXT(x.request);
    ev.item_ids = items;
    ev.n_item_ids = 1;
    ev.value = x.value;
    ev.time = &time;
    Sinter__Storage__V1__EventPut put = SINTER__STORAGE__V1__EVENT_PUT__INIT;
    put.collection = w->number;
    put.event = &ev;
    uint8_t bytes[1024];
    assert_true(sinter__storage__v1__event_put__get_packed_size(&put) <= sizeof bytes);
    str packed = {(char *)bytes, sinter__storage__v1__event_put__pack(&put, bytes)};
    return world_append(w->main, (journal_op){.kind = JOURNAL_EVENT, .collection = w->number, .id = str_of(id), .bytes = packed});
}

/* ---- the log ----------------------------------------------------------------------------------------------------------- */

static inline void world_log(world *w, record *rec)
{
    size_t n = sinter__storage__v1__record__get_packed_size(rec);
    uint8_t *bytes = xmalloc(n);
    sinter__storage__v1__record__pack(rec, bytes);
    world_append(w->log, (journal_op){.kind = JOURNAL_RECORD, .bytes = {(char *)bytes, n}});
    free(bytes);
}

static inline void world_answer(world *w, answered *a)
{
    record rec = SINTER__STORAGE__V1__RECORD__INIT;
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_ANSWERED;
    rec.answered = a;
    world_log(w, &rec);
}

static inline void world_recorded(world *w, const char *request_id, recorded_stage *stage)
{
    Sinter__Storage__V1__RecordedRequest rr = SINTER__STORAGE__V1__RECORDED_REQUEST__INIT;
    record rec = SINTER__STORAGE__V1__RECORD__INIT;
    rr.request_id = TEXT(request_id);
    rr.n_stages = 1;
    rr.stages = &stage;
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_RECORDED_REQUEST;
    rec.recorded_request = &rr;
    world_log(w, &rec);
}

/* One answer of two features, two rankers, one id and one context number; item i has features {10 + item, 20 + item}, scores
 * {0.5 + item, item odd: missing} and id 1000 + item. Change what a test is about, then log it with world_answer. */
enum { SHOWN_MOST = 8 };
typedef struct answer {
    answered a;
    Sinter__Storage__V1__Shown shown[SHOWN_MOST], *shown_at[SHOWN_MOST];
    float features[SHOWN_MOST][2], raw[SHOWN_MOST][2];
    uint32_t ids[SHOWN_MOST][1];
    float context_value[1];
    uint8_t request[512];
} answer;

static char *const FEATURES[] = {(char *)(uintptr_t) "text.bm25", (char *)(uintptr_t) "item.price"};
static char *const RANKERS[] = {(char *)(uintptr_t) "main.words", (char *)(uintptr_t) "main.taste"};
static char *const IDS[] = {(char *)(uintptr_t) "item.brand"};
static char *const CONTEXT[] = {(char *)(uintptr_t) "query.words"};
static char *const MODELS[] = {(char *)(uintptr_t) "", (char *)(uintptr_t) "taste/1"};

static inline void answer_request(answer *x, const Sinter__V1__SearchRequest *in)
{
    assert_true(sinter__v1__search_request__get_packed_size(in) <= sizeof x->request);
    x->a.request = (ProtobufCBinaryData){sinter__v1__search_request__pack(in, x->request), x->request};
}

static inline void answer_make(answer *x, const world *w, const char *id, const char *user, const uint32_t *item, uint32_t n,
                               int64_t time_ms)
{
    Sinter__V1__User u = SINTER__V1__USER__INIT;
    Sinter__V1__SearchRequest in = SINTER__V1__SEARCH_REQUEST__INIT;
    memset(x, 0, sizeof *x);
    sinter__storage__v1__answered__init(&x->a);
    u.user_id = TEXT(user);
    in.user = &u;
    in.query = TEXT("Red  Shoes");
    answer_request(x, &in);
    x->a.request_id = TEXT(id);
    x->a.user_id = TEXT(user);
    x->a.pipeline = TEXT("main");
    x->a.collection = w->number;
    x->a.time_ms = time_ms;
    x->a.journal_sequence = x->a.columns_sequence = x->a.sequence = journal_last_sequence(w->main);
    x->a.features = (char **)(uintptr_t)FEATURES, x->a.n_features = 2;
    x->a.rankers = (char **)(uintptr_t)RANKERS, x->a.n_rankers = 2;
    x->a.models = (char **)(uintptr_t)MODELS, x->a.n_models = 2;
    x->a.id_features = (char **)(uintptr_t)IDS, x->a.n_id_features = 1;
    x->a.context = (char **)(uintptr_t)CONTEXT, x->a.n_context = 1;
    x->context_value[0] = 2;
    x->a.context_value = x->context_value, x->a.n_context_value = 1;
    for (uint32_t i = 0; i < n; i++) {
        Sinter__Storage__V1__Shown *s = x->shown_at[i] = &x->shown[i];
        sinter__storage__v1__shown__init(s);
        x->features[i][0] = 10.0f + (float)item[i];
        x->features[i][1] = 20.0f + (float)item[i];
        x->raw[i][0] = 0.5f + (float)item[i];
        x->raw[i][1] = item[i] % 2 ? SINTER_MISSING : (float)item[i];
        x->ids[i][0] = 1000 + item[i];
        s->item = item[i];
        s->position = i + 1;
        s->propensity = 1.0 / (i + 1);
        s->features = x->features[i], s->n_features = 2;
        s->raw = x->raw[i], s->n_raw = 2;
        s->ids = x->ids[i], s->n_ids = 1;
    }
    x->a.shown = x->shown_at;
    x->a.n_shown = n;
}

static inline void world_answered(world *w, const char *id, const char *user, const uint32_t *item, uint32_t n, int64_t time_ms)
{
    answer x;
    answer_make(&x, w, id, user, item, n, time_ms);
    world_answer(w, &x.a);
}

/* ---- the dataset --------------------------------------------------------------------------------------------------------- */

static inline dataset_spec world_spec(const world *w, const sinter_inputs *in)
{
    return (dataset_spec){.collection = w->things,
                          .data_dir = w->data,
                          .inputs = in,
                          .pipeline = "main",
                          .stage = "stage1",
                          .scratch = w->scratch,
                          .where = "main.taste"};
}

static inline void world_build(world *w, const dataset_spec *spec, dataset_result *out)
{
    sinter_error e = SINTER_ERROR_INIT;
    world_shut(w);
    must(dataset_build(spec, out, &e), &e);
}

static inline uint32_t files_in(const char *dir)
{
    DIR *d = opendir(dir);
    uint32_t n = 0;
    if (!d) return 0;
    for (struct dirent *x; (x = readdir(d));) n += x->d_name[0] != '.';
    closedir(d);
    return n;
}

#define NAMES(...) (const char *const[]){__VA_ARGS__}
#define ITEMS(...) (const uint32_t[]){__VA_ARGS__}

#endif
