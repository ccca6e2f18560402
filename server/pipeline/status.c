/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What GetStatus says of the house below the network: sequences, collections, plugins in use, what is not trained, counters. */
#include "engine.h"

#include <string.h>

/* A role's use of a library somewhere in a pipeline. */
typedef struct use_walk {
    arena *a;
    const snapshot *s;
    Sinter__V1__GetStatusResponse *out;
    const plugin_library **library; /* [out->n_plugins] */
    uint32_t cap;
} use_walk;

static Sinter__V1__PluginStatus *plugin_of(use_walk *w, const plugin_library *l)
{
    for (size_t i = 0; i < w->out->n_plugins; i++)
        if (w->library[i] == l) return w->out->plugins[i];
    Sinter__V1__PluginStatus *p = ARENA_NEW(w->a, Sinter__V1__PluginStatus);
    sinter__v1__plugin_status__init(p);
    p->name = arena_text(w->a, l->name);
    p->version = arena_text(w->a, l->version);
    p->build = arena_text(w->a, l->build);
    p->file = arena_text(w->a, l->file);
    p->sha256 = arena_text(w->a, l->sha256);
    p->roles = ARENA_ARRAY(w->a, char *, PLUGIN_ROLES);
    for (int r = 0; r < PLUGIN_ROLES; r++)
        if (plugin_has_role(l, (plugin_role)r)) p->roles[p->n_roles++] = arena_text(w->a, PLUGIN_ROLE_NAMES[r]);
    p->calls = atomic_load(&l->counters->calls);
    p->failures = atomic_load(&l->counters->failed) + atomic_load(&l->counters->not_finite);
    p->late = atomic_load(&l->counters->late);
    p->used_by = ARENA_ARRAY(w->a, char *, w->cap);
    w->library[w->out->n_plugins] = l;
    w->out->plugins[w->out->n_plugins++] = p;
    return p;
}

static void note_use(void *ctx, const snap_pipeline *p, const snap_use *u)
{
    use_walk *w = ctx;
    if (u->fallback && w->out->n_not_trained < w->cap)
        w->out->not_trained[w->out->n_not_trained++] =
            arena_printf(w->a, "%s.%s: %s", p->config->name, u->name, u->fallback);
    if (u->disabled && w->out->n_not_trained < w->cap)
        w->out->not_trained[w->out->n_not_trained++] =
            arena_printf(w->a, "%s.%s: %s", p->config->name, u->name, u->disabled);
    if (!u->library) return;
    Sinter__V1__PluginStatus *s = plugin_of(w, u->library);
    s->used_by[s->n_used_by++] = arena_printf(w->a, "%s.%s", p->config->name, u->name);
}

static void count_use(void *ctx, const snap_pipeline *p, const snap_use *u)
{
    (void)p, (void)u;
    ++*(uint32_t *)ctx;
}

static void fill_plugins(const snapshot *s, arena *a, Sinter__V1__GetStatusResponse *out)
{
    use_walk w = {.a = a, .s = s, .out = out, .cap = 1};
    snapshot_uses(s, count_use, &w.cap);
    w.library = ARENA_ARRAY(a, const plugin_library *, w.cap);
    out->plugins = ARENA_ARRAY(a, Sinter__V1__PluginStatus *, w.cap);
    out->not_trained = ARENA_ARRAY(a, char *, w.cap);
    snapshot_uses(s, note_use, &w);
}

static void fill_collections(engine *g, arena *a, Sinter__V1__GetStatusResponse *out)
{
    out->collections = ARENA_ARRAY(a, Sinter__V1__CollectionStatus *, g->n_collections + 1);
    for (uint32_t i = 0; i < g->n_collections; i++) {
        views_collection_state state;
        if (!views_collection_status(g->views, i, &state)) continue;
        Sinter__V1__CollectionStatus *c = ARENA_NEW(a, Sinter__V1__CollectionStatus);
        sinter__v1__collection_status__init(c);
        c->name = arena_text(a, state.name);
        c->items = state.items;
        c->sequence = state.sequence;
        c->index_state = arena_text(a, state.state);
        out->collections[out->n_collections++] = c;
    }
}

typedef struct counter {
    const char *name;
    uint64_t value;
} counter;

