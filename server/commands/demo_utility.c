/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Utility = match + taste + price fit + noise, and how much of its variance each part has. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "demo_world.h"

/* What each part's share of the variance within a list is set to. */
static const double shares_wanted[4] = {0.34, 0.31, 0.16, 0.19};

double demo_closeness(const demo_world *w, uint32_t product, uint32_t other) {
    if (product == other) return 1;
    const demo_concept *a = &w->concepts[product], *b = &w->concepts[other];
    if (a->family != b->family) return a->near == other ? 0.1 : 0;
    uint64_t low = product < other ? product : other, high = product < other ? other : product;
    rng r = demo_stream(w->options.seed, "closeness", low << 32 | high);
    return demo_round(0.3 + 0.3 * rng_uniform(&r));
}

static double satisfies(const demo_world *w, uint32_t asked, const demo_item *item) {
    const demo_concept *c = &w->concepts[asked];
    if (c->kind == CONCEPT_FAMILY) return item->family == asked ? 1 : 0;
    if (c->kind == CONCEPT_PRODUCT) return demo_closeness(w, asked, item->product);
    for (uint32_t i = 0; i < item->concepts_n; i++) {
        if (item->concepts[i] == asked) return 1;
    }
    return c->kind == CONCEPT_COLOUR && c->near == item->colour ? 0.5 : 0;
}

double demo_match(const demo_world *w, const demo_query *q, const demo_item *item) {
    double sum = 0;
    for (uint32_t i = 0; i < q->asked_n; i++)
        sum += q->weights[i] * satisfies(w, q->asked[i], item);
    return sum;
}

static double taste(const demo_user *user, const demo_item *item) {
    double dot = 0;
    for (int f = 0; f < DEMO_FACTORS; f++)
        dot += user->factors[f] * item->factors[f];
    return dot / 2.8284271247461903; /* root of eight */
}

static double price_fit(const demo_user *user, const demo_item *item) {
    double distance = fabs(user->price_level - item->price_level);
    return -(distance < 3 ? distance : 3);
}

/* The same three always get the same noise. */
static double noise(const demo_world *w, uint32_t user, uint32_t query, uint32_t item) {
    rng pair = demo_stream(w->options.seed, "noise", (uint64_t)user << 32 | query);
    rng r = demo_stream(rng_next(&pair), "noise.item", item);
    return demo_normal(&r);
}

demo_parts demo_utility_parts(const demo_world *w, uint32_t user, uint32_t query, uint32_t item) {
    const demo_user *u = &w->users[user];
    const demo_query *q = &w->queries[query];
    const demo_item *i = &w->items[item];
    return (demo_parts){.match = w->amplitude[0] * q->match_weight * demo_match(w, q, i),
                        .taste = w->amplitude[1] * u->taste_weight * taste(u, i),
                        .price = w->amplitude[2] * u->price_weight * price_fit(u, i),
                        .noise = w->amplitude[3] * noise(w, user, query, item)};
}

double demo_utility(const demo_parts *p) {
    return p->match + p->taste + p->price + p->noise;
}

#define ELSEWHERE 40

uint32_t demo_plausible(const demo_world *w, uint32_t query, uint32_t *out, uint32_t room) {
    const demo_query *q = &w->queries[query];
    const demo_concept *first = &w->concepts[q->asked[0]];
    uint32_t family = first->kind == CONCEPT_FAMILY ? q->asked[0] : first->family;
    uint64_t size = 0, seen = 0, most = room > ELSEWHERE ? room - ELSEWHERE : room;
    for (uint32_t p = 0; p < demo_products_n; p++) {
        if (w->concepts[w->first_product + p].family == family) size += w->product_start[p + 1] - w->product_start[p];
    }
    uint64_t taken = size < most ? size : most;
    uint32_t n = 0, elsewhere = 0;
    for (uint32_t p = 0; p < demo_products_n; p++) {
        if (w->concepts[w->first_product + p].family != family) continue;
        /* A family too large for the room is thinned evenly, so that every product keeps its part. */
        for (uint32_t k = w->product_start[p]; k < w->product_start[p + 1]; k++, seen++) {
            if ((seen + 1) * taken / size > seen * taken / size) out[n++] = w->by_product[k];
        }
    }
    for (uint32_t i = 0; i < w->options.items && n < room && elsewhere < ELSEWHERE; i++) {
        const demo_item *item = &w->items[i];
        if (item->family == family || demo_match(w, q, item) <= 0) continue;
        out[n++] = i;
        elsewhere++;
    }
    return n;
}

/* ---- variance ----------------------------------------------------------------------------------- */

#define LISTS     500
#define LIST_ROOM 400

