/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Training fusion on planted truths: gates are found where there are any, noise costs nothing, the truth among the rankers is left
 * alone, clicks by chance teach nothing; what is trained serves exactly; hopeless data get words. Gradients by finite differences. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "learn.c"

#include "curve.c"
#include "fit.c"

#include "shop.h"

enum { TRAIN = 2500, JUDGED = 1000 };

typedef struct outcome {
    double single[SHOP_RANKERS], best_single, fused; /* mean nDCG@10 over judged requests */
    double difference, error;                        /* fused less best single, and its standard error */
    double kept;
    harness_training run;
} outcome;

static const harness_option network_options[] = {{"method", "network"}, {"gate.0", "query.words"}};
static const harness_option weighted_options[] = {{"method", "weighted"}, {"calibrate", "zscore"}};

/* A dataset of a shop, as training and validation. */
static void fill_parts(harness *h, shop *s, uint32_t n, sinter_dataset **train, sinter_dataset **valid)
{
    *train = harness_dataset(h);
    *valid = harness_dataset(h);
    shop_fill(s, h, *train, n);
    shop_fill(s, h, *valid, n / 4);
}

static char trained_in[300]; /* the folder of the last training */

static harness *train_shop(shop_kind kind, uint32_t n_rankers, uint64_t seed, uint32_t n, const harness_option *option, uint32_t n_options,
                           harness_training *run)
{
    shop s;
    sinter_error err = SINTER_ERROR_INIT;
    harness *h = harness_open(PLUGIN_PATH);
    harness_rankers(h, shop_rankers, n_rankers);
    shop_open(&s, h, kind, n_rankers, seed);
    sinter_dataset *train, *valid;
    fill_parts(h, &s, n, &train, &valid);
    const char *folder = harness_folder(h);
    snprintf(trained_in, sizeof trained_in, "%s", folder);
    if (harness_train(h, option, n_options, train, valid, folder, run, &err) != SINTER_OK)
        fail_msg("%s (%s); %s", err.what, err.where, err.fix);
    harness_model(h, folder);
    return h;
}

static void serve(harness *h, const harness_option *option, uint32_t n_options, sinter_instance **instance, sinter_worker **worker)
{
    sinter_error err = SINTER_ERROR_INIT;
    if (harness_instance(h, "fusion", option, n_options, instance, &err) != SINTER_OK)
        fail_msg("%s (%s); %s", err.what, err.where, err.fix);
    *worker = harness_worker(h, *instance);
}

static void judge_shop(harness *h, shop_kind kind, uint32_t n_rankers, uint64_t seed, const harness_option *option, uint32_t n_options,
                       outcome *o)
{
    shop s;
    sinter_instance *instance;
    sinter_worker *worker;
    sinter_error err = SINTER_ERROR_INIT;
    static double fused[JUDGED], single[SHOP_RANKERS][JUDGED];
    serve(h, option, n_options, &instance, &worker);
    shop_open(&s, h, kind, n_rankers, seed + 1000000);
    uint32_t best = 0;
    for (uint32_t q = 0; q < JUDGED; q++) {
        float score[SHOP_ITEMS];
        shop_next(&s);
        assert_int_equal(harness_plugin(h)->fusion->fuse(instance, worker, &s.batch, score, &err), SINTER_OK);
        fused[q] = shop_ndcg(&s, score);
        o->fused += fused[q] / JUDGED;
        for (uint32_t r = 0; r < n_rankers; r++) {
            for (uint32_t i = 0; i < SHOP_ITEMS; i++)
                score[i] = (s.present[i] >> r & 1) != 0 ? s.score[r][i] : -1e6f;
            single[r][q] = shop_ndcg(&s, score);
            o->single[r] += single[r][q] / JUDGED;
        }
    }
    for (uint32_t r = 1; r < n_rankers; r++)
        best = o->single[r] > o->single[best] ? r : best;
    double squares = 0;
    for (uint32_t q = 0; q < JUDGED; q++) {
        double d = fused[q] - single[best][q];
        o->difference += d / JUDGED;
        squares += d * d / JUDGED;
    }
    o->best_single = o->single[best];
    o->error = sqrt((squares - o->difference * o->difference) / JUDGED);
}

