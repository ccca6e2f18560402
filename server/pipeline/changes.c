/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one path of every change of what serves: build a snapshot beside, rehearse it, write it down, publish it, watch it; and the
 * way back. On the control thread.
 *
 * The order makes nothing half-applied: files that a start will need are kept before the record that names them, and a snapshot is
 * published only once its record is on disk. */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef Sinter__Storage__V1__Change change_record_message;
typedef Sinter__Storage__V1__SnapshotState state;

void engine_changed_free(engine_changed *x)
{
    buffer_free(&x->changes);
}

/* ---- what an operator must not overlook ------------------------------------------------------------------------------------ */

void engine_warn(engine *g, const char *event, const char *line)
{
    size_t n = strcspn(line, "\n");
    log_error(event, "%.*s", (int)n, line);
    pthread_mutex_lock(&g->told_lock);
    buffer_printf(&g->told_warnings, "%.*s\n", (int)n, line);
    pthread_mutex_unlock(&g->told_lock);
}

void engine_warnings_clear(engine *g)
{
    pthread_mutex_lock(&g->told_lock);
    buffer_clear(&g->told_warnings);
    pthread_mutex_unlock(&g->told_lock);
}

/* ---- states ------------------------------------------------------------------------------------------------------------------ */

const char *change_build_path(const char *data_dir, const char *sha256, arena *a)
{
    return arena_printf(a, "%s/builds/%s.so", data_dir, sha256);
}

typedef struct build_list {
    const snapshot *s;
    state *out;
    arena *a;
} build_list;

static bool overridden(const snapshot *s, const char *plugin, const char *sha256)
{
    for (uint32_t i = 0; i < s->n_overrides; i++)
        if (strcmp(s->override[i].plugin, plugin) == 0 && strcmp(s->override[i].sha256, sha256) == 0) return true;
    return false;
}

/* Each way that the configuration names a plugin, once. */
static void note_build(void *ctx, const snap_pipeline *p, const snap_use *u)
{
    build_list *x = ctx;
    (void)p;
    if (!u->library) return;
    const char *key = plugin_key(u->config);
    for (size_t i = 0; i < x->out->n_plugins; i++)
        if (strcmp(x->out->plugins[i]->plugin, key) == 0) return;
    Sinter__Storage__V1__PluginBuild *b = ARENA_NEW(x->a, Sinter__Storage__V1__PluginBuild);
    sinter__storage__v1__plugin_build__init(b);
    b->plugin = arena_strdup(x->a, key);
    b->name = arena_strdup(x->a, u->library->name);
    b->version = arena_strdup(x->a, u->library->version);
    b->sha256 = arena_strdup(x->a, u->library->sha256);
    b->swapped = overridden(x->s, key, u->library->sha256);
    b->file = arena_strdup(x->a, u->library->file);
    x->out->plugins[x->out->n_plugins++] = b;
}

static state *state_of(const snapshot *s, arena *a)
{
    state *out = ARENA_NEW(a, state);
    sinter__storage__v1__snapshot_state__init(out);
    out->id = arena_strdup(a, s->id);
    out->configuration = arena_strdup(a, s->config->mark);
    out->plugins = ARENA_ARRAY(a, Sinter__Storage__V1__PluginBuild *, s->n_uses + 1);
    build_list x = {s, out, a};
    snapshot_uses(s, note_build, &x);
    snap_latest *latest;
    uint32_t n = snapshot_latest(s, a, &latest);
    out->models = ARENA_ARRAY(a, Sinter__Storage__V1__ModelVersion *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        Sinter__Storage__V1__ModelVersion *m = ARENA_NEW(a, Sinter__Storage__V1__ModelVersion);
        sinter__storage__v1__model_version__init(m);
        m->name = arena_strdup(a, latest[i].name);
        m->version = latest[i].version;
        m->collection = latest[i].collection;
        out->models[out->n_models++] = m;
    }
    out->aliases = ARENA_ARRAY(a, Sinter__Storage__V1__AliasSet *, s->n_aliases + 1);
    for (uint32_t i = 0; i < s->n_aliases; i++) {
        Sinter__Storage__V1__AliasSet *m = ARENA_NEW(a, Sinter__Storage__V1__AliasSet);
        sinter__storage__v1__alias_set__init(m);
        m->alias = arena_strdup(a, s->alias[i].name);
        m->collection = arena_strdup(a, s->collection[s->alias[i].collection].schema->name);
        out->aliases[out->n_aliases++] = m;
    }
    return out;
}

