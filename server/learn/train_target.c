/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What `sinter train PIPELINE.RANKER` names, and the range of the journal that it may read. */
#include "train.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the use ---------------------------------------------------------------------------------------------------------------- */

static sinter_status no_pipeline(const config *c, const char *name, arena *a, sinter_error *e)
{
    const char **names = ARENA_ARRAY(a, const char *, c->n_pipelines + 1);
    for (uint32_t i = 0; i < c->n_pipelines; i++) names[i] = c->pipeline[i].name;
    const char *near = near_name(name, names, c->n_pipelines);
    return error_set(e, SINTER_NOT_FOUND, c->path,
                     near ? arena_printf(a, "did you mean '%s'?", near) : "write PIPELINE.RANKER or PIPELINE.fuse",
                     "no pipeline is called '%s'", name);
}

static sinter_status no_ranker(const config_pipeline *p, const char *name, arena *a, sinter_error *e)
{
    const char *names[256] = {0};
    uint32_t n = 0;
    buffer list = {0};
    for (uint32_t i = 0; i < p->n_stages; i++) {
        for (uint32_t k = 0; k < p->stage[i].n_rank && n < 250; k++) names[n++] = p->stage[i].rank[k].name;
        if (p->stage[i].has_fuse) names[n++] = "fuse";
    }
    for (uint32_t i = 0; i < n; i++) buffer_printf(&list, "%s%s", i ? ", " : "", names[i]);
    const char *near = near_name(name, names, n);
    sinter_status s = error_set(e, SINTER_NOT_FOUND, NULL, near ? arena_printf(a, "did you mean '%s'?", near) : NULL,
                                "pipeline '%s' has no ranker '%s'; it has %s", p->name, name, n ? list.data : "none");
    error_where(e, "%s:%u:%u", p->file, p->at->line, p->at->column);
    buffer_free(&list);
    return s;
}

static void take_fuse(train_target *t, const config_stage *s)
{
    t->stage = s;
    t->use = &s->fuse;
    t->role = PLUGIN_FUSION;
}

/* "fuse", "STAGE.fuse", or a ranker of any stage. */
static bool find_use(train_target *t, const char *rest)
{
    const config_pipeline *p = t->pipeline;
    for (uint32_t i = 0; i < p->n_stages; i++) {
        const config_stage *s = &p->stage[i];
        size_t n = strlen(s->name);
        for (uint32_t k = 0; k < s->n_rank; k++) {
            if (strcmp(s->rank[k].name, rest) != 0) continue;
            t->stage = s;
            t->use = &s->rank[k];
            t->role = PLUGIN_RANKER;
            return true;
        }
        if (s->has_fuse && strncmp(rest, s->name, n) == 0 && strcmp(rest + n, ".fuse") == 0) {
            take_fuse(t, s);
            return true;
        }
    }
    if (strcmp(rest, "fuse") != 0) return false;
    for (uint32_t i = p->n_stages; i-- > 0;) { /* the last one that names a model; without any, the last one */
        const config_stage *s = &p->stage[i];
        if (!s->has_fuse) continue;
        if (!t->use || (!t->use->model && s->fuse.model)) take_fuse(t, s);
    }
    return t->use != NULL;
}

static sinter_status name_of(const train_spec *spec, train_target *t, arena *a, sinter_error *e)
{
    const config_use *u = t->use;
    t->name = spec->name ? spec->name : model_named(u->model, a, NULL);
    if (!t->name)
        return conf_error(e, u->at, "write `model: NAME/latest` there, or give --name", "%s names no model", t->label);
    if (model_name_valid(t->name)) return SINTER_OK;
    return conf_error(e, u->at, "use at most 64 of a-z, 0-9, '_' and '-', a letter or digit first", "a model cannot be called '%s'",
                      t->name);
}

