/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names and places of models: what may be one, where it stands, which versions there are. */
#include "model/model.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool model_name_valid(const char *name)
{
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t n = strlen(name);
    return n && n <= 64 && !name[strspn(name, ALLOWED)] && name[0] != '-' && name[0] != '_';
}

const char *model_named(const char *model, arena *a, bool *latest)
{
    const char *slash = model ? strchr(model, '/') : NULL;
    if (latest) *latest = slash && strcmp(slash + 1, "latest") == 0;
    return slash ? arena_strndup(a, model, (size_t)(slash - model)) : NULL;
}

/* Digits without a leading zero. */
static bool version_parse(const char *text, uint64_t *out)
{
    return text[0] >= '1' && text[0] <= '9' && strlen(text) <= 12 && parse_uint64(str_of(text), out);
}

sinter_status model_parse(const char *text, arena *a, const char **name, uint64_t *version, sinter_error *e)
{
    const char *first = model_named(text, a, NULL);
    if (!first || !model_name_valid(first) || !version_parse(text + strlen(first) + 1, version))
        return error_set(e, SINTER_INVALID, NULL, "write NAME/VERSION: `sinter model list` shows them", "'%.100s' is no model",
                         text ? text : "");
    *name = first;
    return SINTER_OK;
}

const char *model_dir(const char *data_dir, const char *name, uint64_t version, arena *a)
{
    return arena_printf(a, "%s/models/%s/%llu", data_dir, name, (unsigned long long)version);
}

static int by_number(const void *x, const void *y)
{
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return a < b ? -1 : a > b;
}

static sinter_status open_failed(const char *path, sinter_error *e)
{
    if (errno == ENOENT) return SINTER_OK;
    return error_set(e, SINTER_IO, path, NULL, "cannot read the folder: %s", strerror(errno));
}

sinter_status model_versions(const char *data_dir, const char *name, arena *a, uint64_t **version, uint32_t *n, sinter_error *e)
{
    const char *path = arena_printf(a, "%s/models/%s", data_dir, name);
    uint64_t *list = NULL, v;
    uint32_t room = 0;
    *n = 0;
    DIR *d = opendir(path);
    if (!d) return open_failed(path, e);
    for (struct dirent *x; (x = readdir(d));) {
        if (!version_parse(x->d_name, &v)) continue;
        if (*n == room) list = xrealloc(list, (room = room ? room * 2 : 16) * sizeof *list);
        list[(*n)++] = v;
    }
    closedir(d);
    if (*n) qsort(list, *n, sizeof *list, by_number);
    *version = ARENA_ARRAY(a, uint64_t, *n + 1);
    if (*n) memcpy(*version, list, *n * sizeof *list);
    free(list);
    return SINTER_OK;
}

static int by_text(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

sinter_status model_all_names(const char *data_dir, arena *a, const char ***name, uint32_t *n, sinter_error *e)
{
    const char *path = arena_printf(a, "%s/models", data_dir);
    const char **list = NULL;
    uint32_t room = 0;
    *n = 0;
    DIR *d = opendir(path);
    if (!d) return open_failed(path, e);
    for (struct dirent *x; (x = readdir(d));) {
        if (!model_name_valid(x->d_name)) continue;
        if (*n == room) list = xrealloc(list, (room = room ? room * 2 : 16) * sizeof *list);
        list[(*n)++] = arena_strdup(a, x->d_name);
    }
    closedir(d);
    if (*n) qsort(list, *n, sizeof *list, by_text);
    *name = ARENA_ARRAY(a, const char *, *n + 1);
    if (*n) memcpy(*name, list, *n * sizeof *list);
    free(list);
    return SINTER_OK;
}
