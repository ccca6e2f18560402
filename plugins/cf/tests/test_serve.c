/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Serving: scores from the history that the request brings, explained by its items; recall of what may be shown; models that
 * are not what they should be are refused by name. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "people.h"

#define OPTIONS(...) (const harness_option[]){__VA_ARGS__}, sizeof((harness_option[]){__VA_ARGS__}) / sizeof(harness_option)
enum { ITEMS = 6 };

/* Who had what, of items 0 to 4; item 5 came later. */
static const uint32_t had[][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {1, 2}, {2, 1}, {2, 2}, {3, 3}, {3, 4}, {4, 3}, {4, 0}};

static double jaccard(uint32_t a, uint32_t b)
{
    double both = 0, either = 0;
    for (uint32_t u = 0; u < 5; u++) {
        bool has_a = false, has_b = false;
        for (size_t k = 0; k < sizeof had / sizeof *had; k++) {
            has_a |= had[k][0] == u && had[k][1] == a;
            has_b |= had[k][0] == u && had[k][1] == b;
        }
        both += has_a && has_b;
        either += has_a || has_b;
    }
    return a == b ? 0 : both / either;
}

typedef struct world {
    harness *h;
    sinter_instance *instance;
    sinter_worker *worker;
    const char *dir;
} world;

static world world_make(const harness_option *o, size_t n)
{
    static const char *const ids[ITEMS] = {"tea", "pot", "cup", "bolt", "nut", "new"};
    world w = {.h = harness_open(PLUGIN_PATH)};
    sinter_dataset *d = harness_dataset(w.h);
    harness_training t = {0};
    sinter_error e = SINTER_ERROR_INIT;
    for (size_t k = 0; k < sizeof had / sizeof *had; k++)
        harness_interaction(d, had[k][0], had[k][1], 2, 1, NAN, 1000);
    w.dir = harness_folder(w.h);
    assert_int_equal(harness_train(w.h, NULL, 0, d, harness_dataset(w.h), w.dir, &t, &e), SINTER_OK);
    for (uint32_t i = 0; i < ITEMS; i++) {
        harness_item(w.h, i, ids[i]);
        harness_set_number(w.h, "price", i, i);
    }
    harness_model(w.h, w.dir);
    assert_int_equal(harness_instance(w.h, "ranker", o, n, &w.instance, &e), SINTER_OK);
    w.worker = harness_worker(w.h, w.instance);
    return w;
}

/* A request whose history is item[0..n), newest first. */
static sinter_request *request_of(world *w, uint32_t n, const uint32_t *item, const float *age, const float *weight)
{
    sinter_request *r = harness_request(w->h, "", 0);
    sinter_user *u = (sinter_user *)(uintptr_t)r->user;
    u->n_history = n;
    u->item = item;
    u->age = age;
    u->weight = weight;
    return r;
}

static sinter_status score_all(world *w, const sinter_request *r, float *score /* [ITEMS] */)
{
    const sinter_ranker *ranker = harness_plugin(w->h)->ranker;
    sinter_error e = SINTER_ERROR_INIT;
    sinter_status status = ranker->prepare(w->instance, w->worker, r, &e);
    if (status == SINTER_OK)
        assert_int_equal(ranker->score(w->instance, w->worker, harness_batch(w->h, NULL, 0, ITEMS), score, &e), SINTER_OK);
    return status;
}

#define NEAR(a, b) assert_true(fabs((double)(a) - (double)(b)) < 1e-6)

static void a_score_is_affinity_times_similarity(void **state)
{
    (void)state;
    world w = world_make(OPTIONS({"half_life", "10d"}));
    float score[ITEMS];
    /* tea twice, 20 and 30 days ago; a bolt 40 days ago, worth 3. Ages count from the newest. */
    sinter_request *r = request_of(&w, 3, (uint32_t[]){0, 0, 3}, (float[]){20, 30, 40}, (float[]){1, 2, 3});
    assert_int_equal(score_all(&w, r, score), SINTER_OK);
    double tea = 1 + 2 * 0.5, bolt = 3 * 0.25;
    for (uint32_t i = 0; i < ITEMS - 1; i++)
        NEAR(score[i], tea * jaccard(0, i) + bolt * jaccard(3, i));
    assert_true(sinter_is_missing(score[5]));
    harness_close(w.h);
}

