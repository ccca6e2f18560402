/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a request sees of events, and when: by their sequence, without a commit of the index, and the same after a restart. */
#include "house.h"

static const char SHOP[] = "fields:\n  title: {type: text}\n  brand: {type: keyword}\n  price: {type: number}\n"
                           "events: {view: 0.2, click: 1}\ncounters: {half_life: 10d, by: [brand]}\n";
static const int64_t NOW_MS = 1764082800000;

static house events_house(const char *settings)
{
    house h = house_new(settings);
    house_close(&h);
    house_file(&h, "config/collections/shop.yaml", SHOP);
    house_open(&h);
    until_ready(&h);
    return h;
}

static void record_event(house *h, const char *id, const char *type, const char *user, const char *item, const char *query,
                         int64_t time_ms)
{
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Sinter__V1__Event e = SINTER__V1__EVENT__INIT;
    Sinter__Storage__V1__EventPut put = SINTER__STORAGE__V1__EVENT_PUT__INIT;
    char *items[] = {(char *)(uintptr_t)item};
    time.seconds = time_ms / 1000;
    e.event_id = (char *)(uintptr_t)id;
    e.type = (char *)(uintptr_t)type;
    e.user_id = (char *)(uintptr_t)user;
    e.query = (char *)(uintptr_t)query;
    e.item_ids = items;
    e.n_item_ids = 1;
    e.time = &time;
    put.collection = h->shop;
    put.event = &e;
    uint8_t *bytes = xmalloc(sinter__storage__v1__event_put__get_packed_size(&put));
    size_t n = sinter__storage__v1__event_put__pack(&put, bytes);
    journal_op op = {.kind = JOURNAL_EVENT, .collection = h->shop, .id = str_of(id), .bytes = {(char *)bytes, n}};
    journal_result r;
    assert_int_equal(
        journal_append_wait(h->journal, &(journal_write){.op = &op, .n = 1, .fence = UINT64_MAX}, &r, NULL), SINTER_OK);
    h->last = r.sequence;
    free(bytes);
}

typedef struct seen {
    float clicks[300], of_query[300];
    uint32_t n_history;
    profile_event history[100];
    uint64_t sequence;
} seen;

static void see(house *h, seen *out)
{
    uint32_t item[300];
    for (uint32_t i = 0; i < 300; i++) item[i] = i;
    memset(out, 0, sizeof *out);
    epoch_enter(h->epochs, 0);
    const profile_set *set = views_current(h->views)->collection[0].profiles;
    profile_count_items(set, 2, PROFILE_ALL, item, 300, NOW_MS, out->clicks, 1);
    profile_count_query(set, profile_find_query(set, STR("blue chair")), 2, PROFILE_ALL, item, 300, NOW_MS, out->of_query, 1);
    out->n_history = profile_history(set, profile_find_person(set, STR("ann"), STR("")), 100, out->history);
    out->sequence = set->sequence;
    epoch_exit(h->epochs, 0);
}

static uint64_t commits(house *h)
{
    views_state s;
    views_status(h->views, &s);
    return s.commits;
}

/* With commits an hour away, only what needs none can be seen. */
static void an_event_is_seen_by_its_sequence_without_a_commit(void **state)
{
    (void)state;
    house h = events_house("commit_after: 60s\n");
    seen x;
    put(&h, "a", "Blue chair", 10);
    settle(&h);
    uint64_t before = commits(&h);
    record_event(&h, "e1", "click", "ann", "a", "Blue  Chair", NOW_MS);
    uint64_t took = settle(&h);
    see(&h, &x);
    assert_true(x.sequence >= h.last);
    assert_true(x.clicks[0] == 1 && x.of_query[0] == 1);
    assert_int_equal(x.n_history, 1);
    for (int i = 0; i < 50; i++) {
        char id[16];
        snprintf(id, sizeof id, "f%d", i);
        record_event(&h, id, "click", "ben", "a", "", NOW_MS);
        if (i % 10 == 0) settle(&h);
    }
    settle(&h);
    see(&h, &x);
    assert_true(x.clicks[0] == 51);
    assert_int_equal(commits(&h), before);
    print_message("an event is seen %.1f ms after it was durable\n", (double)took / 1e6);
    house_end(&h);
}

