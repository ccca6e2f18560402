/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Serving: scores against a second, plain computation from the model's file; the same bits wherever a candidate stands; what is
 * unknown or missing; explanations that sum to the score; models that do not fit. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"

#define N(options) (sizeof(options) / sizeof *(options))

enum { USER = 3, EVENTS = 4 };

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
    {"training.epochs", "3"}, {"training.learning_rate", "0.01"},
};
static const harness_option great[] = {
    SHOP_FEATURES, {"layers.0.dense", "600"}, {"layers.0.activation", "relu"}, {"layers.1.dense", "300"}, {"layers.1.activation", "relu"},
    {"layers.2.dense", "1"}, {"training.epochs", "1"},
};
static const harness_option line[] = {
    SHOP_FEATURES, {"embeddings.0.feature", "item"}, {"embeddings.0.dimension", "2"}, {"layers.0.dense", "1"}, {"training.epochs", "3"}};
static const harness_option only_items[] = {
    {"embeddings.0.feature", "item"}, {"embeddings.0.dimension", "3"}, {"layers.0.dense", "1"}, {"training.epochs", "2"}};

typedef struct served {
    shop s;
    const char *dir;
    sinter_instance *ranker;
    sinter_worker *worker;
} served;

static void expect_ok(sinter_status s, const sinter_error *err)
{
    if (s != SINTER_OK)
        fail_msg("%s: %s (%s)", err->where, err->what, err->fix);
}

static served serve(const harness_option *option, size_t n, bool user_ids)
{
    served v = {.s = shop_open(PLUGIN_PATH)};
    sinter_error err;
    harness_training t = {0};
    v.s.user_ids = user_ids;
    v.s.by_taste = 1;
    v.dir = harness_folder(v.s.h);
    expect_ok(harness_train(v.s.h, option, n, shop_requests(&v.s, 300, 1), shop_requests(&v.s, 100, 2), v.dir, &t, &err), &err);
    harness_model(v.s.h, v.dir);
    expect_ok(harness_instance(v.s.h, "ranker", option, n, &v.ranker, &err), &err);
    v.worker = harness_worker(v.s.h, v.ranker);
    return v;
}

static void score(served *v, const sinter_batch *b, float *out)
{
    sinter_error err = SINTER_ERROR_INIT;
    expect_ok(harness_plugin(v->s.h)->ranker->score(v->ranker, v->worker, b, out, &err), &err);
}

/* ---- candidates ---- */

typedef struct candidates {
    uint32_t item[1024], user[1024], kind[1024];
    const uint32_t *ids[2];
    sinter_user who;
    uint32_t history[EVENTS];
    float age[EVENTS], weight[EVENTS], feature[EVENTS];
    const float *side[1];
} candidates;

/* The shop's items in the order given, with the features of one user's list. */
static sinter_batch *list(served *v, candidates *c, const uint32_t *item, uint32_t n)
{
    static float x[1024 * 3];
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t f = 0; f < 3; f++)
            x[i * 3 + f] = shop_feature(item[i], f) + (item[i] % 7 == 0 && f == 1 ? NAN : 0);
        c->user[i] = shop_hash(USER);
        c->kind[i] = item[i] % 9 == 0 ? 0 : shop_hash(1000 + item[i] % 5);
    }
    memcpy(c->item, item, n * sizeof *item);
    memcpy(c->history, (uint32_t[]){5, 7, 999999, 9}, sizeof c->history);
    memcpy(c->age, (float[]){0, 1, 2, 4}, sizeof c->age);
    memcpy(c->weight, (float[]){1, 3, 1, 0.5f}, sizeof c->weight);
    memcpy(c->feature, (float[]){4, NAN, -2, 9}, sizeof c->feature);
    c->side[0] = c->feature;
    c->ids[0] = c->user;
    c->ids[1] = c->kind;
    c->who = (sinter_user){.size = sizeof c->who, .n_history = EVENTS, .item = c->history, .age = c->age, .weight = c->weight, .side = c->side,
                           .n_side = 1};
    sinter_batch *b = harness_batch(v->s.h, x, 3, n);
    b->item = c->item;
    b->id_feature = c->ids;
    b->n_id_features = 2;
    b->user = &c->who;
    return b;
}

