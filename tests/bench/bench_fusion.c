/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Speed of fusion: 1,000 items × 5 rankers through the real fusion.so, one core: the median over interleaved rounds of the
 * least disturbed of five batches, because the clock of a shared machine comes and goes by half from second to second.
 *
 * The network's floor is its products by OpenBLAS: what it reads of the request to hidden units, those to gates, 1,000 × 5 scores by 5
 * gates. Calibrating the scores is not in it.
 *
 * The lists differ from call to call, so that branch predictors learn none of them. Prints a line a bar, and
 * the same with missing and with equal scores for information; ends with status 1 where a bar is missed. */
#include "../../plugins/fusion/tests/lists.h"
#include "harness_dataset.h"

#include <cblas.h>

#include <string.h>
#include <time.h>

enum { LISTS = 8, BATCHES = 5, ROUNDS = 400, ITEMS = 1000, RANKERS = 5, UNITS = 16 };

typedef struct way {
    const char *name; /* the bar's; NULL: for information */
    const char *label, *method, *rule;
    uint32_t kind; /* of list: 0 whole, 1 with gaps, 2 with ties */
    bool floor;    /* only the network's products */
    fusing f;
    double us[ROUNDS];
    double median_us, least_us; /* of the best batch, of all rounds */
} way;

static scored_list lists[3][LISTS]; /* by kind */

/* Eight lists stay in the second cache, as scores just written by rankers are. Scores of five shapes: uniform, bell, two
 * skewed, negative; or, with ties, cut to whole numbers, as counts and stars are. */
static void make_list(const sinter_host *host, scored_list *l, uint64_t seed, bool gaps, bool ties)
{
    list_start(l, ITEMS, RANKERS);
    for (uint32_t i = 0; i < ITEMS; i++)
        for (uint32_t r = 0; r < RANKERS; r++) {
            const double u = host->random(seed, i * 16 + r * 3), v = host->random(seed, i * 16 + r * 3 + 1);
            const double shapes[RANKERS] = {u * 30, u + v + u * v, 1 / (0.02 + u), u * u * v, -u * v};
            if (!gaps || host->random(seed, i * 16 + r * 3 + 2) > 0.2)
                list_set(l, r, i, ties ? (float)(int)(shapes[r] * 200) : (float)shapes[r]);
        }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_size);
    return values[n / 2];
}

/* A model of the network as training writes it, of small numbers by a seed: speed does not depend on them. */
static const char *write_model(harness *h)
{
    enum { INPUTS = 2 * RANKERS, MOST = 512 };
    static float number[MOST];
    static double weight[RANKERS] = {0.2, 0.2, 0.2, 0.2, 0.2};
    const sinter_host *host = harness_host(h);
    const char *folder = harness_folder(h);
    for (uint32_t i = 0; i < MOST; i++)
        number[i] = (float)(host->random(1, i) - 0.5);
    const struct {
        const char *name;
        uint64_t rows, columns;
    } part[] = {{"mean", INPUTS, 0}, {"scale", INPUTS, 0}, {"request_weight", INPUTS, UNITS}, {"request_bias", UNITS, 0},
                {"gate_weight", RANKERS, UNITS}, {"gate_bias", RANKERS, 0}, {"middle", RANKERS, 0},
                {"reach", RANKERS, 0}};
    enum { PARTS = sizeof part / sizeof *part };
    sinter_tensor tensor[PARTS + 1] = {{.name = "weight", .type = SINTER_TENSOR_F64, .n_dimensions = 1, .dimension = {RANKERS}, .data = weight}};
    for (uint32_t i = 0; i < PARTS; i++)
        tensor[i + 1] = (sinter_tensor){.name = part[i].name, .type = SINTER_TENSOR_F32, .n_dimensions = part[i].columns > 0 ? 2 : 1,
                                        .dimension = {part[i].rows, part[i].columns}, .data = number};
    const char *const text[] = {"rankers", "words,taste,fresh,deep,rules", "gate", "", "calibrate", "zscore", "missing", "mean", "network", "1", NULL};
    sinter_error err = SINTER_ERROR_INIT;
    if (host->tensors_write(host, folder, "weights.safetensors", tensor, PARTS + 1, text, &err) != SINTER_OK) {
        fprintf(stderr, "model: %s\n", err.what);
        abort();
    }
    return folder;
}

static fusing network_open(const char *so)
{
    fusing f = {.h = harness_open(so)};
    sinter_error err;
    harness_rankers(f.h, ranker_names, RANKERS);
    harness_model(f.h, write_model(f.h));
    if (harness_instance(f.h, "fusion", (harness_option[]){{"method", "network"}}, 1, &f.instance, &err) != SINTER_OK) {
        fprintf(stderr, "fusion: %s (%s)\n", err.what, err.where);
        abort();
    }
    f.worker = harness_worker(f.h, f.instance);
    return f;
}