/* While the index holds an older put back, so does the sequence: it never tells of what is not there. */
static void an_event_behind_a_put_waits_for_the_index(void **state)
{
    (void)state;
    house h = events_house("commit_after: 60s\n");
    seen x;
    put(&h, "a", "Blue chair", 10);
    record_event(&h, "e1", "click", "ann", "a", "", NOW_MS);
    uint64_t last = h.last;
    usleep(300000);
    views_state s;
    views_status(h.views, &s);
    assert_true(s.sequence < last);
    see(&h, &x);
    assert_true(x.clicks[0] == 1); /* profiles and columns are ahead of the index, never behind it */
    settle(&h);
    assert_int_equal(count(&h, "chair"), 1);
    house_end(&h);
}

/* Items come, go and come back among the events; a restart walks the journal and sees the same bits. */
static void a_restart_sees_the_same_bits(void **state)
{
    (void)state;
    house h = events_house("");
    rng r;
    rng_seed(&r, 9);
    for (int i = 0; i < 400; i++) {
        char id[16], item[16];
        snprintf(id, sizeof id, "e%d", i);
        snprintf(item, sizeof item, "i%d", (int)rng_below(&r, 40));
        uint64_t what = rng_below(&r, 10);
        if (what == 0)
            put(&h, item, "Chair", i);
        else if (what == 1)
            drop(&h, item);
        else
            record_event(&h, id, "click", rng_below(&r, 3) ? "ann" : "ben", item, rng_below(&r, 2) ? "blue chair" : "",
                         NOW_MS - (int64_t)rng_below(&r, 40 * 24) * 3600000);
        if (i % 40 == 0) settle(&h);
    }
    settle(&h);
    seen before, after;
    see(&h, &before);
    assert_true(before.n_history > 20);
    house_close(&h);
    house_open(&h);
    until_ready(&h);
    see(&h, &after);
    assert_true(after.sequence >= before.sequence);
    assert_int_equal(after.n_history, before.n_history);
    assert_memory_equal(after.history, before.history, sizeof after.history);
    assert_memory_equal(after.clicks, before.clicks, sizeof after.clicks);
    assert_memory_equal(after.of_query, before.of_query, sizeof after.of_query);
    house_end(&h);
}

static void forget(house *h)
{
    uint64_t number = views_forget(h->views);
    for (int i = 0; i < 20000 && !views_forgotten(h->views, number); i++) usleep(1000);
    assert_true(views_forgotten(h->views, number));
}

/* The second time begins at the first record too, and ends at the last one, however far the first time had come. */
static void profiles_are_made_anew_whole_each_time(void **state)
{
    enum { EVENTS = 1500 }; /* more than one step of the view thread takes */
    (void)state;
    house h = events_house("");
    put(&h, "a", "Blue chair", 10);
    for (int i = 0; i < EVENTS; i++) {
        char id[16];
        snprintf(id, sizeof id, "e%d", i);
        record_event(&h, id, "click", "ann", "a", "", NOW_MS);
    }
    settle(&h);
    for (int time = 0; time < 3; time++) {
        seen x;
        forget(&h);
        see(&h, &x);
        assert_true(x.clicks[0] == EVENTS);
    }
    house_end(&h);
}

static void types_that_are_added_count_from_then_on(void **state)
{
    (void)state;
    house h = events_house("");
    put(&h, "a", "Blue chair", 10);
    config_event more[] = {{.name = "view"}, {.name = "click"}, {.name = "buy"}};
    config is = *h.config;
    config_collection shop = h.config->collection[0];
    shop.event = more;
    shop.n_events = 3;
    is.collection = &shop;
    views_add_types(h.views, &is);
    record_event(&h, "e1", "buy", "ann", "a", "", NOW_MS);
    settle(&h);
    seen x;
    see(&h, &x);
    assert_int_equal(x.n_history, 1);
    assert_int_equal(x.history[0].type, 3);
    house_end(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_seen_by_its_sequence_without_a_commit),
        cmocka_unit_test(an_event_behind_a_put_waits_for_the_index),
        cmocka_unit_test(a_restart_sees_the_same_bits),
        cmocka_unit_test(profiles_are_made_anew_whole_each_time),
        cmocka_unit_test(types_that_are_added_count_from_then_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
