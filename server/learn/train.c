/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A training run, from a name in a pipeline to a model directory. */
#include "train.h"

#include <cblas.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { METRICS_MOST = 64, LANES = 1 };

typedef struct run {
    const train_spec *spec;
    train_result *out;
    arena *a;
    train_target target;
    train_ground ground;
    train_place place;
    train_identity id;
    plugin_host *host;
    const plugin_library *library;
    pipeline_services *services;
    sinter_collection collection;
    plugin_instance *trainer;
    dataset_result data;
    bool has_data;
    uint32_t threads;
    uint64_t memory_limit, started_ns;
    model_metric metric[METRICS_MOST];
    uint32_t n_metrics;
} run;

/* ---- the plugin ------------------------------------------------------------------------------------------------------------------ */

static void defaults(run *r)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN), pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    r->threads = r->spec->threads ? r->spec->threads : cores > 0 ? (uint32_t)cores : 1;
    r->memory_limit = r->spec->memory_limit ? r->spec->memory_limit
                      : pages > 0 && page > 0 ? (uint64_t)pages / 2 * (uint64_t)page
                                              : UINT64_C(2) << 30;
    r->started_ns = clock_mono_ns();
    openblas_set_num_threads((int)r->threads);
}

static sinter_status load(run *r, sinter_error *e)
{
    const config_use *use = r->target.use;
    sinter_status s = plugin_host_new(r->place.plugins, LANES, &r->host, e);
    if (s == SINTER_OK) s = plugin_load(r->host, &r->spec->config->server, use, NULL, 0, &r->library, e);
    if (s != SINTER_OK) return s;
    const plugin_role roles[] = {PLUGIN_TRAINER, r->target.role};
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if (!plugin_has_role(r->library, roles[i]))
            return conf_error(e, use->at, "`sinter plugin list` shows what each plugin can do", "plugin '%s' is no %s",
                              r->library->name, PLUGIN_ROLE_NAMES[roles[i]]);
    return SINTER_OK;
}

static plugin_open_args open_args(run *r, plugin_role role, const char *model)
{
    return (plugin_open_args){.role = role,
                              .use = r->target.label,
                              .config = r->target.use,
                              .model_dir = model,
                              .collection = &r->collection,
                              .services = pipeline_services_table(r->services)};
}

static sinter_status open_trainer(run *r, sinter_error *e)
{
    r->services = pipeline_services_new(r->target.collection);
    r->collection = (sinter_collection){.size = sizeof r->collection, .name = r->target.collection->name, .uuid = r->ground.uuid,
                                        .n_items = r->ground.ordinals};
    plugin_open_args args = open_args(r, PLUGIN_TRAINER, NULL);
    return plugin_open(r->host, r->library, &args, &r->trainer, e);
}

/* ---- the dataset ----------------------------------------------------------------------------------------------------------------- */

static void reading(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    const run *r = ctx;
    const train_progress p = {.what = what, .done = done, .total = total};
    if (r->spec->progress) r->spec->progress(r->spec->progress_ctx, &p);
}

/* Stages of the collection's other pipelines with the very same rankers: what they served teaches a fusion as well. */
static struct dataset_stage *stages_alike(const run *r, uint32_t *n)
{
    const config *c = r->spec->config;
    const train_target *t = &r->target;
    struct dataset_stage *out = ARENA_ARRAY(r->a, struct dataset_stage, c->n_pipelines + 1);
    for (uint32_t i = 0; i < c->n_pipelines; i++) {
        const config_pipeline *p = &c->pipeline[i];
        if (p == t->pipeline || (strcmp(p->collection, t->collection->name) != 0 && strcmp(p->collection, t->pipeline->collection) != 0)) continue;
        for (uint32_t k = p->n_stages; k-- > 0;)
            if (config_same_rankers(&p->stage[k], t->stage)) {
                out[(*n)++] = (struct dataset_stage){p->name, p->stage[k].name};
                break;
            }
    }
    return out;
}

static sinter_status build_dataset(run *r, sinter_error *e)
{
    const train_target *t = &r->target;
    const sinter_inputs *in = plugin_instance_inputs(r->trainer);
    if (!(in->dataset & (SINTER_DATASET_INTERACTIONS | SINTER_DATASET_REQUESTS | SINTER_DATASET_WHOLE_REQUESTS)))
        return error_set(e, SINTER_INTERNAL, t->label, "report it to the plugin's author",
                         "opened as a trainer, the plugin '%s' asks for no dataset", r->library->name);
    uint32_t n_alike = 0;
    const struct dataset_stage *alike = stages_alike(r, &n_alike);
    const dataset_spec spec = {.collection = t->collection,
                               .data_dir = r->spec->config->server.data_dir,
                               .since = r->id.since,
                               .until = r->id.until,
                               .inputs = in,
                               .pipeline = t->pipeline->name,
                               .stage = t->stage->name,
                               .alike = alike,
                               .n_alike = n_alike,
                               .ranker = t->role == PLUGIN_FUSION ? t->ranker : NULL,
                               .n_rankers = t->role == PLUGIN_FUSION ? t->n_rankers : 0,
                               .scratch = r->place.scratch,
                               .memory_limit = r->memory_limit,
                               .where = t->where,
                               .progress = reading,
                               .progress_ctx = r};
    sinter_status s = dataset_build(&spec, &r->data, e);
    if (s != SINTER_OK) return s;
    r->has_data = true;
    r->out->report = r->data.report;
    pipeline_services_catalog(r->services, r->data.catalog);
    return SINTER_OK;
}

