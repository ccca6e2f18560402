/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every figure of the house below the network, and whether it can serve. */
#include "engine.h"

#include <string.h>

/* ---- one value each ---------------------------------------------------------------------------------------------------- */

typedef struct numbers {
    journal_stats journal, impressions;
    views_state views;
    uint64_t events, people, profile_bytes;
    int64_t now_ms;
} numbers;

/* X(name, kind, value, help) */
#define FIGURES(X)                                                                                                                     \
    X(searches_total, COUNTER, atomic_load(&g->searches), "Searches, answered or not.")                                                \
    X(searches_degraded_total, COUNTER, atomic_load(&g->degraded), "Searches of which a part did not do its work.")                    \
    X(searches_retried_total, COUNTER, atomic_load(&g->retried), "Searches begun again because the index had moved on twice.")         \
    X(impressions_stored_total, COUNTER, atomic_load(&g->impressions_stored), "Impressions on disk.")                                  \
    X(impressions_lost_total, COUNTER, atomic_load(&g->impressions_lost), "Impressions dropped because the log was full or failed.")   \
    X(snapshots_published_total, COUNTER, atomic_load(&g->published), "Snapshots that replaced another: reloads, deployments, swaps.") \
    X(snapshot_age_seconds, GAUGE, (double)(n->now_ms - atomic_load(&g->published_ms)) / 1e3, "Since the running one was published.")  \
    X(plugins_resident, GAUGE, plugin_host_resident(g->host), "Builds of plugins loaded.")                                             \
    X(journal_accepting, GAUGE, journal_accepting(g->journal), "1: writes are taken; 0: the disk failed to sync.")                     \
    X(journal_commits_total, COUNTER, n->journal.commits, "Groups of writes made durable.")                                            \
    X(journal_records_total, COUNTER, n->journal.records, "Records made durable.")                                                     \
    X(journal_written_bytes_total, COUNTER, n->journal.bytes, "Bytes of those records.")                                               \
    X(journal_repeated_total, COUNTER, n->journal.repeated, "Writes that had been stored before.")                                     \
    X(journal_refused_total, COUNTER, n->journal.refused, "Writes refused because the queue was full.")                                \
    X(journal_queued_records, GAUGE, n->journal.queued_records, "Records waiting for their commit.")                                   \
    X(journal_queued_bytes, GAUGE, n->journal.queued_bytes, "Bytes waiting for their commit.")                                         \
    X(journal_sequence, GAUGE, n->views.journal, "Newest durable sequence.")                                                           \
    X(searchable_sequence, GAUGE, n->views.sequence, "Newest sequence that searches reflect.")                                         \
    X(views_lag_records, GAUGE, n->views.journal > n->views.sequence ? n->views.journal - n->views.sequence : 0,                       \
      "Durable sequences that searches do not reflect yet.")                                                                           \
    X(views_ready, GAUGE, n->views.ready, "1: every collection can be searched.")                                                      \
    X(view_sets_total, COUNTER, n->views.sets, "View sets published.")                                                                 \
    X(index_commits_total, COUNTER, n->views.commits, "Commits of text indexes.")                                                      \
    X(index_rebuilds_total, COUNTER, n->views.rebuilds, "Rebuilds of text indexes begun.")                                             \
    X(index_last_commit_seconds, GAUGE, (double)n->views.last_commit_ns / 1e9, "How long the newest commit of an index took.")         \
    X(reads_parked, GAUGE, n->views.parked, "Reads that wait for after_sequence.")                                                     \
    X(reads_waited_total, COUNTER, n->views.waited, "Reads whose write became searchable while they waited.")                          \
    X(reads_expired_total, COUNTER, n->views.expired, "Reads whose deadline passed while they waited.")                                \
    X(profile_events, GAUGE, n->events, "Events in people's profiles.")                                                                \
    X(profile_people, GAUGE, n->people, "People with a profile.")                                                                      \
    X(profile_bytes, GAUGE, n->profile_bytes, "Memory of profiles.")

