/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rehearsal of a change: the newest recorded requests of the pipelines that it touches are ranked again, by the incumbent and
 * by the new snapshot, from the same logged candidates and features. On the control thread, never a lane.
 *
 * Each runs twice, in turn, and the faster run counts: what a busy machine adds to one of them is no news of the plugin. */
#include "search.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH     50000u                  /* records of the log looked at */
#define TIME_MOST UINT64_C(30000000000)   /* of a whole rehearsal */
#define TOP       10u
#define ORDER     50u                     /* items that agreement looks at */
#define PATIENCE  0.9                     /* p of rank-biased overlap */
#define ANSWERS   100u
#define NOTES     16u
#define PIPELINES 256u

/* ---- which pipelines ------------------------------------------------------------------------------------------------------------ */

typedef struct use_walk {
    const snap_pipeline *p;
    const plugin_instance *instance[256];
    uint32_t n;
} use_walk;

static void note_instance(void *ctx, const snap_pipeline *p, const snap_use *u)
{
    use_walk *w = ctx;
    if (p == w->p && w->n < ARRAY_LEN(w->instance)) w->instance[w->n++] = u->instance;
}

/* Instances are shared where build, model, options and the files that they name are the same. */
static bool same_pipeline(const snapshot *was, const snap_pipeline *q, const snapshot *is, const snap_pipeline *p)
{
    use_walk x = {.p = q}, y = {.p = p};
    if (strcmp(p->version, q->version) != 0) return false;
    snapshot_uses(was, note_instance, &x);
    snapshot_uses(is, note_instance, &y);
    return x.n == y.n && memcmp(x.instance, y.instance, x.n * sizeof *x.instance) == 0;
}

static uint32_t touched(const snapshot *was, const snapshot *is, const char **name)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < is->n_pipelines && n < PIPELINES; i++) {
        const snap_pipeline *p = &is->pipeline[i], *q = snapshot_pipeline(was, p->config->name);
        if (q && !same_pipeline(was, q, is, p)) name[n++] = p->config->name;
    }
    return n;
}

/* ---- one request ----------------------------------------------------------------------------------------------------------------- */

typedef struct faults {
    uint32_t n;
    struct {
        const char *name, *reason; /* in the rehearsal's arena */
        Sinter__V1__Degraded__Code code;
        uint32_t runs;             /* of the two */
    } of[SEARCH_MAX_DEGRADED];
} faults;

typedef struct outcome {
    uint64_t elapsed_ns;
    uint32_t item[ORDER], n;
    faults faults;
    uint64_t values, recomputed;
    char lacks[80];
} outcome;

static void note_fault(faults *f, const Sinter__V1__Degraded *d, arena *a)
{
    uint32_t i = 0;
    if (d->code == SINTER__V1__DEGRADED__CODE__CODE_DISABLED) return;
    while (i < f->n && (strcmp(f->of[i].name, d->name) != 0 || f->of[i].code != d->code)) i++;
    if (i == SEARCH_MAX_DEGRADED) return;
    if (i == f->n) {
        f->of[i].name = arena_strdup(a, d->name);
        f->of[i].reason = arena_strdup(a, d->reason);
        f->of[i].code = d->code;
        f->n++;
    }
    f->of[i].runs++;
}

/* Sources with another instance than before are called too: what the log holds of recall is the incumbent's. */
static void try_sources(search *s, const snap_pipeline *other)
{
    for (uint32_t k = 0; k < s->pipeline->n_sources; k++) {
        const snap_source *src = &s->pipeline->source[k];
        if (src->text || src->use.disabled) continue;
        if (other && k < other->n_sources && other->source[k].use.instance == src->use.instance) continue;
        uint32_t *item = arena_alloc(s->a, src->limit * sizeof *item), n = 0;
        float *score = arena_alloc(s->a, src->limit * sizeof *score);
        plugin_result r;
        plugin_call_begin(&s->call);
        uint64_t started = clock_mono_ns();
        plugin_recall(src->use.instance, &s->call, search_request_of(s, &src->use), s->filter, NULL, 0, src->limit, s->set->n_items,
                      item, score, &n, &r);
        s->logged->elapsed_ns += clock_mono_ns() - started;
        plugin_call_end(&s->call);
        search_plugin_degraded(s, &src->use, &r, 0);
    }
}

