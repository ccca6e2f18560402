/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter NAME …`: finds the subcommand in the table and runs it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "commands/commands.h"

static const struct command *find(const char *name) {
    for (size_t i = 0; i < COMMANDS_N; i++) {
        if (strcmp(COMMANDS[i].name, name) == 0) return &COMMANDS[i];
    }
    return NULL;
}

static void help(FILE *out) {
    fprintf(out,
            "sinter %s: search and recommend\n\n"
            "usage: sinter COMMAND [ARGUMENTS]\n"
            "       sinter COMMAND --help\n"
            "       sinter --help | --version\n\ncommands:\n",
            SINTER_VERSION);
    for (size_t i = 0; i < COMMANDS_N; i++)
        fprintf(out, "  %-12s %s\n", COMMANDS[i].name, COMMANDS[i].summary);
    fputs("\nexit codes: 0 ok, 1 failed, 2 usage, 3 server unreachable, 4 refused by the server, 5 not found\n", out);
}

static int unknown(const char *name) {
    const char **names = xcalloc(COMMANDS_N, sizeof *names);
    for (size_t i = 0; i < COMMANDS_N; i++)
        names[i] = COMMANDS[i].name;
    const char *near = near_name(name, names, COMMANDS_N);
    fprintf(stderr, "sinter: unknown command '%s'", name);
    if (near) fprintf(stderr, "; did you mean '%s'?", near);
    fputs("\nsinter --help lists the commands\n", stderr);
    free(names);
    return EXIT_USAGE;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        help(stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        help(stdout);
        return EXIT_OK;
    }
    if (strcmp(name, "--version") == 0) name = "version";
    const struct command *c = find(name);
    return c ? c->run(argc - 1, argv + 1) : unknown(name);
}
