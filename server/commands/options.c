/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reader behind options.h. */
#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "commands/commands.h"

static const option_row *find(const option_row *rows, size_t n, const char *name, size_t length)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(rows[i].name) == length && strncmp(rows[i].name, name, length) == 0) return &rows[i];
    }
    return NULL;
}

static sinter_status unknown(const option_row *rows, size_t n, const char *name, size_t length, sinter_error *e)
{
    const char **names = xcalloc(n + 1, sizeof *names);
    char *given = xstrndup(name, length);
    for (size_t i = 0; i < n; i++)
        names[i] = rows[i].name;
    names[n] = "--help";
    const char *near = near_name(given, names, n + 1);
    error_set(e, SINTER_INVALID, given, "--help lists the options", "unknown option");
    if (near) error_fix(e, "did you mean %s?", near);
    free(given);
    free(names);
    return SINTER_INVALID;
}

static void add_items(option_list *l, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, ",");
        if (n > 0) {
            l->item = xrealloc(l->item, (l->n + 1) * sizeof *l->item);
            l->item[l->n++] = xstrndup(text, n);
        }
        text += n + (text[n] == ',');
    }
}

static sinter_status store(const option_row *row, const char *value, void *into, sinter_error *e)
{
    void *at = (char *)into + row->offset;
    switch (row->kind) {
    case OPTION_FLAG: *(bool *)at = true; return SINTER_OK;
    case OPTION_CHOICE:
    case OPTION_TEXT: *(const char **)at = value; return SINTER_OK;
    case OPTION_LIST: add_items(at, value); return SINTER_OK;
    case OPTION_COUNT:
        if (parse_uint64(str_of(value), at)) return SINTER_OK;
        return error_set(e, SINTER_INVALID, row->name, "give a whole number from 0", "'%s' is not a number", value);
    case OPTION_DURATION:
        if (parse_duration_ns(str_of(value), at)) return SINTER_OK;
        return error_set(e, SINTER_INVALID, row->name, "write it as 500ms, 2s or 1m", "'%s' is not a duration", value);
    }
    return SINTER_OK;
}

/* Takes argv[*i], and the value after it where the row wants one. */
static sinter_status take(const option_row *rows, size_t n, int argc, char **argv, int *i, void *into, sinter_error *e)
{
    const char *name = argv[*i], *equals = strchr(name, '='), *value = equals ? equals + 1 : "";
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const option_row *row = find(rows, n, name, length);
    if (!row) return unknown(rows, n, name, length, e);
    if (row->kind == OPTION_FLAG && equals)
        return error_set(e, SINTER_INVALID, row->name, "leave out what follows the '='", "the option takes no value");
    if (row->kind != OPTION_FLAG && row->kind != OPTION_CHOICE && !equals) {
        if (++*i >= argc)
            return error_set(e, SINTER_INVALID, row->name, "write the value after it", "the option needs a value");
        value = argv[*i];
    }
    return store(row, value, into, e);
}

sinter_status options_read(const option_row *rows, size_t n, int argc, char **argv, void *into, option_words *words,
                           bool *help, sinter_error *e)
{
    bool open = true;
    *help = false;
    words->word = xcalloc((size_t)argc + 1, sizeof *words->word);
    words->n = 0;
    for (int i = 1; i < argc; i++) {
        if (open && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            *help = true;
            return SINTER_OK;
        }
        if (open && strcmp(argv[i], "--") == 0) {
            open = false;
        } else if (open && strncmp(argv[i], "--", 2) == 0) {
            sinter_status s = take(rows, n, argc, argv, &i, into, e);
            if (s != SINTER_OK) return s;
        } else {
            words->word[words->n++] = argv[i];
        }
    }
    return SINTER_OK;
}

void options_short_config(int argc, char **argv)
{
    static char text[] = "--config";
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "-c") == 0) argv[i] = text;
}

void options_help(FILE *out, const option_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const option_row *r = &rows[i];
        bool choice = r->kind == OPTION_CHOICE;
        char left[64];
        snprintf(left, sizeof left, "%s%s%s%s", r->name, choice ? "[=" : r->value ? " " : "", r->value ? r->value : "",
                 choice ? "]" : "");
        fprintf(out, "  %-22s %s\n", left, r->summary);
    }
    fprintf(out, "  %-22s %s\n", "--help", "this text");
}

void option_list_free(option_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->item[i]);
    free(l->item);
    *l = (option_list){0};
}

void option_words_free(option_words *w)
{
    free(w->word);
    *w = (option_words){0};
}

int options_fail(const char *command, const sinter_error *e)
{
    char line[1600];
    fprintf(stderr, "sinter %s: %s\n", command, error_line(e, line, sizeof line));
    return EXIT_USAGE;
}
