/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Building a snapshot: open every plugin that a configuration names, resolve every feature, refuse what does not fit with
 * file:line:column. Nothing is published here; an error frees all of it. */
#include "models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct builder {
    const snapshot_args *args;
    snapshot *s;
    arena *a;
    snap_pipeline *p; /* being built */
    const snap_stage *fused; /* while its fusion is opened */
    services_context *services;
    feature_scope scope;
    uint64_t hash;
} builder;

static void mix(builder *b, const void *p, size_t n)
{
    b->hash = hash64_seed(p, n, b->hash);
}

/* A configuration's content, whatever its comments and line breaks; depth is bounded by the parser. */
static uint64_t hash_node(const conf_node *n, uint64_t h)
{
    if (!n) return h;
    h = hash64_seed(&n->kind, sizeof n->kind, h);
    if (n->kind == CONF_SCALAR) return hash64_seed(n->text, strlen(n->text), h);
    for (uint32_t i = 0; i < n->n; i++) {
        if (n->kind == CONF_MAP) h = hash_node(n->key[i], h);
        h = hash_node(n->value[i], h);
    }
    return h;
}

static void keep_library(snapshot *s, const plugin_library *l)
{
    if (s->n_libraries == s->cap_libraries) {
        s->cap_libraries = s->cap_libraries ? s->cap_libraries * 2 : 16;
        s->library = xrealloc(s->library, s->cap_libraries * sizeof *s->library);
    }
    s->library[s->n_libraries++] = l;
}

static void keep_instance(snapshot *s, plugin_instance *i)
{
    if (s->n_instances == s->cap_instances) {
        s->cap_instances = s->cap_instances ? s->cap_instances * 2 : 16;
        s->instance = xrealloc(s->instance, s->cap_instances * sizeof *s->instance);
    }
    s->instance[s->n_instances++] = i;
}

static sinter_status open_model(builder *b, const config_use *use, plugin_role role, const char *label, snap_use *out,
                                sinter_error *e)
{
    const model_use m = {.args = b->args,
                         .data_dir = b->s->config->server.data_dir,
                         .use = use,
                         .role = role,
                         .ranker = b->fused ? b->fused->ranker_name : NULL,
                         .n_rankers = b->fused ? b->fused->n_rankers : 0,
                         .services = b->services,
                         .label = label,
                         .train = role == PLUGIN_FUSION ? arena_printf(b->a, "%s.fuse", b->p->config->name) : label,
                         .a = b->a,
                         .golden_cases = &b->s->golden_cases};
    sinter_status st = model_use_open(&m, out, e);
    if (st) return st;
    if (out->model) mix(b, out->model, strlen(out->model));
    if (out->instance) keep_instance(b->s, out->instance);
    return SINTER_OK;
}

const sinter_inputs *snap_inputs(const snap_use *use)
{
    if (use->instance) return plugin_instance_inputs(use->instance);
    return use->trainer ? plugin_instance_inputs(use->trainer) : NULL;
}

static sinter_status at_use(const config_use *use, sinter_status st, sinter_error *e)
{
    if (st) error_where(e, "%s:%u:%u", use->at->file, use->at->line, use->at->column);
    return st;
}

/* What it wants of the person's history. Of the history's items only what is their own can be told: they are no candidates. */
static sinter_status resolve_history(builder *b, snap_use *use, sinter_error *e)
{
    const sinter_inputs *in = snap_inputs(use);
    use->history = in->history;
    use->side = ARENA_ARRAY(b->a, feature, in->n_history_side);
    for (uint32_t i = 0; i < in->n_history_side; i++) {
        feature *f = &use->side[use->n_side++];
        sinter_status st = feature_resolve(&b->scope, arena_strdup(b->a, in->history_side[i]), f, e);
        if (st) return at_use(use->config, st, e);
        if (!feature_of_item(f))
            return conf_error(e, use->config->at, "ask for fields of items, such as item.price, or for events.TYPE",
                              "'%s' wants '%s' of the items of a history, which have none", use->name, f->name);
    }
    return SINTER_OK;
}

/* A fusion that nobody trained yet may still fuse in a plain way of its own, which beats the order of recall. */
static bool open_untrained(builder *b, plugin_open_args args, snap_use *out)
{
    sinter_error ignored = SINTER_ERROR_INIT;
    args.role = PLUGIN_FUSION;
    if (plugin_open(b->args->host, out->library, &args, &out->instance, &ignored)) return false;
    keep_instance(b->s, out->instance);
    return true;
}