static void a_click_moves_the_next_answer(void **state)
{
    (void)state;
    world w = world_make(NULL, 0);
    float before[ITEMS], after[ITEMS];
    score_all(&w, request_of(&w, 1, (uint32_t[]){0}, (float[]){1}, (float[]){1}), before);
    score_all(&w, request_of(&w, 2, (uint32_t[]){4, 0}, (float[]){0, 1}, (float[]){1, 1}), after);
    NEAR(after[3] - before[3], jaccard(4, 3));
    NEAR(after[1], before[1]);
    score_all(&w, request_of(&w, 1, (uint32_t[]){0}, (float[]){1}, (float[]){1}), after);
    assert_memory_equal(before, after, sizeof(float) * ITEMS);
    harness_close(w.h);
}

static void without_a_known_history_there_is_no_opinion(void **state)
{
    (void)state;
    world w = world_make(NULL, 0);
    float score[ITEMS];
    assert_int_equal(score_all(&w, request_of(&w, 0, NULL, NULL, NULL), score), SINTER_DECLINED);
    assert_int_equal(score_all(&w, request_of(&w, 2, (uint32_t[]){5, 4000000000u}, (float[]){1, 1}, (float[]){1, 1}), score), SINTER_DECLINED);
    harness_close(w.h);
}

static void once_counts_an_item_once(void **state)
{
    (void)state;
    world w = world_make(OPTIONS({"weights", "once"}));
    float score[ITEMS];
    score_all(&w, request_of(&w, 3, (uint32_t[]){0, 0, 1}, (float[]){0, 1, 2}, (float[]){5, 4, 0}), score);
    NEAR(score[2], jaccard(0, 2));
    harness_close(w.h);
}

static void only_the_latest_events_are_read(void **state)
{
    (void)state;
    world w = world_make(OPTIONS({"history", "2"}));
    float score[ITEMS];
    assert_int_equal(harness_inputs(w.h, w.instance)->history, 2);
    assert_int_equal(harness_inputs(w.h, w.instance)->dataset, SINTER_DATASET_INTERACTIONS);
    score_all(&w, request_of(&w, 3, (uint32_t[]){3, 4, 0}, (float[]){0, 1, 2}, (float[]){1, 1, 1}), score);
    assert_true(score[1] == 0);
    harness_close(w.h);
}

static void the_explanation_names_history_and_sums_to_the_score(void **state)
{
    (void)state;
    world w = world_make(NULL, 0);
    float score[ITEMS];
    sinter_error e = SINTER_ERROR_INIT;
    score_all(&w, request_of(&w, 3, (uint32_t[]){2, 0, 3}, (float[]){0, 1, 2}, (float[]){1, 4, 1}), score);
    const sinter_batch *b = harness_batch(w.h, NULL, 0, ITEMS);
    for (uint32_t i = 0; i < ITEMS; i++) {
        assert_int_equal(harness_plugin(w.h)->ranker->explain(w.instance, w.worker, b, i, harness_sink(w.h), &e), SINTER_OK);
        if (i == 5)
            assert_int_equal(harness_edits(w.h), 0);
        else
            NEAR(harness_explained(w.h), score[i]);
        if (i != 1)
            continue;
        assert_int_equal(harness_edits(w.h), 2); /* a pot goes with tea and cups, strongest first; not with bolts */
        assert_string_equal(harness_edit_at(w.h, 0)->rule, "tea");
        assert_string_equal(harness_edit_at(w.h, 1)->rule, "cup");
    }
    harness_close(w.h);
}