typedef double figure_of(engine *g, const numbers *n);
#define X(name, kind, value, help)                                                                                                     \
    static double figure_##name(engine *g, const numbers *n)                                                                           \
    {                                                                                                                                  \
        (void)g, (void)n;                                                                                                              \
        return (double)(value);                                                                                                        \
    }
FIGURES(X)
#undef X

static const struct figure {
    metric_family family;
    figure_of *of;
} FIGURE[] = {
#define X(name_, kind_, value, help_) {{.name = "sinter_" #name_, .help = help_, .kind = METRIC_##kind_}, figure_##name_},
    FIGURES(X)
#undef X
};

/* ---- with labels -------------------------------------------------------------------------------------------------------- */

static const metric_family COMMIT_SECONDS = {
    "sinter_journal_commit_seconds", "Time of a commit of the journal, its sync included.", METRIC_HISTOGRAM, {"log"}};
static const metric_family DISK_BYTES = {"sinter_journal_file_bytes", "Size of a log's file.", METRIC_GAUGE, {"log"}};
static const metric_family ITEMS = {"sinter_items", "Items of a collection.", METRIC_GAUGE, {"collection"}};
static const metric_family READY = {"sinter_collection_ready", "1: the collection can be searched.", METRIC_GAUGE, {"collection"}};
static const metric_family SNAPSHOT = {"sinter_snapshot_info", "The running snapshot; always 1.", METRIC_GAUGE, {"snapshot"}};
static const metric_family NOT_TRAINED = {
    "sinter_not_trained", "Uses of a model that is not trained yet or fell back to an older one.", METRIC_GAUGE, {NULL}};

/* X(field of plugin_counters, name, scale, help) */
#define PLUGIN_FIGURES(X)                                                                                                              \
    X(calls, "sinter_plugin_calls_total", 1, "Uses of a plugin in a request.")                                                         \
    X(failed, "sinter_plugin_failures_total", 1, "Uses that returned an error.")                                                       \
    X(not_finite, "sinter_plugin_not_finite_total", 1, "Uses that gave NaN or infinite scores.")                                       \
    X(late, "sinter_plugin_late_total", 1, "Uses that ran out of their budget.")                                                       \
    X(declined, "sinter_plugin_declined_total", 1, "Uses that had nothing to say.")                                                    \
    X(rows, "sinter_plugin_rows_total", 1, "Candidates given to a plugin.")                                                            \
    X(nanoseconds, "sinter_plugin_seconds_total", 1e-9, "Time spent inside of a plugin.")                                              \
    X(unsummed, "sinter_plugin_unsummed_total", 1, "Explanations that did not sum to the score.")
static const metric_family PLUGIN_BYTES = {
    "sinter_plugin_bytes", "Memory that a plugin holds through its host.", METRIC_GAUGE, {"plugin", "version"}};

static void add_plugin(scrape *m, const plugin_library *l)
{
    const plugin_counters *c = l->counters;
#define X(field, name_, scale, help_)                                                                                                  \
    {                                                                                                                                  \
        static const metric_family F = {name_, help_, METRIC_COUNTER, {"plugin", "version"}};                                          \
        scrape_add(m, &F, (double)atomic_load(&c->field) * scale, l->name, l->version, NULL);                                         \
    }
    PLUGIN_FIGURES(X)
#undef X
    scrape_add(m, &PLUGIN_BYTES, (double)atomic_load(&c->bytes), l->name, l->version, NULL);
}

/* Each library once, though several uses share it; and what is not trained. */
typedef struct use_walk {
    scrape *m;
    const plugin_library *seen[64];
    uint32_t n, not_trained;
    buffer *notes; /* NULL: only counted */
} use_walk;

static void walk_use(void *ctx, const snap_pipeline *p, const snap_use *u)
{
    use_walk *w = ctx;
    const char *why = u->disabled ? u->disabled : u->fallback;
    if (why) {
        w->not_trained++;
        if (w->notes) buffer_printf(w->notes, "%s.%s: %s\n", p->config->name, u->name, why);
    }
    for (uint32_t i = 0; i < w->n; i++)
        if (w->seen[i] == u->library) return;
    if (!u->library || w->n == ARRAY_LEN(w->seen)) return;
    w->seen[w->n++] = u->library;
    if (w->m) add_plugin(w->m, u->library);
}