/* Everything that a later start or rollback needs: the bytes of its builds and its configuration. */
sinter_status change_keep(engine *g, snapshot *s, sinter_error *e)
{
    arena *a = arena_new(1 << 12);
    const char *data_dir = s->config->server.data_dir;
    sinter_status st = dir_make(arena_printf(a, "%s/builds", data_dir), e);
    for (uint32_t i = 0; i < s->n_libraries && st == SINTER_OK; i++)
        st = plugin_library_keep(g->host, s->library[i], change_build_path(data_dir, s->library[i]->sha256, a), e);
    if (st == SINTER_OK) st = config_keep(s->config, arena_printf(a, "%s/configurations", data_dir), e);
    plugin_override *o = (plugin_override *)(uintptr_t)s->override; /* not published yet, or on this thread alone */
    for (uint32_t i = 0; i < s->n_overrides; i++) o[i].kept = arena_strdup(s->memory, change_build_path(data_dir, o[i].sha256, a));
    arena_free(a);
    return st;
}

/* Takes a set of overrides for the engine's own: what the next change begins with. */
void change_adopt_overrides(engine *g, const plugin_override *o, uint32_t n)
{
    plugin_override *own = xcalloc(n + 1, sizeof *own);
    arena *memory = arena_new(1 << 10);
    for (uint32_t i = 0; i < n; i++) {
        own[i] = o[i];
        own[i].plugin = arena_strdup(memory, o[i].plugin);
        own[i].kept = arena_strdup(memory, o[i].kept);
        own[i].from = arena_strdup(memory, o[i].from);
    }
    free(g->override);
    arena_free(g->override_memory);
    g->override = own;
    g->override_memory = memory;
    g->n_overrides = n;
}

/* ---- records ----------------------------------------------------------------------------------------------------------------- */

static journal_op pack(arena *a, Sinter__Storage__V1__Record *rec, uint32_t collection)
{
    size_t n = sinter__storage__v1__record__get_packed_size(rec);
    uint8_t *bytes = arena_alloc(a, n + 1);
    sinter__storage__v1__record__pack(rec, bytes);
    return (journal_op){.kind = JOURNAL_RECORD, .collection = collection, .bytes = {(const char *)bytes, n}};
}

sinter_status change_record(engine *g, const change *c, const snapshot *was, const snapshot *is, bool automatic, const char *text,
                            arena *a, uint64_t *record, uint64_t *sequence, sinter_error *e)
{
    change_record_message m = SINTER__STORAGE__V1__CHANGE__INIT;
    Sinter__Storage__V1__Record rec = SINTER__STORAGE__V1__RECORD__INIT;
    m.kind = c->kind;
    m.who = arena_text(a, c->order->who);
    m.why = arena_text(a, c->order->why);
    m.changes = text_lines(text, a, &m.n_changes);
    m.is = state_of(is, a);
    m.was = state_of(was, a);
    m.automatic = automatic;
    m.refused_configuration = g->refused;
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_CHANGE;
    rec.change = &m;
    journal_op *op = ARENA_ARRAY(a, journal_op, c->n_deployments + 2);
    op[0] = pack(a, &rec, 0);
    if (c->alias) {
        sinter__storage__v1__record__init(&rec);
        rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_ALIAS_SET;
        rec.alias_set = (Sinter__Storage__V1__AliasSet *)(uintptr_t)c->alias;
        op[1] = pack(a, &rec, 0);
    }
    for (uint32_t i = 0; i < c->n_deployments; i++) {
        sinter__storage__v1__record__init(&rec);
        rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_DEPLOYMENT;
        rec.deployment = (Sinter__Storage__V1__Deployment *)(uintptr_t)c->deployment[i];
        op[i + 1] = pack(a, &rec, c->deployment[i]->collection);
    }
    uint32_t n_more = c->n_deployments + (c->alias != NULL); /* a change has one kind of them */
    const journal_write w = {.op = op, .n = n_more + 1, .fence = UINT64_MAX};
    journal_result r;
    sinter_status st = journal_append_wait(g->journal, &w, &r, e);
    if (st) return st;
    *sequence = r.sequence;
    *record = r.sequence - n_more;
    if (c->alias) aliases_add(g->aliases, c->alias, r.sequence, clock_wall_ms());
    for (uint32_t i = 0; i < c->n_deployments; i++)
        deployments_add(g->deployments, c->deployment[i], *record + 1 + i, clock_wall_ms());
    return SINTER_OK;
}

