/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pipelines/NAME.yaml: rewrite, recall, stages and finish. What belongs to a plugin stays a tree. */
#include "collection.h"

#include <stddef.h>
#include <string.h>

typedef struct pipeline_raw {
    config_pipeline p;
    const conf_node *rewrite, *recall, *stages, *finish;
} pipeline_raw;

typedef struct stage_raw {
    config_stage s;
    const conf_node *rank, *fuse;
} stage_raw;

typedef struct source_raw {
    config_use u;
    const char *source;
    uint32_t limit;
} source_raw;

const char *const CONFIG_USE_KEYS[CONFIG_USE_KEYS_N] = {"name",   "plugin", "sha256", "model",
                                                        "budget", "source", "limit"};

#define P(f) offsetof(pipeline_raw, f)
static const walk_key PIPELINE_KEYS[] = {
    {"collection", WALK_STRING, P(p.collection), NULL, 0, 0, NULL, true, "name the collection that it searches"},
    {"rewrite", WALK_NODE, P(rewrite), NULL, 0, 0, NULL, false, "a list of rewriter plugins"},
    {"recall", WALK_NODE, P(recall), NULL, 0, 0, NULL, false,
     "a list of sources; without it: {source: text, limit: 1000}"},
    {"stages", WALK_NODE, P(stages), NULL, 0, 0, NULL, false, "a list of stages; without it: the order of recall"},
    {"finish", WALK_NODE, P(finish), NULL, 0, 0, NULL, false, "a list of finisher plugins, diversity and explore"},
    {"budget", WALK_DURATION, P(p.budget_ns), "0", 0, 60e9, NULL, false, "of all stages together; 0: none"},
    {"record", WALK_DOUBLE, P(p.record), "0.01", 0, 1, NULL, false, "share of requests recorded whole"},
};
const walk_table WALK_PIPELINE = {"a pipeline", PIPELINE_KEYS, ARRAY_LEN(PIPELINE_KEYS), false};

#define S(f) offsetof(stage_raw, f)
static const walk_key STAGE_KEYS[] = {
    {"name", WALK_STRING, S(s.name), NULL, 0, 0, NULL, false, "default: stage1, stage2, …"},
    {"keep", WALK_U32, S(s.keep), "200", 1, 10000, NULL, false, "candidates that go on"},
    {"rank", WALK_NODE, S(rank), NULL, 0, 0, NULL, true, "list at least one ranker"},
    {"fuse", WALK_NODE, S(fuse), NULL, 0, 0, NULL, false, "a fusion plugin; one ranker alone needs none"},
    {"budget", WALK_DURATION, S(s.budget_ns), "0", 0, 60e9, NULL, false, "of the stage; 0: none"},
};
const walk_table WALK_STAGE = {"a stage", STAGE_KEYS, ARRAY_LEN(STAGE_KEYS), false};

#define U(f) offsetof(config_use, f)
static const walk_key USE_KEYS[] = {
    {"name", WALK_STRING, U(name), NULL, 0, 0, NULL, false, "unique in its list; default: the plugin's"},
    {"plugin", WALK_STRING, U(plugin), NULL, 0, 0, NULL, true,
     "write 'plugin: NAME' (found in plugin_dirs) or 'plugin: ./FILE.so'"},
    {"sha256", WALK_STRING, U(sha256), NULL, 0, 0, NULL, false, "the only build to accept, 64 hex digits"},
    {"model", WALK_STRING, U(model), NULL, 0, 0, NULL, false, "NAME/VERSION or NAME/latest"},
    {"budget", WALK_DURATION, U(budget_ns), "0", 0, 60e9, NULL, false, "late: the rest is missing; 0: none of its own"},
};
const walk_table WALK_USE = {"a plugin's use", USE_KEYS, ARRAY_LEN(USE_KEYS), true};

#define R(f) offsetof(source_raw, f)
static const walk_key SOURCE_KEYS[] = {
    {"source", WALK_STRING, R(source), NULL, 0, 0, NULL, true, "write 'source: text' or 'source: PLUGIN'"},
    {"limit", WALK_U32, R(limit), "1000", 1, 10000, NULL, false, "candidates at most"},
    {"name", WALK_STRING, R(u.name), NULL, 0, 0, NULL, false, "unique in its list; default: the source's"},
    {"sha256", WALK_STRING, R(u.sha256), NULL, 0, 0, NULL, false, "the only build to accept, 64 hex digits"},
    {"model", WALK_STRING, R(u.model), NULL, 0, 0, NULL, false, "NAME/VERSION or NAME/latest"},
    {"budget", WALK_DURATION, R(u.budget_ns), "0", 0, 60e9, NULL, false, "0: none of its own"},
};
const walk_table WALK_SOURCE = {"a recall source", SOURCE_KEYS, ARRAY_LEN(SOURCE_KEYS), true};

