/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Training through the plugin's own entry: it learns what is planted, to the same bits each time and after an interruption, and
 * says plainly why it cannot learn. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "harness_inside.h"

#define N(options) (sizeof(options) / sizeof *(options))

static const harness_option plain[] = {SHOP_FEATURES, SHOP_LAYERS, {"training.epochs", "6"}};

static const harness_option whole[] = {
    SHOP_FEATURES,
    {"log.0", "item.b"},
    {"missing_indicators", "true"},
    {"embeddings.0.feature", "user.id"}, {"embeddings.0.buckets", "97"}, {"embeddings.0.dimension", "4"},
    {"embeddings.1.feature", "item.kind"}, {"embeddings.1.buckets", "11"}, {"embeddings.1.dimension", "3"},
    {"embeddings.2.feature", "item"}, {"embeddings.2.dimension", "4"},
    {"history.events", "5"}, {"history.half_life", "2d"}, {"history.features.0", "item.b"},
    {"products.0.of", "history"}, {"products.0.with", "item"}, {"products.1.of", "user.id"}, {"products.1.with", "item"},
    {"layers.0.dense", "24"}, {"layers.0.layer_norm", "true"}, {"layers.0.activation", "relu"}, {"layers.0.dropout", "0.2"},
    {"layers.1.dense", "12"}, {"layers.1.activation", "tanh"},
    {"layers.2.dense", "1"}, {"layers.2.activation", "sigmoid"},
    {"training.epochs", "5"}, {"training.learning_rate", "0.01"}, {"training.weight_decay", "0.001"}, {"training.patience", "5"},
};

static void expect_ok(sinter_status s, const sinter_error *err)
{
    if (s != SINTER_OK)
        fail_msg("%s: %s (%s)", err->where, err->what, err->fix);
}

/* The bytes of a trained model's file. */
static char *read_model(const char *dir, size_t *size)
{
    char path[512];
    struct stat st;
    snprintf(path, sizeof path, "%s/weights.safetensors", dir);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &st), 0);
    char *bytes = malloc((size_t)st.st_size + 1);
    *size = fread(bytes, 1, (size_t)st.st_size, f);
    assert_int_equal(*size, st.st_size);
    fclose(f);
    return bytes;
}

static bool same_models(const char *a, const char *b)
{
    size_t n, m;
    char *x = read_model(a, &n), *y = read_model(b, &m);
    bool same = n == m && memcmp(x, y, n) == 0;
    free(x);
    free(y);
    return same;
}

static bool has_file(const char *dir, const char *file)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    return access(path, F_OK) == 0;
}

static void what_features_tell_is_learnt(void **state)
{
    (void)state;
    shop s = shop_open(PLUGIN_PATH);
    sinter_error err;
    harness_training t = {0};
    const char *dir = harness_folder(s.h);
    s.by_feature = 2;
    expect_ok(harness_train(s.h, plain, N(plain), shop_requests(&s, 1500, 1), shop_requests(&s, 400, 2), dir, &t, &err), &err);
    assert_true(harness_metric(&t, "valid_auc") > 0.72);
    assert_true(harness_metric(&t, "loss") < 0.62);
    assert_true(harness_metric(&t, "valid_ndcg@10") > 0.7);
    assert_true(has_file(dir, "weights.safetensors"));
    assert_false(has_file(dir, "checkpoint.safetensors"));
    harness_close(s.h);
}

/* Nobody's features tell; only who likes what. */
static double taste_auc(const harness_option *option, size_t n)
{
    shop s = shop_open(PLUGIN_PATH);
    sinter_error err;
    harness_training t = {0};
    s.by_feature = 0;
    s.by_taste = 2;
    s.user_ids = true;
    expect_ok(harness_train(s.h, option, n, shop_requests(&s, 2000, 1), shop_requests(&s, 400, 2), harness_folder(s.h), &t, &err), &err);
    double auc = harness_metric(&t, "valid_auc");
    harness_close(s.h);
    return auc;
}

#define TASTE_TRAINING \
    {"layers.0.dense", "8"}, {"layers.0.activation", "relu"}, {"layers.1.dense", "1"}, {"layers.1.activation", "sigmoid"}, \
        {"training.epochs", "15"}, {"training.learning_rate", "0.01"}