/* ---- training -------------------------------------------------------------------------------------------------------------------- */

static void keep_metric(run *r, const char *name, double value)
{
    uint32_t k = 0;
    while (k < r->n_metrics && strcmp(r->metric[k].name, name) != 0) k++;
    if (k == METRICS_MOST) return;
    if (k == r->n_metrics) r->metric[r->n_metrics++].name = arena_strdup(r->a, name);
    r->metric[k].value = value;
}

static bool step(void *ctx, uint64_t done, uint64_t total, const char *name, double value)
{
    run *r = ctx;
    const train_progress p = {.training = true, .done = done, .total = total, .metric = name, .value = value};
    if (name) keep_metric(r, name, value);
    return r->spec->progress && r->spec->progress(r->spec->progress_ctx, &p);
}

static sinter_status train(run *r, sinter_error *e)
{
    const sinter_collection then = {.size = sizeof then, .name = r->collection.name, .uuid = r->collection.uuid,
                                    .n_items = (uint32_t)r->data.report.items};
    arena *memory = arena_new(1 << 16), *scratch = arena_new(1 << 12);
    plugin_call call = {.memory = memory, .scratch = scratch};
    const sinter_train_args args = {.collection = &then,
                                    .data = &DATASET_TABLE,
                                    .train = r->data.train,
                                    .valid = r->data.valid,
                                    .out_dir = r->place.run,
                                    .resume_dir = r->place.resumed ? r->place.before : NULL,
                                    .seed = r->id.seed,
                                    .memory_limit = r->memory_limit,
                                    .threads = r->threads,
                                    .now_ms = r->data.now_ms,
                                    .ranker = r->target.ranker_name,
                                    .n_rankers = r->target.role == PLUGIN_FUSION ? r->target.n_rankers : 0,
                                    .progress_ctx = r,
                                    .progress = step};
    sinter_status s = plugin_train(r->trainer, &call, &args, e);
    arena_free(memory);
    arena_free(scratch);
    for (uint32_t i = 0; i < r->n_metrics && s == SINTER_OK; i++)
        if (!isfinite(r->metric[i].value))
            s = error_set(e, SINTER_PRECONDITION, r->target.where, "lower the learning rate, or look for extreme values in the features",
                          "training came to no number: %s is %g", r->metric[i].name, r->metric[i].value);
    return s;
}

/* ---- the model ------------------------------------------------------------------------------------------------------------------- */

static void data_metrics(run *r)
{
    const dataset_report *p = &r->data.report;
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {{"data.users", p->users},
                  {"data.items", p->items},
                  {"data.train_interactions", p->interactions[0]},
                  {"data.valid_interactions", p->interactions[1]},
                  {"data.train_requests", p->requests[0]},
                  {"data.valid_requests", p->requests[1]},
                  {"data.train_positive", p->positive[0]},
                  {"data.valid_positive", p->positive[1]}};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        if (counts[i].value) keep_metric(r, counts[i].name, (double)counts[i].value);
}

static sinter_status open_model(run *r, plugin_instance **out, sinter_error *e)
{
    plugin_open_args args = open_args(r, r->target.role, r->place.run);
    sinter_status s = plugin_open(r->host, r->library, &args, out, e);
    if (s == SINTER_OK && r->target.role == PLUGIN_FUSION) {
        s = plugin_check_rankers(*out, r->target.ranker_name, r->target.n_rankers, r->target.use->at, e);
        if (s != SINTER_OK) plugin_instance_release(r->host, *out);
    }
    return s;
}

/* Scores them with the fresh model, keeps them, and asks a second opening of it for the same scores. */
static sinter_status golden(run *r, model_info *m, sinter_error *e)
{
    golden_case *c;
    uint32_t n;
    plugin_instance *i;
    sinter_status s = open_model(r, &i, e);
    if (s != SINTER_OK) return s;
    const sinter_inputs *in = plugin_instance_inputs(i);
    model_take_inputs(m, in);
    /* The lists live in the instance, which closes before they are written. */
    model_names *lists[] = {&m->feature, &m->id_feature, &m->context, &m->prior, &m->vector, &m->history_side};
    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        const char **copy = ARENA_ARRAY(r->a, const char *, lists[k]->n + 1);
        for (uint32_t x = 0; x < lists[k]->n; x++) copy[x] = arena_strdup(r->a, lists[k]->name[x]);
        lists[k]->name = copy;
    }
    sinter_inputs wanted = *in;
    wanted.dataset = plugin_instance_inputs(r->trainer)->dataset;
    s = golden_cases_make(&wanted, r->target.role, pipeline_services_table(r->services), &r->data, r->a, &c, &n, e);
    if (s == SINTER_OK) s = golden_score(i, 0, c, n, r->a, e);
    plugin_instance_release(r->host, i);
    if (s == SINTER_OK) s = golden_write(r->place.run, c, n, e);
    if (s == SINTER_OK) s = open_model(r, &i, e);
    if (s != SINTER_OK) return s;
    s = golden_check(i, 0, r->place.run, &r->out->golden_cases, e);
    plugin_instance_release(r->host, i);
    return s;
}

