/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter model list | deploy`: the models of a running server. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sinter/v1/admin.pb-c.h>

#include "base/base.h"
#include "client.h"
#include "commands/commands.h"
#include "deploy_model.h"
#include "json.h"
#include "options.h"

int command_model(int argc, char **argv); /* named in table.c */

typedef struct model_arguments {
    const char *server, *why, *who;
    uint64_t timeout_ns;
    bool dry_run, json;
} model_arguments;

#define AT(member) offsetof(model_arguments, member)
static const option_row rows[] = {
    {"--dry-run", NULL, "deploy: build and check only, and change nothing", OPTION_FLAG, AT(dry_run)},
    {"--why", "TEXT", "deploy: kept with the deployment", OPTION_TEXT, AT(why)},
    {"--who", "NAME", "deploy: kept with the deployment (default: $USER)", OPTION_TEXT, AT(who)},
    {"--json", NULL, "print the answer as protobuf JSON", OPTION_FLAG, AT(json)},
    {"--timeout", "DURATION", "give up after this long (default 10m)", OPTION_DURATION, AT(timeout_ns)},
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(server)},
};

static void help(FILE *out)
{
    fputs("usage: sinter model list [NAME] [OPTIONS]\n"
          "       sinter model deploy NAME/VERSION [OPTIONS]\n\n"
          "  list    the models in the server's data directory: what they were trained on, their metrics, who uses them\n"
          "  deploy  makes one what NAME/latest means: the server builds a snapshot with it beside what runs, checks its files and\n"
          "          golden cases, writes a record to the journal and changes over in one step. Where anything is wrong it says so\n"
          "          and goes on as before. An older version may be deployed again.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 done, 1 failed, 2 usage, 3 server unreachable, 4 refused: nothing changed, 5 no such model\n", out);
}

/* ---- list -------------------------------------------------------------------------------------------------------------------- */

/* The metrics that training ended with; what its data were is in --json. */
static void print_metrics(const Sinter__V1__ModelInfo *m)
{
    const char *comma = "";
    for (size_t i = 0; i < m->n_metrics; i++) {
        if (strncmp(m->metrics[i]->key, "data.", 5) == 0) continue;
        printf("%s%s %.5g", comma, m->metrics[i]->key, m->metrics[i]->value);
        comma = ", ";
    }
}

static void print_models(const Sinter__V1__ListModelsResponse *r)
{
    if (!r->n_models) printf("no models yet: sinter train PIPELINE.RANKER makes one\n");
    if (r->n_models)
        printf("%-20s %-9s %-10s %-20s %-23s %10s  %s\n", "model", "", "plugin", "trained", "records", "size", "used by; metrics");
    for (size_t i = 0; i < r->n_models; i++) {
        const Sinter__V1__ModelInfo *m = r->models[i];
        char name[200], range[48], when[32] = "";
        if (m->trained) time_format_ms(m->trained->seconds * 1000, when);
        snprintf(name, sizeof name, "%s/%s", m->name, m->version);
        snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)m->since + 1, (unsigned long long)m->until);
        printf("%-20s %-9s %-10s %-20s %-23s %8.1f K  ", name, m->deployed ? "deployed" : "", m->plugin, when, range,
               (double)m->bytes / 1024);
        for (size_t k = 0; k < m->n_used_by; k++) printf("%s%s", k ? ", " : "", m->used_by[k]);
        printf("%s", m->n_used_by ? "; " : "");
        print_metrics(m);
        printf("\n");
        if (*m->fault) printf("    cannot be used: %s\n", m->fault);
    }
}

static int list(client *c, const model_arguments *a, const char *name)
{
    sinter_error e = SINTER_ERROR_INIT;
    ProtobufCMessage *answer = NULL;
    Sinter__V1__ListModelsRequest q = SINTER__V1__LIST_MODELS_REQUEST__INIT;
    q.name = (char *)(uintptr_t)name;
    sinter_status s = client_call(c, "sinter.v1.AdminService/ListModels", &q.base, &sinter__v1__list_models_response__descriptor,
                                  a->timeout_ns, &answer, &e);
    int code = s == SINTER_OK ? EXIT_OK : client_fail("model", c, &e);
    if (s == SINTER_OK && a->json) json_print(answer);
    if (s == SINTER_OK && !a->json) print_models((const Sinter__V1__ListModelsResponse *)answer);
    if (answer) protobuf_c_message_free_unpacked(answer, NULL);
    return code;
}

/* ---- deploy ------------------------------------------------------------------------------------------------------------------ */

static int deploy(client *c, const model_arguments *a, const char *model)
{
    const deploy_order o = {.command = "model", .model = model, .who = a->who, .why = a->why, .timeout_ns = a->timeout_ns,
                            .dry_run = a->dry_run, .json = a->json, .tell_golden = true};
    return deploy_model(c, &o);
}

/* ---- the command ------------------------------------------------------------------------------------------------------------- */

static sinter_status check_words(const option_words *w, sinter_error *e)
{
    static const char *const VERBS[] = {"list", "deploy"};
    static const char FIX[] = "sinter model list [NAME], or sinter model deploy NAME/VERSION";
    const char *verb = w->n ? w->word[0] : NULL;
    if (!verb) return error_set(e, SINTER_INVALID, NULL, FIX, "list or deploy?");
    if (strcmp(verb, "list") != 0 && strcmp(verb, "deploy") != 0) {
        const char *near = near_name(verb, VERBS, ARRAY_LEN(VERBS));
        return error_set(e, SINTER_INVALID, verb, near ? near : FIX, "neither list nor deploy");
    }
    bool deploys = strcmp(verb, "deploy") == 0;
    if (w->n > 2 || (deploys && w->n != 2)) return error_set(e, SINTER_INVALID, verb, FIX, deploys ? "one model" : "one name at most");
    return SINTER_OK;
}

int command_model(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    model_arguments a = {.timeout_ns = DEPLOY_WITHIN_NS};
    option_words w = {0};
    bool asked = false;
    client *c = NULL;
    int code = EXIT_OK;
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &w, &asked, &e);
    if (s == SINTER_OK && !asked) s = check_words(&w, &e);
    if (s != SINTER_OK)
        code = options_fail("model", &e);
    else if (asked)
        help(stdout);
    else if (client_open(a.server, &c, &e) != SINTER_OK)
        code = client_fail("model", NULL, &e);
    else
        code = strcmp(w.word[0], "list") == 0 ? list(c, &a, w.n > 1 ? w.word[1] : "") : deploy(c, &a, w.word[1]);
    if (c) client_close(c);
    option_words_free(&w);
    return code;
}
