/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What impressions record of a collection: every feature, id feature and per-request number that any of its pipelines asks for,
 * also for rankers that are not trained yet, each once; every ranker; the longest history. */
#include "snapshot.h"

#include <string.h>

static uint32_t find(const char *const *name, uint32_t n, const char *x)
{
    uint32_t i = 0;
    while (i < n && strcmp(name[i], x) != 0) i++;
    return i;
}

/* Scores, ranks and sources are a pipeline's own; what is shared by all is logged as a feature. */
static bool is_shared(const char *name)
{
    return strncmp(name, "score.", 6) != 0 && strncmp(name, "recall.", 7) != 0 && strcmp(name, "before") != 0 &&
           !strstr(name, ".proximity");
}

static void log_features(snap_collection *c, const feature *f, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!is_shared(f[i].name) || find(c->log_feature_name, c->n_log_features, f[i].name) < c->n_log_features) continue;
        c->log_feature[c->n_log_features] = f[i];
        c->log_feature_name[c->n_log_features++] = f[i].name;
    }
}

static void log_context(snap_collection *c, const feature *f, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (find(c->log_context_name, c->n_log_context, f[i].name) < c->n_log_context) continue;
        c->log_context[c->n_log_context] = f[i];
        c->log_context_name[c->n_log_context++] = f[i].name;
    }
}

static void log_ids(snap_collection *c, const id_feature *f, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (find(c->log_id_name, c->n_log_ids, f[i].name) < c->n_log_ids) continue;
        c->log_id[c->n_log_ids] = f[i];
        c->log_id_name[c->n_log_ids++] = f[i].name;
    }
}

static void log_history(snap_collection *c, const snap_use *use)
{
    const sinter_inputs *in = snap_inputs(use);
    if (in && in->history > c->log_history) c->log_history = in->history;
}

static void log_ranker(snapshot *s, snap_collection *c, snap_pipeline *p, uint32_t r)
{
    p->ranker[r]->log_column = c->n_log_rankers;
    c->log_ranker_pipeline[c->n_log_rankers] = p;
    c->log_ranker[c->n_log_rankers] = p->ranker[r];
    c->log_model[c->n_log_rankers] = p->ranker[r]->use.model ? p->ranker[r]->use.model : "";
    c->log_ranker_name[c->n_log_rankers++] = arena_printf(s->memory, "%s.%s", p->config->name, p->ranker_name[r]);
}

static void log_stage(snap_collection *c, const snap_stage *st)
{
    log_features(c, st->feature, st->n_features);
    log_features(c, st->unserved, st->n_unserved);
    log_context(c, st->fuse_context, st->n_fuse_context);
    log_history(c, &st->fuse);
    for (uint32_t r = 0; r < st->n_rankers; r++) {
        log_context(c, st->ranker[r].context, st->ranker[r].n_context);
        log_ids(c, st->ranker[r].id, st->ranker[r].n_ids);
        log_history(c, &st->ranker[r].use);
    }
}

static void log_pipeline(snapshot *s, snap_collection *c, snap_pipeline *p)
{
    for (uint32_t r = 0; r < p->n_rankers; r++) log_ranker(s, c, p, r);
    for (uint32_t k = 0; k < p->n_stages; k++) log_stage(c, &p->stage[k]);
    for (uint32_t k = 0; k < p->n_sources; k++) log_history(c, &p->source[k].use);
    for (uint32_t k = 0; k < p->n_rewrite; k++) log_history(c, &p->rewrite[k]);
    for (uint32_t k = 0; k < p->n_finish; k++) log_history(c, &p->finish[k].use);
}

/* Room for the most that there can be. */
static void make_room(snapshot *s, snap_collection *c, uint32_t index)
{
    uint32_t rankers = 0, features = 0, context = 0, ids = 0;
    for (uint32_t k = 0; k < s->n_pipelines; k++) {
        const snap_pipeline *p = &s->pipeline[k];
        if (p->collection != index) continue;
        rankers += p->n_rankers;
        for (uint32_t i = 0; i < p->n_stages; i++) {
            features += p->stage[i].n_features + p->stage[i].n_unserved;
            context += p->stage[i].n_fuse_context;
            for (uint32_t r = 0; r < p->stage[i].n_rankers; r++) {
                context += p->stage[i].ranker[r].n_context;
                ids += p->stage[i].ranker[r].n_ids;
            }
        }
    }
    c->log_ranker = ARENA_ARRAY(s->memory, const snap_ranker *, rankers);
    c->log_ranker_pipeline = ARENA_ARRAY(s->memory, const snap_pipeline *, rankers);
    c->log_ranker_name = ARENA_ARRAY(s->memory, const char *, rankers);
    c->log_model = ARENA_ARRAY(s->memory, const char *, rankers);
    c->log_feature = ARENA_ARRAY(s->memory, feature, features);
    c->log_feature_name = ARENA_ARRAY(s->memory, const char *, features);
    c->log_context = ARENA_ARRAY(s->memory, feature, context);
    c->log_context_name = ARENA_ARRAY(s->memory, const char *, context);
    c->log_id = ARENA_ARRAY(s->memory, id_feature, ids);
    c->log_id_name = ARENA_ARRAY(s->memory, const char *, ids);
}

void snapshot_list_logged(snapshot *s, uint32_t index)
{
    snap_collection *c = &s->collection[index];
    make_room(s, c, index);
    c->log_history = LOG_HISTORY;
    for (uint32_t k = 0; k < s->n_pipelines; k++)
        if (s->pipeline[k].collection == index) log_pipeline(s, c, &s->pipeline[k]);
}