sinter_status target_find(const train_spec *spec, arena *a, train_target *t, sinter_error *e)
{
    const char *dot = spec->what ? strchr(spec->what, '.') : NULL;
    *t = (train_target){.label = spec->what};
    if (!dot)
        return error_set(e, SINTER_INVALID, NULL, "write PIPELINE.RANKER or PIPELINE.fuse", "'%s' names no ranker of a pipeline",
                         spec->what ? spec->what : "");
    const char *name = arena_strndup(a, spec->what, (size_t)(dot - spec->what));
    t->pipeline = config_find_pipeline(spec->config, name);
    if (!t->pipeline) return no_pipeline(spec->config, name, a, e);
    t->collection = config_find_collection(spec->config, t->pipeline->collection);
    if (!find_use(t, dot + 1)) return no_ranker(t->pipeline, dot + 1, a, e);
    if (!t->use->plugin && !t->use->path)
        return conf_error(e, t->use->at, "name a ranker with a plugin that trains", "%s is one feature: there is nothing to train",
                          t->label);
    t->where = arena_printf(a, "%s:%u:%u", t->use->at->file, t->use->at->line, t->use->at->column);
    return name_of(spec, t, a, e);
}

/* ---- the range --------------------------------------------------------------------------------------------------------------- */

/* The newest record at or below *sequence: sequences may have holes. Time INT64_MIN: none. */
static sinter_status time_at(journal_reader *r, uint64_t *sequence, arena *a, int64_t *time_ms, sinter_error *e)
{
    *time_ms = INT64_MIN;
    for (; *sequence; --*sequence) {
        Sinter__Storage__V1__Record *rec;
        sinter_status s = journal_get(r, *sequence, a, &rec, e);
        if (s == SINTER_NOT_FOUND) continue;
        if (s == SINTER_OK) *time_ms = rec->time_ms;
        return s;
    }
    return SINTER_OK;
}

/* The newest record appended before `time_ms`. */
static sinter_status sequence_before(journal_reader *r, uint64_t last, int64_t time_ms, uint64_t *out, sinter_error *e)
{
    arena *a = arena_new(1 << 14);
    uint64_t low = 0, high = last; /* low is before, all above high are not */
    sinter_status s = SINTER_OK;
    while (low < high && s == SINTER_OK) {
        uint64_t middle = low + (high - low + 1) / 2, at = middle;
        int64_t then;
        s = time_at(r, &at, a, &then, e);
        arena_reset(a);
        if (then < time_ms)
            low = middle;
        else
            high = at - 1;
    }
    arena_free(a);
    *out = low;
    return s;
}

static sinter_status bound(journal_reader *r, const char *text, const char *option, uint64_t last, uint64_t *out, sinter_error *e)
{
    int64_t ms;
    if (parse_uint64(str_of(text), out)) {
        if (*out <= last) return SINTER_OK;
        return error_set(e, SINTER_INVALID, option, "name an earlier sequence", "the journal's newest is %" PRIu64 ", not %" PRIu64,
                         last, *out);
    }
    if (time_parse_ms(str_of(text), &ms)) return sequence_before(r, last, ms, out, e);
    return error_set(e, SINTER_INVALID, option, "write 1234, 2026-11-25 or 2026-11-25T12:00:00Z",
                     "'%s' is neither a sequence of the journal nor a time", text);
}

/* The model behind each ranker of the stage, as a server would serve it now. */
static sinter_status stage_rankers(const train_spec *spec, train_target *t, const deployments *d, uint32_t collection, arena *a,
                                   sinter_error *e)
{
    t->n_rankers = t->stage->n_rank;
    t->ranker = ARENA_ARRAY(a, dataset_ranker, t->n_rankers + 1);
    t->ranker_name = ARENA_ARRAY(a, const char *, t->n_rankers + 1);
    for (uint32_t i = 0; i < t->n_rankers; i++) {
        const config_use *u = &t->stage->rank[i];
        t->ranker_name[i] = t->ranker[i].name = u->name;
        t->ranker[i].model = "";
        bool latest;
        const char *name = model_named(u->model, a, &latest);
        if (!name) continue;
        if (latest) {
            const deployment *x = deployments_newest_of(d, name, collection);
            if (!x) continue;
            t->ranker[i].model = arena_printf(a, "%s/%" PRIu64, name, x->version);
            t->ranker[i].until = x->until;
            continue;
        }
        uint64_t version;
        model_info m;
        sinter_status s = model_parse(u->model, a, &name, &version, e);
        if (s == SINTER_OK) s = model_read(spec->config->server.data_dir, name, version, a, &m, e);
        if (s != SINTER_OK) return s;
        t->ranker[i].model = u->model;
        t->ranker[i].until = m.until;
    }
    return SINTER_OK;
}

