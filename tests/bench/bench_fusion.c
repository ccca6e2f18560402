/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Speed of fusion: 1,000 items × 5 rankers through the real fusion.so, one core: the median over interleaved rounds of the
 * least disturbed of five batches, because the clock of a shared machine comes and goes by half from second to second.
 *
 * The lists differ from call to call, so that branch predictors learn none of them. Prints a line a bar, and
 * the same with missing and with equal scores for information; ends with status 1 where a bar is missed. */
#include "../../plugins/fusion/tests/lists.h"

#include <string.h>
#include <time.h>

enum { LISTS = 8, BATCHES = 5, ROUNDS = 400, ITEMS = 1000, RANKERS = 5 };

typedef struct way {
    const char *name; /* the bar's; NULL: for information */
    const char *label, *method, *rule;
    uint32_t kind; /* of list: 0 whole, 1 with gaps, 2 with ties */
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

static void run_batch(way *ways, uint32_t n_ways, const sinter_host *host, float *out, bool first)
{
    for (uint32_t round = 0; round < ROUNDS; round++)
        for (uint32_t w = 0; w < n_ways; w++) {
            uint64_t start = host->clock_ns();
            for (uint32_t i = 0; i < LISTS; i++)
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
        {.label = "weighted, a fifth missing", .method = "weighted", .rule = "rrf", .kind = 1},
        {.label = "voting, a fifth missing", .method = "voting", .rule = "rrf", .kind = 1},
        {.label = "voting, scores cut to whole numbers", .method = "voting", .rule = "rrf", .kind = 2},
        {.label = "voting by borda", .method = "voting", .rule = "borda"},
    };
    enum { WAYS = sizeof ways / sizeof *ways };
    static float out[MOST_ITEMS];
    const char *so = argc > 1 ? argv[1] : PLUGIN_PATH;
    double goal = 20;
    bool good = true;
    for (uint32_t w = 0; w < WAYS; w++)
        ways[w].f = fusing_open(so, (harness_option[]){{"method", ways[w].method}, {"rule", ways[w].rule}}, 2, RANKERS);
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
        double us = ways[w].median_us;
        good &= ways[w].name == NULL || us <= goal;
        if (ways[w].name != NULL)
            printf("bar %s us %.2f goal <= %g %s\n", ways[w].name, us, goal, us <= goal ? "pass" : "fail");
        printf("     %s: median %.2f us, fastest round %.2f us\n", ways[w].name != NULL ? ways[w].name : ways[w].label, us,
               ways[w].least_us);
        harness_close(ways[w].f.h);
    }
    return good ? 0 : 1;
}