/* At start a kept build that cannot be loaded costs the swap, said loudly; at any other time the change is refused. */
static sinter_status load_library(builder *b, const config_use *use, snap_use *out, sinter_error *e)
{
    const snapshot_args *args = b->args;
    sinter_error own = SINTER_ERROR_INIT;
    char line[1600];
    if (!e) e = &own;
    sinter_status st = plugin_load(args->host, &b->s->config->server, use, args->override, args->n_overrides, &out->library, e);
    if (st == SINTER_OK || !args->at_start || !args->n_overrides) return st;
    error_line(e, line, sizeof line);
    *e = (sinter_error)SINTER_ERROR_INIT;
    st = plugin_load(args->host, &b->s->config->server, use, NULL, 0, &out->library, e);
    if (st == SINTER_OK && args->warnings)
        buffer_printf(args->warnings, "the build of '%s' that was swapped in cannot be used, the configured file serves: %s\n",
                      plugin_key(use), line);
    return st;
}

static sinter_status open_use(builder *b, const config_use *use, plugin_role role, snap_use *out, sinter_error *e)
{
    *out = (snap_use){.config = use, .name = use->name, .number = b->s->n_uses++};
    sinter_status st = load_library(b, use, out, e);
    if (st) return st;
    keep_library(b->s, out->library);
    mix(b, out->library->sha256, 64);
    if (!plugin_has_role(out->library, role))
        return conf_error(e, use->at, "`sinter plugin list` shows what each plugin can do", "plugin '%s' is no %s",
                          out->library->name, PLUGIN_ROLE_NAMES[role]);
    const char *label = arena_printf(b->a, "%s.%s", b->p->config->name, use->name);
    if (use->model && (st = open_model(b, use, role, label, out, e))) return st;
    if (out->instance) return resolve_history(b, out, e);
    if (out->disabled && !plugin_has_role(out->library, PLUGIN_TRAINER)) return SINTER_OK;
    plugin_open_args args = {.role = out->disabled ? PLUGIN_TRAINER : role,
                             .use = label,
                             .config = use,
                             .collection = &b->services->public,
                             .services = &b->services->table};
    if (out->disabled && role == PLUGIN_FUSION && open_untrained(b, args, out)) return resolve_history(b, out, e);
    plugin_instance **instance = out->disabled ? &out->trainer : &out->instance;
    st = plugin_open(b->args->host, out->library, &args, instance, e);
    if (st) return st;
    keep_instance(b->s, *instance);
    return resolve_history(b, out, e);
}

/* Index of a feature in a growing union, adding it when new. */
static sinter_status union_add(builder *b, feature **list, uint32_t *n, uint32_t cap, const char *name, const config_use *use,
                               uint32_t *index, sinter_error *e)
{
    for (uint32_t i = 0; i < *n; i++)
        if (strcmp((*list)[i].name, name) == 0) {
            *index = i;
            return SINTER_OK;
        }
    if (*n == cap) return conf_error(e, use->at, "split the stage", "more than %u features in one stage", cap);
    feature f;
    sinter_status st = feature_resolve(&b->scope, arena_strdup(b->a, name), &f, e);
    if (st) return at_use(use, st, e);
    (*list)[*n] = f;
    *index = (*n)++;
    return SINTER_OK;
}

#define STAGE_FEATURES 4096u

static sinter_status resolve_context(builder *b, const sinter_inputs *in, const config_use *use, feature **out, uint32_t *n,
                                     sinter_error *e)
{
    *n = in->n_context;
    *out = ARENA_ARRAY(b->a, feature, in->n_context);
    for (uint32_t i = 0; i < in->n_context; i++) {
        sinter_status st = feature_resolve(&b->scope, arena_strdup(b->a, in->context[i]), &(*out)[i], e);
        if (st) return at_use(use, st, e);
        if (!(*out)[i].per_request)
            return conf_error(e, use->at, "ask for it as a feature", "context '%s' differs by candidate", in->context[i]);
    }
    return SINTER_OK;
}

