/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Deploying a model, taking it back, and telling which there are. On the control thread. */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

/* ---- uses of a model -------------------------------------------------------------------------------------------------------- */

typedef struct name_search {
    const char *wanted, *uuid; /* of the model and of its collection */
    const snapshot *snapshot;
    bool found, own; /* by a pipeline; by one of the model's collection */
    const char *near[64]; /* names of models that pipelines use */
    uint32_t n;
    arena *a;
} name_search;

static void look_for_name(void *ctx, const snap_pipeline *p, const snap_use *u)
{
    name_search *x = ctx;
    const char *name = u->config ? model_named(u->config->model, x->a, NULL) : NULL;
    if (!name) return;
    if (strcmp(name, x->wanted) == 0) {
        x->found = true;
        x->own |= strcmp(catalog_uuid(x->snapshot->collection[p->collection].catalog), x->uuid) == 0;
    }
    if (x->n < ARRAY_LEN(x->near)) x->near[x->n++] = name;
}

/* A model that nobody would open could not be checked. */
static sinter_status someone_uses(const snapshot *s, const char *name, const char *uuid, bool *own, arena *a, sinter_error *e)
{
    name_search x = {.wanted = name, .uuid = uuid, .snapshot = s, .a = a};
    snapshot_uses(s, look_for_name, &x);
    *own = x.own;
    if (x.found) return SINTER_OK;
    const char *near = near_name(name, x.near, x.n);
    return error_set(e, SINTER_PRECONDITION, NULL,
                     near ? arena_printf(a, "did you mean '%s'?", near)
                          : arena_printf(a, "write `model: %s/latest` at the ranker that it is for, and reload", name),
                     "no pipeline uses the model '%s'", name);
}

/* ---- deploy ------------------------------------------------------------------------------------------------------------------- */

uint32_t engine_collection_number(const engine *g, const char *uuid)
{
    for (uint32_t i = 0; i < g->n_collections; i++)
        if (strcmp(g->services[i].public.uuid, uuid) == 0) return catalog_number(g->services[i].catalog);
    return 0;
}

typedef struct plan {
    const char *name;
    uint64_t version;
    model_info info;
    model_file *file; /* [n_files] as they are on disk now */
    uint32_t n_files;
    bool own;               /* a pipeline of its collection uses it: of others NAME/latest stays what it is */
    const deployment *same; /* the newest deployment, where it is this one */
} plan;

static bool same_files(const plan *p, const deployment *d)
{
    if (!d || d->version != p->version || d->n_files != p->n_files) return false;
    for (uint32_t i = 0; i < d->n_files; i++) {
        bool found = false;
        for (uint32_t k = 0; k < p->n_files; k++)
            found = found || (strcmp(d->file[i].path, p->file[k].path) == 0 && strcmp(d->file[i].sha256, p->file[k].sha256) == 0);
        if (!found) return false;
    }
    return true;
}

static sinter_status make_plan(const engine *g, const char *model, arena *a, plan *p, sinter_error *e)
{
    const snapshot *s = atomic_load(&g->snapshot);
    sinter_status st = model_parse(model, a, &p->name, &p->version, e);
    if (st) return st;
    st = model_read(s->config->server.data_dir, p->name, p->version, a, &p->info, e);
    if (st == SINTER_OK) st = model_verify(&p->info, NULL, 0, e);
    if (st == SINTER_OK) st = model_recorded(&p->info, a, &p->file, &p->n_files, e);
    if (st == SINTER_OK) st = someone_uses(s, p->name, p->info.collection_uuid, &p->own, a, e);
    if (st) return st;
    const deployment *newest = deployments_head(g->deployments, p->name);
    const deployment *own = deployments_newest_of(g->deployments, p->name, engine_collection_number(g, p->info.collection_uuid));
    /* A version once deployed stays what it was: its numbers stand in logs and in what was trained after it. */
    for (const deployment *d = newest; d; d = d->before)
        if (d->version == p->version && !same_files(p, d))
            return error_set(e, SINTER_DATA_LOSS, p->info.dir, "put the files back as they were, or train again",
                             "its files are not those of %s/%llu as it was deployed before", p->name, (unsigned long long)p->version);
    if (own && own->version == p->version) p->same = own;
    return SINTER_OK;
}

/* The record of it. */
static Sinter__Storage__V1__Deployment *deployment_of(const engine *g, const plan *p, const engine_order *o, bool rollback, arena *a)
{
    Sinter__Storage__V1__Deployment *d = ARENA_NEW(a, Sinter__Storage__V1__Deployment);
    sinter__storage__v1__deployment__init(d);
    d->name = arena_strdup(a, p->name);
    d->version = arena_printf(a, "%llu", (unsigned long long)p->version);
    d->who = arena_strdup(a, o->who ? o->who : "");
    d->why = arena_strdup(a, o->why ? o->why : "");
    d->collection = engine_collection_number(g, p->info.collection_uuid);
    d->since = p->info.since;
    d->until = p->info.until;
    d->rollback = rollback;
    d->files = ARENA_ARRAY(a, Sinter__Storage__V1__FileHash *, p->n_files + 1);
    for (uint32_t i = 0; i < p->n_files; i++) {
        Sinter__Storage__V1__FileHash *f = ARENA_NEW(a, Sinter__Storage__V1__FileHash);
        sinter__storage__v1__file_hash__init(f);
        f->path = arena_strdup(a, p->file[i].path);
        f->sha256 = arena_strdup(a, p->file[i].sha256);
        d->files[d->n_files++] = f;
    }
    return d;
}

