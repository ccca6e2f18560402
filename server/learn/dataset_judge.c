/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Verdicts: inputs that no dataset can bring, data that cannot teach, ranges that overlap; and the report for people. */
#include "dataset_inside.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const DATASET_LEFT_OUT_TEXT[DATASET_LEFT_OUT_N] = {
#define X(id, what, text) [DATASET_##id] = what " (" text ")",
    DATASET_LEFT_OUT_MAP(X)
#undef X
};

/* ---- inputs ------------------------------------------------------------------------------------------------------------- */

static sinter_status check_counts(const dataset_spec *s, sinter_error *e)
{
    const sinter_inputs *in = s->inputs;
    const struct {
        uint32_t n;
        const char *what;
    } kinds[] = {{in->n_features, "features"},
                 {in->n_id_features, "id features"},
                 {in->n_context, "per-request numbers"},
                 {in->n_prior, "earlier rankers"},
                 {in->n_vectors, "vectors"},
                 {in->n_history_side, "side features of the history"},
                 {in->history, "events of history"}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].n > DATASET_MAX_FEATURES)
            return error_set(e, SINTER_INVALID, s->where, "ask for fewer: every one is a number for every item shown",
                             "the trainer reads %u %s; at most %u", kinds[i].n, kinds[i].what, DATASET_MAX_FEATURES);
    return SINTER_OK;
}

static sinter_status unknown_target(const dataset_spec *s, const char *name, sinter_error *e)
{
    const char *names[CONFIG_MAX_EVENTS + 1] = {"weight"};
    uint32_t n = 1;
    buffer all = {0};
    for (uint32_t i = 0; i < s->collection->n_events; i++) {
        names[n++] = s->collection->event[i].name;
        buffer_printf(&all, "%s, ", s->collection->event[i].name);
    }
    const char *near = near_name(name, names, n);
    error_set(e, SINTER_INVALID, s->where, NULL, "target '%s' is no event type of collection '%s'", name, s->collection->name);
    if (near)
        error_fix(e, "did you mean '%s'?", near);
    else
        error_fix(e, "valid: %sweight", all.len ? all.data : "");
    buffer_free(&all);
    return SINTER_INVALID;
}

static sinter_status check_targets(dataset_making *m, sinter_error *e)
{
    const dataset_spec *s = m->spec;
    const sinter_inputs *in = s->inputs;
    if (!m->requests) return SINTER_OK;
    if (!in->n_targets || in->n_targets > ARRAY_LEN(m->target))
        return error_set(e, SINTER_INVALID, s->where, "name event types of the collection, or weight",
                         "the trainer reads requests and names %u targets; 1 to %zu", in->n_targets, ARRAY_LEN(m->target));
    for (uint32_t t = 0; t < in->n_targets; t++) {
        bool weight = strcmp(in->target[t], "weight") == 0;
        m->target[t] = config_event_id(s->collection, str_of(in->target[t]));
        if (!m->target[t] && !weight) return unknown_target(s, in->target[t], e);
        if (!m->target[t]) m->by_weight |= 1u << t;
    }
    return SINTER_OK;
}

static sinter_status check_vectors(const dataset_making *m, sinter_error *e)
{
    for (uint32_t k = 0; k < m->spec->inputs->n_vectors; k++) {
        const char *name = m->spec->inputs->vector[k];
        const config_field *f = catalog_declared(replay_catalog(m->replay), name);
        if (!f || f->type != FIELD_VECTOR)
            return error_set(e, SINTER_INVALID, m->spec->where, "name a field of type vector",
                             f ? "field '%s' is no vector" : "no field '%s'", name);
    }
    return SINTER_OK;
}

sinter_status dataset_check_inputs(dataset_making *m, sinter_error *e)
{
    const dataset_spec *s = m->spec;
    if (!m->interactions && !m->requests)
        return error_set(e, SINTER_INVALID, s->where, "set inputs.dataset", "the trainer reads neither interactions nor requests");
    if ((s->inputs->dataset & SINTER_DATASET_REQUESTS) && m->whole)
        return error_set(e, SINTER_INVALID, s->where, "ask for one of them",
                         "the trainer reads both the shown hits and the whole lists of requests");
    if (m->whole && (!s->stage || s->n_rankers > SINTER_MAX_RANKERS))
        return error_set(e, SINTER_INVALID, s->where, NULL, "whole lists are of a stage, with at most %u rankers", SINTER_MAX_RANKERS);
    if (!s->collection->n_events)
        return error_set(e, SINTER_PRECONDITION, s->collection->file, "declare them: `events: {click: 1, purchase: 5}`",
                         "collection '%s' declares no events: there is nothing to learn from", s->collection->name);
    sinter_status st = check_counts(s, e);
    if (st == SINTER_OK) st = check_targets(m, e);
    if (st == SINTER_OK) st = check_vectors(m, e);
    if (st) return st;
    feature *side = ARENA_ARRAY(m->memory, feature, s->inputs->n_history_side + 1);
    return dataset_side_features(m, replay_catalog(m->replay), side, e);
}