static void taste_is_learnt_from_ids_and_from_history(void **state)
{
    (void)state;
    const harness_option by_features[] = {SHOP_FEATURES, TASTE_TRAINING};
    const harness_option by_ids[] = {{"embeddings.0.feature", "user.id"}, {"embeddings.0.dimension", "4"}, {"embeddings.1.feature", "item"},
                                     {"embeddings.1.dimension", "4"}, {"embeddings.2.feature", "item.kind"}, {"embeddings.2.dimension", "2"},
                                     {"products.0.of", "user.id"}, {"products.0.with", "item"}, TASTE_TRAINING};
    const harness_option by_history[] = {{"embeddings.0.feature", "item"}, {"embeddings.0.dimension", "4"}, {"history.pool", "mean"},
                                         {"products.0.of", "history"}, {"products.0.with", "item"}, TASTE_TRAINING};
    assert_true(taste_auc(by_features, N(by_features)) < 0.6);
    assert_true(taste_auc(by_ids, N(by_ids)) > 0.8);
    assert_true(taste_auc(by_history, N(by_history)) > 0.8);
}

/* In this shop the ranking before showed good items first, so that position and taste go together. Without the biases, the
 * network takes what the position did for what the feature does. */
static double feature_slope(const char *positions)
{
    shop s = shop_open(PLUGIN_PATH);
    sinter_error err;
    harness_training t = {0};
    const harness_option option[] = {{"features.0", "item.a"}, {"layers.0.dense", "1"}, {"positions", positions}, {"training.epochs", "40"},
                                     {"training.learning_rate", "0.02"}};
    sinter_dataset *d[2] = {harness_dataset(s.h), harness_dataset(s.h)};
    for (uint32_t q = 0; q < 4000; q++) {
        float x[SHOP_LIST], clicked[SHOP_LIST];
        for (uint32_t i = 0; i < SHOP_LIST; i++) { /* falls with the position, on the whole */
            x[i] = (float)(3 * random_uniform(q, i) - 0.4 * i);
            double z = 0.5 * (double)x[i] - 0.5 * i;
            clicked[i] = random_uniform(q, 100 + i) < 1 / (1 + exp(-z));
        }
        harness_requests(d[q % 5 == 0], &(sinter_requests){.batch = harness_batch(s.h, x, 1, SHOP_LIST), .n_targets = 1,
                                                            .label = (const float *const[]){clicked}});
    }
    const char *dir = harness_folder(s.h);
    expect_ok(harness_train(s.h, option, N(option), d[0], d[1], dir, &t, &err), &err);
    harness_model(s.h, dir);
    sinter_instance *ranker;
    expect_ok(harness_instance(s.h, "ranker", option, N(option), &ranker, &err), &err);
    float score[2];
    sinter_worker *w = harness_worker(s.h, ranker);
    const sinter_batch *b = harness_batch(s.h, (float[]){0, 1}, 1, 2);
    assert_int_equal(harness_plugin(s.h)->ranker->score(ranker, w, b, score, &err), SINTER_OK);
    harness_close(s.h);
    return (double)(score[1] - score[0]);
}

static void clicks_are_not_mistaken_for_taste(void **state)
{
    (void)state;
    double with = feature_slope("50"), without = feature_slope("0");
    if (!(fabs(with - 0.5) < 0.08 && without > 0.75))
        fail_msg("planted 0.5, found %.3f with the positions' biases, %.3f without", with, without);
}

static void a_run_is_the_same_bits_for_a_seed(void **state)
{
    (void)state;
    const char *dir[3];
    shop s = shop_open(PLUGIN_PATH);
    s.user_ids = true;
    s.by_taste = 1;
    sinter_dataset *train = shop_requests(&s, 300, 1), *valid = shop_requests(&s, 100, 2);
    for (uint32_t i = 0; i < 3; i++) {
        sinter_error err;
        harness_training t = {.seed = i < 2 ? 5 : 6};
        dir[i] = harness_folder(s.h);
        expect_ok(harness_train(s.h, whole, N(whole), train, valid, dir[i], &t, &err), &err);
    }
    assert_true(same_models(dir[0], dir[1]));
    assert_false(same_models(dir[0], dir[2]));
    harness_close(s.h);
}