const char *change_kind_name(uint32_t kind)
{
    static const char *const names[] = {"start", "reload", "deploy", "swap", "rollback", "alias"};
    return kind < ARRAY_LEN(names) ? names[kind] : "";
}

static void remember(engine *g, const change *c, const snapshot *s, const engine_changed *x, uint64_t record, arena *a)
{
    Sinter__V1__SnapshotInfo *info = history_describe(s, a);
    info->kind = arena_strdup(a, change_kind_name(c->kind));
    info->who = arena_text(a, c->order->who);
    info->why = arena_text(a, c->order->why);
    info->changes = text_lines(x->changes.data, a, &info->n_changes);
    info->time = timestamp_new(a, clock_wall_ms());
    info->rehearsal = x->rehearsal;
    info->sequence = x->sequence;
    history_add(g, s->config->mark, record, info);
}

/* ---- forward ----------------------------------------------------------------------------------------------------------------- */

static void published(engine *g, const change *c, snapshot *was, snapshot *is)
{
    change_adopt_overrides(g, is->override, is->n_overrides);
    watch_end(g, SINTER__V1__WATCH__STATE__STATE_SUPERSEDED, NULL);
    engine_warnings_clear(g);
    if (was->config != is->config) views_add_types(g->views, is->config); /* before anyone can record events of them */
    engine_publish(g, is);
    if (!c->alias) watch_begin(g, was); /* to go back would lose what was written where it leads since */
    engine_trim_held(g);
}

sinter_status change_make(engine *g, change *c, arena *a, engine_changed *out, sinter_error *e)
{
    snapshot *was = atomic_load(&g->snapshot), *is = NULL;
    char refused[sizeof g->refused];
    uint64_t record = 0;
    memcpy(refused, g->refused, sizeof refused);
    sinter_status st = engine_build(g, &c->args, &is, e);
    if (st) {
        if (c->args.config != was->config && !c->args.config_refs) config_free(c->args.config);
        return st;
    }
    snapshot_changes(was, is, &out->changes);
    out->golden_cases = is->golden_cases;
    rehearsed r = {0};
    if (c->fit) st = c->fit(c->ctx, is, e);
    if (st == SINTER_OK && !c->probed) st = rehearse(g, was, is, c->order->force, a, &r, e);
    out->rehearsal = r.rehearsal;
    out->answer = r.answer;
    out->n_answers = r.n_answers;
    bool goes = st == SINTER_OK && !c->order->dry_run;
    if (goes) st = change_keep(g, is, e);
    if (c->kind == SINTER__STORAGE__V1__CHANGE__KIND__KIND_RELOAD) g->refused[0] = 0;
    if (goes && st == SINTER_OK && !c->no_record) st = change_record(g, c, was, is, false, out->changes.data, a, &record, &out->sequence, e);
    if (st || !goes) {
        memcpy(g->refused, refused, sizeof refused);
        engine_discard(g, is);
    } else {
        published(g, c, was, is);
        if (g->refused[0]) change_warn_refused(g, is->config->server.data_dir, is->config->mark);
        remember(g, c, is, out, record, a);
        change_prune(g);
    }
    out->snapshot = arena_strdup(a, snapshot_id(atomic_load(&g->snapshot)));
    return st;
}

/* ---- back -------------------------------------------------------------------------------------------------------------------- */

typedef struct pins {
    const snapshot *to;
    plugin_override *o;
    uint32_t n;
    arena *a;
} pins;