sinter_status dataset_check_since(const dataset_ranker *ranker, uint32_t n, uint64_t since, const char *where, sinter_error *e)
{
    const dataset_ranker *latest = NULL;
    for (uint32_t i = 0; i < n; i++)
        if (ranker[i].until > since && (!latest || ranker[i].until > latest->until)) latest = &ranker[i];
    if (!latest) return SINTER_OK;
    error_set(e, SINTER_INVALID, where, NULL,
              "the fusion would train on requests after %" PRIu64 ", but ranker '%s' (model %s) was trained on events up to %" PRIu64
              ": fusion would learn to trust what the ranker remembers",
              since, latest->name, latest->model && latest->model[0] ? latest->model : "none", latest->until);
    error_fix(e, "pass --since %" PRIu64 ", and serve more requests with that model if too few came after it", latest->until);
    return SINTER_INVALID;
}

/* ---- data ----------------------------------------------------------------------------------------------------------------- */

static sinter_status hopeless(const dataset_making *m, const char *fix, sinter_error *e, const char *fmt, ...) PRINTF_LIKE(4, 5);
static sinter_status hopeless(const dataset_making *m, const char *fix, sinter_error *e, const char *fmt, ...)
{
    char what[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return error_set(e, SINTER_PRECONDITION, m->spec->where, fix, "nothing can be learned from (%" PRIu64 ", %" PRIu64 "]: %s",
                     m->report->since, m->report->until, what);
}

/* What most often kept things out, as a text in m->memory; "": nothing did. */
static const char *main_reason(const dataset_making *m, dataset_left_out from, dataset_left_out to)
{
    dataset_left_out most = from;
    for (uint32_t i = (uint32_t)from; i <= (uint32_t)to; i++)
        if (m->report->left_out[i] > m->report->left_out[most]) most = (dataset_left_out)i;
    if (!m->report->left_out[most]) return "";
    bool name = most >= DATASET_NO_FEATURE && most <= DATASET_NO_PRIOR;
    return arena_printf(m->memory, "; left out: %" PRIu64 " %s%s%s", m->report->left_out[most], DATASET_LEFT_OUT_TEXT[most],
                        name ? ": " : "", name ? m->report->missing : "");
}

static bool all_same(const uint32_t *x, uint64_t n)
{
    for (uint64_t i = 1; i < n; i++)
        if (x[i] != x[0]) return false;
    return true;
}

static sinter_status judge_interactions(const dataset_making *m, const sinter_dataset *d, sinter_error *e)
{
    uint64_t n = d->n_interactions, i = 0;
    if (!n)
        return hopeless(m, "widen the range, or record events", e, "no events on items of the catalogue among %" PRIu64 " events%s",
                        m->report->events, main_reason(m, DATASET_NEVER_ITEM, DATASET_UNKNOWN_TYPE));
    if (all_same(d->user, n)) return hopeless(m, "widen the range", e, "all %" PRIu64 " events are one person's", n);
    if (all_same(d->item, n)) return hopeless(m, "widen the range", e, "all %" PRIu64 " events are about one item", n);
    while (i < n && !(d->weight[i] > 0)) i++;
    if (i == n)
        return hopeless(m, "give the event types weights above 0 in the collection's `events:`", e,
                        "no positives: not one of %" PRIu64 " events has a weight above 0", n);
    return SINTER_OK;
}

typedef struct label_range {
    float least, most;
} label_range;

static const request_record *record_of(const sinter_dataset *d, uint64_t i)
{
    return (const request_record *)(const void *)(d->shared->records.map + d->place[i].at);
}

/* Counts rows, and those with a label above 0; widens the range of each target. */
static void count_labels(const dataset_making *m, const sinter_dataset *d, int which, label_range *range)
{
    uint32_t n_targets = m->spec->inputs->n_targets;
    for (uint64_t k = 0; k < d->n_requests; k++) {
        const request_record *r = record_of(d, k);
        const float *label = (const float *)(const void *)((const char *)r + r->part[PART_LABEL].at);
        m->report->rows[which] += r->n;
        for (uint32_t i = 0; i < r->n; i++) {
            bool positive = false;
            for (uint32_t t = 0; t < n_targets; t++) {
                float y = label[(size_t)t * r->n + i];
                positive |= y > 0;
                if (y < range[t].least) range[t].least = y;
                if (y > range[t].most) range[t].most = y;
            }
            m->report->positive[which] += positive;
        }
    }
}

/* Requests of nobody known are anybody's. */
static bool one_person(const sinter_dataset *d)
{
    key128 first = {{0, 0}};
    for (uint64_t i = 0; i < d->n_requests; i++) {
        const request_record *r = record_of(d, i);
        part who = r->part[r->part[PART_USER_ID].n ? PART_USER_ID : PART_SESSION_ID];
        if (!who.n) return false;
        key128 key = key_of((const char *)r + who.at, who.n);
        if (i == 0) first = key;
        if (memcmp(&first, &key, sizeof key) != 0) return false;
    }
    return true;
}

static sinter_status judge_labels(const dataset_making *m, const label_range *range, sinter_error *e)
{
    bool constant = true, positive = false;
    for (uint32_t t = 0; t < m->spec->inputs->n_targets; t++) {
        constant &= range[t].least >= range[t].most;
        positive |= range[t].most > 0;
    }
    if (!positive)
        return hopeless(m, "send events with the request_id of the answer that showed the items", e,
                        "no positives: not one of the %" PRIu64 " items shown has an event%s", m->report->rows[0],
                        main_reason(m, DATASET_UNJOINED, DATASET_UNJOINED));
    if (constant)
        return hopeless(m, "check what the events mean", e, "all the same label: every one of the %" PRIu64 " items shown has %g",
                        m->report->rows[0], (double)range[0].most);
    return SINTER_OK;
}

static sinter_status judge_requests(const dataset_making *m, sinter_dataset *train, sinter_dataset *valid, sinter_error *e)
{
    if (!train->n_requests)
        return hopeless(m, "widen the range, or serve more requests; see what was left out", e, "no requests%s",
                        main_reason(m, DATASET_NO_HITS, DATASET_OTHER_MODEL));
    if (!valid->n_requests)
        return hopeless(m, "widen the range", e, "%" PRIu64 " request leaves nothing to validate on", train->n_requests);
    label_range range[CONFIG_MAX_EVENTS + 1], ignored[CONFIG_MAX_EVENTS + 1];
    for (size_t t = 0; t < ARRAY_LEN(range); t++) range[t] = ignored[t] = (label_range){INFINITY, -INFINITY};
    count_labels(m, train, 0, range);
    count_labels(m, valid, 1, ignored);
    if (one_person(train)) return hopeless(m, "widen the range", e, "all %" PRIu64 " requests are one person's", train->n_requests);
    return judge_labels(m, range, e);
}

sinter_status dataset_judge(dataset_making *m, sinter_dataset *train, sinter_dataset *valid, sinter_error *e)
{
    sinter_status s = m->interactions ? judge_interactions(m, train, e) : SINTER_OK;
    if (s == SINTER_OK && m->requests) s = judge_requests(m, train, valid, e);
    return s;
}

/* ---- for people ------------------------------------------------------------------------------------------------------------- */

void dataset_report_text(const dataset_report *r, buffer *out)
{
    char from[32], cut[32], to[32];
    time_format_ms(r->first_ms, from);
    time_format_ms(r->cut_ms, cut);
    time_format_ms(r->last_ms, to);
    buffer_printf(out, "range (%" PRIu64 ", %" PRIu64 "], %s to %s, validation from %s\n", r->since, r->until, from, to, cut);
    buffer_printf(out, "events %" PRIu64 ", items %" PRIu64 "\n", r->events, r->items);
    if (r->interactions[0] + r->interactions[1])
        buffer_printf(out, "interactions %" PRIu64 " + %" PRIu64 " of %" PRIu64 " people\n", r->interactions[0], r->interactions[1],
                      r->users);
    if (r->requests[0] + r->requests[1])
        buffer_printf(out, "requests %" PRIu64 " + %" PRIu64 ", rows %" PRIu64 " + %" PRIu64 ", positive %" PRIu64 " + %" PRIu64 "\n",
                      r->requests[0], r->requests[1], r->rows[0], r->rows[1], r->positive[0], r->positive[1]);
    for (uint32_t i = 0; i < DATASET_LEFT_OUT_N; i++)
        if (r->left_out[i]) buffer_printf(out, "left out: %" PRIu64 " %s\n", r->left_out[i], DATASET_LEFT_OUT_TEXT[i]);
    if (r->missing[0]) buffer_printf(out, "not in the log: %s\n", r->missing);
}
