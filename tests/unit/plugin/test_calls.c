/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls: what the host makes of plugins that are late, fail, write NaN or too much, decline, or lie; and of good ones.
 */
#include "support.h"

enum { N = 1000 };
static arena *memory, *scratch;
static uint32_t item[N];
static float feature[N * 16] __attribute__((aligned(64)));

static int begin(void **state)
{
    memory = arena_new(1 << 16);
    scratch = arena_new(1 << 16);
    for (uint32_t i = 0; i < N; i++)
        item[i] = (i * 7919u) % N;
    return support_begin(state);
}

static int end(void **state)
{
    int r = support_end(state);
    arena_free(memory);
    arena_free(scratch);
    return r;
}

static sinter_batch batch(uint32_t n)
{
    return (sinter_batch){.size = sizeof(sinter_batch),
                          .n = n,
                          .item = item,
                          .feature = feature,
                          .n_features = 3,
                          .stride = 16,
                          .deadline_ns = UINT64_MAX};
}

static plugin_result rank(plugin_instance *i, uint32_t n, uint64_t budget_ns, float *score)
{
    plugin_result r;
    plugin_call c = {.lane = 1, .memory = memory, .scratch = scratch};
    sinter_batch b = batch(n);
    plugin_call_begin(&c);
    plugin_rank(i, &c, NULL, &b, budget_ns, score, &r);
    plugin_call_end(&c);
    return r;
}

static bool all_missing(const float *score, uint32_t from, uint32_t n)
{
    for (uint32_t k = from; k < n; k++) {
        if (!sinter_is_missing(score[k])) return false;
    }
    return true;
}

static void a_good_ranker_scores_every_row_of_any_number(void **state)
{
    (void)state;
    static const uint32_t COUNTS[] = {0, 1, 255, 256, 257, 512, 1000};
    plugin_instance *i = zoo_open("plain", PLUGIN_RANKER, "{}", NULL, memory);
    for (size_t k = 0; k < ARRAY_LEN(COUNTS); k++) {
        float score[N];
        plugin_result r = rank(i, COUNTS[k], 0, score);
        assert_int_equal(r.outcome, PLUGIN_DONE);
        assert_int_equal(r.scored, COUNTS[k]);
        for (uint32_t row = 0; row < COUNTS[k]; row++)
            assert_true(score[row] == (float)item[row]);
    }
    plugin_instance_release(host, i);
}

static void a_late_ranker_keeps_the_blocks_it_scored(void **state)
{
    (void)state;
    float score[N];
    plugin_instance *i = zoo_open("sleeps", PLUGIN_RANKER, "{}", NULL, memory);
    plugin_result r = rank(i, N, 2000000, score);
    assert_int_equal(r.outcome, PLUGIN_LATE);
    assert_true(r.scored == 512 || r.scored == 768 ||
                (r.scored == 256 && r.elapsed_ns > 2500000)); /* 256: a stalled machine */
    assert_true(all_missing(score, r.scored, N));
    assert_true(score[r.scored - 1] == (float)item[r.scored - 1]);
    assert_int_equal(r.error.status, SINTER_DEADLINE);
    assert_string_equal(r.error.where, "test.use");
    assert_string_equal(r.error.fix, "raise its budget, or make it faster");
    assert_non_null(strstr(r.error.what, "its budget ended after"));
    const plugin_counters *c = plugin_instance_library(i)->counters;
    assert_int_equal(c->late, 1);
    assert_int_equal(c->calls, 1);
    r = rank(i, N, 0, score); /* no budget: all of them */
    assert_int_equal(r.scored, N);
    plugin_instance_release(host, i);
}

static void a_request_that_is_over_scores_nothing(void **state)
{
    (void)state;
    float score[N];
    plugin_instance *i = zoo_open("plain", PLUGIN_RANKER, "{}", NULL, memory);
    plugin_call c = {.memory = memory, .scratch = scratch};
    plugin_result r;
    sinter_batch b = batch(N);
    b.deadline_ns = 1;
    plugin_rank(i, &c, NULL, &b, 0, score, &r);
    assert_int_equal(r.outcome, PLUGIN_LATE);
    assert_int_equal(r.scored, 0);
    assert_true(all_missing(score, 0, N));
    plugin_instance_release(host, i);
}