static void multiply(const scored_list *l)
{
    enum { INPUTS = 2 * RANKERS };
    static float score[ITEMS * RANKERS], in[INPUTS], first[INPUTS * UNITS], hidden[UNITS], second[UNITS * RANKERS], gate[RANKERS], out[ITEMS];
    score[0] = in[0] = l->score[0][0];
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 1, UNITS, INPUTS, 1, in, INPUTS, first, UNITS, 0, hidden, UNITS);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 1, RANKERS, UNITS, 1, hidden, UNITS, second, RANKERS, 0, gate, RANKERS);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, ITEMS, 1, RANKERS, 1, score, RANKERS, gate, 1, 0, out, 1);
}

static void run_batch(way *ways, uint32_t n_ways, const sinter_host *host, float *out, bool first)
{
    for (uint32_t round = 0; round < ROUNDS; round++)
        for (uint32_t w = 0; w < n_ways; w++) {
            uint64_t start = host->clock_ns();
            for (uint32_t i = 0; i < LISTS; i++)
                if (ways[w].floor)
                    multiply(&lists[ways[w].kind][i]);
                else
                    fuse_list(&ways[w].f, &lists[ways[w].kind][i], out);
            ways[w].us[round] = (double)(host->clock_ns() - start) / 1e3 / LISTS;
        }
    for (uint32_t w = 0; w < n_ways; w++) {
        double us = median(ways[w].us, ROUNDS); /* sorts them */
        ways[w].median_us = first || us < ways[w].median_us ? us : ways[w].median_us;
        ways[w].least_us = first || ways[w].us[0] < ways[w].least_us ? ways[w].us[0] : ways[w].least_us;
    }
}

int main(int argc, char **argv)
{
    static way ways[] = {
        {.name = "speed/fusion/weighted", .method = "weighted", .rule = "rrf"},
        {.name = "speed/fusion/voting", .method = "voting", .rule = "rrf"},
        {.name = "speed/fusion/network", .method = "network"},
        {.label = "the network's products by OpenBLAS", .floor = true},
        {.label = "network, a fifth missing", .method = "network", .kind = 1},
        {.label = "weighted, a fifth missing", .method = "weighted", .rule = "rrf", .kind = 1},
        {.label = "voting, a fifth missing", .method = "voting", .rule = "rrf", .kind = 1},
        {.label = "voting, scores cut to whole numbers", .method = "voting", .rule = "rrf", .kind = 2},
        {.label = "voting by borda", .method = "voting", .rule = "borda"},
    };
    enum { WAYS = sizeof ways / sizeof *ways };
    static float out[MOST_ITEMS];
    const char *so = argc > 1 ? argv[1] : PLUGIN_PATH;
    bool good = true;
    for (uint32_t w = 0; w < WAYS; w++)
        ways[w].f = ways[w].method == NULL || strcmp(ways[w].method, "network") == 0 ? network_open(so) : fusing_open(so, (harness_option[]){{"method", ways[w].method}, {"rule", ways[w].rule}}, 2, RANKERS);
    const sinter_host *host = harness_host(ways[0].f.h);
    for (uint32_t i = 0; i < LISTS; i++) {
        make_list(host, &lists[0][i], i, false, false);
        make_list(host, &lists[1][i], i, true, false);
        make_list(host, &lists[2][i], i, false, true);
    }
    for (uint32_t batch = 0; batch < BATCHES; batch++) {
        struct timespec pause = {.tv_nsec = 300000000};
        if (batch > 0)
            nanosleep(&pause, NULL);
        run_batch(ways, WAYS, host, out, batch == 0);
    }
    for (uint32_t w = 0; w < WAYS; w++) {
        bool ratio = ways[w].name != NULL && strcmp(ways[w].method, "network") == 0;
        double us = ways[w].median_us, value = ratio ? us / ways[w + 1].median_us : us, goal = ratio ? 1.5 : 20;
        good &= ways[w].name == NULL || value <= goal;
        if (ways[w].name != NULL)
            printf("bar %s %s %.2f goal <= %g %s\n", ways[w].name, ratio ? "ratio_floor" : "us", value, goal, value <= goal ? "pass" : "fail");
        printf("     %s: median %.2f us, fastest round %.2f us\n", ways[w].name != NULL ? ways[w].name : ways[w].label, us,
               ways[w].least_us);
        harness_close(ways[w].f.h);
    }
    return good ? 0 : 1;
}
