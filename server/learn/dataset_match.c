/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the trainer reads, found by name among what a record of the log has. What it lacks makes that request be left out and
 * counted; nothing is computed in its place. */
#include "dataset_inside.h"

#include <stdio.h>
#include <string.h>

typedef Sinter__Storage__V1__Answered answered;
typedef Sinter__Storage__V1__RecordedStage recorded_stage;

static uint32_t find_name(char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) return (uint32_t)i;
    return UINT32_MAX;
}

/* "PIPELINE.RANKER" among the rankers of the log: of whole requests, as the pipeline that answered scored. */
static uint32_t find_ranker(const dataset_making *m, const answered *an, const char *name)
{
    return find_name(an->rankers, an->n_rankers, arena_printf(m->a, "%s.%s", m->whole ? an->pipeline : m->spec->pipeline, name));
}

static uint64_t hash_names(uint64_t h, char *const *names, size_t n)
{
    h = hash64_seed(&n, sizeof n, h);
    for (size_t i = 0; i < n; i++) h = hash64_seed(names[i], strlen(names[i]), h);
    return h;
}

/* ---- matching ----------------------------------------------------------------------------------------------------------- */

static uint32_t match_feature(const dataset_making *m, const answered *an, const recorded_stage *st, const char *name)
{
    uint32_t c = st ? find_name(st->features, st->n_features, name) : find_name(an->features, an->n_features, name);
    if (c != UINT32_MAX || st || strncmp(name, "score.", 6) != 0) return c;
    c = find_ranker(m, an, name + 6);
    return c == UINT32_MAX ? c : c | FROM_RAW;
}

/* Recorded stages have no ids: those that are the same for all candidates are taken from what was shown. */
static uint32_t match_id(const dataset_making *m, const answered *an, const recorded_stage *st, const char *name)
{
    (void)m;
    if (st && strncmp(name, "item.", 5) == 0) return UINT32_MAX;
    return find_name(an->id_features, an->n_id_features, name);
}

static uint32_t match_context(const dataset_making *m, const answered *an, const recorded_stage *st, const char *name)
{
    (void)m;
    uint32_t c = st ? find_name(st->fuse_context, st->n_fuse_context, name) : UINT32_MAX;
    if (c != UINT32_MAX) return c;
    c = find_name(an->context, an->n_context, name);
    return c == UINT32_MAX ? c : c | FROM_ANSWER;
}

static uint32_t match_prior(const dataset_making *m, const answered *an, const recorded_stage *st, const char *name)
{
    return st ? find_name(st->rankers, st->n_rankers, name) : find_ranker(m, an, name);
}

typedef uint32_t match(const dataset_making *m, const answered *an, const recorded_stage *st, const char *name);

static void match_all(dataset_making *m, const answered *an, const recorded_stage *st, request_columns *c)
{
    const sinter_inputs *in = m->spec->inputs;
    const struct {
        match *find;
        const char *const *name;
        uint32_t n;
        uint32_t *out;
        dataset_left_out missing;
        const char *what;
    } kinds[] = {{match_feature, in->feature, in->n_features, c->feature, DATASET_NO_FEATURE, "feature"},
                 {match_id, in->id_feature, in->n_id_features, c->id, DATASET_NO_ID_FEATURE, "id feature"},
                 {match_context, in->context, in->n_context, c->context, DATASET_NO_CONTEXT, "context"},
                 {match_prior, in->prior, in->n_prior, c->prior, DATASET_NO_PRIOR, "earlier ranker"}};
    c->missing = DATASET_LEFT_OUT_N;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
        for (uint32_t i = 0; i < kinds[k].n; i++) {
            kinds[k].out[i] = kinds[k].find(m, an, st, kinds[k].name[i]);
            if (kinds[k].out[i] != UINT32_MAX || c->missing != DATASET_LEFT_OUT_N) continue;
            c->missing = kinds[k].missing;
            snprintf(m->report->missing, sizeof m->report->missing, "%s '%s'", kinds[k].what, kinds[k].name[i]);
        }
}

static void match_rankers(dataset_making *m, const answered *an, const recorded_stage *st, request_columns *c)
{
    if (m->spec->n_rankers && st->n_rankers != m->spec->n_rankers) c->missing = DATASET_OTHER_RANKERS;
    for (uint32_t r = 0; r < m->spec->n_rankers; r++) {
        c->ranker[r] = find_name(st->rankers, st->n_rankers, m->spec->ranker[r].name);
        c->model[r] = find_ranker(m, an, m->spec->ranker[r].name);
        if (c->ranker[r] == UINT32_MAX) c->missing = DATASET_OTHER_RANKERS;
    }
}

static request_columns *columns_new(dataset_making *m)
{
    const sinter_inputs *in = m->spec->inputs;
    request_columns *c = ARENA_NEW(m->memory, request_columns);
    c->feature = ARENA_ARRAY(m->memory, uint32_t, in->n_features + 1);
    c->id = ARENA_ARRAY(m->memory, uint32_t, in->n_id_features + 1);
    c->context = ARENA_ARRAY(m->memory, uint32_t, in->n_context + 1);
    c->prior = ARENA_ARRAY(m->memory, uint32_t, in->n_prior + 1);
    c->ranker = ARENA_ARRAY(m->memory, uint32_t, m->spec->n_rankers + 1);
    c->model = ARENA_ARRAY(m->memory, uint32_t, m->spec->n_rankers + 1);
    return c;
}

/* Records of one snapshot have the same names: matched once. */
const request_columns *dataset_match_names(dataset_making *m, const answered *an, const recorded_stage *st)
{
    uint64_t names = hash_names(hash64_seed(an->pipeline, strlen(an->pipeline), 1), an->features, an->n_features);
    names = hash_names(names, an->id_features, an->n_id_features);
    names = hash_names(names, an->context, an->n_context);
    names = hash_names(names, an->rankers, an->n_rankers);
    if (st) {
        names = hash_names(names, st->features, st->n_features);
        names = hash_names(names, st->rankers, st->n_rankers);
        names = hash_names(names, st->fuse_context, st->n_fuse_context);
    }
    if (m->columns && m->columns->names == names) return m->columns;
    if (!m->columns) m->columns = columns_new(m);
    m->columns->names = names;
    match_all(m, an, st, m->columns);
    if (st) match_rankers(m, an, st, m->columns);
    return m->columns;
}