static outcome run_shop(shop_kind kind, uint32_t n_rankers, uint64_t seed, uint32_t n, const harness_option *option, uint32_t n_options)
{
    outcome o;
    memset(&o, 0, sizeof o);
    harness *h = train_shop(kind, n_rankers, seed, n, option, n_options, &o.run);
    judge_shop(h, kind, n_rankers, seed, option, n_options, &o);
    o.kept = harness_metric(&o.run, "kept");
    harness_close(h);
    return o;
}


/* ---- what is learned ---- */

static void gates_are_found_where_there_are_any(void **state)
{
    (void)state;
    outcome sum = run_shop(SHOP_GATED, 3, 11, TRAIN, weighted_options, 2), gates = run_shop(SHOP_GATED, 3, 11, TRAIN, network_options, 2);
    assert_true(gates.kept == 2);
    assert_true(gates.difference - 2 * gates.error > 0.2);
    assert_true(gates.fused > sum.fused + 0.15);
}

static void a_sum_is_kept_where_gates_do_not_help(void **state)
{
    (void)state;
    outcome sum = run_shop(SHOP_PLAIN, 3, 12, TRAIN, weighted_options, 2), gates = run_shop(SHOP_PLAIN, 3, 12, TRAIN, network_options, 2);
    assert_true(sum.kept == 1 && sum.difference - 2 * sum.error > 0.1);
    assert_true(gates.fused > sum.fused - 0.005);
}

static void noise_costs_next_to_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 21; seed < 24; seed++) {
        outcome clean = run_shop(SHOP_PLAIN, 3, seed, TRAIN, network_options, 2), noisy = run_shop(SHOP_PLAIN, 6, seed, TRAIN, network_options, 2);
        double lost_of_single = (clean.fused - clean.best_single) - (noisy.fused - noisy.best_single); /* the worlds differ */
        assert_true(lost_of_single < 0.02);
        outcome gated = run_shop(SHOP_GATED, 6, seed, TRAIN, network_options, 2);
        assert_true(gated.kept == 2 && gated.difference > 0.2);
    }
}

static void the_truth_among_the_rankers_is_left_alone(void **state)
{
    (void)state;
    for (uint64_t seed = 31; seed < 37; seed++) {
        outcome o = run_shop(SHOP_ORACLE, 4, seed, TRAIN, network_options, 2);
        assert_true(o.kept == 0 && o.fused == o.best_single);
    }
}

static void places_are_told_from_taste(void **state)
{
    (void)state;
    outcome o = run_shop(SHOP_PLAIN, 3, 13, TRAIN, weighted_options, 2);
    assert_true(fabs(harness_metric(&o.run, "looked_at_5") - shop_looked_at(5)) < 0.12);
    assert_true(harness_metric(&o.run, "shuffled_clicks") > 500);
}

static void clicks_by_chance_are_refused(void **state)
{
    (void)state;
    uint32_t refused = 0;
    for (uint64_t seed = 41; seed < 51; seed++) {
        shop s;
        sinter_error err = SINTER_ERROR_INIT;
        harness_training run = {.seed = 1};
        sinter_dataset *train, *valid;
        harness *h = harness_open(PLUGIN_PATH);
        harness_rankers(h, shop_rankers, 3);
        shop_open(&s, h, SHOP_RANDOM, 3, seed);
        fill_parts(h, &s, 1000, &train, &valid);
        if (harness_train(h, network_options, 2, train, valid, harness_folder(h), &run, &err) != SINTER_OK) {
            refused++;
            assert_non_null(strstr(err.what, "beyond chance"));
        } else {
            assert_true(harness_metric(&run, "kept") == 0);
        }
        harness_close(h);
    }
    assert_true(refused >= 8);
}

