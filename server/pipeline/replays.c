/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AdminService.Replay: which snapshot answers a recorded request again, and how its answer differs from what the log holds. On the
 * control thread. */
#include "search.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIFFERENCES 100u

typedef struct replaying {
    engine *g;
    arena *a;
    const Sinter__V1__ReplayRequest *in;
    Sinter__V1__ReplayResponse *out;
    const Sinter__Storage__V1__Answered *answered;
    const Sinter__Storage__V1__RecordedRequest *whole;
    Sinter__V1__SearchRequest *request;
    const char *pipeline;
    snapshot *on;
    bool built; /* for this alone: `on` goes when it is done */
} replaying;

static void note(replaying *r, const char *text)
{
    if (r->out->n_notes < 16) r->out->notes[r->out->n_notes++] = arena_strdup(r->a, text);
}

/* ---- which snapshot ---------------------------------------------------------------------------------------------------------- */

/* The part of an id that says what a snapshot is made of. */
static const char *content(const char *id)
{
    const char *dash = strchr(id, '-');
    return dash ? dash : id;
}

static snapshot *same_content(engine *g, const char *id)
{
    snapshot *now = atomic_load(&g->snapshot);
    if (strcmp(content(now->id), content(id)) == 0) return now;
    for (uint32_t i = 0; i < g->n_held; i++)
        if (strcmp(content(g->held[i]->id), content(id)) == 0) return g->held[i];
    return NULL;
}

/* From the kept builds, the kept configuration and the models in their folders. */
static sinter_status build_again(engine *g, const Sinter__Storage__V1__SnapshotState *state, arena *a, snapshot **out, sinter_error *e)
{
    snapshot *now = atomic_load(&g->snapshot);
    const char *data_dir = now->config->server.data_dir, *slash = strrchr(g->config_path, '/');
    snapshot_args args = {.config = now->config, .config_refs = now->config_refs};
    plugin_override *o = ARENA_ARRAY(a, plugin_override, state->n_plugins + 1);
    snap_latest *latest = ARENA_ARRAY(a, snap_latest, state->n_models + 1);
    for (size_t i = 0; i < state->n_plugins; i++) {
        const Sinter__Storage__V1__PluginBuild *b = state->plugins[i];
        if (strlen(b->sha256) != 64) continue;
        o[args.n_overrides] = (plugin_override){.plugin = b->plugin, .kept = change_build_path(data_dir, b->sha256, a), .from = b->file};
        memcpy(o[args.n_overrides++].sha256, b->sha256, 65);
    }
    for (size_t i = 0; i < state->n_models; i++) latest[args.n_latest++] = (snap_latest){state->models[i]->name, state->models[i]->version, state->models[i]->collection};
    args.override = o;
    args.latest = latest;
    aliases *then = aliases_new();
    for (size_t i = 0; i < state->n_aliases; i++) aliases_add(then, state->aliases[i], 0, 0);
    args.aliases = then;
    config *own = NULL;
    sinter_status st = SINTER_OK;
    if (strcmp(state->configuration, now->config->mark) != 0) {
        st = config_load(arena_printf(a, "%s/configurations/%s/%s", data_dir, state->configuration, slash ? slash + 1 : g->config_path), &own, e);
        args.config = own;
        args.config_refs = NULL;
    }
    if (st == SINTER_OK) st = engine_build(g, &args, out, e);
    if (st && own) config_free(own);
    aliases_free(then);
    return st;
}

/* One that is running or held has the same pipeline, if nothing else. */
static snapshot *same_pipeline(engine *g, const char *pipeline, const char *version)
{
    for (uint32_t i = 0; i <= g->n_held; i++) {
        snapshot *s = i ? g->held[i - 1] : atomic_load(&g->snapshot);
        const snap_pipeline *p = snapshot_pipeline(s, pipeline);
        if (p && strcmp(p->version, version) == 0) return s;
    }
    return NULL;
}