static const walk_key FEATURE_KEYS[] = {
    {"feature", WALK_STRING, U(feature), NULL, 0, 0, NULL, true, "one feature as score, such as text.bm25"},
    {"name", WALK_STRING, U(name), NULL, 0, 0, NULL, false, "unique in its list; default: the feature's"},
};
const walk_table WALK_FEATURE = {"a feature's use", FEATURE_KEYS, ARRAY_LEN(FEATURE_KEYS), false};

static const char *const DIVERSITIES[] = {"mmr", NULL};
typedef struct diversity_raw {
    const char *method, *name;
    const char *field;
    double strength;
} diversity_raw;
#define D(f) offsetof(diversity_raw, f)
static const walk_key DIVERSITY_KEYS[] = {
    {"diversity", WALK_STRING, D(method), NULL, 0, 0, DIVERSITIES, true, "mmr: maximal marginal relevance"},
    {"field", WALK_STRING, D(field), NULL, 0, 0, NULL, true, "write 'field: NAME', a keyword or keywords field"},
    {"strength", WALK_DOUBLE, D(strength), "0.2", 0, 1, NULL, false, "0: order by score; 1: by difference alone"},
    {"name", WALK_STRING, D(name), "diversity", 0, 0, NULL, false, "in the ledger"},
};
const walk_table WALK_DIVERSITY = {"diversity", DIVERSITY_KEYS, ARRAY_LEN(DIVERSITY_KEYS), false};

static const char *const EXPLORES[] = {"shuffle", NULL};
typedef struct explore_raw {
    const char *method, *name;
    uint32_t top;
    double share;
} explore_raw;
#define X(f) offsetof(explore_raw, f)
static const walk_key EXPLORE_KEYS[] = {
    {"explore", WALK_STRING, X(method), NULL, 0, 0, EXPLORES, true, "shuffle: the first places in an even random order"},
    {"top", WALK_U32, X(top), "20", 2, 200, NULL, false, "places that are shuffled"},
    {"share", WALK_DOUBLE, X(share), "0.2", 0, 1, NULL, false, "of requests, drawn by their ids; impressions keep the odds"},
    {"name", WALK_STRING, X(name), "explore", 0, 0, NULL, false, "in the ledger"},
};
const walk_table WALK_EXPLORE = {"explore", EXPLORE_KEYS, ARRAY_LEN(EXPLORE_KEYS), false};

/* ---- one use
 * ---------------------------------------------------------------------------------------------------------- */

static bool plugin_name_valid(const char *s)
{
    return *s >= 'a' && *s <= 'z' && !s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_")];
}

/* "NAME", "./FILE.so" or "/abs/FILE.so". */
static sinter_status resolve_plugin(const conf_node *at, config_use *u, arena *a, sinter_error *e)
{
    const char *given = u->plugin, *slash = strrchr(given, '/');
    size_t n = strlen(given);
    bool file = slash || (n > 3 && strcmp(given + n - 3, ".so") == 0);
    if (file) {
        const char *base = slash ? slash + 1 : given;
        n = strlen(base);
        u->path = walk_path(at->file, given, a);
        u->plugin = n > 3 && strcmp(base + n - 3, ".so") == 0 ? arena_strndup(a, base, n - 3) : base;
        return SINTER_OK;
    }
    if (plugin_name_valid(given)) return SINTER_OK;
    return conf_error(e, at, "lower-case letters, digits and _, or the path of a .so", "'%s' is not a plugin's name",
                      given);
}

static sinter_status check_pin(const conf_node *map, config_use *u, arena *a, sinter_error *e)
{
    if (u->sha256) {
        if (strlen(u->sha256) != 64 || strspn(u->sha256, "0123456789abcdefABCDEF") != 64)
            return conf_error(e, conf_get(map, "sha256"), "write the 64 hex digits that sha256sum prints",
                              "sha256 is '%s'", u->sha256);
        char *lower = arena_strdup(a, u->sha256);
        for (char *p = lower; *p; p++)
            *p |= *p >= 'A' && *p <= 'F' ? 0x20 : 0;
        u->sha256 = lower;
    }
    if (u->model) {
        const char *slash = strchr(u->model, '/');
        if (!slash || slash == u->model || !slash[1] || strchr(slash + 1, '/') || strstr(u->model, ".."))
            return conf_error(e, conf_get(map, "model"), "write NAME/VERSION or NAME/latest", "model is '%s'",
                              u->model);
    }
    return SINTER_OK;
}

