/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The shop's people: tastes, purses, interests. People of one hidden tribe are alike in all three. The segment that the
 * shop knows somebody by is their tribe's more often than not: what people do tells more. */
#include <stdio.h>
#include <stdlib.h>

#include "demo_world.h"

typedef struct tribe {
    double factors[DEMO_FACTORS];
    double price_level;
    uint32_t families[6]; /* concepts that it cares for more than others */
} tribe;

static tribe *tribes_make(const demo_world *w) {
    tribe *all = xcalloc(demo_segments_n, sizeof *all);
    for (uint32_t s = 0; s < demo_segments_n; s++) {
        rng r = demo_stream(w->options.seed, "tribe", s);
        for (int f = 0; f < DEMO_FACTORS; f++)
            all[s].factors[f] = demo_normal(&r);
        all[s].price_level = 0.5 * demo_normal(&r);
        for (int i = 0; i < 6; i++)
            all[s].families[i] = w->first_family + demo_pick(&r, (uint32_t)demo_families_n);
    }
    return all;
}

static void interests(const demo_world *w, demo_user *user, const tribe *s, rng *r) {
    double sum = 0, weight = 1;
    for (int i = 0; i < DEMO_INTERESTS; i++) {
        bool typical = demo_chance(r, 0.6);
        uint32_t own = w->first_family + demo_pick(r, (uint32_t)demo_families_n);
        uint32_t common = s->families[demo_pick(r, 6)];
        user->interests[i] = typical ? common : own;
        user->interest_weights[i] = weight;
        sum += weight;
        weight *= 0.75;
    }
    for (int i = 0; i < DEMO_INTERESTS; i++)
        user->interest_weights[i] = demo_round(user->interest_weights[i] / sum);
}

static void choose_new(demo_world *w) {
    uint32_t n = w->options.users, *order = xmalloc(n * sizeof *order);
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    rng r = demo_stream(w->options.seed, "user.new", 0);
    for (uint32_t i = 0; i < (n + 10) / 20; i++) {
        uint32_t j = i + demo_pick(&r, n - i), chosen = order[j];
        order[j] = order[i];
        w->users[chosen].is_new = true;
    }
    free(order);
}

void demo_people_make(demo_world *w) {
    uint32_t n = w->options.users;
    w->users = xcalloc(n, sizeof *w->users);
    choose_new(w);
    tribe *tribes = tribes_make(w);
    double common[DEMO_FACTORS]; /* what nearly everybody likes: it makes popularity worth knowing */
    rng all = demo_stream(w->options.seed, "taste.common", 0);
    for (int f = 0; f < DEMO_FACTORS; f++)
        common[f] = 0.25 * demo_normal(&all);
    for (uint32_t i = 0; i < n; i++) {
        demo_user *user = &w->users[i];
        rng r = demo_stream(w->options.seed, "user", i);
        snprintf(user->id, sizeof user->id, "u%06u", i + 1);
        user->tribe = demo_pick(&r, (uint32_t)demo_segments_n);
        uint32_t other = demo_pick(&r, (uint32_t)demo_segments_n);
        user->segment = demo_chance(&r, 0.55) ? user->tribe : other;
        user->member = demo_chance(&r, 0.4);
        const tribe *s = &tribes[user->tribe];
        for (int f = 0; f < DEMO_FACTORS; f++) {
            user->factors[f] = demo_round(common[f] + 0.75 * s->factors[f] + 0.5 * demo_normal(&r));
            w->mean_factors[f] += user->factors[f] / n;
        }
        user->price_level = demo_round(s->price_level + (user->member ? 0.25 : -0.15) + 0.6 * demo_normal(&r));
        user->taste_weight = demo_round(0.5 + rng_uniform(&r));
        user->price_weight = demo_round(0.4 + 1.2 * rng_uniform(&r));
        double u = rng_uniform(&r);
        user->activity = demo_round(0.25 + 2.5 * u * u * u);
        interests(w, user, s, &r);
    }
    free(tribes);
}
