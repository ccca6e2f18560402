/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What happened before the server came: sessions of views and baskets, without requests. And what follows from people
 * as a whole: an item's appeal, sales and rating. */
#include <math.h>
#include <stdlib.h>

#include "demo_world.h"

/* ---- popularity --------------------------------------------------------------------------------- */

static double crowd_appeal(const demo_world *w, const demo_item *item) {
    double dot = 0, fit = 0;
    for (int f = 0; f < DEMO_FACTORS; f++)
        dot += w->mean_factors[f] * item->factors[f];
    uint32_t step = w->options.users / 64 + 1, n = 0;
    for (uint32_t u = 0; u < w->options.users; u += step, n++) {
        double distance = fabs(w->users[u].price_level - item->price_level);
        fit -= distance < 3 ? distance : 3;
    }
    return w->amplitude[1] * dot / 2.8284271247461903 + w->amplitude[2] * fit / n;
}

void demo_popularity_make(demo_world *w) {
    uint32_t n = w->options.items;
    double mean = 0, variance = 0;
    for (uint32_t i = 0; i < n; i++)
        mean += (w->items[i].appeal = crowd_appeal(w, &w->items[i])) / n;
    for (uint32_t i = 0; i < n; i++)
        variance += (w->items[i].appeal - mean) * (w->items[i].appeal - mean) / n;
    double spread = variance > 1e-12 ? sqrt(variance) : 1;
    for (uint32_t i = 0; i < n; i++) {
        demo_item *item = &w->items[i];
        rng r = demo_stream(w->options.seed, "item.popularity", i);
        item->appeal = demo_round((item->appeal - mean) / spread);
        double age = (double)(w->options.now_ms - item->released_ms) / (double)DEMO_DAY_MS / 365.0;
        double sold = demo_exp2(5.5 + 1.3 * item->appeal + 1.0 * demo_normal(&r)) * (age < 1 ? age : 1);
        double stars = 4.1 + 0.35 * item->appeal + 0.3 * demo_normal(&r);
        stars = stars < 1 ? 1 : stars > 5 ? 5 : floor(stars * 10 + 0.5) / 10;
        item->sales = item->is_new ? 0 : (uint32_t)floor(demo_round(sold));
        item->rating = item->is_new || item->sales < 3 ? -1 : stars;
    }
}

/* ---- sessions ----------------------------------------------------------------------------------- */

typedef struct visit {
    demo_world *w;
    rng *r;
    uint32_t user, session, campaign;
    uint32_t left; /* events that this user may still have */
    int64_t now_ms;
} visit;

static void record(visit *v, uint32_t item, demo_event_type type) {
    if (!v->left) return;
    v->left--;
    demo_world *w = v->w;
    w->events[w->events_n] = (demo_event){.time_ms = v->now_ms,
                                          .user = v->user,
                                          .item = item,
                                          .session = v->session,
                                          .campaign = v->campaign,
                                          .order = w->events_n,
                                          .type = type};
    w->events_n++;
    v->now_ms += 1000 * (int64_t)(15 + demo_pick(v->r, 100));
}

/* How this person likes an item, words aside. */
static double liking(visit *v, uint32_t item) {
    const demo_world *w = v->w;
    const demo_user *u = &w->users[v->user];
    const demo_item *i = &w->items[item];
    double dot = 0, distance = fabs(u->price_level - i->price_level);
    for (int f = 0; f < DEMO_FACTORS; f++)
        dot += u->factors[f] * i->factors[f];
    return w->amplitude[1] * u->taste_weight * dot / 2.8284271247461903 -
           w->amplitude[2] * u->price_weight * (distance < 3 ? distance : 3) +
           0.6 * w->amplitude[3] * demo_normal(v->r);
}

static bool on_sale(const visit *v, uint32_t item) {
    const demo_item *i = &v->w->items[item];
    return !i->is_new && i->released_ms <= v->now_ms;
}

/* One item of the product: popular ones come up more often. */
static uint32_t come_across(visit *v, uint32_t product) {
    const demo_world *w = v->w;
    uint32_t p = product - w->first_product, from = w->product_start[p], n = w->product_start[p + 1] - from;
    if (!n) return DEMO_NONE;
    for (int tries = 0; tries < 6; tries++) {
        uint32_t a = w->by_product[from + demo_pick(v->r, n)], b = w->by_product[from + demo_pick(v->r, n)];
        bool popular = demo_chance(v->r, 0.4);
        uint32_t item = popular && w->items[b].sales > w->items[a].sales ? b : a;
        if (on_sale(v, item)) return item;
    }
    return DEMO_NONE;
}

/* The best liked of a few. */
static uint32_t choose(visit *v, uint32_t product, double *best) {
    uint32_t chosen = DEMO_NONE;
    for (int i = 0; i < 9; i++) {
        uint32_t item = come_across(v, product);
        if (item == DEMO_NONE) continue;
        double liked = liking(v, item);
        bool promoted = v->campaign != DEMO_NONE && (v->w->items[item].campaigns[0] == v->campaign ||
                                                     v->w->items[item].campaigns[1] == v->campaign);
        if (promoted) liked += 0.6;
        if (chosen == DEMO_NONE || liked > *best) chosen = item, *best = liked;
    }
    return chosen;
}