/* Between begin and end of a lane, so that the set stays. */
static void sum_profiles(const engine *g, uint64_t *events, uint64_t *people, uint64_t *bytes)
{
    const view_set *set = views_current(g->views);
    *events = *people = *bytes = 0;
    for (uint32_t i = 0; i < set->n; i++) {
        *events += set->collection[i].profiles->n_events;
        *people += set->collection[i].profiles->n_people;
        *bytes += set->collection[i].profiles->bytes;
    }
}

static void fill_counters(engine *g, arena *a, const views_state *v, Sinter__V1__GetStatusResponse *out)
{
    journal_stats j;
    journal_get_stats(g->journal, &j);
    uint64_t events, people, profile_bytes;
    sum_profiles(g, &events, &people, &profile_bytes);
    const counter counters[] = {{"searches", atomic_load(&g->searches)},
                                {"searches_degraded", atomic_load(&g->degraded)},
                                {"searches_retried", atomic_load(&g->retried)},
                                {"impressions_pending", atomic_load(&g->impressions_pending)},
                                {"impressions_stored", atomic_load(&g->impressions_stored)},
                                {"requests_recorded", atomic_load(&g->requests_recorded)},
                                {"failures_recorded", atomic_load(&g->failures_recorded)},
                                {"impressions_lost", atomic_load(&g->impressions_lost)},
                                {"journal_commits", j.commits},
                                {"journal_records", j.records},
                                {"journal_queued", j.queued_records},
                                {"view_sets", v->sets},
                                {"index_commits", v->commits},
                                {"index_documents", v->documents},
                                {"index_compactions", v->compactions},
                                {"index_rebuilds", v->rebuilds},
                                {"reads_parked", v->parked},
                                {"profile_events", events},
                                {"profile_people", people},
                                {"profile_bytes", profile_bytes},
                                {"plugins_resident", plugin_host_resident(g->host)},
                                {"lanes", g->n_lanes}};
    out->counters = ARENA_ARRAY(a, Sinter__V1__GetStatusResponse__CountersEntry *, ARRAY_LEN(counters) + 16);
    for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
        Sinter__V1__GetStatusResponse__CountersEntry *c = ARENA_NEW(a, Sinter__V1__GetStatusResponse__CountersEntry);
        sinter__v1__get_status_response__counters_entry__init(c);
        c->key = arena_text(a, counters[i].name);
        c->value = counters[i].value;
        out->counters[out->n_counters++] = c;
    }
}

static void *take(void *ctx, size_t n)
{
    return arena_alloc(ctx, n);
}

static void keep(void *ctx, void *p)
{
    (void)ctx, (void)p;
}

/* What the control thread tells; copied under its lock, which no search takes. */
static void fill_told(engine *g, arena *a, Sinter__V1__GetStatusResponse *out)
{
    ProtobufCAllocator in_arena = {.alloc = take, .free = keep, .allocator_data = a};
    pthread_mutex_lock(&g->told_lock);
    const char *warnings = arena_strdup(a, g->told_warnings.data ? g->told_warnings.data : "");
    size_t n = g->told_watch.len;
    uint8_t *watch = arena_alloc(a, n + 1);
    if (n) memcpy(watch, g->told_watch.data, n);
    pthread_mutex_unlock(&g->told_lock);
    if (n) out->watch = sinter__v1__watch__unpack(&in_arena, n, watch);
    out->warnings = text_lines(warnings, a, &out->n_warnings);
}

static void fill_experiments(engine *g, const config *c, arena *a, Sinter__V1__GetStatusResponse *out)
{
    out->experiments = ARENA_ARRAY(a, Sinter__V1__ExperimentInfo *, c->n_experiments + 1);
    for (uint32_t i = 0; i < c->n_experiments; i++) out->experiments[out->n_experiments++] = arms_info(g->arms, &c->experiment[i], a);
}

sinter_status engine_status(engine *g, pipeline_lane *l, arena *a, Sinter__V1__GetStatusResponse *out, sinter_error *e)
{
    (void)l;
    (void)e;
    const snapshot *s = engine_snapshot(g);
    views_state v;
    views_status(g->views, &v);
    out->snapshot = arena_text(a, s->id);
    out->sequence = journal_last_sequence(g->journal);
    out->searchable_sequence = v.sequence;
    out->state = arena_text(a, v.ready ? "serving" : "rebuilding");
    out->acknowledgement = arena_text(a, journal_acknowledgement(g->journal));
    fill_collections(g, a, out);
    fill_plugins(s, a, out);
    fill_counters(g, a, &v, out);
    fill_told(g, a, out);
    fill_experiments(g, s->config, a, out);
    return SINTER_OK;
}
