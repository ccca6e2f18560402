/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Experiments in a search: which arms the person is in, what they set, and behind the answer what shadow arms would have shown.
 * One hash an experiment; stops are flags that lanes read. */
#include "search.h"

#include <string.h>

static bool overridden(const search *s, const char *experiment, const char **arm)
{
    for (size_t i = 0; i < s->in->n_experiment_arms; i++)
        if (strcmp(s->in->experiment_arms[i]->key, experiment) == 0) {
            *arm = s->in->experiment_arms[i]->value;
            return true;
        }
    return false;
}

/* ---- the override ------------------------------------------------------------------------------------------------------- */

static sinter_status unknown(const char *where, const char *what, const char *name, const char *const *names, uint32_t n, sinter_error *e)
{
    const char *near = near_name(name, names, n);
    error_set(e, SINTER_NOT_FOUND, where, "ListExperiments names them", "no %s '%.100s'", what, name);
    if (near) error_fix(e, "did you mean '%s'?", near);
    return SINTER_NOT_FOUND;
}

static sinter_status check_override(search *s, const char *name, const char *arm, sinter_error *e)
{
    const snap_collection *c = s->collection;
    const char *names[256];
    uint32_t n = 0;
    char *where = arena_printf(s->a, "experiment_arms[%.100s]", name);
    for (uint32_t i = 0; i < c->n_experiments; i++) {
        const config_experiment *x = c->experiment[i].config;
        if (n < ARRAY_LEN(names)) names[n++] = x->name;
        if (strcmp(x->name, name) != 0) continue;
        const char *of_it[EXPERIMENT_ARMS];
        for (uint32_t k = 0; k < x->n_arms; k++) {
            of_it[k] = x->arm[k].name;
            if (strcmp(of_it[k], arm) == 0) return SINTER_OK;
        }
        return unknown(where, "arm", arm, of_it, x->n_arms, e);
    }
    return unknown(where, "experiment of this collection", name, names, n, e);
}

static sinter_status check_overrides(search *s, sinter_error *e)
{
    if (!s->in->n_experiment_arms) return SINTER_OK;
    if (!s->snapshot->config->server.allow_override)
        return error_set(e, SINTER_PERMISSION, "experiment_arms", "leave it unset, or say 'experiments: {allow_override: true}' in sinter.yaml",
                         "requests may not choose their arms");
    sinter_status st = SINTER_OK;
    for (size_t i = 0; i < s->in->n_experiment_arms && st == SINTER_OK; i++)
        st = check_override(s, s->in->experiment_arms[i]->key, s->in->experiment_arms[i]->value, e);
    return st;
}

/* ---- assignment ---------------------------------------------------------------------------------------------------------- */

/* What the request itself says of the things that experiments vary. */
static uint32_t said_by(const Sinter__V1__SearchRequest *in)
{
    const Sinter__V1__QueryOptions *o = in->options;
    uint32_t said = in->pipeline[0] ? VARIES_PIPELINE : 0;
    if (!o) return said;
    if (o->operator_) said |= VARIES_OPERATOR;
    if (o->minimum_should_match[0]) said |= VARIES_MINIMUM;
    if (o->typos) said |= VARIES_TYPOS;
    if (o->language[0]) said |= VARIES_LANGUAGE;
    return said;
}

static void take_arm(search *s, const snap_experiment *x, uint32_t arm)
{
    const config_arm *c = &x->config->arm[arm];
    Sinter__V1__QueryOptions *o = &s->arm_options;
    s->arms_set_options |= (x->config->varies & ~(uint32_t)VARIES_PIPELINE) != 0;
    if (c->pipeline) s->pipeline = &s->snapshot->pipeline[x->pipeline[arm]];
    if (c->operator_and >= 0)
        o->operator_ = c->operator_and ? SINTER__V1__QUERY_OPTIONS__OPERATOR__OPERATOR_AND : SINTER__V1__QUERY_OPTIONS__OPERATOR__OPERATOR_OR;
    if (c->typos >= 0) o->typos = c->typos ? SINTER__V1__QUERY_OPTIONS__TYPOS__TYPOS_ON : SINTER__V1__QUERY_OPTIONS__TYPOS__TYPOS_OFF;
    if (c->minimum_should_match) o->minimum_should_match = message_text(c->minimum_should_match);
    if (c->language) o->language = message_text(c->language);
}

static uint32_t arm_named(const config_experiment *x, const char *name)
{
    uint32_t i = 0;
    while (strcmp(x->arm[i].name, name) != 0) i++; /* check_override has found it */
    return i;
}

