/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a request brings of people: counters as features, ids, the history each ranker asked for; and what impressions keep. */
#include "pipeline/house.h"

#include <math.h>

static const char COLLECTION[] = "fields:\n"
                                 "  title: {type: text, language: en}\n"
                                 "  brand: {type: keyword}\n"
                                 "  price: {type: number}\n"
                                 "events: {view: 0.2, click: 1, rating: value}\n"
                                 "counters: {half_life: 10d, by: [brand]}\n"
                                 "default_pipeline: main\n";
static const char *const PIPELINES[] = {
    "main",
    "collection: things\n"
    "stages:\n"
    "  - keep: 20\n"
    "    rank:\n"
    "      - {name: seen, plugin: witness}\n",
    "popular",
    "collection: things\n"
    "stages:\n"
    "  - keep: 20\n"
    "    rank:\n"
    "      - {name: clicks, feature: events.click}\n",
    "later",
    "collection: things\n"
    "stages:\n"
    "  - keep: 20\n"
    "    rank:\n"
    "      - {name: clicks, feature: events.click}\n"
    "      - {name: taste, plugin: witness, more: true, model: taste/latest}\n"
    "    fuse: {plugin: fusion, method: weighted, weights: {clicks: 1, taste: 1}}\n",
    NULL,
};
#define DAY_MS 86400000ll
static const int64_t NOW_MS = 1764082800000;
static house H;

static void record_event(const char *id, const char *type, const char *user, const char *session, const char *item, double value,
                         int64_t time_ms)
{
    sinter_error e = SINTER_ERROR_INIT;
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Sinter__V1__Event event = SINTER__V1__EVENT__INIT;
    Sinter__Storage__V1__EventPut put = SINTER__STORAGE__V1__EVENT_PUT__INIT;
    char *items[] = {(char *)(uintptr_t)item};
    time.seconds = time_ms / 1000;
    event.event_id = (char *)(uintptr_t)id;
    event.type = (char *)(uintptr_t)type;
    event.user_id = (char *)(uintptr_t)user;
    event.session_id = (char *)(uintptr_t)session;
    event.value = value;
    event.item_ids = items;
    event.n_item_ids = 1;
    event.time = &time;
    put.collection = H.collection;
    put.event = &event;
    uint8_t bytes[512];
    assert_true(sinter__storage__v1__event_put__get_packed_size(&put) <= sizeof bytes);
    size_t n = sinter__storage__v1__event_put__pack(&put, bytes);
    journal_op op = {.kind = JOURNAL_EVENT, .collection = H.collection, .id = str_of(id), .bytes = {(char *)bytes, n}};
    journal_result r;
    if (journal_append_wait(engine_journal(H.engine), &(journal_write){.op = &op, .n = 1, .fence = UINT64_MAX}, &r, &e))
        house_fail("event", &e);
}

/* Ann's history, oldest first: r1 3 days ago, then a rating of b1, a click on one that is not there, r1 today. */
static int open_house(void **state)
{
    (void)state;
    house_configure(&H, COLLECTION, PIPELINES);
    house_open(&H);
    house_put(&H, "r1", (const char *const[]){"title=red lamp", "brand=acme", "price=10", NULL});
    house_put(&H, "r2", (const char *const[]){"title=red lamp", "brand=acme", "price=20", NULL});
    house_put(&H, "b1", (const char *const[]){"title=blue chair", "brand=bolt", "price=30", NULL});
    record_event("e3", "click", "ann", "s1", "nowhere", 0, NOW_MS - 1000);
    record_event("e1", "view", "ann", "s1", "r1", 0, NOW_MS - 3 * DAY_MS);
    record_event("e4", "click", "ann", "s1", "r1", 0, NOW_MS);
    record_event("e2", "rating", "ann", "s1", "b1", 4.5, NOW_MS - 2 * DAY_MS);
    record_event("e5", "click", "ben", "", "r1", 0, NOW_MS - 10 * DAY_MS);
    house_settle(&H);
    return 0;
}

static int close_house(void **state)
{
    (void)state;
    house_close(&H);
    return 0;
}

