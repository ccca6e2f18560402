/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Load on a server, from a client that knows nothing of it but its API:
 *
 *   load HOST:PORT COLLECTION closed N_IN_FLIGHT SECONDS QUERIES            how many a second it can do
 *   load HOST:PORT COLLECTION open RATE SECONDS QUERIES [SCORES]            arrivals at random times, at that mean rate
 *
 * QUERIES: a file with a query a line. SCORES: a file of lines "ITEM TAB SCORE_1 TAB SCORE_2 …", what a model's versions give an
 * item. Open: a request has its time before the server is asked for it, and its latency counts from then, whatever was late. An
 * answer is mixed when two builds of `tide` or two versions of `liked` scored it, by its ledger and by the scores themselves, or
 * when one pipeline version stands for two such pairs. Ends early on SIGTERM. Prints one line of JSON. */
#include "base/base.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <math.h>
#include <signal.h>
#include <sinter/v1/search.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_VERSIONS = 8, MOST_PAIRS = 256, CHANNELS = 4 };

typedef struct scores {
    char **item;
    float (*version)[MOST_VERSIONS];
    size_t n;
    uint32_t versions;
} scores;

typedef struct pair {
    char pipeline_version[24];
    int build, model;
} pair;

typedef struct load {
    grpc_channel *channel[CHANNELS];
    grpc_completion_queue *queue;
    void *method[CHANNELS];
    const char *collection;
    char **query;
    size_t n_queries;
    scores scores;
    pair pair[MOST_PAIRS];
    uint32_t n_pairs, builds, models; /* bit sets of what was seen */
    uint64_t sent, answered, failed, mixed, degraded;
    char first_failure[400], first_mixed[200];
    float *latency_ms;
    size_t n_latencies, cap_latencies;
    rng random;
    bool explained;
} load;

typedef struct shot {
    load *l;
    grpc_call *call;
    grpc_byte_buffer *sent, *got;
    grpc_metadata_array headers, trailers;
    grpc_status_code status;
    grpc_slice why;
    uint64_t intended_ns;
} shot;

static volatile sig_atomic_t stopped;

static void on_term(int number)
{
    (void)number;
    stopped = 1;
}

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(2);
}

/* ---- files ------------------------------------------------------------------------------------------------------------------- */