typedef struct recorded {
    const Sinter__Storage__V1__Answered *answered;
    const Sinter__Storage__V1__RecordedRequest *whole;
    Sinter__V1__SearchRequest *request;
} recorded;

static sinter_status run_once(pipeline_lane *l, const snapshot *snap, const recorded *r, const snap_pipeline *other, arena *a,
                              outcome *out, sinter_error *e)
{
    search *s;
    logged x = {.answered = r->answered, .recorded = r->whole, .budgets = true};
    pipeline_lane_begin(l);
    sinter_status st = search_replay(l, snap, r->request, &x, &s, e);
    if (st == SINTER_OK) {
        try_sources(s, other);
        if (!out->elapsed_ns || x.elapsed_ns < out->elapsed_ns) out->elapsed_ns = x.elapsed_ns;
        out->n = s->n_list < ORDER ? s->n_list : ORDER;
        for (uint32_t i = 0; i < out->n; i++) out->item[i] = s->list[i].item;
        for (size_t i = 0; i < s->out->n_degraded; i++) note_fault(&out->faults, s->out->degraded[i], a);
        out->values = x.values;
        out->recomputed = x.recomputed;
        snprintf(out->lacks, sizeof out->lacks, "%s", x.lacks ? x.lacks : "");
    }
    pipeline_lane_end(l);
    return st;
}

/* ---- comparing ------------------------------------------------------------------------------------------------------------------- */

static uint32_t place_of(const outcome *x, uint32_t item, uint32_t among)
{
    for (uint32_t i = 0; i < x->n && i < among; i++)
        if (x->item[i] == item) return i + 1;
    return 0;
}

static uint32_t common(const outcome *x, const outcome *y, uint32_t depth)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < x->n && i < depth; i++) n += place_of(y, x->item[i], depth) > 0;
    return n;
}

/* Rank-biased overlap of the first `ORDER`, as a share of what equal orders have. */
static double agreement_of(const outcome *x, const outcome *y)
{
    uint32_t most = x->n > y->n ? x->n : y->n;
    double sum = 0, all = 0, weight = 1;
    for (uint32_t d = 1; d <= most; d++, weight *= PATIENCE) {
        sum += weight * common(x, y, d) / d;
        all += weight;
    }
    return most ? sum / all : 1;
}

static double overlap_of(const outcome *was, const outcome *is)
{
    uint32_t n = was->n < TOP ? was->n : TOP;
    return n ? (double)common(was, is, TOP) / n : is->n ? 0 : 1;
}

