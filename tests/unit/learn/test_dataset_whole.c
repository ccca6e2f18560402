/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Recorded requests, as fusion's trainer reads them: all candidates of the stage with every ranker's score, joined with what
 * was shown of them; scored by the models that are deployed, and behind the range that those were trained on. */
#include "world.h"

enum { CANDIDATES = 5 };

/* One stage of five candidates, ordinals 3 1 4 0 2, the words' scores 10 × ordinal, taste's missing for 4. */
typedef struct stage {
    recorded_stage s;
    uint32_t item[CANDIDATES];
    float feature[CANDIDATES], raw[2 * CANDIDATES], fused[CANDIDATES], before[CANDIDATES], context[1];
} stage;

static char *const STAGE_RANKERS[] = {(char *)(uintptr_t) "taste", (char *)(uintptr_t) "words"};
static char *const STAGE_CONTEXT[] = {(char *)(uintptr_t) "query.length"};

static void stage_make(stage *x)
{
    static const uint32_t item[CANDIDATES] = {3, 1, 4, 0, 2};
    memset(x, 0, sizeof *x);
    sinter__storage__v1__recorded_stage__init(&x->s);
    x->s.name = TEXT("stage1");
    memcpy(x->item, item, sizeof item);
    for (int i = 0; i < CANDIDATES; i++) {
        x->feature[i] = (float)i;
        x->raw[i] = item[i] == 4 ? SINTER_MISSING : (float)item[i];
        x->raw[CANDIDATES + i] = 10 * (float)item[i];
        x->before[i] = 100 + (float)i;
    }
    x->context[0] = 9;
    x->s.item = x->item, x->s.n_item = CANDIDATES;
    x->s.features = (char **)(uintptr_t)FEATURES, x->s.n_features = 1;
    x->s.feature = x->feature, x->s.n_feature = CANDIDATES;
    x->s.rankers = (char **)(uintptr_t)STAGE_RANKERS, x->s.n_rankers = 2;
    x->s.raw = x->raw, x->s.n_raw = 2 * CANDIDATES;
    x->s.fused = x->fused, x->s.n_fused = CANDIDATES;
    x->s.before = x->before, x->s.n_before = CANDIDATES;
    x->s.fuse_context = (char **)(uintptr_t)STAGE_CONTEXT, x->s.n_fuse_context = 1;
    x->s.fuse_context_value = x->context, x->s.n_fuse_context_value = 1;
}

static const dataset_ranker DEPLOYED[] = {{.name = "words"}, {.name = "taste", .model = "taste/1", .until = 3}};

static void items(world *w)
{
    for (int i = 0; i < CANDIDATES; i++) world_item(w, (const char *[]){"a", "b", "c", "d", "e"}[i], i, NULL);
}

/* Items 1 and 0 are shown, of the candidates 3 1 4 0 2; item 7 was put in by a rule. */
static void log_request(world *w, const char *id, const char *user, int64_t time_ms, bool recorded)
{
    stage s;
    stage_make(&s);
    world_answered(w, id, user, ITEMS(1, 7, 0), 3, time_ms);
    if (recorded) world_recorded(w, id, &s.s);
}

static const sinter_inputs *fusion_inputs(void)
{
    static sinter_inputs in;
    static const char *const context[] = {"query.length", "query.words"}, *const target[] = {"click"}, *const feature[] = {"text.bm25"};
    in = (sinter_inputs){.size = sizeof in,
                         .feature = feature,
                         .n_features = 1,
                         .context = context,
                         .n_context = 2,
                         .dataset = SINTER_DATASET_WHOLE_REQUESTS,
                         .target = target,
                         .n_targets = 1};
    return &in;
}

static void check_request(const sinter_requests *r, bool clicked)
{
    static const uint32_t item[CANDIDATES] = {3, 1, 4, 0, 2}, position[CANDIDATES] = {0, 1, 0, 3, 0};
    const sinter_fusion_batch *f = r->fusion;
    assert_non_null(f);
    assert_true(f->n == CANDIDATES && r->batch->n == CANDIDATES && f->n_rankers == 2 && f->n_context == 2);
    assert_string_equal(f->ranker[0], "words");
    assert_string_equal(f->ranker[1], "taste");
    assert_true(f->context[0] == 9 && f->context[1] == 2); /* the stage's own, then the answer's */
    for (uint32_t i = 0; i < CANDIDATES; i++) {
        assert_true(f->item[i] == item[i] && r->batch->item[i] == item[i] && r->batch->feature[i] == (float)i);
        assert_true(f->score[0][i] == 10 * (float)item[i]);
        assert_int_equal(f->present[i], item[i] == 4 ? 1 : 3);
        if (item[i] != 4) assert_true(f->score[1][i] == (float)item[i]);
        assert_true(f->before[i] == 100 + (float)i);
        assert_int_equal(r->position[i], position[i]);
        assert_true(r->propensity[i] == (position[i] ? (float)(1.0 / position[i]) : 0));
        assert_true(r->label[0][i] == (clicked && item[i] == 0));
    }
}

