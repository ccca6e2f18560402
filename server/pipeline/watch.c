/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The watch after a change: what lanes count of the snapshot that was published, against what they counted of the incumbent lately
 * before. A regression rolls back.
 *
 * Each lane counts into rows of its own, of the snapshot that it answered from: no lock, no shared line. The control thread sums
 * them. A share is over its limit only where chance does not explain it: by more than three standard deviations of a count. */
#include "search.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WATCH_EVERY_NS    UINT64_C(100000000)
#define BASELINE_EVERY_NS UINT64_C(10000000000)

/* ---- on lanes -------------------------------------------------------------------------------------------------------------- */

/* One writer a counter: no need of a locked instruction. */
static void add(_Atomic uint64_t *x)
{
    atomic_store_explicit(x, atomic_load_explicit(x, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* Eight buckets to an octave, from 128 ns. */
static uint32_t bucket_of(uint64_t ns)
{
    uint64_t v = ns >> 7;
    if (v < 8) return (uint32_t)v;
    uint32_t e = 63u - (uint32_t)__builtin_clzll(v), b = (e - 2) * 8 + (uint32_t)((v >> (e - 3)) & 7);
    return b < TALLY_BUCKETS ? b : TALLY_BUCKETS - 1;
}

/* Its upper end. */
static double bucket_ns(uint32_t b)
{
    if (b < 8) return (double)(b + 1) * 128;
    return ldexp(9.0 + b % 8, (int)(b / 8 - 1)) * 128;
}

static bool is_own_fault(sinter_status st)
{
    return st == SINTER_INTERNAL || st == SINTER_IO || st == SINTER_DEADLINE || st == SINTER_DATA_LOSS;
}

void tally_search(const search *s, sinter_status st)
{
    const snapshot *snap = s->snapshot;
    uint32_t lane = s->lane->number;
    if (lane >= snap->n_lanes || (st && !is_own_fault(st))) return;
    uint32_t p = s->pipeline ? (uint32_t)(s->pipeline - snap->pipeline) : snap->n_pipelines;
    snap_tally *t = &snap->tally[(size_t)lane * (snap->n_pipelines + 1) + p];
    add(&t->searches);
    if (st) add(&t->errors);
    add(&t->bucket[bucket_of(s->answered_ns - s->started_ns)]);
}

void tally_fault(const search *s, const snap_use *use, plugin_outcome outcome)
{
    const snapshot *snap = s->snapshot;
    uint32_t lane = s->lane->number;
    if (lane >= snap->n_lanes || !use->library || s->shown_by) return; /* a shadow is no answer */
    snap_fault *f = &snap->fault[(size_t)lane * snap->n_uses + use->number];
    add(outcome == PLUGIN_LATE ? &f->late : &f->failed);
}

/* ---- sums ------------------------------------------------------------------------------------------------------------------ */

static uint64_t get(_Atomic uint64_t *x)
{
    return atomic_load_explicit(x, memory_order_relaxed);
}

static tally_sum *sum_tallies(const snapshot *s)
{
    uint32_t n = s->n_pipelines + 1;
    tally_sum *out = xcalloc(n, sizeof *out);
    for (uint32_t lane = 0; lane < s->n_lanes; lane++)
        for (uint32_t p = 0; p < n; p++) {
            snap_tally *t = &s->tally[(size_t)lane * n + p];
            out[p].searches += get(&t->searches);
            out[p].errors += get(&t->errors);
            for (uint32_t b = 0; b < TALLY_BUCKETS; b++) out[p].bucket[b] += get(&t->bucket[b]);
        }
    return out;
}

static snap_fault *sum_faults(const snapshot *s)
{
    snap_fault *out = xcalloc(s->n_uses + 1, sizeof *out);
    for (uint32_t lane = 0; lane < s->n_lanes; lane++)
        for (uint32_t u = 0; u < s->n_uses; u++) {
            snap_fault *f = &s->fault[(size_t)lane * s->n_uses + u];
            atomic_store(&out[u].failed, get(&out[u].failed) + get(&f->failed));
            atomic_store(&out[u].late, get(&out[u].late) + get(&f->late));
        }
    return out;
}

static void subtract(tally_sum *t, const tally_sum *less, uint32_t n)
{
    for (uint32_t p = 0; p < n; p++) {
        t[p].searches -= less[p].searches;
        t[p].errors -= less[p].errors;
        for (uint32_t b = 0; b < TALLY_BUCKETS; b++) t[p].bucket[b] -= less[p].bucket[b];
    }
}

static void subtract_faults(snap_fault *f, snap_fault *less, uint32_t n)
{
    for (uint32_t u = 0; u < n; u++) {
        atomic_store(&f[u].failed, get(&f[u].failed) - get(&less[u].failed));
        atomic_store(&f[u].late, get(&f[u].late) - get(&less[u].late));
    }
}

double tally_p99_ms(const tally_sum *t)
{
    uint64_t above = 0;
    for (uint32_t b = TALLY_BUCKETS; b-- > 0;) {
        above += t->bucket[b];
        if (above && above * 100 > t->searches) return bucket_ns(b) / 1e6;
    }
    return 0;
}

/* ---- the baseline ------------------------------------------------------------------------------------------------------------ */

static void drop_baseline(watching *w)
{
    free(w->mark);
    free(w->older);
    free(w->fault);
    free(w->fault_older);
    w->mark = w->older = NULL;
    w->fault = w->fault_older = NULL;
    w->of = NULL;
}

static void drop_before(watching *w)
{
    free(w->before);
    free(w->fault_before);
    w->before = NULL;
    w->fault_before = NULL;
    w->incumbent = NULL;
    w->on = false;
}

void watch_forget(engine *g)
{
    drop_baseline(&g->watch);
    drop_before(&g->watch);
}

void watch_mark(engine *g)
{
    watching *w = &g->watch;
    const snapshot *s = atomic_load(&g->snapshot);
    drop_baseline(w);
    w->of = s;
    w->mark = sum_tallies(s);
    w->older = sum_tallies(s);
    w->fault = sum_faults(s);
    w->fault_older = sum_faults(s);
    w->rolled_ns = clock_mono_ns();
}

/* What the running snapshot answered up to two periods ago is no news of how it fares. */
static void roll_baseline(engine *g)
{
    watching *w = &g->watch;
    const snapshot *s = atomic_load(&g->snapshot);
    if (w->of != s || clock_mono_ns() - w->rolled_ns < BASELINE_EVERY_NS) return;
    free(w->older);
    free(w->fault_older);
    w->older = w->mark;
    w->fault_older = w->fault;
    w->mark = sum_tallies(s);
    w->fault = sum_faults(s);
    w->rolled_ns = clock_mono_ns();
}

/* ---- telling ----------------------------------------------------------------------------------------------------------------- */

typedef struct glance {
    double p99_ms, incumbent_p99_ms;
    uint64_t searches, faults;
} glance;

static void tell(engine *g, Sinter__V1__Watch__State state, const glance *x, const char *verdict)
{
    const watching *w = &g->watch;
    const snapshot *s = atomic_load(&g->snapshot);
    uint64_t now = clock_mono_ns();
    Sinter__V1__Watch m = SINTER__V1__WATCH__INIT;
    m.state = state;
    m.snapshot = (char *)(uintptr_t)s->id;
    m.incumbent = (char *)(uintptr_t)(w->incumbent ? w->incumbent->id : "");
    m.searches = x->searches;
    m.faults = x->faults;
    m.p99_ms = x->p99_ms;
    m.incumbent_p99_ms = x->incumbent_p99_ms;
    m.seconds_left = state == SINTER__V1__WATCH__STATE__STATE_RUNNING && w->until_ns > now ? (double)(w->until_ns - now) / 1e9 : 0;
    m.verdict = (char *)(uintptr_t)(verdict ? verdict : "");
    size_t n = sinter__v1__watch__get_packed_size(&m);
    uint8_t *bytes = xmalloc(n + 1);
    sinter__v1__watch__pack(&m, bytes);
    pthread_mutex_lock(&g->told_lock);
    buffer_clear(&g->told_watch);
    buffer_append(&g->told_watch, bytes, n);
    pthread_mutex_unlock(&g->told_lock);
    free(bytes);
    if (state != SINTER__V1__WATCH__STATE__STATE_RUNNING) history_watch(g, s->id, &m);
}

/* ---- judging ----------------------------------------------------------------------------------------------------------------- */

/* Whether `k` of `n` is more than a share that is allowed, chance set aside. */
static bool beyond(uint64_t k, uint64_t n, double share)
{
    double expected = share * (double)n;
    return (double)k > expected + 3 * sqrt(expected);
}

typedef struct judging {
    const config_swap *limit;
    const snapshot *is, *was;
    tally_sum *now;
    snap_fault *fault;
    const watching *w;
    glance seen;
    char verdict[700]; /* "": fine */
} judging;

static uint64_t slower_than(const tally_sum *t, double ns)
{
    uint64_t n = 0;
    for (uint32_t b = 0; b < TALLY_BUCKETS; b++)
        if (bucket_ns(b) * 8 / 9 >= ns) n += t->bucket[b]; /* its lower end */
    return n;
}

static void judge_latency(judging *j, const char *name, const tally_sum *now, const tally_sum *before)
{
    double was = tally_p99_ms(before), is = tally_p99_ms(now);
    if (is > j->seen.p99_ms) {
        j->seen.p99_ms = is;
        j->seen.incumbent_p99_ms = was;
    }
    if (before->searches < j->limit->watch_searches || now->searches < j->limit->watch_searches) return;
    double limit = fmax(was * j->limit->watch_p99_ratio, was + (double)j->limit->p99_slack_ns / 1e6);
    if (beyond(slower_than(now, limit * 1e6), now->searches, 0.01) && !*j->verdict)
        snprintf(j->verdict, sizeof j->verdict,
                 "pipeline %s: the 99th percentile of %llu searches is %.1f ms, the incumbent's was %.1f ms (swap.watch_p99_ratio %g, "
                 "swap.p99_slack %g ms)",
                 name, (unsigned long long)now->searches, is, was, j->limit->watch_p99_ratio, (double)j->limit->p99_slack_ns / 1e6);
}

static void judge_errors(judging *j, const char *name, const tally_sum *now, const tally_sum *before)
{
    double share = before && before->searches ? (double)before->errors / (double)before->searches : 0;
    j->seen.searches += now->searches;
    if (now->searches < j->limit->watch_searches || *j->verdict) return;
    if (beyond(now->errors, now->searches, share + j->limit->watch_errors))
        snprintf(j->verdict, sizeof j->verdict, "pipeline %s: %llu of %llu searches failed, of the incumbent %.2f%%", name,
                 (unsigned long long)now->errors, (unsigned long long)now->searches, share * 100);
}

typedef struct fault_walk {
    judging *j;
    const snap_pipeline *wanted; /* of the incumbent, while its use is looked for */
    const char *name;
    const snap_use *found;
} fault_walk;

static void find_use(void *ctx, const snap_pipeline *p, const snap_use *u)
{
    fault_walk *x = ctx;
    if (p == x->wanted && u->library && strcmp(u->name, x->name) == 0) x->found = u;
}

static void judge_share(judging *j, const snap_pipeline *p, const snap_use *u, uint64_t k, uint64_t n, double share, double allowed,
                        const char *what)
{
    if (*j->verdict || !beyond(k, n, share + allowed)) return;
    snprintf(j->verdict, sizeof j->verdict, "%s.%s: %s in %llu of %llu searches, the incumbent's in %.2f%%", p->config->name, u->name, what,
             (unsigned long long)k, (unsigned long long)n, share * 100);
}

static void judge_use(void *ctx, const snap_pipeline *p, const snap_use *u)
{
    judging *j = ctx;
    if (!u->library) return;
    const tally_sum *now = &j->now[p - j->is->pipeline];
    uint64_t failed = get(&j->fault[u->number].failed), late = get(&j->fault[u->number].late);
    j->seen.faults += failed + late;
    if (now->searches < j->limit->watch_searches) return;
    double failed_share = 0, late_share = 0;
    fault_walk x = {j, snapshot_pipeline(j->was, p->config->name), u->name, NULL};
    if (x.wanted) snapshot_uses(j->was, find_use, &x);
    if (x.found) {
        double n = (double)j->w->before[x.wanted - j->was->pipeline].searches;
        snap_fault *f = &j->w->fault_before[x.found->number];
        if (n > 0) {
            failed_share = (double)get(&f->failed) / n;
            late_share = (double)get(&f->late) / n;
        }
    }
    judge_share(j, p, u, failed, now->searches, failed_share, j->limit->watch_errors, "failed or gave no number");
    judge_share(j, p, u, late, now->searches, late_share, j->limit->watch_late, "its budget ended");
}

static void judge(judging *j)
{
    snapshot_uses(j->is, judge_use, j);
    for (uint32_t p = 0; p < j->is->n_pipelines; p++) {
        const char *name = j->is->pipeline[p].config->name;
        const snap_pipeline *q = snapshot_pipeline(j->was, name);
        const tally_sum *before = q ? &j->w->before[q - j->was->pipeline] : NULL;
        judge_errors(j, name, &j->now[p], before);
        if (before) judge_latency(j, name, &j->now[p], before);
    }
}

/* ---- the watch ----------------------------------------------------------------------------------------------------------------- */

static bool has_few(const tally_sum *t, uint32_t n, uint64_t least)
{
    for (uint32_t p = 0; p < n; p++)
        if (t[p].searches && t[p].searches < least) return true;
    return false;
}

void watch_begin(engine *g, snapshot *incumbent)
{
    watching *w = &g->watch;
    const snapshot *is = atomic_load(&g->snapshot);
    const config_swap *limit = &is->config->server.swap;
    drop_before(w);
    w->before = sum_tallies(incumbent);
    w->fault_before = sum_faults(incumbent);
    if (w->of == incumbent) {
        subtract(w->before, w->older, incumbent->n_pipelines + 1);
        subtract_faults(w->fault_before, w->fault_older, incumbent->n_uses);
        if (has_few(w->before, incumbent->n_pipelines + 1, limit->watch_searches)) { /* lately too little: its whole life */
            free(w->before);
            free(w->fault_before);
            w->before = sum_tallies(incumbent);
            w->fault_before = sum_faults(incumbent);
        }
    }
    watch_mark(g);
    w->incumbent = incumbent;
    w->until_ns = clock_mono_ns() + limit->watch_ns;
    w->on = limit->watch_ns > 0;
    const glance none = {0};
    tell(g, w->on ? SINTER__V1__WATCH__STATE__STATE_RUNNING : SINTER__V1__WATCH__STATE__STATE_UNSPECIFIED, &none, NULL);
    if (!w->on) drop_before(w);
}

static void look(engine *g, judging *j)
{
    watching *w = &g->watch;
    *j = (judging){.is = atomic_load(&g->snapshot), .was = w->incumbent, .w = w};
    j->limit = &j->is->config->server.swap;
    j->now = sum_tallies(j->is);
    j->fault = sum_faults(j->is);
    judge(j);
    free(j->now);
    free(j->fault);
}

void watch_end(engine *g, Sinter__V1__Watch__State state, const char *verdict)
{
    if (!g->watch.on) return;
    judging j;
    look(g, &j);
    tell(g, state, &j.seen, verdict);
    drop_before(&g->watch);
}

static void roll_back(engine *g, const char *verdict)
{
    arena *a = arena_new(1 << 14);
    sinter_error e = SINTER_ERROR_INIT;
    engine_changed x = {0};
    char text[1200], was[24];
    snapshot *to = g->watch.incumbent;
    snprintf(was, sizeof was, "%s", atomic_load(&g->snapshot)->id);
    const engine_order order = {.who = "the watch", .why = verdict};
    change_back(g, to, &order, verdict, a, &x, &e);
    snprintf(text, sizeof text, "snapshot %s was rolled back by itself, %s serves again: %s", was, to->id, verdict);
    engine_warn(g, "watch.rolled_back", text);
    engine_changed_free(&x);
    arena_free(a);
}

void engine_tick(engine *g, uint64_t *next_ns)
{
    watching *w = &g->watch;
    roll_baseline(g);
    *next_ns = clock_mono_ns() + (w->on ? WATCH_EVERY_NS : BASELINE_EVERY_NS);
    if (!w->on) return;
    judging j;
    look(g, &j);
    if (*j.verdict) {
        roll_back(g, j.verdict);
    } else if (clock_mono_ns() >= w->until_ns) {
        log_info("watch.passed", "snapshot %s: %llu searches, %llu faults of plugins, p99 %.1f ms (the incumbent's: %.1f ms)", j.is->id,
                 (unsigned long long)j.seen.searches, (unsigned long long)j.seen.faults, j.seen.p99_ms, j.seen.incumbent_p99_ms);
        watch_end(g, SINTER__V1__WATCH__STATE__STATE_PASSED, NULL);
        engine_trim_held(g);
    } else {
        tell(g, SINTER__V1__WATCH__STATE__STATE_RUNNING, &j.seen, NULL);
    }
}
