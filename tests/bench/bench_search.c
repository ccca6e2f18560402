/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Speed of a search over gRPC against its floor: stock Xapian in process plus a bare gRPC echo of the same sizes.
 *
 *   bench_search --sinter FILE --config FILE --scratch DIR [--row rules|top10|facets|suggest|check] [--documents N] [--queries N] [--loop SECONDS]
 *
 * Query by query, the floor's two parts and the server are asked in turn, in one order and then in the other; one connection, one
 * request in flight, nothing cached. All queries are gone through three times, and a query's time is the middle one of its three,
 * for floor and server alike: on a shared machine the scheduler's pauses would else outweigh the work. Prints the bars of
 * speed/search/rules, speed/search/top10 and speed/search/facets, where the same question with and without facets is asked in
 * turn, and the difference stands above the floor. --row suggest, by itself only (the collection must declare suggest): completions
 * over the echo. --loop only asks the server, for a profiler. Documents and the floor's index in DIR are used again where they are there. */
#include "bench_floor.h"
#include "bench_server.h"

#include "base/base.h"

#include <math.h>
#include <sinter/v1/search.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WARM_UP = 500, ROUNDS = 3, RESAMPLES = 1000, CHECKED_REQUESTS = 50, REQUEST_ROOM = 512 };

typedef struct options {
    const char *self, *sinter, *config, *scratch, *row;
    uint32_t documents, queries;
    double loop;
} options;

typedef struct bench {
    options o;
    corpus c;
    floor_index *floor;
    child server, echo;
    rpc *ask, *bounce, *complete;
} bench;

/* Milliseconds of each query. */
typedef struct times {
    double *xapian, *echo, *ours, *floor;
    uint32_t n;
} times;

/* ---- one query ---- */

static double since_ms(uint64_t start)
{
    return (double)(clock_mono_ns() - start) / 1e6;
}

static double time_xapian(bench *b, const corpus_query *q, uint32_t limit)
{
    static uint32_t item[1000];
    uint64_t start = clock_mono_ns();
    floor_search(b->floor, q, limit, item);
    return since_ms(start);
}

/* The answer is unpacked within the time, as a client would; the request was packed before, as the echo's was. */
static double time_ours(bench *b, const uint8_t *request, size_t size, size_t facets, uint32_t *answer_size)
{
    uint64_t start = clock_mono_ns();
    rpc_answer a = rpc_call(b->ask, SEARCH_METHOD, request, size);
    Sinter__V1__SearchResponse *r = sinter__v1__search_response__unpack(NULL, a.size, a.bytes);
    double ms = since_ms(start);
    if (!r || r->n_hits != 10 || r->n_degraded || r->hits[0]->n_fields != 2 || r->n_facets != facets) {
        fprintf(stderr, "bench: not the answer that was asked for: %zu hits, %zu degraded\n", r ? r->n_hits : 0, r ? r->n_degraded : 0);
        exit(1);
    }
    *answer_size = (uint32_t)a.size;
    sinter__v1__search_response__free_unpacked(r, NULL);
    free(a.bytes);
    return ms;
}

static double time_echo(bench *b, size_t request_size, uint32_t answer_size)
{
    uint8_t request[REQUEST_ROOM] = {0};
    memcpy(request, &answer_size, sizeof answer_size);
    uint64_t start = clock_mono_ns();
    rpc_answer a = rpc_call(b->bounce, ECHO_METHOD, request, request_size);
    double ms = since_ms(start);
    if (a.size != answer_size) exit(1);
    free(a.bytes);
    return ms;
}

/* ---- figures ---- */

static double mean(const double *x, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += x[i];
    return sum / n;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *x, uint32_t n, double q)
{
    double *sorted = xcalloc(n, sizeof *sorted);
    memcpy(sorted, x, n * sizeof *x);
    qsort(sorted, n, sizeof *sorted, by_size);
    double out = sorted[(uint32_t)(q * (n - 1))];
    free(sorted);
    return out;
}

/* 95% interval of the ratio of the two means: queries drawn again, both times of a query together. */
static void interval(const double *above, const double *below, uint32_t n, double *low, double *high)
{
    double ratio[RESAMPLES];
    uint64_t state = 7;
    for (int k = 0; k < RESAMPLES; k++) {
        double x = 0, y = 0;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t at = (uint32_t)(corpus_random(&state) * n);
            x += above[at];
            y += below[at];
        }
        ratio[k] = x / y;
    }
    *low = quantile(ratio, RESAMPLES, 0.025);
    *high = quantile(ratio, RESAMPLES, 0.975);
}

