/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Data and inputs that cannot teach: each gets a reason that says which, and no file is left behind. */
#include "world.h"

static sinter_inputs inputs(uint32_t dataset)
{
    static const char *const target[] = {"click"};
    return (sinter_inputs){.size = sizeof(sinter_inputs), .dataset = dataset, .target = target, .n_targets = 1};
}

/* A world of two items, and what a case adds. */
typedef struct verdict {
    const char *name;
    uint32_t dataset;
    void (*make)(world *w);
    void (*inputs)(sinter_inputs *in);
    void (*spec)(dataset_spec *s);
    sinter_status status;
    const char *what, *fix; /* must stand in the message */
} verdict;

static void clicks(world *w, const char *const *user, const char *const *item, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        world_event(w, (event){.type = "click", .user = user[i % 2], .item = item[i % 2], .time_ms = i});
}

static void nothing(world *w)
{
    (void)w;
}

static void events_on_unknown_items(world *w)
{
    clicks(w, NAMES("u", "v"), NAMES("x", "y"), 20);
}

static void one_person(world *w)
{
    clicks(w, NAMES("u", "u"), NAMES("a", "b"), 20);
}

static void one_item(world *w)
{
    clicks(w, NAMES("u", "v"), NAMES("a", "a"), 20);
}

static void nothing_liked(world *w)
{
    for (uint32_t i = 0; i < 20; i++)
        world_event(w, (event){.type = "dislike", .user = i % 2 ? "u" : "v", .item = i % 3 ? "a" : "b", .time_ms = i});
}

static void good_events(world *w)
{
    for (uint32_t i = 0; i < 20; i++)
        world_event(w, (event){.type = "click", .user = i % 2 ? "u" : "v", .item = i % 3 ? "a" : "b", .time_ms = i});
}

static void answers(world *w, uint32_t n, const char *first, const char *second, uint32_t clicked)
{
    char id[16];
    for (uint32_t i = 0; i < n; i++) {
        snprintf(id, sizeof id, "r%u", i);
        world_answered(w, id, i % 2 ? first : second, ITEMS(0, 1), 2, i * 1000);
    }
    for (uint32_t i = 0; i < n; i++) {
        snprintf(id, sizeof id, "r%u", i);
        if (clicked > 0) world_event(w, (event){.type = "click", .user = "u", .item = "a", .request = id, .time_ms = 1});
        if (clicked > 1) world_event(w, (event){.type = "click", .user = "u", .item = "b", .request = id, .time_ms = 1});
    }
    if (!clicked) world_event(w, (event){.type = "click", .user = "u", .item = "b", .request = "of another", .time_ms = 1});
}

static void unclicked(world *w)
{
    answers(w, 20, "u", "v", 0);
}

static void all_clicked(world *w)
{
    answers(w, 20, "u", "v", 2);
}

static void of_one_person(world *w)
{
    answers(w, 20, "u", "u", 1);
}

static void one_request(world *w)
{
    answers(w, 1, "u", "v", 1);
}

static void good_requests(world *w)
{
    answers(w, 20, "u", "v", 1);
}

static void a_million_features(sinter_inputs *in)
{
    in->n_features = 1000000;
}

static void unlogged_feature(sinter_inputs *in)
{
    static const char *const feature[] = {"text.bm25", "item.stock"};
    in->feature = feature;
    in->n_features = 2;
}

static void near_target(sinter_inputs *in)
{
    static const char *const target[] = {"clik"};
    in->target = target;
}

static void far_target(sinter_inputs *in)
{
    static const char *const target[] = {"applause"};
    in->target = target;
}

static void no_target(sinter_inputs *in)
{
    in->n_targets = 0;
}

static void no_vector(sinter_inputs *in)
{
    static const char *const vector[] = {"brand"};
    in->vector = vector;
    in->n_vectors = 1;
}

static void side_of_nobody(sinter_inputs *in)
{
    static const char *const side[] = {"query.words"};
    in->history_side = side;
    in->n_history_side = 1;
}

static void behind_the_end(dataset_spec *s)
{
    s->since = 1000000;
}

static void little_memory(dataset_spec *s)
{
    s->memory_limit = 10;
}

static void no_events_declared(dataset_spec *s)
{
    static config_collection without;
    without = *s->collection;
    without.n_events = 0;
    s->collection = &without;
}

static void no_stage(dataset_spec *s)
{
    s->stage = NULL;
}