/* Where they do not tell the rankers apart, training says so and writes nothing; else it errs by little. */
static void few_requests_do_no_harm(void **state)
{
    (void)state;
    uint32_t n_trained = 0;
    for (uint64_t seed = 51; seed < 57; seed++) {
        shop s;
        outcome o;
        sinter_error err = SINTER_ERROR_INIT;
        sinter_dataset *train, *valid;
        memset(&o, 0, sizeof o);
        harness *h = harness_open(PLUGIN_PATH);
        harness_rankers(h, shop_rankers, 5);
        shop_open(&s, h, SHOP_GATED, 5, seed);
        fill_parts(h, &s, 800, &train, &valid);
        const char *folder = harness_folder(h);
        if (harness_train(h, network_options, 2, train, valid, folder, &o.run, &err) == SINTER_OK) {
            harness_model(h, folder);
            judge_shop(h, SHOP_GATED, 5, seed, network_options, 2, &o);
            assert_true(o.difference > -0.03); /* the best single of the judged requests may not be that of 800 */
            n_trained++;
        } else {
            assert_non_null(strstr(err.what, "beyond chance"));
        }
        harness_close(h);
    }
    assert_true(n_trained >= 2);
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
    (void)state;
    char was[65536];
    size_t length = 0;
    for (int pass = 0; pass < 2; pass++) {
        harness_training run = {.seed = 7};
        harness *h = train_shop(SHOP_GATED, 3, 61, 600, network_options, 2, &run);
        char path[400], is[65536];
        snprintf(path, sizeof path, "%s/weights.safetensors", trained_in);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        size_t n = fread(is, 1, sizeof is, f);
        fclose(f);
        if (pass == 1) {
            assert_int_equal(n, length);
            assert_memory_equal(is, was, n);
        }
        memcpy(was, is, n);
        length = n;
        harness_close(h);
    }
}

/* ---- how it serves ---- */

static harness *gated_model(sinter_instance **instance, sinter_worker **worker)
{
    harness_training run = {.seed = 1};
    harness *h = train_shop(SHOP_GATED, 4, 71, 1500, network_options, 2, &run);
    assert_true(harness_metric(&run, "kept") == 2);
    serve(h, network_options, 2, instance, worker);
    return h;
}

static void shares_and_bias_sum_to_the_score(void **state)
{
    (void)state;
    sinter_instance *instance;
    sinter_worker *worker;
    sinter_error err = SINTER_ERROR_INIT;
    harness *h = gated_model(&instance, &worker);
    shop s;
    shop_open(&s, h, SHOP_GATED, 4, 72);
    for (uint32_t q = 0; q < 50; q++) {
        float score[SHOP_ITEMS];
        shop_next(&s);
        for (uint32_t i = 0; i < SHOP_ITEMS; i++) /* from none to all of the rankers */
            s.present[i] = q % 5 == 4 ? s.present[i] : s.present[i] & (uint64_t)(s.host->random(73, q * 64 + i) * 16);
        assert_int_equal(harness_plugin(h)->fusion->fuse(instance, worker, &s.batch, score, &err), SINTER_OK);
        float least = INFINITY;
        for (uint32_t i = 0; i < SHOP_ITEMS; i++)
            least = fminf(least, s.present[i] != 0 ? score[i] : INFINITY);
        for (uint32_t i = 0; i < SHOP_ITEMS; i++) {
            sinter_share share[4];
            double bias, sum;
            assert_int_equal(harness_plugin(h)->fusion->explain(instance, worker, &s.batch, i, share, &bias, &err), SINTER_OK);
            sum = bias;
            for (uint32_t r = 0; r < 4; r++) {
                sum += share[r].contribution;
                if ((s.present[i] >> r & 1) == 0)
                    assert_true(share[r].contribution == 0 && share[r].calibrated == 0);
            }
            assert_true(fabs(sum - (double)score[i]) <= 1e-12 * (1 + fabs(sum)));
            assert_true(isfinite(score[i]) && (s.present[i] != 0 || !(score[i] > least)));
            if (s.present[i] != 0)
                assert_true(fabs(bias) < 1e-4); /* by z-score what is missing counts as the mean, 0: bias is rounding */
        }
    }
    harness_close(h);
}