static void print_part(const char *name, const double *x, uint32_t n)
{
    printf("     %-16s mean %.3f ms, median %.3f, p99 %.3f\n", name, mean(x, n), quantile(x, n, 0.5), quantile(x, n, 0.99));
}

/* The ratio of the two means. */
static bool print_bar(const char *name, const char *metric, const double *above, const double *below, uint32_t n, double goal)
{
    double low, high, ratio = mean(above, n) / mean(below, n);
    interval(above, below, n, &low, &high);
    printf("bar %s %s %.3f %.3f %.3f goal <= %g %s\n", name, metric, ratio, low, high, goal, ratio <= goal ? "pass" : "fail");
    return ratio <= goal;
}

static bool print_row(const char *name, const times *t, double goal)
{
    bool good = print_bar(name, "ratio", t->ours, t->floor, t->n, goal);
    print_part("xapian", t->xapian, t->n);
    print_part("echo", t->echo, t->n);
    print_part("floor (both)", t->floor, t->n);
    print_part("sinter", t->ours, t->n);
    printf("     ratio of medians %.3f\n", quantile(t->ours, t->n, 0.5) / quantile(t->floor, t->n, 0.5));
    return good;
}

/* ---- a row ---- */

static void ask_one(bench *b, const corpus_query *q, const char *pipeline, uint32_t limit, bool floor_first, uint32_t *answer_size,
                    double out[3])
{
    uint8_t request[REQUEST_ROOM];
    size_t size = server_request(q, pipeline, REQUEST_PLAIN, request, sizeof request);
    if (!floor_first) out[2] = time_ours(b, request, size, 0, answer_size);
    out[0] = time_xapian(b, q, limit);
    out[1] = time_echo(b, size, *answer_size);
    if (floor_first) out[2] = time_ours(b, request, size, 0, answer_size);
}

/* Back to back, what the server does after an answer (the log) delays the next one, too. */
static void closed_loop(bench *b, const char *pipeline, request_kind kind, double seconds)
{
    uint32_t done = 0, size;
    double cpu = child_cpu(&b->server);
    uint64_t start = clock_mono_ns();
    uint8_t request[REQUEST_ROOM];
    for (; since_ms(start) < seconds * 1e3; done++)
        time_ours(b, request, server_request(&b->c.query[done % b->c.n_queries], pipeline, kind, request, sizeof request),
                  kind == REQUEST_FACETS ? 3 : 0, &size);
    printf("     back to back     %.3f ms a request, %.3f ms of the server's CPU\n", since_ms(start) / done,
           (child_cpu(&b->server) - cpu) * 1e3 / done);
}

static bool run_row(bench *b, const char *name, const char *pipeline, uint32_t limit, double goal)
{
    uint32_t n = b->o.queries, size = 1000;
    double one[3];
    times t = {.n = n};
    t.xapian = xcalloc(n, sizeof(double));
    t.echo = xcalloc(n, sizeof(double));
    t.ours = xcalloc(n, sizeof(double));
    t.floor = xcalloc(n, sizeof(double));
    for (uint32_t i = 0; i < WARM_UP; i++) ask_one(b, &b->c.query[n + i], pipeline, limit, i & 1, &size, one);
    double *round = xcalloc((size_t)n * ROUNDS * 3, sizeof *round); /* [n][3 parties][ROUNDS] */
    for (uint32_t k = 0; k < ROUNDS; k++)
        for (uint32_t i = 0; i < n; i++) {
            ask_one(b, &b->c.query[i], pipeline, limit, (i + k) & 1, &size, one);
            for (uint32_t p = 0; p < 3; p++) round[((size_t)i * 3 + p) * ROUNDS + k] = one[p];
        }
    for (uint32_t i = 0; i < n; i++) {
        t.xapian[i] = quantile(&round[((size_t)i * 3 + 0) * ROUNDS], ROUNDS, 0.5);
        t.echo[i] = quantile(&round[((size_t)i * 3 + 1) * ROUNDS], ROUNDS, 0.5);
        t.ours[i] = quantile(&round[((size_t)i * 3 + 2) * ROUNDS], ROUNDS, 0.5);
        t.floor[i] = t.xapian[i] + t.echo[i];
    }
    free(round);
    bool good = print_row(name, &t, goal);
    closed_loop(b, pipeline, REQUEST_PLAIN, 2);
    free(t.xapian);
    free(t.echo);
    free(t.ours);
    free(t.floor);
    return good;
}

/* ---- what facets add ---- */