static void a_long_explanation_ends_with_the_rest(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    people p = people_make(h, 100, 60, 3000, 0, 9);
    world w = {.h = h, .dir = harness_folder(h)};
    harness_training t = {0};
    sinter_error e = SINTER_ERROR_INIT;
    uint32_t item[40];
    float age[40], weight[40], score[60];
    harness_train(h, OPTIONS({"method", "ease"}, {"lambda", "3"}), p.early, p.late, w.dir, &t, &e);
    for (uint32_t i = 0; i < 60; i++)
        harness_item(h, i, "item");
    for (uint32_t i = 0; i < 40; i++) {
        item[i] = i;
        age[i] = (float)i;
        weight[i] = (float)(i % 5);
    }
    harness_model(h, w.dir);
    assert_int_equal(harness_instance(h, "ranker", OPTIONS({"method", "ease"}, {"lambda", "3"}), &w.instance, &e), SINTER_OK);
    w.worker = harness_worker(h, w.instance);
    const sinter_ranker *ranker = harness_plugin(h)->ranker;
    ranker->prepare(w.instance, w.worker, request_of(&w, 40, item, age, weight), &e);
    const sinter_batch *b = harness_batch(h, NULL, 0, 60);
    ranker->score(w.instance, w.worker, b, score, &e);
    for (uint32_t i = 0; i < 60; i++) {
        ranker->explain(w.instance, w.worker, b, i, harness_sink(h), &e);
        assert_int_equal(harness_edits(h), 9);
        assert_string_equal(harness_edit_at(h, 8)->rule, "rest");
        NEAR(harness_explained(h), score[i]);
        assert_true(score[i] != 0);
    }
    harness_close(h);
}

/* ---- recall ---- */

static uint32_t recall(world *w, const sinter_request *r, const char *filter, const uint32_t *exclude, uint32_t n_exclude,
                       uint32_t limit, uint32_t *item, float *score)
{
    const sinter_host *host = harness_host(w->h);
    sinter_filter *f = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    uint32_t n = 99;
    if (filter != NULL)
        assert_int_equal(host->filter_compile(host, filter, &f, &e), SINTER_OK);
    assert_int_equal(harness_plugin(w->h)->recall->recall(w->instance, w->worker, r, f, exclude, n_exclude, limit, item, score, &n, &e),
                     SINTER_OK);
    if (f != NULL)
        host->filter_free(f);
    return n;
}

static void recall_brings_the_best_that_may_be_shown(void **state)
{
    (void)state;
    world w = world_make(NULL, 0);
    uint32_t item[ITEMS];
    float score[ITEMS];
    sinter_request *r = request_of(&w, 1, (uint32_t[]){0}, (float[]){1}, (float[]){2});
    assert_int_equal(recall(&w, r, NULL, NULL, 0, ITEMS, item, score), 3); /* pot, then cup and bolt: smaller ordinal first */
    assert_int_equal(item[0], 1);
    assert_int_equal(item[1], 2);
    assert_int_equal(item[2], 3);
    NEAR(score[0], 2 * jaccard(0, 1));
    NEAR(score[1], score[2]);
    assert_int_equal(recall(&w, r, NULL, NULL, 0, 1, item, score), 1);
    assert_int_equal(item[0], 1);
    assert_int_equal(recall(&w, r, "price > 2", NULL, 0, ITEMS, item, score), 1);
    assert_int_equal(item[0], 3);
    assert_int_equal(recall(&w, r, NULL, (uint32_t[]){1, 9, 3}, 3, ITEMS, item, score), 1);
    assert_int_equal(item[0], 2);
    assert_int_equal(recall(&w, request_of(&w, 0, NULL, NULL, NULL), NULL, NULL, 0, ITEMS, item, score), 0);
    harness_close(w.h);
}