static sinter_status find_snapshot(replaying *r, sinter_error *e)
{
    const char *id = *r->in->snapshot ? r->in->snapshot : r->answered->snapshot;
    sinter_error why = SINTER_ERROR_INIT;
    char line[1600];
    r->on = engine_find_held(r->g, id);
    if (!r->on) r->on = same_content(r->g, id);
    if (r->on) return SINTER_OK;
    const Sinter__Storage__V1__SnapshotState *state = change_state_of(r->g, id, r->a);
    if (state && build_again(r->g, state, r->a, &r->on, &why) == SINTER_OK) {
        r->built = true;
        note(r, arena_printf(r->a, "snapshot %s was built again from what is kept", id));
        return SINTER_OK;
    }
    if (!*r->in->snapshot) r->on = same_pipeline(r->g, r->answered->pipeline, r->answered->pipeline_version);
    if (r->on) {
        note(r, arena_printf(r->a, "snapshot %s is gone: %s has the same version of the pipeline", id, r->on->id));
        return SINTER_OK;
    }
    return error_set(e, *r->in->snapshot && !state ? SINTER_NOT_FOUND : SINTER_PRECONDITION, "snapshot",
                     "name another with --snapshot: `sinter snapshots` lists them", "snapshot %.40s can be had no more%s%s", id,
                     state ? ": " : "", state ? error_line(&why, line, sizeof line) : "");
}

/* ---- differences --------------------------------------------------------------------------------------------------------------- */

static const char *name_of(const search *s, uint32_t item, arena *a)
{
    size_t n;
    const char *id = catalog_item_id(s->collection->catalog, item, &n);
    return id ? arena_strndup(a, id, n) : "?";
}

static void differ(replaying *r, const char *text)
{
    if (r->out->n_differences < DIFFERENCES) r->out->differences[r->out->n_differences++] = arena_strdup(r->a, text);
}

static bool same_bits(float x, float y)
{
    return memcmp(&x, &y, sizeof x) == 0;
}

static const char *shown(arena *a, float x)
{
    return sinter_is_missing(x) ? "missing" : arena_printf(a, "%.9g", (double)x);
}

static void compare_scores(replaying *r, const search *s, const stage_run *run, const char *of, const float *was, const float *is)
{
    uint32_t n = 0, first = 0;
    for (uint32_t i = 0; i < run->n; i++)
        if (!same_bits(was[i], is[i]) && n++ == 0) first = i;
    if (n)
        differ(r, arena_printf(r->a, "stage %s: %s: %u of %u scores differ; item %s had %s, has %s", run->stage->name, of, n, run->n,
                               name_of(s, run->item[first], r->a), shown(r->a, was[first]), shown(r->a, is[first])));
}

static void compare_stage(replaying *r, const search *s, const stage_run *run, const Sinter__Storage__V1__RecordedStage *was)
{
    if (run->n != was->n_item || memcmp(run->item, was->item, run->n * sizeof *run->item) != 0) {
        differ(r, arena_printf(r->a, "stage %s: %u candidates entered, %zu did then, or in another order", run->stage->name, run->n, was->n_item));
        return;
    }
    for (size_t k = 0; k < was->n_rankers; k++) {
        uint32_t at = 0;
        while (at < run->stage->n_rankers && strcmp(run->stage->ranker_name[at], was->rankers[k]) != 0) at++;
        if (at == run->stage->n_rankers)
            differ(r, arena_printf(r->a, "stage %s: there is no ranker %s", run->stage->name, was->rankers[k]));
        else
            compare_scores(r, s, run, was->rankers[k], was->raw + k * run->n, run->ranker[at].score);
    }
    compare_scores(r, s, run, "fused", was->fused, run->fused);
}

static void compare_hits(replaying *r, const search *s)
{
    const Sinter__Storage__V1__Answered *a = r->answered;
    r->out->items = ARENA_ARRAY(r->a, Sinter__V1__MovedItem *, a->n_shown + s->n_page + 1);
    for (uint32_t pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < (pass ? a->n_shown : s->n_page); i++) {
            uint32_t item = pass ? a->shown[i]->item : s->page[i].item, was = 0, is = 0;
            for (uint32_t k = 0; k < a->n_shown; k++)
                if (a->shown[k]->item == item) was = k + 1;
            for (uint32_t k = 0; k < s->n_page; k++)
                if (s->page[k].item == item) is = k + 1;
            if (!pass && was && !same_bits((float)a->shown[was - 1]->score, s->page[i].score))
                differ(r, arena_printf(r->a, "hit %u, %s: score %.9g, was %.9g", i + 1, name_of(s, item, r->a), (double)s->page[i].score,
                                       a->shown[was - 1]->score));
            if (was == is || (pass && is)) continue;
            Sinter__V1__MovedItem *m = ARENA_NEW(r->a, Sinter__V1__MovedItem);
            sinter__v1__moved_item__init(m);
            m->item = (char *)(uintptr_t)name_of(s, item, r->a);
            m->was = was;
            m->is = is;
            r->out->items[r->out->n_items++] = m;
        }
    if (r->out->n_items) differ(r, arena_printf(r->a, "%zu hits of the page are at another place", r->out->n_items));
}