/* Sums over one sample: of each part against the total, around list means and around the mean of all. */
typedef struct sample {
    double within[4], within_total, own[4]; /* own: each part's variance by itself */
    double (*parts)[4];                     /* [n][4] */
    double *utility;                        /* [n] */
    uint32_t n, lists;
} sample;

static void sample_free(sample *s) {
    free(s->parts);
    free(s->utility);
}

static void sample_list(const demo_world *w, sample *s, uint32_t user, uint32_t query, uint32_t *candidates) {
    uint32_t n = demo_plausible(w, query, candidates, LIST_ROOM), first = s->n;
    double mean[4] = {0}, total_mean = 0;
    for (uint32_t i = 0; i < n; i++) {
        demo_parts p = demo_utility_parts(w, user, query, candidates[i]);
        double parts[4] = {p.match, p.taste, p.price, p.noise};
        memcpy(s->parts[s->n], parts, sizeof parts);
        s->utility[s->n++] = demo_utility(&p);
        for (int k = 0; k < 4; k++)
            mean[k] += parts[k] / n;
    }
    for (int k = 0; k < 4; k++)
        total_mean += mean[k];
    for (uint32_t i = first; i < s->n; i++) {
        double off = s->utility[i] - total_mean;
        s->within_total += off * off;
        for (int k = 0; k < 4; k++) {
            double part = s->parts[i][k] - mean[k];
            s->within[k] += part * off;
            s->own[k] += part * part;
        }
    }
    s->lists++;
}

static sample sample_make(const demo_world *w, const char *stream) {
    sample s = {0};
    s.parts = xcalloc((size_t)LISTS * LIST_ROOM, sizeof *s.parts);
    s.utility = xcalloc((size_t)LISTS * LIST_ROOM, sizeof *s.utility);
    double *rising = xcalloc(w->options.queries, sizeof *rising), sum = 0;
    for (uint32_t q = 0; q < w->options.queries; q++)
        rising[q] = sum += w->queries[q].popularity;
    uint32_t candidates[LIST_ROOM];
    rng r = demo_stream(w->options.seed, stream, 0);
    for (int i = 0; i < LISTS; i++) {
        uint32_t user = demo_pick(&r, w->options.users);
        sample_list(w, &s, user, demo_pick_weighted(&r, rising, w->options.queries), candidates);
    }
    free(rising);
    return s;
}

void demo_calibrate(demo_world *w) {
    for (int k = 0; k < 4; k++)
        w->amplitude[k] = 1;
    sample s = sample_make(w, "calibrate");
    for (int k = 0; k < 4; k++) {
        double variance = s.own[k] / s.n;
        w->amplitude[k] = variance > 1e-9 ? demo_round(sqrt(shares_wanted[k] / variance)) : 1;
    }
    sample_free(&s);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, uint32_t n, double at) {
    return demo_round(sorted[(uint32_t)(at * (n - 1))]);
}

static void overall_shares(const sample *s, double out[4]) {
    double mean[4] = {0}, total_mean = 0, total = 0, with[4] = {0};
    for (uint32_t i = 0; i < s->n; i++) {
        for (int k = 0; k < 4; k++)
            mean[k] += s->parts[i][k] / s->n;
        total_mean += s->utility[i] / s->n;
    }
    for (uint32_t i = 0; i < s->n; i++) {
        double off = s->utility[i] - total_mean;
        total += off * off;
        for (int k = 0; k < 4; k++)
            with[k] += (s->parts[i][k] - mean[k]) * off;
    }
    for (int k = 0; k < 4; k++)
        out[k] = demo_round(with[k] / total);
}

void demo_measure(demo_world *w) {
    sample s = sample_make(w, "measure");
    w->shares = (demo_shares){.triples = s.n, .lists = s.lists};
    for (int k = 0; k < 4; k++)
        w->shares.within[k] = demo_round(s.within[k] / s.within_total);
    overall_shares(&s, w->shares.overall);
    double spread = sqrt(s.within_total / s.n);
    qsort(s.utility, s.n, sizeof *s.utility, by_value);
    static const double grades[3] = {0.70, 0.88, 0.96};
    for (int g = 0; g < 3; g++)
        w->thresholds[g] = quantile(s.utility, s.n, grades[g]);
    w->click_middle = quantile(s.utility, s.n, 0.85);
    w->buy_middle = quantile(s.utility, s.n, 0.94);
    w->click_scale = demo_round(0.35 * spread);
    w->buy_scale = demo_round(0.30 * spread);
    for (int p = 0; p < DEMO_POSITIONS; p++)
        w->examine[p] = demo_round(1.0 / (1.0 + 0.35 * p));
    sample_free(&s);
}