static void ask_both(bench *b, const corpus_query *q, const char *pipeline, uint32_t limit, uint32_t turn, uint32_t *answer_size,
                     double out[4])
{
    uint8_t request[REQUEST_ROOM];
    uint32_t larger;
    ask_one(b, q, pipeline, limit, turn & 1, answer_size, out);
    size_t size = server_request(q, pipeline, REQUEST_FACETS, request, sizeof request);
    if (turn & 2) {
        out[3] = time_ours(b, request, size, 3, &larger);
        return;
    }
    /* The other way round: the question without facets is asked again behind the one with them. */
    out[3] = time_ours(b, request, size, 3, &larger);
    size = server_request(q, pipeline, REQUEST_PLAIN, request, sizeof request);
    out[2] = time_ours(b, request, size, 0, answer_size);
}

/* Medians of each query's rounds; `added`: the question with facets less the one without. */
static bool run_facets(bench *b, const char *name, const char *pipeline, uint32_t limit, double goal)
{
    enum { PARTIES = 4, TURNS = 4 };
    uint32_t n = b->o.queries, size = 1000;
    double one[PARTIES];
    double *turn = xcalloc((size_t)n * PARTIES * TURNS, sizeof *turn), *floor = xcalloc(n, sizeof *floor),
           *added = xcalloc(n, sizeof *added), *ours = xcalloc(n, sizeof *ours), *with = xcalloc(n, sizeof *with);
    for (uint32_t i = 0; i < WARM_UP; i++) ask_both(b, &b->c.query[n + i], pipeline, limit, i, &size, one);
    for (uint32_t k = 0; k < TURNS; k++)
        for (uint32_t i = 0; i < n; i++) {
            ask_both(b, &b->c.query[i], pipeline, limit, i + k, &size, one);
            for (uint32_t p = 0; p < PARTIES; p++) turn[((size_t)i * PARTIES + p) * TURNS + k] = one[p];
        }
    for (uint32_t i = 0; i < n; i++) {
        double middle[PARTIES];
        for (uint32_t p = 0; p < PARTIES; p++) middle[p] = quantile(&turn[((size_t)i * PARTIES + p) * TURNS], TURNS, 0.5);
        floor[i] = middle[0] + middle[1];
        ours[i] = middle[2];
        with[i] = middle[3];
        added[i] = with[i] - ours[i];
    }
    bool good = print_bar(name, "added_ratio", added, floor, n, goal);
    print_part("floor (both)", floor, n);
    print_part("without facets", ours, n);
    print_part("with facets", with, n);
    closed_loop(b, pipeline, REQUEST_PLAIN, 2);
    closed_loop(b, pipeline, REQUEST_FACETS, 2);
    free(turn);
    free(floor);
    free(added);
    free(ours);
    free(with);
    return good;
}

/* ---- features against the raw text ---- */

/* What docs/decisions/packed-postings.md says of two groups: counts of 4 and 5 bits, lengths of 6 bits, exact up to 32 words and
 * from there in steps of one ratio up to 4,000. Written from that page, not from the code. */
static double quantised_length(uint32_t length)
{
    double level[64], ratio = pow(4000.0 / 32, 1.0 / 31);
    for (int i = 0; i < 64; i++)
        level[i] = i <= 32 ? i : fmax(level[i - 1] + 1, floor(32 * pow(ratio, i - 32) + 0.5));
    int nearest = 1;
    for (int i = 1; i < 64; i++)
        if (fabs(level[i] - length) <= fabs(level[nearest] - length) && (fabs(level[i] - length) < fabs(level[nearest] - length))) nearest = i;
    return level[nearest];
}

static void expected_features(const corpus_query *q, const uint16_t *word, uint32_t n, uint32_t cap, double out[3])
{
    out[0] = out[1] = out[2] = 0;
    for (uint32_t k = 0; k < q->n; k++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < n; i++) count += word[i] == q->word[k];
        out[0] += count < cap ? count : cap;
        out[1] += count > 0;
    }
    if (out[1] > 0) out[2] = quantised_length(n);
}

static uint32_t check_hit(const corpus *c, const corpus_query *q, const Sinter__V1__Hit *hit)
{
    static const char *names[] = {"text.title.count", "text.title.words", "text.title.length",
                                  "text.body.count",  "text.body.words",  "text.body.length"};
    const corpus_document *d = &c->document[strtoul(hit->id, NULL, 10)];
    double expected[6];
    uint32_t right = 0;
    expected_features(q, d->word, d->n_title, 15, expected);
    expected_features(q, d->word + d->n_title, d->n_body, 31, expected + 3);
    if (!hit->explanation || hit->explanation->n_sources != 1) return 0;
    const Sinter__V1__SourceScore *source = hit->explanation->sources[0];
    for (int k = 0; k < 6; k++)
        for (size_t f = 0; f < source->n_features; f++)
            if (strcmp(source->features[f]->name, names[k]) == 0) {
                bool same = source->features[f]->value == expected[k];
                if (!same && right < 6)
                    fprintf(stderr, "bench: document %s: %s is %g, by its text %g\n", hit->id, names[k], source->features[f]->value, expected[k]);
                right += same;
                break;
            }
    return right;
}

