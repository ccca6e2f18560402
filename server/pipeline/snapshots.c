/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The newest changes in memory, packed, and what ListSnapshots tells of them. Control thread only. */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void entry_free(history_entry *x)
{
    free(x->info);
    free(x);
}

static void pack(history_entry *x, const Sinter__V1__SnapshotInfo *info)
{
    free(x->info);
    x->n_info = sinter__v1__snapshot_info__get_packed_size(info);
    x->info = xmalloc(x->n_info + 1);
    sinter__v1__snapshot_info__pack(info, x->info);
}

void history_add(engine *g, const char *mark, uint64_t record, const Sinter__V1__SnapshotInfo *info)
{
    history_entry *x = xcalloc(1, sizeof *x);
    snprintf(x->id, sizeof x->id, "%s", info->id);
    snprintf(x->mark, sizeof x->mark, "%s", mark);
    x->record = record;
    pack(x, info);
    x->older = g->history;
    g->history = x;
    for (uint32_t i = 1; i < HISTORY_MOST && x; i++) x = x->older;
    if (!x || !x->older) return;
    history_entry *old = x->older;
    x->older = NULL;
    for (history_entry *next; old; old = next) {
        next = old->older;
        entry_free(old);
    }
}

void history_free(engine *g)
{
    for (history_entry *x = g->history, *next; x; x = next) {
        next = x->older;
        entry_free(x);
    }
    g->history = NULL;
}

static history_entry *newest_of(engine *g, const char *id)
{
    history_entry *x = g->history;
    while (x && strcmp(x->id, id) != 0) x = x->older;
    return x;
}

void history_watch(engine *g, const char *id, const Sinter__V1__Watch *w)
{
    history_entry *x = newest_of(g, id);
    Sinter__V1__SnapshotInfo *info = x ? sinter__v1__snapshot_info__unpack(NULL, x->n_info, x->info) : NULL;
    if (!info) return;
    Sinter__V1__Watch *was = info->watch;
    info->watch = (Sinter__V1__Watch *)(uintptr_t)w;
    pack(x, info);
    info->watch = was;
    sinter__v1__snapshot_info__free_unpacked(info, NULL);
}

void history_rolled_back(engine *g, const char *id)
{
    history_entry *x = newest_of(g, id);
    Sinter__V1__SnapshotInfo *info = x ? sinter__v1__snapshot_info__unpack(NULL, x->n_info, x->info) : NULL;
    if (!info) return;
    info->state = SINTER__V1__SNAPSHOT_INFO__STATE__STATE_ROLLED_BACK;
    pack(x, info);
    sinter__v1__snapshot_info__free_unpacked(info, NULL);
}

snapshot *engine_find_held(engine *g, const char *id)
{
    snapshot *now = atomic_load(&g->snapshot);
    if (strcmp(now->id, id) == 0) return now;
    for (uint32_t i = 0; i < g->n_held; i++)
        if (strcmp(g->held[i]->id, id) == 0) return g->held[i];
    return NULL;
}

/* ---- what a snapshot is ---------------------------------------------------------------------------------------------------- */

static bool is_swapped(const snapshot *s, const plugin_library *l)
{
    for (uint32_t i = 0; i < s->n_overrides; i++)
        if (strcmp(s->override[i].sha256, l->sha256) == 0) return true;
    return false;
}

Sinter__V1__SnapshotInfo *history_describe(const snapshot *s, arena *a)
{
    Sinter__V1__SnapshotInfo *out = ARENA_NEW(a, Sinter__V1__SnapshotInfo);
    sinter__v1__snapshot_info__init(out);
    out->id = arena_strdup(a, s->id);
    out->plugins = ARENA_ARRAY(a, char *, s->n_libraries + 1);
    for (uint32_t i = 0; i < s->n_libraries; i++) {
        const plugin_library *l = s->library[i];
        bool told = false;
        for (uint32_t k = 0; k < i && !told; k++) told = s->library[k] == l;
        if (!told)
            out->plugins[out->n_plugins++] =
                arena_printf(a, "%s %s %s%s", l->name, l->version, l->sha256, is_swapped(s, l) ? " swapped" : "");
    }
    snap_latest *latest;
    uint32_t n = snapshot_latest(s, a, &latest);
    out->models = ARENA_ARRAY(a, char *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        if (latest[i].version)
            out->models[out->n_models++] = arena_printf(a, "%s/%llu", latest[i].name, (unsigned long long)latest[i].version);
    return out;
}

/* ---- the list ---------------------------------------------------------------------------------------------------------------- */

static void *take(void *ctx, size_t n)
{
    return arena_alloc(ctx, n);
}

static void keep(void *ctx, void *p)
{
    (void)ctx, (void)p;
}

static Sinter__V1__SnapshotInfo__State state_of(engine *g, const snapshot *s, const Sinter__V1__SnapshotInfo *info)
{
    if (s && s == atomic_load(&g->snapshot)) return SINTER__V1__SNAPSHOT_INFO__STATE__STATE_RUNNING;
    if (s ? s->rolled_back : info->state == SINTER__V1__SNAPSHOT_INFO__STATE__STATE_ROLLED_BACK)
        return SINTER__V1__SNAPSHOT_INFO__STATE__STATE_ROLLED_BACK;
    return s ? SINTER__V1__SNAPSHOT_INFO__STATE__STATE_HELD : SINTER__V1__SNAPSHOT_INFO__STATE__STATE_GONE;
}

void engine_snapshots(engine *g, arena *a, Sinter__V1__ListSnapshotsResponse *out)
{
    ProtobufCAllocator in_arena = {.alloc = take, .free = keep, .allocator_data = a};
    out->snapshots = ARENA_ARRAY(a, Sinter__V1__SnapshotInfo *, HISTORY_MOST);
    for (const history_entry *x = g->history; x && out->n_snapshots < HISTORY_MOST; x = x->older) {
        Sinter__V1__SnapshotInfo *info = sinter__v1__snapshot_info__unpack(&in_arena, x->n_info, x->info);
        if (!info) continue;
        const snapshot *s = engine_find_held(g, x->id);
        info->held = s != NULL;
        info->state = state_of(g, s, info);
        out->snapshots[out->n_snapshots++] = info;
    }
}