static char **lines_of(const char *path, size_t *n)
{
    buffer b = {0};
    char **line = NULL;
    if (file_read(path, 64 << 20, &b, NULL)) give_up(path);
    for (char *at = strtok(b.data, "\n"); at; at = strtok(NULL, "\n")) {
        line = xrealloc(line, (*n + 1) * sizeof *line);
        line[(*n)++] = xstrdup(at);
    }
    buffer_free(&b);
    if (!*n) give_up(path);
    return line;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void read_scores(scores *s, const char *path)
{
    s->item = lines_of(path, &s->n);
    qsort(s->item, s->n, sizeof *s->item, by_name);
    s->version = xcalloc(s->n, sizeof *s->version);
    for (size_t i = 0; i < s->n; i++) {
        char *at = s->item[i] + strcspn(s->item[i], "\t");
        uint32_t k = 0;
        while (*at && k < MOST_VERSIONS) {
            *at++ = 0;
            s->version[i][k++] = strtof(at, &at);
        }
        s->versions = k;
    }
}

/* The version of the model that gave an item this score; 0: none; -1: nobody knows the item. */
static int version_of(const scores *s, const char *item, double raw)
{
    char **found = bsearch(&item, s->item, s->n, sizeof *s->item, by_name);
    if (!found) return -1;
    for (uint32_t k = 0; k < s->versions; k++)
        if (s->version[found - s->item][k] == (float)raw) return (int)k + 1;
    return 0;
}

/* ---- one answer -------------------------------------------------------------------------------------------------------------- */

static void mixed(load *l, const char *why, const char *item)
{
    if (l->mixed++ == 0) snprintf(l->first_mixed, sizeof l->first_mixed, "%s (%s)", why, item);
}

static bool one(int *seen, int is)
{
    if (!*seen) *seen = is;
    return *seen == is;
}

/* False: it is mixed. */
static bool check_share(load *l, const char *item, const Sinter__V1__RankerShare *x, int *build, int *model)
{
    if (x->missing) return true;
    if (strcmp(x->plugin, "tide") == 0) {
        int told = atoi(x->version), scored = (int)(x->raw / 10000);
        if (told != scored || !one(build, told)) {
            mixed(l, told != scored ? "the ledger tells another build than scored" : "two builds", item);
            return false;
        }
    } else if (strcmp(x->ranker, "liked") == 0 && l->scores.n) {
        int version = version_of(&l->scores, item, x->raw);
        if (version < 0) return true;
        if (!version || !one(model, version)) {
            mixed(l, version ? "two versions of a model" : "a score of no version", item);
            return false;
        }
    }
    return true;
}

static bool check_pair(load *l, const char *version, int build, int model)
{
    for (uint32_t i = 0; i < l->n_pairs; i++)
        if (strcmp(l->pair[i].pipeline_version, version) == 0) return l->pair[i].build == build && l->pair[i].model == model;
    if (l->n_pairs == MOST_PAIRS) return true;
    pair *p = &l->pair[l->n_pairs++];
    snprintf(p->pipeline_version, sizeof p->pipeline_version, "%s", version);
    p->build = build;
    p->model = model;
    return true;
}

static void check(load *l, const Sinter__V1__SearchResponse *r)
{
    int build = 0, model = 0;
    l->degraded += r->n_degraded > 0;
    for (size_t h = 0; h < r->n_hits; h++)
        for (size_t s = 0; r->hits[h]->explanation && s < r->hits[h]->explanation->n_stages; s++) {
            const Sinter__V1__StageLedger *stage = r->hits[h]->explanation->stages[s];
            for (size_t k = 0; k < stage->n_rankers; k++)
                if (!check_share(l, r->hits[h]->id, stage->rankers[k], &build, &model)) return;
        }
    if (build > 0 && build < 32) l->builds |= 1u << build;
    if (model > 0) l->models |= 1u << model;
    if (build && r->assignment && !check_pair(l, r->assignment->pipeline_version, build, model))
        mixed(l, "one pipeline version for two pairs", r->assignment->pipeline_version);
}

static void take_answer(load *l, grpc_byte_buffer *b)
{
    grpc_byte_buffer_reader reader;
    if (!b || !grpc_byte_buffer_reader_init(&reader, b)) return;
    grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    Sinter__V1__SearchResponse *r = sinter__v1__search_response__unpack(NULL, GRPC_SLICE_LENGTH(all), GRPC_SLICE_START_PTR(all));
    grpc_slice_unref(all);
    if (!r) {
        l->failed++;
        return;
    }
    if (l->explained) check(l, r);
    sinter__v1__search_response__free_unpacked(r, NULL);
}

static void note_latency(load *l, double ms)
{
    if (l->n_latencies == l->cap_latencies) {
        l->cap_latencies = l->cap_latencies ? l->cap_latencies * 2 : 1 << 16;
        l->latency_ms = xrealloc(l->latency_ms, l->cap_latencies * sizeof *l->latency_ms);
    }
    l->latency_ms[l->n_latencies++] = (float)ms;
}

static void finish(shot *s)
{
    load *l = s->l;
    note_latency(l, (double)(clock_mono_ns() - s->intended_ns) / 1e6);
    l->answered++;
    if (s->status != GRPC_STATUS_OK) {
        if (l->failed++ == 0)
            snprintf(l->first_failure, sizeof l->first_failure, "status %d: %.*s", (int)s->status, (int)GRPC_SLICE_LENGTH(s->why),
                     (const char *)GRPC_SLICE_START_PTR(s->why));
    } else {
        take_answer(l, s->got);
    }
    if (s->got) grpc_byte_buffer_destroy(s->got);
    grpc_byte_buffer_destroy(s->sent);
    grpc_metadata_array_destroy(&s->headers);
    grpc_metadata_array_destroy(&s->trailers);
    grpc_slice_unref(s->why);
    grpc_call_unref(s->call);
    free(s);
}

/* ---- sending ----------------------------------------------------------------------------------------------------------------- */

static void send_one(load *l, uint64_t intended_ns)
{
    shot *s = xcalloc(1, sizeof *s);
    uint32_t c = (uint32_t)(l->sent % CHANNELS);
    Sinter__V1__SearchRequest q = SINTER__V1__SEARCH_REQUEST__INIT;
    q.collection = (char *)(uintptr_t)l->collection;
    q.query = l->query[rng_below(&l->random, l->n_queries)];
    q.explain = l->explained ? SINTER__V1__EXPLAIN__EXPLAIN_SCORES : SINTER__V1__EXPLAIN__EXPLAIN_NONE;
    grpc_slice slice = grpc_slice_malloc(sinter__v1__search_request__get_packed_size(&q));
    sinter__v1__search_request__pack(&q, GRPC_SLICE_START_PTR(slice));
    s->l = l;
    s->intended_ns = intended_ns;
    s->sent = grpc_raw_byte_buffer_create(&slice, 1);
    s->why = grpc_empty_slice();
    grpc_slice_unref(slice);
    grpc_metadata_array_init(&s->headers);
    grpc_metadata_array_init(&s->trailers);
    s->call = grpc_channel_create_registered_call(l->channel[c], NULL, GRPC_PROPAGATE_DEFAULTS, l->queue, l->method[c],
                                                  gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_op op[6] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                     {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = s->sent},
                     {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
                     {.op = GRPC_OP_RECV_INITIAL_METADATA, .data.recv_initial_metadata.recv_initial_metadata = &s->headers},
                     {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &s->got},
                     {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
                      .data.recv_status_on_client = {.trailing_metadata = &s->trailers, .status = &s->status, .status_details = &s->why}}};
    if (grpc_call_start_batch(s->call, op, ARRAY_LEN(op), s, NULL) != GRPC_CALL_OK) give_up("a call could not be started");
    l->sent++;
}

/* Until `ns`, or until something came. */
static bool receive(load *l, uint64_t ns)
{
    uint64_t now = clock_mono_ns();
    gpr_timespec until = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(ns > now ? (int64_t)(ns - now) : 0, GPR_TIMESPAN));
    grpc_event ev = grpc_completion_queue_next(l->queue, until, NULL);
    if (ev.type != GRPC_OP_COMPLETE) return false;
    finish(ev.tag);
    return true;
}

static void drain(load *l)
{
    uint64_t end = clock_mono_ns() + UINT64_C(20000000000);
    while (l->answered < l->sent && clock_mono_ns() < end) receive(l, clock_mono_ns() + 100000000);
    l->failed += l->sent - l->answered;
}

static void run_closed(load *l, uint64_t in_flight, double seconds)
{
    uint64_t end = clock_mono_ns() + (uint64_t)(seconds * 1e9);
    for (uint64_t i = 0; i < in_flight; i++) send_one(l, clock_mono_ns());
    while (!stopped && clock_mono_ns() < end)
        if (receive(l, end)) send_one(l, clock_mono_ns());
}

/* The next arrival does not wait for any answer. */
static void run_open(load *l, double rate, double seconds)
{
    uint64_t now = clock_mono_ns(), end = now + (uint64_t)(seconds * 1e9), next = now;
    while (!stopped && next < end) {
        while (receive(l, next)) {
            if (clock_mono_ns() >= next) break;
        }
        while (clock_mono_ns() >= next && next < end) {
            send_one(l, next);
            next += (uint64_t)(-log(1 - rng_uniform(&l->random)) / rate * 1e9);
        }
    }
}

static void connect_to(load *l, const char *address)
{
    grpc_init();
    grpc_arg arg[] = {{.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)GRPC_ARG_ENABLE_HTTP_PROXY, .value.integer = 0},
                      {.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, .value.integer = 1}};
    grpc_channel_args args = {ARRAY_LEN(arg), arg};
    l->queue = grpc_completion_queue_create_for_next(NULL);
    for (uint32_t i = 0; i < CHANNELS; i++) {
        grpc_channel_credentials *plain = grpc_insecure_credentials_create();
        l->channel[i] = grpc_channel_create(address, plain, &args);
        grpc_channel_credentials_release(plain);
        l->method[i] = grpc_channel_register_call(l->channel[i], "/sinter.v1.SearchService/Search", NULL, NULL);
    }
}