static uint32_t product_of(visit *v, uint32_t family) {
    const demo_world *w = v->w;
    uint32_t fitting[16], n = 0;
    for (uint32_t p = w->first_product; p < w->first_material; p++) {
        if (w->concepts[p].family == family && n < ARRAY_LEN(fitting)) fitting[n++] = p;
    }
    return fitting[demo_pick(v->r, n)];
}

static uint32_t campaign_now(visit *v) {
    uint32_t c = demo_pick(v->r, (uint32_t)demo_campaigns_n);
    const demo_campaign *window = &v->w->campaigns[c];
    return window->from_ms <= v->now_ms && v->now_ms < window->until_ms ? c : DEMO_NONE;
}

static uint32_t campaign_family(visit *v) {
    const demo_campaign_words *words = &demo_campaigns[v->campaign];
    const char *name = words->families[demo_pick(v->r, 2)];
    for (uint32_t f = 0; f < demo_families_n; f++) {
        if (str_is(str_of(name), demo_families[f].name)) return v->w->first_family + f;
    }
    return v->w->first_family;
}

static uint32_t interest(visit *v) {
    const demo_user *u = &v->w->users[v->user];
    if (demo_chance(v->r, 0.15)) return v->w->first_family + demo_pick(v->r, (uint32_t)demo_families_n);
    double rising[DEMO_INTERESTS], sum = 0;
    for (int i = 0; i < DEMO_INTERESTS; i++)
        rising[i] = sum += u->interest_weights[i];
    return u->interests[demo_pick_weighted(v->r, rising, DEMO_INTERESTS)];
}

/* One session: look at some of a kind, perhaps take the best, perhaps what goes with it. */
static void session(visit *v) {
    v->campaign = campaign_now(v);
    uint32_t family = v->campaign != DEMO_NONE ? campaign_family(v) : interest(v);
    uint32_t product = product_of(v, family), views = 2 + demo_pick(v->r, 5);
    uint32_t best_item = DEMO_NONE, last = DEMO_NONE;
    double best = 0;
    for (uint32_t i = 0; i < views; i++) {
        double liked = 0;
        uint32_t sibling = product_of(v, family);
        uint32_t item = choose(v, demo_chance(v->r, 0.2) ? sibling : product, &liked);
        if (item == DEMO_NONE || item == last) continue;
        record(v, item, EVENT_VIEW);
        last = item;
        if (best_item == DEMO_NONE || liked > best) best_item = item, best = liked;
    }
    if (best_item == DEMO_NONE || !demo_chance(v->r, 0.55)) return;
    record(v, best_item, EVENT_BASKET);
    uint32_t complement = v->w->items[best_item].complement;
    if (complement == DEMO_NONE || !demo_chance(v->r, 0.5)) return;
    uint32_t item = choose(v, complement, &best);
    if (item == DEMO_NONE) return;
    record(v, item, EVENT_VIEW);
    record(v, item, EVENT_BASKET);
}

/* A moment of the history's days, by daylight more than by night. */
static int64_t moment(visit *v) {
    int64_t today = v->w->options.now_ms - v->w->options.now_ms % DEMO_DAY_MS;
    int64_t day = 1 + (int64_t)demo_pick(v->r, DEMO_HISTORY_DAYS);
    double hour = 7 + 8 * (rng_uniform(v->r) + rng_uniform(v->r));
    return today - day * DEMO_DAY_MS + (int64_t)floor(hour * 3600.0) * 1000;
}

static void visits(demo_world *w, uint32_t user, uint32_t events) {
    visit v = {.w = w, .user = user, .left = events};
    for (uint32_t s = 0; v.left && s < 4 * events + 16; s++) {
        rng r = demo_stream(w->options.seed, "session", (uint64_t)user << 32 | s);
        v.r = &r;
        v.session = s;
        v.now_ms = moment(&v);
        session(&v);
    }
}

static int by_time(const void *a, const void *b) {
    const demo_event *x = a, *y = b;
    if (x->time_ms != y->time_ms) return x->time_ms < y->time_ms ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static void campaigns(demo_world *w) {
    w->campaigns = xcalloc(demo_campaigns_n, sizeof *w->campaigns);
    int64_t today = w->options.now_ms - w->options.now_ms % DEMO_DAY_MS;
    for (uint32_t c = 0; c < demo_campaigns_n; c++) {
        int64_t start = DEMO_HISTORY_DAYS - (int64_t)c * (DEMO_HISTORY_DAYS - 10) / (int64_t)(demo_campaigns_n - 1);
        w->campaigns[c].from_ms = today - start * DEMO_DAY_MS;
        w->campaigns[c].until_ms = w->campaigns[c].from_ms + 35 * DEMO_DAY_MS;
    }
}

void demo_history_make(demo_world *w) {
    campaigns(w);
    w->events = xcalloc((size_t)w->options.events + 1, sizeof *w->events);
    double sum = 0, given = 0;
    for (uint32_t u = 0; u < w->options.users; u++)
        sum += w->users[u].is_new ? 0 : w->users[u].activity;
    uint32_t done = 0;
    for (uint32_t u = 0; u < w->options.users; u++) {
        if (w->users[u].is_new) continue;
        given += w->users[u].activity;
        uint32_t until = (uint32_t)floor(w->options.events * (given / sum) + 1e-6);
        if (until > w->options.events) until = w->options.events;
        visits(w, u, until - done);
        done = until;
    }
    qsort(w->events, w->events_n, sizeof *w->events, by_time);
}