static sinter_status describe(run *r, model_info *m, sinter_error *e)
{
    const train_target *t = &r->target;
    m->name = t->name;
    m->plugin = arena_strdup(r->a, r->library->name);
    m->plugin_version = arena_strdup(r->a, r->library->version);
    m->plugin_sha256 = arena_strdup(r->a, r->library->sha256);
    m->abi_major = r->library->table->abi_major;
    m->abi_minor = r->library->table->abi_minor;
    m->role = PLUGIN_ROLE_NAMES[t->role];
    m->use = arena_strdup(r->a, t->label);
    m->collection = arena_strdup(r->a, t->collection->name);
    m->collection_uuid = arena_strdup(r->a, r->ground.uuid);
    m->ordinals = r->data.report.items;
    m->options = r->id.options;
    if (t->role == PLUGIN_FUSION) m->ranker = (model_names){t->ranker_name, t->n_rankers};
    m->since = r->id.since;
    m->until = r->id.until;
    m->trained_ms = clock_wall_ms();
    m->seconds = (double)(clock_mono_ns() - r->started_ns) / 1e9;
    m->seed = r->id.seed;
    m->threads = r->threads;
    m->parent = r->ground.newest_version ? arena_printf(r->a, "%s/%" PRIu64, t->name, r->ground.newest_version) : "";
    data_metrics(r);
    m->metric = r->metric;
    m->n_metrics = r->n_metrics;
    return model_hash_files(r->place.run, r->a, &m->file, &m->n_files, e);
}

static sinter_status make_model(run *r, sinter_error *e)
{
    const char *data_dir = r->spec->config->server.data_dir;
    model_info m = {0};
    uint64_t version;
    sinter_status s = golden(r, &m, e);
    if (s == SINTER_OK) s = describe(r, &m, e);
    if (s == SINTER_OK) s = model_write(r->place.run, &m, e);
    if (s == SINTER_OK) s = model_commit(data_dir, r->target.name, r->place.run, r->ground.highest_version, &version, e);
    /* Read back: what is told is what stands there. */
    if (s == SINTER_OK) s = model_read(data_dir, r->target.name, version, r->out->memory, &r->out->model, e);
    return s;
}

/* ---- the run --------------------------------------------------------------------------------------------------------------------- */

static sinter_status identify(run *r, sinter_error *e)
{
    const train_spec *s = r->spec;
    r->id = (train_identity){.since = r->ground.since, .until = r->ground.until, .seed = s->seed ? s->seed : 1,
                             .options = model_options_hash(r->target.use, r->a), .plugin_sha256 = r->library->sha256,
                             .label = r->target.label};
    return place_identify(&r->place, &r->id, s->since || s->until, s->seed != 0, r->a, e);
}

static sinter_status steps(run *r, sinter_error *e)
{
    sinter_status s = target_ground(r->spec, &r->target, r->a, &r->ground, e);
    if (s == SINTER_OK) s = place_take(r->spec->config->server.data_dir, r->target.name, r->spec->resume, &r->place, e);
    if (s == SINTER_OK) s = load(r, e);
    if (s == SINTER_OK) s = identify(r, e);
    if (s == SINTER_OK) s = open_trainer(r, e);
    if (s == SINTER_OK) s = build_dataset(r, e);
    if (s == SINTER_OK) s = train(r, e);
    if (s == SINTER_OK) s = make_model(r, e);
    return s;
}

sinter_status train_run(const train_spec *spec, train_result *out, sinter_error *e)
{
    sinter_error own = SINTER_ERROR_INIT;
    if (!e) e = &own;
    run *r = xcalloc(1, sizeof *r);
    *out = (train_result){.memory = arena_new(1 << 14)};
    r->spec = spec;
    r->out = out;
    r->a = out->memory;
    r->place.lock = -1;
    defaults(r);
    sinter_status s = target_find(spec, r->a, &r->target, e);
    if (s == SINTER_OK) s = steps(r, e);
    out->resumed = r->place.resumed;
    if (r->trainer) plugin_instance_release(r->host, r->trainer);
    if (r->library) plugin_library_release(r->host, r->library);
    if (r->host) plugin_host_free(r->host);
    if (r->has_data) dataset_free(&r->data);
    if (r->services) pipeline_services_free(r->services);
    if (r->place.base) place_leave(&r->place, s == SINTER_OK);
    free(r);
    return s;
}

void train_result_free(train_result *r)
{
    if (r->memory) arena_free(r->memory);
    *r = (train_result){0};
}