static bool same_top(const outcome *x, const outcome *y)
{
    uint32_t n = x->n < TOP ? x->n : TOP, m = y->n < TOP ? y->n : TOP;
    return n == m && memcmp(x->item, y->item, n * sizeof *x->item) == 0;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------- */

/* The plugin that failed most, for the refusal. */
typedef struct culprit {
    const char *name, *pipeline, *reason;
    uint32_t requests;
} culprit;

typedef struct whole {
    engine *g;
    const snapshot *was, *is;
    arena *a;
    Sinter__V1__Rehearsal *out;
    rehearsed *told;
    double *was_ms, *is_ms; /* [requests] */
    double overlap, agreement;
    uint64_t values, recomputed;
    uint32_t n, compared, bad; /* bad: requests in which something newly failed or gave no number or was late */
    culprit culprit[32];
    uint32_t n_culprits;
} whole;

static void note(whole *w, const char *text)
{
    if (w->out->n_notes == NOTES) return;
    for (size_t i = 0; i < w->out->n_notes; i++)
        if (strcmp(w->out->notes[i], text) == 0) return;
    w->out->notes[w->out->n_notes++] = arena_strdup(w->a, text);
}

static void blame(whole *w, const char *pipeline, const char *name, const char *reason)
{
    for (uint32_t i = 0; i < w->n_culprits; i++)
        if (strcmp(w->culprit[i].name, name) == 0 && strcmp(w->culprit[i].pipeline, pipeline) == 0) {
            w->culprit[i].requests++;
            return;
        }
    if (w->n_culprits < ARRAY_LEN(w->culprit))
        w->culprit[w->n_culprits++] = (culprit){name, arena_strdup(w->a, pipeline), reason, 1};
}

static bool had(const faults *f, const char *name, Sinter__V1__Degraded__Code code)
{
    for (uint32_t i = 0; i < f->n; i++)
        if (f->of[i].code == code && strcmp(f->of[i].name, name) == 0) return true;
    return false;
}

static void count_faults(whole *w, const recorded *r, const outcome *was, const outcome *is)
{
    bool failed = false, odd = false, late = false;
    for (uint32_t i = 0; i < is->faults.n; i++) {
        Sinter__V1__Degraded__Code code = is->faults.of[i].code;
        if (had(&was->faults, is->faults.of[i].name, code)) continue;
        if (code == SINTER__V1__DEGRADED__CODE__CODE_LATE && is->faults.of[i].runs < 2) continue; /* a busy machine */
        failed |= code == SINTER__V1__DEGRADED__CODE__CODE_FAILED;
        odd |= code == SINTER__V1__DEGRADED__CODE__CODE_NOT_FINITE;
        late |= code == SINTER__V1__DEGRADED__CODE__CODE_LATE;
        blame(w, r->answered->pipeline, is->faults.of[i].name, is->faults.of[i].reason);
    }
    w->out->failed += failed;
    w->out->not_finite += odd;
    w->out->late += late;
    w->bad += failed || odd || late;
}

static const char *item_name(whole *w, const char *pipeline, uint32_t item)
{
    const snap_pipeline *p = snapshot_pipeline(w->is, pipeline);
    size_t n;
    const char *id = catalog_item_id(w->is->collection[p->collection].catalog, item, &n);
    return id ? arena_strndup(w->a, id, n) : "";
}

static void add_moved(whole *w, Sinter__V1__ChangedAnswer *x, uint32_t item, uint32_t was, uint32_t is)
{
    if (was == is) return;
    Sinter__V1__MovedItem *m = ARENA_NEW(w->a, Sinter__V1__MovedItem);
    sinter__v1__moved_item__init(m);
    m->item = (char *)(uintptr_t)item_name(w, x->pipeline, item);
    m->was = was;
    m->is = is;
    x->items[x->n_items++] = m;
}

static void tell_changed(whole *w, const recorded *r, const outcome *was, const outcome *is)
{
    if (w->told->n_answers == ANSWERS) return;
    Sinter__V1__ChangedAnswer *x = ARENA_NEW(w->a, Sinter__V1__ChangedAnswer);
    sinter__v1__changed_answer__init(x);
    x->request_id = arena_strdup(w->a, r->answered->request_id);
    x->pipeline = arena_strdup(w->a, r->answered->pipeline);
    x->query = arena_strdup(w->a, r->request->query);
    x->items = ARENA_ARRAY(w->a, Sinter__V1__MovedItem *, 2 * TOP + 1);
    for (uint32_t i = 0; i < is->n && i < TOP; i++) add_moved(w, x, is->item[i], place_of(was, is->item[i], TOP), i + 1);
    for (uint32_t i = 0; i < was->n && i < TOP; i++)
        if (!place_of(is, was->item[i], TOP)) add_moved(w, x, was->item[i], i + 1, 0);
    w->told->answer[w->told->n_answers++] = x;
}

static void compare(whole *w, const recorded *r, const outcome *was, const outcome *is)
{
    const snap_pipeline *p = snapshot_pipeline(w->is, r->answered->pipeline);
    w->was_ms[w->n] = (double)was->elapsed_ns / 1e6;
    w->is_ms[w->n++] = (double)is->elapsed_ns / 1e6;
    w->out->stages += p->n_stages;
    w->values += is->values;
    w->recomputed += is->recomputed;
    count_faults(w, r, was, is);
    if (*is->lacks) {
        note(w, arena_printf(w->a, "pipeline %s: the order cannot be rehearsed: the log lacks '%s'", p->config->name, is->lacks));
        return;
    }
    w->compared++;
    w->overlap += overlap_of(was, is);
    w->agreement += agreement_of(was, is);
    if (same_top(was, is)) return;
    w->out->changed++;
    tell_changed(w, r, was, is);
}

static void rehearse_one(whole *w, const recorded_place *at, arena *own)
{
    recorded r;
    sinter_error e = SINTER_ERROR_INIT;
    char line[1600];
    outcome *was = ARENA_NEW(own, outcome), *is = ARENA_NEW(own, outcome);
    pipeline_lane *l = engine_control_lane(w->g);
    sinter_status st = recorded_read(w->g, at, own, &r.answered, &r.whole, &r.request, &e);
    if (st == SINTER_OK && r.whole) {
        const snap_pipeline *p = snapshot_pipeline(w->is, r.answered->pipeline), *q = snapshot_pipeline(w->was, r.answered->pipeline);
        for (int i = 0; i < 2 && st == SINTER_OK; i++) {
            st = run_once(l, w->was, &r, p, w->a, was, &e);
            if (st == SINTER_OK) st = run_once(l, w->is, &r, q, w->a, is, &e);
        }
    }
    if (st)
        note(w, arena_printf(w->a, "request left out: %s", error_line(&e, line, sizeof line)));
    else if (r.whole)
        compare(w, &r, was, is);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double p99(double *ms, uint32_t n)
{
    if (!n) return 0;
    qsort(ms, n, sizeof *ms, by_value);
    return ms[(uint32_t)ceil(0.99 * n) - 1];
}

static void sum_up(whole *w)
{
    w->out->requests = w->n;
    w->out->p99_ms = p99(w->is_ms, w->n);
    w->out->incumbent_p99_ms = p99(w->was_ms, w->n);
    w->out->overlap = w->compared ? w->overlap / w->compared : 0;
    w->out->agreement = w->compared ? w->agreement / w->compared : 0;
    w->out->recomputed = w->values ? (double)w->recomputed / (double)w->values : 0;
}

/* ---- refusing -------------------------------------------------------------------------------------------------------------------- */

typedef struct place_walk {
    const culprit *c;
    const conf_node *at;
} place_walk;

static void find_place(void *ctx, const snap_pipeline *p, const snap_use *u)
{
    place_walk *x = ctx;
    if (strcmp(p->config->name, x->c->pipeline) == 0 && strcmp(u->name, x->c->name) == 0 && u->config) x->at = u->config->at;
}

static sinter_status refuse_failures(whole *w, const config_swap *limit, sinter_error *e)
{
    const culprit *worst = &w->culprit[0];
    for (uint32_t i = 1; i < w->n_culprits; i++)
        if (w->culprit[i].requests > worst->requests) worst = &w->culprit[i];
    place_walk x = {.c = worst};
    snapshot_uses(w->is, find_place, &x);
    error_set(e, SINTER_PRECONDITION, NULL, "mend it; swap.max_errors in sinter.yaml is the share of requests that may fail",
              "the rehearsal refuses it: '%s' failed in %u of %u recorded requests in which the incumbent did not (%g allowed): %.300s",
              worst->name, worst->requests, w->n, limit->max_errors, worst->reason);
    if (x.at) error_where(e, "%s:%u:%u", x.at->file, x.at->line, x.at->column);
    return SINTER_PRECONDITION;
}

static sinter_status decide(whole *w, const char *pipeline, bool force, sinter_error *e)
{
    const config_swap *limit = &w->is->config->server.swap;
    const snap_pipeline *p = snapshot_pipeline(w->is, pipeline);
    const Sinter__V1__Rehearsal *r = w->out;
    if (!w->n) return SINTER_OK;
    if ((double)w->bad > limit->max_errors * w->n) return refuse_failures(w, limit, e);
    if (r->p99_ms > r->incumbent_p99_ms * limit->max_p99_ratio && r->p99_ms > r->incumbent_p99_ms + (double)limit->p99_slack_ns / 1e6) {
        conf_error(e, p->config->at, "make it faster; swap.max_p99_ratio and swap.p99_slack in sinter.yaml are the limits",
                   "the rehearsal refuses it: the 99th percentile of %u recorded requests is %.2f ms, the incumbent's %.2f ms", w->n,
                   r->p99_ms, r->incumbent_p99_ms);
        if (e) e->status = SINTER_PRECONDITION;
        return SINTER_PRECONDITION;
    }
    if (w->compared && r->agreement < limit->min_agreement && !force) {
        conf_error(e, p->config->at, "if the order is meant to change: --force; the limit is swap.min_agreement in sinter.yaml",
                   "the rehearsal refuses it: its order agrees with the incumbent's to %.3f, less than %g; %u of %u first tens change",
                   r->agreement, limit->min_agreement, r->changed, w->compared);
        if (e) e->status = SINTER_PRECONDITION;
        return SINTER_PRECONDITION;
    }
    return SINTER_OK;
}

static void rehearse_all(whole *w, const recorded_place *place, uint32_t n)
{
    arena *own = arena_new(1 << 16);
    uint64_t started = clock_mono_ns();
    for (uint32_t i = 0; i < n; i++) {
        if (clock_mono_ns() - started > TIME_MOST) {
            note(w, arena_printf(w->a, "stopped after 30 s: %u of %u requests", i, n));
            break;
        }
        rehearse_one(w, &place[i], own);
        arena_reset(own);
    }
    w->out->seconds = (double)(clock_mono_ns() - started) / 1e9;
    arena_free(own);
}

sinter_status rehearse(engine *g, const snapshot *was, const snapshot *is, bool force, arena *a, rehearsed *out, sinter_error *e)
{
    const uint32_t most = is->config->server.swap.rehearse;
    const char *name[PIPELINES];
    uint32_t n = 0, n_names = touched(was, is, name);
    if (!most) return SINTER_OK;
    out->rehearsal = ARENA_NEW(a, Sinter__V1__Rehearsal);
    sinter__v1__rehearsal__init(out->rehearsal);
    out->answer = ARENA_ARRAY(a, Sinter__V1__ChangedAnswer *, ANSWERS);
    whole w = {.g = g, .was = was, .is = is, .a = a, .out = out->rehearsal, .told = out};
    w.out->notes = ARENA_ARRAY(a, char *, NOTES);
    recorded_place *place = ARENA_ARRAY(a, recorded_place, most);
    sinter_error why = SINTER_ERROR_INIT;
    char line[1600];
    if (!n_names)
        note(&w, "no pipeline that serves ranks in another way");
    else if (recorded_newest(g, name, n_names, most, DEPTH, place, &n, &why))
        note(&w, error_line(&why, line, sizeof line));
    else if (!n)
        note(&w, "nothing to rehearse on: none of the newest 50,000 records of the log is a whole request of these pipelines (record: in the pipeline)");
    w.was_ms = ARENA_ARRAY(a, double, n + 1);
    w.is_ms = ARENA_ARRAY(a, double, n + 1);
    rehearse_all(&w, place, n);
    sum_up(&w);
    return n_names ? decide(&w, name[0], force, e) : SINTER_OK;
}