static sinter_status resolve_ids(builder *b, const sinter_inputs *in, snap_ranker *r, sinter_error *e)
{
    r->id = ARENA_ARRAY(b->a, id_feature, in->n_id_features);
    for (; r->n_ids < in->n_id_features; r->n_ids++) {
        const char *name = arena_strdup(b->a, in->id_feature[r->n_ids]);
        sinter_status st = id_feature_resolve(&b->scope, name, &r->id[r->n_ids], e);
        if (st) return at_use(r->use.config, st, e);
    }
    return SINTER_OK;
}

static sinter_status resolve_vectors(builder *b, const sinter_inputs *in, snap_ranker *r, sinter_error *e)
{
    r->n_vectors = in->n_vectors;
    r->vector = in->vector;
    for (uint32_t i = 0; i < in->n_vectors; i++) {
        const catalog_field *f = catalog_find_field(b->services->catalog, in->vector[i]);
        if (!f || f->type != FIELD_VECTOR)
            return conf_error(e, r->use.config->at, f ? "choose another field" : "declare it in the collection",
                              "'%s' wants the vector field '%s', which is %s", r->use.name, in->vector[i],
                              f ? FIELD_TYPE_NAMES[f->type] : "unknown");
    }
    return SINTER_OK;
}

static sinter_status resolve_prior(builder *b, const sinter_inputs *in, snap_ranker *r, sinter_error *e)
{
    r->n_prior = in->n_prior;
    r->prior = ARENA_ARRAY(b->a, uint32_t, in->n_prior);
    for (uint32_t i = 0; i < in->n_prior; i++) {
        uint32_t k = 0;
        while (k < r->number && strcmp(b->p->ranker_name[k], in->prior[i]) != 0) k++;
        if (k == r->number) {
            const char *near = near_name(in->prior[i], b->p->ranker_name, r->number);
            return conf_error(e, r->use.config->at, near ? near : "name a ranker that stands before it",
                              "'%s' wants the scores of '%s', which is no earlier ranker of this pipeline", r->use.name,
                              in->prior[i]);
        }
        r->prior[i] = k;
    }
    return SINTER_OK;
}

/* Columns of the stage's union; of a ranker that is not trained yet, of what is only logged. */
static sinter_status ranker_features(builder *b, snap_stage *stage, const sinter_inputs *in, snap_ranker *r, sinter_error *e)
{
    bool serves = !r->use.disabled;
    feature **list = serves ? &stage->feature : &stage->unserved;
    uint32_t *n = serves ? &stage->n_features : &stage->n_unserved;
    if (!*list) *list = ARENA_ARRAY(b->a, feature, STAGE_FEATURES);
    uint32_t *column = ARENA_ARRAY(b->a, uint32_t, in->n_features);
    for (uint32_t i = 0; i < in->n_features; i++) {
        sinter_status st = union_add(b, list, n, STAGE_FEATURES, in->feature[i], r->use.config, &column[i], e);
        if (st) return st;
    }
    if (!serves) return SINTER_OK;
    r->n_features = in->n_features;
    r->feature = column;
    return SINTER_OK;
}

static sinter_status build_ranker(builder *b, snap_stage *stage, const config_use *use, snap_ranker *r, sinter_error *e)
{
    sinter_status st;
    if (use->feature) { /* the built-in ranker: one feature is the score */
        r->use = (snap_use){.config = use, .name = use->name};
        r->n_features = 1;
        r->feature = ARENA_ARRAY(b->a, uint32_t, 1);
        return union_add(b, &stage->feature, &stage->n_features, STAGE_FEATURES, use->feature, use, &r->feature[0], e);
    }
    if ((st = open_use(b, use, PLUGIN_RANKER, &r->use, e))) return st;
    const sinter_inputs *in = snap_inputs(&r->use);
    if (!in) return SINTER_OK;
    if ((st = ranker_features(b, stage, in, r, e))) return st;
    if ((st = resolve_context(b, in, use, &r->context, &r->n_context, e))) return st;
    if ((st = resolve_ids(b, in, r, e))) return st;
    if ((st = resolve_vectors(b, in, r, e))) return st;
    return resolve_prior(b, in, r, e);
}