/* False: the request is not in it. */
static bool assign(search *s, const snap_experiment *x, const experiment_person *who, taken_arm *t)
{
    const char *named;
    *t = (taken_arm){.experiment = x, .why = SINTER__STORAGE__V1__EXPOSURE__WHY__WHY_ASSIGNED};
    if (overridden(s, x->config->name, &named)) {
        if (!experiment_place_of(x->config, who, &t->place)) t->place = (experiment_place){.unit = x->config->unit};
        t->place.arm = t->effective = arm_named(x->config, named);
        t->named = true;
        return true;
    }
    if (arms_all_stopped(&x->cells) || !experiment_assign(x->config, who, s->context.now_ms, &t->place)) return false;
    t->effective = t->place.arm;
    if (t->place.arm == x->config->control || !arms_arm_stopped(&x->cells, t->place.arm)) return true;
    t->effective = x->config->control;
    t->why = SINTER__STORAGE__V1__EXPOSURE__WHY__WHY_STOPPED;
    return true;
}

sinter_status search_arms(search *s, sinter_error *e)
{
    const snap_collection *c = s->collection;
    const experiment_person who = {s->user.user_id.data, s->user.session_id.data, s->out->request_id};
    s->options = s->in->options;
    sinter_status st = check_overrides(s, e);
    if (st || !c->n_experiments || s->shown_by) return st;
    uint32_t said = said_by(s->in);
    if (s->in->options)
        s->arm_options = *s->in->options;
    else
        sinter__v1__query_options__init(&s->arm_options);
    s->options = &s->arm_options;
    s->taken = ARENA_ARRAY(s->a, taken_arm, c->n_experiments);
    for (uint32_t i = 0; i < c->n_experiments; i++) {
        const snap_experiment *x = &c->experiment[i];
        taken_arm *t = &s->taken[s->n_taken];
        if (((x->config->varies | x->shadows) & said) || !assign(s, x, &who, t)) continue;
        take_arm(s, x, t->effective);
        s->n_taken++;
    }
    if (s->in->n_experiment_arms) /* what one arm showed by wish tells nothing of the others either */
        for (uint32_t i = 0; i < s->n_taken; i++) s->taken[i].why = SINTER__STORAGE__V1__EXPOSURE__WHY__WHY_OVERRIDDEN;
    return SINTER_OK;
}

void search_tell_arms(search *s, Sinter__V1__Assignment *out)
{
    out->experiments = ARENA_ARRAY(s->a, Sinter__V1__ExperimentArm *, s->n_taken);
    for (uint32_t i = 0; i < s->n_taken; i++) {
        const taken_arm *t = &s->taken[i];
        Sinter__V1__ExperimentArm *x = ARENA_NEW(s->a, Sinter__V1__ExperimentArm);
        sinter__v1__experiment_arm__init(x);
        x->experiment = message_text(t->experiment->config->name);
        x->arm = message_text(t->experiment->config->arm[t->place.arm].name);
        x->bucket = t->place.bucket;
        x->unit = message_text(EXPERIMENT_UNIT_NAMES[t->place.unit]);
        x->overridden = t->why == SINTER__STORAGE__V1__EXPOSURE__WHY__WHY_OVERRIDDEN;
        x->stopped = t->why == SINTER__STORAGE__V1__EXPOSURE__WHY__WHY_STOPPED;
        out->experiments[out->n_experiments++] = x;
    }
}

/* ---- the record ----------------------------------------------------------------------------------------------------------- */

/* What is not trained yet fails for everybody, and by nobody's fault. */
static uint32_t count_degraded(const Sinter__V1__SearchResponse *out)
{
    uint32_t n = 0;
    for (size_t i = 0; i < out->n_degraded; i++) n += out->degraded[i]->code != SINTER__V1__DEGRADED__CODE__CODE_DISABLED;
    return n;
}

static Sinter__Storage__V1__Exposure *exposure_of(search *s, const taken_arm *t)
{
    static const Sinter__Storage__V1__Exposure__Unit UNIT[EXPERIMENT_UNITS] = {
        [EXPERIMENT_USER] = SINTER__STORAGE__V1__EXPOSURE__UNIT__UNIT_USER,
        [EXPERIMENT_SESSION] = SINTER__STORAGE__V1__EXPOSURE__UNIT__UNIT_SESSION,
        [EXPERIMENT_REQUEST] = SINTER__STORAGE__V1__EXPOSURE__UNIT__UNIT_REQUEST};
    Sinter__Storage__V1__Exposure *x = ARENA_NEW(s->a, Sinter__Storage__V1__Exposure);
    sinter__storage__v1__exposure__init(x);
    x->experiment = message_text(t->experiment->config->name);
    x->arm = message_text(t->experiment->config->arm[t->place.arm].name);
    x->version = t->experiment->config->version;
    x->bucket = t->place.bucket;
    x->unit = UNIT[t->place.unit];
    x->why = t->why;
    return x;
}

