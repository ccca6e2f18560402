/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter experiment list | report | stop | start`: the experiments of a running server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sinter/v1/admin.pb-c.h>

#include "base/base.h"
#include "client.h"
#include "commands/commands.h"
#include "experiment_text.h"
#include "json/json.h"
#include "options.h"

int command_experiment(int argc, char **argv); /* named in table.c */

typedef struct arguments {
    const char *server, *why, *who, *lift;
    uint64_t timeout_ns;
    double lift_number;
    bool json;
    const char *name, *arm;
} arguments;

#define AT(member) offsetof(arguments, member)
static const option_row rows[] = {
    {"--lift", "L", "report: relative difference whose power is told (default 0.05)", OPTION_TEXT, AT(lift)},
    {"--why", "TEXT", "stop, start: kept with the record; required to stop", OPTION_TEXT, AT(why)},
    {"--who", "NAME", "stop, start: kept with the record (default: $USER)", OPTION_TEXT, AT(who)},
    {"--json", NULL, "print the answer as protobuf JSON", OPTION_FLAG, AT(json)},
    {"--timeout", "DURATION", "give up after this long (default 60s)", OPTION_DURATION, AT(timeout_ns)},
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(server)},
};

static void help(FILE *out)
{
    fputs("usage: sinter experiment list [OPTIONS]\n"
          "       sinter experiment report NAME [OPTIONS]\n"
          "       sinter experiment stop NAME [ARM] --why TEXT [OPTIONS]\n"
          "       sinter experiment start NAME [ARM] [OPTIONS]\n\n"
          "  list    the experiments of the running configuration, their arms and what is stopped\n"
          "  report  what one has shown: counts, click-through, conversion, value, each arm beside the control arm\n"
          "  stop    an arm, whose people get the control arm's answers at once; without ARM the whole experiment\n"
          "  start   takes back what was stopped, by you or by a guardrail; counts begin anew\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 done, 1 failed, 2 usage, 3 server unreachable, 4 refused: nothing changed, 5 no such experiment or arm\n", out);
}

static char *text(const char *s)
{
    return (char *)(uintptr_t)(s ? s : "");
}

static int ask(client *c, const arguments *a, const char *method, const ProtobufCMessage *q, const ProtobufCMessageDescriptor *type,
               void (*print)(const ProtobufCMessage *m))
{
    sinter_error e = SINTER_ERROR_INIT;
    ProtobufCMessage *answer = NULL;
    sinter_status s = client_call(c, method, q, type, a->timeout_ns, &answer, &e);
    int code = s == SINTER_OK ? EXIT_OK : client_fail("experiment", c, &e);
    if (s == SINTER_OK && a->json) json_print(answer);
    if (s == SINTER_OK && !a->json) print(answer);
    if (answer) protobuf_c_message_free_unpacked(answer, NULL);
    return code;
}

static void print_list(const ProtobufCMessage *m)
{
    experiment_print_list((const Sinter__V1__ListExperimentsResponse *)m);
}

static void print_report(const ProtobufCMessage *m)
{
    experiment_print_report((const Sinter__V1__GetExperimentReportResponse *)m);
}

static void print_stop(const ProtobufCMessage *m)
{
    const Sinter__V1__StopExperimentResponse *r = (const Sinter__V1__StopExperimentResponse *)m;
    if (r->sequence)
        printf("stopped: record %llu\n", (unsigned long long)r->sequence);
    else
        printf("it was stopped already; nothing was changed\n");
    experiment_print_info(r->experiment);
}

static void print_start(const ProtobufCMessage *m)
{
    const Sinter__V1__StartExperimentResponse *r = (const Sinter__V1__StartExperimentResponse *)m;
    if (r->sequence)
        printf("started again: record %llu; counts begin anew\n", (unsigned long long)r->sequence);
    else
        printf("nothing of it was stopped; nothing was changed\n");
    experiment_print_info(r->experiment);
}

static int list(client *c, const arguments *a)
{
    Sinter__V1__ListExperimentsRequest q = SINTER__V1__LIST_EXPERIMENTS_REQUEST__INIT;
    return ask(c, a, "sinter.v1.AdminService/ListExperiments", &q.base, &sinter__v1__list_experiments_response__descriptor, print_list);
}

static int report(client *c, const arguments *a)
{
    Sinter__V1__GetExperimentReportRequest q = SINTER__V1__GET_EXPERIMENT_REPORT_REQUEST__INIT;
    q.experiment = text(a->name);
    q.lift = a->lift_number;
    return ask(c, a, "sinter.v1.AdminService/GetExperimentReport", &q.base, &sinter__v1__get_experiment_report_response__descriptor,
               print_report);
}

static const char *who(const arguments *a)
{
    return a->who ? a->who : getenv("USER");
}

static int stop(client *c, const arguments *a)
{
    Sinter__V1__StopExperimentRequest q = SINTER__V1__STOP_EXPERIMENT_REQUEST__INIT;
    q.experiment = text(a->name);
    q.arm = text(a->arm);
    q.who = text(who(a));
    q.why = text(a->why);
    return ask(c, a, "sinter.v1.AdminService/StopExperiment", &q.base, &sinter__v1__stop_experiment_response__descriptor, print_stop);
}

static int start(client *c, const arguments *a)
{
    Sinter__V1__StartExperimentRequest q = SINTER__V1__START_EXPERIMENT_REQUEST__INIT;
    q.experiment = text(a->name);
    q.arm = text(a->arm);
    q.who = text(who(a));
    q.why = text(a->why);
    return ask(c, a, "sinter.v1.AdminService/StartExperiment", &q.base, &sinter__v1__start_experiment_response__descriptor, print_start);
}

static const struct verb {
    const char *name;
    size_t least, most; /* words behind it */
    int (*run)(client *c, const arguments *a);
} VERBS[] = {{"list", 0, 0, list}, {"report", 1, 1, report}, {"stop", 1, 2, stop}, {"start", 1, 2, start}};

static const struct verb *find_verb(const option_words *w, sinter_error *e)
{
    static const char FIX[] = "sinter experiment --help shows how";
    const char *names[ARRAY_LEN(VERBS)];
    if (!w->n) {
        error_set(e, SINTER_INVALID, NULL, FIX, "list, report, stop or start?");
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(VERBS); i++) {
        names[i] = VERBS[i].name;
        if (strcmp(w->word[0], names[i]) != 0) continue;
        if (w->n - 1 >= VERBS[i].least && w->n - 1 <= VERBS[i].most) return &VERBS[i];
        error_set(e, SINTER_INVALID, names[i], FIX, w->n - 1 < VERBS[i].least ? "which experiment?" : "too many words");
        return NULL;
    }
    const char *near = near_name(w->word[0], names, ARRAY_LEN(VERBS));
    error_set(e, SINTER_INVALID, w->word[0], near ? near : FIX, "neither list, report, stop nor start");
    return NULL;
}

static sinter_status check(arguments *a, const struct verb *verb, sinter_error *e)
{
    if (a->lift && (!parse_double(str_of(a->lift), &a->lift_number) || !(a->lift_number > 0 && a->lift_number <= 10)))
        return error_set(e, SINTER_INVALID, "--lift", "above 0, at most 10, such as 0.05", "'%s' is not valid", a->lift);
    if (verb->run == stop && (!a->why || !*a->why))
        return error_set(e, SINTER_INVALID, "--why", "say it for whoever reads the journal: --why 'too slow'", "no reason is given");
    return SINTER_OK;
}

int command_experiment(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    arguments a = {.timeout_ns = UINT64_C(60000000000)};
    option_words w = {0};
    bool asked = false;
    client *c = NULL;
    int code = EXIT_OK;
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &w, &asked, &e);
    const struct verb *verb = s == SINTER_OK && !asked ? find_verb(&w, &e) : NULL;
    if (verb) s = check(&a, verb, &e);
    a.name = w.n > 1 ? w.word[1] : "";
    a.arm = w.n > 2 ? w.word[2] : "";
    if (asked)
        help(stdout);
    else if (s != SINTER_OK || !verb)
        code = options_fail("experiment", &e);
    else if (client_open(a.server, &c, &e) != SINTER_OK)
        code = client_fail("experiment", NULL, &e);
    else
        code = verb->run(c, &a);
    if (c) client_close(c);
    option_words_free(&w);
    return code;
}