/* ---- the second computation: plain, in double, from the file ---- */

static const float *tensor(served *v, const char *name)
{
    const sinter_host *host = harness_host(v->s.h);
    const sinter_tensor *all;
    uint32_t n;
    sinter_error err = SINTER_ERROR_INIT;
    expect_ok(host->tensors_read(host, v->dir, "weights.safetensors", &all, &n, &err), &err);
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i].data;
    fail_msg("no tensor %s", name);
    return NULL;
}

static uint32_t dense(const double *x, uint32_t in, uint32_t out, const float *w, const float *bias, double *y)
{
    for (uint32_t j = 0; j < out; j++) {
        y[j] = (double)bias[j];
        for (uint32_t i = 0; i < in; i++)
            y[j] += x[i] * (double)w[i * out + j];
    }
    return out;
}

static double plain_score(served *v, const candidates *c, uint32_t row)
{
    double x[64], h[24], g[12], z, share[EVENTS], sum = 0, side = 0, sides = 0, mean = 0, square = 0;
    uint32_t n = 0, item = c->item[row];
    const float *features_mean = tensor(v, "features.mean"), *scale = tensor(v, "features.scale");
    for (uint32_t f = 0; f < 3; f++) {
        double a = (double)shop_feature(item, f);
        bool missing = item % 7 == 0 && f == 1;
        a = f == 1 ? copysign(log1p(fabs(a)), a) : a;
        x[f] = missing ? 0 : (a - (double)features_mean[f]) * (double)scale[f];
        x[4 + f] = missing;
    }
    for (uint32_t e = 0; e < EVENTS; e++) { /* also of items newer than the model */
        double w = isnan(c->feature[e]) ? 0 : (double)c->weight[e] * pow(2, -(double)c->age[e] / 2);
        side += w == 0 ? 0 : w * copysign(log1p(fabs((double)c->feature[e])), (double)c->feature[e]);
        sides += w;
    }
    x[3] = (side / sides - (double)features_mean[3]) * (double)scale[3];
    x[7] = 0;
    n = 8;
    const float *user = tensor(v, "embeddings.user.id") + (1 + c->user[row] % 97) * 4;
    const float *kind = tensor(v, "embeddings.item.kind") + (c->kind[row] == 0 ? 0 : 1 + c->kind[row] % 11) * 3;
    const float *items = tensor(v, "embeddings.item"), *own = items + (item < SHOP_ITEMS ? item + 1 : 0) * 4;
    for (uint32_t j = 0; j < 4; j++)
        x[n++] = (double)user[j];
    for (uint32_t j = 0; j < 3; j++)
        x[n++] = (double)kind[j];
    for (uint32_t j = 0; j < 4; j++)
        x[n++] = (double)own[j];
    for (uint32_t e = 0; e < EVENTS; e++) {
        share[e] = c->history[e] < SHOP_ITEMS ? (double)c->weight[e] * pow(2, -(double)c->age[e] / 2) : 0;
        sum += share[e];
    }
    for (uint32_t j = 0; j < 4; j++, n++) {
        x[n] = 0;
        for (uint32_t e = 0; e < EVENTS; e++)
            x[n] += share[e] == 0 ? 0 : share[e] / sum * (double)items[(c->history[e] + 1) * 4 + j];
    }
    for (uint32_t j = 0; j < 4; j++, n++)
        x[n] = x[19 + j] * x[15 + j]; /* history × item */
    for (uint32_t j = 0; j < 4; j++, n++)
        x[n] = x[8 + j] * x[15 + j]; /* user × item */
    dense(x, n, 24, tensor(v, "layers.0.weight"), tensor(v, "layers.0.bias"), h);
    for (uint32_t j = 0; j < 24; j++)
        mean += h[j] / 24;
    for (uint32_t j = 0; j < 24; j++)
        square += (h[j] - mean) * (h[j] - mean) / 24;
    const float *gain = tensor(v, "layers.1.weight"), *bias = tensor(v, "layers.1.bias");
    for (uint32_t j = 0; j < 24; j++)
        h[j] = fmax(0, (h[j] - mean) / sqrt(square + 1e-5) * (double)gain[j] + (double)bias[j]);
    dense(h, 24, 12, tensor(v, "layers.3.weight"), tensor(v, "layers.3.bias"), g);
    for (uint32_t j = 0; j < 12; j++)
        g[j] = tanh(g[j]);
    dense(g, 12, 1, tensor(v, "layers.5.weight"), tensor(v, "layers.5.bias"), &z);
    return 1 / (1 + exp(-z));
}