static void nan_makes_the_whole_ranker_missing(void **state)
{
    (void)state;
    float score[N];
    plugin_instance *i = zoo_open("nan_scores", PLUGIN_RANKER, "{}", NULL, memory);
    plugin_result r = rank(i, N, 0, score);
    assert_int_equal(r.outcome, PLUGIN_NOT_FINITE);
    assert_int_equal(r.scored, 0);
    assert_true(all_missing(score, 0, N));
    uint32_t first = 0;
    while (item[first] % 7 != 6)
        first++;
    char what[100];
    snprintf(what, sizeof what, "score left NaN for row %u of 1000", first);
    expect_error(&r.error, "test.use", what, "report it to the plugin's author");
    assert_int_equal(plugin_instance_library(i)->counters->not_finite, 1);
    plugin_instance_release(host, i);
}

static void writing_too_much_or_too_little_is_a_fault(void **state)
{
    (void)state;
    float score[N];
    plugin_instance *more = zoo_open("wrong_count", PLUGIN_RANKER, "{direction: more}", NULL, memory);
    plugin_result r = rank(more, N, 0, score);
    assert_int_equal(r.outcome, PLUGIN_FAILED);
    assert_string_equal(r.error.what, "score wrote outside its array");
    assert_true(all_missing(score, 0, N));
    plugin_instance_release(host, more);
    plugin_instance *less = zoo_open("wrong_count", PLUGIN_RANKER, "{direction: less}", NULL, memory);
    r = rank(less, N, 0, score);
    assert_int_equal(r.outcome, PLUGIN_NOT_FINITE);
    assert_string_equal(r.error.what, "score left NaN for row 999 of 1000");
    plugin_instance_release(host, less);
}

static plugin_result fuse(plugin_instance *i, uint32_t n, float *out)
{
    plugin_result r;
    plugin_call c = {.memory = memory, .scratch = scratch};
    static const char *const RANKERS[] = {"a"};
    static float score[N];
    static uint64_t present[N];
    const float *const scores[] = {score};
    sinter_fusion_batch b = {.size = sizeof b,
                             .n = n,
                             .n_rankers = 1,
                             .ranker = RANKERS,
                             .score = scores,
                             .present = present,
                             .item = item,
                             .before = score,
                             .deadline_ns = UINT64_MAX};
    plugin_fuse(i, &c, &b, out, &r);
    return r;
}

static void fusion_of_wrong_count_writes_nothing(void **state)
{
    (void)state;
    float out[N] = {42};
    plugin_instance *more = zoo_open("wrong_count", PLUGIN_FUSION, "{direction: more}", NULL, memory);
    plugin_result r = fuse(more, 10, out);
    assert_int_equal(r.outcome, PLUGIN_FAILED);
    assert_string_equal(r.error.what, "fuse wrote outside its array");
    plugin_instance_release(host, more);
    plugin_instance *less = zoo_open("wrong_count", PLUGIN_FUSION, "{direction: less}", NULL, memory);
    r = fuse(less, 10, out);
    assert_int_equal(r.outcome, PLUGIN_NOT_FINITE);
    assert_string_equal(r.error.what, "fuse left NaN for item 9 of 10");
    assert_true(out[0] == 42);
    plugin_instance_release(host, less);
}

static void recall_of_wrong_count_gives_nothing(void **state)
{
    (void)state;
    uint32_t got[11], n = 99;
    float score[11];
    plugin_result r;
    plugin_call c = {.memory = memory, .scratch = scratch};
    plugin_instance *more = zoo_open("wrong_count", PLUGIN_RECALL, "{source: wrong_count, limit: 10}", NULL, memory);
    plugin_recall(more, &c, NULL, NULL, NULL, 0, 10, 1000, got, score, &n, &r);
    assert_int_equal(r.outcome, PLUGIN_FAILED);
    assert_string_equal(r.error.what, "recall gave 11 items for a limit of 10");
    assert_int_equal(n, 0);
    plugin_instance_release(host, more);
    plugin_instance *less = zoo_open("wrong_count", PLUGIN_RECALL, "{direction: less}", NULL, memory);
    plugin_recall(less, &c, NULL, NULL, NULL, 0, 10, 1000, got, score, &n, &r);
    assert_int_equal(r.outcome, PLUGIN_DONE);
    assert_int_equal(n, 9);
    plugin_recall(less, &c, NULL, NULL, NULL, 0, 10, 5, got, score, &n, &r);
    assert_int_equal(r.outcome, PLUGIN_FAILED);
    assert_string_equal(r.error.what, "recall gave item 5; the collection has 5");
    plugin_instance_release(host, less);
}

