/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter demo play`: people of a demo shop search a running server, click and buy, and tell it so. */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "demo_play_run.h"
#include "options.h"

typedef struct play_arguments {
    play_plan plan;
    const char *seed, *clicks;
    bool json;
} play_arguments;

#define AT(member) offsetof(play_arguments, member)
static const option_row rows[] = {
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(plan.server)},
    {"--seed", "S", "a whole number; every draw belongs to it and a request's number; required", OPTION_TEXT, AT(seed)},
    {"--requests", "N", "how many searches, 1 to 100,000,000; required", OPTION_COUNT, AT(plan.requests)},
    {"--from", "K", "number of the first request, default 0: other numbers, other requests", OPTION_COUNT, AT(plan.from)},
    {"--collection", "NAME", "default shop", OPTION_TEXT, AT(plan.collection)},
    {"--pipeline", "NAME", "default: the collection's own", OPTION_TEXT, AT(plan.pipeline)},
    {"--page-size", "N", "hits a page, 1 to 50, default 20", OPTION_COUNT, AT(plan.page_size)},
    {"--in-flight", "N", "connections, each with one call at a time, 1 to 64, default 8", OPTION_COUNT, AT(plan.in_flight)},
    {"--clicks", "HOW", "utility (default), or random: as many, whatever stands there; to see what learns nothing",
     OPTION_TEXT, AT(clicks)},
    {"--after-events", NULL, "each search waits until it can see the events that its connection sent before", OPTION_FLAG,
     AT(plan.after_events)},
    {"--json", NULL, "the summary as one JSON object", OPTION_FLAG, AT(json)},
    {"--quiet", NULL, "no progress", OPTION_FLAG, AT(plan.quiet)},
};

static void help(FILE *out) {
    fputs("usage: sinter demo play --seed S --requests N [OPTIONS] DIR\n\n"
          "Lets the people of DIR, a folder of `sinter demo generate`, search a running server that holds its items. They\n"
          "look at the order that they get by position, click by utility, buy among the clicked, and send the events.\n"
          "The same seed, requests and answers give the same clicks.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 played, 1 failed or interrupted, 2 wrong arguments or folder, 3 server unreachable,\n"
          "            4 refused by the server, 5 no such collection or pipeline\n",
          out);
}

sinter_status demo_out_of(const char *option, const char *valid, uint64_t given, sinter_error *e) {
    return error_set(e, SINTER_INVALID, option, valid, "%llu is not valid", (unsigned long long)given);
}

sinter_status demo_take_seed(const char *text, uint64_t *out, sinter_error *e) {
    if (parse_uint64(str_of(text), out)) return SINTER_OK;
    return error_set(e, SINTER_INVALID, "--seed", "a whole number from 0 to 18446744073709551615", "'%s' is not valid", text);
}

sinter_status demo_take_folder(size_t given, sinter_error *e) {
    if (given == 1) return SINTER_OK;
    return error_set(e, SINTER_INVALID, "DIR", "name one folder that `sinter demo generate` wrote", "%zu folders", given);
}

static sinter_status check(play_arguments *a, const option_words *words, sinter_error *e) {
    play_plan *p = &a->plan;
    if (!a->seed) return error_set(e, SINTER_INVALID, "--seed", "give any whole number, e.g. --seed 1", "the seed is missing");
    if (demo_take_seed(a->seed, &p->seed, e) != SINTER_OK) return SINTER_INVALID;
    if (p->requests < 1 || p->requests > 100000000) return demo_out_of("--requests", "from 1 to 100,000,000", p->requests, e);
    if (p->from > 1000000000) return demo_out_of("--from", "from 0 to 1,000,000,000", p->from, e);
    if (p->page_size < 1 || p->page_size > DEMO_POSITIONS) return demo_out_of("--page-size", "from 1 to 50", p->page_size, e);
    if (p->in_flight < 1 || p->in_flight > PLAY_MOST_IN_FLIGHT) return demo_out_of("--in-flight", "from 1 to 64", p->in_flight, e);
    if (a->clicks && strcmp(a->clicks, "random") != 0 && strcmp(a->clicks, "utility") != 0)
        return error_set(e, SINTER_INVALID, "--clicks", "utility or random", "'%s' is not valid", a->clicks);
    p->random_clicks = a->clicks && strcmp(a->clicks, "random") == 0;
    return demo_take_folder(words->n, e);
}

static double per(double sum, uint64_t n) {
    return n ? sum / (double)n : 0;
}

static void print_text(const play_plan *p, const play_result *r) {
    const play_tally *t = &r->tally;
    printf("%llu requests in %.1f s (%.0f a second), %llu hits shown; events %llu recorded, %llu known before\n",
           (unsigned long long)t->requests, r->seconds, r->seconds > 0 ? (double)t->requests / r->seconds : 0,
           (unsigned long long)t->hits, (unsigned long long)t->accepted, (unsigned long long)t->repeated);
    printf("%llu clicks (%.3f a request), %llu purchases, mean utility %.3f, of the first ten %.3f\n",
           (unsigned long long)t->clicks, per((double)t->clicks, t->requests), (unsigned long long)t->purchases,
           per(t->utility, t->hits - t->strangers), per(t->utility_first, t->hits_first));
    fputs("clicks by position:", stdout);
    for (uint32_t i = 0; i < p->page_size && i < 10; i++)
        printf(" %.1f%%", 100 * per((double)t->clicks_at[i], t->shown_at[i]));
    printf("\njournal (%llu, %llu]\n", (unsigned long long)r->since, (unsigned long long)r->until);
    if (t->empty) printf("%llu answers without a hit\n", (unsigned long long)t->empty);
    if (t->degraded) printf("%llu degraded answers\n", (unsigned long long)t->degraded);
    if (t->retries) printf("%llu calls tried again\n", (unsigned long long)t->retries);
    if (t->strangers) printf("%llu hits are no items of this world; nobody clicks them\n", (unsigned long long)t->strangers);
    if (r->interrupted) printf("interrupted; go on with --from %llu\n", (unsigned long long)r->next);
}

static void print_positions(const char *name, const uint64_t *n, uint64_t size) {
    printf("\"%s\":[", name);
    for (uint64_t i = 0; i < size; i++)
        printf("%s%llu", i ? "," : "", (unsigned long long)n[i]);
    printf("],");
}

static void print_json(const play_plan *p, const demo_world *w, const play_result *r) {
    const play_tally *t = &r->tally;
    const struct {
        const char *name;
        uint64_t n;
    } counts[] = {{"from", p->from},         {"next", r->next},         {"requests", t->requests}, {"empty", t->empty},
                  {"degraded", t->degraded}, {"hits", t->hits},         {"strangers", t->strangers}, {"clicks", t->clicks},
                  {"purchases", t->purchases}, {"accepted", t->accepted}, {"repeated", t->repeated}, {"retries", t->retries},
                  {"since", r->since},       {"until", r->until}};
    printf("{\"seed\":\"%llu\",\"world_seed\":\"%llu\",", (unsigned long long)p->seed, (unsigned long long)w->options.seed);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        printf("\"%s\":%llu,", counts[i].name, (unsigned long long)counts[i].n);
    print_positions("shown_by_position", t->shown_at, p->page_size);
    print_positions("clicks_by_position", t->clicks_at, p->page_size);
    printf("\"mean_utility\":%.6f,\"mean_utility_first_ten\":%.6f,\"seconds\":%.3f,\"interrupted\":%s}\n",
           per(t->utility, t->hits - t->strangers), per(t->utility_first, t->hits_first), r->seconds,
           r->interrupted ? "true" : "false");
}

static int play(const play_arguments *a, const char *dir) {
    sinter_error e = SINTER_ERROR_INIT;
    demo_world *w = NULL;
    play_result result;
    if (demo_world_open(dir, &w, &e) != SINTER_OK) return options_fail("demo play", &e);
    demo_visitors *v = demo_visitors_new(w);
    int code = play_run(&a->plan, v, &result);
    if (a->json)
        print_json(&a->plan, w, &result);
    else if (result.tally.requests)
        print_text(&a->plan, &result);
    if (fflush(stdout) != 0 && code == EXIT_OK) code = EXIT_FAILED;
    if (result.interrupted && code == EXIT_OK) code = EXIT_FAILED;
    demo_visitors_free(v);
    demo_world_free(w);
    return code;
}

int demo_play(int argc, char **argv) {
    play_arguments a = {.plan = {.collection = "shop", .page_size = 20, .in_flight = 8}};
    option_words words = {0};
    bool helping = false;
    sinter_error e = SINTER_ERROR_INIT;
    int code = EXIT_OK;
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &words, &helping, &e);
    if (helping)
        help(stdout);
    else if (s != SINTER_OK || check(&a, &words, &e) != SINTER_OK)
        code = options_fail("demo play", &e);
    else
        code = play(&a, words.word[0]);
    option_words_free(&words);
    return code;
}
