/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where a start takes up: what the records of changes say, and which kept files are still of use. On the control thread. */
#include "engine.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef Sinter__Storage__V1__SnapshotState state;

/* ---- records ------------------------------------------------------------------------------------------------------------------- */

static void take_overrides(engine *g, const state *is, arena *a)
{
    plugin_override *o = ARENA_ARRAY(a, plugin_override, is->n_plugins + 1);
    uint32_t n = 0;
    for (size_t i = 0; i < is->n_plugins; i++) {
        const Sinter__Storage__V1__PluginBuild *b = is->plugins[i];
        if (!b->swapped || strlen(b->sha256) != 64) continue;
        o[n] = (plugin_override){.plugin = b->plugin, .kept = "", .from = b->file};
        memcpy(o[n++].sha256, b->sha256, 65);
    }
    change_adopt_overrides(g, o, n);
}

static Sinter__V1__SnapshotInfo *info_of(const Sinter__Storage__V1__Record *rec, arena *a)
{
    const Sinter__Storage__V1__Change *m = rec->change;
    Sinter__V1__SnapshotInfo *out = ARENA_NEW(a, Sinter__V1__SnapshotInfo);
    sinter__v1__snapshot_info__init(out);
    out->id = m->is->id;
    out->kind = arena_strdup(a, change_kind_name(m->kind));
    out->who = m->who;
    out->why = m->why;
    out->changes = m->changes;
    out->n_changes = m->n_changes;
    out->sequence = rec->sequence + (m->kind == SINTER__STORAGE__V1__CHANGE__KIND__KIND_DEPLOY);
    out->time = timestamp_new(a, rec->time_ms);
    out->plugins = ARENA_ARRAY(a, char *, m->is->n_plugins + 1);
    for (size_t i = 0; i < m->is->n_plugins; i++) {
        const Sinter__Storage__V1__PluginBuild *b = m->is->plugins[i];
        out->plugins[out->n_plugins++] = arena_printf(a, "%s %s %s%s", b->name, b->version, b->sha256, b->swapped ? " swapped" : "");
    }
    out->models = ARENA_ARRAY(a, char *, m->is->n_models + 1);
    for (size_t i = 0; i < m->is->n_models; i++)
        if (m->is->models[i]->version)
            out->models[out->n_models++] =
                arena_printf(a, "%s/%llu", m->is->models[i]->name, (unsigned long long)m->is->models[i]->version);
    return out;
}

void change_seen_at_start(void *ctx, const Sinter__Storage__V1__Record *rec)
{
    engine *g = ctx;
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ALIAS_SET) {
        aliases_add(g->aliases, rec->alias_set, rec->sequence, rec->time_ms);
        return;
    }
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_EXPERIMENT) {
        arms_see(g->arms, rec);
        return;
    }
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ERASURE) {
        erasures_see(g->erasures, rec);
        return;
    }
    const Sinter__Storage__V1__Change *m = rec->change;
    if (!m->is || strlen(m->is->id) >= sizeof g->previous) return; /* of another making than ours */
    arena *a = arena_new(1 << 12);
    snprintf(g->previous, sizeof g->previous, "%s", m->is->id);
    snprintf(g->configuration, sizeof g->configuration, "%.16s", m->is->configuration);
    snprintf(g->refused, sizeof g->refused, "%.16s", m->refused_configuration);
    take_overrides(g, m->is, a);
    if (m->kind == SINTER__STORAGE__V1__CHANGE__KIND__KIND_ROLLBACK && m->was) history_rolled_back(g, m->was->id);
    history_add(g, m->is->configuration, rec->sequence, info_of(rec, a));
    arena_free(a);
}

const state *change_state_of(engine *g, const char *id, arena *a)
{
    journal_reader *r = engine_control_lane(g)->reader;
    const state *found = NULL;
    for (const history_entry *x = g->history; x && !found; x = x->older) {
        Sinter__Storage__V1__Record *rec;
        if (!x->record || journal_get(r, x->record, a, &rec, NULL) != SINTER_OK) continue;
        if (rec->body_case != SINTER__STORAGE__V1__RECORD__BODY_CHANGE) continue;
        if (rec->change->is && strcmp(rec->change->is->id, id) == 0) found = rec->change->is;
        if (rec->change->was && strcmp(rec->change->was->id, id) == 0) found = rec->change->was;
    }
    return found;
}

/* ---- the configuration ----------------------------------------------------------------------------------------------------------- */

void change_warn_refused(engine *g, const char *data_dir, const char *serves)
{
    char line[1200];
    snprintf(line, sizeof line,
             "the configuration on disk (%s) was rolled back: what serves is the one before, kept in %.900s/configurations/%s; mend the "
             "files and `sinter reload`",
             g->refused, data_dir, serves);
    engine_warn(g, "config.rolled_back", line);
}