static void a_failing_ranker_is_missing_and_its_words_are_made_fit(void **state)
{
    (void)state;
    float score[N];
    plugin_instance *i = zoo_open("fails", PLUGIN_RANKER, "{nth: 3}", NULL, memory);
    plugin_result r = rank(i, N, 0, score); /* four blocks: the third call fails */
    assert_int_equal(r.outcome, PLUGIN_FAILED);
    assert_int_equal(r.error.status, SINTER_UNAVAILABLE);
    assert_memory_equal(r.error.what, "bad luck ?xxx", 13);
    assert_true(utf8_valid(r.error.what, strlen(r.error.what), NULL));
    assert_true(all_missing(score, 0, N));
    r = rank(i, N, 0, score); /* and is fine the next time */
    assert_int_equal(r.outcome, PLUGIN_DONE);
    const plugin_library *l = plugin_instance_library(i);
    assert_int_equal(l->counters->failed, 1);
    assert_true(l->counters->bytes > 0);
    plugin_instance_release(host, i);
}

static void declining_is_no_fault(void **state)
{
    (void)state;
    float score[N];
    plugin_instance *i = zoo_open("declines", PLUGIN_RANKER, "{}", NULL, memory);
    plugin_result r = rank(i, N, 0, score);
    assert_int_equal(r.outcome, PLUGIN_DECLINED);
    assert_true(all_missing(score, 0, N));
    assert_int_equal(plugin_instance_library(i)->counters->failed, 0);
    assert_int_equal(plugin_instance_library(i)->counters->declined, 1);
    plugin_instance_release(host, i);
}

static void a_lie_in_explain_becomes_a_rest_line_and_is_counted(void **state)
{
    (void)state;
    plugin_instance *i = zoo_open("liar", PLUGIN_RANKER, "{}", NULL, memory);
    plugin_call c = {.memory = memory, .scratch = scratch};
    sinter_batch b = batch(N);
    plugin_line *line;
    uint32_t n, row = 300;
    bool summed;
    float score = (float)item[row];
    assert_int_equal(plugin_explain(i, &c, &b, row, score, &line, &n, &summed, NULL), SINTER_OK);
    assert_false(summed);
    assert_int_equal(n, 2);
    assert_string_equal(line[0].label, "half");
    assert_true(line[0].value == score / 2);
    assert_string_equal(line[1].label, "rest");
    assert_true(line[1].value == score / 2);
    assert_int_equal(plugin_instance_library(i)->counters->unsummed, 1);
    plugin_instance_release(host, i);
    plugin_instance *good = zoo_open("plain", PLUGIN_RANKER, "{}", NULL, memory);
    assert_int_equal(plugin_explain(good, &c, &b, row, score, &line, &n, &summed, NULL), SINTER_OK);
    assert_true(summed && n == 1 && line[0].value == (double)score);
    plugin_instance_release(host, good);
}

static void shares_that_do_not_sum_are_counted(void **state)
{
    (void)state;
    float out[10];
    plugin_instance *i = zoo_open("liar", PLUGIN_FUSION, "{}", NULL, memory);
    assert_int_equal(fuse(i, 10, out).outcome, PLUGIN_DONE);
    plugin_call c = {.memory = memory, .scratch = scratch};
    sinter_fusion_batch b = {.size = sizeof b, .n = 10, .n_rankers = 1};
    sinter_share share[1];
    double bias;
    bool summed;
    assert_int_equal(plugin_fuse_explain(i, &c, &b, 3, out[3], share, &bias, &summed, NULL), SINTER_OK);
    assert_false(summed);
    assert_int_equal(plugin_fuse_explain(i, &c, &b, 3, 1.5f, share, &bias, &summed, NULL), SINTER_OK);
    assert_true(summed && share[0].contribution == 1 && bias == 0.5);
    plugin_instance_release(host, i);
}

