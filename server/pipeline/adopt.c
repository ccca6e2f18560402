/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a reload brings to the views before a snapshot can be built on it: new collections, new fields.
 *
 * Nothing may be half-applied, so all of it is first built on empty catalogues that look as the real ones will. Only when that
 * holds are the views asked to follow, which adds and takes nothing away. On the control thread. */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

void engine_take_collections(engine *g)
{
    if (!g->services) g->services = xcalloc(VIEWS_MOST, sizeof *g->services);
    epoch_enter(g->epochs, g->n_lanes);
    const view_set *v = views_current(g->views);
    for (; g->n_collections < v->n; g->n_collections++)
        services_init(&g->services[g->n_collections], v->collection[g->n_collections].catalog, NULL);
    epoch_exit(g->epochs, g->n_lanes);
}

/* ---- what goes ---------------------------------------------------------------------------------------------------------- */

static sinter_status refuse_gone(const engine *g, const config_collection *was, bool drop, sinter_error *e)
{
    for (const alias *a = aliases_first(g->aliases); a; a = a->next)
        if (strcmp(a->collection, was->name) == 0)
            return error_set(e, SINTER_PRECONDITION, was->file, "put the file back, or point the alias elsewhere first",
                             "the alias '%s' means the collection '%s', whose file is gone", a->name, was->name);
    uint32_t ordinals = 0, live = 0, place = (uint32_t)views_find(g->views, was->name);
    journal_count(g->lane[0].reader, catalog_number(g->services[place].catalog), &ordinals, &live, NULL);
    if (drop || !live) return SINTER_OK;
    return error_set(e, SINTER_PRECONDITION, was->file, "put the file back, or say `sinter reload --drop-collections`",
                     "the file of the collection '%s' is gone, and it has %u items", was->name, live);
}

static sinter_status check_gone(engine *g, const config *is, bool drop, sinter_error *e)
{
    const config *was = ((const snapshot *)atomic_load(&g->snapshot))->config;
    sinter_status st = SINTER_OK;
    for (uint32_t i = 0; i < was->n_collections && st == SINTER_OK; i++)
        if (!config_find_collection(is, was->collection[i].name)) st = refuse_gone(g, &was->collection[i], drop, e);
    return st;
}

/* ---- what comes --------------------------------------------------------------------------------------------------------- */

static catalog_collection *catalog_of(const engine *g, const config_collection *c)
{
    int32_t place = views_find(g->views, c->name);
    return place < 0 ? NULL : g->services[place].catalog;
}

static bool is_news(const engine *g, const config_collection *c)
{
    const catalog_collection *there = catalog_of(g, c);
    return !there || !config_same_fields(catalog_schema(there), c);
}

static bool any_news(const engine *g, const config *c)
{
    for (uint32_t i = 0; i < c->n_collections; i++)
        if (is_news(g, &c->collection[i])) return true;
    return false;
}

/* An empty catalogue that says of itself what the real one will. */
static sinter_status make_probe(const engine *g, const config_collection *c, adoption *a, sinter_error *e)
{
    const catalog_collection *real = catalog_of(g, c);
    catalog_collection *made;
    sinter_status st = real ? catalog_adoptable(real, c, e) : SINTER_OK;
    if (st == SINTER_OK)
        st = catalog_open(c, real ? catalog_number(real) : 0, real ? catalog_uuid(real) : "", a->epochs, &made, e);
    if (st) return st;
    if (real) catalog_expect(made, catalog_current(real)->n_items);
    catalog_publish(made, 0);
    a->made[a->n_made++] = made;
    return SINTER_OK;
}

static sinter_status make_probes(const engine *g, const config *c, adoption *a, uint32_t *n, sinter_error *e)
{
    a->probe = xcalloc(VIEWS_MOST, sizeof *a->probe);
    a->made = xcalloc(c->n_collections + 1, sizeof *a->made);
    a->epochs = epoch_new(1);
    *n = g->n_collections;
    for (uint32_t i = 0; i < *n; i++) services_init(&a->probe[i], g->services[i].catalog, NULL);
    for (uint32_t i = 0; i < c->n_collections; i++) {
        const config_collection *k = &c->collection[i];
        if (!is_news(g, k)) continue;
        sinter_status st = make_probe(g, k, a, e);
        if (st) return st;
        int32_t place = views_find(g->views, k->name);
        if (place < 0 && *n == VIEWS_MOST)
            return error_set(e, SINTER_PRECONDITION, k->file, "restart the server", "%d collections have been served since the start",
                             VIEWS_MOST);
        services_init(&a->probe[place < 0 ? (*n)++ : (uint32_t)place], a->made[a->n_made - 1], NULL);
    }
    return SINTER_OK;
}

static void keep(engine *g, config *c, uint32_t *refs)
{
    kept_config *k = xmalloc(sizeof *k);
    *k = (kept_config){c, refs, g->kept};
    ++*refs;
    g->kept = k;
}

void engine_release_kept(engine *g)
{
    for (kept_config *k = g->kept, *next; k; k = next) {
        next = k->next;
        if (--*k->refs == 0) {
            config_free(k->config);
            free(k->refs);
        }
        free(k);
    }
    g->kept = NULL;
}

void engine_follow(engine *g, snapshot *to)
{
    sinter_error e = SINTER_ERROR_INIT;
    if (!any_news(g, to->config)) return;
    keep(g, to->config, to->config_refs);
    if (views_adopt(g->views, to->config, &e)) log_error("rollback.fields", "%s", e.what);
    engine_take_collections(g);
}

static sinter_status follow(engine *g, config *c, adoption *a, snapshot_args *args, sinter_error *e)
{
    snapshot *tried;
    sinter_status st = engine_build(g, args, &tried, e);
    if (st) return st;
    args->config_refs = tried->config_refs;
    keep(g, c, tried->config_refs);
    engine_discard(g, tried);
    args->services = NULL;
    engine_adopt_end(a);
    st = views_adopt(g->views, c, e);
    if (st == SINTER_OK) engine_take_collections(g);
    return st;
}

sinter_status engine_adopt(engine *g, config *c, bool dry_run, bool drop, snapshot_args *args, adoption *a, sinter_error *e)
{
    sinter_status st = check_gone(g, c, drop, e);
    if (st || !any_news(g, c)) return st;
    st = make_probes(g, c, a, &args->n_collections, e);
    args->services = a->probe;
    return st || dry_run ? st : follow(g, c, a, args, e);
}

void engine_adopt_end(adoption *a)
{
    for (uint32_t i = 0; i < a->n_made; i++) catalog_close(a->made[i]);
    if (a->epochs) epoch_free(a->epochs);
    free(a->made);
    free(a->probe);
    *a = (adoption){0};
}