static sinter_status check_use_name(const conf_node *map, config_use *u, sinter_error *e)
{
    const char *s = u->name;
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    if (n && !s[n] && n <= 64) return SINTER_OK;
    const conf_node *at = conf_get(map, "name");
    return conf_error(e, at ? at : map, "use letters, digits, _, - and .", "'%s' is not a name", s);
}

static sinter_status read_plugin_use(const conf_node *map, config_use *out, arena *a, sinter_error *e)
{
    *out = (config_use){.options = map, .at = map};
    sinter_status s = walk_map(map, &WALK_USE, out, a, e);
    if (s == SINTER_OK) s = resolve_plugin(conf_get(map, "plugin"), out, a, e);
    if (s != SINTER_OK) return s;
    if (!out->name) out->name = out->plugin;
    s = check_use_name(map, out, e);
    return s == SINTER_OK ? check_pin(map, out, a, e) : s;
}

static sinter_status refuse_same(const config_use *was, const config_use *is, const char *what, sinter_error *e)
{
    if (strcmp(was->name, is->name) != 0) return SINTER_OK;
    const conf_node *at = conf_get(is->at, "name");
    return conf_error(e, at ? at : is->at, "give it another: 'name: …'", "the %s '%s' stands already in line %u", what,
                      is->name, was->at->line);
}

/* ---- the steps
 * ---------------------------------------------------------------------------------------------------------- */

static sinter_status is_list(const conf_node *at, const char *what, uint32_t most, sinter_error *e)
{
    sinter_status s = walk_is(at, CONF_LIST, what, e);
    if (s == SINTER_OK && at->n > most) s = conf_error(e, at, NULL, "%s has %u entries; at most %u", what, at->n, most);
    return s;
}

static sinter_status read_rewrite(const conf_node *at, config_pipeline *p, arena *a, sinter_error *e)
{
    if (!at) return SINTER_OK;
    sinter_status s = is_list(at, "rewrite", 64, e);
    if (s != SINTER_OK) return s;
    config_use *use = ARENA_ARRAY(a, config_use, at->n);
    for (uint32_t i = 0; i < at->n && s == SINTER_OK; i++) {
        s = read_plugin_use(at->value[i], &use[i], a, e);
        for (uint32_t k = 0; k < i && s == SINTER_OK; k++)
            s = refuse_same(&use[k], &use[i], "rewriter", e);
    }
    p->rewrite = use;
    p->n_rewrite = at->n;
    return s;
}

static sinter_status read_source(const conf_node *map, config_recall_source *out, arena *a, sinter_error *e)
{
    source_raw raw = {.u = {.options = map, .at = map}};
    sinter_status s = walk_map(map, &WALK_SOURCE, &raw, a, e);
    if (s != SINTER_OK) return s;
    *out = (config_recall_source){.use = raw.u, .limit = raw.limit, .text = strcmp(raw.source, "text") == 0};
    if (out->text) {
        static const char *const OWN[] = {"source", "limit", "name"};
        for (uint32_t i = 0; i < map->n; i++) {
            bool own = false;
            for (size_t k = 0; k < ARRAY_LEN(OWN); k++)
                own |= strcmp(map->key[i]->text, OWN[k]) == 0;
            if (!own)
                return walk_unknown(map->key[i], "key of the text source:", map->key[i]->text, OWN, ARRAY_LEN(OWN), e);
        }
        if (!out->use.name) out->use.name = "text";
        return check_use_name(map, &out->use, e);
    }
    out->use.plugin = raw.source;
    s = resolve_plugin(conf_get(map, "source"), &out->use, a, e);
    if (s != SINTER_OK) return s;
    if (!out->use.name) out->use.name = out->use.plugin;
    s = check_use_name(map, &out->use, e);
    return s == SINTER_OK ? check_pin(map, &out->use, a, e) : s;
}