static void scores_are_those_of_a_plain_computation(void **state)
{
    (void)state;
    served v = serve(whole, N(whole), true);
    static candidates c;
    uint32_t item[SHOP_ITEMS + 2];
    float out[SHOP_ITEMS + 2], least = 1, most = 0;
    for (uint32_t i = 0; i < N(item); i++)
        item[i] = i < SHOP_ITEMS ? i : i * 1000; /* the last two are newer than the model */
    score(&v, list(&v, &c, item, N(item)), out);
    for (uint32_t i = 0; i < N(item); i++) {
        double expected = plain_score(&v, &c, i);
        if (!(fabs((double)out[i] - expected) < 2e-6))
            fail_msg("item %u: %.9g, plainly %.9g", item[i], (double)out[i], expected);
        least = fminf(least, out[i]);
        most = fmaxf(most, out[i]);
    }
    assert_true(most - least > 0.05f);
    harness_close(v.s.h);
}

static void a_score_does_not_depend_on_the_candidate_s_place(void **state)
{
    (void)state;
    const struct {
        const harness_option *option;
        size_t n;
    } networks[] = {{whole, N(whole)}, {great, N(great)}, {line, N(line)}};
    for (size_t k = 0; k < N(networks); k++) {
        served v = serve(networks[k].option, networks[k].n, networks[k].option == whole);
        static candidates c;
        static uint32_t item[1000];
        static float alone[SHOP_ITEMS], out[1000];
        for (uint32_t i = 0; i < SHOP_ITEMS; i++)
            score(&v, list(&v, &c, &i, 1), &alone[i]);
        for (uint64_t seed = 0; seed < 20; seed++) {
            uint32_t n = 1 + (uint32_t)(random_bits(seed, 0) % 1000);
            for (uint32_t i = 0; i < n; i++)
                item[i] = (uint32_t)(random_bits(seed, 1 + i) % SHOP_ITEMS);
            score(&v, list(&v, &c, item, n), out);
            for (uint32_t i = 0; i < n; i++)
                if (memcmp(&out[i], &alone[item[i]], sizeof *out) != 0)
                    fail_msg("network %zu, item %u at %u of %u: %.9g, alone %.9g", k, item[i], i, n, (double)out[i], (double)alone[item[i]]);
        }
        harness_close(v.s.h);
    }
}

static void score_allocates_nothing(void **state)
{
    (void)state;
    served v = serve(whole, N(whole), true);
    static candidates c;
    static float out[SHOP_ITEMS];
    static uint32_t item[SHOP_ITEMS];
    uint64_t before = harness_allocations(v.s.h);
    for (uint32_t i = 0; i < 10; i++)
        score(&v, list(&v, &c, item, SHOP_ITEMS), out);
    assert_int_equal(harness_allocations(v.s.h), before);
    harness_close(v.s.h);
}

static void items_that_only_vectors_tell_apart_are_missing_when_new(void **state)
{
    (void)state;
    served v = serve(only_items, N(only_items), false);
    static candidates c;
    float out[3];
    score(&v, list(&v, &c, (const uint32_t[]){1, SHOP_ITEMS, UINT32_MAX}, 3), out);
    assert_true(isfinite(out[0]));
    assert_true(sinter_is_missing(out[1]) && sinter_is_missing(out[2]));
    harness_close(v.s.h);
}

