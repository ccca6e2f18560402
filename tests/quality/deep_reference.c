/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Trains a network by the plugin itself, its own entry and trainer, on rows of a file, and prints what it reports:
 *
 *   deep_reference PLUGIN.so OPTIONS ROWS SEED THREADS
 *
 * OPTIONS holds lines "path value"; ROWS uint32 n_train, n_valid, n_features, then float x [n][n_features] and label [n] of both. */
#include "harness_dataset.h"
#include "harness_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_OPTIONS = 200, LIST = 10 };

static void say_log(const sinter_host *host, sinter_log_level level, const char *message)
{
    (void)host;
    (void)level;
    puts(message);
}

static bool say_progress(void *ctx, uint64_t done, uint64_t total, const char *metric, double value)
{
    (void)ctx;
    (void)total;
    printf("report %llu %s %.9g\n", (unsigned long long)done, metric, value);
    return false;
}

static void need(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "deep_reference: %s\n", what);
        exit(2);
    }
}

static size_t read_options(const char *path, harness_option *option)
{
    static char text[MOST_OPTIONS][2][256];
    FILE *f = fopen(path, "r");
    size_t n = 0;
    need(f != NULL, "no options");
    while (n < MOST_OPTIONS && fscanf(f, "%255s %255s", text[n][0], text[n][1]) == 2) {
        option[n] = (harness_option){text[n][0], text[n][1]};
        n++;
    }
    fclose(f);
    return n;
}

/* Rows become requests of ten hits; position 0, so that no bias of positions takes part. */
static sinter_dataset *read_rows(harness *h, FILE *f, uint32_t n, uint32_t n_features)
{
    static const uint32_t nowhere[LIST];
    sinter_dataset *d = harness_dataset(h);
    float *x = calloc((size_t)n * n_features + 1, sizeof *x), *label = calloc(n + 1, sizeof *label);
    need(x != NULL && label != NULL && fread(x, (size_t)n_features * sizeof *x, n, f) == n && fread(label, sizeof *label, n, f) == n,
         "rows are short");
    for (uint32_t i = 0; i < n; i += LIST) {
        uint32_t rows = n - i < LIST ? n - i : LIST;
        const float *labels[1] = {label + i};
        sinter_requests q = {.batch = harness_batch(h, x + (size_t)i * n_features, n_features, rows), .label = labels, .n_targets = 1,
                             .position = nowhere};
        harness_requests(d, &q);
    }
    free(x);
    free(label);
    return d;
}

int main(int argc, char **argv)
{
    harness_option option[MOST_OPTIONS];
    uint32_t head[3];
    sinter_instance *instance;
    sinter_error err = SINTER_ERROR_INIT;
    need(argc == 6, "usage: deep_reference PLUGIN.so OPTIONS ROWS SEED THREADS");
    harness *h = harness_open(argv[1]);
    size_t n = read_options(argv[2], option);
    FILE *f = fopen(argv[3], "rb");
    need(f != NULL && fread(head, sizeof head, 1, f) == 1, "no rows");
    sinter_dataset *train = read_rows(h, f, head[0], head[2]), *valid = read_rows(h, f, head[1], head[2]);
    fclose(f);
    h->host.log = say_log;
    if (harness_instance(h, "trainer", option, n, &instance, &err) == SINTER_OK) {
        const sinter_train_args args = {
            .size = sizeof args, .host = &h->host, .options = h->live->options, .collection = &h->collection, .instance = instance,
            .data = harness_dataset_table(), .train = train, .valid = valid, .out_dir = harness_folder(h),
            .seed = strtoull(argv[4], NULL, 10), .memory_limit = (uint64_t)1 << 30, .threads = (uint32_t)strtoul(argv[5], NULL, 10),
            .progress = say_progress};
        err.status = harness_plugin(h)->trainer->train(&args, &err);
    }
    if (err.status != SINTER_OK)
        fprintf(stderr, "%s: %s (%s)\n", err.where, err.what, err.fix);
    harness_close(h);
    return err.status == SINTER_OK ? 0 : 1;
}