static sinter_status deploy(engine *g, const char *model, const engine_order *o, bool rollback, arena *a, engine_changed *out,
                            sinter_error *e)
{
    plan p = {0};
    snapshot *was = atomic_load(&g->snapshot);
    sinter_status st = make_plan(g, model, a, &p, e);
    if (st) return st;
    const Sinter__Storage__V1__Deployment *d = deployment_of(g, &p, o, rollback, a);
    change c = {.kind = rollback ? SINTER__STORAGE__V1__CHANGE__KIND__KIND_ROLLBACK : SINTER__STORAGE__V1__CHANGE__KIND__KIND_DEPLOY,
                .order = o,
                .args = {.config = was->config, .config_refs = was->config_refs, .deploy_name = p.name, .deploy_version = p.version,
                         .deploy_collection = p.own ? p.info.collection_uuid : NULL},
                .deployment = &d,
                .n_deployments = 1,
                .no_record = p.same != NULL};
    out->model = model;
    st = change_make(g, &c, a, out, e);
    if (st == SINTER_OK && !o->dry_run && p.same) out->sequence = p.same->sequence;
    if (st == SINTER_OK && !o->dry_run)
        log_info("model.deploy", "%s %s by record %llu%s%s", model, rollback ? "taken back to" : "deployed",
                 (unsigned long long)out->sequence, o->who && *o->who ? ", by " : "", o->who ? o->who : "");
    return st;
}

/* The server lost nothing: what it was asked to deploy is not fit for it. */
static sinter_status unfit(sinter_status st)
{
    return st == SINTER_DATA_LOSS ? SINTER_PRECONDITION : st;
}

sinter_status engine_deploy(engine *g, const char *model, const engine_order *o, arena *a, engine_changed *out, sinter_error *e)
{
    return unfit(deploy(g, model, o, false, a, out, e));
}

sinter_status engine_rollback_model(engine *g, const char *name, const engine_order *o, arena *a, engine_changed *out, sinter_error *e)
{
    const snapshot *s = atomic_load(&g->snapshot);
    bool own;
    sinter_status st = someone_uses(s, name, "", &own, a, e);
    if (st) return st;
    const deployment *now = deployments_newest(g->deployments, name), *to = now ? now->under : NULL;
    while (to && (!to->version || to->version == now->version)) to = to->under;
    if (!to)
        return error_set(e, SINTER_PRECONDITION, "model", "`sinter model list` shows the versions; `sinter model deploy` takes any",
                         now ? "nothing was deployed before %.64s/%llu" : "nothing of '%.64s' is deployed", name,
                         now ? (unsigned long long)now->version : 0);
    return unfit(deploy(g, arena_printf(a, "%s/%llu", name, (unsigned long long)to->version), o, true, a, out, e));
}

/* ---- list --------------------------------------------------------------------------------------------------------------------- */

typedef struct user_list {
    const char *model;
    arena *a;
    Sinter__V1__ModelInfo *out;
    size_t room;
} user_list;

static void note_user(void *ctx, const snap_pipeline *p, const snap_use *u)
{
    user_list *x = ctx;
    if (!u->model || strcmp(u->model, x->model) != 0) return;
    if (x->out->n_used_by == x->room) {
        char **more = ARENA_ARRAY(x->a, char *, x->room = x->room ? x->room * 2 : 8);
        if (x->out->n_used_by) memcpy(more, x->out->used_by, x->out->n_used_by * sizeof *more);
        x->out->used_by = more;
    }
    x->out->used_by[x->out->n_used_by++] = arena_printf(x->a, "%s.%s", p->config->name, u->name);
}

static void fill_metrics(const model_info *m, arena *a, Sinter__V1__ModelInfo *out)
{
    out->metrics = ARENA_ARRAY(a, Sinter__V1__ModelInfo__MetricsEntry *, m->n_metrics + 1);
    for (uint32_t i = 0; i < m->n_metrics; i++) {
        Sinter__V1__ModelInfo__MetricsEntry *x = ARENA_NEW(a, Sinter__V1__ModelInfo__MetricsEntry);
        sinter__v1__model_info__metrics_entry__init(x);
        x->key = arena_strdup(a, m->metric[i].name);
        x->value = m->metric[i].value;
        out->metrics[out->n_metrics++] = x;
    }
}