Sinter__Storage__V1__Experimented *search_experimented(search *s)
{
    if (!s->n_taken) return NULL;
    Sinter__Storage__V1__Experimented *out = ARENA_NEW(s->a, Sinter__Storage__V1__Experimented);
    sinter__storage__v1__experimented__init(out);
    out->exposures = ARENA_ARRAY(s->a, Sinter__Storage__V1__Exposure *, s->n_taken);
    for (uint32_t i = 0; i < s->n_taken; i++) out->exposures[out->n_exposures++] = exposure_of(s, &s->taken[i]);
    if (s->arms_set_options) out->options = &s->arm_options;
    out->answer_us = (s->answered_ns - s->started_ns) / 1000;
    out->degraded = count_degraded(s->out);
    out->later_page = s->offset > 0 || s->in->cursor[0];
    return out;
}

char **search_arm_names(search *s)
{
    char **names = ARENA_ARRAY(s->a, char *, s->n_taken + 1);
    for (uint32_t i = 0; i < s->n_taken; i++) {
        const config_experiment *x = s->taken[i].experiment->config;
        names[i] = arena_printf(s->a, "%s/%s", x->name, x->arm[s->taken[i].place.arm].name);
    }
    return names;
}

/* ---- shadows ---------------------------------------------------------------------------------------------------------------- */

static uint32_t page_items(const search *s, uint32_t *out, uint32_t most)
{
    uint32_t n = s->n_page < most ? s->n_page : most;
    for (uint32_t i = 0; i < n; i++) out[i] = s->page[i].item;
    return n;
}

#define COMPARED 100u /* places of a page that are compared */

static void compare(search *s, const search *shadow, Sinter__Storage__V1__ShadowRank *out)
{
    uint32_t shown[COMPARED], ranked[COMPARED];
    uint32_t n = page_items(s, shown, COMPARED), m = page_items(shadow, ranked, COMPARED);
    out->hits = shadow->n_page;
    out->total = shadow->out->total;
    out->overlap = ranking_overlap(shown, n, ranked, m, 10);
    out->rank_biased_overlap = ranking_rbo(shown, n, ranked, m, 0.9);
    out->degraded = count_degraded(shadow->out);
}

static Sinter__Storage__V1__ShadowRank *rank_shadow(search *s, const snap_experiment *x, uint32_t arm)
{
    Sinter__Storage__V1__ShadowRank *out = ARENA_NEW(s->a, Sinter__Storage__V1__ShadowRank);
    sinter_error e = SINTER_ERROR_INIT;
    char line[1536];
    search *shadow;
    sinter__storage__v1__shadow_rank__init(out);
    out->experiment = message_text(x->config->name);
    out->arm = message_text(x->config->arm[arm].name);
    out->version = x->config->version;
    uint64_t since = clock_mono_ns();
    if (search_shadow(s, &s->snapshot->pipeline[x->pipeline[arm]], &shadow, &e))
        out->failed = arena_strdup(s->a, error_line(&e, line, sizeof line));
    else
        compare(s, shadow, out);
    out->answer_us = (clock_mono_ns() - since) / 1000;
    return out;
}

/* A share is drawn by the request's id and the arm's name: the same request is ranked everywhere or nowhere. */
static bool drawn(const search *s, const config_arm *arm)
{
    uint64_t h = hash64_seed(arm->name, strlen(arm->name), s->request.seed);
    return (double)(h >> 11) * 0x1p-53 < arm->share;
}

void search_shadows(search *s, Sinter__Storage__V1__Experimented *out)
{
    uint32_t n = 0;
    if (!out || out->later_page) return;
    for (uint32_t i = 0; i < s->n_taken; i++) n += s->taken[i].experiment->config->n_arms;
    out->shadows = ARENA_ARRAY(s->a, Sinter__Storage__V1__ShadowRank *, n);
    for (uint32_t i = 0; i < s->n_taken; i++) {
        const taken_arm *t = &s->taken[i];
        const snap_experiment *x = t->experiment;
        if (t->why != SINTER__STORAGE__V1__EXPOSURE__WHY__WHY_ASSIGNED || t->effective != x->config->control) continue;
        for (uint32_t k = 0; k < x->config->n_arms; k++)
            if (x->config->arm[k].shadow && !arms_arm_stopped(&x->cells, k) && drawn(s, &x->config->arm[k]))
                out->shadows[out->n_shadows++] = rank_shadow(s, x, k);
    }
}