/* What a start would load for a use must be the build of the snapshot that serves again. */
static void pin_build(void *ctx, const snap_pipeline *p, const snap_use *u)
{
    pins *x = ctx;
    char sha256[65] = "";
    (void)p;
    if (!u->library) return;
    const char *key = plugin_key(u->config), *data_dir = x->to->config->server.data_dir;
    for (uint32_t i = 0; i < x->n; i++)
        if (strcmp(x->o[i].plugin, key) == 0) return;
    char *file = plugin_file_of(&x->to->config->server, u->config);
    if (file) sha256_file(file, sha256, NULL);
    free(file);
    if (strcmp(sha256, u->library->sha256) == 0) return;
    plugin_override *o = &x->o[x->n++];
    *o = (plugin_override){.plugin = key, .kept = change_build_path(data_dir, u->library->sha256, x->a), .from = u->library->file};
    memcpy(o->sha256, u->library->sha256, sizeof o->sha256);
}

/* The record that makes NAME/latest mean `version` again. */
static Sinter__Storage__V1__Deployment *back_to(const engine *g, const snap_latest *l, const engine_order *order, arena *a)
{
    Sinter__Storage__V1__Deployment *d = ARENA_NEW(a, Sinter__Storage__V1__Deployment);
    sinter__storage__v1__deployment__init(d);
    d->name = arena_strdup(a, l->name);
    d->version = arena_printf(a, "%llu", (unsigned long long)l->version);
    d->who = arena_text(a, order->who);
    d->why = arena_text(a, order->why);
    d->rollback = true;
    d->collection = l->collection;
    const deployment *was = deployments_head(g->deployments, l->name);
    while (was && was->version != l->version) was = was->before;
    if (!was) return d;
    d->since = was->since;
    d->until = was->until;
    d->files = ARENA_ARRAY(a, Sinter__Storage__V1__FileHash *, was->n_files + 1);
    for (uint32_t i = 0; i < was->n_files; i++) {
        Sinter__Storage__V1__FileHash *f = ARENA_NEW(a, Sinter__Storage__V1__FileHash);
        sinter__storage__v1__file_hash__init(f);
        f->path = arena_strdup(a, was->file[i].path);
        f->sha256 = arena_strdup(a, was->file[i].sha256);
        d->files[d->n_files++] = f;
    }
    return d;
}

static void take_back_models(const engine *g, const snapshot *to, change *c, arena *a)
{
    snap_latest *latest;
    uint32_t n = snapshot_latest(to, a, &latest);
    const Sinter__Storage__V1__Deployment **d = ARENA_ARRAY(a, const Sinter__Storage__V1__Deployment *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const deployment *now = deployments_newest_of(g->deployments, latest[i].name, latest[i].collection);
        if ((now ? now->version : 0) != latest[i].version) d[c->n_deployments++] = back_to(g, &latest[i], c->order, a);
    }
    c->deployment = d;
}

/* Which configuration may not come back: the one that is left, unless it is the one gone back to. */
static void take_back_configuration(engine *g, const snapshot *was, const snapshot *to)
{
    if (strcmp(was->config->mark, to->config->mark) != 0 && !g->refused[0])
        memcpy(g->refused, was->config->mark, sizeof g->refused);
    if (strcmp(g->refused, to->config->mark) == 0) g->refused[0] = 0;
}

/* What was written since a name changed its meaning is not where it led before. */
static sinter_status same_aliases(const snapshot *was, const snapshot *to, sinter_error *e)
{
    bool same = was->n_aliases == to->n_aliases;
    for (uint32_t i = 0; same && i < was->n_aliases; i++)
        same = strcmp(was->alias[i].name, to->alias[i].name) == 0 && was->alias[i].collection == to->alias[i].collection;
    if (same) return SINTER_OK;
    return error_set(e, SINTER_PRECONDITION, "snapshot", "point the alias back with `sinter alias set`, then roll back",
                     "an alias means another collection since %s", to->id);
}

