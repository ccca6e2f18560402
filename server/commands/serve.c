/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sinter serve: the server, until SIGINT or SIGTERM. */
#include "commands/commands.h"

#include "base/base.h"
#include "config/config.h"
#include "http/http.h"
#include "rpc/rpc.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int command_serve(int argc, char **argv);

static const char HELP[] =
    "usage: sinter serve [-c CONFIG] [--port-file FILE] [--http-port-file FILE] [--rebuild-index]\n"
    "       sinter serve [-c CONFIG] --check\n\n"
    "Serves gRPC at the configuration's `listen`, and HTTP at its `http: {listen: …}`, until SIGINT or SIGTERM, then\n"
    "answers what it has taken and ends. SIGHUP reads the configuration again; one with an error changes nothing.\n\n"
    "  -c, --config CONFIG       sinter.yaml; collections/ and pipelines/ lie beside it (default: config/sinter.yaml, else\n"
    "                            the installed one)\n"
    "      --port-file FILE      gets HOST:PORT once listening, for `listen: 127.0.0.1:0`\n"
    "      --http-port-file FILE the same of `http: {listen: …}`; an empty line where there is none\n"
    "      --rebuild-index       deletes the text indexes; they are rebuilt from the journal while the server runs\n"
    "      --check               reads the configuration, says what is wrong with it, and ends\n"
    "  -h, --help                this text\n\n"
    "Matrix libraries run on one thread a lane: the command sets OPENBLAS_NUM_THREADS=1 and starts itself anew, with\n"
    "the same process id, where the variable says otherwise.\n\n"
    "exit codes: 0 drained, or the configuration is fine; 1 could not serve; 2 wrong arguments or configuration\n";

typedef struct serve_arguments {
    const char *config;
    rpc_options rpc;
    bool check;
} serve_arguments;

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, serve_arguments *out)
{
    static const struct option OPTIONS[] = {
        {"http-port-file", required_argument, NULL, 't'},
        {"config", required_argument, NULL, 'c'},  {"port-file", required_argument, NULL, 'p'},
        {"rebuild-index", no_argument, NULL, 'r'}, {"check", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "c:h", OPTIONS, NULL)) != -1;) {
        switch (o) {
        case 'c': out->config = optarg; break;
        case 'p': out->rpc.port_file = optarg; break;
        case 't': out->rpc.http_port_file = optarg; break;
        case 'r': out->rpc.rebuild_index = true; break;
        case 'k': out->check = true; break;
        case 'h': fputs(HELP, stdout); return EXIT_OK;
        default: fputs("sinter serve --help tells the arguments\n", stderr); return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "sinter serve: '%s' is one argument too many; sinter serve --help\n", argv[optind]);
        return EXIT_USAGE;
    }
    if (!out->config) out->config = config_default_path();
    return -1;
}

/* OpenBLAS reads its thread count when it is loaded, before main: only a fresh start of the program can set it. */
static void one_blas_thread(int argc, char **argv)
{
    const char *now = getenv("OPENBLAS_NUM_THREADS");
    if (now && strcmp(now, "1") == 0) return;
    char **again = xcalloc((size_t)argc + 2, sizeof *again);
    again[0] = xstrdup("sinter");
    for (int i = 0; i < argc; i++)
        again[i + 1] = argv[i];
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    execv("/proc/self/exe", again);
    /* Without /proc: a lane's matrix product may then use threads of its own, which is slower and no less right. */
    free(again[0]);
    free(again);
}

static int tell(const sinter_error *e)
{
    char line[1500];
    fprintf(stderr, "sinter serve: %s\n", error_line(e, line, sizeof line));
    return e->status == SINTER_INVALID || e->status == SINTER_NOT_FOUND || e->status == SINTER_UNIMPLEMENTED
               ? EXIT_USAGE
               : EXIT_FAILED;
}

int command_serve(int argc, char **argv)
{
    serve_arguments a = {.rpc.front = &HTTP_FRONT};
    int code = parse(argc, argv, &a);
    if (code >= 0) return code;
    if (!a.check) one_blas_thread(argc, argv);
    sinter_error e = SINTER_ERROR_INIT;
    config *c;
    if (config_load(a.config, &c, &e) != SINTER_OK) return tell(&e);
    if (a.check) {
        printf("%s: fine: %u collections, %u pipelines\n", c->path, c->n_collections, c->n_pipelines);
        config_free(c);
        return EXIT_OK;
    }
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n > 0) {
        exe[n] = '\0';
        a.rpc.exe = exe;
    }
    return rpc_serve(c, &a.rpc, &e) == SINTER_OK ? EXIT_OK : tell(&e);
}