static int opened, closed;
static uint32_t count_events(void *ctx, const char *name)
{
    (void)ctx;
    opened += strcmp(name, "opened") == 0;
    closed += strcmp(name, "closed") == 0;
    return 1;
}
static sinter_status scan(void *ctx, void *view, const void *filter, uint32_t limit, uint32_t *got, uint32_t *n,
                          sinter_error *e)
{
    (void)ctx, (void)e;
    assert_string_equal(view, "view");
    assert_string_equal(filter, "filter");
    for (*n = 0; *n < limit && *n < 5; ++*n)
        got[*n] = *n;
    return SINTER_OK;
}
static const plugin_services SERVICES = {.event_type = count_events, .filter_scan = scan};

static void edits_are_recorded_in_order(void **state)
{
    (void)state;
    plugin_instance *rewriter = zoo_open("editor", PLUGIN_REWRITER, "{}", &SERVICES, memory);
    plugin_instance *finisher = zoo_open("editor", PLUGIN_FINISHER, "{}", &SERVICES, memory);
    plugin_call c = {.memory = memory, .scratch = scratch};
    const plugin_edit *edit;
    uint32_t n;
    plugin_result r;
    sinter_request request = {.size = sizeof request};
    float score[N] = {0};
    sinter_list list = {.size = sizeof list, .n = 3, .item = item, .score = score};
    plugin_call_begin(&c);
    plugin_rewrite(rewriter, &c, &request, &edit, &n, &r);
    assert_int_equal(r.outcome, PLUGIN_DONE);
    assert_int_equal(n, 3);
    assert_int_equal(edit[0].kind, PLUGIN_ADD_WORDS);
    assert_string_equal(edit[1].text, "price < 5");
    assert_true(edit[2].kind == PLUGIN_BOOST_WORD && edit[2].factor == 2.5);
    plugin_finish(finisher, &c, &request, &list, &edit, &n, &r);
    assert_int_equal(n, 2);
    assert_true(edit[0].kind == PLUGIN_PIN && edit[0].item == item[0] && edit[0].position == 2);
    assert_string_equal(edit[0].rule, "pin");
    assert_string_equal(edit[0].text, "because");
    assert_string_equal(edit[1].text, "");
    plugin_call_end(&c);
    plugin_instance_release(host, rewriter);
    plugin_instance_release(host, finisher);
}

static void a_wrong_edit_fails_the_call(void **state)
{
    (void)state;
    static const struct {
        plugin_role role;
        const char *yaml, *what;
    } CASES[] = {
        {PLUGIN_FINISHER, "{bad: position}", "a position is 0; the first is 1"},
        {PLUGIN_FINISHER, "{bad: text}", "a text is not UTF-8"},
        {PLUGIN_REWRITER, "{bad: factor}", "a factor is not finite"},
        {PLUGIN_REWRITER, "{bad: role}", "an edit was made that does not belong to this role"},
    };
    for (size_t k = 0; k < ARRAY_LEN(CASES); k++) {
        plugin_instance *i = zoo_open("editor", CASES[k].role, CASES[k].yaml, &SERVICES, memory);
        plugin_call c = {.memory = memory, .scratch = scratch};
        const plugin_edit *edit;
        uint32_t n;
        plugin_result r;
        sinter_request request = {.size = sizeof request};
        float score[N] = {0};
        sinter_list list = {.size = sizeof list, .n = 3, .item = item, .score = score};
        plugin_call_begin(&c);
        if (CASES[k].role == PLUGIN_FINISHER)
            plugin_finish(i, &c, &request, &list, &edit, &n, &r);
        else
            plugin_rewrite(i, &c, &request, &edit, &n, &r);
        plugin_call_end(&c);
        assert_int_equal(r.outcome, PLUGIN_FAILED);
        assert_string_equal(r.error.what, CASES[k].what);
        assert_int_equal(n, 0);
        plugin_instance_release(host, i);
    }
}

static void callbacks_see_the_view_of_the_running_call(void **state)
{
    (void)state;
    plugin_instance *i = zoo_open("editor", PLUGIN_RECALL, "{}", &SERVICES, memory);
    static char view[] = "view";
    plugin_call c = {.memory = memory, .scratch = scratch, .view = view};
    uint32_t got[20], n;
    float score[20];
    plugin_result r;
    plugin_call_begin(&c);
    plugin_recall(i, &c, NULL, "filter", NULL, 0, 20, 100, got, score, &n, &r);
    plugin_call_end(&c);
    assert_int_equal(r.outcome, PLUGIN_DONE);
    assert_int_equal(n, 5);
    assert_true(got[4] == 4 && score[4] == 1);
    plugin_instance_release(host, i);
}

