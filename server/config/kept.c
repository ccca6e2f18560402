/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keeping a configuration: all of its files, so that it can serve again after those on disk have changed.
 *
 * It consists of the YAML that was read and of every file below the folder of sinter.yaml that a value names (rules, networks,
 * stop words). A copy stands in DIR/MARK with a note of where it came from; walk.c leads relative paths that leave the copy back
 * to there. */
#include "kept.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "walk.h"

#define KEPT_MOST (16u << 20) /* bytes of a file that a value names; a larger one is data, not configuration */

static bool noted(const config *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_files; i++)
        if (strcmp(c->file[i].name, name) == 0) return true;
    return false;
}

static void add_file(config *c, const char *name, str bytes)
{
    if (c->n_files == c->cap_files) {
        c->cap_files = c->cap_files ? c->cap_files * 2 : 16;
        config_file *more = ARENA_ARRAY(c->memory, config_file, c->cap_files);
        if (c->n_files) memcpy(more, c->file, c->n_files * sizeof *more);
        c->file = more;
    }
    char *copy = arena_strndup(c->memory, bytes.s ? bytes.s : "", bytes.n);
    ((config_file *)(uintptr_t)c->file)[c->n_files++] = (config_file){arena_strdup(c->memory, name), {copy, bytes.n}};
}

void kept_note(config *c, const char *name, str bytes, const conf_node *root)
{
    add_file(c, name, bytes);
    if (c->n_roots == c->cap_roots) {
        c->cap_roots = c->cap_roots ? c->cap_roots * 2 : 16;
        const conf_node **more = ARENA_ARRAY(c->memory, const conf_node *, c->cap_roots);
        if (c->n_roots) memcpy(more, c->root, c->n_roots * sizeof *more);
        c->root = more;
    }
    c->root[c->n_roots++] = root;
}

/* ---- files that values name ------------------------------------------------------------------------------------------ */

/* A path has no blanks here and is no long text; shared objects are kept as builds, not as configuration. */
static bool may_be_path(const char *s)
{
    size_t n = strlen(s);
    if (n < 2 || n > 200 || strpbrk(s, " \t\n\"'(){}=<>*")) return false;
    if (n > 3 && strcmp(s + n - 3, ".so") == 0) return false;
    return strchr(s, '/') || strchr(s, '.');
}

static void add_named(config *c, const char *folder, const conf_node *at)
{
    struct stat is;
    buffer b = {0};
    if (!may_be_path(at->text)) return;
    const char *path = walk_path(at->file, at->text, c->memory);
    size_t n = strlen(folder);
    if (strncmp(path, folder, n) != 0 || path[n] != '/' || strstr(path + n, "/../") || noted(c, path + n + 1)) return;
    if (stat(path, &is) != 0 || !S_ISREG(is.st_mode) || file_read(path, KEPT_MOST, &b, NULL) != SINTER_OK) {
        buffer_free(&b);
        return;
    }
    add_file(c, path + n + 1, (str){b.data, b.len});
    buffer_free(&b);
}

/* Depth is bounded by the parser. */
static void walk_named(config *c, const char *folder, const conf_node *n)
{
    if (n->kind == CONF_SCALAR) {
        add_named(c, folder, n);
        return;
    }
    for (uint32_t i = 0; i < n->n; i++) walk_named(c, folder, n->value[i]);
}

static const char *folder_of(const config *c, arena *a)
{
    const char *slash = strrchr(c->path, '/');
    return slash ? arena_strndup(a, c->path, (size_t)(slash - c->path)) : ".";
}

void kept_mark(config *c)
{
    const char *folder = folder_of(c, c->memory);
    for (uint32_t i = 0; i < c->n_roots; i++) walk_named(c, folder, c->root[i]);
    uint64_t h = c->n_files;
    for (uint32_t i = 0; i < c->n_files; i++) {
        h = hash64_seed(c->file[i].name, strlen(c->file[i].name), h);
        h = hash64_seed(c->file[i].bytes.s, c->file[i].bytes.n, h);
    }
    snprintf(c->mark, sizeof c->mark, "%016llx", (unsigned long long)h);
}

/* ---- keeping ---------------------------------------------------------------------------------------------------------- */

static sinter_status keep_file(const char *dir, const char *name, str bytes, sinter_error *e)
{
    char *path = xasprintf("%s/%s", dir, name), *slash = strrchr(path, '/');
    *slash = 0;
    sinter_status s = dir_make(path, e);
    *slash = '/';
    if (s == SINTER_OK) s = file_write_atomic(path, bytes.s, bytes.n, e);
    free(path);
    return s;
}

sinter_status config_keep(const config *c, const char *dir, sinter_error *e)
{
    arena *a = arena_new(1 << 12);
    const char *root, *origin, *folder = folder_of(c, a), *own = arena_printf(a, "%s/%s", dir, c->mark);
    if (!kept_root(folder, a, &root, &origin)) origin = folder;
    const char *note = arena_printf(a, "%s/" KEPT_ORIGIN, own);
    sinter_status s = SINTER_OK;
    if (access(note, F_OK) != 0) {
        for (uint32_t i = 0; i < c->n_files && s == SINTER_OK; i++) s = keep_file(own, c->file[i].name, c->file[i].bytes, e);
        /* Last: without it the copy is none. */
        if (s == SINTER_OK) s = file_write_atomic(note, origin, strlen(origin), e);
    }
    arena_free(a);
    return s;
}

bool kept_root(const char *here, arena *a, const char **root, const char **origin)
{
    char *at = arena_strdup(a, here);
    for (char *slash = at + strlen(at); slash > at; slash = strrchr(at, '/')) {
        buffer b = {0};
        *slash = 0;
        const char *note = arena_printf(a, "%s/" KEPT_ORIGIN, at);
        if (access(note, F_OK) == 0 && file_read(note, PATH_MAX, &b, NULL) == SINTER_OK && b.len) {
            *root = at;
            *origin = arena_strndup(a, b.data, b.len);
            buffer_free(&b);
            return true;
        }
        buffer_free(&b);
        if (!strchr(at, '/')) break;
    }
    return false;
}