static void order_of_items_and_of_rankers_changes_nothing(void **state)
{
    (void)state;
    sinter_instance *instance;
    sinter_worker *worker;
    sinter_error err = SINTER_ERROR_INIT;
    harness *h = gated_model(&instance, &worker);
    shop s, turned;
    shop_open(&s, h, SHOP_GATED, 4, 74);
    for (uint32_t q = 0; q < 20; q++) {
        float score[SHOP_ITEMS], other[SHOP_ITEMS];
        const char *names[4];
        shop_next(&s);
        shop_open(&turned, h, SHOP_GATED, 4, 74);
        for (uint32_t i = 0; i < SHOP_ITEMS; i++) {
            uint32_t to = SHOP_ITEMS - 1 - i;
            turned.item[to] = s.item[i];
            turned.present[to] = 0;
            for (uint32_t r = 0; r < 4; r++) {
                turned.score[3 - r][to] = s.score[r][i];
                turned.present[to] |= (s.present[i] >> r & 1) << (3 - r);
            }
        }
        for (uint32_t r = 0; r < 4; r++)
            names[r] = shop_rankers[3 - r];
        turned.context[0] = s.context[0];
        turned.batch.ranker = names;
        assert_int_equal(harness_plugin(h)->fusion->fuse(instance, worker, &s.batch, score, &err), SINTER_OK);
        assert_int_equal(harness_plugin(h)->fusion->fuse(instance, worker, &turned.batch, other, &err), SINTER_OK);
        for (uint32_t i = 0; i < SHOP_ITEMS; i++)
            assert_true(fabs((double)(score[i] - other[SHOP_ITEMS - 1 - i])) < 1e-5);
    }
    harness_close(h);
}

/* Where NAME/latest is not trained yet: all rankers count the same, and the gate's features are asked for, so that they are logged. */
static void without_a_model_all_rankers_count_the_same(void **state)
{
    (void)state;
    harness *h = harness_open(PLUGIN_PATH);
    sinter_instance *instance[2];
    sinter_worker *worker[2];
    sinter_error err = SINTER_ERROR_INIT;
    shop s;
    harness_rankers(h, shop_rankers, 4);
    shop_open(&s, h, SHOP_GATED, 4, 76);
    serve(h, network_options, 2, &instance[0], &worker[0]);
    serve(h, weighted_options, 2, &instance[1], &worker[1]);
    assert_int_equal(harness_inputs(h, instance[0])->n_context, 1);
    assert_string_equal(harness_inputs(h, instance[0])->context[0], "query.words");
    for (uint32_t q = 0; q < 5; q++) {
        float score[2][SHOP_ITEMS];
        shop_next(&s);
        for (int k = 0; k < 2; k++)
            assert_int_equal(harness_plugin(h)->fusion->fuse(instance[k], worker[k], &s.batch, score[k], &err), SINTER_OK);
        assert_memory_equal(score[0], score[1], sizeof score[0]);
    }
    harness_close(h);
}

