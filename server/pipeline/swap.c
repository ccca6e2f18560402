/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Swapping a plugin's build: which uses take it, where it comes from, and what it must be. On the control thread. */
#include "engine.h"
#include "trial.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEYS_MOST 64u

/* The ways in which the running configuration names the plugin. */
typedef struct keys {
    const char *wanted;
    const char *key[KEYS_MOST];      /* [n] */
    const config_use *use[KEYS_MOST];
    uint32_t n;
    const char *near[KEYS_MOST];     /* names of plugins in use */
    uint32_t n_near;
    bool by_path;                    /* `wanted` is a key itself */
    char name[65];                   /* in the table of the build that serves */
} keys;

static void add_key(keys *k, const snap_use *u)
{
    const char *key = plugin_key(u->config);
    for (uint32_t i = 0; i < k->n; i++)
        if (strcmp(k->key[i], key) == 0) return;
    if (k->n == KEYS_MOST) return;
    k->use[k->n] = u->config;
    k->key[k->n++] = key;
}

static void look(void *ctx, const snap_pipeline *p, const snap_use *u)
{
    keys *k = ctx;
    (void)p;
    if (!u->library) return;
    if (k->n_near < KEYS_MOST) k->near[k->n_near++] = u->library->name;
    bool by_key = strcmp(plugin_key(u->config), k->wanted) == 0;
    if (!by_key && strcmp(u->library->name, k->wanted) != 0) return;
    if (by_key && u->config->path) k->by_path = true;
    memcpy(k->name, u->library->name, strnlen(u->library->name, 64));
    add_key(k, u);
}

static sinter_status find_keys(const snapshot *s, const char *plugin, arena *a, keys *k, sinter_error *e)
{
    *k = (keys){.wanted = plugin};
    snapshot_uses(s, look, k);
    if (!k->n) {
        const char *near = near_name(plugin, k->near, k->n_near);
        return error_set(e, SINTER_NOT_FOUND, "plugin",
                         near ? arena_printf(a, "did you mean '%s'?", near) : "`sinter status` lists the plugins in use",
                         "no pipeline uses a plugin '%.100s'", plugin);
    }
    if (k->n > 1 && !k->by_path)
        return error_set(e, SINTER_INVALID, "plugin", arena_printf(a, "say which: '%s' or '%s' …", k->key[0], k->key[1]),
                         "pipelines load '%.64s' from %u files", plugin, k->n);
    return SINTER_OK;
}

/* A pin in the configuration is the last word, so a swap that it would undo is refused. */
static sinter_status not_pinned(const keys *k, const char *sha256, sinter_error *e)
{
    for (uint32_t i = 0; i < k->n; i++) {
        const config_use *u = k->use[i];
        if (u->sha256 && strcmp(u->sha256, sha256) != 0)
            return conf_error(e, u->at, "change or remove the pin there and reload; then swap",
                              "%s is pinned to the build %.12s, and the file is %.12s", u->name, u->sha256, sha256);
    }
    return SINTER_OK;
}

/* Every build of every use: two uses of one key may differ in their pins. */
typedef struct pin_walk {
    keys *k;
    const char *sha256;
    sinter_status st;
    sinter_error *e;
} pin_walk;

static void check_pin(void *ctx, const snap_pipeline *p, const snap_use *u)
{
    pin_walk *x = ctx;
    (void)p;
    if (x->st || !u->library) return;
    for (uint32_t i = 0; i < x->k->n; i++) {
        if (strcmp(x->k->key[i], plugin_key(u->config)) != 0) continue;
        const keys one = {.n = 1, .use = {u->config}};
        x->st = not_pinned(&one, x->sha256, x->e);
        return;
    }
}

typedef struct fit_args {
    const keys *k;
    const char *sha256;
    arena *a;
} fit_args;

/* Whoever names a file by its path gets any plugin from it: a swap may not make it another one. */
static sinter_status same_plugin(void *ctx, const snapshot *is, sinter_error *e)
{
    const fit_args *x = ctx;
    for (uint32_t i = 0; i < is->n_libraries; i++) {
        const plugin_library *l = is->library[i];
        if (strcmp(l->sha256, x->sha256) != 0 || strcmp(l->name, x->k->name) == 0) continue;
        return error_set(e, SINTER_PRECONDITION, l->file, "swap takes another build of the same plugin; for another plugin edit the pipeline",
                         "it holds the plugin '%s', not '%s'", l->name, x->k->name);
    }
    return SINTER_OK;
}

