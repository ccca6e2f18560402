/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The fixed vocabulary of the demo shop: what it sells, of what, in which colours, by whom.
 *
 * Every list is a const table; the world is composed from them by seeded choice. A *form* is one way to say a thing, of
 * one to four words; the forms of one row are synonyms. Form 0 is the canonical one, which item fields use.
 * Appending a row changes every world of every seed: print all figures again when you do. */
#ifndef SINTER_DEMO_WORDS_H
#define SINTER_DEMO_WORDS_H

#include <stddef.h>

#define DEMO_FORMS   4
#define DEMO_FACTORS 8

/* A second-level category. `blurbs` are whole sentences; %s is the product as the description calls it. */
typedef struct demo_family_words {
    const char *department;
    const char *name;
    const char *forms[DEMO_FORMS];
    const char *blurbs[2];
    const char *features; /* letters of the feature groups that suit its products, where a product names none */
    int coloured;         /* its items have a colour */
} demo_family_words;

typedef struct demo_product_words {
    const char *family; /* name of its family */
    const char *forms[DEMO_FORMS];
    double price;          /* the middle of its price range */
    const char *materials; /* letters of the material groups; "" none */
    char size;             /* kind of size, see demo_sizes; 'n' none */
    const char *goes_with; /* form 0 of the product bought with it */
    const char *features;  /* letters of the feature groups that suit it; NULL: as its family */
    const char *counted;   /* "pair of", for forms that are plural; NULL: "set of" */
} demo_product_words;

/* A material or a feature: `groups` are the letters by which families and products name what suits them. */
typedef struct demo_grouped_words {
    const char *groups;
    const char *forms[DEMO_FORMS];
} demo_grouped_words;

typedef struct demo_colour_words {
    const char *near; /* form 0 of a colour that half satisfies who asked for this one; NULL none */
    const char *forms[DEMO_FORMS];
} demo_colour_words;

/* One latent factor of taste, with adjectives that give away its two poles. */
typedef struct demo_factor_words {
    const char *name;
    const char *high[3];
    const char *low[3];
} demo_factor_words;

typedef struct demo_brand_words {
    const char *name;
    const char *departments[3];
    int tier; /* -1 cheap, 0, 1 dear */
} demo_brand_words;

typedef struct demo_size_words {
    char kind;
    const char *sizes[6];
} demo_size_words;

typedef struct demo_campaign_words {
    const char *id;
    const char *title;
    const char *families[4];
} demo_campaign_words;

extern const demo_family_words demo_families[];
extern const size_t demo_families_n;
extern const demo_product_words demo_products[];
extern const size_t demo_products_n;
extern const demo_grouped_words demo_materials[];
extern const size_t demo_materials_n;
extern const demo_grouped_words demo_features[];
extern const size_t demo_features_n;
extern const demo_colour_words demo_colours[];
extern const size_t demo_colours_n;
extern const demo_factor_words demo_factor_names[DEMO_FACTORS];
extern const demo_brand_words demo_brands[];
extern const size_t demo_brands_n;
extern const demo_size_words demo_sizes[];
extern const size_t demo_sizes_n;
extern const demo_campaign_words demo_campaigns[];
extern const size_t demo_campaigns_n;
extern const char *const demo_countries[];
extern const size_t demo_countries_n;
/* Kinds of people: a segment is what the shop knows of them. */
extern const char *const demo_segments[];
extern const size_t demo_segments_n;

#endif
