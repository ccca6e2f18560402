/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The demo shop as a world in memory: items, people and queries with the hidden truth behind them.
 *
 *   demo_world *w = demo_world_make(&options);   the whole world, deterministic in `options`
 *   demo_world_write(w, dir, …);                 items.jsonl, history.jsonl, truth/
 *   demo_world_open(dir, &w, …);                 the same world again, for who plays and judges
 *   demo_world_free(w);
 *
 * Same options, same bytes, on every machine: all randomness comes from named streams of base's generator, no function
 * of libm but sqrt and floor (exact everywhere) takes part, floating-point contraction is off for these files
 * (CMakeLists.txt), and whatever truth/ states is rounded to four decimals *before* it is used, so that the files are
 * the whole truth. */
#ifndef SINTER_DEMO_WORLD_H
#define SINTER_DEMO_WORLD_H

#include "base/base.h"
#include "demo_words.h"

#define DEMO_ASKED         4 /* most concepts a query asks for */
#define DEMO_ITEM_CONCEPTS 8 /* most concepts an item has */
#define DEMO_INTERESTS     5 /* families a user cares for */
#define DEMO_NONE          UINT32_MAX
#define DEMO_DAY_MS        INT64_C(86400000)
#define DEMO_HISTORY_DAYS  180
#define DEMO_POSITIONS     50

typedef struct demo_options {
    uint64_t seed;
    uint32_t items, users, queries, events;
    int64_t now_ms; /* the end of history; items and events lie before it */
} demo_options;

typedef enum { CONCEPT_FAMILY, CONCEPT_PRODUCT, CONCEPT_MATERIAL, CONCEPT_COLOUR, CONCEPT_FEATURE } demo_concept_kind;

/* A hidden concept: what an item has and a query means, whatever words either uses. */
typedef struct demo_concept {
    demo_concept_kind kind;
    const char *const *forms; /* synonyms; forms[0] is canonical */
    uint32_t forms_n;
    uint32_t row;    /* in the table of its kind */
    uint32_t family; /* concept number of a product's family; else DEMO_NONE */
    uint32_t near;   /* a colour: the concept that half satisfies it; a product: what is bought with it */
} demo_concept;

typedef struct demo_item {
    char id[16];
    uint32_t product, family;              /* concept numbers */
    uint32_t material, colour;             /* concept numbers or DEMO_NONE */
    uint32_t concepts[DEMO_ITEM_CONCEPTS]; /* all of the above and its features */
    uint32_t concepts_n;
    uint32_t brand;      /* row of demo_brands */
    uint32_t complement; /* product concept bought with it, or DEMO_NONE */
    double factors[DEMO_FACTORS];
    double price_level; /* 0 is the middle of its product's range */
    double price;
    double appeal; /* mean of taste and price fit over people */
    double rating; /* < 0: none yet */
    uint32_t sales;
    int64_t released_ms;
    bool in_stock, is_new;
    const char *size;      /* NULL: none */
    const char *adjective; /* NULL: none */
    uint32_t campaigns[2]; /* rows of demo_campaigns or DEMO_NONE */
    char *title, *description;
} demo_item;

typedef struct demo_user {
    char id[16];
    uint32_t tribe;   /* hidden: what they are like */
    uint32_t segment; /* row of demo_segments: what the shop takes them for */
    bool member, is_new;
    double factors[DEMO_FACTORS];
    double price_level;
    double taste_weight, price_weight;
    double activity;
    uint32_t interests[DEMO_INTERESTS]; /* family concepts */
    double interest_weights[DEMO_INTERESTS];
} demo_user;

typedef struct demo_query {
    char id[16];
    char *text;
    uint32_t asked[DEMO_ASKED]; /* concepts meant, asked[0] a product or family */
    double weights[DEMO_ASKED]; /* sum to 1 */
    uint32_t asked_n;
    double match_weight; /* how much fit matters to who asks so */
    double popularity;   /* sums to 1 over queries */
    bool typo;
} demo_query;

typedef enum { EVENT_VIEW, EVENT_BASKET } demo_event_type;
typedef struct demo_event {
    int64_t time_ms;
    uint32_t user, item, session;
    uint32_t campaign; /* row of demo_campaigns or DEMO_NONE */
    uint32_t order;    /* of generation: breaks ties of time */
    demo_event_type type;
} demo_event;

typedef struct demo_parts {
    double match, taste, price, noise; /* amplitudes applied */
} demo_parts;

typedef struct demo_shares {
    double within[4];  /* of variance around the mean of each (user, query) list: match, taste, price fit, noise */
    double overall[4]; /* over all triples */
    uint32_t triples, lists;
} demo_shares;