static void wild_features_still_give_a_number(void **state)
{
    (void)state;
    served v = serve(great, N(great), false);
    const float wild[] = {INFINITY, -INFINITY, NAN, 3e38f, -3e38f, 1e-45f, 0, NAN, INFINITY};
    float out[3];
    score(&v, harness_batch(v.s.h, wild, 3, 3), out);
    for (uint32_t i = 0; i < 3; i++)
        assert_true(isfinite(out[i]) && fabsf(out[i]) < 1e6f);
    harness_close(v.s.h);
}

/* ---- explanations ---- */

static double told(const harness *h, const char *label)
{
    for (uint32_t i = 0; i < harness_edits(h); i++)
        if (strcmp(harness_edit_at(h, i)->rule, label) == 0)
            return harness_edit_at(h, i)->value;
    return 0;
}

static void explain(served *v, const sinter_batch *b, uint32_t row)
{
    sinter_error err = SINTER_ERROR_INIT;
    sinter_sink *sink = harness_sink(v->s.h);
    expect_ok(harness_plugin(v->s.h)->ranker->explain(v->ranker, v->worker, b, row, sink, &err), &err);
}

static void explanations_sum_to_the_score_and_leave_little_rest(void **state)
{
    (void)state;
    const struct {
        const harness_option *option;
        size_t n;
        double rest;
    } networks[] = {{whole, N(whole), 0.01}, {great, N(great), 0.01}, {line, N(line), 1e-6}};
    for (size_t k = 0; k < N(networks); k++) {
        served v = serve(networks[k].option, networks[k].n, networks[k].option == whole);
        static candidates c;
        static uint32_t item[SHOP_ITEMS];
        static float out[SHOP_ITEMS];
        for (uint32_t i = 0; i < SHOP_ITEMS; i++)
            item[i] = SHOP_ITEMS - 1 - i;
        const sinter_batch *b = list(&v, &c, item, SHOP_ITEMS);
        score(&v, b, out);
        for (uint32_t i = 0; i < SHOP_ITEMS; i++) {
            explain(&v, b, i);
            if (!(fabs(harness_explained(v.s.h) - (double)out[i]) < 1e-12))
                fail_msg("network %zu, row %u: explained %.15g, score %.9g", k, i, harness_explained(v.s.h), (double)out[i]);
            if (!(fabs(told(v.s.h, "rest")) < networks[k].rest))
                fail_msg("network %zu, row %u: rest %g", k, i, told(v.s.h, "rest"));
        }
        assert_string_equal(harness_edit_at(v.s.h, harness_edits(v.s.h) - 1)->rule, "rest");
        harness_close(v.s.h);
    }
}

static void a_line_s_explanation_is_exact(void **state)
{
    (void)state;
    served v = serve(line, N(line), false);
    static candidates c;
    const uint32_t item[] = {11};
    const sinter_batch *b = list(&v, &c, item, 1);
    const float *w = tensor(&v, "layers.0.weight"), *mean = tensor(&v, "features.mean"), *scale = tensor(&v, "features.scale");
    const char *const names[] = {"item.a", "item.b", "item.c"};
    explain(&v, b, 0);
    for (uint32_t f = 0; f < 3; f++)
        assert_true(fabs(told(v.s.h, names[f]) - (double)(w[f] * (shop_feature(11, f) - mean[f]) * scale[f])) < 1e-6);
    const float *vector = tensor(&v, "embeddings.item") + 12 * 2;
    assert_true(fabs(told(v.s.h, "item") - (double)(w[3] * vector[0] + w[4] * vector[1])) < 1e-6);
    assert_true(fabs(told(v.s.h, "baseline") - (double)tensor(&v, "layers.0.bias")[0]) < 1e-6);
    harness_close(v.s.h);
}

/* ---- models that do not fit ---- */

static void expect_refusal(served *v, const harness_option *option, size_t n, const char *what)
{
    sinter_error err;
    sinter_instance *none;
    sinter_status s = harness_instance(v->s.h, "ranker", option, n, &none, &err);
    if (s == SINTER_OK || (strstr(err.what, what) == NULL && strstr(err.where, what) == NULL))
        fail_msg("status %d: %s: %s, not %s", s, err.where, err.what, what);
}