static void fusion_sees_every_candidate_of_its_stage(void **state)
{
    (void)state;
    world w;
    dataset_result d;
    sinter_error e = SINTER_ERROR_INIT;
    sinter_requests r = {.size = sizeof r};
    char id[16];
    world_make(&w);
    items(&w);
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "r%d", i);
        log_request(&w, id, i % 2 ? "u" : "v", i * 1000, true);
        if (i == 3) world_event(&w, (event){.type = "click", .user = "u", .item = "a", .request = "r3", .time_ms = 1});
    }
    dataset_spec spec = world_spec(&w, fusion_inputs());
    spec.ranker = DEPLOYED;
    spec.n_rankers = 2;
    world_build(&w, &spec, &d);
    assert_int_equal(DATASET_TABLE.n_requests(d.train), 8); /* a fifth is valid */
    assert_int_equal(DATASET_TABLE.n_requests(d.valid), 2);
    for (int i = 0; i < 8; i++) {
        must(DATASET_TABLE.next_requests(d.train, &r, &e), &e);
        assert_int_equal(r.time_ms, i * 1000);
        check_request(&r, i == 3);
    }
    dataset_free(&d);
    world_open(&w);
    world_end(&w);
}

static void a_ranker_may_read_whole_lists_too(void **state)
{
    (void)state;
    world w;
    dataset_result d;
    sinter_error e = SINTER_ERROR_INIT;
    sinter_requests r = {.size = sizeof r};
    char id[16];
    world_make(&w);
    items(&w);
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "r%d", i);
        log_request(&w, id, i % 2 ? "u" : "v", i * 1000, true);
        if (i == 3) world_event(&w, (event){.type = "click", .user = "u", .item = "a", .request = "r3", .time_ms = 1});
    }
    dataset_spec spec = world_spec(&w, fusion_inputs());
    world_build(&w, &spec, &d);
    must(DATASET_TABLE.next_requests(d.train, &r, &e), &e);
    assert_true(r.batch->n == CANDIDATES && !r.fusion && r.batch->feature[4] == 4 && r.position[1] == 1);
    dataset_free(&d);
    world_open(&w);
    world_end(&w);
}

static void what_does_not_speak_of_the_deployed_stage_is_left_out(void **state)
{
    (void)state;
    world w;
    dataset_result d;
    answer x;
    stage s;
    char id[16];
    world_make(&w);
    items(&w);
    log_request(&w, "not recorded", "u", 1, false);
    answer_make(&x, &w, "older model", "u", ITEMS(1), 1, 2);
    char *models[] = {TEXT(""), TEXT("taste/0")};
    x.a.models = models;
    world_answer(&w, &x.a);
    stage_make(&s);
    world_recorded(&w, "older model", &s.s);
    answer_make(&x, &w, "other pipeline", "u", ITEMS(1), 1, 2);
    x.a.pipeline = TEXT("plain");
    world_answer(&w, &x.a);
    world_recorded(&w, "other pipeline", &s.s);
    world_answered(&w, "other stage", "u", ITEMS(1), 1, 3);
    s.s.name = TEXT("stage2");
    world_recorded(&w, "other stage", &s.s);
    s.s.name = TEXT("stage1");
    world_answered(&w, "other rankers", "u", ITEMS(1), 1, 4);
    char *rankers[] = {TEXT("taste"), TEXT("fresh")};
    s.s.rankers = rankers;
    world_recorded(&w, "other rankers", &s.s);
    s.s.rankers = (char **)(uintptr_t)STAGE_RANKERS;
    world_answered(&w, "short", "u", ITEMS(1), 1, 5);
    s.s.n_raw--;
    world_recorded(&w, "short", &s.s);
    world_recorded(&w, "of nobody", &s.s); /* its answer was lost */
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "r%d", i);
        log_request(&w, id, i % 2 ? "u" : "v", i * 1000, true);
    }
    world_event(&w, (event){.type = "click", .user = "u", .item = "a", .request = "r3", .time_ms = 1});
    dataset_spec spec = world_spec(&w, fusion_inputs());
    spec.ranker = DEPLOYED;
    spec.n_rankers = 2;
    world_build(&w, &spec, &d);
    assert_int_equal(d.report.left_out[DATASET_NOT_RECORDED], 1);
    assert_int_equal(d.report.left_out[DATASET_OTHER_MODEL], 1);
    assert_int_equal(d.report.left_out[DATASET_OTHER_STAGE], 2);
    assert_int_equal(d.report.left_out[DATASET_OTHER_RANKERS], 1);
    assert_int_equal(d.report.left_out[DATASET_BROKEN], 1);
    assert_int_equal(d.report.requests[0] + d.report.requests[1], 10);
    dataset_free(&d);
    world_open(&w);
    world_end(&w);
}

static void a_fusion_range_that_begins_before_its_rankers_end_is_refused(void **state)
{
    (void)state;
    const dataset_ranker rankers[] = {
        {.name = "words"}, {.name = "taste", .model = "taste/3", .until = 1000}, {.name = "deep", .model = "din/1", .until = 1200}};
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(dataset_check_since(rankers, 3, 1200, "shop.yaml:9:7", &e), SINTER_OK);
    assert_int_equal(dataset_check_since(rankers, 3, 1199, "shop.yaml:9:7", &e), SINTER_INVALID);
    assert_string_equal(e.where, "shop.yaml:9:7");
    assert_true(strstr(e.what, "after 1199") && strstr(e.what, "'deep'") && strstr(e.what, "din/1") && strstr(e.what, "up to 1200"));
    assert_non_null(strstr(e.fix, "--since 1200"));
    assert_int_equal(dataset_check_since(rankers, 1, 0, "shop.yaml:9:7", &e), SINTER_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fusion_sees_every_candidate_of_its_stage),
                                       cmocka_unit_test(a_ranker_may_read_whole_lists_too),
                                       cmocka_unit_test(what_does_not_speak_of_the_deployed_stage_is_left_out),
                                       cmocka_unit_test(a_fusion_range_that_begins_before_its_rankers_end_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
