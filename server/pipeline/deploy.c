/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Deploying a model, and telling which there are. On the control thread.
 *
 * The order makes nothing half-applied: the new snapshot is built and its golden cases hold before the record is appended, and it
 * is published only once the record is on disk. */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

/* ---- uses of a model -------------------------------------------------------------------------------------------------------- */

typedef struct name_search {
    const char *wanted;
    bool found;
    const char *near[64]; /* names of models that pipelines use */
    uint32_t n;
    arena *a;
} name_search;

static void look_for_name(void *ctx, const snap_pipeline *p, const snap_use *u)
{
    name_search *x = ctx;
    (void)p;
    const char *name = u->config ? model_named(u->config->model, x->a, NULL) : NULL;
    if (!name) return;
    if (strcmp(name, x->wanted) == 0) x->found = true;
    if (x->n < ARRAY_LEN(x->near)) x->near[x->n++] = name;
}

/* A model that nobody would open could not be checked. */
static sinter_status someone_uses(const snapshot *s, const char *name, arena *a, sinter_error *e)
{
    name_search x = {.wanted = name, .a = a};
    snapshot_uses(s, look_for_name, &x);
    if (x.found) return SINTER_OK;
    const char *near = near_name(name, x.near, x.n);
    return error_set(e, SINTER_PRECONDITION, NULL,
                     near ? arena_printf(a, "did you mean '%s'?", near)
                          : arena_printf(a, "write `model: %s/latest` at the ranker that it is for, and reload", name),
                     "no pipeline uses the model '%s'", name);
}

/* ---- deploy ------------------------------------------------------------------------------------------------------------------- */

static uint32_t collection_number(const engine *g, const char *uuid)
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
    if (st == SINTER_OK) st = someone_uses(s, p->name, a, e);
    if (st) return st;
    const deployment *newest = deployments_newest(g->deployments, p->name);
    /* A version once deployed stays what it was: its numbers stand in logs and in what was trained after it. */
    for (const deployment *d = newest; d; d = d->before)
        if (d->version == p->version && !same_files(p, d))
            return error_set(e, SINTER_DATA_LOSS, p->info.dir, "put the files back as they were, or train again",
                             "its files are not those of %s/%llu as it was deployed before", p->name, (unsigned long long)p->version);
    if (newest && newest->version == p->version) p->same = newest;
    return SINTER_OK;
}

/* The record, and into the table what it says. */
static sinter_status record(engine *g, const plan *p, const char *who, const char *why, arena *a, uint64_t *sequence, sinter_error *e)
{
    Sinter__Storage__V1__Deployment d = SINTER__STORAGE__V1__DEPLOYMENT__INIT;
    Sinter__Storage__V1__Record rec = SINTER__STORAGE__V1__RECORD__INIT;
    d.name = arena_strdup(a, p->name);
    d.version = arena_printf(a, "%llu", (unsigned long long)p->version);
    d.who = arena_strdup(a, who ? who : "");
    d.why = arena_strdup(a, why ? why : "");
    d.collection = collection_number(g, p->info.collection_uuid);
    d.since = p->info.since;
    d.until = p->info.until;
    d.files = ARENA_ARRAY(a, Sinter__Storage__V1__FileHash *, p->n_files + 1);
    for (uint32_t i = 0; i < p->n_files; i++) {
        Sinter__Storage__V1__FileHash *f = ARENA_NEW(a, Sinter__Storage__V1__FileHash);
        sinter__storage__v1__file_hash__init(f);
        f->path = arena_strdup(a, p->file[i].path);
        f->sha256 = arena_strdup(a, p->file[i].sha256);
        d.files[d.n_files++] = f;
    }
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_DEPLOYMENT;
    rec.deployment = &d;
    size_t n = sinter__storage__v1__record__get_packed_size(&rec);
    uint8_t *bytes = arena_alloc(a, n + 1);
    sinter__storage__v1__record__pack(&rec, bytes);
    const journal_op op = {.kind = JOURNAL_RECORD, .collection = d.collection, .bytes = {(const char *)bytes, n}};
    const journal_write w = {.op = &op, .n = 1, .fence = UINT64_MAX};
    journal_result r;
    sinter_status st = journal_append_wait(g->journal, &w, &r, e);
    if (st) return st;
    *sequence = r.sequence;
    deployments_add(g->deployments, &d, r.sequence, clock_wall_ms());
    return SINTER_OK;
}

sinter_status engine_deploy(engine *g, const char *model, const char *who, const char *why, bool dry_run, buffer *changes,
                            engine_deployed *out, sinter_error *e)
{
    arena *a = arena_new(1 << 14);
    plan p = {0};
    snapshot *was = atomic_load(&g->snapshot), *is = NULL;
    *out = (engine_deployed){0};
    sinter_status st = make_plan(g, model, a, &p, e);
    snapshot_args args = {.config = was->config, .config_refs = was->config_refs, .deploy_name = p.name,
                          .deploy_version = p.version};
    if (st == SINTER_OK) st = engine_build(g, &args, &is, e);
    if (st == SINTER_OK) {
        snapshot_changes(was, is, changes);
        out->golden_cases = is->golden_cases;
        if (p.same)
            out->sequence = p.same->sequence;
        else if (!dry_run)
            st = record(g, &p, who, why, a, &out->sequence, e);
        if (st || dry_run) {
            engine_discard(g, is);
            if (dry_run) out->sequence = 0;
        } else {
            engine_publish(g, is);
            log_info("model.deploy", "%s deployed by record %llu%s%s", model, (unsigned long long)out->sequence,
                     who && *who ? ", by " : "", who ? who : "");
        }
    }
    arena_free(a);
    /* The server lost nothing: what it was asked to deploy is not fit for it. */
    if (st == SINTER_DATA_LOSS) st = SINTER_PRECONDITION;
    return st;
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

static Sinter__V1__ModelInfo *describe(const engine *g, const snapshot *s, const char *name, uint64_t version, arena *a)
{
    Sinter__V1__ModelInfo *out = ARENA_NEW(a, Sinter__V1__ModelInfo);
    sinter_error e = SINTER_ERROR_INIT;
    char line[1600];
    model_info m;
    const deployment *d = deployments_newest(g->deployments, name), *same = d;
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
        out->trained = ARENA_NEW(a, Google__Protobuf__Timestamp);
        *out->trained = timestamp_of(m.trained_ms);
        st = model_verify(&m, same ? same->file : NULL, same ? same->n_files : 0, &e);
    }
    if (st) out->fault = arena_strdup(a, error_line(&e, line, sizeof line));
    out->bytes = model_bytes(model_dir(s->config->server.data_dir, name, version, a));
    out->deployed = d && d->version == version;
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