static bool check_features(bench *b)
{
    uint32_t right = 0, all = CHECKED_REQUESTS * 1000 * 6;
    uint8_t request[REQUEST_ROOM];
    for (uint32_t i = 0; i < CHECKED_REQUESTS; i++) {
        const corpus_query *q = &b->c.query[i];
        rpc_answer a = rpc_call(b->ask, SEARCH_METHOD, request, server_request(q, "docs", REQUEST_EXPLAINED, request, sizeof request));
        Sinter__V1__SearchResponse *r = sinter__v1__search_response__unpack(NULL, a.size, a.bytes);
        uint32_t before = right;
        for (size_t h = 0; r && h < r->n_hits; h++) right += check_hit(&b->c, q, r->hits[h]);
        if (right - before != 6000) fprintf(stderr, "bench: request %u: %u of 6000 features agree\n", i, right - before);
        sinter__v1__search_response__free_unpacked(r, NULL);
        free(a.bytes);
    }
    printf("bar speed/search/rules features_checked %u goal = %u %s\n", right, all, right == all ? "pass" : "fail");
    return right == all;
}

/* ---- start and end ---- */

static bool filled(const options *o)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/filled-%u", o->scratch, o->documents);
    if (access(path, F_OK) == 0) return true;
    return false;
}

/* ---- completions ---- */

#define SUGGEST_METHOD "/sinter.v1.SearchService/Suggest"

/* What somebody types who wants this document: words of its title, the last cut off; one in three with two letters swapped. */
static size_t typed(const corpus_document *d, uint64_t *state, uint8_t *out)
{
    char text[64] = "", word[8];
    uint32_t n = d->n_title < 2 || corpus_random(state) < 0.5 ? 1 : 2;
    for (uint32_t i = 0; i < n; i++) {
        corpus_word(d->word[i], word);
        if (i + 1 == n) word[1 + (size_t)(corpus_random(state) * (double)strlen(word)) % strlen(word)] = 0;
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "", word);
    }
    size_t length = strlen(text);
    if (length > 2 && corpus_random(state) < 1.0 / 3) {
        size_t at = (size_t)(corpus_random(state) * (double)(length - 1));
        char c = text[at];
        text[at] = text[at + 1];
        text[at + 1] = c;
    }
    Sinter__V1__SuggestRequest r = SINTER__V1__SUGGEST_REQUEST__INIT;
    r.collection = (char *)(uintptr_t)"docs";
    r.prefix = text;
    return sinter__v1__suggest_request__pack(&r, out);
}

/* Until the first set is there. */
static double time_suggest(bench *b, const uint8_t *request, size_t size, uint32_t *answer_size, uint64_t *found)
{
    uint64_t start = clock_mono_ns();
    rpc_answer a = rpc_call(b->complete, SUGGEST_METHOD, request, size);
    Sinter__V1__SuggestResponse *r = sinter__v1__suggest_response__unpack(NULL, a.size, a.bytes);
    double ms = since_ms(start);
    if (!r) exit(1);
    *found += r->n_completions;
    *answer_size = (uint32_t)a.size;
    sinter__v1__suggest_response__free_unpacked(r, NULL);
    free(a.bytes);
    return ms;
}

static bool run_suggest(bench *b, const char *name, double goal)
{
    uint32_t n = b->o.queries, answer_size = 0;
    uint64_t state = 11, found = 0, known = 0;
    double *ours = xcalloc(n, sizeof *ours), *echo = xcalloc(n, sizeof *echo);
    uint8_t request[REQUEST_ROOM];
    b->complete = rpc_connect(b->server.address);
    for (uint64_t before = 1, wait = 0; !known || known != before; usleep(500000)) { /* until sets stop growing */
        before = known;
        known = 0;
        time_suggest(b, request, typed(&b->c.document[0], &(uint64_t){5}, request), &answer_size, &known);
        if (++wait > 600) exit(1);
    }
    for (uint32_t i = 0; i < n; i++) {
        double mine[ROUNDS], bare[ROUNDS];
        size_t size = typed(&b->c.document[(uint32_t)(corpus_random(&state) * b->c.n)], &state, request);
        for (int k = 0; k < ROUNDS; k++) {
            mine[k] = time_suggest(b, request, size, &answer_size, &found);
            bare[k] = time_echo(b, size < sizeof answer_size ? sizeof answer_size : size, answer_size);
        }
        ours[i] = quantile(mine, ROUNDS, 0.5);
        echo[i] = quantile(bare, ROUNDS, 0.5);
    }
    bool good = print_bar(name, "ratio", ours, echo, n, goal);
    print_part("echo", echo, n);
    print_part("sinter", ours, n);
    printf("     %.1f completions each\n", (double)found / n / ROUNDS);
    rpc_close(b->complete);
    free(ours);
    free(echo);
    return good;
}

