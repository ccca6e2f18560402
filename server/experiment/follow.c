/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counting: both logs merged, impressions before what was done about them.
 *
 * An impression is written behind its answer, under load seconds behind. So a record of the main journal waits until what was
 * answered before it has been read: impressions say how far the main journal had come when they were answered, and the engine
 * whether any are still owed. What an event is joined to does not depend on what else was read by then, so counts are the same
 * whether they are made as records come or all over again. */
#include "inside.h"

#include <string.h>

typedef Sinter__Storage__V1__Answered answered;
typedef Sinter__Storage__V1__Exposure exposure;
typedef Sinter__V1__Event event;
#define BODY(x) SINTER__STORAGE__V1__RECORD__BODY_##x

enum { STEP_RECORDS = 256, LOOK_RECORDS = 2048 };
enum { SLACK_MS = 1000 };  /* lanes write what they answered at one time in no order, but within so long */
enum { LONGEST_MS = 60000 }; /* no record waits longer for impressions that are owed */

/* ---- heads of the logs ------------------------------------------------------------------------------------------------- */

static bool matters(const log_head *h, const experiments *g, uint32_t body)
{
    if (body == BODY(EXPERIMENT)) return true;
    return h == &g->main_head ? body == BODY(EVENT_PUT) : body == BODY(ANSWERED);
}

/* Looks for the next record that matters, at so many at most; unpacks no other. */
static sinter_status head_fill(const experiments *g, log_head *h, sinter_error *e)
{
    sinter_status s = SINTER_OK;
    uint64_t last = journal_last_sequence(h->log);
    for (int i = 0; !h->next && h->at < last && i < LOOK_RECORDS; i++) {
        str bytes;
        s = journal_get_bytes(h->reader, h->at + 1, &bytes, e);
        if (s == SINTER_OK && matters(h, g, journal_body(bytes))) {
            arena_reset(h->memory);
            s = journal_get(h->reader, h->at + 1, h->memory, &h->next, e);
        }
        if (s != SINTER_OK && s != SINTER_NOT_FOUND) return s; /* sequences may have holes */
        h->at++;
    }
    h->exhausted = !h->next && h->at >= last;
    return SINTER_OK;
}

static void head_seek(log_head *h, uint64_t at)
{
    h->at = at;
    h->next = NULL;
    h->exhausted = false;
}

void follow_rewind(experiments *g)
{
    uint64_t main_at = UINT64_MAX, impressions_at = UINT64_MAX;
    open_clear(&g->open);
    for (uint32_t i = 0; i < g->n_tallies; i++) {
        tally *t = g->tally[i];
        tally_clear(t);
        if (t->begun.sequence < main_at) main_at = t->begun.sequence;
        if (t->begun.impressions_sequence < impressions_at) impressions_at = t->begun.impressions_sequence;
    }
    head_seek(&g->main_head, g->n_tallies ? main_at : journal_last_sequence(g->main));
    head_seek(&g->impressions_head, g->n_tallies ? impressions_at : journal_last_sequence(g->impressions));
    g->answered.n = 0;
    g->again = false;
    g->caught_up = g->n_tallies == 0;
}

/* ---- impressions ------------------------------------------------------------------------------------------------------- */

static tally *tally_of(const experiments *g, const char *name, uint64_t version, uint64_t sequence)
{
    for (uint32_t i = 0; i < g->n_tallies; i++) {
        tally *t = g->tally[i];
        if (t->x.version == version && sequence > t->begun.impressions_sequence && strcmp(t->x.name, name) == 0) return t;
    }
    return NULL;
}

typedef struct asked {
    const char *user, *session, *request;
    uint64_t sequence;
} asked;

static const char *id_of(const asked *who, const exposure *x, experiment_unit *kind)
{
    *kind = x->unit == SINTER__STORAGE__V1__EXPOSURE__UNIT__UNIT_REQUEST   ? EXPERIMENT_REQUEST
            : x->unit == SINTER__STORAGE__V1__EXPOSURE__UNIT__UNIT_SESSION ? EXPERIMENT_SESSION
                                                                           : EXPERIMENT_USER;
    return *kind == EXPERIMENT_REQUEST ? who->request : *kind == EXPERIMENT_SESSION ? who->session : who->user;
}