static sinter_status range(const train_spec *spec, const train_target *t, journal_reader *r, train_ground *g, sinter_error *e)
{
    sinter_status s = SINTER_OK;
    for (uint32_t i = 0; i < t->n_rankers && t->role == PLUGIN_FUSION; i++)
        if (t->ranker[i].until > g->since) g->since = t->ranker[i].until;
    if (spec->since) s = bound(r, spec->since, "--since", g->last, &g->since, e);
    g->until = g->last;
    if (s == SINTER_OK && spec->until) s = bound(r, spec->until, "--until", g->last, &g->until, e);
    if (s == SINTER_OK && t->role == PLUGIN_FUSION) s = dataset_check_since(t->ranker, t->n_rankers, g->since, t->where, e);
    if (s == SINTER_OK && g->since >= g->until)
        s = error_set(e, SINTER_PRECONDITION, t->where, t->role == PLUGIN_FUSION && !spec->since
                          ? "serve requests with the deployed rankers first: a fusion learns from what came after their training"
                          : "give an earlier --since or a later --until",
                      "the range (%" PRIu64 ", %" PRIu64 "] holds nothing", g->since, g->until);
    return s;
}

/* The pipeline's collection as the server takes it: where an alias of the name leads. */
static sinter_status follow_alias(const train_spec *spec, train_target *t, journal_reader *r, uint64_t last, sinter_error *e)
{
    aliases *x = aliases_new();
    sinter_status s = aliases_read(x, r, last, e);
    const config_collection *meant = s == SINTER_OK ? config_find_collection(spec->config, aliases_target(x, t->pipeline->collection)) : NULL;
    if (meant) t->collection = meant;
    aliases_free(x);
    return s;
}

static sinter_status ask_journal(const train_spec *spec, train_target *t, journal *j, arena *a, train_ground *g, sinter_error *e)
{
    journal_reader *r;
    uint32_t live;
    sinter_status s = journal_reader_open(j, &r, e);
    if (s != SINTER_OK) return s;
    g->last = journal_last_sequence(j);
    deployments *d = deployments_new();
    s = follow_alias(spec, t, r, g->last, e);
    if (s == SINTER_OK) s = journal_collection(j, t->collection->name, &g->collection, g->uuid, e);
    if (s == SINTER_OK) s = journal_count(r, g->collection, &g->ordinals, &live, e);
    if (s == SINTER_OK) s = deployments_read(d, r, g->last, e);
    const deployment *own = deployments_newest_of(d, t->name, g->collection);
    for (const deployment *x = deployments_newest(d, t->name); x; x = x->before)
        if (x->version > g->highest_version) g->highest_version = x->version;
    g->newest_version = own ? own->version : 0;
    if (s == SINTER_OK) s = stage_rankers(spec, t, d, g->collection, a, e);
    if (s == SINTER_OK) s = range(spec, t, r, g, e);
    deployments_free(d);
    journal_reader_close(r);
    return s;
}

sinter_status target_ground(const train_spec *spec, train_target *t, arena *a, train_ground *out, sinter_error *e)
{
    journal *j;
    *out = (train_ground){0};
    const journal_options o = {.dir = arena_printf(a, "%s/journal/catalogue", spec->config->server.data_dir),
                               .kind = JOURNAL_CATALOGUE, .read_only = true};
    sinter_status s = journal_open(&o, &j, e);
    if (s == SINTER_NOT_FOUND) error_fix(e, "start the server once, and let people search: there is no journal yet");
    if (s != SINTER_OK) return s;
    s = ask_journal(spec, t, j, a, out, e);
    journal_close(j);
    return s;
}
