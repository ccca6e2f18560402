/* SPDX-License-Identifier: GPL-3.0-or-later */
/* People of the demo shop who come, ask, look, click and buy: what `sinter demo play` plays and `sinter demo judge`
 * judges.
 *
 *   demo_visitors *v = demo_visitors_new(world);
 *   demo_visit visit = demo_visit_draw(v, seed, number);    who asks what, and when
 *   n = demo_visit_act(v, seed, &visit, items, n_items, false, acts);
 *
 * Every draw belongs to (seed, number of the request), so requests may be played by many connections in any order of
 * theirs, and a judge meets the people that a player would send. */
#ifndef SINTER_DEMO_PLAY_H
#define SINTER_DEMO_PLAY_H

#include "demo_world.h"

#define DEMO_STEP_MS       INT64_C(20000) /* from one request to the next, in the world's time */
#define DEMO_OWN_INTEREST  0.5            /* share of requests that are about an interest of the person */

typedef struct demo_visitors {
    const demo_world *world;
    double *activity;       /* [users] rising sums */
    double *popularity;     /* [queries] rising sums */
    uint32_t *by_family;    /* query numbers grouped by the family of what is asked */
    double *rising;         /* [queries] beside by_family: rising sums of popularity within the family */
    uint32_t *family_start; /* [families + 1] into by_family */
} demo_visitors;

demo_visitors *demo_visitors_new(const demo_world *w);
void demo_visitors_free(demo_visitors *v);

typedef struct demo_visit {
    uint64_t number;
    uint32_t user, query;
    int64_t time_ms; /* the world's time: after its history, DEMO_STEP_MS a request */
} demo_visit;

demo_visit demo_visit_draw(const demo_visitors *v, uint64_t seed, uint64_t number);

/* One click, and whether it ended in a purchase. */
typedef struct demo_act {
    uint32_t position; /* 1-based */
    uint32_t item;
    bool bought;
    int64_t clicked_ms, bought_ms; /* before the next request's time */
} demo_act;

/* What the person does with the first DEMO_POSITIONS of a page: looks at a position by position_bias, clicks and buys by
 * utility. An item of DEMO_NONE (not of this world) is never clicked. `random`: as many clicks and purchases, but where a
 * look falls by chance, whatever stands there. Acts by position; returns how many. */
uint32_t demo_visit_act(const demo_visitors *v, uint64_t seed, const demo_visit *visit, const uint32_t *item, uint32_t n,
                        bool random, demo_act *out);

/* Chances of who looks at an item to click it, and of who clicked it to buy it. */
double demo_click_chance(const demo_world *w, double utility);
double demo_buy_chance(const demo_world *w, double utility);

/* 0 to 3, by the world's thresholds. */
uint32_t demo_grade(const demo_world *w, double utility);

/* "u000007-d20455": a person's requests of one day are one session. */
void demo_visit_session(const demo_visitors *v, const demo_visit *visit, char out[40]);

/* The number of an item's id, or DEMO_NONE. */
uint32_t demo_item_number(const demo_world *w, const char *id);

/* `sinter demo play`, `sinter demo judge`; argv[0] is the action. An exit_code. */
int demo_play(int argc, char **argv);
int demo_judge(int argc, char **argv);

/* What both take alike (demo_play.c): a number that is not valid, a seed, one folder among the words. */
sinter_status demo_out_of(const char *option, const char *valid, uint64_t given, sinter_error *e);
sinter_status demo_take_seed(const char *text, uint64_t *out, sinter_error *e);
sinter_status demo_take_folder(size_t given, sinter_error *e);

#endif