static sinter_status build_fuse(builder *b, snap_stage *stage, sinter_error *e)
{
    if (!stage->config->has_fuse) return SINTER_OK;
    const config_use *use = &stage->config->fuse;
    b->fused = stage;
    sinter_status st = open_use(b, use, PLUGIN_FUSION, &stage->fuse, e);
    b->fused = NULL;
    const sinter_inputs *in = snap_inputs(&stage->fuse);
    if (st || !in) return st;
    if (stage->fuse.instance) st = plugin_check_rankers(stage->fuse.instance, stage->ranker_name, stage->n_rankers, use->at, e);
    if (st) return st;
    return resolve_context(b, in, use, &stage->fuse_context, &stage->n_fuse_context, e);
}

static sinter_status build_stage(builder *b, const config_stage *c, snap_stage *stage, uint32_t *number, sinter_error *e)
{
    if (c->n_rank > SINTER_MAX_RANKERS)
        return conf_error(e, c->at, "split the stage", "%u rankers in one stage; at most %u", c->n_rank, SINTER_MAX_RANKERS);
    *stage = (snap_stage){.config = c, .name = c->name, .keep = c->keep, .n_rankers = c->n_rank};
    stage->ranker = ARENA_ARRAY(b->a, snap_ranker, c->n_rank);
    stage->ranker_name = ARENA_ARRAY(b->a, const char *, c->n_rank);
    stage->feature = ARENA_ARRAY(b->a, feature, STAGE_FEATURES);
    for (uint32_t i = 0; i < c->n_rank; i++) {
        snap_ranker *r = &stage->ranker[i];
        r->number = *number;
        stage->ranker_name[i] = b->p->ranker_name[*number] = c->rank[i].name;
        b->p->ranker[*number] = r;
        sinter_status st = build_ranker(b, stage, &c->rank[i], r, e);
        if (st) return st;
        (*number)++;
    }
    sinter_status st = build_fuse(b, stage, e);
    b->scope.list_limit = c->keep < b->scope.list_limit ? c->keep : b->scope.list_limit;
    b->scope.n_rankers = *number; /* later stages may read its scores */
    return st;
}

static sinter_status build_sources(builder *b, sinter_error *e)
{
    const config_pipeline *c = b->p->config;
    b->p->n_sources = c->n_recall;
    b->p->source = ARENA_ARRAY(b->a, snap_source, c->n_recall);
    b->p->source_name = ARENA_ARRAY(b->a, const char *, c->n_recall);
    uint32_t total = 0;
    for (uint32_t i = 0; i < c->n_recall; i++) {
        snap_source *s = &b->p->source[i];
        s->text = c->recall[i].text;
        s->limit = c->recall[i].limit;
        b->p->source_name[i] = c->recall[i].use.name;
        total += s->limit;
        if (s->text) {
            s->use = (snap_use){.config = &c->recall[i].use, .name = c->recall[i].use.name};
            continue;
        }
        sinter_status st = open_use(b, &c->recall[i].use, PLUGIN_RECALL, &s->use, e);
        if (st) return st;
    }
    b->scope.source = b->p->source_name;
    b->scope.n_sources = b->p->n_sources;
    b->scope.list_limit = total;
    return SINTER_OK;
}

static sinter_status build_ends(builder *b, sinter_error *e)
{
    const config_pipeline *c = b->p->config;
    b->p->n_rewrite = c->n_rewrite;
    b->p->rewrite = ARENA_ARRAY(b->a, snap_use, c->n_rewrite);
    for (uint32_t i = 0; i < c->n_rewrite; i++) {
        sinter_status st = open_use(b, &c->rewrite[i], PLUGIN_REWRITER, &b->p->rewrite[i], e);
        if (st) return st;
    }
    b->p->n_finish = c->n_finish;
    b->p->finish = ARENA_ARRAY(b->a, snap_finish, c->n_finish);
    for (uint32_t i = 0; i < c->n_finish; i++) {
        const config_finish *f = &c->finish[i];
        b->p->finish[i] = (snap_finish){.diversity = f->diversity, .field = f->field, .strength = f->strength,
                                        .shuffle = f->shuffle, .share = f->share};
        if (f->shuffle) {
            b->p->finish[i].use = (snap_use){.config = &f->use, .name = f->use.name};
            continue;
        }
        if (f->diversity) {
            const catalog_field *field = catalog_find_field(b->services->catalog, f->field);
            if (!field || (field->type != FIELD_KEYWORD && field->type != FIELD_KEYWORDS && field->type != FIELD_VECTOR))
                return conf_error(e, f->use.at, "name a keyword, keywords or vector field",
                                  "diversity over '%s', which is %s", f->field,
                                  field ? FIELD_TYPE_NAMES[field->type] : "unknown");
            b->p->finish[i].use = (snap_use){.config = &f->use, .name = f->use.name};
            continue;
        }
        sinter_status st = open_use(b, &f->use, PLUGIN_FINISHER, &b->p->finish[i].use, e);
        if (st) return st;
    }
    return SINTER_OK;
}

