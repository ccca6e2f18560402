/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Command-line options as a table: parsing and --help come from the same rows.
 *
 *   static const option_row rows[] = {
 *       {"--filter", "EXPR", OPTION_TEXT, offsetof(arguments, filter), "only items that it lets through"}, …
 *   };
 *
 * `--name value` and `--name=value` mean the same; "--" ends the options. A word that starts with one dash is no option
 * (searches exclude words that way), except -h. Pointers into argv are kept, nothing is copied. */
#ifndef SINTER_COMMANDS_OPTIONS_H
#define SINTER_COMMANDS_OPTIONS_H

#include "base/base.h"
#include <stdio.h>

typedef enum {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char * */
    OPTION_CHOICE,   /* const char *: NULL absent, "" given alone, else what follows '=' */
    OPTION_COUNT,    /* uint64_t */
    OPTION_DURATION, /* uint64_t, nanoseconds */
    OPTION_LIST      /* option_list: comma-separated, may be given again */
} option_kind;

typedef struct option_row {
    const char *name, *value, *summary; /* `value`: how help calls it, NULL where there is none */
    option_kind kind;
    size_t offset; /* into the command's own struct */
} option_row;

typedef struct option_list {
    char **item;
    size_t n;
} option_list;

/* What is no option, in order. */
typedef struct option_words {
    const char **word;
    size_t n;
} option_words;

/* INVALID with the option's name in `where`. -h and --help set *help and nothing is checked after them. */
sinter_status options_read(const option_row *rows, size_t n, int argc, char **argv, void *into, option_words *words,
                           bool *help, sinter_error *e);
/* -c is everybody's short form of --config: writes the long one into argv. */
void options_short_config(int argc, char **argv);
/* One line a row. */
void options_help(FILE *out, const option_row *rows, size_t n);
void option_list_free(option_list *l);
void option_words_free(option_words *w);
/* Prints "sinter COMMAND: error" to standard error; returns EXIT_USAGE. */
int options_fail(const char *command, const sinter_error *e);

#endif