static void mark_filled(const options *o)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/filled-%u", o->scratch, o->documents);
    FILE *f = fopen(path, "we");
    if (f) fclose(f);
}

static void bench_open(bench *b)
{
    char path[4096];
    const options *o = &b->o;
    corpus_make(&b->c, o->documents, o->queries + WARM_UP, 20240501);
    snprintf(path, sizeof path, "%s/port", o->scratch);
    child_serve(&b->server, o->sinter, o->config, path);
    if (!filled(o)) {
        uint64_t start = clock_mono_ns();
        server_fill(b->server.address, &b->c);
        printf("     %u documents put over gRPC and found after %.1f s\n", o->documents, since_ms(start) / 1e3);
        mark_filled(o);
    }
    b->ask = rpc_connect(b->server.address);
    if (o->loop > 0) return;
    snprintf(path, sizeof path, "%s/floor-%u", o->scratch, o->documents);
    if (!(b->floor = floor_open(path, &b->c))) exit(1);
    child_echo(&b->echo, o->self);
    b->bounce = rpc_connect(b->echo.address);
}

static void bench_close(bench *b)
{
    rpc_close(b->ask);
    if (b->bounce) rpc_close(b->bounce);
    child_end(&b->server);
    child_end(&b->echo);
    if (b->floor) floor_close(b->floor);
    corpus_free(&b->c);
}

static void read_options(int argc, char **argv, options *o)
{
    *o = (options){.self = "/proc/self/exe", .documents = 100000, .queries = 2000};
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *k = argv[i], *v = argv[i + 1];
        if (!strcmp(k, "--sinter")) o->sinter = v;
        else if (!strcmp(k, "--config")) o->config = v;
        else if (!strcmp(k, "--scratch")) o->scratch = v;
        else if (!strcmp(k, "--row")) o->row = v;
        else if (!strcmp(k, "--documents")) o->documents = (uint32_t)strtoul(v, NULL, 10);
        else if (!strcmp(k, "--queries")) o->queries = (uint32_t)strtoul(v, NULL, 10);
        else if (!strcmp(k, "--loop")) o->loop = strtod(v, NULL);
        else o->sinter = NULL, argc = 0;
    }
    if (o->sinter && o->config && o->scratch && o->queries >= CHECKED_REQUESTS) return;
    fprintf(stderr, "usage: bench_search --sinter FILE --config FILE --scratch DIR [--row rules|top10|facets|suggest|check] [--documents N] [--queries N] "
                    "[--loop SECONDS]\n");
    exit(2);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--echo") == 0) return echo_serve();
    static bench b;
    bool good = true;
    setvbuf(stdout, NULL, _IOLBF, 0);
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    setenv("GRPC_VERBOSITY", "NONE", 0);
    read_options(argc, argv, &b.o);
    const char *row = b.o.row;
    bench_open(&b);
    if (b.o.loop > 0) {
        closed_loop(&b, row && strcmp(row, "rules") != 0 ? "plain" : "docs", row && strcmp(row, "facets") == 0 ? REQUEST_FACETS : REQUEST_PLAIN,
                    b.o.loop);
    } else {
        printf("     stock Xapian %s, %u documents, %u queries\n", floor_version(), b.o.documents, b.o.queries);
        if (!row || strcmp(row, "rules") == 0) good &= run_row(&b, "speed/search/rules", "docs", 1000, 1.3);
        if (!row || strcmp(row, "rules") == 0 || strcmp(row, "check") == 0) good &= check_features(&b);
        if (!row || strcmp(row, "top10") == 0) good &= run_row(&b, "speed/search/top10", "plain", 10, 0.75);
        if (row && strcmp(row, "suggest") == 0) good &= run_suggest(&b, "speed/suggest/prefix", 2);
        if (!row || strcmp(row, "facets") == 0) good &= run_facets(&b, "speed/search/facets", "plain", 10, 0.3);
    }
    bench_close(&b);
    return good ? 0 : 1;
}