typedef struct asking {
    Sinter__V1__SearchRequest r;
    Sinter__V1__User user;
    Sinter__V1__Context context;
    Google__Protobuf__Timestamp time;
} asking;

static Sinter__V1__SearchResponse *ask(asking *q, const char *pipeline, const char *user, const char *session)
{
    sinter__v1__search_request__init(&q->r);
    sinter__v1__user__init(&q->user);
    sinter__v1__context__init(&q->context);
    google__protobuf__timestamp__init(&q->time);
    q->time.seconds = NOW_MS / 1000;
    q->context.time = &q->time;
    q->user.user_id = (char *)(uintptr_t)user;
    q->user.session_id = (char *)(uintptr_t)session;
    q->r.collection = (char *)(uintptr_t) "things";
    q->r.query = (char *)(uintptr_t) "Red  LAMP";
    q->r.pipeline = (char *)(uintptr_t)pipeline;
    q->r.user = &q->user;
    q->r.context = &q->context;
    q->r.explain = SINTER__V1__EXPLAIN__EXPLAIN_FULL;
    return house_search(&H, &q->r);
}

static const Sinter__V1__Hit *hit(const Sinter__V1__SearchResponse *out, const char *id)
{
    for (size_t i = 0; i < out->n_hits; i++)
        if (strcmp(out->hits[i]->id, id) == 0) return out->hits[i];
    fail_msg("%s is not there", id);
    return NULL;
}

/* What the witness was brought for a hit; NaN: no such line. */
static double told(const Sinter__V1__Hit *h, const char *label)
{
    const Sinter__V1__RankerShare *r = h->explanation->stages[0]->rankers[0];
    for (size_t i = 0; i < r->n_features; i++)
        if (strcmp(r->features[i]->name, label) == 0) return r->features[i]->value;
    return NAN;
}

static void is(const Sinter__V1__Hit *h, const char *label, double want)
{
    double value = told(h, label);
    if (!(fabs(value - want) < 1e-6 * (1 + fabs(want)))) fail_msg("%s of %s is %.9g, not %.9g", label, h->id, value, want);
}

static void a_ranker_sees_counters_ids_and_as_much_history_as_it_asked_for(void **state)
{
    (void)state;
    asking q;
    const Sinter__V1__Hit *h = hit(ask(&q, "main", "ann", "s1"), "r1");
    is(h, "feature0", 1.5); /* today's, and half of the one ten days ago */
    is(h, "feature1", 10);
    is(h, "feature2", 1.5);
    is(h, "id0", hash_id("r1", 2));
    is(h, "id1", hash_id("acme", 4));
    is(h, "id2", hash_id("ann", 3));
    is(h, "id3", hash_id("red lamp", 8));
    is(h, "context0", 3); /* the one on no item waits */
    is(h, "context1", 1);
    is(h, "prepared0", 3);
    is(h, "n0", 3);
    static const double age[] = {0, 2, 3}, weight[] = {1, 4.5, 0.2}, item[] = {0, 2, 0}, event[] = {2, 3, 1}, price[] = {10, 30, 10},
                        clicks[] = {1.5, 0, 1.5};
    for (unsigned k = 0; k < 3; k++) {
        static const char *const names[] = {"item", "event", "age", "weight", "price", "clicks"};
        const double *const want[] = {item, event, age, weight, price, clicks};
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            char label[32];
            snprintf(label, sizeof label, "%s%u", names[i], k);
            is(h, label, want[i][k]);
        }
    }
    is(h, "type0", 2);
    is(h, "unknown0", 0);
    is(h, "click0", 1);
    house_done(&H);
}

static void a_stranger_has_no_history_and_a_session_its_own(void **state)
{
    (void)state;
    asking q;
    const Sinter__V1__Hit *h = hit(ask(&q, "main", "", ""), "r2");
    is(h, "n0", 0);
    is(h, "id2", 0);
    is(h, "context0", 0);
    is(h, "feature0", 0);
    is(h, "feature2", 1.5); /* of its brand */
    house_done(&H);
    record_event("e6", "click", "", "s9", "r2", 0, NOW_MS);
    house_settle(&H);
    h = hit(ask(&q, "main", "", "s9"), "r2");
    is(h, "n0", 1);
    is(h, "feature0", 1);
    house_done(&H);
}

