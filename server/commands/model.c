/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter model list | diff | deploy | rollback`: the models of a running server. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sinter/v1/admin.pb-c.h>

#include "base/base.h"
#include "change_text.h"
#include "client.h"
#include "commands/commands.h"
#include "deploy_model.h"
#include "json/json.h"
#include "model_diff.h"
#include "options.h"

int command_model(int argc, char **argv); /* named in table.c */

typedef struct model_arguments {
    const char *server, *why, *who;
    uint64_t timeout_ns;
    bool dry_run, force, json;
} model_arguments;

#define AT(member) offsetof(model_arguments, member)
static const option_row rows[] = {
    {"--dry-run", NULL, "deploy, rollback: build, check and rehearse, and change nothing", OPTION_FLAG, AT(dry_run)},
    {"--force", NULL, "deploy, rollback: whatever its agreement with the incumbent's order", OPTION_FLAG, AT(force)},
    {"--why", "TEXT", "deploy, rollback: kept with the deployment", OPTION_TEXT, AT(why)},
    {"--who", "NAME", "deploy, rollback: kept with the deployment (default: $USER)", OPTION_TEXT, AT(who)},
    {"--json", NULL, "print the answer as protobuf JSON", OPTION_FLAG, AT(json)},
    {"--timeout", "DURATION", "give up after this long (default 10m)", OPTION_DURATION, AT(timeout_ns)},
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(server)},
};

static void help(FILE *out)
{
    fputs("usage: sinter model list [NAME] [OPTIONS]\n"
          "       sinter model diff NAME/V1 NAME/V2 [OPTIONS]\n"
          "       sinter model deploy NAME/VERSION [OPTIONS]\n"
          "       sinter model rollback NAME [OPTIONS]\n\n"
          "  list    the models in the server's data directory: what they were trained on, their metrics, who uses them\n"
          "  diff    how two differ: plugin, options, features, training ranges, metrics, files\n"
          "  deploy  makes one what NAME/latest means: the server builds a snapshot with it beside what runs, checks its files and\n"
          "          golden cases, writes a record to the journal and changes over in one step. Where anything is wrong it says so\n"
          "          and goes on as before. An older version may be deployed again.\n"
          "  rollback  deploys the version that was deployed before, in the same steps\n\n",
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
                            .dry_run = a->dry_run, .force = a->force, .json = a->json, .tell_golden = true};
    return deploy_model(c, &o);
}

/* ---- diff and rollback --------------------------------------------------------------------------------------------------------- */

static const Sinter__V1__ModelInfo *find_model(const Sinter__V1__ListModelsResponse *r, const char *model)
{
    char name[200];
    for (size_t i = 0; i < r->n_models; i++) {
        snprintf(name, sizeof name, "%s/%s", r->models[i]->name, r->models[i]->version);
        if (strcmp(name, model) == 0) return r->models[i];
    }
    return NULL;
}

static int diff(client *c, const model_arguments *a, const char *one, const char *two)
{
    sinter_error e = SINTER_ERROR_INIT;
    ProtobufCMessage *answer = NULL;
    Sinter__V1__ListModelsRequest q = SINTER__V1__LIST_MODELS_REQUEST__INIT;
    sinter_status s = client_call(c, "sinter.v1.AdminService/ListModels", &q.base, &sinter__v1__list_models_response__descriptor,
                                  a->timeout_ns, &answer, &e);
    if (s != SINTER_OK) return client_fail("model", c, &e);
    const Sinter__V1__ListModelsResponse *r = (const Sinter__V1__ListModelsResponse *)answer;
    const Sinter__V1__ModelInfo *x = find_model(r, one), *y = find_model(r, two);
    int code = x && y ? EXIT_OK : EXIT_ABSENT;
    if (code != EXIT_OK)
        fprintf(stderr, "sinter model: there is no model %s; `sinter model list` shows them\n", x ? two : one);
    else
        printf("%s -> %s\n", one, two);
    if (code == EXIT_OK && model_diff(x, y) == 0) printf("  no difference\n");
    protobuf_c_message_free_unpacked(answer, NULL);
    return code;
}

static int rollback(client *c, const model_arguments *a, const char *name)
{
    sinter_error e = SINTER_ERROR_INIT;
    ProtobufCMessage *answer = NULL;
    Sinter__V1__RollbackRequest q = SINTER__V1__ROLLBACK_REQUEST__INIT;
    q.model = (char *)(uintptr_t)name;
    q.dry_run = a->dry_run;
    q.force = a->force;
    q.who = who_or_user(a->who);
    q.why = (char *)(uintptr_t)(a->why ? a->why : "");
    sinter_status s = client_call(c, "sinter.v1.AdminService/Rollback", &q.base, &sinter__v1__rollback_response__descriptor,
                                  a->timeout_ns, &answer, &e);
    const Sinter__V1__RollbackResponse *r = (const Sinter__V1__RollbackResponse *)answer;
    int code = s == SINTER_OK ? EXIT_OK : client_fail("model", c, &e);
    if (s == SINTER_OK && a->json) json_print(answer);
    if (s == SINTER_OK && !a->json) {
        printf("%s %s: record %llu, snapshot %s\n", a->dry_run ? "would roll back" : "rolled back", name, (unsigned long long)r->sequence,
               r->snapshot);
        for (size_t i = 0; i < r->n_changes; i++) printf("  %s\n", r->changes[i]);
        print_rehearsal(r->rehearsal);
    }
    if (answer) protobuf_c_message_free_unpacked(answer, NULL);
    return code;
}

/* ---- the command ------------------------------------------------------------------------------------------------------------- */

static const struct verb {
    const char *name;
    size_t least, most; /* words behind it */
    const char *usage;
} VERBS[] = {{"list", 0, 1, "sinter model list [NAME]"},
             {"diff", 2, 2, "sinter model diff NAME/V1 NAME/V2"},
             {"deploy", 1, 1, "sinter model deploy NAME/VERSION"},
             {"rollback", 1, 1, "sinter model rollback NAME"}};

static sinter_status check_words(const option_words *w, sinter_error *e)
{
    static const char *const NAMES[] = {"list", "diff", "deploy", "rollback"};
    static const char FIX[] = "sinter model list [NAME], or sinter model deploy NAME/VERSION";
    const char *verb = w->n ? w->word[0] : NULL;
    if (!verb) return error_set(e, SINTER_INVALID, NULL, FIX, "list, diff, deploy or rollback?");
    for (size_t i = 0; i < ARRAY_LEN(VERBS); i++) {
        if (strcmp(verb, VERBS[i].name) != 0) continue;
        if (w->n - 1 >= VERBS[i].least && w->n - 1 <= VERBS[i].most) return SINTER_OK;
        return error_set(e, SINTER_INVALID, verb, VERBS[i].usage,
                         VERBS[i].most == 2 ? "two models" : VERBS[i].least ? "one model" : "one name at most");
    }
    const char *near = near_name(verb, NAMES, ARRAY_LEN(NAMES));
    return error_set(e, SINTER_INVALID, verb, near ? near : FIX, "not list, diff, deploy or rollback");
}

static int run(client *c, const model_arguments *a, const option_words *w)
{
    const char *first = w->n > 1 ? w->word[1] : "";
    switch (w->word[0][0]) {
    case 'l': return list(c, a, first);
    case 'r': return rollback(c, a, first);
    default: return strcmp(w->word[0], "diff") == 0 ? diff(c, a, first, w->word[2]) : deploy(c, a, first);
    }
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
        code = run(c, &a, &w);
    if (c) client_close(c);
    option_words_free(&w);
    return code;
}