static void add_collections(engine *g, scrape *m)
{
    views_collection_state state;
    for (uint32_t i = 0; i < views_current(g->views)->n; i++) {
        if (!views_collection_status(g->views, i, &state)) continue;
        scrape_add(m, &ITEMS, (double)state.items, state.name, NULL, NULL);
        scrape_add(m, &READY, strcmp(state.state, "ready") == 0, state.name, NULL, NULL);
    }
}

static void add_journals(engine *g, scrape *m, const numbers *n)
{
    scrape_add_histogram(m, &COMMIT_SECONDS, journal_commit_seconds(g->journal), "catalogue", NULL, NULL);
    scrape_add(m, &DISK_BYTES, (double)n->journal.file_bytes, "catalogue", NULL, NULL);
    if (!g->impressions) return;
    scrape_add_histogram(m, &COMMIT_SECONDS, journal_commit_seconds(g->impressions), "impressions", NULL, NULL);
    scrape_add(m, &DISK_BYTES, (double)n->impressions.file_bytes, "impressions", NULL, NULL);
}

static void gather(engine *g, numbers *n)
{
    *n = (numbers){.now_ms = clock_wall_ms()};
    journal_get_stats(g->journal, &n->journal);
    if (g->impressions) journal_get_stats(g->impressions, &n->impressions);
    views_status(g->views, &n->views);
    const view_set *set = views_current(g->views);
    for (uint32_t i = 0; i < set->n; i++) {
        n->events += set->collection[i].profiles->n_events;
        n->people += set->collection[i].profiles->n_people;
        n->profile_bytes += set->collection[i].profiles->bytes;
    }
}

void engine_metrics(engine *g, scrape *m)
{
    numbers n;
    use_walk w = {.m = m};
    const snapshot *s = engine_snapshot(g);
    gather(g, &n);
    for (size_t i = 0; i < ARRAY_LEN(FIGURE); i++)
        scrape_add(m, &FIGURE[i].family, FIGURE[i].of(g, &n), NULL, NULL, NULL);
    scrape_add(m, &SNAPSHOT, 1, snapshot_id(s), NULL, NULL);
    add_journals(g, m, &n);
    add_collections(g, m);
    snapshot_uses(s, walk_use, &w);
    scrape_add(m, &NOT_TRAINED, w.not_trained, NULL, NULL, NULL);
    for (uint32_t i = 0; i < g->n_lanes; i++)
        scrape_add_table(m, g->lane[i].figures);
}

/* ---- whether it can serve ------------------------------------------------------------------------------------------------ */

bool engine_ready(engine *g, buffer *reasons, buffer *notes)
{
    use_walk w = {.notes = notes};
    bool ready = true;
    views_collection_state c;
    for (uint32_t i = 0; i < views_current(g->views)->n; i++) {
        if (!views_collection_status(g->views, i, &c) || strcmp(c.state, "ready") == 0) continue;
        views_state v;
        views_status(g->views, &v);
        if (v.ready) continue; /* it became so meanwhile */
        ready = false;
        buffer_printf(reasons, "collection %s: index %s, %u of %u items%s%s\n", c.name, c.state, c.done, c.total, *c.reason ? ": " : "",
                      c.reason);
    }
    if (!journal_accepting(g->journal)) {
        ready = false;
        buffer_puts(reasons, "journal: takes no writes since the disk failed to sync; check the disk, restart the server\n");
    }
    snapshot_uses(engine_snapshot(g), walk_use, &w);
    return ready;
}

/* The slot behind the lanes'. */
void engine_watch_begin(engine *g)
{
    epoch_enter(g->epochs, g->n_lanes + 1);
    epoch_enter(g->snapshot_epochs, g->n_lanes + 1);
}

void engine_watch_end(engine *g)
{
    epoch_exit(g->snapshot_epochs, g->n_lanes + 1);
    epoch_exit(g->epochs, g->n_lanes + 1);
}
