/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files stand in package/plugin, are built into the program (cmake/templates.cmake), and are written with @name@ and the like
 * filled in: first into a folder beside the wanted one, which then gets its name, so that there is a whole one or none. */
#include "plugin_new.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "commands/commands.h"
#include "options.h"

#define ROLES(X)                                                                                                           \
    X(ranker, "Scores candidates.", "")                                                                                    \
    X(fusion, "Makes one score of those of a stage's rankers, and says what each gave.", "")                               \
    X(recall, "Brings candidates, whatever the words find.", "")                                                           \
    X(rewriter, "Edits the query before items are recalled.", "")                                                          \
    X(finisher, "Edits the final list.", "")                                                                               \
    X(trainer, "A ranker that learns from what people did.",                                                               \
      "\nIt ranks once it was trained and deployed (PIPELINE is the file's name):\n\n"                                     \
      "    sinter train PIPELINE.@name@ --deploy\n")

#define DECLARE(name)                                                                                                      \
    extern const unsigned char name[];                                                                                     \
    extern const size_t name##_size;
#define DECLARE_ROLE(role, what, more)                                                                                     \
    DECLARE(template_##role##_c) DECLARE(template_##role##_test_c) DECLARE(template_##role##_yaml)
ROLES(DECLARE_ROLE)
DECLARE(template_host_h)
DECLARE(template_Makefile)
DECLARE(template_CMakeLists_txt)
DECLARE(template_README_md)

typedef struct template_file {
    const unsigned char *data;
    const size_t *size;
} template_file;

#define FILE_OF(name) {name, &name##_size}
typedef struct role {
    const char *name, *what, *more;
    template_file code, test, pipeline;
} role;

#define ROLE_ROW(role, what, more)                                                                                         \
    {#role, what, more, FILE_OF(template_##role##_c), FILE_OF(template_##role##_test_c), FILE_OF(template_##role##_yaml)},
static const role roles[] = {ROLES(ROLE_ROW)};

typedef struct new_arguments {
    const char *role;
} new_arguments;

static const option_row rows[] = {
    {"--role", "ROLE", "ranker, fusion, recall, rewriter, finisher or trainer", OPTION_TEXT, offsetof(new_arguments, role)},
};

static void help(FILE *out)
{
    fputs("usage: sinter plugin new --role ROLE NAME [DIR]\n\n"
          "Writes a folder (default: ./NAME) with a plugin that works as it stands: its source, tests that load it under a small\n"
          "host, a Makefile and a CMakeLists.txt that build it against the installed headers, a pipeline that uses it, and a README.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 written, 1 could not write, 2 usage\n", out);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* The text with @key@ replaced: a template names no key that is not here (a test generates all). */
static void fill(buffer *out, str text, const role *r, const char *name)
{
    const struct {
        const char *key, *value;
    } keys[] = {{"@more@", r->more}, {"@name@", name}, {"@role@", r->name}, {"@what@", r->what}};
    for (size_t i = 0; i < text.n; i++) {
        size_t k = 0;
        while (k < ARRAY_LEN(keys) && (text.n - i < strlen(keys[k].key) || strncmp(text.s + i, keys[k].key, strlen(keys[k].key)) != 0))
            k++;
        if (k == ARRAY_LEN(keys)) {
            buffer_append(out, text.s + i, 1);
            continue;
        }
        fill(out, str_of(keys[k].value), r, name);
        i += strlen(keys[k].key) - 1;
    }
}

static sinter_status write_file(const char *dir, const char *file, template_file t, const role *r, const char *name, sinter_error *e)
{
    buffer out = {0};
    char *path = xasprintf("%s/%s", dir, file);
    fill(&out, (str){(const char *)t.data, *t.size}, r, name);
    sinter_status s = file_write_atomic(path, out.data, out.len, e);
    if (s == SINTER_OK) chmod(path, 0644);
    buffer_free(&out);
    free(path);
    return s;
}

static sinter_status write_files(const char *dir, const role *r, const char *name, sinter_error *e)
{
    char *code = xasprintf("%s.c", name), *test = xasprintf("test_%s.c", name);
    const struct {
        const char *file;
        template_file from;
    } files[] = {
        {code, r->code},
        {test, r->test},
        {"host.h", FILE_OF(template_host_h)},
        {"Makefile", FILE_OF(template_Makefile)},
        {"CMakeLists.txt", FILE_OF(template_CMakeLists_txt)},
        {"README.md", FILE_OF(template_README_md)},
        {"pipeline.yaml", r->pipeline},
    };
    sinter_status s = SINTER_OK;
    for (size_t i = 0; s == SINTER_OK && i < ARRAY_LEN(files); i++)
        s = write_file(dir, files[i].file, files[i].from, r, name, e);
    free(code);
    free(test);
    return s;
}

static sinter_status write_folder(const char *dir, const role *r, const char *name, sinter_error *e)
{
    char *beside = xasprintf("%s.XXXXXX", dir);
    sinter_status s = SINTER_OK;
    if (!mkdtemp(beside)) {
        s = error_set(e, SINTER_IO, dir, "give a folder whose parent is there and may be written", "cannot make a folder: %s",
                      strerror(errno));
        free(beside);
        return s;
    }
    s = write_files(beside, r, name, e);
    if (s == SINTER_OK && chmod(beside, 0755) == 0 && rename(beside, dir) != 0) /* onto an empty folder, or nothing */
        s = error_set(e, SINTER_EXISTS, dir, "give another folder, or remove it", "cannot take that name: %s", strerror(errno));
    if (s != SINTER_OK) dir_remove(beside, NULL);
    free(beside);
    return s;
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static sinter_status check_name(const char *name, sinter_error *e)
{
    static const char FIX[] = "write lower-case letters, digits and '_', a letter first, at most 64";
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    if (n > 0 && n <= 64 && !name[n] && islower((unsigned char)name[0])) return SINTER_OK;
    return error_set(e, SINTER_INVALID, name, FIX, "not the name of a plugin");
}

static sinter_status find_role(const char *wanted, const role **out, sinter_error *e)
{
    static const char FIX[] = "one of ranker, fusion, recall, rewriter, finisher, trainer";
    const char *names[ARRAY_LEN(roles)];
    if (!wanted) return error_set(e, SINTER_INVALID, "--role", FIX, "which role?");
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        names[i] = roles[i].name;
        *out = &roles[i];
        if (strcmp(roles[i].name, wanted) == 0) return SINTER_OK;
    }
    if (strcmp(wanted, "enricher") == 0)
        return error_set(e, SINTER_INVALID, "--role", FIX, "enrichers are declared in the contract, and this version calls none");
    error_set(e, SINTER_INVALID, "--role", FIX, "no role '%s'", wanted);
    const char *near = near_name(wanted, names, ARRAY_LEN(roles));
    if (near) error_fix(e, "did you mean '%s'?", near);
    return SINTER_INVALID;
}

static int write_new(const role *r, const char *name, const char *given)
{
    char line[1600];
    sinter_error e = SINTER_ERROR_INIT;
    size_t length = strlen(given);
    while (length > 1 && given[length - 1] == '/') length--;
    char *dir = xstrndup(given, length);
    sinter_status s = write_folder(dir, r, name, &e);
    if (s == SINTER_OK)
        printf("%s: a %s that works as it stands\n  cd %s && make test\n", dir, r->name, dir);
    else
        fprintf(stderr, "sinter plugin new: %s\n", error_line(&e, line, sizeof line));
    free(dir);
    return s == SINTER_OK ? EXIT_OK : EXIT_FAILED;
}

int plugin_new(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    new_arguments a = {0};
    option_words w = {0};
    const role *r = NULL;
    bool asked = false;
    int code = EXIT_OK;
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &w, &asked, &e);
    if (s == SINTER_OK && !asked && (w.n < 1 || w.n > 2))
        s = error_set(&e, SINTER_INVALID, w.n ? w.word[2] : NULL, "sinter plugin new --role ranker NAME [DIR]",
                      w.n ? "one argument too many" : "what is it called?");
    if (s == SINTER_OK && !asked) s = find_role(a.role, &r, &e);
    if (s == SINTER_OK && !asked) s = check_name(w.word[0], &e);
    if (s != SINTER_OK)
        code = options_fail("plugin new", &e);
    else if (asked)
        help(stdout);
    else
        code = write_new(r, w.word[0], w.n > 1 ? w.word[1] : w.word[0]);
    option_words_free(&w);
    return code;
}
