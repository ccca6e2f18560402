/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter train`: trains one ranker or fusion of a pipeline in this very process, and may deploy what it made.
 *
 * The process is its own: it reads the journals beside a running server with short transactions, and nothing that happens to it
 * touches the server. Ctrl-C asks the trainer to stop early and to keep its best; a second one ends the run. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "client.h"
#include "commands/commands.h"
#include "deploy_model.h"
#include "learn/learn.h"
#include "options.h"
#include "train_show.h"

int command_train(int argc, char **argv); /* named in table.c */

typedef struct train_arguments {
    const char *config, *since, *until, *name, *server, *why, *memory;
    uint64_t seed, threads, nice;
    bool deploy, resume, json, quiet;
} train_arguments;

#define AT(member) offsetof(train_arguments, member)
static const option_row rows[] = {
    {"--config", "FILE", "-c FILE means the same (default: config/sinter.yaml, else the installed one)", OPTION_TEXT, AT(config)},
    {"--since", "SEQ|TIME", "read the journal after this record, or from this time on (default: all; a fusion: what its "
     "rankers were not trained on)", OPTION_TEXT, AT(since)},
    {"--until", "SEQ|TIME", "up to this record, or before this time (default: the newest)", OPTION_TEXT, AT(until)},
    {"--name", "NAME", "of the model (default: as the pipeline's `model:` says)", OPTION_TEXT, AT(name)},
    {"--seed", "N", "of all that is random (default 1): the same seed and data give the same model", OPTION_COUNT, AT(seed)},
    {"--threads", "N", "for matrix products (default: one a core)", OPTION_COUNT, AT(threads)},
    {"--memory", "SIZE", "what the run may use, as 4GiB (default: half of the machine's)", OPTION_TEXT, AT(memory)},
    {"--nice", "N", "gives way to the server and others, 0 to 19 (default 10)", OPTION_COUNT, AT(nice)},
    {"--resume", NULL, "go on with a run of this model that was interrupted; where there is none, start", OPTION_FLAG, AT(resume)},
    {"--deploy", NULL, "have a running server deploy the model", OPTION_FLAG, AT(deploy)},
    {"--why", "TEXT", "kept with the deployment", OPTION_TEXT, AT(why)},
    {"--server", "HOST:PORT", "for --deploy; default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(server)},
    {"--json", NULL, "a line of JSON a step on standard output, the model last", OPTION_FLAG, AT(json)},
    {"--quiet", NULL, "no progress", OPTION_FLAG, AT(quiet)},
};

static void help(FILE *out)
{
    fputs("usage: sinter train PIPELINE.RANKER [OPTIONS]\n"
          "       sinter train PIPELINE.fuse | PIPELINE.STAGE.fuse [OPTIONS]\n\n"
          "Trains a ranker, or a stage's fusion, on what the journal holds, and writes a model to data_dir/models/NAME/VERSION.\n"
          "The server need not run, and goes on where it does. Ctrl-C stops early and keeps the best so far.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 trained (and deployed), 1 failed, 2 usage or configuration, 3 server unreachable, 4 refused, 5 no such "
          "pipeline or ranker\n",
          out);
}

/* ---- Ctrl-C ------------------------------------------------------------------------------------------------------------------ */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    if (interrupted++) _exit(128 + number);
}

typedef struct watcher {
    train_show *show;
    bool caught;
} watcher;

/* Only training can stop early and have something to keep: before it, Ctrl-C ends the process. */
static bool on_progress(void *ctx, const train_progress *p)
{
    watcher *w = ctx;
    if (p->training && !w->caught) {
        struct sigaction action = {.sa_handler = on_interrupt};
        sigemptyset(&action.sa_mask);
        sigaction(SIGINT, &action, NULL);
        w->caught = true;
    }
    train_show_step(w->show, p, interrupted != 0);
    return interrupted != 0;
}

/* ---- deploy ------------------------------------------------------------------------------------------------------------------ */

static int deploy(const train_arguments *a, const char *model)
{
    sinter_error e = SINTER_ERROR_INIT;
    client *c = NULL;
    const deploy_order o = {.command = "train", .model = model, .why = a->why ? a->why : "sinter train",
                            .timeout_ns = DEPLOY_WITHIN_NS, .json = a->json};
    if (client_open(a->server, &c, &e) != SINTER_OK) return client_fail("train", NULL, &e);
    int code = deploy_model(c, &o);
    client_close(c);
    return code;
}

/* ---- the command ------------------------------------------------------------------------------------------------------------- */

static int failed(const sinter_error *e)
{
    char line[1600];
    fprintf(stderr, "sinter train: %s\n", error_line(e, line, sizeof line));
    switch (e->status) {
    case SINTER_INVALID: return EXIT_USAGE;
    case SINTER_NOT_FOUND: return EXIT_ABSENT;
    case SINTER_PRECONDITION:
    case SINTER_EXISTS: return EXIT_REFUSED;
    default: return EXIT_FAILED;
    }
}

static int train(const train_arguments *a, const char *what)
{
    sinter_error e = SINTER_ERROR_INIT;
    config *c;
    uint64_t memory = 0;
    if (a->memory && !parse_size(str_of(a->memory), &memory)) {
        error_set(&e, SINTER_INVALID, "--memory", "write 512MiB or 4GiB", "'%s' is no size", a->memory);
        return failed(&e);
    }
    if (config_load(a->config ? a->config : config_default_path(), &c, &e) != SINTER_OK) {
        failed(&e);
        return EXIT_USAGE;
    }
    if (a->nice && nice((int)a->nice) < 0) log_debug("train.nice", "the priority stays as it is");
    watcher w = {.show = train_show_new(a->json, a->quiet)};
    const train_spec spec = {.config = c, .what = what, .since = a->since, .until = a->until, .seed = a->seed,
                             .memory_limit = memory, .threads = (uint32_t)a->threads, .name = a->name, .resume = a->resume,
                             .progress = on_progress, .progress_ctx = &w};
    train_result r;
    sinter_status s = train_run(&spec, &r, &e);
    train_show_end(w.show);
    int code = EXIT_OK;
    if (s != SINTER_OK) {
        code = failed(&e);
    } else {
        char *model = xasprintf("%s/%llu", r.model.name, (unsigned long long)r.model.version);
        train_show_model(&r, model, a->json, a->deploy);
        if (a->deploy) code = deploy(a, model);
        free(model);
    }
    train_result_free(&r);
    config_free(c);
    return code;
}

int command_train(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    train_arguments a = {.nice = 10};
    option_words w = {0};
    bool asked = false;
    options_short_config(argc, argv);
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &w, &asked, &e);
    if (s == SINTER_OK && !asked && w.n != 1)
        s = error_set(&e, SINTER_INVALID, w.n ? w.word[1] : NULL, "sinter train PIPELINE.RANKER, or PIPELINE.fuse",
                      w.n ? "one at a time" : "what is to be trained?");
    if (s == SINTER_OK && !asked && (a.threads > 1024 || a.nice > 19))
        s = error_set(&e, SINTER_INVALID, a.nice > 19 ? "--nice" : "--threads", "at most 1024 threads, and nice 19", "too large");
    int code = EXIT_OK;
    if (s != SINTER_OK)
        code = options_fail("train", &e);
    else if (asked)
        help(stdout);
    else
        code = train(&a, w.word[0]);
    option_words_free(&w);
    return code;
}
