/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fuses lists read from standard input by a gate network through the real fusion.so, for tests/plugin/test_fusion.py.
 *
 *     fusion_lines fusion.so MODEL_DIR CALIBRATE GATE_FEATURES RANKER… < lines
 *
 * A list is "N", a line of gate features, then N lines of the rankers' scores, "-" where missing. Printed for each item: its score,
 * the bias, and for each ranker calibrated score and contribution. */
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 4096, GATE = 8 };

static float score[SINTER_MAX_RANKERS][ITEMS], context[GATE], before[ITEMS], fused[ITEMS];
static uint64_t present[ITEMS];
static uint32_t item[ITEMS];

static float read_number(void)
{
    char word[64];
    if (scanf("%63s", word) != 1)
        exit(2);
    return strcmp(word, "-") == 0 ? NAN : strtof(word, NULL);
}

static void read_list(uint32_t n, uint32_t n_gate, uint32_t n_rankers)
{
    for (uint32_t k = 0; k < n_gate; k++)
        context[k] = read_number();
    for (uint32_t i = 0; i < n; i++) {
        present[i] = 0;
        item[i] = i;
        for (uint32_t r = 0; r < n_rankers; r++) {
            score[r][i] = read_number();
            present[i] |= (uint64_t)!isnan(score[r][i]) << r;
        }
    }
}

int main(int argc, char **argv)
{
    harness_option option[GATE + 2] = {{"method", "network"}, {"calibrate", argc > 5 ? argv[3] : ""}};
    static char path[GATE][16], name[GATE][16];
    const float *row[SINTER_MAX_RANKERS];
    sinter_instance *instance;
    sinter_error err = SINTER_ERROR_INIT;
    if (argc < 6)
        return 2;
    uint32_t n, n_gate = (uint32_t)atoi(argv[4]), n_rankers = (uint32_t)(argc - 5);
    harness *h = harness_open(argv[1]);
    harness_rankers(h, (const char *const *)(argv + 5), n_rankers);
    harness_model(h, argv[2]);
    for (uint32_t k = 0; k < n_gate && k < GATE; k++) {
        snprintf(path[k], sizeof path[k], "gate.%u", k);
        snprintf(name[k], sizeof name[k], "query.g%u", k);
        option[2 + k] = (harness_option){path[k], name[k]};
    }
    if (harness_instance(h, "fusion", option, 2 + n_gate, &instance, &err) != SINTER_OK) {
        fprintf(stderr, "%s (%s)\n", err.what, err.where);
        return 1;
    }
    sinter_worker *worker = harness_worker(h, instance);
    for (uint32_t r = 0; r < n_rankers; r++)
        row[r] = score[r];
    while (scanf("%u", &n) == 1 && n <= ITEMS) {
        read_list(n, n_gate, n_rankers);
        sinter_fusion_batch b = {.size = sizeof b, .n = n, .n_rankers = n_rankers, .ranker = (const char *const *)(argv + 5), .score = row,
                                 .present = present, .item = item, .before = before, .context = context, .n_context = n_gate};
        if (harness_plugin(h)->fusion->fuse(instance, worker, &b, fused, &err) != SINTER_OK)
            return 1;
        for (uint32_t i = 0; i < n; i++) {
            sinter_share share[SINTER_MAX_RANKERS];
            double bias;
            if (harness_plugin(h)->fusion->explain(instance, worker, &b, i, share, &bias, &err) != SINTER_OK)
                return 1;
            printf("%.9g %.17g", (double)fused[i], bias);
            for (uint32_t r = 0; r < n_rankers; r++)
                printf(" %.17g %.17g", share[r].calibrated, share[r].contribution);
            putchar('\n');
        }
    }
    harness_close(h);
    return 0;
}
