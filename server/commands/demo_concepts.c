/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The hidden concepts: one for each family, product, material, colour and feature of the vocabulary. */
#include <string.h>

#include "demo_world.h"

static uint32_t count_forms(const char *const forms[DEMO_FORMS]) {
    uint32_t n = 0;
    while (n < DEMO_FORMS && forms[n])
        n++;
    return n;
}

static demo_concept *add(demo_world *w, demo_concept_kind kind, const char *const forms[DEMO_FORMS], uint32_t row) {
    demo_concept *c = &w->concepts[w->concepts_n++];
    *c = (demo_concept){.kind = kind,
                        .forms = forms,
                        .forms_n = count_forms(forms),
                        .row = row,
                        .family = DEMO_NONE,
                        .near = DEMO_NONE};
    return c;
}

static uint32_t find(const demo_world *w, uint32_t from, uint32_t until, const char *form) {
    for (uint32_t c = from; form && c < until; c++) {
        if (strcmp(w->concepts[c].forms[0], form) == 0) return c;
    }
    return DEMO_NONE;
}

static uint32_t family_named(const demo_world *w, const char *name) {
    for (uint32_t f = 0; f < demo_families_n; f++) {
        if (strcmp(demo_families[f].name, name) == 0) return w->first_family + f;
    }
    return DEMO_NONE;
}

void demo_concepts_make(demo_world *w) {
    size_t most = demo_families_n + demo_products_n + demo_materials_n + demo_colours_n + demo_features_n;
    w->concepts = xcalloc(most, sizeof *w->concepts);
    w->first_family = w->concepts_n;
    for (uint32_t i = 0; i < demo_families_n; i++)
        add(w, CONCEPT_FAMILY, demo_families[i].forms, i);
    w->first_product = w->concepts_n;
    for (uint32_t i = 0; i < demo_products_n; i++)
        add(w, CONCEPT_PRODUCT, demo_products[i].forms, i)->family = family_named(w, demo_products[i].family);
    w->first_material = w->concepts_n;
    for (uint32_t i = 0; i < demo_materials_n; i++)
        add(w, CONCEPT_MATERIAL, demo_materials[i].forms, i);
    w->first_colour = w->concepts_n;
    for (uint32_t i = 0; i < demo_colours_n; i++)
        add(w, CONCEPT_COLOUR, demo_colours[i].forms, i);
    w->first_feature = w->concepts_n;
    for (uint32_t i = 0; i < demo_features_n; i++)
        add(w, CONCEPT_FEATURE, demo_features[i].forms, i);

    for (uint32_t i = 0; i < demo_products_n; i++)
        w->concepts[w->first_product + i].near =
            find(w, w->first_product, w->first_material, demo_products[i].goes_with);
    for (uint32_t i = 0; i < demo_colours_n; i++)
        w->concepts[w->first_colour + i].near = find(w, w->first_colour, w->first_feature, demo_colours[i].near);
}