/* Great products go through OpenBLAS and its threads. */
static void a_run_by_threads_is_the_same_bits_too(void **state)
{
    (void)state;
    const harness_option option[] = {SHOP_FEATURES, {"layers.0.dense", "600"}, {"layers.0.activation", "relu"}, {"layers.1.dense", "300"},
                                     {"layers.1.activation", "relu"}, {"layers.2.dense", "1"}, {"training.epochs", "1"}};
    const char *dir[2];
    shop s = shop_open(PLUGIN_PATH);
    sinter_dataset *train = shop_requests(&s, 100, 1), *valid = shop_requests(&s, 50, 2);
    for (uint32_t i = 0; i < 2; i++) {
        sinter_error err;
        harness_training t = {.threads = 2};
        dir[i] = harness_folder(s.h);
        expect_ok(harness_train(s.h, option, N(option), train, valid, dir[i], &t, &err), &err);
    }
    assert_true(same_models(dir[0], dir[1]));
    harness_close(s.h);
}

static char dies_at[16]; /* begin of the log line at which the process dies */

static void die_at_line(const sinter_host *host, sinter_log_level level, const char *message)
{
    (void)host;
    (void)level;
    if (strncmp(message, dies_at, strlen(dies_at)) == 0)
        kill(getpid(), SIGKILL);
}