static void add_names(arena *a, const char *kind, const model_names *names, Sinter__V1__ModelInfo *out)
{
    for (uint32_t i = 0; i < names->n; i++) out->features[out->n_features++] = arena_printf(a, "%s %s", kind, names->name[i]);
}

/* What it is made from and of: all that two versions may differ in. */
static void fill_making(const model_info *m, arena *a, Sinter__V1__ModelInfo *out)
{
    out->plugin_version = arena_strdup(a, m->plugin_version);
    out->plugin_sha256 = arena_strdup(a, m->plugin_sha256);
    out->role = arena_strdup(a, m->role);
    out->use = arena_strdup(a, m->use);
    out->options = arena_strdup(a, m->options);
    out->seed = m->seed;
    out->ordinals = m->ordinals;
    out->parent = arena_strdup(a, m->parent);
    size_t n = (size_t)m->feature.n + m->id_feature.n + m->context.n + m->prior.n + m->vector.n + m->history_side.n + m->ranker.n;
    out->features = ARENA_ARRAY(a, char *, n + 1);
    add_names(a, "feature", &m->feature, out);
    add_names(a, "id", &m->id_feature, out);
    add_names(a, "context", &m->context, out);
    add_names(a, "score", &m->prior, out);
    add_names(a, "vector", &m->vector, out);
    add_names(a, "history", &m->history_side, out);
    add_names(a, "ranker", &m->ranker, out);
    out->files = ARENA_ARRAY(a, Sinter__V1__ModelFile *, m->n_files + 1);
    for (uint32_t i = 0; i < m->n_files; i++) {
        Sinter__V1__ModelFile *f = ARENA_NEW(a, Sinter__V1__ModelFile);
        sinter__v1__model_file__init(f);
        f->path = arena_strdup(a, m->file[i].path);
        f->sha256 = arena_strdup(a, m->file[i].sha256);
        out->files[out->n_files++] = f;
    }
}

static Sinter__V1__ModelInfo *describe(const engine *g, const snapshot *s, const char *name, uint64_t version, arena *a)
{
    Sinter__V1__ModelInfo *out = ARENA_NEW(a, Sinter__V1__ModelInfo);
    sinter_error e = SINTER_ERROR_INIT;
    char line[1600];
    model_info m;
    const deployment *same = deployments_newest(g->deployments, name);
    sinter__v1__model_info__init(out);
    out->name = arena_strdup(a, name);
    out->version = arena_printf(a, "%llu", (unsigned long long)version);
    while (same && same->version != version) same = same->before;
    sinter_status st = model_read(s->config->server.data_dir, name, version, a, &m, &e);
    if (st == SINTER_OK) {
        out->plugin = arena_strdup(a, m.plugin);
        out->collection = arena_strdup(a, m.collection);
        out->since = m.since;
        out->until = m.until;
        fill_metrics(&m, a, out);
        fill_making(&m, a, out);
        out->trained = timestamp_new(a, m.trained_ms);
        st = model_verify(&m, same ? same->file : NULL, same ? same->n_files : 0, &e);
    }
    if (st) out->fault = arena_strdup(a, error_line(&e, line, sizeof line));
    out->bytes = model_bytes(model_dir(s->config->server.data_dir, name, version, a));
    out->deployed = same && deployments_newest_of(g->deployments, name, same->collection) == same;
    user_list users = {.model = arena_printf(a, "%s/%llu", name, (unsigned long long)version), .a = a, .out = out};
    snapshot_uses(s, note_user, &users);
    return out;
}

sinter_status engine_models(engine *g, const char *name, arena *a, Sinter__V1__ListModelsResponse *out, sinter_error *e)
{
    const snapshot *s = atomic_load(&g->snapshot);
    const char *data_dir = s->config->server.data_dir, **names;
    uint32_t n, found = 0;
    size_t room = 0;
    sinter_status st = model_all_names(data_dir, a, &names, &n, e);
    for (uint32_t i = 0; i < n && st == SINTER_OK; i++) {
        uint64_t *version;
        uint32_t versions = 0;
        if (name && *name && strcmp(name, names[i]) != 0) continue;
        found++;
        st = model_versions(data_dir, names[i], a, &version, &versions, e);
        for (uint32_t v = 0; v < versions && st == SINTER_OK; v++) {
            if (out->n_models == room) {
                Sinter__V1__ModelInfo **more = ARENA_ARRAY(a, Sinter__V1__ModelInfo *, room = room ? room * 2 : 16);
                if (out->n_models) memcpy(more, out->models, out->n_models * sizeof *more);
                out->models = more;
            }
            out->models[out->n_models++] = describe(g, s, names[i], version[v], a);
        }
    }
    if (st || found || !name || !*name) return st;
    const char *near = near_name(name, names, n);
    return error_set(e, SINTER_NOT_FOUND, "name", near ? arena_printf(a, "did you mean '%s'?", near) : "`sinter model list` shows all",
                     "no model is called '%.100s'", name);
}
