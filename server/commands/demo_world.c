/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes a demo world, step by step, and takes it down. */
#include <stdlib.h>

#include "demo_world.h"

demo_options demo_options_default(void) {
    return (demo_options){.items = 5000,
                          .users = 2000,
                          .queries = 400,
                          .events = 60000,
                          .now_ms = INT64_C(1767225600000)}; /* 2026-01-01T00:00:00Z */
}

demo_world *demo_world_make(const demo_options *o) {
    demo_world *w = xcalloc(1, sizeof *w);
    w->options = *o;
    w->memory = arena_new(1 << 20);
    demo_concepts_make(w);
    demo_items_make(w);
    demo_people_make(w);
    demo_queries_make(w);
    demo_calibrate(w);
    demo_popularity_make(w);
    demo_history_make(w);
    demo_measure(w);
    return w;
}

void demo_world_free(demo_world *w) {
    if (!w) return;
    free(w->concepts);
    free(w->items);
    free(w->users);
    free(w->queries);
    free(w->events);
    free(w->campaigns);
    free(w->by_product);
    free(w->product_start);
    arena_free(w->memory);
    free(w);
}