static sinter_status build_pipeline(builder *b, const config_pipeline *c, snap_pipeline *p, sinter_error *e)
{
    *p = (snap_pipeline){.config = c, .collection = snapshot_collection(b->s, c->collection), .n_stages = c->n_stages};
    b->p = p;
    b->services = &b->args->services[p->collection];
    b->hash = hash_node(c->at, hash64(c->name, strlen(c->name)));
    const text_word_files *words = &b->s->collection[p->collection].word_files;
    mix(b, &words->stop_words, sizeof words->stop_words);
    mix(b, &words->synonyms, sizeof words->synonyms);
    for (uint32_t i = 0; i < c->n_stages; i++) p->n_rankers += c->stage[i].n_rank;
    p->ranker_name = ARENA_ARRAY(b->a, const char *, p->n_rankers + 1);
    p->ranker = ARENA_ARRAY(b->a, snap_ranker *, p->n_rankers + 1);
    b->scope = (feature_scope){.catalog = b->services->catalog,
                               .schema = b->s->collection[p->collection].schema,
                               .ranker = p->ranker_name};
    sinter_status st = build_sources(b, e);
    p->stage = ARENA_ARRAY(b->a, snap_stage, c->n_stages);
    uint32_t number = 0;
    for (uint32_t i = 0; i < c->n_stages && st == SINTER_OK; i++)
        st = build_stage(b, &c->stage[i], &p->stage[i], &number, e);
    if (st == SINTER_OK) st = build_ends(b, e);
    snprintf(p->version, sizeof p->version, "%016llx", (unsigned long long)b->hash);
    return st;
}

static sinter_status build_collections(builder *b, sinter_error *e)
{
    snapshot *s = b->s;
    for (uint32_t i = 0; i < s->n_collections; i++) {
        snap_collection *c = &s->collection[i];
        c->catalog = b->args->services[i].catalog;
        c->schema = config_find_collection(s->config, catalog_name(c->catalog));
        c->default_pipeline = UINT32_MAX;
        if (!c->schema) continue; /* its file is gone: served no more */
        sinter_status st = text_analyzer_new(c->schema, &c->analyzer, e);
        if (st) return st;
        c->word_files = text_analyzer_files(c->analyzer);
        text_weights_of(c->schema, &c->weights);
    }
    for (uint32_t i = 0; i < s->config->n_collections; i++)
        if (snapshot_collection(s, arena_printf(b->a, "=%s", s->config->collection[i].name)) == UINT32_MAX)
            return error_set(e, SINTER_INTERNAL, s->config->collection[i].file, NULL, "the views lack collection '%s'",
                             s->config->collection[i].name);
    return SINTER_OK;
}

/* A collection that took a name over takes the default of who had it, where it declares none of its own. */
static const char *declared_default(const snapshot *s, uint32_t collection)
{
    const config_collection *c = s->collection[collection].schema;
    const char *named = c->default_pipeline;
    for (uint32_t i = 0; i < s->n_aliases && !named; i++) {
        const config_collection *had = config_find_collection(s->config, s->alias[i].name);
        if (s->alias[i].collection == collection && had) named = had->default_pipeline;
    }
    return named ? named : c->name;
}

/* The pipeline that a request without one gets: the declared default, else the only one or the one named as the collection. */
static void choose_defaults(snapshot *s)
{
    for (uint32_t i = 0; i < s->n_collections; i++) {
        snap_collection *c = &s->collection[i];
        for (uint32_t k = 0; k < s->n_pipelines && c->schema; k++) {
            const char *name = s->pipeline[k].config->name;
            if (s->pipeline[k].collection != i) continue;
            bool named = strcmp(name, declared_default(s, i)) == 0;
            if (named || c->default_pipeline == UINT32_MAX) c->default_pipeline = k;
        }
    }
}

