/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The shop's items: what each is, what it is made of, how it feels (latent factors), what it costs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo_world.h"

/* Brands and products lend their items a part of their own character, so that taste can be learnt across items. */
typedef struct character {
    double factors[DEMO_FACTORS];
} character;

static character *characters_make(uint64_t seed, const char *stream, size_t n) {
    character *all = xcalloc(n, sizeof *all);
    for (size_t i = 0; i < n; i++) {
        rng r = demo_stream(seed, stream, i);
        for (int f = 0; f < DEMO_FACTORS; f++)
            all[i].factors[f] = demo_normal(&r);
    }
    return all;
}

static double *rising(uint64_t seed, const char *stream, size_t n) {
    double *sums = xcalloc(n, sizeof *sums), sum = 0;
    for (size_t i = 0; i < n; i++) {
        rng r = demo_stream(seed, stream, i);
        sums[i] = sum += 0.4 + rng_uniform(&r);
    }
    return sums;
}

static uint32_t pick_grouped(rng *r, const demo_grouped_words *words, size_t n, const char *groups) {
    uint32_t fitting[64], count = 0;
    for (uint32_t i = 0; i < n && count < ARRAY_LEN(fitting); i++) {
        if (strpbrk(words[i].groups, groups)) fitting[count++] = i;
    }
    return count ? fitting[demo_pick(r, count)] : DEMO_NONE;
}

static uint32_t pick_brand(rng *r, const char *department) {
    uint32_t fitting[64], count = 0;
    for (uint32_t b = 0; b < demo_brands_n && count < ARRAY_LEN(fitting); b++) {
        for (int d = 0; d < 3; d++) {
            const char *of = demo_brands[b].departments[d];
            if (of && strcmp(of, department) == 0) fitting[count++] = b;
        }
    }
    return fitting[demo_pick(r, count)];
}

static void add_concept(demo_item *item, uint32_t concept) {
    for (uint32_t i = 0; i < item->concepts_n; i++) {
        if (item->concepts[i] == concept) return;
    }
    if (item->concepts_n < DEMO_ITEM_CONCEPTS) item->concepts[item->concepts_n++] = concept;
}

/* What it is and what it has. */
static void look(demo_world *w, demo_item *item, uint32_t number, const double *weights) {
    rng r = demo_stream(w->options.seed, "item.look", number);
    uint32_t row = demo_pick_weighted(&r, weights, (uint32_t)demo_products_n);
    const demo_product_words *product = &demo_products[row];
    item->product = w->first_product + row;
    item->family = w->concepts[item->product].family;
    const demo_family_words *family = &demo_families[w->concepts[item->family].row];
    add_concept(item, item->product);
    add_concept(item, item->family);
    uint32_t material = pick_grouped(&r, demo_materials, demo_materials_n, product->materials);
    item->material = material == DEMO_NONE ? DEMO_NONE : w->first_material + material;
    uint32_t colour = demo_pick(&r, (uint32_t)demo_colours_n);
    item->colour = family->coloured && (*product->materials != '\0') ? w->first_colour + colour : DEMO_NONE;
    if (item->material != DEMO_NONE) add_concept(item, item->material);
    if (item->colour != DEMO_NONE) add_concept(item, item->colour);
    uint32_t features = 1 + demo_pick(&r, 3);
    const char *suited = product->features ? product->features : family->features;
    for (uint32_t i = 0; i < features; i++)
        add_concept(item, w->first_feature + pick_grouped(&r, demo_features, demo_features_n, suited));
    item->brand = pick_brand(&r, family->department);
    item->complement = w->concepts[item->product].near;
    uint32_t size = demo_pick(&r, 6);
    for (size_t s = 0; s < demo_sizes_n; s++) {
        if (demo_sizes[s].kind == product->size) item->size = demo_sizes[s].sizes[size];
    }
    item->in_stock = demo_chance(&r, 0.93);
}

static void feel(demo_world *w, demo_item *item, uint32_t number, const character *brands, const character *products) {
    rng r = demo_stream(w->options.seed, "item.feel", number);
    const character *brand = &brands[item->brand], *product = &products[w->concepts[item->product].row];
    int strongest = 0;
    for (int f = 0; f < DEMO_FACTORS; f++) {
        double own = demo_normal(&r);
        item->factors[f] = demo_round(0.6 * brand->factors[f] + 0.4 * product->factors[f] + 0.7 * own);
        if (fabs(item->factors[f]) > fabs(item->factors[strongest])) strongest = f;
    }
    const demo_factor_words *words = &demo_factor_names[strongest];
    const char *const *pole = item->factors[strongest] > 0 ? words->high : words->low;
    const char *adjective = pole[demo_pick(&r, 3)];
    item->adjective = demo_chance(&r, 0.6) ? adjective : NULL;
}

