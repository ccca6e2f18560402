/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A search from request to answer: the one straight line. */
#include "search.h"

#include <string.h>

void search_degraded(search *s, const char *name, Sinter__V1__Degraded__Code code, const char *reason, uint32_t scored,
                     uint32_t n)
{
    if (s->out->n_degraded == SEARCH_MAX_DEGRADED) return;
    Sinter__V1__Degraded *d = ARENA_NEW(s->a, Sinter__V1__Degraded);
    sinter__v1__degraded__init(d);
    d->name = arena_strdup(s->a, name);
    d->code = code;
    d->reason = arena_strdup(s->a, reason);
    d->candidates_scored = scored;
    d->candidates = n;
    s->degraded[s->out->n_degraded++] = d;
}

void search_plugin_degraded(search *s, const snap_use *use, const plugin_result *r, uint32_t n)
{
    static const Sinter__V1__Degraded__Code codes[] = {[PLUGIN_LATE] = SINTER__V1__DEGRADED__CODE__CODE_LATE,
                                                       [PLUGIN_FAILED] = SINTER__V1__DEGRADED__CODE__CODE_FAILED,
                                                       [PLUGIN_NOT_FINITE] = SINTER__V1__DEGRADED__CODE__CODE_NOT_FINITE};
    if (r->outcome == PLUGIN_DONE || r->outcome == PLUGIN_DECLINED) return;
    tally_fault(s, use, r->outcome);
    char line[1536];
    search_degraded(s, use->name, codes[r->outcome], error_line(&r->error, line, sizeof line), r->scored, n);
}

void search_step(search *s, const char *stage, const char *part, uint64_t since_ns, uint32_t in, uint32_t out)
{
    if (s->n_steps == SEARCH_MAX_STEPS) return;
    s->step[s->n_steps++] = (timed_step){.stage = stage, .part = part, .ns = clock_mono_ns() - since_ns, .in = in, .out = out};
}

void search_note(search *s, const char *text)
{
    if (s->n_notes < 16) s->note[s->n_notes++] = arena_strdup(s->a, text);
}

rule_mark *search_rule(search *s, uint32_t item, const char *rule, const char *action, const char *detail, const char *stage)
{
    rule_mark *m = ARENA_NEW(s->a, rule_mark);
    *m = (rule_mark){.item = item, .rule = rule, .action = action, .detail = detail, .stage = stage};
    *s->rules_end = m;
    s->rules_end = &m->next;
    return m;
}

void search_begin(search *s, pipeline_lane *l, const snapshot *snap, const Sinter__V1__SearchRequest *in, uint64_t deadline_ns)
{
    s->lane = l;
    s->a = l->memory;
    s->in = in;
    s->deadline_ns = deadline_ns;
    s->started_ns = l->arrived_ns ? l->arrived_ns : clock_mono_ns();
    s->begun_ns = clock_mono_ns();
    s->timeout_ns = UINT64_MAX;
    s->snapshot = snap;
    s->views = views_current(l->engine->views);
    s->rules_end = &s->rules;
    s->step = arena_alloc(s->a, SEARCH_MAX_STEPS * sizeof *s->step);
    s->note = ARENA_ARRAY(s->a, const char *, 16);
    s->out = ARENA_NEW(s->a, Sinter__V1__SearchResponse);
    sinter__v1__search_response__init(s->out);
    s->out->degraded = s->degraded;
}

static sinter_status past_deadline(const search *s, const char *step, sinter_error *e)
{
    if (clock_mono_ns() <= s->deadline_ns) return SINTER_OK;
    return error_set(e, SINTER_DEADLINE, step, "allow more time", "the deadline passed before an answer was ready");
}

bool search_late(const search *s)
{
    return s->timeout_ns != UINT64_MAX && clock_mono_ns() >= s->timeout_ns;
}

static sinter_status recall(search *s, sinter_error *e)
{
    return s->n_sort > 0 ? search_sorted(s, e) : search_candidates(s, e);
}

/* Once more with other words where the first found nothing: as if they had been asked for. */
static sinter_status recall_something(search *s, sinter_error *e)
{
    size_t notes = s->n_notes, degraded = s->out->n_degraded;
    bool again;
    sinter_status st = recall(s, e);
    if (st || s->out->total || search_late(s)) return st;
    size_t said = s->n_notes;
    s->n_notes = notes; /* what recall noted it will note again */
    if ((st = search_relax(s, &again, e))) return st;
    if (!again) {
        s->n_notes = said;
        return SINTER_OK;
    }
    s->out->n_degraded = degraded;
    memset(&s->found, 0, sizeof s->found);
    s->all_seen = false;
    search_forget_facets(s);
    return recall(s, e);
}

/* From here on a late answer is still an answer: rankers are skipped one by one. */
static sinter_status rank(search *s, sinter_error *e)
{
    sinter_status st;
    if ((st = recall_something(s, e)) || s->n_sort > 0) return st;
    if ((st = past_deadline(s, "recall", e))) return st;
    if ((st = search_stages(s, e))) return st;
    if ((st = search_finish(s, e))) return st;
    return s->groups ? search_group_page(s, e) : search_page(s, e);
}