sinter_status change_configuration(engine *g, config **c, sinter_error *e)
{
    arena *a = arena_new(1 << 10);
    char line[1600];
    config *kept = NULL;
    sinter_error own = SINTER_ERROR_INIT;
    (void)e;
    const char *data_dir = (*c)->server.data_dir, *slash = strrchr((*c)->path, '/');
    for (uint32_t i = 0; i < g->n_overrides; i++)
        g->override[i].kept = change_build_path(data_dir, g->override[i].sha256, g->override_memory);
    if (g->refused[0] && strcmp(g->refused, (*c)->mark) != 0) g->refused[0] = 0; /* the files have been changed since */
    if (g->refused[0]) {
        const char *path = arena_printf(a, "%s/configurations/%s/%s", data_dir, g->configuration, slash ? slash + 1 : (*c)->path);
        if (config_load(path, &kept, &own) == SINTER_OK) {
            g->on_disk = *c; /* others hold its texts */
            *c = kept;
            change_warn_refused(g, data_dir, kept->mark);
        } else {
            engine_warn(g, "config.rolled_back",
                        arena_printf(a, "the configuration on disk was rolled back, but the one before cannot be read, so it serves: %s",
                                     error_line(&own, line, sizeof line)));
            g->refused[0] = 0;
        }
    }
    arena_free(a);
    return SINTER_OK;
}

/* The same content as when the server ended has the same id; anything else the next number. */
static void number(engine *g, snapshot *s)
{
    const char *was = strchr(g->previous, '-'), *is = strchr(s->id, '-');
    uint64_t serial;
    if (!was || !is || !parse_uint64((str){g->previous, (size_t)(was - g->previous)}, &serial)) return;
    char hash[12];
    snprintf(hash, sizeof hash, "%.9s", is);
    bool same = strcmp(was, hash) == 0;
    g->serial = same ? serial : serial + 1;
    snprintf(s->id, sizeof s->id, "%llu%s", (unsigned long long)g->serial, hash);
}

void change_started(engine *g, snapshot *s)
{
    sinter_error e = SINTER_ERROR_INIT;
    char line[1600];
    number(g, s);
    if (change_keep(g, s, &e)) log_warn("snapshot.keep", "%s", error_line(&e, line, sizeof line));
    change_adopt_overrides(g, s->override, s->n_overrides);
    for (uint32_t i = 0; i < s->n_overrides; i++)
        log_info("swap.kept", "plugin %s: the build %.12s that was swapped in, from %s", s->override[i].plugin, s->override[i].sha256,
                 s->override[i].from);
    watch_mark(g);
    if (g->history && strcmp(g->history->id, s->id) == 0) return;
    arena *a = arena_new(1 << 12);
    Sinter__V1__SnapshotInfo *info = history_describe(s, a);
    info->kind = arena_strdup(a, change_kind_name(0));
    info->time = timestamp_new(a, clock_wall_ms());
    history_add(g, s->config->mark, 0, info);
    arena_free(a);
}

/* ---- kept files -------------------------------------------------------------------------------------------------------------------- */

static bool build_wanted(const engine *g, const char *sha256)
{
    for (const history_entry *x = g->history; x; x = x->older)
        if (memmem(x->info, x->n_info, sha256, strlen(sha256))) return true;
    return false;
}

static bool configuration_wanted(const engine *g, const char *mark)
{
    for (const history_entry *x = g->history; x; x = x->older)
        if (strcmp(x->mark, mark) == 0) return true;
    return strcmp(g->refused, mark) == 0;
}

typedef bool wanted_fn(const engine *g, const char *name);

/* Names of another shape are not ours to delete. */
static void prune_dir(engine *g, const char *what, size_t length, const char *end, wanted_fn *wanted)
{
    arena *a = arena_new(1 << 10);
    const char *dir = arena_printf(a, "%s/%s", atomic_load(&g->snapshot)->config->server.data_dir, what);
    DIR *d = opendir(dir);
    for (struct dirent *x; d && (x = readdir(d));) {
        if (strlen(x->d_name) != length + strlen(end) || strspn(x->d_name, "0123456789abcdef") != length ||
            strcmp(x->d_name + length, end) != 0)
            continue;
        const char *name = arena_strndup(a, x->d_name, length), *path = arena_printf(a, "%s/%s", dir, x->d_name);
        if (wanted(g, name)) continue;
        if (*end)
            unlink(path);
        else
            dir_remove(path, NULL);
    }
    if (d) closedir(d);
    arena_free(a);
}

void change_prune(engine *g)
{
    prune_dir(g, "builds", 64, ".so", build_wanted);
    prune_dir(g, "configurations", 16, "", configuration_wanted);
}