static void copy_overrides(snapshot *s, const snapshot_args *args)
{
    plugin_override *o = ARENA_ARRAY(s->memory, plugin_override, args->n_overrides + 1);
    for (uint32_t i = 0; i < args->n_overrides; i++) {
        o[i] = args->override[i];
        o[i].plugin = arena_strdup(s->memory, o[i].plugin);
        o[i].kept = arena_strdup(s->memory, o[i].kept);
        o[i].from = arena_strdup(s->memory, o[i].from);
    }
    s->override = o;
    s->n_overrides = args->n_overrides;
}

static void make_tallies(snapshot *s)
{
    size_t n = (size_t)s->n_lanes * (s->n_pipelines + 1);
    s->tally = arena_aligned(s->memory, 64, (n + 1) * sizeof *s->tally);
    memset(s->tally, 0, (n + 1) * sizeof *s->tally);
    s->fault = arena_aligned(s->memory, 64, ((size_t)s->n_lanes * s->n_uses + 1) * sizeof *s->fault);
    memset(s->fault, 0, ((size_t)s->n_lanes * s->n_uses + 1) * sizeof *s->fault);
}

static void resolve_experiment(snapshot *s, arms *g, const config_experiment *c, snap_experiment *out)
{
    *out = (snap_experiment){.config = c, .pipeline = ARENA_ARRAY(s->memory, uint32_t, c->n_arms)};
    for (uint32_t i = 0; i < c->n_arms; i++) {
        const snap_pipeline *p = c->arm[i].pipeline ? snapshot_pipeline(s, c->arm[i].pipeline) : NULL;
        if (p) out->pipeline[i] = (uint32_t)(p - s->pipeline);
        if (c->arm[i].shadow) out->shadows = VARIES_PIPELINE;
    }
    arms_cells_of(g, c, &out->cells);
}

/* Every name was checked when the configuration was read. */
static void list_experiments(snapshot *s, arms *g, uint32_t collection)
{
    snap_collection *c = &s->collection[collection];
    c->experiment = ARENA_ARRAY(s->memory, snap_experiment, s->config->n_experiments + 1);
    for (uint32_t i = 0; i < s->config->n_experiments; i++) {
        const config_experiment *x = &s->config->experiment[i];
        if (c->schema && strcmp(x->collection, c->schema->name) == 0) resolve_experiment(s, g, x, &c->experiment[c->n_experiments++]);
    }
}

sinter_status snapshot_build(const snapshot_args *args, snapshot **out, sinter_error *e)
{
    snapshot *s = xcalloc(1, sizeof *s);
    s->memory = arena_new(1 << 16);
    s->config = args->config;
    s->host = args->host;
    s->n_collections = args->n_collections;
    s->n_pipelines = args->config->n_pipelines;
    s->n_lanes = args->control_lane;
    copy_overrides(s, args);
    s->collection = ARENA_ARRAY(s->memory, snap_collection, s->n_collections);
    s->pipeline = ARENA_ARRAY(s->memory, snap_pipeline, s->n_pipelines);
    builder b = {.args = args, .s = s, .a = s->memory};
    sinter_status st = build_collections(&b, e);
    snapshot_take_aliases(s, args->aliases);
    for (uint32_t i = 0; i < s->n_collections; i++) args->services[i].schema = s->collection[i].schema;
    uint64_t hash = hash64_seed(args->config->mark, strlen(args->config->mark), args->config->hash);
    for (uint32_t i = 0; i < s->n_aliases; i++)
        hash = hash64_seed(s->alias[i].name, strlen(s->alias[i].name), hash + s->alias[i].collection);
    for (uint32_t i = 0; i < s->n_pipelines && st == SINTER_OK; i++) {
        st = build_pipeline(&b, &args->config->pipeline[i], &s->pipeline[i], e);
        hash = hash64_seed(&b.hash, sizeof b.hash, hash);
    }
    for (uint32_t i = 0; i < s->n_collections; i++) args->services[i].schema = NULL; /* this one may not live long */
    if (st) {
        s->config = NULL; /* stays the caller's */
        snapshot_free(s);
        return st;
    }
    s->config_refs = args->config_refs ? args->config_refs : xcalloc(1, sizeof *s->config_refs);
    ++*s->config_refs;
    choose_defaults(s);
    make_tallies(s);
    for (uint32_t i = 0; i < s->n_collections; i++) {
        snapshot_list_logged(s, i);
        list_experiments(s, args->arms, i);
    }
    snprintf(s->id, sizeof s->id, "%llu-%08x", (unsigned long long)args->serial, (unsigned)(hash >> 32));
    *out = s;
    return SINTER_OK;
}