/* Where an exposure counts: its tally and its unit's sums; false: nowhere. */
static bool place(const experiments *g, const asked *who, const exposure *x, open_exposure *out, unit_sums **sums)
{
    experiment_unit kind;
    if (x->why != SINTER__STORAGE__V1__EXPOSURE__WHY__WHY_ASSIGNED) return false;
    tally *t = tally_of(g, x->experiment, x->version, who->sequence);
    uint32_t arm = t ? tally_arm(t, x->arm) : UINT32_MAX;
    if (arm == UINT32_MAX) return false;
    const char *id = id_of(who, x, &kind);
    *out = (open_exposure){.tally = t, .arm = arm, .key = kind == EXPERIMENT_REQUEST ? 0 : tally_key(kind, id)};
    *sums = out->key ? tally_unit(t, out->key, arm) : &out->own;
    if (!out->key) t->arm[arm].counts.units++;
    return *sums != NULL;
}

static void count_answer(tally *t, uint32_t arm, unit_sums *u, const answered *an, const experimented *in)
{
    arm_counts *c = &t->arm[arm].counts;
    bool zero = an->n_shown == 0, degraded = in->degraded > 0;
    if (in->later_page) return;
    u->requests++;
    u->zero += zero;
    u->errors += degraded;
    c->impressions++;
    c->zero += zero;
    c->degraded += degraded;
    latency_add(&t->arm[arm].latency, in->answer_us);
}

static void count_shadows(const experiments *g, const experimented *in, uint64_t sequence)
{
    for (size_t i = 0; i < in->n_shadows; i++) {
        const Sinter__Storage__V1__ShadowRank *x = in->shadows[i];
        tally *t = tally_of(g, x->experiment, x->version, sequence);
        uint32_t arm = t ? tally_arm(t, x->arm) : UINT32_MAX;
        shadow_sums *s = arm == UINT32_MAX ? NULL : t->arm[arm].shadow;
        if (!s) continue;
        s->requests++;
        if (*x->failed) {
            s->failed++;
            continue;
        }
        s->degraded += x->degraded > 0;
        s->zero += x->hits == 0;
        s->overlap += x->overlap;
        s->rbo += x->rank_biased_overlap;
        latency_add(&s->latency, x->answer_us);
    }
}

static uint64_t person_of(const char *user, const char *session)
{
    return *user ? tally_key(EXPERIMENT_USER, user) : tally_key(EXPERIMENT_SESSION, session);
}

static void fill_open(open_request *r, const answered *an, const record *rec)
{
    r->request = hash64(an->request_id, strlen(an->request_id));
    r->person = person_of(an->user_id, an->session_id);
    r->time_ms = an->time_ms;
    r->logged_ms = rec->time_ms;
    r->collection = an->collection;
    r->first_position = an->n_shown ? an->shown[0]->position : 1;
    r->later_page = an->experimented->later_page;
    for (size_t i = 0; i < an->n_shown; i++) r->item[i] = an->shown[i]->item;
}

/* One that is left out makes records of the main journal wait for the next: longer, never too short. */
static void mark_answered(answered_marks *a, uint64_t at, int64_t written_ms)
{
    uint32_t last = (a->first + a->n - 1) % ANSWERED_MARKS;
    if (a->n && (at <= a->mark[last].at || written_ms < a->mark[last].written_ms + MARK_MS)) return;
    if (a->n == ANSWERED_MARKS) return;
    a->mark[(a->first + a->n++) % ANSWERED_MARKS].at = at;
    a->mark[(a->first + a->n - 1) % ANSWERED_MARKS].written_ms = written_ms;
}

static void take_answered(experiments *g, const record *rec)
{
    const answered *an = rec->answered;
    mark_answered(&g->answered, an->journal_sequence, rec->time_ms);
    const experimented *in = an->experimented;
    const asked who = {an->user_id, an->session_id, an->request_id, rec->sequence};
    if (!in) return;
    open_request *r = open_new((uint32_t)in->n_exposures, (uint32_t)an->n_shown);
    r->n_exposures = 0;
    for (size_t i = 0; i < in->n_exposures; i++) {
        open_exposure *x = &r->exposure[r->n_exposures];
        unit_sums *sums;
        if (!place(g, &who, in->exposures[i], x, &sums)) continue;
        count_answer(x->tally, x->arm, sums, an, in);
        if (rec->time_ms > x->tally->until_ms) x->tally->until_ms = rec->time_ms;
        r->n_exposures++;
    }
    count_shadows(g, in, rec->sequence);
    fill_open(r, an, rec);
    open_add(&g->open, r);
}

