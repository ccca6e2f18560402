/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Instances: opened once for equal (build, model, options, collection, role), shared, and closed once. */
#include "call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A folder that was put in the place of another is another model: model.yaml holds the sums of the rest. */
static void model_sum(const char *dir, char out[65])
{
    char *path = dir ? xasprintf("%s/model.yaml", dir) : NULL;
    out[0] = '\0';
    if (path && sha256_file(path, out, NULL) != SINTER_OK) out[0] = '\0';
    free(path);
}

static char *make_key(const library *l, const plugin_open_args *args, const sinter_options *o)
{
    char model[65];
    model_sum(args->model_dir, model);
    return xasprintf("%s|%s|%s|%s|%p|%s|%s", model, l->shown.sha256, PLUGIN_ROLE_NAMES[args->role],
                     args->collection ? args->collection->uuid : "", args->services ? args->services->ctx : NULL,
                     args->model_dir ? args->model_dir : "", o->key);
}

static plugin_instance *find(plugin_host *h, const char *key)
{
    for (plugin_instance *i = h->instances; i; i = i->next) {
        if (strcmp(i->key, key) == 0) return i;
    }
    return NULL;
}

static void discard(plugin_instance *i)
{
    for (uint32_t w = 0; w < i->n_workers; w++) {
        if (i->worker[w] && i->plugin->worker_close) i->plugin->worker_close(i->worker[w]);
    }
    if (i->self) i->plugin->close(i->self);
    int32_t left = atomic_load(&i->filters);
    if (left) log_warn("plugin.leak", "%s closed with %d filters not freed", i->use, left);
    tensors_free(&i->tensors);
    free(i->worker);
    free(i->key);
    arena_free(i->memory);
    free(i);
}

static sinter_status open_self(plugin_instance *i, const plugin_open_args *args, sinter_error *e)
{
    const sinter_open_args a = {
        .size = sizeof a,
        .host = &i->table,
        .options = i->options,
        .model_dir = args->model_dir,
        .collection = &i->collection,
        .use = i->use,
        .role = PLUGIN_ROLE_NAMES[i->role],
    };
    sinter_instance *self = NULL;
    sinter_status s = i->plugin->open(&a, &self, e);
    if (s != SINTER_OK) return error_tidy(e, s, i);
    if (!self)
        return error_set(e, SINTER_INTERNAL, i->use, "report it to the plugin's author", "open gave no instance");
    i->self = self;
    return SINTER_OK;
}

static sinter_status open_workers(plugin_instance *i, sinter_error *e)
{
    i->worker = xcalloc(i->n_lanes ? i->n_lanes : 1, sizeof *i->worker);
    for (; i->plugin->worker_open && i->n_workers < i->n_lanes; i->n_workers++) {
        sinter_status s = i->plugin->worker_open(i->self, &i->worker[i->n_workers], e);
        if (s == SINTER_OK) continue;
        i->worker[i->n_workers] = NULL;
        return error_tidy(e, s, i);
    }
    return SINTER_OK;
}

#define NAMES_MOST 4096u /* features of a stage */

static sinter_status ask_inputs(plugin_instance *i, sinter_error *e)
{
    i->inputs.size = sizeof i->inputs;
    if (!i->plugin->inputs) return SINTER_OK;
    sinter_status s = i->plugin->inputs(i->self, &i->inputs, e);
    if (s != SINTER_OK) return error_tidy(e, s, i);
    const sinter_inputs *in = &i->inputs;
    const struct {
        const char *const *names;
        uint32_t n;
        const char *of;
    } LISTS[] = {
        {in->feature, in->n_features, "feature"}, {in->id_feature, in->n_id_features, "id_feature"},
        {in->context, in->n_context, "context"},  {in->prior, in->n_prior, "prior"},
        {in->vector, in->n_vectors, "vector"},    {in->history_side, in->n_history_side, "history_side"},
        {in->target, in->n_targets, "target"},
    };
    for (size_t k = 0; k < ARRAY_LEN(LISTS); k++) {
        if (LISTS[k].n > NAMES_MOST)
            return error_set(e, SINTER_INVALID, i->use, "name fewer in its options", "it asks for %u names of %s; at most %u are brought",
                             LISTS[k].n, LISTS[k].of, NAMES_MOST);
        bool fine = LISTS[k].names || !LISTS[k].n;
        for (uint32_t n = 0; fine && n < LISTS[k].n; n++)
            fine = LISTS[k].names[n] != NULL;
        if (!fine)
            return error_set(e, SINTER_INTERNAL, i->use, "report it to the plugin's author",
                             "inputs gave %u names of %s, and not all are there", LISTS[k].n, LISTS[k].of);
    }
    return SINTER_OK;
}