/* Closeness of two products of one family, and the campaigns' windows, are part of the world. */
typedef struct demo_campaign {
    int64_t from_ms, until_ms;
} demo_campaign;

typedef struct demo_world {
    demo_options options;
    arena *memory; /* strings */
    demo_concept *concepts;
    uint32_t concepts_n, first_family, first_product, first_material, first_colour, first_feature;
    demo_item *items;
    demo_user *users;
    demo_query *queries;
    demo_event *events;
    uint32_t events_n;
    demo_campaign *campaigns;
    uint32_t *by_product;    /* item numbers grouped by product */
    uint32_t *product_start; /* [products + 1] into by_product; index: concept - first_product */
    double amplitude[4];     /* match, taste, price, noise */
    double mean_factors[DEMO_FACTORS];
    demo_shares shares;
    double thresholds[3]; /* of utility: where judge grants grades 1, 2, 3 */
    double click_middle, click_scale, buy_middle, buy_scale;
    double examine[DEMO_POSITIONS]; /* chance that a person looks at position 1, 2, … */
} demo_world;

demo_options demo_options_default(void);
demo_world *demo_world_make(const demo_options *o);
void demo_world_free(demo_world *w);

/* ---- utility (demo_utility.c): what `play` clicks by and `judge` grades by ---------------------- */

/* How well an item fits what a query means, 0 to 1. */
double demo_match(const demo_world *w, const demo_query *q, const demo_item *item);
/* All four parts, amplitudes and personal weights applied; utility is their sum. */
demo_parts demo_utility_parts(const demo_world *w, uint32_t user, uint32_t query, uint32_t item);
double demo_utility(const demo_parts *p);
/* Closeness of two product concepts: 1 the same, 0.3 to 0.6 within a family, else 0. */
double demo_closeness(const demo_world *w, uint32_t product, uint32_t other);
/* Items that a sensible search would bring for a query, at most `room`: its family, and up to 40 others that fit a
 * little. */
uint32_t demo_plausible(const demo_world *w, uint32_t query, uint32_t *out, uint32_t room);
/* Sets amplitudes from variances measured on one sample, then measures the shares on another. */
void demo_calibrate(demo_world *w);
void demo_measure(demo_world *w);

/* ---- steps of demo_world_make, in order --------------------------------------------------------- */

void demo_concepts_make(demo_world *w);
void demo_items_make(demo_world *w);
void demo_people_make(demo_world *w);
void demo_queries_make(demo_world *w);
void demo_popularity_make(demo_world *w); /* appeal, sales, rating: needs people and amplitudes */
void demo_history_make(demo_world *w);
/* Title and description of an item, into the world's memory. */
void demo_prose(demo_world *w, uint32_t item);

/* ---- randomness (demo_random.c) ----------------------------------------------------------------- */

/* The stream `name`/`index` of a seed: streams are independent, so a draw added to one moves no other. */
rng demo_stream(uint64_t seed, const char *name, uint64_t index);
double demo_normal(rng *r);  /* mean 0, variance 1, within ±6; sums of uniforms, no libm */
double demo_round(double x); /* to four decimals */
double demo_exp2(double x);  /* 2^x to 1e-7, by + and * alone */
bool demo_chance(rng *r, double p);
uint32_t demo_pick(rng *r, uint32_t n);                                    /* [0, n) */
uint32_t demo_pick_weighted(rng *r, const double *cumulative, uint32_t n); /* rising sums */

/* ---- files (demo_writer.c, demo_reader.c) ---------------------------------------------------------------------- */

typedef struct demo_files {
    char names[8][40];
    uint64_t bytes[8], lines[8];
    uint32_t n;
    uint64_t checksum; /* over all files, in order */
} demo_files;

/* Writes every file atomically, truth/world.json last: where it stands, the world is whole. A folder that is not
 * empty is refused unless `force`; then files of the same names are replaced and others left alone. */
sinter_status demo_world_write(const demo_world *w, const char *dir, bool force, demo_files *out, sinter_error *e);
/* Opens such a folder again; refuses one whose files are not what this build makes of its seed. Free with
 * demo_world_free. */
sinter_status demo_world_open(const char *dir, demo_world **out, sinter_error *e);
void demo_files_add(demo_files *out, const char *name, const buffer *bytes, uint64_t lines);
/* The same bytes without writing them: one file after the other through `each`. */
typedef sinter_status (*demo_file_fn)(const char *name, const buffer *bytes, uint64_t lines, void *ctx,
                                      sinter_error *e);
sinter_status demo_world_render(const demo_world *w, demo_file_fn each, void *ctx, sinter_error *e);

#endif