/* A request without an answer: nobody can click it. */
static void take_failed(experiments *g, const record *rec)
{
    const Sinter__Storage__V1__ExperimentFailed *f = rec->experiment->failed;
    const asked who = {f->user_id, f->session_id, f->request_id, rec->sequence};
    for (size_t i = 0; f->experimented && i < f->experimented->n_exposures; i++) {
        open_exposure x;
        unit_sums *sums;
        if (!place(g, &who, f->experimented->exposures[i], &x, &sums)) continue;
        sums->requests++;
        sums->errors++;
        x.tally->arm[x.arm].counts.failed++;
        if (!x.key) moments_add(&x.tally->arm[x.arm].closed, sums);
    }
}

/* ---- events ------------------------------------------------------------------------------------------------------------- */

enum { EVENT_ITEMS = 64 }; /* of one event that are looked for */

typedef struct happened {
    const event *ev;
    uint32_t collection, item[EVENT_ITEMS], n_items;
    int64_t time_ms;
} happened;

static bool counts_for(const tally *t, const happened *h, uint64_t sequence)
{
    return t->collection == h->collection && sequence > t->begun.sequence &&
           (strcmp(t->x.click, h->ev->type) == 0 || strcmp(t->x.conversion, h->ev->type) == 0);
}

static void find_items(experiments *g, happened *h)
{
    sinter_error ignored = SINTER_ERROR_INIT;
    for (size_t i = 0; i < h->ev->n_item_ids && h->n_items < EVENT_ITEMS; i++) {
        uint32_t ordinal;
        if (journal_item(g->main_head.reader, h->collection, str_of(h->ev->item_ids[i]), &ordinal, NULL, &ignored) == SINTER_OK)
            h->item[h->n_items++] = ordinal;
    }
}

static open_request *find_request(const experiments *g, const happened *h)
{
    const event *ev = h->ev;
    if (!*ev->request_id)
        return open_find_shown(&g->open, person_of(ev->user_id, ev->session_id), h->collection, h->item, h->n_items, h->time_ms);
    open_request *r = open_find(&g->open, hash64(ev->request_id, strlen(ev->request_id)));
    return r && r->collection == h->collection ? r : NULL;
}

static uint32_t place_clicked(const open_request *r, const happened *h)
{
    for (uint32_t i = 0; i < h->n_items; i++) {
        uint32_t position = open_position(r, h->item[i]);
        if (position) return position;
    }
    return h->ev->position;
}

static void count_event(open_request *r, open_exposure *x, const happened *h)
{
    tally *t = x->tally;
    arm_counts *c = &t->arm[x->arm].counts;
    unit_sums *u = x->key ? tally_unit(t, x->key, x->arm) : &x->own;
    if (!u) return;
    t->joined++;
    if (strcmp(t->x.click, h->ev->type) == 0) {
        uint32_t position = place_clicked(r, h);
        bool first_places = t->x.ctr_places == UINT32_MAX || (position && position <= t->x.ctr_places);
        u->clicks++;
        c->clicks++;
        if (first_places && !r->later_page && !x->clicked) {
            x->clicked = true;
            u->clicked++;
        }
    }
    if (strcmp(t->x.conversion, h->ev->type) == 0) {
        u->conversions++;
        u->value += h->ev->value;
        c->conversions++;
        c->value += h->ev->value;
    }
}

static void take_event(experiments *g, const record *rec)
{
    const event *ev = rec->event_put->event;
    happened h = {.ev = ev, .collection = rec->event_put->collection};
    bool wanted = false;
    if (!ev) return;
    h.time_ms = ev->time ? timestamp_ms(ev->time) : rec->time_ms;
    for (uint32_t i = 0; i < g->n_tallies; i++) {
        if (!counts_for(g->tally[i], &h, rec->sequence)) continue;
        g->tally[i]->events++;
        wanted = true;
    }
    if (!wanted) return;
    find_items(g, &h);
    open_request *r = find_request(g, &h);
    for (uint32_t i = 0; r && i < r->n_exposures; i++) {
        open_exposure *x = &r->exposure[i];
        if (!x->tally || !counts_for(x->tally, &h, rec->sequence)) continue;
        if (h.time_ms - r->time_ms <= (int64_t)(x->tally->x.window_ns / 1000000)) count_event(r, x, &h);
    }
}

/* ---- changes ------------------------------------------------------------------------------------------------------------ */