static plugin_instance *prepare(plugin_host *h, library *l, const plugin_open_args *args, arena *memory,
                                const sinter_options *o, char *key)
{
    plugin_instance *i = xcalloc(1, sizeof *i);
    host_table_fill(&i->table);
    i->lib = l;
    i->plugin = l->shown.table;
    i->role = args->role;
    i->memory = memory;
    i->use = arena_strdup(memory, args->use ? args->use : l->shown.name);
    if (args->services) i->services = *args->services;
    i->collection = args->collection ? *args->collection : (sinter_collection){.name = "", .uuid = ""};
    i->collection.size = sizeof i->collection;
    i->collection.name = arena_strdup(memory, i->collection.name);
    i->collection.uuid = arena_strdup(memory, i->collection.uuid);
    i->options = o;
    i->key = key;
    i->n_lanes = h->n_lanes;
    i->refs = 1;
    return i;
}

/* A tree that lives in a config is copied, because an instance may outlive the config that it was opened from. */
static conf_node *copy_tree(const conf_node *n, arena *a)
{
    conf_node *c = ARENA_NEW(a, conf_node);
    *c = *n;
    c->text = arena_strdup(a, n->text ? n->text : "");
    c->file = arena_strdup(a, n->file);
    const conf_node **key = ARENA_ARRAY(a, const conf_node *, n->n + 1),
                    **value = ARENA_ARRAY(a, const conf_node *, n->n + 1);
    for (uint32_t i = 0; i < n->n; i++) {
        if (n->kind == CONF_MAP) key[i] = copy_tree(n->key[i], a);
        value[i] = copy_tree(n->value[i], a);
    }
    c->key = key;
    c->value = value;
    return c;
}

static sinter_status open_locked(plugin_host *h, library *l, const plugin_open_args *args, plugin_instance **out,
                                 sinter_error *e)
{
    const conf_node none = {
        .kind = CONF_MAP, .file = args->use ? args->use : l->shown.name, .line = 1, .column = 1, .text = ""};
    const conf_node *given = args->config && args->config->options ? args->config->options : &none;
    const sinter_options *o;
    if (!plugin_has_role(&l->shown, args->role)) {
        sinter_status s = conf_error(e, given, "name a plugin that does", "the plugin '%s' plays no role %s",
                                     l->shown.name, PLUGIN_ROLE_NAMES[args->role]);
        return s;
    }
    arena *memory = arena_new(1 << 12);
    sinter_status s = plugin_options_check(copy_tree(given, memory), args->config != NULL, l->shown.table->options,
                                           l->shown.table->n_options, args->services, memory, &o, e);
    if (s != SINTER_OK) {
        arena_free(memory);
        return s;
    }
    char *key = make_key(l, args, o);
    plugin_instance *i = find(h, key);
    if (i) {
        free(key);
        arena_free(memory);
        i->refs++;
        *out = i;
        return SINTER_OK;
    }
    i = prepare(h, l, args, memory, o, key);
    s = open_self(i, args, e);
    if (s == SINTER_OK) s = open_workers(i, e);
    if (s == SINTER_OK) s = ask_inputs(i, e);
    if (s != SINTER_OK) {
        discard(i);
        return s;
    }
    l->refs++;
    i->next = h->instances;
    h->instances = i;
    *out = i;
    return SINTER_OK;
}

sinter_status plugin_open(plugin_host *h, const plugin_library *l, const plugin_open_args *args, plugin_instance **out,
                          sinter_error *e)
{
    sinter_error spare = SINTER_ERROR_INIT;
    running was = plugin_running;
    plugin_running = (running){0}; /* whatever is asked during open is asked "as of now" */
    pthread_mutex_lock(&h->control);
    sinter_status s = open_locked(h, (library *)l, args, out, e ? e : &spare);
    pthread_mutex_unlock(&h->control);
    plugin_running = was;
    return s;
}

void plugin_instance_release(plugin_host *h, plugin_instance *i)
{
    if (!i) return;
    pthread_mutex_lock(&h->control);
    if (--i->refs == 0) {
        plugin_instance **at = &h->instances;
        while (*at != i)
            at = &(*at)->next;
        *at = i->next;
        library *l = i->lib;
        discard(i);
        library_release(h, l);
    }
    pthread_mutex_unlock(&h->control);
}

const plugin_library *plugin_instance_library(const plugin_instance *i)
{
    return &i->lib->shown;
}

plugin_role plugin_instance_role(const plugin_instance *i)
{
    return i->role;
}

const sinter_inputs *plugin_instance_inputs(const plugin_instance *i)
{
    return &i->inputs;
}

bool plugin_instance_whole_list(const plugin_instance *i)
{
    return i->role == PLUGIN_RANKER && (i->plugin->ranker->flags & SINTER_WHOLE_LIST);
}

sinter_status plugin_check_rankers(plugin_instance *i, const char *const *ranker, uint32_t n, const conf_node *at,
                                   sinter_error *e)
{
    sinter_error spare = SINTER_ERROR_INIT;
    if (!e) e = &spare;
    if (i->role != PLUGIN_FUSION || !i->plugin->fusion->check_rankers) return SINTER_OK;
    sinter_status s = i->plugin->fusion->check_rankers(i->self, ranker, n, e);
    if (s == SINTER_OK) return s;
    s = error_tidy(e, s, i);
    /* A plugin that used option_mark knows the place better. */
    if (at && strcmp(e->where, i->use) == 0) error_where(e, "%s:%u:%u", at->file, at->line, at->column);
    return s;
}