static void an_event_moves_the_next_answer(void **state)
{
    (void)state;
    asking q;
    const Sinter__V1__SearchResponse *out = ask(&q, "popular", "ann", "");
    assert_string_equal(out->hits[0]->id, "r1");
    house_done(&H);
    for (int i = 0; i < 5; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", i);
        record_event(id, "click", "cat", "", "r2", 0, NOW_MS);
    }
    house_settle(&H);
    out = ask(&q, "popular", "ann", "");
    assert_string_equal(out->hits[0]->id, "r2");
    house_done(&H);
}

static uint32_t column(char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) return (uint32_t)i;
    fail_msg("%s is not logged", name);
    return 0;
}

/* The pipeline that answers asks for little; one that waits for its training asks for more, and that is logged. */
static void impressions_keep_what_rankers_not_trained_yet_will_learn_from(void **state)
{
    (void)state;
    asking q;
    sinter_error e = SINTER_ERROR_INIT;
    for (int i = 0; i < 70; i++) {
        char id[16];
        snprintf(id, sizeof id, "d%d", i);
        record_event(id, "view", "dan", "", i % 2 ? "r1" : "b1", 0, NOW_MS - i * 1000);
    }
    house_settle(&H);
    is(hit(ask(&q, "main", "dan", "s3"), "r1"), "n0", 3); /* of seventy, as it asked */
    house_done(&H);
    const Sinter__V1__SearchResponse *out = ask(&q, "popular", "dan", "s3");
    pipeline_log(pipeline_lane_get(H.engine, 0), STR("bytes"));
    char *first = xstrdup(out->hits[0]->id);
    house_done(&H);
    journal *j = engine_impressions(H.engine);
    for (int i = 0; i < 1000 && journal_last_sequence(j) == 0; i++) usleep(2000);
    journal_reader *reader;
    assert_int_equal(journal_reader_open(j, &reader, &e), SINTER_OK);
    arena *a = arena_new(4096);
    Sinter__Storage__V1__Record *rec;
    assert_int_equal(journal_get(reader, 1, a, &rec, &e), SINTER_OK);
    const Sinter__Storage__V1__Answered *x = rec->answered;
    assert_string_equal(x->user_id, "dan");
    assert_string_equal(x->session_id, "s3");
    assert_true(x->profile_sequence >= journal_last_sequence(engine_journal(H.engine)));
    assert_int_equal(x->n_history_item, 60);
    assert_int_equal(x->n_history_event, 60);
    assert_int_equal(x->n_history_weight, 60);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(x->history_item[i], i % 2 ? 0 : 2);
        assert_int_equal(x->history_time_ms[i], NOW_MS - i * 1000);
        assert_true(x->history_weight[i] == 0.2f);
    }
    assert_int_equal(x->n_models, x->n_rankers);
    for (size_t i = 0; i < x->n_models; i++) assert_string_equal(x->models[i], "");
    assert_true(x->context_value[column(x->context, x->n_context, "user.events")] == 70);
    assert_true(x->context_value[column(x->context, x->n_context, "query.words")] == 2);
    uint32_t f = column(x->features, x->n_features, "events.view"), k = column(x->id_features, x->n_id_features, "item.id");
    column(x->id_features, x->n_id_features, "user.segment");
    assert_int_equal(x->shown[0]->n_ids, x->n_id_features);
    assert_int_equal(x->shown[0]->ids[k], hash_id(first, strlen(first)));
    assert_int_equal(x->shown[1]->ids[column(x->id_features, x->n_id_features, "query.text")], hash_id("red lamp", 8));
    assert_true(x->shown[0]->features[f] >= 0);
    free(first);
    arena_free(a);
    journal_reader_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ranker_sees_counters_ids_and_as_much_history_as_it_asked_for),
        cmocka_unit_test(a_stranger_has_no_history_and_a_session_its_own),
        cmocka_unit_test(an_event_moves_the_next_answer),
        cmocka_unit_test(impressions_keep_what_rankers_not_trained_yet_will_learn_from),
    };
    return cmocka_run_group_tests(tests, open_house, close_house);
}
