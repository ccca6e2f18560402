/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who comes and asks what, and what they click and buy of what they are shown. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo_play.h"

/* ---- who asks what -------------------------------------------------------------------------------------------------- */

static uint32_t family_of(const demo_world *w, const demo_query *q) {
    const demo_concept *first = &w->concepts[q->asked[0]];
    return (first->kind == CONCEPT_FAMILY ? q->asked[0] : first->family) - w->first_family;
}

/* Queries by family, in their own order within each. */
static void group_queries(demo_visitors *v) {
    const demo_world *w = v->world;
    uint32_t families = w->first_product - w->first_family, n = w->options.queries;
    v->by_family = xcalloc(n, sizeof *v->by_family);
    v->rising = xcalloc(n, sizeof *v->rising);
    v->family_start = xcalloc(families + 1, sizeof *v->family_start);
    uint32_t at = 0;
    for (uint32_t f = 0; f < families; f++) {
        double sum = 0;
        v->family_start[f] = at;
        for (uint32_t q = 0; q < n; q++) {
            if (family_of(w, &w->queries[q]) != f) continue;
            v->rising[at] = sum += w->queries[q].popularity;
            v->by_family[at++] = q;
        }
    }
    v->family_start[families] = at;
}

demo_visitors *demo_visitors_new(const demo_world *w) {
    demo_visitors *v = xcalloc(1, sizeof *v);
    v->world = w;
    v->activity = xcalloc(w->options.users, sizeof *v->activity);
    v->popularity = xcalloc(w->options.queries, sizeof *v->popularity);
    double sum = 0;
    for (uint32_t u = 0; u < w->options.users; u++)
        v->activity[u] = sum += w->users[u].activity;
    sum = 0;
    for (uint32_t q = 0; q < w->options.queries; q++)
        v->popularity[q] = sum += w->queries[q].popularity;
    group_queries(v);
    return v;
}

void demo_visitors_free(demo_visitors *v) {
    if (!v) return;
    free(v->activity);
    free(v->popularity);
    free(v->by_family);
    free(v->rising);
    free(v->family_start);
    free(v);
}

/* A query by popularity; in part of the cases among those about one interest of the person. An interest that nobody has
 * words for leaves all queries. */
static uint32_t draw_query(const demo_visitors *v, const demo_user *user, rng *r) {
    bool own = demo_chance(r, DEMO_OWN_INTEREST);
    double rising[DEMO_INTERESTS], sum = 0;
    for (int i = 0; i < DEMO_INTERESTS; i++)
        rising[i] = sum += user->interest_weights[i];
    uint32_t family = user->interests[demo_pick_weighted(r, rising, DEMO_INTERESTS)] - v->world->first_family;
    uint32_t start = v->family_start[family], n = v->family_start[family + 1] - start;
    if (own && n) return v->by_family[start + demo_pick_weighted(r, v->rising + start, n)];
    return demo_pick_weighted(r, v->popularity, v->world->options.queries);
}

demo_visit demo_visit_draw(const demo_visitors *v, uint64_t seed, uint64_t number) {
    const demo_world *w = v->world;
    rng r = demo_stream(seed, "play.visit", number);
    demo_visit visit = {.number = number, .time_ms = w->options.now_ms + (int64_t)(number + 1) * DEMO_STEP_MS};
    visit.user = demo_pick_weighted(&r, v->activity, w->options.users);
    visit.query = draw_query(v, &w->users[visit.user], &r);
    return visit;
}

void demo_visit_session(const demo_visitors *v, const demo_visit *visit, char out[40]) {
    snprintf(out, 40, "%s-d%" PRId64, v->world->users[visit->user].id, visit->time_ms / DEMO_DAY_MS);
}

uint32_t demo_item_number(const demo_world *w, const char *id) {
    uint64_t n = 0;
    if (id[0] != 'i' || !parse_uint64(str_of(id + 1), &n) || n < 1 || n > w->options.items) return DEMO_NONE;
    return strcmp(w->items[n - 1].id, id) == 0 ? (uint32_t)(n - 1) : DEMO_NONE;
}

/* ---- what they do --------------------------------------------------------------------------------------------------- */

/* 1 / (1 + e^-x), by + and * alone. */
static double logistic(double x) {
    return 1 / (1 + demo_exp2(-x * 1.4426950408889634));
}

double demo_click_chance(const demo_world *w, double utility) {
    return logistic((utility - w->click_middle) / w->click_scale);
}

double demo_buy_chance(const demo_world *w, double utility) {
    return logistic((utility - w->buy_middle) / w->buy_scale);
}

uint32_t demo_grade(const demo_world *w, double utility) {
    uint32_t grade = 0;
    while (grade < 3 && utility >= w->thresholds[grade])
        grade++;
    return grade;
}

/* Lower positions are reached later, a purchase follows its click; all within one step. */
static demo_act act_at(const demo_visit *visit, uint32_t at, uint32_t item, bool bought) {
    int64_t clicked = visit->time_ms + 1000 + 300 * (int64_t)at;
    return (demo_act){.position = at + 1, .item = item, .bought = bought, .clicked_ms = clicked, .bought_ms = clicked + 3500};
}

/* Moves as many clicks to positions drawn by how people look, each position once. */
static void scatter(const demo_visitors *v, uint64_t seed, const demo_visit *visit, const uint32_t *item, uint32_t n,
                    demo_act *acts, uint32_t n_acts) {
    rng r = demo_stream(seed, "play.random", visit->number);
    bool taken[DEMO_POSITIONS] = {false}, bought[DEMO_POSITIONS] = {false};
    for (uint32_t a = 0; a < n_acts; a++) {
        double rising[DEMO_POSITIONS], sum = 0;
        for (uint32_t p = 0; p < n; p++)
            rising[p] = sum += taken[p] || item[p] == DEMO_NONE ? 0 : v->world->examine[p];
        uint32_t at = demo_pick_weighted(&r, rising, n);
        taken[at] = true;
        bought[at] = acts[a].bought;
    }
    for (uint32_t p = 0, a = 0; p < n; p++) {
        if (taken[p]) acts[a++] = act_at(visit, p, item[p], bought[p]);
    }
}

uint32_t demo_visit_act(const demo_visitors *v, uint64_t seed, const demo_visit *visit, const uint32_t *item, uint32_t n,
                        bool random, demo_act *out) {
    const demo_world *w = v->world;
    rng r = demo_stream(seed, "play.act", visit->number);
    uint32_t found = 0;
    if (n > DEMO_POSITIONS) n = DEMO_POSITIONS;
    for (uint32_t p = 0; p < n; p++) {
        /* Three draws a position, needed or not: what one does at one position moves no other. */
        double look = rng_uniform(&r), click = rng_uniform(&r), buy = rng_uniform(&r);
        if (item[p] == DEMO_NONE || look >= w->examine[p]) continue;
        demo_parts parts = demo_utility_parts(w, visit->user, visit->query, item[p]);
        double utility = demo_utility(&parts);
        if (click >= demo_click_chance(w, utility)) continue;
        out[found++] = act_at(visit, p, item[p], buy < demo_buy_chance(w, utility));
    }
    if (random) scatter(v, seed, visit, item, n, out, found);
    return found;
}