void snapshot_release_plugins(snapshot *s)
{
    if (!s) return;
    for (uint32_t i = 0; i < s->n_instances; i++) plugin_instance_release(s->host, s->instance[i]);
    for (uint32_t i = 0; i < s->n_libraries; i++) plugin_library_release(s->host, s->library[i]);
    s->n_instances = s->n_libraries = 0;
}

void snapshot_free(snapshot *s)
{
    if (!s) return;
    snapshot_release_plugins(s);
    for (uint32_t i = 0; i < s->n_collections; i++)
        if (s->collection[i].analyzer) text_analyzer_free(s->collection[i].analyzer);
    free(s->instance);
    free(s->library);
    if (s->config && --*s->config_refs == 0) {
        config_free(s->config);
        free(s->config_refs);
    }
    arena_free(s->memory);
    free(s);
}

const snap_pipeline *snapshot_pipeline(const snapshot *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_pipelines; i++)
        if (strcmp(s->pipeline[i].config->name, name) == 0) return &s->pipeline[i];
    return NULL;
}

const config *snapshot_config(const snapshot *s)
{
    return s->config;
}

const char *snapshot_id(const snapshot *s)
{
    return s->id;
}

void snapshot_uses(const snapshot *s, snap_use_fn *fn, void *ctx)
{
    for (uint32_t i = 0; i < s->n_pipelines; i++) {
        const snap_pipeline *p = &s->pipeline[i];
        for (uint32_t k = 0; k < p->n_rewrite; k++) fn(ctx, p, &p->rewrite[k]);
        for (uint32_t k = 0; k < p->n_sources; k++) fn(ctx, p, &p->source[k].use);
        for (uint32_t k = 0; k < p->n_rankers; k++) fn(ctx, p, &p->ranker[k]->use);
        for (uint32_t k = 0; k < p->n_stages; k++)
            if (p->stage[k].fuse.config) fn(ctx, p, &p->stage[k].fuse);
        for (uint32_t k = 0; k < p->n_finish; k++) fn(ctx, p, &p->finish[k].use);
    }
}

typedef struct use_list {
    const snap_use *use[256];
    uint32_t n;
} use_list;

/* Uses that may have a model. */
static void list_models(const snap_pipeline *p, use_list *l)
{
    l->n = 0;
    for (uint32_t i = 0; i < p->n_sources && l->n < ARRAY_LEN(l->use); i++) l->use[l->n++] = &p->source[i].use;
    for (uint32_t i = 0; i < p->n_rankers && l->n < ARRAY_LEN(l->use); i++) l->use[l->n++] = &p->ranker[i]->use;
    for (uint32_t i = 0; i < p->n_stages && l->n < ARRAY_LEN(l->use); i++)
        if (p->stage[i].fuse.config) l->use[l->n++] = &p->stage[i].fuse;
}

static const char *model_text(const snap_use *u)
{
    return u->model ? u->model : "not trained";
}

static void model_changes(const snap_pipeline *p, const snap_pipeline *q, buffer *out)
{
    use_list is, was;
    list_models(p, &is);
    list_models(q, &was);
    for (uint32_t i = 0; i < is.n && is.n == was.n; i++)
        if (strcmp(model_text(is.use[i]), model_text(was.use[i])) != 0)
            buffer_printf(out, "%s.%s: model %s, was %s\n", p->config->name, is.use[i]->name, model_text(is.use[i]),
                          model_text(was.use[i]));
}

static void word_changes(const snap_collection *was, const snap_collection *is, buffer *out)
{
    const text_word_files *x = &was->word_files, *y = &is->word_files;
    if (x->synonyms != y->synonyms)
        buffer_printf(out, "collection %s: %u entries of synonyms, were %u\n", is->schema->name, y->n_synonyms, x->n_synonyms);
    if (x->stop_words != y->stop_words)
        buffer_printf(out, "collection %s: %u stop words, were %u\n", is->schema->name, y->n_stop_words, x->n_stop_words);
}

