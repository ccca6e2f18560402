/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The running house below the network: journals, views, the current snapshot, each lane's state. */
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* A truncated or broken file would kill this process (SIGBUS), so a child walks the journal first. */
static sinter_status verify_in_child(const char *exe, const char *dir, sinter_error *e)
{
    enum { NOTHING_THERE = 5 }; /* sinter's exit code for what is absent: a folder made, and no journal in it yet */
    if (!exe || access(dir, F_OK) != 0) return SINTER_OK;
    char *argv[] = {(char *)(uintptr_t)exe, (char *)(uintptr_t)"journal", (char *)(uintptr_t)"verify",
                    (char *)(uintptr_t)dir, NULL};
    posix_spawn_file_actions_t quiet; /* a whole journal is no news; a broken one is told on standard error */
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t pid;
    int err = posix_spawn(&pid, exe, &quiet, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&quiet);
    if (err) return error_set(e, SINTER_IO, exe, NULL, "cannot start the journal's verification: %s", strerror(err));
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return error_set(e, SINTER_IO, exe, NULL, "waitpid: %s", strerror(errno));
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == NOTHING_THERE)) return SINTER_OK;
    return error_set(e, SINTER_DATA_LOSS, dir, "run `sinter journal verify` on it, and restore a backup",
                     "the journal is broken (verification %s %d)", WIFSIGNALED(status) ? "died of signal" : "ended with",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static sinter_status open_journals(engine *g, const config *c, const char *exe, sinter_error *e)
{
    static const struct {
        journal_kind kind;
        const char *name;
        uint32_t linger_ms;
    } kinds[] = {{JOURNAL_CATALOGUE, "catalogue", 0}, {JOURNAL_IMPRESSIONS, "impressions", 100}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (kinds[i].kind == JOURNAL_IMPRESSIONS && !c->server.impressions) continue;
        char *dir = xasprintf("%s/journal/%s", c->server.data_dir, kinds[i].name);
        sinter_status st = verify_in_child(exe, dir, e);
        if (st == SINTER_OK) st = dir_make(dir, e);
        journal_options o = {.dir = dir, .kind = kinds[i].kind, .linger_ms = kinds[i].linger_ms};
        if (st == SINTER_OK)
            st = journal_open(&o, kinds[i].kind == JOURNAL_CATALOGUE ? &g->journal : &g->impressions, e);
        free(dir);
        if (st) return st;
    }
    return SINTER_OK;
}

static sinter_status open_lanes(engine *g, sinter_error *e)
{
    g->lane = xcalloc(g->n_lanes + 1, sizeof *g->lane);
    for (uint32_t i = 0; i <= g->n_lanes; i++) {
        pipeline_lane *l = &g->lane[i];
        l->engine = g;
        l->number = i;
        l->memory = arena_new(1 << 18);
        l->scratch = arena_new(1 << 14);
        l->figures = metric_table_new();
        sinter_status st = journal_reader_open(g->journal, &l->reader, e);
        if (st) return st;
    }
    return SINTER_OK;
}

/* Every deployment, every change and every alias that the journal holds. */
static sinter_status open_records(engine *g, sinter_error *e)
{
    uint64_t last = journal_last_sequence(g->journal);
    g->deployments = deployments_new();
    g->erasures = erasures_new();
    g->aliases = aliases_new();
    return records_read(g->deployments, change_seen_at_start, g, g->lane[0].reader, last, e);
}

/* Control work has a plugin worker of its own, behind the lanes'. */
sinter_status engine_build(engine *g, snapshot_args *args, snapshot **out, sinter_error *e)
{
    args->host = g->host;
    args->views = g->views;
    if (!args->services) {
        args->services = g->services;
        args->n_collections = g->n_collections;
    }
    if (!args->aliases) args->aliases = g->aliases;
    args->arms = g->arms;
    args->serial = g->serial + 1;
    args->deployments = g->deployments;
    args->control_lane = g->n_lanes;
    if (!args->override) {
        args->override = g->override;
        args->n_overrides = g->n_overrides;
    }
    sinter_status st = snapshot_build(args, out, e);
    if (st == SINTER_OK) g->serial++;
    return st;
}

static sinter_status open_house(engine *g, config *c, sinter_error *e)
{
    char *private_dir = xasprintf("%s/plugins", c->server.data_dir);
    sinter_status st = plugin_host_new(private_dir, g->n_lanes + 1, &g->host, e);
    if (st == SINTER_OK) st = views_open(c, g->journal, g->impressions, g->epochs, g->n_lanes + 1, &g->views, e);
    if (st == SINTER_OK) engine_take_collections(g);
    free(private_dir);
    return st;
}

sinter_status engine_open(config *c, uint32_t lanes, const char *exe, engine **out, sinter_error *e)
{
    engine *g = xcalloc(1, sizeof *g);
    g->n_lanes = lanes;
    g->config_path = xstrdup(c->path);
    g->exe = exe ? xstrdup(exe) : NULL;
    g->epochs = epoch_new(lanes + 2);
    g->snapshot_epochs = epoch_new(lanes + 2);
    g->override_memory = arena_new(1 << 10);
    pthread_mutex_init(&g->told_lock, NULL);
    buffer warnings = {0};
    snapshot *s = NULL;
    sinter_status st = dir_make(c->server.data_dir, e);
    if (st == SINTER_OK) st = open_journals(g, c, exe, e);
    if (g->impressions) g->answers = answers_new();
    if (st == SINTER_OK) st = open_lanes(g, e);
    if (st == SINTER_OK) st = arms_open(g->journal, g->impressions, &g->arms, e);
    if (st == SINTER_OK) st = open_records(g, e);
    if (st == SINTER_OK) st = change_configuration(g, &c, e);
    if (st == SINTER_OK) st = open_house(g, c, e);
    snapshot_args first = {.config = c, .at_start = true, .warnings = &warnings};
    if (st == SINTER_OK) st = engine_build(g, &first, &s, e);
    if (st == SINTER_OK) st = arms_begin(g->arms, c, e);
    if (st == SINTER_OK && warnings.data) engine_warn(g, "swap.kept", warnings.data);
    buffer_free(&warnings);
    if (st == SINTER_OK) st = suggest_open(g->journal, g->impressions, g->epochs, &g->suggest, e);
    if (st) {
        engine_close(g);
        return st;
    }
    /* The views hold pointers into the first configuration: it lives as long as the engine. */
    g->first = s;
    atomic_store(&g->snapshot, s);
    change_started(g, s);
    engine_configure_suggest(g, s);
    atomic_store(&g->published_ms, clock_wall_ms());
    *out = g;
    return SINTER_OK;
}

static void free_snapshot(void *p, void *ctx)
{
    engine *g = ctx;
    if (p == g->first)
        snapshot_release_plugins(p);
    else
        snapshot_free(p);
}

static void free_lanes(engine *g)
{
    for (uint32_t i = 0; g->lane && i <= g->n_lanes; i++) {
        if (g->lane[i].reader) journal_reader_close(g->lane[i].reader);
        if (g->lane[i].memory) arena_free(g->lane[i].memory);
        if (g->lane[i].scratch) arena_free(g->lane[i].scratch);
        metric_table_free(g->lane[i].figures);
    }
    free(g->lane);
}

void engine_close(engine *g)
{
    if (!g) return;
    snapshot *s = atomic_load(&g->snapshot);
    watch_forget(g);
    if (g->snapshot_epochs) epoch_free(g->snapshot_epochs);
    for (uint32_t i = 0; i < g->n_held; i++)
        if (g->held[i] != g->first) snapshot_free(g->held[i]);
    if (s && s != g->first) snapshot_free(s);
    snapshot_release_plugins(g->first);
    suggest_close(g->suggest);
    arms_close(g->arms);
    if (g->views) views_close(g->views);
    snapshot_free(g->first);
    engine_release_kept(g);
    if (g->host) plugin_host_free(g->host);
    free_lanes(g);
    if (g->log_reader) journal_reader_close(g->log_reader);
    if (g->impressions) journal_close(g->impressions);
    if (g->journal) journal_close(g->journal);
    if (g->epochs) epoch_free(g->epochs);
    deployments_free(g->deployments);
    aliases_free(g->aliases);
    history_free(g);
    arena_free(g->override_memory);
    free(g->override);
    buffer_free(&g->told_watch);
    buffer_free(&g->told_warnings);
    pthread_mutex_destroy(&g->told_lock);
    answers_free(g->answers);
    erasures_free(g->erasures);
    free(g->services);
    config_free(g->on_disk);
    free(g->config_path);
    free(g->exe);
    free(g);
}

/* What cannot change under a running server. */
static sinter_status check_reloadable(const config *was, const config *is, sinter_error *e)
{
    if (strcmp(was->server.data_dir, is->server.data_dir) != 0)
        return error_set(e, SINTER_PRECONDITION, is->path, "restart the server", "data_dir cannot change on reload");
    if (strcmp(was->server.http.listen, is->server.http.listen) != 0)
        return error_set(e, SINTER_PRECONDITION, is->path, "restart the server", "http.listen cannot change on reload");
    if (strcmp(was->server.listen, is->server.listen) != 0)
        return error_set(e, SINTER_PRECONDITION, is->path, "restart the server", "listen cannot change on reload");
    for (uint32_t i = 0; i < is->n_collections; i++) {
        const config_collection *before = config_find_collection(was, is->collection[i].name);
        if (!before) continue; /* a new one */
        sinter_status st = config_same_index(before, &is->collection[i], e);
        if (st) return st;
    }
    return SINTER_OK;
}

/* Types that an earlier reload added are numbered by now: the newest configuration counts, not the first. */
static sinter_status check_events(const config *was, const config *is, sinter_error *e)
{
    sinter_status st = SINTER_OK;
    for (uint32_t i = 0; i < is->n_collections && st == SINTER_OK; i++) {
        const config_collection *before = config_find_collection(was, is->collection[i].name);
        if (before) st = config_same_events(before, &is->collection[i], e);
    }
    return st;
}

/* Lanes leave a snapshot at the end of their request, so a short wait frees the old one and closes its plugins here. */
static void drain_old(engine *g)
{
    for (int i = 0; i < 200 && epoch_reclaim(g->snapshot_epochs) > 0; i++) {
        struct timespec pause = {.tv_nsec = 5000000};
        nanosleep(&pause, NULL);
    }
}

sinter_status engine_reload(engine *g, const engine_order *o, arena *a, engine_changed *out, sinter_error *e)
{
    config *c;
    sinter_status st = config_load(g->config_path, &c, e);
    if (st) return st;
    snapshot *was = atomic_load(&g->snapshot);
    st = check_reloadable(was->config, c, e);
    if (st == SINTER_OK) st = check_events(was->config, c, e);
    change x = {.kind = SINTER__STORAGE__V1__CHANGE__KIND__KIND_RELOAD, .order = o, .args = {.config = c}};
    adoption news = {0};
    if (st == SINTER_OK) st = engine_adopt(g, c, o->dry_run, o->drop_collections, &x.args, &news, e);
    if (st) {
        if (!x.args.config_refs) config_free(c);
        engine_adopt_end(&news);
        return st;
    }
    x.probed = news.probe != NULL;
    st = change_make(g, &x, a, out, e);
    engine_adopt_end(&news);
    return st;
}

void engine_discard(engine *g, snapshot *s)
{
    g->serial--;
    snapshot_free(s);
}

static void drop(engine *g, snapshot *s)
{
    epoch_retire(g->snapshot_epochs, s, free_snapshot, g);
    drain_old(g);
}

static void unhold(engine *g, uint32_t at)
{
    memmove(&g->held[at], &g->held[at + 1], (g->n_held - at - 1) * sizeof *g->held);
    g->n_held--;
}

/* What was rolled back goes first, then the oldest; what a watch would go back to stays. */
void engine_trim_held(engine *g)
{
    const config_swap *c = &atomic_load(&g->snapshot)->config->server.swap;
    uint32_t most = c->hold + (g->watch.on && c->hold == 0);
    while (g->n_held > most) {
        uint32_t at = g->n_held - 1;
        for (uint32_t i = 0; i < g->n_held; i++)
            if (g->held[i]->rolled_back) at = i;
        if (g->watch.on && g->held[at] == g->watch.incumbent) at = at ? at - 1 : 1;
        snapshot *s = g->held[at];
        unhold(g, at);
        drop(g, s);
    }
}

/* Before lanes see it: nobody is in an experiment that has not begun. One whose beginning could not be written down is served all
 * the same, and counts nothing. */
static void tell_configuration(engine *g, const config *c)
{
    sinter_error e = SINTER_ERROR_INIT;
    char line[1536];
    if (arms_begin(g->arms, c, &e)) log_error("experiment.begin", "%s", error_line(&e, line, sizeof line));
    if (g->hear) g->hear(g->hear_ctx, c);
}

void engine_publish(engine *g, snapshot *is)
{
    snapshot *was = atomic_load(&g->snapshot);
    for (uint32_t i = 0; i < g->n_held; i++)
        if (g->held[i] == is) unhold(g, i--);
    if (is->config != was->config) tell_configuration(g, is->config);
    atomic_store(&g->snapshot, is);
    atomic_store(&g->published_ms, clock_wall_ms());
    atomic_fetch_add(&g->published, 1);
    memmove(&g->held[1], &g->held[0], g->n_held * sizeof *g->held);
    g->held[0] = was;
    g->n_held++;
    log_info("snapshot.publish", "snapshot %s replaces %s", is->id, was->id);
    engine_configure_suggest(g, is);
}

journal *engine_journal(engine *g)
{
    return g->journal;
}

journal *engine_impressions(engine *g)
{
    return g->impressions;
}

views *engine_views(engine *g)
{
    return g->views;
}

arms *engine_arms(engine *g)
{
    return g->arms;
}

void engine_hear(engine *g, void (*fn)(void *ctx, const config *c), void *ctx)
{
    g->hear = fn;
    g->hear_ctx = ctx;
}

epoch_domain *engine_epochs(engine *g)
{
    return g->epochs;
}

pipeline_lane *engine_control_lane(engine *g)
{
    return &g->lane[g->n_lanes];
}

pipeline_lane *pipeline_lane_get(engine *g, uint32_t lane)
{
    return &g->lane[lane];
}

arena *pipeline_lane_arena(pipeline_lane *l)
{
    return l->memory;
}

journal_reader *pipeline_lane_journal(pipeline_lane *l)
{
    return l->reader;
}

void pipeline_lane_begin(pipeline_lane *l)
{
    arena_reset(l->memory);
    l->last = NULL;
    l->arrived_ns = 0;
    epoch_enter(l->engine->epochs, l->number);
    epoch_enter(l->engine->snapshot_epochs, l->number);
}

void pipeline_lane_arrived(pipeline_lane *l, uint64_t arrived_ns)
{
    l->arrived_ns = arrived_ns;
}

void pipeline_lane_end(pipeline_lane *l)
{
    log_about(NULL);
    epoch_exit(l->engine->snapshot_epochs, l->number);
    epoch_exit(l->engine->epochs, l->number);
}

const snapshot *engine_snapshot(const engine *g)
{
    return atomic_load(&g->snapshot);
}

uint64_t engine_impressions_pending(const engine *g)
{
    return atomic_load(&g->impressions_pending);
}

uint64_t engine_impressions_lost(const engine *g)
{
    return atomic_load(&g->impressions_lost);
}
