/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What people ask for: a few concepts, said in whatever synonyms come to mind, now and then with two letters swapped.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "demo_world.h"

static const char *say(const demo_world *w, rng *r, uint32_t concept) {
    const demo_concept *c = &w->concepts[concept];
    return c->forms[demo_pick(r, c->forms_n)];
}

static void word(buffer *b, const char *s) {
    if (b->len) buffer_puts(b, " ");
    buffer_puts(b, s);
}

/* Swaps two inner letters of a word of six or more; false when there is none. */
static bool misspell(buffer *b, rng *r) {
    size_t start = 0;
    for (size_t i = 0; i <= b->len; i++) {
        if (i < b->len && isalpha((unsigned char)b->data[i])) continue;
        if (i - start >= 6) {
            size_t at = start + 1 + demo_pick(r, (uint32_t)(i - start - 3));
            char c = b->data[at];
            if (c == b->data[at + 1]) return false;
            b->data[at] = b->data[at + 1];
            b->data[at + 1] = c;
            return true;
        }
        start = i + 1;
    }
    return false;
}

/* Takes what is asked from a real item, so that somebody could be content. */
static void mean(demo_world *w, demo_query *q, rng *r) {
    const demo_item *item = &w->items[demo_pick(r, w->options.items)];
    static const double weights[4] = {0.60, 0.85, 1.10, 1.30}; /* broad, product alone, with one more, with two */
    if (demo_chance(r, 0.12)) {
        q->asked[q->asked_n++] = item->family;
        q->weights[0] = 1;
        q->match_weight = weights[0];
        return;
    }
    q->asked[q->asked_n++] = item->product;
    uint32_t more = demo_chance(r, 0.4) ? 0 : demo_chance(r, 0.7) ? 1 : 2;
    for (uint32_t i = 0, from = 2 + demo_pick(r, 2); i < more; i++) {
        uint32_t at = 2 + (from + i) % (item->concepts_n - 2); /* after product and family */
        q->asked[q->asked_n++] = item->concepts[at];
        if (item->concepts_n - 2 == 1) break;
    }
    uint32_t asked = q->asked_n - 1;
    q->weights[0] = asked ? 0.6 : 1;
    for (uint32_t i = 1; i <= asked; i++)
        q->weights[i] = demo_round(0.4 / asked);
    q->match_weight = weights[1 + asked];
}

static void speak(demo_world *w, demo_query *q, rng *r) {
    buffer b = {0};
    for (uint32_t i = 1; i < q->asked_n; i++) {
        demo_concept_kind kind = w->concepts[q->asked[i]].kind;
        if (kind == CONCEPT_COLOUR) word(&b, say(w, r, q->asked[i]));
    }
    for (uint32_t i = 1; i < q->asked_n; i++) {
        if (w->concepts[q->asked[i]].kind == CONCEPT_MATERIAL) word(&b, say(w, r, q->asked[i]));
    }
    word(&b, say(w, r, q->asked[0]));
    for (uint32_t i = 1; i < q->asked_n; i++) {
        if (w->concepts[q->asked[i]].kind == CONCEPT_FEATURE) word(&b, say(w, r, q->asked[i]));
    }
    bool slip = demo_chance(r, 0.05);
    q->typo = slip && misspell(&b, r);
    q->text = arena_strdup(w->memory, b.data);
    buffer_free(&b);
}

void demo_queries_make(demo_world *w) {
    uint32_t n = w->options.queries;
    w->queries = xcalloc(n, sizeof *w->queries);
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        demo_query *q = &w->queries[i];
        rng r = demo_stream(w->options.seed, "query", i);
        snprintf(q->id, sizeof q->id, "q%05u", i + 1);
        mean(w, q, &r);
        speak(w, q, &r);
        q->popularity = 1.0 / (i + 8);
        sum += q->popularity;
    }
    for (uint32_t i = 0; i < n; i++)
        w->queries[i].popularity /= sum;
}