static void recall_equals_a_sort_of_all_scores(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    people p = people_make(h, 300, 3000, 20000, 0, 4);
    world w = {.h = h, .dir = harness_folder(h)};
    harness_training t = {0};
    sinter_error e = SINTER_ERROR_INIT;
    uint32_t item[100], history[3] = {1, 60, 200}, place = 0;
    float got[100], *score = calloc(3000, sizeof *score);
    harness_train(h, OPTIONS({"similarity", "cosine"}), p.early, p.late, w.dir, &t, &e);
    for (uint32_t i = 0; i < 3000; i++)
        if (i % 7 != 0) /* the others are deleted */
            harness_item(h, i, "item");
    harness_model(h, w.dir);
    assert_int_equal(harness_instance(h, "recall", NULL, 0, &w.instance, &e), SINTER_OK);
    assert_int_equal(harness_logged(h), 0); /* a source need not repeat how its model was trained */
    assert_int_equal(harness_instance(h, "ranker", NULL, 0, &w.instance, &e), SINTER_OK);
    assert_int_equal(harness_logged(h), 1); /* a ranker's similarity is another than the model's */
    assert_non_null(strstr(harness_last_log(h), "trained with similarity cosine, the pipeline says jaccard"));
    assert_int_equal(harness_instance(h, "recall", NULL, 0, &w.instance, &e), SINTER_OK);
    w.worker = harness_worker(h, w.instance);
    sinter_request *r = request_of(&w, 3, history, (float[]){0, 0, 0}, (float[]){1, 2, 3});
    assert_int_equal(recall(&w, r, NULL, history, 3, 100, item, got), 100);
    harness_plugin(h)->ranker->prepare(w.instance, w.worker, r, &e);
    harness_plugin(h)->ranker->score(w.instance, w.worker, harness_batch(h, NULL, 0, 3000), score, &e);
    for (uint32_t k = 0; k < 100; k++) { /* nothing better was left out */
        assert_true(item[k] % 7 != 0 && item[k] != 1 && item[k] != 60 && item[k] != 200);
        assert_true(got[k] == score[item[k]]);
        assert_true(k == 0 || got[k - 1] >= got[k]);
        score[item[k]] = 0;
    }
    for (uint32_t i = 0; i < 3000; i++)
        place += i % 7 != 0 && i != 1 && i != 60 && i != 200 && !sinter_is_missing(score[i]) && score[i] > got[99];
    assert_int_equal(place, 0);
    free(score);
    harness_close(h);
}

/* ---- models ---- */

static void without_a_model_it_does_not_rank(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    sinter_instance *instance;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(harness_instance(h, "ranker", NULL, 0, &instance, &e), SINTER_PRECONDITION);
    assert_non_null(strstr(e.fix, "model: NAME/latest"));
    harness_model(h, "/nowhere");
    assert_true(harness_instance(h, "ranker", NULL, 0, &instance, &e) != SINTER_OK);
    harness_close(h);
}

/* The file that a test writes in place of a good one: three items, and two pairs unless n_pairs says otherwise. */
static void model_is_refused(uint64_t n_offsets, const uint64_t *offset, const uint32_t *neighbour, float weight, uint64_t n_support)
{
    static const uint32_t support[4] = {1, 1, 1, 1};
    harness *h = harness_open(PLUGIN_PATH);
    const sinter_host *host = harness_host(h);
    const char *dir = harness_folder(h);
    float weights[2] = {1, weight};
    const sinter_tensor tensors[] = {
        {.name = "offset", .type = SINTER_TENSOR_U64, .n_dimensions = 1, .dimension = {n_offsets}, .data = offset},
        {.name = "neighbour", .type = SINTER_TENSOR_U32, .n_dimensions = 1, .dimension = {2}, .data = neighbour},
        {.name = "weight", .type = SINTER_TENSOR_F32, .n_dimensions = 1, .dimension = {2}, .data = weights},
        {.name = "support", .type = SINTER_TENSOR_U32, .n_dimensions = 1, .dimension = {n_support}, .data = support},
    };
    sinter_error e = SINTER_ERROR_INIT;
    sinter_instance *instance;
    if (host->tensors_write(host, dir, "weights.safetensors", tensors, 4, NULL, &e) != SINTER_OK) {
        harness_close(h); /* the host has refused it before us */
        return;
    }
    harness_model(h, dir);
    assert_true(harness_instance(h, "ranker", NULL, 0, &instance, &e) != SINTER_OK);
    assert_non_null(strstr(e.where, "weights.safetensors"));
    harness_close(h);
}