/* What was read anew may be another than then: ids and vectors of items, filters of rules, fields of diversity. */
static void note_moved_on(replaying *r, const search *s, const logged *x)
{
    uint32_t changed = 0;
    for (uint32_t i = 0; i < s->found.n; i++) changed += catalog_record_of(s->set, s->found.item[i]) > r->answered->columns_sequence;
    if (changed) note(r, arena_printf(r->a, "%u of %u candidates have been changed since: ids, vectors and fields that rules read are today's", changed, s->found.n));
    if (x->recomputed)
        note(r, arena_printf(r->a, "%llu of %llu feature values are not in the log and were made from today's views",
                             (unsigned long long)x->recomputed, (unsigned long long)x->values));
    if (x->lacks) note(r, arena_printf(r->a, "the log lacks '%s', which is missing here", x->lacks));
}

static void *take(void *ctx, size_t n)
{
    return arena_alloc(ctx, n);
}

static void keep(void *ctx, void *p)
{
    (void)ctx, (void)p;
}

/* Out of the lane's memory. */
static Sinter__V1__SearchResponse *copy(const Sinter__V1__SearchResponse *m, arena *a)
{
    ProtobufCAllocator in_arena = {.alloc = take, .free = keep, .allocator_data = a};
    size_t n = sinter__v1__search_response__get_packed_size(m);
    uint8_t *bytes = arena_alloc(a, n + 1);
    sinter__v1__search_response__pack(m, bytes);
    return sinter__v1__search_response__unpack(&in_arena, n, bytes);
}

static sinter_status answer(replaying *r, sinter_error *e)
{
    pipeline_lane *l = engine_control_lane(r->g);
    logged x = {.answered = r->answered, .recorded = r->whole};
    search *s;
    pipeline_lane_begin(l);
    sinter_status st = search_replay(l, r->on, r->request, &x, &s, e);
    if (st == SINTER_OK) {
        bool own = strcmp(r->pipeline, r->answered->pipeline) == 0;
        if (own && s->pipeline->n_stages != r->whole->n_stages)
            differ(r, arena_printf(r->a, "the pipeline has %u stages, had %zu", s->pipeline->n_stages, r->whole->n_stages));
        for (uint32_t k = 0; own && k < s->pipeline->n_stages && k < r->whole->n_stages; k++)
            compare_stage(r, s, &s->stage[k], r->whole->stages[k]);
        compare_hits(r, s);
        note_moved_on(r, s, &x);
        r->out->identical = own && !r->out->n_differences;
        r->out->response = copy(s->out, r->a);
        if (!r->out->response) st = error_set(e, SINTER_INTERNAL, "response", NULL, "the answer could not be copied");
    }
    pipeline_lane_end(l);
    return st;
}

sinter_status engine_replay(engine *g, const Sinter__V1__ReplayRequest *in, arena *a, Sinter__V1__ReplayResponse *out, sinter_error *e)
{
    replaying r = {.g = g, .a = a, .in = in, .out = out};
    recorded_place at;
    out->notes = ARENA_ARRAY(a, char *, 16);
    out->differences = ARENA_ARRAY(a, char *, DIFFERENCES);
    out->request_id = in->request_id;
    if (!*in->request_id) return error_set(e, SINTER_INVALID, "request_id", "it is in every answer", "no request is named");
    sinter_status st = recorded_find(g, in->request_id, &at, e);
    if (st == SINTER_OK) st = recorded_read(g, &at, a, &r.answered, &r.whole, &r.request, e);
    if (st) return st;
    if (!r.whole)
        return error_set(e, SINTER_PRECONDITION, "request_id", "`record: 1` in a pipeline records all of its requests",
                         "request '%.100s' was answered and not recorded whole", in->request_id);
    r.pipeline = *in->pipeline ? in->pipeline : r.answered->pipeline;
    r.request->pipeline = (char *)(uintptr_t)r.pipeline;
    r.request->explain = in->explain;
    if ((st = find_snapshot(&r, e))) return st;
    out->snapshot = arena_strdup(a, r.on->id);
    out->own_snapshot = r.answered->snapshot;
    out->time = timestamp_new(a, r.answered->time_ms);
    st = answer(&r, e);
    if (r.built) {
        out->snapshot = arena_strdup(a, *in->snapshot ? in->snapshot : r.answered->snapshot);
        engine_discard(g, r.on);
    }
    return st;
}