static void equal_options_share_an_instance_that_closes_once(void **state)
{
    (void)state;
    opened = closed = 0;
    plugin_instance *a = zoo_open("editor", PLUGIN_FINISHER, "{name: one, weights: {x: 1, y: 2}}", &SERVICES, memory);
    plugin_instance *b = zoo_open("editor", PLUGIN_FINISHER, "{name: two, weights: {x: 1, y: 2}}", &SERVICES, memory);
    plugin_instance *c = zoo_open("editor", PLUGIN_FINISHER, "{weights: {x: 1, y: 3}}", &SERVICES, memory);
    plugin_instance *d = zoo_open("editor", PLUGIN_REWRITER, "{weights: {x: 1, y: 2}}", &SERVICES, memory);
    assert_ptr_equal(a, b);
    assert_true(a != c && a != d && c != d);
    assert_int_equal(opened, 3);
    plugin_instance_release(host, a);
    assert_int_equal(closed, 0);
    plugin_instance_release(host, b);
    assert_int_equal(closed, 1);
    plugin_instance_release(host, c);
    plugin_instance_release(host, d);
    assert_int_equal(closed, 3);
}

/* Two lanes at once, each with its own view, arenas and worker: what ThreadSanitizer watches. */
typedef struct lane_job {
    plugin_instance *i;
    uint32_t lane;
    bool fine;
} lane_job;
static void run_lane(void *arg)
{
    lane_job *job = arg;
    plugin_call c = {.lane = job->lane, .memory = arena_new(1 << 12), .scratch = arena_new(1 << 12)};
    float score[N];
    sinter_batch b = batch(N);
    job->fine = true;
    for (int round = 0; round < 50; round++) {
        plugin_result r;
        plugin_call_begin(&c);
        plugin_rank(job->i, &c, NULL, &b, 0, score, &r);
        plugin_call_end(&c);
        job->fine &= r.outcome == (round == 1 ? PLUGIN_FAILED : PLUGIN_DONE);
        arena_reset(c.memory);
    }
    arena_free(c.memory);
    arena_free(c.scratch);
}

static void lanes_score_at_once_with_workers_of_their_own(void **state)
{
    (void)state;
    pthread_t thread[2];
    plugin_instance *i = zoo_open("fails", PLUGIN_RANKER, "{nth: 7}", NULL, memory); /* in each lane's second request */
    lane_job job[2] = {{.i = i, .lane = 0}, {.i = i, .lane = 1}};
    for (int k = 0; k < 2; k++)
        assert_int_equal(thread_start(&thread[k], "lane", run_lane, &job[k], NULL), SINTER_OK);
    for (int k = 0; k < 2; k++)
        pthread_join(thread[k], NULL);
    assert_true(job[0].fine && job[1].fine);
    assert_int_equal(plugin_instance_library(i)->counters->calls, 100);
    assert_int_equal(plugin_instance_library(i)->counters->failed, 2);
    plugin_instance_release(host, i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_ranker_scores_every_row_of_any_number),
        cmocka_unit_test(a_late_ranker_keeps_the_blocks_it_scored),
        cmocka_unit_test(a_request_that_is_over_scores_nothing),
        cmocka_unit_test(nan_makes_the_whole_ranker_missing),
        cmocka_unit_test(writing_too_much_or_too_little_is_a_fault),
        cmocka_unit_test(fusion_of_wrong_count_writes_nothing),
        cmocka_unit_test(recall_of_wrong_count_gives_nothing),
        cmocka_unit_test(a_failing_ranker_is_missing_and_its_words_are_made_fit),
        cmocka_unit_test(declining_is_no_fault),
        cmocka_unit_test(a_lie_in_explain_becomes_a_rest_line_and_is_counted),
        cmocka_unit_test(shares_that_do_not_sum_are_counted),
        cmocka_unit_test(edits_are_recorded_in_order),
        cmocka_unit_test(a_wrong_edit_fails_the_call),
        cmocka_unit_test(callbacks_see_the_view_of_the_running_call),
        cmocka_unit_test(equal_options_share_an_instance_that_closes_once),
        cmocka_unit_test(lanes_score_at_once_with_workers_of_their_own),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
