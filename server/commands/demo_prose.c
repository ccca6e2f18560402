/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Titles and descriptions in a shopkeeper's English. What an item has is said in any of its synonyms, or not at all;
 * and a description speaks of things that the item is not (what goes with it, other colours), as real ones do. So the
 * words are good evidence of what an item is, and no proof. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "demo_world.h"

/* One synonym of a concept; the canonical one more often than any other. */
static const char *say(const demo_world *w, rng *r, uint32_t concept) {
    const demo_concept *c = &w->concepts[concept];
    return demo_chance(r, 0.45) ? c->forms[0] : c->forms[demo_pick(r, c->forms_n)];
}

static void word(buffer *b, const char *s) {
    if (b->len) buffer_puts(b, " ");
    buffer_puts(b, s);
}

/* Starts a sentence: the first letter large. */
static void sentence(buffer *b, const char *text) {
    if (b->len) buffer_puts(b, " ");
    size_t at = b->len;
    buffer_puts(b, text);
    b->data[at] = (char)toupper((unsigned char)b->data[at]);
}

static bool vowel(const char *s) {
    return *s && strchr("aeiou", *s);
}

/* "pair of mittens", so that any product can be the subject of a singular verb. */
static void singular(buffer *b, const demo_product_words *product, const char *form) {
    size_t n = strlen(form);
    bool plural = n > 2 && form[n - 1] == 's' && form[n - 2] != 's' && strcmp(form, "thermos") != 0;
    if (plural) buffer_printf(b, "%s ", product->counted ? product->counted : "set of");
    buffer_puts(b, form);
}

static uint32_t nth_feature(const demo_world *w, const demo_item *item, uint32_t n) {
    for (uint32_t i = 0; i < item->concepts_n; i++) {
        if (w->concepts[item->concepts[i]].kind == CONCEPT_FEATURE && n-- == 0) return item->concepts[i];
    }
    return DEMO_NONE;
}

static char *title(demo_world *w, const demo_item *item, uint32_t number) {
    rng r = demo_stream(w->options.seed, "item.title", number);
    buffer b = {0};
    word(&b, demo_brands[item->brand].name);
    bool adjective = demo_chance(&r, 0.7), colour = demo_chance(&r, 0.45), material = demo_chance(&r, 0.6);
    if (item->adjective && adjective) word(&b, item->adjective);
    if (item->colour != DEMO_NONE && colour) word(&b, say(w, &r, item->colour));
    if (item->material != DEMO_NONE && material) word(&b, say(w, &r, item->material));
    word(&b, say(w, &r, item->product));
    uint32_t feature = nth_feature(w, item, 0);
    if (demo_chance(&r, 0.5)) buffer_printf(&b, ", %s", say(w, &r, feature));
    if (item->size && demo_chance(&r, 0.55)) buffer_printf(&b, ", %s", item->size);
    char *out = arena_strdup(w->memory, b.data);
    buffer_free(&b);
    return out;
}

/* "In slate stoneware." and its variations. */
static void looks(demo_world *w, const demo_item *item, rng *r, buffer *b) {
    buffer s = {0};
    const char *colour = item->colour == DEMO_NONE ? NULL : say(w, r, item->colour);
    const char *material = item->material == DEMO_NONE ? NULL : say(w, r, item->material);
    uint32_t pattern = demo_pick(r, 3);
    if (colour && material) {
        static const char *const patterns[] = {"in %s %s.", "%s, made of %s.", "the colour is %s, the material %s."};
        const char *form = patterns[pattern];
        const char *first = strstr(form, "%s"), *second = strstr(first + 2, "%s");
        buffer_append(&s, form, (size_t)(first - form));
        buffer_puts(&s, colour);
        buffer_append(&s, first + 2, (size_t)(second - first - 2));
        buffer_puts(&s, material);
        buffer_puts(&s, second + 2);
    } else if (material) {
        buffer_printf(&s, "made of %s.", material);
    }
    if (s.len) sentence(b, s.data);
    buffer_free(&s);
}

static void features(demo_world *w, const demo_item *item, rng *r, buffer *b) {
    buffer s = {0};
    for (uint32_t n = 0; n < 3; n++) {
        uint32_t feature = nth_feature(w, item, n);
        if (feature == DEMO_NONE) break;
        const char *form = say(w, r, feature);
        if (!demo_chance(r, 0.7)) continue;
        if (s.len) buffer_puts(&s, ", ");
        buffer_puts(&s, form);
    }
    if (s.len) {
        buffer_puts(&s, ".");
        sentence(b, s.data);
    }
    buffer_free(&s);
}

/* True sentences about other things. */
static void asides(demo_world *w, const demo_item *item, rng *r, buffer *b) {
    buffer s = {0};
    bool with = demo_chance(r, 0.45), colour = demo_chance(r, 0.2), material = demo_chance(r, 0.15);
    if (item->complement != DEMO_NONE && with) {
        buffer_printf(&s, "goes well with our %s.", say(w, r, item->complement));
        sentence(b, s.data);
        buffer_clear(&s);
    }
    uint32_t other = w->first_colour + demo_pick(r, (uint32_t)demo_colours_n);
    if (item->colour != DEMO_NONE && colour && other != item->colour) {
        buffer_printf(&s, "also comes in %s.", say(w, r, other));
        sentence(b, s.data);
        buffer_clear(&s);
    }
    uint32_t stuff = w->first_material + demo_pick(r, (uint32_t)demo_materials_n);
    if (item->material != DEMO_NONE && material && stuff != item->material) {
        buffer_printf(&s, "easier to live with than %s.", say(w, r, stuff));
        sentence(b, s.data);
        buffer_clear(&s);
    }
    bool country = demo_chance(r, 0.5);
    buffer_printf(&s, "made in %s.", demo_countries[demo_pick(r, (uint32_t)demo_countries_n)]);
    if (country) sentence(b, s.data);
    buffer_free(&s);
}

static char *description(demo_world *w, const demo_item *item, uint32_t number) {
    rng r = demo_stream(w->options.seed, "item.description", number);
    buffer b = {0}, s = {0};
    const demo_family_words *family = &demo_families[w->concepts[item->family].row];
    const char *blurb = family->blurbs[demo_pick(&r, 2)], *at = strstr(blurb, "%s");
    buffer subject = {0};
    if (item->adjective && demo_chance(&r, 0.5)) buffer_printf(&subject, "%s ", item->adjective);
    singular(&subject, &demo_products[w->concepts[item->product].row], say(w, &r, item->product));
    size_t lead = (size_t)(at - blurb);
    buffer_append(&s, blurb, lead);
    if (vowel(subject.data) && lead >= 2 && (blurb[lead - 2] == 'A' || (lead >= 3 && !strncmp(at - 3, " a ", 3)))) {
        s.data[--s.len] = '\0';
        buffer_puts(&s, "n ");
    }
    buffer_puts(&s, subject.data);
    buffer_puts(&s, at + 2);
    sentence(&b, s.data);
    buffer_free(&subject);
    looks(w, item, &r, &b);
    features(w, item, &r, &b);
    asides(w, item, &r, &b);
    char *out = arena_strdup(w->memory, b.data);
    buffer_free(&b);
    buffer_free(&s);
    return out;
}

void demo_prose(demo_world *w, uint32_t number) {
    demo_item *item = &w->items[number];
    item->title = title(w, item, number);
    item->description = description(w, item, number);
}