/* Builds by the name in their table: each plugin once, however often it is used. */
static void build_changes(const snapshot *was, const snapshot *is, buffer *out)
{
    for (uint32_t i = 0; i < is->n_libraries; i++) {
        const plugin_library *l = is->library[i], *old = NULL;
        bool known = false, told = false;
        for (uint32_t k = 0; k < i && !told; k++) told = is->library[k] == l;
        for (uint32_t k = 0; k < was->n_libraries && !known; k++) {
            known = was->library[k] == l;
            if (strcmp(was->library[k]->name, l->name) == 0) old = was->library[k];
        }
        if (known || told) continue;
        if (old)
            buffer_printf(out, "plugin %s: build %s %.12s, was %s %.12s\n", l->name, l->version, l->sha256, old->version, old->sha256);
        else
            buffer_printf(out, "plugin %s: build %s %.12s, new\n", l->name, l->version, l->sha256);
    }
}

static void experiment_changes(const config *is, const config *was, buffer *out)
{
    for (uint32_t i = 0; i < is->n_experiments; i++) {
        const config_experiment *x = &is->experiment[i], *y = config_find_experiment(was, x->name);
        if (!y || x->version != y->version)
            buffer_printf(out, "experiment %s: %s\n", x->name, y ? "changed, counts anew" : "new");
        else if (hash_node(x->at, 0) != hash_node(y->at, 0))
            buffer_printf(out, "experiment %s: changed, counts go on\n", x->name);
    }
    for (uint32_t i = 0; i < was->n_experiments; i++)
        if (!config_find_experiment(is, was->experiment[i].name)) buffer_printf(out, "experiment %s: gone\n", was->experiment[i].name);
}

void snapshot_changes(const snapshot *was, const snapshot *is, buffer *out)
{
    size_t before = out->len;
    snapshot_collection_changes(was, is, out);
    for (uint32_t i = 0; i < is->n_collections && i < was->n_collections; i++)
        if (was->collection[i].schema && is->collection[i].schema) word_changes(&was->collection[i], &is->collection[i], out);
    for (uint32_t i = 0; i < is->n_pipelines; i++) {
        const snap_pipeline *p = &is->pipeline[i], *q = snapshot_pipeline(was, p->config->name);
        if (!q)
            buffer_printf(out, "pipeline %s: new\n", p->config->name);
        else if (strcmp(p->version, q->version) != 0)
            buffer_printf(out, "pipeline %s: version %s, was %s\n", p->config->name, p->version, q->version);
        if (q) model_changes(p, q, out);
    }
    for (uint32_t i = 0; i < was->n_pipelines; i++)
        if (!snapshot_pipeline(is, was->pipeline[i].config->name))
            buffer_printf(out, "pipeline %s: gone\n", was->pipeline[i].config->name);
    build_changes(was, is, out);
    experiment_changes(is->config, was->config, out);
    if (strcmp(was->config->mark, is->config->mark) != 0 && out->len == before)
        buffer_printf(out, "configuration %s, was %s: no pipeline is another\n", is->config->mark, was->config->mark);
}

uint32_t snapshot_latest(const snapshot *s, arena *a, snap_latest **out)
{
    uint32_t n = 0;
    *out = ARENA_ARRAY(a, snap_latest, s->n_uses + 1);
    for (uint32_t i = 0; i < s->n_pipelines; i++) {
        use_list l;
        list_models(&s->pipeline[i], &l);
        for (uint32_t k = 0; k < l.n; k++) {
            bool latest = false;
            const char *name = l.use[k]->config ? model_named(l.use[k]->config->model, a, &latest) : NULL;
            if (!name || !latest) continue;
            const char *slash = l.use[k]->model ? strrchr(l.use[k]->model, '/') : NULL;
            uint32_t at = 0, number = catalog_number(s->collection[s->pipeline[i].collection].catalog);
            while (at < n && (strcmp((*out)[at].name, name) != 0 || (*out)[at].collection != number)) at++;
            if (at == n) (*out)[n++] = (snap_latest){.name = name, .collection = number};
            if (slash) parse_uint64(str_of(slash + 1), &(*out)[at].version);
        }
    }
    return n;
}
