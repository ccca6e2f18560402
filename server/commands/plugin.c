/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter plugin list | check | new | swap`: what is there, whether one keeps the contract, the start of another, and another build in a
 * running server. A check runs in a child process, so
 * that a plugin that crashes or hangs is a verdict and not the end of the command. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "commands/commands.h"
#include "config/config.h"
#include "plugin/plugin.h"
#include "plugin_check.h"
#include "plugin_new.h"
#include "plugin_swap.h"

int command_plugin(int argc, char **argv); /* named in table.c */
extern char **environ;

enum { CHECK_MOST_MS = 60000 };

static void help(FILE *out)
{
    fputs("usage: sinter plugin list [-c CONFIG | DIR…] [--json]\n"
          "       sinter plugin check FILE.so [--options FILE.yaml] [--model DIR] [--json]\n"
          "       sinter plugin new --role ROLE NAME [DIR]\n"
          "       sinter plugin swap NAME [FILE.so] [OPTIONS]\n\n"
          "  list    the plugins in a configuration's plugin_dirs, or in folders: roles, versions, options\n"
          "  check   load one in a child process and try it: exports, options, repeatability, block independence,\n"
          "          explanations, finite scores, memory given back, time a row\n"
          "  new     write a folder with one that works as it stands: source, tests, build files; sinter plugin new --help\n"
          "  swap    have a running server take another build; sinter plugin swap --help\n\n"
          "  -c, --config CONFIG     sinter.yaml (default: config/sinter.yaml, else the installed one)\n"
          "  --options FILE.yaml     a map of the plugin's options, as under its use in a pipeline\n"
          "  --model DIR             the folder of a trained model, for plugins that rank by one\n"
          "  --json                  results as JSON\n\n"
          "exit codes: 0 all is well, 1 a plugin fails, 2 usage, 5 no such file\n",
          out);
}

static int usage(const char *what, const char *value)
{
    fprintf(stderr, "sinter plugin: %s%s%s%s\nsinter plugin --help lists the options\n", what, value ? " '" : "",
            value ? value : "", value ? "'" : "");
    return EXIT_USAGE;
}

static int failed(const sinter_error *e, int code)
{
    char line[2048];
    fprintf(stderr, "sinter plugin: %s\n", error_line(e, line, sizeof line));
    return code;
}

/* ---- list
 * -------------------------------------------------------------------------------------------------------------- */

static const char *const TYPE_NAMES[] = {"?",        "string", "number", "integer", "boolean",
                                         "duration", "file",   "list",   "map",     "filter"};

static void text_options(const sinter_option *o, uint32_t n, int depth)
{
    for (uint32_t i = 0; i < n; i++) {
        printf("%*s%-*s %-9s %s%s%s\n", 4 + 2 * depth, "", 18 - 2 * depth, o[i].key, TYPE_NAMES[o[i].type], o[i].doc,
               o[i].required ? " (required)" : "", "");
        if (depth < 4) text_options(o[i].nested, o[i].n_nested, depth + 1);
    }
}

static void text_library(const plugin_library *l)
{
    printf("%s %s  %s\n  %s\n  roles:", l->name, l->version, l->file, l->summary);
    for (int r = 0; r < PLUGIN_ROLES; r++) {
        if (plugin_has_role(l, (plugin_role)r)) printf(" %s", PLUGIN_ROLE_NAMES[r]);
    }
    printf("\n  sha256: %s\n", l->sha256);
    if (l->table->n_options) puts("  options:");
    text_options(l->table->options, l->table->n_options, 0);
}

static void json_string(buffer *b, const char *key, const char *value)
{
    buffer_printf(b, "\"%s\":", key);
    buffer_json_string(b, value, strlen(value));
}

static void json_options(buffer *b, const sinter_option *o, uint32_t n, int depth)
{
    buffer_puts(b, "[");
    for (uint32_t i = 0; i < n; i++) {
        buffer_puts(b, i ? ",{" : "{");
        json_string(b, "key", o[i].key);
        buffer_puts(b, ",");
        json_string(b, "type", TYPE_NAMES[o[i].type]);
        buffer_puts(b, ",");
        json_string(b, "doc", o[i].doc);
        if (o[i].default_text) {
            buffer_puts(b, ",");
            json_string(b, "default", o[i].default_text);
        }
        buffer_printf(b, ",\"required\":%s", o[i].required ? "true" : "false");
        if (o[i].n_nested && depth < 8) {
            buffer_puts(b, ",\"nested\":");
            json_options(b, o[i].nested, o[i].n_nested, depth + 1);
        }
        buffer_puts(b, "}");
    }
    buffer_puts(b, "]");
}

static void json_library(buffer *b, const plugin_library *l)
{
    bool first = true;
    buffer_puts(b, b->len ? ",{" : "{");
    json_string(b, "name", l->name);
    buffer_puts(b, ",");
    json_string(b, "version", l->version);
    buffer_puts(b, ",");
    json_string(b, "build", l->build);
    buffer_puts(b, ",");
    json_string(b, "summary", l->summary);
    buffer_puts(b, ",");
    json_string(b, "file", l->file);
    buffer_puts(b, ",");
    json_string(b, "sha256", l->sha256);
    buffer_puts(b, ",\"roles\":[");
    for (int r = 0; r < PLUGIN_ROLES; r++) {
        if (!plugin_has_role(l, (plugin_role)r)) continue;
        buffer_printf(b, "%s\"%s\"", first ? "" : ",", PLUGIN_ROLE_NAMES[r]);
        first = false;
    }
    buffer_puts(b, "],\"options\":");
    json_options(b, l->table->options, l->table->n_options, 0);
    buffer_puts(b, "}");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One folder's plugins in order of name; a file that is refused is reported and the rest go on. */
static int list_folder(plugin_host *h, const char *dir, bool json, buffer *out)
{
    DIR *d = opendir(dir);
    if (!d) {
        fprintf(stderr, "sinter plugin: %s: %s\n", dir, strerror(errno));
        return EXIT_ABSENT;
    }
    char *name[1024];
    size_t n = 0;
    for (struct dirent *entry; n < ARRAY_LEN(name) && (entry = readdir(d));) {
        size_t length = strlen(entry->d_name);
        if (length > 3 && strcmp(entry->d_name + length - 3, ".so") == 0)
            name[n++] = xasprintf("%s/%s", dir, entry->d_name);
    }
    closedir(d);
    qsort(name, n, sizeof *name, by_name);
    int code = EXIT_OK;
    for (size_t i = 0; i < n; i++) {
        const plugin_library *l;
        sinter_error e = SINTER_ERROR_INIT;
        if (plugin_load_file(h, name[i], NULL, &l, &e) != SINTER_OK) {
            code = failed(&e, EXIT_FAILED);
        } else {
            if (json)
                json_library(out, l);
            else
                text_library(l);
            plugin_library_release(h, l);
        }
        free(name[i]);
    }
    return code;
}

static sinter_status scratch_host(char dir[64], plugin_host **h, sinter_error *e)
{
    snprintf(dir, 64, "/tmp/sinter-plugin-XXXXXX");
    if (!mkdtemp(dir)) return error_set(e, SINTER_IO, dir, NULL, "cannot make a folder: %s", strerror(errno));
    return plugin_host_new(dir, 1, h, e);
}

static int list(const char *config_path, char **dir, size_t n, bool json)
{
    sinter_error e = SINTER_ERROR_INIT;
    config *c = NULL;
    plugin_host *h;
    buffer out = {0};
    char private_dir[64];
    if (n == 0) {
        if (config_load(config_path, &c, &e) != SINTER_OK)
            return failed(&e, e.status == SINTER_NOT_FOUND ? EXIT_ABSENT : EXIT_USAGE);
        n = c->server.n_plugin_dirs;
    }
    if (scratch_host(private_dir, &h, &e) != SINTER_OK) {
        config_free(c);
        return failed(&e, EXIT_FAILED);
    }
    int code = EXIT_OK;
    for (size_t i = 0; i < n; i++) {
        int one = list_folder(h, c ? c->server.plugin_dirs[i] : dir[i], json, &out);
        if (one != EXIT_OK) code = one;
    }
    if (json) printf("{\"plugins\":[%s]}\n", out.data ? out.data : "");
    buffer_free(&out);
    plugin_host_free(h);
    config_free(c);
    return code;
}

/* ---- check: the parent's side
 * --------------------------------------------------------------------------------------------- */

typedef struct verdict {
    buffer json;
    char step[64]; /* what the child was about to try */
    bool as_json, fails;
} verdict;

static void report(verdict *v, const char *kind, const char *name, const char *text)
{
    if (strcmp(kind, "begin") == 0) {
        snprintf(v->step, sizeof v->step, "%s", name);
        return;
    }
    v->fails |= strcmp(kind, "fail") == 0;
    if (!v->as_json) {
        printf("%-5s %-14s %s\n", kind, name, text);
        return;
    }
    buffer_puts(&v->json, v->json.len ? ",{" : "{");
    json_string(&v->json, "result", kind);
    buffer_puts(&v->json, ",");
    json_string(&v->json, "check", name);
    buffer_puts(&v->json, ",");
    json_string(&v->json, "text", text);
    buffer_puts(&v->json, "}");
}

static void take_line(verdict *v, char *line)
{
    char *name = strchr(line, '\t'), *text = name ? strchr(name + 1, '\t') : NULL;
    if (!text) return; /* the plugin's own output */
    *name++ = *text++ = '\0';
    report(v, line, name, text);
}

/* Reads the child's lines until it ends or the time is over. */
static bool read_findings(verdict *v, int fd)
{
    buffer b = {0};
    uint64_t stop = clock_mono_ns() + CHECK_MOST_MS * 1000000ull;
    bool ended = false;
    while (!ended) {
        uint64_t now = clock_mono_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (now >= stop || poll(&p, 1, (int)((stop - now) / 1000000) + 1) == 0) break;
        char chunk[4096];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        ended = n <= 0;
        if (!ended) buffer_append(&b, chunk, (size_t)n);
        for (char *end; b.len && (end = memchr(b.data, '\n', b.len));) {
            *end = '\0';
            take_line(v, b.data);
            size_t used = (size_t)(end + 1 - b.data);
            memmove(b.data, end + 1, b.len - used);
            b.len -= used;
        }
    }
    buffer_free(&b);
    return ended;
}

static void judge_end(verdict *v, int status, bool ended)
{
    char text[200];
    if (!ended) {
        snprintf(text, sizeof text, "it hangs: no answer to '%s' within %d s", v->step, CHECK_MOST_MS / 1000);
        report(v, "fail", "time", text);
    } else if (WIFSIGNALED(status)) {
        snprintf(text, sizeof text, "it crashed: %s during '%s'", strsignal(WTERMSIG(status)), v->step);
        report(v, "fail", "crash", text);
    } else if (WEXITSTATUS(status) != EXIT_OK && !v->fails) {
        snprintf(text, sizeof text, "it ended the process with code %d during '%s'", WEXITSTATUS(status), v->step);
        report(v, "fail", "crash", text);
    }
}

static int check(const char *file, const char *options, const char *model, bool json)
{
    int ends[2];
    pid_t child;
    verdict v = {.as_json = json, .step = "start"};
    char *argv[] = {(char *)"sinter", (char *)"plugin", (char *)"check-inside", (char *)file,
                    (char *)(options ? options : ""), (char *)(model ? model : ""), NULL};
    if (access(file, R_OK) != 0) {
        fprintf(stderr, "sinter plugin: %s: %s\n", file, strerror(errno));
        return EXIT_ABSENT;
    }
    if (pipe2(ends, O_CLOEXEC) != 0) return EXIT_FAILED;
    fflush(stdout);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    int why = posix_spawn(&child, "/proc/self/exe", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (why) {
        close(ends[0]);
        fprintf(stderr, "sinter plugin: cannot start the child process: %s\n", strerror(why));
        return EXIT_FAILED;
    }
    int status = 0;
    bool ended = read_findings(&v, ends[0]);
    if (!ended) kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    close(ends[0]);
    judge_end(&v, status, ended);
    buffer out = {0};
    json_string(&out, "file", file);
    if (json)
        printf("{%s,\"ok\":%s,\"checks\":[%s]}\n", out.data, v.fails ? "false" : "true",
               v.json.data ? v.json.data : "");
    else
        printf("%s %s\n", file, v.fails ? "FAILS" : "is fine");
    buffer_free(&out);
    buffer_free(&v.json);
    return v.fails ? EXIT_FAILED : EXIT_OK;
}

/* ---- arguments
 * -------------------------------------------------------------------------------------------------------------- */

int command_plugin(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "", *config_path = config_default_path(), *options = NULL, *model = NULL;
    char *name[64];
    size_t n = 0;
    bool json = false;
    if (strcmp(verb, "new") == 0) return plugin_new(argc - 1, argv + 1);
    if (strcmp(verb, "swap") == 0) return plugin_swap(argc - 1, argv + 1);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help(stdout);
            return EXIT_OK;
        }
    }
    if (strcmp(verb, "check-inside") == 0 && argc == 5)
        return plugin_check_inside(argv[2], argv[3][0] ? argv[3] : NULL, argv[4][0] ? argv[4] : NULL);
    for (int i = 2; i < argc; i++) {
        bool of_config = strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0;
        const char **valued = of_config ? &config_path : strcmp(argv[i], "--options") == 0 ? &options
                              : strcmp(argv[i], "--model") == 0                            ? &model
                                                                                           : NULL;
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (valued) {
            if (i + 1 == argc) return usage("a value must follow", argv[i]);
            *valued = argv[++i];
        } else if (argv[i][0] == '-') {
            return usage("unknown option", argv[i]);
        } else if (n < ARRAY_LEN(name)) {
            name[n++] = argv[i];
        }
    }
    if (strcmp(verb, "list") == 0) return list(config_path, name, n, json);
    if (strcmp(verb, "check") == 0) return n == 1 ? check(name[0], options, model, json) : usage("check takes one file", NULL);
    if (argc < 2) {
        help(stderr);
        return EXIT_USAGE;
    }
    return usage("unknown command", verb);
}