static void models_of_another_network_are_refused_by_what_differs(void **state)
{
    (void)state;
    served v = serve(line, N(line), false);
    harness_option other[N(line)];
    const struct {
        const char *path, *value, *what;
    } changes[] = {{"features.1", "item.z", "item.b item.c"}, {"embeddings.0.dimension", "3", "it has '2; layers: dense 1'"}};
    for (size_t i = 0; i < N(changes); i++) {
        memcpy(other, line, sizeof other);
        for (size_t k = 0; k < N(line); k++)
            if (strcmp(other[k].path, changes[i].path) == 0)
                other[k].value = changes[i].value;
        expect_refusal(&v, other, N(other), changes[i].what);
    }
    expect_refusal(&v, great, N(great), "embeddings: item 0 x 2; layers: dense 1");
    harness_close(v.s.h);
}

static void broken_files_are_refused_by_name(void **state)
{
    (void)state;
    served v = serve(line, N(line), false);
    char path[512];
    snprintf(path, sizeof path, "%s/weights.safetensors", v.dir);
    FILE *f = fopen(path, "rb+");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    const long size = ftell(f);
    assert_true(size > 64);
    fclose(f);
    const char *elsewhere = harness_folder(v.s.h);
    harness_model(v.s.h, elsewhere);
    expect_refusal(&v, line, N(line), "weights.safetensors");
    char other[512];
    snprintf(other, sizeof other, "%s/weights.safetensors", elsewhere);
    assert_int_equal(rename(path, other), 0); /* what is mapped by the first instance stays as it is */
    char *bytes = malloc((size_t)size);
    f = fopen(other, "rb");
    assert_int_equal(fread(bytes, 1, (size_t)size, f), size);
    fclose(f);
    for (long cut = 0; cut < size; cut += size / 7) {
        const char *dir = harness_folder(v.s.h);
        snprintf(path, sizeof path, "%s/weights.safetensors", dir);
        f = fopen(path, "wb");
        fwrite(bytes, 1, (size_t)cut, f);
        fclose(f);
        harness_model(v.s.h, dir);
        expect_refusal(&v, line, N(line), "weights.safetensors");
    }
    const char *dir = harness_folder(v.s.h); /* a weight that is no number */
    snprintf(path, sizeof path, "%s/weights.safetensors", dir);
    f = fopen(path, "wb");
    fwrite(bytes, 1, (size_t)size - 4, f);
    fwrite("\xff\xff\xff\xff", 1, 4, f);
    fclose(f);
    harness_model(v.s.h, dir);
    expect_refusal(&v, line, N(line), "weights.safetensors");
    free(bytes);
    harness_close(v.s.h);
}

static void without_a_model_it_says_so(void **state)
{
    (void)state;
    shop s = shop_open(PLUGIN_PATH);
    sinter_error err;
    sinter_instance *ranker;
    float out;
    expect_ok(harness_instance(s.h, "ranker", line, N(line), &ranker, &err), &err);
    sinter_worker *w = harness_worker(s.h, ranker);
    assert_int_equal(harness_plugin(s.h)->ranker->score(ranker, w, harness_batch(s.h, (float[]){0, 0, 0}, 3, 1), &out, &err),
                     SINTER_PRECONDITION);
    assert_non_null(strstr(err.what, "no weights"));
    harness_close(s.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_a_plain_computation),
        cmocka_unit_test(a_score_does_not_depend_on_the_candidate_s_place),
        cmocka_unit_test(score_allocates_nothing),
        cmocka_unit_test(items_that_only_vectors_tell_apart_are_missing_when_new),
        cmocka_unit_test(wild_features_still_give_a_number),
        cmocka_unit_test(explanations_sum_to_the_score_and_leave_little_rest),
        cmocka_unit_test(a_line_s_explanation_is_exact),
        cmocka_unit_test(models_of_another_network_are_refused_by_what_differs),
        cmocka_unit_test(broken_files_are_refused_by_name),
        cmocka_unit_test(without_a_model_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