sinter_status search_answer(search *s, sinter_error *e)
{
    sinter_status st;
    Sinter__V1__SearchResponse *out = s->out;
    Sinter__V1__Assignment *as = ARENA_NEW(s->a, Sinter__V1__Assignment);
    sinter__v1__assignment__init(as);
    if (s->pipeline) {
        as->pipeline = (char *)(uintptr_t)s->pipeline->config->name;
        as->pipeline_version = (char *)(uintptr_t)s->pipeline->version;
    }
    as->snapshot = (char *)(uintptr_t)snapshot_id(s->snapshot);
    search_tell_arms(s, as);
    out->assignment = as;
    out->sequence = s->view->sequence;
    if (s->query->corrected) out->corrected_query = (char *)(uintptr_t)s->query->corrected;
    if ((st = search_hydrate(s, e))) return st;
    search_answer_groups(s);
    if (s->explain >= SINTER__V1__EXPLAIN__EXPLAIN_SCORES && (st = search_explain(s, e))) return st;
    as->notes = (char **)(uintptr_t)s->note;
    as->n_notes = s->n_notes;
    return SINTER_OK;
}

static sinter_status run(search *s, sinter_error *e)
{
    sinter_status st = search_read_request(s, e);
    if (st) return st;
    uint64_t t = clock_mono_ns();
    if ((st = search_words(s, e))) return st;
    if ((st = search_seen(s, e))) return st;
    search_step(s, "rewrite", NULL, t, 0, 0);
    if ((st = rank(s, e))) return st;
    t = clock_mono_ns();
    if ((st = search_count(s, e))) return st;
    search_answer_facets(s);
    if (s->facets) search_step(s, "facets", NULL, t - s->counting_ns, 0, 0);
    t = clock_mono_ns();
    st = search_answer(s, e);
    search_step(s, "hydrate", NULL, t, s->n_page, s->n_page);
    if (s->explain >= SINTER__V1__EXPLAIN__EXPLAIN_SCORES) search_timings(s);
    return st;
}

static sinter_status attempt(pipeline_lane *l, const snapshot *snap, const Sinter__V1__SearchRequest *in, uint64_t deadline_ns,
                             search **out, sinter_error *e)
{
    search *s = ARENA_NEW(l->memory, search);
    search_begin(s, l, snap, in, deadline_ns);
    s->call = (plugin_call){.lane = l->number, .memory = s->a, .scratch = l->scratch};
    plugin_call_begin(&s->call);
    sinter_status st = run(s, e);
    plugin_call_end(&s->call);
    *out = s;
    return st;
}

sinter_status search_on(pipeline_lane *l, const snapshot *snap, const Sinter__V1__SearchRequest *in, search **out, sinter_error *e)
{
    return attempt(l, snap, in, UINT64_MAX, out, e);
}

#define SHADOW_NS 1000000000u /* beyond, a shadow's rankers are late */

sinter_status search_shadow(search *shown, const snap_pipeline *p, search **out, sinter_error *e)
{
    pipeline_lane *l = shown->lane;
    search *s = ARENA_NEW(l->memory, search);
    Sinter__V1__SearchRequest *in = ARENA_NEW(l->memory, Sinter__V1__SearchRequest);
    *in = *shown->in;
    in->pipeline = message_text("");
    in->request_id = shown->out->request_id;
    in->n_experiment_arms = in->n_fields = in->n_facets = in->n_highlight = 0;
    in->timeout = NULL;
    in->no_impression = true; /* nothing by chance */
    in->explain = SINTER__V1__EXPLAIN__EXPLAIN_NONE;
    in->options = (Sinter__V1__QueryOptions *)(uintptr_t)shown->options;
    search_begin(s, l, shown->snapshot, in, clock_mono_ns() + SHADOW_NS);
    s->shown_by = shown;
    s->pipeline = p;
    s->call = (plugin_call){.lane = l->number, .memory = s->a, .scratch = l->scratch};
    plugin_call_begin(&s->call);
    sinter_status st = run(s, e);
    plugin_call_end(&s->call);
    *out = s;
    return st;
}

sinter_status pipeline_search(pipeline_lane *l, const Sinter__V1__SearchRequest *in, uint64_t deadline_ns,
                              Sinter__V1__SearchResponse **out, sinter_error *e)
{
    search *s;
    sinter_status st = attempt(l, engine_snapshot(l->engine), in, deadline_ns, &s, e);
    if (st == SINTER_UNAVAILABLE && s->view && s->view->ready) {
        /* The reader outlived two commits: once more, from the start, on the newest view set. */
        atomic_fetch_add(&l->engine->retried, 1);
        epoch_exit(l->engine->epochs, l->number);
        epoch_enter(l->engine->epochs, l->number);
        st = attempt(l, engine_snapshot(l->engine), in, deadline_ns, &s, e);
    }
    atomic_fetch_add_explicit(&l->engine->searches, 1, memory_order_relaxed);
    s->answered_ns = clock_mono_ns();
    tally_search(s, st);
    if (st == SINTER_IO && strcmp(e->where, "text index") == 0) {
        /* Not the reader's age but the index: it is rebuilt from the journal, and the client comes back. */
        views_suspect(l->engine->views, (uint32_t)(s->view - s->views->collection));
        error_fix(e, "try again in a while: the index is being rebuilt from the journal");
        st = e->status = SINTER_UNAVAILABLE;
    }
    if (st) {
        log_failed(s, st);
        return st;
    }
    search_figures(s);
    if (s->out->n_degraded) atomic_fetch_add_explicit(&l->engine->degraded, 1, memory_order_relaxed);
    /* Before the answer leaves: whoever has it and sees none pending finds its records. */
    atomic_fetch_add_explicit(&l->engine->impressions_pending, impression_records(s), memory_order_relaxed);
    answers_keep(s, false);
    l->last = s;
    *out = s->out;
    return SINTER_OK;
}
