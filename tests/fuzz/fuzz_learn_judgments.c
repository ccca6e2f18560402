/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a file of judgments, as one of queries and people, as one of events, and as one of ranked lists: read, or refused with file
 * and line. What is read scores between 0 and 1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "learn/learn.h"
#include "fuzz.h"

static void check_scores(const judgments *j, const ranked_run *r)
{
    static const metric METRICS[] = {{METRIC_NDCG, 10, "ndcg@10"},         {METRIC_MAP, 5, "map@5"},
                                     {METRIC_PRECISION, 3, "precision@3"}, {METRIC_RECALL, 10, "recall@10"},
                                     {METRIC_HIT_RATE, 1, "hit@1"},        {METRIC_MRR, 1000, "mrr"}};
    gain_rule g = {GAIN_EXPONENTIAL, 0};
    arena *a = arena_new(1024);
    for (uint32_t q = 0; q < j->n_queries; q++) {
        double out[ARRAY_LEN(METRICS)];
        const ranked_list *l = &r->list[q];
        if (!metrics_score(&j->query[q], &g, l->item, l->n, METRICS, ARRAY_LEN(METRICS), a, out)) continue;
        for (size_t i = 0; i < ARRAY_LEN(METRICS); i++)
            if (!(out[i] >= 0 && out[i] <= 1 + 1e-9)) abort();
        arena_reset(a);
    }
    arena_free(a);
}

/* The same bytes say which queries were judged and who asked them. */
static void check_people(const char *path)
{
    judgments *j = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    if (judgments_read(path, path, &j, &e)) {
        if (!e.what[0]) abort();
        return;
    }
    for (uint32_t q = 0; q < j->n_queries; q++) {
        const judged_query *query = &j->query[q];
        if (!query->text || !query->attribute) abort();
        if (query->user && id_problem(query->user, strlen(query->user))) abort();
        for (uint32_t i = 0; i < j->n_attributes; i++)
            if (!query->attribute[i] || !j->attribute[i][0]) abort();
    }
    judgments_free(j);
}

/* The same bytes as events: each person once, with items that are relevant. */
static void check_events(const char *path)
{
    judgments *j = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    if (judgments_of_events(path, NULL, NULL, &j, &e)) {
        if (!e.what[0]) abort();
        return;
    }
    for (uint32_t q = 0; q < j->n_queries; q++) {
        const judged_query *query = &j->query[q];
        if (!query->n || !query->user || query->text[0] || judgments_find(j, query->user) != query) abort();
        for (uint32_t i = 0; i < query->n; i++)
            if (!(query->item[i].grade == 1) || (i && strcmp(query->item[i - 1].item, query->item[i].item) >= 0)) abort();
    }
    judgments_free(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    int fd = fuzz_file(data, size, path);
    judgments *j = NULL;
    ranked_run *r = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    if (judgments_read(path, NULL, &j, &e)) {
        if (!e.what[0]) abort();
    } else {
        if (!ranked_run_read(path, j, &r, &e))
            check_scores(j, r);
        else if (!strstr(e.what, "score")) /* every judged query is in it */
            abort();
    }
    ranked_run_free(r);
    judgments_free(j);
    check_people(path);
    check_events(path);
    close(fd);
    return 0;
}
