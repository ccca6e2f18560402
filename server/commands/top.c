/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter top`: what a running server is doing, refreshed: rates, times, stages, lanes, swaps, memory. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sinter/v1/admin.pb-c.h>

#include "base/base.h"
#include "client.h"
#include "commands/commands.h"
#include "options.h"
#include "top_figures.h"
#include "top_text.h"

int command_top(int argc, char **argv); /* named in table.c */

typedef struct top_arguments {
    const char *server;
    uint64_t every_ns;
    bool once, json;
} top_arguments;

#define AT(member) offsetof(top_arguments, member)
static const option_row rows[] = {
    {"--every", "DURATION", "how often to look (default 1s)", OPTION_DURATION, AT(every_ns)},
    {"--once", NULL, "look for one such time, print, and end", OPTION_FLAG, AT(once)},
    {"--json", NULL, "one JSON object a look", OPTION_FLAG, AT(json)},
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(server)},
};

static void help(FILE *out)
{
    fputs("usage: sinter top [OPTIONS]\n\n"
          "Rates, times (median and 99th percentile), methods, pipelines and their stages, plugins, lanes, the journal, changes and memory\n"
          "of a running server, anew each second, until interrupted.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 ended, 1 failed, 2 usage, 3 server unreachable, 4 refused by the server\n", out);
}

static Sinter__V1__GetStatusResponse *look(client *c, sinter_error *e)
{
    static const uint64_t PATIENCE_NS = UINT64_C(10000000000);
    ProtobufCMessage *answer = NULL;
    Sinter__V1__GetStatusRequest request = SINTER__V1__GET_STATUS_REQUEST__INIT;
    request.metrics = true;
    sinter_status s = client_call(c, "sinter.v1.AdminService/GetStatus", &request.base, &sinter__v1__get_status_response__descriptor,
                                  PATIENCE_NS, &answer, e);
    return s == SINTER_OK ? (Sinter__V1__GetStatusResponse *)answer : NULL;
}

static void show(const top_view *v, const top_arguments *a, const char *server)
{
    static const char CLEAR[] = "\033[H\033[2J";
    buffer b = {0};
    if (a->json)
        top_json(v, &b);
    else
        top_text(v, server, &b);
    if (!a->json && !a->once && isatty(STDOUT_FILENO)) fputs(CLEAR, stdout);
    fwrite(b.data, 1, b.len, stdout);
    fflush(stdout);
    buffer_free(&b);
}

static void rest(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    nanosleep(&t, NULL);
}

static int top(const top_arguments *a)
{
    sinter_error e = SINTER_ERROR_INIT;
    client *c = NULL;
    if (client_open(a->server, &c, &e) != SINTER_OK) return client_fail("top", NULL, &e);
    uint64_t then = clock_mono_ns();
    Sinter__V1__GetStatusResponse *before = look(c, &e), *now = NULL;
    while (before) {
        rest(a->every_ns);
        uint64_t at = clock_mono_ns();
        if (!(now = look(c, &e))) break;
        top_view v = {.before = before, .now = now, .seconds = (double)(at - then) / 1e9};
        show(&v, a, client_server(c));
        sinter__v1__get_status_response__free_unpacked(before, NULL);
        before = now;
        then = at;
        if (a->once) break;
    }
    int code = before && now ? EXIT_OK : client_fail("top", c, &e);
    if (before) sinter__v1__get_status_response__free_unpacked(before, NULL);
    client_close(c);
    return code;
}

int command_top(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    top_arguments a = {.every_ns = UINT64_C(1000000000)};
    option_words w = {0};
    bool asked = false;
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &w, &asked, &e);
    if (s == SINTER_OK && !asked && w.n > 0)
        s = error_set(&e, SINTER_INVALID, w.word[0], "sinter top --help lists the options", "not expected here");
    if (s == SINTER_OK && !asked && (a.every_ns < 50000000 || a.every_ns > UINT64_C(3600000000000)))
        s = error_set(&e, SINTER_INVALID, "--every", "50ms to 1h", "is too short or too long");
    option_words_free(&w);
    if (s != SINTER_OK) return options_fail("top", &e);
    if (!asked) return top(&a);
    help(stdout);
    return EXIT_OK;
}