/* What is loaded instead of configured files when the keys take the build. `file` NULL: nothing. */
static uint32_t overrides(const engine *g, const keys *k, const char *file, const char *sha256, arena *a, plugin_override **out)
{
    uint32_t n = 0;
    *out = ARENA_ARRAY(a, plugin_override, g->n_overrides + k->n + 1);
    for (uint32_t i = 0; i < g->n_overrides; i++) {
        bool ours = false;
        for (uint32_t j = 0; j < k->n; j++) ours = ours || strcmp(g->override[i].plugin, k->key[j]) == 0;
        if (!ours) (*out)[n++] = g->override[i];
    }
    for (uint32_t j = 0; file && j < k->n; j++) {
        plugin_override *o = &(*out)[n++];
        *o = (plugin_override){.plugin = k->key[j], .kept = file, .from = file};
        memcpy(o->sha256, sha256, sizeof o->sha256);
    }
    return n;
}

/* The sum of the file that will serve. */
static sinter_status sum(const snapshot *was, const keys *k, const char *file, char out[65], const char **path, arena *a, sinter_error *e)
{
    if (*file && *file != '/')
        return error_set(e, SINTER_INVALID, "file", "give its whole path on the server's machine", "'%.200s' is no absolute path", file);
    *path = file;
    if (*file) return sha256_file(file, out, e);
    char *configured = plugin_file_of(&was->config->server, k->use[0]);
    if (!configured)
        return conf_error(e, k->use[0]->at, "put it there, or name another with the swap", "there is no file for the plugin '%s'",
                          k->use[0]->plugin);
    *path = arena_strdup(a, configured);
    free(configured);
    return sha256_file(*path, out, e);
}

/* Every use of the keys with its own options and model. */
typedef struct trial_walk {
    engine *g;
    const keys *k;
    const char *file;
    arena *a;
    sinter_status st;
    sinter_error *e;
    uint32_t n;
} trial_walk;

#define TRIALS_MOST 8u

static void try_use(void *ctx, const snap_pipeline *p, const snap_use *u)
{
    trial_walk *x = ctx;
    (void)p;
    bool ours = false;
    for (uint32_t i = 0; u->library && i < x->k->n; i++) ours = ours || strcmp(x->k->key[i], plugin_key(u->config)) == 0;
    if (!ours || x->st || x->n++ >= TRIALS_MOST) return;
    const char *data_dir = atomic_load(&x->g->snapshot)->config->server.data_dir, *name = NULL;
    uint64_t version;
    if (u->model && model_parse(u->model, x->a, &name, &version, NULL)) name = NULL;
    x->st = trial_run(x->g->exe, x->file, u->config, name ? model_dir(data_dir, name, version, x->a) : NULL,
                      arena_printf(x->a, "%s/builds", data_dir), x->a, x->e);
}

/* One that has served is kept, and needs no trial. */
static sinter_status try_it(engine *g, const keys *k, const char *file, const char *sha256, arena *a, sinter_error *e)
{
    const snapshot *was = atomic_load(&g->snapshot);
    trial_walk x = {.g = g, .k = k, .file = file, .a = a, .e = e};
    if (g->exe && access(change_build_path(was->config->server.data_dir, sha256, a), F_OK) != 0) snapshot_uses(was, try_use, &x);
    return x.st;
}

sinter_status engine_swap(engine *g, const char *plugin, const char *file, const engine_order *o, arena *a, engine_changed *out,
                          sinter_error *e)
{
    snapshot *was = atomic_load(&g->snapshot);
    keys k;
    char *sha256 = arena_zalloc(a, 65);
    if (!*plugin) return error_set(e, SINTER_INVALID, "plugin", "`sinter status` lists the plugins in use", "no plugin is named");
    sinter_status st = find_keys(was, plugin, a, &k, e);
    const char *path = file;
    if (st == SINTER_OK) st = sum(was, &k, file, sha256, &path, a, e);
    pin_walk pins = {&k, sha256, SINTER_OK, e};
    if (st == SINTER_OK) snapshot_uses(was, check_pin, &pins);
    if (st == SINTER_OK) st = pins.st;
    if (st == SINTER_OK) st = try_it(g, &k, path, sha256, a, e);
    if (st) return st;
    fit_args fit = {&k, sha256, a};
    plugin_override *override;
    uint32_t n = overrides(g, &k, *file ? file : NULL, sha256, a, &override);
    change c = {.kind = SINTER__STORAGE__V1__CHANGE__KIND__KIND_SWAP,
                .order = o,
                .args = {.config = was->config, .config_refs = was->config_refs, .override = override, .n_overrides = n},
                .fit = same_plugin,
                .ctx = &fit};
    st = change_make(g, &c, a, out, e);
    out->sha256 = sha256;
    if (st == SINTER_OK && !o->dry_run)
        log_info("plugin.swap", "%s: build %.12s serves, record %llu%s%s", plugin, sha256, (unsigned long long)out->sequence,
                 o->who && *o->who ? ", by " : "", o->who ? o->who : "");
    return st;
}