sinter_status change_back(engine *g, snapshot *to, const engine_order *order, const char *verdict, arena *a, engine_changed *out,
                          sinter_error *e)
{
    snapshot *was = atomic_load(&g->snapshot);
    char refused[sizeof g->refused];
    uint64_t record = 0;
    memcpy(refused, g->refused, sizeof refused);
    change c = {.kind = SINTER__STORAGE__V1__CHANGE__KIND__KIND_ROLLBACK, .order = order};
    pins x = {.to = to, .a = a, .o = ARENA_ARRAY(a, plugin_override, to->n_uses + 1)};
    sinter_status st = same_aliases(was, to, e);
    if (st) return st;
    snapshot_changes(was, to, &out->changes);
    out->snapshot = arena_strdup(a, order->dry_run ? was->id : to->id);
    if (order->dry_run) return SINTER_OK;
    st = change_keep(g, to, e);
    engine_follow(g, to);
    snapshot_uses(to, pin_build, &x);
    plugin_override *own = arena_alloc(to->memory, (x.n + 1) * sizeof *own); /* of a held snapshot only this thread reads them */
    for (uint32_t i = 0; i < x.n; i++) {
        own[i] = x.o[i];
        own[i].plugin = arena_strdup(to->memory, own[i].plugin);
        own[i].kept = arena_strdup(to->memory, own[i].kept);
        own[i].from = arena_strdup(to->memory, own[i].from);
    }
    to->override = own;
    to->n_overrides = x.n;
    take_back_models(g, to, &c, a);
    take_back_configuration(g, was, to);
    if (st == SINTER_OK) st = change_record(g, &c, was, to, verdict != NULL, out->changes.data, a, &record, &out->sequence, e);
    if (st && !verdict) {
        memcpy(g->refused, refused, sizeof refused);
        return st;
    }
    was->rolled_back = true;
    to->rolled_back = false;
    history_rolled_back(g, was->id);
    change_adopt_overrides(g, x.o, x.n);
    watch_end(g, verdict ? SINTER__V1__WATCH__STATE__STATE_ROLLED_BACK : SINTER__V1__WATCH__STATE__STATE_SUPERSEDED, verdict);
    engine_warnings_clear(g);
    engine_publish(g, to);
    watch_mark(g);
    engine_trim_held(g);
    if (st) { /* what is broken goes all the same; but a restart would bring it back */
        char line[1600], text[2000];
        snprintf(text, sizeof text, "the rollback to %s could not be written down and does not survive a restart: %s", to->id,
                 error_line(e, line, sizeof line));
        engine_warn(g, "rollback.unrecorded", text);
    }
    if (g->refused[0]) change_warn_refused(g, to->config->server.data_dir, to->config->mark);
    remember(g, &c, to, out, record, a);
    log_warn("rollback", "snapshot %s is taken back: %s serves again%s%s", was->id, to->id, verdict ? ": " : "", verdict ? verdict : "");
    return SINTER_OK;
}

sinter_status engine_rollback(engine *g, const char *id, const engine_order *o, arena *a, engine_changed *out, sinter_error *e)
{
    snapshot *to = NULL, *now = atomic_load(&g->snapshot);
    const char *ids[HELD_MOST];
    for (uint32_t i = 0; i < g->n_held; i++) {
        ids[i] = g->held[i]->id;
        bool wanted = id && *id ? strcmp(id, ids[i]) == 0 : !g->held[i]->rolled_back;
        if (wanted && !to) to = g->held[i];
    }
    if (to) return change_back(g, to, o, NULL, a, out, e);
    if (!id || !*id)
        return error_set(e, SINTER_PRECONDITION, "snapshot", "deploy, swap or reload what served before; `swap: {hold: 2}` holds two",
                         "no snapshot before %s is held", now->id);
    if (strcmp(id, now->id) == 0)
        return error_set(e, SINTER_PRECONDITION, "snapshot", "`sinter snapshots` lists those that are held", "%s is what serves", id);
    for (const history_entry *x = g->history; x; x = x->older)
        if (strcmp(x->id, id) == 0)
            return error_set(e, SINTER_PRECONDITION, "snapshot", "`sinter snapshots` lists those that are held", "%s is no longer held", id);
    const char *near = near_name(id, ids, g->n_held);
    return error_set(e, SINTER_NOT_FOUND, "snapshot", near ? arena_printf(a, "did you mean '%s'?", near) : "`sinter snapshots` lists them",
                     "no snapshot '%.40s'", id);
}
