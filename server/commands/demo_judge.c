/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter demo judge`: grades by the planted truth, for the people and queries that `sinter demo play` would send with the
 * same seed and numbers. Each pair of a person and a query is judged once, over every item of the shop, so the best
 * possible order is known exactly. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo_play.h"
#include "commands/commands.h"
#include "options.h"

#define MOST_THREADS 64u

typedef struct judge_arguments {
    const char *seed, *out;
    uint64_t seed_value, requests, from, queries, threads;
    bool json;
} judge_arguments;

#define AT(member) offsetof(judge_arguments, member)
static const option_row rows[] = {
    {"--seed", "S", "a whole number, as given to play; required", OPTION_TEXT, AT(seed)},
    {"--requests", "N", "judge what so many requests ask, 1 to 10,000,000; required", OPTION_COUNT, AT(requests)},
    {"--from", "K", "number of the first request, default 0", OPTION_COUNT, AT(from)},
    {"--out", "DIR2", "folder to write queries.tsv and judgments.tsv into; required", OPTION_TEXT, AT(out)},
    {"--queries", "N", "at most so many different pairs of person and query, default all", OPTION_COUNT, AT(queries)},
    {"--threads", "N", "1 to 64, default 2", OPTION_COUNT, AT(threads)},
    {"--json", NULL, "the summary as one JSON object", OPTION_FLAG, AT(json)},
};

static void help(FILE *out) {
    fputs("usage: sinter demo judge --seed S --requests N [--from K] --out DIR2 DIR\n\n"
          "Writes graded judgments of what the people of DIR, a folder of `sinter demo generate`, ask: for\n"
          "  sinter evaluate PIPELINE --judgments DIR2/judgments.tsv --queries DIR2/queries.tsv\n"
          "Take numbers of requests that were not played.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 written, 1 could not write, 2 wrong arguments or folder\n", out);
}

static sinter_status check(judge_arguments *a, const option_words *words, sinter_error *e) {
    if (!a->seed) return error_set(e, SINTER_INVALID, "--seed", "give the one that play was given", "the seed is missing");
    if (demo_take_seed(a->seed, &a->seed_value, e) != SINTER_OK) return SINTER_INVALID;
    if (a->requests < 1 || a->requests > 10000000) return demo_out_of("--requests", "from 1 to 10,000,000", a->requests, e);
    if (a->from > 1000000000) return demo_out_of("--from", "from 0 to 1,000,000,000", a->from, e);
    if (a->threads < 1 || a->threads > MOST_THREADS) return demo_out_of("--threads", "from 1 to 64", a->threads, e);
    if (a->queries < 1) return demo_out_of("--queries", "at least 1", a->queries, e);
    if (!a->out || !*a->out) return error_set(e, SINTER_INVALID, "--out", "name a folder to write into", "the folder is missing");
    return demo_take_folder(words->n, e);
}

/* ---- whom and what -------------------------------------------------------------------------------------------------- */

typedef struct judging {
    const demo_world *w;
    demo_visit *visit; /* [n] each pair once, as it first came */
    buffer *lines;     /* [n] its judgments */
    uint32_t n;
    uint64_t grades[4], judged; /* [1..3]; pairs with any */
} judging;

static int by_pair(const void *x, const void *y) {
    const demo_visit *p = x, *q = y;
    if (p->user != q->user) return p->user < q->user ? -1 : 1;
    if (p->query != q->query) return p->query < q->query ? -1 : 1;
    return p->number < q->number ? -1 : p->number > q->number;
}

static int by_number(const void *x, const void *y) {
    const demo_visit *p = x, *q = y;
    return p->number < q->number ? -1 : p->number > q->number;
}

static void draw_pairs(judging *j, const judge_arguments *a) {
    demo_visitors *v = demo_visitors_new(j->w);
    uint32_t n = (uint32_t)a->requests;
    j->visit = xcalloc(n, sizeof *j->visit);
    for (uint32_t i = 0; i < n; i++)
        j->visit[i] = demo_visit_draw(v, a->seed_value, a->from + i);
    qsort(j->visit, n, sizeof *j->visit, by_pair);
    for (uint32_t i = 0; i < n; i++) {
        const demo_visit *last = j->n ? &j->visit[j->n - 1] : NULL;
        if (last && last->user == j->visit[i].user && last->query == j->visit[i].query) continue;
        j->visit[j->n++] = j->visit[i];
    }
    qsort(j->visit, j->n, sizeof *j->visit, by_number);
    if (j->n > a->queries) j->n = (uint32_t)a->queries;
    demo_visitors_free(v);
}

static void name_pair(const judging *j, const demo_visit *visit, char out[48]) {
    snprintf(out, 48, "%s/%s", j->w->users[visit->user].id, j->w->queries[visit->query].id);
}

/* ---- grades ----------------------------------------------------------------------------------------------------------- */

typedef struct share {
    judging *j;
    uint32_t first, step;
    uint64_t grades[4], judged;
    pthread_t thread;
} share;

static void judge_pair(share *s, uint32_t at) {
    judging *j = s->j;
    const demo_visit *visit = &j->visit[at];
    char name[48];
    name_pair(j, visit, name);
    for (uint32_t i = 0; i < j->w->options.items; i++) {
        demo_parts parts = demo_utility_parts(j->w, visit->user, visit->query, i);
        uint32_t grade = demo_grade(j->w, demo_utility(&parts));
        if (!grade) continue;
        s->grades[grade]++;
        buffer_printf(&j->lines[at], "%s\t%s\t%u\n", name, j->w->items[i].id, grade);
    }
    s->judged += j->lines[at].len > 0;
}

static void judge_share(void *arg) {
    share *s = arg;
    for (uint32_t at = s->first; at < s->j->n; at += s->step)
        judge_pair(s, at);
}

static sinter_status judge_all(judging *j, uint32_t threads, sinter_error *e) {
    share shares[MOST_THREADS];
    sinter_status s = SINTER_OK;
    uint32_t started = 0;
    j->lines = xcalloc(j->n, sizeof *j->lines);
    for (; started < threads && s == SINTER_OK; started += s == SINTER_OK) {
        shares[started] = (share){.j = j, .first = started, .step = threads};
        s = thread_start(&shares[started].thread, "judge", judge_share, &shares[started], e);
    }
    for (uint32_t t = 0; t < started; t++) {
        pthread_join(shares[t].thread, NULL);
        for (int g = 1; g < 4; g++)
            j->grades[g] += shares[t].grades[g];
        j->judged += shares[t].judged;
    }
    return s;
}

/* ---- files ------------------------------------------------------------------------------------------------------------- */

static void query_line(const judging *j, const demo_visit *visit, buffer *b) {
    const demo_user *u = &j->w->users[visit->user];
    char name[48], time[32];
    name_pair(j, visit, name);
    time_format_ms(visit->time_ms, time);
    buffer_printf(b, "%s\t%s\t%s\t%s\t%s\t%s\n", name, j->w->queries[visit->query].text, u->id, time,
                  demo_segments[u->segment], u->member ? "true" : "false");
}

/* A pair without an item worth a grade has no line in either file. */
static sinter_status write_files(const judging *j, const char *dir, sinter_error *e) {
    buffer queries = {0}, judgments = {0};
    buffer_puts(&queries, "query_id\ttext\tuser\ttime\tuser.segment\tuser.member\n");
    buffer_puts(&judgments, "query_id\titem\tgrade\n");
    for (uint32_t i = 0; i < j->n; i++) {
        if (!j->lines[i].len) continue;
        query_line(j, &j->visit[i], &queries);
        buffer_append(&judgments, j->lines[i].data, j->lines[i].len);
    }
    char *first = xasprintf("%s/queries.tsv", dir), *second = xasprintf("%s/judgments.tsv", dir);
    sinter_status s = dir_make(dir, e);
    if (s == SINTER_OK) s = file_write_atomic(first, queries.data, queries.len, e);
    if (s == SINTER_OK) s = file_write_atomic(second, judgments.data, judgments.len, e);
    free(first);
    free(second);
    buffer_free(&queries);
    buffer_free(&judgments);
    return s;
}

static void print_summary(const judging *j, const judge_arguments *a) {
    unsigned long long g[4] = {0, j->grades[1], j->grades[2], j->grades[3]};
    if (a->json)
        printf("{\"pairs\":%u,\"judged\":%llu,\"grades\":[%llu,%llu,%llu]}\n", j->n, (unsigned long long)j->judged, g[1], g[2], g[3]);
    else
        printf("%llu of %u pairs of person and query judged in %s: %llu items of grade 1, %llu of 2, %llu of 3\n",
               (unsigned long long)j->judged, j->n, a->out, g[1], g[2], g[3]);
}

static int judge(const judge_arguments *a, const char *dir) {
    sinter_error e = SINTER_ERROR_INIT;
    demo_world *w = NULL;
    if (demo_world_open(dir, &w, &e) != SINTER_OK) return options_fail("demo judge", &e);
    judging j = {.w = w};
    draw_pairs(&j, a);
    sinter_status s = judge_all(&j, (uint32_t)a->threads, &e);
    if (s == SINTER_OK) s = write_files(&j, a->out, &e);
    int code = EXIT_OK;
    if (s == SINTER_OK) {
        print_summary(&j, a);
    } else {
        options_fail("demo judge", &e);
        code = EXIT_FAILED;
    }
    for (uint32_t i = 0; i < j.n; i++)
        buffer_free(&j.lines[i]);
    free(j.lines);
    free(j.visit);
    demo_world_free(w);
    return code;
}

int demo_judge(int argc, char **argv) {
    judge_arguments a = {.queries = UINT32_MAX, .threads = 2};
    option_words words = {0};
    bool helping = false;
    sinter_error e = SINTER_ERROR_INIT;
    int code = EXIT_OK;
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &words, &helping, &e);
    if (helping)
        help(stdout);
    else if (s != SINTER_OK || check(&a, &words, &e) != SINTER_OK)
        code = options_fail("demo judge", &e);
    else
        code = judge(&a, words.word[0]);
    option_words_free(&words);
    return code;
}