/* Killed in each epoch in turn, behind its last step and before it is kept. */
static void an_interrupted_run_goes_on_to_the_same_bits(void **state)
{
    (void)state;
    shop s = shop_open(PLUGIN_PATH);
    s.user_ids = true;
    s.by_taste = 1;
    sinter_dataset *train = shop_requests(&s, 300, 1), *valid = shop_requests(&s, 100, 2);
    sinter_error err;
    harness_training t = {0};
    const char *straight = harness_folder(s.h), *last = NULL, *next;
    expect_ok(harness_train(s.h, whole, N(whole), train, valid, straight, &t, &err), &err);
    for (uint32_t e = 2; e <= 5; e++, last = next) {
        next = harness_folder(s.h);
        t.resume_dir = last;
        snprintf(dies_at, sizeof dies_at, "epoch %u:", e);
        pid_t child = fork();
        if (child == 0) {
            s.h->host.log = die_at_line;
            harness_train(s.h, whole, N(whole), train, valid, next, &t, &err);
            _exit(1);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_true(has_file(next, "checkpoint.safetensors"));
    }
    t = (harness_training){.resume_dir = last};
    next = harness_folder(s.h);
    expect_ok(harness_train(s.h, whole, N(whole), train, valid, next, &t, &err), &err);
    assert_non_null(strstr(harness_last_log(s.h), "epoch 5: 2400 hits"));
    assert_true(same_models(straight, next));
    harness_close(s.h);
}

static void what_cannot_be_gone_on_from_is_said_and_left(void **state)
{
    (void)state;
    shop s = shop_open(PLUGIN_PATH);
    sinter_dataset *train = shop_requests(&s, 100, 1), *valid = shop_requests(&s, 50, 2);
    sinter_error err;
    harness_training t = {0};
    const char *straight = harness_folder(s.h), *broken = harness_folder(s.h), *next;
    expect_ok(harness_train(s.h, plain, N(plain), train, valid, straight, &t, &err), &err);
    for (uint32_t k = 0; k < 2; k++) { /* nothing there; half a file */
        char path[512];
        snprintf(path, sizeof path, "%s/checkpoint.safetensors", broken);
        FILE *f = k == 1 ? fopen(path, "w") : NULL;
        if (f != NULL) {
            fputs("half a file", f);
            fclose(f);
        }
        t = (harness_training){.resume_dir = broken};
        next = harness_folder(s.h);
        expect_ok(harness_train(s.h, plain, N(plain), train, valid, next, &t, &err), &err);
        assert_true(same_models(straight, next));
    }
    harness_close(s.h);
}

/* ---- verdicts ---- */

typedef struct verdict {
    const char *what; /* in the message */
    sinter_status status;
    float label[2];   /* of even and odd hits */
    float feature;    /* all of them; 0: they vary */
    const char *loss;
    uint64_t memory_limit;
} verdict;

static void data_without_anything_to_learn_gets_a_verdict(void **state)
{
    (void)state;
    static const verdict cases[] = {
        {"none of 400 hits of 50 requests has an event of target 'click'", SINTER_PRECONDITION, {0, 0}, 0, "bce", 0},
        {"all 400 hits have the same label 1", SINTER_PRECONDITION, {1, 1}, 0, "bce", 0},
        {"all 400 hits have the same label 2.5", SINTER_PRECONDITION, {2.5f, 2.5f}, 0, "mse", 0},
        {"none of 400 hits", SINTER_PRECONDITION, {0, 0}, 0, "softmax", 0},
        {"a label of target 'click' is not finite", SINTER_INVALID, {NAN, 1}, 0, "mse", 0},
        {"each of the 3 features is missing, or the same", SINTER_PRECONDITION, {0, 1}, NAN, "bce", 0},
        {"each of the 3 features is missing, or the same", SINTER_PRECONDITION, {0, 1}, 7, "bce", 0},
        {"the limit is 0 MiB", SINTER_EXHAUSTED, {0, 1}, 0, "bce", 20000},
        {"the limit is 0 MiB", SINTER_EXHAUSTED, {0, 1}, 0, "bce", 1000},
    };
    for (size_t c = 0; c < N(cases); c++) {
        const verdict *v = &cases[c];
        shop s = shop_open(PLUGIN_PATH);
        sinter_dataset *d[2] = {harness_dataset(s.h), harness_dataset(s.h)};
        const harness_option option[] = {SHOP_FEATURES, {"layers.0.dense", "1"}, {"loss", v->loss}};
        for (uint32_t q = 0; q < 100; q++) {
            float x[SHOP_LIST * 3], label[SHOP_LIST];
            for (uint32_t i = 0; i < SHOP_LIST * 3; i++)
                x[i] = v->feature != 0 ? v->feature : (float)random_uniform(q, i);
            for (uint32_t i = 0; i < SHOP_LIST; i++)
                label[i] = v->label[i % 2];
            harness_requests(d[q % 2], &(sinter_requests){.batch = harness_batch(s.h, x, 3, SHOP_LIST), .n_targets = 1,
                                                           .label = (const float *const[]){label}});
        }
        sinter_error err;
        harness_training t = {.memory_limit = v->memory_limit};
        const char *dir = harness_folder(s.h);
        sinter_status status = harness_train(s.h, option, N(option), d[0], d[1], dir, &t, &err);
        if (status != v->status || strstr(err.what, v->what) == NULL || err.fix[0] == 0)
            fail_msg("case %zu: status %d: %s (%s)", c, status, err.what, err.fix);
        assert_false(has_file(dir, "weights.safetensors"));
        harness_close(s.h);
    }
}

static void no_requests_and_a_loss_that_leaves_the_numbers_get_a_verdict(void **state)
{
    (void)state;
    shop s = shop_open(PLUGIN_PATH);
    sinter_error err;
    harness_training t = {0};
    sinter_dataset *d = shop_requests(&s, 50, 1), *none = harness_dataset(s.h);
    assert_int_equal(harness_train(s.h, plain, N(plain), none, d, harness_folder(s.h), &t, &err), SINTER_PRECONDITION);
    assert_non_null(strstr(err.what, "0 hits in the training data"));
    assert_int_equal(harness_train(s.h, plain, N(plain), d, none, harness_folder(s.h), &t, &err), SINTER_PRECONDITION);
    assert_non_null(strstr(err.what, "0 hits in the validation data"));
    const harness_option great[] = {SHOP_FEATURES, {"layers.0.dense", "1"}, {"loss", "mse"}, {"training.batch", "1"}};
    float x[SHOP_LIST * 3], label[SHOP_LIST];
    for (uint32_t i = 0; i < SHOP_LIST * 3; i++)
        x[i] = (float)random_uniform(1, i);
    for (uint32_t i = 0; i < SHOP_LIST; i++)
        label[i] = i % 2 == 0 ? 3e38f : -3e38f;
    harness_requests(none, &(sinter_requests){.batch = harness_batch(s.h, x, 3, SHOP_LIST), .n_targets = 1, .label = (const float *const[]){label}});
    assert_int_equal(harness_train(s.h, great, N(great), none, none, harness_folder(s.h), &t, &err), SINTER_PRECONDITION);
    assert_non_null(strstr(err.what, "the loss left the numbers in epoch 1"));
    harness_close(s.h);
}

static void labels_by_chance_stop_early_and_rank_by_chance(void **state)
{
    (void)state;
    shop s = shop_open(PLUGIN_PATH);
    s.blind = true;
    sinter_error err;
    harness_training t = {0};
    const harness_option option[] = {SHOP_FEATURES, SHOP_LAYERS, {"training.epochs", "1000"}, {"training.learning_rate", "0.01"}};
    expect_ok(harness_train(s.h, option, N(option), shop_requests(&s, 500, 1), shop_requests(&s, 500, 2), harness_folder(s.h), &t, &err), &err);
    assert_true(t.done < 30);
    assert_true(fabs(harness_metric(&t, "valid_auc") - 0.5) < 0.05);
    harness_close(s.h);
}

static void every_loss_and_figure_to_stop_by_trains(void **state)
{
    (void)state;
    static const char *const ways[][3] = {{"bce", "auc", "sigmoid"}, {"bce", "ndcg", "none"}, {"mse", "loss", "sigmoid"}, {"mse", "auc", "none"},
                                          {"softmax", "ndcg", "none"}, {"softmax", "loss", "none"}};
    for (size_t i = 0; i < N(ways); i++) {
        shop s = shop_open(PLUGIN_PATH);
        s.by_feature = 2;
        sinter_error err;
        harness_training t = {0};
        const harness_option option[] = {SHOP_FEATURES, {"layers.0.dense", "16"}, {"layers.0.activation", "tanh"}, {"layers.1.dense", "1"},
                                         {"layers.1.activation", ways[i][2]}, {"loss", ways[i][0]}, {"training.stop_on", ways[i][1]},
                                         {"training.epochs", "20"}, {"training.learning_rate", "0.01"}, {"training.batch", "32"}};
        expect_ok(harness_train(s.h, option, N(option), shop_requests(&s, 600, 1), shop_requests(&s, 200, 2), harness_folder(s.h), &t, &err),
                  &err);
        if (!(harness_metric(&t, "valid_auc") > 0.72))
            fail_msg("%s %s: auc %g", ways[i][0], ways[i][1], harness_metric(&t, "valid_auc"));
        harness_close(s.h);
    }
}

static void asked_to_stop_it_keeps_the_best_so_far(void **state)
{
    (void)state;
    shop s = shop_open(PLUGIN_PATH);
    sinter_error err;
    harness_training t = {.stop_after = 3};
    const char *dir = harness_folder(s.h);
    expect_ok(harness_train(s.h, plain, N(plain), shop_requests(&s, 200, 1), shop_requests(&s, 100, 2), dir, &t, &err), &err);
    assert_true(harness_metric(&t, "epoch") == 1);
    assert_true(has_file(dir, "weights.safetensors"));
    harness_close(s.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_features_tell_is_learnt),
        cmocka_unit_test(taste_is_learnt_from_ids_and_from_history),
        cmocka_unit_test(clicks_are_not_mistaken_for_taste),
        cmocka_unit_test(a_run_is_the_same_bits_for_a_seed),
        cmocka_unit_test(a_run_by_threads_is_the_same_bits_too),
        cmocka_unit_test(an_interrupted_run_goes_on_to_the_same_bits),
        cmocka_unit_test(what_cannot_be_gone_on_from_is_said_and_left),
        cmocka_unit_test(data_without_anything_to_learn_gets_a_verdict),
        cmocka_unit_test(no_requests_and_a_loss_that_leaves_the_numbers_get_a_verdict),
        cmocka_unit_test(labels_by_chance_stop_early_and_rank_by_chance),
        cmocka_unit_test(every_loss_and_figure_to_stop_by_trains),
        cmocka_unit_test(asked_to_stop_it_keeps_the_best_so_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