static sinter_status read_recall(const conf_node *at, const conf_node *root, config_pipeline *p, arena *a,
                                 sinter_error *e)
{
    uint32_t n = at ? at->n : 1;
    sinter_status s = at ? is_list(at, "recall", 64, e) : SINTER_OK;
    if (s != SINTER_OK) return s;
    if (at && n == 0) return conf_error(e, at, "remove it, or list a source", "recall is empty");
    config_recall_source *source = ARENA_ARRAY(a, config_recall_source, n);
    if (!at) source[0] = (config_recall_source){.use = {.name = "text", .at = root}, .text = true, .limit = 1000};
    for (uint32_t i = 0; at && i < n && s == SINTER_OK; i++) {
        s = read_source(at->value[i], &source[i], a, e);
        for (uint32_t k = 0; k < i && s == SINTER_OK; k++) {
            s = refuse_same(&source[k].use, &source[i].use, "recall source", e);
            if (s == SINTER_OK && source[k].text && source[i].text)
                s = conf_error(e, at->value[i], "keep one", "the text source stands already in line %u",
                               at->value[k]->line);
        }
    }
    p->recall = source;
    p->n_recall = n;
    return s;
}

static sinter_status read_ranker(const conf_node *map, config_use *out, arena *a, sinter_error *e)
{
    sinter_status s = walk_is(map, CONF_MAP, "a ranker", e);
    if (s != SINTER_OK) return s;
    bool feature = conf_get(map, "feature") != NULL, plugin = conf_get(map, "plugin") != NULL;
    if (!feature && !plugin)
        return conf_error(e, map, "write 'plugin: NAME' or 'feature: NAME'",
                          "a ranker names neither a plugin nor a feature");
    if (plugin) return read_plugin_use(map, out, a, e);
    *out = (config_use){.options = map, .at = map};
    s = walk_map(map, &WALK_FEATURE, out, a, e);
    if (s != SINTER_OK) return s;
    if (!out->name) out->name = out->feature;
    return check_use_name(map, out, e);
}

/* A ranker's name is its key in fusion's weights and in score.NAME, so it is unique in the whole pipeline. */
static sinter_status refuse_ranker_twice(const config_pipeline *p, const config_stage *now, uint32_t n,
                                         const config_use *is, sinter_error *e)
{
    for (uint32_t i = 0; i < p->n_stages; i++) {
        for (uint32_t k = 0; k < p->stage[i].n_rank; k++) {
            sinter_status s = refuse_same(&p->stage[i].rank[k], is, "ranker", e);
            if (s != SINTER_OK) return s;
        }
    }
    for (uint32_t k = 0; k < n; k++) {
        sinter_status s = refuse_same(&now->rank[k], is, "ranker", e);
        if (s != SINTER_OK) return s;
    }
    return SINTER_OK;
}

static sinter_status read_rank(const conf_node *at, const config_pipeline *p, config_stage *stage, arena *a,
                               sinter_error *e)
{
    sinter_status s = is_list(at, "rank", 64, e);
    if (s != SINTER_OK) return s;
    if (at->n == 0) return conf_error(e, at, "list at least one ranker", "rank is empty");
    config_use *use = ARENA_ARRAY(a, config_use, at->n);
    stage->rank = use;
    for (uint32_t i = 0; i < at->n && s == SINTER_OK; i++) {
        s = read_ranker(at->value[i], &use[i], a, e);
        if (s == SINTER_OK) s = refuse_ranker_twice(p, stage, i, &use[i], e);
    }
    stage->n_rank = at->n;
    return s;
}

static sinter_status read_stage(const conf_node *map, const config_pipeline *p, config_stage *out, arena *a,
                                sinter_error *e)
{
    stage_raw raw = {.s = {.at = map}};
    sinter_status s = walk_map(map, &WALK_STAGE, &raw, a, e);
    if (s != SINTER_OK) return s;
    config_stage *stage = out;
    *stage = raw.s;
    if (!stage->name) stage->name = arena_printf(a, "stage%u", p->n_stages + 1);
    s = read_rank(raw.rank, p, stage, a, e);
    if (s != SINTER_OK) return s;
    const config_stage *last = p->n_stages ? &p->stage[p->n_stages - 1] : NULL;
    if (last && stage->keep > last->keep) {
        const conf_node *at = conf_get(map, "keep");
        return conf_error(e, at ? at : map, "keep as many or fewer",
                          "the stage keeps %u, but the one before it gives %u", stage->keep, last->keep);
    }
    for (uint32_t i = 0; i < p->n_stages; i++) {
        if (strcmp(p->stage[i].name, stage->name) == 0)
            return conf_error(e, map, "give it another: 'name: …'", "the stage '%s' stands already in line %u",
                              stage->name, p->stage[i].at->line);
    }
    stage->has_fuse = raw.fuse != NULL;
    if (raw.fuse) return read_plugin_use(raw.fuse, &stage->fuse, a, e);
    if (stage->n_rank == 1) return SINTER_OK;
    return conf_error(e, map, "add 'fuse: {plugin: fusion, method: weighted, weights: {…}}'",
                      "the stage has %u rankers and nothing that fuses them", stage->n_rank);
}

