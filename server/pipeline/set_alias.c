/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pointing a name at a collection. A change like any other, but for the rehearsal and the watch: neither
 * knows the items of another collection. */
#include "engine.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- waiting ---- */

static void mark_free(void *p, void *ctx)
{
    (void)p;
    atomic_store((atomic_bool *)ctx, true);
}

bool engine_wait_lanes(engine *g, uint64_t patience_ns)
{
    static char token;
    atomic_bool *past = xmalloc(sizeof *past);
    uint64_t until = clock_mono_ns() + patience_ns;
    atomic_init(past, false);
    epoch_retire(g->epochs, &token, mark_free, past);
    for (epoch_reclaim(g->epochs); !atomic_load(past); epoch_reclaim(g->epochs)) {
        struct timespec pause = {.tv_nsec = 1000000};
        if (clock_mono_ns() >= until) return false; /* the mark is set later: it is never freed, once in a great while */
        nanosleep(&pause, NULL);
    }
    free(past);
    return true;
}

/* ---- the change ---- */

static sinter_status check_name(const char *name, sinter_error *e)
{
    size_t n = strlen(name);
    if (n >= 1 && n <= 64 && name[0] >= 'a' && name[0] <= 'z' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n)
        return SINTER_OK;
    return error_set(e, SINTER_INVALID, "alias", "use at most 64 lower-case letters, digits, _ and -, a letter first",
                     "'%.100s' cannot be a collection's name", name);
}

static sinter_status check_target(const engine *g, const snapshot *s, const char *name, const char *collection, sinter_error *e)
{
    const char *names[256];
    uint32_t n = 0;
    if (strcmp(name, collection) == 0)
        return error_set(e, SINTER_INVALID, "collection", "an empty collection takes the alias away, and the name is its own again",
                         "'%s' would mean itself", name);
    for (uint32_t i = 0; i < s->config->n_collections; i++) {
        if (strcmp(s->config->collection[i].name, collection) == 0) return SINTER_OK;
        if (n < ARRAY_LEN(names)) names[n++] = s->config->collection[i].name;
    }
    for (const alias *a = aliases_first(g->aliases); a; a = a->next)
        if (strcmp(a->name, collection) == 0)
            return error_set(e, SINTER_INVALID, "collection", "name the collection itself", "'%s' is an alias, of '%s'", a->name,
                             a->collection);
    const char *near = near_name(collection, names, n);
    error_set(e, SINTER_NOT_FOUND, "collection", "declare it in collections/NAME.yaml, and reload", "no collection '%.100s' is declared",
              collection);
    if (near) error_fix(e, "did you mean '%s'?", near);
    return SINTER_NOT_FOUND;
}

static sinter_status check_missing(const engine *g, const char *name, sinter_error *e)
{
    for (const alias *a = aliases_first(g->aliases); a; a = a->next)
        if (strcmp(a->name, name) == 0) return SINTER_OK;
    return error_set(e, SINTER_NOT_FOUND, "alias", "ListCollections names them", "there is no alias '%s'", name);
}

static void take(aliases *x, const char *name, const char *collection, const char *who, const char *why)
{
    Sinter__Storage__V1__AliasSet m = SINTER__STORAGE__V1__ALIAS_SET__INIT;
    m.alias = (char *)(uintptr_t)name;
    m.collection = (char *)(uintptr_t)collection;
    m.who = (char *)(uintptr_t)who;
    m.why = (char *)(uintptr_t)why;
    aliases_add(x, &m, 0, 0);
}

/* What the names will mean. */
static aliases *changed(const engine *g, const char *name, const char *collection)
{
    aliases *x = aliases_new();
    for (const alias *a = aliases_first(g->aliases); a; a = a->next) take(x, a->name, a->collection, "", "");
    take(x, name, collection, "", "");
    return x;
}

sinter_status engine_set_alias(engine *g, const char *name, const char *collection, const engine_order *o, arena *a,
                               engine_changed *out, sinter_error *e)
{
    snapshot *was = atomic_load(&g->snapshot);
    sinter_status st = check_name(name, e);
    if (st == SINTER_OK) st = *collection ? check_target(g, was, name, collection, e) : check_missing(g, name, e);
    if (st) return st;
    Sinter__Storage__V1__AliasSet m = SINTER__STORAGE__V1__ALIAS_SET__INIT;
    m.alias = arena_strdup(a, name);
    m.collection = arena_strdup(a, collection);
    m.who = arena_strdup(a, o->who ? o->who : "");
    m.why = arena_strdup(a, o->why ? o->why : "");
    aliases *then = changed(g, name, collection);
    change c = {.kind = SINTER__STORAGE__V1__CHANGE__KIND__KIND_ALIAS,
                .order = o,
                .args = {.config = was->config, .config_refs = was->config_refs, .aliases = then},
                .alias = &m,
                .probed = true}; /* recorded requests know items of the other collection */
    st = change_make(g, &c, a, out, e);
    aliases_free(then);
    if (st == SINTER_OK && !o->dry_run)
        log_info("alias.set", "%s means %s from record %llu on%s%s", name, *collection ? collection : "itself",
                 (unsigned long long)out->sequence, *m.who ? ", by " : "", m.who);
    return st;
}