static void a_feature_or_a_ranker_that_is_missing_is_borne(void **state)
{
    (void)state;
    sinter_instance *instance;
    sinter_worker *worker;
    sinter_error err = SINTER_ERROR_INIT;
    harness *h = gated_model(&instance, &worker);
    shop s;
    shop_open(&s, h, SHOP_GATED, 4, 75);
    static const float contexts[] = {NAN, INFINITY, -INFINITY, 1e30f, 3};
    for (uint32_t q = 0; q < 25; q++) {
        float score[SHOP_ITEMS];
        shop_next(&s);
        s.context[0] = contexts[q % 5];
        for (uint32_t i = 0; i < SHOP_ITEMS; i++)
            s.present[i] &= q < 5 ? 0 : q < 10 ? ~1ull : q < 15 ? 2 : UINT64_MAX;
        if (q >= 20)
            for (uint32_t i = 0; i < SHOP_ITEMS; i++)
                s.score[1][i] = (float)(i % 2 ? 3e38 : -3e38);
        assert_int_equal(harness_plugin(h)->fusion->fuse(instance, worker, &s.batch, score, &err), SINTER_OK);
        for (uint32_t i = 0; i < SHOP_ITEMS; i++)
            assert_true(isfinite(score[i]));
    }
    s.batch.n = 0;
    assert_int_equal(harness_plugin(h)->fusion->fuse(instance, worker, &s.batch, NULL, &err), SINTER_OK);
    harness_close(h);
}

/* ---- what is refused ---- */

static void expect_refused(harness *h, const char *role, const harness_option *option, uint32_t n, const char *what)
{
    sinter_error err = SINTER_ERROR_INIT;
    sinter_instance *instance = NULL;
    assert_int_not_equal(harness_instance(h, role, option, n, &instance, &err), SINTER_OK);
    if (strstr(err.what, what) == NULL)
        fail_msg("'%s' does not say '%s'", err.what, what);
    assert_true(err.where[0] != 0 && err.fix[0] != 0);
}

static void a_model_serves_only_what_it_was_trained_for(void **state)
{
    (void)state;
    static const char *const others[] = {"words", "taste", "stale", "fresh"};
    harness_training run = {.seed = 1};
    harness *h = train_shop(SHOP_GATED, 4, 71, 1500, network_options, 2, &run);
    expect_refused(h, "fusion", (harness_option[]){{"method", "network"}, {"gate.0", "query.length"}}, 2, "gate 'query.words'");
    expect_refused(h, "fusion", (harness_option[]){{"method", "network"}, {"gate.0", "query.words"}, {"calibrate", "minmax"}}, 3, "calibrate 'zscore'");
    expect_refused(h, "fusion", (harness_option[]){{"method", "weighted"}, {"calibrate", "zscore"}}, 2, "gate 'query.words'");
    expect_refused(h, "fusion", (harness_option[]){{"method", "voting"}}, 1, "no model");
    expect_refused(h, "fusion", (harness_option[]){{"method", "weighted"}, {"weights.words", "1"}}, 2, "its own");
    harness_rankers(h, others, 4);
    expect_refused(h, "fusion", network_options, 2, "not trained with ranker 'fresh'");
    harness_rankers(h, shop_rankers, 3);
    expect_refused(h, "fusion", network_options, 2, "'noise1', which is no ranker");
    harness_model(h, NULL);
    harness_rankers(h, shop_rankers, 4);
    expect_refused(h, "trainer", (harness_option[]){{"method", "network"}, {"calibrate", "none"}}, 2, "calibrated scores only");
    expect_refused(h, "trainer", (harness_option[]){{"method", "network"}, {"missing", "renormalise"}}, 2, "does not renormalise");
    expect_refused(h, "trainer", (harness_option[]){{"gate.0", "query.words"}}, 1, "belongs to method network");
    harness_close(h);
}

typedef struct hopeless_case {
    const char *method, *what;
    uint32_t requests, rankers, shown, clicks; /* clicks: 0 none, 1 all, 2 as they come */
} hopeless_case;