/* Prices end as shops end them. */
static double shelf_price(double p) {
    if (p < 20) return floor(p * 20 + 0.5) / 20 < 0.5 ? 0.5 : floor(p * 20 + 0.5) / 20;
    if (p < 100) return floor(p) + 0.9;
    return floor(p / 5 + 0.5) * 5;
}

static void price(demo_world *w, demo_item *item, uint32_t number) {
    rng r = demo_stream(w->options.seed, "item.price", number);
    item->price_level = demo_round(0.5 * demo_brands[item->brand].tier + 0.85 * demo_normal(&r));
    double middle = demo_products[w->concepts[item->product].row].price;
    item->price = shelf_price(middle * demo_exp2(0.6 * item->price_level));
}

static void place_in_time(demo_world *w, demo_item *item, uint32_t number) {
    rng r = demo_stream(w->options.seed, "item.time", number);
    double u = rng_uniform(&r);
    int64_t days = item->is_new ? 1 + (int64_t)(u * 13) : 31 + (int64_t)(u * u * 1400);
    int64_t hour = 6 + (int64_t)demo_pick(&r, 4);
    int64_t today = w->options.now_ms - w->options.now_ms % DEMO_DAY_MS;
    item->released_ms = today - days * DEMO_DAY_MS + hour * 3600000;
    uint32_t joined = 0;
    item->campaigns[0] = item->campaigns[1] = DEMO_NONE;
    for (uint32_t c = 0; c < demo_campaigns_n; c++) {
        bool joins = demo_chance(&r, 0.25);
        for (int f = 0; f < 4; f++) {
            const char *family = demo_campaigns[c].families[f];
            bool of = family && strcmp(family, demo_families[w->concepts[item->family].row].name) == 0;
            if (of && joins && joined < 2) item->campaigns[joined++] = c;
        }
    }
}

/* Exactly one item in twenty, by a shuffle. */
static void choose_new(demo_world *w) {
    uint32_t n = w->options.items, *order = xmalloc(n * sizeof *order);
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    rng r = demo_stream(w->options.seed, "item.new", 0);
    for (uint32_t i = 0; i < (n + 10) / 20; i++) {
        uint32_t j = i + demo_pick(&r, n - i), chosen = order[j];
        order[j] = order[i];
        w->items[chosen].is_new = true;
    }
    free(order);
}

static void group_by_product(demo_world *w) {
    uint32_t products = (uint32_t)demo_products_n, n = w->options.items;
    w->product_start = xcalloc(products + 1, sizeof *w->product_start);
    w->by_product = xcalloc(n, sizeof *w->by_product);
    for (uint32_t i = 0; i < n; i++)
        w->product_start[w->items[i].product - w->first_product + 1]++;
    for (uint32_t p = 0; p < products; p++)
        w->product_start[p + 1] += w->product_start[p];
    uint32_t *next = xmalloc(products * sizeof *next);
    memcpy(next, w->product_start, products * sizeof *next);
    for (uint32_t i = 0; i < n; i++)
        w->by_product[next[w->items[i].product - w->first_product]++] = i;
    free(next);
}

void demo_items_make(demo_world *w) {
    uint32_t n = w->options.items;
    w->items = xcalloc(n, sizeof *w->items);
    choose_new(w);
    character *brands = characters_make(w->options.seed, "brand", demo_brands_n);
    character *products = characters_make(w->options.seed, "product", demo_products_n);
    double *weights = rising(w->options.seed, "product.weight", demo_products_n);
    for (uint32_t i = 0; i < n; i++) {
        demo_item *item = &w->items[i];
        snprintf(item->id, sizeof item->id, "i%06u", i + 1);
        look(w, item, i, weights);
        feel(w, item, i, brands, products);
        price(w, item, i);
        place_in_time(w, item, i);
        demo_prose(w, i);
    }
    free(brands);
    free(products);
    free(weights);
    group_by_product(w);
}