/* ---- telling ----------------------------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static double quantile(const load *l, double q)
{
    return l->n_latencies ? (double)l->latency_ms[(size_t)((double)(l->n_latencies - 1) * q)] : 0;
}

static void tell(load *l, double seconds)
{
    buffer b = {0};
    if (l->n_latencies) qsort(l->latency_ms, l->n_latencies, sizeof *l->latency_ms, by_value);
    buffer_printf(&b, "{\"sent\":%llu,\"failed\":%llu,\"mixed\":%llu,\"degraded\":%llu,\"rate\":%.1f,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"max_ms\":%.2f,",
                  (unsigned long long)l->sent, (unsigned long long)l->failed, (unsigned long long)l->mixed, (unsigned long long)l->degraded,
                  (double)l->answered / seconds, quantile(l, 0.5), quantile(l, 0.99), quantile(l, 1));
    buffer_printf(&b, "\"builds\":%d,\"models\":%d,\"pairs\":%u,\"first_failure\":", __builtin_popcount(l->builds), __builtin_popcount(l->models),
                  l->n_pairs);
    buffer_json_string(&b, l->first_failure, strlen(l->first_failure));
    buffer_puts(&b, ",\"first_mixed\":");
    buffer_json_string(&b, l->first_mixed, strlen(l->first_mixed));
    printf("%s}\n", b.data);
    buffer_free(&b);
}

int main(int argc, char **argv)
{
    load l = {.explained = true};
    if (argc < 7) give_up("load HOST:PORT COLLECTION open|closed RATE|IN_FLIGHT SECONDS QUERIES [SCORES]");
    double amount = atof(argv[4]), seconds = atof(argv[5]);
    signal(SIGTERM, on_term);
    rng_seed(&l.random, 1);
    l.collection = argv[2];
    l.query = lines_of(argv[6], &l.n_queries);
    if (argc > 7) read_scores(&l.scores, argv[7]);
    connect_to(&l, argv[1]);
    uint64_t started = clock_mono_ns();
    if (strcmp(argv[3], "closed") == 0)
        run_closed(&l, (uint64_t)amount, seconds);
    else
        run_open(&l, amount, seconds);
    double took = (double)(clock_mono_ns() - started) / 1e9;
    drain(&l);
    tell(&l, took);
    return 0;
}
