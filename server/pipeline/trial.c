/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A build that this server has not run yet is tried in a child process first, by `sinter plugin check`: what crashes or hangs there
 * is never loaded here. All else that it finds is for the rehearsal to judge, on the pipelines' own requests. Control thread. */
#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- a use's options as a file ------------------------------------------------------------------------------------------------- */

/* Numbers and words as they stand; what names a file beside the YAML gets its whole path. */
static void put_scalar(buffer *b, const conf_node *n, arena *a)
{
    bool may_be_path = strpbrk(n->text, "/.") && !strpbrk(n->text, " \n");
    const char *path = may_be_path ? conf_path(n, a) : NULL;
    if (path && access(path, R_OK) == 0)
        buffer_json_string(b, path, strlen(path));
    else if (n->quoted || strpbrk(n->text, " \n\t:#,[]{}\"'&*!|>%@`"))
        buffer_json_string(b, n->text, strlen(n->text));
    else
        buffer_puts(b, n->text);
}

static bool is_own(const char *key)
{
    for (uint32_t i = 0; i < CONFIG_USE_KEYS_N; i++)
        if (strcmp(CONFIG_USE_KEYS[i], key) == 0) return true;
    return strcmp(key, "source") == 0 || strcmp(key, "limit") == 0;
}

/* Depth is bounded by the parser. */
static void put_node(buffer *b, const conf_node *n, bool top, arena *a)
{
    const char *comma = "";
    if (n->kind == CONF_SCALAR) {
        put_scalar(b, n, a);
        return;
    }
    buffer_puts(b, n->kind == CONF_MAP ? "{" : "[");
    for (uint32_t i = 0; i < n->n; i++) {
        if (top && n->kind == CONF_MAP && is_own(n->key[i]->text)) continue;
        buffer_puts(b, comma);
        comma = ", ";
        if (n->kind == CONF_MAP) {
            buffer_json_string(b, n->key[i]->text, strlen(n->key[i]->text));
            buffer_puts(b, ": ");
        }
        put_node(b, n->value[i], false, a);
    }
    buffer_puts(b, n->kind == CONF_MAP ? "}" : "]");
}

static sinter_status write_options(const config_use *use, const char *path, arena *a, sinter_error *e)
{
    buffer b = {0};
    if (use->options)
        put_node(&b, use->options, true, a);
    else
        buffer_puts(&b, "{}");
    buffer_puts(&b, "\n");
    sinter_status st = file_write_atomic(path, b.data, b.len, e);
    buffer_free(&b);
    return st;
}

/* ---- the child ----------------------------------------------------------------------------------------------------------------- */

static sinter_status run_check(const char *exe, char *const *argv, buffer *out, sinter_error *e)
{
    int ends[2], status;
    pid_t child;
    char chunk[4096];
    ssize_t n;
    if (pipe2(ends, O_CLOEXEC) != 0) return error_set(e, SINTER_IO, exe, NULL, "pipe: %s", strerror(errno));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int bad = posix_spawn(&child, exe, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    while (!bad && ((n = read(ends[0], chunk, sizeof chunk)) > 0 || (n < 0 && errno == EINTR)))
        if (n > 0) buffer_append(out, chunk, (size_t)n);
    close(ends[0]);
    if (bad) return error_set(e, SINTER_IO, exe, NULL, "cannot start a child process: %s", strerror(bad));
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return SINTER_OK;
}

/* What the check says of a crash or a hang, as `sinter plugin check --json` writes it. */
static const char *fatal(const char *report, arena *a)
{
    static const char *const marks[] = {"\"result\":\"fail\",\"check\":\"crash\",\"text\":\"", "\"result\":\"fail\",\"check\":\"time\",\"text\":\""};
    for (size_t i = 0; report && i < ARRAY_LEN(marks); i++) {
        const char *at = strstr(report, marks[i]);
        if (!at) continue;
        at += strlen(marks[i]);
        return arena_strndup(a, at, strcspn(at, "\""));
    }
    return NULL;
}

sinter_status trial_run(const char *exe, const char *file, const config_use *use, const char *model_dir, const char *scratch, arena *a,
                        sinter_error *e)
{
    buffer report = {0};
    const char *options = arena_printf(a, "%s/trial.yaml", scratch);
    sinter_status st = dir_make(scratch, e);
    if (st == SINTER_OK) st = write_options(use, options, a, e);
    if (st) return st;
    const char *argv[] = {exe, "plugin", "check", file, "--json", "--options", options, model_dir ? "--model" : NULL, model_dir, NULL};
    st = run_check(exe, (char *const *)(uintptr_t)argv, &report, e);
    unlink(options);
    const char *why = st == SINTER_OK ? fatal(report.data, a) : NULL;
    buffer_free(&report);
    if (!why) return st;
    conf_error(e, use->at, "mend it; `sinter plugin check` tells more", "%s, tried in a process of its own: %s", file, why);
    if (e) e->status = SINTER_PRECONDITION;
    return SINTER_PRECONDITION;
}