static void damaged_models_are_refused_by_name(void **state)
{
    (void)state;
    const uint32_t good[2] = {1, 2};
    const uint64_t offset[4] = {0, 2, 2, 2};
    model_is_refused(4, (uint64_t[]){0, 2, 1, 2}, good, 1, 3);
    model_is_refused(4, (uint64_t[]){0, 2, 2, 9}, good, 1, 3);
    model_is_refused(4, (uint64_t[]){1, 2, 2, 2}, good, 1, 3);
    model_is_refused(4, (uint64_t[]){0, UINT64_MAX, 2, 2}, good, 1, 3);
    model_is_refused(4, offset, (uint32_t[]){1, 3}, 1, 3);
    model_is_refused(4, offset, (uint32_t[]){2, 1}, 1, 3);
    model_is_refused(4, offset, good, NAN, 3);
    model_is_refused(4, offset, good, 1, 4);
    model_is_refused(1, offset, good, 1, 3);
}

/* Whatever is done to the file: refused, or a model whose indices can be trusted and whose scores are numbers. */
static void a_damaged_file_never_harms(void **state)
{
    (void)state;
    world good = world_make(NULL, 0);
    char path[700], bytes[8192];
    snprintf(path, sizeof path, "%s/weights.safetensors", good.dir);
    FILE *f = fopen(path, "rb");
    size_t n = fread(bytes, 1, sizeof bytes, f);
    uint64_t seed = 11;
    uint32_t opened = 0;
    fclose(f);
    assert_true(n > 100 && n < sizeof bytes);
    for (int round = 0; round < 400; round++) {
        world w = {.h = harness_open(PLUGIN_PATH)};
        char damaged[8192];
        size_t cut = people_random(&seed) < 0.2 ? (size_t)(people_random(&seed) * (double)n) : n;
        memcpy(damaged, bytes, n);
        for (int k = (int)(people_random(&seed) * 6); k >= 0; k--)
            damaged[(size_t)(people_random(&seed) * (double)n)] = (char)(people_random(&seed) * 256);
        w.dir = harness_folder(w.h);
        snprintf(path, sizeof path, "%s/weights.safetensors", w.dir);
        f = fopen(path, "wb");
        fwrite(damaged, 1, cut, f);
        fclose(f);
        harness_model(w.h, w.dir);
        sinter_error e = SINTER_ERROR_INIT;
        if (harness_instance(w.h, "ranker", NULL, 0, &w.instance, &e) == SINTER_OK) {
            float score[ITEMS];
            w.worker = harness_worker(w.h, w.instance);
            opened++;
            if (score_all(&w, request_of(&w, 3, (uint32_t[]){0, 3, 77}, (float[]){0, 1, 2}, (float[]){1, 1, 1}), score) == SINTER_OK)
                for (uint32_t i = 0; i < ITEMS; i++)
                    assert_true(sinter_is_missing(score[i]) || !isnan(score[i]));
        }
        harness_close(w.h);
    }
    assert_true(opened < 300);
    harness_close(good.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_score_is_affinity_times_similarity),
        cmocka_unit_test(a_click_moves_the_next_answer),
        cmocka_unit_test(without_a_known_history_there_is_no_opinion),
        cmocka_unit_test(once_counts_an_item_once),
        cmocka_unit_test(only_the_latest_events_are_read),
        cmocka_unit_test(the_explanation_names_history_and_sums_to_the_score),
        cmocka_unit_test(a_long_explanation_ends_with_the_rest),
        cmocka_unit_test(recall_brings_the_best_that_may_be_shown),
        cmocka_unit_test(recall_equals_a_sort_of_all_scores),
        cmocka_unit_test(without_a_model_it_does_not_rank),
        cmocka_unit_test(damaged_models_are_refused_by_name),
        cmocka_unit_test(a_damaged_file_never_harms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