enum { I = SINTER_DATASET_INTERACTIONS, R = SINTER_DATASET_REQUESTS, W = SINTER_DATASET_WHOLE_REQUESTS };
static const verdict VERDICTS[] = {
    {"no events", I, nothing, NULL, NULL, SINTER_PRECONDITION, "no events on items of the catalogue among 0 events", "record events"},
    {"unknown items", I, events_on_unknown_items, NULL, NULL, SINTER_PRECONDITION, "among 20 events; left out: 20", "widen"},
    {"one person", I, one_person, NULL, NULL, SINTER_PRECONDITION, "all 18 events are one person's", "widen"},
    {"one item", I, one_item, NULL, NULL, SINTER_PRECONDITION, "all 18 events are about one item", "widen"},
    {"no positives", I, nothing_liked, NULL, NULL, SINTER_PRECONDITION, "no positives: not one of 18 events has a weight above 0", "weights"},
    {"fine", I, good_events, NULL, NULL, SINTER_OK, NULL, NULL},
    {"no requests", R, good_events, NULL, NULL, SINTER_PRECONDITION, "no requests", "serve more"},
    {"unclicked", R, unclicked, NULL, NULL, SINTER_PRECONDITION,
     "no positives: not one of the 36 items shown has an event; left out: 1 events (name a request that the dataset does not hold)", "request_id"},
    {"all clicked", R, all_clicked, NULL, NULL, SINTER_PRECONDITION, "all the same label: every one of the 36 items shown has 1", "events"},
    {"one person's requests", R, of_one_person, NULL, NULL, SINTER_PRECONDITION, "all 18 requests are one person's", "widen"},
    {"one request", R, one_request, NULL, NULL, SINTER_PRECONDITION, "1 request leaves nothing to validate on", "widen"},
    {"fine requests", R, good_requests, NULL, NULL, SINTER_OK, NULL, NULL},
    {"both", I | R, good_requests, NULL, NULL, SINTER_PRECONDITION, "one person's", NULL},
    {"nothing recorded", W, good_requests, NULL, NULL, SINTER_PRECONDITION, "no requests; left out: 20 requests (not recorded whole", "serve more"},
    {"no stage", W, good_requests, NULL, no_stage, SINTER_INVALID, "whole lists are of a stage", NULL},
    {"a million features", R, good_requests, a_million_features, NULL, SINTER_INVALID, "reads 1000000 features; at most 10000", "fewer"},
    {"unlogged", R, good_requests, unlogged_feature, NULL, SINTER_PRECONDITION, "left out: 20 requests (the log lacks a feature that the trainer reads): feature 'item.stock'", "left out"},
    {"near target", R, good_requests, near_target, NULL, SINTER_INVALID, "target 'clik'", "did you mean 'click'"},
    {"far target", R, good_requests, far_target, NULL, SINTER_INVALID, "target 'applause'", "valid: view, click, rating, dislike, weight"},
    {"no target", R, good_requests, no_target, NULL, SINTER_INVALID, "names 0 targets", "event types"},
    {"no vector", R, good_requests, no_vector, NULL, SINTER_INVALID, "field 'brand' is no vector", "type vector"},
    {"side", R, good_requests, side_of_nobody, NULL, SINTER_INVALID, "'query.words' is no feature of a history's items", "item.FIELD"},
    {"reads nothing", 0, nothing, NULL, NULL, SINTER_INVALID, "neither interactions nor requests", "inputs.dataset"},
    {"reads both kinds", R | W, nothing, NULL, NULL, SINTER_INVALID, "both the shown hits and the whole lists", "one of them"},
    {"behind the end", I, good_events, NULL, behind_the_end, SINTER_PRECONDITION, "is empty; the journal's newest record is", "--since"},
    {"memory", I, good_events, NULL, little_memory, SINTER_EXHAUSTED, "the limit is 0 MiB", "raise"},
    {"undeclared", I, good_events, NULL, no_events_declared, SINTER_PRECONDITION, "declares no events", "events:"},
};

static void judge(const verdict *v)
{
    world w;
    dataset_result d;
    sinter_error e = SINTER_ERROR_INIT;
    world_make(&w);
    world_item(&w, "a", 1, NULL);
    world_item(&w, "b", 2, NULL);
    v->make(&w);
    sinter_inputs in = inputs(v->dataset);
    if (v->inputs) v->inputs(&in);
    dataset_spec spec = world_spec(&w, &in);
    if (v->spec) v->spec(&spec);
    world_shut(&w);
    sinter_status s = dataset_build(&spec, &d, &e);
    if (s != v->status) fail_msg("%s: status %d: %s", v->name, s, e.what);
    if (v->what && !strstr(e.what, v->what)) fail_msg("%s: '%s'", v->name, e.what);
    if (v->fix && !strstr(e.fix, v->fix)) fail_msg("%s: fix '%s'", v->name, e.fix);
    if (s) assert_true(!d.train && !d.memory);
    assert_int_equal(files_in(w.scratch), 0);
    dataset_free(&d);
    world_open(&w); /* nothing holds the journals any more */
    world_end(&w);
}

static void what_cannot_teach_is_refused_with_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(VERDICTS); i++) judge(&VERDICTS[i]);
}

static void a_folder_without_journals_is_named(void **state)
{
    (void)state;
    world w;
    dataset_result d;
    sinter_error e = SINTER_ERROR_INIT;
    world_make(&w);
    sinter_inputs in = inputs(I);
    dataset_spec spec = world_spec(&w, &in);
    char other[128];
    snprintf(other, sizeof other, "%s/elsewhere", w.dir);
    spec.data_dir = other;
    assert_int_equal(dataset_build(&spec, &d, &e), SINTER_PRECONDITION);
    assert_non_null(strstr(e.where, "elsewhere/journal/catalogue"));
    spec.data_dir = w.data;
    spec.scratch = "/proc/nowhere";
    assert_int_not_equal(dataset_build(&spec, &d, &e), SINTER_OK);
    assert_non_null(strstr(e.where, "/proc"));
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_cannot_teach_is_refused_with_its_reason),
                                       cmocka_unit_test(a_folder_without_journals_is_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