static sinter_status read_stages(const conf_node *at, config_pipeline *p, arena *a, sinter_error *e)
{
    if (!at) return SINTER_OK;
    sinter_status s = is_list(at, "stages", 16, e);
    if (s != SINTER_OK) return s;
    config_stage *stage = ARENA_ARRAY(a, config_stage, at->n);
    p->stage = stage;
    for (uint32_t i = 0; i < at->n && s == SINTER_OK; i++) {
        s = read_stage(at->value[i], p, &stage[i], a, e);
        p->n_stages = i + 1;
    }
    return s;
}

static sinter_status read_diversity(const conf_node *map, const config_collection *c, config_finish *out, arena *a,
                                    sinter_error *e)
{
    diversity_raw raw = {0};
    sinter_status s = walk_map(map, &WALK_DIVERSITY, &raw, a, e);
    if (s != SINTER_OK) return s;
    const conf_node *at = conf_get(map, "field");
    const config_field *f = collection_field(c, at, raw.field, e);
    if (!f) return SINTER_INVALID;
    if (f->type != FIELD_KEYWORD && f->type != FIELD_KEYWORDS)
        return conf_error(e, at, "name a keyword or keywords field", "diversity over '%s', a %s field", raw.field,
                          FIELD_TYPE_NAMES[f->type]);
    *out = (config_finish){.use = {.name = raw.name, .options = map, .at = map},
                           .diversity = true,
                           .field = raw.field,
                           .strength = raw.strength};
    return check_use_name(map, &out->use, e);
}

/* Last of all, because after it the order is final: a later step would make the odds that it logs wrong. */
static sinter_status read_explore(const conf_node *map, bool last, config_finish *out, arena *a, sinter_error *e)
{
    explore_raw raw = {0};
    sinter_status s = walk_map(map, &WALK_EXPLORE, &raw, a, e);
    if (s != SINTER_OK) return s;
    if (!last) return conf_error(e, map, "move it to the end of finish", "explore is not the last step");
    *out = (config_finish){.use = {.name = raw.name, .options = map, .at = map}, .shuffle = raw.top, .share = raw.share};
    return check_use_name(map, &out->use, e);
}

static sinter_status read_finish(const conf_node *at, const config_collection *c, config_pipeline *p, arena *a,
                                 sinter_error *e)
{
    if (!at) return SINTER_OK;
    sinter_status s = is_list(at, "finish", 64, e);
    if (s != SINTER_OK) return s;
    config_finish *finish = ARENA_ARRAY(a, config_finish, at->n);
    for (uint32_t i = 0; i < at->n && s == SINTER_OK; i++) {
        const conf_node *map = at->value[i];
        if (conf_get(map, "explore"))
            s = read_explore(map, i + 1 == at->n, &finish[i], a, e);
        else if (conf_get(map, "diversity"))
            s = read_diversity(map, c, &finish[i], a, e);
        else
            s = read_plugin_use(map, &finish[i].use, a, e);
        for (uint32_t k = 0; k < i && s == SINTER_OK; k++)
            s = refuse_same(&finish[k].use, &finish[i].use, "finisher", e);
    }
    p->finish = finish;
    p->n_finish = at->n;
    return s;
}

sinter_status pipeline_read(const char *name, const conf_node *root, const config *c, config_pipeline *out, arena *a,
                            sinter_error *e)
{
    pipeline_raw raw = {0};
    sinter_status s = walk_map(root, &WALK_PIPELINE, &raw, a, e);
    if (s != SINTER_OK) return s;
    config_pipeline *p = out;
    *p = raw.p;
    p->name = name;
    p->file = root->file;
    p->at = root;
    const config_collection *collection = config_find_collection(c, p->collection);
    if (!collection) {
        const char *names[256];
        uint32_t n = c->n_collections < ARRAY_LEN(names) ? c->n_collections : (uint32_t)ARRAY_LEN(names);
        for (uint32_t i = 0; i < n; i++)
            names[i] = c->collection[i].name;
        return walk_unknown(conf_get(root, "collection"), "collection", p->collection, names, n, e);
    }
    s = read_rewrite(raw.rewrite, p, a, e);
    if (s == SINTER_OK) s = read_recall(raw.recall, root, p, a, e);
    if (s == SINTER_OK) s = read_stages(raw.stages, p, a, e);
    if (s == SINTER_OK) s = read_finish(raw.finish, collection, p, a, e);
    return s;
}
