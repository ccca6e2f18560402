/* SPDX-License-Identifier: GPL-3.0-or-later */
/* config_load: sinter.yaml and the folders beside it, in order of name, into one immutable config. */
#include "collection.h"
#include "kept.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct loader {
    config *c;
    const char *folder; /* of sinter.yaml as given, with its slash; "" */
    arena *a;
} loader;

static sinter_status parse(loader *l, const char *path, const conf_node **out, sinter_error *e)
{
    buffer b = {0};
    sinter_status s = file_read(path, 4 << 20, &b, e);
    if (s == SINTER_OK) {
        l->c->hash = hash64_seed(path + strlen(l->folder), strlen(path) - strlen(l->folder), l->c->hash);
        l->c->hash = hash64_seed(b.data, b.len, l->c->hash);
        s = conf_parse_text(path, (str){b.data, b.len}, l->a, out, e);
        if (s == SINTER_OK) kept_note(l->c, path + strlen(l->folder), (str){b.data, b.len}, *out);
    }
    buffer_free(&b);
    return s;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n > m && strcmp(s + n - m, end) == 0;
}

static sinter_status check_file_name(const char *path, const char *base, sinter_error *e)
{
    size_t n = strlen(base) - 5;
    if (ends_with(base, ".yml"))
        return error_set(e, SINTER_INVALID, path, "rename it", "the name ends in .yml; only .yaml files are read");
    if (n <= 64 && base[0] >= 'a' && base[0] <= 'z' && strspn(base, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n)
        return SINTER_OK;
    return error_set(e, SINTER_INVALID, path, "use lower-case letters, digits, _ and -, starting with a letter",
                     "the file's name is the name of what it declares, and '%.*s' is not one", (int)n, base);
}

/* Paths of the folder's *.yaml in order; an absent folder is an empty one. */
static sinter_status list(loader *l, const char *folder, const char ***out, uint32_t *n, sinter_error *e)
{
    const char *path = arena_printf(l->a, "%s%s", l->folder, folder);
    DIR *d = opendir(path);
    *n = 0;
    if (!d) {
        if (errno == ENOENT) return SINTER_OK;
        return error_set(e, SINTER_IO, path, NULL, "cannot list: %s", strerror(errno));
    }
    uint32_t cap = 0;
    const char **found = NULL;
    sinter_status s = SINTER_OK;
    for (struct dirent *entry; s == SINTER_OK && (entry = readdir(d));) {
        if (entry->d_name[0] == '.' || (!ends_with(entry->d_name, ".yaml") && !ends_with(entry->d_name, ".yml")))
            continue;
        const char *file = arena_printf(l->a, "%s/%s", path, entry->d_name);
        s = check_file_name(file, entry->d_name, e);
        if (*n == cap) found = xrealloc(found, (cap = cap ? cap * 2 : 16) * sizeof *found);
        found[(*n)++] = file;
    }
    closedir(d);
    if (*n) qsort(found, *n, sizeof *found, by_name);
    *out = ARENA_ARRAY(l->a, const char *, *n + 1);
    if (*n) memcpy(*out, found, *n * sizeof *found);
    free(found);
    return s;
}

static const char *stem(loader *l, const char *path)
{
    const char *base = strrchr(path, '/') + 1;
    return arena_strndup(l->a, base, strlen(base) - 5);
}

static sinter_status read_collections(loader *l, sinter_error *e)
{
    const char **path;
    uint32_t n;
    sinter_status s = list(l, "collections", &path, &n, e);
    if (s != SINTER_OK) return s;
    config_collection *c = ARENA_ARRAY(l->a, config_collection, n);
    for (uint32_t i = 0; i < n && s == SINTER_OK; i++) {
        const conf_node *root;
        s = parse(l, path[i], &root, e);
        if (s == SINTER_OK) s = collection_read(stem(l, path[i]), root, &c[i], l->a, e);
    }
    l->c->collection = c;
    l->c->n_collections = n;
    return s;
}

static sinter_status read_pipelines(loader *l, sinter_error *e)
{
    const char **path;
    uint32_t n;
    sinter_status s = list(l, "pipelines", &path, &n, e);
    if (s != SINTER_OK) return s;
    config_pipeline *p = ARENA_ARRAY(l->a, config_pipeline, n);
    for (uint32_t i = 0; i < n && s == SINTER_OK; i++) {
        const conf_node *root;
        s = parse(l, path[i], &root, e);
        if (s == SINTER_OK) s = pipeline_read(stem(l, path[i]), root, l->c, &p[i], l->a, e);
    }
    l->c->pipeline = p;
    l->c->n_pipelines = n;
    return s;
}

static sinter_status read_experiments(loader *l, sinter_error *e)
{
    const char **path;
    uint32_t n;
    sinter_status s = list(l, "experiments", &path, &n, e);
    if (s != SINTER_OK) return s;
    config_experiment *x = ARENA_ARRAY(l->a, config_experiment, n);
    for (uint32_t i = 0; i < n && s == SINTER_OK; i++) {
        const conf_node *root;
        s = parse(l, path[i], &root, e);
        if (s == SINTER_OK) s = experiment_read(stem(l, path[i]), root, l->c, x, i, l->a, e);
    }
    l->c->experiment = x;
    l->c->n_experiments = n;
    return s;
}

/* What later builds will read is refused rather than ignored. */
static sinter_status refuse_unbuilt(loader *l, sinter_error *e)
{
    const char *alerts = arena_printf(l->a, "%salerts.yaml", l->folder);
    FILE *f = fopen(alerts, "re");
    if (!f) return SINTER_OK;
    fclose(f);
    return error_set(e, SINTER_UNIMPLEMENTED, alerts, "move the file away", "alert rules are not implemented");
}

static sinter_status check_default(const config *c, const config_collection *k, sinter_error *e)
{
    const conf_node *at = conf_get(k->at, "default_pipeline");
    const config_pipeline *p = config_find_pipeline(c, k->default_pipeline);
    if (!p) {
        const char *names[256];
        uint32_t n = c->n_pipelines < ARRAY_LEN(names) ? c->n_pipelines : (uint32_t)ARRAY_LEN(names);
        for (uint32_t i = 0; i < n; i++)
            names[i] = c->pipeline[i].name;
        return walk_unknown(at, "pipeline", k->default_pipeline, names, n, e);
    }
    if (strcmp(p->collection, k->name) == 0) return SINTER_OK;
    return conf_error(e, at, "name one of this collection's", "the pipeline '%s' is of the collection '%s'", p->name,
                      p->collection);
}

/* Named, or the one of the collection's name, or the only one. */
static sinter_status resolve_default(const config *c, config_collection *k, sinter_error *e)
{
    if (k->default_pipeline) return check_default(c, k, e);
    const config_pipeline *found = NULL, *second = NULL;
    for (uint32_t i = 0; i < c->n_pipelines; i++) {
        const config_pipeline *p = &c->pipeline[i];
        if (strcmp(p->collection, k->name) != 0) continue;
        if (strcmp(p->name, k->name) == 0) {
            k->default_pipeline = p->name;
            return SINTER_OK;
        }
        second = found ? p : NULL;
        found = found ? found : p;
    }
    if (second)
        return conf_error(e, k->at, "write 'default_pipeline: …', or name one like the collection",
                          "'%s' has the pipelines %s and %s, and none is the default", k->name, found->name,
                          second->name);
    k->default_pipeline = found ? found->name : NULL;
    return SINTER_OK;
}

static sinter_status load(loader *l, const char *path, sinter_error *e)
{
    const conf_node *root;
    sinter_status s = parse(l, path, &root, e);
    if (s == SINTER_OK) s = server_read(root, &l->c->server, l->a, e);
    if (s == SINTER_OK) s = refuse_unbuilt(l, e);
    if (s == SINTER_OK) s = read_collections(l, e);
    if (s == SINTER_OK) s = read_pipelines(l, e);
    if (s == SINTER_OK) s = read_experiments(l, e);
    for (uint32_t i = 0; s == SINTER_OK && i < l->c->n_collections; i++)
        s = resolve_default(l->c, (config_collection *)&l->c->collection[i], e);
    if (s == SINTER_OK && l->c->n_collections == 0)
        s = error_set(e, SINTER_INVALID, path, "declare one in collections/NAME.yaml beside it",
                      "there is no collection");
    return s;
}

sinter_status config_load(const char *path, config **out, sinter_error *e)
{
    arena *a = arena_new(1 << 16);
    config *c = ARENA_NEW(a, config);
    c->memory = a;
    const char *slash = strrchr(path, '/');
    loader l = {.c = c, .a = a, .folder = slash ? arena_strndup(a, path, (size_t)(slash - path) + 1) : ""};
    char absolute[PATH_MAX];
    c->path = arena_strdup(a, realpath(path, absolute) ? absolute : path);
    sinter_status s = load(&l, path, e);
    if (s == SINTER_OK) kept_mark(c);
    if (s == SINTER_OK)
        *out = c;
    else
        config_free(c);
    return s;
}

void config_free(config *c)
{
    if (c) arena_free(c->memory);
}

const config_collection *config_find_collection(const config *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_collections; i++) {
        if (strcmp(c->collection[i].name, name) == 0) return &c->collection[i];
    }
    return NULL;
}

const config_pipeline *config_find_pipeline(const config *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_pipelines; i++) {
        if (strcmp(c->pipeline[i].name, name) == 0) return &c->pipeline[i];
    }
    return NULL;
}

const config_experiment *config_find_experiment(const config *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_experiments; i++) {
        if (strcmp(c->experiment[i].name, name) == 0) return &c->experiment[i];
    }
    return NULL;
}
