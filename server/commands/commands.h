/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The subcommands of `sinter`: one file a command, one line each in table.c. */
#ifndef SINTER_COMMANDS_H
#define SINTER_COMMANDS_H

#include <stddef.h>

/* What every subcommand returns to the shell. */
enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,      /* tried and failed; the reason is on standard error */
    EXIT_USAGE = 2,       /* wrong arguments or configuration; nothing was tried */
    EXIT_UNREACHABLE = 3, /* no server answers at the address */
    EXIT_REFUSED = 4,     /* the server refused: not allowed, not valid, or too busy */
    EXIT_ABSENT = 5       /* what was named does not exist */
};

struct command {
    const char *name;
    const char *summary; /* one line for --help: lower-case verb, no full stop */
    /* argv[0] is the command's name; the answer is an exit_code. [main thread] */
    int (*run)(int argc, char **argv);
};

extern const struct command COMMANDS[];
extern const size_t COMMANDS_N;

#endif