static void hopeless_data_get_words(void **state)
{
    (void)state;
    static const hopeless_case cases[] = {
        {"network", "no recorded request", 0, 3, 10, 2},   {"network", "no recorded request", 50, 3, 1, 2},
        {"network", "nobody clicked", 100, 3, 10, 0},      {"weighted", "both clicked items and others", 100, 3, 10, 1},
        {"weighted", "one ranker", 100, 1, 10, 2},         {"voting", "nothing to train", 100, 3, 10, 2},
        {"network", "both clicked items and others", 20, 3, 10, 2},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        shop s;
        sinter_error err = SINTER_ERROR_INIT;
        harness_training run = {.seed = 1};
        harness *h = harness_open(PLUGIN_PATH);
        harness_rankers(h, shop_rankers, cases[c].rankers);
        shop_open(&s, h, SHOP_PLAIN, cases[c].rankers, 81);
        sinter_dataset *part[2] = {harness_dataset(h), harness_dataset(h)};
        static const float none[SHOP_ITEMS];
        const float *label = s.label;
        for (uint32_t q = 0; q < cases[c].requests; q++) {
            shop_next(&s);
            for (uint32_t i = 0; i < SHOP_ITEMS; i++) {
                s.position[i] = s.position[i] > cases[c].shown ? 0 : s.position[i];
                s.label[i] = cases[c].clicks == 2 ? s.label[i] : cases[c].clicks == 1 ? 1 : q % 2 ? NAN : -1;
            }
            harness_requests(part[q % 5 == 4], &(sinter_requests){.batch = harness_batch(h, none, 1, SHOP_ITEMS), .label = &label,
                                                                   .n_targets = 1, .position = s.position, .fusion = &s.batch});
        }
        sinter_status status = harness_train(h, (harness_option[]){{"method", cases[c].method}}, 1, part[0], part[1], harness_folder(h), &run, &err);
        if (status == SINTER_OK || strstr(err.what, cases[c].what) == NULL)
            fail_msg("case %zu: '%s' does not say '%s'", c, err.what, cases[c].what);
        assert_true(err.fix[0] != 0);
        harness_close(h);
    }
}

static void a_run_that_is_stopped_keeps_its_best(void **state)
{
    (void)state;
    harness_training run = {.seed = 1, .stop_after = 3};
    harness *h = train_shop(SHOP_GATED, 3, 91, 1500, network_options, 2, &run);
    sinter_instance *instance;
    sinter_worker *worker;
    serve(h, network_options, 2, &instance, &worker);
    harness_close(h);
}

/* ---- gradients ---- */

/* Three requests by hand in the shape that training has. */
static void make_lists(lists *l, uint32_t rankers, uint32_t inputs)
{
    static uint32_t begin[] = {0, 4, 9, 11}, position[11];
    static float x[3 * 16], z[11 * 8], label[11], gain[11];
    uint64_t state = 88172645463325252u;
    float *const all[] = {x, z, gain};
    const uint32_t size[] = {3 * inputs, 11 * rankers, 11};
    for (uint32_t k = 0; k < 3; k++)
        for (uint32_t i = 0; i < size[k]; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            all[k][i] = (float)((double)(state >> 11) * 0x1p-53 * 4 - 2);
        }
    for (uint32_t i = 0; i < 11; i++) {
        gain[i] = i % 3 == 0 ? fabsf(gain[i]) : 0;
        label[i] = gain[i];
        position[i] = 1 + i;
    }
    *l = (lists){.n_rankers = rankers, .n_inputs = inputs, .n_requests = 3, .n_rows = 11, .begin = begin, .position = position, .x = x,
                 .z = z, .label = label, .gain = gain};
}