void experiments_moments(const experiments *g, const tally *t, moments *by_arm)
{
    tally_moments(t, by_arm);
    open_moments(&g->open, t, by_arm);
}

static void take_change(experiments *g, const arms_change *c, const record *rec)
{
    moments by_arm[EXPERIMENT_ARMS];
    for (uint32_t i = 0; i < g->n_tallies; i++) {
        tally *t = g->tally[i];
        if (rec->sequence <= t->begun.sequence || strcmp(t->x.name, c->experiment) != 0 || strcmp(t->x.salt, c->salt) != 0) continue;
        uint32_t arm = tally_arm(t, c->arm);
        if (c->kind != SINTER__STORAGE__V1__EXPERIMENT_CHANGE__KIND__KIND_STOPPED || arm == UINT32_MAX) continue;
        experiments_moments(g, t, by_arm);
        tally_freeze(t, arm, by_arm);
    }
}

/* ---- a step -------------------------------------------------------------------------------------------------------------- */

static int64_t longest_window_ms(const experiments *g)
{
    uint64_t longest = 0;
    for (uint32_t i = 0; i < g->n_tallies; i++)
        if (g->tally[i]->x.window_ns > longest) longest = g->tally[i]->x.window_ns;
    return (int64_t)(longest / 1000000);
}

static void take(experiments *g, log_head *h)
{
    const record *rec = h->next;
    const arms_change *c = arms_change_of(rec);
    open_expire(&g->open, rec->time_ms - longest_window_ms(g));
    if (rec->body_case == BODY(ANSWERED))
        take_answered(g, rec);
    else if (rec->body_case == BODY(EVENT_PUT))
        take_event(g, rec);
    else if (c)
        take_change(g, c, rec);
    else if (rec->body_case == BODY(EXPERIMENT) && rec->experiment->kind_case == SINTER__STORAGE__V1__EXPERIMENT__KIND_FAILED)
        take_failed(g, rec);
    h->next = NULL;
}

/* Whether all that was answered before the next record of the main journal has been read, by the time `now_ms` of the
 * impressions' log. */
static bool answers_are_read(experiments *g, int64_t now_ms)
{
    answered_marks *a = &g->answered;
    for (; a->n && a->mark[a->first].at < g->main_head.next->sequence; a->n--) a->first = (a->first + 1) % ANSWERED_MARKS;
    return a->n && now_ms >= a->mark[a->first].written_ms + SLACK_MS;
}

/* The log whose head is due; NULL: none is known to be. `owed`: impressions were, before the heads were filled. */
static log_head *due(experiments *g, bool owed, bool *waits)
{
    log_head *main_head = &g->main_head, *shown = &g->impressions_head;
    const record *m = main_head->next, *s = shown->next;
    *waits = false;
    if (s && m) return answers_are_read(g, s->time_ms) ? main_head : shown;
    if (s) return main_head->exhausted ? shown : NULL;
    if (!m || !shown->exhausted) return NULL;
    int64_t now = clock_wall_ms();
    *waits = owed && !answers_are_read(g, now) && now < m->time_ms + LONGEST_MS;
    return *waits ? NULL : main_head;
}

static bool failed(experiments *g, const sinter_error *e)
{
    uint64_t now = clock_mono_ns();
    char line[1536];
    if (g->failed_ns && now - g->failed_ns < 60000000000u) return false;
    g->failed_ns = now;
    log_error("experiment.read", "experiments cannot be counted: %s", error_line(e, line, sizeof line));
    return false;
}

bool follow_step(experiments *g)
{
    sinter_error e = SINTER_ERROR_INIT;
    if (g->again) follow_rewind(g);
    if (g->n_tallies == 0) {
        head_seek(&g->main_head, journal_last_sequence(g->main));
        head_seek(&g->impressions_head, journal_last_sequence(g->impressions));
        return false;
    }
    for (int i = 0; i < STEP_RECORDS; i++) {
        bool waits, owed = g->engine && engine_impressions_pending(g->engine) > 0;
        /* The main journal first: what it shows behind an impression that is there already must not be missed. */
        if (head_fill(g, &g->main_head, &e) || head_fill(g, &g->impressions_head, &e)) return failed(g, &e);
        log_head *h = due(g, owed, &waits);
        if (h) {
            take(g, h);
            continue;
        }
        g->caught_up = waits || (g->main_head.exhausted && g->impressions_head.exhausted);
        return !g->caught_up;
    }
    return true;
}