static void gradients_are_those_of_finite_differences(void **state)
{
    (void)state;
    enum { RANKERS = 4, INPUTS = 9, UNITS = 6 };
    double p[256], gradient[256] = {0}, pulled[256] = {0};
    net m = {.n_rankers = RANKERS, .n_inputs = INPUTS, .n_units = UNITS, .n_parameters = net_count(RANKERS, INPUTS, UNITS), .p = p};
    const curve bent = {.n = 2, .knot = {-0.31, 0.57}, .slope = {1.4, -0.6, 0.9}};
    lists l;
    harness *h = harness_open(PLUGIN_PATH);
    m.curve = &bent;
    assert_true(m.n_parameters <= 256);
    make_lists(&l, RANKERS, INPUTS);
    for (uint32_t r = 0; r < RANKERS; r++) {
        m.middle[r] = 0.1 * (r + 1);
        m.reach[r] = 0.3 + 0.1 * r;
    }
    net_start(&m, harness_host(h), 5);
    for (uint32_t i = 0; i < m.n_parameters; i++) /* none at 0, and no hidden unit at its corner */
        p[i] += 0.8 * (harness_host(h)->random(6, i) - 0.5);
    double loss = 0;
    for (uint32_t q = 0; q < l.n_requests; q++)
        loss += net_loss(&m, &l, q, gradient);
    assert_true(loss > 0);
    net_pull(&m, 0.37, pulled);
    for (uint32_t i = 0; i < m.n_parameters; i++) {
        double was = p[i], step = 1e-6, side[2], pull[2];
        for (int k = 0; k < 2; k++) {
            p[i] = was + (k == 0 ? step : -step);
            side[k] = 0;
            for (uint32_t q = 0; q < l.n_requests; q++)
                side[k] += net_loss(&m, &l, q, NULL);
            pull[k] = net_pull(&m, 0.37, NULL);
        }
        p[i] = was;
        double expected = (side[0] - side[1]) / (2 * step);
        if (fabs(gradient[i] - expected) > 1e-6 * (1 + fabs(expected)))
            fail_msg("parameter %u: %.10g, by differences %.10g", i, gradient[i], expected);
        assert_true(fabs(pulled[i] - (pull[0] - pull[1]) / (2 * step)) < 1e-6);
    }
    harness_close(h);
}

static void a_network_starts_as_the_weighted_sum(void **state)
{
    (void)state;
    double p[256], score[EXAMINE_PLACES];
    net m = {.n_rankers = 3, .n_inputs = 7, .n_units = 8, .n_parameters = net_count(3, 7, 8), .p = p, .middle = {0.5, 0.2, 0.3},
             .reach = {1, 1, 1}};
    lists l;
    harness *h = harness_open(PLUGIN_PATH);
    make_lists(&l, 3, 7);
    net_start(&m, harness_host(h), 1);
    for (uint32_t q = 0; q < 3; q++) {
        net_score(&m, &l, q, score);
        for (uint32_t i = l.begin[q]; i < l.begin[q + 1]; i++) {
            const float *z = l.z + i * 3;
            assert_true(fabs(score[i - l.begin[q]] - (0.5 * (double)z[0] + 0.2 * (double)z[1] + 0.3 * (double)z[2])) < 1e-12);
        }
    }
    harness_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_finite_differences),
        cmocka_unit_test(a_network_starts_as_the_weighted_sum),
        cmocka_unit_test(gates_are_found_where_there_are_any),
        cmocka_unit_test(a_sum_is_kept_where_gates_do_not_help),
        cmocka_unit_test(noise_costs_next_to_nothing),
        cmocka_unit_test(the_truth_among_the_rankers_is_left_alone),
        cmocka_unit_test(places_are_told_from_taste),
        cmocka_unit_test(clicks_by_chance_are_refused),
        cmocka_unit_test(few_requests_do_no_harm),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
        cmocka_unit_test(shares_and_bias_sum_to_the_score),
        cmocka_unit_test(order_of_items_and_of_rankers_changes_nothing),
        cmocka_unit_test(without_a_model_all_rankers_count_the_same),
        cmocka_unit_test(a_feature_or_a_ranker_that_is_missing_is_borne),
        cmocka_unit_test(a_model_serves_only_what_it_was_trained_for),
        cmocka_unit_test(hopeless_data_get_words),
        cmocka_unit_test(a_run_that_is_stopped_keeps_its_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
